"""Sweeping files: what is read, how, in which order, and what is said of the rest."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from tocsin.errors import UnreadableError
from tocsin.flows import hunt, hunt_files
from tocsin.flows.hunt import sweep
from tocsin.sweep.tokens import Needle, Needles

LURE = "lure-portal.example"


def armed(*values: str, kind: str = "domain") -> Needles:
    return Needles.build(
        [Needle(kind=kind, value=value, indicator=f"i:{value}") for value in values or (LURE,)],
        seed=1,
    )


def line(number: int, name: str = LURE) -> bytes:
    return f"row {number} query {name} done\n".encode()


def plain(found: hunt.Sweep) -> list[tuple[str, int, int]]:
    return [(Path(hit.path).name, hit.line, hit.offset) for hit in found.hits]


def test_hits_come_by_path_offset_and_indicator(tmp_path: Path) -> None:
    (tmp_path / "b.log").write_bytes(line(1) + b"\n" + line(2))
    (tmp_path / "a.log").write_bytes(b"x\n" + line(1))
    found = sweep([str(tmp_path)], armed())
    assert plain(found) == [("a.log", 2, 14), ("b.log", 1, 12), ("b.log", 3, 50)]
    assert found.summary.files == 2
    assert found.summary.hits == 3
    assert found.summary.complete
    assert found.summary.note == "No hit is not clean: read what was not covered."


def test_a_path_given_twice_is_swept_once(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(line(1))
    found = sweep([str(tmp_path), str(tmp_path / "a.log"), str(tmp_path)], armed())
    assert found.summary.hits == 1


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.log.gz", lambda data: gzip.compress(data[:60]) + gzip.compress(data[60:])),
        ("a.log.zst", lambda data: _zstd(data[:60]) + _zstd(data[60:])),
        ("a.log.bz2", lambda data: bz2.compress(data[:60]) + bz2.compress(data[60:])),
        ("a.log.xz", lambda data: lzma.compress(data[:60]) + lzma.compress(data[60:])),
        ("no-ending", lambda data: gzip.compress(data) + bytes(512)),
    ],
)
def test_every_member_of_a_rotated_log_is_read(
    tmp_path: Path, name: str, pack: type[bytes]
) -> None:
    text = b"".join(line(number) for number in range(50))
    (tmp_path / "plain").write_bytes(text)
    (tmp_path / name).write_bytes(pack(text))
    found = sweep([str(tmp_path)], armed())
    assert found.summary.hits == 100
    packed = [(hit.line, hit.offset) for hit in found.hits if hit.path.endswith(name)]
    assert packed == [(hit.line, hit.offset) for hit in found.hits if hit.path.endswith("plain")]
    assert found.summary.complete
    assert found.summary.decompressed == 1


def _bzip2(data: bytes) -> bytes:
    return bz2.compress(data, 1)


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize("pack", [gzip.compress, _zstd, _bzip2, lzma.compress])
def test_a_truncated_archive_keeps_what_there_was_and_says_so(
    tmp_path: Path, pack: type[bytes]
) -> None:
    noise = b"".join(os.urandom(30).hex().encode() + b"\n" for _ in range(5_000))
    data = pack(line(1) + noise)
    (tmp_path / "a").write_bytes(data[: len(data) - len(data) // 8])
    found = sweep([str(tmp_path)], armed())
    assert plain(found) == [("a", 1, 12)]
    [gap] = found.summary.not_covered
    assert gap.kind == "failed"
    assert "ends early" in gap.why
    assert 0 < gap.covered < len(noise)
    assert not found.summary.complete


def test_a_damaged_archive_keeps_what_came_before_the_damage(tmp_path: Path) -> None:
    noise = b"".join(os.urandom(30).hex().encode() + b"\n" for _ in range(5_000))
    data = bytearray(gzip.compress(line(1) + noise))
    data[-40_000:-39_000] = bytes(1_000)
    (tmp_path / "a.gz").write_bytes(data)
    found = sweep([str(tmp_path)], armed())
    assert len(found.hits) == 1
    assert "damaged in member 1" in found.summary.not_covered[0].why


def test_what_follows_an_archive_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(line(1)) + b"and plain text\n" + line(2))
    found = sweep([str(tmp_path)], armed())
    assert len(found.hits) == 1
    assert "something else follows" in found.summary.not_covered[0].why


@pytest.mark.parametrize("pack", [gzip.compress, _zstd, bz2.compress, lzma.compress])
def test_a_bomb_is_left_at_the_limit(tmp_path: Path, pack: type[bytes]) -> None:
    (tmp_path / "a").write_bytes(pack(line(1) + bytes(4 << 20)))
    found = sweep([str(tmp_path)], armed(), max_expansion=20)
    assert len(found.hits) == 1
    assert "expands more than 20 times" in found.summary.not_covered[0].why
    assert found.summary.bytes <= 1 << 20


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.log").write_bytes(line(1))
    tally = hunt_files.Tally(not_covered=[])
    files = [("/proc/self/mem", 10), (str(tmp_path), 10), (str(tmp_path / "b.log"), len(line(1)))]
    assert [piece.text for piece in hunt_files.pieces(files, tally)] == [line(1)]
    assert [gap.why for gap in tally.not_covered] == [
        "cannot be read: Input/output error",
        "cannot be read: Is a directory",
    ]


def test_a_file_that_vanishes_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "b.log").write_bytes(line(1))
    tally = hunt_files.Tally(not_covered=[])
    files = [(str(tmp_path / "a.log"), 10), (str(tmp_path / "b.log"), 100)]
    texts = [piece.text for piece in hunt_files.pieces(files, tally)]
    assert texts == [line(1)]
    assert [gap.why for gap in tally.not_covered] == [
        "it vanished before it was read",
        f"it shrank while it was read: {100 - len(line(1))} of 100 bytes are gone",
    ]


def test_only_what_was_there_at_the_start_of_a_growing_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(line(1) + line(2))
    tally = hunt_files.Tally(not_covered=[])
    pieces = list(hunt_files.pieces([(str(path), len(line(1)))], tally))
    assert b"".join(piece.text for piece in pieces) == line(1)
    assert tally.not_covered == []


def test_a_break_in_the_middle_loses_nothing_that_came_before(tmp_path: Path) -> None:
    def stream() -> Iterator[bytes]:
        yield line(1)
        yield line(2)[:9]
        raise OSError(5, "Input/output error")

    tally = hunt_files.Tally(not_covered=[])
    texts = []
    with pytest.raises(OSError, match="Input"):  # noqa: PT012
        for piece in hunt_files.cut(stream(), "a", tally):
            texts.append(piece.text)
    assert b"".join(texts) == line(1) + line(2)[:9]


def test_links_out_devices_pipes_and_sockets_are_left_alone_and_listed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.log").write_bytes(line(1))
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a.log").write_bytes(line(1))
    (root / "inside").symlink_to(root / "sub" / "a.log")
    (root / "loop").symlink_to(root)
    (root / "out").symlink_to(outside)
    (root / "out.log").symlink_to(outside / "secret.log")
    (root / "dangling").symlink_to(root / "nothing")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(os.path.relpath(root / "door"))
        found = sweep([str(root)], armed())
    assert plain(found) == [("a.log", 1, 12)]
    gaps = {Path(gap.path).name: gap.why for gap in found.summary.not_covered}
    assert gaps["pipe"] == "a named pipe"
    assert gaps["door"] == "a socket"
    assert gaps["out"].startswith("a link out of the paths")
    assert gaps["out.log"].startswith("a link out of the paths")
    assert gaps["dangling"] == "a link to nothing"
    assert set(gaps) == {"pipe", "door", "out", "out.log", "dangling"}
    assert found.summary.complete


def test_a_link_that_is_named_itself_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(line(1))
    (tmp_path / "current").symlink_to(tmp_path / "a.log")
    assert len(sweep([str(tmp_path / "current")], armed()).hits) == 1


def test_a_nodes_own_store_is_not_swept(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "tocsin.sqlite").write_bytes(line(1))
    found = sweep([str(tmp_path)], armed())
    assert found.hits == ()
    assert [gap.why for gap in found.summary.not_covered] == ["the store of a tocsin node"]


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"PK\x03\x04", "a ZIP archive"),
        (b"ElfFile\x00", "a Windows event log (EVTX)"),
        (b"\xff\xfel\x00u\x00", "UTF-16 text (write it as UTF-8)"),
    ],
)
def test_what_is_no_text_is_listed_rather_than_called_swept(
    tmp_path: Path, head: bytes, why: str
) -> None:
    (tmp_path / "a").write_bytes(head + bytes(40))
    [gap] = sweep([str(tmp_path)], armed()).summary.not_covered
    assert (gap.why, gap.kind) == (why, "skipped")


def test_a_path_that_does_not_exist_stops_the_sweep_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no-such-file does not exist"):
        sweep([str(tmp_path), str(tmp_path / "no-such-file")], armed())


def test_an_empty_file_is_covered(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    found = sweep([str(tmp_path)], armed())
    assert (found.summary.files, found.summary.bytes) == (1, 0)
    assert found.summary.not_covered == ()


def test_a_name_that_is_not_utf8_is_shown_escaped(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.log"))).write_bytes(line(1))
    [hit] = sweep([str(tmp_path)], armed()).hits
    assert hit.path.endswith("caf\\xe9.log")


def test_a_thousand_hits_of_an_indicator_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"".join(line(number) for number in range(1_200)))
    (tmp_path / "b.log").write_bytes(line(1, "other.example") + line(2))
    found = sweep([str(tmp_path)], armed(LURE, "other.example"), block=4_096)
    assert len(found.hits) == 1_001
    assert found.summary.hits == 1_202
    [over] = found.summary.over_limit
    assert (over.indicator, over.hits, over.kept) == (f"i:{LURE}", 1_201, 1_000)
    assert found.hits[999].line == 1_000


def test_a_long_line_is_cut_with_overlap_and_reported(tmp_path: Path) -> None:
    text = b"x " * 700_000 + LURE.encode() + b" y" * 700_000 + b"\n" + line(2)
    (tmp_path / "a.log").write_bytes(text)
    found = sweep([str(tmp_path)], armed())
    assert plain(found) == [("a.log", 1, 1_400_000), ("a.log", 2, len(text) - len(line(2)) + 12)]
    assert found.summary.long_lines == 1


@pytest.mark.parametrize("shift", range(0, 44, 4))
def test_a_value_across_a_cut_is_found_once_and_whole(tmp_path: Path, shift: int) -> None:
    text = b"a " * 500 + b"b" * shift + b" www." + LURE.encode() + b" " + b"c " * 500
    (tmp_path / "a.log").write_bytes(text)
    found = sweep([str(tmp_path)], armed(), long_line=1_024, overlap=256, block=2_048)
    assert [hit.matched for hit in found.hits] == ["www." + LURE]


def test_hits_outside_the_time_of_an_indicator_are_marked_not_dropped(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(line(1))
    old = Needle(
        kind="domain",
        value=LURE,
        indicator="old",
        valid_from="2025-01-01T00:00:00Z",
        valid_until="2025-06-01T00:00:00Z",
    )
    new = Needle(kind="domain", value=LURE, indicator="new", valid_from="2026-01-01T00:00:00Z")
    needles = Needles.build([old, new], seed=1)
    found = sweep([str(tmp_path)], needles, since=datetime(2026, 3, 1, tzinfo=UTC))
    assert {hit.indicator: hit.outside_validity for hit in found.hits} == {
        "old": True,
        "new": False,
    }


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(line(1) * 50)
    told: list[tuple[int, int, str]] = []
    sweep(
        [str(tmp_path)],
        armed(),
        progress=lambda done, total, path: told.append((done, total, path)),
        block=256,
    )
    assert told[-1][1] == 50 * len(line(1))
    assert told == sorted(told)


def test_the_summary_says_what_was_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(line(1))
    needles = Needles.build(
        [
            Needle(kind="ipv4", value="192.0.2.1", indicator="a"),
            Needle(kind="ipv4", value="192.0.2.2", indicator="b"),
            Needle(kind="ipv4", value="192.0.2.300", indicator="c"),
            Needle(kind="cve", value="CVE-2026-12345", indicator="d"),
            Needle(kind="domain", value=LURE, indicator="e"),
        ],
        seed=1,
        overrides=["documentation:b"],
    )
    summary = sweep([str(tmp_path)], needles).summary
    assert [(one.indicator, one.why) for one in summary.suppressed] == [("a", "documentation")]
    assert [(one.indicator, one.why) for one in summary.overridden] == [("b", "documentation")]
    assert [one.indicator for one in summary.refused] == ["c", "d"]
    assert (summary.indicators, summary.values) == (2, 2)
