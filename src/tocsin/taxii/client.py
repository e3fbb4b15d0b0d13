"""A TAXII 2.1 client for servers that nobody has to trust: bounded in pages, bytes and time.

It goes on from where it stopped, takes a page as done only when its keeper says so, and stops by
itself, with a name for why, where a server leads in circles or on without end. What it fetched
until then stays. It is handed a client for one origin (`outbound.client`), and never leaves it.

Spec: TAXII 2.1 §3 to §5; exchange.md §2 "Client".
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from tocsin import outbound
from tocsin.errors import (
    ForbiddenError,
    NotFoundError,
    TaxiiRequestError,
    TaxiiServerError,
    TocsinError,
    UnreachableError,
)
from tocsin.outbound import Fetched
from tocsin.taxii import wire

MAX_PAGE = 64 * 1024 * 1024
MAX_PAGES = 100_000
MAX_RUN = 8 * 1024**3
"""Bytes of all pages of one run."""
SILENCE = 30.0
PAGE_SECONDS = 300.0
LIMIT = 1_000
PUSH = 100
"""Objects of one request."""
REMEMBERED = 500_000
"""Objects of one run of which it is known that they came: against pages that bring nothing new."""
POLLS = 60

_DONE = "there is no more"


class State(Struct, frozen=True, kw_only=True):
    """How far one collection has been fetched. Saved after each page, when that is kept."""

    next: str | None = None
    """To go on in the middle of what is being fetched."""
    since: str | None = None
    """`added_after` of what is being fetched."""
    date: str | None = None
    """`X-TAXII-Date-Added-Last` of the last page."""
    digest: str = ""
    """SHA-256 of the last page."""


class Pulled(Struct, frozen=True, kw_only=True):
    """What one run brought."""

    pages: int
    objects: int
    bytes: int
    state: State
    stopped: str
    """Why it ended."""
    complete: bool
    """It came to the end of what the server has; if not, say the same again to go on."""


class Listed(Struct, frozen=True, kw_only=True):
    """A collection, as the server lists it."""

    path: str
    id: str
    title: str
    alias: str
    can_read: bool
    can_write: bool


class Pushed(Struct, frozen=True, kw_only=True):
    """What became of what was sent."""

    taken: tuple[str, ...]
    """SHA-256 of each object that the server has taken."""
    failed: tuple[tuple[str, str], ...]
    """(id, reason)."""
    left: int
    """Objects that were not sent any more."""
    stopped: str = ""
    """Why not; empty: all were."""


# --- looking round ------------------------------------------------------------------------------


def collections(client: httpx.Client, path: str) -> tuple[list[Listed], list[str]]:
    """What a server, an API root or a collection's address lists; and API roots on other origins.

    Raises:
        TaxiiServerError: it speaks no TAXII 2.1.
        UnreachableError: it does not answer, or leads elsewhere.
    """
    before, found, _ = path.partition("/collections/")
    if found:
        inner = path.removesuffix("/").removesuffix("/objects") + "/"
        if inner.rstrip("/") != before + "/collections":
            return [_listed(inner, _get_json(client, inner))], []
        return _of_root(client, before + "/"), []
    answer = _get_json(client, path)
    roots = answer.get("api_roots")
    if roots is None and "versions" in answer:
        return _of_root(client, path), []
    here: list[Listed] = []
    elsewhere: list[str] = []
    for root in roots if isinstance(roots, list) else ():
        url = urljoin(str(client.base_url.join(path)), str(root))
        if _origin(url) == _origin(str(client.base_url)):
            here += _of_root(client, urlsplit(url).path)
        else:
            elsewhere.append(url)
    return here, elsewhere


def _of_root(client: httpx.Client, root: str) -> list[Listed]:
    base = root.rstrip("/") + "/collections/"
    listed = _get_json(client, base).get("collections", [])
    if not isinstance(listed, list):
        raise _broken("collections is no list")
    found = [one for one in listed[:10_000] if isinstance(one, dict)]
    return [_listed(f"{base}{one.get('id')}/", one) for one in found]


def _listed(path: str, one: Mapping[str, Any]) -> Listed:
    return Listed(
        path=path,
        id=str(one.get("id", "")),
        title=str(one.get("title", "")),
        alias=str(one.get("alias", "")),
        can_read=one.get("can_read") is True,
        can_write=one.get("can_write") is True,
    )


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or default


# --- pulling ------------------------------------------------------------------------------------


class _Envelope(Struct):
    objects: list[Raw] | None = None
    items: Raw | UnsetType = UNSET
    more: bool | None = None
    next: str | int | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)


class _Stop(Exception):
    """The run ends here, with what it has."""


def pull(
    client: httpx.Client,
    path: str,
    state: State,
    keep: Callable[[bytes, int], object],
    save: Callable[[State], object],
    *,
    max_pages: int = MAX_PAGES,
    max_bytes: int = MAX_RUN,
    page_bytes: int = MAX_PAGE,
    seconds: float = PAGE_SECONDS,
) -> Pulled:
    """Fetch what a collection has that was not fetched before, page after page.

    Args:
        client: for the server's origin, with its credential.
        path: of the collection; `objects/` is added.
        state: as it was saved last.
        keep: is given each page, `{"objects":[…]}` with every object byte for byte, and the number
            of its objects; returns when that is durable.
        save: is given the state after it.
        max_pages, max_bytes, page_bytes, seconds: where to stop; `seconds` is for one page.

    Raises:
        TaxiiServerError, UnreachableError, ForbiddenError, NotFoundError: not even one page.
    """
    run = _Run(client, path.rstrip("/") + "/objects/", state)
    stopped, complete = _DONE, False
    try:
        while not complete:
            if run.pages >= max_pages:
                raise _Stop(f"more than {max_pages} pages")
            if run.bytes >= max_bytes:
                raise _Stop(f"more than {max_bytes} bytes")
            body, envelope, headers = run.fetch(page_bytes, seconds)
            raws = [bytes(one) for one in envelope.objects or ()]
            run.note(raws, more=bool(envelope.more))
            if raws:
                keep(b'{"objects":[%b]}' % b",".join(raws), len(raws))
            run.advance(body, envelope, headers)
            save(run.state)
            complete = not envelope.more
    except _Stop as stop:
        stopped = str(stop)
    return Pulled(
        pages=run.pages,
        objects=run.objects,
        bytes=run.bytes,
        state=run.state,
        stopped=stopped,
        complete=complete,
    )


class _Run:
    """One run over a collection."""

    def __init__(self, client: httpx.Client, path: str, state: State) -> None:
        self.client = client
        self.path = path
        self.state = state
        self.pages = self.objects = self.bytes = 0
        self._cursors: set[bytes] = set()
        self._seen: set[bytes] = set()
        self._stale = 0

    def fetch(self, page_bytes: int, seconds: float) -> tuple[bytes, _Envelope, Mapping[str, str]]:
        """The next page, whole."""
        query = {"limit": str(LIMIT)}
        since = self.state.since if self.state.next else self.state.date
        if since:
            query["added_after"] = since
        if self.state.next:
            query["next"] = self.state.next
        try:
            answer = _get(self.client, self.path, query, page_bytes, seconds)
            envelope = self._opened(answer.body)
        except (NotFoundError, TaxiiRequestError) as wrong:
            if self.pages:
                raise _Stop(wrong.message) from wrong
            if not self.state.next:
                raise
            # A cursor may not outlive the server's night: the last date does.
            self.state = State(date=self.state.date)
            return self.fetch(page_bytes, seconds)
        except TocsinError as wrong:
            if self.pages:
                raise _Stop(wrong.message) from wrong
            raise
        self.bytes += len(answer.body)
        return answer.body, envelope, answer.headers

    @staticmethod
    def _opened(body: bytes) -> _Envelope:
        try:
            envelope = _ENVELOPE.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            raise _broken(f"a page is no TAXII envelope: {wrong}") from None
        if envelope.objects is None and envelope.items is not UNSET:
            raise _broken("a page has `items` in place of `objects`")
        return envelope

    def note(self, raws: Sequence[bytes], *, more: bool) -> None:
        """Note what came; stop where two pages in a row bring nothing new, and there is more."""
        new = [hashlib.sha256(raw).digest()[:16] for raw in raws]
        fresh = [digest for digest in new if digest not in self._seen]
        self._stale = 0 if fresh else self._stale + 1
        if self._stale >= 2 and more:
            raise _Stop("two pages brought nothing new")
        if len(self._seen) < REMEMBERED:
            self._seen.update(fresh)

    def advance(self, body: bytes, envelope: _Envelope, headers: Mapping[str, str]) -> None:
        """How to go on behind this page, which is kept."""
        self.pages += 1
        self.objects += len(envelope.objects or ())
        date = self._date(headers)
        since = self.state.since if self.state.next else self.state.date
        cursor = None if envelope.next in (None, "") else str(envelope.next)
        digest = hashlib.sha256(body).hexdigest()
        if envelope.more and cursor is None:
            if date is None or date == since:
                raise _Stop("there is more, and neither `next` nor a new date to ask for it by")
            self.state = State(date=date, digest=digest)
            return
        if envelope.more and cursor is not None:
            key = hashlib.sha256(cursor.encode()).digest()[:16]
            if key in self._cursors:
                raise _Stop("the same cursor came twice")
            self._cursors.add(key)
        last = date or self.state.date
        if envelope.more:
            self.state = State(next=cursor, since=since, date=last, digest=digest)
        else:
            self.state = State(date=last, digest=digest)

    def _date(self, headers: Mapping[str, str]) -> str | None:
        first = _instant(headers.get("x-taxii-date-added-first"))
        text = headers.get("x-taxii-date-added-last")
        last = _instant(text)
        before = _instant(self.state.date)
        if first is not None and before is not None and first < before:
            raise _Stop("the dates go back")
        if first is not None and last is not None and last < first:
            raise _Stop("the dates go back")
        return text if last is not None else None


def _instant(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return wire.instant(text)
    except TaxiiRequestError:
        raise _Stop(f"a date added is no instant: {text[:60]!r}") from None


# --- pushing ------------------------------------------------------------------------------------


def push(
    client: httpx.Client,
    path: str,
    raws: Sequence[bytes],
    done: Callable[[Sequence[str]], object],
    *,
    wait: Callable[[float], object] = time.sleep,
) -> Pushed:
    """Send objects in parts, byte for byte, and see what became of each.

    Args:
        path: of the collection.
        raws: one object each.
        done: is told the digests of what the server has taken, part by part.
        wait: between two looks at a status that is not complete yet.
    """
    where = path.rstrip("/") + "/objects/"
    taken: list[str] = []
    failed: list[tuple[str, str]] = []
    for start, part in _parts(raws):
        try:
            status = _complete(client, where, _post(client, where, part), wait)
            bad = _failures(status)
        except TocsinError as wrong:
            if not start and isinstance(wrong, ForbiddenError | UnreachableError):
                raise
            return Pushed(
                taken=tuple(taken),
                failed=tuple(failed),
                left=len(raws) - start,
                stopped=wrong.message,
            )
        now = []
        for raw in part:
            id = _id_of(raw)
            if id in bad:
                failed.append((id, bad[id]))
            else:
                now.append(hashlib.sha256(raw).hexdigest())
        done(now)
        taken += now
    return Pushed(taken=tuple(taken), failed=tuple(failed), left=0)


def _parts(raws: Sequence[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Parts of at most `PUSH` objects and a few megabytes."""
    start, part, size = 0, list[bytes](), 0
    for n, raw in enumerate(raws):
        if part and (len(part) == PUSH or size + len(raw) > 8 * 1024 * 1024):
            yield start, part
            start, part, size = n, [], 0
        part.append(raw)
        size += len(raw)
    if part:
        yield start, part


