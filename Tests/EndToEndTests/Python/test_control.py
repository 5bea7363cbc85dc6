"""`celltop ctl` and what outlives a server: exit statuses, names, standing orders over a restart, a full disk."""

import json
import os
import pty
import re
import resource
import signal
import subprocess

import pytest
from client import Client
from conftest import PATIENCE, until
from stage import TOOL, Gate, Server, server  # noqa: F401


@pytest.mark.parametrize("line, status", [
    ("hold on churn", 0), ("demand memory=1M on churn", 0),
    # The line is right, and cannot be obeyed here.
    ("pin 99 on churn", 1), ("drain 99", 1), ("policy nothing", 1), ("hold on nobody", 1), ("resume on churn", 1),
    # It could be obeyed nowhere.
    ("priority 101 on churn", 2), ("suspend after 25h on churn", 2), ("demand cores=0 on churn", 2), ("pin 0,x on churn", 2),
    ("hold", 2), ("hold on tagged", 2), ("fly on churn", 2), ("hold on churn --key 9007199254740992", 2),
])
def test_exit_statuses(server, line, status):
    gate = Gate(server.socket, "churn")
    gate.hear("welcome")
    done = subprocess.run(
        [TOOL, "ctl", *line.split(), "--socket", server.socket], env=server.environment, capture_output=True, text=True,
        timeout=60)
    assert done.returncode == status, done
    if line.startswith("demand memory"):
        assert "1M of memory" in done.stdout, done
    # There are no tags here.
    assert line == "hold on tagged" or "tagged" not in done.stderr, done


