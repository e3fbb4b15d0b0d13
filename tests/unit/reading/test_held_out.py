"""What the rules read out of texts they were not made for: floors, so that no change costs much."""

from __future__ import annotations

import pytest
from benchmarks.claims_gold import pages, sentences, tally

from tocsin.reading.quotes import read_claims


@pytest.mark.parametrize(("name", "floor"), [("seen", 0.88), ("held_out", 0.80)])
def test_the_type_of_a_claim_is_right_for_most_sentences(name: str, floor: float) -> None:
    right, total = tally(sentences(name))["type, of all"]
    assert total >= 60
    assert right / total >= floor


def test_texts_of_many_styles_give_most_of_their_claims() -> None:
    counts = {name: right / total for name, (right, total) in tally(pages()).items()}
    assert counts["direct found"] >= 0.95
    assert counts["indirect found"] >= 0.85
    assert counts["drafts that are claims"] >= 0.85
    assert counts["speaker, of found"] >= 0.93
    assert counts["type, of found"] >= 0.90
    assert counts["span exact, of found"] >= 0.92


def test_texts_by_another_hand_give_their_claims_in_six_languages() -> None:
    counts = {n: right / of for n, (right, of) in tally(pages("claims_unseen")).items()}
    assert counts["direct found"] >= 0.95
    assert counts["direct drafts that are claims"] >= 0.95
    assert counts["indirect found"] >= 0.90
    assert counts["indirect drafts that are claims"] >= 0.95
    assert counts["speaker, of found"] >= 0.90
    assert counts["type, of found"] >= 0.85


ALL = [*pages(), *pages("claims_unseen")]


@pytest.mark.parametrize("page", ALL, ids=[page.name for page in ALL])
def test_words_are_the_text_at_their_span_in_every_style(page: object) -> None:
    text = getattr(page, "text", "")
    drafts = read_claims(text, published=None)
    assert drafts
    assert all(draft.words == text[slice(*draft.span)] for draft in drafts)


def test_a_quotation_inside_a_quotation_is_a_claim_of_its_own() -> None:
    text = (
        "“The Eastmere spokesman told us: ‘We shut the valve ourselves that night.’ "
        "I was there,” said Vera Holm, an engineer."
    )
    drafts = {draft.words: draft for draft in read_claims(text, published=None)}
    inner = drafts["We shut the valve ourselves that night."]
    assert inner.speaker == "Eastmere spokesman"
    assert "quoted inside the words of Vera Holm" in inner.confidence_notes


def test_what_one_says_that_another_said_is_the_other_ones_claim() -> None:
    text = "Vera Holm said that Portco had told her office that the valve was shut by hand."
    [draft] = read_claims(text, published=None)
    assert (draft.speaker, draft.words) == ("Portco", "the valve was shut by hand")
    assert "told by Vera Holm, whose words these are not" in draft.confidence_notes
