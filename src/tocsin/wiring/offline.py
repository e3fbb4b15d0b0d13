"""Reading, standings and verdicts on files, without a node."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tocsin.claims.model import Broken
from tocsin.errors import (
    ConfigError,
    InputError,
    NoteError,
    NotFoundError,
    StoreError,
    UnreadableError,
    UsageError,
)
from tocsin.importers.interface import Progress, chosen, to_json
from tocsin.reading.parsed import RULES
from tocsin.record.envelope import open_statement
from tocsin.record.judgement import Placed
from tocsin.record.revocations import Known
from tocsin.record.shown import Point, ShownLog, quorum_time
from tocsin.record.statement import ROOT_KINDS
from tocsin.record.verdict import instant
from tocsin.stix.bundle import open_bundle
from tocsin.wiring.folder import find_home, load_config
from tocsin.wiring.keys import has_log, load_log_signer
from tocsin.wiring.policy_file import policy_of
from tocsin.wiring.shipped import IMPORTERS, sheet_page
from tocsin.wiring.stores import key_rows

if TYPE_CHECKING:
    from tocsin.policy import Tlp
    from tocsin.record.checkpoint import Policy
    from tocsin.record.dossier import Each, Job


def read_file(
    raw: bytes,
    name: str,
    *,
    published: date | None,
    tlp: Tlp | None = None,
    columns: str | None = None,
    as_claims: bool = False,
    model: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """A report or bundle read, and nothing kept. Raises as its importer does.

    Args:
        model: of the learned parser to read running text with besides.
        progress: see `importers.interface.Progress`.
    """
    name = name.encode("utf-8", "backslashreplace").decode()
    kind = chosen(raw, name, columns, as_claims)
    parser = None
    if kind == "report" and model not in (None, RULES):
        from tocsin.wiring.parser import load_parser

        parser = load_parser(model)
    reading = IMPORTERS[kind].read(
        raw, name, published=published, tlp=tlp, columns=columns, parser=parser, progress=progress
    )
    return to_json(reading)


def standings_of_file(
    raw: bytes,
    name: str,
    *,
    only: str | None,
    reader: str | None,
    as_known: str | None,
    coder: str | None,
) -> tuple[list[dict[str, Any]], list[list[str]], tuple[Broken, ...]]:
    """Standings of a bundle's claims by id, their sentences, and what broke the carrier.

    Raises:
        BundleError: not a bundle.
        NotFoundError: `only` is no claim of it.
    """
    from tocsin.claims import carrier
    from tocsin.claims.explain import explain
    from tocsin.claims.standing import standing, standings
    from tocsin.flows.known import as_known as instant_of

    view = carrier.read((o.data, o.sha256) for o in open_bundle(raw) if o.problem is None)
    if only is not None and only not in view.claims:
        raise NotFoundError(f"no claim {only} in {name}", remedy="leave out --claim to see all")
    at = instant_of(as_known)
    if only:
        found = [standing(view, only, reader=reader, at=at, coder=coder)]
    else:
        found = standings(view, reader, at, coder)
    said = [[sentence.text for sentence in explain(s, view)] for s in found]
    return [s.to_json() for s in found], said, view.broken


class Checked(Struct, frozen=True, kw_only=True):
    """A verdict, and what is said beside it."""

    verdict: dict[str, Any]
    """As JSON: of dossiers record.md's, of a proof or a fork proof that of `record.evidence`."""
    said: dict[str, str] = {}
    """Statement id → its author's own word for the time."""
    sheet: str | None = None
    """What was found of a sheet's page."""


def verify_files(
    files: Sequence[tuple[str, bytes]],
    *,
    policy: bytes | None,
    root: bytes | str | None,
    home: str | None,
    directory: bytes | None = None,
) -> Checked:
    """The verdict on dossiers or sheets, on a tlog-proof with its envelope, or on a fork proof.

    Trust comes from the reader's own policy and root, on a node from its own.

    Args:
        directory: JSON lines: envelopes of directory, key and revoke statements that the reader
            holds besides. None: on a node its own, if the root is its own too.

    Raises:
        UsageError: no policy is given, and there is no node to take it from; or files that do not
            go together.
        UnreadableError: a file is none of these.
        VerificationError: a sheet's page is not what its dossier gives.
    """
    from tocsin.record import checkpoint, evidence

    folder = None
    if policy is None or root is None or directory is None:
        with suppress(UnreadableError):
            folder = find_home(home)
    own_root = None if folder is None else _own_root(folder)
    if folder is not None and policy is None and has_log(folder):
        own = load_log_signer(folder, load_config(folder).party)
        policy = policy_of(folder, own).encode("utf-8", "surrogateescape")
    if root is None:
        root = own_root
    if policy is None:
        raise UsageError(
            "no policy: whose log is to be trusted?",
            remedy="--policy FILE (from its owner: tocsin log show --policy-out FILE)",
        )
    try:
        trusted = checkpoint.open_policy(policy)
    except NoteError as wrong:
        raise UsageError(f"the policy: {wrong.message}", remedy=wrong.remedy) from wrong
    proofs = [raw for _, raw in files if evidence.is_proof(raw)]
    if proofs:
        others = [raw for _, raw in files if not evidence.is_proof(raw)]
        if len(proofs) > 1 or len(others) > 1:
            raise UsageError(f"{len(files)} files", remedy="give one tlog-proof and its envelope")
        try:
            proven = evidence.verify_proof(proofs[0], others[0] if others else None, trusted)
        except NoteError as wrong:
            raise UnreadableError(wrong.message, remedy=wrong.remedy) from wrong
        return Checked(verdict=proven)
    if len(files) == 1 and evidence.is_fork(files[0][1]):
        return Checked(verdict=evidence.verify_fork_proof(files[0][1], trusted))
    if directory is not None:
        known = list(_held(directory))
    else:
        known = _own_keys(folder, trusted) if folder is not None and root == own_root else []
    return _verify_dossiers(files, trusted, root, known)


