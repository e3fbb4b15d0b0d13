"""One MISP event as STIX objects: who says it, what it holds, who may read it, what was lost.

Attributes that are meant for detection become indicators, others observed data; an object becomes
observed data of its observables, and each of its attributes that is meant for detection an
indicator beside it. A UUID of MISP is the UUID of the one STIX object that stands for it.

Spec: MISP core format (draft-dulaunoy-misp-core-format) §2; STIX 2.1; exchange.md §3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import uuid5

import msgspec
import orjson
from msgspec import Raw
from msgspec.structs import replace

from tocsin.errors import BundleError
from tocsin.importers import misp_objects
from tocsin.importers.misp_around import Around
from tocsin.importers.misp_fields import flag, instant, record, rows, text, uuid
from tocsin.importers.misp_making import MAX_NOTE, MAX_REFS, Context, Maker, Taken, has_marks
from tocsin.importers.misp_observables import (
    OBSERVABLE_FORMS,
    NoPlaceError,
    Observed,
    attribute_types,
    observe,
)
from tocsin.importers.misp_tags import marks
from tocsin.policy import TLP_RANK, Tlp
from tocsin.reading.cues import words
from tocsin.stix.ids import TOCSIN_NAMESPACE, deterministic

_KNOWN_EVENT = words(
    "uuid info date timestamp publish_timestamp published Attribute Object "
    "Galaxy Tag Org Orgc EventReport distribution SharingGroup threat_level_id "
    "analysis ShadowAttribute Note Opinion Relationship"
)
_KNOWN_ATTRIBUTE = words(
    "uuid type value value1 value2 category to_ids comment "
    "timestamp first_seen last_seen deleted object_relation data Tag Galaxy "
    "Sighting distribution SharingGroup ShadowAttribute Note Opinion Relationship malware_filename"
)
_KNOWN_OBJECT = words(
    "uuid name meta-category Attribute timestamp first_seen last_seen deleted "
    "comment distribution SharingGroup ObjectReference Note Opinion Relationship Tag"
)
BOOKKEEPING = words(
    "id org_id orgc_id event_id object_id sharing_group_id attribute_count locked "
    "user_id proposal_email_lock disable_correlation template_uuid template_version description "
    "event_uuid object_uuid RelatedEvent Feed CryptographicKey protected warnings "
    "event_creator_email Event batch_import "
    "old_id galaxy_id correlation"
)
"""Fields in which the sending node keeps its own books: ids of its database, whom it correlates
with. They say nothing about the event, and stay in the original."""
_READ_OR_BOOKS = _KNOWN_ATTRIBUTE | BOOKKEEPING


class EventReader:
    """Reads one event into a `Taken` that a whole file shares."""

    def __init__(self, taken: Taken, name: str, unmarked: Tlp | None) -> None:
        self._made = Maker(taken, name, unmarked)
        self._around = Around(self._made)

    def read(self, fields: Mapping[str, Raw], pointer: str) -> None:
        """Take an event, whose lists are still bytes.

        Raises:
            BundleSizeError: over the limit of what one file may hold.
        """
        lists = {"Attribute", "Object"}
        event = {k: _loads(v) for k, v in fields.items() if k not in lists}
        self._made.seed = uuid(event.get("uuid")) or str(
            uuid5(TOCSIN_NAMESPACE, str(text(event.get("info"))) + str(event.get("date")))
        )
        if uuid(event.get("uuid")) is None and fields.keys() & _KNOWN_EVENT:
            self._made.lose(
                "bad-uuid", pointer, "the event has no UUID; one follows from its title"
            )
        self._made.creator = self._made.organisation(
            record(event.get("Orgc") or event.get("Org")), pointer
        )
        modified = instant(event.get("timestamp"))
        self._made.at = modified or instant(event.get("date")) or self._made.created
        if modified is None:
            self._made.lose("bad-time", pointer + "/timestamp", "the event says no time of its own")
        self._made.created = min(instant(event.get("date")) or self._made.at, self._made.at)
        context = self._made.context(event, None, pointer)
        for key in sorted(event.keys() - _KNOWN_EVENT - BOOKKEEPING):
            self._made.field(event, key, pointer)
        event_id = self._event_id(event)
        for n, raw in enumerate(_slices(fields.get("Attribute"))):
            self._attribute(_loads(raw), context, f"{pointer}/Attribute/{n}", event_id)
        for n, raw in enumerate(_slices(fields.get("Object"))):
            self._object(_loads(raw), context, f"{pointer}/Object/{n}", event_id)
        self._around.galaxies(event, context, None)
        for n, one in enumerate(rows(event.get("EventReport"))):
            self._around.report(record(one), context, f"{pointer}/EventReport/{n}", event_id)
        self._around.proposals(event, pointer)
        self._made.write_observables()
        self._event(event, event_id, context)
        self._around.analysts(event, context, event_id)
        self._made.write_organisations(context)

    def _event_id(self, event: Mapping[str, Any]) -> str:
        return f"{'report' if flag(event.get('published')) else 'grouping'}--{self._made.seed}"

    def _event(self, event: Mapping[str, Any], event_id: str, context: Context) -> None:
        """The event itself: a report where it is published, else a grouping."""
        title = text(event.get("info")) or "MISP event without a title"
        refs = list(self._made.refs) or [r for r in (self._made.creator,) if r]
        if not refs:
            self._made.lose(
                "event", context.pointer, "the event holds nothing that STIX could group"
            )
            return
        labels = [
            *(
                f'misp:{name}="{v}"'
                for name in ("threat_level_id", "analysis")
                if (v := text(event.get(name)))
            ),
            *context.labels,
        ]
        self._made.taken.claim(self._made.seed)
        kept, rest = refs[:MAX_REFS], refs[MAX_REFS:]
        published = instant(event.get("publish_timestamp")) or self._made.at
        of_type: dict[str, Any] = (
            {"published": published, "report_types": ["threat-report"]}
            if event_id.startswith("report")
            else {"context": "suspicious-activity"}
        )
        self._made.write_own(
            event_id, context, self._made.at, name=title, object_refs=kept, labels=labels, **of_type
        )
        total = (len(refs) + MAX_REFS - 1) // MAX_REFS
        for n in range(2, total + 1):
            kept, rest = rest[:MAX_REFS], rest[MAX_REFS:]
            self._made.write_own(
                deterministic("grouping", self._made.seed, str(n)),
                context,
                self._made.at,
                name=f"{title} (part {n} of {total})",
                context="suspicious-activity",
                object_refs=[event_id, *kept],
                labels=list(context.labels),
            )

    def _attribute(
        self, value: Any, outer: Context, pointer: str, event_id: str, *, within: str | None = None
    ) -> None:
        """One attribute: an indicator, observed data, or something of its own.

        Args:
            within: the observed data of the object that holds it; its observables are there.
        """
        self._made.taken.count(self._made.name)
        attribute = record(value)
        kind, content = text(attribute.get("type")), _value(attribute)
        if kind is None or content is None:
            self._made.lose(
                "bad-attribute", pointer, "an attribute without a type or a value", value
            )
            return
        context = (
            self._made.context(attribute, outer, pointer)
            if has_marks(attribute)
            else outer.at(pointer)
        )
        if not attribute.keys() <= _READ_OR_BOOKS:
            for key in sorted(attribute.keys() - _READ_OR_BOOKS):
                self._made.field(attribute, key, pointer)
        rule = attribute_types().get(kind)
        if rule is None:
            if within is None:
                self._made.lose("attribute-type", pointer, f"STIX has no place for {kind}", content)
            return
        id = self._made.uuid_of(attribute, pointer, kind + content)
        if id is None:
            return
        at = instant(attribute.get("timestamp")) or self._made.at
        form = rule["form"]
        if within is not None and form not in OBSERVABLE_FORMS:
            return  # said by the object it is part of
        if flag(attribute.get("deleted")):
            self._made.gone(id, *_ATTRIBUTE_MADE)
            return
        if form in OBSERVABLE_FORMS:
            made = self._observable(attribute, rule, kind, content, context, id, at, within)
        else:
            made = self._other(attribute, rule, content, context, id, at, event_id)
        if made is None:
            return
        self._made.refs[made] = None
        self._around.galaxies(attribute, context, made)
        self._around.sightings(attribute, context, made)
        self._around.proposals(attribute, pointer)
        self._around.analysts(attribute, context, made)

    def _observable(
        self,
        attribute: Mapping[str, Any],
        rule: Mapping[str, Any],
        kind: str,
        content: str,
        context: Context,
        id: str,
        at: datetime,
        within: str | None,
    ) -> str | None:
        try:
            found = observe(rule, content, text(attribute.get("data")))
        except NoPlaceError as wrong:
            try:  # the sample may be what has no place, and its name and hash still have one
                found = observe(rule, content)
            except NoPlaceError as again:
                self._made.lose("bad-value", context.pointer, str(again)[:200], content)
                return None
            self._made.lose("payload", context.pointer + "/data", str(wrong)[:200], content)
        labels = [f'misp:type="{kind}"']
        if category := text(attribute.get("category")):
            labels.append(f'misp:category="{category[:100]}"')
        if within is not None and (relation := text(attribute.get("object_relation"))):
            labels.append(f'misp:object_relation="{relation[:100]}"')
        labels += context.labels
        first, last = self._seen(attribute, context.pointer)
        to_ids = flag(attribute.get("to_ids")) and found.pattern is not None
        comment = text(attribute.get("comment"))
        observed = None
        if within is None and (not to_ids or last is not None) and found.scos:
            observed = f"observed-data--{id}"
            for sco, props in found.scos.items():
                self._made.observable(sco, props, context)
            self._made.write_own(
                observed,
                context,
                at,
                first_observed=first or at,
                last_observed=last or first or at,
                number_observed=1,
                object_refs=list(found.scos),
                labels=[*labels, *_commented(comment)],
            )
        if not to_ids:
            self._made.gone(id, "indicator")  # an earlier version may have been meant for detection
            if observed is None and within is None:
                why = f"STIX has no observable for {kind}, only a pattern"
                self._made.lose("attribute-type", context.pointer, why, content)
            return observed
        indicator = f"indicator--{id}"
        start = first or at
        expires = self._expires(attribute)
        if expires is not None and expires <= start:
            self._made.lose(
                "bad-time", context.pointer, "it expires before it is valid", str(expires)
            )
            expires = None
        self._made.write_own(
            indicator,
            context,
            at,
            name=content[:500],
            description=comment,
            pattern=found.pattern,
            pattern_type="stix",
            pattern_version="2.1",
            valid_from=start,
            valid_until=expires,
            kill_chain_phases=[
                {"kill_chain_name": chain, "phase_name": phase} for chain, phase in context.phases
            ],
            labels=labels,
        )
        if (base := observed or within) is not None:
            if observed is not None:
                self._made.refs[observed] = None
            self._made.relate(indicator, "based-on", base, context, at)
        return indicator

    def _other(
        self,
        attribute: Mapping[str, Any],
        rule: Mapping[str, Any],
        content: str,
        context: Context,
        id: str,
        at: datetime,
        event_id: str,
    ) -> str | None:
        """An attribute that is no observable: a rule, a vulnerability, a name, a remark."""
        labels = [f'misp:type="{text(attribute.get("type"))}"', *context.labels]
        comment = text(attribute.get("comment"))
        form = rule["form"]
        if len(content) > MAX_NOTE:
            why = f"{len(content)} characters stay in the original only"
            self._made.lose("too-large", context.pointer, why, content)
            return None
        if form == "rule":
            made = f"indicator--{id}"
            first, _ = self._seen(attribute, context.pointer)
            self._made.write_own(
                made, context, at,
                name=comment or None, description=None, pattern=content,
                pattern_type=rule["pattern_type"], valid_from=first or at, labels=labels,
                            )  # fmt: skip
        elif form == "vulnerability":
            made = f"vulnerability--{id}"
            self._made.write_own(
                made, context, at,
                name=content, description=comment, labels=labels,
                external_references=_cve(content),
            )  # fmt: skip
        elif form == "named":
            made = f"{rule['type']}--{id}"
            self._made.write_own(
                made, context, at, name=content, description=comment, labels=labels
            )
        else:
            made = f"note--{id}"
            self._made.write_own(
                made, context, at,
                content=content, abstract=comment, object_refs=[event_id], labels=labels,
                            )  # fmt: skip
        return made

    def _seen(
        self, holder: Mapping[str, Any], pointer: str
    ) -> tuple[datetime | None, datetime | None]:
        """First and last seen. STIX wants them in order; if they are not, both are lost."""
        first, last = instant(holder.get("first_seen")), instant(holder.get("last_seen"))
        for name, time in (("first_seen", first), ("last_seen", last)):
            if time is None and holder.get(name):
                self._made.lose("bad-time", f"{pointer}/{name}", "it is no time", holder[name])
        if first and last and last < first:
            self._made.lose(
                "bad-time", f"{pointer}/last_seen", "last seen before first seen", str(last)
            )
            return None, None
        return first, last

    def _expires(self, attribute: Mapping[str, Any]) -> datetime | None:
        """The earliest sighting of the kind "expiration"."""
        if not attribute.get("Sighting"):
            return None
        times = [
            instant(one.get("date_sighting"))
            for one in map(record, rows(attribute.get("Sighting")))
            if text(one.get("type")) == "2"
        ]
        return min((t for t in times if t is not None), default=None)

    def _object(self, value: Any, outer: Context, pointer: str, event_id: str) -> None:
        holder = record(value)
        name = text(holder.get("name"))
        attributes = rows(holder.get("Attribute"))
        if name is None or not holder:
            self._made.lose("bad-object", pointer, "an object without a name", value)
            return
        context = (
            self._made.context(holder, outer, pointer) if has_marks(holder) else outer.at(pointer)
        )
        for key in sorted(holder.keys() - _KNOWN_OBJECT - BOOKKEEPING):
            self._made.field(holder, key, pointer)
        template = misp_objects.templates().get(name)
        at = instant(holder.get("timestamp")) or self._made.at
        id = self._made.uuid_of(holder, pointer, name)
        made: str | None = None
        if id is None:
            return
        if flag(holder.get("deleted")):
            self._made.gone(id, *_OBJECT_MADE)
            for one in map(record, attributes):
                if (inner_id := uuid(one.get("uuid"))) is not None:
                    self._made.gone(inner_id, *_ATTRIBUTE_MADE)
            return
        own_context = context
        # A whole object is not shown to more than each of its attributes.
        for n, one in enumerate(map(record, attributes)):
            if not has_marks(one):
                continue
            own, inner = marks(one), f"{pointer}/Attribute/{n}"
            groups = self._made.limits(one, own, context.groups, inner)
            if own.tlp is not None and TLP_RANK[own.tlp] > TLP_RANK[context.tlp]:
                context = replace(context, tlp=own.tlp)
                self._made.lose("marking", inner, f"the object is marked {own.tlp} for it")
            context = replace(context, groups=groups)
        if template is None:
            what = f"STIX has no place for the template {name[:60]}; its attributes stand alone"
            self._made.lose("template", pointer, what, value)
        elif "fields" in template:
            made = self._compose(holder, name, context, id, at)
        else:
            made = self._whole(holder, template["type"], name, context, id, at, event_id)
        if made is not None:
            self._made.refs[made] = None
            self._around.analysts(holder, context, made)
        for n, one in enumerate(attributes):
            inner = f"{pointer}/Attribute/{n}"
            attribute = record(one)
            if template is not None and "fields" not in template:
                self._made.taken.count(self._made.name)
                continue
            if template is None or flag(attribute.get("to_ids")):
                outer_of = context if made is None else own_context
                self._attribute(attribute, outer_of, inner, event_id, within=made)
            else:
                self._made.taken.count(self._made.name)
                self._inside(attribute, made, context, inner)
        for n, ref in enumerate(map(record, rows(holder.get("ObjectReference")))):
            self._reference(made, ref, context, f"{pointer}/ObjectReference/{n}")

    def _inside(
        self, attribute: Mapping[str, Any], made: str | None, context: Context, pointer: str
    ) -> None:
        """What hangs on an attribute that is only part of its object."""
        if comment := text(attribute.get("comment")):
            self._made.lose(
                "field", pointer + "/comment", "a comment on part of an object", comment
            )
        if made is not None:
            self._around.sightings(attribute, context, made)
            self._around.analysts(attribute, context, made)

    def _compose(
        self, holder: Mapping[str, Any], name: str, context: Context, id: str, at: datetime
    ) -> str | None:
        parts = []
        for n, one in enumerate(map(record, rows(holder.get("Attribute")))):
            relation, content = text(one.get("object_relation")), _value(one)
            pointer = f"{context.pointer}/Attribute/{n}"
            if relation is None or content is None:
                self._made.lose("bad-attribute", pointer, "no object_relation, or no value", one)
            elif not flag(one.get("deleted")):
                parts.append(
                    misp_objects.Part(
                        relation=relation,
                        value=content,
                        data=text(one.get("data")),
                        pointer=pointer,
                    )
                )
        try:
            found: Observed = misp_objects.compose(
                name,
                parts,
                id,
                lambda p, v, why: self._made.lose("object-relation", p, why[:200], v),
            )
        except (NoPlaceError, BundleError) as wrong:
            self._made.lose("template", context.pointer, f"{name}: {wrong}"[:200])
            return None
        first, last = self._seen(holder, context.pointer)
        for sco, props in found.scos.items():
            self._made.observable(sco, props, context)
        observed = f"observed-data--{id}"
        comment = text(holder.get("comment"))
        self._made.write_own(
            observed,
            context,
            at,
            first_observed=first or at,
            last_observed=last or first or at,
            number_observed=1,
            object_refs=list(found.scos),
            labels=[
                f'misp:name="{name}"',
                f'misp:meta-category="{text(holder.get("meta-category")) or "misc"}"',
                *context.labels,
                *_commented(comment),
            ],
        )
        return observed

    def _whole(
        self,
        holder: Mapping[str, Any],
        kind: str,
        name: str,
        context: Context,
        id: str,
        at: datetime,
        event_id: str,
    ) -> str | None:
        """A template that stands for one STIX object: vulnerability, attack-pattern, note."""
        values: dict[str, list[str]] = {}
        for one in map(record, rows(holder.get("Attribute"))):
            if (relation := text(one.get("object_relation"))) and (content := _value(one)):
                values.setdefault(relation, []).append(content)
        used: set[str] = set()

        def take(*names: str) -> str | None:
            for relation in names:
                if values.get(relation):
                    used.add(relation)
                    return values[relation][0][:MAX_NOTE]
            return None

        labels = [f'misp:name="{name}"', *context.labels]
        made = f"{kind}--{id}"
        props: dict[str, Any]
        if kind == "vulnerability":
            title = take("id", "name")
            used |= {"references"} & values.keys()
            references = _cve(title or "")
            references += [{"source_name": "url", "url": u} for u in values.get("references", ())]
            props = {"name": title, "description": take("summary", "description"),
                     "external_references": references}  # fmt: skip
        elif kind == "attack-pattern":
            title = take("name")
            number = take("id")
            references = [{"source_name": "capec", "external_id": f"CAPEC-{number}"}]
            props = {"name": title, "description": take("summary"),
                     "external_references": references if number else []}  # fmt: skip
        else:
            title = take("text")
            props = {"content": title, "abstract": take("type"), "object_refs": [event_id]}
        if title is None:
            self._made.lose("template", context.pointer, f"{name} without what STIX requires")
            return None
        for relation in sorted(values.keys() - used):
            self._made.lose(
                "object-relation",
                context.pointer,
                f"STIX has no place for {relation[:60]} of a {kind}",
                values[relation],
            )
        self._made.write_own(made, context, at, labels=labels, **props)
        return made

    def _reference(
        self, source: str | None, ref: Mapping[str, Any], context: Context, pointer: str
    ) -> None:
        """A reference from one object to another, where both have a place."""
        target = self._made.made_of(uuid(ref.get("referenced_uuid")))
        verb = "-".join((text(ref.get("relationship_type")) or "").lower().split())
        if source is None or target is None or not verb or flag(ref.get("deleted")):
            self._made.lose("reference", pointer, "one end of it has no place here", dict(ref))
            return
        if not verb.replace("-", "").isascii() or not verb.replace("-", "").isalnum():
            self._made.lose(
                "reference", pointer, f"{verb[:60]!r} is no relationship of STIX", dict(ref)
            )
            return
        self._made.relate(source, verb[:250], target, context, self._made.at)


_ATTRIBUTE_MADE = (
    "indicator",
    "observed-data",
    "note",
    "vulnerability",
    "campaign",
    "threat-actor",
)
"""What an attribute may have been made into: whichever it was, it goes when the attribute does."""
_OBJECT_MADE = ("observed-data", "vulnerability", "attack-pattern", "note")


def _value(attribute: Mapping[str, Any]) -> str | None:
    """An attribute's value; feeds of old write the two halves of a composite apart."""
    if (found := text(attribute.get("value"))) is not None:
        return found
    first, second = text(attribute.get("value1")), text(attribute.get("value2"))
    return f"{first}|{second}" if first and second else first


