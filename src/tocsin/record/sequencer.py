"""The sequencer: one per node, it gives every kept statement its place in the log.

The store's transaction is the truth; tiles and the published checkpoint can be made again from it.
Nothing about a new size leaves the process before that size is committed, guarded and on disk.
Spec: record.md, "Sequencer". The steps, by its numbers:

     1 keep      envelope and objects, pending (a commit of its own)
     2 batch     whatever is waiting, at most `max_batch`
     3 root      the new edge; the store's head must extend the guard
     4 sign      the checkpoint, with both keys
     5 commit    ONE transaction, compare-and-set on (origin, size, root)
     6 guard     the head guard, on another path
     7 tiles     hash tiles and entry bundles
     8 publish   the checkpoint
     9 witnesses asked beside the next batch, for the newest head (`cosigning.py`); their lines
                 are added to the published checkpoint
    10 answer    when a quorum has cosigned, or after 2 s

Any error from 2 to 8 halts writes: nothing is tried a second time, because after a failed fsync the
kernel calls pages clean that never reached the disk. `recover` starts again from the store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from tocsin.canonical import b64encode
from tocsin.errors import (
    LogHalted,
    NoteError,
    ProofError,
    RollbackError,
    StoreLostError,
    TocsinError,
)
from tocsin.policy import Audience
from tocsin.record import checkpoint as notes
from tocsin.record import cosigning, merkle, tiles
from tocsin.record.cosigning import Witnessed, Witnesses
from tocsin.record.envelope import Verified
from tocsin.record.ports import (
    NO_AUDIENCES,
    HeadLike,
    HeadPort,
    Keeping,
    Log,
    Opened,
    PendingPort,
    Receipt,
    TileFiles,
)
from tocsin.record.statement import Seen
from tocsin.record.waiting import RESTART, Gate, Waiting
from tocsin.record.witness import EMPTY_ROOT

if TYPE_CHECKING:
    from tocsin.record.seal import VerifiedSeal

_CHUNK = 65_536
_TICK_S = 0.25
_HELD_CHECKPOINTS = 64
"""Of the cosigned ones kept, so many are looked through for the newest at a start."""
_RESTORE = "restore the newest store; reads go on, and nothing is signed until then"


__all__ = [
    "HeadLike",
    "HeadPort",
    "Keeping",
    "Log",
    "Opened",
    "PendingPort",
    "Receipt",
    "Sequencer",
    "TileFiles",
    "Waiting",
    "Witnessed",
    "Witnesses",
]


class _Head(Struct, frozen=True, kw_only=True):
    origin: str
    size: int
    root: bytes
    checkpoint: bytes


class Sequencer:
    """Orders, signs and publishes. Start with `recover`; then `run` in a thread of its own.

    Without a running thread `submit` does the work itself, which is what a command line needs.

    Args:
        store: the truth about the log.
        files: tiles and the head guard.
        signer: both keys of the log; its name is the log's origin.
        clock: aware UTC now.
        max_batch: statements in one transaction.
        window_s: seconds to wait for submitters that are still keeping their statement. A lone
            one waits for nobody.
        opened: called in log order, in the sequencer's thread, after publishing and before the
            answer: for live pages. It must not raise (the log would halt), and must not wait for
            a lock that a submitter may hold.
        witnesses: asked to cosign what is published, and at a start what they hold of this log;
            None: nobody is, and every checkpoint counts as it is.
        wait_s: seconds that an answer waits for them, and that they have at a start.
        retry_s: seconds after which the running log asks again for what is missing.
    """

    def __init__(
        self,
        *,
        store: Log,
        files: TileFiles,
        signer: notes.CheckpointSigner,
        clock: Callable[[], datetime],
        max_batch: int = 1000,
        window_s: float = 0.1,
        opened: Callable[[Sequence[Opened]], None] | None = None,
        witnesses: Witnesses | None = None,
        wait_s: float = cosigning.WAIT_S,
        retry_s: float = 5.0,
    ) -> None:
        self._store = store
        self._files = files
        self._signer = signer
        self._origin = signer.name
        self._clock = clock
        self._max_batch = max_batch
        self._window_s = window_s
        self._opened = opened
        # Guarded by _turn: only one batch at a time, and never beside a recovery.
        self._turn = threading.Lock()
        self._head: _Head | None = None
        self._edge = merkle.Edge()
        self._partial: dict[str, bytes] = {}
        self._time = -1  # of the newest checkpoint signed: what we sign never goes back
        # Guarded by _state.
        self._state = threading.Condition()
        self._published: _Head | None = None
        self._tickets: dict[str, list[Waiting]] = {}
        self._unsure: list[tuple[str, Waiting]] = []  # kept, unless they were in the log before
        self._arriving = 0
        self._waiting = 0
        self._running = False
        self._halted: str | None = "the log has not been recovered from the store yet"
        self._lost = False
        self._witnesses = witnesses
        self._rounds = cosigning.Rounds(self._cosign, self._round_failed, wait_s)
        self._wait_s = wait_s
        self._retry_ticks = max(1, round(retry_s / _TICK_S))
        self._guard = self._new_guard()
        # Held while the published checkpoint is replaced, by a batch or by a round.
        self._showing = threading.Lock()
        # Written by rounds and recovery alone.
        self._cosigned: _Head | None = None
        self._cosignatures = cosigning.Cosignatures(witnesses, self._origin)
        self._closed = False  # guarded by _showing
        self._doubtful = False  # guarded by _showing: which checkpoint the files hold

    @property
    def _asks(self) -> bool:
        """Whether the policy in force wants a quorum; it may change while the node runs."""
        return self._witnesses is not None and self._witnesses.policy.quorum != "none"

    # --- what others see ------------------------------------------------------------------

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._origin

    @property
    def halted(self) -> str | None:
        """Why no statement is taken; None while all is well."""
        return self._halted or (self._guard.why if self._guard else None)

    @property
    def lost(self) -> bool:
        """The log is halted, and only because the store did not answer: when it does, `recover`."""
        return self._halted is not None and self._lost

    @property
    def size(self) -> int:
        """Entries under the published checkpoint; 0 before the first."""
        head = self._published
        return head.size if head else 0

    @property
    def checkpoint(self) -> bytes:
        """The newest published checkpoint, a signed note.

        Raises:
            LogHalted: none is published.
        """
        return self._shown().checkpoint

    @property
    def cosigned(self) -> bytes | None:
        """The newest checkpoint with a quorum; None: none yet.

        It may be older than the published one, and may have got its lines after that.
        """
        head = self._newest_cosigned()
        return head.checkpoint if head else None

    @property
    def witnessed(self) -> list[Witnessed]:
        """What each witness has cosigned of this log: those of the policy first, then others."""
        return self._cosignatures.witnessed()

    def has_quorum(self, index: int) -> bool:
        """Whether the entry at `index` is under a checkpoint with a quorum."""
        head = self._newest_cosigned()
        return not self._asks or (head is not None and index < head.size)

    def seen(self) -> tuple[Seen, ...]:
        """What a statement signed now has seen: the newest own checkpoint with a quorum, if any.

        With witnesses it is one that the store keeps with their lines (`Log.checkpoints`), so that
        a dossier can show it: it bounds from below when the statement was made.
        """
        head = self._newest_cosigned()
        if head is None:
            return ()
        return (Seen(origin=head.origin, root=b64encode(head.root), size=head.size),)

    def _newest_cosigned(self) -> _Head | None:
        return self._cosigned or (None if self._asks else self._published)

    def prove(self, index: int, size: int | None = None) -> list[bytes]:
        """The inclusion path of the entry at `index`, from the leaf up.

        Args:
            index: zero-based.
            size: of the tree to prove in, at most the published size, which is the default.

        Raises:
            ProofError: no such entry or size, or the tiles are damaged.
            LogHalted: nothing is published.
        """
        shown = self._shown()
        size = shown.size if size is None else size
        if size > shown.size:
            raise ProofError(
                f"size {size} of {self._origin} is not published", remedy="ask for a smaller size"
            )
        reader = tiles.HashReader(size, self._read)
        path = merkle.inclusion_path(index, size, reader)
        if size == shown.size:
            # Damaged tiles must be noticed here, not by whoever was given the proof.
            merkle.verify_inclusion(reader(0, index), index, size, path, shown.root)
        return path

    def path(self, index: int, size: int) -> list[bytes]:
        """`prove` with its size, as `write_dossier` asks for it."""
        return self.prove(index, size)

    def proof(self, index: int) -> notes.LogProof:
        """The path of the entry at `index` together with the checkpoint it leads to.

        That is the newest checkpoint with a quorum where it covers the entry, or the published.

        Raises:
            ProofError, LogHalted: as `prove`.
        """
        shown = self._shown()
        cosigned = self._cosigned
        if cosigned is not None and index < cosigned.size:
            shown = cosigned
        path = self.prove(index, shown.size)
        return notes.LogProof(index=index, path=tuple(path), checkpoint=shown.checkpoint)

    def consistency(self, old_size: int, new_size: int | None = None) -> list[bytes]:
        """The proof that the published tree (or that of `new_size`) appends to an earlier one.

        Raises:
            ProofError: sizes that are not published, or damaged tiles.
            LogHalted: nothing is published.
        """
        shown = self._shown()
        new_size = shown.size if new_size is None else new_size
        if new_size > shown.size:
            raise ProofError(
                f"size {new_size} of {self._origin} is not published",
                remedy="ask for a smaller size",
            )
        return merkle.consistency_path(old_size, new_size, tiles.HashReader(new_size, self._read))

    def tile(self, path: str) -> bytes | None:
        """A tile or entry bundle of the published tree; None where it has none of that path.

        A partial tile narrower than the one kept is cut out of that one.
        """
        try:
            wanted = tiles.open_path(path)
        except ProofError:
            return None
        level = wanted.level or 0
        there = (self.size >> tiles.HEIGHT * level) - wanted.number * tiles.WIDTH
        if wanted.width > there:
            return None
        return self._cut(path, wanted, min(there, tiles.WIDTH))

    def _shown(self) -> _Head:
        head = self._published
        if head is None:
            raise LogHalted(
                f"{self._origin} has no checkpoint to show: {self._halted or 'it is empty'}",
                remedy=RESTART if self._halted else "log a first statement",
            )
        return head

    def _read(self, path: str) -> bytes:
        data = self.tile(path)
        if data is None:
            raise ProofError(
                f"{path} of {self._origin} is missing",
                remedy="restart the node: missing tiles are written again from the store",
            )
        return data

    def _cut(self, path: str, wanted: tiles.TilePath, widest: int) -> bytes | None:
        data = self._files.read(path)
        if data is not None or wanted.width == widest:
            return data
        if wanted.level is None:
            whole = self._files.read(tiles.entries_path(wanted.number, widest))
            return whole and tiles.write_bundle(tiles.open_bundle(whole)[: wanted.width])
        whole = self._files.read(tiles.tile_path(wanted.level, wanted.number, widest))
        return whole and whole[: wanted.width * merkle.HASH_BYTES]

    # --- submitting -----------------------------------------------------------------------

    def submit(
        self,
        verified: Verified | VerifiedSeal,
        objects: Sequence[Any],
        audience: Audience,
        object_audiences: Mapping[str, Audience] = NO_AUDIENCES,
    ) -> Receipt:
        """Keep a statement, enter it in the log, and return when everybody may see it there.

        Args and errors of keeping as `Log.keep_pending`.

        Raises:
            LogHalted: the log takes no writes. See `Waiting.wait`.
        """
        return self.keep(verified, objects, audience, object_audiences).wait()

    def keep(
        self,
        verified: Verified | VerifiedSeal,
        objects: Sequence[Any],
        audience: Audience,
        object_audiences: Mapping[str, Audience] = NO_AUDIENCES,
    ) -> Waiting:
        """Step 1 alone: keep a statement durably, and leave the rest to `Waiting.wait`.

        Whoever holds a lock from reading a chain's head to keeping what follows can let go of it
        in between; then many statements share one commit of the log.

        Raises:
            LogHalted: the log takes no writes; nothing is kept.
            RollbackError: a witness has seen more of this log than the store holds; so too.
        """
        waiting = Waiting()
        self._refuse_if_unguarded()
        with self._state:
            self._refuse_if_halted()
            self._tickets.setdefault(verified.id, []).append(waiting)
            self._arriving += 1
        try:
            self._store.keep_pending(verified, objects, audience, object_audiences)
            place = self._store.place(verified.id)
        except BaseException:
            with self._state:
                self._forget(verified.id, waiting)
                self._arriving -= 1
                self._state.notify_all()
            raise
        with self._state:
            self._arriving -= 1
            if place is not None and place < self.size and not waiting.settled:
                self._forget(verified.id, waiting)
                waiting.settle(self._held(verified.id, place))
            else:
                self._waiting += 1
                if not self._running:
                    waiting.gate.work = self._drain
            self._state.notify_all()
        return waiting

    def keep_many(self, items: Sequence[Keeping]) -> list[Waiting | TocsinError]:
        """`keep` of several in one transaction; those that fit are kept, whatever the others do.

        Args:
            items: (verified, objects, audience, object_audiences) of each, as `keep` takes them.

        Returns:
            For each what to wait for, or why it was not kept (`Log.keep_pending`).

        Raises:
            LogHalted, RollbackError, and what the store raises for all: nothing is kept.
        """
        if not items:
            return []
        gate = Gate(len(items))
        tickets = [Waiting(gate) for _ in items]
        self._refuse_if_unguarded()
        with self._state:
            self._refuse_if_halted()
            for item, ticket in zip(items, tickets, strict=True):
                self._tickets.setdefault(item[0].id, []).append(ticket)
            self._arriving += 1
        refused: Sequence[TocsinError | None] = ()
        try:
            refused = self._store.keep_pending_many(items)
        except BaseException:
            with self._state:
                for item, ticket in zip(items, tickets, strict=True):
                    self._forget(item[0].id, ticket)
                self._arriving -= 1
                self._state.notify_all()
            raise
        with self._state:
            self._arriving -= 1
            for item, ticket, wrong in zip(items, tickets, refused, strict=True):
                if wrong is not None:
                    self._forget(item[0].id, ticket)
                    ticket.settle(None, wrong)
                else:
                    self._unsure.append((item[0].id, ticket))
            self._waiting += len(items)
            if not self._running:
                gate.work = self._drain
            self._state.notify_all()
        return [wrong or ticket for ticket, wrong in zip(tickets, refused, strict=True)]

    def _held(self, statement: str, index: int) -> Receipt:
        quorum = self.has_quorum(index)
        return Receipt(id=statement, index=index, size=self.size, held=True, quorum=quorum)

    def _refuse_if_unguarded(self) -> None:
        # Before the first write of all, and so before a folder opened for one command writes.
        if self._guard is not None and not self._guard.passed and self._halted is None:
            self._guard.check(again=not self._running)

    def _refuse_if_halted(self) -> None:
        if self._halted is not None:
            raise LogHalted(f"{self._origin} takes no writes: {self._halted}", remedy=RESTART)

    def _forget(self, statement: str, ticket: Waiting) -> None:
        waiting = self._tickets.get(statement, [])
        if ticket in waiting:
            waiting.remove(ticket)
        if not waiting:
            self._tickets.pop(statement, None)

    def run(self, stop: threading.Event) -> None:
        """The thread's body: sequence whatever is kept until `stop` is set, then finish.

        It looks at `stop` four times a second, and whenever a statement comes. Nobody waits for a
        witness once it is set.
        """
        with self._state:
            self._running = True
        ticks = 0
        try:
            while not stop.is_set():
                if ticks % self._retry_ticks == 0:
                    self._ask_again()
                ticks += 1
                with self._state:
                    self._state.wait_for(
                        lambda: self._waiting > 0 or stop.is_set(), timeout=_TICK_S
                    )
                    if not self._waiting:
                        continue
                    # Others are at their own commit right now: one transaction for all of us.
                    self._state.wait_for(
                        lambda: self._arriving == 0 or self._waiting >= self._max_batch,
                        timeout=self._window_s,
                    )
                self._drain()
        finally:
            with self._state:
                self._running = False
            # Whoever saw the thread running has been kept by now.
            self._drain()
            self._rounds.release()

    def close(self) -> None:
        """Ask no witness any more, and let nothing they still say reach store or files.

        Call it before the store is closed: another process may open the folder then.
        """
        self._rounds.close()
        with self._showing:
            self._closed = True

    def _drain(self) -> None:
        """Sequence until nothing is pending, or the log halts."""
        with self._turn:
            try:
                while self._halted is None and self._free() and self._batches():
                    pass
            except TocsinError as wrong:
                self._halt(wrong.message, lost=isinstance(wrong, StoreLostError))
            except Exception as wrong:  # whatever a disk or driver raises: never go on
                self._halt(f"{type(wrong).__name__}: {wrong}")
            except BaseException:
                self._halt("it was interrupted")
                raise

    def _free(self) -> bool:
        return self._guard is None or self._guard.passed

    def halt(self, why: str) -> None:
        """Take no more writes: others have shown that this store is not the newest of its log.

        From any thread. Reads go on; a restart asks again.
        """
        self._halt(why)

    def _halt(self, why: str, *, lost: bool = False) -> None:
        with self._state:
            # Whatever else has halted it is not mended by a store that answers.
            self._lost = lost and (self._halted is None or self._lost)
            self._halted = why
            waiting = [ticket for tickets in self._tickets.values() for ticket in tickets]
            self._tickets.clear()
            self._unsure.clear()
            self._waiting = 0
        halted = LogHalted(
            f"{self._origin} halted: {why}",
            remedy="the statement is kept; a restart logs it. Look it up by its id before "
            "sending it again",
        )
        for ticket in waiting:
            ticket.settle(None, halted)

    # --- one batch --------------------------------------------------------------------------

    def _batches(self) -> bool:
        """Log everything that is pending now, batch after batch; False if nothing was."""
        with self._state:
            self._waiting = 0
            unsure, self._unsure = self._unsure, []
        pending = self._store.waiting()
        for start in range(0, len(pending), self._max_batch):
            self._batch(pending[start : start + self._max_batch])
        # What was kept before, and was not pending, was in the log already.
        for statement, ticket in unsure:
            if not ticket.settled:
                self._settle_held(statement, ticket)
        return bool(pending)

    def _settle_held(self, statement: str, ticket: Waiting) -> None:
        place = self._store.place(statement)
        with self._state:
            self._forget(statement, ticket)
        if place is None:
            lost = LogHalted(f"{statement} was kept, and the store has lost it", remedy=RESTART)
            ticket.settle(None, lost)
            raise lost
        ticket.settle(self._held(statement, place))

    def _batch(self, batch: Sequence[PendingPort]) -> None:
        """Steps 2 to 10 for one batch."""
        old = self._head
        old_size = old.size if old else 0
        entries = [b"\x01" + bytes.fromhex(item.id) for item in batch]
        leaves = [merkle.leaf_hash(entry) for entry in entries]
        edge = self._edge.copy()
        for leaf in leaves:
            edge.append(leaf)
        self._check_guard(old)
        new = self._sign(edge)
        self._store.append([item.id for item in batch], edge.to_list(), new.checkpoint, old)
        self._files.write_guard(new.origin, new.size, new.root)
        made = self._make_tiles(old_size, new.size, leaves, entries)
        self._files.write_all(made)
        self._head, self._edge = new, edge
        self._keep_partial(made, new.size)
        self._publish(new)
        numbered = [
            Opened(index=old_size + n, id=item.id, kind=item.kind, raw=item.raw)
            for n, item in enumerate(batch)
        ]
        asked = self._rounds.begin(new) if self._witnesses is not None else None
        if self._opened is not None:
            self._opened(numbered)
        self._answer(numbered, asked if self._asks else None)

    def _keep_partial(self, made: Sequence[tuple[str, bytes]], size: int) -> None:
        """Remember the partial tiles of the tree as it now is, also of levels that did not grow."""
        known = {**self._partial, **dict(made)}
        self._partial = {path: data for path, data in known.items() if _is_partial(path, size)}

    def _check_guard(self, head: _Head | None) -> None:
        guard = self._files.read_guard()
        if guard is None:
            return
        size = head.size if head else 0
        if guard.size > size or (head and guard.size == size and guard.root != head.root):
            raise RollbackError(
                f"{guard.origin} has shown size {guard.size}, and this store holds size {size}",
                remedy=_RESTORE,
            )

    def _sign(self, edge: merkle.Edge) -> _Head:
        checkpoint = notes.Checkpoint(origin=self._origin, size=edge.size, root=edge.root())
        # A clock set back a day lowers nothing that is signed.
        self._time = max(self._time, int(self._clock().timestamp()))
        note = notes.sign_checkpoint(checkpoint, self._signer, self._time)
        return _Head(
            origin=self._origin, size=checkpoint.size, root=checkpoint.root, checkpoint=note
        )

    def _make_tiles(
        self, old_size: int, new_size: int, leaves: Sequence[bytes], entries: Sequence[bytes]
    ) -> list[tuple[str, bytes]]:
        # From memory, not from disk: a damaged tile must not grow into the next one.
        read = self._partial.__getitem__
        made = tiles.new_tiles(old_size, new_size, read, leaves)
        return made + tiles.new_bundles(old_size, new_size, read, entries)

    def _publish(self, head: _Head) -> None:
        with self._showing:
            self._show(head)

    def _show(self, head: _Head) -> None:
        # If it fails, either may be there: a round must not put the older one over the newer.
        self._doubtful = True
        self._files.write_checkpoint(head.checkpoint)
        self._doubtful = False
        with self._state:
            self._published = head

    def _answer(self, numbered: Sequence[Opened], asked: cosigning.Round | None) -> None:
        size = self.size
        with self._state:
            answered = [(item, self._tickets.pop(item.id, ())) for item in numbered]
        for item, waiting in answered:
            for number, ticket in enumerate(waiting):
                receipt = Receipt(id=item.id, index=item.index, size=size, held=number > 0)
                ticket.settle(receipt, asked=asked)

    # --- witnesses --------------------------------------------------------------------------

    def _ask_again(self) -> None:
        """Ask what is still missing: what the witnesses hold of us, or their quorum."""
        if self._guard is None:
            return
        if not self._guard.passed:
            self._guard.ask()
            return
        head = self._published
        if head is not None and self._asks and self._rounds.idle and not self._quorate(head):
            self._rounds.begin(head)

    def _quorate(self, head: _Head) -> bool:
        cosigned = self._cosigned
        return cosigned is not None and cosigned.size >= head.size

    def _cosign(self, about: cosigning.Head) -> bool:
        """One round, in a thread of its own: whether there is a quorum for this head now."""
        assert isinstance(about, _Head)
        assert self._witnesses is not None
        size = about.size
        lines = self._witnesses.cosign(
            about.checkpoint,
            lambda old: self.consistency(old, size) if old else [],
            self._wait_s,
        )
        return self._take(about, lines)

    def _take(self, head: _Head, lines: Sequence[notes.NoteLine]) -> bool:
        """Keep and publish what the witnesses said of `head`."""
        with self._showing:
            shown = self._published
            if self._over() or shown is None:
                return False
            same = (shown.size, shown.root) == (head.size, head.root)
            before = shown if same else head
        after = replace(before, checkpoint=self._cosignatures.with_lines(before.checkpoint, lines))
        cosigned = self._cosigned
        counts = self._cosignatures.count(after.checkpoint)
        newer = cosigned is None or (cosigned.size, len(cosigned.checkpoint)) < (
            after.size,
            len(after.checkpoint),
        )
        if counts and newer:
            # Kept before anybody can name it: see `seen`.
            self._store.keep_checkpoint(after.size, after.checkpoint)
            self._cosigned = after
        with self._showing:
            if self._over():
                return False
            # Never an older size over a newer one; at one size there is one root, lines only grow.
            if self._published is before and after != before:
                self._show(after)
        return counts and self._asks

    def _over(self) -> bool:
        return self._closed or self._doubtful

    def _round_failed(self, wrong: BaseException) -> None:
        # Of witnesses nothing is raised; it is the disk, or a fault of ours.
        with self._showing:
            if self._closed:
                return
        why = wrong.message if isinstance(wrong, TocsinError) else repr(wrong)
        self._halt(why, lost=isinstance(wrong, StoreLostError))

    def _new_guard(self) -> cosigning.RollbackGuard | None:
        if self._witnesses is None:
            return None
        return cosigning.RollbackGuard(
            self._witnesses, self._origin, self._judge, self._wake, self._wait_s
        )

    def _wake(self) -> None:
        # What was pending at the start could not be finished until now.
        with self._state:
            self._waiting += 1
            self._state.notify_all()

    def _judge(self, name: str, note: bytes) -> None:
        """Raise RollbackError if what a witness holds is not a beginning of this store's log.

        Raises:
            NoteError: it is not ours, or we did not sign it.
        """
        opened = notes.open_note(note)
        held = notes.open_checkpoint(opened.text)
        notes.verify_note(opened, self._own_keys())
        if held.origin != self._origin:
            raise NoteError(f"{name} holds {held.origin}", remedy="ask it for this log's own")
        head = self._published
        size = head.size if head else 0

        def root_at(at: int) -> bytes:
            if head is not None and at == size:
                return head.root
            return merkle.range_root(0, at, tiles.HashReader(size, self._read))

        wrong = cosigning.conflict(name, held, size, root_at)
        if wrong is not None:
            raise wrong

    # --- starting ---------------------------------------------------------------------------

    def recover(self) -> None:
        """Start from the store: check it against the guard, mend the tiles, finish what is pending.

        Call it once before anything else, and again, after the store has been reopened, to leave
        a halt.

        Raises:
            RollbackError: the store is older than what this node has shown, or is another log's,
                or its entries do not lead to the root that was signed; or the head guard is lost,
                and no quorum of witnesses is asked. Reads may go on. What the
                witnesses remember is asked for later, before the first write.
            LogHalted: a tile holds other bytes, or the pending statements cannot be finished.
            TocsinError: whatever store and files raise.
        """
        with self._turn:
            try:
                self._recover()
            except TocsinError as wrong:
                self._halt(wrong.message, lost=isinstance(wrong, StoreLostError))
                raise
            except BaseException as wrong:
                self._halt(f"{type(wrong).__name__}: {wrong}")
                raise
        if self._store.pending():
            try:
                self._refuse_if_unguarded()
            except (LogHalted, RollbackError):
                return  # reads only; `keep` says why, and `run` goes on asking
        self._drain()
        self._refuse_if_halted()

    def _recover(self) -> None:
        self._guard = self._new_guard()
        stored = self._store.head()
        guard = self._files.read_guard()
        if guard is not None and guard.origin != self._origin:
            raise RollbackError(
                f"the head guard is of {guard.origin}, and this log is {self._origin}",
                remedy="give each log a guard path of its own",
            )
        head = self._checked(stored) if stored else None
        self._check_guard(head)
        size = head.size if head else 0
        self._edge, self._partial = merkle.Edge(), {}
        # All entries first: nothing is written for a store that does not lead to its own root.
        for start in range(0, size, _CHUNK):
            self._fold(start, min(start + _CHUNK, size), guard)
        if head is not None:
            if self._edge.root() != head.root or self._edge.to_list() != self._store.edge():
                raise RollbackError(
                    f"the entries of {self._origin} do not lead to the root signed at {size}",
                    remedy=_RESTORE,
                )
            if guard is None and not self._others_tell:
                raise RollbackError(
                    f"the head guard of {self._origin} is missing beside a store of size {size}: "
                    "whether that is the newest nobody can tell",
                    remedy="if it is the newest: tocsin log guard --renew; if it is a backup, and "
                    "the newest is lost: tocsin key rotate --log",
                )
            for start in range(0, size, _CHUNK):
                self._mend(start, min(start + _CHUNK, size), size)
            # A lost one is written with the next statement: before that, witnesses have told.
            if guard is not None and guard.size < size:
                self._files.write_guard(head.origin, head.size, head.root)
            head = self._recover_lines(head)
            self._publish(head)
        elif guard is None:
            # Before the first statement: from now on a guard that is not there has been lost.
            self._files.write_guard(self._origin, 0, EMPTY_ROOT)
        self._head = head
        with self._state:
            self._halted = None

    @property
    def _others_tell(self) -> bool:
        """Whether no statement is taken before a witness has told what it holds of this log."""
        return self._witnesses is not None and self._witnesses.policy.quorum != "none"

    def _checked(self, stored: HeadPort) -> _Head:
        """The stored head, if its checkpoint says the same and our keys signed it."""
        try:
            note = notes.open_note(stored.checkpoint)
            checkpoint = notes.open_checkpoint(note.text)
            signed = notes.verify_note(note, self._own_keys())
        except NoteError as wrong:
            raise RollbackError(
                f"the stored checkpoint is not one that {self._origin} signed: {wrong.message}",
                remedy="start the node with the log's own keys and store",
            ) from wrong
        said = (checkpoint.origin, checkpoint.size, checkpoint.root)
        if said != (stored.origin, stored.size, stored.root) or stored.origin != self._origin:
            raise RollbackError(
                f"the store's head is {stored.origin} at {stored.size}, and its checkpoint says "
                f"{checkpoint.origin} at {checkpoint.size}",
                remedy=_RESTORE,
            )
        self._time = max([self._time, *(line.time or 0 for line in signed)])
        return _Head(
            origin=stored.origin,
            size=stored.size,
            root=stored.root,
            checkpoint=stored.checkpoint,
        )

    def _own_keys(self) -> list[notes.VerifierKey]:
        return [
            notes.VerifierKey(name=self._origin, kind=kind, public=public)
            for kind, public in (
                (notes.ED25519, self._signer.public),
                (notes.ML_DSA_44, self._signer.mldsa_public),
            )
        ]

    def _recover_lines(self, head: _Head) -> _Head:
        """The head with the witnesses' lines it had, and `_cosigned` as it was."""
        if self._witnesses is None:
            return head
        kept = self._store.checkpoints()[-_HELD_CHECKPOINTS:]
        shown = self._files.read_checkpoint()
        candidates = [note for size, note in kept if size == head.size]
        for note in [*candidates, *([shown] if shown else [])]:
            # Lines are only ever added behind the log's own, which are never signed twice.
            if note.startswith(head.checkpoint):
                lines = notes.open_note(note).lines
                head = replace(
                    head, checkpoint=self._cosignatures.with_lines(head.checkpoint, lines)
                )
        self._cosigned = None
        for size, note in reversed(kept):
            if size > head.size:
                continue
            found = self._cosigned_head(note) if size < head.size else head
            if found is not None and self._cosignatures.count(found.checkpoint):
                self._cosigned = found
                self._cosignatures.take_times(found.checkpoint)
                break
        return head

    def _cosigned_head(self, note: bytes) -> _Head | None:
        """A kept checkpoint as a head; None if it is not this log's, such as one before a change
        of its keys."""
        try:
            opened = notes.open_note(note)
            checkpoint = notes.open_checkpoint(opened.text)
            notes.verify_note(opened, [*self._own_keys(), *self._cosignatures.keys()])
        except NoteError:
            return None
        if checkpoint.origin != self._origin:
            return None
        return _Head(
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.root,
            checkpoint=note,
        )

    def _entries(self, start: int, end: int) -> list[bytes]:
        commitments = self._store.entries(start, end - start)
        if len(commitments) != end - start:
            raise RollbackError(
                f"{self._origin} should have {end} entries or more, and the store holds "
                f"{start + len(commitments)}",
                remedy=_RESTORE,
            )
        return [b"\x01" + commitment for commitment in commitments]

    def _fold(self, start: int, end: int, guard: HeadLike | None) -> None:
        """Fold the entries [start, end) into the edge; on the way it must pass the guard."""
        for number, entry in enumerate(self._entries(start, end), start + 1):
            self._edge.append(merkle.leaf_hash(entry))
            if guard is not None and number == guard.size and self._edge.root() != guard.root:
                raise RollbackError(
                    f"{self._origin} has shown another root at size {number}", remedy=_RESTORE
                )

    def _mend(self, start: int, end: int, size: int) -> None:
        """Write the tiles over the entries [start, end) that are missing; check the others."""
        entries = self._entries(start, end)
        leaves = [merkle.leaf_hash(entry) for entry in entries]
        made = self._make_tiles(start, end, leaves, entries)
        self._keep_partial(made, end)
        for path, data in made:
            found = tiles.open_path(path)
            if _width(found, size) != found.width:
                continue  # partial only because this chunk ends here
            kept = self._files.read(path)
            if kept is not None and kept != data:
                raise LogHalted(
                    f"{path} of {self._origin} holds other bytes than the store leads to",
                    remedy="move the tile away, and keep it: the next start writes it again",
                )
            # Of the last batch a tile may be there and not on the disk, if its writer was killed.
            if kept is None or _reach(found) > size - self._max_batch:
                self._files.write(path, data)


def _width(path: tiles.TilePath, size: int) -> int:
    """How wide this tile is in a tree of `size` leaves (0: not there)."""
    there = (size >> tiles.HEIGHT * (path.level or 0)) - path.number * tiles.WIDTH
    return max(0, min(there, tiles.WIDTH))


def _reach(path: tiles.TilePath) -> int:
    """The size of the smallest tree that has this tile."""
    return (path.number * tiles.WIDTH + path.width) << tiles.HEIGHT * (path.level or 0)


def _is_partial(path: str, size: int) -> bool:
    """Whether the tree of `size` leaves has this tile, and it is not full."""
    found = tiles.open_path(path)
    return found.width < tiles.WIDTH and _width(found, size) == found.width
