"""A node that runs until it is told to stop."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from tocsin.console.auth import Doors, Person
from tocsin.errors import ConfigError, NodeBusyError
from tocsin.flows.node import Node
from tocsin.policy import SCOPES
from tocsin.store.files import write_secret
from tocsin.wiring.door import Running
from tocsin.wiring.folder import LOOPBACK as OWN_MACHINE
from tocsin.wiring.folder import Config, TaxiiConfig, check_joined, load_config
from tocsin.wiring.following import following, gossiping, saying
from tocsin.wiring.keys import load_witness_signer
from tocsin.wiring.node import open_node, refold, run_log
from tocsin.wiring.stores import reviving
from tocsin.wiring.syncing import exchange, syncing

if TYPE_CHECKING:  # a verb that serves nothing loads no web framework
    from starlette.routing import BaseRoute

    from tocsin.flows.sync import Sync


def serve(
    home: Path, *, host: str, port: int, behind_proxy: bool, say: Callable[[Node, str, str], None]
) -> None:
    """Run the node until it is told to stop: log, doors, console, in that order; stop in reverse.

    Args:
        say: told once the port is open: the node, its address, and a sign-in link's path.

    Raises:
        NodeBusyError: the port is taken, or another process holds the data folder.
        ConfigError: a bind off loopback without TLS in front.
    """
    from tocsin.console.app import LOOPBACK, build

    check_joined(home)
    check_bind(host, behind_proxy)
    with bound(host, port) as sock:
        url = url_of(host, sock)
        config = load_config(home)
        with (
            open_node(home, url=url) as node,
            exchange(node, home) as sync,
            _at_work(node, home, config),
            saying(node),
            syncing(sync, config.log.sync_s),
        ):
            console = build(
                node,
                hosts=(*LOOPBACK, host, *config.node.hosts, *listed_hosts(node)),
                extra=doors(node, sync, config.taxii, secure=behind_proxy),
            )
            with _announced(home, url, node, console.doors):
                link = console.doors.link(Person(name="operator", party=node.party, role="admin"))
                answer(console.asgi, sock, lambda: say(node, url, link), console.stop)


def doors(
    node: Node,
    sync: Sync,
    config: TaxiiConfig = TaxiiConfig(),  # noqa: B008  # frozen
    *,
    secure: bool = False,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[BaseRoute]:
    """Every way into a running node but the console's own: log and witness, other nodes, TAXII.

    Args:
        config: of TAXII.
        secure: a TLS proxy stands in front.
        monotonic: a clock for rates.
    """
    from tocsin.console import peer, public, taxii
    from tocsin.console.auth import Rates
    from tocsin.flows.shares import Share

    rates = Rates(monotonic)
    share = Share(objects=config.objects_a_day, mib=config.mib_a_day)
    return [
        *public.routes(node, rates),
        *peer.routes(peer.PeerDoor(sync, rates, node.clock())),
        *taxii.routes(node, rates, anonymous=config.anonymous, share=share, secure=secure),
    ]


def serve_witness(
    home: Path,
    *,
    host: str,
    port: int,
    behind_proxy: bool,
    say: Callable[[str, str, tuple[str, ...]], None],
) -> None:
    """Run the witness role alone: the open doors of log and witness, and gossip; nothing else.

    Args:
        say: told once the port is open: the party, the address, the witness's keys.

    Raises:
        NodeBusyError: the port is taken, or another process holds the data folder.
        ConfigError: a bind off loopback without TLS in front, or a folder without witness keys.
    """
    from starlette.routing import Router

    from tocsin.console.app import LOOPBACK
    from tocsin.console.auth import Rates
    from tocsin.console.guard import Guard
    from tocsin.console.public import routes

    check_bind(host, behind_proxy)
    config = load_config(home)
    with bound(host, port) as sock, open_node(home) as node:
        signer = load_witness_signer(home, node.party)
        if signer is None:
            raise ConfigError(
                f"{home} has no witness keys", remedy="make them: tocsin key rotate --witness"
            )
        with _at_work(node, home, config):
            inner = Router(routes(node, Rates(time.monotonic)), redirect_slashes=False)
            hosts = (*LOOPBACK, host, *config.node.hosts, *listed_hosts(node))
            app = Guard(inner, hosts)
            at = url_of(host, sock)
            answer(app, sock, lambda: say(node.party, at, signer.vkeys()))


@contextmanager
def _at_work(node: Node, home: Path, config: Config) -> Iterator[None]:
    """The log's own thread, and what a running node does by itself."""
    seconds = config.log.gossip_s
    with (
        run_log(node),
        reviving(node, refold),
        gossiping(node, seconds),
        following(node, home, seconds),
    ):
        yield


