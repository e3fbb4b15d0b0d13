"""The TAXII client on this machine: its credential, how far each collection has been fetched.

State is a file a collection, in the party's folder, written whole after each page that is durably
in; what was fetched is a report on the node, and nobody's word until a person accepts it.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tocsin import outbound
from tocsin.errors import ConfigError, NotFoundError, RateError, UsageError
from tocsin.stix.bundle import open_bundle
from tocsin.store.files import make_folder, sync_folder
from tocsin.taxii import client as taxii
from tocsin.taxii.client import Listed, Pulled, Pushed, State
from tocsin.wiring.folder import secret

if TYPE_CHECKING:
    import httpx

    from tocsin.client import Client


REPORT_BYTES = 16 * 1024 * 1024
REPORT_OBJECTS = 10_000
"""From then on what was fetched becomes a report on the node."""


class _Kept(Struct, kw_only=True):
    """A collection's file."""

    url: str
    state: State = State()
    sent: list[str] = []
    """SHA-256 of what was pushed and taken."""


def connection(url: str) -> tuple[httpx.Client, str]:
    """A client for a server's origin with the credential of the environment, and the path there.

    Raises:
        ConfigError: no such address, or a credential by plain HTTP to another machine.
        UsageError: a user or a password, and not the other.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise UsageError(
            f"a user or password stands before {parts.hostname} in the address",
            remedy="set TOCSIN_TAXII_USER and TOCSIN_TAXII_PASSWORD (or _FILE), or _TOKEN",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"{url.rpartition('@')[2][:200]!r} is not the address of a server",
            remedy="give it whole, such as https://taxii.example/taxii2/",
        )
    user, password = os.environ.get("TOCSIN_TAXII_USER", ""), secret("TAXII_PASSWORD")
    token = secret("TAXII_TOKEN")
    if bool(user) != bool(password):
        raise UsageError(
            f"TOCSIN_TAXII_USER is {user!r}, and its password is {'given' if password else 'not'}",
            remedy="set TOCSIN_TAXII_USER and TOCSIN_TAXII_PASSWORD (or _FILE)",
        )
    headers = {}
    if token:
        headers["authorization"] = f"Bearer {token}"
    elif user:
        text = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers["authorization"] = f"Basic {text}"
    local = outbound.is_loopback(url)
    if headers and parts.scheme == "http" and not local:
        raise ConfigError(
            f"a credential to {parts.hostname} without TLS", remedy="give its https address"
        )
    origin = f"{parts.scheme}://{parts.netloc}"
    found = outbound.client(
        origin, headers, timeout=taxii.SILENCE, local=local, private=_is_address(parts.hostname)
    )
    return found, parts.path or "/"


def _is_address(host: str | None) -> bool:
    """Whether the operator wrote down an address, not a name that somebody else resolves."""
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return True


def chosen(found: Sequence[Listed], name: str | None, *, write: bool) -> Listed:
    """The collection that is meant.

    Raises:
        NotFoundError: none of this id or alias that may be read (or written to).
        UsageError: several, and none is named.
    """
    fit = [one for one in found if (one.can_write if write else one.can_read)]
    named = [one for one in fit if name is None or name in (one.id, one.alias, one.title)]
    if len(named) == 1:
        return named[0]
    if not named:
        raise NotFoundError(
            f"no collection {name or 'at all'} that this credential may "
            f"{'write to' if write else 'read'}",
            remedy="see: tocsin taxii ls URL",
        )
    raise UsageError(
        f"{len(named)} collections",
        remedy="--collection " + " | ".join(one.alias or one.id for one in named[:5]),
    )


def look(url: str) -> tuple[list[Listed], list[str]]:
    """What a server lists, and API roots of it that are elsewhere."""
    server, at = connection(url)
    with server:
        return taxii.collections(server, at)


def pull(
    home: Path, node: Client, url: str, collection: str | None, *, anew: bool
) -> tuple[Pulled, list[str]]:
    """Fetch what is new of a collection; also the ids of the reports it became on the node."""
    server, at = connection(url)
    with server:
        one = chosen(taxii.collections(server, at)[0], collection, write=False)
        path, kept = _load(home, server, one)
        name = f"taxii {urlsplit(url).hostname} {(one.alias or one.title or one.id)[:60]}"
        pages = _Pages(node, name, lambda state: _save(path, kept, state))
        state = State() if anew else kept.state
        done = taxii.pull(server, one.path, state, pages.keep, pages.save)
        pages.flush()
        return done, pages.reports


def push(
    home: Path, url: str, collection: str | None, raw: bytes, *, again: bool
) -> tuple[Pushed, int]:
    """Send the objects of a bundle; how many were left out, because they were taken before."""
    server, at = connection(url)
    with server:
        one = chosen(taxii.collections(server, at)[0], collection, write=True)
        path, kept = _load(home, server, one)
        before = set() if again else set(kept.sent)
        items = [item for item in open_bundle(raw) if item.problem is None]
        fresh = [item for item in items if item.sha256 not in before]

        def done(digests: Sequence[str]) -> None:
            kept.sent = sorted({*kept.sent, *digests})
            _write(path, kept)

        return taxii.push(server, one.path, [i.raw for i in fresh], done), len(items) - len(fresh)


class _Pages:
    """Pages on their way to the node: several make one report, and only then count as fetched."""

    def __init__(self, node: Client, name: str, save: Callable[[State], object]) -> None:
        self._node = node
        self._name = name
        self._save = save
        self._raws: list[bytes] = []
        self._size = self._count = 0
        self._state: State | None = None
        self.reports: list[str] = []

    def keep(self, page: bytes, count: int) -> None:
        """Take a page, which is `{"objects":[…]}`."""
        self._raws.append(page[len(b'{"objects":[') : -len(b"]}")])
        self._size += len(page)
        self._count += count

    def save(self, state: State) -> None:
        """How far it is with what was taken."""
        self._state = state
        if self._size >= REPORT_BYTES or self._count >= REPORT_OBJECTS:
            self.flush()

    def flush(self) -> None:
        """Bring to the node what is here, then note how far it is."""
        if self._raws:
            page = b'{"objects":[%b]}' % b",".join(self._raws)
            name = f"{self._name} {hashlib.sha256(page).hexdigest()[:12]}.json"
            self._bring(name, page)
            self._raws, self._size, self._count = [], 0, 0
        if self._state is not None:
            self._save(self._state)
            self._state = None

    def _bring(self, name: str, page: bytes) -> None:
        for tried in range(21):
            try:
                kept = self._node.call("POST", "/reports", query={"name": name}, body=page)
            except RateError:
                if tried == 20:
                    raise
                time.sleep(3)  # the node takes twenty reports a minute
            else:
                self.reports.append(msgspec.json.decode(kept)["id"])
                return


def _load(home: Path, server: httpx.Client, one: Listed) -> tuple[Path, _Kept]:
    url = str(server.base_url.join(one.path))
    path = home / "taxii" / (hashlib.sha256(url.encode()).hexdigest()[:32] + ".json")
    try:
        return path, msgspec.json.decode(path.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return path, _Kept(url=url)
    except (OSError, msgspec.DecodeError) as wrong:
        raise ConfigError(
            f"{path}: {wrong}", remedy="remove it: the next pull begins anew, and doubles nothing"
        ) from wrong


def _save(path: Path, kept: _Kept, state: State) -> None:
    kept.state = state
    _write(path, kept)


def _write(path: Path, kept: _Kept) -> None:
    make_folder(path.parent, 0o700)
    partial = path.with_suffix(".new")
    with partial.open("wb") as file:
        file.write(msgspec.json.encode(kept))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)
