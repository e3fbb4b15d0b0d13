"""What type of claim some words are, and whom they charge: the first rule that fits.

Spec: claims.md §3.5 (addressee), §3.7 (type).
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

_BE = cues.words("is are was were be been being")
_DEMANDS = cues.words("urge demand order instruct press implore exhort request insist")
_ASKS = _DEMANDS - {"insist"}
_DENY = cues.words("deny reject dismiss refute denies rejects dismisses refutes")
_STAND = cues.words(
    "oppose condemn support opposes condemns supports denounce deplore condemned opposed welcome"
    " welcomes denounces deplores regret regrets"
)
_FIND = cues.words("discovered uncovered detected discover uncover detect")
_ALLEGE = cues.words("accuse accuses blame blames allege alleges")
_PROPOSALS = cues.words("invite encourage propose recommend")
_NONE = cues.words("no any shred scrap without never")
_THIS = cues.words("this it them that such")
_WILL = cues.words("will shall cannot can't can’t won't won’t")
_OURSELVES = cues.words(
    "we i us our my it its they their them government country ministry nation state"
)
_DEEDS = cues.HARM | cues.HARM_BASE | cues.HARMFUL | cues.CHARGE_NOUNS
_STRUCK = cues.words("hit struck targeted compromised breached stolen hacked")
_KNEW = cues.words("knew knows know had have has")
_KNOWS = cues.words("confirm verify determine establish say know exclude rule identify")
_ACCEPTS = cues.words("recognise recognize accept share believe credit")
_CAME = cues.words("came come comes stumbled")
_SEES = cues.words("found observed identified spotted seen located recovered")
_READ_BY = cues.words("read reading")
# What each rule looks for, so that words without any of it are passed over at once.
_STANDS = _STAND | cues.STANCES | cues.words("reserve stand stands accept tolerate")
_DENYING = (
    cues.DENIAL_PREDICATES
    | cues.NO_PART
    | cues.NEGATIONS
    | cues.words("true evidence proof nothing")
)
_SUFFERED = frozenset(
    word for word in cues.HARM | _STRUCK | {"encrypted", "under"} if not word.endswith("ing")
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
_CLUSTERS = cues.words("group cluster gang crew contractor unit")
_FINDING = _FIND | _SEES | _CAME
_VICTIM = cues.HARM | cues.words(
    "suffer suffers suffered suffering victim victims target hit struck"
)
_CALLING = cues.words(
    "call calls calling appeal appeals appealing invite encourage propose let let's let’s should"
    " must need needs require requires"
)
_AGAINST = cues.words("against of about after with")
_US = frozenset(["our", "us", "we"])
_NO_VERB = cues.AUXILIARIES | cues.COMMON_VERBS | cues.PREPOSITIONS
_CHARGED = cues.CHARGES | _THIS
_HARMS = cues.HARMFUL | cues.CHARGE_NOUNS
_HARM_NOW = cues.HARM_BASE | cues.HARM | cues.words("conduct carry engage")
_CLAUSES = cues.SUBORDINATORS | _AGAINST


class Cued(NamedTuple):
    """What a classifier may know of the cue: its lemma and group, the speaker, the addressee."""

    lemma: str = ""
    group: str = ""
    speaker: str | None = None
    addressee: str | None = None
    direct: bool = False


class Kind(NamedTuple):
    """A claim type, and whom the words charge or ask (None if nobody)."""

    claim_type: str
    addressee: str | None


def kind_of(words: Sequence[Token], cue: Cued) -> Kind:
    """The first type of claims.md §3.7 that fits `words`, and the charge's subject."""
    low = [token.low for token in words]
    given = cue.addressee
    if cue.group == "deny" or _first_person(low, _DENY):
        return Kind("denial", given)
    demanded = _demanded(words, low, cue)
    if demanded is not None or cue.lemma in _ASKS or _told_to_stop(low, cue):
        return Kind("demand", given or demanded or None)
    if _denies(low) or _denies_own(words, low, cue):
        return Kind("denial", given)
    if cue.group == "accuse":
        return Kind("reported-accusation", given)
    declared = _declared(words, cue.speaker)
    if declared is not None:
        return Kind("reported-declaration", given or declared)
    if _suffered(words, low, cue):
        return Kind("victim-claim", given)
    harm = _harm(words, cue)
    if harm is not None or cue.lemma == "allege" or any(word in _ALLEGE for word in low):
        accused = given or harm or None
        if accused is None and any(word in _ALLEGE for word in low):
            accused = _after(words, low, _ALLEGE)
        kind = "accusation" if cue.speaker is not None else "reported-accusation"
        return Kind(kind, accused or tied_to(words))
    if cue.group == "tie" or _tied(words, low):
        return Kind("attribution", given or tied_to(words))
    if cue.group == "find" or _finds(low):
        return Kind("discovery", given or tied_to(words))
    if _victim(words, low):
        return Kind("victim-claim", given)
    if cue.lemma in _PROPOSALS:
        return Kind("call", given)
    if cue.group == "stand" or _stands(words, low, cue):
        return Kind("position", given)
    if _calls(low, cue):
        return Kind("call", given or _asked(words, low))
    return Kind("assessment", given)


