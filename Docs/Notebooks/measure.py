#!/usr/bin/env python3
"""Measures the bundled notebooks on one core, and prints the table of README.md.

    .build/python/bin/python Docs/Notebooks/measure.py [--cells] [NOTEBOOK…]

Each notebook runs through nbclient in a fresh kernel that is bound to one core and told to use one thread.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class Run:
    """One cell: its id, seconds by the clock and seconds of processor time (children included)."""

    cell: str
    wall: float
    cpu: float


def measure(path: Path) -> list[Run]:
    """Executes a notebook; an error in a cell is raised as nbclient's CellExecutionError."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(path.parent)}})
    runs = []
    with client.setup_kernel():
        kernel = psutil.Process(client.km.provisioner.pid)
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            wall, cpu = time.monotonic(), cpu_seconds(kernel)
            client.execute_cell(cell, index)
            runs.append(Run(cell.id, time.monotonic() - wall, cpu_seconds(kernel) - cpu))
            for output in cell.outputs:
                if output.get("name") == "stderr":
                    print(f"{path.stem} / {cell.id}: {output.text}")
    return runs


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and of the children that it has waited for: what a busy node does not distort."""
    return sum(process.cpu_times()[:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted(HERE.glob("*.ipynb")), metavar="NOTEBOOK")
    parser.add_argument("--cells", action="store_true", help="also print each cell's seconds")
    options = parser.parse_args()
    # Kernels inherit both.
    os.environ.update({name: "1" for name in POOLS})
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print("| notebook | code cells | processor seconds | by the clock | its longest cell |\n|---|---|---|---|---|")
    for path in options.notebooks:
        runs = measure(path)
        longest = max(runs, key=lambda run: run.cpu)
        print(
            f"| {path.stem} | {len(runs)} | {sum(run.cpu for run in runs):.0f} | {sum(run.wall for run in runs):.0f} "
            f"| `{longest.cell}`, {longest.cpu:.0f} s |",
            flush=True,
        )
        if options.cells:
            print("\n".join(f"    {run.cell:20} {run.wall:7.2f} {run.cpu:7.2f}" for run in runs), flush=True)


if __name__ == "__main__":
    main()
