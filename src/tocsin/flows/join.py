"""How a party comes into the directory: invited by file, its keys checked by telephone.

The invitation carries the root file, so that whoever joins knows which directory it is, and a
one-time nonce, so that the answer needs no account. The fingerprint is compared out of band.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct, structs

from tocsin.canonical import b64decode, b64encode
from tocsin.errors import ConflictError, DirectoryError, ForbiddenError, NotFoundError
from tocsin.flows import intake
from tocsin.flows.keys import chain_of_trust
from tocsin.flows.node import Node
from tocsin.record.admission import ChainHead, admit
from tocsin.record.directory import (
    Party,
    add_party,
    fingerprint,
    party_json,
    read_directory,
    read_party,
)
from tocsin.record.envelope import open_statement, sign
from tocsin.record.keys import Signer
from tocsin.record.proposal import (
    Proposal,
    Slot,
    envelope_of,
    first_of,
    lacking,
    proposal_of,
    signed_by,
    slots,
)
from tocsin.record.statement import KEY_CHAIN, compose
from tocsin.store.interface import LocalRow

INVITED_DAYS = 30
"""An invitation that nobody answered is good for so long."""
MAX_ENTRY = 64 * 1024
"""Bytes of a party's entry as JSON; with its keys, that of a node has some 10 KiB. A directory has
1 MiB for all, and every node keeps each version for ever."""


class Invitation(Struct, frozen=True, kw_only=True):
    """The file a registrar hands to a party it invites."""

    v: int
    party: str
    root: str
    """Base64 of the root file."""
    url: str
    """Where the node answers; "" for an answer by file."""
    nonce: str
    invited_by: str
    expires: str = ""
    """Until when it can be answered, 20 characters UTC."""
    node_url: str = ""
    """Where the party's own node is to answer, as the registrar was told; "": it was not told."""


class Enrolment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the invited party answers with: its entry, and its key statement."""

    v: int
    nonce: str
    party: dict[str, Any]
    key_statement: str
    """Base64 of the envelope in which its root key enrols its signing key."""
    secret: str = ""
    """Random, made where the answer is made: whoever shows it again gets the same answer again,
    so that a reply lost on its way costs nothing. "": the answer is good once."""


class Admitted(Struct, frozen=True, kw_only=True):
    """What it gets: a token to read what is meant for it, and the directory's new version."""

    directory_version: int
    token: str
    """"" while registrars still have to sign."""
    directory: list[str] = []
    """For a party with a node of its own: base64 of every root-kind envelope, in log order."""
    proposal: Proposal | None = None
    """Where one registrar is not enough: the version that lists the party, to be signed on."""
    lacking: list[str] = []
    """Who has to sign it still, in words."""


class _Invited(Struct, frozen=True):
    party: str
    expires: str = ""
    urls: tuple[str, ...] = ()
    """Addresses that a person here has written down or confirmed."""


class _Spent(Struct, frozen=True):
    party: str
    secret: str
    """SHA-256 of the answer's secret, hex."""
    until: str


def root_fingerprint(node: Node) -> str:
    """The fingerprint to read out by telephone."""
    return fingerprint(node.root)


def invitation(
    node: Node,
    inviter: str,
    party: str,
    *,
    url: str,
    node_url: str = "",
    days: int = INVITED_DAYS,
) -> Invitation:
    """Invite a party: one nonce, good for one answer within so many days.

    Args:
        url: where this node answers the party; "": where the directory says, if it does.
        node_url: where the party's own node will answer. Every node asks the addresses of the
            directory, those of its own network too: one that nobody here has written down waits
            until somebody confirms it.

    Raises:
        ForbiddenError: only a registrar's own node invites.
        ConflictError: the party is in the directory already.
    """
    if inviter != node.party:
        raise _no_registrar(node, inviter)
    check_registrar(node)
    if node.directory.party(party) is not None:
        raise ConflictError(f"{party} is in the directory already", remedy="see: tocsin party list")
    own = node.directory.party(node.party)
    listed = next((n.url for n in own.nodes if n.url), "") if own else ""
    nonce = node.rng(24).hex()
    expires = intake.stamp(node.clock() + timedelta(days=days))
    urls = (node_url.rstrip("/"),) if node_url else ()
    row = msgspec.json.encode(_Invited(party=party, expires=expires, urls=urls))
    node.store.keep_local("invitation", _hash(nonce), row, None)
    return Invitation(
        v=1,
        party=party,
        root=b64encode(node.root),
        url=url or listed,
        nonce=nonce,
        invited_by=node.party,
        expires=expires,
        node_url=node_url.rstrip("/"),
    )


def addresses(entry: Party) -> list[str]:
    """Every address that the nodes of an entry are to be asked at."""
    return [url for node in entry.nodes for url in (node.url, node.peer_url) if url]


