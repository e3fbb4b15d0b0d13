"""The commands of the guides to MISP and TAXII, run in their order against a real node.

In an expected line `…` stands for anything; a line of `…` alone stands for any lines. What the node
makes (the id of a report) is taken from its answer, and goes into the commands after it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.walks.test_readme import ROOT, pattern

GUIDES = ROOT / "docs" / "guides"
U = "5f0c2a1e-0000-4000-8000-0000000000"
EVENT: dict[str, Any] = {
    "uuid": f"{U}01", "info": "Tidebeacon at two operators", "date": "2026-11-18",
    "timestamp": "1795000000",
    "Orgc": {"uuid": f"{U}aa", "name": "CERT Southmark"},
    "Tag": [{"name": "tlp:green"}, {"name": "PAP:AMBER"}, {"name": "type:OSINT"}],
    "Attribute": [
        {"uuid": f"{U}02", "type": "ip-dst", "value": "203.0.113.9", "to_ids": True,
         "Sighting": [{"uuid": f"{U}03", "type": "0", "date_sighting": "1795000100",
                       "Organisation": {"uuid": f"{U}bb", "name": "Gridco"}}]},
        {"uuid": f"{U}04", "type": "domain", "value": "relay.tidebeacon.example", "to_ids": True},
        {"uuid": f"{U}05", "type": "iban", "value": "XX00 0000"},
        {"uuid": f"{U}06", "type": "ip-src", "value": "198.51.100.7", "to_ids": False},
    ],
    "EventReport": [{"uuid": f"{U}07", "name": "Seen", "content": "The relay answered."}],
}  # fmt: skip
ROW = "203.0.113.7,ipv4,2026-11-01,GREEN,gateway\n"


class Walk:
    """A folder in which the commands of a guide are typed, one after the other."""

    def __init__(self, folder: Path, home: Path, **env: str) -> None:
        self.folder = folder
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_")},
            "HOME": str(folder), "XDG_DATA_HOME": str(folder / "xdg"), "TOCSIN_HOME": str(home),
            "PYTHONUNBUFFERED": "1", "NO_PROXY": "*", **env,
        }  # fmt: skip
        self.known: dict[str, str] = {}
        """What the guide writes, and what it is here."""

    def type(self, *words: str) -> str:
        """Run a command; stdout and stderr as they come on a terminal."""
        done = subprocess.run(
            [sys.executable, "-m", *words] if words[0] == "tocsin" else words,
            env=self.env, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stdout)
        return done.stdout

    def go(self, guide: str) -> list[str]:
        """Walk all console blocks of a guide; the commands that were typed."""
        typed = []
        text = (GUIDES / guide).read_text("utf-8")
        for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
            for command, expected in _commands(block):
                words = shlex.split(self._here(command))
                if words[0] == "curl" and shutil.which("curl") is None:
                    words = [sys.executable, "-c", CURL, *words]
                printed = self.type(*words)
                typed.append(command)
                if expected:
                    self._compare(command, expected, printed)
        return typed

    def _here(self, text: str) -> str:
        for there, here in self.known.items():
            text = text.replace(there, here)
        return text

    def _compare(self, command: str, expected: list[str], printed: str) -> None:
        said = re.search(r"--report ([0-9a-f]{16})", "\n".join(expected))
        made = re.search(r"--report ([0-9a-f]{16})", printed)
        if said and made:
            self.known[said[1]] = made[1]
        lines = [self._here(line) for line in expected]
        got = "".join(re.sub(r" +", " ", line.rstrip()) + "\n" for line in printed.splitlines())
        assert pattern(lines).fullmatch(got), f"{command}\n--- printed\n{got}"


def _commands(block: str) -> Iterator[tuple[str, list[str]]]:
    command, expected = "", list[str]()
    for line in [*block.splitlines(), "$ "]:
        if not line.startswith("$ "):
            expected.append(line)
            continue
        if command:
            yield command, expected
        command, expected = line[2:], []


CURL = """
import base64, sys, urllib.request as r
given = dict(zip(sys.argv[3:-1:2], sys.argv[4:-1:2]))
name, _, value = given["-H"].partition(": ")
basic = "Basic " + base64.b64encode(given["-u"].encode()).decode()
with r.urlopen(r.Request(sys.argv[-1], headers={name: value, "authorization": basic})) as answer:
    print(answer.read().decode())
