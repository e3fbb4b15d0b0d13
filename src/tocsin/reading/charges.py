"""Whom words charge: the subject of a verb of harm, and whom they tie something to.

Spec: claims.md §3.5 (addressee).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tocsin.reading import cues
from tocsin.reading.layout import QUOTE, WORD, Token, reworded
from tocsin.reading.mentions import (
    Mention,
    base,
    joined,
    mention,
    mention_at,
    named,
    possessive,
    subject_before,
)

_HARMING = (
    cues.HARM
    | cues.HARM_BASE
    | cues.ACTS
    | cues.READS
    | frozenset().union(*cues.HARM_PAIRS.values())
)
_TYING = (
    cues.SERVES
    | cues.TIES
    | cues.words(
        "led leads link links belong belongs belonged point points pointed responsible behind"
        " attribute attributes"
    )
)
_SUBJECT = 6
"""Words of a subject that are looked at: "neither NAME nor its services"."""
_REACH = 18
"""Words before a verb that are looked at: its auxiliaries and adverbs, and its subject."""
_BUT = cues.words("and but so")
_THAN = cues.words("than except save")  # "nobody other than NAME"
_READ_BY = cues.words("read reading")
_CLAUSES = cues.SUBORDINATORS | cues.AGAINST
_CLUSTERS = cues.words("group cluster gang crew contractor unit")


class Cued(NamedTuple):
    """What a classifier may know of the cue: its lemma and group, the speaker, the addressee."""

    lemma: str = ""
    group: str = ""
    speaker: str | None = None
    addressee: str | None = None
    direct: bool = False


def any_of(low: Sequence[str], table: frozenset[str]) -> bool:
    return not table.isdisjoint(low)


def word_at(low: Sequence[str], at: int) -> str:
    return low[at] if 0 <= at < len(low) else ""


def verb_start(words: Sequence[Token], at: int) -> int:
    """Where the verb group that ends at `at` begins: auxiliaries and adverbs before it."""
    floor = max(0, at - 12)
    while at > floor:
        low = words[at - 1].low
        if words[at - 1].kind != WORD or not (
            low in cues.AUXILIARIES
            or low in cues.ADVERBS
            or low in cues.NEGATIONS
            or (low.endswith("ly") and words[at - 1].text[0].islower())
        ):
            break
        at -= 1
    return at


def charged(words: Sequence[Token], at: int, speaker: str | None) -> Mention | None:
    """Who is the subject of the verb at `at`, unless it is the speaker or stands for anybody."""
    subject = subject_before(words, verb_start(words, at))
    if subject is None or subject.name == speaker:
        return None
    return subject


def name_of(subject: Mention | None) -> str | None:
    return None if subject is None or subject.kind == "pronoun" else subject.name


def declared(words: Sequence[Token], speaker: str | None) -> str | None:
    for at, token in enumerate(words):
        if token.low in cues.DECLARED and at and words[at - 1].low not in cues.BE:
            subject = charged(words, at, speaker)
            if subject is not None and subject.kind in ("name", "common"):
                return subject.name
    return None


def harm(words: Sequence[Token], cue: Cued) -> str | None:
    """The one said to have done harm; "" if it is not named; None if no harm is charged."""
    if cue.group in ("call", "stand", "vow"):
        return None
    first_person = any(token.low in cues.FIRST for token in words)
    for at, token in enumerate(words):
        low = token.low
        if low not in _HARMING or token.kind != WORD:
            continue
        carried = (
            low in ("carried", "carrying") and at + 1 < len(words) and (words[at + 1].low == "out")
        )
        follows = words[at + 1].low if at + 1 < len(words) else ""
        paired = low in cues.HARM_PAIRS.get(follows, ())
        plain = low in cues.HARM or low in cues.HARM_BASE
        if not (carried or paired or plain or _acts(words, at)):
            continue
        if low in _READ_BY and cue.direct and first_person:
            continue
        begin = verb_start(words, at)
        helpers = {words[place].low for place in range(begin, at)}
        tries = None
        if begin and words[begin - 1].low == "to":
            window = range(begin - 2, max(0, begin - 7) - 1, -1)
            tries = next((k for k in window if words[k].low in cues.TRIES), None)
        if tries is not None:
            begin = verb_start(words, tries)
            helpers |= cues.MODALS
        if helpers & cues.NEGATIONS or undone(words, at):
            continue
        if helpers & cues.BE and not low.endswith("ing"):
            by = by_whom(words, at)
            if by is not None and by.name != cue.speaker:
                return by.name
            continue
        bare = low in cues.HARM_BASE and not low.endswith("ing") and not helpers & cues.AUXILIARIES
        if bare and not (low.endswith("s") and _verbal(words, at)):
            continue
        if low.endswith("ing") and not helpers & cues.BE:
            continue
        cleft = words[begin - 2] if begin > 2 and words[begin - 1].low in ("that", "who") else None
        if cleft is not None and named(cleft, 1) and words[0].low == "it":
            return cleft.text
        near = words[begin - 1] if begin else None
        if near is None or near.low in cues.FIRST:
            continue
        if near.low in ("which", "who", "that"):
            who = name_of(charged(words, at, cue.speaker))
            return who or ""
        if near.low in cues.PRONOUNS:
            return ""
        subject = charged(words, at, cue.speaker)
        if subject is not None:
            return subject.name
        doers = _doers(words, begin)
        if doers is not None:
            return doers
    return None


def undone(words: Sequence[Token], at: int) -> bool:
    """Whether nobody did the deed at `at`, or did it to anything: "carried out no attack"."""
    after = at + 1
    if after < len(words) and words[after].low in cues.HARM_PAIRS:
        after += 1
    if _nobody(words[after : after + 2]):
        return True
    near = {token.low for token in words[max(0, at - _REACH) : at]}
    if near.isdisjoint(cues.NOBODY):
        return False
    subject = subject_words(words, at)
    return _nobody(subject) and all(token.low not in _THAN for token in subject)


def _nobody(words: Sequence[Token]) -> bool:
    """ "no attack", "none of our services"; not "no doubt", "no fewer than"."""
    if not words or words[0].low not in cues.NOBODY:
        return False
    return len(words) < 2 or words[1].low not in cues.NOT_NOBODY


def subject_words(words: Sequence[Token], at: int) -> Sequence[Token]:
    """The words before a verb back to a mark or another clause: its subject, and no more."""
    end = verb_start(words, at)
    first = end
    while first > max(0, end - _SUBJECT):
        before = words[first - 1]
        if before.kind != WORD or before.low in cues.SUBORDINATORS or before.low in _BUT:
            break
        first -= 1
    return words[first:end]


def _doers(words: Sequence[Token], end: int) -> str | None:
    """ "Dorran hackers", "the NAME services": who did it, with no word for one that speaks."""
    if not end or words[end - 1].low not in cues.DOERS:
        return None
    first = end - 1
    while first and named(words[first - 1], 1):
        first -= 1
    return joined(words[first:end]) if first < end - 1 else None


def _acts(words: Sequence[Token], at: int) -> bool:
    """ "directed this operation", "sent this malware", "reading our mail": harm by its object."""
    low = words[at].low
    if low in cues.ACTS:
        wanted = cues.HARMS
    elif low in cues.READS:
        wanted = cues.PRIVATE
    else:
        return False
    start = verb_start(words, at)
    if low in cues.ACTS and {token.low for token in words[start:at]} & cues.BE:
        things = {token.low for token in words[max(0, start - 4) : start]}
        return bool(things & wanted) and by_whom(words, at) is not None
    for token in words[at + 1 : at + 6]:
        if token.kind != WORD or token.low in _CLAUSES:
            return False
        if token.low in wanted:
            return True
    return False


def _verbal(words: Sequence[Token], at: int) -> bool:
    """ "attacks" is a verb only with a name before it and something it is done to after it."""
    after = words[at + 1] if at + 1 < len(words) else None
    return (
        at > 0
        and named(words[at - 1], at - 1)
        and after is not None
        and (after.low in cues.DETERMINERS or named(after, at + 1))
    )


def by_whom(words: Sequence[Token], at: int) -> Mention | None:
    for place in range(at + 1, min(len(words), at + 12)):
        if words[place].low == "by":
            return mention_at(words, place + 1)
    return None


def named_after(words: Sequence[Token], low: list[str], verbs: frozenset[str]) -> str | None:
    for at, word in enumerate(low):
        if word in verbs:
            return name_of(mention_at(words, at + 1))
    return None


def tied(words: Sequence[Token], low: list[str]) -> bool:
    if _TYING.isdisjoint(low):
        return False
    for at, word in enumerate(low):
        if word not in _TYING:
            continue
        unknown = any_of(low[max(0, at - 5) : at], cues.KNOWS)
        if unknown and any_of(low[max(0, at - 8) : at], cues.NEGATIONS):
            continue  # "could not confirm who was behind the attack"
        after = at + (3 if low[at + 1 : at + 4] == ["on", "behalf", "of"] else 1)
        serves = word in cues.SERVES and (after > at + 1 or word_at(low, after) == "for")
        if serves or (word in ("belongs", "belonged", "belong") and word_at(low, at + 1) == "to"):
            ahead = range(after + 1, min(len(words), after + 6))
            if any(named(words[place], 1) for place in ahead):
                return True
        if word in ("points", "point", "pointed", "led", "leads") and (
            word_at(low, at + 1) == "to" or low[at + 1 : at + 3] == ["back", "to"]
        ):
            ahead = range(at + 2, min(len(words), at + (5 if word[0] == "p" else 9)))
            group = any_of(low[at + 2 : at + 5], _CLUSTERS)
            if group or any(named(words[k], 1) for k in ahead):
                return True
        if (
            word in ("link", "links")
            and word_at(low, at + 1) == "to"
            and word_at(low, at - 1) == "the"
        ):
            return any(named(words[k], 1) for k in range(at + 2, min(len(words), at + 5)))
        if (
            word == "responsible"
            and word_at(low, at + 1) == "for"
            and word_at(low, at - 1) in cues.BE
        ):
            return True
        if word == "behind" and any(near in cues.BE for near in low[at + 1 : at + 6]):
            return True  # "the group behind this is NAME"
        if word in cues.TIES and any(near in cues.BE for near in low[max(0, at - 3) : at]):
            return word_at(low, at + 1) in ("to", "with")
        if word in ("attribute", "attributes") or (
            word == "behind" and word_at(low, at - 1) in cues.BE
        ):
            return True
    return False


def tied_to(words: Sequence[Token]) -> str | None:
    """Whom the words link something to: "related to NAME", "run by NAME", "NAME-backed"."""
    for at, token in enumerate(words):
        if token.kind == QUOTE:
            continue
        after = words[at + 1].low if at + 1 < len(words) else ""
        if (
            (token.low in cues.TIES and after in ("to", "with"))
            or (token.low in cues.BACKED and after == "by")
            or (token.low in ("working", "acting") and after == "for")
        ):
            found = name_of(mention_at(words, at + 2)) or _owner_name(words, at + 2)
            if found is not None:
                return found
        if token.low.endswith(("-backed", "-linked", "-sponsored")) and token.text[0].isupper():
            return token.text.rsplit("-", 1)[0]
    return None


def _owner_name(words: Sequence[Token], at: int) -> str | None:
    """ "NAME's military intelligence": whose it is."""
    end = at
    while end < len(words) and end < at + 6 and named(words[end], 1):
        if possessive(words[end]):
            last = words[end]
            plain = reworded(last, base(last.text))
            return joined([*words[at:end], plain])
        end += 1
    return None


def charge_holder(words: Sequence[Token], speaker: str | None) -> str | None:
    """ "the alleged NAME cyber-attacks": whose deeds the words before a quotation speak of."""
    for at, token in enumerate(words):
        if token.low not in cues.CHARGE_NOUNS or not at:
            continue
        back = at - 1
        while back > 0 and words[back].low in ("cyber", "large-scale", "alleged", "recent"):
            back -= 1
        first = back
        while first > 0 and named(words[first - 1], first - 1) and back - first < 6:
            first -= 1
        if not named(words[back], back) or words[back].kind == QUOTE:
            continue
        last = words[back]
        plain = reworded(last, base(last.text))
        found = mention([*words[first:back], plain], 0, back - first + 1)
        if found is not None and found.kind == "name" and found.name != speaker:
            return found.name
    return None


def pairs(low: list[str], first: int, last: int) -> list[tuple[str, frozenset[str]]]:
    """Neighbours that may do harm together: the verb, and the verbs its second word goes with."""
    return [
        (low[at], cues.HARM_PAIRS[low[at + 1]])
        for at in range(first, min(last, len(low) - 1))
        if low[at + 1] in cues.HARM_PAIRS
    ]
