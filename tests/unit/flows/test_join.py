"""Coming into the directory: one nonce, one party, and keys that never leave home."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tocsin.canonical import b64decode, b64encode
from tocsin.errors import ConflictError, DirectoryError, ForbiddenError, TocsinError
from tocsin.flows import intake, join
from tocsin.record.directory import party_json, read_party
from tocsin.record.statement import key_body
from tocsin.wiring.keys import load_signer, make_keys
from tocsin.wiring.party import party_entry

World = Any  # tests/unit/conftest.py
PORT = "portco.example"


def invited(world: World, party: str = PORT) -> join.Invitation:
    return join.invitation(world.node, world.NORTH, party, url="")


def answered(
    world: World, folder: Path, invitation: join.Invitation, party: str = PORT
) -> join.Enrolment:
    if not folder.exists():
        make_keys(folder, party, log=False, rng=world.node.rng)
    return join.enrolment(
        invitation,
        party_entry(folder, party, "PortCo", log=None),
        load_signer(folder, party, "root"),
        key_body(load_signer(folder, party, "signing").public),
        time=world.clock(),
        salt=world.node.rng(16).hex(),
    )


def test_who_is_invited_comes_in_and_gets_a_token(world: World, tmp_path: Path) -> None:
    version = world.node.directory.version
    admitted = join.admit_party(world.node, answered(world, tmp_path / "p", invited(world)))
    assert admitted.directory_version == version + 1
    assert admitted.token.startswith("tocsin_")
    assert world.node.directory.party(PORT) is not None
    assert intake.signing_key(world.node, PORT) is not None


def test_a_nonce_is_good_for_one_answer(world: World, tmp_path: Path) -> None:
    invitation = invited(world)
    answer = answered(world, tmp_path / "p", invitation)
    join.admit_party(world.node, answer)
    size = world.size
    for again in (answer, answered(world, tmp_path / "other", invitation)):
        with pytest.raises(TocsinError):
            join.admit_party(world.node, again)
    assert world.size == size


@pytest.mark.parametrize("nonce", ["", "0" * 48, "x"])
def test_without_its_nonce_nobody_comes_in(world: World, tmp_path: Path, nonce: str) -> None:
    answer = msgspec.structs.replace(answered(world, tmp_path / "p", invited(world)), nonce=nonce)
    with pytest.raises(TocsinError):
        join.admit_party(world.node, answer)
    assert world.node.directory.party(PORT) is None


def test_another_party_does_not_come_in_by_an_invitation(world: World, tmp_path: Path) -> None:
    invitation = invited(world)
    size = world.size
    with pytest.raises(TocsinError, match="was invited"):
        join.admit_party(world.node, answered(world, tmp_path / "e", invitation, "eve.example"))
    # The invited party's entry with another's key statement, and the other way round.
    eve = answered(world, tmp_path / "e", invitation, "eve.example")
    port = answered(world, tmp_path / "p", invitation)
    for mixed in (
        msgspec.structs.replace(port, key_statement=eve.key_statement),
        msgspec.structs.replace(eve, key_statement=port.key_statement),
    ):
        with pytest.raises(TocsinError):
            join.admit_party(world.node, mixed)
    assert world.size == size
    join.admit_party(world.node, port)


def test_nobody_takes_another_partys_identity_or_root(world: World, tmp_path: Path) -> None:
    answer = answered(world, tmp_path / "p", invited(world))
    grid = party_json(world.node.party_entry(world.GRID))
    size = world.size
    for name in ("identity", "root"):
        stolen = msgspec.structs.replace(answer, party={**answer.party, name: grid[name]})
        with pytest.raises(TocsinError):
            join.admit_party(world.node, stolen)
    assert world.size == size
    assert world.node.directory.party(PORT) is None


@pytest.mark.parametrize(
    "change",
    [{"id": "../x"}, {"id": None}, {"root": {}}, {"identity": "identity--x"}, {"nodes": "x"}],
    ids=str,
)
def test_a_malformed_entry_is_refused_whole(
    world: World, tmp_path: Path, change: dict[str, Any]
) -> None:
    answer = answered(world, tmp_path / "p", invited(world))
    size = world.size
    with pytest.raises(TocsinError):
        join.admit_party(
            world.node, msgspec.structs.replace(answer, party={**answer.party, **change})
        )
    assert world.size == size


def test_nobody_fills_the_directory_with_what_it_says_of_itself(
    world: World, tmp_path: Path
) -> None:
    answer = answered(world, tmp_path / "p", invited(world))
    for more in ({"contact": "x" * 900_000}, {"facets": {"x": "y" * 900_000}}):
        entry = {**answer.party, **more}
        with pytest.raises(DirectoryError, match="at most 65536"):
            join.admit_party(world.node, msgspec.structs.replace(answer, party=entry))
    join.admit_party(world.node, answer)


@pytest.mark.parametrize("statement", ["", "x", "AAAA", "e30="])
def test_an_answer_without_a_key_statement_is_refused(
    world: World, tmp_path: Path, statement: str
) -> None:
    answer = answered(world, tmp_path / "p", invited(world))
    size = world.size
    with pytest.raises(TocsinError):
        join.admit_party(world.node, msgspec.structs.replace(answer, key_statement=statement))
    assert world.size == size


def test_a_key_statement_with_a_wrong_signature_leaves_nobody_in_the_directory(
    world: World, tmp_path: Path
) -> None:
    """Everything of an answer is checked before the directory changes."""
    answer = answered(world, tmp_path / "p", invited(world))
    envelope = msgspec.json.decode(b64decode(answer.key_statement))
    sig = envelope["signatures"][0]["sig"]
    envelope["signatures"][0]["sig"] = ("A" if sig[0] != "A" else "B") + sig[1:]
    forged = b64encode(msgspec.json.encode(envelope, order="sorted"))
    size = world.size
    with pytest.raises(TocsinError):
        join.admit_party(world.node, msgspec.structs.replace(answer, key_statement=forged))
    assert world.size == size
    assert world.node.directory.party(PORT) is None
    join.admit_party(world.node, answer)


def test_only_a_registrar_invites_and_nobody_twice(world: World) -> None:
    with pytest.raises(ForbiddenError):
        join.invitation(world.node, world.GRID, PORT, url="")
    with pytest.raises(ConflictError):
        join.invitation(world.node, world.NORTH, world.GRID, url="")
    assert invited(world).nonce != invited(world).nonce


def test_a_nonce_is_not_kept_in_the_clear(world: World) -> None:
    nonce = invited(world).nonce
    rows = world.node.store.list_local("invitation")
    assert rows
    assert all(nonce not in row.key and nonce.encode() not in row.value for row in rows)


def test_an_entry_survives_being_written_down(world: World) -> None:
    entry = world.node.party_entry(world.GRID)
    assert read_party(party_json(entry)) == entry
