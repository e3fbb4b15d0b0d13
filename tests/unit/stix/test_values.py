"""Normal forms, refanging, guessing and the plain patterns of indicator values (find.md §4.3)."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import errors
from tocsin.errors import IndicatorError
from tocsin.stix.values import (
    KINDS,
    guess,
    is_public_suffix,
    mended,
    normalise,
    refang,
    settle,
    unicode_name,
)

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "values"


@pytest.mark.parametrize("vector", sorted(VECTORS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_value_has_the_normal_form_its_vector_says(vector: Path) -> None:
    head, _, text = vector.read_text("utf-8").partition("\n\n")
    told = dict(line.split(": ", 1) for line in head.splitlines())
    text = text.removesuffix("\n")
    if told["expect"] == "ok":
        assert normalise(told["kind"], text) == told["form"]
        again = told.get("again", told["kind"])
        assert normalise(again, told["form"]) == told["form"]
    else:
        with pytest.raises(getattr(errors, told["expect"])) as caught:
            normalise(told["kind"], text)
        assert caught.value.remedy


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_normalised_or_refused_never_worse(kind: str) -> None:
    @given(st.text(max_size=40))
    def law(text: str) -> None:
        try:
            form = normalise(kind, text)
        except IndicatorError:
            return
        if kind in ("ipv6", "cidr") and ":" not in form:
            return
        assert normalise(kind, form) == form

    law()


@given(
    st.sampled_from(["http://", "HTTPS://u@", "ftp://", ""]),
    st.sampled_from(["Lure.example", "203.0.113.7", "[2001:db8::7]", "bücher.example"]),
    st.sampled_from(["", ":80", ":8080", ":0443"]),
    st.text("/.%4aE2~?#&=é-", max_size=14),
)
def test_a_url_in_normal_form_stays_as_it_is(scheme: str, host: str, port: str, rest: str) -> None:
    try:
        form = normalise("url", f"{scheme}{host}{port}/{rest}")
    except IndicatorError:
        return
    assert normalise("url", form) == form


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("hxxp://lure[.]example", "http://lure.example"),
        ("hXXps[:]//lure(.)example", "hTTps://lure.example"),
        ("hxxps[://]lure{.}example", "https://lure.example"),
        ("ann[at]gridco[dot]example", "ann@gridco.example"),
        ("ann (at) gridco[ . ]example", "ann@gridco.example"),
        ("h__p://lure [.] example", "http://lure.example"),
        ("h[tt]ps://lure[d0t]example", "https://lure.example"),
        ("meow://lure<.>example", "http://lure.example"),
        ("http:// lure[.]example", "http://lure.example"),
        (r"lure\.example", "lure.example"),
        (r"C:\lure\.git and C:\a.b\.c", r"C:\lure\.git and C:\a.b\.c"),
        ("lure[.example, lure.]example", "lure.example, lure.example"),
        ("2001[:]db8[::]1", "2001:db8::1"),
        ("fxp://lure[DOT]example", "ftp://lure.example"),
        ("ann[@]gridco(dot)example", "ann@gridco.example"),
        ("the hxxp module", "the hxxp module"),
        ("plain text", "plain text"),
    ],
)
def test_broken_links_are_mended(text: str, plain: str) -> None:
    assert refang(text)[0] == plain


@given(st.text("hxXp:/[.]() dot@at{}sé", max_size=40))
def test_the_offset_map_of_refanging_leads_back_to_the_text(text: str) -> None:
    plain, offsets = refang(text)
    assert len(offsets) == len(plain) + 1
    assert offsets[-1] == len(text)
    assert offsets == sorted(offsets)
    for place, char in enumerate(plain):
        if char.isalnum() and text[offsets[place]] == char:
            continue
        assert char in ".:/@" or text[offsets[place]] in "xX" or text[offsets[place]] == char


@given(st.text(st.sampled_from("hHxXpPfts[](){}:/.@ dotaT"), max_size=24))
def test_the_quick_way_to_mend_gives_the_same(text: str) -> None:
    assert mended(text) == refang(text)[0]


def test_a_mended_span_covers_what_was_written() -> None:
    text = "see hxxp://lure[.]example/gate now"
    plain, offsets = refang(text)
    start = plain.index("http")
    end = plain.index("/gate") + 5
    assert text[offsets[start] : offsets[end]] == "hxxp://lure[.]example/gate"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("203.0.113.7", "ipv4"),
        ("203[.]0[.]113[.]7", "ipv4"),
        ("203.0.113.7/32", "ipv4"),
        ("203.0.113.0/24", "cidr"),
        ("2001:db8::/32", "cidr"),
        ("2001:db8::7", "ipv6"),
        ("::ffff:203.0.113.7", "ipv4"),
        ("d3b07384d113edec49eaa6238ad5ff00", "md5"),
        ("3F786850E387550FDAB836ED7E6DC881DE23001B", "sha1"),
        ("ab" * 32, "sha256"),
        ("ab" * 64, "sha512"),
        ("lure-portal.example", "domain"),
        ("bücher.example", "domain"),
        ("duckdns.org", "domain"),
        ("hxxp://lure[.]example/gate", "url"),
        ("lure.example/gate", "url"),
        ("ann@gridco.example", "email"),
        ("ann[at]gridco[.]example", "email"),
        ("invoice.exe", "file-name"),
        ("C:\\Windows\\Temp\\x.dll", "path"),
        ("%APPDATA%\\x.dll", "path"),
        ("/tmp/.x", "path"),
        ("HKLM\\Software\\Gate", "registry-key"),
        ("CVE-2026-12345", "cve"),
        ("T1059.001", "attack-id"),
        ("00:1a:2b:3c:4d:5e", "mac"),
        ("AS64500", "asn"),
        ("Mozilla/5.0 (Gate)", "user-agent"),
    ],
)
def test_a_bare_value_is_told_by_its_form(text: str, kind: str) -> None:
    assert guess(text) == kind
    normalise(kind, text)


@pytest.mark.parametrize("text", ["", "gate", "203.0.113.300", "two words", "1.2"])
def test_what_could_be_anything_is_not_guessed(text: str) -> None:
    with pytest.raises(IndicatorError, match="cannot tell"):
        guess(text)


def test_a_value_that_fails_is_named_and_a_remedy_given() -> None:
    with pytest.raises(IndicatorError) as caught:
        normalise("ipv4", "203.0.113.007")
    assert "203.0.113.007" in caught.value.message
    assert caught.value.remedy


def test_a_hash_or_an_address_settles_its_own_kind() -> None:
    assert settle("hash", "D3" * 16) == ("md5", "d3" * 16)
    assert settle("ipv6", "::ffff:203.0.113.7") == ("ipv4", "203.0.113.7")
    assert settle("ipv4", "203.0.113.0/24") == ("cidr", "203.0.113.0/24")
    assert settle("url", "www.lure[.]example") == ("domain", "www.lure.example")
    assert settle("url", "203.0.113.7") == ("ipv4", "203.0.113.7")
    assert settle("url", "lure.example/a") == ("url", "http://lure.example/a")


def test_a_name_is_shown_in_its_own_script() -> None:
    assert unicode_name("xn--bcher-kva.example") == "bücher.example"
    assert unicode_name("lure.example") == "lure.example"


def test_registries_are_known() -> None:
    assert is_public_suffix("duckdns.org")
    assert is_public_suffix("co.uk")
    assert is_public_suffix("example")
    assert not is_public_suffix("lure-portal.example")
    assert not is_public_suffix("lure.duckdns.org")


@pytest.mark.parametrize("text", ["a." * 4_000, ":" * 8_000 + "x", "a\\" * 4_000 + "\n"])
def test_what_a_value_is_takes_no_longer_than_to_read_it(text: str) -> None:
    """One cell of a table took a second; a file can hold twenty thousand."""
    started = time.process_time()
    for _ in range(10):
        with contextlib.suppress(IndicatorError):
            guess(text)
    assert time.process_time() - started < 1.0


def unescaped_by_passes(text: str) -> str:
    """What `_unescaped` has to give: pass after pass, until nothing changes."""

    def one(match: re.Match[str]) -> str:
        char = chr(int(match[0][1:], 16))
        return char if re.match(r"[A-Za-z0-9._~-]", char) else match[0].upper()

    while (again := re.sub("%[0-9A-Fa-f]{2}", one, text)) != text:
        text = again
    return text


@given(st.text("%0123456789abcdefABCDEF/x", max_size=60))
def test_escapes_are_decoded_as_far_as_it_goes(text: str) -> None:
    assert normalise("url", "http://a.example/" + text) == (
        "http://a.example/" + unescaped_by_passes(text)
    )


def test_escapes_that_complete_each_other_cost_no_more_than_their_length() -> None:
    chain = "%3" * 4_000
    started = time.process_time()
    for _ in range(20):
        assert normalise("url", f"http://a.example/{chain}%34").endswith("%34"[2:])
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("kind", "value"), [("url", "http://a.example:{}/"), ("cidr", "192.0.2.0/{}")]
)
def test_a_number_of_thousands_of_digits_is_refused_as_any_other(kind: str, value: str) -> None:
    value = value.format("9" * 5_000)
    for ask in (normalise, settle):
        with pytest.raises(IndicatorError):
            ask(kind, value)
    with contextlib.suppress(IndicatorError):
        guess(value)
