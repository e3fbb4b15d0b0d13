"""Words told, found by how a parser takes a sentence apart. No parser is needed to check it.

A tree is written as its parser gave it: for each word `word|how it hangs|on which|word class`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ParserError
from tocsin.importers import report
from tocsin.importers.interface import to_json
from tocsin.reading import parsed as parsing
from tocsin.reading.draft import Draft
from tocsin.reading.parsed import MOST, PIECE, Word, clear_of, parse
from tocsin.reading.quotes import read_claims

NAME = "xx_small 1.2 (parser 3)"


class OneByOne:
    """What the parsers of these tests have in common."""

    name, lang = NAME, "en"

    def one(self, text: str) -> list[list[Word]]:
        raise NotImplementedError

    def parse(self, texts: Sequence[str]) -> list[list[list[Word]]]:
        return [self.one(text) for text in texts]


class Trees(OneByOne):
    """A parser that knows some paragraphs by heart."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known

    def one(self, text: str) -> list[list[Word]]:
        return [words(text, self.known[text])] if text in self.known else []


def words(text: str, tree: str) -> list[Word]:
    found: list[Word] = []
    at = 0
    for printed, dep, head, pos in (one.rsplit("|", 3) for one in tree.split(" ")):
        at = text.index(printed, at)
        found.append(Word(at, at + len(printed), int(head), dep, pos))
        at += len(printed)
    return found


def learned(text: str, tree: str) -> list[Draft]:
    """The drafts of one paragraph that only the parser finds."""
    parsed = parse(text, Trees({text: tree}))
    drafts = read_claims(text, published=date(2026, 11, 20), lang="en", parsed=parsed)
    for draft in drafts:
        assert draft.words == text[draft.span[0] : draft.span[1]]
    return [draft for draft in drafts if draft.parser is not None]


