"""The day a document gives as its own: found where documents print it, and nowhere else."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from tocsin.reading.published import own_day, printed_days, whole_day
from tocsin.reading.tongues import language_of

VECTORS = Path(__file__).parents[2] / "vectors"
PROSE = (
    "The port authority said on Thursday that an outage of its crane control system two days "
    "earlier had been caused by an intrusion through its supplier's account."
)


def day_of(text: str, lang: str | None = "en") -> date | None:
    own = own_day(printed_days(text, lang))
    return own.day if own else None


@pytest.mark.parametrize(
    "head",
    [
        "Published: 5 March 2026",
        "Cranes stopped\nBy Ana Brisk | Published March 5, 2026 | Updated 19 April 2026",
        "Release date:\n2026-03-05",
        "Posted on Thursday, March 5th, 2026",
        "Date | 05.03.2026",
        "Cranes stopped\n5 March 2026",
        "Cranes stopped\nThursday, 5 March 2026, 14:30 GMT",
        "Cranes stopped\n*5 Mar. 2026, by Ana Brisk*",
        "Cranes stopped\nBy Ana Brisk 5 March 2026",
        "Ministry of Transport of Nordmark, 5 March 2026",
        "Transcript: Morning Desk | 2026/03/05",
        "Foreign Ministry Spokesperson Mira Tal's Regular Press Conference on March 5, 2026",
        "Cranes stopped (05/03/2026)\nPublished 5 March 2026",
        "NORDHAVN 5 March 2026 (Coastwire) — Cranes stopped",
    ],
)
def test_a_day_in_the_head_is_the_documents_own(head: str) -> None:
    assert day_of(f"{head}\n\n{PROSE}\n") == date(2026, 3, 5)


@pytest.mark.parametrize(
    "line",
    [
        "NORDHAVN, 5 March 2026 - ",
        "NORDHAVN, March 5, 2026 (Coastwire) — ",
        "Nordhavn, Thursday, 5 March 2026. ",
        "Port of Nordhavn, 5 March 2026 – ",
    ],
)
def test_a_dateline_is_the_documents_own(line: str) -> None:
    assert day_of(f"Cranes stopped\n\n{line}{PROSE}\n") == date(2026, 3, 5)
    assert day_of(f"Cranes stopped\n\n{PROSE}\n\nNordhavn, 5 March 2026\n") == date(2026, 3, 5)


@pytest.mark.parametrize(
    ("lang", "head"),
    [
        ("fr", "Publié le 5 mars 2026"),
        ("fr", "Nordhavn, le 5 mars 2026"),
        ("es", "Fecha de publicación: 5 de marzo de 2026"),
        ("ru", "Опубликовано: 5 марта 2026 года"),
        ("ru", "Заявление министерства, 5 марта 2026 г."),
        ("zh", "发布时间：2026年3月5日"),
        ("zh", "2026年3月5日外交部发言人主持例行记者会"),
        ("ru", "Брифинг официального представителя министерства 5 марта 2026 года"),
        ("fr", "Point de presse du 5 mars 2026"),
        ("ar", "تاريخ النشر: 5 مارس 2026"),
    ],
)
def test_other_languages_print_it_in_their_own_words(lang: str, head: str) -> None:
    assert day_of(f"{head}\n\n{'—' * 120}.\n", lang) == date(2026, 3, 5)


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        f"Statement on the disruption of 3 March 2026\n\n{PROSE}",
        f"What happened on 3 March 2026\n\n{PROSE}",
        f"The events of Tuesday, 3 March 2026\n\n{PROSE}",
        f"Updated 3 March 2026\n\n{PROSE}",
        f"1. On 3 February 2026 the Commission notified the authority. {PROSE}",
        f"NORDHAVN, March 5 (Coastwire) — {PROSE}",
        f"Published 03/05/2026\n\n{PROSE}",
        f"Statement on the attack of 3 March 2026 at a press conference\n\n{PROSE}",
        f"Case 2026/118\n\n{PROSE}",
        f"Version 2026.3.55\n\n{PROSE}",
        f"Published 31 February 2026\n\n{PROSE}",
        f"{PROSE}\n\n3 March 2026\n\n{PROSE}\n\n5 April 2026\n\n{PROSE}",
        f"{PROSE}\n\nThe next meeting is on 3 March 2026.",
        f"{PROSE}\n\nThe cranes of Nordhavn, 3 March 2026",
        f"{PROSE}\n\n3 March 2026",
        f"Cranes stopped in the morning of Tuesday, 3 March 2026.\n\n{PROSE}",
    ],
)
def test_no_other_day_is_taken_for_it(text: str) -> None:
    assert day_of(text + "\n") is None


def test_days_far_apart_are_none_and_both_are_told() -> None:
    own = own_day(printed_days(f"Nordhavn, 3 March 2024\nPublished 5 March 2026\n\n{PROSE}", "en"))
    assert own is not None
    assert own.day is None
    assert own.printed == "“5 March 2026”, “3 March 2024”"


def test_a_dateline_may_be_some_days_older_than_the_publication() -> None:
    text = f"Published 5 March 2026\n\nNORDHAVN, 3 March 2026 — {PROSE}"
    assert day_of(text) == date(2026, 3, 5)


def test_spans_are_exact() -> None:
    text = f"Cranes stopped\nNordhavn, le 5 mars 2026\n\n{PROSE}\n\nFecha: 2026-03-05\n"
    found = printed_days(text, "fr")
    assert found
    for one in found:
        assert one.span is not None
        assert text[slice(*one.span)] == one.printed


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-03-05T23:59:00-05:00", date(2026, 3, 5)),
        ("20260305", date(2026, 3, 5)),
        ("Thu, 05 Mar 2026 14:30:00 GMT", date(2026, 3, 5)),
        ("yesterday", None),
        ("2026-13-05", None),
        ("", None),
    ],
)
def test_metadata_gives_a_day_in_many_forms(value: str, day: date | None) -> None:
    assert whole_day(value) == day


PUBLISHED = re.compile(r"^published: (\S+)$", re.MULTILINE)
OF_KNOWN_DAY = [
    path
    for path in sorted(VECTORS.glob("claims_*/*.txt"))
    if PUBLISHED.search(path.read_text().partition("\n-----\n")[0])
]


@pytest.mark.parametrize("path", OF_KNOWN_DAY, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_texts_by_other_hands_give_their_own_day_or_none(path: Path) -> None:
    head, _, body = path.read_text().partition("\n-----\n")
    published = PUBLISHED.search(head)
    assert published is not None
    text = re.sub(r"\[\[\d+ |\]\]", "", body)
    assert day_of(text, language_of(text)) in (None, date.fromisoformat(published[1]))


def test_most_that_print_one_are_found() -> None:
    """Twelve texts of the vectors print a whole day of their own."""
    texts = [path.read_text().partition("\n-----\n")[2] for path in VECTORS.glob("claims_*/*.txt")]
    assert sum(day_of(text, language_of(text)) is not None for text in texts) == 12


def test_a_long_hostile_head_is_read_in_time() -> None:
    for text in ("published " * 40_000, "a " * 80_000 + "5 March 2026", "5 March 2026, " * 20_000):
        day_of(text + "\n" + text)
