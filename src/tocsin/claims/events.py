"""Cues in a sentence: who says, urges, denies, finds; whom it is put to; which words it brings.

One pass finds the cue verbs with their subjects, a second joins what belongs together: verbs that
share a subject, participles, clauses that end where the next cue begins.
Spec: claims.md §3.4, §3.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from msgspec import Struct

from tocsin.claims import cues
from tocsin.claims.dates import When, when_at
from tocsin.claims.layout import QUOTE, WORD, Token
from tocsin.claims.mentions import (
    Mention,
    apposition,
    base,
    capital,
    joined,
    mention,
    mention_at,
    named,
    noun_like,
    possessive,
    subject_before,
)

_BE = cues.words("is are was were be been being get got")
_KEEPS_ON = cues.words("continued continues proceeded began moved sought chose rushed")
_REFUSES = cues.words("refused refuses declined declines failed fails")
_SELF = cues.words("himself herself itself themselves")
_JOINS = cues.words("and but then or")
_BREAKS = cues.words(", ; — – :")
_CLAUSE_START = cues.words(
    "he she it they we i you there this that these those the a an its his her their our"
    " my no nobody some many most such any all both"
)
_OPEN_CLAUSE = cues.words("when if even although though while because once unless until")
_NO_VERB = frozenset(["source", "noun", "colon"])


class Event(Struct):
    """One cue with what it governs; indexes are into the sentence's tokens, half-open.

    first: where its own clause begins. content: the words it brings, None if it brings none.
    late: a time printed after the words, which may be the words' own.
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


def events(tokens: Sequence[Token], published: date | None) -> list[Event]:
    """The cues of one sentence, in order, joined."""
    found: list[Event] = []
    for at, token in enumerate(tokens):
        if token.kind != WORD:
            continue
        if token.low == "according" and _low(tokens, at + 1) == "to":
            source = mention_at(tokens, at + 2)
            if source is not None:
                event = Event(at, source.last, "according to", "source", "according to", at)
                event.subject = source
                if source.last < len(tokens) and tokens[source.last].text == ",":
                    event.role, event.after = apposition(tokens, source.last)
                found.append(event)
        elif at == 0 or _is_quote(tokens, at - 2):
            label = _label(tokens, at)
            if label is not None:
                found.append(label)
                continue
            verb = _verb(tokens, at, found, published) if token.low in cues.CUES else None
            if verb is not None:
                found.append(verb)
        elif token.low in cues.SPEECH_NOUNS and at and _owner(tokens, at) is not None:
            event = Event(at, at + 1, token.low, "noun", token.text, at)
            event.subject = _owner(tokens, at)
            event.begin = at + 1
            found.append(event)
        elif token.low in cues.CUES:
            verb = _verb(tokens, at, found, published)
            if verb is not None:
                found.append(verb)
        elif token.low.endswith("ed") and at > 1:
            shaped = _shaped(tokens, at)
            if shaped is not None:
                found.append(shaped)
    opening = _opening_time(tokens, published)
    for event in found:
        if event.group not in _NO_VERB:
            _parse(event, tokens, published)
    _join(found, tokens, opening)
    _bound(found, tokens)
    return found


def _shaped(tokens: Sequence[Token], at: int) -> Event | None:
    """ "Q, NAME gushed": a verb that no list has, known by where it stands."""
    if tokens[at].low in cues.HARM or tokens[at - 1].kind == QUOTE:
        return None
    subject = subject_before(tokens, at)
    if subject is None or not _is_quote(tokens, subject.first - 1):
        return None
    if not tokens[subject.first - 1].text.rstrip().endswith((",", "!", "?")):
        return None
    event = Event(at, at + 1, tokens[at].low, "label", tokens[at].text, subject.first)
    event.subject = subject
    return event