FOUND = {
    "a clause about the speaker stands between": (
        "The engineers who repaired the relay after the storm now believe that the wiper had been"
        " there since May.",
        "The|det|1|DET engineers|nsubj|10|NOUN who|nsubj|3|PRON repaired|relcl|1|VERB the|det|5|DET"
        " relay|dobj|3|NOUN after|mark|10|SCONJ the|det|8|DET storm|nsubj|10|NOUN now|advmod|10|ADV"
        " believe|ROOT|10|VERB that|mark|15|SCONJ the|det|13|DET wiper|nsubj|15|NOUN had|aux|15|AUX"
        " been|ccomp|10|AUX there|advmod|15|ADV since|prep|15|SCONJ May|pobj|17|PROPN"
        " .|punct|10|PUNCT",
        ("engineers", "believe", "the wiper had been there since May"),
    ),
    "the words come first": (
        "The tool was older than it looked, the researchers who took it apart wrote in March.",
        "The|det|1|DET tool|nsubj|2|NOUN was|ccomp|14|AUX older|acomp|2|ADJ than|mark|6|SCONJ"
        " it|nsubj|6|PRON looked|advcl|3|VERB ,|punct|14|PUNCT the|det|9|DET"
        " researchers|nsubj|14|NOUN who|nsubj|11|PRON took|relcl|9|VERB it|dobj|11|PRON"
        " apart|advmod|11|ADV wrote|ROOT|14|VERB in|prep|14|ADP March|pobj|15|PROPN"
        " .|punct|14|PUNCT",
        ("researchers", "wrote", "The tool was older than it looked"),
    ),
    "a document of which is told how it came to light": (
        "According to a letter seen by the ministry, the port never closed.",
        "According|prep|12|VERB to|prep|0|ADP a|det|3|DET letter|pobj|1|NOUN seen|acl|3|VERB"
        " by|agent|4|ADP the|det|7|DET ministry|pobj|5|NOUN ,|punct|12|PUNCT the|det|10|DET"
        " port|nsubj|12|NOUN never|neg|12|ADV closed|ROOT|12|VERB .|punct|12|PUNCT",
        ("letter", "according to", "the port never closed"),
    ),
    "a verb that leans on another's subject": (
        "The envoy resigned, saying that he had been misled.",
        "The|det|1|DET envoy|nsubj|2|NOUN resigned|ROOT|2|VERB ,|punct|2|PUNCT saying|advcl|2|VERB"
        " that|mark|9|SCONJ he|nsubjpass|9|PRON had|aux|9|AUX been|auxpass|9|AUX"
        " misled|ccomp|4|VERB .|punct|2|PUNCT",
        ("envoy", "saying", "he had been misled"),
    ),
    "people whom no table knows": (
        "Two people briefed on the matter said that the keys were copied.",
        "Two|nummod|1|NUM people|nsubj|6|NOUN briefed|acl|1|VERB on|prep|2|ADP the|det|5|DET"
        " matter|pobj|3|NOUN said|ROOT|6|VERB that|mark|11|SCONJ the|det|9|DET"
        " keys|nsubjpass|11|NOUN were|auxpass|11|AUX copied|ccomp|6|VERB .|punct|6|PUNCT",
        ("Two people", "said", "the keys were copied"),
    ),
    "a time and an occasion between the cue and that": (
        "The ministry said on Wednesday, after a meeting with the operators, that the wiper had"
        " reached three more ports.",
        "The|det|1|DET ministry|nsubj|2|NOUN said|ROOT|2|VERB on|prep|2|ADP Wednesday|pobj|3|PROPN"
        " ,|punct|2|PUNCT after|prep|17|ADP a|det|8|DET meeting|pobj|6|NOUN with|prep|8|ADP"
        " the|det|11|DET operators|pobj|9|NOUN ,|punct|17|PUNCT that|mark|17|SCONJ the|det|15|DET"
        " wiper|nsubj|17|NOUN had|aux|17|AUX reached|ccomp|2|VERB three|nummod|20|NUM"
        " more|amod|20|ADJ ports|dobj|17|NOUN .|punct|2|PUNCT",
        ("ministry", "said", "the wiper had reached three more ports"),
    ),
    "Universal Dependencies": (
        "The engineers who repaired the relay after the storm now believe that it failed.",
        "The|det|1|DET engineers|nsubj|10|NOUN who|nsubj|3|PRON repaired|acl:relcl|1|VERB"
        " the|det|5|DET relay|obj|3|NOUN after|case|8|ADP the|det|8|DET storm|obl|3|NOUN"
        " now|advmod|10|ADV believe|root|10|VERB that|mark|13|SCONJ it|nsubj|13|PRON"
        " failed|ccomp|10|VERB .|punct|10|PUNCT",
        ("engineers", "believe", "it failed"),
    ),
}


@pytest.mark.parametrize("case", FOUND)
def test_words_told_over_a_longer_way_are_found(case: str) -> None:
    text, tree, expected = FOUND[case]
    [draft] = learned(text, tree)
    assert (draft.speaker, draft.cue, draft.words) == expected
    assert not draft.direct


def test_a_draft_says_that_a_parser_found_it_and_which() -> None:
    text, tree, _ = FOUND["the words come first"]
    [draft] = learned(text, tree)
    assert draft.parser == NAME
    assert f"found by a learned parser: {NAME}" in draft.confidence_notes


def test_the_time_printed_beside_a_cue_is_taken() -> None:
    text, tree, _ = FOUND["a time and an occasion between the cue and that"]
    [draft] = learned(text, tree)
    assert (draft.date, draft.precision) == ("2026-11-18", "day")


