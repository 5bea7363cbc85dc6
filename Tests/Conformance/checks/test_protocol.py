"""jupyter_kernel_test, told about each kernel under test."""

import jupyter_kernel_test

from conftest import KERNEL

PYTHON = {
    "language_name": "python", "file_extension": ".py",
    "code_hello_world": "print('hello, world')", "code_stderr": "import sys; print('test', file=sys.stderr)",
    "completion_samples": [{"text": "zi", "matches": {"zip"}}],
    "complete_code_samples": ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"],
    "incomplete_code_samples": ["print('''hello", "def f(x):\n  x*2"], "invalid_code_samples": ["import = 7q"],
    "code_page_something": "zip?", "code_generate_error": "raise",
    "code_execute_result": [{"code": "6*7", "result": "42"}],
    "code_display_data": [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))", "mime": "text/html"}],
    "code_history_pattern": "1?2*", "supported_history_operations": ("tail", "search"),
    "code_inspect_sample": "zip", "code_clear_output": "from IPython.display import clear_output; clear_output()",
}
KNOWN = {
    "python3": PYTHON,
    "xpython": PYTHON,
    "ir": {
        "language_name": "R", "file_extension": ".r", "code_hello_world": "cat('hello, world\\n')",
        "code_stderr": "message('test')", "completion_samples": [{"text": "zi", "matches": {"zip"}}],
        "complete_code_samples": ["1", "print('hello, world')", "f <- function(x) {\n x * 2\n}"],
        "incomplete_code_samples": ["print('hello", "f <- function(x) {"], "invalid_code_samples": ["a b"],
        # It shows a cell's value as display_data, so there is no execute_result to look for.
        "code_generate_error": "stop('test')",
        "code_display_data": [{"code": "IRdisplay::display_html('<b>test</b>')", "mime": "text/html"}],
        "code_inspect_sample": "zip", "code_clear_output": "IRdisplay::clear_output()",
    },
    "bash": {
        "language_name": "bash", "file_extension": ".sh", "code_hello_world": "echo hello, world",
        # It shows both streams as stdout.
        "completion_samples": [{"text": "fdis", "matches": set()}],
        "code_generate_error": "false",
    },
}


class TestKernel(jupyter_kernel_test.KernelTests):
    kernel_name = KERNEL


for name, value in KNOWN[KERNEL].items():
    setattr(TestKernel, name, value)
