"""The console over a real node in this process: bad input, stale looks, too low a role."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tocsin.console.app import build
from tocsin.console.auth import Person, role
from tocsin.wiring.node import open_node
from tocsin.wiring.party import init

SAME = {"sec-fetch-site": "same-origin"}
ARTICLE = (
    "NORTHPORT, Nov 20 - The outage was an attack.\n\n"
    '"We reject these groundless accusations," said Jon Vale, a spokesman for PortCo.\n'
)


@pytest.fixture
def sign_in(tmp_path: Path, client_of: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Signs somebody in: `sign_in("analyst")` gives a client."""
    init(tmp_path / "own", "cert.northland.example", "CERT Northland")
    with open_node(tmp_path / "own") as node:
        console = build(node)

        def go(name: str = "signer") -> Any:
            client = client_of(console.asgi)
            person = Person(name="anna", party=node.party, role=role(name))
            client.cookies.set("tocsin", console.doors.open_session(person))
            client.node, client.console = node, console
            return client

        yield go


def bring(client: Any, raw: bytes, name: str = "article.txt", **fields: str) -> Any:
    return client.post("/ingest", files={"file": (name, raw)}, data=fields, headers=SAME)


def drafts(client: Any) -> tuple[str, list[dict[str, Any]]]:
    answer = bring(client, ARTICLE.encode(), published="2026-11-22")
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"]
    return path, client.get(path + ".json").json()["drafts"]


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"", "empty.txt"),
        (b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 8, "program"),
        (b'{"type":"bundle","id":"bundle--1","objects":[', "cut.json"),
        (b"[" * 5000, "deep.json"),
        (b'{"type":"bundle","type":"bundle","objects":[]}', "twice.json"),
        (b"x" * 21_000_000, "long.txt"),
    ],
)
def test_bad_files_are_refused_with_a_remedy(
    sign_in: Callable[..., Any], raw: bytes, name: str
) -> None:
    client = sign_in()
    answer = bring(client, raw, name)
    assert 400 <= answer.status_code < 500, answer.status_code
    assert "What to do:" in answer.text
    assert client.get("/ingest.json").json() == {"reports": []}


def test_a_form_without_a_file_or_with_a_wrong_day_is_refused(sign_in: Callable[..., Any]) -> None:
    client = sign_in()
    nothing = client.post("/ingest", data={"text": "  "}, headers=SAME)
    assert nothing.status_code == 400
    assert "pick a file" in nothing.text
    wrong = client.post("/ingest", data={"text": ARTICLE, "published": "22.11."}, headers=SAME)
    assert wrong.status_code == 400
    assert "22.11." in wrong.text


def test_a_draft_is_dealt_with_once(sign_in: Callable[..., Any]) -> None:
    client = sign_in()
    path, found = drafts(client)
    one = found[0]
    seen = {"revision": str(one["revision"]), "date": "2026-11-20", "tlp": "GREEN"}
    first = client.post(f"{path}/{one['n']}/accept", data=seen, headers=SAME)
    assert first.status_code == 303, first.text
    again = client.post(f"{path}/{one['n']}/accept", data=seen, headers=SAME)
    assert again.status_code == 409
    assert "has changed since you saw it" in again.text
    after = client.get(path + ".json").json()["drafts"][0]
    assert after["state"] == "accepted"
    assert client.get("/claims/" + after["object_id"]).status_code == 200
    acts = [(row.actor, row.act) for row in client.node.store.audit()]
    assert ("anna", "publish") in acts


def test_nothing_is_lost_by_a_stale_edit(sign_in: Callable[..., Any]) -> None:
    client = sign_in()
    path, found = drafts(client)
    one = found[0]
    for speaker, status in (("First Speaker", 303), ("Second Speaker", 409)):
        sent = {"revision": str(one["revision"]), "speaker": speaker}
        answer = client.post(f"{path}/{one['n']}/edit", data=sent, headers=SAME)
        assert answer.status_code == status
    assert "First Speaker" in answer.text
    assert "Second Speaker" in answer.text
    kept = client.get(path + ".json").json()["drafts"][0]
    assert kept["fields"]["speaker"] == "First Speaker"
    assert kept["edited"] == {"speaker": one["fields"]["speaker"]}
    assert kept["words"] == one["words"]


