"""Reading claims in a language that has a table: one reader, the tables differ.

It finds each cue with its subject before or behind it, gives every quotation to the cue that
brings it, and takes what stands behind "that" as words told. What it does not find it leaves out:
no speaker is None, never a guess. Spec: claims.md §3.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date

from msgspec import Struct

from tocsin.reading.about import about
from tocsin.reading.draft import Draft
from tocsin.reading.layout import (
    PUNCT,
    QUOTE,
    WORD,
    Paragraph,
    Quotation,
    Token,
    quotations,
)
from tocsin.reading.nouns import REACH, Noun, noun, printed
from tocsin.reading.scan import ASIDE, cut, parts
from tocsin.reading.speech import dialogue
from tocsin.reading.tongue_dates import day_in, time_word
from tocsin.reading.tongues import Tongue
from tocsin.reading.turns import Turn, turns

_STOPS = frozenset(";；")
_SHORT = {"zh": 6}
SHORTEST = 12
_ATTACHED = re.compile(r"(.+?)(?:-t)?-(ils?|elles?)$")
_GENDER = {"il": "m", "elle": "f"}
_NO_CLAUSE = frozenset(["tie", "find"])


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


def read_spoken(
    text: str, all_paragraphs: Sequence[Paragraph], table: Tongue, published: date | None
) -> list[Draft]:
    """Every claim that the rules find in these paragraphs, in order of its place."""
    reader = _Reader(text, table, published)
    transcript = turns(text, all_paragraphs)
    for number, paragraph in enumerate(all_paragraphs):
        if number in transcript:
            reader.turn(paragraph, transcript[number])
        else:
            reader.paragraph(paragraph, number)
    return about(sorted(reader.drafts, key=lambda draft: draft.span), table)


class _Reader:
    def __init__(self, text: str, table: Tongue, published: date | None) -> None:
        self.text, self.table, self.published = text, table, published
        self.drafts: list[Draft] = []
        self.heard: list[Voice] = []  # since the last heading, newest last
        self.people: dict[str, Voice] = {}  # by full name and by its last word
        self.patterns = [
            (kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in table.kinds
        ]
        self.times = time_word(table)
        self.shortest = _SHORT.get(table.code, SHORTEST)

    def paragraph(self, paragraph: Paragraph, number: int) -> None:
        if paragraph.heading and number:
            self.heard.clear()
        quotes = dialogue(self.text, paragraph, self.table)
        if not quotes:
            quotes = quotations(self.text, paragraph.start, paragraph.end)
        tokens = cut(self.text, paragraph.start, paragraph.end, quotes, self.table)
        by_start = {quote.start - 1: quote for quote in quotes}
        previous: Voice | None = None
        for sentence in parts(tokens, self.table):
            previous = self._sentence(sentence, by_start, previous)

    def turn(self, paragraph: Paragraph, turn: Turn) -> None:
        """The very words of a transcript, which have no marks."""
        start, end = self._trim(turn.start, paragraph.end, stop=False)
        if turn.question or end - start < self.shortest:
            return
        voice = None
        if turn.name is not None:
            tokens = cut(turn.name, 0, len(turn.name), [], self.table)
            one = noun(turn.name, tokens, 0, len(tokens), self.table)
            named = one is not None and one.kind == "person"
            voice = Voice(one.name if one and named else turn.name, None, None, True)
            if one is not None and named:
                voice.role = one.role
        notes = ["a turn of a transcript: words without quotation marks"]
        if turn.note is not None:
            notes.append(turn.note)
        if turn.interpreted:
            notes.append("said through an interpreter: a translation's words")
        if voice is None:
            notes.append("no speaker given for these words")
        for first, last in self._pieces(start, end, None):
            self._keep(first, last, True, None, voice, notes, None)

    # --- one sentence ---

    def _sentence(
        self, sentence: list[Token], quotes: dict[int, Quotation], previous: Voice | None
    ) -> Voice | None:
        self._turn_to(sentence)
        found = self._cues(sentence)
        for number, cue in enumerate(found):
            self._subject(sentence, found, number)
            self._content(sentence, cue)
        self._end(sentence, found)
        when = self._when(sentence, found)
        taken: set[int] = set()
        spoke: Voice | None = None
        bare = all(token.kind in (QUOTE, PUNCT) for token in sentence)
        trailing: Said | None = None
        for at, token in enumerate(sentence):
            if token.kind != QUOTE:
                continue
            bringing = _bringing(sentence, found, at) or trailing
            voice = bringing.voice if bringing is not None else None
            notes = list(bringing.notes) if bringing is not None else []
            near = bringing is not None and _beside(sentence, bringing, at)
            if bringing is not None and bringing.at > at:
                trailing = bringing
            if bringing is None and bare and previous is not None:
                voice = previous
                notes.append("speaker as in the sentence before")
            length = token.end - token.start - 2
            if not near and length < (self.shortest if voice is not None else 2 * self.shortest):
                continue
            if not any(char.isalnum() for char in token.text) or self._named(sentence, at):
                continue
            quote = quotes[token.start]
            if not quote.closed and quote.mark not in "—–":
                notes.append("quotation not closed: read to the end of its paragraph")
            if voice is None:
                notes.append("no speaker given for these words")
            else:
                spoke = voice
            if bringing is not None:
                taken.add(id(bringing))
            for start, end in self._pieces(quote.start, quote.end, bringing):
                self._keep(start, end, True, bringing, voice, notes, when)
        reach = -1
        asks = bool(sentence) and sentence[-1].text in "?？؟"
        for said in found if not asks else ():
            if id(said) in taken or said.content is None or said.negated:
                continue
            if said.voice is None or said.at < reach:
                continue  # a cue inside the words of another is that one's
            first, last = said.content
            if any(
                sentence[k].kind == QUOTE
                and sentence[k].end - sentence[k].start - 2 >= self.shortest
                and not self._named(sentence, k)
                for k in range(first, last)
            ):
                continue
            start, end = self._trim(sentence[first].start, sentence[last - 1].end)
            if end - start >= 4:
                self._keep(start, end, False, said, said.voice, list(said.notes), when)
                reach = last
        return spoke or (previous if bare else None)

    def _named(self, sentence: list[Token], at: int) -> bool:
        """Is it the name of a thing: "a group called Q"?"""
        before = sentence[at - 1] if at else None
        if before is None or before.kind == PUNCT:
            return False
        if self.table.shape == "run":
            return before.text.endswith(tuple(self.table.naming))
        return before.low in self.table.naming and before.low not in self.table.cues

    def _turn_to(self, sentence: list[Token]) -> None:
        """Whom a sentence opens with, an office or a known person, may be the next "she"."""
        if self.table.shape != "capital" or not sentence or sentence[0].kind != WORD:
            return
        one, begin = self._phrase(sentence, 0, len(sentence))
        if one is None or begin or one.kind == "pronoun":
            return
        words = one.name.split()
        office = words[0].lower() in self.table.roles
        if one.kind == "name" and office and len(words) <= 6:
            self._hear(Voice(one.name, None, one.gender, True))
        elif one.name in self.people:
            known = self.people[one.name]
            self._hear(Voice(known.name, None, known.gender, True))

    def _cues(self, sentence: list[Token]) -> list[Said]:
        table = self.table
        found: list[Said] = []
        at = 0
        while at < len(sentence):
            token = sentence[at]
            if token.kind != WORD:
                at += 1
                continue
            source = self._source(sentence, at)
            if source is not None:
                found.append(source)
                at = source.after
                continue
            said = self._cue(sentence, at) or self._shaped(sentence, at)
            if said is not None:
                before = [sentence[k].low for k in range(max(0, said.first - 3), said.first)]
                inside = [sentence[k].low for k in range(said.first, said.at)]
                said.negated = bool(table.negations & {*before[-2:], *inside}) or (
                    bool(before) and before[-1] in table.negations
                )
                found.append(said)
            at += 1
        return found

    def _shaped(self, sentence: list[Token], at: int) -> Said | None:
        """ "Q, sighs NAME": a verb that no table has, known by where it stands."""
        table = self.table
        if table.shape != "capital" or at < 2 or at + 1 >= len(sentence):
            return None
        before = sentence[at - 2]
        dashed = sentence[at - 1].text in "—–" and before.text == ","
        if not dashed and (sentence[at - 1].text not in ",—–" or before.kind != QUOTE):
            return None
        token, after = sentence[at], sentence[at + 1]
        small = table.halts | table.that | table.ands | table.articles | table.links
        if token.low in small | table.adverbs | table.auxiliaries | table.negations:
            return None
        if token.text[0].isupper() or after.kind != WORD or not after.text[0].isupper():
            return None
        return Said(at, at, at + 1, "say", token.text)

    def _source(self, sentence: list[Token], at: int) -> Said | None:
        """ "selon NAME": a source, whose words are the rest of the sentence."""
        for listed in self.table.according:
            span = len(listed)
            if tuple(token.low for token in sentence[at : at + span]) != listed:
                continue
            begins = at == 0 or sentence[at - 1].kind in (PUNCT, QUOTE)
            if not begins:
                return None
            one = self._behind(self._unprefixed(sentence, at + span), at + span)
            if one is None or one.kind == "pronoun":
                return None
            if listed in (("pour",), ("para",)) and one.kind != "person":
                return None
            cue = printed(self.text, sentence[at : at + span])
            return Said(at, at, one.last, "source", cue, subject=one, inverted=at > 0)
        return None

    def _unprefixed(self, sentence: list[Token], at: int) -> list[Token]:
        """ "according to NAME" where "to" is a letter written with the name (Arabic)."""
        if not self.table.verb_first or at >= len(sentence):
            return sentence
        token = sentence[at]
        if token.kind != WORD or not token.low.startswith("ل") or len(token.text) < 4:
            return sentence
        bare = Token(token.text[1:], token.low[1:], token.start + 1, token.end, WORD)
        return [*sentence[:at], bare, *sentence[at + 1 :]]

    def _cue(self, sentence: list[Token], at: int) -> Said | None:
        table, token = self.table, sentence[at]
        low = token.low
        group = table.cues.get(low)
        if group is None and table.prefixes and low[:1] in table.prefixes and len(low) > 2:
            group = table.cues.get(low[1:])
            if group is not None:
                return Said(at, at, at + 1, group, token.text, joined=True)
        if group is None and table.elisions and "-" in low:
            attached = _ATTACHED.fullmatch(low)
            if attached is not None and attached[1] in table.cues:
                said = Said(at, at, at + 1, table.cues[attached[1]], token.text, inverted=True)
                pronoun = attached[2]
                said.subject = Noun(pronoun, None, "pronoun", _GENDER.get(pronoun), at + 1)
                return said
        plain = Said(at, at, at + 1, group, token.text) if group is not None else None
        group = table.participles.get(low)
        if group is None:
            return plain
        for back in range(at - 1, max(-1, at - 4), -1):
            helper = sentence[back]
            if helper.kind != WORD:
                return plain
            if helper.low in table.auxiliaries:
                cue = printed(self.text, sentence[back : at + 1])
                said = Said(back, at, at + 1, group, cue)
                attached = _ATTACHED.fullmatch(helper.low)
                if attached is not None:
                    gender = _GENDER.get(attached[2])
                    said.subject = Noun(attached[2], None, "pronoun", gender, at + 1)
                    said.inverted = True
                return said
            if helper.low not in table.adverbs | table.negations:
                return plain
        return plain

    # --- who ---

    def _subject(self, sentence: list[Token], found: list[Said], number: int) -> None:
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
            self._hear(said.voice)

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
            behind = table.verb_first or said.joined
        if behind and table.shape != "run":
            quoted = near >= 0 and (sentence[near].kind == QUOTE or sentence[near].text in ",—–")
            one = self._behind(sentence, said.after, group=said.group, loose=quoted)
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

    def _leaning(self, sentence: list[Token], said: Said, near: int) -> None:
        """ "NAME has claimed it, saying Q", "as said NAME": the subject stands elsewhere."""
        table = self.table
        if table.gerund is not None and re.search(table.gerund, said.cue):
            one, begin = self._phrase(sentence, 0, near + 1)
            if one is not None and begin < near:
                said.subject = one
        elif near == 0 and sentence[near].low in table.halts:
            one = self._behind(sentence, said.after)
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
            one, begin = self._phrase(sentence, first, last)
        elif len(segments) > 2:
            one, begin = self._phrase(sentence, *segments[2])
            office = self._phrase(sentence, *segments[1])[0]
            if one is not None and office is not None:
                one = self._joined(sentence, one, office, segments[1])
        else:
            return
        if one is not None:
            said.subject, said.first = one, max(begin, 0)
        elif table.dropped and all(sentence[k].low in table.ands for k in range(first, last)):
            said.joined = True

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

    def _phrase(self, sentence: list[Token], first: int, last: int) -> tuple[Noun | None, int]:
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

    def _behind(
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
            if token.kind != WORD or token.low in table.halts or token.low in table.that:
                break
            if token.low in table.cues and table.shape != "run":
                break
            end += 1
        if end == at:
            return None
        if table.verb_first and group in ("deny", "stand", "accuse", "tie", "find", "demand"):
            end = self._first_of_two(sentence, at, end)
        one = noun(self.text, sentence, at, end, table, loose=loose)
        if one is None:
            return None
        one = one._replace(last=end)
        if end + 1 < len(sentence) and sentence[end].text in ",،" and one.kind != "pronoun":
            stop = end + 1
            while stop < len(sentence) and stop - end < REACH and sentence[stop].kind == WORD:
                stop += 1
            closes = stop >= len(sentence) or sentence[stop].text in ",.،:;—–"
            other, _ = self._phrase(sentence, end + 1, stop)
            if closes and other is not None and other.kind != "pronoun":
                both = self._joined(sentence, one, other, (end + 1, stop))
                if both is not one:
                    return both._replace(last=stop)
        return one

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
            for voice in reversed(self.heard):
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

    def _hear(self, voice: Voice) -> None:
        if self.heard and self.heard[-1].name == voice.name:
            return
        self.heard.append(voice)
        del self.heard[:-12]

    # --- what ---

    def _content(self, sentence: list[Token], said: Said) -> None:
        """Where the words begin that a cue brings; `_end` says where they stop."""
        at = said.after
        if said.group == "source":
            if said.at == 0:
                rest = at + int(at < len(sentence) and sentence[at].kind == PUNCT)
                said.content = (rest, len(sentence)) if rest < len(sentence) else None
            else:
                said.content = (0, said.at)
            return
        if said.group in _NO_CLAUSE and said.group != "find":
            said.content = (at, len(sentence)) if at < len(sentence) else None
            return
        comma = said.first - 1
        trails = said.inverted and comma > 3 and sentence[comma].text in ",،"
        if said.group == "say" and trails and sentence[comma - 1].kind == WORD:
            quoted = any(token.kind == QUOTE for token in sentence[:comma])
            if not quoted and sentence[0].low not in self.table.halts | self.table.ands:
                said.content = (0, comma)
                return
        told = said.group == "say"
        begin = self._clause(sentence, at) if told else self._object(sentence, said, at)
        if begin is not None and begin < len(sentence):
            said.content = (begin, len(sentence))

    def _clause(self, sentence: list[Token], at: int) -> int | None:
        """Behind "that"; where nothing stands between words, behind the cue or its comma."""
        table = self.table
        if table.shape == "run":
            if at < len(sentence) and sentence[at].text in "，：,:":
                at += 1
            at_quote = at < len(sentence) and sentence[at].kind == QUOTE
            word = at < len(sentence) and (
                sentence[at].kind in (WORD, ASIDE) or sentence[at].text == "《"
            )
            return at if word and not at_quote else None
        for place in range(at, min(len(sentence), at + 14)):
            token = sentence[place]
            if token.kind == QUOTE or (token.kind == PUNCT and token.text not in ",،-"):
                return None
            if token.kind == WORD and token.low in table.that:
                if token.low.startswith(("انه", "بانه", "انن", "بانن")):
                    return place
                return place + 1
        return None

    def _object(self, sentence: list[Token], said: Said, at: int) -> int | None:
        """Behind whom it is put to, "accuse NAME of", "urges NAME to"; else behind the cue."""
        table = self.table
        if at >= len(sentence):
            return None
        if table.shape == "run":
            if said.group in ("accuse", "demand", "call", "tie") and table.asked is not None:
                rest = self.text[sentence[at].start : sentence[-1].end]
                asked = re.match(table.asked, rest) if sentence[at].kind == WORD else None
                said.asked = asked[1] if asked is not None else None
            return at if sentence[at].kind in (WORD, ASIDE) else None
        ends = table.asked_by.get(said.group)
        if ends is not None:
            first = at
            while first < len(sentence) and sentence[first].low in table.before_asked:
                first += 1
            for place in range(first, min(len(sentence), first + REACH)):
                token = sentence[place]
                if token.kind != WORD:
                    break
                if place > first and _fits(token.low, ends):
                    asked_one = noun(self.text, sentence, first, place, table, loose=True)
                    if asked_one is not None and asked_one.kind != "pronoun":
                        said.asked = asked_one.name
                        whole = any(end.endswith("*") for end in ends)
                        infinitive = said.group in ("demand", "call")
                        return place if whole or infinitive else place + 1
                    break
            if said.group == "demand" and first > at and first < len(sentence):
                one, _ = self._phrase(sentence, first, len(sentence))
                big = sentence[first].text[:1].isupper()
                if one is not None and big and table.shape == "capital":
                    end = first
                    while end < len(sentence) and sentence[end].text[:1].isupper():
                        end += 1
                    said.asked = printed(self.text, sentence[first:end])
                    return end if end < len(sentence) else None
            if said.group == "demand" and table.shape == "capital":
                end = at
                while end < len(sentence) and sentence[end].text[:1].isupper():
                    end += 1
                if end > at and sentence[at].kind == WORD:
                    said.asked = printed(self.text, sentence[at:end])
                    return end if end < len(sentence) else None
            if said.group == "accuse":
                return None
        begin = at
        while begin < len(sentence) and (
            sentence[begin].low in table.that or sentence[begin].text in ",،"
        ):
            begin += 1
        if said.group in ("demand", "call") and said.asked is None and table.shape == "capital":
            end = begin
            while end < len(sentence) and sentence[end].text[:1].isupper():
                end += 1
            if begin < end:
                said.asked = printed(self.text, sentence[begin:end])
        if begin < len(sentence) and sentence[begin].kind == QUOTE:
            return begin
        if begin < len(sentence) and sentence[begin].kind == WORD:
            plain = begin == at and sentence[begin].low in table.halts and said.group != "call"
            return None if plain else begin
        return None

    def _end(self, sentence: list[Token], found: list[Said]) -> None:
        cuts = self._cuts(sentence, found)
        numbers = [number for number, *_ in cuts]
        stops = [at for at, one in enumerate(sentence) if one.kind == PUNCT and one.text in _STOPS]
        for number, said in enumerate(found):
            if said.content is None or (said.group == "source" and said.inverted):
                continue
            first, last = said.content
            for at in range(bisect_right(numbers, number), len(cuts)):
                _, later, cutting, mark = cuts[at]
                begin = max(cutting, first)
                if later.first > first and (later.joined or mark >= begin):
                    last = min(last, begin)
                    break
            stop = bisect_left(stops, first)
            if stop < len(stops):
                last = min(last, stops[stop])
            said.content = (first, last) if last > first else None

    def _cuts(self, sentence: list[Token], found: list[Said]) -> list[tuple[int, Said, int, int]]:
        """Cues that may end what was said before them: (number, cue, where it is cut, last mark).

        Worked out once for the sentence: a crafted one has a thousand cues.
        """
        cuts = []
        passed = self.table.ands | self.table.adverbs
        for number, later in enumerate(found):
            if not later.bare or not (later.joined or self.table.shape == "run"):
                continue
            cutting, mark = later.first, -1
            while cutting > 0 and (
                sentence[cutting - 1].low in passed or sentence[cutting - 1].kind in (ASIDE, PUNCT)
            ):
                cutting -= 1
                if mark < 0 and sentence[cutting].kind == PUNCT:
                    mark = cutting
            if later.joined or mark >= 0:
                cuts.append((number, later, cutting, mark))
        return cuts

    def _when(
        self, sentence: list[Token], found: list[Said]
    ) -> tuple[str | None, str | None, str] | None:
        """The time the sentence prints outside its quotations and outside what was told."""
        if not found:
            return None
        told = [said.content for said in found if said.content is not None]
        pieces: list[str] = []
        for at, token in enumerate(sentence):
            inside = any(first <= at < last for first, last in told[:8])
            pieces.append(" \n " if token.kind == QUOTE or inside else token.text)
            if at + 1 < len(sentence) and sentence[at + 1].start > token.end:
                pieces.append(" ")
        return day_in("".join(pieces), self.table, self.published)

    def _pieces(self, start: int, end: int, said: Said | None) -> list[tuple[int, int]]:
        """A quotation's claims: cut at the sentence, plain assessments in a row kept together."""
        start, end = self._trim(start, end, stop=False)
        pieces: list[tuple[int, int]] = []
        kinds: list[str] = []
        for part in parts(cut(self.text, start, end, [], self.table), self.table):
            first, last = part[0].start, part[-1].end
            kind = self._kind(self.text[first:last], None)
            if pieces and (kinds[-1] == kind == "assessment" or last - first < self.shortest):
                pieces[-1] = (pieces[-1][0], last)
                continue
            pieces.append((first, last))
            kinds.append(kind)
        if pieces:
            pieces[0] = (start, pieces[0][1])
            pieces[-1] = (pieces[-1][0], end)
        return pieces

    def _trim(self, start: int, end: int, *, stop: bool = True) -> tuple[int, int]:
        text = self.text
        marks = ",，、،" + (".。;；:：" if stop else "")
        while start < end and (text[start].isspace() or (stop and text[start] in ",，،了")):
            start += 1
        while end > start and (text[end - 1].isspace() or text[end - 1] in marks):
            end -= 1
        return start, end

    def _kind(self, words: str, said: Said | None) -> str:
        group = said.group if said is not None else ""
        if group == "deny":
            return "denial"
        for kind, pattern in self.patterns:
            if kind == "demand" and group == "demand":
                return "demand"
            if kind == "reported-declaration" and group == "accuse":
                return "reported-accusation"
            if pattern.search(words) is not None:
                return kind
        fixed = {
            "demand": "demand",
            "accuse": "reported-accusation",
            "tie": "attribution",
            "find": "discovery",
            "stand": "position",
            "call": "call",
        }
        return fixed.get(group, "assessment")

    def _charged(self, words: str, kind: str) -> str | None:
        """Whose deed or duty the words speak of: the name beside the verb that tells the type."""
        table = self.table
        pattern = next(pattern for name, pattern in self.patterns if name == kind)
        match = pattern.search(words)
        if match is None:
            return None
        if table.shape == "run":
            clause = max(words.rfind(mark, 0, match.start() + 1) for mark in "，。；：") + 1
            asked = re.match(table.asked or "", words[clause:])
            one = asked[1] if asked is not None else None
            return None if one is None or one[:1] in "我你他她它这那" else one
        edge = match.end() if table.verb_first and kind != "demand" else 0
        tokens = cut(words, edge, match.start() if not edge else len(words), [], table)
        if edge:
            tokens = tokens[:1]
        elif tokens:
            stop = max((k for k, t in enumerate(tokens) if t.kind == PUNCT), default=-1) + 1
            tokens = tokens[stop:]
            while tokens and tokens[0].low in table.ands | table.adverbs:
                tokens.pop(0)
        if not tokens or tokens[0].kind != WORD:
            return None
        if table.shape == "article":
            token = tokens[-1]
            return None if token.low.startswith("ال") else token.text
        one_name = noun(words, tokens, 0, len(tokens), table)
        if one_name is None or one_name.kind != "name" or len(one_name.name.split()) > 6:
            return None
        return one_name.name if any(c.isupper() for c in one_name.name) else None

    def _keep(
        self,
        start: int,
        end: int,
        direct: bool,
        said: Said | None,
        voice: Voice | None,
        notes: list[str],
        when: tuple[str | None, str | None, str] | None,
    ) -> None:
        words = self.text[start:end]
        value = precision = None
        notes = list(notes)
        if said is not None and when is not None:
            value, precision, shown = when
            if value is None:
                notes.append(f"time printed: {shown!r}; no day to count from")
            else:
                notes.append(f"date from {shown!r}")
        asked = said.asked if said is not None else None
        kind = self._kind(words, said)
        if asked is None and kind in ("accusation", "demand", "reported-declaration"):
            asked = self._charged(words, kind)
        self.drafts.append(
            Draft(
                claim_type=kind,
                speaker=None if voice is None else voice.name,
                speaker_role=None if voice is None else voice.role,
                addressee=None if voice is not None and asked == voice.name else asked,
                about=(),
                words=words,
                span=(start, end),
                direct=direct,
                date=value,
                precision=precision,
                cue=None if said is None else said.cue,
                confidence_notes=tuple(notes),
                lang=self.table.code,
            )
        )


