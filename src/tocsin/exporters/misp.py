"""MISP out: events as JSON, and a static feed that any MISP subscribes to.

Each report or grouping is an event under its own UUID, and what belongs to none is one event more.
An indicator is an attribute under its own UUID; observed data is one, or an object. What MISP has
no place for is a loss.

Spec: MISP core format (draft-dulaunoy-misp-core-format) §2, §2.8 (manifest); exchange.md §3.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import Any, TypeAlias
from uuid import UUID, uuid5

import orjson

from tocsin.exporters.interface import Loss, Selection, Thing, Written, unquoted
from tocsin.policy import TLP_RANK, Tlp
from tocsin.stix.ids import TOCSIN_NAMESPACE
from tocsin.stix.needles import comparisons

_LABEL = re.compile(r'misp:([a-z_-]+)="(.*)"', re.DOTALL)
_LITERAL = re.compile(r"= '((?:[^'\\]|\\['\\])*)'|= ([0-9]+)\]")
_DISTRIBUTION: dict[Tlp, str] = {
    "CLEAR": "3",
    "GREEN": "1",
    "AMBER": "0",
    "AMBER+STRICT": "0",
    "RED": "0",
}
"""All communities, this community, this organisation. Named parties are a sharing group: 4."""
_INHERIT = "5"
Parties: TypeAlias = frozenset[str] | None
"""Who may have a thing, or None: its marking says it."""
_GALAXIES = {
    "threat-actor": ("threat-actor", "Threat Actor"),
    "intrusion-set": ("mitre-intrusion-set", "Intrusion Set"),
    "malware": ("malpedia", "Malpedia"),
    "tool": ("tool", "Tool"),
    "attack-pattern": ("mitre-attack-pattern", "Attack Pattern"),
    "course-of-action": ("mitre-course-of-action", "Course of Action"),
    "campaign": ("mitre-campaign", "Campaign"),
}
_COMPOSITE = re.compile(
    r"filename\|.+|domain\|ip|ip-(?:src|dst)\|port|hostname\|port|regkey\|value"
)
_CARRIERS = frozenset(("report", "grouping"))
_CONTENT = ("Attribute", "Object", "Galaxy", "EventReport")
_QUIET = frozenset(("identity", "marking-definition", "extension-definition", "relationship"))
"""Types that are told by what refers to them."""


@lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    raw = resources.files("tocsin.exporters").joinpath("misp_types.json").read_bytes()
    found: dict[str, Any] = orjson.loads(raw)
    return found


def write(selection: Selection) -> Written:
    """One event, or a list of events as a MISP gives it."""
    events, losses, count = _events(selection)
    body: Any = events[0] if len(events) == 1 else {"response": events}
    return Written(
        raw=orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n",
        media_type="application/json",
        suffix=".json",
        count=count,
        losses=losses,
    )


def write_feed(selection: Selection) -> Written:
    """A feed: `manifest.json`, `hashes.csv` and a file for each event; `raw` is it as a ZIP."""
    # Of nothing a feed names no event: whoever had one before sees that it is gone.
    events, losses, count = _events(selection) if selection.things else ([], (), 0)
    manifest: dict[str, Any] = {}
    hashes: list[str] = []
    files: list[tuple[str, bytes]] = []
    for one in events:
        event = one["Event"]
        uuid = event["uuid"]
        manifest[uuid] = {
            name: event[name]
            for name in ("Orgc", "Tag", "info", "date", "analysis", "threat_level_id", "timestamp")
        }
        values = [a["value"] for a in event["Attribute"]]
        values += [a["value"] for thing in event["Object"] for a in thing["Attribute"]]
        for value in dict.fromkeys(part for v in values for part in {v, *v.split("|")}):
            # What a MISP looks a feed up by; MD5 is the format's, and nothing rests on it.
            digest = hashlib.md5(value.encode(), usedforsecurity=False).hexdigest()
            hashes.append(f"{digest},{uuid}\n")
        files.append((f"{uuid}.json", orjson.dumps(one)))
    files.append(("hashes.csv", "".join(sorted(hashes)).encode()))
    # Last: whoever reads the folder while it is written finds all that the manifest names.
    files.append(("manifest.json", orjson.dumps(manifest)))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return Written(
        raw=packed.getvalue(),
        media_type="application/zip",
        suffix=".zip",
        count=count,
        losses=losses,
        files=tuple(files),
    )


def _events(selection: Selection) -> tuple[list[dict[str, Any]], tuple[Loss, ...], int]:
    making = _Making(selection)
    events = making.events()
    return events, tuple(making.losses), making.count


class _Making:
    """One export while it is made."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._all: dict[str, Thing] = {str(t.data["id"]): t for t in selection.things}
        self.losses: list[Loss] = []
        self.count = 0
        self._taken: set[str] = set()
        self._to: Parties = None
        """Of the event that is being made."""
        self._groups: dict[frozenset[str], dict[str, Any]] = {}
        self._about: dict[str, list[Thing]] = {}
        self._base: dict[str, str] = {}
        for thing in selection.things:
            data = thing.data
            if data["type"] in ("sighting", "note", "opinion"):
                refs = [data.get("sighting_of_ref"), *(data.get("object_refs") or ())]
                for ref in refs:
                    if isinstance(ref, str):
                        self._about.setdefault(ref, []).append(thing)
            if data.get("relationship_type") == "based-on":
                self._base[str(data.get("source_ref"))] = str(data.get("target_ref"))

    def events(self) -> list[dict[str, Any]]:
        made = []
        rest = dict.fromkeys(
            id for id, t in self._all.items()
            if t.data["type"] not in _CARRIERS and t.data["type"] not in _QUIET
            and not _is_observable(t.data["type"])
        )  # fmt: skip
        carriers = [t for t in self._all.values() if t.data["type"] in _CARRIERS]
        whole = {str(t.data["id"]): _part_of(t.data, self._all) for t in carriers}
        parts: dict[str, list[Thing]] = {}
        for carrier in carriers:
            if (of := whole[str(carrier.data["id"])]) is not None:
                parts.setdefault(of, []).append(carrier)
        for carrier in carriers:
            id = str(carrier.data["id"])
            if whole[id] is not None:
                continue
            members = [
                r
                for one in (carrier, *parts.get(id, ()))
                for r in _refs(one.data)
                if r in self._all
            ]
            for member in members:
                rest.pop(member, None)
            made.append(self._event(carrier, members))
        told = {id for id in rest if not self._beside(id)}
        if told or not made:
            alone = self._event(None, [id for id in rest if id in told])
            if not made or any(alone["Event"][name] for name in _CONTENT):
                made.append(alone)
        return made

    def _beside(self, id: str) -> bool:
        """Whether a note, opinion or sighting is told where the thing it is about is told."""
        data = self._all[id].data
        if data["type"] not in ("sighting", "note", "opinion"):
            return False
        refs = [data.get("sighting_of_ref"), *(data.get("object_refs") or ())]
        return any(r in self._all for r in refs)

    # --- an event -----------------------------------------------------------------------------

    def _event(self, carrier: Thing | None, members: list[str]) -> dict[str, Any]:
        selection = self._selection
        if carrier is not None:
            data = carrier.data
            uuid = self._uuid(str(data["id"]))
            title, tlp = str(data.get("name") or "untitled"), carrier.tlp
            at, born = _time(data.get("modified")), _time(data.get("created"))
            labels, creator = _labels(data), data.get("created_by_ref")
            self._to = carrier.to
            if tlp == "AMBER" and len(carrier.to or ()) > 1:
                self._lose(str(data["id"]), "its sharing group has no clients of those named")
        else:
            uuid = str(uuid5(TOCSIN_NAMESPACE, f"misp event {selection.key}"))
            title, labels, creator = selection.title, {}, None
            tlp = _loosest(self._all[m].tlp for m in members)
            self._to = _all_of(self._all[m].to for m in members)
            at = born = selection.at
        event: dict[str, Any] = {
            "uuid": uuid,
            "info": title,
            "date": (born or selection.at).strftime("%Y-%m-%d"),
            "timestamp": _epoch(at or selection.at),
            "published": bool(carrier is not None and carrier.data["type"] == "report"),
            "threat_level_id": labels.get("threat_level_id", "4"),
            "analysis": labels.get("analysis", "0"),
            **self._reach(tlp, self._to),
            "Orgc": self._organisation(creator),
            "Tag": self._tags(tlp, carrier),
            "Attribute": [],
            "Object": [],
            "Galaxy": [],
            "EventReport": [],
        }
        if event["published"]:
            event["publish_timestamp"] = _epoch(_time(carrier.data.get("published")) or at)  # type: ignore[union-attr]
        self._fill(event, members, tlp, str(carrier.data["id"]) if carrier is not None else None)
        return {"Event": event}

    def _fill(
        self, event: dict[str, Any], members: list[str], outer: Tlp, carrier: str | None
    ) -> None:
        objects: dict[str, dict[str, Any]] = {}
        indicators = []
        observed = []
        for id in dict.fromkeys(members):
            kind = self._all[id].data["type"]
            if kind == "indicator":
                indicators.append(id)
            elif kind == "observed-data":
                observed.append(id)
        same = {i.partition("--")[2] for i in indicators}
        for id in observed:
            thing = self._all[id]
            labels = _labels(thing.data)
            if id.partition("--")[2] in same:
                continue  # told with its indicator: an attribute has one UUID
            if "name" in labels:
                made = self._object(thing, labels["name"], outer)
                if made is not None:
                    objects[id] = made
            else:
                event["Attribute"] += self._observed(thing, labels, outer)
        for id in indicators:
            attributes = self._indicator(self._all[id], outer)
            home = objects.get(self._base.get(id, ""))
            if home is None:
                event["Attribute"] += attributes
                continue
            for one in attributes:
                relation = _labels(self._all[id].data).get("object_relation") or one["type"]
                held = home["Attribute"]
                # It stands there already, as part of what was observed.
                twin = (relation, one["value"])
                held[:] = [a for a in held if (a["object_relation"], a["value"]) != twin]
                held.append({**one, "object_relation": relation})
        event["Object"] = list(objects.values())
        galaxies: dict[str, dict[str, Any]] = {}
        for id in dict.fromkeys(members):
            thing = self._all[id]
            kind = thing.data["type"]
            if kind in _GALAXIES:
                self._cluster(thing, outer, galaxies)
            elif kind == "vulnerability":
                event["Attribute"].append(self._whole(thing, "vulnerability", "name", outer))
            elif kind == "note":
                self._note(event, thing, outer, carrier)
            elif kind in ("sighting", "opinion"):
                if not self._beside(id):
                    self._lose(id, "what it is about does not leave")
            elif kind not in (*_QUIET, "indicator", "observed-data") and (not _is_observable(kind)):
                self._lose(id, f"MISP has no place for a {kind} here")
        event["Galaxy"] = list(galaxies.values())
        self.count += len(event["Attribute"]) + sum(len(o["Attribute"]) for o in event["Object"])

    def _reach(self, tlp: Tlp, to: Parties) -> dict[str, Any]:
        """How far a thing goes: a sharing group of the parties that may have it, or a level."""
        if to is None or len(to) < 2:
            return {"distribution": _DISTRIBUTION[tlp]}
        return {"distribution": "4", "SharingGroup": self._group(to)}

    def _reach_in(self, thing: Thing, outer: Tlp) -> dict[str, Any]:
        """The same of a thing in the event that is being made: as the event, or less far."""
        if TLP_RANK[thing.tlp] > TLP_RANK[outer] or _fewer(thing.to, self._to):
            return self._reach(thing.tlp, thing.to)
        return {"distribution": _INHERIT}

    def _group(self, to: frozenset[str]) -> dict[str, Any]:
        """A sharing group of these parties: the same parties, the same group."""
        made = self._groups.get(to)
        if made is None:
            known = self._selection.organisations
            listed = [known[party] for party in sorted(to) if party in known]
            uuids = " ".join(sorted(one.uuid for one in listed))
            named = ", ".join(sorted(party for party in to if party in known))
            made = self._groups[to] = {
                "uuid": str(uuid5(TOCSIN_NAMESPACE, f"misp sharing group {uuids}")),
                "name": f"tocsin: {named}"[:250],
                "releasability": "the parties named, and no others",
                "active": True,
                "roaming": False,
                "organisation_uuid": self._selection.identity[10:],
                "SharingGroupOrg": [
                    {"extend": False, "Organisation": {"uuid": one.uuid, "name": one.name}}
                    for one in listed
                ],
                "SharingGroupServer": [],
            }
        return made

    def _uuid(self, id: str) -> str:
        """The UUID of an id; another one that follows from it where the first is taken already."""
        uuid = id.partition("--")[2].lower()
        if uuid in self._taken:
            self._lose(id, "another object has its UUID: it is told under one of its own")
            uuid = str(uuid5(UUID(uuid), id))
        self._taken.add(uuid)
        return uuid

    def _organisation(self, ref: Any) -> dict[str, str]:
        known = self._all.get(str(ref))
        if known is not None:
            return {"uuid": str(ref)[10:], "name": str(known.data.get("name") or "unnamed")}
        if (
            isinstance(ref, str)
            and ref.startswith("identity--")
            and ref != self._selection.identity
        ):
            return {"uuid": ref[10:], "name": ref[10:]}
        return {"uuid": self._selection.identity[10:], "name": self._selection.party}

    def _tags(
        self, tlp: Tlp, thing: Thing | None, outer: Tlp | None = None
    ) -> list[dict[str, str]]:
        names = []
        if tlp != outer:
            names.append(f"tlp:{tlp.lower()}")
            if tlp == "CLEAR" and self._selection.white:
                names.append("tlp:white")
        if thing is not None:
            if outer is None:
                for ref in thing.data.get("object_marking_refs") or ():
                    known = self._all.get(ref)
                    said = known.data.get("definition") if known is not None else None
                    if isinstance(said, Mapping) and str(said.get("statement")).startswith("PAP:"):
                        names.append(str(said["statement"]))
            names += _plain_labels(thing.data)
        return [{"name": name} for name in dict.fromkeys(names)]

    # --- attributes ---------------------------------------------------------------------------

    def _indicator(self, thing: Thing, outer: Tlp) -> list[dict[str, Any]]:
        data = thing.data
        id, pattern = str(data["id"]), str(data.get("pattern") or "")
        labels = _labels(data)
        if data.get("pattern_type", "stix") != "stix":
            kind = str(data["pattern_type"])
            if kind not in ("yara", "sigma", "snort"):
                self._lose(id, f"MISP has no type for a pattern in {kind[:40]}")
                return []
            values = [(kind, pattern)]
        else:
            values = _values(pattern, labels.get("type"))
        made = []
        for n, (kind, value) in enumerate(values):
            uuid = self._uuid(id) if n == 0 else str(uuid5(UUID(id[-36:]), f"{n} {value}"))
            one = self._attribute(thing, uuid, kind, value, outer)
            one["to_ids"] = True
            one["comment"] = str(data.get("description") or "")
            if n == 0:
                one |= self._around(id)
                twin = self._all.get("observed-data--" + id[-36:])
                if twin is not None and not _fewer(twin.to, thing.to):
                    one["first_seen"] = twin.data.get("first_observed")
                    one["last_seen"] = twin.data.get("last_observed")
                elif data.get("valid_from") not in (None, data.get("modified")):
                    one["first_seen"] = data["valid_from"]
                until = _time(data.get("valid_until"))
                if until is not None:
                    one.setdefault("Sighting", []).append(
                        {"type": "2", "date_sighting": _epoch(until), "source": "",
                         "uuid": str(uuid5(UUID(id[-36:]), "valid_until"))}
                    )  # fmt: skip
            made.append(one)
        if len(made) > 1:
            self._lose(id, f"its {len(made)} alternatives are an attribute each")
        return made

    def _attribute(
        self, thing: Thing, uuid: str, kind: str, value: str, outer: Tlp
    ) -> dict[str, Any]:
        labels = _labels(thing.data)
        known = _tables()["categories"].get(kind, "Network activity")
        return {
            "uuid": uuid,
            "type": kind,
            "category": labels.get("category") or known,
            "value": value,
            "to_ids": False,
            "timestamp": _epoch(_time(thing.data.get("modified")) or self._selection.at),
            "comment": labels.get("comment", ""),
            **self._reach_in(thing, outer),
            "Tag": self._tags(thing.tlp, thing, outer),
        }

    def _observed(
        self, thing: Thing, labels: Mapping[str, str], outer: Tlp
    ) -> list[dict[str, Any]]:
        data = thing.data
        id = str(data["id"])
        scos = [self._all[r].data for r in _refs(data) if r in self._all]
        value = _observed_value(labels.get("type"), scos, self._all)
        if value is None:
            self._lose(id, "MISP has no attribute for what was observed")
            return []
        one = self._attribute(thing, self._uuid(id), *value, outer)
        if data.get("first_observed") != data.get("modified"):
            one["first_seen"] = data.get("first_observed")
        if data.get("last_observed") != data.get("first_observed"):
            one["last_seen"] = data.get("last_observed")
        return [{**one, **self._around(id)}]

    def _whole(self, thing: Thing, kind: str, field: str, outer: Tlp) -> dict[str, Any]:
        id = str(thing.data["id"])
        one = self._attribute(thing, self._uuid(id), kind, str(thing.data.get(field)), outer)
        one["comment"] = str(thing.data.get("description") or "")
        return {**one, **self._around(id)}

    def _object(self, thing: Thing, name: str, outer: Tlp) -> dict[str, Any] | None:
        data = thing.data
        id = str(data["id"])
        template = _tables()["templates"].get(name)
        scos = [self._all[r].data for r in _refs(data) if r in self._all]
        main = next((s for s in scos if template and s["type"] == template["type"]), None)
        if main is None:
            self._lose(id, f"no template {name[:60]} for what was observed")
            return None
        labels = _labels(data)
        uuid = self._uuid(id)
        attributes = []
        for path, rule in template.items():
            if path == "type":
                continue
            relation, kind = rule
            for value in _at(main, path, self._all):
                one = self._attribute(
                    thing, str(uuid5(UUID(uuid), f"{relation} {value}")), kind, value, thing.tlp
                )
                one.pop("SharingGroup", None)  # the object has it, and each part inherits it
                attributes.append({**one, "Tag": [], "comment": "", "category": "Other",
                                   "object_relation": relation,
                                   "distribution": _INHERIT})  # fmt: skip
        return {
            "uuid": uuid,
            "name": name,
            "meta-category": labels.get("meta-category", "misc"),
            "timestamp": _epoch(_time(data.get("modified")) or self._selection.at),
            "comment": labels.get("comment", ""),
            **self._reach_in(thing, outer),
            "first_seen": data.get("first_observed"),
            "last_seen": data.get("last_observed"),
            # MISP tags attributes and not objects: each of them carries what the object is marked.
            "Attribute": [
                {**a, "Tag": self._tags(thing.tlp, None, outer)} if thing.tlp != outer else a
                for a in attributes
            ],
            **self._around(id, sightings=False),
        }

    def _note(self, event: dict[str, Any], thing: Thing, outer: Tlp, carrier: str | None) -> None:
        labels = _labels(thing.data)
        id = str(thing.data["id"])
        if labels.get("type") == "event-report":
            if TLP_RANK[thing.tlp] > TLP_RANK[outer]:
                self._lose(id, f"a report has no tags: TLP:{thing.tlp} would be lost")
                return
            if _fewer(thing.to, self._to):
                self._lose(id, "it is for fewer than its event")
                return
            event["EventReport"].append(
                {
                    "uuid": self._uuid(id),
                    "name": str(thing.data.get("abstract") or "Report"),
                    "content": str(thing.data.get("content") or ""),
                    "timestamp": _epoch(_time(thing.data.get("modified")) or self._selection.at),
                    "distribution": "5",
                    "deleted": False,
                }
            )
        elif labels.get("type") in ("text", "comment"):
            one = self._whole(thing, labels["type"], "content", outer)
            event["Attribute"].append(one | {"comment": str(thing.data.get("abstract") or "")})
        elif not self._beside(id) or carrier in (thing.data.get("object_refs") or ()):
            event["Attribute"].append(self._whole(thing, "text", "content", outer))

    def _around(self, id: str, *, sightings: bool = True) -> dict[str, Any]:
        """Sightings, notes and opinions about a thing, each its author's."""
        made: dict[str, list[dict[str, Any]]] = {}
        for thing in self._about.get(id, ()):
            data = thing.data
            org = self._organisation(data.get("created_by_ref"))
            labels = _labels(data)
            if TLP_RANK[thing.tlp] > TLP_RANK[self._all[id].tlp]:
                self._lose(str(data["id"]), "MISP cannot mark it stricter than what it is about")
            elif _fewer(thing.to, self._all[id].to):
                self._lose(str(data["id"]), "it is for fewer than what it is about")
            elif data["type"] == "sighting" or labels.get("sighting-type") == "1":
                when = _time(data.get("last_seen")) or _time(data.get("modified"))
                if not sightings or when is None:
                    self._lose(str(data["id"]), "MISP sights attributes, not objects")
                    continue
                made.setdefault("Sighting", []).append(
                    {"uuid": self._uuid(str(data["id"])),
                     "type": "0" if data["type"] == "sighting" else "1",
                     "date_sighting": _epoch(when), "source": "", "Organisation": org}
                )  # fmt: skip
            elif data["type"] == "note" and labels.get("type") is None:
                made.setdefault("Note", []).append(
                    {"uuid": self._uuid(str(data["id"])), "note": str(data.get("content") or ""),
                     "language": str(data.get("lang") or ""), **_analyst(data, org)}
                )  # fmt: skip
            elif data["type"] == "opinion":
                number = labels.get("opinion") or _NUMBER.get(str(data.get("opinion")))
                if number is None:
                    self._lose(str(data["id"]), "an opinion in none of STIX's words")
                    continue
                made.setdefault("Opinion", []).append(
                    {"uuid": self._uuid(str(data["id"])), "opinion": number,
                     "comment": str(data.get("explanation") or ""), **_analyst(data, org)}
                )  # fmt: skip
        return dict(made)

    def _cluster(self, thing: Thing, outer: Tlp, galaxies: dict[str, dict[str, Any]]) -> None:
        data = thing.data
        if TLP_RANK[thing.tlp] > TLP_RANK[outer]:
            self._lose(str(data["id"]), f"a cluster has no tags: TLP:{thing.tlp} would be lost")
            return
        if _fewer(thing.to, self._to):
            self._lose(str(data["id"]), "it is for fewer than its event")
            return
        labels = _labels(data)
        kind, title = _GALAXIES[data["type"]]
        kind = labels.get("galaxy-type") or kind
        galaxy = galaxies.setdefault(
            kind, {"type": kind, "name": labels.get("galaxy-name") or title, "GalaxyCluster": []}
        )
        numbers = [
            str(one["external_id"])
            for one in data.get("external_references") or ()
            if isinstance(one, Mapping)
            and one.get("source_name") == "mitre-attack"
            and one.get("external_id")
        ]
        name = str(data.get("name") or "unnamed")
        if kind.startswith("mitre-") and numbers:
            name = f"{name} - {numbers[0]}"
        meta: dict[str, Any] = {}
        if data.get("aliases"):
            meta["synonyms"] = data["aliases"]
        if numbers:
            meta["external_id"] = numbers
        galaxy["GalaxyCluster"].append(
            {
                "uuid": str(data["id"])[-36:],
                "type": kind,
                "value": name,
                "tag_name": f'misp-galaxy:{kind}="{name}"',
                "description": str(data.get("description") or ""),
                "meta": meta,
            }
        )

    def _lose(self, id: str, why: str) -> None:
        self.losses.append(Loss(id=id, why=why))


