"""Sealed between two guests: their host logs it, never sees it, and cannot change it unseen."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tocsin.canonical import b64encode
from tocsin.canonical import decode as decode_canonical
from tocsin.canonical import encode as encode_canonical
from tocsin.client import Client, Reply
from tocsin.console import api, case_pages, record_pages
from tocsin.console.page import Ask
from tocsin.errors import (
    ChainError,
    ForbiddenError,
    MarkingError,
    NotFoundError,
    PurgedError,
    RecordError,
    SealError,
    SignatureError,
    SpeakerError,
    StatementError,
    UnreachableError,
    UsageError,
    VerificationError,
)
from tocsin.flows import audit, intake, purge, respond, sealed
from tocsin.flows import drafts as drafting
from tocsin.flows import keys as key_flow
from tocsin.flows.intake import Act, Done
from tocsin.policy import Tlp
from tocsin.record import dossier, seal, verify
from tocsin.record.checkpoint import open_policy
from tocsin.record.envelope import open_envelope, pae, sealed_entry, sign, write_envelope
from tocsin.record.keys import Signer
from tocsin.record.members import open_dossier
from tocsin.record.statement import ObjectRef, compose, revoke_body
from tocsin.stix.bundle import open_object, write_bundle
from tocsin.wiring.keyholder import Keyholder
from tocsin.wiring.keys import make_seed
from tocsin.wiring.sealing import Row, Sealing

World = Any  # tests/unit/conftest.py

SECRET = "lockstep in substation seven"
RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"
"""TLP 2.0."""


def page(world: World, party: str, **path: str) -> Ask:
    """One request for a page by somebody of `party`."""
    return Ask(
        node=world.node,
        actor=world.actor(party),
        person="anna",
        path=path,
        query={},
        form={},
        uploads=[],
    )


@pytest.fixture
def home(world: World, template: Any, tmp_path: Path) -> Callable[[str], Path]:
    """A guest's own folder, with all its keys and the root file it compared when it joined."""

    def of(party: str) -> Path:
        folder = tmp_path / party
        if not folder.exists():
            shutil.copytree(template[0].with_name(party), folder)
            (folder / "root.json").write_bytes(world.node.root)
        return folder

    return of


@pytest.fixture
def at(world: World, home: Callable[[str], Path]) -> Callable[..., Sealing]:
    """A party at home, with its way to northland's node; `twist` is what that does to answers."""

    def sealing(party: str, twist: Callable[[str, str, bytes], bytes] | None = None) -> Sealing:
        actor = world.actor(party)

        def door(
            method: str,
            path: str,
            query: Mapping[str, str],
            body: bytes,
            headers: Mapping[str, str],
        ) -> Reply:
            found = api.answer(world.node, actor, method, path, query, body, headers)
            out = found.body if twist is None else twist(method, path, found.body)
            return Reply(status=found.status, media_type=found.media_type, body=out)

        folder = world.home if party == world.NORTH else home(party)
        return Sealing(folder, party, Client(door), clock=world.clock)

    return sealing


def bundle(world: World, party: str, text: str = SECRET, **props: Any) -> bytes:
    """A bundle with one indicator that says `text`."""
    return write_bundle(
        [world.indicator(party, description=text, **props)],
        "bundle--0b1e0000-0000-4000-8000-000000000001",
    )


def open_case(world: World) -> str:
    """A case of northland with both guests in it."""
    case, _ = respond.open_case(world.node, world.NORTH, "Grid")
    for party in (world.GRID, world.SOUTH):
        respond.invite(world.node, world.NORTH, case, party, "affected", "2026-11-23T08:00:00Z")
        prepared = respond.answer_invitation(world.node, party, case, accept=True)
        intake.enter(world.node, world.sign(prepared))
    return case


def everywhere(folder: Path) -> bytes:
    """All bytes of all files below a folder."""
    return b"\0".join(p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file())


