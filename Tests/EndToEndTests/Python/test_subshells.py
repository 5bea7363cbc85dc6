"""Subshells (JEP 91) behind the gate: each has a queue of its own, all share the notebook's grant, and none can deadlock."""

import os
import time

import ipykernel
import pytest
from conftest import PATIENCE, until

pytestmark = pytest.mark.skipif(
    int(ipykernel.__version__.split(".")[0]) < 7, reason="ipykernel knows subshells from version 7 on")


class Shells:
    """A kernel with subshells, and messages to them."""

    def __init__(self, kernel):
        self.kernel, self.client, self.asked = kernel, kernel.client, {}

    def control(self, kind, **content):
        message = self.client.session.msg(kind, content)
        self.client.control_channel.send(message)
        return until(lambda: self._answer(message["header"]["msg_id"]), what=f"the answer to {kind}")["content"]

    def _answer(self, request):
        if self.client.control_channel.msg_ready():
            reply = self.client.get_control_msg(timeout=1)
            return reply if reply["parent_header"].get("msg_id") == request else None

    def make(self):
        return self.control("create_subshell_request")["subshell_id"]

    def send(self, kind, shell=None, **content):
        message = self.client.session.msg(kind, content)
        if shell is not None:
            message["header"]["subshell_id"] = shell
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def execute(self, code, shell=None):
        return self.send(
            "execute_request", shell, code=code, silent=False, store_history=False, user_expressions={},
            allow_stdin=False, stop_on_error=True)

    def status(self, request, seconds=PATIENCE):
        return self.kernel.reply(request, seconds)["content"]["status"]


@pytest.fixture
def shells(kernels):
    def start():
        return Shells(kernels())

    return start


def test_a_subshells_cell_is_held_and_granted(engine, shells, tmp_path):
    stage = shells()
    shell = stage.make()
    request = stage.execute(f"open({str(tmp_path / 'ran')!r}, 'w').close()", shell)
    assert engine.submitted()["key"] == 1
    time.sleep(0.3)  # long enough for an ungated cell to have run
    assert not (tmp_path / "ran").exists()
    engine.grant(1, "0")
    assert stage.status(request) == "ok" and (tmp_path / "ran").exists()
    assert engine.ended(1) == 0


def test_runs_beside_the_main_cell_on_its_grant_until_both_have_ended(engine, shells, tmp_path):
    stage = shells()
    shell = stage.make()
    go, rider_go = tmp_path / "go", tmp_path / "rider_go"
    main = stage.execute(f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)")
    engine.submitted()
    engine.grant(1, "0")
    rider = stage.execute(
        f"import os, time\nopen({str(tmp_path / 'rides')!r}, 'w').close()\n"
        f"while not os.path.exists({str(rider_go)!r}): time.sleep(0.01)\n"
        f"open({str(tmp_path / 'cores')!r}, 'w').write(str(os.sched_getaffinity(0)))", shell)
    until((tmp_path / "rides").exists, what="the rider's start")
    assert len(engine.heard("submitted")) == 1
    go.touch()
    assert stage.status(main) == "ok"
    assert not engine.heard("ended"), "the rider uses its cores"
    rider_go.touch()
    assert stage.status(rider) == "ok"
    assert engine.ended(1) == 0
    assert (tmp_path / "cores").read_text() == "{0}"


@pytest.mark.parametrize("first", ["main", "sub"])
def test_cells_that_wait_for_one_another_do_not_deadlock(engine, shells, first):
    engine.auto = "0"
    stage = shells()
    shell = stage.make()
    assert stage.status(stage.execute("import threading\na, b = threading.Event(), threading.Event()")) == "ok"
    for _ in range(5):
        codes = {"main": ("a.set(); assert b.wait(20); b.clear()", None), "sub": ("assert a.wait(20); a.clear(); b.set()", shell)}
        order = ["main", "sub"] if first == "main" else ["sub", "main"]
        requests = [stage.execute(*codes[name]) for name in order]
        assert [stage.status(r) for r in requests] == ["ok", "ok"]
    until(lambda: len(engine.heard("ended")) == len(engine.heard("submitted")))


