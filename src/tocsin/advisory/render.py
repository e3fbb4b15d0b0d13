"""The advisory as one HTML file: no script, nothing fetched, no link made of foreign text.

Everything a party wrote is hostile until shown: Jinja2 escapes it, a missing name is an error,
characters that nobody would see are shown by their code points, and addresses are defanged so
that no mail program or word processor turns them into links.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import jinja2

from tocsin.advisory.model import Advisory
from tocsin.errors import RenderingError
from tocsin.policy import Tlp
from tocsin.stix.values import public_suffixes

MARKS_PER_BASE = 8
"""Combining marks shown on one base character; a tower of them covers its neighbours."""

_TLP_WORDS: dict[Tlp, str] = {
    "CLEAR": "It may go to anyone.",
    "GREEN": "It may go to peers and partners of whoever got it, and not to public places.",
    "AMBER": "It may go to those who need it in the named parties and among their clients.",
    "AMBER+STRICT": "It may go to those who need it in the named parties, and to no client.",
    "RED": "It is for the named persons only.",
}


def render_html(source: Advisory) -> bytes:
    """The advisory as one file that opens offline in any browser and prints.

    Raises:
        RenderingError: the template asks for something that the source has not got.
    """
    template, style = _template()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    try:
        page = template.render(
            a=source,
            lang=_language(source.lang),
            language=_language,
            style=style,
            csp=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
            "form-action 'none'",
            title="".join(run.text for run in pieces(source.title)),
            paragraphs=[one.strip() for one in _GAP.split(source.summary) if one.strip()],
            tlp_words=_TLP_WORDS[source.tlp],
        )
    except jinja2.TemplateError as wrong:
        raise RenderingError(
            f"{source.id} cannot be rendered as HTML: {wrong}",
            remedy="report it: the template asks for something that an advisory has not got",
        ) from wrong
    return page.encode()


_GAP = re.compile(r"(?:\r\n|\r|\n)[ \t]*(?:\r\n|\r|\n)+")
_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")


def _language(tag: str) -> str | None:
    return tag if _TAG.fullmatch(tag) else None


@cache
def _template() -> tuple[jinja2.Template, str]:
    folder = files("tocsin.advisory")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["pieces"] = pieces
    page = folder.joinpath("advisory.html").read_text("utf-8")
    style = folder.joinpath("advisory.css").read_text("utf-8")
    return environment.from_string(page), style


# --- foreign text -----------------------------------------------------------------------------


class Piece(NamedTuple):
    """A run of shown text; a `chip` names a character that would not be seen."""

    text: str
    chip: bool = False


def pieces(text: str) -> list[Piece]:
    """Foreign text as it is shown: addresses defanged, hidden characters named."""
    return list(_runs(defang(text)))


def _runs(text: str) -> Iterator[Piece]:
    run: list[str] = []
    marks = 0
    for at, char in enumerate(text):
        kind = unicodedata.category(char)
        if kind[0] == "M" and char not in _BLANK:
            marks += 1
            if marks > MARKS_PER_BASE:
                continue
        else:
            if marks > MARKS_PER_BASE:
                run.append(f" (and {marks - MARKS_PER_BASE} more marks) ")
            marks = 0
        hidden = char in _BLANK or kind in ("Cc", "Cf", "Cs", "Co", "Cn")
        if not hidden or char in "\t\n\r" or (char in "\u200c\u200d" and _joins(text, at)):
            run.append(char)
        else:
            if run:
                yield Piece("".join(run))
                run = []
            yield Piece(f"U+{ord(char):04X}", chip=True)
    if marks > MARKS_PER_BASE:
        run.append(f" (and {marks - MARKS_PER_BASE} more marks)")
    if run:
        yield Piece("".join(run))


_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0\u2028\u2029")


def _joins(text: str, at: int) -> bool:
    """Whether a joiner stands between letters of a script that needs it, or between emoji."""
    around = text[at - 1 : at] + text[at + 1 : at + 2]
    if len(around) < 2:
        return False
    if all(ord(char) >= 0x1F000 or 0x2190 <= ord(char) <= 0x2BFF for char in around):
        return True
    # Hebrew to Mongolian: between them lie all the scripts that join.
    return all(0x0600 <= ord(char) <= 0x18AF for char in around)


_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})+"
_ADDRESS = re.compile(
    r"(?P<url>[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s<>\"']+)"
    rf"|(?P<bare>(?<![\w.])//{_HOST}[^\s<>\"']*)"
    rf"|(?P<mail>[\w.+-]{{1,64}}@{_HOST})"
    rf"|(?P<host>(?<![\w.-]){_HOST})"
)
_AUTHORITY = re.compile(r"(?P<scheme>[^:/]*):?//(?P<host>[^/?#]*)(?P<rest>.*)", re.S)
_SCHEMES = {"http": "hxxp", "https": "hxxps", "ftp": "fxp", "ftps": "fxps"}
_RESERVED = frozenset({"example", "test", "invalid", "localhost", "onion", "local", "internal"})
_FILES = frozenset({"md", "zip", "py", "sh", "rs", "pl", "ps", "so", "cc", "mov", "app", "java"})
"""Top-level domains that end file names far more often than host names."""


def defang(text: str) -> str:
    """`text` with every address in it written so that no program makes a link of it."""
    return _ADDRESS.sub(_defanged, text)


def _defanged(found: re.Match[str]) -> str:
    address = found[0]
    if found["url"] or found["bare"]:
        parts = _AUTHORITY.fullmatch(address)
        if parts is None:
            return _marked(address)
        scheme = parts["scheme"]
        host = _marked(parts["host"])
        lead = f"{_SCHEMES.get(scheme.lower(), scheme)}:" if scheme else ""
        return f"{lead}//{host}{parts['rest']}"
    if found["host"] and not _is_host(address):
        return address
    return _marked(address)


def _marked(name: str) -> str:
    """Dots and at-signs in brackets, those that are already left alone."""
    return re.sub(r"(?<!\[)[.@](?!\])", r"[\g<0>]", name)


def _is_host(name: str) -> bool:
    labels = name.lower().split(".")
    last = labels[-1]
    if last.isdigit():
        return len(labels) == 4 and all(one.isdigit() and len(one) < 4 for one in labels)
    if last in _RESERVED or last.startswith("xn--"):
        return True
    if len(labels) == 2 and last in _FILES:
        return False
    return bool(public_suffixes().publicsuffix(last))
