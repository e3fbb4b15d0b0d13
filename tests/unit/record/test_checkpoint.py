"""Notes, checkpoints, policies and proof files, against outside examples and our own keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tocsin.canonical import b64encode
from tocsin.errors import NoteError, ProofError
from tocsin.record import checkpoint as cp
from tocsin.record import merkle
from tocsin.record.keys import LogSigner, Signer, vkey

Corpus = Callable[[str], Path]

LOG = LogSigner.from_seeds("cert.northland.example/log", b"\x01" * 32, b"\x02" * 32)
ED, ML = (cp.open_vkey(text) for text in LOG.vkeys())
WITNESS = Signer.from_seed(b"\x03" * 32, "cert.eastmere.example")
WITNESS_NAME = "cert.eastmere.example/witness"
WITNESS_KEY = vkey(WITNESS_NAME, cp.COSIGNATURE, WITNESS.public)
THIRD = Signer.from_seed(b"\x04" * 32, "portco.example")
THIRD_KEY = vkey("portco.example/witness", cp.COSIGNATURE, THIRD.public)
HEAD = cp.Checkpoint(origin=LOG.name, size=7, root=b"r" * 32)
NOTE = cp.sign_checkpoint(HEAD, LOG, 1_795_334_400)


def _cosigned(data: bytes = NOTE, time: int = 1_795_334_500) -> bytes:
    head = cp.open_checkpoint(cp.open_note(data).text)
    line = cp.cosign_ed25519(head, WITNESS_NAME, WITNESS.public, WITNESS.sign, time)
    return cp.add_lines(data, [line])


# --- outside examples -------------------------------------------------------------------------


def test_the_note_of_the_specification_verifies(corpus: Corpus) -> None:
    key = cp.open_vkey(corpus("record/c2sp/note-good.vkey").read_text().strip())
    data = corpus("record/c2sp/note-good.txt").read_bytes()
    [line] = cp.verify_note(cp.open_note(data), [key])
    assert (line.key, line.time) == (key, None)
    assert cp.write_note(cp.open_note(data).text, cp.open_note(data).lines) == data
    with pytest.raises(NoteError, match="does not verify"):
        cp.verify_note(cp.open_note(data.replace(b"example message", b"example massage")), [key])


def test_the_checkpoint_of_the_specification_parses(corpus: Corpus) -> None:
    data = corpus("record/c2sp/checkpoint-parse.txt").read_bytes()
    note = cp.open_note(data)
    head = cp.open_checkpoint(note.text)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert head.text == note.text
    first, second = note.lines
    assert len(first.blob) == 64
    assert int.from_bytes(second.blob[:8], "big") == 1679315147
    assert len(second.blob) == 72


def test_the_keys_and_notes_of_the_go_tools_are_judged_alike(corpus: Corpus) -> None:
    case = json.loads(corpus("record/note/golang-mod.json").read_text())
    known = [cp.open_vkey(text) for text in case["verifier_keys"].values()]
    assert [key.text for key in known] == list(case["verifier_keys"].values())
    for text in case["bad_verifier_keys"]:
        with pytest.raises(NoteError):
            cp.open_vkey(text)
    body = case["text_of_both"]
    note = cp.open_note((body + "\n" + "\n".join(case["signatures"]) + "\n").encode())
    lines = cp.verify_note(note, known)
    assert [line.key.name for line in lines] == ["PeterNeumann", "EnochRoot"]
    assert len(cp.verify_note(note, known[:1])) == 1
    with pytest.raises(NoteError, match="no line of a key we know"):
        cp.verify_note(note, known[2:])


# --- our own ----------------------------------------------------------------------------------


def test_a_checkpoint_carries_both_lines_of_its_log() -> None:
    note = cp.open_note(NOTE)
    assert cp.open_checkpoint(note.text) == HEAD
    one, two = cp.verify_note(note, [ED, ML])
    assert (one.key.kind, one.time) == (cp.ED25519, None)
    assert (two.key.kind, two.time) == (cp.ML_DSA_44, 1_795_334_400)


def test_an_ml_dsa_line_covers_its_time_and_the_root() -> None:
    note = cp.open_note(NOTE)
    ed, ml = note.lines
    later = cp.NoteLine(name=ml.name, keyid=ml.keyid, blob=b"\0" * 8 + ml.blob[8:])
    with pytest.raises(NoteError, match="ml-dsa-44 line"):
        cp.verify_note(cp.Note(text=note.text, lines=(ed, later)), [ED, ML])
    other = cp.Checkpoint(origin=LOG.name, size=8, root=HEAD.root).text
    with pytest.raises(NoteError, match="ml-dsa-44 line"):
        cp.verify_note(cp.Note(text=other, lines=(ml,)), [ML])
    with pytest.raises(NoteError, match="three lines"):
        cp.verify_note(cp.Note(text="no checkpoint\n", lines=(ml,)), [ML])


def test_a_line_with_a_time_after_the_end_of_time_is_refused() -> None:
    ed, ml = cp.open_note(NOTE).lines
    late = cp.NoteLine(name=ml.name, keyid=ml.keyid, blob=b"\xff" * 8 + ml.blob[8:])
    with pytest.raises(NoteError, match="has time"):
        cp.verify_note(cp.Note(text=HEAD.text, lines=(ed, late)), [ED, ML])
    with pytest.raises(NoteError, match="no time to sign"):
        cp.sign_checkpoint(HEAD, LOG, -1)


def test_a_failing_line_of_a_known_key_fails_the_note_though_another_holds() -> None:
    ed, ml = cp.open_note(NOTE).lines
    bent = cp.NoteLine(name=ed.name, keyid=ed.keyid, blob=bytes(64))
    with pytest.raises(NoteError, match="ed25519 line"):
        cp.verify_note(cp.Note(text=HEAD.text, lines=(ml, bent)), [ED, ML])
    assert len(cp.verify_note(cp.Note(text=HEAD.text, lines=(ml, bent)), [ML])) == 1


def test_keys_of_another_log_do_not_sign_for_this_one() -> None:
    other = cp.Checkpoint(origin="cert.southmark.example/log", size=1, root=b"r" * 32)
    with pytest.raises(NoteError, match="do not sign for"):
        cp.sign_checkpoint(other, LOG, 0)


def test_lines_of_unknown_keys_can_be_left_out() -> None:
    known = [ED, ML]
    assert cp.keep_known(_cosigned(), known) == NOTE
    assert cp.keep_known(_cosigned(), (key for key in known)) == NOTE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n" + b64encode(b"r" * 32),
        "a\n01\n" + b64encode(b"r" * 32) + "\n",
        "a\n+1\n" + b64encode(b"r" * 32) + "\n",
        "a\n-1\n" + b64encode(b"r" * 32) + "\n",
        "a\n9223372036854775808\n" + b64encode(b"r" * 32) + "\n",
        "a\n١\n" + b64encode(b"r" * 32) + "\n",
        "a\n1\n" + b64encode(b"r" * 31) + "\n",
        "a\n1\n" + b64encode(b"r" * 32)[:-2] + "J=\n",
        "\n1\n" + b64encode(b"r" * 32) + "\n",
        "a\n1\n" + b64encode(b"r" * 32) + "\nextension\n",
        "a\n1\n" + b64encode(b"r" * 32) + "\n\n",
    ],
)
def test_a_checkpoint_in_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        cp.open_checkpoint(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\n\n",
        NOTE[:-1],
        NOTE + b"\n",
        NOTE.replace(b"\n", b"\r\n"),
        NOTE.replace("—".encode(), b"-"),
        NOTE.replace("— ".encode(), "—  ".encode()),
        NOTE + b"\xff",
        NOTE + "— x AAAA\n".encode(),
        NOTE + "— x+y AAAAAAAA\n".encode(),
        NOTE + "— x AAAAAAB=\n".encode(),
        NOTE + "— x AAAAAAAA\n".encode() * 31,
        b"x" * (128 * 1024 + 1),
    ],
)
def test_a_note_in_any_other_form_is_refused(data: bytes) -> None:
    with pytest.raises(NoteError):
        cp.open_note(data)


def test_thirty_two_lines_are_taken() -> None:
    assert len(cp.open_note(NOTE + "— x AAAAAAAA\n".encode() * 30).lines) == 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        LOG.vkeys()[0].replace("+", " ", 1),
        LOG.vkeys()[0].replace("northland", "northlund"),
        LOG.vkeys()[0].upper(),
        LOG.vkeys()[0] + "=",
        "a b" + LOG.vkeys()[0],
        vkey("x", 1, b"\x01" + bytes(31)),
        vkey("x", 1, bytes(33)),
        vkey("x", 2, bytes(32)),
        vkey("x", 6, bytes(32)),
        "x+00000000+",
        "\udc80" + LOG.vkeys()[0],
    ],
)
def test_a_verifier_key_in_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        cp.open_vkey(text)


# --- policy -----------------------------------------------------------------------------------


def _policy(tail: str) -> cp.Policy:
    head = "".join(f"log {text}\n" for text in LOG.vkeys())
    return cp.open_policy((head + tail).encode())


def test_a_policy_without_witnesses_takes_what_the_log_signed() -> None:
    judged = _policy("quorum none\n").judge(NOTE)
    assert judged.checkpoint == HEAD
    assert judged.quorum
    assert judged.witnesses == ()
    assert [line.key.kind for line in judged.lines] == [cp.ED25519, cp.ML_DSA_44]


def test_a_quorum_counts_witnesses_and_shows_their_times() -> None:
    policy = _policy(f"witness east {WITNESS_KEY} https://east.example/\nquorum east\n")
    assert not policy.judge(NOTE).quorum
    judged = policy.judge(_cosigned())
    assert judged.quorum
    assert judged.witnesses == (("east", 1_795_334_500),)


def test_groups_count_as_witnesses_to_the_groups_after_them() -> None:
    policy = _policy(
        f"# two of two\n\twitness a {WITNESS_KEY}\n  witness b {THIRD_KEY}  \n\n"
        "group both all a b\ngroup outer any both\nquorum outer\n"
    )
    assert policy.satisfied(["a", "b"])
    assert not policy.satisfied(["a"])
    assert not policy.satisfied(["both"])
    assert _policy(
        f"witness a {WITNESS_KEY}\nwitness b {THIRD_KEY}\ngroup g 1 a b\nquorum g"
    ).satisfied(["b"])


def test_a_witness_line_alone_makes_no_log() -> None:
    policy = cp.open_policy(f"witness east {WITNESS_KEY}\nquorum east\n".encode())
    with pytest.raises(NoteError, match="is not one of the policy's"):
        policy.judge(_cosigned())


def test_a_log_key_under_another_origin_is_not_that_log() -> None:
    other = LogSigner.from_seeds("portco.example/log", b"\x09" * 32, b"\x0a" * 32)
    head = cp.Checkpoint(origin="portco.example/log", size=1, root=b"r" * 32)
    with pytest.raises(NoteError):
        _policy("quorum none\n").judge(cp.sign_checkpoint(head, other, 0))


@pytest.mark.parametrize(
    "tail",
    [
        "",
        "quorum\n",
        "quorum none\nquorum none\n",
        "quorum nobody\n",
        "quorum none none\n",
        f"log {LOG.vkeys()[0]}\nquorum none\n",
        f"log {WITNESS_KEY}\nquorum none\n",
        f"witness a {LOG.vkeys()[0]}\nquorum none\n",
        f"witness none {WITNESS_KEY}\nquorum none\n",
        f"witness a {WITNESS_KEY}\nwitness b {WITNESS_KEY}\nquorum a\n",
        f"witness a {WITNESS_KEY}\nwitness a {THIRD_KEY}\nquorum a\n",
        f"witness a {WITNESS_KEY}\ngroup g 0 a\nquorum g\n",
        f"witness a {WITNESS_KEY}\ngroup g 2 a\nquorum g\n",
        f"witness a {WITNESS_KEY}\ngroup g 01 a\nquorum g\n",
        f"witness a {WITNESS_KEY}\ngroup g any a a\nquorum g\n",
        f"witness a {WITNESS_KEY}\ngroup g any a\ngroup h any a\nquorum h\n",
        f"witness a {WITNESS_KEY}\ngroup g any b\nquorum g\n",
        f"witness a {WITNESS_KEY}\ngroup g any none\nquorum g\n",
        f"group g any a\nwitness a {WITNESS_KEY}\nquorum g\n",
        "group g any\nquorum g\n",
        "LOG x\nquorum none\n",
        "quorum none\r\n",
        "quorum none # a comment\n",
    ],
)
def test_a_policy_in_any_other_form_is_refused(tail: str) -> None:
    with pytest.raises(NoteError):
        _policy(tail)


def test_octets_that_are_no_utf_8_stay_opaque_in_a_policy() -> None:
    data = f"# \xff\nwitness caf\xe9 {WITNESS_KEY}\nquorum caf\xe9\n".encode("latin-1")
    policy = cp.open_policy(data)
    assert policy.satisfied(policy.witnesses)


# --- proof files ------------------------------------------------------------------------------

LEAVES = [merkle.leaf_hash(bytes([n])) for n in range(7)]
TREE = cp.Checkpoint(origin=LOG.name, size=7, root=merkle.root_of(LEAVES))
TREE_NOTE = cp.sign_checkpoint(TREE, LOG, 1_795_334_400)
PATH = merkle.inclusion_path(
    4, 7, lambda level, i: merkle.perfect_root(LEAVES[i << level : (i + 1) << level])
)


@pytest.mark.parametrize("extra", [None, b"", b"\x00seen by telephone"])
def test_a_proof_file_comes_back_as_it_was_written_and_verifies(extra: bytes | None) -> None:
    data = cp.write_proof(4, PATH, TREE_NOTE, extra)
    assert data.endswith(TREE_NOTE)
    proof = cp.open_proof(data)
    assert (proof.index, proof.path, proof.extra) == (4, tuple(PATH), extra)
    proof.verify(LEAVES[4], _policy("quorum none\n"))
    with pytest.raises(ProofError, match="leads to root"):
        proof.verify(LEAVES[3], _policy("quorum none\n"))
    with pytest.raises(ProofError, match="too few witnesses"):
        proof.verify(LEAVES[4], _policy(f"witness east {WITNESS_KEY}\nquorum east\n"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"c2sp.org/tlog-proof@v1", b"c2sp.org/tlog-proof@v2"),
        (b"index 4", b"index 04"),
        (b"index 4", b"index"),
        (b"index 4\n", b""),
        (b"index 4", b"index -4"),
        (b"index 4", b"extra AB==\nindex 4"),
        (b"\n\n", b"\n"),
        (b"\n7\n", b"\n07\n"),
        (b"index 4\n", b"index 4\nAAAA\n"),
    ],
)
def test_a_proof_file_in_any_other_form_is_refused(old: bytes, new: bytes) -> None:
    data = cp.write_proof(4, PATH, TREE_NOTE)
    with pytest.raises(NoteError):
        cp.open_proof(data.replace(old, new, 1))
