"""Where a node keeps what it keeps: a file in its data folder, or a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from threading import Event

import msgspec

from tocsin.errors import ConfigError, ConflictError, StoreLostError, TocsinError
from tocsin.flows.node import Node
from tocsin.store import peek
from tocsin.store.interface import Store
from tocsin.store.sqlite import SqliteStore
from tocsin.wiring.folder import Config, StoreConfig, load_config, secret, write_config
from tocsin.wiring.following import rounds

FILE = "tocsin.sqlite"
LOOK_AGAIN_S = 1.0
"""Between two looks whether a database server is back."""


def _utc() -> datetime:
    return datetime.now(UTC)


def url_of(home: Path, config: Config) -> str:
    """The address of the database; "": the store is a file in `data/`.

    `TOCSIN_STORE` (or the file that `TOCSIN_STORE_FILE` names) goes before `[store]`: it may hold a
    password, which `tocsin.toml` may not.

    Raises:
        ConfigError: it is no such address, it holds a password where others may read it, or there
            is a file too.
    """
    given = secret("STORE")
    written = config.store.url if config.store is not None else ""
    url = given or written
    if not url:
        return ""
    _require_driver()
    from tocsin.store.postgres_open import check_url, shown

    checked = check_url(url, open_to_others=not given)
    if (home / "data" / FILE).exists():
        raise ConfigError(
            f"{home / 'data' / FILE} holds what this node has kept, and its store is to be"
            f" {shown(url)}",
            remedy=f"take the address away ({'TOCSIN_STORE' if given else '[store]'}); a store is"
            " chosen when the party is made: tocsin init --store URL",
        )
    return checked


def open_store(home: Path, config: Config, *, clock: Callable[[], datetime] = _utc) -> Store:
    """Open the store of this data folder.

    Raises:
        NodeBusyError: another process holds it.
        StoreError: as the stores say.
        ConfigError: as `url_of`.
    """
    url = url_of(home, config)
    if not url:
        return SqliteStore.open(home / "data", clock=clock)
    from tocsin.store import postgres

    return postgres.PostgresStore.open(url, home / "data", owner=config.party, clock=clock)


def key_rows(home: Path, config: Config) -> peek.KeyRows | None:
    """What this folder's store holds of keys, without a lock; None where there is nothing yet.

    Raises:
        StoreError: it cannot be read.
        ConfigError: as `url_of`.
    """
    url = url_of(home, config)
    if not url:
        return peek.key_rows(home / "data")
    from tocsin.store import postgres

    return postgres.key_rows(url)


def choose(home: Path, url: str) -> None:
    """Let a data folder's store be the database at `url`, if it has none yet.

    Raises:
        ConflictError: it has another; a store is not moved by a flag.
        ConfigError: it is no such address.
    """
    _require_driver()
    from tocsin.store.postgres_open import check_url, shown

    config = load_config(home)
    check_url(url, open_to_others=True)
    held = config.store.url if config.store is not None else ""
    if held == url:
        return
    if held or (home / "data" / FILE).exists():
        where = shown(held) if held else str(home / "data" / FILE)
        raise ConflictError(
            f"{home} keeps what it has in {where}",
            remedy="leave --store out; a store is chosen when the party is made: "
            "tocsin init --store URL",
        )
    write_config(home, msgspec.structs.replace(config, store=StoreConfig(url=url)))


def refuse_used(home: Path, config: Config) -> None:
    """Return if the store of a party that is being made is empty.

    Raises:
        ConflictError: the database holds somebody's log, or what is left of a party half made.
    """
    url = url_of(home, config)
    if not url:
        return
    from tocsin.store import postgres
    from tocsin.store.postgres_open import shown

    if postgres.is_used(url):
        raise ConflictError(
            f"{shown(url)} holds what a node has kept",
            remedy="use an empty database; what was left by an init that was cut off goes with: "
            "DROP SCHEMA tocsin CASCADE",
        )


def remove(home: Path, config: Config) -> None:
    """Drop everything that the exercise of this folder has kept in a database.

    Raises:
        StoreError: it is another party's.
    """
    url = url_of(home, config)
    if url:
        from tocsin.store import postgres

        postgres.remove(url, config.party)


def state(home: Path, config: Config) -> str:
    """The store, in words: for `tocsin doctor`.

    Raises:
        StoreError: it does not answer, or cannot be used.
    """
    url = url_of(home, config)
    if not url:
        path = home / "data" / FILE
        size = path.stat().st_size if path.exists() else 0
        return f"{path}, {size // 2**20} MiB"
    from tocsin.store import postgres

    return postgres.state(url)


def _require_driver() -> None:
    """Raises ConfigError where the driver, an extra, is not installed."""
    if find_spec("psycopg") is None:
        raise ConfigError(
            "a PostgreSQL store needs psycopg, which is not installed",
            remedy="pip install 'tocsin[postgres]'; in a checkout: pip install 'psycopg[binary]'",
        )


# --- a server that was gone -------------------------------------------------------------------


@contextmanager
def reviving(node: Node, relearn: Callable[[Node], None]) -> Iterator[None]:
    """Let the log go on, in a thread, once a database server that was gone is back.

    Only where that was the reason: a log halted by what others have shown stays halted.

    Args:
        relearn: folds what the log holds of keys; what was committed and not answered is among it.
    """

    def run(stop: Event, _: Callable[[], float]) -> None:
        while not stop.wait(LOOK_AGAIN_S):
            if node.log.lost:
                revive(node, relearn)

    with rounds(node, "store", run, LOOK_AGAIN_S):
        yield


def revive(node: Node, relearn: Callable[[Node], None]) -> bool:
    """Recover the log from a store that is back; whether it takes writes again."""
    try:
        node.store.head()
        node.log.recover()
        with node.lock:
            relearn(node)
    except StoreLostError:
        return False
    except TocsinError:  # the log says why it stays halted
        return False
    return node.log.halted is None
