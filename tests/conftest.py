"""What every test shares: where the corpus is, and what its absence means."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.postgres_server import NoServer, Server

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


NO_VERSION = "no version for this Python"
"""Begin a skip's reason with these words where nobody could mend it; it is reported, not failed."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under CI=true a test that would skip has failed: nothing is passed over in silence."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _fail_instead(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that would skip."""
    report = yield
    _fail_instead(report)
    return report


def _fail_instead(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or os.environ.get("CI") != "true":
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if NO_VERSION not in reason:
        report.outcome = "failed"
        report.longrepr = f"skipped under CI=true: {reason}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The number of skipped tests, in the last line before pytest's own."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    terminalreporter.write_line(f"{skipped} skipped: see above for what was not tested")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """One PostgreSQL server for each process of the run; without any it skips loudly."""
    try:
        server = Server()
    except NoServer as wrong:
        pytest.skip(str(wrong))
    yield server
    server.close()


@pytest.fixture
def postgres(postgres_server: Server) -> Iterator[str]:
    """The address of an empty database."""
    name = postgres_server.take()
    yield postgres_server.url(name)
    postgres_server.give_back(name)
