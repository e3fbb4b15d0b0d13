"""A log as static files: tiles of 256 hashes, bundles of 256 entries.

A tile of level L and number N holds the hashes of up to 256 perfect subtrees of 256**L leaves; only
a full tile is hashed into the level above. Everything here can be made again from the entries.
Spec: C2SP tlog-tiles v0.1.0; RFC 6962 for the hashes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence

from tocsin.errors import ProofError
from tocsin.record import merkle

WIDTH = 256
HEIGHT = 8
MAX_LEVEL = 63
ENTRY_BYTES = 33
"""0x01 and a 32-byte commitment: record.md, "Statement"."""

Read = Callable[[str], bytes]
"""path -> the bytes of that tile or bundle. Raises where there is none."""

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)"
    r"/(?P<number>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)
_REMEDY = "rebuild the tiles from the store: stop the node and start it again"


class TilePath:
    """What a tile's path says: level (None for an entry bundle), number, width (256 = full)."""

    __slots__ = ("level", "number", "width")

    def __init__(self, level: int | None, number: int, width: int) -> None:
        self.level = level
        self.number = number
        self.width = width


def number_path(number: int) -> str:
    """A tile's number as path elements of three digits: 1234067 is `x001/x234/067`."""
    if number < 0:
        raise ProofError(f"no tile has number {number}", remedy="numbers start at 0")
    parts = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        parts.append(f"x{number % 1000:03d}")
    return "/".join(reversed(parts))


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """Where a tile of hashes is: `tile/<L>/<N>`, with `.p/<W>` where it is partial."""
    if not 0 <= level <= MAX_LEVEL:
        raise ProofError(f"no tile has level {level}", remedy="levels are 0 to 63")
    return f"tile/{level}/{_suffixed(number, width)}"


def entries_path(number: int, width: int = WIDTH) -> str:
    """Where a bundle of entries is: `tile/entries/<N>`, with `.p/<W>` where it is partial."""
    return f"tile/entries/{_suffixed(number, width)}"


def _suffixed(number: int, width: int) -> str:
    if not 1 <= width <= WIDTH:
        raise ProofError(f"no tile is {width} wide", remedy="widths are 1 to 256")
    return number_path(number) + ("" if width == WIDTH else f".p/{width}")


def open_path(path: str) -> TilePath:
    """Parse a path as `tile_path` and `entries_path` write it, and no other spelling.

    Raises:
        ProofError: anything else; a door answers 404.
    """
    found = _PATH.fullmatch(path) if len(path) <= 100 else None
    if found:
        number = int(found["number"].replace("x", "").replace("/", ""))
        width = int(found["width"] or WIDTH)
        level = None if found["level"] == "entries" else int(found["level"])
        if (level is None or level <= MAX_LEVEL) and width <= WIDTH:
            again = (
                entries_path(number, width) if level is None else tile_path(level, number, width)
            )
            if again == path:
                return TilePath(level, number, width)
    raise ProofError(
        f"no tile has the path {path[:100]!r}",
        remedy="ask for tile/<L>/<N>, tile/entries/<N>, with .p/<W> for a partial one",
    )


def new_tiles(
    old_size: int, new_size: int, read: Read, leaves: Sequence[bytes]
) -> list[tuple[str, bytes]]:
    """The hash tiles that a tree needs when it grows from one size to the next.

    Args:
        old_size: leaves before; 0 builds all tiles.
        new_size: leaves after.
        read: gives the partial tiles of `old_size`; they stand to the left of what is new.
        leaves: the new leaf hashes, `new_size - old_size` of them, 32 bytes each.

    Returns:
        (path, bytes) in the order to write them; full tiles and the partial ones of `new_size`.

    Raises:
        ProofError: the number of leaves is wrong, or a tile read has the wrong length.
    """
    _check_growth(old_size, new_size, len(leaves))
    made: list[tuple[str, bytes]] = []
    hashes: Sequence[bytes] = leaves
    level = 0
    while hashes:
        number, kept = divmod(old_size, WIDTH)
        row: list[bytes] = []
        if kept:
            row = _split(read(tile_path(level, number, kept)), kept, level, number)
        row.extend(hashes)
        above = []
        for start in range(0, len(row), WIDTH):
            tile = row[start : start + WIDTH]
            made.append((tile_path(level, number, len(tile)), b"".join(tile)))
            if len(tile) == WIDTH:
                above.append(merkle.perfect_root(tile))
            number += 1
        hashes = above
        old_size //= WIDTH
        level += 1
    return made


