"""A PDF's lines put together again: words that were cut at line ends are somebody's words again."""

from __future__ import annotations

import re
import textwrap
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.importers import report
from tocsin.importers.unwrap import cleaned, in_print_order, unwrapped
from tocsin.reading.draft import Draft

VECTORS = Path(__file__).parents[2] / "vectors"

COLUMN = """Quarterly report of Kestrel Labs
Published 5 March 2026
The Nordmark Port Authority said on
Thursday that an outage of its crane
control system had been caused by a
deliberate intru-
sion. “Somebody came in through our
supplier’s account and switched oﬀ
the safety logic,” Director Ilse Brandt
told reporters.
Grey Heron named
Interior Minister Per Holm went further:
“The traces lead to the group we call Grey
Heron.”
– a first thing that was seen
– a second one
update-cranes[.]example
203.0.113[.]77
"""


def test_a_column_becomes_paragraphs() -> None:
    text, heads = unwrapped([COLUMN])
    assert heads == []
    assert text.split("\n\n") == [
        "Quarterly report of Kestrel Labs",
        "Published 5 March 2026",
        "The Nordmark Port Authority said on Thursday that an outage of its crane control system "
        "had been caused by a deliberate intrusion. “Somebody came in through our supplier’s "
        "account and switched off the safety logic,” Director Ilse Brandt told reporters.",
        "Grey Heron named",
        "Interior Minister Per Holm went further: “The traces lead to the group we call Grey "
        "Heron.”",
        "– a first thing that was seen",
        "– a second one",
        "update-cranes[.]example",
        "203.0.113[.]77\n",
    ]


def test_running_heads_are_left_out_and_told_and_a_sentence_goes_on_overleaf() -> None:
    pages = [
        f"Kestrel Labs, TLP:CLEAR\nThe operators of {word} said that the\nPage {n} of 4\n"
        for n, word in enumerate(("Nordhavn", "Lissow", "Ostrava", "Quarren"), 1)
    ]
    pages[1] = "Kestrel Labs, TLP:CLEAR\nnetwork was down on all the days of\nPage 2 of 4\n"
    text, heads = unwrapped(pages)
    assert heads == ["Kestrel Labs, TLP:CLEAR", "Page # of #"]
    assert "Nordhavn said that the network was down" in text
    assert "TLP" not in text
    assert "of 4" not in text


def test_a_compound_keeps_its_hyphen_where_the_text_has_both_words() -> None:
    page = "A group that the state has sponsored was called state-\nsponsored by the authority."
    text, _ = unwrapped([page])
    assert "called state-sponsored by" in text


def test_fonts_print_other_characters_for_letters() -> None:
    assert cleaned("oﬃce, brieﬁng, intru\u00adsion") == "office, briefing, intrusion"
    assert cleaned("利索 4 ⽉ 12 ⽇电，发⾔⼈奥杜亚说： “ 锡灯 ” ，⺠⽤") == (
        "利索4月12日电，发言人奥杜亚说：“锡灯”，民用"
    )
    assert in_print_order("ﻛﺎﺳﺘﺮال ﺗﻨﻔﻲ اﺧﺘﺮاق ﺳﺠﻞ اﻷراﺿﻲ")
    assert not in_print_order("كاسترال تنفي اختراق سجل الأراضي وقال الوزير")


@given(st.lists(st.text(st.sampled_from("ab Z.-“”\n1é你"), max_size=80), max_size=5))
def test_nothing_is_lost_but_hyphens_and_what_is_told(pages: list[str]) -> None:
    text, heads = unwrapped(pages)
    if heads or any(re.search(r"^[-–—\s]*\d{1,4}[-–—\s]*$", page, re.MULTILINE) for page in pages):
        return
    kept, came = ("".join(one.split()) for one in (text, "".join(pages)))
    assert kept.replace("-", "") == came.replace("-", "")


def _same(draft: Draft) -> tuple[str, str | None, bool]:
    return "".join(draft.words.split()), draft.speaker, draft.direct


@pytest.mark.parametrize("width", [42, 95])
def test_what_is_read_from_lines_is_what_is_read_from_the_text(width: int) -> None:
    """Of the drafts of every text by another hand, from lines as wide as a column or a page."""
    same = of = 0
    for path in sorted(VECTORS.glob("claims_*/*.txt")):
        head, _, rest = path.read_text().partition("\n-----\n")
        if "published:" not in head:
            continue
        text = re.sub(r"\[\[\d+ |\]\]", "", rest.partition("\n-----\n")[0])
        rows = [row for line in text.split("\n") for row in textwrap.wrap(line, width)]
        lines, _ = unwrapped(["\n".join(rows)])
        day = date(2026, 3, 3)
        wanted = [_same(one) for one in report.read(text.encode(), "a", published=day).drafts]
        found = {_same(one) for one in report.read(lines.encode(), "a", published=day).drafts}
        same, of = same + sum(one in found for one in wanted), of + len(wanted)
    assert of > 250
    assert same >= 0.95 * of


def test_hostile_lines_take_no_longer_than_others() -> None:
    for page in ("a" * 300_000, "a-\n" * 100_000, "aaaa bbbb\n" * 60_000, '."' * 150_000):
        text, _ = unwrapped([page, page])
        assert text