def _label(tokens: Sequence[Token], at: int) -> Event | None:
    """ "NAME: Q" and "Q: NAME", as headlines have it."""
    speaker = mention_at(tokens, at)
    if speaker is None or speaker.kind == "pronoun":
        return None
    if at == 0 and _text(tokens, speaker.last) == ":" and _is_quote(tokens, speaker.last + 1):
        event = Event(at, speaker.last + 1, ":", "colon", ":", at)
        event.begin = speaker.last + 1
    elif at and _text(tokens, at - 1) == ":" and speaker.last == len(tokens):
        event = Event(at, speaker.last, ":", "colon", ":", at)
        event.inverted = True
    else:
        return None
    event.subject = speaker
    return event


def _low(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].low if 0 <= at < len(tokens) else ""


def _text(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].text if 0 <= at < len(tokens) and tokens[at].kind != QUOTE else ""


def _is_quote(tokens: Sequence[Token], at: int) -> bool:
    return 0 <= at < len(tokens) and tokens[at].kind == QUOTE


def _owner(tokens: Sequence[Token], at: int) -> Mention | None:
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
    end = near.start + len(base(near.text))
    owner = near._replace(text=base(near.text), low=base(near.low), end=end)
    return mention([*tokens[: at - 1], owner], first, at)


def _over_time(event: Event, tokens: Sequence[Token], back: int, published: date | None) -> int:
    """ "Northland on Wednesday accused": the time between a subject and its verb."""
    for width in (2, 3, 1, 4):
        if back > width:
            time = when_at(tokens, back - width, published)
            if time is not None and time.last == back:
                event.when = time
                return back - width
    return back


def _verb(
    tokens: Sequence[Token], at: int, earlier: list[Event], published: date | None
) -> Event | None:
    token = tokens[at]
    cue = cues.CUES[token.low]
    lemma, group, after = cue.lemma, cue.group, at + 1
    if group == "point":
        if _low(tokens, after) != "out":
            return None
        lemma, group, after = "point out", "note", after + 1
    inside = token.text[0].isupper() and at > 0 and not _is_quote(tokens, at - 1)
    if inside and cue.form != "ing" and token.text[1:2].islower() and not _title_case(tokens):
        return None  # inside a name
    if token.low == "states" and not (
        _is_quote(tokens, after)
        or _text(tokens, after) == ":"
        or (_low(tokens, after) == "that" and _text(tokens, at - 1) != ",")
    ):
        return None  # far more often bodies that speak than a verb
    back, flags = _skip_helpers(tokens, at)
    event = Event(at, after, lemma, group, token.text, at)
    event.negated = "not" in flags or "modal" in flags
    near = tokens[back - 1] if back else None
    if near is not None and near.low == "to":
        return _infinitive(event, tokens, back)
    if cue.form == "ing" and "be" not in flags:
        return _participle(event, tokens, back)
    if cue.form == "past" and "be" in flags:
        event.passive = True
    if near is not None and back == at and near.kind == WORD and cue.form != "ing":
        noun = near.low in cues.DETERMINERS | cues.PREPOSITIONS or possessive(near)
        if noun and near.low not in cues.SPEAKING:
            return None  # "the claims", "Northland's demands"
    back = _over_time(event, tokens, back, published)
    subject = subject_before(tokens, back)
    if subject is None and group in ("say", "note", "tell", "label") and cue.form != "base":
        subject = subject_before(tokens, back, loose=True)
        event.loose = True
    if subject is not None:
        alone = cue.form == "base" and not flags & {"do", "modal"} and at == back
        if alone and not _plural(subject):
            return None
        if cue.form == "past" and not flags and group == "accuse" and _low(tokens, after) == "of":
            return None  # "the group accused of the breach"
        event.subject, event.first = subject, subject.first
        return event
    return _without_subject(event, tokens, back, earlier)


def _plural(subject: Mention) -> bool:
    """May it stand before "say"? A name alone may not: "the NAME claim" is a thing."""
    if subject.kind == "pronoun":
        return subject.name.lower() == "they"
    if subject.kind == "name":
        return " and " in subject.name
    head = subject.name.lower().split()
    for at, word in enumerate(head):
        if word in ("of", "for", "from", "at", "in", "with"):
            head = head[:at]
            break
    return bool(head) and (head[-1].endswith("s") or head[-1] in ("people", "police"))


