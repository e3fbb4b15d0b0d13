"""Verbs about the node itself: up, init, party, token, demo, doctor."""

from __future__ import annotations

import shlex
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tocsin.cli import terminal
from tocsin.cli.keys import DRY, PROPOSE, ROOT, hand_on, holding
from tocsin.console.i18n import plural
from tocsin.console.untrusted import terminal as safe
from tocsin.console.untrusted import terminal as terminal_text
from tocsin.errors import (
    ConfigError,
    ConflictError,
    NodeBusyError,
    NotFoundError,
    UnreadableError,
    UsageError,
)


@click.command()
@click.option("--host", help="Address to answer on (default 127.0.0.1).")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port (default: tocsin.toml's, 8470; 0: free)."
)
@click.option("--behind-proxy", is_flag=True, help="A TLS proxy stands in front.")
@click.option("--store", metavar="URL", help="Keep everything in this PostgreSQL database.")
@click.option("--no-exercise", is_flag=True, help="Where there is no party yet, make nothing.")
@click.pass_context
def up(
    ctx: click.Context,
    host: str | None,
    port: int | None,
    behind_proxy: bool,
    store: str | None,
    no_exercise: bool,
) -> None:
    """Run the node; where there is none yet, the exercise, in a data folder of its own.

    Example: tocsin up --port 8471
    """
    from tocsin.wiring.door import running
    from tocsin.wiring.exercise import load_exercise
    from tocsin.wiring.folder import exercise_home, find_home, load_config
    from tocsin.wiring.serve import serve
    from tocsin.wiring.stores import choose

    given = ctx.find_root().obj["home"]
    try:
        home = find_home(given)
    except UnreadableError:
        # A folder that somebody named is theirs: a typing error is not to be filled.
        if no_exercise or given:
            raise
        home = exercise_home()
        click.echo("loading the exercise (invented states, a folder of its own) …", err=True)
        with terminal.busy("loading the exercise"):
            load_exercise(home, store=store or "")
    if store:
        choose(home, store)
    config = load_config(home)
    again = terminal.again()

    def say(node: Any, url: str, link: str) -> None:
        head = node.store.head()
        size = head.size if head else 0
        click.echo(f"node    {node.party}   log {plural(size, 'statement')}, checkpoint signed")
        if node.log.halted:
            terminal.line(f"log     takes no writes: {node.log.halted}")
        click.echo(f"console {url}{link}   (one-time sign-in link, 10 minutes)")
        if node.exercise:
            click.echo(f"loaded  exercise: invented states, nothing leaves this machine ({home})")
        verbs = ["ingest REPORT", "sweep /var/log", "verify CASE.tocsin"]
        if not node.exercise:
            verbs = ["case open TITLE", "party invite PARTY"]
        terminal.line("next    " + " · ".join(f"{again} {verb}" for verb in verbs))
        click.echo("stop    Ctrl-C")
        sys.stdout.flush()

    try:
        serve(
            home,
            host=host or config.node.host,
            port=config.node.port if port is None else port,
            behind_proxy=behind_proxy or config.node.behind_proxy,
            say=say,
        )
    except NodeBusyError as busy:
        remedy = busy.remedy.replace("tocsin up", f"{again} up")
        live = running(home)
        if live is None:
            raise NodeBusyError(busy.message, remedy=remedy) from busy
        raise NodeBusyError(
            f"{busy.message}; this party's node runs already, at {live.url}",
            remedy=f"{again} token link prints a fresh sign-in link; or {remedy}",
        ) from busy
    click.echo("stopped", err=True)


