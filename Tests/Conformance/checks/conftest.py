"""What the checks share: the kernel under test, patience, and a place for files that both arms are compared by."""

import json
import os
import pathlib
import time

import pytest

KERNEL = os.environ.get("CONFORMANCE_KERNEL", "python3")
PATIENCE = 90.0


def until(condition, seconds=PATIENCE, what="the condition"):
    """Polls until `condition` gives something true, and gives that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come true within {seconds} s")


def plain(notebook):
    """A saved notebook without what no two runs have in common: cell and widget ids, times, addresses, process ids."""
    notebook = json.loads(json.dumps(notebook))
    names = {}

    def alias(value):
        return names.setdefault(value, f"id-{len(names)}")

    def walk(value, key=""):
        if isinstance(value, dict):
            return {k: walk(v, k) for k, v in value.items() if k not in ("execution", "start_time", "end_time", "duration",
                                                                       "shell.execute_reply.started", "widgets")}
        if isinstance(value, list):
            return [walk(v) for v in value]
        if key in ("id", "model_id", "output_path") and isinstance(value, str):
            return alias(value)
        return value

    metadata = notebook.get("metadata", {})
    for engine in ("papermill",):
        for name in ("input_path", "output_path", "start_time", "end_time", "duration", "version"):
            metadata.get(engine, {}).pop(name, None)
    return walk(notebook)


@pytest.fixture
def artefact():
    """Keeps a notebook or a text for the comparison of both arms."""
    folder = pathlib.Path(os.environ.get("CONFORMANCE_ARTEFACTS", "artefacts"))
    folder.mkdir(parents=True, exist_ok=True)

    def keep(name, content):
        text = content if isinstance(content, str) else json.dumps(plain(content), indent=1, sort_keys=True)
        (folder / name).write_text(text + "\n")

    return keep
