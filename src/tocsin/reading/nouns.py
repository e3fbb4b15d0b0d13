"""Who a noun phrase of a language with a table names: an office, a name, a body, a pronoun.

As in English a name is told by where it stands and how it is written, never from a list of
parties. Spec: claims.md §3.4.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tocsin.reading.layout import WORD, Token
from tocsin.reading.scan import ASIDE
from tocsin.reading.tongues import Tongue

REACH = 24  # tokens of the longest noun phrase


class Noun(NamedTuple):
    """Whom some words name. kind: "name", "person", "role" (an office alone), "pronoun"."""

    name: str
    role: str | None
    kind: str
    gender: str | None
    last: int  # token index after it


def printed(text: str, words: Sequence[Token]) -> str:
    """Words as the text has them, line ends as spaces."""
    return " ".join(text[words[0].start : words[-1].end].split())


def noun(
    text: str,
    tokens: Sequence[Token],
    first: int,
    last: int,
    table: Tongue,
    *,
    loose: bool = False,
) -> Noun | None:
    """Read tokens[first:last] as one speaker or addressee; None if it names nobody.

    loose: also a phrase with no word for somebody who speaks ("the neighbours").
    """
    one = _noun(text, tokens, first, last, table, loose=loose)
    if one is not None and one.kind == "name" and table.named_by:
        one = _with_marks(text, tokens, first, last, one)
    if one is None or one.gender is not None or not table.genders:
        return one
    article = next((token.low for token in tokens[first:last] if token.kind == WORD), "")
    return one._replace(gender=table.genders.get(article))


def _with_marks(text: str, tokens: Sequence[Token], first: int, last: int, one: Noun) -> Noun:
    """ "company «NAME»": the name in its marks is a part of the name."""
    while first < last and tokens[first].kind != WORD:
        first += 1
    ends = last > first + 1 and tokens[last - 1].kind == ASIDE
    return one._replace(name=printed(text, tokens[first:last])) if ends else one


def _noun(
    text: str, tokens: Sequence[Token], first: int, last: int, table: Tongue, *, loose: bool
) -> Noun | None:
    spread = [token for token in tokens[first:last] if token.kind != ASIDE]
    while spread and (
        spread[0].text.isdigit()
        or spread[0].low in table.months
        or spread[0].low in table.articles | table.adverbs | table.ands | table.before_asked
    ):
        if spread[0].low in table.pronouns:
            break
        spread.pop(0)
    while spread and (
        spread[-1].low in table.articles | table.adverbs | table.links
        or spread[-1].low in table.negations
    ):
        spread.pop()
    if not spread or any(token.kind != WORD for token in spread) or len(spread) > REACH:
        return None
    if len(spread) == 1 and spread[0].low in table.pronouns:
        gender = table.pronouns[spread[0].low]
        return Noun(spread[0].text, None, "pronoun", gender, last)
    if table.shape == "run":
        return _run(text, spread, last, table)
    if table.shape == "article":
        return _article(text, spread, last, table)
    return _capital(text, spread, last, table, loose=loose)


def _gender(words: Sequence[Token], table: Tongue) -> str | None:
    """Of an office: the table says which forms are a woman's, and which may be anybody's."""
    office = next((token.low for token in words if token.low in table.roles), None)
    if any(token.low in table.women for token in words):
        return "f"
    if office is None or table.either is None or office in table.either:
        return None
    return "m"


def _person(
    text: str, office: Sequence[Token], name: Sequence[Token], last: int, table: Tongue
) -> Noun:
    role = printed(text, office) if office else None
    return Noun(printed(text, name), role, "person", _gender(office, table), last)


def _capital(
    text: str, words: list[Token], last: int, table: Tongue, *, loose: bool
) -> Noun | None:
    big = [word.text[0].isupper() for word in words]
    held = any(word.low in table.roles | table.organs for word in words)
    if not any(big) and not held:
        if loose and len(words) <= 5 and words[0].text[0].isalpha():
            return Noun(printed(text, words), None, "name", None, last)
        return None
    role = words[0].low in table.roles or (
        len(words) > 1 and not big[1] and any(word.low in table.roles for word in words[1:3])
    )
    if not big[0] or role:
        start = len(words)
        while start > 0 and big[start - 1] and words[start - 1].low not in table.roles:
            start -= 1
        if table.no_name is not None:
            while start < len(words) and re.search(table.no_name, words[start].text):
                start += 1
        size = len(words) - start
        if table.inflected and size >= 3 and not re.search("(?:ич|вна)$", words[-2].text):
            start, size = len(words) - 2, 2  # OFFICE of COUNTRY, NAME: all in capitals
        if start > 0 and words[start - 1].low in table.links:
            start = len(words) - 2 if size >= 3 else len(words)
            size = len(words) - start
        if size and start and _held(words[:start], table):
            lone = size == 1 and table.no_name is not None and words[-1].text[-1] in "аяыи"
            if not lone and size <= 4:
                return _person(text, words[:start], words[start:], last, table)
        if not held and not any(big):
            return None
        kind = "role" if role and len(words) <= 3 and not any(big) else "name"
        return Noun(printed(text, words), None, kind, _gender(words[:1], table), last)
    end = len(words)
    if words[0].low not in table.organs:
        for at, word in enumerate(words):
            if not big[at] and word.low not in table.links:
                end = at
                break
    while end and words[end - 1].low in table.links:
        end -= 1
    return Noun(printed(text, words[:end]), None, "name", None, last) if end else None


def _held(words: Sequence[Token], table: Tongue) -> bool:
    return any(word.low in table.roles for word in words)


def _article(text: str, words: list[Token], last: int, table: Tongue) -> Noun | None:
    """Arabic: a name follows its office; the last word with an article, or a body, ends that."""
    if words[0].low not in table.roles:
        return Noun(printed(text, words), None, "name", None, last)
    anchor = 0
    for at, word in enumerate(words):
        if word.low.startswith(("ال", "لل")) or word.low in table.organs or word.low in table.links:
            anchor = at
        elif word.low in table.roles:
            anchor = max(anchor, at)
    count = len(words)
    near = words[-2].low if count > 2 else ""
    plain = near and not near.startswith("ال") and near not in table.organs | table.links
    if anchor == count - 1 and plain and near not in table.roles and count > 3:
        return _person(text, words[:-2], words[-2:], last, table)  # "NAME the-NAME"
    owned = words[anchor].low in table.organs | table.links
    start = anchor + 1 + owned
    if count - start > 2:
        start = count - 2
    if start < count and count - start <= 2 and start > 0:
        return _person(text, words[:start], words[start:], last, table)
    kind = "role" if count <= 2 else "name"
    return Noun(printed(text, words), None, kind, _gender(words[:1], table), last)


def _run(text: str, words: list[Token], last: int, table: Tongue) -> Noun | None:
    office = max((at for at, word in enumerate(words) if word.low in table.roles), default=-1)
    whole = "".join(word.text for word in words)
    whole = re.sub(r"^(?:据|而|但|但是|不过|因此|所以|并且|并)", "", whole)
    if len(whole) < 2 or len(whole) > 40:
        return None
    if words[0].low in table.authors or whole in table.authors or whole[:2] in ("我们", "你们"):
        return None
    if whole in table.pronouns:
        return Noun(whole, None, "pronoun", table.pronouns[whole], last)
    if office < 0:
        return Noun(whole, None, "name", None, last)
    role = "".join(word.text for word in words[: office + 1])
    name = "".join(word.text for word in words[office + 1 :])
    gender = _gender(words, table)
    if 2 <= len(name) <= 4 or "·" in name:
        return Noun(name, role, "person", gender, last)
    if name:
        return None
    bare = role.removeprefix("该").removeprefix("这位").removeprefix("这名")
    kind = "role" if bare in table.roles else "name"
    return Noun(role, None, kind, gender, last)
