"""The way out: the only file that imports `httpx`.

A client is bound to one origin and stays there: no redirects, no proxies or passwords from the
environment, no private address behind a public name. What comes back is read up to a limit of
bytes and seconds, and every failure is an `UnreachableError` that names the address.
"""

from __future__ import annotations

import ipaddress
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import httpcore
import httpx
from msgspec import Struct

from tocsin.errors import ConfigError, InputError, UnreachableError

TIMEOUT = 10.0
"""Seconds to connect, and of silence while reading or writing."""
TOTAL = 60.0
"""Seconds for a whole answer: a server that drips bytes is never silent."""
MAX_BYTES = 64 * 1024 * 1024

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

_INSIDE = tuple(
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
"""Networks of one's own: RFC 1918, RFC 6598, RFC 4193. Link-local is not among them: that is where
clouds answer with their machines' credentials."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Fetched(Struct, frozen=True, kw_only=True):
    """A whole answer."""

    status: int
    media_type: str
    """Without parameters, lower-case; empty where none came."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system knows them; an address is its own."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine by itself, without asking anybody's name server."""
    try:
        host = httpx.URL(url).host.rstrip(".").lower()
    except (httpx.InvalidURL, ValueError):
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return _inner(ipaddress.ip_address(host)).is_loopback
    except ValueError:
        return False


def client(
    base_url: str,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
    transport: httpx.BaseTransport | None = None,
    *,
    local: bool = False,
    private: bool = False,
    resolve: Resolve = resolve,
) -> httpx.Client:
    """A client for one origin, and for no other.

    Args:
        base_url: `https://host[:port][/path]`, or `http://`. No user or password in it.
        headers: sent with every request, such as `authorization`.
        timeout: seconds to connect, and of silence.
        transport: stands for the network (tests, a node in this process); no address is opened,
            so none is checked.
        local: this machine's own addresses may be opened too.
        private: addresses of one's own networks may be opened too. Only for an address that this
            node's operator, or the directory's registrars, wrote down; never for one in content.
        resolve: (host, port) → addresses. The one that was checked is the one that is opened.

    Raises:
        ConfigError: `base_url` is not such a URL.
    """
    base = _checked(base_url)
    if transport is None:
        network = _Bounded(_tls(base))
        transport = _Network(network, local=local, private=private, resolve=resolve)
    return httpx.Client(
        base_url=base,
        # Encodings are not taken, so that a small answer cannot unpack to a huge one.
        headers={"accept-encoding": "identity", "user-agent": "tocsin", **(headers or {})},
        timeout=timeout,
        transport=_OneOrigin(transport, base),
        follow_redirects=False,
        trust_env=False,
    )


def fetch(
    client: httpx.Client,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    max_bytes: int = MAX_BYTES,
    seconds: float = TOTAL,
    silence: float | None = None,
) -> Fetched:
    """One request and its whole answer, whatever its status (a redirect is refused).

    Args:
        client: from `client`.
        method: GET, POST, …
        path: below the client's base URL.
        query: its parameters; none if empty.
        body: bytes to send; their type is the caller's header.
        headers: of this request.
        max_bytes: of the answer's body.
        seconds: for everything from the first byte out to the last byte in.
        silence: seconds of it, where the answer takes work; None: the client's own.

    Raises:
        UnreachableError: no answer, not in time, not from an address we may open, or one that
            leads elsewhere.
        InputError: the answer is too large or in an encoding we did not ask for.
    """
    until = _deadline.at = time.monotonic() + seconds
    url = str(client.base_url)
    try:
        request = client.build_request(
            method, path, params=dict(query) if query else None, content=body or None,
            headers=dict(headers or {}),
            timeout=httpx.USE_CLIENT_DEFAULT if silence is None else silence,
        )  # fmt: skip
        url = str(request.url)
        answer = client.send(request, stream=True)
        try:
            return _whole(answer, url, max_bytes, until, seconds)
        finally:
            answer.close()
    except httpx.TimeoutException as wrong:
        over = time.monotonic() >= until - 0.001
        raise _late(url, seconds if over else silence or client.timeout.read or seconds) from wrong
    except httpx.InvalidURL as wrong:
        raise ConfigError(
            f"{path[:200]!r} is no path: {wrong}", remedy="correct the address"
        ) from wrong
    except httpx.HTTPError as wrong:
        raise UnreachableError(
            f"{_origin(url)} does not answer: {wrong or type(wrong).__name__}",
            remedy="no TLS is spoken at this port: check the port, and whether http:// is meant"
            if "WRONG_VERSION_NUMBER" in str(wrong)
            else "start the node there with: tocsin up"
            if is_loopback(url)
            else "check the address, its certificate and the network",
        ) from wrong
    finally:
        _deadline.at = math.inf


def _whole(
    answer: httpx.Response, url: str, max_bytes: int, until: float, seconds: float
) -> Fetched:
    where = _origin(url)
    if answer.status_code in _REDIRECTS:
        raise UnreachableError(
            f"{where} leads on to {answer.headers.get('location', '')[:200]!r}, and no redirect "
            "is followed",
            remedy="use that address yourself if you trust it",
        )
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise InputError(
            f"{where} answers in the encoding {answer.headers['content-encoding'][:60]!r}",
            remedy="have its operator honour: Accept-Encoding: identity",
        )
    declared = answer.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > max_bytes:
        raise _too_large(where, declared[:20], max_bytes)
    parts: list[bytes] = []
    size = 0
    # A transport that stands for the network may have read it all already.
    for part in [answer.content] if answer.is_stream_consumed else answer.iter_raw():
        size += len(part)
        if size > max_bytes:
            raise _too_large(where, f"more than {max_bytes}", max_bytes)
        if time.monotonic() > until:
            raise _late(url, seconds)
        parts.append(part)
    return Fetched(
        status=answer.status_code,
        media_type=answer.headers.get("content-type", "").partition(";")[0].strip().lower(),
        headers=dict(answer.headers),
        body=b"".join(parts),
    )


class _Deadline(threading.local):
    """When this thread's request is to be over (`time.monotonic`)."""

    at = math.inf


_deadline = _Deadline()


def _left(timeout: float | None) -> float | None:
    """How long one step may still take."""
    left = _deadline.at - time.monotonic()
    return (
        timeout if math.isinf(left) else max(0.0, left if timeout is None else min(timeout, left))
    )


class _Stream(httpcore.NetworkStream):
    """Bytes in and out until the deadline: a server that drips header lines is never silent."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = _left(timeout)
        if left == 0.0:
            raise httpcore.ReadTimeout("no whole answer in time")
        return self._inner.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In pieces, as each is waited for anew by what is below.
        for start in range(0, len(buffer), 1 << 16):
            left = _left(timeout)
            if left == 0.0:
                raise httpcore.WriteTimeout("not taken in time")
            self._inner.write(buffer[start : start + (1 << 16)], left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout) or 0.001))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    """The network, with a deadline for each thread's request."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout) or 0.001
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options))


