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
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

import msgspec

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
from tocsin.record.admission import check_markings
from tocsin.record.chains import Places, judge_chains
from tocsin.record.checkpoint import Checkpoint, Policy
from tocsin.record.directory import KeyRing
from tocsin.record.envelope import Verified, pae, sealed_entry
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
from tocsin.record.revocations import Known, apply_revocations
from tocsin.record.shown import Inclusions, Point, ShownLog, quorum_time
from tocsin.record.split_view import split_views
from tocsin.record.statement import ROOT_KINDS, Statement
from tocsin.record.verdict import (
    ChainVerdict,
    DirectoryVerdict,
    ObjectCount,
    StatementVerdict,
    Verdict,
    instant,
)

__all__ = [
    "ChainVerdict",
    "Dossier",
    "Each",
    "Job",
    "Known",
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

Pairs = Sequence[tuple[bytes, bytes]]
"""(public key, signature), all of which must verify."""
Job = tuple[bytes, bytes, bytes]
"""One signature to verify: public key, signature, message."""
Fault = tuple[str, str]
"""What is wrong with it, and the remedy."""
Each = Callable[[Callable[[Job], Fault | None], Iterable[Job]], Iterable[Fault | None]]
"""Applies a function to each job, results in their order: `map`, or a pool of processes."""


def fault(job: Job) -> Fault | None:
    """What is wrong with one signature; None where it holds."""
    try:
        keys.verify(*job)
    except SignatureError as wrong:
        return wrong.message, wrong.remedy
    return None


def verify(
    files: Sequence[bytes],
    policy: Policy | None,
    root: bytes | str | None,
    *,
    known: Sequence[Known] = (),
    each: Each = map,
) -> Verdict:
    """Check one dossier, or several of one case together.

    Args:
        files: the dossiers' bytes.
        policy: the reader's own; None counts no log and no quorum.
        root: the reader's own root file; None: everything hangs in the air, `unanchored`; the
            word "none": the reader asks for that, and the dossier's own version 1 is taken.
        known: directory, key and revoke statements that the reader holds besides: a revocation
            among them counts also where the dossier leaves it out.
        each: how signatures are checked one by one, or many at a time.

    Raises:
        DossierError: a file is no ZIP whose members can be listed. Whatever is wrong inside one
            that is, stands in the verdict.
        StatementError: something `known` is no statement.
    """
    if not files:
        raise DossierError("no file to verify", remedy="give one dossier, or two to compare")
    checked = [
        _File(data, policy, root, f"{number}:" if len(files) > 1 else "", each)
        for number, data in enumerate(files, 1)
    ]
    apply_revocations(checked, known)
    problems = [problem for one in checked for problem in one.problems]
    statements = _merged(checked)
    places = _places(checked)
    good = (row for one in checked for row in one.good)
    chains = judge_chains(good, places, _hidden(checked, places), problems)
    forks = split_views(checked, policy, problems)
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
        said={
            row.id: row.statement.time
            for one in checked
            for row in (*one.dossier.directory, *one.dossier.statements)
        },
    )


# --- one file ---------------------------------------------------------------------------------


