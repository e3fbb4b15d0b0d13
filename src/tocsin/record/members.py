"""What a dossier holds, in the one ZIP form that may hold it: opening, reading, writing.

Nothing here is a verdict: `dossier.verify` gives that. No byte of a dossier is unverifiable: a
member, line or field that nothing checks is itself a problem. Spec: record.md, "Dossier".

    INDEX.json              what can be recomputed from the rest, in canonical JSON
    README.txt              constant
    directory.jsonl         envelopes of kind directory, key, revoke: one a line, by (log, index)
    statements.jsonl        envelopes of the case: one a line, by (log, index)
    proofs.jsonl            {"id","index","log","path":[b64…]} for each line, and for withheld ids
    logs/<n>/checkpoint     the signed note that all paths of the n-th log lead to
    logs/<n>/history.jsonl  {"checkpoint": note, "path":[b64…]}: older ones, consistent with it
    objects/<sha256>        every object that the reader may have
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from tocsin import canonical
from tocsin.canonical import b64decode, b64encode
from tocsin.errors import CanonicalError, DossierError, NoteError, TocsinError
from tocsin.record import checkpoint as notes
from tocsin.record import merkle
from tocsin.record.directory import read_directory
from tocsin.record.envelope import Envelope, open_statement, statement_id
from tocsin.record.statement import ROOT_KINDS, Statement

MAX_BYTES = 2**32 - 2
"""Just under 4 GiB, so that no offset or size needs ZIP64."""
MAX_STATEMENTS = 1_000_000

README = b"""\
This file is a dossier: one case of joint response, with every proof.

Check it offline with your own policy and your own root file:

    tocsin verify FILE --policy POLICY --root ROOT

Without tocsin, with nothing but Python 3.9 or later, one file to read first:

    python3 -I -S verify.py FILE --policy POLICY --root ROOT

Take the program, the policy and the root file from somebody you trust,
never from whoever gave you this file.

Verified means who said it and when it was logged, and that nobody
changed it. It does not mean that it is true.
"""
READMES = frozenset(
    {
        "41cdf1b275abeb8327ae04c7fba886bb6d3775a8a465c9004d8e24a21b483f03",
        hashlib.sha256(README).hexdigest(),
    }
)
"""SHA-256 of every text a version of ours has written; a verifier takes them all."""

_FIXED = ("INDEX.json", "README.txt", "directory.jsonl", "proofs.jsonl", "statements.jsonl")
_OBJECT_MEMBER = re.compile(r"objects/([0-9a-f]{64})")

_REMEDIES = {
    "framing": "ask for the dossier again; repacking it with another tool breaks it too",
    "index": "ask for the dossier again; its parts do not belong together",
    "canonical": "treat this line as altered; ask its author or another member for it",
    "schema": "treat this line as altered; ask its author or another member for it",
    "limit": "ask for a smaller export",
    "object": "ask another member for the object by its SHA-256",
    "inclusion": "do not rely on this entry: it is not shown to be in the log; ask the log's owner",
    "checkpoint": "fetch the log's checkpoint yourself, and keep both if they differ",
}


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that does not hold. The codes are record.md's."""

    code: str
    where: str
    """Member and line, such as `statements.jsonl:9`."""
    detail: str
    remedy: str


Report = Callable[[Problem], None]


# --- what is in it ----------------------------------------------------------------------------


class Proof(Struct, frozen=True, kw_only=True):
    """Where in which log an id stands, and the path that shows it."""

    id: str
    index: int
    log: int
    """Number of the log in `Dossier.origins`."""
    path: tuple[bytes, ...]
    line: int = 0
    """In proofs.jsonl, from 1."""


class Row(Struct, frozen=True, kw_only=True):
    """A statement shown in full."""

    id: str
    index: int
    """Place in the first log that holds it; -1 where no proof is given (then the file fails)."""
    log: str
    """Origin of that log."""
    raw: bytes
    envelope: Envelope
    statement: Statement
    proofs: tuple[Proof, ...]
    where: str


class Withheld(Struct, frozen=True, kw_only=True):
    """A statement of the case whose content this reader was not given: its id and place only."""

    id: str
    index: int
    log: str
    proof: Proof


class Older(Struct, frozen=True, kw_only=True):
    """An older checkpoint of a log, with the path to the newest."""

    note: bytes
    path: tuple[bytes, ...]
    where: str


