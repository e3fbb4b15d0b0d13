"""Cases between parties: who sees the opening, what is refused, what leaves as one file."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from msgspec import structs

from tocsin.errors import CaseError, ConflictError, NotFoundError, UsageError
from tocsin.flows import intake, join, respond
from tocsin.flows.intake import Act
from tocsin.record.checkpoint import (
    add_lines,
    cosign_ed25519,
    open_checkpoint,
    open_note,
    open_policy,
)
from tocsin.record.dossier import open_dossier, verify
from tocsin.record.statement import key_body
from tocsin.stix.bundle import open_object
from tocsin.wiring.keys import load_signer, load_witness_signer, make_keys
from tocsin.wiring.party import party_entry

World = Any  # tests/unit/conftest.py
LATER = "2026-11-23T08:00:00Z"


def opened(world: World, *guests: str, join: bool = True) -> str:
    case, _ = respond.open_case(world.node, world.NORTH, "Grid wiper")
    for party in guests:
        respond.invite(world.node, world.NORTH, case, party, "affected", LATER)
    for party in guests if join else ():
        prepared = respond.answer_invitation(world.node, party, case, accept=True)
        intake.enter(world.node, world.sign(prepared))
    return case


def reader(world: World, party: str) -> Any:
    return world.node.reader(party)


def test_an_invited_party_sees_the_opening_and_who_else_is_there(world: World) -> None:
    case = opened(world, world.GRID, world.SOUTH, join=False)
    for party in (world.GRID, world.SOUTH):
        s = respond.state(world.node, case, reader(world, party))
        assert s.title == "Grid wiper"
        assert s.owner == world.NORTH
        assert {p.party for p in s.parties} == {world.NORTH, world.GRID, world.SOUTH}
        assert {v.reason for v in s.void} <= {"duplicate"}
        assert not s.waiting


def test_all_who_were_invited_can_join_whoever_was_invited_after_them(world: World) -> None:
    case = opened(world, world.GRID, world.SOUTH)
    s = respond.state(world.node, case, reader(world, world.GRID))
    assert {p.state for p in s.parties} == {"ACCEPTED"}


def test_what_was_said_before_an_invitation_stays_with_those_it_was_said_to(world: World) -> None:
    case = opened(world, world.GRID)
    item = open_object(world.indicator())
    intake.record(
        world.node,
        Act(
            author=world.NORTH,
            kind="say",
            tlp="AMBER",
            case=case,
            objects=(item,),
            to=(world.GRID,),
        ),
    )
    respond.invite(world.node, world.NORTH, case, world.SOUTH, "affected", LATER)
    assert respond.indicators(world.node, reader(world, world.GRID), case)
    assert not respond.indicators(world.node, reader(world, world.SOUTH), case)


def test_a_party_that_was_not_invited_learns_nothing(world: World) -> None:
    case = opened(world, world.GRID)
    for party in (world.SOUTH, None):
        who = world.node.reader(party)
        assert respond.cases(world.node, who) == []
        with pytest.raises(NotFoundError):
            respond.state(world.node, case, who)
        with pytest.raises(NotFoundError):
            respond.export(world.node, case, who, "dossier", own=who)


@pytest.mark.parametrize(("role", "by"), [("emperor", LATER), ("affected", "soon"), ("", "")])
def test_an_invitation_that_is_refused_has_shown_nobody_the_case(
    world: World, role: str, by: str
) -> None:
    case = opened(world)
    size = world.size
    with pytest.raises(CaseError):
        respond.invite(world.node, world.NORTH, case, world.SOUTH, role, by)
    assert world.size == size
    with pytest.raises(NotFoundError):
        respond.state(world.node, case, reader(world, world.SOUTH))


def test_only_parties_of_the_directory_are_invited(world: World) -> None:
    case = opened(world)
    with pytest.raises(UsageError, match="not in the directory"):
        respond.invite(world.node, world.NORTH, case, "nobody.example", "affected", LATER)


def test_an_act_that_would_have_no_effect_is_not_signed(world: World) -> None:
    case = opened(world, world.GRID)
    size = world.size
    for party, body in (
        (world.NORTH, {"event": "case.stage", "item": case, "stage": "NOWHERE"}),
        (world.NORTH, {"event": "case.elope", "item": case}),
        (world.NORTH, {"event": "case.open", "item": case, "title": "Again", "class": "incident"}),
        (world.GRID, {"event": "case.stage", "item": case, "stage": "CLOSED"}),
        (world.NORTH, {}),
        (world.NORTH, {"event": ["case.open"], "item": {}}),
        (world.NORTH, {"event": "case.join", "item": case, "re": "0" * 64, "accept": True}),
    ):
        with pytest.raises(CaseError):
            respond.act(world.node, party, case, body)
    assert world.size == size


def test_nobody_joins_who_was_not_invited(world: World) -> None:
    case = opened(world, world.GRID)
    with pytest.raises(NotFoundError):
        respond.answer_invitation(world.node, world.SOUTH, case, accept=True)


def test_a_case_without_a_title_is_refused(world: World) -> None:
    with pytest.raises(CaseError):
        respond.open_case(world.node, world.NORTH, "  ")


# --- as one file ----------------------------------------------------------------------------------


def said_between_guests(world: World, case: str) -> str:
    """gridco tells southmark something that northland, whose node this is, may not read."""
    item = open_object(world.indicator(world.GRID, "198.51.100.9"))
    act = Act(
        author=world.GRID,
        kind="say",
        tlp="AMBER+STRICT",
        case=case,
        objects=(item,),
        to=(world.SOUTH,),
    )
    done: intake.Done = world.as_guest(act)
    return done.id


def shown(dossier: bytes) -> set[str]:
    with zipfile.ZipFile(io.BytesIO(dossier)) as file:
        return {
            row["id"]
            for row in map(json.loads, file.read("statements.jsonl").splitlines())
            if "withheld" not in row and "envelope" in row
        }


def test_what_is_taken_away_for_another_is_what_both_may_read(world: World) -> None:
    case = opened(world, world.GRID, world.SOUTH)
    said_between_guests(world, case)
    north, south = reader(world, world.NORTH), reader(world, world.SOUTH)
    for form in ("dossier", "sheet", "stix"):
        own, _ = respond.export(world.node, case, south, form, own=south)
        taken, _ = respond.export(world.node, case, south, form, own=north)
        assert taken != own, form
        assert b"198.51.100.9" not in taken


def test_the_stix_of_a_case_holds_what_is_in_force(world: World) -> None:
    case = opened(world, world.GRID)
    item = open_object(world.indicator())
    act = Act(
        author=world.NORTH, kind="say", tlp="AMBER", case=case, objects=(item,), to=(world.GRID,)
    )
    done = intake.record(world.node, act)
    grid = reader(world, world.GRID)
    body, kind = respond.export(world.node, case, grid, "stix", own=grid)
    assert kind.startswith("application/stix+json")
    assert item.raw in body
    intake.withdraw(world.node, world.NORTH, done.id, objects=[item.id])
    assert item.raw not in respond.export(world.node, case, grid, "stix", own=grid)[0]


def test_what_is_taken_back_in_a_case_is_so_by_whoever_said_it(world: World) -> None:
    case = opened(world, world.GRID, world.SOUTH)
    item = open_object(world.indicator())
    to = (world.GRID, world.SOUTH)
    said = intake.record(
        world.node,
        Act(author=world.NORTH, kind="say", tlp="AMBER", case=case, objects=(item,), to=to),
    )
    named = intake.parse_kept(world.node.store.statement(said.id, world.node.everything())).objects
    world.clock.later(seconds=1)
    for names in ((), named):
        forged = Act(
            author=world.SOUTH,
            kind="withdraw",
            tlp="AMBER",
            case=case,
            to=(world.NORTH, world.GRID),
            refs=(said.id,),
            named=names,
            body={"reason": "ours to say"},
        )
        world.as_guest(forged)
        assert respond.taken_back(world.node, case, reader(world, world.GRID)) == []
    world.clock.later(seconds=1)
    intake.withdraw(world.node, world.NORTH, said.id, objects=[item.id], reason="stale")
    [back] = respond.taken_back(world.node, case, reader(world, world.GRID))
    assert (back.id, back.by, back.reason, back.said) == (
        item.id,
        world.NORTH,
        "stale",
        "2026-11-22T08:00:00Z",
    )


def test_a_form_there_is_not_is_named(world: World) -> None:
    case = opened(world)
    north = reader(world, world.NORTH)
    with pytest.raises(UsageError, match="docx"):
        respond.export(world.node, case, north, "docx", own=north)


def test_a_proof_is_given_only_of_what_one_may_read(world: World) -> None:
    case = opened(world, world.GRID, world.SOUTH)
    hidden = said_between_guests(world, case)
    assert respond.proof(world.node, hidden, reader(world, world.SOUTH))
    for asked in (hidden, "0" * 64, "", "x"):
        with pytest.raises(NotFoundError):
            respond.proof(world.node, asked, reader(world, world.NORTH))


def cosigned(world: World, time: int) -> None:
    """The node's own witness has cosigned the newest checkpoint, and the store keeps that."""
    witness = load_witness_signer(world.home, world.NORTH)
    assert witness is not None
    head = open_checkpoint(open_note(world.node.log.checkpoint).text)
    line = cosign_ed25519(head, witness.name, witness.public, witness.sign_ed25519, time)
    note = add_lines(world.node.log.checkpoint, [line])
    world.node.store.keep_checkpoint(head.size, note)


