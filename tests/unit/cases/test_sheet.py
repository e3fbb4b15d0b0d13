"""The sheet: a pure function of the dossier, readable, honest about what it is not."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.cases.sheet_case import (
    AT,
    MINISTRY,
    WHO,
    claim,
    dated,
    disputed,
    number,
    page,
)
from tests.unit.record.dossier_case import EAST, NORTH, POLICY, Case

from tocsin.cases.sheet import (
    MAX_DOSSIER,
    compare_sheet,
    is_sheet,
    open_sheet,
    pieces,
    render_sheet,
)
from tocsin.claims import write
from tocsin.errors import (
    DossierError,
    RenderingError,
    TocsinError,
    UnreadableError,
    VerificationError,
)
from tocsin.record.directory import fingerprint
from tocsin.record.dossier import verify

CASE = disputed()
DOSSIER = CASE.dossier()
PAGE = page()
SHEET = render_sheet(DOSSIER, PAGE)
HTML = SHEET.decode()


class Words(HTMLParser):
    """What a reader sees, element by element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.text.append(" ".join(data.split()))


def seen(html: str = HTML) -> str:
    return " ".join(Words(html).text)


def test_a_sheet_is_the_same_bytes_for_the_same_dossier() -> None:
    assert render_sheet(DOSSIER, page()) == SHEET


def test_the_dossier_is_read_back_byte_for_byte() -> None:
    assert is_sheet(SHEET)
    assert open_sheet(SHEET) == DOSSIER
    assert compare_sheet(SHEET, PAGE) == DOSSIER
    assert verify([open_sheet(SHEET)], POLICY, CASE.root).ok


def test_it_says_first_what_it_is_not() -> None:
    first = Words(HTML[HTML.index("<body>") :]).text[0]
    assert first == "What has been shown, not what is true."
    assert "who said what and when" in seen()
    assert "does not prove that any of it is true" in seen()


def test_the_fingerprint_to_compare_stands_on_it() -> None:
    assert fingerprint(CASE.root) in seen()


def test_a_claim_shows_speaker_words_links_grades_and_coder() -> None:
    text = seen()
    assert "They ran the wiper against our grid." in text
    assert re.search(r"Northland : accusation , 2026-11-19 .* Coded by Northland", text)
    assert "links-missing" in text
    assert re.search(r"activity one-root stated, not shown", text)
    assert re.search(r"sponsor none-shown no grounds shown here", text)
    assert "Two log extracts telemetry , described , for activity made by Northland" in text
    assert "evidence that is not in this file , withheld , for actor" in text


def test_answers_stand_beside_the_claim_at_equal_size_and_silence_is_said() -> None:
    parsed = Words(HTML)
    columns = [attrs for tag, attrs in parsed.tags if attrs.get("class") == "position"]
    assert len(columns) == 3
    text = seen()
    place = [text.index(word) for word in ("denial", "We did no such thing.", "no statement")]
    assert place == sorted(place)
    assert "Ministry of Eastmere no statement" in text
    assert "signed by Eastmere, at place 7 of the log" in text


def test_indicators_say_whose_they_are_and_which_are_withdrawn() -> None:
    text = seen()
    assert "[domain-name:value = 'h6.northland.example'] 2026-11-20T09:00:00.000Z Northland" in text
    assert text.count("withdrawn by its author, place 10") == 1
    assert "No hit is not clean" in text


def test_parties_show_what_they_are_in_the_case_and_what_they_said() -> None:
    assert "Eastmere cert.eastmere.example responder, joined 2" in seen()


def test_what_is_withheld_is_said() -> None:
    assert "Nothing: every statement of this case" in seen()
    less = render_sheet(CASE.dossier(withhold=[7]), PAGE).decode()
    assert "1 statement of this case is not for you." in seen(less)
    assert "We did no such thing." not in less
    digest = next(iter(sorted(CASE.objects)))
    without = render_sheet(CASE.dossier(without=[digest]), PAGE).decode()
    assert "Objects that statements name and that are not in this file" in seen(without)


def test_a_case_without_claims_says_so() -> None:
    empty = Case()
    empty.enter("cert.northland.example", "act", {"event": "case.leave"})
    assert "No claim has been made in this case" in seen(
        render_sheet(empty.dossier(), PAGE).decode()
    )


def test_the_page_asks_for_nothing_from_outside() -> None:
    parsed = Words(HTML)
    for _, attrs in parsed.tags:
        assert not {"src", "href", "style", "srcdoc", "action"} & attrs.keys()
        assert not any(name.startswith("on") for name in attrs)
    assert {tag for tag, _ in parsed.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "article"),
        *("h1", "h2", "h3", "h4", "p", "ul", "li", "strong", "em", "span", "bdi", "code", "div"),
        *(
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "blockquote",
            "details",
            "summary",
            "script",
        ),
    }


