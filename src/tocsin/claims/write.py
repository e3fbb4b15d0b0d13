"""Writing the carrier: claims, evidence, challenges, links and standings as strict STIX 2.1.

Every writer hands its object to the rules that reading keeps, so nothing broken is ever written.

Spec: claims.md §1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tocsin.claims.carrier import check
from tocsin.claims.model import EXTENSION_ID, ROLE_TYPE
from tocsin.claims.times import rfc3339
from tocsin.errors import ClaimError
from tocsin.stix.model import make

TOOL_IDENTITY = "identity--a5295150-3330-5ee7-a051-0c5c4a5fbfca"
_SCHEMA = "https://tocsin.example/schema/claims-1.0.json"
_LONG_AGO = "2026-01-01T00:00:00.000Z"

_OPINION = {"denial": "strongly-disagree", "request": "neutral"}
"""The native `opinion` by form, for other tools; never read back. Every other form: disagree."""


def extension_objects() -> tuple[bytes, bytes]:
    """The identity and the extension definition that a strict reader asks of a bundle of ours."""
    return (
        make(
            "identity",
            id=TOOL_IDENTITY,
            created=_LONG_AGO,
            name="tocsin",
            identity_class="system",
        ),
        make(
            "extension-definition",
            id=EXTENSION_ID,
            created=_LONG_AGO,
            created_by_ref=TOOL_IDENTITY,
            name="tocsin claims",
            schema=_SCHEMA,
            version="1.0.0",
            extension_types=["property-extension"],
        ),
    )


def identity_object(
    *,
    id: str,
    name: str,
    created: datetime | str,
    created_by_ref: str | None = None,
    identity_class: str = "organization",
    modified: datetime | str | None = None,
) -> bytes:
    """A party, person or outlet by the name it is printed with, as strict STIX 2.1."""
    return make(
        "identity",
        id=id,
        created=created,
        modified=modified,
        created_by_ref=created_by_ref,
        name=name,
        identity_class=identity_class,
    )


def claim_object(
    *,
    id: str,
    created: datetime | str,
    created_by_ref: str,
    claim_type: str,
    asserted_at: Mapping[str, Any],
    modified: datetime | str | None = None,
    content: str | None = None,
    lang: str | None = None,
    authors: Sequence[str] = (),
    external_references: Sequence[Mapping[str, Any]] = (),
    object_marking_refs: Sequence[str] = (),
    **x: Any,
) -> bytes:
    """A claim as a strict STIX 2.1 `note`.

    Args:
        content: default the exact `words`, else the `gist`.
        x: the other fields of the extension (§1); None and empty lists are left out.

    Raises:
        ClaimError: a field missing or of the wrong kind.
    """
    words = x.get("words") or {}
    about = [x.get("speaker_ref"), *(x.get("addressee_refs") or ())]
    refs = [ref for ref in about if ref] or [r for r in (x.get("reported_by_ref"),) if r]
    if not refs:
        raise ClaimError(
            f"{id}: a claim without speaker, addressee or outlet speaks of nobody",
            remedy="give speaker_ref, addressee_refs or reported_by_ref",
        )
    return _write(
        "claim",
        {"claim_type": claim_type, "asserted_at": dict(asserted_at), **x},
        id=id,
        created=created,
        modified=modified,
        created_by_ref=created_by_ref,
        abstract=claim_type,
        content=content or words.get("text") or x.get("gist"),
        lang=lang or words.get("lang"),
        authors=authors or [name for name in (x.get("speaker_as_printed"),) if name],
        object_refs=list(dict.fromkeys(refs)),
        external_references=external_references,
        object_marking_refs=object_marking_refs,
    )


def evidence_object(
    *,
    id: str,
    created: datetime | str,
    created_by_ref: str,
    name: str,
    kind: str,
    producer_refs: Sequence[str],
    access: str,
    modified: datetime | str | None = None,
    description: str | None = None,
    object_refs: Sequence[str] = (),
    external_references: Sequence[Mapping[str, Any]] = (),
    object_marking_refs: Sequence[str] = (),
    **x: Any,
) -> bytes:
    """A piece of evidence as a strict STIX 2.1 `grouping`.

    Args:
        object_refs: the material; default those who made it.
        x: the other fields of the extension (§1); None and empty lists are left out.

    Raises:
        ClaimError: a field missing or of the wrong kind.
    """
    return _write(
        "evidence",
        {"kind": kind, "producer_refs": list(producer_refs), "access": access, **x},
        id=id,
        created=created,
        modified=modified,
        created_by_ref=created_by_ref,
        name=name,
        description=description,
        context="unspecified",
        object_refs=list(object_refs) or list(producer_refs),
        external_references=external_references,
        object_marking_refs=object_marking_refs,
    )


def challenge_object(
    *,
    id: str,
    created: datetime | str,
    created_by_ref: str,
    target: str,
    form: str,
    speaker_ref: str,
    asserted_at: Mapping[str, Any],
    modified: datetime | str | None = None,
    explanation: str | None = None,
    authors: Sequence[str] = (),
    external_references: Sequence[Mapping[str, Any]] = (),
    object_marking_refs: Sequence[str] = (),
    **x: Any,
) -> bytes:
    """A challenge of exactly one target as a strict STIX 2.1 `opinion`.

    Args:
        explanation: default the exact `words`.
        x: the other fields of the extension (§1); None and empty lists are left out.

    Raises:
        ClaimError: a field missing or of the wrong kind, or a form that cannot have this target.
    """
    return _write(
        "challenge",
        {"form": form, "speaker_ref": speaker_ref, "asserted_at": dict(asserted_at), **x},
        id=id,
        created=created,
        modified=modified,
        created_by_ref=created_by_ref,
        opinion=_OPINION.get(form, "disagree"),
        explanation=explanation or (x.get("words") or {}).get("text"),
        authors=authors,
        object_refs=[target],
        external_references=external_references,
        object_marking_refs=object_marking_refs,
    )


def link_object(
    *,
    id: str,
    created: datetime | str,
    created_by_ref: str,
    kind: str,
    source_ref: str,
    target_ref: str,
    links: Sequence[str] = (),
    modified: datetime | str | None = None,
    description: str | None = None,
    external_references: Sequence[Mapping[str, Any]] = (),
    object_marking_refs: Sequence[str] = (),
    **x: Any,
) -> bytes:
    """A `supports`, `derived-from`, `controlled-by`, `answers` … as a strict `relationship`.

    Raises:
        ClaimError: an end of the wrong type, or a field missing or of the wrong kind.
    """
    return _write(
        "link",
        {"links": list(links), **x},
        id=id,
        created=created,
        modified=modified,
        created_by_ref=created_by_ref,
        relationship_type=kind,
        source_ref=source_ref,
        target_ref=target_ref,
        description=description,
        external_references=external_references,
        object_marking_refs=object_marking_refs,
    )


def standing_object(
    *,
    id: str,
    created: datetime | str,
    created_by_ref: str,
    standing: Mapping[str, Any],
    content: str,
    modified: datetime | str | None = None,
    object_marking_refs: Sequence[str] = (),
) -> bytes:
    """A computed standing as a strict `note`; never an input, never STIX `confidence`.

    Args:
        standing: the output of §2.4 (`Standing.to_json()`); `claim` becomes `claim_ref`, and what
            is null is left out, as STIX asks.
        content: one plain sentence (`explain.summary`).
    """
    x = {"claim_ref" if name == "claim" else name: value for name, value in standing.items()}
    return _write(
        "standing",
        x,
        keep_empty=True,
        id=id,
        created=created,
        modified=modified,
        created_by_ref=created_by_ref,
        abstract=f"standing: {standing.get('level') or 'none'}",
        content=content,
        object_refs=[standing["claim"]],
        object_marking_refs=object_marking_refs,
    )


def _write(role: str, x: Mapping[str, Any], *, keep_empty: bool = False, **props: Any) -> bytes:
    """Bytes that `read` takes as this role, or a ClaimError: nothing broken is ever written."""
    fields: dict[str, Any] = {"extension_type": "property-extension", "role": role}
    for name, value in x.items():
        if value is not None and (keep_empty or value not in ((), [], {})):
            fields[name] = list(value) if isinstance(value, tuple) else value
    kind = ROLE_TYPE[role]
    own: dict[str, Any] = {}
    for name, value in props.items():
        if value:
            own[name] = list(value) if isinstance(value, tuple) else value
    for name in ("created", "modified"):
        if isinstance(own.get(name), datetime):
            own[name] = rfc3339(own[name])
    own["extensions"] = {EXTENSION_ID: fields}
    check({"type": kind, **own})
    return make(kind, **own)
