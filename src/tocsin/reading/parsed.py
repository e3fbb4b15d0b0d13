"""Words told without marks, found by how a learned parser takes a sentence apart.

The rules (`events.py`) find a cue's words by what stands beside it; a parser also finds them over a
longer way: "X, who had seen the letter when it came in March, said it was forged". Which verbs are
cues stays with the table (`cues.py`): the parser only says what hangs on what. It is handed in,
knows nothing of claims, and what it finds is added to what the rules find and changes none of it.

What is parsed is hostile text, and a parser other people's software: both are bounded here.
Spec: claims.md §3.10.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple, Protocol

from msgspec import Struct

from tocsin.reading import cues
from tocsin.reading.brings import Event
from tocsin.reading.dates import When, when_at
from tocsin.reading.layout import WORD, Token, after_dateline, boilerplate, paragraphs
from tocsin.reading.mentions import Mention, apposition, joined, mention

LANGUAGE = "en"
"""What the table of cues is of: a parser of another language has nothing to go by."""
RULES = "none"
"""The name that stands for no parser."""
MOST = 200_000
"""Code points of one text that are parsed: some ten seconds of a small model."""
PIECE = 10_000
"""Code points that are parsed at once: what a model holds in memory grows with them."""
LONGEST = 600
"""Words of a sentence that is looked at; none that a person wrote is longer."""
_LONGEST_NAME = 30  # words of a speaker
_HOPS = 8  # verbs over which a subject or a doubt reaches
_NEAR = 6  # tokens beside a cue where its time may stand

_GROUPS = frozenset(["say", "note", "tell", "warn", "demand", "accuse", "deny", "vow", "point"])
_SUBJECTS = frozenset(["nsubj", "csubj"])
_PASSIVE = frozenset(["nsubjpass", "nsubj:pass", "csubjpass"])
_ADDRESSED = frozenset(["dobj", "obj", "dative", "iobj"])
_CLAUSES = frozenset(["ccomp", "xcomp"])
_AUXILIARY = frozenset(["aux", "auxpass", "aux:pass", "cop"])
_TO_DO = frozenset(["demand", "vow", "warn", "say", "note"])
_VERBS = frozenset(["VERB", "AUX", ""])
_BESIDE_NAME = frozenset(["relcl", "acl:relcl", "acl", "appos", "advcl", "parataxis", "punct"])
_NEGATION = frozenset(["neg"])
_HEDGES = cues.NEGATIONS | cues.MODALS | cues.words("if unless whether until")
_GOES_ON = cues.words("went go goes going continued continues continue proceeded came come")
_ALSO_OF_THINGS = cues.words("show find signal imply suggest indicate mention mean fear hope")
_SPEAKS = cues.SPEAKING | cues.ROLES | cues.DOCUMENTS | cues.SPEECH_NOUNS | cues.PRONOUNS
_RELATIVE = cues.words("who which that")
_OPENS = cues.words("that and but , : ; – — - . … ( )")
_LEFT_OPEN = frozenset(["“", "‘", "'", "«"])
_CLOSES = frozenset([",", ";", ":", ".", "!", "?", "…", "–", "—", "-", "("])


class Word(NamedTuple):
    """A word of a parsed sentence. start, end: code points of the text that was parsed.

    head: the index of the word it hangs on, in its sentence; its own where it hangs on none.
    dep: how it hangs on it, and pos: its word class, by the names that English models of spaCy and
    Universal Dependencies have in common; "" where the parser does not say.
    """

    start: int
    end: int
    head: int
    dep: str
    pos: str = ""


class Parser(Protocol):
    """A learned model that takes sentences apart, as it was installed."""

    @property
    def name(self) -> str:
        """What it is called and its version, as a reader could install it: "NAME 3.8.0"."""
        ...

    @property
    def lang(self) -> str:
        """The language it was made for, as ISO 639-1."""
        ...

    def parse(self, texts: Sequence[str]) -> list[list[list[Word]]]:
        """The sentences of each text; all of them have at most `PIECE` code points together.

        May raise anything: then each is given once more, by itself.
        """
        ...


class Unread(NamedTuple):
    """A stretch that was not parsed, half-open, and why; the rules have read it."""

    start: int
    end: int
    note: str


class Noun(NamedTuple):
    """A noun with what belongs to it, and where the noun itself begins; code points."""

    start: int
    end: int
    head: int


class Attribution(NamedTuple):
    """One cue with the words it brings; all places are code points of the text, half-open."""

    cue: tuple[int, int]
    lemma: str
    group: str
    words: tuple[int, int]
    speaker: Noun
    addressee: Noun | None
    passive: bool
    around: bool
    """The cue stands in the middle of its words, which hold it: "The relay, NAME said, failed"."""


class Parsed(Struct, frozen=True):
    """What a parser gave of one text: its name, and attributions in order of their cues."""

    by: str
    attributions: list[Attribution]
    unread: list[Unread]

    def within(self, sentence: Sequence[Token]) -> list[Attribution]:
        """Those whose cue stands in this sentence."""
        first = bisect_left(self.attributions, sentence[0].start, key=_cue)
        return self.attributions[first : bisect_left(self.attributions, sentence[-1].end, key=_cue)]


def _cue(one: Attribution) -> int:
    return one.cue[0]


def parse(text: str, parser: Parser, *, skip: Sequence[tuple[int, int]] = ()) -> Parsed:
    """Everything in a text that hangs on a cue as what somebody says.

    Args:
        skip: spans not to parse, besides the outlet's own lists.
    """
    left_out = [*skip, *((start, end) for start, end, _ in boilerplate(text, LANGUAGE))]
    parsed = Parsed(parser.name, [], [])
    budget = MOST
    pieces: list[tuple[int, int]] = []
    found = paragraphs(text, left_out)
    for paragraph in found:
        start = after_dateline(text, paragraph)
        if budget < paragraph.end - start:
            rest = f"only {MOST} characters of a text are parsed: the rest is read by the rules"
            parsed.unread.append(Unread(start, found[-1].end, rest))
            break
        budget -= paragraph.end - start
        while start < paragraph.end:
            end = _piece(text, start, paragraph.end)
            pieces.append((start, end))
            start = end
    for batch in _batches(pieces):
        _parse_batch(text, batch, parser, parsed)
    parsed.attributions.sort(key=lambda one: (one.cue, one.words))
    parsed.unread.sort()
    return parsed


def _piece(text: str, start: int, end: int) -> int:
    """Where a piece ends that is short enough: with a sentence, else with a word."""
    if end - start <= PIECE:
        return end
    for mark in (". ", " "):
        cut = text.rfind(mark, start + PIECE // 2, start + PIECE)
        if cut >= 0:
            return cut + len(mark)
    return start + PIECE


def _batches(pieces: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Pieces that go to the parser together: a model takes half the time for them."""
    batch: list[tuple[int, int]] = []
    length = 0
    for start, end in pieces:
        if batch and length + end - start > PIECE:
            yield batch
            batch, length = [], 0
        batch.append((start, end))
        length += end - start
    if batch:
        yield batch


