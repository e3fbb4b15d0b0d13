"""A real `tocsin up` in a process of its own, for tests that kill, stop and crowd it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

PATIENCE = 120.0
"""Seconds that anything may take on a machine that does much else: only a hang takes longer."""


def tocsin(home: Path, *args: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    """One verb on a data folder; asserts its exit code and that no traceback is shown."""
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", "--home", str(home), "--no-input", *args],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    if code is not None:
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done


class NodeProcess:
    """A running node. `stop` is Ctrl-C, `kill` is kill -9."""

    def __init__(self, home: Path, *args: str) -> None:
        self.home = home
        # A file beside the folder, no pipe: nobody reads while it runs, and a full pipe stops it.
        self.stderr = home.with_name(f"{home.name}.stderr")
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tocsin", "--home", str(home), "up", "--port", "0", *args],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**os.environ, "PYTHONFAULTHANDLER": "1"},
            )
        assert self.process.stdout is not None
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if line.startswith("stop"):
                break
        found = re.search(r"(http://127\.0\.0\.1:(\d+))(/enter/\S+)", self.said)
        if found is None:
            self.process.kill()
            raise AssertionError(self.said + self._ended())
        self.url, self.port, self.enter = found[1], int(found[2]), found[3]
        running = json.loads((home / "run" / "node.json").read_text())
        self.tokens: dict[str, str] = running["tokens"]

    @property
    def token(self) -> str:
        return next(iter(self.tokens.values()))

    def ask(
        self, path: str, *, token: str | None = None, body: bytes | None = None, method: str = "GET"
    ) -> tuple[int, bytes]:
        """Status and body of an API request."""
        headers = {"Authorization": f"Bearer {token or self.token}"} if token != "" else {}
        request = urllib.request.Request(
            self.url + path, data=body, headers=headers, method="POST" if body else method
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return int(answer.status), bytes(answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()

    def json(self, path: str, **kept: Any) -> Any:
        status, body = self.ask("/api/v1" + path, **kept)
        assert status < 400, body
        return json.loads(body)

    def stream(self) -> socket.socket:
        """Open an event stream and read its first bytes."""
        s = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        s.sendall(
            f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Authorization: Bearer {self.token}\r\nAccept: text/event-stream\r\n\r\n".encode()
        )
        assert b"200" in s.recv(4096)
        return s

    def kill(self) -> None:
        self.process.kill()
        self._ended()

    def stop(self, sig: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Exit code and stderr."""
        self.process.send_signal(sig)
        err = self._ended()
        return self.process.returncode, err

    def _ended(self) -> str:
        """What it wrote on stderr, once it has ended."""
        self.process.communicate(timeout=PATIENCE)
        return self.stderr.read_text("utf-8", "replace")
