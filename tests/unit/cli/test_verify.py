"""`tocsin verify` on files alone: what it prints, what it writes, how it exits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.unit.record.dossier_case import (
    NORTH,
    ORIGIN,
    POLICY_TEXT,
    QUORUM_TEXT,
    Case,
    usual,
)
from tests.unit.record.test_dossier_views import forked, log_proof, revocation, two_histories

from tocsin.canonical import b64encode
from tocsin.cli import run
from tocsin.record import fork
from tocsin.record.checkpoint import open_policy
from tocsin.record.envelope import statement_id
from tocsin.record.statement import Seen
from tocsin.wiring.party import init

SINCE = "2020-01-01T00:00:00Z"


class Verify:
    """Runs the verb in a folder of its own, where no node is."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *args: str, code: int = 0, policy: str = POLICY_TEXT) -> str:
        Path("policy").write_text(policy)
        self.capsys.readouterr()
        got = run(["verify", *args, "--policy", "policy"])
        out, err = self.capsys.readouterr()
        assert got == code, (got, out, err)
        return str(err if code == 2 else out)


@pytest.fixture
def verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Verify:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.chdir(tmp_path)
    return Verify(capsys)


def write(case: Case, name: str = "case.tocsin", data: bytes | None = None) -> str:
    Path("root.json").write_bytes(case.root)
    Path(name).write_bytes(case.dossier() if data is None else data)
    return name


def test_what_witnesses_say_of_the_time_stands_beside_the_authors_own(verify: Verify) -> None:
    case = Case()
    two = ("gridco.example", "portco.example")
    head, early = case.head(), case.note(None, dict.fromkeys(two, 1_795_334_000))
    seen = Seen(origin=ORIGIN, root=b64encode(head.root), size=head.size)
    case.say(NORTH, 1, seen=[seen])
    late = case.note(None, dict.fromkeys(two, 1_795_335_000))
    name = write(case, data=case.dossier(note=late, older=[early]))
    shown = verify(name, "--root", "root.json", "--verbose", policy=QUORUM_TEXT)
    lines = shown.splitlines()
    row = next(at for at, line in enumerate(lines) if " say " in line)
    under = "\n".join(lines[row + 1 : row + 3])
    assert "2026-11-22T08:30:00Z" in under
    assert "2026-11-22T07:53:20Z – 2026-11-22T08:10:00Z" in under
    assert "cosigned by gridco.example at 2026-11-22T08:10:00Z" in shown
    at = next(n for n, row in enumerate(lines) if row.startswith(f"{NORTH} (keys)  1 to 2"))
    assert lines[at + 1] == f"    head {statement_id(case.raws[1])}"


def test_what_is_as_it_should_be_is_counted_and_nothing_that_fails_is_hidden(
    verify: Verify,
) -> None:
    case = usual()
    shown = verify(write(case), "--root", "root.json")
    assert re.search(
        r"^(\d+) statements: signature, key and place in the log ok for \1$", shown, re.M
    )
    assert "INDEX" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    every = verify("case.tocsin", "--root", "root.json", "--verbose")
    assert every.count("\n    statement ") + every.count("  statement ") >= len(case.raws)
    # Each of those that fail stands there with all that is known of it, and no other.
    revoked = usual()
    Path("held").write_bytes(
        b"".join(raw + b"\n" for raw in (*revoked.raws[:3], revocation(revoked)))
    )
    bad = verify(write(revoked), "--root", "root.json", "--directory", "held", code=3)
    verdict = json.loads(
        verify("case.tocsin", "--root", "root.json", "--directory", "held", "--json", code=3)
    )
    failing = [
        s["id"][:16] for s in verdict["statements"]
        if not (s["signature"] and s["included"] and s["key"] == "valid")
    ]  # fmt: skip
    assert failing
    assert re.findall(r"statement ([0-9a-f]{16})…", bad) == failing
    assert "NOT VERIFIED" in bad


def test_the_json_is_the_verdict_of_the_format(verify: Verify) -> None:
    name = write(usual())
    verdict = json.loads(verify(name, "--root", "root.json", "--json"))
    assert (verdict["v"], verdict["ok"]) == (1, True)
    assert not {"files", "said"} & set(verdict)


def test_a_revocation_the_reader_brings_along_fails_the_file(verify: Verify) -> None:
    case = usual()
    name = write(case)
    Path("held").write_bytes(b"".join(raw + b"\n" for raw in (*case.raws[:3], revocation(case))))
    shown = verify(name, "--root", "root.json", "--directory", "held", code=3)
    assert "which you hold and this file lacks" in shown
    Path("held").write_bytes(case.raws[4] + b"\n")
    refused = verify(name, "--root", "root.json", "--directory", "held", code=2)
    assert "line 1 of the directory is a say" in refused
    Path("held").write_bytes(b"\nnothing\n")
    assert "line 2" in verify(name, "--root", "root.json", "--directory", "held", code=2)


