"""Requests between nodes: who asks, of whom, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.errors import RateError, SignatureError
from tocsin.record import requests
from tocsin.record.keys import Signer
from tocsin.record.requests import Nonces, PeerRequest, open_request, sign_request

NORTH, SOUTH = "cert.northland.example", "cert.southmark.example"
NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
SIGNER = Signer.from_seed(b"\x01" * 32, NORTH)
OTHER = Signer.from_seed(b"\x02" * 32, NORTH)
ASKED: dict[str, Any] = {"method": "GET", "target": "/peer/outbox?after=3", "body": b""}


def signed(signer: Signer = SIGNER, nonce: str = "0" * 32, **more: Any) -> dict[str, str]:
    asked = {**ASKED, "to": SOUTH, "now": NOW, **more}
    return sign_request(
        signer,
        asked["to"],
        asked["method"],
        asked["target"],
        asked["body"],
        now=asked["now"],
        nonce=nonce,
    )


def opened(headers: dict[str, str], **more: Any) -> PeerRequest:
    asked = {**ASKED, "to": SOUTH, "now": NOW, "keys": [SIGNER.public], **more}
    return open_request(
        headers,
        asked["to"],
        asked["method"],
        asked["target"],
        asked["body"],
        now=asked["now"],
        keys_of=lambda party: asked["keys"] if party == NORTH else [],
    )


def test_a_request_is_known_by_the_key_the_directory_lists() -> None:
    assert opened(signed()) == PeerRequest(party=NORTH, nonce="0" * 32, at=NOW)
    assert opened(signed(), keys=[OTHER.public, SIGNER.public]).party == NORTH, "one of two nodes"


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "POST"},
        {"target": "/peer/outbox?after=0"},
        {"target": "/peer/digest"},
        {"body": b"x"},
        {"to": "cert.eastmere.example"},
        {"keys": []},
        {"keys": [OTHER.public]},
    ],
)
def test_what_was_not_signed_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(SignatureError):
        opened(signed(), **changed)


@pytest.mark.parametrize("name", list(signed()))
def test_every_header_counts(name: str) -> None:
    headers = signed()
    for other in ("", "x", headers[name][:-1], "é"):
        with pytest.raises(SignatureError):
            opened({**headers, name: other})
    del headers[name]
    with pytest.raises(SignatureError):
        opened(headers)


def test_a_request_is_good_for_five_minutes_either_way() -> None:
    for seconds in (-300, 0, 300):
        opened(signed(), now=NOW + timedelta(seconds=seconds))
    for seconds in (-301, 301, 86_400):
        with pytest.raises(SignatureError, match="dated"):
            opened(signed(), now=NOW + timedelta(seconds=seconds))


def test_a_nonce_is_good_once_and_a_restart_takes_nothing_from_before() -> None:
    nonces = Nonces(NOW - timedelta(minutes=1))
    one = PeerRequest(party=NORTH, nonce="1" * 32, at=NOW)
    nonces.spend(one, NOW)
    with pytest.raises(SignatureError, match="before"):
        nonces.spend(one, NOW + timedelta(minutes=4))
    nonces.spend(PeerRequest(party=SOUTH, nonce="1" * 32, at=NOW), NOW)
    again = Nonces(NOW + timedelta(seconds=1))
    with pytest.raises(SignatureError, match="older"):
        again.spend(one, NOW + timedelta(seconds=2))


def test_what_can_be_sent_again_is_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MAX_NONCES", 3)
    nonces = Nonces(NOW)
    for n in range(3):
        nonces.spend(PeerRequest(party=NORTH, nonce=f"{n:032x}", at=NOW), NOW)
    with pytest.raises(RateError):
        nonces.spend(PeerRequest(party=NORTH, nonce="f" * 32, at=NOW), NOW)
    later = NOW + timedelta(minutes=10, seconds=1)
    nonces.spend(PeerRequest(party=NORTH, nonce="0" * 32, at=later), later)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*signed(), "host"]), st.text(max_size=100)))
def test_any_headers_are_refused_with_a_typed_error(headers: dict[str, str]) -> None:
    with pytest.raises(SignatureError):
        opened(headers)
