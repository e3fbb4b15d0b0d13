"""Verbs about a case: open, list, show, invite, join, stage, act."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tocsin.cli import terminal
from tocsin.cli.terminal import line
from tocsin.client import says
from tocsin.errors import UsageError

if TYPE_CHECKING:
    from tocsin.client import Client
    from tocsin.record.statement import Statement


@click.group()
def case() -> None:
    """Open a case, invite parties, join, show."""


@case.command("open")
@click.argument("title")
@click.option("--class", "class_", default="incident", show_default=True, help="What kind of case.")
@terminal.TLP
@terminal.TO
@click.option("--pap", help="Permissible Actions Protocol colour.")
@click.option("--lang", default="en", show_default=True, help="Language of the case.")
@terminal.AS
@terminal.JSON
def case_open(
    title: str,
    class_: str,
    tlp: str | None,
    to: tuple[str, ...],
    pap: str | None,
    lang: str,
    as_party: str | None,
    as_json: bool,
) -> None:
    """Open a case that you own.

    Example: tocsin case open "Grid wiper" --tlp AMBER --to gridco.example
    """
    with terminal.node() as client:
        done = client.act(
            "/cases",
            {
                "title": title,
                "class": class_,
                "tlp": (tlp or "AMBER").upper(),
                "pap": pap,
                "lang": lang,
                "to": list(to),
            },
            _opening(title, class_, (tlp or "AMBER").upper(), pap, lang, to),
        )
    if as_json:
        terminal.json_out(done)
    else:
        line(f"opened {done['case']}")
        line(f"next  {terminal.again()} case invite {done['case']} PARTY")


def _opening(
    title: str, class_: str, tlp: str, pap: str | None, lang: str, to: tuple[str, ...]
) -> Callable[[Statement], bool]:
    body: dict[str, Any] = {
        "event": "case.open",
        "title": title,
        "class": class_,
        "tlp": tlp,
        "pap": pap,
        "lang": lang,
        "quorum": {"k": 1, "of": 1},
    }

    def expect(s: Statement) -> bool:
        case = s.body.get("item")
        named = set() if tlp == "CLEAR" else set(to) - {s.author}
        return isinstance(case, str) and says(
            "act", {**body, "item": case}, case=case, tlp=tlp, to=named
        )(s)

    return expect


@case.command("list")
@terminal.AS
@terminal.JSON
def case_list(as_party: str | None, as_json: bool) -> None:
    """The cases you may see. Example: tocsin case list"""
    with terminal.node() as client:
        found = client.get("/cases")["items"]
    if as_json:
        terminal.json_out(found)
        return
    if not found:
        click.echo('no cases here that you may read; open one: tocsin case open "TITLE"')
        return
    terminal.table(
        ["CASE", "TITLE", "STAGE", "TLP", "OWNER", "PARTIES", "SILENT"],
        [
            [
                c["id"],
                c["title"],
                c["stage"],
                c["tlp"],
                c["owner"],
                c["parties"],
                ", ".join(c["silent"]) or "-",
            ]
            for c in found
        ],
        grow=1,
        below=3,
    )


@case.command("show")
@click.argument("case_id", metavar="CASE")
@terminal.AS
@terminal.JSON
def case_show(case_id: str, as_party: str | None, as_json: bool) -> None:
    """Parties, answers, holds, advisories and the timeline. Example: tocsin case show case--…"""
    with terminal.node() as client:
        case_id = terminal.whole_id(client, "case", case_id)
        s = client.get(f"/cases/{case_id}")
        sealed = client.get("/sealed", case=case_id)["items"]
        said = _said_in(client, case_id)
    if as_json:
        terminal.json_out({**s, "said": said, "sealed": sealed})
        return
    line(f"{s['title']}  stage {s['stage']}  TLP:{s['tlp']}  owner {s['owner']}")
    click.echo()
    terminal.table(
        ["PARTY", "ROLE", "STATE", "SINCE"],
        [[p["party"], p["role"], p["state"], p["since"] or "-"] for p in s["parties"]],
    )
    for a in s["advisories"]:
        signed = [c["party"] for c in a["cosigns"] if not c.get("refuse")]
        click.echo()
        line(f"advisory {a['item']}  {a['state']}  rev {a['rev']}")
        line(f"  signed by {', '.join(signed) or 'nobody'}")
    click.echo()
    terminal.table(
        ["TIME", "BY", "EVENT", "STATEMENT"],
        [[e["at"], e["author"], e["event"], e["id"][:16]] for e in s["timeline"]],
        grow=1,
    )
    if said:
        click.echo()
        terminal.table(
            ["TIME", "BY", "TLP", "SAID IN"],
            [[one["time"], one["author"], one["tlp"], one["id"][:16]] for one in said[-_SAID:]],
            grow=1,
        )
        if len(said) > _SAID:
            click.echo(f"the last {_SAID} of {len(said)} statements with objects: --json has all")
        click.echo(f"next  {terminal.again()} export {case_id} --as stix", err=True)
    again = [v for v in s["void"] if v["reason"] == "duplicate"]
    if again:
        click.echo(f"{len(again)} said again to a wider circle; no further effect")
    for v in (v for v in s["void"] if v["reason"] != "duplicate"):
        line(f"void: {v['id'][:16]} {v['reason']}")
    for w in s["waiting"]:
        line(f"waits: {w['id'][:16]}")
    for one in sealed:
        others = [party for party in one["readers"] if party != one["author"]]
        back = "; withdrawn" if one["withdrawn"] else ""
        line(f"sealed by {one['author']}, for {', '.join(others)}{back}")
        line(f"  {terminal.again()} open {one['entry'][:12]}")


_SAID = 20
"""Statements with objects that are shown on a terminal."""


def _said_in(client: Client, case: str) -> list[dict[str, Any]]:
    """Every statement of a case that says objects and was not taken back, in log order."""
    said: list[dict[str, Any]] = []
    after: int | None = None
    while True:
        page = client.get("/statements", case=case, kind="say", limit=1000, after_index=after)
        said += [one for one in page["items"] if not one["withdrawn"]]
        after = page["next"]
        if after is None:
            return said


def deadline(text: str) -> str:
    """An instant from a flag: RFC 3339 UTC, or `24h`, `3d` from now.

    Raises:
        UsageError: neither.
    """
    units = {"h": "hours", "d": "days", "m": "minutes"}
    if text[:-1].isdecimal() and text[-1:] in units:
        try:
            at = datetime.now(UTC) + timedelta(**{units[text[-1]]: int(text[:-1])})
        except (OverflowError, ValueError) as wrong:
            raise UsageError(f"{text[:20]!r} is too long", remedy="24h, 3d or a time") from wrong
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        found = datetime.fromisoformat(text)
        found.astimezone(UTC)
    except (OverflowError, ValueError) as wrong:
        raise UsageError(
            f"{text!r} is no time", remedy="24h, 3d or 2026-11-22T08:30:00Z"
        ) from wrong
    if found.tzinfo is None:
        raise UsageError(f"{text!r} has no time zone", remedy="write 2026-11-22T08:30:00Z")
    return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@case.command("invite")
@click.argument("case_id", metavar="CASE")
@click.argument("party")
@click.option(
    "--role",
    type=click.Choice(
        ["coordinator", "contributor", "vendor", "affected", "responder", "observer"]
    ),
    default="contributor",
    show_default=True,
    help="The party's role in this case.",
)
@click.option("--rsvp-by", default="24h", show_default=True, help="Answer by: 24h, 3d, or a time.")
@click.option("--note", help="A line that goes with it.")
@terminal.AS
@terminal.JSON
def case_invite(
    case_id: str,
    party: str,
    role: str,
    rsvp_by: str,
    note: str | None,
    as_party: str | None,
    as_json: bool,
) -> None:
    """Invite a party of the directory.

    Example: tocsin case invite case--… gridco.example --role affected
    """
    body = {"party": party, "role": role, "rsvp_by": deadline(rsvp_by), "note": note}
    with terminal.node() as client:
        case_id = terminal.whole_id(client, "case", case_id)
        event = {"event": "case.invite", "item": case_id, **body}
        done = client.act(
            f"/cases/{case_id}/invite",
            body,
            says("act", event, case=case_id, tlp=ceiling(client, case_id)),
        )
        said = client.get("/statements", case=case_id, kind="say", limit=1000)["items"]
    _done(as_json, done, f"invited {party} as {role}")
    before = sum(s["tlp"] != "CLEAR" for s in said)
    if before:
        # Otherwise whoever is invited late reads an empty case, and nobody knows why.
        click.echo(
            f"said in it before, and so not for {party}: {before} "
            f"statement{'' if before == 1 else 's'}; to show it yours, say them again: "
            f"{terminal.again()} export {case_id} --as stix --out said.json, "
            f"then: {terminal.again()} say said.json --case {case_id}",
            err=True,
        )


@case.command("join")
@click.argument("case_id", metavar="CASE")
@click.option("--decline", is_flag=True, help="Decline instead.")
@click.option("--reason", help="Why; goes on record.")
@terminal.AS
@terminal.JSON
def case_join(
    case_id: str, decline: bool, reason: str | None, as_party: str | None, as_json: bool
) -> None:
    """Answer an invitation. Example: tocsin case join case--…"""
    with terminal.node() as client:
        case_id = terminal.whole_id(client, "case", case_id)
        answer = {"accept": not decline, "reason": reason}
        event = {"event": "case.join", "item": case_id, **answer}
        done = client.act(
            f"/cases/{case_id}/join",
            answer,
            says("act", event, case=case_id, tlp=ceiling(client, case_id), chosen=["re"]),
        )
    _done(as_json, done, "declined" if decline else "joined")


@case.command("stage")
@click.argument("case_id", metavar="CASE")
@click.argument(
    "stage",
    type=click.Choice(["OPEN", "ACTIVE", "CONTAINED", "RECOVERED", "CLOSED"], case_sensitive=False),
)
@click.option("--note", help="A line that goes with it.")
@terminal.AS
@terminal.JSON
def case_stage(
    case_id: str, stage: str, note: str | None, as_party: str | None, as_json: bool
) -> None:
    """Move the case to a stage. Example: tocsin case stage case--… CONTAINED"""
    body: dict[str, Any] = {"event": "case.stage", "item": case_id, "stage": stage}
    if note:
        body["note"] = note
    _event(case_id, body, as_json, f"stage {stage}")


@case.command("act")
@click.argument("case_id", metavar="CASE")
@click.argument("event")
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE...]")
@terminal.AS
@terminal.JSON
def case_act(
    case_id: str, event: str, fields: tuple[str, ...], as_party: str | None, as_json: bool
) -> None:
    """Any event of the case protocol, its fields as FIELD=VALUE (JSON, else text).

    Example: tocsin case act case--… hold.sign item=hold--… re=5f0c… terms=9a…
    """
    body: dict[str, Any] = {"event": event, "item": case_id}
    for pair in fields:
        name, eq, value = pair.partition("=")
        if not eq:
            raise UsageError(
                f"{pair!r} is no FIELD=VALUE", remedy="such as reason='shared hosting'"
            )
        try:
            body[name] = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            body[name] = value
    _event(case_id, body, as_json, event)


def _event(case_id: str, body: dict[str, Any], as_json: bool, words: str) -> None:
    with terminal.node() as client:
        case_id = terminal.whole_id(client, "case", case_id)
        body = {**body, "item": case_id}
        done = client.act(
            f"/cases/{case_id}/events",
            body,
            says("act", body, case=case_id, tlp=ceiling(client, case_id)),
        )
    _done(as_json, done, words)


def ceiling(client: Client, case_id: str) -> str:
    """The marking of a case, under which everything in it is said unless it is said otherwise."""
    found: str = client.get(f"/cases/{case_id}")["tlp"]
    return found


def _done(as_json: bool, done: Any, words: str) -> None:
    if as_json:
        terminal.json_out(done)
    else:
        line(f"{words}; statement {done['statement']['id']}")
