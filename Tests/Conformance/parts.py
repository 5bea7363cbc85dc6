"""What is run on both arms: other people's suites, and our own checks of kernels and clients."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Part:
    """One suite with one environment.

    `kernels` maps the kernelspecs that are gated to the environments they lie in; `source` is the pinned source distribution
    whose tests run, None for the folder `checks`; `small` are the tests of the part that `make test` runs, some of which must run
    cells where there is an engine; `needs` are programs."""

    name: str
    title: str
    files: tuple
    source: str = None
    environment: str = "seven"
    kernels: tuple = (("python3", None),)
    options: tuple = ()
    variables: tuple = ()
    needs: tuple = ()
    engine: bool = True
    # Whether kernelspecs that the tests make themselves are started behind the gate too.
    every: bool = False
    seconds: int = 600
    small: tuple = ()


ASYNCIO = ("-o", "asyncio_default_fixture_loop_scope=function", "-o", "asyncio_mode=auto")
# A newer Python or pytest warns of what the suites do; they make every warning an error, on both arms alike.
QUIET = ("-W", "ignore::DeprecationWarning", "-W", "ignore::ResourceWarning")


def _ipykernel(*names):
    return tuple(f"tests/test_{name}.py" for name in names)


SMALL_LIFE = tuple(f"test_life.py::test_{name}" for name in (
    "a_cell_is_busy_then_idle_and_its_output_lies_between", "run_all_with_an_error_aborts_what_follows", "a_restart_forgets"))
SMALL_CLIENTS = tuple(f"test_clients.py::Test{name}" for name in (
    "Nbclient::test_stops_at_the_error_of_a_cell", "Papermill::test_runs_with_parameters", "Console::test_answers_input"))
SMALL_LAB = tuple(f"test_lab.py::test_{name}" for name in (
    "run_all_gives_the_same_notebook", "an_error_in_the_middle_aborts_what_follows",
    "an_interrupt_ends_the_cell_and_aborts_the_rest", "a_slider_moves_its_kernel"))


def _kernel(name, title, environment, home=None, needs=()):
    return Part(
        f"kernel-{title.lower().replace(' ', '-')}", title, ("test_protocol.py", "test_life.py"), environment=environment,
        kernels=((name, home),), variables=(("CONFORMANCE_KERNEL", name),), needs=needs, options=("-p", "no:asyncio"),
        seconds=300, small=() if name == "python3" else SMALL_LIFE)


PARTS = (
    Part("ipykernel-7", "ipykernel 7's own tests", source="ipykernel==7.4.0",
         files=_ipykernel("message_spec", "kernel", "async", "subshells", "subshell_wedge", "debugger", "curve", "connect",
                          "comm", "heartbeat"),
         options=ASYNCIO + QUIET,
         small=("tests/test_message_spec.py", "tests/test_kernel.py::test_async_cell_waiting_for_comm_reply",
                "tests/test_subshells.py::test_create_while_execute")),
    Part("ipykernel-6", "ipykernel 6's own tests", source="ipykernel==6.31.0", environment="six",
         files=_ipykernel("message_spec", "kernel", "async", "debugger", "connect", "comm", "heartbeat"),
         options=ASYNCIO + QUIET, small=("tests/test_message_spec.py", "tests/test_kernel.py::test_raw_input")),
    Part("nbclient", "nbclient's own tests", source="nbclient==0.11.0", files=("tests/test_client.py", "tests/test_cli.py"),
         options=ASYNCIO + QUIET,
         small=("tests/test_client.py::test_run_all_notebooks[Interrupt.ipynb-opts6]",
                "tests/test_client.py::test_run_all_notebooks[JupyterWidgets.ipynb-opts7]",
                "tests/test_client.py::test_run_all_notebooks[Skip Exceptions.ipynb-opts9]",
                "tests/test_client.py::test_parallel_notebooks",
                "tests/test_client.py::TestExecute::test_kernel_death_during_execution")),
    _kernel("python3", "ipykernel 7", "seven"),
    _kernel("python3", "ipykernel 6", "six"),
    _kernel("ir", "IRkernel", "seven", needs=("R",)),
    _kernel("bash", "bash_kernel", "seven"),
    _kernel("xpython", "xeus-python", "seven", home="xeus"),
    Part("clients", "nbclient, papermill and jupyter console", ("test_clients.py",), options=("-p", "no:asyncio"),
         small=SMALL_CLIENTS),
    Part("lab", "JupyterLab in a headless browser", ("test_lab.py",), options=("-p", "no:asyncio"),
         needs=("chromium", "chromedriver"), small=SMALL_LAB),
    Part("jupyter_client", "jupyter_client's own tests", source="jupyter_client==8.10.0",
         files=_ipykernel("client", "kernelmanager", "manager", "multikernelmanager", "provisioning", "restarter",
                          "connect", "kernelapp", "runapp", "transport_security"),
         options=("-p", "no:asyncio") + QUIET, seconds=900, every=True,
         small=tuple(f"tests/test_kernelmanager.py::TestKernelManager::test_{name}" for name in (
             "lifecycle", "signal_kernel_subprocesses"))),
    Part("no-engine", "ipykernel 7's messages, kernel, async, without an engine", source="ipykernel==7.4.0",
         files=_ipykernel("message_spec", "kernel", "async"), options=ASYNCIO + QUIET, engine=False),
    Part("no-engine-clients", "nbclient, papermill and jupyter console, without an engine", ("test_clients.py",),
         options=("-p", "no:asyncio"), engine=False),
)