@click.command()
@click.option("--party", required=True, metavar="NAME", help="A DNS name of yours, lower case.")
@click.option("--name", help="How the organisation calls itself (default: the party's name).")
@click.option("--url", default="", help="Where your node answers other parties, for the directory.")
@click.option("--store", metavar="URL", help="Keep everything in this PostgreSQL database.")
@terminal.JSON
@click.pass_context
def init(
    ctx: click.Context, party: str, name: str | None, url: str, store: str | None, as_json: bool
) -> None:
    """Make a party's keys, log, directory version 1 and tocsin.toml.

    Example: tocsin init --party cert.northland.example --name "CERT Northland"
    """
    from tocsin.wiring.folder import Config, NodeConfig, StoreConfig, own_home
    from tocsin.wiring.party import check_url
    from tocsin.wiring.party import init as make

    given = ctx.find_root().obj["home"]
    home = Path(given) if given else own_home()
    kept = StoreConfig(url=store) if store else None
    at = NodeConfig.at(check_url(url))
    config = Config(party=party, name=name or party, store=kept, node=at)
    fingerprint = make(home, party, name or party, config=config, url=url)
    if as_json:
        terminal.json_out({"party": party, "home": str(home), "fingerprint": fingerprint})
        return
    terminal.line(f"party        {party}")
    terminal.line(f"folder       {home}")
    terminal.line(f"fingerprint  {fingerprint}")
    click.echo("             read it out by telephone to whoever joins you; write it down")
    again = terminal.again()
    terminal.line(f"next         {again} up · {again} party invite PARTY > invitation.json")


@click.group()
def party() -> None:
    """Invite a party, join, confirm or remove one, list who is in the directory."""


@party.command("list")
@terminal.JSON
def party_list(as_json: bool) -> None:
    """Who is in the directory. Example: tocsin party list"""
    with terminal.node() as client:
        found = client.get("/parties")
    if as_json:
        terminal.json_out(found)
        return
    terminal.table(["PARTY", "NAME"], [[p["id"], p["name"]] for p in found["items"]], grow=1)
    click.echo(f"directory version {found['version']}", err=True)


@party.command("invite")
@click.argument("name")
@click.option(
    "--url",
    default="",
    help="Where your node answers them (default: as the directory lists it, else by file only).",
)
@click.option(
    "--node-url",
    default="",
    metavar="URL",
    help="Where their own node will answer, as they told you; another address waits for you.",
)
@click.option(
    "--expires",
    type=click.IntRange(1, 365),
    default=30,
    show_default=True,
    metavar="DAYS",
    help="For how many days it can be answered.",
)
def party_invite(name: str, url: str, node_url: str, expires: int) -> None:
    """Print an invitation: the root file, the node's address, a one-time nonce.

    All nodes will ask theirs, so say where it will be; one you did not name waits: party confirm.

    Example: tocsin party invite gridco.example --node-url https://tocsin.gridco.example > grid.json
    """
    from tocsin.canonical import b64decode
    from tocsin.record.directory import fingerprint
    from tocsin.wiring.party import check_party_name, check_url

    check_party_name(name)
    check_url(node_url)
    with terminal.node() as client:
        invitation = client.post(
            "/parties/invitations",
            {"party": name, "url": url, "node_url": node_url, "days": expires},
        )
    terminal.json_out(invitation)
    heard = fingerprint(b64decode(invitation["root"]))
    click.echo(
        f"send it by a channel you trust; it admits once, within {expires} days, whoever answers\n"
        f"read out by telephone: {heard}",
        err=True,
    )
    if not invitation.get("url"):
        click.echo(
            "it names no address of your node: the answer comes as a file (--url gives one)",
            err=True,
        )


