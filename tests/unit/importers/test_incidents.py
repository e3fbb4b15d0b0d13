"""Tables of incidents in: whose attribution each is, and every defect flagged and not mended."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ReportError, ReportSizeError
from tocsin.importers import countries, incidents
from tocsin.importers.dates import read_date
from tocsin.importers.interface import Reading, sniff, to_json

BASE = {
    "incident_id": "1",
    "name": "Ferry terminals of Eastmere",
    "start_date": "03.02.2026",
    "end_date": "09.02.2026",
    "receiver_country": "Eastmere",
    "receiver_country_alpha_2_code": "XE",
    "initiator_name": "Grey Heron",
    "initiator_country": "Westmark",
    "initiator_alpha_2": "XW",
    "attribution_id": "11",
    "attribution_date": "12.02.2026",
    "attribution_type": "Political statement",
    "attribution_basis": "Attribution by receiver government / state entity",
    "attributing_actor": "Foreign Office of Eastmere",
    "attributing_company": "",
    "attribution_source_url": "",
    "source_url": "https://ferry.example/a",
}


def table(*rows: dict[str, str], sign: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(BASE), delimiter=sign)
    writer.writeheader()
    for row in rows:
        writer.writerow({**BASE, **row})
    return out.getvalue().encode()


def read(*rows: dict[str, str], **more: Any) -> Reading:
    return incidents.read(table(*rows, **more), "incidents.csv")


def flags(reading: Reading, n: int = 0) -> list[tuple[str, str | None]]:
    return [(flag.name, flag.pointer) for flag in reading.drafts[n].flags]


def test_one_attribution_is_one_draft_of_its_speaker() -> None:
    [one] = read({}).drafts
    assert (one.claim_type, one.speaker, one.addressee) == (
        "attribution", "Foreign Office of Eastmere", "Westmark",
    )  # fmt: skip
    assert (one.date, one.precision, one.flags) == ("2026-02-12", "day", ())
    assert one.coded is not None
    assert one.coded.actor == "Grey Heron"
    assert one.coded.capacity == "agency"
    assert one.coded.pointer == "/1"
    assert one.coded.incident == ("1", "Ferry terminals of Eastmere")
    assert one.coded.sources == ("https://ferry.example/a",)
    assert one.coded.sponsor is None  # a country of origin is not yet a sponsor


def test_the_text_is_a_list_of_paraphrases_and_spans_point_into_it() -> None:
    reading = read({}, {"incident_id": "2", "source_url": "https://other.example/"})
    for one in reading.drafts:
        assert reading.text[slice(*one.span)] == one.words


def test_several_attributions_of_a_row_are_told_apart_by_their_place() -> None:
    reading = read(
        {
            "attribution_id": "11;12",
            "attribution_date": "12.02.2026;2026-03",
            "attribution_basis": "Media-based attribution;IT-security community attributes",
            "attributing_actor": "Foreign Office of Eastmere;Not available",
            "attributing_company": "Not available;Tidewater Labs",
            "initiator_name": "Grey Heron;Dusk Otter",
            "initiator_country": "Westmark;Not available",
        }
    )
    assert [(d.speaker, d.date, d.addressee) for d in reading.drafts] == [
        ("Foreign Office of Eastmere", "2026-02-12", "Westmark"),
        ("Tidewater Labs", "2026-03", None),
    ]
    assert [d.coded.actor for d in reading.drafts if d.coded] == ["Grey Heron", "Dusk Otter"]
    assert [d.coded.capacity for d in reading.drafts if d.coded] == ["press", "vendor"]


def test_lists_within_an_attribution_are_several_speakers() -> None:
    reading = read(
        {
            "attribution_id": "11; 12",
            "attributing_actor": "Eastmere; Northholm; Ostland - Tidewater Labs",
            "attribution_date": "12.02.2026; 13.02.2026",
        }
    )
    assert [(d.speaker, d.date) for d in reading.drafts] == [
        ("Eastmere", "2026-02-12"),
        ("Northholm", "2026-02-12"),
        ("Ostland", "2026-02-12"),
        ("Tidewater Labs", "2026-02-13"),
    ]


def test_values_that_do_not_line_up_are_given_to_nobody() -> None:
    reading = read({"attribution_id": "11;12;13", "attributing_actor": "Eastmere;Northholm"})
    assert [d.speaker for d in reading.drafts] == [None] * 3
    names = [name for name, _ in flags(reading)]
    assert "unaligned" in names
    assert "no-speaker" in names


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"start_date": "2026"}, ("year-only", "/1/start_date")),
        ({"attribution_date": "2025"}, ("year-only", "/1/attribution_date")),
        ({"end_date": "01.01.2026"}, ("interval-reversed", "/1/end_date")),
        ({"start_date": "03.2026", "end_date": "28.02.2026"}, ("interval-reversed", "/1/end_date")),
        ({"attributing_actor": ""}, ("no-speaker", "/1/attributing_actor")),
        ({"attributing_actor": "\u200b \ufeff"}, ("no-speaker", "/1/attributing_actor")),
        ({"start_date": "2026-02-03 99:99"}, ("bad-date", "/1/start_date")),
        ({"initiator_alpha_2": "WM"}, ("unknown-country-code", "/1/initiator_alpha_2")),
        ({"initiator_alpha_2": "xw"}, ("unknown-country-code", "/1/initiator_alpha_2")),
        ({"end_date": "31.02.2026"}, ("bad-date", "/1/end_date")),
        ({"attribution_date": "soon"}, ("bad-date", "/1/attribution_date")),
        ({"start_date": "02/03/2026"}, ("bad-date", "/1/start_date")),
    ],
)
def test_a_defect_is_flagged_with_its_place(row: dict[str, str], expected: Any) -> None:
    reading = read(row)
    assert flags(reading) == [expected]


def test_an_interval_that_may_be_in_order_is_not_flagged() -> None:
    assert flags(read({"start_date": "03.02.2026", "end_date": "02.2026"})) == []


def test_what_is_printed_stays_as_it_was_printed() -> None:
    [one] = read({"end_date": "31.02.2026", "attribution_date": "soon"}).drafts
    assert one.date is None
    assert "31.02.2026" in one.words
    assert "attributed on soon" in one.words


def test_a_row_that_ends_early_is_told() -> None:
    whole = table({}).decode().splitlines()
    short = whole[1].rsplit(",", 3)[0]
    reading = incidents.read("\n".join([whole[0], short]).encode(), "incidents.csv")
    assert [loss.pointer for loss in reading.losses if loss.kind == "bad-row"] == ["/1"]
    assert len(reading.drafts) == 1


def test_two_incidents_with_one_source_are_both_flagged() -> None:
    reading = read({}, {"incident_id": "2", "name": "Ferry terminals once more"}, {})
    assert [flags(reading, n) for n in range(3)] == [
        [("same-source", "/1/source_url")],
        [("same-source", "/2/source_url")],
        [],  # the first incident again, another attribution of it
    ]
    assert "incident 2 too, row 2" in reading.drafts[0].flags[0].note
    assert "incident 1 too, row 1" in reading.drafts[1].flags[0].note


def test_an_incident_that_nobody_attributes_is_a_loss_with_what_is_wrong_with_it() -> None:
    nobody = dict.fromkeys(("attributing_actor", "initiator_name", "initiator_country"), "")
    [*_, loss] = read({**nobody, "start_date": "soon"}).losses
    assert (loss.kind, loss.pointer) == ("no-attribution", "/1")
    assert "bad-date" in loss.note


def test_a_file_is_known_by_its_header() -> None:
    assert sniff(table({}), "e.csv") == "incidents"
    assert sniff(table({}, sign="\t"), "e.tsv") == "incidents"
    assert sniff(b"value,type\na.example,domain\n", "e.csv") == "csv"
    assert sniff(b"id,value,attribution\n1,a.example,x\n", "e.csv") == "incidents"


def test_lists_with_semicolons_do_not_make_the_file_one_of_semicolons() -> None:
    names = [f"A{n};B{n};C{n};D{n};E{n};F{n}" for n in range(60)]
    reading = read(*({"initiator_name": one, "incident_id": str(n)} for n, one in enumerate(names)))
    assert [d.coded.incident[0] for d in reading.drafts if d.coded and d.coded.incident] == [
        str(n) for n in range(60)
    ]


def test_it_refuses_what_is_no_such_table() -> None:
    for raw in (b"", b"incident_id,name\n1,x\n", b"a\0b", b"\xff\xfe\x00"):
        with pytest.raises(ReportError):
            incidents.read(raw, "x.csv")


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidents, "MAX_ROWS", 3)
    assert len(read({}, {}, {}).drafts) == 3
    with pytest.raises(ReportSizeError, match="more than 3 rows"):
        read({}, {}, {}, {})
    monkeypatch.setattr(incidents, "MAX_DRAFTS", 2)
    with pytest.raises(ReportSizeError, match="more than 2 attributions"):
        read({}, {}, {})


def test_a_quote_without_an_end_costs_no_more_than_its_cell() -> None:
    broken = table({}) + b'2,"never ends\n' + table({"incident_id": "3"}).split(b"\n", 1)[1]
    reading = incidents.read(broken, "x.csv")
    assert reading.drafts[0].speaker == "Foreign Office of Eastmere"


def test_json_has_flags_and_places_as_data() -> None:
    plain = json.loads(json.dumps(to_json(read({"start_date": "2026"}))))
    [one] = plain["drafts"]
    assert one["flags"] == [
        {"name": "year-only", "note": "2026: a year and no day", "pointer": "/1/start_date"}
    ]
    assert one["coded"]["pointer"] == "/1"


CELLS = st.text(
    alphabet=st.one_of(st.sampled_from(';,"\r\n\t -.0129XE'), st.characters(codec="utf-8")),
    max_size=30,
)


@given(st.lists(st.dictionaries(st.sampled_from(list(BASE)), CELLS), max_size=4))
def test_any_cells_are_read_or_refused(rows: list[dict[str, str]]) -> None:
    try:
        reading = read(*rows)
    except ReportError:
        return
    for one in reading.drafts:
        assert reading.text[slice(*one.span)] == one.words
        assert one.coded is not None
    json.dumps(to_json(reading))


@given(st.binary(max_size=300))
def test_any_bytes_behind_a_header_are_read_or_refused(tail: bytes) -> None:
    with suppress(ReportError):
        incidents.read(table({}) + tail, "x.csv")


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("22.11.2026", "2026-11-22"),
        ("1.2.2026", "2026-02-01"),
        ("11.2026", "2026-11"),
        ("2026-11-22 08:30:00", "2026-11-22"),
        ("2026-11-22T08:30:00.123Z", "2026-11-22"),
        ("2026-11-22 08:30 +02:00", "2026-11-22"),
        ("2026-11-22T23:59:60-0500", "2026-11-22"),
        ("2026-11-22 99:99", None),
        ("2026-11-22 24:00:00", None),
        ("2026-11-22 --", None),
        ("2026", "2026"),
        ("22/11/2026", None),
        ("2026-13", None),
        ("0026", None),
        ("٢٠٢٦", None),
        ("Spring 2026", None),
        ("2" * 100, None),
    ],
)
def test_dates(printed: str, value: str | None) -> None:
    found = read_date(printed)
    assert (found.value if found else None) == value


def test_country_codes_left_to_users_are_known() -> None:
    assert all(countries.known(code) for code in ("XE", "QM", "ZZ", "FR", "KE"))
    assert not any(countries.known(code) for code in ("", "fr", "FRA", "WM", "A1"))


@pytest.mark.parametrize("blank", [b"\n", b",,\n", b'" "\n'])
def test_a_file_of_blank_rows_is_refused_before_it_costs_much(
    blank: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "MAX_BLANK", 10)
    assert len(incidents.read(table({}) + blank * 10, "incidents.csv").drafts) == 1
    with pytest.raises(ReportSizeError, match="more than 10 rows without a value"):
        incidents.read(table({}) + blank * 11, "incidents.csv")
