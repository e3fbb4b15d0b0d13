"""docs/guides/indicators.md lists the reasons of the table of reasons, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from tocsin.stix.held import REASONS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "indicators.md"


def test_the_page_says_every_reason_in_the_words_of_the_table() -> None:
    held = PAGE.read_text("utf-8").partition("## Held back")[2]
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", held, re.MULTILINE)
    assert rows == list(REASONS.items())
