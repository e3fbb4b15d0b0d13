"""Who is meant: names and roles as they stand in a sentence.

A name is read by its shape (capitals, titles, apposition), never from a list of parties, so that
exchanging two parties' names in a text exchanges them in what is read and changes nothing else.
Spec: claims.md §3.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tocsin.reading import cues
from tocsin.reading.layout import QUOTE, TIMES, WORD, Token

_REACH = 30  # tokens; nobody's name or apposition is longer, and it keeps every search linear
_LINKS = cues.words("of for from at in with to on de van von al bin la le du der")
_INSIDE = cues.words("of for and the & de van von ,")  # within a name, or a list of names
_SOME = cues.words("one some many several most two three four both another none")
_OF_WHO = cues.words("of for at from in by")
_AFTER_NOUN = cues.words(
    "familiar close briefed involved present aware"
)  # "a person familiar with"
_ASIDES = cues.words(
    "hereafter hereinafter who which whose for speaking citing asked quoting one together along"
    " alongside joined backed supported"
)
_LINKED = _LINKS | cues.OF_WHICH
_SPEAKERS = cues.SPEAKING | cues.ROLES


class Mention(NamedTuple):
    """A speaker or addressee as printed, before pronouns and surnames are resolved.

    kind: "name", "common" (officials, the ministry), "role" (the spokeswoman), "pronoun", or
    "author": the "we" of whoever wrote the text, whose name the text need not give.
    first and last are token indexes, half-open; start and end code points.
    """

    name: str
    role: str | None
    kind: str
    first: int
    last: int
    start: int
    end: int
    gender: str | None
    person: bool


def capital(token: Token) -> bool:
    """A word that may be part of a name: a capital or a digit in front."""
    if token.kind != WORD:
        return False
    first = token.text[0]
    return first.isupper() or first.isdigit() or first == "@"


def lead(token: Token, at: int) -> bool:
    """A capital that only says a sentence begins here."""
    return at == 0 and token.low in cues.OPENERS


def named(token: Token, at: int) -> bool:
    return token.name and not (at == 0 and token.low in cues.OPENERS)


def base(word: str) -> str:
    """A word without its possessive ending."""
    for tail in ("'s", "’s"):
        if word.endswith(tail):
            return word[: -len(tail)]
    if word[-2:] in ("s'", "s’"):
        return word[:-1]
    return word


def possessive(token: Token) -> bool:
    return token.text.endswith(("'s", "’s", "s'", "s’"))


def joined(tokens: Sequence[Token]) -> str:
    """Words as printed, one space where the text has any."""
    parts: list[str] = []
    for number, token in enumerate(tokens):
        if number and token.start > tokens[number - 1].end:
            parts.append(" ")
        parts.append(token.text)
    return "".join(parts)


def noun_like(token: Token) -> bool:
    """A lower-case word that may stand in a noun phrase."""
    low = token.low
    if token.kind != WORD or low in cues.OPENERS or low in cues.COMMON_VERBS:
        return False
    if low in cues.NEGATIONS or low in cues.STOP_WORDS:
        return False
    cue = cues.CUES.get(low)
    if cue is not None and low not in cues.SPEECH_NOUNS:
        return low in cues.SPEAKING
    return not low.endswith("ly") or low in cues.LY_NOUNS


def _phrase_forward(tokens: Sequence[Token], at: int) -> int:
    """Where the noun phrase that starts at `at` ends (index after its last token)."""
    end = at
    stop = min(len(tokens), at + _REACH)
    while end < stop and tokens[end].low in cues.DETERMINERS and tokens[end].kind == WORD:
        end += 1
    while end < stop:
        token = tokens[end]
        if token.kind != WORD and token.text != "&":
            break
        if token.low in TIMES or token.low in _AFTER_NOUN:
            break
        if end > at and token.low in _OF_WHO and end + 1 < stop:
            following = end + 1
            while following < stop and tokens[following].low in cues.DETERMINERS:
                following += 1
            near = tokens[end - 1]
            ok = following < stop and tokens[following].kind == WORD
            role = near.low in cues.ROLES or near.low in cues.SPEAKING
            if ok and token.low == "by":
                told = tokens[following].low in cues.SPEAKING or named(tokens[following], 1)
                ok = near.low in cues.DOCUMENTS and told
                if not ok:
                    break
                end = following
                continue
            if ok and (
                (token.low == "of" and (named(tokens[following], following) or role))
                or (token.low == "for" and role)
                or (
                    (token.low in ("for", "at", "from", "in") and role)
                    and named(tokens[following], following)
                )
            ):
                end = following
                continue
            break
        if token.low in ("and", "&") and end > at and end + 1 < stop:
            following = end + 1
            if named(tokens[end - 1], 1) and named(tokens[following], following):
                end = following
                continue
            break
        if (capital(token) and not (lead(token, end) and end == at)) or noun_like(token):
            end += 1
            continue
        break
    return end


def mention(
    tokens: Sequence[Token], first: int, last: int, *, loose: bool = False
) -> Mention | None:
    """Read tokens[first:last] as one speaker or addressee; None if it names nobody."""
    begin = first
    while begin < last and tokens[begin].low in cues.ARTICLES:
        begin += 1
    if begin >= last:
        return None
    for i in range(begin, last):
        if tokens[i].kind == QUOTE:
            return None
    definite = tokens[first].low == "the"
    head = tokens[begin]
    if begin + 1 == last and head.low in cues.PRONOUNS:
        gender = {"he": "m", "she": "f"}.get(head.low)
        person = gender is not None
        start, end = head.start, head.end
        return Mention(head.text, None, "pronoun", first, last, start, end, gender, person)
    if head.low in cues.FIRST or head.low in cues.NARRATOR_FREE:
        return None
    words = list(range(begin, last))
    run = len(words)
    while run > 0 and (
        named(tokens[words[run - 1]], words[run - 1])
        or (run - 1 > 0 and run < len(words) and tokens[words[run - 1]].low in _INSIDE)
    ):
        run -= 1
    while run < len(words) and not named(tokens[words[run]], words[run]):
        run += 1
    if (
        run < len(words)
        and any(tokens[i].text[0].isalpha() for i in words[run:])
        and (run < 2 or not _linked(tokens, words[:run]))
        and (words[run] or not _opens_plainly(tokens, words[run:]))
    ):
        return _proper(tokens, words, run, first, last)
    low = [tokens[i].low for i in words]
    heads = [word for word in low if word in cues.ROLES or word in cues.SPEAKING]
    anchor = next(
        (
            n
            for n, word in enumerate(low)
            if word in cues.OF_WHICH or (word == "to" and n and low[n - 1] in cues.ROLES)
        ),
        len(low),
    )
    if anchor == 0:
        return None
    noun = low[anchor - 1]
    known = bool(heads) and (noun in cues.ROLES or noun in cues.SPEAKING)
    owned = any(possessive(tokens[i]) and named(tokens[i], 1) for i in words[:-1])
    if not known and not owned and not (loose and tokens[first].low in cues.DETERMINERS):
        return None
    start, end = tokens[words[0]].start, tokens[words[-1]].end
    role = noun in cues.ROLES
    kind = "role" if role and definite and len(words) <= 2 else "common"
    gender = "f" if noun in cues.FEMALE else "m" if noun in cues.MALE else None
    name = joined([tokens[i] for i in words])
    return Mention(name, None, kind, first, last, start, end, gender, role)


def _opens_plainly(tokens: Sequence[Token], words: list[int]) -> bool:
    """ "Analysts say": a common word with the capital of its sentence."""
    opens = words[0] == 0 and tokens[0].low in _SPEAKERS
    return opens and not any(named(tokens[i], i) for i in words[1:])


def _linked(tokens: Sequence[Token], before: list[int]) -> bool:
    """ "Some in the", "a spokesman for": the name after it says which, and is not the head."""
    rest = list(before)
    while rest and noun_like(tokens[rest[-1]]) and tokens[rest[-1]].low not in cues.ROLES:
        rest.pop()  # "a spokesman for the energy company NAME"
    while rest and tokens[rest[-1]].low in cues.DETERMINERS:
        rest.pop()
    if len(rest) < 2 or tokens[rest[-1]].low not in _LINKED:
        return False
    noun = tokens[rest[-2]].low
    if tokens[rest[-1]].low in ("by", "about"):
        return noun in cues.DOCUMENTS
    return noun in cues.ROLES or noun in cues.SPEAKING or noun in cues.SPEECH_NOUNS


def _proper(
    tokens: Sequence[Token], words: list[int], run: int, first: int, last: int
) -> Mention | None:
    before, name = words[:run], words[run:]
    role: str | None = None
    gender: str | None = None
    person = False
    title = -1
    for number, i in enumerate(name[:-1]):
        low = tokens[i].low.rstrip(".")
        if low in cues.TITLES or low in cues.HONORIFICS:
            rest = _own_name(tokens, name[number + 1 :])
            if (
                not (low == "general" and number == 0)
                and not any(base(tokens[k].low) in cues.ORGANS for k in rest)
                and tokens[rest[0]].low not in ("of", "for", "and", "the")
            ):
                title = number
    if title >= 0:
        titles, name = name[: title + 1], name[title + 1 :]
        person = True
        lows = [tokens[i].low.rstrip(".") for i in titles]
        gender = _gender(lows)
        kept = [i for i in titles if tokens[i].low.rstrip(".") not in cues.HONORIFICS]
        if kept:
            role = joined([tokens[i] for i in (*before, *kept)])
    elif before and tokens[before[-1]].low in cues.ROLES:
        role = joined([tokens[i] for i in before])
        person = True
        gender = _gender([tokens[before[-1]].low])
    if person:
        for number, i in enumerate(name):
            if number and tokens[i].low in ("of", "for", "from", "at"):
                whose = joined([tokens[k] for k in name[number:]])
                role, name = whose if role is None else f"{role} {whose}", name[:number]
                break
    if not person:
        role, name = _seat(tokens, name)
        person = role is not None
    if possessive(tokens[name[-1]]):
        return None  # "Northland's" alone owns something; it does not speak
    start, end = tokens[name[0]].start, tokens[name[-1]].end
    return Mention(
        joined([tokens[i] for i in name]), role, "name", first, last, start, end, gender, person
    )


def _seat(tokens: Sequence[Token], name: list[int]) -> tuple[str | None, list[int]]:
    """ "NAME NAME of NAME Security": a person, and where that one sits as a role."""
    for number, i in enumerate(name):
        if tokens[i].low not in ("of", "from", "at"):
            continue
        before, after = name[:number], name[number + 1 :]
        sits = any(tokens[k].low in cues.ORGANS for k in after)
        own = all(tokens[k].text[1:].islower() and tokens[k].low not in cues.ORGANS for k in before)
        if 2 <= number <= 3 and sits and own:
            return joined([tokens[k] for k in name[number:]]), before
        break
    return None, name


def _own_name(tokens: Sequence[Token], words: list[int]) -> list[int]:
    """A name without what it is of: "NAME of Portco Systems" is no system."""
    for number, i in enumerate(words):
        if number and tokens[i].low in ("of", "for"):
            return words[:number]
    return words


def _gender(words: Sequence[str]) -> str | None:
    if any(word in cues.FEMALE for word in words):
        return "f"
    return "m" if any(word in cues.MALE for word in words) else None


def mention_at(tokens: Sequence[Token], at: int) -> Mention | None:
    """The speaker or addressee that begins at token `at`."""
    if at >= len(tokens) or tokens[at].kind != WORD:
        return None
    if tokens[at].low in cues.PRONOUNS:
        return mention(tokens, at, at + 1)
    if tokens[at].low == "one" and at + 1 < len(tokens) and tokens[at + 1].low in cues.ROLES:
        end = _phrase_forward(tokens, at + 1)  # "one man", "one senior official of NAME"
        one = mention(tokens, at + 1, end) if end > at + 1 else None
        if one is not None and one.kind in ("common", "role"):
            start = tokens[at].start
            return one._replace(name=joined(tokens[at:end]), kind="common", first=at, start=start)
    if tokens[at].low in _SOME and at + 2 < len(tokens) and tokens[at + 1].low == "of":
        end = _phrase_forward(tokens, at + 2)
        of = mention(tokens, at + 2, end, loose=True) if end > at + 2 else None
        if of is not None and of.kind in ("common", "role"):
            name = joined(tokens[at:end])
            start = tokens[at].start
            return Mention(name, None, "common", at, end, start, of.end, None, of.person)
    end = _phrase_forward(tokens, at)
    return mention(tokens, at, end) if end > at else None


def name_at(tokens: Sequence[Token], at: int, stop: int) -> Mention | None:
    """The bare name that begins at token `at`, before any word that may be a verb too."""
    end = at
    while end < stop and (named(tokens[end], end) or (end == at and tokens[end].low == "the")):
        end += 1
    return mention(tokens, at, end)


def apposition(tokens: Sequence[Token], comma: int) -> tuple[str | None, int]:
    """The role after "NAME,": its words and the index after them, or (None, comma).

    It counts only if it has a word for what a person does near its beginning.
    """
    first = comma + 1
    end = first
    while end < len(tokens) and end < first + _REACH:
        token = tokens[end]
        if token.kind == QUOTE or token.text in ",;:.!?—–()" or token.low in ("who", "said"):
            break
        if end > first and token.low in cues.CUES and tokens[end - 1].low in cues.AUXILIARIES:
            break
        end += 1
    words = list(tokens[first:end])
    while words and words[0].low in cues.ARTICLES:
        words.pop(0)
    near = [token.low for token in words[:7]]
    stop = next((n for n, low in enumerate(near) if low in ("of", "for", "at", "in", "on")), 7)
    if not words or not any(low in cues.ROLES for low in near[: stop + 1]):
        return None, comma
    if words[0].low in cues.SUBORDINATORS or words[0].low in cues.PREPOSITIONS:
        return None, comma
    return joined(words), end


def subject_before(tokens: Sequence[Token], at: int, *, loose: bool = False) -> Mention | None:
    """The noun phrase that ends just before token `at` and could be its subject.

    loose: also one whose head is no word for someone that speaks ("the daily", "the email").
    """
    end = at
    floor = max(0, at - _REACH)
    role: str | None = None
    if end > floor and tokens[end - 1].text == ")":
        back = end - 2
        while back > floor and tokens[back].text != "(":
            back -= 1
        if tokens[back].text != "(":
            return None
        end = back
    end = _before_coming_out(tokens, end, floor)
    if end > floor and tokens[end - 1].text in (",", "—", "–"):
        aside = _before_aside(tokens, end - 1, floor)
        if aside is None or isinstance(aside, Mention):
            return aside
        end, role = aside
    if end > floor and tokens[end - 1].low in ("who", "which", "that"):
        end -= 1
        if end > floor and tokens[end - 1].text == ",":
            end -= 1
        if end > floor and tokens[end - 1].kind == WORD and tokens[end - 1].low in cues.OPENERS:
            return None
    first = _phrase_back(tokens, end, floor)
    found = mention(tokens, first, end, loose=loose) if first < end else None
    if found is not None and role is not None:
        person = found._replace(role=found.role or role, person=True)
        return person._replace(gender=found.gender or _gender(role.lower().split()[:4]))
    return found


def _before_coming_out(tokens: Sequence[Token], end: int, floor: int) -> int:
    """Where "notes" ends in "notes released by NAME": how a document came out is no part of it."""
    for at in range(end - 1, max(floor, end - 9), -1):
        token = tokens[at]
        if token.kind != WORD:
            break
        if token.low in cues.CAME_OUT and tokens[at - 1].low in cues.DOCUMENTS:
            return at
    return end


def _before_aside(
    tokens: Sequence[Token], closing: int, floor: int
) -> Mention | tuple[int, str | None] | None:
    """Over ", spokeswoman of X," and ", which owns Y, Z and W,": where the noun phrase ends.

    Gives the person where the aside is the name: "the manager, NAME,". None if it is no aside.
    """
    back = closing
    while True:
        back -= 1
        while back > floor and tokens[back].text not in (",", "—", "–"):
            if tokens[back].kind == QUOTE:
                return None
            back -= 1
        if back <= floor:
            return None
        inside = tokens[back + 1]
        role, _ = apposition(tokens, back)
        if named(inside, back + 1) and role is None:
            aside = mention(tokens, back + 1, closing)
            first = _phrase_back(tokens, back, floor)
            office = mention(tokens, first, back) if first < back else None
            if (
                aside is not None
                and office is not None
                and office.person
                and office.kind in ("role", "common")
                and aside.kind == "name"
            ):
                gender = aside.gender or office.gender
                return aside._replace(role=office.name, person=True, gender=gender, first=first)
        if (
            role is not None
            or inside.low in cues.DETERMINERS
            or inside.low in _ASIDES
            or inside.low in cues.LEADING
            or possessive(inside)
        ):
            return back, role
        # A list inside a relative clause has commas of its own: look for where that began.


def _phrase_back(tokens: Sequence[Token], end: int, floor: int) -> int:
    first = end
    both = -1
    while first > floor:
        token = tokens[first - 1]
        listed = both >= 0 and token.text == "," and first - 2 >= floor
        if listed and named(tokens[first - 2], first - 2) and first - 2 > 0:
            first -= 1  # "NAME, NAME and NAME"
            continue
        if token.kind != WORD and token.text != "&":
            break
        low = token.low
        if low in cues.PRONOUNS and first == end:
            return first - 1
        if low == "that" and first < end:
            break  # "show that officials": it joins, and belongs to no one
        if low in cues.DETERMINERS:
            first -= 1
            near = tokens[first - 1] if first > floor else None
            theirs = low in ("its", "their") and near is not None and near.low == "and"
            if theirs and first - 2 >= floor and named(tokens[first - 2], first - 2):
                first -= 1  # "NAME and its allies"
                continue
            if near is not None and low == "the" and first - 2 >= floor and first + 1 < end:
                pair = named(tokens[first - 2], first - 2) and named(tokens[first + 1], 1)
                if pair and (near.low == "and" or (near.text == "," and both >= 0)):
                    both = first if both < 0 else both
                    first -= 1  # "the NAME, the NAME and the NAME"
                    continue
            if (
                near is not None
                and (near.low in cues.OF_WHICH or (near.low == "to" and _sent(tokens, first - 2)))
                and first - 2 >= floor
                and _holds(tokens, first - 2, near.low)
            ):
                first -= 1
                continue
            break
        if low in _LINKS and first < end:
            if first - 2 >= floor and _holds(tokens, first - 2, low) and not lead(token, first - 1):
                first -= 1
                continue
            break
        if low in ("and", "&") and first < end and first - 2 >= floor:
            near = tokens[first - 2]
            if named(near, first - 2) and (named(tokens[first], first)):
                both = first if low == "and" else both
                first -= 1
                continue
            break
        if low in TIMES or lead(token, first - 1):
            break
        if capital(token) or noun_like(token):
            first -= 1
            continue
        break
    if both >= 0 and first > floor:
        near = tokens[first - 1]
        if near.kind == WORD and near.low not in ("that", "but", "while", "as", "when", "both"):
            return both
    return first


def _sent(tokens: Sequence[Token], at: int) -> bool:
    """ "ambassador to", "envoy to", "adviser to"."""
    return at >= 0 and tokens[at].low in cues.ROLES


def _holds(tokens: Sequence[Token], at: int, link: str) -> bool:
    """May a noun phrase go on to the left over this link word?"""
    near = tokens[at]
    if near.kind != WORD or near.low in TIMES:
        return False
    if link in ("on", "about", "by"):
        return near.low in cues.DOCUMENTS
    if near.low in cues.ROLES or near.low in cues.SPEAKING or near.low in cues.SPEECH_NOUNS:
        return True
    return link in ("of", "for", "de", "van", "von", "al", "bin", "la", "le", "du", "der") and (
        named(near, at)
    )
