"""Languages with a table: found from the text itself, read the same whoever speaks."""

from __future__ import annotations

import json
import re
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.reading.quotes import Draft, read_claims
from tocsin.reading.tongues import READ, language_of, tongue

VECTORS = Path(__file__).parents[2] / "vectors" / "claims_read"
DAY = date(2026, 2, 6)


def article(name: str) -> str:
    case = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return "\n".join(case["text"])


def of(code: str) -> list[str]:
    return sorted(path.stem for path in VECTORS.glob(f"{code}_*.json"))


@pytest.mark.parametrize("code", READ)
def test_every_language_has_three_articles_of_our_own(code: str) -> None:
    assert len(of(code)) >= 3


@pytest.mark.parametrize("code", READ)
def test_a_language_is_found_from_the_text_itself(code: str) -> None:
    for name in of(code):
        assert language_of(article(name)) == code


def test_english_and_languages_without_a_table_are_told_apart() -> None:
    assert language_of(article("wire_story")) == "en"
    german = "Der Angriff auf das Netz ist nicht der erste, und die Behörde hat das gesagt."
    italian = "Il ministero non ha detto chi sono gli autori, e la rete è di nuovo in funzione."
    ukrainian = "Міністерство повідомило, що мережа їхня знову працює і її відновлено."
    persian = "وزارت نیرو گفت که شبکه برق کشور پس از چند ساعت دوباره کار می‌کند."
    japanese = "外務省の報道官は「これは攻撃だ」と述べました。"
    assert language_of(german) == "de"
    assert language_of(italian) == "it"
    for text in (ukrainian, persian, japanese, "", "1234 5678", "…"):
        assert language_of(text) is None


def test_a_draft_says_the_language_of_its_words() -> None:
    assert {draft.lang for draft in read_claims(article("zh_port"), published=DAY)} == {"zh"}
    assert {draft.lang for draft in read_claims(article("wire_story"), published=DAY)} == {"en"}


def test_book_marks_hold_a_title_and_no_words() -> None:
    drafts = read_claims(
        "北原国能源部发言人林珂说，《港口恢复运行调查报告全文》已经公布。", published=DAY
    )
    assert [draft.direct for draft in drafts] == [False]


def test_a_time_without_a_day_to_count_from_has_no_value() -> None:
    [draft] = read_claims(
        "Le préfet Luc Ferrand a déclaré mardi : « Rien n'a fui. »", published=None
    )
    assert (draft.date, draft.precision) == (None, None)
    assert any("no day to count from" in note for note in draft.confidence_notes)


NEGATED = {
    "fr": "Le ministre Paul Renier n'a pas déclaré que le réseau avait été attaqué.",
    "es": "El ministro Pablo Renes no dijo que la red había sido atacada.",
    "ru": "Министр Павел Ренин не заявил, что сеть была атакована.",
    "ar": "لم يقل الوزير كمال ناصر إن الشبكة تعرضت لهجوم في هذا اليوم.",
    "zh": "能源部部长林珂没有证实电网遭到攻击。",
}


@pytest.mark.parametrize("code", NEGATED)
def test_what_somebody_did_not_say_is_no_claim(code: str) -> None:
    assert read_claims(NEGATED[code], published=DAY, lang=code) == []


# Two invented sides of the same kind in each language. Russian names change their endings, so
# that one cannot be put in another's place letter by letter.
SIDES = {
    "fr": ("Estmer", "Norlande", "Riverie"),
    "es": ("Estemar", "Norlandia", "Surmar"),
    "ar": ("إيستمير", "نورلاند", "سورمار"),
    "zh": ("北原国", "东岭国", "南浦国"),
}


def exchanged(text: str, one: str, other: str) -> str:
    pattern = f"({re.escape(one)}|{re.escape(other)})"
    return re.sub(pattern, lambda match: other if match[1] == one else one, text)


