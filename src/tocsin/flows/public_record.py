"""The public record: a few disputes of the world outside, to be read and never written.

A space of its own without parties, keys or a log: nothing in it was said by a node, and nothing
can be. What is published there was coded by whom each object names (`created_by_ref`), from pages
whose addresses stand beside the words. Spec: claims.md §5, console.md §7.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tocsin.errors import NotFoundError
from tocsin.policy import Reader
from tocsin.record.directory import Party
from tocsin.stix.bundle import open_bundle
from tocsin.store.interface import Head, Kept, KeptObject

CODER = "coder: tocsin corpus"
"""By whom the disputes that are shipped were coded: the name of the identity in them."""
READ_ONLY = "the public record is read, never written: nothing here is signed or logged by a node"
READ_ONLY_REMEDY = "say it on a node of your own: tocsin init --party NAME, or tocsin up"


class Pages:
    """The objects of some bundles, each once: the one read first of each id."""

    def __init__(self, bundles: Iterable[bytes]) -> None:
        self._by_id: dict[str, KeptObject] = {}
        for raw in bundles:
            for one in open_bundle(raw):
                if one.problem is None:
                    self._by_id.setdefault(
                        one.id,
                        KeptObject(
                            raw=one.raw,
                            sha256=one.sha256,
                            id=one.id,
                            type=one.type,
                            spec_version=one.spec_version,
                            created=one.created,
                            modified=one.modified,
                            said_by=(),
                        ),
                    )

    def head(self) -> Head | None:
        """There is no log."""
        return None

    def select(
        self,
        allowed: frozenset[int],
        *,
        types: Sequence[str] | None = None,
        case: str | None = None,
    ) -> list[KeptObject]:
        """All of it is public; nothing is in a case. By (type, id)."""
        return sorted(
            (o for o in self._by_id.values() if case is None and (not types or o.type in types)),
            key=lambda o: o.cursor,
        )

    def count(
        self,
        allowed: frozenset[int],
        *,
        types: Sequence[str] | None = None,
        case: str | None = None,
    ) -> int:
        """How many `select` gives."""
        return len(self.select(allowed, types=types, case=case))

    def versions(self, stix_id: str, allowed: frozenset[int]) -> list[KeptObject]:
        """The one there is."""
        return [self._by_id[stix_id]] if stix_id in self._by_id else []

    def statement(self, id: str, allowed: frozenset[int]) -> Kept | None:
        """Nobody has made a statement."""
        return None

    def statements(self, allowed: frozenset[int], *, kind: str | None = None) -> list[Kept]:
        """Nobody has made any."""
        return []

    def object(self, sha256: str) -> KeptObject:
        """An object by the digest of its bytes. Raises NotFoundError."""
        found = next((o for o in self._by_id.values() if o.sha256 == sha256), None)
        if found is None:
            raise NotFoundError(f"no object {sha256[:16]}", remedy="follow a link of this space")
        return found


class Nobody:
    """The roster of a space without parties."""

    parties: Sequence[Party] = ()

    def party(self, party: str) -> Party | None:
        return None

    def by_identity(self, identity: str) -> Party | None:
        return None


class PublicRecord:
    """A `Library` of bundles, the same for every reader."""

    def __init__(self, bundles: Iterable[bytes]) -> None:
        self.store = Pages(bundles)
        self.everyone = Nobody()
        self.views: dict[Any, Any] = {}

    def allowed(self, reader: Reader) -> frozenset[int]:
        """Everything is public; there are no audiences."""
        return frozenset()

    def identity(self, party: str) -> str:
        """Raises NotFoundError: there is no party."""
        raise NotFoundError(f"{party} is not in the public record", remedy="read as nobody")

    def reader(self, party: str | None) -> Reader:
        """Whoever reads is nobody in particular."""
        return Reader()
