"""Signatures are verified side by side, and no lost worker makes a wrong answer."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor

import pytest

from tocsin.errors import TocsinError
from tocsin.record.admission import Signed, open_all, verify_all
from tocsin.record.envelope import pae, sign
from tocsin.record.keys import Signer
from tocsin.record.statement import compose
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


STRANGER = Signer.from_seed(b"\x06" * 32, "cert.southland.example")
PUBLICS = {SIGNER.keyid: SIGNER.public}


def _envelope(number: int, signer: Signer = SIGNER) -> bytes:
    payload = compose(
        author=signer.party,
        key=signer.keyid,
        kind="act",
        seq=number + 1,
        prev="ab" * 32 if number else "",
        time="2026-11-22T08:30:00Z",
        salt=f"{number:032x}",
        tlp="GREEN",
        body={"event": "task.note", "text": f"host {number}"},
        case="case-1",
    )
    return sign(payload, [signer])


def _mixed(count: int) -> list[bytes]:
    """Good ones, and of each kind of bad one several."""
    bad = (
        lambda raw, n: raw.replace(b'"sig":"', b'"sig":"AAAA')[: len(raw)],
        lambda raw, n: raw[:-20] + b"AAAAAAAAAAAAA==" + b'"}]}',
        lambda raw, n: raw[:40],
        lambda raw, n: b"",
        lambda raw, n: _envelope(n, STRANGER),
    )
    raws = []
    for number in range(count):
        raw = _envelope(number)
        raws.append(raw if number % 3 else bad[number // 3 % len(bad)](raw, number))
    return raws


@pytest.mark.parametrize("processes", [False, True])
def test_what_workers_open_is_what_is_opened_here(processes: bool) -> None:
    raws = _mixed(3 * SHARE)
    checkers = Checkers(2, processes=processes)
    try:
        found = list(checkers.open(raws, PUBLICS))
    finally:
        checkers.close()
    good = 0
    for one, here in zip(found, open_all(raws, PUBLICS), strict=True):
        if isinstance(one, TocsinError):
            assert isinstance(here, TocsinError)
            assert (type(one), one.message) == (type(here), here.message)
            continue
        assert not isinstance(here, TocsinError)
        assert one[0] == here[0]
        envelope, _ = one[0]
        signature = envelope.signatures[0]
        signed = (SIGNER.public, signature.sig, pae(envelope.payload))
        fine = signature.keyid == SIGNER.keyid and verify_all([signed]) == [True]
        assert one[1] == (signed if fine and processes else None)
        good += fine
    assert 2 * SHARE <= good < 3 * SHARE


def test_what_a_killed_worker_had_is_opened_here() -> None:
    checkers = Checkers(2, processes=True)
    raws = _mixed(2 * SHARE)
    try:
        checkers.warm()
        pool = checkers._pool
        assert isinstance(pool, ProcessPoolExecutor)
        for worker in pool._processes:
            os.kill(worker, signal.SIGKILL)
        found = checkers.open(raws, PUBLICS)
        assert [isinstance(one, TocsinError) for one in found] == [
            isinstance(one, TocsinError) for one in open_all(raws, PUBLICS)
        ]
    finally:
        checkers.close()
