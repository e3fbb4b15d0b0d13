"""The dossier: one case with all its proofs in one file, and the verdict on it.

Trust comes from the reader's own policy and root file, never from the dossier. All checks run and
all problems are listed. Spec: record.md, "Dossier". The order of the checks:

    1 form        the frame, the members, the index (`members.py`)
    2 directory   from the root file on; which key may sign what, at which place of the log
    3 checkpoints every line of each note; the policy's logs and quorum
    4 paths       every entry leads to the checkpoint's root, older checkpoints too
    5 statements  signature, key at its index, marking, objects, withdrawals
    6 chains      gaps, forks, what is withheld, over all files together
    7 forks       between the files, and in what the statements have seen
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.canonical import b64encode
from tocsin.errors import (
    DirectoryError,
    DossierError,
    MarkingError,
    NoteError,
    ProofError,
    SignatureError,
    TocsinError,
)
from tocsin.policy import TLP_RANK, Audience
from tocsin.record import checkpoint as notes
from tocsin.record import keys, merkle
from tocsin.record.admission import check_markings, equivocates
from tocsin.record.checkpoint import Checkpoint, Policy
from tocsin.record.directory import KeyRing, KeyState
from tocsin.record.envelope import Verified, pae
from tocsin.record.members import (
    Dossier,
    Older,
    Problem,
    Proof,
    Row,
    Withheld,
    checkpoint_keys,
    leaf_of,
    open_dossier,
    read_damaged,
    write_dossier,
)
from tocsin.record.statement import KEY_CHAIN, ROOT_KINDS, Statement

__all__ = [
    "Dossier",
    "Older",
    "Problem",
    "Proof",
    "Row",
    "Verdict",
    "Withheld",
    "open_dossier",
    "verify",
    "write_dossier",
]

ANOTHER_MEMBER = "ask another member of the case for its dossier, and verify both together"
ALTERED = "treat it as altered: ask its author or another member for it"

LISTED = 1_000
"""Missing numbers of a chain that a verdict lists."""


# --- the verdict ------------------------------------------------------------------------------


class WitnessTime(Struct, frozen=True, kw_only=True):
    """A witness that cosigned, by its name in the policy, and its clock then."""

    name: str
    time: str


class LogVerdict(Struct, frozen=True, kw_only=True):
    """What is shown of one log."""

    origin: str
    size: int
    root: str
    signatures: list[str]
    """Kinds of the log's own lines that verified."""
    quorum: bool
    witnesses: list[WitnessTime]


class ObjectCount(Struct, frozen=True, kw_only=True):
    """How many of the objects a statement names are in the file."""

    held: int
    withheld: int


class StatementVerdict(Struct, kw_only=True):
    """What is shown of one statement. Of a withheld one only its id and place: the rest is None."""

    id: str
    kind: str | None
    author: str | None
    seq: int | None
    log: str
    index: int | None
    """None where a statement comes without a proof: then it is not `included` either."""
    signature: bool | None
    key: KeyState | None
    included: bool
    quorum: bool
    not_before: str | None
    not_after: str | None
    withdrawn_by: list[str]
    objects: ObjectCount
    problems: list[str]
    """Codes; the whole of it is in `Verdict.problems`."""


class ChainVerdict(Struct, frozen=True, kw_only=True):
    """One author's statements in this case. Ask the author for its `head`: a cut tail is silent."""

    author: str
    keys: bool
    """The chain of its directory, key and revoke statements, which no case holds."""
    first: int
    last: int
    head: str
    withheld: list[int]
    missing: list[int]
    """The first thousand of them."""
    equivocates: bool


class DirectoryVerdict(Struct, frozen=True, kw_only=True):
    """The newest directory version that follows from the root."""

    version: int | None
    ok: bool


class Verdict(Struct, frozen=True, kw_only=True):
    """Everything that was checked. `ok` is true if and only if there is no problem."""

    ok: bool
    case: str | None
    file: str
    policy: str | None
    root: str | None
    directory: DirectoryVerdict
    logs: list[LogVerdict]
    statements: list[StatementVerdict]
    chains: list[ChainVerdict]
    forks: list[dict[str, Any]]
    problems: list[Problem]
    files: list[str]
    """SHA-256 of each file, in the order given."""

    def to_json(self) -> dict[str, Any]:
        """The verdict as record.md writes it; `files` only where there are several."""
        value: dict[str, Any] = {"v": 1, **msgspec.to_builtins(self)}
        if len(self.files) == 1:
            del value["files"]
        return value


