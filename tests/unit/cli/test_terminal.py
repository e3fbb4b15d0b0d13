"""What a terminal would act on never reaches it, in words or in JSON."""

from __future__ import annotations

import json

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
