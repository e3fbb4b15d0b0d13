"""One law for every parser of the record: any bytes are opened, or refused with a typed error.

Random bytes seldom get past the first line of a parser. So most examples here are valid ones, bent:
pieces cut, doubled, moved between formats, and JSON with one value changed for an odd one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.record import dossier_case, test_seal
from tests.unit.record.log_case import GrowingLog

from tocsin import canonical
from tocsin.errors import (
    CanonicalError,
    DirectoryError,
    ForkError,
    NoteError,
    ProofError,
    RecordError,
    SealError,
    SignatureError,
    StatementError,
    WitnessRefused,
)
from tocsin.record import checkpoint as cp
from tocsin.record import directory, fork, hpke, proposal, seal, tiles, witness
from tocsin.record.envelope import open_envelope, open_statement
from tocsin.record.keys import LogSigner, WitnessSigner
from tocsin.record.statement import parse

SIGNER = LogSigner.from_seeds("cert.northland.example/log", b"\x01" * 32, b"\x02" * 32)
WITNESS = WitnessSigner.from_seeds("gridco.example/witness", b"\x05" * 32, b"\x06" * 32)
WITNESS_KEYS = [cp.open_vkey(text) for text in WITNESS.vkeys()]
LOG = GrowingLog(SIGNER).grow(12)
OTHER = LOG.copy(3).grow(9, "other")
HEAD = LOG.head()
COSIGNED = cp.add_lines(
    LOG.note(), [cp.cosign_ed25519(HEAD, WITNESS.name, WITNESS.public, WITNESS.sign_ed25519, 7)]
)
ANSWER = COSIGNED[len(LOG.note()) :]
CASE = dossier_case.usual()
ENVELOPES = CASE.raws[:8]
DIRECTORY = canonical.decode(open_envelope(ENVELOPES[0]).payload)
PROOF = cp.write_proof(3, LOG.path(5), COSIGNED)
FORKS = [
    fork.write_fork(fork.prove_fork(LOG.note(m), OTHER.note(n), OTHER.fork_path(m, n)))
    for m, n in ((5, 5), (4, 11), (5, 12))
]
POLICY = dossier_case.QUORUM_TEXT.encode()
PROPOSAL = proposal.write_proposal(proposal.proposal_of(open_envelope(ENVELOPES[0]).payload))
EAST = dossier_case.EAST


def text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


Open = Callable[[bytes], object]
Refusal = type[Exception] | tuple[type[Exception], ...]
STATEMENT = (StatementError, DirectoryError)
PARSERS: dict[str, tuple[Open, Refusal, list[bytes]]] = {
    "note": (cp.open_note, NoteError, [LOG.note(), COSIGNED]),
    "checkpoint": (
        lambda data: cp.open_checkpoint(text(data)),
        NoteError,
        [HEAD.text.encode(), LOG.head(3).text.encode()],
    ),
    "vkey": (
        lambda data: cp.open_vkey(text(data)),
        NoteError,
        [key.encode() for key in (*SIGNER.vkeys(), *WITNESS.vkeys())],
    ),
    "policy": (cp.open_policy, NoteError, [POLICY, dossier_case.POLICY_TEXT.encode()]),
    "proof": (cp.open_proof, NoteError, [PROOF, cp.write_proof(0, [], LOG.note(), b"extra")]),
    "witness request": (
        witness.open_request,
        WitnessRefused,
        [witness.write_request(old, LOG.path(old), LOG.note()) for old in (0, 5, 8, 12)],
    ),
    "witness answer": (
        lambda data: witness.open_answer(LOG.note(), data, WITNESS_KEYS),
        NoteError,
        [ANSWER, ANSWER * 2],
    ),
    "witness size": (witness.open_size, NoteError, [b"0\n", b"20852163\n"]),
    "fork proof": (fork.open_fork, ForkError, FORKS),
    "tile path": (
        lambda data: tiles.open_path(text(data)),
        ProofError,
        [b"tile/0/x001/x234/067", b"tile/entries/000.p/255", b"tile/63/999", b"tile/1/000.p/1"],
    ),
    "bundle": (tiles.open_bundle, ProofError, [tiles.write_bundle([b"\x01" + bytes(32)] * 5)]),
    "envelope": (open_envelope, StatementError, ENVELOPES),
    "statement": (open_statement, STATEMENT, ENVELOPES),
    "payload": (parse, STATEMENT, [open_envelope(raw).payload for raw in ENVELOPES]),
    "root file": (directory.open_root, RecordError, ENVELOPES[:2]),
    "sealed": (seal.open_sealed, StatementError, [test_seal.SEALED]),
    "unsealed": (
        lambda data: seal.unseal(data, EAST, test_seal.KEYS[EAST]),
        (StatementError, SealError),
        [test_seal.SEALED],
    ),
    "proposal": (proposal.open_proposal, DirectoryError, [PROPOSAL]),
    "HPKE key": (hpke.open_public, SignatureError, [test_seal.KEYS[EAST].public]),
}
SEEDS = [data for _, _, valid in PARSERS.values() for data in valid]
TOKENS = [
    b"\n", b"\n\n", b" ", b"\r\n", b"\x00", b"\xff", b"\xc3\xa9", "— ".encode(), b"old ", b"+",
    b"-", b"0", b"18446744073709551616", b"=", b"==", b"{", b"}", b"[", b"]", b'"', b",", b":",
    b"null", b"1e9", b"\\u0000", b"\\ud800", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8",
    b".p/", b"x000/",
]  # fmt: skip
pieces = st.one_of(
    st.sampled_from(TOKENS),
    st.binary(max_size=8),
    st.builds(
        lambda data, at, length: data[at % (len(data) or 1) :][:length],
        st.sampled_from(SEEDS),
        st.integers(0, 20_000),
        st.integers(0, 200),
    ),
)


@st.composite
def bent(draw: st.DrawFn, valid: list[bytes]) -> bytes:
    """A valid file with up to four pieces of it cut, doubled or put in."""
    data = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(1, 4))):
        # Half of the places are near the head, where a format's own lines are.
        at = draw(st.one_of(st.integers(0, 120), st.integers(0, len(data)))) % (len(data) + 1)
        cut = draw(st.sampled_from([0, 0, 1, 1, 2, 4, 44, 45, 10**6]))
        how = draw(st.integers(0, 2))
        put = draw(pieces) if how else data[at : at + cut]
        data = data[:at] + put + data[at if how == 2 else at + (cut if how else 0) :]
    return data


@pytest.mark.parametrize("name", PARSERS)
def test_valid_bytes_are_opened(name: str) -> None:
    opened, _, valid = PARSERS[name]
    for data in valid[:1]:
        opened(data)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=80)
@given(data=st.data())
def test_any_bytes_are_opened_or_refused_never_worse(name: str, data: st.DataObject) -> None:
    opened, refusal, valid = PARSERS[name]
    found = data.draw(
        st.one_of(bent(valid), bent(valid), st.binary(max_size=60), st.sampled_from(SEEDS))
    )
    with suppress(*(refusal if isinstance(refusal, tuple) else (refusal,))):
        opened(found)


# --- JSON -------------------------------------------------------------------------------------

odd: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [None, True, False, 0, 1, -1, 2**53 - 1, -(2**53) + 1, "", " ", "\x00", "\n", "é", "\u2028",
         "\U0001f4a5", "a" * 300, "0" * 64, "ab" * 32, "AA==", "AB==", "A" * 5000, [], {}, [[]],
         [{}], [None], ["", ""], {"": ""}, "2026-11-22T08:30:00Z", "2026-02-30T25:61:61Z",
         "cert.northland.example", "directory", "identity--00000000-0000-4000-8000-000000000000"]
    ),
    st.text(max_size=12),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
        max_leaves=5,
    ),
)  # fmt: skip


@st.composite
def changed(draw: st.DrawFn, values: list[Any]) -> Any:
    """A JSON value in which up to three places hold something else, nothing, or a neighbour."""
    value = copy.deepcopy(draw(st.sampled_from(values)))
    for _ in range(draw(st.integers(1, 3))):
        where: Any = value
        while isinstance(where, (dict, list)) and where:
            key = draw(
                st.sampled_from(sorted(where) if isinstance(where, dict) else range(len(where)))
            )
            inner = where[key]
            if not isinstance(inner, (dict, list)) or not inner or draw(st.integers(0, 2)) == 0:
                change = draw(st.integers(0, 5))
                if change == 0:
                    del where[key]
                elif change == 1 and isinstance(where, list):
                    where.append(copy.deepcopy(inner))
                elif change == 2 and isinstance(where, dict):
                    where[draw(st.sampled_from(["extra", "v", "kind", "case", "to"]))] = inner
                else:
                    where[key] = copy.deepcopy(draw(odd))
                break
            where = inner
    return value


def envelope_of(payload: Any) -> bytes:
    value = canonical.decode(ENVELOPES[0])
    return canonical.encode(value | {"payload": canonical.b64encode(canonical.encode(payload))})


def sealed_of(payload: Any) -> bytes:
    value = canonical.decode(test_seal.SEALED)
    return canonical.encode(value | {"payload": canonical.b64encode(canonical.encode(payload))})


JSON: dict[str, tuple[Callable[[Any], object], Refusal, list[Any]]] = {
    "fork proof": (
        lambda value: fork.open_fork(canonical.encode(value)),
        ForkError,
        [canonical.decode(data) for data in FORKS],
    ),
    "payload": (
        lambda value: parse(canonical.encode(value)),
        STATEMENT,
        [canonical.decode(open_envelope(raw).payload) for raw in ENVELOPES],
    ),
    "envelope": (
        lambda value: open_envelope(canonical.encode(value)),
        StatementError,
        [canonical.decode(raw) for raw in ENVELOPES],
    ),
    "statement": (lambda value: open_statement(envelope_of(value)), STATEMENT, [DIRECTORY]),
    "root file": (lambda value: directory.open_root(envelope_of(value)), RecordError, [DIRECTORY]),
    "directory": (
        lambda value: directory.read_directory(value if isinstance(value, dict) else {}),
        DirectoryError,
        [DIRECTORY["body"]],
    ),
    "sealed": (
        lambda value: seal.unseal(sealed_of(value), EAST, test_seal.KEYS[EAST]),
        (StatementError, SealError),
        [canonical.decode(open_envelope(test_seal.SEALED, seal.PAYLOAD_TYPE).payload)],
    ),
    "proposal": (
        lambda value: proposal.open_proposal(msgspec.json.encode(value)),
        DirectoryError,
        [msgspec.json.decode(PROPOSAL)],
    ),
    "party": (directory.read_party, DirectoryError, DIRECTORY["body"]["parties"]),
}


@pytest.mark.parametrize("name", JSON)
@settings(max_examples=120)
@given(data=st.data())
def test_any_json_is_opened_or_refused_never_worse(name: str, data: st.DataObject) -> None:
    opened, refusal, valid = JSON[name]
    value = data.draw(changed(valid))
    # What canonical JSON cannot write cannot come in either.
    with suppress(CanonicalError, *(refusal if isinstance(refusal, tuple) else (refusal,))):
        opened(value)
