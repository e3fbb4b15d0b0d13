"""The policy file: read again when it changes, edited by verbs, never half in force."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.faults.three_nodes import federation, witnessed_by

from tocsin.cli import run
from tocsin.errors import ConfigError, UsageError
from tocsin.record.checkpoint import open_policy
from tocsin.wiring.keys import load_log_signer
from tocsin.wiring.policy_file import (
    PolicyFile,
    policy_of,
    with_quorum,
    with_witness,
    without_witness,
)

NORTH, SOUTH, EAST = (f"cert.{n}.example" for n in ("northland", "southmark", "eastmere"))


@pytest.fixture
def homes(tmp_path: Path) -> list[Path]:
    return federation(tmp_path, [NORTH, SOUTH, EAST])


def test_without_a_file_nobody_is_asked(homes: list[Path]) -> None:
    found = PolicyFile(homes[0] / "policy.txt", load_log_signer(homes[0], NORTH))
    assert found.policy.quorum == "none"
    assert found.policy.witnesses == {}
    assert found.text == policy_of(homes[0], load_log_signer(homes[0], NORTH))


def test_a_change_is_taken_over_and_a_bad_one_is_not(homes: list[Path]) -> None:
    path = homes[0] / "policy.txt"
    found = PolicyFile(path, load_log_signer(homes[0], NORTH))
    witnessed_by(homes[0], homes[1:], "2")
    assert sorted(found.policy.witnesses) == ["eastmere", "southmark"]
    assert found.policy.urls["southmark"].endswith("/witness")
    assert found.policy.origins == {f"{NORTH}/log"}, "our own line needs no writing down"
    good = found.text
    for bad in ("quorum\n", "witness x y z\nquorum none\n", "", "quorum none\nquorum none\n"):
        path.write_text(bad)
        policy, wrong = found.state
        assert wrong is not None
        assert str(path) in wrong
        assert policy.quorum == "witnesses"
        assert found.text == good
    path.unlink()
    assert found.state[0].quorum == "none"
    assert found.state[1] is None


def test_a_node_does_not_start_with_a_policy_it_cannot_read(homes: list[Path]) -> None:
    (homes[0] / "policy.txt").write_text("quorum all\n")
    with pytest.raises(ConfigError, match="policy line"):
        PolicyFile(homes[0] / "policy.txt", load_log_signer(homes[0], NORTH))
    with pytest.raises(ConfigError):
        policy_of(homes[0], load_log_signer(homes[0], NORTH))


V = "vkey"


def test_witnesses_are_added_counted_and_removed_without_touching_the_rest() -> None:
    text = "# ours\n\nquorum none\n"
    for name in ("a", "b", "c"):
        text = with_witness(text, name, V, f"https://{name}/witness")
    text = with_quorum(text, "2")
    assert text == (
        "# ours\n\nwitness a vkey https://a/witness\nwitness b vkey https://b/witness\n"
        "witness c vkey https://c/witness\ngroup witnesses 2 a b c\nquorum witnesses\n"
    )
    text = with_witness(text, "d", V, "https://d/witness")
    assert "group witnesses 2 a b c d\n" in text
    text = without_witness(without_witness(text, "b"), "d")
    assert "group witnesses 2 a c\n" in text
    with pytest.raises(UsageError, match="asks for 2"):
        without_witness(text, "a")
    assert with_quorum(text, "c").endswith("quorum c\n")
    assert "group" not in with_quorum(text, "none")
    with pytest.raises(UsageError, match="quorum is c"):
        without_witness(with_quorum(text, "c"), "c")
    for wrong in ("0", "3", "nobody"):
        with pytest.raises(UsageError):
            with_quorum(text, wrong)
    with pytest.raises(UsageError, match="already"):
        with_witness(text, "a", V, "u")
    with pytest.raises(UsageError, match="no witness"):
        without_witness(text, "witnesses")


def test_groups_of_ones_own_stay() -> None:
    text = "witness a v u\nwitness b v u\ngroup home any a b\nquorum home\n"
    text = with_witness(text, "c", V, "u")
    assert "group home any a b\n" in text
    assert with_quorum(text, "home") == text
    assert with_quorum(text, "1").splitlines()[-2:] == ["group witnesses 1 c", "quorum witnesses"]


def test_the_verbs_write_a_policy_that_opens(
    homes: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--home", str(homes[0]), "witness"]
    assert run([*at, "add", SOUTH]) == 0
    assert run([*at, "add", EAST, "--json"]) == 0
    assert run([*at, "quorum", "2"]) == 0
    text = (homes[0] / "policy.txt").read_bytes()
    log = load_log_signer(homes[0], NORTH).vkeys()[0]
    policy = open_policy(f"log {log}\n".encode() + text)
    assert list(policy.witnesses) == [SOUTH, EAST]
    assert {key.kind for key in policy.witnesses.values()} == {4}
    assert policy.satisfied([SOUTH, EAST])
    assert not policy.satisfied([SOUTH])
    capsys.readouterr()
    assert run([*at, "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [w["name"] for w in listed["witnesses"]] == [SOUTH, EAST]
    assert sorted(w["origin"] for w in listed["witnessing"]) == [f"{EAST}/log", f"{SOUTH}/log"]
    assert run([*at, "list"]) == 0
    assert "never" in capsys.readouterr().out
    assert run([*at, "remove", EAST]) == 2
    assert run([*at, "quorum", "1"]) == 0
    assert run([*at, "remove", EAST]) == 0
    assert run([*at, "add", "nobody.example"]) == 2
    assert "party invite nobody.example" in capsys.readouterr().err
    assert run([*at, "add", "not+a+vkey", "--url", "https://x/witness"]) in (1, 2)
    assert (homes[0] / "policy.txt").read_bytes().count(b"witness ") == 1
    # An address without a path is completed for a witness of ours, and that is said.
    capsys.readouterr()
    assert run([*at, "add", EAST, "--url", "https://east.example/"]) == 0
    assert "https://east.example/witness" in capsys.readouterr().err
    assert b" https://east.example/witness\n" in (homes[0] / "policy.txt").read_bytes()
    assert run([*at, "add", SOUTH, "--name", "again", "--url", "east.example"]) == 2
