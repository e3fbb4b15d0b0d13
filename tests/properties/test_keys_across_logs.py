"""One key history, learnt in another order and at other places by each node: one verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.record.directory import (
    Party,
    add_party,
    genesis,
    read_directory,
    registrars_of,
    root_of,
)
from tocsin.record.envelope import sign, statement_id
from tocsin.record.history import KeyHistory, settle
from tocsin.record.judgement import Ended, Placed, judge
from tocsin.record.keys import PublicKey, Signer
from tocsin.record.statement import compose, key_body, revoke_body

PARTIES = ("a.example", "b.example", "c.example")
STATES = ("unknown", "revoked", "suspect", "valid")
"""From the worst to the best, for what is enrolled."""


@cache
def signer(party: str, name: str) -> Signer:
    return Signer.from_seed(hashlib.sha256(f"{party} {name}".encode()).digest(), party)


def entry(party: str, root: str = "root") -> Party:
    return Party(
        id=party,
        name=party,
        root=root_of([PublicKey.of(signer(party, root).public)]),
        identity=f"identity--{PARTIES.index(party):08}-1111-4111-8111-111111111111",
    )


class Writer:
    """Writes the key chains of all parties as they would at their homes."""

    def __init__(self) -> None:
        self.heads: dict[str, tuple[int, str]] = {}
        self.roots = dict.fromkeys(PARTIES, "root")
        self.said: list[bytes] = []
        first = genesis(
            registrars_of([(PARTIES[0], PublicKey.of(signer(PARTIES[0], "registrar").public))]),
            [entry(p) for p in PARTIES],
        )
        self.directory = read_directory(first)
        self.root = self.say(PARTIES[0], "directory", first, signer(PARTIES[0], "registrar"))

    def say(self, party: str, kind: str, body: dict[str, object], by: Signer) -> bytes:
        seq, prev = self.heads.get(party, (0, ""))
        payload = compose(
            author=party,
            key=by.keyid,
            kind=kind,
            seq=seq + 1,
            prev=prev,
            time="2026-11-22T08:30:00Z",
            salt=f"{len(self.said):032x}",
            tlp="CLEAR",
            body=body,
        )
        raw = sign(payload, [by])
        self.heads[party] = (seq + 1, statement_id(raw))
        self.said.append(raw)
        return raw

    def act(self, party: str, what: str, key: str, since: str | None) -> None:
        root = signer(party, self.roots[party])
        named = signer(party, key)
        if what == "key":
            self.say(party, "key", key_body(named.public), root)
        elif what == "revoke":
            self.say(party, "revoke", revoke_body(named.keyid, f"why {since}", since), root)
        else:
            # A new root, told by the registrar; from then on the party speaks with it.
            self.roots[party] = key + " root"
            body = add_party(self.directory, entry(party, key + " root"))
            self.directory = read_directory(body)
            self.say(PARTIES[0], "directory", body, signer(PARTIES[0], "registrar"))


TIMES = st.sampled_from([None, "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"])
ACTS = st.tuples(
    st.sampled_from(PARTIES),
    st.sampled_from(["key", "key", "revoke", "revoke", "root"]),
    st.sampled_from(["one", "two"]),
    TIMES,
)


def seen_by(history: KeyHistory) -> dict[tuple[str, str], tuple[object, ...]]:
    """What a node says of every key, without the places, which are its own log's."""
    return {
        (k.party, k.keyid): (
            sorted(k.kinds),
            history.ring.state(k.party, k.keyid, None),
            k.suspect_since,
            k.reason if k.suspect_since else "",
        )
        for party in PARTIES
        for k in history.ring.keys_of(party)
    }


@given(st.lists(ACTS, max_size=12), st.randoms(use_true_random=False))
def test_two_nodes_that_know_the_same_say_the_same(acts: Sequence, random: object) -> None:  # type: ignore[type-arg]
    writer = Writer()
    for act in acts:
        writer.act(*act)
    one = KeyHistory(writer.root)
    assert settle(writer.said, one.take) == []
    shuffled = list(writer.said)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    two = KeyHistory(writer.root)
    # In two feeds, as from two peers, with some of it twice.
    half = len(shuffled) // 2
    settle(shuffled[:half], two.take)
    assert settle(shuffled, two.take) == []
    assert one.ring.directory.body == two.ring.directory.body
    assert one.heads == two.heads
    assert seen_by(one) == seen_by(two)


PLACES = st.builds(
    Placed,
    log=st.sampled_from(["a.example/log", "b.example/log", "c.example/log"]),
    index=st.integers(0, 5),
    cosigned=st.sampled_from([None, *(f"2026-11-22T0{n}:00:00Z" for n in range(6))]),
)
ENDS = st.builds(Ended, at=PLACES, suspect_since=st.sampled_from([None, "2026-11-22T02:00:00Z"]))


@given(PLACES, st.lists(PLACES, max_size=3), st.lists(ENDS, max_size=4))
def test_the_verdict_is_of_the_facts_and_not_of_their_order(
    at: Placed, enrolled: list[Placed], ended: list[Ended]
) -> None:
    verdicts = {judge(at, e, d) for e in permutations(enrolled) for d in permutations(ended)}
    assert len(verdicts) == 1
    assert judge(at, enrolled * 2, ended * 2) in verdicts, "a fact that is told twice is one"


@given(PLACES, st.lists(PLACES, min_size=1, max_size=3), st.lists(ENDS, max_size=3), ENDS)
def test_one_more_revocation_makes_nothing_better(
    at: Placed, enrolled: list[Placed], ended: list[Ended], more: Ended
) -> None:
    before, after = judge(at, enrolled, ended), judge(at, enrolled, [*ended, more])
    assert (before == "unknown") == (after == "unknown")
    assert STATES.index(after) <= STATES.index(before)


@given(PLACES, st.lists(ENDS, max_size=3))
def test_what_was_cosigned_before_every_revocation_is_not_revoked(
    at: Placed, ended: list[Ended]
) -> None:
    enrolled = [Placed(log=at.log, index=-1)]
    late = [
        e for e in ended if e.at.log != at.log and (e.at.cosigned or "9") > (at.cosigned or "9")
    ]
    assert judge(at, enrolled, late) != "revoked"
    # And the revocation of its own log, below it, ends it whatever witnesses say.
    below = Ended(at=Placed(log=at.log, index=at.index - 1))
    assert judge(at, [Placed(log=at.log, index=at.index - 2)], [*late, below]) == "revoked"


def test_a_home_that_keeps_a_revocation_out_of_its_log_gains_nothing() -> None:
    """The thief and the home operator log on, in the home's log, after the others know."""
    enrolled = [Placed(log="home/log", index=1, cosigned="2026-11-20T00:00:00Z")]
    elsewhere = Ended(at=Placed(log="b/log", index=7, cosigned="2026-11-22T08:00:00Z"))
    before = Placed(log="home/log", index=5, cosigned="2026-11-22T07:59:59Z")
    after = Placed(log="home/log", index=6, cosigned="2026-11-22T08:00:00Z")
    hidden = Placed(log="home/log", index=7)
    assert judge(before, enrolled, [elsewhere]) == "valid"
    assert judge(after, enrolled, [elsewhere]) == "revoked"
    assert judge(hidden, enrolled, [elsewhere]) == "revoked", "no witness has seen it"
    unwitnessed = Ended(at=Placed(log="b/log", index=7))
    assert judge(before, enrolled, [unwitnessed]) == "suspect", "nobody takes back all it ever said"
