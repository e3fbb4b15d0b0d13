"""The door for other nodes: who is let in, what it is given, and what it may leave here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from tests.walks.sync_world import PARTIES, World, build, decoded, world

from tocsin import canonical
from tocsin.console.auth import Rates
from tocsin.console.peer import AT_ONCE, PeerDoor
from tocsin.errors import InputError
from tocsin.flows.pages import Page, open_page
from tocsin.record.requests import Answer, sign_request
from tocsin.wiring.keys import load_node_key

A, B = PARTIES[:2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("peer") / "built"
    folder.mkdir()
    build(folder, (A, B))
    return folder


@pytest.fixture
def two(built: Path, tmp_path: Path) -> Iterator[World]:
    with world(built, tmp_path / "world", 1, (A, B)) as found:
        yield found


def asked(
    found: World,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    to: str = A,
    changed: Mapping[str, str] | None = None,
) -> Answer:
    """B asks A for something; `changed` headers are altered after they were signed."""
    key = load_node_key(found.folder / B, B)
    assert key is not None
    nonce = found.rng.randbytes(16).hex()
    headers = sign_request(key, to, method, target, body, now=found.clock(), nonce=nonce)
    return found.running[A].door.answer(method, target, {**headers, **(changed or {})}, body)


def test_only_a_node_of_the_directory_is_given_anything(two: World) -> None:
    door = two.running[A].door
    for method, target in (
        ("GET", "/peer/outbox"),
        ("GET", "/peer/digest"),
        ("POST", "/peer/nudge"),
        ("POST", "/peer/inbox"),
        ("GET", "/peer/objects/" + "0" * 64),
    ):
        assert door.answer(method, target, {}, b"").status == 403
        assert asked(two, method, target, to=B).status == 403, "meant for another"
        assert asked(two, method, target, changed={"tocsin-party": A}).status == 403
        assert (
            asked(two, method, target, changed={"tocsin-date": "2026-11-22T09:59:00Z"}).status
            == 403
        )
    assert asked(two, "POST", "/peer/nudge").status == 202


@pytest.mark.parametrize("changed", [{"tocsin-signature": "A" * 86 + "=="}, {"tocsin-digest": ""}])
def test_nothing_is_read_of_what_no_node_has_signed(two: World, changed: dict[str, str]) -> None:
    key = load_node_key(two.folder / B, B)
    assert key is not None
    target = "/peer/inbox"
    headers = sign_request(key, A, "POST", target, b"{}", now=two.clock(), nonce="1" * 32)
    read: list[bytes] = []

    async def receive() -> Any:
        read.append(b"{}")
        return {"type": "http.request", "body": b"{}", "more_body": False}

    def served(given: Mapping[str, str]) -> int:
        listed = [(name.encode(), value.encode()) for name, value in given.items()]
        scope = {"type": "http", "method": "POST", "path": target, "headers": listed}
        request = Request({**scope, "query_string": b"", "server": ("a", 80)}, receive)
        return asyncio.run(two.running[A].door.serve(request)).status_code

    assert served({**headers, **changed}) == 403
    assert not read
    assert served(headers) == 400, "an empty page is none"
    assert read
    read.clear()
    assert served(headers) == 403, "a copy"
    assert not read, "nothing is read of what has come before"


def test_of_one_peer_so_many_requests_are_open_at_a_time(two: World) -> None:
    door = two.running[A].door
    key = load_node_key(two.folder / B, B)
    assert key is not None
    open_now, most = [0], [0]

    async def serve(n: int) -> int:
        headers = sign_request(
            key, A, "POST", "/peer/nudge", b"", now=two.clock(), nonce=f"{n:032x}"
        )

        async def receive() -> Any:
            open_now[0] += 1
            most[0] = max(most[0], open_now[0])
            await asyncio.sleep(0.05)
            open_now[0] -= 1
            return {"type": "http.request", "body": b"", "more_body": False}

        listed = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "POST", "path": "/peer/nudge", "headers": listed}
        request = Request({**scope, "query_string": b"", "server": ("a", 80)}, receive)
        return (await door.serve(request)).status_code

    async def all_at_once() -> list[int]:
        return await asyncio.gather(*(serve(n) for n in range(20)))

    found = asyncio.run(all_at_once())
    assert set(found) == {202, 429}
    assert most[0] <= AT_ONCE
    assert asyncio.run(serve(99)) == 202, "there is room again"


def test_the_same_request_is_answered_once(two: World) -> None:
    key = load_node_key(two.folder / B, B)
    assert key is not None
    target = "/peer/digest"
    headers = sign_request(key, A, "GET", target, b"", now=two.clock(), nonce="0" * 32)
    door = two.running[A].door
    assert door.answer("GET", target, headers, b"").status == 200
    assert door.answer("GET", target, headers, b"").status == 403
    later = two.clock.at = two.clock.at.replace(minute=1)
    again = PeerDoor(two.running[A].sync, Rates(lambda: 0.0), later)
    assert again.answer("GET", target, headers, b"").status == 403, "not after a restart either"


def test_an_object_is_given_by_digest_only_where_a_statement_for_them_says_it(two: World) -> None:
    mine = two.say(A, 1, tlp="AMBER+STRICT", to=("cert.nobody.example",))
    theirs = two.say(A, 2, tlp="AMBER+STRICT", to=(B,))
    node = two.node(A)

    def digest(id: str) -> str:
        kept = node.store.statement(id, node.everything())
        assert kept is not None
        return str(msgspec.json.decode(_payload(kept.raw))["objects"][0]["sha256"])

    hidden = asked(two, "GET", f"/peer/objects/{digest(mine)}")
    unknown = asked(two, "GET", "/peer/objects/" + "0" * 64)
    assert hidden == unknown
    assert hidden.status == 404
    found = asked(two, "GET", f"/peer/objects/{digest(theirs)}")
    assert found.status == 200
    assert b"thing 2" in found.body
    for odd in ("x", "0" * 63, "G" * 64, "%00"):
        assert asked(two, "GET", f"/peer/objects/{odd}").status == 404


def _payload(raw: bytes) -> bytes:
    from tocsin.record.envelope import open_envelope

    return open_envelope(raw).payload


def test_when_nothing_is_new_the_answer_is_nothing(two: World) -> None:
    two.round()
    two.round()
    state = two.running[B].sync.state(A)
    target = f"/peer/outbox?epoch={state.epoch}&after={state.after}&at={state.at}"
    found = asked(two, "GET", target)
    assert (found.status, found.body) == (204, b"")
    for other in (
        "/peer/outbox",
        f"/peer/outbox?epoch={state.epoch}&after={state.after}&at={'0' * 64}",
        f"/peer/outbox?epoch={state.epoch}&after=99999&at={state.at}",
    ):
        assert asked(two, "GET", other).status == 409
    for odd in ("after=x", "after=-1", "after=99999999999999999999", "want=xyz"):
        assert asked(two, "GET", f"/peer/outbox?{odd}").status == 400
    for odd in ("1024", "-1", "x", ""):
        assert asked(two, "GET", f"/peer/digest?bucket=1,{odd}").status == 400


def test_what_is_left_ahead_of_its_statement_has_so_much_room(
    two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    monkeypatch.setattr("tocsin.flows.sent.MAX_SENT_BYTES", 10)
    small = b"123456"
    name = hashlib.sha256(small).hexdigest()
    assert asked(two, "PUT", f"/peer/objects/{name}", small).status == 201
    assert asked(two, "PUT", f"/peer/objects/{name}", b"other").status == 400
    large = b"7" * 9
    refused = asked(two, "PUT", f"/peer/objects/{hashlib.sha256(large).hexdigest()}", large)
    assert refused.status == 429
    assert refused.retry_after
    assert two.node(A).store.list_local("peer-object") == []


def test_who_asks_too_often_waits(two: World) -> None:
    found = [asked(two, "POST", "/peer/nudge") for _ in range(1_001)][-1]
    assert (found.status, bool(found.retry_after)) == (429, True)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_a_page_or_refused(body: bytes) -> None:
    try:
        page = open_page(body)
    except InputError:
        return
    assert isinstance(page, Page)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.text(max_size=200),
    withheld=st.lists(st.tuples(st.integers(), st.text(max_size=70)), max_size=3),
)
def test_a_page_of_anything_changes_nothing(
    two: World, text: str, withheld: list[tuple[int, str]]
) -> None:
    size = two.node(A).log.size
    items = [
        {"n": 1, "envelope": text, "withheld": withheld},
        {"n": 2, "sealed": text},
        {"n": 3, "envelope": '{"payload":"e30=","payloadType":"x","signatures":[]}'},
    ]
    body = msgspec.json.encode({"epoch": "e", "items": items, "next": 3, "at": ""})
    found = asked(two, "POST", "/peer/inbox", body)
    assert found.status in (200, 400), found
    assert two.node(A).log.size == size
    assert two.node(A).store.quarantined() == []


def test_whether_an_object_is_here_is_told_to_nobody_who_writes_its_digest(two: World) -> None:
    """Anybody can write a name on an envelope, and then ask what of it is still wanted."""
    from tocsin.record.envelope import open_envelope, write_envelope

    kept = two.node(A).store.statement(
        two.say(A, 1, tlp="AMBER+STRICT", to=("cert.nobody.example",)), two.node(A).everything()
    )
    assert kept is not None
    plain = open_envelope(kept.raw)
    said = msgspec.json.decode(plain.payload)
    digest = said["objects"][0]["sha256"]

    def answered(sha256: str) -> Answer:
        made = {**said, "seq": 999, "prev": "0" * 64}
        made["objects"] = [{**said["objects"][0], "sha256": sha256}]
        raw = write_envelope(canonical.encode(made), plain.payload_type, {said["key"]: bytes(64)})
        item = {"n": 1, "envelope": raw.decode(), "objects": [(sha256, 100)]}
        page = {"epoch": "e", "items": [item], "next": 1, "at": ""}
        found = asked(two, "POST", "/peer/inbox", msgspec.json.encode(page))
        assert found.status == 200, found
        return found

    hidden, unknown = answered(digest), answered("0" * 64)
    assert decoded(hidden)["wanted"] == decoded(unknown)["wanted"] == []
