"""Reads what the suites recorded, and holds the two arms against each other."""

import json

# A test that fails on one arm is run this many times more on both.
REPEATS = 6
# One that fails direct and passes gated is no defect of the gate: it is repeated to be shown, no more.
REPEATS_BETTER = 2


def read(path):
    """The outcome of each test of a record: {id: (outcome, why)}; a test that began and never ended hung."""
    found = {}
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            note = json.loads(line)
        except ValueError:
            continue
        name = note["id"]
        if note["phase"] == "start":
            found[name] = ("hung", "it began and did not end")
            continue
        before = found.get(name, ("hung", ""))[0]
        if note["outcome"] == "failed":
            found[name] = ("failed", note["why"])
        elif note["outcome"] == "skipped" and before != "failed":
            found[name] = ("skipped", note["why"])
        elif note["phase"] == "call" and before == "hung":
            found[name] = ("passed", "")
        elif note["phase"] == "teardown" and before == "hung":
            found[name] = ("passed", "")
    return found


def counts(tests):
    """How many passed, failed (hung ones are among them) and were skipped."""
    kinds = [outcome for outcome, _ in tests.values()]
    return kinds.count("passed"), kinds.count("failed") + kinds.count("hung"), kinds.count("skipped")


def common(arms):
    """The tests that came to an end on both arms."""
    ended = [{name for name, (outcome, _) in tests.items() if outcome != "hung"} for tests in arms.values()]
    return {arm: {name: what for name, what in tests.items() if name in set.intersection(*ended)} for arm, tests in arms.items()}


def differing(arms):
    """The tests whose outcome is not the same on both arms, sorted."""
    direct, gated = arms["direct"], arms["gated"]
    return sorted(name for name in direct.keys() | gated.keys()
                  if direct.get(name, ("missing",))[0] != gated.get(name, ("missing",))[0])


def better(arms, name):
    """Whether a test passed gated and not direct."""
    return arms["gated"].get(name, ("missing",))[0] == "passed"


def verdict(direct, gated):
    """What repetition says of one test: each a list of outcomes, the first run's included.

    - `same`: every repetition passed on both arms, and the one failure was on the direct arm.
    - `better`: it fails direct and passes gated.
    - `flaky`: it failed at least once on the direct arm too, and passed at least once on the gated one.
    - `once`: it failed once gated, then passed every time; never failed direct.
    - `differs`: it passes direct and fails gated."""
    bad = [sum(outcome not in ("passed", "skipped") for outcome in arm) for arm in (direct, gated)]
    if len(set(direct)) == 1 and len(set(gated)) == 1 and set(direct) != set(gated):
        return "differs" if bad[1] or not bad[0] else "better"
    if bad[1] == 0:
        return "flaky" if bad[0] else "same"
    if bad[0] and bad[1] < len(gated):
        return "flaky"
    return "once" if bad[1] == 1 and not bad[0] and len(gated) > REPEATS else "differs"
