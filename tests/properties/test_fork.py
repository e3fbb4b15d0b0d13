"""Laws of fork proofs: whoever forks can be shown, and nobody else ever is."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.record.log_case import GrowingLog

from tocsin.errors import ForkError
from tocsin.record import checkpoint as notes
from tocsin.record.fork import (
    ForkProof,
    open_fork,
    prove_fork,
    verify_fork,
    write_fork,
)
from tocsin.record.keys import LogSigner

SIGNER = LogSigner.from_seeds("cert.northland.example/log", b"\x01" * 32, b"\x02" * 32)
HONEST = GrowingLog(SIGNER, both=False).grow(300)
KEYS = HONEST.keys

sizes = st.one_of(st.integers(1, 300), st.sampled_from([1, 2, 4, 8, 64, 128, 255, 256, 257]))
# What somebody who wants to frame a log has at hand: every hash of its tree, and any bytes.
hashes = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.builds(
        lambda level, place: HONEST.get_hash(level, place % (300 >> level)),
        st.integers(0, 8),
        st.integers(0, 299),
    ),
    sizes.map(HONEST.root),
)


@given(sizes, sizes, st.integers(0, 300))
def test_whoever_shows_two_histories_can_be_shown_to(m: int, n: int, shared: int) -> None:
    m, n = min(m, n), max(m, n)
    shared = min(shared, m - 1)
    other = HONEST.copy(shared).grow(n - shared, "other")
    proof = prove_fork(HONEST.note(m), other.note(n), other.fork_path(m, n))
    a, b = verify_fork(open_fork(write_fork(proof)), KEYS)
    assert (a.root, b.root) == (HONEST.root(m), other.root(n))


@given(sizes, sizes, st.lists(hashes, max_size=12), st.data())
def test_no_two_notes_of_one_history_and_no_path_ever_make_a_proof(
    m: int, n: int, made_up: list[bytes], data: st.DataObject
) -> None:
    m, n = min(m, n), max(m, n)
    honest = HONEST.fork_path(m, n)
    mixed = list(honest)
    for _ in range(data.draw(st.integers(0, 3))):
        if mixed:
            mixed[data.draw(st.integers(0, len(mixed) - 1))] = data.draw(hashes)
    for path in (made_up, honest, mixed, HONEST.path(m, n), [], [HONEST.root(m), *honest]):
        for a, b in ((m, n), (n, m)):
            proof = ForkProof(
                origin=HONEST.origin, a=HONEST.note(a), b=HONEST.note(b), proof=tuple(path)
            )
            try:
                verify_fork(proof, KEYS)
            except ForkError:
                continue
            raise AssertionError(f"framed at sizes {a} and {b} by {path}")


FORKED = HONEST.copy(3).grow(20, "other")
PROOFS = [
    write_fork(prove_fork(HONEST.note(m), FORKED.note(n), FORKED.fork_path(m, n)))
    for m, n in ((5, 5), (4, 11), (5, 12))
]


def _same_or_refused(data: bytes, proof: bytes) -> None:
    """Refused, or it proves what the unchanged one does."""
    with suppress(ForkError):
        found, was = open_fork(data), open_fork(proof)
        a, b = verify_fork(found, KEYS)
        assert (a, b) == verify_fork(was, KEYS)
        assert found.proof == was.proof


def test_every_byte_of_a_proof_counts() -> None:
    for proof in PROOFS:
        for offset in range(len(proof)):
            for change in (1, 0x20, 0x80):
                bent = bytearray(proof)
                bent[offset] ^= change
                _same_or_refused(bytes(bent), proof)
            _same_or_refused(proof[:offset] + proof[offset + 1 :], proof)
            _same_or_refused(proof[:offset] + b"A" + proof[offset:], proof)


@settings(max_examples=300)
@given(st.sampled_from(PROOFS), st.integers(0, 10_000), st.integers(0, 40), st.binary(max_size=8))
@example(PROOFS[2], 0, 1, b"{ ")
def test_a_changed_proof_is_refused_or_proves_the_same(
    proof: bytes, start: int, length: int, put: bytes
) -> None:
    start %= len(proof)
    _same_or_refused(proof[:start] + put + proof[start + length :], proof)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(4, 20))
def test_lines_of_strangers_change_nothing(m: int, n: int, size: int) -> None:
    strangers = [
        notes.NoteLine(name=f"s{i}.example", keyid=b"abcd", blob=bytes(i + 1)) for i in range(m)
    ]
    note = notes.add_lines(HONEST.note(size), strangers)
    other = notes.add_lines(FORKED.note(size), strangers[:n])
    verify_fork(open_fork(write_fork(prove_fork(note, other))), KEYS)
