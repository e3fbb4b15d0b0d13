"""Passages: words found with whose they are, and the drafts they make.

What a draft says beyond its words is decided here: type, whom it addresses, names it is about,
its date, and the notes that say why. Spec: claims.md §3.5 to §3.8.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, structs

from tocsin.reading.brings import Event
from tocsin.reading.charges import Cued, charge_holder, tied_to
from tocsin.reading.draft import Draft
from tocsin.reading.kinds import joint, kind_of
from tocsin.reading.layout import QUOTE, Token, tokens
from tocsin.reading.mentions import mention_at, named
from tocsin.reading.parsed import clear_of
from tocsin.reading.voices import Speaker

_STAND_FOR = frozenset(["it", "they", "he", "she", "we", "i"])  # said it "has never attacked"
_MOST_NAMES = 8
_SHORTEST_ECHO = 20  # code points; "We deny it." may be said by two
MOST_ECHOES = 200
"""Words set apart that are looked for among all others: each is a pass over those, and no report
has so many. Those behind them are read as words that were said."""


class Passage(Struct):
    """A draft in the making: a span, and how it was found."""

    start: int
    end: int
    direct: bool
    event: Event | None
    speaker: Speaker | None
    notes: list[str]
    sentence: tuple[Token, ...] = ()
    context: tuple[Token, ...] = ()  # the sentence's words before the quotation, in its clause
    words: Sequence[Token] | None = None  # its own, where they were cut before
    alone: int | None = None  # the number of the paragraph that holds nothing but this quotation
    block: bool = False  # a block quotation
    paragraph: int = 0

    @property
    def name(self) -> str | None:
        """The speaker's name as printed."""
        return None if self.speaker is None else self.speaker.name