def test_an_export_holds_the_cosigned_checkpoints_that_tell_a_time(world: World) -> None:
    case, _ = respond.open_case(world.node, world.NORTH, "T")
    size = world.node.log.size
    cosigned(world, 1_795_334_000)
    for number in range(3):  # cosigned each, and of no statement in the case
        respond.open_case(world.node, world.NORTH, f"Other {number}")
        cosigned(world, 1_795_334_100 + number)
    respond.invite(world.node, world.NORTH, case, world.GRID, "affected", LATER)
    cosigned(world, 1_795_334_200)
    newest = world.node.log.size
    respond.open_case(world.node, world.NORTH, "Last")
    reader = world.node.reader(world.NORTH)
    data, _ = respond.export(world.node, case, reader, "dossier", own=reader)
    [history] = open_dossier(data).history
    sizes = [open_checkpoint(open_note(one.note).text).size for one in history]
    # The first that covers the opening, the newest that the invitation had seen, the first after.
    assert sizes == [size, size + 3, newest]
    witness = load_witness_signer(world.home, world.NORTH)
    assert witness is not None
    policy = world.node.policy_text.replace(
        "quorum none", f"witness n {witness.vkeys()[0]}\nquorum n"
    )
    verdict = verify([data], open_policy(policy.encode()), world.node.root)
    assert {p.code for p in verdict.problems} == {"quorum"}  # the newest has no line of it yet
    opening, *_, invitation = [s for s in verdict.statements if s.kind == "act"]
    assert opening.not_after == "2026-11-22T07:53:20Z"
    assert invitation.not_after == "2026-11-22T07:56:40Z"


