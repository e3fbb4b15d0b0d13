"""Typed views of the STIX types that some rule of ours reads, and the one way to write STIX.

A view is read from an object's own bytes and never written back: what it does not name is still in
`Received.raw`. Only what STIX 2.0 and 2.1 have in common is required.

Spec: STIX 2.1 §3 to §7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Protocol

import msgspec
import orjson
from msgspec import Meta, Struct

from tocsin.errors import BundleError

Instant = Annotated[datetime, Meta(tz=True)]
Text = tuple[str, ...]


class ExternalReference(Struct, frozen=True, kw_only=True):
    """Where something outside STIX stands (§2.5)."""

    source_name: str
    description: str | None = None
    url: str | None = None
    hashes: dict[str, str] | None = None
    external_id: str | None = None


class KillChainPhase(Struct, frozen=True, kw_only=True):
    """A phase in somebody's kill chain (§2.11)."""

    kill_chain_name: str
    phase_name: str


class Common(Struct, frozen=True, kw_only=True):
    """What every object may have (§3.2)."""

    type: str
    id: str
    spec_version: str | None = None
    created_by_ref: str | None = None
    labels: Text = ()
    confidence: int | None = None
    lang: str | None = None
    revoked: bool = False
    external_references: tuple[ExternalReference, ...] = ()
    object_marking_refs: Text = ()
    extensions: dict[str, dict[str, Any]] = {}


class Domain(Common, frozen=True, kw_only=True):
    """What every SDO and SRO has."""

    created: Instant
    modified: Instant


class Named(Domain, frozen=True, kw_only=True):
    """An SDO with a name."""

    name: str
    description: str | None = None


class Identity(Named, frozen=True, kw_only=True):
    """A person, organisation or system (§4.5)."""

    identity_class: str | None = None
    sectors: Text = ()
    roles: Text = ()
    contact_information: str | None = None


class Indicator(Domain, frozen=True, kw_only=True):
    """A pattern that speaks of something malicious or noteworthy (§4.7)."""

    pattern: str
    pattern_type: str = "stix"
    valid_from: Instant
    valid_until: Instant | None = None
    name: str | None = None
    description: str | None = None
    indicator_types: Text = ()
    kill_chain_phases: tuple[KillChainPhase, ...] = ()


class ObservedData(Domain, frozen=True, kw_only=True):
    """What was seen, how often, between when and when (§4.14)."""

    first_observed: Instant
    last_observed: Instant
    number_observed: int
    object_refs: Text = ()
    objects: msgspec.Raw = msgspec.Raw()
    """STIX 2.0's embedded objects, left alone."""


class Sighting(Domain, frozen=True, kw_only=True):
    """Somebody's word that something was seen (§5.2)."""

    sighting_of_ref: str
    first_seen: Instant | None = None
    last_seen: Instant | None = None
    count: int | None = None
    observed_data_refs: Text = ()
    where_sighted_refs: Text = ()
    summary: bool = False
    description: str | None = None


class Note(Domain, frozen=True, kw_only=True):
    """Text about objects (§4.13); with our extension a claim or a standing."""

    content: str
    object_refs: Text
    abstract: str | None = None
    authors: Text = ()


class Grouping(Domain, frozen=True, kw_only=True):
    """Objects that belong together (§4.4); with our extension evidence."""

    context: str
    object_refs: Text
    name: str | None = None
    description: str | None = None


class Opinion(Domain, frozen=True, kw_only=True):
    """What somebody thinks of objects (§4.15); with our extension a challenge."""

    opinion: str
    object_refs: Text
    explanation: str | None = None
    authors: Text = ()


class Report(Named, frozen=True, kw_only=True):
    """Objects published together (§4.16)."""

    published: Instant
    object_refs: Text
    report_types: Text = ()


class Relationship(Domain, frozen=True, kw_only=True):
    """One thing said of two objects (§5.1)."""

    relationship_type: str
    source_ref: str
    target_ref: str
    description: str | None = None
    start_time: Instant | None = None
    stop_time: Instant | None = None


class MarkingDefinition(Common, frozen=True, kw_only=True):
    """Who may read, or a statement (§7.2.1). It has no `modified`."""

    created: Instant
    name: str | None = None
    definition_type: str | None = None
    definition: dict[str, Any] | None = None


