"""The three servers under test: how each is started on a fresh or given data folder, watched, and stopped."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import tickets

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
SECRET = "bench-secret-bench-secret-bench-secret"  # 127.0.0.1 only, for the length of a run
START_LIMIT_S = 30
STOP_LIMIT_S = 15
CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Unavailable(Exception):
    """This server can't be measured here; the text says why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, token=None, timeout_s=10):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        return answer.read().decode()


def post(url, value, token):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(value).encode(), headers), timeout=10) as answer:
        return json.load(answer)


def with_children(pid):
    """The process and all below it."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                found += [int(child) for child in Path(f"/proc/{parent}/task/{task}/children").read_text().split()]
        except OSError:
            pass
    return found


class Server:
    """One started server: a context manager, so that nothing outlives the phase that started it."""

    name = ""
    label = ""

    def __init__(self, data_dir, extra_arguments=()):
        self.data_dir = Path(data_dir)
        self.extra_arguments = list(extra_arguments)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes = []

    # What differs from server to server.
    @classmethod
    def check(cls):
        """Raises Unavailable, or leaves everything ready to be started."""

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def before_start(self):
        pass

    def metrics_url(self):
        return f"{self.url}/metrics"

    def token(self, user_id, role):
        return tickets.sign_token(SECRET, user_id, role)

    # What doesn't.
    def __enter__(self):
        self.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            self.before_start()
            self.started_at = time.monotonic()
            self.spawn(self.command(), self.environment())
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def spawn(self, command, environment):
        settings = {"HELPDESK_LISTEN": f"127.0.0.1:{self.port}", "HELPDESK_DATA_DIR": str(self.data_dir), "HELPDESK_JWT_SECRET": SECRET}
        log = open(self.data_dir / "log", "ab")
        with log:
            process = subprocess.Popen(
                command, env={**os.environ, **settings, **environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT
            )
        self.processes.append(process)
        return process

    def wait_until_ready(self):
        """Leaves the time from exec to the first 200 of /readyz in ready_s."""
        while True:
            try:
                get(f"{self.url}/readyz", timeout_s=5)
                self.ready_s = time.monotonic() - self.started_at
                return
            except (urllib.error.URLError, OSError):
                self.check_alive()
                if time.monotonic() - self.started_at > START_LIMIT_S:
                    raise Unavailable(f"{self.name} was not ready after {START_LIMIT_S} s; its log:\n{self.log_tail()}")
                time.sleep(0.001)

    def check_alive(self):
        for process in self.processes:
            if process.poll() is not None:
                raise Unavailable(f"{self.name} ended with code {process.returncode}; its log:\n{self.log_tail()}")

    def log_tail(self):
        try:
            return (self.data_dir / "log").read_text(errors="replace")[-2000:]
        except OSError:
            return ""

    def __exit__(self, *_):
        for process in reversed(self.processes):
            family = with_children(process.pid)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pid in family[1:]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.processes = []

    def pids(self):
        return [pid for process in self.processes for pid in with_children(process.pid)]

    def memory_mib(self, field):
        """VmRSS or VmHWM, summed over all its processes."""
        total_kib = 0
        for pid in self.pids():
            try:
                total_kib += int(re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
            except (OSError, TypeError):
                pass
        return total_kib / 1024

    def cpu_s(self):
        total = 0
        for pid in self.pids():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += int(fields[11]) + int(fields[12])
            except OSError:
                pass
        return total / CLOCK_TICKS_PER_S

    def add_users(self):
        admin = self.token("bench-admin", "admin")
        for user in tickets.users():
            try:
                post(f"{self.url}/users", user, admin)
            except urllib.error.HTTPError as error:
                if error.code != 409:  # a filled store has them already
                    raise Unavailable(f"{self.name}: POST /users answered {error.code}: {error.read().decode()[:300]}")

    def customer_tokens(self):
        return [self.token(user["userId"], "customer") for user in tickets.users()]

    def metrics(self):
        """All samples by name with labels, as on the page: {'helpdesk_backlog{queue="email"}': 0.0, …}."""
        samples = {}
        for line in get(self.metrics_url()).splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples


class HelpDesk(Server):
    name = "helpdesk"
    label = "HelpDesk"
    binary = Path(os.environ.get("HELPDESK_BINARY", ROOT / "build" / "helpdesk"))  # another one to compare two builds

    @classmethod
    def check(cls):
        if not cls.binary.exists():
            raise Unavailable(f"{cls.binary.name} is not built (make)")

    @classmethod
    def serve_knows(cls, option):
        shown = subprocess.run([cls.binary, "serve", "--help"], capture_output=True, text=True, timeout=10)
        return option in shown.stdout + shown.stderr

    def command(self):
        return [str(self.binary), "serve", *self.extra_arguments]

    def environment(self):
        self.metrics_port = free_port()
        return {"HELPDESK_METRICS_LISTEN": f"127.0.0.1:{self.metrics_port}"}

    def metrics_url(self):
        return f"http://127.0.0.1:{self.metrics_port}/metrics"

    def token(self, user_id, role):
        environment = {**os.environ, "HELPDESK_DATA_DIR": str(self.data_dir), "HELPDESK_JWT_SECRET": SECRET}
        made = subprocess.run(
            [self.binary, "token", "--user", user_id, "--role", role], env=environment, capture_output=True, text=True, timeout=10
        )
        if made.returncode != 0:
            raise Unavailable(f"helpdesk token failed: {made.stderr.strip()}")
        return made.stdout.split()[-1]


def install_packages(folder):
    """`npm ci`, once; native modules are compiled against the headers beside this node, since no download site may be reachable."""
    installed = folder / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= (folder / "package-lock.json").stat().st_mtime:
        return
    environment = dict(os.environ)
    node = shutil.which("node")
    if not node:
        raise Unavailable("node is not installed")
    prefix = Path(node).resolve().parent.parent
    if (prefix / "include" / "node" / "node.h").exists():
        environment["npm_config_nodedir"] = str(prefix)
    print(f"bench: installing the packages of {folder.name} (a native module may be compiled: two minutes)", flush=True)
    made = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )
    if made.returncode != 0:
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        raise Unavailable(f"npm ci in {folder.name} failed: {made.stderr[-500:]}")
    installed.touch()


class NodeSqlite(Server):
    name = "peer-node-sqlite"
    label = "Node + better-sqlite3"
    folder = BENCH / "peer-node-sqlite"
    threads = "1"

    @classmethod
    def check(cls):
        install_packages(cls.folder)

    def command(self):
        return ["node", str(self.folder / "server.mjs")]

    def environment(self):
        return {"NODE_ENV": "production", "PEER_THREADS": self.threads}


class NodeSqliteThreads(NodeSqlite):
    """The same with SQLite and the stages on a thread of their own: faster where two cores are really free."""

    name = "peer-node-sqlite-threads"
    label = "the same, 2 threads"
    threads = "2"


class NodeBullMq(NodeSqlite):
    name = "peer-node"
    label = "Node + BullMQ + Redis"
    folder = BENCH / "peer-node"

    @classmethod
    def check(cls):
        if not shutil.which("redis-server"):
            raise Unavailable("redis-server is not installed (apt install redis-server)")
        super().check()

    def before_start(self):
        self.redis_port = free_port()
        settings = [
            "--port",
            str(self.redis_port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.data_dir),
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ]
        self.spawn(["redis-server", *settings], {})
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.redis_port), 1) as redis:
                    redis.sendall(b"PING\r\n")
                    if redis.recv(64).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            self.check_alive()
            if time.monotonic() > deadline:
                raise Unavailable(f"redis-server was not ready after {START_LIMIT_S} s")
            time.sleep(0.01)

    def environment(self):
        return {"NODE_ENV": "production", "PEER_REDIS_PORT": str(self.redis_port)}


ALL = {server.name: server for server in (HelpDesk, NodeSqlite, NodeSqliteThreads, NodeBullMq)}
