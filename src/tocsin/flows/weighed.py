"""Weighed claims as pages and programs show them: rows, positions, grounds, steps, in plain words.

Values only: `weigh`, `positions`, `grounds` and `matrix` make them. Spec: claims.md §2.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from tocsin.flows.beside import Differing, Sightings
from tocsin.policy import Tlp

LEVEL_WORDS: Mapping[str, str] = {
    "none-shown": "no grounds shown here",
    "links-missing": "some links show none",
    "indicative": "indicative grounds",
    "one-root": "one root",
    "independent-roots": "independent roots",
    "withdrawn": "withdrawn by its speaker",
    "superseded": "superseded by a newer claim",
}
LINK_QUESTIONS: Mapping[str, str] = {
    "activity": "it happened, to whom",
    "actor": "this activity belongs to this group",
    "sponsor": "that group acts for, or is, this organisation",
    "statement": "these words were said, by whom",
}
REASON_WORDS: Mapping[str, str] = {
    "dropped-by-owner": "disowned by its owner",
    "dropped-undercut": "undercut",
    "dropped-source": "its source fell",
    "withheld": "withheld",
    "committed": "committed: a hash is shown, the content not yet",
    "no-link": "names no link it speaks to",
    "nothing-to-inspect": "called open, but nothing is attached",
    "capped": "counts for no more than what it derives from",
    "undercut-undecided": "an undercut of it is undecided",
    "not-inspectable": "independent, but neither piece can be inspected",
}
EFFECT_WORDS: Mapping[str, str] = {
    "denied": "recorded; a denial changes no level",
    "requested": "recorded; a request changes no level",
    "class-critique": "recorded; it speaks of a kind of report",
    "contested-by": "contests the claim with grounds",
    "challenge-none-shown": "recorded; no grounds shown for it here",
    "challenge-undercut": "undercut",
    "challenge-not-open": "no longer open",
}


FLAG_WORDS: Mapping[str, str] = {
    "as-reported": "the words are from a secondary source",
    "quote-variant": "prints the words differently",
    "date-mismatch": "gives another date",
    "number-mismatch": "gives another number",
    "negation-mismatch": "adds or loses a negation",
    "speaker-mismatch": "names another speaker",
    "speaker-inconsistent": "gives other figures elsewhere",
    "anonymous-source": "names no source",
    "absent-from-article": "the words are not in the article",
}


def level_words(level: str | None) -> str:
    """A level in plain words; what has no level is said to have none."""
    if level is None:
        return "not weighed"
    if level.startswith("contested("):
        return "contested; " + LEVEL_WORDS.get(level[10:-1], level[10:-1])
    return LEVEL_WORDS.get(level, level)


class Name(Struct, frozen=True, kw_only=True):
    """An organisation or person as it is to be shown."""

    id: str
    """STIX identity id, or a directory id where a party has said nothing yet."""
    name: str
    party: str | None = None
    """Its directory id, if it is a party."""


class LinkGrade(Struct, frozen=True, kw_only=True):
    """One required link of a claim: activity, actor, sponsor or statement."""

    link: str
    question: str
    """What the link asks, in words."""
    grade: str
    words: str
    """The grade in plain words, with "stated, not shown" where nothing open counts."""
    shown: bool


class Ground(Struct, frozen=True, kw_only=True):
    """One piece of evidence as it speaks to one claim or challenge."""

    id: str
    sha256: str | None
    """None: withheld from this reader, or not held."""
    name: str
    description: str | None
    """What its coder says it is."""
    kind: str
    strength: int | None
    plantable: bool
    access: str
    producers: tuple[Name, ...]
    coder: Name | None
    published: str
    """Where nobody gave a date: when the object was made (`undated`)."""
    links: tuple[str, ...]
    sources: tuple[str, ...]
    counts: bool
    reasons: tuple[str, ...]
    """Why it does not count, or counts for less, in plain words."""
    undated: bool = False
    commitment: str | None = None
    """The SHA-256 that was given first, where it was committed to before it was shown."""
    committed: str | None = None
    """Since when, and whether what is shown now is that, in plain words."""


class Invoked(Struct, frozen=True, kw_only=True):
    """A norm that a speaker invokes: whether it was kept or broken is nobody's word here."""

    ref: str
    title: str | None
    """None: it is no norm we know, and stands as it was said."""
    clause: str | None
    url: str | None