_NUMBER = {
    "strongly-disagree": "0",
    "disagree": "25",
    "neutral": "50",
    "agree": "75",
    "strongly-agree": "100",
}


def _analyst(data: Mapping[str, Any], org: Mapping[str, str]) -> dict[str, Any]:
    return {
        "authors": ", ".join(str(a) for a in data.get("authors") or ()),
        "created": str(data.get("created") or ""),
        "modified": str(data.get("modified") or ""),
        "distribution": "5",
        "orgc_uuid": org["uuid"],
        "Orgc": dict(org),
    }


def _labels(data: Mapping[str, Any]) -> dict[str, str]:
    """The labels that say what a thing was in MISP."""
    found: dict[str, str] = {}
    for label in data.get("labels") or ():
        if isinstance(label, str) and (match := _LABEL.fullmatch(label)):
            found.setdefault(match[1], match[2])
    return found


def _plain_labels(data: Mapping[str, Any]) -> list[str]:
    """The labels that are tags of others, and no marking."""
    return [
        label
        for label in data.get("labels") or ()
        if isinstance(label, str)
        and not _LABEL.fullmatch(label)
        and not label.lower().startswith("tlp:")
    ]


def _refs(data: Mapping[str, Any]) -> list[str]:
    return [r for r in data.get("object_refs") or () if isinstance(r, str)]


