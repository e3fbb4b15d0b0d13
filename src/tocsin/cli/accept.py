"""`tocsin accept`: drafts listed, edited, rejected, and said once a person has decided."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tocsin.cli import terminal
from tocsin.cli.ingest import ONE_BY_ONE, print_sharing
from tocsin.cli.terminal import count, line
from tocsin.errors import (
    DraftError,
    NotFoundError,
    TocsinError,
    UsageError,
)

if TYPE_CHECKING:
    from tocsin.client import Client


@click.command()
@click.argument("drafts", nargs=-1, metavar="[DRAFT...]")
@click.option("--report", metavar="ID", help="Drafts of this report.")
@click.option("--all", "everything", is_flag=True, help="All open drafts of --report; asks.")
@click.option("--indicators", is_flag=True, help="With --all: the indicators only.")
@click.option("--edit", multiple=True, metavar="FIELD=VALUE", help="Set a field first; repeat.")
@click.option("--reject", is_flag=True, help="Set the drafts aside instead.")
@click.option("--why", default="", help="Why they are rejected.")
@click.option("--date", "said", metavar="DATE", help="For claims without one: when it was said.")
@click.option("--outlet", help="Who published the report (a claim without speaker refers to it).")
@terminal.TLP
@terminal.TO
@terminal.CASE
@terminal.AS
@terminal.YES
@terminal.JSON
def accept(
    drafts: tuple[str, ...],
    report: str | None,
    everything: bool,
    indicators: bool,
    edit: tuple[str, ...],
    reject: bool,
    why: str,
    said: str | None,
    outlet: str | None,
    tlp: str | None,
    to: tuple[str, ...],
    case: str | None,
    as_party: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """List drafts; accept, edit or reject them.

    Accepting says them in your party's name: signed, logged, shown to whom the marking names
    (outside a case: to yourself, TLP:AMBER+STRICT, until you say otherwise).

    Example: tocsin accept 3f2a…c1.4 --date 2026-11-20 --case case--…
    """
    with terminal.node() as client:
        listed = client.get("/drafts", report=report or "")["items"]
        if not drafts and not everything:
            found = client.get("/reports/waiting", all="1" if report else "")["items"]
            waiting = [w for w in found if not report or w["report"] == report]
            if as_json:
                terminal.json_out([*listed, *({"kind": "objects", **w} for w in waiting)])
            else:
                _list(listed, waiting, report)
                if report and waiting:
                    print_sharing(client.get(f"/reports/{report}/accept")["sharing"])
            return
        by_id = {f"{d['report']}.{d['n']}": d for d in listed}
        if everything and report and not listed and not edit:
            if reject:
                done = client.post(f"/reports/{report}/reject", {"why": why})
                _report_done(as_json, done, f"set aside {count(done['objects'], 'object')}")
            else:
                _accept_objects(client, report, tlp, to, case, yes, as_json)
            return
        if everything:
            if not report:
                raise UsageError("--all of which report?", remedy="say --report ID")
            chosen = [
                i
                for i, d in by_id.items()
                if d["state"] == "open" and (not indicators or d["kind"] == "indicator")
            ]
            if not reject:
                chosen, left = _sayable(chosen, by_id)
                if left:
                    kinds = Counter(_kind_of(by_id[i]) for i in left)
                    named = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
                    told = f"left open: {count(len(left), 'draft')} STIX has no object for"
                    click.echo(f"{told}: {named}", err=True)
        else:
            chosen = list(dict.fromkeys(_resolve(i, by_id) for i in drafts))
            if not reject:
                chosen = _unsaid(chosen, by_id)
        if not chosen:
            raise NotFoundError("no open draft is left", remedy="tocsin accept lists them")
        fields = _fields(edit)
        if fields:
            for i in chosen:
                by_id[i] = client.post(
                    f"/drafts/{i}/edit", {"revision": by_id[i]["revision"], "fields": fields}
                )
        if reject:
            done = [
                client.post(f"/drafts/{i}/reject", {"revision": by_id[i]["revision"], "why": why})
                for i in chosen
            ]
            _report_done(as_json, {"drafts": done}, f"rejected {count(len(done), 'draft')}")
            return
        if fields and not everything and not (said or tlp or case or to or yes):
            todo = f"accept with: {terminal.again()} accept {' '.join(chosen)}"
            line(f"edited {count(len(chosen), 'draft')}; {todo}")
            return
        if everything and not said and any(by_id[i]["machine"].get("coded") for i in chosen):
            chosen = _dated(chosen, by_id)
        if everything or len(chosen) > 1:
            terminal.agree(f"say {count(len(chosen), 'draft')} in your party's name?", yes)
        case = terminal.whole_id(client, "case", case) if case else None
        if said is None and _undated(by_id[i] for i in chosen) and terminal.somebody_is_there():
            said = click.prompt(
                "when was it said (2026, 2026-11 or 2026-11-20)",
                default=_published(client, (by_id[i]["report"] for i in chosen)),
                err=True,
            )
        how = {
            "date": said,
            "outlet": outlet,
            "tlp": tlp.upper() if tlp else None,
            "to": list(to),
            "case": case,
        }

        def say(part: list[str]) -> Any:
            return client.act(
                "/drafts/accept",
                {"drafts": [[i, by_id[i]["revision"]] for i in part], **how},
                lambda s: s.kind == "say",
            )

        said_in_parts(_parts(chosen, by_id), say, as_json)


def _published(client: Client, reports: Iterable[str]) -> str | None:
    """When the one report of some drafts was published, as a proposal."""
    ids = set(reports)
    found = client.get(f"/reports/{ids.pop()}") if len(ids) == 1 else {}
    day = (found.get("source") or {}).get("published")
    return str(day) if day else None


def said_in_parts(
    parts: Sequence[list[str]], say: Callable[[list[str]], Any], as_json: bool
) -> None:
    """Say drafts part by part, each part all or not at all, and print exactly what was said.

    Args:
        say: says one part; the answer has its drafts and its statement.

    Raises:
        DraftError: a part failed when others were said: how many, and how to go on.
        TocsinError: the first part failed, and nothing is said.
    """
    done: list[Any] = []
    try:
        for part in parts:
            done.append(say(part))
    except TocsinError as wrong:
        if not done:
            raise
        _print_parts(done, as_json)
        said, total = sum(len(one["drafts"]) for one in done), sum(map(len, parts))
        raise DraftError(
            f"{said} of {count(total, 'draft')} are said, then: {wrong.message}",
            remedy=f"{wrong.remedy}; then say the same again: nothing is said twice",
        ) from wrong
    except KeyboardInterrupt:
        if done:
            _print_parts(done, as_json)
        raise
    _print_parts(done, as_json)


def _print_parts(parts: Sequence[Any], as_json: bool) -> None:
    done = parts[0]
    if len(parts) > 1:
        done = {
            "drafts": [draft for one in parts for draft in one["drafts"]],
            "statements": [one["statement"] for one in parts if one.get("statement")],
        }
    _report_done(as_json, done, f"said {count(len(done['drafts']), 'draft')}")
    if as_json:
        return
    for one in parts:
        if one.get("statement"):
            line(f"statement {one['statement']['id']}  log index {one['statement']['index']}")
    claims = [d for d in done["drafts"] if d.get("kind") == "claim" and d.get("object_id")]
    for d in claims if len(claims) <= ONE_BY_ONE else ():
        found = {**d["machine"], **d["human"]}
        who = found.get("speaker") or "no speaker given"
        line(f"claim {d['object_id'][:13]}  {found['claim_type']}, {who}")


def _unsaid(chosen: list[str], known: dict[str, Any]) -> list[str]:
    """Without those that are said already, which is told: so that the same can be said again.

    One alone that is said already is refused by the node, with its state.
    """
    left = [i for i in chosen if known[i]["state"] != "accepted"]
    if not left:
        return chosen
    for i in chosen:
        if known[i]["state"] == "accepted":
            click.echo(f"said already: {i}, statement {known[i]['statement']}", err=True)
    gone = [i for i in left if known[i]["state"] != "open"]
    if gone:
        raise DraftError(
            f"draft {', '.join(gone[:5])} was {known[gone[0]]['state']} already; nothing is said",
            remedy="leave it out",
        )
    return left


_TOGETHER = 40
"""Drafts of a data set in one statement: a claim with all whom it names, and the incident."""


def _parts(chosen: list[str], known: dict[str, Any]) -> list[list[str]]:
    """All in one statement; the drafts of a data set, which are many, in several."""
    if not any(known[i]["machine"].get("coded") for i in chosen):
        return [chosen]
    return [chosen[at : at + _TOGETHER] for at in range(0, len(chosen), _TOGETHER)]


def _dated(chosen: list[str], known: dict[str, Any]) -> list[str]:
    """Those of a data set's drafts that have a date; the others stay open, which is told."""
    found = [i for i in chosen if not _undated([known[i]])]
    left = len(chosen) - len(found)
    if not found:
        raise UsageError(
            f"none of {count(left, 'draft')} has a date", remedy="say when it was said: --date"
        )
    if left:
        told = f"left open: {count(left, 'draft')} without a date; say when with --date"
        click.echo(told, err=True)
    return found


