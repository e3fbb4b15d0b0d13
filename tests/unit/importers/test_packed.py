"""Objects in packs: what goes in comes out, in order, however it is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.importers import packed
from tocsin.importers.packed import Packed
from tocsin.stix.bundle import open_object
from tocsin.stix.model import make


def raws(count: int) -> list[bytes]:
    return [
        make(
            "domain-name", id=f"domain-name--5f0c2a1e-0000-4000-8000-{n:012}", value=f"h{n}.example"
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("size", [3, 1_000])
@given(count=st.integers(0, 12), cut=st.slices(12), at=st.integers(-13, 13))
def test_a_pack_is_the_list_of_what_was_added(size: int, count: int, cut: slice, at: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "PACK", size)
        made, plain = Packed(), [open_object(raw) for raw in raws(count)]
        for n, raw in enumerate(raws(count)):
            made.append(raw)
            assert made[n].raw == raw
    assert len(made) == count
    assert list(made) == plain
    assert made[cut] == plain[cut]
    if -count <= at < count:
        assert made[at] == plain[at]
    else:
        with pytest.raises(IndexError):
            made[at]


def test_large_objects_close_a_pack_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "PACK_BYTES", 200)
    made = Packed()
    for raw in raws(7):
        made.append(raw)
    assert [one.raw for one in made] == raws(7)


def test_an_object_larger_than_a_door_takes_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    note = make(
        "note",
        id="note--5f0c2a1e-0000-4000-8000-000000000001",
        created="2026-11-18T08:00:00Z",
        content="x" * 9_000_000,
        object_refs=["identity--5f0c2a1e-0000-4000-8000-000000000001"],
    )
    made = Packed()
    made.append(note)
    assert made[0].raw == note