def _title_case(tokens: Sequence[Token]) -> bool:
    """A headline Set Like This: capitals say nothing there."""
    words = [token for token in tokens[:40] if token.kind == WORD]
    return 3 * sum(token.text[0].isupper() for token in words) > 2 * len(words)


def _skip_helpers(tokens: Sequence[Token], at: int) -> tuple[int, set[str]]:
    back = at
    flags: set[str] = set()
    while back > 0 and at - back < 9:
        low = tokens[back - 1].low
        if tokens[back - 1].kind != WORD:
            break
        if low in cues.NEGATIONS:
            flags.add("not")
        elif low in _BE:
            flags.add("be")
        elif low in cues.MODALS:
            flags.add("modal")
        elif low in ("do", "does", "did"):
            flags.add("do")
        elif low in cues.AUXILIARIES:
            flags.add("have")
        elif low not in cues.ADVERBS and low not in _SELF and not low.endswith("ly"):
            break
        if capital(tokens[back - 1]) and back - 1 > 0 and low.endswith("ly"):
            break
        back -= 1
    return back, flags


def _infinitive(event: Event, tokens: Sequence[Token], back: int) -> Event | None:
    verb = back - 2
    if _low(tokens, verb) == "on" and _low(tokens, verb - 1) in ("went", "goes", "going"):
        verb -= 1
    elif _low(tokens, verb) in _REFUSES:
        event.negated = True
    elif _low(tokens, verb) not in _KEEPS_ON:
        return None
    start, _ = _skip_helpers(tokens, verb)
    event.subject = subject_before(tokens, start)
    if event.subject is None:
        return None
    event.first = event.subject.first
    return event


def _participle(event: Event, tokens: Sequence[Token], back: int) -> Event | None:
    near = tokens[back - 1] if back else None
    fits = near is None or near.kind == QUOTE or near.text in (",", "—", "–", ";")
    if not fits and near is not None:
        fits = near.low in ("and", "before", "while", "after", "by", "but", "in")
    if not fits:
        return None
    event.participle, event.first = True, back
    return event


def _without_subject(
    event: Event, tokens: Sequence[Token], back: int, earlier: list[Event]
) -> Event | None:
    near = tokens[back - 1] if back else None
    if near is None:
        return None
    if near.low in _JOINS or (
        near.text == "," and not _is_quote(tokens, back - 2) and earlier and back > 1
    ):
        after = mention_at(tokens, event.after) if near.text == "," else None
        if after is None or near.low in _JOINS:
            event.elided, event.first = True, back
            return event
    if event.passive or event.group in ("find", "tie", "stand", "accuse", "demand"):
        return None
    if back == event.at and (near.kind == QUOTE or near.text in (",", "—", "–")):
        subject = mention_at(tokens, event.after)
        if subject is not None:
            event.subject, event.inverted, event.trailing = subject, True, True
            event.after, event.first = subject.last, event.at
            if event.after < len(tokens) and tokens[event.after].text == ",":
                event.role, event.after = apposition(tokens, event.after)
            return event
    return None


# --- what follows the verb -------------------------------------------------------------------


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
            if _text(tokens, close) != ")":
                break
            at = close + 1
        elif token.low in cues.PREPOSITIONS - {"of", "for", "like", "as", "because", "since"}:
            if token.low == "to" or _is_quote(tokens, at + 1):
                break
            end = _over_phrase(tokens, at + 1)
            if end == at + 1:
                break
            at = end
        elif token.low.endswith("ly") or token.low in _SELF or token.low in ("also", "again"):
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
        if not (
            capital(token)
            or noun_like(token, end)
            or token.low in cues.DETERMINERS
            or token.low == "of"
        ):
            break
        end += 1
    return end


