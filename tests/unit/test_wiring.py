"""A data folder: made whole or not at all, configured without guessing, opened with a remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import (
    ConfigError,
    ConflictError,
    NodeBusyError,
    NotFoundError,
    TocsinError,
    UnreachableError,
    UnreadableError,
    UsageError,
    VerificationError,
)
from tocsin.flows import intake, join
from tocsin.store.sqlite import SqliteStore
from tocsin.wiring.door import connect, http_door, running
from tocsin.wiring.folder import (
    Config,
    DirectoryConfig,
    LogConfig,
    MispConfig,
    NodeConfig,
    ReadingConfig,
    RemoteConfig,
    find_home,
    load_config,
    secret,
    write_config,
)
from tocsin.wiring.join import join as join_by
from tocsin.wiring.join import open_invitation
from tocsin.wiring.keys import load_signer
from tocsin.wiring.node import open_node
from tocsin.wiring.offline import read_file, standings_of_file, verify_files
from tocsin.wiring.party import init
from tocsin.wiring.public_record import bundles
from tocsin.wiring.serve import bound

World = Any  # tests/unit/conftest.py


# --- tocsin.toml ----------------------------------------------------------------------------------


@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    hosts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=3),
    port=st.integers(0, 65_535),
    flags=st.tuples(st.booleans(), st.booleans()),
    url=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_what_is_written_to_the_configuration_is_read_from_it(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    hosts: list[str],
    port: int,
    flags: tuple[bool, bool],
    url: str | None,
) -> None:
    folder = tmp_path_factory.mktemp("toml")
    config = Config(
        party="cert.northland.example",
        name=name,
        exercise=flags[0],
        node=NodeConfig(host='a"b\\', port=port, behind_proxy=flags[1], hosts=tuple(hosts)),
        log=LogConfig(gossip_s=2.5, signature_workers=port % 65) if flags[0] else LogConfig(),
        remote=RemoteConfig(url=url) if url is not None else None,
        directory=DirectoryConfig(sources=(url,) if url is not None else ()),
        misp=MispConfig(organisations={name: "gridco.example"} if flags[1] else {}),
        reading=ReadingConfig(nlp=name if flags[0] else ""),
    )
    write_config(folder, config)
    assert load_config(folder) == config


@pytest.mark.parametrize(
    "name", ['"CERT"', "a\\b", "tab\t", "\x7f", "line\nend", "🔔", "مرکز‌ملی", "\u202eabc", "'''"]
)
def test_odd_names_keep_their_form(tmp_path: Path, name: str) -> None:
    config = Config(party="cert.northland.example", name=name)
    write_config(tmp_path, config)
    assert load_config(tmp_path) == config


WRONG = {
    'party = "a.example"\nname = "A"\nprot = 1\n': ("prot", "'port'"),
    'party = "a.example"\nname = "A"\n[node]\nprot = 1\n': ("prot", "'port'"),
    'party = "a.example"\nnam = "A"\n': ("nam", "'name'"),
    'party = "a.example"\nname = "A"\n[directory]\nsource = []\n': ("source", "'sources'"),
    'party = "a.example"\nname = "A"\n[reading]\nnpl = "x"\n': ("npl", "'nlp'"),
    'party = "a.example"\n': ("name", "keys are"),
    'party = "a.example"\nname = "A"\n[node]\nport = "x"\n': ("$.node.port", "keys are"),
    'party = "a.example"\nname = "A"\n[node]\nport = 65536\n': ("$.node.port", "keys are"),
    'party = "a.example"\nname = "A"\n[node]\nport = -1\n': ("$.node.port", "keys are"),
    'party = "a.example"\nname = "A"\npassword = "x"\n': ("password", "keys are"),
    "party = \n": ("line 1", "mend"),
    "\x00": ("line 1", "mend"),
}


@pytest.mark.parametrize("text", WRONG, ids=ascii)
def test_a_wrong_key_is_named_with_the_nearest_there_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "tocsin.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(tmp_path)
    name, remedy = WRONG[text]
    assert name in refused.value.message
    assert str(tmp_path / "tocsin.toml") in refused.value.message
    assert remedy in refused.value.remedy


def test_bytes_that_are_no_text_are_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "tocsin.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(ConfigError):
        load_config(tmp_path)
    (tmp_path / "tocsin.toml").unlink()
    (tmp_path / "tocsin.toml").mkdir()
    with pytest.raises(ConfigError):
        load_config(tmp_path)


# --- secrets --------------------------------------------------------------------------------------


def test_a_secret_comes_from_a_file_or_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TOCSIN_TOKEN", "TOCSIN_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert secret("TOKEN") == ""
    monkeypatch.setenv("TOCSIN_TOKEN", "one")
    assert secret("TOKEN") == "one"
    file = tmp_path / "token"
    file.write_text("one\n", "utf-8")
    monkeypatch.setenv("TOCSIN_TOKEN_FILE", str(file))
    assert secret("TOKEN") == "one"
    file.write_text("two\n", "utf-8")
    with pytest.raises(ConfigError, match="differ") as refused:
        secret("TOKEN")
    assert "one" not in refused.value.message.replace("unset one", "")
    assert "two" not in refused.value.message
    monkeypatch.delenv("TOCSIN_TOKEN")
    assert secret("TOKEN") == "two"
    for wrong in (str(tmp_path / "absent"), str(tmp_path)):
        monkeypatch.setenv("TOCSIN_TOKEN_FILE", wrong)
        with pytest.raises(ConfigError, match="TOCSIN_TOKEN_FILE"):
            secret("TOKEN")


# --- making a party -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "party", ["", "x", "A.example", "a..example", "../x", "a.example\n", "a b.c"]
)
def test_a_name_that_no_directory_can_hold_makes_nothing(tmp_path: Path, party: str) -> None:
    with pytest.raises(ConfigError):
        init(tmp_path / "own", party, "X")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[31m", "\udcff", "a\x7f", "a\u2028b"])
def test_an_organisation_is_named_in_one_line_of_text(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        init(tmp_path / "own", "a.example", name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", range(6))
def test_making_a_party_that_is_cut_off_leaves_nothing(tmp_path: Path, at: int) -> None:
    """Cut off at its n-th random number: before, between and after its keys, and in its log."""
    calls = [0]

    def rng(size: int) -> bytes:
        calls[0] += 1
        if calls[0] > at:
            raise KeyboardInterrupt
        return bytes([calls[0]]) * size

    with pytest.raises(KeyboardInterrupt):
        init(tmp_path / "own", "a.example", "A", rng=rng)
    assert calls == [at + 1]
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "letter.txt").write_text("mine", "utf-8")
    (tmp_path / "file").write_text("mine", "utf-8")
    for name in ("own", "file"):
        with pytest.raises(ConflictError):
            init(tmp_path / name, "a.example", "A")
    assert {p.name for p in tmp_path.rglob("*")} == {"own", "file", "letter.txt"}


def test_a_party_can_be_made_in_the_folder_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    init(Path(), "a.example", "A")
    assert load_config(tmp_path / "here").party == "a.example"
    assert [p.name for p in tmp_path.iterdir()] == ["here"]


def test_private_keys_are_their_owners_only(tmp_path: Path) -> None:
    init(tmp_path / "own", "a.example", "A")
    for key in (tmp_path / "own" / "keys").iterdir():
        assert key.stat().st_mode & 0o077 == 0, key
    assert "a.example" in (tmp_path / "own" / "tocsin.toml").read_text("utf-8")


# --- opening --------------------------------------------------------------------------------------


def test_one_folder_is_opened_once(world: World) -> None:
    with pytest.raises(NodeBusyError), open_node(world.home):
        pass


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("root.json", None),
        ("keys/log.ed25519", None),
        ("keys/log.ed25519", b"no digits\n"),
        ("keys/log.mldsa", b"\xff\n"),
        ("keys/cert.northland.example.signing", b"abcd\n"),
        ("keys/cert.northland.example.signing", b"ab" * 33),
        ("keys/cert.northland.example.root", b""),
    ],
)
def test_a_damaged_folder_is_named_with_what_is_wrong(
    world: World, restart: Callable[[World], World], name: str, content: bytes | None
) -> None:
    world.node.store.close()
    path = world.home / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(TocsinError, match=path.name), open_node(world.home):
        pass


def test_a_node_that_does_not_open_lets_go_of_its_folder(tmp_path: Path) -> None:
    home = tmp_path / "own"
    init(home, "cert.northland.example", "CERT")
    with closing(SqliteStore.open(home / "data")) as store:
        store.keep_local("fork", "port.example/log", b"no fork", None)
    with pytest.raises(msgspec.DecodeError) as wrong, open_node(home):
        pass
    assert wrong.value.__traceback__, "whoever holds it keeps the frames alive"
    SqliteStore.open(home / "data").close()


def test_a_key_that_others_can_read_is_refused(world: World) -> None:
    world.node.store.close()
    (world.home / "keys" / "log.ed25519").chmod(0o644)
    with pytest.raises(ConfigError, match="mode"), open_node(world.home):
        pass


def test_a_restart_knows_every_party_and_key(
    world: World, restart: Callable[[World], World]
) -> None:
    keys = {p: intake.signing_key(world.node, p) for p in (world.NORTH, world.GRID, world.SOUTH)}
    size = world.size
    after = restart(world)
    assert after.size == size
    assert keys == {p: intake.signing_key(after.node, p) for p in keys}
    assert None not in keys.values()


def test_a_folder_without_a_party_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for given_home in (None, str(tmp_path)):
        with pytest.raises(UnreadableError) as refused:
            find_home(given_home)
        assert "tocsin" in refused.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_party_whose_key_is_elsewhere_is_not_acted_as(world: World) -> None:
    world.node.store.close()
    with (
        pytest.raises(UsageError, match=r"gridco\.example"),
        connect(str(world.home), as_party=world.GRID),
    ):
        pass


@pytest.mark.parametrize(
    "left", [b"", b"{", b"[]", b'{"url":"http://127.0.0.1:1","pid":999999999,"tokens":{}}']
)
def test_what_a_killed_node_has_left_is_no_running_node(world: World, left: bytes) -> None:
    run = world.home / "run"
    run.mkdir(mode=0o700)
    (run / "node.json").write_bytes(left)
    (run / "node.json").chmod(0o600)
    assert running(world.home) is None


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://a.example", "http://[", "http://a:b@c.example", "http://x:99999"]
)
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(TocsinError):
        http_door(url)("GET", "/", {}, b"", {})


@pytest.mark.parametrize("host", ["no such host", "300.1.1.1", "x" * 300])
def test_a_host_that_is_none_of_this_machine_is_not_a_port_that_is_taken(host: str) -> None:
    with pytest.raises(ConfigError), bound(host, 0):
        pass


def test_a_port_that_is_taken_is_said_with_a_free_one() -> None:
    with bound("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        with (
            pytest.raises(NodeBusyError, match=str(port)) as refused,
            bound("127.0.0.1", port),
        ):
            pass
    assert "--port" in refused.value.remedy


# --- joining --------------------------------------------------------------------------------------


def invited(world: World, party: str = "portco.example", url: str = "") -> join.Invitation:
    found: join.Invitation = join.invitation(world.node, world.NORTH, party, url=url)
    return found


def test_a_wrong_fingerprint_makes_nothing(world: World, tmp_path: Path) -> None:
    right = join.root_fingerprint(world.node)
    for heard in ("", "AAAA " * 8, right[:-1], right.replace(right[0], "X", 1)):
        with pytest.raises(VerificationError):
            join_by(tmp_path / "port", invited(world), name="P", heard=heard, send=False)
    assert list(tmp_path.iterdir()) == []


def test_an_answer_is_made_where_the_keys_are_and_admits_once(world: World, tmp_path: Path) -> None:
    invitation = invited(world)
    heard = join.root_fingerprint(world.node)
    answer = join_by(tmp_path / "port", invitation, name="PortCo", heard=heard, send=False).answer
    for key in (tmp_path / "port" / "keys").iterdir():
        assert key.read_bytes().strip() not in answer
    admitted = world.json("POST", "/parties", party=None, body=answer)
    assert admitted["token"]
    other = join_by(tmp_path / "other", invitation, name="PortCo", heard=heard, send=False).answer
    assert world.ask("POST", "/parties", party=None, body=other).status >= 400
    # Said again it is the same answer, by the same keys.
    again = join_by(tmp_path / "port", invitation, name="PortCo", heard=heard, send=False)
    assert again.answer == answer


def test_a_node_that_does_not_answer_costs_no_keys(world: World, tmp_path: Path) -> None:
    """It may have taken the party in, and only its reply is lost."""
    invitation = invited(world, url="http://127.0.0.1:1")
    heard = join.root_fingerprint(world.node)
    keys = []
    for _ in range(2):
        with pytest.raises(UnreachableError) as refused:
            join_by(tmp_path / "port", invitation, name="PortCo", heard=heard, send=True)
        assert "say the same again" in refused.value.remedy
        keys.append(load_signer(tmp_path / "port", invitation.party, "root").keyid)
    assert keys[0] == keys[1]


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b"[" * 5000, b'{"v":"1"}'])
def test_what_is_no_invitation_is_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(UnreadableError, match="no invitation"):
        open_invitation(raw)


@pytest.mark.parametrize("root", ["", "x", "e30="])
def test_an_invitation_without_a_root_is_refused(world: World, tmp_path: Path, root: str) -> None:
    broken = msgspec.structs.replace(invited(world), root=root)
    with pytest.raises(TocsinError):
        join_by(tmp_path / "port", broken, name="P", heard="x", send=False)
    assert list(tmp_path.iterdir()) == []


# --- without a node -------------------------------------------------------------------------------


def test_reading_and_standing_need_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    read = read_file(world.ARTICLE.encode(), "a.txt", published=None)
    assert len(read["drafts"]) == 3
    bundle = world.indicator()
    found, sentences, broken = standings_of_file(
        bundle, "b.json", only=None, reader=None, as_known=None, coder=None
    )
    assert (found, sentences, broken) == ([], [], ())
    shipped = bundles()["seed.json"]
    counts = [
        len(standings_of_file(shipped, "s", only=None, reader=None, as_known=at, coder=None)[0])
        for at in ("1999-01-01", "2023-05-10", None)
    ]
    assert counts == [0, 1, 6]
    with pytest.raises(NotFoundError):
        standings_of_file(bundle, "b.json", only="note--x", reader=None, as_known=None, coder=None)
    assert list(tmp_path.iterdir()) == []


def test_verifying_needs_a_policy_and_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    from tocsin.flows import respond

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    case, _ = respond.open_case(world.node, world.NORTH, "T")
    reader = world.node.reader(world.NORTH)
    dossier, _ = respond.export(world.node, case, reader, "dossier", own=reader)
    policy = world.node.policy_text.encode()
    files = [("case.tocsin", dossier)]
    with pytest.raises(UsageError, match="policy"):
        verify_files(files, policy=None, root=None, home=None)
    with pytest.raises(UsageError, match="policy"):
        verify_files(files, policy=b"\x00", root=None, home=None)
    verdict = verify_files(files, policy=policy, root=world.node.root, home=None).verdict
    assert verdict["ok"], verdict["problems"]
    assert verdict["v"] == 1
    json.dumps(verdict)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://127.0.0.1:8971", "127.0.0.1", 8971),
        ("http://localhost:9000", "localhost", 9000),
        ("http://[::1]:9000", "::1", 9000),
        ("https://127.0.0.1:8971", "127.0.0.1", 8470),
        ("http://tocsin.northland.example:8971", "127.0.0.1", 8470),
        ("http://127.0.0.1", "127.0.0.1", 8470),
        ("", "127.0.0.1", 8470),
    ],
)
def test_a_node_answers_where_its_address_on_this_machine_says(
    url: str, host: str, port: int
) -> None:
    at = NodeConfig.at(url)
    assert (at.host, at.port) == (host, port)


@pytest.mark.parametrize("url", ["http://a:b", "http://a:0", "http://a:70000", "http://[::1", "a"])
def test_an_address_that_is_none_is_refused_as_such(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="is no address of a node"):
        init(tmp_path / "north", "cert.northland.example", "North", url=url)