def confirm(node: Node, confirmer: str, party: str, urls: Sequence[str]) -> None:
    """Let an invited party be listed at these addresses: a person here has looked at them.

    Raises:
        ForbiddenError: only a registrar's own node confirms.
        NotFoundError: no invitation of this party is open.
    """
    if confirmer != node.party:
        raise _no_registrar(node, confirmer)
    check_registrar(node)
    rows = [
        (row, invited)
        for row in node.store.list_local("invitation")
        if (invited := msgspec.json.decode(row.value, type=_Invited)).party == party
    ]
    if not rows:
        raise NotFoundError(
            f"no invitation of {party} is open here", remedy=f"tocsin party invite {party}"
        )
    for row, invited in rows:
        known = tuple(dict.fromkeys([*invited.urls, *urls]))
        value = msgspec.json.encode(msgspec.structs.replace(invited, urls=known))
        node.store.keep_local("invitation", row.key, value, row.version)


def check_registrar(node: Node) -> list[str]:
    """The ids of this party's registrar keys. Raises ForbiddenError: none is in force.

    The key itself may be kept elsewhere, or be another than the directory lists.
    """
    listed = [key.keyid for key in node.directory.registrars.keys if key.party == node.party]
    if not listed:
        raise _no_registrar(node, node.party)
    return listed


def _no_registrar(node: Node, party: str) -> ForbiddenError:
    return ForbiddenError(
        f"{party} is no registrar of this directory here",
        remedy="ask " + ", ".join(k.party for k in node.directory.registrars.keys),
    )


def _hash(nonce: str) -> str:
    return hashlib.sha256(nonce.encode()).hexdigest()


def admit_party(node: Node, enrolment: Enrolment) -> Admitted:
    """Take an invited party in: directory version N+1, then its key statement, then a token.

    The nonce is spent last, so that an answer cut off half-way can be given again; and once it is
    spent, by whoever shows the secret of that answer, for thirty days. Where one registrar is not
    enough the version is proposed only, and the same answer again, once it is in force, goes on.
    So it does where its node has an address that nobody here has written down or confirmed.

    Raises:
        NotFoundError: the nonce is unknown, spent or too old.
        DirectoryError: the entry is malformed, or names another party than was invited.
    """
    row = node.store.local("invitation", _hash(enrolment.nonce))
    if row is None:
        return _again(node, enrolment)
    invited = msgspec.json.decode(row.value, type=_Invited)
    if invited.expires and invited.expires < intake.stamp(node.clock()):
        node.store.keep_local("invitation", row.key, None, row.version)
        raise NotFoundError(
            f"this invitation of {invited.party} was good until {invited.expires}",
            remedy=f"ask for a new one: tocsin party invite {invited.party}",
        )
    entry = read_party(enrolment.party)
    raw = b64decode(enrolment.key_statement)
    _, statement = open_statement(raw)
    if entry.id != invited.party or statement.author != invited.party or statement.kind != "key":
        raise DirectoryError(
            f"the answer is by {entry.id} and {statement.author}, and {invited.party} was invited",
            remedy="answer with the party's own keys: tocsin party join INVITATION",
        )
    size = len(msgspec.json.encode(enrolment.party))
    if size > MAX_ENTRY:
        raise DirectoryError(
            f"the entry of {entry.id} has {size} bytes, and at most {MAX_ENTRY} are taken",
            remedy="shorten what it says of itself, and answer again",
        )
    if not entry.nodes:
        # Others send here what is for it: its token is of this node.
        entry = structs.replace(entry, home=node.party)
    with node.lock:
        if node.store.local("invitation", row.key) is None:
            raise _spent()
        if node.directory.party(entry.id) is None:
            unknown = [url for url in addresses(entry) if url not in invited.urls]
            if unknown:
                _keep_waiting(node, enrolment)
                return Admitted(
                    directory_version=node.directory.version,
                    token="",
                    lacking=[
                        f"{node.party} must confirm the address {', '.join(unknown)}: there, "
                        f"tocsin party confirm {entry.id}"
                    ],
                )
            proposed, wanted = _next_version(node, entry)
            lacked = lacking(proposed, wanted)
            if lacked:
                _keep_waiting(node, enrolment)
                return Admitted(
                    directory_version=node.directory.version,
                    token="",
                    proposal=proposed,
                    lacking=lacked,
                )
            version = envelope_of(proposed, wanted)
            _check_answer(node, version, raw)
            intake.enter(node, version)
        intake.enter(node, raw)
        _drop_others(node, invited.party, row.key)
        _spend(node, row, enrolment, invited.party)
        return _admitted(node, entry.id)


def _admitted(node: Node, party: str) -> Admitted:
    listed = node.party_entry(party)
    return Admitted(
        directory_version=node.directory.version,
        token=node.new_token(party) if node.new_token else "",
        directory=[b64encode(raw) for raw in chain_of_trust(node)] if listed.nodes else [],
    )


