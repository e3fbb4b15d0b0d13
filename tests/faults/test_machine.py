"""What machines and people do to a node: full and read-only disks, clocks that jump, two processes
on one log, restored backups, files and rows that somebody changed. It refuses or goes on, and never
signs one size with two roots.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.faults.after_a_crash import Broken, check, head, published, same_history
from tests.faults.publish_cycle import Node, Told, be_steady, play, prepare, saying
from tests.faults.sequencer_disk import CLEAR, LOG, FakeWitnesses
from tests.long_runs import slice_of

from tocsin.errors import (
    LogHalted,
    ProofError,
    RollbackError,
    StorageFullError,
    StoreError,
    TocsinError,
)
from tocsin.record import checkpoint as cp
from tocsin.record.sequencer import Sequencer
from tocsin.store.files import TileFiles
from tocsin.store.sqlite import SqliteStore

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log of five."""
    return prepare(tmp_path / "node", 5)


class Story:
    """What a node promised, over several lives."""

    def __init__(self) -> None:
        self.report = b""

    def tell(self, line: bytes) -> None:
        self.report += line

    @property
    def told(self) -> Told:
        return Told.of(self.report)


# --- disks ------------------------------------------------------------------------------------


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """A real disk of its own."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def say_until_refused(node: Node, first: int) -> tuple[int, TocsinError]:
    """Say statements of 20 kB until one is refused: its number, and how."""
    for number in range(first, first + 400):
        try:
            node.wait(*node.keep(number, 20_000))
        except TocsinError as wrong:
            return number, wrong
    raise AssertionError("the disk never filled up")


@pytest.mark.parametrize("spare", range(0, 120_000, 10_000))
def test_a_disk_that_fills_up_anywhere_in_a_cycle_refuses_and_a_restart_goes_on(
    tmp_path: Path, spare: int
) -> None:
    be_steady(100 * MIB)
    story = Story()
    with disk(tmp_path / "disk", "6m") as small:
        home = prepare(small / "node", 250)
        ballast = small / "ballast"
        node = Node(home, story.tell)
        room = os.statvfs(small)
        ballast.write_bytes(b"\1" * (room.f_bavail * room.f_frsize - 3 * MIB - spare))
        number, wrong = say_until_refused(node, 1000)
        assert isinstance(wrong, StorageFullError | LogHalted | StoreError)
        assert wrong.remedy
        again, _ = say_until_refused(node, number + 1)  # at the same size, or refused at once
        # Reads go on.
        for id, index in story.told.logged[-2:]:
            assert node.store.place(id) == index
            node.log.prove(index)
        node.close()
        ballast.unlink()
        size = check(home, story.told, before=250)
        assert size >= 250 + len(story.told.logged)
        play(home, ["open", "say 2 x20000", "close"], again + 1, story.tell)
        check(home, story.told)


def test_a_disk_that_turns_read_only_refuses_writes_and_goes_on_reading(tmp_path: Path) -> None:
    story = Story()
    with disk(tmp_path / "disk", "8m") as own:
        home = prepare(own / "node", 5)
        node = Node(home, story.tell)
        node.wait(*node.keep(5))
        # A disk that fails does what an operator must force: files stay open for writing.
        forced = ["mount", "-o", "remount,ro,bind", str(own), str(own)]
        bound = ["mount", "--bind", str(own), str(own)]
        subprocess.run(bound, check=True)
        try:
            subprocess.run(forced, check=True)
            with pytest.raises(TocsinError) as refused:
                node.wait(*node.keep(6))
            assert refused.value.remedy
            assert node.log.size == 6
            node.log.prove(5)
        finally:
            node.close()
            subprocess.run(["umount", "-l", str(own)], check=True)
        assert check(home, story.told, before=6) >= 6


# --- clocks -----------------------------------------------------------------------------------


def times(note: bytes) -> list[int]:
    """When each of the log's lines was made, where the line says so."""
    keys = [cp.VerifierKey(name=LOG.name, kind=cp.ML_DSA_44, public=LOG.mldsa_public)]
    return [line.time or 0 for line in cp.verify_note(cp.open_note(note), keys)]


def test_a_clock_that_goes_back_a_day_and_forward_a_year_and_back_forks_nothing(
    tmp_path: Path,
) -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    jumps = [0, 60, -86_400, -86_300, 31_536_000, 0, 30, -86_400 * 400]
    story = Story()
    home = tmp_path / "node"
    newest = 0
    for life, seconds in enumerate(jumps):
        store = SqliteStore.open(home / "data")
        with closing(store):
            log = Sequencer(
                store=store,
                files=TileFiles(home / "data", home / "guard" / "head"),
                signer=LOG,
                clock=lambda seconds=seconds: noon + timedelta(seconds=seconds),  # type: ignore[misc]
            )
            log.recover()
            for number in range(life * 3, life * 3 + 3):
                verified, objects = saying(number)
                receipt = log.submit(verified, objects, CLEAR)
                story.tell(f"logged {verified.id} {receipt.index}\n".encode())
                [made] = times(log.checkpoint)
                assert made >= newest, "a signature's time went back"
                newest = made
    assert check(home, story.told) == 3 * len(jumps)


