"""Which values are armed, which are set aside or refused, and that the tables lose none."""

from __future__ import annotations

import random

import pytest

from tocsin.sweep.kernel import Chunk, Ranges, Tables
from tocsin.sweep.tokens import MAX_SLOW, Needle, Needles
from tocsin.sweep.warninglists import LISTS, listed


def needle(kind: str, value: str, indicator: str = "i") -> Needle:
    return Needle(kind=kind, value=value, indicator=indicator)


@pytest.mark.parametrize(
    ("kind", "value", "name"),
    [
        ("ipv4", "10.1.2.3", "private"),
        ("ipv4", "127.0.0.1", "loopback"),
        ("ipv4", "169.254.169.254", "link-local"),
        ("ipv4", "224.0.0.251", "multicast"),
        ("ipv4", "203.0.113.7", "documentation"),
        ("ipv4", "8.8.8.8", "public-resolvers"),
        ("ipv4", "104.16.1.1", "cdn-ranges"),
        ("ipv6", "2001:db8::7", "documentation"),
        ("ipv6", "fe80::1", "link-local"),
        ("ipv6", "2606:4700:4700::1111", "public-resolvers"),
        ("cidr", "192.168.7.0/24", "private"),
        ("cidr", "0.0.0.0/0", "too-wide"),
        ("cidr", "2000::/3", "too-wide"),
        ("domain", "github.com", "top-domains"),
        ("domain", "example.com", "documentation"),
        ("url", "https://github.com/", "top-domains"),
        ("url", "http://192.168.1.1/", "private"),
        ("md5", "d41d8cd98f00b204e9800998ecf8427e", "empty-file"),
        ("ipv4", "8.8.8.9", None),
        ("cidr", "8.0.0.0/8", None),
        ("domain", "lure.github.com", None),
        ("domain", "lure-portal.example", None),
        ("url", "https://github.com/lure/gate", None),
        ("email", "ann@example.com", None),
    ],
)
def test_what_is_seen_everywhere_stands_on_a_list(kind: str, value: str, name: str | None) -> None:
    assert listed(kind, value) == name
    assert name is None or name in LISTS


@pytest.mark.parametrize(
    "override", ["private", "private:10.1.2.3", "private:a", "private:10[.]1.2.3"]
)
def test_an_override_is_by_list_value_or_indicator_and_told(override: str) -> None:
    needles = Needles.build(
        [needle("address", "10[.]1.2.3", "a"), needle("address", "10.9.9.9", "b")],
        seed=1,
        overrides=[override],
    )
    told = {one.needle.indicator: one.overridden for one in needles.suppressed}
    assert told == {"a": True, "b": override == "private"}
    assert [hit.indicator for hit in needles.scan(b"10.1.2.3", path="x")] == ["a"]


def test_two_indicators_with_one_value_both_hit() -> None:
    needles = Needles.build(
        [needle("domain", "Lure.example", "b"), needle("domain", "lure[.]example", "a")], seed=1
    )
    assert len(needles.armed) == 1
    assert [hit.indicator for hit in needles.scan(b"lure.example", path="x")] == ["a", "b"]


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("ipv4", "203.0.113.300", "four numbers"),
        ("cve", "CVE-2026-12345", "no fixed text"),
        ("attack-id", "T1059", "no fixed text"),
        ("cwe", "CWE-787", "no fixed text"),
        ("ghsa", "GHSA-9h6g-pr28-7cqp", "no fixed text"),
        ("yara-rule", "Tide_Loader", "no log but its own"),
        ("mutex", "ab", "shorter than 3 bytes"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_with_a_reason(
    kind: str, value: str, why: str
) -> None:
    needles = Needles.build([needle(kind, value)], seed=1)
    assert why in needles.refused[0].reason
    assert needles.looked_for == ()


@pytest.mark.parametrize(
    ("kind", "value", "line"),
    [
        ("imphash", "d3" * 16, b"imphash=" + b"D3" * 16),
        ("ja3", "d3" * 16, b'"ja3":"' + b"d3" * 16 + b'"'),
        ("jarm", "d3" * 31, b"jarm " + b"D3" * 31),
        ("certificate-serial", "04A93C117F", b"serial 04:a9:3c:11:7f,"),
        ("certificate-serial", "04:A9:3C:11:7F", b"serial=04A93C117F"),
        ("wallet", "1CwR3KkRtt7ch1xZwmVLtHq2U3wU7gzQqy", b"1CwR3KkRtt7ch1xZwmVLtHq2U3wU7gzQqy"),
        ("package", "left-paddle-utils", b"npm i left-paddle-utils"),
    ],
)
def test_fingerprints_and_names_are_looked_for_too(kind: str, value: str, line: bytes) -> None:
    needles = Needles.build([needle(kind, value)], seed=1)
    assert not needles.refused
    assert len(needles.scan(line, path="x")) == 1


def test_the_slow_list_has_an_end() -> None:
    needles = Needles.build(
        [
            needle("mutex", f"a|{number // 100}|{number % 100}|b", str(number))
            for number in range(MAX_SLOW + 5)
        ],
        seed=1,
    )
    assert len(needles.refused) == 5
    assert len(needles.looked_for) == MAX_SLOW
    assert len(needles.scan(b"x a|0|7|b y a|10|2|b", path="x")) == 1


def test_no_needles_find_nothing() -> None:
    assert Needles.build([], seed=1).scan(b"lure.example 10.0.0.1 ::1 a|b", path="x") == []


@pytest.mark.parametrize("count", [1, 7, 5_000])
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_the_tables_know_every_key_and_hardly_any_other(count: int, seed: int) -> None:
    rng = random.Random(count)
    letters = b"abcdefghijklmnopqrstuvwxyz0123456789.-_"
    keys = list(
        {bytes(rng.choices(letters[:-3], k=rng.randint(4, 40))) + b"a" for _ in range(count)}
    )
    tables = Tables(keys, [], seed=seed)
    chunk = Chunk(b" ".join(keys))
    starts, _, _, _ = tables.candidates(chunk)
    assert len(set(starts.tolist())) == len(keys)
    others = [bytes(rng.choices(letters[:-3], k=20)) for _ in range(20_000)]
    assert len(tables.candidates(Chunk(b" ".join(set(others) - set(keys))))[0]) <= 1


def test_ranges_hold_their_edges_and_nothing_else() -> None:
    import numpy as np

    ranges = Ranges([(10, 20), (15, 30), (31, 31), (2**32 - 1, 2**32 - 1)])
    values = np.array([9, 10, 20, 31, 32, 2**32 - 1])
    assert ranges.hold(values).tolist() == [1, 2, 3, 5]


def test_a_common_anchor_costs_no_hit() -> None:
    agent = "Mozilla/5.0 (Gate; x) AppleWebKit/537.36 (KHTML) Chrome/{}.0 Safari"
    lines = "".join(f'"{agent.format(number)}"\n' for number in range(400)).encode()
    needles = Needles.build([needle("user-agent", agent.format(77))], seed=1)
    assert [hit.line for hit in needles.scan(lines, path="x")] == [78]