def shown(draft: Draft, one: str, other: str) -> tuple[Any, ...]:
    def name(value: str | None) -> str | None:
        return None if value is None else exchanged(value, one, other)

    return (
        draft.claim_type,
        name(draft.speaker),
        name(draft.speaker_role),
        name(draft.addressee),
        name(draft.words),
        draft.direct,
        draft.date,
        draft.precision,
        draft.cue,
        tuple(name(note) for note in draft.confidence_notes),
    )


@pytest.mark.parametrize("code", SIDES)
def test_exchanging_two_sides_changes_only_the_names(code: str) -> None:
    for name in of(code):
        text = article(name)
        for one in SIDES[code]:
            for other in SIDES[code]:
                if one == other:
                    continue
                swapped = exchanged(text, one, other)
                before = [shown(d, one, other) for d in read_claims(text, published=DAY)]
                after = [shown(d, one, one) for d in read_claims(swapped, published=DAY)]
                assert before == after


PIECES = st.sampled_from(
    [
        *'«»„“”"「」『』（）《》—–,.:;!?،؛؟。，：、\n',
        "a déclaré",
        "dijo",
        "заявил",
        "قال",
        "وأضاف",
        "表示",
        "说",
        "称",
        "Selon",
        "según",
        "par",
        "que",
        "что",
        "أن",
        "Norlande",
        "Нордия",
        "نورلاند",
        "北原国发言人林珂",
        "le porte-parole",
        "il",
        "у",
        "在记者会上",
        "2026年2月30日",
        "31 avril",
        "99 de mayo de 0000",
    ]
)


@given(st.lists(PIECES, max_size=50).map(" ".join), st.sampled_from(READ))
def test_words_are_always_the_text_at_their_span(text: str, code: str) -> None:
    for draft in read_claims(text, published=DAY, lang=code):
        start, end = draft.span
        assert 0 <= start < end <= len(text)
        assert draft.words == text[start:end]


