"""Views read what came; `make` writes only what is strict STIX 2.1."""

from __future__ import annotations

import lzma
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.errors import BundleError
from tocsin.stix.bundle import open_bundle, open_object
from tocsin.stix.model import Identity, Indicator, ObservedData, instant, make, view

IDENTITY = "identity--11111111-1111-4111-8111-111111111111"
INDICATOR = "indicator--22222222-2222-4222-8222-222222222222"
AT = "2026-02-03T09:00:00.000Z"


def indicator(**more: Any) -> bytes:
    props = {"pattern": "[url:value = 'x']", "pattern_type": "stix", "valid_from": AT, **more}
    return make("indicator", id=INDICATOR, created=AT, created_by_ref=IDENTITY, **props)


def test_an_object_is_written_in_one_order_and_passes_a_strict_parser() -> None:
    raw = indicator(name="n", labels=[], description=None)
    assert raw == (
        b'{"type":"indicator","spec_version":"2.1","id":"%b","created_by_ref":"%b","created":"%b",'
        b'"modified":"%b","pattern":"[url:value = \'x\']","pattern_type":"stix","valid_from":"%b",'
        b'"name":"n"}' % tuple(x.encode() for x in (INDICATOR, IDENTITY, AT, AT, AT))
    )
    stix2 = pytest.importorskip("stix2")
    assert stix2.parse(raw.decode())["id"] == INDICATOR


def test_what_is_written_is_read_again() -> None:
    seen = view(open_object(indicator()))
    assert isinstance(seen, Indicator)
    assert seen.valid_from == datetime(2026, 2, 3, 9, tzinfo=UTC)
    assert (
        view(open_object(b'{"type":"x-a","id":"x-a--11111111-1111-4111-8111-111111111111"}'))
        is None
    )


@pytest.mark.parametrize(
    ("time", "written"),
    [
        (datetime(2026, 2, 3, 10, tzinfo=timezone(timedelta(hours=1))), AT),
        ("2026-02-03T09:00:00Z", AT),
        ("2026-02-03T10:00:00.0009+01:00", AT),
        (datetime(33, 1, 1, tzinfo=UTC), "0033-01-01T00:00:00.000Z"),
    ],
)
def test_times_are_written_in_utc_to_the_millisecond(time: datetime | str, written: str) -> None:
    assert instant(time) == written


@pytest.mark.parametrize(
    "time", ["yesterday", "2026-02-30T00:00:00Z", "2026-02-03", datetime(2026, 1, 1)]
)
def test_a_time_that_is_none_is_refused(time: datetime | str) -> None:
    with pytest.raises(BundleError):
        instant(time)


@pytest.mark.parametrize(
    ("kind", "props", "why"),
    [
        ("identity", {"id": INDICATOR, "created": AT, "name": "n"}, "no id of a identity"),
        ("identity", {"id": "identity--1", "created": AT, "name": "n"}, "no id"),
        ("identity", {"id": IDENTITY, "name": "n"}, "created"),
        ("identity", {"id": IDENTITY, "created": AT}, "name"),
        ("identity", {"id": IDENTITY, "created": AT, "name": 7}, "name"),
        ("identity", {"id": IDENTITY, "created": AT, "name": "n", "x": 2**60}, "53-bit"),
        ("identity", {"id": IDENTITY, "created": AT, "name": "\ud800"}, "surrogates"),
        ("identity", {"id": IDENTITY, "created": AT, "name": "n", "x": object()}, "serializable"),
        (
            "identity",
            {"id": IDENTITY, "created": AT, "modified": "2020-01-01T00:00:00Z", "name": "n"},
            "before",
        ),
        (
            "indicator",
            {"id": INDICATOR, "created": AT, "pattern": "p", "valid_from": AT},
            "pattern_type",
        ),
    ],
)
def test_what_is_not_strict_is_not_written(kind: str, props: dict[str, Any], why: str) -> None:
    with pytest.raises(BundleError, match=why):
        make(kind, **props)


def test_an_observable_has_no_times_and_a_marking_definition_no_modified() -> None:
    from tocsin.stix.ids import sco_id

    url = {"value": "https://northland.example/"}
    assert set(orjson.loads(make("url", id=sco_id("url", url), **url))) == {
        "type",
        "spec_version",
        "id",
        "value",
    }
    definition = make(
        "marking-definition",
        id="marking-definition--11111111-1111-4111-8111-111111111111",
        created=AT,
        definition_type="statement",
        definition={"statement": "(c) northland"},
    )
    assert "modified" not in orjson.loads(definition)


def test_embedded_objects_of_2_0_are_left_alone() -> None:
    raw = (
        b'{"type":"observed-data","id":"observed-data--11111111-1111-4111-8111-111111111111",'
        b'"created":"%b","modified":"%b","first_observed":"%b","last_observed":"%b",'
        b'"number_observed":1,"objects":{"0":{"type":"file","name":"x"}}}'
    ) % ((AT.encode(),) * 4)
    seen = view(open_object(raw))
    assert isinstance(seen, ObservedData)
    assert bytes(seen.objects).startswith(b'{"0"')


def test_a_property_of_the_wrong_kind_is_named() -> None:
    raw = b'{"type":"identity","id":"%b","created":"%b","modified":"%b","name":["n"]}'
    with pytest.raises(BundleError, match=r"\$\.name"):
        view(open_object(raw % (IDENTITY.encode(), AT.encode(), AT.encode())))
    assert Identity.__struct_fields__


def test_every_object_of_a_public_bundle_has_its_view(corpus: Callable[[str], Path]) -> None:
    opened = open_bundle(lzma.decompress(corpus("exchange/ics-18.1.json.xz").read_bytes()))
    views = Counter(type(view(one)).__name__ for one in opened if not one.type.startswith("x-"))
    assert views.total() > 1_000
    assert "NoneType" not in views
