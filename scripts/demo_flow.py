#!/usr/bin/env python3
"""The example server's real flow, step by step: scripts/demo_flow.py [BIN_DIR].

Runs a shop's server against klaviyo-sim, takes the simulator away and gives it back, switches a
flag off and on, and checks that every event arrived exactly once. With KLAVIYO_API_KEY and
KLAVIYO_API_URL set it talks to that Klaviyo instead, without the outage.
"""

import collections
import os
import signal
import sys
import tempfile
import time

from demo_http import Klaviyo, Shop
from demo_programs import Failure, Program
from demo_shop import Goods
from demo_stripe import SECRET, Stripe, sign

KEY = "pk_demo0000000000000000000000000001"
FLAGS = {
    "KLAVIYO_PURCHASE_EVENTS_ENABLED": "true",
    "KLAVIYO_SUBSCRIPTION_EVENTS_ENABLED": "true",
    "KLAVIYO_CART_ABANDONED_ENABLED": "true",
    "KLAVIYO_CONSENT_EVENTS_ENABLED": "true",
    "KLAVIYO_CART_QUIET_TIME": "0s",  # every update is waited for
    "KLAVIYO_RECOVERY_SECRET": "a secret of the demo only",
    "VITE_APP_URL": "https://goldenacre.example",
}
# What people say about marketing while Klaviyo is down, in turn; the last word counts.
WORDS = {"reader-1": ["subscribe", "unsubscribe"],
         "reader-2": ["unsubscribe", "subscribe"]}
FAMILIES = {
    "Placed Order": "purchase",
    "Ordered Product": "purchase",
    "Partially Refunded Order": "purchase",
    "Subscription Started": "subscription",
    "Cart Updated": "cart",
}


def say(text):
    print(text, flush=True)


def wait_for(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"still not so after {seconds} s: {what}")
        time.sleep(0.05)