def verify(files: Sequence[bytes], policy: Policy | None, root: bytes | str | None) -> Verdict:
    """Check one dossier, or several of one case together.

    Args:
        files: the dossiers' bytes.
        policy: the reader's own; None counts no log and no quorum.
        root: the reader's own root file; None: everything hangs in the air, `unanchored`; the
            word "none": the reader asks for that, and the dossier's own version 1 is taken.

    Raises:
        DossierError: a file is no ZIP whose members can be listed. Whatever is wrong inside one
            that is, stands in the verdict.
    """
    if not files:
        raise DossierError("no file to verify", remedy="give one dossier, or two to compare")
    checked = [
        _File(data, policy, root, f"{number}:" if len(files) > 1 else "")
        for number, data in enumerate(files, 1)
    ]
    problems = [problem for one in checked for problem in one.problems]
    statements = _merged(checked)
    chains = _chains(checked, problems)
    forks = _forks(checked, problems)
    cases = {one.dossier.case for one in checked}
    versions = [one.version for one in checked if one.version is not None]
    return Verdict(
        ok=not problems,
        case=cases.pop() if len(cases) == 1 else None,
        file=checked[0].dossier.sha256,
        files=[one.dossier.sha256 for one in checked],
        policy=policy.sha256 if policy else None,
        root=hashlib.sha256(root).hexdigest() if isinstance(root, bytes) else None,
        directory=DirectoryVerdict(
            version=max(versions, default=None),
            ok=all(one.directory_ok for one in checked),
        ),
        logs=[log.verdict() for one in checked for log in one.logs],
        statements=statements,
        chains=chains,
        forks=forks,
        problems=problems,
    )


# --- one log in one file ----------------------------------------------------------------------


class _Point(Struct, frozen=True, kw_only=True):
    """A checkpoint that verified, and when a quorum had cosigned it."""

    checkpoint: Checkpoint
    quorum: bool
    time: int | None
    """Seconds since 1970; None where no witness tells the time."""


