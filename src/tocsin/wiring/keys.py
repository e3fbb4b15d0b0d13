"""The key files of a data folder, made and loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tocsin.errors import ConfigError
from tocsin.record.keys import LogSigner, Signer
from tocsin.store.files import read_secret, write_secret

SEED_BYTES = 32


def make_keys(home: Path, party: str, *, log: bool, rng: Callable[[int], bytes]) -> None:
    """Make a party's private keys: root, signing and, for a node, the log's two."""
    names = [f"{party}.root", f"{party}.signing"]
    if log:
        names += ["log.ed25519", "log.mldsa"]
    (home / "keys").mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        write_secret(home / "keys" / name, rng(SEED_BYTES).hex().encode() + b"\n")


def load_signer(home: Path, party: str, role: str) -> Signer:
    """The party's `root` or `signing` key from its data folder."""
    return Signer.from_seed(seed_in(home / "keys" / f"{party}.{role}"), party)


def load_log_signer(home: Path, party: str) -> LogSigner:
    """The two keys of the party's log."""
    return LogSigner.from_seeds(
        f"{party}/log", seed_in(home / "keys" / "log.ed25519"), seed_in(home / "keys" / "log.mldsa")
    )


def signers_in(home: Path) -> dict[str, Signer]:
    """The signing keys of every party whose key is in this folder."""
    return {
        path.name.removesuffix(".signing"): Signer.from_seed(
            seed_in(path), path.name.removesuffix(".signing")
        )
        for path in sorted((home / "keys").glob("*.signing"))
    }


def seed_in(path: Path) -> bytes:
    try:
        seed = bytes.fromhex(read_secret(path).decode("ascii").strip())
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise ConfigError(
            f"{path} is not a key file: it holds no {2 * SEED_BYTES} hex digits",
            remedy="restore it from a backup",
        )
    return seed


def policy_text(log: LogSigner) -> str:
    """A tlog-policy that trusts this log's own Ed25519 key and asks for no witness yet."""
    return f"log {log.vkeys()[0]}\nquorum none\n"