def _stands(words: Sequence[Token], low: list[str], cue: Cued) -> bool:
    """ "we oppose", "NAME firmly opposes", "my government supports", "reserve the right"."""
    if _STANDS.isdisjoint(low):
        return False
    if _first_person(low, _STAND):
        return True
    for at, word in enumerate(low[:-1]):
        if word not in _STANDS:
            continue
        own = low[max(0, at - 4) : at]
        will = word in ("accept", "tolerate") and _any(low[max(0, at - 3) : at], cues.NEGATIONS)
        if will and _any(low[max(0, at - 4) : at], _WILL):
            return True
        if word in cues.STANCES and _any(own, _BE):
            begin = verb_start(words, at)
            first = low[begin - 1] if begin else ""
            if first in cues.FIRST or (begin and named(words[begin - 1], 1)):
                return True
        if word == "reserve" and low[at + 1 : at + 3] == ["the", "right"]:
            return True
        if word in ("stand", "stands") and low[at + 1] in ("with", "by", "behind"):
            return any(near in cues.FIRST for near in own)
        if not cue.direct or word not in _STAND or not word.endswith("s"):
            continue
        begin = verb_start(words, at)
        if begin and (named(words[begin - 1], 1) or low[begin - 1] in _OURSELVES):
            return True
    return False


def _first_person(low: list[str], verbs: frozenset[str]) -> bool:
    if verbs.isdisjoint(low):
        return False
    for at, word in enumerate(low):
        if word in verbs and any(near in cues.FIRST for near in low[max(0, at - 4) : at]):
            return True
    return False


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


def _name(subject: Mention | None) -> str | None:
    return None if subject is None or subject.kind == "pronoun" else subject.name


def _demanded(words: Sequence[Token], low: list[str], cue: Cued) -> str | None:
    """ "NAME must not", "NAME needs to stop": the one asked, "" if nobody is named."""
    if cue.direct:
        for at, word in enumerate(low):
            if word not in _DEMANDS:
                continue
            before = low[max(0, at - 3) : at]
            if _any(before, cues.FIRST) and not _any(before, cues.NEGATIONS):
                return _name(mention_at(words, at + 1)) or ""
        if words and low[0] in cues.ORDERS and words[0].text[0].isupper() and len(low) > 2:
            return ""
    if cue.group == "demand" and cue.lemma == "ask":
        return ""
    if low[:2] == ["hands", "off"]:
        return ""
    if cue.lemma == "insist" and words and not cue.direct:
        told = _insisted(words)
        if told is not None:
            return told
    for at, word in enumerate(low):
        if word in ("must", "should") and words[at].kind == WORD:
            after, begin = at + 1, at
        elif word in ("needs", "need", "has", "have", "ought") and _at(low, at + 1) == "to":
            after, begin = at + 2, at
        else:
            continue
        while _at(low, after) in cues.ADVERBS or _at(low, after).endswith("ly"):
            after += 1
        asked = _name(charged(words, begin, None))
        next_word = _at(low, after)
        if next_word in ("not", "never") or next_word in cues.STOP_WORDS:
            if not any(near in cues.FIRST for near in low[max(0, begin - 2) : begin]):
                return asked or ""
        elif asked is not None and (
            (word in ("must", "has", "needs") and next_word != "be")
            or (word == "should" and next_word in cues.ANSWERS_FOR)
        ):
            return asked
    if low and low[0] in cues.STOP_WORDS and len(low) > 2 and words[0].text[0].isupper():
        return ""
    return None


