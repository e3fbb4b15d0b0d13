"""Whom a spokesman speaks for, where the role itself says it: "spokeswoman for GridCo".

A draft's suggestion, as printed; a person accepts or changes it. Any other office (a minister, an
ambassador, a director) says where somebody sits and not for whom these words were said: none is
guessed from it. Spec: claims.md §1, `speaks_for_ref`; §3.4.
"""

from __future__ import annotations

import re

_FOR = (
    # The organisation follows.
    re.compile(r"\bspokes(?:man|woman|person|people)\s+(?:for|of)\s+(?:the\s+)?(?P<whom>.+)", re.I),
    re.compile(r"\bporte-parole\s+(?:du|de\s+la|de\s+l['’]|des|d['’]|de)\s*(?P<whom>.+)", re.I),
    re.compile(r"\bportavo(?:z|ces)\s+(?:del|de\s+la|de\s+los|de\s+las|de)\s+(?P<whom>.+)", re.I),
    re.compile(r"\bпредставител[ья](?:ница)?\s+(?P<whom>\S.+)", re.I),
    re.compile(r"\bпресс-секретар[ья]\s+(?P<whom>\S.+)", re.I),
    re.compile(r"المتحدثة?\s+(?:الرسمية?\s+)?باسم\s+(?P<whom>.+)"),
    # It goes before.
    re.compile(r"^(?P<whom>.+?)(?:新闻)?发言人$"),
    re.compile(r"^(?P<whom>.+)\sspokes(?:man|woman|person)$", re.I),
)
_MOST = 120
_NOBODY = frozenset({"a", "an", "the", "its", "his", "her", "their", "our", "chief", "official"})


def speaks_for(role: str | None) -> str | None:
    """The organisation that a role names as the one spoken for, as printed; None: none is."""
    line = " ".join((role or "")[: 4 * _MOST].split())  # a role may be broken over two lines
    for pattern in _FOR:
        found = pattern.search(line)
        if found:
            whom = found["whom"].strip(" ,.;:")
            words = whom.casefold().split()
            # "ministry spokesman": which one is not said. Scripts without capitals cannot tell.
            common = whom == whom.lower() != whom.upper()
            told = words and words[0] not in _NOBODY and not whom.startswith("该")
            return whom if told and not common and len(whom) <= _MOST else None
    return None
