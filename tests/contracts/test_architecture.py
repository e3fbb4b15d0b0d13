"""ARCHITECTURE.md names every module in the line of its room, and no module that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "tocsin"
PAGE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
ROOMS = sorted(room.name for room in SOURCE.iterdir() if room.is_dir() and list(room.glob("*.py")))


def modules(room: str) -> set[str]:
    """The Python files of a room, but for `__init__` and tables of data below it."""
    return {file.stem for file in (SOURCE / room).glob("*.py")} - {"__init__", "__main__"}


def first_cell(room: str) -> str:
    """What the table of rooms says is in this one."""
    [cell] = re.findall(rf"^\| `{room}/`(.*?) \|", PAGE, re.MULTILINE)
    return str(cell)


def record() -> str:
    """The table of the room that is described file by file."""
    return PAGE[PAGE.index("## The record, file by file") : PAGE.index("## The life of a report")]


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in ("record", "samples")])
def test_the_map_of_a_room_is_the_room(room: str) -> None:
    words = re.findall(r"[a-z][a-z0-9_]*", first_cell(room))
    named = set(words) - {"and", "a", "table", "the", "three", "tables"}
    found = modules(room) | {d.name for d in (SOURCE / room).iterdir() if d.is_dir()}
    assert modules(room) <= named, sorted(modules(room) - named)
    assert named <= found, sorted(named - found)


def test_every_file_of_the_record_is_named() -> None:
    named = set(re.findall(r"`([a-z][a-z0-9_]*)(?:\.py)?`", record()))
    assert modules("record") <= named, sorted(modules("record") - named)


def test_every_room_and_single_file_has_its_line() -> None:
    rows = [row for row in PAGE.splitlines() if row.startswith("| `")]
    for room in ROOMS:
        assert any(row.startswith(f"| `{room}/`") for row in rows), room
    for file in SOURCE.glob("*.py"):
        if not file.stem.startswith("__"):
            assert any(f"`{file.name}`" in row for row in rows), file.name
