"""What every test of the gate needs: a gated kernelspec, a kernel behind it, and a small engine that one can order about.

`CELLTOP_GATE` names the gate's binary; kernels run on the interpreter that runs pytest."""

import json
import os
import pathlib
import queue
import socket
import sys
import threading
import time

import pytest
from jupyter_client.manager import KernelManager

ROOT = pathlib.Path(__file__).parents[3]
GATE = os.path.abspath(os.environ.get("CELLTOP_GATE", ROOT / ".build/debug/celltop-gate"))
PATIENCE = 30.0


def until(condition, seconds=PATIENCE, what="the condition"):
    """Polls until `condition` gives something true, and gives that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"{what} did not come true within {seconds} s")


class Engine:
    """A fake engine: takes connections of gates, keeps what they say, and says what it is told to.

    With `auto` a core list, every cell is granted these cores at once."""

    def __init__(self, path, auto=None):
        self.path, self.auto = path, auto
        self.said = []
        self.sequence = 0
        self.lock = threading.Lock()
        self.connection = None
        self.mute = False
        self.welcomed = 0
        self.hides, self.evicts, self.tells = None, None, None
        pathlib.Path(path).unlink(missing_ok=True)
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(path)
        self.server.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.connection = connection
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        try:
            for line in connection.makefile("rb"):
                message = json.loads(line)
                with self.lock:
                    self.said.append((time.monotonic(), message))
                self._answer(message)
        except (OSError, ValueError):
            pass

    def _answer(self, message):
        if self.mute:
            return
        if "hello" in message:
            more = {"hides": self.hides, "evicts": self.evicts, "tells": self.tells}
            welcome = {"version": 1, "session": 1, "notebook": 0}
            self.send({"welcome": welcome | {k: v for k, v in more.items() if v is not None}})
            self.welcomed += 1
            waiting = message["hello"]["_0"].get("waiting")
            if waiting and self.auto is not None:
                self.grant(waiting["key"], self.auto)
        if "submitted" in message and self.auto is not None:
            self.grant(message["submitted"]["_0"]["key"], self.auto)

    def send(self, message):
        try:
            self.connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            pass

    def next(self):
        self.sequence += 1
        return self.sequence

    def grant(self, key, cores, gpus=()):
        named = [{"id": gpu, "maker": "nvidia"} for gpu in gpus]
        self.send({"grant": {"sequence": self.next(), "key": key, "cores": cores, "gpus": named}})
        return self.sequence

    def order(self, name, key, **more):
        self.send({name: {"sequence": self.next(), "key": key, **more}})
        return self.sequence

    def stand(self, key, need="waiting for 1 GPU", **more):
        """Says where the waiting cell stands: `place`, `expectedSeconds`, `latestSeconds`."""
        self.send({"standing": {"key": key, "now": {"need": need, **more}}})

    def backlog(self, count):
        """Waits until the gate has read that many cells behind the one in hand."""
        until(lambda: [b for b in self.heard("backlog") if b["count"] == count], what=f"{count} cells behind the first")

    def heard(self, kind):
        with self.lock:
            return [list(message.values())[0] for _, message in self.said if kind in message]

    def greeting(self, that, what):
        """The gate's newest greeting once `that` holds of it: while it does not, the gate is made to greet again."""
        seen = 0

        def fitting():
            nonlocal seen
            greetings = self.heard("hello")
            if greetings and that(greetings[-1]["_0"]):
                return greetings[-1]["_0"]
            if len(greetings) > seen:
                seen = len(greetings)
                self.drop()

        return until(fitting, what=what)

    def submitted(self, count=1):
        return until(lambda: len(self.heard("submitted")) >= count and self.heard("submitted"), what="submitted")[
            count - 1
        ]["_0"]

    def ended(self, key):
        return until(lambda: [e for e in self.heard("ended") if e["key"] == key], what=f"end of {key}")[0]["outcome"]

    def applied(self, sequence):
        return until(lambda: [a for a in self.heard("applied") if a["sequence"] == sequence], what="applied")[0]

    def drop(self):
        """Ends the connection, and goes on listening."""
        if self.connection:
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.connection.close()

    def close(self):
        self.server.close()
        self.drop()
        pathlib.Path(self.path).unlink(missing_ok=True)


