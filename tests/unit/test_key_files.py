"""The key files of a data folder, and what the directory says of them."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec

from tocsin.canonical import b64decode
from tocsin.record.directory import open_root
from tocsin.record.hpke import HpkeKey, hpke_id
from tocsin.wiring.keys import (
    SigningKeys,
    load_hpke,
    load_log_signer,
    load_node_key,
    load_signer,
    load_witness_signer,
    log_files,
    make_keys,
    make_seed,
)
from tocsin.wiring.party import init

NORTH = "cert.northland.example"


def rng(size: int) -> bytes:
    rng_calls[0] += 1
    return bytes([rng_calls[0]]) * size


rng_calls = [0]


def test_a_party_that_is_made_lists_every_public_key_it_has(tmp_path: Path) -> None:
    home = tmp_path / "own"
    init(home, NORTH, "CERT Northland", url="https://north.example/")
    entry = open_root((home / "root.json").read_bytes()).party(NORTH)
    assert entry is not None
    [node] = entry.nodes
    witness, key, seed = (
        load_witness_signer(home, NORTH),
        load_node_key(home, NORTH),
        load_hpke(home),
    )
    assert witness is not None
    assert key is not None
    assert seed is not None
    assert node.witness_vkeys == witness.vkeys()
    assert [v.split("+")[0] for v in node.witness_vkeys] == [f"{NORTH}/witness"] * 2
    assert node.log_vkeys == load_log_signer(home, NORTH).vkeys()
    assert b64decode(node.key) == key.public
    assert node.url == "https://north.example"
    assert entry.hpke is not msgspec.UNSET
    assert b64decode(entry.hpke.public) == HpkeKey(seed).public
    assert entry.hpke.id == hpke_id(HpkeKey(seed).public)
    for path in (home / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_party_without_a_node_has_an_hpke_key_and_no_witness(tmp_path: Path) -> None:
    make_keys(tmp_path, NORTH, log=False, rng=rng)
    assert load_hpke(tmp_path) is not None
    assert load_witness_signer(tmp_path, NORTH) is None
    assert load_node_key(tmp_path, NORTH) is None


def test_two_parties_in_one_folder_have_an_hpke_key_each(tmp_path: Path) -> None:
    make_keys(tmp_path, NORTH, log=True, rng=rng)
    make_keys(tmp_path, "gridco.example", log=False, rng=rng)
    assert load_hpke(tmp_path, "gridco.example") != load_hpke(tmp_path)
    assert load_hpke(tmp_path, NORTH) == load_hpke(tmp_path)


def test_a_folder_made_before_these_keys_opens_without_them(tmp_path: Path) -> None:
    make_keys(tmp_path, NORTH, log=True, rng=rng)
    for name in ("hpke", "witness.ed25519", "witness.mldsa", "node.ed25519"):
        (tmp_path / "keys" / name).unlink()
    assert load_hpke(tmp_path) is None
    assert load_witness_signer(tmp_path, NORTH) is None
    assert load_node_key(tmp_path, NORTH) is None


def test_the_log_signs_under_the_number_its_key_files_bear(tmp_path: Path) -> None:
    make_keys(tmp_path, NORTH, log=True, rng=rng)
    assert load_log_signer(tmp_path, NORTH).name == f"{NORTH}/log"
    for name in reversed(log_files(2)):
        make_seed(tmp_path / "keys" / name, rng)
    assert load_log_signer(tmp_path, NORTH).name == f"{NORTH}/log/2"


def test_a_key_that_waits_signs_as_soon_as_the_log_knows_it(tmp_path: Path) -> None:
    make_keys(tmp_path, NORTH, log=True, rng=rng)
    known: set[str] = set()
    signers = SigningKeys(tmp_path, lambda party, keyid: keyid in known)
    old = load_signer(tmp_path, NORTH, "signing").keyid
    coming = tmp_path / "keys" / "next" / f"{NORTH}.signing"
    make_seed(coming, rng)
    assert signers[NORTH].keyid == old
    new = load_signer(tmp_path, f"next/{NORTH}", "signing").keyid
    known.add(new)
    assert signers[NORTH].keyid == new != old
    coming.replace(tmp_path / "keys" / f"{NORTH}.signing")
    assert signers[NORTH].keyid == new
    assert list(signers) == [NORTH]