class _File:
    """One dossier with everything that was found in it."""

    def __init__(
        self,
        data: bytes,
        policy: Policy | None,
        root: bytes | str | None,
        prefix: str,
        each: Each,
    ) -> None:
        self.problems: list[Problem] = []
        self._taken: set[tuple[str, str, str]] = set()
        self._prefix = prefix
        self._policy = policy
        self.dossier = read_damaged(data, self._take)
        self.logs = [ShownLog(origin) for origin in self.dossier.origins]
        self.version: int | None = None
        self.directory_ok = True
        self._anchor(root)
        placed = _placed(self.dossier.directory)
        self._changes = [[at for at, _ in placed.get(n, [])] for n in range(len(self.logs))]
        self._standing: dict[tuple[tuple[int, int] | None, str, str, str], bytes] = {}
        """(`_between`, author, key, kind) → public key, where that key may sign it there."""
        for number, log in enumerate(self.logs):
            self._ring(log, placed.get(number, []), root)
        self._notes()
        self.verdicts: dict[str, StatementVerdict] = {}
        self.good: list[Row] = []
        """Rows whose signature verified."""
        self._paths()
        self._statements(each)
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

    def say_of(self, id: str, code: str, where: str, detail: str, remedy: str) -> None:
        """Note a problem of one statement."""
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

    def _ring(
        self, log: ShownLog, rows: Sequence[tuple[int, Row]], root: bytes | str | None
    ) -> None:
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

    def _older(self, log: ShownLog, newest: Checkpoint, older: Older) -> None:
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
        self, log: ShownLog, data: bytes, where: str
    ) -> tuple[Point, tuple[notes.SignedLine, ...], tuple[tuple[str, int], ...]] | None:
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
            return Point(checkpoint=head, note=data, quorum=False, time=None), lines, ()
        try:
            judged = policy.judge(data)
        except NoteError as wrong:
            self.say("checkpoint", where, wrong.message, wrong.remedy)
            return Point(checkpoint=head, note=data, quorum=False, time=None), lines, ()
        time = quorum_time(policy, judged.witnesses) if judged.quorum else None
        point = Point(checkpoint=head, note=data, quorum=judged.quorum, time=time)
        return point, lines, judged.witnesses

    # 4 paths

    def _paths(self) -> None:
        rows: list[Row | Withheld] = [
            *self.dossier.directory,
            *self.dossier.statements,
            *self.dossier.withheld,
        ]
        placed: set[str] = set()
        checks = [Inclusions(log.newest.checkpoint) if log.newest else None for log in self.logs]
        for row in rows:
            proofs = row.proofs if isinstance(row, Row) else (row.proof,)
            leaf = leaf_of(row)
            verdict = self.verdicts.setdefault(row.id, self._empty_verdict(row))
            if not proofs:
                verdict.problems.append("inclusion")
            for proof in proofs:
                log = self.logs[proof.log]
                check = checks[proof.log]
                where = f"proofs.jsonl:{proof.line}"
                try:
                    if check is None:
                        raise ProofError(
                            f"{log.origin} shows no checkpoint that holds",
                            remedy=ANOTHER_MEMBER,
                        )
                    check.check(leaf, proof.index, proof.path)
                    included = True
                except ProofError as wrong:
                    included = False
                    self.say_of(row.id, "inclusion", where, wrong.message, wrong.remedy)
                if proof is proofs[0] and row.id not in placed:
                    placed.add(row.id)  # a withheld id of two logs comes once for each
                    verdict.included = included
                    verdict.quorum = log.newest is not None and log.newest.quorum
                    after = log.not_after(proof.index) if included else None
                    verdict.not_after = None if after is None else instant(after)

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

    def _statements(self, each: Each) -> None:
        rows = [*self.dossier.directory, *self.dossier.statements]
        signed = [self._signers(row) for row in rows]
        jobs = [
            (public, signature, message)
            for row, (pairs, _) in zip(rows, signed, strict=True)
            for message in (pae(row.envelope.payload) if pairs else b"",)
            for public, signature in pairs
        ]
        answers = iter(each(fault, jobs))
        markings = _Markings(self.dossier.statements)
        for row, (pairs, wrong) in zip(rows, signed, strict=True):
            self.verdicts[row.id].not_before = self._not_before(row.statement)
            faults = [next(answers) for _ in pairs]
            if wrong is not None:
                self.say_of(row.id, "key", row.where, wrong.message, wrong.remedy)
            self._judge(row, bool(pairs), [one for one in faults if one is not None])
            if not self._ring_of(row):
                continue
            try:
                check_markings(row.statement, markings.for_reader(row))
            except MarkingError as looser:
                self.say_of(row.id, "marking", row.where, looser.message, looser.remedy)

    def _ring_of(self, row: Row) -> KeyRing | None:
        number = row.proofs[0].log if row.proofs else 0
        return self.logs[number].ring if self.logs else None

    def _judge(self, row: Row, signed: bool, faults: Sequence[Fault]) -> None:
        if faults:
            self.say_of(row.id, "signature", row.where, *faults[0])
        elif signed:
            self.verdicts[row.id].signature = True
            self.good.append(row)

    def _between(self, row: Row) -> tuple[int, int] | None:
        """Log, and number of its key statements before this place: between two of them no key's
        standing changes, unless it is ever revoked. None for what is no ordinary statement there.
        """
        if row.statement.kind in ROOT_KINDS or not row.proofs:
            return None
        first = row.proofs[0]
        return first.log, bisect_left(self._changes[first.log], first.index)

    def _signers(self, row: Row) -> tuple[Pairs, TocsinError | None]:
        """What has to verify, and what keeps the key from counting; its state: in the verdict."""
        s, ring, verdict = row.statement, self._ring_of(row), self.verdicts[row.id]
        if ring is None:
            return (), SignatureError("without a directory no key is known", remedy=ANOTHER_MEMBER)
        place = self._between(row)
        standing = (place, s.author, s.key, s.kind)
        public = self._standing.get(standing)
        if public is not None:
            verdict.key = "valid"
            return ((public, row.envelope.signatures[0].sig),), None
        if s.kind not in ROOT_KINDS:
            verdict.key = ring.state(s.author, s.key, verdict.index, verdict.not_after)
        try:
            signed = ring.signers(row.envelope, s, verdict.index)
            enrolled = ring.key(s.author, s.key)
            if place is not None and enrolled is not None and enrolled.until is None:
                self._standing[standing] = enrolled.public
            if s.kind in ROOT_KINDS:
                verdict.key = "valid"
            return signed, None
        except (SignatureError, DirectoryError) as wrong:
            if s.kind == "directory":  # the fold of the directory has said it
                verdict.problems.append("directory")
                return (), None
            enrolled = ring.key(s.author, s.key)
            if enrolled is None or s.kind in ROOT_KINDS:
                return (), wrong
            # The key may not sign this any more; whether it did is still worth knowing.
            return [(enrolled.public, row.envelope.signatures[0].sig)], wrong

    def _not_before(self, s: Statement) -> str | None:
        """Cosigned time of the newest checkpoint that the author had seen."""
        times = [
            log.times[one.size, one.root]
            for one in s.seen
            for log in self.logs
            if log.origin == one.origin and (one.size, one.root) in log.times
        ]
        return instant(max(times)) if times else None

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


