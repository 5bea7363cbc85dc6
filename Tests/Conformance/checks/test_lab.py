"""JupyterLab in a headless Chromium, its own front end and its own kernel client: what an author does in a day."""

import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from conftest import until
from test_clients import colourless

SPEC = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
SLOW = 120.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Lab:
    """A JupyterLab server with a browser before it."""

    def __init__(self, folder):
        self.folder = folder
        self.port, self.token = free_port(), secrets.token_hex(8)
        environment = {**os.environ, "HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder / "config"),
                       "JUPYTER_DATA_DIR": str(folder / "data"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces")}
        (folder / "files").mkdir()
        self.log = open(folder / "server.log", "wb")
        self.server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={self.port}", "--ServerApp.port_retries=0",
             f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={folder / 'files'}", "--ServerApp.ip=127.0.0.1",
             "--expose-app-in-browser", "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"],
            env=environment, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, start_new_session=True)
        until(self.answers, SLOW, "the server's answer")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1400,1200",
                         f"--user-data-dir={folder / 'browser'}"):
            options.add_argument(argument)
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        self.browser = webdriver.Chrome(options=options, service=service)
        self.browser.set_script_timeout(SLOW)

    def get(self, path):
        return json.loads(urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}?token={self.token}", timeout=10).read())

    def answers(self):
        assert self.server.poll() is None, pathlib.Path(self.log.name).read_text()[-2000:]
        try:
            return self.get("/api/status")
        except OSError:
            return None

    def open(self, name, *codes):
        """Writes a notebook, opens it in a workspace of its own, and waits until its kernel is idle."""
        made = new_notebook(cells=[new_markdown_cell("# A notebook")] + [new_code_cell(code) for code in codes], metadata=SPEC)
        nbformat.write(made, self.folder / "files" / name)
        workspace = f"w{secrets.token_hex(4)}"
        self.browser.get(f"http://127.0.0.1:{self.port}/lab/workspaces/{workspace}/tree/{name}?token={self.token}")
        until(lambda: self.js("return !!(window.jupyterapp && jupyterapp.shell.currentWidget && jupyterapp.shell.currentWidget"
                              ".context && jupyterapp.shell.currentWidget.context.path == arguments[0])", name), SLOW, "the notebook")
        self.name = name
        until(lambda: self.status() == "idle", SLOW, "an idle kernel")
        return self

    def js(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def status(self):
        return self.js("const s = jupyterapp.shell.currentWidget.context.sessionContext.session;"
                       "return s && s.kernel ? s.kernel.status : ''")

    def command(self, name):
        """Starts a command of JupyterLab's palette without waiting for its end, which may ask something."""
        self.js("jupyterapp.commands.execute(arguments[0])", name)

    def counts(self):
        """The execution count of each code cell as its prompt shows it, None where it was not run, '*' while it waits."""
        texts = self.js("return Array.from(jupyterapp.shell.currentWidget.content.widgets)"
                        ".filter(c => c.model.type == 'code').map(c => c.promptNode ? c.promptNode.textContent : "
                        "c.inputArea.promptNode.textContent)")
        found = [re.sub(r"[\[\]: ]", "", text or "") for text in texts]
        return [int(text) if text.isdigit() else text or None for text in found]

    def outputs(self):
        """The outputs of each code cell in the notebook's model."""
        return self.js("return Array.from(jupyterapp.shell.currentWidget.content.widgets)"
                       ".filter(c => c.model.type == 'code').map(c => c.model.outputs.toJSON())")

    def settled(self):
        return self.status() == "idle" and "*" not in self.counts()

    def run_all(self):
        self.command("notebook:run-all-cells")
        until(lambda: any(self.counts()), SLOW, "the first prompt")
        until(self.settled, SLOW, "the end of Run All")

    def run_cell(self, index):
        """Runs the code cell of this index (the first is 1, behind the heading) without waiting for its end."""
        self.js("jupyterapp.shell.currentWidget.content.activeCellIndex = arguments[0]", index)
        self.command("notebook:run-cell")

    def accept(self):
        """Presses the first choice of a dialog."""
        until(lambda: self.browser.find_elements(By.CSS_SELECTOR, ".jp-Dialog .jp-mod-accept"), SLOW, "the dialog")[0].click()

    def saved(self):
        """Saves, and reads what was written."""
        self.browser.execute_async_script(
            "const done = arguments[0]; jupyterapp.shell.currentWidget.context.save().then(() => done())")
        return nbformat.read(self.folder / "files" / self.name, 4)

    def close(self):
        self.browser.quit()
        self.server.send_signal(signal.SIGTERM)
        try:
            self.server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.server.pid, signal.SIGKILL)
        self.log.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("lab"))
    yield made
    made.close()


