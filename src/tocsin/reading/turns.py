"""Transcripts: "NAME: words", where the very words stand without marks. Spec: claims.md §3.3.

A press conference is labelled in many ways: by names, by Q and A, with an interpreter between. A
label that stands for nobody in particular gives no speaker.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tocsin.reading import cues
from tocsin.reading.layout import Paragraph

QUESTION = cues.words(
    "q question questions journalist reporter journaliste pregunta periodista вопрос журналист"
    " журналистка p в 问 记者 记者问 提问 سؤال صحفي صحفية الصحفي"
)
ANSWER = cues.words("a answer réponse respuesta ответ r о 答 答问 جواب الجواب")
_INTERPRETER = re.compile(
    r"interpret|translat|interprète|intérprete|переводчик|翻译|译员|المترجم|مترجم", re.IGNORECASE
)
_LABEL = re.compile(r"([^:：\n]{1,100})[:：][*_]{0,3}\s*")
_ENDS = (".", "!", "?", "…", "。", "？", "！", "؟", '"', "”", "»")
_ASKS = re.compile(r"To (?:ask|move)\b")  # a parliament's written question
_ASIDE = re.compile(r"\s*[(（][^()（）]{1,40}[)）]\s*")


class Turn(NamedTuple):
    """What one paragraph of a transcript says. name: as labelled, None for a bare answer."""

    name: str | None
    start: int
    interpreted: bool
    question: bool
    note: str | None
    role: str | None = None
    """What the label says in brackets of who speaks: "spokesperson"."""


def turns(text: str, found: Sequence[Paragraph]) -> dict[int, Turn]:
    """The paragraphs that are turns, by number; none unless half of the text is labelled so."""
    labelled = {
        number: label
        for number, paragraph in enumerate(found)
        if (label := _labelled(text, paragraph)) is not None
    }
    if 0 in labelled and not text[found[0].start : found[0].end].endswith(_ENDS):
        del labelled[0]  # "Transcript: NAME of a programme, DATE", over the whole
    if len(labelled) < max(2, len(found) / 2):
        return {}
    named = {
        name
        for name, *_ in labelled.values()
        if name.lower() not in QUESTION | ANSWER and not _INTERPRETER.search(name)
    }
    only = next(iter(named)) if len(named) == 1 else None
    result: dict[int, Turn] = {}
    last: Turn | None = None
    in_full: dict[str, tuple[str, str | None]] = {}  # surname -> the whole label, and its role
    asked_last: str | None = None
    for number, paragraph in enumerate(found):
        if number not in labelled:
            goes_on = len(labelled) >= 3 and last is not None and not paragraph.heading
            if goes_on and last is not None:
                note = "the turn before goes on" if last.name is not None else last.note
                last = last._replace(start=paragraph.start, note=note)
                result[number] = last
            else:
                last = None
            continue
        name, start, interpreted, role = labelled[number]
        question = name.lower() in QUESTION
        note = None
        who: str | None = name
        if name.lower() in ANSWER:
            who, note = only, None
            if only is not None:
                note = "answers are labelled without a name: the only one named in this transcript"
        elif _INTERPRETER.search(name):
            who, interpreted = asked_last, True
            if who is not None:
                note = "speaker from the turn before the interpreter's"
        elif not question:
            if " " in name:
                in_full[name.rpartition(" ")[2]] = (name, role)
            elif name in in_full:
                who, first_role = in_full[name]
                role, note = role or first_role, "named in full at an earlier turn"
            asked_last = who
        asks = text[paragraph.start : paragraph.end].endswith(("?", "？", "؟"))
        follows = labelled.get(number + 1)
        if _ASKS.match(text, start):
            question = True
        if asks and follows is not None and follows[0] != name:
            question = True  # an outlet that asks
        last = Turn(who, start, interpreted, question, note, role if asked_last == who else None)
        result[number] = last
    return result


def _labelled(text: str, paragraph: Paragraph) -> tuple[str, int, bool, str | None] | None:
    match = _LABEL.match(text, paragraph.start, min(paragraph.end, paragraph.start + 104))
    if match is None or match.end() >= paragraph.end:
        return None
    if _only_names(text[match.end() : paragraph.end]):
        return None  # "Spokesperson: NAME", at the head of a transcript
    wide = text[match.end(1)] == "："
    if not wide and not text[match.end(1) + 1 : match.end(1) + 5].lstrip("*_")[:1].isspace():
        return None
    printed = match[1]
    interpreted = bool(_INTERPRETER.search(printed))
    label = _ASIDE.sub(" ", printed).strip(" *_#")
    if len(label) == 2 and label[1] == ".":
        label = label[0]  # "P." and "R."
    before, comma, office = label.partition(", ")
    held = bool(comma) and _office(office)
    label = before if held else label
    if not label or any(mark in label for mark in "“”\"'‘«»,;，。、！？「」"):
        return None
    if text[match.end()] in "“\"‘'«「„":
        return None
    words = label.replace(".", " ").split()
    if not 1 <= len(words) <= 5:
        return None
    first = words[0][0]
    if first.isupper():
        cued = [word for word in words if word.lower() in cues.CUES]
        if words[0] in cued or any(word[0].islower() for word in cued):
            return None  # "NAME said:"; an outlet may be called a Post
        if any(not w[0].isupper() and w not in ("of", "for", "the", "de") for w in words):
            return None
    else:
        longest = 10 if "\u3400" <= first <= "\u9fff" else 40
        if first.islower() or not first.isalpha() or len(label) > longest:
            return None
    aside = _ASIDE.search(printed)
    if held:
        return label, match.end(), interpreted, office
    if len(printed) > 60:
        return None
    role = None if aside is None else aside.group().strip(" ()（）*_")
    if role is not None and role.split()[-1].lower() not in cues.ROLES:
        role = None
    return label, match.end(), interpreted, role


def _office(words: str) -> bool:
    """ "Secretary of State for Public Services": behind a name and its comma."""
    listed = words.split()
    return 1 <= len(listed) <= 10 and any(
        word.lower() in cues.ROLES and word[0].isupper() for word in listed
    )


def _only_names(rest: str) -> bool:
    words = rest.split()
    return 2 <= len(words) <= 5 and all(word.isalpha() and word.istitle() for word in words)