def test_its_policy_allows_its_own_script_and_style_and_nothing_else() -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', HTML)
    assert policy is not None
    [style] = re.findall(r"<style>(.*?)</style>", HTML, re.DOTALL)
    [script] = re.findall(r'<script type="module">(.*?)</script>', HTML, re.DOTALL)

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert f"script-src 'sha256-{digest(script)}';" in policy[1]
    assert f"style-src 'sha256-{digest(style)}';" in policy[1]
    assert "unsafe" not in policy[1]


HOSTILE = '<script>alert(1)</script> \u202ebidi \u200bzero & "quotes" </main> {{ 7*7 }} \' \x07'


def test_hostile_words_stay_words() -> None:
    case = disputed(words=HOSTILE, title=HOSTILE)
    html = render_sheet(case.dossier(), PAGE).decode()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "\u202e" not in html
    assert "\u200b" not in html
    assert "U+202E" in seen(html)
    assert "{{ 7*7 }}" in html
    tags = [tag for tag, _ in Words(html).tags if tag == "script"]
    assert len(tags) == 2


def test_characters_that_nobody_would_see_are_named() -> None:
    assert pieces("a\u202eb") == [(False, "a"), (True, "U+202E"), (False, "b")]
    assert pieces("plain\ttext\n") == [(False, "plain\ttext\n")]
    assert pieces("\U000e0041") == [(True, "U+E0041")]
    assert pieces("Ünïcode 无差别 הלך") == [(False, "Ünïcode 无差别 הלך")]


def test_every_hostile_string_is_cut_into_harmless_runs(corpus: Callable[[str], Path]) -> None:
    strings = json.loads(corpus("console/untrusted-strings.json").read_bytes())["strings"]
    checked = [one for one in strings if "text" in one]
    for one in checked:
        chips = {run for chip, run in pieces(one["text"]) if chip}
        assert chips == set(one.get("chips", ())), one["id"]
    texts = [one["text"] for one in checked]
    claims = [claim(100 + n, text) for n, text in enumerate(texts)]
    case = disputed(title=texts[0])
    case.enter(NORTH, "say", {}, objects=claims, tlp="GREEN")
    html = render_sheet(case.dossier(), PAGE).decode()
    allowed = {tag for tag, _ in Words(HTML).tags}
    assert {tag for tag, _ in Words(html).tags} <= allowed
    assert all(not name.startswith("on") for _, attrs in Words(html).tags for name in attrs)


def test_two_sides_that_did_the_same_are_shown_in_the_same_order() -> None:
    """Whatever ids chance has given to their grounds."""
    case = Case()
    kinds = ("telemetry", "opsec-slip", "testimony")
    for side, (party, ids) in enumerate(((NORTH, (11, 12, 13)), (EAST, (23, 22, 21)))):
        own, other = WHO[party], WHO[EAST if party == NORTH else NORTH]
        objects = [
            claim(
                30 + side,
                "They did it.",
                created_by_ref=own,
                speaker_ref=own,
                addressee_refs=[other],
                names={"sponsor_ref": other},
            )
        ]
        for kind, n in zip(kinds, ids, strict=True):
            objects.append(
                write.evidence_object(
                    id=number("grouping", n),
                    created=AT,
                    created_by_ref=own,
                    name=f"Grounds of {kind}",
                    kind=kind,
                    producer_refs=[own],
                    access="described",
                )
            )
            objects.append(
                write.link_object(
                    id=number("relationship", n),
                    created=AT,
                    created_by_ref=own,
                    kind="supports",
                    source_ref=number("grouping", n),
                    target_ref=number("note", 30 + side),
                    links=["actor"],
                )
            )
        case.enter(party, "say", {}, objects=objects, tlp="GREEN")
    text = seen(render_sheet(case.dossier(), PAGE).decode())
    first, second = text.split("1. They did it.")[1].split("2. They did it.")
    order = [sorted(kinds, key=part.index) for part in (first, second)]
    assert order[0] == order[1]
    assert "Eastmere no statement" in first
    assert "Northland no statement" in second


def test_an_answer_shows_what_it_answers() -> None:
    case = disputed()
    reply = claim(
        40,
        "There is nothing to stop.",
        claim_type="position",
        created_by_ref=WHO[EAST],
        speaker_ref=WHO[EAST],
        addressee_refs=[WHO[NORTH]],
        names=None,
        asserted_at=dated("2026-11-21"),
    )
    answers = write.link_object(
        id=number("relationship", 41),
        created=AT,
        created_by_ref=WHO[EAST],
        kind="answers",
        source_ref=number("note", 40),
        target_ref=number("note", 1),
        answer="premise-denied",
    )
    case.enter(EAST, "say", {}, objects=[reply, answers], tlp="GREEN")
    charge, reply_shown = seen(render_sheet(case.dossier(), PAGE).decode()).split(
        "2. There is nothing to stop."
    )
    assert "position, answer: premise-denied" in charge
    assert "accusation, which this answers" in reply_shown
    assert "own confidence" not in reply_shown