@party.command("join")
@click.argument("invitation")
@click.option("--name", help="How the organisation calls itself.")
@click.option("--fingerprint", help="The fingerprint you heard by telephone.")
@click.option(
    "--node",
    "own_node",
    is_flag=True,
    help="Your party has a node of its own: a log, a witness, the whole directory.",
)
@click.option(
    "--url",
    default="",
    help="With --node: where it answers other parties (default: as the invitation says).",
)
@click.option("--out", metavar="FILE", help="Write the answer to a file instead of sending it.")
@click.option("--reply", metavar="FILE", help="Finish: what `party admit` printed for your answer.")
@click.pass_context
def party_join(
    ctx: click.Context,
    invitation: str,
    name: str | None,
    fingerprint: str | None,
    own_node: bool,
    url: str,
    out: str | None,
    reply: str | None,
) -> int:
    """Join by an invitation: compare the fingerprint, make keys, answer.

    Cut off, say the same again: it goes on with the keys it has made.

    Example: tocsin party join invitation.json --node --url https://gridco.example
    """
    from tocsin.wiring.folder import own_home
    from tocsin.wiring.join import compared, finish, join, open_invitation

    given = ctx.find_root().obj["home"]
    home = Path(given) if given else own_home()
    invited = open_invitation(terminal.read_input(invitation))
    if reply is not None:
        finish(home, terminal.read_input(reply))
        _joined(home, invited.party)
        return 0
    if fingerprint is None and not compared(home, invited):
        # It is not shown: whoever sees it types what it says, and compares nothing.
        if not terminal.somebody_is_there():
            raise UsageError(
                f"nobody has compared the fingerprint of {invited.invited_by}'s directory",
                remedy="ask for it by telephone, then say --fingerprint '…'",
            )
        fingerprint = click.prompt(
            f"fingerprint that {terminal_text(invited.invited_by)} read out by telephone", err=True
        )
    done = join(
        home,
        invited,
        name=name or invited.party,
        heard=str(fingerprint),
        send=out is None,
        node=own_node,
        url=url,
    )
    if out is not None:
        terminal.write_output(out, done.answer)
        terminal.line(f"wrote {out}: give it to {invited.invited_by} (tocsin party admit {out})")
        return 0
    if not done.done:
        for line in done.lacking:
            terminal.line(f"waits  {line}")
        terminal.line(f"keys are in {home}; when that is done, say the same again")
        return 1
    _joined(home, invited.party)
    if own_node and not (url or invited.node_url):
        click.echo(
            "the directory names no address of your node: nobody can witness with it or follow it; "
            "give one with: tocsin directory propose --url URL",
            err=True,
        )
    return 0


def _joined(home: Path, party: str) -> None:
    from tocsin.wiring.folder import is_guest, load_config

    terminal.line(f"joined as {party}; keys in {home}")
    config = load_config(home)
    again = terminal.again()
    if not is_guest(home, config):
        terminal.line(f"next  {again} up")
    elif config.remote is not None:
        terminal.line(f"next  {again} case list")
    else:
        token = shlex.quote(str(home / "keys" / "token"))
        terminal.line("ask for the address of their node, which the invitation does not name; then")
        terminal.line(f'next  TOCSIN_TOKEN="$(cat {token})" {again} --node URL case list')


@party.command("admit")
@click.argument("answer")
@click.option("--out", metavar="FILE", help="Write the reply to a file instead of stdout.")
def party_admit(answer: str, out: str | None) -> int:
    """Take in a party that answered its invitation by file.

    Prints the reply it needs: its token, and for a party with a node the directory. Where one
    registrar is not enough, a proposal for the others to sign.

    Example: tocsin party admit answer.json
    """
    import msgspec

    from tocsin.flows.join import Enrolment

    raw = terminal.read_input(answer)
    try:
        party = msgspec.json.decode(raw, type=Enrolment).party.get("id")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise UnreadableError(
            f"{answer} is no answer to an invitation",
            remedy="give the file that the invited party wrote: tocsin party join … --out FILE",
        ) from wrong
    with terminal.node() as client:
        try:
            done = client.call("POST", "/parties", body=raw)
        except NotFoundError as wrong:
            raise NotFoundError(
                f"the invitation that {answer} answers is unknown here, or used up",
                remedy="invite again: tocsin party invite " + str(party),
            ) from wrong
    reply = msgspec.json.decode(done)
    if reply.get("proposal"):
        # One registrar is not enough: what goes out is for the others to sign.
        proposal = msgspec.json.encode(reply["proposal"], order="sorted") + b"\n"
        terminal.write_output(out or "-", proposal)
        for line in reply["lacking"]:
            click.echo(safe(f"waits  {line}"), err=True)
        click.echo(
            safe(
                "this is a proposal: tocsin directory sign FILE, then tocsin directory publish "
                f"FILE; then here again: tocsin party admit {answer}"
            ),
            err=True,
        )
        return 1
    if not reply["token"]:
        for line in reply["lacking"]:
            click.echo(safe(f"waits  {line}"), err=True)
        click.echo(safe(f"then here again: tocsin party admit {answer}"), err=True)
        return 1
    if out is not None:
        terminal.write_output(out, done)
    else:
        terminal.json_out(reply)
    click.echo(
        safe(f"took in {party}; give it the token over a channel you trust; there: ")
        + (
            f"tocsin party join INVITATION --reply {out or 'FILE'}"
            if reply.get("directory")
            else f"TOCSIN_TOKEN=… tocsin --home DIR --node {_address()} case list"
        ),
        err=True,
    )
    return 0


