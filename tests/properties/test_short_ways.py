"""Laws: what is read by a short way is read exactly as by the long one.

Nearly every statement and envelope has a plain form that is read without the general parser. What
it lets pass, refuses and gives must be what the general one does, to the byte and to the word.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin import canonical
from tocsin.errors import TocsinError
from tocsin.record import envelope, statement

KEY = "ab" * 32
PLAIN: dict[str, Any] = {
    "author": "cert.northland.example",
    "body": {"event": "task.note", "text": 'nächster Schritt:\n\t"prüfen" \\ \x7f\x1f €'},
    "case": "case--6f1c",
    "key": KEY,
    "kind": "act",
    "prev": "0b" * 32,
    "salt": "5c" * 16,
    "seen": [
        {"origin": "cert.northland.example/log", "root": "A" * 43 + "=", "size": 123},
        {"origin": "cert.southmark.example/log", "root": "B" * 42 + "A=", "size": 9},
    ],
    "seq": 17,
    "time": "2026-11-22T08:30:00Z",
    "tlp": "GREEN",
    "v": 1,
}
ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**53, 2**64, 10**30, 1.0, 1.5, "", " ", "x", "CLEAR", "RED"),
    *("say", "key", "withdraw", "cosign", "ab" * 32, "AB" * 32, "0" * 64 + "\n", "5c" * 16 + "\n"),
    *("cert.northland.example\n", "Cert.example", "a" * 254, "é", "\x00", "\ud7ff", "case é"),
    *("2026-02-30T08:30:00Z", "2026-11-22T24:00:00Z", "2026-11-22T08:30:00Z\n"),
    *([], {}, [[]], [{}], ["a"], {"é": 1}, {"persons": ["b", "a"]}, {"via": 1}, {"n": 1.5}),
    *({"deep": [[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}, {"big": "x" * 17_000}),
]
FIELDS = [*PLAIN, "to", "refs", "objects", "else"]


def outcome(read: Any, raw: bytes) -> Any:
    try:
        return read(raw)
    except TocsinError as wrong:
        return type(wrong), str(wrong), getattr(wrong, "remedy", None)


def long_way(payload: bytes) -> Any:
    return statement._read(statement.decode(payload, "payload"), len(payload))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [(*path, key) for key, _ in inner]
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inner:
        if isinstance(item, dict | list):
            found += places(item, (*path, key))
    return found


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    value = copy.deepcopy(PLAIN)
    for _ in range(draw(st.integers(0, 2))):
        where = draw(st.sampled_from([*places(value), *((name,) for name in FIELDS)]))
        *above, last = where
        target = value
        for key in above:
            target = target[key]
        if draw(st.booleans()) or not isinstance(target, dict):
            target[last] = copy.deepcopy(draw(st.sampled_from(ODD)))
        else:
            target.pop(last, None)
    text = json.dumps(value, sort_keys=draw(st.booleans()), separators=(",", ":"))
    match draw(st.integers(0, 5)):
        case 0:
            text = json.dumps(value, sort_keys=True)
        case 1:
            pass  # escapes where the canonical form has none
        case _:
            text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    raw = text.encode("utf-8", "replace")
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(raw)))
        piece = draw(
            st.sampled_from([b"", b" ", b'"', b",", b"0", b"\\", b"\xff", b'"v":1,', b"-", b"\n"])
        )
        raw = raw[:at] + piece + raw[at + draw(st.integers(0, 2)) :]
    return raw


@settings(max_examples=400)
@given(payloads())
def test_a_payload_is_read_alike_by_both_ways(raw: bytes) -> None:
    found = outcome(statement.parse, raw)
    assert found == outcome(long_way, raw)
    if isinstance(found, statement.Statement):
        assert statement.read_again(raw) == found


def test_the_plain_form_takes_the_short_way() -> None:
    raw = canonical.encode(PLAIN)
    assert statement._plain(raw) == long_way(raw)
    assert statement._plain(raw) is not None
    for name in ("case", "seen"):
        without = canonical.encode({key: PLAIN[key] for key in PLAIN if key != name})
        assert statement._plain(without) == long_way(without)
        assert statement._plain(without) is not None
    assert statement._plain(canonical.encode(PLAIN | {"refs": [KEY]})) is None


def test_what_was_opened_elsewhere_is_opened_again_alike() -> None:
    refs = {"refs": [KEY], "to": ["gridco.example"]}
    for value in (PLAIN, PLAIN | refs, {k: PLAIN[k] for k in PLAIN if k not in ("case", "seen")}):
        raw = envelope.write_envelope(
            canonical.encode(value), envelope.PAYLOAD_TYPE, {KEY: b"s" * 64}
        )
        opened = envelope.open_statement(raw)
        assert envelope.open_again(raw, opened[0].id) == opened


def test_every_character_is_spelt_alike_by_both_encoders() -> None:
    # If they differed in one, the short way would take what the long one refuses.
    for start in range(0, 0x110000, 0x800):
        if not 0xD800 <= start < 0xE000:
            text = "".join(map(chr, range(start, start + 0x800)))
            assert statement._CANONICAL.encode(text) == canonical.encode(text)


ENVELOPE = envelope.write_envelope(canonical.encode(PLAIN), envelope.PAYLOAD_TYPE, {KEY: b"s" * 64})


@settings(max_examples=300)
@given(
    st.integers(0, len(ENVELOPE)),
    st.integers(0, 2),
    st.sampled_from([b"", b"=", b"A", b'"', b"\n", b"-", b"/", b"\xff", b"g", b"0", b"B"]),
)
def test_an_envelope_of_one_signature_opens_only_in_its_one_spelling(
    at: int, cut: int, piece: bytes
) -> None:
    raw = ENVELOPE[:at] + piece + ENVELOPE[at + cut :]
    found = envelope._plain(raw, envelope.PAYLOAD_TYPE)
    if found is not None:
        [one] = found.signatures
        again = envelope.write_envelope(found.payload, found.payload_type, {one.keyid: one.sig})
        assert again == raw
        assert len(bytes.fromhex(one.keyid)) == 32
        assert one.keyid == one.keyid.lower()
        assert len(one.sig) == 64
    else:
        # Of what this spoils, the long way opens nothing either, but for an empty payload.
        assert isinstance(outcome(envelope.open_envelope, raw), tuple)
