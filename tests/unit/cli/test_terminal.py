"""What a terminal would act on never reaches it, in words or in JSON."""

from __future__ import annotations

import io
import json
import time

import pytest

from tocsin.cli import terminal


def test_json_escapes_what_a_terminal_would_act_on(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": "\x1b[31m \x7f \x9b31m \u202e \u2066 \u200b \u2028 \U000e0041 – Ærø 电网 🙂"}
    terminal.json_out(value)
    shown = capsys.readouterr().out
    assert json.loads(shown) == value
    assert not set(shown) & set("\x1b\x7f\x9b\u202e\u2066\u200b\u2028\U000e0041")
    assert "– Ærø 电网 🙂" in shown


def test_a_table_on_a_narrow_terminal_cuts_the_column_that_may_be_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "width", lambda: 80)
    draft = ["0749e3cabaf29cda.1", "accepted", "victim-claim", "Ines Halvorsen", "-", "word " * 40]
    terminal.table(
        ["DRAFT", "STATE", "TYPE", "SPEAKER", "DATE", "WORDS"], [draft], grow=5, least=12
    )
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("asked", [True, False])
def test_whoever_looks_at_it_sees_how_far_it_is(
    asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", screen)
    with terminal.busy("reading \x1b[31ma.pdf", (lambda: (50, 200)) if asked else None) as tell:
        if not asked:
            tell(50, 200)
        until = time.monotonic() + 20
        while "pages" not in screen.getvalue() and time.monotonic() < until:
            time.sleep(0.05)
    assert "[#####...............] 50 of 200 pages" in screen.getvalue()
    assert "\x1b[31m" not in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_nothing_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.busy("reading a.pdf") as tell:
        tell(1, 2)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("below", [0, 1])
def test_words_of_a_wrapped_text_stand_in_one_line(
    below: int, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.table(
        ["SPEAKER", "WORDS"],
        [["Ann Orr", "We\r\n  found the\nsame \x1b tool"]],
        grow=1 - below,
        below=below,
    )
    assert "We found the same \\u{1B} tool" in capsys.readouterr().out
