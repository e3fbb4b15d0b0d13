"""What a registrar does at home: the next version put together, and other nodes' versions taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.canonical import b64decode
from tocsin.client import Client, Door
from tocsin.errors import (
    CanonicalError,
    NotFoundError,
    RecordError,
    TocsinError,
    UnreadableError,
    UsageError,
)
from tocsin.record.directory import (
    Directory,
    Party,
    RegistrarKey,
    RootKey,
    party_json,
    read_directory,
    read_party,
)
from tocsin.record.envelope import statement_id
from tocsin.record.history import KeyHistory, settle
from tocsin.record.keys import PublicKey
from tocsin.wiring.door import http_door
from tocsin.wiring.folder import load_config
from tocsin.wiring.following import sources_of
from tocsin.wiring.keyholder import Keyholder, feed_of
from tocsin.wiring.party import check_name, check_url


class Change(Struct, frozen=True, kw_only=True):
    """What the next version is to say that the one in force does not. Empty: as it is."""

    entries: Sequence[Party] = ()
    url: str | None = None
    name: str | None = None
    clients: Sequence[tuple[str, str]] = ()
    no_clients: Sequence[tuple[str, str]] = ()
    registrars: Sequence[str] = ()
    no_registrars: Sequence[str] = ()
    threshold: int | None = None
    roots: Sequence[str] = ()
    """Public keys, base64."""
    leaving: Sequence[str] = ()
    """Parties that are to be listed no more."""
    no_roots: Sequence[str] = ()
    """Ids, or the first digits of them."""
    root_threshold: int | None = None


def open_entry(file: str, raw: bytes) -> Party:
    """A party's entry from its file. Raises UnreadableError."""
    try:
        return read_party(msgspec.json.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise UnreadableError(f"{file}: {wrong}", remedy="give the entry's JSON") from wrong
    except RecordError as wrong:
        raise UnreadableError(f"{file}: {wrong.message}", remedy=wrong.remedy) from wrong


def joining(holder: Keyholder, parties: Sequence[str]) -> list[Party]:
    """The entries of invited parties whose answers wait at this node.

    Raises:
        NotFoundError: no answer of one of them waits.
    """
    if not parties:
        return []
    waiting = {item["id"]: item for item in holder.client.get("/parties/waiting")["items"]}
    for party in parties:
        if party not in waiting:
            raise NotFoundError(
                f"no answer of {party} waits here", remedy="invite it: tocsin party invite " + party
            )
    return [read_party(waiting[party]) for party in parties]


def following(holder: Keyholder, change: Change) -> Directory:
    """The next version with this change in it.

    Whatever else the signed body holds, of other entries too, is carried over as it stands.

    Raises:
        UsageError: nothing would change, or a party that is named is not there.
        DirectoryError: what would come of it is no directory.
    """
    held = holder.directory
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(held.body))
    parties = {entry["id"]: entry for entry in body["parties"]}
    for entry in change.entries:
        parties[entry.id] = party_json(entry)
    _own(holder, change, parties)
    for party, client in change.clients:
        named = _named(parties, party)
        _named(parties, client)
        named["clients"] = sorted({*named.get("clients", []), client})
    for party, client in change.no_clients:
        named = _named(parties, party)
        named["clients"] = [c for c in named.get("clients", []) if c != client]
        if not named["clients"]:
            del named["clients"]
    _leave(holder, change, parties)
    body["parties"] = [parties[name] for name in sorted(parties)]
    body["registrars"] = _registrars(held, change, parties)
    body["version"] = held.version + 1
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(body))
    if {**plain, "version": held.version} == msgspec.json.decode(msgspec.json.encode(held.body)):
        raise UsageError("nothing would change", remedy="tocsin directory propose --help")
    return read_directory(plain)


