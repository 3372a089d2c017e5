#!/usr/bin/env python3
"""A shop's server for some real minutes: scripts/soak_run.py BIN_DIR MINUTES.

Customers order all the time. klaviyo-sim fails in every way it knows, one after the other, and
gives way between them; the server is killed and started again, and reads its settings again. At
the end the faults stop, everything drains, and Soak checks: every acknowledged event recorded
exactly once, conservation, memory that does not grow, and a CPU that rests.
"""

import itertools
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
import urllib.request

from demo_flow import KEY, Demo, interrupt, say, wait_for
from demo_http import LOCAL
from demo_programs import Failure

BULK = {"path": "/api/event-bulk-create-jobs"}
# Name, faults, and whether only a reload makes the sender look again at once.
PHASES = [
    ("503", [{"status": 503}], False),
    ("429, two seconds", [{"status": 429, "retry_after": 2}], False),
    ("429, garbage", [{"status": 429, "retry_after": "soon"}], False),
    ("no answer in time", [{"delay_ms": 20000}], False),
    ("reset", [{"reset": True}], False),
    ("reset afterwards", [{"reset": True, "after": True}], False),
    ("truncated", [{"truncate": True}], False),
    ("503 as a page", [{"status": 503, "html": True}], False),
    ("403 of the edge", [{"status": 403, "html": True}], False),
    ("a proxy's page", [{"status": 402, "html": True}], False),
    ("a page with 200", [{"status": 200, "html": True}], False),
    ("bulk alone 404", [{"match": BULK, "status": 404}], True),
    ("bulk alone 503", [{"match": BULK, "status": 503}], False),
    ("bulk alone resets", [{"match": BULK, "reset": True}], False),
    ("slow", [{"delay_ms": 400}], False),
    ("401", [{"status": 401}], True),
    ("404", [{"status": 404}], True),
    ("half of everything", [{"probability": 0.2, "status": 500}, {"probability": 0.2, "reset": True},
                            {"probability": 0.2, "truncate": True, "after": True}], False),
]
ORDERS_A_SECOND = 3.0
OTHERS_A_SECOND = 1.0
KILLS = (0.08, 0.2, 0.33, 0.45)  # shares of the time; the process that is measured lives from then on
MEASURED_FROM = 0.55
MEMORY_GROWTH = 1.1
MEMORY_SLACK = 8 << 20
NOT_ON_DISK_SECONDS = 1
IDLE_SECONDS = 30
IDLE_CPU = 0.01
DRAIN_SECONDS = 1800  # for hangs only: a retry may wait for five minutes


class Customers(threading.Thread):
    """Sends parcels at a steady rate, each again until it is acknowledged."""

    def __init__(self, soak, kinds, rate):
        super().__init__(daemon=True)
        self.soak, self.kinds, self.rate = soak, itertools.cycle(kinds), rate
        self.acknowledged = {}  # (metric, unique id) -> when
        self.again = 0
        self.broken = None

    def run(self):
        due = time.monotonic()
        while not self.soak.closed.is_set():
            try:
                self.deliver(getattr(self.soak.goods, next(self.kinds))())
            except Failure as failure:
                self.broken = failure
                return
            due = max(due + 1 / self.rate, time.monotonic() - 5)
            self.soak.closed.wait(max(due - time.monotonic(), 0))

    def deliver(self, parcel):
        while True:
            try:
                status, answer = self.soak.shop.send(parcel)
            except (OSError, ValueError):  # the server has been killed
                status, answer = 503, {}
            if status in (201, 202) and answer.get("events") == "accepted":
                self.acknowledged.update(dict.fromkeys(parcel.events, time.monotonic()))
                return
            if status != 503:
                raise Failure(f"{parcel.path} answered {status} {answer}")
            self.again += 1
            time.sleep(0.1)


