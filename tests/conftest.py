"""What every test shares: where the corpus is, and what its absence means."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "tocsin", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tocsin")

CORPUS = Path(
    os.environ.get("TOCSIN_CORPUS")
    or Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"
)


@pytest.fixture
def corpus() -> Callable[[str], Path]:
    """Gives the path of a corpus file; skips loudly without it, fails under CI=true."""

    def path(name: str) -> Path:
        found = CORPUS / name
        if not found.exists():
            word = f"corpus file {name} is absent (set TOCSIN_CORPUS to its folder)"
            if os.environ.get("CI") == "true":
                pytest.fail(word)
            pytest.skip(word)
        return found

    return path
