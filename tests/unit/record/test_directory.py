"""The directory, its versions, and which key may sign what at which place in the log."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import canonical
from tocsin.errors import ChainError, DirectoryError, RecordError, SignatureError, StatementError
from tocsin.policy import Audience
from tocsin.record.admission import ChainHead, admit
from tocsin.record.directory import (
    Directory,
    KeyRing,
    NodeEntry,
    Party,
    add_party,
    advance,
    fingerprint,
    genesis,
    open_root,
    party_json,
    read_directory,
    read_party,
    registrars_of,
    root_of,
    same_fingerprint,
    with_former,
)
from tocsin.record.envelope import (
    Verified,
    assemble,
    first_key,
    open_envelope,
    open_statement,
    pae,
    sign,
)
from tocsin.record.keys import LogSigner, PublicKey, Signer
from tocsin.record.statement import chain_of, compose, key_body, revoke_body

NORTHLAND, GRIDCO, PORTCO = "cert.northland.example", "gridco.example", "portco.example"
ROOT = Signer.from_seed(b"\x01" * 32, NORTHLAND)
ROOT2 = Signer.from_seed(b"\x02" * 32, NORTHLAND)
DESK = Signer.from_seed(b"\x03" * 32, NORTHLAND)
SPARE = Signer.from_seed(b"\x04" * 32, NORTHLAND)
GRID_ROOT = Signer.from_seed(b"\x05" * 32, GRIDCO)
GRID_DESK = Signer.from_seed(b"\x06" * 32, GRIDCO)
LOG = LogSigner.from_seeds(f"{NORTHLAND}/log", b"\x07" * 32, b"\x08" * 32)


def public(signer: Signer) -> PublicKey:
    return PublicKey.of(signer.public)


def party(name: str, *roots: Signer, number: int = 1, threshold: int = 1, **more: Any) -> Party:
    return Party(
        id=name,
        name=name.upper(),
        root=root_of([public(root) for root in roots], threshold),
        identity=f"identity--{number:08}-1111-4111-8111-111111111111",
        **more,
    )


NODE = NodeEntry(origin=f"{NORTHLAND}/log", log_vkeys=LOG.vkeys())
HOME = party(NORTHLAND, ROOT, nodes=(NODE,))
GRID = party(GRIDCO, GRID_ROOT, number=2, clients=(PORTCO,))


def write(
    kind: str, body: dict[str, Any], *signers: Signer, author: str = NORTHLAND, **changes: Any
) -> bytes:
    fields: dict[str, Any] = {
        "author": author,
        "key": first_key(signers),
        "kind": kind,
        "seq": 1,
        "prev": "",
        "time": "2026-11-22T08:30:00Z",
        "salt": "00112233445566778899aabbccddeeff",
        "tlp": "CLEAR",
        "body": body,
    }
    return sign(compose(**(fields | changes)), signers)


FIRST = genesis(registrars_of([(NORTHLAND, public(ROOT))]), [HOME])
ROOT_FILE = write("directory", FIRST, ROOT)


class Log:
    """A log in memory: admits at its end and tells the ring, as a node does."""

    def __init__(self, root: bytes = ROOT_FILE) -> None:
        self.ring = KeyRing(root)
        self.size = 0
        self.heads: dict[tuple[str, str], ChainHead] = {}
        self.enter(root)

    def enter(self, raw: bytes) -> Verified:
        found = self.judge(raw, None)
        s = found.statement
        self.heads[s.author, s.chain] = ChainHead(seq=s.seq, head=found.id)
        self.ring.admit_key(found, self.size)
        self.size += 1
        return found

    def say(self, kind: str, body: dict[str, Any], *signers: Signer, **changes: Any) -> Verified:
        author = changes.get("author", NORTHLAND)
        head = self.heads.get((author, chain_of(kind, changes.get("case"))))
        chain: dict[str, Any] = {"seq": head.seq + 1, "prev": head.head} if head else {}
        return self.enter(write(kind, body, *signers, **(chain | changes)))

    def judge(self, raw: bytes, index: int | None, chain: ChainHead | None = None) -> Verified:
        def unmarked(ref: str) -> Audience | None:
            return None

        _, s = open_statement(raw)
        chain = self.heads.get((s.author, s.chain)) if index is None else chain
        return admit(raw, keyring=self.ring, chain=chain, index=index, markings=unmarked)


# --- reading and building -----------------------------------------------------------------------


def test_a_directory_is_read_as_it_was_built() -> None:
    found = read_directory(FIRST)
    assert found.version == 1
    assert found.parties == (HOME,)
    assert found.party(NORTHLAND) == HOME
    assert found.party(GRIDCO) is None
    assert found.by_identity(HOME.identity) == HOME
    assert found.origins() == {f"{NORTHLAND}/log": LOG.vkeys()}
    assert read_party(party_json(GRID)) == GRID


def test_adding_a_party_keeps_what_we_do_not_know() -> None:
    body = canonical.decode(canonical.encode({**FIRST, "note": "ours"}))
    body["parties"][0]["colour"] = "none"
    two = add_party(read_directory(body), GRID)
    assert two["note"] == "ours"
    assert two["version"] == 2
    assert [p["id"] for p in two["parties"]] == [NORTHLAND, GRIDCO]
    assert two["parties"][0]["colour"] == "none"


def test_adding_a_listed_party_replaces_it() -> None:
    two = read_directory(add_party(read_directory(FIRST), msgspec.structs.replace(HOME, name="N")))
    assert [p.name for p in two.parties] == ["N"]


def test_what_was_asked_of_one_version_is_not_told_by_the_next() -> None:
    one = read_directory(FIRST)
    assert one.by_identity(HOME.identity) == HOME
    heir = party(PORTCO, SPARE, number=3)
    other = party(GRIDCO, SPARE, number=4)
    heir = msgspec.structs.replace(heir, identity=HOME.identity, clients=(NORTHLAND,))
    two = msgspec.structs.replace(one, parties=(other, heir))
    assert two.by_identity(HOME.identity) == heir
    assert (two.party(NORTHLAND), two.party(PORTCO)) == (None, heir)
    assert two.providers(NORTHLAND) == {PORTCO}
    # Of two that have had one identity, the first by id.
    both = with_former([one, two])
    assert both.by_identity(HOME.identity) == HOME
    assert (both.party(NORTHLAND), both.party(PORTCO)) == (HOME, heir)


def test_a_reader_knows_whose_client_it_is() -> None:
    two = read_directory(add_party(read_directory(FIRST), GRID))
    three = read_directory(add_party(two, party(PORTCO, SPARE, number=3)))
    assert three.reader(PORTCO, person="A").providers == {GRIDCO}
    assert three.reader(GRIDCO).providers == frozenset()
    with pytest.raises(DirectoryError, match=r"westwater\.example"):
        three.reader("westwater.example")


def broken(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    two = add_party(read_directory(FIRST), GRID)
    body: dict[str, Any] = canonical.decode(canonical.encode(two))
    change(body)
    return body


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b.pop("registrars"),
        lambda b: b.update(version=0),
        lambda b: b.update(version=True),
        lambda b: b.update(parties=[]),
        lambda b: b["parties"].reverse(),
        lambda b: b["parties"].append(b["parties"][1]),
        lambda b: b["registrars"].update(threshold=2),
        lambda b: b["registrars"].update(threshold=0),
        lambda b: b["registrars"].update(keys=[]),
        lambda b: b["registrars"]["keys"].append(b["registrars"]["keys"][0]),
        lambda b: b["registrars"]["keys"][0].update(party=GRIDCO),
        lambda b: b["registrars"]["keys"][0].update(keyid="0" * 64),
        lambda b: b["parties"][0]["root"].update(threshold=2),
        lambda b: b["parties"][0]["root"]["keys"][0].update(public="A" * 43 + "="),
        lambda b: b["parties"][0].update(root=b["parties"][1]["root"]),
        lambda b: b["parties"][0].update(identity=b["parties"][1]["identity"]),
        lambda b: b["parties"][0].update(identity="indicator--1"),
        lambda b: b["parties"][0].update(clients=[PORTCO, GRIDCO]),
        lambda b: b["parties"][0]["nodes"][0].update(origin="gridco.example/log"),
        lambda b: b["parties"][0]["nodes"][0].update(key="AAAA"),
        lambda b: b["parties"][0].update(name=""),
        lambda b: b["parties"][0].update(id="Northland"),
    ],
)
def test_a_directory_that_breaks_a_rule_is_refused(
    change: Callable[[dict[str, Any]], None],
) -> None:
    with pytest.raises(DirectoryError):
        read_directory(broken(change))


@given(
    st.dictionaries(st.sampled_from(["version", "registrars", "parties"]), st.text() | st.none())
)
def test_any_directory_body_is_read_or_refused_never_worse(body: dict[str, Any]) -> None:
    with suppress(RecordError):
        read_directory(body)
    with suppress(RecordError):
        read_directory({**FIRST, **body})


# --- the root file ------------------------------------------------------------------------------


def test_the_fingerprint_is_eight_groups_of_four() -> None:
    text = fingerprint(ROOT_FILE)
    assert re.fullmatch(r"([A-Z2-7]{4}-){7}[A-Z2-7]{4}", text)
    assert same_fingerprint(text.lower().replace("-", " "), ROOT_FILE)
    assert not same_fingerprint(text[:-1], ROOT_FILE)
    assert fingerprint(ROOT_FILE + b" ") != text


def test_a_root_file_opens_without_anything_else() -> None:
    assert open_root(ROOT_FILE).parties == (HOME,)


def test_a_root_file_signed_by_somebody_else_is_refused() -> None:
    with pytest.raises(SignatureError, match="no registrar key"):
        open_root(write("directory", FIRST, SPARE))


def test_a_root_file_with_a_bad_signature_is_refused() -> None:
    payload = open_envelope(ROOT_FILE).payload
    with pytest.raises(SignatureError, match="does not verify"):
        open_root(assemble(payload, {ROOT.keyid: SPARE.sign(pae(payload))}))


def test_a_root_file_by_an_author_who_is_no_registrar_is_refused() -> None:
    with pytest.raises(DirectoryError, match="no registrar"):
        open_root(write("directory", FIRST, ROOT, author=GRIDCO))


def test_another_kind_is_no_root_file() -> None:
    with pytest.raises(DirectoryError, match="a key statement"):
        open_root(write("key", key_body(DESK.public), ROOT))


def test_version_two_is_no_root_file() -> None:
    two = add_party(read_directory(FIRST), GRID)
    with pytest.raises(DirectoryError, match="holds 2"):
        open_root(write("directory", two, ROOT))


# --- versions -----------------------------------------------------------------------------------


def registered(threshold: int, *signers: Signer, version: int = 1) -> dict[str, Any]:
    body = genesis(registrars_of([(NORTHLAND, public(s)) for s in signers], threshold), [HOME])
    return {**body, "version": version}


def test_versions_rise_by_one() -> None:
    one = read_directory(FIRST)
    assert advance(one, write("directory", add_party(one, GRID), ROOT)).version == 2
    for version in (1, 3):
        body = {**add_party(one, GRID), "version": version}
        with pytest.raises(DirectoryError, match="rise by one"):
            advance(one, write("directory", body, ROOT))


def test_a_new_version_needs_the_old_registrars_and_its_own() -> None:
    one = read_directory(FIRST)
    body = registered(1, ROOT2, version=2)
    assert advance(one, write("directory", body, ROOT, ROOT2)).version == 2
    with pytest.raises(DirectoryError, match="0 registrars of version 2"):
        advance(one, write("directory", body, ROOT))
    with pytest.raises(DirectoryError, match="0 registrars of version 1"):
        advance(one, write("directory", body, ROOT2))


def test_a_threshold_of_registrars_is_counted() -> None:
    one = open_root(write("directory", registered(2, ROOT, ROOT2, SPARE), ROOT, SPARE))
    body = registered(2, ROOT, ROOT2, SPARE, version=2)
    assert advance(one, write("directory", body, ROOT2, SPARE)).version == 2
    with pytest.raises(DirectoryError, match="1 registrars of version 1"):
        advance(one, write("directory", body, ROOT2))


def test_a_signature_that_nobody_can_check_is_refused() -> None:
    one = read_directory(FIRST)
    with pytest.raises(SignatureError, match="no registrar key"):
        advance(one, write("directory", add_party(one, GRID), ROOT, SPARE))


# --- the ring -----------------------------------------------------------------------------------


def test_a_key_counts_above_its_statement_and_below_its_revocation() -> None:
    log = Log()
    log.say("key", key_body(DESK.public), ROOT)  # index 1
    raw = log.say("say", {}, DESK).raw  # index 2
    log.say("revoke", revoke_body(DESK.keyid, "stolen"), ROOT)  # index 3
    states = [log.ring.state(NORTHLAND, DESK.keyid, index) for index in range(5)]
    assert states == ["unknown", "unknown", "valid", "valid", "revoked"]
    assert log.ring.state(NORTHLAND, DESK.keyid, None) == "revoked"
    assert log.judge(raw, 2).raw == raw
    for index in (0, 1, 4):
        with pytest.raises(SignatureError):
            log.judge(raw, index)


def test_between_suspicion_and_revocation_a_key_is_suspect() -> None:
    log = Log()
    log.say("key", key_body(DESK.public), ROOT)
    body = revoke_body(DESK.keyid, "stolen", "2026-11-20T00:00:00Z")
    log.say("say", {}, DESK)
    log.say("revoke", body, ROOT)
    assert log.ring.state(NORTHLAND, DESK.keyid, 2, "2026-11-19T23:59:59Z") == "valid"
    assert log.ring.state(NORTHLAND, DESK.keyid, 2, "2026-11-20T00:00:00Z") == "suspect"
    assert log.ring.state(NORTHLAND, DESK.keyid, 2) == "suspect"
    assert log.ring.state(NORTHLAND, DESK.keyid, 4, "2026-11-19T00:00:00Z") == "revoked"
    found = log.ring.key(NORTHLAND, DESK.keyid)
    assert found is not None
    assert (found.since, found.until, found.reason) == (1, 3, "stolen")


def test_the_earliest_revocation_counts() -> None:
    log = Log()
    log.say("key", key_body(DESK.public), ROOT)
    log.say("revoke", revoke_body(DESK.keyid, "lost"), ROOT)
    log.say("revoke", revoke_body(DESK.keyid, "again"), ROOT)
    found = log.ring.key(NORTHLAND, DESK.keyid)
    assert found is not None
    assert (found.until, found.reason) == (2, "lost")


def test_a_revoked_key_stays_revoked() -> None:
    log = Log()
    log.say("key", key_body(DESK.public), ROOT)
    log.say("revoke", revoke_body(DESK.keyid, "lost"), ROOT)
    log.say("key", key_body(DESK.public), ROOT)
    with pytest.raises(SignatureError, match="revoked"):
        log.say("say", {}, DESK)


def test_a_key_revoked_before_it_is_enrolled_here_never_counts() -> None:
    log = Log()
    log.say("revoke", revoke_body(DESK.keyid, "stolen elsewhere"), ROOT)
    log.say("key", key_body(DESK.public), ROOT)
    with pytest.raises(SignatureError, match="unknown"):
        log.say("say", {}, DESK)


def test_a_key_signs_only_the_kinds_it_is_enrolled_for() -> None:
    log = Log()
    log.say("key", key_body(DESK.public, ["ack"]), ROOT)
    log.say("ack", {"heads": []}, DESK)
    with pytest.raises(SignatureError, match="may sign ack, and this is a say"):
        log.say("say", {}, DESK)
    log.say("key", key_body(DESK.public, ["say"]), ROOT)  # index 3
    raw = log.say("say", {}, DESK).raw
    with pytest.raises(SignatureError, match="may sign"):
        log.judge(raw, 3)


def test_key_statements_need_the_partys_root_threshold() -> None:
    home = party(NORTHLAND, ROOT, ROOT2, threshold=2)
    body = genesis(registrars_of([(NORTHLAND, public(ROOT))]), [home])
    log = Log(write("directory", body, ROOT))
    with pytest.raises(SignatureError, match="1 root keys"):
        log.say("key", key_body(DESK.public), ROOT)
    with pytest.raises(SignatureError, match="no root key"):
        log.say("key", key_body(DESK.public), ROOT, DESK)
    log.say("key", key_body(DESK.public), ROOT, ROOT2)
    assert log.ring.state(NORTHLAND, DESK.keyid, None) == "valid"


def test_a_party_cannot_enrol_or_revoke_for_another() -> None:
    log = Log()
    log.say("directory", add_party(log.ring.directory, GRID), ROOT)
    with pytest.raises(SignatureError, match="no root key"):
        log.say("key", key_body(SPARE.public), GRID_ROOT)
    log.say("key", key_body(DESK.public), ROOT)
    log.say("revoke", revoke_body(DESK.keyid, "spite"), GRID_ROOT, author=GRIDCO)
    assert log.ring.state(NORTHLAND, DESK.keyid, None) == "valid"


def test_a_root_key_cannot_be_enrolled_for_everyday_signing() -> None:
    log = Log()
    with pytest.raises(SignatureError, match="root or registrar key"):
        log.say("key", key_body(ROOT.public), ROOT)


def test_a_key_that_becomes_a_root_signs_nothing_else_any_more() -> None:
    log = Log()
    log.say("key", key_body(DESK.public), ROOT)
    raw = log.say("say", {}, DESK).raw  # index 2
    grid = party(GRIDCO, DESK, number=2)
    log.say("directory", add_party(log.ring.directory, grid), ROOT)
    assert log.judge(raw, 2).raw == raw
    with pytest.raises(SignatureError, match="root or registrar key"):
        log.say("say", {}, DESK)


def test_nobody_keeps_a_directory_out_by_enrolling_anothers_root_as_its_own() -> None:
    log = Log()
    log.say("key", key_body(GRID_ROOT.public), ROOT)
    log.say("directory", add_party(log.ring.directory, GRID), ROOT)
    assert log.ring.directory.party(GRIDCO) is not None


def rerooted(log: Log) -> None:
    home = msgspec.structs.replace(HOME, root=root_of([public(ROOT2)]))
    log.say("directory", add_party(log.ring.directory, home), ROOT)


def test_what_an_old_root_has_signed_may_arrive_behind_the_version_that_replaces_it() -> None:
    """It may have been entered elsewhere before; refused here, the chain would stop for ever."""
    log = Log()
    two = add_party(log.ring.directory, GRID)
    log.say("directory", two, ROOT)
    rerooted(log)
    log.say("key", key_body(DESK.public), ROOT)
    assert log.ring.state(NORTHLAND, DESK.keyid, None) == "valid"


def test_an_old_root_ends_when_the_party_speaks_with_the_new_one() -> None:
    log = Log()
    log.say("key", key_body(DESK.public), ROOT)  # index 1
    rerooted(log)
    raw = log.say("key", key_body(SPARE.public), ROOT2).raw  # index 3
    with pytest.raises(SignatureError, match="no root key"):
        log.say("revoke", revoke_body(SPARE.keyid, "spite"), ROOT)
    chain = ChainHead(seq=open_statement(raw)[1].seq - 1, head=open_statement(raw)[1].prev)
    assert log.judge(raw, 3, chain).raw == raw


SHRUNK = {
    "a root that lost a key": ((ROOT,), 1, (ROOT,)),
    "a root that asks for more": ((ROOT, ROOT2), 2, (ROOT, ROOT2)),
}


@pytest.mark.parametrize("case", SHRUNK)
def test_a_root_that_keeps_some_of_its_keys_ends_the_older_one_where_the_party_names_it(
    case: str,
) -> None:
    """Whatever stands by the new root stands by the old one too: the signatures cannot tell."""
    roots, threshold, signers = SHRUNK[case]
    both = party(NORTHLAND, ROOT, ROOT2, nodes=(NODE,))
    first = genesis(registrars_of([(NORTHLAND, public(ROOT))]), [both])
    new = party(NORTHLAND, *roots, threshold=threshold, nodes=(NODE,))
    here, elsewhere = Log(write("directory", first, ROOT)), Log(write("directory", first, ROOT))
    two = here.say("directory", add_party(here.ring.directory, new), ROOT)
    key = here.say("key", {**key_body(DESK.public), "directory": 2}, *signers)
    with pytest.raises(SignatureError):
        here.say("key", key_body(SPARE.public), ROOT2)  # stolen
    with pytest.raises(SignatureError):
        here.say("key", {**key_body(SPARE.public), "directory": 1}, ROOT2)
    # Where the directory comes later, so does what is said by it: the same chain in every log.
    with pytest.raises((SignatureError, ChainError)):
        elsewhere.enter(key.raw)
    elsewhere.enter(two.raw)
    elsewhere.enter(key.raw)
    here.say("revoke", revoke_body(DESK.keyid, "rotated"), *signers)


def test_a_root_of_a_directory_that_is_not_there_yet_signs_nothing() -> None:
    log = Log()
    with pytest.raises(SignatureError, match="root of directory 2"):
        log.say("key", {**key_body(DESK.public), "directory": 2}, ROOT)
    for wrong in (0, -1, True, "2", 1.5, None):
        with pytest.raises(RecordError):
            log.say("key", {**key_body(DESK.public), "directory": wrong}, ROOT)


def test_a_later_revocation_widens_what_is_suspect_and_ends_nothing_later() -> None:
    log = Log()
    log.say("key", key_body(DESK.public), ROOT)
    log.say("revoke", revoke_body(DESK.keyid, "rotated"), ROOT)
    log.say("revoke", revoke_body(DESK.keyid, "stolen", "2026-11-20T00:00:00Z"), ROOT)
    log.say("revoke", revoke_body(DESK.keyid, "later", "2026-11-21T00:00:00Z"), ROOT)
    found = log.ring.key(NORTHLAND, DESK.keyid)
    assert found is not None
    assert (found.until, found.suspect_since, found.reason) == (2, "2026-11-20T00:00:00Z", "stolen")


def test_a_party_signs_from_the_version_on_that_lists_it() -> None:
    log = Log()
    enrol = write("key", key_body(GRID_DESK.public), GRID_ROOT, author=GRIDCO)
    with pytest.raises(SignatureError, match="not in directory 1"):
        log.enter(enrol)
    log.say("directory", add_party(log.ring.directory, GRID), ROOT)  # index 1
    log.enter(enrol)  # index 2
    log.say("say", {}, GRID_DESK, author=GRIDCO)
    assert log.ring.directory_at(1).version == 1
    assert log.ring.directory_at(2).version == 2
    assert log.ring.directory_at(None).version == 2
    assert [key.keyid for key in log.ring.keys_of(GRIDCO)] == [GRID_DESK.keyid]


def test_a_version_that_is_held_already_may_be_logged_again_but_not_another() -> None:
    log = Log()
    assert log.judge(ROOT_FILE, 7, None).raw == ROOT_FILE
    other = write("directory", {**FIRST, "note": "another"}, ROOT)
    with pytest.raises(DirectoryError, match="another version 1"):
        log.judge(other, 7, None)


def test_a_copied_ring_goes_its_own_way() -> None:
    log = Log()
    twin = log.ring.copy()
    log.say("key", key_body(DESK.public), ROOT)
    assert twin.state(NORTHLAND, DESK.keyid, None) == "unknown"
    assert log.ring.state(NORTHLAND, DESK.keyid, None) == "valid"


def test_folding_the_same_log_twice_gives_the_same_ring() -> None:
    log = Log()
    entered = [
        log.say("key", key_body(DESK.public), ROOT),
        log.say("revoke", revoke_body(DESK.keyid, "lost"), ROOT),
        log.say("directory", add_party(log.ring.directory, GRID), ROOT),
    ]
    again = KeyRing(ROOT_FILE)
    for _ in range(2):
        for index, verified in enumerate(entered, start=1):
            again.admit_key(verified, index)
    assert again.directory == log.ring.directory
    assert again.key(NORTHLAND, DESK.keyid) == log.ring.key(NORTHLAND, DESK.keyid)


def test_a_key_of_small_order_cannot_be_enrolled() -> None:
    neutral = b"\x01" + bytes(31)
    with pytest.raises(SignatureError):
        key_body(neutral)
    body = {**key_body(DESK.public), "public": canonical.b64encode(neutral)}
    with pytest.raises(StatementError, match="prime order"):
        write("key", body, ROOT)


def test_a_directory_names_its_versions() -> None:
    log = Log()
    log.say("directory", add_party(log.ring.directory, GRID), ROOT)
    listed: Sequence[tuple[int, str, Directory]] = log.ring.versions
    assert [(index, d.version) for index, _, d in listed] == [(0, 1), (1, 2)]
