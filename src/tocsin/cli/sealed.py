"""Verbs about what is sealed: open; and how `say --seal` says it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tocsin.cli import terminal
from tocsin.cli.terminal import line
from tocsin.console.untrusted import terminal as safe
from tocsin.errors import RecordError, UsageError, VerificationError

if TYPE_CHECKING:
    from tocsin.policy import Tlp
    from tocsin.wiring.sealing import Row, Sealing, Unsealed


@contextmanager
def _at_home(as_party: str | None) -> Iterator[Sealing]:
    """The folder whose keys seal and open, and the way to its node."""
    from tocsin.wiring.folder import find_home, load_config
    from tocsin.wiring.sealing import Sealing

    settings = click.get_current_context().find_root().obj or {}
    home = find_home(settings.get("home"))
    with terminal.node() as client:
        yield Sealing(home, as_party or load_config(home).party, client)


def say_sealed(
    bodies: Sequence[bytes],
    *,
    tlp: Tlp | None,
    to: Sequence[str],
    case: str | None,
    as_party: str | None,
) -> list[Any]:
    """Seal each bundle at home and have it logged; the node never holds what is inside."""
    import msgspec

    from tocsin.cli.case import ceiling

    if not to:
        raise UsageError("sealed for whom?", remedy="name its readers: --to PARTY")
    done = []
    with _at_home(as_party) as home:
        case = terminal.whole_id(home.client, "case", case) if case else None
        marking: Any = tlp or (ceiling(home.client, case) if case else "AMBER+STRICT")
        for raw in bodies:
            said = home.say(raw, tlp=marking, to=to, case=case)
            done.append(msgspec.to_builtins(said))
    return done


@click.command("open")
@click.argument("statement", required=False, metavar="[ID]")
@terminal.CASE
@click.option("--out", metavar="DIR", help="Write the statement and its objects there.")
@terminal.AS
@terminal.JSON
def open_(
    statement: str | None, case: str | None, out: str | None, as_party: str | None, as_json: bool
) -> None:
    """List what is sealed for you; or open one with the key of this folder.

    Author and signature are verified from this folder's root file, whatever the node says. What
    does not open as its outside says is kept as a file: its author signed it.

    Example: tocsin open 5f0c --out opened
    """
    with _at_home(as_party) as home:
        if statement is None:
            case = terminal.whole_id(home.client, "case", case) if case else None
            _list(home.listed(case), as_json)
            return
        row = home.named(statement)
        raw = home.fetch(row)
        try:
            found = home.judge(row, raw)
        except RecordError as wrong:
            kept = _folder(out) / f"{row.id[:16]}.sealed.json"
            terminal.write_output(str(kept), raw)
            raise VerificationError(
                f"{wrong.message}; what the node gave is kept in {kept}", remedy=wrong.remedy
            ) from wrong
    files = _write(found, _folder(out)) if out else {}
    if as_json:
        terminal.json_out(_plain(row, found, files))
    else:
        _show(row, found, files)


def _folder(out: str | None) -> Path:
    folder = Path(out or ".")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as wrong:
        raise UsageError(f"--out {out}: {wrong.strerror}", remedy="name a folder") from wrong
    return folder


def _list(rows: Sequence[Row], as_json: bool) -> None:
    import msgspec

    if as_json:
        terminal.json_out(msgspec.to_builtins(rows))
        return
    if not rows:
        click.echo("nothing is sealed for you here")
        return
    ids = [row.id for row in rows]
    shared = {id for id in ids if ids.count(id) > 1}
    terminal.table(
        ["INDEX", "AUTHOR", "SEALED FOR", "TLP", "CASE", "STATEMENT"],
        [
            [
                row.index,
                row.author,
                ", ".join(p for p in row.readers if p != row.author) or row.author,
                row.tlp,
                row.case or "",
                (row.entry if row.id in shared else row.id)
                + (" withdrawn" if row.withdrawn else ""),
            ]
            for row in rows
        ],
        grow=2,
        below=2,
    )
    for id in sorted(shared):
        line(f"several have sealed under the id {id}: their entries are shown")
    click.echo(f"\nnext  {terminal.again()} open STATEMENT (its first characters do)", err=True)


def _write(found: Unsealed, folder: Path) -> dict[str, str]:
    """Names come from digests: what an author calls its objects is no path."""
    terminal.write_output(str(folder / f"{found.id[:16]}.envelope.json"), found.envelope)
    files: dict[str, str] = {}
    for ref, raw in found.objects:
        ending = "bin" if ref.id.startswith("urn:sha256:") else "json"
        files[ref.sha256] = str(folder / f"{ref.sha256[:16]}.{ending}")
        terminal.write_output(files[ref.sha256], raw)
    return files


def _plain(row: Row, found: Unsealed, files: dict[str, str]) -> dict[str, Any]:
    s = found.statement
    return {
        "id": found.id,
        "entry": row.entry,
        "index": row.index,
        "author": s.author,
        "kind": s.kind,
        "case": s.case,
        "seq": s.seq,
        "time": s.time,
        "tlp": s.tlp,
        "to": list(s.to),
        "signature": True,
        "key": found.key,
        "withdrawn": row.withdrawn,
        "problems": list(found.problems),
        "objects": [
            {
                "id": ref.id,
                "type": ref.type,
                "sha256": ref.sha256,
                "file": files.get(ref.sha256),
                "text": None if ref.sha256 in files else raw.decode("utf-8", "replace"),
            }
            for ref, raw in found.objects
        ],
    }


def _show(row: Row, found: Unsealed, files: dict[str, str]) -> None:
    s = found.statement
    line(f"statement {found.id}  log index {row.index}")
    line(f"entry     {row.entry}")
    line(f"{s.kind} by {s.author} of {s.time}, number {s.seq} in {s.case or 'its open chain'}")
    line(f"TLP:{s.tlp} to {', '.join(s.to)}; signature ok, key {found.key}")
    if row.withdrawn:
        line("withdrawn by its author, says the node")
    if found.key == "revoked":
        line("that key has been revoked since; that this was logged before is the node's word")
    for ref, raw in found.objects:
        click.echo()
        line(f"{ref.type}  {ref.id}  sha256 {ref.sha256}")
        if ref.sha256 in files:
            line(f"  wrote {files[ref.sha256]}")
        else:
            click.echo(safe(raw.decode("utf-8", "replace"), one_line=False))
    for problem in found.problems:
        line(f"problem {problem}")


open = open_
"""The verb, by its name."""
