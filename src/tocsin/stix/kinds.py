"""Reads one value against its kind and says everything that is wrong with it.

Exact and slow: `shapes.py` first tells in one pass whether there is anything to say.

Spec: STIX 2.1 §2.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, TypeAlias

from msgspec import Struct

from tocsin.stix.findings import shown
from tocsin.stix.observables import EXTENSIONS, STRUCTS_OF_OBSERVABLES, Rows
from tocsin.stix.properties import COMMON, GROUP_OF, OBJECTS, STRUCTS
from tocsin.stix.terms import ENUMS, HASH_FORMS, TERM_SETS, TERMS, VOCABULARIES, nearest

Path: TypeAlias = tuple[str | int, ...]
Say: TypeAlias = Callable[..., None]
"""say(code, path, value, detail, clause=None); a detail that takes time to find is a function."""


class Kind(Struct, frozen=True):
    """What a property holds."""

    name: str
    argument: str = ""
    many: bool = False
    low: float | None = None
    high: float | None = None


class Shape(Struct, frozen=True):
    """The properties of one type or inner object."""

    name: str
    clause: str
    kinds: Mapping[str, Kind]
    required: tuple[str, ...]
    own: tuple[str, ...] = ()
    """Those that are not common ones."""


@lru_cache(maxsize=512)
def kind(text: str) -> Kind:
    """The kind that a word in the tables stands for."""
    many = text.startswith("[")
    name, _, argument = text.strip("[]").partition(" ")
    if name in ("integer", "float") and argument:
        low, _, high = argument.partition("..")
        return Kind(name, "", many, float(low), float(high) if high else None)
    return Kind(name, argument, many)


def shape(name: str, clause: str, rows: Rows, common: Rows | None = None) -> Shape:
    """The shape that rows of the tables describe."""
    whole = {**(common or {}), **rows}
    required = {key.rstrip("!") for key in whole if key.endswith("!")}
    kinds = {key.rstrip("!"): kind(text) for key, text in whole.items()}
    own = tuple(key.rstrip("!") for key in rows)
    return Shape(name, clause, kinds, tuple(k for k in kinds if k in required), own)


OBJECT_SHAPES: dict[str, Shape] = {
    name: shape(name, f"STIX 2.1 {section}", rows, COMMON[group])
    for name, (group, section, rows) in OBJECTS.items()
}
STRUCT_SHAPES: dict[str, Shape] = {
    name: shape(name, f"STIX 2.1 {section}", rows)
    for name, (section, rows) in (STRUCTS | STRUCTS_OF_OBSERVABLES).items()
}
EXTENSION_SHAPES: dict[str, Shape] = {
    name: shape(name, f"STIX 2.1 {section}", rows)
    for name, (_, section, rows) in EXTENSIONS.items()
}
CUSTOM_SHAPE = shape("custom", "STIX 2.1 §11.2", {}, COMMON["sdo"])
"""An object of a type that STIX does not define: only what every object has."""
EXTENSION_SCO_SHAPE = shape("custom", "STIX 2.1 §7.3", {}, COMMON["sco"])
"""An observable that an extension defines."""

UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
UUID_4122 = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
TYPE_NAME = r"[a-z0-9][a-z0-9-]{1,248}[a-z0-9]"
LANGUAGE = r"(?:[A-Za-z]{2,8}|[xiXI])(?:-[A-Za-z0-9]{1,8}){0,20}"
BINARY = r"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
HEX = r"(?:[0-9a-fA-F]{2})++"
KEY = r"[A-Za-z0-9_-]{1,250}"
VERB = r"[a-z0-9-]{1,250}"
URL = r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+"
TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z"

_ID = re.compile(rf"([a-z0-9][a-z0-9-]{{0,249}})--({UUID})")
_ID_4122 = re.compile(rf"[a-z0-9][a-z0-9-]{{0,249}}--{UUID_4122}")
_TIME = re.compile(TIME)
_LANGUAGE, _BINARY, _HEX, _KEY, _VERB = map(re.compile, (LANGUAGE, BINARY, HEX, KEY, VERB))
_HASHES = {name: re.compile(form) for name, form in HASH_FORMS.items()}

GROUPS: dict[str, str] = {
    "sdo": "a domain object",
    "sro": "a relationship object",
    "sco": "an observable",
    "*": "any object",
}
"""Words for the groups a reference may point to."""


def may_point(argument: str, target: str) -> bool:
    """Whether a reference of this kind may point to an object of this type.

    A type STIX does not define may be of any group.
    """
    if argument == "*":
        return target != "bundle"
    wanted = argument.split("|")
    if target in wanted:
        return True
    group = GROUP_OF.get(target)
    if group is None:
        return target != "bundle" and not GROUPS.keys().isdisjoint(wanted)
    return group in wanted


def check_shape(x: Mapping[str, Any], form: Shape, path: Path, say: Say) -> None:
    """Say what is wrong with the properties of `x` that `form` knows."""
    for name in form.required:
        if name not in x:
            clause = "STIX 2.1 §3.2" if form.own and name not in form.own else form.clause
            say(
                "property-missing",
                (*path, name),
                None,
                f"{name} is required of {form.name}",
                clause,
            )
    for name, kind in form.kinds.items():
        if name in x:
            check_kind(x[name], kind, (*path, name), say, form.clause)


def check_kind(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    """Say what is wrong with one value."""
    if value is None:
        say("null-value", path, value, f"{path[-1]} is null")
        return
    if not kind.many:
        _CHECKS[kind.name](value, kind, path, say, clause)
        return
    if type(value) is not list:
        _wrong_type(value, "a list", path, say, clause)
        return
    if not value:
        say("list-empty", path, value, f"{path[-1]} is an empty list")
    check = _CHECKS[kind.name]
    for n, item in enumerate(value):
        if item is None:
            say("null-value", (*path, n), item, f"an item of {path[-1]} is null")
        else:
            check(item, kind, (*path, n), say, clause)


_JSON = {
    str: "text",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


def _wrong_type(value: Any, wanted: str, path: Path, say: Say, clause: str) -> None:
    say(
        "property-type",
        path,
        value,
        f"{_named(path)} is {_JSON.get(type(value), 'something else')}, not {wanted}",
        clause,
    )


def _named(path: Path) -> str:
    return str(next((step for step in reversed(path) if isinstance(step, str)), "it"))


def _text(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    if type(value) is not str:
        _wrong_type(value, "text", path, say, clause)


def _boolean(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    if type(value) is not bool:
        _wrong_type(value, "true or false", path, say, clause)


def _number(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    whole = kind.name == "integer"
    if type(value) is not int and (type(value) is not float or (whole and not value.is_integer())):
        _wrong_type(value, "a whole number" if whole else "a number", path, say, clause)
        return
    if (kind.low is not None and value < kind.low) or (kind.high is not None and value > kind.high):
        asked = f"from {kind.low:g}" + ("" if kind.high is None else f" to {kind.high:.9g}")
        say("number-range", path, value, f"{_named(path)} is {value}, and must be {asked}", clause)


def _form(pattern: re.Pattern[str], code: str, what: str) -> Callable[..., None]:
    def check(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
        if type(value) is not str:
            _wrong_type(value, "text", path, say, clause)
        elif not pattern.fullmatch(value):
            say(code, path, value, f"{shown(value)} is not {what}")

    return check


def calendar_fault(value: str) -> str | None:
    """Why a well-written time is none, or None. Second 60 is a leap second (RFC 3339 §5.7)."""
    year, month, day = int(value[:4]), int(value[5:7]), int(value[8:10])
    hour, minute, second = int(value[11:13]), int(value[14:16]), int(value[17:19])
    if not 1 <= month <= 12:
        return f"there is no month {month:02d}"
    last = monthrange(year, month)[1] if year else (29 if month == 2 else monthrange(4, month)[1])
    if not 1 <= day <= last:
        return f"{value[:7]} has no day {day:02d}"
    if hour > 23 or minute > 59 or second > 60:
        return f"there is no time of day {value[11:19]}"
    return None


def _timestamp(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    if type(value) is not str:
        _wrong_type(value, "text", path, say, clause)
    elif not _TIME.fullmatch(value):
        say("timestamp-form", path, value, f"{shown(value)} is not written as STIX writes times")
    elif (fault := calendar_fault(value)) is not None:
        say("timestamp-calendar", path, value, fault)
    elif kind.name == "instant" and len(value) < 24:
        digits = len(value) - 21 if "." in value else 0
        say(
            "timestamp-precision",
            path,
            value,
            f"{path[-1]} has {digits} digits of a second, and must have 3 or more",
        )


def _identifier(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    if type(value) is not str:
        _wrong_type(value, "text", path, say, clause)
        return
    if _ID_4122.fullmatch(value):
        return
    found = _ID.fullmatch(value)
    if found is None:
        say("reference-form", path, value, f"{shown(value)} is not an id")
        return
    if found[2][19].lower() not in "89ab":
        say("id-uuid", path, value, f"{found[2]} is no UUID of RFC 4122")
    if found[2] != found[2].lower():
        say("id-upper-case", path, value, f"{found[2]} is written with upper-case digits")


def _reference(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    _identifier(value, kind, path, say, clause)
    if type(value) is not str or not _ID.fullmatch(value):
        return
    target = value[:-38]
    if not may_point(kind.argument, target):
        wanted = " or ".join(GROUPS.get(one, one) for one in kind.argument.split("|"))
        say(
            "reference-type",
            path,
            value,
            f"{_named(path)} points to a {target}; it may point to {wanted}",
            clause,
        )


def _word(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    if type(value) is not str:
        _wrong_type(value, "text", path, say, clause)
        return
    if value in TERM_SETS[kind.argument]:
        return
    closed = kind.name == "enum"
    section, terms = (ENUMS if closed else VOCABULARIES)[kind.argument]

    def detail() -> str:
        near = nearest(value, TERMS[kind.argument])
        rest = "one of: " + ", ".join(terms.split()) if closed else "no term of it is near"
        return f"{shown(value)} is not in {kind.argument}; " + (
            f"perhaps {near}?" if near else rest
        )

    say("enum" if closed else "vocabulary", path, value, detail, f"STIX 2.1 {section}")


def _dictionary(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    if type(value) is not dict:
        _wrong_type(value, "an object", path, say, clause)
        return
    if not value:
        say("dictionary-empty", path, value, f"{_named(path)} is an empty object")
    for key in sorted(value):
        if not _KEY.fullmatch(key):
            say("key-name", (*path, key), key, f"{shown(key)} is no key of a dictionary")


def _hashes(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    _dictionary(value, kind, path, say, clause)
    for name, digest in sorted(value.items()) if type(value) is dict else ():
        where = (*path, name)
        if digest is None:
            say("null-value", where, digest, f"{name} is null")
            continue
        if type(digest) is not str:
            _wrong_type(digest, "text", where, say, clause)
            continue
        form = _HASHES.get(name)
        if form is None:
            say("vocabulary", where, name, partial(_no_algorithm, name), "STIX 2.1 §10.7")
        elif not form.fullmatch(digest):
            say("hash-form", where, digest, f"{shown(digest)} is no value of {name}")


def _no_algorithm(name: str) -> str:
    near = nearest(name, HASH_FORMS)
    words = f"perhaps {near}?" if near else "no term of it is near"
    return f"{shown(name)} is not in hash-algorithm-ov; {words}"


def _struct(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    if type(value) is not dict:
        _wrong_type(value, "an object", path, say, clause)
    else:
        check_shape(value, STRUCT_SHAPES[kind.argument], path, say)


def _version(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    if type(value) is not str:
        _wrong_type(value, "text", path, say, clause)
    elif value not in ("2.1", "2.0"):
        say("spec-version", path, value, f"spec_version is {shown(value)}")


def _extensions(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    # What each one holds is judged by `rules.check_extensions`.
    if type(value) is not dict:
        _wrong_type(value, "an object", path, say, clause)
    elif not value:
        say("dictionary-empty", path, value, "extensions is an empty object")


def _reserved(value: Any, kind: Kind, path: Path, say: Say, clause: str) -> None:
    say("property-not-allowed", path, value, f"{path[-1]} is reserved by STIX", "STIX 2.1 §3.8")


_CHECKS: dict[str, Callable[..., None]] = {
    "string": _text,
    "boolean": _boolean,
    "integer": _number,
    "float": _number,
    "timestamp": _timestamp,
    "instant": _timestamp,
    "identifier": _identifier,
    "ref": _reference,
    "open": _word,
    "enum": _word,
    "dictionary": _dictionary,
    "hashes": _hashes,
    "struct": _struct,
    "version": _version,
    "extensions": _extensions,
    "reserved": _reserved,
    "language": _form(_LANGUAGE, "language-code", "a language code"),
    "binary": _form(_BINARY, "binary-form", "base64"),
    "hex": _form(_HEX, "hex-form", "hexadecimal"),
    "verb": _form(_VERB, "relationship-type-form", "a relationship type"),
}
