"""Runs suites and clients on a kernel direct and behind the gate, and holds the two against each other.

    python3 Tests/Conformance [--tool .build/release/celltop] [--part NAME]… [--small] [--again] [--minutes 30] [--list]

Each part is kept when it is done (.build/conformance/results), so a run that was cut short goes on where it was; a new gate,
or --again, begins anew. Exits 0 where no test passes direct and fails gated, 1 where one does, 2 where something could not
run at all."""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import outcomes
import report
from arms import ARMS, Arm, Engine
from environments import BUILD, ROOT, Absent, Environment, Unavailable, say, source
from parts import PARTS

HERE = pathlib.Path(__file__).resolve().parent


class Run:
    """One call of the command."""

    def __init__(self, options):
        self.options = options
        self.tool = str(pathlib.Path(options.tool).resolve())
        self.gate = pathlib.Path(self.tool).with_name("celltop-gate")
        self.deadline = time.monotonic() + options.minutes * 60
        self.work = BUILD / ("small" if options.small else "work")
        self.results = BUILD / ("results-small" if options.small else "results")
        self.results.mkdir(parents=True, exist_ok=True)
        self.environments = {}
        # The process groups of the suites that run now.
        self.groups = set()
        for program in () if options.prepare else (self.tool, self.gate):
            if not os.access(program, os.X_OK):
                raise Unavailable(f"there is no program {program}: build it, or name the tool with --tool")

    def environment(self, name):
        if name not in self.environments:
            self.environments[name] = Environment(name).prepare()
        return self.environments[name]

    def prepare(self, parts):
        """Fetches what the parts need; 2 where something cannot be had."""
        status = 0
        for part in parts:
            try:
                environment = self.environment(part.environment)
                for _, home in part.kernels:
                    self.environment(home or part.environment)
                if part.source:
                    source(part.source, environment)
            except Unavailable as reason:
                say(f"{part.name}: {reason}")
                status = 2
        return status

    def stamp(self, part):
        """Changes with whatever could change the result."""
        seed = hashlib.sha256(repr(part).encode())
        for path in (self.gate, *sorted(HERE.glob("checks/*.py")), HERE / "requirements" / f"{part.environment}.txt"):
            if part.source and path.parent.name == "checks":
                continue
            seed.update(path.read_bytes())
        return seed.hexdigest()

    def part(self, part):
        """The result of one part, from an earlier call where it is still true; None where time is up."""
        kept = self.results / f"{part.name}.json"
        stamp = self.stamp(part)
        if kept.exists() and not self.options.again:
            result = json.loads(kept.read_text())
            if result["stamp"] == stamp:
                say(f"{part.name}: kept from {result['when']}")
                # The page names the versions of everything that it tells of.
                for name in {part.environment, *(home or part.environment for _, home in part.kernels)}:
                    self.environment(name)
                return result
        if time.monotonic() > self.deadline:
            say(f"{part.name}: no time left; run the same command again to go on from here")
            return None
        try:
            result = self.measure(part)
        except Unavailable as reason:
            say(f"{part.name}: not run: {reason}")
            return {"part": part.name, "stamp": "", "missing": str(reason), "absent": isinstance(reason, Absent)}
        result |= {"part": part.name, "stamp": stamp, "when": time.strftime("%Y-%m-%d %H:%M")}
        # A run that the command's own end cut short is no result.
        if not result["cut"]:
            kept.write_text(json.dumps(result, indent=1))
        return result

    def measure(self, part):
        for program in part.needs:
            if not shutil.which(program):
                raise Absent(f"there is no {program} on PATH ('.ci/setup --tests' installs it on Debian)")
        environment = self.environment(part.environment)
        homes = {name: self.environment(home) if home else environment for name, home in part.kernels}
        folder = source(part.source, environment) if part.source else HERE / "checks"
        work = self.work / part.name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        # A socket's path is short (unix(7)), and that of a checkout may not be.
        place = pathlib.Path("/tmp") / f"celltop-conformance-{os.getpid()}-{part.name}"
        engine = Engine(self.tool, place) if part.engine else None
        try:
            if engine:
                engine.start()
            arms = {name: Arm(name, part, work, self.tool, homes, engine) for name in ARMS}
            found, seconds, cut = {}, {}, False
            wanted = part.small if self.options.small else part.files
            for name, (outcome, taken, ended) in self.both(part, arms, environment, folder, wanted).items():
                found[name], seconds[name] = outcome, taken
                cut |= not ended
                passed, failed, skipped = outcomes.counts(found[name])
                say(f"{part.name} {name}: {passed} passed, {failed} failed, {skipped} skipped in {seconds[name]:.0f} s")
            if cut:  # such a run is no success, and what it did not come to is no difference
                found = outcomes.common(found)
            repeated = self.repeat(part, arms, environment, folder, found)
            cells, kernels = engine.granted() if engine else (0, 0)
        finally:
            if engine:
                engine.stop()
            shutil.rmtree(place, ignore_errors=True)
        if part.engine and cells == 0:
            raise Unavailable(f"no cell came to the engine, of {kernels} kernels behind a gate: nothing was compared")
        if not outcomes.counts(found["direct"])[0]:
            raise Unavailable("no test passed direct, so nothing was compared; see " + str(arms["direct"].folder / "first.log"))
        return {"arms": found, "seconds": seconds, "repeated": repeated, "cells": cells, "kernels": kernels, "cut": cut,
                "differences": {} if cut else self.artefacts(arms)}

    def both(self, part, arms, environment, folder, files):
        """Runs tests on both arms, {arm: as `suite` gives it}: at the same time, since suites mostly wait, each in a copy of a
        foreign source of its own. The small part, which a machine runs beside other tests, one arm after the other."""
        places = {}
        for name in ARMS:
            places[name] = folder
            if part.source:
                places[name] = arms[name].folder / "source"
                shutil.copytree(folder, places[name])
        with concurrent.futures.ThreadPoolExecutor(1 if self.options.small else len(ARMS)) as pool:
            runs = {name: pool.submit(self.suite, part, arms[name], environment, places[name], files, "first")
                    for name in ARMS}
            try:
                concurrent.futures.wait(runs.values())
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                for group in self.groups:
                    os.killpg(group, signal.SIGKILL)
                raise
        return {name: run.result() for name, run in runs.items()}

    def suite(self, part, arm, environment, folder, files, label):
        """Runs tests on one arm; gives their outcomes, the seconds, and whether the run came to its end."""
        record = arm.folder / f"{label}.jsonl"
        log = arm.folder / f"{label}.log"
        command = [
            str(environment.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "recorder", "-o", "addopts=",
            "--timeout=180", "-o", "timeout_method=signal", "--basetemp", str(arm.folder / "tmp"), *part.options,
            *files,
        ]
        variables = arm.environ(environment) | dict(part.variables) | {
            "PYTHONPATH": str(HERE / "plugin"), "CONFORMANCE_RECORD": str(record)}
        if part.every and arm.name == "gated":
            variables["CONFORMANCE_GATE"] = str(self.gate)
        left = max(30.0, min(part.seconds, self.deadline + 120 - time.monotonic()))
        began = time.monotonic()
        with open(log, "wb") as out:
            process = subprocess.Popen(command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       start_new_session=True)
            self.groups.add(process.pid)
            try:
                process.wait(left)
                ended = True
            except subprocess.TimeoutExpired:
                ended = False
                say(f"{part.name} {arm.name}: did not end within {left:.0f} s")
            except KeyboardInterrupt:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            finally:
                self.groups.discard(process.pid)
        self.sweep(record)
        found = outcomes.read(record)
        if not found:
            raise Unavailable(f"no test ran on the {arm.name} arm; see {log}: {tail(log)}")
        return found, time.monotonic() - began, ended

    @staticmethod
    def sweep(record):
        """Ends what a suite left behind, in whatever session: some leave kernels, and one that is cut short its servers. They have
        the suite's variables."""
        mark = f"CONFORMANCE_RECORD={record}".encode()
        for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in path.read_bytes().split(b"\0"):
                    os.kill(int(path.parent.name), signal.SIGKILL)
            except OSError:
                continue

    def repeat(self, part, arms, environment, folder, found):
        """Runs the tests that differ again and again on both arms: {id: {arm: [outcome, …]}}."""
        names = outcomes.differing(found)
        if not names:
            return {}
        history = {name: {arm: [found[arm].get(name, ("missing", ""))[0]] for arm in ARMS} for name in names}
        if len(names) > 25:
            say(f"{part.name}: {len(names)} tests differ: too many to repeat")
            return history
        say(f"{part.name}: {len(names)} differ: {', '.join(names)}")
        shown = 0 if self.options.small else outcomes.REPEATS_BETTER
        for turn in range(outcomes.REPEATS):
            if turn >= shown:
                names = [name for name in names if not outcomes.better(found, name)]
            if not names:
                break
            for arm in ARMS:
                if time.monotonic() > self.deadline:
                    return history
                try:
                    again, _, _ = self.suite(part, arms[arm], environment, folder, names, f"repeat-{turn}")
                except Unavailable:
                    again = {}
                for name in names:
                    history[name][arm].append(again.get(name, ("missing", ""))[0])
        return history

    @staticmethod
    def artefacts(arms):
        """Files that both arms left for comparison and that are not equal, with the first line that differs."""
        folders = [arm.folder / "artefacts" for arm in arms.values()]
        names = sorted({path.name for folder in folders for path in folder.glob("*")})
        different = {}
        for name in names:
            texts = [(folder / name).read_text().splitlines() if (folder / name).exists() else None for folder in folders]
            if texts[0] == texts[1]:
                continue
            if None in texts:
                different[name] = f"only the {ARMS[texts.index(None) ^ 1]} arm left it"
                continue
            pairs = list(zip(texts[0] + [""] * len(texts[1]), texts[1] + [""] * len(texts[0])))
            one, other = next(pair for pair in pairs if pair[0] != pair[1])
            different[name] = f"direct {one.strip()!r}, gated {other.strip()!r}"
        return different


def tail(path):
    lines = path.read_text(errors="replace").strip().splitlines()
    return " / ".join(lines[-3:])[:400]


def main():
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__.splitlines()[0])
    parser.add_argument("--tool", default=str(ROOT / ".build/release/celltop"), help="the celltop whose gate is tried")
    parser.add_argument("--part", action="append", default=[], choices=[part.name for part in PARTS], help="only this one")
    parser.add_argument("--small", action="store_true", help="the small part that make test runs; writes no page")
    parser.add_argument("--again", action="store_true", help="do not keep what an earlier call found")
    parser.add_argument("--minutes", type=float, default=30, help="begin no further part after this time (30)")
    parser.add_argument("--list", action="store_true", help="list the parts, and end")
    parser.add_argument("--prepare", action="store_true", help="only fetch the environments and sources, and end")
    options = parser.parse_args()
    if options.list:
        for part in PARTS:
            print(f"{part.name:20} {part.title}")
        return 0
    try:
        run = Run(options)
        parts = [part for part in PARTS if (not options.part or part.name in options.part)
                 and (not options.small or part.small)]
        if options.prepare:
            return run.prepare(parts)
        results = [(part, run.part(part)) for part in parts]
    except Unavailable as reason:
        print(f"conformance: error: {reason}", file=sys.stderr)
        return 2
    print(report.table(results))
    if not options.small and not options.part:
        report.write(ROOT / "Docs" / "CONFORMANCE.md", results, run)
    if options.small:  # what a machine has not got was said, and is no failure of its tests
        results = [(part, result) for part, result in results if not (result or {}).get("absent")]
    return report.status(results)


if __name__ == "__main__":
    sys.exit(main())
