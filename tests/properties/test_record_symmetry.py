"""Whoever the organisations are called, pages, tables and exports of the public record are the
same: exchanging names exchanges names, and moves no word, count, order, colour or level."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.claims import standing as weighing
from tocsin.claims.carrier import read
from tocsin.console.record_space import build
from tocsin.flows import claim_tables, weigh
from tocsin.flows.public_record import PublicRecord
from tocsin.policy import ANONYMOUS
from tocsin.stix.bundle import open_bundle
from tocsin.wiring.public_record import bundles

NOW = datetime(2026, 11, 23, tzinfo=UTC)
_DIGEST = re.compile(r"[0-9a-f]{64}|[0-9a-f]{12}…")


@cache
def organisations() -> tuple[str, ...]:
    """Every identity of the record but its coder, by id."""
    found = {
        one["id"]
        for raw in bundles().values()
        for one in json.loads(raw)["objects"]
        if one["type"] == "identity" and not one["name"].startswith(("coder:", "tocsin"))
    }
    return tuple(sorted(found))


def renamed(names: Mapping[str, str]) -> list[bytes]:
    made = []
    for raw in bundles().values():
        data = json.loads(raw)
        for one in data["objects"]:
            if one["id"] in names:
                one["name"] = names[one["id"]]
            # Addresses and names of grounds print names of their own: not what is asked here.
            one.pop("description", None)
            if one["type"] == "grouping":
                one["name"] = "a ground"
        made.append(json.dumps(data).encode())
    return made


def everything(raws: list[bytes], claims: list[str]) -> dict[str, str]:
    """Pages, their data and tables, and what a program computes from the saved files."""
    record = PublicRecord(raws)
    found = {}

    async def fetch() -> None:
        app = build(record, clock=lambda: NOW, hosts=("testserver",))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://testserver"
        ) as client:
            for path in ("/claims", "/names", *(f"/claims/{id}" for id in claims)):
                for form in ("", ".json", ".csv"):
                    answer = await client.get(path + form)
                    assert answer.status_code == 200, path
                    found[path + form] = answer.text

    asyncio.run(fetch())
    view = read((one.data, one.sha256) for raw in raws for one in open_bundle(raw))
    levels = [(one.claim, one.level, one.base) for one in weighing.standings(view)]
    found["standings"] = str(levels)
    return {name: _DIGEST.sub("#", text) for name, text in found.items()}


@cache
def claims() -> tuple[str, ...]:
    return tuple(r.id for r in weigh.claims(PublicRecord(bundles().values()), ANONYMOUS))


@settings(max_examples=6, deadline=None)
@given(st.permutations(organisations()), st.data())
def test_other_names_change_names_and_nothing_else(order: list[str], data: st.DataObject) -> None:
    # Of one length and nowhere in the words, so that a name is found again wherever it stands.
    tokens = [f"Organisation {n:02d}" for n in range(len(order))]
    one = dict(zip(organisations(), tokens, strict=True))
    other = dict(zip(order, tokens, strict=True))
    exchange = {other_name: one[id] for id, other_name in other.items()}
    some = sorted(data.draw(st.sets(st.sampled_from(claims()), min_size=1, max_size=3)))
    first, second = everything(renamed(one), some), everything(renamed(other), some)
    for name, text in first.items():
        back = re.sub("Organisation [0-9]{2}", lambda m: exchange[m[0]], second[name])
        assert back == text, name


def test_every_side_has_the_same_columns_and_the_order_of_the_page() -> None:
    record = PublicRecord(bundles().values())
    for id in claims():
        page = weigh.claim_page(record, ANONYMOUS, id)
        head, rows = claim_tables.beside(page)
        assert {len(row) for row in rows} == {len(head)}
        column = head.index("id")
        shown = [p.id for p in page.positions] + [one.id for one in page.silent]
        assert list(dict.fromkeys(row[column] for row in rows)) == shown
        grounds = [g.id for p in page.positions for g in p.grounds]
        told: list[Any] = [row[head.index("ground id")] for row in rows]
        assert [one for one in told if one] == grounds
    head, rows = claim_tables.listed(weigh.claims(record, ANONYMOUS))
    assert [row[0] for row in rows] == list(claims())
    assert {len(row) for row in rows} == {len(head)}
