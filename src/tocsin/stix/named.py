"""The cyber-observables that a pattern names.

Only of a pattern that lists things, each of which would be enough: `[a]`, `[a] OR [b]`, `IN`, and
tests of one object that go together (a file's name with its hash). Nothing is made up: what STIX
requires of an observable and the pattern does not say leaves it unwritten, with the reason.

Spec: STIX 2.1 §6 and §9; decisions/0068.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from tocsin.errors import IndicatorError, PatternError
from tocsin.stix.ids import sco_id
from tocsin.stix.pattern import Pattern, parse
from tocsin.stix.pattern_tree import (
    Comparison,
    ComparisonAnd,
    ComparisonOr,
    Constant,
    Constants,
    Integer,
    Observation,
    ObservationOr,
    PropertyTest,
    Step,
    String,
)
from tocsin.stix.values import normalise

MOST = 5_000
"""Observables that are written for one pattern."""


class Observable(Struct, frozen=True, kw_only=True):
    """One cyber-observable: its properties without `id`, and the id that follows from them."""

    id: str
    type: str
    props: dict[str, Any]


Group = tuple[Observable, ...]
"""What one alternative names: first the thing itself, then what it refers to (a file's folder)."""


def observables(pattern: str) -> list[Group]:
    """The observables of each alternative of a pattern, values as they are written there.

    Returns:
        One group for each alternative, in the order written; never an empty list.

    Raises:
        IndicatorError: it is no pattern, says more than which things are looked for, or names one
            that STIX cannot write from what it says; the message says which.

    Spec: STIX 2.1 §6; §2.9 for the ids.
    """
    try:
        tree = parse(pattern)
    except PatternError as wrong:
        raise _cannot(wrong.message) from wrong
    groups: dict[str, Group] = {}
    for type, tests in _alternatives(tree):
        group = _WRITERS.get(type, _unknown)(type, dict(tests))
        groups.setdefault(group[0].id, group)
        if len(groups) > MOST:
            raise _cannot(f"it names more than {MOST} things")
    if not groups:
        raise _cannot("it names nothing")
    return list(groups.values())


def _cannot(why: str) -> IndicatorError:
    return IndicatorError(
        f"no observable stands for its pattern: {why}", remedy="look at its pattern instead"
    )


# --- the alternatives of a pattern ------------------------------------------------------------

Tests = dict[tuple[Step, ...], str | int]
"""What is said of one object, by path."""


def _alternatives(node: Pattern) -> Iterator[tuple[str, Tests]]:
    if isinstance(node, Observation):
        yield from _of_one(node.test)
    elif isinstance(node, ObservationOr):
        for operand in node.operands:
            yield from _alternatives(operand)
    else:
        raise _cannot("it asks for several observations, or for a time")


def _of_one(node: Comparison) -> Iterator[tuple[str, Tests]]:
    match node:
        case PropertyTest():
            for value in _values(node):
                yield node.path.type, {node.path.steps: value}
        case ComparisonOr():
            for operand in node.operands:
                yield from _of_one(operand)
        case ComparisonAnd():
            yield _together(node)
        case _:
            raise _cannot("it says more than a value")


def _together(node: ComparisonAnd) -> tuple[str, Tests]:
    tests: Tests = {}
    types = set()
    for operand in node.operands:
        if not isinstance(operand, PropertyTest) or operand.path.steps in tests:
            raise _cannot("what it says of one object is more than a value of each property")
        [*values] = _values(operand)
        if len(values) != 1:
            raise _cannot("one property of an object has several values")
        tests[operand.path.steps] = values[0]
        types.add(operand.path.type)
    if len(types) != 1:
        raise _cannot("it speaks of several objects at once")
    return types.pop(), tests


def _values(test: PropertyTest) -> list[str | int]:
    network = test.operator == "ISSUBSET" and test.path.steps[-1:] == ("value",)
    if test.negated or not (network or test.operator in ("=", "IN")):
        raise _cannot(f"{'NOT ' if test.negated else ''}{test.operator} names no one thing")
    if isinstance(test.value, Constants):
        return [_constant(member) for member in test.value.members]
    return [_constant(test.value)]


def _constant(constant: Constant) -> str | int:
    if isinstance(constant, String | Integer):
        return constant.value
    raise _cannot("a value is neither text nor a whole number")


# --- each type --------------------------------------------------------------------------------


def _made(type: str, **props: Any) -> Observable:
    return Observable(id=sco_id(type, props), type=type, props=props)


def _checked(kind: str, value: str | int) -> str:
    """The text as it is written, once it has proven to be such a value."""
    if not isinstance(value, str):
        raise _cannot(f"{value} is no {kind}")
    normalise(kind, value)
    return value


def _of_value(kind: str) -> Callable[[str, Tests], Group]:
    def write(type: str, tests: Tests) -> Group:
        (value,) = _only(type, tests, ("value",))
        return (_made(type, value=_checked(kind, value)),)

    return write


def _only(type: str, tests: Tests, *paths: tuple[Step, ...]) -> list[str | int]:
    """The values of these paths, all of which have to be there and no other."""
    for strange in sorted(set(tests).symmetric_difference(paths), key=str):
        told = ".".join("*" if step is None else str(step) for step in strange)
        raise _cannot(f"{type} with {told}" if strange in tests else f"{type} without {told}")
    return [tests[path] for path in paths]


def _address(type: str, tests: Tests) -> Group:
    (value,) = _only(type, tests, ("value",))
    return (_one_address(type, value),)


def _one_address(type: str, value: str | int) -> Observable:
    kind = type.removesuffix("-addr")
    if (":" in str(value)) != (kind == "ipv6"):
        raise _cannot(f"{str(value)[:40]!r} is no {type}")
    _checked("cidr" if "/" in str(value) else kind, value)
    return _made(type, value=value)


def _domain(type: str, tests: Tests) -> Group:
    resolved = tests.pop(("resolves_to_refs", None, "value"), None)
    (value,) = _only(type, tests, ("value",))
    name = _checked("domain", value)
    if resolved is None:
        return (_made(type, value=name),)
    held = _one_address("ipv6-addr" if ":" in str(resolved) else "ipv4-addr", resolved)
    return _made(type, value=name, resolves_to_refs=[held.id]), held


_DIGESTS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}
_OTHER_DIGESTS = {"SSDEEP": "ssdeep", "TLSH": "tlsh", "SHA3-256": "sha256", "SHA3-512": "sha512"}


