"""An invitation opened and answered.

The keys are on disk before anything is sent, and stay there: `keys/join.json` holds the answer
until the reply to it has been dealt with. Whoever is cut off says the same again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.canonical import b64decode
from tocsin.client import Client, Door
from tocsin.errors import (
    ConflictError,
    NotFoundError,
    RecordError,
    UnreachableError,
    UnreadableError,
    UsageError,
    VerificationError,
)
from tocsin.flows import keys as key_flow
from tocsin.flows.join import Admitted, Enrolment, Invitation, enrolment
from tocsin.record.directory import open_root, party_json, same_fingerprint
from tocsin.record.history import KeyHistory, settle
from tocsin.record.statement import key_body
from tocsin.store.files import read_secret, write_secret
from tocsin.wiring.door import http_door
from tocsin.wiring.folder import (
    Config,
    DirectoryConfig,
    NodeConfig,
    RemoteConfig,
    fresh_folder,
    load_config,
    write_config,
)
from tocsin.wiring.keys import load_log_signer, load_signer, make_keys, replace_secret
from tocsin.wiring.node import open_node
from tocsin.wiring.party import check_name, check_party_name, check_url, party_entry


class Joining(Struct, frozen=True, kw_only=True):
    """`keys/join.json`: a joining on its way."""

    invitation: Invitation
    answer: Enrolment


class Joined(Struct, frozen=True, kw_only=True):
    """What has come of it."""

    answer: bytes
    done: bool
    """False: the answer is to be carried by hand, or registrars have to sign."""
    lacking: tuple[str, ...] = ()


def open_invitation(raw: bytes) -> Invitation:
    """An invitation file. Raises UnreadableError."""
    try:
        return msgspec.json.decode(raw, type=Invitation)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise UnreadableError(
            f"this is no invitation: {wrong}", remedy="give the file `tocsin party invite` printed"
        ) from wrong


def unfinished(home: Path) -> Joining | None:
    """The joining that this folder is in the middle of."""
    path = home / "keys" / "join.json"
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(read_secret(path), type=Joining)
    except (msgspec.DecodeError, msgspec.ValidationError) as wrong:
        raise UnreadableError(
            f"{path}: {wrong}", remedy="restore it, or answer a new invitation in another folder"
        ) from wrong


def compared(home: Path, invited: Invitation) -> bool:
    """Whether somebody has compared this invitation's fingerprint for this folder already."""
    held = unfinished(home)
    return held is not None and held.invitation.root == invited.root


def join(
    home: Path,
    invited: Invitation,
    *,
    name: str,
    heard: str,
    send: bool,
    node: bool = False,
    url: str = "",
    doors: Callable[[str], Door] = http_door,
) -> Joined:
    """Make a party's keys and answer its invitation.

    With `send` the answer is brought to the inviting node, and its reply is dealt with at once;
    without, it is to be carried by hand (`tocsin party admit`, then `finish`). Said again after it
    was cut off, it goes on with the same keys.

    Args:
        node: the party has a node of its own: a log, a witness, and the whole key history.
        url: where that node answers others; "": where the invitation says.

    Raises:
        VerificationError: the fingerprint heard is another one; nothing is made.
        ConflictError: there is something in `home` already.
        UnreachableError: the node does not answer; the keys are kept.
    """
    root = b64decode(invited.root)
    open_root(root)
    if not (compared(home, invited) or same_fingerprint(heard, root)):
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
    held = unfinished(home)
    if held is None:
        where = url or (invited.node_url if node else "")
        joining = _begin(home, invited, root, name=name, node=node, url=check_url(where))
    else:
        joining = _go_on(home, held, invited)
    answer = msgspec.json.encode(joining.answer)
    if not send:
        return Joined(answer=answer, done=False)
    try:
        reply = Client(doors(invited.url)).call("POST", "/parties", body=answer)
    except UnreachableError as wrong:
        raise UnreachableError(
            wrong.message, remedy=f"the keys are kept in {home}: say the same again; {wrong.remedy}"
        ) from wrong
    except NotFoundError as wrong:
        until = f" (it was good until {invited.expires})" if invited.expires else ""
        raise NotFoundError(
            f"this invitation is unknown at {invited.url}, used up or too old{until}",
            remedy=f"ask {invited.invited_by} for a new one; the keys stay in {home} for it",
        ) from wrong
    admitted = _admitted(reply)
    if not admitted.token:
        return Joined(answer=answer, done=False, lacking=tuple(admitted.lacking))
    _finish(home, joining, admitted)
    return Joined(answer=answer, done=True)


