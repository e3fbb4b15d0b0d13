"""What is wrong with one object: told quickly that nothing is, or exactly what.

Spec: STIX 2.1 §3 to §7.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.stix import pattern
from tocsin.stix.bundle import Received
from tocsin.stix.findings import shown
from tocsin.stix.kinds import (
    CUSTOM_SHAPE,
    EXTENSION_SCO_SHAPE,
    OBJECT_SHAPES,
    TYPE_NAME,
    Kind,
    Path,
    Shape,
    check_shape,
)
from tocsin.stix.properties import COMMON_NAMES, DIFFERENCES_20, GROUP_OF, TYPES_20
from tocsin.stix.rules import (
    RULES,
    Rule,
    check_extensions,
    check_granular,
    check_references,
    derived_id,
    in_order,
    listed,
    unlisted,
)
from tocsin.stix.shapes import is_hollow, is_opaque, object_struct
from tocsin.stix.sink import Seen, Sink
from tocsin.stix.terms import nearest
from tocsin.stix.tlp import check_tlp

_PROPERTY = re.compile(r"[a-z0-9_]{3,250}")
_TYPE = re.compile(TYPE_NAME)
MOST_LAYOUTS = 4_096
"""Layouts that are remembered; honest files have some tens of them."""
MOST_OF_PATTERN = 3
"""Problems of one pattern that are told."""


class _Plan(Struct, frozen=True):
    """How one type is checked."""

    struct: Any
    form: Shape
    names: frozenset[str]
    rules: tuple[Rule, ...]
    group: str
    old: bool


@cache
def _plan(kind: str, old: bool, observable: bool) -> _Plan:
    form = OBJECT_SHAPES.get(kind)
    if form is None:
        form = EXTENSION_SCO_SHAPE if observable else CUSTOM_SHAPE
    group = GROUP_OF.get(kind, "sco" if observable else "sdo")
    if old:
        form = _as_in_20(form)
    rules = RULES.get(kind, ())
    return _Plan(object_struct(form, group), form, frozenset(form.kinds), rules, group, old)


class _Layout(Struct):
    """Objects of one type with the same properties in the same order."""

    plan: _Plan
    rules: tuple[Rule, ...]
    kind: str
    old: bool
    count: int = 0
    special: bool = False
    """Whether it may have what `_special` looks at."""
    unknown: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    """Properties into which no table looks."""
    shared: list[tuple[str, ...]] = []
    """What is said once for all of them."""


_NOT_IN_20 = {"spec_version", "pattern_type", "is_family", "created_by_ref"}


def _as_in_20(form: Shape) -> Shape:
    """What STIX 2.0 and 2.1 both ask of a type. The vocabularies of 2.0 are other ones."""
    kinds = {
        name: Kind("string", "", kind.many) if kind.name == "open" else kind
        for name, kind in form.kinds.items()
    }
    required = tuple(name for name in form.required if name not in _NOT_IN_20)
    return Shape(form.name, "STIX 2.0", kinds, required, form.own)


def _is_old(item: Received) -> bool:
    if item.spec_version is None:
        kind = item.type
        return kind in TYPES_20 or (kind not in GROUP_OF and item.created is not None)
    return item.spec_version == "2.0"


class Single:
    """Checks one object after another, and remembers what their properties look like."""

    def __init__(self, sink: Sink, seen: Seen) -> None:
        self._sink, self._seen = sink, seen
        self._layouts: dict[tuple[str, ...], _Layout] = {}

    def check(self, item: Received, x: dict[str, Any]) -> None:
        """Say everything that is wrong with `item`, whose properties are `x`."""
        kind = item.type
        layout = self._layouts.get((kind, *x))
        if layout is None or item.spec_version != "2.1":
            layout = self._layout(item, x)
        plan, sink = layout.plan, self._sink
        layout.count += 1
        say = sink.say
        try:
            msgspec.convert(x, plan.struct)
            hollow = x.get("hashes") == {}
        except msgspec.ValidationError:
            hollow = True
        for name in layout.opaque:
            if type(x[name]) is not str and is_hollow(x[name]):
                hollow = True
        if hollow:
            _explain(x, plan, sink)
        created, modified = item.created, item.modified
        if created and modified and (modified < created or len(modified) != len(created)):
            in_order(x, "created", "modified", True, say, "STIX 2.1 §3.2")
        if layout.special:
            self._special(x, layout)
        marked = x.get("object_marking_refs")
        if type(marked) is list and len(marked) > 1 and not layout.special:
            check_tlp(x, say)
        for rule in layout.rules:
            rule(x, say)
        if kind == "relationship":
            if not listed(x):
                self._unlisted(x)
        elif kind == "indicator":
            _check_pattern(x, sink)
        elif plan.group == "sco" and kind in OBJECT_SHAPES:
            derived_id(x, say)

    def finish(self) -> None:
        """Count what objects of one layout share."""
        for layout in self._layouts.values():
            for key in layout.shared:
                self._sink.count(key, layout.count - 1)

    def _layout(self, item: Received, x: dict[str, Any]) -> _Layout:
        """How objects of one type with these properties are checked."""
        kind, sink = item.type, self._sink
        old = item.spec_version != "2.1" and _is_old(item)
        known = kind in OBJECT_SHAPES
        plan = _plan(kind if known else "", old, not known and item.created is None)
        unknown = x.keys() - plan.names
        judged = known and (not old or kind not in ("observed-data", "marking-definition"))
        layout = _Layout(plan, plan.rules if judged else (), kind, old)
        names = ("granular_markings", "extensions", "labels")
        layout.unknown = tuple(sorted(unknown))
        layout.opaque = tuple(sorted(n for n in x if is_opaque(plan.form.kinds.get(n))))
        layout.special = any(name in x for name in names) or kind == "marking-definition"
        if unknown and ("extensions" in x or not _is_shared(unknown, plan)):
            layout.special = True
        elif unknown:
            layout.shared += _check_unknown(x, layout, sink)
        if not known:
            layout.special = layout.special or not _TYPE.fullmatch(kind)
            key = ("custom-type", kind)
            layout.shared.append(key)
            sink.once(key, "custom-type", ("type",), kind, kind)
        if old:
            key = ("stix-2.0", kind)
            words = DIFFERENCES_20.get(kind, "read where 2.0 and 2.1 agree")
            sink.once(key, "stix-2.0", (), None, f"{kind}: {words}")
        if item.spec_version == "2.1" and len(self._layouts) < MOST_LAYOUTS:
            self._layouts[(kind, *x)] = layout
        return layout

    def _special(self, x: dict[str, Any], layout: _Layout) -> None:
        """What few objects have, and depends on more than the names of their properties."""
        say = self._sink.say
        if layout.unknown and not layout.shared:
            _check_unknown(x, layout, self._sink)
        if "granular_markings" in x:
            check_granular(x, say)
        if "extensions" in x:
            for id in check_extensions(x, say):
                self._seen.extensions.setdefault(id, self._sink.n)
        check_tlp(x, say)
        if not _TYPE.fullmatch(layout.kind):
            say("type-name", ("type",), layout.kind, f"{shown(layout.kind)} is no name of a type")

    def _unlisted(self, x: dict[str, Any]) -> None:
        verb = x["relationship_type"]
        key = ("relationship-not-listed", x["source_ref"][:-38], verb, x["target_ref"][:-38])
        path = ("relationship_type",)
        self._sink.once(key, key[0], path, verb, partial(unlisted, x))


def _check_pattern(x: dict[str, Any], sink: Sink) -> None:
    """A pattern that we read has to be one; others are carried (§4.7)."""
    language, text = x.get("pattern_type", "stix"), x.get("pattern")
    if language == "stix" and type(text) is str:
        for problem in pattern.check(text)[:MOST_OF_PATTERN]:
            words = f"{problem.detail}, at character {problem.position} ({problem.code})"
            sink.say("pattern", ("pattern",), text, f"{words}; {problem.remedy}")
    elif type(language) is str and language != "stix":
        sink.once(
            ("pattern-language", language),
            "pattern-language",
            ("pattern_type",),
            language,
            f"a pattern in {shown(language)[1:-1]}",
        )


def _explain(x: dict[str, Any], plan: _Plan, sink: Sink) -> None:
    """Say what is wrong with the properties of an object that was not proven right."""
    say = sink.say
    check_shape(x, plan.form, (), say)
    check_references(x, say)
    id = x["id"]
    group = plan.group
    if group in ("sdo", "sro") and id[-22] != "4" and id[-17].lower() in "89ab":
        say("id-not-v4", ("id",), id, f"the UUID is of version {id[-22]}")
    for name in sorted(x):
        kind = plan.form.kinds.get(name)
        if is_opaque(kind):
            _check_holes(x[name], (name,), kind is not None, say)


def _check_holes(value: Any, path: Path, known: bool, say: Callable[..., None]) -> None:
    """Say where null and empty lists stand in what no table describes."""
    # Calls itself no more than `Limits.depth` times: what gets here has been proven.
    inside = len(path) > 1
    if value is None:
        if not known:
            say("custom-hole" if inside else "null-value", path, None, f"{path[-1]} is null")
    elif type(value) is list:
        if not value:
            code = "custom-hole" if inside else "list-empty"
            say(code, path, value, f"{path[-1]} is an empty list")
        for n, one in enumerate(value):
            if one is None or type(one) is list or type(one) is dict:
                _check_holes(one, (*path, n), False, say)
    elif type(value) is dict:
        for name in sorted(value):
            one = value[name]
            if one is None or type(one) is list or type(one) is dict:
                _check_holes(one, (*path, name), False, say)


def _is_shared(unknown: set[str], plan: _Plan) -> bool:
    """Whether what is to say of these properties is the same for every object that has them."""
    own = plan.form.name != "custom"
    return all(_PROPERTY.fullmatch(n) and not (own and n in COMMON_NAMES) for n in unknown)


def _check_unknown(x: dict[str, Any], layout: _Layout, sink: Sink) -> list[tuple[str, ...]]:
    """Properties that no table has: common ones of other types, an extension's, custom ones."""
    plan, kind = layout.plan, layout.kind
    said: list[tuple[str, ...]] = []
    extensions = x.get("extensions")
    defined = any(
        type(body) is dict and body.get("extension_type") == "toplevel-property-extension"
        for body in (extensions.values() if type(extensions) is dict else ())
    )
    own = plan.form.name != "custom"
    for name in layout.unknown:
        if own and name in COMMON_NAMES:
            if not plan.old:
                words = f"a {kind} has no {shown(name)[1:-1]}"
                sink.say("property-not-allowed", (name,), x[name], words)
        elif not _PROPERTY.fullmatch(name):
            sink.say("property-name", (name,), name, f"{shown(name)} is no name of a property")
        elif own and not defined:
            key = ("custom-property", kind, name)
            code = "custom-property" if name.startswith("x_") else "custom-property-prefix"
            sink.once(key, code, (name,), x[name], partial(_unknown_name, name, plan))
            said.append(key)
    return said


def _unknown_name(name: str, plan: _Plan) -> str:
    near = None if name.startswith("x_") else nearest(name, plan.names)
    return f"{plan.form.name} has no {name}" + (
        f"; perhaps {near.replace('-', '_')}?" if near else ""
    )
