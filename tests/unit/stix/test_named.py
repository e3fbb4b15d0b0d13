"""The observables that a pattern names."""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.stix.test_needles import SINGLE

from tocsin.errors import IndicatorError
from tocsin.stix.named import observables
from tocsin.stix.needles import pattern_for

UNWRITTEN = {
    "user-agent": "traffic needs an end",
    "imphash": "file with extensions",
    "email-subject": "whether it has parts",
    "command-line": "no id that follows",
}


@pytest.mark.parametrize(("kind", "value"), SINGLE)
def test_every_kind_of_value_is_an_observable_that_other_tools_take_or_says_why_not(
    kind: str, value: str
) -> None:
    pattern = pattern_for(kind, value)
    assert pattern is not None
    if kind in UNWRITTEN:
        with pytest.raises(IndicatorError, match=UNWRITTEN[kind]):
            observables(pattern)
        return
    [group] = observables(pattern)
    if kind == "tlsh":
        return  # stix2 takes it without its version only
    stix2: Any = importlib.import_module("stix2")
    for one in group:
        assert stix2.parse({"type": one.type, **one.props}, version="2.1")["id"] == one.id


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (
            "[domain-name:value IN ('a.example', 'b.example')] OR [url:value = 'http://a.example/']",
            [
                [("domain-name", {"value": "a.example"})],
                [("domain-name", {"value": "b.example"})],
                [("url", {"value": "http://a.example/"})],
            ],
        ),
        (
            "[ipv4-addr:value ISSUBSET '203.0.113.0/24' OR ipv4-addr:value = '203.0.113.9'"
            " OR ipv4-addr:value = '203.0.113.9']",
            [
                [("ipv4-addr", {"value": "203.0.113.0/24"})],
                [("ipv4-addr", {"value": "203.0.113.9"})],
            ],
        ),
        (
            f"[file:name = 'a.exe' AND file:hashes.MD5 = '{'d3' * 16}']",
            [[("file", {"hashes": {"MD5": "d3" * 16}, "name": "a.exe"})]],
        ),
        (
            "[windows-registry-key:key = 'HKLM\\\\x' AND "
            "windows-registry-key:values[*].name = 'g']",
            [[("windows-registry-key", {"key": "HKLM\\x", "values": [{"name": "g"}]})]],
        ),
        (
            "[user-account:account_type = 'unix' AND user-account:account_login = 'relay']",
            [[("user-account", {"account_type": "unix", "account_login": "relay"})]],
        ),
        (
            "[network-traffic:dst_ref.type = 'domain-name' AND "
            "network-traffic:dst_ref.value = 'a.example' AND network-traffic:dst_port = 8443]",
            [[("domain-name", {"value": "a.example"})]],  # no protocol is told
        ),
    ],
)
def test_each_alternative_is_one_thing_as_it_is_written(
    pattern: str, found: list[list[tuple[str, dict[str, Any]]]]
) -> None:
    assert [[(one.type, one.props) for one in group] for group in observables(pattern)] == found


def test_what_a_thing_refers_to_comes_with_it() -> None:
    [(file, folder)] = observables(
        "[file:name = 'x' AND file:parent_directory_ref.path = '/tmp/.x']"
    )
    assert file.props["parent_directory_ref"] == folder.id
    [(name, address)] = observables(
        "[domain-name:value = 'a.example' AND "
        "domain-name:resolves_to_refs[*].value = '203.0.113.9']"
    )
    assert name.props["resolves_to_refs"] == [address.id]
    [(traffic, end)] = observables(
        "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_port = 8443 AND "
        "network-traffic:dst_ref.value = '203.0.113.9' AND network-traffic:protocols[*] = 'tcp']"
    )
    assert traffic.props == {"dst_ref": end.id, "protocols": ["tcp"], "dst_port": 8443}


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("no pattern", "no observable stands for its pattern"),
        ("[domain-name:value LIKE '%.example']", "LIKE names no one thing"),
        ("[domain-name:value NOT = 'a.example']", "NOT = names no one thing"),
        ("[domain-name:value = 'a.example'] AND [url:value = 'http://a.example/']", "several obs"),
        ("[domain-name:value = 'a.example'] WITHIN 5 SECONDS", "several observations, or for a t"),
        ("[ipv4-addr:value = 'gate.example']", "'gate.example'"),
        ("[ipv4-addr:value = '2001:db8::1']", "is no ipv4-addr"),
        ("[url:value = 'http://a.example/' AND url:defanged = true]", "neither text nor a whole"),
        ("[file:size = 12]", "file with size"),
        ("[file:hashes.WHIRLPOOL = 'd3']", "knows no hash called 'WHIRLPOOL'"),
        ("[process:command_line = 'gate -x']", "no id that follows"),
        ("[email-message:subject = 'Invoice']", "whether it has parts"),
        ("[artifact:hashes.MD5 = 'd3']", "its content"),
        ("[software:vendor = 'Northland']", "software without name"),
        ("[user-account:account_type = 'unix']", "an account without a name"),
        ("[autonomous-system:number = 4294967296]", "no number of an autonomous system"),
        ("[x-acme:value = 'a']", "x-acme is no observable"),
        ("[file:name = 'a' AND url:value = 'http://a.example/']", "several objects at once"),
        ("[file:name IN ('a', 'b') AND file:hashes.MD5 = 'd3']", "one property of an object has"),
    ],
)
def test_what_names_no_one_thing_says_why(pattern: str, why: str) -> None:
    with pytest.raises(IndicatorError, match=why):
        observables(pattern)


@settings(max_examples=60)
@given(st.text(alphabet="[]()'=:.*andile-vufmxORAND \\ 12", max_size=80))
def test_any_text_is_read_or_refused_never_worse(pattern: str) -> None:
    with suppress(IndicatorError):
        assert observables(pattern)