def test_original_words_are_given_in_the_form_and_what_differs_is_shown(
    sign_in: Callable[..., Any],
) -> None:
    client = sign_in()
    path, found = drafts(client)
    one = next(d for d in found if d["kind"] == "claim")
    sent = {
        "revision": str(one["revision"]),
        "original": "三千次",
        "original_lang": "zh",
        "original_url": "https://spokesperson.southmark.example/2026-11-17",
        "translated_by": "Riverton News",
    }
    lacking = client.post(
        f"{path}/{one['n']}/edit", data={**sent, "original_url": ""}, headers=SAME
    )
    assert lacking.status_code == 422
    assert "original_url" in lacking.text
    assert client.post(f"{path}/{one['n']}/edit", data=sent, headers=SAME).status_code == 303
    page = client.get(path).text
    assert "三千次" in page
    after = next(d for d in client.get(path + ".json").json()["drafts"] if d["n"] == one["n"])
    assert after["fields"]["translated_by"] == "Riverton News"
    assert set(after["notes"]) > set(one["notes"])


def test_a_rejection_has_a_reason(sign_in: Callable[..., Any]) -> None:
    client = sign_in()
    path, found = drafts(client)
    sent = {"revision": str(found[0]["revision"]), "why": " "}
    assert client.post(f"{path}/1/reject", data=sent, headers=SAME).status_code == 400
    sent["why"] = "not what was said"
    assert client.post(f"{path}/1/reject", data=sent, headers=SAME).status_code == 303
    assert "not what was said" in client.get(path).text


@pytest.mark.parametrize("revision", ["", "x", "-1", "9" * 30])
def test_a_revision_nobody_saw_changes_nothing(sign_in: Callable[..., Any], revision: str) -> None:
    client = sign_in()
    path, _ = drafts(client)
    sent = {"revision": revision, "speaker": "Nobody"}
    answer = client.post(f"{path}/1/edit", data=sent, headers=SAME)
    assert answer.status_code in (400, 409)
    assert client.get(path + ".json").json()["drafts"][0]["edited"] == {}


@pytest.mark.parametrize("n", ["99", "x", "-1", "1.5", "%2e%2e"])
def test_a_draft_there_is_not_is_not_found(sign_in: Callable[..., Any], n: str) -> None:
    client = sign_in()
    path, _ = drafts(client)
    answer = client.post(f"{path}/{n}/edit", data={"revision": "1"}, headers=SAME)
    assert answer.status_code == 404


def test_an_analyst_edits_and_does_not_publish(sign_in: Callable[..., Any]) -> None:
    client = sign_in("analyst")
    path, found = drafts(client)
    page = client.get(path).text
    assert not re.search(r"<button[^>]*>Accept", page)
    assert "not publish" in page
    sent = {"revision": str(found[0]["revision"]), "date": "2026-11-20"}
    assert client.post(f"{path}/1/accept", data=sent, headers=SAME).status_code == 403
    sent = {"revision": str(found[0]["revision"]), "speaker": "Somebody"}
    assert client.post(f"{path}/1/edit", data=sent, headers=SAME).status_code == 303
    assert client.get("/claims.json").json()["claims"] == []


def test_a_reader_sees_no_drafts(sign_in: Callable[..., Any]) -> None:
    path, _ = drafts(sign_in())
    client = sign_in("reader")
    assert client.get("/ingest").status_code == 403
    assert client.get(path).status_code == 403
    assert client.get("/").status_code == 200


def test_who_may_only_publish_learns_not_which_reports_there_are(
    sign_in: Callable[..., Any],
) -> None:
    client = sign_in()
    answer = bring(client, b"Look for 203[.]0[.]113[.]77 in your logs.\n")
    known = answer.headers["location"]
    client.cookies.clear()
    person = Person(name="guest", party=client.node.party, role="signer")
    token = client.console.doors.make_token(person, ["read", "publish"], timedelta(days=1))
    asked = []
    for path in (known, "/drafts/" + "0" * 16):
        for form in ("accept-indicators", "1/accept", "1/reject"):
            asked.append(
                client.post(
                    f"{path}/{form}",
                    data={"count": "0", "revision": "1"},
                    headers={**SAME, "authorization": f"Bearer {token}"},
                )
            )
    assert {a.status_code for a in asked} == {403}
    assert len({a.text for a in asked}) == 1


