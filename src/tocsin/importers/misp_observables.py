"""One MISP attribute's value as cyber-observables and as a pattern.

The table `misp_attributes.json` says which of the functions here reads a type. Values are written
as they came, once they have proven to be such a value; a defanged one is mended first.

Spec: STIX 2.1 §6 and §9; exchange.md §3.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

import orjson
from msgspec import Struct

from tocsin.errors import BundleError, IndicatorError
from tocsin.stix.ids import deterministic, sco_id
from tocsin.stix.values import mended, normalise

MAX_TEXT = 8_192
"""Characters of a value that becomes an observable; a longer one is a payload."""
MAX_PAYLOAD = 512 * 1024
"""Bytes of a sample that travels in an artifact: with its base64 it stays under what peers take."""


class NoPlaceError(Exception):
    """STIX has no place for this value; the message says why."""


class Observed(Struct, kw_only=True):
    """What one value, or one object of several, comes to."""

    known: dict[str, dict[str, Any]] = {}
    pattern: str | None = None
    one: tuple[str, dict[str, Any]] | None = None
    """The type and properties of the only one, until somebody asks for its id: most values become
    a pattern, and their observable is never written."""

    @property
    def scos(self) -> dict[str, dict[str, Any]]:
        """Properties by id, the first of which is what it is about."""
        if self.one is not None:
            (kind, props), self.one = self.one, None
            put(self, kind, props)
        return self.known


@lru_cache(maxsize=1)
def attribute_types() -> dict[str, dict[str, Any]]:
    """The table of attribute types."""
    found: dict[str, dict[str, Any]] = _table("misp_attributes.json")["types"]
    return found


@lru_cache(maxsize=1)
def galaxy_types() -> dict[str, str]:
    """The table of galaxies."""
    found: dict[str, str] = _table("misp_galaxies.json")["types"]
    return found


def _table(name: str) -> Any:
    return orjson.loads(resources.files("tocsin.importers").joinpath(name).read_bytes())


def observe(rule: Mapping[str, Any], value: str, data: str | None = None) -> Observed:
    """The observables of one value.

    Args:
        rule: the row of the attribute's type.
        value: as it came.
        data: base64 of a sample that came with it.

    Raises:
        NoPlaceError: it is no such value, or STIX has no observable for it.
    """
    if len(value) > MAX_TEXT:
        raise NoPlaceError(f"{len(value)} characters are no value that can be looked for")
    try:
        found = _FORMS[rule["form"]](rule, value)
        if rule.get("payload") and data:
            _add_payload(found, data, value)
    except IndicatorError as wrong:
        raise NoPlaceError(wrong.message) from wrong
    except BundleError as wrong:
        raise NoPlaceError(wrong.message) from wrong
    return found


def quoted(value: str) -> str:
    """A text as a literal of a pattern. Spec: STIX 2.1 §9.2."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def put(found: Observed, kind: str, props: dict[str, Any]) -> str:
    """Add an observable; its id follows from what it is."""
    try:
        id = sco_id(kind, props)
    except BundleError:
        # Nothing it says goes into an id of STIX's own: a message known by its Message-ID only.
        id = deterministic(kind, orjson.dumps(props, option=orjson.OPT_SORT_KEYS).decode())
    found.known[id] = {"type": kind, **props}
    return id


def address(value: str) -> tuple[str, str]:
    """The observable type of an address or a prefix, and the address mended.

    Raises:
        IndicatorError: it is none.
    """
    plain = mended(value).strip()
    six = ":" in plain
    if "/" in plain:
        normalise("cidr", plain)
    else:
        normalise("ipv6" if six else "ipv4", plain)
    return ("ipv6-addr" if six else "ipv4-addr"), plain


def hash_path(name: str) -> str:
    """The hash's property in a pattern: names with a hyphen or a slash are quoted."""
    return name if name.isalnum() else f"'{name}'"


_HASH_DIGITS = {
    "MD5": 32,
    "SHA-1": 40,
    "SHA-224": 56,
    "SHA-256": 64,
    "SHA-384": 96,
    "SHA-512": 128,
    "SHA-512/224": 56,
    "SHA-512/256": 64,
    "SHA3-224": 56,
    "SHA3-256": 64,
    "SHA3-384": 96,
    "SHA3-512": 128,
}


