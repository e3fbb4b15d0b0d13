"""Joining over the wire: keys that are never lost, and a node that knows everybody at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tocsin.canonical import b64decode, b64encode
from tocsin.client import Door, Reply
from tocsin.console import api
from tocsin.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    TocsinError,
    UnreachableError,
    UsageError,
    VerificationError,
)
from tocsin.flows import intake
from tocsin.flows import join as joining
from tocsin.flows import keys as key_flow
from tocsin.flows.node import Node
from tocsin.policy import ANONYMOUS, Actor
from tocsin.record.directory import fingerprint, read_party
from tocsin.wiring.door import connect
from tocsin.wiring.folder import load_config
from tocsin.wiring.join import finish, join, open_invitation, unfinished
from tocsin.wiring.keys import load_signer, load_witness_signer
from tocsin.wiring.node import open_node

World = Any  # tests/unit/conftest.py
PORT = "portco.example"
URL = "http://127.0.0.1:8470"


@pytest.fixture(autouse=True)
def real_time(world: World) -> None:
    """An answer bears the time it is made at; the inviting node's clock is not behind it."""
    world.clock.now = datetime.now(UTC)


def door_of(node: Node, lost: Callable[[], bool] = lambda: False) -> Callable[[str], Door]:
    """The way to a node for somebody who is not signed in; `lost`: the reply never arrives."""

    def doors(url: str) -> Door:
        def door(
            method: str,
            path: str,
            query: Mapping[str, str],
            body: bytes,
            headers: Mapping[str, str],
        ) -> Reply:
            found = api.answer(node, Actor(reader=ANONYMOUS), method, path, query, body, headers)
            if lost():
                raise UnreachableError(f"{url} went away", remedy="try again")
            return Reply(status=found.status, media_type=found.media_type, body=found.body)

        return door

    return doors


def invited(
    world: World, party: str = PORT, url: str = URL, node_url: str = "https://port.example"
) -> joining.Invitation:
    body = {"party": party, "url": url, "node_url": node_url}
    found = world.json("POST", "/parties/invitations", body=body)
    return open_invitation(msgspec.json.encode(found))


def answer(world: World, home: Path, **how: Any) -> Any:
    given = {
        "name": "PortCo",
        "heard": fingerprint(world.node.root),
        "send": True,
        "doors": door_of(world.node),
        **how,
    }
    invitation = given.pop("invitation", None) or invited(world)
    return join(home, invitation, **given)


def test_a_party_with_a_node_knows_everybodys_keys_at_once(world: World, tmp_path: Path) -> None:
    home = tmp_path / "port"
    assert answer(world, home, node=True, url="https://port.example").done
    with open_node(home) as node:
        assert node.party == PORT
        assert node.log.halted is None
        assert node.log.origin == f"{PORT}/log"
        assert node.directory.version == world.node.directory.version
        assert node.root == world.node.root
        for party in (world.NORTH, world.GRID, world.SOUTH, PORT):
            key = intake.signing_key(node, party)
            assert key is not None
            assert key == intake.signing_key(world.node, party)
        assert key_flow.chain_of_trust(node) == key_flow.chain_of_trust(world.node)
        [entry] = node.party_entry(PORT).nodes
        witness = load_witness_signer(home, PORT)
        assert witness is not None
        assert entry.witness_vkeys == witness.vkeys()
        assert entry.url == "https://port.example"
        # It speaks in its own log, with its own key.
        done = intake.record(
            node, intake.Act(author=PORT, kind="ack", tlp="CLEAR", body={"heads": []})
        )
        assert done.index == node.log.size - 1
    assert load_config(home).directory.sources == (URL,)
    assert load_config(home).remote is None


def test_an_address_that_nobody_wrote_down_waits_until_a_registrar_confirms_it(
    world: World, tmp_path: Path
) -> None:
    inside = "http://10.0.0.7:8470"
    home, invitation = tmp_path / "port", invited(world, node_url="")
    how: dict[str, Any] = {"invitation": invitation, "node": True, "url": inside}
    waits = answer(world, home, **how)
    assert not waits.done
    assert inside in waits.lacking[0]
    assert f"tocsin party confirm {PORT}" in waits.lacking[0]
    assert world.node.directory.party(PORT) is None, "nobody asks it"
    assert not answer(world, home, **how).done, "saying it again confirms nothing"
    with pytest.raises(ForbiddenError):
        joining.confirm(world.node, world.GRID, PORT, [inside])
    with pytest.raises(NotFoundError):
        joining.confirm(world.node, world.NORTH, "nobody.example", [inside])
    joining.confirm(world.node, world.NORTH, PORT, ["http://10.0.0.8:8470"])
    assert not answer(world, home, **how).done, "another one is another one"
    [entry] = joining.waiting_entries(world.node)
    body = {"party": PORT, "urls": joining.addresses(read_party(entry))}
    world.json("POST", "/parties/addresses", body=body)
    assert answer(world, home, **how).done
    [node] = world.node.party_entry(PORT).nodes
    assert node.url == inside


def test_an_invitation_says_where_the_node_will_answer(world: World, tmp_path: Path) -> None:
    home = tmp_path / "port"
    invitation = invited(world, node_url="https://port.example/")
    assert answer(world, home, invitation=invitation, node=True).done
    [node] = world.node.party_entry(PORT).nodes
    assert node.url == "https://port.example"


