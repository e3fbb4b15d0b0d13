"""The law of a witness: whatever is asked of it, all it ever cosigned of a log is one history."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.record.log_case import TIME, GrowingLog, MemoryState, QuickSigner
from tests.unit.record.test_witness import NORTH, SIGNER

from tocsin.errors import WitnessRefused
from tocsin.record import checkpoint as notes
from tocsin.record.fork import verify_fork
from tocsin.record.witness import Conflict, Held, Witness, open_answer, write_request

KEY = notes.open_vkey(SIGNER.vkeys()[0])
TRUNK = GrowingLog(NORTH, both=False).grow(9)
# Three histories that part at 0, 4 and 6 entries; a log that shows them as it likes.
VIEWS = [TRUNK.copy().grow(8), TRUNK.copy(4).grow(13, "b"), TRUNK.copy(6).grow(11, "c")]

requests = st.tuples(
    st.integers(0, 2),  # the view whose checkpoint is shown
    st.integers(0, 17),  # at this size
    st.one_of(st.none(), st.integers(0, 17)),  # the old size; None: the right one
    st.integers(0, 2),  # the view whose tree the proof is from
    st.integers(0, 6),  # 0: the proof is cut, 1: it has one hash more, else whole
    st.integers(-5, 5),  # what the witness's clock has moved by
)


class Watched(MemoryState):
    """Knows at any time what is durably held."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Held] = []

    def advance(self, new: Held, expected: Held | None) -> None:
        super().advance(new, expected)
        self.kept.append(new)


def one_history(a: notes.Checkpoint, b: notes.Checkpoint) -> bool:
    return any(view.root(a.size) == a.root and view.root(b.size) == b.root for view in VIEWS)


@settings(max_examples=150)
@given(st.lists(requests, max_size=25))
def test_all_that_is_cosigned_is_one_history_and_time_only_grows(
    asked: list[tuple[int, int, int | None, int, int, int]],
) -> None:
    state, conflicts, clock = Watched(), list[Conflict](), [TIME]
    witness = Witness(
        QuickSigner(SIGNER),
        state,
        lambda origin: TRUNK.keys if origin == TRUNK.origin else [],
        lambda: datetime.fromtimestamp(clock[0], UTC),
        lambda origin: False,
        conflicts.append,
        origins=lambda: [TRUNK.origin],
    )
    cosigned: list[notes.Checkpoint] = []
    times: list[int] = []
    for shown, size, old, proven, bent, moved in asked:
        clock[0] += moved
        view = VIEWS[shown]
        held = state.read(TRUNK.origin)
        right = 0 if held is None else held.size
        old = right if old is None else old
        path = VIEWS[proven].path(old, size) if old <= size else []
        path = path[:-1] if bent == 0 else [*path, bytes(32)] if bent == 1 else path
        head, note = view.head(size), view.note(size)
        try:
            answer = witness.add_checkpoint(write_request(old, path, note))
        except WitnessRefused as refused:
            found = refused
        else:
            # What was answered is what is held, and was held before.
            assert state.kept[-1] == state.read(TRUNK.origin)
            assert (state.kept[-1].size, state.kept[-1].root) == (head.size, head.root)
            [line] = open_answer(note, answer, [KEY])
            cosigned.append(head)
            times.append(int.from_bytes(line.blob[:8], "big"))
            continue
        assert state.read(TRUNK.origin) == held
        if old > size:
            assert found.status == "old-size"
        elif old != right:
            assert (found.status, found.size) == ("conflict", right)
        else:
            # An honest request is never refused: the right old size, one history, the right proof.
            assert found.status == "inconsistent"
            honest = held is None or one_history(head, head_of(held))
            assert not honest or path != view.path(old, size)
    assert times == sorted(times)
    assert [head.size for head in cosigned] == sorted(head.size for head in cosigned)
    assert all(one_history(a, b) for a in cosigned for b in cosigned)
    for conflict in conflicts:
        a = notes.open_checkpoint(notes.open_note(conflict.note).text)
        if conflict.why == "root":
            assert conflict.fork is not None
        if conflict.fork is not None:
            verify_fork(conflict.fork, TRUNK.keys)
            assert not one_history(a, head_of(conflict.held))


def head_of(held: Held) -> notes.Checkpoint:
    return notes.Checkpoint(origin=held.origin, size=held.size, root=held.root)
