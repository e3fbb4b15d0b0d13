"""Cues in a sentence: who says, urges, denies, finds; whom it is put to; which words it brings.

One pass finds the cue verbs with their subjects, a second joins what belongs together: verbs that
share a subject, participles, clauses that end where the next cue begins.
Spec: claims.md §3.4, §3.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from tocsin.reading import cues
from tocsin.reading.brings import SELF, Event, is_quote, low_at, owner, parse, text_at
from tocsin.reading.dates import When, when_at
from tocsin.reading.layout import QUOTE, WORD, Token
from tocsin.reading.mentions import (
    Mention,
    apposition,
    capital,
    mention,
    mention_at,
    name_at,
    possessive,
    subject_before,
)

_BE = cues.words("is are was were be been being get got")
_KEEPS_ON = cues.words("used continued continues proceeded began moved sought chose rushed")
_REFUSES = cues.words("refused refuses declined declines failed fails")
_JOINS = cues.words("and but then or")
_BREAKS = cues.words(", ; — – :")
_OPEN_CLAUSE = cues.words("when if even although though while because once unless until")
_JUDGED = cues.words("charge claim allegation accusation assertion contention suggestion")
_SENDS = cues.words(
    "sent sends issued issues released releases wrote writes posted posts published"
)
_RELATIVE = cues.words("who which that whose")
_BEHIND = cues.words("behind responsible culprit perpetrator author authors")
_REPLIES = cues.words("reply respond answer continue recount")
_MAY_FIND = cues.words("find reveal report observe disclose announce")
_BEFORE_NOUN = cues.DETERMINERS | cues.PREPOSITIONS
_NEW_CLAUSE = cues.SUBORDINATORS | cues.AUXILIARIES
_VOICES = cues.DOCUMENTS | cues.SPEAKING
_OPENING = cues.PREPOSITIONS | _OPEN_CLAUSE
_NO_VERB = frozenset(["source", "noun", "colon"])


def events(tokens: Sequence[Token], published: date | None) -> list[Event]:
    """The cues of one sentence, in order, joined."""
    found: list[Event] = []
    for at, token in enumerate(tokens):
        if token.kind != WORD or not (token.stirs or at == 0 or tokens[at - 1].text == ":"):
            continue
        if token.low == "according" and low_at(tokens, at + 1) == "to":
            source = mention_at(tokens, at + 2)
            if source is not None:
                event = Event(at, source.last, "according to", "source", "according to", at)
                event.subject = source
                if source.last < len(tokens) and tokens[source.last].text == ",":
                    event.role, event.after = apposition(tokens, source.last)
                found.append(event)
        elif at == 0 or is_quote(tokens, at - 2):
            label = _label(tokens, at)
            if label is not None:
                found.append(label)
                continue
            verb = _verb(tokens, at, found, published) if token.low in cues.CUES else None
            if verb is not None:
                found.append(verb)
        elif token.low in cues.SPEECH_NOUNS and at and owner(tokens, at) is not None:
            event = Event(at, at + 1, token.low, "noun", token.text, at)
            event.subject = owner(tokens, at)
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
            parse(event, tokens, published)
    found = [event for event in found if not _asks_readers(event)]
    _join(found, tokens, opening)
    _bound(found, tokens)
    # In "said that investigators had found Q" the words are those of who said it.
    return [event for event in found if not (event.embedded and event.lemma in cues.WEAK)]


def _asks_readers(event: Event) -> bool:
    """ "We urge customers to update": whoever wrote it, to nobody by name."""
    ours = event.subject is not None and event.subject.kind == "author"
    named_one = event.addressee is not None and event.addressee.kind == "name"
    return ours and event.group in ("call", "demand") and not named_one


def _shaped(tokens: Sequence[Token], at: int) -> Event | None:
    """ "Q, NAME gushed": a verb that no list has, known by where it stands."""
    if tokens[at].low in cues.HARM or tokens[at - 1].kind == QUOTE:
        return None
    subject = subject_before(tokens, at)
    if subject is None or not is_quote(tokens, subject.first - 1):
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
    if at == 0 and text_at(tokens, speaker.last) == ":" and is_quote(tokens, speaker.last + 1):
        event = Event(at, speaker.last + 1, ":", "colon", ":", at)
        event.begin = speaker.last + 1
    elif at and text_at(tokens, at - 1) == ":" and speaker.last == len(tokens):
        event = Event(at, speaker.last, ":", "colon", ":", at)
        event.inverted = True
    else:
        return None
    event.subject = speaker
    return event


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
    if lemma == "ask" and low_at(tokens, after) == "not":
        return None  # "who asked not to be named"
    if lemma == "charge" and _charged_with(tokens, after):
        lemma, group = "accuse", "accuse"
    if lemma in ("express", "voice") and _sympathy(tokens, after):
        group = "stand"
    if lemma in _MAY_FIND and _implant_ahead(tokens, after):
        group, lemma = "find", "discover"
    if lemma in ("hold", "name") and not _held(tokens, after, lemma):
        return None
    if lemma == "ask" and _told_to(tokens, after):
        group = "demand"
    if group == "label" and lemma in _REPLIES and low_at(tokens, after) == "that":
        group = "note"
    if group == "point":
        if low_at(tokens, after) != "out":
            return None
        lemma, group, after = "point out", "note", after + 1
    inside = token.text[0].isupper() and at > 0 and not is_quote(tokens, at - 1)
    if inside and cue.form != "ing" and token.text[1:2].islower() and not _title_case(tokens):
        return None  # inside a name
    if token.low == "states" and not (
        is_quote(tokens, after)
        or text_at(tokens, after) == ":"
        or (low_at(tokens, after) == "that" and text_at(tokens, at - 1) != ",")
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
        noun = near.low in _BEFORE_NOUN or possessive(near)
        if noun and near.low not in cues.SPEAKING:
            return None  # "the claims", "Northland's demands"
    back = _over_time(event, tokens, back, published)
    subject = subject_before(tokens, back)
    if low_at(tokens, back - 1) == "we" and group not in ("label", "vow"):
        we = tokens[back - 1]
        event.first = back - 1
        event.subject = Mention(
            we.text, None, "author", back - 1, back, we.start, we.end, None, False
        )
        return event
    if subject is None and cue.form != "base":
        subject = _before_relative(tokens, back)
    if subject is None and group in ("say", "note", "tell", "label") and cue.form != "base":
        subject = subject_before(tokens, back, loose=True)
        event.loose = subject is not None
    if lemma == "require" and not _orders_by_office(subject):
        return None  # a law, a site, a repair "requires" too
    if lemma in cues.WEAK and not _written(subject, tokens, after):
        return None
    if subject is not None:
        alone = cue.form == "base" and not flags & {"do", "modal"} and at == back
        if alone and not _plural(subject):
            return None
        if cue.form == "past" and not flags and group == "accuse" and low_at(tokens, after) == "of":
            return None  # "the group accused of the breach"
        event.subject, event.first = subject, subject.first
        return event
    return _without_subject(event, tokens, back, earlier)


def _charged_with(tokens: Sequence[Token], after: int) -> bool:
    """ "charged four officers with": no saying, but a court's accusation."""
    for token in tokens[after : after + 10]:
        if token.kind != WORD or token.low in ("that", "for"):
            return False
        if token.low == "with":
            return True
    return False


