"""Laws of STIX patterns: writing undoes reading, both ways of reading agree, nothing is worse than
an error."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from tests.properties.pattern_trees import FRAGMENTS, almost_patterns, patterns, texts

from tocsin.errors import PatternError
from tocsin.stix.needles import comparisons
from tocsin.stix.pattern import Pattern, check, parse, unplaced, write
from tocsin.stix.pattern_descent import parse_slowly
from tocsin.stix.pattern_rules import RULES


@given(patterns())
def test_what_is_written_is_read_as_the_same_tree(tree: Pattern) -> None:
    text = write(tree)
    read = parse(text)
    assert unplaced(read) == tree
    assert write(read) == text
    assert parse(write(read)) == read


@given(texts(patterns()))
def test_blanks_comments_and_spellings_change_no_tree(made: tuple[str, Pattern]) -> None:
    text, tree = made
    assert unplaced(parse(text)) == tree
    assert parse_slowly(text) == parse(text)


def verdict(text: str, *, slowly: bool) -> Pattern | tuple[str, int, str]:
    try:
        return parse_slowly(text) if slowly else parse(text)
    except PatternError as wrong:
        return wrong.code, wrong.position, wrong.detail


PIECES = (
    "[ a:b x-y:c.'d-e'[0] file:AND = == != LIKE 'x' 'it\\'s' 7 07 5.5 -1 AND OR ] ( ) '\\\\ NOT <"
)
plain_like = st.lists(st.sampled_from([*PIECES.split(), " ", "\n", "\u3000"]), max_size=24).map(
    "".join
)
plain = st.lists(
    st.builds(
        lambda path, word, value, joint: f"{path} {word} {value} {joint}",
        st.sampled_from(["a:b", "x-y:c.'d-e'[0]", "file:hashes.MD5", "a:AND"]),
        st.sampled_from(["=", "!=", "<", "LIKE", "IN"]),
        st.sampled_from(["'x'", "'it\\'s'", "7", "5.5", "true", "('x')"]),
        st.sampled_from(["AND ", "OR ", "]", "] AND [", "OR("]),
    ),
    max_size=4,
).map(lambda parts: "[" + "".join(parts))


@given(st.one_of(plain_like.map("[a:b = 'x' ".__add__), plain_like, plain))
def test_the_short_way_and_the_descent_say_the_same(text: str) -> None:
    assert verdict(text, slowly=False) == verdict(text, slowly=True)


@given(
    st.one_of(
        st.text(max_size=60),
        st.text("[]()'\\=:,. *aANDt09-/\n\"", max_size=40),
        st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(" ".join),
        almost_patterns(patterns()),
    )
)
def test_any_text_is_a_tree_or_a_typed_error_with_its_place(text: str) -> None:
    found = verdict(text, slowly=False)
    assert verdict(text, slowly=True) == found
    problems = check(text)
    assert all(one.code in RULES and 0 <= one.position <= len(text) for one in problems)
    if isinstance(found, tuple):
        assert [(one.code, one.position) for one in problems] == [found[:2]]
    else:
        assert unplaced(parse(write(found))) == unplaced(found)
    with suppress(PatternError):
        assert isinstance(comparisons(text), list)


@given(patterns())
def test_what_is_wrong_does_not_turn_on_how_it_is_written(tree: Pattern) -> None:
    text = write(tree)
    again = "(" + text.replace(" ", "  ") + " )"
    with suppress(PatternError):  # blanks inside text are text, and then it is another pattern
        if unplaced(parse(again)) == tree:
            assert [one.code for one in check(again)] == [one.code for one in check(text)]
