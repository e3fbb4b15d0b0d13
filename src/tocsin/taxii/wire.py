"""TAXII 2.1 on the wire: requests parsed, answers built, cursors sealed. Pure: bytes and values.

What a client asks is understood generously where the standard leaves room and deployed clients
differ, and refused with a remedy where guessing would lose data. Objects are spliced into answers
byte for byte.

Spec: TAXII 2.1 (OASIS); the interoperability quirks of exchange.md §2.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from msgspec import Struct

from tocsin.errors import (
    MediaTypeError,
    MethodError,
    NotAcceptableError,
    NotFoundError,
    TaxiiRequestError,
)

MEDIA_TYPE = "application/taxii+json;version=2.1"
STIX_TYPE = "application/stix+json;version=2.1"
BASE = "/taxii2/"
ROOT = "/taxii2/api/"
"""The one API root."""
DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_LIST = 200
"""Values of one filter."""
MAX_QUERY = 16 * 1024
MAX_CONTENT = 32 * 1024 * 1024
"""Bytes of a request's body: `max_content_length` of the API root."""


# --- addresses ----------------------------------------------------------------------------------


class Target(Struct, frozen=True, kw_only=True):
    """What a request is for."""

    op: str
    """discovery, root, collections, collection, manifest, objects, add, object, delete, versions
    or status."""
    collection: str = ""
    """Its id or alias, as it was asked for."""
    id: str = ""
    """Of the object, or of the status."""


def target(method: str, path: str) -> Target:
    """What this method at this path of the server is for (TAXII 2.1 §4, §5); the last slash may be
    missing.

    Raises:
        NotFoundError: there is no such address.
        MethodError: it takes other methods only.
    """
    if method == "HEAD":
        method = "GET"
    below = path.removeprefix(BASE.rstrip("/")).strip("/")
    if not below:
        return Target(op=_of(method, {"GET": "discovery"}))
    match below.split("/"):
        case [again] if again == BASE.strip("/"):
            # MISP (to 2.5) asks BASE-URL/taxii2/, and then BASE-URL/<the API root's last word>/:
            # only with our own base as its base URL do both lead here.
            return Target(op=_of(method, {"GET": "discovery"}))
        case [first, *_] if first != ROOT.split("/")[2]:
            raise nothing()
        case [_]:
            return Target(op=_of(method, {"GET": "root"}))
        case [_, "collections"]:
            return Target(op=_of(method, {"GET": "collections"}))
        case [_, "collections", c]:
            return Target(op=_of(method, {"GET": "collection"}), collection=c)
        case [_, "status", id]:
            return Target(op=_of(method, {"GET": "status"}), id=id)
        case [_, "collections", c, "objects"]:
            return Target(op=_of(method, {"GET": "objects", "POST": "add"}), collection=c)
        case [_, "collections", c, "manifest"]:
            return Target(op=_of(method, {"GET": "manifest"}), collection=c)
        case [_, "collections", c, "objects", id]:
            methods = {"GET": "object", "DELETE": "delete"}
            return Target(op=_of(method, methods), collection=c, id=id)
        case [_, "collections", c, "objects", id, "versions"]:
            return Target(op=_of(method, {"GET": "versions"}), collection=c, id=id)
    raise nothing()


def _of(method: str, methods: dict[str, str]) -> str:
    if method not in methods:
        raise MethodError(f"{method[:20]} is not for this address", methods=tuple(methods))
    return methods[method]


def nothing() -> NotFoundError:
    """The one answer for hidden and unknown."""
    return NotFoundError(
        "there is nothing here that you may see",
        remedy=f"see what there is: GET {ROOT}collections/",
    )


# --- media types --------------------------------------------------------------------------------


def _ranges(header: str) -> Iterable[tuple[str, dict[str, str]]]:
    for part in header.split(","):
        name, *more = (piece.strip() for piece in part.split(";"))
        given = (piece.partition("=") for piece in more)
        yield name.lower(), {k.strip().lower(): v.strip(' "') for k, _, v in given}


_ANY = frozenset({"*/*", "application/*", "application/json"})


