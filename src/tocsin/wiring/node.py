"""A data folder opened as a `Node`: store, log, key ring."""

from __future__ import annotations

import gc
import logging
import os
import secrets
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

from tocsin.console.auth import Doors, Person
from tocsin.errors import RecordError, RollbackError, UnreadableError, UsageError
from tocsin.flows.node import Node
from tocsin.policy import UserRole
from tocsin.record.admission import ChainHead, admit
from tocsin.record.directory import KeyRing
from tocsin.record.envelope import open_statement
from tocsin.record.sequencer import Opened, Sequencer
from tocsin.record.statement import ROOT_KINDS
from tocsin.store.files import TileFiles
from tocsin.wiring.checking import Checkers
from tocsin.wiring.folder import Config, is_guest, load_config
from tocsin.wiring.keys import SigningKeys, load_log_signer, load_root
from tocsin.wiring.parser import load_parser
from tocsin.wiring.peering import Peering, say_fork, watch_of, witness_of
from tocsin.wiring.shipped import EXPORTERS, IMPORTERS, sheet_page
from tocsin.wiring.stores import open_store

log = logging.getLogger("tocsin.node")

GUEST_SCOPES = ("read", "publish", "sign", "export")


@contextmanager
def open_node(
    home: Path,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    rng: Callable[[int], bytes] = secrets.token_bytes,
    new_id: Callable[[str], str] = lambda kind: f"{kind}--{uuid.uuid4()}",
    url: str | None = None,
) -> Iterator[Node]:
    """Open a data folder: store, guards, then whatever was pending is finished.

    A store older than what this log has shown opens for reading; `log.halted` says so.

    Without a sequencer thread (`run_log`) each statement is logged by whoever submits it.

    Raises:
        NodeBusyError: another process holds the folder.
        UsageError: the party of this folder joined another's node, and has none.
        ConfigError: a key file is missing or readable by others.
    """
    config = load_config(home)
    _refuse_guest(home, config)
    log_signer = load_log_signer(home, config.party)
    root = _root_file(home)
    keyring = KeyRing(root)
    peering = Peering(home, config, log_signer, keyring)
    with ExitStack() as closing:
        store = open_store(home, config, clock=clock)
        closing.callback(store.close)
        closing.callback(peering.close)
        doors = Doors(store, clock=clock, rng=rng)
        folding = False

        def opened(batch: Sequence[Opened]) -> None:
            # What recovery finishes is folded with everything else, in `refold`.
            for item in batch if folding else ():
                if item.kind in ROOT_KINDS:
                    learn(keyring, item.index, item.raw)

        files = TileFiles(home / "data", home / "guard")
        sequencer = Sequencer(
            store=store,
            files=files,
            signer=log_signer,
            clock=clock,
            opened=opened,
            witnesses=peering.witnesses,
        )
        closing.callback(sequencer.close)
        workers = config.log.signature_workers
        checkers = Checkers(workers or os.cpu_count() or 1, processes=workers > 0)
        closing.callback(checkers.close)
        nodes: list[Node] = []
        watch = watch_of(
            config.party,
            store,
            sequencer,
            peering,
            clock=clock,
            publish=lambda proof: say_fork(nodes[0], proof),
        )
        # An old store is read, and never signed for: `log.halted` says why.
        with suppress(RollbackError):
            sequencer.recover()
        if files.read_guard() is None:
            log.warning("the head guard %s is lost: tocsin doctor", files.guard)
        node = Node(
            party=config.party,
            store=store,
            log=sequencer,
            root=root,
            policy_of=lambda: peering.policy.text,
            keyring=keyring,
            signers=SigningKeys(home, lambda p, k: keyring.state(p, k, None) == "valid"),
            registrar=load_root(home, config.party),
            new_token=lambda party: guest_token(doors, party),
            new_link=_links(doors, config.party, url) if url else None,
            importers=IMPORTERS,
            parser_of=load_parser,
            reads_with=config.reading.nlp,
            exporters=EXPORTERS,
            organisations=config.misp.organisations,
            clock=clock,
            rng=rng,
            new_id=new_id,
            sheet=sheet_page(),
            exercise=config.exercise,
            verifier=checkers,
            opener=checkers.open,
            witness=witness_of(home, config.party, watch, clock),
            watch=watch,
        )
        nodes.append(node)
        refold(node)
        watch.stop_own()
        folding = True
        yield node


def _refuse_guest(home: Path, config: Config) -> None:
    if is_guest(home, config):
        call = (
            f"tocsin --home {home}"
            if config.remote
            else f'TOCSIN_TOKEN="$(cat {home / "keys" / "token"})" tocsin --home {home} --node URL'
        )
        raise UsageError(
            f"{config.party} joined another party's node and has none of its own in {home}",
            remedy=f"its verbs talk to that node: {call} case list; for a node of your own ask for "
            "another invitation, and join with --node in another folder",
        )


def _links(doors: Doors, party: str, url: str) -> Callable[[str, UserRole], str]:
    """(person, role) → a sign-in link of this node, good once."""
    return lambda person, role: url + doors.link(Person(name=person, party=party, role=role))


def _root_file(home: Path) -> bytes:
    try:
        return (home / "root.json").read_bytes()
    except OSError as wrong:
        raise UnreadableError(
            f"{home / 'root.json'}: {wrong.strerror or wrong}",
            remedy="restore it from a backup, or from any other party of this directory",
        ) from wrong


def guest_token(doors: Doors, party: str) -> str:
    """A token for a party that has joined: to read what is meant for it, and to bring envelopes.

    One it had before ends: its reply was lost, or the party had left the directory meanwhile.
    """
    for held in doors.tokens():
        if held.label == "joined" and held.person.party == party:
            doors.revoke_token(held.id, "node")
    person = Person(name=party, party=party, role="signer")
    return doors.make_token(person, GUEST_SCOPES, timedelta(days=365), "joined")


COLLECT_AFTER = 20_000
"""New containers after which a running node looks for cycles. Python's own 700 are made by some
fifty statements, and a thousand that are on their way together were walked again and again."""


@contextmanager
def run_log(node: Node) -> Iterator[None]:
    """Run the sequencer in a thread of its own: many submitters share one commit."""
    stop = Event()
    thread = Thread(target=node.log.run, args=(stop,), name="sequencer", daemon=True)
    thread.start()
    thresholds = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        stop.set()
        thread.join(10)


def refold(node: Node) -> None:
    """Fold what the log holds of directories and keys into the ring, in log order.

    The root's own statement is entered first in a log that is still empty.
    """
    from tocsin.flows import intake, keys

    head = node.store.head()
    if head is None or head.size == 0:
        if node.log.halted is None:
            intake.enter(node, node.root)
        return
    for kept in keys.root_kinds(node):
        learn(node.keyring, kept.index, kept.raw)


def learn(keyring: KeyRing, index: int, raw: bytes) -> None:
    """Fold one logged statement into the ring, judged at its own place in the log.

    One that may not stand there (its key was revoked between admission and logging) changes
    nothing, now or at the next start.
    """
    if not raw:  # purged here: only its commitment is entered again
        return
    _, s = open_statement(raw)
    if s.kind not in ROOT_KINDS:
        return
    before = ChainHead(seq=s.seq - 1, head=s.prev) if s.seq > 1 else None
    try:
        verified = admit(raw, keyring=keyring, chain=before, index=index, markings=lambda _: None)
    except RecordError:
        return
    keyring.admit_key(verified, index)