@party.command("confirm")
@click.argument("name", metavar="PARTY")
@terminal.YES
def party_confirm(name: str, yes: bool) -> None:
    """Confirm where the node of a party that answers its invitation is to be asked.

    Every node of the directory asks it from then on, from inside its own network. Compare it with
    what they told you; then they say the same `party join` again.

    Example: tocsin party confirm gridco.example
    """
    from tocsin.flows.join import addresses
    from tocsin.record.directory import read_party

    with terminal.node() as client:
        waiting = [p for p in client.get("/parties/waiting")["items"] if p["id"] == name]
        if not waiting:
            raise NotFoundError(
                f"no answer of {name} waits here", remedy=f"invite it: tocsin party invite {name}"
            )
        urls = addresses(read_party(waiting[0]))
        for url in urls:
            terminal.line(f"{name} is to be asked at {url}")
        terminal.agree("list it there?", yes)
        if urls:
            client.post("/parties/addresses", {"party": name, "urls": urls})
    terminal.line(f"confirmed; {name} says the same tocsin party join again")


@party.command("remove")
@click.argument("name", metavar="PARTY")
@click.option("--threshold", type=click.IntRange(1, 16), help="How many registrars must sign then.")
@ROOT
@PROPOSE
@terminal.AS
@DRY
@terminal.YES
def party_remove(
    name: str,
    threshold: int | None,
    root: str | None,
    propose: str | None,
    as_party: str | None,
    dry_run: bool,
    yes: bool,
) -> int:
    """List a party no more: its keys sign nothing from then on; what it has said still verifies.

    Its tokens end here at once; other nodes learn it within a minute. Only a registrar can.

    Example: tocsin party remove gridco.example
    """
    from tocsin.record.proposal import changes
    from tocsin.wiring import registrar
    from tocsin.wiring.keyholder import NeedsOthers

    with holding(root) as holder:
        change = registrar.Change(leaving=[name], threshold=threshold)
        following = registrar.following(holder, change)
        for told in changes(holder.directory, following):
            terminal.line(told)
        if dry_run:
            terminal.line("nothing was changed")
            return 0
        terminal.agree(f"take {name} out of the directory?", yes)
        try:
            holder.say("directory", following.body)
        except NeedsOthers as needs:
            return hand_on(needs, propose)
    terminal.line(f"{name} has left: directory version {following.version}")
    return 0


def _address() -> str:
    from tocsin.wiring.door import running
    from tocsin.wiring.folder import find_home

    given = click.get_current_context().find_root().obj["home"]
    live = running(find_home(given))
    return live.url if live else "URL"


@click.group()
def token() -> None:
    """One-time sign-in links."""


@token.command("link")
@click.option("--person", default="operator", help="Who will sign in.")
@click.option(
    "--role",
    type=click.Choice(["reader", "analyst", "lead", "signer", "admin"]),
    default="admin",
    help="Their user role here.",
)
@click.pass_context
def token_link(ctx: click.Context, person: str, role: str) -> None:
    """A link that signs one browser in, once, within ten minutes. Example: tocsin token link"""
    with terminal.node() as client:
        found = client.post("/links", {"person": person, "role": role})
    click.echo(found["url"])


