"""Words: one way of cutting, for texts and for questions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.fakes import thing

from tocsin.store.interface import Attachment
from tocsin.store.words import MAX_WORD, asked, words, words_of


def test_an_id_a_host_a_url_and_an_address_are_one_word_and_their_parts() -> None:
    found = words("see [url:value = 'https://evil.example/a?b'] and 2001:DB8::1.")
    assert {"https://evil.example/a?b", "evil.example", "evil", "2001:db8::1"} <= found


def test_case_and_unicode_form_do_not_matter() -> None:
    assert asked("CAFE\u0301 Straße") == asked("café STRASSE")


def test_all_text_values_count_and_keys_do_not() -> None:
    item = thing("tool", 1, name="outer", x_list=["inner", {"x_key": "deep"}], x_number=5)
    found = words_of(item)
    assert {"outer", "inner", "deep", item.id} <= found
    assert "x_key" not in found


def test_an_attachment_that_is_no_text_has_no_words_but_its_id() -> None:
    file = Attachment.of(b"word", "application/pdf")
    assert "word" not in words_of(file)
    assert "word" in words_of(Attachment.of(b"word \xff\xfe", "text/html"))


def test_broken_json_has_no_words() -> None:
    assert words_of(Attachment(raw=b"{", sha256="", id="tool--1", type="tool")) == set()


def test_a_long_word_is_cut_alike_in_text_and_question() -> None:
    long = "a" * (MAX_WORD + 50)
    assert set(asked(long)) <= words(long)


@given(st.text(max_size=80))
def test_a_text_is_found_by_each_of_its_words(text: str) -> None:
    assert set(asked(text)) <= words(text)


@given(st.text(max_size=80))
def test_a_word_asked_for_stays_the_word_it_is(text: str) -> None:
    for word in asked(text):
        assert asked(word) == [word]
