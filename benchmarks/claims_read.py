"""Q1, Q2: reading claims from text, against articles in which people marked who said what.

Q1 counts what is found, on the corpus articles with brat annotations (Source, Cue, Content): a
quotation counts as found where a direct draft overlaps it, a draft as right where at least half of
it lies in a marked Content; indirect alike, for Contents without quotation marks. A speaker is
right if a capitalised word of it stands in the marked Source, or the Source is a pronoun and the
draft says from where it took the name. Q1 also counts texts and sentences of our own
(`claims_gold.py`), those the rules were mended by and those they were not apart. Q2 is the time
for the same articles, reading alone. `--nlp MODEL`: the same articles once more, with an installed
spaCy model beside the rules, and how many of its drafts are others when two names are exchanged.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import warnings
from collections import Counter
from collections.abc import Iterator

from benchmarks.claims_gold import pages, sentences, tally
from benchmarks.figures import corpus, cpu_median, figure, share, skipped
from msgspec import Struct

from tocsin.reading.parsed import Parser, parse
from tocsin.reading.quotes import SHORTEST, Draft, read_claims
from tocsin.reading.tongues import language_of
from tocsin.wiring.parser import load_parser

Span = tuple[int, int]


class Marked(Struct):
    """One attribution that a person marked."""

    content: list[Span]
    source: str
    quoted: list[Span]


def marked(article: str, annotation: str) -> list[Marked]:
    """The attributions of one brat file."""
    texts: dict[str, tuple[list[Span], str]] = {}
    events: list[dict[str, list[str]]] = []
    for line in annotation.splitlines():
        key, _, rest = line.partition("\t")
        if key.startswith("T"):
            head, _, printed = rest.partition("\t")
            places = head.partition(" ")[2].split(";")
            spans = [(int(a), int(b)) for a, b in (place.split() for place in places)]
            texts[key] = (spans, printed)
        elif key.startswith("E"):
            event: dict[str, list[str]] = {}
            for part in rest.split():
                name, _, value = part.partition(":")
                event.setdefault(name.rstrip("0123456789"), []).append(value)
            events.append(event)
    found = []
    for event in events:
        content = [span for key in event.get("Content", []) for span in texts[key][0]]
        source = " ".join(texts[key][1] for key in event.get("Source", []))
        quoted = [
            (start + quote.start(), start + quote.end())
            for start, end in content
            for quote in re.finditer(r'[“"]([^”"]*)', article[start:end])
            if quote.end() - quote.start() >= SHORTEST
        ]
        found.append(Marked(content, source, quoted))
    return found


def articles() -> Iterator[tuple[str, list[Marked]]]:
    """Every corpus article that has an annotation, with the first one by name."""
    folder = corpus("Q1", "reading claims", "claims/text")
    if folder is None:
        return
    for path in sorted((folder / "articles").glob("*.txt")):
        notes = sorted((folder / "attributions").glob(path.stem + "_*.ann"))
        if notes:
            with path.open(encoding="utf-8", newline="") as file:
                text = file.read()
            yield text, marked(text, notes[0].read_text(encoding="utf-8"))


def shared(one: Span, other: Span) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def speaker_right(draft: Draft, source: str) -> bool:
    if draft.speaker is None:
        return False
    words = [word.strip("’'s.,") for word in draft.speaker.split() if word[:1].isupper()]
    if any(word and word in source for word in words) or draft.speaker in source:
        return True
    lows = set(source.lower().split())
    if lows & {"he", "she", "they", "it"} and "speaker as in" in " ".join(draft.confidence_notes):
        return True
    told = re.search(r"speaker from '(\w+)'", " ".join(draft.confidence_notes))
    return told is not None and told[1].lower() in lows


def inside(draft: Draft, all_marked: list[Marked]) -> bool:
    length = draft.span[1] - draft.span[0]
    return any(2 * shared(draft.span, span) >= length for one in all_marked for span in one.content)


def read(text: str, parser: Parser | None) -> list[Draft]:
    parsed = None if parser is None else parse(text, parser)
    return read_claims(text, published=None, parsed=parsed)


def count(
    pages: list[tuple[str, list[Marked]]], parser: Parser | None = None
) -> dict[str, tuple[int, int]]:
    """Each figure as (right, of how many)."""
    tally = {
        name: [0, 0]
        for name in (
            "direct recall",
            "direct precision",
            "speaker of found",
            "speaker where one is given",
            "indirect precision",
            "indirect recall",
        )
    }

    def add(name: str, right: bool) -> None:
        tally[name][0] += right
        tally[name][1] += 1

    for text, gold in pages:
        drafts = read(text, parser)
        direct = [draft for draft in drafts if draft.direct]
        indirect = [draft for draft in drafts if not draft.direct]
        for one in gold:
            if one.quoted:
                hits = [d for d in direct if any(shared(d.span, span) for span in one.quoted)]
                add("direct recall", bool(hits))
                if hits and one.source:
                    add("speaker of found", speaker_right(hits[0], one.source))
                    if hits[0].speaker is not None:
                        add("speaker where one is given", speaker_right(hits[0], one.source))
            else:
                found = any(
                    2 * shared(d.span, span) > min(d.span[1] - d.span[0], span[1] - span[0])
                    for d in indirect
                    for span in one.content
                )
                add("indirect recall", found)
        for draft in direct:
            add("direct precision", inside(draft, gold))
        for draft in indirect:
            add("indirect precision", inside(draft, gold))
    return {name: (right, total) for name, (right, total) in tally.items()}


GOALS = {
    "direct recall": ">= 0.90",
    "direct precision": ">= 0.95",
    "speaker of found": ">= 0.90",
    "speaker where one is given": "printed",
    "indirect precision": ">= 0.90",
    "indirect recall": "printed",
}


OWN = {
    "type, of all": ">= 0.80",
    "type, of found": ">= 0.80",
    "direct found": ">= 0.90",
    "speaker, of found": ">= 0.90",
    "direct drafts that are claims": ">= 0.95",
    "indirect drafts that are claims": ">= 0.90",
}


def own() -> None:
    """Print Q1 on texts and sentences of our own."""
    lists = {
        f"{len(pages())} texts in many styles, seen when the rules were mended": pages(),
        "texts by another hand, mended by since": pages("claims_unseen"),
        "more texts by that hand, mended by since": pages("claims_fresh"),
        "sentences the rules were mended by": sentences("seen"),
        "sentences no rule has seen": sentences("held_out"),
    }
    for title, read in lists.items():
        for name, counted in tally(read).items():
            typed = name.startswith("type")
            if not counted[1] or (read[0].claims[0].direct is None and not typed):
                continue
            share("Q1", f"{title}: {name}", counted, OWN.get(name, "printed"))


def installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def exchanged(text: str, one: str, other: str) -> str:
    """The text with two names in each other's place."""
    names = {one: other, other: one}
    return re.sub(rf"\b({one}|{other})\b", lambda found: names[found[1]], text)


