"""The public record: read by anybody, written by nobody; every word with its source; both sides
alike."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.console.conftest import Client

from tocsin.cli import run
from tocsin.console.record_space import build
from tocsin.flows.public_record import CODER, PublicRecord
from tocsin.wiring.public_record import NAMES, bundles, public_record

EXTENSION = "extension-definition--b57c915e-ef34-559b-a164-4f7a58b7cd08"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
V1 = "note--5fe3130e-9405-5aaa-9070-b762cb444fe1"
V2 = "note--4cd9e3b1-1bb0-5cdc-8aa1-2edd4c64678f"
S10 = "note--91250bba-f595-5e7d-a4e0-b1163b24cb12"
# Of claims.md §2.6: (claim, as known at) → its level.
GOLDEN: dict[tuple[str, str], str | None] = {
    (V1, "2023-06-01"): "links-missing",
    (V1, "2024-04-15"): "links-missing",
    (V1, "2024-04-16"): "contested(links-missing)",
    (V1, ""): "contested(links-missing)",
    (V2, "2024-04-16"): "links-missing",
    (V2, ""): "links-missing",
    (S10, "2020-03-04"): "one-root",
    (S10, ""): "one-root",
    ("note--57fbfd88-02d5-5939-81de-3a9557646582", ""): "none-shown",
    ("note--1d6e0039-b1ea-53da-a971-b2f273dc0b34", ""): "none-shown",
    ("note--21d1a161-e219-554d-8efd-be96677a315d", ""): "none-shown",
    ("note--ba07fe3c-cd24-591a-af8c-8dce90404abb", ""): "none-shown",
    ("note--ffa0fb70-8f7b-565e-9737-512cdcec919f", ""): "none-shown",
    ("note--001c8e18-6660-5de4-8311-6450d8fcadb5", ""): None,
}


def reader(record: PublicRecord | None = None) -> Client:
    return Client(build(record or public_record(), clock=lambda: NOW))


def ids() -> list[str]:
    return [row["id"] for row in reader().get("/claims.json").json()["claims"]]


def test_every_page_opens_with_what_it_shows_and_says_who_coded_it() -> None:
    client = reader()
    for path in ("/claims", *(f"/claims/{id}" for id in ids())):
        page = client.get(path)
        assert page.status_code == 200
        main = page.text.partition('<main id="main"')[2]
        assert main.index("This page shows what has been shown, not what is true.") < 80
        assert CODER in page.text.partition("<main")[0]
        assert "sign in" not in page.text.casefold()


@pytest.mark.parametrize(("claim", "at"), GOLDEN)
def test_standings_hold_now_and_on_named_days(claim: str, at: str) -> None:
    page = reader().get(f"/claims/{claim}.json" + (f"?at={at}" if at else "")).json()
    assert page["now"]["level"] == GOLDEN[claim, at]


@pytest.mark.parametrize("name", NAMES)
def test_standings_are_the_expected_ones_to_the_digest(
    name: str, corpus: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the space's own page, and as a file for `tocsin standing`.

    The digests are those of the first coding; who speaks for whom was added since and moves none.
    """
    expected = json.loads(corpus("claims/disputes/expected.json").read_text("utf-8"))
    first = reader(PublicRecord([corpus(f"claims/disputes/{n}").read_bytes() for n in NAMES]))
    client = reader()
    assert run(["demo", "record", "--save", str(tmp_path)]) == 0
    capsys.readouterr()
    for one in expected["expected"][name.removesuffix(".json")]:
        at = one.get("at", "")
        path = f"/claims/{one['claim']}.json" + (f"?at={at}" if at else "")
        now, coded_first = (c.get(path).json()["now"] for c in (client, first))
        for found in (now, coded_first):
            assert found["level"] == one["level"], one["key"]
            assert {link["link"]: link["grade"] for link in found["links"]} == one["links"]
        assert coded_first["inputs_sha256"] == one["inputs_sha256"], one["key"]
        words = ["standing", str(tmp_path / name), "--claim", one["claim"], "--json"]
        assert run([*words, *(["--as-known", at] if at else [])]) == 0
        [told] = json.loads(capsys.readouterr().out)
        assert told["inputs_sha256"] == now["inputs_sha256"]
        assert told["level"] == one["level"]


