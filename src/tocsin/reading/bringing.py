"""Which cue brings a quotation, and which quotations are nobody's words.

Spec: claims.md §3.3, §3.4.
"""

from __future__ import annotations

import re
from datetime import date

from tocsin.reading import cues
from tocsin.reading.brings import Event
from tocsin.reading.dates import when_at
from tocsin.reading.layout import Token

_TELLS = cues.words("say note tell source")
_TOLD = cues.words("say note tell warn demand deny")
_CHARGES = cues.CHARGES | cues.SPEECH_NOUNS
_TECHNICAL = re.compile(r"\w[\[(]?(?:[.@\\/:]|at\]|dot\])[\])]?\w")
_NOBODY = cues.words("pronoun author")
_DECLARES = cues.words(
    "declare announce admit acknowledge boast state proclaim confirm concede believe think"
)


def event_of(
    sentence: list[Token], at: int, found: list[Event], trailing: int | None
) -> int | None:
    """Which event brings the quotation at token `at`: right after it, around it, before it."""
    after = at + 1
    if after < len(sentence) and sentence[after].text in (",", "—", "–", "-"):
        after += 1
    for index, event in enumerate(found):
        begins = event.at if event.inverted else event.first
        helped = event.subject is not None and event.subject.first == after
        if (
            begins == after
            and event.at > at
            and (event.inverted or event.group == "source" or helped)
        ):
            if event.passive and event.subject is None:
                continue
            return index
    best: int | None = None
    for index, event in enumerate(found):
        if event.content is None or not event.content[0] <= at < event.content[1]:
            continue
        if event.group == "find":
            continue
        if event.subject is None and not event.passive:
            continue
        if best is not None and event.negated and not found[best].negated:
            continue  # "said the embassy would answer Q"
        if event.group == "noun" and best is not None and found[best].group != "noun":
            continue  # "rejected NAME's charges as Q": not NAME's words
        if best is None or event.at > found[best].at or found[best].trailing:
            if best is not None and event.trailing and not found[best].trailing:
                continue
            best = index
    if best is not None:
        return best
    if trailing is not None and found[trailing].at < at:
        return trailing
    return None


def relayed(found: list[Event]) -> dict[int, int]:
    """ "X said that Y had told Z that": by the number of Y's cue, that of X's.

    Y declaring something is what X charges Y with, and stays X's claim (claims.md §3.7).
    """
    chains: dict[int, int] = {}
    for outer, event in enumerate(found):
        if event.content is None or event.negated or event.group not in _TELLS:
            continue
        if outer in chains:
            continue
        first, last = event.content
        near = range(max(0, outer - 4), min(len(found), outer + 5))
        inner = [k for k in near if k != outer and first <= found[k].at < last]
        opens = next((k for k in inner if found[k].first <= first + 1), None)
        if opens is None or not _told_on(found[opens]):
            continue
        teller = found[opens].subject
        for k in inner:
            if found[k].subject == teller and _told_on(found[k]):
                chains[k] = outer
    return chains


def _told_on(event: Event) -> bool:
    one = event.subject
    plain = event.group in _TOLD and not event.participle and not event.negated
    plain = plain and event.content is not None and event.lemma not in _DECLARES
    return plain and not event.passive and one is not None and one.kind not in _NOBODY


def beside(sentence: list[Token], at: int, event: Event) -> bool:
    """Is the cue right next to the quotation, so that even a short one is somebody's words?"""
    before = at - 1
    while before >= 0 and sentence[before].text in (",", ":"):
        before -= 1
    if event.inverted and before < at - 1 and before == event.after - 1:
        return True
    if event.group == "tell" and before == at - 1 == event.after - 1:
        return False  # told "A Programme"
    if not event.inverted and event.at <= before < event.after:
        return True
    if event.content is not None and event.content[0] == at and not event.inverted:
        return True
    if event.group in ("label", "call") and event.content is not None and event.at < at:
        between = sentence[event.content[0] : at]
        if len(between) <= 6 and any(t.low in _CHARGES for t in between):
            return True  # "termed the statement Q"
    after = at + 1
    if after < len(sentence) and sentence[after].text in (",", "—", "–"):
        after += 1
    return event.at >= after and (event.first == after or (event.inverted and event.at == after))


def thing(sentence: list[Token], at: int, bare: bool) -> bool:
    """A title, a name, a term: what no one said. Only asked of words with no cue beside them."""
    near = sentence[at - 1].low if at else ""
    if near in cues.NAMING:
        return True
    words = sentence[at].text.split()
    if len(words) == 1 and _TECHNICAL.search(words[0]) is not None:
        return True  # an address, a host, a file
    if bare:
        return False
    inside = near == "(" and at + 1 < len(sentence) and sentence[at + 1].text == ")"
    if inside and len(words) <= 8:
        return True  # (the "authoring organisations")
    big = sum(word[:1].isupper() or len(word) <= 3 for word in words)
    return len(words) <= 12 and big == len(words) and sum(w[:1].isupper() for w in words) >= 2


def late(sentence: list[Token], at: int, event: Event | None, published: date | None) -> list[str]:
    """A time right after the words may be the time of the deed: it is named, not used."""
    if event is None or event.at > at or event.when is not None:
        return []
    time = when_at(sentence, at + 1, published)
    if time is None:
        return []
    return [f"{time.printed!r} stands after the words and may belong to them: not dated"]
