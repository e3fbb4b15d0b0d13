"""One value as a STIX pattern, and the values of a pattern that only lists some.

A pattern that says more than "any of these" has no list of values.

Spec: STIX 2.1 §9.
"""

from __future__ import annotations

import re

from tocsin.errors import PatternError
from tocsin.stix.pattern import Pattern, parse
from tocsin.stix.pattern_tree import (
    Comparison,
    ComparisonAnd,
    ComparisonOr,
    Constant,
    Constants,
    Integer,
    ObjectPath,
    Observation,
    ObservationOr,
    PropertyTest,
    Step,
    String,
    quoted,
)
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
    "imphash": "file:extensions.'windows-pebinary-ext'.imphash",
    "ssdeep": "file:hashes.SSDEEP",
    "tlsh": "file:hashes.TLSH",
    "certificate-serial": "x509-certificate:serial_number",
    "email-subject": "email-message:subject",
    "command-line": "process:command_line",
    "account": "user-account:account_login",
}
_HASH_OF_LENGTH = {32: "MD5", 40: "'SHA-1'", 64: "'SHA-256'"}
WITHOUT_PATTERN = frozenset(
    ("cve", "attack-id", "cwe", "ghsa", "ja3", "jarm", "wallet", "yara-rule", "package")
)
"""Kinds that are no observable: no pattern stands for them."""
UNSAYABLE = WITHOUT_PATTERN - {"cve"}
"""Kinds that no STIX object of ours stands for: a CVE is a vulnerability (§4.18)."""
_KIND_OF: dict[tuple[str, tuple[Step, ...]], str] = {
    ("ipv4-addr", ("value",)): "address",
    ("ipv6-addr", ("value",)): "address",
    ("domain-name", ("value",)): "domain",
    ("url", ("value",)): "url",
    ("email-addr", ("value",)): "email",
    ("file", ("name",)): "file-name",
    ("file", ("parent_directory_ref", "path")): "folder",
    ("directory", ("path",)): "path",
    ("windows-registry-key", ("key",)): "registry-key",
    ("mutex", ("name",)): "mutex",
    ("mac-addr", ("value",)): "mac",
    ("file", ("extensions", "windows-pebinary-ext", "imphash")): "imphash",
    ("file", ("hashes", "SSDEEP")): "ssdeep",
    ("file", ("hashes", "TLSH")): "tlsh",
    ("x509-certificate", ("serial_number",)): "certificate-serial",
    ("autonomous-system", ("number",)): "asn",
    (
        "network-traffic",
        ("extensions", "http-request-ext", "request_header", "User-Agent"),
    ): "user-agent",
    **{
        (type, ("hashes", name)): kind
        for type in ("file", "artifact")
        for name, kind in (
            ("MD5", "md5"),
            ("SHA-1", "sha1"),
            ("SHA-256", "sha256"),
            ("SHA-512", "sha512"),
        )
    },
    **{
        ("x509-certificate", ("hashes", name)): "certificate-hash"
        for name in ("MD5", "SHA-1", "SHA-256")
    },
    ("email-message", ("subject",)): "email-subject",
    ("process", ("command_line",)): "command-line",
    ("user-account", ("account_login",)): "account",
    ("windows-registry-key", ("values", None, "name")): "value-name",
}
"""By path; `folder` is a kind only beside a file's name, `value-name` beside a registry key."""
_HOLDS_VALUES = re.compile(
    r"(?P<key>.{1,2000}\\(?:currentversion\\(?:policies\\explorer\\)?run(?:once|onceex|services)?"
    r"|currentversion\\winlogon(?=\\(?:shell|userinit)$)|session manager(?=\\bootexecute$)))"
    r"\\(?P<name>[^\\]{1,255})",
    re.IGNORECASE,
)
"""Keys whose last part is the name of a value, though reports write it as if it were a key."""