@lru_cache(maxsize=128)
def check_accept(header: str | None) -> None:
    """Return if the client takes what this server makes.

    Browsers, scripts and older clients ask for JSON in general or for nothing: they are answered.

    Raises:
        NotAcceptableError: only TAXII 2.0, or only what is no TAXII.
    """
    if header is None or not header.strip():
        return
    older = False
    for name, given in _ranges(header):
        if given.get("q") in ("0", "0.0", "0.00", "0.000"):
            continue
        if name in _ANY:
            return
        if name == "application/taxii+json":
            if given.get("version", "2.1") == "2.1":
                return
            older = True
        older = older or name == "application/vnd.oasis.taxii+json"
    said = "this server speaks TAXII 2.1" if older else "no TAXII 2.1 among it"
    raise NotAcceptableError(
        f"Accept: {header[:120]}: {said}", remedy=f"Accept: {MEDIA_TYPE}, or application/json"
    )


_OURS = ("application/taxii+json", "application/vnd.oasis.taxii+json")


def asks_for_taxii(accept: str) -> bool:
    """Whether these media types name TAXII's, of any version: whoever sends them is its client."""
    return any(name in _OURS for name, _ in _ranges(accept))


def takes_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header takes gzip: RFC 9110 §12.5.3, a weight of 0 forbids."""
    weights: dict[str, bool] = {}
    for coding, params in _ranges(header):
        weights[coding] = not re.fullmatch(r"0(\.0{0,3})?", params.get("q", "1").strip())
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


def check_content(header: str | None) -> None:
    """Return if a body of this media type is taken.

    Raises:
        MediaTypeError: another one, or none.
    """
    found = list(_ranges(header or ""))
    name, given = found[0] if len(found) == 1 else ("", {})
    version = given.get("version")
    if name in ("application/taxii+json", "application/stix+json") and version in (None, "2.1"):
        return
    if name == "application/vnd.oasis.stix+json":
        return
    raise MediaTypeError(
        f"Content-Type: {(header or 'none')[:120]}", remedy=f"Content-Type: {MEDIA_TYPE}"
    )


# --- filters and cursors ------------------------------------------------------------------------


class Filters(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`match[…]` of a request: lists are OR, filters are AND; None: all (TAXII 2.1 §3.4.1)."""

    id: tuple[str, ...] | None = None
    type: tuple[str, ...] | None = None
    spec_version: tuple[str, ...] | None = None
    version: tuple[str, ...] | None = None
    """first, last, all, or instants; None: last."""


_ALL = Filters()


class Ask(Struct, frozen=True, kw_only=True):
    """What a page is asked for."""

    after: int
    """Microseconds since 1970: only what was added later than that."""
    limit: int
    filters: Filters


def ask(query: Sequence[tuple[str, str]], secret: bytes, scope: str) -> Ask:
    """Understand the query of a page.

    Beside `next`, filters that are not given are the cursor's, and `added_after` says nothing.

    Args:
        query: names and values, decoded, in any order. Unknown names are ignored.
        secret: seals cursors; of this node alone.
        scope: what a cursor is good for: the collection, and the object where there is one.

    Raises:
        TaxiiRequestError: a value that cannot be understood, or that contradicts the cursor.
    """
    if not query:
        return Ask(after=-1, limit=DEFAULT_LIMIT, filters=_ALL)
    if sum(len(name) + len(value) for name, value in query) > MAX_QUERY:
        raise TaxiiRequestError(
            f"a query of more than {MAX_QUERY} characters", remedy="ask for it in parts"
        )
    limit = _limit(_one(query, "limit"))
    found = Filters(
        id=_list(query, "match[id]"),
        type=_list(query, "match[type]"),
        spec_version=_list(query, "match[spec_version]"),
        version=_versions(_list(query, "match[version]")),
    )
    cursor = _one(query, "next")
    if cursor is not None:
        after, sealed = open_cursor(cursor, secret, scope)
        for name in Filters.__struct_fields__:
            given = getattr(found, name)
            if given is not None and _as_set(given) != _as_set(getattr(sealed, name)):
                raise TaxiiRequestError(
                    f"match[{name}] is not what it was on the page before",
                    remedy="leave the filters out beside next, or begin anew without next",
                )
        return Ask(after=after, limit=limit, filters=sealed)
    added_after = _one(query, "added_after")
    after = -1 if added_after is None else instant(added_after)
    return Ask(after=after, limit=limit, filters=found)


