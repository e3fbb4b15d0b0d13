"""The PostgreSQL store's connections: opened, checked, brought up to this schema; their errors."""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import psycopg
from psycopg import conninfo, pq
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Dumper, Loader
from psycopg.types.numeric import Int8BinaryDumper

from tocsin.errors import (
    ConfigError,
    NodeBusyError,
    StorageFullError,
    StoreError,
    StoreLostError,
)
from tocsin.store import postgres_schema as schema
from tocsin.store import rules
from tocsin.store.rules import Row

Db: TypeAlias = psycopg.Connection[Row]

log = logging.getLogger("tocsin.store")

OURS = "the database of this node"
"""How a database is called where its address is nobody's business."""

OLDEST = 140_000
"""PostgreSQL 14."""
CONNECT_S = 5
READ_MS = 60_000
WRITE_MS = 600_000
LOCK_MS = 10_000
LOCK_WAIT_S = 2.0
IDLE_MS = 60_000
"""A writer that stopped in the middle of a transaction is cut off, and its lock is free."""

_TEXT, _TEXTS = 25, 1009
_PAIR = re.compile("\x01([\x01\x02])")

_LOST = ("08", "57P", "53300", "25P03", "57014 ")
_FULL = ("53100", "25006", "53400")
_DAMAGED = ("XX001", "XX002")


# --- text -----------------------------------------------------------------------------------
# PostgreSQL's text cannot hold U+0000, and STIX may. Written as two characters it keeps its place
# in the order, and so does everything that begins with it.


def escaped(text: str) -> str:
    """Text without U+0000, one to one and in the same order."""
    if "\x00" in text or "\x01" in text:
        return text.replace("\x01", "\x01\x02").replace("\x00", "\x01\x01")
    return text


def unescaped(text: str) -> str:
    """What `escaped` was given."""
    if "\x01" in text:
        return _PAIR.sub(lambda pair: "\x00" if pair[1] == "\x01" else "\x01", text)
    return text


class _TextDumper(Dumper):
    oid = _TEXT

    def dump(self, obj: str) -> Buffer:
        return escaped(obj).encode()


class _BinaryTextDumper(_TextDumper):
    format = pq.Format.BINARY


class _TextLoader(Loader):
    def load(self, data: Buffer) -> str:
        text = str(data, "utf-8")  # thousands a page: no call more than needed
        return unescaped(text) if "\x01" in text else text


class _BinaryTextLoader(_TextLoader):
    format = pq.Format.BINARY


def _adapters() -> AdaptersMap:
    found = AdaptersMap(psycopg.adapters)
    found.register_dumper(str, _TextDumper)
    found.register_dumper(str, _BinaryTextDumper)
    found.register_loader(_TEXT, _TextLoader)
    found.register_loader(_TEXT, _BinaryTextLoader)
    found.register_dumper(int, Int8BinaryDumper)  # one type: one prepared statement, one plan
    return found


# --- where it is ----------------------------------------------------------------------------


def check_url(url: str, *, open_to_others: bool) -> str:
    """A store's address, if it is one.

    Args:
        open_to_others: it stands where others read it (a file, a command line): no password.

    Raises:
        ConfigError: not `postgresql://…`, unreadable, or with a password where it must not be.
    """
    try:
        scheme = urlsplit(url).scheme
        given = conninfo.conninfo_to_dict(url)
    except (psycopg.ProgrammingError, ValueError) as wrong:
        raise ConfigError(
            f"{shown(url)!r} is no address of a store: {str(wrong).strip()}",
            remedy="postgresql://USER@HOST/DATABASE, or postgresql:///DATABASE on this machine",
        ) from wrong
    if scheme not in ("postgresql", "postgres"):
        raise ConfigError(
            f"{shown(url)!r} is no address of a store",
            remedy="postgresql://USER@HOST/DATABASE; without one the store is a file in `data/`",
        )
    if open_to_others and given.get("password"):
        raise ConfigError(
            f"the address of the store holds a password: {shown(url)}",
            remedy="leave it out; libpq reads PGPASSWORD, ~/.pgpass or a service file",
        )
    return url