def _fits(word: str, ends: frozenset[str]) -> bool:
    if word in ends:
        return True
    return any(end.endswith("*") and word.startswith(end[:-1]) and len(word) > 3 for end in ends)


def _bringing(sentence: list[Token], found: list[Said], at: int) -> Said | None:
    """Which cue brings the quotation at `at`: the one right behind it, or the last before it."""
    after = at + 1
    while after < len(sentence) and sentence[after].text in ",،，—–-":
        after += 1
    for said in found:
        if said.at > at and said.first == after and not said.negated:
            if said.voice is not None and (said.content is None or said.content[0] > at):
                return said
            if said.group == "source":
                return said
    best: Said | None = None
    for said in found:
        if said.at > at:
            break
        if said.negated or (said.voice is None and said.subject is None):
            continue
        if said.group == "source" and best is not None:
            continue
        best = said
    if best is not None:
        return best
    for said in found:
        inside = said.content is not None and said.content[0] <= at < said.content[1]
        if said.group == "source" and inside:
            return said
    return None


def _beside(sentence: list[Token], said: Said, at: int) -> bool:
    """Is the cue, with its subject, right next to the quotation?"""
    if said.at > at:
        after = sentence[at + 1] if at + 1 < len(sentence) else None
        ended = sentence[at].text.rstrip()[-1:] in ",.!?，。！？،؟…"
        return ended or after is None or after.kind == PUNCT or said.first != at + 1
    before = at - 1
    while before >= 0 and (sentence[before].kind == ASIDE or sentence[before].text in ",:：،，"):
        before -= 1
    return before < said.after
