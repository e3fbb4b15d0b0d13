"""Tiles: their paths and widths as specified, and a tree read back out of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tocsin.errors import ProofError
from tocsin.record import merkle, tiles

Corpus = Callable[[str], Path]

ENTRIES = [b"\x01" + n.to_bytes(32, "big") for n in range(70_000)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]


def _nothing(path: str) -> bytes:
    raise AssertionError(path)


def _grow(*sizes: int) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    old = 0
    for size in sizes:
        made = tiles.new_tiles(old, size, files.__getitem__, LEAVES[old:size])
        made += tiles.new_bundles(old, size, files.__getitem__, ENTRIES[old:size])
        for path, data in made:
            assert files.setdefault(path, data) == data
        old = size
    return files


def test_paths_and_widths_are_those_of_the_specification(corpus: Corpus) -> None:
    case = json.loads(corpus("record/c2sp/tile-paths.json").read_text())
    for index, path in case["index"].items():
        assert tiles.number_path(int(index)) == path
    for row in case["partial_widths"]:
        made = [tiles.open_path(path) for path in _grow(row["size"])]
        for level in range(4):
            widths = [one.width for one in made if one.level == level]
            wanted = row.get(f"level{level}", {"full": 0, "partial": 0})
            assert widths.count(tiles.WIDTH) == wanted["full"]
            partial = [width for width in widths if width < tiles.WIDTH]
            assert partial == ([wanted["partial"]] if wanted["partial"] else [])


def test_seventy_thousand_leaves_make_the_tiles_of_the_specification() -> None:
    files = _grow(70_000)
    names = [name for name in files if not name.startswith("tile/entries")]
    assert sum(name.startswith("tile/0/") for name in names) == 274
    assert len(files["tile/0/273.p/112"]) == 112 * 32
    assert len(files["tile/1/000"]) == 8192
    assert len(files["tile/1/001.p/17"]) == 17 * 32
    assert files["tile/2/000.p/1"] == merkle.perfect_root(LEAVES[:65_536])
    assert len(files["tile/entries/000"]) == 8960


def test_a_tree_of_256_has_a_full_tile_and_one_hash_above() -> None:
    files = _grow(256)
    assert sorted(files) == ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]


def test_growing_in_steps_ends_in_the_same_full_tiles_as_at_once() -> None:
    steps = _grow(1, 255, 256, 257, 511, 65_535, 65_536, 65_537, 70_000)
    for path, data in _grow(70_000).items():
        assert steps[path] == data


def test_proofs_out_of_tiles_hold_against_the_root() -> None:
    for size in (1, 2, 255, 256, 257, 1000, 65_536, 65_537, 70_000):
        files = _grow(size)
        root = merkle.root_of(LEAVES[:size])
        for index in {0, size // 2, size - 1}:
            reader = tiles.HashReader(size, files.__getitem__)
            path = merkle.inclusion_path(index, size, reader)
            merkle.verify_inclusion(LEAVES[index], index, size, path, root)
        old = max(1, size // 3)
        reader = tiles.HashReader(size, files.__getitem__)
        path = merkle.consistency_path(old, size, reader)
        merkle.verify_consistency(old, size, merkle.root_of(LEAVES[:old]), root, path)


def test_a_tile_of_the_wrong_length_is_refused() -> None:
    files = _grow(300)
    files["tile/0/001.p/44"] = files["tile/0/001.p/44"][:-1]
    with pytest.raises(ProofError, match="tile 0/1 has 1407 bytes"):
        merkle.inclusion_path(299, 300, tiles.HashReader(300, files.__getitem__))
    with pytest.raises(ProofError, match="tile 0/1"):
        tiles.new_tiles(300, 301, files.__getitem__, LEAVES[300:301])


def test_hashes_that_are_not_in_the_tree_are_refused() -> None:
    reader = tiles.HashReader(300, _nothing)
    for level, index in ((0, 300), (9, 0), (-1, 0), (0, -1)):
        with pytest.raises(ProofError, match="no subtree"):
            reader(level, index)


def test_a_growth_with_the_wrong_number_of_leaves_is_refused() -> None:
    with pytest.raises(ProofError, match="do not lead"):
        tiles.new_tiles(3, 5, _nothing, LEAVES[:1])
    with pytest.raises(ProofError, match="do not lead"):
        tiles.new_bundles(5, 3, _nothing, [])
    assert tiles.new_tiles(3, 3, _nothing, []) == []
    assert tiles.new_bundles(3, 3, _nothing, []) == []


def test_a_broken_bundle_is_refused() -> None:
    good = tiles.write_bundle(ENTRIES[:256])
    assert tiles.open_bundle(good) == ENTRIES[:256]
    assert tiles.open_bundle(b"") == []
    for bad in (good[:-1], good + b"\x00", good + tiles.write_bundle(ENTRIES[:1])):
        with pytest.raises(ProofError, match="breaks at byte"):
            tiles.open_bundle(bad)
    with pytest.raises(ProofError, match="fits no bundle"):
        tiles.write_bundle([b"x" * 65_536])


@pytest.mark.parametrize("path", ["tile/0/000", "tile/63/x001/x234/067.p/255", "tile/entries/005"])
def test_a_tile_path_comes_back_from_what_it_says(path: str) -> None:
    found = tiles.open_path(path)
    if found.level is None:
        assert tiles.entries_path(found.number, found.width) == path
    else:
        assert tiles.tile_path(found.level, found.number, found.width) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/64/000",
        "tile/00/000",
        "tile/0/1",
        "tile/0/x000/001",
        "tile/0/001/234",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000/",
        "tile/0/../../etc/passwd",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "/tile/0/000",
        "tile/data/000",
        "tile/0/" + "x001/" * 40 + "000",
    ],
)
def test_no_other_spelling_of_a_tile_path_is_taken(path: str) -> None:
    with pytest.raises(ProofError):
        tiles.open_path(path)


def test_tiles_that_cannot_be_named_are_refused() -> None:
    for level, number, width in ((64, 0, 256), (0, -1, 256), (0, 0, 0), (0, 0, 257)):
        with pytest.raises(ProofError):
            tiles.tile_path(level, number, width)
