"""`verify.py` alone: what it is made of, every vector there is, and how it answers as a program."""

from __future__ import annotations

import ast
import base64
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.record.dossier_case import (
    EAST,
    NORTH,
    POLICY_TEXT,
    QUORUM_TEXT,
    WITNESSES,
    usual,
)
from tests.unit.record.test_checkpoint import LOG, NOTE, THIRD_KEY, WITNESS_KEY

from tocsin.cases.sheet import render_sheet
from tocsin.errors import NoteError, SignatureError
from tocsin.record import checkpoint as cp
from tocsin.record import fork, keys, members
from tocsin.record import verify as alone
from tocsin.record.envelope import statement_id
from tocsin.record.keys import Signer
from tocsin.wiring.shipped import sheet_page

Corpus = Callable[[str], Path]
SOURCE = Path(alone.__file__)
STATEMENTS = Path(__file__).parents[2] / "vectors" / "record" / "statement"


# --- what it is made of -------------------------------------------------------------------------


def _imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add((node.module or "").partition(".")[0])
    return found


def test_it_imports_nothing_but_the_standard_library() -> None:
    assert _imports(ast.parse(SOURCE.read_text())) <= sys.stdlib_module_names


def test_nothing_of_ours_imports_it() -> None:
    for file in SOURCE.parents[1].rglob("*.py"):
        if file == SOURCE:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "tocsin.record":
                assert "verify" not in {name.name for name in node.names}, file
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None), *(name.name for name in node.names)]
                assert "tocsin.record.verify" not in names, file


def test_it_is_written_in_what_python_3_9_reads() -> None:
    tree = ast.parse(SOURCE.read_text(), feature_version=(3, 9))
    later = {"pairwise", "bit_count", "UTC", "StrEnum", "batched", "kw_only"}
    names = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    names |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    words = {k.arg for n in ast.walk(tree) if isinstance(n, ast.Call) for k in n.keywords}
    assert not later & names
    assert not {"strict", "slots", "kw_only"} & words
    # `X | Y` between types works from 3.10 on, and stands in annotations only, never evaluated.
    for node in tree.body:
        if isinstance(node, ast.Assign):
            assert not any(isinstance(n, ast.BitOr) for n in ast.walk(node))
    assert any(isinstance(n, ast.ImportFrom) and n.module == "__future__" for n in tree.body)


# --- Ed25519 ------------------------------------------------------------------------------------


def test_of_914_edge_vectors_exactly_one_passes(corpus: Corpus) -> None:
    vectors = json.loads(corpus("record/ed25519/ed25519vectors.json").read_bytes())
    expected = json.loads(corpus("record/ed25519/expected.json").read_bytes())
    passed = [
        v["number"]
        for v in vectors
        if alone.ed25519(bytes.fromhex(v["key"]), bytes.fromhex(v["sig"]), v["msg"].encode())
    ]
    assert len(vectors) == expected["total"] == 914
    assert passed == expected["strict_accepts"]


def _strict(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        keys.verify(public, signature, message)
    except SignatureError:
        return False
    return True


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=99), st.data())
def test_signatures_and_bent_ones_are_judged_as_libsodium_does(
    seed: bytes, message: bytes, data: st.DataObject
) -> None:
    signer = Signer.from_seed(seed, "cert.northland.example")
    signature = signer.sign(message)
    assert alone.ed25519(signer.public, signature, message)
    bent = bytearray(signature + signer.public)
    bent[data.draw(st.integers(0, 95))] ^= 1 << data.draw(st.integers(0, 7))
    forged = bytes(bent[64:]), bytes(bent[:64]), message
    assert not alone.ed25519(*forged)
    assert not _strict(*forged)


@given(st.binary(min_size=31, max_size=33))
def test_any_bytes_are_a_good_key_for_both_or_for_neither(public: bytes) -> None:
    try:
        keys.check_public(public)
        good = True
    except SignatureError:
        good = False
    assert alone.good_key(public) == good


# --- what a dossier holds ------------------------------------------------------------------------


def test_every_checker_knows_every_readme_that_was_ever_written() -> None:
    assert set(alone.READMES) == members.READMES
    script = (SOURCE.parents[1] / "console" / "static" / "verify.js").read_text()
    assert all(digest in script for digest in members.READMES)


# --- JSON, statements ---------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(STATEMENTS.glob("*.txt")), ids=lambda file: file.stem)
def test_every_statement_vector_is_judged_as_it_says(file: Path) -> None:
    head, _, payload = file.read_bytes().partition(b"\n\n")
    payload = payload.rstrip(b"\n")
    try:
        alone.check_payload(alone.open_json(payload), len(payload))
        good = True
    except alone.Refused:
        good = False
    assert good == (b"expect: ok" in head)