def _places(files: Sequence[_File]) -> dict[str, dict[str, int]]:
    """Id → log → index of everything that is proven; nothing where all of it is shown."""
    places: dict[str, dict[str, int]] = {}
    if not any(one.dossier.withheld for one in files):
        return places  # no place is asked for
    sealed = _sealed(files)
    for one in files:
        for row in (*one.dossier.directory, *one.dossier.statements):
            for proof in row.proofs if one.verdicts[row.id].included else ():
                places.setdefault(row.id, {}).setdefault(one.logs[proof.log].origin, proof.index)
        for hidden in one.dossier.withheld:
            if one.verdicts[hidden.id].included:
                id = sealed.get(hidden.id, hidden.id)
                places.setdefault(id, {}).setdefault(hidden.log, hidden.index)
    return places


def _sealed(files: Sequence[_File]) -> dict[str, str]:
    """Withheld entry → the statement of another file that its author has sealed there."""
    withheld = {hidden.id for one in files for hidden in one.dossier.withheld}
    rows = (row for one in files for row in one.dossier.statements) if withheld else ()
    found = {
        sealed_entry(row.statement.author, bytes.fromhex(row.id)).hex(): row.id for row in rows
    }
    return {entry: id for entry, id in found.items() if entry in withheld}


def _hidden(files: Sequence[_File], places: Places) -> set[str]:
    """Ids that are proven in one file and shown in none."""
    shown = {row.id for one in files for row in one.dossier.statements}
    sealed = _sealed(files)
    named = {h.id for one in files for h in one.dossier.withheld if h.id not in sealed}
    return {id for id in named - shown if id in places}
