"""`celltop serve` as other programs find it: a client in another language, roles of other users, restarts, descriptors."""

import json
import os
import pathlib
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from conftest import PATIENCE, until
from stage import TOOL, Gate, Server, server  # noqa: F401

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from client import Client, Refused  # noqa: E402


def test_a_client_from_the_page_alone(server):
    client = Client(server.socket, stream="entries")
    assert client.welcome["role"] == "operator" and client.welcome["version"] == 1
    gate = Gate(server.socket, "churn")
    gate.submit(1)
    gate.hear("grant")
    client.follow(lambda c: any(e["event"] == "cellStarted" for e in c.entries))
    assert client.snapshots == ["attached"]
    answer = client.command({"priority": {"notebook": 0, "value": 5}}, key=41, why="noon")
    assert answer["accepted"] and answer["sequence"] > 0
    assert client.command({"priority": {"notebook": 0, "value": 5}}, key=41, why="once more") == answer
    other = client.command({"priority": {"notebook": 0, "value": 9}}, key=41)
    assert not other["accepted"] and other["cause"] == "alreadyTaken" and "(priority 5 for churn), which was done" in other["text"]
    report = client.status()
    assert report["notebooks"][0]["priority"] == 5 and report["notebooks"][0]["state"] == "running"
    refused = client.command({"suspend": {"notebook": 0, "cell": 99}})
    assert not refused["accepted"] and refused["cause"] == "stale"
    client.command({"interrupt": {"notebook": 0, "cell": 1}})
    assert gate.hear("interrupt")["key"] == 1
    # The history has it all, under the name of the socket's user.
    client.follow(lambda c: any(e["event"] == "commandAccepted" for e in c.entries))
    with pytest.raises(Refused, match="speaks version 1 of the clients' protocol"):
        Client(server.socket, versions=[7])


def test_questions(server):
    gate = Gate(server.socket, "churn", kernel=os.getpid())
    gate.submit(1)
    gate.hear("grant")
    client = Client(server.socket, stream="entries")
    looked = client.ask("preview", verbs=[{"suspend": {"notebook": 0, "cell": 1}}])
    assert looked["refusals"] == [] and looked["horizon"] > 0 and looked["unknown"] == 1, looked
    assert looked["after"]["waitMean"] >= looked["before"]["waitMean"]
    assert client.status()["notebooks"][0]["state"] == "running", "nothing was ordered"
    refused = client.ask("preview", verbs=[{"hold": {"notebook": 77}}])
    assert refused["refusals"][0]["cause"] == "unknownNotebook", refused
    seen = client.ask("processes", notebook=0)
    # The gate is this process: its kernel, too.
    assert seen["rows"][0]["pid"] == os.getpid() and seen["rows"][0]["memory"] > 0 and "why" not in seen, seen
    assert client.ask("processes", notebook=77)["why"] == "there is no notebook 77"
    looker = Client(server.socket, read_only=True)
    assert looker.ask("preview", verbs=[{"hold": {"notebook": 0}}])["refusals"][0]["cause"] == "notAllowed"


def test_the_screen_once_is_the_servers(server):
    gate = Gate(server.socket, "churn")
    gate.submit(1)
    gate.hear("grant")

    def tool(*arguments):
        environment = {**server.environment, "CELLTOP_SOCKET": server.socket}
        return subprocess.run([TOOL, *arguments], env=environment, capture_output=True, text=True, timeout=60)

    facts = json.loads(tool("--json").stdout)
    assert [(n["name"], n["state"]) for n in facts["notebooks"]] == [("churn", "running")]
    assert facts["sequence"] > 0
    once = tool("--once", "--size", "100x30")
    assert once.returncode == 0 and "churn" in once.stdout and "LIVE" in once.stdout, once
    # ctl takes what the console's command line takes: beginnings of words, and other words for them.
    for words, state in [(["hol", "on", "churn"], True), (["rel", "on", "chu"], False), (["HOLD", "on", "#0"], True)]:
        done = tool("ctl", *words)
        assert done.returncode == 0, done
        assert json.loads(tool("--json").stdout)["notebooks"][0]["isHeld"] is state, words
    assert tool("ctl", "un", "on", "churn").returncode == 2, "unpin or undrain"
    listed = tool("ctl", "processes", "churn", "--json")
    assert json.loads(listed.stdout)[0]["notebook"] == 0, listed


