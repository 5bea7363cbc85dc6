"""One life of a real Jupyter kernel: started, spoken to, watched, and ended."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Callable

from jupyter_client.manager import AsyncKernelManager

log = logging.getLogger("play")


class KernelDied(Exception):
    """The kernel's process ended without being asked to."""


class Kernel:
    """A kernel process and a client of it. `receive(channel, message)` is called for each shell and iopub message.

    A restart is a new `Kernel`: it gets new ports and a new session, so nothing of the old one can be mistaken.
    """

    READY_SECONDS_MAX = 180
    ALIVE_POLL_SECONDS = 1.0
    SHUTDOWN_SECONDS_MAX = 12

    def __init__(self, kernel_name: str, receive: Callable[[str, dict], None]) -> None:
        self._manager = AsyncKernelManager(kernel_name=kernel_name)
        self._receive = receive
        self._client = None
        self._readers: list[asyncio.Task] = []
        self._watch: asyncio.Task | None = None
        self.death: asyncio.Future = asyncio.get_running_loop().create_future()
        """Done, with nothing in it, when the process has ended unasked."""

    @property
    def pid(self) -> int | None:
        """The process that was started: a gate's, or the kernel's own."""
        return getattr(self._manager.provisioner, "pid", None)

    async def start(self, environment: dict[str, str], directory: Path) -> None:
        """Starts the process and waits until it answers; `KernelDied` when it does not."""
        # Standard output carries our events, so whatever a kernel prints past its protocol goes to standard error.
        await self._manager.start_kernel(
            env=environment, cwd=str(directory), stdout=sys.stderr.fileno(), stderr=sys.stderr.fileno()
        )
        self._client = self._manager.client()
        # No heartbeat: it costs a thread, and the process itself is watched. No stdin: nobody is there to answer.
        self._client.start_channels(stdin=False, hb=False)
        try:
            await self._client.wait_for_ready(timeout=self.READY_SECONDS_MAX)
        except RuntimeError as error:
            raise KernelDied(str(error)) from error
        self._readers = [
            asyncio.create_task(self._read("shell", self._client.shell_channel)),
            asyncio.create_task(self._read("iopub", self._client.iopub_channel)),
        ]
        self._watch = asyncio.create_task(self._watch_process())

    def submit(self, code: str, cell_id: str) -> str:
        """Sends an `execute_request` as JupyterLab does, and returns its `msg_id`."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = self._client.session.msg("execute_request", content, metadata={"cellId": cell_id})
        self._client.shell_channel.send(message)
        return message["header"]["msg_id"]

    async def stop(self) -> None:
        """Ends the process: asked first, then SIGTERM, then SIGKILL, as jupyter_client does. Harmless when it is gone."""
        tasks = [task for task in (*self._readers, self._watch) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await asyncio.wait_for(self._manager.shutdown_kernel(), self.SHUTDOWN_SECONDS_MAX)
        except Exception as error:
            log.error("the kernel would not shut down (%s); killing it", error or type(error).__name__)
            await self._manager.shutdown_kernel(now=True)
        finally:
            if self._client is not None:
                self._client.stop_channels()

    async def _read(self, name: str, channel) -> None:
        while True:
            try:
                message = await channel.get_msg()
            except ValueError as error:  # a broken or repeated signature: this message is lost, the next may be good
                log.error("cannot read a message on %s: %s", name, error)
                continue
            self._receive(name, message)

    async def _watch_process(self) -> None:
        while await self._manager.is_alive():
            await asyncio.sleep(self.ALIVE_POLL_SECONDS)
        if not self.death.done():
            self.death.set_result(None)
