"""Reading claims from text: the seed article, the laws, and texts made to hurt."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.reading.quotes import Draft, boilerplate, read_claims

DAY = date(2026, 2, 4)
VECTORS = Path(__file__).parents[2] / "vectors" / "claims_read"
TEXTS = [
    "\n".join(json.loads(path.read_text(encoding="utf-8"))["text"])
    for path in sorted(VECTORS.glob("*.json"))
]
PARTIES = ["Northland", "Eastmere", "Southmark", "Westwater", "GridCo", "Portco", "Halvard Labs"]


def gold(claim: dict[str, Any]) -> tuple[Any, ...]:
    precision = {None: None, 10: "day", 4: "year"}[claim["date"] and len(claim["date"])]
    return (
        claim["claim_type"],
        claim["speaker"],
        claim["speaker_role"],
        claim["addressee"],
        claim["words"],
        tuple(claim["span"]),
        claim["direct"],
        claim["date"],
        precision,
    )


def shown(draft: Draft) -> tuple[Any, ...]:
    return (
        draft.claim_type,
        draft.speaker,
        draft.speaker_role,
        draft.addressee,
        draft.words,
        draft.span,
        draft.direct,
        draft.date,
        draft.precision,
    )


def test_the_seed_article_gives_its_fifteen_claims_and_no_other(
    corpus: Callable[[str], Path],
) -> None:
    text = corpus("claims/article.txt").read_text(encoding="utf-8")
    claims = json.loads(corpus("claims/article.gold.json").read_bytes())["claims"]
    drafts = read_claims(text, published=date(2023, 7, 19))
    assert [shown(draft) for draft in drafts] == [gold(claim) for claim in claims]
    assert all(draft.words == text[draft.span[0] : draft.span[1]] for draft in drafts)


def test_she_is_resolved_and_said_so(corpus: Callable[[str], Path]) -> None:
    text = corpus("claims/article.txt").read_text(encoding="utf-8")
    [victim] = [d for d in read_claims(text, published=None) if d.claim_type == "victim-claim"]
    assert victim.speaker == "Mao Ning"
    assert any("'she'" in note for note in victim.confidence_notes)


def test_the_list_of_other_news_is_one_stretch_to_the_end(corpus: Callable[[str], Path]) -> None:
    text = corpus("claims/article.txt").read_text(encoding="utf-8")
    [(start, end, heading)] = boilerplate(text)
    assert text[start:].startswith("Most Read News")
    assert (end, heading) == (len(text), "Most Read News")


def test_without_a_day_to_count_from_relative_times_have_no_value() -> None:
    [draft] = read_claims("Northland said on Wednesday that Eastmere ran it.", published=None)
    assert (draft.date, draft.precision) == (None, None)
    assert any("on Wednesday" in note for note in draft.confidence_notes)


def test_a_time_after_the_words_is_named_but_not_used() -> None:
    text = 'Northland accused Eastmere of "reading the mail of others" in April.'
    [draft] = read_claims(text, published=DAY)
    assert draft.date is None
    assert any("in April" in note for note in draft.confidence_notes)


def test_an_unclosed_quotation_ends_with_its_paragraph() -> None:
    text = "Northland said: “The line is down\n\nNothing else was known."
    [draft] = read_claims(text, published=DAY)
    assert draft.words == "The line is down"
    assert any("not closed" in note for note in draft.confidence_notes)


def test_given_spans_are_not_read() -> None:
    text = "Northland said the line was down.\nEastmere said the line was up."
    [draft] = read_claims(text, published=DAY, skip=[(0, 33)])
    assert draft.speaker == "Eastmere"


def test_a_heading_ends_whom_a_pronoun_may_mean() -> None:
    text = (
        "Vera Holm, an analyst, said it was late.\n\nAt night\n\n“We went home at noon,” she said."
    )
    speakers = [draft.speaker for draft in read_claims(text, published=DAY)]
    assert speakers == ["Vera Holm", None]


def exchanged(text: str, one: str, other: str) -> str:
    pattern = rf"(?<![\w-])({re.escape(one)}|{re.escape(other)})(?!\w)"
    return re.sub(pattern, lambda match: other if match[1] == one else one, text)


def moved(text: str, place: int, one: str, other: str) -> int:
    return len(exchanged(text[:place], one, other))


def renamed(draft: Draft, text: str, one: str, other: str) -> tuple[Any, ...]:
    def name(value: str | None) -> str | None:
        return None if value is None else exchanged(value, one, other)

    return (
        draft.claim_type,
        name(draft.speaker),
        name(draft.speaker_role),
        name(draft.addressee),
        tuple(name(about) for about in draft.about),
        name(draft.words),
        (moved(text, draft.span[0], one, other), moved(text, draft.span[1], one, other)),
        draft.direct,
        draft.date,
        draft.precision,
        draft.cue,
        tuple(name(note) for note in draft.confidence_notes),
    )


@given(st.sampled_from(TEXTS), st.sampled_from(PARTIES), st.sampled_from(PARTIES))
def test_exchanging_two_names_exchanges_them_in_the_claims_and_nothing_else(
    text: str, one: str, other: str
) -> None:
    other_text = exchanged(text, one, other)
    before = [renamed(draft, text, one, other) for draft in read_claims(text, published=DAY)]
    after = [
        renamed(draft, other_text, one, one) for draft in read_claims(other_text, published=DAY)
    ]
    assert before == after


def test_exchanging_names_in_the_seed_changes_nothing_else(corpus: Callable[[str], Path]) -> None:
    text = corpus("claims/article.txt").read_text(encoding="utf-8")
    one, other = "China", "Northland Union"
    swapped = exchanged(text, one, other)
    before = [renamed(draft, text, one, other) for draft in read_claims(text, published=DAY)]
    after = [renamed(draft, swapped, one, one) for draft in read_claims(swapped, published=DAY)]
    assert before == after


PIECES = st.sampled_from(
    [
        *"“”\"«»„「」‘’'.,:;!?()-–—\n ",
        "\n\n",
        "“”",
        '""',
        "Northland",
        "Eastmere's",
        "she",
        "said",
        "that",
        "not",
        "accused",
        "of",
        "the",
        "on Wednesday",
        "in 2020",
        "officials",
        "attacks",
        "told",
        "urged",
        "to",
        "must not stop",
        "according to",
        "Mao Ning",
        "spokeswoman",
        "U.N.",
        "Mr.",
        "\u202e",
        "的",
        "\x00",
    ]
)


@given(st.lists(PIECES, max_size=60).map(" ".join) | st.text(max_size=200))
def test_words_are_always_the_text_at_their_span(text: str) -> None:
    for draft in read_claims(text, published=DAY):
        start, end = draft.span
        assert 0 <= start < end <= len(text)
        assert draft.words == text[start:end]


HOSTILE = {
    "one endless word": lambda n: "a" * n,
    "quotations never closed": lambda n: "“Northland said " * (n // 16),
    "nested quotations": lambda n: "“" * (n // 2) + "”" * (n // 2),
    "straight marks": lambda n: '" ' * (n // 2),
    "apostrophes": lambda n: "states' 'rights " * (n // 16),
    "cues without end": lambda n: "said Mao, who said that " * (n // 24),
    "commas": lambda n: "A, " * (n // 3),
    "names without end": lambda n: "Northland " * (n // 10),
    "brackets": lambda n: "Mao (" * (n // 5) + " said",
    "lines": lambda n: "Share\n-\n" * (n // 8),
    "colons": lambda n: "Mao: x\n" * (n // 7),
    "dots": lambda n: "U.N." * (n // 4),
    "spaces": lambda n: " " * n,
    "newlines": lambda n: "\n" * n,
    "quotations": lambda n: "“Eastmere attacked us,” she said. " * (n // 34),
    "plain sentences in one quotation": lambda n: "“" + "It is late. " * (n // 12) + "” he said.",
    "quotations in quotations": lambda n: "“He said ‘it was all over’ and " * (n // 31),
    "marks in turn": lambda n: '“a ‘b "c ' * (n // 9) + '" ’ ”' * 9,
    "block quotations": lambda n: "He said:\n> it was late\n" * (n // 23),
    "links": lambda n: "[a" * (n // 4) + "](x)" * (n // 8),
    "link heads": lambda n: "[He](http://a said " * (n // 19),
    "mail read": lambda n: "“" + "read mail has read mail " * (n // 24) + "” he said.",
    "helpers": lambda n: "“must " + "has also never " * (n // 15) + "attacked us,” he said.",
    "chains of speakers": lambda n: "Vera Holm said that Portco told Mao that " * (n // 41),
    "negations": lambda n: "“" + "We never had no role in nothing. " * (n // 33) + "” she said.",
    "victims": lambda n: "by a victim of must not stop related to " * (n // 40),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(60)
def test_reading_takes_steps_in_proportion_to_the_text(name: str) -> None:
    """Counted in calls the reader makes, not in seconds: four times the text, about four times."""
    import sys

    def steps(text: str) -> int:
        count = 0

        def tracer(frame: Any, event: str, arg: Any) -> None:
            nonlocal count
            count += 1

        sys.setprofile(tracer)
        try:
            read_claims(text, published=DAY)
        finally:
            sys.setprofile(None)
        return count

    small, large = steps(HOSTILE[name](4_000)), steps(HOSTILE[name](16_000))
    assert large <= 6 * small + 2_000


@pytest.mark.parametrize("dash", ["—", "-", "--", "–"])
@pytest.mark.parametrize("quote", ['"{}"', "> {}", "“{}”", "> {}\n\n>"])
def test_a_quotation_is_whose_name_stands_beneath(dash: str, quote: str) -> None:
    words = "We have shown our evidence to all parties."
    space = " " if quote.endswith("\n\n>") else "\n\n"  # within the block quotation, or under it
    text = f"{quote.format(words)}{space}{dash} Odile Vasseur, transport minister\n\nThe rest.\n"
    [draft] = read_claims(text, published=None)
    assert draft.words == words
    assert (draft.speaker, draft.speaker_role) == ("Odile Vasseur", "transport minister")
    assert "speaker from the line beneath" in draft.confidence_notes


@pytest.mark.parametrize("apart", ["“{}”", "> {}", "> “{}”"])
def test_words_set_apart_that_repeat_a_quotation_are_not_said_twice(apart: str) -> None:
    words = "We have shown our evidence to all parties."
    said = f"“{words} Nobody has looked at it,” Odile Vasseur, the transport minister, said."
    other = "Others have shown nothing to anybody."
    for text in (
        f"{said}\n\n{apart.format(words)}\n\nThe rest.\n",
        f"The port was closed.\n\n{apart.format(words[:-1])}\n\n{said}\n",
    ):
        assert [one.speaker for one in read_claims(text, published=None)] == ["Odile Vasseur"]
    text = f"{said}\n\n{apart.format(other)}\n\nThe rest.\n"
    assert [one.words for one in read_claims(text, published=None)][1:] == [other]


def test_a_list_beneath_a_quotation_is_no_name() -> None:
    for beneath in (
        "- the first thing that was seen",
        "- Kestrel Labs",
        "- We saw nothing. Nobody did.",
        "Vasseur",
    ):
        text = f'"We have shown our evidence to all parties."\n\n{beneath}\n\nThe rest.\n'
        assert [one.speaker for one in read_claims(text, published=None)][:1] == [None]


def test_headings_of_lists_that_are_none_are_read_once_each() -> None:
    """Each "Share." looked through all that follows, for the three lines that make a list: this
    ran for minutes, over the time that a test may take."""
    assert boilerplate("Share.\n" * 20_000) == []


def test_a_list_whose_heading_follows_one_of_none_is_found() -> None:
    text = "Share.\nIt rained all day. It snowed.\nRelated\n- One\n- Two\n- Three\n"
    [(start, end, heading)] = boilerplate(text)
    assert (text[start : start + 7], end, heading) == ("Related", len(text), "Related")


def test_a_charge_stands_though_another_cue_brings_the_words_behind_its_colon() -> None:
    text = (
        "Eastmere had accused Northland of having broken into its port authority: “Their services"
        " have been in our systems for a year,” the statement read."
    )
    charge, _ = read_claims(text, published=None)
    assert (charge.claim_type, charge.speaker, charge.addressee) == (
        "reported-accusation",
        "Eastmere",
        "Northland",
    )
    assert charge.words == "having broken into its port authority"


def test_a_name_in_code_begins_a_sentence_of_its_own() -> None:
    text = "The group is also called GREY HERON by Halvard Labs. `C:\\oar\\lock.dll` was written."
    assert read_claims(text, published=None) == []


@pytest.mark.parametrize("marks", ["", '"'])
def test_an_empty_line_of_a_block_quotation_does_not_part_it_from_who_signs_it(marks: str) -> None:
    text = (
        f"> {marks}This must stop now, everywhere.{marks}\n>\n> — Vera Holm, minister of energy\n"
    )
    [draft] = read_claims(text, published=None)
    assert (draft.words, draft.speaker) == ("This must stop now, everywhere.", "Vera Holm")
