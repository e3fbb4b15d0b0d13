"""`log audit`: a whole log read and compared with its checkpoint."""

from __future__ import annotations

import sys
from typing import Any

import click

from tocsin.cli import terminal
from tocsin.cli.terminal import line
from tocsin.console.i18n import plural


@click.command("audit")
@click.argument("url", required=False)
@click.option("--vkey", "vkeys", multiple=True, metavar="VKEY", help="The log's key (repeatable).")
@click.option(
    "--since", multiple=True, metavar="FILE", help="A checkpoint kept earlier; the log extends it?"
)
@click.option("--keep", metavar="FILE", help="Write the audited checkpoint, for the next --since.")
@click.option(
    "--tamper-copy",
    type=click.IntRange(min=0),
    metavar="INDEX",
    help="Flip one bit of this entry in a copy in memory, and see the audit name it.",
)
@terminal.JSON
@click.pass_context
def log_audit(
    ctx: click.Context,
    url: str | None,
    vkeys: tuple[str, ...],
    since: tuple[str, ...],
    keep: str | None,
    tamper_copy: int | None,
    as_json: bool,
) -> int:
    """Read a whole log, every entry and tile, up to its signed root; your own with its statements.

    Exit 0 all holds, 3 something does not. Example: tocsin log audit https://node.example
    """
    import msgspec

    from tocsin.record import audit
    from tocsin.record import checkpoint as notes
    from tocsin.wiring.audit import published, tampered

    older = [terminal.read_input(name) for name in since]
    with published(ctx.find_root().obj["home"], url, vkeys) as (note, read, known, checks):
        shown = read
        if tamper_copy is not None:
            size = notes.open_checkpoint(notes.open_note(note).text).size
            shown = tampered(read, size, tamper_copy)
        found = audit.audit(note, shown, known, older=older, progress=_told(as_json))
        kept = _looked_through(checks) if tamper_copy is None else None
    ok = found.ok and not (kept and (kept["problems"] or kept["broken_line"] is not None))
    if keep is not None and found.ok:
        terminal.write_output(keep, note)
    if as_json:
        terminal.json_out({"v": 1, "ok": ok, **msgspec.to_builtins(found), "kept": kept})
        return 0 if ok else 3
    _print(found, kept, ok, tamper_copy)
    return 0 if ok else 3


def _looked_through(checks: Any) -> dict[str, Any] | None:
    """Everything the node itself keeps, looked through page by page; None for another's log."""
    if checks is None:
        return None
    total: dict[str, Any] = {
        **dict.fromkeys(("statements", "sealed", "objects", "gone", "lines"), 0),
        "problems": [],
    }
    broken: int | None = None
    start: int | None = 0
    while start is not None:
        page = checks(start)
        for name in total:
            total[name] += page[name]
        broken = page["broken_line"] if broken is None else broken
        start = page["next"]
    return {**total, "broken_line": broken}


def _told(as_json: bool) -> Any:
    """Progress on stderr, where somebody looks at it and there is time to look."""
    if as_json or not sys.stderr.isatty():
        return None

    def tell(done: int, of: int) -> None:
        if done == of:
            click.echo("\r\x1b[K", err=True, nl=False)
        elif done % 65_536 == 0:
            click.echo(f"\r{done:,} of {of:,} entries", err=True, nl=False)

    return tell


def _print(found: Any, kept: dict[str, Any] | None, ok: bool, tampered: int | None) -> None:
    line(f"log     {found.origin or '(unreadable)'}  size {found.size}")
    line(f"root    {found.root}")
    line(f"signed  {', '.join(found.signatures) or 'by no key known here'}")
    read = plural(found.entries, "entry", "entries")
    line(f"read    {read}, {plural(found.tiles, 'hash tile')}")
    for size in found.older:
        line(f"extends the checkpoint of size {size}")
    if kept is not None:
        sealed = f" ({kept['sealed']:,} sealed, by their outside)" if kept["sealed"] else ""
        line(
            f"kept    {plural(kept['statements'] + kept['sealed'], 'statement')}{sealed}, "
            f"{plural(kept['objects'], 'object')} checked"
        )
        if kept["gone"]:
            line(f"        of {kept['gone']:,} only the commitment is left (taken back or purged)")
        line(f"audit   {plural(kept['lines'], 'line')} of who did what on this node")
    for problem in found.problems:
        line(f"problem {problem.step} at {problem.where}: {problem.detail}")
    if found.problems:
        line(f"        {found.problems[0].remedy}")
    if found.more:
        line(f"        and {found.more:,} more")
    for damage in kept["problems"] if kept else ():
        line(f"problem statement {damage['index']} {damage['id'][:16]}: {damage['detail']}")
        line(f"        {damage['remedy']}")
    if kept is not None and kept["broken_line"] is not None:
        line(f"problem audit line {kept['broken_line']}: it does not follow from the one before it")
        line("        compare with a backup: somebody has changed the store by hand")
    if tampered is not None:
        click.echo(
            f"entry {tampered} was altered in a copy in memory; the log itself is as it was."
        )
    click.echo("AUDITED: every entry leads to the signed root." if ok else "AUDIT FAILS.")
