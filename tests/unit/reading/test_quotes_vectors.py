"""Short articles of our own with what has to be read out of them, and what must not."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tocsin.reading.quotes import Draft, read_claims

VECTORS = Path(__file__).parents[2] / "vectors" / "claims_read"
CASES = sorted(VECTORS.glob("*.json"))
OPTIONAL = ("speaker_role", "date", "precision")


def shown(draft: Draft) -> dict[str, Any]:
    return {
        "claim_type": draft.claim_type,
        "direct": draft.direct,
        "speaker": draft.speaker,
        "addressee": draft.addressee,
        "words": draft.words,
        **{name: getattr(draft, name) for name in OPTIONAL},
    }


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_an_article_gives_its_claims_and_no_other(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    text = "\n".join(case["text"])
    drafts = read_claims(text, published=date.fromisoformat(case["published"]))
    expected = [{**dict.fromkeys(OPTIONAL), **claim} for claim in case["claims"]]
    assert [shown(draft) for draft in drafts] == expected
    for draft in drafts:
        assert draft.words == text[draft.span[0] : draft.span[1]]


def test_there_are_enough_articles_to_mean_something() -> None:
    assert len(CASES) >= 15
