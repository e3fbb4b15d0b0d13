"""The witness: cosigns what only ever grew, and never two roots of one size.

Spec: C2SP tlog-witness v1.0.0 (at 5ba5ee83) and tlog-cosignature; record.md, "Witness". No I/O: the
door maps a refusal's word to its HTTP status, the store keeps what was cosigned.

    request   "old <size>\\n", at most 63 lines of base64 hashes, an empty line, the log's note
    answer    our two lines over the note's text, 0x04 and then 0x06

    malformed 400   unknown-origin 404   signature 403   old-size 400
    conflict 409 (the body is `size_body`)               inconsistent 422

Nobody needs to prove who sends a request: whoever holds a checkpoint may bring it. So a proof that
fails says nothing about the log by itself; only the log's signature on two histories does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from tocsin.canonical import b64decode, b64encode
from tocsin.errors import (
    CanonicalError,
    ConflictError,
    ForkError,
    NoteError,
    ProofError,
    WitnessRefused,
)
from tocsin.record import checkpoint as notes
from tocsin.record import merkle
from tocsin.record.fork import ForkProof, log_keys, prove_fork

MAX_PROOF_LINES = 63
MAX_REQUEST_BYTES = notes.MAX_NOTE_BYTES + 64 * 64
"""A note, an old size line, 63 hashes of 45 bytes each."""
SIZE_TYPE = "text/x.tlog.size"
"""Content type of a 409's body."""
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of the tree without leaves. Spec: RFC 6962 §2.1."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_TRIES = 16


# --- the request ------------------------------------------------------------------------------


class AddCheckpoint(Struct, frozen=True, kw_only=True):
    """A request to cosign a checkpoint. Nothing in it is checked but its form."""

    old_size: int
    """Of the checkpoint that the witness cosigned last; 0: it never did."""
    proof: tuple[bytes, ...]
    """The consistency proof from there, as RFC 6962 writes it; 32 bytes each, at most 63."""
    note: bytes
    """The log's signed note."""


def open_request(data: bytes) -> AddCheckpoint:
    """Parse the body of `add-checkpoint`.

    Raises:
        WitnessRefused: malformed.

    Spec: C2SP tlog-witness, "add-checkpoint".
    """
    return _open(data)[0]


def _open(data: bytes) -> tuple[AddCheckpoint, notes.Note, notes.Checkpoint]:
    if len(data) > MAX_REQUEST_BYTES:
        raise _malformed(f"a request of {len(data)} bytes, and {MAX_REQUEST_BYTES} are taken")
    head, _, note = data.partition(b"\n\n")
    try:
        rows = head.decode("ascii").split("\n")
    except UnicodeDecodeError as wrong:
        raise _malformed(f"a proof is ASCII, not byte {wrong.start}") from wrong
    first = rows.pop(0)
    number = first.removeprefix("old ")
    if not first.startswith("old ") or not _DECIMAL.fullmatch(number):
        raise _malformed(f"no old size line: {first[:40]!r}")
    if int(number) > merkle.MAX_SIZE:
        raise _malformed(f"no tree has {number} leaves")
    if len(rows) > MAX_PROOF_LINES:
        raise _malformed(f"a proof of {len(rows)} lines, and {MAX_PROOF_LINES} are taken")
    try:
        proof = tuple(b64decode(row) for row in rows)
        opened = notes.open_note(note)
        checkpoint = notes.open_checkpoint(opened.text)
    except (CanonicalError, NoteError) as wrong:
        raise _malformed(wrong.message) from wrong
    if any(len(digest) != merkle.HASH_BYTES for digest in proof):
        raise _malformed("a proof line is a hash of 32 bytes")
    return AddCheckpoint(old_size=int(number), proof=proof, note=note), opened, checkpoint


