"""`tocsin sweep`: look for shared indicators in one's own files. Hits stay on this machine."""

from __future__ import annotations

import secrets
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from tocsin.cli import terminal
from tocsin.cli.terminal import line
from tocsin.console.untrusted import terminal as untrusted
from tocsin.errors import NotFoundError, SweepError, UnreadableError, UsageError

if TYPE_CHECKING:
    from tocsin.flows.hunt import Found, Indicators, NotCovered, Summary
    from tocsin.sweep.tokens import Needles

SHOWN = 20
"""Rows of a list that are shown to a person; `--json` has all."""


def indicators_from_node(case: str | None) -> Indicators:
    """Every indicator in force that this reader may read, or those of one case, from the node."""
    import msgspec

    from tocsin.flows.hunt_indicators import from_objects
    from tocsin.stix.bundle import open_bundle

    with terminal.node() as client:
        case = terminal.whole_id(client, "case", case) if case else None
        found = client.get("/indicators", case=case)
    held = open_bundle(msgspec.json.encode(found["items"])) if found["items"] else []
    if not held:
        raise NotFoundError(
            "the node holds no indicator in force that you may read",
            remedy="share some, or name a file: tocsin sweep PATH... --indicators FILE",
        )
    return msgspec.structs.replace(
        from_objects(held), form="node", overrides=tuple(found["overrides"])
    )


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--indicators",
    metavar="REPORT|FILE",
    help="Read them from this file: a report, one value per line, a CSV with a `value` column, "
    "JSON lines, or STIX. Needs no node, key or network. `-` is stdin.",
)
@click.option("--case", metavar="CASE", help="The indicators of this case only, from the node.")
@click.option("--defang", is_flag=True, help="Also find values written as in mail and tickets.")
@click.option(
    "--since", metavar="TIME", help="The logs begin here: mark hits of indicators over by then."
)
@click.option(
    "--until", metavar="TIME", help="The logs end here: mark hits of indicators not yet in force."
)
@click.option(
    "--override",
    multiple=True,
    metavar="LIST[:VALUE]",
    help="Look for what stands on this warninglist too, or for this one value of it; repeat.",
)
@click.option("--explain", is_flag=True, help="Say what would be looked for; read no file.")
@click.option("--exit-hits", is_flag=True, help="Exit with 5 where there are hits (for scripts).")
@terminal.JSON
@click.option("--jsonl", "as_jsonl", is_flag=True, help="One JSON hit a line, then the summary.")
@click.pass_context
def sweep(
    ctx: click.Context,
    paths: tuple[str, ...],
    indicators: str | None,
    case: str | None,
    defang: bool,
    since: str | None,
    until: str | None,
    override: tuple[str, ...],
    explain: bool,
    exit_hits: bool,
    as_json: bool,
    as_jsonl: bool,
) -> int:
    """Look for shared indicators in your own files; nothing leaves this machine.

    Files, folders, rotated .gz and .zst logs; `-` is stdin. No hit is not clean: what was not
    covered, and why, is listed at the end.

    Example: tocsin sweep /var/log --indicators report.html
    """
    from tocsin.flows import hunt
    from tocsin.sweep.tokens import Needles

    if as_json and as_jsonl:
        raise UsageError("--json and --jsonl together", remedy="choose one")
    if indicators is not None and case is not None:
        raise UsageError("--indicators and --case together", remedy="choose one")
    if indicators == "-" and "-" in paths:
        raise UsageError("stdin cannot be both the log and the indicators", remedy="name a file")
    start, stop = _time("--since", since), _time("--until", until)
    _check_overrides(override)
    given = _indicators(indicators, case)
    needles = Needles.build(
        given.needles, seed=secrets.randbits(64), overrides=(*override, *given.overrides)
    )
    if explain:
        _explain(given, needles, as_json=as_json or as_jsonl)
        return 0
    if not needles.looked_for:
        raise _nothing(given, needles)
    progress = _progress(quiet=bool((ctx.find_root().obj or {}).get("quiet")))
    run = hunt.sweep_each(
        list(paths),
        needles,
        defang=defang,
        since=start,
        until=stop,
        left_out=given.left_out,
        progress=progress,
    )
    hits: list[Found] = []
    while True:
        try:
            hit = next(run)
        except StopIteration as end:
            summary: Summary = end.value
            break
        if as_jsonl:
            terminal.json_out(hit)
        else:
            hits.append(hit)
    if progress is not None:
        _wipe()
    if as_json:
        terminal.json_out({"hits": hits, "summary": summary})
    elif as_jsonl:
        terminal.json_out({"summary": summary})
    else:
        _show(hits, summary)
    if not summary.complete:
        return 1
    return 5 if exit_hits and summary.hits else 0


