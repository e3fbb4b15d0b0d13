"""Witnesses as their log sees them: rounds of cosigning, and what they remember of us at a start.

Nothing here opens a connection: the port `Witnesses` does. What it asks runs in a thread beside the
log and is waited for with a limit, so that a witness that hangs slows neither the log nor its end.
Spec: record.md, "Sequencer" (steps 9 and 10, rollback guard); C2SP tlog-witness.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from tocsin.errors import LogHalted, NoteError, RollbackError, TocsinError
from tocsin.record import checkpoint as notes

WAIT_S = 2.0
"""Seconds that a round, an answer or the question at a start may take at most."""

_RESTORE = "restore the newest store; or, if it is lost, start a new log: tocsin key rotate --log"
_REACH = "reads go on; it writes again as soon as a witness of the policy answers: tocsin doctor"


class Witnesses(Protocol):
    """The witnesses of this node's own log. They are asked from threads that are not the log's."""

    @property
    def policy(self) -> notes.Policy:
        """Whose cosignatures count, and how many of them are needed."""

    def cosign(
        self, checkpoint: bytes, consistency: Callable[[int], list[bytes]], wait_s: float
    ) -> tuple[notes.NoteLine, ...]:
        """Ask all of them in parallel to cosign `checkpoint`; the lines that verify.

        Owes: back after at most `wait_s` seconds with what has come until then, and earlier once
        the policy is satisfied and the others are late: an answer waits for this. It does not
        raise for a witness that is away or refuses.

        Args:
            checkpoint: a note with the log's own lines.
            consistency: old size → the proof from there to this checkpoint's size. Callable from
                any thread. Raises ProofError where the old size is larger.
            wait_s: seconds.
        """

    def held(self, origin: str, wait_s: float) -> list[tuple[str, bytes | None]]:
        """(witness, its newest note of this log), asked in parallel, at most `wait_s` seconds.

        None: it answered, and holds none. Those that did not answer are left out.
        """


class Witnessed(Struct, frozen=True, kw_only=True):
    """What one witness has cosigned of this log, as far as this node knows."""

    name: str
    size: int
    """Of the newest checkpoint it cosigned; 0: none yet."""
    time: int | None
    """By its own clock, seconds since 1970 (UTC)."""


class Head(Protocol):
    """The published head a round is about."""

    @property
    def size(self) -> int: ...


class Round:
    """The witnesses' word on one head; whoever is answered with that head waits for it."""

    __slots__ = ("_ended", "_rounds", "quorum", "size")

    def __init__(self, rounds: Rounds, size: int) -> None:
        self._rounds = rounds
        self._ended = threading.Event()
        self.size = size
        self.quorum = False

    def wait(self) -> bool:
        """Whether there is a quorum: back when there is, when the round ends, or after 2 s."""
        if not self._ended.is_set():
            self._rounds._await(self)
        return self.quorum

    def _end(self, quorum: bool) -> None:
        if not self._ended.is_set():
            self.quorum = quorum
            self._ended.set()


class Rounds:
    """One round after the other, each for the newest head; a thread only while there is one.

    Args:
        ask: goes to the witnesses with a head, and does with their lines what is to be done;
            whether there is a quorum now. What it raises is given to `failed`.
        failed: told what went wrong in a round.
        wait_s: how long an answer waits for a round.
    """

    def __init__(
        self,
        ask: Callable[[Head], bool],
        failed: Callable[[BaseException], None],
        wait_s: float = WAIT_S,
    ) -> None:
        self._wait_s = wait_s
        self._ask = ask
        self._failed = failed
        # All guarded by _lock.
        self._lock = threading.Lock()
        self._next: Head | None = None
        self._open: list[Round] = []
        self._busy = False
        self._ended = 0
        self._overdue = False  # the round in hand took longer than any may: nobody waits for it
        self._closed = False

    def begin(self, head: Head) -> Round:
        """Have the witnesses asked about `head`, or about one after it if it comes before."""
        asked = Round(self, head.size)
        with self._lock:
            if self._overdue or self._closed:
                asked._end(False)
            else:
                self._open.append(asked)
            if not self._closed:
                self._next = head
                if not self._busy:
                    self._busy = True
                    threading.Thread(target=self._work, name="witnesses", daemon=True).start()
        return asked

    @property
    def idle(self) -> bool:
        """Nothing is being asked."""
        return not self._busy

    def close(self) -> None:
        """Begin no more rounds, and let everybody go who waits for one."""
        with self._lock:
            self._closed = True
            self._next = None
        self.release()

    def release(self) -> None:
        """Let everybody go who waits, without a quorum."""
        with self._lock:
            waiting, self._open = self._open, []
        for asked in waiting:
            asked._end(False)

    def _work(self) -> None:
        while True:
            with self._lock:
                head, self._next = self._next, None
                if head is None:
                    self._busy = False
                    return
            quorum = False
            try:
                quorum = self._ask(head)
            except BaseException as wrong:  # a thread of its own: nobody else would hear of it
                self._failed(wrong)
            with self._lock:
                self._ended += 1
                self._overdue = False
                over = [asked for asked in self._open if asked.size <= head.size]
                self._open = [asked for asked in self._open if asked.size > head.size]
            for asked in over:
                asked._end(quorum)

    def _await(self, asked: Round) -> None:
        before = self._ended
        if asked._ended.wait(self._wait_s):
            return
        with self._lock:
            if self._ended == before:
                self._overdue = True
                over, self._open = self._open, []
            else:
                over = [one for one in self._open if one.size <= asked.size]
                self._open = [one for one in self._open if one.size > asked.size]
        for one in (asked, *over):
            one._end(False)


