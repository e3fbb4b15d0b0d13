"""Keys and revocations among nodes that do not trust each other: three logs, one guest."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tocsin.canonical import b64decode
from tocsin.client import Client, Door, Reply
from tocsin.console import api
from tocsin.console.auth import Doors
from tocsin.console.page import names
from tocsin.errors import (
    ForbiddenError,
    SignatureError,
    TocsinError,
    UnreachableError,
    UsageError,
)
from tocsin.flows import intake, join, rivals
from tocsin.flows import keys as key_flow
from tocsin.flows.node import Node
from tocsin.policy import ANONYMOUS, Actor
from tocsin.record.directory import fingerprint
from tocsin.record.envelope import open_statement, sign
from tocsin.record.proposal import changes, envelope_of, lacking, signed_by, slots
from tocsin.record.statement import compose, revoke_body
from tocsin.wiring import registrar
from tocsin.wiring.doctor import diagnose
from tocsin.wiring.door import inner_door
from tocsin.wiring.join import join as join_by
from tocsin.wiring.keyholder import Keyholder, NeedsOthers, feed_of
from tocsin.wiring.keys import load_signer
from tocsin.wiring.new_log import begin_log, list_log
from tocsin.wiring.node import guest_token, open_node
from tocsin.wiring.party import init
from tocsin.wiring.rotation import rotate_listed, rotate_signing

NORTH, PORT, DOCK, GRID = (
    "cert.northland.example",
    "portco.example",
    "dock.example",
    "gridco.example",
)


@dataclass
class Town:
    """North invites all. Port and Dock have nodes of their own; Grid is a guest at North's."""

    nodes: dict[str, Node]
    homes: dict[str, Path]
    hostile: set[str] = field(default_factory=set)
    """Nodes that take no statement of a root kind from others."""

    def doors(self, party: str) -> Door:
        """The way to a node over its API, not signed in."""

        def door(
            method: str,
            path: str,
            query: Mapping[str, str],
            body: bytes,
            headers: Mapping[str, str],
        ) -> Reply:
            if party in self.hostile and method == "POST":
                raise UnreachableError(f"{party} hangs up", remedy="ask another")
            found = api.answer(
                self.nodes[party], Actor(reader=ANONYMOUS), method, path, query, body, headers
            )
            return Reply(status=found.status, media_type=found.media_type, body=found.body)

        return door

    def holder(self, party: str, by: str) -> Keyholder:
        """A party's root key, at home, talking to the node of `by`."""
        door = inner_door(self.nodes[by], by) if party == by else self.doors(by)
        return Keyholder(self.homes[party], party, Client(door))

    def follow(self, party: str, other: str) -> key_flow.Followed:
        """One node takes over what another gives to everybody."""
        items = feed_of(Client(self.doors(other)))
        return key_flow.follow(self.nodes[party], [raw for _, raw in items])

    def state(self, at: str, party: str, keyid: str) -> str:
        return self.nodes[at].keyring.state(party, keyid, None)