def _part_of(data: Mapping[str, Any], known: Mapping[str, Thing]) -> str | None:
    """The carrier that a continued grouping goes on with: its first reference."""
    first = next(iter(_refs(data)), "")
    if (
        first in known
        and known[first].data["type"] in _CARRIERS
        and "(part " in str(data.get("name"))
    ):
        return first
    return None


def _is_observable(kind: str) -> bool:
    from tocsin.stix.model import SCO_TYPES

    return kind in SCO_TYPES


def _values(pattern: str, kind: str | None) -> list[tuple[str, str]]:
    """MISP types and values of a pattern; the pattern itself where it is more than values."""
    if kind is not None and _COMPOSITE.fullmatch(kind):
        parts = [unquoted(m[1]) if m[1] is not None else m[2] for m in _LITERAL.finditer(pattern)]
        if kind.endswith("|port") and len(parts) == 3:
            parts = parts[1:]
        if len(parts) == 2:
            return [(kind, "|".join(parts))]
    pairs = comparisons(pattern)
    if not pairs:
        parts = [unquoted(m[1]) for m in _LITERAL.finditer(pattern) if m[1] is not None]
        if kind is not None and len(parts) == 1 and " AND " not in pattern:
            return [(kind, parts[0])]
        return [("stix2-pattern", pattern)]
    if kind is not None and len(pairs) == 1:
        return [(kind, pairs[0][1].removeprefix("AS") if kind == "AS" else pairs[0][1])]
    table = _tables()["kinds"]
    if any(one not in table for one, _ in pairs):
        return [("stix2-pattern", pattern)]
    return [(table[one], value) for one, value in pairs]