class Dossier(Struct, frozen=True, kw_only=True):
    """What a dossier holds, opened and not verified: `verify` says what it is worth."""

    sha256: str
    """Of the whole file."""
    case: str | None
    origins: tuple[str, ...]
    directory: tuple[Row, ...]
    """Kinds directory, key and revoke, by (log, index)."""
    statements: tuple[Row, ...]
    """All other kinds, by (log, index)."""
    withheld: tuple[Withheld, ...]
    checkpoints: tuple[bytes, ...]
    """The signed note of each log."""
    history: tuple[tuple[Older, ...], ...]
    """For each log, smallest size first."""
    objects: dict[str, bytes]
    """SHA-256 → bytes."""

    @property
    def root(self) -> bytes:
        """The envelope of directory version 1, which the reader's own root file must equal.

        Raises:
            DossierError: there is none.
        """
        for row in self.directory:
            if row.statement.kind == "directory" and row.statement.body["version"] == 1:
                return row.raw
        raise DossierError(
            "the dossier holds no directory version 1", remedy="ask for the dossier again"
        )


# --- the frame --------------------------------------------------------------------------------

# Version 2.0, no flags, stored, 1980-01-01 00:00:00.
_STAMP = struct.pack("<HHHHH", 20, 0, 0, 0, 0x21)
_LOCAL = b"PK\x03\x04"
_CENTRAL = b"PK\x01\x02"
_END = b"PK\x05\x06"
_END64 = b"PK\x06\x06"
_LOCATOR = b"PK\x06\x07"


def _frame(members: Mapping[str, bytes]) -> Iterator[bytes]:
    """The pieces of the one ZIP that holds these members, in order: header, content, …, tail."""
    central = []
    offset = 0
    for name in sorted(members):
        content = members[name]
        label = name.encode("ascii")
        sizes = struct.pack(
            "<IIIHH", zlib.crc32(content), len(content), len(content), len(label), 0
        )
        central.append(
            _CENTRAL
            + struct.pack("<H", 20)
            + _STAMP
            + sizes
            + struct.pack("<HHHII", 0, 0, 0, 0, offset)
            + label
        )
        yield _LOCAL + _STAMP + sizes + label
        yield content
        offset += 30 + len(label) + len(content)
    directory = b"".join(central)
    yield directory
    count, few = len(central), min(len(central), 0xFFFF)
    if few == 0xFFFF:
        yield _END64 + struct.pack(
            "<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(directory), offset
        )
        yield _LOCATOR + struct.pack("<IQI", 0, offset + len(directory), 1)
    yield _END + struct.pack("<HHHHIIH", 0, 0, few, few, len(directory), offset, 0)


def _members(data: bytes) -> dict[str, bytes]:
    """The members that the ZIP's central directory lists; nothing is compared yet.

    Raises:
        DossierError: no such list can be read.
    """
    remedy = "give the .tocsin file as it was exported"
    try:
        if data[:4] != _LOCAL or data[-22:-18] != _END:
            raise DossierError("not a dossier: no ZIP begins and ends here", remedy=remedy)
        count, _, size, at = struct.unpack("<HHII", data[-14:-2])
        if count == 0xFFFF:
            if data[-98:-94] != _END64:
                raise DossierError("not a dossier: the ZIP's end is broken", remedy=remedy)
            count, _, size, at = struct.unpack("<QQQQ", data[-74:-42])
        found: dict[str, bytes] = {}
        end = at + size
        room = len(data)
        for _ in range(count):
            (method,) = struct.unpack("<H", data[at + 10 : at + 12])
            if method != 0:
                raise DossierError(
                    "the ZIP is compressed, so another tool has packed it", remedy=remedy
                )
            length, name_length = struct.unpack("<IH", data[at + 24 : at + 30])
            (start,) = struct.unpack("<I", data[at + 42 : at + 46])
            label = data[at + 46 : at + 46 + name_length]
            start += 30 + name_length
            name = label.decode("ascii")
            # Members that lie over each other would unfold a small file into any size.
            room -= length
            if name in found or start + length > len(data) or at >= end or room < 0:
                raise DossierError(f"the ZIP lists {name!r} wrongly", remedy=remedy)
            found[name] = data[start : start + length]
            at += 46 + name_length
    except (struct.error, UnicodeDecodeError) as wrong:
        raise DossierError(f"not a dossier: {wrong}", remedy=remedy) from wrong
    return found


