"""Kernels that are no ipykernel, behind the gate: suspended in the middle of a cell, interrupted after it, asked nothing that they
do not cope with. Each is skipped where it is not installed ('.ci/setup --tests' installs them on Debian)."""

import ast
import dataclasses
import json
import os
import pathlib
import sys
import time

import pytest
from conftest import GATE, PATIENCE, ROOT, alive, stopped, until

HOMES = ROOT / ".build" / "conformance"


@dataclasses.dataclass
class Language:
    home: pathlib.Path  # below it lies share/jupyter/kernels
    name: str
    lines: str  # prints 'line 1' to 'line 200', makes the file {mark} at the twentieth, and takes over a second
    sleep: str  # makes the file {mark}, and sleeps a minute


PYTHON_LINES = ("import time\nfor i in range(1, 201):\n    print('line', i, flush=True)\n    time.sleep(0.01)\n"
                "    if i == 20: open('{mark}', 'w').close()")
LANGUAGES = {
    "bash": Language(
        HOMES / "seven", "bash", 'for i in $(seq 1 200); do echo "line $i"; sleep 0.01; [ $i = 20 ] && touch {mark}; done; true',
        "touch {mark}; sleep 60"),
    "ir": Language(
        pathlib.Path("/usr"), "R",
        "for (i in 1:200) {{ cat('line', i, '\\n'); Sys.sleep(0.01); if (i == 20) invisible(file.create('{mark}')) }}",
        "invisible(file.create('{mark}')); Sys.sleep(60)"),
    "xpython": Language(HOMES / "xeus", "python", PYTHON_LINES, "open('{mark}', 'w').close()\nimport time\ntime.sleep(60)"),
}


@pytest.fixture
def start(spec_directory, engine, kernels):
    """Starts a kernel of a kernelspec of its own behind the gate."""

    def begin(name):
        language = LANGUAGES[name]
        found = language.home / "share/jupyter/kernels" / name / "kernel.json"
        if not found.exists():
            pytest.skip(f"skipped: there is no kernelspec {found}; '.ci/setup --tests' installs it")
        spec = json.loads(found.read_text())
        program = language.home / "bin" / spec["argv"][0]
        if program.exists():
            spec["argv"][0] = str(program)
        spec["argv"] = [GATE, "-f", "{connection_file}", "--fail-open-after", "0.5", "--language", language.name, "--", *spec["argv"]]
        folder = spec_directory / "kernels" / name
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(json.dumps(spec))
        return kernels(name)

    return begin


def tree(pid):
    """A process and all that descends from it."""
    found = [pid]
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += tree(int(child))
    return found


def output(kernel, request, seconds=PATIENCE):
    """The text on stdout of a request, to its idle."""
    text, end = "", time.monotonic() + seconds
    while time.monotonic() < end:
        message = kernel.client.get_iopub_msg(timeout=seconds)
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["msg_type"] == "stream":
            text += message["content"]["text"]
        if message["content"].get("execution_state") == "idle":
            return text
    raise AssertionError(f"no idle came after {text!r}")


@pytest.mark.parametrize("name", ["bash", "ir", "xpython"])
def test_is_suspended_in_the_middle_of_a_cell_and_loses_nothing(start, engine, name, tmp_path):
    kernel, mark = start(name), tmp_path / "mark"
    request = kernel.client.execute(LANGUAGES[name].lines.format(mark=mark), allow_stdin=False)
    key = engine.submitted()["key"]
    engine.grant(key, "0")
    until(mark.exists, what="the middle of the cell")
    engine.applied(engine.order("suspend", key))
    pid = engine.heard("kernel")[-1]["pid"]
    until(lambda: all(stopped(one) or not alive(one) for one in tree(pid)), what="the stop of the whole tree")
    assert kernel.client.hb_channel.is_beating()
    assert not [ended for ended in engine.heard("ended") if ended["key"] == key]
    engine.applied(engine.order("resume", key, cores="0"))
    text = output(kernel, request)
    assert [line.strip() for line in text.splitlines() if line.startswith("line")] == [f"line {i}" for i in range(1, 201)]
    assert kernel.reply(request)["content"]["status"] == "ok" and engine.ended(key) == 0