def test_only_checkpoints_that_tell_something_are_taken_along() -> None:
    notes = [(size, b"%d" % size) for size in (3, 5, 8, 13, 21)]

    def sizes(named: set[int], indexes: list[int], size: int = 30) -> list[int]:
        return [one for one, _ in respond.telling(notes, named, indexes, size)]

    assert sizes(set(), []) == []
    assert sizes(set(), [0, 2, 3, 25]) == [3, 5]
    assert sizes({8, 9}, [20]) == [8, 21]
    assert sizes({13}, [12], size=13) == []


def test_nobody_opens_a_case_in_which_another_party_spoke_first(world: World) -> None:
    case = opened(world, world.GRID)
    body: dict[str, Any] = {"event": "case.open", "item": case, "title": "Mine"}
    body["class"] = "incident"
    body |= {"tlp": "AMBER", "lang": "en", "quorum": {"k": 1, "of": 1}}
    # To somebody who cannot see the true opening yet.
    mine = Act(author=world.GRID, kind="act", tlp="AMBER", body=body, case=case, to=(world.SOUTH,))
    with pytest.raises(ConflictError, match="did not open it"):
        world.as_guest(mine)
    with pytest.raises(NotFoundError):
        respond.state(world.node, case, reader(world, world.SOUTH))


def test_an_answer_ends_every_invitation_of_its_party(world: World) -> None:
    """What it answers with is public afterwards; an older invitation must not fetch a token."""
    node, new = world.node, "port.example"
    older, newer = (join.invitation(node, world.NORTH, new, url="") for _ in range(2))
    folder = world.home.with_name("port")
    make_keys(folder, new, log=False, rng=node.rng)
    answer = join.enrolment(
        newer,
        party_entry(folder, new, "Port", log=None),
        load_signer(folder, new, "root"),
        key_body(load_signer(folder, new, "signing").public),
        time=world.clock(),
        salt=node.rng(16).hex(),
    )
    join.admit_party(node, answer)
    for nonce in (older.nonce, newer.nonce):
        with pytest.raises(NotFoundError):
            join.admit_party(node, structs.replace(answer, nonce=nonce))
