"""The thread that does every write of a store, many in one commit.

Writes queue up and commit together, so that many share one sync of a disk; each has a savepoint of
its own, and one that fails takes no other with it. Between them objects are cut into words. What
a database is to do at each turn it is asked of its `Hand`: this file has no SQL but savepoints.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import groupby, islice
from typing import Any, Generic, Protocol, TypeVar

from tocsin.errors import StoreError, TocsinError
from tocsin.store.rules import Arrival

MAX_GROUP = 1_000
"""Writes that may share one commit."""
INDEX_SLICE = 200
"""Objects cut into words between two writes."""
INDEX_AFTER = 0.05
"""Seconds without a write before words are cut off the answer's path."""

T = TypeVar("T")


class Connection(Protocol):
    """What the writer itself does with a database."""

    def execute(self, sql: Any, /) -> Any:
        """Do this statement."""
        ...


C = TypeVar("C", bound=Connection)


class Hand(Protocol[C]):
    """What a store does when its writer comes to it: on the writer's thread, and nowhere else."""

    def begin(self) -> C:
        """Begin a transaction. Raises: whatever then refuses the whole group."""
        ...

    def commit(self, db: C) -> None:
        """Commit it. Back when it is on disk."""
        ...

    def undo(self, wrong: BaseException) -> None:
        """Let go of the transaction that ended with this, if there still is one."""
        ...

    def stands(self, db: C, wrong: BaseException) -> bool:
        """Whether after this failure the transaction goes on from its last savepoint."""
        ...

    def told(self, wrong: BaseException) -> tuple[BaseException, bool]:
        """What the caller is told, and whether less at once could still succeed (a full disk)."""
        ...

    def keep_all(self, db: C, arrivals: Sequence[Arrival]) -> list[TocsinError | None]:
        """Keep each statement that can be kept; for each what kept it out, or None."""
        ...

    def index(self, db: C, limit: int) -> int:
        """Cut the next objects into words; how many there were."""
        ...

    def rest(self) -> bool:
        """After a group: what is done outside transactions; whether words may be cut then."""
        ...


