"""What must hold in a data folder after its process or its machine was cut off at any instant.

`check` looks first at the files as they lie there, as a static web server would give them out, then
starts the node again and asks for everything it had promised.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.faults.publish_cycle import Node, Told, saying
from tests.faults.sequencer_disk import CLEAR, LOG

from tocsin.errors import TocsinError
from tocsin.record import checkpoint as cp
from tocsin.record import merkle, tiles
from tocsin.record.envelope import leaf
from tocsin.store.files import TileFiles

AFTERWARDS = 90_000_000
"""Number of the statement that is said after the restart."""
KEYS = [
    cp.VerifierKey(name=LOG.name, kind=cp.ED25519, public=LOG.public),
    cp.VerifierKey(name=LOG.name, kind=cp.ML_DSA_44, public=LOG.mldsa_public),
]


class Broken(AssertionError):
    """A promise that was not kept; the message says which."""


def check(folder: Path, told: Told, *, before: int = 0) -> int:
    """All invariants; the size of the log after the restart.

    Args:
        told: what had left the process before the cut.
        before: size of the log before the cut that is known to have been there.

    Raises:
        Broken: one does not hold.
    """
    lying = published(folder)
    if lying is not None:
        told.shown.append(lying)
    heads = [head(note) for note in told.shown]
    largest = max((h.size for h in heads), default=0)
    last = max((index for _, index in told.logged), default=-1)
    if last >= 0 and (lying is None or head(lying).size <= last):
        raise Broken(f"index {last} was acknowledged, and the published checkpoint lacks it")
    try:
        guard = TileFiles(folder / "data", folder / "guard" / "head").read_guard()
    except TocsinError as wrong:
        raise Broken(f"the guard: {wrong.message}") from wrong
    if heads and (guard is None or guard.size < largest):
        raise Broken(f"size {largest} was shown, and the guard stands at {guard and guard.size}")
    try:
        node = Node(folder)
    except TocsinError as wrong:
        raise Broken(f"the restart is refused: {wrong.message}") from wrong
    try:
        return _restarted(folder, node, told, heads, max(before, largest, last + 1))
    except TocsinError as wrong:
        raise Broken(f"after the restart: {wrong.message}") from wrong
    finally:
        node.close()


def _restarted(
    folder: Path, node: Node, told: Told, heads: Sequence[cp.Checkpoint], least: int
) -> int:
    if node.store.pending():
        raise Broken("what was pending was not finished")
    size = node.log.size
    if size < least:
        raise Broken(f"the log had {least}, and has {size}")
    for id in told.kept:
        if node.store.place(id) is None:
            raise Broken(f"{id} was kept, and is gone")
    for id, index in told.logged:
        if node.store.place(id) != index:
            raise Broken(f"{id} was acknowledged at {index}, and is at {node.store.place(id)}")
    verified, objects = saying(AFTERWARDS)
    receipt = node.log.submit(verified, objects, CLEAR)
    path = node.log.prove(receipt.index)
    now = published(folder)
    if now is None:
        raise Broken("nothing is published after the restart")
    # Said after an earlier cut already, it stands where it stood.
    root = merkle.root_from_inclusion(leaf(verified.raw), receipt.index, node.log.size, path)
    if root != head(now).root:
        raise Broken("a new statement's proof does not lead to the checkpoint")
    same_history(node.store.entries(0, node.log.size), [*heads, head(now)])
    return size


def head(note: bytes, keys: Sequence[cp.VerifierKey] = KEYS) -> cp.Checkpoint:
    """The checkpoint of a note that all these keys signed. Raises Broken for any other."""
    try:
        opened = cp.open_note(note)
        if len(cp.verify_note(opened, keys)) < len(keys):
            raise Broken("a checkpoint lacks a signature of the log")
        return cp.open_checkpoint(opened.text)
    except TocsinError as wrong:
        raise Broken(f"a checkpoint that was shown: {wrong.message}") from wrong


def same_history(commitments: Sequence[bytes], heads: Iterable[cp.Checkpoint]) -> None:
    """No size was signed with two roots: every head that was shown is one of this very log."""
    wanted: dict[int, bytes] = {}
    for shown in heads:
        if wanted.setdefault(shown.size, shown.root) != shown.root:
            raise Broken(f"size {shown.size} was shown with two roots")
    edge = merkle.Edge()
    for size, commitment in enumerate(commitments, 1):
        edge.append(merkle.leaf_hash(b"\x01" + commitment))
        if size in wanted and wanted.pop(size) != edge.root():
            raise Broken(f"size {size} was shown with another root than the log has")
    if wanted:
        raise Broken(f"sizes {sorted(wanted)} were shown, and the log has {len(commitments)}")


def published(folder: Path, keys: Sequence[cp.VerifierKey] = KEYS) -> bytes | None:
    """The checkpoint as it lies on disk, once its tiles are all there and lead to its root."""
    data = folder / "data"
    try:
        note = (data / "checkpoint").read_bytes()
    except FileNotFoundError:
        return None
    shown = head(note, keys)
    entries: list[bytes] = []
    for path, width in _row(shown.size, None):
        bundle = tiles.open_bundle(_bytes(data / path))
        if len(bundle) != width:
            raise Broken(f"{path} holds {len(bundle)} entries, not {width}")
        entries += bundle
    hashes = [merkle.leaf_hash(entry) for entry in entries]
    if merkle.root_of(hashes) != shown.root:
        raise Broken(f"the entries on disk do not lead to the root shown at {shown.size}")
    level = 0
    while hashes:
        for path, width in _row(len(hashes), level):
            start = tiles.open_path(path).number * tiles.WIDTH
            if _bytes(data / path) != b"".join(hashes[start : start + width]):
                raise Broken(f"{path} holds other bytes than the log leads to")
        full = len(hashes) // tiles.WIDTH
        hashes = [
            merkle.perfect_root(hashes[n * tiles.WIDTH : (n + 1) * tiles.WIDTH])
            for n in range(full)
        ]
        level += 1
    return note


def _row(count: int, level: int | None) -> list[tuple[str, int]]:
    """Path and width of every tile of one level (None: the bundles) over `count` hashes."""
    widths = [tiles.WIDTH] * (count // tiles.WIDTH)
    if count % tiles.WIDTH:
        widths.append(count % tiles.WIDTH)
    return [
        (
            tiles.entries_path(number, width)
            if level is None
            else tiles.tile_path(level, number, width),
            width,
        )
        for number, width in enumerate(widths)
    ]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Broken(f"a checkpoint is published, and {path.name} of it is not there") from None