def changed(texts: list[str], parser: Parser | None) -> tuple[int, int]:
    """Drafts that are others once the two commonest names of their text are exchanged, of how many.

    With the rules alone there is none (claims.md §5); a learned parser promises nothing.
    """
    differ = total = 0
    for text in texts:
        names = Counter(re.findall(r"(?<=[a-z,] )[A-Z][a-z]{3,}\b", text))
        if len(names) < 2:
            continue
        one, other = (name for name, _ in names.most_common(2))
        before = Counter(exchanged(draft.words, one, other) for draft in read(text, parser))
        after = Counter(draft.words for draft in read(exchanged(text, one, other), parser))
        differ += sum((before - after).values())
        total += sum(before.values())
    return differ, total


def own_with(parser: Parser) -> None:
    """Print Q1 of words told in texts of our own, by the rules and with a parser beside them."""
    english = [page for page in pages("claims_unseen") if language_of(page.text) == "en"]
    for what, by in (("by the rules", None), (f"with {parser.name}", parser)):
        for name, counted in tally(english, by).items():
            if name.startswith("indirect"):
                title = f"{len(english)} English texts by another hand, {what}: {name}"
                share("Q1", title, counted, "printed")


def with_parser(pages: list[tuple[str, list[Marked]]], parser: Parser) -> None:
    """Print Q1 and Q2 of the corpus articles with a learned parser beside the rules."""
    for name, counted in count(pages, parser).items():
        if name.startswith("indirect"):
            title = f"the same with {parser.name}: {name}"
            share("Q1", title, counted, GOALS[name], packages=["spacy"])
    texts = [text for text, _ in pages]
    for what, by in (("by the rules", None), (f"with {parser.name}", parser)):
        title = f"drafts {what} that are others when two names are exchanged"
        share("Q1", title, changed(texts, by), "printed")
    seconds = cpu_median(lambda: [read(text, parser) for text in texts], 3)
    characters = sum(len(text) for text in texts)
    title = f"all articles with {parser.name}, {characters} characters"
    figure("Q2", title, ours=seconds, goal="printed", unit="s", n=3, packages=["spacy"])