def shown(url: str) -> str:
    """An address without its password, as it may be said to others."""
    cut = re.sub(r"(://[^/?#@:]*):[^@/]*@", r"\1@", url)
    return re.sub(r"(?i)([?&]password=)[^&]*", r"\1…", cut)


def _parameters(url: str, role: str) -> dict[str, Any]:
    given: dict[str, Any] = dict(conninfo.conninfo_to_dict(url))
    hosts = str(given.get("host") or os.environ.get("PGHOST") or "").split(",")
    # Said nowhere, TLS would be a wish ("prefer"), and who answers would not be asked.
    far = any(not _is_near(host) for host in hosts)
    if far and not given.get("sslmode") and not os.environ.get("PGSSLMODE"):
        given["sslmode"] = "verify-full"
    beats = {
        "connect_timeout": CONNECT_S,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        "target_session_attrs": "read-write",
    }
    given.update({name: value for name, value in beats.items() if name not in given})
    given["application_name"] = f"tocsin {role} {socket.gethostname()[:30]} {os.getpid()}"
    given["client_encoding"] = "utf8"
    return given


def _is_near(host: str) -> bool:
    return host in ("", "localhost", "127.0.0.1", "::1") or host.startswith(("/", "@"))


def connect(url: str, role: str, *, timeout_ms: int = READ_MS) -> Db:
    """A connection that commits by itself; plans as they are written, whatever the statistics say.

    Raises:
        psycopg.Error: as the server or libpq has it; `typed` makes it ours.
    """
    db = psycopg.connect(autocommit=True, context=_adapters(), **_parameters(url, role))
    try:
        settings: dict[str, str | int] = {
            "search_path": "tocsin, pg_temp",
            "statement_timeout": timeout_ms,
            "lock_timeout": LOCK_MS,
            "idle_in_transaction_session_timeout": IDLE_MS,
            "bytea_output": "hex",
            # What a read costs must not turn on what the server believes of a table: by key, in
            # the order written, as everything here has an index for it.
            "enable_seqscan": "off",
            "enable_bitmapscan": "off",
            "enable_hashjoin": "off",
            "enable_mergejoin": "off",
            "random_page_cost": 1,
            "join_collapse_limit": 1,
            "from_collapse_limit": 1,
            "jit": "off",
            "plan_cache_mode": "force_custom_plan",
        }
        called = ", ".join("set_config(%s, %s, false)" for _ in settings)
        values = [str(part) for pair in settings.items() for part in pair]
        db.execute(f"SELECT {called}", values)
    except BaseException:
        db.close()
        raise
    return db


def ask(db: Db, sql: str, given: Mapping[str, Any] | None = None) -> psycopg.Cursor[Row]:
    """Ask in the binary form, which costs less than text."""
    return db.execute(sql, given, binary=True)


def copy(db: Db, table: str, rows: Iterable[Sequence[Any]]) -> None:
    """Write these rows into a table of `postgres_schema.COLUMNS`."""
    columns = schema.COLUMNS[table]
    names = ", ".join(name for name, _ in columns)
    with (
        db.cursor() as cursor,
        cursor.copy(f"COPY {table}({names}) FROM STDIN (FORMAT BINARY)") as copied,
    ):
        copied.set_types([type for _, type in columns])
        for row in rows:
            copied.write_row(row)


# --- what is checked at the start -------------------------------------------------------------


