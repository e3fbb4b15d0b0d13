"""What can be wrong with a STIX pattern: every code, what it means, what to do about it.

docs/guides/patterns.md is this table with examples.

Spec: STIX 2.1 §9; design/exchange.md §1.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from tocsin.errors import PatternError, PatternLimitError

MAX_BYTES = 64 * 1024
"""UTF-8 bytes of one pattern."""
MAX_DEPTH = 64
"""Parentheses open at one time."""
MAX_OBSERVATIONS = 256
"""Pairs of square brackets around comparisons."""
MAX_COMPARISONS = 1_000
"""Tests and EXISTS in the whole pattern."""
MAX_MEMBERS = 10_000
"""Members of all sets in the whole pattern."""
MAX_DIGITS = 1_000
"""Characters of one number; converting one costs the square of its length."""

Kind: TypeAlias = Literal["grammar", "limit", "must", "warning", "line"]
"""Where a rule comes from: the grammar; our limits; a MUST that no grammar can say; nothing at all
(a pattern that is legal and can never match); a line of input that holds no text."""


class Rule(Struct, frozen=True):
    """One way a pattern can be wrong."""

    code: str
    kind: Kind
    meaning: str
    remedy: str


_TABLE: tuple[Rule, ...] = (
    # grammar
    Rule(
        "empty-pattern",
        "grammar",
        "there is nothing but blanks and comments",
        "write at least one comparison in square brackets: [domain-name:value = 'a.example']",
    ),
    Rule(
        "no-brackets",
        "grammar",
        "an observation does not begin with a square bracket",
        "put the comparison in square brackets: [domain-name:value = 'a.example']",
    ),
    Rule(
        "unexpected-end",
        "grammar",
        "the pattern ends before it is complete",
        "close every [ and (, and let something follow the last word",
    ),
    Rule(
        "unexpected-token",
        "grammar",
        "something stands where the grammar allows something else",
        "see what was expected there; the plain form is [type:path = 'text' OR type:path = 'text']",
    ),
    Rule(
        "after-the-end",
        "grammar",
        "the pattern is complete, and more text follows",
        "join observations with AND, OR or FOLLOWEDBY, or take the rest away",
    ),
    Rule(
        "keyword-case",
        "grammar",
        "a keyword is not in its one spelling",
        "write keywords in capital letters, true and false in small ones",
    ),
    Rule(
        "keyword-as-name",
        "grammar",
        "a keyword stands where a name has to be",
        "put a key that is a keyword in single quotes; an object type cannot be one",
    ),
    Rule(
        "object-type-missing",
        "grammar",
        "a path does not begin with an object type and a colon",
        "write the object type first: file:name",
    ),
    Rule(
        "hyphen-needs-quotes",
        "grammar",
        "a step of a path holds a hyphen and is not quoted",
        "put the step in single quotes: file:hashes.'SHA-256'",
    ),
    Rule(
        "bad-index",
        "grammar",
        "an index is neither a whole number nor *",
        "write [0], [-1] or [*]",
    ),
    Rule(
        "not-before-the-path",
        "grammar",
        "NOT stands before a path; only EXISTS takes it there",
        "put NOT before the operator: domain-name:value NOT = 'a.example'",
    ),
    Rule(
        "operator-expected",
        "grammar",
        "no comparison operator follows a path",
        "compare the path with =, !=, <, <=, >, >=, IN, LIKE, MATCHES, ISSUBSET or ISSUPERSET",
    ),
    Rule(
        "constant-expected",
        "grammar",
        "no constant stands where one has to be",
        "write text in single quotes, or a number, true, false, t'…', h'…', b'…'; there is no null",
    ),
    Rule(
        "operator-takes-text",
        "grammar",
        "LIKE, MATCHES, ISSUBSET and ISSUPERSET take text only",
        "put the constant in single quotes",
    ),
    Rule(
        "truth-has-no-order",
        "grammar",
        "true and false cannot be compared with <, <=, > or >=",
        "compare them with = or !=",
    ),
    Rule(
        "in-takes-a-set",
        "grammar",
        "IN takes constants in parentheses",
        "write IN ('a', 'b')",
    ),
    Rule(
        "string-not-closed",
        "grammar",
        "a single quote opens text that does not end",
        "close it; inside text a quote is written \\' and a backslash \\\\",
    ),
    Rule(
        "bad-escape",
        "grammar",
        "a backslash in text escapes something else than a quote or a backslash",
        "write \\\\ for one backslash; nothing but \\' and \\\\ is an escape",
    ),
    Rule(
        "wrong-quotes",
        "grammar",
        "text stands in quotation marks that are not the single quote",
        "use the plain single quote ' (U+0027)",
    ),
    Rule(
        "comment-not-closed",
        "grammar",
        "a comment begins with /* and does not end",
        "close it with */",
    ),
    Rule(
        "bad-character",
        "grammar",
        "a character that has no meaning outside text, or that is no character",
        "take it away, or put it inside single quotes if it belongs to a value",
    ),
    Rule(
        "bad-number",
        "grammar",
        "a number has a leading zero, an exponent, or no digit after its point",
        "write it as 7, -7, 0.5 or .5",
    ),
    Rule(
        "bad-timestamp",
        "grammar",
        "a timestamp is not of the form t'2026-11-22T08:30:00Z'",
        "write t'YYYY-MM-DDThh:mm:ss.sssZ': capital T and Z, seconds always, decimals if any",
    ),
    Rule(
        "bad-hex",
        "grammar",
        "a hex constant is not made of pairs of hex digits",
        "write two digits for each byte: h'0a1b'",
    ),
    Rule(
        "bad-base64",
        "grammar",
        "a binary constant is empty or not padded base64",
        "write base64 with its padding: b'AQ=='",
    ),
    Rule(
        "timestamp-needs-t",
        "grammar",
        "START or STOP is followed by plain text, as in STIX 2.0",
        "write a t before the quote: START t'2026-11-22T08:30:00Z'",
    ),
    Rule(
        "start-without-stop",
        "grammar",
        "START and STOP are not both there, in this order",
        "write START t'…' STOP t'…'",
    ),
    Rule(
        "bad-qualifier-number",
        "grammar",
        "WITHIN takes a number that is not negative, REPEATS a whole one",
        "write WITHIN 300 SECONDS, REPEATS 5 TIMES",
    ),
    # our limits
    Rule(
        "pattern-too-long",
        "limit",
        f"a pattern of more than {MAX_BYTES} bytes",
        "split it into several indicators",
    ),
    Rule(
        "nested-too-deep",
        "limit",
        f"more than {MAX_DEPTH} parentheses are open at one time",
        "take needless parentheses away: AND binds tighter than OR",
    ),
    Rule(
        "too-many-observations",
        "limit",
        f"more than {MAX_OBSERVATIONS} pairs of square brackets",
        "split it into several indicators",
    ),
    Rule(
        "too-many-comparisons",
        "limit",
        f"more than {MAX_COMPARISONS} comparisons",
        "list the values of one property with IN, or split it into several indicators",
    ),
    Rule(
        "too-many-members",
        "limit",
        f"more than {MAX_MEMBERS} constants in sets",
        "split it into several indicators",
    ),
    Rule(
        "number-too-large",
        "limit",
        f"a number of more than {MAX_DIGITS} digits, or beyond every double",
        "write a number that can occur; whole numbers of STIX end at 9007199254740991",
    ),
    # MUSTs beyond the grammar
    Rule(
        "and-operands-share-no-object-type",
        "must",
        "AND in one pair of brackets joins tests that no single object can pass",
        "give each object its own brackets: [a:x = 1] AND [b:y = 2]; or join them with OR",
    ),
    Rule(
        "qualifier-repeated",
        "must",
        "one observation has two qualifiers of one kind",
        "keep one of them",
    ),
    # legal, and never true
    Rule(
        "stop-not-after-start",
        "warning",
        "STOP is not after START: no instant lies between them",
        "exchange the two, or set STOP later",
    ),
    Rule(
        "within-zero",
        "warning",
        "WITHIN 0 SECONDS is a window without length",
        "ask for the seconds that the events may be apart",
    ),
    Rule(
        "repeats-zero",
        "warning",
        "REPEATS 0 TIMES asks for nothing to be observed",
        "ask for at least 1; a pattern cannot ask for absence",
    ),
    Rule(
        "empty-set",
        "warning",
        "IN () holds for no value, NOT IN () for every one",
        "name at least one value",
    ),
    Rule(
        "no-such-date",
        "warning",
        "a timestamp names a day that no calendar has",
        "check day and month",
    ),
    Rule(
        "no-such-hash",
        "warning",
        "a value has not the length or the alphabet of its kind of hash",
        "check the value, and that the name of the hash is the right one",
    ),
    # lines of `tocsin stix pattern`
    Rule(
        "line-not-text",
        "line",
        "the line is not UTF-8",
        "save the file as UTF-8",
    ),
    Rule(
        "line-not-json",
        "line",
        'the line begins with " and is no JSON string',
        "write one whole JSON string on the line; no pattern begins with a double quote",
    ),
)
RULES: dict[str, Rule] = {rule.code: rule for rule in _TABLE}
"""By code, in the order of the guide."""


def pattern_error(code: str, position: int, detail: str) -> PatternError:
    """The error for a rule of the grammar, or for a limit.

    Args:
        position: 0-based character where the trouble begins.
        detail: what is wrong there, with the value at fault.
    """
    rule = RULES[code]
    kind = PatternLimitError if rule.kind == "limit" else PatternError
    return kind(detail, remedy=rule.remedy, code=code, position=position)


SHOWN = 40
"""Characters of a text that an error shows."""


def clip(text: str) -> str:
    """The beginning of a text, for an error."""
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
