"""The ways a value can stand in a text, and the run of name bytes each is found by.

Spec: design/find.md §1.1, steps 3 and 4.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from tocsin.stix.values import HASH_LENGTH, is_public_suffix, is_windows_path, unicode_name
from tocsin.sweep import rules

SHORTEST = 4
"""Bytes of the shortest anchor."""
PILE = 16
"""Ways that may share one anchor before the next longest run is taken."""

_RUN = re.compile(rb"[A-Za-z0-9._@-]+")
_PURE = re.compile(r"[A-Za-z0-9._@-]*[A-Za-z0-9_@-]")
_URL = re.compile(r"([^:]+)://(?:[^@/?#]*@)?(\[[^\]]*\]|[^:/?#]*)(?::(\d+))?(/.*)", re.DOTALL)


class Way(NamedTuple):
    """One writing of a value."""

    text: bytes
    """The bytes among which an anchor is chosen."""
    entry: Callable[[int, int], rules.Entry]
    """The rule for this writing, given where in `text` its anchor starts and ends."""
    below: bool = False
    """Whether it may stand behind a dot or an @ of a longer run."""
    pure: bool = False
    """One whole name run, so that is the only anchor."""
    first: int = 0
    """Where in `text` anchors may start from."""


class Anchor(NamedTuple):
    """A folded name run by which a way is found, and the rule that then decides."""

    key: bytes
    entry: rules.Entry
    below: bool


_FOLDED = frozenset(("asn", "imphash", "ja3", "jarm", "tlsh", "cwe", "ghsa", "certificate-hash"))
"""Kinds that are one name run each and are compared without case, as hashes are."""


def ways(needle: int, kind: str, value: str) -> Iterator[Way]:
    """Every writing of a normal-form value that is not found as a number."""
    if kind == "domain":
        yield from _domain(needle, value)
    elif kind == "ipv4":
        yield _pure(value, rules.Address(needle))
    elif kind == "url":
        yield from _url(needle, value)
    elif kind == "mac":
        digits = value.replace(":", "")
        yield _pure(value.replace(":", "-"), rules.Whole(needle))
        yield _pure(".".join((digits[:4], digits[4:8], digits[8:])), rules.Whole(needle))
        yield _anchored(needle, value, fold=True)
    elif kind == "certificate-serial":
        yield _pure(value.replace(":", ""), rules.Whole(needle))
        yield _anchored(needle, value, fold=True)
    elif kind in HASH_LENGTH or kind in _FOLDED:
        yield _pure(value, rules.Whole(needle))
    else:
        yield _text(needle, kind, value)


def _pure(value: str, entry: rules.Entry, *, below: bool = False) -> Way:
    return Way(value.encode(), lambda start, end: entry, below, pure=True)


def _text(needle: int, kind: str, value: str) -> Way:
    fold = kind in ("email", "file-name", "registry-key") or is_windows_path(value)
    if kind in ("mutex", "user-agent"):
        fold = "\\" in value
    email = kind == "email"
    if _PURE.fullmatch(value):
        exactly = b"" if fold else value.encode()
        return _pure(value, rules.Whole(needle, exactly, email))
    return _anchored(needle, value, fold=fold, email=email)


def _anchored(needle: int, value: str, *, fold: bool, email: bool = False) -> Way:
    if fold:
        value = unicodedata.normalize("NFC", value.lower())
    raw = value.encode()

    def entry(start: int, end: int) -> rules.Entry:
        before, after = raw[:start].decode(), raw[start:].decode()
        return rules.Anchored(needle, value, before, after, fold, email)

    return Way(raw, entry)


def _domain(needle: int, value: str) -> Iterator[Way]:
    alone = is_public_suffix(value)
    yield _pure(value, rules.Domain(needle, alone), below=True)
    name = unicode_name(value)
    if name != value:
        own = rules.UnicodeDomain(needle, name, alone)
        yield Way(name.encode(), lambda start, end: own, below=True)


def _url(needle: int, value: str) -> Iterator[Way]:
    match = _URL.fullmatch(value)
    if match is None:
        return
    scheme, host, port, rest = match[1], match[2], match[3] or "", match[4]
    hosts = dict.fromkeys((host, unicode_name(host)))
    plain = unquote_to_bytes(rest)
    rests = dict.fromkeys((rest.encode(), plain if plain.startswith(b"/") else rest.encode()))
    for one in hosts:
        for tail in rests:
            yield _url_way(needle, scheme.encode(), one.encode(), port.encode(), tail)


def _url_way(needle: int, scheme: bytes, host: bytes, port: bytes, rest: bytes) -> Way:
    named = _RUN.fullmatch(host) is not None
    size = len(host)

    def entry(start: int, end: int) -> rules.Entry:
        in_rest = start - size if start >= size else -1
        return rules.Url(needle, scheme, host, port, rest, in_rest)

    return Way(host + rest, entry, below=True, first=0 if named else size)


def runs(way: Way) -> list[tuple[int, int]]:
    """Where in a way's text an anchor could stand: name runs of 4 bytes and more."""
    if way.pure:
        return [(0, len(way.text))] if len(way.text) >= SHORTEST else []
    found = []
    for match in _RUN.finditer(way.text, way.first):
        end = match.start() + len(match[0].rstrip(b"."))
        if end - match.start() >= SHORTEST:
            found.append((match.start(), end))
    return found


class Anchors:
    """Chooses each way's anchor: its longest run, but not one that many others share."""

    def __init__(self, all_ways: Iterable[Way]) -> None:
        self._pile = Counter(
            way.text[start:end].lower()
            for way in all_ways
            if not way.pure
            for start, end in runs(way)
        )

    def choose(self, way: Way) -> Anchor | None:
        """The anchor, or None where no run is long enough."""
        best = min(
            runs(way),
            key=lambda run: (
                self._pile[way.text[run[0] : run[1]].lower()] > PILE,
                run[0] - run[1],
            ),
            default=None,
        )
        if best is None:
            return None
        start, end = best
        entry = way.entry(start, end)
        below = way.below and not (isinstance(entry, rules.Url) and entry.in_rest >= 0)
        return Anchor(way.text[start:end].lower(), entry, below)


def slow_keys(way: Way) -> tuple[rules.Entry, list[bytes]]:
    """Where no anchor can be had: the rule, and the folded bytes to search for one by one."""
    if not way.pure and way.first:  # a URL whose host is no name run
        return way.entry(0, way.first), [way.text[: way.first].lower()]
    entry = way.entry(0, 0)
    if isinstance(entry, rules.Url):
        return entry, [entry.host.lower()]
    text = way.text.decode()
    # Only ASCII is folded in the text, so another case of other letters is a key of its own.
    return entry, list(dict.fromkeys(form.encode().lower() for form in (text, text.upper())))
