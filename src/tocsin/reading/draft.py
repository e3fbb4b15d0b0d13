"""A draft: what software read as "who says what", before any person has looked at it.

Spec: claims.md §3.
"""

from __future__ import annotations

from msgspec import Struct


class DraftFlag(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A defect that was seen and not mended: accepted, it is a flag of the claim (claims.md §1)."""

    name: str
    of: str = "outlet"
    note: str = ""
    """What was printed, and what is wrong with it."""
    pointer: str | None = None
    """Where: /ROW/COLUMN of a table, or the id of an object."""


class Coded(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a data set's row or object gives besides: such a draft has no words of its speaker.

    Its `words` are a paraphrase made here of the fields, and become the claim's `gist`.
    """

    pointer: str
    """The row, counted from 1 under the header, or the id of the object."""
    outlet: str | None = None
    """The data set that reports it, where another is its speaker."""
    capacity: str = "unknown"
    actor: str | None = None
    """The group or person that the fields name, as printed."""
    sponsor: str | None = None
    """Whom the source names behind the group, in a field that says just that."""
    incident: tuple[str, str] | None = None
    """(the data set's own id, name) of the incident it is about."""
    sources: tuple[str, ...] = ()
    """Addresses that the row gives for it."""
    confidence: str | None = None
    """The source's own word or number of confidence, on its own scale."""


class Draft(Struct, frozen=True, kw_only=True):
    """What software read as "who says what": nobody's word until a person accepts it.

    `span` is half-open, in code points of the text read; `words` are exactly those. `speaker`,
    `addressee` as printed (a pronoun or surname resolved, with a note). `date` is RFC 3339 text of
    the given `precision` (year, month, day) or None. `cue` is the verb as printed. `lang` is the
    language the text is in, as far as the text itself tells.
    """

    kind: str = "claim"
    claim_type: str
    speaker: str | None
    speaker_role: str | None
    addressee: str | None
    about: tuple[str, ...]
    words: str
    span: tuple[int, int]
    direct: bool
    date: str | None
    precision: str | None
    cue: str | None
    confidence_notes: tuple[str, ...]
    lang: str | None = None
    flags: tuple[DraftFlag, ...] = ()
    coded: Coded | None = None
    """None: it was read from running text, and `words` are its speaker's or its narrator's."""
    parser: str | None = None
    """The learned parser that found it, "NAME VERSION"; None: rules that anybody can follow."""
