"""What the gate costs: the same kernel direct and behind the gate, alternating in one run. Called by .ci/bench.

    bench-gate.py GATE [--cells N] [--rounds N] [--json]

The engine is a small process of its own that grants each cell at once, so the figure is the gate's with its conversation, and
not a scheduler's. Bounds: empty cell 1.15 × direct (median), output 1.05 ×, ready 1.05 ×, no CPU when idle, 20 MB of memory.
"""

import argparse
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from jupyter_client.manager import KernelManager

ENGINE = r"""
import os, re, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("ready", flush=True)
sequence = 0
key = re.compile(rb'"submitted":.*?"key":(\d+)')
while True:
    gate, _ = server.accept()
    if os.fork():
        gate.close()
        continue
    rest = b""
    while chunk := gate.recv(65536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b'{"hello"'):
                gate.sendall(b'{"welcome":{"version":1,"session":1,"notebook":0}}\n')
            elif found := key.search(line):
                sequence += 1
                gate.sendall(b'{"grant":{"sequence":%d,"key":%s,"cores":"%s","gpus":[]}}\n'
                             % (sequence, found[1], sys.argv[2].encode()))
    os._exit(0)
"""

LOADS = {
    "100 messages of 1 MB": "for i in range(100): display({'text/plain': 'x' * 1_000_000}, raw=True)",
    "20,000 messages of 5 kB": "for i in range(20000): display({'text/plain': 'x' * 5000}, raw=True)",
    "100 MB of stdout in lines": "import sys\nfor i in range(1_000_000): sys.stdout.write('x' * 99 + '\\n')",
}


class Kernel:
    def __init__(self, name):
        began = time.perf_counter()
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel(stderr=subprocess.DEVNULL)
        self.client = self.manager.client()
        self.client.start_channels(hb=False)
        self.client.kernel_info()
        self.client.get_shell_msg(timeout=60)
        self.ready = time.perf_counter() - began
        self.client.wait_for_ready(timeout=60)
        self.run("from IPython.display import display")

    @property
    def pid(self):
        return self.manager.provisioner.process.pid

    def run(self, code):
        """Seconds from the request to reply and idle; messages of output are counted, not read."""
        iopub, shell = self.client.iopub_channel.socket, self.client.shell_channel.socket
        began = time.perf_counter()
        request = self.client.execute(code, allow_stdin=False).encode()
        count = 0
        while True:
            frames = iopub.recv_multipart(copy=False)
            count += 1
            place = 1 if bytes(frames[1].buffer[:9]) == b"<IDS|MSG>" else 0
            if b'"status"' in bytes(frames[place + 2].buffer) and b'"idle"' in bytes(frames[place + 5].buffer):
                if request in bytes(frames[place + 3].buffer):
                    break
        while request not in shell.recv_multipart()[3]:
            pass
        return time.perf_counter() - began

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def switches(pid):
    """How often any thread of a process went to sleep or was put aside."""
    total = 0
    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        total += sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", status.read_text()))
    return total


def resident_megabytes(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(arguments):
    names = ("direct", "gated")
    figures = {"loadAverage": os.getloadavg()[0]}
    kernels = {name: Kernel(name) for name in names}
    times = {name: [] for name in names}
    before = cpu_seconds(kernels["gated"].pid)
    for turn in range(arguments.cells + 50):
        for name in names if turn % 2 else names[::-1]:
            taken = kernels[name].run("")
            if turn >= 50:
                times[name].append(taken * 1000)
    figures["cell CPU of the gate ms"] = (cpu_seconds(kernels["gated"].pid) - before) * 1000 / (arguments.cells + 50)
    for share, word in ((0.5, "median"), (0.99, "p99")):
        for name in names:
            figures[f"cell {word} {name} ms"] = quantile(times[name], share)
        figures[f"cell {word} ratio"] = figures[f"cell {word} gated ms"] / figures[f"cell {word} direct ms"]
    for load, code in LOADS.items():
        ratios, taken = [], {name: [] for name in names}
        for turn in range(arguments.rounds):
            for name in names if turn % 2 else names[::-1]:
                taken[name].append(kernels[name].run(code))
            ratios.append(taken["gated"][-1] / taken["direct"][-1])
        for name in names:
            figures[f"{load} {name} s"] = statistics.median(taken[name])
        figures[f"{load} ratio"] = figures[f"{load} gated s"] / figures[f"{load} direct s"]
    gate = kernels["gated"].pid
    time.sleep(2)
    began, asleep = cpu_seconds(gate), switches(gate)
    time.sleep(5)
    figures["idle CPU share"] = (cpu_seconds(gate) - began) / 5
    figures["idle wake-ups a second"] = (switches(gate) - asleep) / 5
    figures["resident MB"] = resident_megabytes(gate)
    for kernel in kernels.values():
        kernel.close()
    ready = {name: [] for name in names}
    for turn in range(arguments.rounds * 3):
        for name in names if turn % 2 else names[::-1]:
            kernel = Kernel(name)
            ready[name].append(kernel.ready * 1000)
            kernel.close()
    for name in names:
        figures[f"ready {name} ms"] = statistics.median(ready[name])
    figures["ready ratio"] = figures["ready gated ms"] / figures["ready direct ms"]
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gate")
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        gate = [os.path.abspath(arguments.gate), "-f", "{connection_file}", "--language", "python", "--"]
        for name, command in (("gated", gate + argv), ("direct", argv)):
            place = pathlib.Path(directory, "kernels", name)
            place.mkdir(parents=True)
            spec = {"argv": command, "display_name": name, "language": "python"}
            (place / "kernel.json").write_text(json.dumps(spec))
        path = f"{directory}/engine.sock"
        os.environ |= {"JUPYTER_PATH": directory, "CELLTOP_SOCKET": path}
        cores = ",".join(str(core) for core in sorted(os.sched_getaffinity(0)))
        engine = subprocess.Popen([sys.executable, "-c", ENGINE, path, cores], stdout=subprocess.PIPE, start_new_session=True)
        try:
            engine.stdout.readline()
            figures = measure(arguments)
        finally:
            os.killpg(engine.pid, 9)
    if arguments.json:
        print(json.dumps(figures))
        return
    print(f"the gate against the kernel alone, alternating (load {figures['loadAverage']:.1f} at the start)")
    bounds = {"cell median ratio": 1.15, "ready ratio": 1.05, "resident MB": 20, "idle CPU share": 0.002}
    bounds |= {f"{load} ratio": 1.05 for load in LOADS}
    for name, value in figures.items():
        bound = bounds.get(name)
        judged = "" if bound is None else f"  ({'within' if value <= bound else 'OVER'} {bound})"
        print(f"    {name:44} {value:10.3f}{judged}")


if __name__ == "__main__":
    main()
