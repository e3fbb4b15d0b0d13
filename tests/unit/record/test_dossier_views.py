"""What the reader holds besides, what two files say together, and forks somebody has proven."""

from __future__ import annotations

import hashlib

import pytest
from tests.unit.record.dossier_case import (
    CASE,
    EAST,
    EAST_LOG,
    LOG,
    NORTH,
    ORIGIN,
    POLICY,
    QUORUM,
    ROOTS,
    SIGNERS,
    Case,
    usual,
)

from tocsin import canonical
from tocsin.errors import DossierError, NoteError, UsageError
from tocsin.record import checkpoint as cp
from tocsin.record import evidence, fork
from tocsin.record import members as form
from tocsin.record.dossier import Known, Verdict, verify
from tocsin.record.envelope import sign, statement_id
from tocsin.record.judgement import Placed
from tocsin.record.keys import LogSigner
from tocsin.record.statement import ObjectRef, compose, revoke_body

EARLY, LATE = 1_795_334_000, 1_795_336_000


def states(verdict: Verdict, party: str = EAST) -> set[str | None]:
    return {one.key for one in verdict.statements if one.author == party and one.kind == "say"}


def codes(verdict: Verdict) -> list[str]:
    return sorted({problem.code for problem in verdict.problems})


def cosigned(case: Case, time: int, size: int | None = None) -> bytes:
    return case.note(size, dict.fromkeys(("gridco.example", "portco.example"), time))


def revocation(case: Case, party: str = EAST, since: str | None = None, **body: str) -> bytes:
    """Signed by the party's root, and entered elsewhere."""
    payload = compose(
        author=party,
        key=ROOTS[party].keyid,
        kind="revoke",
        seq=2,
        prev=statement_id(case.raws[2 if party == EAST else 1]),
        time="2026-11-22T08:10:00Z",
        salt="f" * 32,
        tlp="CLEAR",
        body=revoke_body(SIGNERS[party].keyid, "stolen", since),
    )
    return sign(payload, [ROOTS[party]])


# --- revocations the file does not show -------------------------------------------------------


def test_a_revocation_the_reader_holds_makes_suspect_what_no_place_can_settle() -> None:
    case = usual()
    verdict = verify([case.dossier()], POLICY, case.root, known=[Known(raw=revocation(case))])
    assert codes(verdict) == ["key"]
    assert states(verdict) == {"suspect"}
    assert states(verdict, NORTH) == {"valid"}
    assert "which you hold and this file lacks" in verdict.problems[0].detail


def test_a_revocation_cosigned_before_the_statement_ends_the_key_and_one_after_does_not() -> None:
    case = usual()
    data = case.dossier(note=cosigned(case, LATE))
    for cosigned_at, state, found in (
        ("2026-11-22T08:00:00Z", "revoked", ["key"]),
        ("2026-11-22T09:00:00Z", "valid", []),
    ):
        place = Placed(log="cert.southmark.example/log", index=7, cosigned=cosigned_at)
        known = [Known(raw=revocation(case), placed=place)]
        verdict = verify([data], QUORUM, case.root, known=known)
        assert (states(verdict), codes(verdict)) == ({state}, found), cosigned_at


def test_within_one_log_the_place_of_a_known_revocation_decides() -> None:
    case = usual()
    place = Placed(log=ORIGIN, index=6)
    known = [Known(raw=revocation(case), placed=place)]
    verdict = verify([case.dossier()], POLICY, case.root, known=known)
    assert [one.key for one in verdict.statements if one.author == EAST] == [
        "valid",
        "valid",
        "revoked",
    ]
    known = [Known(raw=revocation(case), placed=Placed(log=ORIGIN, index=100))]
    assert verify([case.dossier()], POLICY, case.root, known=known).ok


def test_a_known_revocation_that_the_file_shows_too_changes_nothing() -> None:
    case = usual()
    raw = case.revoke(EAST)
    verdict = verify([case.dossier()], POLICY, case.root, known=[Known(raw=raw)])
    assert verdict.ok
    assert states(verdict) == {"valid"}


def test_a_known_revocation_that_its_party_did_not_sign_is_named_and_changes_nothing() -> None:
    case = usual()
    value = canonical.decode(revocation(case))
    value["signatures"][0]["sig"] = canonical.b64encode(bytes(64))
    verdict = verify(
        [case.dossier()], POLICY, case.root, known=[Known(raw=canonical.encode(value))]
    )
    assert states(verdict) == {"valid"}
    assert [p.where for p in verdict.problems] == ["the directory you hold:1"]


