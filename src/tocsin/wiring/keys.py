"""The key files of a data folder, made and loaded.

    keys/<party>.root      signs `key`, `revoke` and `directory` statements, and nothing else
    keys/<party>.signing   signs everything else the party says
    keys/hpke              what is sealed for the party opens with it; <party>.hpke of a further
                           party in the same folder
    keys/log.ed25519, keys/log.mldsa          the log's checkpoints; log.<n>.… of its n-th log
    keys/witness.ed25519, keys/witness.mldsa  what this node cosigns
    keys/node.ed25519      requests to other nodes
    keys/next/             keys on their way in: the statements about them are not all logged yet
    keys/old/              keys that were used once
    keys/sealed/           no keys: the last thing sealed here in each chain (`sealing.py`)

Every file is a seed of 32 bytes in hex, mode 0600. The last four kinds are not there in folders
made before they were thought of; `tocsin key rotate` makes them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tocsin.errors import ConfigError
from tocsin.record.keys import LogSigner, Signer, WitnessSigner
from tocsin.record.origins import log_origin
from tocsin.store.files import read_secret, sync_folder, write_secret

SEED_BYTES = 32
WITNESS = ("witness.ed25519", "witness.mldsa")
HPKE = "hpke"
NODE = "node.ed25519"


def make_keys(home: Path, party: str, *, log: bool, rng: Callable[[int], bytes]) -> None:
    """Make a party's private keys: root, signing, HPKE; for a node also those of log, witness
    and peer requests."""
    names = [f"{party}.root", f"{party}.signing"]
    if log:
        names += ["log.ed25519", "log.mldsa", *WITNESS, NODE]
    # The exercise holds several parties in one folder: the first is the folder's own.
    names.append(f"{party}.hpke" if (home / "keys" / HPKE).exists() else HPKE)
    (home / "keys").mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        make_seed(home / "keys" / name, rng)


def make_seed(path: Path, rng: Callable[[int], bytes]) -> None:
    """Make one key file. Raises ConflictError where there is one."""
    write_secret(path, rng(SEED_BYTES).hex().encode() + b"\n")


def replace_secret(path: Path, data: bytes) -> None:
    """Write a 0600 file in place of the one there is, whole or not at all."""
    coming = path.with_name(f".{path.name}.new")
    coming.unlink(missing_ok=True)
    write_secret(coming, data)
    coming.replace(path)
    sync_folder(path.parent)


def load_signer(home: Path, party: str, role: str) -> Signer:
    """The party's `root` or `signing` key from its data folder."""
    return Signer.from_seed(seed_in(home / "keys" / f"{party}.{role}"), party)


def log_number(home: Path) -> int:
    """Which of its logs this folder is at: 1, and a higher one after each `key rotate --log`."""
    return max(log_numbers(home), default=1)


def log_numbers(home: Path) -> list[int]:
    """The numbers of the logs whose keys are in this folder, for use now."""
    numbers = (
        re.fullmatch(r"log\.(?:([1-9][0-9]{0,8})\.)?ed25519", path.name)
        for path in (home / "keys").glob("log.*")
    )
    return sorted(int(found[1] or 1) for found in numbers if found)


ROOT_KEY = "TOCSIN_ROOT_KEY_FILE"
"""Names the file of a root key that is kept elsewhere."""


def root_file(home: Path, party: str, given: Path | None = None) -> Path:
    """Where a party's root key is: the file given, else the one that `ROOT_KEY` names, else its
    data folder. Nothing but `key`, `revoke` and `directory` statements needs it."""
    named = os.environ.get(ROOT_KEY)
    return given or (Path(named) if named else home / "keys" / f"{party}.root")


def load_root(home: Path, party: str, given: Path | None = None) -> Signer | None:
    """A party's root key; None: it is kept elsewhere, and nobody has said where.

    Raises:
        UnreadableError: the file that was named is not there.
        ConfigError: as `seed_in`.
    """
    path = root_file(home, party, given)
    if path.parent == home / "keys" and not path.exists():
        return None
    return Signer.from_seed(seed_in(path), party)


def log_files(number: int) -> tuple[str, str]:
    """The names of the two key files of the n-th log."""
    stem = "log" if number == 1 else f"log.{number}"
    return f"{stem}.ed25519", f"{stem}.mldsa"


def has_log(home: Path) -> bool:
    """Whether this folder holds the keys of a log of its own."""
    return (home / "keys" / log_files(log_number(home))[0]).exists()


