"""Checks STIX objects, and says what it finds as data. It never changes an object.

Most objects have nothing wrong with them, and that is told quickly (`shapes.py`); only of the
others is it then worked out what (`kinds.py`, `rules.py`). What objects say of each other is in
`together.py`. Time grows with the bytes, and the number of findings is bounded.

Spec: STIX 2.1; exchange.md §1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

import msgspec
import orjson
from msgspec import Struct

from tocsin.stix import pattern
from tocsin.stix.bundle import Opened, Received, open_whole
from tocsin.stix.findings import CODES, Finding, Severity, pointer_to, shown
from tocsin.stix.kinds import (
    CUSTOM_SHAPE,
    EXTENSION_SCO_SHAPE,
    OBJECT_SHAPES,
    TYPE_NAME,
    UUID,
    Kind,
    Path,
    Shape,
    check_shape,
)
from tocsin.stix.limits import FILE_LIMITS, Limits
from tocsin.stix.model import HasBytes
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
from tocsin.stix.shapes import has_hole, object_struct
from tocsin.stix.sink import MOST, Seen, Sink
from tocsin.stix.terms import nearest
from tocsin.stix.tlp import check_tlp
from tocsin.stix.together import check_together

_PROPERTY = re.compile(r"[a-z0-9_]{3,250}")
_TYPE = re.compile(TYPE_NAME)
MOST_OF_PATTERN = 3
"""Problems of one pattern that are told."""
_BUNDLE_ID = re.compile(rf"bundle--{UUID}")


def check_objects(
    items: Sequence[Received],
    *,
    known: Mapping[str, Sequence[HasBytes]] | None = None,
    within: str | None = "/objects",
    most: int = MOST,
    progress: Callable[[int], None] | None = None,
) -> list[Finding]:
    """Everything found in `items`, in their order; what many share stands at the first of them.

    An object may be given to others if no finding of severity `error` is about it: see `refused`.

    Args:
        items: opened objects, as `open_bundle` gives them.
        known: versions of objects held already, by id. They are not checked themselves: a new
            version has to agree with them, and a reference to one is resolved.
        within: where `items` stand, as a JSON pointer; None if it is one object by itself.
        most: how many findings are listed at most.
        progress: told from time to time how many objects are done.

    Returns:
        The same findings whatever the order of keys in an object.
    """
    sink = Sink(items, within, most)
    held = known or {}
    seen = Seen()
    for n, item in enumerate(items):
        sink.n = n
        if item.problem is not None:
            sink.say("object-unusable", (), item.id or None, item.problem)
        else:
            _check_one(item, seen, sink)
        if sink.here:
            sink.next()
        if progress is not None and n % 4096 == 4095:
            progress(n + 1)
    check_together(items, held, seen, sink)
    return sink.all()


def check_bundle(
    data: bytes,
    *,
    limits: Limits = FILE_LIMITS,
    known: Mapping[str, Sequence[HasBytes]] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Checked:
    """Open a bundle, a TAXII envelope, a list of objects or one object, and check all of it.

    Raises:
        BundleError: it cannot be opened; see `open_bundle`.
    """
    whole = open_whole(data, limits=limits)
    within = {"object": None, "list": ""}.get(whole.kind, "/objects")
    findings = check_objects(whole.objects, known=known, within=within, progress=progress)
    around = _check_around(whole) if whole.kind == "bundle" else ()
    return Checked(tuple(whole.objects), (*around, *findings))


def refused(findings: Sequence[Finding]) -> set[str]:
    """The SHA-256 of each object that has an error, and is therefore not given to others."""
    return {
        finding.object.sha256
        for finding in findings
        if finding.severity == "error" and finding.object is not None
    }


def judged(items: Sequence[Received]) -> list[Received]:
    """`items`, where the `problem` of each says what its first error is; None: it has none.

    For a door that lets objects in: one with a problem is shown to its sender and given to nobody.
    """
    wrong: dict[str, str] = {}
    for found in check_objects(items, within=None):
        if found.severity == "error" and found.object is not None:
            at = f"{found.pointer}: " if found.pointer else ""
            wrong.setdefault(found.object.sha256, f"{at}{found.detail} ({found.code})")
    if not wrong:
        return list(items)
    return [
        msgspec.structs.replace(item, problem=wrong[item.sha256])
        if item.problem is None and item.sha256 in wrong
        else item
        for item in items
    ]


class Checked(Struct, frozen=True):
    """A bundle's objects, and what was found."""

    objects: tuple[Received, ...]
    findings: tuple[Finding, ...]

    def count(self, severity: Severity) -> int:
        """How many findings are of this severity."""
        return sum(finding.severity == severity for finding in self.findings)


