"""`verify.js` in a real browser: the same answers as the record's own code."""

from __future__ import annotations

import base64
import inspect
import json
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import new_context
from tests.properties.test_verify_agrees import TWO_LOGS, second_log
from tests.unit.record import dossier_case, test_dossier, test_dossier_views
from tests.unit.record.dossier_case import CASE, LOG, NORTH, ORIGIN, ROOTS, SIGNERS, usual

from tocsin import canonical
from tocsin.errors import CanonicalError, DossierError
from tocsin.record import checkpoint as cp
from tocsin.record import dossier as record
from tocsin.record import merkle
from tocsin.record.directory import NodeEntry, Party, genesis, registrars_of, root_of
from tocsin.record.envelope import leaf, sign, statement_id
from tocsin.record.keys import PublicKey, Signer
from tocsin.record.members import write_dossier
from tocsin.record.statement import compose, key_body

pytestmark = pytest.mark.browser

VERIFY_JS = Path(__file__).parents[2] / "src" / "tocsin" / "console" / "static" / "verify.js"
VECTORS = Path(__file__).parents[1] / "vectors" / "record" / "statement"
SECURE, PLAIN = "https://tocsin.example/", "http://tocsin.example/"


@pytest.fixture(scope="module")
def tab(chromium: Any) -> Any:
    """A page that has verify.js and nothing else; every request is answered from memory."""
    page = new_context(chromium).new_page()

    def answer(route: Any) -> None:
        if route.request.url.endswith("/verify.js"):
            body = VERIFY_JS.read_text(encoding="utf-8")
            route.fulfill(status=200, content_type="text/javascript", body=body)
        else:
            route.fulfill(
                status=200, content_type="text/html", body="<!doctype html><title>-</title>"
            )

    page.route("**/*", answer)
    return page


HELPERS = """
  const v = await import('/verify.js');
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
"""


def run(tab: Any, url: str, body: str, argument: Any) -> Any:
    """What `body` returns in a page at `url`, given `argument` as `given`."""
    if tab.url != url:
        tab.goto(url)
    return tab.evaluate(f"async (given) => {{ {HELPERS} {body} }}", argument)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


ED25519 = """
  const passed = [];
  for (const [number, key, sig, msg] of given) {
    if (await v.verifyEd25519(bytes(key), bytes(sig), bytes(msg))) passed.push(number);
  }
  return passed;
"""


@pytest.mark.parametrize("url", [SECURE, PLAIN], ids=["webcrypto", "bigint"])
def test_of_914_edge_vectors_exactly_one_passes(
    tab: Any, corpus: Callable[[str], Path], url: str
) -> None:
    vectors = json.loads(corpus("record/ed25519/ed25519vectors.json").read_bytes())
    expected = json.loads(corpus("record/ed25519/expected.json").read_bytes())
    given = [
        (
            v["number"],
            b64(bytes.fromhex(v["key"])),
            b64(bytes.fromhex(v["sig"])),
            b64(v["msg"].encode()),
        )
        for v in vectors
    ]
    assert run(tab, url, "return Boolean(crypto.subtle)", None) is (url == SECURE)
    assert run(tab, url, ED25519, given) == expected["strict_accepts"]


@pytest.mark.parametrize("url", [SECURE, PLAIN], ids=["webcrypto", "bigint"])
def test_our_signatures_pass_and_changed_ones_do_not(tab: Any, url: str) -> None:
    given = []
    for number in range(8):
        signer = Signer.from_seed(bytes([number]) * 32, "cert.northland.example")
        message = bytes(range(256)) * number
        signature = signer.sign(message)
        spoiled = bytearray(signature)
        spoiled[number * 8] ^= 1 << number
        key = b64(signer.public)
        given.append((number, key, b64(signature), b64(message)))
        given.append((100 + number, key, b64(bytes(spoiled)), b64(message)))
        given.append((200 + number, key, b64(signature), b64(message + b".")))
    assert run(tab, url, ED25519, given) == list(range(8))


