"""TAXII on the wire, without a server: what any bytes are understood as, and cursors."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import (
    MediaTypeError,
    MethodError,
    NotAcceptableError,
    NotFoundError,
    TaxiiRequestError,
)
from tocsin.taxii import wire
from tocsin.taxii.wire import Filters

SECRET = b"s" * 32


class Thing(msgspec.Struct, frozen=True):
    added: int
    raw: bytes
    id: str = "tool--x"
    spec_version: str = "2.1"
    created: str | None = None
    modified: str | None = None


@pytest.mark.parametrize(
    ("path", "op", "collection", "id"),
    [
        ("/taxii2", "discovery", "", ""),
        ("/taxii2/", "discovery", "", ""),
        ("/taxii2/taxii2/", "discovery", "", ""),
        ("/taxii2/api", "root", "", ""),
        ("/taxii2/api/collections", "collections", "", ""),
        ("/taxii2/api/collections/c/", "collection", "c", ""),
        ("/taxii2/api/collections/c/manifest", "manifest", "c", ""),
        ("/taxii2/api/collections/c/objects/", "objects", "c", ""),
        ("/taxii2/api/collections/manifest/objects/status/", "object", "manifest", "status"),
        ("/taxii2/api/collections/c/objects/o/versions", "versions", "c", "o"),
        ("/taxii2/api/status/s/", "status", "", "s"),
    ],
)
def test_addresses(path: str, op: str, collection: str, id: str) -> None:
    found = wire.target("GET", path)
    assert (found.op, found.collection, found.id) == (op, collection, id)


@pytest.mark.parametrize(
    ("accept", "so"),
    [
        ("application/taxii+json;version=2.1", True),
        ("text/html, Application/TAXII+json; version=2.1;q=0.5", True),
        ("application/vnd.oasis.taxii+json; version=2.0", True),
        ("text/html,*/*;q=0.8", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_a_taxii_client_is_known_by_what_it_accepts(accept: str, so: bool) -> None:
    assert wire.asks_for_taxii(accept) is so


def test_a_refused_method_names_those_the_address_takes() -> None:
    with pytest.raises(MethodError) as refused:
        wire.target("PUT", "/taxii2/api/collections/all/objects/")
    assert refused.value.methods == ("GET", "POST")


@given(st.text(max_size=12), st.text(alphabet="/abcollections{}.%\0", max_size=40))
def test_any_address_is_something_or_refused(method: str, path: str) -> None:
    with suppress(NotFoundError, MethodError):
        wire.target(method, "/taxii2/" + path)


@given(st.text(max_size=60))
def test_any_media_types_are_taken_or_refused(header: str) -> None:
    for check, error in (
        (wire.check_accept, NotAcceptableError),
        (wire.check_content, MediaTypeError),
    ):
        with suppress(error):
            check(header)


TEXT = st.text(alphabet="0123456789TZtz:-+. ", max_size=40) | st.text(max_size=12)


@given(TEXT)
def test_any_text_is_an_instant_or_refused(text: str) -> None:
    with suppress(TaxiiRequestError):
        assert isinstance(wire.instant(text), int)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1)))
def test_a_date_that_was_given_out_comes_back_as_the_same_instant(at: datetime) -> None:
    added = (at.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert wire.instant(wire.date(added)) == added


NAMES = st.sampled_from(
    ["limit", "next", "added_after", "match[id]", "match[type]", "match[version]", "x"]
)
VALUES = st.sampled_from(["", "1", "first", "last,all", "2026-01-01T00:00:00Z", "a,b"])


@given(st.lists(st.tuples(NAMES, VALUES | st.text(max_size=20)), max_size=6))
def test_any_query_is_understood_or_refused(query: list[tuple[str, str]]) -> None:
    with suppress(TaxiiRequestError):
        assert 1 <= wire.ask(query, SECRET, "c").limit <= wire.MAX_LIMIT


FILTERS = st.builds(
    Filters,
    id=st.none() | st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=4).map(tuple),
    type=st.none() | st.just(("tool", "x-é")),
    version=st.none() | st.just(("all",)),
)


@given(st.integers(min_value=-1, max_value=2**62), FILTERS)
def test_a_cursor_says_what_it_was_told_and_cannot_be_changed(at: int, filters: Filters) -> None:
    cursor = wire.write_cursor(at, filters, SECRET, "c")
    assert wire.open_cursor(cursor, SECRET, "c") == (at, filters)
    assert cursor == wire.write_cursor(at, filters, SECRET, "c")
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    for secret, scope in ((SECRET, "d"), (b"t" * 32, "c")):
        with pytest.raises(TaxiiRequestError):
            wire.open_cursor(cursor, secret, scope)
    other = cursor[:5] + ("A" if cursor[5] != "A" else "B") + cursor[6:]
    with pytest.raises(TaxiiRequestError):
        wire.open_cursor(other, SECRET, "c")


@given(st.text(max_size=60))
def test_any_text_is_no_cursor(text: str) -> None:
    with pytest.raises(TaxiiRequestError):
        wire.open_cursor(text, SECRET, "c")


def test_filters_that_are_left_out_beside_next_are_the_cursors() -> None:
    first = wire.ask([("match[type]", "tool"), ("match[type]", "x,tool")], SECRET, "c")
    assert first.filters.type == ("tool", "x")
    cursor = wire.write_cursor(7, first.filters, SECRET, "c")
    again = wire.ask([("next", cursor), ("added_after", "2099-01-01T00:00:00Z")], SECRET, "c")
    assert (again.after, again.filters) == (7, first.filters)
    with pytest.raises(TaxiiRequestError, match="not what it was"):
        wire.ask([("next", cursor), ("match[id]", "tool--1")], SECRET, "c")


@pytest.mark.parametrize(
    "query",
    [
        [("limit", "1"), ("limit", "2")],
        [("match[version]", "newest")],
        [("match[id]", ",".join(map(str, range(201))))],
        [("x", "y" * 20_000)],
    ],
)
def test_what_contradicts_itself_or_is_too_much_is_refused(query: list[tuple[str, str]]) -> None:
    with pytest.raises(TaxiiRequestError):
        wire.ask(query, SECRET, "c")


def test_objects_stand_in_an_envelope_byte_for_byte() -> None:
    odd = [Thing(1, b'{"a" : 1.50}'), Thing(2, b'{"\\u0061":2}')]
    page = wire.envelope(odd, "abc")
    assert page == b'{"more":true,"next":"abc","objects":[{"a" : 1.50},{"\\u0061":2}]}'
    assert wire.envelope([], None) == b'{"more":false}'
    assert json.loads(wire.manifest([], None)) == {"more": False}


def test_a_version_is_modified_else_created_else_the_arrival() -> None:
    assert wire.version_of(Thing(0, b"", created="c", modified="m")) == "m"
    assert wire.version_of(Thing(0, b"", created="c")) == "c"
    assert wire.version_of(Thing(1_500_000, b"")) == "1970-01-01T00:00:01.500000Z"
    assert wire.dates([]) == {}


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5, br", True),
        ("*", True),
        ("x-gzip", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("xgzipx", False),
    ],
)
def test_packed_only_where_the_weight_is_not_zero(header: str, takes: bool) -> None:
    assert wire.takes_gzip(header) is takes
