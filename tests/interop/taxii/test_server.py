"""What the TAXII server owes: credentials, what becomes of what is sent, and who learns of what."""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import msgspec
import orjson
import pytest
from tests.interop.taxii.served import (
    GRID,
    NORTH,
    ROOT,
    TAXII,
    Served,
    address,
    ids,
    indicator,
    node_with_taxii,
)

from tocsin.console.auth import Doors
from tocsin.console.taxii import Desk
from tocsin.errors import RateError
from tocsin.flows import intake, respond, shares, taxii_users
from tocsin.flows import taxii as flow
from tocsin.flows.intake import parse_kept
from tocsin.flows.node import Node
from tocsin.stix.bundle import open_bundle
from tocsin.taxii import server

ERROR = {"title", "description", "error_id", "http_status", "details"}


def refused(answer: httpx.Response, status: int) -> str:
    """The description of a refusal, which is a TAXII error body and nothing else."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == TAXII
    body = answer.json()
    assert set(body) == ERROR
    assert body["http_status"] == str(status)
    assert body["details"]["remedy"]
    return str(body["description"])


# --- what is known of a credential ----------------------------------------------------------------


@pytest.fixture
def warm(fresh: Served) -> Served:
    """Asked often enough that everything that is remembered of its accounts is."""
    fresh.say(indicator(1))
    for _ in range(3):
        assert fresh.get(ROOT + "collections/").status_code == 200
        assert ids(fresh.get(BY_ID)) == [indicator(1)["id"]]
    return fresh


BY_ID = f"{ROOT}collections/all/objects/{indicator(1)['id']}/"


def test_an_account_that_another_process_removes_is_refused_at_its_next_request(
    warm: Served,
) -> None:
    store: Any = warm.node.store
    with contextlib.closing(sqlite3.connect(store.path)) as other:
        other.execute("DELETE FROM local WHERE kind = 'taxii-user' AND key = 'reader'")
        other.commit()
    refused(warm.get(BY_ID), 401)


def test_a_token_that_is_revoked_is_refused_at_its_next_request(warm: Served) -> None:
    token = warm.token("siem")
    headers = {"authorization": f"Bearer {token}"}
    for _ in range(3):
        assert warm.get(BY_ID, auth=None, headers=headers).status_code == 200
    doors = Doors(warm.node.store, clock=warm.node.clock, rng=warm.node.rng)
    [id] = [one.id for one in doors.tokens() if one.person.name == "siem"]
    doors.revoke_token(id, "admin")
    refused(warm.get(BY_ID, auth=None, headers=headers), 401)


def test_what_is_taken_back_or_comes_is_so_at_the_next_request(warm: Served) -> None:
    warm.say(indicator(1, modified="2026-11-23T08:00:00.000Z"))
    [found] = warm.get(BY_ID).json()["objects"]
    assert found["modified"] == "2026-11-23T08:00:00.000Z"
    for row in warm.node.store.statements(warm.node.everything(), kind="say"):
        intake.withdraw(warm.node, NORTH, row.id)
    refused(warm.get(BY_ID), 404)
    before = len(warm.get(ROOT + "collections/").json()["collections"])
    respond.open_case(warm.node, NORTH, "Grid wiper", tlp="AMBER")
    assert len(warm.get(ROOT + "collections/").json()["collections"]) == before + 1


def test_whoever_the_directory_drops_reads_no_more_of_what_it_read_by_it(warm: Served) -> None:
    for _ in range(3):
        assert warm.get(BY_ID, auth="writer").status_code == 200
    left = tuple(p for p in warm.node.directory.parties if p.id != GRID)
    without = msgspec.structs.replace(warm.node.directory, parties=left)
    with patch.object(Node, "directory", without):
        refused(warm.get(BY_ID, auth="writer"), 404)
        assert warm.get(BY_ID).status_code == 200
    assert warm.get(BY_ID, auth="writer").status_code == 200


def test_an_answer_is_the_same_by_either_way(warm: Served) -> None:
    """At once, in a thread, and packed: no byte or header of it differs but its number."""
    own = ("x-request-id", "date")
    page = f"{ROOT}collections/all/objects/?match[id]={indicator(1)['id']}"
    for path in ("/taxii2/", ROOT, ROOT + "collections/", ROOT + "collections/all/", BY_ID, page):
        answers = []
        for at_once in (True, False):
            with patch.object(Desk, "known", Desk.known if at_once else lambda *_: None):
                for packed in ("identity", "gzip"):
                    got = warm.get(path, headers={"accept-encoding": packed})
                    shown = [(k, v) for k, v in got.headers.multi_items() if k not in own]
                    answers.append((packed, got.status_code, shown, got.content))
        assert answers[:2] == answers[2:], path


# --- addresses, media types -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/taxii2/nothing/", 404),
        ("GET", "/taxii2/api/collections/x/", 404),
        ("GET", "/taxii2/api/collections/all/objects/x/y/", 404),
        ("GET", "/taxii2/api/status/x/", 404),
        ("GET", "/taxii2/api/status/00000000-0000-4000-8000-000000000000/", 404),
        ("GET", "/taxii2/api/collections/all/objects/tool--x/", 404),
        ("GET", "/taxii2/api/collections/all/objects/tool--x/versions/", 404),
        ("POST", "/taxii2/", 405),
        ("PUT", "/taxii2/api/collections/all/objects/", 405),
        ("DELETE", "/taxii2/api/collections/all/", 405),
        ("OPTIONS", "/taxii2/api/", 405),
    ],
)
def test_an_address_there_is_not_is_refused_in_the_standards_words(
    served: Served, method: str, path: str, status: int
) -> None:
    refused(served.ask(method, path), status)


def test_a_wrong_path_says_where_taxii_is_and_no_more(served: Served) -> None:
    served.user("lost")
    told = set()
    for path in ("/", "/taxii/", "/api/collections/", "/services/discovery", "/cases", "/x.json"):
        for auth in ("lost", None, ("lost", "wrong")):
            answer = served.get(path, auth=auth)
            body = answer.json()
            assert (answer.status_code, body["http_status"]) == (404, "404")
            assert answer.headers["content-type"] == TAXII
            assert "/taxii2/" in body["details"]["remedy"]
            assert ROOT in body["details"]["remedy"]
            told.add(json.dumps({**body, "error_id": ""}))
    assert len(told) == 1
    # Who asks for pages is asked to sign in, as before.
    assert served.get("/taxii/", auth=None, accept="text/html").status_code == 401


@pytest.mark.parametrize(
    "accept",
    ["text/html", "application/vnd.oasis.taxii+json; version=2.0",
     "application/taxii+json;version=2.0", "application/taxii+json;version=3.0",
     "image/png, */*;q=0"],
)  # fmt: skip
def test_what_cannot_be_made_is_not_acceptable(served: Served, accept: str) -> None:
    assert accept.split(",", maxsplit=1)[0] in refused(served.get("/taxii2/", accept=accept), 406)


@pytest.mark.parametrize(
    "cursor", ["x", "AAAA", "a" * 5000, "%00", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "=", "é"]
)
def test_a_cursor_that_is_not_ours_is_refused(served: Served, cursor: str) -> None:
    refused(served.objects(next=cursor), 400)


def test_a_cursor_is_good_for_its_own_collection_and_its_own_filters(served: Served) -> None:
    served.say(*(indicator(n) for n in range(4)))
    served.push(indicator(90), indicator(91), indicator(92))
    cursor = served.objects(limit=1, **{"match[type]": "indicator,tool"}).json()["next"]
    assert ids(served.objects(next=cursor, **{"match[type]": "tool,indicator"}))
    refused(served.objects(next=cursor, **{"match[type]": "tool"}), 400)
    refused(served.objects("inbox", "writer", next=cursor), 400)


# --- credentials ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Basic", "Basic !!!", "Basic cmVhZGVy", "Bearer", "Bearer x", "Digest x=y",
        "Basic " + base64.b64encode(b"reader:").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
    ],
)  # fmt: skip
def test_without_a_credential_there_is_nothing_to_see(fresh: Served, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    for path in ("/taxii2/", ROOT, ROOT + "collections/all/objects/"):
        answer = fresh.get(path, auth=None, headers=headers)
        refused(answer, 401)
        assert "Bearer" in answer.headers["www-authenticate"]


def test_guessing_is_slowed_down_by_user_and_by_address(fresh: Served) -> None:
    assert fresh.get("/taxii2/").status_code == 200
    for _ in range(10):
        refused(fresh.get("/taxii2/", auth=("reader", "wrong")), 401)
    answer = fresh.get("/taxii2/", auth=("reader", "wrong"))
    refused(answer, 429)
    assert 0 < int(answer.headers["retry-after"]) <= 61
    refused(fresh.get("/taxii2/", auth=("writer", fresh.users["writer"])), 429)
    # Whose password was right a moment ago is not locked out by others.
    assert fresh.get("/taxii2/").status_code == 200


def test_an_account_that_is_ended_opens_nothing_any_more(fresh: Served) -> None:
    token = fresh.token("siem")
    bearer = {"authorization": f"Bearer {token}"}
    assert fresh.get("/taxii2/", auth=None, headers=bearer).status_code == 200
    assert fresh.get("/taxii2/").status_code == 200
    for name in ("reader", "siem"):
        taxii_users.remove(fresh.node, name)
    refused(fresh.get("/taxii2/"), 401)
    refused(fresh.get("/taxii2/", auth=None, headers=bearer), 401)


def test_a_password_is_kept_as_a_hash_only(fresh: Served) -> None:
    rows = fresh.node.store.list_local(taxii_users.KIND)
    for row in rows:
        assert fresh.users[row.key].encode() not in row.value
    assert b'"salt":""' not in rows[0].value


def test_an_account_opens_the_collections_it_is_bound_to_and_no_other(fresh: Served) -> None:
    fresh.user("bound", collections=("inbox",), write=True)
    fresh.say(indicator(1))
    listed = fresh.get(ROOT + "collections/", auth="bound").json()["collections"]
    assert [c["alias"] for c in listed] == ["inbox"]
    everything = fresh.collection("all")
    for path in (everything, everything + "objects/", ROOT + "collections/all/manifest/"):
        refused(fresh.get(path, auth="bound"), 404)


def test_anonymous_readers_see_what_is_clear_where_that_is_switched_on(tmp_path: Path) -> None:
    with node_with_taxii(tmp_path, anonymous=True) as served:
        served.say(indicator(1), tlp="CLEAR")
        served.say(indicator(2), tlp="GREEN")
        answer = served.get(ROOT + "collections/all/objects/", auth=None)
        assert ids(answer) == [indicator(1)["id"]]
        listed = served.get(ROOT + "collections/", auth=None).json()["collections"]
        assert [(c["alias"], c["can_write"]) for c in listed] == [("all", False)]
        refused(served.get("/taxii2/", auth=("reader", "wrong")), 401)


# --- putting in -----------------------------------------------------------------------------------


def test_what_is_put_in_is_said_by_the_node_and_names_its_way(fresh: Served) -> None:
    odd = (
        b'{"type":"indicator",  "spec_version":"2.1", %b'
        % orjson.dumps(
            {k: v for k, v in indicator(5).items() if k not in ("type", "spec_version")}
        )[1:]
    )
    answer = fresh.push(content=b'{"objects": [ %b ]}' % odd)
    assert answer.json()["success_count"] == 1
    page = fresh.objects("inbox", "writer")
    assert odd in page.content  # byte for byte
    node = fresh.node
    [said] = node.store.statements(node.everything(), kind="say", author=NORTH)
    statement = parse_kept(said)
    assert statement.body["via"] == {"door": "taxii", "party": GRID}
    assert (statement.tlp, statement.to) == ("AMBER+STRICT", (GRID,))
    status = fresh.get(f"{ROOT}status/{answer.json()['id']}/", auth="writer")
    assert status.json() == answer.json()
    refused(fresh.get(f"{ROOT}status/{answer.json()['id']}/", auth="reader"), 404)


def test_an_accounts_own_marking_is_what_its_objects_are_said_under(fresh: Served) -> None:
    fresh.user("feed", GRID, write=True, tlp="GREEN")
    red = ["marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"]
    fresh.push(indicator(1), indicator(2, object_marking_refs=red), auth="feed")
    seen = {k.tlp for k in fresh.node.store.audiences().values() if k.author == NORTH}
    assert {"GREEN", "RED"} <= seen
    fresh.user("third", NORTH)
    assert ids(fresh.objects("all", "third")) == [indicator(1)["id"]]


def test_the_same_again_is_a_success_and_no_second_row(fresh: Served) -> None:
    fresh.push(indicator(1), address(1))
    before = fresh.objects("inbox", "writer").json()
    size = fresh.node.store.head().size  # type: ignore[union-attr]
    answer = fresh.push(indicator(1), indicator(1), address(1)).json()
    assert (answer["success_count"], answer["failure_count"]) == (3, 0)
    assert fresh.objects("inbox", "writer").json() == before
    assert fresh.node.store.head().size == size  # type: ignore[union-attr]


def test_one_version_with_two_contents_is_a_conflict_and_both_are_kept(fresh: Served) -> None:
    fresh.push(indicator(1))
    answer = fresh.push(indicator(1, name="other")).json()
    [failure] = answer["failures"]
    held, came = (
        open_bundle(orjson.dumps(indicator(1, **more)))[0].sha256
        for more in ({}, {"name": "other"})
    )
    assert failure["message"].startswith("version-conflict")
    assert held in failure["message"]
    assert came in failure["message"]
    [evidence] = fresh.node.store.list_local("taxii-evidence")
    assert evidence.key == f"{indicator(1)['id']}/{came}"
    assert json.loads(json.loads(evidence.value)["raw"])["name"] == "other"
    assert fresh.objects("inbox", "writer").json()["objects"] == [indicator(1)]
    newer = indicator(1, name="other", modified="2026-11-22T09:00:00.000Z")
    assert fresh.push(newer).json()["success_count"] == 1


def test_evidence_of_one_account_leaves_room_for_anothers_and_goes_in_time(fresh: Served) -> None:
    fresh.user("second", GRID, write=True)
    fresh.push(*(indicator(n) for n in range(4)))
    with patch.object(shares, "MAX_EVIDENCE", 2):
        answer = fresh.push(*(indicator(n, name="other") for n in range(3))).json()
        told = [
            f["message"].endswith("(not kept: there is no more room)") for f in answer["failures"]
        ]
        assert sorted(told) == [False, False, True]
        other = fresh.push(indicator(3, name="other"), auth="second").json()
        assert "not kept" not in other["failures"][0]["message"]
        kept = fresh.node.store.list_local("taxii-evidence")
        assert len(kept) == 3
        later = datetime.now(UTC) + timedelta(days=shares.EVIDENCE_DAYS - 1)
        object.__setattr__(fresh.node, "clock", lambda: later)
        shares.drop_old(fresh.node)
        assert fresh.node.store.list_local("taxii-evidence") == kept
        later += timedelta(days=1)
        shares.drop_old(fresh.node, "second")
        assert len(fresh.node.store.list_local("taxii-evidence")) == 2
        shares.drop_old(fresh.node)
    assert not fresh.node.store.list_local("taxii-evidence")
    assert not fresh.node.store.list_local("taxii-evidence-held")


def test_a_days_share_is_each_accounts_own_and_what_is_over_it_is_refused_whole(
    tmp_path: Path,
) -> None:
    now = datetime(2026, 11, 22, 23, 50, tzinfo=UTC)
    with node_with_taxii(tmp_path, share=shares.Share(objects=3, mib=1)) as served:
        object.__setattr__(served.node, "clock", lambda: now)
        served.user("second", GRID, write=True)
        assert served.push(indicator(1), indicator(2)).status_code == 202
        answer = served.push(indicator(3), indicator(4))
        assert "3 of a day" in refused(answer, 429)
        assert answer.headers["retry-after"] == "600"
        assert "2026-11-23T00:00Z" in answer.json()["details"]["remedy"]
        assert len(ids(served.objects("inbox", "writer"))) == 2
        assert served.push(indicator(3)).status_code == 202  # a smaller one still fits
        assert served.push(indicator(5), auth="second").status_code == 202
        refused(served.push(indicator(6)), 429)
        refused(served.push(content=b"{" * 9, auth="second"), 400)  # unreadable, and counted
        refused(served.push(indicator(7), indicator(8), auth="second"), 429)
        now += timedelta(minutes=10)
        assert served.push(indicator(6)).status_code == 202
        big = indicator(7, description="x" * 600_000)
        assert served.push(big).status_code == 202
        big = indicator(8, description="x" * 600_000)
        assert "1 MiB of a day" in refused(served.push(big), 429)


def test_requests_of_one_account_at_once_are_all_counted(fresh: Served) -> None:
    share = shares.Share(objects=60)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: shares.take(fresh.node, "writer", share, 1, 10), range(60)))
    with pytest.raises(RateError, match="60 objects came"):
        shares.take(fresh.node, "writer", share, 1, 10)
    shares.take(fresh.node, "writer", shares.Share(objects=0, mib=0), 10**9, 10**15)


def test_two_contents_of_one_version_in_one_request_are_a_conflict(fresh: Served) -> None:
    answer = fresh.push(indicator(1), indicator(1, name="other")).json()
    assert (answer["success_count"], answer["failure_count"]) == (1, 1)
    assert "version-conflict" in answer["failures"][0]["message"]


def test_another_partys_claim_or_identity_is_not_said_for_it(fresh: Served) -> None:
    identity = fresh.node.identity(NORTH)
    spoof = indicator(9, created_by_ref=fresh.node.identity(GRID))
    claim = indicator(
        8,
        created_by_ref=fresh.node.identity(GRID),
        name="fine",
    )
    answer = fresh.push(spoof, indicator(7), claim, indicator(6, created_by_ref=identity)).json()
    assert answer["success_count"] == 2
    assert {f["id"] for f in answer["failures"]} == {spoof["id"], claim["id"]}
    assert "has not said it so here" in answer["failures"][0]["message"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b'{"items":[]}', 400),
        (b'{"objects":[{"a":1,"a":2}]}', 400),
        (b'{"objects":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}", 413),
        (b'{"objects":[{"type":"x-a","id":"x-a--1","n":"' + b"x" * 1_100_000 + b'"}]}', 413),
        (b'{"objects":[' + b",".join([b"{}"] * 10_001) + b"]}", 413),
        (b" " * 33_000_000, 413),
    ],
    ids=["empty", "cut", "no text", "items", "doubled", "deep", "large object", "many", "large"],
)
def test_what_cannot_be_taken_at_all_is_refused_whole(
    served: Served, content: bytes, status: int
) -> None:
    size = served.node.store.head().size  # type: ignore[union-attr]
    path = served.collection("inbox", "writer") + "objects/"
    headers = {"content-type": TAXII}
    answer = served.ask("POST", path, auth="writer", content=content, headers=headers)
    assert answer.status_code in (status, 400)
    refused(answer, answer.status_code)
    assert served.node.store.head().size == size  # type: ignore[union-attr]


def test_who_may_not_write_is_told_before_the_body_is_read(served: Served) -> None:
    path = ROOT + "collections/all/objects/"
    headers = {"content-type": TAXII}
    refused(served.ask("POST", path, auth="writer", content=b"{}", headers=headers), 403)
    inbox = served.collection("inbox", "writer") + "objects/"
    refused(served.ask("POST", inbox, auth="reader", content=b"{}", headers=headers), 404)
    refused(served.ask("POST", inbox, auth=None, content=b"{}", headers=headers), 401)


def test_a_thousand_objects_go_in_at_once(fresh: Served) -> None:
    answer = fresh.push(*(indicator(n) for n in range(1000)), indicator(7, valid_from=None))
    assert (answer.status_code, answer.json()["success_count"]) == (202, 1000)
    assert answer.json()["failure_count"] == 1
    assert len(ids(fresh.objects("inbox", "writer", limit=1000))) == 1000


# --- taking back ----------------------------------------------------------------------------------


def test_whoever_put_it_in_takes_it_back_and_nobody_else(fresh: Served) -> None:
    fresh.push(indicator(1), indicator(2))
    fresh.push(indicator(1, modified="2026-11-22T09:00:00.000Z"))
    fresh.user("other", GRID, write=True)
    fresh.user("own", NORTH, write=True)
    fresh.say(indicator(3))
    one = f"objects/{indicator(1)['id']}/"
    inbox = fresh.collection("inbox", "writer")
    refused(fresh.ask("DELETE", fresh.collection("all", "own") + one, auth="own"), 403)
    said = fresh.collection("all", "writer") + f"objects/{indicator(3)['id']}/"
    refused(fresh.ask("DELETE", said, auth="writer"), 403)
    refused(fresh.ask("DELETE", inbox + f"objects/{indicator(3)['id']}/", auth="writer"), 404)
    # Another account of the same party may.
    assert fresh.ask("DELETE", inbox + one, auth="other").status_code == 200
    assert ids(fresh.objects("inbox", "writer", **{"match[version]": "all"})) == [
        indicator(2)["id"]
    ]
    refused(fresh.ask("DELETE", inbox + one, auth="writer"), 404)
    withdrawals = fresh.node.store.statements(fresh.node.everything(), kind="withdraw")
    assert {k.author for k in withdrawals} == {NORTH}


def test_one_version_alone_is_taken_back(fresh: Served) -> None:
    newer = "2026-11-22T09:00:00.000Z"
    fresh.push(indicator(1))
    fresh.push(indicator(1, modified=newer))
    path = fresh.collection("inbox", "writer") + f"objects/{indicator(1)['id']}/"
    gone = fresh.ask("DELETE", path, auth="writer", params={"match[version]": newer})
    assert gone.status_code == 200
    assert fresh.get(path, auth="writer").json()["objects"] == [indicator(1)]


def test_more_versions_than_a_page_holds_are_all_taken_back(fresh: Served) -> None:
    versions = [
        indicator(
            1, modified=f"2026-11-22T{8 + n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}.000Z"
        )
        for n in range(1_020)
    ]
    assert fresh.push(*versions).json()["success_count"] == len(versions)
    path = fresh.collection("inbox", "writer") + f"objects/{indicator(1)['id']}/"
    with patch.object(flow, "MAX_LOOKED_AT", 1_000):
        again = fresh.ask("DELETE", path, auth="writer")
    # Not all of them at once: said so, and the same request goes on.
    assert "1000 versions" in refused(again, 429)
    assert again.headers["retry-after"] == "1"
    left = fresh.get(path + "versions/", auth="writer", params={"limit": 1_000}).json()
    assert len(left["versions"]) == 20
    assert fresh.ask("DELETE", path, auth="writer").status_code == 200
    refused(fresh.get(path, auth="writer"), 404)
    assert ids(fresh.objects("inbox", "writer", **{"match[version]": "all"})) == []


# --- who learns of what ---------------------------------------------------------------------------


def test_two_readers_see_what_is_theirs_and_nothing_tells_of_the_rest(tmp_path: Path) -> None:
    """The same questions by the same reader, where a secret is held and where none is."""

    def answers(folder: Path, secret: bool) -> dict[str, tuple[int, Any]]:
        folder.mkdir()
        with node_with_taxii(folder) as served:
            served.say(indicator(1), indicator(2), tlp="GREEN")
            hidden = indicator(1, modified="2027-01-01T00:00:00.000Z", name="hidden")
            if secret:
                served.say(hidden, indicator(66), tlp="AMBER", to=[NORTH])
                respond.open_case(served.node, NORTH, "Hidden case")
            served.say(indicator(3), tlp="GREEN")
            found = {}
            for path, params in (
                ("collections/", {}),
                ("collections/all/", {}),
                ("collections/all/objects/", {}),
                ("collections/all/objects/", {"limit": "1"}),
                ("collections/all/objects/", {"match[id]": indicator(66)["id"]}),
                ("collections/all/objects/", {"match[version]": "all"}),
                ("collections/all/objects/", {"match[version]": "last,first"}),
                ("collections/all/manifest/", {}),
                (f"collections/all/objects/{indicator(1)['id']}/", {}),
                (f"collections/all/objects/{indicator(1)['id']}/versions/", {}),
                (f"collections/all/objects/{indicator(66)['id']}/", {}),
                (f"collections/all/objects/{indicator(66)['id']}/versions/", {}),
            ):
                answer = served.get(ROOT + path, auth="writer", params=params)
                found[path + str(params)] = answer.status_code, _blank(answer.json())
            gone = served.ask(
                "DELETE", ROOT + f"collections/all/objects/{indicator(66)['id']}/", auth="writer"
            )
            found["delete"] = gone.status_code, _blank(gone.json())
            own = served.objects(limit=1000)
            assert (indicator(66)["id"] in ids(own)) is secret
            # Where it may be read it is, and a newer version of it comes to those alone.
            names = {o["name"] for o in own.json()["objects"]}
            assert ("hidden" in names) is secret
            pushed = served.push(hidden if not secret else {**hidden, "name": "again"})
            found["push"] = pushed.status_code, _counts(pushed.json())
            return found

    assert answers(tmp_path / "a", secret=False) == answers(tmp_path / "b", secret=True)


def _counts(body: dict[str, Any]) -> tuple[int, int]:
    return body["success_count"], body["failure_count"]


def _blank(value: Any) -> Any:
    """Without what is of the day and the node: dates, cursors, ids of collections and errors."""
    if isinstance(value, dict):
        return {
            k: "" if k in ("date_added", "next", "error_id") or (k == "id" and "alias" in value)
            else _blank(v)
            for k, v in value.items()
        }  # fmt: skip
    return [_blank(v) for v in value] if isinstance(value, list) else value


def test_a_case_is_a_collection_for_those_who_are_in_it(fresh: Served) -> None:
    case, _ = respond.open_case(fresh.node, NORTH, "Outage", to=[NORTH])
    fresh.say(indicator(1), tlp="AMBER", to=[NORTH], case=case)
    fresh.say(indicator(2), tlp="GREEN")
    aliases = [
        {c["alias"] for c in fresh.get(ROOT + "collections/", auth=who).json()["collections"]}
        for who in ("reader", "writer")
    ]
    assert aliases == [{"all", case}, {"all", "inbox"}]
    assert ids(fresh.objects(case)) == [indicator(1)["id"]]
    path = fresh.collection(case)
    for name in (path, f"{ROOT}collections/{case}/", path + "objects/"):
        refused(fresh.get(name, auth="writer"), 404)


# --- a law ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 7])
def test_a_walk_with_writers_at_work_gives_each_object_once_and_in_order(
    fresh: Served, limit: int
) -> None:
    fresh.say(*(indicator(n) for n in range(20)))
    stop = threading.Event()
    written: list[int] = []

    def write() -> None:
        for n in range(1000, 1060):
            if stop.is_set():
                return
            fresh.say(indicator(n))
            written.append(n)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found: list[str] = []
        path = fresh.collection("all")
        with httpx.Client(base_url=fresh.url, auth=("reader", fresh.users["reader"])) as client:
            params: dict[str, Any] = {"limit": limit}
            while True:
                body = client.get(path + "objects/", params=params).json()
                found += [o["id"] for o in body.get("objects", [])]
                if not body["more"]:
                    break
                params["next"] = body["next"]
    finally:
        stop.set()
        writer.join()
    assert len(found) == len(set(found)) >= 20
    whole = ids(fresh.objects(limit=1000))
    assert list(whole[: len(found)]) == found
    assert set(whole) == {indicator(n)["id"] for n in [*range(20), *written]}


def test_an_accounts_token_opens_taxii_and_nothing_else_of_the_node(fresh: Served) -> None:
    headers = {"authorization": f"Bearer {fresh.token('siem')}"}
    assert fresh.get("/taxii2/", auth=None, headers=headers).status_code == 200
    for path in (
        "/", "/cases", "/claims", "/log", "/live.json?after=0", "/api/v1/statements", "/index.json",
        "/api/v1/indicators", "/api/v1/taxii/users", "/api/v1/log", "/ingest",
    ):  # fmt: skip
        answer = fresh.get(path, auth=None, headers=headers, accept="*/*")
        assert answer.status_code in (401, 403), (path, answer.status_code, answer.text[:200])


def test_a_body_that_drips_is_let_go(fresh: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_SECONDS", 0.3)
    path = fresh.collection("inbox", "writer") + "objects/"

    def drips() -> Iterator[bytes]:
        for _ in range(40):
            yield b" "
            time.sleep(0.05)

    started = time.monotonic()
    headers = {"content-type": TAXII}
    answer = fresh.ask("POST", path, auth="writer", content=drips(), headers=headers)
    refused(answer, 408)
    assert answer.headers["connection"] == "close"
    assert time.monotonic() - started < 5
