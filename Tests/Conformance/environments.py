"""The Python environments that the suites run in, and the sources of other people's suites.

Everything lies in `.build/conformance` and is fetched from the package index with pip; nothing of it is committed."""

import hashlib
import os
import pathlib
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build" / "conformance"
PINS = pathlib.Path(__file__).resolve().parent / "requirements"
# The oldest Python for which every pinned version has a wheel.
LEAST = (3, 11)


def say(text):
    print(f"conformance: {text}", file=sys.stderr, flush=True)


class Unavailable(Exception):
    """Something that cannot be had here; the text says what and why."""


def base():
    """The Python that environments are made from."""
    wanted = os.environ.get("CELLTOP_PYTHON_BASE") or "/usr/bin/python3"
    for candidate in (wanted, sys.executable):
        try:
            asked = "import sys, venv, ensurepip; sys.exit(sys.version_info < " + repr(LEAST) + ")"
            if subprocess.run([candidate, "-c", asked], capture_output=True).returncode == 0:
                return candidate
        except OSError:
            continue
    raise Absent(f"no Python {'.'.join(map(str, LEAST))} or later with venv: name one in CELLTOP_PYTHON_BASE")


class Absent(Unavailable):
    """A program, a kernel or a package that this machine has not got: the part is skipped."""


class Environment:
    """A virtual environment with pinned packages: `requirements/NAME.txt`."""

    def __init__(self, name):
        self.name = name
        self.folder = BUILD / name
        self.python = self.folder / "bin" / "python"
        self.pins = PINS / f"{name}.txt"

    def prepare(self):
        """Makes it where it is missing or older than its pins.

        Raises: Unavailable, with pip's last words."""
        python = base()
        stamp = self.folder / "stamp"
        text = self.pins.read_bytes() + os.path.realpath(python).encode()
        wanted = hashlib.sha256(text).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return self
        say(f"preparing the environment {self.name} in {self.folder} (once)")
        BUILD.mkdir(parents=True, exist_ok=True)
        self._run([python, "-m", "venv", "--clear", str(self.folder)])
        self._run([str(self.python), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check",
                   "--prefer-binary", "-r", str(self.pins)])
        if b"bash_kernel==" in text:  # the one package whose kernelspec is not in its wheel
            self._run([str(self.python), "-m", "bash_kernel.install", "--prefix", str(self.folder)])
        stamp.write_text(wanted)
        return self

    def _run(self, command):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=900)
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
            raise Absent(f"{self.name}: {' '.join(command[1:4])} failed: {' / '.join(last)}")

    def versions(self):
        """The installed version of each package, by its name in lower case."""
        done = subprocess.run([str(self.python), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
                              capture_output=True, text=True, check=True)
        return {name.lower().replace("_", "-"): version
                for name, _, version in (line.partition("==") for line in done.stdout.splitlines()) if version}


def source(pin, environment):
    """The unpacked source distribution of `name==version`, fetched once.

    Raises: Unavailable."""
    name, _, version = pin.partition("==")
    place = BUILD / "sources"
    folder = place / f"{name}-{version}"
    if folder.is_dir():
        return folder
    place.mkdir(parents=True, exist_ok=True)
    say(f"fetching the source distribution of {pin}")
    environment._run([str(environment.python), "-m", "pip", "download", "--quiet", "--no-input", "--no-deps",
                      "--disable-pip-version-check", "--no-binary", name, "--dest", str(place), pin])
    archives = list(place.glob(f"{name}-{version}.tar.gz"))
    if not archives:
        raise Unavailable(f"pip fetched no {name}-{version}.tar.gz")
    with tarfile.open(archives[0]) as archive:
        # Python before 3.11.4 has no filters.
        archive.extractall(place, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    if not folder.is_dir():
        raise Unavailable(f"{archives[0]} holds no folder {folder.name}")
    return folder