@pytest.mark.parametrize("name", NAMES)
def test_the_coding_is_the_first_one_and_who_speaks_for_whom_and_what_grounds_are_called(
    name: str, corpus: Callable[[str], Path]
) -> None:
    def coded(raw: bytes) -> list[Any]:
        objects = json.loads(raw)["objects"]
        for one in objects:
            x = one.get("extensions", {}).get(EXTENSION, {})
            if x.get("role") in ("claim", "challenge"):
                added = ("capacity", "words_original", "reported_by_ref", "flags")
                for key in ("speaks_for_ref", *(added if x["role"] == "challenge" else ())):
                    x.pop(key, None)
                for key in ("modified", "external_references"):
                    del one[key]
            if one["type"] == "intrusion-set":
                for key in ("modified", "created_by_ref"):  # who gives the name is its coder
                    one.pop(key, None)
            if x.get("role") == "evidence":
                for key in ("modified", "name", "description"):
                    one.pop(key, None)
        return list(objects)

    assert coded(bundles()[name]) == coded(corpus(f"claims/disputes/{name}").read_bytes())


def words_of(one: dict[str, Any]) -> list[str]:
    x = one.get("extensions", {}).get(EXTENSION, {})
    return [x[key]["text"] for key in ("words", "words_original") if key in x]


def test_words_are_few_and_each_stands_beside_the_address_it_is_from() -> None:
    client = reader()
    shown = "\n".join(client.get(f"/claims/{id}").text for id in ids())
    for raw in bundles().values():
        assert re.search(rb"/(home|root|tmp|work|Users)/", raw) is None
        for one in json.loads(raw)["objects"]:
            for words in words_of(one):
                assert len(words.split()) <= 25, words
                urls = [r["url"] for r in one["external_references"] if "url" in r]
                x = one["extensions"][EXTENSION]
                urls += [x[k]["source_url"] for k in ("words", "words_original") if k in x
                         and "source_url" in x[k]]  # fmt: skip
                assert urls, one["id"]
                assert any(url in shown for url in urls), (one["id"], urls)


def test_whatever_would_write_is_refused_with_the_reason() -> None:
    client = reader()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        for path in ("/claims", f"/claims/{V1}", f"/claims/{V1}/answers", "/api/v1/statements"):
            answer = client.ask(method, path, headers={"sec-fetch-site": "none"})
            assert answer.status_code == 405, (method, path)
            problem = answer.json()
            assert "never written" in problem["detail"]
            assert "tocsin init" in problem["remedy"]
    page = client.get(f"/claims/{V1}").text
    assert 'method="post"' not in page
    assert "set-cookie" not in client.get("/claims").headers


def test_what_is_not_there_is_not_found() -> None:
    client = reader()
    for path in ("/claims/note--0", "/objects/" + "0" * 64, "/log", "/cases"):
        assert client.get(path).status_code == 404
    assert client.get("/claims.json?at=never").status_code == 400


def test_a_rival_brings_its_own_grounds_and_both_pages_show_both_sides() -> None:
    """A challenge that rests on a claim shows that one's grounds, as a page of it shows ours."""
    client = reader()
    first = client.get(f"/claims/{V1}").text
    assert f'It rests on <a href="/claims/{V2}">its own claim</a>, whose grounds these are' in first
    assert "disowned by its owner" in first
    second = client.get(f"/claims/{V2}.json").json()
    sides = {V1: client.get(f"/claims/{V1}.json").json()["positions"], V2: second["positions"]}
    shown = {id: {p["speaker"]["name"]: p["grounds"] for p in sides[id]} for id in sides}
    for name in ("Microsoft", "CVERC and 360"):
        assert shown[V1][name] == shown[V2][name] != []
    spoke = [p["speaker"]["name"] for p in second["positions"]]
    assert spoke == ["Microsoft", "CVERC and 360"]
    assert [one["name"] for one in second["swap"]] == ["CVERC and 360", "Microsoft"]
    assert "disowned by its owner" in client.get(f"/claims/{V2}").text
    assert "opinion--" not in client.get(f"/claims/{V2}").text


