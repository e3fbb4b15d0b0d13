"""A party's data folder: where it is, its `tocsin.toml`, and secrets from the environment.

A data folder, one per party:

    tocsin.toml          who this is, and where its node answers
    keys/                private keys, mode 0600
    data/                the store and the log's tiles: what a backup takes
    guard/               the head guard: outside the store's backup, so that a restored backup shows
    run/                 of the running node: its address and the token of its owner's terminal
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import tomllib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tocsin.errors import ConfigError, ConflictError, StoreError, UnreadableError

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class NodeConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[node]`: where this party's node answers."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8470
    behind_proxy: bool = False
    hosts: tuple[str, ...] = ()
    """Names the node is reached by, behind a proxy."""

    @property
    def alone(self) -> bool:
        """It answers on this machine only: no other can reach it."""
        return self.host in LOOPBACK and not self.behind_proxy

    @classmethod
    def at(cls, url: str) -> NodeConfig:
        """Where a node that others reach at `url` answers by itself.

        Plain HTTP on this machine has no proxy before it, so that is the very address; of any other
        nothing follows. `url` is one that `check_url` has let through, or "".
        """
        found = urlsplit(url)
        if found.scheme != "http" or found.hostname not in LOOPBACK or not found.port:
            return cls()
        return cls(host=found.hostname, port=found.port)


class LogConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[log]`: how this node looks at the logs of others, and they at its own."""

    gossip_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 30.0
    """Seconds between two rounds."""
    sync_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 60.0
    """Seconds between two rounds in which other nodes are asked for statements."""
    signature_workers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    """Processes that only check signatures, for a node that many statements come to; 0: threads."""


class RemoteConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[remote]`: the node this party joined, where it has none of its own."""

    url: str


class DirectoryConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[directory]`: where its newer versions, keys and revocations are fetched from."""

    sources: tuple[str, ...] = ()
    """Addresses of nodes, beside those that the directory itself lists."""


class TaxiiConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[taxii]`: this node's TAXII server."""

    anonymous: bool = False
    """Whoever shows no credential may read what is marked CLEAR."""
    objects_a_day: Annotated[int, msgspec.Meta(ge=0)] = 1_000_000
    """Objects that one account may put in within a day of UTC; 0: as many as it likes."""
    mib_a_day: Annotated[int, msgspec.Meta(ge=0)] = 2_048
    """MiB, likewise."""


class MispConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[misp]`: what this node's operator knows of organisations in MISP."""

    organisations: dict[str, str] = {}
    """`UUID = "PARTY"`, or a name to the letter: which party an organisation of a sharing group
    is, where the party's directory entry does not say."""


class ReadingConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[reading]`: how this node reads reports."""

    nlp: str = ""
    """An installed spaCy model to read them with beside the rules; "": the rules alone."""


class StoreConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[store]`: where this node keeps what it keeps, if not in a file in its folder."""

    url: str
    """`postgresql://USER@HOST/DATABASE`, without a password."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tocsin.toml`. No secret is ever in it."""

    party: str
    name: str
    exercise: bool = False
    node: NodeConfig = NodeConfig()
    log: LogConfig = LogConfig()
    store: StoreConfig | None = None
    remote: RemoteConfig | None = None
    directory: DirectoryConfig = DirectoryConfig()
    taxii: TaxiiConfig = TaxiiConfig()
    misp: MispConfig = MispConfig()
    reading: ReadingConfig = ReadingConfig()


def data_folder() -> Path:
    """Where this user's parties live by default (XDG)."""
    import platformdirs

    return Path(platformdirs.user_data_dir("tocsin", appauthor=False))


def own_home() -> Path:
    """The data folder of one's own party."""
    return data_folder() / "own"


def exercise_home() -> Path:
    """The data folder of the exercise: keys and log of its own, useless elsewhere."""
    return data_folder() / "exercise"


def find_home(given: str | None) -> Path:
    """The data folder a verb works on: the one given, else one's own, else the exercise.

    Raises:
        UnreadableError: there is none.
    """
    if given:
        home = Path(given)
        if not (home / "tocsin.toml").exists():
            raise UnreadableError(
                f"{home} is no data folder of tocsin: it has no tocsin.toml",
                remedy=f"make one: tocsin --home {home} init --party NAME",
            )
        return home
    for home in (own_home(), exercise_home()):
        if (home / "tocsin.toml").exists():
            return home
    raise UnreadableError(
        f"there is no party here yet (looked in {data_folder()})",
        remedy="make one with: tocsin init --party NAME; or open the exercise with: tocsin up",
    )


