"""Opening: what came is kept to the byte, and what is ambiguous is refused."""

from __future__ import annotations

import hashlib
import json
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tocsin.errors import BundleError, BundleSizeError, ObjectLimitError
from tocsin.stix.bundle import Received, open_bundle, open_object, write_bundle
from tocsin.stix.limits import FILE_LIMITS, Limits

ID = "x-acme--11111111-1111-4111-8111-111111111111"
OTHER = "x-acme--22222222-2222-4222-8222-222222222222"
BUNDLE = "bundle--33333333-3333-4333-8333-333333333333"
TIGHT = Limits(bytes=100_000, objects=9, object_bytes=2_000, depth=8, keys=20, section="ingest")


def acme(more: str = "", id: str = ID) -> str:
    return f'{{"type":"x-acme","id":"{id}"{more}}}'


def bundle(*objects: str) -> bytes:
    return f'{{"type":"bundle","id":"{BUNDLE}","objects":[{",".join(objects)}]}}'.encode()


def refused(data: bytes, limits: Limits = FILE_LIMITS) -> BundleError:
    with pytest.raises(BundleError) as caught:
        open_bundle(data, limits=limits)
    assert caught.value.remedy
    return caught.value


def test_an_object_keeps_the_bytes_it_came_in() -> None:
    odd = f'{{"type":"x-acme",  "id":"{ID}", "n":2.50 , "t":"\\u00e9\\/"}}'
    [received] = open_bundle(bundle(odd))
    assert received.raw == odd.encode()
    assert received.sha256 == hashlib.sha256(odd.encode()).hexdigest()
    assert received.data["n"] == 2.5
    assert received.problem is None


@pytest.mark.parametrize(
    "around",
    [
        '{"type":"bundle","id":"bundle--x","objects":[%s]}',
        '{"more":false,"objects":[%s],"next":"9"}',
        '{"objects":[%s]}',
        "[%s]",
        ' \n{ "objects" : [ %s ] , "x":{"objects":[1,"]"]},\t"type" : "bundle" } \n',
        '{"x":{"objects":[]},"type":"bundle","objects":[%s]}',
        '{"y":"\\"objects\\":[","type":"bundle","objects":[%s]}',
    ],
)
def test_bundle_envelope_and_list_all_open(around: str) -> None:
    first, second = acme(), acme(',"n":1', OTHER)
    opened = open_bundle((around % f"{first},{second}").encode())
    assert [one.raw.decode() for one in opened] == [first, second]
    opened = open_bundle((around % f" {first} ,\r\n\t{second}\n").encode())
    assert [one.raw.decode() for one in opened] == [first, second]


def test_one_object_opens_as_itself() -> None:
    [received] = open_bundle(f"  {acme()}\n".encode())
    assert received.raw == acme().encode()
    assert open_object(received.raw) == received


def test_an_embedded_observed_data_of_2_0_is_one_object() -> None:
    text = (
        '{"type":"observed-data","id":"observed-data--11111111-1111-4111-8111-111111111111",'
        '"created_by_ref":"identity--11111111-1111-4111-8111-111111111111","objects":'
        '{"0":{"type":"file","parent_directory_ref":"1"},"1":{"type":"directory"}}}'
    )
    [received] = open_bundle(text.encode())
    assert received.type == "observed-data"
    assert received.refs == ("identity--11111111-1111-4111-8111-111111111111",)


@pytest.mark.parametrize("data", [b"[]", b"{}", b'{"more":false}', b'{"type":"bundle"}'])
def test_nothing_in_it_is_no_object_and_no_error(data: bytes) -> None:
    assert open_bundle(data) == []


def test_references_are_found_at_any_depth_each_once() -> None:
    text = acme(
        ',"created_by_ref":"a--1","object_marking_refs":["m--1","m--2"],"n":1,'
        '"extensions":{"e":{"speaker_ref":"a--2","names":{"actor_ref":"a--3"},'
        '"producer_refs":["a--1","a--4"]}},"granular_markings":[{"marking_ref":"m--3"}],'
        '"description":"no _ref: \\"x_ref\\":\\"z--9\\"","y_ref":7,"z_refs":"q","w_refs":[1,"w--1"]'
    )
    # Twice, so that the second is read by the plan made at the first.
    opened = open_bundle(bundle(text, text.replace(ID, OTHER)))
    expected = ("a--1", "a--2", "a--3", "a--4", "m--1", "m--2", "m--3", "w--1")
    assert [one.refs for one in opened] == [expected, expected]


