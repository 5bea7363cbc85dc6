"""The two arms: the kernel as its author installed it, and the same kernel behind the gate, with an engine that grants."""

import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import time

from environments import Absent, Unavailable

ARMS = ("direct", "gated")
# What decides on the gated arm: celltop's default, by name, so that the report is of what was run.
POLICY = "dynamic"


class Engine:
    """A real celltop that grants: `celltop serve`."""

    def __init__(self, tool, folder):
        self.tool, self.folder = tool, pathlib.Path(folder)
        self.socket = str(self.folder / "engine.sock")
        self.history = self.folder / "history.sqlite"
        self.process = None

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ, "CELLTOP_SOCKET": self.socket, "CELLTOP_HISTORY": str(self.history), "TERM": "xterm-256color",
            "XDG_STATE_HOME": str(self.folder / "state"), "CELLTOP_CONFIG": str(self.folder / "config.toml"),
        }
        (self.folder / "config.toml").touch()
        log = open(self.folder / "serve.log", "wb")
        self.process = subprocess.Popen(
            [self.tool, "serve", "--policy", POLICY], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True)
        end = time.monotonic() + 30
        while not os.path.exists(self.socket):
            if self.process.poll() is not None or time.monotonic() > end:
                raise Unavailable(f"the engine did not open {self.socket} (status {self.process.poll()})")
            time.sleep(0.02)
        return self

    def granted(self):
        """How many cells it has started so far, and of how many kernels: the proof that the gate was in the way."""
        if not self.history.exists():
            return 0, 0
        with sqlite3.connect(f"file:{self.history}?mode=ro", uri=True, timeout=10) as database:
            cells = database.execute("SELECT count(*) FROM cell WHERE started_us IS NOT NULL").fetchone()[0]
            kernels = database.execute("SELECT count(*) FROM notebook").fetchone()[0]
        return cells, kernels

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def interpreter(name, prefix):
    """The program of a kernelspec below a prefix, as an absolute path."""
    own = pathlib.Path(prefix) / "bin" / name
    return str(own) if own.exists() else shutil.which(name) or name


class Arm:
    """What a suite's process finds in its environment on one arm."""

    def __init__(self, name, part, folder, tool, homes, engine):
        self.name, self.part, self.engine = name, part, engine
        self.folder = pathlib.Path(folder) / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for kernel, environment in homes.items():
            self._kernelspec(kernel, tool, environment)

    def _kernelspec(self, kernel, tool, environment):
        """On the gated arm wraps the kernelspec with `celltop kernelspec install` and gives the wrapping the original's
        name, so that the suite cannot tell. On the direct arm a kernel of another environment is copied; `python3` is
        what the suite's own environment has."""
        original = find(kernel, environment)
        if self.name == "direct":
            if kernel == "python3":
                return
            target = self.folder / "jupyter" / "kernels" / kernel
            shutil.copytree(original, target)
            spec = json.loads((target / "kernel.json").read_text())
            spec["argv"][0] = interpreter(spec["argv"][0], original.parents[3])
            (target / "kernel.json").write_text(json.dumps(spec))
            return
        prefix = self.folder / "prefix"
        made = subprocess.run(
            [tool, "kernelspec", "install", kernel, "--prefix", str(prefix)], capture_output=True, text=True,
            env={**os.environ, "JUPYTER_PATH": str(original.parents[1]), "JUPYTER_DATA_DIR": str(self.folder / "none")})
        if made.returncode != 0:
            raise Unavailable(f"celltop kernelspec install {kernel}: {made.stderr.strip()}")
        target = self.folder / "jupyter" / "kernels" / kernel
        target.parent.mkdir(parents=True, exist_ok=True)
        (prefix / "share/jupyter/kernels" / f"{kernel}-celltop").rename(target)
        # The name on the screen is the original's too: it goes into saved notebooks.
        spec = json.loads((target / "kernel.json").read_text())
        spec["display_name"] = json.loads((original / "kernel.json").read_text())["display_name"]
        (target / "kernel.json").write_text(json.dumps(spec))

    def environ(self, environment):
        """The variables of the suite's process."""
        private = {name: str(self.folder / name.lower()) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "ARTEFACTS")}
        for path in private.values():
            os.makedirs(path, mode=0o700, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTEST", "VIRTUAL"))}
        return {
            **kept, "PATH": f"{environment.folder}/bin:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "JUPYTER_PATH": str(self.folder / "jupyter"),
            "JUPYTER_RUNTIME_DIR": private["JUPYTER_RUNTIME_DIR"], "IPYTHONDIR": private["IPYTHONDIR"],
            "CONFORMANCE_ARTEFACTS": private["ARTEFACTS"], "CONFORMANCE_ARM": self.name,
            "CELLTOP_SOCKET": self.engine.socket if self.engine else str(self.folder / "none.sock"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }


def find(kernel, environment):
    """The folder of a kernelspec: of the environment, else of the system.

    Raises: Absent."""
    for prefix in (environment.folder, pathlib.Path("/usr/local"), pathlib.Path("/usr")):
        folder = prefix / "share" / "jupyter" / "kernels" / kernel
        if (folder / "kernel.json").exists():
            return folder
    raise Absent(f"the kernelspec {kernel} is neither in {environment.folder} nor on the system")
