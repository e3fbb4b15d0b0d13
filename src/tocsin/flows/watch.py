"""Watching all logs, our own among them: who is asked, round after round, and what pages are told.

Each round asks every node of the directory for its checkpoint, for the fork proofs it knows, and
for what its witness holds of the logs we know. What they show is compared in `histories.py`. A
proven fork stops our cosigning, is published once, and is an alarm; a contradiction that no two
signatures prove is an alarm too, and goes when it is explained.
Spec: record.md, "Witness, forks, gossip".
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from tocsin.canonical import b64encode
from tocsin.errors import ForkError, NoteError, TocsinError, UnreachableError
from tocsin.flows.histories import Histories, Open, OwnLog, Tile, remember
from tocsin.flows.witnessing import Alarm, PeerRow, WitnessedLog, Witnessing, WitnessRow
from tocsin.record import fork as forks
from tocsin.record import gossip
from tocsin.record.checkpoint import Policy, VerifierKey
from tocsin.record.directory import Directory, NodeEntry
from tocsin.record.envelope import open_envelope
from tocsin.record.statement import MAX_SEEN, Seen, Statement, parse, time_text
from tocsin.record.witness import Conflict
from tocsin.store.interface import Kept, Store

log = logging.getLogger("tocsin.watch")

ORIGINS_A_ROUND = 16
"""Logs that each node's witness is asked about in one round; with more, they take turns."""
PAGE = 2_000
PAGES_A_ROUND = 10
"""Pages of statements whose `seen` is compared in one round."""
PATHS_A_ROUND = 64
"""Asked of other logs for the `seen` of statements; the rest waits."""
_LAST = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())


