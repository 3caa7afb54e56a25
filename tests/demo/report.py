"""What the demonstration tells: a table, two pictures, and which promises were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

if TYPE_CHECKING:
    from run import Phase

matplotlib.use("Agg")
from matplotlib import pyplot

#: IP and TCP headers (52 of 1500 bytes), HTTP heads, and what a full queue made TCP send again.
LINK_OVERHEAD = 1.10
#: Request and response heads that the store counts as bodies, such as the text of a 404.
STORE_OVERHEAD = 1.01
#: Connections that idle and close; no object of ours is smaller than a hundredth of it in sum.
SILENCE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Promise:
    """Something that has to hold, in words with its figures."""

    text: str
    kept: bool


def table(phases: Sequence[Phase]) -> str:
    """One line for each phase, then one for each step of the analysis (of the first user)."""
    head = f"\n{'phase':<14}{'seconds':>9}{'over the far link':>20}{'requests at the store':>24}{'hit rate':>11}"
    lines = [head, "-" * len(head.strip("\n"))]
    for phase in phases:
        rate = "" if phase.hit_rate is None else f"{100 * phase.hit_rate:.1f} %"
        lines.append(
            f"{phase.name:<14}{phase.seconds:>9.1f}{_megabytes(phase.far_bytes):>20}{len(phase.requests):>24}{rate:>11}"
        )
    names = "".join(f"{phase.name:>14}" for phase in phases)
    lines += ["", f"{'seconds of each step':<24}{names}"]
    for step in phases[0].steps:
        lines.append(f"  {step:<22}" + "".join(f"{phase.steps[step]:>14.1f}" for phase in phases))
    return "\n".join([*lines, ""])


def check_promises(phases: Sequence[Phase], objects: Mapping[str, int], bucket: str) -> list[Promise]:
    """Everything that the demonstration claims, checked."""
    direct, cold, second, together = phases
    answers = [digests for phase in phases for digests in phase.digests]
    wanted = _bytes_of_objects(direct, objects, bucket)
    return [
        Promise(
            f"the {len(answers)} sets of {len(answers[0])} answers are equal bit by bit",
            all(one == answers[0] for one in answers) and len(answers[0]) > 0,
        ),
        Promise(
            f"a cold node fetched every byte once: {_megabytes(cold.store_bytes)} left the store for "
            f"{_megabytes(wanted)} of objects ({_megabytes(direct.store_bytes)} directly)",
            0 < cold.store_bytes <= STORE_OVERHEAD * wanted,
        ),
        Promise(
            f"and {_megabytes(cold.far_bytes)} crossed the far link, headers included",
            0 < cold.far_bytes <= LINK_OVERHEAD * wanted,
        ),
        *(_promise_of_silence(phase) for phase in (second, together)),
        Promise(
            f"a cold node was faster than no node: {cold.seconds:.1f} s, {direct.seconds:.1f} s directly",
            cold.seconds < direct.seconds,
        ),
        Promise(
            f"and the second pass {direct.seconds / second.seconds:.1f} times as fast: {second.seconds:.1f} s",
            second.seconds < cold.seconds,
        ),
    ]


def _promise_of_silence(phase: Phase) -> Promise:
    return Promise(
        f"{phase.name}: no request reached the store, {phase.far_bytes} bytes crossed the far link",
        not phase.requests and phase.far_bytes <= SILENCE_BYTES,
    )


def _bytes_of_objects(phase: Phase, objects: Mapping[str, int], bucket: str) -> int:
    """The size of all objects that a phase asked for, each once."""
    asked = {request.path.partition("?")[0].removeprefix(f"/{bucket}/") for request in phase.requests}
    return sum(objects.get(name, 0) for name in asked)


def load_answers(directory: Path) -> Any:
    """The arrays of an analysis; a context manager."""
    return np.load(directory / "answers.npz")


def draw(answers: Mapping[str, np.ndarray], phases: Sequence[Phase], output: Path) -> list[Path]:
    """The map of the analysis, and the phases as bars."""
    return [_draw_map(answers, output / "map.png"), _draw_phases(phases, output / "phases.png")]


def _draw_map(answers: Mapping[str, np.ndarray], target: Path) -> Path:
    figure, axes = pyplot.subplots(figsize=(10, 5.2), layout="constrained")
    limit = float(np.abs(answers["map"]).max())
    image = axes.imshow(answers["map"], extent=(0, 360, -90, 90), cmap="RdBu_r", vmin=-limit, vmax=limit)
    # The relief's columns begin at 20 degrees east and go once around, with one column twice.
    relief = answers["relief"][:, :-1]
    east = (20.17 + np.arange(relief.shape[1]) / 3) % 360
    order = np.argsort(east)
    south_to_north = np.linspace(-89.83, 89.83, relief.shape[0])
    axes.contour(east[order], south_to_north, relief[:, order], levels=[0], colors="black", linewidths=0.5)
    axes.set(title="Anomaly of 2 m temperature, July 2020 (generated data)", xlabel="longitude", ylabel="latitude")
    figure.colorbar(image, label="K", shrink=0.8)
    figure.savefig(target, dpi=110)
    pyplot.close(figure)
    return target


def _draw_phases(phases: Sequence[Phase], target: Path) -> Path:
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    names = [phase.name for phase in phases]
    colours = ["#b5651d"] + ["#1f6f8b"] * (len(phases) - 1)
    for axes, values, title in (
        (left, [phase.seconds for phase in phases], "seconds"),
        (right, [phase.far_bytes / 1e6 for phase in phases], "MB over the far link"),
    ):
        bars = axes.bar(names, values, color=colours)
        axes.bar_label(bars, fmt="{:.0f}")
        axes.set_title(title)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, dpi=110)
    pyplot.close(figure)
    return target


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