class Quoted(Struct, frozen=True, kw_only=True):
    """Where exact words stand: an address, or a span of a text that their coder kept."""

    url: str | None
    sha256: str | None
    """Of the text as it was read."""
    start: int | None
    """In code points; `end` is the first after them."""
    end: int | None

    @property
    def words(self) -> str:
        """In one line."""
        span = ""
        if self.sha256 is not None and self.start is not None and self.end is not None:
            span = f"characters {self.start} to {self.end} of the text with SHA-256 {self.sha256}"
        return ", ".join(part for part in (span, self.url) if part)


class Position(Struct, frozen=True, kw_only=True):
    """What one speaker says on the matter of a claim: the claim itself, or an answer to it."""

    id: str
    sha256: str
    word: str
    """The claim type or the form of challenge, as the carrier names it."""
    speaker: Name | None
    printed: str | None
    """The speaker as printed, where that is another word ("Beijing")."""
    capacity: str | None
    """As what it speaks, as its coder gives it: "spokesperson", "vendor", ..."""
    speaks_for: Name | None
    words: str | None
    lang: str
    original: str | None
    original_lang: str | None
    words_from: Quoted | None
    original_from: Quoted | None
    gist: str | None
    """The coder's paraphrase, never in quotation marks: where there are no words, or where these
    are in another language than English and nobody's translation of them is held."""
    said_at: str
    signed: bool
    """The speaker's own party signed it; otherwise it stands here by publication."""
    coder: Name | None
    """Who published somebody else's words here; None where the speaker did."""
    reported_by: Name | None
    sources: tuple[str, ...]
    confidence: str | None
    """The speaker's own word on its named scale."""
    target_link: str | None
    norms: tuple[Invoked, ...]
    law: tuple[str, ...]
    """What of the law it invokes, as its coder gives it."""
    flags: tuple[str, ...]
    differing: tuple[Differing, ...]
    """Where the same speaker gives other figures for the same matter; it has no effect."""
    grounds: tuple[Ground, ...]
    asked: bool
    """Whether grounds are asked of it: of what is weighed, or contests; never of a denial."""
    rests_on: str | None
    """The claim whose grounds a challenge brings as its own: they are among `grounds`, and count
    there as they do for that claim."""
    status: str
    """open, corrected, withdrawn, superseded."""
    effect: str | None
    """What it does to the level, in plain words; None for the claim itself."""
    statement: str | None
    index: int | None


class Borne(Struct, frozen=True, kw_only=True):
    """An object that bears out a sentence; `sha256` None: not for this reader, or not held."""

    id: str
    sha256: str | None
    name: str


class Said(Struct, frozen=True, kw_only=True):
    """A plain sentence about a standing, and what bears it out."""

    text: str
    refs: tuple[Borne, ...]


class StandingView(Struct, frozen=True, kw_only=True):
    """One computed standing, in words."""

    level: str | None
    words: str
    base: str | None
    links: tuple[LinkGrade, ...]
    weakest: str | None
    sentences: tuple[Said, ...]
    by_coder: tuple[tuple[Name, str], ...]
    at: str | None
    reports: int
    roots: int
    """"N reports, M roots": pieces of evidence that count, and independent sources of them."""
    inputs_sha256: str


class Shown(Struct, frozen=True, kw_only=True):
    """When a party the claim names was first among those it was said to."""

    party: Name
    at: str | None


class Step(Struct, frozen=True, kw_only=True):
    """One change of a standing: what came, what became of it, and why (`claims.changes`)."""

    at: str
    came: tuple[Borne, ...]
    level_before: str | None
    level_after: str | None
    words_before: str
    """The level in plain words; "not said yet" before the claim was."""
    words_after: str
    links: tuple[LinkStep, ...]
    sentences: tuple[Said, ...]
    no_longer: tuple[Said, ...]


class LinkStep(Struct, frozen=True, kw_only=True):
    """A link whose grade changed, in plain words; "not asked for" where it is not required."""

    link: str
    before: str
    after: str


class Happening(Struct, frozen=True, kw_only=True):
    """One step in the history of a claim."""

    at: str
    who: Name
    what: str
    statement: str
    index: int


