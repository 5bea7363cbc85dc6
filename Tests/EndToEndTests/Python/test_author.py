"""What the author of a held cell sees of its wait, and that nothing of it is left: in a client that does with messages what
JupyterLab does, and in nbclient's notebooks."""

import queue
import threading
import time
import types

import nbclient
import nbformat
import pytest
from conftest import PATIENCE, ROOT, until

QUICKLY = {"audience": "people", "afterSeconds": 0.1}


class OutputArea:
    """The outputs of one cell, as JupyterLab keeps them (packages/outputarea: OutputArea.onIOPub, OutputAreaModel)."""

    def __init__(self, request):
        self.request, self.outputs, self.states, self.history, self.messages = request, [], [], [], []
        self.names, self.clears_next, self.idle = {}, False, False

    def take(self, message):
        if message["parent_header"].get("msg_id") != self.request:
            return
        self.messages.append(message)
        kind, content = message["msg_type"], message["content"]
        name = content.get("transient", {}).get("display_id")
        if kind == "status":
            self.idle = content["execution_state"] == "idle"
            self.states.append(content["execution_state"])
        elif kind == "update_display_data":
            for place in self.names.get(name, []):
                self.outputs[place] = content["data"]["text/plain"]
        elif kind == "clear_output":
            if content["wait"]:
                self.clears_next = True
            else:
                self.clear()
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if self.clears_next:
                self.clear()
            if name:
                self.names.setdefault(name, []).append(len(self.outputs))
            data = content.get("data", {})
            self.outputs.append(data.get("text/plain") or content.get("text") or content.get("ename"))
        self.history.append(list(self.outputs))

    def clear(self):
        self.outputs, self.names, self.clears_next = [], {}, False

    def follow(self, kernel, condition, seconds=PATIENCE):
        """Takes messages until `condition`."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{self.history} did not come to it"
            try:
                self.take(kernel.client.get_iopub_msg(timeout=0.05))
            except queue.Empty:
                continue
        return self


def execute(kernel, code, allow_stdin=True, **metadata):
    """Sends a cell as JupyterLab does: with its id."""
    content = dict(
        code=code, silent=False, store_history=True, user_expressions={}, allow_stdin=allow_stdin, stop_on_error=True)
    message = kernel.client.session.msg("execute_request", content, metadata=metadata)
    kernel.client.shell_channel.send(message)
    return message["header"]["msg_id"]


class TestInDocuments:
    def test_shows_where_the_cell_stands_keeps_it_up_to_date_and_takes_it_away(self, engine, kernels):
        engine.tells = QUICKLY
        kernel = kernels()
        area = OutputArea(execute(kernel, "print('ran')", cellId="a"))
        engine.submitted()
        # Roughly enough for the text to be the same however long this test takes to read it.
        engine.stand(1, place=2, expectedSeconds=7200, latestSeconds=9000)
        area.follow(kernel, lambda: area.outputs == ["waiting for 1 GPU: 2nd in line, about 2 h"])
        engine.stand(1, place=1, expectedSeconds=4, latestSeconds=90)
        area.follow(kernel, lambda: ["waiting for 1 GPU: next in line, about 5 s"] in area.history)
        area.follow(kernel, lambda: area.outputs == ["waiting for 1 GPU: next in line, any moment"])
        engine.grant(1, "0")
        area.follow(kernel, lambda: area.idle)
        assert area.outputs == ["ran\n"] and area.states == ["busy", "idle"]
        texts = [m for m in area.messages if m["msg_type"] in ("display_data", "update_display_data")]
        assert [m["msg_type"] for m in texts][:3] == ["display_data", "update_display_data", "update_display_data"]
        assert [m["msg_type"] for m in texts].count("display_data") == 1
        # They are the kernel's own words to a client: its session, and a name that nothing else bears.
        assert len({m["header"]["session"] for m in area.messages}) == 1
        assert len({m["msg_id"] for m in area.messages}) == len(area.messages)
        # By this whoever saves a notebook knows it from the cell's own output.
        assert all(m["content"]["metadata"] == {"celltop": {"notice": True}} for m in texts)

    def test_says_nothing_of_a_short_wait(self, engine, kernels):
        engine.tells = {"audience": "people", "afterSeconds": 60}
        kernel = kernels()
        area = OutputArea(execute(kernel, "print('ran')", cellId="a"))
        engine.submitted()
        engine.stand(1, place=2)
        engine.grant(1, "0")
        area.follow(kernel, lambda: area.idle)
        assert [m["msg_type"] for m in area.messages if m["msg_type"] != "status"] == ["execute_input", "stream"]

    def test_says_nothing_of_a_wait_that_nobody_explained(self, engine, kernels):
        engine.tells = QUICKLY
        kernel = kernels()
        area = OutputArea(execute(kernel, "", cellId="a"))
        engine.submitted()
        began = time.monotonic()
        area.follow(kernel, lambda: time.monotonic() - began > 0.6)
        assert area.outputs == []
        engine.grant(1, "0")
        area.follow(kernel, lambda: area.idle)

    def test_says_no_more_than_a_text_a_second(self, engine, kernels):
        engine.tells = QUICKLY
        kernel = kernels()
        area = OutputArea(execute(kernel, "", cellId="a"))
        submitted = time.monotonic()
        engine.submitted()
        for place in range(30, 0, -1):
            engine.stand(1, place=place)
            began = time.monotonic()
            area.follow(kernel, lambda: time.monotonic() - began > 0.05)
        area.follow(kernel, lambda: area.outputs == ["waiting for 1 GPU: next in line"])
        updates = len([m for m in area.messages if m["msg_type"] == "update_display_data"])
        assert updates <= time.monotonic() - submitted
        engine.grant(1, "0")
        area.follow(kernel, lambda: area.idle)
        assert area.outputs == []

    @pytest.mark.parametrize("ending", ["interrupt", "refuse", "no engine"])
    def test_is_taken_away_however_the_wait_ends(self, engine, kernels, ending):
        engine.tells = QUICKLY
        kernel = kernels()
        area = OutputArea(execute(kernel, "1 + 1", cellId="a"))
        engine.submitted()
        engine.stand(1, place=2)
        area.follow(kernel, lambda: area.outputs)
        if ending == "interrupt":
            kernel.manager.interrupt_kernel()
        elif ending == "refuse":
            engine.order("refuse", 1, why="never")
        else:
            engine.close()
        area.follow(kernel, lambda: area.idle)
        assert area.outputs == {"interrupt": [], "refuse": ["CellRefused"], "no engine": ["2"]}[ending]

    def test_each_of_run_all_is_told_in_its_turn(self, engine, kernels):
        engine.tells = QUICKLY
        kernel = kernels()
        areas = [OutputArea(execute(kernel, str(i), cellId=str(i))) for i in range(2)]
        for key, area in enumerate(areas, 1):
            engine.submitted(key)
            engine.stand(key, place=1)
            area.follow(kernel, lambda: area.outputs)
            assert key == 2 or areas[1].outputs == []
            engine.grant(key, "0")
            area.follow(kernel, lambda: area.idle)
            assert area.outputs == [str(key - 1)]


class TestWhoIsTold:
    def shows(self, engine, kernel, **how):
        """A cell that is held shows something in the end."""
        self.held(engine, kernel, lambda area: area.outputs, **how)

    def shows_nothing(self, engine, kernel, **how):
        """A cell that is held for half a second and more shows nothing."""
        began = time.monotonic()
        area = self.held(engine, kernel, lambda area: area.outputs or time.monotonic() - began > 0.5, **how)
        assert [] == [outputs for outputs in area.history if outputs]

    def held(self, engine, kernel, until_then, **how):
        """A cell that was held until then, and has run."""
        count = len(engine.heard("submitted"))
        area = OutputArea(execute(kernel, "", **how))
        key = engine.submitted(count + 1)["key"]
        engine.stand(key, place=2)
        area.follow(kernel, lambda: until_then(area))
        engine.grant(key, "0")
        area.follow(kernel, lambda: area.idle)
        assert area.outputs == []
        kernel.reply(area.request)
        return area

    def test_documents_and_sessions_in_front_of_which_somebody_sits(self, engine, kernels):
        engine.tells = QUICKLY
        kernel = kernels()
        self.shows(engine, kernel, cellId="a")
        self.shows_nothing(engine, kernel)  # a console
        self.shows_nothing(engine, kernel, cellId="a", allow_stdin=False)  # a program
        self.shows_nothing(engine, kernel, cellId="a", celltop={"tell": False})  # the cell's own word
        self.shows(engine, kernel, celltop={"tell": True}, allow_stdin=False)

    def test_a_server_names_the_session_and_what_runs_inside_inherits_it(self, engine, kernels):
        engine.tells = QUICKLY
        kernel = kernels(JPY_SESSION_NAME="/home/ana/a.ipynb")
        self.shows(engine, kernel)
        assert engine.heard("hello")[-1]["_0"]["path"] == "/home/ana/a.ipynb"
        inside = kernels(JPY_SESSION_NAME="/home/ana/a.ipynb", CELLTOP_WITHIN="/home/ana/a.ipynb")
        self.shows_nothing(engine, inside)
        assert "path" not in engine.heard("hello")[-1]["_0"]

    def test_the_kernelspecs_environment_decides_over_the_engine(self, engine, kernels):
        engine.tells = {"audience": "people", "afterSeconds": 600}
        kernel = kernels(CELLTOP_TELL="everyone", CELLTOP_TELL_AFTER="0.1")
        self.shows(engine, kernel)
        engine.tells = QUICKLY
        self.shows_nothing(engine, kernels(CELLTOP_TELL="nobody"), cellId="a")


class TestNbclient:
    @pytest.fixture
    def patient_engine(self, engine):
        """Grants each cell half a second after it came, having said where it stands; or, where somebody is told, once he is."""
        engine.tells = {"audience": "people", "afterSeconds": 0.05}
        over, engine.told = threading.Event(), None

        def serve():
            key = 0
            while not over.is_set():
                key += 1
                until(lambda: over.is_set() or len(engine.heard("submitted")) >= key)
                engine.stand(key, place=3, expectedSeconds=9, latestSeconds=20)
                if engine.told:
                    until(lambda: over.is_set() or engine.told.is_set(), what="a notice")
                    engine.told.clear()
                else:
                    over.wait(0.5)
                engine.grant(key, "0")

        thread = threading.Thread(target=serve)
        thread.start()
        yield engine
        over.set()
        thread.join()

    @pytest.mark.parametrize("audience", [None, "everyone"])
    def test_a_notebook_is_saved_without_a_trace(self, patient_engine, spec_directory, monkeypatch, audience):
        if audience:
            monkeypatch.setenv("CELLTOP_TELL", audience)
            patient_engine.told = threading.Event()
        seen = []

        class Client(nbclient.NotebookClient):
            def process_message(self, message, cell, index):
                seen.append(message["msg_type"])
                if patient_engine.told and message["content"].get("metadata") == {"celltop": {"notice": True}}:
                    patient_engine.told.set()
                return super().process_message(message, cell, index)

        codes = ["1 + 1", "print('a')", "x = 3", "raise ValueError('on purpose')"]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in codes])
        Client(notebook, kernel_name="gated", allow_errors=True, timeout=60).execute()
        outputs = [[o.get("name") or o.get("ename") or o["data"]["text/plain"] for o in c.outputs] for c in notebook.cells]
        assert outputs == [["2"], ["stdout"], [], ["ValueError"]]
        assert "waiting" not in nbformat.writes(notebook) and "celltop" not in nbformat.writes(notebook)
        assert ("clear_output" in seen) == (audience == "everyone")


def test_the_documented_hook_of_a_server_leaves_notices_out(engine, kernels):
    """`Docs/GATE.md` gives the hook; here it saves what a client has of a cell that is held just now, and one that ran."""
    engine.tells = QUICKLY
    kernel = kernels()
    area = OutputArea(execute(kernel, "print('ran')", cellId="a"))
    engine.submitted()
    engine.stand(1, place=2)
    area.follow(kernel, lambda: area.outputs)
    shown = next(m["content"] for m in area.messages if m["msg_type"] == "display_data")
    cells = [nbformat.v4.new_code_cell("", outputs=[nbformat.v4.new_output("display_data", data=shown["data"],
                                                                          metadata=shown["metadata"])]),
             nbformat.v4.new_code_cell("", outputs=[nbformat.v4.new_output("stream", text="ran\n"),
                                                    nbformat.v4.new_output("display_data", data={"text/plain": "kept"})]),
             nbformat.v4.new_markdown_cell("text")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.validate(notebook)
    text = (ROOT / "Docs" / "GATE.md").read_text()
    names = {"c": types.SimpleNamespace(FileContentsManager=types.SimpleNamespace())}
    exec(text.split("```python\n")[1].split("```")[0], names)
    hook = names["c"].FileContentsManager.pre_save_hook
    hook(model={"type": "notebook", "content": notebook}, path="a.ipynb", contents_manager=None)
    assert [len(cell.get("outputs", [])) for cell in notebook.cells] == [0, 2, 0]
    nbformat.validate(notebook)
    hook(model={"type": "file", "content": "text"}, path="a.txt", contents_manager=None)
    hook(model={"type": "notebook", "content": None}, path="a.ipynb", contents_manager=None)
