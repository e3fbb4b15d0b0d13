"""Signed notes, checkpoints, cosignatures, trust policies and proof files.

All of it in the formats of others, verbatim, so that outside witnesses and verifiers can read it.
Spec: C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy, tlog-proof at 5ba5ee83.

    note   = text "\\n" lines;  line = "— " name " " b64(keyid4 || signature) "\\n"
    0x01   Ed25519 over the text
    0x04   Ed25519 over "cosignature/v1\\ntime N\\n" || text;      signature = u64 time || raw
    0x06   ML-DSA-44 over the `subtree/v1` structure;             signature = u64 time || raw
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from msgspec import Struct

from tocsin.canonical import b64decode, b64encode
from tocsin.errors import CanonicalError, NoteError, ProofError, SignatureError
from tocsin.record import keys, merkle

ED25519 = keys.NOTE_ED25519
COSIGNATURE = keys.NOTE_COSIGNATURE
ML_DSA_44 = keys.NOTE_MLDSA44

KIND_NAMES = {ED25519: "ed25519", COSIGNATURE: "ed25519 cosignature", ML_DSA_44: "ml-dsa-44"}

MAX_NOTE_BYTES = 128 * 1024
MAX_LINES = 32
MAX_TIME = 2**63 - 1
MAX_NAME_BYTES = 255
MAX_POLICY_BYTES = 256 * 1024
MAX_POLICY_ITEMS = 1024
MAX_PROOF_BYTES = MAX_NOTE_BYTES + 64 * 1024

_KEY_BYTES = {
    ED25519: keys.PUBLIC_BYTES,
    COSIGNATURE: keys.PUBLIC_BYTES,
    ML_DSA_44: keys.MLDSA_PUBLIC_BYTES,
}
_RAW_BYTES = {
    ED25519: keys.SIGNATURE_BYTES,
    COSIGNATURE: keys.SIGNATURE_BYTES,
    ML_DSA_44: keys.MLDSA_SIGNATURE_BYTES,
}
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_KEYID = re.compile(r"[0-9a-f]{8}")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_REMEDY = "take the note again from the log, byte for byte; nothing in it may be re-wrapped"


# --- verifier keys ----------------------------------------------------------------------------


class VerifierKey(Struct, frozen=True, kw_only=True):
    """A public key under a name, as a directory, a policy and a log hand it out."""

    name: str
    kind: int
    """0x01 Ed25519 note key, 0x04 Ed25519 cosignature, 0x06 ML-DSA-44."""
    public: bytes
    """32 bytes; 1,312 for ML-DSA-44."""

    @property
    def keyid(self) -> bytes:
        """Four bytes; with the name they say which line of a note is this key's."""
        return keys.note_keyid(self.name, self.kind, self.public)

    @property
    def text(self) -> str:
        """`name+keyid+base64`, as C2SP signed-note writes a vkey."""
        return keys.vkey(self.name, self.kind, self.public)


@lru_cache(maxsize=4096)
def open_vkey(text: str) -> VerifierKey:
    """Parse a vkey of one of our three kinds.

    Raises:
        NoteError: malformed, its key id is not that of its bytes, a kind we do not know, or an
            Ed25519 point that no honest key is.

    Spec: C2SP signed-note, "Verifier keys".
    """
    shown = text[:80]
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise NoteError(f"no verifier key: {shown!r}", remedy="write it as name+keyid+base64")
    name, keyid, material = parts
    _check_name(name)
    try:
        raw = b64decode(material)
    except CanonicalError as wrong:
        raise NoteError(f"verifier key {shown!r}: {wrong.message}", remedy=wrong.remedy) from wrong
    kind = raw[0] if raw else -1
    if kind not in _KEY_BYTES:
        raise NoteError(
            f"verifier key {shown!r} is of kind {kind}",
            remedy="give an Ed25519 (1), Ed25519 cosignature (4) or ML-DSA-44 (6) key",
        )
    key = VerifierKey(name=name, kind=kind, public=raw[1:])
    if len(key.public) != _KEY_BYTES[kind]:
        raise NoteError(
            f"verifier key {shown!r} holds {len(key.public)} bytes, not {_KEY_BYTES[kind]}",
            remedy="copy the whole line again",
        )
    if not _KEYID.fullmatch(keyid) or keyid != key.keyid.hex():
        raise NoteError(
            f"verifier key {shown!r} says key id {keyid[:16]!r}; its bytes give {key.keyid.hex()}",
            remedy="copy the whole line again; a changed name changes the id too",
        )
    if kind != ML_DSA_44:
        try:
            keys.check_public(key.public)
        except SignatureError as wrong:
            raise NoteError(
                f"verifier key {shown!r}: {wrong.message}", remedy=wrong.remedy
            ) from wrong
    return key


