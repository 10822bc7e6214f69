#!/usr/bin/env python3
"""Draw throughput beside a pinned snapshot, from what engine.py measured.

usage: chart.py RESULT.json > docs/pinned.svg
"""

import json
import math
import sys

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 70, 170, 70, 50
LINES = {"pgmq_c": ("pgmq_c", "#1f6feb"), "plpgsql": ("PGMQ's layout", "#bc4c00")}


def nice_step(highest):
    """The step of an axis with four to eight lines."""
    power = 10 ** math.floor(math.log10(highest / 4))
    return next(power * i for i in (1, 2, 2.5, 5, 10) if highest / (power * i) <= 8)


def main():
    with open(sys.argv[1]) as file:
        report = json.load(file)
    sides = {cell["side"]: cell for cell in report["pinned"] if cell["pin"] == "reader"}
    step = next(iter(sides.values()))["step"]
    longest = max(len(cell["rates"]) for cell in sides.values()) * step
    y_step = nice_step(max(max(cell["rates"]) for cell in sides.values()))
    top = y_step * math.ceil(max(max(cell["rates"]) for cell in sides.values()) / y_step)
    x_step = nice_step(longest)

    def x(seconds):
        return LEFT + seconds / longest * (WIDTH - LEFT - RIGHT)

    def y(rate):
        return HEIGHT - BOTTOM - rate / top * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
           ' font-family="sans-serif" font-size="13" fill="#24292f" role="img">',
           "<title>Throughput beside a pinned snapshot</title>",
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
           f'<text x="{LEFT}" y="28" font-size="16" font-weight="bold">'
           "Throughput beside a pinned snapshot</text>",
           f'<text x="{LEFT}" y="48" fill="#57606a">send + read + delete a second,'
           f" {report['clients']} clients, while one session holds a snapshot</text>"]
    for i in range(round(top / y_step) + 1):
        rate = i * y_step
        out.append(f'<path d="M{LEFT} {y(rate):.1f}H{WIDTH - RIGHT}" stroke="#d0d7de"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(rate) + 4:.1f}" text-anchor="end">{rate:,.0f}</text>')
    for i in range(int(longest / x_step) + 1):
        out.append(f'<text x="{x(i * x_step):.1f}" y="{HEIGHT - BOTTOM + 20}"'
                   f' text-anchor="middle">{i * x_step:g} s</text>')
    for side, (name, colour) in LINES.items():
        if side not in sides:
            continue
        rates = sides[side]["rates"]
        # a rate is that of the interval which ends there; draw it in the middle
        points = [(x((i + 0.5) * step), y(rate)) for i, rate in enumerate(rates)]
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2.5" points="'
                   + " ".join(f"{a:.1f},{b:.1f}" for a, b in points) + '"/>')
        out.append(f'<text x="{points[-1][0] + 10:.1f}" y="{points[-1][1] - 2:.1f}" fill="{colour}"'
                   f' font-weight="bold">{name}</text>')
        out.append(f'<text x="{points[-1][0] + 10:.1f}" y="{points[-1][1] + 14:.1f}"'
                   f' fill="{colour}">{rates[-1]:,.0f}/s at the end</text>')
    out.append("</svg>")
    print("\n".join(out))


if __name__ == "__main__":
    main()
