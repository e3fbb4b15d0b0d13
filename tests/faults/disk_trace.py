"""What a process does to a folder, recorded by strace: every operation, with all its bytes.

`record` runs publish cycles (`publish_cycle`) and gives a `Recording`, which `power_loss` cuts off
wherever it likes. SQLite's own calls are in it like all others (decisions/0025).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]
CALLS = (
    "open,openat,creat,close,lseek,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,"
    "fallocate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,"
    "rmdir,dup,dup2,dup3,mmap,copy_file_range,sendfile,sync,syncfs,sync_file_range,msync"
)
SHARED_MEMORY = "-shm"


# --- operations -------------------------------------------------------------------------------


class Write(Struct, frozen=True):
    """Bytes into a file; from the moment the call began, some of them may be on the disk."""

    at: int
    node: int
    offset: int
    data: bytes


class Resize(Struct, frozen=True):
    at: int
    node: int
    size: int


class Names(Struct, frozen=True):
    """Names of one folder that change together: (name, node or None for none)."""

    at: int
    node: int
    changes: tuple[tuple[str, int | None], ...]


class Sync(Struct, frozen=True):
    """What began before `upto` on this file or folder is on the disk once this has returned."""

    node: int
    upto: int
    path: str


class Say(Struct, frozen=True):
    """A line of the report: it had left the process."""

    line: bytes


class Show(Struct, frozen=True):
    """From here on a reader of the folder finds this checkpoint."""

    note: bytes


Op = Write | Resize | Names | Sync | Say | Show


class Recording(Struct, frozen=True):
    """A story and everything it did to its folder, which is node 0."""

    story: str
    base: int
    files: dict[int, bytes]
    """File → its bytes at the start, all durable."""
    folders: dict[int, dict[str, int]]
    ops: tuple[Op, ...]


class NoTracing(Exception):
    """strace is missing, or this machine lets nobody trace."""


class NotKilled(Exception):
    """The process made fewer such calls, and ended by itself."""


# --- recording --------------------------------------------------------------------------------


class Run(Struct, frozen=True):
    """One process of a recording."""

    story: str
    first: int
    synchronous: str = ""
    kill: str = ""
    """strace's words for where it is killed: `fdatasync:signal=KILL:when=7`."""


def record(folder: Path, runs: Sequence[Run], base: int) -> Recording:
    """Run these processes, one after the other, on a folder that is as it is now, and durable.

    Raises:
        NoTracing, NotKilled: see there.
        AssertionError: a process failed, or did something to its folder that is not understood.
    """
    reader = _Reader(folder)
    report = folder.with_name(folder.name + ".report")
    trace = folder.with_name(folder.name + ".trace")
    report.unlink(missing_ok=True)
    for run in runs:
        command = ["strace", "-f", "-qq", "-xx", "-s", "4000000", "-e", f"trace={CALLS}"]
        if run.kill:
            command += ["-e", f"inject={run.kill}"]
        else:
            command += ["--seccomp-bpf"]
        command += ["-o", str(trace), sys.executable, "-m", "tests.faults.publish_cycle"]
        command += [str(folder), str(report), run.story, str(run.first)]
        command += [run.synchronous] if run.synchronous else []
        done = _run(command)
        if run.kill and done.returncode == 0:
            raise NotKilled(run.kill)
        assert run.kill or done.returncode == 0, (run, done.returncode, done.stderr)
        reader.read(trace.read_text(), report)
    trace.unlink()
    return Recording(
        story=" then ".join(run.story for run in runs),
        base=base,
        files=reader.files,
        folders=reader.folders,
        ops=tuple(reader.ops),
    )


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    if shutil.which("strace") is None:
        raise NoTracing("strace is not installed")
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    if "ptrace" in done.stderr or "not permitted" in done.stderr:
        raise NoTracing(f"no right to trace a process here: {done.stderr.strip()}")
    return done


_CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)")
_BEGUN = re.compile(r"(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)$")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class _Open(Struct):
    node: int
    position: int
    append: bool
    path: str