LEFT = {
    "not said": (
        "The men who ran the laboratory did not say that the port was closed.",
        "The|det|1|DET men|nsubj|8|NOUN who|nsubj|3|PRON ran|relcl|1|VERB the|det|5|DET"
        " laboratory|dobj|3|NOUN did|aux|8|AUX not|neg|8|PART say|ROOT|8|VERB that|mark|13|SCONJ"
        " the|det|11|DET port|nsubjpass|13|NOUN was|auxpass|13|AUX closed|ccomp|8|VERB"
        " .|punct|8|PUNCT",
    ),
    "only thought possible": (
        "The men who ran it may argue that nothing happened.",
        "The|det|1|DET men|nsubj|6|NOUN who|nsubj|3|PRON ran|relcl|1|VERB it|dobj|3|PRON"
        " may|aux|6|AUX argue|ROOT|6|VERB that|mark|9|SCONJ nothing|nsubj|9|PRON"
        " happened|ccomp|6|VERB .|punct|6|PUNCT",
    ),
    "declined": (
        "The minister declined to say whether it was used.",
        "The|det|1|DET minister|nsubj|2|NOUN declined|ROOT|2|VERB to|aux|4|PART say|xcomp|2|VERB"
        " whether|mark|8|SCONJ it|nsubjpass|8|PRON was|auxpass|8|AUX used|ccomp|4|VERB"
        " .|punct|2|PUNCT",
    ),
    "a thing seen": (
        "The polls show her pulling away.",
        "The|det|1|DET polls|nsubj|2|NOUN show|ROOT|2|VERB her|nsubj|4|PRON pulling|ccomp|2|VERB"
        " away|advmod|4|ADV .|punct|2|PUNCT",
    ),
    "a thing that says nothing": (
        "The list of guests signals that he stays.",
        "The|det|1|DET list|nsubj|4|NOUN of|prep|1|ADP guests|pobj|2|NOUN signals|ROOT|4|VERB"
        " that|mark|7|SCONJ he|nsubj|7|PRON stays|ccomp|4|VERB .|punct|4|PUNCT",
    ),
    "nobody": (
        "It was said that the port was closed.",
        "It|nsubjpass|2|PRON was|auxpass|2|AUX said|ROOT|2|VERB that|mark|7|SCONJ the|det|5|DET"
        " port|nsubjpass|7|NOUN was|auxpass|7|AUX closed|ccomp|2|VERB .|punct|2|PUNCT",
    ),
    "whoever wrote the text": (
        "What we who read it now believe is that it was copied.",
        "What|dobj|6|PRON we|nsubj|6|PRON who|nsubj|3|PRON read|relcl|1|VERB it|dobj|3|PRON"
        " now|advmod|6|ADV believe|ROOT|6|VERB is|aux|6|AUX that|mark|11|SCONJ it|nsubjpass|11|PRON"
        " was|auxpass|11|AUX copied|ccomp|6|VERB .|punct|6|PUNCT",
    ),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_is_no_claim_of_somebody_is_left(case: str) -> None:
    assert learned(*LEFT[case]) == []


def test_words_that_go_on_in_a_quotation_are_left_to_the_rules() -> None:
    tree = (
        "The|det|1|DET men|nsubj|2|NOUN said|ROOT|2|VERB that|mark|7|SCONJ a|det|5|DET"
        " caller|nsubj|7|NOUN had|aux|7|AUX told|ccomp|2|VERB her|dobj|7|PRON :|punct|7|PUNCT"
        " “|punct|7|PUNCT Go|ROOT|11|VERB now|advmod|11|ADV .|punct|11|PUNCT ”|punct|11|PUNCT"
    )
    text = "The men said that a caller had told her: “Go now.”"
    assert parse(text, Trees({text: tree})).attributions == []


def test_words_may_open_with_one_in_quotation_marks() -> None:
    tree = (
        "They|nsubj|1|PRON believe|ROOT|1|VERB that|mark|6|SCONJ “|punct|4|PUNCT list|nsubj|6|NOUN"
        " ”|punct|4|PUNCT was|ccomp|1|AUX a|det|8|DET copy|attr|6|NOUN .|punct|1|PUNCT"
    )
    text = "They believe that “list” was a copy."
    [one] = parse(text, Trees({text: tree})).attributions
    assert text[slice(*one.words)] == "“list” was a copy"


def test_who_is_accused_and_by_whom_in_the_passive() -> None:
    tree = (
        "Northland|nsubjpass|2|PROPN was|auxpass|2|AUX accused|ROOT|2|VERB by|agent|2|ADP"
        " Eastmark|pobj|3|PROPN of|prep|2|ADP having|aux|7|AUX attacked|pcomp|5|VERB the|det|9|DET"
        " port|dobj|7|NOUN .|punct|2|PUNCT"
    )
    text = "Northland was accused by Eastmark of having attacked the port."
    [one] = parse(text, Trees({text: tree})).attributions
    assert one.addressee is not None
    printed = [text[slice(*span[:2])] for span in (one.speaker, one.addressee, one.words)]
    assert printed == ["Eastmark", "Northland", "having attacked the port"]


def test_words_with_their_speaker_in_the_middle_say_so() -> None:
    tree = (
        "The|det|1|DET relay|nsubj|6|NOUN ,|punct|4|PUNCT officials|nsubj|4|NOUN"
        " said|parataxis|6|VERB ,|punct|4|PUNCT was|ROOT|6|AUX down|advmod|6|ADV for|prep|6|ADP"
        " two|nummod|10|NUM days|pobj|8|NOUN .|punct|6|PUNCT"
    )
    text = "The relay, officials said, was down for two days."
    [one] = parse(text, Trees({text: tree})).attributions
    assert one.around
    assert text[slice(*one.words)] == "The relay, officials said, was down for two days"


def test_what_somebody_says_another_said_is_the_first_ones_word() -> None:
    tree = (
        "Eastmark|nsubj|1|PROPN said|ROOT|1|VERB that|mark|4|SCONJ Northland|nsubj|4|PROPN"
        " denied|ccomp|1|VERB that|mark|7|SCONJ it|nsubj|7|PRON had|ccomp|4|VERB any|det|9|DET"
        " role|dobj|7|NOUN .|punct|1|PUNCT"
    )
    text = "Eastmark said that Northland denied that it had any role."
    [one] = parse(text, Trees({text: tree})).attributions
    assert text[one.speaker.start : one.speaker.end] == "Eastmark"


def test_a_pronoun_is_whoever_the_rules_take_it_for() -> None:
    first = "Mira Sand, who leads the laboratory, said the tool was old."
    second = "She who had held it in her hands when it came now believes that it was copied."
    tree = (
        "She|nsubj|12|PRON who|nsubj|3|PRON had|aux|3|AUX held|relcl|0|VERB it|dobj|3|PRON"
        " in|prep|3|ADP her|poss|7|PRON hands|pobj|5|NOUN when|advmod|10|SCONJ it|nsubj|10|PRON"
        " came|advcl|3|VERB now|advmod|12|ADV believes|ROOT|12|VERB that|mark|16|SCONJ"
        " it|nsubjpass|16|PRON was|auxpass|16|AUX copied|ccomp|12|VERB .|punct|12|PUNCT"
    )
    text = f"{first}\n\n{second}\n"
    drafts = read_claims(text, published=None, parsed=parse(text, Trees({second: tree})))
    [one] = [draft for draft in drafts if draft.parser]
    assert one.speaker == "Mira Sand"
    assert "speaker from 'she': the last one speaking before" in one.confidence_notes


# --- beside the rules -----------------------------------------------------------------------------


def test_words_that_a_rule_has_taken_are_not_taken_twice() -> None:
    tree = (
        "The|det|1|DET agency|nsubj|2|NOUN said|ROOT|2|VERB that|mark|7|SCONJ the|det|5|DET"
        " port|nsubjpass|7|NOUN was|auxpass|7|AUX closed|ccomp|2|VERB .|punct|2|PUNCT"
    )
    text = "The agency said that the port was closed."
    assert len(parse(text, Trees({text: tree})).attributions) == 1
    assert learned(text, tree) == []


SENTENCES = [text for text, *_ in FOUND.values()] + [text for text, *_ in LEFT.values()]


DEPS = sorted({row.split("|")[-3] for _, tree, *_ in FOUND.values() for row in tree.split()})


@st.composite
def trees(draw: st.DrawFn) -> tuple[str, dict[str, list[list[Word]]]]:
    """A text of real sentences, each with any tree at all."""
    known: dict[str, list[list[Word]]] = {}
    chosen = draw(st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=4, unique=True))
    for text in chosen:
        found: list[Word] = []
        at = 0
        for printed in text.split(" "):
            at = text.index(printed, at)
            head = draw(st.integers(-2, text.count(" ") + 2))
            dep = draw(st.sampled_from(DEPS))
            found.append(
                Word(at, at + len(printed), head, dep, draw(st.sampled_from(["VERB", ""])))
            )
            at += len(printed)
        known[text] = [found]
    return "\n\n".join(chosen) + "\n", known