class Cosignatures:
    """The lines of witnesses under one log's checkpoints: which are taken, and what they make."""

    def __init__(self, witnesses: Witnesses | None, origin: str) -> None:
        self._witnesses = witnesses
        self._origin = origin
        self._witnessed: dict[str, Witnessed] = {}

    def with_lines(self, note: bytes, lines: Sequence[notes.NoteLine]) -> bytes:
        """The note with those of the lines that it has not, and that are good.

        One bad line of a key that a reader knows would spoil the whole note for that reader, so
        nobody is trusted to have checked.
        """
        opened = notes.open_note(note)
        known = self._known()
        there = {(line.name, line.keyid) for line in opened.lines}
        # Those the policy counts first: a note has room for 32.
        for line in sorted(lines, key=lambda line: (line.name, line.keyid) not in known):
            place = (line.name, line.keyid)
            if place in there or len(there) >= notes.MAX_LINES or line.name == self._origin:
                continue
            if place in known:
                try:
                    one = notes.Note(text=opened.text, lines=(line,))
                    notes.verify_note(one, [known[place][1]])
                except NoteError:
                    continue
            there.add(place)
            note = notes.add_lines(note, [line])
        self.take_times(note)
        return note

    def _known(self) -> dict[tuple[str, bytes], tuple[str, notes.VerifierKey]]:
        if self._witnesses is None:
            return {}
        named = self._witnesses.policy.witnesses.items()
        return {(key.name, key.keyid): (name, key) for name, key in named}

    def take_times(self, note: bytes) -> None:
        """Remember who cosigned what."""
        known = self._known()
        opened = notes.open_note(note)
        size = notes.open_checkpoint(opened.text).size
        for line in opened.lines:
            if line.name == self._origin or len(line.blob) < 8:
                continue
            name = next((n for n, k in known.values() if k.name == line.name), line.name)
            if (line.name, line.keyid) in known:
                name = known[line.name, line.keyid][0]
            time = int.from_bytes(line.blob[:8], "big")
            held = self._witnessed.get(name)
            if held is None or held.size <= size:
                self._witnessed[name] = Witnessed(name=name, size=size, time=time)

    def count(self, note: bytes) -> bool:
        """Whether it is cosigned as the policy asks; if it asks nobody: by anybody."""
        lines = notes.open_note(note).lines
        if self._witnesses is None or self._witnesses.policy.quorum == "none":
            return any(line.name != self._origin for line in lines)
        known = self._known()
        there = [known[place][0] for x in lines if (place := (x.name, x.keyid)) in known]
        return self._witnesses.policy.satisfied(there)

    def keys(self) -> list[notes.VerifierKey]:
        """The keys of the policy's witnesses."""
        return [key for _, key in self._known().values()]

    def witnessed(self) -> list[Witnessed]:
        """What each has cosigned: those of the policy first, then others."""
        named = list(self._witnesses.policy.witnesses) if self._witnesses else []
        known = dict(self._witnessed)
        none = [Witnessed(name=name, size=0, time=None) for name in named if name not in known]
        return sorted([*known.values(), *none], key=lambda w: (w.name not in named, w.name))