def _check_frame(data: bytes, members: Mapping[str, bytes]) -> None:
    """Write the frame again and compare it with `data`, byte for byte.

    Raises:
        DossierError: they differ; the message says where.
    """
    at = 0
    for piece in _frame(members):
        if data[at : at + len(piece)] != piece:
            raise DossierError(
                f"the frame differs from the one exact form after byte {at}",
                remedy=_REMEDIES["framing"],
            )
        at += len(piece)
    if at != len(data):
        raise DossierError(
            f"{len(data) - at} bytes follow the end of the frame", remedy=_REMEDIES["framing"]
        )


# --- reading ----------------------------------------------------------------------------------

_Hex64 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class _ProofLine(Struct, frozen=True, forbid_unknown_fields=True):
    id: _Hex64
    index: Annotated[int, Meta(ge=0)]
    log: str
    path: Annotated[list[str], Meta(max_length=merkle.MAX_PATH)]


_HASH = rb'"[A-Za-z0-9+/]{43}="'
_PROOF = re.compile(
    rb'\{"id":"([0-9a-f]{64})","index":(0|[1-9][0-9]{0,14}),"log":"([!#-\[\]-~]+)","path":\['
    rb"((?:" + _HASH + rb"(?:," + _HASH + rb"){0,63})?)\]\}"
)
"""A proof as we write them: nothing in it can be spelt another way, but base64's last bits."""


class _HistoryLine(Struct, frozen=True, forbid_unknown_fields=True):
    checkpoint: str
    path: Annotated[list[str], Meta(max_length=merkle.MAX_PATH)]


