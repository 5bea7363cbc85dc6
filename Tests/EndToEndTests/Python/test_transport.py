"""Sockets: encryption, ipc, VS Code's way of starting kernels, subscriptions, and ports that somebody else takes first."""

import json
import os
import pathlib
import queue
import signal
import stat
import subprocess
import sys
import textwrap
import time

import ipykernel
import jupyter_client
import pytest
import zmq
from conftest import GATE, PATIENCE, Kernel, alive, until
from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from jupyter_client.manager import KernelManager


def version(module):
    return tuple(int(part) for part in module.__version__.split(".")[:2])


def test_nobody_else_can_read_the_kernels_connection_file(kernels):
    """Over TCP as well: its key is all that keeps others from the kernel."""
    inside = pathlib.Path(kernels().run("import ipykernel; print(ipykernel.get_connection_file())")[1].strip())
    assert stat.S_IMODE(inside.stat().st_mode) == 0o600
    assert stat.S_IMODE(inside.parent.stat().st_mode) == 0o700


def test_a_connection_under_a_known_identity_takes_its_place(kernels):
    """As a server makes one that reconnects before the old connection is seen to be gone (ROUTER_HANDOVER)."""
    kernel = kernels()
    file = json.loads(pathlib.Path(kernel.manager.connection_file).read_text())
    context = zmq.Context()

    def asks():
        made = context.socket(zmq.DEALER)
        made.linger = 0
        made.identity = b"the-same-client"
        made.connect(f"tcp://{file['ip']}:{file['shell_port']}")
        request = kernel.client.session.send(made, "kernel_info_request")
        assert made.poll(PATIENCE * 1000), "an answer"
        _, frames = kernel.client.session.feed_identities(made.recv_multipart())
        answer = kernel.client.session.deserialize(frames)
        assert answer["parent_header"]["msg_id"] == request["header"]["msg_id"]
        return made

    sockets = [asks() for _ in range(3)]
    for old in sockets[:-1]:
        assert not old.poll(0)
    for made in sockets:
        made.close()
    context.term()


def client_of(path):
    client = BlockingKernelClient()
    client.load_connection_file(str(path))
    client.start_channels()
    return client


def output_of(client, code, seconds=PATIENCE):
    text = []
    reply = client.execute_interactive(
        code, timeout=seconds,
        output_hook=lambda m: text.append(m["content"]["text"]) if m["msg_type"] == "stream" else None)
    return reply["content"]["status"], "".join(text)


@pytest.mark.skipif(
    version(jupyter_client) < (8, 9) or version(ipykernel) < (7, 3), reason="CURVE needs jupyter_client 8.9 and ipykernel 7.3")
class TestEncryption:
    @pytest.fixture
    def encrypted(self, spec_directory):
        started = []

        def start(name):
            path = spec_directory / "kernels" / name / "kernel.json"
            spec = json.loads(path.read_text())
            spec["metadata"]["supported_encryption"] = ["curve"]
            path.write_text(json.dumps(spec))
            manager = KernelManager(kernel_name=name, transport_encryption="required")
            manager.start_kernel(stderr=None)
            client = manager.client()
            client.start_channels()
            started.append((manager, client))
            client.wait_for_ready(timeout=PATIENCE)
            return manager, client

        yield start
        for manager, client in started:
            client.stop_channels()
            manager.shutdown_kernel(now=True)

    @pytest.mark.parametrize("name", ["direct", "gated"])
    def test_both_sides_are_encrypted(self, encrypted, name):
        manager, client = encrypted(name)
        assert output_of(client, "print(6 * 7)") == ("ok", "42\n")
        until(client.hb_channel.is_beating, what="a heartbeat")
        own = json.loads(output_of(
            client, "import ipykernel; print(open(ipykernel.get_connection_file()).read())")[1])
        assert own["curve_publickey"] and own["curve_secretkey"]
        # Without the keys nobody hears anything, in front or behind.
        context = zmq.Context()
        for port in {own["iopub_port"], manager.iopub_port}:
            deaf = context.socket(zmq.SUB)
            deaf.linger, deaf.rcvtimeo = 0, 500
            deaf.subscribe(b"")
            deaf.connect(f"tcp://127.0.0.1:{port}")
            client.execute("print('secret')")
            with pytest.raises(zmq.Again):
                deaf.recv_multipart()
            deaf.close()
        context.term()


