"""The files of a sweep: which are read, how they are cut, and every one that is not, with why.

Files are read with `read`, not mapped: a log that is rotated by copying and truncating while it
is mapped ends the process with SIGBUS, which nobody can catch; the copy costs a hundredth of the
scan. Every byte that could be read is handed on, whatever happens after it.

Spec: design/find.md §1.4.
"""

from __future__ import annotations

import bz2
import errno
import lzma
import os
import stat
import sys
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Literal

from msgspec import Struct

from tocsin.errors import UnreadableError

BLOCK = 4 << 20
"""Bytes one thread takes. Larger ones cost seven times as much to hand on: the allocator gives
their memory back to the system each time."""
LONG_LINE = 1 << 20
OVERLAP = 8 << 10
MAX_EXPANSION = 1_000
OWN_STORE = "tocsin.sqlite"
"""The file that marks a folder as a node's own store, which is not swept."""
_STEP = 1 << 20
_STEP_IN, _STEP_OUT = 1 << 14, 1 << 16
_ZSTD_STEP = 1 << 10
"""A kibibyte of zstd gives 32 MiB at most: blocks of 128 KiB from 4 bytes."""

_OPAQUE: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"ElfFile\x00", "a Windows event log (EVTX)"),
    (b"LPKSHHRH", "a systemd journal (try: journalctl -o short-iso > FILE)"),
    (b"PAR1", "a Parquet file"),
    (b"\xff\xfe", "UTF-16 text (write it as UTF-8)"),
    (b"\xfe\xff", "UTF-16 text (write it as UTF-8)"),
)
Why = Literal["failed", "skipped"]


class NotCovered(Struct, frozen=True, kw_only=True):
    """A file, or a part of one, that was not searched.

    `failed` is what should have been read and could not be; `skipped` what a sweep leaves alone.
    """

    path: str
    why: str
    kind: Why
    covered: int = 0
    """Bytes of it, decompressed, that were searched all the same."""


class Piece(Struct):
    """A stretch of a file that one thread searches.

    `text` begins at byte `base` of the file; only what starts in `own_low:own_high` counts as
    found here, for a line that was cut is seen by two pieces. `in_json`: the text goes on with a
    line that began like JSON.
    """

    path: str
    text: bytes
    base: int
    own_low: int
    own_high: int
    cut_before: bool = False
    cut_after: bool = False
    in_json: bool = False


class Tally(Struct):
    """What the reading side of a sweep has seen so far."""

    files: int = 0
    bytes: int = 0
    read: int = 0
    """Bytes on disk that are done with: for progress."""
    long_lines: int = 0
    decompressed: int = 0
    not_covered: list[NotCovered] = []


class _Broken(Exception):
    """The rest of a file cannot be had; the message says why."""