def usable(texts: Iterable[str]) -> list[VerifierKey]:
    """The verifier keys among these texts of a directory.

    What is no key, or of a kind we do not know, is passed over: a party that lists nonsense must
    blind nobody to the others.
    """
    found = []
    for text in texts:
        with suppress(NoteError):
            found.append(open_vkey(text))
    return found


def _check_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() or ord(c) < 0x20 for c in name):
        raise NoteError(
            f"no key name: {name[:80]!r}", remedy="a name is not empty, without spaces and plus"
        )
    try:
        name.encode()
    except UnicodeEncodeError as wrong:
        raise NoteError(f"no key name: {name[:80]!r}", remedy="write it as UTF-8") from wrong


# --- notes ------------------------------------------------------------------------------------


class NoteLine(Struct, frozen=True, kw_only=True):
    """One signature line as it stands: nothing is checked yet."""

    name: str
    keyid: bytes
    """4 bytes."""
    blob: bytes
    """What follows the key id: the signature, with its time in front for 0x04 and 0x06."""

    @property
    def text(self) -> str:
        """The line with its newline."""
        return f"— {self.name} {b64encode(self.keyid + self.blob)}\n"


class Note(Struct, frozen=True, kw_only=True):
    """A text and the lines under it. Ignore the text until a line has been verified."""

    text: str
    """With its final newline, without the blank line."""
    lines: tuple[NoteLine, ...]


class SignedLine(Struct, frozen=True, kw_only=True):
    """A line that was verified, and by which key."""

    key: VerifierKey
    time: int | None
    """The signer's own clock, seconds since 1970 (UTC); None for 0x01."""


def open_note(data: bytes) -> Note:
    """Split a note into its text and lines.

    Raises:
        NoteError: over 128 KiB or 32 lines, not UTF-8, control characters, or no signature line.

    Spec: C2SP signed-note, "Format".
    """
    if len(data) > MAX_NOTE_BYTES:
        raise NoteError(
            f"a note of {len(data)} bytes, and {MAX_NOTE_BYTES} are taken", remedy=_REMEDY
        )
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise NoteError(f"not UTF-8 at byte {wrong.start}", remedy=_REMEDY) from wrong
    control = _CONTROL.search(whole)
    if control:
        raise NoteError(
            f"control character U+{ord(control[0]):04X} at character {control.start()}",
            remedy=_REMEDY,
        )
    text, blank, tail = whole.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NoteError("a note ends in a blank line and signature lines", remedy=_REMEDY)
    rows = tail[:-1].split("\n")
    if len(rows) > MAX_LINES:
        raise NoteError(
            f"a note with {len(rows)} signature lines, and {MAX_LINES} are taken", remedy=_REMEDY
        )
    return Note(text=text + "\n", lines=tuple(_open_line(row) for row in rows))


def _open_line(row: str) -> NoteLine:
    parts = row.split(" ")
    if len(parts) != 3 or parts[0] != "—":
        raise NoteError(f"no signature line: {row[:60]!r}", remedy=_REMEDY)
    _check_name(parts[1])
    try:
        raw = b64decode(parts[2])
    except CanonicalError as wrong:
        raise NoteError(
            f"signature line of {parts[1]}: {wrong.message}", remedy=wrong.remedy
        ) from wrong
    if len(raw) < 5:
        raise NoteError(f"signature line of {parts[1]} holds no signature", remedy=_REMEDY)
    return NoteLine(name=parts[1], keyid=raw[:4], blob=raw[4:])


