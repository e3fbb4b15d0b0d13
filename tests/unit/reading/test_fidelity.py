"""Printed words against the original: what differs is told, what is said otherwise is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.reading.fidelity import differences


def names(printed: str, original: str, lang: str, original_lang: str) -> list[str]:
    found = differences(printed, original, lang=lang, original_lang=original_lang)
    assert all(one.of == "outlet" for one in found)
    return [one.name for one in found]


def test_indiscriminate_printed_as_discriminatory_is_told_with_both_terms() -> None:
    printed = "has carried out discriminatory, large-scale cyber attacks against other countries"
    original = "长期对他国实施无差别、大规模的网络攻击"
    found = differences(printed, original, lang="en", original_lang="zh")
    assert [one.name for one in found] == ["negation-mismatch", "quote-variant"]
    assert found[1].printed == ("discriminatory",)
    assert found[1].original == ("无差别",)
    assert found[1].note == "quote-variant: printed discriminatory; in the original 无差别"


# What is faithful, in each language; none of it may be flagged.
SAME = [
    ("indiscriminate attacks on hospitals", "对医院的无差别攻击", "en", "zh"),
    ("We have never attacked a civil network.", "我们从未攻击任何民用网络。", "en", "zh"),
    ("The charge is groundless.", "这一指责毫无根据。", "en", "zh"),
    ("The problem keeps growing.", "问题不断增加。", "en", "zh"),
    ("On 3 March 2026 twelve valves were opened.", "2026年3月3日，12个阀门被打开。", "en", "zh"),
    ("more than 12 million records", "超过1200万条记录", "en", "zh"),
    ("three hundred hospitals", "三百家医院", "en", "zh"),
    ("a hundred hospitals", "一百家医院", "en", "zh"),
    ("thirty-five hospitals", "三十五家医院", "en", "zh"),
    ("We deny any part in it.", "Nous n'y avons pas pris part.", "en", "fr"),
    ("1,200 servers", "1 200 serveurs".replace(" 2", "\u00a02"), "en", "fr"),
    ("1,200 servers", "1.200 servidores", "en", "es"),
    ("2.5 million people", "2,5 millones de personas", "en", "es"),
    ("Nothing was stolen on 3 February.", "3 февраля ничего не было похищено.", "en", "ru"),
    ("It is baseless.", "هذا لا أساس له.", "en", "ar"),
    ("four hours", "أربع ساعات", "en", "ar"),
    ("We condemn the attack.", "Condenamos el ataque.", "en", "es"),
]


@pytest.mark.parametrize("case", SAME, ids=[case[0] for case in SAME])
def test_a_faithful_translation_is_not_flagged(case: tuple[str, str, str, str]) -> None:
    assert names(*case) == []


OTHER = [
    ("three hospitals", "三十家医院", "en", "zh", "number-mismatch"),
    ("12 million records", "1200条记录", "en", "zh", "number-mismatch"),
    ("on 4 May 2023", "2023年5月14日", "en", "zh", "date-mismatch"),
    ("le 3 mars", "el 13 de marzo", "fr", "es", "date-mismatch"),
    ("We attacked the network.", "Мы не атаковали сеть.", "en", "ru", "negation-mismatch"),
    ("Nous ne rejetons rien de cela.", "We accept all of it.", "fr", "en", "negation-mismatch"),
    ("لن نقبل ذلك", "We will accept it.", "ar", "en", "negation-mismatch"),
    ("an act of war", "un ataque", "en", "es", "quote-variant"),
    ("We condemn the incident.", "我们对此事表示遗憾。", "en", "zh", "quote-variant"),
    ("the confirmed perpetrator", "подозреваемый исполнитель", "en", "ru", "quote-variant"),
    ("terrorists", "هاكر", "en", "ar", "quote-variant"),
]


@pytest.mark.parametrize("case", OTHER, ids=[case[0] for case in OTHER])
def test_what_was_printed_otherwise_is_told(case: tuple[str, str, str, str, str]) -> None:
    assert names(*case[:4]) == [case[4]]


def test_in_a_language_without_tables_only_figures_are_compared() -> None:
    assert names("Wir haben nie 30 Server angegriffen.", "We attacked 40 servers.", "de", "en") == [
        "number-mismatch"
    ]


@given(
    st.text(max_size=120),
    st.text(max_size=120),
    st.sampled_from(["en", "zh", "ru", "fr", "es", "ar", "xx"]),
    st.sampled_from(["en", "zh", "ru", "fr", "es", "ar", "xx"]),
)
def test_any_two_texts_are_compared(one: str, other: str, lang: str, other_lang: str) -> None:
    differences(one, other, lang=lang, original_lang=other_lang)
    assert differences(one, one, lang=lang, original_lang=lang) == ()
