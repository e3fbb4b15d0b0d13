"""Local rows that several threads, or processes, change: no change is lost without a word."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from tocsin.errors import ConflictError
from tocsin.flows.node import Node

log = logging.getLogger("tocsin.store")

TRIES = 200
"""Of one change. Each that fails is another's that did not; with the pauses, some seconds."""
MAX_PAUSE = 0.05

S = TypeVar("S", bound=Struct)


def change(
    node: Node, kind: str, key: str, type: type[S], new: S, update: Callable[[S], S]
) -> tuple[S, S]:
    """Change a row by what is newest there: what others write meanwhile stays.

    Args:
        kind, key: of the local row.
        type: what it holds, as JSON.
        new: what counts as there while there is no row.
        update: (what is there) → what is to be there. It is asked again when another was faster.

    Returns:
        What was there, and what is.

    Raises:
        ConflictError: others were faster every time; nothing is written, and the log says so.
    """
    for tried in range(TRIES):
        row = node.store.local(kind, key)
        before = msgspec.json.decode(row.value, type=type) if row else new
        after = update(before)
        if after == before:
            return before, after
        try:
            node.store.keep_local(
                kind, key, msgspec.json.encode(after), row.version if row else None
            )
        except ConflictError:
            time.sleep(min(MAX_PAUSE, 0.001 * tried))
            continue
        return before, after
    log.error("%s %s was not noted: others changed it %d times meanwhile", kind, key, TRIES)
    raise ConflictError(
        f"{kind} {key} was not noted: others changed it {TRIES} times meanwhile",
        remedy="try again; if it stays so, see whether two nodes run on one store",
    )


def to(**changed: Any) -> Callable[[S], S]:
    """The update that sets these fields, whatever they were."""

    def update(before: S) -> S:
        return msgspec.structs.replace(before, **changed)

    return update