def _hashes(tests: Tests) -> dict[str, str]:
    """The hashes among the tests, taken out of them. Spec: STIX 2.1 §10.9 names those it knows."""
    found = {}
    for path in [path for path in tests if len(path) == 2 and path[0] == "hashes"]:
        name = str(path[1])
        kind = _DIGESTS.get(name) or _OTHER_DIGESTS.get(name)
        if kind is None:
            raise _cannot(f"STIX knows no hash called {name[:40]!r}")
        found[name] = _checked(kind, tests.pop(path))
    return found


def _file(type: str, tests: Tests) -> Group:
    props: dict[str, Any] = {}
    if hashes := _hashes(tests):
        props["hashes"] = hashes
    folder = tests.pop(("parent_directory_ref", "path"), None)
    if (name := tests.pop(("name",), None)) is not None:
        props["name"] = _text(name)
    _only(type, tests)
    if not props:
        raise _cannot("a file without name and hash")
    if folder is None:
        return (_made(type, **props),)
    held = _made("directory", path=_text(folder))
    return _made(type, **props, parent_directory_ref=held.id), held


def _text(value: str | int) -> str:
    if not isinstance(value, str) or not value:
        raise _cannot(f"{value!r} is no text")
    return value


def _texts(*names: str, needs: str) -> Callable[[str, Tests], Group]:
    """A type whose properties are texts, one of which STIX requires."""

    def write(type: str, tests: Tests) -> Group:
        props = {name: _text(tests.pop((name,))) for name in names if (name,) in tests}
        _only(type, tests)
        if needs not in props:
            raise _cannot(f"{type} without {needs}")
        return (_made(type, **props),)

    return write


