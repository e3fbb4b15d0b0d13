"""The way to other nodes: their witnesses are asked, their logs are read. Over HTTP, bounded.

Everything that comes back is somebody else's word. It is read up to a limit of bytes and seconds,
no redirect is followed, and what does not verify is thrown away with the reason kept for pages.
Spec: C2SP tlog-witness, tlog-tiles; record.md, "Log" and "Witness, forks, gossip".
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from tocsin.canonical import b64decode
from tocsin.errors import NoteError, ProofError, TocsinError, UnreachableError
from tocsin.record import checkpoint as notes
from tocsin.record import requests
from tocsin.record.checkpoint import NoteLine, Policy, VerifierKey
from tocsin.record.keys import Signer
from tocsin.record.witness import open_answer, open_size, write_request

if TYPE_CHECKING:  # a verb that opens the data folder and asks nobody loads no HTTP library
    from tocsin import outbound

log = logging.getLogger("tocsin.peers")

MAX_LINES_BYTES = 64 * 1024
MAX_TILE_BYTES = 64 * 1024
"""Of a tile or an entry bundle of ours; a full one has 8,960 bytes."""
MAX_FORKS = 64
"""Proofs of one node that are looked at in one round."""
MAX_FORKS_BYTES = 4 * 1024 * 1024
MAX_DIRECTORY_BYTES = 16 * 1024 * 1024
SIGNED_SECONDS = 60.0
"""For a page of statements, or an object."""
SECONDS = 5.0
"""For one answer of another node when nobody waits for it."""
TURNS = 3
"""Requests to one witness for one checkpoint: it may know a size that we do not know it knows."""
MORE = 0.02
"""Seconds that the others still have after a quorum has answered, over what it took itself."""

Keys = Callable[[str], Sequence[VerifierKey]]
Open = Callable[[str], Any]
Path = list[bytes]


def open_client(url: str, *, own_machine: bool = False) -> Any:
    """A client for an address that this node's operator or the directory's registrars wrote down.

    Addresses of one's own networks are opened: nodes in one building are the normal case. This
    machine itself is opened only where the URL names it and `own_machine` says that this is meant.
    """
    from tocsin import outbound

    return outbound.client(
        url, timeout=SECONDS, private=True, local=own_machine and outbound.is_loopback(url)
    )


# --- other nodes ------------------------------------------------------------------------------


class DirectoryItem(Struct, frozen=True, kw_only=True):
    """One root-kind statement of another node's log."""

    index: int
    envelope: str
    """Base64."""


class DirectoryPage(Struct, frozen=True, kw_only=True):
    """A page of another node's directory feed."""

    items: list[DirectoryItem]
    next: int | None


class Peers:
    """What other nodes show to everybody: checkpoints, tiles, what their witnesses hold.

    Args:
        open: URL → client; kept for the life of this object, so that connections are reused.
    """

    def __init__(self, open: Open = open_client) -> None:
        self._open = open
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let go of all connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def checkpoint(self, url: str) -> bytes:
        """The newest checkpoint of the log at `url`. Nothing of it is checked.

        Raises:
            UnreachableError: no answer in time, or none that is a checkpoint.
            InputError: too large.
        """
        return self._get(url, "/tlog/checkpoint", notes.MAX_NOTE_BYTES)

    def tile(self, url: str, path: str) -> bytes:
        """A tile (`tile/…`) of the log at `url`. Raises as `checkpoint`."""
        return self._get(url, f"/tlog/{path}", MAX_TILE_BYTES)

    def find_tile(self, url: str, path: str) -> bytes | None:
        """As `tile`; None where the log says that it has none of that path."""
        return self._maybe(url, f"/tlog/{path}", MAX_TILE_BYTES)

    def held(self, url: str, origin: str) -> bytes | None:
        """What the witness of the node at `url` holds of `origin`; None if nothing.

        Raises as `checkpoint`.
        """
        return self._maybe(url, f"/witness/{origin_hash(origin)}/checkpoint", notes.MAX_NOTE_BYTES)

    def forks(self, url: str) -> list[bytes]:
        """The fork proofs that the node at `url` knows. Raises as `checkpoint`."""
        found = self._maybe(url, "/witness/forks", MAX_FORKS_BYTES)
        try:
            listed = msgspec.json.decode(found or b'{"forks":[]}', type=_Forks)
            return [b64decode(text) for text in listed.forks[:MAX_FORKS]]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TocsinError) as wrong:
            raise UnreachableError(
                f"{url} lists no fork proofs: {wrong}", remedy="ask its operator"
            ) from wrong

    def directory(self, url: str, after: int = -1) -> DirectoryPage:
        """Root-kind statements of the log at `url` behind index `after`. Raises as `checkpoint`."""
        raw = self._get(url, f"/api/v1/directory?after={after}", MAX_DIRECTORY_BYTES)
        try:
            return msgspec.json.decode(raw, type=DirectoryPage)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            raise UnreachableError(
                f"{url} gives no directory: {wrong}", remedy="ask its operator"
            ) from wrong

    def _get(self, url: str, path: str, limit: int) -> bytes:
        found = self._maybe(url, path, limit)
        if found is None:
            raise UnreachableError(
                f"{url}{path} is not there (404)",
                remedy="check that a node of this version answers at that address",
            )
        return found

    def _maybe(self, url: str, path: str, limit: int) -> bytes | None:
        from tocsin import outbound

        found = outbound.fetch(self.client(url), "GET", path, max_bytes=limit, seconds=SECONDS)
        if found.status == 404:
            return None
        if found.status != 200:
            raise UnreachableError(
                f"{url}{path} answers with status {found.status}", remedy="ask its operator"
            )
        return found.body

    def client(self, url: str) -> Any:
        """The one client for this address."""
        with self._lock:
            client = self._clients.get(url)
            if client is None:
                client = self._clients[url] = self._open(url)
            return client


