"""What is run on both arms: other people's suites, and our own checks of kernels and clients."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Part:
    """One suite with one environment.

    `kernels` maps the kernelspecs that are gated to the environments they lie in; `source` is the pinned source distribution
    whose tests run, None for the folder `checks`; `small` are the tests of the part that `make test` runs."""

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
    seconds: int = 600
    small: tuple = ()


ASYNCIO = ("-o", "asyncio_default_fixture_loop_scope=function", "-o", "asyncio_mode=auto")
# A newer Python or pytest warns of what the suites do; they make every warning an error, on both arms alike.
QUIET = ("-W", "ignore::DeprecationWarning", "-W", "ignore::ResourceWarning")


def _ipykernel(*names):
    return tuple(f"tests/test_{name}.py" for name in names)


def _kernel(name, title, environment, home=None, needs=()):
    return Part(
        f"kernel-{title.lower().replace(' ', '-')}", title, ("test_protocol.py", "test_life.py"), environment=environment,
        kernels=((name, home),), variables=(("CONFORMANCE_KERNEL", name),), needs=needs, options=("-p", "no:asyncio"),
        seconds=300, small=("test_life.py",))


PARTS = (
    Part("ipykernel-7", "ipykernel 7's own tests", source="ipykernel==7.4.0",
         files=_ipykernel("message_spec", "kernel", "async", "subshells", "subshell_wedge", "debugger", "curve", "connect",
                          "comm", "heartbeat"),
         options=ASYNCIO + QUIET, small=("tests/test_message_spec.py", "tests/test_subshells.py")),
    Part("ipykernel-6", "ipykernel 6's own tests", source="ipykernel==6.31.0", environment="six",
         files=_ipykernel("message_spec", "kernel", "async", "debugger", "connect", "comm", "heartbeat"),
         options=ASYNCIO + QUIET),
    Part("nbclient", "nbclient's own tests", source="nbclient==0.11.0", files=("tests/test_client.py", "tests/test_cli.py"),
         options=ASYNCIO + QUIET, small=("tests/test_client.py::TestExecute",)),
    Part("jupyter_client", "jupyter_client's own tests", source="jupyter_client==8.10.0",
         files=_ipykernel("client", "kernelmanager", "manager", "multikernelmanager", "provisioning", "restarter",
                          "connect", "kernelapp", "runapp", "transport_security"),
         options=("-p", "no:asyncio") + QUIET, seconds=900, small=("tests/test_client.py", "tests/test_manager.py")),
    _kernel("python3", "ipykernel 7", "seven"),
    _kernel("python3", "ipykernel 6", "six"),
    _kernel("ir", "IRkernel", "seven", needs=("R",)),
    _kernel("bash", "bash_kernel", "seven"),
    _kernel("xpython", "xeus-python", "seven", home="xeus"),
    Part("clients", "nbclient, papermill and jupyter console as clients", ("test_clients.py",), options=("-p", "no:asyncio"),
         small=("test_clients.py",)),
    Part("lab", "JupyterLab in a headless browser", ("test_lab.py",), options=("-p", "no:asyncio"),
         needs=("chromium", "chromedriver"), seconds=600, small=("test_lab.py",)),
    Part("no-engine", "without an engine (fail open): ipykernel 7's messages, and the clients", source="ipykernel==7.4.0",
         files=_ipykernel("message_spec", "kernel", "async"), options=ASYNCIO + QUIET, engine=False),
)