class ExtensionDefinition(Named, frozen=True, kw_only=True):
    """What an extension adds (§7.3)."""

    schema: str
    version: str
    extension_types: Text


class Malware(Domain, frozen=True, kw_only=True):
    """Code that does harm, or a family of it (§4.11)."""

    name: str | None = None
    is_family: bool | None = None
    description: str | None = None
    malware_types: Text = ()
    aliases: Text = ()
    kill_chain_phases: tuple[KillChainPhase, ...] = ()


class Tool(Named, frozen=True, kw_only=True):
    """Lawful software that an attacker uses (§4.18)."""

    tool_types: Text = ()
    aliases: Text = ()
    tool_version: str | None = None


class AttackPattern(Named, frozen=True, kw_only=True):
    """A way in which attackers try to compromise targets (§4.1)."""

    aliases: Text = ()
    kill_chain_phases: tuple[KillChainPhase, ...] = ()


class Actor(Named, frozen=True, kw_only=True):
    """An intrusion-set, threat-actor or campaign (§4.9, §4.17, §4.2): a name and its aliases."""

    aliases: Text = ()
    first_seen: Instant | None = None
    last_seen: Instant | None = None
    goals: Text = ()


class Infrastructure(Named, frozen=True, kw_only=True):
    """Systems and services that serve a purpose together (§4.8)."""

    infrastructure_types: Text = ()
    aliases: Text = ()


class Location(Domain, frozen=True, kw_only=True):
    """A place: a region, a country, or both coordinates (§4.10)."""

    name: str | None = None
    region: str | None = None
    country: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class Plain(Named, frozen=True, kw_only=True):
    """A vulnerability, course-of-action or incident: a name and a description."""


class Observable(Common, frozen=True, kw_only=True):
    """A cyber-observable: the fields that a sweep column or an id rule reads (§6)."""

    value: str | None = None
    name: str | None = None
    path: str | None = None
    key: str | None = None
    number: int | None = None
    hashes: dict[str, str] | None = None
    src_ref: str | None = None
    dst_ref: str | None = None
    src_port: int | None = None
    dst_port: int | None = None
    protocols: Text = ()
    user_id: str | None = None
    account_login: str | None = None
    account_type: str | None = None
    from_ref: str | None = None
    subject: str | None = None
    command_line: str | None = None
    serial_number: str | None = None
    defanged: bool = False


VIEWS: dict[str, type[Common]] = {
    "identity": Identity,
    "indicator": Indicator,
    "observed-data": ObservedData,
    "sighting": Sighting,
    "note": Note,
    "grouping": Grouping,
    "opinion": Opinion,
    "report": Report,
    "relationship": Relationship,
    "marking-definition": MarkingDefinition,
    "extension-definition": ExtensionDefinition,
    "malware": Malware,
    "tool": Tool,
    "attack-pattern": AttackPattern,
    "intrusion-set": Actor,
    "threat-actor": Actor,
    "campaign": Actor,
    "infrastructure": Infrastructure,
    "location": Location,
    "vulnerability": Plain,
    "course-of-action": Plain,
    "incident": Plain,
    **dict.fromkeys(
        (
            "artifact",
            "autonomous-system",
            "directory",
            "domain-name",
            "email-addr",
            "email-message",
            "file",
            "ipv4-addr",
            "ipv6-addr",
            "mac-addr",
            "mutex",
            "network-traffic",
            "process",
            "software",
            "url",
            "user-account",
            "windows-registry-key",
            "x509-certificate",
        ),
        Observable,
    ),
}
SCO_TYPES = frozenset(kind for kind, view in VIEWS.items() if view is Observable)

_DECODERS = {kind: msgspec.json.Decoder(view) for kind, view in VIEWS.items()}


class HasBytes(Protocol):
    """A `Received`, or what a store gives back."""

    @property
    def raw(self) -> bytes: ...
    @property
    def id(self) -> str: ...
    @property
    def type(self) -> str: ...


def view(received: HasBytes) -> Common | None:
    """The typed view of an object, None for a type that no rule of ours reads.

    Raises:
        BundleError: a property is missing or of the wrong kind; the message names it.
    """
    decoder = _DECODERS.get(received.type)
    if decoder is None:
        return None
    try:
        return decoder.decode(received.raw)
    except msgspec.DecodeError as wrong:
        raise BundleError(
            f"{received.id}: {wrong}", remedy=f"see the properties of {received.type} in STIX 2.1"
        ) from wrong


