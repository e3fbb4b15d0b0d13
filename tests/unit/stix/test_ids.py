"""Ids that follow from content."""

from __future__ import annotations

import importlib
from typing import Any
from uuid import uuid5

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import BundleError
from tocsin.stix.ids import CONTRIBUTING, SCO_NAMESPACE, deterministic, sco_id

CASES: list[tuple[str, dict[str, Any]]] = [
    ("ipv4-addr", {"value": "198.51.100.3"}),
    ("domain-name", {"value": "bücher.example"}),
    ("url", {"value": "https://northland.example/a?b=\u2028"}),
    ("file", {"hashes": {"SHA-256": "a" * 64, "MD5": "b" * 32}, "name": "x.bin", "size": 3}),
    ("file", {"hashes": {"SHA3-256": "a" * 64}, "name": "x.bin"}),
    ("mutex", {"name": "Global\\x"}),
    ("autonomous-system", {"number": 64496}),
    (
        "network-traffic",
        {
            "src_ref": "ipv4-addr--11111111-1111-4111-8111-111111111111",
            "dst_port": 443,
            "protocols": ["tcp"],
        },
    ),
    ("windows-registry-key", {"key": "HKLM\\x", "values": [{"name": "n", "data": "d"}]}),
    ("email-message", {"subject": "s", "is_multipart": False, "body": "b"}),
    ("software", {"name": "n", "version": "1"}),
    ("user-account", {"user_id": "7"}),
]


@pytest.mark.parametrize(("kind", "props"), CASES)
def test_an_observable_gets_the_id_that_other_tools_give_it(
    kind: str, props: dict[str, Any]
) -> None:
    pytest.importorskip("stix2")
    stix2: Any = importlib.import_module("stix2.v21.observables")
    name = {
        "url": "URL",
        "ipv4-addr": "IPv4Address",
        "email-message": "EmailMessage",
    }.get(kind, "".join(part.capitalize() for part in kind.split("-")))
    more = {"is_multipart": False} if kind == "email-message" else {}
    assert getattr(stix2, name)(**{**more, **props}, allow_custom=True)["id"] == sco_id(kind, props)


def test_a_float_goes_into_an_id() -> None:
    sections = {"windows-pebinary-ext": {"pe_type": "exe", "sections": [{"entropy": 6.25}]}}
    assert sco_id("file", {"extensions": sections}).startswith("file--")


@pytest.mark.parametrize(
    ("kind", "props"),
    [("process", {"pid": 3}), ("url", {}), ("x-acme", {"value": "1"}), ("url", {"value": 2**70})],
)
def test_without_contributing_properties_there_is_no_such_id(
    kind: str, props: dict[str, Any]
) -> None:
    with pytest.raises(BundleError):
        sco_id(kind, props)


def test_our_own_ids_depend_on_every_part_and_on_where_it_ends() -> None:
    ids = [
        deterministic("note", "a", "bc"),
        deterministic("note", "ab", "c"),
        deterministic("note", "abc"),
        deterministic("note", "a", "bc", ""),
        deterministic("opinion", "a", "bc"),
    ]
    assert len({id.split("--")[1] for id in ids}) == 5
    assert ids[0] == deterministic("note", "a", "bc")
    # A change here gives every party a new identity object.
    assert deterministic("identity", "cert.northland.example") == NORTHLAND


NORTHLAND = deterministic("identity", "cert.northland.example")


def test_every_observable_type_but_process_has_contributing_properties() -> None:
    from tocsin.stix.model import SCO_TYPES

    assert set(CONTRIBUTING) == SCO_TYPES - {"process"}


@given(
    st.dictionaries(
        st.sampled_from(["value", "name", "hashes", "number", "src_port", "path"]),
        st.text(max_size=12)
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.booleans()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.lists(st.text(max_size=3), max_size=2)
        | st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3),
        min_size=1,
    )
)
def test_the_quick_way_to_an_id_is_the_exact_one(props: dict[str, Any]) -> None:
    for kind, names in CONTRIBUTING.items():
        said = {name: props[name] for name in names if name in props}
        hashes = said.get("hashes")
        if not said or (isinstance(hashes, dict) and len(hashes) > 1):
            continue
        wanted = uuid5(SCO_NAMESPACE, rfc8785.dumps(said).decode())
        assert sco_id(kind, props) == f"{kind}--{wanted}"
