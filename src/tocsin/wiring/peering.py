"""This node among others: its witnesses, itself as a witness, what looks at all logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tocsin.peers import Peers, WitnessClients, open_client
from tocsin.record.checkpoint import VerifierKey, usable
from tocsin.record.directory import KeyRing
from tocsin.record.keys import LogSigner
from tocsin.wiring.folder import Config
from tocsin.wiring.keys import load_witness_signer
from tocsin.wiring.policy_file import POLICY, PolicyFile

if TYPE_CHECKING:
    from tocsin.flows.node import Node
    from tocsin.flows.watch import Watch
    from tocsin.record.sequencer import Sequencer
    from tocsin.record.witness import Witness
    from tocsin.store.interface import Store


class Peering:
    """All ways to other nodes, made before the log is opened and closed after it.

    Args:
        home: the data folder.
        config: its `tocsin.toml`.
        signer: our log's keys.
        keyring: its newest directory says which keys other witnesses sign with.
    """

    def __init__(self, home: Path, config: Config, signer: LogSigner, keyring: KeyRing) -> None:
        self.policy = PolicyFile(home / POLICY, signer)
        self.keyring = keyring
        # What the operator wrote down may be on this machine; what a directory says, only where
        # this node itself is for this machine alone.
        self.witnesses = WitnessClients(
            lambda: self.policy.policy,
            keys=self._witness_keys,
            open=lambda url: open_client(url, own_machine=True),
        )
        self.peers = Peers(lambda url: open_client(url, own_machine=config.node.alone))

    def close(self) -> None:
        """Let go of all connections."""
        self.witnesses.close()
        self.peers.close()

    def _witness_keys(self, name: str) -> Sequence[VerifierKey]:
        # Only the party itself says which keys its witness has.
        entry = self.keyring.directory.party(name.partition("/")[0])
        nodes = entry.nodes if entry is not None else ()
        listed = usable(text for node in nodes for text in node.witness_vkeys)
        return [key for key in listed if key.name == name]


def watch_of(
    party: str,
    store: Store,
    own: Sequencer,
    peering: Peering,
    *,
    clock: Callable[[], datetime],
    publish: Callable[[bytes], str],
) -> Watch:
    """What looks at all logs for the node of `party`; `publish` as `say_fork`."""
    from tocsin.flows.watch import Watch

    return Watch(
        party=party,
        store=store,
        own=own,
        directory=lambda: peering.keyring.directory,
        peers=peering.peers,
        clock=clock,
        publish=publish,
        policy=lambda: peering.policy.state,
        everything=lambda: frozenset(store.audiences()),
        report=peering.witnesses.report,
    )


def witness_of(
    home: Path, party: str, watch: Watch, clock: Callable[[], datetime]
) -> Witness | None:
    """This node as a witness; None where its folder has no witness keys."""
    from tocsin.record.witness import Witness

    signer = load_witness_signer(home, party)
    if signer is None:
        return None
    return Witness(
        signer,
        watch.state,
        watch.witnessed_keys,
        clock,
        watch.stopped,
        watch.conflict,
        # Also of logs that the directory lists no more: an old backup of one has to be told.
        origins=watch.state.origins,
    )


def say_fork(node: Node, proof: bytes) -> str:
    """Publish a fork proof in our log, open to all; the statement's id.

    Raises:
        TocsinError: the log takes no writes now.
    """
    from tocsin.flows import intake
    from tocsin.record.fork import MEDIA_TYPE
    from tocsin.store.interface import Attachment

    found = Attachment.of(proof, MEDIA_TYPE)
    act = intake.Act(author=node.party, kind="say", tlp="CLEAR", objects=(found,))
    return intake.record(node, act).id
