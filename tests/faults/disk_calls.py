"""Counts the disk calls of this process, and has it killed at one of them.

Two places are watched: the system calls that SQLite makes (it lets them be replaced by name, which
its own tests use), and what Python's own file functions do in the store's folder. Syncs count in
Python only, where nothing is different after them: kill -9 leaves the page cache as it is, and what
a missing sync does is for `power_loss` to find.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tocsin.store import files

NEVER = 1 << 40
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.link", "os.rmdir"}
_keep_alive: list[Any] = []


class NoSqliteCalls(Exception):
    """This Python's SQLite is built in, so that its calls cannot be reached."""


class DiskCalls:
    """Kills this process before its call number `at`, counted from 0.

    Args:
        at: `NEVER` only counts.
        torn: where that call writes, its first half is written.
        folder: what Python does elsewhere is not counted.
        dying: told the call's name, last thing.
    """

    def __init__(
        self, at: int, *, torn: bool, folder: Path, dying: Callable[[str], None] = lambda _: None
    ) -> None:
        self.count = 0
        self._at = at
        self._torn = torn
        self._folder = str(folder)
        self._dying = dying

    def watch(self) -> None:
        """From here on, for the rest of this process. Raises NoSqliteCalls."""
        _watch_sqlite(self)
        vars(files)["os"] = _Os(self)
        sys.addaudithook(self._heard)

    def strike(self, name: str, half: Callable[[], object] | None = None) -> None:
        """Count a call that is about to be made."""
        if self.count == self._at:
            if self._torn and half is not None:
                half()
                name += " torn"
            self._dying(name)
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if event in CHANGES and str(args[0]).startswith(self._folder):
            self.strike(f"{event} {str(args[0])[len(self._folder) :]}")
        elif event == "open" and isinstance(args[0], str) and args[0].startswith(self._folder):
            flags = args[2]
            if isinstance(flags, int) and flags & (os.O_CREAT | os.O_TRUNC):
                self.strike(f"open {args[0][len(self._folder) :]}")


class _Os:
    """`os` as the store's files see it."""

    def __init__(self, calls: DiskCalls) -> None:
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, data: Any) -> int:
        self._calls.strike(
            f"write {len(data)}", lambda: os.write(descriptor, bytes(data)[: len(data) // 2])
        )
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self._calls.strike("fsync")
        os.fsync(descriptor)


# --- SQLite -----------------------------------------------------------------------------------


class _Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3: https://www.sqlite.org/c3ref/vfs.html."""


_SET = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Vfs), ctypes.c_char_p, ctypes.c_void_p)
_GET = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_Vfs), ctypes.c_char_p)
_Vfs._fields_ = [
    ("version", ctypes.c_int),
    ("file_size", ctypes.c_int),
    ("max_path", ctypes.c_int),
    ("next", ctypes.c_void_p),
    ("name", ctypes.c_char_p),
    ("data", ctypes.c_void_p),
    *((f"method{n}", ctypes.c_void_p) for n in range(13)),
    ("set_call", _SET),
    ("get_call", _GET),
    ("next_call", ctypes.c_void_p),
]

_PATH_CALL = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, use_errno=True)
_OPEN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_int, use_errno=True)
_PWRITE = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t,
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int64,
    use_errno=True,
)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int64, use_errno=True)


def _watch_sqlite(calls: DiskCalls) -> None:
    try:
        library = ctypes.CDLL("libsqlite3.so.0")
    except OSError as wrong:
        raise NoSqliteCalls(str(wrong)) from wrong
    library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
    library.sqlite3_vfs_find.argtypes = [ctypes.c_char_p]
    vfs = library.sqlite3_vfs_find(None)

    def replace(name: bytes, kind: Any, make: Callable[[Any], Callable[..., int]]) -> bool:
        found = vfs.contents.get_call(vfs, name)
        if not found:
            return False
        ours = kind(make(kind(found)))
        _keep_alive.append(ours)
        assert vfs.contents.set_call(vfs, name, ctypes.cast(ours, ctypes.c_void_p)) == 0
        return True

    def opens(real: Any) -> Callable[..., int]:
        def call(path: bytes, flags: int, mode: int) -> int:
            if flags & os.O_CREAT:
                calls.strike(f"sqlite open {os.path.basename(path).decode()}")
            return int(real(path, flags, mode))

        return call

    def pwrites(real: Any) -> Callable[..., int]:
        def call(descriptor: int, data: int, size: int, offset: int) -> int:
            calls.strike(
                f"sqlite pwrite {size} at {offset}",
                lambda: real(descriptor, data, size // 2, offset),
            )
            return int(real(descriptor, data, size, offset))

        return call

    def truncates(real: Any) -> Callable[..., int]:
        def call(descriptor: int, size: int) -> int:
            calls.strike(f"sqlite ftruncate {size}")
            return int(real(descriptor, size))

        return call

    def unlinks(real: Any) -> Callable[..., int]:
        def call(path: bytes) -> int:
            calls.strike(f"sqlite unlink {os.path.basename(path).decode()}")
            return int(real(path))

        return call

    writes = replace(b"pwrite64", _PWRITE, pwrites) or replace(b"pwrite", _PWRITE, pwrites)
    if not writes:
        raise NoSqliteCalls("this SQLite has no pwrite to replace")
    replace(b"open", _OPEN, opens)
    replace(b"ftruncate", _TRUNCATE, truncates)
    replace(b"unlink", _PATH_CALL, unlinks)
