"""STIX patterns: from text to tree, straight on the text.

The whole grammar of STIX 2.1 by recursive descent. What most patterns are, brackets around a few
`type:path = 'text'` without parentheses, is read by one regular expression a comparison; both ways
give the same tree.

Spec: STIX 2.1 §9 and its grammar STIXPattern.g4.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import lru_cache
from math import isinf
from typing import Any, Final, NoReturn

from tocsin.errors import PatternError
from tocsin.stix.pattern_rules import (
    MAX_COMPARISONS,
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_MEMBERS,
    MAX_OBSERVATIONS,
    SHOWN,
    clip,
    pattern_error,
)
from tocsin.stix.pattern_tree import (
    KEYWORDS,
    Binary,
    Boolean,
    Comparison,
    ComparisonAnd,
    ComparisonOr,
    Constant,
    Constants,
    Exists,
    Float,
    FollowedBy,
    Hex,
    Integer,
    ObjectPath,
    Observation,
    ObservationAnd,
    ObservationOr,
    Operator,
    Pattern,
    PropertyTest,
    Qualified,
    Qualifier,
    Repeats,
    StartStop,
    Step,
    String,
    Timestamp,
    Within,
)

# --- tokens ---------------------------------------------------------------------------------

_BLANK = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Atomic throughout: a hostile text costs one pass, never a search.
_TOKEN = re.compile(
    rf"(?:[{_BLANK}]++|/\*(?s:.*?)\*/|//[^\r\n]*+)*+"
    r"(?:"
    r"(t'[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]++)?Z')"
    r"|(h'(?:[0-9A-Fa-f]{2})*+')"
    r"|(b'(?:[0-9A-Za-z+/]{4})*+(?:[0-9A-Za-z+/]{2}==|[0-9A-Za-z+/]{3}=)?(?<!b')')"
    r"|([A-Za-z_][A-Za-z0-9_-]*+)"
    r"|('[^'\\]*+(?:\\['\\][^'\\]*+)*+')"
    r"|([+-]?(?:[0-9]*+\.[0-9]++|0|[1-9][0-9]*+))"
    r"|(==?|!=|<[>=]?|>=?)"
    r"|([\[\]().:,*])"
    r")?"
)
_END, _STAMP, _HEX, _BINARY, _WORD, _TEXT, _NUMBER, _OPERATOR = range(8)
_UNCLOSED = re.compile(r"'[^'\\]*+(?:\\['\\][^'\\]*+)*+")
_NUMBER_LIKE = re.compile(r"[0-9A-Za-z_.+-]++")
_WRONG_QUOTES = '"`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u2032\u2033\uff07\uff02'
_LOWERED = {word.lower() for word in KEYWORDS}
_OPERATORS: dict[str, Operator] = {
    "=": "=",
    "==": "=",
    "!=": "!=",
    "<>": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "IN": "IN",
    "LIKE": "LIKE",
    "MATCHES": "MATCHES",
    "ISSUBSET": "ISSUBSET",
    "ISSUPERSET": "ISSUPERSET",
}
_QUALIFIERS = frozenset(("START", "WITHIN", "REPEATS"))

# One plain comparison, and what follows it if that is plain too.
_PLAIN = re.compile(
    r"[\t\n\r ]*+"
    r"([A-Za-z_][A-Za-z0-9_-]*+:[A-Za-z_][A-Za-z0-9_]*+"
    r"(?:\.(?:[A-Za-z_][A-Za-z0-9_]*+|'[^'\\]*+')|\[(?:0|[1-9][0-9]{0,5}|\*)\])*+)"
    r"[\t\n\r ]*+(==?|!=|<[>=]?|>=?|LIKE|MATCHES|ISSUBSET|ISSUPERSET)[\t\n\r ]*+"
    r"(?:'([^'\\]*+(?:\\['\\][^'\\]*+)*+)'|(-?(?:0|[1-9][0-9]{0,17}))(?![0-9A-Za-z_.]))"
    r"(?:[\t\n\r ]*+(\]|(?:AND|OR)(?=[\t\n\r ])))?"
)
_TEXT_ONLY = frozenset(("LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"))
_STEP = re.compile(r"\.?(?:([A-Za-z_][A-Za-z0-9_]*+)|'([^'\\]*+)')|\[([0-9]++|\*)\]")
_ESCAPE = re.compile(r"\\(.)")
_LONGEST_KEPT = 200
"""Characters of a path that may be remembered."""


# --- the short way --------------------------------------------------------------------------


def plain_brackets(text: str, start: int, most: int) -> tuple[Observation, int] | None:
    """The brackets that open at `start`, if all in them is plain: and how many comparisons.

    None where anything in them is not plain, or there are more comparisons than `most`: then the
    descent says what they are.
    """
    match = _PLAIN.match(text, start + 1)
    if match is None or most < 1:
        return None
    source, word, written, digits, joint = match.groups()
    test = _plain_test(match.regs, source, word, written, digits)
    if joint == "]" and test is not None:
        return Observation(test, start, match.end()), 1
    if joint is None or test is None:
        return None
    first = test.start
    alternatives: list[Comparison] = []
    together: list[Comparison] = []
    count = 1
    while True:
        if joint == "AND":
            together.append(test)
        elif together:
            together.append(test)
            alternatives.append(ComparisonAnd(tuple(together), together[0].start, test.end))
            together = []
        else:
            alternatives.append(test)
        if joint == "]":
            break
        match = _PLAIN.match(text, match.end())
        count += 1
        if match is None or count > most:
            return None
        source, word, written, digits, joint = match.groups()
        test = _plain_test(match.regs, source, word, written, digits)
        if joint is None or test is None:
            return None
    whole = (
        alternatives[0]
        if len(alternatives) == 1
        else ComparisonOr(tuple(alternatives), first, test.end)
    )
    return Observation(whole, start, match.end()), count


def _plain_test(
    regs: tuple[tuple[int, int], ...], source: str, word: str, written: str | None, digits: str
) -> PropertyTest | None:
    """What `_PLAIN` found; None where a keyword stands for a name, or a number for text."""
    parts = _plain_path(source) if len(source) <= _LONGEST_KEPT else None
    if parts is None:
        return None
    begin, middle = regs[1]
    value: String | Integer
    if written is None:
        if word in _TEXT_ONLY:
            return None
        low, end = regs[4]
        value = Integer(int(digits), low, end)
    else:
        if "\\" in written:
            written = _ESCAPE.sub(r"\1", written)
        low, end = regs[3]
        end += 1
        value = String(written, low - 1, end)
    type, steps = parts
    path = ObjectPath(type, steps, begin, middle)
    return PropertyTest(path, _OPERATORS[word], value, False, begin, end)


@lru_cache(maxsize=4_096)
def _plain_path(source: str) -> tuple[str, tuple[Step, ...]] | None:
    """Type and steps of a path of the plain form; None where a keyword stands for a name.

    Few paths are in use, so they are remembered.
    """
    type, _, rest = source.partition(":")
    if type in KEYWORDS:
        return None
    steps: list[Step] = []
    for name, key, index in _STEP.findall(rest):
        if name in KEYWORDS:
            return None
        if index:
            steps.append(None if index == "*" else int(index))
        else:
            steps.append(name or key)
    return type, tuple(steps)


# --- the descent ----------------------------------------------------------------------------


class Descent:
    """One text and the token under the eye.

    `kind`, `word`, `start`, `end` are that token's; `before` is where the one before it ended.
    """

    __slots__ = (
        "before",
        "comparisons",
        "depth",
        "end",
        "kind",
        "members",
        "number",
        "observations",
        "short_way",
        "start",
        "text",
        "word",
    )

    def __init__(self, text: str, *, short_way: bool = True) -> None:
        self.text: Final = text
        self.short_way = short_way
        self.kind = _END
        self.word = ""
        self.start = self.end = self.before = 0
        self.depth = self.observations = self.comparisons = self.members = 0
        self.number = (0, -1)  # where the last number stands

    # --- observations

    def pattern(self) -> Pattern:
        self._next()
        if self.kind == _END:
            raise pattern_error("empty-pattern", 0, "there is no pattern here")
        whole = self._followed()
        if self.kind != _END:
            self._more()
        return whole

    def _followed(self) -> Pattern:
        found: Pattern = self._chain("FOLLOWEDBY", self._one_of, FollowedBy)
        return found

    def _one_of(self) -> Pattern:
        found: Pattern = self._chain("OR", self._all_of, ObservationOr)
        return found

    def _all_of(self) -> Pattern:
        found: Pattern = self._chain("AND", self._qualified, ObservationAnd)
        return found

    def _chain(self, word: str, part: Callable[[], Any], node: Callable[..., Any]) -> Any:
        start = self.start
        first = part()
        if self.word != word:
            return first
        operands = [first]
        while self.word == word:
            self._next()
            operands.append(part())
        return node(tuple(operands), start, self.before)

    def _qualified(self) -> Pattern:
        start = self.start
        grouped = self.word == "("
        if grouped:
            self._open()
            inner = self._followed()
            self._close(start)
        elif self.word == "[":
            inner = self._brackets()
        else:
            self._no_brackets()
        if self.word not in _QUALIFIERS:
            return inner
        qualifiers: list[Qualifier] = []
        while self.word in _QUALIFIERS:
            qualifiers.append(self._qualifier())
        return Qualified(inner, tuple(qualifiers), grouped, start, self.before)

    def _brackets(self) -> Observation:
        start = self.start
        self.observations += 1
        if self.observations > MAX_OBSERVATIONS:
            raise pattern_error(
                "too-many-observations", start, f"here begins observation {self.observations}"
            )
        if self.short_way:
            found = plain_brackets(self.text, start, MAX_COMPARISONS - self.comparisons)
            if found is not None:
                self.comparisons += found[1]
                self.end = found[0].end
                self._next()
                return found[0]
        self._next()
        test = self._either()
        if self.word != "]":
            self._unexpected(f"AND, OR or the ] for the [ at character {start}")
        self._next()
        return Observation(test, start, self.before)

    def _qualifier(self) -> Qualifier:
        start, word = self.start, self.word
        self._next()
        if word == "START":
            begin = self._instant("START")
            if self.word != "STOP":
                raise pattern_error(
                    "start-without-stop", self.start, f"STOP was expected, not {self._shown()}"
                )
            self._next()
            until = self._instant("STOP")
            return StartStop(begin, until, start, self.before)
        unit = "SECONDS" if word == "WITHIN" else "TIMES"
        if self.kind != _NUMBER:
            if self.kind == _END:
                self._unexpected(f"a number after {word}")
            raise pattern_error(
                "bad-qualifier-number", self.start, f"{word} takes a number, not {self._shown()}"
            )
        if self.word[0] == "-" or (word == "REPEATS" and "." in self.word):
            raise pattern_error(
                "bad-qualifier-number", self.start, f"{word} does not take {self._shown()}"
            )
        number = self._take_number()
        if self.word != unit:
            self._unexpected(unit)
        self._next()
        if word == "WITHIN":
            return Within(number, start, self.before)
        assert isinstance(number, int)
        return Repeats(number, start, self.before)

    def _instant(self, word: str) -> Timestamp:
        start, shown = self.start, self.word
        if self.kind != _STAMP:
            if self.kind == _TEXT:
                raise pattern_error(
                    "timestamp-needs-t", start, f"{word} takes a timestamp, not {self._shown()}"
                )
            if self._prefix() == "t":
                raise pattern_error("bad-timestamp", start, f"{self._quoted_here()} is none")
            self._unexpected(f"a timestamp after {word}")
        self._next()
        return Timestamp(shown[2:-1], start, self.before)

    # --- comparisons

    def _either(self) -> Comparison:
        found: Comparison = self._chain("OR", self._together, ComparisonOr)
        return found

    def _together(self) -> Comparison:
        found: Comparison = self._chain("AND", self._comparison, ComparisonAnd)
        return found

    def _comparison(self) -> Comparison:
        start = self.start
        if self.word == "(":
            self._open()
            inner = self._either()
            self._close(start)
            return inner
        self.comparisons += 1
        if self.comparisons > MAX_COMPARISONS:
            raise pattern_error(
                "too-many-comparisons", start, f"here begins comparison {self.comparisons}"
            )
        if self.short_way:
            match = _PLAIN.match(self.text, start)
            if match is not None:
                test = _plain_test(match.regs, *match.group(1, 2, 3, 4))
                if test is not None:
                    self.end = test.end
                    self._next()
                    return test
        negated = self.word == "NOT"
        if negated:
            self._next()
            if self.word != "EXISTS":
                raise pattern_error("not-before-the-path", start, "NOT stands before a path")
        if self.word == "EXISTS":
            self._next()
            return Exists(self._path(), negated, start, self.before)
        path = self._path()
        negated = self.word == "NOT"
        if negated:
            self._next()
        operator = _OPERATORS.get(self.word)
        if operator is None:
            self._no_operator(path)
        self._next()
        value = self._operand(operator)
        return PropertyTest(path, operator, value, negated, start, self.before)

    def _operand(self, operator: Operator) -> Constant | Constants:
        if operator == "IN":
            return self._set()
        if operator in ("=", "!="):
            return self._constant()
        start, kind = self.start, self.kind
        if operator in ("<", "<=", ">", ">="):
            if self.word in ("true", "false"):
                raise pattern_error(
                    "truth-has-no-order", start, f"{operator} stands before {self._shown()}"
                )
            return self._constant()
        shown = self._shown()
        value = self._constant()
        if kind != _TEXT:
            raise pattern_error("operator-takes-text", start, f"{operator} does not take {shown}")
        return value

    def _set(self) -> Constants:
        start = self.start
        if self.word != "(":
            if self.kind == _END:
                self._unexpected("( after IN")
            raise pattern_error("in-takes-a-set", start, f"IN does not take {self._shown()}")
        self._next()
        members: list[Constant] = []
        while self.word != ")" or members:
            self.members += 1
            if self.members > MAX_MEMBERS:
                raise pattern_error(
                    "too-many-members", self.start, f"here stands member {self.members}"
                )
            members.append(self._constant())
            if self.word == ")":
                break
            if self.word != ",":
                self._unexpected(", or )")
            self._next()
        self._next()
        return Constants(tuple(members), start, self.before)

    def _constant(self) -> Constant:
        start, kind, word = self.start, self.kind, self.word
        if kind == _TEXT:
            self._next()
            value = word[1:-1]
            if "\\" in value:
                value = _ESCAPE.sub(r"\1", value)
            return String(value, start, self.before)
        if kind == _NUMBER:
            number = self._take_number()
            if isinstance(number, float):
                return Float(number, start, self.before)
            return Integer(number, start, self.before)
        if kind == _WORD and word in ("true", "false"):
            self._next()
            return Boolean(word == "true", start, self.before)
        if kind == _STAMP:
            self._next()
            return Timestamp(word[2:-1], start, self.before)
        if kind == _HEX:
            self._next()
            return Hex(bytes.fromhex(word[2:-1]), start, self.before)
        if kind == _BINARY:
            self._next()
            return Binary(base64.b64decode(word[2:-1]), start, self.before)
        raise self._no_constant()

    def _take_number(self) -> int | float:
        start, word = self.start, self.word
        self.number = (start, self.end)
        if len(word) > MAX_DIGITS:
            raise pattern_error("number-too-large", start, f"a number of {len(word)} characters")
        number = float(word) if "." in word else int(word)
        if isinstance(number, float) and isinf(number):
            raise pattern_error("number-too-large", start, f"no double holds {self._shown()}")
        self._next()
        return number

    # --- paths

    def _path(self) -> ObjectPath:
        start, type = self.start, self.word
        if self.kind != _WORD:
            self._unexpected("a comparison")
        self._next()
        if self.word != ":":
            if type in KEYWORDS:
                raise pattern_error("unexpected-token", start, f"{type} begins no comparison")
            raise pattern_error("object-type-missing", start, f"no colon follows {clip(type)}")
        if type in KEYWORDS:
            raise pattern_error("keyword-as-name", start, f"{type} is no object type")
        self._next()
        steps: list[Step] = [self._key()]
        while True:
            if self.word == ".":
                self._next()
                steps.append(self._key())
            elif self.word == "[":
                self._next()
                steps.append(self._index())
            else:
                return ObjectPath(type, tuple(steps), start, self.before)

    def _key(self) -> str:
        word = self.word
        if self.kind == _TEXT:
            self._next()
            return _ESCAPE.sub(r"\1", word[1:-1])
        if self.kind != _WORD:
            self._unexpected("a property or a key")
        if word in KEYWORDS:
            raise pattern_error("keyword-as-name", self.start, f"{word} is a keyword")
        if "-" in word:
            raise pattern_error("hyphen-needs-quotes", self.start, f"{clip(word)} has a hyphen")
        self._next()
        return word

    def _index(self) -> int | None:
        if self.word == "*":
            index = None
            self._next()
        elif self.kind == _NUMBER and "." not in self.word:
            index = int(self._take_number())
        elif self.kind == _END:
            self._unexpected("an index")
        else:
            raise pattern_error("bad-index", self.start, f"{self._shown()} is no index")
        if self.word != "]":
            self._unexpected("] after an index")
        self._next()
        return index

    # --- tokens

    def _next(self) -> None:
        text = self.text
        self.before = self.end
        match = _TOKEN.match(text, self.end)
        assert match is not None  # every part of it may be absent
        kind = match.lastindex
        if kind is None:
            self.kind = _END
            self.word = ""
            self.start = self.end = match.end()
            if self.end < len(text):
                self._no_token(self.end)
        else:
            self.kind = kind
            self.word = match[kind]
            self.start, self.end = match.span(kind)

    def _open(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise pattern_error(
                "nested-too-deep", self.start, f"this parenthesis is number {self.depth} inside"
            )
        self._next()

    def _close(self, opened: int) -> None:
        if self.word != ")":
            self._unexpected(f"the ) for the ( at character {opened}")
        self.depth -= 1
        self._next()

    # --- what is wrong, by name

    def _unexpected(self, expected: str) -> NoReturn:
        if self.kind == _END:
            raise pattern_error(
                "unexpected-end", len(self.text), f"the pattern ends; expected {expected}"
            )
        start, end = self.number
        if end == self.start and (self.kind in (_WORD, _NUMBER) or self.word == "."):
            match = _NUMBER_LIKE.match(self.text, start)
            shown = clip(match[0]) if match else self._shown()
            raise pattern_error("bad-number", start, f"{shown} is no number")
        if self.kind == _WORD and self.word not in KEYWORDS and self.word.lower() in _LOWERED:
            raise pattern_error("keyword-case", self.start, f"{self.word} is no keyword")
        raise pattern_error(
            "unexpected-token", self.start, f"expected {expected}, not {self._shown()}"
        )

    def _no_brackets(self) -> NoReturn:
        if self.kind == _END:
            self._unexpected("[ or (")
        if self.kind == _WORD and self.word in KEYWORDS:
            self._unexpected("[ or (")
        raise pattern_error("no-brackets", self.start, f"expected [ or (, not {self._shown()}")

    def _more(self) -> NoReturn:
        if self.word == "STOP":
            raise pattern_error("start-without-stop", self.start, "STOP stands without START")
        if self.kind == _WORD and self.word not in KEYWORDS and self.word.lower() in _LOWERED:
            raise pattern_error("keyword-case", self.start, f"{self.word} is no keyword")
        raise pattern_error(
            "after-the-end", self.start, f"the pattern is complete before {self._shown()}"
        )

    def _no_operator(self, path: ObjectPath) -> NoReturn:
        if self.kind == _END:
            self._unexpected("a comparison operator")
        if self.kind == _WORD and self.word.upper() in KEYWORDS and self.word not in KEYWORDS:
            raise pattern_error("keyword-case", self.start, f"{self.word} is no keyword")
        if self.start == path.end and self.word[0] == ".":  # the scanner sees .7, a number
            self._unexpected("a property, or a key in quotes")
        shown = clip(self.text[path.start : path.end])
        raise pattern_error(
            "operator-expected", self.start, f"{self._shown()} follows the path {shown}"
        )

    def _no_constant(self) -> PatternError:
        prefix = self._prefix()
        if prefix:
            code = {"t": "bad-timestamp", "h": "bad-hex", "b": "bad-base64"}[prefix]
            return pattern_error(code, self.start, f"{self._quoted_here()} is none")
        if self.kind == _END:
            self._unexpected("a constant")
        if self.kind == _WORD and self.word.lower() in ("true", "false"):
            return pattern_error("keyword-case", self.start, f"{self.word} is no keyword")
        return pattern_error("constant-expected", self.start, f"{self._shown()} is no constant")

    def _no_token(self, at: int) -> NoReturn:
        char = self.text[at]
        if char == "'":
            match = _UNCLOSED.match(self.text, at)
            assert match is not None
            end = match.end()
            if end < len(self.text) - 1:
                shown = clip(self.text[end : end + 2])
                raise pattern_error("bad-escape", end, f"{shown} is no escape")
            raise pattern_error("string-not-closed", at, f"{self._clipped(at)} does not end")
        if char in _WRONG_QUOTES:
            raise pattern_error("wrong-quotes", at, f"U+{ord(char):04X} opens no text")
        if self.text.startswith("/*", at):
            raise pattern_error("comment-not-closed", at, "the comment that begins here is open")
        if char in "+-":
            raise pattern_error("bad-number", at, f"no number follows {char}")
        shown = char if char.isprintable() else f"U+{ord(char):04X}"
        raise pattern_error("bad-character", at, f"{shown} has no meaning here")

    def _prefix(self) -> str:
        """Which kind of quoted constant begins here, in either case, though it is not one."""
        if self.kind == _WORD and self.text.startswith("'", self.end):
            letter = self.word.lower()
            return letter if letter in ("t", "h", "b") else ""
        return ""

    def _quoted_here(self) -> str:
        close = self.text.find("'", self.end + 1)
        end = len(self.text) if close < 0 else close + 1
        return clip(self.text[self.start : min(end, self.start + SHOWN + 1)])

    def _clipped(self, at: int) -> str:
        return clip(self.text[at : at + SHOWN + 1])

    def _shown(self) -> str:
        return clip(self.word) if self.kind else "the end"


def parse_slowly(text: str) -> Pattern:
    """A tree without the short way for plain comparisons: what that has to be equal to.

    Raises:
        PatternError: as `parse`, but for the length, which is not looked at here.
    """
    return Descent(text, short_way=False).pattern()
