"""`celltop kernelspec`: which kernels are wrapped, where, and what is left when they are unwrapped.

`CELLTOP_TOOL` names the tool's binary."""

import json
import os
import shutil
import subprocess

from conftest import ROOT

TOOL = os.path.abspath(os.environ.get("CELLTOP_TOOL", ROOT / ".build/debug/celltop"))


def celltop(*arguments, **environment):
    return subprocess.run(
        [TOOL, "kernelspec", *arguments], capture_output=True, text=True, env=os.environ | environment)


def test_are_wrapped_in_each_place_and_unwrapped_without_a_trace(spec_directory, tmp_path):
    home, environment = tmp_path / "home", tmp_path / "env"
    world = {"HOME": str(home), "VIRTUAL_ENV": str(environment), "JUPYTER_PATH": str(spec_directory)}
    world |= {"XDG_DATA_HOME": "", "JUPYTER_DATA_DIR": ""}

    def tree(folder):
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    before = tree(spec_directory / "kernels")
    for options, folder in (
        (["--user"], home / ".local/share/jupyter/kernels"),
        (["--sys-prefix"], environment / "share/jupyter/kernels"),
        (["--prefix", str(tmp_path / "p")], tmp_path / "p/share/jupyter/kernels"),
    ):
        assert celltop("install", *options, "--all", **world).returncode == 0
        once = tree(folder)
        assert {"direct-celltop/kernel.json", "gated-celltop/kernel.json"} <= set(once)
        assert celltop("install", *options, "--all", **world).returncode == 0
        assert tree(folder) == once
        (folder / "mine").mkdir()
        (folder / "mine" / "kernel.json").write_text("{}")
        assert celltop("remove", *options, "direct", **world).returncode == 0
        assert not (folder / "direct-celltop").exists() and (folder / "gated-celltop").exists()
        again = celltop("remove", *options, "direct", **world)
        assert again.returncode == 0 and "no wrapped kernelspec 'direct'" in again.stdout
        assert celltop("remove", *options, "--all", **world).returncode == 0
        assert tree(folder) == {"mine/kernel.json": b"{}"}
        assert "nothing to remove" in celltop("remove", *options, **world).stdout
    assert tree(spec_directory / "kernels") == before


def test_list_tells_what_is_wrapped_and_what_no_longer_works(spec_directory, tmp_path):
    world = {"HOME": str(tmp_path / "home"), "JUPYTER_PATH": str(spec_directory), "XDG_DATA_HOME": ""}
    world |= {"JUPYTER_DATA_DIR": ""}
    assert celltop("install", "direct", **world).returncode == 0
    rows = {row["name"]: row for row in json.loads(celltop("list", "--json", **world).stdout)}
    assert rows["direct-celltop"]["wraps"].endswith("/direct") and "fault" not in rows["direct-celltop"]
    shutil.rmtree(spec_directory / "kernels" / "direct")
    assert "broken: the kernelspec that it wraps is gone" in celltop("list", **world).stdout


def test_wrong_use_is_told(spec_directory):
    for arguments in (["install", "--user", "--sys-prefix"], ["install", "--all", "python3"]):
        result = celltop(*arguments)
        assert result.returncode == 2 and "choose one" in result.stderr
    result = celltop("install", "nothing-of-that-name")
    assert result.returncode == 1 and "there is no kernelspec 'nothing-of-that-name'" in result.stderr


def test_a_name_means_the_user_s_kernel_before_celltop_s_own(tmp_path):
    """celltop's own Python has a python3 too: it is there for those who have none."""
    user = tmp_path / "home/.local/share/jupyter/kernels"
    for name in ("python3", "mine"):
        (user / name).mkdir(parents=True)
        (user / name / "kernel.json").write_text(json.dumps({"argv": ["/bin/sh"], "display_name": "Mine", "language": "sh"}))
    own = tmp_path / "own/share/jupyter/kernels"
    (tmp_path / "own/bin").mkdir(parents=True)
    (tmp_path / "own/bin/python").symlink_to("/bin/sh")
    for name in ("python3", "theirs"):
        (own / name).mkdir(parents=True)
        (own / name / "kernel.json").write_text(json.dumps({"argv": ["/bin/sh"], "display_name": "Own", "language": "sh"}))
    world = {"HOME": str(tmp_path / "home"), "CELLTOP_PYTHON": str(tmp_path / "own/bin/python"), "PATH": "/usr/bin:/bin"}
    world |= {name: "" for name in ("JUPYTER_PATH", "JUPYTER_DATA_DIR", "XDG_DATA_HOME", "VIRTUAL_ENV", "CONDA_PREFIX")}
    made = celltop("install", "--prefix", str(tmp_path / "p"), "python3", "mine", "theirs", **world)
    assert made.returncode == 0, made.stderr
    wraps = {}
    for folder in (tmp_path / "p/share/jupyter/kernels").iterdir():
        spec = json.loads((folder / "kernel.json").read_text())
        wraps[folder.name] = spec["metadata"]["celltop"]["wraps"]
    assert wraps == {"python3-celltop": f"{user}/python3", "mine-celltop": f"{user}/mine", "theirs-celltop": f"{own}/theirs"}
