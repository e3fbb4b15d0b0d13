"""What a statement in quarantine waits for: whatever comes in looks up only what waits for it.

Spec: exchange.md §5, "tried again when the gap closes or the directory changes".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from tocsin.record.statement import ROOT_KINDS, Statement

MAX_NAMES = 500
"""Of one statement; what names more is tried again now and then only."""


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


DIRECTORY = _key("directory")
"""For another version of the directory."""
OBJECTS = _key("objects")
"""For the bytes of its objects, from whoever brought it."""
EVIDENCE = _key("evidence")
"""For nothing: its author has signed another for the same place."""
NOTHING_KNOWN = _key("nothing known")
"""For nothing that can be named here."""


def place(author: str, chain: str, seq: int) -> str:
    """For what stands at this place of a chain."""
    return _key("place", author, chain, str(seq))


def party(id: str) -> str:
    """For a key of this party."""
    return _key("party", id)


def names(s: Statement) -> tuple[str, ...]:
    """For what is known of something that a statement names: whose it is, how it is marked."""
    found = {*s.refs, *(name for o in s.objects for name in (o.id, o.sha256))}
    if len(found) > MAX_NAMES:
        return (DIRECTORY,)
    return (DIRECTORY, *(_key("name", name) for name in sorted(found)))


def ended_by(s: Statement, id: str) -> Iterable[str]:
    """What nobody needs to wait for any more once this statement is in.

    Args:
        id: of the statement.
    """
    yield from ended_at(s.author, s.chain, s.seq, id)
    for ref in s.objects:
        yield _key("name", ref.id)
        yield _key("name", ref.sha256)
    if s.kind in ROOT_KINDS:
        yield party(s.author)
    if s.kind == "directory":
        yield DIRECTORY


def ended_at(author: str, chain: str, seq: int, id: str) -> Iterable[str]:
    """The same for the place of a statement alone: itself, and the one before it that it names."""
    yield place(author, chain, seq)
    if seq > 1:
        yield place(author, chain, seq - 1)
    yield _key("name", id)