def pattern_for(kind: str, value: str) -> str | None:
    """The STIX 2.1 pattern of one value; None for what is in `WITHOUT_PATTERN`.

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
        return f"[{family}-addr:value ISSUBSET {quoted(value)}]"
    if kind == "path":
        slash = "\\" if "\\" in value else "/"
        folder, _, name = value.rpartition(slash)
        if not name or not folder:
            return f"[directory:path = {quoted(value)}]"
        return f"[file:name = {quoted(name)} AND file:parent_directory_ref.path = {quoted(folder)}]"
    if kind == "ipv6" and ":" not in value:
        kind = "ipv4"
    if kind == "certificate-hash":
        return f"[x509-certificate:hashes.{_HASH_OF_LENGTH[len(value)]} = {quoted(value)}]"
    if kind == "registry-key" and (parts := _HOLDS_VALUES.fullmatch(value)):
        return (
            f"[windows-registry-key:key = {quoted(parts['key'])} AND "
            f"windows-registry-key:values[*].name = {quoted(parts['name'])}]"
        )
    return f"[{_PATH_OF[kind]} = {quoted(value)}]"


def comparisons(pattern: str) -> list[tuple[str, str]]:
    """`alternatives` of a text; empty too where it is no pattern at all."""
    try:
        return alternatives(parse(pattern))
    except PatternError:
        return []


def needles_of(pattern: str) -> list[tuple[str, str]]:
    """`comparisons` with each value in its normal form; empty where it is empty.

    Raises:
        IndicatorError: a value in the pattern has no normal form.
    """
    return [settle(kind, value) for kind, value in comparisons(pattern)]


def alternatives(pattern: Pattern) -> list[tuple[str, str]]:
    """The (kind, value as written) pairs of a pattern that says only "any of these values".

    That is: `=`, `IN` or `ISSUBSET` on one property, or an OR of such, in one or several
    observations. `file:name = N AND file:parent_directory_ref.path = P` counts as one path.

    Returns:
        An empty list where the pattern says more (AND, NOT, LIKE, WITHIN, ...) or names a property
        that has no kind here: then no list of values stands for it.
    """
    try:
        return _observations(pattern)
    except _NotPlainError:
        return []


class _NotPlainError(Exception):
    """The pattern is not a plain list of alternatives."""


def _observations(node: Pattern) -> list[tuple[str, str]]:
    if isinstance(node, Observation):
        return _comparisons(node.test)
    if isinstance(node, ObservationOr):
        return [pair for operand in node.operands for pair in _observations(operand)]
    raise _NotPlainError


def _comparisons(node: Comparison) -> list[tuple[str, str]]:
    match node:
        case PropertyTest():
            kind, values = _test(node)
            if kind in ("folder", "value-name"):
                raise _NotPlainError
            return [(kind, value) for value in values]
        case ComparisonOr():
            return [pair for operand in node.operands for pair in _comparisons(operand)]
        case ComparisonAnd():
            return [_joined(node)]
    raise _NotPlainError


def _joined(node: ComparisonAnd) -> tuple[str, str]:
    """A file's name and its folder are one path, a key and its value's name one registry key."""
    both = dict(_test(one) for one in node.operands if isinstance(one, PropertyTest))
    keys, values = both.get("registry-key", []), both.get("value-name", [])
    if len(node.operands) == 2 and len(keys) == len(values) == 1:
        return ("registry-key", keys[0].rstrip("\\") + "\\" + values[0])
    names, folders = both.get("file-name", []), both.get("folder", [])
    if len(node.operands) != 2 or len(names) != 1 or len(folders) != 1:
        raise _NotPlainError
    folder, name = folders[0], names[0]
    slash = "\\" if "\\" in folder or re.fullmatch(r"[A-Za-z]:", folder) else "/"
    return ("path", folder.rstrip(slash) + slash + name)


def _test(test: PropertyTest) -> tuple[str, list[str]]:
    kind = _kind(test.path)
    if test.negated or test.operator not in ("=", "IN", "ISSUBSET"):
        raise _NotPlainError
    if test.operator == "ISSUBSET" and kind != "address":
        raise _NotPlainError
    if isinstance(test.value, Constants):
        return kind, [_value(kind, member) for member in test.value.members]
    return kind, [_value(kind, test.value)]


def _kind(path: ObjectPath) -> str:
    kind = _KIND_OF.get((path.type, path.steps))
    if kind is None:
        raise _NotPlainError
    return kind


def _value(kind: str, constant: Constant) -> str:
    if isinstance(constant, String):
        return constant.value
    if kind == "asn" and isinstance(constant, Integer) and constant.value >= 0:
        return f"AS{constant.value}"
    raise _NotPlainError
