"""`verify.py` and `tocsin verify` say the same of every input: good, bent, and well-made lies.

Two programs that share no line are asked about one file. Only the words of a problem may differ,
and what the smaller one says it does not check: ML-DSA-44.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.long_runs import slice_of
from tests.unit.record.dossier_case import (
    EAST,
    EAST_LOG,
    LOG,
    NORTH,
    ORIGIN,
    POLICY_TEXT,
    QUORUM_TEXT,
    ROOTS,
    SIGNERS,
    WITNESSES,
    Case,
    note_object,
    sealed_stories,
    usual,
)

from tocsin.canonical import b64decode, b64encode, decode, encode
from tocsin.errors import DossierError, NoteError, TocsinError, UsageError
from tocsin.record import checkpoint as cp
from tocsin.record import dossier, evidence, fork, merkle
from tocsin.record import verify as alone
from tocsin.record.directory import registrars_of, root_of
from tocsin.record.envelope import open_statement, pae, statement_id
from tocsin.record.keys import LogSigner, PublicKey, Signer
from tocsin.record.statement import Seen, key_body, revoke_body

Members = dict[str, bytes]


# --- asking both --------------------------------------------------------------------------------


def _plain(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """What both must say alike: of a problem its code and place, not its words."""
    value = dict(verdict)
    value["problems"] = [(one["code"], one["where"]) for one in verdict["problems"]]
    value["logs"] = [
        {**log, "signatures": [kind.removesuffix(" not checked") for kind in log["signatures"]]}
        for log in verdict["logs"]
    ]
    value["forks"] = [
        {**fork, "detail": "" if fork["origin"] == "" else fork["detail"]}
        for fork in verdict["forks"]
    ]
    return value


def ask(
    files: Sequence[bytes], policy: str, root: bytes | str | None, known: Sequence[bytes] = ()
) -> tuple[dict[str, Any] | None, dict[str, Any] | None, bool]:
    """(what tocsin says, what verify.py says, whether an ML-DSA-44 line decided).

    None: unreadable.
    """
    theirs = ours = None
    only_theirs = False
    try:
        verdict = dossier.verify(
            files,
            cp.open_policy(policy.encode()),
            root,
            known=[dossier.Known(raw=raw) for raw in known],
        ).to_json()
        only_theirs = any("ml-dsa-44 line" in one["detail"] for one in verdict["problems"])
        theirs = _plain(verdict)
    except DossierError:
        pass
    try:
        rows = alone.held_rows(b"".join(raw + b"\n" for raw in known))
        verdict = alone.verdict_on(files, alone.Policy(policy.encode()), root, rows)
        only_theirs = only_theirs or any(
            "with a key checked here" in one["detail"] for one in verdict["problems"]
        )
        ours = _plain(verdict)
    except alone.Unusable:
        pass
    return theirs, ours, only_theirs


def agree(
    files: Sequence[bytes] | bytes,
    policy: str = POLICY_TEXT,
    root: bytes | str | None = "none",
    known: Sequence[bytes] = (),
) -> set[str] | None:
    """The codes that both found; None if both call it unreadable. Fails where they differ."""
    files = [files] if isinstance(files, bytes) else files
    theirs, ours, only_theirs = ask(files, policy, root, known)
    if only_theirs:
        return None
    if theirs != ours and theirs and ours:
        for name in theirs.keys() | ours.keys():
            assert ours.get(name) == theirs.get(name), name
    assert ours == theirs
    return None if ours is None else {code for code, _ in ours["problems"]}


# --- making files of any content ----------------------------------------------------------------


def reframed(members: Members, *, index: bool = True) -> bytes:
    """Members in a frame and under an index that fit: what a careful forger would write."""
    members = dict(members)
    if index:
        held = members.get("INDEX.json", b"{}")
        try:
            said = decode(held)
        except TocsinError:
            said = None
        if isinstance(said, dict):
            said["members"] = {
                name: hashlib.sha256(content).hexdigest()
                for name, content in members.items()
                if name != "INDEX.json"
            }
            said["statements"] = members.get("statements.jsonl", b"").count(b"\n")
            members["INDEX.json"] = encode(said)
    return b"".join(alone.frame(members))


def lines(members: Members, name: str) -> list[bytes]:
    return members.get(name, b"").splitlines(keepends=True)


def lied(case: Case, raws: Sequence[bytes], like: bytes) -> bytes:
    """The dossier `like` of a log that holds these envelopes instead, with proofs that fit.

    Each stands where the one it replaces stood, so that whatever is wrong with it is judged as a
    statement that was really logged.
    """
    twin = Case.__new__(Case)
    twin.__dict__.update(case.__dict__)
    twin.raws = list(raws)
    old = [statement_id(raw) for raw in case.raws]
    members = alone.list_members(like)
    size = cp.open_checkpoint(cp.open_note(members["logs/0/checkpoint"]).text).size
    note = twin.note(size)
    members["logs/0/checkpoint"] = note
    members["logs/0/history.jsonl"] = b""
    proofs = []
    for line in lines(members, "proofs.jsonl"):
        proof = decode(line[:-1])
        index = proof["index"]
        if index < len(raws) and proof["id"] == old[index]:
            proof["id"] = statement_id(raws[index])
        proof["path"] = [b64encode(step) for step in twin.path(index, size)]
        proofs.append(encode(proof) + b"\n")
    members["proofs.jsonl"] = b"".join(proofs)
    for name in ("directory.jsonl", "statements.jsonl"):
        rows = [raws[case.raws.index(row[:-1])] for row in lines(members, name)]
        members[name] = b"".join(row + b"\n" for row in rows)
    return reframed(members)


def resigned(raw: bytes, change: Callable[[dict[str, Any]], None], *signers: Signer) -> bytes:
    """The statement with its payload changed, signed by these keys, whoever they belong to."""
    payload = decode(b64decode(decode(raw)["payload"]))
    change(payload)
    payload["key"] = min(signer.keyid for signer in signers)
    data = encode(payload)
    return envelope(data, {one.keyid: one.sign(pae(data)) for one in signers})


def envelope(payload: bytes, signatures: Mapping[str, bytes]) -> bytes:
    """An envelope around anything."""
    return encode(
        {
            "payload": b64encode(payload),
            "payloadType": "application/vnd.tocsin.statement+json",
            "signatures": [
                {"keyid": keyid, "sig": b64encode(sig)} for keyid, sig in sorted(signatures.items())
            ],
        }
    )


# --- good ones ----------------------------------------------------------------------------------

TIMES = dict(zip(WITNESSES, (1_795_334_400, 1_795_334_500, 1_795_334_600), strict=True))


def body_of(raw: bytes) -> dict[str, Any]:
    return dict(open_statement(raw)[1].body)


@cache
def rich() -> Case:
    """A case with nearly everything: two directory versions, rotation, revocation, all kinds."""
    case = usual()
    case.enter(
        NORTH, "directory", {**body_of(case.root), "version": 2}, signer=ROOTS[NORTH], case=None
    )
    second = Signer.from_seed(b"\x33" * 32, EAST)
    case.enter(EAST, "key", key_body(second.public, ["say", "ack"]), signer=ROOTS[EAST], case=None)
    case.say(EAST, 11, signer=second, tlp="RED", to=[NORTH])
    head = case.head(9)
    seen = Seen(origin=ORIGIN, root=b64encode(head.root), size=9)
    secret = case.say(NORTH, 12, 13, tlp="AMBER+STRICT", to=[EAST], seen=[seen])
    case.say(NORTH, 12, 13, tlp="GREEN", refs=[statement_id(secret)])
    case.enter(EAST, "ack", {"heads": []}, signer=second, refs=[statement_id(secret)], tlp="GREEN")
    case.revoke(EAST, suspect_since="2026-11-01T00:00:00Z")
    case.enter(NORTH, "compare", {"step": "offer"}, to=[EAST], tlp="AMBER")
    case.enter(
        NORTH,
        "cosign",
        {"manifest_sha256": "ab" * 32, "capacity": "author"},
        refs=[statement_id(secret)],
        tlp="RED",
        to=[EAST],
    )
    return case


@cache
def good() -> dict[str, tuple[bytes, str, bytes]]:
    """Name → (dossier, policy, root) of files that verify."""
    small, full = usual(), rich()
    last = len(full.raws)
    gone = hashlib.sha256(note_object(12)).hexdigest()
    found = {
        "usual": (small.dossier(), POLICY_TEXT, small.root),
        "older": (small.dossier(older=[small.note(3), small.note(4)]), POLICY_TEXT, small.root),
        "withheld": (small.dossier(withhold=[4, 5]), POLICY_TEXT, small.root),
        "nothing shown": (small.dossier(withhold=range(3, 8)), POLICY_TEXT, small.root),
        "rich": (full.dossier(without=[gone]), POLICY_TEXT, full.root),
        "quorum": (
            full.dossier(
                note=full.note(witnesses=TIMES),
                older=[
                    full.note(size, {name: time - last + size for name, time in TIMES.items()})
                    for size in (4, 9, 12)
                ],
                withhold=[5],
            ),
            QUORUM_TEXT,
            full.root,
        ),
    }
    open_chain = usual()
    open_chain.say(NORTH, 20, case=None)
    open_chain.say(EAST, 21, case=None)
    found["open chain"] = (open_chain.dossier(case=None), POLICY_TEXT, open_chain.root)
    return found


@pytest.mark.parametrize("name", sorted(good()))
def test_both_verify_what_is_good(name: str) -> None:
    data, policy, root = good()[name]
    assert agree(data, policy, root) == set()
    assert agree(data, policy, "none") == set()
    assert agree(data, policy, None) == {"unanchored"}
    assert agree(data, policy, b"another") == {"directory"}
    assert agree(data, policy, b"") == {"directory"}


def test_both_say_the_same_of_two_files() -> None:
    for first, policy, root in good().values():
        for second, _, _ in good().values():
            agree([first, second], policy, root)


# --- well-made lies -----------------------------------------------------------------------------

EVERYBODY = [*SIGNERS.values(), *ROOTS.values(), Signer.from_seed(b"\x55" * 32, EAST)]


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda payload: payload.update({name: value})


def _drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda payload: payload.pop(name, None) and None


LIES: dict[str, Callable[[dict[str, Any]], None]] = {
    "nothing": lambda payload: None,
    "wrong seq": _set("seq", 7),
    "the same seq": _set("seq", 1),
    "wrong prev": _set("prev", "0" * 64),
    "no prev": _set("prev", ""),
    "looser": _set("tlp", "CLEAR"),
    "stricter": lambda payload: payload.update({"tlp": "RED", "to": [EAST]}),
    "another author": _set("author", EAST),
    "nobody": _set("author", "portco.example"),
    "another case": _set("case", "case--another"),
    "no case": _drop("case"),
    "another kind": _set("kind", "act"),
    "withdraws": lambda payload: payload.update(
        {"kind": "withdraw", "body": {}, "refs": ["1" * 64]}
    ),
    "refers to nothing": _set("refs", []),
    "field unknown": _set("mood", "good"),
    "version": _set("v", 2),
    "true for one": _set("v", True),
    "time": _set("time", "2026-02-30T00:00:00Z"),
    "salt": _set("salt", "x"),
    "body": _set("body", []),
    "large body": _set("body", {"reason": "x" * 17_000}),
    "persons": _set("body", {"persons": ["b", "a"]}),
    "objects": _set("objects", [{"id": "urn:sha256:" + "a" * 64, "sha256": "a" * 64, "type": "a"}]),
    "objects taken away": _drop("objects"),
    "seen": _set("seen", [{"origin": ORIGIN, "root": b64encode(b"r" * 32), "size": 8}]),
    "seen, no root": _set("seen", [{"origin": ORIGIN, "root": "A" * 44, "size": 8}]),
    "seen, bad base64": _set("seen", [{"origin": ORIGIN, "root": "A" * 42 + "B=", "size": 8}]),
    "revokes": lambda payload: (
        payload.update({"kind": "revoke", "tlp": "CLEAR", "seq": 1, "prev": ""}),
        payload.update({"body": revoke_body(SIGNERS[NORTH].keyid, "stolen")}),
        [payload.pop(name, None) for name in ("case", "to", "objects", "refs")],
    )[0],
    "enrols": lambda payload: (
        payload.update({"kind": "key", "tlp": "CLEAR", "seq": 1, "prev": ""}),
        payload.update({"body": key_body(Signer.from_seed(b"\x44" * 32, NORTH).public)}),
        [payload.pop(name, None) for name in ("case", "to", "objects", "refs")],
    )[0],
}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_both_judge_a_statement_that_was_changed_and_signed_again(lie: str) -> None:
    case = usual()
    like = case.dossier()
    for number in range(len(case.raws)):
        for signer in EVERYBODY[:: 1 if number in (0, 4) else 2]:
            raws = list(case.raws)
            raws[number] = resigned(raws[number], LIES[lie], signer)
            agree(lied(case, raws, like), POLICY_TEXT, case.root)


def test_both_judge_signatures_that_are_missing_added_or_of_another_payload() -> None:
    case = usual()
    like = case.dossier()
    for number, raw in enumerate(case.raws):
        payload = b64decode(decode(raw)["payload"])
        mine = {one["keyid"]: b64decode(one["sig"]) for one in decode(raw)["signatures"]}
        stranger = Signer.from_seed(b"\x66" * 32, EAST)
        for signatures in (
            {keyid: bytes(64) for keyid in mine},
            {keyid: sig[:63] for keyid, sig in mine.items()},
            {**mine, stranger.keyid: stranger.sign(pae(payload))},
            {**mine, **{one.keyid: one.sign(pae(payload)) for one in ROOTS.values()}},
            {stranger.keyid: stranger.sign(pae(payload))},
            {},
        ):
            raws = list(case.raws)
            raws[number] = envelope(payload, signatures)
            agree(lied(case, raws, like), POLICY_TEXT, case.root)


def _registrars(threshold: int) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        public = [(party, PublicKey.of(ROOTS[party].public)) for party in (NORTH, EAST)]
        found = registrars_of(public, threshold)
        body["registrars"] = {
            "threshold": threshold,
            "keys": [{"keyid": k.keyid, "party": k.party, "public": k.public} for k in found.keys],
        }

    return change


def _without_east(body: dict[str, Any]) -> None:
    body["parties"] = [party for party in body["parties"] if party["id"] != EAST]


def _new_root_of_east(body: dict[str, Any]) -> None:
    new = root_of([PublicKey.of(Signer.from_seed(b"\x77" * 32, EAST).public)])
    for party in body["parties"]:
        if party["id"] == EAST:
            party["root"] = {
                "threshold": 1,
                "keys": [{"keyid": k.keyid, "public": k.public} for k in new.keys],
            }


DIRECTORIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "the next": lambda body: None,
    "one left out": lambda body: body.update(version=3),
    "the same again": lambda body: body.update(version=1),
    "another version 1": lambda body: body.update(version=1, note="x"),
    "two registrars of two": _registrars(2),
    "two registrars, one enough": _registrars(1),
    "without a party": _without_east,
    "with a party's new root": _new_root_of_east,
    "an everyday key as root": lambda body: body["parties"][0]["root"]["keys"].insert(
        0,
        {
            "keyid": SIGNERS[EAST].keyid,
            "public": b64encode(SIGNERS[EAST].public),
        },
    ),
    "parties unsorted": lambda body: body["parties"].reverse(),
    "a log of another's name": lambda body: body["parties"][0].update(nodes=[{"origin": ORIGIN}]),
    "no vkeys": lambda body: [party.pop("nodes", None) for party in body["parties"]],
    "a threshold never met": lambda body: body["registrars"].update(threshold=2),
}


@pytest.mark.parametrize("name", sorted(DIRECTORIES))
def test_both_follow_the_directory_alike(name: str) -> None:
    for signers in ([NORTH], [EAST], [NORTH, EAST]):
        case = usual()
        body = body_of(case.root)
        # A deep copy that the change may take apart.
        body = decode(encode({**body, "version": 2}))
        DIRECTORIES[name](body)
        place = len(case.raws)
        case.say(EAST, 40)
        case.say(NORTH, 41)
        case.enter(NORTH, "directory", {**body_of(case.root), "version": 2}, signer=ROOTS[NORTH],
                   case=None)  # fmt: skip
        case.say(EAST, 42)
        case.revoke(EAST)
        case.enter(EAST, "key", key_body(Signer.from_seed(b"\x12" * 32, EAST).public),
                   signer=ROOTS[EAST], case=None)  # fmt: skip
        case.say(EAST, 43, signer=Signer.from_seed(b"\x12" * 32, EAST))
        like = case.dossier()
        raws = list(case.raws)
        raws[place + 2] = resigned(
            raws[place + 2], _set("body", body), *(ROOTS[party] for party in signers)
        )
        agree(lied(case, raws, like), POLICY_TEXT, case.root)


def test_both_end_an_older_root_where_the_party_names_the_newer_one() -> None:
    """Keys and revocations that name a directory: held, later, missing, or no version at all."""
    lost = Signer.from_seed(b"\x77" * 32, EAST)
    key = key_body(Signer.from_seed(b"\x12" * 32, EAST).public)
    for named in (None, 1, 2, 3, 4, 2**53 - 1, 0, -1, True, "2", [2]):
        case = usual()
        for version in (2, 3):
            body = decode(encode({**body_of(case.root), "version": version}))
            if version == 2:  # beside the key that stays
                _new_root_of_east(body)
                theirs = next(p for p in body["parties"] if p["id"] == EAST)["root"]["keys"]
                old = {"keyid": ROOTS[EAST].keyid, "public": b64encode(ROOTS[EAST].public)}
                theirs[:] = sorted([*theirs, old], key=lambda one: str(one["keyid"]))
            case.enter(NORTH, "directory", body, signer=ROOTS[NORTH], case=None)
        place = len(case.raws)
        case.enter(EAST, "key", key, signer=ROOTS[EAST], case=None)
        case.enter(EAST, "revoke", {"keyid": SIGNERS[EAST].keyid, "reason": "spite"},
                   signer=lost, case=None)  # fmt: skip
        case.say(EAST, 44, signer=Signer.from_seed(b"\x12" * 32, EAST))
        like = case.dossier()
        for kept in (place, place + 1):
            raws = list(case.raws)
            signer = ROOTS[EAST] if kept == place else lost
            if named is not None:

                def name(payload: dict[str, Any], version: object = named) -> None:
                    payload["body"].update(directory=version)

                raws[kept] = resigned(raws[kept], name, signer)
            agree(lied(case, raws, like), POLICY_TEXT, case.root)


def test_both_know_that_true_is_not_1() -> None:
    """Python holds them equal, and JSON does not."""
    case = usual()
    one = {**body_of(case.root), "version": 2, "x": 1}
    case.enter(NORTH, "directory", one, signer=ROOTS[NORTH], case=None)
    case.enter(NORTH, "directory", {**one, "x": True}, signer=ROOTS[NORTH], case=None)
    assert agree(case.dossier(), POLICY_TEXT, case.root) == {"directory"}
    case = usual()
    body = {"keyid": SIGNERS[NORTH].keyid, "reason": "stolen", "x": 1}
    first = case.enter(NORTH, "revoke", body, signer=ROOTS[NORTH], case=None)
    place = {"seq": 3, "prev": open_statement(first)[1].prev}
    case.enter(NORTH, "revoke", body, signer=ROOTS[NORTH], case=None)
    raws = [
        *case.raws[:-1],
        resigned(
            first, lambda payload: payload.update(body={**body, "x": True}, **place), ROOTS[NORTH]
        ),
    ]
    assert agree(lied(case, raws, case.dossier()), POLICY_TEXT, case.root) == {"chain-fork"}


def test_both_judge_roots_with_thresholds_by_how_many_signed() -> None:
    """Root kinds by one of two root keys, by both, by an ordinary key, by a stranger."""
    pair = [Signer.from_seed(bytes([n]) * 32, EAST) for n in (0x21, 0x22)]
    stranger = Signer.from_seed(b"\x23" * 32, EAST)
    case = usual()
    body = decode(encode(body_of(case.root)))
    for party in body["parties"]:
        if party["id"] == EAST:
            found = root_of([PublicKey.of(one.public) for one in pair], 2)
            party["root"] = {
                "threshold": 2,
                "keys": [{"keyid": k.keyid, "public": k.public} for k in found.keys],
            }
    changed = resigned(case.raws[0], _set("body", body), ROOTS[NORTH])
    for signers in ([pair[0]], pair, [SIGNERS[EAST]], [stranger], [*pair, stranger],
                    [ROOTS[EAST]]):  # fmt: skip
        raws = [changed, *case.raws[1:]]
        raws[2] = resigned(raws[2], lambda payload: None, *signers)
        agree(lied(case, raws, case.dossier()), POLICY_TEXT, changed)


# --- several histories, several logs ------------------------------------------------------------


def _grown(*numbers: int) -> Case:
    case = usual()
    for number in numbers:
        case.say(EAST, number)
    return case


def test_both_find_the_same_forks_between_two_files() -> None:
    found = set()
    for mine in ((), (30,), (30, 31), (30, 31, 32, 33, 34, 35, 36, 37, 38)):
        for other in ((), (40,), (30, 41), (40, 41, 42), (30, 31, 32, 33, 43, 44, 45, 46, 47)):
            a, b = _grown(*mine), _grown(*other)
            files = [a.dossier(older=[a.note(4), a.note(8)][: len(mine)]), b.dossier(withhold=[4])]
            found |= agree(files, POLICY_TEXT, a.root) or set()
            agree(files[::-1], POLICY_TEXT, a.root)
            # A tail that is not shown: some subtrees are in nobody's hand.
            short = b.dossier(drop=range(9, 20))
            agree([files[0], short], POLICY_TEXT, a.root)
    assert "log-fork" in found


def test_both_say_the_same_of_fork_proofs_that_somebody_said() -> None:
    a, b = _grown(30, 31), _grown(40, 41, 42)
    notes = [a.note(9), b.note(10)]
    good_one = fork.write_fork(fork.prove_fork(a.note(9), b.note(9)))
    path = fork.fork_path(b.get, 9, 10)
    longer = fork.write_fork(fork.prove_fork(notes[0], notes[1], path))
    stranger = LogSigner.from_seeds("portco.example/log", b"\x11" * 32, b"\x12" * 32)
    heads = [
        cp.Checkpoint(origin=stranger.name, size=size, root=bytes([size]) * 32) for size in (3, 4)
    ]
    foreign = [cp.sign_checkpoint(head, stranger, 0) for head in heads]
    same = {"kind": "fork-proof", "origin": ORIGIN, "v": 1, "proof": []}
    said = [
        good_one,
        longer,
        longer.replace(b"fork-proof", b"fork-prooF"),
        longer.replace(b'"v":1', b'"v":2'),
        encode({**same, "a": a.note(9).decode(), "b": a.note(9).decode()}),
        encode({**same, "a": a.note(9).decode(), "b": b.note(10).decode()}),
        encode(
            {**same, "origin": stranger.name, "a": foreign[0].decode(), "b": foreign[1].decode()}
        ),
        encode({**same, "a": notes[1].decode(), "b": notes[0].decode()}),
        encode({**decode(longer), "proof": [b64encode(step) for step in path[::-1]]}),
        b"no fork proof",
    ]
    for data in said:
        case = usual()
        digest = hashlib.sha256(data).hexdigest()
        ref = {"id": f"urn:sha256:{digest}", "sha256": digest, "type": fork.MEDIA_TYPE}
        case.say(EAST, 50)
        case.objects[digest] = data
        case.raws[-1] = resigned(case.raws[-1], _set("objects", [ref]), SIGNERS[EAST])
        codes = agree(case.dossier(), POLICY_TEXT, case.root)
        assert codes == ({"log-fork"} if data in (good_one, longer) else set())


def test_both_take_a_log_that_signs_for_nothing_at_all_as_no_history() -> None:
    case, empty = _grown(30), usual()
    head = cp.Checkpoint(origin=ORIGIN, size=0, root=hashlib.sha256(b"").digest())
    members = alone.list_members(empty.dossier())
    members["logs/0/checkpoint"] = cp.sign_checkpoint(head, LOG, 1_795_334_400)
    for files in ([reframed(members)], [case.dossier(), reframed(members)]):
        assert "inclusion" in (agree(files, POLICY_TEXT, case.root) or ())


SECOND = LogSigner.from_seeds(f"{EAST}/log", b"\x31" * 32, b"\x32" * 32)


def second_log(
    case: Case, order: Sequence[int], data: bytes, time: int | None = None, *, more: int = 0
) -> bytes:
    """The dossier with a second log, which holds these entries of the first in this order."""
    members = dict(alone.list_members(data))
    twin = Case.__new__(Case)
    twin.__dict__.update(case.__dict__)
    twin.raws = [case.raws[index] for index in order] + case.raws[:more]
    head = cp.Checkpoint(origin=SECOND.name, size=len(twin.raws), root=merkle.root_of(twin.leaves))
    note = cp.sign_checkpoint(head, SECOND, 1_795_334_400)
    if time is not None:
        witnessed = [
            cp.cosign_ed25519(head, f"{name}/witness", one.public, one.sign, time)
            for name, one in WITNESSES.items()
        ]
        note = cp.add_lines(note, witnessed)
    members["logs/1/checkpoint"] = note
    members["logs/1/history.jsonl"] = b""
    members["proofs.jsonl"] += b"".join(
        encode(
            {
                "id": statement_id(raw),
                "index": index,
                "log": SECOND.name,
                "path": [b64encode(step) for step in twin.path(index, len(twin.raws))],
            }
        )
        + b"\n"
        for index, raw in enumerate(twin.raws[: len(order)])
    )
    said = decode(members["INDEX.json"])
    said["logs"] = [ORIGIN, SECOND.name]
    members["INDEX.json"] = encode(said)
    return reframed(members)


TWO_LOGS = QUORUM_TEXT.replace("witness", f"log {SECOND.vkeys()[0]}\nwitness", 1)


def test_both_judge_a_file_of_two_logs_alike() -> None:
    codes = set()
    for revoked in (False, True):
        case = usual()
        if revoked:
            case.revoke(EAST, "2026-11-22T08:00:00Z")
            case.say(NORTH, 60)
        every = list(range(len(case.raws)))
        for first, second in ((1_795_334_400, 1_795_334_000), (1_795_334_400, 1_795_335_000)):
            data = case.dossier(
                note=case.note(witnesses=dict.fromkeys(WITNESSES, first)),
                older=[case.note(4, dict.fromkeys(WITNESSES, first - 900))],
            )
            for order in (every, every[::-1], [0, 2, 1, *every[:5:-1]]):
                for time in (second, None):
                    two = second_log(case, order, data, time)
                    codes |= agree(two, TWO_LOGS, case.root) or set()
                    agree(two, QUORUM_TEXT, case.root)
                    agree([two, data], TWO_LOGS, case.root)
                    agree([data, second_log(case, order, data, time, more=2)], TWO_LOGS, case.root)
    assert {"quorum", "inclusion", "checkpoint"} & codes


def test_both_judge_by_revocations_that_another_file_or_the_reader_holds() -> None:
    whole = usual()
    cut = whole.dossier(note=whole.note(8))
    later = {
        "plain": whole.revoke(EAST),
        "suspect": usual().revoke(EAST, "2026-11-01T00:00:00Z"),
        "late": usual().revoke(EAST, "2027-11-01T00:00:00Z"),
    }
    other = resigned(later["plain"], lambda payload: None, SIGNERS[EAST])
    nobody = resigned(later["plain"], lambda payload: None, Signer.from_seed(b"\x61" * 32, EAST))
    body = {**body_of(whole.root), "version": 2}
    version = usual().enter(NORTH, "directory", body, signer=ROOTS[NORTH], case=None)
    for known in (
        [later["plain"]], [later["suspect"]], [later["late"]], [other], [nobody], [version],
        [version, later["plain"]], [whole.raws[1]], list(later.values()), [whole.root],
    ):  # fmt: skip
        for policy in (POLICY_TEXT, QUORUM_TEXT):
            agree(cut, policy, whole.root, known)
            agree([cut, whole.dossier()], policy, whole.root, known)
    assert agree(cut, POLICY_TEXT, whole.root, [later["plain"]]) == {"key"}
    for note in (None, whole.note(witnesses=TIMES)):
        agree([cut, whole.dossier(note=note)], QUORUM_TEXT, whole.root)


@pytest.mark.parametrize("name", sorted(sealed_stories()))
def test_both_judge_what_is_sealed_alike(name: str) -> None:
    story = sealed_stories()[name]
    for policy in (POLICY_TEXT, QUORUM_TEXT, TWO_LOGS):
        agree(story.data, policy, story.root)
    assert agree(story.data, POLICY_TEXT, story.root) == set(story.codes)


def test_both_know_a_statement_that_another_log_holds_sealed() -> None:
    """What one file shows and another withholds is one statement, and explains no other gap."""
    case = Case(logs=(LOG, EAST_LOG))
    for number in range(1, 5):
        case.say(EAST, number)
    first, second, third, last = range(len(case.raws) - 4, len(case.raws))
    other = case.replica(EAST_LOG, range(len(case.raws)))
    other.under = {first: EAST, third: EAST}
    shown = case.dossier(drop=[second, third, last])
    both = POLICY_TEXT.replace("quorum", f"log {EAST_LOG.vkeys()[0]}\nquorum")
    for drop, codes in (([], set[str]()), ([second], {"chain-gap"})):
        for files in ([shown, other.dossier(drop=drop)], [other.dossier(drop=drop), shown]):
            assert agree(files, both, case.root) == codes
    other.under[third] = NORTH
    assert agree([shown, other.dossier()], both, case.root) == {"chain-gap"}


def test_both_say_the_same_of_proofs_of_what_is_sealed() -> None:
    """Its author's place proves it, said to be sealed; another author's proves nothing of it."""
    for author, kind, holds in (
        (EAST, "ack", True), (NORTH, "ack", False), (EAST, "revoke", False)
    ):  # fmt: skip
        case = usual()
        body: dict[str, Any] = {"heads": []}
        signer = SIGNERS[EAST]
        if kind == "revoke":
            signer, body = ROOTS[EAST], revoke_body(signer.keyid, "stolen")
        raw = case.enter(EAST, kind, body, signer=signer, sealed=author)
        index, note = len(case.raws) - 1, case.note()
        path = case.path(index, index + 1)
        for extra in (case.entry(index).encode(), statement_id(raw).encode(), b""):
            data = cp.write_proof(index, path, note, extra)
            found = _both_on_proof(data, raw, POLICY_TEXT)
            assert found
            assert found["ok"] == holds
            assert found["sealed"] is (True if found["ok"] else None)
            for with_it in (case.raws[4], raw + b" ", None):
                _both_on_proof(data, with_it, POLICY_TEXT)
        data = cp.write_proof(4, case.path(4, index + 1), note)
        plain = _both_on_proof(data, case.raws[4], POLICY_TEXT)
        assert plain
        assert plain["sealed"] is False


# --- proofs by themselves -----------------------------------------------------------------------


def _both_on_proof(data: bytes, raw: bytes | None, policy: str) -> dict[str, Any] | None:
    theirs = ours = None
    only_theirs = False
    try:
        theirs = evidence.verify_proof(data, raw, cp.open_policy(policy.encode()))
        only_theirs = any("ml-dsa-44 line" in one["detail"] for one in theirs["problems"])
    except (NoteError, UsageError):
        pass
    with suppress(alone.Unusable):
        ours = alone.verdict_on_proof(data, raw, alone.Policy(policy.encode()))
    for one in (theirs, ours):
        if one:
            one["problems"] = [(p["code"], p["where"]) for p in one["problems"]]
            names = one["log"]["signatures"] if one["log"] else []
            names[:] = [name.removesuffix(" not checked") for name in names]
    assert only_theirs or theirs == ours
    return ours


def test_both_say_the_same_of_log_proofs() -> None:
    case = usual()
    note = case.note(witnesses=TIMES)
    raw = case.raws[4]
    id = statement_id(raw).encode()
    plain = cp.write_proof(4, case.path(4, 8), note, id)
    for policy in (POLICY_TEXT, QUORUM_TEXT, TWO_LOGS):
        found = _both_on_proof(plain, raw, policy)
        assert found
        assert found["proved"] == "envelope"
        assert (found["not_after"] is not None) == (policy != POLICY_TEXT)
        for data in (
            plain,
            cp.write_proof(4, case.path(4, 8), note),
            cp.write_proof(4, case.path(4, 8), case.note(), id),
            cp.write_proof(5, case.path(4, 8), note, id),
            cp.write_proof(4, case.path(5, 8), note, id),
            cp.write_proof(4, case.path(4, 8)[:-1], note, id),
            cp.write_proof(4, case.path(4, 8), note, b"no id"),
            cp.write_proof(4, case.path(4, 8), note, id[::-1]),
        ):
            for with_it in (raw, case.raws[5], case.raws[0], raw + b" ", b"", None):
                _both_on_proof(data, with_it, policy)
    # A directory that is none is no statement either.
    bad = resigned(case.raws[0], _set("body", {"version": 1}), ROOTS[NORTH])
    found = _both_on_proof(cp.write_proof(0, case.path(0, 8), note), bad, POLICY_TEXT)
    assert found
    assert ("schema", "envelope") in found["problems"]
    for seed in range(300):
        rng = random.Random(seed)
        _both_on_proof(_bent_bytes(plain, rng), rng.choice((raw, None)), QUORUM_TEXT)


def test_both_say_the_same_of_fork_proofs() -> None:
    a, b = _grown(30, 31), _grown(40, 41, 42)
    good_one = fork.write_fork(fork.prove_fork(a.note(9), b.note(10), fork.fork_path(b.get, 9, 10)))
    policies = (POLICY_TEXT, f"log {SECOND.vkeys()[0]}\nquorum none\n")
    for seed in range(200):
        rng = random.Random(seed)
        data = good_one
        if seed:
            data = _bent_bytes(data, rng)
        if seed > 100:
            data = encode(_bent_json(decode(good_one), rng))
        for policy in policies:
            theirs = evidence.verify_fork_proof(data, cp.open_policy(policy.encode()))
            ours = alone.verdict_on_fork(data, alone.Policy(policy.encode()))
            decided = any(
                "ml-dsa-44 line" in one["detail"] or "ML-DSA-44 only" in one["detail"]
                for one in (*theirs["problems"], *ours["problems"])
            )
            for one in (theirs, ours):
                one["problems"] = [(p["code"], p["where"]) for p in one["problems"]]
            assert decided or theirs == ours, seed
            assert seed or ours["ok"] == (policy == POLICY_TEXT)


# --- seeded mutation ----------------------------------------------------------------------------

_LEAVES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**53 - 1, "", "x", "é", "\x7f", [], {}, "0" * 64, ORIGIN, EAST,
    "AA==", "AB==", [1], {"a": 1}, "GREEN", "key", "2026-11-22T08:30:01Z",
)  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from _places(value[name], (*path, name))
    elif isinstance(value, list):
        for number in range(len(value)):
            yield from _places(value[number], (*path, number))


def _bent_json(value: Any, rng: random.Random) -> Any:
    """The value with one thing in it replaced, dropped, doubled or added."""
    path = rng.choice(list(_places(value)))
    if not path:
        return rng.choice(_LEAVES) if rng.random() < 0.1 else value
    at = value
    for step in path[:-1]:
        at = at[step]
    last, what = path[-1], rng.randrange(5)
    if what == 0:
        del at[last]
    elif what == 1 and isinstance(at, list):
        at.insert(last, at[last])
    elif what == 1 and isinstance(at, dict):
        at[str(last) + "x"] = at[last]
    elif what == 2 and isinstance(at[last], str) and at[last]:
        text = at[last]
        place = rng.randrange(len(text))
        at[last] = text[:place] + rng.choice("0aA+/=-. ") + text[place + 1 :]
    elif what == 3 and type(at[last]) is int:
        at[last] += rng.choice((-1, 1, 100))
    else:
        at[last] = rng.choice(_LEAVES)
    return value


def _bent_bytes(data: bytes, rng: random.Random) -> bytes:
    if not data:
        return b"\n"
    at = rng.randrange(len(data))
    if rng.random() < 0.6:
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    if rng.random() < 0.5:
        return data[:at] + rng.randbytes(rng.randrange(4)) + data[at + rng.randrange(4) :]
    end = min(len(data), at + rng.randrange(1, 200))
    return data[:at] + data[at:end] + data[at:]


def _bent_lines(rows: list[bytes], rng: random.Random) -> list[bytes]:
    if not rows:
        return [b"{}\n"]
    at, to = rng.randrange(len(rows)), rng.randrange(len(rows))
    what = rng.randrange(5)
    if what == 0:
        return [*rows[:at], *rows[at + 1 :]]
    if what == 1:
        return [*rows[:to], rows[at], *rows[to:]]
    if what == 2:
        rows = list(rows)
        rows[at], rows[to] = rows[to], rows[at]
        return rows
    try:
        changed = encode(_bent_json(decode(rows[at].rstrip(b"\n")), rng)) + b"\n"
    except TocsinError:
        changed = _bent_bytes(rows[at], rng)
    return [*rows[:at], changed, *rows[at + 1 :]]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One step away from a dossier, in its bytes, its frame, its members or its lines."""
    what = rng.randrange(10)
    if what == 0:
        return _bent_bytes(data, rng)
    try:
        members = dict(alone.list_members(data))
    except alone.Unusable:
        return _bent_bytes(data, rng)
    name, other = rng.choice(list(members)), rng.choice(list(members))
    if what == 1:
        members[name] = _bent_bytes(members[name], rng)
        return reframed(members, index=rng.random() < 0.8)
    if what == 2:
        members[name], members[other] = members[other], members[name]
    elif what == 3:
        change = rng.choice(("drop", "add", "rename"))
        content = members[name] if change == "add" else members.pop(name)
        if change != "drop":
            members[rng.choice(("x", name + "x", f"objects/{'0' * 64}", "logs/1/checkpoint",
                                "logs/1/history.jsonl"))] = content  # fmt: skip
    elif what == 4 and name.startswith("logs/"):
        text, _, tail = members[name].partition(b"\n\n")
        rows = _bent_lines(tail.splitlines(keepends=True), rng)
        members[name] = text + b"\n\n" + b"".join(rows)
    else:
        name = rng.choice(("directory.jsonl", "statements.jsonl", "proofs.jsonl",
                           "logs/0/history.jsonl", "INDEX.json"))  # fmt: skip
        members[name] = b"".join(_bent_lines(lines(members, name), rng))
    return reframed(members, index=rng.random() < 0.9)