def _held(tokens: Sequence[Token], after: int, lemma: str) -> bool:
    """ "holds NAME responsible for", "named NAME as the state behind": a charge, and no grip."""
    held = name_at(tokens, after, len(tokens))
    if held is None:
        return False
    if lemma == "hold":
        return low_at(tokens, held.last) in ("responsible", "accountable", "liable")
    ahead = {token.low for token in tokens[held.last : held.last + 9] if token.kind == WORD}
    return low_at(tokens, held.last) == "as" and not ahead.isdisjoint(_BEHIND)


def _implant_ahead(tokens: Sequence[Token], after: int) -> bool:
    """ "found malware", "revealed a flaw": the thing itself, and no clause about it."""
    for token in tokens[after : after + 6]:
        if token.kind != WORD or token.low in _NEW_CLAUSE:
            return False
        if token.low in cues.IMPLANTS:
            return True
    return False


def _told_to(tokens: Sequence[Token], after: int) -> bool:
    """ "asked the ministry to publish"."""
    told = mention_at(tokens, after)
    return told is not None and told.kind != "pronoun" and low_at(tokens, told.last) == "to"


def _sympathy(tokens: Sequence[Token], after: int) -> bool:
    """ "expressed its solidarity with NAME"."""
    for token in tokens[after : after + 5]:
        if token.kind != WORD:
            return False
        if token.low in cues.SYMPATHY:
            return True
    return False


