"""What deployed clients and servers have stumbled over, each as the request that showed it.

Every test names the public thread it replays. The server here is the real one, on loopback.
"""

from __future__ import annotations

import json
import re
import socket
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from tests.interop.taxii.served import NORTH, ROOT, TAXII, Served, address, ids, indicator

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
FIRST, LAST = "x-taxii-date-added-first", "x-taxii-date-added-last"


@pytest.fixture(scope="module", autouse=True)
def objects(served: Served) -> None:
    """Twelve indicators and two observables, two versions of the first."""
    for n in range(12):
        served.say(indicator(n))
    served.say(address(1), address(2))
    served.say(indicator(0, modified="2026-11-22T09:00:00.000Z", name="newer"))


def whole(served: Served) -> list[str]:
    return list(ids(served.objects(limit=1000)))


def walked(served: Served, limit: int, **params: Any) -> list[str]:
    """Every id, page after page, as the client of the thread would ask."""
    found: list[str] = []
    answer = served.objects(limit=limit, **params)
    for _ in range(100):
        found += ids(answer)
        body = answer.json()
        if not body["more"]:
            return found
        answer = served.objects(limit=limit, next=body["next"], **params)
    raise AssertionError("it never ends")


def test_opencti_5681_added_after_and_next_together(served: Served) -> None:
    early = "2020-01-01T00:00:00Z"
    assert walked(served, 5, added_after=early) == whole(served)
    # Whatever added_after says beside next, next is where it goes on.
    first = served.objects(limit=5)
    late = served.objects(limit=5, next=first.json()["next"], added_after="2099-01-01T00:00:00Z")
    assert ids(late) == whole(served)[5:10]


def test_opencti_4537_pages_and_not_everything_at_once(served: Served) -> None:
    answer = served.objects(limit=4)
    assert (len(ids(answer)), answer.json()["more"]) == (4, True)
    assert walked(served, 4) == whole(served)


def test_opencti_4246_an_accept_header_of_a_browser_library(served: Served) -> None:
    for accept in ("application/json, text/plain, */*", "*/*", "application/json", None):
        answer = served.get("/taxii2/", accept=accept)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == TAXII


def test_opencti_7755_a_path_without_its_last_slash(served: Served) -> None:
    collection = served.collection("all")
    for path in (
        "/taxii2/", ROOT, ROOT + "collections/", collection, collection + "objects/",
        collection + "manifest/", collection + f"objects/{indicator(1)['id']}/",
        collection + f"objects/{indicator(1)['id']}/versions/",
    ):  # fmt: skip
        with_, without = served.get(path), served.get(path.rstrip("/"))
        assert (with_.status_code, without.status_code) == (200, 200), path
        assert with_.content == without.content


def test_opencti_2928_and_6973_no_header_says_undefined(served: Served) -> None:
    full, empty = served.objects(), served.objects(added_after="2099-01-01T00:00:00Z")
    assert DATE.fullmatch(full.headers[FIRST])
    assert DATE.fullmatch(full.headers[LAST])
    assert FIRST not in empty.headers
    assert LAST not in empty.headers
    assert empty.json() == {"more": False}
    assert not any("undefined" in value for value in full.headers.values())


@pytest.mark.parametrize(
    "content_type",
    [
        "application/taxii+json;version=2.1",
        "application/taxii+json; version=2.1",
        "application/taxii+json",
        "application/stix+json;version=2.1",
        "application/stix+json; version=2.1; charset=utf-8",
        "application/vnd.oasis.stix+json; version=2.0",
        "application/vnd.oasis.stix+json",
    ],
)
def test_opencti_connectors_7499_and_4916_stix_content_types(
    served: Served, content_type: str
) -> None:
    answer = served.push(indicator(200), headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["success_count"]) == (202, 1)


@pytest.mark.parametrize("content_type", ["text/html", "application/json", "", "x", "a/b, c/d"])
def test_opencti_12668_a_wrong_content_type_is_answered_at_once(
    served: Served, content_type: str
) -> None:
    # The header and the length, and never a body: a server that waits for it hangs.
    where = urlsplit(served.url)
    path = served.collection("inbox", "writer") + "objects/"
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {where.netloc}\r\ncontent-type: {content_type}\r\n"
        f"accept: {TAXII}\r\ncontent-length: 9000000\r\n\r\n"
    )
    started = time.monotonic()
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=5) as found:
        found.sendall(head.encode())
        answer = found.recv(65536)
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert time.monotonic() - started < 3


