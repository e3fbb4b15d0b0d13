"""How much of the long runs is done: all of it, or with TOCSIN_LONG=4 every fourth point."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

EVERY = int(os.environ.get("TOCSIN_LONG", "1"))


def slice_of(points: Sequence[T]) -> Sequence[T]:
    """Every point, or one of each `EVERY`, spread over the whole."""
    return points[::EVERY]


def slice_count(points: int) -> int:
    """What a run of so many points has to reach."""
    return -(-points // EVERY)