class Demo:
    def __init__(self, bin_dir, folder):
        self.bin_dir = os.path.abspath(bin_dir)
        self.folder = folder
        self.is_real = bool(os.environ.get("KLAVIYO_API_KEY") and os.environ.get("KLAVIYO_API_URL"))
        self.key = os.environ["KLAVIYO_API_KEY"] if self.is_real else KEY
        self.flags = dict(FLAGS)
        self.programs = []
        self.goods = Goods(run=f"{int(time.time()):x}", started=int(time.time()))
        self.expected = collections.Counter()  # (metric, unique id)
        self.found = collections.Counter()
        self.disabled = collections.Counter()  # events by family
        self.rejected = collections.defaultdict(list)  # family -> [(events, reasons)]
        self.was_held = 0

    def start_program(self, *command, env=None):
        path = os.path.join(self.bin_dir, command[0])
        program = Program([path, *command[1:]], self.folder, env)
        self.programs.append(program)
        program.wait_until_ready()
        return program

    def start_simulator(self, port="0"):  # with Klaviyo's real rate limits
        self.simulator = self.start_program("klaviyo-sim", "--port", port, "--key", KEY)

    def start(self):
        if self.is_real:
            url = os.environ["KLAVIYO_API_URL"]
        else:
            self.start_simulator()
            url = self.simulator.url
        self.klaviyo = Klaviyo(url, self.key, since=self.goods.started)
        self.write_flags()
        ours = ("KLAVIYO_", "POSTBOX_", "STRIPE_", "VITE_")  # a demo is the same for everybody
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        self.env.update(KLAVIYO_API_KEY=self.key, KLAVIYO_API_URL=url, STRIPE_WEBHOOK_SECRET=SECRET)
        self.start_server()

    def start_server(self, port="0"):
        self.server = self.start_program("checkout_server", "--port", port, env=self.env)
        self.shop = Shop(self.server.url)

    def write_flags(self):
        with open(os.path.join(self.folder, ".env"), "w", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in self.flags.items())

    def switch_carts(self, value):
        changes = self.server.log().count("configuration changed")
        self.flags["KLAVIYO_CART_ABANDONED_ENABLED"] = value
        self.write_flags()
        self.server.process.send_signal(signal.SIGHUP)
        wait_for("the flag is read again",
                 lambda: self.server.log().count("configuration changed") > changes, 5)

    def close(self):
        for program in reversed(self.programs):
            program.stop()

    def show_logs(self):
        for name in sorted({program.log_path for program in self.programs}):
            with open(name, encoding="utf-8", errors="replace") as log:
                print(f"--- {os.path.basename(name)}, the last lines", file=sys.stderr)
                print("".join(log.readlines()[-40:]), file=sys.stderr)

    def send(self, parcel, expect="accepted"):
        status, answer = self.shop.send(parcel)
        if status not in (201, 202) or answer.get("events") != expect:
            raise Failure(f"{parcel.path} answered {status} {answer}, expected {expect}")
        if expect == "accepted":
            self.expected.update(parcel.events)
        else:
            self.disabled[parcel.family] += len(parcel.events)

    def send_all(self, orders=0, carts=0, subscriptions=0):
        for kind, count in (("order", orders), ("cart", carts), ("subscription", subscriptions)):
            for _ in range(count):
                self.send(getattr(self.goods, kind)())

    def send_bad(self, parcel):
        status, answer = self.shop.send(parcel)
        if status != 400:
            raise Failure(f"a bad {parcel.family} answered {status} {answer}, expected 400")
        for error in answer["errors"]:
            say(f"      400  {error['path']}: {error['rule']}")
        reasons = ", ".join(error["path"] for error in answer["errors"])
        self.rejected[parcel.family].append((len(parcel.events), reasons))

    def settle(self, held=0, seconds=60):
        def is_settled():
            states = self.shop.states()
            return states["waiting"] + states["in_flight"] == 0 and states["held"] == held
        wait_for(f"nothing waits and {held} events are held", is_settled, seconds)

    def usual_day(self):
        say("1  Customers order, fill carts and subscribe: guests and members, five currencies.")
        self.send_all(orders=24, carts=12, subscriptions=8)
        again = self.goods.order()
        for _ in range(3):
            self.send(again)
        for event in again.events:
            self.expected[event] = 1
        say(f"      {self.goods.described()}; order {again.name} was reported three times")
        say("2  A broken client sends what makes no sense. It is told everything at once:")
        self.send_bad(self.goods.bad_order())
        self.send_bad(self.goods.bad_subscription())
        self.webhooks()
        self.settle()
        say(f"4  Everything is delivered: {sum(self.expected.values())} events.")

    def webhooks(self):
        say("3  Stripe reports a purchase and a subscription, each fact several times, in any order:")
        stripe = Stripe(self.goods.run, self.goods.started)
        for bodies, events in (stripe.purchase(), stripe.subscription()):
            for body in bodies + bodies[::-1]:
                status = self.shop.deliver(body, sign(body))
                if status != 200:
                    raise Failure(f"a webhook was answered with {status}, expected 200")
            self.expected.update(events)
        body = stripe.purchase()[0][0]
        if self.shop.deliver(body + b" ", sign(body)) != 400:
            raise Failure("a webhook that was changed on its way was not refused")
        say("      each was answered with 200; one that was changed on its way with 400")

    def outage(self):
        self.found += self.klaviyo.events()  # the simulator forgets them when it ends
        self.simulator.stop()
        say("5  Klaviyo is down. The shop goes on:")
        self.send_all(orders=12, carts=6, subscriptions=2)
        for name, words in WORDS.items():
            for word in words:
                self.send(self.goods.consent(word, name))
        states = self.shop.states()
        waiting = states["waiting"] + states["in_flight"]
        say(f"      every order was answered; {waiting} events wait on disk; one customer subscribes")
        say("      to the newsletter and unsubscribes, another one unsubscribes and subscribes")

    def flag_off(self):
        say("6  Somebody switches the carts off (.env, then SIGHUP):")
        self.switch_carts("false")
        self.send(self.goods.cart(), expect="disabled")
        wait_for("the queued carts are held", lambda: self.shop.states()["held"] == 6)
        self.was_held = 6
        say("      what was queued is held, 6 carts; a new one is not taken")

    def recovery(self):
        say("7  Klaviyo is back; more orders come in.")
        self.start_simulator(self.simulator.port)
        self.send_all(orders=6)
        self.settle(held=6)
        say("      every order has arrived; the 6 carts are still held")
        self.check_consent()
        say("8  The carts are switched on again.")
        self.switch_carts("true")
        self.settle()
        say("      nothing waits any more")

    def check_consent(self):
        lists = self.klaviyo.lists()
        for name, words in WORDS.items():
            is_on_list = bool(lists[f"{name}@goldenacre.example"])
            say(f"      {name} said {', then '.join(words)}: "
                f"{'on' if is_on_list else 'not on'} the list")
            if is_on_list != (words[-1] == "subscribe"):
                raise Failure(f"the last word of {name} was {words[-1]}")

    def run(self):
        self.start()
        say(f"0  The shop's server is at {self.server.url}, " +
            ("Klaviyo is the real one." if self.is_real
             else f"Klaviyo is a simulator at {self.simulator.url}."))
        self.usual_day()
        if not self.is_real:
            self.outage()
            self.flag_off()
            self.recovery()
        return self.report()

    def read_back(self):
        if not self.is_real:
            self.found += self.klaviyo.events()
            return True
        for _ in range(20):  # the real one shows an event some seconds after it has taken it
            events = self.klaviyo.events()
            if events is None:
                say("   This key may not read events back; the table shows what was sent.")
                return False
            self.found = events
            if all(event in events for event in self.expected):
                break
            time.sleep(2)
        return True

    def report(self):
        is_read = self.read_back()
        p50, p99 = self.shop.latency()
        say(f"9  What Klaviyo recorded (the shop answered an order in {p50:.1f} ms, "
            f"at the worst in {p99:.1f} ms: median and 99th percentile):\n")
        self.print_table(is_read)
        if not self.shop.is_conserved():
            raise Failure("postbox_conserved is 0: the counts do not add up")
        if not is_read:
            return 0
        self.expect_each_once()
        say("\n   Every event arrived exactly once.")
        return 0

    def expect_each_once(self):
        missing = sorted(set(self.expected) - set(self.found))
        double = sorted(event for event, count in self.found.items() if count > 1)
        unknown = sorted(set(self.found) - set(self.expected))
        for word, events in (("MISSING", missing), ("DOUBLE", double), ("UNKNOWN", unknown)):
            for metric, name in events:
                say(f"   {word}  {metric} {name}")
        if missing or double or unknown:
            raise Failure("not every event arrived exactly once")

    def print_table(self, is_read):
        by_family = collections.Counter()
        for (metric, _), count in (self.found if is_read else self.expected).items():
            by_family[FAMILIES[metric]] += count
        say(f"   {'family':<14}{'offered':>8}{'delivered':>11}{'was held':>10}{'disabled':>10}"
            f"{'rejected':>10}")
        for family in ("purchase", "subscription", "cart"):
            rejected = sum(events for events, _ in self.rejected[family])
            accepted = sum(FAMILIES[metric] == family for metric, _ in self.expected)
            offered = accepted + rejected + self.disabled[family]
            held = self.was_held if family == "cart" else 0
            why = "; ".join(reasons for _, reasons in self.rejected[family])
            say(f"   {family:<14}{offered:>8}{by_family[family]:>11}{held:>10}"
                f"{self.disabled[family]:>10}{rejected:>10}" + (f"   ({why})" if why else ""))


def interrupt(*_):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a second one must not interrupt the cleaning up
    raise KeyboardInterrupt


def main(demo_class=Demo):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    bin_dir = sys.argv[1] if len(sys.argv) > 1 else "build/release/bin"
    with tempfile.TemporaryDirectory(prefix="postbox-demo-") as folder:
        demo = demo_class(bin_dir, folder)
        try:
            return demo.run()
        except KeyboardInterrupt:
            return 130
        except (Failure, OSError) as failure:
            demo.show_logs()
            print(f"The demo failed: {failure}", file=sys.stderr)
            return 1
        finally:
            demo.close()


if __name__ == "__main__":
    sys.exit(main())
