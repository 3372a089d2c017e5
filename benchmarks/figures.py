#!/usr/bin/env python3
"""What scripts/bench printed: compared with the baseline, or shown on docs/performance.md.

  figures.py compare NEW.json     lists the ratios that are worse than the baseline's; exit code 1
  figures.py render               writes the page's tables and plots from the baseline
  figures.py check                exit code 1 when the page is not what render would write
"""
import json
import math
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BASELINE = ROOT / "benchmarks" / "baseline.json"
PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"

# Between two runs on a machine that others use as well. Absolute times are not compared at all.
TOLERANCE = 1.3
STEADY_UNITS = {"allocations", "KB", "bytes", "switches", "ratio", "events"}

SERIES = ("#2a6fdb", "#9aa4b2")  # ours, the floor


def load(path):
    return json.loads(pathlib.Path(path).read_text())["figures"]


def comparable(figure):
    """The number that a machine's speed does not change: nothing for a time without a floor."""
    if figure["ratio"] is not None:
        return figure["ratio"]
    return figure["value"] if figure["unit"] in STEADY_UNITS else None


def compare(new_path):
    before = {figure["name"]: figure for figure in load(BASELINE)}
    worse = 0
    for figure in load(new_path):
        old = before.pop(figure["name"], None)
        if old is None:
            print(f"new: {figure['name']}: {shown(figure)}")
            continue
        was, now = comparable(old), comparable(figure)
        if was is None or now is None or now <= max(was * TOLERANCE, was + 0.01):
            continue
        worse += 1
        print(f"worse: {figure['name']}: {now:.3g}, was {was:.3g}")
    for name in before:
        print(f"gone: {name}")
    print(f"{worse} figures are more than {TOLERANCE} times the baseline's")
    return 1 if worse else 0


def number(value):
    if value is None:
        return ""
    if value == 0 or 0.01 <= abs(value) < 100:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}"


def shown(figure):
    unit = "" if figure["unit"] == "ratio" else " " + figure["unit"]
    return number(figure["value"]) + unit


def table(figures, pattern):
    """A row for each figure whose name the pattern finds; its first group is left out of the name."""
    rows = ["| what | here | the least | ratio | goal |", "|---|---|---|---|---|"]
    for figure in figures:
        found = re.search(pattern, figure["name"])
        if not found:
            continue
        name = figure["name"]
        if found.lastindex:
            name = name[: found.start(1)] + name[found.end(1) :]
        floor = number(figure["floor"])
        goal = "" if figure["goal"] is None else number(figure["goal"]) + ("" if figure["met"] else ", missed")
        rows.append(f"| {name} | {shown(figure)} | {floor} | {number(figure['ratio'])} | {goal} |")
    return rows


def text(x, y, words, anchor="middle", size=12, fill="#57606a"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}" fill="{fill}">{words}</text>'


def plot(title, unit, labels, series):
    """Groups of bars on a logarithmic scale, a group for each label, a bar for each series."""
    width, height, left, top, bottom = 640, 300, 60, 50, 50
    values = [value for _, row in series for value in row if value]
    low = 10 ** math.floor(math.log10(min(values)))
    high = 10 ** math.ceil(math.log10(max(values)))
    decades = max(1, round(math.log10(high / low)))

    def y_of(value):
        share = math.log10(value / low) / decades
        return height - bottom - share * (height - top - bottom)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        text(left, 22, title, "start", 14, "#1f2328"),
    ]
    for step in range(decades + 1):
        value = low * 10**step
        y = y_of(value)
        out.append(f'<line x1="{left}" y1="{y:.0f}" x2="{width - 20}" y2="{y:.0f}" stroke="#d8dee4"/>')
        out.append(text(left - 6, y + 4, f"{value:g}", "end", 11))
    out.append(text(left - 6, top - 12, unit, "end", 11))
    group = (width - left - 20) / len(labels)
    bar = group * 0.7 / len(series)
    for g, label in enumerate(labels):
        start = left + g * group + group * 0.15
        out.append(text(left + (g + 0.5) * group, height - bottom + 18, label))
        for s, (_, row) in enumerate(series):
            if not row[g]:
                continue
            y = y_of(row[g])
            out.append(
                f'<rect x="{start + s * bar:.1f}" y="{y:.1f}" width="{bar * 0.92:.1f}" '
                f'height="{height - bottom - y:.1f}" fill="{SERIES[s % 2]}"/>'
            )
            out.append(text(start + (s + 0.46) * bar, y - 4, number(row[g]), size=10))
    for s, (name, _) in enumerate(series):
        x = left + s * 150
        out.append(f'<rect x="{x}" y="{height - 18}" width="10" height="10" fill="{SERIES[s % 2]}"/>')
        out.append(text(x + 15, height - 9, name, "start", 11))
    out.append("</svg>")
    return "\n".join(out) + "\n"


def value_of(figures, name, member="value"):
    return next((figure[member] for figure in figures if figure["name"] == name), None)


def plots(figures):
    waiting = [f["name"] for f in figures if re.fullmatch(r"the outbox with \d+ waiting: CPU of an event", f["name"])]
    rates = [5, 50, 500]
    calls = [f"track() at {rate} a second: {q}" for rate in rates for q in ("p50", "p99")]
    callers = [1, 4, 16]
    durable = [f"track_durably() back to back, {n} caller{'' if n == 1 else 's'}: p50" for n in callers]

    def pair(names):
        return [
            ("here", [value_of(figures, name) for name in names]),
            ("the least", [value_of(figures, name, "floor") for name in names]),
        ]

    return {
        "backlog.svg": plot(
            "CPU of an event: append, claim and settle, behind so many that wait",
            "us",
            [f"{int(re.search('[0-9]+', name).group()):,}" for name in waiting],
            pair(waiting),
        ),
        "call.svg": plot(
            "A call of track() in a rhythm, with the workers at work",
            "us",
            [f"{rate}/s {q}" for rate in rates for q in ("p50", "p99")],
            pair(calls),
        ),
        "durable.svg": plot(
            "track_durably() back to back, p50",
            "us",
            [f"{n} caller{'' if n == 1 else 's'}" for n in callers],
            pair(durable),
        ),
    }


def rendered():
    """What each file should hold."""
    figures = load(BASELINE)
    machine = json.loads(BASELINE.read_text())["machine"]
    files = {PLOTS / name: svg for name, svg in plots(figures).items()}
    lines, skipping = [], False
    for line in PAGE.read_text().splitlines():
        begin = re.fullmatch(r"<!-- figures: (.+) -->", line)
        if line == "<!-- end -->":
            skipping = False
        if not skipping:
            lines.append(line)
        if begin:
            skipping = True
            lines += table(figures, begin.group(1))
        if line == "<!-- machine -->":
            skipping = True
            lines.append(
                f"{machine['processors']} processors ({machine['model']}), Linux {machine['kernel']}, "
                f"{machine['compiler']}."
            )
    files[PAGE] = "\n".join(lines) + "\n"
    return files


def main(arguments):
    if arguments[:1] == ["compare"] and len(arguments) == 2:
        return compare(arguments[1])
    if arguments == ["render"]:
        PLOTS.mkdir(exist_ok=True)
        for path, content in rendered().items():
            path.write_text(content)
        return 0
    if arguments == ["check"]:
        stale = [path for path, content in rendered().items() if not path.exists() or path.read_text() != content]
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what benchmarks/figures.py render writes")
        return 1 if stale else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
