"""Lists for machines: each format's own grammar, and nothing that breaks out of its line."""

from __future__ import annotations

import csv as tables
import io
import re
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import IndicatorError
from tocsin.exporters import blocklist, csv, rpz, suricata, zeek
from tocsin.exporters.interface import Line, Selection, Written, values_of

ID = "indicator--5f0c2a1e-0000-4000-8000-0000000000{:02x}"
AT = datetime(2026, 11, 22, 8, tzinfo=UTC)


def line(kind: str, value: str, n: int = 1, **more: Any) -> Line:
    fields = {"tlp": "GREEN", "modified": "2026-11-18T08:00:00.000Z", **more}
    return Line(kind=kind, value=value, indicator=ID.format(n), **fields)


def selection(*lines: Line, title: str = "Grid wiper") -> Selection:
    return Selection(
        title=title,
        key="k",
        party="cert.northland.example",
        identity="identity--5f0c2a1e-0000-4000-8000-0000000000aa",
        at=AT,
        lines=lines,
    )


KINDS = st.one_of(
    st.ip_addresses(v=4).map(lambda a: ("ipv4", str(a))),
    st.ip_addresses(v=6).map(lambda a: ("ipv6", a.compressed)),
    st.tuples(st.ip_addresses(), st.integers(8, 32)).map(
        lambda p: ("cidr", str(ip_network(f"{p[0]}/{p[1]}", strict=False)))
    ),
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?\.example", fullmatch=True).map(
        lambda d: ("domain", d)
    ),
    st.text(min_size=1, max_size=30).map(lambda t: ("url", "http://a.example/" + t)),
    st.text(min_size=1, max_size=30).map(lambda t: ("domain", t)),
    st.text(min_size=1, max_size=30).map(lambda t: ("file-name", t)),
    st.text(min_size=1, max_size=30).map(lambda t: ("user-agent", t)),
    st.from_regex(r"[0-9a-f]{64}", fullmatch=True).map(lambda h: ("sha256", h)),
)
LINES = st.lists(
    st.builds(
        lambda pair, **more: line(pair[0], pair[1], **more),
        KINDS,
        n=st.integers(0, 255),
        port=st.none() | st.integers(0, 65_535),
        expires=st.sampled_from([None, "2026-12-01T00:00:00.000Z", "x\n203.0.113.1", 'é";']),
        name=st.text(max_size=20),
    ),
    max_size=8,
)

# --- zone: RFC 1035 §5.1 and draft-vixie-dnsop-dns-rpz, read strictly --------------------------

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_RECORD = re.compile(
    rf"(?P<owner>@|{_LABEL}(?:\.{_LABEL})*) IN (?P<type>CNAME|SOA|NS) (?P<data>[^;]*?)"
    r"(?: ; (?P<note>[ -~]*))?"
)


def read_zone(raw: bytes) -> dict[str, str]:
    """Owner → note of every CNAME; raises on any line that is not of the grammar."""
    found: dict[str, str] = {}
    for row in raw.decode("ascii").splitlines():
        if row.startswith(";") or re.fullmatch(r"\$TTL \d+", row):
            continue
        match = _RECORD.fullmatch(row)
        assert match, row
        assert len(match["owner"]) <= 253
        assert all(len(label) <= 63 for label in match["owner"].split("."))
        if match["type"] == "CNAME":
            assert match["data"] == "."
            assert match["owner"] not in found, "a CNAME stands alone at its name"
            found[match["owner"]] = match["note"]
    return found


def address_of(owner: str) -> str:
    """The prefix that a name below rpz-ip stands for."""
    parts = owner.removesuffix(".rpz-ip").split(".")
    length, parts = parts[0], parts[:0:-1]
    if len(parts) == 4 and "zz" not in parts:
        return f"{'.'.join(parts)}/{length}"
    at = parts.index("zz") if "zz" in parts else None
    if at is not None:
        parts[at : at + 1] = ["0"] * (8 - len(parts) + 1)
    return str(ip_network(f"{':'.join(parts)}/{length}"))


@given(LINES)
def test_a_zone_reads_back_as_what_went_in(lines: list[Line]) -> None:
    written = rpz.write(selection(*lines))
    owners = read_zone(written.raw)
    got = {address_of(o) if o.endswith(".rpz-ip") else o for o in owners}
    want = set()
    for one in lines:
        if one.port is None and one.kind in ("ipv4", "ipv6", "cidr"):
            want.add(str(ip_network(one.value)))
    assert {g for g in got if "/" in g} == want
    assert written.count == len(owners)
    told = {loss.id for loss in written.losses}
    for note in owners.values():
        told.update(re.findall(r"indicator--[0-9a-f-]{36}", note))
    assert told == {one.indicator for one in lines}


