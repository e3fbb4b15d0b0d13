"""`tocsin ingest`: reports and files of other tools in, as drafts and a list of what was lost."""

from __future__ import annotations

import re
import secrets
import textwrap
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tocsin.cli import terminal
from tocsin.cli.terminal import count, line
from tocsin.errors import (
    ForbiddenError,
    TocsinError,
    UnreadableError,
    UsageError,
)

if TYPE_CHECKING:
    pass


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
        click.echo(f"\n{count(len(plain['objects']), 'STIX object')}, {len(bad)} with a problem")
        _print_types(plain["objects"])
    print_sharing(plain.get("sharing", []))
    click.echo(
        f"\n{count(len(drafts), 'claim')}, {count(len(indicators), 'indicator')}, "
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
        listed = ", ".join(which[:ONE_BY_ONE]) + (", …" if len(which) > ONE_BY_ONE else "")
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


def print_sharing(circles: list[dict[str, Any]], *, named: bool = False) -> None:
    """Whom the sharing groups of a file reach, before anything is said.

    Args:
        named: the acceptance names readers, and of each group only these are reached.
    """
    for one in circles[:_CIRCLES]:
        groups = " and ".join(f"“{name}”" for name in one["groups"])
        click.echo()
        line(f"{count(one['objects'], 'object')} for the sharing group {groups}")
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


ONE_BY_ONE = 20
"""Losses that are listed each; of more, those of one kind and reason are counted."""


def _print_losses(losses: list[dict[str, Any]]) -> None:
    """What was left out and why: each, or where there are many each kind once with its count."""
    if len(losses) <= ONE_BY_ONE:
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