HOSTILE = {
    "fr": lambda n: "Le ministre, a-t-il dit, que selon Anne, " * (n // 41),
    "es": lambda n: "—dijo Ana — «x» según y pidió que " * (n // 34),
    "ru": lambda n: "Министр Павел, — заявил что Анна «сказала, " * (n // 43),
    "ar": lambda n: "وقال الوزير إن «قال وأضاف، " * (n // 27),
    "zh": lambda n: "在部长林珂在说在称“表示，他呼吁、" * (n // 17),
}


@pytest.mark.parametrize("code", HOSTILE)
@pytest.mark.timeout(60)
def test_reading_takes_steps_in_proportion_to_the_text(code: str) -> None:
    def steps(text: str) -> int:
        count = 0

        def tracer(frame: Any, event: str, arg: Any) -> None:
            nonlocal count
            count += 1

        sys.setprofile(tracer)
        try:
            read_claims(text, published=DAY, lang=code)
        finally:
            sys.setprofile(None)
        return count

    tongue(code)
    small, large = steps(HOSTILE[code](4_000)), steps(HOSTILE[code](16_000))
    assert large <= 6 * small + 2_000


@pytest.mark.parametrize("code", READ)
def test_every_pattern_of_a_table_compiles_and_every_group_is_known(code: str) -> None:
    table = tongue(code)
    groups = set(table.cues.values()) | set(table.participles.values())
    assert groups <= {"say", "demand", "accuse", "tie", "deny", "find", "stand", "call"}
    for _, pattern in table.kinds:
        assert re.compile(pattern).search("") is None
    assert len(table.weekdays) == 7


def test_an_outlets_list_ends_where_prose_begins_in_chinese_too() -> None:
    page = article("zh_port")
    both = page + "\n\n" + page
    assert len(read_claims(both, published=DAY)) == 2 * len(read_claims(page, published=DAY))


@pytest.mark.parametrize(
    ("lang", "piece"),
    [("en", "“a b c d e f g h\n\n"), ("en", "“a,” “b” said "), ("zh", "表示"), ("ru", "сказал, ")],
    ids=["unclosed marks", "marks", "cues", "cues and commas"],
)
def test_a_crafted_text_costs_no_more_than_its_length(lang: str, piece: str) -> None:
    """Of unclosed marks each looked through the whole text, of cues each through its sentence."""

    def cost(characters: int) -> float:
        text = "Tom Brandt said so. " + piece * (characters // len(piece))
        start = time.process_time()
        read_claims(text, published=None, lang=lang)
        return time.process_time() - start

    cost(1_000)
    assert cost(200_000 if lang == "en" else 100_000) < 6, "a second or two; it was 15 and more"


def test_a_heading_is_no_repetition_of_itself_whatever_letters_stand_before_it() -> None:
    """Some letters fold to two: places in the folded text and in the text were taken for one."""
    text = f"{'ß' * 60} opens.\n\n“It was our own network”\n\nIt is known.\n"
    assert [draft.words for draft in read_claims(text, published=None, lang="en")] == [
        "It was our own network"
    ]


SPOKEN_OF = {
    "fr": (
        "Le ministre Paul Renier a déclaré que le port de Valmer avait été attaqué par Ostrelle.",
        {"Valmer", "Ostrelle"},
    ),
    "es": (
        "El ministro Pablo Renes dijo que el puerto de Valmera fue atacado por Ostrela.",
        {"Valmera", "Ostrela"},
    ),
    "ru": (
        "Министр Павел Ренин заявил, что порт Вальмера был атакован из Острелии.",
        {"Вальмера", "Острелии"},
    ),
}


@pytest.mark.parametrize("code", SPOKEN_OF)
def test_words_in_every_language_say_of_whom_they_speak(code: str) -> None:
    text, names = SPOKEN_OF[code]
    drafts = read_claims(text, published=DAY, lang=code)
    found = {name for draft in drafts for name in (*draft.about, draft.addressee) if name}
    assert names <= found
    assert all(name in draft.words for draft in drafts for name in draft.about)


def test_where_names_have_no_capitals_only_those_named_elsewhere_are_known() -> None:
    drafts = read_claims(article("zh_briefing"), published=DAY)
    assert ("北原国",) in {draft.about for draft in drafts}


LABELLED = {
    "fr": (
        "Question : La Valdorie vous accuse. Que répondez-vous ?\n\n"
        "Pavel Tirn, porte-parole : « Nous n'avons mené aucune attaque contre elle. »\n\n"
        "Question : Et le rapport de la société ?\n\n"
        "Tirn : « Ce rapport ne montre aucune preuve de cela. »\n\n"
        "Attaque informatique : « Nous avons tout perdu dans cette affaire. »\n\n"
        "Le rapport est clair : « Les machines ont été effacées dans la nuit. »"
    ),
    "es": (
        "Pavel Tirn, portavoz del ministerio: «Kestrelia no ha atacado a Valdoria.» Los periodistas"
        " preguntaron por el informe.\n\nTirn: «El informe no muestra ninguna prueba de eso.»\n\n"
        "El informe es claro: «Las máquinas fueron borradas en la noche.»"
    ),
    "ru": (
        "Павел Тирн, официальный представитель: «Кестрелия не атаковала Валдорию».\n\n"
        "Тирн: «Доклад не показывает никаких доказательств».\n\n"
        "Главное: «Машины были стёрты ночью, и никто не знает почему»."
    ),
}


@pytest.mark.parametrize("code", LABELLED)
def test_a_label_before_a_colon_says_whose_words_stand_in_marks(code: str) -> None:
    drafts = [d for d in read_claims(LABELLED[code], published=None) if d.direct]
    assert {d.lang for d in drafts} == {code}
    first, second, *others = drafts
    assert first.claim_type == "denial"
    assert {first.speaker, second.speaker} == {{"ru": "Павел Тирн"}.get(code, "Pavel Tirn")}
    assert "speaker from the label before the colon" in first.confidence_notes
    assert others
    assert all(d.speaker is None for d in others)