def test_a_time_without_a_zone_is_refused(sign_in: Callable[..., Any]) -> None:
    answer = sign_in().get("/claims?at=2026-11-22T08:00:00")
    assert answer.status_code == 400
    assert "2026-11-22T08:00:00" in answer.text


@pytest.mark.parametrize("before", ["x", "-3", "999999999999999999999", "0"])
def test_any_page_of_the_log_can_be_asked_for(sign_in: Callable[..., Any], before: str) -> None:
    assert sign_in().get(f"/log?before={before}").status_code == 200


def test_the_whole_log_can_be_taken_and_checked(sign_in: Callable[..., Any]) -> None:
    import base64
    import hashlib

    client = sign_in()
    drafts(client)
    copy = client.get("/log/copy.json").json()
    assert copy["size"] == len(copy["entries"])
    for entry in copy["entries"]:
        raw = base64.b64decode(entry["envelope"])
        digest = hashlib.sha256(b"tocsin/commit/v1\n" + raw).digest()
        assert base64.b64decode(entry["commitment"]) == digest
        assert entry["id"] == digest.hex()


def test_all_indicators_at_once_are_those_an_object_stands_for(
    sign_in: Callable[..., Any],
) -> None:
    client = sign_in()
    text = b"Indicators: 45.77.12[.]9 and cdn[.]portsync[.]net and CVE-2024-21887, T1190\n"
    path = bring(client, text).headers["location"]
    assert "Accept all 3 indicators" in client.get(path).text
    done = client.post(path + "/accept-indicators", data={"count": "3"}, headers=SAME)
    assert done.status_code == 303, done.text
    found = client.get(path + ".json").json()["drafts"]
    assert [d["state"] for d in found if d["fields"]["kind"] == "attack-id"] == ["open"]
    assert sum(d["state"] == "accepted" for d in found) == 3


MISP_EVENT = (
    b'{"Event":{"uuid":"5f0c2a1e-0000-4000-8000-000000000001","info":"Tidebeacon","date":'
    b'"2026-11-18","timestamp":"1795000000","Tag":[{"name":"tlp:green"}],"Attribute":[{"uuid":'
    b'"5f0c2a1e-0000-4000-8000-000000000002","type":"ip-dst","value":"203.0.113.9","to_ids":true},'
    b'{"uuid":"5f0c2a1e-0000-4000-8000-000000000003","type":"iban","value":"<b>XX00</b>"}]}}'
)


def test_an_event_shows_what_it_lost_and_is_said_whole(sign_in: Callable[..., Any]) -> None:
    client = sign_in()
    path = bring(client, MISP_EVENT, "event.json").headers["location"]
    page = client.get(path).text
    assert "STIX has no place for iban" in page
    assert "/Event/Attribute/1" in page
    count = len(client.get(path + ".json").json()["objects"])
    stale = client.post(path + "/accept-objects", data={"objects": str(count + 1)}, headers=SAME)
    assert stale.status_code == 409
    done = client.post(
        path + "/accept-objects", data={"objects": str(count), "tlp": "GREEN"}, headers=SAME
    )
    assert done.status_code == 303, done.text
    assert done.headers["location"] == path + "#objects"
    found = client.get(path + ".json").json()["saying"]
    assert (found["state"], found["said"], found["again"]) == ("said", count, 0)
    assert f"Said {count} objects" in client.get(path).text
    client.post(path + "/accept-objects", data={"objects": str(count)}, headers=SAME)
    found = client.get(path + ".json").json()["saying"]
    assert (found["state"], found["said"], found["again"]) == ("said", 0, count)


