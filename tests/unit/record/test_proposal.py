"""Proposals: one payload, several signatures, as few of them in the end as do."""

from __future__ import annotations

from contextlib import suppress
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import DirectoryError, SignatureError
from tocsin.record.directory import (
    Directory,
    KeyRing,
    NodeEntry,
    Party,
    add_party,
    genesis,
    read_directory,
    registrars_of,
    root_of,
)
from tocsin.record.envelope import open_envelope, sign
from tocsin.record.keys import PublicKey, Signer
from tocsin.record.proposal import (
    Proposal,
    changes,
    envelope_of,
    first_of,
    lacking,
    open_proposal,
    proposal_of,
    signed_by,
    slots,
    write_proposal,
)
from tocsin.record.statement import compose

NAMES = ("a.example", "b.example", "c.example")
SIGNERS = {name: Signer.from_seed(bytes([n + 1]) * 32, name) for n, name in enumerate(NAMES)}
ORDER = sorted(NAMES, key=lambda name: SIGNERS[name].keyid)
"""By keyid: the first may not sign beside a payload that names a later one."""


def entry(name: str, **more: Any) -> Party:
    number = NAMES.index(name)
    return Party(
        id=name,
        name=name,
        root=root_of([PublicKey.of(SIGNERS[name].public)]),
        identity=f"identity--{number:08}-1111-4111-8111-111111111111",
        **more,
    )


def payload(body: dict[str, Any], author: str, key: str, seq: int = 2) -> bytes:
    return compose(
        author=author,
        key=key,
        kind="directory",
        seq=seq,
        prev="" if seq == 1 else "0" * 64,
        time="2026-11-22T08:30:00Z",
        salt="00" * 16,
        tlp="CLEAR",
        body=body,
    )


def ring(threshold: int, names: tuple[str, ...] = NAMES) -> KeyRing:
    holders = [(n, PublicKey.of(SIGNERS[n].public)) for n in names]
    body = genesis(registrars_of(holders, threshold), [entry(n) for n in NAMES])
    signers = [SIGNERS[n] for n in names]
    first = min(s.keyid for s in signers)
    return KeyRing(sign(payload(body, names[0], first, seq=1), signers))


def renamed(directory: Directory) -> dict[str, Any]:
    return add_party(directory, msgspec.structs.replace(entry("b.example"), name="B, renamed"))


def proposed(held: KeyRing, author: str = "a.example", key: str | None = None) -> Proposal:
    body = renamed(held.directory)
    first = first_of(held.directory, read_directory(body), own=SIGNERS[author].keyid)
    return proposal_of(payload(body, author, key or first))


@given(st.binary(max_size=80))
def test_any_bytes_are_a_proposal_or_refused_never_worse(data: bytes) -> None:
    with suppress(DirectoryError):
        open_proposal(data)


@given(st.dictionaries(st.sampled_from(["v", "payload", "signatures"]), st.text() | st.none()))
def test_any_json_is_a_proposal_or_refused_never_worse(value: dict[str, Any]) -> None:
    with suppress(DirectoryError):
        open_proposal(msgspec.json.encode(value))


def test_it_is_read_as_it_was_written() -> None:
    held = ring(2)
    wanted = slots(held, proposed(held).statement)
    one = signed_by(proposed(held), SIGNERS["a.example"], wanted)
    assert open_proposal(write_proposal(one)) == one


def test_two_of_three_are_enough_and_one_is_not() -> None:
    held = ring(2)
    first = SIGNERS[ORDER[0]].keyid
    for pair in combinations(ORDER, 2):
        smallest = SIGNERS[pair[0]].keyid
        asked = proposed(held, key=smallest)
        wanted = slots(held, asked.statement)
        one = signed_by(asked, SIGNERS[pair[0]], wanted)
        with pytest.raises(
            DirectoryError, match="1 of 2 registrars of version 1 signed"
        ) as refused:
            envelope_of(one, wanted)
        assert pair[1] in refused.value.message
        both = signed_by(one, SIGNERS[pair[1]], wanted)
        assert lacking(both, wanted) == []
        envelope = open_envelope(envelope_of(both, wanted))
        assert {s.keyid for s in envelope.signatures} == {SIGNERS[p].keyid for p in pair}
    assert first == min(s.keyid for s in SIGNERS.values())


