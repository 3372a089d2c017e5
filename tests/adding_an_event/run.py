#!/usr/bin/env python3
"""Follow docs/adding-an-event.md on a copy of the tree: it must take no more than the design allows,
build, and pass its test; and whatever piece is forgotten, a check must say so.
Usage: run.py COMPILER"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parents[2]
compiler = sys.argv[1]
NEW_FILES = {"integrations/klaviyo/schemas/wishlist.hpp", "integrations/klaviyo/events/wishlist.hpp",
             "integrations/klaviyo/events/wishlist.cpp", "tests/klaviyo/wishlist_test.cpp"}
# The lists, and the line before which the new one goes: the end of the list.
LISTS = {"integrations/klaviyo/families.hpp": r"(?<=\n)(?=\};\n)",
         "integrations/klaviyo/CMakeLists.txt": r"(?<=\n)(?=  product\)\n)"}


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)


def must(ok, what, output=""):
    if not ok:
        sys.exit(f"{what}\n{output}")


def apply(document, copy):
    """Each snippet belongs to the file that was named last before it."""
    changed = {}
    for text, snippet in re.findall(r"(.*?)^```\w+\n(.*?)^```", document, re.M | re.S):
        path = re.findall(r"`([\w./]+\.(?:hpp|cpp|txt))`", text)[-1]
        must(path not in changed, f"the document changes {path} twice")
        changed[path] = snippet
    for path, snippet in changed.items():
        if path not in LISTS:
            must(not (copy / path).exists(), f"{path} exists already")
            (copy / path).write_text(snippet)
            continue
        must(snippet.count("\n") <= 2, f"{path} needs more than an entry")
        text = (copy / path).read_text()
        place = re.search(LISTS[path], text)
        must(place, f"the end of the list in {path} was not found")
        (copy / path).write_text(text[:place.start()] + snippet + text[place.start():])
    must(changed.keys() == NEW_FILES | LISTS.keys(),
         f"it takes other pieces than the design allows: {sorted(changed)}")
    return changed


def check(copy, name):
    return run(sys.executable, copy / f"tests/checks/check_{name}.py")


def build_and_test(copy):
    environment = {**os.environ, "CCACHE_BASEDIR": str(copy), "CCACHE_NOHASHDIR": "1"}
    build = copy / "build/release"
    configured = run("cmake", "--preset", "release", f"-DCMAKE_CXX_COMPILER={compiler}", cwd=copy, env=environment)
    must(configured.returncode == 0, "the copy cannot be configured", configured.stderr)
    built = run("cmake", "--build", build, "-j2", "--target", "postbox_klaviyo", "postbox_schema", "event_bodies",
                "settings_reference", cwd=copy, env=environment)
    must(built.returncode == 0, "the copy does not build", built.stdout)
    reference = build / "bin/settings_reference"
    must(run(reference, "--check", copy).returncode != 0, "nobody notices that the flag is in no document")
    must(run(reference, copy).returncode == 0, "the settings are not written")
    must(run(reference, "--check", copy).returncode == 0, "what is written differs from itself")
    for document in (".env.example", "docs/configuration.md"):
        must("KLAVIYO_WISHLIST_EVENTS_ENABLED" in (copy / document).read_text(), f"{document} has no flag")
    events = (copy / "tests/checks/check_events.py", build / "bin/postbox_schema", build / "bin/event_bodies")
    must(run(sys.executable, *events).returncode != 0, "nobody notices that the event's page is missing")
    must(run(build / "bin/postbox_schema", "schema", "--pages", copy / "docs/events").returncode == 0, "no page is written")
    checked = run(sys.executable, *events)
    must(checked.returncode in (0, 77), "check_events.py fails on the copy", checked.stdout)
    program = build / "wishlist_test"
    compiled = run(compiler, "-std=c++20", *(f"-I{copy / folder}" for folder in ("include", "integrations", "tests")),
                   copy / "tests/klaviyo/wishlist_test.cpp", build / "lib/libpostbox_klaviyo.a", build / "lib/libpostbox.a",
                   "-lgtest", "-lgtest_main", "-lcurl", "-lsqlite3", "-lcrypto", "-lidn2", "-lpthread", "-o", program)
    must(compiled.returncode == 0, "its test does not build", compiled.stderr)
    tested = run(program)
    must(tested.returncode == 0, "its test fails", tested.stdout)
    print(tested.stdout.strip().splitlines()[-1])


def forget(copy, path, snippet):
    """Whether somebody notices when this piece is missing."""
    original = (copy / path).read_text()
    if path in LISTS:
        (copy / path).write_text(original.replace(snippet, ""))
    else:
        (copy / path).unlink()
    if path.endswith("families.hpp"):
        noticed = run(compiler, "-std=c++20", "-fsyntax-only", f"-I{copy / 'include'}", f"-I{copy / 'integrations'}",
                      copy / "integrations/klaviyo/events/wishlist.cpp").returncode != 0
    elif path in NEW_FILES:
        noticed = run("cmake", "--preset", "release", cwd=copy).returncode != 0
    else:
        noticed = check(copy, "layout").returncode != 0 or check(copy, "documents").returncode != 0
    must(noticed, f"nobody notices when {path} is forgotten")
    (copy / path).write_text(original)


with tempfile.TemporaryDirectory() as work:
    copy = pathlib.Path(work) / "postbox"
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns("build", ".git"))
    pieces = apply((root / "docs/adding-an-event.md").read_text(), copy)
    must(check(copy, "documents").returncode != 0, "check_documents.py does not miss the flag")
    build_and_test(copy)
    for name in ("layout", "documents"):
        checked = check(copy, name)
        must(checked.returncode == 0, f"check_{name}.py fails on the copy", checked.stdout)
    for path, snippet in pieces.items():
        forget(copy, path, snippet)
    print(f"{len(NEW_FILES)} files and {len(LISTS)} entries, and none can be forgotten")
