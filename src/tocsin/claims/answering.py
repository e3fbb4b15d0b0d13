"""What a person says about a claim, as objects: an answer, grounds, grounds shown later.

Pure: ids and the time come from outside. What is made here is said like any other object.

Spec: claims.md §1, §2.1, §2.2.3.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from tocsin.claims import write
from tocsin.claims.carrier import check
from tocsin.claims.model import ACCESS, EXTENSION_ID, KIND_CLASS, LINKS
from tocsin.claims.times import rfc3339
from tocsin.errors import ClaimError
from tocsin.stix import ids
from tocsin.stix.model import make

MOST_MATERIAL = 700_000
"""Bytes of one file in one object: in base64 it stays under the 1 MiB that nodes take (§1)."""
REPLIES = ("accepted", "refused", "partly", "premise-denied")
"""What a reply to a call or a demand may be."""
CAPACITIES = ("personal", "spokesperson", "agency", "vendor", "court", "press", "unknown")
"""As what somebody speaks (§1)."""
_HEADING = b"tocsin commitment "
_SHOWN = ("inspectable", "reproduced")

New = Callable[[str], str]
"""STIX type → a new id of it."""


class File(Struct, frozen=True, kw_only=True):
    """Material that grounds consist of."""

    name: str
    raw: bytes
    media_type: str = "application/octet-stream"


class Saying(Struct, frozen=True, kw_only=True):
    """Whose word it is, and when: what everything said at once has in common."""

    new: New
    now: datetime
    by: str
    """Identity of the party that signs."""
    speaker: str | None = None
    """Identity of whoever is quoted, where the party only passes on what stands at `url`."""
    url: str | None = None
    said_on: str | None = None
    """A day or an instant, where it was said before now."""
    capacity: str | None = None
    """As what the speaker speaks, one of `CAPACITIES`."""
    speaks_for: str | None = None
    """Identity of whoever the speaker speaks for, where that is not the speaker alone."""

    @property
    def common(self) -> dict[str, Any]:
        return {"created": self.now, "created_by_ref": self.by}

    @property
    def asserted(self) -> dict[str, Any]:
        """When it was said, as the carrier dates it."""
        if self.said_on is None:
            return {"value": rfc3339(self.now), "precision": "instant"}
        return {"value": self.said_on, "precision": "day" if len(self.said_on) == 10 else "instant"}

    @property
    def voice(self) -> dict[str, Any]:
        """Whose words they are: the same fields for a charge, an answer and a reply."""
        speaker = self.speaker or self.by
        if self.speaks_for == speaker:
            raise ClaimError(
                f"{speaker} speaks for itself",
                remedy="name another organisation, or leave out whom it speaks for",
            )
        return {
            "speaker_ref": speaker,
            "capacity": self.capacity,
            "speaks_for_ref": self.speaks_for,
        }

    @property
    def references(self) -> list[dict[str, Any]]:
        return [{"source_name": "source", "url": self.url}] if self.url else []

    def words(self, text: str, lang: str) -> dict[str, Any]:
        """Exact words; those of somebody else stand at a page that can be opened."""
        if self.speaker is not None and self.url is None:
            raise ClaimError(
                "somebody else's words without their source", remedy="say where they stand: --url"
            )
        source = {"source_url": self.url} if self.url else {}
        return {"text": text, "lang": lang, **source}


def answer(
    saying: Saying,
    target: str,
    form: str,
    words: str,
    *,
    lang: str = "en",
    link: str | None = None,
    rival: str | None = None,
    norms: Sequence[str] = (),
) -> list[bytes]:
    """A challenge: a denial, a request for grounds, a rebuttal, a rival account, an undercut.

    Args:
        target: a claim; of an undercut, a piece of evidence, its support or a challenge.
        link: the link of the claim it speaks to: activity, actor, sponsor, statement.
        rival: the claim of one's own that it rests on.
        norms: what it invokes, as for `reply`.

    Raises:
        ClaimError: a form that cannot have this target, a link that is none, words of others
            without a source, or a speaker who is said to speak for itself.
    """
    _check_links([link] if link is not None else [])
    return [
        write.challenge_object(
            id=saying.new("opinion"),
            target=target,
            form=form,
            **saying.voice,
            asserted_at=saying.asserted,
            target_link=link,
            counter_claim_ref=rival,
            norm_refs=list(norms),
            words=saying.words(words, lang),
            external_references=saying.references,
            **saying.common,
        )
    ]


def reply(
    saying: Saying,
    target: str,
    how: str,
    words: str,
    *,
    lang: str = "en",
    norms: Sequence[str] = (),
) -> list[bytes]:
    """A reply to a call or a demand: a position of one's own, and that it answers it.

    Args:
        norms: what it invokes, un-13a to un-13k; any other word is kept and shown as none.

    Raises:
        ClaimError: `how` is none of `REPLIES`, else as `answer`.
    """
    if how not in REPLIES:
        raise ClaimError(f"{how!r} is no reply", remedy="one of: " + ", ".join(REPLIES))
    position = saying.new("note")
    return [
        write.claim_object(
            id=position,
            claim_type="position",
            asserted_at=saying.asserted,
            **saying.voice,
            words=saying.words(words, lang),
            norm_refs=list(norms),
            external_references=saying.references,
            **saying.common,
        ),
        write.link_object(
            id=saying.new("relationship"),
            kind="answers",
            source_ref=position,
            target_ref=target,
            answer=how,
            **saying.common,
        ),
    ]


def grounds(
    saying: Saying,
    target: str,
    name: str,
    kind: str,
    links: Sequence[str],
    *,
    access: str,
    files: Sequence[File] = (),
    objects: Sequence[str] = (),
    urls: Sequence[str] = (),
    made_by: Sequence[str] = (),
    commitment: str | None = None,
    description: str | None = None,
    court: str | None = None,
) -> list[bytes]:
    """A piece of evidence, what it consists of, and the claim or challenge it supports.

    Args:
        links: the links of the claim that it speaks to; with none it counts for nothing.
        objects: ids of STIX objects that it consists of and that are held already.
        made_by: identities of those who made it; default whoever speaks.
        commitment: SHA-256 in hex of what will be shown later (`opening`).

    Raises:
        ClaimError: a kind of evidence, an access or a link that is not known, a page that is not
            on the web, a file over `MOST_MATERIAL`, nothing to look at though access says so, a
            file though it says otherwise, or a field of the wrong kind.
    """
    if kind not in KIND_CLASS:
        raise ClaimError(f"{kind!r} is no kind of evidence", remedy="one of: " + ", ".join(KINDS))
    if access not in ACCESS[1:]:
        raise ClaimError(
            f"{access[:80]!r} says nothing of who may look",
            remedy="one of: " + ", ".join(ACCESS[1:]),
        )
    _check_links(links)
    for url in urls:
        if not url.startswith(("https://", "http://")):
            raise ClaimError(
                f"{url[:80]!r} is no page", remedy="give an address that begins with https://"
            )
    if access in _SHOWN and not (files or objects or urls):
        raise ClaimError(
            f"access {access}, and nothing to look at",
            remedy="give a file, an object or a page, or say that it is only described",
        )
    # What is said cannot be taken back: material that is not to be seen must not go along.
    hidden = [one.name for one in files] if access not in _SHOWN else []
    hidden += [*objects, *urls] if access == "withheld" else []
    if hidden:
        raise ClaimError(
            f"access {access}, and {hidden[0]!r} would be published with it",
            remedy="leave out what is not to be seen, or let it be inspectable",
        )
    made = [_artifact(one) for one in files]
    piece = saying.new("grouping")
    sources = [{"source_name": "source", "url": url} for url in urls]
    return [
        *(raw for _, raw in made),
        write.evidence_object(
            id=piece,
            name=name,
            kind=kind,
            access=access,
            producer_refs=list(made_by) or [saying.speaker or saying.by],
            object_refs=[*(id for id, _ in made), *objects],
            description=description,
            published=saying.asserted,
            commitment=commitment,
            court=court,
            external_references=[*sources, *saying.references],
            **saying.common,
        ),
        write.link_object(
            id=saying.new("relationship"),
            kind="supports",
            source_ref=piece,
            target_ref=target,
            links=links,
            **saying.common,
        ),
    ]


KINDS = tuple(sorted(KIND_CLASS, key=lambda kind: (-KIND_CLASS[kind], kind)))
"""Every kind of evidence, those of the highest class first (§2.1)."""


def opening(raw: bytes, nonce: bytes) -> tuple[bytes, str]:
    """(what to keep and show later, its SHA-256 in hex: the commitment).

    The nonce, 32 random bytes on a first line of its own, keeps others from trying what the file
    may say until the digest fits.
    """
    if len(nonce) != 32:
        raise ClaimError(f"a nonce of {len(nonce)} bytes", remedy="32 random bytes")
    kept = _HEADING + nonce.hex().encode() + b"\n" + raw
    return kept, hashlib.sha256(kept).hexdigest()


def reveal(saying: Saying, held: Mapping[str, Any], file: File) -> list[bytes]:
    """The next version of a committed piece of evidence, with what it was committed to.

    Args:
        held: the evidence as decoded, newest version.
        file: exactly the bytes of which the commitment is the SHA-256.

    Raises:
        ClaimError: no commitment is in it, another party's word, or other bytes.
    """
    x = dict((held.get("extensions") or {}).get(EXTENSION_ID) or {})
    commitment, digest = x.get("commitment"), hashlib.sha256(file.raw).hexdigest()
    if commitment is None:
        raise ClaimError(f"{held.get('id')} holds no commitment", remedy="give it as new evidence")
    if held.get("created_by_ref") != saying.by:
        raise ClaimError(
            f"{held.get('id')} was published by {held.get('created_by_ref')}",
            remedy="whoever published it shows it",
        )
    if digest != commitment:
        raise ClaimError(
            f"{file.name} has the SHA-256 {digest}, and {commitment} was committed to",
            remedy="give the very file that was kept when the commitment was made",
        )
    id, raw = _artifact(file)
    x["access"] = "inspectable"
    props: dict[str, Any] = {**held, "extensions": {**held["extensions"], EXTENSION_ID: x}}
    made_by = set(x.get("producer_refs", ()))
    kept = [ref for ref in held.get("object_refs", ()) if ref not in made_by]
    props |= {"object_refs": [*kept, id], "modified": rfc3339(saying.now)}
    check(props)
    del props["spec_version"]
    return [raw, make(props.pop("type"), **props)]


def revealed(commitment: str, materials: Sequence[tuple[str, Mapping[str, Any], str]]) -> bool:
    """Whether some material is what was committed to.

    Args:
        commitment: SHA-256 in hex.
        materials: (type, object as decoded, SHA-256 in hex of its bytes).
    """
    for type, data, sha256 in materials:
        if sha256 == commitment:
            return True
        payload = data.get("payload_bin") if type == "artifact" else None
        if isinstance(payload, str):
            try:
                raw = base64.b64decode(payload, validate=True)
            except ValueError:
                continue
            if hashlib.sha256(raw).hexdigest() == commitment:
                return True
    return False


def _check_links(links: Sequence[str]) -> None:
    wrong = next((one for one in links if one not in LINKS), None)
    if wrong is not None:
        raise ClaimError(
            f"{wrong[:80]!r} is no link of a claim", remedy="one of: " + ", ".join(LINKS)
        )


def _artifact(file: File) -> tuple[str, bytes]:
    if len(file.raw) > MOST_MATERIAL:
        raise ClaimError(
            f"{file.name} has {len(file.raw):,} bytes, and {MOST_MATERIAL:,} go in one object",
            remedy="publish it where it can be seen and name that page, or cut it into parts",
        )
    props: dict[str, Any] = {
        "payload_bin": base64.b64encode(file.raw).decode(),
        "hashes": {"SHA-256": hashlib.sha256(file.raw).hexdigest()},
        "mime_type": file.media_type,
    }
    id = ids.sco_id("artifact", props)
    return id, make("artifact", id=id, **props)
