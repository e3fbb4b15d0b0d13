"""L1: statements verified, kept, logged and durable, per second, against PyNaCl's verify rate.

The whole way of `POST /api/v1/statements` with JSONL, but for HTTP: opened, admitted, kept in
SQLite, batched, signed with both keys; tiles and checkpoint on disk. The peer's rate is taken in
the same run over the same messages, before and after.

python -m benchmarks.record_throughput [STATEMENTS]
"""

from __future__ import annotations

import gc
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import figure
from nacl.bindings import crypto_sign_open

from tocsin.flows import intake
from tocsin.flows.node import Node
from tocsin.record.envelope import open_statement, pae, sign, statement_id
from tocsin.record.statement import compose
from tocsin.wiring.folder import Config, LogConfig
from tocsin.wiring.node import open_node, run_log
from tocsin.wiring.party import init

PARTY = "cert.northland.example"
BODY = 1_000
"""Statements in one request."""
CLIENTS = 4


def main() -> None:
    """Print the figures of this file."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 12_000
    for name, goal, workers in (
        ("one process", ">= 0.6x PyNaCl's verify rate", 0),
        ("2 worker processes for signatures", ">= 1.0x PyNaCl's verify rate", 2),
    ):
        config = Config(party=PARTY, name="Northland", log=LogConfig(signature_workers=workers))
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            init(home, PARTY, "Northland", config=config)
            with open_node(home) as node, run_log(node):
                bodies = [body(node, f"case-{n}", BODY) for n in range(-(-count // BODY))]
                # The workers are started by whoever comes first.
                intake.enter_many(node, body(node, "case-first", 256))
                before, one_before = _verify_rate(node, bodies)
                seconds, processor = _entered(node, bodies)
                after, one_after = _verify_rate(node, bodies)
        rate = (before + after) / 2
        ours = len(bodies) * BODY / seconds
        if not workers:
            figure(
                "L1",
                "processor time of one statement, all threads, against that of one verification",
                ours=processor / (len(bodies) * BODY) * 1e6,
                peer=(one_before + one_after) / 2 * 1e6,
                goal="<= 1 / 0.6 = 1.67x on one processor; two share it",
                unit="us",
                n=len(bodies) * BODY,
                packages=("tocsin", "pynacl"),
            )
        figure(
            "L1",
            f"durable, included, checkpointed statements: {name}; {CLIENTS} clients, {BODY} a body",
            ours=ours,
            peer=rate,
            ratio=ours / rate,
            goal=goal,
            unit="statements/s",
            n=len(bodies) * BODY,
            packages=("tocsin", "pynacl"),
        )


def body(node: Node, case: str, count: int) -> list[bytes]:
    """So many statements of one chain."""
    signer = node.signers[PARTY]
    raws: list[bytes] = []
    prev = ""
    for number in range(count):
        payload = compose(
            author=PARTY,
            key=signer.keyid,
            kind="act",
            seq=number + 1,
            prev=prev,
            time=intake.stamp(node.clock()),
            salt=node.rng(16).hex(),
            tlp="GREEN",
            body={"event": "task.note", "text": f"looked at host {number}, nothing found yet"},
            case=case,
            seen=node.log.seen(),
        )
        raws.append(sign(payload, [signer]))
        prev = statement_id(raws[-1])
    return raws


def _entered(node: Node, bodies: Sequence[Sequence[bytes]]) -> tuple[float, float]:
    """Seconds until every statement is in the log, durable and under a published checkpoint.

    By the clock, and of the processor.
    """
    left = list(bodies)
    before = node.log.size

    def client() -> None:
        while left:
            try:
                body = left.pop()
            except IndexError:
                return
            for answer in intake.enter_many(node, body):
                assert isinstance(answer, intake.Done), answer

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    gc.collect()
    start, busy = time.perf_counter(), time.process_time()
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    assert node.log.size == before + sum(map(len, bodies))
    return seconds, busy


def _verify_rate(node: Node, bodies: Sequence[Sequence[bytes]]) -> tuple[float, float]:
    """How many of the same signatures PyNaCl alone verifies in a second, in one thread.

    And the processor's seconds for one.
    """
    public = node.signers[PARTY].public
    signed = []
    for raw in [raw for body in bodies for raw in body][:4_000]:
        envelope, _ = open_statement(raw)
        signed.append(envelope.signatures[0].sig + pae(envelope.payload))
    start, busy = time.perf_counter(), time.thread_time()
    for message in signed:
        crypto_sign_open(message, public)
    seconds, busy = time.perf_counter() - start, time.thread_time() - busy
    return len(signed) / seconds, busy / len(signed)


if __name__ == "__main__":
    main()
