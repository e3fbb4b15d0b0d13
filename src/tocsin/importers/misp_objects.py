"""A MISP object of a template we know, as cyber-observables.

The table `misp_objects.json` names the property of every relation. What a relation holds that the
property cannot is said, and left in the original.

Spec: MISP objects (draft-dulaunoy-misp-object-template-format); STIX 2.1 §6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import resources
from typing import Any

import orjson
from msgspec import Struct

from tocsin.errors import BundleError, IndicatorError
from tocsin.importers.misp_fields import flag, instant, whole
from tocsin.importers.misp_observables import (
    NoPlaceError,
    Observed,
    address,
    checked_hash,
    payload,
    put,
)
from tocsin.stix.model import instant as stix_instant
from tocsin.stix.values import normalise, refang


class Part(Struct, frozen=True, kw_only=True):
    """One attribute of an object."""

    relation: str
    value: str
    data: str | None
    pointer: str


Lose = Callable[[str, str, str], None]
"""Called with the pointer, the value and why it has no place."""


@lru_cache(maxsize=1)
def templates() -> dict[str, dict[str, Any]]:
    """The table of object templates."""
    raw = resources.files("tocsin.importers").joinpath("misp_objects.json").read_bytes()
    found: dict[str, dict[str, Any]] = orjson.loads(raw)["templates"]
    return found


def compose(name: str, parts: Iterable[Part], uuid: str, lose: Lose) -> Observed:
    """The observables of an object, what it is about first.

    Args:
        name: of a template in the table that has `fields`.
        uuid: the object's own, for an observable whose id follows from nothing it says.
        lose: told of every part that found no place.

    Raises:
        NoPlaceError: nothing of it is left that STIX could say.
    """
    template = templates()[name]
    making = _Making(template, lose)
    for part in parts:
        try:
            making.take(part)
        except (NoPlaceError, IndicatorError) as wrong:
            lose(part.pointer, part.value, getattr(wrong, "message", None) or str(wrong))
    return making.finish(uuid)


class _Making:
    """One object while its parts come in."""

    def __init__(self, template: dict[str, Any], lose: Lose) -> None:
        self._kind: str = template["type"]
        self._fields: dict[str, str] = template["fields"]
        self._also: dict[str, Any] = template.get("also", {})
        self._lose = lose
        self.props: dict[str, Any] = {}
        self.others = Observed(known={})
        self._value: dict[str, Any] = {}

    def take(self, part: Part) -> None:
        """Put a part where it belongs. Raises NoPlaceError, IndicatorError."""
        rule = self._fields.get(part.relation)
        if rule is None:
            raise NoPlaceError(f"STIX has no place for {part.relation} of a {self._kind}")
        if rule.startswith(":"):
            _SPECIAL[rule](self, part)
            return
        name, _, how = rule.partition(":")
        if name == "hashes":
            self._once("hashes", {how: checked_hash(how, part.value)}, part)
            return
        value = _typed(how, part.value)
        if how == "list":
            self.props.setdefault(name, []).append(value)
        else:
            if self._kind in ("domain-name", "url") and name == "value":
                value = refang(str(value))[0]
                normalise("domain" if self._kind == "domain-name" else "url", value)
            self._once(name, value, part)

    def _once(self, name: str, value: Any, part: Part) -> None:
        """A property has one value; a second one is said to be lost, the first stays."""
        held = self.props.get(name)
        if isinstance(value, dict):
            held = self.props.setdefault(name, {})
            for key, inner in value.items():
                if held.setdefault(key, inner) != inner:
                    raise NoPlaceError(f"a second {key}, and one observable has one")
        elif self.props.setdefault(name, value) != value:
            raise NoPlaceError(f"a second {part.relation}, and one observable has one")

    def other(self, kind: str, props: dict[str, Any]) -> str:
        """An observable beside it."""
        return put(self.others, kind, props)

    def finish(self, uuid: str) -> Observed:
        """All of it. Raises NoPlaceError if nothing is left."""
        if self._value:
            self.props["values"] = [self._value]
        if self._kind == "network-traffic":
            if not {"src_ref", "dst_ref"} & self.props.keys():
                raise NoPlaceError("network traffic needs an end that is known")
            self.props["protocols"] = list(
                dict.fromkeys(p.lower() for p in self.props.get("protocols", ()))
            ) or [
                # STIX requires one; of an address its version is all that is known.
                "ipv6" if "ipv6-addr" in str(self.props) else "ipv4"
            ]
        if not self.props:
            raise NoPlaceError(f"nothing of it is left that a {self._kind} could say")
        props = {**self._also, **self.props}
        if missing := [n for n in _REQUIRED.get(self._kind, ()) if n not in props]:
            raise NoPlaceError(f"a {self._kind} needs {', '.join(missing)}")
        made = Observed(known={})
        if self._kind == "process":
            made.scos[f"process--{uuid}"] = {"type": "process", **props}
        else:
            put(made, self._kind, props)
        made.scos.update(self.others.scos)
        return made


_REQUIRED: dict[str, tuple[str, ...]] = {
    "autonomous-system": ("number",),
    "directory": ("path",),
    "domain-name": ("value",),
    "mutex": ("name",),
    "software": ("name",),
    "url": ("value",),
}


def _typed(how: str, value: str) -> Any:
    if how == "int":
        number = whole(value)
        if number is None or number < 0:
            raise NoPlaceError(f"{value[:40]!r} is no number")
        return number
    if how == "time":
        time = instant(value)
        if time is None:
            raise NoPlaceError(f"{value[:40]!r} is no time")
        try:
            return stix_instant(time)
        except BundleError as wrong:
            raise NoPlaceError(wrong.message) from wrong
    if how == "bool":
        return flag(value)
    if how == "asn":
        return int(normalise("asn", value).removeprefix("AS"))
    return value


def _path(making: _Making, part: Part) -> None:
    slash = "\\" if "\\" in part.value else "/"
    folder, _, name = part.value.rpartition(slash)
    if not folder or not name:
        raise NoPlaceError(f"{part.value[:60]!r} is no path of a file")
    making._once("parent_directory_ref", making.other("directory", {"path": folder}), part)
    making.props.setdefault("name", name)


def _directory(making: _Making, part: Part) -> None:
    making._once("parent_directory_ref", making.other("directory", {"path": part.value}), part)


def _sample(making: _Making, part: Part) -> None:
    name, bar, digest = part.value.rpartition("|")
    if bar:
        making._once("hashes", {"MD5": checked_hash("MD5", digest)}, part)
        making.props.setdefault("name", name)
    if part.data:
        held = payload(part.data, name, zipped=True)
        making._once("content_ref", making.other("artifact", held), part)


def _attachment(making: _Making, part: Part) -> None:
    if not part.data:
        raise NoPlaceError("an attachment without its data")
    held = payload(part.data, part.value, zipped=False)
    making._once("content_ref", making.other("artifact", held), part)


def _end(side: str) -> Callable[[_Making, Part], None]:
    def take(making: _Making, part: Part) -> None:
        if "host" in part.relation or part.relation == "domain":
            name = refang(part.value)[0]
            normalise("domain", name)
            kind, value = "domain-name", name
        else:
            kind, value = address(part.value)
        held = making.props.get(f"{side}_ref", "")
        if held.startswith("domain-name--") and kind != "domain-name":
            # One end has one reference: an address is what was connected to, a name how.
            making.props.pop(f"{side}_ref")
            making._once(f"{side}_ref", making.other(kind, {"value": value}), part)
            raise NoPlaceError("the name stands beside the address: an end has one reference")
        made = making.other(kind, {"value": value})
        making._once(f"{side}_ref", made, part)

    return take


def _resolves(making: _Making, part: Part) -> None:
    kind, value = address(part.value)
    making.props.setdefault("resolves_to_refs", []).append(making.other(kind, {"value": value}))


def _alias(making: _Making, part: Part) -> None:
    value = refang(part.value)[0]
    normalise("domain", value)
    if making.props.setdefault("value", value) != value:
        making.other("domain-name", {"value": value})


def _mail(field: str, *, many: bool) -> Callable[[_Making, Part], None]:
    def take(making: _Making, part: Part) -> None:
        value = refang(part.value)[0]
        normalise("email", value)
        ref = making.other("email-addr", {"value": value})
        if many:
            making.props.setdefault(field, []).append(ref)
        else:
            making._once(field, ref, part)

    return take


def _registry(field: str) -> Callable[[_Making, Part], None]:
    def take(making: _Making, part: Part) -> None:
        if making._value.setdefault(field, part.value) != part.value:
            raise NoPlaceError(f"a second {part.relation}")

    return take


def _image(making: _Making, part: Part) -> None:
    name = part.value.rpartition("\\" if "\\" in part.value else "/")[2]
    making._once("image_ref", making.other("file", {"name": name or part.value}), part)


_SPECIAL: dict[str, Callable[[_Making, Part], None]] = {
    ":path": _path,
    ":directory": _directory,
    ":sample": _sample,
    ":attachment": _attachment,
    ":src": _end("src"),
    ":dst": _end("dst"),
    ":resolves": _resolves,
    ":alias": _alias,
    ":from": _mail("from_ref", many=False),
    ":to": _mail("to_refs", many=True),
    ":cc": _mail("cc_refs", many=True),
    ":bcc": _mail("bcc_refs", many=True),
    ":value-name": _registry("name"),
    ":value-data": _registry("data"),
    ":value-type": _registry("data_type"),
    ":image": _image,
}