def test_a_plan_does_not_hide_a_reference_of_the_next_object() -> None:
    first = acme(',"created_by_ref":"a--1","object_marking_refs":["m--1"],"name":"x"')
    second = acme(
        ',"created_by_ref":"a--2","object_marking_refs":["m--2"],"x_name":{"b_ref":"b--1"}', OTHER
    )
    third = acme(',"created_by_ref":["a"],"object_marking_refs":"m--2","name":"_ref_ref"', OTHER)
    opened = open_bundle(bundle(first, second, first, third))
    assert [one.refs for one in opened] == [
        ("a--1", "m--1"),
        ("a--2", "b--1", "m--2"),
        ("a--1", "m--1"),
        (),
    ]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("7", "not an object"),
        ("null", "not an object"),
        ("[1]", "not an object"),
        ("{}", "type is missing"),
        ('{"type":"x-acme"}', "id is missing"),
        ('{"type":"x-acme","id":3}', "id is not text"),
        (f'{{"type":["x"],"id":"{ID}"}}', "type is not text"),
        ('{"type":"x-acme","id":"x-acme--1"}', "not a type, two hyphens and a UUID"),
        (f'{{"type":"x-other","id":"{ID}"}}', "not of the type"),
        (f'{{"type":"bundle","id":"{BUNDLE}"}}', "a bundle inside a bundle"),
        (acme(',"modified":5'), "modified is not text"),
        (acme(',"spec_version":null'), "spec_version is not text"),
        ('{"type":"X!","id":"X!--11111111-1111-4111-8111-111111111111"}', "lower-case"),
    ],
)
@pytest.mark.parametrize("more", [0, 9])
def test_a_bad_object_among_good_ones_is_kept_with_its_problem(
    bad: str, why: str, more: int
) -> None:
    good, kept, other, *_ = open_bundle(bundle(acme(), bad, acme(id=OTHER), *[acme()] * more))
    assert good.problem is None
    assert other.problem is None
    assert kept.raw == bad.encode()
    assert kept.problem is not None
    assert why in kept.problem


@pytest.mark.parametrize(
    "around",
    ["%s", bundle(acme(), "%s", acme()).decode(), ' { "type" : "bundle", "objects" : [ %s ] }'],
)
@pytest.mark.parametrize(
    ("bad", "at"),
    [
        (acme(',"n":1,"n":1'), '"n":1}'),
        (acme(',"a":{"n":1,"\\u006e":1}'), '"\\u006e"'),
        (acme(',"a":[[{"é":1,"b":2,"\\u00e9":1}]]'), '"\\u00e9"'),
        (acme(',"id":"x"'), '"id":"x"'),
        (acme(',"n":9007199254740992'), "9007199254740992"),
        (acme(',"n":-9007199254740992'), "-9007199254740992"),
        (acme(',"n":' + "9" * 5_000), "9" * 5_000),
        (acme(',"n":1e400'), "1e400"),
        (acme(',"n":"a\\ud800b"'), '"a\\ud800b"'),
        (acme(',"\\udc00":1'), '"\\udc00"'),
    ],
)
def test_what_two_readers_read_differently_is_refused_at_its_byte(
    around: str, bad: str, at: str
) -> None:
    data = (around % bad).encode() if "%s" in around else bad.encode()
    assert refused(data).offset == data.index(at.encode())


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "01", "+1", ".5", "'x'"])
def test_what_is_no_json_value_is_refused_at_its_byte(word: str) -> None:
    data = bundle(acme(), acme(f',"n":{word}'))
    assert abs(refused(data).offset - data.index(f":{word}".encode())) <= 3


@pytest.mark.parametrize(
    ("data", "at"),
    [
        (b'{"type":"bundle","objects":[],"objects":[]}', 30),
        (b'{"type":"bundle","objects":[1],"objects":[1]}', 31),
        (b'{"type":"bundle","objects":[1],"objects":[2]}', 31),
        (b'{"type":"bundle","objects":[],"\\u006fbjects":[2]}', 30),
        (b'{"type":"bundle","type":"bundle","objects":[]}', 17),
        (b'{"type":"bundle","x":{"a":1,"a":2},"objects":[1]}', 28),
        (b'{"type":"bundle","objects":[1],"x":{"a":1,"a":2}}', 42),
        (b'{"type":"bundle", "objects":[ 1 ],"x":{"a":1,"a":2}}', 45),
    ],
)
def test_a_doubled_key_around_the_objects_is_refused_at_its_byte(data: bytes, at: int) -> None:
    assert refused(data).offset == at


