"""What one side charges is read as a charge; the same denied by the other is read as a denial.

A denial that is read as a charge would stand against the very party that denies.
"""

from __future__ import annotations

import pytest

from tocsin.reading.quotes import read_claims

FRAMES = {
    "en": "“{}”, said Pavel Tirn, the spokesman, on Tuesday in the capital.",
    "fr": "« {} », a déclaré Pavel Tirn, le porte-parole, mardi dans la capitale. Les journaux et"
    " la radio ont posé des questions sur le sujet.",
    "es": "«{}», dijo Pavel Tirn, el portavoz, el martes en la capital. Los periódicos y la radio"
    " han hecho preguntas sobre el asunto.",
    "ru": "«{}», — заявил Павел Тирн, официальный представитель, во вторник в столице.",
    "zh": "外交部发言人李明表示：“{}。”",
    "ar": "قال المتحدث باسم الوزارة أحمد سالم: «{}».",
}
CHARGED = {
    "en": (
        "Kestrelia attacked Valdoria",
        "Kestrelia has hacked our grid",
        "Kestrelia carried out this attack",
        "Kestrelia launched a cyber attack on us",
        "Kestrelia is behind the attack",
        "Kestrelia is responsible for the attack",
        "Kestrelia broke into our network",
        "No one other than Kestrelia attacked us",
        "Nobody but Kestrelia attacked us",
        "No doubt Kestrelia attacked us",
        "With no warning Kestrelia attacked us",
        "Kestrelia has attacked no fewer than nine towns",
        "Kestrelia attacked us with nothing but malware",
    ),
    "fr": (
        "La Kestrélie a attaqué la Valdorie",
        "La Kestrélie a mené cette attaque",
        "La Kestrélie est à l'origine de l'attaque",
        "La Kestrélie est responsable de l'attaque",
        "La Kestrélie est derrière cette attaque",
    ),
    "es": (
        "Kestrelia ha atacado a Valdoria",
        "Kestrelia atacó a Valdoria",
        "Kestrelia ha llevado a cabo este ataque",
        "Kestrelia está detrás del ataque",
        "Kestrelia es responsable del ataque",
        "Nadie más que Kestrelia ha atacado a Valdoria",
    ),
    "ru": (
        "Кестрелия атаковала Валдорию",
        "Кестрелия взломала нашу сеть",
        "Кестрелия стоит за атакой",
        "Кестрелия несёт ответственность за атаку",
    ),
    "zh": ("凯国对瓦国发动了网络攻击", "凯国攻击了瓦国的电网", "凯国是这次攻击的幕后黑手"),
    "ar": (
        "هاجمت كستريليا شبكة المياه",
        "شنت كستريليا هذا الهجوم",
        "كستريليا تقف وراء الهجوم",
        "كستريليا مسؤولة عن الهجوم",
    ),
}
DENIED = {
    "en": (
        "Kestrelia did not attack Valdoria",
        "Kestrelia hasn't hacked anybody's grid",
        "Kestrelia did not carry out this attack",
        "Kestrelia carried out no attack",
        "Kestrelia has carried out no attack on Valdoria",
        "Kestrelia launched no cyber attack on anybody",
        "Kestrelia has attacked nobody",
        "Kestrelia is not behind the attack",
        "Kestrelia is not responsible for the attack",
        "Kestrelia was not involved",
        "Kestrelia did not break into any network",
        "Kestrelia has never carried out an attack",
        "No Kestrelian service attacked Valdoria",
        "None of our services attacked Valdoria",
        "Nobody in Kestrelia hacked Valdoria",
        "Neither Kestrelia nor its services attacked Valdoria",
        "We have attacked no one",
        "We did not do it",
        "It was not us",
        "None of our systems were breached",
    ),
    "fr": (
        "La Kestrélie n'a pas attaqué la Valdorie",
        "La Kestrélie n'a mené aucune attaque",
        "La Kestrélie n'a attaqué personne",
        "La Kestrélie n'est pas à l'origine de l'attaque",
        "La Kestrélie n'est pas responsable de l'attaque",
        "La Kestrélie n’est pas derrière cette attaque",
        "Aucun service kestrélien n'a attaqué la Valdorie",
        "Nos services n'ont jamais infiltré ce réseau",
        "Ce n'est pas nous",
    ),
    "es": (
        "Kestrelia no ha atacado a Valdoria",
        "Kestrelia no atacó a Valdoria",
        "Kestrelia nunca atacó a Valdoria",
        "Kestrelia no ha llevado a cabo este ataque",
        "Kestrelia no está detrás del ataque",
        "Kestrelia no es responsable del ataque",
        "Ningún servicio de Kestrelia ha atacado a Valdoria",
        "Ningún servicio de Kestrelia atacó a Valdoria",
        "No hemos llevado a cabo ningún ataque",
        "No fuimos nosotros",
    ),
    "ru": (
        "Кестрелия не атаковала Валдорию",
        "Кестрелия не взломала эту сеть",
        "Кестрелия не проводила этой атаки",
        "Кестрелия не стоит за атакой",
        "Кестрелия не несёт ответственности за атаку",
        "Ни одна служба Кестрелии не атаковала Валдорию",
        "Это сделали не мы",
    ),
    "zh": (
        "凯国没有对瓦国发动网络攻击",
        "凯国没有攻击瓦国的电网",
        "凯国不是这次攻击的幕后黑手",
        "凯国未曾对瓦国发动网络攻击",
        "凯国任何部门都没有攻击瓦国",
    ),
    "ar": (
        "لم تهاجم كستريليا شبكة المياه",
        "لم تشن كستريليا أي هجوم",
        "كستريليا لا تقف وراء الهجوم",
        "كستريليا ليست مسؤولة عن الهجوم",
        "لم يهاجم أي جهاز كستريلي أحدا",
    ),
}


def types(code: str, words: str) -> list[str]:
    found = read_claims(FRAMES[code].format(words), published=None)
    return [draft.claim_type for draft in found if draft.direct]


@pytest.mark.parametrize(("code", "words"), [(c, w) for c, some in CHARGED.items() for w in some])
def test_who_charges_makes_a_charge(code: str, words: str) -> None:
    assert types(code, words) in (["accusation"], ["attribution"])


@pytest.mark.parametrize(("code", "words"), [(c, w) for c, some in DENIED.items() for w in some])
def test_who_denies_the_same_makes_a_denial(code: str, words: str) -> None:
    assert types(code, words) == ["denial"]


@pytest.mark.parametrize(
    "words",
    [
        "Kestrelia had not attacked Valdoria",
        "Kestrelia had carried out no attack",
        "no Kestrelian service had attacked Valdoria",
    ],
)
def test_a_denial_that_is_only_told_is_one_too(words: str) -> None:
    [draft] = read_claims(f"Pavel Tirn said that {words}.", published=None)
    assert (draft.claim_type, draft.addressee) == ("denial", None)


@pytest.mark.parametrize(
    "words",
    [
        "Kestrelia did not launch an inquiry",
        "Valdoria was never attacked",
        "No Valdorian port was attacked",
        "No country has attacked us as often",
        "ما هاجمت كستريليا أحدا",
    ],
)
def test_what_is_neither_is_not_called_one(words: str) -> None:
    assert types("en" if words.isascii() else "ar", words) == ["assessment"]