def test_every_payload_vector_is_read_or_refused_as_it_says(tab: Any) -> None:
    cases = {}
    for path in sorted(VECTORS.glob("*.txt")):
        header, _, text = path.read_text(encoding="utf-8").partition("\n\n")
        expect = dict(line.split(": ", 1) for line in header.splitlines())["expect"]
        cases[path.stem] = (b64(text.removesuffix("\n").encode()), expect == "ok")
    body = """
      const wrong = [];
      for (const [name, [payload, good]] of Object.entries(given)) {
        let answer = true;
        try { v.readStatement(bytes(payload)); } catch (problem) {
          answer = ["schema", "canonical"].includes(problem.code) ? false : String(problem);
        }
        if (answer !== good) wrong.push([name, answer]);
      }
      return wrong;
    """
    assert len(cases) > 70
    assert run(tab, SECURE, body, cases) == []


# --- dossiers -----------------------------------------------------------------------------------

VERIFY = """
  const found = [];
  for (const [data, policy, root] of given) {
    const options = { policyText: policy, rootBytes: root === null ? null : bytes(root) };
    found.push(await v.verifyDossier(bytes(data), options));
  }
  return found;
"""

MLDSA = """
  const { publicKey } = await crypto.subtle.generateKey("ML-DSA-44", false, ["verify", "sign"])
    .catch(() => ({ publicKey: null }));
  return publicKey !== null;
"""

Given = tuple[bytes, cp.Policy | None, bytes | None]


def policy_text(policy: cp.Policy) -> str:
    """A policy as a file again."""
    rows = [f"log {key.text}" for key in policy.logs]
    rows += [f"witness {name} {key.text}" for name, key in policy.witnesses.items()]
    rows += [f"group {n} {g.threshold} {' '.join(g.members)}" for n, g in policy.groups.items()]
    return "\n".join([*rows, f"quorum {policy.quorum}", ""])


def verified(tab: Any, *given: Given, url: str = SECURE) -> list[dict[str, Any]]:
    """What the browser makes of each dossier."""
    rows = [
        (b64(data), policy and policy_text(policy), None if root is None else b64(root))
        for data, policy, root in given
    ]
    found: list[dict[str, Any]] = run(tab, url, VERIFY, rows)
    return found


def codes(outcome: dict[str, Any]) -> set[str]:
    return {problem["code"] for problem in outcome["problems"]}


def every_story(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Given, dict[str, Any]]]:
    """Every single dossier that the tests of the record verify, with the verdict it gets there."""
    heard: list[tuple[str, Given, dict[str, Any]]] = []
    name = ""

    def listen(
        files: Sequence[bytes],
        policy: cp.Policy | None,
        root: bytes | str | None,
        known: Sequence[record.Known] = (),
    ) -> record.Verdict:
        given = (files[0] if files else b"", policy, root if isinstance(root, bytes) else None)
        alone = len(files) == 1 and not known
        try:
            verdict = record.verify(files, policy, root, known=known)
        except DossierError:
            if alone:
                heard.append((name, given, {"problems": [{"code": "framing"}]}))
            raise
        if alone:
            heard.append((name, given, verdict.to_json()))
        return verdict

    for module in (test_dossier, test_dossier_views):
        monkeypatch.setattr(module, "verify", listen)
        for name, story in sorted(vars(module).items()):
            if not name.startswith("test_"):
                continue
            marks = [m for m in getattr(story, "pytestmark", ()) if m.name == "parametrize"]
            for values in marks[0].args[1] if marks else [()]:
                arguments = values if isinstance(values, tuple) else (values,)
                if len(arguments) == len(inspect.signature(story).parameters):
                    story(*arguments)
    return heard


def plain(verdict: dict[str, Any], policy: cp.Policy | None, *, second: bool) -> dict[str, Any]:
    """What both verdicts must say alike.

    Without are the words, and what the reader did not bring: a problem there, an open step here.
    """
    without = {"unanchored"} | ({"quorum"} if policy is None else set())
    told: dict[str, Any] = {"codes": sorted(codes(verdict) - without)}
    for name in ("case", "statements", "chains", "directory"):
        told[name] = verdict.get(name) or None
    for one in told["statements"] or ():
        one["problems"] = sorted(one["problems"])
    told["forks"] = [
        {key: value for key, value in one.items() if key != "detail" or one["explained"]}
        for one in verdict.get("forks") or ()
    ]
    told["logs"] = [
        {**one, "signatures": [s for s in one["signatures"] if second or s != "ml-dsa-44"]}
        for one in verdict.get("logs") or ()
    ]
    return told


