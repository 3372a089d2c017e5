#!/usr/bin/env python3
"""Three servers of a shop on one database, step by step: scripts/demo_servers.py [BIN_DIR].

A balancer sends each request to another server. One is killed, then the database; a server in
another language tells its orders by SQL. In the end every event has arrived exactly once.
"""

import itertools
import json
import os
import sys

from demo_database import Database
from demo_flow import Demo, main, say, wait_for
from demo_http import Klaviyo, Shop
from demo_programs import Failure, Program
from demo_stripe import SECRET, Stripe, sign


class Balancer:
    """The next server that answers: what a shop has before its servers."""

    def __init__(self, shops):
        self.shops = shops
        self.turns = itertools.count()

    def ask(self, question):
        for _ in range(20 * len(self.shops)):
            shop = self.shops[next(self.turns) % len(self.shops)]
            try:
                answer = question(shop)
            except OSError:
                continue  # this one has gone
            if answer not in (500, 503) and not (isinstance(answer, tuple) and answer[0] == 503):
                return answer
        raise Failure("no server answers")

    def send(self, parcel):
        return self.ask(lambda shop: shop.send(parcel))

    def deliver(self, body, signature):
        return self.ask(lambda shop: shop.deliver(body, signature))

    def states(self):
        return self.ask(lambda shop: shop.states())


class ServersDemo(Demo):
    def start(self):
        self.database = Database(self.folder)
        self.start_simulator()
        self.klaviyo = Klaviyo(self.simulator.url, self.key, since=self.goods.started)
        self.write_flags()
        ours = ("KLAVIYO_", "POSTBOX_", "STRIPE_", "VITE_")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        self.env.update(KLAVIYO_API_KEY=self.key, KLAVIYO_API_URL=self.simulator.url,
                        STRIPE_WEBHOOK_SECRET=SECRET, POSTBOX_OUTBOX=self.database.url)
        self.servers = [self.start_program("checkout_server", "--port", "0", env=self.env)
                        for _ in range(3)]
        self.shop = Balancer([Shop(server.url) for server in self.servers])

    def kill_one(self):
        victim = self.servers[1]
        victim.process.kill()
        victim.process.wait()
        say("3  One server is killed with orders in its hands. The others go on:")
        self.send_all(orders=12, carts=4)
        say("      every order was answered")

    def crash_database(self):
        say("4  The database crashes and comes back.")
        self.database.restart_after_crash()
        self.send_all(orders=12)
        say("      every order was answered, some at the second attempt")

    def webhooks_anywhere(self):
        say("2  Stripe's webhooks reach whichever server, in any order, each more than once.")
        stripe = Stripe(self.goods.run, self.goods.started)
        for bodies, events in (stripe.purchase(), stripe.subscription()):
            for body in bodies + bodies[::-1]:
                if self.shop.deliver(body, sign(body)) != 200:
                    raise Failure("a webhook was not answered with 200")
            self.expected.update(events)

    def other_language(self):
        say("5  A server in another language tells three orders by SQL; one transaction is rolled back.")
        sender = self.start_sender()
        wait_for("the sender has made its table", lambda: self.database.sql(
            "SELECT to_regclass('postbox_told_meta') IS NOT NULL;") == "t", 30)
        for end in ("COMMIT", "ROLLBACK", "COMMIT"):
            parcel = self.goods.order()
            body = json.dumps(parcel.body).replace("'", "''")
            problem = self.database.sql("BEGIN; "
                                        f"SELECT postbox_tell('order_placed', '{body}'); {end};")
            if problem:
                raise Failure(f"an order is refused: {problem}")
            if end == "COMMIT":
                self.expected.update(parcel.events)
        wrong = self.database.sql("SELECT postbox_tell('order_placed', '{\"order_id\": 7}');")
        say(f"      and what is wrong with a fourth: {wrong.split(';')[0]}; …")
        wait_for("the sender has taken them in", lambda: self.database.sql(
            "SELECT count(*) FROM postbox_told WHERE problem IS NULL;") == "0", 30)
        sender.stop()

    def start_sender(self):
        program = Program([os.path.join(self.bin_dir, "sender")], self.folder, self.env)
        self.programs.append(program)
        return program

    def run(self):
        self.start()
        say("0  Three servers of a shop are at " +
            ", ".join(server.url for server in self.servers) + ", on one PostgreSQL.")
        say("1  Customers order, fill carts and subscribe; each request reaches another server.")
        self.send_all(orders=24, carts=12, subscriptions=8)
        say(f"      {self.goods.described()}")
        self.webhooks_anywhere()
        self.kill_one()
        self.crash_database()
        self.other_language()
        wait_for("the database's inbox is empty",
                 lambda: self.database.sql("SELECT count(*) FROM postbox_inbox;") == "0", 30)
        say("      what the killed server had in hand comes back when its lease ends: a minute or two")
        self.settle(seconds=240)
        return self.report()

    def report(self):
        self.found += self.klaviyo.events()
        living = [shop for server, shop in zip(self.servers, self.shop.shops)
                  if server.process.poll() is None]
        if not all(shop.is_conserved() for shop in living):
            raise Failure("postbox_conserved is 0: the counts do not add up")
        self.expect_each_once()
        say(f"6  {len(self.expected)} events: every one arrived exactly once.")
        return 0

    def close(self):
        super().close()
        if hasattr(self, "database"):
            self.database.stop()


if __name__ == "__main__":
    sys.exit(main(ServersDemo))
