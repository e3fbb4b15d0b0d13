"""Two readers of one format give one answer: `record/` and the stand-alone `verify.py`, on notes,
verifier keys, policies, log proofs and fork proofs that somebody bent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.test_record_parsers import PARSERS, SEEDS, bent, changed, text
from tests.unit.record.log_case import GrowingLog

from tocsin import canonical
from tocsin.errors import CanonicalError, RecordError
from tocsin.record import checkpoint as cp
from tocsin.record import fork, verify
from tocsin.record.keys import LogSigner

FORK_VECTORS = Path(__file__).parents[1] / "vectors" / "record" / "fork"
SIGNER = LogSigner.from_seeds("cert.northland.example/log", b"\x01" * 32, b"\x02" * 32)
LOG = GrowingLog(SIGNER, both=False).grow(12)
OTHER = LOG.copy(3).grow(9, "other")
FORKS = [
    fork.write_fork(fork.prove_fork(LOG.note(m), OTHER.note(n), OTHER.fork_path(m, n)))
    for m, n in ((5, 5), (4, 11), (5, 12))
]


def forked(data: bytes) -> object:
    return fork.verify_fork(fork.open_fork(data), LOG.keys)


def forked_alone(data: bytes) -> None:
    verify.ForkProof(data).check_signatures([verify.open_vkey(SIGNER.vkeys()[0])])


def checkpoint(data: bytes) -> object:
    return cp.open_checkpoint(cp.open_note(data).text)


def proof_alone(data: bytes) -> object:
    if not data.startswith(verify.PROOF_START):  # by which `verify.py` knows what it is given
        raise verify.Refused("schema", "no proof")
    return verify.open_proof(data)


READERS: dict[str, tuple[Callable[[bytes], object], Callable[[bytes], object], list[bytes]]] = {
    "checkpoint": (checkpoint, verify.open_note, PARSERS["note"][2]),
    "vkey": (PARSERS["vkey"][0], lambda data: verify.open_vkey(text(data)), PARSERS["vkey"][2]),
    "policy": (cp.open_policy, verify.Policy, PARSERS["policy"][2]),
    "proof": (cp.open_proof, proof_alone, PARSERS["proof"][2]),
    "fork proof": (forked, forked_alone, FORKS),
}


def taken(read: Callable[[Any], object], value: Any) -> bool:
    try:
        read(value)
    except (RecordError, CanonicalError, verify.Refused):
        return False
    return True


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=150)
@given(data=st.data())
def test_both_readers_take_or_refuse_the_same_bytes(name: str, data: st.DataObject) -> None:
    ours, alone, valid = READERS[name]
    found = data.draw(st.one_of(bent(valid), bent(valid), st.sampled_from(SEEDS)))
    assert taken(ours, found) == taken(alone, found)


@settings(max_examples=150)
@given(changed([canonical.decode(data) for data in FORKS]))
def test_both_readers_take_or_refuse_the_same_fork_proof(value: Any) -> None:
    try:
        data = canonical.encode(value)
    except CanonicalError:
        return
    assert taken(forked, data) == taken(forked_alone, data)


@pytest.mark.parametrize("path", sorted(FORK_VECTORS.glob("*.txt")), ids=lambda path: path.stem)
def test_the_stand_alone_reader_judges_the_vectors_alike(path: Path) -> None:
    head, _, body = path.read_bytes().partition(b"\n\n")
    case = dict(row.split(": ", 1) for row in head.decode().splitlines())
    keys = [verify.open_vkey(one) for one in case["keys"].split()]
    found = taken(
        lambda data: verify.ForkProof(data).check_signatures(keys), body.removesuffix(b"\n")
    )
    assert found == (case["expect"] == "ok"), case["why"]