def _insisted(words: Sequence[Token]) -> str | None:
    """ "that NAME withdraw the charge": a verb without an ending is what NAME is to do."""
    end = next((at for at, token in enumerate(words) if not named(token, 1)), len(words))
    asked = mention(words, 0, end) if end else None
    if asked is None or end >= len(words):
        return None
    verb = words[end]
    if verb.kind != WORD or not verb.text[0].islower() or len(verb.low) < 4:
        return None
    if verb.low.endswith(("s", "ed", "ly", "ing")):
        return None
    return None if verb.low in _NO_VERB else asked.name


def _any(low: Sequence[str], table: frozenset[str]) -> bool:
    return not table.isdisjoint(low)


def _told_to_stop(low: list[str], cue: Cued) -> bool:
    if low[:1] == ["to"] and _at(low, 1) in cues.STOP_WORDS:
        return cue.group != "vow"
    return cue.lemma.startswith(("call on", "call upon", "appeal to", "call to")) and (
        _at(low, 0) in cues.STOP_WORDS or _at(low, 1) in cues.STOP_WORDS or "not" in low[:2]
    )


def _at(low: Sequence[str], at: int) -> str:
    return low[at] if 0 <= at < len(low) else ""


def _denies(low: list[str]) -> bool:
    if any(word in cues.DENIAL_WORDS for word in low):
        return True
    text = " ".join(low)
    if "nothing to do with" in text or "no basis" in text or "no part in" in text:
        return True
    if "not responsible for" in text or "not involved in" in text:
        return True
    for at, word in enumerate(low[:-1]):
        if word in cues.FIRST and any(
            near in ("never", "not", "didn't", "didn’t") for near in low[at + 1 : at + 4]
        ):
            rest = low[at + 2 : at + 7]
            if any(near in cues.HARM or near in cues.HARM_BASE for near in rest):
                return True
    return False


def _denies_own(words: Sequence[Token], low: list[str], cue: Cued) -> bool:
    """ "we did not break into", "it had never attacked", "had no role", "this is pure fiction"."""
    if _DENYING.isdisjoint(low):
        return False
    short = len(low) <= 7
    for at, word in enumerate(low):
        if word not in _DENYING:
            continue
        before = low[max(0, at - 4) : at]
        negated = _any(before, cues.NEGATIONS)
        said_of = (short and cue.group in ("label", "call")) or _any(before, _BE)
        if said_of and not negated and word in cues.DENIAL_PREDICATES:
            return True
        if word in cues.DENIAL_PREDICATES and _at(low, at + 1) in cues.CHARGES:
            return True
        if word == "true" and negated and (_any(before, _BE) or "nothing" in before):
            return True
        if word in ("evidence", "proof") and _any(before, _NONE):
            return _any(low[at + 1 : at + 8], _CHARGED)
        if word in cues.NO_PART and ("no" in before[-2:] or ("any" in before[-2:] and negated)):
            return True
        if word == "nothing" and _at(low, at + 1) in ("of", "about") and _at(low, at - 1) in _KNEW:
            return True
        if word in cues.NEGATIONS and words[at].kind == WORD:
            after = low[at + 1 : at + 7]
            if after[:1] and after[0] in _ACCEPTS and any(near in cues.CHARGES for near in after):
                return True
            if after[:1] and after[0] in _KNOWS:
                continue  # "could not confirm who was behind the attack"
            never = cue.direct and _at(low, at + 1) in _HARM_NOW and _states(words, at)
            if not never and not _any(before, _OURSELVES) and not _is_speaker(words, at, cue):
                continue
            if _any(after, _DEEDS) or any(did in by for did, by in _pairs(low, at + 1, at + 6)):
                return True
    return False


def _states(words: Sequence[Token], at: int) -> bool:
    """ "NAME does not": of somebody named, in the present or for ever."""
    begin = verb_start(words, at)
    return begin > 0 and named(words[begin - 1], 1) and words[begin].low in ("does", "has", "never")


def _pairs(low: list[str], first: int, last: int) -> list[tuple[str, frozenset[str]]]:
    """Neighbours that may do harm together: the verb, and the verbs its second word goes with."""
    return [
        (low[at], cues.HARM_PAIRS[low[at + 1]])
        for at in range(first, min(last, len(low) - 1))
        if low[at + 1] in cues.HARM_PAIRS
    ]


