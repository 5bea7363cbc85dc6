"""A pytest plugin that notes each test's outcome the moment it is known, so that a run that dies still tells.

Writes to the file named by CONFORMANCE_RECORD a line a report: {"id", "phase", "outcome", "why"}."""

import json
import os


def _note(**line):
    with open(os.environ["CONFORMANCE_RECORD"], "a") as out:
        out.write(json.dumps(line) + "\n")


def pytest_runtest_logstart(nodeid):
    _note(id=nodeid, phase="start")


def pytest_runtest_logreport(report):
    why = ""
    if report.outcome != "passed":
        text = report.longrepr
        crash = getattr(text, "reprcrash", None)
        why = crash.message if crash else str(text[2] if isinstance(text, tuple) else text)
        why = why.strip().splitlines()[0][:300] if why.strip() else ""
    _note(id=report.nodeid, phase=report.when, outcome=report.outcome, why=why)
