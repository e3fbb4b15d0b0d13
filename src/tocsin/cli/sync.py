"""Verbs about the exchange with other nodes: who is reached, and who holds what."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import click

from tocsin.cli import terminal
from tocsin.console.i18n import plural


@click.command()
@click.option("--evidence", metavar="FOLDER", help="Write two statements for one place there.")
@terminal.AS
@terminal.JSON
def peers(evidence: str | None, as_party: str | None, as_json: bool) -> None:
    """The nodes of other parties: reached when, what waits for them, what is wrong.

    LAG: statements for them that they have not said to have. HELD BACK: what they brought and
    cannot be judged yet. Example: tocsin peers
    """
    with terminal.node() as client:
        found = client.get("/peers", **({"evidence": "1"} if evidence else {}))
    if evidence:
        _write(Path(evidence), found["splits"])
    if as_json:
        terminal.json_out(found)
        return
    if not found["items"]:
        terminal.line("nobody else has a node yet: tocsin party invite PARTY --node-url URL")
        return
    terminal.table(
        ["PARTY", "REACHED", "LAG", "HELD BACK", "REFUSED"],
        [
            [p["party"], p["reached"] or "never", p["lag"], p["quarantined"], p["refused"]]
            for p in found["items"]
        ],
        grow=0,
    )
    if not found["running"]:
        off = "this node is not running: nothing is exchanged until it is"
        click.echo(f"{off} ({terminal.again()} up)", err=True)
    # Below the table: an error that is cut off helps nobody.
    for p in found["items"]:
        if p["error"]:
            terminal.line(f"{p['party']}, since {p['failing']}: {p['error']}")
        if p["not_given"]:
            listed = plural(p["not_given"], "statement")
            terminal.line(f"{p['party']} lists {listed} that it does not give")
        if p["contradicted"]:
            named = plural(p["contradicted"], "statement")
            terminal.line(f"{p['party']} named {named} otherwise than the author")
        if not p["url"]:
            terminal.line(f"{p['party']} has no address: it asks and brings by itself")
        if len(p["home"]) > 1:
            terminal.line(f"{p['party']} has guests: {', '.join(p['home'][1:])}")
    for q in found["quarantine"]:
        said = f"{q['id'][:16]} of" if q["id"] else "one of"
        terminal.line(f"held back  {said} {q['author']}, by {q['peer']}: {q['detail']}")

    for s in found["splits"]:
        terminal.line(f"{s['author']} signed two statements for number {s['seq']} of its chain:")
        terminal.line(f"  here  {s['held']}")
        terminal.line(f"  also  {s['other']}")


def _write(folder: Path, splits: list[dict[str, Any]]) -> None:
    for one in splits:
        for which in ("held", "other"):
            data = b64decode(one[f"{which}_envelope"])
            if data:
                folder.mkdir(parents=True, exist_ok=True)
                # As the Log page calls them (flows/splits.file_name).
                name = f"{one['author']}-{one['seq']}-{one[which][:16]}.json"
                terminal.write_output(str(folder / name), data)


@click.command()
@click.argument("id", metavar="ID")
@terminal.AS
@terminal.JSON
def holders(id: str, as_party: str | None, as_json: bool) -> None:
    """To whom a statement or object of yours went, and what became of it there.

    ID: a statement (its first characters do), an object's SHA-256 or STIX id. Only its author is
    told.

    Example: tocsin holders indicator--2f1c0a3e-…
    """
    with terminal.node() as client:
        found = client.get("/holders", id=terminal.whole_statement(client, id))["items"]
    if as_json:
        terminal.json_out({"items": found})
        return
    terminal.table(
        ["PARTY", "STATE", "SINCE", "STATEMENT"],
        [[h["party"], h["state"], h["since"] or "-", h["statement"][:12]] for h in found],
        grow=0,
    )
    if not found:
        terminal.line("it has gone to nobody yet")