def _as_set(values: Sequence[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _one(query: Sequence[tuple[str, str]], name: str) -> str | None:
    values = {value for key, value in query if key == name and value}
    if len(values) > 1:
        raise TaxiiRequestError(f"{name} is given twice", remedy="give it once")
    return values.pop() if values else None


def _list(query: Sequence[tuple[str, str]], name: str) -> tuple[str, ...] | None:
    values = [v.strip() for key, value in query if key == name for v in value.split(",")]
    found = tuple(dict.fromkeys(v for v in values if v))
    if len(found) > MAX_LIST:
        raise TaxiiRequestError(
            f"{len(found)} values of {name}, and at most {MAX_LIST} go", remedy="ask in parts"
        )
    return found or None


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if re.fullmatch(r"[0-9]{1,18}", text) is None or int(text) < 1:
        raise TaxiiRequestError(
            f"limit={text[:40]!r} is no number from 1", remedy=f"limit={MAX_LIMIT} at most"
        )
    return min(int(text), MAX_LIMIT)


def _versions(found: tuple[str, ...] | None) -> tuple[str, ...] | None:
    for value in found or ():
        if value not in ("first", "last", "all"):
            instant(value)  # raises if it is none
    return found


_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,30}))?(?:[Zz]|([+ -])(\d\d):?(\d\d))"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UTC_EPOCH = datetime(1970, 1, 1)


