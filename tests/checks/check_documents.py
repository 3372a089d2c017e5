#!/usr/bin/env python3
"""The documents tell the truth: variables, snippets, links. Exit code 1 when something drifted."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
problems = []
VARIABLE = re.compile(r'\b(?:KLAVIYO|POSTBOX|STRIPE|VITE)_[A-Z][A-Z_]+\b')

# What the code reads: string literals of the two places that know variables.
code = set()
for folder in ("src", "include", "integrations"):
    for path in (root / folder).rglob("*.[ch]pp"):
        for literal in re.findall(r'"([A-Z_]+)"', path.read_text()):
            if VARIABLE.fullmatch(literal):
                code.add(literal)

# .env.example and the page are written from the tables of settings (the test "checks: settings"): a
# variable that is missing there is read past the tables.
example = (root / ".env.example").read_text()
page = (root / "docs/configuration.md").read_text()
readme = (root / "README.md").read_text()
for document, listed in ((".env.example", set(re.findall(r"^#?\s*([A-Z][A-Z_]+)=", example, re.M))),
                         ("docs/configuration.md", set(re.findall(r"^\| `([A-Z][A-Z_]+)`", page, re.M)))):
    for name in sorted(code - listed):
        problems.append(f"{document}: {name} is read by the code and not listed")
    for name in sorted(listed - code):
        problems.append(f"{document}: {name} is listed and not read by the code")
known = code | {f"{name}_FILE" for name in code}
for name in sorted(set(VARIABLE.findall(readme)) - known):
    problems.append(f"README.md: {name} is not read by the code")

# Every snippet stands, word for word, in a file that a build compiles or a test runs.
compiled = ""
for folder in ("examples", "tests", "scripts"):
    for path in (root / folder).rglob("*"):
        if path.is_file() and path.suffix in (".cpp", ".hpp", ".txt", ".sh", ".py", ""):
            compiled += path.read_text(errors="replace") + "\n"
squeeze = lambda text: re.sub(r"\s+", " ", text).strip()
compiled = squeeze(compiled)
documents = [root / "README.md", root / "src/README.md", root / "examples/README.md",
             root / "CHANGELOG.md", *sorted((root / "docs").rglob("*.md"))]
for document in documents:
    text = document.read_text()
    # This one's are compiled by tests/adding_an_event.
    proven = document.name == "adding-an-event.md"
    for language, snippet in [] if proven else re.findall(r"^```(cpp|cmake|python)\n(.*?)^```", text, re.M | re.S):
        if squeeze(snippet) not in compiled:
            first = snippet.strip().splitlines()[0]
            problems.append(f"{document.relative_to(root)}: a {language} snippet is not part of any "
                            f"compiled file: {first}")
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)  # a lambda looks like a link
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", prose):
        if not (document.parent / target).exists():
            problems.append(f"{document.relative_to(root)}: link to {target} leads nowhere")
    for script in re.findall(r"\bscripts/[a-z-]+\b", text):
        if not (root / script).exists():
            problems.append(f"{document.relative_to(root)}: {script} does not exist")

# What is read out of JSON is documented, and stands in an example, which a test reads.
json_page = (root / "docs/json.md").read_text()
json_examples = "".join(re.findall(r"^```json\n(.*?)^```", json_page, re.M | re.S))
reader = (root / "integrations/klaviyo_json/from_json.cpp").read_text()
for member in sorted(set(re.findall(r'(?:read|object|list|read_price|read_address)\((?:body, )?"(\w+)"', reader))):
    if f"`{member}`" not in json_page:
        problems.append(f"docs/json.md: {member} is read and not documented")
    if f'"{member}":' not in json_examples:
        problems.append(f"docs/json.md: no example has {member}")

# Every test that a guarantee names exists, and no pitfall is without one.
guarantees = (root / "docs/guarantees.md").read_text()
tests = set()
for path in (root / "tests").rglob("*.[ch]pp"):
    tests |= {f"{suite}.{name}" for suite, name in
              re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", path.read_text(), re.M)}
for name in sorted(set(re.findall(r"`(\w+\.[A-Z]\w+)`", guarantees)) - tests):
    problems.append(f"docs/guarantees.md: there is no test {name}")
for number in range(1, 41):
    if not re.search(rf"^\| P{number} \|[^|]+\|[^|]*`[^|]+\|$", guarantees, re.M):
        problems.append(f"docs/guarantees.md: P{number} has no test")

minimal = (root / "examples/minimal/main.cpp").read_text()
first = re.search(r"^```cpp\n(.*?)^```", readme, re.M | re.S)
if not first or first.group(1) != minimal:
    problems.append("README.md: the first program is not examples/minimal/main.cpp, word for word")

print("\n".join(problems) or "the documents agree with the code")
sys.exit(1 if problems else 0)