def test_a_fork_is_written_as_a_proof_that_verifies_alone(verify: Verify) -> None:
    case, other = two_histories(3)
    files = write(case, "a.tocsin"), write(other, "b.tocsin")
    shown = verify(*files, "--root", "root.json", "--fork-proof-out", "fork.json", code=3)
    assert "size 8 is not the beginning of size 11" in shown
    fork.verify_fork(
        fork.open_fork(Path("fork.json").read_bytes()), open_policy(POLICY_TEXT.encode()).logs
    )
    proven = verify("fork.json")
    assert "FORK PROVEN" in proven
    assert json.loads(verify("fork.json", "--json"))["sizes"] == [8, 11]


def test_a_bent_fork_proof_fails_and_none_is_written_where_none_was_found(verify: Verify) -> None:
    Path("fork.json").write_bytes(forked().replace(b'"v":1', b'"v":2'))
    assert "NOT VERIFIED" in verify("fork.json", code=3)
    verify(write(usual()), "--root", "root.json", "--fork-proof-out", "none.json")
    assert not Path("none.json").exists()


def test_a_tlog_proof_says_what_it_proved(verify: Verify) -> None:
    case = usual()
    Path("x.tlog-proof").write_bytes(log_proof(case, 4, statement_id(case.raws[4]).encode()))
    Path("envelope").write_bytes(case.raws[4])
    assert "a statement with that id is in the log" in verify("x.tlog-proof")
    assert "these bytes are in the log" in verify("x.tlog-proof", "envelope")
    assert "these bytes are in the log" in verify("envelope", "x.tlog-proof")
    Path("envelope").write_bytes(case.raws[5])
    assert "NOT VERIFIED: 2 problems" in verify("x.tlog-proof", "envelope", code=3)
    assert "witnesses cosigned, too few" in verify("x.tlog-proof", code=3, policy=QUORUM_TEXT)
    Path("x.tlog-proof").write_bytes(log_proof(case, 4))
    assert "names no statement" in verify("x.tlog-proof", code=2)
    Path("x.tlog-proof").write_bytes(b"c2sp.org/tlog-proof@v1\nindex x\n\n")
    verify("x.tlog-proof", code=2)
    Path("y.tlog-proof").write_bytes(log_proof(case, 4))
    verify("x.tlog-proof", "y.tlog-proof", code=2)


@pytest.mark.parametrize(("doubt", "code"), [((), 0), (("--suspect-since", SINCE), 3)])
def test_on_a_node_its_own_key_history_counts_with_its_places(
    verify: Verify, doubt: tuple[str, ...], code: int
) -> None:
    init(Path("north"), NORTH, "North")
    node = ["--home", "north", "--no-input"]

    def listed(*args: str) -> Any:
        verify.capsys.readouterr()
        assert run([*node, *args, "--json"]) == 0
        return json.loads(verify.capsys.readouterr().out)

    case = listed("case", "open", "Outage")["case"]
    assert run([*node, "export", case, "--out", "case.tocsin"]) == 0
    assert run([*node, "verify", "case.tocsin"]) == 0
    key = next(row["id"] for row in listed("key", "list")["items"] if row["role"] == "signing")
    assert run([*node, "key", "revoke", key, "--reason", "stolen", *doubt, "--yes"]) == 0
    # All of it was said before, at lower places of the same log: only a doubt reaches back.
    assert run([*node, "verify", "case.tocsin"]) == code
    Path("nothing").write_bytes(b"")
    assert run([*node, "verify", "case.tocsin", "--directory", "nothing"]) == 0


def test_what_log_prove_prints_verifies_with_and_without_its_envelope(verify: Verify) -> None:
    init(Path("north"), NORTH, "North")
    node = ["--home", "north", "--no-input"]

    def printed(*args: str) -> str:
        verify.capsys.readouterr()
        assert run([*node, *args]) == 0
        return str(verify.capsys.readouterr().out)

    printed("case", "open", "Outage")
    last = json.loads(printed("log", "show", "--json"))["statements"][-1]
    Path("x.tlog-proof").write_text(printed("log", "prove", last["id"]))
    Path("envelope").write_text(printed("log", "show", last["id"]).rstrip("\n"))
    assert f"statement {last['id']}  log index {last['index']}" in printed("verify", "x.tlog-proof")
    assert "these bytes are in the log" in printed("verify", "x.tlog-proof", "envelope")
    assert run([*node, "verify", "envelope"]) == 2
    for verb, short in (("prove", last["id"][:8]), ("show", "0" * 8)):
        verify.capsys.readouterr()
        assert run([*node, "log", verb, short]) == 2
        assert "give all 64 digits" in verify.capsys.readouterr().err


def test_the_signatures_of_a_large_file_are_checked_by_all_cores_in_their_order() -> None:
    code = """
from tocsin.record.dossier import fault
from tocsin.record.keys import Signer
from tocsin.wiring import offline
signer = Signer.from_seed(b"1" * 32, "n.example")
jobs = [(signer.public, signer.sign(b"%d" % (n - n % 7)), b"%d" % n) for n in range(5000)]
assert offline._each(offline.LARGE - 1) is map
assert list(offline._by_all_cores(fault, iter(jobs))) == list(map(fault, jobs))
assert sum(fault(job) is None for job in jobs) == 715
"""
    # A process of its own: one with threads should not be copied.
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