# --- what to look for -----------------------------------------------------------------------


def _indicators(source: str | None, case: str | None) -> Indicators:
    if source is None:
        return indicators_from_node(case)
    from tocsin.flows.hunt import load_indicators

    raw = terminal.read_input(source)
    name = "stdin" if source == "-" else source
    try:
        return load_indicators(raw, name, _read_report)
    except UnreadableError as wrong:
        if not raw:
            raise UnreadableError(f"{name} is empty", remedy=wrong.remedy) from wrong
        raise


def _read_report(raw: bytes, name: str) -> Any:
    from tocsin.importers import report

    return report.read(raw, name)


def _time(flag: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise UsageError(
            f"{flag} {text!r} is no time", remedy="write it as 2026-11-22T08:30:00Z"
        ) from wrong
    if time.tzinfo is None:
        raise UsageError(
            f"{flag} {text!r} has no time zone", remedy="write it as 2026-11-22T08:30:00Z"
        )
    return time.astimezone(UTC)


def _check_overrides(overrides: Sequence[str]) -> None:
    from tocsin.sweep.warninglists import LISTS

    for one in overrides:
        if one.partition(":")[0] not in LISTS:
            raise UsageError(
                f"--override {one!r} names no warninglist", remedy="one of: " + ", ".join(LISTS)
            )


def _nothing(given: Indicators, needles: Needles) -> SweepError:
    for one in needles.suppressed:
        return SweepError(
            f"nothing to look for: {one.needle.value!r} and all others stand on warninglists "
            f"({one.list})",
            remedy=f"to look for it none the less: --override {one.list}",
        )
    for two in needles.refused:
        return SweepError(f"nothing to look for: {two.reason}", remedy="mend the indicators")
    return SweepError(
        f"nothing to look for among {len(given.needles)} indicators", remedy="see --explain"
    )


def _explain(given: Indicators, needles: Needles, *, as_json: bool) -> None:
    rows = [
        {"indicator": needle.indicator, "kind": one.kind, "value": one.value}
        for one in needles.looked_for
        for needle in one.needles
    ]
    if as_json:
        terminal.json_out(
            {
                "form": given.form,
                "looked_for": rows,
                "suppressed": [
                    {
                        "indicator": one.needle.indicator,
                        "value": one.needle.value,
                        "list": one.list,
                        "overridden": one.overridden,
                    }
                    for one in needles.suppressed
                ],
                "refused": [
                    {
                        "indicator": one.needle.indicator,
                        "value": one.needle.value,
                        "why": one.reason,
                    }
                    for one in needles.refused
                ],
                "left_out": given.left_out,
            }
        )
        return
    count = Counter(one.kind for one in needles.looked_for)
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(count.items())) or "nothing"
    line(f"read as {given.form}; would look for {kinds}")
    terminal.table(
        ("kind", "value", "indicator"),
        [(row["kind"], row["value"], row["indicator"]) for row in rows[:200]],
        grow=1,
        below=1,
    )
    _more(len(rows) - 200)
    for one in needles.suppressed[:SHOWN]:
        word = "overridden" if one.overridden else "not looked for"
        line(f"on the warninglist {one.list}, {word}: {one.needle.value}")
    _more(len(needles.suppressed) - SHOWN)
    for two in needles.refused[:SHOWN]:
        line(f"not looked for: {two.reason}")
    _more(len(needles.refused) - SHOWN)
    for three in given.left_out[:SHOWN]:
        line(f"left out: {three.what}: {three.why}")
    _more(len(given.left_out) - SHOWN)


