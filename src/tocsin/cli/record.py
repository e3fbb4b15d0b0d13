"""Verbs about the record: say, withdraw, log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click
import msgspec

from tocsin.cli import terminal
from tocsin.cli.audit import log_audit
from tocsin.cli.case import ceiling
from tocsin.cli.sealed import say_sealed
from tocsin.cli.terminal import line
from tocsin.client import says
from tocsin.console.i18n import plural
from tocsin.console.untrusted import terminal as safe
from tocsin.errors import (
    NotFoundError,
    StatementError,
    TocsinError,
    UnreadableError,
    UsageError,
)

if TYPE_CHECKING:
    from tocsin.client import Client
    from tocsin.record.statement import Statement
    from tocsin.stix.bundle import Received


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@terminal.TLP
@terminal.TO
@terminal.CASE
@click.option(
    "--seal",
    is_flag=True,
    help="Seal it at home for the parties named: no node, nor your host, sees what is inside.",
)
@click.option(
    "--leave-out-bad",
    is_flag=True,
    help="Say the rest where an object breaks a rule of STIX; each left out is named.",
)
@terminal.AS
@click.option("--dry-run", is_flag=True, help="Say what would be published, and publish nothing.")
@terminal.YES
@terminal.JSON
def say(
    files: tuple[str, ...],
    tlp: str | None,
    to: tuple[str, ...],
    case: str | None,
    seal: bool,
    leave_out_bad: bool,
    as_party: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Publish the objects of STIX bundles in your party's name, as the bytes they came in.

    With --seal only the readers named can open it; of its place, author and readers everybody
    who carries it knows.

    Example: tocsin say bundle.json --case case--… --tlp AMBER
    """
    from tocsin.stix.bundle import open_bundle
    from tocsin.stix.check import judged

    bodies = [terminal.read_input(name) for name in files]
    as_they_came = [open_bundle(raw) for raw in bodies]
    opened = [judged(items) for items in as_they_came]
    bad = [
        one
        for name, items, came in zip(files, opened, as_they_came, strict=True)
        for one in _bad(name, items, came)
    ]
    if bad:
        if not leave_out_bad:
            if as_json:
                terminal.json_out({"statements": [], "bad": bad})
            _say_bad("not to be said", bad)
            raise StatementError(
                f"{plural(len(bad), 'object')} of {sum(map(len, opened))} cannot be said, and"
                " nothing is said",
                remedy="mend what is named above, or say the rest with --leave-out-bad",
            )
        _say_bad("left out", bad)
        opened = [[item for item in items if item.problem is None] for items in opened]
        bodies = [_bundle(items) for items in opened if items]
        opened = [items for items in opened if items]
        if not opened:
            raise StatementError(
                "nothing is left to say: every object breaks a rule of STIX",
                remedy=f"tocsin stix check {files[0]} says which, and what to do",
            )
    count = plural(sum(len(items) for items in opened), "object")
    if dry_run:
        click.echo(f"would say {count}; nothing was published")
        return
    verb = "seal and say" if seal else "say"
    terminal.agree(f"{verb} {count} in your party's name{_for_whom(tlp, to, case)}?", yes)
    if seal:
        marked: Any = tlp.upper() if tlp else None
        sealed = say_sealed(bodies, tlp=marked, to=to, case=case, as_party=as_party)
        _say_done(sealed, bad, as_json)
        return
    with terminal.node() as client:
        case = terminal.whole_id(client, "case", case) if case else None
        results = []
        marking = tlp.upper() if tlp else ceiling(client, case) if case else "AMBER+STRICT"
        for raw, items in zip(bodies, opened, strict=True):
            answer = msgspec.json.decode(
                client.call(
                    "POST",
                    "/say",
                    query={"tlp": tlp and tlp.upper(), "to": ",".join(to), "case": case},
                    body=raw,
                )
            )
            expect = says(
                "say",
                {},
                case=case,
                tlp=marking,
                to=to if to or not case else None,
                refs=(),
                objects=[item.sha256 for item in items],
            )
            results.append(client.sign_if_asked(answer, expect))
    _say_done([s for r in results for s in r["statements"]], bad, as_json)


def _for_whom(tlp: str | None, to: Sequence[str], case: str | None) -> str:
    """What a person agrees to, as far as it was named: a case has a marking of its own."""
    marking = tlp.upper() if tlp else "" if case else "AMBER+STRICT"
    named = [f"TLP:{marking}" if marking else "", f"in {case}" if case else ""]
    named.append(f"for {', '.join(to)}" if to else "")
    return "".join(f", {item}" for item in named if item)


_NAMED = 20
"""Objects whose findings are shown on a terminal; --json has all."""


