"""Turns of peers: nobody waits for who is slow, and all of it ends soon when it is to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tocsin.flows.turns import LARGE_AT_ONCE, Turns

PATIENCE = 20.0


class Peer:
    """Work that goes on until it is let go."""

    def __init__(self) -> None:
        self.begun, self.end = threading.Event(), threading.Event()
        self.times = 0

    def work(self) -> int:
        self.times += 1
        self.begun.set()
        self.end.wait(PATIENCE)
        return 1


def soon(what: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE
    while not what() and time.monotonic() < until:
        time.sleep(0.005)
    return what()


def test_who_drips_takes_no_turn_from_another() -> None:
    turns, drips, quick = Turns(2), Peer(), Peer()
    quick.end.set()
    turns.start("drips.example", "exchange", drips.work)
    for n in range(20):
        turns.start(f"{n}.example", "exchange", quick.work)
    assert soon(lambda: quick.times == 20)
    assert not drips.end.is_set(), "it is at it still"
    drips.end.set()
    turns.close(PATIENCE)


def test_of_those_who_were_slow_only_half_as_many_have_a_turn() -> None:
    turns, quick = Turns(4), Peer()
    quick.end.set()
    slow = [Peer() for _ in range(8)]
    for n, peer in enumerate(slow):
        turns.note(f"slow{n}.example", slow=True)
        turns.start(f"slow{n}.example", "exchange", peer.work)
    turns.start("quick.example", "exchange", quick.work)
    assert quick.begun.wait(PATIENCE), "whoever waits, it finds a place"
    assert sum(peer.begun.is_set() for peer in slow) == 3
    for peer in slow:
        peer.end.set()
    assert soon(lambda: all(peer.times == 1 for peer in slow)), "each has its turn in the end"
    turns.close(PATIENCE)


def test_a_peer_has_one_turn_at_a_time_and_the_same_waits_once() -> None:
    turns, first, second = Turns(4), Peer(), Peer()
    second.end.set()
    turns.start("a.example", "exchange", first.work)
    assert first.begun.wait(PATIENCE)
    for _ in range(3):
        turns.start("a.example", "exchange", second.work)
    assert second.times == 0
    first.end.set()
    assert soon(lambda: second.times == 1)
    turns.close(PATIENCE)
    assert second.times == 1


@pytest.mark.filterwarnings("error")
def test_what_fails_in_one_turn_is_nothing_to_the_next() -> None:
    turns, peer = Turns(1), Peer()
    peer.end.set()

    def fails() -> int:
        raise RuntimeError("a fault")

    turns.start("a.example", "exchange", fails)
    turns.start("a.example", "nudge", peer.work)
    assert peer.begun.wait(PATIENCE)
    turns.close(PATIENCE)


def test_closing_waits_only_so_long_and_begins_nothing_more() -> None:
    turns, hangs, waits = Turns(1), Peer(), Peer()
    turns.start("a.example", "exchange", hangs.work)
    turns.start("b.example", "exchange", waits.work)
    assert hangs.begun.wait(PATIENCE)
    started = time.monotonic()
    turns.close(0.05)
    assert time.monotonic() - started < PATIENCE / 2
    assert turns.closed
    hangs.end.set()
    assert turns.start("c.example", "exchange", waits.work) == 0
    time.sleep(0.05)
    assert waits.times == 0


def test_large_objects_are_fetched_in_a_few_turns_at_a_time() -> None:
    turns, peer = Turns(16), Peer()
    took: list[bool] = []

    def large(party: str) -> Callable[[], int]:
        def work() -> int:
            took.append(turns.take_large(party) and turns.take_large(party))
            return peer.work()

        return work

    for n in range(LARGE_AT_ONCE + 3):
        turns.start(f"{n}.example", "exchange", large(f"{n}.example"))
    assert soon(lambda: len(took) == LARGE_AT_ONCE + 3)
    assert sum(took) == LARGE_AT_ONCE
    peer.end.set()
    again: list[bool] = []
    assert soon(lambda: not turns._going), "all are through"

    def once_more() -> int:
        again.append(turns.take_large("9.example"))
        return 1

    turns.start("9.example", "exchange", once_more)
    assert soon(lambda: again == [True])
    turns.close(PATIENCE)


def test_without_threads_a_turn_is_done_at_once() -> None:
    assert Turns(0).start("a.example", "exchange", lambda: 7) == 7