def _written(subject: Mention | None, tokens: Sequence[Token], after: int) -> bool:
    """ "the audit found Q", "records show that": a document or a body, and words right after."""
    if subject is None:
        return False
    if subject.kind == "pronoun":  # a person finds out that; "it found that" is a body's word
        return subject.name.lower() == "it" and low_at(tokens, after) == "that"
    if subject.kind == "name":
        return low_at(tokens, after) == "that" and _orders_by_office(subject)
    head = subject.name.lower().split()
    head = next((head[:at] for at, word in enumerate(head) if word in cues.OF_WHICH), head)
    if not head or head[-1] not in _VOICES:
        return False
    return low_at(tokens, after) == "that" or is_quote(tokens, after) or _marked(tokens, after)


def _orders_by_office(subject: Mention | None) -> bool:
    """A body that rules on others, by its own name or as one: "the Commission", "the court"."""
    if subject is None or subject.kind == "pronoun" or subject.person:
        return False
    own = subject.name.lower().split(" of ")[0].split()
    return bool(own) and (own[-1] in cues.ORGANS or own[-1] in ("regulator", "authorities"))


def _marked(tokens: Sequence[Token], after: int) -> bool:
    ahead = tokens[after : after + 6]
    stop = next((at for at, token in enumerate(ahead) if token.kind == QUOTE), None)
    return stop is not None and all(token.kind == WORD for token in ahead[:stop])


def _before_relative(tokens: Sequence[Token], back: int) -> Mention | None:
    """ "NAME, who waved a sign that read Q, said": the sentence's subject, over a long clause."""
    near = tokens[back - 1] if back else None
    if near is None or not (near.text in (",", "—", "–") or near.kind == QUOTE):
        return None
    subject = mention_at(tokens, 0)
    if subject is None and tokens[0].low in cues.DETERMINERS:
        end = next((at for at in range(1, min(back, 6)) if low_at(tokens, at) in _RELATIVE), 0)
        subject = mention(tokens, 0, end) if end > 1 else None
    if subject is None or subject.kind == "pronoun":
        return None
    after = subject.last + (text_at(tokens, subject.last) in (",", "—", "–"))
    return subject if after < back - 1 and low_at(tokens, after) in _RELATIVE else None


def _plural(subject: Mention) -> bool:
    """May it stand before "say"? A name alone may not: "the NAME claim" is a thing."""
    if subject.kind == "pronoun":
        return subject.name.lower() == "they"
    if subject.kind == "name":
        return " and " in subject.name
    head = subject.name.lower().split()
    for at, word in enumerate(head):
        if word in cues.OF_WHICH:
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
        elif low in cues.LY_NOUNS or not (low in cues.ADVERBS or low in SELF or low.endswith("ly")):
            break
        if capital(tokens[back - 1]) and back - 1 > 0 and low.endswith("ly"):
            break
        back -= 1
    return back, flags


def _infinitive(event: Event, tokens: Sequence[Token], back: int) -> Event | None:
    verb = back - 2
    if low_at(tokens, verb) == "on" and low_at(tokens, verb - 1) in ("went", "goes", "going"):
        verb -= 1
    elif low_at(tokens, verb) in _REFUSES:
        event.negated = True
    elif low_at(tokens, verb) not in _KEEPS_ON or (
        low_at(tokens, verb) == "used" and low_at(tokens, verb - 1) in _BE
    ):
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
        fits = _writes(tokens, back)
    if not fits:
        return None
    event.participle, event.first = True, back
    return event


def _writes(tokens: Sequence[Token], back: int) -> bool:
    """ "sent a letter to NAME praising Q": the participle says what the sender wrote."""
    for at in range(back - 1, max(1, back - 9), -1):
        if tokens[at].kind != WORD:
            return False
        if tokens[at].low in cues.DOCUMENTS:
            return any(tokens[k].low in _SENDS for k in range(max(0, at - 6), at))
    return False


