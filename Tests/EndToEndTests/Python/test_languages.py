"""Kernels that are no ipykernel, behind the gate: suspended in the middle of a cell, interrupted after it, asked nothing that they
do not cope with. Each is skipped where it is not installed ('.ci/setup --tests' installs them on Debian)."""

import dataclasses
import json
import pathlib
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