def test_good_integers_floats_and_pairs_of_surrogates_pass() -> None:
    text = acme(
        ',"a":9007199254740991,"b":-9007199254740991,"c":1e22,"d":-0,"e":"\\ud83d\\ude00","f":0.10'
    )
    [received] = open_bundle(bundle(text))
    assert received.raw == text.encode()
    assert received.data["e"] == "😀"


@pytest.mark.parametrize("inner", ["{}", "[]", '{"a":1}', "[1]"])
def test_depth_is_counted_exactly(inner: str) -> None:
    def deep(levels: int) -> str:
        return acme(',"a":' + "[" * (levels - 2) + inner + "]" * (levels - 2))

    assert len(open_bundle(bundle(deep(32)))) == 1
    data = bundle(acme(), deep(33))
    error = refused(data)
    assert isinstance(error, ObjectLimitError)
    assert data[error.offset : error.offset + len(inner)] == inner.encode()
    # The same when the object is not compact.
    assert len(open_bundle(bundle(deep(32).replace(":", ": ")))) == 1
    assert isinstance(refused(bundle(deep(33).replace(":", ": "))), ObjectLimitError)


@pytest.mark.parametrize("opener", ["[", '{"a":', '{"type":"bundle","objects":[', '[{"a":[{"b":'])
@pytest.mark.parametrize("levels", [40, 1_000, 5_000, 200_000])
def test_deep_nesting_never_ends_in_a_recursion_error(opener: str, levels: int) -> None:
    assert refused((opener * levels).encode())
    closers = "".join({"[": "]", "{": "}"}.get(char, "") for char in reversed(opener))
    assert refused((opener * levels + "1" + closers * levels).encode())
    assert refused(bundle(acme(), opener * levels + "1" + closers * levels))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  \n ",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        "{}".encode("utf-16-le"),
        "{}".encode("utf-32"),
        b"\x7fELF\x02\x01\x01",
        b"PK\x03\x04\x14",
        b"\x00\x01\x02",
        b"hello",
        b'"text"',
        b"17",
        b"null",
        b"{",
        b"[",
        b'{"type":',
        b'{"type":"bundle","objects":[{"type":"x"',
        b'{"type":"bundle","objects":{}}',
        b'{"objects":7}',
        b'{"type":"bundle","objects":[1]} x',
        b'{"type":"bundle","objects":[1,]}',
        b'{"hello":"world"}',
        b'{"type":"bundle","objects":[1 2]}',
        b"[1][2]",
    ],
)
def test_what_is_no_stix_is_refused_with_a_remedy(data: bytes) -> None:
    assert refused(data).offset <= len(data)


def test_every_prefix_of_a_bundle_is_refused_at_its_end() -> None:
    whole = bundle(acme(',"n":[1.5,"é"]'), acme(id=OTHER))
    for size in range(1, len(whole)):
        assert refused(whole[:size]).offset <= size


def test_bad_utf8_is_refused_at_its_byte() -> None:
    for place in (b'"n":"\xff"', b'"n":"\xc3("', b'"\xed\xa0\x80":1', b'"n":"\xf5\x80\x80\x80"'):
        data = bundle(acme(), acme(',"m":1'), acme(',"n":2')).replace(b'"m":1', place)
        assert refused(data).offset == data.index(place) + place.index(
            next(bytes([byte]) for byte in place if byte > 127)
        )
    data = bundle(acme()).replace(b'"bundle--', b'"\xffbundle--')
    assert refused(data).offset == data.index(b"\xff")


def test_each_limit_names_its_value_and_setting() -> None:
    many = bundle(*[acme()] * 10)
    assert isinstance(refused(many, TIGHT), BundleSizeError)
    assert "10 objects" in refused(many, TIGHT).message
    assert "[ingest] max_objects" in refused(many, TIGHT).remedy
    large = bundle(acme(), acme(f',"n":"{"x" * 2_000}"'))
    assert isinstance(refused(large, TIGHT), ObjectLimitError)
    assert "max_object_bytes" in refused(large, TIGHT).remedy
    assert refused(large, TIGHT).offset == large.index(b"{", 70 + len(acme()))
    assert isinstance(refused(b" " * 100_001, TIGHT), BundleSizeError)
    assert len(open_bundle(many, max_objects=10, limits=TIGHT)) == 10
    with pytest.raises(BundleSizeError):
        open_bundle(many, max_objects=9)