class Given(OneByOne):
    """A parser that gives what it is told to."""

    def __init__(self, known: dict[str, list[list[Word]]]) -> None:
        self.known = known

    def one(self, text: str) -> list[list[Word]]:
        return self.known[text]


@given(trees())
def test_whatever_a_parser_says_the_rules_drafts_stay_as_they_are(
    drawn: tuple[str, dict[str, list[list[Word]]]],
) -> None:
    text, known = drawn
    parsed = parse(text, Given(known))
    alone = read_claims(text, published=None, lang="en")
    both = read_claims(text, published=None, lang="en", parsed=parsed)
    assert [draft for draft in both if draft.parser is None] == alone
    covered: set[int] = set()
    for draft in alone:
        covered.update(range(*draft.span))
    for draft in both:
        if draft.parser is not None:
            assert draft.words == text[draft.span[0] : draft.span[1]]
            assert draft.speaker
            assert not covered & set(range(*draft.span))
            covered.update(range(*draft.span))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), max_size=8),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), max_size=8),
)
def test_a_stretch_is_clear_if_no_place_of_it_is_taken(
    taken: list[tuple[int, int]], wanted: list[tuple[int, int]]
) -> None:
    full = [(start, start + length) for start, length in taken]
    asked = sorted((start, start + length) for start, length in wanted)
    used = {place for span in full for place in range(*span)}
    expected = []
    for span in asked:
        places = set(range(*span))
        expected.append(not places & used)
        used |= places if expected[-1] else set()
    assert clear_of(full, asked) == expected