class _Log:
    """One log of one file: its newest checkpoint, its older ones, its key ring."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.newest: _Point | None = None
        self.older: list[_Point] = []
        self.lines: tuple[notes.SignedLine, ...] = ()
        self.witnesses: tuple[tuple[str, int], ...] = ()
        self.ring: KeyRing | None = None
        self.times: dict[tuple[int, str], int] = {}
        """(size, root) of a checkpoint → when a quorum had cosigned it."""
        self._bounds: list[tuple[int, int]] = []
        """(size, earliest time of that and every larger checkpoint), smallest size first."""

    def points(self) -> list[_Point]:
        """All checkpoints that verified, smallest first."""
        return [*self.older, *([self.newest] if self.newest else [])]

    def settle(self) -> None:
        """All checkpoints are in: note from when on which of them were cosigned, for each once."""
        earliest: int | None = None
        for point in sorted(self.points(), key=lambda p: -p.checkpoint.size):
            if point.time is not None:
                earliest = point.time if earliest is None else min(earliest, point.time)
                self._bounds.append((point.checkpoint.size, earliest))
                head = point.checkpoint
                self.times[head.size, b64encode(head.root)] = point.time
        self._bounds.reverse()

    def not_after(self, index: int) -> int | None:
        """The earliest time by which a quorum had cosigned this index."""
        at = bisect_right(self._bounds, index, key=lambda bound: bound[0])
        return self._bounds[at][1] if at < len(self._bounds) else None

    def verdict(self) -> LogVerdict:
        newest = self.newest
        return LogVerdict(
            origin=self.origin,
            size=newest.checkpoint.size if newest else 0,
            root=b64encode(newest.checkpoint.root) if newest else "",
            signatures=[
                notes.KIND_NAMES[line.key.kind]
                for line in self.lines
                if line.key.name == self.origin
            ],
            quorum=newest is not None and newest.quorum,
            witnesses=[
                WitnessTime(name=name, time=_instant(time)) for name, time in self.witnesses
            ],
        )


def _instant(time: int) -> str:
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{time} s after 1970"


class _File:
    """One dossier with everything that was found in it."""

    def __init__(
        self, data: bytes, policy: Policy | None, root: bytes | str | None, prefix: str
    ) -> None:
        self.problems: list[Problem] = []
        self._taken: set[tuple[str, str, str]] = set()
        self._prefix = prefix
        self._policy = policy
        self.dossier = read_damaged(data, self._take)
        self.logs = [_Log(origin) for origin in self.dossier.origins]
        self.version: int | None = None
        self.directory_ok = True
        self._anchor(root)
        placed = _placed(self.dossier.directory)
        for number, log in enumerate(self.logs):
            self._ring(log, placed.get(number, []), root)
        self._notes()
        self.verdicts: dict[str, StatementVerdict] = {}
        self.good: list[Row] = []
        """Rows whose signature verified."""
        self._paths()
        self._statements()
        self._withdrawals()

    def _take(self, problem: Problem) -> None:
        key = (problem.code, problem.where, problem.detail)
        if key not in self._taken:  # reading and checking may stumble over the same thing
            self._taken.add(key)
            where = self._prefix + problem.where
            self.problems.append(msgspec.structs.replace(problem, where=where))

    def say(self, code: str, where: str, detail: str, remedy: str) -> None:
        """Note a problem."""
        self._take(Problem(code=code, where=where, detail=detail, remedy=remedy))

    def _say_of(self, id: str, code: str, where: str, detail: str, remedy: str) -> None:
        self.say(code, where, detail, remedy)
        verdict = self.verdicts.get(id)
        if verdict is not None and code not in verdict.problems:
            verdict.problems.append(code)

    # 2 directory

    def _anchor(self, root: bytes | str | None) -> None:
        if root is None:
            self.say(
                "unanchored",
                "directory.jsonl",
                "no root file was given, so any directory would do",
                "give the root file whose fingerprint you have compared by telephone: --root FILE",
            )
        elif isinstance(root, str) and root != "none":
            raise DossierError(f"no root: {root!r}", remedy="give the root file's bytes, or none")

    def _directory_problem(self, where: str, detail: str, remedy: str) -> None:
        self.directory_ok = False
        self.say("directory", where, detail, remedy)

    def _ring(self, log: _Log, rows: Sequence[tuple[int, Row]], root: bytes | str | None) -> None:
        first = next(
            (
                place
                for place, (_, row) in enumerate(rows)
                if row.statement.kind == "directory" and row.statement.body["version"] == 1
            ),
            None,
        )
        if first is None:
            self._directory_problem(
                "directory.jsonl",
                f"directory version 1 of {log.origin} is missing",
                ANOTHER_MEMBER,
            )
            return
        index, row = rows[first]
        if isinstance(root, bytes) and row.raw != root:
            self._directory_problem(
                row.where,
                f"version 1 is not your root file (it is {row.id})",
                "do not rely on this file: its parties are not those you have compared",
            )
        try:
            log.ring = KeyRing(row.raw, index)
        except TocsinError as wrong:
            self._directory_problem(row.where, wrong.message, wrong.remedy)
            return
        for place, (at, other) in enumerate(rows):
            if place != first:
                self._fold(log.ring, at, other)
        self.version = max(self.version or 0, log.ring.directory.version)

    def _fold(self, ring: KeyRing, index: int, row: Row) -> None:
        """Take a directory, key or revoke statement into the ring, if it is rightly signed."""
        try:
            for public, signature in ring.signers(row.envelope, row.statement, index):
                keys.verify(public, signature, pae(row.envelope.payload))
            ring.admit_key(Verified(id=row.id, raw=row.raw, statement=row.statement), index)
        except (DirectoryError, SignatureError) as wrong:
            if row.statement.kind == "directory":
                self._directory_problem(row.where, wrong.message, wrong.remedy)

    # 3 checkpoints

    def _notes(self) -> None:
        for number, log in enumerate(self.logs):
            where = f"logs/{number}/checkpoint"
            found = self._point(log, self.dossier.checkpoints[number], where)
            if found is None:
                continue
            log.newest, log.lines, log.witnesses = found
            if not log.newest.quorum:
                self.say(
                    "quorum",
                    where,
                    f"{len(log.witnesses)} of the policy's witnesses cosigned, too few for its "
                    "quorum"
                    if self._policy
                    else "no policy was given, so no log and no witness counts",
                    "fetch a newer checkpoint or dossier, or ask which witnesses the log uses",
                )
            for older in self.dossier.history[number]:
                self._older(log, log.newest.checkpoint, older)
            log.settle()

    def _older(self, log: _Log, newest: Checkpoint, older: Older) -> None:
        found = self._point(log, older.note, older.where)
        if found is None:
            return
        point = found[0]
        head = point.checkpoint
        try:
            if head.size >= newest.size:
                raise ProofError(
                    f"size {head.size} is not before {newest.size}", remedy=ANOTHER_MEMBER
                )
            merkle.verify_consistency(head.size, newest.size, head.root, newest.root, older.path)
        except ProofError as wrong:
            self.say("checkpoint", older.where, wrong.message, wrong.remedy)
            return
        log.older.append(point)

    def _point(
        self, log: _Log, data: bytes, where: str
    ) -> tuple[_Point, tuple[notes.SignedLine, ...], tuple[tuple[str, int], ...]] | None:
        """Check every line of a note; None where no line of the log itself holds."""
        policy = self._policy
        known = checkpoint_keys(log.ring.directory, log.origin) if log.ring else []
        if policy is not None:
            known += [key for key in policy.logs if key.name == log.origin]
            known += policy.witnesses.values()
        by_id = {(key.name, key.keyid): key for key in known}
        try:
            note = notes.open_note(data)
            head = notes.open_checkpoint(note.text)
            if head.origin != log.origin:
                raise NoteError(
                    f"a checkpoint of {head.origin} among those of {log.origin}", remedy=ALTERED
                )
            seen: set[tuple[str, bytes]] = set()
            for line in note.lines:
                name = (line.name, line.keyid)
                if name not in by_id:
                    self.say(
                        "checkpoint",
                        where,
                        f"a line by {line.name}, key id {line.keyid.hex()}, that nobody can check",
                        "ask for the dossier again: only lines of listed keys belong in it",
                    )
                if name in seen:
                    self.say("checkpoint", where, f"a second line by {line.name}", ALTERED)
                seen.add(name)
            lines = notes.verify_note(note, by_id.values())
            if not any(line.key.name == log.origin for line in lines):
                raise NoteError(f"{log.origin} itself did not sign it", remedy=ALTERED)
        except NoteError as wrong:
            self.say("checkpoint", where, wrong.message, wrong.remedy)
            return None
        if policy is None:
            return _Point(checkpoint=head, quorum=False, time=None), lines, ()
        try:
            judged = policy.judge(data)
        except NoteError as wrong:
            self.say("checkpoint", where, wrong.message, wrong.remedy)
            return _Point(checkpoint=head, quorum=False, time=None), lines, ()
        time = _quorum_time(policy, judged.witnesses) if judged.quorum else None
        point = _Point(checkpoint=head, quorum=judged.quorum, time=time)
        return point, lines, judged.witnesses

    # 4 paths

    def _paths(self) -> None:
        rows: list[Row | Withheld] = [
            *self.dossier.directory,
            *self.dossier.statements,
            *self.dossier.withheld,
        ]
        for row in rows:
            proofs = row.proofs if isinstance(row, Row) else (row.proof,)
            leaf = leaf_of(row)
            verdict = self.verdicts.setdefault(row.id, self._empty_verdict(row))
            if not proofs:
                verdict.problems.append("inclusion")
            for proof in proofs:
                log = self.logs[proof.log]
                where = f"proofs.jsonl:{proof.line}"
                try:
                    if log.newest is None:
                        raise ProofError(
                            f"{log.origin} shows no checkpoint that holds",
                            remedy=ANOTHER_MEMBER,
                        )
                    head = log.newest.checkpoint
                    merkle.verify_inclusion(leaf, proof.index, head.size, proof.path, head.root)
                    included = True
                except ProofError as wrong:
                    included = False
                    self._say_of(row.id, "inclusion", where, wrong.message, wrong.remedy)
                if proof is proofs[0]:
                    verdict.included = included
                    verdict.quorum = log.newest is not None and log.newest.quorum
                    after = log.not_after(proof.index) if included else None
                    verdict.not_after = None if after is None else _instant(after)

    def _empty_verdict(self, row: Row | Withheld) -> StatementVerdict:
        s = row.statement if isinstance(row, Row) else None
        held = sum(ref.sha256 in self.dossier.objects for ref in s.objects) if s else 0
        return StatementVerdict(
            id=row.id,
            kind=s.kind if s else None,
            author=s.author if s else None,
            seq=s.seq if s else None,
            log=row.log,
            index=None if row.index < 0 else row.index,
            signature=False if s else None,
            key="unknown" if s else None,
            included=False,
            quorum=False,
            not_before=None,
            not_after=None,
            withdrawn_by=[],
            objects=ObjectCount(held=held, withheld=(len(s.objects) if s else 0) - held),
            problems=[],
        )

    # 5 statements

    def _statements(self) -> None:
        markings = _Markings(self.dossier.statements)
        for row in (*self.dossier.directory, *self.dossier.statements):
            verdict = self.verdicts[row.id]
            number = row.proofs[0].log if row.proofs else 0
            ring = self.logs[number].ring if self.logs else None
            verdict.not_before = self._not_before(row.statement)
            if ring is None:
                self._say_of(
                    row.id,
                    "key",
                    row.where,
                    "without a directory no key is known",
                    ANOTHER_MEMBER,
                )
                continue
            if self._signed(row, ring, verdict):
                self.good.append(row)
            try:
                check_markings(row.statement, markings.for_reader(row))
            except MarkingError as wrong:
                self._say_of(row.id, "marking", row.where, wrong.message, wrong.remedy)

    def _signed(self, row: Row, ring: KeyRing, verdict: StatementVerdict) -> bool:
        """Whether every signature holds; the key's state goes into the verdict."""
        s = row.statement
        signed: list[tuple[bytes, bytes]] = []
        if s.kind not in ROOT_KINDS:
            verdict.key = ring.state(s.author, s.key, verdict.index, verdict.not_after)
        try:
            signed = ring.signers(row.envelope, s, verdict.index)
            if s.kind in ROOT_KINDS:
                verdict.key = "valid"
        except (SignatureError, DirectoryError) as wrong:
            if s.kind == "directory":  # the fold of the directory has said it
                verdict.problems.append("directory")
                return False
            self._say_of(row.id, "key", row.where, wrong.message, wrong.remedy)
            enrolled = ring.key(s.author, s.key)
            if enrolled is None or s.kind in ROOT_KINDS:
                return False
            # The key may not sign this any more; whether it did is still worth knowing.
            signed = [(enrolled.public, row.envelope.signatures[0].sig)]
        try:
            for public, signature in signed:
                keys.verify(public, signature, pae(row.envelope.payload))
        except SignatureError as wrong:
            self._say_of(row.id, "signature", row.where, wrong.message, wrong.remedy)
            return False
        verdict.signature = True
        return True

    def _not_before(self, s: Statement) -> str | None:
        """Cosigned time of the newest checkpoint that the author had seen."""
        times = [
            log.times[one.size, one.root]
            for one in s.seen
            for log in self.logs
            if log.origin == one.origin and (one.size, one.root) in log.times
        ]
        return _instant(max(times)) if times else None

    def _withdrawals(self) -> None:
        """Note who took back all of what. Only the author may; another's attempt does nothing."""
        by_id = {row.id: row for row in self.good}
        for row in self.good:
            if row.statement.kind != "withdraw":
                continue
            for ref in row.statement.refs:
                target = by_id.get(ref)
                if target is None or target.statement.author != row.statement.author:
                    continue
                part = {(one.id, one.sha256) for one in row.statement.objects}
                if not part or {(one.id, one.sha256) for one in target.statement.objects} <= part:
                    self.verdicts[ref].withdrawn_by.append(row.id)


