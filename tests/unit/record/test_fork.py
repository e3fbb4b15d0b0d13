"""Fork proofs: what proves that a log signed two histories, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.record.log_case import GrowingLog

from tocsin import canonical
from tocsin.errors import ForkError, ProofError
from tocsin.record import checkpoint as notes
from tocsin.record import fork
from tocsin.record.fork import (
    ForkProof,
    fork_path,
    open_fork,
    prove_fork,
    verify_fork,
    write_fork,
)
from tocsin.record.keys import LogSigner, WitnessSigner
from tocsin.record.tiles import HashReader, new_tiles

VECTORS = Path(__file__).parents[2] / "vectors" / "record" / "fork"
NORTH = LogSigner.from_seeds("cert.northland.example/log", b"\x01" * 32, b"\x02" * 32)
SOUTH = LogSigner.from_seeds("cert.southmark.example/log", b"\x03" * 32, b"\x04" * 32)
WITNESS = WitnessSigner.from_seeds(NORTH.name, b"\x05" * 32, b"\x06" * 32)

TRUE = GrowingLog(NORTH).grow(20)
OTHER = TRUE.copy(3).grow(17, "other")
KEYS = TRUE.keys


def forked(m: int, n: int) -> ForkProof:
    return prove_fork(TRUE.note(m), OTHER.note(n), OTHER.fork_path(m, n))


def reader(log: GrowingLog, size: int) -> HashReader:
    files: dict[str, bytes] = {}
    files.update(new_tiles(0, size, files.__getitem__, log.leaves[:size]))
    return HashReader(size, files.__getitem__)


# --- what is proven ---------------------------------------------------------------------------


@pytest.mark.parametrize("m", range(4, 10))
@pytest.mark.parametrize("n", range(4, 18))
def test_two_histories_of_any_two_sizes_are_proven(m: int, n: int) -> None:
    log, other = (TRUE, OTHER) if m <= n else (OTHER, TRUE)
    small, large = sorted((m, n))
    path = fork_path(reader(other, large), small, large)
    proof = prove_fork(log.note(small), other.note(large), path)
    assert verify_fork(proof, KEYS) == (log.head(small), other.head(large))
    assert open_fork(write_fork(proof)) == proof
    swapped = prove_fork(other.note(large), log.note(small), path)
    assert verify_fork(swapped, KEYS) == (log.head(small), other.head(large)) or small == large


def test_the_first_subtree_is_always_in_the_path() -> None:
    for m in range(1, 20):
        for n in range(m, 21):
            path = TRUE.fork_path(m, n)
            given = TRUE.path(m, n)
            power = m & (m - 1) == 0 and m != n
            assert path == ([TRUE.root(m), *given] if power else given)


def test_the_proof_of_a_witness_request_serves_unless_its_old_size_is_a_power_of_two() -> None:
    for m in (5, 6, 7, 9):
        verify_fork(prove_fork(TRUE.note(m), OTHER.note(12), OTHER.path(m, 12)), KEYS)
    for m in (4, 8):
        with pytest.raises(ForkError):
            prove_fork(TRUE.note(m), OTHER.note(12), OTHER.path(m, 12))


def test_a_path_is_only_made_for_sizes_in_order() -> None:
    for m, n in ((5, 4), (0, 4), (0, 0)):
        with pytest.raises(ProofError):
            fork_path(TRUE.get_hash, m, n)
    assert fork_path(TRUE.get_hash, 4, 4) == []


# --- what is not ------------------------------------------------------------------------------


def test_one_history_is_no_fork_at_any_sizes() -> None:
    for m in range(1, 20):
        for n in range(m, 21):
            with pytest.raises(ForkError, match="one history"):
                prove_fork(TRUE.note(m), TRUE.note(n), TRUE.fork_path(m, n))


def test_a_path_counts_only_if_it_leads_to_the_larger_root() -> None:
    good = forked(5, 12)
    for path in (
        [bytes(32), *good.proof[1:]],
        good.proof[:-1],
        (*good.proof, bytes(32)),
        (),
        TRUE.fork_path(5, 12),
        [b"short"] * len(good.proof),
    ):
        with pytest.raises(ForkError):
            prove_fork(good.a, good.b, path)
    with pytest.raises(ForkError, match="yet the path has 1"):
        prove_fork(TRUE.note(5), OTHER.note(5), [bytes(32)])


def test_both_notes_must_be_signed_by_the_log_itself() -> None:
    proof = forked(5, 12)
    a = notes.open_note(proof.a)
    b = notes.open_note(proof.b)
    impostor = GrowingLog(LogSigner.from_seeds(NORTH.name, b"\x07" * 32, b"\x08" * 32)).grow(5, "x")
    for wrong in (
        ForkProof(origin=proof.origin, a=impostor.note(5), b=proof.b, proof=proof.proof),
        ForkProof(
            origin=proof.origin,
            a=notes.write_note(a.text, b.lines),
            b=proof.b,
            proof=proof.proof,
        ),
        ForkProof(
            origin=proof.origin,
            a=proof.a,
            b=notes.write_note(b.text, a.lines),
            proof=proof.proof,
        ),
    ):
        with pytest.raises(ForkError, match=r"note [ab]: "):
            verify_fork(wrong, KEYS)
    with pytest.raises(ForkError, match="no line of a key we know"):
        verify_fork(proof, [])


def test_a_cosignature_or_a_key_of_another_name_makes_no_fork() -> None:
    head = TRUE.head(5)
    cosigned = notes.write_note(
        head.text,
        [notes.cosign_ed25519(head, NORTH.name, WITNESS.public, WITNESS.sign_ed25519, 1)],
    )
    proof = ForkProof(
        origin=NORTH.name, a=cosigned, b=OTHER.note(12), proof=tuple(OTHER.fork_path(5, 12))
    )
    cosigner = [notes.open_vkey(text) for text in WITNESS.vkeys()]
    with pytest.raises(ForkError, match="no line of a key we know"):
        verify_fork(proof, [*KEYS, cosigner[0]])
    assert fork.log_keys(NORTH.name, [*KEYS, cosigner[0]]) == KEYS
    assert fork.log_keys(SOUTH.name, KEYS) == []


def test_checkpoints_of_two_logs_prove_nothing() -> None:
    south = GrowingLog(SOUTH).grow(5, "south")
    with pytest.raises(ForkError, match="in a fork proof about"):
        prove_fork(TRUE.note(5), south.note(5))
    with pytest.raises(ForkError, match="in a fork proof about"):
        verify_fork(ForkProof(origin=SOUTH.name, a=TRUE.note(5), b=OTHER.note(5)), KEYS)


def test_size_0_is_in_no_fork_proof() -> None:
    wrong = TRUE.sign(notes.Checkpoint(origin=NORTH.name, size=0, root=bytes(32)))
    with pytest.raises(ForkError, match="no size 0"):
        prove_fork(TRUE.copy(0).note(0), wrong)
    with pytest.raises(ForkError, match="no size 0"):
        prove_fork(wrong, TRUE.note(5), TRUE.fork_path(5, 6))


def test_the_smaller_note_stands_first() -> None:
    good = forked(5, 12)
    with pytest.raises(ForkError, match="smaller one first"):
        verify_fork(ForkProof(origin=good.origin, a=good.b, b=good.a, proof=good.proof), KEYS)


# --- the file ---------------------------------------------------------------------------------


def test_a_file_has_exactly_the_fields_of_the_format() -> None:
    value = canonical.decode(write_fork(forked(5, 12)))
    assert list(value) == ["a", "b", "kind", "origin", "proof", "v"]
    changes: list[dict[str, object]] = [
        {"v": 2}, {"v": True}, {"v": "1"}, {"kind": "proof"}, {"kind": 1}, {"origin": SOUTH.name},
        {"origin": None}, {"a": 5}, {"b": None}, {"a": value["b"]}, {"proof": []},
        {"proof": "x"}, {"proof": [1]}, {"proof": ["AA=="]}, {"proof": ["?"]},
        {"proof": value["proof"][:-1]}, {"proof": value["proof"] * 20}, {"more": 1},
        {"a": value["a"][:-1]}, {"a": ""}, {"proof": {}},
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(ForkError):
            open_fork(canonical.encode(value | change))
    for name in value:
        with pytest.raises(ForkError):
            open_fork(canonical.encode({k: v for k, v in value.items() if k != name}))
    equal = canonical.decode(write_fork(forked(5, 5)))
    no_lists: list[object] = [{}, "", None, 0]
    for no_list in no_lists:
        with pytest.raises(ForkError, match="no list of hashes"):
            open_fork(canonical.encode(equal | {"proof": no_list}))
    for junk in (b"", b"[]", b"null", b'"a"', b"{}", b" " + write_fork(forked(5, 12))):
        with pytest.raises(ForkError):
            open_fork(junk)
    with pytest.raises(ForkError, match="are taken"):
        open_fork(b" " * (fork.MAX_FORK_BYTES + 1))


def test_what_would_not_open_again_is_not_written() -> None:
    good = forked(5, 12)
    for wrong in (
        ForkProof(origin=good.origin, a=b"\xff", b=good.b, proof=good.proof),
        ForkProof(origin=good.origin, a=good.a, b=good.b, proof=good.proof[1:]),
        ForkProof(origin="", a=good.a, b=good.b, proof=good.proof),
        ForkProof(origin="\ud800", a=good.a, b=good.b, proof=good.proof),
    ):
        with pytest.raises(ForkError):
            write_fork(wrong)


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_vector_is_judged_as_it_expects(path: Path) -> None:
    head, _, body = path.read_bytes().partition(b"\n\n")
    case = dict(row.split(": ", 1) for row in head.decode().splitlines())
    keys = [notes.open_vkey(text) for text in case["keys"].split()]
    try:
        verify_fork(open_fork(body.removesuffix(b"\n")), keys)
        found = "ok"
    except ForkError:
        found = "ForkError"
    assert found == case["expect"], case["why"]


def test_there_are_vectors() -> None:
    assert len(list(VECTORS.glob("*.txt"))) >= 15