def differing(
    stories: Sequence[tuple[str, Given, dict[str, Any]]], outcomes: Sequence[Any], *, second: bool
) -> list[tuple[str, str, Any, Any]]:
    """(name, field, the record's, the browser's) wherever the two disagree."""
    found = []
    for (name, (_, policy, _), verdict), outcome in zip(stories, outcomes, strict=True):
        mine = plain(verdict, policy, second=second)
        theirs = plain(outcome, policy, second=second)
        found += [
            (name, field, value, theirs[field])
            for field, value in mine.items()
            if value != theirs[field] and ("statements" in verdict or field == "codes")
        ]
    return found


def test_browser_and_record_give_the_same_verdict(
    tab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories = every_story(monkeypatch)
    outcomes = verified(tab, *(given for _, given, _ in stories))
    assert len(stories) > 90
    assert differing(stories, outcomes, second=run(tab, SECURE, MLDSA, None)) == []


MEMBERS = (
    "directory.jsonl",
    "statements.jsonl",
    "proofs.jsonl",
    "logs/0/checkpoint",
    "logs/0/history.jsonl",
)
ODD: tuple[Any, ...] = (None, True, 0, -1, 2**53 - 1, "", "x", [], {}, "\u00e9", "a" * 300)


def somewhere(value: Any, rng: random.Random) -> tuple[Any, Any]:
    """A random container in a JSON value, and a key of it."""
    places: list[tuple[Any, Any]] = []
    waiting = [value]
    for one in waiting:
        keys = list(one) if isinstance(one, dict) else range(len(one))
        places += [(one, key) for key in keys]
        waiting += [one[key] for key in keys if isinstance(one[key], dict | list)]
    return rng.choice(places)


def altered(value: Any, rng: random.Random) -> Any:
    """The value with one thing in it replaced, removed or doubled."""
    holder, key = somewhere(value, rng)
    what = rng.randrange(4)
    if what == 0:
        del holder[key]
    elif what == 1 or not isinstance(holder, dict):
        holder[key] = rng.choice(ODD)
    elif what == 2 and isinstance(holder[key], int):
        holder[key] += rng.choice((-1, 1))
    else:
        holder[rng.choice(("zz", "v", "case", "refs", "index", "tlp"))] = holder[key]
    return value


def hostile(members: dict[str, bytes], rng: random.Random) -> None:
    """One random change in one member, of bits, of lines, or of what a line says."""
    name = rng.choice(MEMBERS)
    rows = members[name].splitlines(keepends=True)
    at, other, what = rng.randrange(len(rows)), rng.randrange(len(rows)), rng.randrange(5)
    if what == 0 or (what > 2 and name == "logs/0/checkpoint"):
        data = bytearray(members[name])
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        members[name] = bytes(data)
        return
    if what == 1:
        rows[at], rows[other] = rows[other], rows[at]
    elif what == 2:
        del rows[at]
    else:
        line = canonical.decode(rows[at][:-1])
        if what == 3 and "payload" in line:
            said = altered(canonical.decode(canonical.b64decode(line["payload"])), rng)
            line["payload"] = canonical.b64encode(canonical.encode(said))
        rows[at] = canonical.encode(line if what == 3 else altered(line, rng)) + b"\n"
    members[name] = b"".join(rows)


def test_browser_and_record_agree_on_what_a_forger_might_try(tab: Any) -> None:
    case, rng = usual(), random.Random(20261122)
    times = {"gridco.example": 1_795_334_500, "portco.example": 1_795_334_900}
    older = [case.note(5, {name: time - 400 for name, time in times.items()})]
    honest = case.dossier(note=case.note(witnesses=times), older=older, withhold=[5])
    given: list[Given] = []
    while len(given) < 120:
        with suppress(CanonicalError):  # what cannot even be written tells nothing
            data = test_dossier._reframed(honest, lambda members: hostile(members, rng))
            given.append((data, dossier_case.QUORUM, case.root))
    stories = [
        (str(number), one, record.verify([one[0]], one[1], one[2]).to_json())
        for number, one in enumerate(given)
    ]
    outcomes = verified(tab, *given)
    second = run(tab, SECURE, MLDSA, None)
    if not second:
        # This browser cannot see what only the second signature of the log gives away.
        blind = [number for number, (_, _, v) in enumerate(stories) if "checkpoint" in codes(v)]
        stories = [one for number, one in enumerate(stories) if number not in blind]
        outcomes = [one for number, one in enumerate(outcomes) if number not in blind]
    assert differing(stories, outcomes, second=second) == []
    assert sum(not verdict["ok"] for _, _, verdict in stories) > 60


@pytest.mark.parametrize("url", [SECURE, PLAIN], ids=["webcrypto", "bigint"])
def test_an_honest_dossier_verifies_step_by_step(tab: Any, url: str) -> None:
    case = usual()
    [outcome] = verified(tab, (case.dossier(), dossier_case.POLICY, case.root), url=url)
    assert outcome["ok"], outcome["problems"]
    assert outcome["case"] == CASE
    assert [step["n"] for step in outcome["steps"]] == list(range(1, 15))
    answers = {step["title"]: step["ok"] for step in outcome["steps"]}
    still_open = [title for title, ok in answers.items() if ok is None]
    second = "The log's second signature (ML-DSA-44)"
    assert still_open == ([second] if url == PLAIN or not run(tab, url, MLDSA, None) else [])
    assert len(outcome["statements"]) == 8
    assert all(one["signature"] and one["included"] for one in outcome["statements"])


def test_a_forged_second_signature_fails_where_the_browser_can_check_it(tab: Any) -> None:
    case = usual()
    note = cp.open_note(case.note())
    first, second = note.lines
    forged = cp.NoteLine(name=second.name, keyid=second.keyid, blob=second.blob[:-1] + b"x")
    bad = cp.write_note(note.text, [first, forged])
    data = test_dossier._reframed(case.dossier(), lambda m: m.update({"logs/0/checkpoint": bad}))
    given = (data, dossier_case.POLICY, case.root)
    assert not record.verify([data], dossier_case.POLICY, case.root).ok
    [outcome] = verified(tab, given)
    if run(tab, SECURE, MLDSA, None):
        assert "checkpoint" in codes(outcome)
        assert outcome["steps"][6]["ok"] is False
    [outcome] = verified(tab, given, url=PLAIN)
    assert outcome["steps"][6] == {
        "n": 7,
        "title": "The log's second signature (ML-DSA-44)",
        "ok": None,
        "detail": "not checked here; tocsin verify",
    }


def test_what_the_reader_did_not_bring_is_an_open_step(tab: Any) -> None:
    case = usual()
    [outcome] = verified(tab, (case.dossier(), None, None))
    still_open = [step["n"] for step in outcome["steps"] if step["ok"] is None]
    assert outcome["ok"]
    assert still_open in ([4, 8], [4, 7, 8])
    from tocsin.record.directory import fingerprint

    assert outcome["fingerprint"] == fingerprint(case.root)
    assert fingerprint(case.root) in outcome["steps"][3]["detail"]


def test_another_root_than_the_readers_fails_at_the_root(tab: Any) -> None:
    case, other = usual(), dossier_case.Case(vkeys=False)
    [outcome] = verified(tab, (case.dossier(), dossier_case.POLICY, other.root))
    assert [step["n"] for step in outcome["steps"] if step["ok"] is False] == [4, 5]


def test_a_policy_that_cannot_be_read_is_said_and_nothing_passes(tab: Any) -> None:
    case = usual()
    body = """
      const outcome = await v.verifyDossier(bytes(given), { policyText: "trust everybody" });
      return outcome;
    """
    outcome = run(tab, SECURE, body, b64(case.dossier()))
    assert not outcome["ok"]
    assert codes(outcome) == {"policy"}
    assert "trust everybody" in outcome["steps"][7]["detail"]
    assert not any(step["ok"] for step in outcome["steps"])


def test_an_option_that_does_not_exist_is_refused(tab: Any) -> None:
    body = """
      return v.verifyDossier(new Uint8Array(), { policy: "none" }).then(String, String);
    """
    assert "unknown option policy" in run(tab, SECURE, body, None)


def smallest() -> tuple[bytes, bytes]:
    """A dossier of one party, one key and one statement, without ML-DSA; and its root."""
    root, desk = ROOTS[NORTH], SIGNERS[NORTH]
    party = Party(
        id=NORTH,
        name="N",
        root=root_of([PublicKey.of(root.public)]),
        identity="identity--00000001-0000-4000-8000-000000000000",
        nodes=(NodeEntry(origin=ORIGIN, log_vkeys=LOG.vkeys()[:1]),),
    )
    raws: list[bytes] = []

    def enter(signer: Signer, kind: str, body: dict[str, Any], case: str | None = None) -> None:
        before = raws[-1:] if case is None else []
        payload = compose(
            author=NORTH,
            key=signer.keyid,
            kind=kind,
            seq=len(raws) + 1 if case is None else 1,
            prev=statement_id(before[0]) if before else "",
            time="2026-11-22T08:30:00Z",
            salt="0" * 32,
            tlp="CLEAR",
            body=body,
            case=case,
        )
        raws.append(sign(payload, [signer]))

    enter(root, "directory", genesis(registrars_of([(NORTH, PublicKey.of(root.public))]), [party]))
    enter(root, "key", key_body(desk.public))
    enter(desk, "act", {"event": "case.open"}, CASE)
    leaves = [leaf(raw) for raw in raws]

    def get(level: int, index: int) -> bytes:
        return merkle.perfect_root(leaves[index << level : (index + 1) << level])

    head = cp.Checkpoint(origin=ORIGIN, size=3, root=merkle.root_of(leaves))
    data = write_dossier(
        case=CASE,
        origin=ORIGIN,
        checkpoint=cp.sign_checkpoint(head, LOG, 0),
        statements=[(2, statement_id(raws[2]), raws[2])],
        directory=list(enumerate(raws[:2])),
        path=lambda index, size: merkle.inclusion_path(index, size, get),
        objects={},
    )
    return data, raws[0]


def test_every_single_changed_byte_of_a_dossier_is_refused(tab: Any) -> None:
    data, root = smallest()
    body = """
      const data = bytes(given.data);
      const options = { policyText: given.policy, rootBytes: bytes(given.root) };
      const taken = [];
      if (!(await v.verifyDossier(data, options)).ok) return "the honest one is refused";
      for (let at = 0; at < data.length; at++) {
        const bit = 1 << (at % 8);
        data[at] ^= bit;
        if ((await v.verifyDossier(data, options)).ok) taken.push(at);
        data[at] ^= bit;
      }
      return taken;
    """
    policy = policy_text(dossier_case.POLICY)
    given = {"data": b64(data), "policy": policy, "root": b64(root)}
    assert len(data) < 8_000
    assert run(tab, SECURE, body, given) == []


def test_a_tampered_copy_fails_at_the_entry_and_the_original_is_untouched(tab: Any) -> None:
    case = usual()
    body = """
      const data = bytes(given.data);
      const copy = v.tamper(data, 2);
      const options = { policyText: given.policy, rootBytes: bytes(given.root) };
      const outcome = await v.verifyDossier(copy.bytes, options);
      const again = bytes(given.data);
      const untouched = data.every((byte, at) => byte === again[at]);
      const failed = outcome.steps.filter((step) => step.ok === false);
      return { untouched, failed, index: copy.index, before: copy.before, after: copy.after };
    """
    given = {
        "data": b64(case.dossier()),
        "policy": dossier_case.POLICY_TEXT,
        "root": b64(case.root),
    }
    found = run(tab, SECURE, body, given)
    assert found["untouched"]
    assert found["index"] == 5
    assert found["before"] == statement_id(case.raws[5])
    assert found["after"] != found["before"]
    failed = {step["title"]: step["detail"] for step in found["failed"]}
    assert "entry 5: leads to" in failed["Every statement leads to the checkpoint's root"]
    assert "Every signature verifies under the strict rule" in failed
    assert "The file has the one exact form of a dossier" not in failed


def test_browser_and_record_judge_a_file_of_two_logs_alike(tab: Any) -> None:
    case = usual()
    case.revoke(dossier_case.EAST, "2026-11-22T08:00:00Z")
    case.say(NORTH, 60)
    every = list(range(len(case.raws)))
    times = dict.fromkeys(dossier_case.WITNESSES, 1_795_334_400)
    policy = cp.open_policy(TWO_LOGS.encode())
    data = [
        second_log(
            case, order, case.dossier(note=case.note(witnesses=times), withhold=hidden), time
        )
        for hidden in ((), (4, 6), (5,))
        for order in (every, every[::-1], [0, 2, 1, *every[:5:-1]])
        for time in (1_795_334_000, 1_795_335_000, None)
    ]
    given: list[Given] = [(one, policy, case.root) for one in data]
    stories = [
        (str(number), one, record.verify([one[0]], policy, case.root).to_json())
        for number, one in enumerate(given)
    ]
    assert {s["key"] for _, _, v in stories for s in v["statements"]} > {"valid", "suspect"}
    second = run(tab, SECURE, MLDSA, None)
    assert differing(stories, verified(tab, *given), second=second) == []
