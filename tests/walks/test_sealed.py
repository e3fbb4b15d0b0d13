"""A host and two guests as programs of their own: what one seals the other opens over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NORTH, GRID, PORT = "cert.northland.example", "gridco.example", "portco.example"
SECRET = "lockstep in substation seven"


class Town:
    """Folders side by side, and the verbs on each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_")},
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder / "data"),
        }

    def command(self, home: str, *args: str) -> list[str]:
        return [sys.executable, "-m", "tocsin", "--home", home, "--no-input", *args]

    def __call__(self, home: str, *args: str, code: int = 0) -> str:
        done = subprocess.run(
            self.command(home, *args),
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, (args, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def json(self, home: str, *args: str) -> Any:
        return json.loads(self(home, *args, "--json"))


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """North's node runs; gridco and portco have joined it and keep their keys at home."""
    town = Town(tmp_path)
    town("north", "init", "--party", NORTH, "--name", "North")
    running = subprocess.Popen(
        town.command("north", "up", "--port", "0"),
        env=town.env,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        place = tmp_path / "north" / "run" / "node.json"
        until = time.monotonic() + 120
        while not place.exists() and time.monotonic() < until:
            time.sleep(0.1)
        url = json.loads(place.read_bytes())["url"]
        heard = town.json("north", "log", "show")["fingerprint"]
        for home, party in (("grid", GRID), ("port", PORT)):
            invitation = town("north", "party", "invite", party, "--url", url)
            (tmp_path / "invitation.json").write_text(invitation)
            town(home, "party", "join", "invitation.json", "--name", home, "--fingerprint", heard)
        yield town
    finally:
        running.terminate()
        running.wait(120)


def test_what_one_guest_seals_the_other_opens_and_the_host_never_holds(town: Town) -> None:
    indicator = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": "indicator--0b1e0000-0000-4000-8000-000000000001",
        "created": "2026-11-22T08:00:00.000Z",
        "modified": "2026-11-22T08:00:00.000Z",
        "name": SECRET,
        "pattern": "[ipv4-addr:value = '203.0.113.77']",
        "pattern_type": "stix",
        "valid_from": "2026-11-22T08:00:00Z",
    }
    packed = {"type": "bundle", "id": "bundle--0b1e0000-0000-4000-8000-000000000001"}
    (town.folder / "b.json").write_text(json.dumps({**packed, "objects": [indicator]}))

    said = town.json("grid", "say", "b.json", "--seal", "--to", PORT, "--tlp", "AMBER", "--yes")
    [statement] = said["statements"]
    [row] = town.json("port", "open")
    assert max(map(len, town("port", "open").splitlines())) <= 80
    assert (row["id"], row["author"], row["readers"]) == (statement["id"], GRID, [GRID, PORT])
    found = town.json("port", "open", row["id"][:8], "--out", "opened")
    assert (found["author"], found["key"], found["problems"]) == (GRID, "valid", [])
    assert json.loads((town.folder / found["objects"][0]["file"]).read_bytes()) == indicator

    assert town.json("north", "open") == []
    town("north", "open", row["id"], code=1)
    for path in (town.folder / "north").rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            assert SECRET.encode() not in raw, path
            assert b"203.0.113.77" not in raw, path

    # Whoever opened it proves it to others: these very words are in the log.
    (town.folder / "p.tlog-proof").write_text(town("port", "log", "prove", row["id"]))
    envelope = next((town.folder / "opened").glob("*.envelope.json"))
    told = town("north", "verify", "p.tlog-proof", str(envelope))
    assert "these bytes are in the log at that index" in told

    # What a guest has no node for is told as that, with the way to it.
    nodeless = town("grid", "up", "--port", "0", code=2)
    assert "--home grid case list" in nodeless
    assert "join with --node" in nodeless
    assert "is a guest of cert.northland.example's node" in town("grid", "ingest", "b.json", code=2)

    town("grid", "withdraw", row["id"], "--reason", "mistaken", "--yes")
    assert town.json("port", "open")[0]["withdrawn"] is True
    assert "AUDITED" in town("north", "log", "audit")