@pytest.mark.parametrize("name", ["bash", "ir"])
def test_is_interrupted_after_it_was_suspended(start, engine, name, tmp_path):
    kernel, mark = start(name), tmp_path / "mark"
    request = kernel.client.execute(LANGUAGES[name].sleep.format(mark=mark), allow_stdin=False)
    key = engine.submitted()["key"]
    engine.grant(key, "0")
    until(mark.exists, what="the middle of the cell")
    engine.applied(engine.order("suspend", key))
    began = time.monotonic()
    kernel.manager.interrupt_kernel()
    # Their words differ: IRkernel and bash_kernel say 'abort'.
    assert kernel.reply(request)["content"]["status"] in ("error", "abort", "aborted")
    assert time.monotonic() - began < 25 and engine.ended(key) == 2


def test_input_is_asked_of_a_kernel_that_takes_cells_up_before_the_one_ahead_has_ended(start, engine):
    """The grant is not what the kernel's pools have, so another kernel would be told silently, just ahead of the cell."""
    engine.auto = "0"
    kernel = start("xpython")
    request = kernel.client.execute("print('got', input('say: '))", allow_stdin=True)
    assert kernel.client.get_stdin_msg(timeout=PATIENCE)["content"]["prompt"].strip() == "say:"
    kernel.client.input("hello")
    assert "got hello" in output(kernel, request)
    reply = kernel.reply(request)["content"]
    assert (reply["status"], reply["execution_count"]) == ("ok", 1)


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MC_CORES")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_r_s_pools_get_what_was_granted(start, engine):
    """A real IRkernel: one thread at its start, which is what a cell gets that asks for nothing; what it is told before a cell of
    more cores, and of fewer again; and nobody sees that it was told."""
    kernel = start("ir")
    show = f"cat(Sys.getenv(c({', '.join(map(repr, THREADS))})), getOption('mc.cores'), length(parallel::mcaffinity()))"
    cores = sorted(os.sched_getaffinity(0))
    assert kernel.granted(engine, show, str(cores[0]))[:2] == ("1 1 1 1", "")
    assert kernel.granted(engine, show, f"{cores[0]},{cores[1]}")[:2] == ("1 1 1 2 2", "")
    assert kernel.granted(engine, show, str(cores[1]))[:2] == ("1 1 1 1 1", "")


JULIA = r"""
import os
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

class StandIn(Kernel):
    implementation, implementation_version, banner = "IJulia", "1", ""
    language_info = {"name": "julia", "mimetype": "text/plain", "file_extension": ".jl"}
    told = []

    async def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False, **_):
        if silent:
            self.told.append(code)
        else:
            text = repr([os.environ.get("JULIA_NUM_THREADS"), os.environ.get("OPENBLAS_NUM_THREADS"), self.told])
            self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": text})
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}

IPKernelApp.launch_instance(kernel_class=StandIn)
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
@pytest.mark.parametrize("own", [None, "7"])
def test_julia_s_pools_get_what_was_granted(spec_directory, engine, kernels, own):
    """A stand-in for IJulia that says what it was started with and what it was told: its threads are fixed at its start, its BLAS
    follows the grant. What the author chose stays."""
    folder = spec_directory / "kernels" / "julia"
    folder.mkdir()
    gate = [GATE, "-f", "{connection_file}", "--language", "julia", "--"]
    spec = {"argv": [*gate, sys.executable, "-c", JULIA, "-f", "{connection_file}"], "display_name": "Julia", "language": "julia"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    kernel = kernels("julia", **({"JULIA_NUM_THREADS": own} if own else {}))
    until(lambda: engine.welcomed, what="the gate's greeting")
    cores = sorted(os.sched_getaffinity(0))
    assert ast.literal_eval(kernel.granted(engine, "show", str(cores[0]))[0]) == [own or "1", "1", []]
    threads, blas, told = ast.literal_eval(kernel.granted(engine, "show", f"{cores[0]},{cores[1]}")[0])
    assert (threads, blas) == (own or "1", "1") and len(told) == 1
    assert "BLAS.set_num_threads" in told[0] and "own === nothing ? 2 : min(own, 2)" in told[0]
