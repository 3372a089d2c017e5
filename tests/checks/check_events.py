#!/usr/bin/env python3
"""One table, three uses: the printed JSON Schema takes what the library sends and what the pages show,
and the pages of docs/events/ are those of the table. Usage: check_events.py POSTBOX EVENT_BODIES
Exit code 77, with the reason, where python3-jsonschema is not installed."""
import copy
import filecmp
import json
import pathlib
import re
import subprocess
import sys
import tempfile

try:
    import jsonschema
    validator = jsonschema.Draft202012Validator
except (ImportError, AttributeError) as error:
    print(f"SKIPPED, NOT TESTED: {error}; install python3-jsonschema (4.0 or later)")
    sys.exit(77)

postbox, bodies = sys.argv[1:]
pages = pathlib.Path(__file__).resolve().parents[2] / "docs/events"
problems = []


def run(*arguments):
    return subprocess.run(arguments, capture_output=True, text=True)


schema = json.loads(run(postbox, "schema").stdout)
validator.check_schema(schema)
validators = {}
for one in schema["oneOf"]:
    alone = json.loads(run(postbox, "schema", one["title"]).stdout)
    if {key: value for key, value in alone.items() if key != "$schema"} != one:
        problems.append(f"{one['title']}: alone it has another schema than among all")
    validators[one["title"]] = validator(alone)


def check(title, what, event):
    for error in validators[title].iter_errors(event):
        place = "/".join(str(step) for step in error.absolute_path)
        problems.append(f"{title}, {what}: {place}: {error.message}")


def must_fail(title, change):
    """A schema that takes everything would pass, too."""
    event = copy.deepcopy(sent[title])
    change(event)
    if validators[title].is_valid(event):
        problems.append(f"{title}: the schema takes what is wrong")


# What the library sends.
sent = {}
for line in run(bodies).stdout.splitlines():
    entry = json.loads(line)
    if entry["type"] not in validators:  # an event of a shop's own, or a profile
        continue
    sent[entry["type"]] = entry["single"]["data"]["attributes"]
    check(entry["type"], "as sent", sent[entry["type"]])
for title in sent:
    must_fail(title, lambda event: event.pop("profile"))
    must_fail(title, lambda event: event["metric"]["data"]["attributes"].update(name="x"))
    must_fail(title, lambda event: event.update(unique_id="u" * 256))
must_fail("Placed Order", lambda event: event["properties"].pop("OrderId"))
must_fail("Placed Order", lambda event: event["properties"]["Items"][0].update(Quantity=0))
must_fail("Payment Failed", lambda event: event["properties"].update(Currency="euro"))

# The pages: as printed, with examples that fit.
with tempfile.TemporaryDirectory() as work:
    run(postbox, "schema", "--pages", work)
    drift = filecmp.dircmp(work, pages)
    for name in drift.left_only + drift.right_only + drift.diff_files:
        problems.append(f"docs/events/{name} is not what `postbox schema --pages docs/events` writes")
for page in sorted(pages.glob("*-*.md")):
    text = page.read_text()
    title = re.search(r"^# (.+)$", text, re.M).group(1)
    check(title, "the page's example", json.loads(re.search(r"^```json\n(.*?)^```", text, re.M | re.S)[1]))

# The exit codes: 0 done, 1 found a problem, 2 wrong use.
for arguments, code in ((["schema", "--help"], 0), (["schema", "No Such Event"], 1), ([], 2),
                        (["schema", "--pages", "/no/such/folder"], 2), (["nonsense"], 2)):
    if run(postbox, *arguments).returncode != code:
        problems.append(f"postbox {' '.join(arguments)}: the exit code is not {code}")

print("\n".join(problems) or f"{len(validators)} events: schema, what is sent and pages agree")
sys.exit(1 if problems else 0)
