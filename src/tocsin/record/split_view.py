"""Logs that show two histories: between files, in what was said of them, in what others have seen.

Whatever the logs' own signatures prove is a problem, with a fork proof where the paths in hand give
one. What somebody only says is shown, and frames nobody. Spec: record.md, "Witness, forks, gossip".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import permutations
from typing import Any, Protocol

from tocsin import canonical
from tocsin.canonical import b64encode
from tocsin.errors import ForkError
from tocsin.record import checkpoint as notes
from tocsin.record import fork, merkle
from tocsin.record.checkpoint import Policy, VerifierKey
from tocsin.record.members import Dossier, Problem, Row, Withheld, leaf_of
from tocsin.record.shown import Point, ShownLog
from tocsin.record.verdict import LISTED, StatementVerdict

KEEP = (
    "keep all files: both histories are signed by the log. Show them to the other members, and "
    "rely on neither"
)


class Shown(Protocol):
    """One file that has been checked by itself."""

    @property
    def dossier(self) -> Dossier: ...
    @property
    def logs(self) -> Sequence[ShownLog]: ...
    @property
    def good(self) -> Sequence[Row]: ...
    @property
    def verdicts(self) -> Mapping[str, StatementVerdict]: ...


def split_views(
    files: Sequence[Shown], policy: Policy | None, problems: list[Problem]
) -> list[dict[str, Any]]:
    """Every sign of two histories; the proven ones go to `problems` as well."""
    found = _Split(problems)
    if len(files) > 1 or len(files[0].logs) > 1:
        _entries(files, found)
        views = [(one, log) for one in files for log in one.logs if log.newest is not None]
        for (_, a), (other, b) in permutations(views, 2):
            if a.origin == b.origin:
                _heads(a, other, b, found)
    log_keys = _log_keys(files, policy)
    for one in files:
        for row in one.good:
            _said(one, row, log_keys, found)
    roots = {
        (point.checkpoint.origin, point.checkpoint.size): point.checkpoint.root
        for one in files
        for log in one.logs
        for point in log.points()
    }
    for one in files:
        for row in one.good:
            _seen(row, roots, found)
    return found.forks


class _Split:
    """What has been found so far."""

    def __init__(self, problems: list[Problem]) -> None:
        self.forks: list[dict[str, Any]] = []
        self._problems = problems
        self._told: set[tuple[str, str]] = set()

    def proven(self, origin: str, detail: str, **facts: Any) -> None:
        """The log's own signatures show it."""
        if (origin, detail) in self._told or len(self._told) >= LISTED:
            return
        self._told.add((origin, detail))
        self.forks.append({"origin": origin, "explained": True, "detail": detail, **facts})
        self._problems.append(Problem(code="log-fork", where=origin, detail=detail, remedy=KEEP))

    def listed(self, origin: str, detail: str, explained: bool, **facts: Any) -> None:
        """Worth knowing, and nothing against this file."""
        if len(self.forks) < LISTED:
            self.forks.append({"origin": origin, "explained": explained, "detail": detail, **facts})


def _entries(files: Sequence[Shown], found: _Split) -> None:
    """Two entries at one place of one log, both proven."""
    entries: dict[tuple[str, int], str] = {}
    for one in files:
        for verdict in one.verdicts.values():
            if not verdict.included or verdict.index is None:
                continue
            held = entries.setdefault((verdict.log, verdict.index), verdict.id)
            if held != verdict.id:
                found.proven(
                    verdict.log,
                    f"two entries at index {verdict.index}",
                    index=verdict.index,
                    entries=sorted((held, verdict.id)),
                )


def _heads(a: ShownLog, other: Shown, b: ShownLog, found: _Split) -> None:
    """Checkpoints of one file against the history of another: b's newest decides."""
    newest = b.newest
    if newest is None:
        return
    by_size = {point.checkpoint.size: point for point in b.points()}
    tree: _Tree | None = None
    for point in a.points():
        head = point.checkpoint
        same = by_size.get(head.size)
        if same is not None:
            if same.checkpoint.root != head.root:
                _prove(point, same, (), f"two roots at size {head.size}", found)
                return
            continue
        if head.size > newest.checkpoint.size:
            return
        tree = tree or _Tree(other, b)
        path = tree.path(head.size, newest.checkpoint.size)
        if path is None:
            continue
        detail = f"size {head.size} is not the beginning of size {newest.checkpoint.size}"
        if merkle.roots_from_consistency(head.size, newest.checkpoint.size, path)[0] != head.root:
            _prove(point, newest, path, detail, found)
            return


