"""Rules that need more than one property of an object at once, by type.

Each is handed an object whose properties may be of any kind: what is of the wrong one has been said
already, and is passed over here.

Spec: STIX 2.1 §4 to §7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tocsin.errors import BundleError, IndicatorError
from tocsin.stix.findings import shown
from tocsin.stix.ids import CONTRIBUTING, sco_id
from tocsin.stix.kinds import (
    BINARY,
    EXTENSION_SHAPES,
    LANGUAGE,
    OBJECT_SHAPES,
    STRUCT_SHAPES,
    TIME,
    URL,
    Path,
    Say,
    check_shape,
)
from tocsin.stix.observables import EXTENSIONS
from tocsin.stix.properties import COMMON_NAMES, IN_ORDER, ONE_AT_LEAST
from tocsin.stix.relations import VERBS, named, verbs_between
from tocsin.stix.terms import TERM_SETS, TERMS, nearest
from tocsin.stix.values import normalise, refang

Object: TypeAlias = Mapping[str, Any]
Rule: TypeAlias = Callable[[Object, Say], None]

_TIME = re.compile(TIME)
_MIME = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
_URL = re.compile(URL)
_CPE = re.compile(r"cpe:2\.3:[aho*-](?::(?:[^:\\\s]|\\.){1,500}){10}")
_MAYBE_DEFANGED = re.compile(r"[\[({]|xx|fxp", re.I)
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_LANGUAGE = re.compile(LANGUAGE)
_BINARY = re.compile(BINARY)


def in_order(x: Object, first: str, second: str, equal: bool, say: Say, clause: str) -> None:
    """Say it if `second` is before `first`."""
    a, b = x.get(first), x.get(second)
    if type(a) is not str or type(b) is not str:
        return
    if not (_TIME.fullmatch(a) and _TIME.fullmatch(b)):
        return
    low, high = _sortable(a), _sortable(b)
    if high < low or (high == low and not equal):
        code = "modified-before-created" if second == "modified" else "time-order"
        asked = "is before" if high < low else "must be later than"
        say(code, (second,), b, f"{second} {asked} {first}, {a}", clause)


def _sortable(time: str) -> str:
    return time[:-1].rstrip("0").rstrip(".") if "." in time else time[:-1]


def one_at_least(x: Object, name: str, path: Path, say: Say) -> None:
    """Say it if none of the properties is there of which one has to be."""
    form = OBJECT_SHAPES.get(name) or STRUCT_SHAPES.get(name) or EXTENSION_SHAPES[name]
    asked = ONE_AT_LEAST[name] or form.own
    if not any(key in x for key in asked):
        words = ", ".join(asked) if len(asked) < 6 else "its own properties"
        say("one-of", path, None, f"a {name} needs at least one of: {words}", form.clause)


def _ordered(name: str) -> Rule:
    clause = OBJECT_SHAPES[name].clause

    def rule(x: Object, say: Say) -> None:
        for first, second, equal in IN_ORDER[name]:
            if first in x and second in x:
                in_order(x, first, second, equal, say, clause)

    return rule


def _one_at_least(name: str) -> Rule:
    def rule(x: Object, say: Say) -> None:
        one_at_least(x, name, (), say)

    return rule


def _each(property: str, rule: Callable[[Object, Path, Say], None]) -> Rule:
    def whole(x: Object, say: Say) -> None:
        values = x.get(property)
        for n, one in enumerate(values if type(values) is list else ()):
            if type(one) is dict:
                rule(one, (property, n), say)

    return whole


# --- domain and relationship objects ----------------------------------------------------------


def _malware(x: Object, say: Say) -> None:
    if x.get("is_family") is True and "name" not in x:
        say("one-of", ("name",), None, "a malware family needs a name", "STIX 2.1 §4.11")


def _observed(x: Object, say: Say) -> None:
    if ("objects" in x) == ("object_refs" in x):
        said = (
            "both objects and object_refs" if "objects" in x else "neither object_refs nor objects"
        )
        say("one-of", (), None, f"{said}; give object_refs", "STIX 2.1 §4.14")


def _location(x: Object, say: Say) -> None:
    clause = "STIX 2.1 §4.10"
    if ("latitude" in x) != ("longitude" in x):
        say("one-of", (), None, "latitude and longitude need each other", clause)
    elif not ("region" in x or "country" in x or "latitude" in x):
        say("one-of", (), None, "a location needs a region, a country or coordinates", clause)
    if "precision" in x and not ("latitude" in x and "longitude" in x):
        say("one-of", ("precision",), x.get("precision"), "precision needs coordinates", clause)
    country = x.get("country")
    if type(country) is str and not (len(country) == 2 and country.isascii() and country.isalpha()):
        say(
            "value-form",
            ("country",),
            country,
            f"{shown(country)} is no two-letter code of ISO 3166-1",
            clause,
        )


def listed(x: Object) -> bool:
    """Whether a relationship is one that STIX names."""
    verb, source, target = x.get("relationship_type"), x.get("source_ref"), x.get("target_ref")
    if not (type(verb) is str and type(source) is str and type(target) is str):
        return True  # said already
    return named(source[:-38], verb, target[:-38])


def unlisted(x: Object) -> str:
    """What a relationship is that STIX does not name, and what could be written instead."""
    source, verb, target = x["source_ref"][:-38], x["relationship_type"], x["target_ref"][:-38]
    near = nearest(verb, VERBS)
    between = verbs_between(source, target)
    if near and near != verb and named(source, near, target):
        hint = f"perhaps {near}?"
    elif between:
        hint = "STIX names: " + ", ".join(between)
    else:
        hint = "STIX names none but related-to"
    return f"{source} {shown(verb)[1:-1]} {target}: {hint}"


def _marking(x: Object, say: Say) -> None:
    clause = "STIX 2.1 §7.2.1.1"
    kind, definition = x.get("definition_type"), x.get("definition")
    if (kind is None) != (definition is None):
        say("marking-empty", (), None, "definition_type and definition need each other", clause)
    elif kind is None and "extensions" not in x:
        say("marking-empty", (), None, "it has neither a definition nor an extension", clause)
    if kind == "statement" and type(definition) is dict:
        if type(definition.get("statement")) is not str:
            say(
                "property-missing",
                ("definition", "statement"),
                definition.get("statement"),
                "a statement marking needs a statement",
                "STIX 2.1 §7.2.1.3",
            )
    elif kind == "tlp" and type(definition) is dict:
        if definition.get("tlp") not in ("white", "green", "amber", "red"):
            say(
                "enum",
                ("definition", "tlp"),
                definition.get("tlp"),
                "tlp is one of: white, green, amber, red",
                "STIX 2.1 §7.2.1.4",
            )
    elif type(kind) is str and kind not in ("statement", "tlp"):
        say("marking-unknown-type", ("definition_type",), kind, f"{shown(kind)} is not known")


def _language(x: Object, say: Say) -> None:
    contents = x.get("contents")
    if type(contents) is not dict:
        return
    for lang in sorted(contents):
        if not _LANGUAGE.fullmatch(lang):
            say("language-code", ("contents", lang), lang, f"{shown(lang)} is no language code")
        if type(contents[lang]) is not dict:
            say(
                "property-type",
                ("contents", lang),
                contents[lang],
                "the texts in one language are an object of property names",
                "STIX 2.1 §7.1",
            )


def _extension_definition(x: Object, say: Say) -> None:
    kinds = x.get("extension_types")
    top = type(kinds) is list and "toplevel-property-extension" in kinds
    names = x.get("extension_properties")
    if names is not None and not top:
        say(
            "one-of",
            ("extension_properties",),
            None,
            "only a toplevel-property-extension names properties",
            "STIX 2.1 §7.3.1",
        )
    for n, name in enumerate(names if type(names) is list else ()):
        if type(name) is str and name in COMMON_NAMES:
            say(
                "extension-core-name",
                ("extension_properties", n),
                name,
                f"{name} is a property of STIX itself",
            )


# --- observables ------------------------------------------------------------------------------


def _artifact(x: Object, say: Say) -> None:
    clause = "STIX 2.1 §6.1"
    if ("payload_bin" in x) == ("url" in x):
        say("one-of", (), None, "an artifact needs one of payload_bin and url, not both", clause)
    if "url" in x and "hashes" not in x:
        say("one-of", ("hashes",), None, "an artifact at a url needs its hashes", clause)
    if "decryption_key" in x and "encryption_algorithm" not in x:
        say("one-of", ("decryption_key",), None, "a key needs encryption_algorithm", clause)
    _mime(x, say)
    if type(url := x.get("url")) is str and not _URL.fullmatch(url):
        say("value-form", ("url",), url, f"{shown(url)} is no URL (RFC 3986)", clause)


def _mime(x: Object, say: Say) -> None:
    mime = x.get("mime_type")
    if type(mime) is str and not _MIME.fullmatch(mime):
        say("value-form", ("mime_type",), mime, f"{shown(mime)} is no media type (RFC 6838)")


def _address(kind: str) -> Rule:
    def rule(x: Object, say: Say) -> None:
        value = x.get("value")
        if type(value) is not str:
            return
        form = "cidr" if "/" in value and kind in ("ipv4", "ipv6") else kind
        try:
            normalise(form, value)
        except IndicatorError as wrong:
            say("value-form", ("value",), value, wrong.message)
            return
        if _MAYBE_DEFANGED.search(value) and refang(value)[0] != value:
            say("value-form", ("value",), value, f"{shown(value)} is defanged; write it plainly")
        elif kind in ("ipv4", "ipv6") and (":" in value) != (kind == "ipv6"):
            say("value-form", ("value",), value, f"{shown(value)} is no {kind} address")

    return rule


def _mac(x: Object, say: Say) -> None:
    value = x.get("value")
    if type(value) is str and not _MAC.fullmatch(value):
        say(
            "value-form",
            ("value",),
            value,
            f"{shown(value)} is not six pairs of lower-case hex digits with colons between",
            "STIX 2.1 §6.10",
        )


def _email(x: Object, say: Say) -> None:
    clause = "STIX 2.1 §6.6"
    multipart = x.get("is_multipart")
    if multipart is True and "body" in x:
        say("one-of", ("body",), None, "a multipart message has body_multipart, no body", clause)
    if multipart is False and "body_multipart" in x:
        say("one-of", ("body_multipart",), None, "only a multipart message has it", clause)


def _mime_part(part: Object, path: Path, say: Say) -> None:
    if ("body" in part) == ("body_raw_ref" in part):
        say("one-of", path, None, "a part has one of body and body_raw_ref", "STIX 2.1 §6.6.2")


def _registry_value(value: Object, path: Path, say: Say) -> None:
    one_at_least(value, "windows-registry-value-type", path, say)


def _traffic(x: Object, say: Say) -> None:
    if x.get("is_active") is True and "end" in x:
        say("one-of", ("end",), x["end"], "what is still active has no end", "STIX 2.1 §6.12")


def _software(x: Object, say: Say) -> None:
    cpe = x.get("cpe")
    if type(cpe) is str and not _CPE.fullmatch(cpe):
        say("value-form", ("cpe",), cpe, f"{shown(cpe)} is no CPE 2.3 name", "STIX 2.1 §6.14")


def _v3_extensions(x: Object, say: Say) -> None:
    inner = x.get("x509_v3_extensions")
    if type(inner) is dict:
        one_at_least(inner, "x509-v3-extensions-type", ("x509_v3_extensions",), say)


def derived_id(x: Object, say: Say) -> None:
    """Say it if an observable's id does not follow from its properties (§2.9)."""
    kind, id = x["type"], x["id"]
    version = id[-22]
    contributing = CONTRIBUTING.get(kind)
    if contributing is None:
        if version != "4":
            say("id-process", ("id",), id, f"the UUID is of version {version}")
        return
    try:
        wanted = sco_id(kind, x)
    except BundleError:
        if version != "4":
            words = ", ".join(contributing)
            say("id-no-contributors", ("id",), id, f"it has none of {words}, and no UUIDv4")
        return
    if wanted != id.lower():
        say("id-not-derived", ("id",), id, f"its properties give {wanted}")


