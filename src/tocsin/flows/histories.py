"""Histories of logs: what this node holds of each, and what follows from a head it meets.

The rules are `record/gossip.py`'s; here they are given paths out of tiles, and what they find is
kept: the newest head observed, heads that wait for an explanation, evidence, forks, alarms.
Spec: record.md, "Witness, forks, gossip".
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from msgspec import Struct, structs

from tocsin.canonical import b64encode
from tocsin.errors import LogHalted, NoteError, TocsinError, UnreachableError
from tocsin.flows.witnessing import Alarm, AlarmKind, ForkRow, LocalWitnessState, Rows
from tocsin.record import checkpoint as notes
from tocsin.record import fork as forks
from tocsin.record import gossip, merkle
from tocsin.record.checkpoint import Policy, VerifierKey
from tocsin.record.directory import Directory
from tocsin.record.origins import log_number, log_origin, newest_log
from tocsin.record.statement import time_text
from tocsin.record.tiles import HashReader
from tocsin.record.witness import Conflict
from tocsin.store.interface import Store

log = logging.getLogger("tocsin.watch")

OPEN_A_LOG = 64
"""Signed heads of one log that wait for an explanation; more of them would say nothing new."""
OPEN_A_PARTY = 8
"""Heads of one log that one party says and no log has signed: anybody can say any number of them,
and none may keep out what others say, or what a log has signed."""
EVIDENCE_A_LOG = 100
REMEMBERED = 8_192

Tile = Callable[[str], bytes]
"""path → a tile of one log. Raises UnreachableError."""


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


class Open(Struct, frozen=True, kw_only=True):
    """A head that could not be brought together with what is held, yet."""

    met: gossip.Head
    silent: int = 0
    alarm: str = ""
    """The key of the alarm it raised; "": none so far."""
    statement: str | None = None


class Histories:
    """What this node holds of all logs, its own among them, and what contradicts it.

    `meet`, `weigh_evidence` and `say_forks` are for one thread; the rest is safe from any.

    Args:
        store: whatever is kept is local rows of it.
        own: this node's log.
        directory: the newest directory.
        sources: a log's origin → whoever may have its tiles.
        clock: aware UTC now.
        publish: a fork proof → the id of the statement that says it.
        policy: the policy in force.
    """

    def __init__(
        self,
        *,
        store: Store,
        own: OwnLog,
        directory: Callable[[], Directory],
        sources: Callable[[str], Sequence[Tile]],
        clock: Callable[[], datetime],
        publish: Callable[[bytes], str],
        policy: Callable[[], Policy],
    ) -> None:
        self._store = store
        self._own = own
        self._directory = directory
        self._sources = sources
        self._clock = clock
        self._publish = publish
        self._policy = policy
        self.state = LocalWitnessState(store)
        self._alarms = Rows(store, "alarm", Alarm)
        self._observed = Rows(store, "observed", _Observed)
        self._forks = Rows(store, "fork", _Fork)
        self._evidence = Rows(store, "evidence", _Evidence)
        self._open = Rows(store, "open-head", Open)
        # Read by request handlers, replaced by whoever learns of a fork.
        self._stopped: frozenset[str] = frozenset(key for key, _ in self._forks.items())
        # Held from looking whether a fork is known to keeping it: a request and a round may both
        # find it, and it is published once.
        self._learning = threading.Lock()
        self.alive: set[str] = set()
        """Logs that have answered something in this round."""
        self.shown: dict[str, gossip.Head] = {}
        """What nodes have shown of their own logs in this round, by origin."""
        self._short: dict[str, int] = {}
        self._known_paths: OrderedDict[tuple[str, int, bytes, int, bytes], None] = OrderedDict()

    def log_keys(self, origin: str) -> list[VerifierKey]:
        """The keys with which the directory says this log signs; empty: it knows no such log."""
        return notes.usable(self._directory().origins().get(origin, ()))

    def stopped(self, origin: str) -> bool:
        """Whether we cosign this log no more: a fork of it is proven."""
        return origin in self._stopped

    def keep_evidence(self, found: Conflict) -> None:
        """Keep a log-signed request that contradicts what our witness holds."""
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

    # --- for pages and for what is signed here --------------------------------------------------

    def alarms(self) -> list[Alarm]:
        """All alarms that stand, newest first."""
        found = [alarm for _, alarm in self._alarms.items()]
        return sorted(found, key=lambda a: (a.since, a.key), reverse=True)

    def forks(self) -> list[bytes]:
        """The fork proofs known here, for whoever asks."""
        return [fork.proof for _, fork in self._forks.items()]

    def fork_rows(self) -> tuple[ForkRow, ...]:
        """The same, for pages."""
        return tuple(
            ForkRow(origin=o, sizes=_sizes(f.proof), since=f.since, statement=f.statement)
            for o, f in self._forks.items()
        )

    def cosigned(self) -> list[gossip.Head]:
        """The newest heads of other logs that our policy's quorum has cosigned, by origin."""
        return [
            observed.seen
            for origin, observed in self._observed.items()
            if observed.seen is not None and not self.stopped(origin)
        ]

    def check_behind(self, met: gossip.Head) -> None:
        """A log shows less than it has signed: an old store, or it hides something."""
        if self.stopped(met.origin):
            return  # what is known of it is worse
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

    def check_replaced(self, own: str) -> None:
        """A log that left the directory goes on in another of its party, with all it had signed.

        `key rotate --log` says every statement again, in the same order. Who would drop some of
        them begins a new log too, and no two signatures contradict each other.

        Args:
            own: our own party; we know what we have done.
        """
        listed = self._directory().origins()
        for origin, observed in self._observed.items():
            party = origin.partition("/")[0]
            now = [h for o, h in self.shown.items() if o.partition("/")[0] == party]
            if origin in listed or party == own or not now:
                continue
            old = max([*self._held(origin), observed.newest], key=lambda head: head.size)
            key = f"replaced/{origin}"
            goes_on = [self._goes_on(old, head) for head in now]
            if True in goes_on:
                self._alarms.drop(key)
                self._short.pop(origin, None)
            elif None not in goes_on:
                # It may be saying everything again just now.
                self._short[origin] = self._short.get(origin, 0) + 1
                if self._short[origin] >= gossip.PATIENCE:
                    self._raise(
                        key,
                        "unexplained",
                        origin,
                        f"{origin} had signed size {old.size}, and "
                        f"{', '.join(h.origin for h in now)} in its place does not hold the same "
                        "entries: some are dropped, changed or moved",
                        f"ask {party} why: a restored backup is an honest reason. What you hold of "
                        f"{origin} still proves what it proved",
                    )

    def _goes_on(self, old: gossip.Head, new: gossip.Head) -> bool | None:
        """Whether a log begins with all that another one had; None: nobody says."""
        if new.size <= old.size:
            return (new.size, new.root) == (old.size, old.root)
        pair = (new.origin, old.size, old.root, new.size, new.root)
        if pair in self._known_paths:
            return True
        found: bool | None = None
        for reader in self._readers(new.origin, new.size):
            try:
                path = forks.fork_path(reader, old.size, new.size)
                roots = merkle.roots_from_consistency(old.size, new.size, path)
            except UnreachableError:
                continue
            except TocsinError:
                found = False
                continue
            if roots == (old.root, new.root):
                remember(self._known_paths, pair)
                return True
            found = False
        return found

    # --- comparing ----------------------------------------------------------------------------

    def signed(self, data: bytes, source: str) -> gossip.Head:
        """A head that a log of the directory has signed. Raises NoteError."""
        origin = notes.open_checkpoint(notes.open_note(data).text).origin
        return gossip.head_of(data, self.log_keys(origin), source)

    def meet(self, met: gossip.Head, before: Open | None = None) -> bool | None:
        """Compare a head with what is held of its log, and draw the consequences.

        Args:
            before: it waits already.

        Returns:
            True: one history. False: it contradicts. None: nobody can say yet.
        """
        if met.size == 0 or self.stopped(met.origin):
            self._close(met)
            return None
        if before is None and self._open.get(_key(met)) is not None:
            return None  # it waits: asked for once a round, in `try_again`
        own = met.origin == self._own.origin
        newest = self.own_head()
        if not own:
            held = self._held(met.origin)
            # Our witness moves by what is brought to it, and others show us what they like: each
            # may be a history without a break, so a head is not explained by itself.
            others = [h for h in held if (h.size, h.root) != (met.size, met.root)]
            verdict = gossip.meet(others or held, met)
        elif newest is not None:
            try:
                verdict = gossip.compare_own(newest, partial(self._own_root, newest.size), met)
            except UnreachableError:
                return None  # our log is halted and shows nothing: nothing to compare with
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
        # `try_again` asks in this very round; one round without an answer counts once.
        self._wait(met, before, silent if before is not None else 0, None)
        return None

    def meet_cosigned(self, origins: Iterable[str]) -> None:
        """Compare what our witness has cosigned with what was shown to us.

        A log may show one history to those who read it and another to those who cosign it, and
        neither of them alone has a break.
        """
        for origin in origins:
            for head in self._held(origin)[:1]:
                self.meet(head)

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
            left = gossip.unanswered(question, alive=need.origin in self.alive)
            if isinstance(left, gossip.Question):
                return need, left.silent
            return left, silent
        if isinstance(settled, gossip.Consistent):
            remember(self._known_paths, pair)
        return settled, 0

    def _readers(self, origin: str, size: int) -> Iterator[HashReader]:
        """Whoever may have the tiles of this log."""
        own = origin == self._own.origin
        for tile in [self._own_tile] if own else self._sources(origin):
            yield HashReader(size, tile)

    def _own_tile(self, path: str) -> bytes:
        data = self._own.tile(path)
        if data is None:
            raise UnreachableError(
                f"{path} of {self._own.origin} is not there", remedy="restart this node"
            )
        return data

    def _own_root(self, newest: int, size: int) -> bytes:
        return merkle.range_root(0, size, HashReader(newest, self._own_tile))

    def own_head(self) -> gossip.Head | None:
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
        policy = self._policy()
        names = {key: name for name, key in policy.witnesses.items()}
        try:
            note = notes.open_note(met.note or b"")
            lines = notes.verify_note(note, [*self.log_keys(met.origin), *names])
        except NoteError:
            return False
        return policy.satisfied(names[line.key] for line in lines if line.key in names)

    # --- what waits for an explanation ----------------------------------------------------------

    def _wait(
        self, met: gossip.Head, before: Open | None, silent: int, wrong: gossip.Unexplained | None
    ) -> None:
        key = _key(met)
        held = self._open.get(key)
        if held is None and self._is_full(met):
            return
        base = held or before or Open(met=met)
        alarm = self._unexplained(met, wrong, base.statement) if wrong is not None else base.alarm
        new = structs.replace(base, silent=silent, alarm=alarm)
        if new != held:
            self._open.put(key, new)

    def _is_full(self, met: gossip.Head) -> bool:
        """Whether as many heads of this kind wait already as may."""
        waiting = [one.met for _, one in self._open.items(f"{met.origin} ")]
        if met.note is not None:
            return sum(head.note is not None for head in waiting) >= OPEN_A_LOG
        who = _sayer(met)
        same = sum(head.note is None and _sayer(head) == who for head in waiting)
        return same >= OPEN_A_PARTY

    def wait_for(self, one: Open) -> None:
        """Look at it in a later round."""
        self._wait(one.met, one, 0, None)

    def try_again(self) -> None:
        """Once more whatever waits for an explanation, and what our own witness holds."""
        for origin, _ in self._observed.items():
            for head in self._held(origin)[:1]:
                self.meet(head)
        for _, one in self._open.items():
            self.meet(one.met, one)

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

    def weigh_evidence(self) -> None:
        """Log-signed requests that contradicted what our witness held, once more with tiles."""
        for key, one in self._evidence.items():
            try:
                met = self.signed(one.note, "a request to our witness")
            except NoteError:
                continue  # the directory has other keys for that log now; the row is kept
            if self.meet(met):
                # One history after all: a stranger brought a bad proof. He may not fill the shelf.
                self._evidence.drop(key)

    def learn_fork(self, raw: bytes, statement: str | None = None) -> None:
        """Check a fork proof, by whomever, and draw the consequences.

        Args:
            raw: the proof as a file.
            statement: the statement of our log that holds it.

        Raises:
            ForkError: it proves nothing, or the log is not in our directory.
        """
        proof = forks.open_fork(raw)
        with self._learning:
            held = self._forks.get(proof.origin)
            if held is not None and (held.statement is not None or statement is None):
                return
            a, b = forks.verify_fork(proof, self.log_keys(proof.origin))
            if held is not None and statement is not None:
                # Only now: a statement with a proof that proves nothing would keep ours unsaid.
                self._said(proof.origin, held, statement)
                return
            small = forks.write_fork(forks.own_lines(proof, self.log_keys(proof.origin)))
            held = _Fork(proof=small, since=self._stamp(), statement=statement)
            self._forks.put(proof.origin, held)
            self._stopped |= {proof.origin}
            log.warning("a fork is proven: %s, sizes %d and %d", proof.origin, a.size, b.size)
            # It explains whatever contradicted before.
            for _, one in self._open.items(f"{proof.origin} "):
                self._close(one.met)
            for kind in ("unexplained", "rollback", "behind"):
                self._alarms.drop(f"{kind}/{proof.origin}")
            self._raise_fork(proof.origin, held)

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

    def check_listed(self, party: str) -> None:
        """Stop a log that the directory has left behind: a later one of this party is listed.

        That is a restored backup whose log was begun anew since; whatever it signed would be a
        second history of a log that others have put aside.

        Args:
            party: our own.
        """
        entry = self._directory().party(party)
        listed = newest_log(party, (node.origin for node in entry.nodes) if entry else ())
        if listed > log_number(party, self._own.origin):
            why = (
                f"directory {self._directory().version} lists {log_origin(party, listed)} as the "
                f"log of {party}, and this store is of {self._own.origin}, which came before"
            )
            self._stop_own(why)
            self._raise(
                f"rollback/{self._own.origin}",
                "rollback",
                self._own.origin,
                why,
                "stop this node; restore the newest store, or start a new log: "
                "tocsin key rotate --log",
            )

    def _stop_own(self, why: str) -> None:
        if self._own.halted is None:
            self._own.halt(why)

    def say_forks(self) -> None:
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

    def _stamp(self) -> str:
        return time_text(self._clock())


def _key(met: gossip.Head) -> str:
    signed = "signed" if met.note is not None else "said"
    return f"{met.origin} {met.size} {b64encode(met.root)} {signed}"


def _sayer(met: gossip.Head) -> str:
    return met.source.partition(" ")[0]


def remember(kept: OrderedDict[Any, None], key: Any) -> None:
    """Add a key, and forget the oldest over the limit."""
    kept[key] = None
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)


def _sizes(proof: bytes) -> tuple[int, int]:
    fork = forks.open_fork(proof)
    a, b = (notes.open_checkpoint(notes.open_note(data).text) for data in (fork.a, fork.b))
    return a.size, b.size