def _observed_value(
    kind: str | None, scos: list[dict[str, Any]], known: Mapping[str, Thing]
) -> tuple[str, str] | None:
    if not scos:
        return None
    main = scos[0]
    for one in scos:
        # The first that others hang on: traffic before its ends, a name before its addresses.
        if one["type"] in ("network-traffic", "domain-name", "file"):
            main = one
            break
    hashes = main.get("hashes") if isinstance(main.get("hashes"), Mapping) else {}
    name = main.get("name")
    if main["type"] in ("file", "x509-certificate") and hashes:
        digest = next(iter(hashes))
        plain = digest.lower().replace("-", "") if digest.startswith("SHA-") else digest.lower()
        if main["type"] == "x509-certificate":
            return kind or f"x509-fingerprint-{plain}", str(hashes[digest])
        if name:
            return kind or f"filename|{plain}", f"{name}|{hashes[digest]}"
        return kind or plain, str(hashes[digest])
    if main["type"] == "file" and name:
        return kind or "filename", str(name)
    if main["type"] == "domain-name" and kind == "domain|ip":
        for value in _at(main, "resolves_to_refs.value", known):
            return kind, f"{main.get('value')}|{value}"
    if main["type"] == "network-traffic":
        for side in ("dst", "src"):
            for value in _at(main, f"{side}_ref.value", known):
                if main.get(f"{side}_port") is not None:
                    host = value[:1].isalpha() and ":" not in value
                    known_as = "hostname|port" if host else f"ip-{side}|port"
                    return kind or known_as, f"{value}|{main[f'{side}_port']}"
        return None
    if main["type"] == "windows-registry-key" and kind == "regkey|value":
        for value in _at(main, "values.data", known):
            return kind, f"{main.get('key')}|{value}"
    rule = _tables()["observables"].get(main["type"])
    if rule is None:
        return None
    field = "message_id" if kind == "email-message-id" else rule[1]
    held = main.get(field)
    return None if held is None else (kind or rule[0], str(held))