def test_what_is_no_key_statement_is_not_taken_for_one() -> None:
    case = usual()
    with pytest.raises(DossierError, match="is a say"):
        verify([case.dossier()], POLICY, case.root, known=[Known(raw=case.raws[4])])


def test_a_revocation_in_one_of_two_files_counts_in_the_other() -> None:
    # The first dossier was taken before the revocation; the second tells of it.
    case = usual()
    early = case.dossier()
    case.revoke(EAST)
    case.say(EAST, 9)
    late = case.dossier()
    cut = case.dossier(drop=[8])  # the tail of the key chain left out: nobody can see that here
    assert verify([cut], POLICY, case.root).ok
    both = verify([early, cut], POLICY, case.root)
    assert both.ok
    merged = verify([cut, late], POLICY, case.root)
    assert codes(merged) == ["key"]
    assert [one.key for one in merged.statements if one.author == EAST][-1] == "revoked"


# --- two logs -----------------------------------------------------------------------------------


def two_nodes() -> tuple[Case, Case, cp.Policy]:
    """One case on two nodes, whose logs hold it at other places and in another order."""
    case = Case(logs=(LOG, EAST_LOG))
    for number in range(4):
        case.say(NORTH, number)
        case.say(EAST, 10 + number)
    twin = case.replica(EAST_LOG, [0, 1, 2, 4, 6, 8, 10, 3, 5, 7, 9])
    rows = [f"log {text}\n" for text in (*LOG.vkeys(), *EAST_LOG.vkeys())]
    return case, twin, cp.open_policy("".join([*rows, "quorum none\n"]).encode())


def test_dossiers_of_two_nodes_are_merged_though_their_places_differ() -> None:
    case, twin, policy = two_nodes()
    # Northland's first three are withheld in both: only within one log do their places say so.
    for one, two in (([3, 5, 7], [7, 8, 9]), ([3, 5, 7, 4], [7, 8, 9, 3]), ([3, 5], [7, 8])):
        files = [case.dossier(withhold=one), twin.dossier(withhold=two)]
        for order in (files, files[::-1]):
            verdict = verify(order, policy, case.root)
            assert verdict.ok, verdict.problems
            north = next(c for c in verdict.chains if c.author == NORTH and not c.keys)
            assert (north.withheld, north.missing) == (
                list(range(1, 1 + sum(n > 6 for n in two))),
                [],
            )
            assert {log.origin for log in verdict.logs} == {ORIGIN, EAST_LOG.name}


def test_what_both_nodes_leave_out_stays_a_gap() -> None:
    case, twin, policy = two_nodes()
    files = [case.dossier(drop=[3], withhold=[5, 7]), twin.dossier(drop=[7], withhold=[8, 9])]
    verdict = verify(files, policy, case.root)
    assert codes(verdict) == ["chain-gap"]


def test_of_two_logs_that_hold_a_statement_the_one_with_the_revocation_decides() -> None:
    case, twin, policy = two_nodes()
    case.revoke(EAST)
    # The second node has not heard of it; the first holds all that was said below it.
    for files in ([case.dossier(), twin.dossier()], [twin.dossier(), case.dossier()]):
        verdict = verify(files, policy, case.root)
        assert verdict.ok, verdict.problems
        assert states(verdict) == {"valid"}
    # What is in the second log alone, nobody has cosigned: whether before or after is in doubt.
    twin.say(EAST, 30)
    for files in ([case.dossier(), twin.dossier()], [twin.dossier(), case.dossier()]):
        verdict = verify(files, policy, case.root)
        assert verdict.ok, verdict.problems
        assert [one.key for one in verdict.statements if one.author == EAST].count("suspect") == 1


def test_a_revocation_that_reached_one_log_before_the_statement_ends_the_key_in_both() -> None:
    case, twin, policy = two_nodes()
    raw = case.revoke(EAST)
    twin.raws.insert(3, raw)
    for files in ([case.dossier(), twin.dossier()], [twin.dossier(), case.dossier()]):
        verdict = verify(files, policy, case.root)
        assert states(verdict) == {"revoked"}
        assert codes(verdict) == ["key"]


