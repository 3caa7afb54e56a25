"""What came of a run: a CSV of every figure, a page of tables with ratios, and a plot of each workload (SVG)."""

from __future__ import annotations

import csv
import html
import statistics
from pathlib import Path

from .turns import Results
from .workloads import Measure, Workload

OURS = "forebay"
NO_PEERS = (OURS, "forebay, 5 ms", "floor", "floor, io_uring", "direct")  # what is not compared with

BAR, ROW, LEFT, WIDTH, HEAD, FONT = 14, 20, 170, 760, 34, "12px sans-serif"
COLOURS = {OURS: "#c0392b", "forebay, 5 ms": "#c0392b", "floor": "#7f8c8d", "direct": "#7f8c8d"}
OTHER_COLOUR, SPREAD_COLOUR = "#5d8aa8", "#222"


def median(values: list[float]) -> float:
    return statistics.median(values)


def spread(values: list[float]) -> str:
    if not values:
        return "-"
    if len(values) == 1 or min(values) == max(values):
        return f"{values[0]:.4g}"
    return f"{median(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def best_peer(results: Results, workload: str, protocol: str, name: str, measure: Measure, servers: list[str]) -> str:
    """The peer whose median is best; empty where none has a figure."""
    medians = {
        each: median(values)
        for each in servers
        if each not in NO_PEERS and (values := results.values(workload, protocol, each, name))
    }
    if not medians:
        return ""
    return (min if measure.better == "low" else max)(medians, key=lambda each: medians[each])


def ratio(ours: list[float], theirs: list[float]) -> str:
    """Of medians; a tie where the two spreads overlap."""
    if not ours or not theirs:
        return "-"
    tie = len(ours) > 1 and min(ours) <= max(theirs) and min(theirs) <= max(ours)
    if median(theirs) == 0:
        return "1.00" if median(ours) == 0 else "-"
    return f"{median(ours) / median(theirs):.2f}{' (tie)' if tie else ''}"


def servers_of(results: Results, workload: str, protocol: str) -> list[str]:
    """In the order of their first measure."""
    rows = [row for row in results.rows if (row.workload, row.protocol) == (workload, protocol)]
    return list(dict.fromkeys(row.server for row in rows))


def write_csv(results: Results, path: Path) -> None:
    with path.open("w", newline="") as into:
        out = csv.writer(into)
        out.writerow(["workload", "protocol", "server", "round", "measure", "value"])
        for row in results.rows:
            out.writerow([row.workload, row.protocol, row.server, row.turn + 1, row.measure, f"{row.value:.6g}"])


