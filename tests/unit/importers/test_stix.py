"""STIX in: the bytes each object came in, and what is said of the bad ones."""

from __future__ import annotations

import json

import pytest

from tocsin.errors import BundleError
from tocsin.importers import stix
from tocsin.importers.interface import to_json

GOOD = (
    b'{"type":"identity","spec_version":"2.1","id":"identity--11111111-1111-4111-8111-111111111111",'
    b'"created":"2026-02-03T09:00:00.000Z","modified":"2026-02-03T09:00:00.000Z","name":"Northland"}'
)


def bundle(*objects: bytes) -> bytes:
    head = b'{"type":"bundle","id":"bundle--88888888-8888-4888-8888-888888888888","objects":['
    return head + b",".join(objects) + b"]}"


def test_objects_keep_their_bytes() -> None:
    reading = stix.read(bundle(GOOD), "a.json")
    assert [one.raw for one in reading.objects] == [GOOD]
    made = to_json(reading)
    assert list(made) == ["source", "objects", "losses"]
    assert list(made["objects"][0]) == ["id", "type", "sha256"]
    assert made["source"]["text_sha256"] is None
    json.dumps(made)


def test_a_bad_object_among_good_ones_is_kept_and_named() -> None:
    reading = stix.read(bundle(GOOD, b'{"type":"note"}'), "a.json")
    assert len(reading.objects) == 2
    [loss] = reading.losses
    assert (loss.kind, loss.pointer) == ("bad-object", "/objects/1")
    assert "problem" in to_json(reading)["objects"][1]


@pytest.mark.parametrize("raw", [b"", b"{", b'{"type":"bundle","objects":[', b"[" * 5_000])
def test_broken_framing_is_refused_naming_the_file(raw: bytes) -> None:
    with pytest.raises(BundleError) as refused:
        stix.read(raw, "broken.json")
    assert "broken.json" in refused.value.message
    assert refused.value.remedy


def test_an_empty_bundle_is_a_bundle() -> None:
    assert to_json(stix.read(bundle(), "a.json"))["objects"] == []
