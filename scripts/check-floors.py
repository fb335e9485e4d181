#!/usr/bin/env python3
"""Checks that every #include keeps to the floors of docs/architecture.md. Prints file:line and the rule; exits 1 if one is broken.

A room may include itself and what FLOORS names for it, by the path from the root. A library's headers may be included only where
LIBRARIES allows. Tests (*_test.c, tests/, bench/) are free of both, but a floor's own test keeps to what its floor may use, and to tests/.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BELOW_PRODUCER = {"base", "core"}
FLOORS = {
    "base": set(),
    "core": {"base"},
    "adapters": BELOW_PRODUCER,
    "producer": BELOW_PRODUCER,
    "processors": BELOW_PRODUCER,
    "host": {"base", "core", "adapters", "producer", "processors"},
    "serverless": {"base", "core", "adapters", "producer", "processors", "host"},
    "app": {"base", "core", "adapters", "producer", "processors", "host"},
}
# The first part of what stands between < and >, and the rooms that may name it.
LIBRARIES = {
    "jansson.h": {"base"},
    "pcre2.h": {"base"},
    "openssl": {"base", "adapters", "producer", "host", "app", "serverless"},
    "sqlite3.h": {"adapters/sqlite"},
    "curl": {"adapters", "host", "app", "serverless"},
    "microhttpd.h": {"app"},
    "cmocka.h": set(),
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def room_of(path):
    """"base", "adapters/sqlite": where a file, or the path of an include, belongs."""
    parts = path.parts
    return "/".join(parts[:2]) if parts[0] == "adapters" and len(parts) > 2 else parts[0]


def own_include_problem(path, name, is_test):
    room, target = room_of(path), pathlib.PurePosixPath(name)
    floor = room.split("/")[0]
    if not (ROOT / name).exists():
        return f'"{name}" is no path from the root (write "base/error.h")'
    if target.parts[0] == "tests":
        return None if is_test else "only tests may include from tests/"
    if room_of(target) == room:
        return None
    if target.parts[0] in FLOORS[floor]:
        return None
    if target.parts[0] == "adapters" and floor == "adapters":
        return f"{room}/ may not include another adapter"
    return f"{floor}/ may include only {', '.join(sorted(FLOORS[floor])) or 'itself'}"


def library_problem(path, name):
    library = name.split("/")[0]
    allowed = LIBRARIES.get(library)
    room = room_of(path)
    if allowed is None or room in allowed or room.split("/")[0] in allowed:
        return None
    return f"<{name}> belongs to {', '.join(sorted(allowed)) or 'tests'}"


def problems(path):
    is_test = path.name.endswith("_test.c")
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        own, library = match.groups()
        problem = own_include_problem(path, own, is_test) if own else None if is_test else library_problem(path, library)
        if problem:
            yield f"{path}:{number}: {problem}"


def main():
    files = sorted(path.relative_to(ROOT) for floor in FLOORS for path in (ROOT / floor).rglob("*.[ch]"))
    found = [problem for path in files for problem in problems(path)]
    print("\n".join(found + [f"check-floors: {len(files)} files, {len(found)} broken rules"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
