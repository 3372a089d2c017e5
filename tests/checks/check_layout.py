#!/usr/bin/env python3
"""Rules of the tree that no compiler checks. Prints every breach; exit code 1 when there is one."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
breaches = []


def files(folder, *patterns):
    return sorted(p for pattern in patterns for p in (root / folder).rglob(pattern))


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if found:
            yield number, found.group(1), found.group(2)


def breach(path, number, text):
    breaches.append(f"{path.relative_to(root)}:{number}: {text}")


STANDARD = re.compile(r"^[a-z_]+$")  # <vector>, <cstdint>: no slash, no extension

# Public headers include the standard library and public headers: no third-party type crosses.
for path in files("include", "*.hpp"):
    for number, _, name in includes(path):
        if not (STANDARD.match(name) or name.startswith("postbox/")):
            breach(path, number, f"a public header may not include {name}")
# But an integration that is there for a library includes that one's.
BESIDES = {"klaviyo_json": ("klaviyo_json/", "nlohmann/"), "prometheus": ("prometheus/",), "spdlog": ("spdlog/",),
           "klaviyo_postgres": ("klaviyo_postgres/",), "stripe_postgres": ("stripe_postgres/",)}
for path in files("integrations", "*.hpp"):
    integration = path.relative_to(root / "integrations").parts[0]
    known = ("postbox/", "klaviyo/", "stripe/") + BESIDES.get(integration, ())
    for number, _, name in includes(path):
        if not (STANDARD.match(name) or name.startswith(known)):
            breach(path, number, f"an integration's header may not include {name}")

# The rooms of src, and which others each may include. `.` is src itself: the pipeline, the engine and
# the tracker, which put the rooms together.
ROOMS = {
    "base": set(),
    "sqlite": {"base"},
    "curl": {"base"},
    "send": {"base"},
    "sqlite_outbox": {"base", "sqlite"},
    # A library of their own, which the engine does not know.
    "postgres": {"base"},
    "postgres_outbox": {"base", "postgres"},
    ".": {"base", "sqlite", "curl", "send", "sqlite_outbox"},
}
INTEGRATIONS = {"base", "sqlite"}  # what stands below everything
IN_A_DATABASE = {"klaviyo_postgres": {"postgres"}, "stripe_postgres": {"postgres"}}  # there for a room's library


def room_of(path):
    return str(path.parent.relative_to(root / "src"))


def included(path, name):
    """The file of src that `name` means in `path`."""
    for folder in (path.parent, root / "src"):
        if (folder / name).exists() and (folder / name).is_relative_to(root / "src"):
            return folder / name
    return None


for path in files("src", "*.hpp", "*.cpp"):
    for number, kind, name in includes(path):
        other = included(path, name)
        if other and room_of(other) not in ROOMS[room_of(path)] | {room_of(path)}:
            breach(path, number, f"the room {room_of(path)} may not include {name}")
for path in files("integrations", "*.hpp", "*.cpp"):
    for number, _, name in includes(path):
        other = included(path, name)
        rooms = INTEGRATIONS | IN_A_DATABASE.get(path.relative_to(root / "integrations").parts[0], set())
        if other and (room_of(other) not in rooms or path.suffix != ".cpp"):
            breach(path, number, f"an integration may not include the engine's inside, {name}")
for path in files("src", "*.hpp", "*.cpp") + files("include", "*.hpp"):
    for number, _, name in includes(path):
        if name.startswith(("klaviyo/", "stripe/")):
            breach(path, number, f"the engine may not know {name}")
    if path.name != "README.md" and re.search(r"klaviyo|stripe", path.read_text(), re.I):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"klaviyo|stripe", line, re.I) and not line.lstrip().startswith("//"):
                breach(path, number, "the engine may not name a vendor outside a comment")

# No circle among units: a unit is a header and the source of its name, with its `_fields`.
def unit_of(path):
    return re.sub(r"(_fields)?\.[ch]pp$", "", str(path.relative_to(root)))


units = {}
for folder in ("include", "src", "integrations"):
    for path in files(folder, "*.hpp", "*.cpp"):
        for number, _, name in includes(path):
            for base in (path.parent, root / "src", root / "include", root / "integrations"):
                if (base / name).is_file():
                    units.setdefault(unit_of(path), {})[unit_of((base / name).resolve())] = (path, number)
                    break
seen, trail = set(), []


def walk(unit):
    trail.append(unit)
    for other, where in units.get(unit, {}).items():
        if other == unit or other in seen:
            continue
        if other in trail:
            breach(*where, "a circle: " + " -> ".join(trail[trail.index(other):] + [other]))
            continue
        walk(other)
    seen.add(trail.pop())


for unit in sorted(units):
    if unit not in seen:
        walk(unit)

# The floors of src itself, the lowest first: each file includes its own and those below. Among the
# stages only neighbours in the flow know each other; the pipeline alone sees every one.
FLOORS = [{"intake_queue", "stats_collector", "operator", "shared_client"}, {"outbox_writer"}, {"admission"},
          {"pipeline"}, {"engine"}, {"tracker"}]
floor_of = {name: number for number, names in enumerate(FLOORS) for name in names}
for path in (root / "src").glob("*.?pp"):
    for number, _, name in includes(path):
        other = pathlib.Path(name).stem
        below = floor_of.get(other, -1)
        if included(path, name) and other != path.stem and below >= floor_of.get(path.stem, 0):
            breach(path, number, f"{path.stem} may not include {name}, which is on no floor below it")

# Which schemes there are is known by the backends alone.
for path in files("src", "*.[ch]pp") + files("integrations", "*.[ch]pp"):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        is_code = not line.lstrip().startswith("//")
        if is_code and re.search(r'"(sqlite|memory|postgres):?"', line) and path.name != "backend.cpp":
            breach(path, number, "a scheme of an outbox stands in its backend.cpp alone")

# Tests inject time; the environment is read in one place, and the proxy's in another.
for path in files("tests", "*.hpp", "*.cpp"):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if re.search(r"\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(", line):
            breach(path, number, "a sleep in a test: inject the clock")
for folder in ("src", "include", "integrations"):
    for path in files(folder, "*.hpp", "*.cpp"):
        if path.name in ("environment.cpp", "proxy_settings.cpp"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"\b(secure_)?getenv\s*\(|\benviron\b", line):
                breach(path, number, "only environment.cpp and proxy_settings.cpp read the environment")

# Every public header opens with the five lines that a reader looks for.
for path in files("include", "*.hpp") + files("integrations", "*.hpp"):
    text = path.read_text()
    for word in ("// Place: ", "// Threads: ", "// Lifetime: ", "// Failure: "):
        if word not in text.split("#pragma once")[0]:
            breach(path, 1, f"the opening comment has no '{word.strip(' /')}'")

# Every source file is built: one that no list names is never compiled. Each folder has its list.
LISTS = [p for folder in ("src", "integrations", "tools", "examples", "tests", "benchmarks")
         for p in files(folder, "CMakeLists.txt") if "consumer" not in p.parts]
listed = {(path.parent / name).resolve() for path in LISTS
          for name in re.findall(r"[\w./${}-]+\.[ch]pp\b",
                                 path.read_text().replace("${PROJECT_SOURCE_DIR}", str(root)))}
# The modules of events, and the fuzz targets, are listed by name.
for place, variable, patterns in (
        ("integrations/klaviyo", "klaviyo_modules",
         ("integrations/klaviyo/events/{}.cpp", "tests/klaviyo/{}_test.cpp")),
        ("tests/fuzz", "fuzz_targets", ("tests/fuzz/{}_fuzz.cpp",))):
    text = (root / place / "CMakeLists.txt").read_text()
    for name in re.search(rf"set\({variable}\s+([^)]*)\)", text).group(1).split():
        listed |= {root / pattern.format(name) for pattern in patterns}
for folder in ("src", "integrations", "tools", "examples", "tests", "benchmarks"):
    for path in files(folder, "*.cpp"):
        if path not in listed and "consumer" not in path.parts:
            breach(path, 1, "is in no CMakeLists.txt")
public = "".join((root / "src" / room / "CMakeLists.txt").read_text() for room in (".", "postgres_outbox")).replace("${testing_headers}", "include/postbox/testing")
for path in files("include", "*.hpp"):
    if str(path.relative_to(root)) not in public:
        breach(path, 1, "is in no CMakeLists.txt of src, so it would not be installed")

# A test stands in the room of what it tests; what several share, in support.
for path in (root / "tests").glob("*.?pp"):
    if path.name != "precompiled.hpp":
        breach(path, 1, "belongs in a room of tests")

print("\n".join(breaches) or "the layout's rules hold")
sys.exit(1 if breaches else 0)
