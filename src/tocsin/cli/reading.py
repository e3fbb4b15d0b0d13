"""Verbs about what was said: ingest, accept, claims, standing."""

from __future__ import annotations

import re
import secrets
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tocsin.cli import terminal
from tocsin.cli.terminal import line
from tocsin.errors import (
    DraftError,
    ForbiddenError,
    NotFoundError,
    TocsinError,
    UnreadableError,
    UsageError,
    VerificationError,
)

if TYPE_CHECKING:
    from tocsin.client import Client


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as wrong:
        raise UsageError(
            f"--published {text!r} is no date", remedy="write it as 2026-11-22"
        ) from wrong


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--published", metavar="DATE", help="When it was published; default: as it says itself."
)
@click.option("--tlp", type=terminal.LEVEL, help="Marking of what carries none (MISP, CSV).")
@click.option("--columns", metavar="NAMES", help="A CSV's columns, where it has no header row.")
@click.option("--claims", is_flag=True, help="Groups and campaigns in STIX as claims, not objects.")
@click.option(
    "--nlp", metavar="MODEL", help="Read with an installed spaCy model besides; or: none."
)
@click.option("--no-keep", is_flag=True, help="Only print the reading; keep nothing on a node.")
@terminal.JSON
@click.pass_context
def ingest(
    ctx: click.Context,
    files: tuple[str, ...],
    published: str | None,
    tlp: str | None,
    columns: str | None,
    claims: bool,
    nlp: str | None,
    no_keep: bool,
    as_json: bool,
) -> int:
    """Read reports, STIX, MISP, CSV, data sets of attributions: and list what was left out.

    Nothing is asserted and nothing leaves this machine: drafts wait for `tocsin accept`. Where
    there is no party yet, the reading is printed and not kept. `-` is stdin.

    Example: tocsin ingest report.html --published 2026-11-20
    """
    from tocsin.cli import complain
    from tocsin.wiring.folder import find_home
    from tocsin.wiring.offline import read_file

    day = _day(published)
    keep = not no_keep
    if keep:
        try:
            if not ctx.find_root().obj["node"]:
                find_home(ctx.find_root().obj["home"])
        except UnreadableError:
            if ctx.find_root().obj["home"]:
                raise
            keep = False
    failed = 0
    read: list[tuple[str, bytes]] = []
    marking: Any = tlp.upper() if tlp else None
    for name in files:
        try:
            read.append((name, terminal.read_folder(name) or terminal.read_input(name)))
        except TocsinError as error:
            complain(error)
            failed += 1
    if not keep:
        for name, raw in read:

            def unkept(n: str = name, r: bytes = raw) -> Any:
                how = {"tlp": marking, "columns": columns, "as_claims": claims, "model": nlp}
                with terminal.busy(f"reading {_base(n)}") as progress:
                    return read_file(r, _base(n), published=day, progress=progress, **how)

            failed += _one(name, unkept, as_json, None)
    elif read:
        with terminal.node() as client:
            for name, raw in read:

                def kept(n: str = name, r: bytes = raw) -> Any:
                    mark = secrets.token_hex(16)

                    def ask() -> tuple[int, int]:
                        far = client.get(f"/reports/reading/{mark}")
                        return far["done"], far["of"]

                    query = {
                        "name": _base(n),
                        "published": published,
                        "tlp": marking,
                        "columns": columns,
                        "claims": "1" if claims else None,
                        "nlp": nlp,
                        "mark": mark,
                    }
                    try:
                        with terminal.busy(f"reading {_base(n)}", ask):
                            answer = client.call(
                                "POST",
                                "/reports",
                                query=query,
                                body=r,
                                media_type="application/octet-stream",
                            )
                    except ForbiddenError as wrong:
                        # A guest keeps no drafts on another's node, whose operator would read them.
                        raise ForbiddenError(
                            wrong.message, remedy=f"read it here alone: tocsin ingest --no-keep {n}"
                        ) from wrong
                    return msgspec.json.decode(answer)

                failed += _one(name, kept, as_json, name)
    if failed:
        return 2
    return 0