def instant(text: str) -> int:
    """RFC 3339 text as microseconds since 1970; further digits are cut off.

    Any length of the fraction, none too, and any offset: a `+` that came undecoded is a blank.

    Raises:
        TaxiiRequestError: no instant.
    """
    match = _INSTANT.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        day, clock, fraction, sign, hours, minutes = match.groups()
        at = datetime.fromisoformat(f"{day}T{clock}+00:00")
        if sign is not None:
            by = timedelta(hours=int(hours), minutes=int(minutes))
            at = at + by if sign == "-" else at - by
        whole = (at - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise TaxiiRequestError(
            f"{text[:60]!r} is no instant", remedy="write 2026-11-22T08:00:00.000000Z"
        ) from None
    return whole * 1_000_000 + int((fraction or "0")[:6].ljust(6, "0"))


def write_cursor(position: int, filters: Filters, secret: bytes, scope: str) -> str:
    """A `next`: opaque, repeatable, good after a restart; nothing of it is kept here.

    Encrypted (AES-SIV, RFC 5297), not only sealed: a position counts rows that this reader may
    not see.
    """
    body = b"\x02" + position.to_bytes(8, "big", signed=True)
    if filters != Filters():
        body += msgspec.json.encode(filters)
    sealed = _cipher(secret).encrypt(body, [scope.encode()])
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def open_cursor(text: str, secret: bytes, scope: str) -> tuple[int, Filters]:
    """The position and filters of a `next` that this node wrote for this collection.

    Raises:
        TaxiiRequestError: it did not.
    """
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        body = _cipher(secret).decrypt(sealed, [scope.encode()])
    except (ValueError, InvalidTag) as wrong:
        raise TaxiiRequestError(
            "this next is none of this collection's", remedy="begin anew without next"
        ) from wrong
    if len(body) < 9 or body[:1] != b"\x02":
        raise TaxiiRequestError("this next is of another version", remedy="begin anew without next")
    filters = msgspec.json.decode(body[9:], type=Filters) if len(body) > 9 else Filters()
    return int.from_bytes(body[1:9], "big", signed=True), filters


@lru_cache(maxsize=4)
def _cipher(secret: bytes) -> AESSIV:
    return AESSIV(hashlib.sha512(b"tocsin/taxii/next\n" + secret).digest())


# --- answers ------------------------------------------------------------------------------------


class Item(Protocol):
    """What a page holds: `store.interface.Entry` is one."""

    @property
    def added(self) -> int: ...
    @property
    def raw(self) -> bytes: ...
    @property
    def id(self) -> str: ...
    @property
    def spec_version(self) -> str: ...
    @property
    def created(self) -> str | None: ...
    @property
    def modified(self) -> str | None: ...


class Collection(Struct, frozen=True, kw_only=True):
    """A collection as one reader may open it (TAXII 2.1 §5.2)."""

    id: str
    """A UUIDv4: some clients take no other."""
    title: str
    alias: str
    can_read: bool
    can_write: bool
    description: str = ""
    media_types: tuple[str, ...] = (STIX_TYPE, "application/stix+json;version=2.0")


def date(added: int) -> str:
    """An instant with six digits (TAXII 2.1 §2)."""
    at = _UTC_EPOCH + timedelta(microseconds=added)
    return at.isoformat(timespec="microseconds") + "Z"


def version_of(item: Item) -> str:
    """The version of an object: `modified`, else `created`, else when it came in."""
    return item.modified or item.created or date(item.added)


@lru_cache(maxsize=64)
def discovery(title: str, base_url: str) -> bytes:
    """Which API roots there are. No word of what is in them."""
    root = base_url + ROOT
    return msgspec.json.encode({"title": title, "default": root, "api_roots": [root]})


@lru_cache(maxsize=4)
def root(title: str) -> bytes:
    """The API root."""
    return msgspec.json.encode(
        {"title": title, "versions": [MEDIA_TYPE], "max_content_length": MAX_CONTENT}
    )


def collection(one: Collection) -> bytes:
    """One collection."""
    return msgspec.json.encode(_plain(one))


def collections(found: Sequence[Collection]) -> bytes:
    """All collections; where there are none, no list (TAXII 2.1 §5.1)."""
    return msgspec.json.encode({"collections": [_plain(c) for c in found]} if found else {})


def _plain(one: Collection) -> dict[str, Any]:
    made = {name: getattr(one, name) for name in one.__struct_fields__}
    if not one.description:
        del made["description"]
    return made


def envelope(items: Sequence[Item], cursor: str | None) -> bytes:
    """A page of objects, each byte for byte as it came. `cursor`: there is more behind it."""
    head = _head(cursor)
    if not items:
        return head + b"}"
    return b'%b,"objects":[%b]}' % (head, b",".join(item.raw for item in items))


def manifest(items: Sequence[Item], cursor: str | None) -> bytes:
    """The same page without the objects."""
    rows = [
        {
            "id": item.id,
            "date_added": date(item.added),
            "version": version_of(item),
            "media_type": f"application/stix+json;version={item.spec_version}",
        }
        for item in items
    ]
    return _with(cursor, b"objects", rows)


def versions(items: Sequence[Item], cursor: str | None) -> bytes:
    """The versions of one object, each named once."""
    return _with(cursor, b"versions", list(dict.fromkeys(version_of(item) for item in items)))


def _with(cursor: str | None, name: bytes, rows: list[Any]) -> bytes:
    head = _head(cursor)
    if not rows:
        return head + b"}"
    return b'%b,"%b":%b}' % (head, name, msgspec.json.encode(rows))


def _head(cursor: str | None) -> bytes:
    if cursor is None:
        return b'{"more":false'
    return b'{"more":true,"next":"%b"' % cursor.encode()


def dates(items: Sequence[Item]) -> dict[str, str]:
    """`X-TAXII-Date-Added-First` and `-Last`; of an empty page neither (TAXII 2.1 §3.2)."""
    if not items:
        return {}
    first, last = items[0].added, items[-1].added
    text = date(first)
    return {
        "x-taxii-date-added-first": text,
        "x-taxii-date-added-last": text if last == first else date(last),
    }


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one object that was sent (TAXII 2.1 §4.3.1)."""

    id: str
    version: str
    message: str | None = None


class Status(Struct, frozen=True, kw_only=True):
    """What became of a request to add objects (TAXII 2.1 §4.3.1)."""

    id: str
    request_timestamp: str
    successes: tuple[Outcome, ...] = ()
    failures: tuple[Outcome, ...] = ()


def status(one: Status) -> bytes:
    """The status resource. It is complete when it is given: objects are checked before."""
    made: dict[str, Any] = {
        "id": one.id,
        "status": "complete",
        "request_timestamp": one.request_timestamp,
        "total_count": len(one.successes) + len(one.failures),
        "success_count": len(one.successes),
        "failure_count": len(one.failures),
        "pending_count": 0,
    }
    for name in ("successes", "failures"):
        if getattr(one, name):
            made[name] = getattr(one, name)
    return msgspec.json.encode(made)


def error(status: int, title: str, description: str, remedy: str, error_id: str) -> bytes:
    """The body of every refusal (TAXII 2.1 §3.6.1)."""
    return msgspec.json.encode(
        {
            "title": title,
            "description": description,
            "error_id": error_id,
            "http_status": str(status),
            "details": {"remedy": remedy},
        }
    )
