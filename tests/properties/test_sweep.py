"""Laws of sweeping: nothing hangs on how a file is cut, on the hashes, or on the other needles."""

from __future__ import annotations

import json
import re
import tempfile
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.flows import hunt
from tocsin.sweep import rules
from tocsin.sweep.kernel import PAD
from tocsin.sweep.tokens import Needle, Needles
from tocsin.sweep.warninglists import LISTS

VALUES = [
    ("domain", "lure-portal.example"),
    ("domain", "q.ee"),
    ("domain", "duckdns.org"),
    ("domain", "bücher.example"),
    ("domain", "gate7.example.xn--p1ai9"),
    ("address", "203.0.113.7"),
    ("address", "203.0.112.0/22"),
    ("address", "203.0.113.128/25"),
    ("address", "2001:db8::7"),
    ("address", "2001:db8:7::/48"),
    ("url", "http://lure-portal.example/gate"),
    ("url", "https://q.ee/"),
    ("url", "http://203.0.113.7:8080/a.php?x=1"),
    ("hash", "d3b07384d113edec49eaa6238ad5ff00"),
    ("email", "ann@gridco.example"),
    ("email", "bob+x@gridco.example"),
    ("file-name", "invoice.exe"),
    ("file-name", "the bill.exe"),
    ("path", "C:\\Temp\\invoice.exe"),
    ("path", "/tmp/.x/run"),
    ("mutex", "Global\\Gate-7"),
    ("mac", "00:1a:2b:3c:4d:5e"),
    ("user-agent", "Gate/1.0 (x; y)"),
]


def built(values: list[tuple[str, str]], seed: int = 7) -> Needles:
    return Needles.build(
        [Needle(kind=kind, value=value, indicator=value) for kind, value in values],
        seed=seed,
        overrides=LISTS,
    )


NEEDLES = built(VALUES)
# Neighbours that matter: they join, end, hide or decode.
GLUE = [
    *" .,;:/\\@+-_%&?=\"'<>()[]{}#\t",
    *(
        "x",
        "7",
        "é",
        "连",
        "“",
        "ü",
        "::",
        "//",
        "http://",
        "HTTPS://",
        "hxxp://",
        "www.",
        "..",
        ".",
    ),
    *("\\/", "\\u002e", "\\\\", "\\n", "%2F", "%2e", "[.]", "u@", ":8080", ":80", "/gate", "?x=1"),
]
WORDS = [value for _, value in VALUES] + [
    "LURE-PORTAL.EXAMPLE",
    "lure-portal[.]example",
    "lure%2Dportal.example",
    "https:\\/\\/lure-portal.example\\/gate",
    "xn--bcher-kva.example",
    "203.0.113.200",
    "::ffff:203.0.113.7",
    "2001:0DB8:0:0:0:0:0:7",
    "2001:db8:7:9::1",
    "C:\\\\Temp\\\\invoice.exe",
    "00-1A-2B-3C-4D-5E",
    "08:30:00",
    "1.2.3",
]
LINE = st.lists(st.sampled_from(GLUE + WORDS), max_size=9).map("".join)
TEXT = st.builds(
    lambda lines, json_too, end: (
        "\n".join(
            (json.dumps({"m": line}) if row % 3 == json_too else line)
            for row, line in enumerate(lines)
        )
        + end
    ),
    st.lists(LINE, max_size=8),
    st.integers(0, 4),
    st.sampled_from(["", "\n"]),
).map(str.encode)


