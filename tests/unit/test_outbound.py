"""The way out: one origin, checked addresses, limits, and failures that name what failed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tocsin.errors import ConfigError, InputError, UnreachableError
from tocsin.outbound import TIMEOUT, client, fetch, is_loopback, resolve

URL = "https://node.southmark.example"


class Server:
    """A real server on loopback, with one answer for each path."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {k.lower(): v for k, v in self.headers.items()}
                outer.requests.append((self.command, self.path, headers, body))
                outer.answers[self.path.partition("?")[0]](self)

            do_GET = do_POST = _any  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def reply(
    status: int = 200, body: bytes = b"ok", **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        sent = {"content-type": "application/json; charset=utf-8", **headers}
        for name, value in {"content-length": str(len(body)), **sent}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def faked(handle: Callable[[httpx.Request], httpx.Response], **more: Any) -> httpx.Client:
    return client(URL, transport=httpx.MockTransport(handle), **more)


# --- a request and its answer -----------------------------------------------------------------


def test_a_request_arrives_as_it_was_sent(server: Server) -> None:
    server.answers["/api/v1/x"] = reply(201, b'{"a":1}', x_more="yes")
    with client(server.url, {"authorization": "Bearer t"}, local=True) as out:
        found = fetch(
            out,
            "POST",
            "/api/v1/x",
            query={"q": "a b&c"},
            body=b"\x00body",
            headers={"content-type": "x/y"},
        )
    assert (found.status, found.media_type, found.body) == (201, "application/json", b'{"a":1}')
    assert found.headers["x-more"] == "yes"
    [(method, path, headers, body)] = server.requests
    assert (method, path, body) == ("POST", "/api/v1/x?q=a+b%26c", b"\x00body")
    assert headers["authorization"] == "Bearer t"
    assert headers["content-type"] == "x/y"
    assert headers["accept-encoding"] == "identity"
    assert headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("status", [200, 204, 304, 400, 404, 409, 500, 503])
def test_every_status_is_the_callers_to_judge(status: int) -> None:
    with faked(lambda _: httpx.Response(status)) as out:
        assert fetch(out, "GET", "/").status == status


def test_an_answer_that_takes_work_is_waited_for() -> None:
    waited: list[float] = []

    def handle(request: httpx.Request) -> httpx.Response:
        waited.append(request.extensions["timeout"]["read"])
        return httpx.Response(200)

    with faked(handle) as out:
        fetch(out, "GET", "/")
        fetch(out, "GET", "/", silence=180.0)
    assert waited == [TIMEOUT, 180.0]


def test_a_path_below_the_base_is_kept() -> None:
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200)

    with client(URL + "/taxii2", transport=httpx.MockTransport(handle)) as out:
        fetch(out, "GET", "/root/")
    assert seen == [URL + "/taxii2/root/"]


def test_nothing_of_the_environment_is_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answers["/"] = reply()
    with client(server.url, local=True) as out:
        assert fetch(out, "GET", "/").body == b"ok"
    assert "authorization" not in server.requests[0][2]


# --- where it may go --------------------------------------------------------------------------

PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
]
LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]


@pytest.mark.parametrize("address", PRIVATE + LOOPBACK)
@pytest.mark.parametrize("others", [[], ["1.1.1.1"]])
def test_a_public_name_that_leads_to_a_private_address_is_not_opened(
    address: str, others: list[str]
) -> None:
    with (
        client(URL, resolve=lambda *_: [*others, address]) as out,
        pytest.raises(UnreachableError, match="not on the public network") as refused,
    ):
        fetch(out, "GET", "/")
    assert "node.southmark.example" in refused.value.message
    assert refused.value.remedy


@pytest.mark.parametrize("address", PRIVATE)
def test_local_means_this_machine_and_not_its_network(address: str) -> None:
    with (
        client(URL, local=True, resolve=lambda *_: [address]) as out,
        pytest.raises(UnreachableError, match="not on the public network"),
    ):
        fetch(out, "GET", "/")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "127.1"])
