"""Indicators of whole reports: excerpts in which every value is marked, and what lists say."""

from __future__ import annotations

import pytest
from benchmarks.claims_indicators import Marked, excerpts, score, tally

from tocsin.importers import report
from tocsin.importers.indicators import sift, site_of
from tocsin.stix.held import REASONS
from tocsin.stix.values import KINDS, normalise

EXCERPTS = excerpts()
TUNED = [one for one in EXCERPTS if one.set == "tuned"]


@pytest.mark.parametrize("one", TUNED, ids=lambda one: one.name)
def test_an_excerpt_gives_what_is_marked_in_it_and_nothing_else(one: Marked) -> None:
    told = score(one)
    assert (told.missed, told.wrong, told.misplaced, told.slipped) == ((), (), (), ())


def test_excerpts_that_nothing_was_changed_for_are_read_nearly_as_well() -> None:
    told = tally(EXCERPTS)
    assert told["recall"][0] / told["recall"][1] >= 0.98
    assert told["precision"][0] / told["precision"][1] >= 0.97


def test_marks_are_values_of_ours_in_their_normal_form() -> None:
    assert len(EXCERPTS) >= 40
    assert 3 * sum(one.set != "tuned" for one in EXCERPTS) >= len(EXCERPTS)
    for one in EXCERPTS:
        for kind, value in one.values:
            assert kind in KINDS
            assert normalise(kind, value) == value
        for why, raw in one.held:
            assert why in REASONS
            assert raw in one.text


def test_what_everybody_knows_is_held_back_unless_somebody_broke_it() -> None:
    drafts, held = sift("8.8.8.8 and github.com answered, 127.0.0.1 and co.uk too.\n")
    assert drafts == []
    assert [(x.kind, x.note) for x in held] == [
        ("warning-list", "“8.8.8.8” stands on the warning list public-resolvers"),
        ("warning-list", "“github.com” stands on the warning list top-domains"),
        ("warning-list", "“127.0.0.1” stands on the warning list loopback"),
        ("public-suffix", "“co.uk” is a name under which unrelated people register"),
    ]
    drafts, held = sift("8.8.8[.]8 and github[.]com answered, github.com too.\n")
    assert held == []
    assert [(d.value, d.notes) for d in drafts] == [
        ("8.8.8.8", ("stands on the warning list public-resolvers",)),
        ("github.com", ("stands on the warning list top-domains", "printed 2 times")),
    ]


def test_each_thing_held_back_is_told_once_with_how_often() -> None:
    _, [one] = sift("version 1.2.3.4, again version 1.2.3.4\n")
    assert (one.kind, one.span) == ("version-number", (8, 15))
    assert one.note == "“1.2.3.4” counts versions, builds or sections, printed 2 times"


@pytest.mark.parametrize(
    ("head", "site"),
    [
        ('<link rel="canonical" href="https://www.portco.example/a">', "portco.example"),
        ("<link href='http://news.portco.example/' rel='canonical'/>", "news.portco.example"),
        ('<meta property="og:url" content="https://portco.example/b">', "portco.example"),
        ('<meta content="https://portco.example/b" property="og:url">', "portco.example"),
        ('<link rel="canonical" href="https://www.com/">', None),
        ('<link rel="canonical" href="https://github.io/">', None),
        ('<link rel="canonical" href="/a">', None),
        ('<link rel="stylesheet" href="https://portco.example/a.css">', None),
        ("<link " * 20_000, None),
    ],
)
def test_a_page_says_where_it_was_published(head: str, site: str | None) -> None:
    assert site_of(f"<html><head>{head}</head></html>") == site


def test_a_page_cannot_hide_what_was_written_broken() -> None:
    page = (
        "<html><head><link rel='canonical' href='https://lure-portal.com/'></head><body><p>"
        "The implant asked lure-portal[.]com for its tasks, as mail.lure-portal.com said to the "
        "paper that has looked into this for a month.</p></body></html>"
    )
    reading = report.read(page.encode(), "a.html")
    assert [one.value for one in reading.indicators] == ["lure-portal.com"]
    assert [loss.kind for loss in reading.losses if loss.kind != "markup"] == ["own-site"]


def test_what_the_outlet_lists_itself_is_neither_found_nor_held() -> None:
    assert sift("evil[.]com and version 1.2.3.4", skip=[(0, 40)]) == ([], [])
