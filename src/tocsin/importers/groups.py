"""Who is called what, who is said to act for whom, and when a campaign was seen: as drafts.

Files that name groups (clusters of a MISP galaxy, groups and campaigns in STIX such as ATT&CK)
speak for themselves: their source is the speaker of all that they say, but for a name that the
file itself ascribes to whoever coined it. No two names are made one, and no field is moved.

An alias is an assessment, a field that names a state or organisation an attribution, a campaign
with its dates a discovery. Flags: bad-date, interval-reversed, unknown-country-code, year-only.
Kinds of losses: bad-object, bad-value, no-value, over-limit.

Spec: claims.md §4, "A is also called B, says SOURCE"; github.com/MISP/misp-galaxy; STIX 2.1 §4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import chain
from typing import Any

from msgspec.structs import replace

from tocsin.claims.times import instant
from tocsin.errors import ReportSizeError
from tocsin.importers import countries
from tocsin.importers.actors import read_actors
from tocsin.importers.dates import read_date
from tocsin.importers.interface import Loss, Progress, Reading, lose, source_of
from tocsin.policy import Tlp
from tocsin.reading.draft import Coded, Draft, DraftFlag
from tocsin.reading.parsed import Parser
from tocsin.relate.names import ACTOR_TYPES, MAX_NAME, Record, fold, is_name

MAX_DRAFTS = 100_000
MAX_SOURCES = 20
_NOBODY = frozenset(("", "unknown", "unattributed", "none", "n/a", "-"))


def read(
    raw: bytes,
    name: str,
    *,
    published: date | None = None,
    tlp: Tlp | None = None,
    columns: str | None = None,
    parser: Parser | None = None,
    progress: Progress | None = None,
) -> Reading:
    """Read a cluster file of a MISP galaxy, or groups and campaigns in STIX, into drafts.

    Args:
        published: when the file says it, for what has no date of its own.
        tlp, columns: not used.

    Raises:
        ReportSizeError: too many bytes, clusters or drafts.
        ReportError, BundleError: see `importers.actors.read_actors`.
    """
    file = read_actors(raw, name)
    losses = list(file.losses)
    objects = {str(one.get("id")): one for one in file.objects}
    shared = Counter(
        folded
        for record in file.records
        for folded in {fold(one) for one in (record.name, *(a.name for a in record.aliases))}
    )
    said = published.isoformat() if published else None
    drafts: list[Draft] = []
    lines: list[str] = []
    at = 0
    # One by one, so that what is over the limit is never made.
    of_records = (_of_record(one, objects, shared, said, losses) for one in file.records)
    for one in chain(chain.from_iterable(of_records), _ties(objects, said, losses)):
        if len(drafts) == MAX_DRAFTS:
            raise ReportSizeError(
                f"{name}: more than {MAX_DRAFTS:,} drafts", remedy="split it over several files"
            )
        line = one.words
        drafts.append(replace(one, span=(at, at + len(line))))
        lines += (line, "\n")
        at += len(line) + 1
    text = "".join(lines)
    return Reading(
        source=source_of(raw, name, "application/json", text=text, published=published),
        text=text,
        drafts=tuple(drafts),
        losses=tuple(losses),
    )


def _draft(
    claim_type: str,
    line: str,
    speaker: str,
    pointer: str,
    when: str | None,
    *,
    about: tuple[str, ...] = (),
    addressee: str | None = None,
    notes: tuple[str, ...] = (),
    flags: tuple[DraftFlag, ...] = (),
    **coded: Any,
) -> Draft:
    return Draft(
        claim_type=claim_type,
        speaker=speaker[:MAX_NAME],
        speaker_role=None,
        addressee=addressee,
        about=about,
        words=" ".join(line.split()),
        span=(0, 0),
        direct=False,
        date=when,
        precision=None if when is None else "day",
        cue=None,
        confidence_notes=notes,
        flags=flags,
        coded=Coded(pointer=pointer, **coded),
    )


def _of_record(
    record: Record,
    objects: Mapping[str, Mapping[str, Any]],
    shared: Mapping[str, int],
    said: str | None,
    losses: list[Loss],
) -> Iterator[Draft]:
    source = str(record.speaker)
    data = objects.get(record.id, {})
    when = _day(data.get("modified")) or said
    urls = _urls(data)
    for alias in record.aliases:
        coiner = alias.coined_by.strip()
        others = shared[fold(alias.name)] - 1
        notes = (f"also a name of {others} other actors in this file",) if others > 0 else ()
        yield _draft(
            "assessment",
            f"“{record.name}” is also called “{alias.name}”",
            coiner or source,
            record.id,
            when,
            about=(record.name, alias.name),
            notes=notes,
            actor=record.name,
            outlet=source if coiner else None,
            sources=urls,
        )
    words = dict(record.words)
    confidence = words.get("attribution-confidence")
    named = 0
    for field in ("country", "cfr-suspected-state-sponsor"):
        value = words.get(field, "")
        if not value:
            continue
        if value.casefold().strip() in _NOBODY:
            note = f"{record.name[:60]}: {field} is {value!r}: nobody is named"
            lose(losses, "no-value", note, record.id)
            continue
        named += 1
        flags: tuple[DraftFlag, ...] = ()
        if field == "country" and not countries.known(value):
            note = f"{value!r} is no country code of ISO 3166-1"
            flags = (
                DraftFlag(name="unknown-country-code", note=note, pointer=f"{record.id}/country"),
            )
        yield _draft(
            "attribution",
            f"“{record.name}”: its field {field} says “{value}”",
            source,
            record.id,
            when,
            about=(record.name,),
            addressee=value,
            notes=(f"the source's field {field}",),
            flags=flags,
            actor=record.name,
            sponsor=value if field == "cfr-suspected-state-sponsor" else None,
            confidence=confidence,
            sources=urls,
        )
    if confidence and not named:
        note = f"{record.name[:60]}: attribution-confidence {confidence}, and nobody is named"
        lose(losses, "no-value", note, record.id)
    if data.get("type") == "campaign":
        yield from _campaign(record, data, source, when, urls)


def _campaign(
    record: Record, data: Mapping[str, Any], source: str, when: str | None, urls: tuple[str, ...]
) -> Iterator[Draft]:
    """A campaign with its dates: what the source says it has seen, and when."""
    flags = []
    printed = {}
    for field in ("first_seen", "last_seen"):
        value = data.get(field)
        if not isinstance(value, str):
            continue
        printed[field] = value[:40]
        found = read_date(value)
        if found is None:
            note = f"{value[:40]!r} cannot be read as a date"
            flags.append(DraftFlag(name="bad-date", note=note, pointer=f"{record.id}/{field}"))
        elif found.precision == "year":
            note = f"{value}: a year and no day"
            flags.append(DraftFlag(name="year-only", note=note, pointer=f"{record.id}/{field}"))
    if not printed:
        return
    if len(printed) == 2 and _is_reversed(printed["first_seen"], printed["last_seen"]):
        note = f"first seen {printed['first_seen']}, last seen {printed['last_seen']}"
        flags.append(
            DraftFlag(name="interval-reversed", note=note, pointer=f"{record.id}/last_seen")
        )
    yield _draft(
        "discovery",
        f"campaign “{record.name}”: first seen {printed.get('first_seen', 'not given')}, "
        f"last seen {printed.get('last_seen', 'not given')}",
        source,
        record.id,
        when,
        about=(record.name,),
        flags=tuple(flags),
        incident=(record.id, record.name),
        sources=urls,
    )


def _is_reversed(first: str, last: str) -> bool:
    """Whether the first date is after the last one, however exactly each is given."""
    try:
        return instant(first) > instant(last)
    except ValueError:  # one of them is no instant
        start, end = read_date(first), read_date(last)
        return start is not None and end is not None and start.first > end.last


def _ties(
    objects: Mapping[str, Mapping[str, Any]], said: str | None, losses: list[Loss]
) -> Iterator[Draft]:
    """Every `attributed-to` between what the file names: its author's word, of that day."""
    for id, data in objects.items():
        if data.get("type") != "relationship" or data.get("relationship_type") != "attributed-to":
            continue
        if data.get("revoked") is True or data.get("x_mitre_deprecated") is True:
            continue
        ends = [objects.get(str(data.get(end)), {}) for end in ("source_ref", "target_ref")]
        source, target = (end.get("name") for end in ends)
        if not is_name(source) or not is_name(target):
            note = "attributed-to, and an end of it is not in the file, or without a name"
            lose(losses, "no-value", note, id)
            continue
        author = objects.get(str(data.get("created_by_ref")), {}).get("name")
        is_actor = ends[1].get("type") in ACTOR_TYPES
        campaign = ends[0].get("type") == "campaign"
        yield _draft(
            "attribution",
            f"“{source}” is attributed to “{target}”",
            str(author) if isinstance(author, str) and author else "a source not given",
            id[:MAX_NAME],
            _day(data.get("modified")) or said,
            about=(source, target),
            addressee=None if is_actor else target,
            actor=target if is_actor else source,
            sponsor=None if is_actor else target,
            incident=(str(ends[0].get("id")), source) if campaign else None,
            sources=_urls(data),
        )


def _day(stamp: Any) -> str | None:
    found = read_date(stamp) if isinstance(stamp, str) else None
    return found.value if found is not None and found.precision == "day" else None


def _urls(data: Mapping[str, Any]) -> tuple[str, ...]:
    references = data.get("external_references")
    found = [
        one["url"]
        for one in (references if isinstance(references, list) else ())
        if isinstance(one, dict) and isinstance(one.get("url"), str)
    ]
    return tuple(
        dict.fromkeys(
            url for url in found if url.startswith(("https://", "http://")) and len(url) <= 2_000
        )
    )[:MAX_SOURCES]
