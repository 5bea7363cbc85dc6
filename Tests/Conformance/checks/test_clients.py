"""Clients on `python3`: nbclient and papermill on notebooks, jupyter console at a terminal."""

import os
import pathlib
import re
import sys
import time

import nbclient
import nbformat
import papermill
import pexpect
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from conftest import PATIENCE

SPEC = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def notebook(*codes):
    cells = [new_markdown_cell("# A notebook")] + [new_code_cell(code) for code in codes]
    return new_notebook(cells=cells, metadata=SPEC)


RICH = (
    "import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7",
    "from IPython.display import HTML, Markdown, display, clear_output, update_display\n"
    "display(HTML('<b>bold</b>'), Markdown('*slanted*'))\nhandle = display('first', display_id='a')\nhandle.update('second')",
    "for i in range(3):\n    clear_output(wait=True)\n    print(i)",
    "import threading\nt = threading.Thread(target=lambda: print('from a thread')); t.start(); t.join()",
    "import subprocess\nprint(subprocess.run(['echo', 'a child'], capture_output=True, text=True).stdout)",
    "print('\\n'.join(str(i) for i in range(3000)))",
)


class TestNbclient:
    def test_runs_a_notebook_with_rich_output(self, artefact):
        made = notebook(*RICH)
        nbclient.NotebookClient(made, timeout=PATIENCE, kernel_name="python3").execute()
        assert [cell.execution_count for cell in made.cells if cell.cell_type == "code"] == [1, 2, 3, 4, 5, 6]
        artefact("nbclient-rich.ipynb", made)

    def test_stops_at_the_error_of_a_cell(self, artefact):
        made = notebook("1", "print('before'); 1/0", "print('never')")
        with pytest.raises(nbclient.exceptions.CellExecutionError):
            nbclient.NotebookClient(made, timeout=PATIENCE, kernel_name="python3").execute()
        assert made.cells[-1].execution_count is None
        artefact("nbclient-error.ipynb", colourless(made))

    def test_goes_on_where_errors_are_allowed(self, artefact):
        made = notebook("1", "1/0", "print('goes on')")
        nbclient.NotebookClient(made, timeout=PATIENCE, kernel_name="python3", allow_errors=True).execute()
        assert made.cells[-1].outputs[0].text == "goes on\n"
        artefact("nbclient-allowed.ipynb", colourless(made))

    def test_interrupts_a_cell_that_takes_too_long(self):
        made = notebook("import time\ntry: time.sleep(100)\nexcept KeyboardInterrupt: print('interrupted')", "2")
        client = nbclient.NotebookClient(made, timeout=3, interrupt_on_timeout=True, kernel_name="python3")
        client.execute()
        assert "interrupted" in str(made.cells[1].outputs) and made.cells[2].execution_count == 2

    def test_tells_of_a_kernel_that_dies(self):
        made = notebook("import os; os._exit(1)", "2")
        with pytest.raises(nbclient.exceptions.DeadKernelError):
            nbclient.NotebookClient(made, timeout=PATIENCE, kernel_name="python3").execute()

    def test_keeps_the_state_of_widgets(self):
        made = notebook("import ipywidgets\ns = ipywidgets.IntSlider(value=7)\ns", "s.value = 9\ns.value")
        nbclient.NotebookClient(made, timeout=PATIENCE, kernel_name="python3").execute()
        state = made.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
        assert 9 in [model["state"].get("value") for model in state.values()]


class TestPapermill:
    def test_runs_with_parameters(self, tmp_path, artefact):
        made = notebook("n = 1", "print('n is', n)\nn * 2")
        made.cells[1].metadata["tags"] = ["parameters"]
        nbformat.write(made, tmp_path / "in.ipynb")
        papermill.execute_notebook(tmp_path / "in.ipynb", tmp_path / "out.ipynb", parameters={"n": 21}, kernel_name="python3",
                                   progress_bar=False)
        saved = nbformat.read(tmp_path / "out.ipynb", 4)
        assert saved.cells[-1].outputs[0].text == "n is 21\n"
        artefact("papermill.ipynb", timeless(saved))

    def test_saves_what_there_is_at_an_error(self, tmp_path, artefact):
        nbformat.write(notebook("print('kept')", "raise ValueError('no')", "print('never')"), tmp_path / "in.ipynb")
        with pytest.raises(papermill.PapermillExecutionError):
            papermill.execute_notebook(tmp_path / "in.ipynb", tmp_path / "out.ipynb", kernel_name="python3",
                                       progress_bar=False)
        saved = nbformat.read(tmp_path / "out.ipynb", 4)
        assert any("kept" in str(cell.get("outputs")) for cell in saved.cells)
        assert saved.cells[-1].execution_count is None
        artefact("papermill-error.ipynb", timeless(colourless(saved)))


def colourless(made):
    """Without the colours and addresses of tracebacks."""
    for cell in made.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                output.traceback = [re.sub(r"\x1b\[[0-9;]*m|/tmp/\S+|0x[0-9a-f]+", "", line) for line in output.traceback]
    return made


def timeless(made):
    for cell in made.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    return made


class Console:
    """`jupyter console` at a terminal, with plain prompts."""

    def __init__(self):
        program = str(pathlib.Path(sys.executable).with_name("jupyter-console"))
        self.child = pexpect.spawn(
            program, ["--kernel", "python3", "--simple-prompt", "--JupyterConsoleApp.confirm_exit=False"],
            env={**os.environ, "TERM": "dumb", "NO_COLOR": "1"}, encoding="utf-8", timeout=PATIENCE, dimensions=(40, 200))
        self.prompt(1)

    def prompt(self, number):
        self.child.expect(rf"In \[{number}\]: ")
        return self.child.before

    def say(self, text):
        self.child.sendline(text)


@pytest.fixture
def console():
    made = Console()
    yield made
    made.child.close(force=True)


class TestConsole:
    def test_shows_results_output_and_errors(self, console):
        console.say("6 * 7")
        assert "42" in console.prompt(2)
        console.say("print('out')")
        assert "out" in console.prompt(3)
        console.say("1/0")
        assert "ZeroDivisionError" in console.prompt(4)
        console.say("'goes ' + 'on'")
        assert "goes on" in console.prompt(5)

    def test_interrupts_with_control_c(self, console):
        console.say("import time; print('sle' + 'eps'); time.sleep(60)")
        console.child.expect("sleeps")
        time.sleep(0.5)  # it prints before it sleeps
        console.child.sendintr()
        assert "KeyboardInterrupt" in console.prompt(2)
        console.say("'goes ' + 'on'")
        assert "goes on" in console.prompt(3)

    def test_answers_input(self, console):
        # A cell before: the console takes an idle from its start, still unread, for the first cell's end where that cell's busy
        # takes longer than 50 ms, and then hears no question; direct too.
        console.say("6 * 7")
        console.prompt(2)
        console.say("name = input('who' + '? ')")
        console.child.expect(re.escape("who? "))
        console.say("ana")
        console.prompt(3)
        console.say("'I am ' + name")
        assert "I am ana" in console.prompt(4)

    def test_leaves_nothing_behind(self, console):
        console.say("import os; print('kernel', os.getpid())")
        kernel = int(re.search(r"kernel (\d+)", console.prompt(2) + console.child.after).group(1))
        console.say("exit")
        console.child.expect(pexpect.EOF)
        end = time.monotonic() + 20
        while os.path.exists(f"/proc/{kernel}") and time.monotonic() < end:
            time.sleep(0.05)
        assert not os.path.exists(f"/proc/{kernel}")