def _accept_objects(
    client: Client,
    report: str,
    tlp: str | None,
    to: tuple[str, ...],
    case: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Say the objects that were read out of a file."""
    held = client.get(f"/reports/{report}/accept")
    if held["state"] != "saying":
        if not as_json:
            print_sharing(held.get("sharing", []), named=bool(to or case))
        terminal.agree(f"say {count(held['objects'], 'object')} in your party's name?", yes)
    body = {
        "tlp": tlp.upper() if tlp else None,
        "to": list(to),
        "case": terminal.whole_id(client, "case", case) if case else None,
    }
    # Of one that is being said already: this only waits for it.
    answer = client.call(
        "POST", f"/reports/{report}/accept", query={"later": 1}, body=msgspec.json.encode(body)
    )
    saying = _until_said(client, report, msgspec.json.decode(answer))
    if as_json:
        terminal.json_out(saying)
    else:
        _print_said(saying)
    if saying["state"] == "stopped":
        raise DraftError(
            f"{saying['done']} of {saying['objects']} objects are said, then: {saying['why']}",
            remedy="mend that, and say the same again: nothing is said twice",
        )


def _until_said(client: Client, report: str, saying: dict[str, Any]) -> dict[str, Any]:
    """Wait while the node says them; whoever stops waiting does not stop it."""
    shown = sys.stderr.isatty()
    try:
        while saying["state"] == "saying":
            if shown:
                told = f"{saying['done']} of {saying['objects']} objects …"
                click.echo(f"\r{told}", nl=False, err=True)
            time.sleep(0.5)
            saying = client.get(f"/reports/{report}/accept")
    except KeyboardInterrupt:
        told = f"the node goes on; look: {terminal.again()} accept --report {report}"
        click.echo(f"\n{told}", err=True)
        raise
    if shown:
        click.echo("\r" + " " * 60 + "\r", nl=False, err=True)
    return saying


def _print_said(done: dict[str, Any]) -> None:
    line(
        f"said {count(done['said'], 'object')} in {count(done['statements'], 'statement')}; "
        f"{done['again']} said before, {done['withdrawn']} withdrawn"
    )
    if done["originals"]:
        what = "the original is" if done["originals"] == 1 else f"{done['originals']} originals are"
        line(f"{what} kept whole in your record, for your party alone")
    for one in done["left_out"][:ONE_BY_ONE]:
        line(f"  left out: {one['id']}: {one['why']}")
    more = len(done["left_out"][ONE_BY_ONE:]) + done["more_left_out"]
    if more:
        click.echo(f"  and {more} more: --json")


def _undated(chosen: Iterable[dict[str, Any]]) -> bool:
    """Whether a claim among them has no date, which saying it needs."""
    return any(
        d["kind"] == "claim" and not {**d["machine"], **d["human"]}.get("date") for d in chosen
    )


def _report_done(as_json: bool, value: Any, words: str) -> None:
    if as_json:
        terminal.json_out(value)
    else:
        line(words)


def _sayable(chosen: list[str], known: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Those that can be said, and those that no STIX object stands for (wallets, ATT&CK ids)."""
    from tocsin.stix.needles import UNSAYABLE

    def named(i: str) -> bool:
        return known[i]["kind"] == "indicator" and _kind_of(known[i]) in UNSAYABLE

    return [i for i in chosen if not named(i)], [i for i in chosen if named(i)]


def _kind_of(draft: dict[str, Any]) -> str:
    """An indicator's kind as a person set it, else as it was read."""
    return str(draft["human"].get("kind") or draft["machine"]["type"])


def _resolve(given: str, known: dict[str, Any]) -> str:
    if given in known:
        return given
    near = [i for i in known if i.startswith(given) and "." in given] or [
        i for i in known if i.endswith("." + given)
    ]
    if len(near) == 1:
        return near[0]
    if near:
        raise UsageError(
            f"{given} fits {len(near)} drafts",
            remedy="say which: " + ", ".join(near[:5]) + (", …" if len(near) > 5 else ""),
        )
    raise NotFoundError(f"no draft {given}", remedy="list them with: tocsin accept")


def _fields(pairs: tuple[str, ...]) -> dict[str, str | None]:
    fields: dict[str, str | None] = {}
    for pair in pairs:
        name, eq, value = pair.partition("=")
        if not eq:
            raise UsageError(f"--edit {pair!r}", remedy="write it as --edit date=2026-11-20")
        fields[name.strip()] = value or None
    return fields


def _list(listed: list[dict[str, Any]], waiting: list[dict[str, Any]], report: str | None) -> None:
    if not listed and not waiting and report:
        raise NotFoundError(f"no drafts of a report {report}", remedy="tocsin accept lists all")
    if not listed and not waiting:
        click.echo("nothing waits; read a report with: tocsin ingest FILE")
        return
    if listed:
        _list_drafts(listed)
    if waiting:
        _list_objects(waiting, after=bool(listed), only=bool(report))


_STATE = {"waiting": "wait to be accepted", "saying": "are being said"}


def _list_objects(waiting: list[dict[str, Any]], *, after: bool, only: bool) -> None:
    """Reports whose objects are accepted together: fetched by TAXII, or read out of a file."""
    if after:
        click.echo()
    terminal.table(
        ["REPORT", "OBJECTS", "STATE", "CAME IN", "FILE"],
        [
            [
                w["report"],
                w["objects"] if w["state"] != "saying" else f"{w['done']}/{w['objects']}",
                _STATE.get(w["state"], w["state"].replace("-", " ")),
                w["received_at"][:10],
                w["name"],
            ]
            for w in waiting
        ],
        grow=4,
        least=12,
    )
    if only and waiting[0]["why"]:
        line(f"why  {waiting[0]['why']}")
    todo = [w["report"] for w in waiting if w["state"] in ("waiting", "stopped")]
    if todo:
        named = todo[0] if only or len(todo) == 1 else "REPORT"
        line(f"next  {terminal.again()} accept --report {named} --all")


def _flagged(found: dict[str, Any]) -> str:
    names = dict.fromkeys(str(flag["name"]) for flag in found.get("flags") or ())
    return f"[{', '.join(names)}] " if names else ""


def _list_drafts(listed: list[dict[str, Any]]) -> None:
    rows = []
    for d in listed:
        found = {**d["machine"], **d["human"]}
        claim = d["kind"] == "claim"
        rows.append(
            [
                f"{d['report']}.{d['n']}",
                d["state"],
                found["claim_type"] if claim else _kind_of(d),
                (found["speaker"] or "?") if claim else "-",
                found.get("date") or "-",
                terminal.clip(_flagged(found) + (found["words"] if claim else found["value"]), 68),
            ]
        )
    terminal.table(["DRAFT", "STATE", "TYPE", "SPEAKER", "DATE", "WORDS"], rows, grow=3, below=1)
