"""Keys that change places, and a process that ends at any step of it."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tocsin.client import Client
from tocsin.errors import (
    ConfigError,
    ConflictError,
    SignatureError,
    TocsinError,
    UnreadableError,
    UsageError,
    VerificationError,
)
from tocsin.flows import intake, join
from tocsin.flows import keys as key_flow
from tocsin.flows.node import Node
from tocsin.record.checkpoint import open_checkpoint, open_note
from tocsin.record.directory import Party, add_party, root_of
from tocsin.record.envelope import sign
from tocsin.record.hpke import HpkeKey
from tocsin.record.keys import PublicKey, Signer
from tocsin.record.origins import listed_logs, log_number, log_origin, newest_log
from tocsin.record.proposal import envelope_of, signed_by, slots
from tocsin.record.statement import KEY_CHAIN, compose, key_body, revoke_body
from tocsin.wiring.doctor import diagnose
from tocsin.wiring.door import inner_door
from tocsin.wiring.guard import renew_guard
from tocsin.wiring.keyholder import Keyholder, NeedsOthers
from tocsin.wiring.keys import (
    load_hpke,
    load_hpke_all,
    load_node_key,
    load_signer,
    load_witness_signer,
    make_keys,
    seed_in,
)
from tocsin.wiring.new_log import begin_log, list_log, log_settled
from tocsin.wiring.node import open_node
from tocsin.wiring.party import init, party_entry
from tocsin.wiring.rotation import key_named, listing, rotate_listed, rotate_signing

NORTH = "cert.northland.example"
World = Any  # tests/unit/conftest.py


class CutOff(BaseException):
    """The process ends here."""


def at(n: int) -> Callable[[str], None]:
    """Ends the process before its n-th step."""
    seen: list[str] = []

    def step(name: str) -> None:
        seen.append(name)
        if len(seen) == n + 1:
            raise CutOff(name)

    return step


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("made") / "own"
    init(home, NORTH, "CERT Northland")
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "own")
    return tmp_path / "own"


def holder_of(home: Path, node: Node, party: str = NORTH) -> Keyholder:
    return Keyholder(home, party, Client(inner_door(node, NORTH)))


@contextmanager
def holding(home: Path) -> Iterator[tuple[Node, Keyholder]]:
    with open_node(home) as node:
        yield node, holder_of(home, node)


def ack(node: Node) -> intake.Done:
    done = intake.record(
        node, intake.Act(author=NORTH, kind="ack", tlp="CLEAR", body={"heads": []})
    )
    assert isinstance(done, intake.Done)
    return done


# --- the signing key ------------------------------------------------------------------------------


def test_a_rotated_key_signs_at_once_and_the_old_one_never_again(home: Path) -> None:
    old = load_signer(home, NORTH, "signing")
    with holding(home) as (node, holder):
        before = ack(node)
        done = rotate_signing(holder)
        after = ack(node)
        ring = node.keyring
        assert (done.old, ring.state(NORTH, old.keyid, None)) == (old.keyid, "revoked")
        assert ring.state(NORTH, old.keyid, before.index) == "valid"
        assert intake.signing_key(node, NORTH) == done.new == node.signers[NORTH].keyid
        kept = node.store.statement(after.id, node.everything())
        assert kept is not None
        assert intake.parse_kept(kept).key == done.new
        ended = ring.key(NORTH, old.keyid)
        assert ended is not None
        assert ended.reason == "rotated"
    assert load_signer(home, NORTH, "signing").keyid == done.new
    [kept_file] = (home / "keys" / "old").iterdir()
    assert stat.S_IMODE(kept_file.stat().st_mode) == 0o600
    assert list((home / "keys" / "next").iterdir()) == []


def test_what_is_said_after_a_root_lost_a_key_ends_the_root_it_was_in(home: Path) -> None:
    root, lost = load_signer(home, NORTH, "root"), Signer.from_seed(b"\x57" * 32, NORTH)
    with open_node(home) as node:
        for roots in ([root, lost], [root]):
            holder = holder_of(home, node)
            new = root_of([PublicKey.of(one.public) for one in roots])
            entry = msgspec.structs.replace(holder.entry, root=new)
            holder.say("directory", add_party(holder.directory, entry))
        rotate_signing(holder_of(home, node))
        last = node.store.chain(NORTH, KEY_CHAIN)
        assert last is not None
        payload = compose(
            author=NORTH,
            key=lost.keyid,
            kind="key",
            seq=last.seq + 1,
            prev=last.head,
            time=node.clock(),
            salt="0" * 32,
            tlp="CLEAR",
            body=key_body(Signer.from_seed(b"\x12" * 32, NORTH).public),
        )
        with pytest.raises(SignatureError, match="no root key"):
            intake.enter(node, sign(payload, [lost]))


@pytest.mark.parametrize("n", range(7))
def test_a_rotation_that_is_cut_off_is_finished_by_saying_it_again(home: Path, n: int) -> None:
    old = load_signer(home, NORTH, "signing").keyid
    with holding(home) as (node, holder):
        with pytest.raises(CutOff):
            rotate_signing(holder, at(n))
        # Wherever it ended, the node goes on saying things.
        ack(node)
    with holding(home) as (node, holder):
        ack(node)
        done = rotate_signing(holder)
        ack(node)
        assert (done.old, done.new) == (old, load_signer(home, NORTH, "signing").keyid)
        keys = {k.keyid: k.until for k in node.keyring.keys_of(NORTH)}
        assert keys.keys() == {old, done.new}
        assert keys[old] is not None
        assert keys[done.new] is None
        # directory, key, key, revoke: nothing was said twice.
        last = node.store.chain(NORTH, KEY_CHAIN)
        assert last is not None
        assert last.seq == 4
    assert list((home / "keys" / "next").iterdir()) == []


def test_that_was_all_of_the_steps(home: Path) -> None:
    with holding(home) as (_, holder):
        steps: list[str] = []
        rotate_signing(holder, steps.append)
    assert len(steps) == 7, steps


class Lost(Exception):
    """The answer to a POST never arrives; the node has logged it."""


@pytest.mark.parametrize("lost", [1, 2])
def test_a_statement_that_was_logged_and_not_answered_is_not_said_twice(
    home: Path, lost: int
) -> None:
    with open_node(home) as node:
        inner = inner_door(node, NORTH)
        posts = [0]

        def door(method: str, path: str, query: Any, body: bytes, headers: Any) -> Any:
            found = inner(method, path, query, body, headers)
            posts[0] += method == "POST"
            if method == "POST" and posts[0] == lost:
                raise Lost
            return found

        with pytest.raises(Lost):
            rotate_signing(Keyholder(home, NORTH, Client(door)))
        rotate_signing(holder_of(home, node))
        last = node.store.chain(NORTH, KEY_CHAIN)
        assert last is not None
        assert last.seq == 4


@pytest.mark.parametrize("lost", [1, 2])
def test_a_statement_that_never_arrived_is_brought_again_byte_for_byte(
    home: Path, lost: int
) -> None:
    sent: list[bytes] = []
    with open_node(home) as node:
        inner = inner_door(node, NORTH)

        def door(method: str, path: str, query: Any, body: bytes, headers: Any) -> Any:
            if method == "POST":
                sent.append(body)
                if len(sent) == lost:
                    raise Lost
            return inner(method, path, query, body, headers)

        with pytest.raises(Lost):
            rotate_signing(Keyholder(home, NORTH, Client(door)))
        rotate_signing(Keyholder(home, NORTH, Client(door)))
        assert sent[lost] == sent[lost - 1]


def test_the_key_one_signs_with_may_be_revoked_first(home: Path) -> None:
    with holding(home) as (node, holder):
        keyid = load_signer(home, NORTH, "signing").keyid
        holder.say("revoke", revoke_body(keyid, "stolen", "2026-11-20T00:00:00Z"))
        with pytest.raises(SignatureError, match="revoked"):
            ack(node)
        done = rotate_signing(holder_of(home, node))
        assert done.old == keyid
        ack(node)
        ended = node.keyring.key(NORTH, keyid)
        assert ended is not None
        assert ended.reason == "stolen"


def test_a_node_that_keeps_the_end_of_a_chain_back_is_noticed(home: Path) -> None:
    with open_node(home) as node:
        rotate_signing(holder_of(home, node))
        inner = inner_door(node, NORTH)

        def door(method: str, path: str, query: Any, body: bytes, headers: Any) -> Any:
            found = inner(method, path, query, body, headers)
            if path.endswith("/directory"):
                page = msgspec.json.decode(found.body)
                page["items"].pop()
                return msgspec.structs.replace(found, body=msgspec.json.encode(page))
            return found

        with pytest.raises(VerificationError, match="number 4"):
            Keyholder(home, NORTH, Client(door))


# --- keys that only the directory names -----------------------------------------------------------


def listed(node: Node) -> Party:
    found = node.directory.party(NORTH)
    assert found is not None
    return found


@pytest.mark.parametrize("part", ["witness", "hpke", "node"])
def test_a_listed_key_changes_with_the_directory(home: Path, part: Any) -> None:
    with holding(home) as (node, holder):
        before = listed(node)
        done = rotate_listed(holder, part)
        after = listed(node)
        assert node.directory.version == 2
        assert done.old != done.new
        assert before != after
        _agree(home, after)
    assert list((home / "keys" / "next").iterdir()) == []
    assert list((home / "keys" / "old").iterdir())


def _agree(home: Path, entry: Party) -> None:
    """The directory lists what the folder holds."""
    from tocsin.canonical import b64encode
    from tocsin.record.directory import Hpke

    witness, node, seed = (
        load_witness_signer(home, NORTH),
        load_node_key(home, NORTH),
        load_hpke(home),
    )
    assert witness is not None
    assert node is not None
    assert seed is not None
    assert entry.nodes[0].witness_vkeys == witness.vkeys()
    assert entry.nodes[0].key == b64encode(node.public)
    assert isinstance(entry.hpke, Hpke)
    assert entry.hpke.id == HpkeKey(seed).id


@pytest.mark.parametrize(
    ("part", "n"), [("witness", n) for n in range(7)] + [("hpke", n) for n in range(5)]
)
def test_a_listed_key_that_is_cut_off_is_finished_by_saying_it_again(
    home: Path, part: Any, n: int
) -> None:
    with holding(home) as (_, holder), pytest.raises(CutOff):
        rotate_listed(holder, part, at(n))
    with holding(home) as (node, holder):
        rotate_listed(holder, part)
        assert node.directory.version == 2
        _agree(home, listed(node))
    assert list((home / "keys" / "next").iterdir()) == []


def test_what_was_sealed_to_an_old_key_still_opens(home: Path) -> None:
    seeds = [load_hpke(home)]
    for _ in range(2):
        with holding(home) as (_, holder):
            rotate_listed(holder, "hpke")
        seeds.append(load_hpke(home))
    assert load_hpke_all(home)[0] == seeds[-1]
    assert set(load_hpke_all(home)) == set(seeds)


def test_parties_in_one_folder_rotate_apart(home: Path) -> None:
    """The exercise: an unfinished rotation of one is nothing to the other."""
    other = "gridco.example"
    with open_node(home) as node:
        make_keys(home, other, log=False, rng=node.rng)
        answer = join.enrolment(
            join.invitation(node, NORTH, other, url=""),
            party_entry(home, other, "GridCo", log=None),
            load_signer(home, other, "root"),
            key_body(load_signer(home, other, "signing").public),
            time=node.clock(),
            salt=node.rng(16).hex(),
        )
        join.admit_party(node, answer)
        with pytest.raises(CutOff):
            rotate_signing(holder_of(home, node), at(3))
        for party in (other, NORTH, other):
            done = rotate_signing(holder_of(home, node, party))
            assert load_signer(home, party, "signing").keyid == done.new
            assert node.keyring.state(party, done.old, None) == "revoked"


@pytest.mark.parametrize("part", ["witness", "hpke", "node"])
def test_a_folder_made_before_gets_its_missing_keys(home: Path, part: Any) -> None:
    names = {"witness": ["witness.ed25519", "witness.mldsa"], "hpke": ["hpke"]}
    for name in names.get(part, ["node.ed25519"]):
        (home / "keys" / name).unlink()
    with holding(home) as (node, holder):
        rotate_listed(holder, part)
        _agree(home, listed(node))


# --- the log --------------------------------------------------------------------------------------


def everything_said(node: Node) -> list[str]:
    return [k.id for k in node.store.statements(node.everything())]


LOG_STEPS = 10


@pytest.mark.parametrize("n", [*range(LOG_STEPS), 99])
def test_a_new_log_says_everything_in_the_same_order(home: Path, n: int) -> None:
    import secrets

    with holding(home) as (node, _):
        for _ in range(3):
            ack(node)
        said = everything_said(node)
        old = node.log.checkpoint
    names: list[str] = []
    cut = at(n)

    def step(name: str) -> None:
        names.append(name)
        cut(name)

    try:
        begin_log(home, NORTH, secrets.token_bytes, step)
        assert n >= len(names)
    except CutOff:
        # Nobody starts the old log anew in between: opened now it reads only, or is the new one.
        with open_node(home) as node:
            if node.log.origin == f"{NORTH}/log":
                assert node.log.checkpoint == old
            else:
                assert node.log.halted is not None or everything_said(node) == said
        if not log_settled(home):
            begin_log(home, NORTH, secrets.token_bytes, lambda _: None)
    assert log_settled(home)
    with holding(home) as (node, holder):
        assert node.log.halted is None
        assert node.log.origin == f"{NORTH}/log/2"
        assert everything_said(node) == said
        list_log(holder)
        assert listed(node).nodes[0].origin == f"{NORTH}/log/2"
        ack(node)
        note = open_note(node.log.checkpoint)
        assert open_checkpoint(note.text).size == len(said) + 2
    kept = home / "old" / "log-1"
    assert (kept / "head").read_bytes().split(b"\n")[1] == str(len(said)).encode()
    assert (kept / "tile").is_dir()
    assert (kept / "guard").exists()
    with open_node(home) as node:
        assert node.log.halted is None


def test_a_log_that_the_directory_has_left_behind_takes_no_writes(home: Path) -> None:
    """An old backup as long as the log was when the next one was begun: no witness can tell."""
    with holding(home) as (node, holder):
        [own] = holder.entry.nodes
        later = msgspec.structs.replace(own, origin=f"{NORTH}/log/2")
        entry = msgspec.structs.replace(holder.entry, nodes=(later,))
        holder.say("directory", add_party(holder.directory, entry))
        assert node.watch is not None
        node.watch.round()
        assert "lists cert.northland.example/log/2" in str(node.log.halted)
        [alarm] = node.alarms()
        assert "key rotate --log" in alarm.remedy
        assert alarm.kind == "rollback"
    with open_node(home) as node:
        assert node.log.halted is not None
        with pytest.raises(TocsinError, match="log/2"):
            ack(node)


def test_a_new_log_is_none_that_any_directory_listed(home: Path) -> None:
    assert newest_log(NORTH, [f"{NORTH}/log/7", "x.example/log/9", f"{NORTH}/log/1"]) == 7
    assert [log_number(NORTH, log_origin(NORTH, n)) for n in (1, 2, 30)] == [1, 2, 30]
    assert log_number(NORTH, f"{NORTH}/log/02") == 0
    with holding(home) as (_, holder):
        listed = listed_logs(holder.history.ring, NORTH)
        assert list(listed) == [f"{NORTH}/log"]


# --- a root key that is kept elsewhere ------------------------------------------------------------


def test_a_node_and_all_but_root_verbs_do_without_the_root_key(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = tmp_path / "safe" / "root"
    away.parent.mkdir()
    (home / "keys" / f"{NORTH}.root").rename(away)
    with holding(home) as (node, holder):
        ack(node)
        assert node.registrar is None
        with pytest.raises(ConfigError, match="root key") as told:
            holder.root()
        assert "TOCSIN_ROOT_KEY_FILE" in told.value.remedy
        with pytest.raises(NeedsOthers) as needs:
            rotate_signing(holder)
        assert needs.value.away == home / "keys" / f"{NORTH}.root"
        assert needs.value.proposal.signatures == {}
        # Signed where the key is, brought from here, and the rotation goes on.
        for _ in ("key", "revoke"):
            wanted = slots(holder.history.ring, needs.value.proposal.statement)
            signer = Signer.from_seed(seed_in(away), NORTH)
            holder.bring(envelope_of(signed_by(needs.value.proposal, signer, wanted), wanted))
            if _ == "key":
                with pytest.raises(NeedsOthers) as needs:
                    rotate_signing(holder)
        done = rotate_signing(holder)
        assert node.keyring.state(NORTH, done.new, None) == "valid"
        assert node.keyring.state(NORTH, done.old, None) == "revoked"
        # Or at once, with the file named.
        named = Keyholder(home, NORTH, Client(inner_door(node, NORTH)), root=away)
        assert rotate_signing(named).old == done.new
        monkeypatch.setenv("TOCSIN_ROOT_KEY_FILE", str(away))
        assert rotate_listed(holder_of(home, node), "hpke").what == "hpke"
        monkeypatch.setenv("TOCSIN_ROOT_KEY_FILE", str(tmp_path / "nowhere"))
        with pytest.raises(UnreadableError, match="nowhere"):
            rotate_signing(holder_of(home, node))


# --- what is there --------------------------------------------------------------------------------


def test_a_key_is_named_by_its_first_digits(home: Path) -> None:
    with holding(home) as (_, holder):
        keyid = load_signer(home, NORTH, "signing").keyid
        assert key_named(holder, keyid[:8]) == keyid
        for wrong in ("", "zz", holder.root().keyid):
            with pytest.raises(TocsinError):
                key_named(holder, wrong)


def test_every_key_of_a_party_is_listed(home: Path) -> None:
    with holding(home) as (_, holder):
        rotate_signing(holder)
        rows = listing(holder, NORTH)
        with pytest.raises(TocsinError):
            listing(holder, "nobody.example")
    roles = [r["role"] for r in rows]
    assert roles == [
        "root",
        "signing",
        "signing",
        "log",
        "log",
        "witness",
        "witness",
        "node",
        "hpke",
    ]
    assert [r["reason"] for r in rows if r["role"] == "signing"] == ["rotated", None]


def test_a_key_that_is_the_nodes_is_nobodys_without_one(world: World) -> None:
    holder = Keyholder(
        world.home, world.NORTH, Client(inner_door(world.node, world.NORTH)), rng=world.node.rng
    )
    holder.party = world.GRID
    with pytest.raises(UsageError, match="no node"):
        rotate_listed(holder, "witness")
    assert key_flow.signed_with(world.node, world.GRID, "0" * 64) == []


def test_a_lost_guard_stops_the_log_until_somebody_says_the_store_is_the_newest(
    home: Path,
) -> None:
    with open_node(home) as node:
        ack(node)
    (home / "guard").unlink()
    with open_node(home) as node:
        assert "head guard" in str(node.log.halted)
        with pytest.raises(TocsinError):
            ack(node)
    rows = {r["check"]: r for r in diagnose(str(home), node.clock())}
    assert "tocsin log guard --renew" in rows["head guard"]["remedy"]
    assert renew_guard(home).store == 3
    with pytest.raises(ConflictError, match="there is a guard"):
        renew_guard(home)
    with open_node(home) as node:
        ack(node)
    assert "head guard" not in {r["check"] for r in diagnose(str(home), node.clock())}
