"""The door for other nodes: each is given its own outbox, and may bring what it has.

A request is signed by the node key that the directory lists; without that there is nothing here.
No cookie, no session, nothing that a browser could send.
Spec: exchange.md §5.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.canonical import b64encode
from tocsin.console import problems
from tocsin.console.auth import Rates
from tocsin.errors import RateError, SignatureError, TocsinError, UsageError
from tocsin.flows.comparing import BUCKETS_AT_ONCE
from tocsin.flows.homes import Peer, node_keys
from tocsin.flows.pages import BUCKETS, MAX_WANTED, PAGE, PREFIX, Mark, open_page
from tocsin.flows.sync import Sync
from tocsin.record.requests import Answer, Nonces, PeerRequest, check_body, open_request

log = logging.getLogger("tocsin.peer")

AT_ONCE = 4
"""Requests of one peer that are read or answered at a time: each may hold a body of 64 MiB."""

_HEX = re.compile("[0-9a-f]*")


def routes(door: PeerDoor) -> list[BaseRoute]:
    """The door of one node, for `app.build(extra=…)`."""
    return [
        Route("/peer/outbox", door.serve, methods=["GET"]),
        Route("/peer/inbox", door.serve, methods=["POST"]),
        Route("/peer/objects/{sha256}", door.serve, methods=["GET", "PUT"]),
        Route("/peer/digest", door.serve, methods=["GET"]),
        Route("/peer/nudge", door.serve, methods=["POST"]),
    ]


class PeerDoor:
    """Answers requests of other nodes. `answer` knows no web framework.

    Args:
        sync: this node's exchange.
        rates: how often each peer may ask.
        started: since when this door is open.
    """

    def __init__(self, sync: Sync, rates: Rates, started: datetime) -> None:
        self._sync = sync
        self._rates = rates
        self._nonces = Nonces(started)
        self._inside: Counter[str] = Counter()
        self._lock = threading.Lock()  # of both

    async def serve(self, request: Request) -> Response:
        """Any of the routes, in the thread pool."""
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        headers = {name.lower(): value for name, value in request.headers.items()}
        # Before anything of it is read: neither a stranger's body nor a copy is anybody's memory.
        peer = await run_in_threadpool(self._admit, request.method, target, headers)
        if isinstance(peer, Answer):
            found = peer
        else:
            try:
                body = await request.body()
                found = await run_in_threadpool(
                    self._answered, peer, request.method, target, headers, body
                )
            finally:
                self._leave(peer)
        more = {"retry-after": str(found.retry_after)} if found.retry_after else {}
        binary = target.startswith("/peer/objects/")
        return Response(
            found.body,
            found.status,
            media_type="application/octet-stream" if binary else "application/json",
            headers=more,
        )

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request, whole.

        Args:
            target: path and query, as they came.
            headers: names in lower case.
        """
        peer = self._admit(method, target, headers)
        if isinstance(peer, Answer):
            return peer
        try:
            return self._answered(peer, method, target, headers, body)
        finally:
            self._leave(peer)

    def _admit(self, method: str, target: str, headers: Mapping[str, str]) -> Peer | Answer:
        """Who asks, for the first time and not too often; or what is answered instead.

        All of this is under the signature but the body's bytes, so none of them is needed.
        """
        try:
            request = self._opened(method, target, headers, None)
            with self._lock:
                self._nonces.spend(request, self._sync.node.clock())
            peer = self._sync.peers().get(request.party)
            if peer is None:
                raise SignatureError(
                    f"the directory no longer lists a node of {request.party}",
                    remedy="have a registrar enter it again: tocsin directory propose",
                )
            seconds = self._rates.wait(f"peer {peer.party}", "peer")
            if seconds:
                return Answer(status=429, retry_after=seconds)
            with self._lock:
                if self._inside[peer.party] >= AT_ONCE:
                    return Answer(status=429, retry_after=1)
                self._inside[peer.party] += 1
        except RateError as wrong:
            log.warning("%s", wrong.message)
            return Answer(status=429, body=_words(wrong), retry_after=wrong.seconds)
        except TocsinError as wrong:
            return _refusal(target, wrong)
        except Exception:  # the door's last: a fault of ours is logged, and the peer told no more
            return _failed(target)
        return peer

    def _leave(self, peer: Peer) -> None:
        with self._lock:
            self._inside[peer.party] -= 1
            self._inside += Counter()  # lets go of those at nought

    def _answered(
        self, peer: Peer, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        try:
            check_body(headers, body)
            self._sync.seen(peer)
            return self._answer(peer, method, target, body)
        except RateError as wrong:
            log.warning("%s", wrong.message)
            return Answer(status=429, body=_words(wrong), retry_after=wrong.seconds)
        except TocsinError as wrong:
            return _refusal(target, wrong)
        except Exception:  # the door's last: a fault of ours is logged, and the peer told no more
            return _failed(target)

    def _opened(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> PeerRequest:
        node = self._sync.node
        directory = node.directory

        def keys_of(party: str) -> tuple[bytes, ...]:
            entry = directory.party(party)
            return node_keys(entry) if entry is not None and party != node.party else ()

        now = node.clock()
        return open_request(headers, node.party, method, target, body, now=now, keys_of=keys_of)

    def _answer(self, peer: Peer, method: str, target: str, body: bytes) -> Answer:
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        path = parts.path
        if path == "/peer/outbox" and method == "GET":
            return self._outbox(peer, query)
        if path == "/peer/inbox" and method == "POST":
            delivered = self._sync.receive(peer, open_page(body))
            return Answer(status=200, body=msgspec.json.encode(delivered))
        if path == "/peer/digest" and method == "GET":
            return self._digest(peer, query)
        if path == "/peer/nudge" and method == "POST":
            self._sync.nudged(peer.party)
            return Answer(status=202)
        if path.startswith("/peer/objects/"):
            return self._object(peer, method, path.rpartition("/")[2], body)
        return Answer(status=404)

    def _outbox(self, peer: Peer, query: Mapping[str, str]) -> Answer:
        pages = self._sync.pages
        if "want" in query:
            prefixes = _prefixes(query["want"])
            return Answer(status=200, body=msgspec.json.encode(pages.wanted(peer, prefixes)))
        mark = Mark(
            epoch=query.get("epoch", ""), n=_number(query, "after", 0), at=query.get("at", "")
        )
        if not pages.holds(peer, mark):
            return Answer(status=409, body=msgspec.json.encode(pages.mark(peer)))
        self._sync.has(peer, mark)
        page = pages.page(peer, mark.n, _number(query, "limit", PAGE))
        if page is None:
            return Answer(status=204)
        return Answer(status=200, body=msgspec.json.encode(page))

    def _digest(self, peer: Peer, query: Mapping[str, str]) -> Answer:
        pages = self._sync.pages
        if "bucket" not in query:
            return Answer(status=200, body=msgspec.json.encode(pages.digest(peer)))
        texts = query["bucket"].split(",")[:BUCKETS_AT_ONCE]
        if not all(text.isdecimal() and len(text) <= 4 and int(text) < BUCKETS for text in texts):
            raise UsageError(
                f"bucket={query['bucket'][:40]!r} names something that is no bucket",
                remedy=f"write numbers from 0 to {BUCKETS - 1} with commas between",
            )
        found = pages.buckets(peer, [int(text) for text in texts])
        listed = {str(n): b64encode(ids) for n, ids in found.items()}
        return Answer(status=200, body=msgspec.json.encode(listed))

    def _object(self, peer: Peer, method: str, sha256: str, body: bytes) -> Answer:
        if len(sha256) != 64 or _HEX.fullmatch(sha256) is None:
            return Answer(status=404)
        if method == "GET":
            return Answer(status=200, body=self._sync.pages.object(peer, sha256))
        digest = hashlib.sha256(body).hexdigest()
        if digest != sha256:
            raise UsageError(
                f"{len(body)} bytes with the digest {digest} came as {sha256}",
                remedy="send exactly the bytes that the address names",
            )
        self._sync.sent.keep(peer.party, sha256, body)
        return Answer(status=201)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isdecimal() and text.isascii() and len(text) <= 15):
        raise UsageError(f"{name}={text[:40]!r} is no number", remedy="at most 15 digits")
    return int(text)


def _prefixes(text: str) -> list[bytes]:
    found = text.split(",")[:MAX_WANTED]
    if any(len(one) != 2 * PREFIX or _HEX.fullmatch(one) is None for one in found):
        raise UsageError(
            f"want={text[:40]!r} is no list of beginnings of ids",
            remedy=f"write {2 * PREFIX} hex digits of each with commas between",
        )
    return [bytes.fromhex(one) for one in found]


def _failed(target: str) -> Answer:
    log.exception("failed", extra={"path": target[:100]})
    return Answer(status=500)


def _refusal(target: str, wrong: TocsinError) -> Answer:
    status = problems.status_of(wrong)
    log.info("%s", wrong.message, extra={"path": target[:100], "status": status})
    return Answer(status=status, body=_words(wrong), retry_after=60 if status == 503 else 0)


def _words(wrong: TocsinError) -> bytes:
    return msgspec.json.encode({"error": type(wrong).__name__, "remedy": wrong.remedy})