def write_request(old_size: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """The body of `add-checkpoint`; what `open_request` takes.

    Raises:
        WitnessRefused: it would not open again as the same.
    """
    rows = [f"old {old_size}", *(b64encode(digest) for digest in proof)]
    data = ("\n".join(rows) + "\n\n").encode() + note
    if open_request(data) != AddCheckpoint(old_size=old_size, proof=tuple(proof), note=note):
        raise _malformed("the request does not survive as bytes")
    return data


def open_answer(
    note: bytes, answer: bytes, known: Iterable[notes.VerifierKey]
) -> tuple[notes.NoteLine, ...]:
    """The lines of a witness's answer that known keys have made over `note`'s text, verified.

    Args:
        note: the checkpoint that was sent.
        answer: the body of a 200.
        known: the witness's verifier keys, kinds 0x04 and 0x06; lines of others are ignored.

    Raises:
        NoteError: malformed, a line of a known key fails, or none is of one.

    Spec: C2SP tlog-witness, "add-checkpoint": the answer is read as the note's signature lines.
    """
    known = [key for key in known if key.kind != notes.ED25519]
    text = notes.open_note(note).text
    signed = notes.open_note(text.encode() + b"\n" + answer)
    if signed.text != text:
        raise NoteError(
            "an answer of more than signature lines", remedy="ask the witness's owner to look at it"
        )
    notes.verify_note(signed, known)
    ids = {(key.name, key.keyid) for key in known}
    return tuple(line for line in signed.lines if (line.name, line.keyid) in ids)


def size_body(size: int) -> bytes:
    """The body of a 409: the size of the newest cosigned checkpoint."""
    return f"{size}\n".encode()


def open_size(data: bytes) -> int:
    """The size in a 409's body.

    Raises:
        NoteError: not a decimal number and a newline.
    """
    text = data[:32].decode("ascii", "replace")
    if not text.endswith("\n") or not _DECIMAL.fullmatch(text[:-1]):
        raise NoteError(
            f"no size: {text!r}", remedy="ask the witness's owner to look at its answers"
        )
    return int(text)


# --- what it remembers ------------------------------------------------------------------------


class Held(Struct, frozen=True, kw_only=True):
    """The newest checkpoint of one log that this witness has cosigned."""

    origin: str
    size: int
    root: bytes
    """32 bytes."""
    note: bytes
    """The log's own lines, then our two."""
    time: int
    """Of our lines, seconds since 1970 (UTC)."""


class WitnessState(Protocol):
    """What a witness remembers of each log."""

    def read(self, origin: str) -> Held | None:
        """What the last `advance` left; None before the first."""

    def advance(self, new: Held, expected: Held | None) -> None:
        """Replace what is held of `new.origin` by `new`, durably before this returns.

        Owes: compare and set in one step. If what is held is not `expected` (None: nothing),
        nothing changes. Two calls with one `expected` never both succeed.

        Raises:
            ConflictError: another request was first.
        """


class Conflict(Struct, frozen=True, kw_only=True):
    """A log-signed request that does not go with what this witness has cosigned. Evidence."""

    origin: str
    why: Literal["root", "proof"]
    """`root`: two roots of one size, which is a fork. `proof`: the proof fails, which anybody can
    bring about with a checkpoint of an honest log; ask the log's tiles before you say more."""
    held: Held
    note: bytes
    """The log's note, with its own verified lines only."""
    old_size: int
    proof: tuple[bytes, ...]

    @property
    def fork(self) -> ForkProof | None:
        """The fork proof that these two notes and this proof make as they are; None if they do not.

        Where it is None, `gossip` with a path out of the tiles of the larger note can say.
        """
        try:
            return prove_fork(self.held.note, self.note, self.proof if self.why == "proof" else ())
        except ForkError:
            return None


# --- the witness ------------------------------------------------------------------------------


class CosignatureSigner(Protocol):
    """Both keys of a witness; `keys.WitnessSigner` is one."""

    name: str
    public: bytes
    mldsa_public: bytes

    def sign_ed25519(self, message: bytes) -> bytes:
        """64 bytes."""

    def sign_mldsa(self, message: bytes) -> bytes:
        """2,420 bytes, empty context."""


class Witness:
    """Cosigns checkpoints of the logs it knows. Safe to call from many threads at once.

    Args:
        signer: the witness's two keys.
        state: what it remembers.
        logs: origin → the log's verifier keys; none: the origin is unknown.
        clock: aware UTC now.
        stopped: whether an origin is cosigned no more, because a fork of it is known.
        conflict: is handed what a request proves or leaves open against its log, before the
            refusal. May be called more than once for one thing.
        origins: all origins known, for `checkpoint`.
    """

    def __init__(
        self,
        signer: CosignatureSigner,
        state: WitnessState,
        logs: Callable[[str], Sequence[notes.VerifierKey]],
        clock: Callable[[], datetime],
        stopped: Callable[[str], bool],
        conflict: Callable[[Conflict], None],
        *,
        origins: Callable[[], Iterable[str]],
    ) -> None:
        self._signer = signer
        self._state = state
        self._logs = logs
        self._clock = clock
        self._stopped = stopped
        self._conflict = conflict
        self._origins = origins

    def add_checkpoint(self, data: bytes) -> bytes:
        """Cosign the checkpoint in a request, if it is one history with the last one.

        Args:
            data: the request's body.

        Returns:
            Our two signature lines, 0x04 and 0x06. What they cover is durably held by then.

        Raises:
            WitnessRefused: not cosigned; `status` says why.
            StoreError: what was to be held cannot be kept; nothing is cosigned.

        Spec: C2SP tlog-witness, "add-checkpoint".
        """
        request, note, head = _open(data)
        mine = self._own_lines(note, head.origin)
        if request.old_size > head.size:
            raise WitnessRefused(
                f"old size {request.old_size} is over the checkpoint's size {head.size}",
                remedy="send the proof from the size that this witness cosigned last",
                status="old-size",
            )
        if self._stopped(head.origin):
            raise WitnessRefused(
                f"{head.origin} has signed two histories, and is cosigned no more",
                remedy="look at the fork proof; an honest owner starts a new log: "
                "tocsin key rotate --log",
                status="inconsistent",
            )
        for _ in range(_TRIES):
            held = self._state.read(head.origin)
            self._check(request, head, mine, held)
            new, answer = self._cosign(head, mine, held)
            try:
                self._state.advance(new, held)
            except ConflictError:
                # Another request was first. Its signatures are out, ours are dropped here.
                continue
            return answer
        last = self._state.read(head.origin)
        raise _conflict(head.origin, last.size if last is not None else 0)

    def checkpoint(self, origin_hash: str) -> bytes:
        """The newest checkpoint cosigned of a log, as a note with the log's lines and ours.

        Args:
            origin_hash: SHA-256 of the origin, lower-case hex.

        Raises:
            WitnessRefused: `unknown-origin`; it was never cosigned here, or is not known.

        Spec: C2SP tlog-witness, "Monitor retrieval".
        """
        for origin in self._origins():
            if hashlib.sha256(origin.encode()).hexdigest() == origin_hash:
                held = self._state.read(origin)
                if held is not None:
                    return held.note
        raise WitnessRefused(
            f"no checkpoint of a log with the hash {origin_hash[:64]!r} is held here",
            remedy="ask for the lower-case hex SHA-256 of the log's origin",
            status="unknown-origin",
        )

    def _own_lines(self, note: notes.Note, origin: str) -> list[notes.NoteLine]:
        """The log's own lines, verified, one for each key."""
        known = log_keys(origin, self._logs(origin))
        if not known:
            raise WitnessRefused(
                f"the log {origin[:200]!r} is not known here",
                remedy="have its party listed in the directory, with the log's verifier keys",
                status="unknown-origin",
            )
        try:
            notes.verify_note(note, known)
        except NoteError as wrong:
            raise WitnessRefused(wrong.message, remedy=wrong.remedy, status="signature") from wrong
        ids = {(key.name, key.keyid) for key in known}
        mine = {(x.name, x.keyid): x for x in note.lines if (x.name, x.keyid) in ids}
        return list(mine.values())

    def _check(
        self,
        request: AddCheckpoint,
        head: notes.Checkpoint,
        mine: Sequence[notes.NoteLine],
        held: Held | None,
    ) -> None:
        """Return if `head` is one history with what is held.

        Raises:
            WitnessRefused: conflict or inconsistent.
        """
        size = 0 if held is None else held.size
        if held is not None and 0 < head.size == held.size and head.root != held.root:
            # Before the old size is looked at: two roots of one size are a fork, whatever is asked.
            self._keep("root", request, head, mine, held)
        if request.old_size != size:
            raise _conflict(head.origin, size)
        try:
            _check_consistent(request, head, held)
        except ProofError as wrong:
            if held is not None and 0 < held.size < head.size:
                self._keep("proof", request, head, mine, held)
            raise WitnessRefused(
                f"{head.origin}: {wrong.message}", remedy=wrong.remedy, status="inconsistent"
            ) from wrong

    def _keep(
        self,
        why: Literal["root", "proof"],
        request: AddCheckpoint,
        head: notes.Checkpoint,
        mine: Sequence[notes.NoteLine],
        held: Held,
    ) -> None:
        self._conflict(
            Conflict(
                origin=head.origin,
                why=why,
                held=held,
                note=notes.write_note(head.text, mine),
                old_size=request.old_size,
                proof=request.proof,
            )
        )

    def _cosign(
        self, head: notes.Checkpoint, mine: Sequence[notes.NoteLine], held: Held | None
    ) -> tuple[Held, bytes]:
        now = int(self._clock().timestamp())
        # A clock that was set back must not make an older time stand on a newer checkpoint.
        time = max(now, held.time if held is not None else 0)
        signer = self._signer
        try:
            lines = [
                notes.cosign_ed25519(head, signer.name, signer.public, signer.sign_ed25519, time),
                notes.cosign_mldsa(head, signer.name, signer.mldsa_public, signer.sign_mldsa, time),
            ]
            note = notes.write_note(head.text, [*mine, *lines])
        except NoteError as wrong:
            # An origin too long for a 0x06 line: such a log cannot be cosigned here at all.
            raise _malformed(wrong.message) from wrong
        new = Held(origin=head.origin, size=head.size, root=head.root, note=note, time=time)
        return new, "".join(line.text for line in lines).encode()


def _check_consistent(request: AddCheckpoint, head: notes.Checkpoint, held: Held | None) -> None:
    """Spec: C2SP tlog-witness; RFC 6962 §2.1.2. The old size is that of `held` by now.

    Raises:
        ProofError: the request does not show that the log only grew.
    """
    if head.size == 0 and head.root != EMPTY_ROOT:
        raise ProofError(
            f"size 0 with root {head.root.hex()}, and the empty tree has {EMPTY_ROOT.hex()}",
            remedy="sign the hash of the empty string at size 0, or nothing before the first entry",
        )
    if held is None or held.size == 0:
        if request.proof:
            raise ProofError(
                f"a proof of {len(request.proof)} hashes from size 0",
                remedy="send none: every tree appends to the empty one",
            )
        return
    merkle.verify_consistency(held.size, head.size, held.root, head.root, request.proof)


def _malformed(message: str) -> WitnessRefused:
    return WitnessRefused(
        f"add-checkpoint: {message}",
        remedy="send it as C2SP tlog-witness says: old size, proof, empty line, checkpoint",
        status="malformed",
    )


def _conflict(origin: str, size: int) -> WitnessRefused:
    return WitnessRefused(
        f"the newest checkpoint of {origin} cosigned here has size {size}",
        remedy=f"send the proof from size {size}",
        status="conflict",
        size=size,
    )