# --- bounds ---------------------------------------------------------------------------------------


class Sees(OneByOne):
    """A parser that remembers the pieces it was given."""

    def __init__(self) -> None:
        self.pieces: list[str] = []

    def one(self, text: str) -> list[list[Word]]:
        self.pieces.append(text)
        return []


@pytest.mark.parametrize("body", ["word " * 9_000, "x" * 45_000, "One. Two. " * 4_000])
def test_a_long_paragraph_is_parsed_in_pieces(body: str) -> None:
    parser = Sees()
    parse(body, parser)
    assert max(map(len, parser.pieces)) <= PIECE
    assert "".join(parser.pieces) == body.strip()


def test_of_a_long_text_a_part_is_parsed_and_the_rest_is_named() -> None:
    text = ("word " * 1_000 + "end.\n\n") * (MOST // 5_000 + 5)
    parser = Sees()
    [left] = parse(text, parser).unread
    assert sum(map(len, parser.pieces)) <= MOST
    assert "the rest is read by the rules" in left.note
    assert text[left.end :].strip() == ""


def test_a_parser_that_fails_on_one_paragraph_is_asked_for_the_others() -> None:
    class Fails(Sees):
        def one(self, text: str) -> list[list[Word]]:
            if "bad" in text:
                raise RuntimeError("whatever")
            return super().one(text)

    parser = Fails()
    text = "The first one.\n\nA bad one.\n\nThe last one.\n"
    [left] = parse(text, parser).unread
    assert text[left.start : left.end] == "A bad one."
    assert {"The first one.", "The last one."} <= set(parser.pieces)
    assert left.note == f"{NAME} failed on these words (RuntimeError)"


def test_a_parser_that_gives_fewer_texts_than_it_was_given_is_asked_for_each() -> None:
    class Drops(Sees):
        def parse(self, texts: Sequence[str]) -> list[list[list[Word]]]:
            return super().parse(texts)[:1] if "One." in texts else []

    [left] = parse("One.\n\nTwo.\n", Drops()).unread
    assert (left.start, left.end) == (6, 10)


def test_short_paragraphs_go_to_the_parser_together_and_never_too_many() -> None:
    class Counts(Sees):
        def parse(self, texts: Sequence[str]) -> list[list[list[Word]]]:
            sizes.append(sum(map(len, texts)))
            return super().parse(texts)

    sizes: list[int] = []
    parse("\n\n".join(["A few words in a line."] * 2_000), Counts())
    assert max(sizes) <= PIECE
    assert len(sizes) < 6


def test_a_sentence_no_person_wrote_is_not_looked_at() -> None:
    text = "said " * (parsing.LONGEST + 1)
    words_ = [Word(5 * n, 5 * n + 4, 0, "ccomp", "VERB") for n in range(parsing.LONGEST + 1)]
    parsed = parse(text, Given({text.strip(): [words_]}))
    assert not parsed.attributions
    assert len(parsed.unread) == 1


def test_a_tree_as_deep_as_it_is_long_is_walked() -> None:
    text = " ".join(["said"] * parsing.LONGEST)
    deep = [Word(5 * n, 5 * n + 4, n + 1, "nsubj", "VERB") for n in range(parsing.LONGEST)]
    parse(text, Given({text: [deep]}))


@pytest.mark.parametrize("printed", ["went", "according to", "said"])
@pytest.mark.parametrize("dep", ["xcomp", "conj", "ccomp", "prep", "nsubj"])
def test_words_that_hang_on_each_other_in_a_ring_end_nowhere(printed: str, dep: str) -> None:
    text = " ".join([printed] * 6)
    spans = [(m.start(), m.end()) for m in re.finditer(r"\w+", text)]
    ring = [Word(*span, (n + 1) % len(spans), dep, "") for n, span in enumerate(spans)]
    assert parse(text, Given({text: [ring]})).unread == []


def test_a_chain_of_cues_as_long_as_a_sentence_is_walked() -> None:
    text = " ".join(["went"] * (parsing.LONGEST - 1) + ["said"])
    chain = [Word(5 * n, 5 * n + 4, max(0, n - 1), "xcomp") for n in range(parsing.LONGEST)]
    assert parse(text, Given({text: [chain]})).attributions == []


# --- a report -------------------------------------------------------------------------------------


def test_a_report_lists_what_was_not_parsed() -> None:
    class Fails(Sees):
        def one(self, text: str) -> list[list[Word]]:
            raise ValueError(text)

    raw = b"The agency said that the port was closed.\n"
    found = report.read(raw, "a.txt", parser=Fails())
    assert [loss.kind for loss in found.losses] == ["not-parsed"]
    assert [draft.parser for draft in found.drafts] == [None]


def test_a_parser_of_another_language_than_the_text_is_refused() -> None:
    raw = "Le ministère a dit que le port était fermé, et que la centrale est en panne.".encode()
    with pytest.raises(ParserError, match="the text is in 'fr'") as refused:
        report.read(raw, "a.txt", parser=Sees())
    assert NAME in refused.value.message


def test_the_parser_is_in_the_json_of_its_drafts_and_of_no_others() -> None:
    told = "The agency said that the port was closed.\n\n"
    text, tree, _ = FOUND["people whom no table knows"]
    found = report.read((told + text).encode(), "a.txt", parser=Trees({text: tree}))
    machines = to_json(found)["drafts"]
    assert [machine.get("parser") for machine in machines] == [None, NAME]
    assert "parser" not in machines[0]
