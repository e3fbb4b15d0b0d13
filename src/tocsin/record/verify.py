#!/usr/bin/env python3
"""Check a dossier, a sheet, a log proof or a fork proof, offline. One file, to be read first.

    python3 verify.py FILE [FILE] --policy FILE [--root FILE|none] [--directory FILE] [--json]

It needs Python 3.9 or later and nothing else: only the standard library, no network, and nothing
is written. It shares no line with the program whose answers it checks: `tocsin verify` and this
file must say the same of every input. Take it from an install you trust, never from whoever gave
you the file; read it, then run it as `python3 -I -S verify.py …`.

What it says
    exit 0    verified: who said it and when it was logged, and that nobody changed it; it does
              not mean that it is true
    exit 3    verification failed: every problem is listed, each with its place and what to do
    exit 2    wrong use, or a file that is nothing of the kind: no verdict

What trust it takes, and from where
    --policy     whose log, which witnesses, how many of them (C2SP tlog-policy)
    --root       directory version 1, whose fingerprint you have compared by telephone
    --directory  your own newest directory envelope or envelopes, one a line, if you hold any
    Nothing is taken on trust from the files that are checked.

What it cannot do
    ML-DSA-44 signatures are not checked: such a line is shown as `ml-dsa-44 not checked` and counts
    for nothing. Of a sheet the dossier inside is checked; the page around it is not compared.

The order of the file is the order of the checks. Spec: record.md of tocsin; C2SP signed-note,
tlog-checkpoint, tlog-cosignature, tlog-policy, tlog-proof; RFC 6962 and 9162; RFC 8032; DSSE.

    1 Ed25519         2 bytes and JSON     3 statements     4 directory and keys
    5 notes, policy   6 tree               7 the ZIP frame  8 what a dossier holds
    9 the checks     10 chains and forks  11 other inputs  12 the command
"""

# Python 3.9 is the oldest that runs this: no match, no `X | Y` outside annotations, no pairwise, no
# zip(strict=…), no bisect(key=…), no int.bit_count. A test parses the file as 3.9 would.
from __future__ import annotations

import argparse
import base64
import binascii
import bisect
import hashlib
import io
import itertools
import json
import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any


class Refused(Exception):
    """Something is not as it must be. `code` is one of the verdict's codes."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Unusable(Exception):
    """Wrong use, or a file that is nothing of the kind: exit 2, no verdict."""


REMEDY = {
    "framing": "ask for the dossier again; repacking it with another tool breaks it too",
    "index": "ask for the dossier again; its parts do not belong together",
    "canonical": "treat this line as altered; ask its author or another member for it",
    "schema": "treat this line as altered; ask its author or another member for it",
    "signature": "treat the bytes as altered; fetch them again from another holder",
    "key": "ask the author which key signs for it, and since when",
    "unanchored": "give the root file whose fingerprint you compared by telephone: --root FILE",
    "inclusion": "do not rely on this entry: it is not shown to be in the log; ask its owner",
    "quorum": "fetch a newer checkpoint or dossier, or ask which witnesses the log uses",
    "checkpoint": "fetch the log's checkpoint yourself, and keep both if they differ",
    "directory": "take the directory from another member, or ask its registrars for a right one",
    "chain-gap": "ask the author or another member for what is missing",
    "chain-fork": "keep both: they prove what their author signed; choose none",
    "object": "ask another member for the object by its SHA-256",
    "marking": "ask the originator to say it again with the wider marking",
    "log-fork": "keep all files: show them to the other members, and rely on neither",
    "limit": "ask for a smaller export",
}


# --- 1 Ed25519 ----------------------------------------------------------------------------------
# RFC 8032 §5.1 in extended coordinates, under the strict rule of record.md: the key is a canonical
# point of prime order; R is canonical and not of small order; S < L; R = S·B - k·A. Of the 914
# edge-case vectors of C2SP/CCTV exactly one passes. Nothing here is secret, so nothing need be
# constant-time.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)

Point = tuple[int, int, int, int]
"""X, Y, Z, T: x = X/Z, y = Y/Z, x·y = T/Z."""
NEUTRAL: Point = (0, 1, 1, 0)
Table = list[list[Point]]
"""[i][n] is n·16^i times a point, ready to be added: (Y - X, Y + X, 2dT, 2Z)."""


def ready(p: Point) -> Point:
    """A point in the form that `plus` adds."""
    return (p[1] - p[0]) % P, (p[1] + p[0]) % P, 2 * D * p[3] % P, 2 * p[2]


def plus(p: Point, q: Point) -> Point:
    """p + q, where q is `ready`. Complete: it holds for all points (RFC 8032 §5.1.4)."""
    a = (p[1] - p[0]) * q[0] % P
    b = (p[1] + p[0]) * q[1] % P
    c = p[3] * q[2] % P
    d = p[2] * q[3] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_of(data: bytes) -> Point | None:
    """The point that 32 bytes name, or None: not canonical, or not on the curve (§5.1.3)."""
    number = int.from_bytes(data, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if len(data) != 32 or y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * SQRT_OF_MINUS_1 % P
    if (v * x * x - u) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def bytes_of(p: Point) -> bytes:
    """The 32 bytes that name a point (RFC 8032 §5.1.2)."""
    flip = pow(p[2], -1, P)
    x, y = p[0] * flip % P, p[1] * flip % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def table_of(point: Point) -> Table:
    """All n·16^i times a point, for scalars of 256 bits: then a product costs 64 additions."""
    table = []
    for _ in range(64):
        one, row, sum_ = ready(point), [ready(NEUTRAL)], NEUTRAL
        for _ in range(15):
            sum_ = plus(sum_, one)
            row.append(ready(sum_))
        table.append(row)
        point = plus(sum_, one)
    return table


def sum_of(*products: tuple[int, Table]) -> Point:
    """The sum of scalar·point; each scalar is below 2^256, each point given by its table."""
    total = NEUTRAL
    for scalar, table in products:
        for place, row in enumerate(table):
            digit = scalar >> 4 * place & 15
            if digit:
                total = plus(total, row[digit])
    return total


@lru_cache(maxsize=64)  # a key signs many times, and each table takes 300 kB
def key_table(public: bytes) -> Table | None:
    """The table of -A for a public key A, or None: no canonical point of prime order."""
    point = point_of(public)
    if point is None:
        return None
    x, y, z, t = point
    table = table_of((P - x, y, z, P - t))
    # L is prime: what L times gives the neutral point is of order L, or the neutral point itself.
    in_group = bytes_of(sum_of((L, table))) == bytes_of(NEUTRAL)
    return table if in_group and point[:2] != (0, 1) else None


@lru_cache(maxsize=4096)
def good_key(public: bytes) -> bool:
    """Whether a public key is acceptable: canonical, on the curve, of prime order."""
    return key_table(public) is not None


BASE = table_of(point_of(b"\x58" + b"\x66" * 31) or NEUTRAL)


def ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature holds under the strict rule. Spec: record.md, "Strict Ed25519"."""
    table = key_table(public)
    s = int.from_bytes(signature[32:], "little")
    if table is None or len(signature) != 64 or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    # S·B and k·A are of prime order, so their difference is of small order only if it is neutral;
    # and comparing bytes takes no other spelling of R than the canonical one.
    r = bytes_of(sum_of((s, BASE), (k, table)))
    return r == signature[:32] and r != bytes_of(NEUTRAL)


# --- 2 bytes and JSON ---------------------------------------------------------------------------

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 16


def sha256(data: bytes) -> bytes:
    """32 bytes."""
    return hashlib.sha256(data).digest()


def b64(data: bytes) -> str:
    """Standard, padded base64 (RFC 4648 §4)."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: Any, what: str) -> bytes:
    """The bytes of base64 in its one spelling: decoded, encoded again, compared."""
    if type(text) is not str:
        raise Refused("schema", f"{what} is not text")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if b64(data) != text:
        raise Refused("canonical", f"{what} is not standard base64: {text[:40]!r}")
    return data


def json_bytes(value: Any) -> bytes:
    """The canonical bytes of a value that is within the profile."""
    dumped = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return dumped.encode("utf-8")


def open_json(data: bytes) -> Any:
    """Decode what must be restricted canonical JSON to the byte.

    RFC 8785 with ASCII keys, integers below 2^53, no floats, depth <= 16, so that every encoder
    agrees. Spec: record.md, "Canonical JSON".
    """

    def no_float(text: str) -> Any:
        raise ValueError(f"the number {text[:40]} is no integer")

    def short_int(text: str) -> Any:  # int() takes quadratic time
        return int(text) if len(text) <= 17 else no_float(text)

    try:
        value = json.loads(
            data.decode("utf-8"),
            parse_float=no_float,
            parse_constant=no_float,
            parse_int=short_int,
        )
        within_profile(value, 1)
        again = json_bytes(value)
    except (ValueError, RecursionError) as wrong:  # UnicodeError is a ValueError
        raise Refused("canonical", f"not restricted canonical JSON: {wrong}"[:300]) from None
    if again != data:
        at = next((i for i, (a, b) in enumerate(zip(again, data)) if a != b), 0)
        raise Refused("canonical", f"not in canonical form from byte {at} on")
    return value


def within_profile(value: Any, depth: int) -> None:
    """Raise ValueError for what any encoder might write in two ways."""
    if type(value) is int and abs(value) > MAX_INTEGER:
        raise ValueError(f"the integer {value} is not below 2**53")
    if type(value) not in (dict, list):
        return
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if type(value) is dict and not all(map(str.isascii, value)):
        raise ValueError("a key is not ASCII")
    for item in value.values() if type(value) is dict else value:
        within_profile(item, depth + 1)


# --- 3 statements -------------------------------------------------------------------------------
# What a value must be, in small words; then the statement field by field. Spec: record.md,
# "Statement".

Check = Callable[[Any], bool]


def like(pattern: str) -> Check:
    """Text that a pattern matches from end to end."""
    whole_text = re.compile(pattern)
    return lambda v: type(v) is str and whole_text.fullmatch(v) is not None


def text(low: int = 0, high: int | None = None) -> Check:
    """Text of so many characters."""
    return lambda v: type(v) is str and low <= len(v) and (high is None or len(v) <= high)


def among(*values: str) -> Check:
    """One of these words."""
    return lambda v: type(v) is str and v in values


def whole(low: int, high: int = MAX_INTEGER) -> Check:
    """An integer; True and False are none."""
    return lambda v: type(v) is int and low <= v <= high


def many(check: Check, low: int = 0, high: int | None = None) -> Check:
    """A list of so many."""
    return lambda v: (
        type(v) is list
        and low <= len(v)
        and (high is None or len(v) <= high)
        and all(map(check, v))
    )


def mapping(v: Any) -> bool:
    """An object."""
    return type(v) is dict


def boolean(v: Any) -> bool:
    """True or False."""
    return type(v) is bool


class Shape:
    """An object: the fields it must have, those it may have, and whether it may have others."""

    def __init__(
        self, must: dict[str, Check], may: dict[str, Check] | None = None, others: bool = True
    ) -> None:
        self.must, self.may, self.others = must, may or {}, others

    def fault(self, value: Any) -> str:
        """What is wrong with it; empty if nothing is."""
        if type(value) is not dict:
            return "it is no object"
        known = {**self.must, **self.may}
        for name in self.must:
            if name not in value:
                return f"`{name}` is missing"
        for name, item in value.items():
            if name not in known and not self.others:
                return f"`{name[:80]}` is unknown"
            if name in known and not known[name](item):
                return f"`{name}` is not of its form"
        return ""

    def __call__(self, value: Any) -> bool:
        return not self.fault(value)

    def need(self, value: Any, what: str) -> None:
        """Refuse what does not fit."""
        wrong = self.fault(value)
        if wrong:
            raise Refused("schema", f"{what}: {wrong}")


def rising(items: Sequence[Any], what: str) -> None:
    """Sorted and unique: a set has one spelling."""
    for before, after in zip(items, items[1:]):
        if not before < after:
            raise Refused("schema", f"{what} are not sorted and unique at {after!r}")


ROOT_KINDS = ("directory", "key", "revoke")
ORDINARY_KINDS = ("ack", "act", "compare", "cosign", "say", "withdraw")
TLP = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
KEY_CHAIN = " keys"
"""The chain of an author's directory, key and revoke statements: no case id has a blank."""
PAYLOAD_TYPE = "application/vnd.tocsin.statement+json"

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DNS = rf"(?=.{{1,253}}\Z){LABEL}(?:\.{LABEL})+"
UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
STIX_TYPE = r"[a-z0-9][a-z0-9_-]{0,249}"
MEDIA_NAME = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"