def settle(notebook):
    """Without what the front end writes of times and of its own version."""
    for cell in colourless(notebook).cells:
        cell.metadata.pop("execution", None)
    return notebook


def text_of(outputs):
    return "".join(out.get("text", "") if isinstance(out.get("text", ""), str) else "".join(out["text"]) for out in outputs)


def test_run_all_gives_the_same_notebook(lab, artefact):
    lab.open("all.ipynb", "import time\nprint('first')", "6 * 7", "from IPython.display import HTML\nHTML('<b>bold</b>')",
             "for i in range(2000): print('line', i)", "time.sleep(1)\n'last'")
    lab.run_all()
    assert lab.counts() == [1, 2, 3, 4, 5]
    assert text_of(lab.outputs()[3]).split("\n")[1999] == "line 1999"
    artefact("lab-all.ipynb", settle(lab.saved()))


def test_an_error_in_the_middle_aborts_what_follows(lab, artefact):
    lab.open("error.ipynb", "print('before')", "1/0", "print('never')", "print('nor this')")
    lab.run_all()
    assert lab.counts() == [1, 2, None, None]
    artefact("lab-error.ipynb", settle(lab.saved()))
    lab.run_cell(3)
    until(lambda: lab.counts()[2] == 3, what="a cell after the error")


def test_an_interrupt_ends_the_cell_and_aborts_the_rest(lab, artefact):
    lab.open("interrupt.ipynb", "import time\nprint('runs', flush=True)\ntime.sleep(100)", "print('never')", "print('on')")
    lab.command("notebook:run-all-cells")
    until(lambda: "runs" in text_of(lab.outputs()[0]), SLOW, "the first cell's output")
    # Not the front end's status: requests of its debugger on the control channel make it idle while a cell runs.
    assert lab.counts() == ["*", "*", "*"]
    time.sleep(0.5)  # it prints before it sleeps
    lab.command("notebook:interrupt-kernel")
    until(lab.settled, 30, "the interrupt")
    assert lab.counts() == [1, None, None]
    assert lab.outputs()[0][-1]["ename"] == "KeyboardInterrupt"
    artefact("lab-interrupt.ipynb", settle(lab.saved()))
    lab.run_cell(3)
    until(lambda: "on" in text_of(lab.outputs()[2]), what="a cell after the interrupt")


def test_a_restart_forgets_and_runs_again(lab):
    lab.open("restart.ipynb", "x = globals().get('x', 0) + 1\nimport os\nprint(x, os.getpid())")
    lab.run_all()
    one, first = text_of(lab.outputs()[0]).split()
    lab.js("window.states = []; jupyterapp.shell.currentWidget.context.sessionContext"
           ".statusChanged.connect((c, s) => states.push(s))")
    lab.command("notebook:restart-kernel")
    lab.accept()
    until(lambda: "restarting" in lab.js("return states"), 30, "the restart's beginning")
    until(lambda: lab.status() == "idle", SLOW, "the restart's end")
    lab.run_all()
    again, second = text_of(lab.outputs()[0]).split()
    assert (one, again) == ("1", "1") and first != second and lab.counts() == [1]


def test_a_restart_while_a_cell_runs(lab):
    lab.open("busy.ipynb", "import time\nprint('runs', flush=True)\ntime.sleep(100)", "print('on')")
    lab.command("notebook:run-all-cells")
    until(lambda: "runs" in text_of(lab.outputs()[0]), SLOW, "the first cell's output")
    lab.command("notebook:restart-kernel")
    lab.accept()
    until(lambda: lab.status() == "idle" and "*" not in lab.counts(), SLOW, "the restart's end")
    lab.run_cell(2)
    until(lambda: "on" in text_of(lab.outputs()[1]), SLOW, "a cell after the restart")
    assert lab.counts() == [None, 1]