class Reading:
    """Takes a dossier's members apart, and reports what is not as it must be.

    What cannot be read is left out; everything else goes on, so that all problems are found.
    """

    def __init__(self, data: bytes, members: Mapping[str, bytes], report: Report) -> None:
        self._members = members
        self._report = report
        self.origins: list[str] = []
        self.checkpoints: list[bytes] = []
        self.history: list[tuple[Older, ...]] = []
        self._check_names()
        objects = self._objects()
        self._read_logs()
        proofs = self._proofs()
        directory = self._rows("directory.jsonl", proofs)
        statements = self._rows("statements.jsonl", proofs)
        shown = {row.id for row in (*directory, *statements)}
        self._check_objects(objects, statements)
        case = self._case(statements)
        self._check_index(case, statements)
        self.dossier = Dossier(
            sha256=hashlib.sha256(data).hexdigest(),
            case=case,
            origins=tuple(self.origins),
            directory=tuple(directory),
            statements=tuple(statements),
            withheld=tuple(
                Withheld(id=p.id, index=p.index, log=self.origins[p.log], proof=p)
                for found in proofs.values()
                for p in found
                if p.id not in shown
            ),
            checkpoints=tuple(self.checkpoints),
            history=tuple(self.history),
            objects=objects,
        )

    def _say(self, code: str, where: str, detail: str, remedy: str = "") -> None:
        remedy = remedy or _REMEDIES[code]
        self._report(Problem(code=code, where=where, detail=detail, remedy=remedy))

    def _check_names(self) -> None:
        logs = 0
        while f"logs/{logs}/checkpoint" in self._members:
            logs += 1
        wanted = {*_FIXED}
        for number in range(logs):
            wanted |= {f"logs/{number}/checkpoint", f"logs/{number}/history.jsonl"}
        self.log_count = logs
        if logs == 0:
            wanted.add("logs/0/checkpoint")
        for name in sorted(wanted - self._members.keys()):
            self._say("framing", name, "this member is missing")
        for name in sorted(self._members.keys() - wanted):
            if not _OBJECT_MEMBER.fullmatch(name):
                self._say("framing", name, "no dossier has a member of this name")
        if hashlib.sha256(self._members.get("README.txt", README)).hexdigest() not in READMES:
            self._say("framing", "README.txt", "the text is not the constant one")

    def _objects(self) -> dict[str, bytes]:
        objects = {}
        for name, content in self._members.items():
            found = _OBJECT_MEMBER.fullmatch(name)
            if found:
                digest = hashlib.sha256(content).hexdigest()
                if digest == found[1]:
                    objects[digest] = content
                else:
                    self._say("object", name, f"its bytes have the SHA-256 {digest}")
        return objects

    def _lines(self, member: str) -> Iterator[tuple[str, bytes]]:
        """(place, line) of a JSON-lines member; each line ends in one newline."""
        content = self._members.get(member, b"")
        if content and not content.endswith(b"\n"):
            self._say("framing", member, "the last line has no end")
        rows = content.split(b"\n")[: content.count(b"\n")]
        if len(rows) > MAX_STATEMENTS:
            self._say("limit", member, f"{len(rows)} lines, and {MAX_STATEMENTS} are taken")
            return
        for number, row in enumerate(rows, 1):
            yield f"{member}:{number}", row

    def _decoded(self, where: str, line: bytes, shape: type[Any]) -> Any:
        """The line as `shape`, or None, reported."""
        try:
            return msgspec.convert(canonical.decode(line), shape)
        except CanonicalError as wrong:
            self._say("canonical", where, wrong.message)
        except msgspec.ValidationError as wrong:
            self._say("schema", where, str(wrong))
        return None

    def _path(self, where: str, path: Sequence[str]) -> tuple[bytes, ...] | None:
        try:
            hashes = tuple(b64decode(text) for text in path)
        except CanonicalError as wrong:
            self._say("canonical", where, wrong.message)
            return None
        if any(len(digest) != merkle.HASH_BYTES for digest in hashes):
            self._say("schema", where, "a path holds hashes of 32 bytes")
            return None
        return hashes

    def _read_logs(self) -> None:
        for number in range(self.log_count):
            where = f"logs/{number}/checkpoint"
            note = self._members[where]
            try:
                origin = notes.open_checkpoint(notes.open_note(note).text).origin
            except NoteError as wrong:
                self._say("checkpoint", where, wrong.message, wrong.remedy)
                origin = f"unreadable log {number}"
            if origin in self.origins:
                self._say("index", where, f"a second checkpoint of {origin}")
                origin = f"second {origin} {number}"
            self.origins.append(origin)
            self.checkpoints.append(note)
            self.history.append(self._older(number))

    def _older(self, number: int) -> tuple[Older, ...]:
        found = []
        last = 0
        for where, line in self._lines(f"logs/{number}/history.jsonl"):
            row = self._decoded(where, line, _HistoryLine)
            path = None if row is None else self._path(where, row.path)
            if row is None or path is None:
                continue
            note = row.checkpoint.encode()
            try:
                size = notes.open_checkpoint(notes.open_note(note).text).size
            except NoteError as wrong:
                self._say("checkpoint", where, wrong.message, wrong.remedy)
                continue
            if size <= last:
                self._say("index", where, f"size {size} does not come after {last}")
            last = size
            found.append(Older(note=note, path=path, where=where))
        return tuple(found)

    def _proofs(self) -> dict[str, list[Proof]]:
        found: dict[str, list[Proof]] = {}
        number_of = {origin: number for number, origin in enumerate(self.origins)}
        last = (-1, -1)
        known: dict[bytes, bytes] = {}  # paths have most of their hashes in common
        for line_number, (where, line) in enumerate(self._lines("proofs.jsonl"), 1):
            opened = _plain_proof(line, known)
            row = opened[0] if opened else self._decoded(where, line, _ProofLine)
            path = opened[1] if opened else None if row is None else self._path(where, row.path)
            if row is None or path is None:
                continue
            log = number_of.get(row.log)
            if log is None:
                self._say("index", where, f"the dossier has no log {row.log[:200]!r}")
                continue
            if (log, row.index) <= last:
                self._say("index", where, f"index {row.index} of {row.log} is not in its order")
                continue
            last = (log, row.index)
            if row.id in found and any(other.log == log for other in found[row.id]):
                self._say("index", where, f"{row.id} stands twice in {row.log}")
                continue
            found.setdefault(row.id, []).append(
                Proof(id=row.id, index=row.index, log=log, path=path, line=line_number)
            )
        used = {proof.log for proofs in found.values() for proof in proofs}
        for number in set(range(self.log_count)) - used:
            self._say("index", f"logs/{number}/checkpoint", "no proof leads to this checkpoint")
        return found

    def _rows(self, member: str, proofs: Mapping[str, Sequence[Proof]]) -> list[Row]:
        rows: list[Row] = []
        last = (-1, -1)
        for where, line in self._lines(member):
            try:
                envelope, statement = open_statement(line)
            except TocsinError as wrong:
                inner = isinstance(wrong.__cause__, CanonicalError)
                self._say("canonical" if inner else "schema", where, wrong.message)
                continue
            if (statement.kind in ROOT_KINDS) != (member == "directory.jsonl"):
                self._say("index", where, f"a {statement.kind} does not belong in {member}")
                continue
            found = tuple(proofs.get(envelope.id, ()))
            if found:
                place = (found[0].log, found[0].index)
                if place <= last:
                    self._say(
                        "index", where, f"{envelope.id} is not in the order of its log, or twice"
                    )
                    continue
                last = place
            else:
                self._say("inclusion", where, f"{envelope.id} has no proof in proofs.jsonl")
            rows.append(
                Row(
                    id=envelope.id,
                    index=found[0].index if found else -1,
                    log=self.origins[found[0].log] if found else "",
                    raw=line,
                    envelope=envelope,
                    statement=statement,
                    proofs=found,
                    where=where,
                )
            )
        return rows

    def _check_objects(self, objects: Mapping[str, bytes], rows: Iterable[Row]) -> None:
        named = {ref.sha256 for row in rows for ref in row.statement.objects}
        for digest in sorted(objects.keys() - named):
            self._say(
                "object",
                f"objects/{digest}",
                "no statement in the dossier names this object",
                "nobody signed it: do not rely on it",
            )

    def _case(self, rows: Sequence[Row]) -> str | None:
        case = rows[0].statement.case if rows else None
        for row in rows:
            if row.statement.case != case:
                self._say(
                    "index",
                    row.where,
                    f"a statement of {row.statement.case or 'no case'} in the dossier of "
                    f"{case or 'no case'}",
                )
        return case

    def _check_index(self, case: str | None, rows: Sequence[Row]) -> None:
        held = self._members.get("INDEX.json")
        if held is None:
            return
        wanted = _index(case, self.origins, self._members, len(rows))
        if held == wanted:
            return
        try:
            said = canonical.decode(held)
        except CanonicalError as wrong:
            self._say("index", "INDEX.json", wrong.message)
            return
        differs = "its fields"
        if type(said) is dict:
            mine = canonical.decode(wanted)
            names = sorted(key for key in {*said, *mine} if said.get(key) != mine.get(key))
            differs = ", ".join(names)[:200] or differs
        self._say("index", "INDEX.json", f"it does not say what the members hold: {differs}")