def _is_speaker(words: Sequence[Token], at: int, cue: Cued) -> bool:
    subject = subject_before(words, verb_start(words, at))
    return subject is not None and cue.speaker is not None and subject.name == cue.speaker


def _suffered(words: Sequence[Token], low: list[str], cue: Cued) -> bool:
    """ "its files were stolen", "we were hit by": the speaker's own, by nobody named."""
    if _SUFFERED.isdisjoint(low):
        return False
    for at, word in enumerate(low):
        if word not in _SUFFERED:
            continue
        if word == "under" and _at(low, at + 1) in ("attack", "constant", "heavy"):
            return any(near in _OURSELVES for near in low[max(0, at - 6) : at])
        begin = verb_start(words, at)
        helpers = set(low[begin:at])
        if not helpers & _BE or helpers & cues.NEGATIONS:
            continue
        if not any(near in _OURSELVES for near in low[max(0, begin - 5) : begin]):
            continue
        by = _by(words, at)
        if by is None or by.kind != "name":
            return True
    return False


def _declared(words: Sequence[Token], speaker: str | None) -> str | None:
    for at, token in enumerate(words):
        if token.low in cues.DECLARED and at and words[at - 1].low not in _BE:
            subject = charged(words, at, speaker)
            if subject is not None and subject.kind in ("name", "common"):
                return subject.name
    return None


def _harm(words: Sequence[Token], cue: Cued) -> str | None:
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
        nobody = words[at + 1].low if at + 1 < len(words) else ""
        if helpers & cues.NEGATIONS or nobody in ("nobody", "no", "none", "nothing"):
            continue
        if helpers & _BE and not low.endswith("ing"):
            by = _by(words, at)
            if by is not None and by.name != cue.speaker:
                return by.name
            continue
        bare = low in cues.HARM_BASE and not low.endswith("ing") and not helpers & cues.AUXILIARIES
        if bare and not (low.endswith("s") and _verbal(words, at)):
            continue
        if low.endswith("ing") and not helpers & _BE:
            continue
        cleft = words[begin - 2] if begin > 2 and words[begin - 1].low in ("that", "who") else None
        if cleft is not None and named(cleft, 1) and words[0].low == "it":
            return cleft.text
        near = words[begin - 1] if begin else None
        if near is None or near.low in cues.FIRST:
            continue
        if near.low in ("which", "who", "that"):
            who = _name(charged(words, at, cue.speaker))
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
        wanted = _HARMS
    elif low in cues.READS:
        wanted = cues.PRIVATE
    else:
        return False
    start = verb_start(words, at)
    if low in cues.ACTS and {token.low for token in words[start:at]} & _BE:
        things = {token.low for token in words[max(0, start - 4) : start]}
        return bool(things & wanted) and _by(words, at) is not None
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


def _by(words: Sequence[Token], at: int) -> Mention | None:
    for place in range(at + 1, min(len(words), at + 12)):
        if words[place].low == "by":
            return mention_at(words, place + 1)
    return None


def _after(words: Sequence[Token], low: list[str], verbs: frozenset[str]) -> str | None:
    for at, word in enumerate(low):
        if word in verbs:
            return _name(mention_at(words, at + 1))
    return None


def _tied(words: Sequence[Token], low: list[str]) -> bool:
    if _TYING.isdisjoint(low):
        return False
    for at, word in enumerate(low):
        if word not in _TYING:
            continue
        unknown = _any(low[max(0, at - 5) : at], _KNOWS)
        if unknown and _any(low[max(0, at - 8) : at], cues.NEGATIONS):
            continue  # "could not confirm who was behind the attack"
        after = at + (3 if low[at + 1 : at + 4] == ["on", "behalf", "of"] else 1)
        serves = word in cues.SERVES and (after > at + 1 or _at(low, after) == "for")
        if serves or (word in ("belongs", "belonged", "belong") and _at(low, at + 1) == "to"):
            ahead = range(after + 1, min(len(words), after + 6))
            if any(named(words[place], 1) for place in ahead):
                return True
        if word in ("points", "point", "pointed", "led", "leads") and (
            _at(low, at + 1) == "to" or low[at + 1 : at + 3] == ["back", "to"]
        ):
            ahead = range(at + 2, min(len(words), at + (5 if word[0] == "p" else 9)))
            group = _any(low[at + 2 : at + 5], _CLUSTERS)
            if group or any(named(words[k], 1) for k in ahead):
                return True
        if word in ("link", "links") and _at(low, at + 1) == "to" and _at(low, at - 1) == "the":
            return any(named(words[k], 1) for k in range(at + 2, min(len(words), at + 5)))
        if word == "responsible" and _at(low, at + 1) == "for" and _at(low, at - 1) in _BE:
            return True
        if word == "behind" and any(near in _BE for near in low[at + 1 : at + 6]):
            return True  # "the group behind this is NAME"
        if word in cues.TIES and any(near in _BE for near in low[max(0, at - 3) : at]):
            return _at(low, at + 1) in ("to", "with")
        if word in ("attribute", "attributes") or (word == "behind" and _at(low, at - 1) in _BE):
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
            found = _name(mention_at(words, at + 2)) or _owner_name(words, at + 2)
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