def write_note(text: str, lines: Sequence[NoteLine]) -> bytes:
    """The bytes of a note; what `open_note` takes.

    Raises:
        NoteError: it would not open again as the same.
    """
    data = (text + "\n" + "".join(line.text for line in lines)).encode()
    if open_note(data) != Note(text=text, lines=tuple(lines)):
        raise NoteError("the text does not survive as a note", remedy="end it in one newline")
    return data


def verify_note(note: Note, known: Iterable[VerifierKey]) -> tuple[SignedLine, ...]:
    """The lines made by known keys, all verified. Unknown signers are ignored.

    Raises:
        NoteError: a line of a known key fails, or no line is of a known key.

    Spec: C2SP signed-note, "Signatures".
    """
    by_id = {(key.name, key.keyid): key for key in known}
    signed = []
    for line in note.lines:
        key = by_id.get((line.name, line.keyid))
        if key is not None:
            signed.append(SignedLine(key=key, time=_verify_line(key, line, note.text)))
    if not signed:
        names = ", ".join(sorted({line.name for line in note.lines}))
        raise NoteError(
            f"no line of a key we know (signed by {names[:200]})",
            remedy="add the log's verifier key, after comparing it with its owner, to your policy",
        )
    return tuple(signed)


def keep_known(data: bytes, known: Iterable[VerifierKey]) -> bytes:
    """The same note with only the lines of known keys, in their order.

    Raises:
        NoteError: as `verify_note`.
    """
    note = open_note(data)
    known = list(known)
    ids = {(key.name, key.keyid) for key in known}
    verify_note(note, known)
    return write_note(note.text, [x for x in note.lines if (x.name, x.keyid) in ids])


def _verify_line(key: VerifierKey, line: NoteLine, text: str) -> int | None:
    where = f"the {KIND_NAMES[key.kind]} line of {key.name}"
    timed = key.kind != ED25519
    if len(line.blob) != _RAW_BYTES[key.kind] + 8 * timed:
        raise NoteError(f"{where} holds {len(line.blob)} bytes", remedy=_REMEDY)
    time: int | None = None
    raw = line.blob
    if timed:
        (time,) = struct.unpack(">Q", raw[:8])
        raw = raw[8:]
        if time > MAX_TIME:
            raise NoteError(f"{where} has time {time}", remedy=_REMEDY)
    try:
        if key.kind == ED25519:
            keys.verify(key.public, raw, text.encode())
        elif key.kind == COSIGNATURE:
            keys.verify(key.public, raw, cosigned_message(time or 0, text))
        else:
            message = subtree_message(key.name, time or 0, open_checkpoint(text))
            _mldsa(key.public).verify(raw, message)
    except (SignatureError, InvalidSignature, ValueError) as wrong:
        raise NoteError(
            f"{where} does not verify",
            remedy="treat the note as altered; fetch it again, and tell the log's owner",
        ) from wrong
    return time


@lru_cache(maxsize=256)
def _mldsa(public: bytes) -> MLDSA44PublicKey:
    return MLDSA44PublicKey.from_public_bytes(public)


# --- checkpoints ------------------------------------------------------------------------------


