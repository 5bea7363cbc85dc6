"""However a kernel or one of those around it ends: no orphan, no hang, and the client is told."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest
from conftest import GATE, PATIENCE, alive, stopped, threads_affinity, until
from jupyter_client.manager import KernelManager

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


def gate_before(command, folder):
    """A gate of its own before a command that is no kernel, to its end."""
    ports = {f"{name}_port": 0 for name in ("shell", "iopub", "stdin", "control", "hb")}
    for name in ports:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports[name] = free.getsockname()[1]
    path = folder / "kernel.json"
    path.write_text(json.dumps({"transport": "tcp", "ip": "127.0.0.1", "key": "k", **ports}))
    return subprocess.run(
        [GATE, "-f", path, "--", *command], capture_output=True, text=True, timeout=PATIENCE,
        env={**os.environ, "CELLTOP_SOCKET": str(folder / "nobody.sock")})


@pytest.mark.parametrize("mode, why", [(None, "No such file or directory"), (0o600, "Permission denied")])
def test_a_program_that_cannot_be_executed_is_named_and_ends_as_in_a_shell(tmp_path, mode, why):
    program = tmp_path / "no-kernel"
    if mode:
        program.touch(mode)
    ended = gate_before([str(program)], tmp_path)
    assert (ended.returncode, ended.stdout) == (127, "")
    assert ended.stderr == f"celltop-gate: cannot start '{program}': {why}\n"


def test_a_kernel_begins_in_a_session_of_its_own_with_all_signals(tmp_path):
    code = (
        "import os, signal\n"
        "print(os.getsid(0) == os.getpid(), signal.pthread_sigmask(signal.SIG_BLOCK, []),"
        " os.environ['JPY_PARENT_PID'] == str(os.getppid()))\n"
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('SigBlk')])\n"
        "raise SystemExit(3)"
    )
    ended = gate_before([sys.executable, "-c", code], tmp_path)
    assert ended.returncode == 3, ended.stderr
    assert ended.stdout == "True set() True\n['0000000000000000']\n"


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


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is never another number of them")
@pytest.mark.parametrize("by", ["signal", "engine"])
def test_an_interrupt_while_the_pools_are_told_reaches_the_cell_behind_it(engine, kernels, tmp_path, by):
    kernel = kernels()
    told = tmp_path / "told"
    kernel.granted(engine, (
        "import sys, time, types\n"
        "def threadpool_limits(n):\n"
        f"    open({str(told)!r}, 'w').close()\n"
        "    time.sleep(0.2)\n"
        "sys.modules['threadpoolctl'] = types.SimpleNamespace(threadpool_limits=threadpool_limits)\n"
        "sys.modules.setdefault('numpy', types.ModuleType('numpy'))"), cores="0")
    request = kernel.client.execute("while True: time.sleep(0.01)")
    key = engine.submitted(2)["key"]
    engine.grant(key, ",".join(map(str, sorted(os.sched_getaffinity(0))[:2])))
    until(told.exists)
    if by == "engine":
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


def test_cores_that_cannot_be_had_keep_no_kernel_from_going_on(engine, kernels, latch):
    engine.auto = "0"
    kernel = kernels()
    pid = kernel.pid
    request = kernel.client.execute(latch.wait)
    key = engine.submitted(2)["key"]
    engine.applied(engine.order("suspend", key))
    until(lambda: stopped(pid))
    sequence = engine.order("resume", key, cores="4000")
    failed = until(lambda: [f for f in engine.heard("failed") if f["sequence"] == sequence], what="failed")[0]
    assert "4000" in failed["why"]
    until(lambda: not stopped(pid), what="the kernel goes on")
    latch.open()
    assert kernel.reply(request)["content"]["status"] == "ok"


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can start another user's process")
def test_a_process_of_another_user_in_the_kernels_tree(engine, spec_directory, kernels, latch, tmp_path):
    """As `!sudo` starts one: it can be neither bound nor stopped, and the kernel that started it can."""
    place = spec_directory / "kernels" / "gated" / "kernel.json"
    spec = json.loads(place.read_text())
    weak = ["setpriv", "--bounding-set", "-kill,-sys_nice"]
    if subprocess.run([*weak, "true"], capture_output=True).returncode != 0:
        pytest.skip("no capability can be dropped here")
    place.write_text(json.dumps(spec | {"argv": weak + spec["argv"]}))
    cores = sorted(os.sched_getaffinity(0))
    first, last = str(cores[0]), str(cores[-1])
    engine.auto = first
    kernel = kernels(CELLTOP_CGROUPS="off")
    pid = kernel.pid
    begun = tmp_path / "begun"
    request = kernel.client.execute(
        "import os, subprocess\n"
        "stranger = subprocess.Popen(['sleep', '600'], user=65534).pid\n"
        f"open('{begun}.new', 'w').write(str(stranger)), os.rename('{begun}.new', '{begun}')\n{latch.wait}")
    key = engine.submitted(2)["key"]
    until(begun.exists)
    stranger = int(begun.read_text())

    def failed(sequence):
        return until(lambda: [f for f in engine.heard("failed") if f["sequence"] == sequence], what="failed")[0]["why"]

    try:
        assert f"stop process {stranger}" in failed(engine.order("suspend", key))
        until(lambda: stopped(pid), what="the kernel stops")
        engine.applied(engine.order("resume", key, cores=first))
        until(lambda: not stopped(pid), what="the kernel goes on")
        if last != first:
            assert f"bind thread {stranger}" in failed(engine.order("resize", key, cores=last))
            assert threads_affinity(pid) == {(int(last),)}
            # What the gate says, and keeps the cell to, is what the kernel has.
            assert engine.applied(engine.order("resume", key, cores=last))["cores"] == last
        latch.open()
        assert kernel.reply(request)["content"]["status"] == "ok"
    finally:
        os.kill(stranger, signal.SIGKILL)


def test_an_environment_that_is_not_utf8_arrives_as_it_is(kernels):
    kernel = kernels(ODD=b"/home/andr\xe9".decode("utf-8", "surrogateescape"))
    assert kernel.run("import os; print(list(os.environb[b'ODD']))")[1].strip() == str(list(b"/home/andr\xe9"))


def test_the_kernel_leads_a_session_of_its_own(kernels):
    """A signal to the gate's process group, which is what jupyter_client sends, reaches it once: through the gate."""
    kernel = kernels()
    pid = kernel.pid
    assert os.getsid(pid) == os.getpgid(pid) == pid
    assert os.getpgid(keeper_of(kernel)) not in (pid, os.getpgid(kernel.gate_pid))


def test_a_kernel_that_heeds_nothing_is_shut_down(spec_directory, tmp_path):
    place = tmp_path / "pid"
    code = (
        "import os, signal, time\n"
        "for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        f"open('{place}.new', 'w').write(str(os.getpid()))\n"
        f"os.rename('{place}.new', '{place}')\n"
        "while True:\n"
        "    time.sleep(600)\n"
    )
    file = spec_directory / "kernels" / "gated" / "kernel.json"
    spec = json.loads(file.read_text())
    gate = spec["argv"][: spec["argv"].index("--") + 1]
    file.write_text(json.dumps(spec | {"argv": [*gate, sys.executable, "-c", code]}))
    manager = KernelManager(kernel_name="gated")
    manager.start_kernel(stderr=None)
    gate_pid = manager.provisioner.process.pid
    until(place.exists, what="the kernel's start")
    pid = int(place.read_text())
    manager.shutdown_wait_time = 1.0
    manager.shutdown_kernel()
    until(lambda: not alive(pid) and not alive(gate_pid), what="the end of both")