# --- forks --------------------------------------------------------------------------------------


def two_histories(more: int = 0) -> tuple[Case, Case]:
    """One log, two continuations from index 7 on; the second is `more` entries longer."""
    case, other = usual(), usual()
    other.raws.pop()
    other.say(EAST, 99, seq=2, prev=statement_id(other.raws[5]))
    for number in range(more):
        other.say(NORTH, 200 + number)
    return case, other


def test_two_roots_at_one_size_come_with_a_fork_proof_anybody_can_check() -> None:
    case, other = two_histories()
    verdict = verify([case.dossier(), other.dossier()], POLICY, case.root)
    assert codes(verdict) == ["chain-fork", "log-fork"]
    [proven] = [one for one in verdict.forks if "proof" in one]
    written = canonical.encode(proven["proof"])
    a, b = fork.verify_fork(fork.open_fork(written), POLICY.logs)
    assert (a.size, b.size) == (8, 8)
    assert sorted((a.root, b.root)) == sorted((case.head().root, other.head().root))


@pytest.mark.parametrize("more", range(1, 9))
def test_two_histories_of_different_sizes_come_with_a_fork_proof_from_the_paths(more: int) -> None:
    case, other = two_histories(more)
    for files in ([case.dossier(), other.dossier()], [other.dossier(), case.dossier()]):
        verdict = verify(files, POLICY, case.root)
        [proven] = [one for one in verdict.forks if "proof" in one]
        assert proven["sizes"] == [8, 8 + more]
        fork.verify_fork(fork.open_fork(canonical.encode(proven["proof"])), POLICY.logs)


def test_an_older_checkpoint_of_one_file_is_held_against_the_other() -> None:
    # The newest checkpoints have sizes that no path leads between; an older one gives it away.
    case, other = two_histories(5)
    forged = other.dossier(older=[other.note(8)], withhold=[8, 9], drop=[10, 11])
    honest = case.dossier()
    assert any("proof" in one for one in verify([honest, forged], POLICY, case.root).forks)


@pytest.mark.parametrize("size", range(5, 12))
def test_a_log_that_only_grew_is_no_fork(size: int) -> None:
    case = usual()
    for number in range(4):
        case.say(NORTH, 50 + number)
    older = case.dossier(note=case.note(size))
    for files in ([older, case.dossier()], [case.dossier(older=[case.note(6)]), older]):
        verdict = verify(files, POLICY, case.root)
        assert verdict.ok, verdict.problems
        assert verdict.forks == []


def with_evidence(proof: bytes, kind: str = fork.MEDIA_TYPE) -> Case:
    """A case in which somebody has said a fork proof."""
    case = usual()
    digest = hashlib.sha256(proof).hexdigest()
    ref = ObjectRef(id=f"urn:sha256:{digest}", sha256=digest, type=kind)
    case.attach(EAST, ref, proof)
    return case


def forked(log: LogSigner = LOG) -> bytes:
    heads = [cp.Checkpoint(origin=log.name, size=3, root=bytes([n]) * 32) for n in (1, 2)]
    one, two = (cp.sign_checkpoint(head, log, 1) for head in heads)
    return fork.write_fork(fork.prove_fork(one, two))


def test_a_fork_proof_that_somebody_said_is_verified_and_listed() -> None:
    case = with_evidence(forked())
    verdict = verify([case.dossier()], POLICY, case.root)
    assert codes(verdict) == ["log-fork"]
    [found] = verdict.forks
    assert (found["origin"], found["explained"], found["sizes"]) == (ORIGIN, True, [3, 3])
    assert found["statement"] == statement_id(case.raws[8])


def test_a_fork_proof_about_another_log_is_listed_and_fails_nothing() -> None:
    log = LogSigner.from_seeds("portco.example/log", b"\x11" * 32, b"\x12" * 32)
    case = with_evidence(forked(log))
    unknown = verify([case.dossier()], POLICY, case.root)
    assert (unknown.ok, [one["explained"] for one in unknown.forks]) == (True, [False])
    policy = cp.open_policy(
        "".join(f"log {text}\n" for text in (*LOG.vkeys(), *log.vkeys())).encode()
        + b"quorum none\n"
    )
    known = verify([case.dossier()], policy, case.root)
    assert (known.ok, [one["explained"] for one in known.forks]) == (True, [True])


