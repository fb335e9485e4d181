#!/usr/bin/env python3
"""tidy.py BUILD_DIR [FILE…]: clang-tidy over the compile commands of BUILD_DIR, on all cores.

A file that was found clean is not looked at again until it, a header that it includes, its command or .clang-tidy changes:
BUILD_DIR/tidy-clean.json keeps the hashes.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

TIDY = "clang-tidy-14"
CLANG = "clang-14"
# The analyser's default budget (225,000 steps a function) makes it take ten times as long, and finds hardly more.
ANALYZER = ["-Xclang", "-analyzer-config", "-Xclang", "max-nodes=50000"]
# cmocka's asserts do not tell the analyser that they end the test; tests are checked without it.
TEST_CHECKS = "-clang-analyzer-*,-cert-err34-c,-readability-function-size"
ROOT = pathlib.Path(__file__).resolve().parent.parent


def our_commands(build):
    for command in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(command["file"])
        if path.suffix == ".c" and path.is_relative_to(ROOT) and not path.is_relative_to(build):
            yield path, command["command"]


def state(path, command):
    """A hash of all that the verdict depends on; system headers are taken to change only with the package."""
    words = [word for word in shlex.split(command) if word not in ("-c",)]
    output_at = words.index("-o")
    words = [CLANG] + words[1:output_at] + words[output_at + 2 :]
    rule = subprocess.run([*words, "-MM", "-MT", "x"], capture_output=True, text=True, cwd=ROOT)
    digest = hashlib.sha256(command.encode())
    if rule.returncode != 0:
        return None
    for name in rule.stdout.replace("\\\n", " ").split()[1:]:
        digest.update(hashlib.sha256((ROOT / name).read_bytes()).digest())
    for name in (".clang-tidy", "cmake/analyzer.h", "scripts/tidy.py"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def arguments(path):
    relative = path.relative_to(ROOT)
    if path.name.endswith("_test.c") or relative.parts[0] in ("tests", "bench", "cmake"):
        return ["--checks=" + TEST_CHECKS]
    extra = list(ANALYZER)
    if str(relative) != "base/error.c":  # which defines what the header wraps
        extra += ["-include", str(ROOT / "cmake/analyzer.h")]
    if relative.parts[0] == "producer" and path.name != "call.c":
        extra.append("-DHD_ANALYZE_PRODUCER")
    return [f"--extra-arg={word}" for word in extra]


def check(build, clean, path, command):
    now = state(path, command)
    if now and clean.get(str(path)) == now:
        return path, now, ""
    run = subprocess.run([TIDY, "-p", str(build), "--quiet", *arguments(path), str(path)], capture_output=True, text=True)
    if run.returncode == 0:
        return path, now, ""
    return path, None, run.stdout or run.stderr


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    only = {pathlib.Path(name).resolve() for name in sys.argv[2:]}
    cache = build / "tidy-clean.json"
    clean = json.loads(cache.read_text()) if cache.exists() else {}
    commands = [(path, command) for path, command in our_commands(build) if not only or path in only]
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, verdict, output in pool.map(lambda pair: check(build, clean, *pair), commands):
            clean[str(path)] = verdict
            if output:
                bad += 1
                print(output.rstrip(), flush=True)
    cache.write_text(json.dumps({path: verdict for path, verdict in clean.items() if verdict}, indent=0))
    print(f"clang-tidy: {len(commands)} files, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
