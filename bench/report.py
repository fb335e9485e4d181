"""The machine, the table and the JSON."""

import hashlib
import json
import os
import platform
import statistics
import time
from pathlib import Path

from servers import BENCH

NOISY_STEAL_PERCENT = 5
NOISY_LOAD = 0.5


def machine():
    """What the figures were taken on, with two measures of how fast it is just now: compare runs only where these agree."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?"
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memoryMiB": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20,
        "kernel": platform.release(),
        "loadAverage": os.getloadavg()[0],
        "sha256Of16KiBMicroseconds": hash_us(),
        "fdatasyncOf4KiBMs": fdatasync_ms(),
    }


def hash_us():
    block, times = bytes(16384), []
    for _ in range(2000):
        started = time.perf_counter()
        hashlib.sha256(block).digest()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def fdatasync_ms():
    path = BENCH / "data" / "sync-probe"
    path.parent.mkdir(exist_ok=True)
    times = []
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        for i in range(200):
            os.pwrite(file, bytes(4096), 4096 * i)
            started = time.perf_counter()
            os.fdatasync(file)
            times.append(time.perf_counter() - started)
    finally:
        os.close(file)
        path.unlink()
    return statistics.median(times) * 1000


def medians(rounds):
    """Over rounds of the same shape: the median of every number, objects by field; None if any round has none."""
    first = rounds[0]
    if isinstance(first, dict):
        return {key: medians([each[key] for each in rounds]) for key in first}
    if isinstance(first, bool):
        return all(rounds)
    if any(each is None for each in rounds):
        return None
    return statistics.median(rounds)


def number(value, digits=0, unit=""):
    return "–" if value is None else f"{value:,.{digits}f}{unit}"


def print_rows(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        print(
            "  ".join(
                str(cell).ljust(width) if i == 0 else str(cell).rjust(width) for i, (cell, width) in enumerate(zip(row, widths))
            ).rstrip()
        )
    print()


def print_end_to_end(results, labels):
    print("End to end: POST /tickets → both notifications sent and recorded (closed loop, 256 connections; medians)")
    ours = results.get("helpdesk", {}).get("eventsPerSecond")
    rows = []
    for name, r in results.items():
        ratio = ours / r["eventsPerSecond"] if ours and r["eventsPerSecond"] else None
        rows.append(
            [
                labels[name],
                number(r["eventsPerSecond"]),
                number(r["acceptedPerSecond"]),
                number(ratio, 2, " ×"),
                number(r["latencyMs"]["p50"], 1),
                number(r["latencyMs"]["p99"], 1),
                number(r["peakRssMiB"]),
                number(r["cpuMicrosecondsPerEvent"]),
                number(r["cores"], 2),
                number(r["refused"]),
                number(r["stealPercent"], 1, " %"),
            ]
        )
    head = ["", "events/s", "201s/s", "HelpDesk is", "p50 ms", "p99 ms", "peak MiB", "CPU µs/event", "cores", "not 201", "steal"]
    print_rows(head, rows)


def print_open_loop(results, labels):
    rate = next(iter(results.values()))["ratePerSecond"]
    print(f"Open loop at {rate:,.0f}/s: due → 201, corrected for coordinated omission; acknowledged → sent")
    rows = [
        [
            labels[name],
            number(r["latencyMs"]["p50"], 2),
            number(r["latencyMs"]["p99"], 2),
            number(r["latencyMs"]["p999"], 1),
            number(r["latencyMs"]["max"], 1),
            number(r["ackToSentP99Ms"], 1),
            number(r["answeredPerSecond"]),
            number(r["cores"], 2),
            number(r["refused"]),
        ]
        for name, r in results.items()
    ]
    print_rows(["", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "sent p99 ms", "201s/s", "cores", "not 201"], rows)


def criteria(results):
    """(what, measured, target, met) for every criterion that this run could judge."""
    e2e, open_loop = results.get("endToEnd", {}), results.get("openLoop", {})
    ours = e2e.get("helpdesk")
    found = []

    def judge(what, value, met, target, digits=1, unit=""):
        if value is not None:
            found.append(
                {"criterion": what, "measured": value, "shown": number(value, digits, unit), "target": target, "met": bool(met(value))}
            )

    if ours:
        judge("end to end, events/s", ours["eventsPerSecond"], lambda v: v >= 10000, "≥ 10,000", 0)
        judge("peak resident memory, MiB", ours["peakRssMiB"], lambda v: v < 64, "< 64")
        for name, least in (("peer-node", 8), ("peer-node-sqlite", 1), ("peer-node-sqlite-threads", 1)):
            theirs = e2e.get(name, {}).get("eventsPerSecond")
            if theirs and ours["eventsPerSecond"]:
                judge(
                    f"end to end, against {name}",
                    ours["eventsPerSecond"] / theirs,
                    lambda v, least=least: v >= least if least > 1 else v > 1,
                    f"≥ {least} ×" if least > 1 else "> 1 ×",
                    2,
                    " ×",
                )
    if "helpdesk" in open_loop:
        r = open_loop["helpdesk"]
        judge("open loop, 201 p50 ms", r["latencyMs"]["p50"], lambda v: v < 1, "< 1", 2)
        judge("open loop, 201 p99 ms", r["latencyMs"]["p99"], lambda v: v < 15, "< 15", 2)
        judge("open loop, sent p99 ms", r["ackToSentP99Ms"], lambda v: v < 100, "< 100")
    if "acceptAlone" in results:
        judge("durable POST against no storing (null)", results["acceptAlone"]["durableToNull"], lambda v: v >= 0.4, "≥ 0.4 ×", 2, " ×")
    if "memory" in results:
        growth = results["memory"]["maxMiB"] - results["memory"]["minMiB"]
        judge("memory over ten minutes, most − least MiB", growth, lambda v: v <= 4, "≤ 4 (flat)")
    if "ready" in results:
        judge("ready with a million notifications, ms", results["ready"]["medianMs"], lambda v: v < 100, "< 100")
    if "oldNotifications" in results:
        judge(
            "with ten million old notifications, against empty",
            results["oldNotifications"]["filledToEmpty"],
            lambda v: v >= 0.8,
            "≥ 0.8 ×",
            2,
            " ×",
        )
    return found


def print_all(results, labels):
    m = results["machine"]
    print(
        f"\n{m['cpu']}, {m['cores']} cores, Linux {m['kernel']}; load {m['loadAverage']:.2f} before, "
        f"SHA-256 of 16 KiB {m['sha256Of16KiBMicroseconds']:.0f} µs, fdatasync {m['fdatasyncOf4KiBMs']:.2f} ms"
    )
    for name, why in results["unavailable"].items():
        print(f"not measured: {name}: {why}")
    print()
    if results.get("endToEnd"):
        print_end_to_end(results["endToEnd"], labels)
    if "acceptAlone" in results:
        a = results["acceptAlone"]
        how = "processors paused" if a["processorsPaused"] else "processors running: serve has no --no-processors"
        print(f"POST /tickets alone ({how})")
        print_rows(
            ["durable/s", "null/s", "refused/s", "durable : null", "durable : refused"],
            [
                [
                    number(a["perSecond"]["durable"]),
                    number(a["perSecond"]["null"]),
                    number(a["perSecond"]["refused"]),
                    number(a["durableToNull"], 2),
                    number(a["durableToRefused"], 2),
                ]
            ],
        )
    if results.get("openLoop"):
        print_open_loop(results["openLoop"], labels)
    judged = criteria(results)
    if judged:
        print_rows(
            ["criterion", "measured", "target", ""],
            [[c["criterion"], c["shown"], c["target"], "met" if c["met"] else "NOT MET"] for c in judged],
        )
    steal = [r["stealPercent"] for phase in ("endToEnd", "openLoop") for r in results.get(phase, {}).values()]
    if m["loadAverage"] > NOISY_LOAD or any(s > NOISY_STEAL_PERCENT for s in steal):
        print("This machine was not quiet (load before the run, or time taken by its host): trust the ratios, not the absolute figures.\n")


def write(results):
    results["criteria"] = criteria(results)
    folder = BENCH / "results"
    folder.mkdir(exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    print(f"bench: written to {(folder / 'latest.json').relative_to(BENCH.parent)}")