def checked_hash(name: str, value: str) -> str:
    """The hash without blanks.

    Raises:
        NoPlaceError: not hex of its length.
    """
    value = value.strip()
    digits = _HASH_DIGITS.get(name)
    if digits is not None and not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", value):
        raise NoPlaceError(f"{value[:60]!r} is not {digits} hex digits of a {name}")
    if not re.fullmatch(r"[!-~]{3,300}", value):
        raise NoPlaceError(f"{value[:60]!r} is no hash")
    return value


def port(value: str) -> int:
    """A port. Raises NoPlaceError."""
    if not re.fullmatch(r"[0-9]{1,5}", value.strip()) or int(value) > 65_535:
        raise NoPlaceError(f"{value[:20]!r} is no port")
    return int(value)


def _plain(rule: Mapping[str, Any], value: str) -> Observed:
    value = mended(value) if "kind" in rule else value
    if "kind" in rule:
        normalise(rule["kind"], value)
    kind, name = rule["type"], rule["property"]
    props = {name: value, **rule.get("also", {})}
    return Observed(known={}, pattern=f"[{kind}:{name} = {quoted(value)}]", one=(kind, props))


def _address(rule: Mapping[str, Any], value: str) -> Observed:
    kind, plain = address(value)
    operator = "ISSUBSET" if "/" in plain else "="
    pattern = f"[{kind}:value {operator} {quoted(plain)}]"
    return Observed(known={}, pattern=pattern, one=(kind, {"value": plain}))


def _hash(rule: Mapping[str, Any], value: str) -> Observed:
    name = rule["hash"]
    value = checked_hash(name, value)
    pattern = f"[file:hashes.{hash_path(name)} = {quoted(value)}]"
    return Observed(known={}, pattern=pattern, one=("file", {"hashes": {name: value}}))


def _named_hash(rule: Mapping[str, Any], value: str) -> Observed:
    name, bar, digest = value.rpartition("|")
    if not bar or not name:
        raise NoPlaceError(f"{value[:60]!r} is not a name, a bar and a hash")
    digest = checked_hash(rule["hash"], digest)
    path = hash_path(rule["hash"])
    found = Observed(
        known={},
        pattern=f"[file:name = {quoted(name)} AND file:hashes.{path} = {quoted(digest)}]",
    )
    put(found, "file", {"hashes": {rule["hash"]: digest}, "name": name})
    return found


def _certificate(rule: Mapping[str, Any], value: str) -> Observed:
    name = rule["hash"]
    value = checked_hash(name, value)
    path = f"x509-certificate:hashes.{hash_path(name)}"
    found = Observed(known={}, pattern=f"[{path} = {quoted(value)}]")
    put(found, "x509-certificate", {"hashes": {name: value}})
    return found


def _two(value: str) -> tuple[str, str]:
    first, bar, second = value.rpartition("|")
    if not bar or not first.strip() or not second.strip():
        raise NoPlaceError(f"{value[:60]!r} is not two values with a bar between them")
    return first.strip(), second.strip()


def _domain_address(rule: Mapping[str, Any], value: str) -> Observed:
    name, ip = _two(value)
    name = mended(name)
    normalise("domain", name)
    kind, plain = address(ip)
    found = Observed(
        known={},
        pattern=f"[domain-name:value = {quoted(name)} AND "
        f"domain-name:resolves_to_refs[*].value = {quoted(plain)}]",
    )
    target = sco_id(kind, {"value": plain})
    put(found, "domain-name", {"value": name, "resolves_to_refs": [target]})
    put(found, kind, {"value": plain})
    return found


def _address_port(rule: Mapping[str, Any], value: str) -> Observed:
    ip, number = _two(value)
    kind, plain = address(ip)
    side, to = rule["side"], port(number)
    ref = f"network-traffic:{side}_ref"
    found = Observed(
        known={},
        pattern=f"[{ref}.type = {quoted(kind)} AND {ref}.value = {quoted(plain)} AND "
        f"network-traffic:{side}_port = {to}]",
    )
    return _traffic(found, side, sco_id(kind, {"value": plain}), to, kind, plain)