def test_an_operator_ends_it_and_says_why(server):
    client, watching = Client(server.socket), Client(server.socket, stream="entries")
    client.send({"stop": {}})
    with pytest.raises(ConnectionError):
        while True:
            name, what = watching.receive()
            if name == "ending":
                assert "ended it" in what["why"]
    assert server.process.wait(PATIENCE) == 0
    assert not os.path.exists(server.socket)


def test_one_server_a_socket(server):
    second = subprocess.run(server.arguments, env=server.environment, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1 and "another celltop's engine listens at" in second.stderr


def test_killed_and_started_again(server):
    gate = Gate(server.socket, "churn")
    gate.submit(1)
    cores = gate.hear("grant")["cores"]
    client = Client(server.socket)
    first = client.command({"priority": {"notebook": 0, "value": 7}}, key=4711)
    instance = client.welcome["instance"]
    session = until(lambda: Client(server.socket).welcome["session"], what="a recorded session")
    server.kill()
    gate.close()
    server.start()
    back = Gate(server.socket, "churn", running={
        "submission": {"key": 1, "codeHash": 1}, "ranSeconds": 2.0, "cores": cores, "suspended": False})
    back.hear("welcome")
    client = Client(server.socket)
    assert client.welcome["instance"] != instance
    report = until(lambda: client.status() if client.status()["running"] == 1 else None, what="the adoption")
    assert report["notebooks"][0]["cores"] == cores and report["notebooks"][0]["priority"] == 7
    late = client.command({"hold": {"notebook": 0}}, instance=instance)
    assert late["cause"] == "stale"
    # An order that was obeyed before the crash is not obeyed again: it gets its first answer.
    client.command({"priority": {"notebook": 0, "value": 3}})
    assert client.command({"priority": {"notebook": 0, "value": 7}}, key=4711, instance=instance) == first
    assert client.status()["notebooks"][0]["priority"] == 3
    shown = subprocess.run([TOOL, "history", "list"], env=server.environment, capture_output=True, text=True, timeout=60)
    assert f"continues session {session}" in shown.stdout, shown.stdout
    # One session is told alike by whoever tells of it.
    told = subprocess.run(
        [TOOL, "ctl", "history", "--socket", server.socket], env=server.environment, capture_output=True, text=True,
        timeout=60)
    for text in (shown.stdout, told.stdout):
        assert "goes on" in text and "cut short" in text and "orders" in text.lower() and "state" in text.lower(), text


def test_descriptors_run_out(tmp_path):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    server = Server(tmp_path / "server", before=few)
    try:
        gate = Gate(server.socket, "churn")
        gate.hear("welcome")
        crowd = []
        for _ in range(100):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            one.setblocking(False)
            try:
                one.connect(server.socket)
                one.sendall(b'{"attach":{"versions":[1],"client":"crowd","stream":"none"}}\n')
            except OSError:
                pass
            crowd.append(one)
        heard = dict.fromkeys(crowd, b"")

        def told():
            for one in crowd:
                try:
                    heard[one] += one.recv(4096)
                except OSError:
                    pass
            refused = [number for number, one in enumerate(crowd) if b"no descriptor left" in heard[one]]
            # Those who came before the first of them have been taken.
            return refused and all(b"\n" in heard[one] for one in crowd[: refused[0]])

        until(told, what="that somebody is told")
        # However few descriptors were left, nobody was taken for somebody else.
        users = {json.loads(text.split(b"\n")[0])["welcome"]["user"] for text in heard.values() if b'"welcome"' in text}
        assert users == {pwd.getpwuid(os.getuid()).pw_name}
        gate.submit(1)
        gate.hear("grant")
        for one in crowd:
            one.close()

        def is_served():
            try:
                return Client(server.socket).status()["running"] == 1
            except (Refused, OSError):
                return False

        until(is_served, what="a new client")
    finally:
        server.stop()


@pytest.mark.skipif(os.getuid() != 0, reason="skipped: needs root, to be other users")
class TestOtherUsers:
    """One server for all, and what other users may do with it."""

    @pytest.fixture
    def serve(self, tmp_path):
        """Starts a server with a configuration, which everybody can reach."""
        tmp_path.chmod(0o755)
        for folder in tmp_path.parents:
            if folder == pathlib.Path("/tmp"):
                break
            folder.chmod(folder.stat().st_mode | 0o055)
        servers = []

        def start(config):
            servers.append(Server(tmp_path / "server", config=config))
            os.chmod(servers[-1].socket, 0o666)
            return servers[-1]

        yield start
        for made in servers:
            made.stop()

    @pytest.fixture
    def shared(self, serve):
        return serve('[access]\nobservers = ["games"]\neveryone = "author"\n')

    def as_user(self, name, body, *arguments):
        """Runs a Python text as a user; what it prints is JSON."""
        import pwd

        entry = pwd.getpwnam(name)
        # The interpreter and this folder need not be theirs to read: the text brings the client along.
        text = pathlib.Path(__file__).with_name("client.py").read_text() + "\n" + body
        result = subprocess.run(
            ["/usr/bin/python3", "-", *arguments], input=text, capture_output=True, text=True, timeout=60,
            user=entry.pw_uid, group=entry.pw_gid, extra_groups=[], cwd="/")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    @pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="skipped: no /usr/bin/python3 for other users")
    def test_roles(self, shared):
        gate = Gate(shared.socket, "secret")
        gate.submit(1)
        gate.hear("grant")
        body = """
import sys
c = Client(sys.argv[1])
print(json.dumps({"welcome": c.welcome, "report": c.status(), "hold": c.command({"hold": {"notebook": 0}}),
                  "drain": c.command({"drain": {"node": 0, "cores": "0"}}), "processes": c.ask("processes", notebook=0),
                  "preview": c.ask("preview", verbs=[{"hold": {"notebook": 0}}])}))
"""
        author = self.as_user("nobody", body, shared.socket)
        assert author["welcome"]["role"] == "author" and author["welcome"]["isVeiled"] and author["welcome"]["user"] == "nobody"
        assert "history" not in author["welcome"]
        assert author["report"]["notebooks"][0]["path"] == "notebook-0"
        assert author["hold"]["text"] == "it is root's notebook: you may order your own about"
        assert author["drain"]["text"].endswith("only an operator may say so")
        assert "its author's and the operators' to see" in author["processes"]["why"] and author["processes"]["rows"] == []
        assert author["preview"]["refusals"][0]["text"] == author["hold"]["text"]
        observer = self.as_user("games", body, shared.socket)
        assert observer["welcome"]["role"] == "observer"
        assert observer["hold"]["text"] == "you are an observer here: you may look, and order nothing"

    @pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="skipped: no /usr/bin/python3 for other users")
    def test_nobody_speaks_for_another_users_kernel(self, shared):
        body = """
import os, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); s.connect(sys.argv[1])
hello = {"version": 1, "pid": os.getpid(), "kernelPid": int(sys.argv[2]), "gate": "x", "connection": "k", "backlog": 0}
s.sendall(json.dumps({"hello": {"_0": hello}}).encode() + b"\\n")
print(s.makefile().readline())
"""
        answer = self.as_user("nobody", body, shared.socket, str(os.getpid()))
        assert answer["unwelcome"]["why"] == f"process {os.getpid()} is not a kernel of the gate's user"
        assert Client(shared.socket).status()["notebooks"] == []


    @pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="skipped: no /usr/bin/python3 for other users")
    def test_who_connects_without_end_is_slowed_and_operators_are_not(self, serve):
        server = serve("[limits]\nconnections_per_user = 20\nconnections_per_second = 1\n")
        body = """
import sys
told, taken = None, 0
for _ in range(400):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); s.connect(sys.argv[1])
    try:
        s.sendall(b'{"attach":{"versions":[1],"client":"loop","stream":"none"}}\\n')
    except OSError:
        pass
    message = json.loads(s.makefile().readline())
    s.close()
    taken += "welcome" in message
    if "too often" in message.get("unwelcome", {}).get("why", ""):
        told = message["unwelcome"]
        break
print(json.dumps({"told": told, "taken": taken}))
"""
        seen = self.as_user("nobody", body, server.socket)
        assert seen["told"] == {"why": "nobody connects too often: more than 1 times a second", "retrySeconds": 1}, seen
        assert seen["taken"] >= 15, seen
        # Nobody else is kept out by it, and operators are never.
        for _ in range(40):
            client = Client(server.socket)
            assert client.welcome["role"] == "operator"
            client.close()
        assert self.as_user("games", "import sys\nprint(json.dumps(Client(sys.argv[1]).welcome))", server.socket)["user"] == "games"


