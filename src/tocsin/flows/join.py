"""How a party comes into the directory: invited by file, its keys checked by telephone.

The invitation carries the root file, so that whoever joins knows which directory it is, and a
one-time nonce, so that the answer needs no account. The fingerprint is compared out of band.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.canonical import b64decode, b64encode
from tocsin.errors import ConflictError, DirectoryError, ForbiddenError, NotFoundError
from tocsin.flows import intake
from tocsin.flows.node import Node
from tocsin.record.admission import ChainHead, admit
from tocsin.record.directory import Party, add_party, fingerprint, read_party
from tocsin.record.envelope import open_statement, sign
from tocsin.record.keys import Signer
from tocsin.record.statement import KEY_CHAIN, compose


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


class Enrolment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the invited party answers with: its entry, and its key statement."""

    v: int
    nonce: str
    party: dict[str, Any]
    key_statement: str
    """Base64 of the envelope in which its root key enrols its signing key."""


class Admitted(Struct, frozen=True, kw_only=True):
    """What it gets: a token to read what is meant for it, and the directory's new version."""

    directory_version: int
    token: str


def root_fingerprint(node: Node) -> str:
    """The fingerprint to read out by telephone."""
    return fingerprint(node.root)


def invitation(node: Node, inviter: str, party: str, *, url: str) -> Invitation:
    """Invite a party: one nonce, good for one answer.

    Raises:
        ForbiddenError: only a registrar's own node invites.
        ConflictError: the party is in the directory already.
    """
    if node.registrar is None or inviter != node.party:
        raise ForbiddenError(
            f"{inviter} is no registrar of this directory here",
            remedy="ask " + ", ".join(k.party for k in node.directory.registrars.keys),
        )
    if node.directory.party(party) is not None:
        raise ConflictError(f"{party} is in the directory already", remedy="see: tocsin party list")
    nonce = node.rng(24).hex()
    node.store.keep_local("invitation", _hash(nonce), msgspec.json.encode({"party": party}), None)
    return Invitation(
        v=1, party=party, root=b64encode(node.root), url=url, nonce=nonce, invited_by=node.party
    )


def _hash(nonce: str) -> str:
    return hashlib.sha256(nonce.encode()).hexdigest()


def admit_party(node: Node, enrolment: Enrolment) -> Admitted:
    """Take an invited party in: directory version N+1, then its key statement, then a token.

    The nonce is spent last, so that an answer cut off half-way can be given again.

    Raises:
        NotFoundError: the nonce is unknown or spent.
        DirectoryError: the entry is malformed, or names another party than was invited.
    """
    row = node.store.local("invitation", _hash(enrolment.nonce))
    if row is None:
        raise _spent()
    invited = msgspec.json.decode(row.value)["party"]
    entry = read_party(enrolment.party)
    raw = b64decode(enrolment.key_statement)
    _, statement = open_statement(raw)
    if entry.id != invited or statement.author != invited or statement.kind != "key":
        raise DirectoryError(
            f"the answer is by {entry.id} and {statement.author}, and {invited} was invited",
            remedy="answer with the party's own keys: tocsin party join INVITATION",
        )
    with node.lock:
        if node.store.local("invitation", row.key) is None:
            raise _spent()
        if node.directory.party(entry.id) is None:
            version = _next_version(node, entry)
            _check_answer(node, version, raw)
            intake.enter(node, version)
        intake.enter(node, raw)
        _drop_others(node, invited, row.key)
        # Before the nonce is spent: whoever is cut off here asks again, and is given another.
        token = node.new_token(entry.id) if node.new_token else ""
        node.store.keep_local("invitation", row.key, None, row.version)
    return Admitted(directory_version=node.directory.version, token=token)


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
        if row.key != kept and msgspec.json.decode(row.value)["party"] == party:
            node.store.keep_local("invitation", row.key, None, row.version)


def _next_version(node: Node, entry: Party) -> bytes:
    """The next directory version with `entry` in it, signed by this node's registrar."""
    registrar = node.registrar
    if registrar is None:
        raise ForbiddenError(
            f"{node.party} is no registrar of this directory",
            remedy="ask " + ", ".join(k.party for k in node.directory.registrars.keys),
        )
    last = node.store.chain(node.party, KEY_CHAIN)
    payload = compose(
        author=node.party,
        key=registrar.keyid,
        kind="directory",
        seq=last.seq + 1 if last else 1,
        prev=last.head if last else "",
        time=node.clock(),
        salt=node.rng(16).hex(),
        tlp="CLEAR",
        body=add_party(node.directory, entry),
    )
    return sign(payload, [registrar])


def enrolment(
    invited: Invitation,
    entry: Party,
    root: Signer,
    signing_body: dict[str, Any],
    *,
    time: Any,
    salt: str,
) -> Enrolment:
    """The answer to an invitation, made where the party's keys are."""
    from tocsin.record.directory import party_json

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
    )