class _Forks(Struct, frozen=True):
    forks: list[str]


def origin_hash(origin: str) -> str:
    """How a witness's monitoring address names a log: hex SHA-256 of the origin."""
    return hashlib.sha256(origin.encode()).hexdigest()


# --- signed requests --------------------------------------------------------------------------


class SignedWire:
    """Requests to other nodes in this party's name; the port is `flows.sync.Wire`.

    Args:
        signer: gives the node's key; None: this folder has none yet.
        open: URL → client; kept for the life of this object.
        clock: UTC.
        rng: random bytes, for nonces.
    """

    def __init__(
        self,
        signer: Callable[[], Signer | None],
        open: Open,
        *,
        clock: Callable[[], datetime],
        rng: Callable[[int], bytes],
    ) -> None:
        self._signer, self._clock, self._rng = signer, clock, rng
        self._peers = Peers(open)

    def close(self) -> None:
        """Let go of all connections."""
        self._peers.close()

    def ask(
        self, party: str, url: str, method: str, target: str, body: bytes = b"", *, limit: int
    ) -> requests.Answer:
        """See `Wire.ask`."""
        from tocsin import outbound

        signer = self._signer()
        if signer is None:
            raise UnreachableError(
                "this node has no key to sign requests with",
                remedy="make one: tocsin key rotate --node",
            )
        headers = requests.sign_request(
            signer, party, method, target, body, now=self._clock(), nonce=self._rng(16).hex()
        )
        found = outbound.fetch(
            self._peers.client(url),
            method,
            target,
            body=body,
            headers={**headers, "content-type": "application/json"} if body else headers,
            max_bytes=limit,
            seconds=SIGNED_SECONDS,
        )
        later = found.headers.get("retry-after", "")
        return requests.Answer(
            status=found.status,
            body=found.body,
            retry_after=int(later) if later.isdecimal() and len(later) < 7 else 0,
        )


# --- witnesses --------------------------------------------------------------------------------


class WitnessReport(Struct, frozen=True, kw_only=True):
    """How one of our witnesses stands, for pages."""

    name: str
    """As in the policy."""
    key: str
    """The name under which it signs."""
    url: str
    size: int | None
    """Of our log, as it last said; None: it has not said yet."""
    time: int | None
    """Of its newest cosignature, its own clock, seconds since 1970 (UTC)."""
    error: str | None
    """Why it last did not cosign; None after it did."""


class _Asked:
    """What we remember of one witness. `busy` is held by the one thread that talks to it."""

    def __init__(self, name: str, key: VerifierKey, url: str) -> None:
        self.name, self.key, self.url = name, key, url
        self.busy = threading.Lock()
        self.size: int | None = None
        self.time: int | None = None
        self.error: str | None = None


