"""What a party signs at home: the client signs what was asked for, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tocsin import errors
from tocsin.canonical import b64decode, b64encode
from tocsin.client import Client, Reply, says
from tocsin.console import problems
from tocsin.errors import (
    ForbiddenError,
    ProofError,
    RateError,
    SignatureError,
    TocsinError,
    UnreachableError,
)
from tocsin.flows import intake, respond
from tocsin.record.statement import compose, parse
from tocsin.wiring.exchange import connection

World = Any  # tests/unit/conftest.py

OPEN = {"event": "case.open", "title": "Ours", "class": "incident", "tlp": "AMBER"}


def rewritten(**fields: Any) -> Callable[[bytes], bytes]:
    """A node that prepares another statement than it was asked for."""

    def twist(answer: bytes) -> bytes:
        found = msgspec.json.decode(answer)
        for prepared in [found["statement"]] if isinstance(found.get("statement"), dict) else []:
            if "payload" not in prepared:
                continue
            s = parse(b64decode(prepared["payload"]))
            given = {name: getattr(s, name) for name in s.__struct_fields__ if name != "v"}
            given["body"] = {**s.body, **fields.get("body", {})}
            given |= {name: value for name, value in fields.items() if name != "body"}
            prepared["payload"] = b64encode(compose(**given))
        return msgspec.json.encode(found)

    return twist


def test_a_guest_opens_a_case_with_a_key_the_node_has_not_got(world: World) -> None:
    done = world.client().act("/cases", {"title": "Ours"}, lambda s: s.kind == "act")
    assert set(done["statement"]) == {"id", "index", "quorum"}
    kept = world.node.store.statement(done["statement"]["id"], world.node.everything())
    assert kept.author == world.GRID


def receipts(change: Callable[[str], str]) -> Callable[[bytes], bytes]:
    """A node that gives another receipt than it should."""

    def twist(answer: bytes) -> bytes:
        found = msgspec.json.decode(answer)
        if "proof" in found:
            found["proof"] = change(found["proof"])
        return msgspec.json.encode(found)

    return twist


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: "",
        lambda proof: proof.replace("index ", "index 1", 1),
        lambda proof: proof.replace("tlog-proof@v1", "tlog-proof@v2"),
    ],
    ids=["none", "of another place", "of no form we know"],
)
def test_a_node_that_does_not_show_what_it_logged_is_told_apart(
    world: World, change: Callable[[str], str]
) -> None:
    with pytest.raises(ProofError, match="does not show it"):
        world.client(twist=receipts(change)).act(
            "/cases", {"title": "Ours"}, lambda s: s.kind == "act"
        )


TWISTS: dict[str, dict[str, Any]] = {
    "another body": {"body": {"title": "We surrender"}},
    "one field more": {"body": {"note": "and more"}},
    "another kind": {"kind": "say", "body": {}},
    "a looser marking": {"tlp": "CLEAR", "to": ()},
    "another case": {"case": "case--other"},
    "other readers": {"to": ("cert.southmark.example",)},
}


@pytest.mark.parametrize("twist", TWISTS)
def test_nothing_is_signed_that_says_something_else(world: World, twist: str) -> None:
    case, _ = respond.open_case(world.node, world.NORTH, "T", to=[world.GRID])
    respond.invite(world.node, world.NORTH, case, world.GRID, "affected", "2026-11-23T08:00:00Z")
    size = world.size
    client = world.client(twist=rewritten(**TWISTS[twist]))
    event = {"event": "case.join", "item": case, "accept": True}
    expect = says("act", event, case=case, tlp="AMBER", to=[world.NORTH], chosen=["re"])
    with pytest.raises(SignatureError, match="nothing was signed"):
        client.act(f"/cases/{case}/join", {"accept": True}, expect)
    assert world.size == size
    honest = world.client()
    assert honest.act(f"/cases/{case}/join", {"accept": True}, expect)["statement"]["id"]


def test_no_more_objects_are_said_than_were_asked_for(world: World) -> None:
    mine = world.indicator(world.GRID)
    digest = hashlib.sha256(mine).hexdigest()
    answer = world.json("POST", "/say", party=world.GRID, body=mine, tlp="AMBER", to=world.NORTH)
    given: dict[str, Any] = {"case": None, "tlp": "AMBER", "to": [world.NORTH]}
    for objects in ([], [digest, "0" * 64], ["0" * 64]):
        with pytest.raises(SignatureError):
            world.client().sign_if_asked(dict(answer), says("say", {}, objects=objects, **given))
    done = world.client().sign_if_asked(answer, says("say", {}, objects=[digest], **given))
    assert "index" in done["statements"][0]


def test_a_payload_in_another_partys_name_is_not_signed(world: World) -> None:
    answer = world.json("POST", "/cases", party=world.SOUTH, body={"title": "Theirs"})
    with pytest.raises(SignatureError, match="not in this folder"):
        world.client(world.GRID).sign_if_asked(answer, lambda _: True)


def test_without_a_key_nothing_is_signed(world: World) -> None:
    answer = world.json("POST", "/cases", party=world.GRID, body={"title": "T"})
    keyless = Client(lambda *_: pytest.fail("nothing is sent"))
    with pytest.raises(SignatureError):
        keyless.sign_if_asked(answer, lambda _: True)


@pytest.mark.parametrize("payload", ["", "x", "AAAA", b64encode(b"{}"), None, 7, ["x"]])
def test_a_payload_that_is_none_is_refused(world: World, payload: Any) -> None:
    with pytest.raises(TocsinError):
        world.client().sign_if_asked({"statement": {"payload": payload}}, lambda _: True)


@pytest.mark.parametrize("answer", [None, [], "x", {"statement": None}, {"statements": ["x"]}])
def test_an_answer_without_a_payload_is_left_as_it_is(world: World, answer: Any) -> None:
    assert world.client().sign_if_asked(answer, lambda _: False) == answer


# --- what a node refuses with ---------------------------------------------------------------------


def replies(status: int, body: bytes) -> Client:
    return Client(lambda *_: Reply(status=status, media_type="text/html", body=body))


@pytest.mark.parametrize("kind", problems.classes(), ids=lambda k: k.__name__)
def test_an_error_arrives_as_the_class_it_was(kind: type[TocsinError]) -> None:
    error = kind.__new__(kind)
    TocsinError.__init__(error, "what is wrong", remedy="what to do")
    problem = problems.problem_of(error)
    with pytest.raises(TocsinError) as refused:
        replies(problem.status, msgspec.json.encode(problem)).get("/me")
    assert type(refused.value) is kind
    if kind is not errors.NotFoundError:
        assert (refused.value.message, refused.value.remedy) == ("what is wrong", "what to do")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"\xff", b'["\xff"]', b'{"title":"\xff"}', b"[" * 5000]
)
@pytest.mark.parametrize("status", [200, 404, 502])
def test_what_is_no_node_is_said_to_be_none(status: int, body: bytes) -> None:
    if (status, body) == (200, b"[]"):
        return  # JSON is what was asked for
    with pytest.raises(UnreachableError):
        replies(status, body).get("/me")


def test_a_problem_nobody_knows_is_shown_in_its_own_words() -> None:
    for name in ("too-often", "", "../x", "ok", "tocsin"):
        body = msgspec.json.encode({"type": f"/problems/{name}", "detail": "wait", "remedy": 5})
        with pytest.raises(TocsinError, match="wait"):
            replies(429, body).get("/me")


def test_what_is_asked_too_often_is_known_as_that_and_can_be_waited_out() -> None:
    body = msgspec.json.encode({"type": "/problems/rate", "title": "wait", "remedy": "wait 3 s"})
    with pytest.raises(RateError) as told:
        replies(429, body).get("/me")
    assert told.value.seconds == 60


def test_nothing_and_no_are_not_sent_and_zero_is(world: World) -> None:
    asked: list[Any] = []

    def door(method: str, path: str, query: Any, body: bytes, headers: Any) -> Reply:
        asked.append((dict(query), dict(headers)))
        return Reply(status=200, media_type="application/json", body=b"{}")

    Client(door, token="secret").get("/x", a=None, b="", c=0, as_known="t", d=False)
    assert asked == [({"c": "0", "as-known": "t"}, {"authorization": "Bearer secret"})]


def test_what_is_not_there_is_named_by_whoever_asked() -> None:
    problem = msgspec.json.encode(problems.not_found())
    with pytest.raises(errors.NotFoundError, match=r"/statements/aa0e1a/withdraw$") as refused:
        replies(404, problem).post("/statements/aa0e1a/withdraw")
    assert "whole" in refused.value.remedy
    with pytest.raises(errors.NotFoundError, match=r"/holders 5d0c$"):
        replies(404, problem).get("/holders", id="5d0c")


@pytest.mark.parametrize("url", ["taxii.example/taxii2/", "ftp://taxii.example/", "https:///x"])
def test_an_address_of_no_server_is_named_and_no_password_is(url: str) -> None:
    with pytest.raises(errors.ConfigError) as refused:
        connection(url)
    assert repr(url) in refused.value.message
    with pytest.raises(errors.ConfigError) as refused:
        connection("user:secret@" + url)
    assert "secret" not in refused.value.message


def test_a_guest_without_a_key_in_the_log_is_told_to_join(world: World) -> None:
    with pytest.raises(errors.NotFoundError, match="no signing key"):
        intake.prepare(world.node, intake.Act(author="eve.example", kind="ack", tlp="CLEAR"))
    with pytest.raises(ForbiddenError):
        intake.record(world.node, intake.Act(author=world.GRID, kind="ack", tlp="CLEAR"))
