"""Runs jupyter_kernel_test on `python3` twice, direct and behind the gate, and compares test by test.

Usage: kernel_conformance.py [GATE]. `python3` is overridden through JUPYTER_PATH, so the suite is the same in both runs.
Prints a table; exits 0 where no test differs, 1 where one does."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[3]

SUITE = '''
import unittest
import jupyter_kernel_test as jkt

class Python3(jkt.KernelTests):
    kernel_name = "python3"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [{"text": "zi", "matches": {"zip"}}]
    complete_code_samples = ["1", "print('hello, world')", "def f(x):\\n  return x*2\\n\\n\\n"]
    incomplete_code_samples = ["print(\\'\\'\\'hello", "def f(x):\\n  x*2"]
    invalid_code_samples = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise"
    code_execute_result = [{"code": "6*7", "result": "42"}]
    code_display_data = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))", "mime": "text/html"}
    ]
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"

if __name__ == "__main__":
    unittest.main(verbosity=2)
'''


def results(directory, command):
    """The outcome of each test of the suite with `command` as the kernel's."""
    spec = directory / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps({"argv": command, "display_name": "python3", "language": "python", "metadata": {"debugger": True}})
    )
    (directory / "suite.py").write_text(SUITE)
    run = subprocess.run(
        [sys.executable, directory / "suite.py"],
        capture_output=True,
        text=True,
        timeout=600,
        env={
            **os.environ,
            "JUPYTER_PATH": str(directory),
            "CELLTOP_SOCKET": str(directory / "none.sock"),
            "IPYTHONDIR": str(directory / "ipython"),
        },
    )
    found = {}
    name = None
    for line in run.stderr.splitlines():
        if line.startswith("test_"):
            name = line.split(" ")[0]
        for word in ("ok", "FAIL", "ERROR", "skipped"):
            if name and line.rpartition("... ")[2].startswith(word):
                found[name] = word
    return found


def main():
    gate = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ.get(
        "CELLTOP_GATE", ROOT / ".build/release/celltop-gate"))
    direct = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        left = results(pathlib.Path(a), direct)
        right = results(pathlib.Path(b), [gate, "-f", "{connection_file}", "--"] + direct)
    print(f"{'jupyter_kernel_test':40} {'direct':8} gated")
    for name in sorted(left.keys() | right.keys()):
        one, other = left.get(name, "-"), right.get(name, "-")
        print(f"{name:40} {one:8} {other:8}{'' if one == other else '  DIFFERS'}")
    passed = [sum(word == "ok" for word in side.values()) for side in (left, right)]
    print(f"{'passed':40} {passed[0]} of {len(left):<3} {passed[1]} of {len(right)}")
    return 0 if left and left == right else 1


if __name__ == "__main__":
    sys.exit(main())