RULES: dict[str, tuple[Rule, ...]] = {
    "campaign": (_ordered("campaign"),),
    "indicator": (_ordered("indicator"),),
    "infrastructure": (_ordered("infrastructure"),),
    "intrusion-set": (_ordered("intrusion-set"),),
    "location": (_location,),
    "malware": (_ordered("malware"), _malware),
    "malware-analysis": (_one_at_least("malware-analysis"),),
    "observed-data": (_ordered("observed-data"), _observed),
    "relationship": (_ordered("relationship"),),
    "sighting": (_ordered("sighting"),),
    "threat-actor": (_ordered("threat-actor"),),
    "language-content": (_language,),
    "marking-definition": (_marking,),
    "extension-definition": (_extension_definition,),
    "artifact": (_artifact,),
    "domain-name": (_address("domain"),),
    "email-addr": (_address("email"),),
    "email-message": (_email, _each("body_multipart", _mime_part)),
    "file": (_one_at_least("file"), _mime),
    "ipv4-addr": (_address("ipv4"),),
    "ipv6-addr": (_address("ipv6"),),
    "mac-addr": (_mac,),
    "network-traffic": (
        _one_at_least("network-traffic"),
        _ordered("network-traffic"),
        _traffic,
    ),
    "process": (_one_at_least("process"),),
    "software": (_software,),
    "url": (_address("url"),),
    "user-account": (_one_at_least("user-account"),),
    "windows-registry-key": (
        _one_at_least("windows-registry-key"),
        _each("values", _registry_value),
    ),
    "x509-certificate": (_one_at_least("x509-certificate"), _v3_extensions),
}
"""The rules of each type, all of which are cheap on an object that keeps them."""


