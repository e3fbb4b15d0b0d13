"""One MISP event as STIX objects: who says it, what it holds, who may read it, what was lost.

Attributes that are meant for detection become indicators, others observed data; an object becomes
observed data of its observables, and each of its attributes that is meant for detection an
indicator beside it. A UUID of MISP is the UUID of the one STIX object that stands for it.

Spec: MISP core format (draft-dulaunoy-misp-core-format) §2; STIX 2.1; exchange.md §3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec
import orjson
from msgspec import Raw, Struct

from tocsin.claims.cues import words
from tocsin.errors import BundleError, BundleSizeError
from tocsin.importers import misp_objects, misp_tags
from tocsin.importers.interface import Loss
from tocsin.importers.misp_fields import flag, instant, record, rows, text, uuid, whole
from tocsin.importers.misp_observables import (
    OBSERVABLE_FORMS,
    NoPlaceError,
    Observed,
    attribute_types,
    galaxy_types,
    observe,
)
from tocsin.importers.misp_tags import INHERIT, Marks, both, marks, pap_marking
from tocsin.policy import TLP_RANK, Tlp
from tocsin.stix.bundle import Received
from tocsin.stix.ids import TOCSIN_NAMESPACE, deterministic
from tocsin.stix.markings import MARKING_ID
from tocsin.stix.model import make

MAX_ELEMENTS = 300_000
"""Attributes, sightings and analysts' notes of one file together."""
MAX_LOSSES = 10_000
"""Losses listed one by one; what comes after is counted."""
MAX_REFS = 5_000
"""References of one grouping or report; an event of more is told in several groupings."""
MAX_NOTE = 500_000
"""Characters of a report or note that travel in an object."""
LONG_AGO = "2000-01-01T00:00:00.000Z"

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


class Taken(Struct, kw_only=True):
    """What one file gave so far: objects by id, in order, and what was lost."""

    objects: dict[str, bytes] = {}
    refs: dict[str, tuple[str, ...]] = {}
    """By id."""
    losses: list[Loss] = []
    uncounted: dict[str, int] = {}
    withdrawn: list[str] = []
    """Ids that stand for nothing in it any more."""
    uuids: set[str] = set()
    elements: int = 0
    strictest: Tlp = "CLEAR"

    def lose(self, kind: str, pointer: str, note: str, value: Any = None) -> None:
        """Say that something was not taken over."""
        if len(self.losses) >= MAX_LOSSES:
            self.uncounted[kind] = self.uncounted.get(kind, 0) + 1
            return
        digest = None
        if value is not None:
            plain = value if isinstance(value, bytes) else _bytes(value)
            digest = hashlib.sha256(plain).hexdigest()
        self.losses.append(Loss(kind=kind, note=note, pointer=pointer, value_sha256=digest))

    def count(self, name: str) -> None:
        """One element more. Raises BundleSizeError over the limit."""
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            raise BundleSizeError(
                f"{name}: more than {MAX_ELEMENTS:,} attributes, sightings and notes",
                remedy="export it in parts, for example by date or by event",
            )

    def received(self) -> Iterator[Received]:
        """The objects as if they had come so, in the order they were made."""
        for id, raw in self.objects.items():
            data = orjson.loads(raw)
            yield Received(
                raw=raw,
                sha256=hashlib.sha256(raw).hexdigest(),
                id=id,
                type=id[:-38],
                spec_version="2.1",
                created=data.get("created"),
                modified=data.get("modified"),
                refs=self.refs[id],
            )


