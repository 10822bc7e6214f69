#!/usr/bin/env python3
"""Draws charts of what engine.py measured.

usage: chart.py RESULT.json .. pinned|consumers|reads > docs/pinned.svg

Of several results that hold the same part the last counts.

pinned: throughput over time beside a pinned snapshot; consumers: throughput with
more and more consumers; reads: a read behind more and more delayed messages.
"""

import json
import math
import statistics
import sys

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 80, 170, 70, 50
SIDES = {"pgmq_c": ("pgmq_c", "#1f6feb"), "plpgsql": ("PGMQ's layout", "#bc4c00")}


def nice_step(highest):
    """The step of an axis with four to eight lines."""
    power = 10 ** math.floor(math.log10(highest / 4))
    return next(power * i for i in (1, 2, 2.5, 5, 10) if highest / (power * i) <= 8)


def number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def draw(title, subtitle, lines, x_labels, unit, logarithmic=False, end=""):
    """Lines are side -> [(x from 0 to 1, y)], labels [(x, text)]."""
    values = [y for points in lines.values() for _, y in points]
    if logarithmic:
        low = 10 ** math.floor(math.log10(min(values)))
        high = 10 ** math.ceil(math.log10(max(values)))
        steps = round(math.log10(high / low))
        grid = [low * 10 ** i for i in range(steps + 1)]
    else:
        step = nice_step(max(values))
        low, high = 0, step * math.ceil(max(values) / step)
        grid = [i * step for i in range(round(high / step) + 1)]

    def x(part):
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def y(value):
        part = (math.log10(value / low) / math.log10(high / low) if logarithmic else value / high)
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
           ' font-family="sans-serif" font-size="13" fill="#24292f" role="img">',
           f"<title>{title}</title>",
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
           f'<text x="20" y="28" font-size="16" font-weight="bold">{title}</text>',
           f'<text x="20" y="48" fill="#57606a">{subtitle}</text>']
    for value in grid:
        out.append(f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#d0d7de"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">'
                   f"{number(value) if value else 0}</text>")
    for part, text in x_labels:
        out.append(f'<text x="{x(part):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">'
                   f"{text}</text>")
    for side, points in lines.items():
        name, colour = SIDES[side]
        places = [(x(a), y(b)) for a, b in points]
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2.5" points="'
                   + " ".join(f"{a:.1f},{b:.1f}" for a, b in places) + '"/>')
        last_x, last_y = places[-1]
        out.append(f'<text x="{last_x + 10:.1f}" y="{last_y - 2:.1f}" fill="{colour}"'
                   f' font-weight="bold">{name}</text>')
        out.append(f'<text x="{last_x + 10:.1f}" y="{last_y + 14:.1f}" fill="{colour}">'
                   f"{number(points[-1][1])}{unit}{end}</text>")
    return "\n".join(out + ["</svg>"])


def pinned(report):
    cells = {cell["side"]: cell for cell in report["pinned"] if cell["pin"] == "reader"}
    cells = {side: cells[side] for side in SIDES if side in cells}
    if not cells:
        return None
    step = next(iter(cells.values()))["step"]
    longest = max(len(cell["rates"]) for cell in cells.values()) * step
    x_step = nice_step(longest)
    # a rate is that of the interval which ends there; draw it in the middle
    lines = {side: [((i + 0.5) * step / longest, rate) for i, rate in enumerate(cell["rates"])]
             for side, cell in cells.items()}
    labels = [(i * x_step / longest, f"{i * x_step:g} s") for i in range(int(longest / x_step) + 1)]
    return draw("Throughput beside a pinned snapshot",
                f"send + read + delete a second, {report['clients']} clients, while one session"
                " holds a snapshot", lines, labels, "/s", end=" at the end")


def consumers(report):
    found = {}
    for cell in report["consumers"]:
        name, clients = cell["cell"].rsplit(", ", 1)
        if name == "send + read + delete":
            for side, rates in cell["results"].items():
                if side in SIDES and rates:
                    found.setdefault(side, []).append((int(clients), statistics.median(rates)))
    steps = sorted({clients for points in found.values() for clients, _ in points})
    lines = {side: [(steps.index(c) / (len(steps) - 1), rate) for c, rate in found[side]]
             for side in SIDES if side in found}
    return draw("Many consumers on one queue", "send + read + delete a second, by the number of"
                " sessions", lines, [(i / (len(steps) - 1), str(c)) for i, c in enumerate(steps)],
                "/s")


def reads(report):
    found = {}
    for cell in report["reads"]:
        name, clients = cell["cell"].rsplit(", ", 1)
        if clients == "1 clients" and (name == "nothing" or name.endswith(" delayed")):
            for side in SIDES:
                if cell["results"].get(side):
                    found.setdefault(side, []).append(
                        (name.replace("nothing", "0"), statistics.median(cell["results"][side])))
    if not found:
        return None
    steps = [name for name, _ in next(iter(found.values()))]
    lines = {side: [(steps.index(name) / (len(steps) - 1), ms) for name, ms in points]
             for side, points in found.items()}
    return draw("A read behind delayed messages", "read(1), milliseconds a call, 1 client;"
                " note the logarithmic scale", lines,
                [(i / (len(steps) - 1), name) for i, name in enumerate(steps)], " ms",
                logarithmic=True)


CHARTS = {"pinned": pinned, "consumers": consumers, "reads": reads}


def main():
    report = {}
    for path in sys.argv[1:-1]:
        with open(path) as file:
            report.update(json.load(file))
    print(CHARTS[sys.argv[-1]](report))


if __name__ == "__main__":
    main()
