#!/usr/bin/env python3
"""The alerts and the dashboard ask for what GET /metrics of a running server has; each alert has a
test and a page in the runbook; promtool takes the rules and runs their tests, where it is installed.
Usage: check_monitoring.py BIN_DIR. Exit code 1 when something drifted."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

import yaml

root = pathlib.Path(__file__).resolve().parents[2]
folder = root / "docs/monitoring"
problems = []


def started(*command, env=None):
    program = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    port = re.search(r"listening on 127\.0\.0\.1:(\d+)", program.stdout.readline()).group(1)
    return program, f"http://127.0.0.1:{port}"


def page_of_a_shop(binaries):
    """GET /metrics after one order was taken, by a server of its own."""
    with tempfile.TemporaryDirectory() as work:
        sim, api = started(binaries / "klaviyo-sim", "--port", "0")
        env = {"PATH": os.environ["PATH"], "KLAVIYO_API_KEY": "pk_" + 32 * "1", "KLAVIYO_API_URL": api,
               "KLAVIYO_PURCHASE_EVENTS_ENABLED": "true", "POSTBOX_OUTBOX": f"sqlite:{work}/postbox.db"}
        shop, url = started(binaries / "checkout_server", "--port", "0", env=env)
        try:
            order = {"order_id": "1", "currency": "EUR", "customer": {"email": "ines@goldenacre.example"},
                     "items": [{"product_id": "P", "name": "Tea", "quantity": 1, "unit_price": 100}]}
            urllib.request.urlopen(urllib.request.Request(url + "/checkout/complete", json.dumps(order).encode(),
                                                          {"Content-Type": "application/json"}))
            return urllib.request.urlopen(url + "/metrics").read().decode()
        finally:
            for program in (shop, sim):
                program.terminate()
                program.wait()


def labels_in(text):
    return re.findall(r'(\w+)(=~|=)"([^"]*)"', text)


page = page_of_a_shop(pathlib.Path(sys.argv[1]))
shown = {}  # (metric, label) -> values
for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", page, re.M):
    for suffix in ("", "_bucket", "_sum", "_count") if kind in ("histogram", "summary") else ("",):
        shown.setdefault(name + suffix, {})
for name, labels in re.findall(r"^(\w+)\{(.*)\} ", page, re.M):
    for label, _, value in labels_in(labels):
        shown.setdefault(name, {}).setdefault(label, set()).add(value)


def check(expression, where):
    for name, labels in re.findall(r"\b((?:postbox|stripe|checkout)_\w+)(?:\{([^}]*)\})?", expression):
        if name not in shown:
            problems.append(f"{where}: no server shows {name}")
            continue
        for label, operator, value in labels_in(labels):
            if label == "instance" or name == "postbox_outcomes_total":
                continue  # Prometheus' own; and a combination that has not occurred is not shown
            for each in value.split("|") if operator == "=~" else [value]:
                if each not in shown[name].get(label, set()):
                    problems.append(f'{where}: no {name} has {label}="{each}"')


rules = yaml.safe_load((folder / "alerts.yml").read_text())["groups"][0]["rules"]
tests = yaml.safe_load((folder / "alerts_test.yml").read_text())["tests"]
runbook = (root / "docs/runbook.md").read_text()
for rule in rules:
    name = rule["alert"]
    check(rule["expr"], name)
    expected = [bool(case.get("exp_alerts")) for test in tests for case in test["alert_rule_test"]
                if case["alertname"] == name]
    if sorted(expected) != [False, True]:
        problems.append(f"alerts_test.yml: {name} is not tested once raised and once silent")
    if rule["annotations"]["runbook"] != f"docs/runbook.md#{name.lower()}" or f"\n## {name}\n" not in runbook:
        problems.append(f"docs/runbook.md: no section for {name}")
for name in re.findall(r"^## (Postbox\w+)$", runbook, re.M):
    if name not in {rule["alert"] for rule in rules}:
        problems.append(f"docs/runbook.md: {name} is no alert")

dashboard = json.loads((folder / "dashboard.json").read_text())
for panel in dashboard["panels"]:
    if not {"id", "type", "title", "gridPos", "targets", "datasource"} <= panel.keys() or not panel["targets"]:
        problems.append(f"dashboard.json: a panel lacks a member: {panel.get('title')}")
    for target in panel["targets"]:
        check(target["expr"], f"dashboard.json, {panel['title']}")

promtool = shutil.which("promtool")
if promtool:
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        run = subprocess.run([promtool, *command], cwd=folder, capture_output=True, text=True)
        if run.returncode != 0:
            problems.append(f"promtool {' '.join(command)}:\n{run.stdout}{run.stderr}")
else:
    print("promtool is not installed: the rules and their tests were not run")

print("\n".join(problems) if problems else "the alerts and the dashboard ask for what servers show")
sys.exit(bool(problems))
