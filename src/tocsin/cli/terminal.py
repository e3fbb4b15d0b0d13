"""How things look on a terminal: tables, JSON, questions; untrusted text never reaches it raw."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import sys
import threading
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tocsin.console.untrusted import terminal
from tocsin.errors import TocsinError, UnreadableError, UsageError

if TYPE_CHECKING:
    from tocsin.client import Client


def csv_out(table: tuple[Sequence[str], Sequence[Sequence[object]]]) -> None:
    """A table to stdout as CSV, as the page that shows it gives it to keep: no cell is computed."""
    from tocsin.console.untrusted import csv_table

    click.echo(csv_table(*table), nl=False)


def json_out(value: Any) -> None:
    """One JSON value on one line of stdout; what a terminal would act on is escaped as JSON can."""
    text = msgspec.json.encode(value).decode()
    if not text.isascii() or "\x7f" in text:
        text = "".join(_escaped(c) if c > "~" and terminal(c) != c else c for c in text)
    click.echo(text)


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def line(text: str = "") -> None:
    """A line of our own words with foreign text in it: shown, never acted on by the terminal."""
    click.echo(terminal(text))


def width() -> int:
    """How many columns there are, as the terminal or COLUMNS says; 100 where nobody can tell."""
    told = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return shutil.get_terminal_size((100, 24)).columns if told else 100


def count(number: int, what: str) -> str:
    """ "1 claim", "2 claims"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def cells(text: str) -> int:
    """How many columns a text takes: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def clip(text: str, limit: int) -> str:
    """At most `limit` columns, with an ellipsis where something was cut."""
    if cells(text) <= limit:
        return text
    cut = ""
    for char in text:
        if cells(cut + char) > limit - 1:
            break
        cut += char
    return cut.rstrip() + "…"


_LINE_END = re.compile(r"[ \t]*\r?\n[ \t]*")


def _cell(value: Any) -> str:
    """A value as one line: where a text is wrapped, so that its words are read as printed."""
    return terminal("" if value is None else _LINE_END.sub(" ", str(value)))


NARROW = 80
"""Columns that every table fits into, so that nothing of it is broken over two lines."""


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    grow: int = 0,
    below: int = 0,
    least: int = 24,
) -> None:
    """Columns as narrow as they can be; column `grow` takes what is left and is cut to it.

    Args:
        below: so many of the last columns stand under each row, whole and with their names, those
            that hold something: a table of more would be wider than `NARROW`.
        least: columns that `grow` keeps even where the terminal has no room for them.
    """
    if below:
        _table_over(header, rows, grow, len(header) - below)
        return
    shown = [[_cell(v) for v in row] for row in rows]
    widths = [max([cells(h), *(cells(row[i]) for row in shown)]) for i, h in enumerate(header)]
    spare = width() - sum(w for i, w in enumerate(widths) if i != grow) - 2 * (len(header) - 1)
    widths[grow] = max(min(widths[grow], spare), min(least, widths[grow]))
    for row in [list(header), *shown]:
        parts = []
        for i, full in enumerate(row):
            text = clip(full, widths[i]) if i == grow else full
            parts.append(text + " " * (widths[i] - cells(text)))
        click.echo("  ".join(parts).rstrip())


def _table_over(
    header: Sequence[str], rows: Sequence[Sequence[Any]], grow: int, split: int
) -> None:
    shown = [[_cell(v) for v in row] for row in rows]
    widths = [max([cells(h), *(cells(row[i]) for row in shown)]) for i, h in enumerate(header)]
    widths = widths[:split]
    spare = NARROW - sum(w for i, w in enumerate(widths) if i != grow) - 2 * (split - 1)
    widths[grow] = max(min(widths[grow], spare), min(16, widths[grow]))
    for row in [list(header[:split]), *shown]:
        parts = [clip(full, w) for full, w in zip(row[:split], widths, strict=True)]
        padded = (text + " " * (w - cells(text)) for text, w in zip(parts, widths, strict=True))
        click.echo("  ".join(padded).rstrip())
        under = ""
        for name, value in zip(header[split:], row[split:], strict=False):
            if value in ("", "-"):
                continue
            item = f"{name.lower()} {value}"
            if under and cells(under) + 2 + cells(item) > NARROW:
                click.echo(under)
                under = ""
            under = f"{under}  {item}" if under else f"    {item}"
        if under:
            click.echo(under)


_HEX = re.compile("[0-9a-f]{1,64}")
MOST_BYTES = 512 * 1024 * 1024
"""No file of ours is larger; a pipe or a device may never end."""


def read_input(name: str) -> bytes:
    """The bytes of a named file, or of stdin for `-`, at most `MOST_BYTES`.

    Raises:
        UnreadableError: it cannot be read; the name and the reason.
    """
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MOST_BYTES + 1)
    except OSError as wrong:
        raise UnreadableError(
            f"{name}: {wrong.strerror or wrong}", remedy="check the path and who may read it"
        ) from wrong

    except ValueError as wrong:  # a NUL in a name
        raise UnreadableError(f"{name!r}: {wrong}", remedy="check the path") from wrong
    if len(data) > MOST_BYTES:
        raise UnreadableError(
            f"{name}: more than {MOST_BYTES} bytes", remedy="give it in parts; logs go to sweep"
        )
    return data


def read_folder(name: str) -> bytes | None:
    """A MISP feed's folder as one ZIP archive of its JSON files; None where it is no folder.

    Raises:
        UnreadableError: a folder without a manifest, one of its files cannot be read, or together
            they are more than `MOST_BYTES`.
    """
    folder = Path(name)
    try:
        if name == "-" or not folder.is_dir():
            return None
        if not (folder / "manifest.json").is_file():
            raise UnreadableError(
                f"{name} is a folder without a manifest.json",
                remedy="give files; the folder of a MISP feed has a manifest",
            )
        packed = io.BytesIO()
        left = MOST_BYTES
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.glob("*.json")):
                left -= file.stat().st_size
                if left < 0:
                    raise UnreadableError(
                        f"{name}: more than {MOST_BYTES} bytes", remedy="take the feed in parts"
                    )
                # The same folder gives the same bytes, so that it is known when it comes again.
                entry = zipfile.ZipInfo(file.name, (1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, file.read_bytes())
    except (OSError, ValueError) as wrong:
        raise UnreadableError(f"{name}: {wrong}", remedy="check the path and its files") from wrong
    return packed.getvalue()


def read_text(name: str) -> str:
    """The text of a file in UTF-8. Raises UnreadableError."""
    try:
        return read_input(name).decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise UnreadableError(f"{name}: {wrong}", remedy="save it as UTF-8") from wrong


def write_output(name: str, data: bytes) -> None:
    """Write a file whole or not at all; `-` is stdout.

    Raises:
        UnreadableError: it cannot be written.
    """
    if name == "-":
        sys.stdout.buffer.write(data)
        return
    target = Path(name)
    partial = target.with_name(f".{target.name}.part")
    try:
        partial.write_bytes(data)
        partial.replace(target)
    except OSError as wrong:
        with suppress(OSError):  # its folder may be no folder
            partial.unlink()
        raise UnreadableError(
            f"cannot write {name}: {wrong.strerror or wrong}",
            remedy="free space, or choose another place with --out",
        ) from wrong


def somebody_is_there() -> bool:
    """Whether a question would be answered: stdin is a terminal, and --no-input was not said."""
    settings = click.get_current_context().find_root().obj or {}
    return sys.stdin.isatty() and not settings.get("no_input")


def agree(question: str, yes: bool) -> None:
    """Ask before something that cannot be undone; without a terminal `--yes` is needed.

    Raises:
        UsageError: nobody is there to ask, and no --yes.
        click.Abort: the answer was no.
    """
    if yes:
        return
    if not somebody_is_there():
        raise UsageError(
            f"not done: nobody is here to be asked, as there is no terminal: {question}",
            remedy="say --yes if you mean it",
        )
    click.confirm(terminal(question), abort=True, err=True)


def again() -> str:
    """How to call us again for the same party: `tocsin`, and the --home that was given."""
    root = click.get_current_context().find_root()
    if root.get_parameter_source("home") is not click.core.ParameterSource.COMMANDLINE:
        return "tocsin"
    return f"tocsin --home {shlex.quote(root.params['home'])}"


def whole_id(client: Client, kind: str, given: str) -> str:
    """The id of the one case, advisory or claim that begins with `given`; else `given` as it is.

    Args:
        kind: `case`, `advisory`, or `note` for a claim.

    Raises:
        UsageError: several begin with it.
    """
    if len(given) >= len(kind) + 2 + 36:
        return given
    addresses = {"case": "/cases", "advisory": "/advisories", "note": "/claims"}
    near = [
        found["id"]
        for found in client.get(addresses[kind])["items"]
        if given and found["id"].startswith((given, f"{kind}--{given}"))
    ]
    if len(near) > 1:
        raise UsageError(
            f"{given} fits {len(near)} of those you may see",
            remedy="give more of its characters: tocsin "
            + ("claims" if kind == "note" else f"{kind} list"),
        )
    return near[0] if near else given


def whole_statement(client: Client, given: str, *, mine: bool = True) -> str:
    """The id of the one statement that begins with `given`; else as it is.

    Args:
        mine: only one's own are looked at; else all that one may read.

    Raises:
        UsageError: several begin with it, or fewer than six characters are given.
    """
    if not _HEX.fullmatch(given) or len(given) == 64:
        return given
    if len(given) < 6:
        raise UsageError(f"{given} is too short", remedy="give at least six of its characters")
    me, after = client.get("/me")["party"] if mine else None, -1
    near: list[dict[str, Any]] = []
    while True:
        page = client.get("/statements", party=me, after_index=after, limit=1000)
        near += [one for one in page["items"] if one["id"].startswith(given)]
        if page["next"] is None:
            break
        after = page["next"]
    if len(near) > 1:
        named = ", ".join(f"{one['id'][:16]}… ({one['kind']}, {one['time'][:10]})" for one in near)
        raise UsageError(
            f"{given} fits {len(near)} statements" + " of yours" * mine,
            remedy=f"give more of its characters: {named}",
        )
    return str(near[0]["id"]) if near else given


@contextmanager
def busy(
    told: str, ask: Callable[[], tuple[int, int]] | None = None
) -> Iterator[Callable[[int, int], None]]:
    """A line on stderr, where somebody looks at it: what is being done, and how far it is.

    It comes after half a second and goes at the end. Gives what is to be called with the parts
    done, and of how many.

    Args:
        ask: how far it is, where another process does it; asked about twice a second.
    """
    state = (0, 0)
    ended = threading.Event()

    def tell(done: int, of: int) -> None:
        nonlocal state
        state = (done, of)

    def show() -> None:
        began = time.monotonic()
        while not ended.wait(0.5):
            if ask is not None:
                with suppress(TocsinError):
                    tell(*ask())
            done, of = state
            full = 20 * done // of if of else 0
            bar = f"[{'#' * full}{'.' * (20 - full)}] {done:,} of {of:,} pages" if of else ""
            if of and done == of:
                bar = f"{of:,} pages, now who says what"
            took = f"{time.monotonic() - began:.0f} s"
            sys.stderr.write(f"\r\x1b[K{terminal(told)} {bar or '…'}  {took}")
            sys.stderr.flush()

    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield tell
        return
    shower = threading.Thread(target=show, daemon=True)
    shower.start()
    try:
        yield tell
    finally:
        ended.set()
        shower.join()
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


@contextmanager
def node() -> Iterator[Client]:
    """The node that this call's --home, --node and --as name."""
    from tocsin.wiring.door import connect

    settings = click.get_current_context().find_root().obj or {}
    here = click.get_current_context().params.get("as_party")
    with connect(settings.get("home"), settings.get("node"), here) as client:
        yield client


AS = click.option(
    "--as",
    "as_party",
    metavar="PARTY",
    help="Act as this party, where its key is in the same folder (the exercise).",
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON value on stdout.")
YES = click.option("--yes", is_flag=True, help="Do not ask.")
LEVEL = click.Choice(["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"], case_sensitive=False)
TLP = click.option("--tlp", type=LEVEL, help="Marking (TLP 2.0).")
TO = click.option("--to", multiple=True, metavar="PARTY", help="A party it is meant for; repeat.")
CASE = click.option("--case", metavar="CASE", help="The case it belongs to.")
