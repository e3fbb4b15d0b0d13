"""Signatures verified side by side: in threads of this process, or in worker processes.

libsodium is called without the interpreter's lock, so threads help as long as nothing else is to
be done; where opening and keeping fill this process, workers take verifying away from it, and
opening too.
Spec: house.md, "Who runs what": workers that only check signatures.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import (
    CancelledError,
    Executor,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from multiprocessing import get_context
from typing import Any

from tocsin.errors import TocsinError
from tocsin.record.admission import Opened, Signed, open_all, verify_all
from tocsin.record.envelope import open_again, open_statement, pae

SHARE = 64
"""Signatures below which nothing is handed on: 4 ms of work."""


class Checkers:
    """A `record.admission.Verifier` that spreads the work; `close` ends its threads or processes.

    Whatever befalls a worker, the answer is right: what is not found good is verified again by
    whoever asks (`admit_many`), and what is not opened is opened here.

    Args:
        workers: how many at once.
        processes: whether they are processes of their own; else threads.
    """

    def __init__(self, workers: int, *, processes: bool) -> None:
        self._workers = workers
        self._processes = processes
        self._start: Callable[[], Executor] = (
            # Not forked: a fork of a process with threads may hold a lock for ever.
            (lambda: ProcessPoolExecutor(workers, get_context("spawn"), _leave_signals))
            if processes
            else (lambda: ThreadPoolExecutor(workers, thread_name_prefix="signatures"))
        )
        self._lock = threading.Lock()
        self._pool: Executor | None = None  # guarded by _lock

    def __call__(self, signed: Sequence[Signed]) -> Sequence[bool]:
        """Whether each signature is good under the strict rule."""
        if len(signed) < SHARE or self._workers < 2:
            return verify_all(signed)
        # More pieces than workers: others use them too, and no piece is waited for long.
        size = max(SHARE // 2, -(-len(signed) // (2 * self._workers)))
        pieces = [signed[start : start + size] for start in range(0, len(signed), size)]
        try:
            return [fine for part in self._started().map(verify_all, pieces) for fine in part]
        except (RuntimeError, CancelledError):  # a worker was killed, or another caller saw that
            self._end()
            return verify_all(signed)

    def open(
        self, raws: Sequence[bytes], publics: Mapping[str, bytes]
    ) -> Sequence[tuple[Opened, Signed | None] | TocsinError]:
        """A `record.admission.Opener`: worker processes open and verify in one go."""
        if len(raws) < SHARE or self._workers < 2 or not self._processes:
            return open_all(raws, publics)
        size = max(SHARE // 2, -(-len(raws) // (2 * self._workers)))
        pieces = [raws[start : start + size] for start in range(0, len(raws), size)]
        try:
            asked = self._started().map(_open_and_verify, pieces, [dict(publics)] * len(pieces))
            parts = list(asked)
        except (RuntimeError, CancelledError):
            self._end()
            return open_all(raws, publics)
        found: list[tuple[Opened, Signed | None] | TocsinError] = []
        for piece, part in zip(pieces, parts, strict=True):
            for raw, one in zip(piece, part, strict=True):
                if one is None:  # what is wrong with it is said here
                    found += open_all((raw,), publics)
                else:
                    found.append(_arrived(raw, *one, publics))
        return found

    def warm(self) -> None:
        """Start the workers now, so that the first who asks does not wait for it."""
        list(self._started().map(_nothing, range(self._workers)))

    def close(self) -> None:
        """End the workers. Whoever still asks gets new ones."""
        self._end()

    def _started(self) -> Executor:
        with self._lock:
            if self._pool is None:
                self._pool = self._start()
            return self._pool

    def _end(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


_Checked = tuple[bytes, bool]
"""Of an envelope with one signature that could be opened: its id, and whether that is good. What
is in it is not sent back: reading it again, without a check, takes less than that."""


def _open_and_verify(raws: Sequence[bytes], publics: Mapping[str, bytes]) -> list[_Checked | None]:
    """In a worker. None: not a plain statement; whoever asked opens it and says what is wrong."""
    found: list[_Checked | None] = []
    for raw in raws:
        try:
            envelope, _ = open_statement(raw)
        except TocsinError:
            found.append(None)
            continue
        if len(envelope.signatures) != 1:
            found.append(None)
            continue
        [signature] = envelope.signatures
        public = publics.get(signature.keyid)
        message = pae(envelope.payload)
        good = public is not None and verify_all([(public, signature.sig, message)])[0]
        found.append((bytes.fromhex(envelope.id), good))
    return found


def _arrived(
    raw: bytes, id: bytes, good: bool, publics: Mapping[str, bytes]
) -> tuple[Opened, Signed | None]:
    envelope, statement = open_again(raw, id.hex())
    [signature] = envelope.signatures
    signed = (publics[statement.key], signature.sig, pae(envelope.payload)) if good else None
    return (envelope, statement), signed


def _leave_signals() -> None:
    # Ctrl-C at a terminal reaches workers too: they end when their node does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _nothing(_: Any) -> int:
    return os.getpid()
