"""Reading the carrier: from decoded STIX objects to a `View`, and what breaks its rules.

Nothing here rewrites an object. What breaks a rule of the carrier is named in `View.broken` and
left out of weighing; the others are read all the same.

Spec: claims.md §1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from tocsin.claims.model import (
    EXTENSION_ID,
    ROLE_TYPE,
    TIES,
    Broken,
    Challenge,
    ChallengeFields,
    Claim,
    ClaimFields,
    Dated,
    Evidence,
    EvidenceFields,
    Held,
    Link,
    LinkFields,
    StandingFields,
    StatusEvent,
    StoredStanding,
    Ties,
    View,
)
from tocsin.claims.times import dated_end, instant
from tocsin.errors import ClaimError, SpeakerError

_REMEDY = "correct the object and publish a newer version of it"

_FIELDS: dict[str, Any] = {
    "claim": ClaimFields,
    "evidence": EvidenceFields,
    "challenge": ChallengeFields,
    "link": LinkFields,
    "standing": StandingFields,
}
_ENDS = {
    "supports": (("grouping",), ("note", "opinion")),
    "derived-from": (("grouping",), ("grouping",)),
    "controlled-by": (("identity",), ("identity",)),
    "answers": (("note",), ("note",)),
    "quotes": (("note",), ("note",)),
    "alternative-to": (("note",), ("note",)),
}


class _Wrong(Exception):
    def __init__(self, field: str, message: str, remedy: str = _REMEDY) -> None:
        super().__init__(message)
        self.field, self.message, self.remedy = field, message, remedy


def read(
    objects: Iterable[tuple[Mapping[str, Any], str]],
    *,
    withdrawn: Mapping[str, datetime] | None = None,
) -> View:
    """What these objects say, newest version of each id, in any order.

    Args:
        objects: (decoded object, lower hex SHA-256 of the bytes it was received in).
        withdrawn: id → when its publisher withdrew it by a statement.

    Returns:
        A view; objects that break the carrier are in `broken`, sorted by id, and nowhere else
        but `objects`.
    """
    newest: dict[str, tuple[tuple[str, str, str], Held]] = {}
    for data, sha256 in objects:
        ref = data.get("id")
        if not isinstance(ref, str) or not isinstance(data.get("type"), str):
            continue
        # Two versions of one instant: the larger digest, so that the order of arrival is nothing.
        rank = (*_sortable(data.get("modified") or data.get("created")), sha256)
        if ref not in newest or newest[ref][0] < rank:
            newest[ref] = (rank, Held(data=data, sha256=sha256))
    held = {ref: newest[ref][1] for ref in sorted(newest)}
    found: dict[str, dict[str, Any]] = {role: {} for role in ROLE_TYPE}
    broken: list[Broken] = []
    for ref, one in held.items():
        carried, wrong = _read_one(ref, one)
        if wrong is not None:
            broken.append(wrong)
        elif carried is not None:
            found[carried[0]][ref] = carried[1]
    broken += _misdirected(found["challenge"], held)
    return _index(found, held, tuple(sorted(broken, key=lambda b: b.id)), dict(withdrawn or {}))


def replaced(view: View, versions: Iterable[tuple[Mapping[str, Any], str]]) -> View:
    """`view` with other versions of some of its objects: what `read` would make of all of them.

    Costs as much as what is replaced, and a copy of the tables, where no version ties other things
    together than the one before it did.

    Args:
        versions: as `read` takes objects, one for each id; every id is in `view`.
    """
    found: dict[str, dict[str, Any]] = {
        "claim": dict(view.claims),
        "evidence": dict(view.evidence),
        "challenge": dict(view.challenges),
        "link": dict(view.links),
        "standing": dict(view.standings),
    }
    held, broken = dict(view.objects), {one.id: one for one in view.broken}
    same = True
    for data, sha256 in versions:
        ref = data["id"]
        held[ref] = Held(data=data, sha256=sha256)
        was = next(((role, some.pop(ref)) for role, some in found.items() if ref in some), None)
        now, wrong = _read_one(ref, held[ref])
        same = same and wrong is None and ref not in broken and _ties_alike(was, now)
        broken.pop(ref, None)
        if wrong is not None:
            broken[ref] = wrong
        if now is not None:
            found[now[0]][ref] = now[1]
    if not same:
        # What was broken only as it was misdirected may be so no more.
        for ref in [ref for ref in broken if ref.startswith("opinion--")]:
            now, wrong = _read_one(ref, held[ref])
            if now is not None and wrong is None:
                del broken[ref]
                found[now[0]][ref] = now[1]
        ordered = {role: {ref: some[ref] for ref in sorted(some)} for role, some in found.items()}
        named = [*broken.values(), *_misdirected(ordered["challenge"], held)]
        made = _index(ordered, held, tuple(sorted(named, key=lambda b: b.id)), view.withdrawn)
        return replace(made, called=view.called)
    return replace(
        view,
        claims={ref: found["claim"][ref] for ref in view.claims},
        evidence={ref: found["evidence"][ref] for ref in view.evidence},
        challenges={ref: found["challenge"][ref] for ref in view.challenges},
        links={ref: found["link"][ref] for ref in view.links},
        standings={ref: found["standing"][ref] for ref in view.standings},
        identities={r: held[r].data for r in view.identities},
        objects=held,
    )


def _ties_alike(was: tuple[str, Any] | None, now: tuple[str, Any] | None) -> bool:
    """Whether two versions of one object stand at the same places in every index of a view."""
    if was is None or now is None:
        return was is now
    (role, one), (other_role, other) = was, now
    if role != other_role:
        return False
    if role == "challenge":
        return bool(one.target == other.target)
    if role == "evidence":
        return bool(one.x.origin == other.x.origin)
    if role == "link":
        places = [(x.kind, x.source, x.target, x.publisher) for x in (one, other)]
        return places[0] == places[1]
    return True


def _sortable(stamp: Any) -> tuple[str, str]:
    """A STIX timestamp as text that sorts by time, whatever its number of digits."""
    if not isinstance(stamp, str):
        return ("", "")
    whole, _, fraction = stamp.rstrip("Zz").partition(".")
    return whole, fraction.rstrip("0")


def _read_one(ref: str, held: Held) -> tuple[tuple[str, Any] | None, Broken | None]:
    """(role and what it carries, if it is of the carrier; what breaks it, if something does)."""
    try:
        return _carried(ref, held), None
    except _Wrong as wrong:
        return None, Broken(
            id=ref,
            sha256=held.sha256,
            field=wrong.field,
            message=wrong.message,
            remedy=wrong.remedy,
        )


def _carried(ref: str, held: Held) -> tuple[str, Any] | None:
    data = held.data
    extensions = data.get("extensions")
    if not isinstance(extensions, dict) or EXTENSION_ID not in extensions:
        return None
    x = extensions[EXTENSION_ID]
    if not isinstance(x, dict):
        raise _Wrong("extensions", f"its extension is {x!r}, not an object")
    role = x.get("role")
    if role is None and data["type"] not in ROLE_TYPE.values():
        return None
    if not isinstance(role, str):
        raise _Wrong("role", f"role is {role!r}, not text")
    if role not in ROLE_TYPE:
        return None
    if data["type"] != ROLE_TYPE[role]:
        raise _Wrong(
            "role", f"a {data['type']} cannot be a {role}; a {ROLE_TYPE[role]} can", _REMEDY
        )
    try:
        fields = msgspec.convert(x, _FIELDS[role], strict=True)
    except msgspec.ValidationError as wrong:
        field = _field_of(str(wrong))
        raise _Wrong(field, f"{field}: {wrong}") from wrong
    common: dict[str, Any] = {
        "id": ref,
        "sha256": held.sha256,
        "publisher": _text(data, "created_by_ref", required=False),
        "created": _text(data, "created"),
        "modified": _text(data, "modified", required=False) or _text(data, "created"),
        "urls": _urls(data),
        "x": fields,
    }
    try:
        created = instant(common["created"])
    except ValueError as wrong:
        raise _Wrong("created", str(wrong)) from wrong
    return role, _BUILD[role](data, common, created)


def _field_of(message: str) -> str:
    missing = re.search(r"missing required field `([^`]+)`", message)
    place = re.search(r"`\$\.?([^`]*)`", message)
    path = place[1] if place else ""
    return ".".join(part for part in (path, missing[1] if missing else "") if part) or "extension"


def _text(data: Mapping[str, Any], field: str, *, required: bool = True) -> Any:
    value = data.get(field)
    if value is None and not required:
        return None
    if not isinstance(value, str):
        raise _Wrong(field, f"{field} is {value!r}, not text")
    return value


def _refs(data: Mapping[str, Any], field: str = "object_refs") -> tuple[str, ...]:
    value = data.get(field, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _Wrong(field, f"{field} is not a list of ids")
    return tuple(value)


def _urls(data: Mapping[str, Any]) -> tuple[str, ...]:
    references = data.get("external_references")
    if not isinstance(references, list):
        return ()
    return tuple(
        one["url"]
        for one in references
        if isinstance(one, dict) and isinstance(one.get("url"), str) and one["url"]
    )


def _end_of(dated: Dated | str, field: str) -> datetime:
    try:
        return dated_end(dated)
    except ValueError as wrong:
        raise _Wrong(field, f"{field}: {wrong}", "write a year, month, day or instant") from wrong


def _check_events(events: Sequence[StatusEvent]) -> None:
    for number, event in enumerate(events):
        _end_of(event.at, f"status_events[{number}].at")


def _claim(data: Mapping[str, Any], common: dict[str, Any], _created: datetime) -> Claim:
    x: ClaimFields = common["x"]
    _check_events(x.status_events)
    for number, again in enumerate(x.also_asserted_at):
        _end_of(again, f"also_asserted_at[{number}]")
    return Claim(
        **common,
        known=_end_of(x.asserted_at, "asserted_at"),
        content=_text(data, "content"),
        lang=_text(data, "lang", required=False),
        object_refs=_refs(data),
    )


def _evidence(data: Mapping[str, Any], common: dict[str, Any], created: datetime) -> Evidence:
    x: EvidenceFields = common["x"]
    if x.kind == "court-finding" and not x.court:
        raise _Wrong("court", "court is missing in a court-finding", "name the court and its state")
    if x.commitment is None and "committed" in (x.access, *x.access_for.values()):
        raise _Wrong("commitment", "commitment is missing though access is committed")
    return Evidence(
        **common,
        known=created if x.published is None else _end_of(x.published, "published"),
        name=_text(data, "name", required=False) or common["id"],
        description=_text(data, "description", required=False),
        object_refs=_refs(data),
    )


def _challenge(data: Mapping[str, Any], common: dict[str, Any], _created: datetime) -> Challenge:
    x: ChallengeFields = common["x"]
    _check_events(x.status_events)
    targets = _refs(data)
    if len(targets) != 1:
        raise _Wrong(
            "object_refs",
            f"object_refs names {len(targets)} targets, and a challenge has exactly one",
            "publish one challenge for each target",
        )
    kind = targets[0].partition("--")[0]
    if x.form == "undercut":
        if kind not in ("grouping", "relationship", "opinion"):
            raise _Wrong(
                "object_refs",
                f"an undercut of {targets[0]}, which is no evidence, support or challenge",
                "use rebut, alternative or denial against a claim",
            )
    elif kind != "note":
        raise _Wrong(
            "object_refs",
            f"a {x.form} of {targets[0]}, which is no claim",
            "use undercut against evidence, a support or a challenge",
        )
    return Challenge(
        **common,
        known=_end_of(x.asserted_at, "asserted_at"),
        target=targets[0],
        explanation=_text(data, "explanation", required=False),
    )


def _link(data: Mapping[str, Any], common: dict[str, Any], created: datetime) -> Link:
    kind = _text(data, "relationship_type")
    ends = _text(data, "source_ref"), _text(data, "target_ref")
    for end, field, types in zip(
        ends, ("source_ref", "target_ref"), _ENDS.get(kind, ()), strict=False
    ):
        if end.partition("--")[0] not in types:
            raise _Wrong(field, f"{field} of a {kind} is {end}, not a {' or '.join(types)}")
    if kind == "controlled-by" and not common["x"].basis:
        raise _Wrong("basis", "basis is missing in a controlled-by")
    return Link(**common, known=created, kind=kind, source=ends[0], target=ends[1])


def _stored(_data: Mapping[str, Any], common: dict[str, Any], created: datetime) -> StoredStanding:
    return StoredStanding(**common, known=created)


_BUILD: dict[str, Any] = {
    "claim": _claim,
    "evidence": _evidence,
    "challenge": _challenge,
    "link": _link,
    "standing": _stored,
}


def _misdirected(challenges: dict[str, Challenge], held: Mapping[str, Held]) -> list[Broken]:
    """Undercuts of a relationship that is held and that nothing rests on: taken out, and named."""
    wrong = []
    for ref, challenge in list(challenges.items()):
        target = held.get(challenge.target)
        kind = target.data.get("relationship_type") if target else None
        if challenge.target.startswith("relationship--") and kind not in (None, "supports", *TIES):
            del challenges[ref]
            wrong.append(
                Broken(
                    id=ref,
                    sha256=challenge.sha256,
                    field="object_refs",
                    message=f"an undercut of {challenge.target}, a {kind} on which nothing rests",
                    remedy="undercut the evidence, its support, or a derived-from or controlled-by",
                )
            )
    return wrong


def _index(
    found: Mapping[str, dict[str, Any]],
    held: Mapping[str, Held],
    broken: tuple[Broken, ...],
    withdrawn: Mapping[str, datetime],
) -> View:
    challenges_on: dict[str, list[str]] = {}
    for challenge in found["challenge"].values():
        challenges_on.setdefault(challenge.target, []).append(challenge.id)
    derived = [link for link in found["link"].values() if link.kind == "derived-from"]

    def own_word(link: Link) -> bool:
        copy = found["evidence"].get(link.source)
        return copy is not None and link.publisher in copy.x.producer_refs

    by_publisher: dict[str, list[Link]] = {}
    for link in found["link"].values():
        if link.publisher is not None:
            by_publisher.setdefault(link.publisher, []).append(link)
    return View(
        claims=found["claim"],
        evidence=found["evidence"],
        challenges=found["challenge"],
        links=found["link"],
        standings=found["standing"],
        identities={r: h.data for r, h in held.items() if h.data["type"] == "identity"},
        objects=held,
        broken=broken,
        withdrawn=withdrawn,
        called={},
        challenges_on={ref: tuple(ids) for ref, ids in challenges_on.items()},
        challenged_ties=frozenset(
            ref for ref in challenges_on if ref in found["link"] and found["link"][ref].kind in TIES
        ),
        named=frozenset(
            [one.x.origin for one in found["evidence"].values() if one.x.origin]
            + [link.target for link in derived]
            + [link.source for link in derived if not link.urls and not own_word(link)]
        ),
        coded={who: Ties(**_ties(links)) for who, links in by_publisher.items()},
        **_ties(found["link"].values()),
    )


def _ties(links: Iterable[Link]) -> dict[str, dict[str, tuple[str, ...]]]:
    """The indexes of `Ties`."""
    made: dict[str, dict[str, list[str]]] = {name: {} for name in Ties.__struct_fields__}
    for link in links:
        if link.kind == "supports":
            made["supports_into"].setdefault(link.target, []).append(link.id)
            made["supports_from"].setdefault(link.source, []).append(link.id)
        elif link.kind == "derived-from":
            made["derived_out"].setdefault(link.source, []).append(link.id)
            made["derived_into"].setdefault(link.target, []).append(link.id)
        elif link.kind == "controlled-by":
            for end in {link.source, link.target}:
                made["controls"].setdefault(end, []).append(link.id)
    return {name: {ref: tuple(ids) for ref, ids in one.items()} for name, one in made.items()}


def check(data: Mapping[str, Any]) -> None:
    """See that an object of ours, decoded, keeps the carrier.

    Raises:
        ClaimError: it breaks it.
    """
    try:
        _carried(data["id"], Held(data=data, sha256=""))
    except _Wrong as wrong:
        raise ClaimError(f"{data['id']}: {wrong.message}", remedy=wrong.remedy) from wrong


def check_publisher(data: Mapping[str, Any], identity: str) -> None:
    """See that an object of ours is published by the identity of the party that signs it.

    Raises:
        SpeakerError: `created_by_ref` is missing or another's.
    """
    extensions = data.get("extensions")
    ours = isinstance(extensions, dict) and EXTENSION_ID in extensions
    if ours and data.get("created_by_ref") != identity:
        raise SpeakerError(
            f"{data.get('id')} says it is published by {data.get('created_by_ref')}, and the party "
            f"that signs is {identity}",
            remedy="publish it under your own identity; name the other one as the speaker",
        )