def test_full_rfc_8785_is_outside_the_profile(corpus: Corpus) -> None:
    with pytest.raises(alone.Refused, match="canonical"):
        alone.open_json(corpus("record/jcs/weird.expected.json").read_bytes())


@pytest.mark.parametrize(
    "data",
    [
        b"", b" 1", b"1 ", b"1.0", b"1e2", b"-0", b"01", b"NaN", b"Infinity", b'{"a":1,"a":1}',
        b'{"b":1,"a":1}', '{"é":1}'.encode(), b'"\\u0041"', b'"\\ud800"', b'"\xff"',
        b"\xef\xbb\xbf1", b"9007199254740992", b"9" * 5000, b"[" * 17 + b"]" * 17, b"[" * 90_000,
        b'"\\/"', b'"\\u000A"', b"'a'", b"[1,]",
    ],
)  # fmt: skip
def test_json_in_any_other_form_is_refused(data: bytes) -> None:
    with pytest.raises(alone.Refused):
        alone.open_json(data)


def test_json_in_its_form_is_taken() -> None:
    for data in (b"9007199254740991", b"[" * 16 + b"]" * 16, '"\\n\\u001fé€😀\x7f"'.encode()):
        assert alone.json_bytes(alone.open_json(data)) == data


# --- tree ---------------------------------------------------------------------------------------


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def test_every_inclusion_case_of_the_corpus_is_judged_as_it_says(corpus: Corpus) -> None:
    files = sorted(corpus("record/merkle/inclusion").rglob("*.json"))
    assert len(files) == 46
    for file in files:
        case = json.loads(file.read_text())
        path = [_bytes(item) for item in case["proof"] or []]
        given = (_bytes(case["leafHash"]), case["leafIdx"], case["treeSize"], path)
        if case["wantErr"]:
            with pytest.raises(alone.Refused):
                alone.check_inclusion(*given, _bytes(case["root"]))
        else:
            alone.check_inclusion(*given, _bytes(case["root"]))


def test_every_consistency_case_of_the_corpus_is_judged_as_it_says(corpus: Corpus) -> None:
    files = sorted(corpus("record/merkle/consistency").rglob("*.json"))
    assert len(files) == 54
    for file in files:
        case = json.loads(file.read_text())
        path = [_bytes(item) for item in case["proof"] or []]
        roots = (_bytes(case["root1"]), _bytes(case["root2"]))
        if case["wantErr"]:
            with pytest.raises(alone.Refused):
                alone.check_consistency(case["size1"], case["size2"], *roots, path)
        else:
            alone.check_consistency(case["size1"], case["size2"], *roots, path)


# --- notes, policy ------------------------------------------------------------------------------


def _signed_text(data: bytes) -> alone.Note:
    """A note whose text is no checkpoint, for the examples of others."""
    text, lines = alone.open_signed_text(data)
    return alone.Note(data=data, text=text, origin="", size=1, root=b"", lines=lines)


def test_the_note_of_the_specification_verifies(corpus: Corpus) -> None:
    key = alone.open_vkey(corpus("record/c2sp/note-good.vkey").read_text().strip())
    data = corpus("record/c2sp/note-good.txt").read_bytes()
    [line] = alone.signed_lines(_signed_text(data), [key])
    assert (line.key, line.counts) == (key, True)
    bent = data.replace(b"example message", b"example massage")
    with pytest.raises(alone.Refused, match="does not verify"):
        alone.signed_lines(_signed_text(bent), [key])


def test_the_checkpoint_of_the_specification_parses(corpus: Corpus) -> None:
    note = alone.open_note(corpus("record/c2sp/checkpoint-parse.txt").read_bytes())
    assert (note.origin, note.size) == ("example.com/behind-the-sofa", 20852163)
    assert [len(line.blob) for line in note.lines] == [64, 72]


def test_the_keys_and_notes_of_the_go_tools_are_judged_alike(corpus: Corpus) -> None:
    case = json.loads(corpus("record/note/golang-mod.json").read_text())
    known = [alone.open_vkey(text) for text in case["verifier_keys"].values()]
    for text in case["bad_verifier_keys"]:
        with pytest.raises(alone.Refused):
            alone.open_vkey(text)
    data = (case["text_of_both"] + "\n" + "\n".join(case["signatures"]) + "\n").encode()
    lines = alone.signed_lines(_signed_text(data), known)
    assert [line.key.name for line in lines] == ["PeterNeumann", "EnochRoot"]


