"""The same closed loop in SimPy, and rigid jobs in AccaSim, for `celltop bench simulate` to be compared with.

Needs SimPy and AccaSim: python3 -m venv .build/bench-python && .build/bench-python/bin/python -m pip install simpy accasim
Prints a JSON object a line. A peer that is not installed is said to be skipped, and why.
"""
import collections
import collections.abc
import json
import os
import random
import sys
import tempfile
import time


def clocks():
    """Seconds on the wall and of this process."""
    return time.perf_counter(), time.process_time()


def figures(peer, cells, began):
    wall, processor = (now - before for now, before in zip(clocks(), began))
    return {"bench": "peer", "peer": peer, "cells": cells, "cellsPerSecond": int(cells / wall),
            "cellsPerProcessorSecond": int(cells / processor)}


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
    began = clocks()
    environment.run()
    return figures(f"simpy {simpy.__version__}", notebooks * cells, began)


def accasim_first_come(jobs=5000, cores=128):
    """Rigid jobs in an open loop (AccaSim has no closed one): first in, first out, first fit, all its outputs off."""
    # AccaSim 1.1.3 takes `Mapping` from where Python had it until 3.9.
    collections.Mapping = collections.abc.Mapping
    from importlib.metadata import version
    from accasim.base.allocator_class import FirstFit
    from accasim.base.scheduler_class import FirstInFirstOut
    from accasim.base.simulator_class import Simulator

    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        workload, system = os.path.join(folder, "jobs.swf"), os.path.join(folder, "system.json")
        now = 0.0
        with open(workload, "w") as out:
            for number in range(1, jobs + 1):
                now += rng.expovariate(1.6)
                run = max(1, round(rng.expovariate(1 / 60)))
                out.write(f"{number} {int(now)} -1 {run} 1 -1 -1 1 {run} -1 1 1 1 1 1 1 -1 -1\n")
        with open(system, "w") as out:
            json.dump({"groups": {"g": {"core": cores}}, "resources": {"g": 1}}, out)
        began = clocks()
        simulator = Simulator(
            workload, system, FirstInFirstOut(FirstFit()), scheduling_output=False, statistics_output=False,
            show_statistics=False, pprint_output=False, RESULTS_FOLDER_PATH=folder, LOG_LEVEL="ERROR")
        simulator.start_simulation()
        return figures(f"accasim {version('accasim')}", jobs, began)


def main():
    for name, measure in (("simpy", simpy_closed_loop), ("accasim", accasim_first_come)):
        try:
            print(json.dumps(measure()), flush=True)
        except ImportError as error:
            print(json.dumps({"bench": "peer", "peer": name, "skipped": str(error)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