def _quote_or_clause(event: Event, tokens: Sequence[Token], at: int) -> None:
    """Set where the words begin: a quotation, a that-clause, a bare clause."""
    while _text(tokens, at) in (",", ":") and not _is_quote(tokens, at + 1):
        if _text(tokens, at) == ":" or _low(tokens, at + 1) != "that":
            return
        at += 1
    if _text(tokens, at) in (",", ":"):
        at += 1
    if _is_quote(tokens, at):
        event.begin = at
    elif _low(tokens, at) == "that":
        event.begin = at + 1
    elif event.lemma in cues.BARE and _clause(tokens, at):
        event.begin = at


def _clause(tokens: Sequence[Token], at: int) -> bool:
    """Does a clause with a verb of its own begin here?"""
    if at >= len(tokens) or tokens[at].kind != WORD:
        return False
    token = tokens[at]
    if token.low in cues.PREPOSITIONS or token.low in cues.CONJUNCTIONS:
        return False
    if token.low in ("even", "when", "if", "after", "whether", "how", "what", "why"):
        return False
    if not (token.low in _CLAUSE_START or capital(token) or noun_like(token, at)):
        return False
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
    return head and _low(tokens, at + 1).endswith("s")


def _parse(event: Event, tokens: Sequence[Token], published: date | None) -> None:
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
        if _low(tokens, at) == "to":
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
        while role_end < len(tokens) and role_end < at + 40 and not _is_quote(tokens, role_end):
            if _low(tokens, role_end) in ("that",):
                break
            role_end += 1
        if _is_quote(tokens, role_end):
            event.begin = role_end
        return
    if event.group in ("tell", "warn") and not _is_quote(tokens, at) and _low(tokens, at) != "that":
        told = mention_at(tokens, at)
        if told is not None and _follows_object(tokens, told.last):
            if event.group == "warn":
                event.addressee = told
            at = _skip_phrases(tokens, told.last, event, published)
        elif event.group == "tell":
            end = _over_phrase(tokens, at)
            at = _skip_phrases(tokens, end, event, published)
    if event.group == "label":
        event.begin = at if at < len(tokens) and _low(tokens, at) != "to" else None
        return
    if event.group == "warn" and _low(tokens, at) in ("against", "of"):
        event.begin = at + 1
        return
    _quote_or_clause(event, tokens, at)
    if event.begin is None and event.group in ("say", "note") and _only_rest(tokens, at):
        event.trailing = True


def _follows_object(tokens: Sequence[Token], at: int) -> bool:
    if at >= len(tokens) or tokens[at].kind == QUOTE:
        return True
    low = tokens[at].low
    return low in ("that", "to", ":", ",", "against", "not") or low in cues.PREPOSITIONS


def _only_rest(tokens: Sequence[Token], at: int) -> bool:
    """Nothing more but an end, a comma, or an aside: the words stood before the cue."""
    return (
        at >= len(tokens)
        or tokens[at].kind != WORD
        or tokens[at].low in (cues.PREPOSITIONS | cues.CONJUNCTIONS | cues.SUBORDINATORS)
    )


def _parse_demand(event: Event, tokens: Sequence[Token], at: int, published: date | None) -> None:
    if _low(tokens, at) == "that":
        at += 1
        asked = mention_at(tokens, at)
        event.addressee, event.begin = asked, at
        return
    if _is_quote(tokens, at):
        event.begin = at
        return
    asked = mention_at(tokens, at)
    if asked is not None:
        after = _skip_phrases(tokens, asked.last, event, published)
        if _low(tokens, after) in ("to", "not"):
            event.addressee, event.begin = asked, after
            if _is_quote(tokens, after + 1):
                event.begin = after + 1
            return
        if _is_quote(tokens, after) or _text(tokens, after) in (":", ","):
            event.addressee = asked
            event.begin = after
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
    low = _low(tokens, at)
    if low in ("on", "upon") or (event.lemma == "appeal" and low == "to"):
        asked = mention_at(tokens, at + 1)
        if asked is None:
            end = _over_phrase(tokens, at + 1)
            asked = _loose(tokens, at + 1, end)
        if asked is not None:
            event.addressee = asked
            after = _skip_phrases(tokens, asked.last, event, published)
            event.begin = after + 1 if _low(tokens, after) == "for" else after
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
    end = charged.last if charged is not None else _over_phrase(tokens, at)
    after = _skip_phrases(tokens, end, event, published)
    if charged is not None and _low(tokens, after) in ("of", "for"):
        event.addressee, event.begin = charged, after + 1
        return
    for place in range(at, min(len(tokens), at + 30)):
        if _low(tokens, place) == "on" and event.lemma == "blame":
            blamed = mention_at(tokens, place + 1)
            if blamed is not None:
                event.addressee, event.begin = blamed, at
            return
        if _is_quote(tokens, place):
            event.addressee, event.begin = charged, place
            return