@given(
    TEXT,
    st.sampled_from([64, 200, 1 << 20]),
    st.sampled_from([48, 120, 1 << 20]),
    st.sampled_from([1, 2]),
)
@settings(max_examples=120)
def test_how_blocks_are_cut_changes_no_hit(
    text: bytes, block: int, long_line: int, threads: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(text)
        whole = NEEDLES.scan(text, path=str(path), defang=True)
        cut = hunt.sweep(
            [str(path)],
            NEEDLES,
            defang=True,
            block=block,
            long_line=long_line,
            overlap=1 << 10,
            threads=threads,
        )
    assert [_plain(hit) for hit in cut.hits] == [_plain(hit) for hit in whole]
    assert cut.summary.bytes == len(text)


def _plain(hit: hunt.Hit) -> tuple[int, int, str, str, str, str]:
    return (hit.line, hit.offset, hit.indicator, hit.value, hit.matched, hit.rule)


@given(TEXT, st.integers(0, 2**64 - 1), st.sampled_from(range(len(VALUES))))
@settings(max_examples=60)
def test_a_needle_more_removes_no_hit(text: bytes, seed: int, left_out: int) -> None:
    fewer = built([value for place, value in enumerate(VALUES) if place != left_out], seed)
    some = {_plain(hit) for hit in fewer.scan(text, path="log")}
    every = {_plain(hit) for hit in built(VALUES, seed).scan(text, path="log")}
    assert some <= every
    assert {hit for hit in every if hit[2] != VALUES[left_out][1]} == some


@given(TEXT, st.integers(0, 2**64 - 1))
@settings(max_examples=100)
def test_the_kernel_passes_on_all_that_the_rules_would_take(text: bytes, seed: int) -> None:
    needles = built(VALUES, seed)
    raw = bytes(PAD) + text + bytes(PAD)
    wanted = set()
    for found in re.finditer(rb"[A-Za-z0-9._@-]+", raw):
        run, end = found.start(), found.start() + len(found[0].rstrip(b"."))
        for start in [run, *(run + m.end() for m in re.finditer(rb"[.@]", found[0]))]:
            for entry in needles._names.get(raw[start:end].lower(), ()):
                judged = entry.judge(raw, start, end, run)
                if judged is not None:
                    wanted.add((judged.start - PAD, judged.end - PAD, entry.needle))
    for number in re.finditer(
        rb"(?<![\w.-])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?=\.*(?:[^\w.@-]|\Z))", raw
    ):
        wanted |= _in_prefixes(needles, raw, number.start(), number.end())
    got = {(m.start, m.end, m.armed) for m in needles._look(text)}
    assert wanted <= got


@given(
    st.lists(
        st.sampled_from(
            [
                "::",
                ":",
                "2001:db8",
                ":0:",
                "7",
                "0",
                "ffff",
                "::ffff:",
                "203.0.113.7",
                ".",
                "1.2",
                "g",
                "2001:db8::7",
                "2001:0DB8:0:0:0:0:0:7",
                "2001:db8:7:9::1",
                " ",
                "@",
                "%eth0",
                "12345",
            ]
        ),
        max_size=7,
    ).map("".join)
)
@settings(max_examples=300)
def test_the_filter_for_ipv6_lets_all_through_that_is_wanted(text: str) -> None:
    raw = bytes(PAD) + text.encode() + bytes(PAD)
    numbers = {
        index: ip_network(one.value)
        for index, one in enumerate(NEEDLES.armed)
        if one.kind in ("ipv4", "ipv6", "cidr")
    }
    wanted = set()
    for colon in re.finditer(b":", raw):
        span = rules.span6(raw, colon.start())
        if span is None or not re.search(rb"::|(:.*){6}", raw[span.start : span.end]):
            continue
        address = rules.mapped(span.value) or IPv6Address(span.value)
        wanted |= {
            (span.start - PAD, span.end - PAD, index)
            for index, network in numbers.items()
            if address.version == network.version and address in network
        }
    got = {(m.start, m.end, m.armed) for m in NEEDLES._look(text.encode())}
    assert wanted <= got


def _in_prefixes(needles: Needles, raw: bytes, start: int, end: int) -> set[tuple[int, int, int]]:
    try:
        address = IPv4Address(raw[start:end].decode())
    except ValueError:
        return set()
    if rules.joined_before(raw, start) or not rules.ends_name(raw, end):
        return set()
    if raw[start - 1 : start] == b":":
        return set()
    return {
        (start - PAD, end - PAD, index)
        for index, one in enumerate(needles.armed)
        if one.kind == "cidr" and ":" not in one.value and address in ip_network(one.value)
    }


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_searched_without_harm(data: bytes, defang: bool) -> None:
    for hit in NEEDLES.scan(data, path="log", defang=defang):
        assert 0 <= hit.offset < len(data)


@given(TEXT)
def test_a_hit_names_the_bytes_where_it_stands(text: bytes) -> None:
    lines = text.split(b"\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    for hit in NEEDLES.scan(text, path="log", defang=True):
        raw = hit.matched.encode()
        assert text[hit.offset : hit.offset + len(raw)] == raw
        assert starts[hit.line - 1] <= hit.offset < starts[hit.line]
