"""What a STIX pattern says, as a tree, and the text of a tree.

Every node carries `start` and `end`, 0-based characters of the text it was read from, without
blanks and without parentheses around it. Chains are flat: `a AND b AND c` is one node with three
operands; parentheses are kept only where they change what is said. So two texts that differ in
blanks, comments and needless parentheses give trees that are equal but for their places, see
`unplaced`.

Spec: STIX 2.1 §9.
"""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

# Nodes hold no cycles; untracked, a tree costs the collector nothing.

KEYWORDS: frozenset[str] = frozenset(
    (
        "AND",
        "OR",
        "NOT",
        "FOLLOWEDBY",
        "LIKE",
        "MATCHES",
        "ISSUPERSET",
        "ISSUBSET",
        "EXISTS",
        "LAST",
        "IN",
        "START",
        "STOP",
        "SECONDS",
        "true",
        "false",
        "WITHIN",
        "REPEATS",
        "TIMES",
    )
)
"""Words that are no names. `LAST` has no use in 2.1, and is reserved all the same."""

Operator: TypeAlias = Literal[
    "=", "!=", "<", "<=", ">", ">=", "IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"
]
"""One spelling each: `==` is read as `=`, `<>` as `!=`."""

Step: TypeAlias = str | int | None
"""One step of a path: a property's name or key, an index (negative: from the end), None: `[*]`."""


# --- constants ------------------------------------------------------------------------------


class String(Struct, frozen=True, gc=False):
    """Text, its escapes undone."""

    value: str
    start: int
    end: int


class Integer(Struct, frozen=True, gc=False):
    """A whole number of any size the text could hold; STIX itself ends at 2^53 - 1 (§2.10)."""

    value: int
    start: int
    end: int


class Float(Struct, frozen=True, gc=False):
    """A number with a point: always finite."""

    value: float
    start: int
    end: int


class Boolean(Struct, frozen=True, gc=False):
    """`true` or `false`."""

    value: bool
    start: int
    end: int


class Timestamp(Struct, frozen=True, gc=False):
    """An instant as it was written, `2026-11-22T08:30:00.25Z`: any number of decimals, second 60
    allowed, and days that no calendar has (`check` tells of those). `order` compares them.
    """

    value: str
    start: int
    end: int

    @property
    def order(self) -> tuple[str, str]:
        """Sorts as the instants do: to the second, then the decimals without ending zeros."""
        return self.value[:19], self.value[20:-1].rstrip("0")


class Hex(Struct, frozen=True, gc=False):
    """Bytes, written as `h'ffd8'`."""

    value: bytes
    start: int
    end: int


class Binary(Struct, frozen=True, gc=False):
    """Bytes, at least one, written in base64: `b'/9g='`."""

    value: bytes
    start: int
    end: int


Constant: TypeAlias = String | Integer | Float | Boolean | Timestamp | Hex | Binary


class Constants(Struct, frozen=True, gc=False):
    """The operand of `IN`: constants of any types, in the order written; possibly none."""

    members: tuple[Constant, ...]
    start: int
    end: int


# --- inside one pair of brackets ------------------------------------------------------------


class ObjectPath(Struct, frozen=True, gc=False):
    """`file:hashes.'SHA-256'` is type `file` and steps `hashes`, `SHA-256`."""

    type: str
    steps: tuple[Step, ...]
    start: int
    end: int


class PropertyTest(Struct, frozen=True, gc=False):
    """A path, an operator and what is compared with; `negated` where `NOT` stands before it.

    The type of `value` follows from the operator: `Constants` for `IN`, `String` for `LIKE`,
    `MATCHES`, `ISSUBSET`, `ISSUPERSET`, any constant for `=` and `!=`, any but a `Boolean` for
    the four that order.
    """

    path: ObjectPath
    operator: Operator
    value: Constant | Constants
    negated: bool
    start: int
    end: int


class Exists(Struct, frozen=True, gc=False):
    """`EXISTS path`, or `NOT EXISTS path`."""

    path: ObjectPath
    negated: bool
    start: int
    end: int


class ComparisonAnd(Struct, frozen=True, gc=False):
    """Two operands or more that hold for one and the same object."""

    operands: tuple[Comparison, ...]
    start: int
    end: int


class ComparisonOr(Struct, frozen=True, gc=False):
    """Two operands or more, of which one holds."""

    operands: tuple[Comparison, ...]
    start: int
    end: int


Comparison: TypeAlias = "PropertyTest | Exists | ComparisonAnd | ComparisonOr"


# --- between brackets -----------------------------------------------------------------------


class StartStop(Struct, frozen=True, gc=False):
    """`START t'…' STOP t'…'`: from `begin` on, before `until`."""

    begin: Timestamp
    until: Timestamp
    start: int
    end: int


class Within(Struct, frozen=True, gc=False):
    """`WITHIN n SECONDS`, never negative."""

    seconds: int | float
    start: int
    end: int


class Repeats(Struct, frozen=True, gc=False):
    """`REPEATS n TIMES`, never negative."""

    times: int
    start: int
    end: int


Qualifier: TypeAlias = StartStop | Within | Repeats


