"""Who is at home at which node, by the directory."""

from __future__ import annotations

from tocsin.canonical import b64encode
from tocsin.flows.homes import anyone_may, host_of, peers_of
from tocsin.policy import Audience
from tocsin.record.directory import Directory, NodeEntry, Party, registrars_of, root_of
from tocsin.record.keys import PublicKey, Signer

NORTH, SOUTH, GUEST, OTHER = (
    "cert.northland.example",
    "cert.southmark.example",
    "gridco.example",
    "portco.example",
)


def party(
    name: str, *, key: bool = False, home: str = "", url: str = "", peer_url: str = ""
) -> Party:
    signer = Signer.from_seed(name.encode().ljust(32)[:32], name)
    node = NodeEntry(origin=f"{name}/log", key=b64encode(signer.public), url=url, peer_url=peer_url)
    return Party(
        id=name,
        name=name,
        root=root_of([PublicKey.of(signer.public)]),
        identity="identity--00000000-0000-4000-8000-000000000001",
        nodes=(node,) if key else (),
        home=home,
        clients=(OTHER,) if name == GUEST else (),
    )


DIRECTORY = Directory(
    version=1,
    registrars=registrars_of([(NORTH, PublicKey.of(Signer.from_seed(b"x" * 32, NORTH).public))]),
    parties=(
        party(NORTH, key=True, url="https://north.example", peer_url="https://peer.example"),
        party(SOUTH, key=True),
        party(GUEST, home=SOUTH),
        party(OTHER),
    ),
)


def test_a_peer_is_a_party_whose_node_signs_and_its_guests_are_at_home_there() -> None:
    peers = peers_of(DIRECTORY, NORTH)
    assert list(peers) == [SOUTH]
    assert peers[SOUTH].home == (SOUTH, GUEST)
    assert peers[SOUTH].url == "", "it asks, and brings"
    assert peers_of(DIRECTORY, SOUTH)[NORTH].url == "https://peer.example"
    assert [host_of(DIRECTORY, p) for p in (NORTH, GUEST, OTHER)] == [NORTH, SOUTH, OTHER]


def test_a_node_is_given_what_anybody_at_home_there_may_read() -> None:
    home = (SOUTH, GUEST)

    def may(tlp: str, *to: str, author: str = NORTH, persons: tuple[str, ...] = ()) -> bool:
        audience = Audience(
            author=author,
            tlp=tlp,  # type: ignore[arg-type]
            to=frozenset(to),
            persons=frozenset(persons),
        )
        return anyone_may(DIRECTORY, home, audience)

    assert may("CLEAR")
    assert may("GREEN")
    assert not may("GREEN", OTHER)
    assert may("AMBER", GUEST)
    assert not may("AMBER", OTHER), "a provider's clients, and not the other way round"
    assert not may("AMBER+STRICT", OTHER)
    assert may("AMBER+STRICT", GUEST)
    assert may("RED", GUEST)
    assert may("RED", GUEST, persons=("a person",)), "whoever that is, it is there"
    assert not may("RED", OTHER, persons=("a person",))
    assert may("RED", OTHER, author=GUEST)
    assert not anyone_may(DIRECTORY, ("nobody.example",), Audience(author=NORTH, tlp="GREEN"))