def _base(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1] or path


def _one(name: str, reading: Any, as_json: bool, kept: str | None) -> int:
    from tocsin.cli import complain

    try:
        found = reading()
    except TocsinError as error:
        error.message = error.message if name in error.message else f"{name}: {error.message}"
        complain(error)
        return 1
    plain = as_reading(found)
    if as_json:
        terminal.json_out(plain)
        return 0
    _print(plain, found.get("id") if kept else None)
    return 0


def as_reading(found: dict[str, Any]) -> dict[str, Any]:
    """The one form of `ingest --json`, whether or not a node keeps the drafts."""
    if "received_at" not in found:
        return found
    drafts = found["drafts"]
    plain: dict[str, Any] = {"source": found["source"]}
    if found["objects"]:
        plain["objects"] = found["objects"]
    plain["drafts"] = [d["machine"] for d in drafts if d["kind"] == "claim"]
    plain["indicators"] = [d["machine"] for d in drafts if d["kind"] == "indicator"]
    plain["losses"] = found["losses"]
    if found.get("sharing"):
        plain["sharing"] = found["sharing"]
    plain["report"] = found["id"]
    return plain


def _print(plain: dict[str, Any], kept: str | None) -> None:
    source = plain["source"]
    line(f"{source['name']}  {source['media_type']}  sha256 {source['sha256'][:16]}…")
    if source.get("published_as"):
        line(f"published {source['published']}, as it says itself: {source['published_as']}")
    drafts, indicators = plain.get("drafts", []), plain.get("indicators", [])
    if drafts:
        click.echo()
        terminal.table(
            ["", "TYPE", "SPEAKER", "TO", "DATE", "WORDS"],
            [
                [
                    n,
                    d["claim_type"],
                    terminal.clip(d["speaker"] or "?", 18),
                    terminal.clip(d["addressee"] or "-", 14),
                    d["date"] or "-",
                    ("“" + d["words"] + "”") if d["direct"] else d["words"],
                ]
                for n, d in enumerate(drafts, 1)
            ],
            grow=5,
        )
        _print_flags(drafts)
        _print_parsed(drafts)
    if indicators:
        click.echo()
        terminal.table(
            ["", "TYPE", "VALUE", "WRITTEN", "NOTES"],
            [
                [
                    n,
                    i["type"],
                    i["value"],
                    "-" if i["raw"] == i["value"] else i["raw"],
                    ", ".join(_noted(i)),
                ]
                for n, i in enumerate(indicators, len(drafts) + 1)
            ],
            grow=2,
            below=2,
        )
    if plain.get("objects"):
        bad = [o for o in plain["objects"] if o.get("problem")]
        click.echo(f"\n{_count(len(plain['objects']), 'STIX object')}, {len(bad)} with a problem")
        _print_types(plain["objects"])
    _print_sharing(plain.get("sharing", []))
    click.echo(
        f"\n{_count(len(drafts), 'claim')}, {_count(len(indicators), 'indicator')}, "
        f"{len(plain['losses'])} left out"
    )
    _print_losses(plain["losses"])
    if kept:
        line(f"kept on this node as report {kept}; nothing is said yet")
        if not (drafts or indicators or plain.get("objects")):
            return
        todo = f"accept --report {kept}" + (" --all" if plain.get("objects") else "")
        line(f"next  {terminal.again()} {todo}")
    elif drafts or indicators:
        asked = click.get_current_context().params.get("no_keep")
        why = "as asked" if asked else "there is no party here yet (tocsin init, or tocsin up)"
        click.echo(f"not kept: {why}", err=True)