def test_cells_of_both_that_wait_for_the_engine_start_together(engine, shells):
    stage = shells()
    shell = stage.make()
    engine.auto = "0"
    stage.status(stage.execute("import threading\na, b = threading.Event(), threading.Event()"))
    until(lambda: engine.heard("ended"))
    engine.auto = None
    sub = stage.execute("assert a.wait(20); b.set()", shell)
    assert engine.submitted(2)["key"] == 2
    main = stage.execute("a.set(); assert b.wait(20)")
    engine.backlog(1)
    engine.grant(2, "0")
    assert [stage.status(r) for r in (sub, main)] == ["ok", "ok"]
    assert engine.ended(2) == 0 and len(engine.heard("submitted")) == 2


def test_a_cell_that_comes_beside_riders_alone_gets_a_grant_of_its_own(engine, shells, tmp_path, latch):
    stage = shells()
    shell = stage.make()
    go = tmp_path / "go"
    engine.auto = "0"
    rider = stage.execute(f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)", shell)
    assert engine.submitted()["key"] == 1
    assert stage.status(stage.execute("1")) == "ok"  # rides on the subshell's
    engine.auto = None
    assert len(engine.heard("submitted")) == 1 and not engine.heard("ended")
    go.touch()
    assert stage.status(rider) == "ok"
    engine.ended(1)
    go.unlink()
    main = stage.execute(latch.wait)
    engine.submitted(2)
    rides = tmp_path / "rides"
    rider = stage.execute(
        f"import os, time\nopen({str(rides)!r}, 'w').close()\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)", shell)
    engine.grant(2, "0")
    until(rides.exists, what="the rider's start")
    latch.open()
    assert stage.status(main) == "ok"
    after = stage.execute("2")
    assert engine.submitted(3)["key"] == 3 and engine.ended(2) == 0
    engine.grant(3, "0")
    assert stage.status(after) == "ok"
    go.touch()
    assert stage.status(rider) == "ok" and engine.ended(3) == 0


def test_comm_messages_and_questions_pass_in_their_own_shell(engine, shells):
    stage = shells()
    shell = stage.make()
    held = stage.execute("1")
    engine.submitted()
    began = time.monotonic()
    asked = stage.send("kernel_info_request", shell)
    assert stage.status(asked) == "ok"
    # The main shell's own stand behind the held cell for 200 ms, a subshell's never.
    assert time.monotonic() - began < 5 and stage.kernel.replied(held) is None
    engine.grant(1, "0")
    assert stage.status(held) == "ok"


def test_an_error_aborts_its_own_shell_alone(engine, shells):
    stage = shells()
    shell = stage.make()
    subs = [stage.execute(code, shell) for code in ("1/0", "2")]
    engine.submitted()
    main = stage.execute("3")
    engine.backlog(2)
    engine.grant(1, "0")
    assert [stage.status(r) for r in subs] == ["error", "aborted"]
    assert stage.status(main) == "ok"


def test_a_held_cell_whose_subshell_was_deleted_ends(engine, shells):
    stage = shells()
    shell = stage.make()
    request = stage.execute("1", shell)
    engine.submitted()
    assert stage.control("delete_subshell_request", subshell_id=shell)["status"] == "ok"
    engine.grant(1, "0")
    assert stage.status(request) == "error"
    engine.ended(1)


@pytest.mark.skipif(os.cpu_count() < 2, reason="needs two cores")
def test_thread_pools_of_a_subshell_follow_the_grant(engine, shells, tmp_path):
    engine.auto = "0-1"
    stage = shells()
    shell = stage.make()
    assert stage.status(stage.execute("import numpy, sklearn.cluster, threadpoolctl", shell)) == "ok"
    seen = tmp_path / "seen"
    ask = f"open({str(seen)!r}, 'w').write(str(sorted({{p['num_threads'] for p in threadpoolctl.threadpool_info()}})))"
    for cores, told in (("0", "[1]"), ("0-1", "[2]"), ("1", "[1]")):
        until(lambda: len(engine.heard("ended")) == len(engine.heard("submitted")))
        engine.auto = cores
        assert stage.status(stage.execute(ask, shell)) == "ok"
        assert seen.read_text() == told
