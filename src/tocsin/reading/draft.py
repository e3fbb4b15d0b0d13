"""A draft: what software read as "who says what", before any person has looked at it.

Spec: claims.md §3.
"""

from __future__ import annotations

from msgspec import Struct


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
