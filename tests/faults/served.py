"""The real server (`wiring.serve`), forked from a process that has everything loaded already.

So a node is up in a tenth of a second and can be killed hundreds of times. Commands and answers are
JSON lines: {"start": HOME} gives {"pid"}, and the node waits; {"go": PID} gives what became of it:
{"url", "token", "threads"}, or {"refused", "remedy"}, or {"crashed"}, or {"died"}; {"reap": PID}
waits for its end.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any


def main() -> None:

    import tocsin.console.app
    import tocsin.console.public
    import tocsin.wiring.serve  # noqa: F401

    waiting: dict[int, tuple[int, int]] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        if "start" in asked:
            pid, go, said = _fork(Path(asked["start"]))
            waiting[pid] = go, said
            answer: dict[str, Any] = {"pid": pid}
        elif "go" in asked:
            go, said = waiting.pop(asked["go"])
            os.write(go, b"!")
            os.close(go)
            with os.fdopen(said, "rb") as pipe:
                answer = json.loads(pipe.readline() or b'{"died": true}')
        else:
            answer = {"status": os.waitpid(asked["reap"], 0)[1]}
        print(json.dumps(answer), flush=True)


def _fork(home: Path) -> tuple[int, int, int]:
    """Pid, the pipe that lets it go, and the pipe it speaks through."""
    wait, go = os.pipe()
    said, say = os.pipe()
    pid = os.fork()
    if pid:
        os.close(wait)
        os.close(say)
        return pid, go, said
    code = 1
    try:
        os.close(go)
        os.close(said)
        os.read(wait, 1)
        code = _serve(home, say)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _serve(home: Path, say: int) -> int:
    from tocsin.errors import TocsinError
    from tocsin.wiring.serve import serve

    def told(answer: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            os.write(say, json.dumps(answer).encode() + b"\n")
            os.close(say)

    def up(node: Any, url: str, _: str) -> None:
        running = json.loads((home / "run" / "node.json").read_text())
        told(
            {
                "url": url,
                "token": next(iter(running["tokens"].values())),
                "threads": {t.name: t.native_id for t in threading.enumerate()},
            }
        )

    try:
        serve(home, host="127.0.0.1", port=0, behind_proxy=False, say=up)
    except TocsinError as wrong:
        told({"refused": wrong.message, "remedy": wrong.remedy})
        return 1
    except BaseException:
        told({"crashed": traceback.format_exc()})
        return 2
    return 0


if __name__ == "__main__":
    main()
