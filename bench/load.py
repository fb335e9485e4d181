"""Driving load at a server and watching what becomes of it."""

import json
import os
import subprocess
import threading
import time

from servers import BENCH, Unavailable

LOADGEN = BENCH / "build" / "loadgen"
CONNECTIONS = 256
POLL_S = 0.1
DRAIN_POLL_S = 0.05
QUIET_S = 0.3  # nothing sent for so long and nothing waiting: drained


def build_loadgen():
    source = BENCH / "loadgen.c"
    if LOADGEN.exists() and LOADGEN.stat().st_mtime >= source.stat().st_mtime:
        return
    LOADGEN.parent.mkdir(exist_ok=True)
    subprocess.run(
        [os.environ.get("CC", "cc"), "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", str(source), "-o", str(LOADGEN)], check=True
    )


def run_wrk(server, requests_path, seconds):
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", str(BENCH / "wrk.lua"), f"{server.url}/tickets"]
    done = subprocess.run(
        command, env={**os.environ, "BENCH_REQUESTS": str(requests_path)}, capture_output=True, text=True, timeout=seconds + 60
    )
    for line in done.stdout.splitlines():
        if line.startswith("JSON "):
            return json.loads(line[5:])
    raise Unavailable(f"wrk gave no result: {done.stderr[-500:]}{done.stdout[-500:]}")


def run_loadgen(server, requests_path, seconds, rate=0, connections=CONNECTIONS):
    command = [
        str(LOADGEN),
        "--port",
        str(server.port),
        "--requests",
        str(requests_path),
        "--seconds",
        str(seconds),
        "--connections",
        str(connections),
    ]
    command += ["--rate", str(rate)] if rate else []
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 90)
    if done.returncode != 0:
        raise Unavailable(f"loadgen: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    result["created"] = result["status"].get("201", 0)
    result["refused"] = sum(result["status"].values()) - result["created"]
    return result


GENERATORS = {"wrk": run_wrk, "loadgen": run_loadgen}


def sent(samples):
    """How many notifications have gone out, by channel."""
    return {
        channel: samples.get(f'helpdesk_notifications_total{{channel="{channel}",outcome="sent"}}', 0) for channel in ("email", "inapp")
    }


def backlog(samples):
    return sum(value for name, value in samples.items() if name.startswith("helpdesk_backlog"))


def wait_until_sent(server, before, created, limit_s):
    """Until every one of `created` tickets has both its notifications sent; the moment at which that was seen, or None after the limit."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        now = sent(server.metrics())
        seen_at = time.monotonic()
        if all(now[channel] - before[channel] >= created for channel in now):
            return seen_at
        time.sleep(DRAIN_POLL_S)
    return None


def wait_until_quiet(server, limit_s):
    """Until nothing waits and nothing more is sent (a generator may leave requests of its last moment behind)."""
    deadline = time.monotonic() + limit_s
    last, since = None, time.monotonic()
    while time.monotonic() < deadline:
        samples = server.metrics()
        now = (sent(samples), backlog(samples))
        if now != last or now[1] > 0:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > QUIET_S:
            return True
        time.sleep(DRAIN_POLL_S)
    return False


def ack_to_sent_p99_ms(before, after):
    """From the histogram helpdesk_ack_to_sent_seconds, interpolated within its bucket; None where the server hasn't got one."""
    counts = {}
    for name, value in after.items():
        if name.startswith("helpdesk_ack_to_sent_seconds_bucket"):
            bound = float(name.split('le="')[1].split('"')[0].replace("+Inf", "inf"))
            counts[bound] = counts.get(bound, 0) + value - before.get(name, 0)
    bounds = sorted(counts)
    if not bounds or counts[bounds[-1]] == 0:
        return None
    wanted, lower, below = counts[bounds[-1]] * 0.99, 0.0, 0
    for bound in bounds:
        if counts[bound] >= wanted:
            if bound == float("inf"):
                return lower * 1000
            return (lower + (bound - lower) * (wanted - below) / (counts[bound] - below)) * 1000
        lower, below = bound, counts[bound]
    return None


class Watch:
    """Samples a server's memory beside a run, and the share of the time that the host took from this machine."""

    def __init__(self, server, every_s=0.2):
        self.server = server
        self.every_s = every_s
        self.samples_mib = []
        self.stop = threading.Event()

    def __enter__(self):
        self.cpu_before = self.server.cpu_s()
        self.host_before = host_ticks()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()
        return self

    def sample(self):
        while not self.stop.wait(self.every_s):
            self.samples_mib.append((time.monotonic(), self.server.memory_mib("VmRSS")))

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.cpu_s = self.server.cpu_s() - self.cpu_before
        self.peak_mib = max([self.server.memory_mib("VmHWM")] + [mib for _, mib in self.samples_mib])
        total, stolen = (after - before for after, before in zip(host_ticks(), self.host_before))
        self.steal_percent = 100 * stolen / max(total, 1)


def host_ticks():
    with open("/proc/stat") as file:
        fields = [int(value) for value in file.readline().split()[1:9]]
    return sum(fields), fields[7]