def _parse_batch(
    text: str, batch: Sequence[tuple[int, int]], parser: Parser, parsed: Parsed
) -> None:
    try:
        given = parser.parse([text[start:end] for start, end in batch])
        taken = list(zip(batch, given, strict=True))
    except Exception as wrong:  # another's software on hostile words: nothing else is lost by it
        if len(batch) == 1:
            note = f"{parser.name} failed on these words ({type(wrong).__name__})"
            parsed.unread.append(Unread(*batch[0], note))
        else:
            for piece in batch:
                _parse_batch(text, [piece], parser, parsed)
        return
    for (start, _), sentences in taken:
        _take(text, start, sentences, parsed)


def _take(text: str, start: int, sentences: Sequence[Sequence[Word]], parsed: Parsed) -> None:
    for words in sentences:
        if len(words) > LONGEST:
            note = f"a sentence of {len(words)} words: not looked at as parsed"
            parsed.unread.append(Unread(start + words[0].start, start + words[-1].end, note))
            continue
        tree = _Tree(text, start, words)
        parsed.attributions.extend(tree.attributions())


def _heads(words: Sequence[Word]) -> list[int | None]:
    """What each word hangs on. Where words hang on each other in a ring, one of them is let go."""
    heads = [
        word.head if word.head != n and 0 <= word.head < len(words) else None
        for n, word in enumerate(words)
    ]
    walked = [-1] * len(words)
    for n in range(len(words)):
        at = n
        while walked[at] < 0:
            walked[at] = n
            head = heads[at]
            if head is None:
                break
            if walked[head] == n:
                heads[at] = None
                break
            at = head
    return heads


