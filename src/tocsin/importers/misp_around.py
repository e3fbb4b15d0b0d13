"""What hangs on a thing of a MISP event: clusters, sightings, analysts' words, reports, proposals.

Each is said in the name of the organisation that said it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tocsin.importers.misp_fields import flag, instant, record, rows, text, uuid, whole
from tocsin.importers.misp_making import MAX_NOTE, Context, Maker, has_marks
from tocsin.importers.misp_observables import (
    galaxy_types,
)
from tocsin.stix.ids import deterministic


class Around:
    """Reads what hangs on the things of one event."""

    def __init__(self, made: Maker) -> None:
        self._made = made

    def galaxies(self, holder: Mapping[str, Any], context: Context, about: str | None) -> None:
        """Clusters on a thing: objects of their own, which an indicator indicates."""
        if not holder.get("Galaxy"):
            return
        for n, galaxy in enumerate(map(record, rows(holder.get("Galaxy")))):
            pointer = f"{context.pointer}/Galaxy/{n}"
            kind = text(galaxy.get("type")) or ""
            stix = galaxy_types().get(kind)
            for m, cluster in enumerate(map(record, rows(galaxy.get("GalaxyCluster")))):
                where = f"{pointer}/GalaxyCluster/{m}"
                name = text(cluster.get("value"))
                if stix is None or name is None:
                    note = f"no STIX object for a cluster of {kind[:60] or 'no type'}"
                    self._made.lose("galaxy", where, f"{note}: {(name or '?')[:60]}", dict(cluster))
                    continue
                made = self.cluster(stix, kind, galaxy, cluster, name, where, context)
                self._made.refs[made] = None
                if about is not None and about.startswith("indicator--") and stix in _INDICATED:
                    self._made.relate(about, "indicates", made, context, self._made.at)

    def cluster(
        self,
        stix: str,
        kind: str,
        galaxy: Mapping[str, Any],
        cluster: Mapping[str, Any],
        name: str,
        pointer: str,
        context: Context,
    ) -> str:
        id = uuid(cluster.get("uuid"))
        made = f"{stix}--{id}" if id else deterministic(stix, "misp", kind, name)
        if made in self._made.taken.ids:
            return made
        meta = record(cluster.get("meta"))
        synonyms = [t for one in rows(meta.get("synonyms")) if (t := text(one))]
        plain, _, number = name.rpartition(" - ")
        numbers = [t for one in rows(meta.get("external_id")) if (t := text(one))]
        if isinstance(meta.get("external_id"), str):
            numbers = [meta["external_id"]]
        attack = kind.startswith("mitre-")
        if attack and not numbers and plain and number[:1] in "TSGMCA" and number[1:2].isdigit():
            numbers = [number]
        references: list[dict[str, Any]] = [
            {"source_name": "mitre-attack" if attack else "external_id", "external_id": one}
            for one in dict.fromkeys(numbers)
        ]
        links = meta.get("refs")
        references += [
            {"source_name": "url", "url": url}
            for one in ([links] if isinstance(links, str) else rows(links))[:50]
            if (url := text(one)) and url.startswith(("http://", "https://"))
        ]
        for key in sorted(meta.keys() - {"synonyms", "external_id", "refs"}):
            note = f"STIX has no place for {str(key)[:60]} of a cluster"
            self._made.lose("galaxy", f"{pointer}/meta", note, meta[key])
        title = plain if attack and plain and number in numbers else name
        props: dict[str, Any] = {
            "name": title,
            "description": (text(cluster.get("description")) or "")[:MAX_NOTE] or None,
            "external_references": references,
            "labels": [
                f'misp:galaxy-name="{text(galaxy.get("name")) or kind}"',
                f'misp:galaxy-type="{kind}"',
            ],
        }
        if stix in _ALIASED:
            props["aliases"] = list(dict.fromkeys(synonyms))
        elif synonyms:
            self._made.lose("galaxy", f"{pointer}/meta", f"a {stix} has no aliases", synonyms)
        if stix == "malware":
            props["is_family"] = True
        if stix == "identity":
            props["identity_class"] = "class"
        # A cluster is common knowledge of whoever keeps the galaxy, but that it stands here is not.
        self._made.write(made, context, self._made.created, None, props)
        return made

    def sightings(self, holder: Mapping[str, Any], context: Context, about: str) -> None:
        """Who saw a thing and when; a false positive is its organisation's opinion."""
        if not holder.get("Sighting"):
            return
        for n, one in enumerate(map(record, rows(holder.get("Sighting")))):
            pointer = f"{context.pointer}/Sighting/{n}"
            self._made.taken.count(self._made.name)
            kind = text(one.get("type")) or "0"
            at = instant(one.get("date_sighting"))
            if kind == "2" and about.startswith("indicator--"):
                continue  # its `valid_until`
            if kind not in ("0", "1") or at is None:
                self._made.lose(
                    "sighting", pointer, "a sighting of no known kind, or no time", dict(one)
                )
                continue
            seen_by = self._made.organisation(record(one.get("Organisation")), pointer)
            id = self._made.uuid_of(one, pointer, about + str(at) + str(seen_by))
            if id is None:
                continue
            if source := text(one.get("source")):
                self._made.lose("field", pointer + "/source", "where a sighting was made", source)
            if kind == "0":
                made = f"sighting--{id}"
                self._made.write(made, context, at, seen_by or self._made.creator, {
                    "first_seen": at, "last_seen": at, "count": 1, "sighting_of_ref": about,
                    "where_sighted_refs": [seen_by] if seen_by else [],
                })  # fmt: skip
            else:
                made = f"opinion--{id}"
                self._made.write(made, context, at, seen_by or self._made.creator, {
                    "opinion": "strongly-disagree", "explanation": "Seen as a false positive.",
                    "object_refs": [about], "labels": ['misp:sighting-type="1"'],
                })  # fmt: skip
            self._made.refs[made] = None

    def analysts(
        self, holder: Mapping[str, Any], context: Context, about: str, depth: int = 0
    ) -> None:
        """Notes and opinions: each in the name of the organisation that wrote it."""
        if not (holder.get("Note") or holder.get("Opinion") or holder.get("Relationship")):
            return
        for name in ("Note", "Opinion"):
            for n, one in enumerate(map(record, rows(holder.get(name)))):
                pointer = f"{context.pointer}/{name}/{n}"
                self._made.taken.count(self._made.name)
                by = self._made.organisation(
                    record(one.get("Orgc") or {"uuid": one.get("orgc_uuid")}), pointer
                )
                at = instant(one.get("modified")) or instant(one.get("created")) or self._made.at
                said = text(one.get("note" if name == "Note" else "comment"))
                id = self._made.uuid_of(one, pointer, about + str(said))
                if id is None or depth > 8:
                    continue
                own = self._made.context(one, context, pointer) if has_marks(one) else context
                authors = [a for a in (text(one.get("authors")),) if a]
                born = min(instant(one.get("created")) or at, at)
                props: dict[str, Any]
                if name == "Note":
                    if said is None:
                        self._made.lose("bad-attribute", pointer, "a note without words", dict(one))
                        continue
                    props = {"content": said[:MAX_NOTE], "authors": authors,
                             "object_refs": [about], "lang": _language(one)}  # fmt: skip
                else:
                    number = whole(one.get("opinion"))
                    if number is None or not 0 <= number <= 100:
                        self._made.lose(
                            "bad-attribute", pointer, "an opinion is 0 to 100", dict(one)
                        )
                        continue
                    props = {
                        "opinion": _opinion(number),
                        "explanation": said,
                        "authors": authors,
                        "object_refs": [about],
                        "labels": [f'misp:opinion="{number}"'],
                    }
                made = f"{name.lower()}--{id}"
                self._made.write(made, own, at, by, props, created=born)
                self.analysts(one, own.at(pointer), made, depth + 1)
        for n, one in enumerate(rows(holder.get("Relationship"))):
            self._made.lose(
                "reference", f"{context.pointer}/Relationship/{n}", "an analyst's relationship", one
            )

    def report(
        self, report: Mapping[str, Any], outer: Context, pointer: str, event_id: str
    ) -> None:
        """An event report: a note about the event."""
        content = text(report.get("content")) or text(report.get("name"))
        self._made.taken.count(self._made.name)
        if content is None:
            self._made.lose("bad-attribute", pointer, "a report without words", dict(report))
            return
        id = self._made.uuid_of(report, pointer, content[:200])
        if id is None:
            return
        if len(content) > MAX_NOTE:
            self._made.lose("too-large", pointer, f"cut after {MAX_NOTE:,} characters", content)
        context = self._made.context(report, outer, pointer) if has_marks(report) else outer
        at = instant(report.get("timestamp")) or self._made.at
        if flag(report.get("deleted")):
            self._made.gone(id, "note")
            return
        made = f"note--{id}"
        self._made.write_own(
            made, context, at,
            abstract=text(report.get("name")), content=content[:MAX_NOTE],
            object_refs=[event_id], labels=['misp:type="event-report"'],
        )  # fmt: skip
        self._made.refs[made] = None
        self.analysts(report, context, made)

    def proposals(self, holder: Mapping[str, Any], pointer: str) -> None:
        """Proposals are nobody's word yet: each is a loss."""
        for n, one in enumerate(rows(holder.get("ShadowAttribute"))):
            note = "a proposal that its event's owner has not taken"
            self._made.lose("proposal", f"{pointer}/ShadowAttribute/{n}", note, one)


_INDICATED = frozenset(
    (
        "attack-pattern",
        "campaign",
        "infrastructure",
        "intrusion-set",
        "malware",
        "threat-actor",
        "tool",
    )
)
"""What an indicator may indicate (STIX 2.1 §4.7)."""
_ALIASED = frozenset(
    ("threat-actor", "intrusion-set", "malware", "tool", "attack-pattern", "campaign")
)


def _language(one: Mapping[str, Any]) -> str | None:
    found = text(one.get("language"))
    return found if found and len(found) <= 20 and found.replace("-", "").isalnum() else None


def _opinion(number: int) -> str:
    """MISP's 0 to 100 in the five words of STIX (`opinion-enum`), twenty points each."""
    words = ("strongly-disagree", "disagree", "neutral", "agree", "strongly-agree")
    return words[min(max(number - 1, 0) // 20, 4)]
