"""What type of claim some words are, and whom they charge: the first rule that fits.

Spec: claims.md §3.5 (addressee), §3.7 (type).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tocsin.reading import cues
from tocsin.reading.charges import (
    Cued,
    any_of,
    by_whom,
    charged,
    declared,
    harm,
    name_of,
    named_after,
    pairs,
    subject_words,
    tied,
    tied_to,
    undone,
    verb_start,
    word_at,
)
from tocsin.reading.layout import WORD, Token
from tocsin.reading.mentions import (
    joined,
    mention,
    mention_at,
    named,
    subject_before,
)

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
_NOT_US = (
    "not responsible for",
    "not involved",
    "not behind",
    "did no such thing",
    "did not do it",
    "did not do this",
    "didn't do it",
    "didn’t do it",
    "it was not us",
    "it wasn't us",
    "it wasn’t us",
)
_OWN = cues.words("we i us our my it its they their")
_DEEDS = cues.HARM | cues.HARM_BASE | cues.HARMFUL | cues.CHARGE_NOUNS
_STRUCK = cues.words("hit struck targeted compromised breached stolen hacked")
_KNEW = cues.words("knew knows know had have has")
_ACCEPTS = cues.words("recognise recognize accept share believe credit")
_CAME = cues.words("came come comes stumbled")
_SEES = cues.words("found observed identified spotted seen located recovered")
# What each rule looks for, so that words without any of it are passed over at once.
_STANDS = _STAND | cues.STANCES | cues.words("reserve stand stands accept tolerate")
_DENYING = (
    cues.DENIAL_PREDICATES
    | cues.NO_PART
    | cues.NEGATIONS
    | cues.NOBODY
    | cues.words("true evidence proof")
)
_SUFFERED = frozenset(
    word for word in cues.HARM | _STRUCK | {"encrypted", "under"} if not word.endswith("ing")
)
_FINDING = _FIND | _SEES | _CAME
_VICTIM = cues.HARM | cues.words(
    "suffer suffers suffered suffering victim victims target hit struck"
)
_CALLING = cues.words(
    "call calls calling appeal appeals appealing invite encourage propose let let's let’s should"
    " must need needs require requires"
)
_US = frozenset(["our", "us", "we"])
_NO_VERB = cues.AUXILIARIES | cues.COMMON_VERBS | cues.PREPOSITIONS
_CHARGED = cues.CHARGES | _THIS
_HARM_NOW = cues.HARM_BASE | cues.HARM | cues.words("conduct carry carried engage")
_DID = cues.words("did does do has have had never")
# Deeds only by what they are done to: one conducts a review as well as an attack.
_PLAIN = cues.words(
    "launch launched conduct conducted mount mounted wage waged stage staged sponsor sponsored"
    " engineered carried carrying"
)
_DEEDS_ALONE = _DEEDS - _PLAIN


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
    who = declared(words, cue.speaker)
    if who is not None:
        return Kind("reported-declaration", given or who)
    if _suffered(words, low, cue):
        return Kind("victim-claim", given)
    doer = harm(words, cue)
    if doer is not None or cue.lemma == "allege" or any(word in _ALLEGE for word in low):
        accused = given or doer or None
        if accused is None and any(word in _ALLEGE for word in low):
            accused = named_after(words, low, _ALLEGE)
        kind = "accusation" if cue.speaker is not None else "reported-accusation"
        return Kind(kind, accused or tied_to(words))
    if cue.group == "tie" or tied(words, low):
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
        will = word in ("accept", "tolerate") and any_of(low[max(0, at - 3) : at], cues.NEGATIONS)
        if will and any_of(low[max(0, at - 4) : at], _WILL):
            return True
        if word in cues.STANCES and any_of(own, cues.BE):
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


def _demanded(words: Sequence[Token], low: list[str], cue: Cued) -> str | None:
    """ "NAME must not", "NAME needs to stop": the one asked, "" if nobody is named."""
    if cue.direct:
        for at, word in enumerate(low):
            if word not in _DEMANDS:
                continue
            before = low[max(0, at - 3) : at]
            if any_of(before, cues.FIRST) and not any_of(before, cues.NEGATIONS):
                return name_of(mention_at(words, at + 1)) or ""
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
        elif word in ("needs", "need", "has", "have", "ought") and word_at(low, at + 1) == "to":
            after, begin = at + 2, at
        else:
            continue
        while word_at(low, after) in cues.ADVERBS or word_at(low, after).endswith("ly"):
            after += 1
        asked = name_of(charged(words, begin, None))
        next_word = word_at(low, after)
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


def _told_to_stop(low: list[str], cue: Cued) -> bool:
    if low[:1] == ["to"] and word_at(low, 1) in cues.STOP_WORDS:
        return cue.group != "vow"
    return cue.lemma.startswith(("call on", "call upon", "appeal to", "call to")) and (
        word_at(low, 0) in cues.STOP_WORDS or word_at(low, 1) in cues.STOP_WORDS or "not" in low[:2]
    )


def _denies(low: list[str]) -> bool:
    if any(word in cues.DENIAL_WORDS for word in low):
        return True
    text = " ".join(low)
    if "nothing to do with" in text or "no basis" in text or "no part in" in text:
        return True
    if any(words in text for words in _NOT_US):
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
        negated = any_of(before, cues.NEGATIONS)
        said_of = (short and cue.group in ("label", "call")) or any_of(before, cues.BE)
        if said_of and not negated and word in cues.DENIAL_PREDICATES:
            return True
        if word in cues.DENIAL_PREDICATES and word_at(low, at + 1) in cues.CHARGES:
            return True
        if word == "true" and negated and (any_of(before, cues.BE) or "nothing" in before):
            return True
        if word in ("evidence", "proof") and any_of(before, _NONE):
            return any_of(low[at + 1 : at + 8], _CHARGED)
        if word in cues.NO_PART and ("no" in before[-2:] or ("any" in before[-2:] and negated)):
            return True
        if (
            word == "nothing"
            and word_at(low, at + 1) in ("of", "about")
            and word_at(low, at - 1) in _KNEW
        ):
            return True
        if word in cues.NEGATIONS and words[at].kind == WORD:
            after = low[at + 1 : at + 7]
            if after[:1] and after[0] in _ACCEPTS and any(near in cues.CHARGES for near in after):
                return True
            if after[:1] and after[0] in cues.KNOWS:
                continue  # "could not confirm who was behind the attack"
            now = word_at(low, at + 1) in _HARM_NOW or bool(pairs(low, at + 1, at + 2))
            never = now and _states(words, at)
            if not never and not any_of(before, _OURSELVES) and not _is_speaker(words, at, cue):
                continue
            done = any_of(after, _DEEDS_ALONE if never else _DEEDS)
            if done or any(did in by for did, by in pairs(low, at + 1, at + 6)):
                return True
    return _undone_own(words, low)


def _states(words: Sequence[Token], at: int) -> bool:
    """ "NAME did not": of somebody named, and not that it was not done to them."""
    begin = verb_start(words, at)
    first = words[begin].low if begin < len(words) else ""
    done = first in _DID or first in cues.NEGATIONS
    return begin > 0 and named(words[begin - 1], 1) and done


def _undone_own(words: Sequence[Token], low: list[str]) -> bool:
    """ "NAME has carried out no attack", "none of our services attacked NAME"."""
    if cues.NOBODY.isdisjoint(low):
        return False
    for at, word in enumerate(low):
        paired = word in cues.HARM_PAIRS.get(word_at(low, at + 1), ())
        strong = word in cues.HARM or word in cues.HARM_BASE
        if not (strong or paired) or not undone(words, at):
            continue
        subject = subject_words(words, at)
        own = not _OWN.isdisjoint(token.low for token in subject)
        passive = not cues.BE.isdisjoint(low[verb_start(words, at) : at])
        if not passive or word.endswith("ing"):  # what was not done to NAME, NAME does not deny
            own = own or any(named(t, 1) and t.low not in cues.NOBODY for t in subject)
        if own and (word not in _PLAIN or any_of(low[at:], _DEEDS_ALONE)):
            return True
    return False


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
        if word == "under" and word_at(low, at + 1) in ("attack", "constant", "heavy"):
            return any(near in _OURSELVES for near in low[max(0, at - 6) : at])
        begin = verb_start(words, at)
        helpers = set(low[begin:at])
        if not helpers & cues.BE or helpers & cues.NEGATIONS:
            continue
        if not any(near in _OURSELVES for near in low[max(0, begin - 5) : begin]):
            continue
        by = by_whom(words, at)
        if by is None or by.kind != "name":
            return True
    return False


def _finds(low: list[str]) -> bool:
    if _FINDING.isdisjoint(low):
        return False
    for at, word in enumerate(low):
        across = word in _CAME and word_at(low, at + 1) in ("across", "upon")
        if not across and word not in _SEES:
            continue
        before = low[max(0, at - 4) : at]
        if any_of(before, cues.NEGATIONS):
            continue
        if any_of(before, cues.BE) and any_of(before, cues.FINDINGS):
            return True  # "malware had been found"
        if any_of(before, _OURSELVES) and any_of(low[at + 1 : at + 10], cues.FINDINGS):
            return True  # "we found a new implant"
    return any(
        word in _FIND and not any(near in cues.BE for near in low[max(0, at - 2) : at]) and at
        for at, word in enumerate(low)
    )


def _victim(words: Sequence[Token], low: list[str]) -> bool:
    if _VICTIM.isdisjoint(low):
        return False
    for at, word in enumerate(low):
        if word not in _VICTIM:
            continue
        suffers = word in ("suffer", "suffers", "suffered", "suffering")
        if suffers and any_of(low[at + 1 : at + 8], cues.HARMS):
            return True
        if word == "victim" and word_at(low, at - 1) in ("fell", "fall", "falls", "fallen"):
            return True
        before = low[max(0, at - 4) : at]
        if (
            word in ("victim", "victims", "target")
            and any(near in cues.BE for near in before)
            and not any(near in cues.PREPOSITIONS or near in cues.NEGATIONS for near in before)
        ):
            return word != "target" or word_at(low, at + 1) == "of"
        if word in cues.HARM or word in ("hit", "struck"):
            begin = verb_start(words, at)
            helpers = set(low[begin:at])
            if helpers & cues.BE and not helpers & cues.NEGATIONS and not word.endswith("ing"):
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
        if calls and word_at(low, at + 1) in ("for", "on", "upon", "to"):
            return True
        if word in ("invite", "encourage", "propose") and word_at(low, at - 1) in cues.FIRST:
            return True
        lets = word in ("let's", "let’s") or (word == "let" and word_at(low, at + 1) == "us")
        together = word in ("should", "must", "need", "needs")
        if together and any_of(low[at + 1 : at + 7], cues.JOINT):
            return True
        if lets and any_of(low[at + 1 : at + 12], cues.JOINT):
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
        if word == "from" or (word in ("on", "upon") and word_at(low, at - 1) in ("call", "calls")):
            found = name_of(mention_at(words, at + 1))
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
