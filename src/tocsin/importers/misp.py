"""MISP in: events as JSON, alone, in a list or in a `response`, and feeds as a ZIP of their folder.

Everything that has no place in STIX is a loss with its place and its reason, and each event is
kept whole beside the objects made of it, so that a better reading can be made of it later.

Kinds of losses: field, tag, galaxy, template, object-relation, attribute-type, bad-value,
bad-attribute, bad-object, bad-event, bad-uuid, bad-time, duplicate-uuid, payload, too-large,
reference, sighting, proposal, event, missing, more. Findings, nothing of which is lost: marking,
sharing-group.

Spec: MISP core format (draft-dulaunoy-misp-core-format); exchange.md §3.
"""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec
import orjson
from msgspec import Raw

from tocsin.errors import BundleError, BundleSizeError
from tocsin.importers.interface import Loss, Original, Progress, Reading, is_feed, source_of
from tocsin.importers.misp_event import EventReader, first_byte
from tocsin.importers.misp_making import FREE, Taken
from tocsin.policy import Tlp
from tocsin.reading.parsed import Parser

MEDIA_TYPE = "application/vnd.misp+json"
MAX_BYTES = 256 * 1024 * 1024
"""Bytes of a file, and of everything in a feed once it is opened."""
MAX_EVENTS = 10_000
MAX_ATTACHMENT = 64 * 1024 * 1024
"""Bytes of an event that is kept whole (exchange.md §1)."""


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
    """Open MISP events or a feed.

    Args:
        tlp: the marking of events without a TLP tag; a distribution level may tighten it.

    Raises:
        BundleSizeError: too many bytes, events or attributes; nothing of it is taken.
        BundleError: no JSON, or no event in it.
    """
    if len(raw) > MAX_BYTES:
        raise BundleSizeError(
            f"{name}: {len(raw)} bytes, and at most {MAX_BYTES} are read",
            remedy="export it in parts",
        )
    taken = Taken()
    originals: list[Original] = []
    found = good = 0
    try:
        documents = _feed(raw, name, taken) if is_feed(raw) else iter([("", raw)])
        for place, document in documents:
            for pointer, event in _events(document, name, place):
                found += 1
                if found > MAX_EVENTS:
                    raise BundleSizeError(
                        f"{name}: more than {MAX_EVENTS} events",
                        remedy="export it in parts, for example by date",
                    )
                good += _take(event, pointer, name, tlp, taken, originals)
    except RecursionError as wrong:
        raise BundleError(
            f"{name}: nested too deep to be a MISP event", remedy="check where it comes from"
        ) from wrong
    if not good:
        raise BundleError(
            f"{name}: no MISP event in it{_seen(raw)}",
            remedy='an event is {"Event": {"info": …, "Attribute": […]}}, alone, in a list or in a '
            '"response", as MISP exports it; a feed is its folder with manifest.json',
        )
    for kind, count in sorted(taken.uncounted.items()):
        taken.losses.append(Loss(kind="more", note=f"{count} more of the kind {kind}"))
    return Reading(
        source=source_of(raw, name, MEDIA_TYPE, text=None, published=published),
        objects=taken.objects,
        losses=tuple(taken.losses),
        originals=tuple(originals),
        withdrawn=tuple(dict.fromkeys(taken.withdrawn)),
        strictest=taken.strictest,
        groups=tuple(taken.groups.values()),
        shared={id: ways for id, ways in taken.shared.items() if ways != {FREE}},
    )


def _seen(raw: bytes) -> str:
    """What a document holds where an event was looked for."""
    try:
        held = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return ""
    if isinstance(held, list):
        held = held[0] if held else None
    if not isinstance(held, dict):
        return ""
    shown = ", ".join(sorted(str(key)[:30] for key in held)[:6])
    return f": its fields are {shown}" + (", …" if len(held) > 6 else "")


def _take(
    event: Raw,
    pointer: str,
    name: str,
    tlp: Tlp | None,
    taken: Taken,
    originals: list[Original],
) -> bool:
    size = memoryview(event).nbytes
    try:
        fields = _fields.decode(event)
    except (msgspec.DecodeError, UnicodeError):
        taken.lose("bad-event", pointer, "not an event", bytes(event))
        return False
    if size > MAX_ATTACHMENT:
        note = f"{size} bytes: its objects are taken, the whole is too large to be kept"
        taken.lose("too-large", pointer, note, bytes(event))
    else:
        originals.append(Original(held=event, media_type=MEDIA_TYPE))
    EventReader(taken, name, tlp).read(fields, pointer)
    return True


