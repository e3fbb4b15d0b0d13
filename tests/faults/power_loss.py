"""A disk that loses its power: recorded from the real node, cut off anywhere (decisions/0025).

`disk_trace.record` keeps every operation of publish cycles on the data folder, SQLite's own too.
`Disk` plays them up to any point, knows what a sync has made durable by then, and builds the
folders that may lie there after the power came back. Of what is not synced any part may be there:

- a file's bytes by sectors of 512, in any order, its length apart from them;
- a name (created, renamed, removed) apart from the bytes behind it: syncing a file does not sync
  its name, only syncing the folder does;
- SQLite's shared-memory file in whatever state: nothing may depend on it.

A state follows from (recording, cut, style, seed). A failure prints the command that repeats it:

    python -m tests.faults.power_loss RECORDING CUT STYLE SEED [MUTANT]
"""

from __future__ import annotations

import hashlib
import pickle
import random
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct
from tests.faults.after_a_crash import Broken, check
from tests.faults.disk_trace import (
    SHARED_MEMORY,
    Names,
    Recording,
    Resize,
    Say,
    Show,
    Sync,
    Write,
)
from tests.faults.publish_cycle import Told, be_steady

SECTOR = 512

# --- the disk ---------------------------------------------------------------------------------


class File:
    """What is durable of a file, and what was done to it since."""

    def __init__(self, data: bytes) -> None:
        self.durable = data
        self.since: list[Write | Resize] = []

    def sync(self, upto: int) -> None:
        self.durable = self.after([op for op in self.since if op.at < upto])
        self.since = [op for op in self.since if op.at >= upto]

    def after(self, ops: Sequence[Write | Resize]) -> bytes:
        if not ops:
            return self.durable
        data = bytearray(self.durable)
        for op in ops:
            _apply(data, op)
        return bytes(data)

    def torn(self, rng: random.Random, *, stale: bool) -> bytes:
        """Each sector as it was after any of the operations since, and so the length.

        With `stale`, sectors that the file grew by and that were not written hold anything.
        """
        lengths = [len(self.durable)]
        touched: dict[int, list[Write | Resize]] = {}
        for op in self.since:
            before = lengths[-1]
            if isinstance(op, Write):
                end = op.offset + len(op.data)
                lengths.append(max(before, end))
                reach = range(op.offset // SECTOR, -(-end // SECTOR))
            else:
                lengths.append(op.size)
                reach = range(op.size // SECTOR, -(-before // SECTOR))
            for sector in reach:
                touched.setdefault(sector, []).append(op)
        length = rng.choice(lengths)
        data = bytearray(self.durable[:length])
        grown = range(-(-len(data) // SECTOR), -(-length // SECTOR))
        data.extend(bytes(length - len(data)))
        if stale:
            for sector in grown:
                if sector not in touched or rng.random() < 0.5:
                    junk = rng.randbytes(min(SECTOR, length - sector * SECTOR))
                    data[sector * SECTOR : sector * SECTOR + len(junk)] = junk
        for sector, ops in touched.items():
            cut = rng.randrange(len(ops) + 1)
            for op in ops[:cut]:
                _apply_sector(data, op, sector)
        return bytes(data)


def _apply(data: bytearray, op: Write | Resize) -> None:
    if isinstance(op, Write):
        data.extend(bytes(max(0, op.offset - len(data))))
        data[op.offset : op.offset + len(op.data)] = op.data
    else:
        data.extend(bytes(max(0, op.size - len(data))))
        del data[op.size :]


def _apply_sector(data: bytearray, op: Write | Resize, sector: int) -> None:
    start, end = sector * SECTOR, min((sector + 1) * SECTOR, len(data))
    if isinstance(op, Resize):
        low = max(start, op.size)
        if low < end:
            data[low:end] = bytes(end - low)
        return
    low, high = max(start, op.offset), min(end, op.offset + len(op.data))
    if low < high:
        data[low:high] = op.data[low - op.offset : high - op.offset]


class Folder:
    """The durable names of a folder, and what became of them since."""

    def __init__(self, names: dict[str, int]) -> None:
        self.durable = dict(names)
        self.since: list[Names] = []

    def sync(self, upto: int) -> None:
        for op in self.since:
            if op.at < upto:
                _rename(self.durable, op.changes)
        self.since = [op for op in self.since if op.at >= upto]


def _rename(names: dict[str, int], changes: Sequence[tuple[str, int | None]]) -> None:
    for name, node in changes:
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


NameStyle = Literal["none", "all", "some", "any"]
ByteStyle = Literal["none", "all", "some", "torn", "stale"]
STYLES: tuple[tuple[NameStyle, ByteStyle], ...] = (
    ("none", "none"),
    ("all", "all"),
    ("all", "none"),
    ("none", "all"),
    ("all", "torn"),
    ("some", "some"),
    ("some", "torn"),
    ("any", "torn"),
    ("any", "some"),
    ("any", "stale"),
)
"""How names and bytes that were not synced are treated. `some`: up to any operation, in order, for
each file and folder; `any`: each name apart; `torn`, `stale`: see `File.torn`."""

Tree = dict[str, bytes | None]
"""Path → bytes; None is a folder. In the order in which they can be made."""


class Disk:
    """The recording played up to a point."""

    def __init__(self, recording: Recording, skip: Callable[[Sync], bool] = lambda _: False):
        self.recording = recording
        self.skip = skip
        self.files = {node: File(data) for node, data in recording.files.items()}
        self.folders = {node: Folder(names) for node, names in recording.folders.items()}
        self.told = Told(kept=[], logged=[], shown=[])
        self.cut = 0

    def play(self, cut: int) -> None:
        """Go on to this operation, which has not happened yet."""
        for op in self.recording.ops[self.cut : cut]:
            if isinstance(op, Write | Resize):
                self.files[op.node].since.append(op)
            elif isinstance(op, Names):
                self.folders[op.node].since.append(op)
            elif isinstance(op, Say):
                self.told.add(op.line.rstrip(b"\n"))
            elif isinstance(op, Show):
                self.told.shown.append(op.note)
            elif not self.skip(op):
                node: File | Folder = (
                    self.files[op.node] if op.node in self.files else self.folders[op.node]
                )
                node.sync(op.upto)
        self.cut = cut

    def promised(self) -> Told:
        """What had left the process; a copy of its own."""
        told = self.told
        return Told(kept=[*told.kept], logged=[*told.logged], shown=[*told.shown])

    def settled(self) -> bool:
        """Whether all is synced: then there is one state only."""
        return not any(f.since for f in self.files.values()) and not any(
            f.since for f in self.folders.values()
        )

    def state(self, style: tuple[NameStyle, ByteStyle], rng: random.Random) -> Tree:
        """One folder as it may lie there after the power came back."""
        tree: Tree = {}
        self._build(0, "", style, rng, tree)
        return tree

    def _build(
        self,
        node: int,
        path: str,
        style: tuple[NameStyle, ByteStyle],
        rng: random.Random,
        tree: Tree,
    ) -> None:
        names = self._names(self.folders[node], style[0], rng)
        for name, child in sorted(names.items()):
            below = f"{path}{name}"
            if child in self.folders:
                tree[below] = None
                self._build(child, below + "/", style, rng, tree)
            elif name.endswith(SHARED_MEMORY):
                kind = rng.randrange(3) if style[1] in ("torn", "stale") else 0
                if kind:
                    tree[below] = rng.randbytes(32_768) if kind == 1 else bytes(32_768)
            else:
                tree[below] = _content(self.files[child], style[1], rng)

    @staticmethod
    def _names(folder: Folder, style: NameStyle, rng: random.Random) -> dict[str, int]:
        names = dict(folder.durable)
        ops = folder.since
        if style == "all":
            cut = len(ops)
        elif style == "some":
            cut = rng.randrange(len(ops) + 1) if ops else 0
        else:
            cut = 0
        for op in ops[:cut]:
            _rename(names, op.changes)
        if style == "any":
            histories: dict[str, list[int | None]] = {}
            for op in ops:
                for name, node in op.changes:
                    histories.setdefault(name, [folder.durable.get(name)]).append(node)
            for name, history in histories.items():
                _rename(names, [(name, rng.choice(history))])
        return names


def _content(file: File, style: ByteStyle, rng: random.Random) -> bytes:
    if not file.since or style == "none":
        return file.durable
    if style == "all":
        return file.after(file.since)
    if style == "some":
        return file.after(file.since[: rng.randrange(len(file.since) + 1)])
    return file.torn(rng, stale=style == "stale")


def digest(tree: Tree) -> bytes:
    """Two trees of one digest are the same folder; the file of shared memory counts for nothing."""
    made = hashlib.blake2b(digest_size=16)
    for path, data in tree.items():
        if not path.endswith(SHARED_MEMORY):
            made.update(f"{path}\0{-1 if data is None else len(data)}\0".encode())
            made.update(data or b"")
    return made.digest()


def lay(tree: Tree, folder: Path) -> None:
    """Make this folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path, data in tree.items():
        if data is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(data)


# --- the search -------------------------------------------------------------------------------


class Case(Struct, frozen=True):
    """One state, as it is found again."""

    cut: int
    style: int
    seed: int


class Failure(Struct, frozen=True):
    case: Case
    problem: str


class Found(Struct, kw_only=True):
    """What a search came to."""

    states: set[bytes] = set()
    """Digests of different folders."""
    tried: int = 0
    failures: list[Failure] = []


MUTANTS: dict[str, Callable[[Sync], bool]] = {
    "": lambda sync: False,
    "no sync of a tile": lambda sync: bool(re.match(r"/data/tile/.*\.tmp$", sync.path)),
    "no sync of a tile's folder after its rename": lambda sync: bool(
        re.match(r"/data/tile/.*\.p$|/data/tile/(\d+|entries)$", sync.path)
    ),
    "no sync of the guard": lambda sync: sync.path == "/guard/.head.tmp",
    "no sync of the guard's folder after its rename": lambda sync: sync.path == "/guard",
    "no sync of the checkpoint": lambda sync: sync.path == "/data/.checkpoint.tmp",
    "no sync of the data folder": lambda sync: sync.path == "/data",
    "no sync of the write-ahead log": lambda sync: sync.path.endswith("-wal"),
    "no sync of the database": lambda sync: sync.path.endswith(".sqlite"),
}
"""Syncs that are left out of a recording, as if nobody had asked for them."""


def cases(recording: Recording, seed: int, rounds: int, every: int = 1) -> Iterator[Case]:
    """The cuts of a recording, each in all styles, the seeded ones `rounds` times."""
    for cut in range(seed % every, len(recording.ops) + 1, every):
        for style, (names, data) in enumerate(STYLES):
            once = names in ("none", "all") and data in ("none", "all")
            for n in range(1 if once else rounds):
                yield Case(cut, style, seed * 1_000_003 + n)


def search(
    recording: Recording,
    chosen: Sequence[Case],
    folder: Path,
    *,
    mutant: str = "",
    stop_at_first: bool = False,
) -> Found:
    """Try these states, each different one once for each thing promised by then."""
    be_steady()
    disk = Disk(recording, MUTANTS[mutant])
    found = Found(states=set(), failures=[])
    seen: set[tuple[bytes, int, int]] = set()
    for case in sorted(chosen, key=lambda c: c.cut):
        disk.play(case.cut)
        told = disk.promised()
        tree = disk.state(STYLES[case.style], _rng(case))
        key = digest(tree)
        promised = len(told.kept) + len(told.logged), len(told.shown)
        if (key, *promised) in seen:
            continue
        seen.add((key, *promised))
        found.states.add(key)
        found.tried += 1
        problem = _problem(tree, told, folder)
        if problem is not None:
            found.failures.append(Failure(case, problem))
            if stop_at_first:
                break
    shutil.rmtree(folder, ignore_errors=True)
    return found


def _rng(case: Case) -> random.Random:
    return random.Random(f"{case.cut} {case.style} {case.seed}")


def _problem(tree: Tree, told: Told, folder: Path) -> str | None:
    lay(tree, folder)
    try:
        check(folder, told)
    except Broken as wrong:
        return str(wrong)
    return None


def save(recording: Recording, path: Path) -> Path:
    """Keep a recording, so that a state of it can be built again byte for byte."""
    path.write_bytes(pickle.dumps(recording))
    return path


def load(path: Path) -> Recording:
    found = pickle.loads(path.read_bytes())
    assert isinstance(found, Recording)
    return found


def main(argv: Sequence[str]) -> int:
    """Repeat one state: says what it consists of, lays it down, and checks it."""
    path, cut, style, seed, *mutant = argv
    recording = load(Path(path))
    case = Case(int(cut), int(style), int(seed))
    disk = Disk(recording, MUTANTS[mutant[0] if mutant else ""])
    disk.play(case.cut)
    tree = disk.state(STYLES[case.style], _rng(case))
    print(f"story: {recording.story}")
    for op in recording.ops[max(0, case.cut - 5) : case.cut]:
        print(f"  … {type(op).__name__} {getattr(op, 'path', '')}")
    print(f"state {digest(tree).hex()}: {STYLES[case.style]}")
    for name, data in tree.items():
        if data is not None:
            print(f"  {len(data):8d} {hashlib.sha256(data).hexdigest()[:16]} {name}")
    folder = Path(path).with_suffix(".state")
    lay(tree, folder)
    kept = folder.with_suffix(".kept")
    lay(tree, kept)
    print(f"laid down in {kept}")
    be_steady()
    problem = _problem(tree, disk.promised(), folder)
    print(problem or "all promises are kept")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