def test_what_the_grounds_are_is_said_for_every_side() -> None:
    client = reader()
    described = 0
    for id in ids():
        text = client.get(f"/claims/{id}").text
        for p in client.get(f"/claims/{id}.json").json()["positions"]:
            for g in p["grounds"]:
                described += g["description"] is not None
                assert g["kind"] == "assertion" or g["description"], g["name"]
                assert g["coder"]["name"] == CODER
                assert g["counts"] or g["reasons"], g["name"]  # why not is said, to every side
        assert "coded by" in text
    assert described >= 12
    rows = {row["id"]: row for row in client.get("/claims.json").json()["claims"]}
    assert (rows[S10]["rivals"], rows[S10]["critiques"]) == (0, 1), "a critique is no rival account"
    assert rows[V1]["rivals"] == rows[V2]["rivals"] == 1, "each is the other's rival"
    critique = client.get(f"/claims/{S10}.json").json()["positions"][1]
    assert [g["counts"] for g in critique["grounds"]] == [True]


def test_a_spokesman_is_shown_alike_for_a_charge_and_for_a_denial() -> None:
    """Nobody whose spokesman answered reads "no statement"; charges show theirs as well."""
    client = reader()
    both = 0
    for id in ids():
        page = client.get(f"/claims/{id}.json").json()
        silent = {one["name"] for one in page["silent"]}
        for p in page["positions"]:
            assert p["capacity"], p["word"]  # of whoever charges and of whoever answers
            if p["speaks_for"]:
                both += 1
                assert p["speaks_for"]["name"] not in silent
    assert both > 6
    denied = client.get(f"/claims/{V1}").text
    assert "denial by Lin Jian for China" in denied
    assert "no statement" not in denied
    [charge] = [r for r in client.get("/claims.json?by=China").json()["claims"]
                if r["word"] == "accusation"]  # fmt: skip
    assert (charge["speaker"]["name"], charge["speaks_for"]["name"]) == ("Mao Ning", "China")


PAIRS = (
    ("Microsoft", "China"),
    ("CVERC and 360", "Central Intelligence Agency"),
    ("Mao Ning", "United States"),
    ("Qihoo 360", "SentinelLABS"),
)


def test_exchanging_the_sides_changes_nothing_but_names() -> None:
    """Every page of the record twice: as it is, and with the organisations' names exchanged."""
    to = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}

    def renamed(names: dict[str, str]) -> Client:
        made = []
        for raw in bundles().values():
            data = json.loads(raw)
            for one in data["objects"]:
                if one["type"] == "identity":
                    one["name"] = names.get(one["name"], one["name"])
            made.append(json.dumps(data).encode())
        return reader(PublicRecord(made))

    # Tokens of one length, so that a name never stands in a speaker's own words.
    tokens = {name: f"Organisation {n:02d}" for n, name in enumerate(sorted(to))}
    one, two = renamed(tokens), renamed({name: tokens[to[name]] for name in to})
    exchange = {tokens[a]: tokens[b] for a, b in to.items()}
    for path in ("/claims", *(f"/claims/{id}" for id in ids())):
        here = re.sub("Organisation [0-9]{2}", lambda m: exchange[m[0]], one.get(path).text)
        there = two.get(path).text
        assert blanked(here) == blanked(there), path


def blanked(text: str) -> str:
    return re.sub(r"[0-9a-f]{64}|[0-9a-f]{12}…", "#", text)


def test_the_verb_lists_and_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "record", "--list"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("what has been shown, not what is true\n")
    assert CODER in said
    assert run(["demo", "record", "--claim", V1[:14], "--as-known", "2023-06-01", "--json"]) == 0
    [told] = json.loads(capsys.readouterr().out)
    assert told["level"] == "links-missing"
    assert run(["demo", "record", "--claim", "note--"]) == 1
    assert run(["demo", "record", "--list", "--save", "x"]) == 2