def _print_flags(drafts: list[dict[str, Any]]) -> None:
    """Defects that were seen and not mended, each kind once; a draft's own are in --json."""
    found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for n, draft in enumerate(drafts, 1):
        for flag in draft.get("flags") or ():
            found.setdefault(flag["name"], []).append((n, flag))
    if found:
        click.echo()
        rows = [
            [
                len({n for n, _ in same}),
                name,
                same[0][1].get("note") or "-",
                _short(same[0][1].get("pointer") or "-"),
            ]
            for name, same in sorted(found.items(), key=lambda row: (-len(row[1]), row[0]))
        ]
        terminal.table(["DRAFTS", "FLAG, NOT MENDED", "THE FIRST", "AT"], rows, grow=2)


def _print_parsed(drafts: list[dict[str, Any]]) -> None:
    """Which drafts a learned parser found, and which one."""
    found: dict[str, list[str]] = {}
    for n, draft in enumerate(drafts, 1):
        if draft.get("parser"):
            found.setdefault(draft["parser"], []).append(str(n))
    for parser, which in found.items():
        click.echo()
        listed = ", ".join(which[:_ONE_BY_ONE]) + (", …" if len(which) > _ONE_BY_ONE else "")
        line(f"found by a learned parser, and by no rule: {listed}")
        line(f"  {parser}")


def _noted(indicator: dict[str, Any]) -> list[str]:
    """What is said of an indicator beside its value."""
    marking = [f"TLP:{indicator['tlp']}"] if indicator.get("tlp") else []
    until = [f"until {indicator['valid_until'][:10]}"] if indicator.get("valid_until") else []
    return [*indicator["notes"], *marking, *until]


def _print_types(objects: list[dict[str, Any]]) -> None:
    """How many of each type, in one line or two."""
    counts = Counter(o.get("type") or str(o["id"]).partition("--")[0] or "?" for o in objects)
    for words in textwrap.wrap(", ".join(f"{n} {kind}" for kind, n in counts.most_common()), 76):
        line(f"  {words}")


_CIRCLES = 20
"""Sharing groups that are shown; --json has all."""


def _print_sharing(circles: list[dict[str, Any]], *, named: bool = False) -> None:
    """Whom the sharing groups of a file reach, before anything is said.

    Args:
        named: the acceptance names readers, and of each group only these are reached.
    """
    for one in circles[:_CIRCLES]:
        groups = " and ".join(f"“{name}”" for name in one["groups"])
        click.echo()
        line(f"{_count(one['objects'], 'object')} for the sharing group {groups}")
        for member in one["members"]:
            if member["party"] in one["parties"]:
                by = "its directory entry" if member["by"] == "directory" else "tocsin.toml"
                called = member["name"] or member["uuid"]
                line(f"  to {member['party']}  ({called}, by {by})")
        left = [m["name"] or m["uuid"] for m in one["members"] if m["party"] is None]
        if left:
            told = ", ".join(left[:10]) + (", …" if len(left) > 10 else "")
            line(f"  not to {terminal.clip(told, 300)}: no parties here ([misp.organisations])")
        if not one["parties"]:
            line("  to nobody but your own party" + (", and into no file" * one["unknown"]))
        elif named:
            line("  of these only whom you name, or the members of your case")
    if len(circles) > _CIRCLES:
        line(f"and {len(circles) - _CIRCLES} sharing groups more: --json")


_ONE_BY_ONE = 20
"""Losses that are listed each; of more, those of one kind and reason are counted."""


def _print_losses(losses: list[dict[str, Any]]) -> None:
    """What was left out and why: each, or where there are many each kind once with its count."""
    if len(losses) <= _ONE_BY_ONE:
        for loss in losses:
            place = f" ({loss['pointer']})" if loss.get("pointer") else ""
            line(f"  left out: {loss['kind']}: {loss['note']}{place}")
        return
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for loss in losses:
        told = _DIGITS.sub("…", _NAMED.sub("“…”", loss["note"]).partition(", printed ")[0])
        groups.setdefault((loss["kind"], told), []).append(loss)
    rows = sorted(groups.items(), key=lambda row: (-len(row[1]), row[0]))
    shown = [
        [len(same), kind, same[0]["note"], _short(same[0].get("pointer") or "-")]
        for (kind, _), same in rows[:40]
    ]
    terminal.table(["LEFT OUT", "KIND", "WHY", "FIRST AT"], shown, grow=2)
    if len(rows) > 40:
        click.echo(f"and {len(rows) - 40} kinds and reasons more")
    click.echo("all of them, each with its place: --json")