def _plain_proof(
    line: bytes, known: dict[bytes, bytes]
) -> tuple[_ProofLine, tuple[bytes, ...]] | None:
    """A line of proofs.jsonl of the plain form, opened without a JSON parser; else None.

    `known` remembers hashes by their text: of a million in the paths, few are different.
    """
    found = _PROOF.fullmatch(line)
    if found is None:
        return None
    id, index, log, hashes = found.groups()
    texts = hashes[1:-1].split(b'","') if hashes else []
    try:
        path = tuple([known[text] for text in texts])
    except KeyError:
        try:
            path = tuple([known.setdefault(t, b64decode(t.decode())) for t in texts])
        except CanonicalError:
            return None
    row = _ProofLine(id=id.decode(), index=int(index), log=log.decode(), path=[])
    return row, path


def _index(
    case: str | None, origins: Sequence[str], members: Mapping[str, bytes], count: int
) -> bytes:
    """INDEX.json, computed from everything else."""
    digests = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in members.items()
        if name != "INDEX.json"
    }
    return canonical.encode(
        {"v": 1, "case": case, "logs": list(origins), "members": digests, "statements": count}
    )


def open_dossier(data: bytes) -> Dossier:
    """Open a dossier of the one exact form. Nothing is verified but that form: see `verify`.

    Raises:
        DossierError: a frame that is not the one we write, a member, line or field that is not
            as it must be, or over 4 GiB; the message names the first.
    """
    check_size(data)
    members = _members(data)
    _check_frame(data, members)

    def refuse(problem: Problem) -> None:
        raise DossierError(f"{problem.where}: {problem.detail}", remedy=problem.remedy)

    return Reading(data, members, refuse).dossier


def read_damaged(data: bytes, report: Report) -> Dossier:
    """Open what can be opened of a dossier, and report every way in which its form is broken.

    Raises:
        DossierError: it is not even a ZIP that lists its members.
    """
    check_size(data)
    members = _members(data)
    try:
        _check_frame(data, members)
    except DossierError as wrong:
        report(Problem(code="framing", where="file", detail=wrong.message, remedy=wrong.remedy))
    return Reading(data, members, report).dossier


def check_size(data: bytes) -> None:
    """Refuse what is larger than any dossier.

    Raises:
        DossierError: over 4 GiB.
    """
    if len(data) > MAX_BYTES:
        raise DossierError(
            f"{len(data)} bytes, and a dossier has at most {MAX_BYTES}", remedy=_REMEDIES["limit"]
        )


# --- writing ----------------------------------------------------------------------------------