def own_entry(holder: Keyholder, following: Directory) -> bytes | None:
    """The entry to hand to a registrar, if this party is none and changes nothing but its own.

    Returns:
        The entry's JSON, as `open_entry` takes it; None: this party proposes the version itself,
        or changes what is not its own.
    """
    held = holder.directory
    if any(key.party == holder.party for key in held.registrars.keys):
        return None
    entry = following.party(holder.party)
    others = [p for p in following.parties if p.id != holder.party]
    if (
        entry is None
        or following.registrars != held.registrars
        or others != [p for p in held.parties if p.id != holder.party]
    ):
        return None
    return msgspec.json.encode(party_json(entry), order="sorted") + b"\n"


def _own(holder: Keyholder, change: Change, parties: dict[str, dict[str, Any]]) -> None:
    """What a party says of itself: address, name, roots."""
    asked = (change.url, change.name, change.root_threshold)
    if asked == (None, None, None) and not (change.roots or change.no_roots):
        return
    entry = read_party(_named(parties, holder.party))
    if change.name is not None:
        check_name(change.name)
        entry = msgspec.structs.replace(entry, name=change.name)
    if change.url is not None:
        if not entry.nodes:
            raise UsageError(f"{holder.party} has no node", remedy="leave out --url")
        node = msgspec.structs.replace(entry.nodes[0], url=check_url(change.url))
        entry = msgspec.structs.replace(entry, nodes=(node, *entry.nodes[1:]))
    if change.roots or change.no_roots or change.root_threshold is not None:
        keys = {key.keyid: key for key in entry.root.keys}
        for public in change.roots:
            found = _public(public)
            keys[found.keyid] = RootKey(keyid=found.keyid, public=public)
        for given in change.no_roots:
            leaving = [keyid for keyid in keys if given and keyid.startswith(given)]
            if len(leaving) != 1:
                raise UsageError(
                    f"{given} fits {len(leaving)} root keys of {holder.party}",
                    remedy="one of: " + ", ".join(keyid[:16] for keyid in keys),
                )
            del keys[leaving[0]]
        root = msgspec.structs.replace(
            entry.root,
            keys=tuple(keys[keyid] for keyid in sorted(keys)),
            threshold=change.root_threshold or entry.root.threshold,
        )
        entry = msgspec.structs.replace(entry, root=root)
    parties[holder.party] = {**parties[holder.party], **party_json(entry)}


def _leave(holder: Keyholder, change: Change, parties: dict[str, dict[str, Any]]) -> None:
    """Take parties out, and whoever names them as a client."""
    for party in change.leaving:
        _named(parties, party)
        if party == holder.party:
            raise UsageError(
                f"{party} is this folder's own party", remedy="ask another registrar to say it"
            )
        del parties[party]
        for entry in parties.values():
            left = [c for c in entry.get("clients", []) if c != party]
            if left:
                entry["clients"] = left
            else:
                entry.pop("clients", None)


