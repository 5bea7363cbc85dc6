"""What the gate does to a kernel's processes, and what a whole session does with cores and GPUs."""

import json
import os
import pathlib
import pty
import select
import shutil
import subprocess
import threading
import time

import pytest
from conftest import ROOT, Engine, alive, frozen, stopped, threads_affinity, until

TOOL = os.path.abspath(os.environ.get("CELLTOP_TOOL", ROOT / ".build/debug/celltop"))
TWO_CORES = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")


def doctor(**environment):
    result = subprocess.run([TOOL, "doctor", "--json"], capture_output=True, text=True, env=os.environ | environment)
    return result.returncode, json.loads(result.stdout)


def freezes():
    """Whether control groups freeze kernels here."""
    checks = {check["name"]: check["state"] for check in doctor()[1]["checks"]}
    return checks["cgroup freezer"] == "works"


@pytest.fixture(params=["signals", "freezer"])
def means(request, monkeypatch, tmp_path):
    """How kernels are stopped: by signals, or by a control group where that works here."""
    monkeypatch.setenv("CELLTOP_HISTORY", str(tmp_path / "history.sqlite"))
    if request.param == "signals":
        monkeypatch.setenv("CELLTOP_CGROUPS", "off")
    elif not freezes():
        pytest.skip("no control group with a freezer is writable here; 'celltop doctor' says why")
    return request.param


def descendants(pid):
    found = [pid]
    for thread in os.listdir(f"/proc/{pid}/task"):
        children = pathlib.Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
        for child in children:
            try:
                found += descendants(int(child))
            except OSError:
                continue
    return found


class TestSuspending:
    def test_a_suspended_cell_loses_nothing(self, engine, kernels, means, tmp_path, latch):
        kernel = kernels()
        log = tmp_path / "log"
        request = kernel.client.execute(
            "import itertools, os, subprocess, time\nchild = subprocess.Popen(['sleep', '600'])\n"
            f"log = open({str(log)!r}, 'a')\nprint(child.pid, file=log, flush=True)\nfor i in itertools.count():\n"
            "    print(i, file=log, flush=True)\n    time.sleep(0.005)\n"
            f"    if i >= 59 and os.path.exists({str(latch.path)!r}): break\nchild.kill(); child.wait()")
        engine.submitted()
        engine.grant(1, "0")
        child = int(until(lambda: log.exists() and "\n" in log.read_text() and log.read_text().split())[0])
        engine.applied(engine.order("suspend", 1))
        until(lambda: stopped(child), what="the child's stop")
        assert frozen(child) == (means == "freezer")
        written = log.read_text()
        until(lambda: kernel.client.hb_channel.is_beating())
        assert log.read_text() == written and kernel.replied(request) is None
        latch.open()
        # It may go on elsewhere than it stopped.
        other = max(os.sched_getaffinity(0))
        assert engine.applied(engine.order("resume", 1, cores=str(other)))["cores"] == str(other)
        assert kernel.reply(request)["content"]["status"] == "ok"
        assert threads_affinity(descendants(kernel.gate_pid)[2]) == {(other,)}
        numbers = log.read_text().split()[1:]
        assert len(numbers) >= 60 and numbers == [str(i) for i in range(len(numbers))]

    def test_interrupts_at_once_after_a_resume_arrive(self, engine, kernels, means, tmp_path):
        engine.auto = "0"
        kernel = kernels()
        for _ in range(20):
            request = kernel.begin("import time\ntime.sleep(60)", tmp_path / "mark")
            key = engine.heard("submitted")[-1]["_0"]["key"]
            engine.applied(engine.order("suspend", key))
            engine.applied(engine.order("resume", key, cores="0"))
            kernel.manager.interrupt_kernel()
            assert kernel.reply(request)["content"]["ename"] == "KeyboardInterrupt"
            assert engine.ended(key) == 2

    def test_a_suspended_kernel_is_restarted(self, engine, kernels, means, tmp_path):
        engine.auto = "0"
        kernel = kernels()
        pid, key = kernel.pid, len(engine.heard("submitted")) + 1
        kernel.begin("import time\ntime.sleep(60)", tmp_path / "mark")
        engine.applied(engine.order("suspend", key))
        kernel.manager.restart_kernel(now=False)
        kernel.client.wait_for_ready(timeout=30)
        until(lambda: not alive(pid))
        assert kernel.run("print('again')") == ("ok", "again\n")

    @pytest.mark.parametrize("now", [False, True])
    def test_a_suspended_kernel_is_shut_down(self, engine, kernels, means, tmp_path, now):
        engine.auto = "0"
        kernel = kernels()
        family = descendants(kernel.gate_pid)
        key = len(engine.heard("submitted")) + 1
        kernel.begin("import time\ntime.sleep(60)", tmp_path / "mark")
        engine.applied(engine.order("suspend", key))
        assert len(family) >= 3
        kernel.manager.shutdown_kernel(now=now)
        until(lambda: not any(alive(pid) for pid in family), what="the end of all")

    def test_a_killed_gate_leaves_no_suspended_kernel(self, engine, kernels, means, tmp_path):
        engine.auto = "0"
        kernel = kernels()
        family, key = descendants(kernel.gate_pid), len(engine.heard("submitted")) + 1
        kernel.begin("import time\ntime.sleep(60)", tmp_path / "mark")
        engine.applied(engine.order("suspend", key))
        os.kill(kernel.gate_pid, 9)
        until(lambda: not any(alive(pid) for pid in family), what="the end of all")


