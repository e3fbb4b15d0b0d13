"""What of a peer's outbox is not here, found by comparing digests instead of reading all of it.

A peer can list any number of statements that there are not. What it lists and does not give is
counted; after so many others come first, and it is asked again later and later.
Spec: exchange.md §5, "bucket digests find the difference".
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tocsin.canonical import b64decode
from tocsin.errors import CanonicalError, InputError, UnreachableError
from tocsin.flows.homes import Peer
from tocsin.flows.neighbours import note, state_of
from tocsin.flows.node import Node
from tocsin.flows.pages import (
    BUCKETS,
    MAX_PAGE_BYTES,
    MAX_WANTED,
    PREFIX,
    Digest,
    Item,
    bucket,
    bucket_hashes,
    open_page,
)
from tocsin.record.envelope import statement_id
from tocsin.record.requests import Answer
from tocsin.record.seal import open_sealed

BUCKETS_AT_ONCE = 64
REQUESTS_A_TURN = 200
"""For statements, of 200 ids each."""
MAX_NOT_GIVEN = 1_000
"""Of what a peer lists and does not give, in one turn."""


class Later(UnreachableError):
    """A peer is to be left alone for some seconds."""

    def __init__(self, wrong: UnreachableError, seconds: int) -> None:
        super().__init__(wrong.message, remedy=wrong.remedy)
        self.wrong, self.seconds = wrong, seconds


class Comparing:
    """Comparison with one peer after the other; what is found is taken in.

    Args:
        node: ours.
        get: (peer, target, at most so many bytes) → its answer to a GET.
        take: takes in what came of a peer; how many statements are new.
    """

    def __init__(
        self,
        node: Node,
        get: Callable[[Peer, str, int], Answer],
        take: Callable[[Peer, Sequence[Item]], int],
    ) -> None:
        self._node, self._get, self._take = node, get, take

    def turn(self, peer: Peer) -> int:
        """Compare, ask for what is missing in the order of the peer's outbox, and note its end.

        How far it got is kept: the next turn goes on there.

        Returns:
            How many statements came in.

        Raises:
            Later: there is more.
            UnreachableError: it does not answer, or lists what it does not give.
            InputError: it answers otherwise than a node does.
        """
        answer = self._get(peer, "/peer/digest", 64 << 10)
        digest: Digest = decode(answer.body, Digest, peer)
        mine = self._node.store.exchanged(peer.party, theirs=True)
        if not mine:  # nothing to compare: it is read from its beginning, in order
            self._note(peer, epoch=digest.mark.epoch, after=0, at="", compared=0, not_given=0)
            return 0
        state = state_of(self._node, peer.party)
        going_on = bool(state.compared) and state.comparing == digest.mark.epoch
        after = state.compared if going_on else 0
        before = state.not_given if going_on else 0
        missing, cut = self._missing(peer, digest, mine, after)
        # In that order chains come as they were said.
        left = sorted(missing, key=missing.__getitem__)
        entered = not_given = requests = 0
        while left and requests < REQUESTS_A_TURN and not_given < MAX_NOT_GIVEN:
            asked, last = left[:MAX_WANTED], missing[left[:MAX_WANTED][-1]]
            target = "/peer/outbox?want=" + ",".join(id.hex() for id in asked)
            page = open_page(self._get(peer, target, MAX_PAGE_BYTES).body)
            requests += 1
            # Only what was asked for counts: a peer that gives other things is not asked for ever.
            came = {prefix_of(item) for item in page.items}.intersection(asked)
            entered += self._take(peer, page.items)
            if came:
                left = [id for id in left if id not in came]
            else:
                # What it does not give now it may not have any more: the outbox will show it.
                not_given += len(asked)
                left = left[MAX_WANTED:]
            at = missing[left[0]] - 1 if left else last
            self._note(peer, compared=at, comparing=digest.mark.epoch, not_given=before + not_given)
        if not left and not cut:
            self._note(
                peer, epoch=digest.mark.epoch, after=digest.mark.n, at=digest.mark.at, more=False,
                compared=0,
            )  # fmt: skip
            return entered
        if entered:
            raise Later(
                UnreachableError(
                    f"{peer.party} has more that is not here",
                    remedy="nothing to do: the next round goes on",
                ),
                1,
            )
        raise UnreachableError(
            f"{peer.party} lists statements that it does not give: {before + not_given} so far",
            remedy="nothing to do here: it is asked again, later each time; ask its operator",
        )

    def _missing(
        self, peer: Peer, digest: Digest, mine: Sequence[bytes], after: int
    ) -> tuple[dict[bytes, int], bool]:
        """Beginnings of ids → numbers in the outbox behind `after`, the lowest; whether that is
        not all."""
        theirs, ours = _unb64(digest.buckets, peer), bucket_hashes(mine)
        differing = [
            n for n in range(BUCKETS) if theirs[8 * n : 8 * n + 8] != ours[8 * n : 8 * n + 8]
        ]
        have = {id[:PREFIX] for id in mine}
        most = REQUESTS_A_TURN * MAX_WANTED
        missing: dict[bytes, int] = {}
        cut = False
        for start in range(0, len(differing), BUCKETS_AT_ONCE):
            asked = differing[start : start + BUCKETS_AT_ONCE]
            target = "/peer/digest?bucket=" + ",".join(map(str, asked))
            answer = self._get(peer, target, MAX_PAGE_BYTES)
            lists = decode(answer.body, dict[str, str], peer)
            for n in asked:
                raw = _unb64(lists.get(str(n), ""), peer)
                for at in range(0, len(raw) - PREFIX - 3, PREFIX + 4):
                    id, last = raw[at : at + PREFIX], raw[at + PREFIX : at + PREFIX + 4]
                    number = int.from_bytes(last, "big")
                    if bucket(id) == n and id not in have and after < number <= digest.mark.n:
                        missing[id] = number
                if len(missing) > 2 * most:  # a peer can make up any number of ids
                    missing, cut = _first(missing, most), True
        if len(missing) > most:
            return _first(missing, most), True
        return missing, cut

    def _note(self, peer: Peer, **changed: Any) -> None:
        note(self._node, peer.party, **changed)


def decode(raw: bytes, type: Any, peer: Peer) -> Any:
    """What a peer answered.

    Raises:
        InputError: it is nothing of this type.
    """
    try:
        return msgspec.json.decode(raw, type=type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise InputError(
            f"{peer.party} answers otherwise than a node does: {wrong}", remedy="ask its operator"
        ) from wrong


def _unb64(text: str, peer: Peer) -> bytes:
    try:
        return b64decode(text)
    except CanonicalError as wrong:
        raise InputError(f"{peer.party}: {wrong.message}", remedy="ask its operator") from wrong


def _first(missing: dict[bytes, int], most: int) -> dict[bytes, int]:
    return dict(heapq.nsmallest(most, missing.items(), key=lambda one: one[1]))


def id_of(item: Item) -> str:
    """The id by which a log holds what an item brings."""
    if item.sealed:
        return open_sealed(item.sealed.encode())[1].entry
    return statement_id(item.envelope.encode())


def prefix_of(item: Item) -> bytes:
    """Its first bytes, by which it is asked for."""
    return bytes.fromhex(id_of(item))[:PREFIX]