def _registrars(
    held: Directory, change: Change, parties: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """A registrar signs with its party's root key, the first where it has several."""
    keys = {k.keyid: k for k in held.registrars.keys if k.party not in change.leaving}
    # First out, then in: a party whose root has changed leaves and comes in with the new one.
    for party in change.no_registrars:
        leaving = [keyid for keyid, key in keys.items() if key.party == party]
        if not leaving:
            raise UsageError(
                f"{party} is no registrar",
                remedy="one of: " + ", ".join(sorted(k.party for k in keys.values())),
            )
        for keyid in leaving:
            del keys[keyid]
    for party in change.registrars:
        roots = read_party(_named(parties, party)).root.keys
        if any(key.party == party for key in keys.values()):
            continue
        known = {key.keyid for key in held.registrars.keys}
        root = next((key for key in roots if key.keyid not in known), roots[0])
        keys[root.keyid] = RegistrarKey(party=party, keyid=root.keyid, public=root.public)
    threshold = change.threshold or held.registrars.threshold
    if len(keys) < threshold:
        raise UsageError(
            f"{len(keys)} registrars would be left, and {threshold} of them must sign",
            remedy="first, or with it: tocsin directory propose --registrar PARTY, or "
            "--threshold K",
        )
    return {
        "threshold": threshold,
        "keys": [msgspec.to_builtins(keys[keyid]) for keyid in sorted(keys)],
    }


def _named(parties: dict[str, dict[str, Any]], party: str) -> dict[str, Any]:
    if party not in parties:
        raise UsageError(f"{party} is not in the directory", remedy="see: tocsin party list")
    return parties[party]


def _public(text: str) -> PublicKey:
    try:
        return PublicKey.of(b64decode(text))
    except (CanonicalError, RecordError) as wrong:
        raise UsageError(
            f"--root-public {text}: {wrong.message}",
            remedy="give the public key that `tocsin key make` printed, not the private key's file",
        ) from wrong


# --- other nodes' versions ------------------------------------------------------------------------


class FetchedFrom(Struct, frozen=True, kw_only=True):
    """What came of one node's feed."""

    url: str
    entered: int = 0
    refused: tuple[str, ...] = ()
    failed: str = ""
    """Why the node gave nothing."""

    @property
    def said(self) -> str:
        """The failure, for a line."""
        return f" ({self.failed})" if self.failed else ""


def sources(holder: Keyholder) -> list[str]:
    """Addresses to fetch from: where this party joined, then every other node of the directory."""
    return _sources(holder.home, holder.party, holder.directory)


def _sources(home: Path, party: str, directory: Directory) -> list[str]:
    config = load_config(home)
    own = config.remote.url if config.remote else None
    found = sources_of(directory, party, config.directory.sources)
    return [url for url in found if url != own]


def fetch(holder: Keyholder, url: str, doors: Callable[[str], Door] = http_door) -> FetchedFrom:
    """Bring what another node's feed holds to this one, which judges each statement.

    Raises:
        LogHalted: this node takes no statements now.
    """

    def take(raw: bytes) -> None:
        # The node first: what it refuses is not known here either.
        holder.client.call("POST", "/statements", body=raw, media_type="application/vnd.dsse+json")
        holder.history.take(raw)

    return _taken(url, holder.history, take, doors)


def _taken(
    url: str, history: KeyHistory, take: Callable[[bytes], object], doors: Callable[[str], Door]
) -> FetchedFrom:
    held = {found.id for found in history.taken}
    try:
        items = [raw for _, raw in feed_of(Client(doors(url))) if statement_id(raw) not in held]
    except TocsinError as wrong:
        return FetchedFrom(url=url, failed=wrong.message)
    refused = settle(items, take)
    return FetchedFrom(
        url=url,
        entered=len(items) - len(refused),
        refused=tuple(f"{r.id[:16]}…: {r.error.message}" for r in refused),
    )


def _from_all(
    known: Callable[[], list[str]], ask: Callable[[str], FetchedFrom]
) -> list[FetchedFrom]:
    """Ask each address once; what one tells may name others."""
    rows: list[FetchedFrom] = []
    while True:
        asked = {row.url for row in rows}
        left = [url for url in known() if url not in asked]
        if not left:
            return rows
        rows += [ask(url) for url in left]


def look_around(
    home: Path, party: str, own: Sequence[bytes], doors: Callable[[str], Door] = http_door
) -> tuple[KeyHistory, list[FetchedFrom]]:
    """What this folder's own statements and those of all other nodes come to, folded at home.

    Nothing is entered anywhere: a restored backup's node may take no statements.

    Args:
        own: the root-kind envelopes of this folder's log.
    """
    history = KeyHistory((home / "root.json").read_bytes())
    settle(own, history.take)
    rows = _from_all(
        lambda: _sources(home, party, history.ring.directory),
        lambda url: _taken(url, history, history.take, doors),
    )
    return history, rows


def catch_up(holder: Keyholder, doors: Callable[[str], Door] = http_door) -> list[FetchedFrom]:
    """Fetch from every source, before this party signs in the place of what it may have lost.

    A new log is what follows a lost store. An old backup does not know the newest links of its own
    party's key chain, and what it signed in their places would be equivocation. What no other node
    shows is brought again, as it was signed.
    """
    rows = _from_all(lambda: sources(holder), lambda url: fetch(holder, url, doors))
    holder.bring_again()
    return rows
