"""The console as a whole, over a node that has rows and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import Struct
from starlette.responses import Response

from tocsin.console.app import Console, build
from tocsin.console.auth import Person
from tocsin.console.live import Live, Since
from tocsin.console.page import Ask, Bytes, Drawn, Go, Page
from tocsin.errors import ConflictError, ForbiddenError, NotFoundError
from tocsin.policy import Reader
from tocsin.store.interface import AuditRow, LocalRow

ANNA = Person(name="anna", party="cert.northland.example", role="analyst")


class Rows:
    """The local rows of a store, and a log of three entries."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], LocalRow] = {}
        self.acts: list[str] = []
        self._versions = count(1)

    def local(self, kind: str, key: str) -> LocalRow | None:
        return self.rows.get((kind, key))

    def keep_local(self, kind: str, key: str, value: bytes | None, expected: int | None) -> int:
        row = self.rows.get((kind, key))
        if (row.version if row else None) != expected:
            raise ConflictError("changed", remedy="again")
        version = next(self._versions)
        if value is None:
            del self.rows[(kind, key)]
        else:
            self.rows[(kind, key)] = LocalRow(key=key, value=value, version=version)
        return version

    def list_local(self, kind: str, prefix: str = "") -> list[LocalRow]:
        return [row for (k, _), row in self.rows.items() if k == kind]

    def append_audit(self, time: str, actor: str, act: str, ref: str) -> AuditRow:
        self.acts.append(act)
        return AuditRow(n=0, time=time, actor=actor, act=act, ref=ref, hash="")

    def head(self) -> Any:
        return SimpleNamespace(size=3)


class View(Struct, frozen=True):
    cases: tuple[str, ...] = ()
    names: dict[str, str] = {}


def page(ask: Ask) -> Drawn:
    return Drawn(
        template="cases.html",
        view=View(),
        key="cases",
        title="Cases",
        cli="tocsin case list",
        table=(("id", "what"), [("1", "=1+1")]),
    )


def hidden(ask: Ask) -> Drawn:
    raise NotFoundError(f"no case {ask.path['id']}", remedy="x")


def forbidden(ask: Ask) -> Drawn:
    raise ForbiddenError("no", remedy="ask")


def broken(ask: Ask) -> Drawn:
    raise ZeroDivisionError("a secret of the inside")


def raw(ask: Ask) -> Bytes:
    return Bytes(raw=b"<script>1</script>", name="a.bin")


TABLE = (
    Page(path="/", draw=page),
    Page(path="/cases", draw=page),
    Page(path="/cases/{id}", draw=hidden),
    Page(path="/forbidden", draw=forbidden),
    Page(path="/broken", draw=broken),
    Page(path="/raw", draw=raw, forms=("html",)),
    Page(path="/go", draw=lambda _: Go("/cases"), method="POST", cost="write"),
)


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def node(rows: Rows) -> Any:
    numbers = count(1)
    return SimpleNamespace(
        store=rows,
        clock=lambda: datetime(2026, 11, 22, 8, tzinfo=UTC),
        rng=lambda size: next(numbers).to_bytes(size, "big"),
        reader=lambda party, person, role: Reader(party=party, person=person),
        directory=SimpleNamespace(party=lambda _: SimpleNamespace(name="CERT Northland")),
        exercise=True,
        log=SimpleNamespace(halted=None),
        signers={},
        is_member=lambda party: True,
        alarms=lambda reader: [],
    )


@pytest.fixture
def console(node: Any) -> Console:
    return build(node, table=TABLE, monotonic=lambda: 0.0)


@pytest.fixture
def guest(console: Console, client_of: Callable[..., Any]) -> Any:
    return client_of(console.asgi)


@pytest.fixture
def client(console: Console, guest: Any) -> Any:
    session_id = console.doors.open_session(ANNA)
    guest.cookies.set("tocsin", session_id)
    return guest


def test_looking_at_a_sign_in_link_spends_nothing(console: Console, guest: Any) -> None:
    link = console.doors.link(ANNA)
    for _ in range(3):
        seen = guest.get(link)
        assert seen.status_code == 200
        assert "<button" in seen.text
        assert not seen.headers.get_list("set-cookie")
    spent = guest.post(link)
    assert spent.status_code == 303
    cookie = spent.headers["set-cookie"]
    assert cookie.startswith("__Host-tocsin=")
    for word in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie
    again = guest.post(link, headers={"sec-fetch-site": "same-origin"})
    assert again.status_code == 404
    assert "tocsin token link" in again.text


def test_a_browser_that_refuses_secure_cookies_is_served_on_loopback_only(
    console: Console, client_of: Callable[..., Any]
) -> None:
    safari = {"user-agent": "Mozilla/5.0 (Macintosh) Version/19.0 Safari/605.1.15"}
    chrome = {"user-agent": "Mozilla/5.0 Chrome/156.0.0.0 Safari/537.36"}

    def cookies(base_url: str, headers: dict[str, str]) -> int:
        client = client_of(console.asgi, base_url)
        answer = client.post(console.doors.link(ANNA), headers=headers)
        return len(answer.headers.get_list("set-cookie"))

    assert cookies("http://127.0.0.1:8470", safari) == 2
    assert cookies("http://127.0.0.1:8470", chrome) == 1
    assert cookies("https://127.0.0.1", safari) == 1


def test_sign_in_is_tried_five_times_a_minute(console: Console, guest: Any) -> None:
    statuses = [guest.post("/enter/wrong").status_code for _ in range(7)]
    assert statuses == [404] * 5 + [429] * 2
    assert guest.post("/enter/wrong").headers["retry-after"] == "12"