class TestCores:
    @TWO_CORES
    def test_threads_and_workers_that_come_later_keep_to_the_grant(self, engine, kernels):
        kernel = kernels()
        text, errors, _ = kernel.granted(engine, """
import os, threading
from joblib import Parallel, delayed
def where(i): return os.getpid(), tuple(os.sched_getaffinity(0))
told = []
threads = [threading.Thread(target=lambda: told.append(where(0))) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
workers = Parallel(n_jobs=2, backend='loky')(delayed(where)(i) for i in range(8))
print({cores for _, cores in told + workers}, len({pid for pid, _ in workers}) >= 1)""", cores="1")
        assert (text, errors) == ("{(1,)} True\n", "")
        # The workers stay; another grant reaches them too.
        text, errors, _ = kernel.granted(
            engine, "print({c for _, c in Parallel(n_jobs=2, backend='loky')(delayed(where)(i) for i in range(8))})")
        assert (text, errors) == ("{(0,)}\n", "")
        assert all(threads_affinity(pid) == {(0,)} for pid in descendants(descendants(kernel.gate_pid)[2]))

    @TWO_CORES
    def test_a_process_that_widens_its_mask_is_bound_again(self, engine, kernels, monkeypatch):
        monkeypatch.setenv("CELLTOP_CGROUPS", "off")
        kernel = kernels()
        text, errors, _ = kernel.granted(engine, """
import os, time
os.sched_setaffinity(0, {0, 1})
until = time.monotonic() + 20
while os.sched_getaffinity(0) != {0} and time.monotonic() < until: time.sleep(0.01)
print(os.sched_getaffinity(0))""")
        assert (text, errors) == ("{0}\n", "")

    @TWO_CORES
    def test_a_cpuset_lets_no_process_widen_its_mask(self, engine, kernels, tmp_path, monkeypatch):
        monkeypatch.setenv("CELLTOP_HISTORY", str(tmp_path / "history.sqlite"))
        if {c["name"]: c["state"] for c in doctor()[1]["checks"]}["cgroup cpuset"] != "works":
            pytest.skip("no cpuset is writable here; 'celltop doctor' says why")
        kernel = kernels()
        text, errors, _ = kernel.granted(
            engine, "import os\nos.sched_setaffinity(0, {0, 1})\nprint(os.sched_getaffinity(0))")
        assert (text, errors) == ("{0}\n", "")

    @TWO_CORES
    def test_thread_pools_follow_a_resize_at_the_next_cell(self, engine, kernels, latch):
        pytest.importorskip("numpy")
        pytest.importorskip("threadpoolctl")
        count = "print({pool['num_threads'] for pool in __import__('threadpoolctl').threadpool_info()})"
        kernel = kernels()
        assert kernel.granted(engine, f"import numpy\n{count}", cores="0-1")[:2] == ("{2}\n", "")
        # In the middle of a cell only the masks change: a pool that is told then may be at work.
        request = kernel.client.execute(latch.wait)
        key = engine.submitted(2)["key"]
        engine.grant(key, "0-1")
        assert engine.applied(engine.order("resize", key, cores="0"))["cores"] == "0"
        assert threads_affinity(descendants(kernel.gate_pid)[2]) == {(0,)}
        latch.open()
        assert kernel.reply(request)["content"]["status"] == "ok"
        engine.ended(key)
        assert kernel.granted(engine, count, cores="0")[:2] == ("{1}\n", "")
        assert kernel.granted(engine, count, cores="0-1")[:2] == ("{2}\n", "")

    def test_pools_of_other_languages_begin_with_one_thread_where_somebody_schedules(self, spec_directory, kernels):
        spec_path = spec_directory / "kernels" / "gated" / "kernel.json"
        spec = json.loads(spec_path.read_text())
        spec["argv"].insert(3, "--language")
        spec["argv"].insert(4, "R")
        spec_path.write_text(json.dumps(spec))

        def variables(**chosen):
            kernel = kernels(**chosen)
            pid = descendants(kernel.gate_pid)[2]
            entries = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            return dict(entry.decode().split("=", 1) for entry in entries if b"=" in entry)

        names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "JULIA_NUM_THREADS",
                 "MC_CORES", "RCPP_PARALLEL_NUM_THREADS", "R_DATATABLE_NUM_THREADS"]
        before = {name: os.environ.get(name) for name in names}
        alone = variables()
        assert {name: alone.get(name) for name in names} == before
        engine = Engine(str(spec_directory / "engine.sock"))
        try:
            scheduled = variables()
            assert {name: scheduled.get(name) for name in names} == {name: before[name] or "1" for name in names}
            own = variables(OMP_NUM_THREADS="3")
            assert own["OMP_NUM_THREADS"] == own["CELLTOP_OWN_THREADS"] == "3" and own["MC_CORES"] == "1"
        finally:
            engine.close()

    def test_one_core_of_the_mask_is_one_core_of_the_node(self, tmp_path):
        core = min(os.sched_getaffinity(0))
        result = subprocess.run(
            ["taskset", "-c", str(core), TOOL, "doctor", "--json"], capture_output=True, text=True,
            env=os.environ | {"CELLTOP_HISTORY": str(tmp_path / "h.sqlite")})
        node = json.loads(result.stdout)["node"]
        assert node["cores"] == str(core) and node["physicalCores"] == 1