def test_one_guest_seals_the_other_reads_and_the_host_holds_none_of_it(
    world: World, at: Callable[..., Sealing]
) -> None:
    case = open_case(world)
    grid, south = at(world.GRID), at(world.SOUTH)
    said = grid.say(bundle(world, world.GRID), tlp="AMBER", to=[world.SOUTH], case=case)

    [row] = south.listed(case)
    assert (row.id, row.index, row.author) == (said.id, said.index, world.GRID)
    assert row.readers == tuple(sorted((world.GRID, world.SOUTH)))
    found = south.judge(row, south.fetch(row))
    assert found.statement.author == world.GRID
    assert (found.statement.case, found.statement.tlp) == (case, "AMBER")
    assert (found.key, found.problems) == ("valid", ())
    [(_, raw)] = found.objects
    assert SECRET.encode() in raw
    carried = south.fetch(row)
    # The author reads its own word again.
    mine = grid.judge(row, grid.fetch(row))
    assert mine.envelope == found.envelope

    world.node.store.close()
    held = everywhere(world.home)
    assert carried[1000:1100] in held  # so what is looked for would be found
    for word in (SECRET, "203.0.113.77", found.statement.salt, "description", raw.decode()):
        for spelt in (word.encode(), b64encode(word.encode())[:-4].encode()):
            assert spelt not in held


def test_the_host_and_a_third_party_do_not_learn_that_it_is_there(
    world: World, at: Callable[..., Sealing]
) -> None:
    said = at(world.GRID).say(bundle(world, world.GRID), tlp="AMBER", to=[world.SOUTH], case=None)
    unknown = "0" * 64
    for party in (world.NORTH, None):
        for path in ("/sealed/{}", "/statements/{}"):
            one = world.ask("GET", path.format(said.id), party=party)
            other = world.ask("GET", path.format(unknown), party=party)
            assert one.status == other.status >= 400
            assert one.body.replace(said.id.encode(), unknown.encode()) == other.body
    assert world.json("GET", "/sealed")["items"] == []
    assert at(world.NORTH).listed() == []
    view = record_pages.log(page(world, world.NORTH)).view
    assert said.id not in {row.id for row in view.statements}
    assert purge_refused(world, said.id)


def purge_refused(world: World, id: str) -> bool:
    try:
        purge.purge(world.node, world.actor().reader, id, "spill", actor="anna", dry_run=True)
    except NotFoundError:
        return True
    return False


def test_the_node_own_party_can_be_a_reader_and_pages_name_who_opens_it(
    world: World, at: Callable[..., Sealing]
) -> None:
    case = open_case(world)
    said = at(world.GRID).say(bundle(world, world.GRID), tlp="RED", to=[world.NORTH], case=case)
    rows = record_pages.log(page(world, world.NORTH)).view.statements
    [row] = [row for row in rows if row.id == said.id]
    assert row.what == "sealed, for CERT Northland"
    [shown] = case_pages.case(page(world, world.NORTH, id=case)).view.sealed
    assert (shown.words, shown.tlp) == ("sealed, for CERT Northland", "RED")
    assert case_pages.case(page(world, world.SOUTH, id=case)).view.sealed == ()
    north = at(world.NORTH)
    assert north.judge(north.named(said.id[:8]), north.fetch(north.named(said.id))).objects


def test_plain_and_sealed_statements_are_one_chain(
    world: World, at: Callable[..., Sealing]
) -> None:
    case = open_case(world)
    first = at(world.GRID).say(bundle(world, world.GRID), tlp="AMBER", to=[world.SOUTH], case=case)
    plain = world.as_guest(
        Act(
            author=world.GRID,
            kind="say",
            tlp="AMBER",
            case=case,
            objects=(open_object(world.indicator(world.GRID, "198.51.100.9")),),
            to=(world.NORTH,),
        )
    )
    second = at(world.GRID).say(
        bundle(world, world.GRID, "more"), tlp="AMBER", to=[world.SOUTH], case=case
    )
    kept = world.node.store.statement(plain.id, world.node.everything())
    assert intake.parse_kept(kept).prev == first.id
    south = at(world.SOUTH)
    row = south.named(second.id)
    assert south.judge(row, south.fetch(row)).statement.prev == plain.id
    assert [r.seq for r in south.listed(case)] == [kept.seq - 1, kept.seq + 1]