def _bad(name: str, items: list[Received], came: list[Received]) -> list[dict[str, Any]]:
    """The objects of one file that cannot be said, each with every rule it breaks."""
    from tocsin.stix.check import check_objects

    if all(item.problem is None for item in items):
        return []
    found: dict[str, list[dict[str, str]]] = {}
    for one in check_objects(came):
        if one.severity == "error" and one.object is not None:
            told = {"code": one.code, "pointer": one.pointer}
            told |= {"detail": one.detail, "remedy": one.remedy}
            found.setdefault(one.object.sha256, []).append(told)
    return [
        {
            "file": name,
            "id": item.id,
            "sha256": item.sha256,
            "problem": item.problem,
            "findings": found.get(item.sha256, []),
        }
        for item in items
        if item.problem is not None
    ]


def _say_bad(word: str, bad: list[dict[str, Any]]) -> None:
    def tell(text: str) -> None:
        click.echo(safe(text), err=True)

    for one in bad[:_NAMED]:
        tell(f"{word}: {one['file']}: {one['id'] or 'an object'}")
        for found in one["findings"]:
            tell(f"  {found['pointer']}: {found['detail']} ({found['code']})")
            tell(f"    {found['remedy']}")
        if not one["findings"]:
            tell(f"  {one['problem']}")
    if len(bad) > _NAMED:
        tell(f"and {len(bad) - _NAMED} more: --json lists all, or tocsin stix check FILE")


def _bundle(items: list[Received]) -> bytes:
    """A bundle of these objects, in the bytes they came in."""
    raws = b",".join(item.raw for item in items)
    return b'{"type":"bundle","id":"bundle--%s","objects":[%s]}' % (str(uuid4()).encode(), raws)


