"""A party made: keys, log, directory version 1 and its `key` statement."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import UNSET

from tocsin.canonical import b64encode
from tocsin.errors import ConfigError, UsageError
from tocsin.flows.node import Node
from tocsin.record.directory import (
    Hpke,
    NodeEntry,
    Party,
    fingerprint,
    genesis,
    registrars_of,
    root_of,
)
from tocsin.record.envelope import sign
from tocsin.record.hpke import HpkeKey
from tocsin.record.keys import LogSigner, PublicKey, Signer
from tocsin.record.statement import KEY_CHAIN, PARTY_PATTERN, compose, key_body, time_text
from tocsin.stix import ids
from tocsin.wiring.folder import Config, fresh_folder, write_config
from tocsin.wiring.keys import (
    load_hpke,
    load_log_signer,
    load_node_key,
    load_signer,
    load_witness_signer,
    make_keys,
)
from tocsin.wiring.node import open_node
from tocsin.wiring.stores import refuse_used


def check_party_name(party: str) -> None:
    """Raises ConfigError unless `party` is a name the directory can hold."""
    if re.search(PARTY_PATTERN, party) is None:
        raise ConfigError(
            f"{party!r} is not a party's name",
            remedy="use a DNS name of yours in lower case, such as cert.northland.example",
        )


def check_name(name: str) -> None:
    """Raises ConfigError unless `name` is text that can be written down and shown."""
    # Marks that join letters (Persian, Hindi) stay; line ends, controls and broken bytes do not.
    strange = [c for c in name if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    if not name.strip() or strange:
        raise ConfigError(
            f"{name!r} is no organisation's name", remedy="give one line of text in UTF-8"
        )


def party_entry(
    home: Path,
    party: str,
    name: str,
    *,
    log: LogSigner | None,
    identity: str | None = None,
    url: str = "",
) -> Party:
    """What the directory is to say of a party: its name, identity and public keys, its node.

    Args:
        log: the log of its own node; None: it has no node.
        url: where that node answers others.
    """
    root = load_signer(home, party, "root")
    seed = load_hpke(home, party)
    hpke = HpkeKey(seed) if seed is not None else None
    return Party(
        id=party,
        name=name,
        root=root_of([PublicKey.of(root.public)]),
        identity=identity or ids.deterministic("identity", party),
        nodes=(node_entry(home, party, log, url),) if log else (),
        hpke=Hpke(id=hpke.id, public=b64encode(hpke.public)) if hpke else UNSET,
    )


def node_entry(home: Path, party: str, log: LogSigner, url: str) -> NodeEntry:
    """What the directory is to say of a party's own node: its log, its witness, its key."""
    witness = load_witness_signer(home, party)
    node = load_node_key(home, party)
    return NodeEntry(
        origin=log.name,
        url=url,
        key=b64encode(node.public) if node else "",
        log_vkeys=log.vkeys(),
        witness_vkeys=witness.vkeys() if witness else (),
    )


def check_url(url: str) -> str:
    """An address as the directory lists it, without a slash at its end; "" stays "".

    Raises:
        UsageError: it is none.
    """
    try:
        found = urlsplit(url)
        well = found.port != 0 and not found.query and found.scheme in ("https", "http")
        well = well and bool(found.hostname)
    except ValueError:
        well = False  # a port that is no number, half an IPv6 address
    if url and not well:
        raise UsageError(f"{url!r} is no address of a node", remedy="https://node.example")
    return url.rstrip("/")


def init(
    home: Path,
    party: str,
    name: str,
    *,
    config: Config | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    rng: Callable[[int], bytes] = secrets.token_bytes,
    members: Callable[[Path], list[Party]] | None = None,
    url: str = "",
) -> str:
    """Make a party: keys, log, directory version 1, its `key` statement. The fingerprint.

    Args:
        members: for the exercise: other parties whose keys are made in the same folder.
        url: where its node answers others, for the directory; "": nowhere.

    Raises:
        ConfigError: `party` is not a party's name.
        ConflictError: there is something in `home` already; nothing is changed.
    """
    check_party_name(party)
    check_name(name)
    url = check_url(url)
    with fresh_folder(home) as folder:
        return init_in(
            folder, party, name, config=config, clock=clock, rng=rng, members=members, url=url
        )


def init_in(
    folder: Path,
    party: str,
    name: str,
    *,
    config: Config | None,
    clock: Callable[[], datetime],
    rng: Callable[[int], bytes],
    members: Callable[[Path], list[Party]] | None,
    identity: str | None = None,
    url: str = "",
) -> str:
    make_keys(folder, party, log=True, rng=rng)
    log = load_log_signer(folder, party)
    root = load_signer(folder, party, "root")
    entries = [party_entry(folder, party, name, log=log, identity=identity, url=url)]
    if members is not None:
        entries += members(folder)
    body = genesis(registrars_of([(party, PublicKey.of(root.public))]), entries)
    envelope = sign(
        compose(
            author=party,
            key=root.keyid,
            kind="directory",
            seq=1,
            prev="",
            time=time_text(clock()),
            salt=rng(16).hex(),
            tlp="CLEAR",
            body=body,
        ),
        [root],
    )
    (folder / "root.json").write_bytes(envelope)
    config = config or Config(party=party, name=name)
    refuse_used(folder, config)
    write_config(folder, config)
    with open_node(folder, clock=clock, rng=rng) as node:
        for entry in entries:
            enrol(
                node,
                load_signer(folder, entry.id, "root"),
                load_signer(folder, entry.id, "signing"),
            )
    return fingerprint(envelope)


def enrol(node: Node, root: Signer, signing: Signer) -> None:
    """Log the `key` statement by which a party's root lets its signing key sign."""
    from tocsin.flows import intake

    with node.lock:
        last = node.store.chain(root.party, KEY_CHAIN)
        payload = compose(
            author=root.party,
            key=root.keyid,
            kind="key",
            seq=last.seq + 1 if last else 1,
            prev=last.head if last else "",
            time=time_text(node.clock()),
            salt=node.rng(16).hex(),
            tlp="CLEAR",
            body=key_body(signing.public),
        )
        intake.enter(node, sign(payload, [root]))
