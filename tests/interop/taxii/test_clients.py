"""Other people's TAXII clients, unmodified, against a real server on loopback."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.interop.taxii.served import Served, indicator

taxii2client = pytest.importorskip("taxii2client.v21")
cytaxii2 = pytest.importorskip("cytaxii2")
stix2 = pytest.importorskip("stix2")


def test_taxii2client_discovers_pages_fetches_puts_and_takes_back(fresh: Served) -> None:
    fresh.say(*(indicator(n) for n in range(25)))
    server = taxii2client.Server(
        f"{fresh.url}/taxii2/", user="writer", password=fresh.users["writer"]
    )
    assert server.title
    [root] = server.api_roots
    assert root.url == server.default.url
    by_alias = {c.alias: c for c in root.collections}
    everything, inbox = by_alias["all"], by_alias["inbox"]
    pages = list(taxii2client.as_pages(everything.get_objects, per_request=10))
    assert [len(p["objects"]) for p in pages] == [10, 10, 5]
    assert len({o["id"] for p in pages for o in p["objects"]}) == 25
    manifests = list(taxii2client.as_pages(everything.get_manifest, per_request=7))
    assert sum(len(p["objects"]) for p in manifests) == 25
    newest = manifests[-1]["objects"][-1]["date_added"]
    assert everything.get_objects(added_after=newest) == {"more": False}
    one = everything.get_object(indicator(3)["id"])
    assert one["objects"] == [indicator(3)]
    versions = everything.object_versions(indicator(3)["id"])
    assert versions["versions"] == [indicator(3)["modified"]]

    status = inbox.add_objects({"objects": [indicator(100), indicator(101)]})
    assert (status.status, status.success_count, status.failure_count) == ("complete", 2, 0)
    assert {s["id"] for s in status.successes} == {indicator(100)["id"], indicator(101)["id"]}
    status.refresh()
    assert status.success_count == 2
    assert len(inbox.get_objects()["objects"]) == 2
    inbox.delete_object(indicator(100)["id"])
    assert [o["id"] for o in inbox.get_objects()["objects"]] == [indicator(101)["id"]]


def test_taxii2client_takes_a_token(fresh: Served) -> None:
    from taxii2client.common import TokenAuth

    class Bearer(TokenAuth):  # type: ignore[misc]
        def __call__(self, request: object) -> object:
            request.headers["Authorization"] = "Bearer " + self.key  # type: ignore[attr-defined]
            return request

    fresh.say(indicator(1))
    for auth in (Bearer, TokenAuth):  # as the standard calls it, and as the library does
        key = fresh.token(auth.__name__.lower())
        server = taxii2client.Server(f"{fresh.url}/taxii2/", auth=auth(key=key))
        [everything] = server.default.collections
        assert len(everything.get_objects()["objects"]) == 1


def test_stix2s_source_and_sink_work_as_they_are(fresh: Served) -> None:
    fresh.say(indicator(1), indicator(1, modified="2026-11-22T09:00:00.000Z", name="newer"))
    name, password = "writer", fresh.users["writer"]
    path = fresh.collection("all", "writer")
    everything = taxii2client.Collection(fresh.url + path, user=name, password=password)
    source = stix2.TAXIICollectionSource(everything)
    assert source.get(indicator(1)["id"]).name == "newer"
    assert len(source.all_versions(indicator(1)["id"])) == 2
    assert len(source.query([stix2.Filter("type", "=", "indicator")])) == 1
    inbox = taxii2client.Collection(
        fresh.url + fresh.collection("inbox", "writer"), user=name, password=password
    )
    mine = stix2.Indicator(pattern="[ipv4-addr:value = '203.0.113.9']", pattern_type="stix")
    stix2.TAXIICollectionSink(inbox).add(mine)
    back = stix2.TAXIICollectionSource(inbox).get(mine.id)
    assert back.serialize() == mine.serialize()


def test_cytaxii2_polls_and_puts(fresh: Served) -> None:
    fresh.say(*(indicator(n) for n in range(5)))
    client = cytaxii2.cytaxii2.cytaxii2(
        discovery_url=f"{fresh.url}/taxii2/", username="writer", password=fresh.users["writer"]
    )
    assert client.discovery_request()["status_code"] == 200
    assert client.root_discovery()["status"]
    listed = client.collection_request()["response"]["collections"]
    everything, inbox = (next(c["id"] for c in listed if c["alias"] == a) for a in ("all", "inbox"))
    assert client.collection_data_request(everything)["response"]["id"] == everything
    first = client.poll_request(everything, limit=3)["response"]
    assert (len(first["objects"]), first["more"]) == (3, True)
    second = client.poll_request(everything, limit=3, next=first["next"])["response"]
    assert (len(second["objects"]), second["more"]) == (2, False)
    envelope = json.dumps({"objects": [indicator(77)]})
    put = client.inbox_request(inbox, envelope)
    assert (put["status_code"], put["response"]["success_count"]) == (202, 1)


GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "taxii.md"


def test_the_guides_script_runs_as_it_is_printed(
    fresh: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh.say(indicator(1), indicator(2))
    fresh.user("script")
    [text] = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    text = text.replace("https://YOUR-NODE", fresh.url).replace("…", fresh.users["script"])
    text = text.replace("COLLECTION-ID", fresh.collection("all").split("/")[-2])
    there: dict[str, Any] = {}
    exec(compile(text, "taxii.md", "exec"), there)
    assert capsys.readouterr().out.split() == [indicator(1)["id"], indicator(2)["id"]]
    assert len(there["indicators"]) == 2