class RollbackGuard:
    """What the witnesses remember of this log, asked for before its first write.

    A restored backup is the likeliest fork by an honest node, and its own files are as old as its
    store: only others can tell. Spec: record.md, "Sequencer", rollback guard.

    Args:
        witnesses: who is asked.
        origin: of this log.
        judge: raises RollbackError if this note, which a witness holds, shows that the store is
            not the newest; NoteError if the note is not one of this log's.
        passed: told once, from another thread, that writes are free.
        wait_s: how long they have to answer.
    """

    def __init__(
        self,
        witnesses: Witnesses,
        origin: str,
        judge: Callable[[str, bytes], None],
        passed: Callable[[], None],
        wait_s: float = WAIT_S,
    ) -> None:
        self._wait_s = wait_s
        self._witnesses = witnesses
        self._origin = origin
        self._judge = judge
        self._tell = passed
        # All guarded by _state.
        self._state = threading.Condition()
        self._asking = False
        self._passed = False
        self._silent = False
        self._wrong: RollbackError | None = None

    @property
    def _must(self) -> bool:
        """Whether the policy in force wants a quorum; it may change while the node runs."""
        return self._witnesses.policy.quorum != "none"

    @property
    def passed(self) -> bool:
        """Writes are free."""
        return self._passed and self._wrong is None

    @property
    def why(self) -> str | None:
        """Why nothing is written, if it is for this."""
        if self._wrong is not None:
            return self._wrong.message
        return self._no_answer().message if self._silent and not self._passed else None

    def ask(self) -> None:
        """Begin to ask, if nothing is known yet and nobody asks already."""
        with self._state:
            self._begin()

    def check(self, *, again: bool) -> None:
        """Return if writes are free; the first time, after at most 2 s.

        Args:
            again: ask once more where nobody answered before. False: somebody else does that.

        Raises:
            RollbackError: a witness has seen more of this log, or another. For good.
            LogHalted: the policy wants a quorum, and no witness answers.
        """
        with self._state:
            if not self._passed and self._wrong is None and (again or not self._silent):
                self._begin()
                self._state.wait_for(lambda: not self._asking, timeout=self._wait_s + 0.25)
                if self._asking:  # it hangs, whatever it promised
                    self._silent = True
                    self._passed = not self._must
            if self._wrong is not None:
                raise self._wrong
            if not self._passed:
                raise self._no_answer()

    def _begin(self) -> None:
        if not self._asking and not self._passed and self._wrong is None:
            self._asking = True
            threading.Thread(target=self._work, name="rollback guard", daemon=True).start()

    def _work(self) -> None:
        answered = False
        wrong: RollbackError | None = None
        try:
            for name, note in self._witnesses.held(self._origin, self._wait_s):
                try:
                    if note is not None:
                        self._judge(name, note)
                    answered = True
                except NoteError:
                    continue  # what is not signed by us says nothing about us
        except RollbackError as found:
            wrong = found
        except Exception:  # a witness is no reason to fall over: it has not answered
            answered = False
        with self._state:
            self._asking = False
            self._wrong = wrong or self._wrong
            new = not self._passed and wrong is None and (answered or not self._must)
            self._passed = self._passed or new
            self._silent = not answered
            self._state.notify_all()
        if new:
            self._tell()

    def _no_answer(self) -> LogHalted:
        return LogHalted(
            f"no witness answers, and {self._origin} is not written to before one has said what "
            "it holds of it",
            remedy=_REACH,
        )


def conflict(
    name: str, held: notes.Checkpoint, size: int, root_at: Callable[[int], bytes]
) -> RollbackError | None:
    """What is wrong if `name` holds `held` of a log that has `size` entries here; None: nothing.

    Args:
        root_at: size → this store's root at that size, for 1 <= size <= `size`.
    """
    if held.size > size:
        return RollbackError(
            f"{name} has cosigned size {held.size} of {held.origin}, and this store holds {size}",
            remedy=_RESTORE,
        )
    try:
        same = held.size == 0 or root_at(held.size) == held.root
    except TocsinError as wrong:
        return RollbackError(
            f"the root of {held.origin} at size {held.size} cannot be compared with what {name} "
            f"cosigned: {wrong.message}",
            remedy=wrong.remedy,
        )
    if same:
        return None
    return RollbackError(
        f"{name} has cosigned another root of {held.origin} at size {held.size} than this store's",
        remedy=_RESTORE,
    )