def table(results: Results, workload: Workload, protocol: str) -> str:
    """Medians with their spread, and what ours are of the best peer's and of the floor's or the direct way's."""
    servers = servers_of(results, workload.name, protocol)
    measures = {
        name: each
        for name, each in workload.measures.items()
        if any(results.values(workload.name, protocol, server, name) for server in servers)
    }
    if not measures:
        return ""

    def values(server: str, name: str) -> list[float]:
        return results.values(workload.name, protocol, server, name)

    lines = ["| server | " + " | ".join(heading(name, each) for name, each in measures.items()) + " |"]
    lines.append("| --- " * (len(measures) + 1) + "|")
    for server in servers:
        marked = f"**{server}**" if server == OURS else server
        lines.append(f"| {marked} | " + " | ".join(spread(values(server, name)) for name in measures) + " |")
    if OURS in servers:
        peers = {
            name: best_peer(results, workload.name, protocol, name, each, servers) for name, each in measures.items()
        }
        cells = [f"{ratio(values(OURS, name), values(peer, name))} {peer}".strip() for name, peer in peers.items()]
        lines.append("| *ours, of the best peer's* | " + " | ".join(cells) + " |")
        for base in ("floor", "direct"):
            if base in servers:
                cells = [ratio(values(OURS, name), values(base, name)) for name in measures]
                lines.append(f"| *ours, of the {base}'s* | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def summary(results: Results, workloads: list[Workload]) -> str:
    """Each measure in one line: ours, the best peer's, and the ratios."""
    lines = ["| workload | measure | ours | best peer | ours, of it | ours, of the floor or direct |"]
    lines.append("| --- " * 6 + "|")
    for workload in workloads:
        for protocol in workload.protocols:
            servers = servers_of(results, workload.name, protocol)
            base = next((each for each in ("floor", "direct") if each in servers), "")
            for name, each in workload.measures.items():
                ours = results.values(workload.name, protocol, OURS, name)
                if not ours:
                    continue
                peer = best_peer(results, workload.name, protocol, name, each, servers)
                theirs = results.values(workload.name, protocol, peer, name)
                lines.append(
                    f"| {workload.name}, {protocol} | {heading(name, each)} | {spread(ours)} | "
                    f"{f'{spread(theirs)} {peer}' if peer else '-'} | {ratio(ours, theirs)} | "
                    f"{ratio(ours, results.values(workload.name, protocol, base, name))} |"
                )
    return "\n".join(lines)


def heading(name: str, each: Measure) -> str:
    """A measure's name with its unit, and which way is better."""
    unit = f" [{each.unit}]" if each.unit not in ("", "x") else ""
    return f"{name.replace('_', ' ')}{unit}, {each.better}"


def page(results: Results, workloads: list[Workload], about: list[str]) -> str:
    parts = ["# Beside the peers", "", *about, "", "Which way is better stands behind each measure.", ""]
    parts += ["## Ratios", "", summary(results, workloads), ""]
    for workload in workloads:
        protocols = [each for each in workload.protocols if servers_of(results, workload.name, each)]
        if not protocols:
            continue
        parts += [f"## {workload.name}", "", f"{workload.what}.", ""]
        parts += [f"- {name.replace('_', ' ')}: {each.meaning}" for name, each in workload.measures.items()]
        parts += ["", f"![{workload.name}]({workload.name}.svg)", ""]
        for protocol in protocols:
            parts += [f"### {workload.name}, {protocol}", "", table(results, workload, protocol), ""]
    for title, which in (("Gave no figures", results.refused), ("Left out", results.left_out)):
        if which:
            parts += [f"## {title}", ""]
            listed = dict.fromkeys(
                f"- {each.workload}, {each.protocol}: {each.server}: {each.why.splitlines()[0] if each.why else ''}"
                for each in which
            )
            parts += [*listed, ""]
    return "\n".join(parts)


def plot(results: Results, workload: Workload) -> str:
    """Bars of medians with their spread: a panel for each measure and protocol."""
    panels = [
        (protocol, name, each)
        for protocol in workload.protocols
        for name, each in workload.measures.items()
        if any(
            results.values(workload.name, protocol, server, name)
            for server in servers_of(results, workload.name, protocol)
        )
    ]
    drawn, top = [], 10
    for protocol, name, each in panels:
        lines, height = _panel(results, workload.name, protocol, name, each, top)
        drawn += lines
        top += height
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top + 10}" style="font:{FONT}">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{top + 10}" fill="white"/>', *drawn, "</svg>", ""])


def _panel(results: Results, workload: str, protocol: str, name: str, each: Measure, top: int) -> tuple[list[str], int]:
    servers = servers_of(results, workload, protocol)
    all_values = {server: results.values(workload, protocol, server, name) for server in servers}
    shown = {server: values for server, values in all_values.items() if values}
    most = max(max(values) for values in shown.values()) or 1
    room = WIDTH - LEFT - 90
    title = f"{workload}, {protocol}: {name.replace('_', ' ')} [{each.unit or 'count'}], {each.better} is better"
    lines = [f'<text x="8" y="{top + 18}" font-weight="bold">{html.escape(title)}</text>']
    ordered = sorted(shown.items(), key=lambda item: median(item[1]), reverse=each.better == "high")
    for place, (server, values) in enumerate(ordered):
        y = top + HEAD + place * ROW - 6
        middle = y + BAR / 2
        low, centre, high = (LEFT + room * value / most for value in (min(values), median(values), max(values)))
        colour = COLOURS.get(server, OTHER_COLOUR)
        lines += [
            f'<text x="{LEFT - 6}" y="{y + 11}" text-anchor="end">{html.escape(server)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{centre - LEFT:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="{SPREAD_COLOUR}" stroke-width="2"/>',
            f'<text x="{high + 6:.1f}" y="{y + 11}">{median(values):.4g}</text>',
        ]
    return lines, HEAD + len(shown) * ROW + 10


def write(results: Results, workloads: list[Workload], directory: Path, about: list[str]) -> Path:
    """results.csv, report.md and a plot of each workload; the path of the report."""
    directory.mkdir(parents=True, exist_ok=True)
    write_csv(results, directory / "results.csv")
    for workload in workloads:
        if any(row.workload == workload.name for row in results.rows):
            (directory / f"{workload.name}.svg").write_text(plot(results, workload))
    path = directory / "report.md"
    path.write_text(page(results, workloads, about))
    return path
