"""What every exporter is given, and what it gives: a selection in, bytes and their losses out.

An exporter decides nothing about readers: a selection holds what may leave, and no more. It knows
no clock: the selection says when it was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from tocsin.errors import IndicatorError
from tocsin.policy import Tlp
from tocsin.stix.needles import comparisons
from tocsin.stix.values import settle


class Loss(Struct, frozen=True, kw_only=True):
    """Something that the format could not take: the object's id, and why."""

    id: str
    why: str


class Line(Struct, frozen=True, kw_only=True):
    """One value that an indicator asks to be looked for."""

    kind: str
    """Of `stix.values.KINDS`."""
    value: str
    """In its normal form."""
    port: int | None = None
    """With an address or a name: only this port of it, at the other end."""
    indicator: str
    expires: str | None = None
    """RFC 3339; None: its author set no end."""
    starts: str | None = None
    modified: str = ""
    name: str = ""
    tlp: Tlp
    creator: str = ""
    """Who made the indicator: a name, or an identity's id."""


class Thing(Struct, frozen=True, kw_only=True):
    """One STIX object of a selection, decoded, and the marking it leaves under."""

    data: dict[str, Any]
    tlp: Tlp
    raw: bytes = b""
    """As it was received."""
    to: frozenset[str] | None = None
    """The parties that may have it, whoever said it among them; None: its marking names none."""


class Organisation(Struct, frozen=True, kw_only=True):
    """A party as an organisation of other people's tools."""

    uuid: str
    name: str


class Selection(Struct, frozen=True, kw_only=True):
    """What is to leave: chosen by `flows/export.py`, which asked policy."""

    title: str
    key: str
    """What it was chosen by: the same key gives the same ids in what is made of it."""
    party: str
    """Who exports, by its name in the directory."""
    identity: str
    """The STIX identity of that party."""
    at: datetime
    lines: tuple[Line, ...] = ()
    things: tuple[Thing, ...] = ()
    organisations: Mapping[str, Organisation] = {}
    """By party: what `Thing.to` names."""
    observables: bool = False
    """STIX: with the observables that each indicator's pattern names."""
    white: bool = False
    """TLP:CLEAR is also tagged `tlp:white`, for tools of before TLP 2.0."""


class Written(Struct, frozen=True, kw_only=True):
    """A file, or several: `files` by name where the form is a folder."""

    raw: bytes
    media_type: str
    suffix: str
    count: int
    """Lines, rules, rows or attributes in it."""
    losses: tuple[Loss, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()


class Exporter(Protocol):
    """Writes one format."""

    def write(self, selection: Selection) -> Written:
        """The selection in this format; what it cannot take is a loss."""
        ...


_TEXT = r"'((?:[^'\\]|\\['\\])*)'"
_PORT = re.compile(
    rf"\[network-traffic:dst_ref\.type = '(ipv4-addr|ipv6-addr|domain-name)' AND "
    rf"network-traffic:dst_ref\.value = {_TEXT} AND network-traffic:dst_port = ([0-9]{{1,5}})\]"
)
_NAMED = re.compile(
    rf"\[file:name = {_TEXT} AND file:hashes\.'?(MD5|SHA-1|SHA-256|SHA-512)'? = {_TEXT}\]"
)
_HASH_KIND = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}


def unquoted(text: str) -> str:
    """The text of a literal in a pattern."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def values_of(pattern: str) -> list[tuple[str, str, int | None]]:
    """The (kind, normal form, port) triples of a pattern that a list of values can stand for.

    Beside alternatives of single values: an address or name with a port, and a file by name and
    hash, which is its hash, for under another name it is the same file.

    Raises:
        IndicatorError: it says more, or one of its values has no normal form.
    """
    if found := _PORT.fullmatch(pattern.strip()):
        kind = "domain" if found[1] == "domain-name" else "address"
        port = int(found[3])
        if port > 65_535:
            raise IndicatorError(f"{port} is no port", remedy="correct the pattern")
        return [(*settle(kind, unquoted(found[2])), port)]
    if found := _NAMED.fullmatch(pattern.strip()):
        return [(*settle(_HASH_KIND[found[2]], unquoted(found[3])), None)]
    pairs = comparisons(pattern)
    if not pairs:
        raise IndicatorError(
            "its pattern says more than a list of values", remedy="export it as stix or misp"
        )
    return [(*settle(kind, value), None) for kind, value in pairs]


def plain(text: str, length: int = 80) -> str:
    """A text that ends no line, no rule and no field: printable ASCII without quotes."""
    return re.sub(r"[^A-Za-z0-9 .,:_/@()+-]", "_", text)[:length]


def told(line: Line) -> str:
    """What a comment says of a line: the indicator, its end, its marking."""
    # A time in every object of others'; what is the author's own may be anything.
    expires = plain(line.expires, 40) if line.expires else "not set"
    return f"{line.indicator} expires {expires} TLP:{line.tlp}"


def head(selection: Selection, count: int) -> list[str]:
    """The first lines of a list, without a comment sign."""
    values = "1 value" if count == 1 else f"{count} values"
    return [
        f"{plain(selection.title)}: {values}, written for {plain(selection.party)}",
        f"at {selection.at:%Y-%m-%dT%H:%M:%SZ}; a value not listed here is not thereby harmless",
        "marked " + ", ".join(f"TLP:{level}" for level in levels(selection.lines)),
    ]


def levels(lines: Iterable[Line]) -> Sequence[str]:
    """The markings among lines, each once."""
    return sorted({line.tlp for line in lines}) or ["none"]
