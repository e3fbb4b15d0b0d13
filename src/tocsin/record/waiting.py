"""What a submitter holds between keeping a statement and its answer."""

from __future__ import annotations

import threading
from collections.abc import Callable

from msgspec.structs import replace

from tocsin.errors import LogHalted, TocsinError
from tocsin.record import cosigning
from tocsin.record.ports import Receipt

RESTART = "look at the disk, then restart the node: it goes on from what the store holds"


class Gate:
    """What statements that were kept together wait at: open when the last of them is answered."""

    __slots__ = ("_left", "_lock", "_open", "work")

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._left = count
        self._open = threading.Event()
        self.work: Callable[[], None] | None = None
        """What the first who waits has to do, where no thread does it."""

    def one_less(self) -> None:
        """One more of them is answered."""
        with self._lock:
            self._left -= 1
            last = not self._left
        if last:
            self._open.set()

    def wait(self) -> None:
        """Return when all of them are answered."""
        work, self.work = self.work, None
        if work is not None:
            work()
        if not self._open.is_set():
            self._open.wait()


class Waiting:
    """A statement that is durably kept, on its way into the log."""

    __slots__ = ("_error", "_receipt", "_round", "gate")

    def __init__(self, gate: Gate | None = None) -> None:
        self.gate = gate or Gate(1)
        self._receipt: Receipt | None = None
        self._error: TocsinError | None = None
        self._round: cosigning.Round | None = None

    def wait(self) -> Receipt:
        """Return when everybody may see the statement in the log, and a quorum has cosigned it.

        For the quorum at most 2 s: `Receipt.quorum` says whether it came. Of statements that were
        kept together each waits until all are in the log.

        Raises:
            LogHalted: the log halted meanwhile. The statement is kept, and a restart logs it:
                look it up by its id before sending it again.
        """
        receipt = self.logged()
        if self._round is None:
            return receipt
        return replace(receipt, quorum=self._round.wait())

    def logged(self) -> Receipt:
        """As `wait`, but for the quorum: for whoever only needs to see it."""
        self.gate.wait()
        if self._receipt is None:
            raise self._error or LogHalted("the log halted", remedy=RESTART)
        return self._receipt

    @property
    def settled(self) -> bool:
        """Its answer is known, but for the quorum."""
        return self._receipt is not None or self._error is not None

    def settle(
        self,
        receipt: Receipt | None,
        error: TocsinError | None = None,
        asked: cosigning.Round | None = None,
    ) -> None:
        """The answer; the first one counts. `asked`: the witnesses' round to wait for."""
        if not self.settled:
            self._receipt, self._error, self._round = receipt, error, asked
            self.gate.one_less()