def _answer(town: Town, party: str, tmp: Path, *, node: bool) -> None:
    north = town.nodes[NORTH]
    invited = join.invitation(
        north, NORTH, party, url="http://north", node_url=f"http://{party}" if node else ""
    )
    home = town.homes[party] = tmp / party
    done = join_by(
        home,
        invited,
        name=party,
        heard=fingerprint(north.root),
        send=True,
        node=node,
        url=f"http://{party}" if node else "",
        doors=lambda _: town.doors(NORTH),
    )
    assert done.done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders that every town is a copy of."""
    folder = tmp_path_factory.mktemp("built")
    init(folder / NORTH, NORTH, "North", url="http://north")
    with open_node(folder / NORTH) as north:
        found = Town({NORTH: north}, {NORTH: folder / NORTH})
        for party in (GRID, PORT, DOCK):
            _answer(found, party, folder, node=party != GRID)
    return folder


@pytest.fixture
def town(built: Path, tmp_path: Path) -> Iterator[Town]:
    folder = tmp_path / "town"
    shutil.copytree(built, folder)
    with ExitStack() as stack:
        yield Town(
            {p: stack.enter_context(open_node(folder / p)) for p in (NORTH, PORT, DOCK)},
            {p: folder / p for p in (NORTH, PORT, DOCK, GRID)},
        )


def known(node: Node) -> list[bytes]:
    return sorted(key_flow.chain_of_trust(node))


def test_what_one_node_knows_of_keys_all_come_to_know(town: Town) -> None:
    assert town.nodes[PORT].directory.version < town.nodes[DOCK].directory.version
    followed = town.follow(PORT, NORTH)
    assert followed.refused == []
    assert {k for node in town.nodes.values() for k in known(node)} == set(known(town.nodes[PORT]))
    assert town.follow(PORT, NORTH).entered == [], "the same feed again is nothing new"
    for party in (NORTH, GRID, PORT, DOCK):
        keys = {intake.signing_key(node, party) for node in town.nodes.values()}
        assert len(keys) == 1
        assert None not in keys


def test_a_rotation_passes_through_a_node_in_between(town: Town) -> None:
    done = rotate_signing(town.holder(PORT, PORT))
    town.follow(DOCK, PORT)
    town.follow(NORTH, DOCK)
    for node in (PORT, DOCK, NORTH):
        assert town.state(node, PORT, done.new) == "valid"
        assert town.state(node, PORT, done.old) == "revoked"


def test_a_guest_rotates_at_home(town: Town) -> None:
    done = rotate_signing(town.holder(GRID, NORTH))
    assert town.state(NORTH, GRID, done.new) == "valid"
    assert town.state(NORTH, GRID, done.old) == "revoked"
    assert load_signer(town.homes[GRID], GRID, "signing").keyid == done.new


def test_a_hostile_home_cannot_keep_a_revocation_from_the_others(town: Town) -> None:
    keyid = load_signer(town.homes[GRID], GRID, "signing").keyid
    body = revoke_body(keyid, "stolen", "2026-11-20T00:00:00Z")
    town.follow(PORT, NORTH)
    town.hostile.add(NORTH)
    with pytest.raises(UnreachableError):
        town.holder(GRID, NORTH).say("revoke", body)
    # The same signed bytes, at another node, that has no account of this party's.
    town.holder(GRID, PORT).say("revoke", body)
    town.follow(DOCK, PORT)
    for node in (PORT, DOCK):
        ended = town.nodes[node].keyring.key(GRID, keyid)
        assert ended is not None
        assert ended.reason == "stolen"
        assert town.state(node, GRID, keyid) == "revoked"
    # Whoever stole the key says nothing at those nodes, whatever its home takes.
    thief = load_signer(town.homes[GRID], GRID, "signing")
    payload = compose(
        author=GRID,
        key=thief.keyid,
        kind="ack",
        seq=1,
        prev="",
        time="2026-11-22T08:30:00Z",
        salt="0" * 32,
        tlp="CLEAR",
        body={"heads": []},
    )
    raw = sign(payload, [thief])
    assert intake.enter(town.nodes[NORTH], raw).index > 0
    for node in (PORT, DOCK):
        with pytest.raises(SignatureError, match="revoked"):
            intake.enter(town.nodes[node], raw)
    # And once the home listens to anybody, it knows too.
    town.follow(NORTH, DOCK)
    assert town.state(NORTH, GRID, keyid) == "revoked"


def test_a_feed_with_something_forged_in_it_does_no_harm(town: Town) -> None:
    rotate_signing(town.holder(NORTH, NORTH))
    chain = key_flow.chain_of_trust(town.nodes[NORTH])
    before = known(town.nodes[PORT])
    forged = []
    for raw in chain:
        at = raw.rindex(b'"sig":"') + 7
        forged.append(raw[:at] + (b"B" if raw[at : at + 1] != b"B" else b"C") + raw[at + 1 :])
    followed = key_flow.follow(town.nodes[PORT], [b"", b"{}", *forged])
    assert followed.entered == []
    assert len(followed.refused) == len(chain) + 2
    assert known(town.nodes[PORT]) == before
    followed = key_flow.follow(town.nodes[PORT], [*forged, *reversed(chain)])
    assert set(chain) <= set(known(town.nodes[PORT]))


def test_a_statement_that_is_refused_for_its_marking_holds_up_nobody_else(town: Town) -> None:
    """A member refers from a CLEAR key statement to what another node holds under AMBER."""
    port = town.nodes[PORT]
    secret = intake.record(
        port, intake.Act(author=PORT, kind="ack", tlp="AMBER", body={"heads": []}, to=(DOCK,))
    )
    dock = town.holder(DOCK, DOCK)
    body = revoke_body("0" * 64, "nothing")
    s = dock.proposal("revoke", body).statement
    payload = compose(
        author=DOCK,
        key=s.key,
        kind="revoke",
        seq=s.seq,
        prev=s.prev,
        time=s.time,
        salt=s.salt,
        tlp="CLEAR",
        body=body,
        refs=[secret.id],
    )
    dock.bring(sign(payload, [dock.root()]))
    rotate_signing(town.holder(NORTH, NORTH))
    town.follow(DOCK, NORTH)
    followed = town.follow(PORT, DOCK)
    assert [type(r.error).__name__ for r in followed.refused] == ["MarkingError"]
    assert (
        town.state(PORT, NORTH, load_signer(town.homes[NORTH], NORTH, "signing").keyid) == "valid"
    )


def test_an_ordinary_statement_does_not_come_in_by_the_feed(town: Town) -> None:
    north = town.nodes[NORTH]
    done = intake.record(
        north, intake.Act(author=NORTH, kind="ack", tlp="CLEAR", body={"heads": []})
    )
    kept = north.store.statement(done.id, north.everything())
    assert kept is not None
    followed = key_flow.follow(town.nodes[PORT], [kept.raw])
    assert [r.id for r in followed.refused] == [done.id]
    assert all(
        open_statement(raw)[1].kind in ("directory", "key", "revoke")
        for raw in key_flow.chain_of_trust(north)
    )


def test_a_feed_comes_in_pages(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_flow, "PAGE", 2)
    items = feed_of(Client(town.doors(NORTH)))
    assert [raw for _, raw in items] == key_flow.chain_of_trust(town.nodes[NORTH])
    indexes = [index for index, _ in items]
    assert indexes == sorted(set(indexes))
    assert feed_of(Client(town.doors(NORTH)), indexes[-2]) == items[-1:]


# --- registrars -----------------------------------------------------------------------------------


def change(town: Town, by: str, **what: Any) -> Any:
    holder = town.holder(by, by)
    following = registrar.following(holder, registrar.Change(**what))
    return holder.proposal("directory", following.body)


def test_registrars_pass_from_one_of_one_to_two_of_three_and_on(town: Town) -> None:
    """k of n to k' of n': each version by the threshold before and its own."""
    from tocsin.errors import DirectoryError
    from tocsin.record.proposal import (
        envelope_of,
        lacking,
        open_proposal,
        signed_by,
        slots,
        write_proposal,
    )

    for party in (PORT, DOCK):
        town.follow(party, NORTH)

    def sign_on(proposal: Any, *parties: str) -> Any:
        for party in parties:
            holder = town.holder(party, party)
            wanted = slots(holder.history.ring, proposal.statement)
            proposal = open_proposal(write_proposal(signed_by(proposal, holder.root(), wanted)))
        return proposal

    def publish(proposal: Any, at: str = NORTH) -> int:
        holder = town.holder(at, at)
        holder.bring(envelope_of(proposal, slots(holder.history.ring, proposal.statement)))
        for other in town.nodes:
            if other != at:
                assert town.follow(other, at).refused == []
        return town.nodes[at].directory.version

    version = town.nodes[NORTH].directory.version
    proposal = change(town, NORTH, registrars=[PORT, DOCK], threshold=2)
    one = sign_on(proposal, NORTH)
    with pytest.raises(DirectoryError, match="1 of 2 registrars of version") as refused:
        publish(one)
    assert PORT in refused.value.message or DOCK in refused.value.message
    roots = {p: town.holder(p, p).root().keyid for p in town.nodes}
    allowed = [p for p in (PORT, DOCK) if roots[p] >= proposal.statement.key]
    assert publish(sign_on(one, allowed[0])) == version + 1

    # Now 2 of 3: nobody alone, and the first proposer is not needed.
    for by, other in ((PORT, DOCK), (DOCK, NORTH)):
        proposal = change(town, by, name=f"{by} renamed")
        first = min((by, other), key=lambda p: roots[p])
        proposal = town.holder(by, by).proposal("directory", proposal.statement.body, (by, other))
        assert proposal.statement.key == roots[first]
        with pytest.raises(DirectoryError):
            publish(sign_on(proposal, by), by)
        done = sign_on(proposal, by, other)
        wanted = slots(town.nodes[by].keyring, proposal.statement)
        assert lacking(done, wanted) == []
        version = town.nodes[by].directory.version
        assert publish(done, by) == version + 1
    # And down to 1 of 2, without the one who began it.
    proposal = town.holder(PORT, PORT).proposal(
        "directory",
        registrar.following(
            town.holder(PORT, PORT), registrar.Change(no_registrars=[NORTH], threshold=1)
        ).body,
        (PORT, DOCK),
    )
    publish(sign_on(proposal, PORT, DOCK), PORT)
    with pytest.raises(ForbiddenError, match="no registrar"):
        change(town, NORTH, name="North again")
    assert publish(sign_on(change(town, DOCK, name="Dock alone"), DOCK), DOCK)


def removed(town: Town, by: str, party: str, **more: Any) -> Any:
    holder = town.holder(by, by)
    return registrar.following(holder, registrar.Change(leaving=[party], **more))


def test_a_party_that_is_removed_says_nothing_more_and_what_it_said_stays(town: Town) -> None:
    for party in (PORT, DOCK):
        town.follow(party, NORTH)
    north = town.nodes[NORTH]
    doors = Doors(north.store, clock=north.clock, rng=north.rng, member=north.is_member)
    token = guest_token(doors, GRID)
    assert doors.token(token) is not None
    key = load_signer(town.homes[GRID], GRID, "signing")

    def ack(seq: int, prev: str) -> bytes:
        return sign(
            compose(
                author=GRID,
                key=key.keyid,
                kind="ack",
                seq=seq,
                prev=prev,
                time=north.clock(),
                salt="0" * 32,
                tlp="CLEAR",
                body={"heads": []},
            ),
            [key],
        )

    said = intake.enter(north, ack(1, ""))
    following = removed(town, NORTH, GRID)
    assert "- gridco.example: leaves the directory" in changes(north.directory, following)
    town.holder(NORTH, NORTH).say("directory", following.body)
    # Here and, as soon as they have heard, everywhere.
    for node in (PORT, DOCK):
        assert town.follow(node, NORTH).refused == []
    for here in town.nodes.values():
        assert here.directory.party(GRID) is None
        assert not here.is_member(GRID)
        with pytest.raises(SignatureError, match="not in directory"):
            intake.enter(here, ack(2, said.id))
        with pytest.raises(TocsinError):
            town.holder(GRID, here.party).say("revoke", revoke_body(key.keyid, "gone"))
    assert doors.token(token) is None
    doors.sweep()
    assert GRID not in {t.person.party for t in doors.tokens()}, "none comes back with the party"
    # What it said is its own as before: the ring judges it at its place, pages call it by name.
    assert north.keyring.state(GRID, key.keyid, said.index) == "valid"
    assert north.keyring.state(GRID, key.keyid, None) == "unknown"
    assert names(north)[GRID] == GRID
    assert north.store.statement(said.id, north.everything()) is not None
    with pytest.raises(UsageError, match="own party"):
        removed(town, NORTH, NORTH)
    with pytest.raises(UsageError, match="not in the directory"):
        removed(town, NORTH, GRID)


def test_two_registrars_remove_a_third_and_none_can_be_left_short(town: Town) -> None:
    for party in (PORT, DOCK):
        town.follow(party, NORTH)
    north = town.holder(NORTH, NORTH)
    body = registrar.following(north, registrar.Change(registrars=[PORT, DOCK])).body
    north.say("directory", body)
    for party in (PORT, DOCK):
        town.follow(party, NORTH)
    body = registrar.following(
        town.holder(NORTH, NORTH), registrar.Change(threshold=2, clients=[(PORT, DOCK)])
    ).body
    signed_on(town, town.holder(NORTH, NORTH).proposal("directory", body), NORTH)
    with pytest.raises(NeedsOthers) as needs:
        town.holder(NORTH, NORTH).say("directory", removed(town, NORTH, DOCK).body)
    assert any(PORT in lack for lack in needs.value.lacks)
    proposal = town.holder(NORTH, NORTH).proposal(
        "directory", removed(town, NORTH, DOCK).body, (NORTH, PORT)
    )
    signed_on(town, proposal, NORTH, PORT)
    [port] = [p for p in town.nodes[NORTH].directory.parties if p.id == PORT]
    assert port.clients == ()
    assert DOCK not in {k.party for k in town.nodes[NORTH].directory.registrars.keys}
    with pytest.raises(UsageError, match="1 registrars would be left, and 2"):
        removed(town, NORTH, PORT)
    assert removed(town, NORTH, PORT, threshold=1).registrars.threshold == 1


def signed_on(town: Town, proposal: Any, *parties: str) -> None:
    """Signed by these, published at North, and everybody has heard."""
    holder = town.holder(NORTH, NORTH)
    wanted = slots(holder.history.ring, proposal.statement)
    for party in parties:
        if town.holder(party, party).root().keyid >= proposal.statement.key:
            proposal = signed_by(proposal, town.holder(party, party).root(), wanted)
    if lacking(proposal, wanted):  # the keys fell so that others must sign too
        for party in (PORT, DOCK):
            root = town.holder(party, party).root()
            if root.keyid >= proposal.statement.key:
                proposal = signed_by(proposal, root, wanted)
    holder.bring(envelope_of(proposal, wanted))
    for party in (PORT, DOCK):
        town.follow(party, NORTH)


def test_two_versions_of_one_number_are_an_alarm_wherever_both_are_met(
    town: Town, tmp_path: Path
) -> None:
    """North signs another version 5 for Port than for Dock; each node follows the other."""
    for party in (PORT, DOCK):
        town.follow(party, NORTH)
    envelopes = []
    for name in ("North for Port", "North for Dock"):
        proposal = change(town, NORTH, name=name)
        wanted = slots(town.nodes[NORTH].keyring, proposal.statement)
        proposal = signed_by(proposal, town.holder(NORTH, NORTH).root(), wanted)
        envelopes.append(envelope_of(proposal, wanted))
    for party, raw in zip((PORT, DOCK), envelopes, strict=True):
        intake.enter(town.nodes[party], raw)
        assert town.nodes[party].alarms() == []
    assert len(town.follow(PORT, DOCK).refused) == 1
    assert len(town.follow(DOCK, PORT).refused) == 1
    for party, (held, other) in ((PORT, envelopes), (DOCK, envelopes[::-1])):
        node = town.nodes[party]
        [alarm] = node.alarms(node.reader(None))
        version = node.directory.version
        assert (alarm.kind, alarm.origin) == ("directory", "")
        assert f"two versions {version} of the directory" in alarm.detail
        assert "tocsin directory rivals" in alarm.remedy
        [row] = Client(town.doors(party)).get("/directory/rivals")["items"]
        assert [b64decode(row[f"{w}_envelope"]) for w in ("held", "other")] == [held, other]
        town.follow(party, DOCK if party == PORT else PORT)
        assert len(node.alarms()) == 1, "once"
    # What enough have not signed is nobody's word: anybody can write it.
    forged = bytearray(envelopes[1])
    at = forged.rindex(b'"sig":"') + 7
    forged[at] = ord("B") if forged[at] != ord("B") else ord("C")
    with pytest.raises(TocsinError):
        intake.enter(town.nodes[PORT], bytes(forged))
    assert len(rivals.rivals(town.nodes[PORT])) == 1
    shutil.copytree(town.homes[PORT], tmp_path / "copy", ignore=shutil.ignore_patterns("lock"))
    rows = {r["check"]: r for r in diagnose(str(tmp_path / "copy"), town.nodes[PORT].clock())}
    assert "two versions" in rows["alarm directory"]["state"]


def test_signatures_that_are_left_over_are_not_published(town: Town) -> None:
    """Anybody could make a second envelope by leaving one out, and the chains would part."""
    from tocsin.record.envelope import open_envelope
    from tocsin.record.proposal import envelope_of, signed_by, slots

    for party in (PORT, DOCK):
        town.follow(party, NORTH)
    proposal = change(town, NORTH, registrars=[PORT, DOCK])
    wanted = slots(town.nodes[NORTH].keyring, proposal.statement)
    for party in (NORTH, PORT, DOCK):
        try:
            proposal = signed_by(proposal, town.holder(party, party).root(), wanted)
        except SignatureError:
            continue  # smaller than the key the payload names
    assert len(open_envelope(envelope_of(proposal, wanted)).signatures) == 1


def test_where_one_registrar_is_not_enough_an_answer_waits_for_the_others(
    town: Town, tmp_path: Path
) -> None:
    from tocsin.record.proposal import envelope_of, signed_by, slots

    town.follow(PORT, NORTH)
    north, port = town.nodes[NORTH], town.nodes[PORT]
    body = registrar.following(
        town.holder(NORTH, NORTH), registrar.Change(registrars=[PORT], threshold=2)
    ).body
    proposal = town.holder(NORTH, NORTH).proposal("directory", body)
    wanted = slots(north.keyring, proposal.statement)
    for party in (NORTH, PORT):
        proposal = signed_by(proposal, town.holder(party, party).root(), wanted)
    town.holder(NORTH, NORTH).bring(envelope_of(proposal, wanted))
    town.follow(PORT, NORTH)

    invited = join.invitation(north, NORTH, "new.example", url="http://north")
    how: dict[str, Any] = {
        "name": "New",
        "heard": fingerprint(north.root),
        "send": True,
        "node": True,
        "doors": lambda _: town.doors(NORTH),
    }
    first = join_by(tmp_path / "new", invited, **how)
    assert not first.done
    assert PORT in " ".join(first.lacking)
    assert north.directory.party("new.example") is None
    [entry] = registrar.joining(town.holder(NORTH, NORTH), ["new.example"])
    proposal = change(town, NORTH, entries=[entry])
    wanted = slots(north.keyring, proposal.statement)
    for party in (NORTH, PORT):
        proposal = signed_by(proposal, town.holder(party, party).root(), wanted)
    town.holder(NORTH, NORTH).bring(envelope_of(proposal, wanted))
    assert join_by(tmp_path / "new", invited, **how).done
    with open_node(tmp_path / "new") as node:
        assert intake.signing_key(node, "new.example") is not None
    assert port.directory.version < north.directory.version


def test_a_party_that_is_no_registrar_hands_its_entry_on(town: Town) -> None:
    from tocsin.wiring.rotation import NeedsRegistrar

    for party in (PORT, DOCK):
        town.follow(party, NORTH)
    with pytest.raises(NeedsRegistrar) as needs:
        rotate_listed(town.holder(PORT, PORT), "witness")
    north = town.holder(NORTH, NORTH)
    north.say(
        "directory", registrar.following(north, registrar.Change(entries=[needs.value.entry])).body
    )
    town.follow(PORT, NORTH)
    done = rotate_listed(town.holder(PORT, PORT), "witness")
    assert done.what == "witness"
    [entry] = town.nodes[PORT].party_entry(PORT).nodes
    from tocsin.wiring.keys import load_witness_signer

    witness = load_witness_signer(town.homes[PORT], PORT)
    assert witness is not None
    assert entry.witness_vkeys == witness.vkeys()


def test_a_root_of_two_keys_signs_keys_and_revocations_together(town: Town, tmp_path: Path) -> None:
    from tocsin.canonical import b64encode
    from tocsin.record.keys import Signer
    from tocsin.record.proposal import envelope_of, signed_by, slots
    from tocsin.wiring.keyholder import NeedsOthers

    second = Signer.from_seed(b"\x07" * 32, NORTH)
    north = town.holder(NORTH, NORTH)
    north.say(
        "directory",
        registrar.following(
            north, registrar.Change(roots=[b64encode(second.public)], root_threshold=2)
        ).body,
    )
    for _ in ("key", "revoke"):
        holder = town.holder(NORTH, NORTH)
        with pytest.raises(NeedsOthers) as needs:
            rotate_signing(holder)
        proposal = needs.value.proposal
        wanted = slots(holder.history.ring, proposal.statement)
        for signer in (second, holder.root()):
            proposal = signed_by(proposal, signer, wanted)
        holder.bring(envelope_of(proposal, wanted))
    done = rotate_signing(town.holder(NORTH, NORTH))
    town.follow(PORT, NORTH)
    assert town.state(PORT, NORTH, done.new) == "valid"
    assert town.state(PORT, NORTH, done.old) == "revoked"


def test_another_node_is_fetched_from_by_hand(town: Town) -> None:
    rotate_signing(town.holder(DOCK, DOCK))
    holder = town.holder(PORT, PORT)
    assert "http://north" in registrar.sources(holder)
    doors: Callable[[str], Door] = lambda url: town.doors(DOCK)  # noqa: E731
    row = registrar.fetch(holder, "http://dock", doors)
    assert row.refused == ()
    assert row.entered >= 3
    assert known(town.nodes[PORT]) == known(town.nodes[DOCK])

    def nobody(url: str) -> Door:
        def door(method: str, path: str, query: Any, body: bytes, headers: Any) -> Reply:
            return Reply(status=200, media_type="text/html", body=msgspec.json.encode({}))

        return door

    assert registrar.fetch(holder, "http://nobody", nobody).failed
    with pytest.raises(TocsinError):
        Keyholder(town.homes[PORT], PORT, Client(nobody("")))


def test_a_new_log_after_an_old_backup_follows_what_the_others_hold(
    town: Town, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(town.homes[NORTH], backup, ignore=shutil.ignore_patterns("lock"))
    rotate_signing(town.holder(NORTH, NORTH))
    town.follow(PORT, NORTH)

    begin_log(backup, NORTH, lambda n: b"\x05" * n, lambda _: None)
    with open_node(backup) as restored:
        town.nodes[NORTH], town.homes[NORTH] = restored, backup
        holder = town.holder(NORTH, NORTH)
        rows = registrar.catch_up(holder, lambda _: town.doors(PORT))
        assert sum(row.entered for row in rows) == 2
        list_log(holder)
        followed = town.follow(PORT, NORTH)
        assert not followed.refused
        assert town.nodes[PORT].party_entry(NORTH).nodes[0].origin == f"{NORTH}/log/2"


def test_a_node_that_runs_follows_the_others_by_itself(town: Town) -> None:
    """Dock is told by Port only, of what happened at North; a source that is down holds up none."""

    class Pages:
        asked: list[tuple[str, int]] = []  # noqa: RUF012

        def directory(self, url: str, after: int = -1) -> Any:
            self.asked.append((url, after))
            party = url.removeprefix("http://").replace("north", NORTH)
            found = Client(town.doors(party)).get("/directory", after=after)
            return msgspec.convert(found, key_flow.Feed)

    rotate_signing(town.holder(NORTH, NORTH))
    towards_north = key_flow.Follower(town.nodes[PORT], lambda: ["http://north"], Pages())
    assert towards_north.round() == 4
    assert towards_north.round() == 0
    assert Pages.asked[-1] == ("http://north", len(key_flow.chain_of_trust(town.nodes[NORTH])) - 1)
    rotate_signing(town.holder(PORT, PORT))

    class Down(Pages):
        def directory(self, url: str, after: int = -1) -> Any:
            if url == "http://north":
                raise UnreachableError("north is down", remedy="wait")
            return super().directory(url, after)

    dock = key_flow.Follower(town.nodes[DOCK], lambda: ["http://north", f"http://{PORT}"], Down())
    assert dock.round() > 0
    assert set(known(town.nodes[DOCK])) == set(known(town.nodes[PORT]))
    assert town.nodes[DOCK].keyring.keys_of(NORTH)[0].reason == "rotated"


def test_a_member_does_not_fill_all_logs_with_keys_of_its_own(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_flow, "A_DAY", 3)
    for n in range(5):
        town.holder(DOCK, DOCK).say("revoke", revoke_body(f"{n:064x}", "noise"))
    rotate_signing(town.holder(NORTH, NORTH))
    town.follow(DOCK, NORTH)

    class Pages:
        def directory(self, url: str, after: int = -1) -> Any:
            return key_flow.feed(town.nodes[DOCK], after)

    port = key_flow.Follower(town.nodes[PORT], lambda: ["http://dock"], Pages())
    port.round()
    dock = [s for s in map(open_statement, known(town.nodes[PORT])) if s[1].author == DOCK]
    assert len(dock) == 3
    keyid = load_signer(town.homes[NORTH], NORTH, "signing").keyid
    assert town.state(PORT, NORTH, keyid) == "valid", "the others' come in as ever"
