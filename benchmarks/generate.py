"""Logs with planted indicators, the exact truth, and decoys beside them. The same seed gives the
same bytes; nothing but the standard library.

    python -m benchmarks.generate FOLDER --megabytes 40 --needles 10000 --seed 20261122

Writes nginx.log, dns.tsv (Zeek), conn.json (Zeek), syslog.log, ecs.jsonl, needles.txt,
truth.jsonl {path, line, value, rule} and decoys.jsonl {path, line, value, text}. Names end in six
suffixes only, so that the last eight bytes of most are those of some needle. All names are
reserved ones and all addresses random: none stands for anybody.

Spec: design/find.md §6.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SUFFIXES = ("example", "test", "invalid", "example.net", "example.org", "example.com")
KINDS = {
    "ipv4": 38,
    "domain": 28,
    "url": 14,
    "hash": 10,
    "email": 4,
    "ipv6": 3,
    "cidr": 3,
}
"""How many of a hundred needles are of each kind."""
FILES = {"nginx.log": 0.3, "dns.tsv": 0.2, "conn.json": 0.2, "syslog.log": 0.1, "ecs.jsonl": 0.2}
"""The share of each file in the bytes."""
HOT = 10_000
"""Hits come from the first needles, so that sets of any size find the same ones."""
PLANTED = 0.0015
DECOYS = 0.3
AGENTS = [
    f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0"
    for v in range(96, 140)
] + ["curl/8.11.1", "python-requests/2.32"]


class Plant(NamedTuple):
    """What a line holds on purpose: its text, the needle, and the rule; None for a decoy."""

    kind: str
    text: str
    value: str
    rule: str | None


class World:
    """Needles, and the pools that the background is drawn from."""

    def __init__(self, needles: int, seed: int, rate: float) -> None:
        self.random = random.Random(seed)
        self.rate = rate
        self.names: set[str] = set()
        self.nets: set[str] = set()
        self.taken: set[str] = set()
        kinds = self.random.choices(list(KINDS), list(KINDS.values()), k=needles)
        # Prefixes first: no single address may lie in one.
        kinds.sort(key=lambda kind: kind != "cidr")
        self.needles = [(kind, self.fresh(self.maker(kind))) for kind in kinds]
        self.random.shuffle(self.needles)
        self.hot: dict[str, list[str]] = {}
        for kind, value in self.needles[:HOT]:
            self.hot.setdefault(kind, []).append(value)
        self.clients = self.pool(self.address, 20_000)
        self.hosts = self.pool(self.host, 12_000)
        self.paths = [self.path() for _ in range(3_000)]

    def maker(self, kind: str) -> Callable[[], str]:
        makers: dict[str, Callable[[], str]] = {
            "ipv4": self.address,
            "domain": self.host,
            "url": lambda: f"http://{self.fresh(self.host)}{self.path()}",
            "hash": lambda: self.hex(self.random.choice((32, 40, 64, 64))),
            "email": lambda: f"{self.word()}@{self.fresh(self.host)}",
            "ipv6": lambda: str(ipaddress.IPv6Address((0x20010DB8 << 96) | self.bits(64))),
            "cidr": self.net,
        }
        return makers[kind]

    def fresh(self, make: Callable[[], str]) -> str:
        """Something not made before; a host of a URL or a mailbox is no needle of its own."""
        while (value := make()) in self.taken:
            pass
        self.taken.add(value)
        return value

    def pool(self, make: Callable[[], str], size: int) -> list[str]:
        return [value for value in (make() for _ in range(size)) if value not in self.taken]

    def popular(self, pool: list[str]) -> str:
        """A few are seen very often, most hardly ever."""
        return pool[int(len(pool) * self.random.random() ** 3)]

    def bits(self, count: int) -> int:
        return self.random.getrandbits(count)

    def hex(self, digits: int) -> str:
        return f"{self.bits(4 * digits):0{digits}x}"

    def word(self, low: int = 2, high: int = 4) -> str:
        return "".join(
            self.random.choice("bcdfghklmnprstvz")
            + self.random.choice("aeiou")
            + self.random.choice(("", "n", "r", "s", "l"))
            for _ in range(self.random.randint(low, high))
        )

    def host(self) -> str:
        more = self.random.choice(
            ("", "", "", f"-{self.word(1, 2)}", str(self.random.randint(0, 99)))
        )
        return f"{self.word()}{more}.{self.random.choice(SUFFIXES)}"

    def path(self) -> str:
        folders = "/".join(self.word() for _ in range(self.random.randint(1, 3)))
        return f"/{folders}{self.random.choice(('', '.php', '.html', '.js', '.bin'))}"

    def address(self) -> str:
        while True:
            a = ipaddress.IPv4Address(self.bits(32))
            net = str(a).rpartition(".")[0]
            if a.is_global and not a.is_multicast and net not in self.nets:
                return str(a)

    def net(self) -> str:
        net = self.address().rpartition(".")[0]
        self.nets.add(net)
        return net + ".0/24"

    def plant(self, *kinds: str) -> Plant | None:
        """A hit or a decoy of one of the kinds; nothing in most lines."""
        if self.random.random() > self.rate:
            return None
        kind = self.random.choice([kind for kind in kinds if kind in self.hot])
        value = self.random.choice(self.hot[kind])
        if self.random.random() < DECOYS:
            return Plant(kind, self.decoy(kind, value), value, None)
        text, rule = self.hit(kind, value)
        return Plant(kind, text, value, rule)

    def hit(self, kind: str, value: str) -> tuple[str, str]:
        pick = self.random.choice
        if kind == "domain":
            below = f"{self.word()}.{value}"
            return pick(
                [
                    (value, "exact"),
                    (value.upper(), "exact"),
                    (value + ".", "exact"),
                    (below, "parent"),
                ]
            )
        if kind == "url":
            other = "https" + value.removeprefix("http")
            longer = f"{value}?s={self.bits(16)}"
            return pick([(value, "exact"), (other, "exact"), (longer, "prefix")])
        if kind == "cidr":
            return f"{value.rpartition('.')[0]}.{self.random.randint(1, 254)}", "cidr"
        if kind == "ipv6":
            written_out = ipaddress.ip_address(value).exploded
            return pick([value, value.upper(), written_out]), "exact"
        return pick([value, value.upper()]) if kind == "hash" else value, "exact"

    def decoy(self, kind: str, value: str) -> str:
        pick = self.random.choice
        if kind == "ipv4":
            return pick([f"{value}.9", f"9.{value}", f"v{value}", f"{value}.1"])
        if kind == "cidr":
            return f"{value.rpartition('.')[0]}.300"
        if kind == "domain":
            longer = [f"{self.word()}{value}", f"{self.word()}-{value}", f"_{value}", f"{value}x"]
            return pick([text for text in longer if text not in self.taken] + [f"{value}.corp"])
        if kind == "url":
            return value + pick(["x", "-2", ".old"])
        if kind == "hash":
            return value + self.hex(8)
        return f"x{value}" if kind == "email" else f"{value}:1"


class Lines:
    """One line of each log after another, each with what was planted in it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.makers: dict[str, Callable[[int], tuple[str, Plant | None]]] = {
            "nginx.log": self.nginx,
            "dns.tsv": self.dns,
            "conn.json": self.conn,
            "syslog.log": self.syslog,
            "ecs.jsonl": self.ecs,
        }

    def inside(self) -> str:
        r = self.world.random
        return f"10.{r.randrange(4)}.{r.randrange(256)}.{r.randrange(1, 255)}"

    def clock(self, number: int) -> str:
        return f"{number // 36_000 % 24:02d}:{number // 600 % 60:02d}:{number // 10 % 60:02d}"

    def nginx(self, number: int) -> tuple[str, Plant | None]:
        w, r = self.world, self.world.random
        plant = w.plant("ipv4", "cidr", "url", "domain")
        client, link = w.popular(w.clients), f"https://{w.popular(w.hosts)}{w.popular(w.paths)}"
        if plant is not None:
            if plant.kind in ("ipv4", "cidr"):
                client = plant.text
            else:
                link = plant.text if plant.kind == "url" else f"https://{plant.text}/"
        return (
            f"{client} - - [22/Nov/2026:{self.clock(number)} +0000] "
            f'"GET {w.popular(w.paths)}?id={r.randrange(99_999)} HTTP/1.1" '
            f'{r.choice((200, 200, 304, 404))} {r.randrange(60_000)} "{link}" "{r.choice(AGENTS)}"',
            plant,
        )

    def dns(self, number: int) -> tuple[str, Plant | None]:
        w, r = self.world, self.world.random
        plant = w.plant("domain", "ipv4", "cidr")
        query = r.choice(("www.", "api.", "cdn.", "")) + w.popular(w.hosts)
        answer = w.popular(w.clients)
        if plant is not None and plant.kind == "domain":
            query = plant.text
        elif plant is not None:
            answer = plant.text
        return (
            f"{1793000000 + number}.{r.randrange(10**6):06d}\tC{w.hex(20)}\t{self.inside()}\t"
            f"{r.randrange(1024, 65535)}\t10.0.0.53\t53\tudp\t{r.randrange(65536)}\t"
            f"0.00{r.randrange(9999):04d}\t{query}\t1\tC_INTERNET\t1\tA\t0\tNOERROR\tF\tF\tT\tT\t0\t"
            f"{answer}\t300.000000\tF",
            plant,
        )

    def conn(self, number: int) -> tuple[str, Plant | None]:
        w, r = self.world, self.world.random
        plant = w.plant("ipv4", "cidr", "ipv6")
        row = {
            "ts": 1793000000 + number,
            "uid": f"C{w.hex(20)}",
            "id.orig_h": self.inside(),
            "id.orig_p": r.randrange(1024, 65535),
            "id.resp_h": plant.text if plant is not None else w.popular(w.clients),
            "id.resp_p": 443,
            "proto": "tcp",
            "service": "ssl",
            "duration": round(r.random() * 9, 6),
            "orig_bytes": r.randrange(99_999),
            "resp_bytes": r.randrange(999_999),
            "conn_state": "SF",
        }
        return json.dumps(row, separators=(",", ":")), plant

    def syslog(self, number: int) -> tuple[str, Plant | None]:
        w, r = self.world, self.world.random
        plant = w.plant("ipv4", "email", "domain")
        head = f"Nov 22 {self.clock(number)} gw{r.randrange(9)} "
        if plant is not None and plant.kind == "email":
            text = (
                f"postfix/smtp[{r.randrange(9999)}]: {w.bits(40):X}: to=<{plant.text}>, "
                f"relay={w.popular(w.hosts)}[{w.popular(w.clients)}]:25, status=sent"
            )
        elif plant is not None and plant.kind == "domain":
            text = (
                f"named[311]: client {self.inside()}#{r.randrange(65535)}: query: {plant.text} IN A"
            )
        else:
            client = plant.text if plant is not None else w.popular(w.clients)
            text = r.choice(
                (
                    f"sshd[{r.randrange(9999)}]: Failed password for ann from {client} port 22",
                    f"kernel: DROP IN=eth0 SRC={client} DST={self.inside()} PROTO=TCP DPT=22",
                )
            )
        return head + text, plant

    def ecs(self, number: int) -> tuple[str, Plant | None]:
        w, r = self.world, self.world.random
        plant = w.plant("url", "hash", "domain", "ipv6")
        held = {} if plant is None else {plant.kind: plant.text}
        url = held.get("url") or f"https://{w.popular(w.hosts)}{w.popular(w.paths)}"
        row = {
            "@timestamp": f"2026-11-{1 + number // 864_000 % 28:02d}T{self.clock(number)}Z",
            "event": {"category": ["network"]},
            "source": {"ip": self.inside()},
            "destination": {"ip": held.get("ipv6") or w.popular(w.clients), "port": 443},
            "url": {"full": url},
            "dns": {"question": {"name": held.get("domain") or w.popular(w.hosts)}},
            "file": {"hash": {"sha256": held.get("hash") or w.hex(64)}},
            "user_agent": {"original": r.choice(AGENTS)},
        }
        text = json.dumps(row, separators=(",", ":"))
        if r.random() < 0.1:
            text = text.replace("/", "\\/")
            if plant is not None and plant.kind == "url" and plant.rule is not None:
                plant = plant._replace(rule=plant.rule + "+json")
        return text, plant


def make(folder: Path, *, megabytes: float, needles: int, seed: int, rate: float = PLANTED) -> None:
    """Write the needles, the logs, the truth and the decoys into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    world = World(needles, seed, rate)
    lines = Lines(world)
    (folder / "needles.txt").write_text("".join(value + "\n" for _, value in world.needles))
    truth, decoys = [], []
    for name, share in FILES.items():
        size = number = 0
        with open(folder / name, "w", encoding="utf-8", newline="\n") as file:
            while size < megabytes * share * 1e6:
                number += 1
                text, plant = lines.makers[name](number)
                size += file.write(text + "\n")
                if plant is None:
                    continue
                row = {"path": name, "line": number, "value": plant.value}
                if plant.rule is None:
                    decoys.append({**row, "text": plant.text})
                else:
                    truth.append({**row, "rule": plant.rule})
    for name, rows in (("truth.jsonl", truth), ("decoys.jsonl", decoys)):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Logs with planted indicators and exact truth.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megabytes", type=float, default=40)
    parser.add_argument("--needles", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--rate", type=float, default=PLANTED)
    given = parser.parse_args()
    make(
        given.folder,
        megabytes=given.megabytes,
        needles=given.needles,
        seed=given.seed,
        rate=given.rate,
    )