class Checkpoint(Struct, frozen=True, kw_only=True):
    """What a log says of itself: how many entries it has and their root."""

    origin: str
    size: int
    root: bytes
    """32 bytes."""

    @property
    def text(self) -> str:
        """The note text: origin, size, root, one a line."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root)}\n"


def open_checkpoint(text: str) -> Checkpoint:
    """Parse a note's text as a checkpoint without extension lines.

    Raises:
        NoteError: another number of lines, a size with leading zeros or over 2**63 - 1, or a root
            that is not 32 bytes in standard base64.

    Spec: C2SP tlog-checkpoint, "Note text"; extensions are refused (record.md, "Log").
    """
    rows = text.split("\n")
    if len(rows) != 4 or rows[3]:
        raise NoteError(
            f"a checkpoint has three lines, not {len(rows) - 1}",
            remedy="take a checkpoint without extension lines",
        )
    origin, size, root = rows[:3]
    if not origin:
        raise NoteError("a checkpoint without an origin", remedy=_REMEDY)
    if not _DECIMAL.fullmatch(size) or int(size) > merkle.MAX_SIZE:
        raise NoteError(f"no tree size: {size[:40]!r}", remedy=_REMEDY)
    try:
        digest = b64decode(root)
    except CanonicalError as wrong:
        raise NoteError(f"no root hash: {wrong.message}", remedy=wrong.remedy) from wrong
    if len(digest) != merkle.HASH_BYTES:
        raise NoteError(f"a root hash of {len(digest)} bytes, not 32", remedy=_REMEDY)
    return Checkpoint(origin=origin, size=int(size), root=digest)


def cosigned_message(time: int, text: str) -> bytes:
    """What an Ed25519 cosignature (0x04) covers. Spec: C2SP tlog-cosignature."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def subtree_message(name: str, time: int, checkpoint: Checkpoint) -> bytes:
    """What an ML-DSA-44 line (0x06) covers: start 0, end = the checkpoint's size.

    Raises:
        NoteError: the name or the origin does not fit its one length byte.

    Spec: C2SP tlog-cosignature, "ML-DSA-44 signed message".
    """
    cosigner, origin = name.encode(), checkpoint.origin.encode()
    for what, value in (("name", cosigner), ("origin", origin)):
        if not 1 <= len(value) <= MAX_NAME_BYTES:
            raise NoteError(
                f"the {what} {value[:40]!r}… has {len(value)} bytes",
                remedy=f"an ML-DSA-44 line covers names of 1 to {MAX_NAME_BYTES} bytes",
            )
    return b"".join(
        (
            b"subtree/v1\n\x00",
            bytes([len(cosigner)]),
            cosigner,
            struct.pack(">Q", time),
            bytes([len(origin)]),
            origin,
            struct.pack(">QQ", 0, checkpoint.size),
            checkpoint.root,
        )
    )


class CheckpointSigner(Protocol):
    """Both keys of a log; `keys.LogSigner` is one."""

    name: str
    public: bytes
    mldsa_public: bytes

    def sign_ed25519(self, message: bytes) -> bytes:
        """64 bytes."""

    def sign_mldsa(self, message: bytes) -> bytes:
        """2,420 bytes, empty context."""


def sign_checkpoint(checkpoint: Checkpoint, signer: CheckpointSigner, time: int) -> bytes:
    """The checkpoint as a note with the log's two lines, Ed25519 (0x01) and ML-DSA-44 (0x06).

    Args:
        checkpoint: its origin must be the signer's name.
        signer: the log's keys.
        time: seconds since 1970 (UTC), for the ML-DSA line.

    Raises:
        NoteError: the origin is not the signer's, or the time is out of range.
    """
    if checkpoint.origin != signer.name:
        raise NoteError(
            f"keys of {signer.name!r} do not sign for {checkpoint.origin!r}",
            remedy="start the log with the keys made for its origin",
        )
    ed25519 = VerifierKey(name=signer.name, kind=ED25519, public=signer.public)
    lines = [
        NoteLine(
            name=signer.name,
            keyid=ed25519.keyid,
            blob=signer.sign_ed25519(checkpoint.text.encode()),
        ),
        cosign_mldsa(checkpoint, signer.name, signer.mldsa_public, signer.sign_mldsa, time),
    ]
    return write_note(checkpoint.text, lines)


def cosign_ed25519(
    checkpoint: Checkpoint, name: str, public: bytes, sign: Callable[[bytes], bytes], time: int
) -> NoteLine:
    """A witness's 0x04 line over `checkpoint`. `time`: seconds since 1970 (UTC)."""
    _check_time(time)
    key = VerifierKey(name=name, kind=COSIGNATURE, public=public)
    signature = sign(cosigned_message(time, checkpoint.text))
    return NoteLine(name=name, keyid=key.keyid, blob=struct.pack(">Q", time) + signature)


def cosign_mldsa(
    checkpoint: Checkpoint, name: str, public: bytes, sign: Callable[[bytes], bytes], time: int
) -> NoteLine:
    """A 0x06 line over `checkpoint`, by the log itself or a witness. `time`: seconds since 1970."""
    _check_time(time)
    key = VerifierKey(name=name, kind=ML_DSA_44, public=public)
    signature = sign(subtree_message(name, time, checkpoint))
    return NoteLine(name=name, keyid=key.keyid, blob=struct.pack(">Q", time) + signature)


