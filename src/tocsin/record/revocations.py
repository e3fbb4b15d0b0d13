"""Revocations that a dossier does not show at its own place of its own log.

A revocation may be entered at any node, and a dossier may leave out the end of a key chain. So what
any of the files shows, and what the reader holds besides, is applied to all of them. Within one log
places decide; across logs cosigned times, on the cautious side. Spec: record.md, "Directory and
keys"; `judgement.judge`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from tocsin.errors import DirectoryError, DossierError, SignatureError
from tocsin.record import keys
from tocsin.record.directory import KeyRing, KeyState
from tocsin.record.envelope import Envelope, Verified, open_statement, pae
from tocsin.record.judgement import Ended, Placed, judge
from tocsin.record.members import Row
from tocsin.record.shown import ShownLog
from tocsin.record.statement import MAX_SEQ, ROOT_KINDS, RevokeBody, Statement
from tocsin.record.verdict import StatementVerdict, instant

ASK = "ask its author, or another member, what was signed before the revocation"
HELD = "the directory you hold"
NOWHERE = Placed(log="", index=MAX_SEQ)
"""Of a statement without a proof."""


class Known(Struct, frozen=True, kw_only=True):
    """A directory, key or revoke statement that the reader holds besides the files."""

    raw: bytes
    placed: Placed | None = None
    """Where the reader knows it to be logged; None: it has the envelope alone."""


class Judged(Protocol):
    """One file whose statements have been judged by what it shows itself."""

    @property
    def logs(self) -> Sequence[ShownLog]: ...
    @property
    def good(self) -> Sequence[Row]: ...
    @property
    def verdicts(self) -> Mapping[str, StatementVerdict]: ...

    def say(self, code: str, where: str, detail: str, remedy: str) -> None:
        """Note a problem."""

    def say_of(self, id: str, code: str, where: str, detail: str, remedy: str) -> None:
        """Note a problem of one statement."""


class _Revocation:
    """One `revoke` statement, with every place at which it is known to be logged."""

    def __init__(self, id: str, s: Statement, held: bool) -> None:
        body = msgspec.convert(s.body, RevokeBody)
        self.id = id
        self.key = s.author, body.keyid
        since = body.suspect_since
        self.since = since if isinstance(since, str) else None
        self.held = held
        """By the reader alone: no file shows it."""
        self.places: dict[str, Placed] = {}

    def ended(self) -> list[Ended]:
        """As `judge` asks for it. Known without a place: nobody has cosigned it anywhere."""
        places = self.places.values() or [Placed(log="-", index=-1)]
        return [Ended(at=place, suspect_since=self.since) for place in places]


def apply_revocations(files: Sequence[Judged], known: Sequence[Known]) -> None:
    """Judge every statement again by the revocations that its own log does not show.

    Raises:
        DossierError: something known is no directory, key or revoke statement.
        StatementError: something known is no statement at all.
    """
    found: dict[str, _Revocation] = {}
    for one in files:
        for row in one.good:
            if row.statement.kind == "revoke":
                entry = found.setdefault(row.id, _Revocation(row.id, row.statement, False))
                for placed in _places(one, row):
                    entry.places.setdefault(placed.log, placed)
    _add_known(files, known, found)
    if not found:
        return
    by_key: dict[tuple[str, str], list[_Revocation]] = {}
    for each in found.values():
        by_key.setdefault(each.key, []).append(each)
    logged: dict[str, dict[str, Placed]] = {}
    for one in files:
        for row in one.good:
            if (row.statement.author, row.statement.key) in by_key:
                for placed in _places(one, row):
                    logged.setdefault(row.id, {}).setdefault(placed.log, placed)
    for one in files:
        _judge_again(one, by_key, logged)


def _places(one: Judged, row: Row) -> Iterable[Placed]:
    for proof in row.proofs:
        log = one.logs[proof.log]
        time = log.not_after(proof.index)
        cosigned = None if time is None else instant(time)
        yield Placed(log=log.origin, index=proof.index, cosigned=cosigned)


def _judge_again(
    one: Judged,
    by_key: Mapping[tuple[str, str], Sequence[_Revocation]],
    logged: Mapping[str, Mapping[str, Placed]],
) -> None:
    for row in one.good:
        s = row.statement
        verdict = one.verdicts[row.id]
        revocations = by_key.get((s.author, s.key))
        if not revocations or s.kind in ROOT_KINDS or verdict.key not in ("valid", "suspect"):
            continue
        for each in revocations:
            state = _standing(logged.get(row.id, {}), each)
            if state == "revoked" or (state == "suspect" and verdict.key == "valid"):
                verdict.key = state
                if state == "revoked" or each.held:
                    one.say_of(
                        row.id,
                        "key",
                        row.where,
                        f"key {s.key} of {s.author} is {state} here by its revocation {each.id}"
                        + (", which you hold and this file lacks" if each.held else ""),
                        ASK,
                    )


def _standing(at: Mapping[str, Placed], revocation: _Revocation) -> KeyState:
    """How a statement stands by a revocation, given every log that is shown to hold either.

    A log that holds both decides by places. Between other logs times are compared; but where some
    log holds both, a time that is missing elsewhere casts no doubt.
    """
    shared = bool(at.keys() & revocation.places.keys())
    earliest = min(at.values(), key=lambda p: p.cosigned or "~", default=NOWHERE)
    found: KeyState = "valid"
    for end in revocation.ended():
        place = at.get(end.at.log, earliest)
        if shared and place.log != end.at.log and None in (place.cosigned, end.at.cosigned):
            continue
        state = judge(place, [Placed(log=place.log, index=-1)], [end])
        if state == "revoked":
            return state
        found = "suspect" if state == "suspect" else found
    return found


def _add_known(
    files: Sequence[Judged], known: Sequence[Known], found: dict[str, _Revocation]
) -> None:
    """Take in the known revocations that are rightly signed; others change nothing."""
    rings = [log.ring for one in files for log in one.logs if log.ring is not None]
    if not known or not rings:
        return
    ring = max(rings, key=lambda ring: ring.directory.version).copy()
    opened: list[tuple[int, Known, Envelope, Statement]] = []
    for number, each in enumerate(known, 1):
        envelope, s = open_statement(each.raw)
        if s.kind not in ROOT_KINDS:
            raise DossierError(
                f"line {number} of {HELD} is a {s.kind}",
                remedy="give directory, key and revoke statements, one envelope a line",
            )
        opened.append((number, each, envelope, s))
    # Newer directories first of all: they say whose root may revoke.
    versions = [item for item in opened if item[3].kind == "directory"]
    for _, each, envelope, s in sorted(versions, key=lambda item: int(item[3].body["version"])):
        if _signed(ring, envelope, s):
            ring.admit_key(Verified(id=envelope.id, raw=each.raw, statement=s), MAX_SEQ)
    for number, each, envelope, s in opened:
        if s.kind != "revoke":
            continue
        if _signed(ring, envelope, s):
            entry = found.setdefault(envelope.id, _Revocation(envelope.id, s, True))
            if each.placed is not None:
                entry.places.setdefault(each.placed.log, each.placed)
        elif any(ring.key(s.author, s.body["keyid"]) for ring in rings):
            files[0].say(
                "key",
                f"{HELD}:{number}",
                f"the revocation {envelope.id} is not signed by enough root keys of {s.author}",
                f"ask {s.author} whether it revoked that key",
            )


def _signed(ring: KeyRing, envelope: Envelope, s: Statement) -> bool:
    try:
        for public, signature in ring.signers(envelope, s, None):
            keys.verify(public, signature, pae(envelope.payload))
    except (DirectoryError, SignatureError):
        return False
    return True