def _post(client: httpx.Client, where: str, part: Sequence[bytes]) -> dict[str, Any]:
    answer = outbound.fetch(
        client,
        "POST",
        where,
        body=b'{"objects":[%b]}' % b",".join(part),
        headers={"accept": wire.MEDIA_TYPE, "content-type": wire.MEDIA_TYPE},
        max_bytes=MAX_PAGE,
        seconds=PAGE_SECONDS,
    )
    if answer.status not in (200, 201, 202):
        raise _refused(answer)
    return _object(answer.body)


def _complete(
    client: httpx.Client, where: str, status: dict[str, Any], wait: Callable[[float], object]
) -> dict[str, Any]:
    root = where.partition("/collections/")[0]
    for n in range(POLLS):
        if status.get("status") != "pending":
            return status
        wait(min(0.2 * 2**n, 10.0))
        status = _get_json(client, f"{root}/status/{str(status.get('id'))[:100]}/")
    raise _broken(f"its status was still pending after {POLLS} looks")


def _failures(status: Mapping[str, Any]) -> dict[str, str]:
    listed = status.get("failures")
    found = listed if isinstance(listed, list) else []
    bad = {
        str(one.get("id")): str(one.get("message") or "no reason given")[:500]
        for one in found
        if isinstance(one, dict)
    }
    count = status.get("failure_count")
    if isinstance(count, int) and count > len(found):
        raise _broken(f"{count} objects failed, and it names {len(found)} of them")
    return bad


