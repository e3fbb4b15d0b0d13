"""What is made while a MISP file is read: objects, losses, and what each inherits from its holder.

Spec: exchange.md §3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec
import orjson
from msgspec import Struct

from tocsin.errors import BundleError, BundleSizeError
from tocsin.importers import misp_tags
from tocsin.importers.interface import Limits, Loss, Organisation, SharingGroup
from tocsin.importers.misp_fields import record, rows, text, uuid, whole
from tocsin.importers.misp_tags import INHERIT, Marks, both, limited, marks, pap_marking
from tocsin.importers.packed import Packed
from tocsin.policy import TLP_RANK, Tlp
from tocsin.stix.ids import deterministic
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
MAX_GROUPS = 200
"""Sharing groups of one file; what is for one more is for nobody."""
MAX_ORGANISATIONS = 1_000
"""Of one sharing group; those after them are not reached."""
FREE: Limits = frozenset()
"""No sharing group limits it."""
LONG_AGO = "2000-01-01T00:00:00.000Z"


class Taken(Struct, kw_only=True):
    """What one file gave so far: objects by id, in order, and what was lost."""

    objects: Packed = msgspec.field(default_factory=Packed)
    """As if they had come so, in the order they were made."""
    ids: set[str] = set()
    """Of `objects`."""
    losses: list[Loss] = []
    uncounted: dict[str, int] = {}
    withdrawn: list[str] = []
    """Ids that stand for nothing in it any more."""
    uuids: set[int] = set()
    """Those that stand for something. Numbers take half the room of their text."""
    elements: int = 0
    strictest: Tlp = "CLEAR"
    groups: dict[tuple[str, str, tuple[Organisation, ...]], SharingGroup] = {}
    """Each once, in the order they were met."""
    shared: dict[str, frozenset[Limits]] = {}
    """See `Reading.shared`."""

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

    def claim(self, uuid: str) -> bool:
        """Let a UUID stand for something; False: it does already."""
        number = int(uuid.replace("-", ""), 16)
        known = number in self.uuids
        self.uuids.add(number)
        return not known

    def count(self, name: str) -> None:
        """One element more. Raises BundleSizeError over the limit."""
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            raise BundleSizeError(
                f"{name}: more than {MAX_ELEMENTS:,} attributes, sightings and notes",
                remedy="export it in parts, for example by date or by event",
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
    groups: Limits = FREE
    """Sharing groups that all of them have to hold whoever is to have it."""
    labels: tuple[str, ...] = ()
    phases: tuple[tuple[str, str], ...] = ()

    def at(self, pointer: str) -> Context:
        """What a thing inside it inherits."""
        return Context(pointer=pointer, tlp=self.tlp, pap=self.pap, groups=self.groups)


class Maker:
    """Writes the objects of one event into a `Taken` that a whole file shares."""

    def __init__(self, taken: Taken, name: str, unmarked: Tlp | None) -> None:
        self.taken = taken
        self.name = name
        self._unmarked = unmarked
        self.creator: str | None = None
        self.created = datetime(2000, 1, 1, tzinfo=UTC)
        self.at = self.created
        self.refs: dict[str, None] = {}
        """What the event groups, in the order it was made."""
        self.seed = ""
        self._scos: dict[str, tuple[dict[str, Any], Context, frozenset[Limits]]] = {}
        self._lists: dict[tuple[str, str], dict[str, None]] = {}
        """What the lists of `_scos` hold, by id and property, where several attributes fill one: a
        name may resolve to as many addresses as there are attributes."""
        self._organisations: set[str] = set()

    def organisation(self, org: Mapping[str, Any], pointer: str) -> str | None:
        """The identity of an organisation as MISP names it; None where it names none."""
        name, id = text(org.get("name")), uuid(org.get("uuid"))
        if name is None and id is None:
            return None
        ref = f"identity--{id}" if id else deterministic("identity", "misp", str(name))
        self._organisations.add(ref)
        if ref not in self.taken.ids:
            self.keep(
                ref,
                make(
                    "identity",
                    id=ref,
                    created=LONG_AGO,
                    name=name or f"organisation {id}",
                    identity_class="organization",
                ),
            )
        return ref

    def context(self, holder: Mapping[str, Any], outer: Context | None, pointer: str) -> Context:
        """The context of a thing: its own tags and distribution under those of what holds it."""
        found: Marks = marks(holder)
        for tag in found.unreadable:
            self.lose("marking", pointer, f"{tag[:60]!r} is no level of TLP: read as RED", tag)
        if len(found.named) > 1:
            named = ", ".join(found.named)
            self.lose("marking", pointer, f"tags name {named}: read as {found.named[-1]}")
        if found.strange:
            level = holder.get("distribution")
            note = f"{str(level)[:40]!r} is no distribution of MISP: read as this organisation only"
            self.lose("marking", pointer, note, level)
        groups = self.limits(holder, found, outer.groups if outer else FREE, pointer)
        tlp = both(outer.tlp if outer else None, found.tlp)
        if tlp is None or (outer is None and not found.named):
            floor = found.tlp
            given: Tlp = self._unmarked or "AMBER+STRICT"
            tlp = both(floor, given) or given
            note = f"no TLP tag: marked {tlp}"
            self.lose("marking", pointer, note)
        if TLP_RANK[tlp] > TLP_RANK[self.taken.strictest]:
            self.taken.strictest = tlp
        for label in found.labels:
            if not label.startswith("misp-galaxy:") and not label.lower().startswith("kill-chain:"):
                self.lose("tag", pointer, f"kept as a label: {label[:80]}", label)
        pap = found.pap or (outer.pap if outer else None)
        if outer and outer.pap and found.pap:
            pap = misp_tags.stricter_pap(outer.pap, found.pap)
        if pap is not None:
            id, raw = pap_marking(pap)
            self.keep(id, raw)
        return Context(
            pointer=pointer,
            tlp=tlp,
            pap=pap,
            groups=groups,
            labels=found.labels,
            phases=found.phases,
        )

    def limits(
        self, holder: Mapping[str, Any], found: Marks, outer: Limits, pointer: str
    ) -> Limits:
        """The sharing groups of a thing: those of what holds it, and its own."""
        if not found.group:
            return outer
        return outer | {self._group(record(holder.get("SharingGroup")), pointer)}

    def _group(self, given: Mapping[str, Any], pointer: str) -> int:
        """The place of a sharing group among those of the file; told of once."""
        organisations = sorted(
            {
                Organisation(uuid(org.get("uuid")) or "", (text(org.get("name")) or "")[:200])
                for one in rows(given.get("SharingGroupOrg"))[:MAX_ORGANISATIONS]
                if (org := record(record(one).get("Organisation")))
            }
            - {Organisation()}
        )
        name = (text(given.get("name")) or "without a name")[:200]
        groups = self.taken.groups
        key = (uuid(given.get("uuid")) or "", name, tuple(organisations))
        if key not in groups and len(groups) >= MAX_GROUPS:
            key = ("", f"one of more than {MAX_GROUPS}", ())
        if key not in groups:
            groups[key] = SharingGroup(
                uuid=key[0], name=key[1], organisations=key[2], pointer=pointer
            )
            called = ", ".join((o.name or o.uuid)[:40] for o in organisations[:20])
            more = ", …" if len(organisations) > 20 else ""
            note = (
                f"for the sharing group {name[:60]!r} of {len(organisations)} organisations"
                + (f" ({called}{more})" if called else "")
                + ": goes to those of them that are parties here"
            )
            self.lose("sharing-group", pointer, note, dict(given) or None)
        return list(groups).index(key)

    def lose(self, kind: str, pointer: str, note: str, value: Any = None) -> None:
        """Say that something was not taken over."""
        self.taken.lose(kind, pointer, note, value)

    def field(self, holder: Mapping[str, Any], key: str, pointer: str) -> None:
        """A field that nothing here reads is a loss, unless it is empty."""
        if holder[key] not in (None, "", [], {}, False, 0, "0"):
            shown = str(key)[:60]
            self.lose("field", f"{pointer}/{_escaped(shown)}", "no place for it", holder[key])

    def uuid_of(self, holder: Mapping[str, Any], pointer: str, seed: str) -> str | None:
        """The UUID of a thing; derived where it has none; None where another has it already."""
        found = uuid(holder.get("uuid"))
        if found is None:
            given = holder.get("uuid")
            if given:
                note = "its UUID is none of RFC 4122; one follows from its place"
                self.lose("bad-uuid", pointer, note, given)
            return str(uuid5(UUID(self.seed), pointer + seed))
        if not self.taken.claim(found):
            self.lose("duplicate-uuid", pointer, f"{found} stands for something else here already")
            return None
        return found

    def made_of(self, id: str | None) -> str | None:
        """What of this event stands for an attribute or object with this UUID."""
        return next((made for k in _MADE if (made := f"{k}--{id}") in self.refs), None)

    def gone(self, id: str, *kinds: str) -> None:
        """Say that what had this UUID, as whichever of these types, stands for nothing any more."""
        self.taken.withdrawn.extend(f"{kind}--{id}" for kind in kinds)

    def observable(self, id: str, props: dict[str, Any], context: Context) -> None:
        """An observable, once for all that name it: as open as the most open of them."""
        held = self._scos.get(id)
        if held is None:
            self._scos[id] = (dict(props), context, frozenset((context.groups,)))
            self.refs[id] = None
            return
        merged, before, ways = held
        more = {k: v for k, v in props.items() if not self._holds(id, k, merged.get(k), v)}
        order = TLP_RANK[context.tlp] - TLP_RANK[before.tlp]
        if more or len(merged) > len(props):
            # What only one of them says is shown to no more than that one.
            stricter = before if order <= 0 else context
            self._scos[id] = (merged, stricter, frozenset((context.groups.union(*ways),)))
        elif order == 0:
            self._scos[id] = (merged, before, ways | {context.groups})
        elif order < 0:
            self._scos[id] = (merged, context, frozenset((context.groups,)))
        for key, value in more.items():
            if isinstance(value, list) and isinstance(merged.get(key), list):
                named = self._lists.setdefault((id, key), dict.fromkeys(merged[key]))
                named.update(dict.fromkeys(value))
            else:
                merged.setdefault(key, value)
        self.refs[id] = None

    def _holds(self, id: str, key: str, first: Any, value: Any) -> bool:
        """Whether a property is this value already, with all that was added to the first one."""
        named = self._lists.get((id, key))
        if named is None:
            return bool(first == value)
        return len(named) == len(value) and list(named) == value

    def write_observables(self) -> None:
        """Write the observables that were named, each once."""
        for id, (props, context, ways) in self._scos.items():
            body = {k: v for k, v in props.items() if k != "type"}
            body |= {k: list(self._lists[id, k]) for k in body if (id, k) in self._lists}
            self.write(id, context, None, None, body, ways=ways)
        self._scos.clear()
        self._lists.clear()

    def write_organisations(self, context: Context) -> None:
        """Let the organisations an event names go where the event goes."""
        for id in self._organisations:
            self.taken.shared[id] = self.taken.shared.get(id, frozenset()) | {context.groups}
        self._organisations.clear()

    def relate(self, source: str, verb: str, target: str, context: Context, at: datetime) -> None:
        """A relationship in the name of the event's organisation."""
        id = deterministic("relationship", source, verb, target)
        self.write_own(
            id, context, at, relationship_type=verb, source_ref=source, target_ref=target
        )
        self.refs[id] = None

    def write_own(self, id: str, context: Context, at: datetime, /, **props: Any) -> None:
        """An object in the name of the event's organisation."""
        self.write(id, context, at, self.creator, props, created=min(self.created, at))

    def write(
        self,
        id: str,
        context: Context,
        at: datetime | None,
        by: str | None,
        props: dict[str, Any],
        created: datetime | None = None,
        ways: frozenset[Limits] | None = None,
    ) -> None:
        """An object; what STIX refuses of it is a loss.

        Args:
            ways: see `Reading.shared`; None: as the context says.
        """
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
            self.lose("bad-value", context.pointer, wrong.message[:200])
            return
        limited_to = frozenset((context.groups,)) if ways is None else ways
        if id not in self.taken.ids and limited_to != {FREE}:
            self.taken.shared[id] = limited_to
        self.keep(id, raw)

    def keep(self, id: str, raw: bytes) -> None:
        """Keep an object's bytes; the first under an id stays."""
        if id not in self.taken.ids:
            self.taken.ids.add(id)
            self.taken.objects.append(raw)


_MADE = (
    "indicator",
    "observed-data",
    "note",
    "vulnerability",
    "attack-pattern",
    "campaign",
    "threat-actor",
)
"""What an attribute or an object may stand as; an indicator rather than what was observed."""


def has_marks(holder: Mapping[str, Any]) -> bool:
    """Whether a thing says anything of its own about who may read it, or has tags."""
    if holder.get("Tag"):
        return True
    if holder.get("SharingGroup"):
        return True
    return limited(holder) and whole(holder.get("distribution")) != INHERIT


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
