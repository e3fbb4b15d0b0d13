"""Tables in: which cell is which, what is guessed, and what a spreadsheet would have computed."""

from __future__ import annotations

import csv as tables
import io
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ReportError, ReportSizeError
from tocsin.importers import csv
from tocsin.importers.interface import Reading, sniff, to_json


def read(text: str, **more: Any) -> Reading:
    return csv.read(text.encode(), "feed.csv", **more)


def found(reading: Reading) -> list[tuple[str, str]]:
    return [(one.type, one.value) for one in reading.indicators]


def kinds(reading: Reading) -> list[str]:
    return [loss.kind for loss in reading.losses]


def test_a_header_names_the_columns_in_any_order_and_sign() -> None:
    for sign in ",;\t":
        row = sign.join(["seen in mail", "green", "a.example", "domain"])
        reading = read(sign.join(["Comment", "TLP", "Value", "Type"]) + "\n" + row + "\n")
        [one] = reading.indicators
        assert (one.type, one.value, one.tlp, one.comment) == (
            "domain", "a.example", "GREEN", "seen in mail",
        )  # fmt: skip
        assert one.notes == ()


def test_a_type_that_is_not_named_is_guessed_and_shown_so() -> None:
    [one] = read("value\n203.0.113.9\n").indicators
    assert (one.type, one.notes) == ("ipv4", ("type guessed",))
    [two] = read("value,type\na.example,gizmo\n").indicators
    assert two.notes == ("type guessed: gizmo is none we know",)


def test_columns_are_named_where_there_is_no_header() -> None:
    reading = read("a.example,domain,mail\nb.example,domain,web\n", columns="value,type,comment")
    assert found(reading) == [("domain", "a.example"), ("domain", "b.example")]


def test_one_column_of_values_needs_no_header_but_it_is_said() -> None:
    reading = read("a.example\nb.example\n")
    assert len(reading.indicators) == 2
    assert [loss.note for loss in reading.losses] == [
        "no header row: column 1 is taken as the values"
    ]


def test_a_kind_of_value_in_the_first_row_makes_it_no_header() -> None:
    reading = read("a[.]example,domain,2026-11-01\n198.51.100.7,ip,2026-11-02\n")
    assert found(reading) == [("domain", "a.example"), ("ipv4", "198.51.100.7")]
    assert [loss.note for loss in reading.losses] == [
        "no header row: column 1 is taken as the values"
    ]


def test_a_column_of_a_kind_is_read_as_that_kind() -> None:
    reading = read("name,sha256,ip\nx," + "a" * 64 + ",203.0.113.9\ny,,198.51.100.7\n")
    assert found(reading) == [
        ("sha256", "a" * 64), ("ipv4", "203.0.113.9"), ("ipv4", "198.51.100.7"),
    ]  # fmt: skip
    assert kinds(reading) == ["column"]


def test_what_was_defanged_is_mended_and_its_span_is_as_written() -> None:
    reading = read('value\n"hxxp://a[.]example/x"\n')
    [one] = reading.indicators
    assert (one.value, one.defanged) == ("http://a.example/x", True)
    assert reading.text[one.span[0] : one.span[1]] == "hxxp://a[.]example/x"


@pytest.mark.parametrize("cell", ["=HYPERLINK(1)", "@SUM(A1)", "+cmd|x()", "-1+cmd()"])
def test_a_cell_that_would_be_computed_is_a_loss(cell: str) -> None:
    reading = read(f"value\n{cell}\na.example\n")
    assert found(reading) == [("domain", "a.example")]
    assert kinds(reading) == ["formula"]


def test_a_cell_that_was_kept_from_computing_is_read_without_its_guard() -> None:
    reading = read("value,type\n'-weird.exe,filename\n")
    assert found(reading) == [("file-name", "-weird.exe")]


@pytest.mark.parametrize(
    ("said", "asked", "level"),
    [
        ("", None, None),
        ("", "AMBER", "AMBER"),
        ("green", None, "GREEN"),
        ("TLP:WHITE", None, "CLEAR"),
        ("clear", "AMBER", "AMBER"),
        ("red", "GREEN", "RED"),
        ("amber+strict", None, "AMBER+STRICT"),
        ("purple", None, "RED"),
    ],
)
def test_a_rows_marking_only_tightens(said: str, asked: Any, level: str | None) -> None:
    [one] = read(f"value,tlp\na.example,{said}\n", tlp=asked).indicators
    assert one.tlp == level