def test_nobody_learns_which_addresses_exist(guest: Any) -> None:
    answers = [guest.get(p) for p in ("/", "/cases", "/cases/case--1", "/nothing", "/broken")]
    assert {a.status_code for a in answers} == {401}
    assert len({a.content for a in answers}) == 1
    data = [
        guest.get(p)
        for p in ("/index.json", "/cases.json", "/x.json", "/api/v1/cases", "/api/v1/x")
    ]
    assert {a.status_code for a in data} == {401}
    assert len({a.content for a in data}) == 1


def test_hidden_and_unknown_are_the_same_bytes(client: Any) -> None:
    one, two, three = client.get("/cases/case--1"), client.get("/cases/x"), client.get("/nowhere")
    assert one.status_code == two.status_code == three.status_code == 404
    assert one.content == two.content == three.content
    data = [client.get(p) for p in ("/cases/case--1.json", "/cases/x.json", "/nowhere.json")]
    assert len({d.content for d in data}) == 1
    assert data[0].headers["content-type"] == "application/problem+json"


def test_a_page_has_its_data_and_its_table_beside_it(client: Any) -> None:
    assert "This page shows what has been shown" in client.get("/cases").text
    assert client.get("/cases.json").json() == {"cases": [], "names": {}}
    assert client.get("/index.json").json() == {"cases": [], "names": {}}
    assert client.get("/cases.csv").text == "id,what\r\n1,'=1+1\r\n"
    assert "/cases.json?q=1" in client.get("/cases?q=1").text


def test_every_link_of_a_page_to_a_static_file_works(client: Any) -> None:
    import re

    found = re.findall(r'"(/static/[^"]+)"', client.get("/cases").text)
    assert len(found) == 3
    for path in found:
        answer = client.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


def test_a_failure_tells_nothing_but_its_number(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = client.get("/broken")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] in answer.text


def test_a_refused_act_is_noted(client: Any, rows: Rows) -> None:
    assert client.get("/forbidden").status_code == 403
    assert "refused" in rows.acts


def test_received_bytes_are_never_shown_in_place(client: Any) -> None:
    answer = client.get("/raw")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="a.bin"'
    assert answer.headers["content-security-policy"] == "sandbox"


def test_a_form_from_elsewhere_does_nothing(client: Any) -> None:
    assert client.post("/go", headers={"sec-fetch-site": "same-origin"}).status_code == 303
    assert client.post("/go", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post("/go", headers={"origin": "http://evil.example"}).status_code == 403
    assert client.get("/cases", headers={"host": "evil.example"}).status_code == 421


def test_too_many_writes_have_to_wait(client: Any) -> None:
    same = {"sec-fetch-site": "same-origin"}
    statuses = [client.post("/go", headers=same).status_code for _ in range(22)]
    assert statuses.count(429) == 2


def test_signing_out_ends_the_session(client: Any, rows: Rows) -> None:
    out = client.post("/leave", headers={"sec-fetch-site": "same-origin"})
    assert "signed in" in out.text
    client.cookies.set("tocsin", "gone")
    assert client.get("/cases").status_code == 401
    assert "sign-out" in rows.acts


def test_a_token_is_as_good_as_a_session(console: Console, guest: Any) -> None:
    token = console.doors.make_token(ANNA, ["read"], timedelta(days=1))
    answer = guest.get("/cases.json", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert (
        guest.get("/cases.json", headers={"authorization": f"Bearer {token}x"}).status_code == 401
    )


def test_the_access_log_has_no_sign_in_token(
    console: Console, guest: Any, caplog: pytest.LogCaptureFixture
) -> None:
    link = console.doors.link(ANNA)
    with caplog.at_level(logging.INFO, logger="tocsin.console"):
        guest.get(link)
    assert [record.__dict__["path"] for record in caplog.records] == ["/enter/***"]


def test_health_is_open_to_all(guest: Any) -> None:
    assert guest.get("/healthz").text == "ok\n"
    assert guest.get("/readyz").text == "ready\n"


def test_a_problem_has_a_page(guest: Any) -> None:
    assert "larger than we read" in guest.get("/problems/report-size").text
    assert guest.get("/problems/none").status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/cases", "/cases.json", "/cases.csv", "/live", "/live.json"]
)
def test_a_token_that_may_not_read_reads_no_page(console: Console, guest: Any, path: str) -> None:
    """A program that only brings reports in was shown every page, and the news of the log."""
    token = console.doors.make_token(ANNA, ["draft"], timedelta(days=1))
    answer = guest.get(path, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert answer.content == guest.get(path, headers={"authorization": f"Bearer {token}"}).content


def test_a_stream_asks_anew_who_reads(
    node: Any, console: Console, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider whose client leaves it hears no more of what is for that client."""
    clients = {"gridco.example"}
    asked: list[frozenset[str]] = []

    def news(node: Any, reader: Reader, after: int, most: int) -> list[Any]:
        asked.append(reader.providers)
        return []

    def answer(live: Live, request: Any, key: str, since: Since) -> Response:
        since(0, 1)
        clients.clear()
        since(0, 1)
        return Response()

    def reader(party: str, person: str, role: str) -> Reader:
        return Reader(party=party, person=person, providers=frozenset(clients))

    node.reader = reader
    monkeypatch.setattr("tocsin.console.app.news", news)
    monkeypatch.setattr(Live, "answer", answer)
    client.get("/live")
    assert asked == [frozenset({"gridco.example"}), frozenset()]