def _without_subject(
    event: Event, tokens: Sequence[Token], back: int, earlier: list[Event]
) -> Event | None:
    near = tokens[back - 1] if back else None
    if near is None:
        return None
    if near.low in _JOINS or (
        near.text == "," and not is_quote(tokens, back - 2) and earlier and back > 1
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
            named_after = _named_after(subject, tokens)
            if named_after is not None:
                event.subject, event.after = named_after, named_after.last
            elif event.after < len(tokens) and tokens[event.after].text == ",":
                event.role, event.after = apposition(tokens, event.after)
            return event
    return None


def _named_after(office: Mention, tokens: Sequence[Token]) -> Mention | None:
    """ "said its spokesman, NAME.": the name that follows an office."""
    if office.kind not in ("role", "common") or not office.person:
        return None
    if text_at(tokens, office.last) != "," or not tokens[office.last + 1 :][:1]:
        return None
    one = mention_at(tokens, office.last + 1)
    after = "" if one is None else text_at(tokens, one.last)
    if one is None or one.kind != "name" or one.role is not None or after not in ("", ",", "."):
        return None
    return one._replace(role=office.name, person=True, gender=one.gender or office.gender)


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
    while at < before and at < 24 and tokens[at].low in cues.LEADING:
        comma = at
        while comma < before and comma < at + 24 and tokens[comma].text != ",":
            comma += 1
        if comma >= before or tokens[comma].text != ",":
            return None
        at = comma + 1
    subject = mention_at(tokens, at)
    if subject is not None:
        return subject
    return name_at(tokens, at, before)  # "Northland stands with"


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
            if event.group == "find" and (
                tokens[place].kind == QUOTE or _goes_on(tokens, place, event.begin)
            ):
                end = place
                break
            if _judged(tokens, place):
                end = place
                break
        if end > event.begin:
            event.content = (event.begin, end)
    for event in found:
        if event.trailing and event.content is None and not event.elided:
            comma = event.first - 1
            if (
                comma > 0
                and text_at(tokens, comma) in (",", "—", "–")
                and not is_quote(tokens, comma - 1)
                and _whole_clause(tokens, comma)
            ):
                start = 1 if tokens[0].low in cues.CONJUNCTIONS else 0
                start = 2 if text_at(tokens, 1) == ":" and comma > 4 else start  # "EXCLUSIVE: ..."
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


def _goes_on(tokens: Sequence[Token], at: int, begin: int) -> bool:
    """ "detected THING and isolated it": what the finder did next."""
    verb = low_at(tokens, at + 1)
    after = low_at(tokens, at + 2)
    did = verb.endswith("ed") or verb in cues.COMMON_VERBS
    return at > begin and low_at(tokens, at) == "and" and did and after in cues.DETERMINERS


def _judged(tokens: Sequence[Token], at: int) -> bool:
    """ "accused X of Y, a charge Z rejected": an apposition to what was said, by the narrator."""
    if text_at(tokens, at) != "," or low_at(tokens, at + 1) not in ("a", "an"):
        return False
    return any(low in _JUDGED for low in (low_at(tokens, at + 2), low_at(tokens, at + 3)))


def _whole_clause(tokens: Sequence[Token], end: int) -> bool:
    """Is what stands before a trailing cue a clause of its own, and no mere opening phrase?"""
    first = tokens[0]
    if first.kind == WORD and (first.low.endswith("ing") or first.low in _OPENING):
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
    elif text_at(tokens, event.at - 1) == "," and low_at(tokens, event.at - 2) in _JOINS:
        start = event.after + (text_at(tokens, event.after) == ",")
        if start < total and "," in (text_at(tokens, event.after), text_at(tokens, start - 1)):
            event.content = (start, total)  # "and, according to NAME, did THING"
    elif text_at(tokens, event.at - 1) == ",":
        event.content = (0, event.at - 1)
    elif tokens[event.at - 1].kind == QUOTE and tokens[event.at - 1].text.rstrip().endswith(","):
        event.content = (0, event.at)  # the comma stands inside the marks


def _start_of(event: Event, tokens: Sequence[Token]) -> int | None:
    """Where an event ends the words of the one before: at the joining word or comma."""
    first = event.first
    if event.group == "noun":
        return None
    if event.inverted:
        first = event.at
    near = text_at(tokens, first - 1)
    low = low_at(tokens, first - 1)
    if low in _JOINS or (low in ("while", "before", "after", "by") and event.participle):
        stop = first - 1
        if text_at(tokens, stop - 1) == ",":
            stop -= 1
        return stop
    if low in ("while", "though", "although", "whereas"):
        return first - 1 - (text_at(tokens, first - 2) == ",")
    if near in _BREAKS:
        return first - 1
    if event.participle and first and is_quote(tokens, first - 1):
        return first
    return None
