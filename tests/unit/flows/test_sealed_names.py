"""A sealed statement names the id of what is inside, and its host cannot see whose that is.

So nobody takes another's id by it: what the log holds of it is made of its author's name too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tocsin import canonical
from tocsin.cli import run
from tocsin.errors import ConflictError, MarkingError, NotFoundError, PurgedError
from tocsin.flows import audit, holders, intake, purge, respond, sealed
from tocsin.flows import keys as key_flow
from tocsin.flows.arrivals import Arrivals
from tocsin.flows.comparing import prefix_of
from tocsin.flows.homes import Peer
from tocsin.flows.intake import Act, Done
from tocsin.flows.pages import PREFIX, Item, Pages
from tocsin.policy import Tlp
from tocsin.record import evidence, verify
from tocsin.record.checkpoint import open_policy
from tocsin.record.envelope import (
    open_envelope,
    pae,
    sealed_entry,
    sign,
    statement_id,
    write_envelope,
)
from tocsin.record.hpke import HpkeKey
from tocsin.record.keys import Signer
from tocsin.record.seal import MAX_SEALED, PAYLOAD_TYPE, seal
from tocsin.record.statement import KEY_CHAIN, compose, revoke_body
from tocsin.wiring.keys import load_signer

World = Any  # tests/unit/conftest.py
NORTH = "cert.northland.example"


def said(world: World, party: str, signer: Signer, **fields: Any) -> bytes:
    """An envelope for the next place of a chain."""
    last = world.node.store.chain(party, KEY_CHAIN if fields["kind"] == "revoke" else "")
    given = {
        "seq": last.seq + 1 if last else 1,
        "prev": last.head if last else "",
        "tlp": "CLEAR",
        "body": {"heads": []},
        **fields,
    }
    time = intake.stamp(world.clock())
    return sign(
        compose(author=party, key=signer.keyid, time=time, salt="0" * 32, **given), [signer]
    )


def named(
    world: World, party: str, id: str, tlp: Tlp = "AMBER", to: str = NORTH, **fields: Any
) -> bytes:
    """A file that `party` sealed in all form, but under another id."""
    signer = world.guests[party]
    inner = said(world, party, signer, kind="ack", tlp=tlp, to=(to,), **fields)
    public = HpkeKey(b"\3" * 32).public
    raw = seal(inner, {}, dict.fromkeys((party, to), public), signer, world.node.rng)
    value = canonical.decode(open_envelope(raw, PAYLOAD_TYPE, MAX_SEALED).payload)
    payload = canonical.encode({**value, "commitment": id})
    return write_envelope(
        payload, PAYLOAD_TYPE, {signer.keyid: signer.sign(pae(payload, PAYLOAD_TYPE))}
    )


def entry(party: str, id: str) -> str:
    """What the log holds of what `party` seals under this id."""
    return sealed_entry(party, bytes.fromhex(id)).hex()


def revocation(world: World, template: Any) -> bytes:
    """gridco revokes its signing key, with its root key."""
    root = load_signer(template[0].with_name(world.GRID), world.GRID, "root")
    body = revoke_body(world.guests[world.GRID].keyid, "stolen")
    return said(world, world.GRID, root, kind="revoke", body=body)


def is_revoked(world: World) -> bool:
    """Whether the node takes nothing more that is signed with gridco's key."""
    return intake.signing_key(world.node, world.GRID) is None


def in_the_log(world: World, id: str) -> bool:
    """Whether this is what the log holds at the place that the store names."""
    place = world.node.store.place(id)
    return place is not None and world.node.store.entries(place, 1) == [bytes.fromhex(id)]


@pytest.mark.parametrize("follows", [False, True])
def test_a_revocation_counts_whose_id_another_member_has_sealed_under(
    world: World, template: Any, restart: Callable[[World], World], follows: bool
) -> None:
    raw = revocation(world, template)
    id = statement_id(raw)
    sealed.enter(world.node, named(world, world.SOUTH, id))
    assert not is_revoked(world)
    if follows:
        assert key_flow.follow(world.node, [raw]).refused == []
    else:
        intake.enter(world.node, raw)
    assert is_revoked(world)
    assert in_the_log(world, id)
    assert in_the_log(world, entry(world.SOUTH, id))
    again = restart(world)
    assert is_revoked(again)
    found = audit.checks(again.node)
    assert (found.sealed, found.problems) == (1, [])


