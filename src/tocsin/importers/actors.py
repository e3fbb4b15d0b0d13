"""Files that say who is called what: clusters of a MISP galaxy, and groups in STIX such as ATT&CK.

What is read is the file's word: the source and its version are the speaker of every name, and its
fields (`country`, `attribution-confidence`) stay its fields. What cannot be read is listed.
Format: github.com/MISP/misp-galaxy, schema_clusters.json; STIX 2.1 §4.2, §4.9, §4.17.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.errors import BundleError, ReportError, ReportSizeError
from tocsin.importers.interface import Loss, lose
from tocsin.relate.names import (
    ACTOR_TYPES,
    MAX_NAME,
    Record,
    Speaker,
    aliases_of,
    is_name,
    record_of,
)
from tocsin.stix.bundle import open_bundle

MAX_BYTES = 128 * 1024 * 1024
"""ATT&CK Enterprise has some 45 MB."""
MAX_CLUSTERS = 50_000
WORDS = (
    "country",
    "attribution-confidence",
    "cfr-suspected-state-sponsor",
    "microsoft-origin-threat",
    "threat-actor-classification",
    "cfr-type-of-incident",
    "motive",
    "since",
)
"""The fields of a cluster's `meta` that are shown, as the source's words."""
MAX_WORDS = 200


class ActorFile(Struct, frozen=True, kw_only=True):
    """What one file says. `objects` are its STIX objects, () for a galaxy."""

    records: tuple[Record, ...]
    objects: tuple[Mapping[str, Any], ...] = ()
    losses: tuple[Loss, ...] = ()


class _Galaxy(Struct, frozen=True):
    values: list[Any]
    name: str = ""
    type: str = ""
    version: Any = ""


def read_actors(raw: bytes, name: str) -> ActorFile:
    """Read a cluster file of a MISP galaxy, or STIX, called `name`.

    Raises:
        ReportSizeError: more than `MAX_BYTES` or `MAX_CLUSTERS`.
        ReportError: neither of the two.
        BundleError: STIX with broken framing.
    """
    if len(raw) > MAX_BYTES:
        raise ReportSizeError(
            f"{name}: {len(raw)} bytes, and a file of actors has at most {MAX_BYTES}",
            remedy="give the cluster file or the bundle of one domain",
        )
    try:
        galaxy = msgspec.json.decode(raw, type=_Galaxy)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _stix(raw, name)
    if len(galaxy.values) > MAX_CLUSTERS:
        raise ReportSizeError(
            f"{name}: {len(galaxy.values)} clusters, and we read at most {MAX_CLUSTERS}",
            remedy="split its values over several files",
        )
    return _clusters(galaxy, name)


def _clusters(galaxy: _Galaxy, name: str) -> ActorFile:
    version = galaxy.version if isinstance(galaxy.version, (str, int)) else ""
    title = galaxy.type or galaxy.name or name
    speaker = Speaker(f"MISP galaxy {title}"[:MAX_NAME], str(version)[:40])
    records: list[Record] = []
    losses: list[Loss] = []
    for n, value in enumerate(galaxy.values):
        pointer = f"/values/{n}"
        main = value.get("value") if isinstance(value, dict) else None
        if not is_name(main):
            lose(losses, "bad-object", "a cluster without a name that is one", pointer)
            continue
        meta = value.get("meta")
        meta = meta if isinstance(meta, dict) else {}
        coiners = _coiners(meta.get("name-attribution"))
        aliases, lost = aliases_of(main, meta.get("synonyms"), coiners)
        for kind, note in lost:
            lose(losses, kind, note, pointer)
        id = value.get("uuid")
        records.append(
            Record(
                id=id[:MAX_NAME] if isinstance(id, str) and id else pointer,
                speaker=speaker,
                name=main,
                aliases=aliases,
                words=_words(meta),
            )
        )
    return ActorFile(records=tuple(records), losses=tuple(losses))


def _coiners(given: Any) -> dict[str, str]:
    """Name → the producer it is attributed to: "NAME:UUID" in a galaxy's `name-attribution`."""
    found = {}
    for one in given if isinstance(given, list) else ():
        if isinstance(one, str) and len(one) <= 2 * MAX_NAME:
            name, sign, producer = one.rpartition(":")
            if sign and producer.strip():
                found[name] = f"producer {producer.strip()}"
    return found


def _words(meta: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    found = []
    for key in WORDS:
        value = meta.get(key)
        told: Sequence[Any] = value if isinstance(value, list) else (value,)
        text = ", ".join(str(one) for one in told[:20] if isinstance(one, (str, int)))
        if text:
            found.append((key, text[:MAX_WORDS]))
    return tuple(found)


def _stix(raw: bytes, name: str) -> ActorFile:
    try:
        received = open_bundle(raw)
    except BundleError as wrong:
        raise type(wrong)(
            f"{name}: {wrong.message}",
            remedy="give a cluster file of a MISP galaxy, or STIX 2.1",
            offset=wrong.offset,
        ) from wrong
    losses: list[Loss] = []
    objects: list[Mapping[str, Any]] = []
    for n, one in enumerate(received):
        if one.problem is None:
            objects.append(one.data)
        else:
            lose(losses, "bad-object", f"{one.id or 'no id'}: {one.problem}", f"/objects/{n}")
    authors = {
        str(o.get("id")): str(o["name"])[:MAX_NAME]
        for o in objects
        if o.get("type") == "identity" and isinstance(o.get("name"), str)
    }
    catalogue = next((o for o in objects if o.get("type") == "x-mitre-collection"), {})
    version = str(catalogue.get("x_mitre_version", ""))[:40]
    title = catalogue.get("name")
    records = []
    for data in objects:
        if data.get("revoked") is True or data.get("x_mitre_deprecated") is True:
            continue
        ref = str(data.get("created_by_ref", ""))
        author = authors.get(ref) or ref or name
        if isinstance(title, str):
            author = f"{author}, {title[:100]}"
        record = record_of(data, Speaker(author, version))
        if record is not None:
            records.append(record)
            for kind, note in aliases_of(record.name, data.get("aliases"))[1]:
                lose(losses, kind, note, record.id)
        elif data.get("type") in ACTOR_TYPES:
            note = f"{data['type']} {str(data.get('id'))[:60]}: without a name that is one"
            lose(losses, "bad-object", note, str(data.get("id"))[:MAX_NAME])
    if not objects:
        raise ReportError(
            f"{name}: no object in it that can be read",
            remedy="give a cluster file of a MISP galaxy, or STIX 2.1",
        )
    return ActorFile(records=tuple(records), objects=tuple(objects), losses=tuple(losses))