class Drafting:
    """Makes the drafts of one text."""

    def __init__(self, text: str, lang: str | None, names: set[str]) -> None:
        """`names`: those printed anywhere in the text, to know a name at a sentence's beginning."""
        self.text = text
        self.lang = lang
        self.names = names

    def drafts(self, found: list[Passage]) -> list[Draft]:
        """Those of what the rules found, in order; a joint call without addressee has another's."""
        found.sort(key=lambda one: (one.start, one.end))
        found = self._without_echoes(found)
        _between(found)
        made: list[Draft] = []
        calls: set[int] = set()
        for number, one in enumerate(found):
            words = self._words(one)
            made.append(self._draft(one, words))
            if made[-1].claim_type == "call" and joint(words):
                calls.add(number)
        asked = next((made[k].addressee for k in sorted(calls) if made[k].addressee), None)
        if asked is not None:
            for number in calls:
                if made[number].addressee is None:
                    made[number] = _asking(made[number], asked)
        return made

    def with_learned(self, drafts: list[Draft], learned: list[Passage], by: str) -> list[Draft]:
        """The rules' drafts as they are, and of the parser's those that share no word with one."""
        learned.sort(key=lambda one: (one.start, -one.end))
        clear = clear_of(
            [draft.span for draft in drafts], [(one.start, one.end) for one in learned]
        )
        added = [
            structs.replace(self._draft(one, self._words(one)), parser=by)
            for one, free in zip(learned, clear, strict=True)
            if free
        ]
        return sorted([*drafts, *added], key=lambda draft: draft.span)

    def _without_echoes(self, found: list[Passage]) -> list[Passage]:
        """Without the pull quotes: words set apart that repeat what somebody is quoted with."""
        apart = [
            one for one in found if one.speaker is None and (one.block or one.alone is not None)
        ]
        if not apart:
            return found
        said = "\n".join(self._plain(one) for one in found if one.direct and one.speaker)
        echoes = {
            id(one)
            for one in apart[:MOST_ECHOES]
            if len(words := self._plain(one)) >= _SHORTEST_ECHO and words in said
        }
        return [one for one in found if id(one) not in echoes]

    def _plain(self, one: Passage) -> str:
        """Its words without case, and without the marks at their ends."""
        return self.text[one.start : one.end].casefold().strip(" .,;:!?…")

    def _words(self, one: Passage) -> Sequence[Token]:
        return tokens(self.text, one.start, one.end, []) if one.words is None else one.words

    def _draft(self, one: Passage, words: Sequence[Token]) -> Draft:
        subject = one.context[-1:] if one.direct and one.context else ()
        if subject and subject[0].low in _STAND_FOR:
            words = [*subject, *words]  # said it "has never attacked"
        kind = kind_of(words, cued(one.event, one.name, one.direct))
        addressee = kind.addressee
        if addressee is None and kind.claim_type in ("assessment", "position") and one.context:
            addressee = charge_holder(one.context, one.name)
        if addressee is None and kind.claim_type in ("discovery", "reported-accusation"):
            addressee = tied_to(self._flat(one.sentence))
        notes = list(one.notes)
        value = precision = None
        if one.event is not None and one.event.when is not None:
            when = one.event.when
            value, precision = when.value, when.precision
            if value is None:
                notes.append(f"time printed: {when.printed!r}; no day to count from")
            else:
                notes.append(f"date from {when.printed!r}")
        if addressee == one.name:
            addressee = None
        return Draft(
            claim_type=kind.claim_type,
            speaker=one.name,
            speaker_role=None if one.speaker is None else one.speaker.role,
            addressee=addressee,
            about=self._about(words, {one.name, addressee}),
            words=self.text[one.start : one.end],
            span=(one.start, one.end),
            direct=one.direct,
            date=value,
            precision=precision,
            cue=None if one.event is None else one.event.cue,
            confidence_notes=tuple(notes),
            lang=self.lang,
        )

    def _flat(self, sentence: tuple[Token, ...]) -> list[Token]:
        """A sentence with the words of its quotations laid open."""
        flat: list[Token] = []
        for token in sentence:
            if token.kind == QUOTE:
                flat.extend(tokens(self.text, token.start + 1, token.end, []))
            else:
                flat.append(token)
        return flat

    def _about(self, words: Sequence[Token], without: set[str | None]) -> tuple[str, ...]:
        """Other names printed in the words, in order."""
        names: list[str] = []
        at = 0
        while at < len(words) and len(names) < _MOST_NAMES:
            if not named(words[at], at) or not words[at].text[0].isalpha():
                at += 1
                continue
            one = mention_at(words, at)
            if one is None or one.kind != "name" or one.last <= at:
                at += 1
                continue
            # A word that is capital only because it opens a sentence is no name: seen elsewhere?
            if one.name not in without and one.name not in names and (at or one.name in self.names):
                names.append(one.name)
            at = one.last
        return tuple(names)


def cued(event: Event | None, speaker: str | None, direct: bool) -> Cued:
    """What the classifier of types is told of the words' cue."""
    if event is None:
        return Cued(speaker=speaker, direct=direct)
    asked = event.addressee.name if event.addressee is not None else None
    if event.addressee is not None and event.addressee.kind == "pronoun":
        asked = None
    return Cued(event.lemma, event.group, speaker, asked, direct)


def _between(found: list[Passage]) -> None:
    """One bare quotation as a paragraph, between two paragraphs of one speaker: the same."""
    for at in range(1, len(found) - 1):
        one, before, after = found[at], found[at - 1], found[at + 1]
        if one.speaker is not None or one.alone is None or before.speaker is None:
            continue
        if before.name != after.name or not after.direct or after.event is None:
            continue
        if before.paragraph == one.alone - 1 and after.paragraph == one.alone + 1:
            one.speaker = Speaker(before.speaker.name, None, None, before.speaker.person)
            one.notes = ["speaker as in the paragraphs before and after"]


def _asking(draft: Draft, addressee: str) -> Draft:
    note = "addressee as in another joint call of this text"
    return structs.replace(
        draft,
        addressee=addressee,
        about=tuple(name for name in draft.about if name != addressee),
        confidence_notes=(*draft.confidence_notes, note),
    )
