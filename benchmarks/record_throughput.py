"""L1: statements verified, kept, logged and durable, per second, against PyNaCl's verify rate.

python -m benchmarks.record_throughput [STATEMENTS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import figure
from nacl.bindings import crypto_sign_open
from tests.faults.sequencer_disk import CLEAR, LOG, Clock
from tests.unit.record.dossier_case import EAST, NORTH, SIGNERS, Case

from tocsin.record.admission import ChainHead, admit
from tocsin.record.directory import KeyRing
from tocsin.record.envelope import open_statement, pae
from tocsin.record.sequencer import Sequencer
from tocsin.store.files import TileFiles
from tocsin.store.sqlite import SqliteStore

BATCH = 1000


def main() -> None:
    """Print the figure of this file."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    case = Case()
    for number in range(count):
        case.enter((NORTH, EAST)[number % 2], "act", {"event": "task.note", "n": number})
    rate = _verify_rate(case)
    ring = KeyRing(case.root)
    heads: dict[tuple[str, str], ChainHead] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore.open(Path(folder) / "data")
        files = TileFiles(Path(folder) / "tlog", Path(folder) / "guard")
        log = Sequencer(store=store, files=files, signer=LOG, clock=Clock(), max_batch=BATCH)
        log.recover()
        start = time.perf_counter()
        waiting = []
        for index, raw in enumerate(case.raws):
            _, statement = open_statement(raw)
            place = (statement.author, statement.chain)
            verified = admit(
                raw, keyring=ring, chain=heads.get(place), index=None, markings=lambda _: None
            )
            ring.admit_key(verified, index)
            heads[place] = ChainHead(seq=statement.seq, head=verified.id)
            waiting.append(log.keep(verified, [], CLEAR))
            if len(waiting) == BATCH or index + 1 == len(case.raws):
                for one in waiting:
                    one.wait()
                waiting = []
        seconds = time.perf_counter() - start
        assert log.size == len(case.raws)
        store.close()
    ours = len(case.raws) / seconds
    figure(
        "L1",
        "durable, included statements, one submitter, each kept in a commit of its own",
        ours=ours,
        peer=rate,
        ratio=ours / rate,
        goal=">= 0.6x PyNaCl's verify rate",
        unit="statements/s",
        n=len(case.raws),
        packages=("tocsin", "pynacl"),
    )


def _verify_rate(case: Case) -> float:
    """How many of the same signatures PyNaCl alone verifies in a second."""
    signed = []
    for raw in case.raws[3:]:
        envelope, statement = open_statement(raw)
        public = SIGNERS[statement.author].public
        signed.append((envelope.signatures[0].sig + pae(envelope.payload), public))
    start = time.perf_counter()
    for message, public in signed:
        crypto_sign_open(message, public)
    return len(signed) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
