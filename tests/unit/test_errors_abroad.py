"""What somebody elsewhere is told of a fault of ours names no folder of this machine."""

from __future__ import annotations

import orjson
import pytest

from tocsin.console.problems import problem_of
from tocsin.errors import ConfigError, StorageFullError, StoreError, UsageError


@pytest.mark.parametrize(
    ("told", "abroad"),
    [
        ("/srv/tocsin/data/tocsin.sqlite is damaged", "tocsin.sqlite is damaged"),
        ("cannot write '/home/anna/.local/x/data/tiles/0/001': full", "cannot write '001': full"),
        ("guard (/var/lib/tocsin/guard/head) is damaged", "guard (head) is damaged"),
        ("C:\\Users\\anna\\data\\tocsin.sqlite: locked", "tocsin.sqlite: locked"),
        ("no answer from https://cert.north.example/taxii2/api/", None),
        ("application/json and 3/4 of and/or a/b/c", None),
        ("/taxii2 is a path of one step", None),
    ],
)
def test_folders_go_and_everything_else_stays(told: str, abroad: str | None) -> None:
    assert StoreError(told, remedy="-").abroad == (told if abroad is None else abroad)


@pytest.mark.parametrize("kind", [StoreError, StorageFullError, ConfigError])
def test_a_fault_of_ours_is_told_without_them(kind: type[StoreError]) -> None:
    problem = problem_of(kind("/srv/tocsin/data/tocsin.sqlite: disk I/O error", remedy="-"))
    assert problem.status >= 500
    assert problem.detail == "tocsin.sqlite: disk I/O error"
    assert b"/srv" not in orjson.dumps(problem.detail)


def test_what_somebody_typed_is_said_back_as_typed() -> None:
    assert problem_of(UsageError("/srv/x: no such file", remedy="-")).detail == (
        "/srv/x: no such file"
    )
