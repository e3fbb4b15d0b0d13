"""Whose turn it is: no peer waits for another, and all of them together have so much memory.

Each peer has one turn at a time, in a thread. So many go on at once, and of those who were slow the
last time only half as many: a peer that drips its answers, or many of them, take no place that
another needs.
Spec: exchange.md §5, "one in flight per peer and direction".
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from msgspec import Struct

log = logging.getLogger("tocsin.sync")

AT_ONCE = 16
"""Turns. A page of at most 24 MiB is in memory in each, and objects of 8 MiB and one more."""
SLOW_AT_ONCE = AT_ONCE // 2
LARGE_AT_ONCE = 4
"""Turns in which an object of more than 1 MiB is fetched; of slow peers one fewer."""


class _Turn(Struct, frozen=True):
    party: str
    what: str
    work: Callable[[], int]


class Turns:
    """Turns of peers, each in a thread of its own. Guarded by its own lock.

    Args:
        at_once: how many; 0: in the caller's thread, one after the other.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._slow_at_once = min(SLOW_AT_ONCE, max(1, at_once - 1))
        self._changed = threading.Condition()
        self._waiting: deque[_Turn] = deque()
        self._going: dict[str, bool] = {}
        """Party → whether it counts as slow."""
        self._slow: set[str] = set()
        self._large: set[str] = set()
        self._closed = False

    def start(self, party: str, what: str, work: Callable[[], int]) -> int:
        """Have `work` done in a turn of this peer, unless the same waits already.

        Args:
            what: a name for the work.
            work: raises nothing; gives a number.

        Returns:
            What `work` gave where it was done at once; else 0.
        """
        if not self._at_once:
            return work()
        with self._changed:
            if not self._closed and not any(
                (one.party, one.what) == (party, what) for one in self._waiting
            ):
                self._waiting.append(_Turn(party, what, work))
                self._go_on()
        return 0

    def note(self, party: str, *, slow: bool) -> None:
        """Remember how a peer was in its turn."""
        with self._changed:
            (self._slow.add if slow else self._slow.discard)(party)

    def take_large(self, party: str) -> bool:
        """Whether there is room for a large object in this turn. It is had until the turn ends."""
        if not self._at_once:
            return True
        with self._changed:
            if party in self._large:
                return True
            room = LARGE_AT_ONCE - (1 if party in self._slow else 0)
            if len(self._large) >= room:
                return False
            self._large.add(party)
            return True

    @property
    def closed(self) -> bool:
        """Whether no more is to be begun, and what goes on is to end soon."""
        return self._closed

    def close(self, seconds: float) -> None:
        """Begin no more, and wait so long for what goes on; the threads are daemons."""
        until = time.monotonic() + seconds
        with self._changed:
            self._closed = True
            self._waiting.clear()
            while self._going and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)

    def _go_on(self) -> None:
        """Begin what there is room for: in order, but for those whose turn cannot begin yet."""
        for turn in list(self._waiting):
            if len(self._going) >= self._at_once or self._closed:
                return
            slow = turn.party in self._slow
            if turn.party in self._going:
                continue
            if slow and sum(self._going.values()) >= self._slow_at_once:
                continue
            self._waiting.remove(turn)
            self._going[turn.party] = slow
            name = f"sync {turn.party}"
            threading.Thread(target=self._run, args=(turn,), name=name, daemon=True).start()

    def _run(self, turn: _Turn) -> None:
        try:
            turn.work()
        except Exception:  # the next round may find things mended
            if not self._closed:
                log.exception("exchange with %s failed", turn.party)
        finally:
            with self._changed:
                del self._going[turn.party]
                self._large.discard(turn.party)
                self._go_on()
                self._changed.notify_all()