def shown(path: str | bytes) -> str:
    """A path as text that can be written anywhere; undecodable bytes as `\\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


# --- which files ----------------------------------------------------------------------------


def find_files(paths: Sequence[str], tally: Tally) -> list[tuple[str, int]]:
    """Every file below the paths with its size in bytes, by path, each once.

    Links are not followed out of the paths; inside, what they point to is there anyway. `-` is
    stdin.

    Raises:
        UnreadableError: one of the paths does not exist.
    """
    roots: list[str] = []
    for path in paths:
        if path != "-":
            if not os.path.lexists(path):
                raise UnreadableError(
                    f"{shown(path)} does not exist", remedy="check the path; nothing was swept"
                )
            roots.append(os.path.realpath(path))
    found: dict[str, int] = {}
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if path == "-":
            found["-"] = 0
            continue
        _add(path, found, seen, roots, tally, named=True)
    return sorted(found.items())


def _add(
    path: str,
    found: dict[str, int],
    seen: set[tuple[int, int]],
    roots: Sequence[str],
    tally: Tally,
    *,
    named: bool = False,
) -> None:
    stack = [(path, named)]
    while stack:
        path, named = stack.pop()
        try:
            told = os.stat(path) if named else os.lstat(path)
            mode = told.st_mode
            if stat.S_ISLNK(mode):
                _link(path, roots, tally)
            elif stat.S_ISDIR(mode):
                if (told.st_dev, told.st_ino) in seen:
                    continue
                seen.add((told.st_dev, told.st_ino))
                names = sorted(os.listdir(path), reverse=True)
                if OWN_STORE in names:
                    _skip(tally, path, "the store of a tocsin node")
                    continue
                stack += [(os.path.join(path, name), False) for name in names]
            elif stat.S_ISREG(mode):
                found[path] = told.st_size
            else:
                _skip(tally, path, _odd(mode))
        except OSError as wrong:
            _fail(tally, path, _reason(wrong))


def _link(path: str, roots: Sequence[str], tally: Tally) -> None:
    target = os.path.realpath(path)
    if not os.path.exists(target):
        _skip(tally, path, "a link to nothing")
    elif not any(target == root or target.startswith(root.rstrip("/") + "/") for root in roots):
        _skip(tally, path, f"a link out of the paths, to {shown(target)}")


def _odd(mode: int) -> str:
    if stat.S_ISSOCK(mode):
        return "a socket"
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a device"


def _reason(wrong: OSError) -> str:
    if wrong.errno == errno.ENOENT:
        return "it vanished before it was read"
    return f"cannot be read: {wrong.strerror or wrong}"


def _skip(tally: Tally, path: str, why: str) -> None:
    tally.not_covered.append(NotCovered(path=shown(path), why=why, kind="skipped"))


def _fail(tally: Tally, path: str, why: str, covered: int = 0) -> None:
    tally.not_covered.append(NotCovered(path=shown(path), why=why, kind="failed", covered=covered))


# --- reading --------------------------------------------------------------------------------


def pieces(
    files: Iterable[tuple[str, int]],
    tally: Tally,
    *,
    block: int = BLOCK,
    long_line: int = LONG_LINE,
    overlap: int = OVERLAP,
    max_expansion: int = MAX_EXPANSION,
) -> Iterator[Piece]:
    """All files in pieces, in order; what goes wrong is written into `tally`, and the rest kept."""
    for path, size in files:
        tally.files += 1
        before, read = tally.bytes, tally.read
        try:
            with _opened(path) as source:
                stream = _stream(source, path, size, tally, max_expansion)
                for piece in cut(stream, shown(path), tally, block, long_line, overlap):
                    tally.bytes += piece.own_high - piece.own_low
                    yield piece
        except _Broken as wrong:
            _fail(tally, path, str(wrong), tally.bytes - before)
        except OSError as wrong:
            _fail(tally, path, _reason(wrong), tally.bytes - before)
        tally.read = read + size


def _opened(path: str) -> BinaryIO:
    if path == "-":
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    # O_NONBLOCK: what became a named pipe since it was listed must not hold us for ever.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    return os.fdopen(os.open(path, flags), "rb", buffering=0)


def _stream(
    source: BinaryIO, path: str, size: int, tally: Tally, max_expansion: int
) -> Iterator[bytes]:
    """The text of a file, decompressed if its first bytes say so.

    Yields what there is and raises `_Broken` where the rest cannot be had.
    """
    data = _bytes_of(source, size, tally, endless=path == "-")
    first = next(data, b"")
    opaque = next((why for magic, why in _OPAQUE if first.startswith(magic)), None)
    if opaque is not None:
        _skip(tally, path, opaque)
        return
    packed = _packing(first)
    if packed is None:
        yield first
        yield from data
        return
    tally.decompressed += 1
    limit = max(max_expansion * size, 1 << 20) if path != "-" else sys.maxsize
    made = 0
    for out in _unpacked(packed, first, data):
        made += len(out)
        if made > limit:
            yield out[: len(out) - (made - limit)]
            raise _Broken(f"it expands more than {max_expansion} times; the rest was left")
        yield out


def _bytes_of(source: BinaryIO, size: int, tally: Tally, *, endless: bool) -> Iterator[bytes]:
    """The file's bytes up to the size it had when it was listed."""
    if not endless and not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
        raise _Broken("it is no longer a regular file")
    left = size
    while endless or left > 0:
        data = source.read(_STEP if endless else min(_STEP, left))
        if not data:
            if endless:
                return
            raise _Broken(f"it shrank while it was read: {left} of {size} bytes are gone")
        left -= len(data)
        tally.read += len(data)
        yield data


def _packing(first: bytes) -> str | None:
    if first.startswith(b"\x1f\x8b"):
        return "gzip"
    if first.startswith(b"\x28\xb5\x2f\xfd") or (
        len(first) >= 8 and first[1:4] == b"\x2a\x4d\x18" and first[0] >> 4 == 5
    ):
        return "zstd"
    if first.startswith(b"BZh"):
        return "bzip2"
    return "xz" if first.startswith(b"\xfd7zXZ\x00") else None


def _unpacked(packed: str, first: bytes, data: Iterator[bytes]) -> Iterator[bytes]:
    """Every member of a compressed file, in bounded portions.

    A member that ends early, or is damaged, ends the file: nothing says where the next begins.
    """
    rest, members = memoryview(first), 0
    while True:
        engine: Any = _engine(packed)
        members += 1
        try:
            while not engine.eof:
                if not rest:
                    rest = memoryview(next(data, b""))
                    if not rest:
                        raise _Broken(f"its {packed} data ends early, in member {members}")
                out, used = yield from _portion(packed, engine, rest)
                rest = rest[used:]
                if out:
                    yield out
        except (zlib.error, lzma.LZMAError, ValueError, EOFError, _zstd_error()) as wrong:
            raise _Broken(f"its {packed} data is damaged in member {members} ({wrong})") from wrong
        except OSError as wrong:  # how bz2 says that its data is damaged
            if wrong.errno is not None:
                raise
            raise _Broken(f"its {packed} data is damaged in member {members} ({wrong})") from wrong
        # Members may be padded with zeros, as on tape.
        behind = bytes(rest).lstrip(b"\0")
        while not behind:
            more = next(data, b"")
            if not more:
                return
            behind = more.lstrip(b"\0")
        if len(behind) < 8:
            behind += next(data, b"")
        if _packing(behind) != packed:
            raise _Broken(f"something else follows its {packed} data, and was not read")
        rest = memoryview(behind)


