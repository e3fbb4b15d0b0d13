"""A TAXII server for a file of tests, or for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.taxii.served import Served, node_with_taxii


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for a file of tests."""
    with node_with_taxii(tmp_path_factory.mktemp("taxii")) as found:
        yield found


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Served]:
    """A server of one's own."""
    with node_with_taxii(tmp_path) as found:
        yield found