class Observation(Struct, frozen=True, gc=False):
    """One pair of brackets: one observation in which `test` holds."""

    test: Comparison
    start: int
    end: int


class Qualified(Struct, frozen=True, gc=False):
    """An expression with qualifiers, at least one, in the order written.

    `grouped`: the expression stands in parentheses, as all but an `Observation` must. Whether
    one kind of qualifier may be said twice turns on it.
    """

    expression: Pattern
    qualifiers: tuple[Qualifier, ...]
    grouped: bool
    start: int
    end: int


class ObservationAnd(Struct, frozen=True, gc=False):
    """Two operands or more, each on observations of its own."""

    operands: tuple[Pattern, ...]
    start: int
    end: int


class ObservationOr(Struct, frozen=True, gc=False):
    """Two operands or more, of which one holds."""

    operands: tuple[Pattern, ...]
    start: int
    end: int


class FollowedBy(Struct, frozen=True, gc=False):
    """Two operands or more, each not before the one to its left."""

    operands: tuple[Pattern, ...]
    start: int
    end: int


Pattern: TypeAlias = "Observation | Qualified | ObservationAnd | ObservationOr | FollowedBy"


def unplaced(node: Any) -> Any:
    """The same tree with `start` and `end` 0 everywhere: equal for all texts that say the same."""
    if isinstance(node, tuple):
        return tuple(unplaced(part) for part in node)
    if not isinstance(node, Struct):
        return node
    return msgspec.structs.replace(
        node,
        **{
            name: 0 if name in ("start", "end") else unplaced(getattr(node, name))
            for name in node.__struct_fields__
        },
    )


# --- tree to text ---------------------------------------------------------------------------

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def write(pattern: Pattern) -> str:
    """The text of a tree, in one spelling: reading it gives the same tree, places apart.

    Args:
        pattern: a tree as `parse` gives it, or one made by the same rules.

    Spec: STIX 2.1 §9.
    """
    match pattern:
        case Observation():
            return f"[{_comparison(pattern.test)}]"
        case Qualified():
            text = write(pattern.expression)
            if pattern.grouped or not isinstance(pattern.expression, Observation):
                text = f"({text})"
            return " ".join((text, *map(_qualifier, pattern.qualifiers)))
        case ObservationAnd():
            return _chain(" AND ", pattern.operands, (ObservationAnd, ObservationOr, FollowedBy))
        case ObservationOr():
            return _chain(" OR ", pattern.operands, (ObservationOr, FollowedBy))
        case FollowedBy():
            return _chain(" FOLLOWEDBY ", pattern.operands, (FollowedBy,))


def _chain(word: str, operands: tuple[Pattern, ...], looser: tuple[type, ...]) -> str:
    return word.join(
        f"({write(one)})" if isinstance(one, looser) else write(one) for one in operands
    )


def _qualifier(qualifier: Qualifier) -> str:
    match qualifier:
        case StartStop():
            return f"START t'{qualifier.begin.value}' STOP t'{qualifier.until.value}'"
        case Within():
            return f"WITHIN {_number(qualifier.seconds)} SECONDS"
        case Repeats():
            return f"REPEATS {qualifier.times} TIMES"


def _comparison(node: Comparison) -> str:
    match node:
        case PropertyTest():
            word = "NOT " + node.operator if node.negated else node.operator
            return f"{path_text(node.path)} {word} {_value(node.value)}"
        case Exists():
            return f"{'NOT ' if node.negated else ''}EXISTS {path_text(node.path)}"
        case ComparisonAnd():
            return " AND ".join(
                f"({_comparison(one)})"
                if isinstance(one, ComparisonAnd | ComparisonOr)
                else _comparison(one)
                for one in node.operands
            )
        case ComparisonOr():
            return " OR ".join(
                f"({_comparison(one)})" if isinstance(one, ComparisonOr) else _comparison(one)
                for one in node.operands
            )


def path_text(path: ObjectPath) -> str:
    """A path in its one spelling: quotes only where a key needs them."""
    parts = [path.type, ":"]
    for number, step in enumerate(path.steps):
        if isinstance(step, str):
            plain = _PLAIN_KEY.fullmatch(step) and step not in KEYWORDS
            parts.append(("." if number else "") + (step if plain else quoted(step)))
        else:
            parts.append("[*]" if step is None else f"[{step}]")
    return "".join(parts)


def quoted(text: str) -> str:
    """Text as a string constant: the two characters that have a meaning are escaped."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _value(value: Constant | Constants) -> str:
    match value:
        case String():
            return quoted(value.value)
        case Boolean():
            return "true" if value.value else "false"
        case Integer() | Float():
            return _number(value.value)
        case Timestamp():
            return f"t'{value.value}'"
        case Hex():
            return f"h'{value.value.hex()}'"
        case Binary():
            return f"b'{base64.b64encode(value.value).decode()}'"
        case Constants():
            return f"({', '.join(map(_value, value.members))})"


def _number(value: int | float) -> str:
    if isinstance(value, int):
        return str(value)
    # The grammar knows no exponent; the shortest digits that give the same double back.
    text = format(Decimal(repr(value)), "f")
    return text if "." in text else text + ".0"
