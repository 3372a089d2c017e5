#!/usr/bin/env python3
"""Walks docs/deployment.md: executes every line of its boxes, in order, with a shop that takes orders
between them and a local Klaviyo. At the end each order that the shop took while its family was on is
recorded once. Usage: run.py BIN_DIR"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

root = pathlib.Path(__file__).resolve().parents[2]
binaries = pathlib.Path(sys.argv[1]).resolve()
PATIENCE = 60  # seconds: a line may need the server to have done something


def started(*command, **options):
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    return program, "http://127.0.0.1:" + re.search(r":(\d+)$", program.stdout.readline().strip()).group(1)


def ask(url, body=None):
    headers = {"Content-Type": "application/json", "Authorization": "Klaviyo-API-Key pk_local_first",
               "revision": "2026-10-15"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
        return json.loads(answer.read() or "null")


def recorded(api):
    """unique_ids of what Klaviyo has, with how often."""
    ids, url = {}, api + "/api/events?page[size]=200&include=metric".replace("[", "%5B").replace("]", "%5D")
    while url:
        page = ask(url)
        for event in page["data"]:
            key = (event["attributes"]["event_properties"].get("OrderId"), event["relationships"]["metric"]["data"]["id"])
            ids[key] = ids.get(key, 0) + 1
        url = page["links"].get("next")
    return ids


def must(line, where, env):
    """Executes the line until it ends as it should: the server may still be about to do what it shows."""
    deadline = time.monotonic() + PATIENCE
    while True:
        run = subprocess.run(["bash", "-c", line], cwd=where, env=env, capture_output=True, text=True)
        if run.returncode == 0:
            return
        if time.monotonic() > deadline:
            sys.exit(f"failed: {line}\n{run.stdout}{run.stderr}\nthe server's log:\n{(where / 'shop.log').read_text()}")


def buy(shop, number):
    ask(shop + "/checkout/complete",
        {"order_id": str(number), "currency": "EUR", "customer": {"email": f"c{number}@goldenacre.example"},
         "items": [{"product_id": "P1", "name": "Tea", "quantity": 1, "unit_price": 1250}]})


page = (root / "docs/deployment.md").read_text()
boxes = re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S)
assert len(boxes) >= 10, "the page has lost its boxes"
with tempfile.TemporaryDirectory() as folder:
    where = pathlib.Path(folder)
    sim, api = started(binaries / "klaviyo-sim", "--port", "0", "--key", "pk_local_first", "--key", "pk_local_second")
    (where / ".env").write_text(
        f"KLAVIYO_API_KEY=pk_local_first\nKLAVIYO_API_URL={api}\nKLAVIYO_PURCHASE_EVENTS_ENABLED=false\n"
        "KLAVIYO_SUBSCRIPTION_EVENTS_ENABLED=false\nKLAVIYO_CART_ABANDONED_ENABLED=false\n"
        "VITE_APP_URL=https://shop.goldenacre.example\nPOSTBOX_OUTBOX=sqlite:postbox.db\n")
    (where / ".env").chmod(0o600)
    clean = {"PATH": f"{binaries}:{os.environ['PATH']}", "HOME": folder}
    shop, address = started(binaries / "checkout_server", "--port", "0", cwd=where, env=clean,
                            stderr=open(where / "shop.log", "w"))
    (where / "shop.pid").write_text(str(shop.pid))
    clean["SHOP"] = address
    number, on = 0, set()
    try:
        for box in boxes:
            # Orders arrive all the time. Those of a whole family that is on are to be recorded.
            flag = re.search(r"PURCHASE_EVENTS_ENABLED=(.*)", (where / ".env").read_text()).group(1)
            if shop.poll() is None:
                for _ in range(3):
                    number += 1
                    buy(address, number)
                    if flag == "true":
                        on.add(str(number))
            for line in box.splitlines():
                must(line, where, clean)
                if line.startswith('kill "$'):
                    shop.wait()
        assert on, "no order was taken while purchases were on"
        events = recorded(api)
        orders = [order for order, _ in events]
        twice = {key: times for key, times in events.items() if times > 1}
        missing = {order for order in on if orders.count(order) < 2}  # Placed Order and Ordered Product
        if twice or missing:
            sys.exit(f"recorded twice: {twice}; missing: {missing}")
        print(f"{len(boxes)} boxes executed; {number} orders taken, {len(on)} of them to be recorded, each once")
    finally:
        for program in (shop, sim):
            program.terminate()
            program.wait()