def add_lines(data: bytes, lines: Sequence[NoteLine]) -> bytes:
    """The same note with more lines after those it has.

    Raises:
        NoteError: too many lines.
    """
    note = open_note(data)
    return write_note(note.text, [*note.lines, *lines])


def _check_time(time: int) -> None:
    if not 0 <= time <= MAX_TIME:
        raise NoteError(
            f"no time to sign: {time}", remedy="set the clock; times are seconds since 1970"
        )


# --- policy -----------------------------------------------------------------------------------


class Judged(Struct, frozen=True, kw_only=True):
    """What a policy makes of one note."""

    checkpoint: Checkpoint
    lines: tuple[SignedLine, ...]
    """Every verified line of a log or witness of the policy."""
    witnesses: tuple[tuple[str, int], ...]
    """(name in the policy, time) of each witness that cosigned, in the note's order."""
    quorum: bool


class Group(Struct, frozen=True, kw_only=True):
    """Counts as a witness if `threshold` of its members do."""

    threshold: int
    members: tuple[str, ...]


class Policy(Struct, frozen=True, kw_only=True):
    """A reader's trust: which logs, which witnesses, how many of them.

    Spec: C2SP tlog-policy.
    """

    logs: tuple[VerifierKey, ...]
    witnesses: dict[str, VerifierKey]
    groups: dict[str, Group]
    quorum: str
    """The name of a witness or group, or `none`."""
    urls: dict[str, str] = {}
    """Where a log asks a witness, by its name here; absent where the policy names no address."""
    sha256: str = ""
    """Of the file it was read from."""

    @property
    def origins(self) -> frozenset[str]:
        """The logs' names."""
        return frozenset(key.name for key in self.logs)

    def satisfied(self, cosigned: Iterable[str]) -> bool:
        """Whether these witnesses (by their names in the policy) make the quorum."""
        if self.quorum == "none":
            return True
        counted = {name for name in cosigned if name in self.witnesses}
        # A group names only what stands before it, so one pass in order of definition is enough.
        for name, group in self.groups.items():
            if sum(member in counted for member in group.members) >= group.threshold:
                counted.add(name)
        return self.quorum in counted

    def judge(self, data: bytes) -> Judged:
        """Open a note as a checkpoint of one of the policy's logs and weigh its cosignatures.

        Raises:
            NoteError: malformed, not signed by a log of the policy under its own name, or a line
                of a known key fails. A missing quorum is no error: see `Judged.quorum`.
        """
        note = open_note(data)
        checkpoint = open_checkpoint(note.text)
        mine = [key for key in self.logs if key.name == checkpoint.origin]
        lines = verify_note(note, [*mine, *self.witnesses.values()])
        if not any(line.key in mine for line in lines):
            raise NoteError(
                f"log {checkpoint.origin!r} is not one of the policy's, or did not sign",
                remedy="add the log's verifier key, after comparing it with its owner",
            )
        names = {key: name for name, key in self.witnesses.items()}
        witnesses = tuple((names[line.key], line.time or 0) for line in lines if line.key in names)
        return Judged(
            checkpoint=checkpoint,
            lines=lines,
            witnesses=witnesses,
            quorum=self.satisfied(name for name, _ in witnesses),
        )


def open_policy(data: bytes) -> Policy:
    """Parse a trust policy file.

    Raises:
        NoteError: any line that is not exactly as tlog-policy says, a name used before or twice,
            a key of a kind not fit for its role or given twice, no quorum line or two.

    Spec: C2SP tlog-policy.
    """
    if len(data) > MAX_POLICY_BYTES:
        raise NoteError(
            f"a policy of {len(data)} bytes, and {MAX_POLICY_BYTES} are taken",
            remedy="name fewer logs and witnesses",
        )
    bad = next((i for i, c in enumerate(data) if (c < 0x20 and c not in b"\t\n") or c == 0x7F), -1)
    if bad >= 0:
        raise NoteError(
            f"policy: control character 0x{data[bad]:02x} at byte {bad}",
            remedy="save it as plain text with Unix line ends",
        )
    parser = _PolicyParser()
    # Octets over 0x7F are opaque in a policy: `surrogateescape` carries them unread.
    text = data.decode("utf-8", "surrogateescape")
    for number, row in enumerate(text.split("\n"), 1):
        words = re.split(r"[ \t]+", row.strip(" \t"))
        if words[0] and not words[0].startswith("#"):
            parser.take(number, words)
    return parser.finish(hashlib.sha256(data).hexdigest())


