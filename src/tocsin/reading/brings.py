"""What follows a cue: the words it brings, whom it is put to, and the time printed between.

Each kind of cue has its own shape: "urged SOMEONE to DO", "accused SOMEONE of THING", "said (that)
CLAUSE". Here the beginning of the words is found; where they end, the sentence decides
(`events.py`). Spec: claims.md §3.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from msgspec import Struct

from tocsin.reading import cues
from tocsin.reading.dates import When, when_at
from tocsin.reading.layout import QUOTE, WORD, Token, reworded
from tocsin.reading.mentions import (
    Mention,
    base,
    capital,
    joined,
    mention,
    mention_at,
    name_at,
    named,
    noun_like,
    possessive,
)

_CLAUSE_START = cues.words(
    "he she it they we i you there this that these those the a an its his her their our"
    " my no nobody some many most such any all both"
)
_INVITES = cues.words("invite encourage ask")
_LEADING = cues.PREPOSITIONS | cues.CONJUNCTIONS | cues.SUBORDINATORS
_ASIDES = cues.words("also again published released issued posted dated")
_SAME = cues.PRONOUNS | cues.FIRST
_ABOUT = cues.words("about around over under nearly some")
SELF = cues.words("himself herself itself themselves")


class Event(Struct):
    """One cue with what it governs; indexes are into the sentence's tokens, half-open.

    first: where its own clause begins. content: the words it brings, None if it brings none.
    """

    at: int
    after: int
    lemma: str
    group: str
    cue: str
    first: int
    subject: Mention | None = None
    role: str | None = None
    addressee: Mention | None = None
    content: tuple[int, int] | None = None
    begin: int | None = None
    stop: int | None = None
    when: When | None = None
    negated: bool = False
    passive: bool = False
    participle: bool = False
    elided: bool = False
    inverted: bool = False
    trailing: bool = False
    embedded: bool = False
    loose: bool = False


def low_at(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].low if 0 <= at < len(tokens) else ""


def text_at(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].text if 0 <= at < len(tokens) and tokens[at].kind != QUOTE else ""


def is_quote(tokens: Sequence[Token], at: int) -> bool:
    return 0 <= at < len(tokens) and tokens[at].kind == QUOTE


def owner(tokens: Sequence[Token], at: int) -> Mention | None:
    """Whose statement it is: "Northland's statement", "her comments"."""
    near = tokens[at - 1]
    if near.low in ("his", "her"):
        pronoun = "he" if near.low == "his" else "she"
        gender = "m" if near.low == "his" else "f"
        return Mention(pronoun, None, "pronoun", at - 1, at, near.start, near.end, gender, True)
    if not possessive(near):
        return None
    first = at - 1
    while first > 0 and at - first < 8 and named(tokens[first - 1], first - 1):
        first -= 1
    plain = reworded(near, base(near.text))
    return mention([*tokens[: at - 1], plain], first, at)


def _skip_phrases(tokens: Sequence[Token], at: int, event: Event, published: date | None) -> int:
    """Over "on Wednesday", "in Beijing", "at a briefing", "also", "(CIA)", to the content."""
    hops = 0
    while at < len(tokens) and hops < 12:
        hops += 1
        token = tokens[at]
        time = when_at(tokens, at, published)
        if time is not None:
            if event.when is None:
                event.when = time
            at = time.last
        elif token.text == "(":
            close = at + 1
            while close < len(tokens) and close < at + 12 and tokens[close].text != ")":
                close += 1
            if text_at(tokens, close) != ")":
                break
            at = close + 1
        elif token.low in _ABOUT and text_at(tokens, at + 1)[:1].isdigit():
            break  # "said about 400 files"
        elif token.low in cues.PREPOSITIONS - {"of", "for", "like", "as", "because", "since"}:
            if token.low == "to" or is_quote(tokens, at + 1):
                break
            end = _over_phrase(tokens, at + 1)
            if end == at + 1:
                break
            at = end
        elif token.low.endswith("ly") or token.low in SELF or token.low in _ASIDES:
            at += 1
        else:
            break
    return at


def _over_phrase(tokens: Sequence[Token], at: int) -> int:
    """Past a noun phrase that is only a place or an occasion."""
    end = at
    while end < len(tokens) and end < at + 12:
        token = tokens[end]
        if token.kind != WORD or token.low in ("that", "to", "and", "but", "who", "which"):
            break
        if when_at(tokens, end, None) is not None and end > at:
            break
        if end > at and (token.low in cues.PRONOUNS or token.low in ("the", "there", "we")):
            break
        terms = token.low == "terms" and end > at  # "in the strongest terms"
        if not (
            capital(token)
            or noun_like(token)
            or token.low in cues.DETERMINERS
            or token.low == "of"
            or terms
        ):
            break
        end += 1
    return end


def _quote_or_clause(event: Event, tokens: Sequence[Token], at: int) -> None:
    """Set where the words begin: a quotation, a that-clause, a bare clause."""
    if text_at(tokens, at) == "," and low_at(tokens, at + 1) in ("citing", "quoting"):
        close = next(
            (k for k in range(at + 2, min(len(tokens), at + 14)) if text_at(tokens, k) == ","), at
        )
        at = close if low_at(tokens, close + 1) == "that" else at
    while text_at(tokens, at) in (",", ":") and not is_quote(tokens, at + 1):
        if text_at(tokens, at) == ":" or low_at(tokens, at + 1) != "that":
            return
        at += 1
    if text_at(tokens, at) in (",", ":"):
        at += 1
    if is_quote(tokens, at):
        event.begin = at
    elif low_at(tokens, at) == "that":
        event.begin = at + 1
    elif event.group == "tell" and low_at(tokens, at) in cues.PRONOUNS:
        event.begin = at  # "told reporters he would"
    elif event.lemma in cues.BARE and _clause(tokens, at, sure=event.lemma == "say"):
        event.begin = at


def _clause(tokens: Sequence[Token], at: int, *, sure: bool = False) -> bool:
    """Does a clause with a verb of its own begin here? sure: after "said" nearly anything does."""
    if at >= len(tokens) or tokens[at].kind != WORD:
        return False
    token = tokens[at]
    if token.low in _ABOUT and text_at(tokens, at + 1)[:1].isdigit():
        return _clause(tokens, at + 1, sure=sure)
    if token.low in cues.PREPOSITIONS or token.low in cues.CONJUNCTIONS:
        return False
    if token.low in ("even", "when", "if", "after", "whether", "how", "what", "why"):
        return False
    if token.low in _SAME and is_quote(tokens, at + 1):
        return True  # "said it Q"
    things = sure and token.low.endswith("s")  # "said traces of it had been found"
    if not (token.low in _CLAUSE_START or capital(token) or noun_like(token) or things):
        return False
    if sure and all(near.kind == WORD for near in tokens[at : at + 5]) and at + 5 < len(tokens):
        return True
    for near in tokens[at + 1 : at + 16]:
        if near.kind != WORD and near.text in ",;:":
            return False
        if (
            near.low in cues.AUXILIARIES
            or near.low in cues.COMMON_VERBS
            or near.low in cues.CUES
            or near.low.endswith(("n't", "n’t"))
            or (near.low.endswith("ed") and len(near.low) > 4)
        ):
            return True
    head = token.low in cues.PRONOUNS or token.low in ("we", "i", "there")
    return head and low_at(tokens, at + 1).endswith("s")


def parse(event: Event, tokens: Sequence[Token], published: date | None) -> None:
    group = event.group
    at = event.after
    if group != "call" or when_at(tokens, at, published) is not None:
        at = _skip_phrases(tokens, at, event, published)
    if event.passive:
        _parse_passive(event, tokens, at, published)
    elif group in ("say", "note", "label", "tell", "warn"):
        _parse_speech(event, tokens, at, published)
    elif group == "demand":
        _parse_demand(event, tokens, at, published)
    elif group == "call":
        _parse_call(event, tokens, at, published)
    elif group == "vow":
        if low_at(tokens, at) == "to":
            event.begin = at
        else:
            _quote_or_clause(event, tokens, at)
    elif group == "accuse":
        _parse_accuse(event, tokens, at, published)
    elif group == "tie":
        _parse_tie(event, tokens, at)
    elif group in ("deny", "find", "stand"):
        _parse_object(event, tokens, at)


def _parse_speech(event: Event, tokens: Sequence[Token], at: int, published: date | None) -> None:
    if event.inverted:
        role_end = at
        while role_end < len(tokens) and role_end < at + 40 and not is_quote(tokens, role_end):
            if low_at(tokens, role_end) in ("that",):
                break
            role_end += 1
        if is_quote(tokens, role_end):
            event.begin = role_end
        return
    told_first = event.group in ("tell", "warn") and low_at(tokens, at) != "that"
    if told_first and not is_quote(tokens, at):
        told = mention_at(tokens, at)
        if told is not None and _follows_object(tokens, told.last):
            if event.group == "warn" or low_at(tokens, told.last) == "to":
                event.addressee = told
            if event.group == "tell" and told.kind != "pronoun" and _orders(tokens, told.last):
                event.lemma, event.group, event.begin = "order", "demand", told.last
                return
            if event.group == "warn" and low_at(tokens, told.last) == "against":
                event.lemma, event.begin = "order", told.last
                return
            at = _skip_phrases(tokens, told.last, event, published)
        elif event.group == "tell":
            at = _skip_phrases(tokens, _past_hearer(tokens, at), event, published)
    if event.group == "label":
        event.begin = at if at < len(tokens) and low_at(tokens, at) != "to" else None
        return
    if event.group == "warn" and low_at(tokens, at) in ("against", "of"):
        event.begin = at + 1
        return
    _quote_or_clause(event, tokens, at)
    if event.begin is None and event.group in ("say", "note"):
        if low_at(tokens, at) in cues.AUXILIARIES:  # "polls that he claimed were Q"
            event.begin, event.loose = at, True
        elif _only_rest(tokens, at):
            event.trailing = True
        elif event.group == "note" and event.subject is not None and _quoted_ahead(tokens, at):
            event.begin, event.loose = at, True  # "the notes revealed discussion of a Q"


def _orders(tokens: Sequence[Token], at: int) -> bool:
    """ "told NAME to withdraw": to, and no place or person after it."""
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    if low_at(tokens, at) != "to" or following is None or following.kind != WORD:
        return False
    return not (capital(following) or following.low in cues.DETERMINERS)


def _past_hearer(tokens: Sequence[Token], at: int) -> int:
    """Over whoever was told, named or not, to what they were told."""
    for place in range(at, min(len(tokens), at + 10)):
        if is_quote(tokens, place) or tokens[place].text in (":", ","):
            return place
        if tokens[place].kind != WORD:
            break
        if tokens[place].low == "that":
            return place
    return _over_phrase(tokens, at)


def _quoted_ahead(tokens: Sequence[Token], at: int) -> bool:
    """Is a quotation part of what the verb at hand takes: a few words on, in the same clause?"""
    for place in range(at, min(len(tokens), at + 8)):
        if tokens[place].kind == QUOTE:
            return True
        if tokens[place].kind != WORD or tokens[place].low in cues.SUBORDINATORS:
            return False
    return False


def _follows_object(tokens: Sequence[Token], at: int) -> bool:
    if at >= len(tokens) or tokens[at].kind == QUOTE:
        return True
    low = tokens[at].low
    return low in ("that", "to", ":", ",", "against", "not") or low in cues.PREPOSITIONS


def _only_rest(tokens: Sequence[Token], at: int) -> bool:
    """Nothing more but an end, a comma, or an aside: the words stood before the cue."""
    return at >= len(tokens) or tokens[at].kind != WORD or tokens[at].low in _LEADING


def _parse_demand(event: Event, tokens: Sequence[Token], at: int, published: date | None) -> None:
    if low_at(tokens, at) == "that":
        at += 1
        asked = mention_at(tokens, at)
        event.addressee, event.begin = asked, at
        return
    if is_quote(tokens, at):
        event.begin = at
        return
    asked = mention_at(tokens, at)
    if asked is not None:
        after = _skip_phrases(tokens, asked.last, event, published)
        if event.lemma in _INVITES and (event.participle or not _orders(tokens, after)):
            return
        if low_at(tokens, after) in ("to", "not"):
            event.addressee, event.begin = asked, after
            if is_quote(tokens, after + 1):
                event.begin = after + 1
            return
        if is_quote(tokens, after) or text_at(tokens, after) in (":", ","):
            event.addressee = asked
            event.begin = after
            return
    if event.lemma in _INVITES:
        for place in range(at, min(len(tokens), at + 8)):
            if tokens[place].kind != WORD:
                return
            if tokens[place].low == "to":
                event.begin = place if _orders(tokens, place) and not event.participle else None
                return
        return
    if at < len(tokens) and tokens[at].kind == WORD and tokens[at].low not in cues.PREPOSITIONS:
        event.begin = at
        event.addressee = _after_word(tokens, at, ("from", "of"))


def _after_word(tokens: Sequence[Token], at: int, words: tuple[str, ...]) -> Mention | None:
    for place in range(at, min(len(tokens), at + 30)):
        if tokens[place].low in words and tokens[place].kind == WORD:
            found = mention_at(tokens, place + 1)
            if found is not None:
                return found
    return None


def _parse_call(event: Event, tokens: Sequence[Token], at: int, published: date | None) -> None:
    low = low_at(tokens, at)
    if low in ("on", "upon") or (event.lemma == "appeal" and low == "to"):
        asked = mention_at(tokens, at + 1)
        if asked is None:
            end = _over_phrase(tokens, at + 1)
            asked = _loose(tokens, at + 1, end)
        if asked is not None:
            event.addressee = asked
            after = _skip_phrases(tokens, asked.last, event, published)
            event.begin = after + 1 if low_at(tokens, after) == "for" else after
            event.lemma = f"{event.lemma} {low}"
            if after >= len(tokens):
                event.begin = None
            return
    if low == "for":
        event.lemma += " for"
        event.begin = at + 1
        event.addressee = _after_word(tokens, at + 1, ("from",))
    elif low == "to":
        event.lemma += " to"
        event.begin = at
    else:
        event.group = "label"
        event.begin = at if at < len(tokens) else None


def _loose(tokens: Sequence[Token], first: int, end: int) -> Mention | None:
    """An addressee that is no name: "all sides", as printed."""
    if end <= first:
        return None
    words = list(tokens[first:end])
    if words[0].low in cues.ARTICLES:
        words.pop(0)
    if not words:
        return None
    name = joined(words)
    return Mention(name, None, "common", first, end, words[0].start, words[-1].end, None, False)


def _parse_accuse(event: Event, tokens: Sequence[Token], at: int, published: date | None) -> None:
    charged = mention_at(tokens, at)
    if event.lemma in ("hold", "name"):
        event.addressee, event.begin = name_at(tokens, at, len(tokens)), at
        return
    end = charged.last if charged is not None else _over_phrase(tokens, at)
    after = end if low_at(tokens, end) == "with" else _skip_phrases(tokens, end, event, published)
    if charged is not None and low_at(tokens, after) in ("of", "for", "with"):
        event.addressee, event.begin = charged, after + 1
        return
    if charged is not None:  # "NAME Of Thing", in a headline Set Like This
        for place in range(charged.last - 1, charged.first, -1):
            if low_at(tokens, place) == "of":
                event.addressee = mention(tokens, charged.first, place)
                event.begin = place + 1
                return
    for place in range(at, min(len(tokens), at + 30)):
        if low_at(tokens, place) == "on" and event.lemma == "blame":
            blamed = mention_at(tokens, place + 1)
            if blamed is not None:
                event.addressee, event.begin = blamed, at
            return
        if is_quote(tokens, place):
            event.addressee, event.begin = charged, place
            return


def _parse_tie(event: Event, tokens: Sequence[Token], at: int) -> None:
    """ "attributed THING to NAME"; where that is "a group", the one behind it if it is printed."""
    for place in range(at, min(len(tokens), at + 30)):
        if low_at(tokens, place) not in ("to", "with"):
            continue
        tied = mention_at(tokens, place + 1)
        if tied is None:
            told = tokens[-1].text == "."  # a headline without names is left to its text
            if event.begin is None and told and low_at(tokens, place) == "to":
                event.begin = at  # "traced the servers to a contractor": nobody by name
            continue
        if event.begin is None:
            event.addressee, event.begin = tied, at
        if tied.kind == "name":
            event.addressee = tied
            return
        behind = _behind(tokens, tied.last)
        if behind is not None:
            event.addressee = behind
            return


def _behind(tokens: Sequence[Token], at: int) -> Mention | None:
    """ "a group run by NAME": the one named."""
    if low_at(tokens, at) in cues.BACKED and low_at(tokens, at + 1) == "by":
        return mention_at(tokens, at + 2)
    return None


def _parse_object(event: Event, tokens: Sequence[Token], at: int) -> None:
    this_one = at + 2 >= len(tokens) or tokens[at + 2].kind not in (WORD, QUOTE)
    if low_at(tokens, at) == "that" and not this_one:  # "disputes that figure."
        at += 1
    if at < len(tokens) and (tokens[at].kind == QUOTE or tokens[at].kind == WORD):
        if tokens[at].low == "as" and is_quote(tokens, at + 1):
            at += 1  # "rejected as Q the charge"
        refused_as = tokens[at].low == "as" and event.group == "deny"  # "a charge NAME rejected as"
        if tokens[at].low in cues.PREPOSITIONS and event.group != "stand" and not refused_as:
            return
        event.begin = at
        for place in range(at, min(len(tokens), at + 12)):
            if event.group == "deny" and tokens[place].kind == WORD and possessive(tokens[place]):
                event.addressee = owner(tokens, place + 1)
                return


def _parse_passive(event: Event, tokens: Sequence[Token], at: int, published: date | None) -> None:
    """ "NAME was accused by NAME of": the one accused is the addressee, the agent the speaker."""
    patient, event.subject = event.subject, None
    if event.lemma in ("quote", "cite") and low_at(tokens, event.after) == "as":
        event.subject = patient
        _quote_or_clause(event, tokens, event.after + 2)
        return
    agent: Mention | None = None
    for place in range(event.after, min(len(tokens), event.after + 40)):
        if tokens[place].kind == QUOTE or tokens[place].text in ";:":
            break
        if tokens[place].low == "by":
            agent = mention_at(tokens, place + 1)
            break
    event.subject = agent
    if event.group not in ("accuse", "demand", "tie", "deny") or (
        patient is None and (event.group != "deny")
    ):
        event.begin = agent.last if agent is not None else None
        return
    at = _skip_by(tokens, event.after, agent, event, published)
    if event.group == "accuse" and low_at(tokens, at) in ("of", "for"):
        event.addressee, event.begin = patient, at + 1
    elif event.group == "demand" and low_at(tokens, at) == "to":
        event.addressee, event.begin = patient, at
    elif agent is not None:
        event.begin = agent.last


def _skip_by(
    tokens: Sequence[Token],
    at: int,
    agent: Mention | None,
    event: Event,
    published: date | None,
) -> int:
    at = _skip_phrases_plain(tokens, at, event, published)
    if agent is not None and low_at(tokens, at) == "by":
        at = _skip_phrases_plain(tokens, agent.last, event, published)
    return at


def _skip_phrases_plain(
    tokens: Sequence[Token], at: int, event: Event, published: date | None
) -> int:
    time = when_at(tokens, at, published)
    if time is not None:
        event.when = event.when or time
        at = time.last
    return at
