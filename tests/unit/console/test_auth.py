"""Sign-in, sessions, tokens, rates."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from tocsin.console import auth
from tocsin.console.auth import Doors, Person, Rates, Signed
from tocsin.errors import ConflictError, ForbiddenError, NotFoundError, UsageError
from tocsin.policy import Reader
from tocsin.store.interface import AuditRow, LocalRow

ANNA = Person(name="anna", party="cert.northland.example", role="analyst")


class Rows:
    """Local rows in memory, compare-and-set as a store owes it."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], LocalRow] = {}
        self.acts: list[tuple[str, str, str]] = []
        self._versions = count(1)
        self._lock = threading.Lock()

    def local(self, kind: str, key: str) -> LocalRow | None:
        return self.rows.get((kind, key))

    def keep_local(self, kind: str, key: str, value: bytes | None, expected: int | None) -> int:
        with self._lock:
            row = self.rows.get((kind, key))
            if (row.version if row else None) != expected:
                raise ConflictError(f"{key} has changed", remedy="read it again")
            version = next(self._versions)
            if value is None:
                del self.rows[(kind, key)]
            else:
                self.rows[(kind, key)] = LocalRow(key=key, value=value, version=version)
            return version

    def list_local(self, kind: str, prefix: str = "") -> list[LocalRow]:
        found = [r for (k, key), r in self.rows.items() if k == kind and key.startswith(prefix)]
        return sorted(found, key=lambda r: r.key)

    def append_audit(self, time: str, actor: str, act: str, ref: str) -> AuditRow:
        self.acts.append((actor, act, ref))
        return AuditRow(n=len(self.acts), time=time, actor=actor, act=act, ref=ref, hash="")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def doors(rows: Rows, clock: Clock) -> Doors:
    numbers = count(1)
    return Doors(rows, clock=clock, rng=lambda size: next(numbers).to_bytes(size, "big"))


def token_of(path: str) -> str:
    assert path.startswith("/enter/")
    return path.removeprefix("/enter/")


def test_a_link_works_once(doors: Doors) -> None:
    token = token_of(doors.link(ANNA))
    session = doors.session(doors.spend(token))
    assert session is not None
    assert session.person == ANNA
    with pytest.raises(NotFoundError, match="spent or too old"):
        doors.spend(token)


def test_a_link_works_for_ten_minutes(doors: Doors, clock: Clock) -> None:
    token = token_of(doors.link(ANNA))
    clock.later(minutes=10)
    with pytest.raises(NotFoundError):
        doors.spend(token)


def test_many_who_spend_one_link_get_one_session(doors: Doors, rows: Rows) -> None:
    token = token_of(doors.link(ANNA))

    def spend(_: int) -> bool:
        try:
            doors.spend(token)
        except NotFoundError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spend, range(40))) == 1
    assert len(rows.list_local("session")) == 1


def test_no_secret_is_stored(doors: Doors, rows: Rows) -> None:
    link = token_of(doors.link(ANNA))
    session = doors.open_session(ANNA)
    token = doors.make_token(ANNA, ["read"], timedelta(days=1))
    stored = b"".join(key.encode() + row.value for (_, key), row in rows.rows.items())
    for secret in (link, session, token.split("_")[2]):
        assert secret.encode() not in stored


def test_a_session_ends_by_silence_and_by_age(doors: Doors, clock: Clock) -> None:
    idle = doors.open_session(ANNA)
    clock.later(hours=12)
    assert doors.session(idle) is None
    used = doors.open_session(ANNA)
    for _ in range(15):
        assert doors.session(used) is not None
        clock.later(hours=11)
    clock.later(hours=3)
    assert doors.session(used) is None


def test_signing_out_ends_it(doors: Doors, rows: Rows) -> None:
    session_id = doors.open_session(ANNA)
    session = doors.session(session_id)
    assert session is not None
    doors.close_session(session.key)
    doors.close_session(session.key)
    assert doors.session(session_id) is None
    assert [act for _, act, _ in rows.acts] == ["sign-in", "sign-out"]


def test_asking_whether_it_holds_is_no_use_of_it(doors: Doors, clock: Clock) -> None:
    session = doors.session(doors.open_session(ANNA))
    assert session is not None
    signed = Signed(person=ANNA, by="session", key=session.key)
    clock.later(hours=11)
    assert doors.alive(signed)
    clock.later(hours=1)
    assert not doors.alive(signed)
    text = doors.make_token(ANNA, ["read"], timedelta(days=1))
    held = Signed(person=ANNA, by="token", key=text.split("_")[1])
    assert doors.alive(held)
    doors.revoke_token(held.key, "anna")
    assert not doors.alive(held)


def test_what_has_ended_is_swept(doors: Doors, rows: Rows, clock: Clock) -> None:
    doors.link(ANNA)
    doors.open_session(ANNA)
    clock.later(days=8)
    doors.open_session(ANNA)
    assert doors.sweep() == 2
    assert len(rows.rows) == 1


def test_a_token_is_what_it_was_made_for(doors: Doors, clock: Clock) -> None:
    text = doors.make_token(ANNA, ["read", "draft"], timedelta(days=1), "laptop")
    token = doors.token(text)
    assert token is not None
    assert token.person == ANNA
    assert token.scopes == ("draft", "read")
    for wrong in (text[:-1] + "0", text.replace("_", "-"), "", text[:30], "tocsin_" + "0" * 12):
        assert doors.token(wrong) is None or wrong == text
    clock.later(days=1)
    assert doors.token(text) is None


def test_a_revoked_token_is_gone(doors: Doors) -> None:
    text = doors.make_token(ANNA, ["read"], timedelta(days=1))
    doors.revoke_token(text.split("_")[1], "anna")
    assert doors.token(text) is None
    with pytest.raises(NotFoundError):
        doors.revoke_token(text.split("_")[1], "anna")


def test_a_token_needs_a_known_scope_and_an_end(doors: Doors) -> None:
    with pytest.raises(UsageError, match="fly"):
        doors.make_token(ANNA, ["fly"], timedelta(days=1))
    with pytest.raises(UsageError, match="366"):
        doors.make_token(ANNA, ["read"], timedelta(days=366))


def test_an_actor_reads_as_the_person_does() -> None:
    def reader(party: str, *, person: str, role: str) -> Reader:
        return Reader(party=party, person=person, signer=role == "signer")

    signed = Signed(person=ANNA, by="token", key="k", scopes=frozenset({"read"}))
    actor = auth.actor(signed, reader)
    assert actor.reader.party == ANNA.party
    assert not actor.reader.signer
    assert actor.scopes == frozenset({"read"})
    with pytest.raises(ForbiddenError, match="publish"):
        auth.require(False, "publish")


def test_five_sign_ins_a_minute_and_then_a_wait() -> None:
    now = [0.0]
    rates = Rates(lambda: now[0])
    assert [rates.wait("192.0.2.1", "sign-in") for _ in range(5)] == [0] * 5
    assert rates.wait("192.0.2.1", "sign-in") == 12
    assert rates.wait("192.0.2.2", "sign-in") == 0
    now[0] += 12
    assert rates.wait("192.0.2.1", "sign-in") == 0


def test_the_rates_table_does_not_grow_without_end() -> None:
    rates = Rates(lambda: 0.0, keep=3)
    for n in range(50):
        rates.wait(str(n), "read")
    assert len(rates._buckets) == 3
