"""A proposal: one fixed payload that several root or registrar keys sign, one after the other.

It goes from hand to hand as a file. Nobody changes the payload; each adds a signature, and whoever
has the last one enters the envelope. Spec: record.md, "Directory and keys".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from tocsin.canonical import b64decode, b64encode
from tocsin.errors import DirectoryError, SignatureError, TocsinError
from tocsin.record.directory import Directory, KeyRing, Party, party_json, read_directory
from tocsin.record.envelope import assemble, pae
from tocsin.record.keys import Signer, verify
from tocsin.record.statement import ROOT_KINDS, Statement, parse

_REMEDY = "ask whoever proposed it for the file again"


class Proposal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file."""

    v: Literal[1] = 1
    payload: str
    """Base64 of the canonical payload of one `directory`, `key` or `revoke` statement."""
    signatures: dict[str, str] = {}
    """keyid → base64 of 64 bytes."""

    @property
    def statement(self) -> Statement:
        """What it would say."""
        return parse(b64decode(self.payload))


class Slot(Struct, frozen=True, kw_only=True):
    """One threshold that a proposal has to meet."""

    what: str
    """Such as `registrars of version 2`."""
    threshold: int
    keys: dict[str, tuple[str, str]]
    """keyid → (public key in base64, the party that holds it)."""


def open_proposal(raw: bytes) -> Proposal:
    """A proposal file; its signatures are judged by `slots` and `envelope_of`.

    Raises:
        DirectoryError: no such file, or a payload of another kind.
    """
    try:
        found = msgspec.json.decode(raw, type=Proposal)
        statement = found.statement
        for sig in found.signatures.values():
            b64decode(sig)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise DirectoryError(f"this is no proposal: {wrong}", remedy=_REMEDY) from wrong
    except TocsinError as wrong:
        raise DirectoryError(f"this is no proposal: {wrong.message}", remedy=_REMEDY) from wrong
    if statement.kind not in ROOT_KINDS:
        raise DirectoryError(
            f"a proposal holds a directory, key or revoke statement, and this is a "
            f"{statement.kind}",
            remedy=_REMEDY,
        )
    return found


def write_proposal(proposal: Proposal) -> bytes:
    """The file's bytes."""
    return msgspec.json.encode(proposal, order="sorted") + b"\n"


def slots(ring: KeyRing, statement: Statement) -> list[Slot]:
    """The thresholds to meet before this statement may enter, as `ring` stands.

    Raises:
        DirectoryError: the author is not in the directory, or the version is not the next.
    """
    if statement.kind == "directory":
        following = read_directory(statement.body)
        if following.version != ring.directory.version + 1:
            raise DirectoryError(
                f"this is version {following.version}, and version {ring.directory.version} is "
                "in force here",
                remedy="propose it again on top of the version in force",
            )
        return [_registrars(ring.directory), _registrars(following)]
    party = ring.directory.party(statement.author)
    if party is None:
        raise DirectoryError(
            f"{statement.author} is not in directory {ring.directory.version}",
            remedy="fetch the newest directory: tocsin directory fetch",
        )
    return [
        Slot(
            what=f"root keys of {party.id}",
            threshold=party.root.threshold,
            keys={key.keyid: (key.public, party.id) for key in party.root.keys},
        )
    ]


def _registrars(directory: Directory) -> Slot:
    return Slot(
        what=f"registrars of version {directory.version}",
        threshold=directory.registrars.threshold,
        keys={key.keyid: (key.public, key.party) for key in directory.registrars.keys},
    )