class _PolicyParser:
    def __init__(self) -> None:
        self._logs: list[VerifierKey] = []
        self._witnesses: dict[str, VerifierKey] = {}
        self._urls: dict[str, str] = {}
        self._groups: dict[str, Group] = {}
        self._members: set[str] = set()
        self._quorum: str | None = None

    def take(self, number: int, words: list[str]) -> None:
        what = f"policy line {number}"
        if len(self._logs) + len(self._witnesses) + len(self._groups) >= MAX_POLICY_ITEMS:
            raise NoteError(
                f"{what}: over {MAX_POLICY_ITEMS} logs, witnesses and groups",
                remedy="name fewer",
            )
        verb, rest = words[0], words[1:]
        if verb == "log" and len(rest) in (1, 2):
            self._logs.append(self._key(what, rest[0], (ED25519, ML_DSA_44), self._logs))
        elif verb == "witness" and len(rest) in (2, 3):
            self._new(what, rest[0])
            key = self._key(what, rest[1], (COSIGNATURE, ML_DSA_44), self._witnesses.values())
            self._witnesses[rest[0]] = key
            if len(rest) == 3:
                self._urls[rest[0]] = rest[2]
        elif verb == "group" and len(rest) >= 3:
            self._new(what, rest[0])
            self._groups[rest[0]] = self._group(what, rest[1], rest[2:])
        elif verb == "quorum" and len(rest) == 1:
            if self._quorum is not None:
                raise NoteError(f"{what}: a second quorum", remedy="keep one quorum line")
            if rest[0] != "none":
                self._defined(what, rest[0])
            self._quorum = rest[0]
        else:
            raise NoteError(
                f"{what}: {' '.join(words)[:60]!r}",
                remedy="write log VKEY [URL], witness NAME VKEY [URL], group NAME all|any|K NAME…, "
                "or quorum NAME|none",
            )

    def _key(
        self, what: str, text: str, kinds: tuple[int, ...], others: Iterable[VerifierKey]
    ) -> VerifierKey:
        try:
            key = open_vkey(text)
        except NoteError as wrong:
            raise NoteError(f"{what}: {wrong.message}", remedy=wrong.remedy) from wrong
        if key.kind not in kinds:
            raise NoteError(
                f"{what}: a key of kind {key.kind} does not do that",
                remedy="logs sign with kinds 1 and 6, witnesses with 4 and 6",
            )
        if any(key.public == other.public for other in others):
            raise NoteError(f"{what}: the same public key again", remedy="name each key once")
        return key

    def _new(self, what: str, name: str) -> None:
        if name == "none" or name in self._witnesses or name in self._groups:
            raise NoteError(f"{what}: the name {name!r} is taken", remedy="choose another name")

    def _defined(self, what: str, name: str) -> None:
        if name not in self._witnesses and name not in self._groups:
            raise NoteError(
                f"{what}: {name!r} is not defined above", remedy="define witnesses and groups first"
            )

    def _group(self, what: str, threshold: str, members: list[str]) -> Group:
        for member in members:
            self._defined(what, member)
            if member in self._members:
                raise NoteError(
                    f"{what}: {member!r} is in a group already",
                    remedy="let each witness and group count in one place only",
                )
            self._members.add(member)
        if threshold == "all":
            count = len(members)
        elif threshold == "any":
            count = 1
        elif _DECIMAL.fullmatch(threshold) and 1 <= int(threshold) <= len(members):
            count = int(threshold)
        else:
            raise NoteError(
                f"{what}: no threshold for {len(members)} members: {threshold[:20]!r}",
                remedy="write all, any, or a number from 1 to the number of members",
            )
        return Group(threshold=count, members=tuple(members))

    def finish(self, sha256: str) -> Policy:
        if self._quorum is None:
            raise NoteError("a policy without a quorum line", remedy="add quorum NAME or none")
        return Policy(
            logs=tuple(self._logs),
            witnesses=self._witnesses,
            groups=self._groups,
            quorum=self._quorum,
            urls=self._urls,
            sha256=sha256,
        )