def finish(home: Path, reply: bytes) -> None:
    """Deal with the reply that came by hand (what `tocsin party admit` printed).

    Raises:
        ConflictError: this folder is not in the middle of a joining.
        UnreadableError: it is no such reply, or registrars have to sign first.
        VerificationError: its directory does not follow from the root that was compared.
    """
    joining = unfinished(home)
    if joining is None:
        raise ConflictError(
            f"{home} waits for no reply", remedy="answer first: tocsin party join … --out FILE"
        )
    try:
        admitted = msgspec.json.decode(reply, type=Admitted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise UnreadableError(
            f"this is no reply to an answer: {wrong}",
            remedy="give what `tocsin party admit` printed at the inviting party",
        ) from wrong
    if not admitted.token:
        raise UnreadableError(
            "this reply comes too early: " + ("; ".join(admitted.lacking) or "no token in it"),
            remedy="once the version is in force: tocsin party admit ANSWER there, again",
        )
    _finish(home, joining, admitted)


def _begin(
    home: Path, invited: Invitation, root: bytes, *, name: str, node: bool, url: str
) -> Joining:
    if url and not node:
        raise UsageError(
            f"--url {url} is the address of your own node, and you join without one",
            remedy="say --node too",
        )
    with fresh_folder(home) as folder:
        make_keys(folder, invited.party, log=node, rng=secrets.token_bytes)
        (folder / "root.json").write_bytes(root)
        log = load_log_signer(folder, invited.party) if node else None
        joining = Joining(
            invitation=invited,
            answer=enrolment(
                invited,
                party_entry(folder, invited.party, name, log=log, url=url),
                load_signer(folder, invited.party, "root"),
                key_body(load_signer(folder, invited.party, "signing").public),
                time=datetime.now(UTC),
                salt=secrets.token_hex(16),
                secret=secrets.token_hex(32),
            ),
        )
        write_secret(folder / "keys" / "join.json", msgspec.json.encode(joining))
        config = Config(party=invited.party, name=name, node=NodeConfig.at(url))
        write_config(folder, config)
    return joining


def _go_on(home: Path, held: Joining, invited: Invitation) -> Joining:
    """The joining that was cut off; with another invitation of the same party, for that one."""
    if (held.invitation.party, held.invitation.root) != (invited.party, invited.root):
        raise ConflictError(
            f"{home} is in the middle of joining as {held.invitation.party}",
            remedy="finish that first, or use another folder: --home DIR",
        )
    answer = msgspec.structs.replace(held.answer, nonce=invited.nonce)
    joining = Joining(invitation=invited, answer=answer)
    if joining != held:
        replace_secret(home / "keys" / "join.json", msgspec.json.encode(joining))
    return joining


def _finish(home: Path, joining: Joining, admitted: Admitted) -> None:
    """Each step can be done again: whoever is cut off says the same again."""
    invited = joining.invitation
    config = load_config(home)
    with_node = bool(joining.answer.party.get("nodes"))
    if with_node:
        _enter_history(home, joining, [b64decode(item) for item in admitted.directory])
    replace_secret(home / "keys" / "token", admitted.token.encode() + b"\n")
    if invited.url and with_node:
        config = msgspec.structs.replace(config, directory=DirectoryConfig(sources=(invited.url,)))
    elif invited.url:
        config = msgspec.structs.replace(config, remote=RemoteConfig(url=invited.url))
    write_config(home, config)
    (home / "keys" / "join.json").unlink()


def _enter_history(home: Path, joining: Joining, chain: list[bytes]) -> None:
    """Verify the directory's history from the root that was compared, then log it here.

    Raises:
        VerificationError: it does not follow from that root, or does not list this party as it is.
    """
    answer = joining.answer
    try:
        history = KeyHistory(b64decode(joining.invitation.root))
        refused = settle(chain, history.take)
        if refused:
            raise refused[0].error
        listed = history.ring.directory.party(joining.invitation.party)
        history.take(b64decode(answer.key_statement))
    except RecordError as wrong:
        raise VerificationError(
            f"the directory in the reply does not follow from the root that was compared: "
            f"{wrong.message}",
            remedy="ask the inviting party what happened; nothing of it was entered here",
        ) from wrong
    if listed is None or plain(party_json(listed)) != plain(answer.party):
        raise VerificationError(
            f"directory {history.ring.directory.version} does not list "
            f"{joining.invitation.party} as it answered",
            remedy="ask the inviting party what happened; nothing of it was entered here",
        )
    with open_node(home) as node:
        left = key_flow.follow(node, [found.raw for found in history.taken]).refused
    if left:
        raise VerificationError(left[0].error.message, remedy=left[0].error.remedy)


def plain(value: Any) -> Any:
    """As JSON reads it back: tuples are lists."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _admitted(reply: bytes) -> Admitted:
    try:
        return msgspec.json.decode(reply, type=Admitted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise UnreachableError(
            f"what answered the invitation is no node: {wrong}", remedy="check its address"
        ) from wrong