def _check_around(whole: Opened) -> Iterator[Finding]:
    """What is wrong with a bundle itself (§8)."""
    x = whole.around
    id = x.get("id")
    if type(id) is not str or not _BUNDLE_ID.fullmatch(id):
        said = "it has no id" if id is None else f"{shown(id)} is no id of a bundle"
        yield _around("bundle-id", "id", id, said)
    if "spec_version" in x:
        yield _around("bundle-spec-version", "spec_version", x["spec_version"], "as in STIX 2.0")
    if "objects" in x and not whole.objects:
        yield _around("bundle-empty", "objects", [], "it has an empty list of objects")
    for name in sorted(x.keys() - {"type", "id", "spec_version", "objects"}):
        yield _around("bundle-property", name, x[name], f"a bundle has no {shown(name)[1:-1]}")


def _around(code: str, name: str, value: Any, detail: str) -> Finding:
    rule = CODES[code]
    return Finding(
        code=code,
        severity=rule.severity,
        pointer=pointer_to(name),
        clause=rule.clause,
        value=None if value is None else shown(value),
        detail=detail,
        remedy=rule.remedy,
    )


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


def _check_one(item: Received, seen: Seen, sink: Sink) -> None:
    raw = item.raw
    kind = item.type
    x: dict[str, Any] = orjson.loads(raw)
    old = item.spec_version != "2.1" and _is_old(item)
    known = kind in OBJECT_SHAPES
    plan = _plan(kind if known else "", old, not known and item.created is None)
    say = sink.say
    hole = has_hole(raw)
    try:
        if hole:
            raise msgspec.ValidationError
        msgspec.convert(x, plan.struct)
    except msgspec.ValidationError:
        _explain(x, plan, hole, sink)
    created, modified = item.created, item.modified
    if created and modified and (modified < created or len(modified) != len(created)):
        in_order(x, "created", "modified", True, say, "STIX 2.1 §3.2")
    unknown = x.keys() - plan.names
    if unknown:
        _check_unknown(x, unknown, plan, sink)
    if "granular_markings" in x:
        check_granular(x, say)
    if "extensions" in x:
        for id in check_extensions(x, say):
            seen.extensions.setdefault(id, sink.n)
    marked = x.get("object_marking_refs")
    if "labels" in x or kind == "marking-definition" or (type(marked) is list and len(marked) > 1):
        check_tlp(x, say)
    if old:
        sink.once(
            ("stix-2.0", kind),
            "stix-2.0",
            (),
            None,
            f"{kind}: " + DIFFERENCES_20.get(kind, "read where 2.0 and 2.1 agree"),
        )
    if not known:
        if not _TYPE.fullmatch(kind):
            say("type-name", ("type",), kind, f"{shown(kind)} is no name of a type")
        sink.once(("custom-type", kind), "custom-type", ("type",), kind, kind)
    elif not old or kind not in ("observed-data", "marking-definition"):
        for rule in plan.rules:
            rule(x, say)
    if plan.group == "sco" and known:
        derived_id(x, say)
    elif kind == "indicator":
        _check_pattern(x, sink)
    elif kind == "relationship" and not listed(x):
        key, words = unlisted(x)
        sink.once(
            ("relationship-not-listed", *key),
            "relationship-not-listed",
            ("relationship_type",),
            key[1],
            words,
        )


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


def _explain(x: dict[str, Any], plan: _Plan, hole: bool, sink: Sink) -> None:
    """Say what is wrong with the properties of an object that was not proven right."""
    say = sink.say
    check_shape(x, plan.form, (), say)
    check_references(x, say)
    id = x["id"]
    group = plan.group
    if group in ("sdo", "sro") and id[-22] != "4" and id[-17].lower() in "89ab":
        say("id-not-v4", ("id",), id, f"the UUID is of version {id[-22]}")
    if hole:
        for name in sorted(x):
            kind = plan.form.kinds.get(name)
            if kind is None or kind.name in ("dictionary", "extensions"):
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


def _check_unknown(x: dict[str, Any], unknown: set[str], plan: _Plan, sink: Sink) -> None:
    """Properties that no table has: common ones of other types, an extension's, custom ones."""
    kind = plan.form.name if plan.form.name != "custom" else x["type"]
    defined = any(
        type(body) is dict and body.get("extension_type") == "toplevel-property-extension"
        for body in (x["extensions"].values() if type(x.get("extensions")) is dict else ())
    )
    for name in sorted(unknown):
        if name in COMMON_NAMES and plan.form.name != "custom":
            if not plan.old:
                sink.say(
                    "property-not-allowed", (name,), x[name], f"a {kind} has no {shown(name)[1:-1]}"
                )
            continue
        if not _PROPERTY.fullmatch(name):
            sink.say("property-name", (name,), name, f"{shown(name)} is no name of a property")
        elif not defined and plan.form.name != "custom":
            custom = name.startswith("x_")
            sink.once(
                ("custom-property", kind, name),
                "custom-property" if custom else "custom-property-prefix",
                (name,),
                x[name],
                partial(_unknown_name, name, plan),
            )


def _unknown_name(name: str, plan: _Plan) -> str:
    near = None if name.startswith("x_") else nearest(name, plan.names)
    return f"{plan.form.name} has no {name}" + (
        f"; perhaps {near.replace('-', '_')}?" if near else ""
    )
