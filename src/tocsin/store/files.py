"""Files of a node that are not rows: tiles, the published checkpoint, the head guard, secrets.

Everything is written whole: a temporary file, fsync, rename, fsync of the folder. A sync that
failed is never tried again: the kernel may have marked the pages clean, and a second sync would
say that they are on disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import orjson
from msgspec import Struct

from tocsin import canonical
from tocsin.errors import (
    CanonicalError,
    ConfigError,
    ConflictError,
    NodeBusyError,
    StorageFullError,
    StoreError,
    TocsinError,
    UnreadableError,
)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM})


FEW = 8
"""Files that are written one after the other: a batch over the edge of one tile at every level."""
WRITERS = 8
"""Files that are synced at the same time: the disk's journal takes them together."""


class Guard(Struct, frozen=True, kw_only=True):
    """The largest head this log may have shown to anybody."""

    origin: str
    size: int
    root: bytes
    """32 bytes."""


class TileFiles:
    """Tiles, entry bundles and the checkpoint under one folder, the head guard in another.

    The guard belongs outside whatever backs up the store: it is what tells a restored backup
    from the newest state.
    """

    def __init__(self, folder: Path, guard: Path) -> None:
        """Nothing is touched before the first write.

        Args:
            folder: where the paths of tlog-tiles begin.
            guard: the file of the head guard.
        """
        self.folder = folder
        self.guard = guard
        self._broken: str | None = None
        self._guard_settled = False
        self._named: set[Path] = set()

    def write(self, path: str, data: bytes) -> None:
        """Put `data` at `path` (relative, `/` between parts), for ever.

        The same bytes again are no fault: a restart writes what may be missing. They are synced
        all the same, because whoever wrote them may have been killed before it did.

        Raises:
            ConflictError: other bytes are there. Nothing is changed; the log must halt.
            StorageFullError: no room, or no right to write.
            StoreError: the disk failed.
        """
        target = self._at(path)
        held = _read(target)
        if held is None:
            self._replace(target, data)
        elif held == data:
            self._settle(target)
        else:
            raise ConflictError(
                f"{target} holds {len(held)} other bytes than the {len(data)} this log computes",
                remedy="move the file away as evidence; a restart writes it anew",
            )

    def write_all(self, items: Sequence[tuple[str, bytes]]) -> None:
        """`write` of each; where there are many, their syncs are waited for together.

        All are durable under their names when it returns, and none has its name before all its
        bytes are durable. Raises as `write` does; then some may be written, and others not.
        """
        if len(items) <= FEW:
            for path, data in items:
                self.write(path, data)
            return
        targets = [(self._at(path), data) for path, data in items]
        held = {target for target, _ in targets if _read(target) is not None}
        for path, data in items:
            if self._at(path) in held:
                self.write(path, data)
        new = [(target, data) for target, data in targets if target not in held]
        self._refuse_if_broken()
        at = self.folder
        try:
            for folder in sorted({target.parent for target, _ in new}):
                at = folder
                self._make_folder(folder)
            with ThreadPoolExecutor(WRITERS) as pool:
                written = [
                    pool.submit(_write_synced, _temporary(target), data, os.O_TRUNC, 0o644)
                    for target, data in new
                ]
            for (target, _), one in zip(new, written, strict=True):
                at = target
                one.result()
            for target, _ in new:
                at = target
                _temporary(target).rename(target)
            for folder in sorted({target.parent for target, _ in new}):
                at = folder
                sync_folder(folder)
        except OSError as wrong:
            raise self._failure(at, wrong) from wrong

    def read(self, path: str) -> bytes | None:
        """The bytes at `path`; None where there are none."""
        return _read(self._at(path))

    def write_checkpoint(self, data: bytes) -> None:
        """Publish a checkpoint in place of the one before. Raises as `write` does."""
        self._replace(self.folder / "checkpoint", data)

    def read_checkpoint(self) -> bytes | None:
        """The checkpoint published last."""
        return _read(self.folder / "checkpoint")

    def write_guard(self, origin: str, size: int, root: bytes) -> None:
        """Note that this head is about to be shown. Raises as `write` does."""
        line = {"origin": origin, "root": canonical.b64encode(root), "size": size}
        self._replace(self.guard, canonical.encode(line) + b"\n")

    def read_guard(self) -> Guard | None:
        """The head noted last, and durable from here on; None on the first start.

        Raises:
            StoreError: the file is damaged. It is not taken for absent: that would switch off
                the very check it exists for.
        """
        data = _read(self.guard)
        if data is None:
            return None
        if not self._guard_settled:
            self._settle(self.guard)
            self._guard_settled = True
        try:
            line = orjson.loads(data)
            root = canonical.b64decode(line["root"])
            guard = Guard(origin=str(line["origin"]), size=int(line["size"]), root=root)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, CanonicalError) as wrong:
            raise StoreError(
                f"the head guard {self.guard} is damaged: {data[:60]!r}",
                remedy="compare the log with a peer's copy of its checkpoint before you remove it",
            ) from wrong
        return guard

    def _at(self, path: str) -> Path:
        parts = path.split("/")
        if not path or any(part in ("", ".", "..") for part in parts) or "\0" in path:
            raise UnreadableError(
                f"{path!r} is no path inside {self.folder}", remedy="ask for a tile's own path"
            )
        return self.folder.joinpath(*parts)

    def _settle(self, target: Path) -> None:
        """Make durable what was found here: its writer may have been killed before its sync."""
        try:
            sync_file(target)
            sync_folder(target.parent)
            self._make_folder(target.parent)
        except OSError as wrong:
            self._broken = f"{target}: {wrong.strerror}"
            raise _failed(target, wrong) from wrong

    def _make_folder(self, folder: Path) -> None:
        """Make `folder`, its name durable and those above it: once in a process, as one that was
        killed may have made them and not synced."""
        if folder in self._named:
            return
        if folder not in (self.folder, self.guard.parent):
            self._make_folder(folder.parent)
        if folder.is_dir():
            sync_name(folder)
        else:
            make_folder(folder)
        self._named.add(folder)

    def _replace(self, target: Path, data: bytes) -> None:
        self._refuse_if_broken()
        temporary = _temporary(target)
        try:
            self._make_folder(target.parent)
            _write_synced(temporary, data, os.O_TRUNC, 0o644)
            temporary.rename(target)
            sync_folder(target.parent)
        except OSError as wrong:
            raise self._failure(target, wrong) from wrong

    def _refuse_if_broken(self) -> None:
        if self._broken is not None:
            raise StoreError(
                f"not written after an earlier failure: {self._broken}",
                remedy="check the disk, then restart the node",
            )

    def _failure(self, target: Path, wrong: OSError) -> TocsinError:
        if wrong.errno not in _FULL:
            self._broken = f"{target}: {wrong.strerror}"
        return _failed(target, wrong)


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.tmp")


