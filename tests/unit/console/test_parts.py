"""Static files, forms, drawings, dates, problems: the small parts of the console."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Route, Router

import tocsin.console
from tocsin import errors
from tocsin.console import draw, forms, i18n, problems
from tocsin.console.assets import Assets
from tocsin.console.draw import Mark, Span
from tocsin.errors import UsageError

FOLDER = Path(tocsin.console.__file__).parent


# --- static files ---------------------------------------------------------------------------------


@pytest.fixture
def served(client_of: Callable[..., Any]) -> tuple[Assets, Any]:
    assets = Assets({"a.css": b"body{color:red}" * 50, "b.js": b"1;"})
    router = Router([Route("/static/{hash}/{name}", assets.answer)])
    return assets, client_of(router)


def test_a_static_file_is_small_and_kept_for_ever(served: tuple[Assets, Any]) -> None:
    assets, client = served
    answer = client.get(assets.path("a.css"))
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text == "body{color:red}" * 50
    assert "immutable" in answer.headers["cache-control"]
    for takes_none in ("identity", "gzip;q=0", "*, gzip; q=0.000"):
        plain = client.get(assets.path("a.css"), headers={"accept-encoding": takes_none})
        assert "content-encoding" not in plain.headers
    again = client.get(assets.path("a.css"), headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert not again.content


def test_another_hash_or_name_is_not_found(served: tuple[Assets, Any]) -> None:
    assets, client = served
    assert client.get("/static/0000000000000000/a.css").status_code == 404
    assert client.get(f"/static/{assets.hash}/c.css").status_code == 404


def test_a_changed_file_changes_every_address() -> None:
    one, two = Assets({"a.css": b"1", "b.js": b"x"}), Assets({"a.css": b"2", "b.js": b"x"})
    assert one.path("b.js") != two.path("b.js")


def test_the_shipped_scripts_are_few() -> None:
    scripts = [p for p in (FOLDER / "static").glob("*.js") if p.name != "verify.js"]
    lines = sum(len(p.read_text().splitlines()) for p in scripts)
    assert lines <= 1000
    packed = sum(len(gzip.compress(p.read_bytes())) for p in (FOLDER / "static").iterdir())
    assert packed <= 60_000


# --- no way around the escaping -------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", sorted((FOLDER / "templates").glob("*.html")), ids=lambda p: p.name
)
def test_no_template_goes_around_the_escaping(path: Path) -> None:
    text = path.read_text()
    for forbidden in (
        "|safe",
        "| safe",
        "Markup",
        "autoescape",
        " style=",
        "<style",
        " onclick",
        "javascript:",
    ):
        assert forbidden not in text, forbidden
    for script in text.split("<script")[1:]:
        assert script.split(">", 1)[1].startswith("</script>"), "no inline script"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda p: p.name)
def test_no_module_makes_markup_or_blocks_streams(path: Path) -> None:
    text = path.read_text()
    assert "Markup(" not in text
    assert "BaseHTTPMiddleware" not in text
    assert "FileResponse" not in text


@pytest.mark.parametrize("path", sorted((FOLDER / "static").glob("*.js")), ids=lambda p: p.name)
def test_no_script_makes_markup(path: Path) -> None:
    text = path.read_text()
    for forbidden in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "new Worker",
    ):
        assert forbidden not in text, forbidden


# --- forms ----------------------------------------------------------------------------------------


def multipart(*parts: tuple[str, str | None, bytes], boundary: str = "xyz") -> tuple[str, bytes]:
    body = b""
    for name, filename, content in parts:
        extra = f'; filename="{filename}"' if filename is not None else ""
        body += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode()
        )
        body += content + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def test_a_file_arrives_as_it_was_picked() -> None:
    raw = bytes(range(256)) + b"\r\n--xy\r\n\n"
    kind, body = multipart(("file", "C:\\reports\\a.txt", raw), ("published", None, b"2026-11-22"))
    fields, uploads = forms.read(kind, body)
    assert fields == {"published": "2026-11-22"}
    assert [(u.name, u.raw) for u in uploads] == [("a.txt", raw)]


def test_an_empty_file_field_is_no_file() -> None:
    assert forms.read(*multipart(("file", "", b"")))[1] == []


@given(st.binary(max_size=200))
def test_any_file_survives_a_form(raw: bytes) -> None:
    if b"\r\n--xyz" in b"\r\n" + raw:
        return
    assert forms.read(*multipart(("f", "n", raw)))[1][0].raw == raw


@given(st.binary(max_size=120))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    for kind in ("multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/x"):
        with suppress(UsageError):
            forms.read(kind, body)


def test_a_truncated_form_is_refused() -> None:
    kind, body = multipart(("file", "a.txt", b"hello"))
    with pytest.raises(UsageError, match="ends in the middle"):
        forms.read(kind, body[:-10])


# --- drawings -------------------------------------------------------------------------------------


@given(
    st.text(max_size=60),
    st.lists(st.tuples(st.integers(-3, 70), st.integers(-3, 70)), max_size=8),
)
def test_marks_cut_a_text_and_lose_nothing(text: str, spans: list[tuple[int, int]]) -> None:
    listed = [Span(start, end, f"m{n}") for n, (start, end) in enumerate(spans)]
    cut = draw.runs(text, listed)
    assert "".join(run.text for run in cut) == text
    for span in listed:
        if 0 <= span.start < span.end <= len(text):
            assert "".join(r.text for r in cut if span.id in r.ids) == text[span.start : span.end]
            assert sum(span.id in r.opens for r in cut) == 1


def marks(count: int) -> list[Mark]:
    return [
        Mark(
            at=f"2026-11-{1 + n % 28:02d}T{n % 24:02d}:00:00Z",
            lane="attack" if n % 2 else "response",
            label=f"event number {n}",
            party="cert.northland.example",
            who=0,
        )
        for n in range(count)
    ]


def test_labels_never_overlap() -> None:
    drawn = draw.timeline(marks(80), ["attack", "response"])
    assert drawn is not None
    for lane in drawn.lanes:
        rows: dict[float, list[tuple[float, float]]] = {}
        for p in lane.placed:
            if p.label:
                rows.setdefault(p.y, []).append((p.label_x, p.label_x + len(p.label) * 6.6))
        for row in rows.values():
            row.sort()
            assert all(a[1] <= b[0] for a, b in pairwise(row))
    assert len(drawn.marks) == 80


def test_the_drawing_does_not_depend_on_the_order() -> None:
    assert draw.timeline(marks(30), ["attack", "response"]) == draw.timeline(
        list(reversed(marks(30))), ["attack", "response"]
    )


def test_many_marks_become_counts() -> None:
    drawn = draw.timeline(marks(900), ["attack", "response"])
    assert drawn is not None
    assert all(not lane.placed for lane in drawn.lanes)
    assert sum(b.count for lane in drawn.lanes for b in lane.bins) == 900


def test_a_stretch_without_events_is_drawn() -> None:
    few = [m for m in marks(56) if not "2026-11-10" < m.at < "2026-11-20"]
    drawn = draw.timeline(few, ["attack", "response"])
    assert drawn is not None
    [gap] = drawn.gaps
    assert 240 <= gap.hours <= 300
    assert not any(gap.x < p.x < gap.x + gap.width for lane in drawn.lanes for p in lane.placed)


def test_nothing_dated_is_no_timeline() -> None:
    assert draw.timeline([], ["attack"]) is None


# --- dates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2026-11-22T08:05:00Z", "22 Nov 2026, 08:05 UTC"),
        ("2026-11-22T08:05:00+02:00", "22 Nov 2026, 06:05 UTC"),
        ("2026-11-22", "22 Nov 2026"),
        ("2026-11", "Nov 2026"),
        ("2026", "2026"),
        ("2026-13-99", "99 2026"),
        ("last spring", "last spring"),
        (None, "no date"),
    ],
)
def test_dates_are_as_exact_as_they_are_known(at: str | None, words: str) -> None:
    assert i18n.moment(at) == words


# --- problems -------------------------------------------------------------------------------------


def test_every_error_has_a_status() -> None:
    ours = [kind for kind in problems.classes() if kind.__module__ == errors.__name__]
    assert len(ours) > 30
    for kind in ours:
        assert any(above in problems.STATUS for above in kind.__mro__)


def test_hidden_and_unknown_are_the_same_bytes() -> None:
    one = errors.NotFoundError("no case case--1", remedy="x")
    two = errors.NotFoundError("no object 99", remedy="y")
    assert problems.problem_of(one) == problems.problem_of(two)


def test_every_problem_this_console_names_has_a_page() -> None:
    text = "".join(path.read_text() for path in FOLDER.glob("*.py"))
    used = set(re.findall(r'(?:problem_response\(|refusal\(\s*scope,)\s*\d+,\s*"([a-z-]+)"', text))
    used |= set(re.findall(r'"/problems/([a-z-]+)"', text))
    known = {problems.name_of(kind) for kind in problems.classes()} | problems.OTHERS.keys()
    assert len(used) >= 6
    assert used <= known


def test_a_problem_is_named_after_its_error() -> None:
    assert problems.name_of(errors.BundleSizeError) == "bundle-size"
    assert problems.name_of(errors.LogHalted) == "log-halted"