def _parse_tie(event: Event, tokens: Sequence[Token], at: int) -> None:
    for place in range(at, min(len(tokens), at + 30)):
        if _low(tokens, place) in ("to", "with"):
            tied = mention_at(tokens, place + 1)
            if tied is not None:
                if tied.kind != "name":
                    tied = _behind(tokens, tied.last) or tied
                event.addressee, event.begin = tied, at
                return


def _behind(tokens: Sequence[Token], at: int) -> Mention | None:
    """ "a group run by NAME": the one named."""
    if _low(tokens, at) in cues.BACKED and _low(tokens, at + 1) == "by":
        return mention_at(tokens, at + 2)
    return None


def _parse_object(event: Event, tokens: Sequence[Token], at: int) -> None:
    if _low(tokens, at) == "that":
        at += 1
    if at < len(tokens) and (tokens[at].kind == QUOTE or tokens[at].kind == WORD):
        if tokens[at].low in cues.PREPOSITIONS and event.group != "stand":
            return
        event.begin = at
        for place in range(at, min(len(tokens), at + 12)):
            if event.group == "deny" and tokens[place].kind == WORD and possessive(tokens[place]):
                event.addressee = _owner(tokens, place + 1)
                return


def _parse_passive(event: Event, tokens: Sequence[Token], at: int, published: date | None) -> None:
    """ "NAME was accused by NAME of": the one accused is the addressee, the agent the speaker."""
    patient, event.subject = event.subject, None
    if event.lemma in ("quote", "cite") and _low(tokens, event.after) == "as":
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
    if event.group == "accuse" and _low(tokens, at) in ("of", "for"):
        event.addressee, event.begin = patient, at + 1
    elif event.group == "demand" and _low(tokens, at) == "to":
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
    if agent is not None and _low(tokens, at) == "by":
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


# --- joining ---------------------------------------------------------------------------------


def _opening_time(tokens: Sequence[Token], published: date | None) -> When | None:
    """ "In 2020, ..." or "On Wednesday Northland said": the time the sentence opens with."""
    if not tokens or tokens[0].kind == QUOTE:
        return None
    return when_at(tokens, 0, published)


def _join(found: list[Event], tokens: Sequence[Token], opening: When | None) -> None:
    last: Event | None = None
    for number, event in enumerate(found):
        if event.group in _NO_VERB:
            continue
        if event.elided and last is not None and last.subject is not None:
            event.subject = last.subject
            event.when = event.when or last.when
        elif event.elided:
            event.subject = _clause_subject(tokens, event.first)
        elif event.participle:
            later = next((e for e in found[number + 1 : number + 9] if _finite(e)), None)
            if last is not None and last.subject is not None:
                event.subject = last.subject
                event.when = event.when or last.when
            elif later is not None:
                event.subject = later.subject
            else:
                event.subject = _main_subject(tokens, event)
        if opening is not None and event.when is None and last is None:
            event.when = opening
        if event.subject is not None and not event.participle:
            last = event


def _finite(event: Event) -> bool:
    return not event.participle and event.subject is not None and event.group not in _NO_VERB


def _main_subject(tokens: Sequence[Token], event: Event) -> Mention | None:
    """The subject of the clause that a participle leans on: after its comma, or before it."""
    if event.at > 1:
        return _clause_subject(tokens, event.first)
    for place in range(event.after, min(len(tokens), event.after + 60)):
        if tokens[place].kind == WORD or tokens[place].kind == QUOTE:
            continue
        if tokens[place].text == ",":
            subject = mention_at(tokens, place + 1)
            if subject is not None and event.begin is not None and place > event.begin:
                event.stop = place
                return subject
    return None


