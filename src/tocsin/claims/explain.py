"""A standing in plain sentences, the same words for every side.

Spec: claims.md §2.4.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tocsin.claims.model import Challenge, View
from tocsin.claims.standing import Reason, Standing

_GRADE_WORDS = {
    "indicative": "grounds of kinds that others share or that are easily planted",
    "one-root": "grounds from one root",
    "independent-roots": "grounds from independent roots",
}
_BASE_WORDS = {
    "none-shown": "No grounds shown here.",
    "links-missing": "Some links show no grounds here.",
    "indicative": "Every link has grounds; the weakest has only kinds that are easily planted.",
    "one-root": "Every link has grounds; the weakest rests on one root.",
    "independent-roots": "Every link has grounds from independent roots.",
}
_CHALLENGE_WORDS = {
    "denied": "{who} denies it.",
    "requested": "{who} asks to be shown the grounds.",
    "class-critique": "{who} criticises this kind of report; recorded, not weighed.",
    "contested-by": "{who} contests it, with grounds of its own.",
    "challenge-none-shown": "{who} contests it; no grounds shown here for that.",
    "challenge-not-open": "A challenge by {who} is no longer open.",
    "challenge-undercut": "A challenge by {who} has itself been undercut.",
}
_PIECE_WORDS = {
    "withheld": "“{what}” is said to exist and is withheld.",
    "committed": "“{what}” is withheld; a digest of it has been given.",
    "no-link": "“{what}” names none of the links this claim needs.",
    "nothing-to-inspect": "“{what}” is called open, and nothing to inspect is attached.",
    "capped": "“{what}” counts no more than what it derives from.",
    "undercut-undecided": "“{what}” is undercut, the dispute is undecided, and it counts so far.",
    "dropped-by-owner": "“{what}” was disowned by those who made it, and is not counted.",
    "dropped-undercut": "“{what}” was undercut, and is not counted.",
    "dropped-source": "“{what}” derives from something no longer counted, and is not counted.",
}
_TIE_WORDS = {
    "tie-dropped-by-owner": "Whoever said that {tie} took it back, and it joins nothing.",
    "tie-dropped-undercut": "That {tie} was undercut, and it joins nothing.",
}


class Sentence(Struct, frozen=True, kw_only=True):
    """One plain sentence, and the ids of the objects that bear it out."""

    text: str
    refs: tuple[str, ...]


def explain(one: Standing, view: View) -> list[Sentence]:
    """A standing in plain sentences, the same for every side; names as `view` has them."""
    claim = view.claims.get(one.claim)
    codes = {reason.code for reason in one.reasons}
    said = [_sentence("What has been shown here, not what is true.", one.claim)]
    if "not-a-claim-of-fact" in codes or "unknown-type" in codes:
        kind = claim.x.claim_type if claim else "claim of this type"
        known = "it is not weighed" if "not-a-claim-of-fact" in codes else "its type is not known"
        article = "an" if kind.startswith(("a", "e", "i", "o")) else "a"
        text = f"This is {article} {kind}: {known}, and has no level."
        return [*said, _sentence(text, one.claim)]
    if one.base is None:
        text = f"Its speaker or publisher says that it is {one.level}; it is not weighed."
        return [*said, _sentence(text, one.claim)]
    pieces = sorted({ref for link in one.links.values() for ref in link.pieces})
    said.append(_sentence(_BASE_WORDS[one.base], *(pieces or [one.claim])))
    if pieces:
        said.append(_sentence(_counted(len(pieces), one.roots), *pieces))
    for name, link in one.links.items():
        said.append(of_link(name, link.grade, link.shown, link.pieces or (one.claim,)))
    said += [found for reason in one.reasons if (found := of_reason(reason, one, view))]
    if one.by_coder:
        levels = ", ".join(f"{view.name(who)}: {level}" for who, level in one.by_coder.items())
        said.append(_sentence(f"By coder: {levels}.", *one.by_coder))
    return said


def _counted(reports: int, roots: int) -> str:
    """Repetition is told for what it is: sources and what they come down to, in one breath."""
    some = "1 report" if reports == 1 else f"{reports} reports"
    return f"Counting: {some}, {roots} independent root{'' if roots == 1 else 's'}."


def of_link(name: str, grade: str, shown: bool, pieces: Sequence[str]) -> Sentence:
    """What is shown for one link of a claim, and by which pieces (the claim, where none are)."""
    if grade == "none-shown":
        return _sentence(f"No grounds shown here for {name}.", *pieces)
    how = "part of it open to inspection" if shown else "this is stated, not shown"
    return _sentence(f"For {name}: {_GRADE_WORDS[grade]}; {how}.", *pieces)


def of_reason(reason: Reason, one: Standing, view: View) -> Sentence | None:
    """One reason of a standing; None for those that its links say already."""
    if reason.code == "not-inspectable":
        text = f"Roots for {reason.ref} are separate, and none of them is open."
        link = one.links.get(reason.ref)
        return _sentence(text, *(link.pieces if link else ()))
    if reason.code in _PIECE_WORDS:
        by = [ref for fallen in one.dropped if fallen.id == reason.ref for ref in fallen.by]
        text = _PIECE_WORDS[reason.code].format(what=_what(reason.ref, view))
        return _sentence(text, reason.ref, *by)
    if reason.code in _TIE_WORDS:
        by = [ref for fallen in one.dropped if fallen.id == reason.ref for ref in fallen.by]
        text = _TIE_WORDS[reason.code].format(tie=_tie(reason.ref, view))
        return _sentence(text, reason.ref, *by)
    if reason.code in _CHALLENGE_WORDS:
        challenge = view.challenges.get(reason.ref)
        who = _voice(challenge, view) if challenge else reason.ref
        return _sentence(_CHALLENGE_WORDS[reason.code].format(who=who), reason.ref)
    return None


def _voice(challenge: Challenge, view: View) -> str:
    """Who answers, and for whom, as a claim's page has it too."""
    who = view.name(challenge.x.speaker_ref)
    behind = challenge.x.speaks_for_ref
    return f"{who} (for {view.name(behind)})" if behind else who


def _sentence(text: str, *refs: str) -> Sentence:
    return Sentence(text=text, refs=refs)


def _what(ref: str, view: View) -> str:
    link = view.links.get(ref)
    return view.name(link.source if link is not None else ref)


def _tie(ref: str, view: View) -> str:
    link = view.links.get(ref)
    if link is None:
        return ref
    how = "derives from" if link.kind == "derived-from" else "is controlled by"
    return f"“{view.name(link.source)}” {how} “{view.name(link.target)}”"


def summary(one: Standing) -> str:
    """One plain sentence or two for the `content` of a standing object."""
    codes = {reason.code for reason in one.reasons}
    if one.base is None:
        words = f"Status: {one.level}." if one.level else "Not weighed: it has no level."
        return f"{words} Not a finding of truth."
    parts = []
    for shown, words in ((True, "Grounds shown for"), (False, "Grounds stated, not shown, for")):
        names = [n for n, g in one.links.items() if g.grade != "none-shown" and g.shown is shown]
        if names:
            parts.append(f"{words} {_and(names)}")
    bare = [name for name, link in one.links.items() if link.grade == "none-shown"]
    if bare:
        parts.append(f"{'none' if parts else 'No grounds'} shown here for {_and(bare)}")
    answers = [
        word
        for code, word in (
            ("denied", "Denied."),
            ("contested-by", "Contested."),
            ("requested", "Grounds asked for."),
        )
        if code in codes
    ]
    return " ".join([f"{'; '.join(parts)}.", *answers, "Not a finding of truth."])


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
