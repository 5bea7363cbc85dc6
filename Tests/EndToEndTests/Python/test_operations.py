"""The server with real kernels: what users lose when something dies (nothing), what its figures say, and `celltop ctl`.

`CELLTOP_TOOL` names the tool's binary."""

import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from conftest import PATIENCE, ROOT, alive, until

TOOL = os.path.abspath(os.environ.get("CELLTOP_TOOL", ROOT / ".build/debug/celltop"))


class Server:
    """`celltop serve` at the socket where the kernels' gates look, with a history and a log of its own."""

    def __init__(self, folder, *options):
        self.folder, self.options = pathlib.Path(folder), options
        self.socket = str(self.folder / "engine.sock")
        self.history = self.folder / "server-history.sqlite"
        self.starts = 0
        self.process = None
        self.start()

    def environment(self, **more):
        return {**os.environ, "CELLTOP_HISTORY": str(self.history), "CELLTOP_SOCKET": self.socket, **more}

    def start(self):
        self.starts += 1
        self.log = self.folder / f"server-{self.starts}.log"
        with open(self.log, "w") as out:
            self.process = subprocess.Popen(
                [TOOL, "serve", "--socket", self.socket, *self.options], env=self.environment(), stderr=out, stdout=out,
                stdin=subprocess.DEVNULL)
        until(lambda: self.process.poll() is not None or "serving" in self.said(), what="the server's start")
        assert self.process.poll() is None, self.said()
        return self

    def said(self):
        return self.log.read_text()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ctl(self, *words, status=0, **more):
        done = subprocess.run(
            [TOOL, "ctl", *words, "--socket", self.socket], capture_output=True, text=True, timeout=60,
            env=self.environment(**more))
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout if status == 0 else done.stdout + done.stderr

    def json(self, *words, status=0):
        return json.loads(self.ctl(*words, "--json", status=status))

    def notebooks(self):
        return self.json("notebooks")

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture
def serve(spec_directory):
    servers = []

    def start(*options):
        servers.append(Server(spec_directory, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def book(kernels, folder, name):
    """A kernel of a notebook with that name."""
    return kernels(JPY_SESSION_NAME=str(folder / f"{name}.ipynb"))


def row(server, name):
    return next((r for r in server.notebooks() if r["name"].startswith(name)), None)


class TestCode:
    def test_code_is_told_where_that_is_configured_and_recorded_nowhere(self, serve, kernels, tmp_path, monkeypatch):
        config = tmp_path / "config.toml"
        config.write_text("[access]\nshow_code = true\n")
        monkeypatch.setenv("CELLTOP_CONFIG", str(config))
        server = serve("--cores", "0")
        stop = tmp_path / "stop"
        one = book(kernels, tmp_path, "one")
        one.begin(
            f"wonderful_word = 7\nimport os, time\nopen({str(tmp_path / 'mark')!r}, 'w').close()\n"
            f"while not os.path.exists({str(stop)!r}): time.sleep(0.01)", tmp_path / "mark")
        assert "wonderful_word = 7" in server.ctl("code", "one")
        assert server.json("code", "one")[0]["cell"] == 1
        # A server that was started anew is told again.
        server.kill()
        server.start()
        until(lambda: (row(server, "one") or {}).get("state") == "running", what="the adoption")
        assert "wonderful_word = 7" in server.ctl("code", "one")
        stop.touch()
        until(lambda: row(server, "one")["state"] == "thinking", what="the cell's end")
        server.close()
        for path in server.folder.glob("server-history.sqlite*"):
            assert b"wonderful_word" not in path.read_bytes(), path

    def test_code_stays_in_the_gate_where_nothing_is_said(self, serve, kernels, tmp_path):
        server = serve("--cores", "0")
        one = book(kernels, tmp_path, "one")
        one.begin(f"open({str(tmp_path / 'mark')!r}, 'w').close(); import time; time.sleep(1)", tmp_path / "mark")
        assert "cells' code is not told here" in server.ctl("code", "one", status=1)


class TestRecovery:
    def test_nothing_is_lost_when_the_server_is_killed(self, serve, kernels, tmp_path):
        server = serve("--cores", "0", "--policy", "fcfs")
        first, second = book(kernels, tmp_path, "first"), book(kernels, tmp_path, "second")
        ran, other = tmp_path / "ran", tmp_path / "other"
        running = first.begin(
            f"import os\nopen({str(ran)!r}, 'a').write('x')\nimport time\n"
            f"while not os.path.exists({str(tmp_path / 'stop')!r}): time.sleep(0.01)", tmp_path / "mark")
        pid = row(server, "first")
        assert pid["state"] == "running" and pid["cores"] == "0"
        held = second.client.execute(f"open({str(other)!r}, 'a').write('x')")
        until(lambda: (row(server, "second") or {}).get("state") == "queued", what="a queued cell")
        server.kill()
        began = time.monotonic()
        server.start()
        up = time.monotonic()
        until(lambda: len([r for r in server.notebooks() if r["state"] != "gone"]) == 2, what="both notebooks")
        # (What a gate promises is measured by `celltop bench recovery`.)
        print(f"started in {up - began:.2f} s, both gates back after {time.monotonic() - up:.2f} s")
        adopted = until(lambda: (row(server, "first") or {}).get("state") == "running" and row(server, "first"))
        # Its own core, and nobody else's: the other cell waits for it, or ran before the server was there again.
        assert adopted["cores"] == "0"
        (tmp_path / "stop").touch()
        assert first.reply(running)["content"]["status"] == "ok"
        assert second.reply(held)["content"]["status"] == "ok"
        assert ran.read_text() == "x" and other.read_text() == "x"
        assert first.run("print(1)") == ("ok", "1\n")
        sessions = server.json("history")
        assert f"continues session {sessions[1]['id']}" in sessions[0]["note"]
        assert sessions[1].get("endedMicroseconds") is None and sessions[0]["entries"] > 0

    def test_a_killed_gate_gives_its_cores_back(self, serve, kernels, tmp_path):
        server = serve("--cores", "0", "--policy", "fcfs")
        first, second = book(kernels, tmp_path, "first"), book(kernels, tmp_path, "second")
        first.begin("import time\ntime.sleep(600)", tmp_path / "mark")
        held = second.client.execute("2")
        until(lambda: (row(server, "second") or {}).get("state") == "queued", what="a queued cell")
        os.kill(first.gate_pid, signal.SIGKILL)
        assert second.reply(held, 10)["content"]["status"] == "ok"
        until(lambda: row(server, "first") is None, what="the end of the first")

    def test_a_killed_kernel_gives_its_cores_back(self, serve, kernels, tmp_path):
        server = serve("--cores", "0", "--policy", "fcfs")
        first, second = book(kernels, tmp_path, "first"), book(kernels, tmp_path, "second")
        pid = first.pid
        first.begin("import time\ntime.sleep(600)", tmp_path / "mark")
        held = second.client.execute("2")
        until(lambda: (row(server, "second") or {}).get("state") == "queued", what="a queued cell")
        os.kill(pid, signal.SIGKILL)
        assert second.reply(held, 10)["content"]["status"] == "ok"
        assert server.process.poll() is None

    def test_a_killed_client_changes_nothing(self, serve, kernels, tmp_path):
        server = serve("--cores", "0")
        first = book(kernels, tmp_path, "first")
        watching = subprocess.Popen(
            [TOOL, "ctl", "watch", "--json", "--socket", server.socket], stdout=subprocess.PIPE, env=server.environment())
        # Only what happens after it has attached is told.
        until(lambda: first.run("1")[0] == "ok" and select.select([watching.stdout], [], [], 0)[0], what="a line")
        assert json.loads(watching.stdout.readline())["sequence"] > 0
        watching.kill()
        watching.wait()
        assert first.run("print(2)") == ("ok", "2\n")
        assert row(server, "first")["state"] == "thinking"

    def test_a_removed_socket_harms_nobody_who_is_connected(self, serve, kernels, tmp_path):
        server = serve("--cores", "0")
        first = book(kernels, tmp_path, "first")
        os.unlink(server.socket)
        assert first.run("print(1)") == ("ok", "1\n")
        server.close()
        server.start()
        until(lambda: row(server, "first"), 10, "the gate's return")

    def test_a_thousand_processes_of_one_cell_hold_up_nobody(self, serve, kernels, tmp_path):
        server = serve()
        bomb, other = book(kernels, tmp_path, "bomb"), book(kernels, tmp_path, "other")
        bomb.begin(
            "import subprocess, time\n"
            "all = [subprocess.Popen(['sleep', '600']) for _ in range(1000)]\n"
            f"open({str(tmp_path / 'forked')!r}, 'w').close()\ntime.sleep(600)", tmp_path / "mark")
        until(lambda: (tmp_path / "forked").exists(), 60, "a thousand processes")
        waits = []
        for _ in range(5):
            began = time.monotonic()
            assert other.run("1")[0] == "ok"
            waits.append(time.monotonic() - began)
        print(f"a cell beside 1,000 processes took {sorted(waits)[2] * 1000:.0f} ms, {max(waits) * 1000:.0f} ms at the most")
        assert max(waits) < 5
        gate = bomb.gate_pid
        server.ctl("interrupt", "on", "bomb")
        os.kill(gate, signal.SIGKILL)
        until(lambda: row(server, "bomb") is None, 30, "the end of the notebook")
        until(lambda: not any_sleeping(gate), 30, "the end of its processes")


def any_sleeping(_):
    """Whether a `sleep 600` of this session lives."""
    found = subprocess.run(["pgrep", "-s", str(os.getsid(0)), "-x", "sleep"], capture_output=True, text=True).stdout
    return any(alive(int(p)) and "600" in pathlib.Path(f"/proc/{p}/cmdline").read_text() for p in found.split())


class TestMetrics:
    def page(self, server):
        address = until(lambda: re.search(r"address=(\S+)", server.said()), what="the address")[1]
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            return answer.read().decode()

    def test_prometheus_reads_them(self, serve, kernels, tmp_path):
        from prometheus_client.parser import text_string_to_metric_families

        server = serve("--cores", "0", "--metrics", "127.0.0.1:0")
        first = book(kernels, tmp_path, "first")
        for _ in range(3):
            assert first.run("1")[0] == "ok"
        until(lambda: 'celltop_cells_ended_total{outcome="ok"} 3' in self.page(server), what="three ended cells")
        families = {f.name: f for f in text_string_to_metric_families(self.page(server))}
        value = lambda name, **labels: next(
            s.value for f in families.values() for s in f.samples if s.name == name and labels.items() <= s.labels.items())
        assert value("celltop_cells_submitted_total") == 3
        assert value("celltop_notebooks", state="thinking") == 1
        assert value("celltop_gates") == 1
        assert value("celltop_cores", kind="capacity") == 1
        assert value("celltop_history_trouble") == 0
        assert value("process_open_fds") > 5
        waits = [s for s in families["celltop_cell_wait_seconds"].samples if s.name.endswith("_bucket")]
        assert [s.value for s in waits] == sorted(s.value for s in waits) and waits[-1].labels["le"] == "+Inf"
        assert waits[-1].value == 3 == value("celltop_cell_wait_seconds_count")
        assert value("celltop_decision_seconds_count") > 3 and value("celltop_turn_seconds_sum") > 0
        assert str(tmp_path) not in self.page(server)

    def test_others_may_not_read_them(self, spec_directory):
        for address in ("0.0.0.0:9464", "node7:1", "9464x"):
            done = subprocess.run(
                [TOOL, "serve", "--socket", str(spec_directory / "x.sock"), "--metrics", address], capture_output=True,
                text=True, timeout=60)
            assert done.returncode == 2 and "127.0.0.1:9464" in done.stderr, done.stderr


class TestControl:
    def test_orders_and_their_answers(self, serve, kernels, tmp_path):
        server = serve("--cores", "0")
        first = book(kernels, tmp_path, "first")
        assert server.json("status")["policy"] == "dynamic"
        dry = server.json("hold", "on", "first", "--dry-run")
        assert dry["isDryRun"] and "accepted" not in dry["orders"][0]
        assert not row(server, "first")["isHeld"]
        done = server.json("hold", "on", str(tmp_path / "first.ipynb"), "--why", "a demo", "--key", "77")
        assert done["orders"][0]["accepted"] and done["orders"][0]["key"] == 77
        again = server.json("hold", "on", "first", "--key", "77")
        assert again["orders"][0]["sequence"] == done["orders"][0]["sequence"], "a key is obeyed once"
        assert row(server, "first")["isHeld"]
        held = first.client.execute("1")
        until(lambda: server.json("queue"), what="a queued cell")
        explained = server.json("explain", "first")[0]
        assert explained["reason"] == "held by an operator" and explained["order"] == "celltop ctl release on first"
        assert "1 core" in server.ctl("queue")
        server.ctl("release", "on", "#0")
        assert first.reply(held)["content"]["status"] == "ok"
        server.ctl("priority", "-5", "on", "first")
        assert row(server, "first")["priority"] == -5
        server.ctl("policy", "dynamic:no-preemption")
        assert server.json("status")["policy"].startswith("dynamic")
        server.ctl("policy", "fcfs")
        assert server.json("status")["policy"] == "fcfs"
        text = server.ctl("events", "--last", "50")
        assert "hold first (a demo)" in text and "priority -5 for first" in text

    def test_what_helps_can_be_pasted_whatever_a_notebook_is_called(self, serve, kernels, tmp_path):
        server = serve("--cores", "0")
        names = ["a;touch owned;b", "$(touch owned)", "it's `touch owned`", "two words, a comma", "-rf", "naïve", "plain"]
        for number, name in enumerate(names):
            one = book(kernels, tmp_path, name)
            server.ctl("hold", "on", f"#{number}")
            held = one.client.execute("1")
            until(lambda: server.json("queue"), what="a queued cell")
            order = server.json("explain", f"#{number}")[0]["order"]
            assert order.endswith(" on plain" if name == "plain" else f" on '#{number}'"), order
            tool = order.replace("celltop ", f"{TOOL} ", 1) + f" --socket {server.socket}"
            done = subprocess.run(
                ["sh", "-c", tool], capture_output=True, text=True, cwd=tmp_path, timeout=60, env=server.environment())
            assert done.returncode == 0, (order, done.stdout, done.stderr)
            assert one.reply(held)["content"]["status"] == "ok"
        assert not (tmp_path / "owned").exists()

    def test_what_is_refused_or_wrong_is_told_by_its_status(self, serve, kernels, tmp_path):
        server = serve("--cores", "0")
        book(kernels, tmp_path, "a-one"), book(kernels, tmp_path, "a-two")
        until(lambda: len(server.notebooks()) == 2, what="two notebooks")
        ambiguous = server.ctl("hold", "on", "a-", status=1)
        assert "a-one" in ambiguous and "a-two" in ambiguous
        assert "no notebook of that name" in server.ctl("hold", "on", "b", status=1)
        assert "refused" in server.ctl("resume", "on", "a-one", status=1)
        assert "there is no policy" in server.ctl("policy", "best", status=1)
        assert "which notebook" in server.ctl("hold", status=2)
        assert "from -100 to 100" in server.ctl("priority", "500", "on", "a-one", status=2)
        server.close()
        assert "no celltop server answers" in server.ctl("status", status=3)

    def test_watch_tells_what_happens(self, serve, kernels, tmp_path):
        server = serve("--cores", "0")
        first = book(kernels, tmp_path, "first")
        watching = subprocess.Popen(
            [TOOL, "ctl", "watch", "--json", "--count", "3", "--socket", server.socket], stdout=subprocess.PIPE, text=True,
            stderr=subprocess.PIPE, env=server.environment())
        # It has attached when the server counts it.
        sent = []
        while watching.poll() is None and len(sent) < 50:
            sent.append(first.run("1")[0])
        out, _ = watching.communicate(timeout=20)
        told = [json.loads(line) for line in out.splitlines()]
        assert watching.returncode == 0 and len(told) == 3
        assert [t["sequence"] for t in told] == sorted(t["sequence"] for t in told)
        assert any("first" in t["sentence"] for t in told)


class TestPackaging:
    def test_the_unit_is_one_that_systemd_takes(self, tmp_path):
        if not shutil.which("systemd-analyze"):
            pytest.skip("there is no systemd-analyze here")
        text = (ROOT / "Docs/Packaging/celltop.service").read_text()
        assert "/usr/local/bin/celltop serve" in text
        unit = tmp_path / "celltop.service"
        unit.write_text(text.replace("/usr/local/bin/celltop", TOOL))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)], capture_output=True, text=True)
        ours = [line for line in done.stderr.splitlines() if "celltop" in line]
        assert done.returncode == 0 and not ours, done.stderr

    def test_systemd_is_told_when_the_server_listens_and_when_it_ends(self, tmp_path):
        hearing = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        hearing.settimeout(PATIENCE)
        hearing.bind(str(tmp_path / "notify"))
        process = subprocess.Popen(
            [TOOL, "serve", "--socket", str(tmp_path / "engine.sock")], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "CELLTOP_HISTORY": str(tmp_path / "h.sqlite")})
        try:
            told = hearing.recv(4096).decode().splitlines()
            assert "READY=1" in told, told
            asking = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            asking.connect(str(tmp_path / "engine.sock"))
            asking.close()
            process.terminate()
            while "STOPPING=1" not in told:
                told = hearing.recv(4096).decode().splitlines()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.communicate()

    def test_the_manual_names_every_command_and_option(self, tmp_path):
        page = subprocess.run([TOOL, "manual"], capture_output=True, text=True, check=True).stdout
        tree = json.loads(
            subprocess.run([TOOL, "--experimental-dump-help"], capture_output=True, text=True, check=True).stdout)
        plain = page.replace("\\-", "-")

        def check(command, path):
            for child in command.get("subcommands", []):
                if child.get("shouldDisplay") is False or child["commandName"] == "help":
                    continue
                here = path + [child["commandName"]]
                assert f".SS celltop {' '.join(here)} " in plain or f".SS celltop {' '.join(here)}\n" in plain, here
                for argument in child.get("arguments", []):
                    for name in argument.get("names", []):
                        if argument["shouldDisplay"] and name["kind"] == "long" and name["name"] not in ("help", "version"):
                            assert f"--{name['name']}" in plain, (here, name)
                check(child, here)

        check(tree["command"], [])
        # Every variable that the program reads is told.
        sources = "".join(path.read_text() for path in (ROOT / "Sources").rglob("*.swift"))
        variables = set(re.findall(r'environment\["((?:CELLTOP|XDG)_[A-Z_]+)"\]', sources))
        assert len(variables) >= 12
        for name in variables:
            assert f"\n.B {name}\n" in plain, name
        if shutil.which("groff"):
            done = subprocess.run(
                ["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, capture_output=True, text=True)
            assert done.returncode == 0 and not done.stderr, done.stderr[:2000]

    def test_installing_puts_every_file_in_its_place(self, tmp_path):
        subprocess.run([TOOL, "manual", "--install", str(tmp_path)], check=True, capture_output=True)
        for path, word in (
            ("share/man/man1/celltop.1", ".TH CELLTOP 1"), ("share/bash-completion/completions/celltop", "complete"),
            ("share/zsh/site-functions/_celltop", "#compdef celltop"),
            ("share/fish/vendor_completions.d/celltop.fish", "complete -c"),
        ):
            assert word in (tmp_path / path).read_text()
        script = tmp_path / "share/bash-completion/completions/celltop"
        assert subprocess.run(["bash", "-n", str(script)]).returncode == 0

    def test_completions_know_notebooks_and_policies(self, serve, kernels, tmp_path):
        server = serve("--cores", "0")
        book(kernels, tmp_path, "churn")
        until(lambda: server.notebooks(), what="a notebook")

        def complete(*words):
            line = "source " + str(tmp_path / "share/bash-completion/completions/celltop") + f"""
COMP_WORDS=({' '.join(words)} '') COMP_CWORD={len(words)} COMP_LINE="{' '.join(words)} "
COMP_POINT=${{#COMP_LINE}} COMP_TYPE=9
_celltop 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
            return subprocess.run(
                ["bash", "-c", line], capture_output=True, text=True,
                env=server.environment(PATH=os.path.dirname(TOOL) + ":" + os.environ["PATH"])).stdout.split()

        subprocess.run([TOOL, "manual", "--install", str(tmp_path)], check=True, capture_output=True)
        assert "dynamic" in complete("celltop", "ctl", "policy")
        assert "churn" in complete("celltop", "ctl", "hold", "on")


@pytest.mark.parametrize("words", [["themes"], ["keys"]])
def test_what_cannot_be_written_is_said_and_fails(words, tmp_path):
    """A script that prints into a file on a full disk must not take a part for all of it."""
    environment = {**os.environ, "HOME": str(tmp_path)}
    with open("/dev/full", "w") as full:
        done = subprocess.run([TOOL, *words], env=environment, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1 and "cannot write to standard output" in done.stderr


def test_what_cannot_be_complained_of_ends_as_it_would():
    """As on a terminal that is gone: the demonstration must still end its kernels."""
    with open("/dev/full", "w") as full:
        assert subprocess.run([TOOL, "nothing-of-the-kind"], stderr=full, timeout=60).returncode == 2