class TestIpc:
    def test_front_and_back_are_sockets_that_only_their_user_may_enter(self, engine, spec_directory):
        engine.auto = "0"
        manager = KernelManager(kernel_name="gated", transport="ipc")
        # unix(7): a socket's path is short.
        directory = pathlib.Path(subprocess.check_output(["mktemp", "-d", "/tmp/celltop-ipc-XXXX"], text=True).strip())
        manager.connection_file = str(directory / "k.json")
        manager.ip = str(directory / "s")
        manager.start_kernel(stderr=None)
        client = manager.client()
        try:
            client.start_channels()
            client.wait_for_ready(timeout=PATIENCE)
            assert output_of(client, "print(6 * 7)") == ("ok", "42\n")
            until(client.hb_channel.is_beating, what="a heartbeat")
            own = json.loads(output_of(
                client, "import ipykernel; print(open(ipykernel.get_connection_file()).read())")[1])
            assert own["transport"] == "ipc" and own["ip"] != manager.ip
            inside = pathlib.Path(own["ip"]).parent
            assert stat.S_IMODE(inside.stat().st_mode) == 0o700
            manager.restart_kernel()
            client.wait_for_ready(timeout=PATIENCE)
            assert output_of(client, "print('again')") == ("ok", "again\n")
        finally:
            client.stop_channels()
            manager.shutdown_kernel()
        until(lambda: not inside.exists(), what="the private directory's removal")
        subprocess.run(["rm", "-r", str(directory)], check=True)


class TestVSCode:
    """It substitutes `{connection_file}` in the first argument that has it, and signals the process alone."""

    @pytest.fixture
    def started(self, spec_directory):
        path = str(spec_directory / "v s" / "kernel-v2-1.json")
        os.makedirs(os.path.dirname(path))
        write_connection_file(path)
        command = [GATE, "-f", path, "--", sys.executable, "-m", "ipykernel_launcher", "--f={connection_file}"]
        process = subprocess.Popen(command, start_new_session=True)
        client = client_of(path)
        client.wait_for_ready(timeout=PATIENCE)
        yield process, client
        client.stop_channels()
        process.kill()
        process.wait()

    def test_the_kernel_finds_its_file(self, started):
        _, client = started
        own = output_of(client, "import ipykernel; print(ipykernel.get_connection_file())")[1].strip()
        assert os.path.basename(own) == "kernel-v2-1.json" and own != client.connection_file

    def test_signals_to_the_process_alone_reach_the_kernel(self, started, tmp_path):
        process, client = started
        kernel = Kernel.__new__(Kernel)
        kernel.client = client
        for _ in range(5):
            request = kernel.begin("import time\ntime.sleep(60)", tmp_path / "mark")
            os.kill(process.pid, signal.SIGINT)
            assert kernel.reply(request)["content"]["ename"] == "KeyboardInterrupt"
        pid = int(output_of(client, "import os; print(os.getpid())")[1])
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(PATIENCE) == -signal.SIGTERM
        until(lambda: not alive(pid))


@pytest.mark.parametrize("through", ["celltop-gate", "celltop gate"])
def test_a_connection_file_whose_path_is_not_utf8(spec_directory, through):
    """Python's own kernel and client take such a path; so do the gate and its arguments for the kernel."""
    folder = os.fsdecode(os.fsencode(str(spec_directory)) + b"/andr\xe9")
    os.makedirs(folder)
    path = f"{folder}/kernel-1.json"
    write_connection_file(path)
    program = [GATE] if through == "celltop-gate" else [os.path.join(os.path.dirname(GATE), "celltop"), "gate"]
    odd = os.fsdecode(b"--IPKernelApp.log_format=\xe9%(message)s")
    command = [*program, "-f", path, "--", sys.executable, "-m", "ipykernel_launcher", "-f", path, odd]
    process = subprocess.Popen(command, start_new_session=True)
    client = client_of(path)
    try:
        client.wait_for_ready(timeout=PATIENCE)
        code = "import sys, os; print([list(os.fsencode(word)) for word in sys.orig_argv[-2:]])"
        own, last = json.loads(output_of(client, code)[1])
        assert bytes(own).endswith(b"/kernel-1.json") and bytes(own) != os.fsencode(path)
        assert bytes(last) == os.fsencode(odd)
    finally:
        client.stop_channels()
        process.kill()
        process.wait()


