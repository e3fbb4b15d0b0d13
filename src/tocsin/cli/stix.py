"""`stix`: what the standard says of a file, without a node."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from tocsin.cli import terminal
from tocsin.errors import PatternError, UnreadableError


@click.group()
def stix() -> None:
    """Check STIX against the standard; nothing is kept, nothing leaves the machine."""


_LONGEST_LINE = 1024 * 1024
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
            while line := file.readline(_LONGEST_LINE + 1):
                if first:
                    first = False
                    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                        raise UnreadableError(f"{name} is UTF-16", remedy="save it as UTF-8")
                    line = line.removeprefix(b"\xef\xbb\xbf")
                whole = len(line) <= _LONGEST_LINE
                yield line.removesuffix(b"\n").removesuffix(b"\r") if whole else None
                while not whole and line and not line.endswith(b"\n"):
                    line = file.readline(_LONGEST_LINE)
    except OSError as wrong:
        raise UnreadableError(
            f"{name}: {wrong.strerror or wrong}", remedy="check the path and who may read it"
        ) from wrong
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
        raise pattern_error("pattern-too-long", 0, f"a line of more than {_LONGEST_LINE} bytes")
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
