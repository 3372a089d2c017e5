#!/usr/bin/env python3
"""What it costs to include Postbox: the lines of the README's program when gcc has preprocessed it.

    check_include_cost.py COMPILER

Exit code 1 when there are too many, with the standard headers that cost most; 77 when COMPILER is
not gcc.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

LIMIT = 60_000
# Above the program's own <chrono> and <iostream>. They are 46,000 lines of gcc 12, and more of later
# ones, whose <chrono> includes <format>.
ABOVE_ITS_OWN = 13_900

root = pathlib.Path(__file__).resolve().parents[2]
compiler = sys.argv[1]
run = lambda *command: subprocess.run(command, capture_output=True, text=True, check=True).stdout
if "Free Software Foundation" not in run(compiler, "--version"):
    print("not gcc")
    sys.exit(77)


def preprocessed(program):
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as source:
        source.write(program)
        source.flush()
        return run(compiler, "-std=c++20", f"-I{root}/include", f"-I{root}/integrations", "-E",
                   source.name).splitlines()


def costs(lines):
    """Lines that came in by each standard header that the program or a header of Postbox includes first."""
    cost = {}
    stack = []
    for line in lines:
        marker = re.match(r'# \d+ "([^"]+)"(.*)', line)
        if marker:
            name, flags = marker.group(1), marker.group(2).split()
            if "1" in flags:
                stack.append(name)
            elif "2" in flags and stack:
                stack.pop()
        ours = lambda name: name.startswith(str(root))
        for place, name in enumerate(stack):
            if not ours(name):
                by = stack[place - 1] if place else "the program"
                key = (pathlib.Path(name).name, by.removeprefix(f"{root}/"))
                cost[key] = cost.get(key, 0) + 1
                break
        else:
            cost["Postbox itself", ""] = cost.get(("Postbox itself", ""), 0) + 1
    return sorted(cost.items(), key=lambda item: -item[1])


readme = (root / "README.md").read_text()
program = re.search(r"^```cpp\n(.*?int main.*?)^```", readme, re.M | re.S).group(1)
own = "".join(line + "\n" for line in program.splitlines() if re.match(r"#include <[a-z]+>", line))
lines = preprocessed(program)
limit = max(LIMIT, len(preprocessed(own)) + ABOVE_ITS_OWN)
print(f"the README's program has {len(lines):,} lines when preprocessed, and may have {limit:,}")
if len(lines) > limit:
    for (header, by), count in costs(lines)[:12]:
        print(f"{count:8,}  {header}" + (f", which comes in by {by}" if by else ""))
    sys.exit(1)
