"""Requests between nodes: signed by the directory's node key, good once, for five minutes.

The signature covers who is asked as well: a request that one node saw is worth nothing at another.
Spec: exchange.md §5.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from tocsin import canonical
from tocsin.errors import CanonicalError, RateError, SignatureError, StatementError
from tocsin.record import keys
from tocsin.record.keys import Signer
from tocsin.record.statement import PARTY_PATTERN, read_time, time_text

PARTY, TO, DATE, NONCE, DIGEST, SIGNATURE = (
    "tocsin-party",
    "tocsin-to",
    "tocsin-date",
    "tocsin-nonce",
    "tocsin-digest",
    "tocsin-signature",
)
"""The names of the six headers, in lower case."""

GOOD_FOR = timedelta(minutes=5)
"""Either side of the clock of whoever is asked."""
MAX_NONCES = 4_096
"""Requests of one party within the time in which they could be sent again."""

_NONCE = re.compile("[0-9a-f]{32}")


class PeerRequest(Struct, frozen=True, kw_only=True):
    """Who asks, once the signature has been checked."""

    party: str
    nonce: str
    at: datetime


def message(
    method: str, target: str, party: str, to: str, date: str, nonce: str, digest: str
) -> bytes:
    """What is signed: one line each.

    Args:
        target: path, and query where there is one, as it is sent.
        digest: SHA-256 of the body, in hex.
    """
    lines = ("tocsin/peer/v1", method, target, party, to, date, nonce, digest)
    return "".join(f"{line}\n" for line in lines).encode()


def sign_request(
    signer: Signer, to: str, method: str, target: str, body: bytes, *, now: datetime, nonce: str
) -> dict[str, str]:
    """The headers of a request by `signer.party` to the node of `to`.

    Args:
        nonce: 32 hex digits that were never used before.
    """
    date, digest = time_text(now), hashlib.sha256(body).hexdigest()
    signature = signer.sign(message(method, target, signer.party, to, date, nonce, digest))
    return {
        PARTY: signer.party,
        TO: to,
        DATE: date,
        NONCE: nonce,
        DIGEST: digest,
        SIGNATURE: canonical.b64encode(signature),
    }


def open_request(
    headers: Mapping[str, str],
    to: str,
    method: str,
    target: str,
    body: bytes | None,
    *,
    now: datetime,
    keys_of: Callable[[str], Sequence[bytes]],
) -> PeerRequest:
    """Check who sent a request. That it comes for the first time is `Nonces.spend`'s to say.

    Args:
        headers: by names in lower case.
        to: the party whose node this is.
        body: None: not read yet; before anything of it counts, see `check_body`.
        keys_of: party → public node keys that the directory lists for it now.

    Raises:
        SignatureError: a header is missing or malformed, it is meant for another, too old or too
            new, or signed by no node key of that party.
    """
    party, meant, date, nonce = (headers.get(name, "") for name in (PARTY, TO, DATE, NONCE))
    if re.search(PARTY_PATTERN, party) is None or _NONCE.fullmatch(nonce) is None:
        raise _refused("it names no party, or no nonce")
    if meant != to:
        raise _refused(f"it is meant for {meant[:80]!r}, and this is the node of {to}")
    try:
        at = read_time(date)
        signature = canonical.b64decode(headers.get(SIGNATURE, ""))
    except (StatementError, CanonicalError) as wrong:
        raise _refused(wrong.message) from wrong
    if abs(now - at) > GOOD_FOR:
        raise SignatureError(
            f"a request of {party} is dated {date}, and it is {time_text(now)} here",
            remedy="set both clocks right (NTP)",
        )
    digest = headers.get(DIGEST, "")
    if body is not None:
        check_body(headers, body)
    signed = message(method, target, party, to, date, nonce, digest)
    for public in keys_of(party):
        try:
            keys.verify(public, signature, signed)
        except SignatureError:
            continue
        return PeerRequest(party=party, nonce=nonce, at=at)
    raise _refused(f"it is signed by no node key that the directory lists for {party}")


def check_body(headers: Mapping[str, str], body: bytes) -> None:
    """Check that a request's body is the one that was signed for.

    Raises:
        SignatureError: it has another digest.
    """
    if hashlib.sha256(body).hexdigest() != headers.get(DIGEST, ""):
        raise _refused("its body has another digest than it says")


def _refused(why: str) -> SignatureError:
    return SignatureError(
        f"a request between nodes is refused: {why}",
        remedy="bring both directories up to date, and check the node's key: tocsin key list",
    )


class Answer(Struct, frozen=True, kw_only=True):
    """What another node answers."""

    status: int
    body: bytes = b""
    retry_after: int = 0
    """Seconds, where it said so."""


class Nonces:
    """What has been asked already. It forgets at each start, and takes nothing from before it.

    Not locked: whoever uses it from several threads holds a lock.

    Args:
        started: a request that is dated before this may have been answered by the last process.
    """

    def __init__(self, started: datetime) -> None:
        self._started = started.replace(microsecond=0)
        self._seen: dict[str, OrderedDict[str, datetime]] = {}

    def spend(self, request: PeerRequest, now: datetime) -> None:
        """Take a request in for the first time.

        Raises:
            SignatureError: it has come before, or may have.
            RateError: this party asks more often than can be remembered.
        """
        if request.at < self._started:
            raise _refused("it is older than this node has been running, so it may be a copy")
        seen = self._seen.setdefault(request.party, OrderedDict())
        # In order of arrival, and by their own dates at most twice the time apart.
        while seen and next(iter(seen.values())) < now - 2 * GOOD_FOR:
            seen.popitem(last=False)
        if request.nonce in seen:
            raise _refused("it has come before")
        if len(seen) >= MAX_NONCES:
            raise RateError(
                f"{request.party} has asked {MAX_NONCES} times within {2 * GOOD_FOR}",
                remedy="ask again later",
            )
        seen[request.nonce] = now
