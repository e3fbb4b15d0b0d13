"""What one revision of an advisory is made of; everything that is rendered comes from here."""

from __future__ import annotations

from msgspec import Struct

from tocsin.policy import Tlp


class Author(Struct, frozen=True, kw_only=True):
    """A party that stands for the advisory, and in which capacity."""

    party: str
    name: str
    identity: str
    """Its STIX identity id."""
    capacity: str


class ClaimLine(Struct, frozen=True, kw_only=True):
    """A claim as the advisory prints it."""

    id: str
    type: str
    words: str
    quoted: bool
    """`words` are the speaker's own; else a coder's paraphrase, never in quotation marks."""
    lang: str
    speaker: str
    said_at: str
    standing: str
    """The level in words: what has been shown."""
    denials: int = 0
    rivals: int = 0


class IndicatorLine(Struct, frozen=True, kw_only=True):
    """An indicator as the advisory prints it."""

    id: str
    name: str
    pattern: str
    valid_until: str | None = None


class Source(Struct, frozen=True, kw_only=True):
    """One object, byte for byte, with the marking under which the author has it."""

    id: str
    sha256: str
    raw: bytes
    tlp: Tlp


class Advisory(Struct, frozen=True, kw_only=True):
    """Everything one revision of an advisory is made of."""

    id: str
    """`advisory--` and a UUID."""
    rev: int
    tracking_id: str
    title: str
    lang: str
    """A BCP 47 tag."""
    tlp: Tlp
    """The marking of the text; nothing in it may be stricter."""
    date: str
    """RFC 3339, UTC."""
    k: int
    of: int
    """How many of how many parties have to sign."""
    authors: tuple[Author, ...]
    """The proposer first."""
    summary: str
    claims: tuple[ClaimLine, ...] = ()
    indicators: tuple[IndicatorLine, ...] = ()
    objects: tuple[Source, ...] = ()