def test_a_translation_stands_under_the_original_and_says_whose_it_is() -> None:
    """An outlet prints another word than was said: it is not put into the speaker's mouth."""
    client = reader()
    page = client.get("/claims/note--57fbfd88-02d5-5939-81de-3a9557646582").text
    main = page.partition("<main")[2]
    assert main.index("无差别") < main.index("as translated") < main.index("discriminatory")
    assert "has it:" in main
    listed = client.get("/claims").text
    assert listed.index("无差别") < listed.index("discriminatory")


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1")


def test_the_tables_hold_what_the_pages_show_and_no_cell_is_computed() -> None:
    made = []
    for raw in bundles().values():
        data = json.loads(raw)
        for number, one in enumerate(data["objects"]):
            if "name" in one and one["type"] in ("identity", "grouping"):
                one["name"] = FORMULAS[number % len(FORMULAS)] + one["name"]
        made.append(json.dumps(data).encode())
    for client in (reader(), reader(PublicRecord(made))):
        found = client.get("/claims.csv")
        assert found.headers["content-type"] == "text/csv; charset=utf-8"
        head, *rows = csv.reader(io.StringIO(found.text, newline=""))
        assert [row[0] for row in rows] == ids()
        assert head[:3] == ["id", "type", "speaker"]
        for id in ids():
            page = client.get(f"/claims/{id}.json").json()
            _, *rows = csv.reader(io.StringIO(client.get(f"/claims/{id}.csv").text, newline=""))
            grounds = sum(max(1, len(p["grounds"])) for p in page["positions"])
            assert len(rows) == grounds + len(page["silent"])
            cells = [cell for row in rows for cell in row]
            assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r\n＝"))]


def test_the_verb_prints_the_tables_of_the_pages(capfdbinary: Any) -> None:
    client = reader()
    for words, path in (
        (["--csv"], "/claims.csv"),
        (["--csv", "--as-known", "2023-06-01"], "/claims.csv?at=2023-06-01"),
        (["--claim", V1, "--csv"], f"/claims/{V1}.csv"),
    ):
        capfdbinary.readouterr()
        assert run(["demo", "record", *words]) == 0
        assert capfdbinary.readouterr().out == client.get(path).content
    assert run(["demo", "record", "--csv", "--json"]) == 2


def test_as_known_then_leaves_out_what_came_later_and_says_so() -> None:
    client = reader()
    then = client.get(f"/claims/{V1}.json?at=2023-06-01").json()
    assert [p["speaker"]["name"] for p in then["positions"]] == ["Microsoft"]
    assert [one["name"] for one in then["silent"]] == ["China"]
    assert (then["later"], then["row"]["denials"], then["row"]["rivals"]) == (2, 0, 0)
    assert "came later" in client.get(f"/claims/{V1}?at=2023-06-01").text
    listed = client.get("/claims.json?at=2023-06-01").json()["claims"]
    assert all(row["said_at"] < "2023-06" for row in listed)
    assert len(listed) == 3


def test_an_answer_stands_in_its_own_language_as_a_charge_does() -> None:
    """The denial too was printed by an outlet in its own English."""
    page = reader().get("/claims/note--ffa0fb70-8f7b-565e-9737-512cdcec919f.json").json()
    charge, *_, denial = page["positions"]
    assert (charge["lang"], charge["gist"][:5]) == ("zh", "China")
    assert denial["word"] == "denial"
    reply = reader().get("/claims/note--57fbfd88-02d5-5939-81de-3a9557646582.json").json()
    assert [one["claim"] for one in reply["in_answer_to"]] == [page["row"]["id"]]
    assert "Said in answer to" in reader().get(f"/claims/{reply['row']['id']}").text
    assert denial["original_lang"] == "zh"
    assert denial["reported_by"]["name"] == "Cumhuriyet Daily"
    assert not denial["asked"]


def test_names_and_what_groups_share_are_pages_of_the_record_too() -> None:
    client = reader()
    assert "Volt Typhoon" in client.get("/names?name=volt-typhoon").text
    group = client.get("/names.json?name=Dark Power").json()["found"]["candidates"][0]
    assert group["source"] == CODER
    assert client.get(f"/overlap/{group['id']}").status_code == 200
