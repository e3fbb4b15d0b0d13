"""Patterns of one value, and what a pattern that only lists values gives back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import IndicatorError
from tocsin.stix.needles import comparisons, needles_of, pattern_for
from tocsin.stix.pattern_tree import quoted

SINGLE = [
    ("ipv4", "203.0.113.7"),
    ("ipv6", "2001:db8::7"),
    ("cidr", "203.0.113.0/24"),
    ("cidr", "2001:db8::/32"),
    ("domain", "xn--bcher-kva.example"),
    ("url", "http://lure.example/it's"),
    ("email", "ann@gridco.example"),
    ("md5", "d3" * 16),
    ("sha1", "d3" * 20),
    ("sha256", "d3" * 32),
    ("sha512", "d3" * 64),
    ("file-name", "it's \\ not.exe".replace("\\", "")),
    ("path", "c:\\users\\ann\\x.dll"),
    ("path", "/tmp/.x/run"),
    ("path", "/run"),
    ("path", "/tmp/.x/"),
    ("path", "c:\\x.dll"),
    ("registry-key", "hkey_local_machine\\software\\gate"),
    ("mutex", "Global\\Gate'1"),
    ("user-agent", "Gate/1.0 (it's)"),
    ("mac", "00:1a:2b:3c:4d:5e"),
    ("asn", "AS64500"),
    ("imphash", "d3" * 16),
    ("ssdeep", "3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C"),
    ("tlsh", "T1" + "D3" * 35),
    ("certificate-serial", "04:a9:3c:11:7f"),
    ("certificate-hash", "d3" * 16),
    ("certificate-hash", "d3" * 20),
    ("certificate-hash", "d3" * 32),
    ("email-subject", "Overdue: it's 4711"),
    ("command-line", "cmd.exe /c c:\\x.exe"),
    ("account", "svc_backup$"),
    ("registry-key", "hkcu\\software\\microsoft\\windows\\currentversion\\run\\gate"),
]


@pytest.mark.parametrize(("kind", "value"), SINGLE)
def test_a_pattern_gives_back_the_value_it_was_made_for(kind: str, value: str) -> None:
    pattern = pattern_for(kind, value)
    assert pattern is not None
    assert needles_of(pattern) == [(kind, value)]


def test_what_a_report_writes_as_a_key_is_looked_for_as_the_value_it_is() -> None:
    run = "hkcu\\software\\microsoft\\windows\\currentversion\\run"
    assert pattern_for("registry-key", run + "\\gate") == (
        f"[windows-registry-key:key = {quoted(run)} AND "
        "windows-registry-key:values[*].name = 'gate']"
    )
    assert pattern_for("registry-key", run) == f"[windows-registry-key:key = {quoted(run)}]"
    assert comparisons("[windows-registry-key:values[*].name = 'gate']") == []


def test_a_flaw_or_a_technique_has_no_pattern() -> None:
    assert pattern_for("cve", "CVE-2026-12345") is None
    assert pattern_for("attack-id", "T1059") is None
    assert pattern_for("ja3", "d3" * 16) is None
    assert pattern_for("wallet", "1CwR3KkRtt7ch1xZwmVLtHq2U3wU7gzQqy") is None


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (
            "[ipv4-addr:value = '203.0.113.7' OR domain-name:value='Lure.example']",
            [("ipv4", "203.0.113.7"), ("domain", "lure.example")],
        ),
        (
            "([url:value = 'http://lure.example/a']) OR [domain-name:value = 'lure.example']",
            [("url", "http://lure.example/a"), ("domain", "lure.example")],
        ),
        (
            "[domain-name:value IN ('a.example', 'b.example')]",
            [("domain", "a.example"), ("domain", "b.example")],
        ),
        ("[ipv4-addr:value = '203.0.113.0/24']", [("cidr", "203.0.113.0/24")]),
        ("[ipv4-addr:value ISSUBSET '203.0.113.7/32']", [("ipv4", "203.0.113.7")]),
        ("[file:hashes.'SHA-256' = '" + "AB" * 32 + "']", [("sha256", "ab" * 32)]),
        ("[file:hashes.MD5 = '" + "ab" * 16 + "']", [("md5", "ab" * 16)]),
        (
            "/* seen twice */ [domain-name : value == 'a.example']\u3000OR [(url:value='http://b.example/')]",
            [("domain", "a.example"), ("url", "http://b.example/")],
        ),
        ("[autonomous-system:number IN (64500, +64501)]", [("asn", "AS64500"), ("asn", "AS64501")]),
        ("[mutex:name = 'a\\\\b\\'c']", [("mutex", "a\\b'c")]),
    ],
)
def test_a_list_of_alternatives_is_read(pattern: str, found: list[tuple[str, str]]) -> None:
    assert needles_of(pattern) == found


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "no pattern",
        "[ipv4-addr:value = '203.0.113.7'",
        "[ipv4-addr:value != '203.0.113.7']",
        "[ipv4-addr:value = '203.0.113.7' AND domain-name:value = 'lure.example']",
        "[ipv4-addr:value = '203.0.113.7'] AND [domain-name:value = 'lure.example']",
        "[ipv4-addr:value = '203.0.113.7'] WITHIN 5 SECONDS",
        "[domain-name:value LIKE '%.example']",
        "[file:size = 7]",
        "[NOT domain-name:value = 'lure.example']",
        "[network-traffic:dst_ref.value = '203.0.113.7']",
        "[file:parent_directory_ref.path = '/tmp']",
        "[file:'hashes.MD5' = '" + "ab" * 16 + "']",
        "[file:hashes.SHA-256 = '" + "ab" * 32 + "']",
        "[domain-name:value NOT = 'lure.example']",
        "[domain-name:value[0] = 'lure.example']",
        "[autonomous-system:number = -7]",
        "[file:name = 'a' AND EXISTS file:parent_directory_ref.path]",
        "[file:name = 'a' AND file:parent_directory_ref.path = '/tmp' AND file:size = 7]",
    ],
)
def test_a_pattern_that_says_more_than_a_list_gives_none(pattern: str) -> None:
    assert comparisons(pattern) == []


@given(st.text("[]()'=:,. aANDORINfile\\", max_size=40))
def test_any_text_is_read_as_a_pattern_or_gives_nothing(text: str) -> None:
    assert isinstance(comparisons(text), list)


def test_a_bad_value_in_a_pattern_is_refused_by_name() -> None:
    with pytest.raises(IndicatorError, match=r"203\.0\.113\.300"):
        needles_of("[ipv4-addr:value = '203.0.113.300']")