def test_loopback_is_refused_unless_asked_for(host: str) -> None:
    with client(f"http://{host}:9") as out, pytest.raises(UnreachableError, match="public network"):
        fetch(out, "GET", "/")


def test_the_address_that_was_checked_is_the_one_that_is_opened(server: Server) -> None:
    """A name that answers differently the second time (DNS rebinding) gains nothing."""
    server.answers["/"] = reply()
    asked: list[str] = []

    def once(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with client(f"http://a.name.example:{server.port}", local=True, resolve=once) as out:
        assert fetch(out, "GET", "/").status == 200
        with pytest.raises(UnreachableError, match=r"10\.0\.0\.1"):
            fetch(out, "GET", "/")
    assert asked == ["a.name.example"] * 2
    assert server.requests[0][2]["host"] == f"a.name.example:{server.port}"


def test_a_second_address_is_tried_when_the_first_does_not_answer(server: Server) -> None:
    server.answers["/"] = reply()
    with client(
        f"http://a.name.example:{server.port}",
        local=True,
        resolve=lambda *_: ["127.0.0.9", "127.0.0.1"],
    ) as out:
        assert fetch(out, "GET", "/").status == 200


def test_a_name_in_other_letters_is_asked_for_as_name_servers_know_it() -> None:
    asked: list[str] = []

    def where(host: str, port: int) -> list[str]:
        asked.append(f"{host}:{port}")
        return ["10.0.0.1"]

    with client("https://zürich.example", resolve=where) as out, pytest.raises(UnreachableError):
        fetch(out, "GET", "/")
    assert asked == ["xn--zrich-kva.example:443"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(server: Server, status: int) -> None:
    server.answers["/"] = reply(status, location="http://127.0.0.1:1/secret")
    with (
        client(server.url, {"authorization": "Bearer t"}, local=True) as out,
        pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1/secret"),
    ):
        fetch(out, "GET", "/")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://other.example/",
        "http://node.southmark.example/",
        "https://node.southmark.example:8443/",
        "//other.example/x",
    ],
)
def test_credentials_never_go_to_another_origin(elsewhere: str) -> None:
    gone: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        gone.append(str(request.url))
        return httpx.Response(200)

    with faked(handle, headers={"authorization": "Bearer t"}) as out:
        try:
            fetch(out, "GET", elsewhere)
        except UnreachableError as refused:
            assert "Bearer" not in refused.message  # noqa: PT017
    assert all(url.startswith(URL + "/") for url in gone)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "node.example",
        "ftp://node.example",
        "file:///etc/passwd",
        "https://",
        "https://ada:hush@node.example",
        "https://node.example/?a=b",
        "https://node.example/#x",
        "https://node.example:99999",
        "http://[::1",
        "https://no\x00de.example",
    ],
)
def test_what_is_no_address_of_a_node_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        client(url)
    assert "hush" not in refused.value.message
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8470", True),
        ("http://127.3.2.1", True),
        ("http://[::1]:8470", True),
        ("http://localhost:1", True),
        ("http://LOCALHOST.", True),
        ("http://x.localhost", True),
        ("http://10.0.0.1", False),
        ("https://localhost.example", False),
        ("https://node.example", False),
        ("", False),
        ("http://[::1", False),
    ],
)
def test_loopback_is_known_without_asking(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_the_system_resolves_an_address_to_itself() -> None:
    assert resolve("127.0.0.1", 80) == ["127.0.0.1"]


# --- limits -----------------------------------------------------------------------------------


def test_an_answer_of_exactly_the_limit_is_read(server: Server) -> None:
    server.answers["/"] = reply(body=b"x" * 1000)
    with client(server.url, local=True) as out:
        assert len(fetch(out, "GET", "/", max_bytes=1000).body) == 1000
        with pytest.raises(InputError, match="1000 bytes, and at most 999"):
            fetch(out, "GET", "/", max_bytes=999)


def test_an_answer_without_end_is_cut_off(server: Server) -> None:
    sent = 0

    def endless(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        try:
            while sent < 500_000_000:
                sent += handler.wfile.write(b"x" * 65_536)
        except OSError:
            pass

    server.answers["/"] = endless
    with client(server.url, local=True) as out, pytest.raises(InputError, match="at most 100000"):
        fetch(out, "GET", "/", max_bytes=100_000)
    assert sent < 50_000_000


def test_a_compressed_answer_we_did_not_ask_for_is_refused() -> None:
    with (
        faked(
            lambda _: httpx.Response(200, headers={"content-encoding": "gzip"}, content=b"")
        ) as out,
        pytest.raises(InputError, match="gzip"),
    ):
        fetch(out, "GET", "/")


def test_a_server_that_drips_is_left_after_the_total_time(server: Server) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(200):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.02)
        except OSError:
            pass

    server.answers["/"] = drip
    start = time.monotonic()
    with (
        client(server.url, local=True) as out,
        pytest.raises(UnreachableError, match=r"within 0\.2 s"),
    ):
        fetch(out, "GET", "/", seconds=0.2)
    assert time.monotonic() - start < 2


def test_a_silent_server_is_left_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with (
            client(f"http://127.0.0.1:{port}", timeout=0.2, local=True) as out,
            pytest.raises(UnreachableError, match=r"within 0\.2 s") as refused,
        ):
            fetch(out, "GET", "/")
    assert f"127.0.0.1:{port}" in refused.value.message


# --- failures ---------------------------------------------------------------------------------


def test_a_port_where_nobody_listens_is_said_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with (
        client(f"http://127.0.0.1:{port}", local=True) as out,
        pytest.raises(UnreachableError, match=f"127.0.0.1:{port}.*does not answer") as refused,
    ):
        fetch(out, "GET", "/secret/path?token=x")
    assert "tocsin up" in refused.value.remedy
    assert "token" not in refused.value.message


def test_an_unknown_name_is_said() -> None:
    def nobody(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    def nowhere(host: str, port: int) -> list[str]:
        return []

    for where in (nobody, nowhere):
        with (
            client(URL, resolve=where) as out,
            pytest.raises(UnreachableError, match=r"node\.southmark\.example") as refused,
        ):
            fetch(out, "GET", "/")
        assert "check the address" in refused.value.remedy


def test_a_server_that_speaks_no_http_is_said(server: Server) -> None:
    def garbage(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        handler.close_connection = True

    server.answers["/"] = garbage
    with client(server.url, local=True) as out, pytest.raises(UnreachableError):
        fetch(out, "GET", "/")


def test_a_server_that_hangs_up_half_way_is_said(server: Server) -> None:
    def half(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.close_connection = True

    server.answers["/"] = half
    with client(server.url, local=True) as out, pytest.raises(UnreachableError):
        fetch(out, "GET", "/")


def test_tls_to_a_server_that_has_none_is_said(server: Server) -> None:
    with (
        client(f"https://127.0.0.1:{server.port}", local=True) as out,
        pytest.raises(UnreachableError, match="does not answer"),
    ):
        fetch(out, "GET", "/")


def test_header_lines_that_drip_are_let_go_in_time() -> None:
    """Each byte comes before the silence is long enough; the whole answer never does."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            accepted, _ = listening.accept()
            with accepted:
                accepted.recv(65_536)
                accepted.sendall(b"HTTP/1.1 200 OK\r\nx-a: ")
                while not stop.wait(0.05):
                    try:
                        accepted.sendall(b"a")
                    except OSError:
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        started = time.monotonic()
        with client(url, local=True) as asking, pytest.raises(UnreachableError):
            fetch(asking, "GET", "/", seconds=0.6)
        assert time.monotonic() - started < 5
        stop.set()
        thread.join(5)
