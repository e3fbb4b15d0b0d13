"""A disk that fails while it syncs, in a real process: no failed sync is ever swallowed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.fakes import Author, enter, thing

from tocsin.errors import StoreError
from tocsin.store import sqlite
from tocsin.store.sqlite import SqliteStore

ROOT = Path(__file__).resolve().parents[2]
STRACE = ("strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o")


def write(folder: str) -> None:
    """Keep and log until something fails; says what, or how much went well."""
    sqlite.WAL_BYTES = 60_000  # so that the log is moved into the database within a few writes
    done = 0
    try:
        store = SqliteStore.open(Path(folder))
        author = Author("cert.northland.example")
        for n in range(1, 12):
            item = thing("tool", n, name="x" * 8000)
            said = author.say(item)
            store.keep_pending(said, [item], said.audience)
            enter(store, said.id)
            done = n
    except StoreError as wrong:
        print(done, wrong.message)
    else:
        print(done, "no error")


@pytest.mark.parametrize("when", [2, 5, 8, 14])
def test_a_failed_sync_is_always_an_error_and_the_next_start_has_what_was_acknowledged(
    tmp_path: Path, when: int
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    code = "import sys; from tests.faults.test_store_sync import *; write(sys.argv[1])"
    inject = f"inject=fsync,fdatasync:error=EIO:when={when}"
    done = subprocess.run(
        [*STRACE, str(trace), "-e", inject, sys.executable, "-c", code, str(tmp_path / "node")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr or "not permitted" in done.stderr:
        pytest.skip(f"no right to trace a process here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert "INJECTED" in trace.read_text()
    acknowledged, _, message = done.stdout.partition(" ")
    assert "disk" in message or "cannot be written" in message
    store = SqliteStore.open(tmp_path / "node")
    head = store.head()
    size = head.size if head else 0
    # The one in flight when the disk failed may be there or not; those before it are.
    assert int(acknowledged) <= size <= int(acknowledged) + 1
    enter(store, *(p.id for p in store.pending()))
    store.close()
