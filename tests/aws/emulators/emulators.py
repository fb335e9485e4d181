"""Installs and starts the emulators for scripts/with-emulators (which says what they are)."""
import ctypes
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
START_LIMIT_S = 180  # a busy machine starts a JVM slowly
STOP_LIMIT_S = 10


class Missing(Exception):
    """Something is not here and could not be installed."""


# ---- installing ----


def folder():
    return Path(os.environ.get("HELPDESK_EMULATORS_DIR") or ROOT / "build" / "emulators")


def python():
    """Debian's own before whatever else comes first on the PATH: its minor version is the one that the pins were made for."""
    for candidate in ("/usr/bin/python3", sys.executable):
        if os.path.exists(candidate) and subprocess.run([candidate, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode == 0:
            return candidate
    raise Missing("no python3 with venv (python3-venv)")


def call(what, command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-4000:] + "\n")
        raise Missing(f"{what} could not be installed ({command[0]} gave {done.returncode})")


def install(name, sources, make):
    """make(target) fills folder()/name, once for these sources. Whoever comes meanwhile waits."""
    target = folder() / name
    stamp = target / ".installed"
    wanted = hashlib.sha256(b"".join(Path(s).read_bytes() if os.path.exists(s) else s.encode() for s in sources)).hexdigest()
    folder().mkdir(parents=True, exist_ok=True)
    with open(folder() / f".{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text(encoding="ascii") != wanted:
            print(f"installing {name} for the tests in {target}", file=sys.stderr, flush=True)
            shutil.rmtree(target, ignore_errors=True)
            make(target)
            stamp.write_text(wanted, encoding="ascii")
    return target


def virtual_environment(name, requirements):
    interpreter = python()

    def make(target):
        call(name, [interpreter, "-m", "venv", str(target)])
        call(name, [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--retries", "5", "-r", str(requirements)])

    return install(name, [requirements, os.path.realpath(interpreter)], make)


def elasticmq():
    if not shutil.which("java"):
        raise Missing("no java (default-jre-headless)")
    if not shutil.which("mvn"):
        raise Missing("no mvn (maven)")
    pom = HERE / "pom.xml"
    return install("elasticmq", [pom], lambda target: call(
        "ElasticMQ", ["mvn", "-B", "-q", "-ntp", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={target}"]))


def clock():
    """What gives a process the time that stands in a file: clock.c."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise Missing("no C compiler")
    source = HERE / "clock.c"

    def make(target):
        target.mkdir()
        call("the clock", [compiler, "-std=gnu17", "-O2", "-fPIC", "-shared", "-o", str(target / "clock.so"), str(source), "-ldl"])

    return install("clock", [source], make) / "clock.so"


def tools(sam):
    """The environment of the command, as far as tools go."""
    environment = dict(os.environ)
    aws = virtual_environment("aws", HERE / "requirements.txt")
    environment["HELPDESK_AWS_PYTHON"] = str(aws / "bin" / "python")
    environment["HELPDESK_AWS_CLI"] = str(aws / "bin" / "aws")
    if sam:
        bin_folder = virtual_environment("sam", HERE / "requirements-sam.txt") / "bin"
        environment["HELPDESK_SAM"] = str(bin_folder / "sam")
        environment["HELPDESK_SAM_PYTHON"] = str(bin_folder / "python")
        environment["HELPDESK_CFN_LINT"] = str(bin_folder / "cfn-lint")
        environment["SAM_CLI_TELEMETRY"] = "0"
        machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
        found = sorted(bin_folder.parent.glob(f"lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"))
        if not found:
            raise Missing(f"aws-sam-cli brings no Runtime Interface Emulator for {machine}")
        found[0].chmod(0o755)
        environment["HELPDESK_RIE"] = str(found[0])
    # Nobody's own settings, profiles or proxies.
    for name in list(environment):
        if name.startswith("AWS_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            del environment[name]
    environment.update({
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_PAGER": "",
    })
    return environment


# ---- running ----


def die_with(parent, sent):
    """In the child: it dies when we do, however we die."""
    ctypes.CDLL(None).prctl(1, sent)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


class Server:
    """A process that says on its output where it listens."""

    def __init__(self, name, command, pattern, environment):
        self.name = name
        self.log = tempfile.TemporaryFile(mode="w+")
        parent = os.getpid()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment,
                                        start_new_session=True, preexec_fn=lambda: die_with(parent, signal.SIGKILL))
        self.found = threading.Event()
        self.port = None
        threading.Thread(target=self.read, args=(re.compile(pattern),), daemon=True).start()

    def read(self, pattern):
        for line in self.process.stdout:
            self.log.write(line)
            match = None if self.found.is_set() else pattern.search(line)
            if match:
                self.port = int(match.group(1))
                self.found.set()
        self.found.set()

    def wait(self):
        if self.found.wait(START_LIMIT_S) and self.port:
            return self.port
        self.stop()
        self.log.seek(0)
        sys.stderr.write(self.log.read()[-4000:] + "\n")
        raise RuntimeError(f"{self.name} did not start")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def time_of(clock_file):
    """The environment of a process that lives by that clock."""
    return [f"LD_PRELOAD={clock()}", f"HELPDESK_CLOCK_FILE={clock_file}"]


def start_elasticmq(environment, clock_file):
    jars = elasticmq()
    if clock_file:
        words = time_of(clock_file)
        environment["HELPDESK_EMULATOR_TIME"] = " ".join(words)
        environment = dict(environment, **dict(word.split("=", 1) for word in words))
    return Server("ElasticMQ", [
        "java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Drest-sqs.bind-hostname=127.0.0.1", "-Drest-sqs.bind-port=0",
        "-Drest-stats.enabled=false", "-Dgenerate-node-address=true", "-Daws.region=eu-west-1", "-Daws.accountId=123456789012",
        "-cp", str(jars / "*"), "org.elasticmq.server.Main"], r"Started SQS rest server, bind address 127\.0\.0\.1:(\d+)", environment)


def start(sqs, movable_clock, environment):
    """Starts them all at once; environment gets what leads to them."""
    servers = []
    clock_file = None
    command = [environment["HELPDESK_AWS_PYTHON"], "-B", str(HERE / "moto_server.py")]
    clock_folder = None
    if sqs == "elasticmq" and movable_clock:
        clock_folder = tempfile.TemporaryDirectory(prefix="helpdesk-emulators-")
        clock_file = str(Path(clock_folder.name) / "clock")
        Path(clock_file).write_bytes(bytes(16))
        command += ["--clock-file", clock_file]
    try:
        moto = Server("moto", command, r"^listening (\d+)", environment)
        moto.clock_folder = clock_folder  # until it is stopped
        servers.append(moto)
        queues = None
        if sqs == "elasticmq":
            queues = start_elasticmq(environment, clock_file)
            servers.append(queues)
        environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{moto.wait()}"
        if queues:
            environment["AWS_ENDPOINT_URL_SQS"] = f"http://127.0.0.1:{queues.wait()}"
        if not queues or clock_file:
            environment["HELPDESK_EMULATOR_CLOCK"] = environment["AWS_ENDPOINT_URL"] + "/_emulator/clock"
    except BaseException:
        for server in servers:
            server.stop()
        raise
    return servers


def scanned(environment):
    with urllib.request.urlopen(environment["AWS_ENDPOINT_URL"] + "/_emulator/requests", timeout=START_LIMIT_S) as answer:
        asked = {target.split(".")[1]: count for target, count in json.load(answer).items() if target.startswith("DynamoDB_")}
    print("count: requests to DynamoDB: " + ", ".join(f"{count} {name}" for name, count in sorted(asked.items())), flush=True)
    if asked.get("Scan"):
        print("a table was scanned", flush=True)
        return 1
    return 0


def run(command, environment):
    """The command's exit status. A signal to us goes to it."""
    parent = os.getpid()
    process = subprocess.Popen(command, env=environment, preexec_fn=lambda: die_with(parent, signal.SIGKILL))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, frame: process.send_signal(received))
    status = process.wait()
    return status if status >= 0 else 128 - status