# --- what any object may carry ----------------------------------------------------------------


def check_references(x: Object, say: Say) -> None:
    """External references: one of three properties is there, and a url is one (§2.5)."""
    refs = x.get("external_references")
    for n, one in enumerate(refs if type(refs) is list else ()):
        if type(one) is dict:
            one_at_least(one, "external-reference", ("external_references", n), say)
            url = one.get("url")
            if type(url) is str and not _URL.fullmatch(url):
                where = ("external_references", n, "url")
                say("value-form", where, url, f"{shown(url)} is no URL (RFC 3986)", "STIX 2.1 §2.5")


_EXTENSION_ID = re.compile(
    r"extension-definition--[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I
)
_CUSTOM_EXTENSION = re.compile(r"[a-z0-9-]{1,246}-ext")


def check_extensions(x: Object, say: Say) -> list[str]:
    """Judge an object's extensions; gives the ids of the definitions they point to (§3.2, §7.3)."""
    used: list[str] = []
    extensions = x.get("extensions")
    if type(extensions) is not dict:
        return used
    for key in sorted(extensions):
        body, path = extensions[key], ("extensions", key)
        if type(body) is not dict:
            say("property-type", path, body, "an extension is an object", "STIX 2.1 §3.2")
        elif key in EXTENSIONS:
            _predefined(x, key, body, path, say)
        elif _EXTENSION_ID.fullmatch(key):
            used.append(key)
            _defined(body, path, say)
        elif _CUSTOM_EXTENSION.fullmatch(key):
            near = nearest(key, EXTENSIONS)
            hint = f"; perhaps {near}?" if near else ""
            say("extension-custom-key", path, key, f"{shown(key)} is a name of one's own{hint}")
        else:
            say("extension-key", path, key, f"{shown(key)} is no id of an extension-definition")
    return used


