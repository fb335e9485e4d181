"""What is measured. Every phase starts its servers on fresh data folders (or a filled one) and gives back plain values
for the table and the JSON."""

import json
import shutil
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import load
import tickets
from servers import BENCH, HelpDesk, Unavailable

DATA = BENCH / "data"
DRAIN_LIMIT_S = 180
OPEN_LOOP_DRAIN_LIMIT_S = 30  # who needs longer has no latency worth printing
NOTIFICATIONS_PER_TICKET = 2
SPARE_DISK_BYTES = 5 << 30


@contextmanager
def fresh(server_class, arguments=()):
    DATA.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{server_class.name}-", dir=DATA))
    try:
        with server_class(folder, arguments) as server:
            yield prepared(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def filled(folder):
    with HelpDesk(folder) as server:
        yield prepared(server)


def prepared(server):
    """Its people added, and the requests for it written beside its data."""
    server.add_users()
    tokens = server.customer_tokens()
    server.requests = server.data_dir / "requests"
    tickets.write_requests(server.requests, tokens)
    server.refused_requests = server.data_dir / "requests-refused"
    tickets.write_requests(server.refused_requests, tokens, valid=False)
    server.null_requests = server.data_dir / "requests-null"
    tickets.write_requests(server.null_requests, tokens, target="/healthz")
    return server


def warm_up(server, seconds):
    """Lets a JIT compile and caches fill, and leaves the server with nothing to do."""
    load.run_loadgen(server, server.requests, seconds)
    load.wait_until_quiet(server, DRAIN_LIMIT_S)


def end_to_end(server, options):
    """Closed loop at 256 connections; the rate counts a ticket once both its notifications are sent, the time runs until the last is."""
    warm_up(server, options.warm_up_s)
    before = server.metrics()
    with load.Watch(server) as watch:
        started = time.monotonic()
        result = load.GENERATORS[options.generator](server, server.requests, options.seconds)
        accepted_until = time.monotonic()
        finished = load.wait_until_sent(server, load.sent(before), result["created"], DRAIN_LIMIT_S)
    if result["created"] == 0:
        raise Unavailable(f"{server.name}: no ticket was accepted ({json.dumps(result)})")
    after = server.metrics()
    return {
        "eventsPerSecond": result["created"] / (finished - started) if finished else None,
        "acceptedPerSecond": result["created"] / result["seconds"],
        "drainSeconds": finished - accepted_until if finished else None,
        "created": result["created"],
        "refused": result["refused"] + result["errors"],
        "latencyMs": result["latencyMs"],
        "ackToSentP99Ms": load.ack_to_sent_p99_ms(before, after),
        "peakRssMiB": watch.peak_mib,
        "cpuMicrosecondsPerEvent": watch.cpu_s * 1e6 / result["created"],
        "cores": watch.cpu_s / ((finished or time.monotonic()) - started),
        "stealPercent": watch.steal_percent,
    }


def accept_alone(options):
    """Durable POST /tickets with the processors paused, against the same HTTP server answering the same bodies without
    storing: `null` (a route that only takes the body) and `refused` (token checked, JSON parsed, schema applied, 422).
    Interleaved on one server.
    """
    paused = HelpDesk.serve_knows("--no-processors")
    rates = {"durable": [], "null": [], "refused": []}
    with fresh(HelpDesk, ["--no-processors"] if paused else []) as server:
        files = {"null": server.null_requests, "refused": server.refused_requests, "durable": server.requests}
        load.run_loadgen(server, server.null_requests, options.warm_up_s)
        for _ in range(options.rounds):
            for name, file in files.items():
                rates[name].append(load.run_loadgen(server, file, options.accept_s)["perSecond"])
                if name == "durable" and not paused:
                    load.wait_until_quiet(server, DRAIN_LIMIT_S)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "processorsPaused": paused,
        "perSecond": medians,
        "rounds": rates,
        "durableToNull": medians["durable"] / medians["null"],
        "durableToRefused": medians["durable"] / medians["refused"],
    }


