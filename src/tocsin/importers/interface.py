"""What every importer gives: a reading, with its losses. Nothing read is asserted by anybody.

A foreign file comes in as bytes and a name; out come drafts, indicators or objects, each tied to
the place it came from, and a list of everything that was left out. Spec: claims.md §3.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Literal, Protocol, TypeAlias

import msgspec
from msgspec import Raw, Struct

from tocsin.policy import Tlp
from tocsin.reading.draft import Draft
from tocsin.reading.parsed import Parser
from tocsin.stix.bundle import Received


class Source(Struct, frozen=True, kw_only=True):
    """The file that was read.

    `sha256` is of its bytes; `text_sha256` of the kept text in UTF-8, into which spans point, None
    where no text was kept; `published` is RFC 3339 text, or None where nobody said.
    """

    sha256: str
    text_sha256: str | None
    name: str
    media_type: str
    published: str | None
    published_as: str | None = None
    """How the file gives that day itself; None where whoever read it in said so."""


class Loss(Struct, frozen=True, kw_only=True):
    """Something that was not taken over. `span`: code points of the kept text; `pointer`: RFC 6901.

    Kinds: boilerplate, bad-characters, date-unclear, no-text, own-site, markup, not-parsed,
    running-head, extra-document, bad-object; of a MISP event those that `importers/misp.py` lists.
    """

    kind: str
    span: tuple[int, int] | None = None
    note: str
    pointer: str | None = None
    value_sha256: str | None = None
    """Of what was lost, where it stands in the original: text as UTF-8, the rest as sorted JSON."""


MAX_LOSSES = 1_000
"""Losses of one file that are listed; of more it is said that there are more."""


def lose(
    losses: list[Loss],
    kind: str,
    note: str,
    pointer: str | None = None,
    *,
    span: tuple[int, int] | None = None,
) -> None:
    """Add a loss to those of a file, as long as they are listed."""
    if len(losses) < MAX_LOSSES:
        losses.append(Loss(kind=kind, note=note, pointer=pointer, span=span))
    elif len(losses) == MAX_LOSSES:
        note = f"more than {MAX_LOSSES} losses: not all are listed"
        losses.append(Loss(kind="over-limit", note=note))


class Original(Struct, frozen=True, kw_only=True):
    """A foreign document kept whole, so that a later reading can be made of it."""

    held: bytes | Raw
    """A part of the file is not copied before somebody wants it: it may be nearly all of it."""
    media_type: str

    @property
    def raw(self) -> bytes:
        """Its bytes."""
        return bytes(self.held)


class IndicatorDraft(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value a report prints, in its normal form, with its first place in the kept text."""

    type: str
    value: str
    raw: str
    span: tuple[int, int]
    defanged: bool
    notes: tuple[str, ...]
    first_seen: str | None = None
    """RFC 3339, where the source says since when."""
    valid_until: str | None = None
    tlp: Tlp | None = None
    """The source's own marking of it, which an acceptance never loosens."""
    comment: str | None = None


class Organisation(Struct, frozen=True, order=True):
    """An organisation as a foreign file names it; nothing ties it to a party yet."""

    uuid: str = ""
    name: str = ""


class SharingGroup(Struct, frozen=True, kw_only=True):
    """Organisations that may have something, and no others, by the file's own word."""

    uuid: str = ""
    name: str
    organisations: tuple[Organisation, ...]
    pointer: str
    """Where the file first names it (RFC 6901)."""


Limits: TypeAlias = frozenset[int]
"""Places in `Reading.groups`: whoever is to have the thing has to be in each of these."""


class Reading(Struct, frozen=True, kw_only=True):
    """All that one file gave. `text` is the kept text, "" for a bundle."""

    source: Source
    text: str = ""
    drafts: tuple[Draft, ...] = ()
    indicators: tuple[IndicatorDraft, ...] = ()
    losses: tuple[Loss, ...] = ()
    objects: Sequence[Received] = ()
    originals: tuple[Original, ...] = ()
    """What `objects` were made of, where they are not the file's own bytes."""
    withdrawn: tuple[str, ...] = ()
    """Ids that stand for nothing in it any more: what the sender has deleted, or turned into
    something else. An earlier reading may have said them."""
    strictest: Tlp | None = None
    """The strictest marking of anything in it: what its originals are kept under."""
    groups: tuple[SharingGroup, ...] = ()
    shared: Mapping[str, frozenset[Limits]] = {}
    """By object id: the limits under which it may be had, each enough. What is not here is under
    none; a limit of no groups stands for whoever the file is said to."""


Progress: TypeAlias = Callable[[int, int], None]
"""Told how many parts of a file are read, and of how many: the pages of a PDF."""


class Importer(Protocol):
    """Turns the bytes of one foreign format into a reading, or refuses with a typed error."""

    def read(
        self,
        raw: bytes,
        name: str,
        *,
        published: date | None = None,
        tlp: Tlp | None = None,
        columns: str | None = None,
        parser: Parser | None = None,
        progress: Progress | None = None,
    ) -> Reading:
        """Read `raw`, called `name`.

        Args:
            published: what relative times count from.
            tlp: the marking of what carries none; formats without markings of their own ignore it.
            columns: the names of a table's columns, where it has no header row.
            parser: a learned parser to read running text with besides; other formats ignore it.

        Raises:
            ParserError: the parser is of another language than the text.
        """
        ...


