#!/usr/bin/env python3
"""Plays a Jupyter notebook as a person would: submits a cell, waits for its end, thinks, goes on.

A real Jupyter client: it starts the named kernel and speaks the protocol to it. Each event is one line of JSON on
standard output; what goes wrong is told on standard error. Whoever starts it must keep reading standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

from document import CodeCell, Document, NotebookUnreadable
from kernel import Kernel, KernelDied
from pace import Pace, Step

log = logging.getLogger("play")


def say(event: str, **facts: object) -> None:
    """Prints one event. A reader that has gone away is no reason to stop working."""
    line = json.dumps({"event": event, **facts, "at": round(time.time(), 3)})
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@dataclass
class Flight:
    """A submitted cell, until its reply and its idle have both come."""

    cell: CodeCell
    submitted: float
    ended: asyncio.Future = field(repr=False)
    started: float | None = None
    status: str | None = None
    error: str | None = None
    idle: bool = False
    closing: bool = False


class Parent:
    """The process on whose behalf we play. Its start time tells it from a later one with the same number."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._birth = self._read_birth()

    @property
    def is_gone(self) -> bool:
        """True when it has ended (a zombie has)."""
        birth = self._read_birth()
        return birth is None or birth != self._birth

    def _read_birth(self) -> str | None:
        try:
            # proc(5): the name, in parentheses, may hold anything; after it come state (3) and start time (22).
            fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]