def url_of(host: str, sock: socket.socket) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{sock.getsockname()[1]}"


def answer(
    app: Any,
    sock: socket.socket,
    ready: Callable[[], None],
    stop_streams: Callable[[], None] = lambda: None,
) -> None:
    """Answer on this socket until Ctrl-C or SIGTERM; `ready` is called just before."""
    from tocsin.wiring.http import settings

    config = settings(app)
    ready()
    # uvicorn raises a caught signal again once it has ended; by then it is dealt with.
    for caught in (signal.SIGINT, signal.SIGTERM):
        signal.signal(caught, lambda *_: None)
    _server(config, stop_streams).run(sockets=[sock])


def check_bind(host: str, behind_proxy: bool) -> None:
    if not behind_proxy and host not in OWN_MACHINE:
        raise ConfigError(
            f"refusing to answer on {host} without TLS",
            remedy="bind 127.0.0.1, or put a TLS proxy in front and say --behind-proxy",
        )


def listed_hosts(node: Node) -> list[str]:
    """The names by which the directory says this party's nodes are reached."""
    from tocsin.console.guard import host_name

    entry = node.directory.party(node.party)
    nodes = entry.nodes if entry is not None else ()
    urls = [url for n in nodes for url in (n.url, n.peer_url) if url]
    return [host_name(urlsplit(url).netloc) for url in urls]


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket. Raises NodeBusyError, naming the holder and a free port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen()
    except (socket.gaierror, UnicodeError) as wrong:
        sock.close()
        raise ConfigError(
            f"{host!r} is no address of this machine", remedy="127.0.0.1, ::1 or localhost"
        ) from wrong
    except OSError as wrong:
        sock.close()
        raise NodeBusyError(
            f"port {port} on {host} is taken ({wrong.strerror}){_holder(port)}",
            remedy=f"use another: tocsin up --port {_free_port(host, port)}",
        ) from wrong
    with sock:
        yield sock


@contextmanager
def _announced(home: Path, url: str, node: Node, doors: Doors) -> Iterator[None]:
    """`run/node.json` while the node runs: where it answers, and its owner's tokens."""
    for stale in doors.tokens():
        if stale.label == "terminal":
            doors.revoke_token(stale.id, "node")
    tokens = {
        party: doors.make_token(
            Person(name="operator", party=party, role="admin"),
            SCOPES,
            timedelta(days=365),
            "terminal",
        )
        for party in node.signers
    }
    path = home / "run" / "node.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    write_secret(path, msgspec.json.encode(Running(url=url, pid=os.getpid(), tokens=tokens)))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        for token in doors.tokens():
            if token.label == "terminal":
                doors.revoke_token(token.id, "node")


def _server(config: Any, stop_streams: Callable[[], None]) -> Any:
    """A server that ends open streams when told to stop; it would wait for them otherwise."""
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            stop_streams()
            super().handle_exit(sig, frame)

    return Server(config)


def _holder(port: int) -> str:
    """Who holds a port, if the system tells (Linux, own processes)."""
    try:
        rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
        inodes = {
            row.split()[9]
            for row in rows
            if row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A"
        }
        for fd in Path("/proc").glob("[0-9]*/fd/*"):
            try:
                target = os.readlink(fd)
            except OSError:
                continue
            if target.startswith("socket:[") and target[8:-1] in inodes:
                name = (fd.parent.parent / "comm").read_text().strip()
                return f" by process {fd.parent.parent.name} ({name})"
    except OSError:
        pass
    return ""


def _free_port(host: str, port: int) -> int:
    for candidate in range(port + 1, min(port + 50, 65_536)):
        with socket.socket() as probe:
            if probe.connect_ex((host, candidate)) != 0:
                return candidate
    return 0
