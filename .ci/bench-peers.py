"""The same closed loop in SimPy, and rigid jobs in AccaSim, for `celltop bench simulate` to be compared with.

Needs SimPy (and AccaSim where it installs): python3 -m venv .build/bench-python && .build/bench-python/bin/pip install simpy accasim
Prints a JSON object a line. A peer that is not installed is said to be skipped.
"""
import json
import random
import sys
import time


def simpy_closed_loop(notebooks=300, cells=300, gpus=128):
    """Bare closed loop: think, take a GPU first come first served, run, give it back. No log, no measures."""
    import simpy

    rng = random.Random(1)
    environment = simpy.Environment()
    resource = simpy.Resource(environment, capacity=gpus)

    def notebook():
        for _ in range(cells):
            yield environment.timeout(rng.expovariate(1 / 10))
            with resource.request() as request:
                yield request
                yield environment.timeout(rng.expovariate(1 / 5))

    for _ in range(notebooks):
        environment.process(notebook())
    began = time.perf_counter()
    environment.run()
    seconds = time.perf_counter() - began
    return {"bench": "peer", "peer": f"simpy {simpy.__version__}", "cells": notebooks * cells,
            "cellsPerSecond": int(notebooks * cells / seconds)}


def main():
    try:
        print(json.dumps(simpy_closed_loop()))
    except ImportError:
        print(json.dumps({"bench": "peer", "peer": "simpy", "skipped": "not installed"}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
