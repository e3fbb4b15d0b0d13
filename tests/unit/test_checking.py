"""Signatures are verified side by side, and no lost worker makes a wrong answer."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor

import pytest

from tocsin.record.admission import Signed, verify_all
from tocsin.record.keys import Signer
from tocsin.wiring.checking import SHARE, Checkers

SIGNER = Signer.from_seed(b"\x05" * 32, "cert.northland.example")


def _signed(count: int) -> list[Signed]:
    """Every third one is bad."""
    made = []
    for number in range(count):
        message = b"%d" % number
        signature = SIGNER.sign(message if number % 3 else b"another")
        made.append((SIGNER.public, signature, message))
    return made


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("count", [0, 1, SHARE - 1, SHARE, 5 * SHARE + 7])
def test_the_answers_are_those_of_one_after_the_other(count: int, processes: bool) -> None:
    checkers = Checkers(2, processes=processes)
    try:
        assert list(checkers(_signed(count))) == verify_all(_signed(count))
    finally:
        checkers.close()


def test_a_worker_that_is_killed_costs_nothing_but_time() -> None:
    checkers = Checkers(2, processes=True)
    signed = _signed(2 * SHARE)
    try:
        checkers.warm()
        pool = checkers._pool
        assert isinstance(pool, ProcessPoolExecutor)
        for worker in pool._processes:
            os.kill(worker, signal.SIGKILL)
        assert list(checkers(signed)) == verify_all(signed)
        assert list(checkers(signed)) == verify_all(signed)
    finally:
        checkers.close()


def test_who_has_ended_its_workers_still_verifies() -> None:
    checkers = Checkers(2, processes=False)
    checkers.warm()
    checkers.close()
    assert list(checkers(_signed(SHARE))) == verify_all(_signed(SHARE))
    checkers.close()
