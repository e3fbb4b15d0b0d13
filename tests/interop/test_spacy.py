"""Reading with spaCy: its pipelines as a parser, and models that are not there or do not fit.

No trained model is needed: the sentences are taken apart by hand, in spaCy's own documents.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli import run
from tocsin.errors import ParserError
from tocsin.reading.parsed import parse
from tocsin.reading.quotes import read_claims
from tocsin.wiring import parser as parsers

spacy: Any = pytest.importorskip("spacy")
pytest.importorskip("spacy.tokens")

TEXT = "The engineers who  repaired it now believe that it failed."
ROWS = """
    The|1|det|DET engineers|7|nsubj|NOUN who|4|nsubj|PRON -|4|dep|SPACE repaired|1|relcl|VERB
    it|4|dobj|PRON now|7|advmod|ADV believe|7|ROOT|VERB that|10|mark|SCONJ it|10|nsubj|PRON
    failed|7|ccomp|VERB .|7|punct|PUNCT
"""
HEADS, DEPS, POS = zip(*(row.split("|")[1:] for row in ROWS.split()), strict=True)

COMPONENT = f"""
from spacy.language import Language

@Language.component("by_hand", assigns=["token.dep", "token.head", "token.pos", "doc.sents"])
def by_hand(doc):
    if len(doc) != {len(HEADS)}:
        for token in doc:
            token.is_sent_start = token.i == 0
        return doc
    for token, head, dep, pos in zip(doc, {HEADS!r}, {DEPS!r}, {POS!r}):
        token.head, token.dep_, token.pos_ = doc[int(head)], dep, pos
    return doc
"""


@pytest.fixture(autouse=True)
def _fresh() -> None:
    parsers.load_parser.cache_clear()


@pytest.fixture
def pipeline() -> Any:
    if not spacy.Language.has_factory("by_hand"):
        exec(COMPONENT, {})
    made = spacy.blank("en")
    made.add_pipe("by_hand")
    made.meta.update(name="by_hand", version="1.2.3")
    return made


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Makes a model's package as `pip` would have installed it, and gives its name."""

    def install(pipeline: Any, name: str, code: str = "") -> str:
        package = tmp_path / name
        package.mkdir()
        pipeline.to_disk(package / "model")
        (package / "__init__.py").write_text(
            f"{code}\nfrom pathlib import Path\nimport spacy\n"
            "def load(**how):\n"
            "    return spacy.load(Path(__file__).parent / 'model', **how)\n",
            "utf-8",
        )
        info = tmp_path / f"{name}-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
        (info / "entry_points.txt").write_text(f"[spacy_models]\n{name} = {name}\n")
        (info / "RECORD").write_text("")
        monkeypatch.syspath_prepend(str(tmp_path))
        return name

    return install


def test_a_document_of_spacys_becomes_words_in_their_places(pipeline: Any) -> None:
    [[words]] = parsers.parser_of(pipeline).parse([TEXT])
    assert [TEXT[word.start : word.end] for word in words] == TEXT.replace(".", " .").split()
    printed = [TEXT[words[word.head].start : words[word.head].end] for word in words]
    assert printed[:5] == ["engineers", "believe", "repaired", "engineers", "repaired"]
    assert [(word.dep, word.pos) for word in words[:2]] == [("det", "DET"), ("nsubj", "NOUN")]


def test_indirect_speech_is_read_with_spacys_document(pipeline: Any) -> None:
    parsed = parse(TEXT, parsers.parser_of(pipeline))
    [draft] = read_claims(TEXT, published=None, lang="en", parsed=parsed)
    assert (draft.speaker, draft.words) == ("engineers", "it failed")
    assert draft.parser == f"en_by_hand 1.2.3 (spaCy {spacy.__version__})"


def test_an_installed_model_is_loaded_by_its_name(pipeline: Any, model: Callable[..., str]) -> None:
    name = model(pipeline, "en_by_hand")
    assert name in parsers.installed()
    parser = parsers.load_parser(name)
    assert len(parser.parse([TEXT])[0][0]) == len(HEADS) - 1
    assert parsers.load_parser(name) is parser


def test_a_model_without_a_parser_is_refused(model: Callable[..., str]) -> None:
    plain = spacy.blank("en")
    plain.add_pipe("sentencizer")
    with pytest.raises(ParserError, match="has no parser"):
        parsers.load_parser(model(plain, "en_plain"))


def test_a_model_of_a_language_without_cues_is_refused(
    pipeline: Any, model: Callable[..., str]
) -> None:
    other = spacy.blank("xx")
    other.add_pipe("by_hand")
    with pytest.raises(ParserError, match="is a model of xx"):
        parsers.load_parser(model(other, "xx_by_hand"))


def test_a_model_that_does_not_load_says_why(pipeline: Any, model: Callable[..., str]) -> None:
    name = model(pipeline, "en_broken", "raise OSError('weights are missing')")
    with pytest.raises(ParserError, match="weights are missing"):
        parsers.load_parser(name)


@pytest.mark.parametrize("name", ["en_core_web_none", "os", "../evil", "/etc", "", "a" * 9_000])
def test_only_what_is_installed_as_a_model_can_be_named(name: str) -> None:
    with pytest.raises(ParserError, match="no spaCy model") as refused:
        parsers.load_parser(name)
    assert len(refused.value.message) < 400
    assert "tocsin fetches none" in refused.value.remedy


def test_new_words_of_a_text_do_not_stay_in_memory(pipeline: Any) -> None:
    parser = parsers.parser_of(pipeline)
    parser.parse(["Some words to begin with."])
    before = len(pipeline.vocab.strings)
    for n in range(50):
        parser.parse([f"Invented{n} words{n} that{n} nobody{n} prints{n}."])
    assert len(pipeline.vocab.strings) == before


def test_hostile_text_is_taken_apart_or_named_as_unread(pipeline: Any) -> None:
    parser = parsers.parser_of(pipeline)
    for text in (
        "\ud800 said",
        "\x00\x00",
        "a" * 50_000,
        "\u202esaid\u202c \ufdfd" * 900,
        " \u2028 \x85 ",
    ):
        parsed = parse(text, parser)
        assert all(0 <= one.start <= one.end <= len(text) for one in parsed.unread)


def test_reading_without_a_model_named_loads_no_spacy() -> None:
    code = (
        "import sys; from tocsin.wiring.offline import read_file;"
        "from tocsin.wiring import node, parser;"
        "read_file(b'The agency said that the port was closed.', 'a.txt', published=None);"
        "print(sorted({'spacy', 'thinc', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
    assert import_module("spacy") is spacy


def test_a_file_is_read_with_a_model_on_a_terminal(
    pipeline: Any,
    model: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = model(pipeline, "en_by_hand")
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text(TEXT + "\n", "utf-8")
    assert run(["--no-input", "ingest", "--no-keep", "a.txt", "--nlp", name]) == 0
    shown = capsys.readouterr().out
    assert "found by a learned parser, and by no rule: 1\n" in shown
    assert f"en_by_hand 1.2.3 (spaCy {spacy.__version__})" in shown


def test_without_spacy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(ParserError, match="needs spaCy, which is not installed") as refused:
        parsers.load_parser("en_core_web_sm")
    assert "tocsin[nlp]" in refused.value.remedy