def new_bundles(
    old_size: int, new_size: int, read: Read, entries: Sequence[bytes]
) -> list[tuple[str, bytes]]:
    """The entry bundles that a log needs when it grows from one size to the next.

    Args and errors as `new_tiles`; `entries` are the new log entries (33 bytes each here).
    """
    _check_growth(old_size, new_size, len(entries))
    if not entries:
        return []
    number, kept = divmod(old_size, WIDTH)
    row: list[bytes] = []
    if kept:
        row = open_bundle(read(entries_path(number, kept)))
        if len(row) != kept:
            raise ProofError(
                f"entry bundle {number} holds {len(row)} entries, not {kept}", remedy=_REMEDY
            )
    row.extend(entries)
    made = []
    for start in range(0, len(row), WIDTH):
        part = row[start : start + WIDTH]
        made.append((entries_path(number, len(part)), write_bundle(part)))
        number += 1
    return made


def write_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries, each after its length as two bytes, most significant first.

    Raises:
        ProofError: an entry has more than 65,535 bytes.
    """
    if any(len(entry) > 0xFFFF for entry in entries):
        raise ProofError("an entry over 65,535 bytes fits no bundle", remedy=_REMEDY)
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def open_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle, at most 256.

    Raises:
        ProofError: it ends inside an entry, or holds too many.
    """
    entries: list[bytes] = []
    offset = 0
    while offset < len(data):
        start = offset + 2
        end = start + int.from_bytes(data[offset:start], "big")
        if start > len(data) or end > len(data) or len(entries) == WIDTH:
            raise ProofError(f"entry bundle breaks at byte {offset}", remedy=_REMEDY)
        entries.append(data[start:end])
        offset = end
    return entries


class HashReader:
    """Hashes of perfect subtrees of a tree of `size` leaves, out of its tiles.

    What it gives is not verified: prove with it, then check the proof against a signed root.
    Tiles are remembered for the life of the reader; make one for each request.
    """

    def __init__(self, size: int, read: Read) -> None:
        self._size = size
        self._read = read
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of the leaves [index * 2**level, (index + 1) * 2**level), 32 bytes.

        Raises:
            ProofError: those leaves are not all in the tree, or a tile has the wrong length.
        """
        if level < 0 or index < 0 or (index + 1) << level > self._size:
            raise ProofError(
                f"no subtree {index} of level {level} in a tree of {self._size}", remedy=_REMEDY
            )
        tile_level, inner = divmod(level, HEIGHT)
        number, place = divmod(index << inner, WIDTH)
        row = self._tile(tile_level, number)
        return merkle.perfect_root(row[place : place + (1 << inner)])

    def _tile(self, level: int, number: int) -> list[bytes]:
        row = self._tiles.get((level, number))
        if row is None:
            width = min(WIDTH, (self._size >> HEIGHT * level) - number * WIDTH)
            row = _split(self._read(tile_path(level, number, width)), width, level, number)
            self._tiles[level, number] = row
        return row


def _split(data: bytes, width: int, level: int, number: int) -> list[bytes]:
    if len(data) != width * merkle.HASH_BYTES:
        raise ProofError(
            f"tile {level}/{number} has {len(data)} bytes, not {width * merkle.HASH_BYTES}",
            remedy=_REMEDY,
        )
    return [data[i : i + merkle.HASH_BYTES] for i in range(0, len(data), merkle.HASH_BYTES)]


def _check_growth(old_size: int, new_size: int, count: int) -> None:
    if not 0 <= old_size <= new_size <= merkle.MAX_SIZE or count != new_size - old_size:
        raise ProofError(
            f"{count} new entries do not lead from size {old_size} to {new_size}", remedy=_REMEDY
        )
