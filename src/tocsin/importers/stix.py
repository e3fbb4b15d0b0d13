"""STIX bundles in: objects with the bytes they came in, and what is wrong with the bad ones.

A bad object among good ones is kept and named; broken framing refuses the whole file.
Spec: exchange.md §1.
"""

from __future__ import annotations

from datetime import date

from tocsin.errors import BundleError
from tocsin.importers.interface import Loss, Progress, Reading, source_of
from tocsin.policy import Tlp
from tocsin.reading.parsed import Parser
from tocsin.stix.bundle import open_bundle
from tocsin.stix.check import judged

MEDIA_TYPE = "application/stix+json"


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
    """Open a STIX bundle, a TAXII envelope, a list of objects or one object.

    Raises:
        BundleError: the framing is broken or over a limit; nothing of it is taken. The message
            names the file.
    """
    if not raw.strip():
        raise BundleError(f"{name}: the file is empty", remedy="give a STIX bundle, or a report")
    try:
        received = judged(open_bundle(raw))
    except BundleError as wrong:
        raise _named(wrong, name) from wrong
    losses = [
        Loss(
            kind="bad-object",
            note=f"{one.id or 'an object without an id'}: {one.problem}",
            pointer=f"/objects/{number}",
        )
        for number, one in enumerate(received)
        if one.problem is not None
    ]
    return Reading(
        source=source_of(raw, name, MEDIA_TYPE, text=None, published=published),
        objects=tuple(received),
        losses=tuple(losses),
    )


def _named(wrong: BundleError, name: str) -> BundleError:
    """The same error, saying in which file."""
    return type(wrong)(f"{name}: {wrong.message}", remedy=wrong.remedy, offset=wrong.offset)