def _mutants(seeds: Sequence[int]) -> None:
    names = sorted(good())
    for seed in seeds:
        rng = random.Random(seed)
        data, policy, root = good()[names[seed % len(names)]]
        files = [mutated(data, rng)]
        for _ in range(rng.randrange(3)):
            files[0] = mutated(files[0], rng)
        if rng.random() < 0.15:
            files.append(data if rng.random() < 0.5 else mutated(data, rng))
        try:
            agree(files, policy, rng.choice((root, root, "none", None)))
        except Exception as wrong:
            raise AssertionError(f"seed {seed}") from wrong


def _liars(seeds: Sequence[int]) -> None:
    """Payloads changed at random, signed again by keys that exist, and really logged."""
    cases = [(usual(), usual().dossier()), (rich(), rich().dossier())]
    for seed in seeds:
        rng = random.Random(seed)
        case, like = cases[seed % len(cases)]
        raws = list(case.raws)
        for _ in range(rng.choice((1, 1, 2))):
            number = rng.randrange(len(raws))
            payload = _bent_json(decode(b64decode(decode(raws[number])["payload"])), rng)
            signers = [rng.choice(EVERYBODY) for _ in range(rng.choice((1, 1, 1, 2)))]
            if rng.random() < 0.5 and isinstance(payload, dict):
                own = [s for s in EVERYBODY if s.keyid == payload.get("key")]
                signers = own or signers
            if isinstance(payload, dict) and rng.random() < 0.9:
                payload["key"] = min(signer.keyid for signer in signers)
            try:
                data = encode(payload)
            except TocsinError:
                continue
            raws[number] = envelope(data, {s.keyid: s.sign(pae(data)) for s in signers})
        try:
            agree(lied(case, raws, like), POLICY_TEXT, rng.choice((raws[0], case.root, "none")))
        except Exception as wrong:
            raise AssertionError(f"seed {seed}") from wrong