def _short(pointer: str) -> str:
    """The end of a pointer: where in its event; which event is in --json."""
    return pointer if len(pointer) <= 24 else "…" + pointer[-23:]


_NAMED = re.compile("“[^”]*”")
_DIGITS = re.compile(r"[0-9a-f-]{6,}|\d+")


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
                    _print_sharing(client.get(f"/reports/{report}/accept")["sharing"])
            return
        by_id = {f"{d['report']}.{d['n']}": d for d in listed}
        if everything and report and not listed and not edit:
            if reject:
                done = client.post(f"/reports/{report}/reject", {"why": why})
                _report_done(as_json, done, f"set aside {_count(done['objects'], 'object')}")
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
                    told = f"left open: {_count(len(left), 'draft')} STIX has no object for"
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
            _report_done(as_json, {"drafts": done}, f"rejected {_count(len(done), 'draft')}")
            return
        if fields and not everything and not (said or tlp or case or to or yes):
            todo = f"accept with: {terminal.again()} accept {' '.join(chosen)}"
            line(f"edited {_count(len(chosen), 'draft')}; {todo}")
            return
        if everything and not said and any(by_id[i]["machine"].get("coded") for i in chosen):
            chosen = _dated(chosen, by_id)
        if everything or len(chosen) > 1:
            terminal.agree(f"say {_count(len(chosen), 'draft')} in your party's name?", yes)
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
        count, total = sum(len(one["drafts"]) for one in done), sum(map(len, parts))
        raise DraftError(
            f"{count} of {_count(total, 'draft')} are said, then: {wrong.message}",
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
    _report_done(as_json, done, f"said {_count(len(done['drafts']), 'draft')}")
    for one in parts if not as_json else ():
        if one.get("statement"):
            line(f"statement {one['statement']['id']}  log index {one['statement']['index']}")


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
            f"none of {_count(left, 'draft')} has a date", remedy="say when it was said: --date"
        )
    if left:
        told = f"left open: {_count(left, 'draft')} without a date; say when with --date"
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
        count = _count(held["objects"], "object")
        if not as_json:
            _print_sharing(held.get("sharing", []), named=bool(to or case))
        terminal.agree(f"say {count} in your party's name?", yes)
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
        f"said {_count(done['said'], 'object')} in {_count(done['statements'], 'statement')}; "
        f"{done['again']} said before, {done['withdrawn']} withdrawn"
    )
    if done["originals"]:
        what = "the original is" if done["originals"] == 1 else f"{done['originals']} originals are"
        line(f"{what} kept whole in your record, for your party alone")
    for one in done["left_out"][:_ONE_BY_ONE]:
        line(f"  left out: {one['id']}: {one['why']}")
    more = len(done["left_out"][_ONE_BY_ONE:]) + done["more_left_out"]
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


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


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
            what = _claim_id(client, what)
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


def _claim_id(client: Any, given: str) -> str:
    """A claim's id from its first characters."""
    near = [r["id"] for r in client.get("/claims")["items"] if r["id"].startswith(given)]
    if len(near) > 1:
        raise UsageError(f"{given} fits {len(near)} claims", remedy="give more of its characters")
    return str(near[0]) if near else given


def print_standing(one: dict[str, Any], sentences: list[str]) -> None:
    line(f"{one['claim']}  {one['level'] or 'not weighed'}")
    for name, grade in one["links"].items():
        shown = "" if grade["shown"] or grade["grade"] == "none-shown" else "  (stated, not shown)"
        line(f"  {name:10} {grade['grade']}{shown}")
    for sentence in sentences:
        line(f"  {sentence}")
    line(f"  inputs sha256 {one['inputs_sha256']}")
