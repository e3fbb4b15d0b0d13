"""Watching all logs, our own among them: who is asked, what is compared, what follows.

Each round asks every node of the directory for its checkpoint, for the fork proofs it knows, and
for what its witness holds of the logs we know. What contradicts is settled by the rules of
`record/gossip.py`. A proven fork stops our cosigning, is published once, and is an alarm; a
contradiction that no two signatures prove is an alarm too, and goes when it is explained.
Spec: record.md, "Witness, forks, gossip".
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from msgspec import Struct, structs

from tocsin.canonical import b64encode
from tocsin.errors import ForkError, LogHalted, NoteError, TocsinError, UnreachableError
from tocsin.flows.witnessing import (
    Alarm,
    AlarmKind,
    ForkRow,
    LocalWitnessState,
    PeerRow,
    Rows,
    WitnessedLog,
    Witnessing,
    WitnessRow,
)
from tocsin.record import checkpoint as notes
from tocsin.record import fork as forks
from tocsin.record import gossip, merkle
from tocsin.record.checkpoint import Policy, VerifierKey, open_vkey
from tocsin.record.directory import Directory, NodeEntry
from tocsin.record.envelope import open_envelope
from tocsin.record.statement import MAX_SEEN, Seen, Statement, parse, time_text
from tocsin.record.tiles import HashReader
from tocsin.record.witness import Conflict
from tocsin.store.interface import Store

log = logging.getLogger("tocsin.watch")

ORIGINS_A_ROUND = 16
"""Logs that each node's witness is asked about in one round; with more, they take turns."""
STATEMENTS_A_ROUND = 2_000
"""Whose `seen` is compared in one round."""
PATHS_A_ROUND = 64
"""Asked of other logs for the `seen` of statements; the rest waits."""
OPEN_A_LOG = 64
"""Heads of one log that wait for an explanation; more of them would say nothing new."""
EVIDENCE_A_LOG = 100
REMEMBERED = 8_192


class PeersPort(Protocol):
    """What other nodes show to everybody; `tocsin.peers.Peers` is one. All raise TocsinError."""

    def checkpoint(self, url: str) -> bytes: ...
    def tile(self, url: str, path: str) -> bytes: ...
    def held(self, url: str, origin: str) -> bytes | None: ...
    def forks(self, url: str) -> list[bytes]: ...


class OwnLog(Protocol):
    """This node's own log; `record.sequencer.Sequencer` is one."""

    @property
    def origin(self) -> str: ...
    @property
    def checkpoint(self) -> bytes: ...
    @property
    def halted(self) -> str | None: ...
    def tile(self, path: str) -> bytes | None: ...
    def halt(self, why: str) -> None: ...


class _Observed(Struct, frozen=True, kw_only=True):
    """The newest checkpoint of another log that lies in one history with all before it."""

    newest: gossip.Head
    seen: gossip.Head | None = None
    """The newest one that our policy's quorum has cosigned."""


class _Fork(Struct, frozen=True, kw_only=True):
    proof: bytes
    since: str
    statement: str | None = None
    """Of our log, said by us or by somebody else."""


class _Evidence(Struct, frozen=True, kw_only=True):
    """A log-signed request that contradicted what our witness held."""

    note: bytes
    held: bytes
    proof: tuple[bytes, ...]
    since: str


class _Open(Struct, frozen=True, kw_only=True):
    """A head that could not be brought together with what is held, yet."""

    met: gossip.Head
    silent: int = 0
    alarm: str = ""
    """The key of the alarm it raised; "": none so far."""
    statement: str | None = None