party_id = like(DNS)
hex64 = like(r"[0-9a-f]{64}")
time_form = like(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")

OBJECT = Shape(
    {
        "id": like(rf"{STIX_TYPE}--{UUID}|urn:sha256:[0-9a-f]{{64}}"),
        "sha256": hex64,
        "type": like(rf"{STIX_TYPE}|{MEDIA_NAME}/{MEDIA_NAME}"),
    },
    others=False,
)
SEEN = Shape(
    {
        "origin": like(rf"{DNS}/log(?:/[1-9][0-9]{{0,8}})?"),
        "root": text(44, 44),
        "size": whole(1),
    },
    others=False,
)
STATEMENT = Shape(
    {
        "v": whole(1, 1),
        "author": party_id,
        "key": hex64,
        "kind": among(*ROOT_KINDS, *ORDINARY_KINDS),
        "seq": whole(1),
        "prev": like(r"(?:[0-9a-f]{64})?"),
        "time": time_form,
        "salt": like(r"[0-9a-f]{32}"),
        "tlp": among(*TLP),
        "body": mapping,
    },
    {
        "case": like(r"[!-~]{1,128}"),
        "to": many(party_id, 1, 256),
        "objects": many(OBJECT, 1, 1000),
        "refs": many(hex64, 1, 256),
        "seen": many(SEEN, 1, 8),
    },
    others=False,
)

# The body of each kind; unknown keys are kept and ignored. An `act` has no rule here: one with a
# missing field is void, kept and shown.
SAY = Shape(
    {},
    {
        "via": Shape({"door": text(), "party": party_id}),
        "persons": many(text(1)),
        "reason": text(),
    },
)
HEAD = Shape({"author": party_id, "seq": whole(1), "head": hex64})
BODIES = {
    "say": SAY,
    "withdraw": SAY,
    "ack": Shape({"heads": many(HEAD)}),
    "act": Shape({}),
    "cosign": Shape(
        {"manifest_sha256": hex64},
        {
            "capacity": among("author", "co-author", "endorses", "no-objection"),
            "refuse": boolean,
        },
    ),
    "compare": Shape({"step": text()}),
    "key": Shape(
        {"keyid": hex64, "public": text(), "kinds": many(text(), 1)}, {"directory": whole(1)}
    ),
    "revoke": Shape(
        {"keyid": hex64, "reason": text()}, {"suspect_since": time_form, "directory": whole(1)}
    ),
}


def real_time(value: str) -> None:
    """Refuse what is no date and time: 30 February, hour 24, second 60, year 0."""
    try:
        datetime(*(int(part) for part in re.split("[-T:Z]", value)[:6]))  # type: ignore[arg-type]
    except ValueError as wrong:
        raise Refused("schema", f"{value!r} is no date and time: {wrong}") from None


def keyid_of(public: bytes) -> str:
    """The name of an Ed25519 key, 64 hex digits."""
    return sha256(b"tocsin/key/v1\n\x01" + public).hex()


def enrolled(keyid: str, public: str) -> bytes:
    """The 32 bytes of a key that may be enrolled: a good point, under its own id."""
    data = unb64(public, "`public`")
    if not good_key(data):
        raise Refused(
            "schema", f"public key {data.hex()[:64]} is no canonical point of prime order"
        )
    if keyid_of(data) != keyid:
        raise Refused("schema", f"key {keyid} has the id {keyid_of(data)}")
    return data


def check_payload(s: Any, size: int) -> None:
    """Every rule that one payload must keep by itself; `size` in bytes."""
    STATEMENT.need(s, "payload")
    kind, is_directory = s["kind"], s["kind"] == "directory"
    if size > (1 << 20 if is_directory else 64 << 10):
        raise Refused("schema", f"payload of {size} bytes, which is too many for a {kind}")
    if not is_directory and len(json_bytes(s["body"])) > 16 << 10:
        raise Refused("schema", "`body` has more than 16 KiB")
    real_time(s["time"])
    if (s["seq"] == 1) != (s["prev"] == ""):
        raise Refused("schema", f'`seq` {s["seq"]} and `prev` "{s["prev"]}" disagree')
    rising(s.get("refs", []), "`refs`")
    rising(s.get("to", []), "`to`")
    rising([(o["id"], o["sha256"]) for o in s.get("objects", [])], "`objects`")
    rising([seen["origin"] for seen in s.get("seen", [])], "`seen`")
    for o in s.get("objects", []):
        urn = o["id"].startswith("urn:")
        good = o["id"] == "urn:sha256:" + o["sha256"] and "/" in o["type"]
        if not (good if urn else o["id"].partition("--")[0] == o["type"]):
            raise Refused("schema", f"object {o['id']}: its id, type and SHA-256 disagree")
    for seen in s.get("seen", []):
        if len(unb64(seen["root"], "`seen.root`")) != 32:
            raise Refused("schema", "`seen.root` is not 32 bytes")
    if s["tlp"] == "RED" and "to" not in s:
        raise Refused("schema", "RED names nobody in `to`")
    if kind in ROOT_KINDS and (s["tlp"] != "CLEAR" or "case" in s):
        raise Refused("schema", f"a {kind} is always CLEAR, and stands in no case")
    if kind in ("withdraw", "cosign") and "refs" not in s:
        raise Refused("schema", f"a {kind} names in `refs` what it is about")
    if is_directory:
        check_directory(s["body"])
    else:
        check_body(kind, s["body"])


def check_body(kind: str, body: Any) -> None:
    """The body of any kind but a directory."""
    BODIES[kind].need(body, f"body of a {kind}")
    if kind in ("say", "withdraw"):
        rising(body.get("persons", []), "`persons`")
    elif kind == "cosign" and body.get("refuse", False) == ("capacity" in body):
        raise Refused("schema", "body of a cosign: either `capacity` or `refuse`: true, not both")
    elif kind == "revoke" and "suspect_since" in body:
        real_time(body["suspect_since"])
    elif kind == "key":
        enrolled(body["keyid"], body["public"])
        rising(body["kinds"], "`kinds`")
        for name in body["kinds"]:
            if name not in ORDINARY_KINDS:
                raise Refused("schema", f"{name!r} is no kind that an ordinary key signs")


@dataclass(frozen=True)
class Proof:
    """Where in which log an id stands, and the path that shows it."""

    id: str
    index: int
    log: int
    """Number of the log in the dossier."""
    path: tuple[bytes, ...]
    where: str


@dataclass(frozen=True)
class Row:
    """A statement shown in full; its signatures are not checked yet."""

    id: str
    raw: bytes
    s: dict[str, Any]
    """The payload."""
    signatures: tuple[tuple[str, bytes], ...]
    """(keyid, 64 bytes), sorted by keyid."""
    signed: bytes
    """What each of them covers: DSSE v1 pre-authentication encoding."""
    where: str = ""
    proofs: tuple[Proof, ...] = ()

    @property
    def index(self) -> int:
        """Place in the first log that holds it; -1 where no proof is given."""
        return self.proofs[0].index if self.proofs else -1

    @property
    def chain(self) -> tuple[str, str]:
        """The author and the name of its chain in which `seq` and `prev` count."""
        root_kind = self.s["kind"] in ROOT_KINDS
        return self.s["author"], KEY_CHAIN if root_kind else self.s.get("case", "")


SIGNATURE = Shape({"keyid": hex64, "sig": text()}, others=False)
ENVELOPE = Shape(
    {"payload": text(), "payloadType": text(), "signatures": many(lambda _: True, 1, 16)},
    others=False,
)


def open_row(raw: bytes) -> Row:
    """Open an envelope and its payload, and check all that needs no key."""
    if len(raw) > 3 << 19:
        raise Refused("schema", f"an envelope of {len(raw)} bytes")
    value = open_json(raw)
    ENVELOPE.need(value, "envelope")
    if value["payloadType"] != PAYLOAD_TYPE:
        raise Refused("schema", f"payload type {value['payloadType'][:80]!r}")
    signatures = []
    for one in value["signatures"]:
        SIGNATURE.need(one, "signature")
        signatures.append((one["keyid"], unb64(one["sig"], "`sig`")))
        if len(signatures[-1][1]) != 64:
            raise Refused("schema", "a signature that is not 64 bytes")
    rising([keyid for keyid, _ in signatures], "signatures")
    payload = unb64(value["payload"], "`payload`")
    if len(payload) > 1 << 20:
        raise Refused("schema", f"payload of {len(payload)} bytes")
    s = open_json(payload)
    check_payload(s, len(payload))
    if s["kind"] != "directory" and len(raw) > 96 << 10:
        raise Refused("schema", f"an envelope of {len(raw)} bytes, too many for a {s['kind']}")
    if s["kind"] not in ROOT_KINDS and len(signatures) != 1:
        raise Refused("schema", f"{len(signatures)} signatures, and a {s['kind']} has exactly one")
    if signatures[0][0] != s["key"]:
        raise Refused("schema", "the first signature is not by the key that `key` names")
    return Row(
        id=id_of(raw),
        raw=raw,
        s=s,
        signatures=tuple(signatures),
        signed=b"DSSEv1 %d %b %d %b"
        % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload),
    )


def id_of(raw: bytes) -> str:
    """A statement's id: SHA-256 over its envelope under a label, in hex. The log holds no more."""
    return sha256(b"tocsin/commit/v1\n" + raw).hex()


def sealed_id(author: str, id: str) -> str:
    """What the log holds of a statement of this id that its author has sealed, in hex.

    The node that logs it cannot see whose id it is: with the author's name in it, nobody else's
    entry is the same.
    """
    return sha256(b"tocsin/sealed/v1\n" + author.encode() + b"\n" + bytes.fromhex(id)).hex()


def leaf_of(id: str) -> bytes:
    """The leaf hash of an entry, the id of a statement: SHA-256(0x00 || 0x01 || id)."""
    return sha256(b"\x00\x01" + bytes.fromhex(id))


# --- 4 directory and keys -----------------------------------------------------------------------
# Version 1 is the reader's root file; each later version is signed by enough registrars of the one
# before and of its own (TUF §5.3). Keys are judged at their place in the log, never by a clock.
# Spec: record.md, "Directory and keys".

