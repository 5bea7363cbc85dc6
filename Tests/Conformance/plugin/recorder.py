"""A pytest plugin that notes each test's outcome the moment it is known, so that a run that dies still tells.

Writes to the file named by CONFORMANCE_RECORD a line a report: {"id", "phase", "outcome", "why"}. Where CONFORMANCE_GATE names a
gate, kernels of kernelspecs that the tests make themselves are started behind it too, with the command that
`celltop kernelspec install` would write."""

import json
import os


def _note(**line):
    with open(os.environ["CONFORMANCE_RECORD"], "a") as out:
        out.write(json.dumps(line) + "\n")


def pytest_configure(config):
    gate = os.environ.get("CONFORMANCE_GATE")
    if not gate:
        return
    from jupyter_client.manager import KernelManager

    original = KernelManager.format_kernel_cmd

    def behind(self, *arguments, **options):
        command = original(self, *arguments, **options)
        if command[:1] == [gate] or not any(self.connection_file in word for word in command):
            return command
        by_message = ["--interrupt-mode", "message"] if self.kernel_spec.interrupt_mode == "message" else []
        return [gate, "-f", self.connection_file, *by_message, "--", *command]

    KernelManager.format_kernel_cmd = behind


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