"""
"""`curl -s -u USER:PASSWORD -H HEADER URL`, where there is no curl."""


def test_the_guide_to_misp_says_what_a_misp_user_sees(tmp_path: Path) -> None:
    walk = Walk(tmp_path, tmp_path / "north")
    walk.type("tocsin", "init", "--party", "cert.northland.example")
    (tmp_path / "event.json").write_text(json.dumps({"Event": EVENT}), "utf-8")
    (tmp_path / "list.csv").write_text("value,type,first_seen,tlp,comment\n" + ROW, "utf-8")
    (tmp_path / "rows.csv").write_text(ROW, "utf-8")
    typed = walk.go("misp.md")
    assert len(typed) > 9
    feed = json.loads((tmp_path / "feed" / "manifest.json").read_text("utf-8"))
    assert len(feed) == 1
    assert "relay.tidebeacon.example" in (tmp_path / "domains.txt").read_text("utf-8")
    # Without --yes, and without anybody to ask, nothing is said.
    report = walk.known["15c0172df9c72bdc"]
    words = [sys.executable, "-m", "tocsin", "accept", "--report", report, "--all"]
    asked = subprocess.run(
        words, env=walk.env, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert asked.returncode == 2
    assert "--yes" in asked.stderr


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Walk, str]]:
    """The exercise, running as its owner starts it, and its address."""
    walk = Walk(tmp_path, tmp_path / "home")
    walk.type("tocsin", "demo", "reset")
    node = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "up", "--port", "0"],
        env=walk.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        at, until = tmp_path / "home" / "run" / "node.json", time.monotonic() + 60
        while not at.exists():
            assert node.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        yield walk, json.loads(at.read_text("utf-8"))["url"]
    finally:
        node.terminate()
        node.wait(20)


def test_the_guide_to_taxii_says_what_an_operator_sees(served: tuple[Walk, str]) -> None:
    walk, url = served
    other = json.loads(walk.type("tocsin", "taxii", "user", "add", "other", "--write", "--json"))
    walk.env |= {"TOCSIN_TAXII_USER": "other", "TOCSIN_TAXII_PASSWORD": other["secret"]}
    indicator = {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--{U}10",
        "created": "2026-11-22T08:00:00.000Z", "modified": "2026-11-22T08:00:00.000Z",
        "name": "relay", "pattern": "[domain-name:value = 'r.tidebeacon.example']",
        "pattern_type": "stix", "valid_from": "2026-11-22T08:00:00Z",
    }  # fmt: skip
    (walk.folder / "bundle.json").write_text(json.dumps({"objects": [indicator]}), "utf-8")
    walk.known |= {
        "https://YOUR-NODE": url, "https://taxii.example": url,
        "script:PASSWORD": f"other:{other['secret']}",
    }  # fmt: skip
    typed = walk.go("taxii.md")
    assert len(typed) > 9


def test_the_guides_name_the_addresses_that_the_tools_are_to_be_given(
    served: tuple[Walk, str],
) -> None:
    """What each tool of the guide asks at the addresses it is to be given is answered."""
    walk, url = served
    text = (GUIDES / "taxii.md").read_text("utf-8")
    made = json.loads(walk.type("tocsin", "taxii", "user", "add", "tool", "--write", "--json"))
    accept = {"accept": "application/taxii+json;version=2.1"}
    with httpx.Client(auth=("tool", made["secret"]), headers=accept, trust_env=False) as client:

        def get(address: str) -> Any:
            assert address.removeprefix(url).removesuffix("collections/") in text
            answer = client.get(address)
            assert answer.status_code == 200, (address, answer.text)
            return answer.json()

        # OpenCTI's feed and Sentinel: the API root's URL, and the id of a collection.
        listed = get(f"{url}/taxii2/api/collections/")["collections"]
        of = {one["alias"]: one for one in listed}
        page = client.get(f"{url}/taxii2/api/collections/{of['all']['id']}/objects/").json()
        assert page["objects"]
        # OpenCTI's connector: the last word of an API root, a dot, a title.
        [root] = get(f"{url}/taxii2/")["api_roots"]
        assert f"{root.split('/')[-2]}.{of['all']['title']}" in text
        # MISP: its base URL and `taxii2/`; then its base URL and the API root's last word.
        base = f"{url}/taxii2"
        assert "`https://YOUR-NODE/taxii2`" in text
        assert client.get(f"{base}/taxii2/").json()["api_roots"] == [root]
        again = client.get(f"{base}/{root.strip('/').split('/')[-1]}/collections/").json()
        assert [c["title"] for c in again["collections"] if c["can_write"]] == ["What you put in"]
        assert of["inbox"]["title"] == "What you put in"