# --- what a person reads --------------------------------------------------------------------


def _show(hits: Sequence[Found], summary: Summary) -> None:
    if hits:
        terminal.table(
            ("indicator's value", "where", "as it stands", "rule"),
            [
                (
                    hit.value,
                    f"{hit.path}:{hit.line}",
                    "" if hit.matched == hit.value else hit.matched,
                    hit.rule + (" (not in force)" if hit.outside_validity else ""),
                )
                for hit in hits
            ],
            below=3,
        )
        line()
    line(
        f"{_many(summary.hits, 'hit')} of {_many(summary.indicators_hit, 'indicator')}; "
        f"looked for {_many(summary.values, 'value')} of {_many(summary.indicators, 'indicator')} "
        f"in {_many(summary.files, 'file')}, {_size(summary.bytes)}"
        + (f" ({summary.decompressed} decompressed)" if summary.decompressed else "")
    )
    for over in summary.over_limit[:SHOWN]:
        line(f"shown {over.kept} of {over.hits} hits: {over.indicator}")
    _aside(summary)
    if summary.long_lines:
        line(f"{_many(summary.long_lines, 'line')} over 1 MiB, read in pieces that overlap")
    line()
    if summary.not_covered:
        line(f"not covered: {len(summary.not_covered)}")
        _gaps(summary.not_covered)
    else:
        line("not covered: nothing below these paths; other machines and other times are")
    line(summary.note)


def _gaps(gaps: Sequence[NotCovered]) -> None:
    """What should have been read and could not be, one by one; the rest by reason."""
    failed = [gap for gap in gaps if gap.kind == "failed"]
    for gap in failed[: 5 * SHOWN]:
        part = f" (the first {_size(gap.covered)} were read)" if gap.covered else ""
        line(f"  {gap.path}: {gap.why}{part}")
    _more(len(failed) - 5 * SHOWN)
    reasons: dict[str, list[str]] = {}
    for gap in gaps:
        if gap.kind == "skipped":
            reasons.setdefault(gap.why.partition(", to ")[0], []).append(gap.path)
    for why, paths in sorted(reasons.items()):
        if len(paths) <= 3:
            for path in paths:
                line(f"  {path}: {why}")
        else:
            line(f"  {len(paths)} times {why}: {', '.join(paths[:3])}, … (--json lists all)")


def _aside(summary: Summary) -> None:
    lists = Counter(one.why for one in summary.suppressed)
    for name, count in sorted(lists.items()):
        some = [one.value for one in summary.suppressed if one.why == name]
        line(
            f"not looked for, on the warninglist {name}: {count} ({', '.join(some[:3])}"
            + (", …" if count > 3 else "")
            + f"); to look for them too: --override {name}"
        )
    for name, count in sorted(Counter(one.why for one in summary.overridden).items()):
        line(f"looked for although on the warninglist {name}: {count}")
    for one in summary.refused[:SHOWN]:
        line(f"not looked for: {one.why}")
    _more(len(summary.refused) - SHOWN)
    for two in summary.left_out[:SHOWN]:
        line(f"not looked for: {two.what}: {two.why}")
    _more(len(summary.left_out) - SHOWN)


def _more(count: int) -> None:
    if count > 0:
        line(f"  … and {count} more (--json lists all)")


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _progress(*, quiet: bool) -> Callable[[int, int, str], None] | None:
    """A line on stderr that is written over, where a person is watching."""
    if quiet or not sys.stderr.isatty():
        return None
    last = 0.0

    def tell(done: int, total: int, path: str) -> None:
        nonlocal last
        now = monotonic()
        if now - last < 0.2:
            return
        last = now
        share = f"{100 * done // total} %" if total else ""
        room = max(10, terminal.width() - 24)
        shown = terminal.clip(untrusted(path), room)
        sys.stderr.write(f"\r\x1b[K{share:>5} of {_size(total)}  {shown}")
        sys.stderr.flush()

    return tell


def _wipe() -> None:
    sys.stderr.write("\r\x1b[K")
    sys.stderr.flush()
