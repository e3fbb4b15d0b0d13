"""The server of a node that was started as the guide says, and an account made beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.interop.taxii.served import indicator

from tocsin.wiring.door import Running

taxii2client = pytest.importorskip("taxii2client.v21")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A party's folder with its node running on it, as another process."""
    folder = tmp_path / "north"
    tocsin(folder, "init", "--party", "cert.northland.example")
    node = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "--home", str(folder), "up", "--port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while not (folder / "run" / "node.json").exists():
            assert node.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        yield folder
    finally:
        node.terminate()
        node.wait(20)


def tocsin(folder: Path, *args: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", "--home", str(folder), *args],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_running_node_serves_taxii_to_an_account_made_beside_it(
    home: Path, tmp_path: Path
) -> None:
    url = msgspec.json.decode((home / "run" / "node.json").read_bytes(), type=Running).url
    made: dict[str, Any] = json.loads(
        tocsin(home, "taxii", "user", "add", "siem", "--write", "--json")
    )
    bundle = tmp_path / "bundle.json"
    bundle.write_text(json.dumps({"objects": [indicator(1), indicator(2)]}))
    tocsin(home, "say", str(bundle), "--tlp", "GREEN", "--yes")
    server = taxii2client.Server(f"{url}/taxii2/", user="siem", password=made["secret"])
    everything = next(c for c in server.default.collections if c.alias == "all")
    assert len(everything.get_objects()["objects"]) == 2
    tocsin(home, "taxii", "user", "remove", "siem")
    again = taxii2client.Server(f"{url}/taxii2/", user="siem", password=made["secret"])
    with pytest.raises(Exception, match="401"):
        assert again.title


def test_what_was_fetched_is_a_report_that_is_named_and_can_be_accepted(
    home: Path, tmp_path: Path
) -> None:
    url = msgspec.json.decode((home / "run" / "node.json").read_bytes(), type=Running).url
    made = json.loads(tocsin(home, "taxii", "user", "add", "siem", "--json"))
    bundle = tmp_path / "bundle.json"
    bundle.write_text(json.dumps({"objects": [indicator(1), indicator(2)]}))
    tocsin(home, "say", str(bundle), "--tlp", "GREEN", "--yes")
    account = {"TOCSIN_TAXII_USER": "siem", "TOCSIN_TAXII_PASSWORD": made["secret"]}
    asked = ("taxii", "pull", f"{url}/taxii2/", "--collection", "all")
    fetched = json.loads(tocsin(home, *asked, "--json", **account))
    assert (fetched["objects"], fetched["complete"]) == (2, True)
    [report] = fetched["reports"]
    assert "0 said before" not in tocsin(home, "accept", "--report", report, "--all", "--yes")
    again = json.loads(tocsin(home, *asked, "--json", **account))
    assert (again["objects"], again["reports"]) == (0, [])


def test_whoever_makes_accounts_is_told_what_is_not_there(home: Path) -> None:
    with pytest.raises(AssertionError, match="no party of the directory"):
        tocsin(home, "taxii", "user", "add", "siem", "--party", "nobody.example")
    with pytest.raises(AssertionError, match="there is no account 'siem'"):
        tocsin(home, "taxii", "user", "remove", "siem")
