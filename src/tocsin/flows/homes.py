"""Who is at home at which node, by the directory, and what they may read together."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from tocsin.canonical import b64decode
from tocsin.policy import Audience, Reader, may_read
from tocsin.record.directory import Directory
from tocsin.record.directory import Party as Entry


class Peer(Struct, frozen=True, kw_only=True):
    """Another party's node, as the directory lists it."""

    party: str
    keys: tuple[bytes, ...]
    """Ed25519: who signs for it."""
    url: str
    """Where it answers; "": nowhere, it asks and brings by itself."""
    home: tuple[str, ...]
    """The parties whose readers it serves."""


def peers_of(directory: Directory, own: str) -> dict[str, Peer]:
    """Every other party's node that can sign for itself, by party."""
    guests: dict[str, list[str]] = {}
    for entry in directory.parties:
        if not entry.nodes and entry.home:
            guests.setdefault(entry.home, []).append(entry.id)
    found = {}
    for entry in directory.parties:
        keys = node_keys(entry)
        if entry.id == own or not keys:
            continue
        found[entry.id] = Peer(
            party=entry.id,
            keys=keys,
            url=next((n.peer_url or n.url for n in entry.nodes if n.peer_url or n.url), ""),
            home=(entry.id, *guests.get(entry.id, ())),
        )
    return found


def node_keys(entry: Entry) -> tuple[bytes, ...]:
    """The public keys with which this party's nodes sign."""
    return tuple(b64decode(n.key) for n in entry.nodes if n.key and n.origin)


def host_of(directory: Directory, party: str) -> str:
    """The party at whose node `party` is at home: itself, or who takes it in."""
    entry = directory.party(party)
    return entry.home if entry is not None and entry.home and not entry.nodes else party


def anyone_may(directory: Directory, parties: Collection[str], audience: Audience) -> bool:
    """Whether anybody at all of these parties may read this."""
    for party in parties:
        if directory.party(party) is None:
            continue
        signer = directory.reader(party, signer=True)
        readers: list[Reader] = [signer]
        readers += (directory.reader(party, person=p, signer=True) for p in audience.persons)
        if any(may_read(reader, _Marked(audience=audience)) for reader in readers):
            return True
    return False


class _Marked(Struct, frozen=True, kw_only=True):
    audience: Audience