def _clause_subject(tokens: Sequence[Token], before: int) -> Mention | None:
    """The sentence's own subject, after an opening phrase, if a verb may follow it."""
    at = 0
    while at < before and at < 24 and tokens[at].low in cues.PREPOSITIONS | cues.ADVERBS:
        comma = at
        while comma < before and comma < at + 24 and tokens[comma].text != ",":
            comma += 1
        if comma >= before or tokens[comma].text != ",":
            return None
        at = comma + 1
    return mention_at(tokens, at)


def _bound(found: list[Event], tokens: Sequence[Token]) -> None:
    """Give every event the end of its words, and mark what lies inside another's."""
    total = len(tokens)
    while total and tokens[total - 1].kind != QUOTE and tokens[total - 1].text in ".!?…;:,":
        total -= 1
    ends = [_start_of(event, tokens) for event in found]
    for number, event in enumerate(found):
        if event.begin is None or event.begin >= total:
            continue
        end = total if event.stop is None else min(total, event.stop)
        for later in range(number + 1, len(found)):
            stop = ends[later]
            if stop is not None and stop > event.begin:
                end = min(end, stop)
                break
        for place in range(event.begin, end):
            if tokens[place].kind != QUOTE and tokens[place].text == ";":
                end = place
                break
            if tokens[place].kind == QUOTE and event.group == "find":
                end = place
                break
        if end > event.begin:
            event.content = (event.begin, end)
    for event in found:
        if event.trailing and event.content is None and not event.elided:
            comma = event.first - 1
            if (
                comma > 0
                and _text(tokens, comma) in (",", "—", "–")
                and not _is_quote(tokens, comma - 1)
                and _whole_clause(tokens, comma)
            ):
                start = 1 if tokens[0].low in cues.CONJUNCTIONS else 0
                event.content = (start, comma)
        if event.group == "source":
            _bound_source(event, tokens, total)
    cover = [0] * (len(tokens) + 1)
    for event in found:
        if event.content is not None and event.subject is not None and event.group != "noun":
            cover[event.content[0]] += 1
            cover[event.content[1]] -= 1
    depth = [0] * (len(tokens) + 1)
    for place in range(len(tokens)):
        depth[place + 1] = depth[place] + cover[place]
    for event in found:
        event.embedded = depth[event.at + 1] > 0


def _whole_clause(tokens: Sequence[Token], end: int) -> bool:
    """Is what stands before a trailing cue a clause of its own, and no mere opening phrase?"""
    first = tokens[0]
    if first.kind == WORD and (
        first.low.endswith("ing") or first.low in cues.PREPOSITIONS | _OPEN_CLAUSE
    ):
        return any(token.text == "," for token in tokens[1:end]) and first.low not in _OPEN_CLAUSE
    return end >= 2


def _bound_source(event: Event, tokens: Sequence[Token], total: int) -> None:
    if event.at == 0:
        start = event.after
        while start < total and start < event.after + 40 and tokens[start].text != ",":
            if tokens[start].kind == QUOTE:
                break
            start += 1
        if start < total:
            event.content = (start + (tokens[start].text == ","), total)
    elif _text(tokens, event.at - 1) == ",":
        event.content = (0, event.at - 1)


def _start_of(event: Event, tokens: Sequence[Token]) -> int | None:
    """Where an event ends the words of the one before: at the joining word or comma."""
    first = event.first
    if event.group == "noun":
        return None
    if event.inverted:
        first = event.at
    near = _text(tokens, first - 1)
    low = _low(tokens, first - 1)
    if low in _JOINS or (low in ("while", "before", "after", "by") and event.participle):
        stop = first - 1
        if _text(tokens, stop - 1) == ",":
            stop -= 1
        return stop
    if low == "while":
        return first - 1
    if near in _BREAKS:
        return first - 1
    if event.participle and first and _is_quote(tokens, first - 1):
        return first
    return None