class _Tree:
    """A parsed sentence: who hangs on whom, and how far each word's branch reaches."""

    def __init__(self, text: str, offset: int, words: Sequence[Word]) -> None:
        self.words = words
        self.offset = offset
        self.printed = [text[offset + w.start : offset + w.end] for w in words]
        self.low = [printed.lower() for printed in self.printed]
        self.children: list[list[int]] = [[] for _ in words]
        self.heads = _heads(words)
        roots: list[int] = []
        for n, head in enumerate(self.heads):
            (roots if head is None else self.children[head]).append(n)
        self.first = list(range(len(words)))
        self.last = list(range(len(words)))
        order = roots
        for n in order:  # grows while it is walked
            order.extend(self.children[n])
        for n in reversed(order):
            for child in self.children[n]:
                self.first[n] = min(self.first[n], self.first[child])
                self.last[n] = max(self.last[n], self.last[child])

    # --- looking ---

    def child(self, n: int, deps: frozenset[str]) -> int | None:
        return next((c for c in self.children[n] if self.words[c].dep in deps), None)

    def has(self, n: int, low: frozenset[str]) -> bool:
        return any(self.low[c] in low for c in self.children[n])

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Code points from word `first` to word `last`, both counted."""
        return self.offset + self.words[first].start, self.offset + self.words[last].end

    # --- attributions ---

    def attributions(self) -> list[Attribution]:
        found: list[Attribution] = []
        for n, low in enumerate(self.low):
            if low == "according" and n + 1 < len(self.low) and self.low[n + 1] == "to":
                one = self._according(n)
            elif low in cues.CUES and self.words[n].pos in _VERBS:
                one = self._verb(n)
            else:
                continue
            if one is not None:
                found.append(one)
        outer: list[Attribution] = []
        for one in sorted(found, key=lambda a: (a.words[0], -a.words[1])):
            # What somebody says another said is that one's word for it: the outer one is kept.
            if not outer or one.words[0] >= outer[-1].words[1]:
                outer.append(one)
        return outer

    def _verb(self, n: int) -> Attribution | None:
        cue = cues.CUES[self.low[n]]
        lemma, group = cue.lemma, cue.group
        if group not in _GROUPS or self._hedged(n):
            return None
        clause = self._clause(n, group)
        if clause is None:
            return None
        passive = self.child(n, _PASSIVE) is not None
        speaker = self._agent(n) if passive else self._subject(n)
        if speaker is None:
            return None
        who = self._name(speaker)
        words = self._words(clause, self.first[n], self.last[n], n)
        if who is None or words is None:
            return None
        asked = None
        if group in ("demand", "accuse", "warn"):
            other = self.child(n, _PASSIVE if passive else _ADDRESSED)
            if other is None and not passive:
                other = self.child(clause, _SUBJECTS) if group == "demand" else None
            asked = None if other is None else self._name(other)
        return Attribution(self.span(n, n), lemma, group, words[0], who, asked, passive, words[1])

    def _hedged(self, n: int) -> bool:
        """Not said, or not known to be: "did not say", "may claim", "declined to say"."""
        for _ in range(_HOPS):
            if self.child(n, _NEGATION) is not None or self.has(n, _HEDGES):
                return True
            head, dep = self.heads[n], self.words[n].dep
            if head is None or not (dep == "xcomp" or (dep == "conj" and self._no_subject(n))):
                return False
            if dep == "xcomp" and self.low[head] not in _GOES_ON:
                return True
            n = head
        return True

    def _no_subject(self, n: int) -> bool:
        return self.child(n, _SUBJECTS | _PASSIVE) is None

    def _clause(self, n: int, group: str) -> int | None:
        """The head of the words told: a clause of its own, or "to do" behind a demand or a vow."""
        for c in self.children[n]:
            word = self.words[c]
            if word.dep not in _CLAUSES:
                continue
            to = any(self.low[k] == "to" and k < c for k in self.children[c])
            if word.dep == "xcomp" and not (to and group in _TO_DO):
                continue
            if word.dep == "ccomp" and self._without_verb(c):
                continue
            return c
        if self.words[n].dep == "parataxis":  # "The relay, NAME said, failed"
            head = self.heads[n]
            if head is not None and self.words[head].pos in _VERBS:
                return head
        if group == "accuse":
            of = next((c for c in self.children[n] if self.low[c] in ("of", "for")), None)
            if of is not None:
                return next((c for c in self.children[of] if self.words[c].dep == "pcomp"), None)
        return None

    def _without_verb(self, n: int) -> bool:
        """ "Show her pulling away": what is shown is a thing seen, no words told."""
        bare = not any(self.words[c].dep in _AUXILIARY for c in self.children[n])
        return bare and self.low[n].endswith("ing") and self.words[n].pos != "NOUN"

    def _agent(self, n: int) -> int | None:
        """Who does what is done: "was accused by NAME"."""
        for c in self.children[n]:
            if self.words[c].dep == "agent":
                return next(iter(self.children[c]), None)
            if self.words[c].dep in ("obl:agent", "obl") and self.has(c, frozenset(["by"])):
                return c
        return None

    def _subject(self, n: int) -> int | None:
        """Who does it, over "and said", "went on to say", "saying that" and "who said"."""
        for _ in range(_HOPS):
            own = self.child(n, _SUBJECTS)
            if own is not None:
                if self.low[own] in _RELATIVE:
                    return self.heads[n] if self.words[n].dep in ("relcl", "acl:relcl") else None
                return own
            passive = self.child(n, _PASSIVE)
            if passive is not None:
                return passive
            head = self.heads[n]
            if head is None or self.words[n].dep not in ("conj", "xcomp", "advcl", "acl"):
                return None
            if self.words[n].dep == "acl":
                return head if self.low[n].endswith("ing") else None
            if self.words[n].dep == "advcl" and not self.low[n].endswith("ing"):
                return None
            n = head
        return None

    def _name(self, n: int) -> Noun | None:
        """A noun with what belongs to it, without clauses about it: "the head of the agency"."""
        first, last = self.first[n], n
        for c in self.children[n]:
            if c < n:
                if self.words[c].dep in _BESIDE_NAME:
                    first = max(first, self.last[c] + 1)
            elif self.words[c].dep in _BESIDE_NAME or self.first[c] > last + 1:
                break
            else:
                last = self._reach(c)
        if last - first >= _LONGEST_NAME:
            return None
        start, end = self.span(first, last)
        return Noun(start, end, self.offset + self.words[n].start)

    def _reach(self, n: int) -> int:
        """How far a branch of a name reaches before a clause or an aside begins in it."""
        last, todo = n, [n]
        while todo:
            for c in self.children[todo.pop()]:
                if c > n:
                    if self.words[c].dep in _BESIDE_NAME:
                        break
                    last = max(last, c)
                    todo.append(c)
        return last

    def _words(
        self, clause: int, first: int, last: int, cue: int
    ) -> tuple[tuple[int, int], bool] | None:
        """The words told, trimmed, and whether the cue stands in their middle."""
        start, end = self.first[clause], self.last[clause]
        that = next((c for c in self.children[clause] if self.low[c] == "that" and c < clause), -1)
        if that >= 0 and self.words[that].dep == "mark":
            start = that + 1  # what stands before it tells of the saying: "said, when asked, that"
        around = False
        if start <= cue <= end:
            own = self.child(cue, _SUBJECTS | _PASSIVE)
            begins = cue if own is None else min(cue, self.first[own])
            stops = max(cue, self.last[own] if own is not None else cue)
            while stops < end and self.low[stops + 1] not in _CLOSES:
                stops += 1
            if all(low in _OPENS for low in self.low[start:begins]):
                start = stops + 1
            elif all(low in _CLOSES for low in self.low[stops + 1 : end + 1]):
                end = begins - 1
            else:
                around = True
        return self._trimmed(start, end, around)

    def _trimmed(self, start: int, end: int, around: bool) -> tuple[tuple[int, int], bool] | None:
        """Without what opens and closes them. None: no word is left, or a quotation is cut."""
        while start <= end and self.low[start] in _OPENS:
            start += 1
        while end > start and (self.low[end] in _CLOSES or not self.printed[end].strip()):
            end -= 1
        if not any(c.isalnum() for word in self.printed[start : end + 1] for c in word):
            return None
        marks = "".join(self.printed[start : end + 1])
        if marks.count('"') % 2 or marks.count("“") != marks.count("”"):
            return None
        return None if self.low[end] in _LEFT_OPEN else (self.span(start, end), around)

    def _according(self, n: int) -> Attribution | None:
        """ "CLAUSE, according to NAME" and "According to NAME, CLAUSE"."""
        source = self._source(n)
        head = self.heads[n]
        while head is not None and self.words[head].pos not in _VERBS:
            head = self.heads[head]
        if source is None or head is None:
            return None
        who = self._name(source)
        first, last = self.first[n], max(self.last[n], self.last[source])
        start, end = self.first[head], self.last[head]
        around = False
        if all(low in _OPENS for low in self.low[start:first]):
            start = last + 1
        elif all(low in _CLOSES for low in self.low[last + 1 : end + 1]):
            end = first - 1
        else:
            around = True
        words = self._trimmed(start, end, around)
        if who is None or words is None:
            return None
        cue = self.span(n, n + 1)
        return Attribution(cue, "according to", "source", words[0], who, None, False, words[1])

    def _source(self, n: int) -> int | None:
        for c in (n, n + 1):
            for child in self.children[c]:
                if child > n + 1 and self.words[child].dep in ("pobj", "obl", "nmod", "obj"):
                    return child
        head = self.heads[n]  # Universal Dependencies: the source is the head of "according"
        return head if head is not None and head > n and self.words[n].dep == "case" else None


def clear_of(taken: Sequence[tuple[int, int]], wanted: Sequence[tuple[int, int]]) -> list[bool]:
    """For each stretch wanted: no place of it is taken, nor wanted by one before it.

    Those wanted come in order of their places, those taken in any, and may lie in each other.
    """
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted(taken):
        if ends and start < ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    clear: list[bool] = []
    reached = 0
    for start, end in wanted:
        before = bisect_left(starts, end) - 1
        free = start >= reached and (before < 0 or ends[before] <= start)
        clear.append(free)
        reached = max(reached, end) if free else reached
    return clear


# --- into the room's own terms ------------------------------------------------------------------


def as_event(sentence: Sequence[Token], one: Attribution, published: date | None) -> Event | None:
    """The attribution as the rules speak of one, with its subject as printed; None if nobody is.

    Args:
        sentence: the tokens that the cue stands among.
        published: the day relative times count from.
    """
    subject = _mention(sentence, one.speaker)
    at = _at(sentence, one.cue[0])
    if subject is None or at is None or subject.kind == "author":
        return None
    if one.lemma in _ALSO_OF_THINGS and subject.kind != "name":
        head = _at(sentence, one.speaker.head)
        if head is None or sentence[head].low not in _SPEAKS:
            return None  # "the list signals that": it says nothing
    printed = sentence[at].text if one.group != "source" else "according to"
    event = Event(at, at + 1, one.lemma, one.group, printed, subject.first)
    event.subject = subject
    event.when = _when(sentence, at, one, published)
    event.passive = one.passive
    if subject.last < len(sentence) and sentence[subject.last].text == ",":
        event.role, _ = apposition(sentence, subject.last)
    if one.addressee is not None:
        event.addressee = _mention(sentence, one.addressee)
    return event


def _when(
    sentence: Sequence[Token], at: int, one: Attribution, published: date | None
) -> When | None:
    """The time printed close beside a cue and outside the words: "said on Wednesday that"."""
    for n in range(max(0, at - _NEAR), min(len(sentence), at + _NEAR)):
        start = sentence[n].start
        if not one.words[0] <= start < one.words[1]:
            found = when_at(sentence, n, published)
            if found is not None:
                return found
    return None


def _at(sentence: Sequence[Token], start: int) -> int | None:
    """The token that covers a code point."""
    return next((n for n, token in enumerate(sentence) if token.start <= start < token.end), None)


def _mention(sentence: Sequence[Token], noun: Noun) -> Mention | None:
    """Who is meant by a noun, as the rules read one; one their tables lack is taken as printed."""
    inside = [n for n, t in enumerate(sentence) if t.start < noun.end and t.end > noun.start]
    if not inside or sentence[inside[0]].kind != WORD:
        return None
    first, last = inside[0], inside[-1] + 1
    found = mention(sentence, first, last, loose=True)
    if found is not None and found.start <= noun.head < found.end:
        return found
    words = sentence[first:last]
    while words and words[0].low in cues.ARTICLES:
        words = words[1:]
    if not words or words[0].kind != WORD or words[0].low in cues.NARRATOR_FREE | cues.FIRST:
        return None
    start, end = words[0].start, words[-1].end
    return Mention(joined(words), None, "common", first, last, start, end, None, False)
