"""Learned parsers that are installed on this machine, by name. None is ever fetched.

spaCy and its models are other people's software: only what is installed as a model's package can be
named, never a path or another module, because loading one runs its code. Spec: claims.md §3.10.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from importlib import import_module, metadata
from typing import Any, Protocol

from tocsin.errors import ParserError
from tocsin.reading.parsed import LANGUAGE, Parser, Word

_NEEDLESS = ["ner", "lemmatizer", "textcat", "entity_linker"]
"""Parts of a model that nothing here reads: the larger half of its time."""
_LONGEST_NAME = 100


class SpacyToken(Protocol):
    """Of spaCy's `Token` what is read here."""

    i: int
    idx: int
    text: str
    dep_: str
    pos_: str
    is_space: bool

    @property
    def head(self) -> SpacyToken: ...


class SpacyDoc(Protocol):
    """Of spaCy's `Doc` what is read here: its sentences."""

    @property
    def sents(self) -> Iterator[Sequence[SpacyToken]]: ...


class SpacyPipeline(Protocol):
    """Of spaCy's `Language` what is called here; spaCy need not be there to check types."""

    @property
    def meta(self) -> Mapping[str, Any]: ...
    @property
    def pipe_names(self) -> Sequence[str]: ...
    def get_pipe_meta(self, name: str) -> Any: ...
    def memory_zone(self) -> AbstractContextManager[Any]: ...
    def pipe(self, texts: Iterable[str]) -> Iterator[SpacyDoc]: ...


class SpacyParser:
    """A spaCy pipeline, one caller at a time: it keeps state of its own while it works."""

    def __init__(self, pipeline: SpacyPipeline, spacy_version: str) -> None:
        self._pipeline = pipeline
        self._lock = threading.Lock()
        meta = pipeline.meta
        self.name = f"{meta['lang']}_{meta['name']} {meta['version']} (spaCy {spacy_version})"
        self.lang = str(meta["lang"])

    def parse(self, texts: Sequence[str]) -> list[list[list[Word]]]:
        """The sentences of each text, with how each word hangs on another; white space is none."""
        # Without a zone every new word of every text would stay in memory as long as the process.
        with self._lock, self._pipeline.memory_zone():
            return [[_words(s) for s in doc.sents] for doc in self._pipeline.pipe(texts)]


def _words(sentence: Sequence[SpacyToken]) -> list[Word]:
    kept = [token for token in sentence if not token.is_space]
    place = {token.i: n for n, token in enumerate(kept)}
    return [
        Word(t.idx, t.idx + len(t.text), place.get(t.head.i, n), t.dep_, t.pos_)
        for n, t in enumerate(kept)
    ]


def installed() -> list[str]:
    """The names of the spaCy models installed here, whether or not spaCy is."""
    return sorted({point.name for point in metadata.entry_points(group="spacy_models")})


@lru_cache(maxsize=1)
def load_parser(name: str) -> Parser:
    """The parser of an installed model.

    Raises:
        ParserError: spaCy is not installed; or no such model is; or it cannot be loaded, takes no
            sentences apart, or is of a language that has no table of cues for it.
    """
    try:
        spacy = import_module("spacy")
    except ImportError as wrong:
        raise ParserError(
            f"reading with {name} needs spaCy, which is not installed here",
            remedy="pip install 'tocsin[nlp]' (in a checkout: pip install 'spacy>=3.8,<4'), then a "
            "model; or leave out --nlp",
        ) from wrong
    known = installed()
    wanted = name.replace("-", "_")
    if wanted not in known:
        there = f"installed here: {', '.join(known[:10])}" if known else "none is installed here"
        raise ParserError(
            f"no spaCy model {name[:_LONGEST_NAME]!r} is installed; {there}",
            remedy="install its package as its makers say (python -m spacy download NAME, or pip "
            "install its file): tocsin fetches none",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "made with another version": loaded, or refused below
            pipeline = spacy.load(wanted, exclude=_NEEDLESS)
    except Exception as wrong:  # whatever the model's own code raises
        raise ParserError(
            f"the model {wanted} cannot be loaded with spaCy {spacy.__version__}: {wrong}",
            remedy="install a version of it that fits: python -m spacy validate",
        ) from wrong
    return parser_of(pipeline)


def parser_of(pipeline: SpacyPipeline) -> Parser:
    """A loaded pipeline as a parser.

    Raises:
        ParserError: as for `load_parser`.
    """
    parser = SpacyParser(pipeline, metadata.version("spacy"))
    assigned = {what for n in pipeline.pipe_names for what in pipeline.get_pipe_meta(n).assigns}
    if "token.dep" not in assigned:
        raise ParserError(
            f"{parser.name} has no parser: it does not say how words hang together",
            remedy="take a model with one, such as en_core_web_sm",
        )
    if parser.lang != LANGUAGE:
        raise ParserError(
            f"{parser.name} is a model of {parser.lang}, and cues for a parser are known of "
            f"{LANGUAGE} only",
            remedy="read by the rules alone: they have tables of other languages",
        )
    return parser