@cache
def _talk() -> Case:
    """Two parties who say nine things each, and one key revoked on the way."""
    case = usual()
    for number in range(70, 77):
        case.say(NORTH, number)
        case.say(EAST, number + 10)
        if number == 74:
            case.revoke(EAST, "2026-11-22T08:10:00Z")
    return case


def _views(seeds: Sequence[int]) -> None:
    """One case as several logs hold it, and as several readers are shown it."""
    case = _talk()
    size = len(case.raws)
    for seed in seeds:
        rng = random.Random(seed)
        files = []
        for _ in range(rng.choice((1, 2))):
            hidden = rng.sample(range(3, size), rng.randrange(9))
            gone = rng.sample(range(3, size), rng.choice((0, 0, 1, 3)))
            times = dict.fromkeys(WITNESSES, 1_795_334_400 + rng.randrange(-900, 900))
            note = case.note(witnesses=times)
            # A dropped key statement may leave the log without a directory to write it with.
            data = case.dossier(note=note, withhold=hidden, drop=gone)
            if rng.random() < 0.7:
                shown = set(range(size)) - set(gone)
                order = sorted(shown, key=lambda n: (n > 2, rng.random() if n > 2 else n))
                order = order[: rng.randrange(3, len(order) + 1)]
                data = second_log(case, order, data, rng.choice((None, 1_795_334_000)))
            files.append(data)
        try:
            agree(files, TWO_LOGS, rng.choice((case.root, "none")), rng.choice(([], case.raws[:3])))
        except Exception as wrong:
            raise AssertionError(f"seed {seed}") from wrong


def test_what_several_logs_hold_and_several_readers_are_shown_is_judged_alike() -> None:
    _views(range(40))


def test_mutants_of_good_dossiers_are_judged_alike() -> None:
    _mutants(range(250))


def test_lies_signed_with_real_keys_are_judged_alike() -> None:
    _liars(range(200))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_many_more_of_both() -> None:
    _mutants(slice_of(range(1_000, 4_000)))
    _liars(slice_of(range(1_000, 3_000)))
    _views(slice_of(range(1_000, 1_200)))


@given(st.data())
def test_any_bytes_put_anywhere_are_judged_alike(data: st.DataObject) -> None:
    whole, policy, root = good()[data.draw(st.sampled_from(sorted(good())))]
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    agree(whole[:start] + data.draw(st.binary(max_size=40)) + whole[end:], policy, root)
