"""`stix`: what the standard says of a file, without a node."""

from __future__ import annotations

import json
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from tocsin.cli import terminal
from tocsin.console.untrusted import terminal as untrusted
from tocsin.errors import PatternError, UnreadableError, UsageError

if TYPE_CHECKING:
    from tocsin.stix.findings import Finding, Severity


@click.group()
def stix() -> None:
    """Check STIX against the standard; nothing is kept, nothing leaves the machine."""


SHOWN = 5
"""Places of one code that are shown to a person; `--code` and `--json` have all."""
WIDE = 80
MOST_WORDS = 600
"""Characters of one detail that are shown to a person."""
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@stix.command()
@click.argument("file")
@click.option("--code", metavar="CODE", help="Only the findings of this code, and all of them.")
@terminal.JSON
@click.option("--jsonl", "as_jsonl", is_flag=True, help="One JSON finding a line.")
def check(file: str, code: str | None, as_json: bool, as_jsonl: bool) -> int:
    """Check a STIX bundle, a TAXII envelope, a list of objects or one object.

    Errors break a MUST: no node says such an object or passes it on. Warnings break a SHOULD or a
    vocabulary. Notes are what cannot be judged here. FILE may be - for stdin.
    Exit 0 without errors, 1 with some, 2 if the file cannot be opened.

    Example: tocsin stix check bundle.json
    """
    from tocsin.stix.check import check_bundle, refused
    from tocsin.stix.findings import CODES

    if as_json and as_jsonl:
        raise UsageError("--json and --jsonl together", remedy="choose one")
    if code is not None and code not in CODES:
        raise UsageError(
            f"there is no code {code!r}", remedy="tocsin stix check FILE lists those found"
        )
    data = terminal.read_input(file)
    checked = check_bundle(data, progress=_progress(len(data)))
    _wipe()
    findings = [one for one in checked.findings if code is None or one.code == code]
    bad = len(refused(checked.findings))
    if as_jsonl:
        for finding in findings:
            terminal.json_out(finding)
    elif as_json:
        counts = {severity: checked.count(severity) for severity in _SEVERITIES}
        terminal.json_out(
            {
                "objects": len(checked.objects),
                "refused": bad,
                "counts": counts,
                "findings": findings,
            }
        )
    else:
        name = "stdin" if file == "-" else terminal.clip(untrusted(Path(file).name), 24)
        _say(f"{name}  {_some(len(checked.objects), 'object')}, {_tally(checked.findings)}")
        _show(findings, brief=code is None)
        if bad:
            terminal.line()
            one = "object is" if bad == 1 else "objects are"
            whose = "its" if bad == 1 else "their"
            _say(f"{bad:,} {one} said and passed on by no node until {whose} errors are mended")
    return int(checked.count("error") > 0)


def _tally(findings: Sequence[Finding]) -> str:
    counts = Counter(one.severity for one in findings)
    if not counts:
        return "nothing found"
    return ", ".join(_some(counts[s], s) for s in _SEVERITIES if counts[s])