def test_times_are_rfc_3339_or_said_to_be_none() -> None:
    header = "value,first_seen,expires\n"
    [one] = read(header + "a.example,2026-11-01,2026-12-01T08:00:00+01:00\n").indicators
    assert (one.first_seen, one.valid_until) == ("2026-11-01T00:00:00Z", "2026-12-01T07:00:00Z")
    [two] = read("value,first_seen\na.example,yesterday\n").indicators
    assert two.notes[-1] == "yesterday is no time: left out"
    [three] = read(header + "a.example,2026-11-02,2026-11-01\n").indicators
    assert three.valid_until is None


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("value\na.example\n".encode("utf-8-sig"), "a.example"),
        ("value\na.example\n".encode("utf-16"), "a.example"),
        ("value;comment\na.example;caf\xe9\n".encode("latin-1"), "a.example"),
        (b"value\r\na.example\r\n", "a.example"),
        (b"value\ra.example\r", "a.example"),
    ],
)
def test_encodings_and_line_ends(raw: bytes, value: str) -> None:
    reading = csv.read(raw, "x.csv")
    assert found(reading) == [("domain", value)]
    assert ("bad-characters" in kinds(reading)) is (b"\xe9" in raw)


def test_a_value_twice_is_one_draft() -> None:
    assert len(read("value\na.example\nA.EXAMPLE\n").indicators) == 1


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"# only\n", b"a\0b", b"name,age\nx,3\n"])
def test_what_is_no_table_of_values_is_refused_with_a_remedy(raw: bytes) -> None:
    with pytest.raises(ReportError) as refused:
        csv.read(raw, "x.csv")
    assert refused.value.remedy


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "MAX_ROWS", 2)
    with pytest.raises(ReportSizeError, match="more than 2 rows"):
        read("value\na.example\nb.example\nc.example\n")


def test_a_table_is_told_by_its_name() -> None:
    assert sniff(b"value,type", "feed.csv") == "csv"
    assert sniff(b"value,type", "feed.txt") == "report"


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


ROWS = st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=6)


@given(ROWS, st.sampled_from(",;\t"))
def test_a_table_anybody_wrote_is_cut_as_it_was_written(rows: list[list[str]], sign: str) -> None:
    out = io.StringIO()
    tables.writer(out, delimiter=sign, quoting=tables.QUOTE_ALL).writerows(rows)
    text = out.getvalue()
    losses: list[Any] = []
    cut = [[cell.text for cell in row] for row in csv._rows(text, sign, losses)]
    assert cut == [row for row in rows if any(cell.strip() for cell in row)]
    assert losses == []
    for row in csv._rows(text, sign, []):
        for cell in row:
            assert not cell.plain or text[cell.start : cell.end] == cell.text


@given(st.text(max_size=200) | st.text("\",;\n\t'=@a.0", max_size=200))
def test_any_text_is_read_or_refused_never_worse(text: str) -> None:
    try:
        reading = csv.read(text.encode("utf-8", "replace"), "x.csv", columns="value,type,tlp")
    except ReportError:
        return
    json.dumps(to_json(reading))
    for one in reading.indicators:
        assert 0 <= one.span[0] <= one.span[1] <= len(reading.text)


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused_never_worse(data: bytes) -> None:
    with suppress(ReportError):
        csv.read(data, "x.csv")


def test_a_loss_says_in_which_line_of_the_file_it_stands() -> None:
    reading = read("value,type\na.example,domain\r\nnot an address,ipv4\n\n,domain\n=1+1,domain\n")
    notes = [loss.note for loss in reading.losses]
    assert [note.partition(":")[0] for note in notes] == ["line 3", "line 5", "line 6"]


def test_a_header_row_beside_named_columns_is_no_row_of_values() -> None:
    raw = b"value,type\n203.0.113.9,ip\n"
    found = csv.read(raw, "a.csv", columns="value,type")
    assert [one.value for one in found.indicators] == ["203.0.113.9"]
    assert ["header row" in loss.note for loss in found.losses] == [True]
    plain = csv.read(b"203.0.113.9,ip\n", "a.csv", columns="value,type")
    assert ([one.value for one in plain.indicators], plain.losses) == (["203.0.113.9"], ())


def test_a_word_that_is_no_column_is_refused_with_the_nearest() -> None:
    with pytest.raises(ReportError, match="no column 'valeu'") as refused:
        csv.read(b"203.0.113.9,ip\n", "a.csv", columns="valeu,type")
    assert "did you mean value?" in (refused.value.remedy or "")
    found = csv.read(b"x,203.0.113.9\n", "a.csv", columns="-,value")
    assert [one.value for one in found.indicators] == ["203.0.113.9"]
