"""A notebook file: its code cells, and what running them adds to it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


class NotebookUnreadable(Exception):
    """The file is no notebook that can be played; the text says why and how to mend it."""


@dataclass
class CodeCell:
    """One code cell that has code: its number among them from 1, its Jupyter id, and its part of the file."""

    number: int
    id: str
    source: str
    json: dict


class Document:
    """A notebook in nbformat 4, with the outputs of the current round."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._json = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise NotebookUnreadable(f"cannot read the notebook '{path}': {error.strerror}.") from error
        except ValueError as error:
            raise NotebookUnreadable(f"'{path}' is not a notebook: it is not JSON ({error}).") from error
        if not isinstance(self._json, dict) or self._json.get("nbformat") != 4 or "cells" not in self._json:
            raise NotebookUnreadable(
                f"'{path}' is not a notebook in format 4. Convert it with: jupyter nbconvert --to notebook"
            )
        self.cells: list[CodeCell] = []
        for cell in self._json["cells"]:
            source = cell.get("source", "")
            source = source if isinstance(source, str) else "".join(source)
            if cell.get("cell_type") != "code" or not source.strip():
                continue
            number = len(self.cells) + 1
            self.cells.append(CodeCell(number, cell.get("id", f"cell-{number}"), source, cell))
        if not self.cells:
            raise NotebookUnreadable(f"the notebook '{path}' has no code cells; there is nothing to run.")
        self._clear_before_next: set[int] = set()

    def begin(self, cell: CodeCell) -> None:
        """Forgets what an earlier run of this cell left."""
        cell.json["outputs"] = []
        cell.json["execution_count"] = None
        cell.json.setdefault("metadata", {}).pop("execution", None)
        self._clear_before_next.discard(cell.number)

    def mark(self, cell: CodeCell, what: str, message: dict) -> None:
        """Writes the time of a message under `metadata.execution`, in the keys that Jupyter clients use."""
        cell.json["metadata"].setdefault("execution", {})[what] = moment(message["header"].get("date"))

    def reply(self, cell: CodeCell, message: dict) -> None:
        """Takes the `execute_reply` of a cell."""
        cell.json["execution_count"] = message["content"].get("execution_count")
        self.mark(cell, "shell.execute_reply", message)
        started = message.get("metadata", {}).get("started")
        if started:
            cell.json["metadata"]["execution"]["shell.execute_reply.started"] = moment(started)

    def output(self, cell: CodeCell, message: dict) -> None:
        """Takes an iopub message, and ignores those that are no output."""
        kind, content = message["header"]["msg_type"], message["content"]
        if kind == "update_display_data":
            self._update(content)
            return
        if kind == "clear_output":
            if content.get("wait"):
                self._clear_before_next.add(cell.number)
            else:
                cell.json["outputs"] = []
            return
        output = _output(kind, content)
        if output is None:
            return
        outputs = cell.json["outputs"]
        if cell.number in self._clear_before_next:
            self._clear_before_next.discard(cell.number)
            outputs.clear()
        last = outputs[-1] if outputs else {}
        if kind == "stream" and last.get("output_type") == "stream" and last["name"] == output["name"]:
            last["text"] += output["text"]
        else:
            outputs.append(output)

    def save(self, target: Path) -> None:
        """Writes the executed notebook in one step, so that a reader never sees half of it."""
        copy = json.loads(json.dumps(self._json))
        for cell in copy["cells"]:
            for output in cell.get("outputs", ()):
                output.pop("transient", None)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.write_text(json.dumps(copy, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.replace(target)

    def _update(self, content: dict) -> None:
        display = content.get("transient", {}).get("display_id")
        for cell in self.cells:
            for output in cell.json.get("outputs", ()):
                if display is not None and output.get("transient", {}).get("display_id") == display:
                    output["data"] = content["data"]
                    output["metadata"] = content["metadata"]


def _output(kind: str, content: dict) -> dict | None:
    if kind == "stream":
        return {"output_type": kind, "name": content["name"], "text": content["text"]}
    if kind == "error":
        return {"output_type": kind, **{key: content[key] for key in ("ename", "evalue", "traceback")}}
    if kind == "display_data":
        # The display id is needed until the notebook is saved, for updates; the format has no place for it.
        return {
            "output_type": kind,
            "data": content["data"],
            "metadata": content["metadata"],
            "transient": content.get("transient", {}),
        }
    if kind == "execute_result":
        return {
            "output_type": kind,
            "data": content["data"],
            "metadata": content["metadata"],
            "execution_count": content.get("execution_count"),
        }
    return None


def moment(date: object) -> str | None:
    """A message's time as text in ISO 8601; jupyter_client hands it out as a datetime, a kernel's metadata as text."""
    return date.isoformat() if hasattr(date, "isoformat") else date  # type: ignore[return-value]
