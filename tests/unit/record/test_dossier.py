"""The dossier's form, and what the verdict says of honest and of altered ones."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from collections.abc import Callable

import msgspec
import pytest
from tests.unit.record.dossier_case import (
    CASE,
    EAST,
    NORTH,
    ORIGIN,
    POLICY,
    POLICY_TEXT,
    QUORUM,
    QUORUM_TEXT,
    ROOTS,
    SIGNERS,
    Case,
    note_object,
    sealed_stories,
    usual,
)

from tocsin import canonical
from tocsin.errors import DossierError, StatementError
from tocsin.record import checkpoint as cp
from tocsin.record import members as form
from tocsin.record.directory import add_party, read_directory, root_of
from tocsin.record.dossier import ChainVerdict, Verdict, open_dossier, verify
from tocsin.record.envelope import open_statement, statement_id
from tocsin.record.keys import LogSigner, PublicKey, Signer
from tocsin.record.statement import Seen, key_body

Change = Callable[[dict[str, bytes]], None]


def _codes(verdict: Verdict) -> set[str]:
    return {problem.code for problem in verdict.problems}


def _said(verdict: Verdict) -> list[ChainVerdict]:
    """The chains of the case, without those of the keys."""
    return [chain for chain in verdict.chains if not chain.keys]


def _reframed(data: bytes, change: Change, *, index: bool = True) -> bytes:
    """The dossier with its members changed, and a frame and index that fit again."""
    members = form._members(data)
    change(members)
    if index and "INDEX.json" in members:
        said = canonical.decode(members["INDEX.json"])
        said["members"] = {
            name: hashlib.sha256(content).hexdigest()
            for name, content in members.items()
            if name != "INDEX.json"
        }
        said["statements"] = members.get("statements.jsonl", b"").count(b"\n")
        members["INDEX.json"] = canonical.encode(said)
    return b"".join(form._frame(members))


def _check(data: bytes, case: Case, policy: cp.Policy = POLICY) -> Verdict:
    return verify([data], policy, case.root)


# --- the form ---------------------------------------------------------------------------------


def test_any_zip_tool_opens_a_dossier_and_the_bytes_are_the_same_each_time() -> None:
    case = usual()
    note = case.note()
    data = case.dossier(note=note)
    assert data == case.dossier(note=note)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(archive.namelist())
        for info in archive.infolist():
            assert (info.compress_type, info.date_time) == (0, (1980, 1, 1, 0, 0, 0))
            assert (info.extra, info.comment, info.flag_bits) == (b"", b"", 0)
        index = canonical.decode(archive.read("INDEX.json"))
        assert (index["case"], index["logs"], index["statements"]) == (CASE, [ORIGIN], 5)
        assert archive.read("README.txt") == form.README
        assert archive.read("logs/0/history.jsonl") == b""


def test_a_dossier_opens_as_what_was_put_in() -> None:
    case = usual()
    dossier = open_dossier(case.dossier(withhold=[5]))
    assert dossier.case == CASE
    assert dossier.root == case.root
    assert [row.raw for row in dossier.directory] == case.raws[:3]
    assert [row.index for row in dossier.statements] == [3, 4, 6, 7]
    assert [(one.index, one.id) for one in dossier.withheld] == [(5, statement_id(case.raws[5]))]
    assert sorted(dossier.objects.values()) == [note_object(n) for n in (1, 2, 4)]


def test_more_members_than_a_plain_zip_lists_are_framed_and_found() -> None:
    members = {f"objects/{n:064x}": b"" for n in range(65_535)} | {"INDEX.json": b"{}"}
    data = b"".join(form._frame(members))
    assert form._members(data) == members
    form._check_frame(data, members)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert len(archive.namelist()) == 65_536


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"no zip at all " * 9, b"PK\x03\x04" + bytes(40), b"<!doctype html>"]
)
def test_what_is_no_zip_is_unreadable(data: bytes) -> None:
    with pytest.raises(DossierError):
        open_dossier(data)
    with pytest.raises(DossierError):
        verify([data], POLICY, "none")


def test_a_zip_by_another_tool_is_refused_and_still_looked_at() -> None:
    case = usual()
    with zipfile.ZipFile(io.BytesIO(case.dossier())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    stored, deflated = io.BytesIO(), io.BytesIO()
    for target, compression in ((stored, zipfile.ZIP_STORED), (deflated, zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(target, "w", compression) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        with pytest.raises(DossierError):
            open_dossier(target.getvalue())
    verdict = _check(stored.getvalue(), case)
    assert _codes(verdict) == {"framing"}
    assert all(one.signature for one in verdict.statements)
    with pytest.raises(DossierError, match="compressed"):
        _check(deflated.getvalue(), case)


def test_bytes_before_between_or_after_the_members_are_refused() -> None:
    case = usual()
    data = case.dossier()
    for bad in (data + b"\0", b"\0" + data, data[:30] + b"\0" + data[30:], data[:-1]):
        with pytest.raises(DossierError):
            open_dossier(bad)


def test_a_dossier_without_a_statement_to_show_bears_no_case() -> None:
    case = usual()
    data = case.dossier(withhold=range(3, 8))
    verdict = _check(data, case)
    assert verdict.ok
    assert verdict.case is None
    assert [one.kind for one in verdict.statements] == ["directory", "key", "key", *[None] * 5]


def test_a_log_whose_keys_the_directory_does_not_list_gives_no_dossier() -> None:
    with pytest.raises(DossierError, match="lists no key"):
        Case(vkeys=False).dossier()


# --- honest ones ------------------------------------------------------------------------------


def test_an_honest_dossier_verifies_statement_by_statement() -> None:
    case = usual()
    verdict = _check(case.dossier(), case)
    assert (verdict.ok, verdict.problems, verdict.forks) == (True, [], [])
    assert all(one.signature and one.included and one.quorum for one in verdict.statements)
    assert {one.key for one in verdict.statements} == {"valid"}
    assert verdict.statements[4].withdrawn_by == [statement_id(case.raws[6])]
    assert verdict.logs[0].signatures == ["ed25519", "ml-dsa-44"]
    assert [(c.author, c.keys, c.first, c.last) for c in verdict.chains] == [
        (EAST, True, 1, 1),
        (EAST, False, 1, 2),
        (NORTH, True, 1, 2),
        (NORTH, False, 1, 3),
    ]
    assert verdict.chains[1].head == statement_id(case.raws[7])


def test_the_json_has_the_fields_of_the_format() -> None:
    case = usual()
    data = case.dossier()
    json = _check(data, case).to_json()
    assert next(iter(json)) == "v"
    assert set(json) == {
        "v", "ok", "case", "file", "policy", "root", "directory", "logs", "statements", "chains",
        "forks", "problems",
    }  # fmt: skip
    assert json["file"] == hashlib.sha256(data).hexdigest()
    assert json["policy"] == hashlib.sha256(POLICY_TEXT.encode()).hexdigest()
    assert json["root"] == hashlib.sha256(case.root).hexdigest()
    assert json["directory"] == {"version": 1, "ok": True}
    assert set(json["statements"][0]) == {
        "id", "kind", "author", "seq", "log", "index", "signature", "key", "included", "quorum",
        "not_before", "not_after", "withdrawn_by", "objects", "problems",
    }  # fmt: skip


def test_withheld_statements_are_proven_and_fail_nothing() -> None:
    case = usual()
    verdict = _check(case.dossier(withhold=[4, 5]), case)
    assert verdict.ok
    hidden = [one for one in verdict.statements if one.kind is None]
    assert [(one.index, one.included, one.signature) for one in hidden] == [
        (4, True, None),
        (5, True, None),
    ]
    assert [(c.author, c.withheld, c.missing) for c in _said(verdict)] == [
        (EAST, [1], []),
        (NORTH, [2], []),
    ]


def test_a_run_of_withheld_statements_is_explained_by_ids_between_in_the_log() -> None:
    case = Case()
    for number in range(4):
        case.say(NORTH, number)
        case.say(EAST, 10 + number)
    verdict = _check(case.dossier(withhold=[3, 5, 7, 4, 6, 8]), case)
    assert verdict.ok
    assert [(c.author, c.withheld) for c in _said(verdict)] == [
        (EAST, [1, 2, 3]),
        (NORTH, [1, 2, 3]),
    ]


def test_statements_outside_any_case_make_a_dossier_too() -> None:
    case = usual()
    case.say(NORTH, 20, case=None)
    case.say(EAST, 21, case=None)
    verdict = _check(case.dossier(case=None), case)
    assert verdict.ok
    assert verdict.case is None
    assert [(c.author, c.first, c.last) for c in _said(verdict)] == [(EAST, 1, 1), (NORTH, 1, 1)]
    case.raws.pop()
    case.raws.pop()
    case.say(NORTH, 22, case=None)
    assert _codes(_check(case.dossier(case=None), case)) == {"chain-gap"}


def test_objects_that_were_not_given_are_counted_as_withheld() -> None:
    case = usual()
    gone = hashlib.sha256(note_object(2)).hexdigest()
    verdict = _check(case.dossier(without=[gone]), case)
    assert verdict.ok
    assert (verdict.statements[4].objects.held, verdict.statements[4].objects.withheld) == (1, 1)


# --- trust comes from the reader --------------------------------------------------------------


def test_without_a_root_the_verdict_is_unanchored_unless_that_is_asked_for() -> None:
    case = usual()
    data = case.dossier()
    assert _codes(verify([data], POLICY, None)) == {"unanchored"}
    assert verify([data], POLICY, "none").ok
    assert verify([data], POLICY, "none").root is None


def test_another_root_than_the_readers_fails() -> None:
    case = usual()
    other = Case().say(NORTH, 1)
    assert _codes(verify([case.dossier()], POLICY, other)) == {"directory"}


def test_a_log_that_the_policy_does_not_name_fails() -> None:
    case = usual()
    other = LogSigner.from_seeds("portco.example/log", b"\x11" * 32, b"\x12" * 32)
    policy = cp.open_policy(f"log {other.vkeys()[0]}\nquorum none\n".encode())
    verdict = _check(case.dossier(), case, policy)
    assert not verdict.ok
    assert not verdict.logs[0].quorum
    assert not verify([case.dossier()], None, case.root).ok


def test_other_keys_under_the_logs_name_do_not_pass() -> None:
    case = usual()
    fake = LogSigner.from_seeds(ORIGIN, b"\x11" * 32, b"\x12" * 32)
    policy = cp.open_policy(f"log {fake.vkeys()[0]}\nquorum none\n".encode())
    assert "checkpoint" in _codes(_check(case.dossier(), case, policy))
    forged = cp.sign_checkpoint(case.head(), fake, 0)
    data = _reframed(case.dossier(), lambda m: m.update({"logs/0/checkpoint": forged}))
    assert "checkpoint" in _codes(_check(data, case))


def test_too_few_witnesses_are_no_quorum() -> None:
    case = usual()
    one = case.dossier(note=case.note(witnesses={"portco.example": 1_795_334_500}))
    verdict = _check(one, case, QUORUM)
    assert _codes(verdict) == {"quorum"}
    assert not any(statement.quorum for statement in verdict.statements)
    times = {"gridco.example": 1_795_334_500, "portco.example": 1_795_334_900}
    verdict = _check(case.dossier(note=case.note(witnesses=times)), case, QUORUM)
    assert verdict.ok
    assert verdict.policy == hashlib.sha256(QUORUM_TEXT.encode()).hexdigest()
    assert [(w.name, w.time) for w in verdict.logs[0].witnesses] == [
        ("gridco.example", "2026-11-22T08:01:40Z"),
        ("portco.example", "2026-11-22T08:08:20Z"),
    ]
    assert verdict.statements[4].not_after == "2026-11-22T08:08:20Z"
    assert verdict.statements[4].not_before is None


def test_cosigned_times_bracket_a_statement() -> None:
    case = Case()
    case.say(NORTH, 1)
    early = case.note(witnesses=dict.fromkeys(("gridco.example", "portco.example"), 1_795_334_000))
    head = case.head()
    seen = Seen(origin=ORIGIN, root=canonical.b64encode(head.root), size=head.size)
    case.say(NORTH, 2, seen=[seen])
    late = case.note(witnesses=dict.fromkeys(("gridco.example", "portco.example"), 1_795_335_000))
    verdict = _check(case.dossier(note=late, older=[early]), case, QUORUM)
    assert verdict.ok
    first, second = verdict.statements[3:]
    assert (first.not_before, first.not_after) == (None, "2026-11-22T07:53:20Z")
    assert (second.not_before, second.not_after) == (
        "2026-11-22T07:53:20Z",
        "2026-11-22T08:10:00Z",
    )


# --- altered ones -----------------------------------------------------------------------------


def _replace(name: str, old: bytes, new: bytes) -> Change:
    def change(members: dict[str, bytes]) -> None:
        assert old in members[name]
        members[name] = members[name].replace(old, new, 1)

    return change


def _without(name: str) -> Change:
    def change(members: dict[str, bytes]) -> None:
        del members[name]

    return change


def _lines(name: str, edit: Callable[[list[bytes]], list[bytes]]) -> Change:
    def change(members: dict[str, bytes]) -> None:
        members[name] = b"".join(edit(members[name].splitlines(keepends=True)))

    return change


def _resigned(case: Case, index: int, **body: str) -> bytes:
    """A statement of the case as its author never signed it: another payload, the old signature."""
    envelope = canonical.decode(case.raws[index])
    payload = canonical.decode(canonical.b64decode(envelope["payload"]))
    payload["body"] = body
    envelope["payload"] = canonical.b64encode(canonical.encode(payload))
    return canonical.encode(envelope)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_replace("README.txt", b"does not mean", b"does mean"), "framing"),
        (_without("README.txt"), "framing"),
        (_without("directory.jsonl"), "framing"),
        (_without("logs/0/checkpoint"), "framing"),
        (_without("logs/0/history.jsonl"), "framing"),
        (lambda m: m.update({"notes.txt": b"hello"}), "framing"),
        (lambda m: m.update({"logs/1/history.jsonl": b""}), "framing"),
        (lambda m: m.update({"objects/" + "0" * 64: b"x"}), "object"),
        (lambda m: m.update({"objects/" + hashlib.sha256(b"x").hexdigest(): b"x"}), "object"),
        (lambda m: m.update({"statements.jsonl": m["statements.jsonl"][:-1]}), "framing"),
        (lambda m: m.update({"statements.jsonl": m["statements.jsonl"] + b"\n"}), "canonical"),
        (_lines("statements.jsonl", lambda rows: rows[::-1]), "index"),
        (_lines("statements.jsonl", lambda rows: [*rows, rows[0]]), "index"),
        (_lines("directory.jsonl", lambda rows: rows[1:]), "directory"),
        (_lines("directory.jsonl", lambda rows: rows[:-1]), "key"),
        (_lines("proofs.jsonl", lambda rows: rows[::-1]), "index"),
        (_lines("proofs.jsonl", lambda rows: [*rows, rows[0]]), "index"),
        (_lines("proofs.jsonl", lambda rows: rows[:-1]), "inclusion"),
        (_replace("proofs.jsonl", b'"index":3', b'"index":9'), "inclusion"),
        (_replace("proofs.jsonl", b'"path":["', b'"path":["AAAA","'), "schema"),
        (_replace("proofs.jsonl", b',"path":', b',"more":1,"path":'), "schema"),
        (_replace("proofs.jsonl", b'"index":0', b'"index": 0'), "canonical"),
        (_replace("proofs.jsonl", ORIGIN.encode(), b"portco.example/log"), "index"),
        (_replace("logs/0/checkpoint", b"\n8\n", b"\n9\n"), "checkpoint"),
        (_replace("logs/0/checkpoint", b"\n8\n", b"\n08\n"), "checkpoint"),
        (_replace("INDEX.json", b'"v":1', b'"v":2'), "index"),
        (_replace("INDEX.json", CASE.encode(), CASE.encode()[:-1] + b"2"), "index"),
        (_replace("INDEX.json", b'"v":1', b'"v":1,"z":0'), "index"),
    ],
)
def test_a_change_that_hides_behind_a_good_frame_is_still_found(change: Change, code: str) -> None:
    case = usual()
    data = _reframed(case.dossier(), change)
    verdict = _check(data, case)
    assert not verdict.ok
    assert code in _codes(verdict)
    for problem in verdict.problems:
        assert problem.where
        assert problem.detail
        assert problem.remedy


def _bent_path(rows: list[bytes]) -> list[bytes]:
    line = canonical.decode(rows[4][:-1])
    line["path"][0] = canonical.b64encode(b"h" * 32)
    return [*rows[:4], canonical.encode(line) + b"\n", *rows[5:]]


def _twice(rows: list[bytes]) -> list[bytes]:
    line = canonical.decode(rows[7][:-1])
    line["id"] = canonical.decode(rows[6][:-1])["id"]
    return [*rows[:7], canonical.encode(line) + b"\n"]


def _moved(members: dict[str, bytes]) -> None:
    rows = members["statements.jsonl"].splitlines(keepends=True)
    members["statements.jsonl"] = b"".join(rows[:-1])
    members["directory.jsonl"] += rows[-1]


def _second_log(note: bytes) -> Change:
    def change(members: dict[str, bytes]) -> None:
        members.update({"logs/1/checkpoint": note, "logs/1/history.jsonl": b""})

    return change


_OTHER_LOG = LogSigner.from_seeds("portco.example/log", b"\x11" * 32, b"\x12" * 32)
_OTHER_HEAD = cp.Checkpoint(origin=_OTHER_LOG.name, size=1, root=b"r" * 32)


@pytest.mark.parametrize(
    ("change", "code", "where", "detail"),
    [
        (_lines("proofs.jsonl", _bent_path), "inclusion", "proofs.jsonl:5", "leads to root"),
        (_lines("proofs.jsonl", _twice), "index", "proofs.jsonl:8", "stands twice"),
        (_replace("proofs.jsonl", b'=","', b'","'), "canonical", "proofs.jsonl:1", "base64"),
        (_lines("statements.jsonl", lambda r: [*r, r[-1]]), "index", "statements.jsonl:6", "twice"),
        (_lines("statements.jsonl", lambda r: [r[1], r[0], *r[2:]]), "index", "statements.jsonl:2",
         "not in the order"),
        (_moved, "index", "directory.jsonl:4", "a say does not belong"),
        (lambda m: _second_log(m["logs/0/checkpoint"])(m), "index", "logs/1/checkpoint",
         "a second checkpoint"),
        (_second_log(cp.sign_checkpoint(_OTHER_HEAD, _OTHER_LOG, 0)), "index", "logs/1/checkpoint",
         "no proof leads"),
        (_second_log(b"nothing"), "checkpoint", "logs/1/checkpoint", "a note ends"),
        (lambda m: m.update({"logs/0/history.jsonl": b'{"checkpoint":"x","path":[]}\n'}),
         "checkpoint", "logs/0/history.jsonl:1", "a note ends"),
        (lambda m: m.update({"logs/0/history.jsonl": b'{"checkpoint":"x"}\n'}),
         "schema", "logs/0/history.jsonl:1", "path"),
    ],
)  # fmt: skip
def test_each_break_is_named_with_its_place(
    change: Change, code: str, where: str, detail: str
) -> None:
    case = usual()
    verdict = _check(_reframed(case.dossier(), change), case)
    found = [p.detail for p in verdict.problems if (p.code, p.where) == (code, where)]
    assert any(detail in one for one in found), verdict.problems


def test_more_lines_than_a_dossier_may_have_are_not_even_read() -> None:
    case = usual()
    data = _reframed(case.dossier(), lambda m: m.update({"statements.jsonl": b"\n" * 1_000_001}))
    assert "limit" in _codes(_check(data, case))


def test_one_problem_is_said_once() -> None:
    case = usual()
    data = _reframed(case.dossier(), lambda m: m.update({"logs/0/checkpoint": b"nothing"}))
    said = [(p.where, p.detail) for p in _check(data, case).problems]
    assert len(said) == len(set(said))


def test_an_index_that_is_not_canonical_is_named() -> None:
    case = usual()
    change = _replace("INDEX.json", b'"v":1', b'"v": 1')
    data = _reframed(case.dossier(), change, index=False)
    assert [(p.code, p.where) for p in _check(data, case).problems] == [("index", "INDEX.json")]


def test_older_checkpoints_stand_in_order_of_size() -> None:
    case = usual()
    data = case.dossier(older=[case.note(3), case.note(5)])
    assert _check(data, case).ok
    bad = _reframed(data, _lines("logs/0/history.jsonl", lambda rows: rows[::-1]))
    assert _codes(_check(bad, case)) == {"index"}


def test_a_statement_of_another_case_does_not_belong() -> None:
    case = usual()
    case.say(EAST, 30, case="case--another")
    data = case.dossier()
    path = [canonical.b64encode(digest) for digest in case.path(8, 9)]
    line = {"id": statement_id(case.raws[8]), "index": 8, "log": ORIGIN, "path": path}

    def add(members: dict[str, bytes]) -> None:
        members["statements.jsonl"] += case.raws[8] + b"\n"
        members["proofs.jsonl"] += canonical.encode(line) + b"\n"
        members["objects/" + hashlib.sha256(note_object(30)).hexdigest()] = note_object(30)

    verdict = _check(_reframed(data, add), case)
    assert [(p.code, p.where) for p in verdict.problems] == [("index", "statements.jsonl:6")]


def test_a_root_that_its_registrars_did_not_sign_is_named_also_where_nobody_asks_for_one() -> None:
    case = usual()
    envelope = canonical.decode(case.raws[0])
    envelope["signatures"][0]["sig"] = canonical.b64encode(bytes(64))
    case.raws[0] = case.root = canonical.encode(envelope)
    verdict = verify([case.dossier()], POLICY, "none")
    assert {("directory", "directory.jsonl:1"), ("key", "statements.jsonl:1")} <= {
        (p.code, p.where) for p in verdict.problems
    }
    assert verdict.directory.version is None
    assert {one.key for one in verdict.statements} == {"unknown"}


def test_a_dropped_statement_whose_proof_stays_is_a_withheld_one() -> None:
    # Nobody can tell the two apart, and need not: the place in the log is proven all the same.
    case = usual()
    data = _reframed(case.dossier(), _lines("statements.jsonl", lambda rows: rows[1:]))
    verdict = _check(data, case)
    assert [one.index for one in verdict.statements if one.kind is None] == [3]


def test_an_index_that_does_not_fit_is_found() -> None:
    case = usual()
    data = _reframed(case.dossier(), _replace("README.txt", b"file", b"File"), index=False)
    assert {"framing", "index"} <= _codes(_check(data, case))


def test_words_put_into_a_partys_mouth_are_found() -> None:
    case = usual()
    data = _reframed(
        case.dossier(),
        _replace("statements.jsonl", case.raws[6], _resigned(case, 6, reason="it was us")),
    )
    verdict = _check(data, case)
    assert not verdict.ok
    # The id is the digest of the bytes, so the altered statement has no proof of its own.
    assert {"inclusion", "signature"} <= _codes(verdict)
    [bad] = [one for one in verdict.statements if one.index is None]
    assert (bad.kind, bad.author, bad.signature, bad.included) == ("withdraw", NORTH, False, False)
    assert bad.problems == ["inclusion", "signature"]
    assert verdict.statements[5].withdrawn_by == []


def test_one_changed_byte_of_a_statement_is_traced_to_that_statement() -> None:
    case = usual()
    data = case.dossier()
    at = data.index(case.raws[6]) + len(case.raws[6]) - 20
    bent = data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :]
    verdict = _check(bent, case)
    assert {"framing", "index", "inclusion", "signature"} <= _codes(verdict)
    wheres = {problem.where for problem in verdict.problems if problem.code == "signature"}
    assert wheres == {"statements.jsonl:4"}


def test_a_statement_logged_with_a_bad_signature_is_found() -> None:
    case = usual()
    case.raws[6] = _resigned(case, 6, reason="it was us")
    verdict = _check(case.dossier(), case)
    assert _codes(verdict) == {"signature"}
    bad = verdict.statements[6]
    assert (bad.signature, bad.included, bad.problems) == (False, True, ["signature"])
    assert verdict.statements[4].withdrawn_by == []


def test_a_key_that_was_never_enrolled_signs_nothing() -> None:
    case = usual()
    case.say(EAST, 9, signer=Signer.from_seed(b"\x55" * 32, EAST))
    verdict = _check(case.dossier(), case)
    assert _codes(verdict) == {"key"}
    assert (verdict.statements[8].key, verdict.statements[8].signature) == ("unknown", False)


def test_a_revoked_key_fails_after_and_not_before_its_revocation() -> None:
    case = usual()
    case.revoke(EAST)
    case.say(EAST, 9)
    verdict = _check(case.dossier(), case)
    assert _codes(verdict) == {"key"}
    assert [(one.index, one.key) for one in verdict.statements if one.author == EAST][1:] == [
        (5, "valid"),
        (7, "valid"),
        (8, "valid"),
        (9, "revoked"),
    ]
    late = verdict.statements[9]
    assert (late.signature, late.problems) == (True, ["key"])


def test_statements_of_a_suspect_time_are_shown_as_suspect_and_not_dropped() -> None:
    case = usual()
    case.revoke(EAST, suspect_since="2026-11-01T00:00:00Z")
    verdict = _check(case.dossier(), case)
    assert verdict.ok
    assert {one.key for one in verdict.statements if one.author == EAST and one.kind == "say"} == {
        "suspect"
    }


def test_a_root_key_signs_no_other_kind() -> None:
    case = usual()
    case.say(EAST, 9, signer=ROOTS[EAST])
    assert _codes(_check(case.dossier(), case)) == {"key"}


@pytest.mark.parametrize(
    ("key", "signer", "code"),
    [
        ({}, "what is left", None),
        ({"directory": 2}, "what is left", None),
        ({"directory": 3}, "what is left", None),
        ({"directory": 3}, "what was lost", "key"),
        ({"directory": 4}, "what is left", "key"),
        ({"directory": 0}, "what is left", "schema"),
        ({"directory": True}, "what is left", "schema"),
    ],
)
def test_a_root_that_lost_a_key_counts_from_where_its_party_names_it(
    key: dict[str, object], signer: str, code: str | None
) -> None:
    """Then a thief of the lost one enrols nothing; until then it does, in every log alike."""
    case, lost = usual(), Signer.from_seed(b"\x57" * 32, EAST)
    for roots in ([ROOTS[EAST], lost], [ROOTS[EAST]]):
        held = open_statement(case.raws[-1] if len(case.raws) > 8 else case.root)[1]
        directory = read_directory(held.body)
        entry = msgspec.structs.replace(
            directory.parties[0], root=root_of([PublicKey.of(root.public) for root in roots])
        )
        assert entry.id == EAST
        case.enter(NORTH, "directory", add_party(directory, entry), signer=ROOTS[NORTH])
    mine, theirs = key_body(b"\x58" + b"\x66" * 31), key_body(SIGNERS[NORTH].public)
    with_it = {"what is left": ROOTS[EAST], "what was lost": lost}[signer]
    try:
        case.enter(EAST, "key", {**mine, **key}, signer=with_it)
    except StatementError:
        assert code == "schema"
        return
    found = _check(case.dossier(), case)
    assert _codes(found) == ({code} if code else set())
    case.enter(EAST, "key", theirs, signer=lost)
    if code is None:
        thief = _check(case.dossier(), case).statements[-1]
        assert thief.problems == (["key"] if key.get("directory") == 3 else [])


def test_a_marking_that_falls_is_found_unless_its_author_said_it_wider() -> None:
    case = usual()
    secret = statement_id(case.raws[7])
    case.enter(NORTH, "ack", {"heads": []}, refs=[secret], tlp="GREEN")
    verdict = _check(case.dossier(), case)
    assert _codes(verdict) == {"marking"}
    assert verdict.statements[8].problems == ["marking"]
    case = usual()
    case.say(EAST, 4, tlp="CLEAR", refs=[secret])
    case.enter(NORTH, "ack", {"heads": []}, refs=[secret], tlp="GREEN")
    assert _check(case.dossier(), case).ok


def test_a_withdrawal_by_another_party_takes_nothing_back() -> None:
    case = usual()
    case.enter(EAST, "withdraw", {}, refs=[statement_id(case.raws[4])])
    verdict = _check(case.dossier(), case)
    assert verdict.statements[4].withdrawn_by == [statement_id(case.raws[6])]


def test_a_statement_that_is_left_out_altogether_is_a_gap() -> None:
    case = usual()
    verdict = _check(case.dossier(drop=[4]), case)
    assert _codes(verdict) == {"chain-gap"}
    assert _said(verdict)[1].missing == [2]


def test_a_revocation_left_out_of_the_middle_is_a_gap_also_where_its_id_is_given() -> None:
    case = usual()
    case.revoke(EAST)
    case.enter(EAST, "key", key_body(b"\x58" + b"\x66" * 31), signer=ROOTS[EAST])
    case.say(EAST, 9)
    assert _codes(_check(case.dossier(), case)) == {"key"}
    left_out = _check(case.dossier(drop=[8]), case)
    assert _codes(left_out) == {"chain-gap"}
    assert [(c.author, c.missing) for c in left_out.chains if c.keys] == [(EAST, [2]), (NORTH, [])]
    # A key statement is CLEAR, so nobody has a reason to withhold one: its place is no excuse.
    data = _reframed(case.dossier(), _lines("directory.jsonl", lambda r: [*r[:3], r[4]]))
    assert _codes(_check(data, case)) == {"chain-gap"}


def test_a_party_that_signs_two_statements_for_one_place_in_its_key_chain_is_named() -> None:
    case = usual()
    case.revoke(EAST)
    body = key_body(b"\x58" + b"\x66" * 31)
    case.enter(EAST, "key", body, signer=ROOTS[EAST], seq=2, prev=statement_id(case.raws[2]))
    verdict = _check(case.dossier(), case)
    assert _codes(verdict) == {"chain-fork"}
    assert [(c.author, c.equivocates) for c in verdict.chains if c.keys] == [
        (EAST, True),
        (NORTH, False),
    ]


def test_a_gap_longer_than_what_is_withheld_is_a_gap() -> None:
    case = Case()
    for number in range(4):
        case.say(NORTH, number)
    verdict = _check(case.dossier(withhold=[5], drop=[3, 4]), case)
    assert _codes(verdict) == {"chain-gap"}
    assert [(c.withheld, c.missing) for c in _said(verdict)] == [([3], [1, 2])]


def test_two_statements_for_one_place_prove_equivocation() -> None:
    case = usual()
    case.say(EAST, 8, seq=2, prev=statement_id(case.raws[5]))
    verdict = _check(case.dossier(), case)
    assert _codes(verdict) == {"chain-fork"}
    assert [chain.equivocates for chain in _said(verdict)] == [True, False]


def test_a_statement_that_follows_another_than_the_one_shown_is_a_fork() -> None:
    case = usual()
    case.say(EAST, 8, seq=3, prev="0" * 64)
    assert _codes(_check(case.dossier(), case)) == {"chain-fork"}


def test_a_line_that_nobody_can_check_fails() -> None:
    case = usual()
    stray = cp.add_lines(case.note(), [cp.NoteLine(name="stranger", keyid=b"1234", blob=b"x" * 64)])
    data = _reframed(case.dossier(), lambda m: m.update({"logs/0/checkpoint": stray}))
    assert _codes(_check(data, case)) == {"checkpoint"}
    # On the way out such lines are dropped.
    assert _check(case.dossier(note=stray), case).ok


def test_a_line_given_twice_fails() -> None:
    case = usual()
    note = case.note()
    twice = cp.add_lines(note, cp.open_note(note).lines[:1])
    data = _reframed(case.dossier(), lambda m: m.update({"logs/0/checkpoint": twice}))
    assert _codes(_check(data, case)) == {"checkpoint"}


def test_an_older_checkpoint_that_is_not_consistent_fails() -> None:
    case, other = usual(), Case()
    other.say(EAST, 77)
    foreign = other.note()
    data = case.dossier(older=[case.note(4)])
    assert _check(data, case).ok
    line = canonical.decode(form._members(data)["logs/0/history.jsonl"][:-1])
    line["checkpoint"] = foreign.decode()
    bad = _reframed(
        data, lambda m: m.update({"logs/0/history.jsonl": canonical.encode(line) + b"\n"})
    )
    assert _codes(_check(bad, case)) == {"checkpoint"}


def test_a_later_directory_must_follow_from_the_root() -> None:
    case = usual()
    body = canonical.decode(canonical.b64decode(canonical.decode(case.root)["payload"]))["body"]
    case.enter(NORTH, "directory", {**body, "version": 2}, signer=ROOTS[NORTH])
    verdict = _check(case.dossier(), case)
    assert verdict.ok
    assert verdict.directory.version == 2
    case.enter(NORTH, "directory", {**body, "version": 4}, signer=ROOTS[NORTH])
    verdict = _check(case.dossier(), case)
    assert _codes(verdict) == {"directory"}
    assert (verdict.directory.version, verdict.directory.ok) == (2, False)
    case = usual()
    case.enter(NORTH, "directory", {**body, "version": 2}, signer=SIGNERS[NORTH])
    assert "directory" in _codes(_check(case.dossier(), case))


# --- two files --------------------------------------------------------------------------------


def test_two_dossiers_of_one_case_fill_each_others_gaps() -> None:
    case = usual()
    one, two = case.dossier(withhold=[5]), case.dossier(drop=[4])
    assert not _check(two, case).ok
    verdict = verify([one, two], POLICY, case.root)
    assert verdict.ok
    assert all(one.kind for one in verdict.statements)
    assert len(verdict.statements) == 8
    assert len(verdict.to_json()["files"]) == 2
    assert _said(verdict)[1].missing == []


def test_two_histories_of_one_log_are_a_proven_fork() -> None:
    case, other = usual(), usual()
    other.raws.pop()
    other.say(EAST, 99, seq=2, prev=statement_id(other.raws[5]))
    assert _check(other.dossier(), other).ok
    verdict = verify([case.dossier(), other.dossier()], POLICY, case.root)
    assert "log-fork" in _codes(verdict)
    assert {fork["detail"] for fork in verdict.forks} == {
        "two roots at size 8",
        "two entries at index 7",
    }


def test_a_fork_at_different_sizes_shows_in_the_entries() -> None:
    case, other = usual(), Case()
    for number in range(9):
        other.say(EAST, 50 + number)
    verdict = verify([case.dossier(), other.dossier()], POLICY, case.root)
    assert "log-fork" in _codes(verdict)
    assert all(fork["explained"] for fork in verdict.forks)


def test_what_one_author_says_it_has_seen_frames_no_log() -> None:
    case = usual()
    size = len(case.raws) + 1
    case.say(EAST, 9, seen=[Seen(origin=ORIGIN, root=canonical.b64encode(b"r" * 32), size=size)])
    verdict = _check(case.dossier(), case)
    assert verdict.ok
    [fork] = verdict.forks
    assert (fork["explained"], fork["size"]) == (False, size)


def test_problems_of_two_files_say_which_file() -> None:
    case = usual()
    bad = _reframed(case.dossier(), _without("README.txt"))
    verdict = verify([case.dossier(), bad], POLICY, case.root)
    assert {problem.where for problem in verdict.problems} == {"2:README.txt"}
    with pytest.raises(DossierError, match="no file"):
        verify([], POLICY, case.root)


def test_a_number_as_high_as_numbers_go_leaves_a_gap_and_takes_no_memory() -> None:
    case = usual()
    case.say(EAST, 9, seq=2**53 - 1)
    verdict = _check(case.dossier(), case)
    assert _codes(verdict) == {"chain-gap", "chain-fork"} or _codes(verdict) == {"chain-gap"}
    gap = next(c for c in _said(verdict) if c.author == EAST)
    assert gap.last == 2**53 - 1
    assert len(gap.missing) == 1_000


def test_members_that_lie_over_each_other_do_not_unfold() -> None:
    content = b"x" * 1000
    header = form._STAMP + struct.pack("<IIIHH", 0, len(content), len(content), 3, 0)
    central = b"".join(
        form._CENTRAL
        + struct.pack("<H", 20)
        + header
        + struct.pack("<HHHII", 0, 0, 0, 0, 0)
        + b"%03d" % number
        for number in range(500)
    )
    at = 30 + 3 + len(content)
    end = form._END + struct.pack("<HHHHIIH", 0, 0, 500, 500, len(central), at, 0)
    with pytest.raises(DossierError, match="wrongly"):
        verify([form._LOCAL + header + b"000" + content + central + end], POLICY, "none")


@pytest.mark.parametrize("name", sorted(sealed_stories()))
def test_a_sealed_place_is_its_own_authors_and_shows_nothing(name: str) -> None:
    """It explains the gap of who sealed it; what is shown in plain is proven in plain."""
    story = sealed_stories()[name]
    verdict = verify([story.data], POLICY, story.root)
    assert _codes(verdict) == set(story.codes)
    [chain] = [one for one in _said(verdict) if one.author == EAST]
    assert (tuple(chain.withheld), tuple(chain.missing)) == (story.withheld, story.missing)
