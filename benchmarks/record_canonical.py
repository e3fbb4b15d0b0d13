"""L6: the canonical check of statements of 1.1 kB, against the standard library's decoder.

python -m benchmarks.record_canonical
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.figures import figure

from tocsin import canonical
from tocsin.record.statement import ObjectRef, compose

SEED = 11
ROUNDS = 7
COUNT = 5_000


def main() -> None:
    """Print the figures of this file."""
    payloads = _payloads()
    length = statistics.mean(len(payload) for payload in payloads)
    ours = _rate(canonical.decode, payloads)

    def plain(payload: bytes) -> Any:
        """What a check costs whoever has the standard library only: decode, encode, compare."""
        value = json.loads(payload)
        again = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert again.encode() == payload
        return value

    peer = _rate(plain, payloads)
    figure(
        "L6",
        f"canonical checks a second, statements of {length:.0f} bytes on average",
        ours=ours,
        peer=peer,
        ratio=ours / peer,
        goal=">= 100,000/s",
        unit="checks/s",
        n=ROUNDS,
        seed=SEED,
        packages=("tocsin", "orjson"),
    )


def _payloads() -> list[bytes]:
    rnd = random.Random(SEED)

    def digest() -> str:
        return rnd.randbytes(32).hex()

    def uuid() -> str:
        h = rnd.randbytes(16).hex()
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"

    return [
        compose(
            author="cert.northland.example",
            key=digest(),
            kind="say",
            seq=number + 2,
            prev=digest(),
            time="2026-11-22T08:30:00Z",
            salt=rnd.randbytes(16).hex(),
            tlp="AMBER",
            body={"reason": "seen on two hosts of the control network"},
            case=f"case--{uuid()}",
            objects=[
                ObjectRef(id=f"indicator--{uuid()}", sha256=digest(), type="indicator")
                for _ in range(3)
            ],
            refs=[digest() for _ in range(2)],
            to=["cert.southmark.example", "gridco.example"],
        )
        for number in range(COUNT)
    ]


def _rate(check: Callable[[bytes], Any], payloads: list[bytes]) -> float:
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for payload in payloads:
            check(payload)
        taken.append(time.process_time() - start)
    return len(payloads) / statistics.median(taken)


if __name__ == "__main__":
    main()
