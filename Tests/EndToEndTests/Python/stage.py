"""A server of its own, and gates without kernels, for tests of `celltop serve` and `celltop ctl`."""

import json
import os
import socket
import subprocess

import pytest
from conftest import PATIENCE, ROOT, until

TOOL = os.path.abspath(os.environ.get("CELLTOP_TOOL", ROOT / ".build/debug/celltop"))


class Server:
    """A server of its own in a folder of its own."""

    def __init__(self, folder, *arguments, config=None, shared=False, before=None):
        self.folder = folder
        folder.mkdir(mode=0o755, exist_ok=True)
        self.socket = str(folder / "engine.sock")
        self.arguments = [TOOL, "serve", "--socket", self.socket, *arguments]
        self.environment = {
            **os.environ, "HOME": str(folder), "CELLTOP_HISTORY": str(folder / "history.sqlite"),
            "XDG_CONFIG_HOME": str(folder / "config"), "XDG_STATE_HOME": str(folder / "state"), "CELLTOP_CGROUPS": "off",
        }
        self.environment.pop("CELLTOP_CONFIG", None)
        self.environment.pop("CELLTOP_SOCKET", None)
        if config:
            (folder / "config" / "celltop").mkdir(parents=True, exist_ok=True)
            (folder / "config" / "celltop" / "config.toml").write_text(config)
        self.before = before
        self.start()

    def start(self):
        self.log = open(self.folder / "log.txt", "ab")
        self.process = subprocess.Popen(
            self.arguments, env=self.environment, stderr=self.log, stdin=subprocess.DEVNULL, preexec_fn=self.before)
        until(self.answers, what="the server's answer")

    def answers(self):
        assert self.process.poll() is None, (self.folder / "log.txt").read_text()
        try:
            probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            probe.connect(self.socket)
            probe.close()
            return True
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(PATIENCE)


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path / "server")
    yield made
    made.stop()


class Gate:
    """A gate without a kernel, as the page describes one."""

    def __init__(self, path, name, running=None, kernel=0, waiting=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        hello = {
            "version": 1, "pid": os.getpid(), "kernelPid": kernel, "gate": name, "path": f"/x/{name}.ipynb",
            "connection": "k.json", "backlog": 0, "isReady": True,
        }
        if running:
            hello["running"] = running
        if waiting:
            hello["waiting"] = waiting
        self.send({"hello": {"_0": hello}})

    def send(self, message):
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def submit(self, key):
        self.send({"submitted": {"_0": {"key": key, "codeHash": key}}})

    def hear(self, name):
        for line in self.file:
            message = json.loads(line)
            if name in message:
                return message[name]
        raise ConnectionError("hung up")

    def close(self):
        # Both: the file keeps the descriptor open.
        self.file.close()
        self.socket.close()
