"""`tocsin claims` and `tocsin standing`: who says what, and how it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from tocsin.cli import terminal
from tocsin.cli.terminal import line
from tocsin.errors import (
    NotFoundError,
    UsageError,
    VerificationError,
)

if TYPE_CHECKING:
    pass


@click.command()
@click.argument("query", nargs=-1)
@click.option("--by", help="Only what this one says (part of a name, or an id).")
@click.option("--about", help="Only what is said about this one.")
@click.option("--challenged", is_flag=True, help="Only claims that somebody answered.")
@click.option("--as-known", metavar="TIME", help="As known then: a day, or 2026-11-22T08:30:00Z.")
@terminal.CASE
@terminal.AS
@click.option("--csv", "as_csv", is_flag=True, help="All of it as a table for a spreadsheet.")
@terminal.JSON
def claims(
    query: tuple[str, ...],
    by: str | None,
    about: str | None,
    challenged: bool,
    as_known: str | None,
    case: str | None,
    as_party: str | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Who says what, and how it stands: what has been shown, not what is true.

    Example: tocsin claims --case case--… --challenged
    """
    with terminal.node() as client:
        case = terminal.whole_id(client, "case", case) if case else None
        found = client.get(
            "/claims",
            q=" ".join(query),
            by=by,
            about=about,
            case=case,
            challenged="1" if challenged else "",
            as_known=as_known,
        )["items"]
    if as_csv:
        from tocsin.flows import claim_tables, weighed

        terminal.csv_out(claim_tables.listed(msgspec.convert(found, list[weighed.ClaimRow])))
        return
    if as_json:
        terminal.json_out(found)
        return
    if not found:
        narrowed = query or by or about or challenged or case or as_known
        click.echo(f"no claims here that you may read{', of those asked for' if narrowed else ''}")
        return
    click.echo("what has been shown, not what is true\n")
    terminal.table(
        ["CLAIM", "SAID", "SPEAKER", "TYPE", "ANSWERS", "STANDING", "WORDS"],
        [
            [
                r["id"][:13],
                r["said_at"][:10],
                terminal.clip(speaker(r), 30),
                r["word"],
                answered(r),
                r["now_words"]
                + ("" if r["now_words"] == r["then_words"] else f" (then: {r['then_words']})"),
                terminal.clip(("“" + r["text"] + "”") if r["quoted"] else r["text"], 70),
            ]
            for r in found
        ],
        grow=2,
        below=2,
    )
    line_ = f"\nnext  {terminal.again()} standing CLAIM (its first characters do)"
    click.echo(line_, err=True)


def speaker(row: dict[str, Any]) -> str:
    """Who says it, and for whom."""
    name = (row["speaker"] or {}).get("name") or row["printed"] or "not named"
    return f"{name} for {row['speaks_for']['name']}" if row["speaks_for"] else str(name)


def answered(row: dict[str, Any]) -> str:
    """What others said to it, counted."""
    counts = [
        (row["denials"], "denied"),
        (row["rivals"], "rival"),
        (row["critiques"], "critique"),
        (row["answers"], "answered"),
    ]
    return ", ".join(word if n == 1 else f"{word} {n}" for n, word in counts if n) or "-"


@click.command()
@click.argument("what", metavar="FILE|CLAIM")
@click.option("--claim", "only", metavar="ID", help="Only this claim of the file.")
@click.option("--for", "reader", metavar="PARTY", help="As this party may see it (identity id).")
@click.option("--as-known", metavar="TIME", help="As known then: a day, or 2026-11-22T08:30:00Z.")
@click.option("--coded-by", metavar="ID", help="Only what this coder published.")
@click.option("--since", metavar="TIME", help="What changed since then, and why.")
@click.option("--csv", "as_csv", is_flag=True, help="Of a CLAIM: answers and grounds as a table.")
@terminal.AS
@terminal.JSON
def standing(
    what: str,
    only: str | None,
    reader: str | None,
    as_known: str | None,
    coded_by: str | None,
    since: str | None,
    as_csv: bool,
    as_party: str | None,
    as_json: bool,
) -> None:
    """How a claim stands: link by link, each reason, what was dropped and by whom.

    A FILE is a STIX bundle and needs no node; a CLAIM is an id on the node.

    Example: tocsin standing bundle.json --json
    """
    if what.startswith("note--"):
        with terminal.node() as client:
            what = terminal.whole_id(client, "note", what)
            try:
                one = client.get(f"/claims/{what}/standing", as_known=as_known)
            except NotFoundError as wrong:
                when = f" by {as_known}" if as_known else ""
                raise NotFoundError(
                    f"no claim {what} is known here{when}",
                    remedy="tocsin claims lists what you may read; its first characters do",
                ) from wrong
            if since is not None:
                steps = client.get(f"/claims/{what}/changes", after=since, until=as_known)["items"]
                _print_changes(what, steps, since, as_json)
                return
            page = client.get(f"/claims/{what}", as_known=as_known)
        if as_csv:
            from tocsin.flows import claim_tables, weighed

            terminal.csv_out(claim_tables.beside(msgspec.convert(page, weighed.ClaimPage)))
        elif as_json:
            terminal.json_out([one])
        else:
            print_standing(one, [said["text"] for said in page["now"]["sentences"]])
        return
    from tocsin.wiring.offline import standings_of_file

    if as_csv:
        raise UsageError(
            f"--csv is for a claim on a node, and {what} is a file", remedy="take --json"
        )
    if since is not None:
        raise UsageError(
            f"--since is for a claim on a node, and {what} is a file",
            remedy="compare two of: tocsin standing FILE --as-known TIME",
        )
    found, sentences, broken = standings_of_file(
        terminal.read_input(what), what, only=only, reader=reader, as_known=as_known, coder=coded_by
    )
    if as_json:
        terminal.json_out(found)
    else:
        for one, words in zip(found, sentences, strict=True):
            print_standing(one, words)
        if not found:
            click.echo("no claims in this file")
    if broken:
        raise VerificationError(
            "; ".join(f"{b.id}: {b.message}" for b in broken[:5])
            + (f" and {len(broken) - 5} more" if len(broken) > 5 else ""),
            remedy="left out of weighing; correct them and publish newer versions",
        )


def _print_changes(claim: str, steps: list[dict[str, Any]], since: str, as_json: bool) -> None:
    if as_json:
        terminal.json_out(steps)
        return
    if not steps:
        click.echo(f"nothing changed in how {claim} stands since {since}", err=True)
    for step in steps:
        before = "" if step["words_before"] == step["words_after"] else step["words_before"] + " → "
        line(f"{step['at'][:16].replace('T', ' ')}  {before}{step['words_after']}")
        for one in step["came"]:
            line(f"  came  {one['name']}")
        for one in step["links"]:
            line(f"  link  {one['link']}: {one['before']} → {one['after']}")
        for one in step["sentences"]:
            line(f"  why   {one['text']}")


def print_standing(one: dict[str, Any], sentences: list[str]) -> None:
    line(f"{one['claim']}  {one['level'] or 'not weighed'}")
    for name, grade in one["links"].items():
        shown = "" if grade["shown"] or grade["grade"] == "none-shown" else "  (stated, not shown)"
        line(f"  {name:10} {grade['grade']}{shown}")
    for sentence in sentences:
        line(f"  {sentence}")
    line(f"  inputs sha256 {one['inputs_sha256']}")
