"""A bound that is missed is seen by the exit status of a bench, and the other parts of `make bench` are measured all the same."""

import importlib.util
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.fixture
def bench():
    spec = importlib.util.spec_from_file_location("bench_gate", ROOT / ".ci/bench-gate.py")
    made = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    spec.loader.exec_module(made)
    sys.dont_write_bytecode = before
    return made


@pytest.mark.parametrize("factor", [1.0, 1.01])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_gate_s_bench_exits_with_1_where_a_bound_is_missed(bench, monkeypatch, capsys, factor, form):
    for name in bench.BOUNDS:
        figures = {"loadAverage": 1.0} | bench.BOUNDS | {name: bench.BOUNDS[name] * factor}
        monkeypatch.setattr(bench, "measure", lambda arguments: figures)
        monkeypatch.setattr(sys, "argv", ["bench-gate.py", "/bin/true", *form])
        status = bench.main()
        out = capsys.readouterr()
        assert status == (1 if factor > 1 else 0)
        assert (name in out.err or f'"over": ["{name}"]' in out.out) == (factor > 1)


def test_every_arm_of_the_gate_s_bench_has_its_turn_at_every_place(bench):
    for names in (("direct", "gated"), ("direct", "gated", "against")):
        rounds = {}
        for turn, name in bench.turns(names, 12):
            rounds.setdefault(turn, []).append(name)
        assert all(sorted(order) == sorted(names) for order in rounds.values()) and len(rounds) == 12
        for place in range(len(names)):
            assert {order[place] for order in rounds.values()} == set(names)


def test_make_bench_goes_through_all_parts_and_ends_with_the_worst_status():
    text = (ROOT / ".ci/bench").read_text()
    start, end = text.index("worst=0"), text.index("tool=")
    parts = "part true\npart sh -c 'exit 3'\npart sh -c 'echo last; exit 1'\nexit \"$worst\"\n"
    done = subprocess.run(["bash", "-c", "set -euo pipefail\n" + text[start:end] + parts], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("last\n", 3)
    # Whatever is measured is such a part, and the last line gives the status.
    assert text.endswith('exit "$worst"\n')
    for line in text.splitlines():
        assert not line.startswith(('"$tool" bench simulate', ".build/python/bin/python .ci/")), line