def _say_done(done: list[Any], bad: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        terminal.json_out({"statements": done, "left_out": bad} if bad else {"statements": done})
        return
    for s in done:
        line(f"statement {s['id']}  log index {s['index']}")
    if not all(s.get("quorum", True) for s in done):
        click.echo(
            "logged; a quorum of witnesses has not cosigned it yet: "
            f"{terminal.again()} witness list",
            err=True,
        )


@click.command()
@click.argument("statement")
@click.argument("objects", nargs=-1, metavar="[ID...]")
@click.option("--reason", help="Why, in words; goes on record.")
@terminal.AS
@click.option("--dry-run", is_flag=True, help="Change nothing.")
@terminal.YES
@terminal.JSON
def withdraw(
    statement: str,
    objects: tuple[str, ...],
    reason: str | None,
    as_party: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Take back a statement of yours, or some of its objects. Nothing is deleted.

    The first characters of a statement's id do, six at least.

    Example: tocsin withdraw 5f0c3a indicator--… --reason "shared hosting"
    """
    what = f"{plural(len(objects), 'object')} of" if objects else "all of"
    with terminal.node() as client:
        statement = terminal.whole_statement(client, statement)
        if dry_run:
            line(f"would take back {what} {statement}; nothing was changed")
            return
        terminal.agree(f"take back {what} {statement}?", yes)
        done = client.act(
            f"/statements/{statement}/withdraw",
            {"objects": list(objects), "reason": reason},
            _taking_back(statement, objects, reason),
        )
    if as_json:
        terminal.json_out(done)
    else:
        line(f"withdrawn by statement {done['statement']['id']}")


def _taking_back(
    statement: str, objects: tuple[str, ...], reason: str | None
) -> Callable[[Statement], bool]:
    """No more is taken back than was named; in which case and to whom is the node's to find."""

    def expect(s: Statement) -> bool:
        body = {"reason": reason}
        return says(
            "withdraw", body, case=s.case, refs=[statement], objects=objects, chosen=("persons",)
        )(s)

    return expect


@click.group()
def log() -> None:
    """Show the log's head, entries and guard; prove one."""


@log.command("show")
@click.argument("statement", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=200, help="How many (newest kept).")
@click.option("--policy-out", metavar="FILE", help="Write this log's tlog-policy to a file.")
@click.option("--root-out", metavar="FILE", help="Write the root file.")
@terminal.AS
@terminal.JSON
def log_show(
    statement: str | None,
    limit: int,
    policy_out: str | None,
    root_out: str | None,
    as_party: str | None,
    as_json: bool,
) -> None:
    """The head and the entries, or one statement's envelope. Example: tocsin log show"""
    with terminal.node() as client:
        if statement:
            shown = _envelope(client, statement)
            click.echo(safe(shown, one_line=False))
            return
        head = client.get("/log")
        rows = _newest(client, limit)
        sealed = _among(client, rows, limit)
        root = client.call("GET", "/log/root") if root_out else b""
    if policy_out:
        terminal.write_output(policy_out, head["policy"].encode())
    if root_out:
        terminal.write_output(root_out, root)
    if as_json:
        terminal.json_out({**head, "statements": rows, "sealed": sealed})
        return
    entries = [
        [r["index"], r["time"], r["author"], r["kind"], r["tlp"], "-", r["id"]] for r in rows
    ]
    for s in sealed:
        others = [party for party in s["readers"] if party != s["author"]] or [s["author"]]
        entries.append(
            [s["index"], "-", s["author"], "sealed", s["tlp"], ", ".join(others), s["id"]]
        )
    terminal.table(
        ["INDEX", "TIME", "AUTHOR", "KIND", "TLP", "SEALED FOR", "STATEMENT"],
        sorted(entries, key=lambda row: row[0])[-limit:],
        grow=3,
        below=2,
    )
    click.echo()
    click.echo(safe(head["checkpoint"].split("\n\n")[0], one_line=False))
    line(f"fingerprint {head['fingerprint']}")
    if head["halted"]:
        line(f"takes no writes: {head['halted']}")
    for alarm in head["alarms"]:
        line(f"alarm {alarm['kind']}: {alarm['detail']}")
        line(f"      {alarm['remedy']}")


def _newest(client: Client, limit: int) -> list[Any]:
    """The last `limit` statements one may read, in log order."""
    rows: list[Any] = []
    after: int | None = -1
    while after is not None:
        page = client.get("/statements", limit=1000, after_index=None if after < 0 else after)
        rows = [*rows, *page["items"]][-limit:]
        after = page["next"]
    return rows


def _whole(statement: str) -> str:
    """The id, if it is a whole one: statements are found by nothing shorter. Raises UsageError."""
    if len(statement) != 64:
        raise UsageError(
            f"{statement} is no whole statement id",
            remedy="give all 64 digits: tocsin log show lists them",
        )
    return statement


def _envelope(client: Client, statement: str) -> str:
    whole = terminal.whole_statement(client, statement, mine=False)
    try:
        return client.call("GET", f"/statements/{_whole(whole)}").decode("utf-8", "replace")
    except NotFoundError as wrong:
        items = client.get("/sealed")["items"]
        if statement not in {name for s in items for name in (s["id"], s["entry"])}:
            raise
        raise NotFoundError(
            f"{statement[:12]}… is sealed for you, and the node cannot show it",
            remedy=f"tocsin open {statement[:12]}",
        ) from wrong


def _among(client: Client, rows: list[Any], limit: int) -> list[Any]:
    """What is sealed for us and no older than the first of `rows`, where those were cut off."""
    oldest = rows[0]["index"] if len(rows) == limit else 0
    items: list[Any] = client.get("/sealed")["items"]
    return [s for s in items if s["index"] >= oldest]


@log.command("guard")
@click.option("--renew", is_flag=True, help="Write a lost one: this store is the newest, I say.")
@terminal.YES
@click.pass_context
def log_guard(ctx: click.Context, renew: bool, yes: bool) -> int:
    """What the head guard says, which tells a restored backup from the newest store.

    Where it is lost, and no quorum of witnesses is asked, the log is read only until --renew.

    Example: tocsin log guard
    """
    from tocsin.wiring.folder import find_home
    from tocsin.wiring.guard import read_guard, renew_guard

    home = find_home(ctx.find_root().obj["home"])
    if renew:
        terminal.agree("is this the newest store, and no restored backup?", yes)
        line(f"guard written at size {renew_guard(home).store}")
        return 0
    held = read_guard(home)
    if held is None:
        line(f"no guard at {home / 'guard'}")
        return 1
    line(f"guard {held.origin}  size {held.size}  {home / 'guard'}")
    return 0


@log.command("prove")
@click.argument("statement")
@terminal.AS
def log_prove(statement: str, as_party: str | None) -> None:
    """A tlog-proof of one statement, with its id inside.

    Where the node gives none, the one it gave when this folder's party said it: receipts/.

    Example: tocsin log prove 5f0c… > x.tlog-proof
    """
    whole = _whole(statement)
    with terminal.node() as client:
        try:
            found = client.call("GET", "/log/proof", query={"id": whole})
        except TocsinError as wrong:
            found = _receipt(whole, wrong)
        click.echo(safe(found.decode("utf-8", "replace"), one_line=False), nl=False)


def _receipt(statement: str, wrong: TocsinError) -> bytes:
    """The proof kept when this folder's party said it; raises `wrong` where there is none."""
    from tocsin.wiring.door import receipt_file
    from tocsin.wiring.folder import find_home

    settings = click.get_current_context().find_root().obj
    try:
        path = receipt_file(find_home(settings["home"]), statement)
    except UnreadableError:
        raise wrong from None
    if not path.exists():
        raise wrong
    click.echo(safe(f"{wrong.message}; this is the proof as it was given then: {path}"), err=True)
    return path.read_bytes()


log.add_command(log_audit)
