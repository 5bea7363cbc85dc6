"""The player, run as the console runs it, on small notebooks and a plain ipykernel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PLAYER_DIRECTORY = Path(__file__).resolve().parents[3] / "Sources" / "Player"
sys.path.insert(0, str(PLAYER_DIRECTORY))

from pace import Pace  # noqa: E402

DEADLINE_SECONDS = 25


def write_notebook(directory: Path, *sources: str) -> Path:
    cells = [{"cell_type": "markdown", "id": "story", "metadata": {}, "source": "Words between the cells."}]
    for number, source in enumerate(sources, 1):
        cells.append(
            {
                "cell_type": "code",
                "id": f"c{number}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": source,
            }
        )
    path = directory / "small.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    return path


class Playing:
    """A running player: its events are read as they come."""

    def __init__(self, notebook: Path, *options: str, kernel: str = "python3") -> None:
        command = [sys.executable, PLAYER_DIRECTORY / "play.py", notebook, "--kernel-name", kernel, "--seed", "7"]
        self.process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.events: list[dict] = []

    def until(self, event: str) -> dict:
        """Reads events up to the next `event`, and returns it."""
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == event:
                return self.events[-1]
        pytest.fail(f"no '{event}' came; events: {self.events}; errors: {self.process.stderr.read()}")

    def finish(self) -> int:
        """Reads to the end and returns the exit status."""
        output, self.errors = self.process.communicate(timeout=DEADLINE_SECONDS)
        self.events += [json.loads(line) for line in output.splitlines()]
        return self.process.returncode

    def list(self, *kinds: str) -> list[tuple]:
        return [(e["event"], e.get("cell")) for e in self.events if e["event"] in kinds]


@pytest.fixture
def play():
    started: list[Playing] = []

    def start(*arguments: object, **named: str) -> Playing:
        started.append(Playing(*arguments, **named))
        return started[-1]

    yield start
    for playing in started:
        if playing.process.poll() is None:
            playing.process.kill()
        playing.process.communicate()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def poll(condition, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"in {DEADLINE_SECONDS} s it did not happen that {what}"
        time.sleep(0.02)


def test_runs_the_cells_in_order_and_saves_them_with_their_times(play, tmp_path):
    notebook = write_notebook(
        tmp_path,
        "import os; print(os.environ['JPY_SESSION_NAME'])",
        "print('a'); print('b')",
        "from IPython.display import display\nhandle = display('old', display_id=True)\nhandle.update('new')\n6 * 7",
    )
    saved = tmp_path / "saved.ipynb"
    playing = play(notebook, "--think-scale", "0", "--burst-share", "0", "--save", str(saved))
    assert playing.finish() == 0, playing.errors
    expected = [(event, cell) for cell in ("c1", "c2", "c3") for event in ("submitted", "started", "ended")]
    assert playing.list("submitted", "started", "ended") == expected
    assert playing.list("playing", "kernel_ready", "round_ended", "done") == [
        ("playing", None),
        ("kernel_ready", None),
        ("round_ended", None),
        ("done", None),
    ]
    times = [e["at"] for e in playing.events]
    assert times == sorted(times)
    _, first, second, third = json.loads(saved.read_text())["cells"]
    assert first["outputs"][0]["text"] == f"{notebook}\n"
    assert second["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "a\nb\n"}]
    assert [o["data"]["text/plain"] for o in third["outputs"]] == ["'new'", "42"]
    assert set(second["metadata"]["execution"]) == {
        "iopub.status.busy",
        "iopub.execute_input",
        "iopub.status.idle",
        "shell.execute_reply",
        "shell.execute_reply.started",
    }
    import nbformat

    nbformat.validate(nbformat.read(saved, as_version=4))


def test_an_error_in_a_burst_aborts_the_rest_and_is_tried_once_more(play, tmp_path):
    notebook = write_notebook(tmp_path, "1 / 0", "2", "3")
    seed = next(seed for seed in range(100) if len(Pace(seed, 0, 0, burst_share=1).round(3)) == 1)
    playing = play(notebook, "--think-scale", "0", "--burst-share", "1", "--seed", str(seed))
    assert playing.finish() == 1, playing.errors
    ended = [(e["cell"], e["status"], e.get("error")) for e in playing.events if e["event"] == "ended"]
    attempt = [("c1", "error", "ZeroDivisionError"), ("c2", "aborted", None), ("c3", "aborted", None)]
    assert ended == attempt * 2
    submitted = playing.list("submitted", "ended")[:3]
    assert submitted == [("submitted", "c1"), ("submitted", "c2"), ("submitted", "c3")], "all go out at once"
    assert playing.events[-1]["status"] == "error"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_a_cell_leaves_no_kernel(play, tmp_path, number):
    notebook = write_notebook(tmp_path, "import time; time.sleep(600)")
    playing = play(notebook, "--think-scale", "0", "--loop")
    kernel = playing.until("kernel_ready")["pid"]
    playing.until("started")
    assert is_running(kernel)
    playing.process.send_signal(number)
    assert playing.finish() == 0, playing.errors
    assert not is_running(kernel)
    assert playing.events[-2]["status"] == "lost"
    assert playing.events[-1] == {**playing.events[-1], "event": "done", "status": "stopped"}


def test_a_dead_kernel_is_restarted_and_the_notebook_starts_over(play, tmp_path):
    notebook = write_notebook(
        tmp_path,
        f"from pathlib import Path; marker = Path({str(tmp_path / 'died')!r})",
        "import os, signal\nif not marker.exists():\n    marker.touch()\n    os.kill(os.getpid(), signal.SIGKILL)",
    )
    playing = play(notebook, "--think-scale", "0", "--burst-share", "0")
    assert playing.finish() == 0, playing.errors
    ended = [(e["cell"], e["status"]) for e in playing.events if e["event"] == "ended"]
    assert ended == [("c1", "ok"), ("c2", "lost"), ("c1", "ok"), ("c2", "ok")]
    assert playing.list("kernel_ready", "kernel_died") == [
        ("kernel_ready", None),
        ("kernel_died", None),
        ("kernel_ready", None),
    ]


def test_the_round_is_finished_and_the_kernel_ended_when_the_parent_is_gone(play, tmp_path):
    released = tmp_path / "released"
    wait = f"import os, time\nwhile not os.path.exists({str(released)!r}): time.sleep(0.01)"
    notebook = write_notebook(tmp_path, wait, "'the second cell runs, too'")
    parent = subprocess.Popen(["sleep", "600"])
    playing = play(notebook, "--think-scale", "0", "--burst-share", "0", "--loop", "--parent", str(parent.pid))
    kernel = playing.until("kernel_ready")["pid"]
    playing.until("started")
    parent.kill()
    parent.wait()
    released.touch()
    assert playing.finish() == 0, playing.errors
    assert [e["status"] for e in playing.events if e["event"] == "ended"] == ["ok", "ok"]
    assert playing.list("parent_gone") == [("parent_gone", None)]
    assert not is_running(kernel)


def test_a_killed_player_leaves_no_kernel(play, tmp_path):
    notebook = write_notebook(tmp_path, "1")
    playing = play(notebook, "--think-scale", "1000", "--burst-share", "0")
    kernel = playing.until("kernel_ready")["pid"]
    playing.process.kill()
    poll(lambda: not is_running(kernel), "the kernel notices that its parent is gone")


def test_thinking_costs_next_to_nothing(play, tmp_path):
    notebook = write_notebook(tmp_path, "1")
    playing = play(notebook, "--think-scale", "1000", "--burst-share", "0")
    playing.until("thinking")
    tick = os.sysconf("SC_CLK_TCK")

    def cpu_seconds() -> float:
        fields = Path(f"/proc/{playing.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / tick

    status = Path(f"/proc/{playing.process.pid}/status").read_text()
    assert int(status.split("Threads:")[1].split()[0]) <= 6
    before = cpu_seconds()
    time.sleep(3)  # what is measured is a stretch of time, so there is no event to wait for
    assert cpu_seconds() - before <= 0.03


def test_the_same_seed_gives_the_same_draws(play, tmp_path):
    def draws(seed: int) -> list:
        return Pace(seed, scale=1, longest=1200, burst_share=0.5).round(40)

    assert draws(1) == draws(1) != draws(2)
    steps = draws(3)
    assert [cell for step in steps for cell in step.cells] == list(range(40))
    assert {len(step.cells) for step in steps} == {1, 2, 3}
    # A restart in between draws from elsewhere, and changes nothing.
    pace = Pace(1, scale=1, longest=1200, burst_share=0.5)
    pace.round_again(40)
    pace.think_again()
    assert pace.round(40) == draws(1)
    # The player says what was drawn.
    notebook = write_notebook(tmp_path, "1", "2", "3")
    playing = play(notebook, "--think-scale", "0.0005", "--think-max", "0.2", "--burst-share", "0")
    assert playing.finish() == 0, playing.errors
    expected = [round(step.think, 3) for step in Pace(7, 0.0005, 0.2, 0).round(3)]
    assert [e["seconds"] for e in playing.events if e["event"] == "thinking"] == expected


def test_think_times_follow_the_fitted_distribution():
    steps = Pace(11, scale=1, longest=float("inf"), burst_share=0).round(20_000)
    ordered = sorted(step.think for step in steps)
    quartiles = [ordered[int(share * len(ordered))] for share in (0.25, 0.5, 0.75)]
    # By inversion of the mixture's distribution function.
    assert quartiles == pytest.approx([2.37, 8.43, 94.9], rel=0.1)
    assert max(step.think for step in Pace(11, 1, 60, 0).round(1000)) == 60


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.unlink(), "cannot read the notebook"),
        (lambda path: path.write_text("{"), "it is not JSON"),
        (lambda path: path.write_text('{"nbformat": 3}'), "not a notebook in format 4"),
        (lambda path: write_notebook(path.parent), "has no code cells"),
    ],
)
def test_says_what_is_wrong_with_a_notebook(play, tmp_path, change, said):
    notebook = write_notebook(tmp_path, "1")
    change(notebook)
    playing = play(notebook)
    assert playing.finish() == 2
    assert said in playing.errors and not playing.events


def test_says_which_kernels_there_are(play, tmp_path):
    playing = play(write_notebook(tmp_path, "1"), kernel="no-such-kernel")
    assert playing.finish() == 2
    assert "there is no kernelspec 'no-such-kernel'. Installed are:" in playing.errors
    assert "python3" in playing.errors