def _placed(rows: Iterable[Row]) -> dict[int, list[tuple[int, Row]]]:
    """Log → (index, row) of those that are in it, in its order."""
    found: dict[int, list[tuple[int, Row]]] = {}
    for row in rows:
        for proof in row.proofs:
            found.setdefault(proof.log, []).append((proof.index, row))
    for listed in found.values():
        listed.sort(key=lambda pair: pair[0])
    return found


def _quorum_time(policy: Policy, witnesses: Sequence[tuple[str, int]]) -> int | None:
    """The earliest time by which the quorum was there; None if it needs no witness."""
    if policy.satisfied(()):
        return None
    counted: list[str] = []
    for name, time in sorted(witnesses, key=lambda pair: pair[1]):
        counted.append(name)
        if policy.satisfied(counted):
            return time
    return None


class _Markings:
    """What marking a reference asks for, with the one way down: its author said it wider."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = {row.id: row for row in rows}
        self._wider: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            if row.statement.kind == "say":
                for ref in row.statement.objects:
                    self._wider.setdefault((row.statement.author, ref.sha256), []).append(row)

    def for_reader(self, reader: Row) -> Callable[[str], Audience | None]:
        """id → the audience that `reader` has to keep; None if that is not shown here."""
        return lambda ref: self._of(ref, reader)

    def _of(self, ref: str, reader: Row) -> Audience | None:
        target = self._rows.get(ref)
        if target is None:
            return None
        best = target.statement
        objects = {one.sha256 for one in best.objects}
        if not objects or best.kind != "say":
            return best.audience
        for row in self._wider[best.author, min(objects)]:
            s = row.statement
            before = row.log == reader.log and row.index < reader.index
            covers = objects <= {one.sha256 for one in s.objects}
            if before and covers and TLP_RANK[s.tlp] < TLP_RANK[best.tlp]:
                best = s
        return best.audience


# --- over all files ---------------------------------------------------------------------------


def _merged(files: Sequence[_File]) -> list[StatementVerdict]:
    """One verdict for each id, the fullest of them, by (log, index)."""
    found: dict[str, StatementVerdict] = {}
    for one in files:
        for id, verdict in one.verdicts.items():
            held = found.get(id)
            if held is None or (held.kind is None and verdict.kind is not None):
                found[id] = verdict
    return sorted(found.values(), key=lambda v: (v.log, -1 if v.index is None else v.index))


def _chains(files: Sequence[_File], problems: list[Problem]) -> list[ChainVerdict]:
    """The chains of the case over all files; gaps and forks go to `problems`."""
    held: dict[tuple[str, str], dict[int, dict[str, Row]]] = {}
    shown: set[str] = set()
    for one in files:
        shown |= {row.id for row in one.dossier.statements}
        for row in one.good:
            s = row.statement
            held.setdefault((s.author, s.chain), {}).setdefault(s.seq, {})[row.id] = row
    free: dict[str, int] = {
        hidden.id: hidden.index
        for one in files
        for hidden in one.dossier.withheld
        if hidden.id not in shown and one.verdicts[hidden.id].included
    }
    chains = [_Chain(author, name, seqs) for (author, name), seqs in sorted(held.items())]
    gaps = [gap for one in chains for gap in one.gaps(free)]
    # A gap's last place is known by the `prev` after it; the others take withheld ids that lie
    # between in the log, the tightest gap first, so that as many as can be are explained.
    places = sorted(free.values())
    for gap in sorted(gaps, key=lambda gap: gap.end):
        gap.fill(places)
    for each in chains:
        each.judge(problems)
    return [each.verdict() for each in chains]


class _Gap:
    """Places of a chain that no held statement fills."""

    def __init__(self, seqs: range, start: int, end: int, linked: bool) -> None:
        self.seqs = seqs[:-1] if linked else seqs
        """Neither shown nor withheld. A range: a number somebody signed may be any."""
        self.start = start
        """Log index of the statement before; -1 at the chain's beginning."""
        self.end = end
        """Log index of the next known statement, withheld or held."""
        self.withheld = [seqs[-1]] if linked else []

    def fill(self, places: list[int]) -> None:
        """Take the lowest of the free places, sorted, that lie between: one for each number."""
        if not self.withheld:
            return
        low = bisect_right(places, self.start)
        high = min(bisect_left(places, self.end), low + len(self.seqs))
        if high > low:
            del places[low:high]
            kept = len(self.seqs) - (high - low)
            self.withheld += self.seqs[kept:]
            self.seqs = self.seqs[:kept]