SHOW = "import os; print(repr(os.environ.get('CUDA_VISIBLE_DEVICES')))"


class TestGPUs:
    @pytest.fixture
    def engine(self, spec_directory, monkeypatch):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        made = Engine(str(spec_directory / "engine.sock"))
        made.hides = ["nvidia"]
        yield made
        made.close()

    def test_are_none_before_the_first_grant_and_those_of_it_after(self, engine, kernels):
        kernel = kernels()
        assert kernel.granted(engine, SHOW)[:2] == ("''\n", "")
        assert kernel.granted(engine, SHOW, gpus=["GPU-1", "GPU-0"])[:2] == ("'GPU-1,GPU-0'\n", "")
        assert kernel.granted(engine, SHOW)[:2] == ("'GPU-1,GPU-0'\n", "")
        assert kernel.granted(engine, SHOW, gpus=["GPU-1"])[:2] == ("'GPU-1,GPU-0'\n", "")

    def test_others_than_the_first_are_told_to_need_a_restart(self, engine, kernels):
        kernel = kernels()
        kernel.granted(engine, SHOW, gpus=["GPU-1"])
        text, errors, sequence = kernel.granted(engine, SHOW, gpus=["GPU-2"])
        assert text == "'GPU-1'\n" and "restart it to use GPU-2" in errors
        why = until(lambda: [f for f in engine.heard("failed") if f["sequence"] == sequence])[0]["why"]
        assert "GPU-1" in why
        kernel.manager.restart_kernel(now=True)
        kernel.client.wait_for_ready(timeout=30)
        assert kernel.granted(engine, SHOW, gpus=["GPU-2"])[:2] == ("'GPU-2'\n", "")

    def test_show_again_once_nobody_governs(self, engine, kernels):
        kernel = kernels(CUDA_VISIBLE_DEVICES="7")
        assert kernel.granted(engine, SHOW)[:2] == ("''\n", "")
        engine.close()
        assert kernel.run(SHOW) == ("ok", "'7'\n")

    def test_stay_as_they_are_where_the_engine_gives_none_out(self, engine, kernels):
        engine.hides = []
        kernel = kernels(CUDA_VISIBLE_DEVICES="7")
        assert kernel.granted(engine, SHOW)[:2] == ("'7'\n", "")

    def test_are_hidden_from_the_kernels_start_where_the_machine_has_some(self, spec_directory, engine, kernels):
        spec_path = spec_directory / "kernels" / "gated" / "kernel.json"
        spec = json.loads(spec_path.read_text())
        spec["argv"][3:3] = ["--language", "python"]
        spec_path.write_text(json.dumps(spec))
        kernel = kernels(CUDA_VISIBLE_DEVICES="7", CELLTOP_NVML="/some/library.so")
        pid = descendants(kernel.gate_pid)[2]
        entries = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert b"CUDA_VISIBLE_DEVICES=" in entries
        # Silent code is not held: it runs before any grant.
        request = kernel.client.execute("seen = __import__('os').environ['CUDA_VISIBLE_DEVICES']", silent=True)
        assert kernel.reply(request)["content"]["status"] == "ok"
        assert kernel.granted(engine, "print(repr(seen))", gpus=["GPU-1"])[:2] == ("''\n", "")
        assert kernel.granted(engine, SHOW)[:2] == ("'GPU-1'\n", "")
        # Where nobody comes after all, the first cell finds what its client gave it.
        engine.mute = True
        other = kernels(CUDA_VISIBLE_DEVICES="7", CELLTOP_NVML="/some/library.so")
        engine.close()
        assert other.run(SHOW) == ("ok", "'7'\n")

    def test_are_told_to_an_engine_that_comes_later_and_checked_at_a_resume(self, engine, kernels, latch):
        kernel = kernels()
        kernel.granted(engine, SHOW, gpus=["GPU-1", "GPU-0"])
        request = kernel.client.execute(latch.wait)
        key = engine.submitted(2)["key"]
        engine.applied(engine.grant(key, "0", gpus=["GPU-1"]))
        engine.drop()
        hello = until(lambda: engine.welcomed > 1 and engine.heard("hello")[-1])["_0"]
        assert [gpu["id"] for gpu in hello["gpus"]] == ["GPU-1", "GPU-0"]
        assert [gpu["id"] for gpu in hello["running"]["gpus"]] == ["GPU-1"]
        engine.applied(engine.order("suspend", key))
        wrong = engine.order("resume", key, cores="0", gpus=[{"id": "GPU-5", "maker": "nvidia"}])
        failed = until(lambda: [f for f in engine.heard("failed") if f["sequence"] == wrong])
        assert "restart it to use GPU-5" in failed[0]["why"]
        latch.open()
        assert kernel.reply(request)["content"]["status"] == "ok"

    def test_names_that_are_none_end_the_connection(self, engine, kernels):
        kernel = kernels()
        request = kernel.client.execute(SHOW)
        key = engine.submitted()["key"]
        engine.grant(key, "0", gpus=["0'; import os; print('"])
        # Without an engine that can be understood the cell runs as if there were none.
        assert kernel.reply(request)["content"]["status"] == "ok"
        assert not engine.heard("applied")

    def test_memory_is_moved_away_before_a_suspension_and_back_after(self, engine, kernels, tmp_path, monkeypatch, latch):
        program, calls = tmp_path / "bin" / "cuda-checkpoint", tmp_path / "calls"
        program.parent.mkdir()
        # It notes whether the process that it is to move was stopped: then it could not move anything.
        program.write_text(
            f'#!/bin/sh\nstate=$(sed "s/.*) //" /proc/$3/stat | cut -c1)\necho "$1 $2 $state" >> {calls}\n'
            f"[ ! -e {tmp_path}/refuse ]\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        engine.evicts = True
        kernel = kernels()
        pid = int(kernel.granted(engine, "import os; print(os.getpid())", gpus=["GPU-0"])[0])
        for refuses in (False, True):
            calls.unlink(missing_ok=True)
            if refuses:
                (tmp_path / "refuse").touch()
            latch.path.unlink(missing_ok=True)
            request = kernel.client.execute(latch.wait)
            key = engine.submitted(len(engine.heard("ended")) + 1)["key"]
            engine.grant(key, "0", gpus=["GPU-0"])
            order = engine.order("suspend", key)
            engine.applied(order)
            until(lambda: stopped(pid), what="the kernel's stop")
            lines = calls.read_text().splitlines()
            assert len(lines) == 1 and lines[0].startswith("--toggle --pid ") and lines[0][-1] in "SR"
            if refuses:
                assert until(lambda: [f for f in engine.heard("failed") if f["sequence"] == order])
            else:
                # The engine is told when the memory is out, not before.
                until(lambda: [a for a in engine.heard("applied") if a["sequence"] == order and a.get("saved")])
                (tmp_path / "refuse").touch()
            latch.open()
            back = engine.order("resume", key, cores="0")
            assert kernel.reply(request)["content"]["status"] == "ok"
            engine.ended(key)
            if refuses:
                assert len(calls.read_text().splitlines()) == 1
            else:
                # There is no room for it yet: it comes back as soon as there is.
                assert until(lambda: [f for f in engine.heard("failed") if f["sequence"] == back])
                (tmp_path / "refuse").unlink()
                until(lambda: len(calls.read_text().splitlines()) >= 3, what="the way back")
        assert not [a for a in engine.heard("applied") if a["sequence"] == order and a.get("saved")]


class Session:
    """`celltop live` on a terminal of its own, fed and emptied, and left by the quit key."""

    def __init__(self, folder, **environment):
        names = {"HOME": folder, "XDG_RUNTIME_DIR": folder, "XDG_DATA_HOME": folder, "XDG_STATE_HOME": folder}
        merged = os.environ | {k: str(v) for k, v in names.items()} | {"TERM": "xterm-256color"} | environment
        primary, secondary = pty.openpty()
        self.primary = primary
        self.process = subprocess.Popen(
            [TOOL, "live", "--no-history", "--policy", "fcfs"], stdin=secondary, stdout=secondary, stderr=secondary, env=merged,
            start_new_session=True)
        os.close(secondary)
        threading.Thread(target=self._empty, daemon=True).start()
        socket = environment["CELLTOP_SOCKET"]
        until(lambda: os.path.exists(socket) or self.process.poll() is not None, what="the engine's socket")
        assert self.process.poll() is None

    def _empty(self):
        try:
            while select.select([self.primary], [], [])[0] and os.read(self.primary, 65536):
                pass
        except OSError:
            pass

    def rows(self, table):
        """A table of `celltop ctl`."""
        result = subprocess.run([TOOL, "ctl", table, "--json"], capture_output=True, text=True, timeout=60)
        return json.loads(result.stdout) if result.returncode == 0 else []

    def governs(self, count):
        """Waits until so many kernels are governed: a cell that comes before its engine does not wait for it for long."""
        until(lambda: len([row for row in self.rows("notebooks") if row["state"] == "thinking"]) == count,
              what=f"{count} governed kernels")

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        os.close(self.primary)


def stand_in(folder, *definitions):
    """A library in NVML's place; None where there is no C compiler."""
    compiler = shutil.which("clang") or shutil.which("cc")
    if not compiler:
        return None
    path = folder / "libstandin.so"
    source = ROOT / "Tests/NodeInventoryTests/StandIn/nvml.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, *definitions, source], check=True)
    return str(path)


class TestSession:
    """A live session gives GPUs out, from its inventory to the kernel's environment."""

    @pytest.fixture(params=["configured", "discovered"])
    def session(self, request, spec_directory, monkeypatch):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        config = spec_directory / "config.toml"
        library = "/nowhere/libnvidia-ml.so"
        if request.param == "configured":
            config.write_text(
                '[[gpus.device]]\nid = "GPU-aa"\nmemory = "80G"\n[[gpus.device]]\nid = "GPU-bb"\nmemory = "80G"\n')
            names = ["GPU-aa", "GPU-bb"]
        else:
            config.write_text("")
            library = stand_in(spec_directory)
            names = [f"GPU-0000000{i}-aaaa-bbbb-cccc-dddddddddddd" for i in range(2)]
            if library is None:
                pytest.skip("there is no C compiler for the library in NVML's place")
        made = Session(
            spec_directory, CELLTOP_SOCKET=os.environ["CELLTOP_SOCKET"], CELLTOP_CONFIG=str(config),
            CELLTOP_NVML=library)
        made.gpus = names
        yield made
        made.close()

    def test_grants_gpus_to_cells_that_ask_for_them(self, session, kernels):
        first, second = kernels(), kernels()
        session.governs(2)
        assert first.run(SHOW) == ("ok", "''\n")
        ask = f"#celltop: gpus=1\n{SHOW}"
        one = first.run(ask)[1].strip().strip("'")
        assert one in session.gpus
        # The first notebook thinks; the second has a GPU all the same, and both keep theirs.
        two = second.run(ask)[1].strip().strip("'")
        assert {one, two} == set(session.gpus), "a new kernel gets the GPU that nobody else sees"
        assert first.run(SHOW) == ("ok", f"'{one}'\n")
        # Each goes back to its own, whichever is idle and whoever asks first.
        for kernel, gpu in ((second, two), (first, one), (second, two)):
            assert kernel.run(ask) == ("ok", f"'{gpu}'\n")
        third = kernels()
        session.governs(3)
        assert set(third.run(f"#celltop: gpus=2\n{SHOW}")[1].strip().strip("'").split(",")) == set(session.gpus)
        reply = second.client.execute_interactive("#celltop: gpus=3\n1", timeout=30, output_hook=lambda message: None)
        assert reply["content"]["status"] == "error" and "asks for 3 GPUs" in reply["content"]["evalue"]
        reply = second.client.execute_interactive("#celltop: gpus=2\n1", timeout=30, output_hook=lambda message: None)
        assert "restart the kernel to get 2 GPUs" in reply["content"]["evalue"]
        second.manager.restart_kernel(now=True)
        second.client.wait_for_ready(timeout=30)
        session.governs(3)
        assert set(second.run(f"#celltop: gpus=2\n{SHOW}")[1].strip().strip("'").split(",")) == set(session.gpus)


    def test_lets_a_cell_wait_for_the_gpu_of_its_kernel(self, session, kernels, tmp_path, latch):
        first, second, third = kernels(), kernels(), kernels()
        session.governs(3)
        ask = f"#celltop: gpus=1\n{SHOW}"
        seen = [kernel.run(ask)[1] for kernel in (first, second, third)]
        assert seen[0] == seen[2] != seen[1]
        # The third computes on the first's GPU while the second's is idle: the first waits for its own.
        started = tmp_path / "mark"
        busy = third.begin(f"#celltop: gpus=1\n{latch.wait}", started)
        waiting = first.client.execute(ask)
        queued = until(lambda: session.rows("queue"), what="the queue")
        assert len(queued) == 1 and first.replied(waiting) is None
        latch.open()
        assert first.reply(waiting)["content"]["status"] == third.reply(busy)["content"]["status"] == "ok"
        assert first.run(ask) == ("ok", seen[0])


class TestDoctor:
    def test_says_what_is_broken_and_how_to_mend_it(self, tmp_path):
        good = {"CELLTOP_HISTORY": str(tmp_path / "h.sqlite"), "CELLTOP_SOCKET": str(tmp_path / "s" / "engine.sock")}
        code, report = doctor(**good)
        assert code == 0 and report["works"], report
        names = [check["name"] for check in report["checks"]]
        for name in ("terminal", "cores", "cgroup freezer", "cgroup cpuset", "privileges", "GPUs", "gate",
                     "kernelspecs", "socket", "database"):
            assert name in names
        (tmp_path / "file").write_text("")
        (tmp_path / "bad.toml").write_text("[gpus]\ndiscover = 3\n")
        for broken, name in (
            ({"CELLTOP_HISTORY": str(tmp_path / "file" / "h.sqlite")}, "database"),
            ({"CELLTOP_SOCKET": "/tmp/" + "x" * 120 + "/engine.sock"}, "socket"),
            ({"CELLTOP_CONFIG": str(tmp_path / "bad.toml")}, "configuration"),
        ):
            code, report = doctor(**(good | broken))
            checks = {check["name"]: check for check in report["checks"]}
            assert code == 1 and not report["works"]
            assert checks[name]["state"] == "broken" and checks[name]["mend"], checks[name]
            assert [n for n, c in checks.items() if c["state"] == "broken"] == [name]

    def test_groups_of_killed_gates_are_named_and_the_next_kernel_removes_them(self, engine, kernels, tmp_path):
        place = {"CELLTOP_HISTORY": str(tmp_path / "h.sqlite")}
        groups = [check["found"].split("below ")[1] for check in doctor(**place)[1]["checks"]
                  if check["name"].startswith("cgroup ") and check["state"] == "works"]
        if not groups:
            pytest.skip("no control group is writable here; 'celltop doctor' says why")
        gone = subprocess.Popen(["true"])
        gone.wait()
        left = [pathlib.Path(group, f"celltop-{gone.pid}") for group in sorted(set(groups))]
        for group in left:
            group.mkdir(exist_ok=True)
        named = [check for check in doctor(**place)[1]["checks"] if check["name"] == "cgroups left over"]
        # Somebody else's gate may have been here meanwhile.
        for group in left:
            assert not group.exists() or named and f" {group}" in named[0]["mend"]
        kernels()
        assert not [group for group in left if group.exists()]

    def test_tells_gpus_with_what_they_hold(self, tmp_path):
        library = stand_in(tmp_path, "-DGPUS=2", "-DMIG=1", "-DPROCESSES=3")
        if library is None:
            pytest.skip("there is no C compiler for the library in NVML's place")
        environment = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        result = subprocess.run(
            [TOOL, "doctor", "--json"], capture_output=True, text=True,
            env=environment | {"CELLTOP_NVML": library, "CELLTOP_HISTORY": str(tmp_path / "h.sqlite")})
        gpus = json.loads(result.stdout)["node"]["gpus"]
        assert [gpu["memoryBytes"] >> 30 for gpu in gpus] == [80, 20, 20, 20]
        assert gpus[0]["memoryUsedBytes"] == 3 << 30 and len(gpus[0]["processes"]) == 3
        text = subprocess.run(
            [TOOL, "doctor"], capture_output=True, text=True,
            env=environment | {"CELLTOP_NVML": library, "CELLTOP_HISTORY": str(tmp_path / "h.sqlite")}).stdout
        assert "1 × Stand-In 80GB, 3 × Stand-In 80GB MIG 2g.20gb" in text