def test_the_audit_of_such_a_log_finds_nothing_wrong(
    world: World, template: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each entry stands once, and is what the store holds, as a new process reads it."""
    raw = revocation(world, template)
    for party in (world.SOUTH, world.GRID):
        sealed.enter(world.node, named(world, party, statement_id(raw)))
    intake.enter(world.node, raw)
    world.node.store.close()
    assert run(["--home", str(world.home), "--no-input", "log", "audit"]) == 0
    told = capsys.readouterr().out
    assert "AUDITED" in told
    assert "(2 sealed, by their outside)" in told


def test_a_stolen_key_does_not_keep_its_own_revocation_out(world: World, template: Any) -> None:
    """Whoever stole it seals in the name of the very party that revokes it."""
    raw = revocation(world, template)
    sealed.enter(world.node, named(world, world.GRID, statement_id(raw)))
    intake.enter(world.node, raw)
    assert is_revoked(world)


@pytest.mark.parametrize("first", ["plain", "sealed"])
def test_a_plain_statement_and_one_sealed_under_its_id_both_stand(
    world: World, restart: Callable[[World], World], first: str
) -> None:
    """A denial, say: in either order, and after a restart."""
    mine = said(world, world.GRID, world.guests[world.GRID], kind="ack")
    id = statement_id(mine)
    taken = named(world, world.SOUTH, id)

    def plainly() -> Done:
        return intake.enter(world.node, mine)

    def closed() -> Done:
        return sealed.enter(world.node, taken)

    order = (plainly, closed) if first == "plain" else (closed, plainly)
    places = [one() for one in order]
    assert [one.id for one in places] == [id, id]
    assert places[0].index != places[1].index
    assert plainly() == places[order.index(plainly)]
    assert closed() == places[order.index(closed)]
    again = restart(world)
    kept = again.node.store.statement(id, again.node.everything())
    assert kept.raw == mine
    [row] = sealed.listed(again.node, again.actor().reader)
    assert (row.id, row.author, row.entry) == (id, world.SOUTH, entry(world.SOUTH, id))
    assert sealed.sealed_file(again.node, again.actor().reader, id) == taken
    assert audit.checks(again.node).problems == []


def test_many_at_once_are_not_kept_out_either(world: World) -> None:
    grid, south = world.guests[world.GRID], world.guests[world.SOUTH]
    mine = said(world, world.GRID, grid, kind="ack")
    other = said(world, world.SOUTH, south, kind="ack", case="case--1")
    sealed.enter(world.node, named(world, world.SOUTH, statement_id(mine)))
    found = intake.enter_many(world.node, [mine, other])
    assert [type(one) for one in found] == [Done, Done]


@pytest.mark.parametrize("squatter_first", [False, True])
def test_two_seal_under_one_id_and_readers_tell_them_apart(
    world: World, squatter_first: bool
) -> None:
    id = statement_id(said(world, world.GRID, world.guests[world.GRID], kind="ack", tlp="AMBER"))
    files = {party: named(world, party, id) for party in (world.GRID, world.SOUTH)}
    for party in sorted(files, reverse=squatter_first):
        sealed.enter(world.node, files[party])
    reader = world.actor().reader
    rows = sealed.listed(world.node, reader)
    assert {(row.id, row.author, row.entry) for row in rows} == {
        (id, party, entry(party, id)) for party in files
    }
    for row in rows:
        assert sealed.sealed_file(world.node, reader, row.entry) == files[row.author]
        assert in_the_log(world, row.entry)
    with pytest.raises(ConflictError) as refused:
        sealed.sealed_file(world.node, reader, id)
    assert world.GRID in refused.value.message
    assert entry(world.GRID, id) in refused.value.remedy
    with pytest.raises(NotFoundError):
        sealed.sealed_file(world.node, world.actor(None).reader, id)


def test_who_seals_and_then_says_the_same_in_plain_is_told_where_it_stands(world: World) -> None:
    """Its chain has one place for it, and its readers have it sealed."""
    mine = said(world, world.GRID, world.guests[world.GRID], kind="ack", tlp="AMBER")
    id = statement_id(mine)
    done = sealed.enter(world.node, named(world, world.GRID, id))
    with pytest.raises(ConflictError, match=f"sealed.* entry {done.index}"):
        intake.enter(world.node, mine)
    [many] = intake.enter_many(world.node, [mine])
    assert isinstance(many, ConflictError)
    assert world.node.store.chain(world.GRID, "").head == id


def test_who_says_it_in_plain_and_then_seals_it_is_told_so_too(world: World) -> None:
    mine = said(world, world.GRID, world.guests[world.GRID], kind="ack", tlp="AMBER")
    closed = named(world, world.GRID, statement_id(mine))
    done = intake.enter(world.node, mine)
    with pytest.raises(ConflictError, match=f"in plain.* entry {done.index}"):
        sealed.enter(world.node, closed)


def test_another_file_of_its_own_under_one_id_is_refused(world: World) -> None:
    first = named(world, world.GRID, "5" * 64)
    assert sealed.enter(world.node, first) == sealed.enter(world.node, first)
    with pytest.raises(ConflictError, match=world.GRID):
        sealed.enter(world.node, named(world, world.GRID, "5" * 64))  # for others, maybe


def test_whoever_may_not_read_it_learns_nothing_by_sealing_under_its_id(world: World) -> None:
    """An id is in every dossier that withholds it, and names nobody."""
    act = Act(author=world.GRID, kind="ack", tlp="RED", body={"heads": []}, to=(world.NORTH,))
    hidden = world.as_guest(act)
    done = sealed.enter(world.node, named(world, world.SOUTH, hidden.id))
    other = named(world, world.SOUTH, "5" * 64)
    assert done.id == hidden.id
    assert sealed.enter(world.node, other).index == done.index + 1


def test_its_author_takes_back_its_own_and_nobody_elses(world: World) -> None:
    """However strictly another has marked what it sealed under the same id."""
    mine = said(world, world.GRID, world.guests[world.GRID], kind="ack", tlp="AMBER")
    id = statement_id(mine)
    sealed.enter(world.node, named(world, world.SOUTH, id, "RED", to=world.GRID))
    sealed.enter(world.node, named(world, world.GRID, id))
    intake.enter(world.node, world.sign(intake.withdraw(world.node, world.GRID, id)))
    rows = sealed.listed(world.node, world.actor(world.GRID).reader)
    assert {row.author: row.withdrawn for row in rows} == {world.GRID: True, world.SOUTH: False}
    south = sealed.listed(world.node, world.actor(world.SOUTH).reader)
    by_entry = intake.withdraw(world.node, world.SOUTH, south[0].entry)
    intake.enter(world.node, world.sign(by_entry))
    assert sealed.listed(world.node, world.actor(world.SOUTH).reader)[0].withdrawn


def test_what_is_here_in_plain_is_marked_as_its_author_marked_it(world: World) -> None:
    act = Act(author=world.GRID, kind="ack", tlp="GREEN", body={"heads": []})
    done = world.as_guest(act)
    sealed.enter(world.node, named(world, world.SOUTH, done.id, "RED"))
    answer = Act(author=world.NORTH, kind="ack", tlp="GREEN", body={"heads": []}, refs=(done.id,))
    assert intake.record(world.node, answer)


def test_what_is_here_sealed_alone_is_as_strict_as_the_strictest(world: World) -> None:
    marked: tuple[tuple[str, Tlp], ...] = ((world.SOUTH, "AMBER"), (world.GRID, "RED"))
    for party, tlp in marked:
        sealed.enter(world.node, named(world, party, "5" * 64, tlp))
    answer = Act(author=world.NORTH, kind="ack", tlp="AMBER", body={"heads": []}, refs=("5" * 64,))
    with pytest.raises(MarkingError, match="RED"):
        intake.record(world.node, answer)


def test_one_is_purged_and_what_another_said_under_that_id_stays(world: World) -> None:
    mine = said(world, world.GRID, world.guests[world.GRID], kind="ack")
    id = statement_id(mine)
    taken = named(world, world.SOUTH, id)
    sealed.enter(world.node, taken)
    admin = world.actor().reader
    purge.purge(world.node, admin, id, "spill", actor="anna")
    with pytest.raises(PurgedError):
        sealed.enter(world.node, taken)
    intake.enter(world.node, mine)
    assert world.node.store.statement(id, world.node.everything()).raw == mine
    # Now the id is the plain one's own, and the sealed one is named by its entry.
    [plain] = purge.purge(world.node, admin, id, "x", actor="anna", dry_run=True).items
    [closed] = purge.purge(
        world.node, admin, entry(world.SOUTH, id), "x", actor="anna", dry_run=True
    ).items
    assert (plain.type, plain.size, closed.type, closed.size) == ("ack", len(mine), "sealed", 0)
    assert audit.checks(world.node).problems == []


def test_a_proof_says_in_which_form_the_log_holds_a_statement(world: World) -> None:
    """And none of another author's sealed entry holds for a plain statement."""
    policy = world.node.policy_text.encode()
    mine = said(world, world.GRID, world.guests[world.GRID], kind="ack", tlp="AMBER", to=(NORTH,))
    id = statement_id(mine)
    sealed.enter(world.node, named(world, world.SOUTH, id))
    sealed.enter(world.node, named(world, world.GRID, id))
    admin = world.actor().reader
    for author, holds in ((world.GRID, True), (world.SOUTH, False)):
        proof = respond.proof(world.node, entry(author, id), admin)
        found = evidence.verify_proof(proof, mine, open_policy(policy))
        assert (found["ok"], found["sealed"]) == (holds, True if holds else None)
        alone = verify.verdict_on_proof(proof, mine, verify.Policy(policy))
        assert (alone["ok"], alone["sealed"]) == (found["ok"], found["sealed"])
        named_only = evidence.verify_proof(proof, None, open_policy(policy))
        assert (named_only["ok"], named_only["id"]) == (True, entry(author, id))
        assert named_only["sealed"] is None
    with pytest.raises(ConflictError):
        respond.proof(world.node, id, admin)


def test_another_node_brings_both_and_neither_keeps_the_other_out(
    world: World, template: Any
) -> None:
    """Sealed under the id of a revocation and of a denial, whichever comes first."""
    revoke = revocation(world, template)
    denial = said(world, world.SOUTH, world.guests[world.SOUTH], kind="ack")
    first = named(world, world.SOUTH, statement_id(revoke), case="case--1")
    second = named(world, world.GRID, statement_id(denial), case="case--1")
    items = [
        Item(n=1, sealed=first.decode()),
        Item(n=2, envelope=revoke.decode()),
        Item(n=3, envelope=denial.decode()),
    ]
    found = Arrivals(world.node).take(world.GRID, items, nothing)
    assert (found.taken, found.refused, found.quarantined) == (3, [], 0)
    assert is_revoked(world)
    # Its key is revoked now: what it sealed waits, and the denial stands.
    late = Arrivals(world.node).take(world.GRID, [Item(n=4, sealed=second.decode())], nothing)
    assert late.quarantined == 1
    [waiting] = world.node.store.quarantined()
    assert waiting.id == entry(world.GRID, statement_id(denial))
    ids = {statement_id(revoke), entry(world.SOUTH, statement_id(revoke)), statement_id(denial)}
    assert all(in_the_log(world, id) for id in ids)
    world.node.store.fill(world.GRID, world.node.everything())
    brought = world.node.store.exchanged(world.GRID, theirs=True)
    assert {bytes.fromhex(id) for id in ids} <= {*brought}


def test_a_statement_that_is_here_sealed_is_no_evidence_against_its_author(world: World) -> None:
    mine = said(world, world.GRID, world.guests[world.GRID], kind="ack", tlp="AMBER")
    sealed.enter(world.node, named(world, world.GRID, statement_id(mine)))
    found = Arrivals(world.node).take(world.SOUTH, [Item(n=1, envelope=mine.decode())], nothing)
    assert [one.error for one in found.refused] == ["ConflictError"]
    assert world.node.store.quarantined() == []


def test_who_sealed_it_is_told_who_was_given_it(world: World) -> None:
    """By its id, as by its entry; another's under the same id went elsewhere."""
    id = "5" * 64
    for party in (world.GRID, world.SOUTH):
        sealed.enter(world.node, named(world, party, id))
    world.node.store.fill(world.NORTH, world.node.everything())
    reader = world.actor(world.GRID).reader
    for name in (id, entry(world.GRID, id)):
        found = holders.holders(world.node, reader, name)
        assert {(one.statement, one.node) for one in found} == {(id, world.NORTH)}
    with pytest.raises(NotFoundError):
        holders.holders(world.node, reader, entry(world.SOUTH, id))


def nothing(sha256: str, size: int) -> bytes:
    raise AssertionError("no object is asked for")


def test_what_was_asked_for_by_its_first_bytes_is_known_when_it_comes(world: World) -> None:
    """Two nodes find what one has lost by what their logs hold, which is the same at both."""
    id = "5" * 64
    sealed.enter(world.node, named(world, world.SOUTH, id, to=world.GRID))
    world.node.store.fill(world.GRID, world.node.everything())
    pages = Pages(world.node)
    peer = Peer(party=world.GRID, keys=(), url="", home=(world.GRID,))
    held = bytes.fromhex(entry(world.SOUTH, id))
    assert held in world.node.store.exchanged(world.GRID, theirs=False)
    [item] = pages.wanted(peer, [held[:PREFIX]]).items
    assert prefix_of(item) == held[:PREFIX]