def _at(data: Mapping[str, Any], path: str, known: Mapping[str, Thing]) -> list[str]:
    """The values at a path: a property, one of a dict's or list's, or one of what it refers to."""
    head, _, tail = path.partition(".")
    value = data.get(head)
    if not tail:
        values = value if isinstance(value, list) else [value]
        return [str(v) for v in values if v is not None and not isinstance(v, Mapping | list)]
    found: list[str] = []
    for inner in value if isinstance(value, list) else [value]:
        held: Any = inner
        if isinstance(inner, str) and head.endswith(("_ref", "_refs")):
            target = known.get(inner)
            held = target.data if target is not None else None
        if isinstance(held, Mapping) and held.get(tail) is not None:
            found.append(str(held[tail]))
    return found


def _time(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo is not None else found.replace(tzinfo=UTC)


def _epoch(at: datetime | None) -> str:
    return str(int(at.timestamp())) if at is not None else "0"


def _fewer(inner: Parties, outer: Parties) -> bool:
    """Whether somebody whom the outer thing reaches may not have the inner."""
    return inner is not None and (outer is None or not outer <= inner)


def _all_of(those: Iterable[Parties]) -> Parties:
    """Whoever may have any of these."""
    found: frozenset[str] = frozenset()
    for one in those:
        if one is None:
            return None
        found |= one
    return found or None


def _loosest(levels: Iterable[Tlp]) -> Tlp:
    """What an event is tagged that is made here: its attributes tighten it, each for itself."""
    return min(levels, key=TLP_RANK.__getitem__, default="AMBER+STRICT")
