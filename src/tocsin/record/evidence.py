"""Verdicts on single pieces of evidence: a proof that one entry is in a log, and a fork proof.

Both without a directory: the reader's policy names the log's keys, and nothing is said of authors.
Spec: C2SP tlog-proof; record.md, "Dossier" and "Fork proof".
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from tocsin.canonical import b64encode
from tocsin.errors import (
    DirectoryError,
    ForkError,
    NoteError,
    ProofError,
    StatementError,
    TocsinError,
    UsageError,
)
from tocsin.record import checkpoint as notes
from tocsin.record import fork, merkle
from tocsin.record.checkpoint import Policy
from tocsin.record.envelope import open_statement, sealed_entry, statement_id
from tocsin.record.members import Problem
from tocsin.record.shown import quorum_time
from tocsin.record.statement import ROOT_KINDS
from tocsin.record.verdict import LogVerdict, instant, log_verdict

PROOF_START = b"c2sp.org/tlog-proof@v1\n"
FORK_START = re.compile(rb'\{"a":"')
_ID = re.compile(rb"[0-9a-f]{64}")


def is_proof(data: bytes) -> bool:
    """Whether this claims to be a `.tlog-proof`."""
    return data.startswith(PROOF_START)


def is_fork(data: bytes) -> bool:
    """Whether this claims to be a fork proof."""
    return FORK_START.match(data) is not None and b'"kind":"fork-proof"' in data


class _Verdict:
    """Both verdicts say these."""

    def __init__(self, kind: str, data: bytes, policy: Policy) -> None:
        self.problems: list[Problem] = []
        self._start = {
            "kind": kind,
            "file": hashlib.sha256(data).hexdigest(),
            "policy": policy.sha256,
        }

    def say(self, code: str, where: str, wrong: TocsinError) -> None:
        problem = Problem(code=code, where=where, detail=wrong.message, remedy=wrong.remedy)
        self.problems.append(problem)

    def json(self, **facts: Any) -> dict[str, Any]:
        problems = msgspec.to_builtins(self.problems)
        return {"v": 1, "ok": not problems, **self._start, **facts, "problems": problems}


def verify_proof(data: bytes, envelope: bytes | None, policy: Policy) -> dict[str, Any]:
    """What a `.tlog-proof` proves of a statement, as JSON.

    The leaf comes from the envelope, or from the id in the proof's `extra`, which nothing signs:
    then it is that id whose place is proven, and the reader still has to find its bytes. `proved`
    says which. An envelope that was sealed stands in the log by another entry than in plain, which
    is made of its author's name too (`sealed_entry`): `sealed` says which of the two it is. Whether
    the envelope's signature counts is not asked: that takes the directory.

    Args:
        data: the proof.
        envelope: the statement's bytes, if the reader has them.
        policy: the reader's own.

    Raises:
        NoteError: not a tlog-proof.
        UsageError: no envelope, and no id in the proof.
    """
    proof = notes.open_proof(data)
    named = proof.extra.decode() if proof.extra and _ID.fullmatch(proof.extra) else None
    if envelope is None and named is None:
        raise UsageError(
            "the proof names no statement, so which entry is it about?",
            remedy="give the envelope too: tocsin verify X.tlog-proof ENVELOPE",
        )
    found = _Verdict("tlog-proof", data, policy)
    id = named or ""
    said: dict[str, Any] = {"author": None, "statement": None, "time": None}
    forms = [id]
    if envelope is not None:
        id = statement_id(envelope)
        forms = [id]
        try:
            _, s = open_statement(envelope)
            said = {"author": s.author, "statement": s.kind, "time": s.time}
            if s.kind not in ROOT_KINDS:
                forms.append(sealed_entry(s.author, bytes.fromhex(id)).hex())
        except (StatementError, DirectoryError) as wrong:
            found.say("schema", "envelope", wrong)
        if named is not None and named not in forms:
            remedy = "give the envelope that belongs to this proof"
            other = UsageError(f"the proof is about {named}, and this is {id}", remedy=remedy)
            found.say("index", "envelope", other)
    log: LogVerdict | None = None
    after = None
    form = None
    try:
        judged = policy.judge(proof.checkpoint)
    except NoteError as wrong:
        found.say("checkpoint", "checkpoint", wrong)
    else:
        head = judged.checkpoint
        log = log_verdict(head.origin, head, judged.lines, judged.quorum, judged.witnesses)
        if not judged.quorum:
            few = f"{len(judged.witnesses)} of the policy's witnesses cosigned, too few"
            remedy = "fetch a newer proof, or ask which witnesses the log uses"
            found.say("quorum", "checkpoint", ProofError(few, remedy=remedy))
        time = quorum_time(policy, judged.witnesses) if judged.quorum else None
        after = None if time is None else instant(time)
        faults: list[ProofError] = []
        for number, entry in enumerate(forms):
            leaf = merkle.leaf_hash(b"\x01" + bytes.fromhex(entry))
            try:
                merkle.verify_inclusion(leaf, proof.index, head.size, proof.path, head.root)
            except ProofError as wrong:
                faults.append(wrong)
            else:
                form = number
                break
        if form is None:
            found.say("inclusion", "path", faults[0])
    return found.json(
        id=id,
        sealed=None if form is None or envelope is None else form == 1,
        proved=None if found.problems else "envelope" if envelope is not None else "id",
        index=proof.index,
        not_after=after,
        log=msgspec.to_builtins(log),
        **said,
    )


def verify_fork_proof(data: bytes, policy: Policy) -> dict[str, Any]:
    """Whether a fork proof holds against a log of the reader's policy, as JSON."""
    found = _Verdict("fork-proof", data, policy)
    facts: dict[str, Any] = {"origin": None, "sizes": [], "roots": []}
    try:
        proof = fork.open_fork(data)
        facts["origin"] = proof.origin
        a, b = fork.verify_fork(proof, policy.logs)
        facts |= {"sizes": [a.size, b.size], "roots": [b64encode(a.root), b64encode(b.root)]}
    except ForkError as wrong:
        found.say("log-fork", "fork proof", wrong)
    return found.json(**facts)