@pytest.mark.parametrize(
    ("value", "owner"),
    [
        ("203.0.113.9", "32.9.113.0.203.rpz-ip"),
        ("203.0.113.0/24", "24.0.113.0.203.rpz-ip"),
        ("2001:db8::9", "128.9.zz.db8.2001.rpz-ip"),
        ("::1", "128.1.zz.rpz-ip"),
        ("2001:db8::/32", "32.zz.db8.2001.rpz-ip"),
        ("::/16", "16.zz.rpz-ip"),
    ],
)
def test_an_address_has_the_name_the_draft_gives_it(value: str, owner: str) -> None:
    assert rpz.address_owner(value) == owner


# --- Suricata rules, read strictly -------------------------------------------------------------

_RULE = re.compile(
    r"alert (?P<proto>ip|tcp|udp|dns|tls|http) any any (?P<way>->|<>) (?P<to>any|\[[0-9a-f.:/]+\]) "
    r"(?P<port>any|\d{1,5}) \((?P<options>.*)\)"
)
_OPTION = re.compile(r'([a-z_.]+)(?::("(?:[^"\\;]|\\.)*"|[^";]*))?; ?')
_KNOWN = frozenset(
    [
        "msg",
        "metadata",
        "sid",
        "rev",
        "content",
        "bsize",
        "nocase",
        "dns.query",
        "tls.sni",
        "http.host",
        "http.uri",
    ]
)


def read_rules(raw: bytes) -> list[dict[str, list[str]]]:
    found = []
    for row in raw.decode("ascii").splitlines():
        if row.startswith("#"):
            continue
        match = _RULE.fullmatch(row)
        assert match, row
        options: dict[str, list[str]] = {"to": [match["to"]], "proto": [match["proto"]]}
        at = 0
        while at < len(match["options"]):
            option = _OPTION.match(match["options"], at)
            assert option, match["options"][at:]
            assert option[1] in _KNOWN, option[1]
            options.setdefault(option[1], []).append((option[2] or "").strip('"'))
            at = option.end()
        if match["proto"] == "http":
            assert "nocase" not in options, "http.host refuses nocase"
        assert 0 < int(options["sid"][0]) < 2**32
        assert 0 < int(options["rev"][0]) < 2**32
        found.append(options)
    return found


def plain_content(text: str) -> str:
    return re.sub(r"\|([0-9a-f]{2})\|", lambda m: chr(int(m[1], 16)), text)


@given(LINES)
def test_rules_are_of_the_grammar_and_each_has_a_sid_of_its_own(lines: list[Line]) -> None:
    usable = [x for x in lines if x.kind not in ("domain", "url") or x.value.isascii()]
    written = suricata.write(selection(*usable))
    rules = read_rules(written.raw)
    sids = [r["sid"][0] for r in rules]
    assert len(sids) == len(set(sids)) == written.count
    for rule in rules:
        for content, size in zip(rule.get("content", ()), rule.get("bsize", ()), strict=True):
            assert len(plain_content(content)) == int(size)


def test_a_name_is_looked_for_in_three_places_and_an_address_in_one() -> None:
    rules = read_rules(
        suricata.write(
            selection(line("domain", "relay.tidebeacon.example"), line("ipv6", "2001:db8::9", 2))
        ).raw
    )
    assert [r["proto"] for r in rules] == [["dns"], ["tls"], ["http"], ["ip"]]
    assert rules[3]["to"] == ["[2001:db8::9]"]


def test_an_indicator_keeps_its_sid_whatever_stands_beside_it() -> None:
    one = line("ipv4", "203.0.113.9", 7)
    alone = read_rules(suricata.write(selection(one)).raw)
    among = read_rules(
        suricata.write(selection(*(line("ipv4", f"198.51.100.{n}", n) for n in range(6)), one)).raw
    )
    assert alone[0]["sid"] in [r["sid"] for r in among]


def test_a_collision_of_sids_is_settled_the_same_way_each_time() -> None:
    taken: set[int] = set()
    first = suricata.sid_of("a", "dns x", taken)
    assert suricata.sid_of("a", "dns x", taken) != first
    assert suricata.sid_of("a", "dns x", {first}) == suricata.sid_of("a", "dns x", {first})