def signed_by(proposal: Proposal, signer: Signer, wanted: Sequence[Slot]) -> Proposal:
    """The proposal with this signer's signature.

    Raises:
        SignatureError: the key is none that is asked for, or may not sign beside `key`.
    """
    if all(signer.keyid not in slot.keys for slot in wanted):
        raise SignatureError(
            f"{signer.keyid[:12]}… of {signer.party} is none of the "
            + " or ".join(slot.what for slot in wanted),
            remedy="sign where one of those keys is: " + ", ".join(sorted(_holders(wanted))),
        )
    if signer.keyid < proposal.statement.key:
        raise SignatureError(
            f"the payload names {proposal.statement.key[:12]}… as the smallest key that signs, "
            f"and {signer.keyid[:12]}… is smaller",
            remedy="have it proposed again with this signer named: --signer " + signer.party,
        )
    sig = b64encode(signer.sign(pae(b64decode(proposal.payload))))
    return msgspec.structs.replace(
        proposal, signatures=dict(sorted((proposal.signatures | {signer.keyid: sig}).items()))
    )


def lacking(proposal: Proposal, wanted: Sequence[Slot]) -> list[str]:
    """What is not met yet, in words that name who could sign; empty if all is."""
    good = _good(proposal, wanted)
    told = []
    first = proposal.statement.key
    if first not in good:
        whose = next((slot.keys[first][1] for slot in wanted if first in slot.keys), "nobody known")
        told.append(f"{whose} must sign (with {first[:12]}…): the payload names that key")
    for slot in wanted:
        count = len(good & slot.keys.keys())
        if count < slot.threshold:
            others = sorted({slot.keys[k][1] for k in slot.keys.keys() - good if k >= first})
            told.append(
                f"{count} of {slot.threshold} {slot.what} signed; missing "
                f"{slot.threshold - count} of " + (", ".join(others) or "nobody who may sign it")
            )
    return told


def envelope_of(proposal: Proposal, wanted: Sequence[Slot]) -> bytes:
    """The envelope, with as few signatures as do: nobody makes a second one by leaving some out.

    Raises:
        DirectoryError: too few have signed; it says who is missing.
    """
    told = lacking(proposal, wanted)
    if told:
        raise DirectoryError("; ".join(told), remedy="pass the file on: tocsin directory sign FILE")
    first = proposal.statement.key
    chosen = _good(proposal, wanted)
    for keyid in sorted(chosen, reverse=True):
        fewer = chosen - {keyid}
        if keyid != first and all(len(fewer & s.keys.keys()) >= s.threshold for s in wanted):
            chosen = fewer
    return assemble(
        b64decode(proposal.payload), {k: b64decode(proposal.signatures[k]) for k in chosen}
    )


def _good(proposal: Proposal, wanted: Sequence[Slot]) -> set[str]:
    """The keys that were asked for and have signed; a wrong signature counts for nothing."""
    public = {keyid: key for slot in wanted for keyid, (key, _) in slot.keys.items()}
    message = pae(b64decode(proposal.payload))
    good = set()
    for keyid, sig in proposal.signatures.items():
        if keyid in public and keyid >= proposal.statement.key:
            try:
                verify(b64decode(public[keyid]), b64decode(sig), message)
            except SignatureError:
                continue
            good.add(keyid)
    return good


def _holders(wanted: Iterable[Slot]) -> set[str]:
    return {party for slot in wanted for _, party in slot.keys.values()}


def changes(before: Directory, after: Directory) -> list[str]:
    """What changes from one version to the next, one line each, for the eyes of who signs."""
    told = [f"version {before.version} -> {after.version}"]
    told += _registrar_changes(before, after)
    held = {party.id: party for party in before.parties}
    for party in after.parties:
        old = held.pop(party.id, None)
        if old is None:
            told.append(f"+ {party.id} ({party.name})")
            told += [f"    {line}" for line in _entry_lines(None, party)]
        elif old != party:
            told.append(f"~ {party.id}")
            told += [f"    {line}" for line in _entry_lines(old, party)]
    told += [f"- {name}: leaves the directory" for name in held]
    strange = {k for d in (before, after) for k in d.body} - {"version", "registrars", "parties"}
    told += [
        f"~ {name}: {_short(before.body.get(name))} -> {_short(after.body.get(name))}"
        for name in sorted(strange)
        if before.body.get(name) != after.body.get(name)
    ]
    return told