def _spend(node: Node, row: LocalRow, enrolment: Enrolment, party: str) -> None:
    if enrolment.secret:
        held = node.store.local("joined", row.key)
        spent = _Spent(
            party=party,
            secret=_hash(enrolment.secret),
            until=intake.stamp(node.clock() + timedelta(days=INVITED_DAYS)),
        )
        # Before the nonce goes: whoever is cut off here asks again, and is given another token.
        node.store.keep_local(
            "joined", row.key, msgspec.json.encode(spent), held.version if held else None
        )
    node.store.keep_local("invitation", row.key, None, row.version)
    waiting = node.store.local("joining", party)
    if waiting is not None:
        node.store.keep_local("joining", party, None, waiting.version)


def _again(node: Node, enrolment: Enrolment) -> Admitted:
    """The answer to one whose reply was lost. Its entry and key statement are public by now; the
    secret is what nobody else has."""
    row = node.store.local("joined", _hash(enrolment.nonce))
    if row is None or not enrolment.secret:
        raise _spent()
    spent = msgspec.json.decode(row.value, type=_Spent)
    if not hmac.compare_digest(spent.secret, _hash(enrolment.secret)):
        raise _spent()
    if spent.until < intake.stamp(node.clock()):
        node.store.keep_local("joined", row.key, None, row.version)
        raise _spent()
    return _admitted(node, spent.party)


def _keep_waiting(node: Node, enrolment: Enrolment) -> None:
    """An answer that other registrars have to sign for: its entry, under the party's name."""
    party = str(enrolment.party.get("id"))
    held = node.store.local("joining", party)
    node.store.keep_local(
        "joining", party, msgspec.json.encode(enrolment.party), held.version if held else None
    )


def waiting_entries(node: Node) -> list[dict[str, Any]]:
    """The entries with which invited parties answered, while registrars have to sign for them."""
    return [msgspec.json.decode(row.value) for row in node.store.list_local("joining")]


def _check_answer(node: Node, version: bytes, key_statement: bytes) -> None:
    """Raises as entering both would, before the directory changes.

    A party in the directory whose key statement is refused could never come in again.
    """
    ring = node.keyring.copy()
    head = node.store.head()
    for index, raw in enumerate((version, key_statement), head.size if head else 0):
        _, statement = open_statement(raw)
        last = node.store.chain(statement.author, statement.chain)
        chain = ChainHead(seq=last.seq, head=last.head) if last else None
        verified = admit(raw, keyring=ring, chain=chain, index=None, markings=lambda _: None)
        ring.admit_key(verified, index)


def _spent() -> NotFoundError:
    return NotFoundError(
        "this invitation is unknown or used up", remedy="ask for a new one: tocsin party invite"
    )


def _drop_others(node: Node, party: str, kept: str) -> None:
    """One answer ends every invitation of a party.

    Its entry and key statement are public from then on: with them whoever holds an older
    invitation could give the same answer, and would get the party's token.
    """
    for row in node.store.list_local("invitation"):
        if row.key != kept and msgspec.json.decode(row.value, type=_Invited).party == party:
            node.store.keep_local("invitation", row.key, None, row.version)


def _next_version(node: Node, entry: Party) -> tuple[Proposal, list[Slot]]:
    """The next directory version with `entry` in it, signed by this node's registrar, if its key
    is here."""
    listed = check_registrar(node)
    here = node.registrar if node.registrar and node.registrar.keyid in listed else None
    own = here.keyid if here is not None else min(listed)
    body = add_party(node.directory, entry)
    last = node.store.chain(node.party, KEY_CHAIN)
    payload = compose(
        author=node.party,
        key=first_of(node.directory, read_directory(body), own=own),
        kind="directory",
        seq=last.seq + 1 if last else 1,
        prev=last.head if last else "",
        time=node.clock(),
        salt=node.rng(16).hex(),
        tlp="CLEAR",
        body=body,
    )
    proposed = proposal_of(payload)
    wanted = slots(node.keyring, proposed.statement)
    return (signed_by(proposed, here, wanted) if here is not None else proposed), wanted


def enrolment(
    invited: Invitation,
    entry: Party,
    root: Signer,
    signing_body: dict[str, Any],
    *,
    time: Any,
    salt: str,
    secret: str = "",
) -> Enrolment:
    """The answer to an invitation, made where the party's keys are."""
    payload = compose(
        author=entry.id,
        key=root.keyid,
        kind="key",
        seq=1,
        prev="",
        time=time,
        salt=salt,
        tlp="CLEAR",
        body=signing_body,
    )
    return Enrolment(
        v=1,
        nonce=invited.nonce,
        party=party_json(entry),
        key_statement=b64encode(sign(payload, [root])),
        secret=secret,
    )
