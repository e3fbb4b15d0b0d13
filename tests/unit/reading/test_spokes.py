"""Whom a spokesman speaks for is read from the role alone, in every language alike."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.reading.spokes import speaks_for


@pytest.mark.parametrize(
    ("role", "whom"),
    [
        ("spokesman for GridCo", "GridCo"),
        ("a spokeswoman for the Eastmere Foreign Ministry", "Eastmere Foreign Ministry"),
        ("spokesman of Northland's Interior Ministry", "Northland's Interior Ministry"),
        ("Eastmere's foreign ministry spokesman", "Eastmere's foreign ministry"),
        (
            "porte-parole du ministère de l'Énergie de Norlande",
            "ministère de l'Énergie de Norlande",
        ),
        ("portavoz del Ministerio de Energía", "Ministerio de Energía"),
        ("Официальный представитель МИД Южмара", "МИД Южмара"),
        ("东岭国外交部发言人", "东岭国外交部"),
        ("المتحدثة باسم وزارة الطاقة", "وزارة الطاقة"),
        # Offices that are no spokesman's, and spokesmen of nobody named.
        ("Transport Minister", None),
        ("head of Portco", None),
        ("ministry spokesman", None),
        ("its transport spokesman", None),
        ("该国国防部发言人", None),
        ("spokeswoman", None),
        ("", None),
        (None, None),
    ],
)
def test_the_role_names_the_one_spoken_for_or_nobody_is_guessed(
    role: str | None, whom: str | None
) -> None:
    assert speaks_for(role) == whom


@settings(max_examples=60)
@given(st.text(max_size=400))
def test_any_role_gives_a_piece_of_itself_or_nothing(role: str) -> None:
    found = speaks_for(role)
    assert found is None or (found and found in " ".join(role.split()))


def test_a_role_of_thousands_of_blanks_is_read_in_no_time() -> None:
    assert speaks_for("spokesman " * 20_000) is None
    assert speaks_for("x " * 20_000 + "spokesman") is None
