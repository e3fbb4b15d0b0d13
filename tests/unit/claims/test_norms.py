"""Norms and sectors: what is named, from where, and what is none of them."""

from __future__ import annotations

from tocsin.claims import norms
from tocsin.claims.sectors import LISTS


def test_there_are_eleven_norms_each_with_its_clause_and_source() -> None:
    assert [one.ref for one in norms.NORMS] == [f"un-13{letter}" for letter in "abcdefghijk"]
    for one in norms.NORMS:
        assert one.clause == f"A/70/174, 13 ({one.ref[-1]})"
        assert one.url.startswith("https://undocs.org/")
        assert len(one.title) <= 60
        assert norms.norm(one.ref) is one


def test_what_is_none_of_them_is_a_finding_and_is_kept() -> None:
    assert norms.named("UN-13F, un-13c un-13f,un-13z") == ["un-13f", "un-13c", "un-13z"]
    [one] = norms.findings(["un-13f", "un-13z", "un-13z"])
    assert one.ref == "un-13z"
    assert "kept as it was said" in one.message
    assert len(norms.named(" ".join(f"n{n}" for n in range(100)))) == norms.MOST_NORMS


def test_lists_of_sectors_are_several_and_in_the_order_of_their_makers() -> None:
    assert [one.maker for one in LISTS] == sorted(one.maker for one in LISTS)
    assert len({one.maker for one in LISTS}) >= 6
    for one in LISTS:
        assert len(one.sectors) == len(set(one.sectors)) >= 5
        assert one.url.startswith(("https://", "http://"))
