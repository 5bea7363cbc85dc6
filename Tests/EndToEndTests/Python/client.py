"""A client of a celltop server, written from Docs/PROTOCOL.md alone: no other part of celltop was looked at for it.

    client = Client("/run/user/1000/celltop/engine.sock", stream="entries")
    client.follow(lambda c: c.report["running"] > 0)
    client.command({"hold": {"notebook": 0}})
"""

import json
import random
import socket
import time


class Refused(Exception):
    """The server does not want this client, and why."""


class Gap(Exception):
    """The sequence of entries has one: attach anew."""


class Client:
    def __init__(self, path, stream="none", name="client.py", versions=(1,), read_only=False, seconds=6.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        self.socket.connect(path)
        self.unread = b""
        self.inbox = []
        self.report, self.sequence, self.entries, self.snapshots = None, None, [], []
        attach = {"versions": list(versions), "client": name, "stream": stream}
        if read_only:
            attach["readOnly"] = True
        self.send({"attach": attach})
        kind, self.welcome = self.receive()
        if kind == "unwelcome":
            raise Refused(self.welcome["why"])
        assert kind == "welcome", kind

    def send(self, message):
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self):
        """The next message as (name, particulars); signs of life are answered and passed over."""
        while True:
            while b"\n" not in self.unread:
                chunk = self.socket.recv(1 << 16)
                if not chunk:
                    raise ConnectionError("the server hung up")
                self.unread += chunk
            line, self.unread = self.unread.split(b"\n", 1)
            message = json.loads(line)
            name = next(iter(message))
            if name == "ping":
                self.send({"pong": {}})
                continue
            return name, message[name]

    def _take(self, name, what):
        if name == "snapshot":
            self.report, self.sequence = what["report"], what["sequence"]
            self.snapshots.append(what["why"])
        elif name == "tail":
            if what["first"] != self.sequence + 1:
                raise Gap(f"{what['first']} follows {self.sequence}")
            for number, entry in enumerate(what["entries"], what["first"]):
                if entry["sequence"] != number:
                    raise Gap(f"{entry['sequence']} stands where {number} belongs")
            self.entries += what["entries"]
            self.sequence = what["last"]

    def follow(self, wanted, seconds=20.0):
        """Follows the stream until `wanted(self)`."""
        end = time.monotonic() + seconds
        while not wanted(self):
            assert time.monotonic() < end, "what was waited for did not come"
            self._take(*self.receive())

    def command(self, verb, key=None, why=None, instance=None):
        """Gives an order and waits for its answer."""
        order = {"key": key or random.randint(1, 2**53 - 1), "verb": verb}
        if why:
            order["why"] = why
        if instance:
            order["instance"] = instance
        self.send({"command": order})
        while True:
            name, what = self.receive()
            if name == "answer" and what["key"] == order["key"]:
                return what
            self._take(name, what)

    def status(self):
        self.send({"status": {"id": 1}})
        while True:
            name, what = self.receive()
            if name == "status":
                return what["report"]
            self._take(name, what)

    def ask(self, kind, **question):
        """Asks a question (`preview`, `processes`) and waits for its answer."""
        assert kind in self.welcome.get("answers", []), f"the server does not answer {kind}"
        question["id"] = random.randint(1, 2**53 - 1)
        self.send({kind: question})
        while True:
            name, what = self.receive()
            if name == kind and what["id"] == question["id"]:
                return what
            self._take(name, what)

    def close(self):
        self.socket.close()
