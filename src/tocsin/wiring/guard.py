"""The head guard of a folder: what it says beside the store, and a lost one written anew.

It tells a restored backup from the newest store. Where it is gone nobody but witnesses can, so a
log without a quorum of them is read only until a person has said that the store is the newest.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from tocsin.errors import ConflictError, UsageError
from tocsin.store.files import Guard, TileFiles
from tocsin.wiring.door import running
from tocsin.wiring.folder import is_guest, load_config
from tocsin.wiring.stores import open_store


class Guarded(Struct, frozen=True, kw_only=True):
    """The guard and the store of one folder."""

    guard: int | None
    """Size; None: there is no guard."""
    store: int
    """Entries."""


def read_guard(home: Path) -> Guard | None:
    """The head guard of a folder, as its log reads it. Raises UnreadableError, ConfigError."""
    return TileFiles(home / "data", home / "guard").read_guard()


def renew_guard(home: Path) -> Guarded:
    """Write a guard that is missing: whoever calls this has said that the store is the newest.

    Raises:
        ConflictError: the node runs, or there is a guard: that one is right, or the store is old.
        UsageError: this folder has no log.
    """
    config = load_config(home)
    if is_guest(home, config):
        raise UsageError(
            f"{config.party} has no log of its own", remedy="its node's party has the guard"
        )
    if running(home) is not None:
        raise ConflictError(
            f"the node of {config.party} is running", remedy="stop it first (Ctrl-C there)"
        )
    store = open_store(home, config)
    try:
        held = read_guard(home)
        head = store.head()
        if held is not None:
            raise ConflictError(
                f"there is a guard, at size {held.size} of {held.origin}",
                remedy="a store that is older: restore the newest, or tocsin key rotate --log",
            )
        if head is None:
            raise ConflictError(
                "the store is empty, and its first statement needs no guard", remedy="tocsin up"
            )
        TileFiles(home / "data", home / "guard").write_guard(head.origin, head.size, head.root)
        return Guarded(guard=head.size, store=head.size)
    finally:
        store.close()