# --- two processes ----------------------------------------------------------------------------


def other_lock(home: Path) -> None:
    """What a copied folder, or one seen through two containers, does to the lock: it is another
    file, which nobody holds."""
    lock = home / "data" / "lock"
    lock.unlink()
    lock.write_text("1\n")


def beside(home: Path, report: Path, story: str, first: int) -> subprocess.Popen[str]:
    """A second process on the same folder."""
    command = [sys.executable, "-m", "tests.faults.publish_cycle", str(home), str(report)]
    return subprocess.Popen(
        [*command, story, str(first)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_whose_lock_does_not_hold_never_fork_the_log(
    folder: Path, tmp_path: Path
) -> None:
    story = Story()
    report = tmp_path / "report"
    node = Node(folder, story.tell)
    node.wait(*node.keep(100))
    other_lock(folder)
    second = beside(folder, report, "open,say 2,exit", 200)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    with pytest.raises(TocsinError) as refused:
        node.wait(*node.keep(101))
    assert refused.value.remedy
    assert node.log.halted
    assert node.log.size == 6
    node.close()
    told = Told.of(story.report + report.read_bytes())
    assert check(folder, told) == 9  # 101 was kept, and a restart logs it


def test_two_processes_at_once_never_fork_the_log(folder: Path, tmp_path: Path) -> None:
    reports = [tmp_path / "one", tmp_path / "two"]
    running = []
    for number, report in enumerate(reports):
        running.append(beside(folder, report, "open,say 40,exit", 1000 * (number + 1)))
        while not report.exists() and running[-1].poll() is None:
            pass
        other_lock(folder)
    codes = []
    for process in running:
        _, err = process.communicate(timeout=120)
        codes.append(process.returncode)
        assert process.returncode == 0 or "tocsin.errors." in err, err
    assert codes.count(0) < 2 or all(b"logged" in report.read_bytes() for report in reports)
    told = Told.of(b"".join(report.read_bytes() for report in reports))
    shown = [head(note) for note in told.shown]
    assert shown
    check(folder, told)


# --- backups ----------------------------------------------------------------------------------


def test_yesterdays_backup_is_refused_by_the_guard_beside_it(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data", tmp_path / "backup")
    play(folder, ["open", "say 3", "close"], 5)
    shutil.rmtree(folder / "data")
    shutil.copytree(tmp_path / "backup", folder / "data")
    for _ in range(2):  # asking again changes nothing
        with pytest.raises(RollbackError, match="shown size 8, and this store holds size 5"):
            Node(folder)
    lying = published(folder)
    assert lying is not None
    assert head(lying).size == 5


def witnessed(folder: Path, witnesses: FakeWitnesses) -> tuple[Sequencer, SqliteStore]:
    store = SqliteStore.open(folder / "data")
    log = Sequencer(
        store=store,
        files=TileFiles(folder / "data", folder / "guard" / "head"),
        signer=LOG,
        clock=lambda: datetime(2026, 11, 22, 12, tzinfo=UTC),
        witnesses=witnesses,
    )
    log.recover()
    return log, store


def test_a_backup_with_its_guard_is_refused_by_what_the_witnesses_remember(
    folder: Path, tmp_path: Path
) -> None:
    witnesses = FakeWitnesses()
    log, store = witnessed(folder, witnesses)
    log.submit(*saying(5), CLEAR)
    store.close()
    shutil.copytree(folder, tmp_path / "backup")
    log, store = witnessed(folder, witnesses)
    log.submit(*saying(6), CLEAR)
    store.close()
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "backup", folder)
    log, store = witnessed(folder, witnesses)
    with closing(store):
        for _ in range(2):
            with pytest.raises((RollbackError, LogHalted)) as refused:
                log.submit(*saying(7), CLEAR)
            assert refused.value.remedy
        assert log.size == 6
        log.prove(5)  # reads go on
        assert store.place(saying(7)[0].id) is None


# --- files and rows that somebody changed -----------------------------------------------------


def flip(path: Path, at: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1
    path.write_bytes(bytes(data))


def test_a_changed_tile_halts_the_next_start_and_gives_no_proof_before_it(folder: Path) -> None:
    tile = folder / "data" / "tile" / "0" / "000.p" / "5"
    node = Node(folder)
    flip(tile, 40)
    with pytest.raises(ProofError):
        node.log.prove(1)
    node.wait(*node.keep(5))  # what is new is made from memory, not from that tile
    node.close()
    assert published(folder) is not None
    flip(folder / "data" / "tile" / "0" / "000.p" / "6", 40)
    with pytest.raises(LogHalted, match=r"000\.p/6"):
        Node(folder)


def test_a_deleted_tile_is_written_again_at_the_next_start(folder: Path) -> None:
    before = {p: p.read_bytes() for p in (folder / "data" / "tile").rglob("*") if p.is_file()}
    for path, data in before.items():
        path.unlink()
        Node(folder).close()
        assert path.read_bytes() == data
    shutil.rmtree(folder / "data" / "tile")
    Node(folder).close()
    assert check(folder, Told()) == 5


@pytest.mark.parametrize("length", [0, 1, 40, 200, -1])
def test_a_truncated_checkpoint_is_published_again(folder: Path, length: int) -> None:
    path = folder / "data" / "checkpoint"
    whole = path.read_bytes()
    path.write_bytes(whole[:length])
    Node(folder).close()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("length", [0, 1, 40, -3])
def test_a_truncated_guard_is_not_taken_for_an_absent_one(folder: Path, length: int) -> None:
    path = folder / "guard" / "head"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(StoreError, match="guard"):
        Node(folder)


ROWS = {
    "a statement is gone": "DELETE FROM statement WHERE log_index = 2",
    "the last one is gone": "DELETE FROM statement WHERE log_index = 4",
    "two change places": (
        "UPDATE statement SET log_index = -1 WHERE log_index = 1;"
        "UPDATE statement SET log_index = 1 WHERE log_index = 3;"
        "UPDATE statement SET log_index = 3 WHERE log_index = -1"
    ),
    "another id": "UPDATE statement SET id = randomblob(32) WHERE log_index = 2",
    "another root": "UPDATE head SET root = randomblob(32)",
    "another size": "UPDATE head SET size = 4",
    "another name": "UPDATE head SET origin = 'portco.example/log'",
    "another edge": "UPDATE head SET edge = randomblob(length(edge))",
    "another checkpoint": "UPDATE head SET checkpoint = randomblob(3000)",
    "no head": "DELETE FROM head",
    "other bytes under the id": (
        "UPDATE envelope SET raw = (SELECT raw FROM envelope WHERE n = 1) WHERE n = 3"
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_somebody_changed_stops_the_log_at_its_next_start(
    folder: Path, name: str
) -> None:
    """Whoever owns the disk can also remove the guard; the log's own root still tells."""
    db = sqlite3.connect(folder / "data" / "tocsin.sqlite")
    db.executescript(f"PRAGMA foreign_keys = 0; {ROWS[name]};")
    db.close()
    if name != "no head":  # then only the guard knows that there was one
        (folder / "guard" / "head").unlink()
    before = (folder / "data" / "checkpoint").read_bytes()
    with pytest.raises(TocsinError) as refused:
        Node(folder)
    assert refused.value.remedy
    assert (folder / "data" / "checkpoint").read_bytes() == before, "something was signed or shown"


def test_a_damaged_name_in_the_database_is_a_typed_error_whatever_its_bytes(folder: Path) -> None:
    """SQLite puts the name into its words, and Python cannot read those."""
    path = folder / "data" / "tocsin.sqlite"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"CREATE TABLE meta", b"CREATE\xa0TABLE m\xa0ta"))
    with pytest.raises(StoreError, match="damaged"):
        Node(folder)


def flipped(place: Path, base: Path, seed: int) -> str:
    """Flip one bit anywhere in the data folder; what came of it."""
    rng = random.Random(seed)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(base, place)
    files = sorted(p for p in place.rglob("*") if p.is_file() and p.name != "lock")
    weights = [p.stat().st_size for p in files]
    [chosen] = rng.choices(files, weights)
    data = bytearray(chosen.read_bytes())
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)
    chosen.write_bytes(bytes(data))
    original = head((base / "data" / "checkpoint").read_bytes())
    try:
        node = Node(place)
    except TocsinError:
        return "refused"
    try:
        node.wait(*node.keep(900 + seed))
        lying = published(place)
        assert lying is not None
        same_history(node.store.entries(0, node.log.size), [original, head(lying)])
    except TocsinError:
        return "refused later"
    except Broken as wrong:
        raise Broken(f"{wrong}: bit of byte {at} in {chosen.name}, seed {seed}") from wrong
    finally:
        node.close()
    return "went on"


def test_a_flipped_bit_anywhere_is_refused_or_harmless_and_never_another_history(
    tmp_path: Path,
) -> None:
    be_steady()
    base = tmp_path / "base"
    play(base, ["open", "say 4 x3000", "batch 4", "close"], 0)
    outcomes = [flipped(tmp_path / "flipped", base, seed) for seed in range(40)]
    assert "refused" in outcomes


@pytest.mark.long
@pytest.mark.timeout(600)
def test_two_thousand_flipped_bits_make_no_other_history(tmp_path: Path) -> None:
    be_steady()
    base = tmp_path / "base"
    play(base, ["open", "say 4 x3000", "batch 4", "close"], 0)
    outcomes = [flipped(tmp_path / "flipped", base, seed) for seed in slice_of(range(1000, 3000))]
    counts = {word: outcomes.count(word) for word in sorted(set(outcomes))}
    print(f"flipped bits: {counts}")