def test_a_file_of_objects_waits_on_the_now_page_until_it_is_said_or_set_aside(
    sign_in: Callable[..., Any],
) -> None:
    client = sign_in()
    path = bring(client, MISP_EVENT, "event.json").headers["location"]
    count = len(client.get(path + ".json").json()["objects"])
    assert f"{count} objects of a file to accept" in client.get("/").text
    [row] = [w for w in client.get("/index.json").json()["waiting"] if w["href"] == path]
    assert row["cli"] == f"tocsin accept --report {path.rpartition('/')[2]}"
    assert sign_in("reader").get("/index.json").json()["files"] == 0
    aside = client.post(path + "/set-aside", data={"why": "not ours"}, headers=SAME)
    assert aside.status_code == 303, aside.text
    assert path not in client.get("/").text
    assert "not ours" in client.get(path).text
    client.post(path + "/accept-objects", data={"objects": str(count)}, headers=SAME)
    assert client.get(path + ".json").json()["saying"]["state"] == "said"
    assert path not in client.get("/").text


def test_whom_a_sharing_group_reaches_stands_above_the_button(
    sign_in: Callable[..., Any],
) -> None:
    client = sign_in()
    own = client.node.identity(client.node.party).removeprefix("identity--")
    orgs = [{"uuid": own, "name": "Own"}, {"uuid": "", "name": "<b>Gulf</b> Ports"}]
    event = {
        "uuid": "5f0c2a1e-0000-4000-8000-000000000001",
        "info": "Tide",
        "distribution": "4",
        "SharingGroup": {"name": "Harbour", "SharingGroupOrg": [{"Organisation": o} for o in orgs]},
        "Attribute": [{"type": "domain", "value": "h1.example", "to_ids": True}],
    }
    raw = json.dumps({"Event": event}).encode()
    path = bring(client, raw, "event.json").headers["location"]
    page = client.get(path).text
    assert "Whom they go to when you say them" in page
    assert "nobody but your own organisation" in page
    assert "Harbour" in page
    assert "<b>Gulf" not in page
    assert client.get(path + ".json").json()["sharing"][0]["members"][0]["party"] is None


def test_who_may_not_publish_says_no_objects(sign_in: Callable[..., Any]) -> None:
    client = sign_in("analyst")
    path = bring(client, MISP_EVENT, "event.json").headers["location"]
    assert "/accept-objects" not in client.get(path).text
    refused = client.post(path + "/accept-objects", data={"objects": "2"}, headers=SAME)
    assert refused.status_code == 403


def data_set(rows: int) -> bytes:
    head = "incident_id,name,start_date,attribution_date,initiator_country,attributing_actor\n"
    row = "{0},Incident {0},2026,12.02.2026,Westmark,Eastmere\n"
    return (head + "".join(row.format(n) for n in range(rows))).encode()


def test_a_data_sets_flags_places_and_norms_are_on_the_pages(sign_in: Callable[..., Any]) -> None:
    client = sign_in()
    path = bring(client, data_set(1), "incidents.csv").headers["location"]
    shown = client.get(path).text
    for word in ("our paraphrase of a row", "year-only", "/1/start_date", "not mended"):
        assert word in shown
    edit = {"revision": "1", "claim_type": "demand", "norms": "un-13f, un-13z"}
    [one] = client.get(path + ".json").json()["drafts"]
    edit["revision"] = str(one["revision"])
    assert client.post(f"{path}/1/edit", data=edit, headers=SAME).status_code == 303
    [one] = client.get(path + ".json").json()["drafts"]
    took = {"revision": str(one["revision"])}
    assert client.post(f"{path}/1/accept", data=took, headers=SAME).status_code == 303
    [one] = client.get(path + ".json").json()["drafts"]
    page = client.get(f"/claims/{one['object_id']}").text
    assert "Invoked by the speaker, not judged here" in page
    assert "no damage to critical infrastructure" in page
    assert "none of un-13a to un-13k" in page
    assert "no answer here" in page


def test_of_very_many_drafts_the_page_shows_the_first(
    sign_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.console.drafts.MOST_SHOWN", 5)
    client = sign_in()
    path = bring(client, data_set(7), "incidents.csv").headers["location"]
    shown = client.get(path)
    assert shown.text.count('class="card draft') == 5
    assert "5 drafts of 7" in shown.text
