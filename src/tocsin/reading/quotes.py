"""Reading claims from text: rules over quotations and cue verbs; every result is a draft.

Nothing is asserted: a draft holds the exact words with their place (`words == text[start:end]`,
code points), who is printed as saying them, and why the reader thinks so. No speaker found is
`None`, never a guess. The same rules for every party and no list of any. Spec: claims.md §3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from tocsin.reading import cues
from tocsin.reading.bringing import beside, event_of, late, relayed, thing
from tocsin.reading.brings import Event
from tocsin.reading.draft import Draft
from tocsin.reading.events import events
from tocsin.reading.kinds import kind_of
from tocsin.reading.layout import (
    QUOTE,
    WORD,
    Paragraph,
    Quotation,
    Token,
    after_dateline,
    boilerplate,
    paragraphs,
    quotations,
    sentences,
    tokens,
)
from tocsin.reading.mentions import mention
from tocsin.reading.parsed import Parsed, as_event
from tocsin.reading.passages import MOST_ECHOES, Drafting, Passage, cued
from tocsin.reading.spoken import read_spoken
from tocsin.reading.tongues import READ, language_of, tongue
from tocsin.reading.turns import Turn, turns
from tocsin.reading.voices import Speaker, Voices

__all__ = ["Draft", "boilerplate", "read_claims"]

DEEPEST = 2  # quotations inside quotations that are read
SHORTEST = 12  # code points of a quotation that is taken without a cue right beside it
_SIGNED = re.compile(
    r"(?:> )?(?P<dash>—|–|--|-)\s*(?P<name>[^\W\d_][^,.:;()\n]{2,60}?)"
    r"(?:\s*[,(]\s*(?P<office>[^\n.]{2,90}?)\)?)?\.?"
)
_SIGNED_MOST = 170


def read_claims(
    text: str,
    *,
    published: date | None,
    lang: str | None = None,
    skip: Sequence[tuple[int, int]] = (),
    parsed: Parsed | None = None,
) -> list[Draft]:
    """Every claim that the rules find in `text`, in order of its place.

    Args:
        text: the kept text; spans point into it.
        published: the day relative times count from; None leaves them without a value.
        lang: the text's language, where somebody knows it; else the text itself tells. Languages
            with a table (`tongues.READ`) are read by it, any other by the English rules, which
            find its quotations and no more.
        skip: spans not to read, besides the boilerplate that is found here.
        parsed: the same text as a learned parser of English took it apart: what it alone finds is
            added to what the rules find, and changes none of it.
    """
    lang = lang or language_of(text)
    left_out = [*skip, *((start, end) for start, end, _ in boilerplate(text, lang or "en"))]
    found = paragraphs(text, left_out)
    if lang in READ:
        return read_spoken(text, found, tongue(lang), published)
    reader = _Reader(text, published, parsed)
    reader.read(found)
    drafting = Drafting(text, lang, reader.voices.names)
    drafts = drafting.drafts(reader.found)
    return drafts if parsed is None else drafting.with_learned(drafts, reader.learned, parsed.by)


class _Reader:
    def __init__(self, text: str, published: date | None, parsed: Parsed | None) -> None:
        self.text = text
        self.published = published
        self.found: list[Passage] = []
        self.voices = Voices()
        self.number = 0  # of the paragraph being read
        self.carry: tuple[Speaker | None, Event | None] | None = None
        self.beneath: Speaker | None = None  # who signs the quotation in the line under it
        self.echoes = 0  # headings looked for in the rest of the text
        self.folded = ""  # the text without case, place by place, once somebody asks
        self.parsed = parsed
        self.learned: list[Passage] = []  # what the parser alone has found

    # --- paragraphs and sentences ---

    def read(self, all_paragraphs: list[Paragraph]) -> None:
        transcript = turns(self.text, all_paragraphs)
        for number, paragraph in enumerate(all_paragraphs):
            asked = -1
            if paragraph.heading and number:
                self.voices.heading()
                self.carry = None
            if number in transcript and transcript[number].question:
                asked = len(self.found)
            elif number in transcript:
                self._turn(paragraph, transcript[number])
                continue
            self.beneath = self._beneath(all_paragraphs, number)
            block = self.text.startswith("> ", paragraph.start)
            if block and self._signed(paragraph) is not None:
                continue
            if block and self._blocked(paragraph):
                before = all_paragraphs[number - 1] if number else None
                self._block(paragraph, before, number)
                continue
            quotes = quotations(self.text, paragraph.start, paragraph.end)
            start = after_dateline(self.text, paragraph)
            start = start if asked < 0 else transcript[number].start
            words = tokens(self.text, start, paragraph.end, quotes)
            by_start = {quote.start - 1: quote for quote in quotes}
            self.number = number
            self.voices.paragraph()
            carried = self.carry
            self.carry = None
            previous: Speaker | None = None
            if paragraph.heading and number and self._echo(words, quotes):
                continue
            for sentence in sentences(words):
                previous = self._sentence(sentence, by_start, previous, carried)
                carried = None
            if quotes and not quotes[-1].closed and self.found:
                self.carry = (previous, None)
            if asked >= 0:
                self._asked(asked)

    def _beneath(self, all_paragraphs: list[Paragraph], number: int) -> Speaker | None:
        """Whose words stand above the line beneath, where that is a signature."""
        beneath = all_paragraphs[number + 1 : number + 2]
        return self._signed(beneath[0]) if beneath else None

    def _signed(self, paragraph: Paragraph) -> Speaker | None:
        """ "— NAME, office": who signs the quotation above."""
        if paragraph.end - paragraph.start > _SIGNED_MOST:
            return None
        signed = _SIGNED.fullmatch(self.text, paragraph.start, paragraph.end)
        if signed is None or (signed["dash"] == "-" and not signed["office"]):
            return None  # a list's own mark, too
        words = tokens(signed["name"], 0, len(signed["name"]), [])
        one = mention(words, 0, len(words))
        if one is None or one.kind != "name":
            return None
        return Speaker(one.name, signed["office"] or one.role, one.gender, True)

    def _asked(self, first: int) -> None:
        """What a question says that others said; the words of who asks are nobody's claims."""
        told = [
            one
            for one in self.found[first:]
            if not one.direct and one.sentence and one.sentence[-1].text != "?"
        ]
        for one in told:
            one.notes.append("told in a question")
        self.found[first:] = told

    def _echo(self, words: list[Token], quotes: list[Quotation]) -> bool:
        """A heading that only repeats words quoted further on."""
        if len(quotes) != 1 or any(token.kind == WORD for token in words):
            return False
        self.echoes += 1
        if self.echoes > MOST_ECHOES:
            return False
        if not self.folded:
            self.folded = _folded(self.text)
        quote = quotes[0]
        return self.folded.find(self.folded[quote.start : quote.end], quote.end) >= 0

    def _sentence(
        self,
        sentence: list[Token],
        quotes: dict[int, Quotation],
        previous: Speaker | None,
        carried: tuple[Speaker | None, Event | None] | None,
    ) -> Speaker | None:
        """Read one sentence; gives the speaker its quotations had, for the next one."""
        self.voices.learn(sentence)
        self.voices.turn_to(sentence)
        found = events(sentence, self.published)
        speakers: list[tuple[Speaker | None, list[str]]] = []
        for event in found:
            resolved = self.voices.resolve(event)
            speakers.append(resolved)
            if event.subject is not None and event.subject.person:
                self.voices.remember(event.subject, event.role)
            if resolved[0] is not None and not event.embedded:
                self.voices.heard(resolved[0])
        taken: set[int] = set()
        spoke: Speaker | None = None
        places = [at for at, token in enumerate(sentence) if token.kind == QUOTE]
        bare = not any(token.kind == WORD for token in sentence)
        trailing: int | None = None
        for at in places:
            quote = quotes[sentence[at].start]
            index = event_of(sentence, at, found, trailing)
            notes: list[str] = []
            speaker: Speaker | None = None
            cue: Event | None = None
            if index is not None:
                cue = found[index]
                speaker, why = speakers[index]
                notes.extend(why)
                if cue.negated:
                    speaker, cue = None, None
                elif cue.trailing or cue.inverted or cue.at > at:
                    trailing = index
            elif bare and self.beneath is not None:
                speaker = self.beneath
                notes.append("speaker from the line beneath")
            elif bare and previous is not None:
                speaker = Speaker(previous.name, None, previous.gender, previous.person)
                notes.append("speaker as in the sentence before")
            elif at and sentence[at - 1].text == ":" and self.voices.before_colon(sentence, at):
                speaker = self.voices.before_colon(sentence, at)
                notes.append("speaker from whom the words before the colon are about")
            elif carried is not None and carried[0] is not None and at == places[0]:
                speaker = carried[0]
                notes.append("speaker as in the paragraph before, whose quotation goes on")
            length = quote.end - quote.start
            near = cue is not None and beside(sentence, at, cue)
            if length < SHORTEST and not near:
                continue
            if not near and (cue is None or cue.at < at) and thing(sentence, at, bare):
                continue
            if not any(char.isalnum() for char in sentence[at].text):
                continue
            if not quote.closed:
                notes.append("quotation not closed: read to the end of its paragraph")
            if speaker is None:
                notes.append("no speaker given for these words")
            else:
                spoke = speaker
            if cue is not None and index is not None:
                taken.add(index)
            self._keep_quote(sentence, at=at, quote=quote, event=cue, speaker=speaker, notes=notes)
        chains = relayed(found)
        for index, event in enumerate(found):
            speaker, why = speakers[index]
            teller = chains.get(index)
            if index in chains.values() and index not in taken:
                continue  # it only says that somebody else said it
            if teller is not None:
                teller_name = speakers[teller][0]
                whose = "somebody" if teller_name is None else teller_name.name
                why = [*why, f"told by {whose}, whose words these are not"]
                event.embedded = False
            if index in taken:
                self._keep_before(sentence, event, speaker, why)
            elif not event.negated and not event.embedded:
                self._keep_clause(sentence, event, speaker, why)
        if self.parsed is not None:
            self._keep_parsed(sentence, self.parsed)
        return spoke or (previous if bare else None)

    # --- what ---

    def _keep_quote(
        self,
        sentence: list[Token],
        *,
        at: int,
        quote: Quotation,
        event: Event | None,
        speaker: Speaker | None,
        notes: list[str],
    ) -> None:
        begin = 0
        if event is not None and event.content is not None and event.content[0] <= at:
            begin = event.content[0]
        context = tuple(sentence[begin:at])
        undated = late(sentence, at, event, self.published)
        self._keep_inner(quote.start, quote.end, speaker, DEEPEST)
        pieces = self._pieces(quote.start, quote.end, event, speaker)
        for number, (start, end, words) in enumerate(pieces):
            self.found.append(
                Passage(
                    start=start,
                    end=end,
                    direct=True,
                    event=event,
                    speaker=speaker,
                    notes=[*notes, *undated],
                    context=context if number == 0 else (),
                    sentence=tuple(sentence),
                    words=words,
                    alone=self.number if len(sentence) == 1 else None,
                    paragraph=self.number,
                )
            )

    def _keep_inner(self, start: int, end: int, outer: Speaker | None, depth: int) -> None:
        """Quotations inside a quotation: each is somebody's words too, as told by another."""
        inner = quotations(self.text, start, end)
        if not inner or not depth:
            return
        whose = "somebody" if outer is None else outer.name
        by_start = {quote.start - 1: quote for quote in inner}
        for sentence in sentences(tokens(self.text, start, end, inner)):
            found = events(sentence, self.published)
            for at, token in enumerate(sentence):
                if token.kind != QUOTE:
                    continue
                quote = by_start[token.start]
                first, last = self._trim(quote.start, quote.end)
                index = event_of(sentence, at, found, None)
                cue = None if index is None else found[index]
                if last - first < SHORTEST or (cue is None and thing(sentence, at, False)):
                    continue
                speaker, notes = self._teller(cue, outer)
                notes.append(f"quoted inside the words of {whose}")
                if speaker is None:
                    notes.append("no speaker given for these words")
                self.found.append(
                    Passage(
                        start=first,
                        end=last,
                        direct=True,
                        event=None if speaker is None else cue,
                        speaker=speaker,
                        notes=notes,
                        sentence=tuple(sentence),
                        paragraph=self.number,
                    )
                )
                self._keep_inner(quote.start, quote.end, speaker, depth - 1)

    def _teller(self, cue: Event | None, outer: Speaker | None) -> tuple[Speaker | None, list[str]]:
        """Whose words a quotation inside another is: "I" is who speaks there, "he" is unknown."""
        if cue is None or cue.negated or cue.subject is None:
            return None, []
        one = cue.subject
        if one.kind == "author" or one.name.lower() == "i":
            return outer, ["'I' is whoever speaks there"] if outer is not None else []
        if one.kind == "pronoun":
            return None, [f"{one.name!r} may be anybody"]
        return self.voices.resolve(cue)

    def _pieces(
        self, start: int, end: int, event: Event | None, speaker: Speaker | None
    ) -> list[tuple[int, int, list[Token]]]:
        """A quotation's claims: cut at the sentence, plain assessments in a row kept together."""
        start, end = self._trim(start, end)
        inner = sentences(tokens(self.text, start, end, []))
        cue = cued(event, None if speaker is None else speaker.name, True)
        pieces: list[tuple[int, int, list[Token]]] = []
        kinds: list[str] = []
        for part in inner:
            first, last = part[0].start, part[-1].end
            kind = kind_of(part, cue).claim_type
            brief = len(pieces) == 1 and pieces[0][1] - pieces[0][0] < SHORTEST  # "Yes."
            if brief or (pieces and (kinds[-1] == kind == "assessment" or last - first < SHORTEST)):
                kinds[-1] = kind if brief else kinds[-1]
                pieces[-1][2].extend(part)
                pieces[-1] = (pieces[-1][0], last, pieces[-1][2])
                continue
            pieces.append((first, last, part))
            kinds.append(kind)
        if pieces:
            pieces[0] = (start, *pieces[0][1:])
            pieces[-1] = (pieces[-1][0], end, pieces[-1][2])
        return pieces

    def _trim(self, start: int, end: int) -> tuple[int, int]:
        text = self.text
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
        if end > start and text[end - 1] in ",，、":
            end -= 1
        return start, end

    def _keep_before(
        self, sentence: list[Token], event: Event, speaker: Speaker | None, why: list[str]
    ) -> None:
        """A long clause before a quotation says something of its own."""
        if event.content is None or event.embedded or event.group in ("label", "find", "noun"):
            return
        first = event.content[0]
        stop = next(
            (at for at in range(first, event.content[1]) if sentence[at].kind == QUOTE), first
        )
        if stop - first >= 8 and event.group in ("say", "note", "tell", "warn"):
            before = Event(event.at, event.after, event.lemma, event.group, event.cue, event.first)
            before.subject, before.content = event.subject, (first, stop)
            before.when, before.addressee = event.when, event.addressee
            self._keep_clause(sentence, before, speaker, why)

    def _keep_clause(
        self, sentence: list[Token], event: Event, speaker: Speaker | None, why: list[str]
    ) -> None:
        if event.content is None or event.loose or event.group in ("label", "noun", "colon"):
            return
        author = event.subject is not None and event.subject.kind == "author"
        if speaker is None and not author and not (event.passive and event.group == "accuse"):
            return
        first, last = event.content
        if event.group == "accuse":  # "accused NAME of THING: Q," where another cue brings Q
            last = next((k for k in range(first, last) if sentence[k].text == ":"), last)
        second = _and_that(sentence, first, last)
        if second and event.group in ("say", "note", "tell", "warn", "deny"):
            more = Event(event.at, event.after, event.lemma, event.group, event.cue, event.first)
            more.subject, more.content, more.when = event.subject, (second, last), event.when
            more.addressee = event.addressee
            self._keep_clause(sentence, more, speaker, why)
            last = second - 1
        while (
            last > first
            and sentence[last - 1].kind != QUOTE
            and (
                sentence[last - 1].text in ",;:—–-.!?…"
                or sentence[last - 1].low in ("and", "but")
                or (sentence[last - 1].low == "that" and sentence[last - 2].low in ("and", "but"))
            )
        ):
            last -= 1
        if event.trailing and _is_whole_quote(sentence, first, last):
            return
        if last <= first or sum(token.kind == WORD for token in sentence[first:last]) < 1:
            return
        quoted = [token for token in sentence[first:last] if token.kind == QUOTE]
        if any(token.end - token.start - 2 >= SHORTEST for token in quoted):
            return
        notes = list(why)
        if speaker is None:
            notes.append("no speaker given for these words")
        self.found.append(
            Passage(
                start=sentence[first].start,
                end=sentence[last - 1].end,
                direct=False,
                event=event,
                speaker=speaker,
                notes=notes,
                sentence=tuple(sentence),
                words=None if quoted else sentence[first:last],
                paragraph=self.number,
            )
        )

    def _keep_parsed(self, sentence: list[Token], parsed: Parsed) -> None:
        for one in parsed.within(sentence):
            event = as_event(sentence, one, self.published)
            speaker, why = self.voices.resolve(event) if event is not None else (None, [])
            if speaker is None:
                continue
            notes = [*why, f"found by a learned parser: {parsed.by}"]
            if one.around:
                notes.append("who said them stands in the middle of these words")
            self.learned.append(
                Passage(
                    start=one.words[0],
                    end=one.words[1],
                    direct=False,
                    event=event,
                    speaker=speaker,
                    notes=notes,
                    sentence=tuple(sentence),
                    paragraph=self.number,
                )
            )

    # --- words without marks ---

    def _blocked(self, paragraph: Paragraph) -> bool:
        """No: `> "Words," said NAME` has marks of its own, and is read as any paragraph."""
        quotes = quotations(self.text, paragraph.start + 2, paragraph.end)
        return not quotes or quotes[0].end + 2 > paragraph.end

    def _block(self, paragraph: Paragraph, before: Paragraph | None, number: int) -> None:
        """Markdown's "> words": quoted, by whoever spoke last if a colon leads over to them."""
        opened = before is not None and self.text.endswith(":", before.start, before.end)
        led = opened and bool(self.voices.recent) and self.number == number - 1
        speaker = self.voices.recent[-1] if led else None
        start, end = paragraph.start + 2, paragraph.end
        quotes = quotations(self.text, start, end)
        notes = ["a block quotation: words without quotation marks"]
        if quotes and quotes[0].start == start + 1 and quotes[0].end + 1 >= end:
            start, end = quotes[0].start, quotes[0].end
            notes = ["a block quotation"]
        if self.beneath is not None:
            speaker = self.beneath
            notes.append("speaker from the line beneath")
        elif speaker is None:
            notes.append("no speaker given for these words")
        else:
            notes.append("speaker from the sentence that leads over to it")
        self._keep_plain(start, end, speaker, notes, block=True)

    def _turn(self, paragraph: Paragraph, turn: Turn) -> None:
        """ "NAME: words": a transcript gives the very words without marks."""
        start, end = self._trim(turn.start, paragraph.end)
        if end - start < SHORTEST:
            return
        speaker: Speaker | None = None
        if turn.name is not None:
            words = tokens(turn.name, 0, len(turn.name), [])
            one = mention(words, 0, len(words))
            known = self.voices.people.get(turn.name)
            label = one.name if one is not None else turn.name
            role = turn.role or (one.role if one is not None else None)
            speaker = known or Speaker(label, role, None, True)
        notes = ["a turn of a transcript: words without quotation marks"]
        if turn.note is not None:
            notes.append(turn.note)
        if turn.interpreted:
            notes.append("said through an interpreter: a translation's words")
        if speaker is None:
            notes.append("no speaker given for these words")
        self._keep_inner(start, end, speaker, DEEPEST)
        self._keep_plain(start, end, speaker, notes)

    def _keep_plain(
        self,
        start: int,
        end: int,
        speaker: Speaker | None,
        notes: list[str],
        *,
        block: bool = False,
    ) -> None:
        for first, last, words in self._pieces(start, end, None, speaker):
            self.found.append(
                Passage(
                    start=first,
                    end=last,
                    direct=True,
                    event=None,
                    speaker=speaker,
                    notes=list(notes),
                    words=words,
                    block=block,
                )
            )


def _folded(text: str) -> str:
    """The text without case, as long as it is: what folds to several characters stays."""
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join(low if len(low := char.casefold()) == 1 else char for char in text)


def _and_that(sentence: Sequence[Token], first: int, last: int) -> int:
    """Where "said that A and that B" brings B; 0 where it brings one clause only."""
    if sentence[first - 1].low != "that":
        return 0
    for at in range(first + 3, last - 3):
        joins = sentence[at - 1].low in ("and", "but") and sentence[at].low == "that"
        if joins and (sentence[at + 1].low not in cues.AUXILIARIES):
            return at + 1
    return 0


def _is_whole_quote(sentence: list[Token], first: int, last: int) -> bool:
    return all(token.kind != WORD for token in sentence[first:last])