# --- writing ----------------------------------------------------------------------------------

_ID = re.compile(
    r"[a-z0-9-]{1,250}--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)
_TIMES = frozenset(
    name
    for kind in VIEWS.values()
    for name, field in kind.__annotations__.items()
    if "Instant" in str(field)
) | {"published", "created", "modified"}

_REQUIRED: dict[str, tuple[str, ...]] = {
    "indicator": ("pattern_type",),
    "malware": ("is_family",),
    "observed-data": ("object_refs",),
}
"""What 2.1 requires beyond 2.0, and a view therefore cannot."""


def instant(time: datetime | str) -> str:
    """A time as STIX writes `created`: UTC, three digits of a second, `Z`.

    Raises:
        BundleError: text that is no RFC 3339 time in UTC, or a time without a zone.
    """
    try:
        when = time if isinstance(time, datetime) else msgspec.convert(time, Instant)
    except msgspec.ValidationError as wrong:
        raise BundleError(
            f"{time!r} is no time: {wrong}", remedy="write it as 2026-01-31T23:59:59.000Z"
        ) from wrong
    if when.tzinfo is None:
        raise BundleError(f"{when} has no time zone", remedy="give it in UTC")
    return _in_utc(when)


@lru_cache(maxsize=1_024)
def _in_utc(when: datetime) -> str:
    """Cached: the objects of one file mostly share their times, and then the text too."""
    # Not strftime: it writes the year 33 as "33".
    return when.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def make(
    type: str,
    *,
    id: str,
    created: datetime | str | None = None,
    modified: datetime | str | None = None,
    created_by_ref: str | None = None,
    **props: Any,
) -> bytes:
    """One strict STIX 2.1 object, as compact JSON.

    None and empty lists are left out, as STIX asks. Times may be aware datetimes. The same
    arguments give the same bytes.

    Args:
        created: required of everything but a cyber-observable.
        modified: default `created`. A marking definition has none.

    Raises:
        BundleError: the id is not of this type; a property that STIX 2.1 requires is missing or
            of the wrong kind; a value that JSON has not got.

    Spec: STIX 2.1 §3.2.
    """
    if not _ID.fullmatch(id) or id[:-38] != type:
        raise BundleError(
            f"{id!r} is no id of a {type}", remedy=f"use {type}-- and an RFC 4122 UUID"
        )
    written: dict[str, Any] = {"type": type, "spec_version": "2.1", "id": id}
    if created_by_ref is not None:
        written["created_by_ref"] = created_by_ref
    if type not in SCO_TYPES:
        if created is None:
            raise BundleError(f"{id} has no created", remedy="say when it was created")
        written["created"] = instant(created)
        if type != "marking-definition":
            written["modified"] = instant(created if modified is None else modified)
            if written["modified"] < written["created"]:
                raise BundleError(
                    f"{id} is modified {written['modified']}, before it was created "
                    f"{written['created']}",
                    remedy="let modified be created or later",
                )
    for name, value in props.items():
        if value is None or (isinstance(value, list | tuple) and not value):
            continue
        written[name] = instant(value) if name in _TIMES else value
    for name in _REQUIRED.get(type, ()):
        if name not in written:
            raise BundleError(f"{id} has no {name}", remedy=f"STIX 2.1 requires it of {type}")
    return _strict(type, id, written)


def _strict(type: str, id: str, written: Mapping[str, Any]) -> bytes:
    try:
        # A copy: what orjson gives keeps a buffer of kilobytes for as long as it lives.
        raw = bytes(memoryview(orjson.dumps(written, option=orjson.OPT_STRICT_INTEGER)))
    except TypeError as wrong:
        raise BundleError(
            f"{id} cannot be written: {wrong}", remedy="use JSON values only"
        ) from wrong
    decoder = _DECODERS.get(type)
    try:
        if decoder is not None:
            decoder.decode(raw)
    except msgspec.DecodeError as wrong:
        raise BundleError(
            f"{id}: {wrong}", remedy=f"see the properties of {type} in STIX 2.1"
        ) from wrong
    return raw
