"""Laws of the formats around the tree: notes, policies, proofs and tiles from any bytes."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import NoteError, ProofError
from tocsin.record import checkpoint as cp
from tocsin.record import merkle, tiles
from tocsin.record.keys import LogSigner

LOG = LogSigner.from_seeds("cert.northland.example/log", b"\x01" * 32, b"\x02" * 32)
KEYS = [cp.open_vkey(text) for text in LOG.vkeys()]
HEAD = cp.Checkpoint(origin=LOG.name, size=7, root=b"r" * 32)
NOTE = cp.sign_checkpoint(HEAD, LOG, 1_795_334_400)
POLICY = "".join(f"log {text}\n" for text in LOG.vkeys()).encode() + b"quorum none\n"
PROOF = cp.write_proof(3, [b"a" * 32, b"b" * 32], NOTE)

pieces = st.sampled_from(
    [b"\n", b"\n\n", "— ".encode(), b"log ", b"witness a ", b"group g any a", b"quorum none",
     b"index 0", b"extra ", LOG.vkeys()[0].encode(), b"cert.northland.example/log\n", b"7\n",
     b"c2sp.org/tlog-proof@v1\n", b"AAAAAAAA"]
)  # fmt: skip
soup = st.lists(pieces | st.binary(max_size=6), max_size=12).map(b"".join)


@given(soup | st.binary(max_size=60))
def test_any_bytes_are_opened_or_refused_never_worse(data: bytes) -> None:
    with suppress(NoteError):
        cp.open_note(data)
    with suppress(NoteError):
        cp.open_policy(data)
    with suppress(NoteError):
        cp.open_proof(data)
    with suppress(ProofError):
        tiles.open_bundle(data)
    text = data.decode("utf-8", "surrogateescape")
    with suppress(NoteError):
        cp.open_vkey(text)
    with suppress(NoteError):
        cp.open_checkpoint(text)
    with suppress(ProofError):
        tiles.open_path(text)


def test_no_byte_of_a_checkpoint_can_change() -> None:
    policy = cp.open_policy(POLICY)
    for offset in range(len(NOTE)):
        bent = bytearray(NOTE)
        bent[offset] ^= 1 << offset % 8
        with suppress(NoteError):
            # A line whose name or key id changed is an unknown signer's, and does not count.
            assert len(policy.judge(bytes(bent)).lines) < 2


@given(st.integers(0, len(PROOF) - 1), st.integers(1, 255))
def test_a_changed_proof_file_is_another_proof_or_none(offset: int, change: int) -> None:
    bent = bytearray(PROOF)
    bent[offset] ^= change
    with suppress(NoteError):
        assert cp.open_proof(bytes(bent)) != cp.open_proof(PROOF)


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=6),
    st.integers(0, 2**32),
)
def test_a_log_that_grows_in_any_steps_proves_every_leaf(steps: list[int], seed: int) -> None:
    files: dict[str, bytes] = {}
    leaves: list[bytes] = []
    for step in steps:
        new = [merkle.leaf_hash(f"{len(leaves) + n}".encode()) for n in range(step)]
        made = tiles.new_tiles(len(leaves), len(leaves) + step, files.__getitem__, new)
        leaves += new
        for path, data in made:
            assert files.setdefault(path, data) == data
    size = len(leaves)
    index = seed % size
    reader = tiles.HashReader(size, files.__getitem__)
    proof = merkle.inclusion_path(index, size, reader)
    merkle.verify_inclusion(leaves[index], index, size, proof, merkle.root_of(leaves))


@given(st.integers(0, 2**62), st.integers(0, 63), st.integers(1, 256))
def test_tile_paths_are_one_to_one(number: int, level: int, width: int) -> None:
    found = tiles.open_path(tiles.tile_path(level, number, width))
    assert (found.level, found.number, found.width) == (level, number, width)
    found = tiles.open_path(tiles.entries_path(number, width))
    assert (found.level, found.number, found.width) == (None, number, width)
