#!/usr/bin/env python3
"""Measures the console against btop and htop, in the same run, each in a tmux of its own, and holds it to its bounds.

usage: bench-console.py CELLTOP [--seconds N] [--size 200x50]… [--json] [--check]

Each program runs under tmux as an operator has it, one after the other, for as long as is said. Told of each: processor time
over wall time (of the program alone: tmux's own is not counted, nor is the engine's, which htop and btop have no like of),
bytes that it writes to its terminal a second (what tmux's pipe-pane(1) hears), its resident memory at the end and, for
celltop, the frames that it drew a second, by its own word (:figures). The time to the first picture is taken on a plain
pseudo-terminal, from the exec on, the median of several starts. A peer that is not installed is left out and said so.

    live        attached to a server with 200 notebooks whose cells begin and end about once a second (celltop bench load)
    htop        as it comes (every 1.5 s), and redrawn as often as the live console was
    replay      a recorded session of 200 notebooks on 64 cores and 8 GPUs, played so that 10 frames a second and more are drawn
    btop        as it comes (every 2 s), and at 10 frames a second (update_ms = 100, its least)
    standing    a replay that is paused: what a console costs where nothing changes
"""
import argparse, fcntl, glob, json, os, pathlib, pty, re, select, shutil, signal, stat, statistics, struct, subprocess, sys
import tempfile, termios, time

TICKS = os.sysconf("SC_CLK_TCK")
FIRST_MOST, MEMORY_MOST, STILL_MOST = 60, 40, 0.3


