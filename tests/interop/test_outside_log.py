"""The log under other people's verifiers: they know our formats and none of our code.

tlog-scales reads tiles and checkpoints, scitt-cose recomputes RFC 6962 proofs, securesystemslib
opens DSSE envelopes, aics-tlog audits tiles and aics-witness is a witness of its own.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tocsin.canonical import b64decode
from tocsin.cli import run
from tocsin.record import checkpoint as notes
from tocsin.record import merkle, tiles
from tocsin.record.envelope import open_statement
from tocsin.record.keys import LogSigner, WitnessSigner
from tocsin.wiring.node import open_node

ORIGIN = "cert.northland.example/log"
LOG = LogSigner.from_seeds(ORIGIN, b"\x01" * 32, b"\x02" * 32)
WITNESS = WitnessSigner.from_seeds("cert.southmark.example/witness", b"\x03" * 32, b"\x04" * 32)
SIZES = (1, 2, 255, 256, 257, 700)
NEEDS_NEWER = "no version for this Python (it wants 3.12 or newer)"


class Published:
    """A log of `size` entries in a folder, cosigned by a witness of ours."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size
        self.entries = [b"\x01" + sha256(n.to_bytes(8, "big")).digest() for n in range(size)]
        self.leaves = [merkle.leaf_hash(entry) for entry in self.entries]
        nothing: dict[str, bytes] = {}
        made = tiles.new_tiles(0, size, nothing.__getitem__, self.leaves)
        made += tiles.new_bundles(0, size, nothing.__getitem__, self.entries)
        for path, data in made:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        self.head = notes.Checkpoint(origin=ORIGIN, size=size, root=merkle.root_of(self.leaves))
        time = 1_800_000_000
        signed = notes.sign_checkpoint(self.head, LOG, time)
        lines = (
            notes.cosign_ed25519(
                self.head, WITNESS.name, WITNESS.public, WITNESS.sign_ed25519, time
            ),
            notes.cosign_mldsa(
                self.head, WITNESS.name, WITNESS.mldsa_public, WITNESS.sign_mldsa, time
            ),
        )
        self.note = notes.add_lines(signed, lines)
        (folder / "checkpoint").write_bytes(self.note)

    def hashes(self) -> tiles.HashReader:
        return tiles.HashReader(self.size, lambda path: (self.folder / path).read_bytes())


@pytest.fixture(params=SIZES)
def published(request: pytest.FixtureRequest, tmp_path: Path) -> Published:
    return Published(tmp_path, request.param)


# --- tlog-scales ------------------------------------------------------------------------------


def test_tlog_scales_verifies_every_line_and_the_root_out_of_our_tiles(
    published: Published,
) -> None:
    from tlog_scales.backend import make_backend
    from tlog_scales.reader import TilesReader
    from tlog_scales.signing import Vkey, VkeySet

    reader = TilesReader(make_backend(str(published.folder)))
    checkpoint = reader.get_checkpoint()
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, published.size)
    assert reader.calculate_root_hash() == checkpoint.root_hash == published.head.root
    # Our log's 0x06 line is a cosignature by the log itself, as tlog-cosignature has it.
    known = [Vkey.from_string(text) for text in (*LOG.vkeys(), *WITNESS.vkeys())]
    assert [key.sig_type for key in known] == [1, 6, 4, 6]
    signed = VkeySet(*known).verify(checkpoint.signatures, checkpoint)
    assert {key for key, _ in signed} == set(known)