def test_an_ml_dsa_line_is_named_and_counts_for_nothing() -> None:
    known = [alone.open_vkey(text) for text in LOG.vkeys()]
    one, two = alone.signed_lines(alone.open_note(NOTE), known)
    assert [(one.counts, two.counts)] == [(True, False)]
    assert alone.KIND_NAMES[two.key.kind] == "ml-dsa-44 not checked"
    head = f"log {LOG.vkeys()[1]}\n"
    with pytest.raises(alone.Refused, match="did not sign"):
        alone.Policy(f"{head}quorum none\n".encode()).judge(alone.open_note(NOTE))


_VKEYS = [*LOG.vkeys(), WITNESS_KEY, THIRD_KEY]
_TAILS = st.lists(
    st.one_of(
        st.builds("log {}".format, st.sampled_from(_VKEYS)),
        st.builds("witness {} {}".format, st.sampled_from("abg"), st.sampled_from(_VKEYS)),
        st.builds(
            "group {} {} {}".format,
            st.sampled_from("gh"),
            st.sampled_from(["all", "any", "1", "2", "0", "01"]),
            st.sampled_from(["a", "b", "a b", "a a", "g b", "none"]),
        ),
        st.builds("quorum {}".format, st.sampled_from(["none", "a", "b", "g", "h", "", "a b"])),
        st.sampled_from(["", "# x", "\t", "junk", "quorum none\r", "  \tquorum  a \t"]),
    ),
    max_size=7,
)


@given(_TAILS)
def test_any_policy_is_read_alike(rows: list[str]) -> None:
    data = "\n".join(rows).encode()
    ours = theirs = None
    with suppress(NoteError):
        theirs = cp.open_policy(data)
    with suppress(alone.Refused):
        ours = alone.Policy(data)
    assert (ours is None) == (theirs is None)
    if ours and theirs:
        assert (ours.quorum, ours.sha256) == (theirs.quorum, theirs.sha256)
        for names in ([], ["a"], ["b"], ["a", "b"]):
            held = [name for name in names if name in theirs.witnesses]
            assert ours.satisfied(held) == theirs.satisfied(held)


@given(st.binary(max_size=80) | st.just(NOTE), st.integers(0, 300), st.binary(max_size=3))
def test_any_bytes_are_a_note_for_both_or_for_neither(data: bytes, at: int, put: bytes) -> None:
    data = data[:at] + put + data[at + len(put) :]
    theirs = ours = None
    with suppress(NoteError):
        theirs = cp.open_checkpoint(cp.open_note(data).text)
    with suppress(alone.Refused):
        ours = alone.open_note(data)
    assert (theirs is None) == (ours is None)
    if theirs and ours:
        assert (theirs.origin, theirs.size, theirs.root) == (ours.origin, ours.size, ours.root)


# --- as a program -------------------------------------------------------------------------------


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Isolated from everything installed: no site-packages, no environment."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(SOURCE), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    case = usual()
    note = case.note(witnesses=dict.fromkeys(list(WITNESSES)[:2], 1_795_334_400))
    (tmp_path / "case.tocsin").write_bytes(case.dossier())
    (tmp_path / "quorum.tocsin").write_bytes(case.dossier(note=note))
    (tmp_path / "gap.tocsin").write_bytes(case.dossier(drop=[4]))
    (tmp_path / "policy.txt").write_text(POLICY_TEXT)
    (tmp_path / "quorum.txt").write_text(QUORUM_TEXT)
    (tmp_path / "root.json").write_bytes(case.root)
    return tmp_path


