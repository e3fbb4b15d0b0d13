"""The commands of the guides, run in their order against real nodes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.walks.typed import ROOT, Walk

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


def test_the_guide_to_misp_says_what_a_misp_user_sees(tmp_path: Path) -> None:
    walk = Walk(tmp_path, tmp_path / "north")
    walk.type("tocsin", "init", "--party", "cert.northland.example")
    (tmp_path / "event.json").write_text(json.dumps({"Event": EVENT}), "utf-8")
    (tmp_path / "list.csv").write_text("value,type,first_seen,tlp,comment\n" + ROW, "utf-8")
    (tmp_path / "rows.csv").write_text(ROW, "utf-8")
    typed = walk.go((GUIDES / "misp.md").read_text("utf-8"))
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


BUNDLE = ROOT / "src" / "tocsin" / "samples" / "bundle.json"


@pytest.mark.parametrize("guide", ["federation.md", "witnesses.md"])
def test_a_guide_to_several_nodes_says_what_their_operators_see(tmp_path: Path, guide: str) -> None:
    shutil.copy(BUNDLE, tmp_path / "bundle.json")
    with Walk(tmp_path) as walk:
        walk.ports(8971, 8972, 8973)
        typed = walk.go((GUIDES / guide).read_text("utf-8"))
    assert len(typed) > 10


def test_the_guide_to_disputes_says_what_a_party_that_is_named_sees(tmp_path: Path) -> None:
    (tmp_path / "flows.csv").write_text("time,from,to\n", "utf-8")
    walk = Walk(tmp_path)
    walk.type("tocsin", "demo", "reset")
    # The exercise is of the days before it was loaded: the guide's day is another one every day.
    [listed] = re.findall(r"note--9e78b78  (\d{4}-\d\d-\d\d)", walk.type("tocsin", "claims"))
    walk.known["2026-11-21"] = listed
    typed = walk.go((GUIDES / "disputes.md").read_text("utf-8"))
    assert len(typed) > 10


def test_the_guide_to_reading_goes_from_a_report_to_a_denial(tmp_path: Path) -> None:
    walk = Walk(tmp_path)
    walk.type("tocsin", "demo", "reset")
    assert len(walk.go((GUIDES / "reading.md").read_text("utf-8"))) == 12
    # An article stands before the type as it is spoken.
    walk.type("tocsin", "accept", "1", "--date", "2026-11-20")
    [claim] = json.loads(walk.type("tocsin", "claims", "--by", "Halvorsen", "--json"))
    assert "This is an assessment: it is not weighed" in walk.type(
        "tocsin", "standing", claim["id"]
    )


def test_the_guide_to_the_public_record_says_what_a_reader_sees(tmp_path: Path) -> None:
    text = (GUIDES / "public-record.md").read_text("utf-8")
    assert len(Walk(tmp_path).go(text)) == 6
    assert (tmp_path / "record" / "volt-typhoon.json").exists()


def section(guide: str, title: str) -> str:
    """What stands under one heading of a guide."""
    text = (GUIDES / guide).read_text("utf-8")
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def test_the_guide_to_keys_says_what_changes_them_between_two_nodes(tmp_path: Path) -> None:
    federation = section("federation.md", "1. Both in one directory")
    with Walk(tmp_path, tmp_path / "grid") as walk:
        walk.ports(8971, 8972)
        walk.go(federation)
        walk.folders = {"registrar": "north"}
        root = tmp_path / "grid" / "keys" / "gridco.example.root"
        safe = tmp_path / "safe" / "PARTY.root"
        safe.parent.mkdir()
        root.rename(safe)
        walk.known |= {"/media/safe": str(safe.parent)}
        walk.type("tocsin", "key", "rotate", code=2)
        walk.go(section("keys.md", "The root key in a safe"))
        safe.rename(root)
        walk.go(section("keys.md", "Now and then"))
        keys = json.loads(walk.type("tocsin", "key", "list", "--json"))["items"]
        signing = [key["id"] for key in keys if key["role"] == "signing" and key["until"] is None]
        walk.known |= {"5f0c37d2": signing[0][:8]}
        url = json.loads((tmp_path / "north" / "run" / "node.json").read_text("utf-8"))["url"]
        walk.known |= {"https://tocsin.northland.example": url}
        walk.go(section("keys.md", "The signing key is stolen"))
        shown = walk.type("tocsin", "--node", url, "--home", "grid", "key", "list")
        assert "suspect since 2026-11-20T00:00:00Z  reason stolen" in shown
        walk.type("tocsin", "key", "rotate")
        walk.go(section("keys.md", "A party leaves"))
        left = json.loads(walk.type("tocsin", "--home", "north", "party", "list", "--json"))
    assert [party["id"] for party in left["items"]] == ["cert.northland.example"]


def test_the_guides_to_patterns_and_findings_need_no_node(tmp_path: Path) -> None:
    patterns = "[file:name = 'x']\n[file:hashes.SHA-256 = 'x']\n"
    (tmp_path / "patterns.txt").write_text(patterns, "utf-8")
    walk = Walk(tmp_path)
    block = re.search(r"```console\n\$ (.*)\n(.*)\n(.*)\n```", (GUIDES / "patterns.md").read_text())
    assert block
    printed = walk.type(*block[1].split(), code=1).splitlines()
    answered = [line for line in printed if line.startswith("{")]
    for line, told in zip(answered, block.groups()[1:], strict=True):
        got, said = json.loads(line), json.loads(told)
        assert {k: v for k, v in got.items() if k != "remedy"} == {
            k: v for k, v in said.items() if k != "remedy"
        }
    shutil.copy(BUNDLE, tmp_path / "bundle.json")
    verbs = re.findall(
        r"^tocsin (stix check .*?)(?:  #.*)?$", (GUIDES / "stix-findings.md").read_text(), re.M
    )
    assert len(verbs) == 3
    for verb in verbs:
        walk.type("tocsin", *verb.split())


INCIDENTS = (
    "incident_id,name,start_date,end_date,attribution_date,attributing_actor,"
    "attributed_initiator_country,sources_url\n"
    "1,Outage,2025-01-02,2025-01-03,2025-02-01,CERT Northland,XB,https://report.example/a\n"
)
GALAXY = {
    "name": "Threat actor", "type": "threat-actor", "version": 3, "uuid": f"{U}f1",
    "values": [{"value": "GREY HERON", "uuid": f"{U}f2", "meta": {"synonyms": ["Salt Lantern"]}}],
}  # fmt: skip


def catalogue() -> list[dict[str, Any]]:
    """A group and a campaign that use the same tool, as a catalogue of groups has them."""
    made = {"created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z"}
    group, campaign, tool = (
        f"{kind}--{U}{n}"
        for kind, n in (("intrusion-set", "c1"), ("campaign", "c2"), ("tool", "c3"))
    )
    reference = [{"source_name": "mitre-attack", "external_id": "C0042"}]
    rows: list[dict[str, Any]] = [
        {"type": "intrusion-set", "id": group, "name": "Ash Crane", "aliases": ["Grey Heron"]},
        {"type": "campaign", "id": campaign, "name": "Outage", "external_references": reference},
        {"type": "tool", "id": tool, "name": "wiper"},
    ]
    for n, source in (("c4", group), ("c5", campaign)):
        rows.append(
            {
                "type": "relationship",
                "id": f"relationship--{U}{n}",
                "source_ref": source,
                "relationship_type": "uses",
                "target_ref": tool,
            }
        )
    return [{"spec_version": "2.1", **made, **row} for row in rows]


def test_the_guides_to_data_sets_and_names_run_over_small_ones(tmp_path: Path) -> None:
    (tmp_path / "incidents.csv").write_text(INCIDENTS, "utf-8")
    (tmp_path / "threat-actor.json").write_text(json.dumps(GALAXY), "utf-8")
    attack = {"type": "bundle", "id": f"bundle--{U}c0", "objects": catalogue()}
    (tmp_path / "enterprise-attack.json").write_text(json.dumps(attack), "utf-8")
    walk = Walk(tmp_path, tmp_path / "north")
    walk.type("tocsin", "init", "--party", "cert.northland.example")
    assert len(walk.go((GUIDES / "datasets.md").read_text("utf-8"))) == 4
    walk.type("tocsin", "say", "enterprise-attack.json")
    walk.known["campaign--5f0c…"] = f"campaign--{U}c2"
    assert len(walk.go((GUIDES / "names.md").read_text("utf-8"))) == 4
    drafts = walk.type("tocsin", "accept").splitlines()
    assert max(map(len, drafts)) <= 80


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
    typed = walk.go((GUIDES / "taxii.md").read_text("utf-8"))
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