def check_server(db: Db, url: str) -> None:
    """Return if this server keeps what it has acknowledged.

    Raises:
        StoreError: too old, a standby, in another encoding, or told not to sync.
    """
    found: dict[str, str] = dict(
        db.execute(
            "SELECT name, setting FROM pg_settings WHERE name IN ('server_version_num',"
            " 'server_version', 'server_encoding', 'fsync', 'full_page_writes',"
            " 'synchronous_commit')"
        ).fetchall()
    )
    if int(found["server_version_num"]) < OLDEST:
        raise StoreError(
            f"{shown(url)} is PostgreSQL {found['server_version']}, older than 14",
            remedy="use PostgreSQL 14 or newer",
        )
    if found["server_encoding"] != "UTF8":
        raise StoreError(
            f"the database at {shown(url)} is in {found['server_encoding']}",
            remedy="make it anew: createdb --encoding UTF8 --template template0 tocsin",
        )
    if db.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
        raise StoreError(f"{shown(url)} is a standby", remedy="give the address of its primary")
    for name in ("fsync", "full_page_writes"):
        if found[name] != "on":
            raise StoreError(
                f"{shown(url)} runs with {name} = {found[name]}: a power cut would lose what it"
                " has acknowledged",
                remedy=f"set {name} = on in postgresql.conf, and reload the server",
            )
    if found["synchronous_commit"] not in ("on", "remote_apply"):
        db.execute("SET synchronous_commit = on")


def upgrade(db: Db, url: str) -> None:
    """Bring the schema to the version this code knows, in one transaction.

    Raises:
        StoreError: a newer version, or another program's database.
    """
    db.execute("BEGIN")
    try:
        version = _version(db, url)
        if version > schema.VERSION:
            raise StoreError(
                f"{shown(url)} has schema version {version}, and this tocsin knows"
                f" {schema.VERSION}",
                remedy="start the newer tocsin that wrote it; a schema never goes back",
            )
        if version < schema.VERSION:
            if version == 0:
                db.execute("CREATE SCHEMA IF NOT EXISTS tocsin")
            for script in schema.SCRIPTS[version:]:
                row = db.execute(schema.STOPS.get(script, "SELECT 0")).fetchone()
                if row is not None and row[0]:
                    raise rules.left_behind(shown(url), row[0])
                db.execute(script)
            db.execute(
                "INSERT INTO meta VALUES ('schema', %(version)s)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                {"version": schema.VERSION},
            )
        db.execute("COMMIT")
    except BaseException:
        if not db.closed:
            db.execute("ROLLBACK")
        raise