def _registrar_changes(before: Directory, after: Directory) -> list[str]:
    a, b = before.registrars, after.registrars
    old, new = ({k.keyid: k.party for k in r.keys} for r in (a, b))
    told = [f"+ registrar {new[k]} ({k[:12]}…)" for k in new if k not in old]
    told += [f"- registrar {old[k]} ({k[:12]}…)" for k in old if k not in new]
    if a.threshold != b.threshold or old.keys() != new.keys():
        told.append(
            f"~ registrars: {a.threshold} of {len(a.keys)} -> {b.threshold} of {len(b.keys)}"
        )
    return told


def _entry_lines(before: Party | None, after: Party) -> list[str]:
    old = _flat(before) if before else {}
    new = _flat(after)
    return [
        f"{name}: {_short(old.get(name))} -> {_short(new.get(name))}"
        if before
        else f"{name}: {_short(new[name])}"
        for name in [*old, *(name for name in new if name not in old)]
        if name != "id" and old.get(name) != new.get(name)
    ]


def _flat(party: Party) -> dict[str, Any]:
    """An entry's fields by name, those of its nodes as `node.url`, of a second node `node 2.url`:
    who signs is to see which key of which changes, and no more."""
    value = party_json(party)
    nodes = value.pop("nodes", [])
    for number, node in enumerate(nodes, 1):
        where = "node" if number == 1 else f"node {number}"
        value |= {f"{where}.{name}": item for name, item in node.items()}
    return value


def _short(value: Any) -> str:
    """A value in one line; of keys their ids and of long texts both ends, which tell them apart."""
    match value:
        case None:
            return "(none)"
        case str():
            return value if len(value) <= 64 else f"{value[:40]}…{value[-12:]}"
        case {"threshold": k, "keys": listed}:
            return f"{k} of " + ", ".join(key["keyid"][:12] + "…" for key in listed)
        case dict():
            return ", ".join(f"{n} {_short(v)}" for n, v in sorted(value.items()))
        case list() | tuple():
            return "; ".join(_short(item) for item in value) or "(none)"
        case _:
            return str(value)


def first_of(
    before: Directory, after: Directory, *, own: str = "", parties: Collection[str] = ()
) -> str:
    """The keyid that the next version's payload names as the smallest that signs: see `smallest`.

    Args:
        own: keyid of whoever proposes.
        parties: the registrars that are to sign, where not all are at hand; empty: any.

    Raises:
        DirectoryError: these cannot meet the thresholds.
    """
    return smallest([_registrars(before), _registrars(after)], own=own, parties=parties)


def smallest(wanted: Sequence[Slot], *, own: str, parties: Collection[str] = ()) -> str:
    """The keyid that a payload names in `key`: it must sign, and beside it only larger ones may.

    Where all thresholds can be met with it, the proposer's own; else the largest below that can,
    so that as many as may be are free to sign.

    Raises:
        DirectoryError: these cannot meet the thresholds.
    """
    chosen = [
        {k for k, (_, party) in slot.keys.items() if not parties or party in parties}
        for slot in wanted
    ]
    for slot, found in zip(wanted, chosen, strict=True):
        if len(found) < slot.threshold:
            raise DirectoryError(
                f"{len(found)} of the {slot.what} are named to sign, and {slot.threshold} must",
                remedy="name more of: " + ", ".join(sorted(_holders([slot]))),
            )
    fit = [
        c
        for c in sorted(set().union(*chosen))
        if all(
            sum(k >= c for k in found) >= slot.threshold
            for slot, found in zip(wanted, chosen, strict=True)
        )
    ]
    return own if own in fit else max((c for c in fit if c < own), default=fit[-1])


def proposal_of(payload: bytes) -> Proposal:
    """A proposal nobody has signed yet."""
    return Proposal(payload=b64encode(payload))
