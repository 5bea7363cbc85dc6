#!/usr/bin/env python3
"""Plays several notebooks at once, or one after the other, as `celltop bench live` has it, and writes down what a client saw.

One process for all of them, so that what is measured is the kernels and not their clients. The orders are a JSON file;
each event is a line of JSON in the file that the orders name, with the time in seconds since 1970. Groups are played one
after the other; all kernels of a group are started before its first cell is submitted: that moment is the event `begin`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from document import CodeCell, Document, NotebookUnreadable
from kernel import Kernel, KernelDied

log = logging.getLogger("crew")


@dataclass
class Part:
    """One notebook to play: its file, its kernelspec, what its kernel's environment adds, and its think times in seconds."""

    path: str
    name: str
    kernel: str
    thinks: list[float] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    arrival: float = 0.0
    group: int = 0
    cells_most: int | None = None


class Chronicle:
    """The file of events. Lines are written at once, so that what happened before a crash is known."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", buffering=1)

    def say(self, event: str, at: float | None = None, **facts: object) -> None:
        """Writes one event, of this moment unless another is given."""
        self._file.write(json.dumps({"event": event, **facts, "at": round(at or time.time(), 6)}) + "\n")


class Seat:
    """One author with one kernel."""

    STARTS_MAX = 5
    # Some kernels omit the reply or the idle; the other alone then ends the cell.
    SECOND_SIGN_SECONDS_MAX = 10

    def __init__(self, part: Part, chronicle: Chronicle, counts_processor_time: bool) -> None:
        self._part = part
        self._chronicle = chronicle
        self._counts = counts_processor_time
        self._document = Document(Path(part.path))
        self._kernel: Kernel | None = None
        self._message: str | None = None
        self._signs: set[str] = set()
        self._status = "lost"
        self._started: float | None = None
        self._done: asyncio.Event = asyncio.Event()

    async def open(self) -> None:
        """Starts the kernel and waits until it answers; `KernelDied` when that fails again and again."""
        environment = {**os.environ, "JPY_SESSION_NAME": self._part.path, **self._part.environment}
        for attempt in range(1, self.STARTS_MAX + 1):
            self._kernel = Kernel(self._part.kernel, self._receive)
            begun = time.time()
            try:
                await self._kernel.start(environment, Path(self._part.path).parent)
            except KernelDied as error:
                # Ports are chosen before they are bound, so two kernels that start together can collide.
                log.error("%s: start %d of %d failed: %s", self._part.name, attempt, self.STARTS_MAX, error)
                await self._kernel.stop()
                self._kernel = None
                continue
            self._say("kernel_ready", pid=self._kernel.pid, seconds=round(time.time() - begun, 3))
            return
        raise KernelDied(f"the kernel of {self._part.name} did not start in {self.STARTS_MAX} attempts")

    async def play(self) -> bool:
        """Submits one cell after the other, each a think time after the end of the one before; false where one failed."""
        if self._part.arrival > 0:
            await asyncio.sleep(self._part.arrival)
        self._say("arrived")
        well = True
        for position, cell in enumerate(self._document.cells[: self._part.cells_most]):
            think = self._part.thinks[position] if position < len(self._part.thinks) else 0.0
            if think > 0:
                await asyncio.sleep(think)
            if not await self._run(cell):
                well = False
                break
        self._say("played", status="ok" if well else "error")
        return well

    async def close(self) -> None:
        """Ends the kernel."""
        if self._kernel is not None:
            kernel, self._kernel = self._kernel, None
            await kernel.stop()
            self._say("closed")

    async def _run(self, cell: CodeCell) -> bool:
        before = self._processor_seconds()
        self._signs, self._status, self._started = set(), "lost", None
        self._done = asyncio.Event()
        submitted = time.time()
        self._message = self._kernel.submit(cell.source, cell.id)
        ended = asyncio.ensure_future(self._done.wait())
        await asyncio.wait({ended, self._kernel.death}, return_when=asyncio.FIRST_COMPLETED)
        at = time.time()
        ended.cancel()
        self._message = None
        facts: dict[str, object] = {}
        if before is not None and (after := self._processor_seconds()) is not None:
            facts["processor"] = round(after - before, 4)
        self._say(
            "cell",
            cell=cell.id,
            number=cell.number,
            submitted=round(submitted, 6),
            started=round(self._started or at, 6),
            ended=round(at, 6),
            status=self._status,
            **facts,
        )
        return self._status == "ok"

    def _receive(self, channel: str, message: dict) -> None:
        if self._message is None or message["parent_header"].get("msg_id") != self._message:
            return
        kind, content = message["header"]["msg_type"], message["content"]
        if channel == "shell" and kind == "execute_reply":
            self._status = content["status"]
            if self._status != "ok":
                log.error("%s: %s: %s", self._part.name, content.get("ename"), str(content.get("evalue"))[:400])
            self._sign("reply")
        elif kind == "execute_input" and self._started is None:
            # Not `busy`: a gate publishes that for a cell that it still holds.
            self._started = time.time()
        elif kind == "status" and content["execution_state"] == "idle":
            self._sign("idle")

    def _sign(self, what: str) -> None:
        self._signs.add(what)
        if len(self._signs) == 2:
            self._done.set()
        elif "reply" in self._signs:
            asyncio.get_running_loop().call_later(self.SECOND_SIGN_SECONDS_MAX, self._done.set)

    def _processor_seconds(self) -> float | None:
        """User and system time of the kernel, of its children and of those that it has waited for; nothing where not asked."""
        if not self._counts:
            return None
        import psutil

        total = 0.0
        try:
            root = psutil.Process(self._kernel.pid)
            for process in (root, *root.children(recursive=True)):
                try:
                    total += sum(process.cpu_times()[:4])
                except psutil.NoSuchProcess:
                    continue
        except psutil.NoSuchProcess:
            return None
        return total

    def _say(self, event: str, **facts: object) -> None:
        self._chronicle.say(event, notebook=self._part.name, **facts)


class Crew:
    """All seats of one run."""

    # Kernels that start at once mostly wait for each other.
    STARTS_AT_ONCE = 3
    QUIET_SECONDS = 0.5

    def __init__(self, orders: dict, chronicle: Chronicle) -> None:
        self._chronicle = chronicle
        counts = bool(orders.get("counts_processor_time"))
        parts = [Part(**part) for part in orders["parts"]]
        self._groups = [
            [Seat(part, chronicle, counts) for part in parts if part.group == group]
            for group in sorted({part.group for part in parts})
        ]

    async def play(self) -> bool:
        """Plays everything; false where a cell or a kernel failed."""
        wells = []
        for group in self._groups:
            starts = asyncio.Semaphore(self.STARTS_AT_ONCE)

            async def open_one(seat: Seat) -> None:
                async with starts:
                    await seat.open()

            await asyncio.gather(*(open_one(seat) for seat in group))
            await asyncio.sleep(self.QUIET_SECONDS)
            self._chronicle.say("begin")
            wells += await asyncio.gather(*(self._sit(seat) for seat in group))
        return all(wells)

    async def _sit(self, seat: Seat) -> bool:
        try:
            return await seat.play()
        finally:
            # A notebook that is done is closed: what it reserved is free.
            await seat.close()

    async def close(self) -> None:
        """Ends the kernels that are left."""
        seats = [seat for group in self._groups for seat in group]
        await asyncio.gather(*(seat.close() for seat in seats), return_exceptions=True)


async def run(orders: dict, chronicle: Chronicle) -> int:
    """Plays until the end or a signal; 0 where every cell ended well."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    crew = Crew(orders, chronicle)
    playing = asyncio.create_task(crew.play())
    stopping = asyncio.create_task(stopped.wait())
    watching = asyncio.create_task(_until_gone(orders["parent"]))
    await asyncio.wait({playing, stopping, watching}, return_when=asyncio.FIRST_COMPLETED)
    code = 0
    if not playing.done():
        playing.cancel()
        code = 1
    try:
        code = code or (0 if await playing else 1)
    except asyncio.CancelledError:
        pass
    except (KernelDied, OSError) as error:
        log.error("%s", error)
        code = 1
    finally:
        for task in (stopping, watching):
            task.cancel()
        await crew.close()
    chronicle.say("done", status="ok" if code == 0 else "error")
    return code


async def _until_gone(parent: int) -> None:
    """Returns when the process that ordered all this is no longer our parent."""
    while os.getppid() == parent:
        await asyncio.sleep(1)


def main() -> int:
    """Reads the orders and plays; 2 for wrong orders."""
    logging.basicConfig(level=logging.WARNING, format="crew.py: %(message)s")
    if len(sys.argv) != 2:
        log.error("usage: crew.py ORDERS.json")
        return 2
    try:
        orders = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        chronicle = Chronicle(Path(orders["events"]))
        return asyncio.run(run(orders, chronicle))
    except (OSError, ValueError, KeyError, TypeError, NotebookUnreadable) as error:
        log.error("cannot play the orders: %s", error)
        return 2


if __name__ == "__main__":
    sys.exit(main())
