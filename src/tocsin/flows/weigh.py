"""How what was said stands, for one reader: claims, their grounds, and the answers beside them.

`claims/standing.py` computes; this file fetches what the reader may see, hands it over, and puts
names to ids. Everything here is ordered by date, then by id, never by who somebody is.
"""

from __future__ import annotations

from msgspec import Struct


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
    kind: str
    strength: int | None
    plantable: bool
    access: str
    producers: tuple[Name, ...]
    coder: Name | None
    published: str
    links: tuple[str, ...]
    sources: tuple[str, ...]
    counts: bool
    reasons: tuple[str, ...]
    """Why it does not count, or counts for less, in plain words."""


class Position(Struct, frozen=True, kw_only=True):
    """What one speaker says on the matter of a claim: the claim itself, or an answer to it."""

    id: str
    sha256: str
    word: str
    """The claim type or the form of challenge, as the carrier names it."""
    speaker: Name | None
    printed: str | None
    """The speaker as printed, where that is another word ("Beijing")."""
    words: str | None
    lang: str
    original: str | None
    original_lang: str | None
    gist: str | None
    """The coder's paraphrase, never in quotation marks."""
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
    flags: tuple[str, ...]
    grounds: tuple[Ground, ...]
    status: str
    """open, corrected, withdrawn, superseded."""
    effect: str | None
    """What it does to the level, in plain words; None for the claim itself."""
    statement: str | None
    index: int | None


class StandingView(Struct, frozen=True, kw_only=True):
    """One computed standing, in words."""

    level: str | None
    words: str
    base: str | None
    links: tuple[LinkGrade, ...]
    weakest: str | None
    sentences: tuple[str, ...]
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
    speaker: Name | None
    printed: str | None
    coder: Name | None
    addressees: tuple[Name, ...]
    said_at: str
    level_then: str | None
    level_now: str | None
    then_words: str
    now_words: str
    denials: int
    rivals: int
    answers: int
    status: str
    case: str | None


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
    history: tuple[Happening, ...]
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


class MatrixRow(Struct, frozen=True, kw_only=True):
    """One claim across the parties of a case."""

    claim: ClaimRow
    cells: tuple[Cell, ...]


class Matrix(Struct, frozen=True, kw_only=True):
    """Claims by parties; columns in the order in which parties came to the case."""

    parties: tuple[Name, ...]
    rows: tuple[MatrixRow, ...]