def source_of(
    raw: bytes,
    name: str,
    media_type: str,
    *,
    text: str | None,
    published: date | None,
    published_as: str | None = None,
) -> Source:
    """The source record of a file, digests included."""
    return Source(
        sha256=hashlib.sha256(raw).hexdigest(),
        text_sha256=None if text is None else hashlib.sha256(text.encode()).hexdigest(),
        name=name,
        media_type=media_type,
        published=None if published is None else published.isoformat(),
        published_as=published_as,
    )


_MISP = re.compile(
    rb"""\A[\[{\s"]*(?:Event|response|EventReport|Attribute)"\s*:"""
    rb"""|"(?:threat_level_id|Orgc|orgc_id|publish_timestamp|sharing_group_id)"\s*:"""
)
_GALAXY = re.compile(rb'"values"\s*:\s*\[')
_GALAXY_TOO = re.compile(rb'"(?:authors|category|source|type|version)"\s*:')
_INCIDENTS = re.compile(rb'(?:\A|[;,\t"])(?:incident_id|id)"?\s*[;,\t]', re.IGNORECASE)
_STIX = re.compile(rb'"(?:spec_version|object_refs|pattern_type|object_marking_refs)"\s*:')


Kind: TypeAlias = Literal["stix", "report", "misp", "csv", "incidents", "groups"]


def chosen(raw: bytes, name: str, columns: str | None, as_claims: bool) -> Kind:
    """The importer for a file and what was asked of it.

    Args:
        columns: given, the file is a table of indicators.
        as_claims: read groups and campaigns in STIX as claims, not as objects.
    """
    kind: Kind = "csv" if columns is not None else sniff(raw, name)
    return "groups" if as_claims and kind == "stix" else kind


def sniff(raw: bytes, name: str) -> Kind:
    """Which importer a file is for, by its first bytes, then by its name.

    JSON is MISP, or STIX, or refused as such: no report is written in it. Only the beginning is
    looked at, so that a large file costs nothing here.
    """
    head = raw[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:4] == b"PK\x03\x04" and is_feed(raw):
        return "misp"
    if head[:1] in (b"{", b"[") and _MISP.search(head) and not _STIX.search(head):
        return "misp"
    galaxy = _GALAXY.search(head) and _GALAXY_TOO.search(head)
    if head[:1] == b"{" and galaxy and not _STIX.search(head):
        return "groups"
    if head[:1] == b"{":
        return "stix"
    if head[:1] == b"[" and head[1:].lstrip()[:1] in (b"{", b"]"):
        return "stix"
    if name.lower().endswith((".json", ".stix", ".stix2")):
        return "stix"
    if name.lower().endswith((".csv", ".tsv")):
        first = raw[:65_536].removeprefix(b"\xef\xbb\xbf").splitlines()[:1] or [b""]
        table = b"attribut" in first[0].lower() and _INCIDENTS.search(first[0])
        return "incidents" if table else "csv"
    return "report"


def is_feed(raw: bytes) -> bool:
    """Whether a ZIP archive holds the manifest of a MISP feed."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return any(n.rpartition("/")[2] == "manifest.json" for n in archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError):
        return False


def to_json(reading: Reading) -> dict[str, Any]:
    """The JSON of `tocsin ingest --json` for one file. Spec: claims.md §3, last paragraphs."""
    source = {name: getattr(reading.source, name) for name in Source.__struct_fields__}
    losses = [_loss(loss) for loss in reading.losses]
    if reading.objects or reading.source.text_sha256 is None:
        made = {
            "source": source,
            "objects": [_object(received) for received in reading.objects],
            "losses": losses,
        }
        return made | ({"withdrawn": list(reading.withdrawn)} if reading.withdrawn else {})
    return {
        "source": source,
        "drafts": [as_machine(draft) for draft in reading.drafts],
        "indicators": [_indicator(one) for one in reading.indicators],
        "losses": losses,
    }


def as_machine(draft: Draft) -> dict[str, Any]:
    """A draft as JSON: what only data sets or a parser give is there only where it is given."""
    made = msgspec.to_builtins(draft)
    for name in ("flags", "coded", "parser"):
        if not made[name]:
            del made[name]
    return dict(made)


def _plain(struct: Struct) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        made[name] = list(value) if isinstance(value, tuple) else value
    return made


def _indicator(one: IndicatorDraft) -> dict[str, Any]:
    made = _plain(one)
    for name in ("first_seen", "valid_until", "tlp", "comment"):
        if made[name] is None:
            del made[name]
    return made


def _loss(loss: Loss) -> dict[str, Any]:
    made = _plain(loss)
    for name in ("pointer", "value_sha256"):
        if made[name] is None:
            del made[name]
    return made


def _object(received: Received) -> dict[str, Any]:
    made: dict[str, Any] = {"id": received.id, "type": received.type, "sha256": received.sha256}
    if received.problem is not None:
        made["problem"] = received.problem
    return made