def _engine(packed: str) -> Any:
    if packed == "gzip":
        return zlib.decompressobj(wbits=31)
    if packed == "bzip2":
        return bz2.BZ2Decompressor()
    if packed == "xz":
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=256 << 20)
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()


def _zstd_error() -> type[Exception]:
    module = sys.modules.get("zstandard")
    error: type[Exception] = module.ZstdError if module is not None else zlib.error
    return error


def _portion(
    packed: str, engine: Any, data: memoryview
) -> Generator[bytes, None, tuple[bytes, int]]:
    """Some decompressed bytes, and how many compressed ones they took."""
    if packed == "zstd":
        now = data[:_ZSTD_STEP]
        out = engine.decompress(now)
        return out, len(now) - len(engine.unused_data)
    now = data[:_STEP_IN]
    if packed == "gzip":
        before = engine.copy()
        try:
            out = engine.decompress(now, _STEP_OUT)
        except zlib.error:
            # The call lost what it had made so far: do it again in small steps.
            while True:
                yield before.decompress(now, 256)
                now = memoryview(before.unconsumed_tail)
        return out, len(now) - len(engine.unused_data if engine.eof else engine.unconsumed_tail)
    out = engine.decompress(now, _STEP_OUT)
    while not engine.eof and not engine.needs_input:
        yield out
        out = engine.decompress(b"", _STEP_OUT)
    return out, len(now) - len(engine.unused_data)


# --- cutting --------------------------------------------------------------------------------


def cut(
    stream: Iterator[bytes],
    path: str,
    tally: Tally,
    block: int = BLOCK,
    long_line: int = LONG_LINE,
    overlap: int = OVERLAP,
) -> Iterator[Piece]:
    """A stream in pieces of at most `block` bytes, cut at newlines.

    A line over `long_line` bytes is cut into pieces of its own, each with `overlap` bytes of what
    stands before and behind it. If the stream breaks, what came before is handed on first.
    """
    source = _Source(stream)
    base = 0
    while source.fill(max(block, long_line) + overlap):
        buffer, end = source.buffer, 0
        while end < min(len(buffer), block):
            stop = buffer.rfind(b"\n", end, end + long_line) + 1
            if stop <= end:
                if source.ended and len(buffer) - end <= long_line:
                    stop = len(buffer)
                else:
                    break
            if stop > block and end:
                break
            end = stop
        if end:
            text = source.take(end)
            yield Piece(path, text, base, base, base + end)
            base += end
            continue
        tally.long_lines += 1
        for piece in _long_line(source, path, base, long_line, overlap):
            base = piece.own_high
            yield piece
    source.check()


def _long_line(
    source: _Source, path: str, base: int, long_line: int, overlap: int
) -> Iterator[Piece]:
    before, in_json = b"", False
    while source.fill(long_line + overlap):
        window = source.buffer[: long_line + overlap]
        newline = window.find(b"\n")
        first = not before
        whole = newline >= 0 or (source.ended and len(source.buffer) <= len(window))
        end = newline + 1 if newline >= 0 else len(window) if whole else long_line
        yield Piece(
            path,
            before + (window[:end] if whole else window),
            base - len(before),
            base,
            base + end,
            cut_before=not first,
            cut_after=not whole,
            in_json=in_json,
        )
        if first:
            in_json = window[:1] in (b"{", b"[")
        base += end
        before = (before + source.take(end))[-overlap:]
        if whole:
            return


class _Source:
    """A buffer over a stream that may break: what came before the break is given out first."""

    def __init__(self, stream: Iterator[bytes]) -> None:
        self._stream = stream
        self._broken: Exception | None = None
        self.buffer = b""
        self.ended = False

    def fill(self, wanted: int) -> bool:
        """Have at least `wanted` bytes, or all there are; whether there are any."""
        if len(self.buffer) >= wanted or self.ended:
            return bool(self.buffer)
        parts, size = [self.buffer], len(self.buffer)
        try:
            while size < wanted:
                part = next(self._stream, None)
                if part is None:
                    self.ended = True
                    break
                parts.append(part)
                size += len(part)
        except (_Broken, OSError) as wrong:
            self._broken, self.ended = wrong, True
        self.buffer = b"".join(parts)
        return bool(self.buffer)

    def take(self, size: int) -> bytes:
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def check(self) -> None:
        if self._broken is not None:
            raise self._broken