def test_a_good_dossier_is_verified_and_the_exit_code_is_0(folder: Path) -> None:
    done = _run(folder, "case.tocsin", "--policy", "policy.txt", "--root", "root.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "VERIFIED: who said it and when it was logged; nobody changed it." in done.stdout
    assert "ml-dsa-44 not checked" in done.stdout
    done = _run(folder, "quorum.tocsin", "--policy", "quorum.txt", "--root", "root.json", "--json")
    verdict = json.loads(done.stdout)
    assert (done.returncode, verdict["ok"], len(verdict["logs"][0]["witnesses"])) == (0, True, 2)


def test_a_bad_one_is_not_and_the_exit_code_is_3(folder: Path) -> None:
    done = _run(folder, "gap.tocsin", "--policy", "policy.txt", "--root", "root.json")
    assert done.returncode == 3
    assert "problem chain-gap at chain of cert.northland.example" in done.stdout
    done = _run(folder, "case.tocsin", "--policy", "policy.txt", "--json")
    assert [p["code"] for p in json.loads(done.stdout)["problems"]] == ["unanchored"]
    assert done.returncode == 3
    assert _run(folder, "case.tocsin", "--policy", "policy.txt", "--root", "none").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["case.tocsin"],
        ["case.tocsin", "--policy", "root.json"],
        ["case.tocsin", "--policy", "absent"],
        ["policy.txt", "--policy", "policy.txt"],
        ["absent", "--policy", "policy.txt"],
        [".", "--policy", "policy.txt"],
        ["case.tocsin", "--policy", "policy.txt", "--root", "absent"],
        ["case.tocsin", "case.tocsin", "case.tocsin", "--policy", "policy.txt"],
        ["case.tocsin", "--policy", "policy.txt", "--nonsense"],
    ],
)
def test_wrong_use_is_2_and_never_1(folder: Path, arguments: list[str]) -> None:
    done = _run(folder, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error" in done.stderr
    assert "Traceback" not in done.stderr


def test_foreign_text_reaches_no_terminal_as_a_command() -> None:
    assert alone.visible("a\x1b[31m\u202eb\x9bé") == "a\\x1b[31m\\u202eb\\x9bé"


# --- beside tocsin verify -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of each kind of file, good and bad."""
    folder = tmp_path_factory.mktemp("evidence")
    case, other = usual(), usual()
    note = case.note(witnesses=dict.fromkeys(WITNESSES, 1_795_334_400))
    other.say(NORTH, 77)
    case.say(EAST, 78)
    revoked = usual().revoke(EAST, "2026-11-01T00:00:00Z")
    proof = cp.write_proof(4, case.path(4, 8), note, statement_id(case.raws[4]).encode())
    split = fork.prove_fork(case.note(9), other.note(9))
    dossier = case.dossier(note=note)
    sheet = render_sheet(dossier, sheet_page())
    files = {
        "policy": QUORUM_TEXT.encode(),
        "none": POLICY_TEXT.encode(),
        "root": case.root,
        "revoked": revoked + b"\n",
        "say": case.raws[4] + b"\n",
        "good": dossier,
        "gap": case.dossier(note=note, drop=[4]),
        "other": other.dossier(),
        "longer": case.dossier(),
        "sheet": sheet,
        "damaged sheet": sheet[:-200].replace(b"tocsin-dossier", b"tocsin-dossie"),
        "proof": proof,
        "bare proof": cp.write_proof(4, case.path(4, 8), note),
        "bent proof": proof.replace(b"index 4", b"index 5"),
        "cut proof": proof[:100],
        "envelope": case.raws[4],
        "another": case.raws[5],
        "fork": fork.write_fork(split),
        "no fork": fork.write_fork(split).replace(b'"size', b'"sizE').replace(b"A", b"B", 1),
        "text": b"nothing at all",
        "empty": b"",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _tocsin(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tocsin", "--home", str(folder / "nobody"), "verify", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("good --policy policy --root root", 0),
        ("good --policy none --root none", 0),
        ("good --policy policy", 3),
        ("good --policy policy --root another", 3),
        ("good --policy policy --root empty", 3),
        ("good --policy policy --root root --directory revoked", 3),
        ("good --policy policy --root root --directory say", 2),
        ("good --policy policy --root root --directory root", 0),
        ("gap --policy policy --root root", 3),
        ("gap good --policy policy --root root", 0),
        ("other longer --policy none --root root", 3),
        ("other good --policy none --root root", 0),
        ("sheet --policy policy --root root", 0),
        ("damaged@sheet --policy policy --root root", 2),
        ("proof --policy policy", 0),
        ("proof envelope --policy policy", 0),
        ("proof another --policy policy", 3),
        ("proof proof --policy policy", 2),
        ("bare@proof --policy policy", 2),
        ("bare@proof envelope --policy policy", 0),
        ("bent@proof --policy policy", 3),
        ("cut@proof --policy policy", 2),
        ("fork --policy none", 0),
        ("no@fork --policy none", 3),
        ("fork good --policy none", 2),
        ("text --policy none", 2),
        ("empty --policy none", 2),
        ("good --policy text", 2),
        ("good good good --policy none", 2),
        ("absent --policy none", 2),
    ],
)
def test_it_answers_as_tocsin_verify_does(evidence: Path, arguments: str, code: int) -> None:
    words = [word.replace("@", " ") for word in arguments.split()]
    mine = _run(evidence, *words, "--json")
    theirs = _tocsin(evidence, *words, "--json")
    assert (mine.returncode, theirs.returncode) == (code, code), (mine, theirs)
    if code == 2:
        assert (mine.stdout, theirs.stdout) == ("", "")
        return
    left, right = json.loads(mine.stdout), json.loads(theirs.stdout)
    assert [(p["code"], p["where"]) for p in left.pop("problems")] == [
        (p["code"], p["where"]) for p in right.pop("problems")
    ]
    for log in [*left.get("logs", ()), *filter(None, [left.get("log")])]:
        log["signatures"] = [name.removesuffix(" not checked") for name in log["signatures"]]
    assert left == right
    assert _run(evidence, *words).returncode == code
    if "sheet" in words:
        assert "sheet: the page itself was not compared" in mine.stderr