def test_what_only_calls_itself_a_fork_proof_frames_nobody() -> None:
    value = canonical.decode(forked())
    value["a"] = value["a"].replace("\n3\n", "\n4\n")
    case = with_evidence(canonical.encode(value))
    verdict = verify([case.dossier()], POLICY, case.root)
    assert verdict.ok
    [found] = verdict.forks
    assert (found["explained"], found["origin"]) == (False, "")
    case = with_evidence(forked(), "application/json")
    assert verify([case.dossier()], POLICY, case.root).forks == []


# --- one piece of evidence ----------------------------------------------------------------------


def log_proof(
    case: Case, index: int, extra: bytes | None = None, note: bytes | None = None
) -> bytes:
    size = len(case.raws)
    return cp.write_proof(index, case.path(index, size), note or case.note(), extra)


def test_a_tlog_proof_says_whether_it_proved_bytes_or_an_id() -> None:
    case = usual()
    id = statement_id(case.raws[4])
    named = log_proof(case, 4, id.encode())
    alone = evidence.verify_proof(named, None, POLICY)
    assert (alone["ok"], alone["proved"], alone["id"], alone["index"]) == (True, "id", id, 4)
    whole = evidence.verify_proof(named, case.raws[4], POLICY)
    assert (whole["ok"], whole["proved"], whole["author"]) == (True, "envelope", NORTH)
    assert evidence.verify_proof(log_proof(case, 4), case.raws[4], POLICY)["proved"] == "envelope"
    with pytest.raises(UsageError, match="names no statement"):
        evidence.verify_proof(log_proof(case, 4), None, POLICY)
    with pytest.raises(NoteError):
        evidence.verify_proof(b"c2sp.org/tlog-proof@v1\n", None, POLICY)


def test_a_tlog_proof_of_something_else_fails_with_the_reason() -> None:
    case = usual()
    id = statement_id(case.raws[4]).encode()

    def found(data: bytes, envelope: bytes | None = None, policy: cp.Policy = POLICY) -> list[str]:
        verdict = evidence.verify_proof(data, envelope, policy)
        assert verdict["proved"] is None
        assert not verdict["ok"]
        return [problem["code"] for problem in verdict["problems"]]

    assert found(log_proof(case, 5, id)) == ["inclusion"]
    assert found(log_proof(case, 4, id), case.raws[5]) == ["index", "inclusion"]
    assert found(log_proof(case, 4, id), case.raws[4] + b" ")[0] == "schema"
    assert found(log_proof(case, 4, id), policy=QUORUM) == ["quorum"]
    stranger = LogSigner.from_seeds(ORIGIN, b"\x11" * 32, b"\x12" * 32)
    forged = cp.sign_checkpoint(case.head(), stranger, 0)
    assert found(log_proof(case, 4, id, forged)) == ["checkpoint"]


def test_a_tlog_proof_with_a_quorum_tells_until_when_it_was_logged() -> None:
    case = usual()
    data = log_proof(case, 4, statement_id(case.raws[4]).encode(), cosigned(case, EARLY))
    verdict = evidence.verify_proof(data, None, QUORUM)
    assert verdict["not_after"] == "2026-11-22T07:53:20Z"
    assert [one["name"] for one in verdict["log"]["witnesses"]] == [
        "gridco.example",
        "portco.example",
    ]


def test_a_fork_proof_alone_holds_against_a_log_of_the_policy() -> None:
    assert evidence.is_fork(forked())
    verdict = evidence.verify_fork_proof(forked(), POLICY)
    assert (verdict["ok"], verdict["origin"], verdict["sizes"]) == (True, ORIGIN, [3, 3])
    log = LogSigner.from_seeds("portco.example/log", b"\x11" * 32, b"\x12" * 32)
    strange = evidence.verify_fork_proof(forked(log), POLICY)
    assert [problem["code"] for problem in strange["problems"]] == ["log-fork"]
    assert not evidence.verify_fork_proof(forked()[:-9], POLICY)["ok"]


def test_no_other_file_is_taken_for_evidence() -> None:
    case = usual()
    for data in (case.dossier(), case.raws[0], form.README, CASE.encode()):
        assert not evidence.is_proof(data)
        assert not evidence.is_fork(data)