def test_an_export_proves_its_place_and_withholds_the_rest(
    world: World, at: Callable[..., Sealing]
) -> None:
    case = open_case(world)
    said = at(world.GRID).say(bundle(world, world.GRID), tlp="AMBER", to=[world.SOUTH], case=case)
    world.as_guest(
        Act(
            author=world.GRID,
            kind="say",
            tlp="AMBER",
            case=case,
            objects=(open_object(world.indicator(world.GRID, "198.51.100.9")),),
            to=(world.NORTH, world.SOUTH),
        )
    )
    prepared = intake.withdraw(world.node, world.GRID, said.id, reason="wrong")
    intake.enter(world.node, world.sign(prepared))
    for party in (world.NORTH, world.SOUTH):
        data = respond.dossier(world.node, case, world.actor(party).reader)
        opened = open_dossier(data)
        entry = sealed_entry(world.GRID, bytes.fromhex(said.id)).hex()
        assert entry in {one.id for one in opened.withheld}
        assert SECRET.encode() not in data
        policy = world.node.policy_text
        verdict = dossier.verify([data], open_policy(policy.encode()), world.node.root).to_json()
        assert verdict["ok"], verdict["problems"]
        alone = verify.verdict_on([data], verify.Policy(policy.encode()), world.node.root, ())
        assert alone["ok"], alone["problems"]
        for found in (verdict, alone):
            [chain] = [c for c in found["chains"] if c["author"] == world.GRID and not c["keys"]]
            assert (2 in chain["withheld"], chain["missing"]) == (True, [])
    state = respond.state(world.node, case, world.actor(world.SOUTH).reader)
    assert state.equivocations == ()
    proof = respond.proof(world.node, said.id, world.actor(world.SOUTH).reader)
    assert b64encode(entry.encode()) in proof.decode()
    with pytest.raises(NotFoundError):
        respond.proof(world.node, said.id, world.actor(world.NORTH).reader)


def test_it_stays_what_it_is_over_a_restart(
    world: World, at: Callable[..., Sealing], restart: Callable[[World], World]
) -> None:
    said = at(world.GRID).say(bundle(world, world.GRID), tlp="AMBER", to=[world.SOUTH], case=None)
    again = restart(world)
    reader = again.actor(again.SOUTH).reader
    assert [row.id for row in sealed.listed(again.node, reader)] == [said.id]
    assert again.node.log.halted is None


def test_one_that_was_kept_and_not_logged_is_logged_at_the_next_start(
    world: World, at: Callable[..., Sealing], restart: Callable[[World], World]
) -> None:
    grid = at(world.GRID)
    items = grid._items(bundle(world, world.GRID), "AMBER")
    readers = {p: grid._public(p) for p in sorted((world.GRID, world.SOUTH))}
    raw, last = grid._sealed(items, "AMBER", readers, None)
    opened = seal.open_sealed(raw)
    found = seal.admit_sealed(*opened, keyring=world.node.keyring, chain=None)
    world.node.store.keep_pending(found, (), found.audience)
    size = world.size
    again = restart(world)
    [row] = sealed.listed(again.node, again.actor(again.SOUTH).reader)
    assert (row.id, row.index, again.size) == (last.id, size, size + 1)


def test_its_author_takes_it_back_and_nobody_else_does(
    world: World, at: Callable[..., Sealing]
) -> None:
    grid, south = at(world.GRID), at(world.SOUTH)
    said = grid.say(bundle(world, world.GRID), tlp="AMBER", to=[world.SOUTH], case=None)
    with pytest.raises(ForbiddenError, match=r"only gridco\.example may take it back"):
        intake.withdraw(world.node, world.SOUTH, said.id)
    with pytest.raises(NotFoundError):
        intake.withdraw(world.node, world.NORTH, said.id)
    with pytest.raises(UsageError, match="objects are not known here"):
        intake.withdraw(world.node, world.GRID, said.id, objects=["indicator--x"])
    prepared = intake.withdraw(world.node, world.GRID, said.id, reason="wrong")
    done = intake.enter(world.node, world.sign(prepared))
    kept = world.node.store.statement(done.id, world.node.everything())
    assert (kept.audience.tlp, kept.audience.to) == ("AMBER", {world.SOUTH})
    assert south.named(said.id).withdrawn


