"""One value as a STIX pattern, and the values of a pattern that only lists some.

A pattern that says more than "any of these" has no list of values; the full grammar is not read
here.

Spec: STIX 2.1 §9.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tocsin.stix.values import normalise, settle

_HASH_PROPERTY = {"md5": "MD5", "sha1": "'SHA-1'", "sha256": "'SHA-256'", "sha512": "'SHA-512'"}
_AGENT = "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'"
_PATH_OF: dict[str, str] = {
    "ipv4": "ipv4-addr:value",
    "ipv6": "ipv6-addr:value",
    "domain": "domain-name:value",
    "url": "url:value",
    "email": "email-addr:value",
    **{kind: f"file:hashes.{name}" for kind, name in _HASH_PROPERTY.items()},
    "file-name": "file:name",
    "registry-key": "windows-registry-key:key",
    "mutex": "mutex:name",
    "user-agent": _AGENT,
    "mac": "mac-addr:value",
}
WITHOUT_PATTERN = frozenset(("cve", "attack-id"))
"""Kinds that are no observable: no pattern stands for them."""
_KIND_OF: dict[str, str] = {
    "ipv4-addr:value": "address",
    "ipv6-addr:value": "address",
    "domain-name:value": "domain",
    "url:value": "url",
    "email-addr:value": "email",
    "file:name": "file-name",
    "directory:path": "path",
    "windows-registry-key:key": "registry-key",
    "mutex:name": "mutex",
    "mac-addr:value": "mac",
    "autonomous-system:number": "asn",
    _AGENT.replace("'", ""): "user-agent",
}
_HASH_OF = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def pattern_for(kind: str, value: str) -> str | None:
    """The STIX 2.1 pattern of one value; None for what is no observable (`cve`, `attack-id`).

    Raises:
        IndicatorError: `value` has no normal form of `kind`.

    Spec: STIX 2.1 §9.
    """
    value = normalise(kind, value)
    if kind in WITHOUT_PATTERN:
        return None
    if kind == "asn":
        return f"[autonomous-system:number = {value.removeprefix('AS')}]"
    if kind == "cidr":
        family = "ipv6" if ":" in value else "ipv4"
        return f"[{family}-addr:value ISSUBSET {_quoted(value)}]"
    if kind == "path":
        slash = "\\" if "\\" in value else "/"
        folder, _, name = value.rpartition(slash)
        if not name or not folder:
            return f"[directory:path = {_quoted(value)}]"
        return (
            f"[file:name = {_quoted(name)} AND file:parent_directory_ref.path = {_quoted(folder)}]"
        )
    if kind == "ipv6" and ":" not in value:
        kind = "ipv4"
    return f"[{_PATH_OF[kind]} = {_quoted(value)}]"


_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\['\\])*')|(?P<op>!=|=|[\[\](),])"
    r"|(?P<word>[A-Za-z0-9_-]+(?::(?:[A-Za-z0-9_-]+|'(?:[^'\\]|\\.)*')"
    r"(?:\.(?:[A-Za-z0-9_-]+|'(?:[^'\\]|\\.)*')|\[[0-9*]+\])*)?))",
    re.DOTALL,
)


def comparisons(pattern: str) -> list[tuple[str, str]]:
    """The (kind, value as written) pairs of a pattern that says only "any of these values".

    That is: `=`, `IN` or `ISSUBSET` on one property, or an OR of such, in one or several
    observations. `file:name = N AND file:parent_directory_ref.path = P` counts as one path.

    Returns:
        An empty list where the pattern says more (AND, NOT, LIKE, WITHIN, ...), names a property
        that has no kind here, or is no pattern at all: then no list of values stands for it.
    """
    tokens: list[str] = []
    at = 0
    pattern = pattern.strip()
    while at < len(pattern):
        match = _TOKEN.match(pattern, at)
        if match is None or match.end() == at:
            return []
        tokens.append(match[0].strip())
        at = match.end()
    try:
        return _Alternatives(tokens).read()
    except _NotPlainError:
        return []


def needles_of(pattern: str) -> list[tuple[str, str]]:
    """`comparisons` with each value in its normal form; empty where it is empty.

    Raises:
        IndicatorError: a value in the pattern has no normal form.
    """
    return [settle(kind, value) for kind, value in comparisons(pattern)]


class _NotPlainError(Exception):
    """The pattern is not a plain list of alternatives."""


class _Alternatives:
    """Reads the tokens of one pattern; any turn we do not know ends it."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def read(self) -> list[tuple[str, str]]:
        found = self._either(self._observation)
        if self._at != len(self._tokens):
            raise _NotPlainError
        return found

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, *expected: str) -> str:
        token = self._peek()
        if not token or (expected and token not in expected):
            raise _NotPlainError
        self._at += 1
        return token

    def _either(self, part: Callable[[], list[tuple[str, str]]]) -> list[tuple[str, str]]:
        found = part()
        while self._peek() == "OR":
            self._take()
            found = found + part()
        return found

    def _observation(self) -> list[tuple[str, str]]:
        if self._take("[", "(") == "(":
            found = self._either(self._observation)
            self._take(")")
            return found
        found = self._either(self._comparison)
        self._take("]")
        return found

    def _comparison(self) -> list[tuple[str, str]]:
        if self._peek() == "(":
            self._take()
            found = self._either(self._comparison)
            self._take(")")
            return found
        first = self._test()
        if self._peek() != "AND":
            if first[0] == "folder":
                raise _NotPlainError
            return first[1]
        self._take()
        second = self._test()
        return [self._joined(dict((first, second)))]

    def _joined(self, both: dict[str, list[tuple[str, str]]]) -> tuple[str, str]:
        """A file's name and its folder, said of one and the same file, are one path."""
        names, folders = both.get("file-name", []), both.get("folder", [])
        if len(names) != 1 or len(folders) != 1:
            raise _NotPlainError
        folder, name = folders[0][1], names[0][1]
        slash = "\\" if "\\" in folder or re.fullmatch(r"[A-Za-z]:", folder) else "/"
        return ("path", folder.rstrip(slash) + slash + name)

    def _test(self) -> tuple[str, list[tuple[str, str]]]:
        path = self._take()
        kind = self._kind(path.replace("'", ""))
        operator = self._take("=", "IN", "ISSUBSET")
        if operator == "ISSUBSET" and kind != "address":
            raise _NotPlainError
        if operator != "IN":
            return kind, [(kind, self._value(kind))]
        self._take("(")
        found = [(kind, self._value(kind))]
        while self._take(",", ")") == ",":
            found.append((kind, self._value(kind)))
        return kind, found

    def _kind(self, path: str) -> str:
        if path == "file:parent_directory_ref.path":
            return "folder"
        kind = _KIND_OF.get(path)
        if kind is None:
            head, _, name = path.partition(":hashes.")
            kind = _HASH_OF.get(name) if head in ("file", "artifact", "x509-certificate") else None
        if kind is None:
            raise _NotPlainError
        return kind

    def _value(self, kind: str) -> str:
        token = self._take()
        if token.startswith("'"):
            return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)
        if kind == "asn" and token.isdigit():
            return "AS" + token
        raise _NotPlainError