def _prove(a: Point, b: Point, path: Sequence[bytes], detail: str, found: _Split) -> None:
    x, y = a.checkpoint, b.checkpoint
    facts: dict[str, Any] = {"size": x.size, "roots": sorted(map(b64encode, (x.root, y.root)))}
    if x.size != y.size:
        facts = {"sizes": [x.size, y.size], "roots": [b64encode(x.root), b64encode(y.root)]}
    one, two = sorted((a.note, b.note)) if x.size == y.size else (a.note, b.note)
    try:
        written = fork.write_fork(fork.prove_fork(one, two, path))
    except ForkError:  # shown all the same: both signatures hold
        found.proven(x.origin, detail, **facts)
    else:
        found.proven(x.origin, detail, **facts, proof=canonical.decode(written))


class _Tree:
    """What the paths of one file say of one log's tree: hashes of perfect subtrees."""

    def __init__(self, one: Shown, log: ShownLog) -> None:
        newest = log.newest
        self._size = newest.checkpoint.size if newest else 0
        self._hashes: dict[tuple[int, int], bytes] = {}
        number = one.logs.index(log)
        dossier = one.dossier
        rows: list[Row | Withheld] = [
            *dossier.directory,
            *dossier.statements,
            *dossier.withheld,
        ]
        for row in rows:
            verdict = one.verdicts.get(row.id)
            if verdict is None or not verdict.included:
                continue
            for proof in row.proofs if isinstance(row, Row) else (row.proof,):
                if proof.log == number:
                    self._take(leaf_of(row), proof.index, proof.path)

    def _take(self, leaf: bytes, index: int, path: Sequence[bytes]) -> None:
        """Note the hashes of a path that has been verified: where it leads along, and beside."""
        level, place, last, node = 0, index, self._size - 1, leaf
        self._note(0, index, leaf)
        for sibling in path:
            while not place & 1 and place == last and place:
                level, place, last = level + 1, place >> 1, last >> 1
            if place & 1:
                self._note(level, place - 1, sibling)
                node = sha256(b"\x01" + sibling + node).digest()
            else:
                self._note(level, place + 1, sibling)
                node = sha256(b"\x01" + node + sibling).digest()
            level, place, last = level + 1, place >> 1, last >> 1
            self._note(level, place, node)

    def _note(self, level: int, place: int, digest: bytes) -> None:
        if (place + 1) << level <= self._size:  # a node on the right edge is no perfect subtree
            self._hashes.setdefault((level, place), digest)

    def _get(self, level: int, place: int) -> bytes:
        return self._hashes[level, place]

    def path(self, old_size: int, new_size: int) -> list[bytes] | None:
        """The path with the first subtree's hash, if all of it is in hand."""
        if old_size == 0:  # a log may sign for nothing at all: every history begins with that
            return None
        try:
            return fork.fork_path(self._get, old_size, new_size)
        except KeyError:
            return None


def _log_keys(files: Sequence[Shown], policy: Policy | None) -> list[VerifierKey]:
    """The keys of all logs that a directory or the policy names."""
    texts = {
        text
        for one in files
        for log in one.logs
        if log.ring is not None
        for listed in log.ring.directory.origins().values()
        for text in listed
    }
    return [*notes.usable(sorted(texts)), *(policy.logs if policy else ())]


def _said(one: Shown, row: Row, log_keys: Sequence[VerifierKey], found: _Split) -> None:
    """A fork proof that somebody has said in the case."""
    for ref in row.statement.objects:
        data = one.dossier.objects.get(ref.sha256)
        if ref.type != fork.MEDIA_TYPE or data is None:
            continue
        author = row.statement.author
        try:
            proof = fork.open_fork(data)
            a, b = fork.verify_fork(proof, log_keys)
        except ForkError as wrong:
            found.listed(
                "",
                f"what {author} calls a fork proof does not hold: {wrong.message}",
                explained=False,
                statement=row.id,
            )
            continue
        facts: dict[str, Any] = {
            "sizes": [a.size, b.size],
            "roots": [b64encode(a.root), b64encode(b.root)],
            "statement": row.id,
            "proof": canonical.decode(data),
        }
        detail = f"a fork proof said by {author}: sizes {a.size} and {b.size}"
        if any(log.origin == proof.origin for log in one.logs):
            found.proven(proof.origin, detail, **facts)
        else:
            found.listed(proof.origin, detail, explained=True, **facts)


def _seen(row: Row, roots: Mapping[tuple[str, int], bytes], found: _Split) -> None:
    for seen in row.statement.seen:
        known = roots.get((seen.origin, seen.size))
        if known is not None and b64encode(known) != seen.root:
            # One party's word against a signed note: shown, and nobody is framed by it.
            found.listed(
                seen.origin,
                f"{row.statement.author} has seen another root at size {seen.size}, without the "
                "log's signature",
                explained=False,
                statement=row.id,
                size=seen.size,
                roots=sorted((seen.root, b64encode(known))),
            )