# --- Zeek, blocklist, CSV ----------------------------------------------------------------------


@given(LINES)
def test_a_zeek_file_has_the_fields_its_header_names(lines: list[Line]) -> None:
    written = zeek.write(selection(*lines))
    rows = written.raw.decode().split("\n")
    assert rows[0] == "#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc"
    data = [r.split("\t") for r in rows[1:] if r and not r.startswith("#")]
    assert all(len(r) == 4 and all(r) for r in data)
    assert len(data) == written.count
    assert {r[1] for r in data} <= set(zeek.TYPES.values())
    assert not any(r[0].startswith("http://") for r in data)


@given(LINES)
def test_a_blocklist_holds_one_value_a_line(lines: list[Line]) -> None:
    written = blocklist.write(selection(*lines))
    every = written.raw.decode().split("\n")
    values = [n for n, r in enumerate(every) if r and not r.startswith("#")]
    assert len(values) == written.count
    for n in values:
        # What reads a list takes the whole line; what is said of it stands before it.
        assert not any(c.isspace() or c == "#" for c in every[n][:1] + every[n][1:].split("#")[0])
        assert every[n - 1].startswith("# indicator--")


def test_each_kind_of_a_blocklist_has_its_heading() -> None:
    written = blocklist.write(
        selection(line("sha256", "ab" * 32), line("domain", "a.example"), line("ipv4", "192.0.2.1"))
    )
    found = [r for r in written.raw.decode().split("\n") if r.startswith("# ---") or r[:1] != "#"]
    assert found == [
        *("# --- ipv4", "192.0.2.1", "# --- domain", "a.example"),
        *("# --- sha256", "ab" * 32, ""),
    ]


@given(LINES)
def test_a_table_reads_back_and_computes_nothing(lines: list[Line]) -> None:
    written = csv.write(selection(*lines))
    rows = list(tables.reader(io.StringIO(written.raw.decode(), newline="")))
    assert rows[0] == list(csv.COLUMNS)
    assert len(rows) == len(lines) + 1
    assert not [c for row in rows for c in row if c.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_value_that_would_read_as_a_comment_is_a_loss() -> None:
    written = blocklist.write(selection(line("domain", "#a.example")))
    assert (written.count, len(written.losses)) == (0, 1)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_formula_is_text(text: str) -> None:
    assert csv.cell(text) == "'" + text


@pytest.mark.parametrize("write", [blocklist.write, rpz.write, zeek.write, suricata.write])
def test_each_value_has_its_indicator_expiry_and_marking_beside_it(write: Any) -> None:
    written: Written = write(
        selection(line("domain", "a.example", expires="2026-12-01T00:00:00.000Z", tlp="AMBER"))
    )
    assert f"{ID.format(1)} expires 2026-12-01T00:00:00.000Z TLP:AMBER".encode() in written.raw


@pytest.mark.parametrize("write", [blocklist.write, rpz.write, zeek.write, suricata.write])
def test_a_title_ends_no_comment(write: Any) -> None:
    hostile = 'x\nalert tcp any any -> any any (msg:"pwned"; sid:1;)\n* IN A 192.0.2.1'
    rows = write(selection(line("ipv4", "203.0.113.9"), title=hostile)).raw.decode().split("\n")
    assert not [r for r in rows if r.startswith(("alert tcp", "* IN"))]


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("[ipv4-addr:value = '203.0.113.9']", [("ipv4", "203.0.113.9", None)]),
        (
            "[domain-name:value = 'a.example' OR domain-name:value = 'b.example']",
            [("domain", "a.example", None), ("domain", "b.example", None)],
        ),
        (
            "[network-traffic:dst_ref.type = 'ipv4-addr' AND "
            "network-traffic:dst_ref.value = '203.0.113.9' AND network-traffic:dst_port = 8080]",
            [("ipv4", "203.0.113.9", 8080)],
        ),
        (f"[file:name = 'x.dll' AND file:hashes.MD5 = '{'a' * 32}']", [("md5", "a" * 32, None)]),
    ],
)
def test_a_pattern_that_lists_values_gives_them(pattern: str, values: Any) -> None:
    assert values_of(pattern) == values


@pytest.mark.parametrize(
    "pattern",
    ["[file:size > 3]", "", "[a:b = 'c'] FOLLOWEDBY [a:b = 'd']", "[domain-name:value LIKE '%.x']"],
)
def test_a_pattern_that_says_more_gives_none(pattern: str) -> None:
    with pytest.raises(IndicatorError):
        values_of(pattern)