def test_what_refers_to_it_is_marked_no_looser(world: World, at: Callable[..., Sealing]) -> None:
    said = at(world.GRID).say(bundle(world, world.GRID), tlp="AMBER", to=[world.SOUTH], case=None)
    cases: tuple[tuple[Tlp, bool], ...] = (("CLEAR", True), ("AMBER", False))
    for tlp, wrong in cases:
        act = Act(author=world.GRID, kind="withdraw", tlp=tlp, refs=(said.id,), to=(world.SOUTH,))
        if wrong:
            with pytest.raises(MarkingError):
                world.as_guest(act)
        else:
            assert world.as_guest(act)


def test_a_purged_one_is_gone_and_not_kept_again(world: World, at: Callable[..., Sealing]) -> None:
    grid = at(world.GRID)
    said = grid.say(bundle(world, world.GRID), tlp="AMBER", to=[world.NORTH], case=None)
    raw = grid.fetch(grid.named(said.id))
    done = purge.purge(world.node, world.actor().reader, said.id, "spill", actor="anna")
    assert done.items[0].size == len(raw)
    assert grid.listed() == []
    with pytest.raises(PurgedError):
        sealed.enter(world.node, raw)
    assert raw[200:260] not in everywhere(world.home)


def test_a_party_sees_what_its_key_has_sealed(world: World, at: Callable[..., Sealing]) -> None:
    grid = at(world.GRID)
    said = grid.say(bundle(world, world.GRID), tlp="AMBER", to=[world.SOUTH], case=None)
    keyid = world.guests[world.GRID].keyid
    found = key_flow.signed_with(world.node, world.GRID, keyid, "2030-01-01T00:00:00Z")
    assert [(one.id, one.kind) for one in found] == [(said.id, "sealed")]
    assert key_flow.signed_with(world.node, world.SOUTH, keyid) == []


def test_the_node_looks_through_what_it_carries(world: World, at: Callable[..., Sealing]) -> None:
    at(world.GRID).say(bundle(world, world.GRID), tlp="AMBER", to=[world.SOUTH], case=None)
    found = audit.checks(world.node)
    assert (found.sealed, found.gone, found.problems) == (1, 0, [])


# --- a hostile host -------------------------------------------------------------------------------


def two(world: World, at: Callable[..., Sealing]) -> list[tuple[Row, bytes]]:
    grid = at(world.GRID)
    for text in ("one", "two"):
        grid.say(bundle(world, world.GRID, text), tlp="AMBER", to=[world.SOUTH], case=None)
    return [(row, grid.fetch(row)) for row in grid.listed()]


def test_another_file_in_its_place_is_found_out(world: World, at: Callable[..., Sealing]) -> None:
    (first, _), (_, other) = two(world, at)
    with pytest.raises(SealError, match=r"where .* was asked for"):
        at(world.SOUTH).judge(first, other)


@pytest.mark.parametrize("id", ["../../../etc/x", "ab/../../x", "AB" * 32, "ab" * 31, 7])
def test_a_list_with_other_things_than_ids_is_none(
    world: World, at: Callable[..., Sealing], id: Any
) -> None:
    """Files are named by them."""
    two(world, at)

    def lie(method: str, path: str, body: bytes) -> bytes:
        if path != api.BASE + "/sealed" or method != "GET":
            return body
        [first, _] = msgspec.json.decode(body)["items"]
        return msgspec.json.encode({"items": [{**first, "id": id}]})

    with pytest.raises(UnreachableError):
        at(world.SOUTH, lie).named(str(id)[:2])