KEY_FIELDS: dict[str, Check] = {"keyid": hex64, "public": text()}
ROOT = Shape({"threshold": whole(1, 16), "keys": many(Shape(KEY_FIELDS), 1, 16)})
REGISTRAR = Shape({"party": party_id, **KEY_FIELDS})
NODE = Shape(
    {},
    {
        **dict.fromkeys(("origin", "url", "peer_url", "key"), text()),
        **dict.fromkeys(("log_vkeys", "witness_vkeys"), many(text())),
    },
)
PARTY = Shape(
    {
        "id": party_id,
        "name": text(1, 200),
        "root": ROOT,
        "identity": like(r"identity--[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    },
    {
        "nodes": many(NODE),
        "hpke": Shape({"id": text(), "public": text()}),
        "clients": many(party_id),
        "languages": many(text()),
        "facets": mapping,
        **dict.fromkeys(("contact", "kind", "hours", "zone"), text()),
    },
)
DIRECTORY = Shape(
    {
        "version": whole(1),
        "registrars": Shape({"threshold": whole(1, 16), "keys": many(REGISTRAR, 1, 16)}),
        "parties": many(PARTY, 1, 4096),
    }
)


def check_directory(body: Any) -> None:
    """The body of a `directory` statement."""
    DIRECTORY.need(body, "directory")
    parties = body["parties"]
    nodes = [(party["id"], node) for party in parties for node in party.get("nodes", [])]
    rising([party["id"] for party in parties], "parties")
    owner: dict[str, str] = {}
    try:
        check_keys(body["registrars"], "registrars")
        for party in parties:
            check_keys(party["root"], f"root of {party['id']}")
        for id, node in nodes:
            if node.get("key") and not good_key(unb64(node["key"], "`key`")):
                raise Refused("schema", f"the node key of {id} is no canonical point")
    except Refused as wrong:
        raise Refused("schema", f"directory: {wrong.detail}") from None
    for party in parties:
        rising(party.get("clients", []), f"clients of {party['id']}")
        for key in party["root"]["keys"]:
            if owner.setdefault(key["keyid"], party["id"]) != party["id"]:
                raise Refused("schema", f"root key {key['keyid']} stands for two parties")
    for key in body["registrars"]["keys"]:
        if owner.get(key["keyid"], key["party"]) != key["party"]:
            raise Refused("schema", f"registrar key {key['keyid']} is another party's root key")
    for id, node in nodes:
        if node.get("origin") and node["origin"].partition("/")[0] != id:
            raise Refused("schema", f"{id} lists the log {node['origin'][:80]}, another's name")
    rising(sorted(party["identity"] for party in parties), "identities")
    rising(sorted(node["origin"] for _, node in nodes if node.get("origin")), "origins")


def check_keys(listed: Any, what: str) -> None:
    """A threshold and its keys."""
    rising([key["keyid"] for key in listed["keys"]], what)
    if listed["threshold"] > len(listed["keys"]):
        raise Refused("schema", f"{what}: the threshold can never be met")
    for key in listed["keys"]:
        enrolled(key["keyid"], key["public"])


@dataclass(frozen=True)
class Version:
    """One directory version, from a place in the log on."""

    index: int
    body: dict[str, Any]
    parties: dict[str, dict[str, Any]]
    """By id."""
    roots: frozenset[str]
    """Ids of all keys that sign root kinds."""

    @property
    def number(self) -> int:
        number: int = self.body["version"]
        return number

    def vkeys(self, origin: str) -> list[str]:
        """Whose lines may stand on a checkpoint of `origin`: the log's keys, and all witnesses'."""
        nodes = [node for party in self.body["parties"] for node in party.get("nodes", [])]
        found = [v for n in nodes if n.get("origin") == origin for v in n.get("log_vkeys", [])]
        return found + [v for n in nodes for v in n.get("witness_vkeys", [])]


@dataclass(frozen=True)
class Key:
    """An ordinary key of a party, as one log knows it. Places are log indexes."""

    public: bytes
    since: int
    """It counts above this place."""
    kinds: dict[str, int]
    """What it may sign, and above which place."""
    until: int | None = None
    """It counts below this place: its earliest revocation."""
    suspect_since: str | None = None


Pairs = list[tuple[bytes, bytes]]
"""(public key, signature): every one of them must hold."""


def signed_by(row: Row, keys: Iterable[Mapping[str, Any]], code: str, what: str) -> Pairs:
    """The row's signatures with their keys. One that nobody could check is refused."""
    public = {key["keyid"]: unb64(key["public"], "`public`") for key in keys}
    for keyid, _ in row.signatures:
        if keyid not in public:
            raise Refused(code, f"{keyid} signed and is no {what} key here")
    return [(public[keyid], signature) for keyid, signature in row.signatures]


def registrars(row: Row, versions: Sequence[Version]) -> Pairs:
    """The signatures of a directory, if each of these versions' thresholds is met."""
    keys = [key for version in versions for key in version.body["registrars"]["keys"]]
    if all(key["party"] != row.s["author"] for key in keys):
        raise Refused("directory", f"{row.s['author']} is no registrar and authors a directory")
    pairs = signed_by(row, keys, "directory", "registrar")
    for version in versions:
        asked = version.body["registrars"]
        mine = {key["keyid"] for key in asked["keys"]}
        count = sum(keyid in mine for keyid, _ in row.signatures)
        if count < asked["threshold"]:
            raise Refused(
                "directory",
                f"{count} registrars of version {version.number} signed, and it asks for "
                f"{asked['threshold']}",
            )
    return pairs


def all_hold(pairs: Pairs, row: Row) -> None:
    """Refuse the row if one signature fails."""
    for public, signature in pairs:
        if not ed25519(public, signature, row.signed):
            raise Refused("signature", f"the signature by {keyid_of(public)} does not verify")


def version_of(row: Row, index: int) -> Version:
    """A directory statement as a version."""
    body = row.s["body"]
    listed = [body["registrars"], *(party["root"] for party in body["parties"])]
    roots = frozenset(key["keyid"] for one in listed for key in one["keys"])
    return Version(index, body, {party["id"]: party for party in body["parties"]}, roots)


class Ring:
    """Which key may sign which kind, for which author, at which place in one log."""

    def __init__(self, root: Row, index: int) -> None:
        first = version_of(root, index)
        if first.number != 1:
            raise Refused("directory", f"a root file holds version 1, not {first.number}")
        all_hold(registrars(root, [first]), root)
        self.versions = [first]
        self.keys: dict[tuple[str, str], Key] = {}
        self.revoked: set[tuple[str, str]] = set()
        self.floors: dict[str, list[tuple[int, int]]] = {}
        """By party: (index from which it counts, lowest version whose root it takes)."""

    def copy(self) -> Ring:
        """Another ring with the same knowledge."""
        twin = Ring.__new__(Ring)
        twin.versions, twin.keys = list(self.versions), dict(self.keys)
        twin.revoked = set(self.revoked)
        twin.floors = {party: list(floors) for party, floors in self.floors.items()}
        return twin

    def at(self, index: int | None) -> Version:
        """The version in force at a place; None: the newest. The root: from the start on."""
        if index is None:
            return self.versions[-1]
        for version in reversed(self.versions):
            if version.index < index:
                return version
        return self.versions[0]

    def state(self, s: Mapping[str, Any], index: int | None, time: str | None = None) -> str:
        """How the statement's key stands at its place: valid, suspect, revoked or unknown.

        `time` is the cautious one, the latest at which it may have been signed; None: any.
        """
        key = self.keys.get((s["author"], s["key"]))
        if key is None or (index is not None and index <= key.since):
            return "unknown"
        if s["author"] not in self.at(index).parties:
            return "unknown"
        if key.until is None:
            return "valid"
        if index is None or index > key.until:
            return "revoked"
        since = key.suspect_since
        return "suspect" if since is not None and (time is None or time >= since) else "valid"

    def signers(self, row: Row, index: int | None) -> Pairs:
        """The signatures that must hold, if these keys may sign this here."""
        s, version = row.s, self.at(index)
        if s["kind"] == "directory":
            return self.directory_signers(row)
        party = version.parties.get(s["author"])
        if party is None:
            raise Refused("key", f"{s['author']} is not in directory {version.number}")
        if s["kind"] in ROOT_KINDS:
            return self.root_signers(row, party, index)
        state, key = self.state(s, index), self.keys.get((s["author"], s["key"]))
        if key is None or state in ("unknown", "revoked"):
            raise Refused("key", f"key {s['key']} of {s['author']} is {state} at index {index}")
        if s["key"] in version.roots:
            raise Refused("key", f"{s['key']} is a root key, and signs no other kind")
        since = key.kinds.get(s["kind"])
        if since is None or (index is not None and index <= since):
            raise Refused("key", f"key {s['key']} of {s['author']} may not sign a {s['kind']}")
        return [(key.public, row.signatures[0][1])]

    def root_signers(self, row: Row, party: Mapping[str, Any], index: int | None) -> Pairs:
        """The signatures of a `key` or `revoke`, if they meet a root's threshold."""
        standing = self.root_version(row, index)
        root = standing[1] if standing else party["root"]
        pairs = signed_by(row, root["keys"], "key", "root")
        if len(pairs) < root["threshold"]:
            raise Refused("key", f"too few root keys of {party['id']} signed a {row.s['kind']}")
        if standing is None:
            raise Refused("key", f"{party['id']} signs by the root of a directory not in force yet")
        if row.s["kind"] == "key" and any(row.s["body"]["keyid"] in v.roots for v in self.versions):
            raise Refused("key", f"{row.s['body']['keyid']} is a root key, and signs no other kind")
        return pairs

    def root_version(self, row: Row, index: int | None) -> tuple[int, Any] | None:
        """The first version, from the author's floor on, whose root of it made these signatures.

        An old root counts until the party says something with a newer one: that is the same place
        of its own chain in every log, whenever the directory came there. The statement itself may
        name a higher one. Spec: decisions/0027.
        """
        floors = self.floors.get(row.s["author"], [])
        floor = max((v for at, v in floors if index is None or at < index), default=0)
        floor = max(floor, row.s["body"].get("directory", 0))
        signed = {keyid for keyid, _ in row.signatures}
        for version in self.versions:
            late = version.number > 1 and index is not None and version.index >= index
            party = version.parties.get(row.s["author"])
            if party is None or late or version.number < floor:
                continue
            mine = {key["keyid"] for key in party["root"]["keys"]}
            if signed <= mine and len(signed) >= party["root"]["threshold"]:
                return version.number, party["root"]
        return None

    def directory_signers(self, row: Row) -> Pairs:
        """A version that is held already, or the next one."""
        new = version_of(row, -1)
        if new.number <= len(self.versions):  # they rise by one from 1
            held = self.versions[new.number - 1]
            if json_bytes(held.body) != json_bytes(new.body):  # to Python, true is 1
                raise Refused("directory", f"another version {new.number} than the one held")
            before = self.versions[max(new.number - 2, 0)]
        else:
            before = self.versions[-1]
            if new.number != before.number + 1:
                raise Refused("directory", f"version {new.number} after {before.number}")
        return registrars(row, [before, new] if before.number != new.number else [new])

    def admit(self, row: Row, index: int) -> None:
        """Take in a directory, key or revoke whose signatures hold; in log order."""
        body = row.s["body"]
        if row.s["kind"] == "directory":
            if body["version"] == len(self.versions) + 1:
                self.versions.append(version_of(row, index))
            return
        name = (row.s["author"], body["keyid"])
        standing, floors = self.root_version(row, None), self.floors.setdefault(name[0], [])
        if standing and standing[0] > (floors[-1][1] if floors else 0):
            floors.append((index, standing[0]))
        held = self.keys.get(name)
        if row.s["kind"] == "key":
            # A revoked key stays revoked: enrolling it again would undo history.
            if name not in self.revoked:
                kinds = {**dict.fromkeys(body["kinds"], index), **(held.kinds if held else {})}
                public = unb64(body["public"], "`public`")
                self.keys[name] = Key(public, held.since if held else index, kinds)
            return
        self.revoked.add(name)
        if held:  # it ends at its earliest revocation, suspect since the earliest time named
            times = [t for t in (held.suspect_since, body.get("suspect_since")) if t is not None]
            until = index if held.until is None else min(index, held.until)
            self.keys[name] = replace(held, until=until, suspect_since=min(times, default=None))


# --- 5 notes, policy ----------------------------------------------------------------------------
# C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy at 5ba5ee83.
#
#     note   = text "\n" lines;  line = "— " name " " b64(keyid4 || signature) "\n"
#     0x01   Ed25519 over the text
#     0x04   Ed25519 over "cosignature/v1\ntime N\n" || text;      signature = u64 time || raw
#     0x06   ML-DSA-44: its length and time are checked, the signature is not

ED25519, COSIGNATURE, ML_DSA_44 = 1, 4, 6
KIND_NAMES = {
    ED25519: "ed25519",
    COSIGNATURE: "ed25519 cosignature",
    ML_DSA_44: "ml-dsa-44 not checked",
}
PUBLIC_BYTES = {ED25519: 32, COSIGNATURE: 32, ML_DSA_44: 1312}
BLOB_BYTES = {ED25519: 64, COSIGNATURE: 8 + 64, ML_DSA_44: 8 + 2420}
MAX_SIZE = 2**63 - 1
DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class VKey:
    """A note's verifier key."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> tuple[str, bytes]:
        """By this a line says whose it is: the name, and SHA-256(name "\\n" type key)[:4]."""
        material = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return self.name, sha256(material)[:4]


@dataclass(frozen=True)
class Line:
    """One signature line: the key's name and id, and what follows the id."""

    id: tuple[str, bytes]
    blob: bytes


@dataclass(frozen=True)
class Note:
    """A checkpoint and the lines under it. Nothing is verified yet."""

    data: bytes
    text: str
    origin: str
    size: int
    root: bytes
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Signed:
    """A line of a known key that holds; of an ML-DSA-44 line only the form."""

    key: VKey
    time: int

    @property
    def counts(self) -> bool:
        """Whether its signature was checked."""
        return self.key.kind != ML_DSA_44


def note_name(name: str) -> str:
    """A key name: not empty, no blank, no plus, no control character (signed-note, "Format")."""
    if not name or "+" in name or any(c.isspace() or c < " " for c in name):
        raise Refused("checkpoint", f"no key name: {name[:80]!r}")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Refused("checkpoint", f"no key name: {name[:80]!r}") from None
    return name


@lru_cache(maxsize=4096)
def open_vkey(written: str) -> VKey:
    """Parse `name+keyid+base64(type || key)` of one of the three kinds."""
    parts = written.split("+", 2)
    if len(parts) != 3:
        raise Refused("checkpoint", f"no verifier key: {written[:80]!r}")
    raw = unb64(parts[2], "a verifier key")
    kind = raw[0] if raw else -1
    if kind not in PUBLIC_BYTES or len(raw) != 1 + PUBLIC_BYTES[kind]:
        raise Refused("checkpoint", f"verifier key {written[:80]!r} is of no kind known here")
    key = VKey(note_name(parts[0]), kind, raw[1:])
    if parts[1] != key.id[1].hex():
        raise Refused("checkpoint", f"verifier key {written[:80]!r} has another key id")
    if kind != ML_DSA_44 and not good_key(key.public):
        raise Refused("checkpoint", f"verifier key {written[:80]!r} is no point of prime order")
    return key


def known_vkeys(written: Iterable[str]) -> Iterator[VKey]:
    """Those that can be read; one of a kind that this version does not know is passed over."""
    for one in written:
        try:
            yield open_vkey(one)
        except Refused:
            continue


def open_signed_text(data: bytes) -> tuple[str, tuple[Line, ...]]:
    """A note's text, with its last newline, and its lines (signed-note, "Format")."""
    if len(data) > 128 << 10:
        raise Refused("checkpoint", f"a note of {len(data)} bytes")
    try:
        whole_note = data.decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise Refused("checkpoint", f"not UTF-8 at byte {wrong.start}") from None
    if any(c < " " and c != "\n" for c in whole_note):
        raise Refused("checkpoint", "a control character in a note")
    body, blank, tail = whole_note.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise Refused("checkpoint", "a note ends in a blank line and signature lines")
    rows = tail[:-1].split("\n")
    if len(rows) > 32:
        raise Refused("checkpoint", f"a note with {len(rows)} signature lines")
    return body + "\n", tuple(map(open_line, rows))


def open_line(row: str) -> Line:
    """One signature line."""
    parts = row.split(" ")
    if len(parts) != 3 or parts[0] != "—":
        raise Refused("checkpoint", f"no signature line: {row[:60]!r}")
    name, raw = note_name(parts[1]), unb64(parts[2], "a signature line")
    if len(raw) < 5:
        raise Refused("checkpoint", f"the signature line of {name} holds no signature")
    return Line((name, raw[:4]), raw[4:])


def open_note(data: bytes) -> Note:
    """A checkpoint without extension lines (tlog-checkpoint, "Note text")."""
    try:
        body, lines = open_signed_text(data)
        rows = body.split("\n")
        if len(rows) != 4 or rows[3] or not rows[0]:
            raise Refused("checkpoint", "a checkpoint has three lines: origin, size, root")
        if not DECIMAL.fullmatch(rows[1]) or int(rows[1]) > MAX_SIZE:
            raise Refused("checkpoint", f"no tree size: {rows[1][:40]!r}")
        root = unb64(rows[2], "a root hash")
        if len(root) != 32:
            raise Refused("checkpoint", f"a root hash of {len(root)} bytes")
    except Refused as wrong:  # base64 in a note is the note's fault, whatever its code
        raise Refused("checkpoint", wrong.detail) from None
    return Note(data, body, rows[0], int(rows[1]), root, lines)


def signed_lines(note: Note, known: Iterable[VKey]) -> list[Signed]:
    """The lines of known keys, all of which must hold; unknown signers are passed over."""
    by_id = {key.id: key for key in known}
    found = [check_line(by_id[line.id], line, note) for line in note.lines if line.id in by_id]
    if not found:
        names = ", ".join(sorted({line.id[0] for line in note.lines}))
        raise Refused("checkpoint", f"no line of a key we know (signed by {names[:200]})")
    return found


def check_line(key: VKey, line: Line, note: Note) -> Signed:
    """One line of a known key (signed-note, "Signatures"; tlog-cosignature, "Format")."""
    what = f"the {KIND_NAMES[key.kind].replace(' not checked', '')} line of {key.name}"
    if len(line.blob) != BLOB_BYTES[key.kind]:
        raise Refused("checkpoint", f"{what} holds {len(line.blob)} bytes")
    if key.kind == ED25519:
        time, raw, message = 0, line.blob, note.text.encode()
    else:
        time, raw = int.from_bytes(line.blob[:8], "big"), line.blob[8:]
        message = f"cosignature/v1\ntime {time}\n{note.text}".encode()
    if time > MAX_SIZE:
        raise Refused("checkpoint", f"{what} has the time {time}")
    if key.kind == ML_DSA_44:
        if len(key.name.encode()) > 255 or len(note.origin.encode()) > 255:
            raise Refused("checkpoint", f"{what}: a name does not fit its one length byte")
    elif not ed25519(key.public, raw, message):
        raise Refused("checkpoint", f"{what} does not verify")
    return Signed(key, time)


class Policy:
    """A reader's trust: which logs, which witnesses, how many of them (tlog-policy)."""

    def __init__(self, data: bytes) -> None:
        self.sha256 = sha256(data).hex()
        self.logs: list[VKey] = []
        self.witnesses: dict[str, VKey] = {}
        self.groups: dict[str, tuple[int, list[str]]] = {}
        self.quorum = ""
        self._grouped: set[str] = set()
        if len(data) > 256 << 10:
            raise Refused("limit", f"a policy of {len(data)} bytes")
        if any((c < 0x20 and c not in b"\t\n") or c == 0x7F for c in data):
            raise Refused("schema", "a control character")
        # Bytes over 0x7F are opaque: `surrogateescape` carries them unread.
        for number, row in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
            words = re.split(r"[ \t]+", row.strip(" \t"))
            if words[0] and not words[0].startswith("#"):
                try:
                    self._take(words[0], words[1:])
                except Refused as wrong:
                    raise Refused("schema", f"line {number}: {wrong.detail}") from None
        if not self.quorum:
            raise Refused("schema", "no quorum line")

    def _take(self, verb: str, rest: list[str]) -> None:
        if len(self.logs) + len(self.witnesses) + len(self.groups) >= 1024:
            raise Refused("limit", "over 1024 logs, witnesses and groups")
        if verb == "log" and len(rest) in (1, 2):
            self.logs.append(self._key(rest[0], (ED25519, ML_DSA_44), self.logs))
        elif verb == "witness" and len(rest) in (2, 3):
            self._free(rest[0])
            others = self.witnesses.values()
            self.witnesses[rest[0]] = self._key(rest[1], (COSIGNATURE, ML_DSA_44), others)
        elif verb == "group" and len(rest) >= 3:
            self._free(rest[0])
            for name in rest[2:]:
                self._defined(name)
                if name in self._grouped:
                    raise Refused("schema", f"{name!r} is in a group already")
                self._grouped.add(name)
            self.groups[rest[0]] = self._threshold(rest[1], len(rest) - 2), rest[2:]
        elif verb == "quorum" and len(rest) == 1 and not self.quorum:
            if rest[0] != "none":
                self._defined(rest[0])
            self.quorum = rest[0]
        else:
            raise Refused("schema", f"{' '.join([verb, *rest])[:60]!r}")

    def _key(self, written: str, kinds: tuple[int, int], others: Iterable[VKey]) -> VKey:
        key = open_vkey(written)
        if key.kind not in kinds or any(key.public == other.public for other in others):
            raise Refused("schema", f"a key given twice, or of kind {key.kind}, not {kinds}")
        return key

    def _free(self, name: str) -> None:
        if name == "none" or name in self.witnesses or name in self.groups:
            raise Refused("schema", f"the name {name!r} is taken")

    def _defined(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise Refused("schema", f"{name!r} is not defined above")

    @staticmethod
    def _threshold(word: str, members: int) -> int:
        number = {"all": members, "any": 1}.get(word, 0)
        if DECIMAL.fullmatch(word):
            number = int(word)
        if not 1 <= number <= members:
            raise Refused("schema", f"no threshold for {members} members: {word[:20]!r}")
        return number

    def satisfied(self, witnesses: Iterable[str]) -> bool:
        """Whether these witnesses, by their names in the policy, make the quorum."""
        counted = {name for name in witnesses if name in self.witnesses}
        for name, (threshold, members) in self.groups.items():  # each names only those above it
            if sum(member in counted for member in members) >= threshold:
                counted.add(name)
        return self.quorum == "none" or self.quorum in counted

    def judge(self, note: Note) -> list[tuple[str, int]]:
        """(name, time) of the witnesses that cosigned; refused if no log of the policy signed."""
        logs = [key for key in self.logs if key.name == note.origin]
        signed = signed_lines(note, [*logs, *self.witnesses.values()])
        if not any(one.key in logs and one.counts for one in signed):
            raise Refused("checkpoint", f"{note.origin} is no log of the policy, or did not sign")
        names = {key: name for name, key in self.witnesses.items()}
        return [(names[one.key], one.time) for one in signed if one.key in names and one.counts]

    def quorum_time(self, witnesses: Sequence[tuple[str, int]]) -> int | None:
        """The earliest time by which the quorum was there; None if it needs no witness."""
        if self.satisfied(()):
            return None
        counted: list[str] = []
        for name, time in sorted(witnesses, key=lambda pair: pair[1]):
            counted.append(name)
            if self.satisfied(counted):
                return time
        return None


# --- 6 tree -------------------------------------------------------------------------------------
# RFC 6962 and RFC 9162 with SHA-256; no size 0, no hash that is not 32 bytes.


def node(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right). RFC 9162 §2.1.1."""
    return sha256(b"\x01" + left + right)


def need_shape(sizes: Sequence[int], hashes: Sequence[bytes]) -> None:
    """Refuse sizes and hashes that no proof has."""
    if not all(1 <= size <= MAX_SIZE for size in sizes):
        raise Refused("inclusion", f"no tree of size {min(sizes)} can be proven")
    if len(hashes) > 70 or any(len(digest) != 32 for digest in hashes):
        raise Refused("inclusion", "a path is at most 64 hashes of 32 bytes")


def climb(place: int, last: int, start: tuple[bytes, bytes], path: Sequence[bytes]) -> Any:
    """Walk a path up from the node `place` of a level whose last node is `last`.

    Returns:
        Two roots: of the tree that ends with this node, and of the whole tree.

    Spec: RFC 9162 §2.1.3.2 and §2.1.4.2, which climb alike.
    """
    old, new = start
    for sibling in path:
        if last == 0:
            raise Refused("inclusion", f"the path is too long: {len(path)} hashes")
        if place & 1 or place == last:
            old, new = node(sibling, old), node(sibling, new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new = node(new, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise Refused("inclusion", f"the path is too short: {len(path)} hashes")
    return old, new


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Refuse unless the leaf hash stands at `index` of the tree. RFC 9162 §2.1.3.2."""
    need_shape([size], [leaf, root, *path])
    if len(path) > 64 or not 0 <= index < size:
        raise Refused("inclusion", f"no leaf {index} in a tree of {size}")
    if climb(index, size - 1, (leaf, leaf), path)[1] != root:
        raise Refused("inclusion", f"the path of leaf {index} does not lead to the root")


def check_consistency(
    m: int, n: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Refuse unless the tree of n leaves only appends to that of m. RFC 9162 §2.1.4.2."""
    need_shape([m, n], path)
    if m > n or len(path) > 64:
        raise Refused("inclusion", f"size {m} is after size {n}, or the path is too long")
    if m == n:
        if path or old_root != new_root:
            raise Refused("inclusion", f"sizes are equal ({m}), and roots or the path are not")
        return
    need_shape([m, n], [old_root, new_root])
    # RFC 6962 leaves out the first subtree's hash where it is the whole old tree.
    hashes = [old_root, *path] if m & (m - 1) == 0 else list(path)
    if consistency_roots(m, n, hashes) != (old_root, new_root):
        raise Refused("inclusion", f"the path from {m} to {n} does not lead to both roots")


def consistency_roots(m: int, n: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots that a path from m to n gives; its first hash is that of the first subtree."""
    if not hashes:
        raise Refused("inclusion", f"no path from {m} to {n}")
    place, last = m - 1, n - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    roots: tuple[bytes, bytes] = climb(place, last, (hashes[0], hashes[0]), hashes[1:])
    return roots


# --- 7 the ZIP frame ----------------------------------------------------------------------------
# One exact form: stored, names sorted, ASCII, 1980-01-01, no extras, comments, descriptors or gaps.
# Nothing is unpacked: members are pieces of the file. Spec: record.md, "Dossier"; APPNOTE 6.3.

STAMP = struct.pack("<HHHHH", 20, 0, 0, 0, 0x21)
"""Version 2.0, no flags, stored, 00:00:00, 1980-01-01."""


def list_members(data: bytes) -> dict[str, bytes]:
    """The members that the central directory lists; Unusable if there is no such list."""
    if data[:4] != b"PK\x03\x04" or data[-22:-18] != b"PK\x05\x06":
        raise Unusable("no dossier: no ZIP begins and ends here")
    members: dict[str, bytes] = {}
    room = len(data)
    try:
        count, _, size, at = struct.unpack("<HHII", data[-14:-2])
        if count == 0xFFFF:
            if data[-98:-94] != b"PK\x06\x06":
                raise Unusable("no dossier: the ZIP's end is broken")
            count, _, size, at = struct.unpack("<QQQQ", data[-74:-42])
        end = at + size
        for _ in range(count):
            method, length, name_length, start = struct.unpack("<10xH12xIH12xI", data[at : at + 46])
            name = data[at + 46 : at + 46 + name_length].decode("ascii")
            start += 30 + name_length
            room -= length  # members that lie over each other would unfold to any size
            if method or name in members or start + length > len(data) or at >= end or room < 0:
                raise Unusable(f"no dossier: the ZIP is compressed, or lists {name!r} wrongly")
            members[name] = data[start : start + length]
            at += 46 + name_length
    except (struct.error, UnicodeDecodeError) as wrong:
        raise Unusable(f"no dossier: {wrong}") from None
    return members


def frame(members: Mapping[str, bytes]) -> Iterator[bytes]:
    """The pieces of the one ZIP that holds these members."""
    central, offset = [], 0
    for name in sorted(members):
        content, label = members[name], name.encode("ascii")
        header = STAMP + struct.pack(
            "<IIIHH", zlib.crc32(content), len(content), len(content), len(label), 0
        )
        yield b"PK\x03\x04" + header + label
        yield content
        place = struct.pack("<HHHII", 0, 0, 0, 0, offset)
        central.append(b"PK\x01\x02" + struct.pack("<H", 20) + header + place + label)
        offset += 30 + len(label) + len(content)
    listing, count = b"".join(central), len(central)
    yield listing
    if count >= 0xFFFF:
        end = (44, 45, 45, 0, 0, count, count, len(listing), offset)
        yield b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", *end)
        yield b"PK\x06\x07" + struct.pack("<IQI", 0, offset + len(listing), 1)
    few = min(count, 0xFFFF)
    yield b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, few, few, len(listing), offset, 0)


def check_frame(data: bytes, members: Mapping[str, bytes]) -> None:
    """Write the frame again and compare every byte."""
    at = 0
    for piece in frame(members):
        if data[at : at + len(piece)] != piece:
            raise Refused("framing", f"the frame differs from the one exact form after byte {at}")
        at += len(piece)
    if at != len(data):
        raise Refused("framing", f"{len(data) - at} bytes follow the end of the frame")


# --- 8 what a dossier holds ---------------------------------------------------------------------
# No byte is unverifiable: an unknown member, line or field is a problem. What cannot be read is
# left out and everything else goes on, so that all problems are found. Spec: record.md, "Dossier".

MAX_BYTES = 2**32 - 2
LISTED = 1_000
"""Missing numbers of a chain, and forks, that a verdict lists."""
MAX_STATEMENTS = 1_000_000
FIXED = ("INDEX.json", "README.txt", "directory.jsonl", "proofs.jsonl", "statements.jsonl")
OBJECT_MEMBER = re.compile(r"objects/([0-9a-f]{64})")
READMES = (
    "41cdf1b275abeb8327ae04c7fba886bb6d3775a8a465c9004d8e24a21b483f03",
    "89a279e22ca01d211fccaba060716592a2240c8ea014764dce6e070e36c394cd",
)
"""SHA-256 of every README.txt that a version of tocsin has written."""

PROOF_LINE = Shape(
    {"id": hex64, "index": whole(0), "log": text(), "path": many(text(), 0, 64)}, others=False
)
HISTORY_LINE = Shape({"checkpoint": text(), "path": many(text(), 0, 64)}, others=False)


class Report:
    """The problems of one file, each once, in the order in which they were found."""

    def __init__(self, prefix: str) -> None:
        self.problems: list[dict[str, str]] = []
        self._prefix = prefix
        self._said: set[tuple[str, str, str]] = set()

    def say(self, code: str, where: str, detail: str) -> None:
        """Note a problem, at a member and line such as `statements.jsonl:9`."""
        if (code, where, detail) not in self._said:
            self._said.add((code, where, detail))
            self.problems.append(problem(code, self._prefix + where, detail))


def problem(code: str, where: str, detail: str) -> dict[str, str]:
    """A problem as the verdict lists it."""
    return {"code": code, "where": where, "detail": detail, "remedy": REMEDY[code]}


@dataclass(frozen=True)
class Older:
    """An older checkpoint, with the path to the newest."""

    note: bytes
    size: int
    path: tuple[bytes, ...]
    where: str


class Dossier:
    """Everything a dossier holds, opened and not verified."""

    def __init__(self, data: bytes, report: Report) -> None:
        self.sha256 = sha256(data).hex()
        self._say = report.say
        self._members = members = list_members(data)
        try:
            check_frame(data, members)
        except Refused as wrong:
            report.say("framing", "file", wrong.detail)
        self.origins: list[str] = []
        self.notes: list[bytes] = []
        self.history: list[list[Older]] = []
        self._names()
        self.objects = self._objects()
        for number in range(self.log_count):
            self._log(number)
        self.proofs = self._proofs()
        self.directory = self._rows("directory.jsonl")
        self.statements = self._rows("statements.jsonl")
        shown = {row.id for row in (*self.directory, *self.statements)}
        self.withheld = [
            proof for found in self.proofs.values() for proof in found if proof.id not in shown
        ]
        named = {o["sha256"] for row in self.statements for o in row.s.get("objects", [])}
        for digest in sorted(self.objects.keys() - named):
            report.say("object", f"objects/{digest}", "no statement here names this object")
        self.case = self._case()
        self._index()

    def origin_of(self, row: Row) -> str:
        """Of the first log that holds the row; empty where no proof is given."""
        return self.origins[row.proofs[0].log] if row.proofs else ""

    def _names(self) -> None:
        logs = 0
        while f"logs/{logs}/checkpoint" in self._members:
            logs += 1
        self.log_count = logs
        wanted = {*FIXED, "logs/0/checkpoint"}
        for number in range(logs):
            wanted |= {f"logs/{number}/checkpoint", f"logs/{number}/history.jsonl"}
        for name in sorted(wanted - self._members.keys()):
            self._say("framing", name, "this member is missing")
        for name in sorted(self._members.keys() - wanted):
            if not OBJECT_MEMBER.fullmatch(name):
                self._say("framing", name, "no dossier has a member of this name")
        readme = self._members.get("README.txt")
        if readme is not None and sha256(readme).hex() not in READMES:
            self._say("framing", "README.txt", "the text is not the constant one")

    def _objects(self) -> dict[str, bytes]:
        objects = {}
        for name, content in self._members.items():
            found = OBJECT_MEMBER.fullmatch(name)
            if found and found[1] == sha256(content).hex():
                objects[found[1]] = content
            elif found:
                self._say("object", name, f"its bytes have the SHA-256 {sha256(content).hex()}")
        return objects

    def _lines(self, member: str) -> Iterator[tuple[str, bytes]]:
        """(place, line): each line ends in one newline."""
        content = self._members.get(member, b"")
        if content and not content.endswith(b"\n"):
            self._say("framing", member, "the last line has no end")
        count = content.count(b"\n")
        if count > MAX_STATEMENTS:
            self._say("limit", member, f"{count} lines, and {MAX_STATEMENTS} are taken")
            return
        for number, row in enumerate(content.split(b"\n")[:count], 1):
            yield f"{member}:{number}", row

    def _shaped(self, member: str, shape: Shape) -> Iterator[tuple[str, Any, tuple[bytes, ...]]]:
        """(place, object, its path) of each line that is as it must be."""
        for where, line in self._lines(member):
            try:
                value = open_json(line)
                shape.need(value, "line")
                path = tuple(unb64(one, "a path's hash") for one in value["path"])
                if any(len(digest) != 32 for digest in path):
                    raise Refused("schema", "a path holds hashes of 32 bytes")
            except Refused as wrong:
                self._say(wrong.code, where, wrong.detail)
                continue
            yield where, value, path

    def _log(self, number: int) -> None:
        where = f"logs/{number}/checkpoint"
        data = self._members[where]
        try:
            origin = open_note(data).origin
        except Refused as wrong:
            self._say("checkpoint", where, wrong.detail)
            origin = f"unreadable log {number}"
        if origin in self.origins:
            self._say("index", where, f"a second checkpoint of {origin}")
            origin = f"second {origin} {number}"
        self.origins.append(origin)
        self.notes.append(data)
        self.history.append([])
        last = 0
        for at, value, path in self._shaped(f"logs/{number}/history.jsonl", HISTORY_LINE):
            older = value["checkpoint"].encode()
            try:
                size = open_note(older).size
            except Refused as wrong:
                self._say("checkpoint", at, wrong.detail)
                continue
            if size <= last:
                self._say("index", at, f"size {size} does not come after {last}")
            last = size
            self.history[number].append(Older(older, size, path, at))

    def _proofs(self) -> dict[str, list[Proof]]:
        found: dict[str, list[Proof]] = {}
        numbers = {origin: number for number, origin in enumerate(self.origins)}
        last = (-1, -1)
        for where, value, path in self._shaped("proofs.jsonl", PROOF_LINE):
            log = numbers.get(value["log"])
            if log is None:
                self._say("index", where, f"the dossier has no log {value['log'][:200]!r}")
            elif (log, value["index"]) <= last:
                self._say("index", where, f"index {value['index']} is not in its order")
            else:
                last = (log, value["index"])
                listed = found.setdefault(value["id"], [])
                if any(other.log == log for other in listed):
                    self._say("index", where, f"{value['id']} stands twice in {value['log']}")
                else:
                    listed.append(Proof(value["id"], value["index"], log, path, where))
        used = {proof.log for listed in found.values() for proof in listed}
        for number in sorted(set(range(self.log_count)) - used):
            self._say("index", f"logs/{number}/checkpoint", "no proof leads to this checkpoint")
        return found

    def _rows(self, member: str) -> list[Row]:
        rows: list[Row] = []
        last = (-1, -1)
        for where, line in self._lines(member):
            try:
                row = open_row(line)
            except Refused as wrong:
                self._say(wrong.code, where, wrong.detail)
                continue
            if (row.s["kind"] in ROOT_KINDS) != (member == "directory.jsonl"):
                self._say("index", where, f"a {row.s['kind']} does not belong in {member}")
                continue
            proofs = tuple(self.proofs.get(row.id, ()))
            if proofs:
                place = (proofs[0].log, proofs[0].index)
                if place <= last:
                    self._say("index", where, f"{row.id} is not in the order of its log, or twice")
                    continue
                last = place
            else:
                self._say("inclusion", where, f"{row.id} has no proof in proofs.jsonl")
            rows.append(replace(row, where=where, proofs=proofs))
        return rows

    def _case(self) -> str | None:
        rows = self.statements
        case = rows[0].s.get("case") if rows else None
        for row in rows:
            if row.s.get("case") != case:
                self._say("index", row.where, f"a statement of another case than {case}")
        return case

    def _index(self) -> None:
        held = self._members.get("INDEX.json")
        wanted = json_bytes(
            {
                "v": 1,
                "case": self.case,
                "logs": self.origins,
                "members": {
                    name: sha256(content).hex()
                    for name, content in self._members.items()
                    if name != "INDEX.json"
                },
                "statements": len(self.statements),
            }
        )
        if held is not None and held != wanted:
            self._say("index", "INDEX.json", "it does not say what the members hold")


# --- 9 the checks -------------------------------------------------------------------------------
# Directory from the root on; every line of each note, the policy's quorum; every path; then each
# statement: signature, key at its index, marking, objects; withdrawals. Spec: record.md, "Dossier".


def instant(time: int) -> str:
    """Seconds since 1970 as a verdict writes a time."""
    try:
        when = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=time)
    except OverflowError:
        return f"{time} s after 1970"
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class PointInTime:
    """A checkpoint that verified, and when a quorum had cosigned it."""

    head: Note
    quorum: bool
    time: int | None


class Log:
    """One log of one file."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.ring: Ring | None = None
        self.newest: PointInTime | None = None
        self.older: list[PointInTime] = []
        self.lines: list[Signed] = []
        self.witnesses: list[tuple[str, int]] = []
        self.times: dict[tuple[int, str], int] = {}
        """(size, root) of a checkpoint → when a quorum had cosigned it."""
        self.sizes: list[int] = []
        """Of the checkpoints with a time, smallest first."""
        self.earliest: list[int] = []
        """The earliest time of each of these and of every larger one."""

    def points(self) -> list[PointInTime]:
        """All checkpoints that verified."""
        return [*self.older, *([self.newest] if self.newest else [])]

    def settle(self) -> None:
        """All checkpoints are in: put their times in order."""
        for point in sorted(self.points(), key=lambda p: -p.head.size):
            if point.time is not None:
                self.sizes.append(point.head.size)
                self.earliest.append(min([point.time, *self.earliest[-1:]]))
                self.times[point.head.size, b64(point.head.root)] = point.time
        self.sizes.reverse()
        self.earliest.reverse()

    def not_after(self, index: int) -> str | None:
        """The earliest time by which a quorum had cosigned this index."""
        at = bisect.bisect_right(self.sizes, index)
        return instant(self.earliest[at]) if at < len(self.sizes) else None

    def json(self) -> dict[str, Any]:
        """What the verdict shows of it."""
        head = self.newest.head if self.newest else None
        return {
            "origin": self.origin,
            "size": head.size if head else 0,
            "root": b64(head.root) if head else "",
            "signatures": [
                KIND_NAMES[one.key.kind] for one in self.lines if one.key.name == self.origin
            ],
            "quorum": self.newest is not None and self.newest.quorum,
            "witnesses": [{"name": name, "time": instant(time)} for name, time in self.witnesses],
        }


class File:
    """One dossier with everything that was found in it."""

    def __init__(self, data: bytes, policy: Policy, root: bytes | str | None, prefix: str) -> None:
        """`root`: the reader's root file; "none": none is asked for; None: none was given."""
        self.report = Report(prefix)
        self.policy = policy
        self.dossier = Dossier(data, self.report)
        self.logs = [Log(origin) for origin in self.dossier.origins]
        self.version: int | None = None
        self.directory_ok = True
        self.verdicts: dict[str, dict[str, Any]] = {}
        self.good: list[Row] = []
        """Rows whose signatures hold."""
        if root is None:
            self.report.say("unanchored", "directory.jsonl", "no root file was given")
        for number, log in enumerate(self.logs):
            self._directory(number, log, root)
        for number, log in enumerate(self.logs):
            self._checkpoints(number, log)
        self._paths()
        self._statements()
        self._withdrawals()

    def problem_of(self, id: str, wrong: Refused, where: str, code: str = "") -> None:
        """A problem of one statement."""
        code = code or wrong.code
        self.report.say(code, where, wrong.detail)
        if code not in self.verdicts[id]["problems"]:
            self.verdicts[id]["problems"].append(code)

    # the directory

    def _bad_directory(self, where: str, detail: str) -> None:
        self.directory_ok = False
        self.report.say("directory", where, detail)

    def _directory(self, number: int, log: Log, root: bytes | str | None) -> None:
        """Follow the directory from the root on, and gather the keys, in this log's order."""
        placed = sorted(
            (
                (proof.index, row)
                for row in self.dossier.directory
                for proof in row.proofs
                if proof.log == number
            ),
            key=lambda pair: pair[0],
        )
        first = next((pair for pair in placed if pair[1].s["body"].get("version") == 1), None)
        if first is None:
            self._bad_directory("directory.jsonl", f"version 1 of {log.origin} is missing")
            return
        if root != "none" and root is not None and first[1].raw != root:
            self._bad_directory(first[1].where, "version 1 is not your root file")
        try:
            ring = Ring(first[1], first[0])
        except Refused as wrong:
            self._bad_directory(first[1].where, wrong.detail)
            return
        for pair in placed:
            if pair is first:
                continue
            index, row = pair
            try:
                all_hold(ring.signers(row, index), row)
                ring.admit(row, index)
            except Refused as wrong:
                if row.s["kind"] == "directory":
                    self._bad_directory(row.where, wrong.detail)
        log.ring = ring
        self.version = max(self.version or 0, ring.at(None).number)

    # checkpoints

    def _checkpoints(self, number: int, log: Log) -> None:
        where = f"logs/{number}/checkpoint"
        found = self._point(log, self.dossier.notes[number], where)
        if found is None:
            return
        log.newest, log.lines, log.witnesses = found
        if not log.newest.quorum:
            count = len(log.witnesses)
            self.report.say("quorum", where, f"{count} of the policy's witnesses are too few")
        for older in self.dossier.history[number]:
            point = self._point(log, older.note, older.where)
            if point is None:
                continue
            old, new = point[0].head, log.newest.head
            try:
                if old.size >= new.size:
                    raise Refused("checkpoint", f"size {old.size} is not before {new.size}")
                check_consistency(old.size, new.size, old.root, new.root, older.path)
            except Refused as wrong:
                self.report.say("checkpoint", older.where, wrong.detail)
                continue
            log.older.append(point[0])
        log.settle()

    def _point(
        self, log: Log, data: bytes, where: str
    ) -> tuple[PointInTime, list[Signed], list[tuple[str, int]]] | None:
        """Check every line of a note; None where no line of the log itself holds."""
        known = self._keys_of(log)
        try:
            note = open_note(data)
            if note.origin != log.origin:
                raise Refused("checkpoint", f"a checkpoint of {note.origin} among {log.origin}'s")
            seen = set()
            for line in note.lines:
                if line.id not in known:
                    who = f"{line.id[0]}, key id {line.id[1].hex()}"
                    self.report.say("checkpoint", where, f"a line by {who}, that nobody can check")
                if line.id in seen:
                    self.report.say("checkpoint", where, f"a second line by {line.id[0]}")
                seen.add(line.id)
            lines = signed_lines(note, known.values())
            own = [one for one in lines if one.key.name == log.origin]
            if not any(one.counts for one in own):
                how = " with a key checked here" if own else ""
                raise Refused("checkpoint", f"{log.origin} did not sign it{how}")
        except Refused as wrong:
            self.report.say("checkpoint", where, wrong.detail)
            return None
        try:
            witnesses = self.policy.judge(note)
        except Refused as wrong:
            self.report.say("checkpoint", where, wrong.detail)
            return PointInTime(note, False, None), lines, []
        quorum = self.policy.satisfied(name for name, _ in witnesses)
        time = self.policy.quorum_time(witnesses) if quorum else None
        return PointInTime(note, quorum, time), lines, witnesses

    def _keys_of(self, log: Log) -> dict[tuple[str, bytes], VKey]:
        """Every key whose line may stand on a checkpoint of the log."""
        keys: list[VKey] = []
        keys += known_vkeys(log.ring.at(None).vkeys(log.origin) if log.ring else [])
        keys += [key for key in self.policy.logs if key.name == log.origin]
        keys += self.policy.witnesses.values()
        return {key.id: key for key in keys}

    # paths

    def _paths(self) -> None:
        d = self.dossier
        placed: set[str] = set()
        shown: list[tuple[str, Row | None, Sequence[Proof]]] = [
            (row.id, row, row.proofs) for row in (*d.directory, *d.statements)
        ]
        for id, row, proofs in [*shown, *((proof.id, None, [proof]) for proof in d.withheld)]:
            verdict = self.verdicts.setdefault(id, self._blank(id, row, proofs))
            if not proofs:
                verdict["problems"].append("inclusion")
            for number, proof in enumerate(proofs):
                log, included = self.logs[proof.log], True
                try:
                    if log.newest is None:
                        raise Refused("inclusion", f"{log.origin} shows no checkpoint that holds")
                    head = log.newest.head
                    check_inclusion(leaf_of(id), proof.index, head.size, proof.path, head.root)
                except Refused as wrong:
                    included = False
                    self.problem_of(id, wrong, proof.where)
                if number == 0 and id not in placed:
                    placed.add(id)  # a withheld id of two logs comes once for each
                    verdict["included"] = included
                    verdict["quorum"] = log.newest is not None and log.newest.quorum
                    verdict["not_after"] = log.not_after(proof.index) if included else None

    def _blank(self, id: str, row: Row | None, proofs: Sequence[Proof]) -> dict[str, Any]:
        """What a verdict says of a statement before anything is known; of a withheld one: None."""
        s = row.s if row else {}
        objects = [o["sha256"] in self.dossier.objects for o in s.get("objects", [])]
        return {
            "id": id,
            "kind": s.get("kind"),
            "author": s.get("author"),
            "seq": s.get("seq"),
            "log": self.dossier.origins[proofs[0].log] if proofs else "",
            "index": proofs[0].index if proofs else None,
            "signature": False if row else None,
            "key": "unknown" if row else None,
            "included": False,
            "quorum": False,
            "not_before": None,
            "not_after": None,
            "withdrawn_by": [],
            "objects": {"held": objects.count(True), "withheld": objects.count(False)},
            "problems": [],
        }

    # statements

    def _statements(self) -> None:
        markings = Markings(self.dossier)
        for row in (*self.dossier.directory, *self.dossier.statements):
            verdict = self.verdicts[row.id]
            ring = self.logs[row.proofs[0].log if row.proofs else 0].ring if self.logs else None
            verdict["not_before"] = self._not_before(row)
            if ring is None:
                self.problem_of(
                    row.id, Refused("key", "without a directory no key is known"), row.where
                )
                continue
            if self._signed(row, ring, verdict):
                verdict["signature"] = True
                self.good.append(row)
            try:
                markings.check(row)
            except Refused as wrong:
                self.problem_of(row.id, wrong, row.where)

    def _signed(self, row: Row, ring: Ring, verdict: dict[str, Any]) -> bool:
        """Whether every signature holds; the key's state goes into the verdict."""
        index, root_kind = verdict["index"], row.s["kind"] in ROOT_KINDS
        if not root_kind:
            verdict["key"] = ring.state(row.s, index, verdict["not_after"])
        try:
            pairs = ring.signers(row, index)
            if root_kind:
                verdict["key"] = "valid"
        except Refused as wrong:
            if row.s["kind"] == "directory":  # following the directory has said it
                verdict["problems"].append("directory")
                return False
            self.problem_of(row.id, wrong, row.where)
            key = ring.keys.get((row.s["author"], row.s["key"]))
            if root_kind or key is None:
                return False
            # The key may not sign this any more; whether it did is still worth knowing.
            pairs = [(key.public, row.signatures[0][1])]
        try:
            all_hold(pairs, row)
        except Refused as wrong:
            self.problem_of(row.id, wrong, row.where)
            return False
        return True

    def _not_before(self, row: Row) -> str | None:
        """Cosigned time of the newest checkpoint that the author had seen."""
        times = [
            log.times[seen["size"], seen["root"]]
            for seen in row.s.get("seen", [])
            for log in self.logs
            if log.origin == seen["origin"] and (seen["size"], seen["root"]) in log.times
        ]
        return instant(max(times)) if times else None

    def _withdrawals(self) -> None:
        """Who took back all of what. Only the author may; another's attempt does nothing."""
        by_id = {row.id: row for row in self.good}
        for row in self.good:
            refs = row.s["refs"] if row.s["kind"] == "withdraw" else []
            part = objects_of(row)
            for ref in refs:
                target = by_id.get(ref)
                if target is None or target.s["author"] != row.s["author"]:
                    continue
                if not part or objects_of(target) <= part:
                    self.verdicts[ref]["withdrawn_by"].append(row.id)


def objects_of(row: Row) -> set[tuple[str, str]]:
    """(id, SHA-256) of the objects a statement names."""
    return {(o["id"], o["sha256"]) for o in row.s.get("objects", [])}


class Markings:
    """TLP may not fall, but where the originator says the same objects again, wider."""

    def __init__(self, dossier: Dossier) -> None:
        self.rows = {row.id: row for row in dossier.statements}
        self.origin_of = dossier.origin_of
        self.said: dict[tuple[str, str], list[Row]] = {}
        for row in dossier.statements:
            if row.s["kind"] == "say":
                for o in row.s.get("objects", []):
                    self.said.setdefault((row.s["author"], o["sha256"]), []).append(row)

    def check(self, row: Row) -> None:
        """Refuse a statement that is marked looser than what it refers to."""
        s = row.s
        for ref in s.get("refs", []):
            above = self.rows.get(ref)
            if above is None or rank(row) >= self.asked(above, row):
                continue
            if s["kind"] == "say" and "objects" in s and above.s["author"] == s["author"]:
                continue
            raise Refused("marking", f"TLP:{s['tlp']} is looser than what it refers to, {ref}")

    def asked(self, target: Row, reader: Row) -> int:
        """The rank that a reference to `target` must keep, as it stood before `reader`."""
        best = rank(target)
        objects = {sha for _, sha in objects_of(target)}
        if not objects or target.s["kind"] != "say":
            return best
        for row in self.said[target.s["author"], min(objects)]:
            before = self.origin_of(row) == self.origin_of(reader) and row.index < reader.index
            if before and objects <= {sha for _, sha in objects_of(row)}:
                best = min(best, rank(row))
        return best


def rank(row: Row) -> int:
    """How strict a marking is; 0 is CLEAR."""
    return TLP.index(row.s["tlp"])


# --- 10 chains and forks ------------------------------------------------------------------------
# Each author numbers what it says: 1, 2, … in each case, in its open chain, and for its directory,
# key and revoke statements. What is neither shown nor withheld is a gap. Over all files together.


class Free:
    """Withheld ids that explain no gap yet."""

    def __init__(self, places: Mapping[str, Mapping[str, int]], hidden: Iterable[str]) -> None:
        self.places = places
        """Id → log → its index there, of everything that is proven."""
        self.ids = set(hidden)
        self.by_log: dict[str, list[tuple[int, str]]] = {}
        for id in self.ids:
            for log, place in places[id].items():
                self.by_log.setdefault(log, []).append((place, id))
        for listed in self.by_log.values():
            listed.sort()

    def take(self, author: str, id: str) -> tuple[str, int] | None:
        """The place of this author's statement, plain or sealed, which is no longer free."""
        for entry in (id, sealed_id(author, id)):
            if entry in self.ids:
                self.ids.remove(entry)
                return next(iter(self.places[entry].items()))
        return None

    def between(self, log: str, start: int, end: int, count: int) -> int:
        """Take those in one log between two places, the lowest first; how many there were."""
        rows = self.by_log.get(log, [])
        low, high = bisect.bisect(rows, (start, "~")), bisect.bisect(rows, (end, ""))
        left = [row for row in rows[low:high] if row[1] in self.ids]
        self.ids.difference_update(id for _, id in left[:count])
        rows[low:high] = left[count:]
        return min(count, len(left))


class Gap:
    """Numbers of a chain that nothing held fills."""

    def __init__(self, seqs: range, linked: tuple[str, int] | None, start: int) -> None:
        self.missing = seqs[:-1] if linked else seqs
        self.withheld = [seqs[-1]] if linked else []
        """`linked`: the last of them is a withheld id, which the `prev` after it names."""
        self.log, self.end = linked or ("", 0)
        self.start = start
        """Index of the statement before in that log; -1 where it is not in it."""

    def fill(self, free: Free) -> None:
        """Take withheld ids that lie between in that log: one for each number."""
        if self.withheld and self.missing:
            taken = free.between(self.log, self.start, self.end, len(self.missing))
            kept = len(self.missing) - taken
            self.withheld += self.missing[kept:]
            self.missing = self.missing[:kept]


class Chain:
    """One author's statements in one case, in its open chain, or its key chain."""

    def __init__(self, author: str, name: str, seqs: dict[int, dict[str, Row]]) -> None:
        self.author, self.name, self.seqs = author, name, seqs
        self.gaps: list[Gap] = []

    def find_gaps(self, free: Free) -> list[Gap]:
        """Where statements are not shown. Withheld ids that a `prev` names are taken from `free`.

        Key statements are CLEAR: nobody has a reason to withhold one, and a revocation that passed
        as withheld would be a revocation hidden. Their gaps stay gaps.
        """
        expected, before = 1, ""
        for seq in sorted(self.seqs):
            row = next(iter(self.seqs[seq].values()))
            if seq > expected:
                linked = None if self.name == KEY_CHAIN else free.take(self.author, row.s["prev"])
                start = free.places.get(before, {}).get(linked[0], -1) if linked else -1
                self.gaps.append(Gap(range(expected, seq), linked, start))
            expected, before = seq + 1, row.id
        return self.gaps

    def problems(self) -> Iterator[dict[str, str]]:
        """Gaps, and places that two statements claim."""
        where = f"chain of {self.author}" + (f" in {self.name}" if self.name else "")
        if self.name == KEY_CHAIN:
            where = f"key chain of {self.author}"
        for gap in self.gaps:
            if gap.missing:
                numbers = ", ".join(str(seq) for seq in gap.missing[:20])
                more = f" … {gap.missing[-1]}" if len(gap.missing) > 20 else ""
                detail = f"neither shown nor withheld: number {numbers}{more}"
                yield problem("chain-gap", where, detail)
        for seq, rows in sorted(self.seqs.items()):
            if two_said(rows):
                detail = f"{len(rows)} statements with number {seq}: {', '.join(sorted(rows))}"
                yield problem("chain-fork", where, detail)
            before = self.seqs.get(seq - 1)
            for row in rows.values():
                if before is not None and row.s["prev"] not in before:
                    detail = f"number {seq} follows {row.s['prev']}, which is not number {seq - 1}"
                    yield problem("chain-fork", where, detail)

    def json(self) -> dict[str, Any]:
        """What the verdict shows of it. Ask the author for its head: a cut tail is silent."""
        missing = itertools.chain.from_iterable(gap.missing for gap in self.gaps)
        last = max(self.seqs)
        return {
            "author": self.author,
            "keys": self.name == KEY_CHAIN,
            "first": min(self.seqs),
            "last": last,
            "head": min(self.seqs[last]),
            "withheld": sorted(seq for gap in self.gaps for seq in gap.withheld),
            "missing": list(itertools.islice(missing, LISTED)),
            "equivocates": any(map(two_said, self.seqs.values())),
        }


def two_said(rows: Mapping[str, Row]) -> bool:
    """Whether these prove that their author signed two statements for one place.

    Of the kinds with several signatures anybody can drop one, and so make another id over the same
    payload: that proves nothing against the author.
    """
    first, *others = rows.values()
    return any(
        first.s["kind"] not in ROOT_KINDS or first.signed != other.signed for other in others
    )


def chains_of(files: Sequence[File]) -> list[Chain]:
    """All chains over all files, with their gaps filled by what is proven to be withheld."""
    held: dict[tuple[str, str], dict[int, dict[str, Row]]] = {}
    shown = {row.id for one in files for row in one.dossier.statements}
    for one in files:
        for row in one.good:
            held.setdefault(row.chain, {}).setdefault(row.s["seq"], {})[row.id] = row
    named = {proof.id for one in files for proof in one.dossier.withheld}
    # What one file withholds, sealed, another may show.
    rows = [row for one in files for row in one.dossier.statements if named]
    sealed = {sealed_id(row.s["author"], row.id): row.id for row in rows}
    places: dict[str, dict[str, int]] = {}
    for one in files:
        rows = [*one.dossier.directory, *one.dossier.statements]
        proofs = [proof for row in rows for proof in row.proofs] + one.dossier.withheld
        for proof in proofs:
            if one.verdicts[proof.id]["included"]:
                log, id = one.logs[proof.log].origin, sealed.get(proof.id, proof.id)
                places.setdefault(id, {}).setdefault(log, proof.index)
    named -= sealed.keys()
    free = Free(places, (id for id in named - shown if id in places))
    chains = [Chain(author, name, seqs) for (author, name), seqs in sorted(held.items())]
    gaps = [gap for chain in chains for gap in chain.find_gaps(free)]
    # The tightest gap first, so that as many as can be are explained.
    for gap in sorted(gaps, key=lambda gap: (gap.log, gap.end)):
        gap.fill(free)
    return chains


class Forks:
    """Logs that show two histories. Proven ones are problems; what somebody only says is not."""

    def __init__(self, files: Sequence[File], policy: Policy) -> None:
        self.found: list[dict[str, Any]] = []
        self.problems: list[dict[str, str]] = []
        self._told: set[tuple[str, str]] = set()
        if len(files) > 1 or len(files[0].logs) > 1:
            self._entries(files)
            views: dict[str, list[tuple[File, Log]]] = {}
            logs = [(file, log) for file in files for log in file.logs if log.newest]
            for file, log in logs:
                views.setdefault(log.origin, []).append((file, log))
            for _, log in logs:
                for file, other in views[log.origin]:
                    if other is not log:
                        self._heads(log, file, other)
        keys = log_keys(files, policy)
        rows = [(file, row) for file in files for row in file.good]
        for file, row in rows:
            self._said(file, row, keys)
        points = [point.head for file in files for log in file.logs for point in log.points()]
        roots = {(head.origin, head.size): b64(head.root) for head in points}
        for _, row in rows:
            self._seen(row, roots)

    def _proven(self, origin: str, detail: str, facts: dict[str, Any]) -> None:
        """The log's own signatures show it."""
        if (origin, detail) in self._told or len(self._told) >= LISTED:
            return
        self._told.add((origin, detail))
        self.found.append({"origin": origin, "explained": True, "detail": detail, **facts})
        self.problems.append(problem("log-fork", origin, detail))

    def _listed(self, origin: str, detail: str, explained: bool, facts: dict[str, Any]) -> None:
        """Worth knowing, and nothing against this file."""
        if len(self.found) < LISTED:
            self.found.append({"origin": origin, "explained": explained, "detail": detail, **facts})

    def _entries(self, files: Sequence[File]) -> None:
        """Two entries at one place of one log, both proven."""
        entries: dict[tuple[str, int], str] = {}
        for verdict in (one for file in files for one in file.verdicts.values()):
            if not verdict["included"] or verdict["index"] is None:
                continue
            log, index, id = verdict["log"], verdict["index"], verdict["id"]
            held = entries.setdefault((log, index), id)
            if held != id:
                both = {"index": index, "entries": sorted((held, id))}
                self._proven(log, f"two entries at index {index}", both)

    def _heads(self, one: Log, file: File, two: Log) -> None:
        """Checkpoints of one log as one file shows it, against what another shows of its tree."""
        newest = two.newest.head if two.newest else None
        same_size = {point.head.size: point.head for point in two.points()}
        tree: Tree | None = None
        for head in (point.head for point in one.points()):
            other = same_size.get(head.size)
            if other is not None and other.root == head.root:
                continue
            if other is not None:
                notes = sorted((head, other), key=lambda note: note.data)
                facts = {"size": head.size, "roots": sorted((b64(head.root), b64(other.root)))}
                self._prove(f"two roots at size {head.size}", notes, [], facts)
                return
            if newest is None or head.size > newest.size:
                return
            tree = tree or Tree(file, two, newest.size)
            path = tree.path(head.size)
            if path and consistency_roots(head.size, newest.size, path)[0] != head.root:
                detail = f"size {head.size} is not the beginning of size {newest.size}"
                roots = [b64(head.root), b64(newest.root)]
                facts = {"sizes": [head.size, newest.size], "roots": roots}
                self._prove(detail, [head, newest], path, facts)
                return

    def _prove(
        self, detail: str, notes: list[Note], path: Sequence[bytes], facts: dict[str, Any]
    ) -> None:
        proof = {
            "a": notes[0].data.decode(),
            "b": notes[1].data.decode(),
            "kind": "fork-proof",
            "origin": notes[0].origin,
            "proof": [b64(step) for step in path],
            "v": 1,
        }
        try:
            ForkProof(json_bytes(proof))
            facts["proof"] = proof
        except Refused:  # shown all the same: both signatures hold
            pass
        self._proven(notes[0].origin, detail, facts)

    def _said(self, file: File, row: Row, keys: Sequence[VKey]) -> None:
        """A fork proof that somebody has said in the case."""
        for o in row.s.get("objects", []):
            data = file.dossier.objects.get(o["sha256"])
            if o["type"] != FORK_TYPE or data is None:
                continue
            author = row.s["author"]
            try:
                fork = ForkProof(data)
                fork.check_signatures(keys)
            except Refused as wrong:
                detail = f"what {author} calls a fork proof does not hold: {wrong.detail}"
                self._listed("", detail, False, {"statement": row.id})
                continue
            facts = {**fork.facts(), "statement": row.id, "proof": fork.value}
            sizes = " and ".join(map(str, facts["sizes"]))
            detail = f"a fork proof said by {author}: sizes {sizes}"
            if any(log.origin == fork.origin for log in file.logs):
                self._proven(fork.origin, detail, facts)
            else:
                self._listed(fork.origin, detail, True, facts)

    def _seen(self, row: Row, roots: Mapping[tuple[str, int], str]) -> None:
        """One party's word against a signed note: shown, and nobody is framed by it."""
        for seen in row.s.get("seen", []):
            known = roots.get((seen["origin"], seen["size"]))
            if known is not None and known != seen["root"]:
                self._listed(
                    seen["origin"],
                    f"{row.s['author']} has seen another root at size {seen['size']}, without the "
                    "log's signature",
                    False,
                    {
                        "statement": row.id,
                        "size": seen["size"],
                        "roots": sorted((seen["root"], known)),
                    },
                )


class Tree:
    """What the paths of one file say of one log's tree: the hashes of its perfect subtrees."""

    def __init__(self, file: File, log: Log, size: int) -> None:
        self.size = size
        self.hashes: dict[tuple[int, int], bytes] = {}
        """(level, place) → the hash over the leaves [place·2^level, (place + 1)·2^level)."""
        number, d = file.logs.index(log), file.dossier
        shown = (proof for row in (*d.directory, *d.statements) for proof in row.proofs)
        for proof in (*shown, *d.withheld):
            if proof.log == number and file.verdicts[proof.id]["included"]:
                self._take(proof)

    def _take(self, proof: Proof) -> None:
        """Note the hashes along and beside a path that has been verified."""
        level, place, last, held = 0, proof.index, self.size - 1, leaf_of(proof.id)
        self._note(level, place, held)
        for sibling in proof.path:
            while place and not place & 1 and place == last:
                level, place, last = level + 1, place >> 1, last >> 1
            self._note(level, place ^ 1, sibling)
            held = node(sibling, held) if place & 1 else node(held, sibling)
            level, place, last = level + 1, place >> 1, last >> 1
            self._note(level, place, held)

    def _note(self, level: int, place: int, digest: bytes) -> None:
        if (place + 1) << level <= self.size:  # a node on the right edge is no perfect subtree
            self.hashes.setdefault((level, place), digest)

    def path(self, old: int) -> list[bytes]:
        """The path from `old`, with the first subtree's hash; empty if it is not all in hand."""
        try:
            return self._path(old, 0, self.size) if old else []
        except KeyError:
            return []

    def _path(self, old: int, start: int, end: int) -> list[bytes]:
        """RFC 9162 §2.1.4.1 within [start, end)."""
        if old == end:
            return [self._hash(start, end)]
        split = start + (1 << (end - start - 1).bit_length() - 1)
        if old <= split:
            return [*self._path(old, start, split), self._hash(split, end)]
        return [*self._path(old, split, end), self._hash(start, split)]

    def _hash(self, start: int, end: int) -> bytes:
        """The hash over these leaves, from the perfect subtrees they consist of."""
        level = (end - start).bit_length() - 1
        left = self.hashes[level, start >> level]
        middle = start + (1 << level)
        return left if middle == end else node(left, self._hash(middle, end))


def log_keys(files: Sequence[File], policy: Policy) -> list[VKey]:
    """The keys of all logs that a directory or the policy names."""
    written = {
        vkey
        for file in files
        for log in file.logs
        for party in (log.ring.at(None).body["parties"] if log.ring else [])
        for one in party.get("nodes", [])
        for vkey in (one.get("log_vkeys", []) if one.get("origin") else [])
    }
    return [*known_vkeys(sorted(written)), *policy.logs]


FORK_TYPE = "application/vnd.tocsin.fork-proof+json"


class ForkProof:
    """Two checkpoints, signed by one log, of which one history cannot hold both.

    `{"a":note,"b":note,"kind":"fork-proof","origin":…,"proof":[b64…],"v":1}`, sizes m <= n. m = n:
    the roots differ and `proof` is empty. m < n: the path from m to n, always with the first
    subtree's hash; it leads to b's root and, at m, to one that is not a's. Anybody can check it;
    nobody can frame a log. Spec: record.md, "Fork proof".
    """

    def __init__(self, data: bytes) -> None:
        if len(data) > 520 << 10:
            raise Refused("limit", f"a fork proof of {len(data)} bytes")
        self.value = value = open_json(data)
        FORK.need(value, "fork proof")
        if value["kind"] != "fork-proof":
            raise Refused("schema", "no fork proof")
        self.origin: str = value["origin"]
        path = [unb64(one, "a path's hash") for one in value["proof"]]
        self.a, self.b = a, b = open_note(value["a"].encode()), open_note(value["b"].encode())
        if not a.origin == b.origin == self.origin or not 1 <= a.size <= b.size:
            raise Refused("schema", "two notes of its one origin, the smaller first")
        found = b.root
        if a.size < b.size:
            need_shape([a.size, b.size], path)
            if len(path) > 64:
                raise Refused("inclusion", "the path is longer than any tree")
            found, new = consistency_roots(a.size, b.size, path)
            if new != b.root:
                raise Refused("inclusion", f"the path does not lead to the root at size {b.size}")
        elif path:
            raise Refused("inclusion", "sizes are equal, and yet there is a path")
        if found == a.root:
            raise Refused("log-fork", f"sizes {a.size} and {b.size} are one history: no fork")

    def check_signatures(self, keys: Iterable[VKey]) -> None:
        """Refuse it unless the log itself has signed both, with a key that is checked here."""
        mine = [key for key in keys if key.name == self.origin and key.kind != COSIGNATURE]
        for note in (self.a, self.b):
            if not any(line.counts for line in signed_lines(note, mine)):
                raise Refused("checkpoint", "signed with ML-DSA-44 only, which is not checked here")

    def facts(self) -> dict[str, Any]:
        """What the log said twice."""
        roots = [b64(self.a.root), b64(self.b.root)]
        return {"sizes": [self.a.size, self.b.size], "roots": roots}


FORK = Shape(
    {
        **dict.fromkeys(("a", "b", "kind", "origin"), text()),
        "proof": many(text()),
        "v": whole(1, 1),
    },
    others=False,
)


# A revocation may be entered at any node, and a dossier may leave out the end of a key chain. So
# what any file shows, and what the reader holds besides, is applied to all of them. Within one log
# places decide; across logs cosigned times, on the cautious side. Spec: record.md, "Directory and
# keys".


@dataclass(frozen=True)
class Placed:
    """Where something is logged, and the earliest time by which a quorum had cosigned that."""

    log: str = ""
    index: int = -1
    cosigned: str | None = None


@dataclass(frozen=True)
class Revocation:
    """One `revoke` statement with every place at which it is known to be logged."""

    id: str
    since: str | None
    held: bool
    """By the reader alone: no file shows it."""
    places: dict[str, Placed]

    def makes(self, logged: Mapping[str, Placed]) -> str:
        """How a signature logged at these places is shown by it: valid, suspect or revoked.

        A log that holds both decides by places; between other logs times are compared, and where
        some log holds both, a time that is missing elsewhere casts no doubt.
        """
        shared = bool(logged.keys() & self.places.keys())
        places = logged.values() or [Placed(index=MAX_INTEGER)]
        earliest = min(places, key=lambda place: place.cosigned or "~")
        suspect = False
        for end in self.places.values() or [Placed(log="-")]:
            at = logged.get(end.log, earliest)
            if end.log == at.log:
                if end.index < at.index:
                    return "revoked"
            elif shared and None in (at.cosigned, end.cosigned):
                continue
            elif end.cosigned is None:  # no witness has seen it: it ends nothing in another log
                suspect = True
            elif at.cosigned is None or at.cosigned >= end.cosigned:
                return "revoked"
            doubt = self.since is not None and (at.cosigned is None or at.cosigned >= self.since)
            suspect = suspect or doubt
        return "suspect" if suspect else "valid"


def places_of(file: File, row: Row) -> Iterator[Placed]:
    """Every place of a row."""
    for proof in row.proofs:
        log = file.logs[proof.log]
        yield Placed(log.origin, proof.index, log.not_after(proof.index))


def apply_revocations(files: Sequence[File], known: Sequence[Row]) -> None:
    """Judge every statement again by revocations that its own log does not show."""
    found: dict[tuple[str, str], dict[str, Revocation]] = {}

    def revocation(row: Row, held: bool) -> Revocation:
        body = row.s["body"]
        listed = found.setdefault((row.s["author"], body["keyid"]), {})
        new = Revocation(row.id, body.get("suspect_since"), held, {})
        return listed.setdefault(row.id, new)

    for file in files:
        for row in file.good:
            if row.s["kind"] == "revoke":
                places = revocation(row, held=False).places
                for place in places_of(file, row):
                    places.setdefault(place.log, place)
    for row in known_revocations(files, known):
        revocation(row, held=True)
    logged: dict[str, dict[str, Placed]] = {}
    for file in files if found else ():
        for row in file.good:
            for place in places_of(file, row):
                logged.setdefault(row.id, {}).setdefault(place.log, place)
    for file in files:
        for row in file.good:
            verdict = file.verdicts[row.id]
            if row.s["kind"] in ROOT_KINDS or verdict["key"] not in ("valid", "suspect"):
                continue
            at = logged.get(row.id, {})
            for each in found.get((row.s["author"], row.s["key"]), {}).values():
                state = each.makes(at)
                if state == "revoked" or (state == "suspect" and verdict["key"] == "valid"):
                    verdict["key"] = state
                    if state == "revoked" or each.held:
                        wrong = f"its key is {state} here by its revocation {each.id}"
                        file.problem_of(row.id, Refused("key", wrong), row.where)


def known_revocations(files: Sequence[File], known: Sequence[Row]) -> Iterator[Row]:
    """Those revocations which the reader holds, and which are rightly signed."""
    rings = [log.ring for file in files for log in file.logs if log.ring]
    if not rings:
        return
    ring = max(rings, key=lambda ring: ring.at(None).number).copy()
    # Newer directories first of all: they say whose root may revoke.
    versions = [row for row in known if row.s["kind"] == "directory"]
    for row in sorted(versions, key=lambda row: int(row.s["body"]["version"])):
        if rightly_signed(ring, row):
            ring.admit(row, MAX_INTEGER)
    for row in known:
        if row.s["kind"] != "revoke":
            continue
        if rightly_signed(ring, row):
            yield row
        elif any((row.s["author"], row.s["body"]["keyid"]) in ring.keys for ring in rings):
            files[0].report.say("key", row.where, f"{row.id} is not signed by enough root keys")


def rightly_signed(ring: Ring, row: Row) -> bool:
    """Whether enough of the right keys signed it, as the newest directory has it."""
    try:
        all_hold(ring.signers(row, None), row)
    except Refused:
        return False
    return True


def verdict_on(
    files: Sequence[bytes], policy: Policy, root: bytes | str | None, known: Sequence[Row] = ()
) -> dict[str, Any]:
    """Everything that was checked; `ok` is true if and only if there is no problem."""
    several = len(files) > 1
    checked = [
        File(data, policy, root, f"{number}:" if several else "")
        for number, data in enumerate(files, 1)
    ]
    apply_revocations(checked, known)
    problems = [one for file in checked for one in file.report.problems]
    statements: dict[str, dict[str, Any]] = {}
    for file in checked:
        for id, verdict in file.verdicts.items():  # the fullest of them
            if id not in statements or (statements[id]["kind"] is None and verdict["kind"]):
                statements[id] = verdict
    chains = chains_of(checked)
    problems += [one for chain in chains for one in chain.problems()]
    forks = Forks(checked, policy)
    problems += forks.problems
    cases = {file.dossier.case for file in checked}
    versions = [file.version for file in checked if file.version is not None]
    digests = [file.dossier.sha256 for file in checked]
    return {
        "v": 1,
        "ok": not problems,
        "case": cases.pop() if len(cases) == 1 else None,
        "file": digests[0],
        "policy": policy.sha256,
        "root": sha256(root).hex() if isinstance(root, bytes) else None,
        "directory": {
            "version": max(versions, default=None),
            "ok": all(file.directory_ok for file in checked),
        },
        "logs": [log.json() for file in checked for log in file.logs],
        "statements": sorted(statements.values(), key=place_of),
        "chains": [chain.json() for chain in chains],
        "forks": forks.found,
        "problems": problems,
        **({"files": digests} if several else {}),
    }


def place_of(verdict: Mapping[str, Any]) -> tuple[str, int]:
    """By (log, index); those without a proof first."""
    return verdict["log"], -1 if verdict["index"] is None else verdict["index"]


# --- 11 other inputs ----------------------------------------------------------------------------

SHEET_HEAD = b'<!doctype html>\n<!-- tocsin sheet 1 -->\n<html lang="en">\n'
SHEET_OPEN = b'<script type="text/plain" id="tocsin-dossier">'
SHEET_CLOSE = b"</script>\n"


def dossier_in(sheet: bytes) -> bytes:
    """The dossier that a sheet carries; the page around it is not looked at."""
    _, opened, rest = sheet.partition(SHEET_OPEN)
    written, closed, _ = rest.partition(SHEET_CLOSE)
    if not opened or not closed:
        raise Unusable("this is no sheet of this version of tocsin")
    try:
        return unb64(written.decode("ascii"), "the dossier inside")
    except (UnicodeDecodeError, Refused) as wrong:
        raise Unusable(f"the dossier inside this sheet is damaged: {wrong}") from None


def held_rows(data: bytes) -> list[Row]:
    """What the reader holds of the directory: directory, key and revoke envelopes, one a line."""
    rows = []
    for number, line in enumerate(filter(None, data.split(b"\n")), 1):
        where = f"the directory you hold:{number}"
        try:
            rows.append(replace(open_row(line), where=where))
        except Refused as wrong:
            raise Unusable(f"{where}: {wrong}") from None
        if rows[-1].s["kind"] not in ROOT_KINDS:
            raise Unusable(f"{where} is a {rows[-1].s['kind']}")
    return rows


PROOF_START = b"c2sp.org/tlog-proof@v1\n"


@dataclass(frozen=True)
class LogProof:
    """A `.tlog-proof`: where an entry is in a log, the path, the checkpoint it leads to."""

    index: int
    path: tuple[bytes, ...]
    note: Note
    extra: bytes
    """Signed by nobody; ours holds the statement's id in hex."""


def open_proof(data: bytes) -> LogProof:
    """Parse a `.tlog-proof`. Spec: C2SP tlog-proof, "Format"."""
    head, blank, checkpoint = data.partition(b"\n\n")
    if len(data) > 192 << 10 or not blank:
        raise Refused("schema", "a proof is a few lines, a blank one and a checkpoint")
    try:
        rows = head.decode("ascii").split("\n")[1:]
    except UnicodeDecodeError:
        raise Refused("schema", "a proof is ASCII") from None
    extra = b""
    if rows and rows[0].startswith("extra "):
        extra = unb64(rows.pop(0)[len("extra ") :], "extra")
    word, _, number = (rows.pop(0) if rows else "").partition(" ")
    if word != "index" or not DECIMAL.fullmatch(number):
        raise Refused("schema", "no index line")
    path = tuple(unb64(row, "a path's hash") for row in rows)
    if len(path) > 64 or any(len(digest) != 32 for digest in path):
        raise Refused("schema", "a path is at most 64 hashes of 32 bytes")
    return LogProof(int(number), path, open_note(checkpoint), extra)


def verdict_on_proof(data: bytes, envelope: bytes | None, policy: Policy) -> dict[str, Any]:
    """What a log proof proves of a statement: of its bytes, or of the id that the proof names.

    Whether its author's key counts is not asked: that takes a directory, and so a dossier. A
    statement stands in the log by its id, or by what its own author's sealing makes of that.
    """
    try:
        proof = open_proof(data)
    except Refused as wrong:
        raise Unusable(f"no log proof: {wrong}") from None
    named = proof.extra.decode("latin-1") if hex64(proof.extra.decode("latin-1")) else None
    if envelope is None and named is None:
        raise Unusable("the proof names no statement: give the envelope too")
    report, s = Report(""), {}
    id = named or ""
    forms, found = [id], None
    if envelope is not None:
        id = id_of(envelope)
        forms = [id]
        try:
            s = open_row(envelope).s
            if s["kind"] not in ROOT_KINDS:
                forms.append(sealed_id(s["author"], id))
        except Refused as wrong:
            report.say("schema", "envelope", wrong.detail)
        if named not in (None, *forms):
            report.say("index", "envelope", f"the proof is about {named}, and this is {id}")
    log = Log(proof.note.origin)
    try:
        log.newest = judged_point(policy, proof.note, log)
        if not log.newest.quorum:
            report.say("quorum", "checkpoint", f"{len(log.witnesses)} witnesses are too few")
        found = form_of(forms, proof)
    except Refused as wrong:
        code = wrong.code if log.newest else "checkpoint"
        report.say(code, "path" if log.newest else "checkpoint", wrong.detail)
    time = log.newest.time if log.newest else None
    return {
        "v": 1,
        "ok": not report.problems,
        "kind": "tlog-proof",
        "file": sha256(data).hex(),
        "policy": policy.sha256,
        "id": id,
        "sealed": None if found is None or envelope is None else found == 1,
        "proved": None if report.problems else "id" if envelope is None else "envelope",
        "index": proof.index,
        "not_after": None if time is None else instant(time),
        "log": log.json() if log.newest else None,
        "author": s.get("author"),
        "statement": s.get("kind"),
        "time": s.get("time"),
        "problems": report.problems,
    }


def form_of(forms: Sequence[str], proof: LogProof) -> int:
    """Which of these ids it is whose entry the path leads from; refuse if it is none."""
    faults = []
    for number, id in enumerate(forms):
        try:
            check_inclusion(leaf_of(id), proof.index, proof.note.size, proof.path, proof.note.root)
        except Refused as wrong:
            faults.append(wrong)
        else:
            return number
    raise faults[0]


def judged_point(policy: Policy, note: Note, log: Log) -> PointInTime:
    """The note as the policy has it; its lines and witnesses go into `log`."""
    known = [key for key in policy.logs if key.name == note.origin]
    log.lines = signed_lines(note, [*known, *policy.witnesses.values()])
    log.witnesses = policy.judge(note)
    quorum = policy.satisfied(name for name, _ in log.witnesses)
    return PointInTime(note, quorum, policy.quorum_time(log.witnesses) if quorum else None)


def is_fork_proof(data: bytes) -> bool:
    """Whether this claims to be one."""
    return data.startswith(b'{"a":"') and b'"kind":"fork-proof"' in data


def verdict_on_fork(data: bytes, policy: Policy) -> dict[str, Any]:
    """Whether a fork proof holds against a log of the reader's policy."""
    report, origin = Report(""), None
    facts: dict[str, Any] = {"sizes": [], "roots": []}
    try:
        fork = ForkProof(data)
        origin = fork.origin
        fork.check_signatures(policy.logs)
        facts = fork.facts()
    except Refused as wrong:
        report.say("log-fork", "fork proof", wrong.detail)
    return {
        "v": 1,
        "ok": not report.problems,
        "kind": "fork-proof",
        "file": sha256(data).hex(),
        "policy": policy.sha256,
        "origin": origin,
        **facts,
        "problems": report.problems,
    }


# --- 12 the command -----------------------------------------------------------------------------


def read(name: str) -> bytes:
    """The bytes of a file, or of standard input for `-`."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with open(name, "rb") as file:
                data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as wrong:
        raise Unusable(f"{name}: {wrong}") from None
    if len(data) > MAX_BYTES:
        raise Unusable(f"{name}: more than {MAX_BYTES} bytes")
    return data


def visible(said: Any) -> str:
    """Foreign text as a terminal shows it and never acts on it."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(said))


def show(verdict: Mapping[str, Any]) -> Iterator[str]:
    """The verdict for people, line by line."""
    mark = {True: "ok", False: "FAILS", None: "not checked"}
    yield f"case  {verdict['case'] or '(none)'}"
    for log in verdict["logs"]:
        yield from show_log(log)
    known = verdict["directory"]
    yield f"directory version {known['version']}: {mark[known['ok']]}"
    for s in verdict["statements"]:
        after, before = s["not_before"] or "…", s["not_after"] or "…"
        yield (
            f"{'-' if s['index'] is None else s['index']:>6}  {s['kind'] or 'withheld':<9} "
            f"{s['author'] or '-'}  signature {mark[s['signature']]}  key {s['key'] or '-'}  "
            f"in log {mark[s['included']]}  [{after}, {before}]  {s['id']}"
        )
    for chain in verdict["chains"]:
        yield (
            f"chain {chain['author']}{' (keys)' if chain['keys'] else ''}  {chain['first']} to "
            f"{chain['last']}  head {chain['head']}  withheld {len(chain['withheld'])}"
        )
    for fork in verdict["forks"]:
        yield f"fork  {fork['origin']}: {fork['detail']}"
    if verdict["ok"]:
        yield "VERIFIED: who said it and when it was logged; nobody changed it."
        yield "That does not mean that it is true."


def show_log(log: Mapping[str, Any]) -> Iterator[str]:
    """A log and its witnesses."""
    signed = ", ".join(log["signatures"]) or "by nobody known"
    # A policy that asks for nobody is met by nobody: that is not to read as if witnesses agreed.
    quorum = "FAILS" if not log["quorum"] else "ok" if log["witnesses"] else "not asked for"
    yield f"log   {log['origin']}  size {log['size']}  signed {signed}  quorum {quorum}"
    for witness in log["witnesses"]:
        yield f"      cosigned by {witness['name']} at {witness['time']}"


def show_proof(verdict: Mapping[str, Any]) -> Iterator[str]:
    """What a log proof proves."""
    yield from show_log(verdict["log"]) if verdict["log"] else ()
    yield f"statement {verdict['id']}  log index {verdict['index']}"
    if verdict["author"]:
        yield f"says it is a {verdict['statement']} by {verdict['author']} of {verdict['time']}"
    if verdict["not_after"]:
        yield f"cosigned by a quorum no later than {verdict['not_after']}"
    if verdict["proved"] == "envelope":
        how = ", sealed by their author" if verdict["sealed"] else ""
        yield f"VERIFIED: these bytes are in the log at that index{how}."
        yield "Whether its author's key counts is not checked here: a dossier shows that."
    elif verdict["proved"] == "id":
        yield "VERIFIED: a statement with that id is in the log at that index."
        yield "Its bytes were not given: give PROOF and ENVELOPE to check them too."


def show_fork(verdict: Mapping[str, Any]) -> Iterator[str]:
    """What a fork proof proves."""
    yield f"log   {verdict['origin'] or '(unreadable)'}"
    for size, root in zip(verdict["sizes"], verdict["roots"]):
        yield f"      signed size {size} with root {root}"
    if verdict["ok"]:
        yield "FORK PROVEN: this log has signed two histories that no one history can hold."
        yield "Show the proof to the other members, and rely on neither history."


def show_problems(verdict: Mapping[str, Any]) -> Iterator[str]:
    """Every problem with its place and what to do about it."""
    for one in verdict["problems"]:
        yield f"problem {one['code']} at {one['where']}: {one['detail']}"
        yield f"        {one['remedy']}"
    if not verdict["ok"]:
        count = len(verdict["problems"])
        yield f"NOT VERIFIED: {count} problem{'' if count == 1 else 's'}."


def verdict_of(given: argparse.Namespace) -> dict[str, Any]:
    """The verdict on the files named: each kind tells itself by its first bytes."""
    if len(given.files) > 2:
        raise Unusable(f"{len(given.files)} files: give one, or two to compare")
    try:
        policy = Policy(read(given.policy))
    except Refused as wrong:
        raise Unusable(f"the policy: {wrong.detail}") from None
    root = "none" if given.root == "none" else None if given.root is None else read(given.root)
    known = held_rows(read(given.directory)) if given.directory else []
    bodies = [read(name) for name in given.files]
    proofs = [data for data in bodies if data.startswith(PROOF_START)]
    if proofs:
        others = [data for data in bodies if not data.startswith(PROOF_START)]
        if len(proofs) > 1:
            raise Unusable("give one log proof, and its envelope if you have it")
        return verdict_on_proof(proofs[0], others[0] if others else None, policy)
    if len(bodies) == 1 and is_fork_proof(bodies[0]):
        return verdict_on_fork(bodies[0], policy)
    for number, (name, data) in enumerate(zip(given.files, bodies)):
        if data.startswith(SHEET_HEAD):
            bodies[number] = dossier_in(data)
            print(f"{visible(name)}: the page itself was not compared", file=sys.stderr)
    return verdict_on(bodies, policy, root, known)


def main(arguments: Sequence[str]) -> int:
    """Check the files named, print the verdict, return the exit code: 0, 3 or 2."""
    parser = argparse.ArgumentParser(
        prog="verify.py", description="Check a dossier, a sheet, a log proof or a fork proof."
    )
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--policy", required=True, help="your tlog-policy")
    parser.add_argument("--root", help="your root file, or none")
    parser.add_argument("--directory", help="key statements you hold, one envelope a line")
    parser.add_argument("--json", action="store_true", help="the verdict as one line of JSON")
    given = parser.parse_args(arguments)
    try:
        verdict = verdict_of(given)
    except Unusable as wrong:
        print(f"verify.py: error: {visible(wrong)}", file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps(verdict, separators=(",", ":")))
        return 0 if verdict["ok"] else 3
    shown = {"tlog-proof": show_proof, "fork-proof": show_fork}.get(verdict.get("kind", ""), show)
    for line in (*shown(verdict), *show_problems(verdict)):
        print(visible(line))
    return 0 if verdict["ok"] else 3


def run() -> None:
    """Exit 1 is never the answer to "is this right?": a fault of this program is exit 2."""
    code = 2
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # whatever the terminal can write
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except SystemExit as asked:
        code = 0 if not asked.code else 2
    except BaseException as wrong:
        print(f"verify.py: error: {type(wrong).__name__}: {visible(wrong)}", file=sys.stderr)
        code = 2
    sys.exit(code)


if __name__ == "__main__":
    run()