def _some(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _show(findings: Sequence[Finding], *, brief: bool) -> None:
    """By code, the gravest and most frequent first."""
    by_code: dict[str, list[Finding]] = {}
    for one in findings:
        by_code.setdefault(one.code, []).append(one)
    rows = sorted(
        by_code.items(), key=lambda row: (_SEVERITIES.index(row[1][0].severity), -len(row[1]))
    )
    if len(rows) > 1:
        terminal.line()
        for code, group in rows:
            _say(f"{len(group):>7,}  {group[0].severity:<7}  {code}")
    for code, group in rows:
        _show_code(code, group, _places(group[0].severity) if brief else len(group))


def _places(severity: Severity) -> int:
    return 2 if severity == "note" else SHOWN


def _show_code(code: str, group: Sequence[Finding], most: int) -> None:
    from tocsin.stix.findings import CODES

    terminal.line()
    _say(f"{group[0].severity}  {code}  {CODES[code].clause}")
    for words in textwrap.wrap(CODES[code].meaning, WIDE - 2):
        _say("  " + words)
    for words in textwrap.wrap(CODES[code].remedy, WIDE - 4):
        _say("  > " + words)
    for one in group[:most]:
        _say(f"  {one.pointer or 'the object itself'}")
        if one.object is not None and one.object.id:
            _say(f"      {one.object.id}")
        for words in textwrap.wrap(untrusted(one.detail[:MOST_WORDS]), WIDE - 6):
            _say(f"      {words}")
    if len(group) > most:
        _say(f"  and {len(group) - most:,} more: --code {code}")


def _say(text: str) -> None:
    terminal.line(terminal.clip(untrusted(text), WIDE))


def _progress(size: int) -> Callable[[int], None] | None:
    """A line on stderr that is written over, where a person is watching a large file."""
    quiet = (click.get_current_context().find_root().obj or {}).get("quiet")
    if quiet or size < 8 * 1024 * 1024 or not sys.stderr.isatty():
        return None
    last = 0.0

    def tell(done: int) -> None:
        nonlocal last
        if (now := monotonic()) - last > 0.2:
            last = now
            sys.stderr.write(f"\r\x1b[Kchecked {done:,} objects")
            sys.stderr.flush()

    sys.stderr.write("\r\x1b[Kopening")
    sys.stderr.flush()
    return tell


def _wipe() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


LONGEST_LINE = 1024 * 1024
"""Bytes; a pattern at its own limit, every character escaped, is shorter."""


@stix.command()
@click.argument("file")
@terminal.JSON
def pattern(file: str, as_json: bool) -> int:
    """Check STIX patterns: one a line in, one JSON line out, in the same order.

    A line that begins with " is read as a JSON string, for patterns with line breaks. What fails
    has the error's name, the 0-based character and a remedy; what is legal and can never match
    has warnings. FILE may be - for stdin; the output is JSON with or without --json.

    Example: tocsin stix pattern patterns.txt

    Or: echo "[ipv4-addr:value = '203.0.113.9']" | tocsin stix pattern -
    """
    verdicts: Counter[str] = Counter()
    for line in _lines(file):
        verdict = _verdict(line)
        verdicts[verdict.get("error", "ok")] += 1
        terminal.json_out(verdict)
    total, ok = verdicts.total(), verdicts.pop("ok", 0)
    if ok < total and not (click.get_current_context().find_root().obj or {}).get("quiet"):
        named = ", ".join(f"{code} {count}" for code, count in verdicts.most_common(4))
        more = ", …" if len(verdicts) > 4 else ""
        click.echo(f"{total - ok} of {total} patterns failed: {named}{more}", err=True)
    return 2 if verdicts["line-not-text"] else int(ok < total)


def _lines(name: str) -> Iterator[bytes | None]:
    """The lines of a file as they come; None for one that is longer than any pattern.

    Raises:
        UnreadableError: it cannot be read, or is UTF-16.
    """
    try:
        with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
            first = True
            while line := file.readline(LONGEST_LINE + 1):
                if first:
                    first = False
                    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                        raise UnreadableError(f"{name} is UTF-16", remedy="save it as UTF-8")
                    line = line.removeprefix(b"\xef\xbb\xbf")
                whole = len(line) <= LONGEST_LINE
                yield line.removesuffix(b"\n").removesuffix(b"\r") if whole else None
                while not whole and line and not line.endswith(b"\n"):
                    line = file.readline(LONGEST_LINE)
    except OSError as wrong:
        remedy = "check the path and who may read it"
        if name.lstrip().startswith(("[", "(")):
            remedy = (
                "patterns come from a file, or from stdin: echo PATTERN | tocsin stix pattern -"
            )
        raise UnreadableError(f"{name}: {wrong.strerror or wrong}", remedy=remedy) from wrong
    except ValueError as wrong:  # a NUL in a name
        raise UnreadableError(f"{name!r}: {wrong}", remedy="check the path") from wrong


def _verdict(line: bytes | None) -> dict[str, Any]:
    """What is said of one line."""
    from tocsin.stix.pattern import check

    try:
        problems = check(_text(line))
    except PatternError as wrong:
        return _failed(wrong.code, wrong)
    for one in problems:
        if one.severity == "error":
            return _failed(one.code, one)
    if problems:
        return {"ok": True, "warnings": [{"code": one.code} | _about(one) for one in problems]}
    return {"ok": True}


def _failed(code: str, about: Any) -> dict[str, Any]:
    return {"ok": False, "error": code} | _about(about)


def _about(problem: Any) -> dict[str, Any]:
    return {name: getattr(problem, name) for name in ("position", "detail", "remedy")}


def _text(line: bytes | None) -> str:
    """The pattern on one line.

    Raises:
        PatternError: the line is too long, is not UTF-8, or is no JSON string though it begins
            like one.
    """
    from tocsin.stix.pattern_rules import clip, pattern_error

    if line is None:
        raise pattern_error("pattern-too-long", 0, f"a line of more than {LONGEST_LINE} bytes")
    try:
        text = line.decode()
    except UnicodeDecodeError as wrong:
        at = len(line[: wrong.start].decode())
        raise pattern_error(
            "line-not-text", at, f"byte {line[wrong.start]:#04x} is no UTF-8"
        ) from wrong
    if not text.startswith('"'):
        return text
    try:
        found = json.loads(text)
    except json.JSONDecodeError as wrong:
        raise pattern_error("line-not-json", wrong.pos, f"{wrong.msg}: {clip(text)}") from wrong
    assert isinstance(found, str)  # nothing else begins with a quote
    return found
