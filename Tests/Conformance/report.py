"""The table of both arms, on the screen and in Docs/CONFORMANCE.md."""

import os
import platform
import subprocess
import time

import outcomes
from arms import POLICY

SHOWN = ("ipykernel", "jupyter-client", "nbclient", "papermill", "jupyter-console", "jupyterlab", "jupyter-server",
         "ipywidgets", "jupyter-kernel-test", "bash-kernel", "xeus-python", "pyzmq", "selenium", "pytest")


# Files that differ for a reason that is no defect of the gate: shown with it, not counted.
KNOWN = {
    "aborted-xpython.json": "xeus-python takes up every cell that was sent before the first has ended, and so runs what stands behind "
    "a failed one though the client asked it to stop on an error; the gate aborts it, as the protocol has it",
    "aborted-ir.json": "IRkernel aborts only what has reached it by the moment of the error, and runs what comes a moment later; the "
    "gate aborts all that was sent before the error could be known, as the protocol has it",
}


def unexplained(result):
    """The files that differ and should not."""
    return {name: what for name, what in result.get("differences", {}).items() if name not in KNOWN}


def verdicts(result):
    """The tests that differed in the first run, with what repetition says: [(name, direct, gated, verdict)]."""
    return [(name, arms["direct"], arms["gated"], outcomes.verdict(arms["direct"], arms["gated"]))
            for name, arms in sorted(result.get("repeated", {}).items())]


def broken(result):
    """How many tests pass direct and fail gated, files that differ among them."""
    return sum(verdict == "differs" for *_, verdict in verdicts(result)) + len(unexplained(result))


def status(results):
    if any(result and "missing" not in result and broken(result) for _, result in results):
        return 1
    return 2 if any(result is None or "missing" in result or result["cut"] for _, result in results) else 0


def rows(results):
    for part, result in results:
        if result is None:
            yield part.title, "not run: out of time", "", "", "", ""
        elif "missing" in result:
            yield part.title, f"not run: {result['missing']}", "", "", "", ""
        else:
            sides = [" / ".join(map(str, outcomes.counts(result["arms"][arm]))) for arm in ("direct", "gated")]
            times = "{direct:.0f} / {gated:.0f}".format(**result["seconds"])
            cells = f"{result['cells']} of {result['kernels']}" if part.engine else "no engine"
            title = part.title + (" (cut short)" if result["cut"] else "")
            yield title, *sides, times, cells, str(broken(result))


HEAD = ("suite", "direct", "gated", "seconds", "cells of kernels", "differ")


def table(results):
    lines = [HEAD, *rows(results)]
    widths = [max(len(line[column]) for line in lines if column == 0 or line[2]) for column in range(len(HEAD))]
    text = ["", "passed / failed / skipped; seconds direct / gated; 'differ': pass direct and fail gated, after repetition"]
    for line in lines:
        text.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() if line[2] else
                    f"{line[0].ljust(widths[0])}  {line[1]}")
    for part, result in results:
        for name, direct, gated, verdict in verdicts(result or {}):
            text.append(f"  {part.name}: {name}: direct {passes(direct)}, gated {passes(gated)}: {verdict}")
            if verdict != "better":
                text.append(f"      {why(result, name)}")
        for name, what in (result or {}).get("differences", {}).items():
            known = f" (known: {KNOWN[name]})" if name in KNOWN else ""
            text.append(f"  {part.name}: the file {name} is not the same: {what}{known}")
    return "\n".join(text)


def passes(arm):
    """'5 of 7', or 'skipped' where it never ran."""
    if set(arm) == {"skipped"}:
        return "skipped"
    return f"{sum(outcome == 'passed' for outcome in arm)} of {len(arm)}"


def why(result, name):
    for arm in ("gated", "direct"):
        outcome, text = result["arms"][arm].get(name, ("missing", ""))
        if outcome not in ("passed",):
            return f"{arm}: {outcome}: {text}"
    return "passed in both first runs"


def escaped(text):
    return text.replace("|", "\\|").replace("`", "'")


def versions(run):
    """The versions of what was compared, environment by environment."""
    for name, environment in sorted(run.environments.items()):
        found = environment.versions()
        python = subprocess.run([str(environment.python), "--version"], capture_output=True, text=True).stdout.strip()
        yield f"- environment `{name}`: {python}, " + ", ".join(
            f"{package} {found[package]}" for package in SHOWN if package in found)
    for command in (["R", "--version"], ["chromium", "--version"]):
        try:
            yield "- " + subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.splitlines()[0].strip()
        except (OSError, IndexError, subprocess.TimeoutExpired):
            yield f"- {command[0]}: not there"


def write(path, results, run):
    """Writes the page anew."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=path.parent)
    lines = [
        "# Conformance: what clients and suites see behind the gate", "",
        "Made by `make conformance`; do not edit. Every part runs on two arms at the same time, with the same interpreter and",
        "packages: **direct**, the kernel as installed, and **gated**, the same kernelspec wrapped by",
        "`celltop kernelspec install` under the same name through `JUPYTER_PATH`, with an engine that grants its cells (policy",
        f"`{POLICY}`). *Cells of kernels* is what that engine's history says it started: the proof that the gate was in the way. A test",
        f"whose outcome is not the same on both arms is run {outcomes.REPEATS} times more on both. *Differ* counts the tests that pass direct and fail",
        "gated after that, and the files that both arms left and that are not equal for no known reason. **No test may pass direct and fail gated.**", "",
        f"{time.strftime('%Y-%m-%d')}, commit {commit.stdout.strip() or 'unknown'}, {platform.system()} {platform.release()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[2]:.1f} at the end. Passed / failed / skipped:", "",
        "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD),
    ]
    lines += ["| " + " | ".join(escaped(cell) for cell in row) + " |" for row in rows(results)]
    lines += ["", "## Tests that differed", ""]
    found = [(part, *line) for part, result in results for line in verdicts(result or {})]
    if found:
        lines += ["Passed runs of all runs, the first one included. *flaky*: fails now and then on both arms; *once*: failed a",
                  "single time gated and passed every repetition; *better*: fails direct and passes gated; *same*: the failure was",
                  "direct and did not come again; *differs*: passes direct and fails gated.", "",
                  "| suite | test | direct | gated | verdict | message |", "|---|---|---|---|---|---|"]
        for part, name, direct, gated, verdict in found:
            result = dict(results)[part]
            lines.append(f"| {part.name} | `{escaped(name)}` | {passes(direct)} | {passes(gated)} | {verdict} | "
                         f"{escaped(why(result, name))[:160]} |")
    else:
        lines.append("None.")
    files = [(part, name, what) for part, result in results for name, what in (result or {}).get("differences", {}).items()]
    lines += ["", "Saved notebooks and other files that both arms left are held against each other, apart from ids and times: "
              + ("all are equal." if not files else "these are not equal:"), ""]
    lines += [f"- {part.name}: `{name}`: {escaped(what)}" + (f" Known: {KNOWN[name]}." if name in KNOWN else "")
              for part, name, what in files]
    lines += ["", "## Tests that fail on both arms", ""]
    both = [(part, name, result["arms"]["direct"][name][1]) for part, result in results if result and "arms" in result
            for name, (outcome, _) in sorted(result["arms"]["gated"].items())
            if outcome in ("failed", "hung") and result["arms"]["direct"].get(name, ("",))[0] == outcome]
    lines += [f"- {part.name}: `{escaped(name)}`: {escaped(text)[:160]}" for part, name, text in both] or ["None."]
    lines += ["", "## Versions", "", *versions(run), ""]
    path.write_text("\n".join(line.rstrip() for line in lines))
