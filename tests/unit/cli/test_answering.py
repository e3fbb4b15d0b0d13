"""Denying, giving grounds, committing and showing, as a party does it on its own folder."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.test_verbs import Terminal, article, tocsin

from tocsin.claims import answering, model
from tocsin.cli import answering as verbs
from tocsin.console import answering as page

__all__ = ["tocsin"]

World = Any  # tests/unit/conftest.py


@pytest.fixture
def charge(tocsin: Terminal, world: World) -> str:
    """An accusation that stands on the node: the first of the article."""
    tocsin("ingest", article(world), "--published", "2026-11-18")
    drafts = [f"{d['report']}.{d['n']}" for d in tocsin.json("accept")]
    tocsin("accept", *drafts, "--date", "2026-11-18", "--yes", "--tlp", "GREEN")
    [id] = [row["id"] for row in tocsin.json("claims") if row["word"] == "accusation"]
    return str(id)


def test_a_denial_stands_beside_the_claim_for_those_it_was_said_for(
    tocsin: Terminal, charge: str
) -> None:
    assert "say --yes" in tocsin("answer", charge, "We run no such group.", code=2)
    before = tocsin.json("log", "show")["size"]
    said = tocsin("answer", charge[:12], "We run no such group.", "--dry-run")
    assert "would say this denial, TLP:GREEN" in said
    assert tocsin.json("log", "show")["size"] == before
    done = tocsin.json("answer", charge[:12], "We run no such group.", "--yes")
    [opinion] = done["objects"]
    assert "TLP:GREEN" in tocsin("answer", charge, "Show it.", "--form", "request", "--yes")
    [row] = [row for row in tocsin.json("claims", "--challenged") if row["id"] == charge]
    assert row["denials"] == 1
    tocsin("evidence", opinion, "--name", "Roster", "--kind", "testimony", "--yes")


def test_answers_that_cannot_be_say_what_to_do(tocsin: Terminal, charge: str) -> None:
    assert "no words" in tocsin("answer", charge, "  ", "--yes", code=2)
    assert "no claim note--ffff" in tocsin("answer", "note--ffff", "No.", "--yes", code=1)
    assert "no object grouping--" in tocsin(
        "answer", "grouping--70000000-0000-4000-8000-000000000001", "No.", "--yes", code=1
    )
    both = ("--reply", "refused", "--form", "denial")
    assert "give one" in tocsin("answer", charge, "No.", *both, "--yes", code=2)
    assert "party list" in tocsin("answer", charge, "No.", "--speaker", "nobody", "--yes", code=1)
    assert "--kinds" in tocsin("evidence", charge, "--name", "x", "--yes", code=2)
    assert "telemetry" in tocsin("evidence", charge, "--kinds")


def test_grounds_change_how_it_stands_and_the_change_names_them(
    tocsin: Terminal, charge: str
) -> None:
    Path("flows.csv").write_text("a,b\n")
    tocsin(
        *("evidence", charge, "--name", "Flow records", "--kind", "telemetry", "--for", "actor"),
        *("--file", "flows.csv", "--yes"),
    )
    [one] = tocsin.json("standing", charge)
    assert one["links"]["actor"] == {"grade": "one-root", "shown": True}
    steps = tocsin.json("standing", charge, "--since", "2026-11-18")
    assert [c["name"] for c in steps[-1]["came"]] == ["Flow records"]
    assert "came  Flow records" in tocsin("standing", charge, "--since", "2026-11-18")
    assert "nothing" not in tocsin("standing", charge, "--since", "2030-01-01")
    assert "is a file" in tocsin("standing", "flows.csv", "--since", "2026-11-18", code=2)


def test_what_was_committed_to_is_shown_later_and_only_that(tocsin: Terminal, charge: str) -> None:
    Path("flows.csv").write_text("a,b\n")
    commit = ("--name", "Flow records", "--kind", "telemetry", "--for", "actor", "--commit")
    done = tocsin.json("evidence", charge, *commit, "flows.csv", "--yes")
    piece = next(id for id in done["objects"] if id.startswith("grouping--"))
    Path("roster.csv").write_text("a,b\n")
    assert "say --yes" in tocsin("evidence", charge, *commit, "roster.csv", code=2)
    assert not Path("roster.csv.committed").exists()  # nothing was said that it would open
    assert "is there already" in tocsin("evidence", charge, *commit, "flows.csv", "--yes", code=2)
    assert tocsin.json("standing", charge)[0]["links"]["actor"]["grade"] == "none-shown"
    refused = tocsin("evidence", piece, "--reveal", "flows.csv", "--yes", code=1)
    assert "was committed to" in refused
    both = ("--reveal", "flows.csv.committed", "--describe", "More.", "--yes")
    assert "give --reveal FILE alone" in tocsin("evidence", piece, *both, code=2)
    tocsin("evidence", piece, "--reveal", "flows.csv.committed", "--yes")
    assert tocsin.json("standing", charge)[0]["links"]["actor"]["grade"] == "one-root"
    assert "holds no commitment" not in refused


def test_the_norms_are_listed_with_their_source(tocsin: Terminal) -> None:
    listed = tocsin("norms")
    assert "un-13k" in listed
    assert "https://undocs.org/A/70/174" in listed
    assert [n["ref"][-1] for n in tocsin.json("norms")["norms"]] == list("abcdefghijk")
    makers = [one["maker"] for one in tocsin.json("norms", "--sectors")["sectors"]]
    assert makers == sorted(makers)
    assert "187-FZ" in tocsin("norms", "--sectors")


def test_a_reply_invokes_norms_and_one_we_do_not_know_is_kept_and_told(
    tocsin: Terminal, charge: str
) -> None:
    denial = ("answer", charge, "No.", "--norm", "un-13f", "--yes", "--dry-run")
    [opinion] = tocsin.json(*denial)["objects"]  # whoever is accused invokes norms as well
    assert next(iter(opinion["extensions"].values()))["norm_refs"] == ["un-13f"]
    said = ("answer", charge, "We refuse.", "--reply", "refused", "--norm", "UN-13F")
    objects = tocsin.json(*said, "--norm", "un-99z", "--yes", "--dry-run")["objects"]
    [note] = [o for o in objects if o["type"] == "note"]
    [x] = note["extensions"].values()
    assert x["norm_refs"] == ["un-13f", "un-99z"]


def test_an_answer_says_for_whom_it_is_given(tocsin: Terminal, charge: str) -> None:
    words = ("answer", charge, "We did not.", "--speaks-for", "gridco.example")
    said = (*words, "--capacity", "spokesperson", "--yes")
    assert "party list" in tocsin(*words[:-1], "nobody", "--yes", code=1)
    tocsin(*said)
    assert "(for GridCo) denies it." in tocsin("standing", charge)
    own = ("answer", charge, "No.", "--speaks-for", "cert.northland.example", "--yes")
    assert "speaks for itself" in tocsin(*own, code=1)


def test_the_words_a_terminal_and_a_page_offer_are_those_of_the_carrier() -> None:
    """They stand in both doors by themselves: in an order to be read, and quick to load."""
    assert set(verbs.FORMS) == model.FORMS
    assert {*page._FORMS, "undercut"} == model.FORMS
    assert verbs.REPLIES == answering.REPLIES
    assert verbs.CAPACITIES == answering.CAPACITIES


def test_claims_and_what_stands_beside_one_are_tables_to_keep(
    tocsin: Terminal, charge: str
) -> None:
    tocsin("answer", charge, "=2+5 is what they claim.", "--yes")
    head, *rows = csv.reader(io.StringIO(tocsin("claims", "--csv")))
    assert len(rows) == len(tocsin.json("claims"))
    [row] = [dict(zip(head, row, strict=True)) for row in rows if row[0] == charge]
    assert (row["type"], row["denials"], row["level now"]) == ("accusation", "1", "none-shown")
    head, *rows = csv.reader(io.StringIO(tocsin("standing", charge, "--csv")))
    words = [dict(zip(head, row, strict=True)) for row in rows]
    assert [one["position"] for one in words][:2] == ["accusation", "denial"]
    assert words[1]["words"] == "'=2+5 is what they claim."
    assert words[1]["ground"] == "none asked for"
    assert "--csv is for a claim on a node" in tocsin("standing", "x.json", "--csv", code=2)
