"""Languages a text may be in: what a table holds, and which language a text is.

A table is data: its cue verbs, who may speak, how a name is told from an office, the words of time,
and the patterns of each claim type. One reader (`spoken.py`) goes by whichever table fits. No table
names a party. Spec: claims.md §3.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import Literal

from msgspec import Struct

from tocsin.reading.cues import words

READ = ("ar", "es", "fr", "ru", "zh")  # languages with a table of their own; English has rules

_SAMPLE = 20_000  # characters that are enough to tell a language by
_LETTERS = {
    "zh": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]"),
    "kana": re.compile(r"[\u3040-\u30ff]"),
    "ar": re.compile(r"[\u0620-\u064a]"),
    "ru": re.compile(r"[А-Яа-яЁё]"),
    "latin": re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿ]"),
}
# Small words that a page of the language cannot do without, and its neighbours do not have.
_SMALL = {
    "en": words("the of and to in that is was for it with as his on be at by this had from have"),
    "fr": words(
        "le la les des du et est une dans que qui pour par sur au aux ce pas avec sont"
        " l d n qu a ou sa ses ont"
    ),
    "es": words("el la los las del y es una en que por para con su se al lo como no fue más"),
    "de": words("der die das und ist nicht ein eine zu den von mit sich des auf für im dem wird"),
    "it": words("il la gli che di e non per una con del della sono nel alla i un ha le dei"),
    "pt": words("o a os as que e do da em um uma não para com por no na se dos mais foi"),
    "tr": words("ve bir bu için ile da de olarak daha çok ne gibi olan sonra kadar ancak"),
}
_PERSIAN = re.compile(r"[\u067e\u0686\u0698\u06af\u06cc]")
_OTHER_CYRILLIC = re.compile(r"[іїєґўјљњћђџ]", re.IGNORECASE)


class Tongue(Struct, frozen=True, kw_only=True):
    """What reading one language goes by. Words are folded as `fold` of `spoken.py` folds them.

    cues: form to group (say, tell, demand, accuse, tie, deny, find, stand, call). participles: the
    same for forms that are a verb only behind one of `auxiliaries`. that: what opens a clause.
    according: words before a source ("selon"). halts: where a noun phrase ends (prepositions of
    place and time, weekdays). links: words inside one ("de"). shape: how a name is told from an
    office: by capitals, by the article, or by following the office directly. verb_first: the
    subject stands behind its verb. dropped: a cue may stand without a subject.
    """

    code: str
    shape: Literal["capital", "article", "run"]
    cues: dict[str, str]
    participles: dict[str, str] = {}
    auxiliaries: frozenset[str] = frozenset()
    that: frozenset[str]
    according: tuple[tuple[str, ...], ...]
    told_by: dict[tuple[str, ...], str | None] = {}
    """The same by a pronoun, with its gender: "selon lui"."""
    halts: frozenset[str]
    links: frozenset[str]
    roles: frozenset[str]
    organs: frozenset[str] = frozenset()
    women: frozenset[str] = frozenset()
    either: frozenset[str] | None = None
    """Roles whose form is a man's and a woman's; None: all of them but those of `women`."""
    pronouns: dict[str, str | None]
    articles: frozenset[str] = frozenset()
    adverbs: frozenset[str] = frozenset()
    ands: frozenset[str] = frozenset()
    negations: frozenset[str]
    infinitives: frozenset[str] = frozenset()
    """What may stand right behind a cue and open its clause: "affirme avoir"."""
    inside: frozenset[str] = frozenset()
    """ "In the ministry they said": the words before a body whose people speak."""
    named_by: tuple[str, ...] = ()
    """Beginnings of words for a body whose name follows in quotation marks."""
    asked_by: dict[str, frozenset[str]] = {}
    """By group: the words that end whom a thing is put to ("de" behind "accuse NAME")."""
    before_asked: frozenset[str] = frozenset()
    asked: str | None = None
    """Where nothing stands between words: the pattern of whom a thing is put to, behind its cue."""
    no_cue: tuple[str, ...] = ()
    """Words that hold a cue and are none."""
    aside: str | None = None
    """Where nothing stands between words: the pattern of a time or an occasion."""
    verb_first: bool = False
    dropped: bool = False
    genders: dict[str, str] = {}
    """By article: the gender of what stands behind it."""
    cue_genders: tuple[tuple[str, str], ...] = ()
    """By the ending of a cue: the gender of its subject."""
    naming: frozenset[str]
    """Words before a name of a thing in quotation marks, which are nobody's words."""
    gerund: str | None = None
    """The ending of a cue that leans on another verb's subject: "affirmant"."""
    inflected: bool = False
    """Names change their endings: one is known again by its beginning."""
    authors: frozenset[str] = frozenset()
    """Words for whoever wrote the text, and for nobody in particular: no speaker."""
    prefixes: str = ""
    elisions: bool = False
    unknown: str | None = None
    """The pattern of what somebody could not find out: "ne peut confirmer qui est derrière"."""
    no_name: str | None = None
    """A pattern for words of a run of capitals that belong to the office, not to the name."""
    kinds: tuple[tuple[str, str], ...]
    """Claim type and the pattern that tells it, in the order they are asked."""
    weekdays: tuple[str, ...]
    """Seven patterns, Monday first."""
    months: tuple[str, ...] = ()
    """Twelve patterns, January first."""
    dated: tuple[str, ...]
    """Patterns of a calendar day, with the groups d, m (number or name) and y."""
    yesterday: str
    today: str
    last_year: str


def language_of(text: str) -> str | None:
    """The language of a text, by its letters and its smallest words; None where neither tells.

    Only languages that have a table, English, and neighbours that would be mistaken for one of
    them are told apart; a text in another language is None.
    """
    sample = text[:_SAMPLE]
    counts = {name: len(pattern.findall(sample)) for name, pattern in _LETTERS.items()}
    total = sum(counts.values())
    if not total:
        return None
    if counts["kana"] * 20 > total:
        return None
    if counts["zh"] * 4 > total:
        return "zh"
    if counts["ar"] * 2 > total:
        return None if len(_PERSIAN.findall(sample)) * 50 > counts["ar"] else "ar"
    if counts["ru"] * 2 > total:
        return None if len(_OTHER_CYRILLIC.findall(sample)) * 50 > counts["ru"] else "ru"
    return _by_small_words(sample)


def _by_small_words(sample: str) -> str | None:
    printed = re.findall(r"[^\W\d_]+", sample.lower())
    if not printed:
        return None
    share = {code: sum(word in small for word in printed) for code, small in _SMALL.items()}
    best = max(share, key=lambda code: (share[code], code == "en"))
    if share[best] * 12 < len(printed) or len(_SMALL[best] & set(printed)) < 2:
        return None  # one small word is no sign: "a" is one in several languages
    return best


@cache
def tongue(code: str) -> Tongue:
    """The table of a language of `READ`."""
    table = import_module(f"tocsin.reading.tongue_{code}").TONGUE
    assert isinstance(table, Tongue)
    return table
