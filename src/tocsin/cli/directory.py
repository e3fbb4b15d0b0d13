"""Verbs about the directory: show, propose, sign, publish, fetch, rivals."""

from __future__ import annotations

from pathlib import Path

import click

from tocsin.canonical import b64decode
from tocsin.cli import terminal
from tocsin.cli.keys import holding, signs
from tocsin.cli.terminal import line
from tocsin.console.i18n import plural
from tocsin.console.untrusted import terminal as safe
from tocsin.errors import UsageError


@click.group()
def directory() -> None:
    """The directory: show, propose, sign, publish, fetch, rivals."""


signs(directory, "directory")


@directory.command("show")
@terminal.AS
@terminal.JSON
def directory_show(as_party: str | None, as_json: bool) -> None:
    """The version in force: registrars, parties, nodes. Example: tocsin directory show"""
    from tocsin.record.directory import fingerprint

    with holding() as holder:
        found = holder.directory
        root = fingerprint(holder.history.ring.root)
    if as_json:
        terminal.json_out({"fingerprint": root, **found.body})
        return
    r = found.registrars
    line(f"version      {found.version}")
    line(f"fingerprint  {root}")
    line(f"registrars   {r.threshold} of {len(r.keys)}: " + ", ".join(k.party for k in r.keys))
    terminal.table(
        ["PARTY", "NAME", "ROOT", "LOG", "ADDRESS", "CLIENTS"],
        [
            [
                p.id,
                p.name,
                f"{p.root.threshold} of {len(p.root.keys)}",
                ", ".join(n.origin for n in p.nodes) or "-",
                ", ".join(n.url for n in p.nodes if n.url) or "-",
                ", ".join(p.clients) or "-",
            ]
            for p in found.parties
        ],
        grow=1,
        below=3,
    )


@directory.command("propose")
@click.option("--out", metavar="FILE", default="-", help="Where to (default: stdout).")
@click.option("--entry", "entries", multiple=True, metavar="FILE", help="Add or replace an entry.")
@click.option("--joining", multiple=True, metavar="PARTY", help="A party whose answer waits here.")
@click.option("--url", help="Where your own node answers; '' takes it out.")
@click.option("--name", help="How your own organisation calls itself.")
@click.option("--client", "clients", multiple=True, metavar="PARTY=CLIENT", help="Add a client.")
@click.option("--no-client", multiple=True, metavar="PARTY=CLIENT", help="Take one out.")
@click.option("--registrar", "add", multiple=True, metavar="PARTY", help="Add as a registrar.")
@click.option("--no-registrar", "drop", multiple=True, metavar="PARTY", help="Take one out.")
@click.option("--threshold", type=click.IntRange(1, 16), help="How many registrars must sign.")
@click.option(
    "--root-public",
    "--root-key",
    "roots",
    multiple=True,
    metavar="PUBLIC",
    help="Add an own root: the public key `key make` prints, not its file.",
)
@click.option("--no-root-key", "no_roots", multiple=True, metavar="KEYID", help="Take one out.")
@click.option("--root-threshold", type=click.IntRange(1, 16), help="How many own roots must sign.")
@click.option("--signer", "signers", multiple=True, metavar="PARTY", help="Who is to sign.")
@terminal.AS
def directory_propose(
    out: str,
    entries: tuple[str, ...],
    joining: tuple[str, ...],
    url: str | None,
    name: str | None,
    clients: tuple[str, ...],
    no_client: tuple[str, ...],
    add: tuple[str, ...],
    drop: tuple[str, ...],
    threshold: int | None,
    roots: tuple[str, ...],
    no_roots: tuple[str, ...],
    root_threshold: int | None,
    signers: tuple[str, ...],
    as_party: str | None,
) -> None:
    """Write the next version as one fixed payload, for registrars to sign. Nothing is published.

    Where your party is no registrar, it is your own entry that is written, for one to propose.

    Example: tocsin directory propose --registrar gridco.example --threshold 2 --out next.json
    """
    from tocsin.record.proposal import changes, write_proposal
    from tocsin.wiring import registrar

    with holding() as holder:
        change = registrar.Change(
            entries=[
                *(registrar.open_entry(f, terminal.read_input(f)) for f in entries),
                *registrar.joining(holder, joining),
            ],
            url=url,
            name=name,
            clients=[_pair(c) for c in clients],
            no_clients=[_pair(c) for c in no_client],
            registrars=list(add),
            no_registrars=list(drop),
            threshold=threshold,
            roots=list(roots),
            no_roots=list(no_roots),
            root_threshold=root_threshold,
        )
        following = registrar.following(holder, change)
        entry = registrar.own_entry(holder, following)
        if entry is not None:
            terminal.write_output(out, entry)
            words = f"wrote {out}: a registrar says tocsin directory propose --entry FILE"
            click.echo(safe(words.replace("FILE", "FILE" if out == "-" else out)), err=True)
            return
        proposal = holder.proposal("directory", following.body, signers)
        for told in changes(holder.directory, following):
            click.echo(safe(told), err=True)
    terminal.write_output(out, write_proposal(proposal))
    if out != "-":
        click.echo(safe(f"wrote {out}: {terminal.again()} directory sign {out}"), err=True)


def _pair(text: str) -> tuple[str, str]:
    party, equals, client = text.partition("=")
    if not equals or not client:
        raise UsageError(f"{text!r} is no pair", remedy="--client PARTY=CLIENT")
    return party, client


@directory.command("fetch")
@click.argument("url", required=False)
@terminal.AS
@terminal.JSON
def directory_fetch(url: str | None, as_party: str | None, as_json: bool) -> int:
    """Take directory versions, keys and revocations over from other nodes; each is judged here.

    Without URL: from where this party joined, and from every node the directory lists.

    Example: tocsin directory fetch https://node.example
    """
    from tocsin.wiring import registrar

    with holding(behind=True) as holder:
        if url:
            rows = [registrar.fetch(holder, url)]
        else:
            rows = registrar.catch_up(holder)
            if not rows:
                raise UsageError(
                    "no other node's address is known here",
                    remedy="name one: tocsin directory fetch URL",
                )
        version = holder.directory.version
    if as_json:
        terminal.json_out({"version": version, "sources": rows})
    else:
        for row in rows:
            line(f"{row.url}: {row.entered} new, {len(row.refused)} refused" + row.said)
            for why in row.refused:
                line(f"  refused {why}")
        line(f"directory version {version}")
    holder.check_end()
    # Of several, one that gave all is enough: another may be a witness alone, or down.
    return 0 if any(not row.failed and not row.refused for row in rows) else 1


@directory.command("rivals")
@click.option("--out", metavar="FOLDER", help="Write both envelopes of each there.")
@terminal.AS
@terminal.JSON
def directory_rivals(out: str | None, as_party: str | None, as_json: bool) -> int:
    """Versions of one number that enough registrars signed twice; which was meant they must say.

    Example: tocsin directory rivals --out evidence
    """
    with terminal.node() as client:
        items = client.get("/directory/rivals")["items"]
    if out:
        folder = Path(out)
        for item in items:
            for which in ("held", "other"):
                data = b64decode(item[f"{which}_envelope"])
                if data:
                    folder.mkdir(parents=True, exist_ok=True)
                    name = f"directory-{item['version']}-{item[which][:16]}.json"
                    terminal.write_output(str(folder / name), data)
    if as_json:
        terminal.json_out({"items": items})
    else:
        for item in items:
            line(f"version {item['version']}  in force here {item['held']}")
            line(f"           signed as well {item['other']}")
        count = plural(len(items), "second version")
        line(count if items else "none: each number was signed once")
    return 1 if items else 0