class Writer(Generic[C]):
    """Takes writes from any thread, and answers each when it is on disk."""

    def __init__(self, hand: Hand[C], name: str) -> None:
        """Nothing runs before `start`.

        Args:
            name: of the store, for what is said when the thread itself fails.
        """
        self._hand = hand
        self._name = name
        self.broken: BaseException | None = None
        """Why nothing is written any more, before the store is opened anew. The hand sets it."""
        self._guard = threading.Lock()  # of _closed: nothing may queue up behind the end
        self._closed = False
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="tocsin-store", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def close(self) -> bool:
        """Finish what is queued, and end; False: it has been closed before."""
        with self._guard:
            if self._closed:
                return False
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        return True

    # --- from any thread ----------------------------------------------------------------------

    def write(self, work: Callable[[C], T]) -> T:
        """What `work` gives, done in a transaction; back when that is on disk."""
        result: T = self._ask(_Job(work))
        return result

    def keep_all(self, arrivals: Sequence[Arrival]) -> list[TocsinError | None]:
        """`Hand.keep_all`, together with what other threads keep at the same time."""
        outcomes: list[TocsinError | None] = self._ask(_Keeping(self._hand, arrivals))
        return outcomes

    def alone(self, work: Callable[[], T]) -> T:
        """What `work` gives, done by the writer's thread outside any transaction."""
        result: T = self._ask(_Alone(lambda _: work()))
        return result

    def index_all(self) -> None:
        """Cut everything into words that has not been yet."""
        while self.write(self._index) == INDEX_SLICE:
            pass

    def _ask(self, job: _Job) -> Any:
        with self._guard:
            if self._closed:
                raise closed(self._name)
            self._queue.put(job)
        return job.done.result()

    # --- the thread ---------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._serve()
        except BaseException as wrong:  # a fault of ours: nobody may be left waiting for ever
            self.broken = StoreError(
                f"the writer of {self._name} stopped: {wrong!r}",
                remedy="restart the node, and report this",
            )
            while (job := self._queue.get()) is not None:
                job.done.set_exception(self.broken)

    def _serve(self) -> None:
        behind = True
        while True:
            try:
                first = self._queue.get(timeout=INDEX_AFTER if behind else None)
            except queue.Empty:
                behind = self._index_slice()
                continue
            if first is None:
                return
            group = [first]
            last = False
            while len(group) < MAX_GROUP and not last and not isinstance(group[-1], _Alone):
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    last = True
                else:
                    group.append(job)
            alone = group.pop() if isinstance(group[-1], _Alone) else None
            if group:
                self._commit(group)
            if alone is not None:
                self._do_alone(alone)
            if last:
                return
            behind = self._hand.rest() and self.broken is None

    def _commit(self, group: list[_Job]) -> None:
        """Do these jobs in one transaction, each under its own savepoint, then answer them."""
        if self.broken is not None:
            self._fail(group, self.broken)
            return
        done: list[tuple[_Job, Any]] = []
        try:
            db = self._hand.begin()
            for kind, jobs in groupby(group, key=type):
                done += self._do(db, list(jobs), together=kind is _Keeping)
            self._hand.commit(db)
        except BaseException as wrong:
            self._hand.undo(wrong)
            rest = [job for job in group if not job.done.done()]
            said, is_too_much = self._hand.told(wrong)
            if len(rest) > 1 and is_too_much and self.broken is None:
                for job in rest:  # a small write may still fit where the whole group does not
                    self._commit([job])
            else:
                self._fail(rest, self.broken or said)
            return
        for job, result in done:
            job.done.set_result(result)

    def _do(self, db: C, jobs: list[_Job], *, together: bool) -> list[tuple[_Job, Any]]:
        """Do these jobs, each under a savepoint or all `together` under one; their results."""
        if not together:
            return [one for job in jobs for one in self._do(db, [job], together=True)]
        db.execute("SAVEPOINT job")
        try:
            results = list(self._results(db, jobs))
        except BaseException as wrong:
            if not self._hand.stands(db, wrong):
                raise
            db.execute("ROLLBACK TO SAVEPOINT job")
            db.execute("RELEASE SAVEPOINT job")
            if len(jobs) > 1:
                return self._do(db, jobs, together=False)
            jobs[0].done.set_exception(self._hand.told(wrong)[0])
            return []
        db.execute("RELEASE SAVEPOINT job")
        return list(zip(jobs, results, strict=True))

    def _results(self, db: C, jobs: Sequence[_Job]) -> Iterator[Any]:
        """What one job gives, or what each of several `_Keeping` gives."""
        if len(jobs) == 1:
            yield jobs[0].work(db)
            return
        keeping = [job for job in jobs if isinstance(job, _Keeping)]
        arrivals = [one for job in keeping for one in job.arrivals]
        outcomes = iter(self._hand.keep_all(db, arrivals))
        for job in keeping:
            yield list(islice(outcomes, len(job.arrivals)))

    def _do_alone(self, job: _Job) -> None:
        if self.broken is not None:
            self._fail([job], self.broken)
            return
        try:
            done = job.work(None)
        except BaseException as wrong:
            self._hand.undo(wrong)
            job.done.set_exception(self._hand.told(wrong)[0])
        else:
            job.done.set_result(done)

    def _index_slice(self) -> bool:
        """Cut a few objects into words; whether there are more."""
        job = _Job(self._index)
        self._commit([job])
        # A failure is not lost: whoever searches does the same work and is told.
        return job.done.exception() is None and job.done.result() == INDEX_SLICE

    def _index(self, db: C) -> int:
        return self._hand.index(db, INDEX_SLICE)

    @staticmethod
    def _fail(jobs: Sequence[_Job], wrong: BaseException) -> None:
        for job in jobs:
            job.done.set_exception(wrong)


def closed(name: str) -> StoreError:
    """The refusal of a store that has been closed."""
    return StoreError(f"{name} has been closed", remedy="start the node again")


class _Job:
    """One write, and whoever waits for it."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work
        self.done: Future[Any] = Future()


class _Keeping(_Job):
    """Statements to keep. Those that come from several threads at once are written together."""

    def __init__(self, hand: Hand[Any], arrivals: Sequence[Arrival]) -> None:
        super().__init__(lambda db: hand.keep_all(db, arrivals))
        self.arrivals = arrivals


class _Alone(_Job):
    """No transaction: files or tables are written anew."""