def _version(db: Db, url: str) -> int:
    """The schema's version; 0 in a database with nothing in it."""
    others = StoreError(
        f"{shown(url)} is another program's database",
        remedy="make one of its own: createdb --encoding UTF8 --template template0 tocsin",
    )
    tables = db.execute(
        "SELECT n.nspname::text, c.relname::text FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        " AND n.nspname NOT LIKE 'pg\\_%' AND NOT EXISTS ("
        "  SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
        "  AND d.objid = c.oid AND d.deptype = 'e')"
    ).fetchall()
    if not tables:
        return 0
    if ("tocsin", "meta") not in tables:
        raise others
    try:
        rows: dict[str, int] = dict(db.execute("SELECT key, value FROM meta").fetchall())
    except (psycopg.errors.UndefinedColumn, psycopg.errors.DatatypeMismatch) as wrong:
        raise others from wrong
    if rows.get("application") != schema.APPLICATION or "schema" not in rows:
        raise others
    return int(rows["schema"])


def lock(db: Db, url: str) -> None:
    """Take the lock of the one node that writes here, for as long as this connection lives.

    Raises:
        NodeBusyError: another node holds it; says which.
    """
    key = {"a": schema.APPLICATION, "b": schema.LOCK}
    # A session ends a moment after the process that was killed.
    until = time.monotonic() + LOCK_WAIT_S
    while True:
        taken = db.execute("SELECT pg_try_advisory_lock(%(a)s::int, %(b)s::int)", key).fetchone()
        if taken == (True,):
            return
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    row = db.execute(
        "SELECT a.application_name, a.client_addr::text, a.pid FROM pg_locks l"
        " JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND l.classid = %(a)s::bigint AND l.objid = %(b)s::bigint",
        key,
    ).fetchone()
    name, address, pid = row or ("another node", None, 0)
    where = f" at {address}" if address else ""
    raise NodeBusyError(
        f"{shown(url)} is in use by {name or 'another session'}{where}",
        remedy="stop that node, or use another database; if it is dead and its session hangs: "
        f"SELECT pg_terminate_backend({pid})",
    )


# --- errors ---------------------------------------------------------------------------------


def is_lost(wrong: BaseException) -> bool:
    """Whether the server is gone, going, or does not answer."""
    if not isinstance(wrong, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    state = wrong.sqlstate
    return state is None or state.startswith(_LOST)


def is_full(wrong: BaseException) -> bool:
    """Whether the server had no room for it."""
    return isinstance(wrong, psycopg.Error) and (wrong.sqlstate or "").startswith(_FULL)


_OPENING: tuple[tuple[str, str, str], ...] = (
    ("3D000", "does not exist", "make it: createdb --encoding UTF8 --template template0 tocsin"),
    ("28", "lets this user not in", "check user and password: PGPASSWORD, ~/.pgpass, pg_hba.conf"),
    ("42501", "gives this user too few rights", "make the user the owner of the database"),
)


def told(wrong: BaseException, url: str) -> BaseException:
    """What a caller of a running store is told, who may be far away: not where the database is, as
    whom it is used, or what its server says. The log has that. Others' errors pass as they are."""
    if not isinstance(wrong, psycopg.Error):
        return wrong
    log.warning("%s", typed(wrong, url))
    return _typed(wrong, OURS, "")


def typed(wrong: BaseException, url: str) -> BaseException:
    """What the operator is told instead of the driver's own error, where a store is opened or
    looked at. Others pass as they are."""
    if not isinstance(wrong, psycopg.Error):
        return wrong
    return _typed(wrong, shown(url), f": {_said(wrong)}")


def _typed(wrong: psycopg.Error, at: str, said: str) -> StoreError:
    state = wrong.sqlstate or ""
    if is_full(wrong):
        return StorageFullError(
            f"{at} cannot grow{said}; nothing of this write is kept",
            remedy="make room on the disk of the database server, or make it writable",
        )
    for start, what, remedy in _OPENING:
        if state.startswith(start) or (not state and _matches(start, _said(wrong))):
            return StoreError(f"{at} {what}{said}", remedy=remedy)
    if is_lost(wrong):
        return StoreLostError(
            f"{at} does not answer{said}",
            remedy="start the database server, or mend the way to it; a node that runs goes on by"
            " itself. A write that was under way may be kept: look it up before you send it again",
        )
    if state.startswith(_DAMAGED):
        return StoreError(
            f"{at} is damaged{said}",
            remedy="keep a copy of the server's data as it is, then restore it from a backup",
        )
    if state == "57014":
        return StoreError(
            f"{at} took too long{said}", remedy="ask for less at once, or for a later page"
        )
    return StoreError(
        f"{at} refuses it{said}", remedy="see the database server's own log, then try again"
    )


def _matches(state: str, said: str) -> bool:
    # While a connection is made libpq hands on the server's words, and no code.
    words: dict[str, Callable[[str], bool]] = {
        "3D000": lambda text: "database" in text and "does not exist" in text,
        "28": lambda text: (
            "authentication failed" in text
            or "no password supplied" in text
            or "no pg_hba.conf entry" in text
            or ("role" in text and "does not exist" in text)
        ),
    }
    return state in words and words[state](said)


def _said(wrong: psycopg.Error) -> str:
    """The server's first line, without the statement, which may hold what nobody else may see."""
    text = wrong.diag.message_primary or str(wrong)
    return text.strip().splitlines()[0][:300] if text.strip() else type(wrong).__name__