@pytest.mark.parametrize("blank", ["", " "])
def test_keys_are_counted_at_every_level(blank: str) -> None:
    def keyed(count: int) -> str:
        inside = ",".join(f'"k{n}":{blank}{{"j":{n}}}' for n in range(count))
        return acme(f',"a":{{{inside}}}')

    assert len(open_bundle(bundle(keyed(8)), limits=TIGHT)) == 1
    assert isinstance(refused(bundle(keyed(9)), TIGHT), ObjectLimitError)
    assert isinstance(refused(bundle(keyed(5_000)), FILE_LIMITS), ObjectLimitError)
    assert len(open_bundle(bundle(keyed(4_900)))) == 1


def test_much_around_few_objects_is_refused() -> None:
    data = bundle(acme()).replace(b'"objects"', b'"x":"%b","objects"' % (b"y" * 3_000))
    assert isinstance(refused(data, TIGHT), BundleSizeError)


def test_many_small_values_in_objects_place_do_not_fill_the_memory() -> None:
    assert isinstance(refused(b"[" + b"1," * (40 * 1024 * 1024) + b"1]"), BundleSizeError)


def test_a_written_bundle_opens_to_the_same_bytes() -> None:
    raws = [acme().encode(), f'{{ "type":"x-acme" ,"id":"{OTHER}","n":2.50 }}'.encode()]
    written = write_bundle(raws, BUNDLE)
    assert [one.raw for one in open_bundle(written)] == raws
    assert orjson.loads(written)["id"] == BUNDLE
    assert open_bundle(write_bundle([], BUNDLE)) == []
    with pytest.raises(BundleError):
        write_bundle(raws, 'bundle--"')


def test_decoded_data_is_the_readers_own() -> None:
    [received] = open_bundle(bundle(acme(',"a":[1]')))
    received.data["a"].append(2)
    assert received.data["a"] == [1]
    assert open_bundle(b"[7]")[0].data == {}


def test_opening_leaves_the_garbage_collector_as_it_was() -> None:
    import gc

    assert gc.isenabled()
    open_bundle(bundle(acme()))
    refused(b"{")
    assert gc.isenabled()
    gc.disable()
    try:
        open_bundle(bundle(acme()))
        assert not gc.isenabled()
    finally:
        gc.enable()


def attack(corpus: Callable[[str], Path], name: str) -> bytes:
    return lzma.decompress(corpus(f"exchange/{name}").read_bytes())


def test_attack_opens_whole_however_it_is_spaced(corpus: Callable[[str], Path]) -> None:
    data = attack(corpus, "ics-18.1.json.xz")
    value = json.loads(data)
    opened = open_bundle(data)
    assert len(opened) == len(value["objects"])
    assert not [one.id for one in opened if one.problem]
    compact = open_bundle(orjson.dumps(value))
    spaced = open_bundle(json.dumps(value).encode())
    for one, two, three, x in zip(opened, compact, spaced, value["objects"], strict=True):
        assert one.data == two.data == three.data == x
        assert one.refs == two.refs == three.refs
        assert (one.id, one.type, one.created) == (x["id"], x["type"], x["created"])
        assert one.sha256 == hashlib.sha256(one.raw).hexdigest()
    assert write_bundle([one.raw for one in compact], value["id"]) == orjson.dumps(
        {"type": "bundle", "id": value["id"], "objects": value["objects"]}
    )


def test_stix_2_0_opens(corpus: Callable[[str], Path]) -> None:
    for path in sorted(corpus("exchange/unit42").glob("*.xz")):
        opened = open_bundle(lzma.decompress(path.read_bytes()))
        assert opened
        assert not [one.problem for one in opened if one.problem]


@pytest.mark.long
def test_two_hundred_megabytes_open_in_bounded_memory(tmp_path: Path) -> None:
    import subprocess

    code = """
import resource
from tocsin.stix.bundle import open_bundle
pad = "x" * 1500
one = ('{"type":"x-acme","id":"x-acme--11111111-1111-4111-8111-%012d","n":"' + pad + '"}')
data = ('{"type":"bundle","objects":[' + ",".join(one % n for n in range(128_000)) + "]}").encode()
assert 200_000_000 < len(data) <= 256 * 1024 * 1024
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
opened = open_bundle(data)
assert len(opened) == 128_000
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert peak - before < 400_000, (before, peak)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_received_equals_by_content() -> None:
    assert isinstance(open_object(acme().encode()), Received)
    assert open_object(acme().encode()) == open_object(acme().encode())
