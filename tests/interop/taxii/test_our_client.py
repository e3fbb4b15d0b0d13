"""Our verbs against our server over loopback: fetch, go on, send, accounts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.interop.taxii.served import Served, indicator

from tocsin.cli import run
from tocsin.wiring.party import init


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of a party that fetches."""
    folder = tmp_path / "southmark"
    init(folder, "cert.southmark.example", "CERT Southmark")
    return folder


@pytest.fixture(autouse=True)
def credential(fresh: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_TAXII_USER", "writer")
    monkeypatch.setenv("TOCSIN_TAXII_PASSWORD", fresh.users["writer"])


def said(capsys: pytest.CaptureFixture[str], home: Path, *args: str) -> tuple[int, Any]:
    code = run(["--home", str(home), "taxii", *args, "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else None


def test_what_is_new_is_fetched_kept_as_a_report_and_said_by_nobody(
    fresh: Served, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh.say(*(indicator(n) for n in range(7)))
    url = f"{fresh.url}/taxii2/"
    code, done = said(capsys, home, "pull", url, "--collection", "all")
    assert (code, done["objects"], done["complete"]) == (0, 7, True)
    code, done = said(capsys, home, "pull", url, "--collection", "all")
    assert (code, done["objects"]) == (0, 0)
    fresh.say(indicator(8))
    assert said(capsys, home, "pull", url, "--collection", "all")[1]["objects"] == 1
    assert said(capsys, home, "pull", url, "--collection", "all", "--anew")[1]["objects"] == 8
    assert run(["--home", str(home), "log", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["size"] == 2  # its directory and its key, no more
    assert oct((home / "taxii").stat().st_mode)[-3:] == "700"


def test_what_was_sent_is_not_sent_again_and_what_failed_is_named(
    fresh: Served, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = indicator(3, valid_from="yesterday")
    file = tmp_path / "bundle.json"
    file.write_bytes(orjson.dumps({"objects": [indicator(1), indicator(2), bad]}))
    url = f"{fresh.url}/taxii2/"
    code, done = said(capsys, home, "push", url, str(file), "--collection", "inbox")
    assert code == 1
    assert (len(done["pushed"]["taken"]), done["before"]) == (2, 0)
    [[id, why]] = done["pushed"]["failed"]
    assert id == bad["id"]
    assert "valid_from" in why
    code, done = said(capsys, home, "push", url, str(file), "--collection", "inbox")
    assert (len(done["pushed"]["taken"]), done["before"]) == (0, 2)


def test_ls_shows_what_the_credential_may_do(
    fresh: Served, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--home", str(home), "taxii", "ls", f"{fresh.url}/taxii2/"]) == 0
    out = capsys.readouterr().out
    assert "all" in out
    assert "inbox" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_wrong_password_says_so_and_one_in_the_address_is_refused(
    fresh: Served, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_TAXII_PASSWORD", "wrong")
    assert run(["--home", str(home), "taxii", "ls", f"{fresh.url}/taxii2/"]) == 1
    assert "401" in capsys.readouterr().err
    address = fresh.url.replace("http://", "http://u:p@")
    assert run(["--home", str(home), "taxii", "ls", address]) == 2
    assert "in the address" in capsys.readouterr().err
    assert run(["--home", str(home), "taxii", "ls", "http://taxii.example/taxii2/"]) == 2
    assert "without TLS" in capsys.readouterr().err


def test_an_account_is_made_listed_and_ended(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, made = said(capsys, home, "user", "add", "sentinel", "--write", "--tlp", "green")
    assert code == 0
    assert len(made["secret"]) == 32
    code, token = said(capsys, home, "user", "add", "siem", "--bearer", "--collection", "all")
    assert token["secret"].startswith("tocsin_")
    _, listed = said(capsys, home, "user", "list")
    assert [(u["name"], u["write"], u["tlp"]) for u in listed] == [
        ("sentinel", True, "GREEN"),
        ("siem", False, "AMBER+STRICT"),
    ]
    assert made["secret"] not in json.dumps(listed)
    assert run(["--home", str(home), "taxii", "user", "add", "siem"]) == 1
    assert run(["--home", str(home), "taxii", "user", "remove", "siem"]) == 0
    assert run(["--home", str(home), "taxii", "user", "remove", "siem"]) == 2
    assert run(["--home", str(home), "taxii", "user", "add", "Not A Name"]) == 2
