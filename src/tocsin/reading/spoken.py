"""Reading claims in a language that has a table: one reader, the tables differ.

It finds each cue with its subject before or behind it, gives every quotation to the cue that
brings it, and takes what stands behind "that" as words told. What it does not find it leaves out:
no speaker is None, never a guess. Spec: claims.md §3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from msgspec import structs

from tocsin.reading.about import about
from tocsin.reading.draft import Draft
from tocsin.reading.layout import (
    PUNCT,
    QUOTE,
    WORD,
    Paragraph,
    Quotation,
    Token,
    after_dateline,
    quotations,
)
from tocsin.reading.nouns import Noun, noun, printed
from tocsin.reading.scan import ASIDE, cut, names_aside, parts
from tocsin.reading.speech import broken, dialogue
from tocsin.reading.subjects import Said, Subjects, Voice
from tocsin.reading.told import Told
from tocsin.reading.tongue_dates import day_in
from tocsin.reading.tongues import Tongue
from tocsin.reading.turns import ANSWER, QUESTION, Turn, turns

_SHORT = {"zh": 6}
SHORTEST = 12
_OFFICE = 8  # words of a name before a colon, or of an office behind it, at most
_ATTACHED = re.compile(r"(.+?)(?:-t)?-(ils?|elles?)$")
_PUT = re.compile("敦促|促请|要求|责令")  # words between a demand and whom it is put to
_GENDER = {"il": "m", "elle": "f"}


def read_spoken(
    text: str, all_paragraphs: Sequence[Paragraph], table: Tongue, published: date | None
) -> list[Draft]:
    """Every claim that the rules find in these paragraphs, in order of its place."""
    reader = _Reader(text, table, published)
    transcript = turns(text, all_paragraphs)
    for number, paragraph in enumerate(all_paragraphs):
        if number in transcript:
            reader.turn(paragraph, transcript[number], number)
        else:
            reader.paragraph(paragraph, number)
    return about(sorted(reader.drafts, key=lambda draft: draft.span), table)


class _Reader:
    def __init__(self, text: str, table: Tongue, published: date | None) -> None:
        self.text, self.table, self.published = text, table, published
        self.drafts: list[Draft] = []
        self.subjects = Subjects(text, table)
        self.told = Told(text, table, self.subjects)
        self.patterns = [
            (kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in table.kinds
        ]
        self.unknown = re.compile(table.unknown, re.IGNORECASE) if table.unknown else None
        self.shortest = _SHORT.get(table.code, SHORTEST)

    def paragraph(self, paragraph: Paragraph, number: int) -> None:
        if paragraph.heading and number:
            self.subjects.heard.clear()
        quotes = dialogue(self.text, paragraph, self.table)
        if not quotes:
            quotes = quotations(self.text, paragraph.start, paragraph.end)
            quotes = broken(self.text, quotes, self.table)
        self.subjects.heading = paragraph.heading
        start = after_dateline(self.text, paragraph)
        tokens = cut(self.text, start, paragraph.end, quotes, self.table)
        tokens = names_aside(tokens, self.table)
        by_start = {quote.start - 1: quote for quote in quotes}
        previous: Voice | None = None
        for sentence in parts(tokens, self.table):
            previous = self._sentence(sentence, by_start, previous)

    def _asked(self, paragraph: Paragraph, number: int) -> None:
        """What a question says that others said; the words of who asks are nobody's claims."""
        before = len(self.drafts)
        self.paragraph(paragraph, number)
        self.drafts[before:] = [
            structs.replace(draft, confidence_notes=(*draft.confidence_notes, "told in a question"))
            for draft in self.drafts[before:]
            if not draft.direct
        ]

    def turn(self, paragraph: Paragraph, turn: Turn, number: int) -> None:
        """The very words of a transcript, which have no marks."""
        start, end = self._trim(turn.start, paragraph.end, stop=False)
        if turn.question:
            self._asked(paragraph._replace(start=turn.start), number)
            return
        if end - start < self.shortest:
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
            self.subjects.find(sentence, found, number)
            self.told.begin(sentence, cue)
        self.told.end(sentence, found)
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
            label = self._label(sentence, at) if bringing is None else None
            if label is not None:
                voice = label
                notes.append("speaker from the label before the colon")
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

    def _label(self, sentence: list[Token], at: int) -> Voice | None:
        """ "NAME, office: Q": who stands before the colon, where nothing else does."""
        if at < 2 or sentence[at - 1].text not in ":：":
            return None
        comma = next((k for k in range(at - 1) if sentence[k].text in ",，،"), at - 1)
        words, office = sentence[:comma], sentence[comma + 1 : at - 1]
        if any(token.low in QUESTION | ANSWER for token in words):
            return None
        if office and not any(token.low in self.table.roles for token in office[:_OFFICE]):
            return None
        one = noun(self.text, words, 0, len(words), self.table)
        if one is None or one.kind == "pronoun" or len(words) > _OFFICE:
            return None
        known = self.subjects.people.get(one.name)
        bare = known is None and one.kind != "person" and not office
        if bare and (self.table.shape != "capital" or len(words) < 2):
            return None  # in other scripts nothing tells a name from "the report"
        if one.kind != "person" and self.table.shape == "capital":
            small = (token.low for token in words if not token.text[0].isupper())
            if any(low not in self.table.links for low in small):
                return None
        role = one.role or (printed(self.text, office) if office else None)
        return self.subjects.labelled(one._replace(role=role, kind="person"))

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
        one, begin = self.subjects.phrase(sentence, 0, len(sentence))
        if one is None or begin or one.kind == "pronoun":
            return
        words = one.name.split()
        office = words[0].lower() in self.table.roles
        if one.kind == "name" and office and len(words) <= 6:
            self.subjects.hear(Voice(one.name, None, one.gender, True))
        elif one.name in self.subjects.people:
            known = self.subjects.people[one.name]
            self.subjects.hear(Voice(known.name, None, known.gender, True))

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
        for listed, gender in self.table.told_by.items():
            after = at + len(listed)
            if tuple(token.low for token in sentence[at:after]) == listed:
                cue = printed(self.text, sentence[at:after])
                who = Noun(cue, None, "pronoun", gender, after)
                return Said(at, at, after, "source", cue, subject=who, inverted=at > 0)
        for listed in self.table.according:
            span = len(listed)
            if tuple(token.low for token in sentence[at : at + span]) != listed:
                continue
            begins = at == 0 or sentence[at - 1].kind in (PUNCT, QUOTE)
            if not begins:
                return None
            one = self.subjects.declined(sentence, at + span)
            one = one or self.subjects.behind(self._unprefixed(sentence, at + span), at + span)
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

    # --- what ---

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
            short = last - first < self.shortest
            brief = len(pieces) == 1 and pieces[0][1] - pieces[0][0] < self.shortest
            if brief or (pieces and (kinds[-1] == kind == "assessment" or short)):
                kinds[-1] = kind if brief else kinds[-1]
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
        if (
            group in ("", "say")
            and self.unknown is not None
            and self.unknown.search(words) is not None
        ):
            return "assessment"
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
            put = _PUT.search(words, clause, match.end())
            clause = clause if put is None else put.end()
            asked = re.match(table.asked or "", words[clause:])
            one = asked[1] if asked is not None else None
            return None if one is None or one[:1] in "我你他她它这那一某" else one
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
