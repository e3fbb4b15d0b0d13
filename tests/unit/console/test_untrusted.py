"""What a hostile text becomes on a page, in a cell, on a terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.console.untrusted import (
    FOLD_AT,
    Piece,
    clipped,
    csv_cell,
    defang,
    pieces,
    script,
    shown,
    source,
    terminal,
)


def visible(found: list[Piece] | tuple[Piece, ...]) -> str:
    return "".join(piece.text for piece in found)


@pytest.fixture
def strings(corpus: Callable[[str], Path]) -> list[dict[str, Any]]:
    listed = json.loads(corpus("console/untrusted-strings.json").read_text())["strings"]
    return [entry for entry in listed if "text" in entry]


def test_every_string_of_the_corpus_shows_what_it_must(strings: list[dict[str, Any]]) -> None:
    for entry in strings:
        seen = " ".join(visible(pieces(entry["text"])).split())
        for part in entry["shows"]:
            assert " ".join(part.split()) in seen, entry["id"]
        for part in entry.get("absent", []):
            assert part not in seen, entry["id"]


def test_exactly_the_listed_characters_get_a_chip(strings: list[dict[str, Any]]) -> None:
    for entry in strings:
        chips = {piece.text for piece in pieces(entry["text"]) if piece.kind == "chip"}
        assert chips == set(entry["chips"]), entry["id"]


def test_exactly_the_listed_words_are_marked_as_mixed(strings: list[dict[str, Any]]) -> None:
    for entry in strings:
        notes = [piece.note for piece in pieces(entry["text"]) if piece.kind == "mixed"]
        expected = entry.get("mixed_scripts")
        assert notes == ([" + ".join(expected)] if expected else []), entry["id"]


def test_compatibility_letters_are_named_beside_the_word(strings: list[dict[str, Any]]) -> None:
    for entry in strings:
        found = [piece for piece in pieces(entry["text"]) if piece.kind == "compat"]
        assert bool(found) == bool(entry.get("compat")), entry["id"]
    [fullwidth] = [
        piece for piece in pieces("\uff47\uff52\uff49\uff44\uff43\uff4f.example") if piece.note
    ]
    assert fullwidth.note == "gridco"


def test_long_texts_are_folded_and_lose_nothing(strings: list[dict[str, Any]]) -> None:
    for entry in strings:
        folded = shown(entry["text"])
        assert bool(folded.rest) == bool(entry.get("folded")), entry["id"]
        if folded.rest:
            assert visible(folded.head + folded.rest) == visible(pieces(entry["text"]))
            assert len(visible(folded.head)) <= FOLD_AT


def test_combining_marks_are_capped_and_counted(strings: list[dict[str, Any]]) -> None:
    for entry in strings:
        capped = [piece for piece in pieces(entry["text"]) if piece.kind == "capped"]
        assert bool(capped) == bool(entry.get("capped")), entry["id"]
    [note] = [piece.text for piece in pieces("Z" + "\u0301" * 400) if piece.kind == "capped"]
    assert note == "392 more marks"


def test_addresses_are_defanged_and_copy_gives_the_real_one(strings: list[dict[str, Any]]) -> None:
    for entry in strings:
        if "copies" in entry:
            assert [piece.real for piece in pieces(entry["text"])] == [entry["copies"]]


def test_cells_and_terminal_lines_are_exactly_as_listed(strings: list[dict[str, Any]]) -> None:
    for entry in strings:
        assert csv_cell(entry["text"]) == entry.get("csv", entry["text"]), entry["id"]
        assert terminal(entry["text"]) == entry.get("terminal", entry["text"]), entry["id"]


@pytest.mark.parametrize(
    ("address", "harmless"),
    [
        ("https://a.b.example/c.d?e=f.g", "hxxps://a[.]b[.]example/c.d?e=f.g"),
        ("u@a.b.example", "u[@]a[.]b[.]example"),
        ("http://x.example@192.0.2.1:80/", "hxxp://x[.]example[@]192[.]0[.]2[.]1:80/"),
        ("ftp://a.example", "fxp://a[.]example"),
        ("http://[2001:db8::1]/", "hxxp://[2001:db8::1]/"),
        ("192.0.2.1", "192[.]0[.]2[.]1"),
    ],
)
def test_all_dots_of_the_host_are_bracketed(address: str, harmless: str) -> None:
    assert defang(address) == harmless
    assert visible(pieces(f"see {address} now")) == f"see {harmless} now"


@pytest.mark.parametrize("text", ["README.md", "window.closed", "e.g. this", "1.2.3", "update.zip"])
def test_what_is_no_address_stays_as_written(text: str) -> None:
    assert visible(pieces(text)) == text


def test_the_source_view_keeps_every_character() -> None:
    text = "a\u202eb\r\n\tc\x00 https://a.example\u200b"
    found = source(text)
    assert "".join(piece.real for piece in found) == text
    assert [piece.text for piece in found if piece.kind == "chip"] == ["U+202E", "U+0000", "U+200B"]


def test_lines_are_kept_only_where_asked_for() -> None:
    assert visible(pieces("a\r\nb\rc\nd", one_line=False)) == "a\nb\nc\nd"
    assert visible(pieces("a\r\nb", one_line=True)).split() == ["a", "b"]
    assert terminal("a\n\tb\x1b", one_line=False) == "a\n\tb\\u{1B}"


def test_a_clipped_text_has_nothing_to_unfold() -> None:
    found = clipped("word " * 100, 40)
    assert not found.rest
    assert visible(found.head).endswith("…")


def test_scripts_are_read_from_names() -> None:
    assert [script(char) for char in "aщ電あ1µ"] == ["Latin", "Cyrillic", "Han", "Hiragana", "", ""]


@given(st.text(max_size=80))
def test_nothing_invisible_reaches_the_page(text: str) -> None:
    for piece in pieces(text):
        assert "\u202e" not in piece.text
        assert "\x00" not in piece.text
        piece.text.encode()


@given(st.text(max_size=80))
def test_the_source_view_is_the_text(text: str) -> None:
    assert "".join(piece.real for piece in source(text)) == text


@given(st.text(max_size=400))
def test_folding_changes_no_visible_character(text: str) -> None:
    folded = shown(text)
    assert visible(folded.head + folded.rest) == visible(pieces(text))


def test_a_hostile_length_is_dealt_with_quickly() -> None:
    started = time.perf_counter()
    for text in ("A" * 200_000, "a." * 100_000, "a@" * 100_000, "http://" * 30_000, "-" * 200_000):
        shown(text)
    assert time.perf_counter() - started < 20
