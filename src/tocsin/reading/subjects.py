"""Who says something, in a language that has a table: the subject of a cue, and whom it means.

Before the cue, behind it, over an aside in commas; a pronoun, an office or a surname is the last
one heard that fits. Spec: claims.md §3.4.
"""

from __future__ import annotations

import re

from msgspec import Struct

from tocsin.reading.layout import PUNCT, QUOTE, WORD, Token
from tocsin.reading.nouns import REACH, Noun, noun, printed
from tocsin.reading.scan import ASIDE
from tocsin.reading.tongue_dates import time_word
from tocsin.reading.tongues import Tongue

_ANYONE = frozenset(["diplomate", "intéressé", "intéressée", "diplomático", "diplomática"])
"""What any person spoken of may be called later on."""


class Voice(Struct):
    """One who has spoken in this text."""

    name: str
    role: str | None
    gender: str | None
    person: bool


class Said(Struct):
    """A cue with what it governs; places are token indexes of its sentence."""

    first: int  # where its own words begin: its subject, its auxiliary or itself
    at: int
    after: int
    group: str
    cue: str
    subject: Noun | None = None
    bare: bool = False  # no subject printed
    joined: bool = False  # no subject printed, and a joining word before it
    inverted: bool = False
    negated: bool = False
    content: tuple[int, int] | None = None
    asked: str | None = None
    voice: Voice | None = None
    notes: tuple[str, ...] = ()


