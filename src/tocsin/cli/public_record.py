"""`demo record`: the public record on a terminal, as files, and in a browser."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tocsin.cli import terminal
from tocsin.flows.public_record import CODER, READ_ONLY


def _opening() -> None:
    click.echo("what has been shown, not what is true")
    click.echo(f"{CODER}; {READ_ONLY}\n")


def show_all(as_known: str | None, as_json: bool, as_csv: bool = False) -> None:
    """Every claim of the record: who, when, how it stood and stands."""
    from msgspec import to_builtins

    from tocsin.cli.claims import answered, speaker
    from tocsin.flows import claim_tables
    from tocsin.flows.known import as_known as instant_of
    from tocsin.flows.weigh import claims
    from tocsin.policy import ANONYMOUS
    from tocsin.wiring.public_record import public_record

    found = claims(public_record(), ANONYMOUS, at=instant_of(as_known))
    if as_csv:
        terminal.csv_out(claim_tables.listed(found))
        return
    if as_json:
        terminal.json_out(found)
        return
    _opening()
    terminal.table(
        ["CLAIM", "SAID", "SPEAKER", "TYPE", "STANDING", "ANSWERS", "WORDS", "TRANSLATED"],
        [
            [
                row.id[:13],
                row.said_at[:10],
                terminal.clip(speaker(to_builtins(row)), 30),
                row.word,
                row.now_words
                + ("" if row.now_words == row.then_words else f" (then: {row.then_words})"),
                answered(to_builtins(row)),
                terminal.clip(row.original or row.text, 70),
                terminal.clip(row.text, 70)
                if row.original
                else terminal.clip(f"coder’s words: {row.gist}", 70)
                if row.gist
                else "",
            ]
            for row in found
        ],
        grow=2,
        below=4,
    )


def show(claim: str, as_known: str | None, as_json: bool, as_csv: bool = False) -> None:
    """How one claim stands, link by link, with the reasons; as a table, what stands beside it."""
    from tocsin.cli.claims import print_standing
    from tocsin.flows import claim_tables
    from tocsin.wiring.public_record import claim_id, page_of, standing_of

    if as_csv:
        terminal.csv_out(claim_tables.beside(page_of(claim_id(claim), as_known)))
        return
    found, sentences = standing_of(claim_id(claim), as_known)
    if as_json:
        terminal.json_out([found])
        return
    _opening()
    print_standing(found, sentences)


def save(folder: str, as_json: bool) -> None:
    """The bundles as files, byte for byte as they are shipped, for any tool that reads STIX."""
    from tocsin.wiring.public_record import bundles

    made = []
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, raw in bundles().items():
        path = str(Path(folder) / name)
        terminal.write_output(path, raw)
        made.append(path)
    if as_json:
        terminal.json_out(made)
        return
    for path in made:
        click.echo(path)
    click.echo(f"{CODER}\nnext  tocsin standing {made[0]}", err=True)


def serve(host: str, port: int) -> None:
    """The record in a browser, until Ctrl-C."""
    from tocsin.wiring.public_record import serve_record

    def say(url: str) -> None:
        click.echo(f"record  {url}/claims   (no sign-in; it is only read)")
        click.echo(f"coded   by {CODER}, from public pages whose addresses stand beside the words")
        click.echo("stop    Ctrl-C")
        sys.stdout.flush()

    serve_record(host=host, port=port, say=say)
    click.echo("stopped", err=True)
