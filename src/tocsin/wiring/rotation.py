"""Keys that change places. Each step is durable before the next; cut off, it is said again.

A rotation of the signing key: 1 the new key in `keys/next/`; 2 its `key` statement; 3 the `revoke`
of the old one; 4 the old file kept in `keys/old/`; 5 the new file in its place. A node that runs
signs with the new key from 2 on (`wiring.keys.SigningKeys`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct

from tocsin.canonical import b64encode
from tocsin.errors import NotFoundError, UsageError
from tocsin.record.directory import Hpke, NodeEntry, Party, add_party
from tocsin.record.hpke import HpkeKey
from tocsin.record.keys import Signer, WitnessSigner
from tocsin.record.statement import ORDINARY_KINDS, key_body, revoke_body
from tocsin.store.files import read_secret, sync_folder, write_secret
from tocsin.wiring.keyholder import Keyholder
from tocsin.wiring.keys import (
    HPKE,
    NODE,
    ROOT_KEY,
    WITNESS,
    load_hpke,
    load_node_key,
    load_root,
    load_witness_signer,
    make_seed,
    seed_in,
)

Part = Literal["witness", "hpke", "node"]


class Rotated(Struct, frozen=True, kw_only=True):
    """What has changed places."""

    what: str
    old: str
    """Its id; "" where there was none."""
    new: str


class NeedsRegistrar(Exception):
    """Only a registrar can publish the entry: `entry` is what it is to be given."""

    def __init__(self, entry: Party) -> None:
        super().__init__(entry.id)
        self.entry = entry


# --- the signing key ------------------------------------------------------------------------------


class _Turn(Struct, frozen=True):
    """`keys/next/<party>.rotation.json`: a rotation that has begun."""

    old: str
    new: str


def rotate_signing(holder: Keyholder, step: Callable[[str], None] = lambda _: None) -> Rotated:
    """A new signing key in place of the old one, which is revoked as `rotated`.

    Args:
        step: told before each step, for whoever looks on.

    Raises:
        NeedsOthers: the party's root asks for more than one key; say it again once that is logged.
    """
    current = holder.keys / f"{holder.party}.signing"
    coming = holder.next / f"{holder.party}.signing"
    turn_file = holder.next / f"{holder.party}.rotation.json"
    old = Signer.from_seed(seed_in(current), holder.party)
    if turn_file.exists():
        turn = msgspec.json.decode(read_secret(turn_file), type=_Turn)
        if turn.new == old.keyid:  # only the note of it was left
            turn_file.unlink()
            return Rotated(what="signing", old=turn.old, new=turn.new)
    step("new key")
    if not coming.exists():
        make_seed(coming, holder.rng)
    new = Signer.from_seed(seed_in(coming), holder.party)
    if not turn_file.exists():
        step("note")
        write_secret(turn_file, msgspec.json.encode(_Turn(old=old.keyid, new=new.keyid)))
    ring = holder.history.ring
    known = ring.key(holder.party, old.keyid)
    if ring.key(holder.party, new.keyid) is None:
        step("key statement")
        kinds = sorted(known.kinds) if known is not None else ORDINARY_KINDS
        holder.say("key", key_body(new.public, kinds))
    if known is not None and known.until is None:
        step("revocation")
        holder.say("revoke", revoke_body(old.keyid, "rotated"))
    step("old file")
    keep_old(holder, current, f"{holder.party}.signing.{old.keyid[:16]}")
    step("new file")
    coming.replace(current)
    sync_folder(current.parent)
    step("done")
    for left in ("key", "revoke"):
        (holder.next / f"{holder.party}.{left}.json").unlink(missing_ok=True)
    turn_file.unlink()
    return Rotated(what="signing", old=old.keyid, new=new.keyid)


def keep_old(holder: Keyholder, path: Path, name: str) -> None:
    """A copy in `keys/old/`; the file itself stays until the new one takes its place."""
    if not (holder.old / name).exists():
        write_secret(holder.old / name, read_secret(path))


# --- keys that only the directory names ---------------------------------------------------------


def rotate_listed(
    holder: Keyholder, part: Part, step: Callable[[str], None] = lambda _: None
) -> Rotated:
    """A new witness, HPKE or node key, listed by a new directory version, then put in place.

    Where there was none (a folder made before these keys), one is made.

    Raises:
        NeedsRegistrar: this party may not publish a version; say it again once it is in force.
        NeedsOthers: other registrars have to sign too.
    """
    names = _files(holder, part)
    note = holder.next / f"{holder.party}.{part}.json"
    if not note.exists():
        if part != "hpke" and not holder.entry.nodes:
            raise UsageError(
                f"{holder.party} has no node in the directory",
                remedy="only --hpke; a party joins with a node by: tocsin party join … --node",
            )
        for name in names:
            step(f"new {name}")
            if not (holder.next / name).exists():
                make_seed(holder.next / name, holder.rng)
        step("note")
        # From here on no more is made: some of the files may be in place already.
        write_secret(note, b"{}")
    entry, new = _with_part(holder, part, names)
    old = _old(holder, part, names)
    if entry != holder.entry:
        step("directory version")
        publish_entry(holder, entry)
    for name in names:
        step(f"place {name}")
        current = holder.keys / name
        if (holder.next / name).exists():
            if current.exists():
                keep_old(holder, current, f"{name}.{_mark(current)}")
            (holder.next / name).replace(current)
            sync_folder(holder.keys)
    step("done")
    note.unlink()
    return Rotated(what=part, old=old, new=new)


def _mark(path: Path) -> str:
    """Tells one seed file from another; a digest of it tells nothing about it."""
    return hashlib.sha256(b"tocsin/seed/v1\n" + seed_in(path)).hexdigest()[:16]


def _files(holder: Keyholder, part: Part) -> tuple[str, ...]:
    if part == "witness":
        return WITNESS
    if part == "node":
        return (NODE,)
    other = f"{holder.party}.hpke"
    return (other if (holder.keys / other).exists() else HPKE,)


def _with_part(holder: Keyholder, part: Part, names: tuple[str, ...]) -> tuple[Party, str]:
    """(the entry with the new key, that key's id)."""

    def seed(name: str) -> bytes:
        waiting = holder.next / name
        return seed_in(waiting if waiting.exists() else holder.keys / name)

    entry = holder.entry
    if part == "hpke":
        key = HpkeKey(seed(names[0]))
        listed = Hpke(id=key.id, public=b64encode(key.public))
        return msgspec.structs.replace(entry, hpke=listed), key.id
    node = entry.nodes[0]
    if part == "node":
        signer = Signer.from_seed(seed(names[0]), holder.party)
        changed = msgspec.structs.replace(node, key=b64encode(signer.public))
        id = signer.keyid
    else:
        witness = WitnessSigner.from_seeds(
            f"{holder.party}/witness", seed(names[0]), seed(names[1])
        ).vkeys()
        changed = msgspec.structs.replace(node, witness_vkeys=witness)
        id = _named(witness[0])
    return msgspec.structs.replace(entry, nodes=(changed, *entry.nodes[1:])), id


def _old(holder: Keyholder, part: Part, names: tuple[str, ...]) -> str:
    """The id of the key in the folder while the new one waits; "" where there is none."""
    if not all((holder.keys / n).exists() and (holder.next / n).exists() for n in names):
        return ""
    seeds = [seed_in(holder.keys / name) for name in names]
    if part == "hpke":
        return HpkeKey(seeds[0]).id
    if part == "node":
        return Signer.from_seed(seeds[0], holder.party).keyid
    old = WitnessSigner.from_seeds(f"{holder.party}/witness", seeds[0], seeds[1])
    return _named(old.vkeys()[0])


def publish_entry(holder: Keyholder, entry: Party) -> None:
    """Publish the next directory version with this entry.

    Raises:
        NeedsRegistrar: this party is no registrar.
        NeedsOthers: it is not enough alone.
    """
    if not holder.is_registrar:
        raise NeedsRegistrar(entry)
    holder.say("directory", add_party(holder.directory, entry))


# --- what is there -------------------------------------------------------------------------------


def key_named(holder: Keyholder, given: str) -> str:
    """The one key of this party whose id begins with `given`.

    Raises:
        NotFoundError, UsageError: none does, or several do.
    """
    found = [
        k.keyid for k in holder.history.ring.keys_of(holder.party) if k.keyid.startswith(given)
    ]
    if not found or not given:
        raise NotFoundError(
            f"{holder.party} has enrolled no key {given!r}", remedy="see: tocsin key list"
        )
    if len(found) > 1:
        raise UsageError(
            f"{given} fits {len(found)} keys", remedy="give more of its digits: tocsin key list"
        )
    return found[0]


class Apart(Struct, frozen=True, kw_only=True):
    """A key of which this folder and the log say different things."""

    what: str
    why: str
    remedy: str | None
    """None: it may be meant so."""


def apart(holder: Keyholder) -> list[Apart]:
    """Where the keys of this folder are not those that the log knows: after a restored backup."""
    found: list[Apart] = []
    party, home, ring = holder.party, holder.home, holder.history.ring
    signing = Signer.from_seed(seed_in(holder.keys / f"{party}.signing"), party).keyid
    state = ring.state(party, signing, None)
    if state != "valid":
        why = f"{signing[:16]}… is {state} in the log: nothing it signs now counts"
        found.append(Apart(what="signing key", why=why, remedy="tocsin key rotate"))
    others = [
        k.keyid
        for k in ring.keys_of(party)
        if k.keyid != signing and ring.state(party, k.keyid, None) == "valid"
    ]
    for keyid in others:
        why = f"{keyid[:16]}… signs for {party} too; lost: tocsin key revoke {keyid[:16]}"
        found.append(Apart(what="signing key", why=why, remedy=None))
    entry = holder.directory.party(party)
    if entry is None:
        return found
    root = load_root(home, party)
    if root is not None and all(key.keyid != root.keyid for key in entry.root.keys):
        why = f"{root.keyid[:16]}… is no root of {party} any more"
        where = f"put the newer file in its place, or name it: {ROOT_KEY}=FILE"
        found.append(Apart(what="root key", why=why, remedy=where))
    node = entry.nodes[0] if entry.nodes else NodeEntry()
    listed = {
        "witness": node.witness_vkeys[:1],
        "node": (node.key,) if node.key else (),
        "hpke": (entry.hpke.id,) if entry.hpke is not UNSET else (),
    }
    for part, keys in listed.items():
        held = _held(holder, part)
        if keys and held and keys[0] != held:
            found.append(
                Apart(
                    what=f"{part} key",
                    why="the directory lists another than this folder holds",
                    remedy=f"tocsin key rotate --{part}",
                )
            )
    return found


def _held(holder: Keyholder, part: str) -> str:
    """The key of a folder as the directory would name it; "": none."""
    if part == "hpke":
        seed = load_hpke(holder.home, holder.party)
        return HpkeKey(seed).id if seed is not None else ""
    if part == "node":
        key = load_node_key(holder.home, holder.party)
        return b64encode(key.public) if key is not None else ""
    witness = load_witness_signer(holder.home, holder.party)
    return witness.vkeys()[0] if witness is not None else ""


def listing(holder: Keyholder, party: str) -> list[dict[str, Any]]:
    """Every key of a party as the log knows it: one row each, roots first.

    Raises:
        NotFoundError: the directory does not list the party.
    """
    entry = holder.directory.party(party)
    if entry is None:
        raise NotFoundError(f"{party} is not in the directory", remedy="see: tocsin party list")

    def row(role: str, id: str, **more: Any) -> dict[str, Any]:
        return {
            "role": role,
            "id": id,
            "kinds": [],
            "since": None,
            "until": None,
            "suspect_since": None,
            "reason": None,
            **more,
        }

    rows = [
        row("root", k.keyid, kinds=["directory", "key", "revoke"], threshold=entry.root.threshold)
        for k in entry.root.keys
    ]
    rows += [
        row(
            "signing",
            k.keyid,
            kinds=sorted(k.kinds),
            since=k.since,
            until=k.until,
            suspect_since=k.suspect_since,
            reason=k.reason or None,
        )
        for k in holder.history.ring.keys_of(party)
    ]
    for node in entry.nodes:
        rows += [row("log", _named(v), origin=node.origin) for v in node.log_vkeys]
        rows += [row("witness", _named(v)) for v in node.witness_vkeys]
        if node.key:
            rows.append(row("node", node.key))
    if entry.hpke is not UNSET:
        rows.append(row("hpke", entry.hpke.id))
    return rows


def _named(vkey: str) -> str:
    """A verifier key's name and id, without the key (which may hold a `+` of its own)."""
    return "+".join(vkey.split("+", 2)[:2])
