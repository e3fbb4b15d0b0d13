"""Tiles, checkpoint, guard and secrets: whole or not at all, and never in place of other bytes."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from tocsin.errors import (
    ConfigError,
    ConflictError,
    StorageFullError,
    StoreError,
    UnreadableError,
)
from tocsin.store.files import FEW, Guard, TileFiles, read_secret, write_secret

ORIGIN = "cert.northland.example/log"


@pytest.fixture
def files(tmp_path: Path) -> TileFiles:
    return TileFiles(tmp_path / "tlog", tmp_path / "guard" / "head.json")


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_a_tile_is_read_as_it_was_written(files: TileFiles) -> None:
    assert files.read("tile/0/x001/234") is None
    files.write("tile/0/x001/234", b"\x00" * 64)
    assert files.read("tile/0/x001/234") == b"\x00" * 64
    assert names(files.folder) == ["234"]


def test_the_same_bytes_again_are_no_fault(files: TileFiles) -> None:
    files.write("tile/0/000.p/1", b"a")
    files.write("tile/0/000.p/1", b"a")


@pytest.mark.parametrize("other", [b"b", b"", b"ab"])
def test_other_bytes_at_a_path_are_never_overwritten(files: TileFiles, other: bytes) -> None:
    files.write("tile/0/000.p/1", b"a")
    with pytest.raises(ConflictError, match=r"000\.p/1"):
        files.write("tile/0/000.p/1", other)
    assert files.read("tile/0/000.p/1") == b"a"


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "a\0b", "a/"]
)
def test_a_path_out_of_the_folder_is_refused(files: TileFiles, path: str) -> None:
    with pytest.raises(UnreadableError):
        files.write(path, b"")
    with pytest.raises(UnreadableError):
        files.read(path)


def test_the_checkpoint_is_replaced(files: TileFiles) -> None:
    assert files.read_checkpoint() is None
    files.write_checkpoint(b"one")
    files.write_checkpoint(b"two")
    assert files.read_checkpoint() == b"two"
    assert files.read("checkpoint") == b"two"
    assert names(files.folder) == ["checkpoint"]


def test_the_guard_lives_outside_and_comes_back(files: TileFiles) -> None:
    assert files.read_guard() is None
    files.write_guard(ORIGIN, 7, b"\x01" * 32)
    files.write_guard(ORIGIN, 8, b"\x02" * 32)
    assert files.read_guard() == Guard(origin=ORIGIN, size=8, root=b"\x02" * 32)
    assert not files.guard.is_relative_to(files.folder)


@pytest.mark.parametrize(
    "bad", [b"", b"{}", b"null", b'{"origin":"a","root":"AB==","size":1}', b"["]
)
def test_a_damaged_guard_is_not_taken_for_an_absent_one(files: TileFiles, bad: bytes) -> None:
    files.write_guard(ORIGIN, 7, b"\x01" * 32)
    files.guard.write_bytes(bad)
    with pytest.raises(StoreError, match="damaged"):
        files.read_guard()


def test_every_write_is_synced_then_renamed_then_its_folder_synced(
    files: TileFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order that survives a power loss; what the calls do is the system's business."""
    calls: list[str] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        calls.append(f"sync {kind}")
        real_fsync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        calls.append("rename")
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    files.write_checkpoint(b"one")
    calls.clear()
    files.write_checkpoint(b"two")
    assert calls == ["sync file", "rename", "sync folder"]
    calls.clear()
    files.write("tile/0/000", b"a")  # two new folders, each name synced into its parent
    assert calls == ["sync folder", "sync folder", "sync file", "rename", "sync folder"]


def test_nothing_is_written_after_a_failed_sync(
    files: TileFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write_checkpoint(b"one")

    def fails(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(StoreError, match="Input/output error"):
            files.write_checkpoint(b"two")
    with pytest.raises(StoreError, match="after an earlier failure"):
        files.write_checkpoint(b"two")
    assert files.read_checkpoint() == b"one"
    assert names(files.folder) == ["checkpoint"]


def test_a_full_disk_leaves_no_part_and_is_over_when_there_is_room(
    files: TileFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write

    def short(descriptor: int, data: bytes) -> int:
        if len(data) <= 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[:3])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short)
        with pytest.raises(StorageFullError):
            files.write("tile/0/000", b"abcde")
    assert names(files.folder) == []
    files.write("tile/0/000", b"abcde")
    assert files.read("tile/0/000") == b"abcde"


def test_a_short_write_is_continued(files: TileFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:2]))
    files.write("tile/0/000", b"abcde")
    assert files.read("tile/0/000") == b"abcde"