def test_opencti_connectors_7604_added_after_is_exclusive(served: Served) -> None:
    answer = served.objects(limit=3)
    last = answer.headers[LAST]
    after = served.objects(limit=1000, added_after=last)
    assert ids(after) == whole(served)[3:]
    end = served.objects(limit=1000).headers[LAST]
    assert served.objects(added_after=end).json() == {"more": False}


def test_elastic_20184_added_after_left_out_on_page_two(served: Served) -> None:
    since = served.objects(limit=3).headers[LAST]
    first = served.objects(limit=4, added_after=since)
    second = served.objects(limit=4, next=first.json()["next"])
    assert [*ids(first), *ids(second)] == whole(served)[3:11]


def test_minemeld_400_a_poller_by_its_newest_modified_loses_nothing_of_ours(
    served: Served,
) -> None:
    # An object put in late bears an old `modified`: only the date it was added tells.
    before = served.objects(limit=1000).headers[LAST]
    served.say(indicator(300, modified="2026-11-22T08:00:00.000Z"))
    assert ids(served.objects(added_after=before)) == [indicator(300)["id"]]


def test_digitalside_45_a_cursor_can_be_used_again(served: Served) -> None:
    cursor = served.objects(limit=5).json()["next"]
    answers = {served.objects(limit=5, next=cursor).content for _ in range(3)}
    assert len(answers) == 1


def test_opencti_connectors_1024_more_than_the_first_hundred(served: Served) -> None:
    served.say(*(indicator(n) for n in range(1000, 1150)))
    first = served.objects()
    assert (len(ids(first)), first.json()["more"]) == (100, True)
    second = served.objects(next=first.json()["next"])
    assert len(ids(second)) > 50


def test_attack_workbench_32_21_23_dates_and_names_are_the_standards(served: Served) -> None:
    answer = served.get(served.collection("all") + "manifest/", params={"limit": 3})
    body = answer.json()
    assert set(body) == {"more", "next", "objects"}
    for row in body["objects"]:
        assert set(row) == {"id", "date_added", "version", "media_type"}
        assert DATE.fullmatch(row["date_added"])
        assert isinstance(row["version"], str)
        assert row["media_type"] == "application/stix+json;version=2.1"
    assert body["objects"][0]["date_added"] == answer.headers[FIRST]
    assert set(served.objects(limit=3).json()) == {"more", "next", "objects"}


@pytest.mark.parametrize(
    "since",
    [
        "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.0Z", "2026-01-01T00:00:00.123Z",
        "2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00+00:00", "2026-01-01T01:00:00+01:00",
    ],
)  # fmt: skip
def test_demisto_21349_added_after_with_any_fraction_or_none(served: Served, since: str) -> None:
    assert served.objects(added_after=since, limit=1000).status_code == 200
    assert ids(served.objects(added_after=since, limit=1000)) == whole(served)


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01T00:00:00Z", "1732262400", "2026-11-22"])
def test_an_added_after_that_is_no_instant_is_refused_by_name(served: Served, since: str) -> None:
    answer = served.objects(added_after=since)
    assert answer.status_code == 400
    assert since in answer.json()["description"]


def test_misp_8832_observables_have_no_modified(served: Served) -> None:
    one = address(1)["id"]
    rows = served.get(served.collection("all") + "manifest/", params={"match[id]": one}).json()
    [row] = rows["objects"]
    assert row["version"] == row["date_added"]
    versions = served.get(served.collection("all") + f"objects/{one}/versions/").json()
    assert versions == {"more": False, "versions": [row["date_added"]]}
    by_version = served.objects(**{"match[id]": one, "match[version]": row["version"]})
    assert ids(by_version) == [one]


def test_opentaxii_237_and_268_spec_version_is_not_the_type(served: Served) -> None:
    assert ids(
        served.objects("all", "reader", **{"match[spec_version]": "2.1"}, limit=1000)
    ) == whole(served)
    assert served.objects(**{"match[spec_version]": "2.0"}).json() == {"more": False}
    assert ids(served.objects(**{"match[type]": "ipv4-addr"})) == [
        i for i in whole(served) if i.startswith("ipv4-addr")
    ]


