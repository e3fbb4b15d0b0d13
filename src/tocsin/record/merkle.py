"""The Merkle tree of a log: roots, inclusion and consistency proofs, the right edge.

RFC 6962 and RFC 9162 with SHA-256. The core is strict: every hash has 32 bytes and no tree has
size 0. A perfect subtree is named by (level, index): it covers the leaves
[index * 2**level, (index + 1) * 2**level).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from tocsin.errors import ProofError

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1
MAX_PATH = 64
"""No path of a tree of at most 2**63 - 1 leaves is longer."""

GetHash = Callable[[int, int], bytes]
"""(level, index) -> the hash of that perfect subtree, 32 bytes."""

_REMEDY = "fetch the proof again, and from another node; if it fails there too, keep both"


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry), 32 bytes. Spec: RFC 6962 §2.1."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), 32 bytes. Spec: RFC 6962 §2.1."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root over a power-of-two number of hashes of equal level, 32 bytes."""
    count = len(hashes)
    if count == 0 or count & (count - 1):
        raise ProofError(f"{count} hashes do not fill a perfect subtree", remedy=_REMEDY)
    row = list(hashes)
    while len(row) > 1:
        row = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(row[::2], row[1::2], strict=True)
        ]
    return row[0]


class Edge:
    """The right edge of a growing tree: its perfect subtrees from the left, largest first.

    Enough to append and to give the root; one hash for every bit set in `size`.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self) -> None:
        self._hashes: list[bytes] = []
        self._size = 0

    @property
    def size(self) -> int:
        """Number of leaves appended so far."""
        return self._size

    @classmethod
    def from_list(cls, size: int, hashes: Iterable[bytes]) -> Edge:
        """The edge of a tree of `size` leaves, from what `to_list` gave.

        Raises:
            ProofError: not one 32-byte hash for each bit set in `size`.
        """
        edge = cls()
        edge._hashes = list(hashes)
        edge._size = size
        if not 0 <= size <= MAX_SIZE:
            raise ProofError(f"no tree has {size} leaves", remedy=_REMEDY)
        if len(edge._hashes) != size.bit_count():
            raise ProofError(
                f"a tree of {size} leaves has {size.bit_count()} hashes on its right edge, "
                f"not {len(edge._hashes)}",
                remedy="derive the edge again from the log's entries",
            )
        for number, digest in enumerate(edge._hashes):
            _check_hash(f"edge hash {number}", digest)
        return edge

    def to_list(self) -> list[bytes]:
        """The hashes of the edge, largest subtree first; empty for the empty tree."""
        return list(self._hashes)

    def copy(self) -> Edge:
        """An edge of its own, to try a batch on."""
        edge = Edge()
        edge._hashes = list(self._hashes)
        edge._size = self._size
        return edge

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash (32 bytes, SHA-256(0x00 || entry)) on the right."""
        _check_hash("leaf", leaf)
        hashes = self._hashes
        size = self._size
        while size & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)
        self._size += 1

    def append_subtree(self, level: int, digest: bytes) -> None:
        """Add a perfect subtree of 2**level leaves, of which only its root is at hand.

        Raises:
            ProofError: the size is no multiple of 2**level: it would not stand in its place.
        """
        _check_hash(f"root of a subtree of level {level}", digest)
        size, rest = self._size >> level, self._size & ((1 << level) - 1)
        if rest:
            raise ProofError(
                f"a subtree of level {level} does not follow {self._size} leaves", remedy=_REMEDY
            )
        while size & 1:
            digest = sha256(b"\x01" + self._hashes.pop() + digest).digest()
            size >>= 1
        self._hashes.append(digest)
        self._size += 1 << level

    def root(self) -> bytes:
        """The root of the tree so far, 32 bytes.

        Raises:
            ProofError: the tree is empty; the core knows no size 0.
        """
        if not self._hashes:
            raise ProofError(
                "an empty tree has no root here", remedy="append the first entry before signing"
            )
        return _fold_right(self._hashes)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over all these leaf hashes, 32 bytes (at least one leaf)."""
    edge = Edge()
    for leaf in leaves:
        edge.append(leaf)
    return edge.root()


# --- verifying --------------------------------------------------------------------------------


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Recompute a log's root from one leaf hash and its inclusion proof.

    Proves nothing alone: compare the result with a root the witnesses have cosigned.

    Args:
        leaf: 32 bytes, SHA-256(0x00 || entry).
        index: zero-based place of the leaf, 0 <= index < size.
        size: number of leaves in the tree.
        path: sibling hashes, 32 bytes each, from the leaf up.

    Returns:
        The root hash, 32 bytes.

    Raises:
        ProofError: `path` has the wrong length for this index and size, or a hash is not 32 bytes.

    Spec: RFC 9162 §2.1.3.2.
    """
    _check_size(size)
    if not 0 <= index < size:
        raise ProofError(f"no leaf {index} in a tree of {size}", remedy=_REMEDY)
    _check_hash("leaf", leaf)
    _check_path(path)
    place, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofError(
                f"the path for leaf {index} of {size} is too long: {len(path)} hashes",
                remedy=_REMEDY,
            )
        if place & 1 or place == last:
            root = sha256(b"\x01" + sibling + root).digest()
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            root = sha256(b"\x01" + root + sibling).digest()
        place >>= 1
        last >>= 1
    if last:
        raise ProofError(
            f"the path for leaf {index} of {size} is too short: {len(path)} hashes", remedy=_REMEDY
        )
    return root


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check that `leaf` is at `index` of the tree of `size` leaves with this `root`.

    Raises:
        ProofError: it is not, or something has the wrong shape.

    Spec: RFC 9162 §2.1.3.2.
    """
    _check_hash("root", root)
    found = root_from_inclusion(leaf, index, size, path)
    if found != root:
        raise ProofError(
            f"leaf {index} of {size} leads to root {found.hex()}, not {root.hex()}", remedy=_REMEDY
        )


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the tree of `new_size` leaves only appends to the one of `old_size`.

    Args:
        old_size: 1 <= old_size <= new_size.
        new_size: number of leaves in the later tree.
        old_root: root of the earlier tree, 32 bytes.
        new_root: root of the later tree, 32 bytes.
        path: the proof as RFC 9162 §2.1.4.1 writes it; empty where the sizes are equal.

    Raises:
        ProofError: it does not, or something has the wrong shape.

    Spec: RFC 9162 §2.1.4.2.
    """
    _check_size(old_size)
    _check_size(new_size)
    _check_path(path)
    if old_size > new_size:
        raise ProofError(f"size {old_size} is after size {new_size}", remedy=_REMEDY)
    if old_size == new_size:
        if path:
            raise ProofError(
                f"sizes are equal ({old_size}), and yet the path has {len(path)} hashes",
                remedy=_REMEDY,
            )
        if old_root != new_root:
            raise ProofError(
                f"two roots at size {old_size}: {old_root.hex()} and {new_root.hex()}",
                remedy="keep both signed checkpoints: together they prove a fork",
            )
        # Nothing was hashed, so the roots' length does not matter: equal is equal.
        return
    _check_hash("old root", old_root)
    _check_hash("new root", new_root)
    hashes = list(path)
    if old_size & (old_size - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        raise ProofError(f"no path from {old_size} to {new_size}", remedy=_REMEDY)
    found_old, found_new = roots_from_consistency(old_size, new_size, hashes)
    if found_old != old_root or found_new != new_root:
        raise ProofError(
            f"the path from {old_size} to {new_size} leads to roots {found_old.hex()} and "
            f"{found_new.hex()}, not {old_root.hex()} and {new_root.hex()}",
            remedy=_REMEDY,
        )


def roots_from_consistency(
    old_size: int, new_size: int, hashes: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """The two roots that a path leads to: that of the earlier tree and that of the later one.

    Proves nothing alone: compare both with roots that the log has signed.

    Args:
        old_size: 1 <= old_size < new_size.
        new_size: number of leaves in the later tree.
        hashes: the path with the first subtree's hash in front, also where `old_size` is a
            power of two; 32 bytes each.

    Raises:
        ProofError: the path has the wrong length for these sizes, or a hash is not 32 bytes.

    Spec: RFC 9162 §2.1.4.2, steps 3 to 6.
    """
    _check_size(old_size)
    _check_size(new_size)
    _check_path(hashes)
    if old_size >= new_size or not hashes:
        raise ProofError(
            f"no path of {len(hashes)} hashes leads from size {old_size} to {new_size}",
            remedy=_REMEDY,
        )
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place >>= 1
        last >>= 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError(
                f"the path from {old_size} to {new_size} is too long: {len(hashes)} hashes",
                remedy=_REMEDY,
            )
        if place & 1 or place == last:
            old = sha256(b"\x01" + sibling + old).digest()
            new = sha256(b"\x01" + sibling + new).digest()
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            new = sha256(b"\x01" + new + sibling).digest()
        place >>= 1
        last >>= 1
    if last:
        raise ProofError(
            f"the path from {old_size} to {new_size} is too short: {len(hashes)} hashes",
            remedy=_REMEDY,
        )
    return old, new


# --- proving ----------------------------------------------------------------------------------


def range_root(start: int, end: int, get_hash: GetHash) -> bytes:
    """The RFC 6962 hash over the leaves [start, end) of a node of the tree, 32 bytes.

    `start` must be where a node of that many leaves starts, as the splits of a tree always are.
    """
    hashes = []
    while start < end:
        level = (end - start).bit_length() - 1
        hashes.append(get_hash(level, start >> level))
        start += 1 << level
    return _fold_right(hashes)


def inclusion_path(index: int, size: int, get_hash: GetHash) -> list[bytes]:
    """The inclusion proof of leaf `index` in the tree of `size`, from the leaf up.

    Raises:
        ProofError: no such leaf, or whatever `get_hash` raises.

    Spec: RFC 9162 §2.1.3.1.
    """
    _check_size(size)
    if not 0 <= index < size:
        raise ProofError(
            f"no leaf {index} in a tree of {size}", remedy="ask for an index below the size"
        )
    start, end = 0, size
    path = []
    while end - start > 1:
        split = start + (1 << ((end - start - 1).bit_length() - 1))
        if index < split:
            path.append(range_root(split, end, get_hash))
            end = split
        else:
            path.append(range_root(start, split, get_hash))
            start = split
    path.reverse()
    return path


def consistency_path(old_size: int, new_size: int, get_hash: GetHash) -> list[bytes]:
    """The proof that the tree of `new_size` appends to the one of `old_size`.

    Empty where the sizes are equal. As RFC 6962, it leaves out the first subtree's hash where
    `old_size` is a power of two.

    Spec: RFC 9162 §2.1.4.1.
    """
    _check_size(old_size)
    _check_size(new_size)
    if old_size > new_size:
        raise ProofError(
            f"size {old_size} is after size {new_size}", remedy="give the smaller size first"
        )
    start, end = 0, new_size
    path = []
    while old_size != end:
        split = start + (1 << ((end - start - 1).bit_length() - 1))
        if old_size <= split:
            path.append(range_root(split, end, get_hash))
            end = split
        else:
            path.append(range_root(start, split, get_hash))
            start = split
    if start:
        path.append(range_root(start, end, get_hash))
    path.reverse()
    return path


def _fold_right(hashes: Sequence[bytes]) -> bytes:
    root = hashes[-1]
    for left in hashes[-2::-1]:
        root = sha256(b"\x01" + left + root).digest()
    return root


def _check_size(size: int) -> None:
    if not 1 <= size <= MAX_SIZE:
        raise ProofError(f"no tree of size {size} can be proven", remedy=_REMEDY)


def _check_hash(what: str, digest: bytes) -> None:
    if len(digest) != HASH_BYTES:
        raise ProofError(f"{what} has {len(digest)} bytes, not 32", remedy=_REMEDY)


def _check_path(path: Sequence[bytes]) -> None:
    if len(path) > MAX_PATH:
        raise ProofError(f"a path of {len(path)} hashes is longer than any tree", remedy=_REMEDY)
    for number, digest in enumerate(path):
        _check_hash(f"path hash {number}", digest)