def write_dossier(
    *,
    case: str | None,
    origin: str,
    checkpoint: bytes,
    statements: Iterable[tuple[int, str, bytes | None]],
    directory: Iterable[tuple[int, bytes]],
    path: Callable[[int, int], Sequence[bytes]],
    objects: Mapping[str, bytes],
    history: Iterable[tuple[bytes, Sequence[bytes]]] = (),
) -> bytes:
    """A case as one file; the same bytes for the same arguments.

    Whoever calls has asked `may_read` for each envelope and object.

    Args:
        case: its id; None for statements outside any case.
        origin: of the log that holds all of it.
        checkpoint: a signed note of that log that covers every index. Lines of keys that the
            newest directory here does not list are left out.
        statements: (index, id, envelope) of the case; the envelope is None where it is withheld.
        directory: (index, envelope) of every directory, key and revoke statement of the log.
        path: (index, size) → the inclusion path, from the leaf up.
        objects: SHA-256 → bytes; each must be named by a statement that is not withheld.
        history: (older signed note, consistency path to `checkpoint`).

    Raises:
        DossierError: what it would hold is not a dossier, or over 4 GiB.
    """
    authority = sorted(directory)
    taken = {index for index, _ in authority}
    rows = sorted((index, id, raw) for index, id, raw in statements if index not in taken)
    known = _directory_keys((raw for _, raw in authority), origin)
    try:
        note = notes.keep_known(checkpoint, known)
        size = notes.open_checkpoint(notes.open_note(note).text).size
        older = sorted(_older_notes(history, known))
    except NoteError as wrong:
        raise DossierError(
            f"the directory lists no key of {origin} that signed its checkpoint: {wrong.message}",
            remedy="publish a directory version with the log's verifier keys",
        ) from wrong
    placed = sorted(
        [(index, statement_id(raw)) for index, raw in authority]
        + [(index, id) for index, id, _ in rows]
    )
    proofs = [
        canonical.encode(
            {
                "id": id,
                "index": index,
                "log": origin,
                "path": [b64encode(digest) for digest in path(index, size)],
            }
        )
        for index, id in placed
    ]
    shown = [raw for _, _, raw in rows if raw is not None]
    members = {
        "README.txt": README,
        "directory.jsonl": _joined(raw for _, raw in authority),
        "statements.jsonl": _joined(shown),
        "proofs.jsonl": _joined(proofs),
        "logs/0/checkpoint": note,
        "logs/0/history.jsonl": _joined(
            canonical.encode(
                {"checkpoint": kept.decode(), "path": [b64encode(digest) for digest in steps]}
            )
            for _, kept, steps in older
        ),
    }
    for digest, content in objects.items():
        members[f"objects/{digest}"] = content
    # Without a statement to show, nothing in the dossier would bear the case's id out.
    members["INDEX.json"] = _index(case if shown else None, [origin], members, len(shown))
    data = b"".join(_frame(members))
    open_dossier(data)  # what we hand out must open at the other end
    return data


def _older_notes(
    history: Iterable[tuple[bytes, Sequence[bytes]]], known: Sequence[notes.VerifierKey]
) -> Iterator[tuple[int, bytes, list[bytes]]]:
    """(size, note, path) of those that a key listed today signed: nobody could check the others."""
    for note, steps in history:
        with suppress(NoteError):
            kept = notes.keep_known(note, known)
            yield notes.open_checkpoint(notes.open_note(kept).text).size, kept, list(steps)


def _joined(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _directory_keys(envelopes: Iterable[bytes], origin: str) -> list[notes.VerifierKey]:
    """The log's own keys and all witnesses' keys in the newest directory among these."""
    newest = None
    for raw in envelopes:
        _, statement = open_statement(raw)
        if statement.kind == "directory":
            found = read_directory(statement.body)
            newest = found if newest is None or found.version > newest.version else newest
    return [] if newest is None else checkpoint_keys(newest, origin)


def checkpoint_keys(directory: Any, origin: str) -> list[notes.VerifierKey]:
    """The keys whose lines may stand on a checkpoint of `origin`: the log's and all witnesses'.

    Keys of kinds we do not know are passed over.
    """
    texts = list(directory.origins().get(origin, ()))
    texts += [
        text for party in directory.parties for node in party.nodes for text in node.witness_vkeys
    ]
    return notes.usable(texts)


def leaf_of(row: Row | Withheld) -> bytes:
    """The leaf hash of an entry, 32 bytes: the id is all that the log holds of it."""
    return merkle.leaf_hash(b"\x01" + bytes.fromhex(row.id))
