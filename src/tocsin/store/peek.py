"""A look into a store that another process may have open: no lock, and nothing is written.

For verdicts on files, which need what this node knows of keys and not the node itself.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from msgspec import Struct

from tocsin.errors import StoreError


class KeyRows(Struct, frozen=True, kw_only=True):
    """The directory, key and revoke statements of a node's own log."""

    origin: str
    rows: list[tuple[int, bytes]]
    """(log index, envelope), in log order."""
    checkpoints: list[tuple[int, bytes]]
    """(size, note) of every checkpoint that a quorum cosigned."""


def key_rows(folder: Path) -> KeyRows | None:
    """What the store in `folder` holds of keys; None where there is no store, or an empty one.

    Raises:
        StoreError: damaged, or not of this version.
    """
    path = folder / "tocsin.sqlite"
    if not path.exists():
        return None
    try:
        db = sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True, timeout=10)
        try:
            db.execute("BEGIN")  # the three answers are of one moment
            head = db.execute("SELECT origin FROM head").fetchone()
            if head is None:
                return None
            rows = db.execute(
                "SELECT s.log_index, e.raw FROM statement s JOIN envelope e ON e.n = s.n"
                " WHERE s.log_index IS NOT NULL AND s.kind IN ('directory', 'key', 'revoke')"
                " ORDER BY s.log_index"
            ).fetchall()
            notes = db.execute(
                "SELECT size, note FROM checkpoint WHERE origin = ? ORDER BY size", head
            ).fetchall()
        finally:
            db.close()
    except sqlite3.Error as wrong:
        raise StoreError(
            f"{path} cannot be read: {wrong}",
            remedy="give --directory FILE, or start the node once: it brings an older store up",
        ) from wrong
    return KeyRows(origin=head[0], rows=rows, checkpoints=notes)