def _held(directory: bytes) -> Iterator[Known]:
    for number, row in enumerate(directory.split(b"\n"), 1):
        if not row:
            continue
        try:
            _, statement = open_statement(row)
        except InputError as wrong:
            raise UsageError(
                f"line {number} of the directory: {wrong.message}",
                remedy="one envelope a line, as directory.jsonl of a dossier has them",
            ) from wrong
        if statement.kind not in ROOT_KINDS:
            raise UsageError(
                f"line {number} of the directory is a {statement.kind}",
                remedy="give directory, key and revoke statements only",
            )
        yield Known(raw=row)


def _verify_dossiers(
    files: Sequence[tuple[str, bytes]],
    policy: Policy,
    root: bytes | str | None,
    known: Sequence[Known],
) -> Checked:
    from tocsin.cases import sheet
    from tocsin.record import dossier

    bodies, said = [], None
    for name, raw in files:
        if sheet.is_sheet(raw):
            bodies.append(sheet.compare_sheet(raw, sheet_page()))
            said = f"{name}: every byte is what its dossier gives"
        else:
            bodies.append(raw)
    size = sum(map(len, bodies))
    with _no_collector(size):
        verdict = dossier.verify(bodies, policy, root, known=known, each=_each(size))
        return Checked(verdict=verdict.to_json(), said=verdict.said, sheet=said)


LARGE = 32 * 1024 * 1024
"""Bytes of dossiers from which on workers are worth their start: some 10,000 statements."""
_CHUNK = 2_000
"""Signatures that a worker checks at a time."""
_jobs: list[Job] = []
"""What the workers check: they are copies of this process and find it here, nothing is sent."""


@contextmanager
def _no_collector(size: int) -> Iterator[None]:
    """A verdict on a large dossier makes millions of objects and no cycle among them."""
    if size < LARGE or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _by_all_cores(function: Callable[[Job], Any], jobs: Iterable[Job]) -> Iterable[Any]:
    """`map` with a worker on each core. Only where a process can be copied, which is on Linux."""
    _jobs[:] = jobs
    parts = [
        (function, start, min(start + _CHUNK, len(_jobs))) for start in range(0, len(_jobs), _CHUNK)
    ]
    try:
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("fork")) as pool:
            for answers in pool.map(_part, parts):
                yield from answers
    finally:
        _jobs.clear()


def _part(part: tuple[Callable[[Job], Any], int, int]) -> list[Any]:
    function, start, end = part
    return [function(job) for job in _jobs[start:end]]


def _each(size: int) -> Each:
    many = size >= LARGE and (os.cpu_count() or 1) > 1
    return _by_all_cores if many and sys.platform == "linux" else map


def _own_root(folder: Path) -> bytes | None:
    path = folder / "root.json"
    return path.read_bytes() if path.exists() else None


def _own_keys(folder: Path, policy: Policy) -> list[Known]:
    """The key history of the node in `folder`, with its places and when a quorum covered them.

    Raises:
        UsageError: its store cannot be read.
    """
    try:
        held = key_rows(folder, load_config(folder))
    except (StoreError, ConfigError) as wrong:
        # Without it a revocation could be missed in silence.
        raise UsageError(wrong.message, remedy=wrong.remedy) from wrong
    if held is None:
        return []
    log = ShownLog(held.origin)
    for _, note in held.checkpoints:
        with suppress(NoteError):
            judged = policy.judge(note)
            time = quorum_time(policy, judged.witnesses) if judged.quorum else None
            log.older.append(
                Point(checkpoint=judged.checkpoint, note=note, quorum=judged.quorum, time=time)
            )
    log.settle()
    known = []
    for index, raw in held.rows:
        time = log.not_after(index)
        cosigned = None if time is None else instant(time)
        place = Placed(log=held.origin, index=index, cosigned=cosigned)
        known.append(Known(raw=bytes(raw), placed=place))
    return known
