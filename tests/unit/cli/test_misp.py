"""MISP and tables by the verbs: a feed's folder in, said, and out again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tocsin.cli import run
from tocsin.stix.ids import deterministic

EVENT = "5f0c2a1e-0000-4000-8000-000000000001"


@pytest.fixture
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A party, and the folder of a feed with one event."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("TOCSIN_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert run(["--home", "north", "init", "--party", "north.example"]) == 0
    folder = tmp_path / "feed"
    folder.mkdir()
    rows = [
        {"uuid": f"{EVENT[:-1]}{n}", "type": "domain", "value": f"h{n}.example", "to_ids": True}
        for n in range(2, 9)
    ]
    rows += [{"type": "iban", "value": f"XX{n}", "comment": "x" * 300} for n in range(30)]
    event = {"uuid": EVENT, "info": "Tide", "date": "2026-11-18", "timestamp": "1795000000",
             "Tag": [{"name": "tlp:green"}], "Attribute": rows}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps({EVENT: {}}), "utf-8")
    (folder / f"{EVENT}.json").write_text(json.dumps({"Event": event}), "utf-8")
    return folder


def tocsin(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(["--home", "north", *args]) == code, (args, capsys.readouterr())
    return capsys.readouterr().out


def test_a_feed_goes_in_is_said_once_and_comes_out(
    feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = tocsin(capsys, "ingest", "feed")
    assert "30" in printed
    assert [row for row in printed.splitlines() if len(row) > 80] == []
    report = json.loads(tocsin(capsys, "ingest", "feed", "--json"))
    assert len(report["losses"]) == 30
    whole = ("accept", "--report", report["report"], "--all", "--yes")
    said = tocsin(capsys, *whole, "--tlp", "GREEN")
    assert "0 said before" in said
    again = tocsin(capsys, *whole)
    assert "said 0 objects" in again
    listed = tocsin(capsys, "export", "all", "--as", "blocklist", "--out", "-")
    assert sum(row.startswith("h") for row in listed.splitlines()) == 7
    tocsin(capsys, "export", "all", "--as", "misp-feed", "--out", "out")
    assert {p.name for p in Path("out").iterdir()} == {
        "manifest.json", "hashes.csv", f"{EVENT}.json",
    }  # fmt: skip
    back = json.loads(tocsin(capsys, "ingest", "out", "--no-keep", "--json"))
    assert {o["id"] for o in back["objects"]} >= {f"indicator--{EVENT[:-1]}2"}


def test_an_event_that_no_longer_leaves_is_taken_out_of_the_folder_and_nothing_else_is(
    feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = json.loads(tocsin(capsys, "ingest", "feed", "--json"))["report"]
    tocsin(capsys, "accept", "--report", report, "--all", "--yes", "--tlp", "GREEN")
    folder, gone = Path("out"), EVENT.replace("1", "7")
    folder.mkdir()
    for name in (f"{gone}.json", "mine.json", "notes.txt"):
        (folder / name).write_text("{}")
    (folder / "manifest.json").write_text(json.dumps({gone: {}, "mine": {}, "../notes": {}}))
    tocsin(capsys, "export", "all", "--as", "misp-feed", "--out", "out")
    assert {p.name for p in folder.iterdir()} == {
        "manifest.json", "hashes.csv", f"{EVENT}.json", "mine.json", "notes.txt",
    }  # fmt: skip


def test_a_folder_that_is_no_feed_and_a_case_that_is_none_are_refused(
    feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (feed / "manifest.json").unlink()
    tocsin(capsys, "ingest", "feed", code=2)
    tocsin(capsys, "export", "all", "--as", "dossier", code=2)
    tocsin(capsys, "export", "all", "--as", "rpz", code=1)


def test_json_that_is_no_event_is_told_what_an_event_looks_like(
    feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("odd.json").write_text(json.dumps({"response": [{"sharing_group_id": "1", "shape": 2}]}))
    assert run(["--home", "north", "ingest", "odd.json"]) == 2
    err = capsys.readouterr().err
    assert "no MISP event in it: its fields are response" in err
    assert '{"Event": {"info"' in err


def test_what_a_bundle_holds_that_cannot_be_used_is_listed_once(
    feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {"type": "indicator", "id": "indicator--5f0c2a1e-0000-4000-8000-000000000009"}
    Path("bad.json").write_text(json.dumps({"type": "bundle", "objects": [bad]}))
    printed = tocsin(capsys, "ingest", "bad.json", "--no-keep")
    assert printed.count(bad["id"]) == 1


def test_a_fetched_file_waits_in_the_list_until_it_is_set_aside(
    feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tocsin(capsys, "ingest", "feed")
    [one] = json.loads(tocsin(capsys, "accept", "--json"))
    assert (one["kind"], one["state"]) == ("objects", "waiting")
    printed = tocsin(capsys, "accept")
    assert f"accept --report {one['report']} --all" in printed
    assert "wait to be accepted" in printed
    assert [row for row in printed.splitlines() if len(row) > 80 and "next" not in row] == []
    named = ("accept", "--report", one["report"])
    tocsin(capsys, *named, "--all", "--reject", "--why", "not ours")
    assert "nothing waits" in tocsin(capsys, "accept")
    assert "not ours" in tocsin(capsys, *named)


def test_a_pattern_in_place_of_a_file_is_told_of_stdin(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["stix", "pattern", "[ipv4-addr:value = '192.0.2.1']"]) == 2
    assert "tocsin stix pattern -" in capsys.readouterr().err


def test_a_public_key_in_place_of_a_private_ones_file_is_told_apart(
    feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = json.loads(tocsin(capsys, "key", "make", "second.root", "--json"))
    assert run(["--home", "north", "key", "rotate", "--root-key", made["public"], "--yes"]) == 2
    assert "--root-public" in capsys.readouterr().err
    assert run(["--home", "north", "directory", "propose", "--root-public", "second.root"]) == 2
    assert "not the private key's file" in capsys.readouterr().err


def test_a_node_without_witnesses_is_told_how_to_get_one(
    feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tocsin(capsys, "witness", "list")
    assert run(["--home", "north", "witness", "list"]) == 0
    assert "witness add PARTY" in capsys.readouterr().err


def test_a_sharing_group_is_listed_with_its_organisations(
    feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orgs = [{"Organisation": {"name": name}} for name in ("Gridco", "Portworks")]
    event = {
        "uuid": EVENT,
        "info": "Tide",
        "date": "2026-11-18",
        "timestamp": "1795000000",
        "distribution": "4",
        "SharingGroup": {"name": "Harbour", "SharingGroupOrg": [*orgs, "odd", {"Organisation": 7}]},
        "Attribute": [{"type": "domain", "value": "h1.example", "to_ids": True}],
    }
    Path("group.json").write_text(json.dumps({"Event": event}))
    printed = tocsin(capsys, "ingest", "group.json", "--no-keep")
    assert "'Harbour' of 2 organisations (Gridco, Portworks): goes to those of them" in printed


def test_whom_a_sharing_group_reaches_is_seen_before_it_is_said(
    feed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = deterministic("identity", "north.example")
    orgs = [
        {"Organisation": {"name": "North", "uuid": identity.removeprefix("identity--")}},
        {"Organisation": {"name": "\x1b[31mElsewhere", "uuid": EVENT[:-1] + "9"}},
    ]
    event = {
        "uuid": EVENT,
        "info": "Tide",
        "date": "2026-11-18",
        "timestamp": "1795000000",
        "distribution": "4",
        "SharingGroup": {"name": "Harbour", "SharingGroupOrg": orgs},
        "Attribute": [{"type": "domain", "value": "h1.example", "to_ids": True}],
    }
    Path("group.json").write_text(json.dumps({"Event": event}))
    printed = tocsin(capsys, "ingest", "group.json")
    assert "for the sharing group “Harbour”" in printed
    assert "Elsewhere" in printed
    assert "\x1b" not in printed
    assert "to nobody but your own party\n" in printed
    report = json.loads(tocsin(capsys, "ingest", "group.json", "--json"))
    assert report["sharing"][0]["members"][0]["party"] == "north.example"
    assert "sharing group “Harbour”" in tocsin(capsys, "accept", "--report", report["report"])
    said = tocsin(capsys, "accept", "--report", report["report"], "--all", "--yes")
    assert said.index("sharing group “Harbour”") < said.index("said ")
