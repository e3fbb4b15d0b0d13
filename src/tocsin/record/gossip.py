"""What follows when two views of one log meet: one history, a fork, a question, or no explanation.

Spec: record.md, "Witness, forks, gossip". Only rules: who asks whom, and when, is `flows/` and
`peers.py`. A node compares whatever it meets (a neighbour's cosigned checkpoint, a `seen` in a
statement, a checkpoint in a dossier) with what it holds:

    same size, same root           one history
    same size, other root          both signed by the log: a fork, proven. Else: unexplained
    other size                     the path between the two sizes has to be asked for
    a path that leads to both      one history
    a path that leads to the larger one's root and to another root at the smaller size: as above
    no such path                   unexplained

"Unexplained" accuses nobody: it names what does not fit and who showed it. A party can write any
root into its `seen`, so only the log's own signature on both histories is held against the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from tocsin.canonical import b64decode
from tocsin.errors import ForkError, ProofError
from tocsin.record import checkpoint as notes
from tocsin.record import merkle
from tocsin.record.fork import ForkProof, prove_fork, signed_by
from tocsin.record.statement import Seen
from tocsin.record.witness import EMPTY_ROOT

PATIENCE = 2
"""Rounds in which a log may leave a question open while it answers others."""


class Head(Struct, frozen=True, kw_only=True):
    """The root that a log is said to have had at a size."""

    origin: str
    size: int
    root: bytes
    """32 bytes."""
    note: bytes | None = None
    """The log's signed note of just this; None: somebody's word only."""
    source: str = ""
    """Who showed it: a party, a witness. For people to read."""


class Consistent(Struct, frozen=True, kw_only=True):
    """One history holds both."""

    origin: str


class Fork(Struct, frozen=True, kw_only=True):
    """The log has signed two histories; the proof can be published."""

    proof: ForkProof

    @property
    def origin(self) -> str:
        """The log."""
        return self.proof.origin


class NeedsPath(Struct, frozen=True, kw_only=True):
    """Two sizes of one log: only the path between them can tell.

    Ask for it out of the tiles of `new` (`fork.fork_path`, always with the first subtree's hash),
    and hand it to `resolve`.
    """

    old: Head
    new: Head

    @property
    def origin(self) -> str:
        """The log."""
        return self.old.origin


class Unexplained(Struct, frozen=True, kw_only=True):
    """Two views that do not fit, and no two signatures that prove it. To be shown to people."""

    a: Head
    b: Head
    why: str

    @property
    def origin(self) -> str:
        """The log."""
        return self.a.origin


Verdict = Consistent | Fork | NeedsPath | Unexplained
Settled = Consistent | Fork | Unexplained


def head_of(note: bytes, keys: Iterable[notes.VerifierKey], source: str = "") -> Head:
    """What a note that its log has signed says.

    Raises:
        NoteError: no checkpoint, or no good line of a key of the log among `keys`.
    """
    head = signed_by(note, keys)
    return Head(origin=head.origin, size=head.size, root=head.root, note=note, source=source)


def said(seen: Seen, source: str) -> Head:
    """What a party says in a statement's `seen`; no log has signed it.

    Raises:
        CanonicalError: its root is not base64. A parsed statement's is.
    """
    return Head(origin=seen.origin, size=seen.size, root=b64decode(seen.root), source=source)


def compare(held: Head, met: Head) -> Verdict:
    """What follows from two heads of one log. Notes in them have been verified (`head_of`).

    Raises:
        ForkError: they are of two logs.
    """
    if held.origin != met.origin:
        raise ForkError(
            f"checkpoints of {held.origin} and {met.origin} cannot contradict each other",
            remedy="compare checkpoints of one log",
        )
    old, new = (held, met) if held.size <= met.size else (met, held)
    if old.root == new.root and old.size == new.size:
        return Consistent(origin=held.origin)
    if old.size == 0:
        if new.size and old.root == EMPTY_ROOT:
            return Consistent(origin=held.origin)
        return Unexplained(a=held, b=met, why="size 0 with a root that no empty tree has")
    if old.size == new.size:
        return _contradiction(held, met, ())
    return NeedsPath(old=old, new=new)


def meet(held: Sequence[Head], met: Head) -> Verdict | None:
    """What follows from a head and all that is held of its log; None: nothing is held of it.

    Args:
        held: heads of any logs; those of one log are one history, as far as this node knows.
        met: what was shown.
    """
    mine = [head for head in held if head.origin == met.origin]
    if not mine:
        return None
    larger = [head for head in mine if head.size >= met.size]
    nearest = min(larger, key=_size) if larger else max(mine, key=_size)
    return compare(nearest, met)


def compare_own(newest: Head, root_at: Callable[[int], bytes], met: Head) -> Verdict:
    """What follows from a head of this node's own log.

    Args:
        newest: our newest published checkpoint. Read it after `met` came, or a batch between the
            two looks like a log that others know better than we do.
        root_at: size → our root there, for sizes from 1 to `newest.size`.
        met: what was shown.

    Returns:
        `NeedsPath` where our own key has signed another root than ours: the path is in our own
        tiles, and what it makes is a proof against our own log (a restored backup, a stolen key).

    Raises:
        Whatever `root_at` raises.
    """
    if met.size > newest.size:
        return Unexplained(
            a=newest,
            b=met,
            why=f"others know size {met.size} of this node's log, and its store ends at "
            f"{newest.size}",
        )
    if met.size == 0 or root_at(met.size) != met.root:
        verdict = compare(newest, met)
        if isinstance(verdict, NeedsPath) and met.note is None:
            return Unexplained(a=newest, b=met, why="this log never had that root")
        return verdict
    return Consistent(origin=newest.origin)


def resolve(need: NeedsPath, path: Sequence[bytes] | None) -> Settled:
    """What a path between two sizes makes of them.

    Args:
        need: what was asked.
        path: as `fork.fork_path` gives it from the tiles of `need.new`; None: refused, or what
            came was no path. Nobody to ask is no answer: see `Question`.
    """
    old, new = need.old, need.new
    if path is None:
        return Unexplained(a=old, b=new, why="the log does not show how one became the other")
    try:
        roots = merkle.roots_from_consistency(old.size, new.size, path)
    except ProofError as wrong:
        return Unexplained(a=old, b=new, why=wrong.message)
    if roots == (old.root, new.root):
        return Consistent(origin=need.origin)
    if roots[1] != new.root:
        return Unexplained(
            a=old, b=new, why=f"what is shown of size {new.size} leads to another root than signed"
        )
    return _contradiction(old, new, path)


def _contradiction(a: Head, b: Head, path: Sequence[bytes]) -> Fork | Unexplained:
    if a.note is not None and b.note is not None:
        return Fork(proof=prove_fork(a.note, b.note, path))
    word = next(head for head in (b, a) if head.note is None)
    return Unexplained(a=a, b=b, why=f"{word.source or 'somebody'} says so, without a signed note")


def _size(head: Head) -> int:
    return head.size


class Question(Struct, frozen=True, kw_only=True):
    """A path asked for and not yet got."""

    need: NeedsPath
    silent: int = 0
    """Rounds in which the log answered others, or asked for cosignatures, and not this."""


def unanswered(question: Question, *, alive: bool) -> Question | Unexplained:
    """What follows from a round without an answer: not a path, not a refusal.

    Args:
        question: as it stood before the round.
        alive: the log was heard of in this round: it answered something else, or asked us to
            cosign. A log that is cut off is not suspected for it, however long it lasts.

    Returns:
        The question to ask again, or, after `PATIENCE` rounds of a log that is there, the alarm.
    """
    silent = question.silent + alive
    if silent < PATIENCE:
        return Question(need=question.need, silent=silent)
    return Unexplained(
        a=question.need.old,
        b=question.need.new,
        why=f"the log answers, but in {silent} rounds not how one became the other",
    )
