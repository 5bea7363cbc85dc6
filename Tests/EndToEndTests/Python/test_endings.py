"""However a kernel or one of those around it ends: no orphan, no hang, and the client is told."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from conftest import PATIENCE, alive, stopped, until

CHILDREN = (
    "import subprocess, os\n"
    "a = subprocess.Popen(['sleep', '600'])\n"
    "b = subprocess.Popen(['setsid', 'sleep', '600'])\n"
    "c = subprocess.Popen(['sh', '-c', '(sleep 600 & echo $!) | cat'], stdout=subprocess.PIPE)\n"
    "print(a.pid, b.pid, c.stdout.readline().decode().strip())"
)


def keeper_of(kernel):
    """The process between the gate and the kernel."""
    return int(pathlib.Path(f"/proc/{kernel.pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def private_directory(kernel):
    return pathlib.Path(kernel.run("import ipykernel; print(ipykernel.get_connection_file())")[1].strip()).parent


@pytest.mark.parametrize("suspended", [False, True])
@pytest.mark.parametrize("victim", ["gate", "keeper", "kernel"])
def test_killing_one_of_them_leaves_nothing_and_is_told(engine, kernels, victim, suspended, tmp_path):
    engine.auto = "0"
    kernel = kernels()
    keeper, directory = keeper_of(kernel), private_directory(kernel)
    everyone = [int(pid) for pid in kernel.run(CHILDREN)[1].split()] + [kernel.pid, keeper]
    process = kernel.manager.provisioner.process
    assert all(alive(pid) for pid in everyone) and directory.exists()
    if suspended:
        kernel.begin("import time\ntime.sleep(60)", tmp_path / "mark")
        engine.applied(engine.order("suspend", engine.heard("submitted")[-1]["_0"]["key"]))
        until(lambda: stopped(everyone[-2]))
    pid = {"gate": kernel.gate_pid, "keeper": keeper, "kernel": everyone[-2]}[victim]
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: process.poll(), what="the gate's end") == -signal.SIGKILL
    assert not kernel.manager.is_alive(), "the client sees it"
    # What a kernel left running in sessions of its own outlives it, as without a gate, unless its guards were killed.
    if victim == "kernel":
        os.kill(everyone.pop(1), signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in everyone), what="the end of all")
    until(lambda: not directory.exists(), what="the private directory's removal")
    if victim == "keeper" or victim == "kernel":
        until(lambda: [k for k in engine.heard("kernel") if k["state"] == "dead"], what="word to the engine")


def test_killing_gate_and_keeper_at_once_leaves_no_kernel(engine, kernels):
    engine.auto = "0"
    kernel = kernels()
    pid, keeper = kernel.pid, keeper_of(kernel)
    os.kill(kernel.gate_pid, signal.SIGSTOP)
    os.kill(keeper, signal.SIGKILL)
    os.kill(kernel.gate_pid, signal.SIGKILL)
    until(lambda: not alive(pid), what="the kernel's end")


@pytest.mark.parametrize("busy", [False, True])
def test_killing_the_client_ends_the_kernel(spec_directory, tmp_path, busy):
    code = textwrap.dedent(f"""
        import os, sys
        sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
        from conftest import Kernel
        kernel = Kernel("gated")
        pid, gate = kernel.pid, kernel.gate_pid
        if {busy}:
            kernel.begin("while True:\\n    try:\\n        while True: pass\\n    except BaseException: pass",
                         __import__('pathlib').Path({str(tmp_path / 'mark')!r}))
        print(pid, gate, flush=True)
        sys.stdin.read()
    """)
    client = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in client.stdout.readline().split()]
    assert len(pids) == 2 and all(alive(pid) for pid in pids)
    client.kill()
    client.wait()
    until(lambda: not any(alive(pid) for pid in pids), what="the end of gate and kernel")


def test_killing_the_engine_leaves_every_cell_its_end(spec_directory, kernels, latch):
    code = textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
        from conftest import Engine, until
        engine = Engine({str(spec_directory / 'engine.sock')!r})
        print("listens", flush=True)
        until(lambda: engine.welcomed)
        print("welcomed", flush=True)
        def grant(key):
            engine.submitted(key)
            engine.grant(key, "0")
        grant(1)
        grant(2)
        engine.applied(2)
        engine.order("suspend", 2)
        engine.applied(3)
        print("suspended", flush=True)
        sys.stdin.read()
    """)
    engine = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert engine.stdout.readline() == "listens\n"
    kernel = kernels()
    assert engine.stdout.readline() == "welcomed\n"
    assert kernel.run("1")[0] == "ok"
    requests = [kernel.client.execute(code) for code in (latch.wait, "print('held')", "3")]
    assert engine.stdout.readline() == "suspended\n"
    latch.open()
    engine.kill()
    engine.wait()
    assert [kernel.reply(r)["content"]["status"] for r in requests] == ["ok"] * 3


@pytest.mark.parametrize("how", ["restart", "shutdown", "now"])
def test_a_suspended_kernel_restarts_and_shuts_down(engine, kernels, tmp_path, how):
    engine.auto = "0"
    kernel = kernels()
    pid, gate = kernel.pid, kernel.gate_pid
    kernel.begin("import time\ntime.sleep(60)", tmp_path / "mark")
    engine.applied(engine.order("suspend", engine.heard("submitted")[-1]["_0"]["key"]))
    until(lambda: stopped(pid))
    began = time.monotonic()
    if how == "restart":
        kernel.manager.restart_kernel()
        kernel.client.wait_for_ready(timeout=PATIENCE)
        assert kernel.run("print('fresh')")[1] == "fresh\n"
    else:
        kernel.manager.shutdown_kernel(now=how == "now")
    assert time.monotonic() - began < PATIENCE
    until(lambda: not alive(pid) and not alive(gate), what="the end of the old kernel")


def test_interrupts_right_after_a_resume_all_arrive(engine, kernels, tmp_path):
    engine.auto = "0"
    kernel = kernels()
    for turn in range(20):
        request = kernel.begin("import time\ntime.sleep(60)", tmp_path / "mark")
        key = engine.heard("submitted")[-1]["_0"]["key"]
        engine.applied(engine.order("suspend", key))
        engine.order("resume", key, cores="0")
        if turn % 2:
            engine.order("interrupt", key)
        else:
            kernel.manager.interrupt_kernel()
        assert kernel.reply(request)["content"]["ename"] == "KeyboardInterrupt"
        assert engine.ended(key) == 2


def test_what_a_kernel_wrote_last_arrives(kernels):
    kernel = kernels()
    code = (
        "import os\nfrom IPython.display import display\n"
        "for i in range(5000): display({'text/plain': str(i)}, raw=True)\n"
        "import sys, time\nprint('last', flush=True)\ntime.sleep(0.5)\nos._exit(0)")
    kernel.client.execute(code)
    process = kernel.manager.provisioner.process
    shown, quiet = [], time.monotonic()
    # Read as it comes, as clients do: nobody keeps what lies unread when both ends are gone.
    while len(shown) < 5000 and (process.poll() is None or time.monotonic() - quiet < 2):
        if kernel.client.iopub_channel.msg_ready():
            message = kernel.client.get_iopub_msg(timeout=1)
            quiet = time.monotonic()
            if message["msg_type"] == "display_data":
                shown.append(message["content"]["data"]["text/plain"])
    assert shown == [str(i) for i in range(5000)]
    assert until(lambda: process.poll() is not None) and process.returncode == 0