class _Chain:
    """One author's statements in one case, or its directory, key and revoke statements."""

    def __init__(self, author: str, name: str, seqs: Mapping[int, dict[str, Row]]) -> None:
        self.author = author
        self.name = name
        """The case, `KEY_CHAIN`, or "" for the open chain."""
        self.seqs = seqs
        self._gaps: list[_Gap] = []

    def gaps(self, free: dict[str, int]) -> list[_Gap]:
        """Where statements are not shown. Withheld ids named by a `prev` are taken from `free`.

        Key statements are CLEAR: nobody has a reason to withhold one, and a revocation that
        passed as withheld would be a revocation hidden. Their gaps stay gaps.
        """
        expected, start = 1, -1
        if self.name == KEY_CHAIN:
            free = {}
        for seq in sorted(self.seqs):
            row = next(iter(self.seqs[seq].values()))
            if seq > expected:
                linked = free.pop(row.statement.prev, None)
                self._gaps.append(
                    _Gap(
                        range(expected, seq),
                        start,
                        row.index if linked is None else linked,
                        linked is not None,
                    )
                )
            expected, start = seq + 1, row.index
        return self._gaps

    def judge(self, problems: list[Problem]) -> None:
        where = f"chain of {self.author}" + (f" in {self.name}" if self.name else "")
        if self.name == KEY_CHAIN:
            where = f"key chain of {self.author}"
        for gap in self._gaps:
            if gap.seqs:
                problems.append(
                    Problem(
                        code="chain-gap",
                        where=where,
                        detail="neither shown nor withheld: number "
                        + ", ".join(str(seq) for seq in gap.seqs[:20])
                        + (f" … {gap.seqs[-1]}" if len(gap.seqs) > 20 else ""),
                        remedy=f"ask {self.author} or another member for what is missing",
                    )
                )
        for seq, ids in sorted(self.seqs.items()):
            if self._twice(ids):
                problems.append(
                    Problem(
                        code="chain-fork",
                        where=where,
                        detail=f"{len(ids)} statements with number {seq}: "
                        + ", ".join(sorted(ids)),
                        remedy=f"keep both: they prove that {self.author} signed two; choose none",
                    )
                )
            before = self.seqs.get(seq - 1)
            for row in ids.values():
                if before is not None and row.statement.prev not in before:
                    problems.append(
                        Problem(
                            code="chain-fork",
                            where=where,
                            detail=f"number {seq} follows {row.statement.prev}, which is not the "
                            f"number {seq - 1} shown here",
                            remedy=f"ask {self.author} for {row.statement.prev}",
                        )
                    )

    def _twice(self, ids: Mapping[str, Row]) -> bool:
        rows = [Verified(id=r.id, raw=r.raw, statement=r.statement) for r in ids.values()]
        return any(equivocates(rows[0], other) for other in rows[1:])

    def verdict(self) -> ChainVerdict:
        last = max(self.seqs)
        return ChainVerdict(
            author=self.author,
            keys=self.name == KEY_CHAIN,
            first=min(self.seqs),
            last=last,
            head=min(self.seqs[last]),
            withheld=sorted(seq for gap in self._gaps for seq in gap.withheld),
            missing=list(islice(chain.from_iterable(gap.seqs for gap in self._gaps), LISTED)),
            equivocates=any(self._twice(ids) for ids in self.seqs.values()),
        )


