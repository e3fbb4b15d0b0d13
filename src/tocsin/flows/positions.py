"""A claim or an answer as one column of the Claim page: the same fields and the same size for each.

Spec: claims.md §2.4.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tocsin.claims.consistency import FLAG
from tocsin.claims.model import NOT_WEIGHED, Challenge, Claim, Flag, SpeakerConfidence, Words
from tocsin.claims.norms import norm
from tocsin.claims.standing import Standing
from tocsin.flows.beside import Differing
from tocsin.flows.grounds import grounds
from tocsin.flows.held import by_then
from tocsin.flows.known import Known, dated
from tocsin.flows.weighed import EFFECT_WORDS, Invoked, Position, Quoted


def claim_position(
    known: Known, claim: Claim, *, computed: Standing | None = None, effect: str | None = None
) -> Position:
    """A claim as a column.

    Args:
        computed: its standing, where it has been computed.
        effect: what it does to the claim of the page, in words; None where it is that claim.
    """
    x = claim.x
    differing = tuple(
        one
        for one in known.have.differing.get(claim.id, ())
        if by_then(known.have.view.claims[one.claim].known, known.at)
    )
    return Position(
        **_of_both(known, claim, computed or known.standing(claim.id)),
        word=x.claim_type,
        printed=known.printed(claim),
        lang=(x.words.lang if x.words else None) or claim.lang or "en",
        gist=gist(claim),
        target_link=None,
        flags=_flags(x.flags, differing),
        differing=differing,
        asked=x.claim_type not in NOT_WEIGHED,
        rests_on=None,
        effect=effect,
    )


def challenge_position(
    known: Known, challenge: Challenge, computed: Standing, code: str | None = None
) -> Position:
    """A challenge as a column.

    Args:
        computed: the standing of the claim that it is on.
        code: the reason by which it stands there, if it has one.
    """
    x = challenge.x
    both = _of_both(known, challenge, computed)
    rests_on = x.counter_claim_ref if x.counter_claim_ref in known.view.claims else None
    if rests_on is not None:
        # As the claim it is held against shows its grounds on the page of that one.
        own = {one.id for one in both["grounds"]}
        more = grounds(known, rests_on, known.standing(rests_on))
        both["grounds"] += tuple(one for one in more if one.id not in own)
    return Position(
        **both,
        word=x.form,
        printed=None,
        lang=(x.words.lang if x.words else None) or "en",
        gist=None if x.words else challenge.explanation,
        target_link=x.target_link,
        flags=_flags(x.flags, ()),
        differing=(),
        asked=x.form not in ("denial", "request"),
        rests_on=rests_on,
        effect=EFFECT_WORDS.get(code or "", "recorded"),
    )


def _of_both(known: Known, one: Claim | Challenge, computed: Standing) -> dict[str, Any]:
    """What a charge and an answer have alike (decisions/0069)."""
    x = one.x
    said = known.statements_of(one.id, one.sha256)
    return {
        "id": one.id,
        "sha256": one.sha256,
        "speaker": known.name_if(x.speaker_ref),
        "capacity": x.capacity,
        "speaks_for": known.name_if(x.speaks_for_ref),
        "words": x.words.text if x.words else None,
        "original": x.words_original.text if x.words_original else None,
        "original_lang": x.words_original.lang if x.words_original else None,
        "words_from": _quoted(x.words),
        "original_from": _quoted(x.words_original),
        "said_at": dated(x.asserted_at),
        "signed": x.speaker_ref is not None and x.speaker_ref == one.publisher,
        "coder": known.coder(one.publisher, x.speaker_ref),
        "reported_by": known.name_if(x.reported_by_ref),
        "sources": one.urls,
        "confidence": _confidence(x.speaker_confidence),
        "norms": tuple(_invoked(ref) for ref in dict.fromkeys(x.norm_refs)),
        "law": x.legal_reference,
        "grounds": grounds(known, one.id, computed),
        "status": known.kept.status(one),
        "statement": said[0].id if said else None,
        "index": said[0].index if said else None,
    }


def gist(claim: Claim) -> str | None:
    """The paraphrase, where a reader has nothing better of the same (see `Position.gist`).

    Beside words that can be read it could say more than they do, in their speaker's column.
    """
    x = claim.x
    if x.words is None:
        return x.gist or claim.content
    foreign = (x.words.lang or claim.lang or "en").partition("-")[0].lower() != "en"
    return x.gist if foreign and x.words_original is None else None


def _flags(coded: Iterable[Flag], differing: tuple[Differing, ...]) -> tuple[str, ...]:
    """What its coder flagged, and what this node sees by itself: for every speaker alike."""
    found = [(f.name, f.of) for f in coded]
    if differing:
        found.append((FLAG, "speaker"))
    return tuple(f"{name} (of the {of})" for name, of in dict.fromkeys(found))


def _confidence(own: SpeakerConfidence | None) -> str | None:
    return f"{own.term} ({own.scale})" if own else None


def _invoked(ref: str) -> Invoked:
    found = norm(ref)
    return Invoked(
        ref=ref,
        title=found.title if found else None,
        clause=found.clause if found else None,
        url=found.url if found else None,
    )


def _quoted(words: Words | None) -> Quoted | None:
    """Where words stand; None where they are said in the statement itself."""
    if words is None or not (words.source_url or words.source_sha256):
        return None
    return Quoted(
        url=words.source_url, sha256=words.source_sha256, start=words.start, end=words.end
    )