def _host_port(rule: Mapping[str, Any], value: str) -> Observed:
    name, number = _two(value)
    name = mended(name)
    normalise("domain", name)
    to = port(number)
    found = Observed(
        known={},
        pattern=f"[network-traffic:dst_ref.type = 'domain-name' AND "
        f"network-traffic:dst_ref.value = {quoted(name)} AND network-traffic:dst_port = {to}]",
    )
    return _traffic(found, "dst", sco_id("domain-name", {"value": name}), to, "domain-name", name)


def _traffic(found: Observed, side: str, ref: str, number: int, kind: str, value: str) -> Observed:
    put(
        found,
        "network-traffic",
        # MISP does not say the protocol of a port; "tcp" is what others write here too.
        {f"{side}_ref": ref, f"{side}_port": number, "protocols": ["tcp"]},
    )
    put(found, kind, {"value": value})
    return found


def _autonomous_system(rule: Mapping[str, Any], value: str) -> Observed:
    number = int(normalise("asn", value).removeprefix("AS"))
    found = Observed(known={}, pattern=f"[autonomous-system:number = {number}]")
    put(found, "autonomous-system", {"number": number})
    return found


def _registry_key(rule: Mapping[str, Any], value: str) -> Observed:
    found = Observed(known={}, pattern=f"[windows-registry-key:key = {quoted(value)}]")
    put(found, "windows-registry-key", {"key": value})
    return found


def _registry_value(rule: Mapping[str, Any], value: str) -> Observed:
    key, data = _two(value)
    found = Observed(
        known={},
        pattern=f"[windows-registry-key:key = {quoted(key)} AND "
        f"windows-registry-key:values[*].data = {quoted(data)}]",
    )
    put(found, "windows-registry-key", {"key": key, "values": [{"data": data}]})
    return found


def _user_agent(rule: Mapping[str, Any], value: str) -> Observed:
    # No observable: network traffic needs an end that is known (STIX 2.1 §6.12.1).
    return Observed(
        known={},
        pattern="[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = "
        f"{quoted(value)}]",
    )


def _account(rule: Mapping[str, Any], value: str) -> Observed:
    kind = rule["account_type"]
    found = Observed(
        known={},
        pattern=f"[user-account:account_type = {quoted(kind)} AND "
        f"user-account:account_login = {quoted(value)}]",
    )
    put(found, "user-account", {"account_type": kind, "account_login": value})
    return found


def _none(rule: Mapping[str, Any], value: str) -> Observed:
    raise NoPlaceError(rule["why"])


_FORMS: dict[str, Callable[[Mapping[str, Any], str], Observed]] = {
    "plain": _plain,
    "address": _address,
    "hash": _hash,
    "named-hash": _named_hash,
    "certificate": _certificate,
    "domain-address": _domain_address,
    "address-port": _address_port,
    "host-port": _host_port,
    "autonomous-system": _autonomous_system,
    "registry-key": _registry_key,
    "registry-value": _registry_value,
    "user-agent": _user_agent,
    "account": _account,
    "none": _none,
}
OBSERVABLE_FORMS = frozenset(_FORMS)


def payload(data: str, name: str, *, zipped: bool) -> dict[str, Any]:
    """An artifact that holds a sample.

    Raises:
        NoPlaceError: it is no base64, or too large to travel in an object.
    """
    if len(data) > MAX_PAYLOAD * 4 // 3 + 4:
        raise NoPlaceError(f"a payload of {len(data)} characters stays in the original only")
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise NoPlaceError("its data is no base64") from wrong
    made: dict[str, Any] = {"payload_bin": data}
    if zipped:
        # How MISP keeps samples: in a ZIP with the password the field agreed on.
        made |= {
            "mime_type": "application/zip",
            "encryption_algorithm": "mime-type-indicated",
            "decryption_key": "infected",
        }
    return made


def _add_payload(found: Observed, data: str, value: str) -> None:
    main = next(iter(found.scos))
    zipped = "|" in value
    held = payload(data, value, zipped=zipped)
    found.scos[main]["content_ref"] = put(found, "artifact", held)
