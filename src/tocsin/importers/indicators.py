"""The indicators of a report: each value once, and each thing held back once with its reason.

Spec: claims.md §3.9.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tocsin.errors import IndicatorError
from tocsin.importers.interface import IndicatorDraft, Loss
from tocsin.stix.held import REASONS
from tocsin.stix.recognise import Found, survey
from tocsin.stix.values import is_public_suffix, normalise
from tocsin.sweep.warninglists import listed

_KEPT_LISTS = frozenset(("private", "link-local", "multicast", "reserved", "documentation"))
"""Lists that the note `not-public` says already: an inside address is telling, so it is kept."""
_CUT = 60  # characters of a value in a note


_ADDRESS = re.compile(
    r"<link\b(?=[^>]{0,400}\brel\s{0,3}=\s{0,3}[\"']?canonical)[^>]{0,400}?\bhref\s{0,3}=\s{0,3}"
    r"[\"']?https?://(?P<link>[\w.-]{1,253})"
    r"|<meta\b(?=[^>]{0,400}\bproperty\s{0,3}=\s{0,3}[\"']?og:url)[^>]{0,400}?\bcontent\s{0,3}=\s{0,3}"
    r"[\"']?https?://(?P<meta>[\w.-]{1,253})",
    re.IGNORECASE,
)
_HEAD = 100_000  # characters of a page in which it says where it stands


def site_of(page: str) -> str | None:
    """The host that a page of HTML says it was published on, `www.` left out; None without one.

    Never a public suffix: a page cannot make everybody's names its own.
    """
    match = _ADDRESS.search(page, 0, _HEAD)
    if match is None:
        return None
    try:
        host = normalise("domain", (match["link"] or match["meta"]).removeprefix("www."))
    except IndicatorError:
        return None
    return None if is_public_suffix(host) else host


def sift(
    text: str, skip: Sequence[tuple[int, int]] = (), own_site: str | None = None
) -> tuple[list[IndicatorDraft], list[Loss]]:
    """The drafts of a text, and what was held back.

    A value that stands on a warning list, or is a public suffix, is held back where it was only
    ever written plain, and noted where somebody took the trouble to break it.

    Args:
        skip: spans that are not read (the outlet's own lists).
        own_site: the host it was published on.
    """
    seen = survey(text, own_site=own_site)
    places: dict[tuple[str, str], list[Found]] = {}
    for one in seen.found:
        if not any(start <= one.start < end for start, end in skip):
            places.setdefault((one.kind, one.value), []).append(one)
    held: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    for back in seen.held:
        if not any(start <= back.start < end for start, end in skip):
            key = (back.why, back.value)
            held.setdefault(key, []).append((back.start, back.end, REASONS[back.why]))
    drafts = []
    for (kind, value), same in places.items():
        broken = any(place.defanged for place in same)
        why, told = _known(kind, value)
        if why is not None and not broken:
            rows = [(place.start, place.end, told) for place in same]
            held.setdefault((why, value), []).extend(rows)
            continue
        first = same[0]
        notes = list(dict.fromkeys(note for place in same for note in place.notes))
        if why is not None:
            notes.append(told)
        if len(same) > 1:
            notes.append(f"printed {len(same)} times")
        drafts.append(
            IndicatorDraft(
                type=kind,
                value=value,
                raw=first.raw,
                span=(first.start, first.end),
                defanged=broken,
                notes=tuple(notes),
            )
        )
    losses = []
    for (why, value), rows in held.items():
        start, end, told = min(rows)
        short = value if len(value) <= _CUT else value[: _CUT - 1] + "…"
        times = f", printed {len(rows)} times" if len(rows) > 1 else ""
        losses.append(Loss(kind=why, span=(start, end), note=f"“{short}” {told}{times}"))
    losses.sort(key=lambda loss: loss.span or (0, 0))
    return drafts, losses


def _known(kind: str, value: str) -> tuple[str | None, str]:
    """A reason why a value that everybody knows is no indicator, and the words for it."""
    name = listed(kind, value)
    if name is not None and name not in _KEPT_LISTS:
        return "warning-list", f"stands on the warning list {name}"
    if kind == "domain" and is_public_suffix(value):
        return "public-suffix", REASONS["public-suffix"]
    return None, ""
