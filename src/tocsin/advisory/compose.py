"""One advisory from one source: its renderings, and the manifest that parties sign.

The same source gives the same bytes on every machine. Nothing is relabelled: an object marked
more strictly than the text does not go in. No rendering holds signatures; they come later, and
cover the manifest.

Spec: respond.md §5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
from msgspec import Struct

from tocsin import __version__, canonical
from tocsin.advisory.model import Advisory, Source
from tocsin.errors import MarkingError, RenderingError
from tocsin.policy import TLP_ORDER, TLP_RANK, Tlp
from tocsin.stix import ids
from tocsin.stix.bundle import open_bundle, write_bundle
from tocsin.stix.markings import MARKING_ID, marking_definition, tlp_of
from tocsin.stix.model import make

STIX_PATH = "advisory.stix.json"
STIX_TYPE = "application/stix+json;version=2.1"
HTML_PATH = "advisory.html"
HTML_TYPE = "text/html; charset=utf-8"


class Composed(Struct, frozen=True, kw_only=True):
    """The renderings by path, and the manifest that names each of their bytes."""

    renderings: dict[str, tuple[str, bytes]]
    """Path → (media type, bytes)."""
    manifest: bytes
    manifest_sha256: str


def compose(source: Advisory) -> Composed:
    """Render `source` in every form, and list the results.

    Raises:
        MarkingError: an object is marked more strictly than the text, or by a level that is none.
        RenderingError: an object's bytes are not those of its digest, or no STIX; no author; a
            number of signatures that cannot be.
    """
    # Jinja2 is loaded where a page is made.
    from tocsin.advisory.render import render_html

    _check(source)
    renderings = {
        STIX_PATH: (STIX_TYPE, render_stix(source)),
        HTML_PATH: (HTML_TYPE, render_html(source)),
    }
    manifest = canonical.encode(
        {
            "advisory": source.id,
            "rev": source.rev,
            "tlp": source.tlp,
            "source_sha256": source_sha256(source),
            "objects": [{"id": one.id, "sha256": one.sha256} for one in _objects(source)],
            "renderings": [
                {
                    "path": path,
                    "media_type": media_type,
                    "sha256": hashlib.sha256(body).hexdigest(),
                    "size": len(body),
                }
                for path, (media_type, body) in sorted(renderings.items())
            ],
            "policy": {"k": source.k, "of": source.of},
            "tool": f"tocsin {__version__}",
        }
    )
    return Composed(
        renderings=renderings,
        manifest=manifest,
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
    )


def source_sha256(source: Advisory) -> str:
    """SHA-256 of the source as canonical JSON, the objects by id and digest."""
    plain: dict[str, Any] = {
        name: getattr(source, name)
        for name in ("id", "rev", "tracking_id", "title", "lang", "tlp", "date", "summary")
    }
    plain["policy"] = {"k": source.k, "of": source.of}
    for name, lines in (
        ("authors", source.authors),
        ("claims", source.claims),
        ("indicators", source.indicators),
    ):
        plain[name] = [
            {field: getattr(line, field) for field in line.__struct_fields__} for line in lines
        ]
    plain["objects"] = [
        {"id": one.id, "sha256": one.sha256, "tlp": one.tlp} for one in source.objects
    ]
    return hashlib.sha256(canonical.encode(plain)).hexdigest()


def render_stix(source: Advisory) -> bytes:
    """A bundle: the definition of the marking, each object as it came, and one `report`.

    Raises:
        RenderingError: there is nobody and nothing for the report to point at.
    """
    objects = _objects(source)
    report = make(
        "report",
        # Each revision is an object of its own: a signature is for one of them.
        id=ids.deterministic("report", source.id, str(source.rev)),
        created=source.date,
        created_by_ref=source.authors[0].identity,
        lang=source.lang,
        name=source.title,
        description=source.summary,
        report_types=["threat-report"],
        published=source.date,
        object_refs=list(dict.fromkeys(one.id for one in objects))
        or [author.identity for author in source.authors],
        external_references=[{"source_name": "tocsin", "external_id": source.tracking_id}],
        object_marking_refs=[MARKING_ID[source.tlp]],
    )
    definition = marking_definition(source.tlp)
    carried = [one.raw for one in objects if one.id != MARKING_ID[source.tlp]]
    return write_bundle(
        [definition, *carried, report],
        ids.deterministic("bundle", source.id, str(source.rev)),
    )


def _objects(source: Advisory) -> list[Source]:
    """The objects, each once, in the order given."""
    return list({(one.id, one.sha256): one for one in source.objects}.values())


def _check(source: Advisory) -> None:
    if not source.authors:
        raise RenderingError(
            f"{source.id} has no author", remedy="name at least the party that proposes it"
        )
    if not 1 <= source.k <= source.of:
        raise RenderingError(
            f"{source.id} asks for {source.k} of {source.of} signatures",
            remedy="ask for 1 or more, and for no more than there are parties",
        )
    if source.tlp not in TLP_RANK:
        raise MarkingError(
            f"{source.id} is marked {source.tlp!r}", remedy=f"use one of {', '.join(TLP_ORDER)}"
        )
    for one in source.objects:
        _check_object(one, source)


def _check_object(one: Source, source: Advisory) -> None:
    if hashlib.sha256(one.raw).hexdigest() != one.sha256:
        raise RenderingError(
            f"the bytes of {one.id} are not those of {one.sha256}",
            remedy="fetch the object again by its digest",
        )
    opened = open_bundle(one.raw, max_objects=1)
    if len(opened) != 1 or opened[0].raw != one.raw or opened[0].id != one.id:
        raise RenderingError(
            f"what stands under {one.id} is not that one object",
            remedy="give each object as the bytes it came in",
        )
    own, _ = tlp_of(orjson.loads(one.raw), {})
    marked: Sequence[Tlp] = (one.tlp, own) if own is not None else (one.tlp,)
    strictest = max(marked, key=lambda tlp: TLP_RANK.get(tlp, len(TLP_RANK)))
    if TLP_RANK.get(strictest, len(TLP_RANK)) > TLP_RANK[source.tlp]:
        raise MarkingError(
            f"{one.id} is TLP:{strictest}, and the text of {source.id} is TLP:{source.tlp}",
            remedy=f"mark the text TLP:{strictest}, leave the object out, or ask its originator "
            "to say it again more widely",
        )