# --- secrets ----------------------------------------------------------------------------------


def test_a_secret_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "author.key"
    before = os.umask(0)
    try:
        write_secret(path, b"hush")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read_secret(path) == b"hush"


def test_a_secret_is_never_overwritten(tmp_path: Path) -> None:
    write_secret(tmp_path / "a.key", b"one")
    with pytest.raises(ConflictError, match=r"a\.key"):
        write_secret(tmp_path / "a.key", b"two")
    assert read_secret(tmp_path / "a.key") == b"one"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610, 0o601])
def test_a_secret_that_others_may_use_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.key"
    write_secret(path, b"hush")
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"{mode:04o}") as refused:
        read_secret(path)
    assert refused.value.remedy == f"chmod 600 {path}"
    assert "hush" not in refused.value.message
    path.chmod(0o600)
    assert read_secret(path) == b"hush"


def test_a_stricter_secret_is_fine(tmp_path: Path) -> None:
    write_secret(tmp_path / "a.key", b"hush")
    (tmp_path / "a.key").chmod(0o400)
    assert read_secret(tmp_path / "a.key") == b"hush"


def test_a_missing_secret_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"nowhere\.key"):
        read_secret(tmp_path / "nowhere.key")


def test_a_secret_that_does_not_fit_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int, __: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fails)
        with pytest.raises(StorageFullError):
            write_secret(tmp_path / "a.key", b"hush")
    assert not (tmp_path / "a.key").exists()
    write_secret(tmp_path / "a.key", b"hush")


def test_a_secret_without_a_writable_folder_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        write_secret(tmp_path / "file" / "a.key", b"hush")


def test_a_secret_that_was_cut_off_half_way_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".a.key.tmp").write_bytes(b"hu")
    write_secret(tmp_path / "a.key", b"hush")
    assert names(tmp_path) == ["a.key"]
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600


def test_a_disk_without_hard_links_keeps_secrets_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(self: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuses)
    write_secret(tmp_path / "a.key", b"hush")
    with pytest.raises(ConflictError):
        write_secret(tmp_path / "a.key", b"two")
    assert names(tmp_path) == ["a.key"]
    assert read_secret(tmp_path / "a.key") == b"hush"


@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1, 30])
def test_many_tiles_are_written_like_one(files: TileFiles, count: int) -> None:
    items = [(f"tile/{n % 3}/{n:03d}", bytes([n]) * 32) for n in range(count)]
    files.write_all(items)
    files.write_all(items)  # a restart does this
    assert [files.read(path) for path, _ in items] == [data for _, data in items]
    assert not list(files.folder.rglob("*.tmp"))


@pytest.mark.parametrize("count", [FEW, FEW + 1])
def test_other_bytes_among_many_are_never_overwritten(files: TileFiles, count: int) -> None:
    items = [(f"tile/0/{n:03d}", bytes(32)) for n in range(count)]
    files.write("tile/0/003", b"other")
    with pytest.raises(ConflictError):
        files.write_all(items)
    assert files.read("tile/0/003") == b"other"


@pytest.mark.parametrize("count", [FEW, FEW + 1])
def test_a_failure_among_many_ends_all_writing(files: TileFiles, count: int) -> None:
    items = [(f"tile/0/{n:03d}", bytes(32)) for n in range(count)]
    files.write("tile/0/090", b"x")
    # A folder where a file is to be: the write fails, as on a disk that gives errors.
    (files.folder / "tile" / "0" / ".003.tmp").mkdir()
    with pytest.raises(StoreError):
        files.write_all(items)
    assert files.read("tile/0/003") is None
    with pytest.raises(StoreError, match="earlier failure"):
        files.write("tile/0/091", b"x")
