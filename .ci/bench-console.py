#!/usr/bin/env python3
"""Measures the console against btop and htop, in the same run, each on a terminal of its own.

usage: bench-console.py CELLTOP [--seconds N] [--size 200x50]… [--json]

Each program runs on a pseudo-terminal that is read as fast as it is written, one after the other, for as long as is said.
Told of each: processor time over wall time, bytes written to the terminal a second, resident memory at the end, and how long
the first bytes took that draw something. A peer that is not installed is left out and said so.

celltop runs on a recorded session: standing still (the clock does not move: what an idle console costs), and played at 10
frames a second and more. Live kernels would measure the kernels.
"""
import argparse, fcntl, json, os, pty, pathlib, select, shutil, signal, statistics, struct, subprocess, sys, tempfile, termios, time

TICKS = os.sysconf("SC_CLK_TCK")


def family(root):
    """A process and all that it has started."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = pathlib.Path(f"/proc/{entry}/stat").read_text()
                parents[int(entry)] = int(text[text.rindex(")") + 2 :].split()[1])
            except OSError:
                pass
    found = [root]
    for one in found:
        found += [pid for pid, parent in parents.items() if parent == one]
    return found


def processor_seconds(pid):
    total = 0
    for one in family(pid):
        try:
            text = pathlib.Path(f"/proc/{one}/stat").read_text()
        except OSError:
            continue
        fields = text[text.rindex(")") + 2 :].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident(pid):
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def measure(command, columns, rows, seconds, home, keys=b""):
    """Runs a program on a terminal; what it cost from its fifth second on, or from its second one where it runs briefly."""
    began = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {"PATH": os.environ["PATH"], "HOME": home, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8",
                       "XDG_DATA_HOME": home + "/data", "XDG_STATE_HOME": home + "/state", "XDG_RUNTIME_DIR": home}
        os.execvpe(command[0], command, environment)
    first = None
    settle = min(3.0, seconds / 4)
    start = None
    written = 0
    typed = False
    while True:
        now = time.monotonic()
        if start is None and now - began >= settle:
            start = (now, processor_seconds(pid), written)
        if start is not None and now - start[0] >= seconds:
            break
        ready, _, _ = select.select([terminal], [], [], 0.05)
        if ready:
            try:
                data = os.read(terminal, 1 << 16)
            except OSError:
                break
            if not data:
                break
            written += len(data)
            # The first picture, and not the modes that are set before it.
            if first is None and written > 500:
                first = time.monotonic() - began
        if keys and not typed and now - began > 0.5:
            os.write(terminal, keys)
            typed = True
    end = (time.monotonic(), processor_seconds(pid), written)
    memory = resident(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
    if start is None:
        return None
    wall = end[0] - start[0]
    return {"cpuPercent": 100 * (end[1] - start[1]) / wall, "bytesPerSecond": (end[2] - start[2]) / wall,
            "rssMiB": memory, "firstFrameMilliseconds": None if first is None else first * 1000}


def first_frames(command, columns, rows, home, times=7):
    """How long it takes to the first picture: the median of several starts."""
    found = [measure(command, columns, rows, 0.4, home) for _ in range(times)]
    values = [one["firstFrameMilliseconds"] for one in found if one and one["firstFrameMilliseconds"]]
    return statistics.median(values) if values else None


def record(tool, home):
    """A session of 200 notebooks on 64 cores and 8 GPUs, in a history of its own."""
    trace = home + "/trace.jsonl"
    environment = {**os.environ, "HOME": home, "XDG_DATA_HOME": home + "/data", "XDG_STATE_HOME": home + "/state"}
    run = lambda *words: subprocess.run([tool, *words], check=True, env=environment, stdout=subprocess.DEVNULL)
    run("trace", "generate", "--kind", "mixed", "--notebooks", "200", "--cores", "64", "--gpus", "8", "--seed", "1", "-o", trace)
    run("simulate", trace, "--policy", "dynamic", "--cores", "64", "--gpus", "8", "--record")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tool")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--size", action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tool = os.path.abspath(options.tool)
    home = tempfile.mkdtemp(prefix="celltop-bench-")
    try:
        record(tool, home)
        programs = [
            ("celltop, standing still", [tool, "replay", "--at", "50%"], b""),
            ("celltop, replay played (10 fps and more)", [tool, "replay", "--at", "40%", "--speed", "8", "--play"], b""),
        ]
        for peer, words in (("btop", ["btop", "--utf-force"]), ("htop", ["htop"])):
            if shutil.which(peer):
                programs.append((f"{peer}, as it comes", words, b""))
            else:
                print(f"bench: {peer} is not installed, and left out (apt-get install {peer})", file=sys.stderr)
        if shutil.which("btop"):
            programs.append(("btop, at 10 fps", ["btop", "--utf-force"], b"-" * 40))
        lines = []
        for size in options.size or ["200x50", "80x24"]:
            columns, rows = map(int, size.split("x"))
            for name, command, keys in programs:
                found = measure(command, columns, rows, options.seconds, home, keys)
                if found is None:
                    print(f"bench: {name} ended by itself at {size}", file=sys.stderr)
                    continue
                found["firstFrameMilliseconds"] = first_frames(command, columns, rows, home)
                lines.append({"program": name, "size": size, **found})
                if options.json:
                    print(json.dumps(lines[-1]), flush=True)
        if not options.json:
            print(f"{'console, ' + str(int(options.seconds)) + ' s each':44} {'size':>7} {'CPU %':>8} {'bytes/s':>10} {'RSS MiB':>8} {'first ms':>9}")
            for line in lines:
                first = line["firstFrameMilliseconds"]
                print(f"{line['program']:44} {line['size']:>7} {line['cpuPercent']:8.2f} {line['bytesPerSecond']:10.0f} "
                      f"{line['rssMiB']:8.1f} {first if first is None else round(first):>9}")
    finally:
        shutil.rmtree(home, ignore_errors=True)


main()
