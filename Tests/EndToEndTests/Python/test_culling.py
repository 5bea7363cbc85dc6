"""A server culls kernels that do nothing: jupyter_server's own culler, on a kernel whose cell the gate holds.

jupyter_server lies among the packages of Tests/Conformance; without them these tests are skipped ('.ci/setup --tests' makes them)."""

import json
import pathlib
import subprocess
import sys

import pytest
from conftest import PATIENCE, ROOT, Latch, alive, until

SERVERS_PYTHON = ROOT / ".build/conformance/seven/bin/python"

# What a server does, without its pages: starts a kernel, sends it a cell, and culls it by its own clock. Says a line of JSON for
# whatever happens, begins to cull when it is told a line, and ends with its input.
SERVER = r"""
import asyncio, json, sys
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

def say(**what):
    print(json.dumps(what), flush=True)

class Kernels(AsyncMappingKernelManager):
    async def cull_kernel_if_idle(self, kernel_id):
        await super().cull_kernel_if_idle(kernel_id)
        # What it went by, and whether the kernel is there still.
        kernel = self._kernels.get(kernel_id)
        say(looked=True, culled=kernel is None, state=kernel and kernel.execution_state)

async def main():
    kernels = Kernels(cull_idle_timeout=86400, cull_interval=1)
    kernel_id = await kernels.start_kernel(kernel_name="gated")
    client = kernels.get_kernel(kernel_id).client()
    client.start_channels()
    if sys.argv[1] == "ready":
        await client.wait_for_ready(timeout=30)
    else:
        # Nobody speaks with a kernel that has not begun, but the cell lies there.
        while not client.hb_channel.is_beating():
            await asyncio.sleep(0.01)
    client.execute("6 * 7")
    say(sent=True)
    loop = asyncio.get_running_loop()
    if await loop.run_in_executor(None, sys.stdin.readline):
        kernels.cull_idle_timeout = 1
        await loop.run_in_executor(None, sys.stdin.read)
    client.stop_channels()
    await kernels.shutdown_all(now=True)

asyncio.run(main())
"""


@pytest.fixture
def server(engine, spec_directory):
    if not SERVERS_PYTHON.exists():
        pytest.skip(f"skipped: there is no {SERVERS_PYTHON} with jupyter_server; '.ci/setup --tests' makes it")
    started = []

    def start(how):
        process = subprocess.Popen([SERVERS_PYTHON, "-c", SERVER, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.stdin.close()
        process.stdout.close()
        if process.wait(PATIENCE) != 0:
            print(f"the server ended with {process.returncode}", file=sys.stderr)


def heard(process, **wanted):
    """The server's next line that says what is wanted, before which it may not say that the kernel was culled."""
    for line in process.stdout:
        said = json.loads(line)
        if wanted.items() <= said.items():
            return said
        assert not said.get("culled"), f"culled while {wanted} was waited for"
    raise AssertionError(f"the server ended without saying {wanted}")


LOOKS = 4


@pytest.mark.parametrize("how", ["ready", "early"])
def test_a_kernel_whose_cell_is_held_is_not_culled_and_an_idle_one_is(server, engine, spec_directory, tmp_path, how):
    latch = Latch(tmp_path / "begin")
    if how == "early":
        # A kernel that begins when it is let: its first word, 'starting', comes behind the cell's hold.
        file = spec_directory / "kernels/gated/kernel.json"
        spec = json.loads(file.read_text())
        behind = spec["argv"].index("--") + 1
        wait = ["sh", "-c", f'while [ ! -e "{latch.path}" ]; do sleep 0.01; done; exec "$@"', "sh"]
        file.write_text(json.dumps(spec | {"argv": spec["argv"][:behind] + wait + spec["argv"][behind:]}))
    process = server(how)
    heard(process, sent=True)
    key = engine.submitted()["key"]
    if how == "early":
        latch.open()
    heard(process, looked=True, state="busy")
    # However long the kernel took to start, the server is impatient from now on: each look comes a second behind the one before,
    # and a second of idleness is enough.
    process.stdin.write("cull\n")
    process.stdin.flush()
    for _ in range(LOOKS):
        heard(process, looked=True, culled=False, state="busy")
    gate = engine.heard("hello")[-1]["_0"]["pid"]
    engine.grant(key, "0")
    assert engine.ended(key) == 0
    heard(process, looked=True, culled=True)
    until(lambda: not alive(gate), what="the gate's end")
