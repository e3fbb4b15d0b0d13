"""Which words a cue brings, in a language that has a table: where they begin and where they end.

Spec: claims.md §3.5.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right

from tocsin.reading.layout import PUNCT, QUOTE, WORD, Token
from tocsin.reading.nouns import REACH, noun, printed
from tocsin.reading.scan import ASIDE
from tocsin.reading.subjects import Said, Subjects
from tocsin.reading.tongues import Tongue

_STOPS = frozenset(";；")
_NO_CLAUSE = frozenset(["tie", "find"])


class Told:
    """What the cues of one text bring."""

    def __init__(self, text: str, table: Tongue, subjects: Subjects) -> None:
        self.text, self.table, self.subjects = text, table, subjects

    def begin(self, sentence: list[Token], said: Said) -> None:
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
        if at < len(sentence) and sentence[at].low in table.infinitives:
            return at
        for place in range(at, min(len(sentence), at + 14)):
            token = sentence[place]
            if token.kind == QUOTE or (token.kind == PUNCT and token.text not in ",،-"):
                return None
            if token.kind == WORD and token.low in table.that:
                if token.low.startswith(("انه", "بانه", "انن", "بانن")):
                    return place
                return place + 1 + self._doubled(sentence, place + 1)
        return None

    def _doubled(self, sentence: list[Token], at: int) -> int:
        """ "pointed to that": two words that open one clause (Arabic)."""
        after = sentence[at].low if at < len(sentence) else ""
        return int(self.table.verb_first and after in ("ان", "بان"))

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
            if said.group == "deny" and at + 1 < len(sentence) and sentence[at].text in "，：":
                at += 1
            return at if sentence[at].kind in (WORD, ASIDE) else None
        ends = table.asked_by.get(said.group)
        if ends is not None:
            first = self._past_time(sentence, at)
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
                one, _ = self.subjects.phrase(sentence, first, len(sentence))
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

    def _past_time(self, sentence: list[Token], at: int) -> int:
        """Over the day between a cue and whom it is put to: "lundi", "el lunes"."""
        table, times = self.table, self.subjects.times
        opens = at < len(sentence) and (
            sentence[at].low in table.articles or sentence[at].low in table.halts
        )
        for place in (at, at + 1)[: 1 + opens]:
            if place < len(sentence) and times.fullmatch(sentence[place].text):
                return place + 1
        return at

    def end(self, sentence: list[Token], found: list[Said]) -> None:
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
            if self.table.shape == "run" and said.group in ("accuse", "find"):
                last = _clause_end(sentence, first, last)
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


def _clause_end(sentence: list[Token], first: int, last: int) -> int:
    """Before a comma behind which somebody goes on, or another answers: no words of the charge."""
    for at in range(first + 1, last - 1):
        if sentence[at].text == "，" and sentence[at + 1].text[:1] in "并该":
            return at
    return last


def _fits(word: str, ends: frozenset[str]) -> bool:
    if word in ends:
        return True
    return any(end.endswith("*") and word.startswith(end[:-1]) and len(word) > 3 for end in ends)