def _forks(files: Sequence[_File], problems: list[Problem]) -> list[dict[str, Any]]:
    """Logs that show two histories: proven ones are problems, what one author says is not."""
    forks: list[dict[str, Any]] = []
    roots: dict[tuple[str, int], bytes] = {}
    entries: dict[tuple[str, int], str] = {}

    def prove(origin: str, detail: str, **facts: Any) -> None:
        forks.append({"origin": origin, "explained": True, "detail": detail, **facts})
        problems.append(
            Problem(
                code="log-fork",
                where=origin,
                detail=detail,
                remedy="keep all files: both checkpoints are signed by the log. Show them to the "
                "other members, and rely on neither",
            )
        )

    for one in files:
        for log in one.logs:
            for point in log.points():
                head = point.checkpoint
                other = roots.setdefault((head.origin, head.size), head.root)
                if other != head.root:
                    prove(
                        head.origin,
                        f"two roots at size {head.size}",
                        size=head.size,
                        roots=sorted((b64encode(other), b64encode(head.root))),
                    )
        for verdict in one.verdicts.values():
            if not verdict.included or verdict.index is None:
                continue
            held = entries.setdefault((verdict.log, verdict.index), verdict.id)
            if held != verdict.id:
                prove(
                    verdict.log,
                    f"two entries at index {verdict.index}",
                    index=verdict.index,
                    entries=sorted((held, verdict.id)),
                )
    for one in files:
        for row in one.good:
            for seen in row.statement.seen:
                known = roots.get((seen.origin, seen.size))
                if known is not None and b64encode(known) != seen.root:
                    # One party's word against a signed note: shown, and nobody is framed by it.
                    forks.append(
                        {
                            "origin": seen.origin,
                            "explained": False,
                            "detail": f"{row.statement.author} has seen another root at size "
                            f"{seen.size}, without the log's signature",
                            "statement": row.id,
                            "size": seen.size,
                            "roots": sorted((seen.root, b64encode(known))),
                        }
                    )
    return forks