def test_opentaxii_247_an_envelope_without_a_type(served: Served) -> None:
    body = json.dumps({"objects": [indicator(201)]}).encode()
    assert served.push(content=body).json()["success_count"] == 1
    bundle = {"type": "bundle", "id": f"bundle--{indicator(1)['id'][11:]}"}
    body = json.dumps({**bundle, "objects": [indicator(202)]}).encode()
    assert served.push(content=body).json()["success_count"] == 1


def test_azure_sentinel_11202_and_opencti_2102_uuidv4_and_basic(served: Served) -> None:
    for one in served.get(ROOT + "collections/").json()["collections"]:
        assert UUID(one["id"]).version == 4
        assert str(UUID(one["id"])) == one["id"]
    refused = served.get("/taxii2/", auth=None)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic ")


def test_azure_sentinel_8164_what_is_not_taken_is_named_with_its_reason(served: Served) -> None:
    bad = indicator(203, pattern_type=7)
    answer = served.push(indicator(204), bad, {"type": "indicator"}).json()
    assert (answer["success_count"], answer["failure_count"]) == (1, 2)
    assert answer["failures"][0]["id"] == bad["id"]
    assert "pattern_type" in answer["failures"][0]["message"]
    assert answer["failures"][1]["id"] == "object 3"
    assert "id is missing" in answer["failures"][1]["message"]


def test_opencti_3765_match_spec_version_is_taken(served: Served) -> None:
    answer = served.objects("all", "reader", **{"match[spec_version]": "2.0,2.1"}, limit=1000)
    assert ids(answer) == whole(served)


def test_misp_9089_a_collection_written_by_hand_from_its_address(served: Served) -> None:
    # Clients that are given the address of a collection never ask for the list first.
    for name in (served.collection("all").split("/")[-2], "all"):
        answer = served.get(f"{ROOT}collections/{name}/objects/", params={"limit": 2})
        assert len(ids(answer)) == 2
        assert served.get(f"{ROOT}collections/{name}/").json()["alias"] == "all"


def test_misp_joins_its_base_url_with_taxii2_and_with_the_api_roots_last_word(
    served: Served,
) -> None:
    # MISP's forms (TaxiiServersController: getRoot, getCollections; taxii_push.py) keep of an API
    # root its last word, and put it behind the base URL: that must be our own base.
    base = "/taxii2"
    [root] = served.get(f"{base}/taxii2/").json()["api_roots"]
    word = root.strip("/").split("/")[-1]
    assert served.get(f"{base}/{word}/").json()["max_content_length"]
    listed = served.get(f"{base}/{word}/collections/").json()["collections"]
    assert listed == served.get(f"{ROOT}collections/").json()["collections"]
    [everything] = [one["id"] for one in listed if one["alias"] == "all"]
    page = served.get(f"{base}/{word}/collections/{everything}/objects/", params={"limit": 50})
    assert len(ids(page)) > 1


def test_opencti_connector_finds_a_collection_by_root_and_title(served: Served) -> None:
    # TAXII2_COLLECTIONS is `root.title`: the last word of the API root, and the title.
    [root] = served.get("/taxii2/").json()["api_roots"]
    assert root.split("/")[-2] == "api"
    titles = [c["title"] for c in served.get(f"{ROOT}collections/").json()["collections"]]
    assert "Everything you may read" in titles
    assert not any("." in title for title in titles)


def test_stix2_asks_for_five_thousand_and_gets_what_goes(served: Served) -> None:
    answer = served.objects(limit=5000)
    assert answer.status_code == 200
    assert len(ids(answer)) <= 1000


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5", "１"])
def test_a_limit_that_is_none_is_refused(served: Served, limit: str) -> None:
    answer = served.objects(limit=limit)
    assert answer.status_code == 400
    assert answer.json()["details"]["remedy"]


def test_unknown_filters_and_parameters_change_nothing(served: Served) -> None:
    more: dict[str, Any] = {"match[confidence]": "80", "match[x]": "y", "foo": "bar", "limit": 1000}
    assert ids(served.objects(**more)) == whole(served)


def test_the_party_that_runs_the_server_is_named_and_no_object_is(served: Served) -> None:
    found = served.get("/taxii2/").json()
    assert found["title"] == NORTH
    assert found["api_roots"] == [served.url + ROOT]
    assert set(served.get(ROOT).json()) == {"title", "versions", "max_content_length"}


def test_dates_are_of_the_time_it_came(served: Served) -> None:
    last = datetime.fromisoformat(served.objects(limit=1000).headers[LAST])
    assert abs((datetime.now(UTC) - last).total_seconds()) < 600