def load_log_signer(home: Path, party: str) -> LogSigner:
    """The two keys of the party's newest log."""
    number = log_number(home)
    ed25519, mldsa = (seed_in(home / "keys" / name) for name in log_files(number))
    return LogSigner.from_seeds(log_origin(party, number), ed25519, mldsa)


def load_witness_signer(home: Path, party: str) -> WitnessSigner | None:
    """The two keys with which this node cosigns; None in a folder that has none yet."""
    return witness_signer(home / "keys", party) if _both(home / "keys") else None


def witness_signer(folder: Path, party: str) -> WitnessSigner:
    """The witness whose two key files are in `folder`."""
    ed25519, mldsa = (seed_in(folder / name) for name in WITNESS)
    return WitnessSigner.from_seeds(f"{party}/witness", ed25519, mldsa)


def _both(folder: Path) -> bool:
    return all((folder / name).exists() for name in WITNESS)


def load_hpke(home: Path, party: str | None = None) -> bytes | None:
    """The seed of an HPKE key (`record.hpke.HpkeKey`); None: there is none yet.

    Args:
        party: one of several whose keys are in this folder (the exercise); None: its own.
    """
    path = home / "keys" / f"{party}.hpke"
    if party is None or not path.exists():
        path = home / "keys" / HPKE
    return seed_in(path) if path.exists() else None


def load_hpke_all(home: Path, party: str | None = None) -> list[bytes]:
    """The seeds of this party's HPKE keys, those used before too: what was sealed to them still
    opens. The present one first; a sealed file names its key by `HpkeKey.id`."""
    now = load_hpke(home, party)
    stem = f"{party}.hpke" if (home / "keys" / f"{party}.hpke").exists() else HPKE
    old = [seed_in(path) for path in sorted((home / "keys" / "old").glob(f"{stem}.*"))]
    return [*([now] if now is not None else []), *old]


def load_node_key(home: Path, party: str) -> Signer | None:
    """The key that signs this node's requests to other nodes; None: it has none yet."""
    path = home / "keys" / NODE
    return Signer.from_seed(seed_in(path), party) if path.exists() else None


def signers_in(home: Path) -> dict[str, Signer]:
    """The signing keys of every party whose key is in this folder."""
    return {
        path.name.removesuffix(".signing"): Signer.from_seed(
            seed_in(path), path.name.removesuffix(".signing")
        )
        for path in sorted((home / "keys").glob("*.signing"))
    }


class SigningKeys(Mapping[str, Signer]):
    """The signing keys of a folder, by party, as its files are now.

    A node that runs takes a rotated key over by itself: once the log knows the key in `keys/next`,
    that one signs, and the old one may be revoked; the files change places later.

    Args:
        enrolled: whether the log lets this party's key with this id sign, now.
    """

    def __init__(self, home: Path, enrolled: Callable[[str, str], bool]) -> None:
        self._folder = home / "keys"
        self._enrolled = enrolled
        self._parties = tuple(sorted(signers_in(home)))
        # By path, with what tells that the file is another. Replaced whole, never changed.
        self._held: dict[Path, tuple[tuple[int, int], Signer]] = {}
        for party in self._parties:
            self[party]

    def __getitem__(self, party: str) -> Signer:
        if party not in self._parties:
            raise KeyError(party)
        coming = self._signer(self._folder / "next" / f"{party}.signing", party)
        if coming is not None and self._enrolled(party, coming.keyid):
            return coming
        found = self._signer(self._folder / f"{party}.signing", party)
        if found is None:
            # Between two renames there is a moment without the file; what was read before signs.
            held = self._held.get(self._folder / f"{party}.signing")
            if held is None:
                seed_in(self._folder / f"{party}.signing")  # raises: names the file
                raise KeyError(party)
            return held[1]
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._parties)

    def __len__(self) -> int:
        return len(self._parties)

    def _signer(self, path: Path, party: str) -> Signer | None:
        try:
            now = path.stat()
        except OSError:
            return None
        mark = (now.st_ino, now.st_mtime_ns)
        held = self._held.get(path)
        if held is None or held[0] != mark:
            held = (mark, Signer.from_seed(seed_in(path), party))
            self._held = self._held | {path: held}
        return held[1]


def seed_in(path: Path) -> bytes:
    """The 32 bytes of a key file.

    Raises:
        ConfigError: it holds none, or others than its owner can read it.
        UnreadableError: it cannot be read.
    """
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