class Subjects:
    """Whom one text has heard so far, and who the subject of a cue is."""

    def __init__(self, text: str, table: Tongue) -> None:
        self.text, self.table = text, table
        self.heard: list[Voice] = []  # since the last heading, newest last
        self.people: dict[str, Voice] = {}  # by full name and by its last word
        self.times = time_word(table)
        self.heading = False  # is a heading being read: there the subject stands first

    def find(self, sentence: list[Token], found: list[Said], number: int) -> None:
        said = found[number]
        if said.subject is None:
            self._find_subject(sentence, found, number)
        one = said.subject
        if one is None:
            self._without_subject(sentence, found, number)
            return
        if one.gender is None and one.kind != "pronoun":
            for ending, gender in self.table.cue_genders:
                if said.cue.lower().endswith(ending) and one.kind == "person":
                    one = one._replace(gender=gender)
                    break
        said.voice, said.notes = self._voice(one)
        if said.voice is not None and not said.negated:
            self.hear(said.voice)

    def _find_subject(self, sentence: list[Token], found: list[Said], number: int) -> None:
        said, table = found[number], self.table
        near = said.first - 1
        while near >= 0 and (
            sentence[near].kind == ASIDE or sentence[near].low in table.adverbs | table.negations
        ):
            near -= 1
        stop = found[number - 1].after if number else 0
        if number and said.first == stop and found[number - 1].subject is not None:
            said.joined = True  # "answered NAME saying: Q"
            return
        if (
            near < 0
            or sentence[near].kind == QUOTE
            or sentence[near].text in "—–"
            or (sentence[near].text in ",،，" and near > 0 and sentence[near - 1].kind == QUOTE)
        ):
            behind = True
        else:
            behind = (table.verb_first and not self._headed(said, near, stop)) or said.joined
        if behind and table.shape != "run":
            quoted = near >= 0 and (sentence[near].kind == QUOTE or sentence[near].text in ",—–")
            one = self.behind(sentence, said.after, group=said.group, loose=quoted)
            if one is not None:
                said.subject, said.inverted, said.after = one, True, one.last
                return
            if table.verb_first and near >= 0 and sentence[near].kind == WORD and not said.joined:
                self._ahead(sentence, said, stop, near)
            return
        if near >= stop:
            self._ahead(sentence, said, stop, near)
        if said.subject is None and table.shape == "capital":
            self._leaning(sentence, said, near)

    def _headed(self, said: Said, near: int, stop: int) -> bool:
        """ "NAME denies THING" over a text whose verbs stand first otherwise."""
        return self.heading and not said.joined and stop <= near < stop + 4

    def declined(self, sentence: list[Token], at: int) -> Noun | None:
        """ "according to the minister" where the office has another ending than the table has."""
        token = sentence[at] if at < len(sentence) else None
        if not self.table.inflected or token is None or token.kind != WORD or len(token.low) < 5:
            return None
        end = at + 1
        while end < len(sentence) and end - at < 4 and sentence[end].text[:1].isupper():
            end += 1
        if end < len(sentence) and sentence[end].kind == WORD:
            return None
        if token.text[0].isupper() or not any(
            token.low.startswith(role[:-1] if role[-1] in "ьйая" else role)
            for role in self.table.roles
            if abs(len(role) - len(token.low)) <= 2
        ):
            return None
        if end > at + 1:
            return Noun(printed(self.text, sentence[at + 1 : end]), token.text, "person", None, end)
        return Noun(token.text, None, "role", None, at + 1)

    def _leaning(self, sentence: list[Token], said: Said, near: int) -> None:
        """ "NAME has claimed it, saying Q", "as said NAME": the subject stands elsewhere."""
        table = self.table
        if table.inside and said.cue.endswith("ли") and sentence[0].low in table.inside:
            named = any(token.text[:1].isupper() for token in sentence[1 : near + 1])
            if named and near < 9 and not self.times.fullmatch(sentence[1].text):
                said.subject = noun(self.text, sentence, 1, near + 1, table, loose=True)
            return
        if table.gerund is not None and re.search(table.gerund, said.cue):
            one, begin = self.phrase(sentence, 0, near + 1)
            if one is not None and begin < near:
                said.subject = one
        elif near == 0 and sentence[near].low in table.halts:
            one = self.behind(sentence, said.after)
            if one is not None:
                said.subject, said.inverted, said.after = one, True, one.last

    def _ahead(self, sentence: list[Token], said: Said, stop: int, near: int) -> None:
        """The subject before a cue: the noun phrase next to it, or over an aside in commas."""
        table = self.table
        if sentence[near].low in table.ands:
            said.joined = True
            return
        low = max(stop, near - 3 * REACH)
        segments: list[tuple[int, int]] = []
        end = near + 1
        for at in range(near, low - 1, -1):
            token = sentence[at]
            if token.kind == PUNCT and token.text in ",،，—–":
                segments.append((at + 1, end))
                end = at
            elif token.kind == QUOTE or (token.kind == PUNCT and token.text not in "-·’'«»()、"):
                segments.append((at + 1, end))
                break
            elif at == low:
                segments.append((at, end))
        if not segments:
            return
        first, last = segments[0]
        if first < last:
            one, begin = self.phrase(sentence, first, last)
        elif len(segments) > 2:
            one, begin = self.phrase(sentence, *segments[2])
            if one is None:
                one, begin = self._named_aside(sentence, segments[1], segments[2])
                said.subject, said.first = one, max(begin, 0)
                return
            office = self.phrase(sentence, *segments[1])[0]
            if one is not None and office is not None:
                one = self._joined(sentence, one, office, segments[1])
        else:
            return
        if one is not None:
            said.subject, said.first = one, max(begin, 0)
        elif table.dropped and all(sentence[k].low in table.ands for k in range(first, last)):
            said.joined = True

    def _named_aside(
        self, sentence: list[Token], aside: tuple[int, int], before: tuple[int, int]
    ) -> tuple[Noun | None, int]:
        """ "la OFFICE, NAME NAME,": an office that no table has, known by the name behind it."""
        first, last = before
        office = sentence[first:last]
        if self.table.shape != "capital" or not 2 <= len(office) <= 5:
            return None, first
        opens = office[0].low in self.table.articles and office[1].text[:1].islower()
        words = sentence[aside[0] : aside[1]]
        name = 2 <= len(words) <= 4 and all(w.text[:1].isupper() for w in (words[0], words[-1]))
        if not (opens and name and all(word.kind == WORD for word in (*office, *words))):
            return None, first
        role = printed(self.text, office[1:])
        gender = self.table.genders.get(office[0].low)
        return Noun(printed(self.text, words), role, "person", gender, aside[1]), first

    def _joined(
        self, sentence: list[Token], one: Noun, other: Noun, place: tuple[int, int]
    ) -> Noun:
        """ "OFFICE, NAME," or "NAME, OFFICE,": the person with the office."""
        words = sentence[place[0] : place[1]]
        office = any(token.low in self.table.roles for token in words)
        if one.kind == "role" or (
            one.kind == "name" and self._officed(one.name) and other.kind == "name" and not office
        ):
            return Noun(other.name, one.name, "person", one.gender, other.last)
        if office and one.kind in ("name", "person"):
            role = printed(self.text, [w for w in words if w.low not in self.table.articles])
            gender = "f" if any(w.low in self.table.women for w in words) else one.gender
            return Noun(one.name, one.role or role, "person", gender, one.last)
        return one

    def _officed(self, name: str) -> bool:
        return any(word.lower() in self.table.roles for word in name.split()[:3])

    def phrase(self, sentence: list[Token], first: int, last: int) -> tuple[Noun | None, int]:
        """The noun phrase that begins a stretch of words, cut where a place or a time begins."""
        table = self.table
        begin = first
        if table.shape == "run":
            listed = [k for k in range(first, last) if sentence[k].text == "、"]
            begin = listed[-1] + 1 if listed else first
        while begin < last and (
            sentence[begin].kind == ASIDE
            or sentence[begin].low in table.adverbs | table.ands
            or sentence[begin].text in "—–"
            or self.times.fullmatch(sentence[begin].text)
        ):
            begin += 1
        end = begin
        while end < last and end - begin < REACH:
            token = sentence[end]
            halt = token.kind == WORD and token.low in table.halts and end > begin
            if halt or (token.kind == PUNCT and token.text not in "-·"):
                break
            if table.shape != "run" and (token.low in table.that or token.low in table.cues):
                break
            verbal = token.low in table.auxiliaries or token.low in table.negations
            if table.shape == "capital" and verbal and end > begin:
                break
            end += 1
        if begin < last and sentence[begin].low in table.halts:
            return None, begin
        return noun(self.text, sentence, begin, end, table), begin

    def behind(
        self, sentence: list[Token], at: int, group: str = "say", *, loose: bool = False
    ) -> Noun | None:
        """The noun phrase behind a cue or a source word, and the name or office after its comma."""
        table = self.table
        while at < len(sentence) and (
            sentence[at].low in table.adverbs or self.times.fullmatch(sentence[at].text)
        ):
            at += 1
        if at < len(sentence) and sentence[at].low in table.before_asked:
            return None  # "dijo a NAME": the hearer
        end = at
        while end < len(sentence) and end - at < REACH:
            token = sentence[end]
            aside = token.kind == ASIDE and table.shape == "capital"
            if token.kind != WORD and not aside:
                break
            if token.low in table.halts or token.low in table.that:
                break
            if end > at and token.low in table.before_asked:
                break  # "dijo NAME a los periodistas": the hearers
            if token.low in table.cues and table.shape != "run":
                break
            end += 1
        if end == at:
            return None
        if table.verb_first and group in ("deny", "stand", "accuse", "tie", "find", "demand"):
            end = self._first_of_two(sentence, at, end)
        elif table.verb_first and group == "call":
            end = self._before_those(sentence, at, end)
        if end == at:
            return None
        one = noun(self.text, sentence, at, end, table, loose=loose)
        if one is None:
            return None
        one = one._replace(last=end)
        if end + 1 < len(sentence) and sentence[end].text in ",،" and one.kind != "pronoun":
            stop = end + 1
            while stop < len(sentence) and stop - end < REACH and sentence[stop].kind == WORD:
                stop += 1
            closes = stop >= len(sentence) or sentence[stop].text in ",.،:;—–"
            other, _ = self.phrase(sentence, end + 1, stop)
            if closes and other is not None and other.kind != "pronoun":
                both = self._joined(sentence, one, other, (end + 1, stop))
                if both is not one:
                    return both._replace(last=stop)
        return one

    def _before_those(self, sentence: list[Token], at: int, end: int) -> int:
        """ "called NAME the-two-governments": an object in the plural is no part of a name."""
        for place in range(at, end):
            low = sentence[place].low
            if place != at + 1 and low.startswith("ال") and low.endswith("ين"):
                return place
        return end

    def _first_of_two(self, sentence: list[Token], at: int, end: int) -> int:
        """Where subject and object stand in a row behind the verb: where the subject ends."""
        words = sentence[at:end]
        if words[0].low not in self.table.roles | self.table.organs and len(words) > 1:
            return at + 1
        for place, word in enumerate(words):
            if place >= 2 and word.low in self.table.roles:
                return at + place
            if place and word.low.startswith("ال") and place + 1 < len(words):
                return at + place + 1
        if words[0].low in self.table.organs and len(words) > 2:
            return at + 2 + (words[1].low in self.table.organs)
        return end

    def _without_subject(self, sentence: list[Token], found: list[Said], number: int) -> None:
        """A cue whose subject is not printed: the one before in the sentence, or in the text."""
        said, table = found[number], self.table
        said.bare = True
        earlier = next((one for one in reversed(found[:number]) if one.voice is not None), None)
        if earlier is not None and (said.joined or table.dropped):
            said.voice, said.notes = earlier.voice, earlier.notes
            return
        opens = all(
            token.kind != WORD or token.low in table.ands | table.adverbs
            for token in sentence[: said.first]
        )
        if table.dropped and self.heard and opens:
            said.voice = self.heard[-1]
            said.notes = (f"no subject is printed with {said.cue!r}: the last one speaking before",)

    def _voice(self, one: Noun) -> tuple[Voice | None, tuple[str, ...]]:
        if one.kind == "pronoun":
            for voice in reversed(self.heard):
                personal = one.gender is None or voice.person or self.table.shape != "run"
                if personal and (not one.gender or voice.gender in (None, one.gender)):
                    voice.gender = voice.gender or one.gender
                    note = f"speaker from {one.name!r}: the last one speaking before"
                    return voice, (note,)
            return None, (f"{one.name!r} stands for nobody named before",)
        if one.kind == "role":
            head = one.name.split()[0].lower() if self.table.shape != "run" else one.name
            head = head.removeprefix("该").removeprefix("这位").removeprefix("这名")
            head = head.removeprefix("ال")
            head = head[: max(4, len(head) - 2)] if self.table.inflected else head
            for voice in reversed(self.heard):
                if head in _ANYONE and voice.person:
                    note = f"speaker from {one.name!r}: the last person speaking before"
                    return voice, (note,)
                if voice.person and voice.role is not None and head in voice.role.lower():
                    note = f"speaker from {one.name!r}: the last person speaking before"
                    return voice, (note,)
        known = self.people.get(one.name) or self._inflected(one)
        if known is not None:
            if known.name != one.name:
                note = f"speaker from {one.name!r}: the full name printed before"
                return Voice(known.name, one.role, known.gender, True), (note,)
            return Voice(one.name, one.role, one.gender or known.gender, True), ()
        voice = Voice(one.name, one.role, one.gender, one.kind == "person")
        if voice.person:
            self.people[one.name] = voice
            if " " in one.name:
                self.people.setdefault(one.name.rsplit(" ", 1)[1], voice)
        return voice, ()

    def labelled(self, one: Noun) -> Voice | None:
        """Who stands alone before a colon, as in a transcript; heard from then on."""
        voice, _ = self._voice(one)
        if voice is not None:
            voice.role = voice.role or one.role
            self.hear(voice)
        return voice

    def _inflected(self, one: Noun) -> Voice | None:
        """A known surname in another case of its declension: the same beginning, a new ending."""
        if not self.table.inflected or " " in one.name or len(one.name) < 5 or one.role:
            return None
        stem = one.name[: max(4, len(one.name) - 3)]
        fitting = {
            voice.name: voice
            for voice in self.heard
            if voice.person and voice.name.rsplit(" ", 1)[-1].startswith(stem)
        }
        return next(iter(fitting.values())) if len(fitting) == 1 else None

    def hear(self, voice: Voice) -> None:
        if self.heard and self.heard[-1].name == voice.name:
            return
        self.heard.append(voice)
        del self.heard[:-12]