class _Bounded(httpx.HTTPTransport):
    """As httpx makes it, on a network that ends with the deadline."""

    def __init__(self, verify: ssl.SSLContext) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=verify,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            http1=True,
            http2=False,
            retries=0,
            network_backend=_Backend(),
        )


class _OneOrigin(httpx.BaseTransport):
    """Refuses every origin but the client's own: its headers are meant for that one."""

    def __init__(self, inner: httpx.BaseTransport, base: httpx.URL) -> None:
        self._inner = inner
        self._base = base

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        own = self._base
        if (url.scheme, url.host, url.port) != (own.scheme, own.host, own.port):
            raise UnreachableError(
                f"{_origin(str(url))} is not {_origin(str(own))}, to which this client belongs",
                remedy="give a path, not a URL",
            )
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


class _Network(httpx.BaseTransport):
    """Opens the very address that was checked, so that a name cannot change in between."""

    def __init__(
        self, inner: httpx.BaseTransport, *, local: bool, private: bool, resolve: Resolve
    ) -> None:
        self._inner = inner
        self._local = local
        self._private = private
        self._resolve = resolve

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = _ascii_host(request.url)
        refused: httpx.ConnectError | httpx.ConnectTimeout | None = None
        for address in self._addresses(request.url):
            pinned = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,  # `host` among them, as the name was
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return self._inner.handle_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout) as wrong:
                refused = wrong  # nothing was sent: the next address may be tried
        raise refused or httpx.ConnectError(f"{host} has no address")

    def _addresses(self, url: httpx.URL) -> list[str]:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = list(self._resolve(_ascii_host(url), port))
        except (OSError, UnicodeError) as wrong:
            raise httpx.ConnectError(f"the name {url.host} is not known") from wrong
        for text in found:
            address = ipaddress.ip_address(text.partition("%")[0])
            if not _may_open(address, local=self._local, private=self._private):
                raise UnreachableError(
                    f"{url.host} leads to {text}, an address that is not on the public network",
                    remedy="give the public address of the other side",
                )
        return found

    def close(self) -> None:
        self._inner.close()


def _ascii_host(url: httpx.URL) -> str:
    """The host as name servers and certificates spell it: an IDN as A-labels."""
    return url.raw_host.decode("ascii")


def _may_open(address: Address, *, local: bool, private: bool) -> bool:
    inner = _inner(address)
    if inner.is_loopback:
        return local
    if private and any(inner in net for net in _INSIDE):
        return True
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


def _inner(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only carries it."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def _checked(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
        known = url.scheme in ("http", "https") and url.host and not url.userinfo
        known = known and not url.query and not url.fragment and (url.port or 1) < 65_536
    except (httpx.InvalidURL, ValueError, TypeError):
        known = False
    if not known:
        raise ConfigError(
            f"{_without_password(base_url)!r} is not the address of a node",
            remedy="give https://host[:port]; user, password and query have no place in it",
        )
    return url


def _without_password(url: str) -> str:
    return url if "@" not in url else "…@" + url.rpartition("@")[2]


def _tls(base: httpx.URL) -> ssl.SSLContext:
    if base.scheme == "http":  # never used; trusts nobody, and costs nothing to make
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return _trusted()


@cache
def _trusted() -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()  # authorities that this machine's operator has added
    return context


def _origin(url: str) -> str:
    parsed = httpx.URL(url)
    return str(parsed.copy_with(path="/", query=None, fragment=None, userinfo=b""))


def _late(url: str, seconds: float) -> UnreachableError:
    return UnreachableError(
        f"{_origin(url)} has not answered within {seconds:g} s",
        remedy="try again later, or ask its operator",
    )


def _too_large(where: str, size: str, limit: int) -> InputError:
    return InputError(
        f"{where} answers with {size} bytes, and at most {limit} are read",
        remedy="ask for it in parts",
    )
