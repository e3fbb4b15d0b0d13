"""The server of a node that was started as the guide says, and an account made beside it."""

from __future__ import annotations

import json
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


def tocsin(folder: Path, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", "--home", str(folder), *args],
        capture_output=True, text=True, timeout=60, check=False,
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
