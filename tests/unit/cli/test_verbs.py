"""The verbs on a real folder: bad input is two lines, hostile names write nowhere else."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli import run, terminal
from tocsin.cli.accept import said_in_parts
from tocsin.cli.advisory import _renderings, _write
from tocsin.cli.case import deadline
from tocsin.errors import (
    DraftError,
    RenderingError,
    UnreachableError,
    UnreadableError,
    UsageError,
)
from tocsin.flows import advise, respond

World = Any  # tests/unit/conftest.py


class Terminal:
    """Runs verbs on one folder and tells what was printed."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.capsys = home, capsys

    def __call__(self, *args: str, code: int = 0) -> str:
        self.capsys.readouterr()
        got = run(["--home", str(self.home), "--no-input", *args])
        out, err = self.capsys.readouterr()
        assert got == code, (args, got, out, err)
        if code:
            first, second = err.strip().splitlines()[-2:]
            assert first.startswith("tocsin: error: ")
            assert second.startswith("tocsin: hint: ")
        return out if code == 0 else err

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "--json"))


@pytest.fixture
def tocsin(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Terminal:
    """The verbs on northland's folder, in a folder of their own."""
    world.node.store.close()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Terminal(world.home, capsys)


def article(world: World, name: str = "article.txt") -> str:
    Path(name).write_text(world.ARTICLE, "utf-8")
    return name


def test_from_a_report_to_a_claim(tocsin: Terminal, world: World) -> None:
    read = tocsin.json("ingest", article(world), "--published", "2026-11-18")
    assert len(read["drafts"]) == 3
    drafts = [f"{d['report']}.{d['n']}" for d in tocsin.json("accept")]
    assert "when was it said" in tocsin("accept", drafts[0], code=1)
    assert "say --yes" in tocsin("accept", *drafts, "--date", "2026-11-18", code=2)
    tocsin("accept", *drafts, "--date", "2026-11-18", "--yes")
    assert "accepted already" in tocsin("accept", drafts[0], "--date", "2026-11-18", code=1)
    rows = tocsin.json("claims")
    assert {r["word"] for r in rows} == {"call", "accusation", "assessment"}
    tocsin("standing", rows[0]["id"][:13])


def test_a_bundle_is_said_whole_or_not_at_all(tocsin: Terminal, world: World) -> None:
    Path("one.json").write_bytes(world.indicator())
    Path("bad.json").write_bytes(b'{"type":"indicator"}')
    size = tocsin.json("log", "show")["size"]
    tocsin("say", "one.json", code=2)
    tocsin("say", "bad.json", "--yes", code=1)
    assert tocsin.json("log", "show")["size"] == size
    [done] = tocsin.json("say", "one.json", "--yes")["statements"]
    tocsin("withdraw", done["id"], "--reason", "shared hosting", "--yes")


def test_the_newest_entries_of_the_log_are_shown(tocsin: Terminal) -> None:
    for n in range(3):
        tocsin("case", "open", f"Case {n}")
    size = tocsin.json("log", "show")["size"]
    rows = tocsin.json("log", "show", "--limit", "2")["statements"]
    assert [r["index"] for r in rows] == [size - 2, size - 1]


ODD = os.fsdecode(b"b\xff")
BAD: dict[str, list[str]] = {
    "a title of bytes": ["case", "open", ODD],
    "a party of bytes": ["party", "invite", ODD + ".example"],
    "a deadline for ever": ["case", "invite", "c", "b.example", "--rsvp-by", "9" * 12 + "d"],
    "a deadline in no zone": ["case", "invite", "c", "b.example", "--rsvp-by", "2026-11-22"],
    "a file of bytes": ["advisory", "draft", "--case", "c", "--title", "t", "--summary", "@bin"],
    "no such summary": ["advisory", "draft", "--case", "c", "--title", "t", "--summary", "@none"],
    "a quorum in words": [
        *("advisory", "draft", "--case", "c", "--title", "t", "--summary", "s"),
        *("--quorum", "two"),
    ],
    "both to sign and to refuse": ["advisory", "cosign", "a", "--as", "author", "--refuse"],
    "no day": ["ingest", "article.txt", "--published", "yesterday"],
    "no model that is installed": ["ingest", "article.txt", "--nlp", "en_core_web_none"],
    "a model that is a path": ["ingest", "--no-keep", "article.txt", "--nlp", "/etc"],
    "no field": ["case", "act", "case--x", "case.stage", "stage"],
    "a folder": ["ingest", "."],
    "an empty file": ["ingest", "empty"],
    "a program": ["ingest", "bin"],
    "deep brackets": ["ingest", "deep.json"],
    "cut off": ["ingest", "cut.json"],
    "twice the same key": ["ingest", "twice.json"],
    "no bundle": ["standing", "article.txt"],
    "no dossier": ["verify", "article.txt"],
    "no policy": ["verify", "article.txt", "--policy", "bin"],
    "no invitation": ["party", "join", "article.txt"],
    "no answer": ["party", "admit", "article.txt"],
    "no naive time": ["claims", "--as-known", "2026-11-22T08:00:00"],
    "a node that is none": ["--node", "nonsense", "claims"],
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_two_lines_and_a_code(tocsin: Terminal, world: World, name: str) -> None:
    article(world)
    Path("bin").write_bytes(b"\x7fELF\xff\xfe" + bytes(range(256)))
    Path("empty").touch()
    Path("deep.json").write_bytes(b"[" * 5000)
    Path("cut.json").write_bytes(b'{"type":"bundle","objects":[{"type"')
    Path("twice.json").write_bytes(b'{"type":"bundle","type":"bundle","objects":[]}')
    before = sorted(Path().rglob("*"))
    tocsin.capsys.readouterr()
    assert run(["--home", str(tocsin.home), "--no-input", *BAD[name]]) in (1, 2, 3)
    err = tocsin.capsys.readouterr().err.strip().splitlines()
    assert err[-2].startswith("tocsin: error: ")
    assert err[-1].startswith("tocsin: hint: ")
    assert not any(line.startswith(("Traceback", "  ")) for line in err)
    assert sorted(Path().rglob("*")) == before


def test_a_file_with_a_name_of_bytes_is_read(tocsin: Terminal, world: World) -> None:
    name = article(world, ODD + ".txt")
    assert len(tocsin.json("ingest", name)["drafts"]) == 3
    tocsin("ingest", name)


def test_an_exported_file_is_named_by_no_path(tocsin: Terminal) -> None:
    case = tocsin.json("case", "open", "T")["case"]
    tocsin("export", case)
    assert [p.name for p in Path().glob("*.tocsin")] == [case[6:14] + ".tocsin"]
    for out in ("/dev/null/x", "a" * 300, "none/x"):
        tocsin("export", case, "--out", out, code=2)
    assert not list(Path().glob(".*part"))


def test_reading_verifying_and_standing_need_no_party(
    world: World, tocsin: Terminal, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    case = tocsin.json("case", "open", "T")["case"]
    tocsin("export", case, "--out", "case.tocsin")
    tocsin("log", "show", "--policy-out", "policy", "--root-out", "root.json")
    Path("bundle.json").write_bytes(world.indicator())
    assert run(["ingest", article(world)]) == 0
    assert run(["verify", "case.tocsin", "--policy", "policy", "--root", "root.json"]) == 0
    assert run(["standing", "bundle.json"]) == 0
    assert not (tmp_path / "xdg").exists()
    capsys.readouterr()


def test_what_never_ends_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "MOST_BYTES", 1000)
    with pytest.raises(UnreadableError, match="more than 1000"):
        terminal.read_input("/dev/zero")


@pytest.mark.parametrize(
    "text", ["", "h", "-1h", "1y", "soon", "2026-11-22T08:00:00", "9" * 40 + "h"]
)
def test_a_deadline_is_a_span_or_an_instant(text: str) -> None:
    with pytest.raises(UsageError):
        deadline(text)


def test_a_deadline_with_a_zone_is_said_in_utc() -> None:
    assert deadline("2026-11-22T08:30:00+02:00") == "2026-11-22T06:30:00Z"


# --- a node that cheats ---------------------------------------------------------------------------


class Node:
    """A node that answers what it likes."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def call(self, method: str, path: str, **_: Any) -> bytes:
        return next(data for end, data in self.files.items() if path.endswith(end))


def frozen(path: str = "a.html", shown: bytes = b"shown", signed: bytes = b"shown") -> Any:
    manifest = json.dumps(
        {
            "advisory": "advisory--1",
            "rev": 1,
            "tlp": "AMBER",
            "renderings": [
                {
                    "path": path,
                    "media_type": "text/html",
                    "sha256": hashlib.sha256(signed).hexdigest(),
                    "size": len(signed),
                }
            ],
        }
    ).encode()
    digest = hashlib.sha256(manifest).hexdigest()
    found = {"id": "advisory--1", "rev": 1, "manifest_sha256": digest}
    return Node({digest: manifest, path: shown}), found


def test_what_was_frozen_is_written(tmp_path: Path) -> None:
    node, found = frozen()
    _write(node, found, tmp_path / "out")
    assert (tmp_path / "out" / "a.html").read_bytes() == b"shown"


@pytest.mark.parametrize("path", ["../x", "/tmp/x", "..", ".bashrc", "a/b", "a\\b", "", "a\nb"])
def test_a_rendering_is_written_into_its_folder_only(tmp_path: Path, path: str) -> None:
    node, found = frozen(path)
    with pytest.raises(RenderingError):
        _write(node, found, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_other_bytes_than_the_manifests_are_neither_written_nor_signed(tmp_path: Path) -> None:
    node, found = frozen(signed=b"we surrender")
    with pytest.raises(RenderingError):
        _renderings(node, found)
    node, found = frozen()
    found["manifest_sha256"] = "0" * 64
    node.files["0" * 64] = b"{}"
    with pytest.raises(RenderingError):
        _renderings(node, found)
    with pytest.raises(UsageError, match="draft"):
        _renderings(node, {**found, "manifest_sha256": None})


# --- a guest at its own terminal ------------------------------------------------------------------


def test_a_guest_opens_joins_says_and_cosigns_with_its_own_key(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Every verb that a guest signs: what the node prepares is what the client expects."""
    from contextlib import contextmanager

    @contextmanager
    def connect(*_: Any) -> Any:
        yield world.client(world.GRID)

    monkeypatch.setattr("tocsin.wiring.door.connect", connect)
    monkeypatch.chdir(tmp_path)
    go: Callable[..., int] = lambda *args: run(["--no-input", *args])  # noqa: E731
    north = world.node.reader(world.NORTH)
    case, _ = respond.open_case(world.node, world.NORTH, "T")
    respond.invite(world.node, world.NORTH, case, world.GRID, "coordinator", "2026-11-23T08:00:00Z")
    assert go("case", "join", case) == 0
    world.clock.later(seconds=1)
    Path("i.json").write_bytes(world.indicator(world.GRID))
    assert go("say", "i.json", "--case", case, "--yes") == 0
    assert go("say", "i.json", "--tlp", "amber", "--to", world.NORTH, "--yes") == 0
    page = advise.draft(
        world.node, world.NORTH, case=case, title="T", summary="S", tlp="AMBER", k=1
    )
    advise.freeze(world.node, world.NORTH, page.id)
    world.clock.later(seconds=1)
    assert go("advisory", "cosign", page.id, "--as", "co-author", "--dissent", "but", "--yes") == 0
    assert advise.page(world.node, north, page.id).signed == 1
    assert go("case", "open", "Ours", "--tlp", "GREEN", "--to", world.NORTH) == 0
    assert go("case", "open", "Open", "--tlp", "clear") == 0
    mine = [c for c in respond.cases(world.node, world.node.reader(world.GRID)) if c.id != case]
    assert len(mine) == 2
    for one in mine:
        invite = ("case", "invite", one.id, world.NORTH, "--rsvp-by", "2026-11-24T08:00:00Z")
        assert go(*invite, "--note", "come") == 0
        assert go("case", "stage", one.id, "ACTIVE", "--note", "go") == 0
    said = world.node.store.statements(world.node.everything(), author=world.GRID, kind="say")
    assert go("withdraw", said[0].id, "--reason", "wrong", "--yes") == 0
    capsys.readouterr()


def test_the_rest_of_a_bundle_is_said_where_that_is_asked_for(
    tocsin: Terminal, world: World
) -> None:
    good = json.loads(world.indicator())
    objects = good.get("objects", [good])
    bad = {**objects[0], "id": "indicator--00000000-0000-4000-8000-00000000000b", "created": "no"}
    Path("mixed.json").write_text(json.dumps({"type": "bundle", "objects": [*objects, bad]}))
    refused = tocsin("say", "mixed.json", "--yes", code=1)
    assert "--leave-out-bad" in refused
    # Which, where in the file, what is wrong, and what to do.
    at = f"/objects/{len(objects)}/created"
    for words in (bad["id"], f"{at}: ", "(timestamp-form)", "Write it as 2026-"):
        assert words in refused
    done = tocsin.json("say", "mixed.json", "--leave-out-bad", "--yes")
    assert len(done["statements"]) == 1
    assert [one["id"] for one in done["left_out"]] == [bad["id"]]
    [found] = [f for f in done["left_out"][0]["findings"] if f["pointer"] == at]
    assert found["code"] == "timestamp-form"
    assert found["remedy"] in refused
    Path("bad.json").write_text(json.dumps({"type": "bundle", "objects": [bad]}))
    refused = tocsin("say", "bad.json", "--leave-out-bad", "--yes", code=1)
    assert "nothing is left to say" in refused


def test_a_statement_of_ones_own_is_named_by_its_first_characters(
    tocsin: Terminal, world: World
) -> None:
    Path("one.json").write_bytes(world.indicator())
    [said] = tocsin.json("say", "one.json", "--yes")["statements"]
    assert "too short" in tocsin("withdraw", said["id"][:5], "--yes", code=2)
    assert said["id"] in tocsin("withdraw", said["id"][:8], "--dry-run")
    assert tocsin.json("holders", said["id"][:8])["items"] == []
    tocsin("withdraw", said["id"][:8], "--yes")
    assert "ffffffff" in tocsin("withdraw", "ffffffff", "--yes", code=1)


def test_peers_of_a_node_that_is_off_says_so(tocsin: Terminal) -> None:
    assert tocsin.json("peers")["running"] is False


def test_a_data_set_is_said_in_parts_and_what_has_no_date_stays_open(
    tocsin: Terminal, tmp_path: Path
) -> None:
    head = "incident_id,name,attribution_date,initiator_name,attributing_actor,source_url\n"
    rows = [
        f"{n},Incident {n},12.02.2026,Heron {n},Eastmere,https://x.example/{n}" for n in range(90)
    ]
    (tmp_path / "set.csv").write_text(head + "\n".join([*rows, "90,Late,soon,Heron,Eastmere,"]))
    shown = tocsin("ingest", str(tmp_path / "set.csv"))
    assert "bad-date" in shown
    [report] = {d["report"] for d in tocsin.json("accept")}
    done = tocsin.json("accept", "--report", report, "--all", "--yes", "--outlet", "A set")
    assert len(done["drafts"]) == 90
    assert len(done["statements"]) == 3
    assert [d["n"] for d in tocsin.json("accept") if d["state"] == "open"] == [91]
    assert "[bad-date]" in tocsin("accept", "--report", report)
    assert len(tocsin.json("claims")) == 90
    assert "has a date" in tocsin("accept", "--report", report, "--all", "--yes", code=2)


def test_a_part_that_fails_leaves_told_what_was_said_and_the_rest_to_be_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[list[str]] = []

    def say(part: list[str]) -> Any:
        if len(asked) == fails_at:
            raise UnreachableError("no answer from the node", remedy="look whether it runs")
        asked.append(part)
        n = len(asked)
        return {"drafts": [{"n": i} for i in part], "statement": {"id": f"st{n}", "index": n}}

    parts = [["r.1", "r.2"], ["r.3", "r.4"], ["r.5"]]
    fails_at = 2
    with pytest.raises(DraftError) as partly:
        said_in_parts(parts, say, as_json=False)
    assert partly.value.message == "4 of 5 drafts are said, then: no answer from the node"
    assert "say the same again: nothing is said twice" in partly.value.remedy
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "said 4 drafts", "statement st1  log index 1", "statement st2  log index 2",
    ]  # fmt: skip
    asked.clear()
    with pytest.raises(DraftError):
        said_in_parts(parts, say, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [len(told["drafts"]), [one["id"] for one in told["statements"]]] == [4, ["st1", "st2"]]
    asked.clear()
    fails_at = 0
    with pytest.raises(UnreachableError):  # nothing is said: its own error, and no count
        said_in_parts(parts, say, as_json=False)
    assert capsys.readouterr().out == ""


def test_the_same_again_says_the_rest_and_nothing_twice(
    tocsin: Terminal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "incident_id,name,attribution_date,initiator_name,attributing_actor,source_url\n"
    rows = [
        f"{n},Incident {n},12.02.2026,Heron {n},Eastmere,https://x.example/{n}" for n in range(50)
    ]
    (tmp_path / "set.csv").write_text(head + "\n".join(rows))
    tocsin("ingest", str(tmp_path / "set.csv"))
    ids = [f"{d['report']}.{d['n']}" for d in tocsin.json("accept")]
    tocsin("accept", *ids[:3], "--yes", "--outlet", "A set")
    tocsin("accept", ids[44], "--reject", "--why", "twice in it")
    size = tocsin.json("log", "show")["size"]
    assert "was rejected already; nothing is said" in tocsin("accept", *ids, "--yes", code=1)
    assert tocsin.json("log", "show")["size"] == size
    rest = [i for i in ids if i != ids[44]]
    done = tocsin.json("accept", *rest, "--yes", "--outlet", "A set")
    assert len(done["drafts"]) == 46
    assert len(tocsin.json("claims")) == 49
    assert "accepted already" in tocsin("accept", *rest, "--yes", code=1)