def _predefined(x: Object, key: str, body: Object, path: Path, say: Say) -> None:
    home = EXTENSIONS[key][0]
    if x.get("type") != home:
        say("extension-place", path, key, f"{key} belongs to a {home}")
    check_shape(body, EXTENSION_SHAPES[key], path, say)
    if key in ONE_AT_LEAST:
        one_at_least(body, key, path, say)
    if key == "windows-pebinary-ext" and type(body.get("optional_header")) is dict:
        inner = (*path, "optional_header")
        one_at_least(body["optional_header"], "windows-pe-optional-header-type", inner, say)


_CORE = ("type", "id", "spec_version", "created_by_ref", "created", "modified", "revoked")


def _defined(body: Object, path: Path, say: Say) -> None:
    kind = body.get("extension_type")
    if type(kind) is not str or kind not in TERM_SETS["extension-type-enum"]:
        near = nearest(kind, TERMS["extension-type-enum"]) if type(kind) is str else None
        words = f"perhaps {near}?" if near else "one of: " + ", ".join(TERMS["extension-type-enum"])
        said = "is missing" if kind is None else f"is {shown(kind)}"
        say("extension-type", (*path, "extension_type"), kind, f"extension_type {said}; {words}")
    for name in _CORE if kind == "property-extension" else ():
        if name in body:
            say("extension-core-name", (*path, name), name, f"{name} is the object's own property")


_STEP = re.compile(r"\[([0-9]{1,9})\]|[A-Za-z0-9_-]{1,250}")


def check_granular(x: Object, say: Say) -> None:
    """Granular markings: one target each, and selectors that select something (§7.2.3)."""
    markings = x.get("granular_markings")
    for n, one in enumerate(markings if type(markings) is list else ()):
        if type(one) is not dict:
            continue  # said already
        if ("marking_ref" in one) == ("lang" in one):
            said = "both" if "lang" in one else "neither"
            path = ("granular_markings", n)
            say("granular-target", path, None, f"it has {said} of marking_ref and lang")
        if one.get("marking_ref") == x.get("id") and "marking_ref" in one:
            where = ("granular_markings", n, "marking_ref")
            say("marking-circular", where, one["marking_ref"], "it marks a part of itself")
        selectors = one.get("selectors")
        for m, selector in enumerate(selectors if type(selectors) is list else ()):
            if type(selector) is str:
                _select(x, selector, ("granular_markings", n, "selectors", m), say)


def _select(x: Object, selector: str, path: Path, say: Say) -> None:
    at: Any = x
    for depth, step in enumerate(selector[:4096].split(".")):
        found = _STEP.fullmatch(step)
        if found is None or (depth == 0 and found[1] is not None):
            say("selector-form", path, selector, f"{shown(selector)} is no selector")
            return
        if found[1] is not None and type(at) is list and int(found[1]) < len(at):
            at = at[int(found[1])]
        elif found[1] is None and type(at) is dict and step in at:
            at = at[step]
        else:
            say("selector-missing", path, selector, f"the object has no {shown(selector)[1:-1]}")
            return
