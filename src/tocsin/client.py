"""The HTTP API's Python client: what every verb, and any program of yours, talks to a node with.

A client signs only with keys of its own folder. Where the node answers an act with a payload to be
signed (the party's key is not at the node), the client checks that it says what was asked, signs
it here, and brings the envelope back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from msgspec import Struct

from tocsin import errors
from tocsin.canonical import b64decode
from tocsin.errors import NoteError, ProofError, SignatureError, TocsinError
from tocsin.record import checkpoint as notes
from tocsin.record import merkle
from tocsin.record.envelope import leaf, sign, statement_id
from tocsin.record.keys import Signer
from tocsin.record.statement import Statement, parse

BASE = "/api/v1"


class Reply(Struct, frozen=True, kw_only=True):
    """What a door gives back."""

    status: int
    media_type: str
    body: bytes


class Door(Protocol):
    """The way to a node: over HTTP, or straight into the one this process has opened."""

    def __call__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes,
        headers: Mapping[str, str],
    ) -> Reply: ...


_ERRORS: dict[str, type[TocsinError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, TocsinError)
}


def raise_problem(reply: Reply, asked: str = "") -> None:
    """Raise the error a node answered with as the class it was there.

    Args:
        asked: what was asked for; a node answers hidden and unknown in the same words, and cannot
            name it.
    """
    try:
        problem = msgspec.json.decode(reply.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise errors.UnreachableError(
            f"the node answered {reply.status}, and not in words we know",
            remedy="check the address: tocsin doctor",
        ) from None
    name = "".join(
        part.capitalize() for part in str(problem.get("type", "")).split("/")[-1].split("-")
    )
    kind = _ERRORS.get(name + "Error") or _ERRORS.get(name) or TocsinError
    if kind is errors.NotFoundError and asked:
        raise errors.NotFoundError(
            f"there is nothing here that you may see: {asked[:200]}",
            remedy="give the id whole; see what is here: tocsin log show, tocsin claims; "
            "what was ingested is not said until tocsin accept",
        )
    # Some classes want more than words (an offset, a chain head); what they tell is in the words.
    error = kind.__new__(kind)
    TocsinError.__init__(
        error,
        str(problem.get("detail") or problem.get("title") or reply.status),
        remedy=str(problem.get("remedy") or "see the node's log"),
    )
    raise error


class Client:
    """One party's way to one node."""

    def __init__(
        self,
        door: Door,
        *,
        token: str = "",
        signer: Callable[[], Signer | None] = lambda: None,
        keep: Callable[[str, bytes], None] = lambda _id, _proof: None,
    ) -> None:
        """`keep`: is handed the tlog-proof of what was signed here and logged there, by its id."""
        self._keep = keep
        self._door = door
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._signer = signer

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: bytes = b"",
        media_type: str = "application/json",
    ) -> bytes:
        """One request. Raises the typed error that the node refused with."""
        given = (query or {}).items()
        # 0 is a number, and is sent.
        asked = {k: str(v) for k, v in given if v is not None and v is not False and v != ""}
        headers = {**self._headers, **({"content-type": media_type} if body else {})}
        reply = self._door(method, BASE + path, asked, body, headers)
        if reply.status >= 400:
            named = ", ".join(asked[key] for key in ("id", "q", "query") if key in asked)
            raise_problem(reply, f"{path} {named}".rstrip())
        return reply.body

    def get(self, path: str, **query: Any) -> Any:
        """A GET; its JSON. A `_` in a name of the query stands for `-`."""
        return _json(
            self.call("GET", path, query={k.replace("_", "-"): v for k, v in query.items()})
        )

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A POST of JSON; its JSON."""
        return _json(self.call("POST", path, body=msgspec.json.encode(body or {})))

    def act(
        self, path: str, body: Mapping[str, Any] | None, expect: Callable[[Statement], bool]
    ) -> Any:
        """A POST that says something in this party's name.

        Args:
            expect: what a payload prepared elsewhere must be before it is signed here.
        """
        return self.sign_if_asked(self.post(path, body), expect)

    def sign_if_asked(self, answer: Any, expect: Callable[[Statement], bool]) -> Any:
        """Sign what the node prepared, if this party's key is not at the node."""
        for name in ("statement", "statements") if isinstance(answer, dict) else ():
            found = answer.get(name)
            if isinstance(found, dict) and "payload" in found:
                answer[name] = self._sign(found, expect)
            elif isinstance(found, list):
                answer[name] = [
                    self._sign(f, expect) if isinstance(f, dict) and "payload" in f else f
                    for f in found
                ]
        return answer

    def _sign(self, prepared: Mapping[str, Any], expect: Callable[[Statement], bool]) -> Any:
        signer = self._signer()
        payload = b64decode(str(prepared["payload"]))
        statement = parse(payload)
        if signer is None or statement.author != signer.party or statement.key != signer.keyid:
            raise SignatureError(
                f"the node asks for a signature of {statement.author} with key "
                f"{statement.key[:12]}…, which is not in this folder",
                remedy="run this verb in the data folder of " + statement.author,
            )
        if not expect(statement):
            raise SignatureError(
                f"the node prepared another statement than was asked for ({statement.kind}); "
                "nothing was signed",
                remedy="keep the payload and ask the node's operator; do not sign it",
            )
        envelope = sign(payload, [signer])
        body = self.call(
            "POST", "/statements", body=envelope, media_type="application/vnd.dsse+json"
        )
        found = _json(body)
        self._keep(statement_id(envelope), _check_receipt(envelope, found))
        return found