def write_secret(path: Path, data: bytes) -> None:
    """Write a private key or a token where only this user can read it (mode 0600), durably.

    Raises:
        ConflictError: the file is there already; a key is never overwritten.
        StorageFullError, StoreError: it cannot be written; nothing is left of it.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        make_folder(path.parent, 0o700)
        temporary.unlink(missing_ok=True)  # of a process that was killed; its mode is not ours
        _write_synced(temporary, data, os.O_EXCL, 0o600)
        try:
            _name_new(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileExistsError as wrong:
        raise ConflictError(
            f"{path} exists, and a secret is never overwritten",
            remedy="move it away first if you mean to replace it",
        ) from wrong
    except OSError as wrong:
        raise _failed(path, wrong) from wrong


def read_secret(path: Path) -> bytes:
    """The bytes of a secret that nobody but its owner can read.

    Raises:
        ConfigError: group or others have a right to the file.
        UnreadableError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise ConfigError(
                    f"{path} has mode {mode:04o}: others than its owner can use it",
                    remedy=f"chmod 600 {path}",
                )
            return file.read()
    except OSError as wrong:
        raise UnreadableError(
            f"{path} cannot be read: {wrong.strerror}", remedy="check the path and who owns it"
        ) from wrong


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as wrong:
        raise StoreError(
            f"{path} cannot be read: {wrong.strerror}", remedy="check the disk and the rights"
        ) from wrong


def _write_synced(path: Path, data: bytes, flag: int, mode: int) -> None:
    """Create `path` with these bytes and sync them; on failure no part of it stays."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, mode)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _name_new(temporary: Path, path: Path) -> None:
    """Give a finished file its name, which nothing may have yet."""
    try:
        path.hardlink_to(temporary)
    except OSError as wrong:
        if wrong.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        if path.exists():  # a disk without hard links
            raise FileExistsError(errno.EEXIST, "File exists", str(path)) from wrong
        temporary.rename(path)


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Make `folder` and what is missing above it, each new name synced into its parent."""
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    try:
        folder.mkdir(mode=mode)
    except FileExistsError as wrong:
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "Not a directory", str(folder)) from wrong
    sync_folder(folder.parent)


def sync_file(path: Path) -> None:
    """Have the disk hold what this file holds; nothing where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_name(folder: Path) -> None:
    """Have the disk know this folder by its name. One above that we may not open we did not make,
    nor anything in it."""
    with contextlib.suppress(PermissionError):
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(path: Path, wrong: OSError) -> TocsinError:
    if wrong.errno in _FULL:
        return StorageFullError(
            f"{path} cannot be written: {wrong.strerror}",
            remedy="make room on this disk, or make its folder writable",
        )
    return StoreError(
        f"{path} cannot be written: {wrong.strerror}",
        remedy="check the disk, then restart the node: it recovers from the store",
    )


def lock_folder(folder: Path) -> IO[str]:
    """Lock the data folder for this process, by the kernel: a lock cannot outlive its holder."""
    path = folder / "lock"
    try:
        make_folder(folder, 0o700)
        sync_name(folder)  # whoever made it may have been killed before it did
        file = path.open("a+", encoding="ascii")
    except OSError as wrong:
        raise cannot_write(path, wrong) from wrong
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as wrong:
        file.seek(0)
        pid = file.read(20).strip()
        file.close()
        raise NodeBusyError(
            f"{folder} is in use by {'process ' + pid if pid else 'another process'}",
            remedy=f"stop it{f' (kill {pid})' if pid else ''}, or use another data folder",
        ) from wrong
    except OSError as wrong:
        file.close()
        raise StoreError(
            f"{path} cannot be locked: {wrong.strerror}",
            remedy="put the data folder on a local disk",
        ) from wrong
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
    except OSError as wrong:
        with contextlib.suppress(OSError):
            file.close()
        raise cannot_write(path, wrong) from wrong
    return file


def cannot_write(path: Path, wrong: OSError) -> StorageFullError:
    """What the caller is told where the system refuses to write."""
    return StorageFullError(
        f"{path} cannot be written: {wrong.strerror}",
        remedy="make room on this disk, or make its folder writable",
    )