def _account(type: str, tests: Tests) -> Group:
    names = ("account_type", "user_id", "account_login")
    props = {name: _text(tests.pop((name,))) for name in names if (name,) in tests}
    _only(type, tests)
    if set(props) <= {"account_type"}:
        raise _cannot("an account without a name")
    return (_made(type, **props),)


def _registry_key(type: str, tests: Tests) -> Group:
    inner = {
        name: _text(tests.pop(("values", None, name)))
        for name in ("name", "data")
        if ("values", None, name) in tests
    }
    (key,) = _only(type, tests, ("key",))
    props: dict[str, Any] = {"key": _checked("registry-key", key)}
    return (_made(type, **props, values=[inner]) if inner else _made(type, **props),)


def _autonomous_system(type: str, tests: Tests) -> Group:
    (number,) = _only(type, tests, ("number",))
    if not isinstance(number, int) or not 0 <= number < 2**32:
        raise _cannot(f"{str(number)[:20]!r} is no number of an autonomous system")
    return (_made(type, number=number),)


def _certificate(type: str, tests: Tests) -> Group:
    props: dict[str, Any] = {}
    if hashes := _hashes(tests):
        props["hashes"] = hashes
    if (serial := tests.pop(("serial_number",), None)) is not None:
        props["serial_number"] = _text(serial)
    _only(type, tests)
    return (_made(type, **props),)


def _traffic(type: str, tests: Tests) -> Group:
    """The far end, with its port where the protocol is told: STIX requires one (§6.12)."""
    protocol = tests.pop(("protocols", None), None)
    port = tests.pop(("dst_port",), None)
    end, value = _only(type, tests, ("dst_ref", "type"), ("dst_ref", "value"))
    if end in ("ipv4-addr", "ipv6-addr"):
        held = _one_address(str(end), value)
    elif end == "domain-name":
        held = _made("domain-name", value=_checked("domain", value))
    else:
        raise _cannot(f"{str(end)[:40]!r} is no end of traffic")
    if protocol is None:
        return (held,)
    if not isinstance(port, int | None) or not 0 <= (port or 0) < 65_536:
        raise _cannot(f"{str(port)[:20]!r} is no port")
    props: dict[str, Any] = {"dst_ref": held.id, "protocols": [_text(protocol)]}
    return (_made(type, **props, dst_port=port) if port is not None else _made(type, **props), held)


def _never(why: str) -> Callable[[str, Tests], Group]:
    def write(type: str, tests: Tests) -> Group:
        raise _cannot(why)

    return write


def _network_traffic(type: str, tests: Tests) -> Group:
    if any(path[0] == "extensions" for path in tests):
        raise _cannot("traffic needs an end that is known, and it names none")
    return _traffic(type, tests)


def _unknown(type: str, tests: Tests) -> Group:
    raise _cannot(f"{type} is no observable known here")


_WRITERS: Mapping[str, Callable[[str, Tests], Group]] = {
    "artifact": _never("an artifact is its content, and a pattern does not hold it"),
    "autonomous-system": _autonomous_system,
    "directory": _texts("path", needs="path"),
    "domain-name": _domain,
    "email-addr": _of_value("email"),
    "email-message": _never("of a message STIX wants to know whether it has parts"),
    "file": _file,
    "ipv4-addr": _address,
    "ipv6-addr": _address,
    "mac-addr": _of_value("mac"),
    "mutex": _texts("name", needs="name"),
    "network-traffic": _network_traffic,
    "process": _never("of a process STIX has no id that follows from what it is"),
    "software": _texts("name", "cpe", "vendor", "version", needs="name"),
    "url": _of_value("url"),
    "user-account": _account,
    "windows-registry-key": _registry_key,
    "x509-certificate": _certificate,
}
