"""An advisory: equal bytes from equal sources, objects as they came, nothing relabelled."""

from __future__ import annotations

import hashlib
import importlib
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from tocsin import canonical
from tocsin.advisory.compose import HTML_PATH, STIX_PATH, compose
from tocsin.advisory.model import Advisory, Author, ClaimLine, IndicatorLine, Source
from tocsin.errors import MarkingError, RenderingError
from tocsin.policy import TLP_ORDER, TLP_RANK, Tlp
from tocsin.stix.bundle import open_bundle
from tocsin.stix.markings import MARKING_ID, marking_definition
from tocsin.stix.model import make

AT = "2026-02-03T09:00:00.000Z"
NORTHLAND = "identity--11111111-1111-4111-8111-111111111111"


def source(raw: bytes, tlp: Tlp = "GREEN") -> Source:
    return Source(
        id=orjson.loads(raw)["id"], sha256=hashlib.sha256(raw).hexdigest(), raw=raw, tlp=tlp
    )


NOTE = make(
    "note",
    id="note--22222222-2222-4222-8222-222222222222",
    created=AT,
    created_by_ref=NORTHLAND,
    content="The relay was run for Eastmere.",
    object_refs=[NORTHLAND],
)
INDICATOR = make(
    "indicator",
    id="indicator--33333333-3333-4333-8333-333333333333",
    created=AT,
    created_by_ref=NORTHLAND,
    pattern="[url:value = 'https://relay.westwater.example/a']",
    pattern_type="stix",
    valid_from=AT,
)
ODD = (
    b'{ "type":"tool", "spec_version":"2.1","name":"x\\u0041",'
    b'"id":"tool--44444444-4444-4444-8444-444444444444",'
    b'"created":"2026-02-03T09:00:00.000Z","modified":"2026-02-03T09:00:00.000Z"}'
)


def advisory(**change: Any) -> Advisory:
    whole = Advisory(
        id="advisory--55555555-5555-4555-8555-555555555555",
        rev=1,
        tracking_id="cert.northland.example-2026-1",
        title="LOCKSTEP at power operators",
        lang="en",
        tlp="GREEN",
        date=AT,
        k=2,
        of=3,
        authors=(
            Author(
                party="cert.northland.example",
                name="CERT Northland",
                identity=NORTHLAND,
                capacity="author",
            ),
        ),
        summary="First paragraph.\n\nSecond paragraph.",
        claims=(
            ClaimLine(
                id="note--22222222-2222-4222-8222-222222222222",
                type="attribution",
                words="The relay was run for Eastmere.",
                quoted=True,
                lang="en",
                speaker="CERT Northland",
                said_at="3 February 2026",
                standing="one root",
                denials=1,
            ),
        ),
        indicators=(
            IndicatorLine(
                id="indicator--33333333-3333-4333-8333-333333333333",
                name="relay",
                pattern="[url:value = 'https://relay.westwater.example/a']",
            ),
        ),
        objects=(source(NOTE), source(INDICATOR), source(ODD)),
    )
    return replace(whole, **change)


def test_the_same_source_gives_the_same_bytes_and_another_gives_others() -> None:
    one, two = compose(advisory()), compose(advisory())
    assert one == two
    for change in (
        {"summary": "Other."},
        {"rev": 2},
        {"k": 1},
        {"lang": "de"},
        {"objects": (source(NOTE), source(ODD))},
    ):
        assert compose(advisory(**change)).manifest_sha256 != one.manifest_sha256


def test_the_manifest_names_every_byte() -> None:
    made = compose(advisory())
    manifest = canonical.decode(made.manifest)
    assert set(manifest) == {
        "advisory",
        "rev",
        "tlp",
        "source_sha256",
        "objects",
        "renderings",
        "policy",
        "tool",
    }
    assert hashlib.sha256(made.manifest).hexdigest() == made.manifest_sha256
    assert manifest["policy"] == {"k": 2, "of": 3}
    assert [one["id"].split("--")[0] for one in manifest["objects"]] == [
        "note",
        "indicator",
        "tool",
    ]
    assert {row["path"] for row in manifest["renderings"]} == set(made.renderings)
    for row in manifest["renderings"]:
        media_type, body = made.renderings[row["path"]]
        assert (row["media_type"], row["size"]) == (media_type, len(body))
        assert row["sha256"] == hashlib.sha256(body).hexdigest()