def test_a_third_signature_is_left_out() -> None:
    held = ring(2)
    asked = proposed(held, key=SIGNERS[ORDER[0]].keyid)
    wanted = slots(held, asked.statement)
    for name in ORDER:
        asked = signed_by(asked, SIGNERS[name], wanted)
    assert len(open_envelope(envelope_of(asked, wanted)).signatures) == 2


def test_the_payloads_own_key_must_sign_and_no_smaller_one_may() -> None:
    held = ring(1)
    asked = proposed(held, key=SIGNERS[ORDER[1]].keyid)
    wanted = slots(held, asked.statement)
    with pytest.raises(SignatureError, match="smallest key that signs"):
        signed_by(asked, SIGNERS[ORDER[0]], wanted)
    other = signed_by(asked, SIGNERS[ORDER[2]], wanted)
    assert ORDER[1] in lacking(other, wanted)[0]


def test_who_is_asked_for_nothing_signs_nothing() -> None:
    held = ring(1, NAMES[:2])
    asked = proposed(held)
    with pytest.raises(SignatureError, match="none of the registrars"):
        signed_by(asked, SIGNERS["c.example"], slots(held, asked.statement))


def test_a_wrong_signature_counts_for_nothing() -> None:
    held = ring(1, NAMES[:1])
    asked = proposed(held)
    wanted = slots(held, asked.statement)
    good = signed_by(asked, SIGNERS["a.example"], wanted)
    [(keyid, sig)] = good.signatures.items()
    bad = msgspec.structs.replace(good, signatures={keyid: "B" + sig[1:]})
    if bad != good:
        assert lacking(bad, wanted)


def test_the_proposers_own_key_is_named_where_the_others_are_larger() -> None:
    held = ring(2)
    after = read_directory(renamed(held.directory))
    named = [first_of(held.directory, after, own=SIGNERS[name].keyid) for name in ORDER]
    # The largest cannot be the smallest of two: the one below it is named.
    assert named == [SIGNERS[ORDER[n]].keyid for n in (0, 1, 1)]
    chosen = first_of(
        held.directory, after, own=SIGNERS[ORDER[2]].keyid, parties=(ORDER[0], ORDER[2])
    )
    assert chosen == SIGNERS[ORDER[0]].keyid
    with pytest.raises(DirectoryError, match="1 of the registrars"):
        first_of(held.directory, after, own="", parties=ORDER[:1])


def test_another_version_than_the_next_is_refused() -> None:
    held = ring(1)
    body = {**renamed(held.directory), "version": 3}
    asked = proposal_of(payload(body, "a.example", SIGNERS[ORDER[0]].keyid))
    with pytest.raises(DirectoryError, match="version 1 is in force"):
        slots(held, asked.statement)


def test_a_reader_sees_what_changes_and_nothing_else() -> None:
    held = ring(1)
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(renamed(held.directory)))
    body["parties"][2]["clients"] = ["a.example"]
    body["registrars"]["threshold"] = 2
    told = changes(held.directory, read_directory(body))
    assert told == [
        "version 1 -> 2",
        "~ registrars: 1 of 3 -> 2 of 3",
        "~ b.example",
        "    name: b.example -> B, renamed",
        "~ c.example",
        "    clients: (none) -> a.example",
    ]


def test_a_reader_sees_which_field_of_a_node_changes() -> None:
    held = ring(1)
    node = NodeEntry(origin="b.example/log", url="https://b.example")
    one = read_directory(add_party(held.directory, entry("b.example", nodes=(node,))))
    moved = msgspec.structs.replace(node, url="https://new.example")
    two = read_directory(add_party(one, entry("b.example", nodes=(moved, NodeEntry(url="x")))))
    assert changes(one, two)[1:] == [
        "~ b.example",
        "    node.url: https://b.example -> https://new.example",
        "    node 2.url: (none) -> x",
    ]