def test_a_changed_bit_is_found_out(world: World, at: Callable[..., Sealing]) -> None:
    (row, raw), _ = two(world, at)
    south = at(world.SOUTH)
    for place in range(0, len(raw), max(1, len(raw) // 60)):
        changed = bytearray(raw)
        changed[place] ^= 1
        with pytest.raises(RecordError):
            south.judge(row, bytes(changed))


def test_one_that_the_host_made_up_is_found_out(world: World, at: Callable[..., Sealing]) -> None:
    """It knows everybody's public keys, and can seal what it likes to whom it likes."""
    (row, raw), _ = two(world, at)
    south, forger = at(world.SOUTH), Signer.from_seed(bytes([7]) * 32, world.GRID)
    value = {**decode_canonical(open_envelope(raw, seal.PAYLOAD_TYPE, 1 << 24).payload)}
    value["key"] = forger.keyid
    forged = resealed(value, forger)
    with pytest.raises(SignatureError, match="unknown"):
        south.judge(row, forged)
    with pytest.raises(SignatureError):
        sealed.enter(world.node, forged)


def resealed(value: dict[str, Any], signer: Signer) -> bytes:
    payload = encode_canonical(value)
    signature = signer.sign(pae(payload, seal.PAYLOAD_TYPE))
    return write_envelope(payload, seal.PAYLOAD_TYPE, {signer.keyid: signature})


def test_one_that_is_dropped_shows_as_a_gap_in_its_authors_chain(
    world: World, at: Callable[..., Sealing]
) -> None:
    two(world, at)

    def drop(method: str, path: str, body: bytes) -> bytes:
        if path != api.BASE + "/sealed" or method != "GET":
            return body
        items = msgspec.json.decode(body)["items"]
        return msgspec.json.encode({"items": items[1:]})

    south = at(world.SOUTH, drop)
    [row] = south.listed()
    found = south.judge(row, south.fetch(row))
    assert (found.statement.seq, bool(found.statement.prev)) == (2, True)


def test_one_brought_again_stays_where_it_is_and_elsewhere_has_no_place(
    world: World, at: Callable[..., Sealing]
) -> None:
    (first, raw), (_, other) = two(world, at)
    size = world.size
    assert sealed.enter(world.node, raw) == Done(id=first.id, index=first.index)
    assert world.size == size
    value = {**decode_canonical(open_envelope(other, seal.PAYLOAD_TYPE, 1 << 24).payload)}
    value["commitment"] = "ef" * 32
    signer = world.guests[world.GRID]
    with pytest.raises(ChainError):
        sealed.enter(world.node, resealed(value, signer))


def test_a_host_that_shows_an_older_chain_gets_no_second_statement_for_one_place(
    world: World, at: Callable[..., Sealing]
) -> None:
    two(world, at)

    def older(method: str, path: str, body: bytes) -> bytes:
        if path != api.BASE + "/chains":
            return body
        return msgspec.json.encode({"seq": 0, "head": "", "seen": []})

    with pytest.raises(VerificationError, match="equivocation"):
        at(world.GRID, older).say(
            bundle(world, world.GRID), tlp="AMBER", to=[world.SOUTH], case=None
        )


def test_what_was_cut_off_on_its_way_is_brought_again_to_the_byte(
    world: World, at: Callable[..., Sealing]
) -> None:
    def lost(method: str, path: str, body: bytes) -> bytes:
        if method == "POST":
            raise UnreachableError("cut off", remedy="again")
        return body

    def never(method: str, path: str, body: bytes) -> bytes:
        if path == api.BASE + "/chains":
            sent.append(path)
        return body

    sent: list[str] = []
    with pytest.raises(UnreachableError):
        at(world.GRID, lost).say(
            bundle(world, world.GRID, "one"), tlp="AMBER", to=[world.SOUTH], case=None
        )
    said = at(world.GRID, never).say(
        bundle(world, world.GRID, "two"), tlp="AMBER", to=[world.SOUTH], case=None
    )
    rows = at(world.SOUTH).listed()
    assert [row.seq for row in rows] == [1, 2]
    assert rows[1].id == said.id


# --- a hostile author -----------------------------------------------------------------------------


def sealed_by_hand(
    world: World, at: Callable[..., Sealing], outside: dict[str, Any], **inside: Any
) -> tuple[Row, bytes]:
    """A statement that gridco seals with its own key, other outside than inside."""
    grid, signer = at(world.GRID), world.guests[world.GRID]
    item = open_object(inside.pop("object", None) or world.indicator(world.GRID))
    payload = compose(
        author=world.GRID,
        key=signer.keyid,
        kind="say",
        seq=1,
        prev="",
        time="2026-11-22T08:30:00Z",
        salt="5a" * 16,
        tlp="AMBER",
        body={},
        objects=[ObjectRef(id=item.id, sha256=item.sha256, type=item.type)],
        to=[world.SOUTH],
        **inside,
    )
    readers = {p: grid._public(p) for p in sorted((world.GRID, world.SOUTH))}
    raw = seal.seal(
        sign(payload, [signer]), {item.sha256: item.raw}, readers, signer, world.node.rng
    )
    value = {**decode_canonical(open_envelope(raw, seal.PAYLOAD_TYPE, 1 << 24).payload), **outside}
    raw = resealed(value, signer)
    done = sealed.enter(world.node, raw)
    south = at(world.SOUTH)
    row = south.named(done.id)
    return row, south.fetch(row)


@pytest.mark.parametrize(
    "outside", [{"tlp": "RED"}, {"case": "case--other"}, {"commitment": "ef" * 32}], ids=str
)
def test_an_author_whose_inside_says_other_things_is_found_out_by_the_reader(
    world: World, at: Callable[..., Sealing], outside: dict[str, Any]
) -> None:
    row, raw = sealed_by_hand(world, at, outside)
    with pytest.raises(SealError):
        at(world.SOUTH).judge(row, raw)


def test_an_author_who_speaks_for_another_inside_is_named(
    world: World, at: Callable[..., Sealing]
) -> None:
    drafts = world.ingest()
    how = drafting.Accepting(by=world.NORTH, tlp="AMBER", to=(world.GRID,), date="2026-11-18")
    [done], _ = drafting.accept(world.node, [(drafts[0].id, drafts[0].revision)], how)
    [claim] = world.node.store.versions(done.object_id, world.node.everything())
    row, raw = sealed_by_hand(world, at, {}, object=claim.raw)
    found = at(world.SOUTH).judge(row, raw)
    assert len(found.problems) == 1
    assert "not by gridco.example" in found.problems[0]
    packed = write_bundle([claim.raw], "bundle--0b1e0000-0000-4000-8000-000000000001")
    with pytest.raises(SpeakerError):
        at(world.GRID).say(packed, tlp="AMBER", to=[world.SOUTH], case=None)


def test_an_author_who_loosens_a_marking_inside_is_named(
    world: World, at: Callable[..., Sealing]
) -> None:
    item = open_object(world.indicator())
    readers = (world.GRID, world.SOUTH)
    act = Act(author=world.NORTH, kind="say", tlp="RED", objects=(item,), to=readers)
    red = intake.record(world.node, act)
    row, raw = sealed_by_hand(world, at, {}, refs=[red.id])
    [problem] = at(world.SOUTH).judge(row, raw).problems
    assert f"looser than TLP:RED of {red.id}" in problem


def test_a_reader_tells_apart_what_two_have_sealed_under_one_id(
    world: World, at: Callable[..., Sealing]
) -> None:
    said = at(world.GRID).say(bundle(world, world.GRID), tlp="AMBER", to=[world.SOUTH], case=None)
    north, signer = at(world.NORTH), world.node.signers[world.NORTH]
    place = north.client.get("/chains")
    payload = compose(
        author=world.NORTH,
        key=signer.keyid,
        kind="ack",
        seq=place["seq"] + 1,
        prev=place["head"],
        time="2026-11-22T08:30:00Z",
        salt="5a" * 16,
        tlp="AMBER",
        body={"heads": []},
        to=[world.SOUTH],
    )
    readers = {p: north._public(p) for p in sorted((world.NORTH, world.SOUTH))}
    raw = seal.seal(sign(payload, [signer]), {}, readers, signer, world.node.rng)
    value = {**decode_canonical(open_envelope(raw, seal.PAYLOAD_TYPE, 1 << 24).payload)}
    raw = resealed(value | {"commitment": said.id}, signer)
    sealed.enter(world.node, raw)

    south = at(world.SOUTH)
    rows = {row.author: row for row in south.listed()}
    assert {row.id for row in rows.values()} == {said.id}
    with pytest.raises(UsageError, match="have sealed under the id") as refused:
        south.named(said.id)
    assert all(row.entry[:16] in refused.value.remedy for row in rows.values())
    true, false = (south.named(rows[party].entry[:16]) for party in (world.GRID, world.NORTH))
    assert south.judge(true, south.fetch(true)).objects
    with pytest.raises(SealError, match="does not open"):
        south.judge(false, south.fetch(false))
    with pytest.raises(SealError, match="was asked for"):
        south.judge(true, south.fetch(false))  # a host that gives the one for the other
    [shown, other] = [
        row
        for row in record_pages.log(page(world, world.SOUTH)).view.statements
        if row.id == said.id
    ]
    assert {shown.author, other.author} == {world.GRID, world.NORTH}


# --- at home --------------------------------------------------------------------------------------


def test_a_reader_nobody_knows_is_not_sealed_for(world: World, at: Callable[..., Sealing]) -> None:
    with pytest.raises(UsageError, match="no party of the directory"):
        at(world.GRID).say(bundle(world, world.GRID), tlp="AMBER", to=["typo.example"], case=None)
    with pytest.raises(StatementError, match="not sealed"):
        at(world.GRID).say(bundle(world, world.GRID), tlp="GREEN", to=[world.SOUTH], case=None)


def test_an_object_marked_stricter_is_not_sealed_looser(
    world: World, at: Callable[..., Sealing]
) -> None:
    packed = bundle(world, world.GRID, object_marking_refs=[RED])
    with pytest.raises(MarkingError, match="TLP:RED"):
        at(world.GRID).say(packed, tlp="AMBER", to=[world.SOUTH], case=None)
    assert at(world.GRID).say(packed, tlp="RED", to=[world.SOUTH], case=None)


def test_what_was_sealed_to_an_older_key_still_opens(
    world: World, at: Callable[..., Sealing], home: Callable[[str], Path]
) -> None:
    said = at(world.GRID).say(bundle(world, world.GRID), tlp="AMBER", to=[world.SOUTH], case=None)
    folder = home(world.SOUTH) / "keys"
    (folder / "old").mkdir()
    (folder / "hpke").rename(folder / "old" / "hpke.1")
    make_seed(folder / "hpke", world.node.rng)
    south = at(world.SOUTH)
    row = south.named(said.id)
    assert south.judge(row, south.fetch(row)).objects
    shutil.rmtree(folder / "old")
    with pytest.raises(SealError, match="sealed to key"):
        south.judge(row, south.fetch(row))


@pytest.mark.parametrize(
    ("since", "shown"), [(None, "revoked"), ("2026-11-22T07:00:00Z", "suspect")]
)
def test_a_key_revoked_since_is_said(
    world: World, at: Callable[..., Sealing], since: str | None, shown: str
) -> None:
    said = at(world.GRID).say(bundle(world, world.GRID), tlp="AMBER", to=[world.SOUTH], case=None)
    grid = at(world.GRID)
    holder = Keyholder(grid.home, world.GRID, grid.client, clock=world.clock, rng=world.node.rng)
    holder.say("revoke", revoke_body(world.guests[world.GRID].keyid, "stolen", since))
    south = at(world.SOUTH)
    row = south.named(said.id)
    assert south.judge(row, south.fetch(row)).key == shown
    with pytest.raises(SignatureError, match="revoked"):
        at(world.GRID).say(bundle(world, world.GRID, "2"), tlp="AMBER", to=[world.SOUTH], case=None)


def test_only_the_own_chain_is_told(world: World, at: Callable[..., Sealing]) -> None:
    two(world, at)
    assert world.json("GET", "/chains", party=world.GRID)["seq"] == 2
    assert world.json("GET", "/chains", party=world.SOUTH)["seq"] == 0
    assert world.ask("GET", "/chains", party=None).status == 403


def test_the_largest_goes_through_and_one_more_byte_does_not(
    world: World, at: Callable[..., Sealing]
) -> None:
    # Half of it is random, so that nothing gets smaller on the way.
    long = "x" * 3_500_000 + world.node.rng(2_000_000).hex()
    said = at(world.GRID).say(
        bundle(world, world.GRID, long), tlp="AMBER", to=[world.SOUTH], case=None
    )
    south = at(world.SOUTH)
    row = south.named(said.id)
    raw = south.fetch(row)
    assert 11_000_000 < len(raw) < seal.MAX_SEALED
    [(_, found)] = south.judge(row, raw).objects
    assert long.encode() in found
    with pytest.raises(SealError, match="holds 8388608"):
        at(world.GRID).say(
            bundle(world, world.GRID, "x" * 8_388_000), tlp="AMBER", to=[world.SOUTH], case=None
        )