def test_input_is_asked_in_the_page(lab, artefact):
    lab.open("input.ipynb", "name = input('who? ')", "print('I am', name)")
    lab.command("notebook:run-all-cells")
    box = until(lambda: lab.browser.find_elements(By.CSS_SELECTOR, "input.jp-Stdin-input"), SLOW, "the question")[0]
    box.send_keys("ana" + Keys.ENTER)
    until(lab.settled, SLOW, "the end")
    assert text_of(lab.outputs()[1]) == "I am ana\n"
    artefact("lab-input.ipynb", settle(lab.saved()))


def test_a_slider_moves_its_kernel(lab):
    lab.open("slider.ipynb", "import ipywidgets\nslider = ipywidgets.IntSlider(value=3)\nlabel = ipywidgets.Label()\n"
             "slider.observe(lambda c: setattr(label, 'value', f'python saw {c.new}'), 'value')\n"
             "ipywidgets.VBox([slider, label])", "print('slider', slider.value)")
    lab.run_cell(1)
    handle = until(lambda: lab.browser.find_elements(By.CSS_SELECTOR, ".noUi-handle"), SLOW, "the slider")[0]
    ActionChains(lab.browser).click(handle).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).perform()
    until(lambda: "python saw 5" in lab.browser.find_element(By.TAG_NAME, "body").text, 30, "the kernel's answer")
    lab.run_cell(2)
    until(lambda: text_of(lab.outputs()[1]) == "slider 5\n", what="the value in a cell")


def test_a_slider_moves_while_a_cell_runs(lab, artefact):
    """JupyterLab sends widgets' messages to a subshell. Whether the kernel attends to it before the cell ends is the kernel's
    affair (ipykernel 7.4 does not): it must be the same behind the gate, and the message must arrive."""
    lab.open("during.ipynb", "import ipywidgets, time\nslider = ipywidgets.IntSlider(value=3)\nslider",
             "end = time.monotonic() + 5\nwhile slider.value == 3 and time.monotonic() < end: time.sleep(0.05)\n"
             "print('saw', slider.value)", "print('then', slider.value)")
    lab.js("window.sent = []; jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.anyMessage.connect((k, a) => {"
           "if (a.direction == 'send' && a.msg.header.msg_type == 'comm_msg') sent.push(a.msg.header.subshell_id || '') })")
    lab.run_cell(1)
    handle = until(lambda: lab.browser.find_elements(By.CSS_SELECTOR, ".noUi-handle"), SLOW, "the slider")[0]
    lab.run_cell(2)
    until(lambda: lab.counts()[1] == "*", what="the running cell")
    ActionChains(lab.browser).click(handle).send_keys(Keys.ARROW_RIGHT).perform()
    until(lambda: text_of(lab.outputs()[1]), SLOW, "the loop's end")

    def arrived():
        lab.run_cell(3)
        until(lab.settled, SLOW, "the last cell")
        return text_of(lab.outputs()[2]) == "then 4\n"

    until(arrived, SLOW, "the slider's value")
    sent = lab.js("return window.sent")
    assert sent and all(sent), "the widget's message went to no subshell"
    artefact("lab-during.txt", text_of(lab.outputs()[1]))


def test_the_server_sees_the_same_states(lab):
    """What jupyter_server's culling looks at: busy while a cell runs, idle after."""
    lab.open("state.ipynb", "import time\nprint('runs', flush=True)\ntime.sleep(12)")
    lab.command("notebook:run-all-cells")
    until(lambda: "runs" in text_of(lab.outputs()[0]), SLOW, "the cell's output")
    kernel = lab.js("return jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.id")
    until(lambda: lab.get(f"/api/kernels/{kernel}")["execution_state"] == "busy", 10, "the server's busy")
    until(lab.settled, SLOW, "the end")
    until(lambda: lab.get(f"/api/kernels/{kernel}")["execution_state"] == "idle", what="the server's idle")
