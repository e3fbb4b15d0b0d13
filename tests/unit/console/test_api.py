"""The HTTP API over the route table: hidden and unknown, who may do what, and what is refused."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import pytest

from tocsin import errors
from tocsin.cli import EXIT_CODES, exit_code
from tocsin.console import api, problems
from tocsin.errors import NotFoundError, TocsinError, UsageError
from tocsin.flows import advise, intake, respond, shares
from tocsin.flows import drafts as drafting
from tocsin.flows.intake import Act
from tocsin.policy import ROLE_RANK, Actor, Reader, UserRole, may_act
from tocsin.stix.bundle import open_object, write_bundle
from tocsin.stix.model import make
from tocsin.wiring.sealing import Sealing

World = Any  # tests/unit/conftest.py

UNKNOWN = {
    "claim": "note--00000000-0000-4000-8000-000000000000",
    "case": "case--00000000-0000-4000-8000-000000000000",
    "statement": "0" * 64,
    "object": "0" * 64,
    "sealed": "0" * 64,
    "advisory": "advisory--00000000-0000-4000-8000-000000000000",
    "path": "advisory.html",
    "group": "intrusion-set--00000000-0000-4000-8000-000000000000",
    "name": "nobody's name",
    "report": "0" * 16,
    "draft": "0" * 16 + ".1",
    "mark": "0" * 32,
}
GETS = [r for r in api.ROUTES if r.method == "GET"]
# What a GET route names: its parameters, and the query that can name something. A route that is
# missing here fails, so that nobody adds one without saying what of it could be hidden.
NAMES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "/me": ({}, {}),
    "/reports": ({}, {}),
    "/reports/waiting": ({}, {}),
    "/reports/{id}": ({"id": "report"}, {}),
    "/reports/{id}/accept": ({"id": "report"}, {}),
    "/reports/reading/{mark}": ({"mark": "mark"}, {}),
    "/drafts": ({}, {"report": "report"}),
    "/drafts/{id}": ({"id": "draft"}, {}),
    "/claims": ({}, {"case": "case", "q": "claim", "by": "claim", "about": "claim"}),
    "/claims/{id}": ({"id": "claim"}, {}),
    "/claims/{id}/standing": ({"id": "claim"}, {}),
    "/claims/{id}/changes": ({"id": "claim"}, {}),
    "/names": ({}, {"name": "name"}),
    "/overlap/{id}": ({"id": "group"}, {}),
    "/cases": ({}, {}),
    "/cases/{id}": ({"id": "case"}, {}),
    "/statements": ({}, {"case": "case"}),
    "/statements/{id}": ({"id": "statement"}, {}),
    "/chains": ({}, {"case": "case"}),
    "/sealed": ({}, {"case": "case"}),
    "/sealed/{id}": ({"id": "sealed"}, {}),
    "/objects": ({}, {"id": "claim"}),
    "/objects/{sha256}": ({"sha256": "object"}, {}),
    "/indicators": ({}, {"case": "case"}),
    "/parties": ({}, {}),
    "/taxii/users": ({}, {}),
    "/log": ({}, {}),
    "/log/checks": ({}, {}),
    "/log/proof": ({}, {"id": "statement"}),
    "/log/root": ({}, {}),
    "/directory": ({}, {}),
    "/keys/{keyid}/statements": ({"keyid": "statement"}, {}),
    "/parties/waiting": ({}, {}),
    "/peers": ({}, {}),
    "/directory/rivals": ({}, {}),
    "/holders": ({}, {"id": "statement"}),
    "/exports": ({}, {"case": "case"}),
    "/exports/lists": ({}, {"case": "case"}),
    "/advisories": ({}, {"case": "case"}),
    "/advisories/{id}": ({"id": "advisory"}, {}),
    "/advisories/{id}/renderings/{path}": ({"id": "advisory", "path": "path"}, {}),
}


def make_secret(world: World) -> dict[str, str]:
    """A case of northland and gridco only, with one of everything; and a report and a draft."""
    case, _ = respond.open_case(world.node, world.NORTH, "Secret")
    respond.invite(world.node, world.NORTH, case, world.GRID, "affected", "2026-11-23T08:00:00Z")
    prepared = respond.answer_invitation(world.node, world.GRID, case, accept=True)
    intake.enter(world.node, world.sign(prepared))
    drafts = world.ingest()
    how = drafting.Accepting(
        by=world.NORTH, tlp="AMBER", to=(world.GRID,), case=case, date="2026-11-18"
    )
    done, said = drafting.accept(world.node, [(d.id, d.revision) for d in drafts[:4]], how)
    assert said is not None
    page = advise.draft(
        world.node, world.NORTH, case=case, title="T", summary="S", tlp="AMBER", k=1
    )
    advise.freeze(world.node, world.NORTH, page.id)
    indicator = respond.indicators(world.node, world.node.reader(world.NORTH))[0]
    home = Sealing(world.home, world.NORTH, world.client(world.NORTH), clock=world.clock)
    packed = write_bundle([world.indicator(value="192.0.2.9")], f"bundle--{case[6:]}")
    sealed = home.say(packed, tlp="AMBER", to=[world.GRID], case=case)
    group = make(
        "intrusion-set",
        id="intrusion-set--5b1f2f52-6a52-4d5f-8d0e-000000000001",
        created=intake.stix_time(world.clock()),
        modified=intake.stix_time(world.clock()),
        created_by_ref=world.node.identity(world.NORTH),
        name="Hidden Heron",
    )
    intake.record(
        world.node,
        Act(
            author=world.NORTH,
            kind="say",
            tlp="AMBER",
            to=(world.GRID,),
            case=case,
            objects=(open_object(group),),
        ),
    )
    world.node.reading["f" * 32] = (3, 9)
    return {
        "mark": "f" * 32,
        "group": open_object(group).id,
        "name": "Hidden Heron",
        "sealed": sealed.id,
        "claim": str(done[0].object_id),
        "case": case,
        "statement": said.id,
        "object": indicator.sha256,
        "advisory": page.id,
        "path": "advisory.html",
        "report": drafts[0].report,
        "draft": drafts[4].id,
    }


@pytest.fixture(scope="module")
def shared(copy: Callable[[], AbstractContextManager[World]]) -> Iterator[World]:
    """One node for all tests that only look, or are refused. It holds a secret case."""
    with copy() as world:
        world.secret = make_secret(world)
        yield world


def named(route: api.Route, what: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
    """The requests of a route about `what`: (path, query), each query alone."""
    params, query = NAMES[route.path]
    path = re.sub(r"\{(\w+)\}", lambda m: what[params[m[1]]], route.path)
    return [(path, {k: what[v]}) for k, v in query.items()] or [(path, {})]


READERS: dict[str, Any] = {
    "nobody": lambda w: Actor(reader=Reader()),
    "another party": lambda w: w.actor(w.SOUTH),
    "another party's admin": lambda w: Actor(
        reader=w.node.reader(w.SOUTH, person="eve", role="admin"), role="admin"
    ),
    "a party there is not": lambda w: Actor(
        reader=w.node.reader("eve.example", person="eve", role="admin"), role="admin"
    ),
}


@pytest.mark.parametrize("route", GETS, ids=lambda r: r.path)
@pytest.mark.parametrize("who", READERS)
def test_hidden_is_the_same_bytes_as_unknown(shared: World, route: api.Route, who: str) -> None:
    world, secret = shared, shared.secret
    assert route.path in NAMES, "a new route: say in NAMES what of it could be hidden"
    actor = READERS[who](world)
    for (path, query), (other, unasked) in zip(
        named(route, secret), named(route, UNKNOWN), strict=True
    ):
        hidden = api.answer(world.node, actor, "GET", api.BASE + path, query, b"", {})
        unknown = api.answer(world.node, actor, "GET", api.BASE + other, unasked, b"", {})
        blank = unknown.body
        if hidden.status == 403:  # the path that was asked for is repeated
            blank = blank.replace(other.encode(), path.encode())
        assert (hidden.status, hidden.media_type, hidden.headers) == (
            unknown.status,
            unknown.media_type,
            unknown.headers,
        )
        assert hidden.body == blank


@pytest.mark.parametrize("route", GETS, ids=lambda r: r.path)
@pytest.mark.parametrize("who", READERS)
def test_no_answer_holds_anything_of_what_is_hidden(
    shared: World, route: api.Route, who: str
) -> None:
    """No id, count or word of the secret case in what anybody else gets, whatever they ask."""
    world, secret = shared, shared.secret
    actor = READERS[who](world)
    for path, query in named(route, UNKNOWN):
        for more in ({}, query):
            found = api.answer(world.node, actor, "GET", api.BASE + path, more, b"", {})
            for what, text in secret.items():
                assert what == "path" or text.encode() not in found.body, what
            for word in (b"Secret", b"Tomas Brandt", b"203.0.113.77", b"report.txt"):
                assert word not in found.body


def test_what_others_get_is_the_same_with_and_without_what_is_hidden(world: World) -> None:
    """Counts included; but for the log's size and root, which are everybody's."""
    actor = world.actor(world.SOUTH)

    def answers() -> dict[tuple[str, str], api.Answer]:
        return {
            (path, str(query)): api.answer(
                world.node, actor, "GET", api.BASE + path, query, b"", {}
            )
            for route in GETS
            if route.path not in ("/log", "/log/root", "/chains")  # it says what is signed as seen
            for path, given in named(route, UNKNOWN)
            for query in ({}, given)
        }

    before = answers()
    make_secret(world)
    assert answers() == before


def test_those_it_was_said_to_do_get_it(shared: World) -> None:
    world, secret = shared, shared.secret
    for route in GETS:
        if route.verb in ("draft", "party", "purge", "token"):  # for the node's own people
            continue
        for path, query in named(route, secret):
            if route.path == "/holders":
                continue  # to its author alone
            if route.path != "/claims" or "case" in query:
                found = world.ask("GET", path, party=world.GRID, **query)
                assert found.status == 200, (path, found.body)


def test_a_person_without_the_signers_role_reads_no_red(world: World) -> None:
    item = open_object(world.indicator())
    done = intake.record(
        world.node,
        Act(author=world.NORTH, kind="say", tlp="RED", objects=(item,), to=(world.GRID,)),
    )
    for role, status in (("signer", 200), ("admin", 200), ("lead", 404), ("reader", 404)):
        assert world.ask("GET", f"/statements/{done.id}", role=role).status == status


# --- who may do what ------------------------------------------------------------------------------

# The lowest user role for each route, written out: a change of the table has to be meant.
LOWEST: dict[str, UserRole] = {"draft": "analyst", "export": "analyst", "read": "reader"}
LOWEST |= {"case": "lead", "publish": "signer"}
LOWEST |= dict.fromkeys(("party", "token", "purge"), "admin")


@pytest.mark.parametrize("route", api.ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_a_lower_user_role_is_refused_on_every_route(shared: World, route: api.Route) -> None:
    world = shared
    if not route.verb:
        assert (route.method, route.path) in {
            ("POST", "/statements"),
            ("POST", "/parties"),
            ("GET", "/directory"),
            ("GET", "/directory/rivals"),
        }
        return
    path = re.sub(r"\{\w+\}", "x", route.path)
    lowest = ROLE_RANK[LOWEST[route.verb]]
    for role, rank in ROLE_RANK.items():
        found = world.ask(route.method, path, role=role, body=b"[")
        assert (found.status == 403) == (rank < lowest), (role, found.status, found.body)


def test_a_user_role_there_is_not_may_do_nothing(shared: World) -> None:
    world = shared
    actor = Actor(reader=world.node.reader(world.NORTH), role="root")  # type: ignore[arg-type]
    assert not any(may_act(actor, r.verb) for r in api.ROUTES if r.verb)


OWN = [r for r in api.ROUTES if r.verb in ("draft", "case", "party", "token")]


@pytest.mark.parametrize("route", OWN, ids=lambda r: f"{r.method} {r.path}")
def test_another_partys_token_does_not_reach_what_is_this_nodes_own(
    shared: World, route: api.Route
) -> None:
    world = shared
    path = re.sub(r"\{\w+\}", "x", route.path)
    before = world.node.store.list_local("draft"), world.node.store.list_local("invitation")
    for party in (world.GRID, world.SOUTH):
        # Even where somebody gave it every scope and role.
        for actor in (
            world.actor(party),
            Actor(reader=world.node.reader(party, person="x", role="admin"), role="admin"),
        ):
            found = api.answer(world.node, actor, route.method, api.BASE + path, {}, b"{}", {})
            assert found.status == 403, found.body
    after = world.node.store.list_local("draft"), world.node.store.list_local("invitation")
    assert before == after


def test_a_guest_neither_accepts_a_draft_nor_learns_that_there_is_one(shared: World) -> None:
    world, secret = shared, shared.secret
    refusals = set()
    for draft in (secret["draft"], UNKNOWN["draft"], "x"):
        for revision in (1, 7):
            body = {"drafts": [[draft, revision]], "date": "2026-11-18"}
            found = world.ask("POST", "/drafts/accept", party=world.GRID, body=body)
            refusals.add((found.status, found.body))
    assert {status for status, _ in refusals} == {403}
    assert len(refusals) == 1


def test_a_guest_changes_nothing_in_anothers_name(shared: World) -> None:
    """What a guest asks to publish comes back to be signed with its own key, or not at all."""
    world, secret = shared, shared.secret
    size = world.size
    for method, path, body in (
        ("POST", f"/statements/{secret['statement']}/withdraw", {}),
        (
            "POST",
            f"/cases/{secret['case']}/events",
            {"event": "case.stage", "item": secret["case"], "stage": "CLOSED"},
        ),
        ("POST", f"/advisories/{secret['advisory']}/withdraw", {}),
        ("POST", f"/advisories/{secret['advisory']}/publish", b""),
        ("POST", f"/advisories/{secret['advisory']}/freeze", {}),
    ):
        for party in (world.GRID, world.SOUTH):
            assert world.ask(method, path, party=party, body=body).status >= 400
    found = world.json("POST", "/cases", party=world.GRID, body={"title": "Mine"})
    assert found["statement"]["author"] == world.GRID
    assert world.size == size


def test_a_guest_brings_no_more_than_its_share_of_a_day(
    shared: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, size = shared, shared.size
    monkeypatch.setattr(shares, "GUEST", shares.Share(objects=0, mib=1, setting=""))
    ask = {"path": "/statements", "body": b"x" * 400_000}
    statuses = [world.ask("POST", **ask, party=world.SOUTH).status for _ in range(3)]
    refused = world.ask("POST", **ask, party=world.SOUTH)
    assert statuses[:2] == [400, 400]
    assert statuses[2] == refused.status == 429
    assert b"1 MiB of a day" in refused.body
    assert 0 < int(dict(refused.headers)["retry-after"]) <= 86_400
    assert world.ask("POST", **ask, party=world.GRID).status == 400  # each its own
    assert world.ask("POST", **ask, party=world.NORTH).status == 400  # whose node it is
    assert world.ask("GET", "/me", party=world.SOUTH).status == 200
    assert world.size == size


# --- errors ---------------------------------------------------------------------------------------


def test_every_error_has_a_status_and_an_exit_code() -> None:
    declared = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, TocsinError)
    }
    assert declared == set(problems.STATUS)
    for kind in declared:
        error = kind.__new__(kind)
        TocsinError.__init__(error, "x", remedy="y")
        assert problems.status_of(error) == problems.STATUS[kind] >= 400
        assert exit_code(error) in {1, 2, 3, 4}
    assert EXIT_CODES[-1][0] is TocsinError


# --- bodies ---------------------------------------------------------------------------------------

TAKES = [r for r in api.ROUTES if r.takes or r.path in ("/parties", "/cases/{id}/events")]
TAKES = [r for r in TAKES if r.method == "POST"]
BAD = {
    "no JSON": b"\x00\xff",
    "no UTF-8 in a name": b'{"\xff":1}',
    "no UTF-8 in a value": b'{"title":"\xff","case":"\xff","party":"\xff"}',
    "nothing of it": b"{",
    "a list": b"[1]",
    "null": b"null",
    "an unknown field": b'{"surprise":1}',
    "deep": b'{"a":' * 3000 + b"1" + b"}" * 3000,
    "deeper than 64": b'{"a":' + b"[" * 70 + b"]" * 70 + b"}",
    "a lone surrogate": b'{"title":"\\ud800"}',
    "2 MB": b'{"surprise":"' + b"x" * 2_000_000 + b'"}',
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("route", TAKES, ids=lambda r: r.path)
def test_a_body_that_is_not_what_the_reference_says_is_refused_by_name(
    shared: World, route: api.Route, bad: str
) -> None:
    world = shared
    size = world.size
    path = re.sub(r"\{\w+\}", "case--x", route.path)
    status, name, detail = world.refused(route.method, path, body=BAD[bad])
    assert status in (400, 404, 409), (status, name, detail)
    assert len(detail) < 1000
    assert world.size == size


def test_brackets_in_text_are_no_depth(world: World) -> None:
    assert world.json("POST", "/cases", body={"title": "[{" * 200})["case"]
    assert world.json("POST", "/cases", body={"title": '"\\' + "[" * 200})["case"]


HOSTILE_TEXT = ["../../etc/passwd", "a\r\nset-cookie: x=1", "\x00", "%2e%2e", "é" * 300, '";', "𝟛"]


@pytest.mark.parametrize("route", api.ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_hostile_names_are_answered_never_worse(shared: World, route: api.Route) -> None:
    """Every answer is a refusal or harmless, and no header carries what was sent."""
    world = shared
    for text in HOSTILE_TEXT:
        path = route.path
        for name in re.findall(r"\{\w+\}", path):
            path = path.replace(name, text)
        query = dict.fromkeys(
            ("case", "as", "for", "id", "kind", "party", "report", "name", "tlp", "to", "q"), text
        )
        found = world.ask(route.method, path, body=b"", **query)
        assert found.status < 500
        assert all(text not in value for _, value in found.headers)


def test_a_rendering_goes_out_as_a_file_that_runs_nothing(shared: World) -> None:
    world, secret = shared, shared.secret
    found = world.ask("GET", f"/advisories/{secret['advisory']}/renderings/advisory.html")
    headers = dict(found.headers)
    assert headers["content-disposition"].startswith("attachment")
    assert headers["content-security-policy"] == "sandbox"


# --- the list of statements -----------------------------------------------------------------------


def test_pages_of_statements_give_each_once(world: World) -> None:
    for n in range(5):
        respond.open_case(world.node, world.NORTH, f"Case {n}")
    whole = world.json("GET", "/statements", limit="1000")
    assert whole["next"] is None
    for limit in (1, 2, 3, 1000):
        rows: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = world.json("GET", "/statements", limit=str(limit), **after)
            assert len(page["items"]) <= limit
            rows += page["items"]
            if page["next"] is None:
                break
            after = {"after_index": str(page["next"])}
        assert rows == whole["items"], limit


def test_after_the_first_comes_the_second(shared: World) -> None:
    world = shared
    assert world.json("GET", "/statements", after_index="0", limit="1")["items"][0]["index"] == 1


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1e3", "9" * 30, "1.0", "²"])
def test_a_limit_out_of_range_is_refused(shared: World, limit: str) -> None:
    world = shared
    assert world.refused("GET", "/statements", limit=limit)[:2] == (400, "usage")


@pytest.mark.parametrize("after", ["-5", "x", "9" * 30])
def test_a_cursor_that_is_no_index_is_refused(shared: World, after: str) -> None:
    world = shared
    assert world.refused("GET", "/statements", after_index=after)[:2] == (400, "usage")


def test_a_cursor_past_the_end_is_an_empty_page(shared: World) -> None:
    world = shared
    page = world.json("GET", "/statements", after_index="999999")
    assert page == {"items": [], "next": None}


def test_statements_are_given_byte_for_byte(shared: World) -> None:
    world = shared
    for row in world.json("GET", "/statements")["items"]:
        found = world.ask("GET", f"/statements/{row['id']}")
        assert hashlib.sha256(b"tocsin/commit/v1\n" + found.body).hexdigest() == row["id"]


# --- the rest -------------------------------------------------------------------------------------


def test_a_reader_that_is_no_party_is_named_before_anything_is_said(world: World) -> None:
    size = world.size
    bundle = world.indicator()
    _, _, detail = world.refused("POST", "/say", body=bundle, to="gridco.exmaple")
    assert "gridco.exmaple" in detail
    [done] = world.json("POST", "/say", body=bundle, to=world.GRID, tlp="AMBER")["statements"]
    assert world.size == size + 1
    assert world.ask("GET", f"/statements/{done['id']}", party=world.GRID).status == 200


def test_an_answer_one_has_already_is_not_sent_again(shared: World) -> None:
    world = shared
    found = world.ask("GET", "/parties")
    etag = dict(found.headers)["etag"]
    again = world.ask("GET", "/parties", headers={"if-none-match": etag})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("DELETE", "/api/v1/log", UsageError),
        ("GET", "/api/v1/nothing", NotFoundError),
        ("GET", "/api/v1/log/", NotFoundError),
        ("GET", "/api/v1/cases/a/b", NotFoundError),
        ("GET", "/log", NotFoundError),
    ],
)
def test_what_is_not_in_the_table_is_not_served(
    method: str, path: str, error: type[TocsinError]
) -> None:
    with pytest.raises(error):
        api.route_of(method, path)


def test_only_the_nodes_own_party_exports_for_another(shared: World) -> None:
    world, secret = shared, shared.secret
    case = secret["case"]
    asked = {"case": case, "for": world.NORTH}
    assert world.ask("GET", "/exports", party=world.GRID, **asked).status == 403
    assert world.ask("GET", "/exports", **{"case": case, "for": world.GRID}).status == 200
    assert world.ask("GET", "/exports", **{"case": case, "for": world.SOUTH}).status == 404
    assert world.ask("GET", "/exports", **{"case": case, "for": "eve.example"}).status == 404


def test_what_is_said_is_what_was_put(world: World) -> None:
    raw = world.indicator(created_by_ref="identity--3c3a9f3a-58f5-4b0e-8a8e-0f6f3a0f7b11")
    digest = hashlib.sha256(raw).hexdigest()
    put = world.ask("PUT", f"/objects/{digest}", party=world.GRID, body=raw)
    assert put.status == 200
    assert world.ask("GET", f"/objects/{digest}", party=world.GRID).status == 404
    assert (
        world.refused("PUT", f"/objects/{'0' * 64}", party=world.GRID, body=raw)[1] == "statement"
    )
    assert msgspec.json.decode(put.body) == {"kept": digest}


def test_a_verb_answered_in_its_own_process_loads_no_web_framework() -> None:
    code = "import sys; from tocsin.console import api; print('starlette' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
