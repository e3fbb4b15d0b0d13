"""Directories, keys and revocations fetched from others, of whom some are hostile."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.errors import ConfigError, InputError, LogHalted, UnreachableError
from tocsin.flows.keys import Follower

World = Any  # tests/unit/conftest.py


class Pages:
    """Other nodes: the first answers as a test says, the others are silent."""

    def __init__(self, wrong: Exception) -> None:
        self.wrong = wrong
        self.asked: list[str] = []

    def directory(self, url: str, after: int = -1) -> Any:
        self.asked.append(url)
        if url == "hostile":
            raise self.wrong
        raise UnreachableError(f"{url} does not answer", remedy="wait")


@pytest.mark.parametrize(
    "wrong",
    [
        UnreachableError("no", remedy="wait"),
        InputError("too large", remedy="ask for less"),
        ConfigError("'ftp://x' is not the address of a node", remedy="mend it"),
        ValueError("what nobody thought of"),
    ],
)
def test_whatever_one_node_answers_the_others_are_asked(world: World, wrong: Exception) -> None:
    pages = Pages(wrong)
    assert Follower(world.node, lambda: ["hostile", "honest"], pages).round() == 0
    assert pages.asked == ["hostile", "honest"]


def test_a_node_that_takes_no_statements_asks_nobody_further(world: World) -> None:
    pages = Pages(LogHalted("an old store", remedy="restore it"))
    with pytest.raises(LogHalted):
        Follower(world.node, lambda: ["hostile", "honest"], pages).round()
