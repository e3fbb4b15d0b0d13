"""A table with one value a row. A cell that a spreadsheet would take for a formula gets a `'`."""

from __future__ import annotations

import csv
import io

from tocsin.exporters.interface import Selection, Written

COLUMNS = (
    "value", "type", "port", "first_seen", "valid_until", "tlp", "indicator", "comment", "creator",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(text: str) -> str:
    """A cell that no spreadsheet computes. Spec: exchange.md §3."""
    text = text.replace("\x00", "")
    return "'" + text if text.startswith(_FORMULA) else text


def write(selection: Selection) -> Written:
    """The table, in UTF-8 with a header row and RFC 4180 line ends."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(COLUMNS)
    for one in selection.lines:
        row = (
            one.value, one.kind, str(one.port or ""), one.starts or "", one.expires or "",
            one.tlp, one.indicator, one.name, one.creator,
        )  # fmt: skip
        table.writerow([cell(text) for text in row])
    return Written(
        raw=out.getvalue().encode(),
        media_type="text/csv; charset=utf-8",
        suffix=".csv",
        count=len(selection.lines),
    )
