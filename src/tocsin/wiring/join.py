"""An invitation opened and answered."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tocsin.canonical import b64decode
from tocsin.client import Client
from tocsin.errors import UnreachableError, UnreadableError, UsageError, VerificationError
from tocsin.flows.join import Admitted, Invitation, enrolment
from tocsin.record.directory import open_root, same_fingerprint
from tocsin.record.statement import key_body
from tocsin.store.files import write_secret
from tocsin.wiring.door import http_door
from tocsin.wiring.folder import Config, RemoteConfig, fresh_folder, write_config
from tocsin.wiring.keys import load_signer, make_keys
from tocsin.wiring.party import check_name, check_party_name, party_entry


def open_invitation(raw: bytes) -> Invitation:
    """An invitation file. Raises UnreadableError."""
    try:
        return msgspec.json.decode(raw, type=Invitation)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as wrong:
        raise UnreadableError(
            f"this is no invitation: {wrong}", remedy="give the file `tocsin party invite` printed"
        ) from wrong


def join(home: Path, invited: Invitation, *, name: str, heard: str, send: bool) -> bytes:
    """Make a party's keys and answer its invitation; the answer.

    With `send` it is brought to the inviting node, and the folder works against that node from
    then on; without, it is to be carried by hand (`tocsin party admit`).

    Raises:
        VerificationError: the fingerprint heard is another one; nothing is made.
        ConflictError: there is something in `home` already.
        UnreachableError: the node does not answer; nothing is made.
    """
    root = b64decode(invited.root)
    open_root(root)
    if not same_fingerprint(heard, root):
        raise VerificationError(
            f"{heard!r} is not the fingerprint of this invitation's directory",
            remedy="do not join: ask for the invitation again over another channel",
        )
    if send and not invited.url:
        raise UsageError(
            "this invitation names no address", remedy="answer by file: --out answer.json"
        )
    check_party_name(invited.party)
    check_name(name)
    with fresh_folder(home) as folder:
        make_keys(folder, invited.party, log=False, rng=secrets.token_bytes)
        (folder / "root.json").write_bytes(root)
        answer = msgspec.json.encode(
            enrolment(
                invited,
                party_entry(folder, invited.party, name, log=None),
                load_signer(folder, invited.party, "root"),
                key_body(load_signer(folder, invited.party, "signing").public),
                time=datetime.now(UTC),
                salt=secrets.token_hex(16),
            )
        )
        remote = None
        if send:
            reply = Client(http_door(invited.url)).call("POST", "/parties", body=answer)
            token = _token_in(reply)
            write_secret(folder / "keys" / "token", token.encode() + b"\n")
            remote = RemoteConfig(url=invited.url)
        write_config(folder, Config(party=invited.party, name=name, remote=remote))
    return answer


def _token_in(reply: bytes) -> str:
    try:
        return msgspec.json.decode(reply, type=Admitted).token
    except (msgspec.DecodeError, msgspec.ValidationError) as wrong:
        raise UnreachableError(
            f"what answered the invitation is no node: {wrong}", remedy="check its address"
        ) from wrong
