"""The audit of a whole log: what it passes, and what it names when a byte has changed."""

from __future__ import annotations

from hashlib import sha256

import pytest

from tocsin.record import checkpoint as notes
from tocsin.record import merkle, tiles
from tocsin.record.audit import MAX_PROBLEMS, Audit, audit
from tocsin.record.keys import LogSigner

ORIGIN = "cert.northland.example/log"
LOG = LogSigner.from_seeds(ORIGIN, b"\x01" * 32, b"\x02" * 32)
KEYS = [notes.open_vkey(text) for text in LOG.vkeys()]
SIZE = 700  # two full bundles and a partial one; a level above


def commitment(number: int) -> bytes:
    return sha256(number.to_bytes(8, "big")).digest()


def published(size: int, origin: str = ORIGIN) -> tuple[bytes, dict[str, bytes]]:
    """A checkpoint and everything a log of that size publishes."""
    entries = [b"\x01" + commitment(number) for number in range(size)]
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    nothing: dict[str, bytes] = {}
    files = dict(tiles.new_tiles(0, size, nothing.__getitem__, leaves))
    files.update(tiles.new_bundles(0, size, nothing.__getitem__, entries))
    head = notes.Checkpoint(origin=origin, size=size, root=merkle.root_of(leaves))
    signer = LOG if origin == ORIGIN else LogSigner.from_seeds(origin, b"\x03" * 32, b"\x04" * 32)
    return notes.sign_checkpoint(head, signer, 1_800_000_000), files


NOTE, FILES = published(SIZE)


def changed(path: str, at: int) -> dict[str, bytes]:
    data = bytearray(FILES[path])
    data[at] ^= 1
    return {**FILES, path: bytes(data)}


def steps(found: Audit) -> list[str]:
    return [problem.step for problem in found.problems]


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, 65_536, 65_537])
def test_an_honest_log_of_any_size_passes_whole(size: int) -> None:
    note, files = published(size)
    found = audit(note, files.get, KEYS)
    assert found.ok
    assert (found.size, found.entries) == (size, size)
    assert found.signatures == ("ed25519", "ml-dsa-44")
    hashes = [path for path in files if not path.startswith("tile/entries")]
    assert found.tiles == len(hashes)


def test_a_changed_entry_is_named_with_its_index_and_both_hashes() -> None:
    found = audit(NOTE, changed("tile/entries/001", 35 * 44 + 10).get, KEYS)
    first = found.problems[0]
    assert (first.step, first.index) == ("leaves", 256 + 44)
    right = merkle.leaf_hash(b"\x01" + commitment(256 + 44)).hex()
    assert right in first.detail
    assert steps(found)[-1] == "root"


def test_an_entry_changed_together_with_its_leaf_is_seen_one_level_up() -> None:
    files = changed("tile/entries/000", 35 * 7 + 3)
    entry = tiles.open_bundle(files["tile/entries/000"])[7]
    tile = bytearray(files["tile/0/000"])
    tile[7 * 32 : 8 * 32] = merkle.leaf_hash(entry)
    found = audit(NOTE, {**files, "tile/0/000": bytes(tile)}.get, KEYS)
    assert steps(found) == ["tiles", "root"]


def test_every_single_bit_of_a_small_log_matters() -> None:
    note, files = published(5)
    for path, data in files.items():
        for at in range(len(data)):
            broken = bytearray(data)
            broken[at] ^= 0x40
            assert not audit(note, {**files, path: bytes(broken)}.get, KEYS).ok, (path, at)


@pytest.mark.parametrize("path", sorted(FILES))
def test_a_missing_tile_or_bundle_is_named(path: str) -> None:
    rest = {name: data for name, data in FILES.items() if name != path}
    found = audit(NOTE, rest.get, KEYS)
    assert [problem.where for problem in found.problems] == [path]


@pytest.mark.parametrize("cut", [1, 31, 35])
def test_a_tile_or_bundle_of_another_length_is_refused(cut: int) -> None:
    for path, data in FILES.items():
        assert not audit(NOTE, {**FILES, path: data[:-cut]}.get, KEYS).ok
        assert not audit(NOTE, {**FILES, path: data + data[:cut]}.get, KEYS).ok


