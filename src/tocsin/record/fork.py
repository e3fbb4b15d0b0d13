"""Fork proofs: two checkpoints, signed by one log, of which one history cannot hold both.

Spec: record.md, "Fork proof". The file is canonical JSON:

    {"a":note,"b":note,"kind":"fork-proof","origin":…,"proof":[b64…],"v":1}

with sizes m <= n of the notes a and b. m = n: the roots differ and `proof` is empty. m < n: `proof`
is the consistency path from m to n, always with the hash of the first subtree; it leads to b's root
and, at m, to a root that is not a's. RFC 6962 leaves that first hash out where m is a power of two,
because there it is the old root itself: with the old root taken from `a`, nothing could differ.

Nobody can frame a log. Every hash of the path goes into b's root, so with an unbroken SHA-256 each
is the hash of that part of the tree which the log signed as b; the root at m follows from them, and
a log that only appends has signed no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from tocsin import canonical
from tocsin.canonical import b64decode, b64encode
from tocsin.errors import CanonicalError, ForkError, NoteError, ProofError
from tocsin.record import checkpoint as notes
from tocsin.record import merkle
from tocsin.record.tiles import HashReader

MEDIA_TYPE = "application/vnd.tocsin.fork-proof+json"
KIND = "fork-proof"
LOG_KINDS = (notes.ED25519, notes.ML_DSA_44)
"""The kinds of keys with which a log signs its checkpoints."""
MAX_FORK_BYTES = 4 * notes.MAX_NOTE_BYTES + 8 * 1024
"""Two notes in which every character may need an escape, and a path."""

_FIELDS = {"a", "b", "kind", "origin", "proof", "v"}
_REMEDY = "keep both checkpoints; ask whoever made the proof for it again, byte for byte"


class ForkProof(Struct, frozen=True, kw_only=True):
    """Evidence that one log signed two histories. Worth nothing before `verify_fork`."""

    origin: str
    a: bytes
    """The note with the smaller size, or the first of two with one size."""
    b: bytes
    proof: tuple[bytes, ...] = ()
    """32 bytes each; empty where the sizes are equal."""


def log_keys(origin: str, keys: Iterable[notes.VerifierKey]) -> list[notes.VerifierKey]:
    """Those of `keys` with which the log `origin` may sign: under its own name, kinds 1 and 6."""
    return [key for key in keys if key.name == origin and key.kind in LOG_KINDS]


def signed_by(data: bytes, keys: Iterable[notes.VerifierKey]) -> notes.Checkpoint:
    """The checkpoint in a note that its own log has signed with one of `keys`.

    Raises:
        NoteError: no checkpoint, a line of a key of this log fails, or none is of one.
    """
    note = notes.open_note(data)
    head = notes.open_checkpoint(note.text)
    notes.verify_note(note, log_keys(head.origin, keys))
    return head


def write_fork(fork: ForkProof) -> bytes:
    """The proof as a file; what `open_fork` takes.

    Raises:
        ForkError: it would not open again as the same.
    """
    try:
        value = {
            "a": fork.a.decode(),
            "b": fork.b.decode(),
            "kind": KIND,
            "origin": fork.origin,
            "proof": [b64encode(digest) for digest in fork.proof],
            "v": 1,
        }
        data = canonical.encode(value)
    except (CanonicalError, UnicodeDecodeError) as wrong:
        raise ForkError(f"fork proof: {wrong}", remedy=_REMEDY) from wrong
    if open_fork(data) != fork:
        raise ForkError("the fork proof does not survive as a file", remedy=_REMEDY)
    return data


def open_fork(data: bytes) -> ForkProof:
    """Parse a fork proof; its form is checked, its signatures are not.

    Raises:
        ForkError: not exactly the format, notes that are no checkpoints of `origin`, or a path
            that does not show two histories.
    """
    if len(data) > MAX_FORK_BYTES:
        raise ForkError(
            f"a fork proof of {len(data)} bytes, and {MAX_FORK_BYTES} are taken", remedy=_REMEDY
        )
    try:
        value = canonical.decode(data)
        fork = _read(value)
    except CanonicalError as wrong:
        raise ForkError(f"fork proof: {wrong.message}", remedy=wrong.remedy) from wrong
    _check(fork)
    return fork


def _read(value: Any) -> ForkProof:
    if type(value) is not dict or value.keys() != _FIELDS:
        raise ForkError(
            f"a fork proof has the fields {', '.join(sorted(_FIELDS))}, and no others",
            remedy=_REMEDY,
        )
    texts = [value["a"], value["b"], value["kind"], value["origin"]]
    if any(type(text) is not str for text in texts) or type(value["v"]) is not int:
        raise ForkError("fork proof: a field of the wrong type", remedy=_REMEDY)
    if value["kind"] != KIND or value["v"] != 1:
        raise ForkError(
            f"a {value['kind'][:40]!r} of version {value['v']}, not a fork proof of version 1",
            remedy="open it with the version of tocsin that wrote it",
        )
    rows = value["proof"]
    if type(rows) is not list or any(type(row) is not str for row in rows):
        raise ForkError("fork proof: the path is no list of hashes", remedy=_REMEDY)
    return ForkProof(
        origin=value["origin"],
        a=value["a"].encode(),
        b=value["b"].encode(),
        proof=tuple(b64decode(row) for row in rows),
    )


def prove_fork(a: bytes, b: bytes, path: Sequence[bytes] = ()) -> ForkProof:
    """A fork proof from two notes of one log and a path that already shows it.

    Args:
        a: a signed note; the order of the two does not matter.
        b: the other.
        path: from the smaller size to the larger, as `fork_path` gives it. The proof of a witness
            request serves too, unless its old size is a power of two. Empty for equal sizes.

    Raises:
        ForkError: they and this path prove no fork. They may be one all the same: derive
            the path from the tiles of the larger one, with `fork_path`.
    """
    first, second = _checkpoint(a), _checkpoint(b)
    if first.size > second.size:
        a, b, first, second = b, a, second, first
    fork = ForkProof(origin=first.origin, a=a, b=b, proof=tuple(path))
    _check(fork)
    return fork


def verify_fork(
    fork: ForkProof, keys: Iterable[notes.VerifierKey]
) -> tuple[notes.Checkpoint, notes.Checkpoint]:
    """Check that the log has signed both notes and that one history cannot hold both.

    Args:
        fork: the proof.
        keys: verifier keys the reader trusts, of any logs and witnesses. Only those with the
            origin's own name and of a log's kind count.

    Returns:
        What the log said: the checkpoints of `a` and `b`.

    Raises:
        ForkError: a signature is missing or fails, or nothing is proven.
    """
    a, b = _check(fork)
    mine = log_keys(fork.origin, keys)
    for which, data in (("a", fork.a), ("b", fork.b)):
        try:
            notes.verify_note(notes.open_note(data), mine)
        except NoteError as wrong:
            raise ForkError(f"note {which}: {wrong.message}", remedy=wrong.remedy) from wrong
    return a, b


def own_lines(fork: ForkProof, keys: Iterable[notes.VerifierKey]) -> ForkProof:
    """The same proof with the log's own lines only: what others have put beside them, in whatever
    size, proves nothing and is not kept. `verify_fork` has passed it.
    """
    mine = {(key.name, key.keyid) for key in log_keys(fork.origin, keys)}

    def trimmed(data: bytes) -> bytes:
        note = notes.open_note(data)
        lines = {(x.name, x.keyid): x for x in note.lines if (x.name, x.keyid) in mine}
        return notes.write_note(note.text, list(lines.values()))

    return ForkProof(origin=fork.origin, a=trimmed(fork.a), b=trimmed(fork.b), proof=fork.proof)


def _check(fork: ForkProof) -> tuple[notes.Checkpoint, notes.Checkpoint]:
    """Everything but the signatures."""
    a, b = _checkpoint(fork.a), _checkpoint(fork.b)
    for head in (a, b):
        if head.origin != fork.origin:
            raise ForkError(
                f"a checkpoint of {head.origin!r} in a fork proof about {fork.origin!r}",
                remedy=_REMEDY,
            )
    if not 1 <= a.size <= b.size:
        raise ForkError(
            f"sizes {a.size} and {b.size}: a fork proof has the smaller one first, and no size 0",
            remedy=_REMEDY,
        )
    if a.size == b.size:
        if fork.proof:
            raise ForkError(
                f"sizes are equal ({a.size}), and yet the path has {len(fork.proof)} hashes",
                remedy=_REMEDY,
            )
        found = b.root
    else:
        try:
            found, new = merkle.roots_from_consistency(a.size, b.size, fork.proof)
        except ProofError as wrong:
            raise ForkError(f"fork proof: {wrong.message}", remedy=wrong.remedy) from wrong
        if new != b.root:
            raise ForkError(
                f"the path leads to root {new.hex()} at size {b.size}, not {b.root.hex()}",
                remedy="derive the path from the tiles of the larger checkpoint",
            )
    if found == a.root:
        raise ForkError(
            f"sizes {a.size} and {b.size} of {a.origin} are one history: no fork",
            remedy="drop it; the log has done nothing wrong here",
        )
    return a, b


def _checkpoint(data: bytes) -> notes.Checkpoint:
    try:
        return notes.open_checkpoint(notes.open_note(data).text)
    except NoteError as wrong:
        raise ForkError(f"fork proof: {wrong.message}", remedy=wrong.remedy) from wrong


def fork_path(reader: HashReader | merkle.GetHash, old_size: int, new_size: int) -> list[bytes]:
    """The path from one size to another out of tiles, always with the first subtree's hash.

    Args:
        reader: hashes of the tree of `new_size` leaves.
        old_size: at least 1.
        new_size: at least `old_size`; empty path where they are equal.

    Raises:
        ProofError: the sizes are out of order, or whatever the reader raises.
    """
    path = merkle.consistency_path(old_size, new_size, reader)
    if old_size != new_size and old_size & (old_size - 1) == 0:
        path.insert(0, reader(old_size.bit_length() - 1, 0))
    return path