def _commented(comment: str | None) -> list[str]:
    """Observed data has no description: a comment is a label of it."""
    return [f'misp:comment="{comment[:500]}"'] if comment else []


def _cve(name: str) -> list[dict[str, Any]]:
    return [{"source_name": "cve", "external_id": name}] if name.upper().startswith("CVE-") else []


def first_byte(raw: Raw) -> bytes:
    """The sign a value begins with. Only its beginning is copied: it may be an event of 200 MB."""
    return bytes(memoryview(raw)[:256]).lstrip()[:1]


_raws = msgspec.json.Decoder(list[Raw])
_by_name = msgspec.json.Decoder(dict[str, Raw])


def _slices(raw: Raw | None) -> Iterator[Raw]:
    """The rows of a list, each still bytes: a large event is never decoded whole."""
    found: list[Raw] = []
    if raw is not None:
        with suppress(msgspec.DecodeError, RecursionError, UnicodeError):
            plain = first_byte(raw)
            if plain == b"[":
                found = _raws.decode(raw)
            elif plain == b"{":
                named = _by_name.decode(raw)
                found = list(named.values()) if all(k.isdecimal() for k in named) else [raw]
    # Each is let go once it is read: what is made of it takes its room.
    found.reverse()
    while found:
        yield found.pop()


def _loads(raw: Raw) -> Any:
    """A value out of its bytes; None where they are no JSON that has one meaning."""
    try:
        return orjson.loads(bytes(raw))
    except orjson.JSONDecodeError:
        return None