class PeersPort(Protocol):
    """What other nodes show to everybody; `tocsin.peers.Peers` is one. All raise TocsinError."""

    def checkpoint(self, url: str) -> bytes: ...
    def tile(self, url: str, path: str) -> bytes: ...
    def held(self, url: str, origin: str) -> bytes | None: ...
    def forks(self, url: str) -> list[bytes]: ...


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
        self._policy = policy
        self._everything = everything
        self._report = report
        self.histories = Histories(
            store=store,
            own=own,
            directory=directory,
            sources=self._sources,
            clock=clock,
            publish=publish,
            policy=lambda: policy()[0],
        )
        self.state = self.histories.state
        self.stopped = self.histories.stopped
        self.learn_fork = self.histories.learn_fork
        self._wake = threading.Event()
        # Only the thread of the rounds uses these.
        self._turn = 0
        self._right: OrderedDict[tuple[str, int, str], None] = OrderedDict()
        # Replaced by that thread, read by pages.
        self._met: dict[str, PeerRow] = {}

    def stop_own(self) -> None:
        """Have our own log take no writes, if it is forked or left behind: also after a restart."""
        self.histories.stop_own()
        self.histories.check_listed(self._party)

    # --- for the witness ----------------------------------------------------------------------

    def witnessed(self) -> list[str]:
        """The logs we cosign: all of the directory but those of our own party."""
        entry = self._directory().party(self._party)
        own = {self._own.origin, *(n.origin for n in (entry.nodes if entry else ()))}
        return [origin for origin in sorted(self._directory().origins()) if origin not in own]

    def witnessed_keys(self, origin: str) -> list[VerifierKey]:
        """`log_keys` for a log that we cosign; empty for any other."""
        return self.histories.log_keys(origin) if origin in self.witnessed() else []

    def conflict(self, found: Conflict) -> None:
        """Keep a log-signed request that contradicts what we hold; the next round weighs it."""
        self.histories.keep_evidence(found)
        self._wake.set()

    # --- for pages and for what is signed here --------------------------------------------------

    def alarms(self) -> list[Alarm]:
        """All alarms that stand, newest first."""
        return self.histories.alarms()

    def forks(self) -> list[bytes]:
        """The fork proofs known here, for whoever asks."""
        return self.histories.forks()

    def seen_others(self) -> tuple[Seen, ...]:
        """The newest checkpoints of other logs that our quorum has cosigned, sorted by origin."""
        # One place of a statement's `seen` is for our own log.
        return tuple(
            Seen(origin=h.origin, root=b64encode(h.root), size=h.size)
            for h in self.histories.cosigned()[: MAX_SEEN - 1]
        )

    def witnessing(self) -> Witnessing:
        """Who witnesses this log, and which logs this node witnesses."""
        policy, wrong = self._policy()
        own = self.histories.own_head()
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
                    lag=None if w.size is None else size - w.size,
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
            forks=self.histories.fork_rows(),
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
        self.histories.alive, self.histories.shown = set(), {}
        self.histories.check_listed(self._party)
        asked = [(party, node) for party, node in self._others()]
        for party, node in asked:
            if stop is not None and stop.is_set():
                return
            self._visit(party, node)
        self.histories.weigh_evidence()
        self.histories.meet_cosigned(self.witnessed())
        self.histories.try_again()
        self.histories.check_replaced(self._party)
        for _ in range(PAGES_A_ROUND):
            if not self._read_statements():
                break
        self.histories.say_forks()
        self._turn += 1

    def _visit(self, party: str, node: NodeEntry) -> None:
        met = self._met.get(node.url)
        error: str | None = None
        try:
            self._ask(node, party)
        except TocsinError as wrong:
            error = wrong.message
        except Exception:  # nor does what nobody thought of keep the others from being asked
            log.exception("gossip with %s", node.url)
            error = "what it shows made this program fail; the log of this node says how"
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
        known: list[bytes] = []
        tried(lambda: known.extend(self._peers.forks(node.url)))
        for raw in known:
            tried(partial(self.learn_fork, raw))
        for origin in self._origins():
            tried(partial(self._observe_witness, node, party, origin))
        if wrong:
            raise wrong[0]

    def _observe_log(self, node: NodeEntry, party: str) -> None:
        data = self._peers.checkpoint(node.url)
        met = self.histories.signed(data, f"the node of {party}")
        if node.origin and met.origin != node.origin:
            raise NoteError(
                f"{node.url} shows the log {met.origin[:80]!r}, and the directory says "
                f"{node.origin}",
                remedy="ask its operator, or a registrar",
            )
        self.histories.alive.add(met.origin)
        self.histories.shown[met.origin] = met
        self.histories.check_behind(met)
        self.histories.meet(met)

    def _observe_witness(self, node: NodeEntry, party: str, origin: str) -> None:
        data = self._peers.held(node.url, origin)
        if data is None:
            return
        met = self.histories.signed(data, f"the witness of {party}")
        if met.origin == origin:
            self.histories.meet(met)

    def _origins(self) -> list[str]:
        """The logs to ask about in this round, our own always among them."""
        known = [o for o in sorted(self._directory().origins()) if o != self._own.origin]
        if len(known) >= ORIGINS_A_ROUND:
            at = self._turn * (ORIGINS_A_ROUND - 1) % len(known)
            known = (known + known)[at : at + ORIGINS_A_ROUND - 1]
        return [self._own.origin, *known]

    # --- statements -----------------------------------------------------------------------------

    def _read_statements(self) -> bool:
        """What was logged since: the `seen` of each statement, and fork proofs in them.

        Whoever signs a statement names the checkpoints it knew. One that contradicts ours shows a
        split view, or that its author invents: without the log's signature nobody can say which.

        Returns:
            Whether there may be more.
        """
        row = self._store.local("watch", "statements")
        kept = self._store.statements(
            self._everything(), after_index=int(row.value) if row is not None else -1, limit=PAGE
        )
        if not kept:
            return False
        paths = 0
        for k in kept:
            statement = parse(open_envelope(k.raw).payload)
            for seen in statement.seen:
                paths += self._read_seen(seen, k, late=paths >= PATHS_A_ROUND)
            self._read_forks(statement, k.id)
        version = row.version if row is not None else None
        self._store.keep_local("watch", "statements", str(kept[-1].index).encode(), version)
        return len(kept) == PAGE

    def _read_seen(self, seen: Seen, kept: Kept, *, late: bool) -> bool:
        """Compare one; whether another log was asked for it."""
        foreign = seen.origin != self._own.origin
        if not foreign and kept.author == self._party:
            return False  # we wrote that ourselves, from the checkpoint we had published
        place = (seen.origin, seen.size, seen.root)
        if place in self._right or not self.histories.log_keys(seen.origin):
            return False
        met = gossip.said(seen, f"{kept.author} (statement {kept.id[:12]}…)")
        one = Open(met=met, statement=kept.id)
        if foreign and late:
            self.histories.wait_for(one)
        elif self.histories.meet(met, one):
            remember(self._right, place)
        return foreign

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

    def _sources(self, origin: str) -> Sequence[Tile]:
        """Whoever may have the tiles of another's log: the nodes that the directory says run it."""
        return [
            partial(self._peers.tile, node.url)
            for _, node in self._others()
            if node.origin == origin
        ]

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


def _time(seconds: int | None) -> str | None:
    """As pages show it. A witness may sign any time; one in no calendar is none."""
    if seconds is None or seconds > _LAST:
        return None
    return time_text(datetime.fromtimestamp(seconds, UTC))