class _Named(Struct):
    id: str = ""


def _id_of(raw: bytes) -> str:
    return msgspec.json.decode(raw, type=_Named).id


# --- one request --------------------------------------------------------------------------------


def _get(
    client: httpx.Client, path: str, query: Mapping[str, str], max_bytes: int, seconds: float
) -> Fetched:
    answer = outbound.fetch(
        client,
        "GET",
        path,
        query=query,
        headers={"accept": wire.MEDIA_TYPE},
        max_bytes=max_bytes,
        seconds=seconds,
    )
    if answer.status != 200:
        raise _refused(answer)
    if answer.media_type.startswith("application/vnd.oasis."):
        raise _older()
    if answer.media_type not in ("application/taxii+json", "application/json"):
        raise _broken(f"it answers in {answer.media_type[:60] or 'no media type'}")
    return answer


def _get_json(client: httpx.Client, path: str) -> dict[str, Any]:
    return _object(_get(client, path, {}, 16 * 1024 * 1024, PAGE_SECONDS).body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise _broken(f"it answers with what is no JSON object: {wrong}") from None


_NOT_THERE = "see what there is: tocsin taxii ls URL (of its discovery: it often ends in /taxii2/)"
_DENIED = (
    "set TOCSIN_TAXII_USER and TOCSIN_TAXII_PASSWORD, or TOCSIN_TAXII_TOKEN, to an account of that "
    "server; check the address too: a discovery URL often ends in /taxii2/"
)


def _refused(answer: Fetched) -> TocsinError:
    try:
        said = msgspec.json.decode(answer.body, type=dict[str, Any])
        words = str(said.get("description") or said.get("title") or "")[:300]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        words = ""
    told = f"the server answers {answer.status}" + (f": {words}" if words else "")
    if answer.status in (401, 403):
        return ForbiddenError(told, remedy=_DENIED)
    if answer.status == 404:
        return NotFoundError(told, remedy=_NOT_THERE)
    if answer.status == 406 or answer.media_type.startswith("application/vnd.oasis."):
        return _older()
    if answer.status == 400:
        return TaxiiRequestError(told, remedy="begin anew: tocsin taxii pull URL --anew")
    later = answer.headers.get("retry-after", "")
    return TaxiiServerError(told, remedy=f"try again {_when(later)}")


def _when(later: str) -> str:
    """When to come back, as `Retry-After` says it: seconds or a date (RFC 9110 §10.2.3)."""
    if re.fullmatch(r"[0-9]{1,9}", later):
        return f"in {later} s"
    try:
        return f"after {parsedate_to_datetime(later).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError):
        return "later"


def _older() -> TaxiiServerError:
    return TaxiiServerError(
        "the server speaks TAXII 2.0 only",
        remedy="ask its operator for TAXII 2.1, or for a STIX file: tocsin ingest FILE",
    )


def _broken(what: str) -> TaxiiServerError:
    return TaxiiServerError(what, remedy="tell its operator; what came before is kept")