@pytest.mark.parametrize("level, heard, unheard", [
    ("debug", ["serving", "a notebook opened", "queued"], []),
    ("info", ["serving", "a notebook opened"], ["queued"]),
    ("notice", ["serving"], ["a notebook opened", "queued"]),
    ("error", [], ["serving", "a notebook opened", "queued"]),
])
@pytest.mark.parametrize("by_variable", [False, True], ids=["option", "variable"])
def test_the_log_says_what_its_level_lets_through(tmp_path, monkeypatch, level, heard, unheard, by_variable):
    monkeypatch.setenv("CELLTOP_LOG_LEVEL", level if by_variable else "trace")
    server = Server(tmp_path / "server", *([] if by_variable else ["--log-level", level]))
    gate = Gate(server.socket, "churn")
    gate.submit(1)
    gate.hear("grant")
    # What was to be said has been said once it has ended.
    server.stop()
    log = (server.folder / "log.txt").read_text()
    assert all(words in log for words in heard) and not any(words in log for words in unheard), log


def test_a_log_level_that_there_is_not_is_told(tmp_path):
    done = subprocess.run(
        [TOOL, "serve", "--socket", str(tmp_path / "x.sock"), "--log-level", "loud"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "cannot read the log level 'loud': write trace, debug" in done.stderr, done


PRIVATE_RUN = ["unshare", "-m", "sh", "-c", 'mount --make-rprivate / && mount -t tmpfs none /run && exec "$0" "$@"']


@pytest.mark.skipif(os.getuid() != 0, reason="skipped: needs root, for a /run of its own and to be another user")
def test_one_server_for_all_users(tmp_path):
    """In a namespace with a /run of its own: nothing is opened in this machine's."""
    import pwd

    if subprocess.run([*PRIVATE_RUN, "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace can be made here (a container needs CAP_SYS_ADMIN for it)")
    server = Server.__new__(Server)
    server.folder = tmp_path / "server"
    server.folder.mkdir()
    server.before = None
    server.arguments = [*PRIVATE_RUN, TOOL, "serve", "--shared"]
    server.environment = {
        **os.environ, "HOME": str(server.folder), "CELLTOP_HISTORY": str(server.folder / "history.sqlite"),
        "XDG_CONFIG_HOME": str(server.folder), "CELLTOP_CGROUPS": "off"}
    for name in ["CELLTOP_SOCKET", "CELLTOP_CONFIG", "XDG_RUNTIME_DIR"]:
        server.environment.pop(name, None)

    def inside(*command, **options):
        return subprocess.run(
            ["nsenter", "-t", str(server.process.pid), "-m", "--wd=/", *command], capture_output=True, text=True, timeout=60,
            **options)

    def answers():
        # The same socket as it is seen from outside, once the process has its own /run.
        server.socket = f"/proc/{server.process.pid}/root/run/celltop/engine.sock"
        return Server.answers(server)

    server.answers, was_there = answers, os.path.exists("/run/celltop")
    try:
        server.start()
        assert oct(os.stat(server.socket).st_mode & 0o777) == "0o666"
        nobody = pwd.getpwnam("nobody")
        text = pathlib.Path(__file__).with_name("client.py").read_text() + (
            "\nprint(Client('/run/celltop/engine.sock').welcome['role'])\n")
        result = inside(
            "setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups",
            shutil.which("python3", path="/usr/bin"), "-c", text)
        assert result.stdout == "author\n", result
        found = inside(TOOL, "ctl", "status", env={**server.environment, "XDG_RUNTIME_DIR": str(tmp_path)})
        assert found.returncode == 0, found
        assert os.path.exists("/run/celltop") == was_there
    finally:
        server.stop()


class Terminal:
    """A console on a terminal of its own, under tmux."""

    def __init__(self, folder, name, *arguments):
        self.name = f"celltop-server-{os.getpid()}-{name}"
        folder.mkdir(exist_ok=True)
        run = folder / "run"
        run.mkdir(mode=0o700, exist_ok=True)
        self.socket = str(run / "celltop" / "engine.sock")
        environment = {
            "HOME": str(folder), "XDG_RUNTIME_DIR": str(run), "XDG_DATA_HOME": str(folder / "data"),
            "XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config"), "LC_ALL": "C.UTF-8",
            "TERM": "tmux-256color", "CELLTOP_CGROUPS": "off",
        }
        exports = " ".join(f"{k}={v}" for k, v in environment.items())
        command = f"env -u CELLTOP_SOCKET -u CELLTOP_HISTORY -u CELLTOP_CONFIG {exports} {TOOL} {' '.join(arguments)}"
        self.tmux(
            "set-option", "-g", "default-terminal", "tmux-256color", ";", "new-session", "-d", "-x", "120", "-y", "40",
            f"{command}; echo RC=$?; exec cat")

    def tmux(self, *arguments):
        result = subprocess.run(
            ["tmux", "-L", self.name, "-f", "/dev/null", *arguments], capture_output=True, text=True, timeout=30)
        return result.stdout

    def shows(self, text):
        try:
            until(lambda: text in self.tmux("capture-pane", "-p"), what=text)
        except AssertionError:
            raise AssertionError(f"{text!r} is not on the screen:\n{self.tmux('capture-pane', '-p')}") from None

    def type(self, *keys):
        for key in keys:
            self.tmux("send-keys", key)

    def pids(self, word):
        """The processes of this terminal's folder whose command line has a word."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                line = (entry / "cmdline").read_bytes().split(b"\0")
                around = (entry / "environ").read_bytes()
            except OSError:
                continue
            runs = f"XDG_RUNTIME_DIR={os.path.dirname(os.path.dirname(self.socket))}".encode()
            if line[0].endswith(b"celltop") and (word.encode() in line) and runs in around.split(b"\0"):
                found.append(int(entry.name))
        return found

    def end(self):
        self.tmux("kill-server")


def listens(path):
    try:
        Client(path).close()
        return True
    except OSError:
        return False


def test_options_of_a_server_change_nothing_beside_one_that_runs_and_that_is_told(tmp_path):
    first = Terminal(tmp_path, "first", "live", "--policy", "fcfs")
    second = None
    try:
        # The one that starts the server says nothing: its options hold.
        first.shows("LIVE")
        assert Client(first.socket).status()["policy"] == "fcfs"
        assert "changed nothing" not in first.tmux("capture-pane", "-p")
        second = Terminal(tmp_path, "second", "live", "--policy", "sjf", "--cores", "0")
        second.shows("a server runs already: --policy, --cores changed nothing; O switches the policy")
        assert Client(first.socket).status()["policy"] == "fcfs"
        second.type("q")
        second.shows("RC=0")
        first.type("q")
        first.shows("leave?")
        first.type("y")
        first.shows("RC=0")
        until(lambda: not listens(first.socket), what="the server's end")
    finally:
        first.end()
        if second:
            second.end()


def test_consoles_attach_detach_and_end(tmp_path):
    first = Terminal(tmp_path, "first", "live")
    second = None
    try:
        first.shows("LIVE")
        second = Terminal(tmp_path, "second", "live")
        second.shows("LIVE")
        gate = Gate(first.socket, "churn")
        gate.submit(1)
        gate.hear("grant")
        for screen in (first, second):
            screen.shows("churn")
        second.type("h")
        second.shows("churn held")
        second.type("z")
        second.shows("undone: churn held")
        second.type("w")
        second.shows("churn")
        second.type("Enter")
        # A console that attached leaves without a word, and changes nothing.
        second.type("q")
        second.shows("RC=0")
        assert listens(first.socket)
        # The one that started the server is asked, and lets it go on.
        first.type("q")
        first.shows("leave?")
        first.type("d")
        first.shows("RC=0")
        time.sleep(0.5)
        assert listens(first.socket) and Client(first.socket).status()["running"] == 1
        third = Terminal(tmp_path, "third", "live", "--read-only")
        try:
            third.shows("ro:")
            third.type("h")
            third.shows("this console is read-only")
            # The server is killed: the screen says so, and that it is back once it is.
            for pid in third.pids("serve"):
                os.kill(pid, signal.SIGKILL)
            third.shows("SERVER AWAY")
            fourth = Terminal(tmp_path, "fourth", "live")
            try:
                fourth.shows("LIVE")
                until(lambda: "SERVER AWAY" not in third.tmux("capture-pane", "-p"), what="that it is back")
                third.type("q")
                third.shows("RC=0")
                fourth.type("q")
                fourth.shows("leave?")
                fourth.type("y")
                fourth.shows("RC=0")
                until(lambda: not listens(first.socket), what="the server's end")
            finally:
                fourth.end()
        finally:
            third.end()
    finally:
        first.end()
        if second:
            second.end()


def test_a_killed_console_takes_the_server_that_was_started_for_it_along(tmp_path):
    console = Terminal(tmp_path, "killed", "live")
    try:
        console.shows("LIVE")
        assert listens(console.socket)
        for pid in console.pids("live"):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not listens(console.socket), what="the server's end")
        until(lambda: not console.pids("serve"), what="the end of the server's process")
    finally:
        console.end()