def test_a_cell_that_is_held_before_the_kernel_speaks_is_busy_in_the_kernel_s_session(engine, spec_directory, latch):
    """To JupyterLab another session is another kernel. The kernel begins when it is let, and speaks after the cell was held."""
    file = spec_directory / "kernels/gated/kernel.json"
    spec = json.loads(file.read_text())
    behind = spec["argv"].index("--") + 1
    wait = ["sh", "-c", f'while [ ! -e "{latch.path}" ]; do sleep 0.01; done; exec "$@"', "sh"]
    file.write_text(json.dumps(spec | {"argv": spec["argv"][:behind] + wait + spec["argv"][behind:]}))
    manager = KernelManager(kernel_name="gated")
    manager.start_kernel(stderr=None)
    client = manager.client()
    client.start_channels()
    try:
        until(client.hb_channel.is_beating, what="the gate's heartbeat")
        request = client.execute("1")
        key = engine.submitted()["key"]
        told = []
        try:  # a gate that says it at once has done so by then
            told.append(client.get_iopub_msg(timeout=0.5))
        except queue.Empty:
            latch.open()
        latch.open()
        granted = False
        while not [m for m in told if m["parent_header"].get("msg_id") == request and m["content"].get("execution_state") == "idle"]:
            told.append(client.get_iopub_msg(timeout=PATIENCE))
            if not granted and told[-1]["parent_header"].get("msg_id") == request:
                granted = True
                engine.grant(key, "0")
        reply = client.get_shell_msg(timeout=PATIENCE)
        states = [m["content"]["execution_state"] for m in told if m["msg_type"] == "status"]
        # The last word before the cell's end is its busy: a server goes by it.
        assert states[-2:] == ["busy", "idle"] and states[:-2] in ([], ["starting"], ["busy", "starting"])
        assert {m["header"]["session"] for m in told if m["parent_header"].get("msg_id") == request} == {reply["header"]["session"]}
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.skipif(version(ipykernel) < (7, 0), reason="kernels greet subscribers from ipykernel 7 on")
@pytest.mark.parametrize("name", ["direct", "gated"])
def test_each_subscription_is_greeted(kernels, name):
    kernel = kernels(name)
    context = zmq.Context()
    # A kernel hears only of topics that nobody had subscribed to; the gate of each subscriber.
    topics = [b"kernel.", b"display"] + [b""] * (name == "gated")
    sockets = []
    for topic in topics:
        sub = context.socket(zmq.SUB)
        sub.linger, sub.rcvtimeo = 0, 10_000
        sub.subscribe(topic)
        sub.connect(f"tcp://127.0.0.1:{kernel.manager.iopub_port}")
        sockets.append(sub)
    heard = []
    for sub, topic in zip(sockets, topics):
        while True:
            frames = sub.recv_multipart()
            place = frames.index(b"<IDS|MSG>")
            if json.loads(frames[place + 2])["msg_type"] != "iopub_welcome":
                continue
            # Whoever subscribed to everything sees the others' greetings too.
            if json.loads(frames[place + 5])["subscription"] == topic.decode():
                break
        # The signature is the session's, and never repeated.
        assert frames[place + 1].decode() == kernel.client.session.sign(frames[place + 2 : place + 6]).decode()
        heard.append((topic, json.loads(frames[place + 5])["subscription"], frames[place + 1]))
        sub.close()
    assert [(topic.decode(), told) for topic, told, _ in heard] == [(t.decode(), t.decode()) for t in topics]
    assert len({signature for _, _, signature in heard}) == len(topics)
    context.term()


# (ipykernel that finds its iopub port taken may hang instead of ending, with no gate about.)
@pytest.mark.parametrize("taken", ["shell_port", "control_port", "hb_port"])
def test_no_message_is_lost_when_somebody_takes_a_port_first(engine, spec_directory, tmp_path, taken):
    """The kernel's first start finds one of its ports taken; cells and questions are on their way already."""
    engine.auto = "0"
    script = tmp_path / "late.py"
    script.write_text(textwrap.dedent(f"""
        import json, os, socket, subprocess, sys, time
        path, mark, go = sys.argv[1], {str(tmp_path / 'mark')!r}, {str(tmp_path / 'go')!r}
        if not os.path.exists(mark):
            thief = socket.socket()
            # The gate keeps the ports from everybody but those who share addresses, as a kernel does.
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.bind(("127.0.0.1", json.load(open(path))[{taken!r}]))
            thief.listen()
            os.set_inheritable(thief.fileno(), True)
            open(mark, "w").close()
            while not os.path.exists(go):
                time.sleep(0.01)
            subprocess.Popen(["setsid", "sleep", "20"], close_fds=False)
        os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", "-f", path])
    """))
    directory = spec_directory / "kernels" / "late"
    directory.mkdir()
    argv = [GATE, "-f", "{connection_file}", "--", sys.executable, str(script), "{connection_file}"]
    (directory / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "late", "language": "python"}))
    manager = KernelManager(kernel_name="late")
    manager.start_kernel(stderr=subprocess.DEVNULL)
    client = manager.client()
    try:
        client.start_channels()
        asked = client.kernel_info()
        requests = [client.execute(f"print('cell', {i})") for i in range(5)]
        control = client.session.msg("kernel_info_request", {})
        client.control_channel.send(control)
        until((tmp_path / "mark").exists)
        engine.applied(1)  # the first cell has been forwarded
        (tmp_path / "go").touch()
        replies = {}
        while not set(requests) | {asked} <= replies.keys():
            reply = client.get_shell_msg(timeout=PATIENCE)
            replies[reply["parent_header"]["msg_id"]] = reply["content"]["status"]
        assert [replies[r] for r in requests] == ["ok"] * 5
        answer = client.get_control_msg(timeout=PATIENCE)
        assert answer["parent_header"]["msg_id"] == control["header"]["msg_id"]
        text = ""
        while "cell 4\n" not in text:
            message = client.get_iopub_msg(timeout=PATIENCE)
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                text += message["content"]["text"]
        assert text.split("\n")[:5] == [f"cell {i}" for i in range(5)]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
