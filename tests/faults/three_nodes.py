"""Data folders of several parties in one directory, each with a node of its own, made at once.

What joining does over days and telephones: version 1 of the directory lists them all.
"""

from __future__ import annotations

import random
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

from tocsin.record.directory import genesis, registrars_of
from tocsin.record.envelope import sign
from tocsin.record.keys import PublicKey
from tocsin.record.statement import compose, time_text
from tocsin.wiring.folder import Config, LogConfig, NodeConfig, write_config
from tocsin.wiring.keys import load_log_signer, load_signer, load_witness_signer, make_keys
from tocsin.wiring.node import open_node
from tocsin.wiring.party import enrol, party_entry

GOSSIP_S = 0.3


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on. Another process may take one; then the test fails loudly.

    None of those that systems give to outgoing connections (32768 and up): between this probe and
    the node's own bind, and while a node is down, some neighbour's request would sit on it.
    """
    found: list[int] = []
    with ExitStack() as held:
        for port in random.SystemRandom().sample(range(10_240, 32_768), 200):
            probe = held.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise AssertionError("no free ports on this machine")


def federation(
    folder: Path,
    parties: Sequence[str],
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    gossip_s: float = GOSSIP_S,
    unlisted: Sequence[str] = (),
) -> list[Path]:
    """One data folder for each party, from one root file; the ports are in tocsin.toml.

    Args:
        unlisted: parties whose node has no address in the directory.
    """
    ports = free_ports(len(parties))
    homes = [folder / party.split(".")[1] for party in parties]
    entries = []
    for home, party, port in zip(homes, parties, ports, strict=True):
        home.mkdir(mode=0o700)
        make_keys(home, party, log=True, rng=secrets.token_bytes)
        config = Config(
            party=party,
            name=party,
            node=NodeConfig(port=port),
            log=LogConfig(gossip_s=gossip_s, sync_s=gossip_s),
        )
        write_config(home, config)
        url = f"http://127.0.0.1:{port}" if party not in unlisted else ""
        log = load_log_signer(home, party)
        entries.append(party_entry(home, party, party, log=log, url=url))
    registrar = load_signer(homes[0], parties[0], "root")
    body = genesis(registrars_of([(parties[0], PublicKey.of(registrar.public))]), entries)
    root = sign(
        compose(
            author=parties[0],
            key=registrar.keyid,
            kind="directory",
            seq=1,
            prev="",
            time=time_text(clock()),
            salt=secrets.token_hex(16),
            tlp="CLEAR",
            body=body,
        ),
        [registrar],
    )
    for home, party in zip(homes, parties, strict=True):
        (home / "root.json").write_bytes(root)
        with open_node(home, clock=clock) as node:
            enrol(node, load_signer(home, party, "root"), load_signer(home, party, "signing"))
    return homes


def url_of(home: Path) -> str:
    """Where the node of this folder answers."""
    from tocsin.wiring.folder import load_config

    return f"http://127.0.0.1:{load_config(home).node.port}"


def witnessed_by(home: Path, witnesses: Sequence[Path], quorum: str) -> None:
    """Write the policy of one node: these witnesses, and `quorum` of them (a number, or none)."""
    from tocsin.wiring.folder import load_config

    lines = []
    names = []
    for other in witnesses:
        signer = load_witness_signer(other, load_config(other).party)
        assert signer is not None
        names.append(other.name)
        lines.append(f"witness {other.name} {signer.vkeys()[0]} {url_of(other)}/witness")
    if quorum == "none":
        lines.append("quorum none")
    else:
        lines += [f"group witnesses {quorum} {' '.join(names)}", "quorum witnesses"]
    (home / "policy.txt").write_text("\n".join(lines) + "\n")