def open_loop(server, options):
    """A fixed schedule; a late answer counts from when its request was due."""
    warm_up(server, options.warm_up_s)
    before = server.metrics()
    with load.Watch(server) as watch:
        result = load.run_loadgen(server, server.requests, options.open_s, rate=options.rate)
        finished = load.wait_until_sent(server, load.sent(before), result["created"], OPEN_LOOP_DRAIN_LIMIT_S)
    after = server.metrics()
    return {
        "ratePerSecond": options.rate,
        "answeredPerSecond": result["perSecond"],
        "created": result["created"],
        "refused": result["refused"] + result["errors"],
        "latencyMs": result["latencyMs"],
        "ackToSentP99Ms": load.ack_to_sent_p99_ms(before, after) if finished else None,
        "allSent": finished is not None,
        "peakRssMiB": watch.peak_mib,
        "cores": watch.cpu_s / result["seconds"],
        "stealPercent": watch.steal_percent,
    }


def memory_over_time(options):
    """The open loop for ten minutes: resident memory from the third minute on, least and most."""
    with fresh(HelpDesk) as server, load.Watch(server, every_s=options.memory_every_s) as watch:
        started = time.monotonic()
        result = load.run_loadgen(server, server.requests, options.memory_s, rate=options.rate)
    settled = [mib for at, mib in watch.samples_mib if at - started > options.memory_s * 0.2]
    return {
        "seconds": options.memory_s,
        "minMiB": min(settled),
        "maxMiB": max(settled),
        "created": result["created"],
        "refused": result["refused"] + result["errors"],
    }


def filled_store(ticket_count, may_fill):
    """A folder with so many delivered tickets in it, filled through POST /tickets and kept for later runs; None if there is
    none and it may not be made."""
    folder = DATA / f"filled-{ticket_count}"
    marker = folder / "complete.json"
    if marker.exists():
        return folder
    if not may_fill:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    print(f"bench: filling a store with {ticket_count} tickets", flush=True)
    created = 0
    started = time.monotonic()
    with filled(folder) as server:
        while created < ticket_count:
            created += load.run_loadgen(server, server.requests, 10)["created"]
            if not load.wait_until_quiet(server, DRAIN_LIMIT_S) or created == 0:
                raise Unavailable("the store can't be filled: nothing is delivered")
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            if size * (ticket_count - created) / created + SPARE_DISK_BYTES > shutil.disk_usage(folder).free:
                shutil.rmtree(folder, ignore_errors=True)
                raise Unavailable(f"not enough disk for {ticket_count} tickets ({size / created:.0f} bytes each)")
    marker.write_text(json.dumps({"tickets": created, "seconds": time.monotonic() - started}))
    return folder


def ready_time(folder, starts):
    """From exec to the first 200 of /readyz, on a store that the page cache knows."""
    times = []
    for _ in range(starts):
        with HelpDesk(folder) as server:
            times.append(server.ready_s * 1000)
    return {
        "tickets": json.loads((folder / "complete.json").read_text())["tickets"],
        "medianMs": statistics.median(times),
        "maxMs": max(times),
        "starts": times,
    }


def beside_old_notifications(folder, options):
    """End to end on a store full of old notifications and on an empty one, in turns."""
    rates = {"empty": [], "filled": []}
    for _ in range(options.rounds):
        with fresh(HelpDesk) as server:
            rates["empty"].append(end_to_end(server, options)["eventsPerSecond"])
        with filled(folder) as server:
            rates["filled"].append(end_to_end(server, options)["eventsPerSecond"])
    medians = {name: statistics.median(values) for name, values in rates.items()}
    oldest = json.loads((folder / "complete.json").read_text())["tickets"] * NOTIFICATIONS_PER_TICKET
    return {"oldNotifications": oldest, "eventsPerSecond": medians, "rounds": rates, "filledToEmpty": medians["filled"] / medians["empty"]}