class Player:
    """Plays one notebook for a number of rounds on one kernel, starting it anew when it dies."""

    STARTS_MAX = 5
    DEATHS_A_ROUND_MAX = 3
    # Some kernels omit the reply or the idle; the other alone then ends the cell.
    SECOND_SIGN_SECONDS_MAX = 10
    # After an error ipykernel aborts what still arrives for a moment, sometimes without a reply.
    SECONDS_BEFORE_AGAIN_MIN = 0.5

    def __init__(self, document: Document, pace: Pace, options: argparse.Namespace) -> None:
        self._document = document
        self._pace = pace
        self._options = options
        self._parent = Parent(options.parent) if options.parent else None
        self._kernel: Kernel | None = None
        self._flights: dict[str, Flight] = {}
        self._round = 0
        self._submissions_this_round = 0
        self.failures = 0
        """Rounds that were given up."""

    async def play(self) -> None:
        """Plays all rounds, or those until the parent is gone."""
        while self._options.loop or self._round < self._options.rounds:
            if self._parent is not None and self._parent.is_gone:
                say("parent_gone", pid=self._options.parent)
                return
            self._round += 1
            self._submissions_this_round = 0
            if self._kernel is None:
                await self._start_kernel()
            ok = await self._play_round()
            if not self._submissions_this_round:
                continue
            self.failures += not ok
            say("round_ended", round=self._round, status="ok" if ok else "error")
            self._save()

    async def close(self) -> None:
        """Ends the kernel. Cells that have not ended are reported as lost."""
        self._lose_flights()
        if self._kernel is not None:
            kernel, self._kernel = self._kernel, None
            await kernel.stop()
        if self._submissions_this_round:
            self._save()

    # A round

    async def _play_round(self) -> bool:
        steps = deque(self._pace.round(len(self._document.cells)))
        tried_again: set[int] = set()
        deaths = 0
        while steps:
            step = steps.popleft()
            try:
                await self._think(step.think)
                if self._abandoned_before_work():
                    return True
                failed = await self._run(step)
            except KernelDied:
                deaths += 1
                await self._restart_kernel()
                if deaths == self.DEATHS_A_ROUND_MAX:
                    log.error("the kernel died %d times in this round; the round is given up", deaths)
                    return False
                steps = deque(self._pace.round_again(len(self._document.cells)))
                tried_again.clear()
                continue
            if failed is None:
                continue
            # A person tries a failed cell, and what was to follow it, once more; then gives up.
            if failed in tried_again:
                return False
            tried_again.add(failed)
            remaining = step.cells[step.cells.index(failed) :]
            steps.appendleft(Step(max(self._pace.think_again(), self.SECONDS_BEFORE_AGAIN_MIN), remaining))
        return True

    def _abandoned_before_work(self) -> bool:
        """The parent has gone while this round was still its first think time: there is nothing to finish."""
        return self._parent is not None and not self._submissions_this_round and self._parent.is_gone

    async def _think(self, seconds: float) -> None:
        if seconds > 0:
            say("thinking", seconds=round(seconds, 3), round=self._round)
        await self._until_death(asyncio.sleep(seconds))

    async def _run(self, step: Step) -> int | None:
        """Submits the cells of a step at once and waits for all; returns the position of the first that failed."""
        flights = [self._submit(self._document.cells[position]) for position in step.cells]
        await self._until_death(asyncio.gather(*(flight.ended for flight in flights)))
        for position, flight in zip(step.cells, flights):
            if flight.status != "ok":
                return position
        return None

    async def _until_death(self, work) -> None:
        """Awaits `work`; `KernelDied` when the kernel dies first."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, self._kernel.death}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise KernelDied
        finally:
            task.cancel()

    # The kernel

    async def _start_kernel(self) -> None:
        environment = {**os.environ, "JPY_SESSION_NAME": str(self._document.path)}
        for attempt in range(1, self.STARTS_MAX + 1):
            self._kernel = Kernel(self._options.kernel_name, self._receive)
            begun = time.monotonic()
            try:
                await self._kernel.start(environment, self._document.path.parent)
            except KernelDied as error:
                # Ports are chosen before they are bound, so two kernels that start together can collide.
                log.error("start %d of %d failed: %s", attempt, self.STARTS_MAX, error)
                say("kernel_died", pid=self._kernel.pid, ready=False)
                await self._kernel.stop()
                self._kernel = None
                continue
            seconds = round(time.monotonic() - begun, 3)
            say("kernel_ready", kernel=self._options.kernel_name, pid=self._kernel.pid, seconds=seconds)
            return
        raise KernelDied(f"the kernel '{self._options.kernel_name}' did not start in {self.STARTS_MAX} attempts")

    async def _restart_kernel(self) -> None:
        say("kernel_died", pid=self._kernel.pid, ready=True)
        self._lose_flights()
        await self._kernel.stop()
        self._kernel = None
        await self._start_kernel()

    def _submit(self, cell: CodeCell) -> Flight:
        self._document.begin(cell)
        message_id = self._kernel.submit(cell.source, cell.id)
        flight = Flight(cell, time.time(), asyncio.get_running_loop().create_future())
        self._flights[message_id] = flight
        self._submissions_this_round += 1
        say("submitted", **self._name(cell), message=message_id)
        return flight

    def _receive(self, channel: str, message: dict) -> None:
        message_id = message["parent_header"].get("msg_id")
        flight = self._flights.get(message_id)
        if flight is None:
            return
        kind, content = message["header"]["msg_type"], message["content"]
        if channel == "shell":
            if kind == "execute_reply":
                self._document.reply(flight.cell, message)
                # "abort" is what IRkernel and bash_kernel say.
                flight.status = {"abort": "aborted"}.get(content["status"], content["status"])
                flight.error = content.get("ename")
        elif kind == "status":
            state = content["execution_state"]
            self._document.mark(flight.cell, f"iopub.status.{state}", message)
            flight.idle = state == "idle"
        elif kind == "execute_input":
            # Not `busy`: a gate publishes that for a cell that it still holds.
            flight.started = time.time()
            self._document.mark(flight.cell, "iopub.execute_input", message)
            wait = round(flight.started - flight.submitted, 3)
            say("started", **self._name(flight.cell), wait=wait)
        else:
            self._document.output(flight.cell, message)
        if flight.status is not None and flight.idle:
            self._end(message_id)
        elif (flight.status is not None or flight.idle) and not flight.closing:
            flight.closing = True
            loop = asyncio.get_running_loop()
            loop.call_later(self.SECOND_SIGN_SECONDS_MAX, self._end, message_id)

    def _end(self, message_id: str) -> None:
        flight = self._flights.pop(message_id, None)
        if flight is None:
            return
        # Without a reply only a cell that began can have ended well.
        flight.status = flight.status or ("ok" if flight.started is not None else "aborted")
        facts = {"status": flight.status}
        if flight.error:
            facts["error"] = flight.error
        if flight.started is not None:
            facts["run"] = round(time.time() - flight.started, 3)
        say("ended", **self._name(flight.cell), **facts)
        if not flight.ended.done():
            flight.ended.set_result(None)

    def _lose_flights(self) -> None:
        for message_id, flight in list(self._flights.items()):
            flight.status = "lost"
            self._end(message_id)

    def _name(self, cell: CodeCell) -> dict:
        return {"cell": cell.id, "number": cell.number, "round": self._round}

    def _save(self) -> None:
        if self._options.save is None:
            return
        try:
            self._document.save(self._options.save)
        except OSError as error:
            log.error("cannot save the executed notebook as '%s': %s", self._options.save, error.strerror)


async def run(document: Document, pace: Pace, options: argparse.Namespace) -> int:
    """Plays until the end or a signal, ends the kernel, and returns the exit status."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if options.parent:
        # The terminal of a killed console hangs up; the round is finished all the same.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    else:
        loop.add_signal_handler(signal.SIGHUP, stopped.set)
    player = Player(document, pace, options)
    playing = asyncio.create_task(player.play())
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    status, code = "ok", 0
    if not playing.done():
        playing.cancel()
        status = "stopped"
    try:
        await playing
    except asyncio.CancelledError:
        pass
    except KernelDied as error:
        log.error("%s", error)
        status, code = "error", 1
    finally:
        stopping.cancel()
        await player.close()
    if player.failures and status == "ok":
        status, code = "error", 1
    say("done", status=status)
    return code


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line; a wrong one ends the process with status 2."""
    parser = argparse.ArgumentParser(prog="play.py", description=__doc__.split("\n")[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--kernel-name", required=True, metavar="NAME", help="an installed kernelspec")
    parser.add_argument("--seed", type=int, help="of think times and bursts (default: drawn, and told in the first event)")
    parser.add_argument("--think-scale", type=_share(None), default=1.0, metavar="X", help="multiplies each think time")
    parser.add_argument(
        "--think-max", type=_share(None), default=1200.0, metavar="SECONDS", help="the longest think (default: 1200)"
    )
    parser.add_argument(
        "--burst-share",
        type=_share(1.0),
        default=0.2,
        metavar="P",
        help="how often two or three cells are submitted at once, 0 to 1 (default: 0.2)",
    )
    rounds = parser.add_mutually_exclusive_group()
    rounds.add_argument("--loop", action="store_true", help="play until stopped")
    rounds.add_argument("--rounds", type=_count, default=1, metavar="N", help="passes through the notebook (default: 1)")
    parser.add_argument("--save", type=Path, metavar="PATH", help="write the executed notebook here after each round")
    parser.add_argument("--parent", type=int, metavar="PID", help="end after the current round when this process is gone")
    return parser.parse_args(arguments)


def _share(most: float | None):
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 <= number <= (most if most is not None else number):
            expected = "a number of 0 or more" if most is None else f"a number from 0 to {most:g}"
            raise argparse.ArgumentTypeError(f"'{text}' is not {expected}.")
        return number

    return read


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of 1 or more.")
    return int(text)


def main() -> int:
    """Reads the command line and plays."""
    options = parse(sys.argv[1:])
    logging.basicConfig(level=logging.WARNING, format=f"play.py [{options.notebook.name}]: %(message)s")
    try:
        document = Document(options.notebook.resolve())
        KernelSpecManager().get_kernel_spec(options.kernel_name)
    except NotebookUnreadable as error:
        log.error("%s", error)
        return 2
    except NoSuchKernel:
        installed = ", ".join(sorted(KernelSpecManager().find_kernel_specs())) or "none"
        log.error("there is no kernelspec '%s'. Installed are: %s.", options.kernel_name, installed)
        return 2
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    say("playing", notebook=str(document.path), cells=len(document.cells), seed=seed)
    pace = Pace(seed, options.think_scale, options.think_max, options.burst_share)
    return asyncio.run(run(document, pace, options))


if __name__ == "__main__":
    sys.exit(main())
