"""The only file that names every implementation; builds a `Node` from a data folder.

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
import secrets
import shutil
import signal
import socket
import sys
import tomllib
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, Any

import msgspec
from msgspec import Struct

from tocsin.canonical import b64decode
from tocsin.cases.sheet import SheetPage
from tocsin.claims.model import Broken
from tocsin.client import Client, Door, Reply
from tocsin.console.auth import Doors, Person
from tocsin.errors import (
    ConfigError,
    ConflictError,
    NodeBusyError,
    NoteError,
    NotFoundError,
    RecordError,
    StoreError,
    TocsinError,
    UnreachableError,
    UnreadableError,
    UsageError,
    VerificationError,
)
from tocsin.flows.join import Admitted, Invitation, enrolment
from tocsin.flows.node import Node
from tocsin.importers import report, stix
from tocsin.importers.interface import Importer, sniff, to_json
from tocsin.policy import SCOPES, Actor
from tocsin.record.admission import ChainHead, admit
from tocsin.record.directory import (
    KeyRing,
    NodeEntry,
    Party,
    fingerprint,
    genesis,
    open_root,
    registrars_of,
    root_of,
    same_fingerprint,
)
from tocsin.record.envelope import open_statement, sign
from tocsin.record.keys import LogSigner, PublicKey, Signer
from tocsin.record.sequencer import Opened, Sequencer
from tocsin.record.statement import PARTY_PATTERN, ROOT_KINDS, compose, key_body, time_text
from tocsin.stix import ids
from tocsin.stix.bundle import open_bundle
from tocsin.store.files import TileFiles, read_secret, write_secret
from tocsin.store.sqlite import SqliteStore

IMPORTERS: dict[str, Importer] = {"report": report, "stix": stix}
SEED_BYTES = 32
GUEST_SCOPES = ("read", "publish", "sign", "export")


class NodeConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[node]`: where this party's node answers."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8470
    behind_proxy: bool = False
    hosts: tuple[str, ...] = ()
    """Names the node is reached by, behind a proxy."""


class RemoteConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[remote]`: the node this party joined, where it has none of its own."""

    url: str


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tocsin.toml`. No secret is ever in it."""

    party: str
    name: str
    exercise: bool = False
    node: NodeConfig = NodeConfig()
    remote: RemoteConfig | None = None


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
            for s in (Config, NodeConfig, RemoteConfig)
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
    if config.remote is not None:
        lines += ["", "[remote]", f"url = {_toml(config.remote.url)}"]
    partial = home / "tocsin.toml.new"
    partial.write_text("\n".join(lines) + "\n", "utf-8")
    partial.replace(home / "tocsin.toml")


def _toml(text: str) -> str:
    import json

    # A TOML string is a JSON string, but for this one character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


# --- keys ---------------------------------------------------------------------------------------


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
    return Signer.from_seed(_seed(home / "keys" / f"{party}.{role}"), party)


def _seed(path: Path) -> bytes:
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


def load_log_signer(home: Path, party: str) -> LogSigner:
    """The two keys of the party's log."""
    return LogSigner.from_seeds(
        f"{party}/log", _seed(home / "keys" / "log.ed25519"), _seed(home / "keys" / "log.mldsa")
    )


# --- a party's first hour -----------------------------------------------------------------------


def check_party_name(party: str) -> None:
    """Raises ConfigError unless `party` is a name the directory can hold."""
    if re.search(PARTY_PATTERN, party) is None:
        raise ConfigError(
            f"{party!r} is not a party's name",
            remedy="use a DNS name of yours in lower case, such as cert.northland.example",
        )


def _check_name(name: str) -> None:
    """Raises ConfigError unless `name` is text that can be written down and shown."""
    # Marks that join letters (Persian, Hindi) stay; line ends, controls and broken bytes do not.
    strange = [c for c in name if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    if not name.strip() or strange:
        raise ConfigError(
            f"{name!r} is no organisation's name", remedy="give one line of text in UTF-8"
        )


def party_entry(
    home: Path, party: str, name: str, *, log: LogSigner | None, identity: str | None = None
) -> Party:
    """What the directory is to say of a party: its name, root keys, identity and log."""
    root = load_signer(home, party, "root")
    return Party(
        id=party,
        name=name,
        root=root_of([PublicKey.of(root.public)]),
        identity=identity or ids.deterministic("identity", party),
        nodes=(NodeEntry(origin=log.name, log_vkeys=log.vkeys()),) if log else (),
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


def init(
    home: Path,
    party: str,
    name: str,
    *,
    config: Config | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    rng: Callable[[int], bytes] = secrets.token_bytes,
    members: Callable[[Path], list[Party]] | None = None,
) -> str:
    """Make a party: keys, log, directory version 1, its `key` statement. The fingerprint.

    Args:
        members: for the exercise: other parties whose keys are made in the same folder.

    Raises:
        ConfigError: `party` is not a party's name.
        ConflictError: there is something in `home` already; nothing is changed.
    """
    check_party_name(party)
    _check_name(name)
    with fresh_folder(home) as folder:
        return _init_in(folder, party, name, config=config, clock=clock, rng=rng, members=members)


def _init_in(
    folder: Path,
    party: str,
    name: str,
    *,
    config: Config | None,
    clock: Callable[[], datetime],
    rng: Callable[[int], bytes],
    members: Callable[[Path], list[Party]] | None,
    identity: str | None = None,
) -> str:
    make_keys(folder, party, log=True, rng=rng)
    log = load_log_signer(folder, party)
    root = load_signer(folder, party, "root")
    entries = [party_entry(folder, party, name, log=log, identity=identity)]
    if members is not None:
        entries += members(folder)
    body = genesis(registrars_of([(party, PublicKey.of(root.public))]), entries)
    envelope = sign(
        compose(
            author=party,
            key=root.keyid,
            kind="directory",
            seq=1,
            prev="",
            time=time_text(clock()),
            salt=rng(16).hex(),
            tlp="CLEAR",
            body=body,
        ),
        [root],
    )
    (folder / "root.json").write_bytes(envelope)
    write_config(folder, config or Config(party=party, name=name))
    with open_node(folder, clock=clock, rng=rng) as node:
        for entry in entries:
            enrol(
                node,
                load_signer(folder, entry.id, "root"),
                load_signer(folder, entry.id, "signing"),
            )
    return fingerprint(envelope)


def enrol(node: Node, root: Signer, signing: Signer) -> None:
    """Log the `key` statement by which a party's root lets its signing key sign."""
    from tocsin.flows import intake

    with node.lock:
        last = node.store.chain(root.party, None)
        payload = compose(
            author=root.party,
            key=root.keyid,
            kind="key",
            seq=last.seq + 1 if last else 1,
            prev=last.head if last else "",
            time=time_text(node.clock()),
            salt=node.rng(16).hex(),
            tlp="CLEAR",
            body=key_body(signing.public),
        )
        intake.enter(node, sign(payload, [root]))


# --- the exercise -------------------------------------------------------------------------------


def load_exercise(home: Path, *, swap: bool = False, now: datetime | None = None) -> int:
    """Load the exercise into a folder of its own; how many statements its log holds.

    Raises:
        ConflictError: there is something in `home` already.
    """
    from tocsin.flows import exercise

    samples = resources.files("tocsin.samples")
    script = exercise.Script(samples.joinpath("exercise.toml").read_text("utf-8"), swap=swap)
    loaded = (now or datetime.now(UTC)).replace(microsecond=0)
    t0 = loaded - exercise.LOADED_AFTER
    shown = [t0 - timedelta(hours=1)]
    counter = [0]
    party, name = script.ids["A.cert"], script.names["A.cert"]

    def identity(key: str) -> str:
        # By its part in the script: what is ordered by id must not depend on who plays it.
        return ids.deterministic("identity", "exercise", key)

    def members(folder: Path) -> list[Party]:
        entries = []
        for key, member in script.ids.items():
            if member != party:
                make_keys(folder, member, log=False, rng=secrets.token_bytes)
                entries.append(
                    party_entry(folder, member, script.names[key], log=None, identity=identity(key))
                )
        return entries

    with fresh_folder(home) as folder:
        _init_in(
            folder,
            party,
            name,
            config=Config(party=party, name=name, exercise=True),
            clock=lambda: shown[0],
            rng=secrets.token_bytes,
            members=members,
            identity=identity("A.cert"),
        )
        with open_node(
            folder,
            clock=lambda: shown[0],
            new_id=lambda kind: exercise.new_id(kind, counter),
        ) as node:
            count = exercise.play(node, script, t0, lambda at: shown.__setitem__(0, at))
        (folder / "samples").mkdir()
        (folder / "samples" / script.logs["name"]).write_text(
            exercise.log_lines(script, t0), "utf-8"
        )
        report = samples.joinpath("report.txt").read_text("utf-8")
        (folder / "samples" / "report.txt").write_text(script.say(report), "utf-8")
    return count


# --- opening ------------------------------------------------------------------------------------


def _is_guest(home: Path, config: Config) -> bool:
    """Whether this folder was made by joining: it never had a log."""
    return config.remote is not None or not (
        (home / "data").exists() or (home / "keys" / "log.ed25519").exists()
    )


@contextmanager
def open_node(
    home: Path,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    rng: Callable[[int], bytes] = secrets.token_bytes,
    new_id: Callable[[str], str] = lambda kind: f"{kind}--{uuid.uuid4()}",
    url: str | None = None,
) -> Iterator[Node]:
    """Open a data folder: store, guards, then whatever was pending is finished.

    Without a sequencer thread (`run_log`) each statement is logged by whoever submits it.

    Raises:
        NodeBusyError: another process holds the folder.
        RollbackError: the store is older than what this log has shown.
        UsageError: the party of this folder joined another's node, and has none.
        ConfigError: a key file is missing or readable by others.
    """
    config = load_config(home)
    if _is_guest(home, config):
        where = config.remote.url if config.remote else "ADDRESS"
        raise UsageError(
            f"{config.party} joined another party's node and has none of its own in {home}",
            remedy=f"with the token that `tocsin party admit` printed there: TOCSIN_TOKEN=… "
            f"tocsin --home {home} --node {where} case list",
        )
    log_signer = load_log_signer(home, config.party)
    root = _root_file(home)
    store = SqliteStore.open(home / "data")
    doors = Doors(store, clock=clock, rng=rng)
    keyring = KeyRing(root)
    folding = False

    def opened(batch: Sequence[Opened]) -> None:
        # What recovery finishes is folded with everything else, in `refold`.
        for item in batch if folding else ():
            learn(keyring, item.index, item.raw)

    sequencer = Sequencer(
        store=store,
        files=TileFiles(home / "data", home / "guard"),
        signer=log_signer,
        clock=clock,
        opened=opened,
    )
    try:
        sequencer.recover()
        node = Node(
            party=config.party,
            store=store,
            log=sequencer,
            root=root,
            policy_text=policy_text(log_signer),
            keyring=keyring,
            signers=signers_in(home),
            registrar=load_signer(home, config.party, "root"),
            new_token=lambda party: guest_token(doors, party),
            new_link=(
                lambda person, role: (
                    url + doors.link(Person(name=person, party=config.party, role=role))
                )
            )
            if url
            else None,
            importers=IMPORTERS,
            clock=clock,
            rng=rng,
            new_id=new_id,
            sheet=sheet_page(),
            exercise=config.exercise,
        )
        refold(node)
        folding = True
        yield node
    finally:
        store.close()


def _root_file(home: Path) -> bytes:
    try:
        return (home / "root.json").read_bytes()
    except OSError as wrong:
        raise UnreadableError(
            f"{home / 'root.json'}: {wrong.strerror or wrong}",
            remedy="restore it from a backup, or from any other party of this directory",
        ) from wrong


def sheet_page() -> SheetPage:
    """The files a sheet is made of, as this version ships them."""
    cases = resources.files("tocsin.cases")
    return SheetPage(
        template=cases.joinpath("sheet.html").read_text("utf-8"),
        style=cases.joinpath("sheet.css").read_text("utf-8"),
        script=resources.files("tocsin.console").joinpath("static/verify.js").read_text("utf-8"),
    )


def guest_token(doors: Doors, party: str) -> str:
    """A token for a party that has joined: to read what is meant for it, and to bring envelopes."""
    person = Person(name=party, party=party, role="signer")
    return doors.make_token(person, GUEST_SCOPES, timedelta(days=365), "joined")


@contextmanager
def run_log(node: Node) -> Iterator[None]:
    """Run the sequencer in a thread of its own: many submitters share one commit."""
    stop = Event()
    thread = Thread(target=node.log.run, args=(stop,), name="sequencer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def refold(node: Node) -> None:
    """Fold what the log holds of directories and keys into the ring, in log order.

    The root's own statement is entered first in a log that is still empty.
    """
    from tocsin.flows import intake

    head = node.store.head()
    if head is None or head.size == 0:
        intake.enter(node, node.root)
        return
    rows = [
        k
        for kind in ("directory", "key", "revoke")
        for k in node.store.statements(node.everything(), kind=kind)
    ]
    for kept in sorted(rows, key=lambda k: k.index):
        learn(node.keyring, kept.index, kept.raw)


def learn(keyring: KeyRing, index: int, raw: bytes) -> None:
    """Fold one logged statement into the ring, judged at its own place in the log.

    One that may not stand there (its key was revoked between admission and logging) changes
    nothing, now or at the next start.
    """
    _, s = open_statement(raw)
    if s.kind not in ROOT_KINDS:
        return
    before = ChainHead(seq=s.seq - 1, head=s.prev) if s.seq > 1 else None
    try:
        verified = admit(raw, keyring=keyring, chain=before, index=index, markings=lambda _: None)
    except RecordError:
        return
    keyring.admit_key(verified, index)


def signers_in(home: Path) -> dict[str, Signer]:
    """The signing keys of every party whose key is in this folder."""
    return {
        path.name.removesuffix(".signing"): Signer.from_seed(
            _seed(path), path.name.removesuffix(".signing")
        )
        for path in sorted((home / "keys").glob("*.signing"))
    }


def policy_text(log: LogSigner) -> str:
    """A tlog-policy that trusts this log's own Ed25519 key and asks for no witness yet."""
    return f"log {log.vkeys()[0]}\nquorum none\n"


# --- joining ------------------------------------------------------------------------------------


def open_invitation(raw: bytes) -> Invitation:
    """An invitation file. Raises UnreadableError."""
    try:
        return msgspec.json.decode(raw, type=Invitation)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as wrong:
        raise UnreadableError(
            f"this is no invitation: {wrong}", remedy="give the file `tocsin party invite` printed"
        ) from wrong


def join(home: Path, invited: Invitation, *, name: str, heard: str, send: bool) -> bytes:
    """Make a party's keys and answer its invitation; the answer.

    With `send` it is brought to the inviting node, and the folder works against that node from
    then on; without, it is to be carried by hand (`tocsin party admit`).

    Raises:
        VerificationError: the fingerprint heard is another one; nothing is made.
        ConflictError: there is something in `home` already.
        UnreachableError: the node does not answer; nothing is made.
    """
    root = b64decode(invited.root)
    open_root(root)
    if not same_fingerprint(heard, root):
        raise VerificationError(
            f"{heard!r} is not the fingerprint of this invitation's directory",
            remedy="do not join: ask for the invitation again over another channel",
        )
    if send and not invited.url:
        raise UsageError(
            "this invitation names no address", remedy="answer by file: --out answer.json"
        )
    check_party_name(invited.party)
    _check_name(name)
    with fresh_folder(home) as folder:
        make_keys(folder, invited.party, log=False, rng=secrets.token_bytes)
        (folder / "root.json").write_bytes(root)
        answer = msgspec.json.encode(
            enrolment(
                invited,
                party_entry(folder, invited.party, name, log=None),
                load_signer(folder, invited.party, "root"),
                key_body(load_signer(folder, invited.party, "signing").public),
                time=datetime.now(UTC),
                salt=secrets.token_hex(16),
            )
        )
        remote = None
        if send:
            reply = Client(http_door(invited.url)).call("POST", "/parties", body=answer)
            token = _token_in(reply)
            write_secret(folder / "keys" / "token", token.encode() + b"\n")
            remote = RemoteConfig(url=invited.url)
        write_config(folder, Config(party=invited.party, name=name, remote=remote))
    return answer


def _token_in(reply: bytes) -> str:
    try:
        return msgspec.json.decode(reply, type=Admitted).token
    except (msgspec.DecodeError, msgspec.ValidationError) as wrong:
        raise UnreachableError(
            f"what answered the invitation is no node: {wrong}", remedy="check its address"
        ) from wrong


# --- without a node -----------------------------------------------------------------------------


def read_file(raw: bytes, name: str, *, published: date | None) -> dict[str, Any]:
    """A report or bundle read, and nothing kept. Raises as its importer does."""
    name = name.encode("utf-8", "backslashreplace").decode()
    return to_json(IMPORTERS[sniff(raw, name)].read(raw, name, published=published))


def standings_of_file(
    raw: bytes,
    name: str,
    *,
    only: str | None,
    reader: str | None,
    as_known: str | None,
    coder: str | None,
) -> tuple[list[dict[str, Any]], list[list[str]], tuple[Broken, ...]]:
    """Standings of a bundle's claims by id, their sentences, and what broke the carrier.

    Raises:
        BundleError: not a bundle.
        NotFoundError: `only` is no claim of it.
    """
    from tocsin.claims import carrier
    from tocsin.claims.explain import explain
    from tocsin.claims.standing import standing
    from tocsin.flows.weigh import as_known as instant_of

    view = carrier.read((o.data, o.sha256) for o in open_bundle(raw) if o.problem is None)
    if only is not None and only not in view.claims:
        raise NotFoundError(f"no claim {only} in {name}", remedy="leave out --claim to see all")
    at = instant_of(as_known)
    wanted = [only] if only else sorted(view.claims)
    found = [standing(view, c, reader=reader, at=at, coder=coder) for c in wanted]
    return [s.to_json() for s in found], [explain(s, view) for s in found], view.broken


def verify_files(
    files: Sequence[tuple[str, bytes]],
    *,
    policy: bytes | None,
    root: bytes | str | None,
    home: str | None,
) -> tuple[dict[str, Any], str | None]:
    """The verdict on dossiers or sheets, and what is said of a sheet's page.

    Trust comes from the reader's own policy and root, on a node from its own.

    Raises:
        UsageError: no policy is given, and there is no node to take it from.
        UnreadableError: a file is neither a dossier nor a sheet.
        VerificationError: a sheet's page is not what its dossier gives.
    """
    from tocsin.cases import sheet
    from tocsin.record import checkpoint, dossier

    if policy is None or root is None:
        try:
            folder = find_home(home)
        except UnreadableError:
            folder = None
        if folder is not None and policy is None and (folder / "keys" / "log.ed25519").exists():
            policy = policy_text(load_log_signer(folder, load_config(folder).party)).encode()
        if folder is not None and root is None:
            root = (folder / "root.json").read_bytes()
    if policy is None:
        raise UsageError(
            "no policy: whose log is to be trusted?",
            remedy="--policy FILE (from its owner: tocsin log show --policy-out FILE)",
        )
    try:
        trusted = checkpoint.open_policy(policy)
    except NoteError as wrong:
        raise UsageError(f"the policy: {wrong.message}", remedy=wrong.remedy) from wrong
    bodies, said = [], None
    for name, raw in files:
        if sheet.is_sheet(raw):
            bodies.append(sheet.compare_sheet(raw, sheet_page()))
            said = f"{name}: every byte is what its dossier gives"
        else:
            bodies.append(raw)
    verdict = dossier.verify(bodies, trusted, root)
    plain: dict[str, Any] = msgspec.to_builtins(verdict)
    return plain, said


def diagnose(given: str | None, now: datetime) -> list[dict[str, Any]]:
    """What `tocsin doctor` says: [{check, state, remedy}], remedy None where all is well."""
    import sqlite3

    from tocsin import __version__

    rows: list[dict[str, Any]] = []

    def row(check: str, state: str, remedy: str | None = None) -> None:
        rows.append({"check": check, "state": state, "remedy": remedy})

    row("tocsin", __version__)
    row("python", sys.version.split()[0])
    row("sqlite", sqlite3.sqlite_version)
    row("clock", now.isoformat(timespec="seconds"))
    try:
        home = find_home(given)
        config = load_config(home)
    except TocsinError as error:
        row("data folder", error.message, error.remedy)
        return rows
    row("data folder", str(home))
    row("party", f"{config.party}{' (exercise)' if config.exercise else ''}")
    free = shutil.disk_usage(home).free
    row("disk", f"{free // 2**20} MiB free", None if free > 2**28 else "free some space")
    try:
        for path in sorted((home / "keys").iterdir()):
            read_secret(path)
        row("keys", "readable by their owner only")
    except TocsinError as error:
        row("keys", error.message, error.remedy)
    live = running(home)
    if config.remote is not None:
        row("node", f"that of another party, at {config.remote.url}")
    elif _is_guest(home, config):
        row("node", "that of another party, joined by file: say --node URL, with TOCSIN_TOKEN")
    else:
        row("node", f"running at {live.url}" if live else "not running")
    return rows


# --- talking to a node --------------------------------------------------------------------------


class Running(Struct, frozen=True, kw_only=True):
    """`run/node.json` of a running node: where it answers, and its owner's tokens by party."""

    url: str
    pid: int
    tokens: dict[str, str]


def running(home: Path) -> Running | None:
    """The node that runs on this data folder, if one does."""
    path = home / "run" / "node.json"
    if not path.exists():
        return None
    try:
        found = msgspec.json.decode(read_secret(path), type=Running)
        os.kill(found.pid, 0)
    except (OSError, msgspec.DecodeError, TocsinError):
        return None  # left behind by a node that was killed
    return found


@contextmanager
def connect(
    home: str | None, url: str | None = None, as_party: str | None = None
) -> Iterator[Client]:
    """The way to the node a verb is for.

    A node that runs on the data folder is talked to; otherwise the folder is opened here; a folder
    that has joined somebody else's node talks to that one, and signs with its own key.

    Args:
        home: data folder; None: one's own, else the exercise.
        url: another node, with the token of `TOCSIN_TOKEN`.
        as_party: one of the parties whose keys are in this folder (the exercise has several).
    """
    if url:
        folder = Path(home) if home else None
        yield Client(
            http_door(url), token=secret("TOKEN"), signer=lambda: _signer_of(folder, as_party)
        )
        return
    folder = find_home(home)
    config = load_config(folder)
    party = as_party or config.party
    if config.remote is not None:
        token = read_secret(folder / "keys" / "token").decode().strip()
        yield Client(
            http_door(config.remote.url), token=token, signer=lambda: _signer_of(folder, party)
        )
        return
    live = running(folder)
    if live is not None:
        if party not in live.tokens:
            raise UsageError(
                f"the key of {party} is not in {folder}",
                remedy="one of: " + ", ".join(sorted(live.tokens)),
            )
        yield Client(http_door(live.url), token=live.tokens[party])
        return
    with open_node(folder) as node:
        if party not in node.signers:
            raise UsageError(
                f"the key of {party} is not in {folder}",
                remedy="one of: " + ", ".join(sorted(node.signers)),
            )
        yield Client(inner_door(node, party))


def _signer_of(folder: Path | None, party: str | None) -> Signer | None:
    if folder is None:
        return None
    return load_signer(folder, party or load_config(folder).party, "signing")


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


def inner_door(node: Node, party: str) -> Door:
    """A door straight into a node this process has opened, for its owner."""
    from tocsin.console import api

    actor = Actor(reader=node.reader(party, person="operator", role="admin"), role="admin")

    def door(
        method: str, path: str, query: Mapping[str, str], body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        found = api.answer(node, actor, method, path, query, body, headers)
        return Reply(status=found.status, media_type=found.media_type, body=found.body)

    return door


def http_door(url: str) -> Door:
    """A door to a node over HTTP."""
    from tocsin import outbound

    client = outbound.client(url, local=outbound.is_loopback(url))

    def door(
        method: str, path: str, query: Mapping[str, str], body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        found = outbound.fetch(client, method, path, query=query, body=body, headers=headers)
        return Reply(status=found.status, media_type=found.media_type, body=found.body)

    return door


# --- serving ------------------------------------------------------------------------------------


def serve(
    home: Path, *, host: str, port: int, behind_proxy: bool, say: Callable[[Node, str, str], None]
) -> None:
    """Run the node until it is told to stop: log, doors, console, in that order; stop in reverse.

    Args:
        say: told once the port is open: the node, its address, and a sign-in link's path.

    Raises:
        NodeBusyError: the port is taken, or another process holds the data folder.
        ConfigError: a bind off loopback without TLS in front.
    """
    import uvicorn

    from tocsin.console.app import LOOPBACK, build

    if not behind_proxy and host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError(
            f"refusing to answer on {host} without TLS",
            remedy="bind 127.0.0.1, or put a TLS proxy in front and say --behind-proxy",
        )
    with _bound(host, port) as sock:
        url = f"http://{f'[{host}]' if ':' in host else host}:{sock.getsockname()[1]}"
        with open_node(home, url=url) as node, run_log(node):
            console = build(node, hosts=(*LOOPBACK, host, *load_config(home).node.hosts))
            config = uvicorn.Config(
                console.asgi,
                log_config=None,
                lifespan="off",
                timeout_graceful_shutdown=3,
                access_log=False,
                server_header=False,
                date_header=False,
            )
            with _announced(home, url, node, console.doors):
                link = console.doors.link(Person(name="operator", party=node.party, role="admin"))
                say(node, url, link)
                # uvicorn raises a caught signal again once it has ended; by then it is dealt with.
                for caught in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(caught, lambda *_: None)
                _server(config, console.stop).run(sockets=[sock])


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket. Raises NodeBusyError, naming the holder and a free port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen()
    except (socket.gaierror, UnicodeError) as wrong:
        sock.close()
        raise ConfigError(
            f"{host!r} is no address of this machine", remedy="127.0.0.1, ::1 or localhost"
        ) from wrong
    except OSError as wrong:
        sock.close()
        raise NodeBusyError(
            f"port {port} on {host} is taken ({wrong.strerror}){_holder(port)}",
            remedy=f"use another: tocsin up --port {_free_port(host, port)}",
        ) from wrong
    with sock:
        yield sock


@contextmanager
def _announced(home: Path, url: str, node: Node, doors: Doors) -> Iterator[None]:
    """`run/node.json` while the node runs: where it answers, and its owner's tokens."""
    for stale in doors.tokens():
        if stale.label == "terminal":
            doors.revoke_token(stale.id, "node")
    tokens = {
        party: doors.make_token(
            Person(name="operator", party=party, role="admin"),
            SCOPES,
            timedelta(days=365),
            "terminal",
        )
        for party in node.signers
    }
    path = home / "run" / "node.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    write_secret(path, msgspec.json.encode(Running(url=url, pid=os.getpid(), tokens=tokens)))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        for token in doors.tokens():
            if token.label == "terminal":
                doors.revoke_token(token.id, "node")


def _server(config: Any, stop_streams: Callable[[], None]) -> Any:
    """A server that ends open streams when told to stop; it would wait for them otherwise."""
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            stop_streams()
            super().handle_exit(sig, frame)

    return Server(config)


def _holder(port: int) -> str:
    """Who holds a port, if the system tells (Linux, own processes)."""
    try:
        rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
        inodes = {
            row.split()[9]
            for row in rows
            if row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A"
        }
        for fd in Path("/proc").glob("[0-9]*/fd/*"):
            try:
                target = os.readlink(fd)
            except OSError:
                continue
            if target.startswith("socket:[") and target[8:-1] in inodes:
                name = (fd.parent.parent / "comm").read_text().strip()
                return f" by process {fd.parent.parent.name} ({name})"
    except OSError:
        pass
    return ""


def _free_port(host: str, port: int) -> int:
    for candidate in range(port + 1, min(port + 50, 65_536)):
        with socket.socket() as probe:
            if probe.connect_ex((host, candidate)) != 0:
                return candidate
    return 0