# --- proof files ------------------------------------------------------------------------------

_PROOF_HEADER = "c2sp.org/tlog-proof@v1"


class LogProof(Struct, frozen=True, kw_only=True):
    """A proof that one entry is in a log: where, the path, the checkpoint it leads to."""

    index: int
    path: tuple[bytes, ...]
    """32 bytes each, from the leaf's sibling up."""
    checkpoint: bytes
    """The signed note, verbatim."""
    extra: bytes | None = None
    """Unauthenticated; never to be trusted by itself."""

    def verify(self, leaf: bytes, policy: Policy) -> Judged:
        """Check that the entry with this leaf hash is in a log the policy accepts.

        Raises:
            NoteError: the checkpoint does not open, or no log of the policy signed it.
            ProofError: the path does not lead to the checkpoint's root, or the quorum is missing.
        """
        judged = policy.judge(self.checkpoint)
        if not judged.quorum:
            raise ProofError(
                f"too few witnesses cosigned size {judged.checkpoint.size} of "
                f"{judged.checkpoint.origin}",
                remedy="fetch a newer proof, or ask the log's owner which witnesses it uses",
            )
        merkle.verify_inclusion(
            leaf, self.index, judged.checkpoint.size, self.path, judged.checkpoint.root
        )
        return judged


def write_proof(
    index: int, path: Sequence[bytes], checkpoint: bytes, extra: bytes | None = None
) -> bytes:
    """A `.tlog-proof` file. Spec: C2SP tlog-proof, "Format"."""
    rows = [_PROOF_HEADER]
    if extra is not None:
        rows.append(f"extra {b64encode(extra)}")
    rows.append(f"index {index}")
    rows += [b64encode(digest) for digest in path]
    data = ("\n".join(rows) + "\n\n").encode() + checkpoint
    wanted = LogProof(index=index, path=tuple(path), checkpoint=checkpoint, extra=extra)
    if open_proof(data) != wanted:
        raise NoteError("the proof does not survive as a file", remedy=_REMEDY)
    return data


def open_proof(data: bytes) -> LogProof:
    """Parse a `.tlog-proof` file; nothing is verified yet.

    Raises:
        NoteError: not exactly the format, or the checkpoint in it is no note.

    Spec: C2SP tlog-proof, "Format".
    """
    remedy = "take the .tlog-proof file again, byte for byte"
    if len(data) > MAX_PROOF_BYTES:
        raise NoteError(
            f"a proof of {len(data)} bytes, and {MAX_PROOF_BYTES} are taken", remedy=remedy
        )
    head, blank, checkpoint = data.partition(b"\n\n")
    try:
        rows = head.decode("ascii").split("\n")
    except UnicodeDecodeError as wrong:
        raise NoteError(f"a proof is ASCII, not byte {wrong.start}", remedy=remedy) from wrong
    if not blank or rows.pop(0) != _PROOF_HEADER:
        raise NoteError(f"a proof starts with {_PROOF_HEADER}", remedy=remedy)
    try:
        extra = None
        if rows and rows[0].startswith("extra "):
            extra = b64decode(rows.pop(0)[len("extra ") :])
        word = rows.pop(0) if rows else ""
        number = word[len("index ") :]
        if not word.startswith("index ") or not _DECIMAL.fullmatch(number):
            raise NoteError(f"no index line: {word[:60]!r}", remedy=remedy)
        path = tuple(b64decode(row) for row in rows)
    except CanonicalError as wrong:
        raise NoteError(f"proof: {wrong.message}", remedy=wrong.remedy) from wrong
    if len(path) > merkle.MAX_PATH or any(len(digest) != merkle.HASH_BYTES for digest in path):
        raise NoteError("a proof's path is at most 64 hashes of 32 bytes", remedy=remedy)
    open_checkpoint(open_note(checkpoint).text)
    return LogProof(index=int(number), path=path, checkpoint=checkpoint, extra=extra)
