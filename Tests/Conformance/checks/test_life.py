"""A kernel's life as a client sees it, in every language alike: errors, aborts, interrupts, restarts, output, input."""

import dataclasses
import os
import queue
import signal
import time

import pytest
from jupyter_client.manager import KernelManager

from conftest import KERNEL, PATIENCE, until


@dataclasses.dataclass
class Language:
    """The same things said in each language."""

    show: str  # prints its `{}`
    fail: str
    sleep: str  # sleeps a minute
    keep: str  # sets x to 1
    ask: str  # prints x, and fails or prints nothing where it is not set
    lines: str  # prints the numbers 1 to `{}`, one a line
    question: str = ""


PYTHON = Language(
    show="print('{}')", fail="1/0", sleep="import time\ntime.sleep(60)", keep="x = 1", ask="print('x is', x)",
    lines="for i in range(1, {} + 1): print(i)", question="print('got', input('say: '))")
LANGUAGES = {
    "python3": PYTHON, "xpython": PYTHON,
    "ir": Language(
        show="cat('{}\\n')", fail="stop('no')", sleep="Sys.sleep(60)", keep="x <- 1", ask="cat('x is', x, '\\n')",
        lines="for (i in 1:{}) cat(i, '\\n', sep='')", question="cat('got', readline('say: '), '\\n')"),
    "bash": Language(
        show="echo '{}'", fail="false", sleep="sleep 60", keep="x=1", ask="echo x is $x", lines="seq 1 {}"),
}
SPEAK = LANGUAGES[KERNEL]
ARM = os.environ.get("CONFORMANCE_ARM", "direct")


def parent(message):
    """The request that a message belongs to; None where it belongs to none, for which xeus has null."""
    return (message["parent_header"] or {}).get("msg_id")


class Kernel:
    def __init__(self):
        self.manager = KernelManager(kernel_name=KERNEL)
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.kept = {}
        self.ready()

    def ready(self):
        """Waits until the kernel answers and its output arrives.

        jupyter_client's own waiting takes any message on iopub for the sign of a connection. After a restart that may be one
        which the kernel before has left, and a cell sent then runs with its output lost, gate or none: so what arrives must
        be of a request made since."""
        self.client.wait_for_ready(timeout=PATIENCE)
        asked = set()

        def heard():
            asked.add(self.client.kernel_info())
            end = time.monotonic() + 2
            while time.monotonic() < end:
                try:
                    message = self.client.get_iopub_msg(timeout=0.5)
                except queue.Empty:
                    continue
                if parent(message) in asked:
                    return True
            return False

        until(heard, what="output of the kernel")

    def reply(self, request, seconds=PATIENCE):
        """The reply to one request; others are kept for later calls."""
        def found():
            try:
                message = self.client.get_shell_msg(timeout=0.05)
                self.kept[parent(message)] = message
            except queue.Empty:
                pass
            return self.kept.get(request)

        return until(found, seconds, "a reply")["content"]

    def output(self, request, seconds=PATIENCE):
        """The text on stdout and the kinds of iopub messages up to the idle of one request."""
        text, kinds = "", []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                message = self.client.get_iopub_msg(timeout=0.5)
            except queue.Empty:
                continue
            if parent(message) != request:
                continue
            kind = message["msg_type"]
            if kind == "stream" and message["content"]["name"] == "stdout":
                text += message["content"]["text"]
            if kind == "status":
                kind = message["content"]["execution_state"]
            if not kinds or kinds[-1] != kind:
                kinds.append(kind)
            if kind == "idle":
                return text, kinds
        raise AssertionError("no idle came")

    def shown(self, requests, ending):
        """The text on stdout of each of these requests, read until the idle of each of those in `ending`."""
        texts, left = {request: "" for request in requests}, set(ending)

        def read():
            try:
                message = self.client.get_iopub_msg(timeout=0.05)
            except queue.Empty:
                return not left
            request, content = parent(message), message["content"]
            if message["msg_type"] == "stream" and content["name"] == "stdout" and request in texts:
                texts[request] += content["text"]
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                left.discard(request)
            return not left

        until(read, what="an idle of each cell that was not aborted")
        return [texts[request].strip() for request in requests]

    def run(self, code):
        request = self.client.execute(code, allow_stdin=False)
        text, kinds = self.output(request)
        return self.reply(request)["status"], text, kinds

    def close(self):
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel():
    made = Kernel()
    yield made
    made.close()