class Soak(Demo):
    def __init__(self, bin_dir, folder, minutes):
        super().__init__(bin_dir, folder)
        self.is_real, self.key = False, KEY
        self.seconds = minutes * 60
        self.closed = threading.Event()
        self.rows = []  # of the table of phases
        self.memory = []  # (share of the time, bytes)
        self.reloads = 0
        self.killed = []  # when

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.simulator.url + path, data=data, method=method)
        with LOCAL.open(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def reload(self):
        changes = self.server.log().count("configuration changed")
        self.reloads += 1
        self.flags["KLAVIYO_QUOTA_SHARE"] = "0.8" if self.reloads % 2 else "0.9"
        self.write_flags()
        self.server.process.send_signal(signal.SIGHUP)
        wait_for("the settings are read again",
                 lambda: self.server.log().count("configuration changed") > changes, 60)

    def kill(self):
        self.killed.append(time.monotonic())
        self.server.process.kill()
        self.server.process.wait()
        self.start_server(self.server.port)

    def statistics(self):
        with open(f"/proc/{self.server.process.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")

    def share(self):
        return (time.monotonic() - self.began) / self.seconds

    def pass_time(self, until):
        """Waits, kills when it is time to, and notes the memory."""
        while self.share() < until:
            for customers in self.customers:
                if customers.broken:
                    raise customers.broken
            if self.server.process.poll() is not None:
                raise Failure(f"the server has ended: {self.server.process.returncode}")
            if self.kills and self.share() > self.kills[0]:
                self.kills.pop(0)
                self.kill()
            self.memory.append((self.share(), self.statistics()[1]))
            time.sleep(min(1, max((until - self.share()) * self.seconds, 0.01)))

    def endure(self):
        rounds = max(1, round(self.seconds / len(PHASES) / 60))
        phases = PHASES * rounds
        for i, (name, faults, needs_reload) in enumerate(phases):
            before = self.control("GET", "/sim/stats")
            self.control("PUT", "/sim/faults", [dict(fault, times=-1) for fault in faults])
            self.pass_time((i + 0.6) / len(phases))
            self.control("DELETE", "/sim/faults")
            if needs_reload or i % 4 == 0:
                self.reload()
            self.pass_time((i + 1) / len(phases))
            after = self.control("GET", "/sim/stats")
            states = self.shop.states()
            changed = {key: after[key] - before[key]
                       for key in ("requests", "recorded", "duplicates", "reset")}
            self.rows.append((name, changed, states["waiting"] + states["in_flight"]))
            say(self.line(*self.rows[-1]))

    @staticmethod
    def line(name, changed, waiting):
        return (f"   {name:<20}{changed['requests']:>9}{changed['recorded']:>10}"
                f"{changed['duplicates']:>12}{changed['reset']:>8}{waiting:>9}")

    def drain(self):
        self.closed.set()
        for customers in self.customers:
            customers.join(timeout=60)
        self.reload()
        began = time.monotonic()

        def is_settled():
            states = self.shop.states()
            return states["waiting"] + states["in_flight"] == 0
        wait_for("nothing waits", is_settled, DRAIN_SECONDS)
        return time.monotonic() - began

    def measure_idle(self):
        time.sleep(3)  # the last settlement, and a checkpoint
        before = self.statistics()[0]
        time.sleep(IDLE_SECONDS)
        return (self.statistics()[0] - before) / IDLE_SECONDS

    def memory_of(self, least, most):
        return statistics.median(size for share, size in self.memory if least <= share <= most)

    def run(self):
        self.start()
        self.customers = [Customers(self, ["order"], ORDERS_A_SECOND),
                          Customers(self, ["cart", "cart", "subscription"], OTHERS_A_SECOND)]
        self.kills = list(KILLS)
        self.began = time.monotonic()
        for customers in self.customers:
            customers.start()
        say(f"   {'fault':<20}{'requests':>9}{'recorded':>10}{'duplicates':>12}{'resets':>8}"
            f"{'waiting':>9}")
        self.endure()
        return self.report(self.drain(), self.measure_idle())

    def is_taken_by_a_kill(self, event, acknowledged):
        """A cart's answer does not wait for the disk, and the next change says it all again."""
        return event[0] == "Cart Updated" and any(
            0 <= killed - acknowledged < NOT_ON_DISK_SECONDS for killed in self.killed)

    def report(self, drained_after, idle):
        expected = {event: when for customers in self.customers
                    for event, when in customers.acknowledged.items()}
        found = self.klaviyo.events()
        gone = [event for event in expected if event not in found]
        missing = [e for e in gone if not self.is_taken_by_a_kill(e, expected[e])]
        double = [event for event, count in found.items() if count > 1]
        unknown = [event for event in found if event not in expected]
        states, stats = self.shop.states(), self.control("GET", "/sim/stats")
        first = self.memory_of(MEASURED_FROM, MEASURED_FROM + 0.15)
        last = self.memory_of(0.85, 1.0)
        again = sum(customers.again for customers in self.customers)
        mebibyte = 1 << 20
        checks = [
            ("acknowledged events", len(expected), len(expected) > 0),
            ("  of them missing", len(missing), not missing),
            ("  carts that a kill took", len(gone) - len(missing), True),
            ("  recorded twice", len(double), not double),
            ("  never acknowledged", len(unknown), not unknown),
            ("dead letters", states["dead"], states["dead"] == 0),
            ("held", states["held"], states["held"] == 0),
            ("conserved", self.shop.is_conserved(), self.shop.is_conserved()),
            ("kills, reloads", f"{len(KILLS)}, {self.reloads}", not self.kills),
            ("customers' repetitions", again, True),
            ("requests an event", f"{stats['requests'] / max(len(expected), 1):.3f}", True),
            ("drained after", f"{drained_after:.0f} s", True),
            ("memory, then and last", f"{first / mebibyte:.1f}, {last / mebibyte:.1f} MiB",
             last <= first * MEMORY_GROWTH + MEMORY_SLACK),
            ("idle CPU", f"{idle * 100:.2f} % of a core", idle < IDLE_CPU),
        ]
        say("")
        for name, value, is_right in checks:
            say(f"   {name:<26}{value!s:>22}   {'' if is_right else 'WRONG'}")
        for word, events in (("MISSING", missing), ("DOUBLE", double), ("UNKNOWN", unknown)):
            for metric, name in sorted(events)[:20]:
                say(f"   {word}  {metric} {name}")
        if not all(is_right for _, _, is_right in checks):
            raise Failure("not everything is as promised")
        say("\n   Every acknowledged event arrived exactly once.")
        return 0


def main():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    with tempfile.TemporaryDirectory(prefix="postbox-soak-") as folder:
        soak = Soak(sys.argv[1], folder, float(sys.argv[2]))
        try:
            return soak.run()
        except KeyboardInterrupt:
            return 130
        except (Failure, OSError) as failure:
            soak.show_logs()
            print(f"The soak failed: {failure}", file=sys.stderr)
            return 1
        finally:
            soak.closed.set()
            soak.close()


if __name__ == "__main__":
    sys.exit(main())