def test_no_server_has_a_status_of_its_own(tmp_path):
    environment = {**os.environ, "CELLTOP_SOCKET": str(tmp_path / "none.sock"), "HOME": str(tmp_path)}
    for words in (["ctl", "status"], ["--once"], ["--json"]):
        done = subprocess.run([TOOL, *words], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 3 and "celltop serve" in done.stderr, done
        assert "LIVE" not in done.stdout, done


def test_every_verb_is_obeyed(server):
    """Each verb of an order, once, as a shell has it: done, said in words and in JSON, and undone again."""
    gate = Gate(server.socket, "churn")
    gate.hear("welcome")
    gate.submit(1)
    cores = gate.hear("grant")["cores"]
    client = Client(server.socket)
    core = cores.split("-")[0].split(",")[0]

    def ctl(*words):
        done = subprocess.run(
            [TOOL, "ctl", *words, "--socket", server.socket], env=server.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stdout, done
        return done.stdout

    def book():
        return client.status()["notebooks"][0]

    def obeyed(order):
        heard = gate.hear(order)
        gate.send({"applied": {"sequence": heard["sequence"], "cores": heard.get("cores", "")}})

    assert json.loads(ctl("suspend", "now", "on", "churn", "--json"))
    obeyed("suspend")
    until(lambda: book()["state"] == "suspended", what="a suspended cell")
    ctl("resume", "on", "churn", "because", "my turn")
    obeyed("resume")
    until(lambda: book()["state"] == "running", what="a running cell")
    for plan in (["after", "1h"], ["at-end"]):
        ctl("suspend", *plan, "on", "churn")
        # Were nothing planned, there would be nothing to call off.
        ctl("call-off", "on", "churn")
        assert book()["state"] == "running", book()
    for words, key, value, back in [
        (["hold", "on", "churn"], "isHeld", True, ["release", "on", "churn"]),
        (["priority", "7", "on", "churn"], "priority", 7, ["priority", "0", "on", "churn"]),
        (["pin", core, "on", "churn"], "pin", None, ["unpin", "on", "churn"]),
    ]:
        before = book().get(key)
        ctl(*words)
        assert book().get(key) != before and (value is None or book()[key] == value), (words, book())
        ctl(*back)
        assert book().get(key) == before, (back, book())
    assert "1 core" in ctl("demand", "cores=1", "on", "churn")
    ctl("demand", "own", "on", "churn")
    node = client.status()["nodes"][0]
    ctl("drain", core)
    assert client.status()["nodes"][0]["drainedCores"] == core
    assert re.search(rf"^drained +cores {core}$", ctl("status"), re.M), ctl("status")
    ctl("undrain", core)
    assert "drained" not in ctl("status")
    assert client.status()["nodes"][0].get("drainedCores") == node.get("drainedCores")
    ctl("policy", "backfill")
    assert client.status()["policy"] == "backfill"
    ctl("interrupt", "on", "churn")
    gate.hear("interrupt")
    events = [json.loads(line) for line in ctl("events", "--json").splitlines()]
    assert events[-1]["event"] == "interruptRequested", events
    assert [e["sequence"] for e in events] == sorted(e["sequence"] for e in events)
    assert any("priority 7 for churn" in e["sentence"] for e in events), events
    ctl("shutdown")
    until(lambda: server.process.poll() is not None, what="the server's end")
    assert server.process.returncode == 0


def test_a_key_is_one_orders(server):
    """The same line under a key is done once; another one under it is refused, in words and in JSON."""
    gates = [Gate(server.socket, "churn"), Gate(server.socket, "digits")]
    for gate in gates:
        gate.hear("welcome")

    def ctl(*words):
        return subprocess.run(
            [TOOL, "ctl", *words, "--key", "77", "--socket", server.socket], env=server.environment, capture_output=True,
            text=True, timeout=60)

    first = ctl("hold", "on", "churn", "--json")
    assert first.returncode == 0 and ctl("hold", "on", "churn", "--json").stdout == first.stdout, first
    other = ctl("hold", "on", "digits")
    assert other.returncode == 1 and "hold digits: refused: its key was used for another order (hold churn), which was done" in (
        other.stdout), other
    told = ctl("priority", "3", "on", "churn", "--json")
    order, = json.loads(told.stdout)["orders"]
    assert told.returncode == 1 and not order["accepted"] and order["cause"] == "alreadyTaken" and "hold churn" in order["text"]
    state = {row["name"]: row["isHeld"] for row in Client(server.socket).status()["notebooks"]}
    assert state == {"churn": True, "digits": False}, state


@pytest.mark.parametrize("line, status, text", [
    ("hold on nobody", 1, "no notebook of that name is open"), ("explain nobody", 1, "no notebook of that name is open"),
    ("code churn", 1, "show_code = true"), ("priority 101 on churn", 2, "101"), ("hold", 2, "which notebook"),
    ("status --nothing", 2, "--nothing"), ("fly on churn", 2, "Unknown option"), ("status --socket /nowhere/engine.sock", 3, "celltop serve"),
])
def test_errors_are_objects_with_json(server, line, status, text):
    gate = Gate(server.socket, "churn")
    gate.hear("welcome")
    done = subprocess.run(
        [TOOL, "ctl", *line.split(), "--json"], env={**server.environment, "CELLTOP_SOCKET": server.socket}, capture_output=True,
        text=True, timeout=60)
    assert done.returncode == status and not done.stderr, done
    told = json.loads(done.stdout)
    assert set(told) == {"error", "status"} and told["status"] == status and text in told["error"], done


def test_places_that_cannot_be_used_are_named_with_what_mends_them(tmp_path):
    """No folder can be made below a file, not even by root."""
    (tmp_path / "file").write_text("")
    below = str(tmp_path / "file" / "x")
    environment = {
        **os.environ, "HOME": str(tmp_path), "CELLTOP_SOCKET": str(tmp_path / "engine.sock"), "CELLTOP_CGROUPS": "off",
        "CELLTOP_HISTORY": str(tmp_path / "h.sqlite")}

    def refused(*words, **places):
        done = subprocess.run(
            [TOOL, *words], env={**environment, **places}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1, done
        # Not the words of a library.
        assert "The operation" not in done.stderr and "Not a directory" in done.stderr or "relative" in done.stderr, done
        return done.stderr

    told = refused("serve", CELLTOP_SOCKET=below + "/engine.sock")
    assert f"cannot make the folder {below} ({tmp_path / 'file'}: Not a directory)" in told and "CELLTOP_SOCKET" in told, told
    told = refused("serve", CELLTOP_SOCKET="engine.sock")
    assert "CELLTOP_SOCKET" in told and not os.path.exists("engine.sock"), told
    # The console starts a server, whose log it cannot write.
    master, terminal = pty.openpty()
    done = subprocess.run(
        [TOOL], env={**environment, "XDG_STATE_HOME": below, "TERM": "xterm-256color"}, stdin=terminal, stdout=terminal,
        stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(master)
    os.close(terminal)
    assert done.returncode == 1, done
    assert f"cannot write the console's log ({tmp_path / 'file'}: Not a directory)" in done.stderr and "XDG_STATE_HOME" in done.stderr, done
    assert "celltop: cannot start" not in done.stderr, done


def test_doctor_makes_nothing(tmp_path):
    environment = {
        **os.environ, "HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "XDG_DATA_HOME": str(tmp_path / "data"), "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config")}
    for name in ("CELLTOP_SOCKET", "CELLTOP_HISTORY", "CELLTOP_CONFIG"):
        environment.pop(name, None)

    def doctor():
        done = subprocess.run([TOOL, "doctor", "--json"], env=environment, capture_output=True, text=True, timeout=60)
        return {check["name"]: check for check in json.loads(done.stdout)["checks"]}

    def files():
        return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))

    checks = doctor()
    assert files() == [], files()
    assert checks["database"]["state"] == checks["socket"]["state"] == "works", checks
    (tmp_path / "data").write_text("")
    assert doctor()["database"]["state"] == "broken" and files() == ["data"]


def test_cores_that_the_node_has_not_are_refused_by_a_screen_printed_once(tmp_path):
    environment = {**os.environ, "CELLTOP_SOCKET": str(tmp_path / "none.sock"), "HOME": str(tmp_path)}
    for words in (["--once"], ["--json"]):
        done = subprocess.run(
            [TOOL, *words, "--cores", "4090-4095"], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "--cores 4090-4095: this process may use the cores" in done.stderr, done
        assert not done.stdout, done


@pytest.mark.parametrize("name", ['say "hi"', "my book", "back\\slash \"", "all"])
def test_any_name_can_be_ordered_by(server, name):
    gate = Gate(server.socket, name)
    gate.hear("welcome")
    done = subprocess.run(
        [TOOL, "ctl", "hold", "on", name if name != "all" else '#0', "--socket", server.socket], env=server.environment,
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and name in done.stdout, done
    assert Client(server.socket).status()["notebooks"][0]["isHeld"]


def test_nothing_hostile_in_a_name_is_printed(server):
    name = "a\u202eb\u200bc\x1b[2J"
    gate = Gate(server.socket, name)
    gate.hear("welcome")

    def tool(*arguments):
        environment = {**server.environment, "CELLTOP_SOCKET": server.socket}
        return subprocess.run([TOOL, *arguments], env=environment, capture_output=True, text=True, timeout=60)

    outputs = [
        tool("ctl", "notebooks"), tool("ctl", "events"), tool("ctl", "explain", "#0"), tool("ctl", "hold", "on", "#0"),
        tool("ctl", "hold", "on", "#0", "--dry-run"), tool("ctl", "resume", "on", "#0"), tool("ctl", "hold", "on", name + "x"),
        tool("ctl", "processes", "#0"), tool("--once"),
    ]
    for done in outputs:
        text = done.stdout + done.stderr
        assert text and not set(text) & set("\u202e\u200b\x1b"), done
    assert outputs[0].stdout.count("a?b?c") >= 1, outputs[0]
    log = (server.folder / "log.txt").read_text()
    assert "a?b?c" in log and not set(log) & set("\u202e\u200b\x1b"), log


@pytest.mark.parametrize("end", ["SIGTERM", "shutdown", "SIGKILL"])
def test_what_was_ordered_outlives_the_server(server, end):
    """However the server ends: an upgrade of it loses nothing."""
    gates = [Gate(server.socket, "suspended"), Gate(server.socket, "held")]
    gates[0].submit(1)
    cores = gates[0].hear("grant")["cores"]
    client = Client(server.socket)

    def state():
        report = client.status()
        notebooks = {n["name"]: {k: n[k] for k in ["priority", "isHeld", "pin", "state"] if k in n} for n in report["notebooks"]}
        queue = {row["name"]: (row["demand"], row["state"], row["reason"]) for row in report["queue"]}
        return report["policy"], report["nodes"][0]["drainedCores"], notebooks, queue

    def order(verb):
        answer = client.command(verb)
        assert answer["accepted"], answer

    until(lambda: len(client.status()["notebooks"]) == 2, what="both notebooks")
    number = {n["name"]: n["number"] for n in client.status()["notebooks"]}
    held, suspended = number["held"], number["suspended"]
    core = client.status()["nodes"][0]["cores"].split("-")[0].split(",")[0]
    order({"suspend": {"notebook": suspended, "cell": 1}})
    order({"hold": {"notebook": held}})
    order({"priority": {"notebook": held, "value": 7}})
    order({"pin": {"notebook": held, "cores": core}})
    order({"demand": {"notebook": held, "demand": {"coresLeast": 1, "coresMost": 2}}})
    order({"drain": {"node": 0, "cores": core}})
    order({"policy": {"name": "backfill"}})
    gates[1].submit(1)
    until(lambda: len(client.status()["queue"]) == 2, what="the held cell in the queue")
    before = state()
    assert before[0] == "backfill" and before[1] == core and before[2]["held"]["isHeld"], before
    # The history's word for its end.
    if end == "shutdown":
        client.send({"stop": {}})
        server.process.wait(PATIENCE)
    elif end == "SIGTERM":
        server.stop()
    else:
        server.kill()
    for gate in gates:
        gate.close()
    server.start()
    # Without a server the suspended cell went on: it is suspended again.
    gates = [
        Gate(server.socket, "held", waiting={"key": 1, "codeHash": 1}),
        Gate(server.socket, "suspended", running={
            "submission": {"key": 1, "codeHash": 1}, "ranSeconds": 2.0, "cores": cores, "suspended": False})]
    assert gates[1].hear("suspend")["key"] == 1
    client = Client(server.socket)
    assert until(lambda: len(client.status()["queue"]) == 2, what="the queue") and state() == before
    # It is one order more, and its author's: the restart gives nobody a right that he did not have.
    accepted = [e["sentence"] for e in client.status()["events"]]
    assert any("hold" in text and "as before" in text and "celltop:" not in text for text in accepted), accepted
    # And once more: what was taken over is handed on.
    server.stop()
    server.start()
    for gate in gates:
        gate.close()
    gates = [Gate(server.socket, "held", waiting={"key": 1, "codeHash": 1})]
    client = Client(server.socket)
    until(lambda: state()[2].get("held") == before[2]["held"], what="the hold, and the cell in line")
    assert state()[:2] == before[:2]


def test_a_server_that_is_told_of_another_policy_takes_that_one(server):
    Client(server.socket).command({"policy": {"name": "backfill"}})
    server.stop()
    server.start()
    assert Client(server.socket).status()["policy"] == "backfill"
    server.stop()
    server.arguments += ["--policy", "sjf"]
    server.start()
    assert Client(server.socket).status()["policy"] == "sjf"


@pytest.mark.parametrize("kind", ["limit", "tmpfs"])
def test_a_full_disk_is_told_everywhere(tmp_path, kind):
    """A file that may not grow stands in for a full disk where none can be mounted; with `tmpfs` it is a disk that is full."""
    folder = tmp_path / "server"
    folder.mkdir()
    small = 3 << 20

    def limit(most):
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    if kind == "tmpfs":
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={small},mode=0755", "none", str(folder)], capture_output=True, text=True)
        if mounted.returncode != 0:
            pytest.skip(f"skipped: a small file system cannot be mounted here: {mounted.stderr.strip()}")
    server = None
    try:
        # A write beyond the limit is to fail, and not to end the process.
        server = Server(folder, before=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
        log = folder / "log.txt"
        gate = Gate(server.socket, "churn")
        client = Client(server.socket)
        until(lambda: client.status()["notebooks"], what="the notebook")
        if kind == "limit":
            limit(16_384)

        def fill():
            # Many words in the history with each order.
            for value in range(20):
                client.command({"priority": {"notebook": 0, "value": value}}, why="x" * 200)
            return client.status().get("notRecorded")

        def is_told(text):
            # A history that could not be written is opened anew, which fails for the same reason.
            return re.search("cannot (write|open) the history", text)

        why = until(fill, what="that the report says so")
        assert is_told(why), why
        environment = {**server.environment, "CELLTOP_SOCKET": server.socket}

        def tool(*arguments):
            return subprocess.run([TOOL, *arguments], env=environment, capture_output=True, text=True, timeout=60)

        status = tool("ctl", "status")
        assert status.returncode == 0 and "NOT COMPLETE: cannot" in status.stdout and is_told(status.stdout), status
        assert is_told(json.loads(tool("ctl", "status", "--json").stdout)["notRecorded"])
        once = tool("--once", "--size", "120x30")
        assert once.returncode == 0 and "NOT RECORDED" in once.stdout and re.search("cannot (write|open)", once.stdout), once
        assert is_told(json.loads(tool("--json").stdout)["notRecorded"])
        assert "trouble" in Client(server.socket).welcome
        assert "warning celltop: the history is not being recorded" in log.read_text()
        # Scheduling goes on.
        gate.submit(1)
        gate.hear("grant")
        # And once there is room again, so does the recording.
        if kind == "tmpfs":
            subprocess.run(["mount", "-o", "remount,size=256m", str(folder)], check=True)
        else:
            limit(resource.RLIM_INFINITY)
        until(lambda: "notRecorded" not in client.status(), what="that it is recorded again")
        until(lambda: "notice celltop: the history is recorded again" in log.read_text(), what="that the log says so")
        assert "complete" in tool("ctl", "status").stdout
    finally:
        if server:
            server.stop()
            server.log.close()
        if kind == "tmpfs":
            subprocess.run(["umount", "-l", str(folder)], check=False)