def main() -> None:
    """Print Q1 and Q2."""
    asked = argparse.ArgumentParser(description="Reading claims from text.")
    asked.add_argument("--nlp", metavar="MODEL", help="an installed spaCy model, beside the rules")
    model = asked.parse_args().nlp
    parser = None if model is None else load_parser(model)
    own()
    if parser is not None:
        own_with(parser)
    pages = list(articles())
    if not pages:
        return
    tally = count(pages)
    for name, counted in tally.items():
        share("Q1", f"claims in {len(pages)} articles: {name}", counted, GOALS[name])
    if parser is not None:
        with_parser(pages, parser)
    right, total = tally["direct recall"]
    if installed("textacy"):
        peer = textacy_recall(pages)
        figure(
            "Q1",
            "direct recall over textacy's",
            ours=right / total,
            peer=peer,
            ratio=(right / total) / peer if peer else None,
            goal=">= 1.9",
            unit="share",
            n=1,
            packages=["textacy", "spacy"],
        )
    else:
        skipped("Q1", "direct recall over textacy's", "textacy is not installed here")
    texts = [text for text, _ in pages]
    ours = cpu_median(lambda: [read_claims(text, published=None) for text in texts], 5)
    if installed("spacy") and installed("en_core_web_sm"):
        peer_time = spacy_time(texts)
        figure(
            "Q2",
            "all articles, spaCy's small model for the peer",
            ours=ours,
            peer=peer_time,
            goal=">= 10 times faster",
            unit="s",
            n=5,
            packages=["spacy", "en_core_web_sm"],
        )
    else:
        characters = sum(len(text) for text in texts)
        figure(
            "Q2", f"all articles, {characters} characters", ours=ours, goal="printed", unit="s", n=5
        )
        skipped("Q2", "speed over spaCy small", "spacy and en_core_web_sm are not installed here")


def textacy_recall(pages: list[tuple[str, list[Marked]]]) -> float:
    """The peer's direct recall on the same marks."""
    warnings.simplefilter("ignore")
    spacy = importlib.import_module("spacy")
    extract = importlib.import_module("textacy.extract")
    model = spacy.load("en_core_web_sm")
    right = total = 0
    for text, gold in pages:
        spans = []
        for triple in extract.direct_quotations(model(text)):
            spans.append((triple.content.start_char, triple.content.end_char))
        for one in gold:
            if one.quoted:
                total += 1
                right += any(shared(span, quote) for span in spans for quote in one.quoted)
    return right / max(1, total)


def spacy_time(texts: list[str]) -> float:
    """Seconds that the peer's small model takes to parse the same articles."""
    model = importlib.import_module("spacy").load("en_core_web_sm")
    return float(cpu_median(lambda: [model(text) for text in texts], 3))


if __name__ == "__main__":
    main()
