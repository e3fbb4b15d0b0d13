"""What every importer gives: a reading, with its losses. Nothing read is asserted by anybody.

A foreign file comes in as bytes and a name; out come drafts, indicators or objects, each tied to
the place it came from, and a list of everything that was left out. Spec: claims.md §3.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any, Literal, Protocol

from msgspec import Struct

from tocsin.claims.quotes import Draft
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


class Loss(Struct, frozen=True, kw_only=True):
    """Something that was not taken over. `span`: code points of the kept text; `pointer`: RFC 6901.

    Kinds: boilerplate, bad-characters, no-text, own-site, markup, extra-document, bad-object.
    """

    kind: str
    span: tuple[int, int] | None = None
    note: str
    pointer: str | None = None


class IndicatorDraft(Struct, frozen=True, kw_only=True):
    """A value a report prints, in its normal form, with its first place in the kept text."""

    type: str
    value: str
    raw: str
    span: tuple[int, int]
    defanged: bool
    notes: tuple[str, ...]


class Reading(Struct, frozen=True, kw_only=True):
    """All that one file gave. `text` is the kept text, "" for a bundle."""

    source: Source
    text: str = ""
    drafts: tuple[Draft, ...] = ()
    indicators: tuple[IndicatorDraft, ...] = ()
    losses: tuple[Loss, ...] = ()
    objects: tuple[Received, ...] = ()


class Importer(Protocol):
    """Turns the bytes of one foreign format into a reading, or refuses with a typed error."""

    def read(self, raw: bytes, name: str, *, published: date | None = None) -> Reading:
        """Read `raw`, called `name`; `published` is what relative times count from."""
        ...


def source_of(
    raw: bytes, name: str, media_type: str, *, text: str | None, published: date | None
) -> Source:
    """The source record of a file, digests included."""
    return Source(
        sha256=hashlib.sha256(raw).hexdigest(),
        text_sha256=None if text is None else hashlib.sha256(text.encode()).hexdigest(),
        name=name,
        media_type=media_type,
        published=None if published is None else published.isoformat(),
    )


def sniff(raw: bytes, name: str) -> Literal["stix", "report"]:
    """Which importer a file is for, by its first bytes, then by its name.

    JSON is STIX or refused as such: no report is written in it. Only the beginning is looked at,
    so that a large file costs nothing here.
    """
    head = raw[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] == b"{":
        return "stix"
    if head[:1] == b"[" and head[1:].lstrip()[:1] in (b"{", b"]"):
        return "stix"
    if name.lower().endswith((".json", ".stix", ".stix2")):
        return "stix"
    return "report"


def to_json(reading: Reading) -> dict[str, Any]:
    """The JSON of `tocsin ingest --json` for one file. Spec: claims.md §3, last paragraphs."""
    source = {name: getattr(reading.source, name) for name in Source.__struct_fields__}
    losses = [_loss(loss) for loss in reading.losses]
    if reading.objects or reading.source.text_sha256 is None:
        return {
            "source": source,
            "objects": [_object(received) for received in reading.objects],
            "losses": losses,
        }
    return {
        "source": source,
        "drafts": [_plain(draft) for draft in reading.drafts],
        "indicators": [_plain(indicator) for indicator in reading.indicators],
        "losses": losses,
    }


def _plain(struct: Struct) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        made[name] = list(value) if isinstance(value, tuple) else value
    return made


def _loss(loss: Loss) -> dict[str, Any]:
    made = _plain(loss)
    if loss.pointer is None:
        del made["pointer"]
    return made


def _object(received: Received) -> dict[str, Any]:
    made: dict[str, Any] = {"id": received.id, "type": received.type, "sha256": received.sha256}
    if received.problem is not None:
        made["problem"] = received.problem
    return made
