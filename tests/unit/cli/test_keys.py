"""The verbs `key` and `directory`, as somebody at a terminal meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli import run
from tocsin.wiring.party import init

NORTH = "north.example"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("made") / "north"
    init(home, NORTH, "North")
    return home


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "north")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tocsin(
    capsys: pytest.CaptureFixture[str], *args: str, home: str = "north", code: int = 0
) -> tuple[str, str]:
    """(stdout, stderr) of a verb."""
    capsys.readouterr()
    found = run(["--home", home, *args])
    out, err = capsys.readouterr()
    assert found == code, (args, out, err)
    return out, err


def rows(capsys: pytest.CaptureFixture[str], role: str) -> list[dict[str, Any]]:
    out, _ = tocsin(capsys, "key", "list", "--json")
    return [r for r in json.loads(out)["items"] if r["role"] == role]


def test_a_key_is_rotated_and_listed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [before] = rows(capsys, "signing")
    assert tocsin(capsys, "key", "rotate", code=2)[1].count("\n") == 2, (
        "it asks, and nobody is here"
    )
    out, _ = tocsin(capsys, "key", "rotate", "--dry-run")
    assert "nothing was changed" in out
    assert rows(capsys, "signing") == [before]
    done = json.loads(tocsin(capsys, "key", "rotate", "--yes", "--json")[0])
    assert done["old"] == before["id"]
    old, new = rows(capsys, "signing")
    assert (old["id"], old["reason"], new["id"]) == (before["id"], "rotated", done["new"])
    assert old["until"] == 3
    text, _ = tocsin(capsys, "key", "list")
    assert "reason rotated" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert tocsin(capsys, "key", "list", "nobody.example", code=1)


@pytest.mark.parametrize("flag", ["--witness", "--hpke", "--node"])
def test_a_listed_key_is_rotated_by_its_flag(
    here: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    role = flag.removeprefix("--")
    before = rows(capsys, role)
    tocsin(capsys, "key", "rotate", flag, "--yes")
    assert rows(capsys, role) != before
    assert '"version":2' in tocsin(capsys, "directory", "show", "--json")[0]


def test_the_log_is_rotated_and_still_exports_what_was_said(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = tocsin(capsys, "case", "open", "Outage", "--json")
    case = json.loads(out)["case"]
    assert tocsin(capsys, "key", "rotate", "--log", "--hpke", "--yes", code=2)
    done = json.loads(tocsin(capsys, "key", "rotate", "--log", "--yes", "--json")[0])
    assert done == {"what": "log", "old": f"{NORTH}/log", "new": f"{NORTH}/log/2"}
    shown = json.loads(tocsin(capsys, "log", "show", "--json")[0])
    assert f"{NORTH}/log/2" in json.dumps(shown)
    tocsin(capsys, "export", case, "--out", "case.tocsin")
    assert "VERIFIED" in "".join(tocsin(capsys, "verify", "case.tocsin"))
    # And once more: the third log.
    tocsin(capsys, "key", "rotate", "--log", "--yes")
    tocsin(capsys, "export", case, "--out", "again.tocsin")
    assert "VERIFIED" in "".join(tocsin(capsys, "verify", "again.tocsin"))


def test_a_revocation_says_first_what_it_puts_in_doubt(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tocsin(capsys, "case", "open", "Outage")
    [key] = rows(capsys, "signing")
    revoke = ["key", "revoke", key["id"][:12], "--reason", "stolen"]
    since = ["--suspect-since", "2020-01-01T00:00:00+01:00"]
    doubt = json.loads(tocsin(capsys, *revoke, *since, "--dry-run", "--json")[0])
    assert doubt["suspect_since"] == "2019-12-31T23:00:00Z"
    assert [d["kind"] for d in doubt["doubted"]] == ["act"]
    out, _ = tocsin(capsys, *revoke, *since, "--dry-run")
    assert "puts 1 statement in doubt" in out
    assert "nothing was changed" in out
    assert "puts nothing in doubt" in tocsin(capsys, *revoke, "--dry-run")[0]
    for wrong in ("2020-01-01", "2020-01-01T00:00:00", "soon"):
        assert tocsin(capsys, *revoke, "--suspect-since", wrong, code=2)
    assert tocsin(capsys, "key", "revoke", "zz", "--reason", "x", "--yes", code=1)
    _, err = tocsin(capsys, *revoke, *since, "--yes")
    assert "key rotate" in err
    [ended] = rows(capsys, "signing")
    assert (ended["reason"], ended["suspect_since"]) == ("stolen", "2019-12-31T23:00:00Z")
    tocsin(capsys, "key", "rotate", "--yes")
    tocsin(capsys, "case", "open", "Another")


def test_the_directory_is_proposed_signed_and_published(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    propose = ["directory", "propose", "--name", "North renamed", "--out", "next.json"]
    _, err = tocsin(capsys, *propose)
    assert "name: North -> North renamed" in err
    _, err = tocsin(capsys, "directory", "publish", "next.json", "--yes", code=1)
    assert f"0 of 1 registrars of version 1 signed; missing 1 of {NORTH}" in err
    out, _ = tocsin(capsys, "directory", "sign", "next.json", "--yes")
    assert "~ north.example" in out
    out, _ = tocsin(capsys, "directory", "publish", "next.json", "--dry-run")
    assert "nothing was published" in out
    out, _ = tocsin(capsys, "directory", "publish", "next.json", "--yes")
    assert "version 2" in out
    assert "North renamed" in tocsin(capsys, "directory", "show")[0]
    _, err = tocsin(capsys, "directory", "publish", "next.json", "--yes", code=1)
    assert "in force" in err
    _, err = tocsin(capsys, *propose, code=2)
    assert "nothing would change" in err


def test_a_root_of_two_keys(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(tocsin(capsys, "key", "make", "second.root", "--json")[0])
    assert Path("second.root").stat().st_mode & 0o077 == 0
    change = ["--root-key", made["public"], "--root-threshold", "2", "--out", "next.json"]
    tocsin(capsys, "directory", "propose", *change)
    tocsin(capsys, "directory", "sign", "next.json", "--yes")
    tocsin(capsys, "directory", "publish", "next.json", "--yes")
    assert "--propose" in tocsin(capsys, "key", "rotate", "--yes", code=2)[1]
    for _ in ("key", "revoke"):
        tocsin(capsys, "key", "rotate", "--yes", "--propose", "p.json", code=1)
        tocsin(capsys, "key", "publish", "p.json", "--yes", code=1)
        tocsin(capsys, "key", "sign", "p.json", "--key", "second.root", "--yes")
        tocsin(capsys, "key", "sign", "p.json", "--yes")
        tocsin(capsys, "key", "publish", "p.json", "--yes")
    tocsin(capsys, "key", "rotate", "--yes")
    assert [r["reason"] for r in rows(capsys, "signing")] == ["rotated", None]
    tocsin(capsys, "case", "open", "Signed by the new key")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"v":1,"payload":"e30=","signatures":{}}'])
def test_a_file_that_is_no_proposal_is_named(
    here: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    Path("p.json").write_text(content, "utf-8")
    for verb in (["directory", "sign"], ["directory", "publish"], ["key", "sign"]):
        assert "p.json" in tocsin(capsys, *verb, "p.json", "--yes", code=2)[1]


def test_nowhere_to_fetch_from_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no other node" in tocsin(capsys, "directory", "fetch", code=2)[1]
    out, _ = tocsin(capsys, "directory", "fetch", "http://127.0.0.1:1", code=1)
    assert "http://127.0.0.1:1: 0 new" in out


def test_a_party_joins_with_a_node_by_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = tocsin(capsys, "party", "invite", "port.example", "--expires", "3")
    Path("invitation.json").write_text(out, "utf-8")
    assert "within 3 days" in err
    shown = json.loads(tocsin(capsys, "directory", "show", "--json")[0])
    join = ["party", "join", "invitation.json"]
    heard = ["--fingerprint", shown["fingerprint"]]
    own = ["--node", "--url", "https://port.example"]
    tocsin(capsys, *join, *heard, *own, "--out", "answer.json", home="port")
    # Nobody here has written that address down: a person looks at it first.
    _, err = tocsin(capsys, "party", "admit", "answer.json", "--out", "reply.json", code=1)
    assert "must confirm the address https://port.example" in err
    assert not Path("reply.json").exists()
    out, _ = tocsin(capsys, "party", "confirm", "port.example", "--yes")
    assert "https://port.example" in out
    tocsin(capsys, "party", "admit", "answer.json", "--out", "reply.json")
    out, _ = tocsin(capsys, *join, "--reply", "reply.json", home="port")
    assert out.rstrip().endswith("up")
    assert "https://port.example" in tocsin(capsys, "directory", "show", home="port")[0]
    tocsin(capsys, "case", "open", "In our own log", home="port")
    assert "cert" not in tocsin(capsys, "key", "list", NORTH, home="port")[0]
    # It is no registrar: what the directory says of it, another publishes.
    propose = ["directory", "propose"]
    _, err = tocsin(capsys, *propose, "--client", f"{NORTH}=port.example", home="port", code=1)
    assert "no registrar" in err
    _, err = tocsin(capsys, *propose, "--name", "Port of Port", "--out", "own.json", home="port")
    assert "a registrar says tocsin directory propose --entry own.json" in err
    _, err = tocsin(capsys, *propose, "--entry", "own.json", "--out", "named.json")
    assert "Port of Port" in err
    rotate = ["key", "rotate", "--hpke", "--yes"]
    tocsin(capsys, *rotate, "--propose", "entry.json", home="port", code=1)
    tocsin(capsys, "directory", "propose", "--entry", "entry.json", "--out", "p.json")
    tocsin(capsys, "directory", "sign", "p.json", "--yes")
    tocsin(capsys, "directory", "publish", "p.json", "--yes")


def test_doctor_names_keys_that_are_missing_and_rotations_that_are_not_finished(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tocsin(capsys, "key", "rotate", "--yes")
    said, _ = tocsin(capsys, "doctor")
    assert "readable by their owner only" in said
    assert "key rotate" not in said
    (Path("north") / "keys" / "hpke").unlink()
    (Path("north") / "keys" / "next" / f"{NORTH}.rotation.json").write_bytes(b"{}")
    (Path("north") / "keys" / "next" / f"{NORTH}.rotation.json").chmod(0o600)
    said, _ = tocsin(capsys, "doctor", code=1)
    assert "tocsin key rotate --hpke" in said
    assert "begun and not finished" in said


def test_a_root_key_is_replaced_and_the_registrar_with_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = json.loads(tocsin(capsys, "key", "make", "new.root", "--json")[0])
    [old] = rows(capsys, "root")
    change = ["--root-key", made["public"], "--no-root-key", old["id"][:16]]
    registrars = ["--no-registrar", NORTH, "--registrar", NORTH]
    wrong = ["directory", "propose", "--no-root-key", "zz"]
    assert "fits 0 root keys" in tocsin(capsys, *wrong, code=2)[1]
    tocsin(capsys, "directory", "propose", *change, *registrars, "--out", "p.json")
    # The version before and the new one: both roots sign.
    tocsin(capsys, "directory", "sign", "p.json", "--yes")
    tocsin(capsys, "directory", "publish", "p.json", "--yes", code=1)
    tocsin(capsys, "directory", "sign", "p.json", "--key", "new.root", "--yes")
    tocsin(capsys, "directory", "publish", "p.json", "--yes")
    home = Path("north") / "keys"
    (home / f"{NORTH}.root").rename("old.root")
    Path("new.root").rename(home / f"{NORTH}.root")
    tocsin(capsys, "key", "rotate", "--yes")
    assert [r["id"] for r in rows(capsys, "root")] == [made["keyid"]]
    # From here on the old root says nothing more.
    (home / f"{NORTH}.root").rename("new.root")
    Path("old.root").rename(home / f"{NORTH}.root")
    assert "none of the root keys" in tocsin(capsys, "key", "rotate", "--yes", code=1)[1]
