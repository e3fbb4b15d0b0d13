"""L4: the audit of a million entries with their tiles, and the log rebuilt from the store.

python -m benchmarks.record_audit [ENTRIES]
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from benchmarks.figures import figure
from tests.faults.sequencer_disk import CLEAR, LOG, Clock

from tocsin.record import audit, merkle, tiles
from tocsin.record import checkpoint as notes
from tocsin.record.sequencer import Sequencer
from tocsin.store.files import TileFiles
from tocsin.store.interface import audience_key
from tocsin.store.sqlite import SqliteStore


def main() -> None:
    """Print the figures of this file."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    commitments = [
        sha256(b"tocsin/commit/v1\n" + _envelope(number)).digest() for number in range(size)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        note = _publish(folder, commitments)
        _audit(folder, note, size)
        _rebuild(folder, note, commitments)


def _envelope(number: int) -> bytes:
    """Bytes of an ordinary envelope's length; recovery hashes them and looks no further."""
    return number.to_bytes(8, "big") * 140


def _publish(folder: Path, commitments: list[bytes]) -> bytes:
    entries = [b"\x01" + commitment for commitment in commitments]
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    nothing: dict[str, bytes] = {}
    made = tiles.new_tiles(0, len(entries), nothing.__getitem__, leaves)
    made += tiles.new_bundles(0, len(entries), nothing.__getitem__, entries)
    for path, data in made:
        target = folder / "tlog" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)  # not synced: this is the scene, not what is measured
    edge = merkle.Edge()
    for leaf in leaves:
        edge.append(leaf)
    head = notes.Checkpoint(origin=LOG.name, size=len(entries), root=edge.root())
    return notes.sign_checkpoint(head, LOG, 1_800_000_000)


def _audit(folder: Path, note: bytes, size: int) -> None:
    files = TileFiles(folder / "tlog", folder / "guard")
    known = [notes.open_vkey(text) for text in LOG.vkeys()]
    start = time.process_time()
    found = audit.audit(note, files.read, known)
    seconds = time.process_time() - start
    assert found.ok
    assert found.entries == size
    figure(
        "L4",
        f"audit {size} entries and {found.tiles} tiles, read from disk",
        ours=seconds,
        goal="<= 10 s for 1,000,000",
        unit="s",
        n=1,
        packages=("tocsin",),
    )


def _rebuild(folder: Path, note: bytes, commitments: list[bytes]) -> None:
    """Start a sequencer on a store of that size with all its tiles gone."""
    store = SqliteStore.open(folder / "data")
    store.close()
    edge = merkle.Edge()
    for commitment in commitments:
        edge.append(merkle.leaf_hash(b"\x01" + commitment))
    database = folder / "data" / "tocsin.sqlite"
    with sqlite3.connect(database) as db:
        db.execute("INSERT INTO audience(id, canonical) VALUES (1, ?)", (audience_key(CLEAR),))
        db.executemany(
            "INSERT INTO statement(n, id, log_index, kind, author, case_id, chain, seq, audience)"
            " VALUES (?, ?, ?, 'act', 'a.example', '', '', ?, 1)",
            ((n + 1, commitment, n, n + 1) for n, commitment in enumerate(commitments)),
        )
        db.executemany(
            "INSERT INTO envelope(n, raw) VALUES (?, ?)",
            ((n + 1, _envelope(n)) for n in range(len(commitments))),
        )
        db.execute(
            "INSERT INTO head VALUES (1, ?, ?, ?, ?, ?)",
            (LOG.name, len(commitments), edge.root(), note, b"".join(edge.to_list())),
        )
    shutil.rmtree(folder / "tlog")
    store = SqliteStore.open(folder / "data")
    files = TileFiles(folder / "tlog", folder / "guard")
    log = Sequencer(store=store, files=files, signer=LOG, clock=Clock())
    start, used = time.perf_counter(), time.process_time()
    log.recover()
    seconds, used = time.perf_counter() - start, time.process_time() - used
    assert log.size == len(commitments)
    store.close()
    figure(
        "L4r",
        f"rebuild the tiles of {len(commitments)} entries from the store, each synced "
        f"({used:.1f} s of it on the processor)",
        ours=seconds,
        goal="<= 15 s for 1,000,000",
        unit="s",
        n=1,
        packages=("tocsin",),
    )


if __name__ == "__main__":
    main()
