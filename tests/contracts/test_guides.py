"""What a guide tells people to type exists: its verbs, and the options they take."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from tocsin.cli import tocsin

GUIDES = Path(__file__).resolve().parent.parent.parent / "docs" / "guides"


VALUED = {
    name for p in tocsin.params if isinstance(p, click.Option) and not p.is_flag for name in p.opts
}
"""Options in front of a verb that take a value."""


def commands() -> list[str]:
    """Every command line of every guide: those of blocks, and those within the text."""
    found = []
    for guide in sorted(GUIDES.glob("*.md")):
        text = guide.read_text("utf-8")
        found += re.findall(r"^\$ (tocsin .*)$", text, re.MULTILINE)
        plain = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        found += re.findall(r"`(tocsin [^`]+)`", plain)
    return found


@pytest.mark.parametrize("words", commands())
def test_a_guide_names_verbs_and_options_that_are_there(words: str) -> None:
    args = shlex.split(words.partition(">")[0])[1:]
    command: click.Command = tocsin
    context = click.Context(tocsin)
    options = {name for p in tocsin.params for name in p.opts}
    while args:
        word = args.pop(0)
        if word.startswith("--"):
            assert word in options, f"{words}: no option {word}"
            if command is tocsin and word in VALUED:
                args.pop(0)
        elif isinstance(command, click.Group) and not word.startswith("http"):
            inner = command.get_command(context, word)
            assert inner is not None, f"{words}: no verb {word}"
            command, options = inner, options | {n for p in inner.params for n in p.opts}
