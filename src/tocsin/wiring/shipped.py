"""What this version ships: importers and exporters by name, and the files of a sheet."""

from __future__ import annotations

from importlib import resources

from tocsin.cases.sheet import SheetPage
from tocsin.exporters import blocklist, misp_feed, rpz, suricata, zeek
from tocsin.exporters import csv as csv_out
from tocsin.exporters import misp as misp_out
from tocsin.exporters import stix as stix_out
from tocsin.exporters.interface import Exporter
from tocsin.importers import csv, groups, incidents, misp, report, stix
from tocsin.importers.interface import Importer

IMPORTERS: dict[str, Importer] = {
    "report": report,
    "stix": stix,
    "misp": misp,
    "csv": csv,
    "incidents": incidents,
    "groups": groups,
}
EXPORTERS: dict[str, Exporter] = {
    "misp": misp_out,
    "misp-feed": misp_feed,
    "csv": csv_out,
    "stix": stix_out,
    "rpz": rpz,
    "suricata": suricata,
    "zeek": zeek,
    "blocklist": blocklist,
}


def sheet_page() -> SheetPage:
    """The files a sheet is made of, as this version ships them."""
    cases = resources.files("tocsin.cases")
    return SheetPage(
        template=cases.joinpath("sheet.html").read_text("utf-8"),
        style=cases.joinpath("sheet.css").read_text("utf-8"),
        script=resources.files("tocsin.console").joinpath("static/verify.js").read_text("utf-8"),
    )