def test_a_cell_is_busy_then_idle_and_its_output_lies_between(kernel, artefact):
    status, text, kinds = kernel.run(SPEAK.show.format("hello"))
    assert (status, text.strip()) == ("ok", "hello")
    assert kinds[0] == "busy" and kinds[-1] == "idle" and "stream" in kinds
    artefact(f"kinds-{KERNEL}.json", " ".join(kinds))


def test_an_error_is_told_and_the_kernel_goes_on(kernel):
    assert kernel.run(SPEAK.fail)[0] == "error"
    # A kernel aborts what comes within moments of an error, so it is asked again until it takes a cell.
    until(lambda: kernel.run(SPEAK.show.format("on"))[:2] == ("ok", "on\n"), what="a cell after the error")


def test_run_all_with_an_error_aborts_what_follows(kernel, artefact):
    # The first takes a moment, in which all the others are sent: what is sent after an error may run.
    codes = [SPEAK.sleep.replace("60", "1") + "\n" + SPEAK.show.format("first"), SPEAK.fail, SPEAK.show.format("third"),
             SPEAK.show.format("fourth")]
    requests = [kernel.client.execute(code, allow_stdin=False) for code in codes]
    statuses = [kernel.reply(request)["status"] for request in requests]
    # IRkernel answers what it aborts and publishes no idle for it.
    shown = kernel.shown(requests, [request for request, status in zip(requests, statuses) if status in ("ok", "error")])
    assert statuses[:2] == ["ok", "error"] and shown[0] == "first"
    if ARM == "gated":
        assert (shown[2:], statuses[2:]) == (["", ""], ["aborted", "aborted"])
    # Not the word: it may be 'error' or 'aborted' or 'abort'.
    artefact(f"aborted-{KERNEL}.json", " ".join(f"{text or 'nothing'}:{status == 'ok'}" for text, status in zip(shown, statuses)))


def test_an_interrupt_ends_a_running_cell(kernel):
    request = kernel.client.execute(SPEAK.show.format("runs") + "\n" + SPEAK.sleep, allow_stdin=False)
    seen = ""
    while "runs" not in seen:
        message = kernel.client.get_iopub_msg(timeout=PATIENCE)
        if message["msg_type"] == "stream":
            seen += message["content"]["text"]
        elif message["msg_type"] == "execute_input" and KERNEL == "bash":
            break
    time.sleep(0.5)  # it prints before it sleeps
    began = time.monotonic()
    kernel.manager.interrupt_kernel()
    assert kernel.reply(request, 30)["status"] in ("error", "abort", "aborted")
    assert time.monotonic() - began < 20
    until(lambda: kernel.run(SPEAK.show.format("on"))[:2] == ("ok", "on\n"), what="a cell after the interrupt")


def test_a_restart_forgets(kernel):
    kernel.run(SPEAK.keep)
    assert "x is 1" in kernel.run(SPEAK.ask)[1]
    kernel.manager.restart_kernel(now=False)
    kernel.ready()
    assert "x is 1" not in kernel.run(SPEAK.ask)[1]


def test_a_shutdown_ends_the_process(kernel):
    process = kernel.manager.provisioner.process
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel()
    until(lambda: process.poll() is not None, 20, "the end of the process")


def test_a_killed_kernel_is_seen_dead_and_restarts(kernel):
    process = kernel.manager.provisioner.process
    os.killpg(os.getpgid(process.pid), signal.SIGKILL)
    until(lambda: not kernel.manager.is_alive(), 20, "the client's notice")
    kernel.manager.restart_kernel(now=True)
    kernel.ready()
    assert kernel.run(SPEAK.show.format("again"))[:2] == ("ok", "again\n")


def test_no_line_of_much_output_is_lost(kernel):
    request = kernel.client.execute(SPEAK.lines.format(5000), allow_stdin=False)
    text, _ = kernel.output(request, 30)
    assert kernel.reply(request)["status"] == "ok" and text.split() == [str(i) for i in range(1, 5001)]


@pytest.mark.skipif(not SPEAK.question, reason="this kernel has no input")
def test_input_is_asked_and_answered(kernel):
    request = kernel.client.execute(SPEAK.question, allow_stdin=True)
    asked = kernel.client.get_stdin_msg(timeout=PATIENCE)
    assert asked["content"]["prompt"].strip() == "say:"
    kernel.client.input("hello")
    assert "got hello" in kernel.output(request)[0]
    assert kernel.reply(request)["status"] == "ok"
