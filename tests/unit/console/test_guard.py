"""What a request must pass before any route sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.console.guard import (
    CSP,
    Guard,
    body_limit,
    host_name,
    logged_path,
)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"{len(body)} bytes")(scope, receive, send)


def guarded(limit: int = 1000) -> ASGIApp:
    return Guard(echo, ["node.example"], lambda _: limit)


@pytest.fixture
def client(client_of: Callable[..., Any]) -> Any:
    return client_of(guarded(), "http://node.example:8470")


def test_every_answer_has_the_fixed_headers(client: Any) -> None:
    for answer in (client.get("/"), client.post("/", headers={"origin": "http://evil.example"})):
        assert answer.headers["content-security-policy"] == CSP
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["permissions-policy"] == "camera=(), geolocation=(), microphone=()"
        assert len(answer.headers["x-request-id"]) == 16
        assert "strict-transport-security" not in answer.headers


def test_the_policy_is_the_text_of_the_design() -> None:
    assert CSP == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    )


def test_only_tls_asks_for_tls(client_of: Callable[..., Any]) -> None:
    client = client_of(guarded(), "https://node.example")
    assert client.get("/").headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("host", ["evil.example", "node.example.evil.example", "", "127.0.0.1"])
def test_a_name_that_is_not_ours_is_misdirected(client: Any, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 421


def test_the_port_of_the_host_does_not_matter(client: Any) -> None:
    assert client.get("/", headers={"host": "NODE.example:1"}).status_code == 200
    assert host_name("[::1]:8470") == "[::1]"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "http://node.example:8470"}, 403),
        ({"origin": "http://node.example:8470"}, 200),
        ({"origin": "http://node.example"}, 403),
        ({"origin": "https://node.example:8470"}, 403),
        ({"origin": "null"}, 403),
        ({}, 200),
        ({"cookie": "__Host-tocsin=x"}, 403),
        ({"cookie": "__Host-tocsin=x", "sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_what_another_site_sends_is_refused(
    client: Any, headers: dict[str, str], status: int
) -> None:
    assert client.post("/", headers=headers).status_code == status
    assert client.get("/", headers=headers).status_code == 200


def test_a_doubled_header_matches_nothing(client: Any) -> None:
    doubled = [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")]
    assert client.post("/", headers=doubled).status_code == 403


def test_a_large_body_is_refused_whether_it_says_so_or_not(client: Any) -> None:
    assert client.post("/", content=b"x" * 1000).text == "1000 bytes"
    assert client.post("/", content=b"x" * 1001).status_code == 413
    assert client.post("/", content=[b"x" * 600, b"x" * 600]).status_code == 413


def test_large_headers_are_refused(client: Any) -> None:
    assert client.get("/", headers={"x-big": "x" * 17_000}).status_code == 431


def test_a_refusal_says_what_to_do(client: Any) -> None:
    answer = client.post("/", content=b"x" * 1001)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["remedy"]
    assert "1000" in answer.json()["detail"]


def test_a_sign_in_token_is_not_logged() -> None:
    assert logged_path("/enter/secret") == "/enter/***"
    assert logged_path("/log") == "/log"


def test_an_answer_keeps_its_own_stricter_policy(client_of: Callable[..., Any]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(b"", headers={"content-security-policy": "sandbox"})(scope, receive, send)

    answer = client_of(Guard(app, ["node.example"]), "http://node.example:8470").get("/")
    assert answer.headers["content-security-policy"] == "sandbox"


def test_other_protocols_pass_untouched() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing() -> Message:
        return {"type": "lifespan.startup"}

    async def swallow(message: Message) -> None: ...

    asyncio.run(Guard(app, [])({"type": "lifespan"}, nothing, swallow))
    assert seen == ["lifespan"]


def test_the_largest_sealed_statement_comes_in_by_its_own_address_and_no_other() -> None:
    from tocsin.record.seal import MAX_SEALED

    assert body_limit({"path": "/api/v1/sealed"}) == MAX_SEALED
    for path in ("/api/v1/sealed/", "/api/v1/sealedx", "/api/v1/chains", "/sealed"):
        assert body_limit({"path": path}) == 1 << 20


def test_a_body_that_drips_is_not_waited_for() -> None:
    sent: list[Message] = []

    async def drips() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def keep(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/statements", "scheme": "http",
        "headers": [(b"host", b"node.example")],
    }  # fmt: skip
    asyncio.run(Guard(echo, ["node.example"], seconds=0.2)(scope, drips, keep))
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


def test_who_has_sent_all_is_waited_for() -> None:
    """As whoever reads a stream of events is: nothing more of a body comes."""
    told: list[str] = []
    messages: list[Message] = [
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def listens(scope: Scope, receive: Receive, send: Send) -> None:
        told.extend([(await receive())["type"] for _ in range(2)])

    async def slow() -> Message:
        await asyncio.sleep(0.1 if told or len(messages) == 1 else 0)
        return messages.pop(0)

    async def nothing(message: Message) -> None: ...

    scope = {
        "type": "http", "method": "GET", "path": "/", "scheme": "http",
        "headers": [(b"host", b"node.example")],
    }  # fmt: skip
    asyncio.run(Guard(listens, ["node.example"], seconds=0.05)(scope, slow, nothing))
    assert told == ["http.request", "http.disconnect"]