class ClaimRow(Struct, frozen=True, kw_only=True):
    """A claim in a list."""

    id: str
    sha256: str
    word: str
    text: str
    """The words, else the coder's gist."""
    quoted: bool
    lang: str
    original: str | None
    """The words before they were translated."""
    original_lang: str | None
    gist: str | None
    """The coder's paraphrase beside words that need one: see `Position.gist`."""
    speaker: Name | None
    printed: str | None
    capacity: str | None
    speaks_for: Name | None
    coder: Name | None
    addressees: tuple[Name, ...]
    said_at: str
    level_then: str | None
    level_now: str | None
    then_words: str
    now_words: str
    denials: int
    rivals: int
    """Rebuttals and other accounts of the matter."""
    critiques: int
    """What says no other thing of the matter: critiques of a method, and requests for grounds."""
    answers: int
    status: str
    case: str | None


class Answered(Struct, frozen=True, kw_only=True):
    """One answer to a claim: who gave it, when, and how."""

    claim: str
    how: str | None
    """accepted, refused, partly, premise-denied; None: it says none of these."""
    speaker: Name | None
    at: str


class AnswerTo(Struct, frozen=True, kw_only=True):
    """A claim that another one answers, and how."""

    claim: str
    how: str | None
    """As `Answered.how`."""
    name: str
    """What kind of claim it is, by whom."""


class Marked(Struct, frozen=True, kw_only=True):
    """For whom something was said: an answer to it is said for the same, and for its author."""

    tlp: Tlp
    to: tuple[str, ...]
    case: str | None
    author: str
    persons: tuple[str, ...] = ()
    """Under RED: the persons it is for. None named: whoever may sign for those parties."""

    def rounds(
        self, party: str, tlp: str, to: Sequence[str] = ()
    ) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """(parties, persons) of each statement that an answer of `party` is said in.

        What is for named persons is answered to those, and to whoever may sign for its author:
        they read their own word whether they are named or not.

        Args:
            tlp, to: of the answer; of `to` none given: whom this was said for.
        """
        readers = tuple(one for one in to or self.to if one != party)
        if tlp != "RED" or not self.persons:
            return [(readers, ())]
        named = [(readers, self.persons)]
        return [*named, ((self.author,), ())] if self.author in readers else named


class ClaimPage(Struct, frozen=True, kw_only=True):
    """Everything the Claim page shows."""

    row: ClaimRow
    positions: tuple[Position, ...]
    """In order of speaking, the claim among them."""
    silent: tuple[Name, ...]
    """Named by the claim, and without a statement here."""
    then: StandingView
    now: StandingView
    named: tuple[Shown, ...]
    group: Name | None
    """The group or organisation whose act the words say it was, as the claim names it."""
    behind: Name | None
    """Whom they say that one acts for, or is."""
    history: tuple[Happening, ...]
    steps: tuple[Step, ...]
    """How it came to stand as it does: changes up to the time asked for, in order."""
    steps_since: str | None
    """What came up to this instant is left out of `steps`, as too much came; None: all is told."""
    answers: tuple[Answered, ...]
    """In the order in which they were given."""
    in_answer_to: tuple[AnswerTo, ...]
    """What it was said in answer to: nobody's answer stands without its question."""
    later: int
    """Answers and rivals that came after the time asked for, and are left out; now: none."""
    sightings: Sightings | None
    """Of what a demand or call is about; None: no demand, or nothing is tied to it."""
    marked: Marked | None
    swap: tuple[Name, Name] | None
    """The two organisations whose names "Swap the names" exchanges."""


class Cell(Struct, frozen=True, kw_only=True):
    """One party's position on one claim, in words; never blank."""

    word: str
    confidence: str | None
    grounds: int
    signed: bool | None
    at: str | None
    position: str | None
    asked: bool = True
    """Whether grounds are asked of what it says."""
    through: Name | None = None
    """Who spoke for the party, where it did not speak itself."""

    @property
    def words(self) -> str:
        """The cell in a line."""
        return f"{self.word} (through {self.through.name})" if self.through else self.word


class MatrixRow(Struct, frozen=True, kw_only=True):
    """One claim across the parties of a case."""

    claim: ClaimRow
    cells: tuple[Cell, ...]


class Matrix(Struct, frozen=True, kw_only=True):
    """Claims by parties; columns in the order in which parties came to the case."""

    parties: tuple[Name, ...]
    rows: tuple[MatrixRow, ...]