def _finds(low: list[str]) -> bool:
    if _FINDING.isdisjoint(low):
        return False
    for at, word in enumerate(low):
        across = word in _CAME and _at(low, at + 1) in ("across", "upon")
        if not across and word not in _SEES:
            continue
        before = low[max(0, at - 4) : at]
        if _any(before, cues.NEGATIONS):
            continue
        if _any(before, _BE) and _any(before, cues.FINDINGS):
            return True  # "malware had been found"
        if _any(before, _OURSELVES) and _any(low[at + 1 : at + 10], cues.FINDINGS):
            return True  # "we found a new implant"
    return any(
        word in _FIND and not any(near in _BE for near in low[max(0, at - 2) : at]) and at
        for at, word in enumerate(low)
    )


def _victim(words: Sequence[Token], low: list[str]) -> bool:
    if _VICTIM.isdisjoint(low):
        return False
    for at, word in enumerate(low):
        if word not in _VICTIM:
            continue
        suffers = word in ("suffer", "suffers", "suffered", "suffering")
        if suffers and _any(low[at + 1 : at + 8], _HARMS):
            return True
        if word == "victim" and _at(low, at - 1) in ("fell", "fall", "falls", "fallen"):
            return True
        before = low[max(0, at - 4) : at]
        if (
            word in ("victim", "victims", "target")
            and any(near in _BE for near in before)
            and not any(near in cues.PREPOSITIONS or near in cues.NEGATIONS for near in before)
        ):
            return word != "target" or _at(low, at + 1) == "of"
        if word in cues.HARM or word in ("hit", "struck"):
            begin = verb_start(words, at)
            helpers = set(low[begin:at])
            if helpers & _BE and not helpers & cues.NEGATIONS and not word.endswith("ing"):
                return any(near in _US for near in low[max(0, begin - 6) : begin])
    return False


def _calls(low: list[str], cue: Cued) -> bool:
    if cue.group == "call":
        return True
    if _CALLING.isdisjoint(low):
        return False
    for at, word in enumerate(low):
        if word not in _CALLING:
            continue
        calls = word in ("call", "calls", "appeal", "appeals", "calling", "appealing")
        if calls and _at(low, at + 1) in ("for", "on", "upon", "to"):
            return True
        if word in ("invite", "encourage", "propose") and _at(low, at - 1) in cues.FIRST:
            return True
        lets = word in ("let's", "let’s") or (word == "let" and _at(low, at + 1) == "us")
        together = word in ("should", "must", "need", "needs")
        if together and _any(low[at + 1 : at + 7], cues.JOINT):
            return True
        if lets and _any(low[at + 1 : at + 12], cues.JOINT):
            return True
        if word in ("require", "requires", "needs", "need") and any(
            near in cues.JOINT for near in low[at + 1 : at + 5]
        ):
            return True
    return False


def joint(words: Sequence[Token]) -> bool:
    return any(token.low in cues.JOINT for token in words)


def _asked(words: Sequence[Token], low: list[str]) -> str | None:
    """ "a joint response from the international community", "we call on NAME"."""
    for at, word in enumerate(low):
        if word == "from" or (word in ("on", "upon") and _at(low, at - 1) in ("call", "calls")):
            found = _name(mention_at(words, at + 1))
            if found is not None:
                return found
            end = at + 1
            while end < len(words) and words[end].kind == WORD and end < at + 6:
                if words[end].low in ("to", "in", "on", "and", "that", "for", "as"):
                    break
                end += 1
            picked = list(words[at + 1 : end])
            while picked and picked[0].low in cues.DETERMINERS:
                picked.pop(0)
            if picked:
                return joined(picked)
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