def test_the_stix_file_opens_again_with_the_same_digests_and_one_report() -> None:
    whole = advisory()
    _, body = compose(whole).renderings[STIX_PATH]
    opened = open_bundle(body)
    assert not [one.problem for one in opened if one.problem]
    definition, *carried, report = opened
    assert [(one.id, one.sha256, one.raw) for one in carried] == [
        (one.id, one.sha256, one.raw) for one in whole.objects
    ]
    assert definition.id == MARKING_ID["GREEN"]
    data = report.data
    assert data["type"] == "report"
    assert data["object_refs"] == [one.id for one in whole.objects]
    assert data["object_marking_refs"] == [MARKING_ID["GREEN"]]
    assert data["created_by_ref"] == NORTHLAND
    assert data["name"] == whole.title


def test_a_strict_parser_takes_the_stix_file() -> None:
    pytest.importorskip("stix2")
    stix2: Any = importlib.import_module("stix2")
    for tlp in TLP_ORDER:
        whole = advisory(tlp=tlp, objects=(source(NOTE, "CLEAR"), source(INDICATOR, "CLEAR")))
        _, body = compose(whole).renderings[STIX_PATH]
        parsed = stix2.parse(body.decode())
        assert [one["type"] for one in parsed["objects"]][1:] == ["note", "indicator", "report"]


def test_an_advisory_of_text_alone_is_strict_too() -> None:
    pytest.importorskip("stix2")
    stix2: Any = importlib.import_module("stix2")
    made = compose(advisory(claims=(), indicators=(), objects=()))
    stix2.parse(made.renderings[STIX_PATH][1].decode())
    assert b"makes no claim" in made.renderings[HTML_PATH][1]


def test_each_revision_is_a_report_of_its_own() -> None:
    reports = [
        open_bundle(compose(advisory(rev=rev)).renderings[STIX_PATH][1])[-1].id for rev in (1, 2)
    ]
    assert reports[0] != reports[1]


@pytest.mark.parametrize("text", TLP_ORDER)
@pytest.mark.parametrize("marked", TLP_ORDER)
def test_an_object_stricter_than_the_text_does_not_go_in(text: Tlp, marked: Tlp) -> None:
    whole = advisory(tlp=text, objects=(source(NOTE, marked),))
    if TLP_RANK[marked] <= TLP_RANK[text]:
        assert compose(whole)
        return
    with pytest.raises(MarkingError) as caught:
        compose(whole)
    assert f"TLP:{marked}" in caught.value.message
    assert f"TLP:{text}" in caught.value.message
    assert "note--2222" in caught.value.message


def test_an_objects_own_marking_counts_whatever_is_said_beside_it() -> None:
    red = orjson.dumps({**orjson.loads(NOTE), "object_marking_refs": [MARKING_ID["RED"]]})
    with pytest.raises(MarkingError, match="RED"):
        compose(advisory(objects=(source(red, "CLEAR"),)))


def test_a_marking_that_is_none_is_refused() -> None:
    unknown: Any = "PURPLE"
    with pytest.raises(MarkingError, match="PURPLE"):
        compose(advisory(objects=(source(NOTE, unknown),)))
    with pytest.raises(MarkingError, match="PURPLE"):
        compose(advisory(tlp=unknown))


@pytest.mark.parametrize(
    "one",
    [
        Source(id="note--x", sha256="0" * 64, raw=NOTE, tlp="GREEN"),
        replace(source(NOTE), id="note--66666666-6666-4666-8666-666666666666"),
        source(b" " + NOTE),
        replace(source(NOTE), sha256="0" * 64),
        replace(source(NOTE), raw=b"[%b]" % NOTE),
    ],
)
def test_bytes_that_are_not_the_object_are_refused(one: Source) -> None:
    with pytest.raises(RenderingError):
        compose(advisory(objects=(one,)))


@pytest.mark.parametrize("change", [{"authors": ()}, {"k": 0}, {"k": 4}])
def test_an_advisory_that_nobody_could_sign_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RenderingError):
        compose(advisory(**change))


def test_an_object_given_twice_and_its_marking_definition_stand_once() -> None:
    definition = source(marking_definition("GREEN"), "CLEAR")
    whole = advisory(objects=(source(NOTE), source(NOTE), definition))
    ids = [one.id for one in open_bundle(compose(whole).renderings[STIX_PATH][1])]
    assert len(ids) == len(set(ids)) == 3