def _bytes(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (TypeError, orjson.JSONEncodeError):
        return repr(value).encode("utf-8", "backslashreplace")


class Context(Struct, frozen=True, kw_only=True):
    """What a thing inherits from what holds it."""

    pointer: str
    tlp: Tlp
    pap: str | None
    labels: tuple[str, ...] = ()
    phases: tuple[tuple[str, str], ...] = ()


class EventReader:
    """Reads one event into a `Taken` that a whole file shares."""

    def __init__(self, taken: Taken, name: str, unmarked: Tlp | None) -> None:
        self._taken = taken
        self._name = name
        self._unmarked = unmarked
        self._creator: str | None = None
        self._created = datetime(2000, 1, 1, tzinfo=UTC)
        self._at = self._created
        self._refs: dict[str, None] = {}
        self._by_uuid: dict[str, str] = {}
        self._scos: dict[str, tuple[dict[str, Any], Context]] = {}
        self._seed = ""

    # --- the event ----------------------------------------------------------------------------

    def read(self, fields: Mapping[str, Raw], pointer: str) -> None:
        """Take an event, whose lists are still bytes.

        Raises:
            BundleSizeError: over the limit of what one file may hold.
        """
        lists = {"Attribute", "Object"}
        event = {k: _loads(v) for k, v in fields.items() if k not in lists}
        self._seed = uuid(event.get("uuid")) or str(
            uuid5(TOCSIN_NAMESPACE, str(text(event.get("info"))) + str(event.get("date")))
        )
        if uuid(event.get("uuid")) is None and fields.keys() & _KNOWN_EVENT:
            self._lose("bad-uuid", pointer, "the event has no UUID; one follows from its title")
        self._creator = self._organisation(record(event.get("Orgc") or event.get("Org")), pointer)
        modified = instant(event.get("timestamp"))
        self._at = modified or instant(event.get("date")) or self._created
        if modified is None:
            self._lose("bad-time", pointer + "/timestamp", "the event says no time of its own")
        self._created = min(instant(event.get("date")) or self._at, self._at)
        context = self._marked(event, None, pointer)
        for key in sorted(event.keys() - _KNOWN_EVENT - BOOKKEEPING):
            self._field(event, key, pointer)
        event_id = self._event_id(event)
        for n, raw in enumerate(_slices(fields.get("Attribute"))):
            self._attribute(_loads(raw), context, f"{pointer}/Attribute/{n}", event_id)
        for n, raw in enumerate(_slices(fields.get("Object"))):
            self._object(_loads(raw), context, f"{pointer}/Object/{n}", event_id)
        self._galaxies(event, context, None)
        for n, one in enumerate(rows(event.get("EventReport"))):
            self._report(record(one), context, f"{pointer}/EventReport/{n}", event_id)
        self._proposals(event, pointer)
        self._write_scos()
        self._event(event, event_id, context)
        self._analysts(event, context, event_id)

    def _event_id(self, event: Mapping[str, Any]) -> str:
        return f"{'report' if flag(event.get('published')) else 'grouping'}--{self._seed}"

    def _event(self, event: Mapping[str, Any], event_id: str, context: Context) -> None:
        """The event itself: a report where it is published, else a grouping."""
        title = text(event.get("info")) or "MISP event without a title"
        refs = list(self._refs) or [r for r in (self._creator,) if r]
        if not refs:
            self._lose("event", context.pointer, "the event holds nothing that STIX could group")
            return
        labels = [
            *(
                f'misp:{name}="{v}"'
                for name in ("threat_level_id", "analysis")
                if (v := text(event.get(name)))
            ),
            *context.labels,
        ]
        self._taken.uuids.add(self._seed)
        kept, rest = refs[:MAX_REFS], refs[MAX_REFS:]
        published = instant(event.get("publish_timestamp")) or self._at
        of_type: dict[str, Any] = (
            {"published": published, "report_types": ["threat-report"]}
            if event_id.startswith("report")
            else {"context": "suspicious-activity"}
        )
        self._make(
            event_id, context, self._at, name=title, object_refs=kept, labels=labels, **of_type
        )
        total = (len(refs) + MAX_REFS - 1) // MAX_REFS
        for n in range(2, total + 1):
            kept, rest = rest[:MAX_REFS], rest[MAX_REFS:]
            self._make(
                deterministic("grouping", self._seed, str(n)),
                context,
                self._at,
                name=f"{title} (part {n} of {total})",
                context="suspicious-activity",
                object_refs=[event_id, *kept],
                labels=list(context.labels),
            )

    def _organisation(self, org: Mapping[str, Any], pointer: str) -> str | None:
        """The identity of an organisation as MISP names it; None where it names none."""
        name, id = text(org.get("name")), uuid(org.get("uuid"))
        if name is None and id is None:
            return None
        ref = f"identity--{id}" if id else deterministic("identity", "misp", str(name))
        if ref not in self._taken.objects:
            self._keep(
                ref,
                make(
                    "identity",
                    id=ref,
                    created=LONG_AGO,
                    name=name or f"organisation {id}",
                    identity_class="organization",
                ),
                (),
            )
        return ref

    # --- markings -----------------------------------------------------------------------------

    def _marked(self, holder: Mapping[str, Any], outer: Context | None, pointer: str) -> Context:
        """The context of a thing: its own tags and distribution under those of what holds it."""
        found: Marks = marks(holder)
        for tag in found.unreadable:
            self._lose("marking", pointer, f"{tag[:60]!r} is no level of TLP: read as RED", tag)
        if len(found.named) > 1:
            named = ", ".join(found.named)
            self._lose("marking", pointer, f"tags name {named}: read as {found.named[-1]}")
        group = record(holder.get("SharingGroup"))
        if whole(holder.get("distribution")) == 4 or group:
            orgs = rows(group.get("SharingGroupOrg"))
            name = text(group.get("name")) or "without a name"
            note = (
                f"for the sharing group {name[:60]!r} of {len(orgs)} organisations: "
                "name its parties with --to"
            )
            self._lose("sharing-group", pointer, note, group or None)
        tlp = both(outer.tlp if outer else None, found.tlp)
        if tlp is None or (outer is None and not found.named):
            floor = found.tlp
            given: Tlp = self._unmarked or "AMBER+STRICT"
            tlp = both(floor, given) or given
            note = f"no TLP tag: marked {tlp}"
            self._lose("marking", pointer, note)
        if TLP_RANK[tlp] > TLP_RANK[self._taken.strictest]:
            self._taken.strictest = tlp
        for label in found.labels:
            if not label.startswith("misp-galaxy:") and not label.lower().startswith("kill-chain:"):
                self._lose("tag", pointer, f"kept as a label: {label[:80]}", label)
        pap = found.pap or (outer.pap if outer else None)
        if outer and outer.pap and found.pap:
            pap = misp_tags.stricter_pap(outer.pap, found.pap)
        if pap is not None:
            id, raw = pap_marking(pap)
            self._keep(id, raw, ())
        return Context(
            pointer=pointer,
            tlp=tlp,
            pap=pap,
            labels=found.labels,
            phases=found.phases,
        )

    # --- attributes ---------------------------------------------------------------------------

    def _attribute(
        self, value: Any, outer: Context, pointer: str, event_id: str, *, within: str | None = None
    ) -> None:
        """One attribute: an indicator, observed data, or something of its own.

        Args:
            within: the observed data of the object that holds it; its observables are there.
        """
        self._taken.count(self._name)
        attribute = record(value)
        kind, content = text(attribute.get("type")), _value(attribute)
        if kind is None or content is None:
            self._lose("bad-attribute", pointer, "an attribute without a type or a value", value)
            return
        context = (
            self._marked(attribute, outer, pointer)
            if _has_marks(attribute)
            else Context(pointer=pointer, tlp=outer.tlp, pap=outer.pap)
        )
        for key in sorted(attribute.keys() - _KNOWN_ATTRIBUTE - BOOKKEEPING):
            self._field(attribute, key, pointer)
        rule = attribute_types().get(kind)
        if rule is None:
            if within is None:
                self._lose("attribute-type", pointer, f"STIX has no place for {kind}", content)
            return
        id = self._uuid(attribute, pointer, kind + content)
        if id is None:
            return
        at = instant(attribute.get("timestamp")) or self._at
        form = rule["form"]
        if within is not None and form not in OBSERVABLE_FORMS:
            return  # said by the object it is part of
        if flag(attribute.get("deleted")):
            self._gone(id, *_ATTRIBUTE_MADE)
            return
        if form in OBSERVABLE_FORMS:
            made = self._observable(attribute, rule, kind, content, context, id, at, within)
        else:
            made = self._other(attribute, rule, content, context, id, at, event_id)
        if made is None:
            return
        self._by_uuid[id] = made
        self._refs[made] = None
        self._galaxies(attribute, context, made)
        self._sightings(attribute, context, made)
        self._proposals(attribute, pointer)
        self._analysts(attribute, context, made)

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
                self._lose("bad-value", context.pointer, str(again)[:200], content)
                return None
            self._lose("payload", context.pointer + "/data", str(wrong)[:200], content)
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
        if found.scos and within is None and (not to_ids or last is not None):
            observed = f"observed-data--{id}"
            for sco, props in found.scos.items():
                self._sco(sco, props, context)
            self._make(
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
            self._gone(id, "indicator")  # an earlier version may have been meant for detection
            if observed is None and within is None:
                why = f"STIX has no observable for {kind}, only a pattern"
                self._lose("attribute-type", context.pointer, why, content)
            return observed
        indicator = f"indicator--{id}"
        start = first or at
        expires = self._expires(attribute)
        if expires is not None and expires <= start:
            self._lose("bad-time", context.pointer, "it expires before it is valid", str(expires))
            expires = None
        self._make(
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
                self._refs[observed] = None
            self._relate(indicator, "based-on", base, context, at)
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
            self._lose("too-large", context.pointer, why, content)
            return None
        if form == "rule":
            made = f"indicator--{id}"
            first, _ = self._seen(attribute, context.pointer)
            self._make(
                made, context, at,
                name=comment or None, description=None, pattern=content,
                pattern_type=rule["pattern_type"], valid_from=first or at, labels=labels,
                            )  # fmt: skip
        elif form == "vulnerability":
            made = f"vulnerability--{id}"
            self._make(
                made, context, at,
                name=content, description=comment, labels=labels,
                external_references=_cve(content),
            )  # fmt: skip
        elif form == "named":
            made = f"{rule['type']}--{id}"
            self._make(made, context, at, name=content, description=comment, labels=labels)
        else:
            made = f"note--{id}"
            self._make(
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
                self._lose("bad-time", f"{pointer}/{name}", "it is no time", holder[name])
        if first and last and last < first:
            self._lose("bad-time", f"{pointer}/last_seen", "last seen before first seen", str(last))
            return None, None
        return first, last

    def _expires(self, attribute: Mapping[str, Any]) -> datetime | None:
        """The earliest sighting of the kind "expiration"."""
        times = [
            instant(one.get("date_sighting"))
            for one in map(record, rows(attribute.get("Sighting")))
            if text(one.get("type")) == "2"
        ]
        return min((t for t in times if t is not None), default=None)

    # --- objects ------------------------------------------------------------------------------

    def _object(self, value: Any, outer: Context, pointer: str, event_id: str) -> None:
        holder = record(value)
        name = text(holder.get("name"))
        attributes = rows(holder.get("Attribute"))
        if name is None or not holder:
            self._lose("bad-object", pointer, "an object without a name", value)
            return
        context = (
            self._marked(holder, outer, pointer)
            if _has_marks(holder)
            else Context(pointer=pointer, tlp=outer.tlp, pap=outer.pap)
        )
        for key in sorted(holder.keys() - _KNOWN_OBJECT - BOOKKEEPING):
            self._field(holder, key, pointer)
        template = misp_objects.templates().get(name)
        at = instant(holder.get("timestamp")) or self._at
        id = self._uuid(holder, pointer, name)
        made: str | None = None
        if id is None:
            return
        if flag(holder.get("deleted")):
            self._gone(id, *_OBJECT_MADE)
            for one in map(record, attributes):
                if (inner_id := uuid(one.get("uuid"))) is not None:
                    self._gone(inner_id, *_ATTRIBUTE_MADE)
            return
        # A whole object is not shown to more than each of its attributes.
        for n, one in enumerate(map(record, attributes)):
            own = marks(one).tlp if _has_marks(one) else None
            if own is not None and TLP_RANK[own] > TLP_RANK[context.tlp]:
                context = Context(pointer=pointer, tlp=own, pap=context.pap, labels=context.labels)
                inner = f"{pointer}/Attribute/{n}"
                self._lose("marking", inner, f"the object is marked {own} for it")
        if template is None:
            what = f"STIX has no place for the template {name[:60]}; its attributes stand alone"
            self._lose("template", pointer, what, value)
        elif "fields" in template:
            made = self._compose(holder, name, context, id, at)
        else:
            made = self._whole(holder, template["type"], name, context, id, at, event_id)
        if made is not None:
            self._by_uuid[id] = made
            self._refs[made] = None
            self._analysts(holder, context, made)
        for n, one in enumerate(attributes):
            inner = f"{pointer}/Attribute/{n}"
            attribute = record(one)
            if template is not None and "fields" not in template:
                self._taken.count(self._name)
                continue
            if template is None or flag(attribute.get("to_ids")):
                outer_of = context if made is None else outer
                self._attribute(attribute, outer_of, inner, event_id, within=made)
            else:
                self._taken.count(self._name)
                self._inside(attribute, made, context, inner)
        for n, ref in enumerate(map(record, rows(holder.get("ObjectReference")))):
            self._reference(made, ref, context, f"{pointer}/ObjectReference/{n}")

    def _inside(
        self, attribute: Mapping[str, Any], made: str | None, context: Context, pointer: str
    ) -> None:
        """What hangs on an attribute that is only part of its object."""
        if comment := text(attribute.get("comment")):
            self._lose("field", pointer + "/comment", "a comment on part of an object", comment)
        if made is not None:
            self._sightings(attribute, context, made)
            self._analysts(attribute, context, made)

    def _compose(
        self, holder: Mapping[str, Any], name: str, context: Context, id: str, at: datetime
    ) -> str | None:
        parts = []
        for n, one in enumerate(map(record, rows(holder.get("Attribute")))):
            relation, content = text(one.get("object_relation")), _value(one)
            pointer = f"{context.pointer}/Attribute/{n}"
            if relation is None or content is None:
                self._lose("bad-attribute", pointer, "no object_relation, or no value", one)
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
                name, parts, id, lambda p, v, why: self._lose("object-relation", p, why[:200], v)
            )
        except (NoPlaceError, BundleError) as wrong:
            self._lose("template", context.pointer, f"{name}: {wrong}"[:200])
            return None
        first, last = self._seen(holder, context.pointer)
        for sco, props in found.scos.items():
            self._sco(sco, props, context)
        observed = f"observed-data--{id}"
        comment = text(holder.get("comment"))
        self._make(
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
            self._lose("template", context.pointer, f"{name} without what STIX requires")
            return None
        for relation in sorted(values.keys() - used):
            self._lose(
                "object-relation",
                context.pointer,
                f"STIX has no place for {relation[:60]} of a {kind}",
                values[relation],
            )
        self._make(made, context, at, labels=labels, **props)
        return made

    def _reference(
        self, source: str | None, ref: Mapping[str, Any], context: Context, pointer: str
    ) -> None:
        """A reference from one object to another, where both have a place."""
        target = self._by_uuid.get(uuid(ref.get("referenced_uuid")) or "")
        verb = "-".join((text(ref.get("relationship_type")) or "").lower().split())
        if source is None or target is None or not verb or flag(ref.get("deleted")):
            self._lose("reference", pointer, "one end of it has no place here", dict(ref))
            return
        if not verb.replace("-", "").isascii() or not verb.replace("-", "").isalnum():
            self._lose("reference", pointer, f"{verb[:60]!r} is no relationship of STIX", dict(ref))
            return
        self._relate(source, verb[:250], target, context, self._at)

    # --- what hangs on a thing ----------------------------------------------------------------

    def _galaxies(self, holder: Mapping[str, Any], context: Context, about: str | None) -> None:
        for n, galaxy in enumerate(map(record, rows(holder.get("Galaxy")))):
            pointer = f"{context.pointer}/Galaxy/{n}"
            kind = text(galaxy.get("type")) or ""
            stix = galaxy_types().get(kind)
            for m, cluster in enumerate(map(record, rows(galaxy.get("GalaxyCluster")))):
                where = f"{pointer}/GalaxyCluster/{m}"
                name = text(cluster.get("value"))
                if stix is None or name is None:
                    note = f"no STIX object for a cluster of {kind[:60] or 'no type'}"
                    self._lose("galaxy", where, f"{note}: {(name or '?')[:60]}", dict(cluster))
                    continue
                made = self._cluster(stix, kind, galaxy, cluster, name, where, context)
                self._refs[made] = None
                if about is not None and about.startswith("indicator--") and stix in _INDICATED:
                    self._relate(about, "indicates", made, context, self._at)

    def _cluster(
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
        if made in self._taken.objects:
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
            self._lose("galaxy", f"{pointer}/meta", note, meta[key])
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
            self._lose("galaxy", f"{pointer}/meta", f"a {stix} has no aliases", synonyms)
        if stix == "malware":
            props["is_family"] = True
        if stix == "identity":
            props["identity_class"] = "class"
        # A cluster is common knowledge of whoever keeps the galaxy, but that it stands here is not.
        self._make_of(made, context, self._created, None, props)
        return made

    def _sightings(self, holder: Mapping[str, Any], context: Context, about: str) -> None:
        for n, one in enumerate(map(record, rows(holder.get("Sighting")))):
            pointer = f"{context.pointer}/Sighting/{n}"
            self._taken.count(self._name)
            kind = text(one.get("type")) or "0"
            at = instant(one.get("date_sighting"))
            if kind == "2" and about.startswith("indicator--"):
                continue  # its `valid_until`
            if kind not in ("0", "1") or at is None:
                self._lose(
                    "sighting", pointer, "a sighting of no known kind, or no time", dict(one)
                )
                continue
            seen_by = self._organisation(record(one.get("Organisation")), pointer)
            id = self._uuid(one, pointer, about + str(at) + str(seen_by))
            if id is None:
                continue
            if source := text(one.get("source")):
                self._lose("field", pointer + "/source", "where a sighting was made", source)
            if kind == "0":
                made = f"sighting--{id}"
                self._make_of(made, context, at, seen_by or self._creator, {
                    "first_seen": at, "last_seen": at, "count": 1, "sighting_of_ref": about,
                    "where_sighted_refs": [seen_by] if seen_by else [],
                })  # fmt: skip
            else:
                made = f"opinion--{id}"
                self._make_of(made, context, at, seen_by or self._creator, {
                    "opinion": "strongly-disagree", "explanation": "Seen as a false positive.",
                    "object_refs": [about], "labels": ['misp:sighting-type="1"'],
                })  # fmt: skip
            self._refs[made] = None

    def _analysts(
        self, holder: Mapping[str, Any], context: Context, about: str, depth: int = 0
    ) -> None:
        """Notes and opinions: each in the name of the organisation that wrote it."""
        for name in ("Note", "Opinion"):
            for n, one in enumerate(map(record, rows(holder.get(name)))):
                pointer = f"{context.pointer}/{name}/{n}"
                self._taken.count(self._name)
                by = self._organisation(
                    record(one.get("Orgc") or {"uuid": one.get("orgc_uuid")}), pointer
                )
                at = instant(one.get("modified")) or instant(one.get("created")) or self._at
                said = text(one.get("note" if name == "Note" else "comment"))
                id = self._uuid(one, pointer, about + str(said))
                if id is None or depth > 8:
                    continue
                own = self._marked(one, context, pointer) if _has_marks(one) else context
                authors = [a for a in (text(one.get("authors")),) if a]
                born = min(instant(one.get("created")) or at, at)
                props: dict[str, Any]
                if name == "Note":
                    if said is None:
                        self._lose("bad-attribute", pointer, "a note without words", dict(one))
                        continue
                    props = {"content": said[:MAX_NOTE], "authors": authors,
                             "object_refs": [about], "lang": _language(one)}  # fmt: skip
                else:
                    number = whole(one.get("opinion"))
                    if number is None or not 0 <= number <= 100:
                        self._lose("bad-attribute", pointer, "an opinion is 0 to 100", dict(one))
                        continue
                    props = {
                        "opinion": _opinion(number),
                        "explanation": said,
                        "authors": authors,
                        "object_refs": [about],
                        "labels": [f'misp:opinion="{number}"'],
                    }
                made = f"{name.lower()}--{id}"
                self._make_of(made, own, at, by, props, created=born)
                self._analysts(
                    one, Context(pointer=pointer, tlp=own.tlp, pap=own.pap), made, depth + 1
                )
        for n, one in enumerate(rows(holder.get("Relationship"))):
            self._lose(
                "reference", f"{context.pointer}/Relationship/{n}", "an analyst's relationship", one
            )

    def _report(
        self, report: Mapping[str, Any], outer: Context, pointer: str, event_id: str
    ) -> None:
        content = text(report.get("content")) or text(report.get("name"))
        self._taken.count(self._name)
        if content is None:
            self._lose("bad-attribute", pointer, "a report without words", dict(report))
            return
        id = self._uuid(report, pointer, content[:200])
        if id is None:
            return
        if len(content) > MAX_NOTE:
            self._lose("too-large", pointer, f"cut after {MAX_NOTE:,} characters", content)
        context = self._marked(report, outer, pointer) if _has_marks(report) else outer
        at = instant(report.get("timestamp")) or self._at
        if flag(report.get("deleted")):
            self._gone(id, "note")
            return
        made = f"note--{id}"
        self._make(
            made, context, at,
            abstract=text(report.get("name")), content=content[:MAX_NOTE],
            object_refs=[event_id], labels=['misp:type="event-report"'],
        )  # fmt: skip
        self._refs[made] = None
        self._analysts(report, context, made)

    def _proposals(self, holder: Mapping[str, Any], pointer: str) -> None:
        for n, one in enumerate(rows(holder.get("ShadowAttribute"))):
            note = "a proposal that its event's owner has not taken"
            self._lose("proposal", f"{pointer}/ShadowAttribute/{n}", note, one)

    # --- writing ------------------------------------------------------------------------------

    def _uuid(self, holder: Mapping[str, Any], pointer: str, seed: str) -> str | None:
        """The UUID of a thing; derived where it has none; None where another has it already."""
        found = uuid(holder.get("uuid"))
        if found is None:
            given = holder.get("uuid")
            if given:
                note = "its UUID is none of RFC 4122; one follows from its place"
                self._lose("bad-uuid", pointer, note, given)
            return str(uuid5(UUID(self._seed), pointer + seed))
        if found in self._taken.uuids:
            self._lose("duplicate-uuid", pointer, f"{found} stands for something else here already")
            return None
        self._taken.uuids.add(found)
        return found

    def _gone(self, id: str, *kinds: str) -> None:
        self._taken.withdrawn.extend(f"{kind}--{id}" for kind in kinds)

    def _sco(self, id: str, props: dict[str, Any], context: Context) -> None:
        """An observable, once for all that name it: as open as the most open of them."""
        held = self._scos.get(id)
        if held is None:
            self._scos[id] = (dict(props), context)
        else:
            merged, before = held
            more = {k: v for k, v in props.items() if merged.get(k) != v}
            stricter = before if TLP_RANK[before.tlp] >= TLP_RANK[context.tlp] else context
            looser = context if stricter is before else before
            for key, value in more.items():
                if isinstance(value, list) and isinstance(merged.get(key), list):
                    merged[key] = list(dict.fromkeys([*merged[key], *value]))
                else:
                    merged.setdefault(key, value)
            # What only one of them says is shown to no more than that one.
            self._scos[id] = (merged, stricter if more or len(merged) > len(props) else looser)
        self._refs[id] = None

    def _write_scos(self) -> None:
        for id, (props, context) in self._scos.items():
            body = {k: v for k, v in props.items() if k != "type"}
            self._make_of(id, context, None, None, body)
        self._scos.clear()

    def _relate(self, source: str, verb: str, target: str, context: Context, at: datetime) -> None:
        id = deterministic("relationship", source, verb, target)
        self._make(id, context, at, relationship_type=verb, source_ref=source, target_ref=target)
        self._refs[id] = None

    def _make(self, id: str, context: Context, at: datetime, /, **props: Any) -> None:
        self._make_of(id, context, at, self._creator, props, created=min(self._created, at))

    def _make_of(
        self,
        id: str,
        context: Context,
        at: datetime | None,
        by: str | None,
        props: dict[str, Any],
        created: datetime | None = None,
    ) -> None:
        kind = id[:-38]
        markings = [MARKING_ID[context.tlp]]
        if context.pap is not None:
            markings.append(pap_marking(context.pap)[0])
        try:
            raw = make(
                kind,
                id=id,
                created=created or at,
                modified=at,
                created_by_ref=by,
                object_marking_refs=markings,
                **props,
            )
        except BundleError as wrong:
            self._lose("bad-value", context.pointer, wrong.message[:200])
            return
        refs = {r for k, v in props.items() if k.endswith("_refs") for r in v}
        refs |= {v for k, v in props.items() if k.endswith("_ref") and isinstance(v, str)}
        refs |= set(markings) | ({by} if by else set())
        self._keep(id, raw, tuple(sorted(refs)))

    def _keep(self, id: str, raw: bytes, refs: Sequence[str]) -> None:
        if id not in self._taken.objects:
            self._taken.objects[id] = raw
            self._taken.refs[id] = tuple(refs)

    def _field(self, holder: Mapping[str, Any], key: str, pointer: str) -> None:
        if holder[key] not in (None, "", [], {}, False, 0, "0"):
            shown = str(key)[:60]
            self._lose("field", f"{pointer}/{_escaped(shown)}", "no place for it", holder[key])

    def _lose(self, kind: str, pointer: str, note: str, value: Any = None) -> None:
        self._taken.lose(kind, pointer, note, value)


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


def _has_marks(holder: Mapping[str, Any]) -> bool:
    """Whether a thing says anything of its own about who may read it, or has tags."""
    if holder.get("Tag"):
        return True
    level = whole(holder.get("distribution"))
    return level is not None and level != INHERIT


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


def _language(one: Mapping[str, Any]) -> str | None:
    found = text(one.get("language"))
    return found if found and len(found) <= 20 and found.replace("-", "").isalnum() else None


def _opinion(number: int) -> str:
    """MISP's 0 to 100 in the five words of STIX (`opinion-enum`), twenty points each."""
    words = ("strongly-disagree", "disagree", "neutral", "agree", "strongly-agree")
    return words[min(max(number - 1, 0) // 20, 4)]


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def first_byte(raw: Raw) -> bytes:
    """The sign a value begins with. Only its beginning is copied: it may be an event of 200 MB."""
    return bytes(memoryview(raw)[:256]).lstrip()[:1]


_raws = msgspec.json.Decoder(list[Raw])
_by_name = msgspec.json.Decoder(dict[str, Raw])


def _slices(raw: Raw | None) -> Iterable[Raw]:
    """The rows of a list, each still bytes: a large event is never decoded whole."""
    if raw is None:
        return ()
    plain = first_byte(raw)
    try:
        if plain == b"[":
            return _raws.decode(raw)
        if plain == b"{":
            named = _by_name.decode(raw)
            return named.values() if all(k.isdecimal() for k in named) else (raw,)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return ()
    return ()


def _loads(raw: Raw) -> Any:
    """A value out of its bytes; None where they are no JSON that has one meaning."""
    try:
        return orjson.loads(bytes(raw))
    except orjson.JSONDecodeError:
        return None