def test_a_statement_logged_twice_is_named() -> None:
    entries = [b"\x01" + commitment(number % 3) for number in range(4)]
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    nothing: dict[str, bytes] = {}
    files = dict(tiles.new_tiles(0, 4, nothing.__getitem__, leaves))
    files.update(tiles.new_bundles(0, 4, nothing.__getitem__, entries))
    head = notes.Checkpoint(origin=ORIGIN, size=4, root=merkle.root_of(leaves))
    found = audit(notes.sign_checkpoint(head, LOG, 1), files.get, KEYS)
    assert [problem.index for problem in found.problems] == [3]


def test_an_earlier_checkpoint_of_the_same_history_is_confirmed() -> None:
    older = [published(size)[0] for size in (1, 256, 300, 512, SIZE)]
    found = audit(NOTE, FILES.get, KEYS, older=older)
    assert found.ok
    assert found.older == (1, 256, 300, 512, SIZE)


@pytest.mark.parametrize("size", [1, 256, 300, SIZE])
def test_an_earlier_checkpoint_of_another_history_is_refused(size: int) -> None:
    head = notes.Checkpoint(origin=ORIGIN, size=size, root=b"\x07" * 32)
    older = [notes.sign_checkpoint(head, LOG, 1)]
    assert "older" in steps(audit(NOTE, FILES.get, KEYS, older=older))


def test_a_log_that_has_shrunk_is_refused() -> None:
    note, files = published(300)
    [problem] = audit(note, files.get, KEYS, older=[NOTE]).problems
    assert problem.detail == "size went from 700 to 300"


def test_what_the_store_holds_must_be_what_is_published() -> None:
    def kept(start: int, count: int) -> list[bytes]:
        return [commitment(number) for number in range(start, min(start + count, 650))]

    found = audit(NOTE, FILES.get, KEYS, commitments=kept)
    assert found.problems[0].index == 650
    assert "the store holds nothing" in found.problems[0].detail


def test_a_checkpoint_of_nobody_known_anchors_nothing() -> None:
    note, files = published(3, "elsewhere.example/log")
    assert steps(audit(note, files.get, KEYS)) == ["checkpoint"]
    assert steps(audit(b"no note", files.get, KEYS)) == ["checkpoint"]


def test_of_a_log_that_is_all_wrong_the_first_hundred_problems_are_told() -> None:
    found = audit(NOTE, {**FILES, "tile/entries/000": b"\x00\x21\x01" * 9}.get, KEYS)
    assert 0 < len(found.problems) <= MAX_PROBLEMS
    twice = b"\x00\x21\x01" + b"\x05" * 32
    found = audit(NOTE, {**FILES, "tile/entries/000": twice * 256}.get, KEYS)
    assert len(found.problems) == MAX_PROBLEMS
    assert found.more > 100


def test_progress_counts_up_to_all_entries() -> None:
    told: list[tuple[int, int]] = []
    audit(NOTE, FILES.get, KEYS, progress=lambda done, of: told.append((done, of)))
    assert told == [(256, SIZE), (512, SIZE), (700, SIZE)]


def test_a_log_that_goes_back_to_nothing_is_told() -> None:
    for root, wrong in ((sha256(b"").digest(), ["older"]), (b"\5" * 32, ["older", "root"])):
        head = notes.Checkpoint(origin=ORIGIN, size=0, root=root)
        note = notes.sign_checkpoint(head, LOG, 1_800_000_000)
        assert steps(audit(note, FILES.get, KEYS, older=[NOTE])) == wrong


def test_a_log_that_says_a_size_without_end_ends_the_audit_soon() -> None:
    asked: list[str] = []

    def read(path: str) -> bytes | None:
        asked.append(path)
        return FILES.get(path)

    head = notes.Checkpoint(origin=ORIGIN, size=2**60, root=b"\5" * 32)
    found = audit(notes.sign_checkpoint(head, LOG, 1_800_000_000), read, KEYS)
    assert not found.ok
    assert len(asked) < 3 * MAX_PROBLEMS
