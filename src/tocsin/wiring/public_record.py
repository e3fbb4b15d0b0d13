"""The public record as this version ships it: in memory, without a folder, keys or a log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from tocsin.errors import NotFoundError
from tocsin.flows.public_record import PublicRecord
from tocsin.flows.weighed import ClaimPage

NAMES = ("seed.json", "apt-c-39.json", "volt-typhoon.json")


def bundles() -> dict[str, bytes]:
    """The shipped bundles by file name, as exact bytes: digests of standings hold for these."""
    folder = resources.files("tocsin.samples") / "record"
    return {name: folder.joinpath(name).read_bytes() for name in NAMES}


def public_record() -> PublicRecord:
    """All of them in one space."""
    return PublicRecord(bundles().values())


def claim_id(given: str) -> str:
    """A claim of the record by its id, or by the first characters of it. Raises NotFoundError."""
    from tocsin.flows.held import seen
    from tocsin.policy import ANONYMOUS

    found = [id for id in seen(public_record(), ANONYMOUS).view.claims if id.startswith(given)]
    if len(found) != 1:
        raise NotFoundError(
            f"{len(found)} claims of the public record begin with {given[:80]}",
            remedy="take an id of: tocsin demo record --list --json",
        )
    return found[0]


def standing_of(claim: str, as_known: str | None) -> tuple[dict[str, Any], list[str]]:
    """How a claim of the record stands, as JSON, and in sentences.

    Raises:
        NotFoundError: there is no such claim in it.
        UsageError: `as_known` is no time.
    """
    from tocsin.claims.explain import explain
    from tocsin.flows import weigh
    from tocsin.flows.held import seen
    from tocsin.flows.known import as_known as instant_of
    from tocsin.policy import ANONYMOUS

    record = public_record()
    at = instant_of(as_known)
    found = weigh.weigh(record, ANONYMOUS, claim, at)
    view = seen(record, ANONYMOUS).at(at)
    return found.to_json(), [sentence.text for sentence in explain(found, view)]


def page_of(claim: str, as_known: str | None) -> ClaimPage:
    """A claim of the record with all that stands beside it. Raises as `standing_of`."""
    from tocsin.flows import weigh
    from tocsin.flows.known import as_known as instant_of
    from tocsin.policy import ANONYMOUS

    return weigh.claim_page(public_record(), ANONYMOUS, claim, at=instant_of(as_known))


def serve_record(*, host: str, port: int, say: Callable[[str], None]) -> None:
    """Show the record in browsers until told to stop.

    Args:
        say: told the address once the port is open.

    Raises:
        NodeBusyError: the port is taken.
        ConfigError: a bind off loopback: there is no TLS here.
    """
    from tocsin.console.app import LOOPBACK
    from tocsin.console.record_space import build
    from tocsin.wiring import serve

    serve.check_bind(host, False)
    app = build(public_record(), clock=lambda: datetime.now(UTC), hosts=(*LOOPBACK, host))
    with serve.bound(host, port) as sock:
        at = serve.url_of(host, sock)
        serve.answer(app, sock, lambda: say(at))