_any = msgspec.json.Decoder(Raw)
_fields = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])


def _events(document: bytes, name: str, place: str) -> Iterator[tuple[str, Raw]]:
    """Every event in a document, with the pointer to it."""
    document = document.removeprefix(b"\xef\xbb\xbf")
    try:
        document.decode("utf-8")
        _any.decode(document)
        yield from _inside(Raw(document), place, 0)
    except UnicodeDecodeError as wrong:
        raise BundleError(
            f"{name}: not UTF-8 at byte {wrong.start}", remedy="export it anew as UTF-8"
        ) from wrong
    except msgspec.DecodeError as wrong:
        raise BundleError(f"{name}: {wrong}", remedy="check that the download finished") from wrong


def _inside(raw: Raw, place: str, depth: int) -> Iterator[tuple[str, Raw]]:
    head = first_byte(raw)
    if depth > 3:
        return
    if head == b"[":
        for n, one in enumerate(_list.decode(raw)):
            yield from _inside(one, f"{place}/{n}", depth + 1)
    elif head == b"{":
        fields = _fields.decode(raw)
        if "Event" in fields and not fields.keys() & {"Attribute", "info"}:
            inner = fields["Event"]
            if first_byte(inner) == b"[":
                yield from _inside(inner, f"{place}/Event", depth + 1)
            else:
                yield f"{place}/Event", inner
        elif "response" in fields:
            yield from _inside(fields["response"], f"{place}/response", depth + 1)
        elif fields and all(k.isdecimal() for k in fields):
            for key, one in fields.items():
                yield from _inside(one, f"{place}/{key}", depth + 1)
        elif fields.keys() & {"info", "Attribute", "Object", "Orgc", "uuid"}:
            yield place, raw


def _feed(raw: bytes, name: str, taken: Taken) -> Iterator[tuple[str, bytes]]:
    """The events that a feed's manifest names, and what of it is missing or not named.

    Raises:
        BundleSizeError: opened it is larger than what a file may be.
    """
    left = MAX_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            names = archive.namelist()
            manifest = min((n for n in names if _base(n) == "manifest.json"), key=len)
            folder = manifest[: -len("manifest.json")]
            listed = _manifest(_opened(archive, manifest, left, name), name)
            held = {
                _base(n).removesuffix(".json"): n
                for n in names
                if n.startswith(folder) and n.endswith(".json") and n != manifest
            }
            for uuid in sorted(listed.keys() - held.keys()):
                note = "the manifest names this event, and it is not there"
                taken.lose("missing", f"/{_shown(uuid)}", note)
            for uuid in sorted(held.keys() - listed.keys()):
                note = "not in the manifest, so no longer part of the feed: not read"
                taken.lose("missing", f"/{_shown(uuid)}", note)
            for uuid in sorted(listed.keys() & held.keys()):
                document = _opened(archive, held[uuid], left, name)
                left -= len(document)
                yield f"/{_shown(uuid)}", document
    except _BROKEN as wrong:
        raise BundleError(
            f"{name}: the archive cannot be opened: {wrong}", remedy="pack the feed's folder anew"
        ) from wrong
    except ValueError as wrong:
        raise BundleError(f"{name}: {wrong}", remedy="pack the feed's folder anew") from wrong


_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
)
"""What reading an archive raises that is damaged, encrypted, or packed in a way we do not read."""


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _shown(key: str) -> str:
    return key[:80].replace("~", "~0").replace("/", "~1")


def _opened(archive: zipfile.ZipFile, member: str, left: int, name: str) -> bytes:
    # The size a member states is its sender's word: read to the limit and no further.
    with archive.open(member) as file:
        data = file.read(left + 1)
    if len(data) > left:
        raise BundleSizeError(
            f"{name}: opened it has more than {MAX_BYTES} bytes", remedy="take the feed in parts"
        )
    return data


def _manifest(raw: bytes, name: str) -> dict[str, Any]:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as wrong:
        raise BundleError(
            f"{name}: manifest.json: {wrong}", remedy="fetch the feed anew"
        ) from wrong
    if not isinstance(found, dict):
        raise BundleError(
            f"{name}: manifest.json is no object of event UUIDs", remedy="fetch the feed anew"
        )
    return found