class Kernel:
    """A kernel behind a gate (or direct), with one client."""

    def __init__(self, name="gated", **environment):
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel(env={**os.environ, **environment}, stderr=None)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    @property
    def gate_pid(self):
        return self.manager.provisioner.process.pid

    @property
    def pid(self):
        """The kernel itself, by asking it."""
        return int(self.run("import os; print(os.getpid())")[1].strip())

    def run(self, code, **options):
        """Executes to the end; gives the reply's status and the text on stdout."""
        text = []

        def show(message):
            if message["msg_type"] == "stream":
                text.append(message["content"]["text"])

        reply = self.client.execute_interactive(code, timeout=PATIENCE, output_hook=show, **options)
        return reply["content"]["status"], "".join(text)

    def begin(self, code, mark):
        """Executes a cell and returns its request once it runs, which the file `mark` shows.

        A kernel aborts what comes within moments of a failed cell, without a gate too (ipykernel's abort window): such a
        cell is sent again."""
        mark.unlink(missing_ok=True)
        while True:
            # Another thread makes the mark, a moment later: by then the main thread is within `code`, where an interrupt
            # is never lost to a destructor, in which Python ignores it.
            made = f"import threading as _t; _t.Timer(0.05, lambda: open({str(mark)!r}, 'w').close()).start()"
            request = self.client.execute(f"{made}\n{code}")
            if until(lambda: mark.exists() and "runs" or self.replied(request), what="the cell's start") == "runs":
                return request
            assert self.reply(request)["content"]["status"] == "aborted"

    def replied(self, message_id):
        """The reply to one request if it is here; others are kept for later calls."""
        kept = self.__dict__.setdefault("kept", {})
        try:
            message = self.client.get_shell_msg(timeout=0)
            kept[message["parent_header"].get("msg_id")] = message
        except queue.Empty:
            pass
        return kept.get(message_id)

    def reply(self, message_id, seconds=PATIENCE):
        """The reply to one request."""
        return until(lambda: self.replied(message_id), seconds, what="a reply")

    def granted(self, engine, code, cores="0", gpus=()):
        """Executes under a grant; gives the text on stdout, that on stderr, and the grant's sequence."""
        count = len(engine.heard("submitted"))
        request = self.client.execute(code)
        key = engine.submitted(count + 1)["key"]
        sequence = engine.grant(key, cores, gpus)
        text = {"stdout": "", "stderr": ""}
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                text[content["name"]] += content["text"]
            elif message["msg_type"] == "error":
                text["stderr"] += content["evalue"]
            elif content.get("execution_state") == "idle":
                self.reply(request)
                engine.ended(key)
                return text["stdout"], text["stderr"], sequence

    def close(self):
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)


def alive(pid):
    """Whether a process lives (a zombie does not)."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def _mount(kind, controller):
    """Where a hierarchy of control groups is mounted; None where it is not."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        place, options = line.split(" - ")
        if options.split()[0] == kind and (not controller or controller in options.split()[-1].split(",")):
            return place.split()[4]


def frozen(pid):
    """Whether a process's control group is frozen (cgroups(7))."""
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        number, controllers, group = line.split(":", 2)
        second = number == "0" and not controllers
        if not second and "freezer" not in controllers.split(","):
            continue
        mount = _mount("cgroup2", None) if second else _mount("cgroup", "freezer")
        try:
            if second and "frozen 1" in pathlib.Path(f"{mount}{group}/cgroup.events").read_text():
                return True
            if not second and pathlib.Path(f"{mount}{group}/freezer.state").read_text().startswith("FROZEN"):
                return True
        except OSError:
            continue
    return False


def stopped(pid):
    """Whether a process is stopped by a signal (proc(5): T) or frozen by its control group."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state == "T" or frozen(pid)
    except OSError:
        return False


def threads_affinity(pid):
    """The affinity of each thread of a process, as a set of tuples; threads that end meanwhile have none."""
    found = set()
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            found.add(tuple(sorted(os.sched_getaffinity(int(thread)))))
        except ProcessLookupError:
            continue
    return found


class Latch:
    """A file that a cell waits for, so that nothing hangs on how long a cell takes."""

    def __init__(self, path):
        self.path = path
        self.wait = f"while not __import__('os').path.exists({str(path)!r}): __import__('time').sleep(0.01)"

    def open(self):
        self.path.touch()


@pytest.fixture
def spec_directory(tmp_path, monkeypatch):
    """A directory of kernelspecs: `gated`, and `direct` with the same argv."""
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    gate = [GATE, "-f", "{connection_file}", "--fail-open-after", "0.5", "--"]
    for name, command in (("gated", gate + argv), ("direct", argv)):
        directory = tmp_path / "kernels" / name
        directory.mkdir(parents=True)
        spec = {"argv": command, "display_name": name, "language": "python", "metadata": {"debugger": True}}
        (directory / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("CELLTOP_SOCKET", str(tmp_path / "engine.sock"))
    return tmp_path


@pytest.fixture
def engine(spec_directory):
    made = Engine(str(spec_directory / "engine.sock"))
    yield made
    made.close()


@pytest.fixture
def latch(tmp_path):
    return Latch(tmp_path / "latch")


@pytest.fixture
def kernels(spec_directory, request):
    """Starts kernels, and ends them with the test.

    Where the test has an engine, a gated kernel is there once it has welcomed the gate: what a cell that came before that would
    do depends on who is quicker."""
    started = []
    engine = request.getfixturevalue("engine") if "engine" in request.fixturenames else None

    def start(name="gated", **environment):
        welcomed = engine.welcomed if engine else 0
        started.append(Kernel(name, **environment))
        if engine and name == "gated" and not engine.mute:
            until(lambda: engine.welcomed > welcomed, what="the gate's greeting")
        return started[-1]

    yield start
    for kernel in started:
        kernel.close()
