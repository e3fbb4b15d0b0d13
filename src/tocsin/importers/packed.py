"""Many objects in little memory: packed by the thousand as they are made, opened as they are read.

What is made of a large file is several times the file, and is read through once or twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import overload

from tocsin.stix.bundle import Received, open_bundle
from tocsin.stix.limits import Limits

PACK = 1_000
"""Objects of a pack."""
PACK_BYTES = 1024 * 1024
"""Bytes after which a pack is closed earlier."""
_NO_LIMIT = Limits(
    bytes=2**40, objects=2**31, object_bytes=2**40, depth=64, keys=2**31, section="ingest"
)
"""What is in here was made here, within the limits of its file."""


class Packed(Sequence[Received]):
    """Objects in the order they were added. Not for several threads."""

    def __init__(self) -> None:
        self._packs: list[bytes] = []
        self._starts: list[int] = [0]
        """Of each pack, and of what is not packed yet."""
        self._rest: list[bytes] = []
        self._size = 0
        self._opened: tuple[int, list[Received]] | None = None
        """The pack read last: a reader goes through them one after the other."""

    def append(self, raw: bytes) -> None:
        """Add an object by its bytes: one that `stix.model.make` has made."""
        self._rest.append(raw)
        self._size += len(raw)
        self._opened = None
        if len(self._rest) >= PACK or self._size >= PACK_BYTES:
            import zstandard  # only a large file needs it

            # A copy: what the compressor gives keeps the room that the pack might have taken.
            self._packs.append(bytes(memoryview(zstandard.compress(_joined(self._rest), 1))))
            self._starts.append(self._starts[-1] + len(self._rest))
            self._rest, self._size = [], 0

    def __len__(self) -> int:
        return self._starts[-1] + len(self._rest)

    def __iter__(self) -> Iterator[Received]:
        for n in range(len(self._starts)):
            yield from self._open(n)

    @overload
    def __getitem__(self, index: int) -> Received: ...

    @overload
    def __getitem__(self, index: slice) -> list[Received]: ...

    def __getitem__(self, index: int | slice) -> Received | list[Received]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(index)
        n = bisect_right(self._starts, at) - 1
        return self._open(n)[at - self._starts[n]]

    def _open(self, n: int) -> list[Received]:
        if self._opened is None or self._opened[0] != n:
            if n < len(self._packs):
                import zstandard

                raw = zstandard.decompress(self._packs[n])
            else:
                raw = _joined(self._rest)
            self._opened = n, open_bundle(raw, limits=_NO_LIMIT)
        return self._opened[1]


def _joined(raws: list[bytes]) -> bytes:
    return b"[" + b",".join(raws) + b"]"