@click.group()
def demo() -> None:
    """Remove exactly the exercise, or load it with the sides exchanged; open the public record."""


@demo.command("record")
@click.option("--list", "listed", is_flag=True, help="List its claims here, and open no page.")
@click.option("--claim", metavar="ID", help="How one claim stands, and why.")
@click.option("--as-known", metavar="TIME", help="As it was known at a day or an instant.")
@click.option("--save", metavar="DIR", help="Write its bundles there, byte for byte.")
@click.option("--csv", "as_csv", is_flag=True, help="The list, or what stands beside --claim.")
@click.option("--host", default="127.0.0.1", help="Address to answer on (default 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), default=8480, help="Port (default 8480).")
@terminal.JSON
def demo_record(
    listed: bool,
    claim: str | None,
    as_known: str | None,
    save: str | None,
    as_csv: bool,
    host: str,
    port: int,
    as_json: bool,
) -> None:
    """Open the public record: disputes of the world outside, as we coded them from public pages.

    A space of its own: it is only read; no node signs or logs any of it, and nothing is kept.

    Example: tocsin demo record --list
    """
    from tocsin.cli import public_record

    if sum((listed, claim is not None, save is not None)) > 1:
        raise UsageError("--list, --claim and --save are three questions", remedy="ask one of them")
    if as_csv and (as_json or save is not None):
        raise UsageError("--csv together with --json or --save", remedy="give one")
    if claim is not None:
        public_record.show(claim, as_known, as_json, as_csv)
    elif save is not None:
        public_record.save(save, as_json)
    elif listed or as_json or as_known or as_csv:
        public_record.show_all(as_known, as_json, as_csv)
    else:
        public_record.serve(host, port)


@demo.command("reset")
@click.option("--swap", is_flag=True, help="Load it again with the two sides exchanged.")
@click.option("--load/--no-load", default=True, help="Load it again afterwards.")
@terminal.YES
@click.pass_context
def demo_reset(ctx: click.Context, swap: bool, load: bool, yes: bool) -> None:
    """Remove the exercise's folder and load it anew. Example: tocsin demo reset --swap"""
    from tocsin.wiring.door import running
    from tocsin.wiring.exercise import load_exercise
    from tocsin.wiring.folder import exercise_home, load_config
    from tocsin.wiring.stores import remove

    given = ctx.find_root().obj["home"]
    home = Path(given) if given else exercise_home()
    store = ""
    if home.exists() and any(home.iterdir()):
        if not load_config(home).exercise:
            raise ConflictError(
                f"{home} holds a real party, not the exercise",
                remedy="the exercise is in " + str(exercise_home()),
            )
        if running(home) is not None:
            raise ConflictError(
                "the exercise is running", remedy="stop its node first (Ctrl-C in its terminal)"
            )
        config = load_config(home)
        store = config.store.url if config.store is not None else ""
        count = sum(1 for p in home.rglob("*") if p.is_file())
        terminal.agree(f"remove the exercise: {plural(count, 'file')} in {home}?", yes)
        remove(home, config)
        shutil.rmtree(home)
        click.echo(f"removed {plural(count, 'file')}", err=True)
    if load:
        count = load_exercise(home, swap=swap, store=store)
        click.echo(f"loaded {plural(count, 'statement')} into {home}")


@click.command()
@terminal.JSON
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> int:
    """What works here and what does not, each line ok or a remedy. Example: tocsin doctor"""
    from tocsin.wiring.doctor import diagnose

    rows = diagnose(ctx.find_root().obj["home"], datetime.now(UTC))
    if as_json:
        terminal.json_out(rows)
    else:
        # Whole, and one under the other: a remedy that is cut off cannot be typed.
        names = max(len(r["check"]) for r in rows)
        for r in rows:
            terminal.line(f"{r['check']:{names}}  {r['state']}")
            if r["remedy"]:
                terminal.line(f"{'':{names}}  remedy: {r['remedy']}")
    return 1 if any(r["remedy"] for r in rows) else 0


__all__ = ["ConfigError", "demo", "doctor", "init", "party", "token", "up"]