class WitnessClients:
    """The witnesses of this node's policy, over HTTP; the port is `record.cosigning.Witnesses`.

    Args:
        policy: the policy in force; asked anew for each round.
        keys: key name → further keys of that witness (from the directory): its ML-DSA-44 line is
            kept beside the line that the policy names.
        open: URL → client.
        monotonic: seconds, for waiting.
    """

    def __init__(
        self,
        policy: Callable[[], Policy],
        keys: Keys = lambda _: (),
        open: Open = open_client,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._keys = keys
        self._open = open
        self._now = monotonic
        self._closed = False
        self._lock = threading.Lock()
        self._asked: dict[tuple[str, VerifierKey, str], _Asked] = {}
        self._clients: dict[str, Any] = {}

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._policy()

    def close(self) -> None:
        """Let go of all connections; who is being asked is not listened to any more."""
        with self._lock:
            self._closed = True
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def report(self) -> list[WitnessReport]:
        """How each witness of the policy stands, in the policy's order."""
        return [
            WitnessReport(
                name=a.name, key=a.key.name, url=a.url, size=a.size, time=a.time, error=a.error
            )
            for a in self._of(self.policy)
        ]

    def cosign(
        self, checkpoint: bytes, consistency: Callable[[int], Path], wait_s: float
    ) -> tuple[NoteLine, ...]:
        """The verified lines of whichever witnesses cosign `checkpoint` in time.

        All are asked at once. It returns when all have answered, shortly after the policy's quorum
        has, or when the time is over. A witness that is still busy with an earlier checkpoint is
        left out: it is asked for the next one.

        Args:
            checkpoint: our note, with the log's lines.
            consistency: old size → the proof from there to this checkpoint.
            wait_s: at most so many seconds.

        Spec: C2SP tlog-witness, "add-checkpoint".
        """
        policy = self.policy
        note = notes.open_note(checkpoint)
        head = notes.open_checkpoint(note.text)

        def ask(asked: _Asked) -> tuple[NoteLine, ...]:
            until = started + wait_s
            size = asked.size or 0  # "MAY initially make a request with a old size of zero"
            for _ in range(TURNS):
                if size > head.size:
                    asked.size = None  # it is asked again from the beginning: it may have lied
                    raise ProofError(
                        f"it holds size {size} of {head.origin}, and we are at {head.size}",
                        remedy="another node signs with this log's keys, or this store is an old "
                        "one: stop this node and look",
                    )
                proof = consistency(size) if 0 < size < head.size else []
                body = write_request(size, proof, checkpoint)
                found = self._fetch(asked, "POST", "/add-checkpoint", until, body)
                if found.status == 200:
                    lines = self._verified(asked, checkpoint, found.body)
                    asked.size = head.size
                    return lines
                known = _known_size(found)
                if known is None or known == size:
                    raise _refused(asked, found.status, found.body)
                size = asked.size = known
            raise UnreachableError(
                f"{asked.name} names another size each time", remedy="ask its operator"
            )

        started = self._now()
        until = started + wait_s
        answers, count = self._each(policy, ask)
        lines: dict[str, tuple[NoteLine, ...]] = {}
        quorum = policy.quorum == "none"
        for _ in range(count):
            try:
                name, answer = answers.get(timeout=max(0.0, until - self._now()))
            except queue.Empty:
                break
            if answer:
                lines[name] = answer
                if not quorum and policy.satisfied(lines):
                    # Who hangs must not make each statement wait for him.
                    quorum = True
                    until = min(until, 2 * self._now() - started + MORE)
        # First the lines that the policy names: they make the quorum. Then what room there is.
        ordered = [x for name in policy.witnesses for x in lines.get(name, ())[:1]]
        ordered += [x for name in policy.witnesses for x in lines.get(name, ())[1:]]
        return tuple(ordered[: notes.MAX_LINES - len(note.lines)])

    def held(self, origin: str, wait_s: float) -> list[tuple[str, bytes | None]]:
        """What each witness holds of our log: (name, note), or (name, None) where it holds none.

        Those that did not answer, or with a note that the log never signed, are absent.

        Spec: C2SP tlog-witness, monitoring prefix; record.md, "Rollback guard at boot".
        """
        policy = self.policy
        keys = [key for key in policy.logs if key.name == origin]
        until = self._now() + wait_s

        def ask(asked: _Asked) -> bytes | None:
            path = f"/{origin_hash(origin)}/checkpoint"
            found = self._fetch(asked, "GET", path, until)
            if found.status == 404:
                asked.size = 0
                return None
            if found.status != 200:
                raise _refused(asked, found.status, found.body)
            note = notes.open_note(found.body)
            head = notes.open_checkpoint(note.text)
            if head.origin != origin:
                raise NoteError(
                    f"asked for {origin}, it gives {head.origin[:80]!r}", remedy="ask its operator"
                )
            notes.verify_note(note, keys)
            asked.size = head.size
            return found.body

        answers, count = self._each(policy, ask)
        found: list[tuple[str, bytes | None]] = []
        for _ in range(count):
            try:
                name, answer = answers.get(timeout=max(0.0, until - self._now()))
            except queue.Empty:
                break
            if not isinstance(answer, _Nothing):
                found.append((name, answer))
        return found

    # --- one witness ----------------------------------------------------------------------

    def _each(
        self, policy: Policy, ask: Callable[[_Asked], Any]
    ) -> tuple[queue.SimpleQueue[tuple[str, Any]], int]:
        """Start `ask` for every witness that is not busy: (name, answer) each, and how many."""
        answers: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        started = 0
        for asked in self._of(policy):
            if asked.busy.acquire(blocking=False):
                started += 1
                threading.Thread(
                    target=self._one, args=(asked, ask, answers), name="witness", daemon=True
                ).start()
        return answers, started

    def _one(
        self,
        asked: _Asked,
        ask: Callable[[_Asked], Any],
        answers: queue.SimpleQueue[tuple[str, Any]],
    ) -> None:
        answer: Any = _Nothing()
        try:
            answer = ask(asked)
            asked.error = None
        except TocsinError as wrong:
            asked.error = wrong.message
        except Exception as fault:  # a thread that dies says nothing to anybody
            if not self._closed:
                log.exception("asking a witness failed", extra={"witness": asked.name})
            asked.error = f"{type(fault).__name__}: {fault}"
        finally:
            asked.busy.release()
            answers.put((asked.name, answer))

    def _of(self, policy: Policy) -> list[_Asked]:
        with self._lock:
            return [
                self._asked.setdefault(
                    (name, key, policy.urls.get(name, "")),
                    _Asked(name, key, policy.urls.get(name, "")),
                )
                for name, key in policy.witnesses.items()
            ]

    def _fetch(
        self, asked: _Asked, method: str, path: str, until: float, body: bytes = b""
    ) -> outbound.Fetched:
        from tocsin import outbound

        if not asked.url:
            raise UnreachableError(
                "the policy names no address for it",
                remedy="write it at the end of its line in policy.txt: witness NAME VKEY URL",
            )
        with self._lock:
            if self._closed:
                raise UnreachableError("this node is stopping", remedy="start it again")
            client = self._clients.get(asked.url)
            if client is None:
                client = self._clients[asked.url] = self._open(asked.url)
        return outbound.fetch(
            client,
            method,
            path,
            body=body,
            max_bytes=notes.MAX_NOTE_BYTES if method == "GET" else MAX_LINES_BYTES,
            seconds=max(0.05, until - self._now()),
        )

    def _verified(self, asked: _Asked, note: bytes, body: bytes) -> tuple[NoteLine, ...]:
        """The witness's own lines of an answer, the one that the policy names first.

        Spec: C2SP tlog-witness, "The client MUST ignore any cosignatures from unknown keys".
        """
        more = [k for k in self._keys(asked.key.name) if k.name == asked.key.name]
        lines = open_answer(note, body, dict.fromkeys((asked.key, *more)))
        by_key = {(line.name, line.keyid): line for line in reversed(lines)}
        first = by_key.pop((asked.key.name, asked.key.keyid), None)
        if first is None:
            raise NoteError(
                "its answer holds no line of the key that the policy names",
                remedy="compare its key with its operator: tocsin witness list",
            )
        asked.time = int.from_bytes(first.blob[:8], "big")
        return (first, *by_key.values())


class _Nothing:
    """No answer: another thing than an answer of None."""

    def __bool__(self) -> bool:
        return False


def _known_size(found: outbound.Fetched) -> int | None:
    """The size that a 409 names; None: it is no such answer."""
    return open_size(found.body) if found.status == 409 else None


def _refused(asked: _Asked, status: int, body: bytes) -> UnreachableError:
    words = body[:200].decode("utf-8", "replace").strip()
    return UnreachableError(
        f"it answers with status {status}{f': {words}' if words else ''}",
        remedy=f"ask the operator of {asked.key.name}",
    )
