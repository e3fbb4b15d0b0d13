"""Verbs of the exchange by TAXII: accounts of this node's server, and other people's servers."""

from __future__ import annotations

from pathlib import Path

import click

from tocsin.cli import terminal
from tocsin.console.i18n import plural
from tocsin.console.untrusted import terminal as safe

COLLECTION = click.option(
    "--collection", metavar="NAME", help="Its id or alias, where there are several."
)


@click.group()
def taxii() -> None:
    """TAXII 2.1: fetch from a server, send to one, accounts of your own.

    A credential for somebody else's server comes from TOCSIN_TAXII_USER and TOCSIN_TAXII_PASSWORD
    (or _PASSWORD_FILE), or from TOCSIN_TAXII_TOKEN.
    """


@taxii.command("ls")
@click.argument("url")
@terminal.JSON
def taxii_ls(url: str, as_json: bool) -> None:
    """What a server lets you read and write.

    Example: tocsin taxii ls https://taxii.example/taxii2/
    """
    from tocsin.wiring.exchange import look

    found, elsewhere = look(url)
    if as_json:
        terminal.json_out({"collections": found, "elsewhere": elsewhere})
        return
    rows = [
        [
            one.id,
            "/".join(w for w, may in (("read", one.can_read), ("write", one.can_write)) if may),
            one.alias,
            one.title,
        ]
        for one in found
    ]
    terminal.table(["COLLECTION", "MAY", "ALIAS", "TITLE"], rows, below=2)
    for root in elsewhere:
        click.echo(safe(f"not opened, on another server: {root}"), err=True)


@taxii.command("pull")
@click.argument("url")
@COLLECTION
@click.option("--anew", is_flag=True, help="From the beginning, whatever was fetched before.")
@terminal.JSON
@click.pass_context
def taxii_pull(
    ctx: click.Context, url: str, collection: str | None, anew: bool, as_json: bool
) -> int:
    """Fetch what is new. It becomes reports on your node, and nobody's word until you accept them.

    Example: tocsin taxii pull https://taxii.example/taxii2/ --collection all
    """
    import msgspec

    from tocsin.wiring.exchange import pull
    from tocsin.wiring.folder import find_home

    home = find_home(ctx.find_root().obj["home"])
    with terminal.node() as client:
        done, reports = pull(home, client, url, collection, anew=anew)
    if as_json:
        terminal.json_out({**msgspec.structs.asdict(done), "reports": reports})
    else:
        terminal.line(
            f"{plural(done.objects, 'object')} on {plural(done.pages, 'page')}: {done.stopped}"
        )
        for report in reports:
            line = f"next  {terminal.again()} accept --report {report} --all"
            click.echo(safe(line), err=True)
    return 0 if done.complete else 1


@taxii.command("push")
@click.argument("url")
@click.argument("file")
@COLLECTION
@click.option("--again", is_flag=True, help="Also what that server has taken before.")
@terminal.JSON
@click.pass_context
def taxii_push(
    ctx: click.Context, url: str, file: str, collection: str | None, again: bool, as_json: bool
) -> int:
    """Send a bundle's objects, byte for byte; what was taken before is left out.

    Example: tocsin taxii push https://taxii.example/taxii2/ bundle.json --collection inbox
    """
    from tocsin.wiring.exchange import push
    from tocsin.wiring.folder import find_home

    home: Path = find_home(ctx.find_root().obj["home"])
    done, before = push(home, url, collection, terminal.read_input(file), again=again)
    if as_json:
        terminal.json_out({"before": before, "pushed": done})
    else:
        terminal.line(f"{len(done.taken)} taken, {len(done.failed)} refused, {before} sent before")
        for id, why in done.failed:
            terminal.line(f"refused  {id}: {why}")
        if done.left:
            terminal.line(f"stopped  {done.stopped}; {done.left} are left, say the same again")
    return 1 if done.failed or done.left else 0


@taxii.group("user")
def user() -> None:
    """Accounts of your node's TAXII server."""


@user.command("add")
@click.argument("name")
@click.option("--party", default="", help="Whose it is (default: your own party).")
@click.option("--write", is_flag=True, help="It may put objects in, and take back its own.")
@click.option("--collection", multiple=True, help="Only this one (alias); repeat.")
@terminal.TLP
@terminal.TO
@click.option("--bearer", is_flag=True, help="A token in place of a password.")
@click.option("--days", type=click.IntRange(1, 365), default=365, help="How long the token holds.")
@terminal.JSON
def user_add(
    name: str,
    party: str,
    write: bool,
    collection: tuple[str, ...],
    tlp: str | None,
    to: tuple[str, ...],
    bearer: bool,
    days: int,
    as_json: bool,
) -> None:
    """Make an account; its password or token is printed once.

    It reads what its party may read. What it puts in is said by your party under --tlp (default
    AMBER+STRICT) to its own party and --to; an object's own marking only tightens that.

    Example: tocsin taxii user add sentinel --party gridco.example
    """
    asked = {
        "name": name,
        "party": party,
        "write": write,
        "collections": list(collection),
        "to": list(to),
        "bearer": bearer,
        "days": days,
    }
    with terminal.node() as client:
        made = client.post("/taxii/users", asked | ({"tlp": tlp.upper()} if tlp else {}))
    if as_json:
        terminal.json_out(made)
        return
    terminal.line(f"user      {made['user']}   of {made['party']}")
    terminal.line(f"{'token    ' if bearer else 'password '} {made['secret']}")
    click.echo("it is not shown again; give it over a channel you trust", err=True)


@user.command("list")
@terminal.JSON
def user_list(as_json: bool) -> None:
    """Who has an account. Example: tocsin taxii user list"""
    with terminal.node() as client:
        found = client.get("/taxii/users")["items"]
    if as_json:
        terminal.json_out(found)
        return
    rows = [
        [
            u["name"],
            "token" if u["bearer"] else "password",
            f"write {u['tlp']}" if u["write"] else "read",
            " ".join(u["collections"]) or "all",
            u["party"],
        ]
        for u in found
    ]
    terminal.table(["USER", "BY", "MAY", "COLLECTIONS", "PARTY"], rows, grow=4)


@user.command("remove")
@click.argument("name")
def user_remove(name: str) -> None:
    """End an account: its next request is refused. Example: tocsin taxii user remove sentinel"""
    from urllib.parse import quote

    with terminal.node() as client:
        client.call("DELETE", "/taxii/users/" + quote(name, safe=""))
    terminal.line(f"removed {name}")