def test_a_guest_joins_as_before(world: World, tmp_path: Path) -> None:
    home = tmp_path / "port"
    assert answer(world, home).done
    config = load_config(home)
    assert config.remote is not None
    assert config.remote.url == URL
    assert (home / "keys" / "token").read_text().startswith("tocsin_")
    assert unfinished(home) is None


@pytest.mark.parametrize("node", [False, True])
def test_a_reply_that_is_lost_costs_no_keys(world: World, tmp_path: Path, node: bool) -> None:
    home = tmp_path / "port"
    invitation = invited(world)
    with pytest.raises(UnreachableError, match="went away"):
        answer(
            world, home, invitation=invitation, node=node, doors=door_of(world.node, lambda: True)
        )
    key = intake.signing_key(world.node, PORT)
    assert key == load_signer(home, PORT, "signing").keyid, "it was taken in"
    size = world.size
    # Nobody is asked for the fingerprint again: it was compared for this folder.
    assert answer(world, home, invitation=invitation, node=node, heard="None").done
    assert world.size == size
    assert intake.signing_key(world.node, PORT) == key
    assert (home / "keys" / "token").exists()
    assert unfinished(home) is None


def test_a_spent_answer_is_repeated_to_nobody_without_its_secret(
    world: World, tmp_path: Path
) -> None:
    home, invitation = tmp_path / "port", invited(world)
    with pytest.raises(UnreachableError):
        answer(world, home, invitation=invitation, doors=door_of(world.node, lambda: True))
    held = unfinished(home)
    assert held is not None
    for secret in ("", "0" * 64):
        forged = msgspec.structs.replace(held.answer, secret=secret)
        with pytest.raises(NotFoundError, match="used up"):
            joining.admit_party(world.node, forged)
    world.clock.later(days=31)
    with pytest.raises(NotFoundError, match="used up"):
        joining.admit_party(world.node, held.answer)


def test_an_invitation_expires(world: World, tmp_path: Path) -> None:
    invitation = invited(world)
    assert invitation.expires
    world.clock.later(days=31)
    with pytest.raises(NotFoundError, match="it was good until"):
        answer(world, tmp_path / "port", invitation=invitation)
    assert world.node.directory.party(PORT) is None
    # A new invitation is answered with the same keys.
    keyid = load_signer(tmp_path / "port", PORT, "root").keyid
    assert answer(world, tmp_path / "port", invitation=invited(world)).done
    assert world.node.party_entry(PORT).root.keys[0].keyid == keyid


def test_an_unfinished_joining_is_of_one_party(world: World, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError):
        answer(world, tmp_path / "port", doors=door_of(world.node, lambda: True))
    with pytest.raises(ConflictError, match="in the middle of joining as portco"):
        answer(world, tmp_path / "port", invitation=invited(world, "dock.example"))


def test_an_answer_by_file_is_finished_by_the_reply(world: World, tmp_path: Path) -> None:
    home = tmp_path / "port"
    done = answer(world, home, send=False, node=True)
    assert not done.done
    reply = world.ask("POST", "/parties", party=None, body=done.answer).body
    finish(home, reply)
    with open_node(home) as node:
        assert node.directory.version == world.node.directory.version
        assert intake.signing_key(node, PORT) is not None
    with pytest.raises(ConflictError, match="waits for no reply"):
        finish(home, reply)


def test_what_does_not_follow_from_the_compared_root_is_not_entered(
    world: World, tmp_path: Path
) -> None:
    home = tmp_path / "port"
    done = answer(world, home, send=False, node=True)
    reply = msgspec.json.decode(world.ask("POST", "/parties", party=None, body=done.answer).body)
    chain = reply["directory"]
    forged = bytearray(b64decode(chain[-1]))
    at = forged.rindex(b'"sig":"') + 8
    forged[at] = ord("A") if forged[at] != ord("A") else ord("B")
    for wrong in ([], chain[:1], chain[:2], [*chain[:-2]], [*chain[:-1], b64encode(bytes(forged))]):
        with pytest.raises(VerificationError):
            finish(home, msgspec.json.encode({**reply, "directory": wrong}))
    assert unfinished(home) is not None
    finish(home, msgspec.json.encode({**reply, "directory": list(reversed(chain))}))
    with open_node(home) as node:
        assert node.directory.version == world.node.directory.version


@pytest.mark.parametrize("reply", [b"", b"{", b"[]", b'{"directory_version":1}'])
def test_a_reply_that_is_none_is_refused(world: World, tmp_path: Path, reply: bytes) -> None:
    home = tmp_path / "port"
    answer(world, home, send=False)
    with pytest.raises(TocsinError):
        finish(home, reply)
    assert unfinished(home) is not None


def test_a_node_that_has_not_joined_yet_does_not_run(world: World, tmp_path: Path) -> None:
    home = tmp_path / "port"
    done = answer(world, home, send=False, node=True)
    with pytest.raises(ConflictError, match="nothing has come back"), connect(str(home)):
        pass
    finish(home, world.ask("POST", "/parties", party=None, body=done.answer).body)
    with connect(str(home)) as client:
        assert client.get("/parties")["version"] == world.node.directory.version


def test_the_address_of_a_node_needs_a_node(world: World, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--url"):
        answer(world, tmp_path / "port", url="https://port.example")
    with pytest.raises(UsageError, match="no address"):
        answer(world, tmp_path / "port", node=True, url="ftp:x")
    assert list(tmp_path.iterdir()) == [] or not (tmp_path / "port").exists()
