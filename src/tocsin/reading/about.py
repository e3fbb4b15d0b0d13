"""Whom words speak of, in a language that has a table: names printed in them.

Where names have capitals they are seen by these. Where they have none, only who is named as
speaker or addressee somewhere in the same text is known for a name, and looked for in the words.
Spec: claims.md §3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import structs

from tocsin.reading.draft import Draft
from tocsin.reading.layout import WORD, Token
from tocsin.reading.scan import cut, parts
from tocsin.reading.tongues import Tongue

MOST = 8  # names of one draft
_SOME = frozenset(["un", "une", "una", "uno"])  # "un État": any of them
KNOWN = 200  # names of a text that are looked for, so that no text makes this quadratic


def about(drafts: Sequence[Draft], table: Tongue) -> list[Draft]:
    """The drafts, each with the names in its words but those of its speaker and addressee."""
    named = (name for draft in drafts for name in (draft.speaker, draft.addressee) if name)
    named = (name for name in named if name not in table.roles)
    known = list(dict.fromkeys(named))[:KNOWN]
    pattern = _any_of(known, table)
    made = []
    for draft in drafts:
        found = [match["name"] for match in pattern.finditer(draft.words)] if pattern else []
        if table.shape == "capital":
            found = _capitals(draft.words, table, frozenset(known))
        without = {draft.speaker, draft.addressee}
        names = [name for name in dict.fromkeys(found) if name not in without][:MOST]
        made.append(structs.replace(draft, about=tuple(names)) if names else draft)
    return made


def _any_of(known: Sequence[str], table: Tongue) -> re.Pattern[str] | None:
    """One pattern for all known names, the longest first; whole words where there are any."""
    if not known or table.shape == "capital":
        return None
    listed = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    if table.shape == "run":
        return re.compile(f"(?P<name>{listed})")
    prefix = f"(?<!\\w)[{re.escape(table.prefixes)}]?" if table.prefixes else r"(?<!\w)"
    return re.compile(f"(?:{prefix})(?P<name>{listed})(?!\\w)")


def _capitals(words: str, table: Tongue, known: frozenset[str]) -> list[str]:
    """Runs of capitalised words; one that opens a sentence only where it is known for a name."""
    found: list[str] = []
    for sentence in parts(cut(words, 0, len(words), [], table), table):
        at = 0
        while at < len(sentence):
            end = at
            while end < len(sentence) and _big(sentence[end], table):
                end += 1
            if end > at:
                first = at
                while first < end and sentence[first].low in table.articles | table.halts:
                    first += 1
                name = words[sentence[first].start : sentence[end - 1].end] if first < end else ""
                some = first and sentence[first - 1].low in _SOME
                if name and not some and (first or name in known):
                    found.append(name)
            at = end + 1
    return found


def _big(token: Token, table: Tongue) -> bool:
    if token.kind != WORD or not token.text[0].isupper():
        return False
    return token.low not in table.pronouns and token.low not in table.ands