def note(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def processor_seconds(pid):
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def until(condition, seconds, what):
    """Polls until something is there."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise RuntimeError(f"{what} was not seen within {seconds} s")
        select.select([], [], [], 0.05)


class Pane:
    """A program in a tmux of its own; what it writes is kept in a file."""

    def __init__(self, command, columns, rows, environment, home):
        self.socket = f"celltop-bench-{os.getpid()}"
        self.heard = home + "/heard"
        pathlib.Path(self.heard).write_bytes(b"")
        exports = " ".join(f"{name}='{value}'" for name, value in environment.items())
        words = " ".join(f"'{word}'" for word in command)
        self.tmux("set-option", "-g", "default-terminal", "tmux-256color", ";", "set-option", "-g", "status", "off", ";",
                  "new-session", "-d", "-x", str(columns), "-y", str(rows),
                  f"exec env -i {exports} sh -c 'read go; exec \"$@\"' sh {words}")
        self.tmux("pipe-pane", f"cat >> {self.heard}")
        self.pid = int(self.tmux("display-message", "-p", "#{pane_pid}"))
        self.tmux("send-keys", "Enter")

    def tmux(self, *words):
        done = subprocess.run(["tmux", "-L", self.socket, "-f", "/dev/null", *words], check=True, capture_output=True, text=True)
        return done.stdout

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def written(self):
        return os.path.getsize(self.heard)

    def frames(self):
        """How many frames a celltop has drawn, by its own word."""
        before = self.told()
        self.tmux("send-keys", "-l", ":figures")
        self.tmux("send-keys", "Enter")
        return until(lambda: (lambda now: now if now and now != before else None)(self.told()), 20, ":figures")

    def told(self):
        found = re.search(r"(\d+) frames drawn", self.screen())
        return int(found[1]) if found else None

    def end(self):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], capture_output=True)


def measure(command, size, seconds, environment, home, isOurs=False, ready="", leastFrames=None):
    """What a program costs in a tmux, from its third second on."""
    columns, rows = size
    pane = Pane(command, columns, rows, environment, home)
    try:
        until(lambda: pane.written() > 500 and ready in pane.screen(), 30, f"a picture of {command[0]}")
        settled = time.monotonic() + min(3.0, seconds / 4)
        until(lambda: time.monotonic() >= settled, 10, "the time to settle")
        frames = pane.frames() if isOurs else None
        # The word about the frames goes away after six seconds: none of it is counted.
        told = time.monotonic() + (8 if isOurs else 0)
        until(lambda: time.monotonic() >= told, 20, "the time to settle")
        start = (time.monotonic(), processor_seconds(pane.pid), pane.written())
        until(lambda: time.monotonic() >= start[0] + seconds, seconds + 10, "the end")
        end = (time.monotonic(), processor_seconds(pane.pid), pane.written())
        wall = end[0] - start[0]
        found = {"cpuPercent": 100 * (end[1] - start[1]) / wall, "bytesPerSecond": (end[2] - start[2]) / wall,
                 "rssMiB": resident(pane.pid)}
        if isOurs:
            # Seconds of the telling itself, in which frames were drawn as well.
            found["framesPerSecond"] = (pane.frames() - frames) / (time.monotonic() - told + 8)
        return found
    finally:
        pane.end()


def first_picture(command, size, environment, times=9):
    """Milliseconds from the exec to the first picture on a plain pseudo-terminal: the median of several starts."""
    values = []
    for _ in range(times):
        began = time.monotonic()
        pid, terminal = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
            os.execvpe(command[0], command, {**environment, "TERM": "xterm-256color"})
        written = 0
        # The picture, and not the modes that are set before it.
        while written < 500 and time.monotonic() - began < 10:
            ready, _, _ = select.select([terminal], [], [], 0.5)
            try:
                written += len(os.read(terminal, 1 << 16)) if ready else 0
            except OSError:
                break
        if written >= 500:
            values.append(1000 * (time.monotonic() - began))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    return statistics.median(values) if values else None


class Server:
    """An engine with simulated gates: 200 notebooks, whose cells come so that something changes about once a second."""

    def __init__(self, tool, home, environment, rate):
        self.folder = home + "/live"
        os.makedirs(self.folder, 0o700, exist_ok=True)
        self.log = open(home + "/load.log", "w")
        self.process = subprocess.Popen(
            [tool, "bench", "load", "--gates", "200", "--rate", str(rate), "--run", "20", "--cores", "64", "--seconds", "100000",
             "--warm", "0", "--consoles", "0", "--no-processes"],
            env={**environment, "TMPDIR": self.folder}, stdout=self.log, stderr=self.log, start_new_session=True)
        self.socket = until(self.find, 60, "the server's socket")

    def find(self):
        if self.process.poll() is not None:
            raise RuntimeError("the server ended: " + pathlib.Path(self.log.name).read_text()[-400:])
        for path in glob.glob(self.folder + "/**", recursive=True):
            try:
                if stat.S_ISSOCK(os.stat(path).st_mode):
                    return path
            except OSError:
                pass

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.log.close()


def record(tool, home, environment):
    trace = home + "/trace.jsonl"
    run = lambda *words: subprocess.run([tool, *words], check=True, env=environment, stdout=subprocess.DEVNULL)
    run("trace", "generate", "--kind", "mixed", "--notebooks", "200", "--cores", "64", "--gpus", "8", "--seed", "1", "--force", "-o", trace)
    run("simulate", trace, "--policy", "dynamic", "--cores", "64", "--gpus", "8", "--record",
        home + "/data/celltop/history.sqlite")


def programs(tool, size, seconds, environment, home, rate):
    """Every program's figures at one size, by name."""
    found = {}

    def take(name, command, changes={}, **options):
        note(f"{name}, {size[0]}x{size[1]}, {seconds:.0f} s")
        settings = {**environment, **changes}
        first = first_picture(command, size, settings)
        found[name] = {**measure(command, size, seconds, settings, home, **options), "firstMilliseconds": first}

    server = Server(tool, home, environment, rate)
    try:
        live = {"CELLTOP_SOCKET": server.socket}
        take("celltop live", [tool], live, isOurs=True, ready="LIVE")
    finally:
        server.end()
        shutil.rmtree(server.folder, ignore_errors=True)
    if shutil.which("htop"):
        take("htop as it comes", ["htop"])
        tenths = max(1, round(10 / max(found["celltop live"]["framesPerSecond"], 0.1)))
        take("htop as often", ["htop", "-d", str(tenths)])
    take("celltop replay", [tool, "replay", "--at", "40%", "--speed", "9", "--play"], isOurs=True, ready="REPLAY")
    if shutil.which("btop"):
        settings = pathlib.Path(home + "/.config/btop/btop.conf")
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.unlink(missing_ok=True)
        take("btop as it comes", ["btop", "--utf-force"])
        settings.write_text("update_ms = 100\n")
        take("btop at 10 fps", ["btop", "--utf-force"])
    take("celltop standing", [tool, "replay", "--at", "50%"], isOurs=True, ready="REPLAY")
    return found


def bounds(found):
    """What was promised: a text, the figure, the most allowed and whether it is kept."""
    live, replay, still = found["celltop live"], found["celltop replay"], found["celltop standing"]
    lines = []

    def hold(text, value, most, unit, isWithin=None):
        lines.append({"what": text, "figure": value, "bound": most, "unit": unit,
                      "isWithin": value <= most if isWithin is None else isWithin})

    if "htop as it comes" in found:
        hold("live: processor, against htop as it comes", live["cpuPercent"], found["htop as it comes"]["cpuPercent"], "%")
        hold("live: bytes a second, against htop as often", live["bytesPerSecond"], found["htop as often"]["bytesPerSecond"], "B/s")
    hold("live: frames a second, at the least 1", live["framesPerSecond"], 1, "/s", live["framesPerSecond"] >= 1)
    if "btop at 10 fps" in found:
        peer = found["btop at 10 fps"]
        hold("replay: processor, against btop at 10 fps", replay["cpuPercent"], peer["cpuPercent"], "%")
        hold("replay: bytes a second, a tenth of btop's at 10 fps", replay["bytesPerSecond"], peer["bytesPerSecond"] / 10, "B/s")
    hold("replay: frames a second, at the least 10", replay["framesPerSecond"], 10, "/s", replay["framesPerSecond"] >= 10)
    hold("standing still: processor", still["cpuPercent"], STILL_MOST, "%")
    for name, one in (("live", live), ("replay", replay)):
        if one["firstMilliseconds"]:
            hold(f"{name}: start to the first picture", one["firstMilliseconds"], FIRST_MOST, "ms")
        hold(f"{name}: resident memory", one["rssMiB"], MEMORY_MOST, "MiB")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tool")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--size", action="append")
    parser.add_argument("--rate", type=float, default=0.5, help="cells a second of the live session; each begins and ends")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit with status 1 where a bound is broken")
    options = parser.parse_args()
    tool = os.path.abspath(options.tool)
    for peer in ("btop", "htop"):
        if not shutil.which(peer):
            note(f"{peer} is not installed, and left out (apt-get install {peer})")
    home = tempfile.mkdtemp(prefix="ct-bench-", dir="/tmp")
    environment = {"PATH": os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8", "TERM": "tmux-256color", "TMUX": "celltop-bench",
                   "XDG_DATA_HOME": home + "/data", "XDG_STATE_HOME": home + "/state", "XDG_RUNTIME_DIR": home}
    isWithin = True
    try:
        record(tool, home, environment)
        for name in options.size or ["200x50", "80x24"]:
            size = tuple(map(int, name.split("x")))
            found = programs(tool, size, options.seconds, environment, home, options.rate)
            lines = bounds(found)
            isWithin = isWithin and all(line["isWithin"] for line in lines)
            if options.json:
                print(json.dumps({"bench": "console in tmux", "size": name, "programs": found, "bounds": lines}), flush=True)
                continue
            print(f"\n{'in tmux, ' + name + f', {options.seconds:.0f} s each':34} {'CPU %':>8} {'bytes/s':>10} {'frames/s':>9} {'RSS MiB':>8} {'first ms':>9}")
            for program, one in found.items():
                frames = f"{one['framesPerSecond']:.1f}" if "framesPerSecond" in one else "-"
                first = "-" if one["firstMilliseconds"] is None else f"{one['firstMilliseconds']:.0f}"
                print(f"{program:34} {one['cpuPercent']:8.2f} {one['bytesPerSecond']:10.0f} {frames:>9} {one['rssMiB']:8.1f} {first:>9}")
            for line in lines:
                verdict = "kept" if line["isWithin"] else "BROKEN"
                print(f"  {line['what']:56} {line['figure']:10.2f} of {line['bound']:10.2f} {line['unit']:4} {verdict}", flush=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if options.check and not isWithin:
        sys.exit(1)


if __name__ == "__main__":
    main()
