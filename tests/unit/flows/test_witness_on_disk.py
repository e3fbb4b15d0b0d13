"""The witness on the real store: what it cosigned outlives it, and no race splits it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

from tests.unit.record.log_case import TIME, GrowingLog
from tests.unit.record.test_witness import KEYS, NORTH, SIGNER

from tocsin.errors import WitnessRefused
from tocsin.flows.witnessing import LocalWitnessState
from tocsin.record.witness import Conflict, Witness, open_answer, write_request
from tocsin.store.sqlite import SqliteStore

TRUNK = GrowingLog(NORTH, both=False).grow(4)


def witness_on(store: SqliteStore, conflicts: list[Conflict]) -> Witness:
    return Witness(
        SIGNER,
        LocalWitnessState(store),
        lambda origin: TRUNK.keys if origin == TRUNK.origin else [],
        lambda: datetime.fromtimestamp(TIME, UTC),
        lambda origin: False,
        conflicts.append,
        origins=lambda: [TRUNK.origin],
    )


def test_racing_requests_over_one_store_are_answered_for_one_history(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "node")
    try:
        conflicts: list[Conflict] = []
        # Two witnesses over one store: no lock in a witness may be what keeps it right.
        doors = [witness_on(store, conflicts), witness_on(store, conflicts)]
        doors[0].add_checkpoint(write_request(0, [], TRUNK.note()))
        answered: list[tuple[int, bytes]] = []
        sides = [TRUNK.copy().grow(3, f"side {n}") for n in range(8)]
        start = threading.Barrier(len(sides))

        def ask(number: int, side: GrowingLog) -> None:
            start.wait()
            old = 4
            for size in (5, 6, 7):
                data = write_request(old, side.path(old, size), side.note(size))
                try:
                    answer = doors[number % 2].add_checkpoint(data)
                except WitnessRefused:
                    return
                open_answer(side.note(size), answer, KEYS)
                answered.append((size, side.root(size)))
                old = size

        threads = [threading.Thread(target=ask, args=one) for one in enumerate(sides)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        [winner] = [side for side in sides if (5, side.root(5)) in answered]
        assert sorted(answered) == [(size, winner.root(size)) for size in (5, 6, 7)]
    finally:
        store.close()


def test_what_was_cosigned_is_still_known_after_a_restart(tmp_path: Path) -> None:
    conflicts: list[Conflict] = []
    store = SqliteStore.open(tmp_path / "node")
    witness_on(store, conflicts).add_checkpoint(write_request(0, [], TRUNK.note()))
    store.close()
    store = SqliteStore.open(tmp_path / "node")
    try:
        again = witness_on(store, conflicts)
        twin = TRUNK.copy(2).grow(2, "twin")
        for data in (write_request(0, [], twin.note()), write_request(4, [], twin.note())):
            try:
                again.add_checkpoint(data)
            except WitnessRefused as refused:
                found = refused.status
            else:
                found = "ok"
            assert found in ("conflict", "inconsistent")
        assert [conflict.why for conflict in conflicts] == ["root", "root"]
        again.add_checkpoint(write_request(4, [], TRUNK.note()))
    finally:
        store.close()
