"""The eleven voluntary norms of responsible state behaviour, by letter, in our own short words.

A claim's `norm_refs` name what its *speaker* invokes. Nothing here says that a norm was kept or
broken, or whether it binds anybody: the texts call them voluntary and non-binding.

Spec: report of the Group of Governmental Experts of 2015, A/70/174, paragraph 13 (a) to (k), which
resolution 70/237 of the General Assembly calls on states to be guided by; taken up, with guidance
to each, in part III of the report of 2021, A/76/135. claims.md §1, `norm_refs`.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

URL = "https://undocs.org/A/70/174"
SOURCES: tuple[tuple[str, str], ...] = (
    ("A/70/174, paragraph 13 (Group of Governmental Experts, 2015)", URL),
    ("General Assembly resolution 70/237 (2015)", "https://undocs.org/A/RES/70/237"),
    ("A/76/135, part III (Group of Governmental Experts, 2021)", "https://undocs.org/A/76/135"),
)


class Norm(Struct, frozen=True, kw_only=True):
    """One norm, as it is named here."""

    ref: str
    """un-13a to un-13k."""
    title: str
    words: str
    """What it asks for, in our words; the text itself stands at `url`."""
    clause: str
    url: str = URL


def _norm(letter: str, title: str, words: str) -> Norm:
    return Norm(ref=f"un-13{letter}", title=title, words=words, clause=f"A/70/174, 13 ({letter})")


NORMS: tuple[Norm, ...] = (
    _norm(
        "a",
        "cooperation for stability and security",
        "States work together on measures that make the use of ICT more stable and secure, and "
        "against practices that are agreed to be harmful.",
    ),
    _norm(
        "b",
        "all relevant information on incidents",
        "Of an incident, states weigh all that is relevant: its larger context, how hard "
        "attribution is, the kind and extent of what followed.",
    ),
    _norm(
        "c",
        "no knowing use of one's territory",
        "States do not let their territory be used, to their knowledge, for internationally "
        "wrongful acts by means of ICT.",
    ),
    _norm(
        "d",
        "cooperation against crime and terrorism",
        "States look for the best ways to exchange information, help each other and prosecute "
        "terrorist and criminal use of ICT.",
    ),
    _norm(
        "e",
        "human rights and privacy online",
        "In making ICT secure, states respect the resolutions on human rights on the Internet and "
        "on privacy in the digital age.",
    ),
    _norm(
        "f",
        "no damage to critical infrastructure",
        "States do not conduct or knowingly support ICT activity, against their obligations in "
        "law, that intentionally damages critical infrastructure or keeps it from serving people.",
    ),
    _norm(
        "g",
        "protection of one's own critical infrastructure",
        "States protect their critical infrastructure from threats by ICT.",
    ),
    _norm(
        "h",
        "answers to requests for help",
        "States answer appropriate requests for help by a state whose critical infrastructure is "
        "under malicious ICT acts, also where these come from their own territory.",
    ),
    _norm(
        "i",
        "integrity of the supply chain",
        "States take reasonable steps for the integrity of supply chains, and against the spread "
        "of malicious tools and harmful hidden functions.",
    ),
    _norm(
        "j",
        "reporting of vulnerabilities",
        "States encourage responsible reporting of vulnerabilities, and share what helps "
        "against them.",
    ),
    _norm(
        "k",
        "no harm to emergency response teams",
        "States do not harm the systems of another state's authorised emergency response teams, "
        "and do not use their own for malicious activity.",
    ),
)
_BY_REF = {one.ref: one for one in NORMS}
MOST_NORMS = 40
"""Of one claim, as a person writes them."""


def norm(ref: str) -> Norm | None:
    """The norm of this name; None: it is none that we know, and is kept as it was said."""
    return _BY_REF.get(ref)


def named(words: str) -> list[str]:
    """Names of norms as a person writes them: with commas or blanks between, in any case, once."""
    found = (word.casefold() for word in words.replace(",", " ").split())
    return list(dict.fromkeys(found))[:MOST_NORMS]


class Finding(Struct, frozen=True, kw_only=True):
    """A name that is none of the norms: kept, and shown as what it is."""

    ref: str
    message: str


def findings(refs: Iterable[str]) -> list[Finding]:
    """What of these names no norm of A/70/174, paragraph 13; one finding each, in their order."""
    return [
        Finding(ref=ref, message=f"{ref[:80]!r} is none of un-13a to un-13k: kept as it was said")
        for ref in dict.fromkeys(refs)
        if ref not in _BY_REF
    ]