def _check_receipt(envelope: bytes, found: Any) -> bytes:
    """The tlog-proof with which the node has shown where in its log the envelope is.

    The path leads to a checkpoint of the node's own saying: whose keys are under it, and who has
    cosigned it, is for `tocsin log prove` and `tocsin verify`.

    Raises:
        ProofError: it is shown nowhere, or not at this place.
    """
    text = found.pop("proof", "") if isinstance(found, dict) else ""
    try:
        proof = notes.open_proof(str(text).encode())
        head = notes.open_checkpoint(notes.open_note(proof.checkpoint).text)
        merkle.verify_inclusion(leaf(envelope), proof.index, head.size, proof.path, head.root)
    except (NoteError, ProofError) as wrong:
        raise ProofError(
            f"the node says that it logged {statement_id(envelope)[:12]}…, and does not show it: "
            f"{wrong.message}",
            remedy="keep what it said, ask its operator, and look: tocsin log show",
        ) from wrong
    return str(text).encode()


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise errors.UnreachableError(
            f"what answers there is no node of tocsin: {wrong}",
            remedy="check the address: tocsin doctor",
        ) from wrong


def says(
    kind: str,
    body: Mapping[str, Any],
    *,
    case: str | None,
    tlp: str | None = None,
    to: Iterable[str] | None = None,
    refs: Iterable[str] | None = None,
    objects: Iterable[str] | None = None,
    chosen: Iterable[str] = (),
) -> Callable[[Statement], bool]:
    """What a statement prepared elsewhere must be, so that it is signed here.

    Args:
        body: every field of it, and no other.
        tlp, to, refs: exactly these. None: the node's to choose.
        objects: their ids or their digests, exactly these.
        chosen: fields of the body that are the node's to choose, such as `re`.
    """
    wanted = {name: value for name, value in body.items() if value is not None}
    free = set(chosen)

    def expect(s: Statement) -> bool:
        named = None if objects is None else set(objects)
        return (
            s.kind == kind
            and s.case == case
            and {name: value for name, value in s.body.items() if name not in free} == wanted
            and (tlp is None or s.tlp == tlp)
            and (to is None or set(s.to) == set(to))
            and (refs is None or set(s.refs) == set(refs))
            and (named is None or named in ({o.id for o in s.objects}, _digests(s)))
        )

    return expect


def _digests(s: Statement) -> set[str]:
    return {o.sha256 for o in s.objects}


def segment(text: str) -> str:
    """A path segment, escaped."""
    return quote(text, safe="")