class _Reader:
    """Turns strace's lines into operations on nodes."""

    def __init__(self, folder: Path) -> None:
        self.root = str(folder)
        self.files: dict[int, bytes] = {}
        self.folders: dict[int, dict[str, int]] = {}
        self.ops: list[Op] = []
        self._clock = 0
        # What the running process sees, which is what a kill leaves.
        self._live: dict[str, int] = {}
        self._bytes: dict[int, bytearray] = {}
        self._take(folder)

    def _take(self, folder: Path) -> int:
        node = self._live[str(folder)] = len(self._live)
        names = self.folders[node] = {}
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                names[path.name] = self._take(path)
            else:
                number = self._live[str(path)] = names[path.name] = len(self._live)
                self.files[number] = path.read_bytes()
                self._bytes[number] = bytearray(self.files[number])
        return node

    def read(self, trace: str, report: Path) -> None:
        """The calls of one process, which starts with no file open."""
        self._open: dict[int, _Open] = {}
        self._report = str(report)
        self._reports: set[int] = set()
        begun: dict[str, tuple[int, str]] = {}
        for line in trace.splitlines():
            self._clock += 1
            if match := _BEGUN.match(line):
                begun[match[1]] = (self._clock, f"{match[1]} {match[2]}({match[3]}")
                continue
            at = self._clock
            if match := _RESUMED.match(line):
                at, start = begun.pop(match[1])
                line = start + match[3]
            match = _CALL.match(line)
            if match is not None and match[4] not in ("-1", "?"):
                self._call(at, match[2], match[3], match[4])

    def _call(self, at: int, name: str, args: str, result: str) -> None:
        texts = [bytes.fromhex(t.replace("\\x", "")) for t in _TEXT.findall(args)]
        if name in ("open", "openat", "creat"):
            self._opened(at, texts[0].decode(), args, int(result))
        elif name in ("mkdir", "rename", "renameat2", "renameat", "link", "linkat", "unlink"):
            self._named(at, name, [t.decode() for t in texts], args)
        elif name in ("unlinkat", "rmdir", "mkdirat", "truncate"):
            if any(t.decode().startswith(self.root) for t in texts):
                raise AssertionError(f"{name}({args}) is not understood")
        elif name in ("sync", "syncfs"):
            raise AssertionError(f"{name} is not understood")
        elif name == "mmap":
            self._mapped(args)
        else:
            self._on_descriptor(at, name, args, texts, result)

    def _opened(self, at: int, path: str, args: str, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        self._reports.discard(descriptor)
        if path == self._report:
            self._reports.add(descriptor)
        if path != self.root and not path.startswith(self.root + "/"):
            return
        if path not in self._live:
            assert "O_CREAT" in args, (path, args)
            node = len(self.files) + len(self.folders)
            self.files[node] = b""
            self._bytes[node] = bytearray()
            self._live[path] = node
            self._change(at, (path, node))
        node = self._live[path]
        if "O_TRUNC" in args and self._bytes.get(node):
            self._resize(at, node, 0)
        self._open[descriptor] = _Open(node, 0, "O_APPEND" in args, path)

    def _change(self, at: int, *changes: tuple[str, int | None]) -> None:
        """Names change, all in one folder."""
        folders = {os.path.dirname(path) for path, _ in changes}
        assert len(folders) == 1, changes
        [folder] = folders
        names = tuple((os.path.basename(path), node) for path, node in changes)
        self.ops.append(Names(at, self._live[folder], names))

    def _named(self, at: int, name: str, paths: list[str], args: str) -> None:
        if not any(path.startswith(self.root) for path in paths):
            return
        if name == "mkdir":
            node = len(self.files) + len(self.folders)
            self.folders[node] = {}
            self._live[paths[0]] = node
            self._change(at, (paths[0], node))
        elif name == "unlink":
            del self._live[paths[0]]
            self._change(at, (paths[0], None))
        elif name in ("link", "linkat"):
            node = self._live[paths[1]] = self._live[paths[0]]
            self._change(at, (paths[1], node))
        else:
            old, new = paths
            node = self._live[new] = self._live.pop(old)
            self._change(at, (old, None), (new, node))
            if new == f"{self.root}/data/checkpoint":
                self.ops.append(Show(bytes(self._bytes[node])))

    def _mapped(self, args: str) -> None:
        words = args.split(", ")
        if "MAP_SHARED" in words[3] and "PROT_WRITE" in words[2]:
            found = self._open.get(int(words[4]))
            if found is not None and not found.path.endswith(SHARED_MEMORY):
                raise AssertionError(f"{found.path} is written through memory, unseen")

    def _on_descriptor(
        self, at: int, name: str, args: str, texts: list[bytes], result: str
    ) -> None:
        descriptor = int(args.split(",", maxsplit=1)[0])
        if descriptor in self._reports and name == "write":
            self.ops += [Say(line) for line in texts[0].splitlines(keepends=True)]
        found = self._open.get(descriptor)
        if found is None:
            return
        if name == "close":
            del self._open[descriptor]
        elif name == "lseek":
            found.position = int(result)
        elif name == "write":
            if found.append:
                found.position = len(self._bytes[found.node])
            self._write(at, found.node, found.position, texts[0][: int(result)])
            found.position += int(result)
        elif name == "pwrite64":
            offset = int(args.rsplit(", ", 1)[1])
            self._write(at, found.node, offset, texts[0][: int(result)])
        elif name == "ftruncate":
            self._resize(at, found.node, int(args.split(", ")[1]))
        elif name in ("fsync", "fdatasync"):
            self.ops.append(Sync(found.node, at, found.path[len(self.root) :]))
        else:
            raise AssertionError(f"{name}({args[:200]}) is not understood")

    def _write(self, at: int, node: int, offset: int, data: bytes) -> None:
        live = self._bytes[node]
        live.extend(bytes(max(0, offset - len(live))))
        live[offset : offset + len(data)] = data
        self.ops.append(Write(at, node, offset, data))

    def _resize(self, at: int, node: int, size: int) -> None:
        live = self._bytes[node]
        live.extend(bytes(max(0, size - len(live))))
        del live[size:]
        self.ops.append(Resize(at, node, size))
