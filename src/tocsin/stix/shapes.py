"""Tells in one pass, at the speed of C, that an object has nothing wrong with its properties.

Each type becomes a msgspec struct with every form and range in it. What it accepts is right, which
is a law in the tests; what it does not accept is looked at by `kinds.py`, which may still find
nothing.

Spec: STIX 2.1 §2 to §7.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tocsin.stix.kinds import (
    BINARY,
    HEX,
    KEY,
    LANGUAGE,
    OBJECT_SHAPES,
    STRUCT_SHAPES,
    TYPE_NAME,
    URL,
    UUID_4122,
    VERB,
    Kind,
    Shape,
    may_point,
)
from tocsin.stix.terms import HASH_FORMS, TERMS

_TAIL_4 = r"--[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
# Neither the 29th of February nor a leap second: the exact reader knows those.
_DAY = (
    r"[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_CLOCK = r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"


def is_hollow(value: Any) -> bool:
    """Whether null or an empty list stands somewhere in a decoded value."""
    # Calls itself no more than `Limits.depth` times: what gets here has been proven.
    kind = type(value)
    if kind is list:
        if not value:
            return True
        inner = value
    elif kind is dict:
        inner = value.values()
    else:
        return value is None
    for one in inner:
        kind = type(one)
        if kind is not str and (one is None or ((kind is list or kind is dict) and is_hollow(one))):
            return True
    return False


def _like(pattern: str) -> Any:
    # \Z: a $ would let a line feed follow.
    return Annotated[str, Meta(pattern=rf"\A(?:{pattern})\Z")]


def _rename(name: str) -> str:
    return _HASH_NAMES.get(name, name)


_HASH_NAMES = {f"h{n}": name for n, name in enumerate(HASH_FORMS)}
_Hashes = msgspec.defstruct(
    "Hashes",
    [(f"h{n}", _like(form) | UnsetType, UNSET) for n, form in enumerate(HASH_FORMS.values())],
    forbid_unknown_fields=True,
    rename=_rename,
    gc=False,
    frozen=True,
)

_SIMPLE: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "timestamp": _like(rf"(?:{_DAY}){_CLOCK}(?:\.[0-9]+)?Z"),
    "instant": _like(rf"(?:{_DAY}){_CLOCK}\.[0-9]{{3,}}Z"),
    "dictionary": Annotated[dict[_like(KEY), Any], Meta(min_length=1)],  # type: ignore[misc]
    "hashes": _Hashes,
    "version": Literal["2.1"],
    "extensions": Annotated[dict[str, dict[str, Any]], Meta(min_length=1)],
    "reserved": None,
    "language": _like(LANGUAGE),
    "binary": _like(BINARY),
    "hex": _like(HEX),
    "verb": _like(VERB),
    "identifier": _like(rf"{TYPE_NAME}--{UUID_4122}"),
}


def _one(kind: Kind) -> Any:
    if kind.name in ("integer", "float"):
        base: Any = int if kind.name == "integer" else float
        low = None if kind.low is None else base(kind.low)
        high = None if kind.high is None else base(kind.high)
        return Annotated[base, Meta(ge=low, le=high)]
    if kind.name in ("open", "enum"):
        return Literal[TERMS[kind.argument]]
    if kind.name == "ref":
        return _like(rf"(?:{'|'.join(_targets(kind.argument))})--{UUID_4122}")
    if kind.name == "struct":
        return _struct(kind.argument)
    return _SIMPLE[kind.name]


def _targets(argument: str) -> list[str]:
    # A type that STIX does not define is left to the exact reader, but for those named x-….
    known = [name for name in OBJECT_SHAPES if may_point(argument, name)]
    if may_point(argument, "x-custom"):
        known.append(r"x-[a-z0-9-]{0,246}[a-z0-9]")
    return known


@cache
def _struct(name: str) -> Any:
    form = STRUCT_SHAPES[name]
    if name == "external-reference":
        # One of three has to be there. With the usual one, that is proven. Hashes are rare, and
        # `Hashes` would let an empty object pass.
        kinds = {**form.kinds, "hashes": Kind("reserved")}
        form = msgspec.structs.replace(form, kinds=kinds, required=(*form.required, "url"))
        return build(form, {"url": URL})
    return build(form)


def build(form: Shape, patterns: Mapping[str, str] | None = None) -> Any:
    """A struct that accepts only what `check_shape` has nothing to say of.

    Args:
        patterns: what single properties have to match besides.
    """
    given = patterns or {}
    kinds = {
        name: _like(given[name]) if name in given else _kind(kind)
        for name, kind in form.kinds.items()
    }
    fields: list[Any] = [(name, kinds[name]) for name in form.required]
    fields += [(n, k | UnsetType, UNSET) for n, k in kinds.items() if n not in form.required]
    return msgspec.defstruct(form.name, fields, gc=False, frozen=True)


def _kind(kind: Kind) -> Any:
    one = _one(kind)
    return Annotated[list[one], Meta(min_length=1)] if kind.many else one  # type: ignore[valid-type]


def is_opaque(kind: Kind | None) -> bool:
    """Whether what a property of this kind holds is not looked into by its struct."""
    return kind is None or kind.name in ("dictionary", "extensions")


def object_struct(form: Shape, group: str) -> Any:
    """The struct of a whole object; its id has to be of version 4 where STIX recommends that."""
    kind = form.name if form.name in OBJECT_SHAPES else TYPE_NAME
    tail = _TAIL_4 if group in ("sdo", "sro") or form.name == "process" else f"--{UUID_4122}"
    return build(form, {"id": kind + tail})