def load_config(home: Path) -> Config:
    """Read `tocsin.toml` of a data folder.

    Raises:
        ConfigError: not TOML, an unknown key (the nearest is named), or a value of a wrong kind.
    """
    path = home / "tocsin.toml"
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
        raise ConfigError(f"{path}: {wrong}", remedy="mend that line, or restore it") from wrong
    try:
        return msgspec.convert(values, Config)
    except msgspec.ValidationError as wrong:
        known = [
            f.encode_name
            for s in (
                *(Config, NodeConfig, LogConfig, StoreConfig, RemoteConfig, DirectoryConfig),
                TaxiiConfig,
                ReadingConfig,
            )
            for f in msgspec.structs.fields(s)
        ]
        unknown = re.search("unknown field `(.*?)`", str(wrong))
        near = difflib.get_close_matches(unknown[1], known, 1) if unknown else []
        raise ConfigError(
            f"{path}: {wrong}",
            remedy=f"did you mean {near[0]!r}?" if near else "keys are: " + ", ".join(known),
        ) from wrong


def write_config(home: Path, config: Config) -> None:
    """Write `tocsin.toml`, whole or not at all."""
    lines = [f"party = {_toml(config.party)}", f"name = {_toml(config.name)}"]
    if config.exercise:
        lines.append("exercise = true")
    lines += ["", "[node]", f"host = {_toml(config.node.host)}", f"port = {config.node.port}"]
    if config.node.behind_proxy:
        lines.append("behind_proxy = true")
    if config.node.hosts:
        lines.append(f"hosts = [{', '.join(_toml(name) for name in config.node.hosts)}]")
    if config.log != LogConfig():
        lines += ["", "[log]", f"gossip_s = {config.log.gossip_s}"]
        lines.append(f"sync_s = {config.log.sync_s}")
        lines.append(f"signature_workers = {config.log.signature_workers}")
    if config.store is not None:
        lines += ["", "[store]", f"url = {_toml(config.store.url)}"]
    if config.remote is not None:
        lines += ["", "[remote]", f"url = {_toml(config.remote.url)}"]
    if config.directory.sources:
        listed = ", ".join(_toml(url) for url in config.directory.sources)
        lines += ["", "[directory]", f"sources = [{listed}]"]
    if config.taxii != TaxiiConfig():
        lines += ["", "[taxii]", f"anonymous = {str(config.taxii.anonymous).lower()}"]
        lines.append(f"objects_a_day = {config.taxii.objects_a_day}")
        lines.append(f"mib_a_day = {config.taxii.mib_a_day}")
    if config.misp.organisations:
        lines += ["", "[misp.organisations]"]
        lines += [f"{_toml(o)} = {_toml(party)}" for o, party in config.misp.organisations.items()]
    if config.reading.nlp:
        lines += ["", "[reading]", f"nlp = {_toml(config.reading.nlp)}"]
    partial = home / "tocsin.toml.new"
    partial.write_text("\n".join(lines) + "\n", "utf-8")
    partial.replace(home / "tocsin.toml")


def _toml(text: str) -> str:
    import json

    # A TOML string is a JSON string, but for this one character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def is_guest(home: Path, config: Config) -> bool:
    """Whether this folder was made by joining without a node: it never had a log."""
    return config.remote is not None or not (
        (home / "data").exists() or (home / "keys" / "log.ed25519").exists()
    )


def check_joined(home: Path) -> None:
    """Return if this folder is in the middle of nothing.

    Raises:
        ConflictError: it is to have a node, and has answered an invitation without a reply yet.
    """
    if (home / "keys" / "join.json").exists() and (home / "keys" / "log.ed25519").exists():
        raise ConflictError(
            f"{home} has answered an invitation, and nothing has come back yet",
            remedy="say the same `tocsin party join …` again; with a reply by file: --reply FILE",
        )


@contextmanager
def fresh_folder(home: Path) -> Iterator[Path]:
    """A new folder beside `home` that becomes `home` only when everything in it is there.

    Raises:
        ConflictError: `home` holds something already.
        StoreError: it cannot be written.
    """
    home = home.resolve()  # "." has no name to put another beside
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise ConflictError(
            f"{home} exists already and is not an empty folder",
            remedy="use another folder: tocsin --home DIR init …",
        )
    partial = home.with_name(f".{home.name}.{uuid.uuid4().hex[:8]}.new")
    try:
        partial.mkdir(mode=0o700, parents=True)
        yield partial
        if home.exists():
            home.rmdir()
        partial.rename(home)
    except OSError as wrong:
        raise StoreError(
            f"cannot write {home}: {wrong.strerror or wrong}",
            remedy="free space, or choose another folder with --home",
        ) from wrong
    finally:
        if partial.exists():
            shutil.rmtree(partial, ignore_errors=True)


def secret(name: str) -> str:
    """A secret from `TOCSIN_<NAME>_FILE`, else `TOCSIN_<NAME>`; "" if neither is set.

    Raises:
        ConfigError: both are set and differ, or the file cannot be read.
    """
    direct = os.environ.get(f"TOCSIN_{name}", "")
    path = os.environ.get(f"TOCSIN_{name}_FILE")
    if not path:
        return direct
    try:
        held = Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as wrong:
        raise ConfigError(f"TOCSIN_{name}_FILE={path}: {wrong}", remedy="check the path") from wrong
    if direct and direct != held:
        raise ConfigError(
            f"TOCSIN_{name} and TOCSIN_{name}_FILE are both set, and differ",
            remedy="unset one of them",
        )
    return held