def test_whose_spokesman_answered_is_not_called_silent_and_both_sides_say_for_whom() -> None:
    case = disputed()
    more: dict[str, Any] = {"capacity": "spokesperson", "speaks_for_ref": MINISTRY}
    answer = write.challenge_object(
        id=number("opinion", 60),
        created=AT,
        created_by_ref=WHO[EAST],
        target=number("note", 1),
        form="request",
        speaker_ref=WHO[EAST],
        asserted_at=dated("2026-11-21"),
        words={"text": "Show it.", "lang": "en", "source_url": "https://e.example/"},
        **more,
    )
    charge = claim(61, "They did it again.", **{**more, "speaks_for_ref": WHO[EAST]})
    case.enter(EAST, "say", {}, objects=[answer], tlp="GREEN")
    case.enter(NORTH, "say", {}, objects=[charge], tlp="GREEN")
    first, second = seen(render_sheet(case.dossier(), PAGE).decode()).split("2. They did it again.")
    assert "request spokesperson for Ministry of Eastmere" in first
    assert "Ministry of Eastmere no statement" not in first
    assert "accusation spokesperson for Eastmere" in second
    assert "Ministry of Eastmere no statement" in second


def test_words_published_in_anothers_name_are_left_out_and_said() -> None:
    case = disputed()
    forged = claim(50, "We did it after all.", created_by_ref=WHO[NORTH], speaker_ref=WHO[NORTH])
    case.enter(EAST, "say", {}, objects=[forged], tlp="GREEN")
    text = seen(render_sheet(case.dossier(), PAGE).decode())
    assert "We did it after all." not in text
    assert re.search(r"left out of weighing: note--\S+ says it is published by identity--0+-", text)


def test_a_withdrawn_object_that_was_not_given_says_who_took_it_back() -> None:
    case = disputed()
    gone = next(d for d, raw in case.objects.items() if b"h7.northland" in raw)
    text = seen(render_sheet(case.dossier(without=[gone]), PAGE).decode())
    assert "said by Northland, withdrawn by its author at place 10" in text


# --- altered ones ---------------------------------------------------------------------------------


def accepted(sheet: bytes) -> bool:
    """Whether page and dossier both pass, as `tocsin verify SHEET` asks."""
    try:
        return verify([compare_sheet(sheet, PAGE)], POLICY, CASE.root).ok
    except TocsinError:
        return False


def test_every_changed_byte_of_a_sheet_is_refused() -> None:
    start = SHEET.index(b'id="tocsin-dossier">') + 20
    end = SHEET.index(b"</script>", start)
    assert accepted(SHEET)
    outside = [*range(0, start, 97), *range(end, len(SHEET), 997)]
    for at in (*outside, *range(start, end, 509), start, end - 1, end, len(SHEET) - 1):
        spoiled = bytearray(SHEET)
        spoiled[at] ^= 1
        assert not accepted(bytes(spoiled)), at


def test_a_changed_word_is_named_with_its_place() -> None:
    spoiled = SHEET.replace(b"We did no such thing.", b"We did that very thing")
    at = SHEET.index(b"We did no such thing.") + 7
    with pytest.raises(VerificationError, match=f"at byte {at}"):
        compare_sheet(spoiled, PAGE)


def test_bytes_after_the_end_are_found() -> None:
    with pytest.raises(VerificationError):
        compare_sheet(SHEET + b"<!-- -->", PAGE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!doctype html><title>news</title>",
        SHEET[: len(SHEET) // 4],
        SHEET.replace(b'id="tocsin-dossier">UEsD', b'id="tocsin-dossier">!!!!'),
        b" " + SHEET,
    ],
)
def test_what_is_no_sheet_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        compare_sheet(data, PAGE)


def test_a_sheet_around_something_else_is_refused() -> None:
    inner = base64.b64encode(DOSSIER)
    other = SHEET.replace(inner, base64.b64encode(b"no dossier at all"))
    with pytest.raises(DossierError):
        compare_sheet(other, PAGE)


def test_a_dossier_too_large_for_a_page_is_refused() -> None:
    with pytest.raises(RenderingError, match="at most"):
        render_sheet(bytes(MAX_DOSSIER + 1), PAGE)


def test_a_number_as_high_as_numbers_go_takes_no_memory() -> None:
    case = Case()
    case.say(EAST, 1)
    case.say(EAST, 2, seq=2**53 - 1)
    with pytest.raises(RenderingError, match="more gaps"):
        render_sheet(case.dossier(), page())


def test_a_page_that_cannot_be_made_again_is_not_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.cases.sheet.MAX_DOSSIER", 10)
    with pytest.raises(VerificationError, match="no page is made"):
        compare_sheet(SHEET, page())


def test_a_style_that_would_close_its_element_is_refused() -> None:
    for style in ("</style><script>", "a{}\r\n"):
        with pytest.raises(RenderingError):
            render_sheet(DOSSIER, msgspec.structs.replace(PAGE, style=style))