class Watch:
    """What this node knows of all logs. `round` is one turn of gossip; `run` is the thread.

    Args:
        party: whose node this is.
        store: alarms, evidence and what was observed are its local rows.
        own: this node's log.
        directory: the newest directory.
        peers: the way to other nodes.
        clock: aware UTC now.
        publish: a fork proof → the id of the statement that says it.
        policy: (the policy in force, why the file on disk is not).
        everything: all audiences: what is compared is every statement, whoever may read it.
        report: how the witnesses of our policy stand, as `peers.WitnessClients.report`.
    """

    def __init__(
        self,
        *,
        party: str,
        store: Store,
        own: OwnLog,
        directory: Callable[[], Directory],
        peers: PeersPort,
        clock: Callable[[], datetime],
        publish: Callable[[bytes], str],
        policy: Callable[[], tuple[Policy, str | None]],
        everything: Callable[[], frozenset[int]],
        report: Callable[[], Sequence[Any]] = lambda: (),
    ) -> None:
        self._party = party
        self._store = store
        self._own = own
        self._directory = directory
        self._peers = peers
        self._clock = clock
        self._publish = publish
        self._policy = policy
        self._everything = everything
        self._report = report
        self.state = LocalWitnessState(store)
        self._alarms = Rows(store, "alarm", Alarm)
        self._observed = Rows(store, "observed", _Observed)
        self._forks = Rows(store, "fork", _Fork)
        self._evidence = Rows(store, "evidence", _Evidence)
        self._open = Rows(store, "open-head", _Open)
        self._wake = threading.Event()
        # Read by request handlers, replaced by whoever learns of a fork.
        self._stopped: frozenset[str] = frozenset(key for key, _ in self._forks.items())
        # Only the thread of the rounds uses these.
        self._turn = 0
        self._alive: set[str] = set()
        self._known_paths: OrderedDict[tuple[str, int, bytes, int, bytes], None] = OrderedDict()
        self._right: OrderedDict[tuple[str, int, str], None] = OrderedDict()
        # Replaced by that thread, read by pages.
        self._met: dict[str, PeerRow] = {}

    # --- for the witness ----------------------------------------------------------------------

    def log_keys(self, origin: str) -> list[VerifierKey]:
        """The keys with which the directory says this log signs; empty: it knows no such log."""
        return [open_vkey(text) for text in self._directory().origins().get(origin, ())]

    def witnessed(self) -> list[str]:
        """The logs we cosign: all of the directory but those of our own party."""
        entry = self._directory().party(self._party)
        own = {self._own.origin, *(n.origin for n in (entry.nodes if entry else ()))}
        return [origin for origin in sorted(self._directory().origins()) if origin not in own]

    def witnessed_keys(self, origin: str) -> list[VerifierKey]:
        """`log_keys` for a log that we cosign; empty for any other."""
        return self.log_keys(origin) if origin in self.witnessed() else []

    def witness_keys(self, name: str) -> list[VerifierKey]:
        """The keys with which the directory says the witness of this name cosigns."""
        listed = (n.witness_vkeys for p in self._directory().parties for n in p.nodes)
        return [key for texts in listed for key in map(open_vkey, texts) if key.name == name]

    def stopped(self, origin: str) -> bool:
        """Whether we cosign this log no more: a fork of it is proven."""
        return origin in self._stopped

    def conflict(self, found: Conflict) -> None:
        """Keep a log-signed request that contradicts what we hold; the next round weighs it."""
        key = f"{found.origin} {hashlib.sha256(found.note).hexdigest()}"
        if len(self._evidence.items(f"{found.origin} ")) < EVIDENCE_A_LOG:
            self._evidence.put(
                key,
                _Evidence(
                    note=found.note,
                    held=found.held.note,
                    proof=found.proof,
                    since=self._stamp(),
                ),
            )
        if found.fork is not None:  # nothing has to be asked for: we stop before we answer
            self.learn_fork(forks.write_fork(found.fork))
        self._wake.set()

    # --- for pages and for what is signed here --------------------------------------------------

    def alarms(self) -> list[Alarm]:
        """All alarms that stand, newest first."""
        found = [alarm for _, alarm in self._alarms.items()]
        return sorted(found, key=lambda a: (a.since, a.key), reverse=True)

    def forks(self) -> list[bytes]:
        """The fork proofs known here, for whoever asks."""
        return [fork.proof for _, fork in self._forks.items()]

    def seen_others(self) -> tuple[Seen, ...]:
        """The newest checkpoints of other logs that our quorum has cosigned, sorted by origin."""
        heads = [
            observed.seen
            for origin, observed in self._observed.items()
            if observed.seen is not None and not self.stopped(origin)
        ]
        # One place of a statement's `seen` is for our own log.
        return tuple(
            Seen(origin=h.origin, root=b64encode(h.root), size=h.size)
            for h in heads[: MAX_SEEN - 1]
        )

    def witnessing(self) -> Witnessing:
        """Who witnesses this log, and which logs this node witnesses."""
        policy, wrong = self._policy()
        own = self._own_head()
        size = own.size if own else 0
        held = {origin: self.state.read(origin) for origin in self.witnessed()}
        return Witnessing(
            quorum=policy.quorum,
            policy_error=wrong,
            witnesses=tuple(
                WitnessRow(
                    name=w.name,
                    key=w.key,
                    url=w.url,
                    size=w.size,
                    lag=None if w.size is None else max(0, size - w.size),
                    time=_time(w.time),
                    error=w.error,
                )
                for w in self._report()
            ),
            logs=tuple(
                WitnessedLog(
                    origin=origin,
                    size=h.size if h else 0,
                    time=_time(h.time) if h else None,
                    stopped=self.stopped(origin),
                )
                for origin, h in held.items()
            ),
            peers=tuple(
                self._met.get(n.url, PeerRow(party=p, url=n.url, time=None, error=None))
                for p, n in self._others()
            ),
            forks=tuple(
                ForkRow(origin=o, sizes=_sizes(f.proof), since=f.since, statement=f.statement)
                for o, f in self._forks.items()
            ),
        )

    # --- rounds -------------------------------------------------------------------------------

    def run(self, stop: threading.Event, wait: Callable[[], float]) -> None:
        """Round after round until `stop` is set; `wait` gives the seconds between two."""
        while not stop.is_set():
            try:
                self.round(stop)
            except Exception:  # the next round may find things mended
                log.exception("a round of gossip failed")
            if not stop.is_set():
                self._wake.wait(wait())
            self._wake.clear()

    def wake(self) -> None:
        """Begin the next round now."""
        self._wake.set()

    def round(self, stop: threading.Event | None = None) -> None:
        """Ask every other node once, compare, and say what is proven."""
        self._alive = set()
        asked = [(party, node) for party, node in self._others()]
        for party, node in asked:
            if stop is not None and stop.is_set():
                return
            self._visit(party, node)
        self._weigh_evidence()
        for _, one in self._open.items():
            self._meet(one.met, one)
        self._read_statements()
        self._say_forks()
        self._turn += 1

    def _visit(self, party: str, node: NodeEntry) -> None:
        met = self._met.get(node.url)
        error: str | None = None
        try:
            self._ask(node, party)
        except TocsinError as wrong:
            error = wrong.message
        row = PeerRow(
            party=party,
            url=node.url,
            time=self._stamp() if error is None else (met.time if met else None),
            error=error,
        )
        self._met = self._met | {node.url: row}

    def _ask(self, node: NodeEntry, party: str) -> None:
        """All that one node shows. Raises the first thing that was wrong, after all was asked."""
        wrong: list[TocsinError] = []

        def tried(work: Callable[[], None]) -> None:
            try:
                work()
            except UnreachableError:
                raise  # nor will it answer the next question
            except TocsinError as error:
                wrong.append(error)

        tried(lambda: self._observe_log(node, party))
        for raw in self._peers.forks(node.url):
            tried(partial(self.learn_fork, raw))
        for origin in self._origins():
            tried(partial(self._observe_witness, node, party, origin))
        if wrong:
            raise wrong[0]

    def _observe_log(self, node: NodeEntry, party: str) -> None:
        data = self._peers.checkpoint(node.url)
        met = self._signed(data, f"the node of {party}")
        if node.origin and met.origin != node.origin:
            raise NoteError(
                f"{node.url} shows the log {met.origin[:80]!r}, and the directory says "
                f"{node.origin}",
                remedy="ask its operator, or a registrar",
            )
        self._alive.add(met.origin)
        self._check_behind(met)
        self._meet(met)

    def _observe_witness(self, node: NodeEntry, party: str, origin: str) -> None:
        data = self._peers.held(node.url, origin)
        if data is None:
            return
        met = self._signed(data, f"the witness of {party}")
        if met.origin == origin:
            self._meet(met)

    def _origins(self) -> list[str]:
        """The logs to ask about in this round, our own always among them."""
        known = [o for o in sorted(self._directory().origins()) if o != self._own.origin]
        if len(known) >= ORIGINS_A_ROUND:
            at = self._turn * (ORIGINS_A_ROUND - 1) % len(known)
            known = (known + known)[at : at + ORIGINS_A_ROUND - 1]
        return [self._own.origin, *known]

    def _check_behind(self, met: gossip.Head) -> None:
        """A log shows less than it has signed: an old store, or it hides something."""
        key = f"behind/{met.origin}"
        most = max((head.size for head in self._held(met.origin)), default=0)
        if met.size < most:
            self._raise(
                key,
                "behind",
                met.origin,
                f"{met.origin} has signed size {most}, and {met.source} shows size {met.size}",
                "ask its operator whether an old backup runs there; nothing is proven by this",
            )
        else:
            self._alarms.drop(key)

    # --- comparing ----------------------------------------------------------------------------

    def _signed(self, data: bytes, source: str) -> gossip.Head:
        """A head that a log of the directory has signed. Raises NoteError."""
        origin = notes.open_checkpoint(notes.open_note(data).text).origin
        return gossip.head_of(data, self.log_keys(origin), source)

    def _meet(self, met: gossip.Head, before: _Open | None = None) -> bool | None:
        """Compare a head with what is held of its log, and draw the consequences.

        Args:
            before: it waits already.

        Returns:
            True: one history. False: it contradicts. None: nobody can say yet.
        """
        if met.size == 0 or self.stopped(met.origin):
            self._close(met)
            return None
        own = met.origin == self._own.origin
        newest = self._own_head()
        if not own:
            verdict = gossip.meet(self._held(met.origin), met)
        elif newest is not None:
            verdict = gossip.compare_own(newest, partial(self._own_root, newest.size), met)
        else:
            return None
        silent = before.silent if before is not None else 0
        if isinstance(verdict, gossip.NeedsPath):
            verdict, silent = self._settle(verdict, silent)
        if isinstance(verdict, gossip.Fork):
            self.learn_fork(forks.write_fork(verdict.proof))
            return False
        if isinstance(verdict, gossip.Unexplained):
            self._wait(met, before, silent, verdict)
            return False
        if isinstance(verdict, gossip.Consistent) or (verdict is None and met.note is not None):
            self._close(met)
            if not own and met.note is not None:
                self._remember(met)
            return True
        self._wait(met, before, silent, None)
        return None

    def _settle(
        self, need: gossip.NeedsPath, silent: int
    ) -> tuple[gossip.Settled | gossip.NeedsPath, int]:
        """Ask for the path between two sizes; what it makes of them, or that nobody answers."""
        old, new = need.old, need.new
        pair = (need.origin, old.size, old.root, new.size, new.root)
        if pair in self._known_paths:
            return gossip.Consistent(origin=need.origin), 0
        settled: gossip.Settled | None = None
        for reader in self._readers(need.origin, new.size):
            try:
                path = forks.fork_path(reader, old.size, new.size)
            except UnreachableError:
                continue
            except TocsinError as wrong:
                settled = gossip.Unexplained(a=old, b=new, why=wrong.message)
                continue
            settled = gossip.resolve(need, path)
            if not isinstance(settled, gossip.Unexplained):
                break
        if settled is None:
            question = gossip.Question(need=need, silent=silent)
            left = gossip.unanswered(question, alive=need.origin in self._alive)
            if isinstance(left, gossip.Question):
                return need, left.silent
            return left, silent
        if isinstance(settled, gossip.Consistent):
            _remember(self._known_paths, pair)
        return settled, 0

    def _readers(self, origin: str, size: int) -> Iterator[HashReader]:
        """Whoever may have the tiles of this log."""
        if origin == self._own.origin:
            yield HashReader(size, self._own_tile)
            return
        for _, node in self._others():
            if node.origin == origin:
                yield HashReader(size, partial(self._peers.tile, node.url))

    def _own_tile(self, path: str) -> bytes:
        data = self._own.tile(path)
        if data is None:
            raise UnreachableError(
                f"{path} of {self._own.origin} is not there", remedy="restart this node"
            )
        return data

    def _own_root(self, newest: int, size: int) -> bytes:
        return merkle.range_root(0, size, HashReader(newest, self._own_tile))

    def _own_head(self) -> gossip.Head | None:
        """What we published last; after a halt, what the store holds."""
        try:
            data = self._own.checkpoint
        except LogHalted:
            stored = self._store.head()
            if stored is None:
                return None
            data = stored.checkpoint
        head = notes.open_checkpoint(notes.open_note(data).text)
        return gossip.Head(
            origin=head.origin, size=head.size, root=head.root, note=data, source="this node"
        )

    def _held(self, origin: str) -> list[gossip.Head]:
        """What others' heads of a log are compared with: our witness's, and the newest observed."""
        found = []
        held = self.state.read(origin)
        if held is not None and held.size:
            found.append(
                gossip.Head(
                    origin=origin,
                    size=held.size,
                    root=held.root,
                    note=held.note,
                    source="our witness",
                )
            )
        observed = self._observed.get(origin)
        if observed is not None:
            found.append(observed.newest)
        return found

    def _remember(self, met: gossip.Head) -> None:
        held = self._observed.get(met.origin)
        newest = held.newest if held is not None and held.newest.size >= met.size else met
        seen = held.seen if held is not None else None
        if (seen is None or seen.size < met.size) and self._has_quorum(met):
            seen = met
        new = _Observed(newest=newest, seen=seen)
        if new != held:
            self._observed.put(met.origin, new)

    def _has_quorum(self, met: gossip.Head) -> bool:
        """Whether the witnesses that we trust have cosigned another's checkpoint."""
        policy, _ = self._policy()
        names = {key: name for name, key in policy.witnesses.items()}
        try:
            note = notes.open_note(met.note or b"")
            lines = notes.verify_note(note, [*self.log_keys(met.origin), *names])
        except NoteError:
            return False
        return policy.satisfied(names[line.key] for line in lines if line.key in names)

    # --- what waits for an explanation ----------------------------------------------------------

    def _wait(
        self, met: gossip.Head, before: _Open | None, silent: int, wrong: gossip.Unexplained | None
    ) -> None:
        key = _key(met)
        held = self._open.get(key)
        if held is None and len(self._open.items(f"{met.origin} ")) >= OPEN_A_LOG:
            return
        base = held or before or _Open(met=met)
        alarm = self._unexplained(met, wrong, base.statement) if wrong is not None else base.alarm
        new = structs.replace(base, silent=silent, alarm=alarm)
        if new != held:
            self._open.put(key, new)

    def _unexplained(
        self, met: gossip.Head, wrong: gossip.Unexplained, statement: str | None
    ) -> str:
        """Raise the alarm; its key."""
        ours = met.origin == self._own.origin
        if ours and met.note is not None:
            key = f"rollback/{met.origin}"
            why = (
                f"{met.source} shows size {met.size} of our own log: {wrong.why}; this store is "
                "an old one, or another node signs with our keys"
            )
            self._stop_own(why)
            self._raise(
                key,
                "rollback",
                met.origin,
                why,
                "stop this node; restore the newest store, or start a new log: "
                "tocsin key rotate --log",
            )
            return key
        key = f"unexplained/{met.origin}"
        if met.note is None:
            key += f" {met.size} {b64encode(met.root)}"
        self._raise(
            key,
            "unexplained",
            met.origin,
            f"{met.origin}: {met.source} shows size {met.size} with root {b64encode(met.root)}, "
            f"and {wrong.why}",
            f"no fork is proven; ask {met.source} and the log's operator for the signed "
            "checkpoints and the tiles",
            statement,
        )
        return key

    def _close(self, met: gossip.Head) -> None:
        """It is explained, or does not matter any more."""
        key = _key(met)
        one = self._open.get(key)
        if one is None:
            return
        self._open.drop(key)
        others = (other.alarm for _, other in self._open.items(f"{met.origin} "))
        if one.alarm and one.alarm not in others:
            self._alarms.drop(one.alarm)

    # --- evidence and forks -----------------------------------------------------------------

    def _weigh_evidence(self) -> None:
        """Log-signed requests that contradicted what our witness held, once more with tiles."""
        for _, one in self._evidence.items():
            try:
                met = self._signed(one.note, "a request to our witness")
                held = self._signed(one.held, "our witness")
            except NoteError:
                continue  # the directory has other keys for that log now; the row is kept
            if self.stopped(met.origin):
                continue
            old, new = (held, met) if held.size <= met.size else (met, held)
            if (met.origin, old.size, old.root, new.size, new.root) not in self._known_paths:
                self._meet(met)

    def learn_fork(self, raw: bytes, statement: str | None = None) -> None:
        """Check a fork proof, by whomever, and draw the consequences.

        Args:
            raw: the proof as a file.
            statement: the statement of our log that holds it.

        Raises:
            ForkError: it proves nothing, or the log is not in our directory.
        """
        proof = forks.open_fork(raw)
        held = self._forks.get(proof.origin)
        if held is None:
            a, b = forks.verify_fork(proof, self.log_keys(proof.origin))
            held = _Fork(proof=raw, since=self._stamp(), statement=statement)
            self._forks.put(proof.origin, held)
            self._stopped |= {proof.origin}
            log.warning("a fork is proven: %s, sizes %d and %d", proof.origin, a.size, b.size)
            # It explains whatever contradicted before.
            for _, one in self._open.items(f"{proof.origin} "):
                self._close(one.met)
            for kind in ("unexplained", "rollback", "behind"):
                self._alarms.drop(f"{kind}/{proof.origin}")
            self._raise_fork(proof.origin, held)
        elif held.statement is None and statement is not None:
            self._said(proof.origin, held, statement)

    def _raise_fork(self, origin: str, fork: _Fork) -> None:
        m, n = _sizes(fork.proof)
        if origin == self._own.origin:
            detail = (
                f"our own log {origin} has signed two histories (sizes {m} and {n}): two nodes run "
                "with its keys, or an old store went on"
            )
            remedy = "stop this node, keep both stores, start a new log: tocsin key rotate --log"
            self._stop_own(detail)
        else:
            detail = f"{origin} has signed two histories (sizes {m} and {n}); the proof is kept"
            remedy = "trust nothing of that log that other logs do not hold; ask its operator"
        self._raise(f"fork/{origin}", "fork", origin, detail, remedy, fork.statement)

    def stop_own(self) -> None:
        """Have our own log take no writes, if a fork of it is proven: also after a restart."""
        fork = self._forks.get(self._own.origin)
        if fork is not None:
            self._raise_fork(self._own.origin, fork)

    def _stop_own(self, why: str) -> None:
        if self._own.halted is None:
            self._own.halt(why)

    def _say_forks(self) -> None:
        """Publish what is proven, once. Of our own log others speak: its word is worth little."""
        for origin, fork in self._forks.items():
            if fork.statement is None and origin != self._own.origin:
                try:
                    self._said(origin, fork, self._publish(fork.proof))
                except TocsinError as wrong:  # the log is halted, for one: the next round tries
                    log.warning("a fork proof is not published yet: %s", wrong.message)

    def _said(self, origin: str, fork: _Fork, statement: str) -> None:
        said = structs.replace(fork, statement=statement)
        self._forks.put(origin, said)
        self._raise_fork(origin, said)

    # --- statements -----------------------------------------------------------------------------

    def _read_statements(self) -> None:
        """What was logged since: the `seen` of each statement, and fork proofs in them.

        Whoever signs a statement names the checkpoints it knew. One that contradicts ours shows a
        split view, or that its author invents: without the log's signature nobody can say which.
        """
        row = self._store.local("watch", "statements")
        kept = self._store.statements(
            self._everything(),
            after_index=int(row.value) if row is not None else -1,
            limit=STATEMENTS_A_ROUND,
        )
        paths = 0
        for k in kept:
            statement = parse(open_envelope(k.raw).payload)
            for seen in statement.seen:
                place = (seen.origin, seen.size, seen.root)
                if place in self._right or not self.log_keys(seen.origin):
                    continue
                source = f"{k.author} (statement {k.id[:12]}…)"
                one = _Open(met=gossip.said(seen, source), statement=k.id)
                paths += seen.origin != self._own.origin
                if paths > PATHS_A_ROUND:
                    self._wait(one.met, None, 0, None)
                elif self._meet(one.met, one):
                    _remember(self._right, place)
            self._read_forks(statement, k.id)
        if kept:
            version = row.version if row is not None else None
            self._store.keep_local("watch", "statements", str(kept[-1].index).encode(), version)

    def _read_forks(self, statement: Statement, id: str) -> None:
        """A fork proof that somebody says is checked, and then as good as one of our own."""
        for ref in statement.objects if statement.kind != "withdraw" else ():
            if ref.type != forks.MEDIA_TYPE:
                continue
            found = self._store.object(ref.sha256, self._everything())
            try:
                if found is not None:
                    self.learn_fork(found.raw, id)
            except ForkError as wrong:
                log.warning("%s says a fork proof that proves nothing: %s", statement.author, wrong)

    # --- the rest -------------------------------------------------------------------------------

    def _raise(
        self,
        key: str,
        kind: AlarmKind,
        origin: str,
        detail: str,
        remedy: str,
        statement: str | None = None,
    ) -> None:
        held = self._alarms.get(key)
        new = Alarm(
            key=key,
            kind=kind,
            origin=origin,
            detail=detail,
            remedy=remedy,
            since=held.since if held else self._stamp(),
            statement=statement or (held.statement if held else None),
        )
        if new != held:
            self._alarms.put(key, new)
        if held is None:
            log.warning("%s", detail)

    def _others(self) -> list[tuple[str, NodeEntry]]:
        """Every node of other parties that has an address."""
        return [
            (party.id, node)
            for party in self._directory().parties
            if party.id != self._party
            for node in party.nodes
            if node.url
        ]

    def _stamp(self) -> str:
        return time_text(self._clock())


def _key(met: gossip.Head) -> str:
    signed = "signed" if met.note is not None else "said"
    return f"{met.origin} {met.size} {b64encode(met.root)} {signed}"


def _remember(kept: OrderedDict[Any, None], key: Any) -> None:
    kept[key] = None
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)


def _sizes(proof: bytes) -> tuple[int, int]:
    fork = forks.open_fork(proof)
    a, b = (notes.open_checkpoint(notes.open_note(data).text) for data in (fork.a, fork.b))
    return a.size, b.size


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else time_text(datetime.fromtimestamp(seconds, UTC))