def test_tlog_scales_and_we_give_the_same_proofs(published: Published) -> None:
    from tlog_scales.backend import make_backend
    from tlog_scales.reader import TilesReader
    from tlog_scales.tlog import ConsistencyProof, InclusionProof

    reader = TilesReader(make_backend(str(published.folder)))
    reader.get_checkpoint()
    for old in range(1, published.size + 1, max(1, published.size // 40)):
        path = merkle.consistency_path(old, published.size, published.hashes())
        assert path == reader.get_consistency_proof(old, published.size).node_hashes
        ConsistencyProof(old, published.size, path).check(
            merkle.root_of(published.leaves[:old]), published.head.root
        )
        path = merkle.inclusion_path(old - 1, published.size, published.hashes())
        InclusionProof(old - 1, published.size, path).check(
            published.leaves[old - 1], published.head.root
        )


# --- scitt-cose -------------------------------------------------------------------------------


def test_scitt_cose_takes_our_inclusion_and_consistency_paths(published: Published) -> None:
    from scitt_cose import merkle as scitt

    size, root = published.size, published.head.root.hex()
    assert scitt.merkle_root([entry.hex() for entry in published.entries]) == root
    for index in range(0, size, max(1, size // 40)):
        path = merkle.inclusion_path(index, size, published.hashes())
        asked: tuple[Any, ...] = (index, size, [digest.hex() for digest in path], root)
        assert scitt.verify_inclusion(published.entries[index].hex(), *asked)
        assert not scitt.verify_inclusion("01" + "00" * 32, *asked)
        old = index + 1
        steps = merkle.consistency_path(old, size, published.hashes())
        assert scitt.verify_consistency(
            merkle.root_of(published.leaves[:old]).hex(),
            root,
            old,
            size,
            [digest.hex() for digest in steps],
        )


# --- securesystemslib -------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A party's real folder with a few statements in it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "none"))
    folder = tmp_path / "north"
    assert run(["--home", str(folder), "init", "--party", "cert.northland.example"]) == 0
    for title in ("One", "Two"):
        assert run(["--home", str(folder), "case", "open", title]) == 0
    return folder


def test_securesystemslib_verifies_every_envelope_of_a_node(home: Path) -> None:
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

    with open_node(home) as node:
        rows = node.store.statements(node.everything())
        assert len(rows) >= 4
        for kept in rows:
            envelope, statement = open_statement(kept.raw)
            keys: list[Any] = [
                SSlibKey(signed.keyid, "ed25519", "ed25519", {"public": public.hex()})
                for signed, (public, _) in zip(
                    envelope.signatures,
                    node.keyring.signers(envelope, statement, kept.index),
                    strict=True,
                )
            ]
            theirs = Envelope.from_dict(json.loads(kept.raw))
            assert len(theirs.verify(keys, len(keys))) == len(keys)
            theirs.payload += b" "
            with pytest.raises(UnverifiedSignatureError):
                theirs.verify(keys, 1)


def test_tlog_scales_reads_what_a_real_node_has_published(home: Path) -> None:
    from tlog_scales.backend import make_backend
    from tlog_scales.reader import TilesReader
    from tlog_scales.signing import Vkey

    with open_node(home) as node:
        vkeys = node.directory.origins()[node.log.origin]
        size = node.log.size
    reader = TilesReader(make_backend(str(home / "data")))
    checkpoint = reader.get_checkpoint()
    assert checkpoint.size == size
    assert reader.calculate_root_hash() == checkpoint.root_hash
    for text in vkeys:
        checkpoint.verify(Vkey.from_string(text))


# --- aics-tlog and aics-witness ---------------------------------------------------------------


def test_aics_tlog_audits_our_tiles_and_checks_our_checkpoint(published: Published) -> None:
    aics = pytest.importorskip("aics_tlog", reason=NEEDS_NEWER)
    reader = aics.FileSystemTileReader(published.folder)
    report = aics.audit_tiles(reader, published.size, published.head.root)
    assert report.size == published.size
    assert aics.tree_root_from_tiles(reader, published.size) == published.head.root
    note = aics.parse_note(published.note.decode())
    assert aics.verify_note(note, [aics.parse_vkey(LOG.vkeys()[0])])
    keyid = notes.open_vkey(WITNESS.vkeys()[0]).keyid
    [line] = [s for s in note.signatures if (s.name, s.key_id) == (WITNESS.name, keyid)]
    head = (ORIGIN, published.size, published.head.root)
    assert aics.verify_cosignature(line.signature, WITNESS.name, WITNESS.public, *head)


class OutsideWitness:
    """aics-witness as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "witness.json"
        self.vkey = ""
        printed = self._say("init", "--name", "outside.example/w1")
        self.vkey = next(word for word in printed.split() if word.startswith("outside.example/w1+"))
        self._say("add-log", "--origin", ORIGIN, "--vkey", LOG.vkeys()[0])
        self.process = subprocess.Popen(
            [*self._command(), "serve", "--listen", "127.0.0.1:0", "--config", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        line = ""
        while "http://" not in line:
            line = self.process.stdout.readline()
            assert line, "the witness did not start"
        self.url = next(word for word in line.split() if word.startswith("http://")).rstrip("/.,")

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "aics_witness"]

    def _say(self, *args: str) -> str:
        done = subprocess.run(
            [*self._command(), *args, "--config", str(self.config)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done
        return done.stdout

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


def test_an_outside_witness_cosigns_our_log_as_it_grows_and_refuses_another_history(
    tmp_path: Path,
) -> None:
    pytest.importorskip("aics_witness", reason=NEEDS_NEWER)
    from tocsin.peers import WitnessClients, open_client

    (tmp_path / "witness").mkdir()
    outside = OutsideWitness(tmp_path / "witness")
    try:
        policy = notes.open_policy(
            f"log {LOG.vkeys()[0]}\nwitness out {outside.vkey} {outside.url}\nquorum out\n".encode()
        )
        clients = WitnessClients(
            lambda: policy, open=lambda url: open_client(url, own_machine=True)
        )
        small = Published(tmp_path / "small", 3)
        large = Published(tmp_path / "large", 300)

        def consistency(old: int) -> list[bytes]:
            return merkle.consistency_path(old, 300, large.hashes()) if old else []

        def signed(head: notes.Checkpoint) -> bytes:
            return notes.sign_checkpoint(head, LOG, 1_800_000_000)

        for grown in (small, large):
            lines = clients.cosign(signed(grown.head), consistency, 5.0)
            assert policy.judge(notes.add_lines(signed(grown.head), lines)).quorum, clients.report()
        other = notes.Checkpoint(origin=ORIGIN, size=300, root=b"\x07" * 32)
        assert clients.cosign(signed(other), consistency, 5.0) == ()
        [(name, held)] = clients.held(ORIGIN, 5.0)
        assert name == "out"
        assert held is not None
        assert notes.open_checkpoint(notes.open_note(held).text) == large.head
        clients.close()
    finally:
        outside.stop()


def test_an_outside_feeder_is_cosigned_by_our_witness(tmp_path: Path) -> None:
    feeder = pytest.importorskip("aics_witness", reason=NEEDS_NEWER)
    from tests.interop.our_witness import serve_witness

    large = Published(tmp_path / "large", 300)
    note = notes.sign_checkpoint(large.head, LOG, 1_800_000_000)
    with serve_witness(WITNESS, {ORIGIN: [notes.open_vkey(v) for v in LOG.vkeys()]}) as url:
        lines = feeder.submit_checkpoint(
            url, note, lambda old, new: [], witness_vkey=WITNESS.vkeys()[0], old_size=0
        )
        merged = feeder.merge_cosignatures(note, lines)
    policy = notes.open_policy(
        f"log {LOG.vkeys()[0]}\nwitness w {WITNESS.vkeys()[0]}\nquorum w\n".encode()
    )
    assert policy.judge(merged).quorum


def test_the_checkpoint_is_one_that_b64_tools_read(published: Published) -> None:
    """Anybody can read the root with standard tools: three lines, the last one base64."""
    root = published.note.decode().split("\n")[2]
    assert b64decode(root) == published.head.root
