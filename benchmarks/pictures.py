"""Train two small networks and draw what they have learned: the README's pictures.

    python benchmarks/pictures.py             .github/spiral.png and .github/regression.png
    python benchmarks/pictures.py folder      the same there

Three arms of a spiral, told apart by 2-64-64-3 with Tanh and cross entropy; and a curve with a bump and
a wave, through noisy samples, by 1-64-64-1 with SiLU and squared differences. The data are drawn from a seed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator, PercentFormatter

import minitorch_np as mt
from minitorch_np.study.plots import COLORS, save

ARMS = (COLORS[1], COLORS[0], COLORS[2])  # blue, orange, green: of different lightness
MARKERS = ("o", "^", "s")
NOISE = 0.18  # standard deviation of the samples from the curve
SIZE = (10.4, 4.5)


def spiral(samples: int = 120, turns: float = 1.0, noise: float = 0.16) -> tuple[Any, Any]:
    """Points (N, 2) on three arms, and the arm of each."""
    rng = np.random.default_rng(0)
    radius = np.sqrt(rng.uniform(0.02, 1, (3, samples)))
    angle = 2 * np.pi * (turns * radius + np.arange(3)[:, None] / 3) + noise * rng.standard_normal((3, samples))
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(-1, 2)
    return x, np.repeat(np.arange(3), samples)


def draw_spiral() -> Figure:
    """The regions beside the curves of loss and accuracy."""
    (x, y), (x_test, y_test) = mt.split(*spiral(), test_size=0.25, rng=0)
    rng = np.random.default_rng(0)
    model = mt.Sequential(
        mt.Linear(2, 64, rng=rng), mt.Tanh(), mt.Linear(64, 64, rng=rng), mt.Tanh(), mt.Linear(64, 3, rng=rng)
    )
    optimizer = mt.Adam(model.parameters(), lr=1e-2)
    history = mt.fit(
        model,
        mt.CrossEntropyLoss(),
        optimizer,
        (x, y),
        epochs=150,
        validation_data=(x_test, y_test),
        metrics=mt.accuracy,
        schedule=mt.CosineAnnealingLR(optimizer, T_max=150),
        rng=0,
        verbose=0,
    )
    figure, plane, panels = _figure(0.8)
    reach = 1.18
    ticks = np.linspace(-reach, reach, 400)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    scores = mt.predict(model, grid)
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    tint = 1 - 0.4 * np.clip((p.max(axis=1) - 1 / 3) * 1.5, 0, 1)[:, None]  # white where it cannot tell
    colors = np.array([to_rgb(color) for color in ARMS])[p.argmax(axis=1)]
    picture = tint + (1 - tint) * colors
    plane.imshow(
        picture.reshape(400, 400, 3), extent=(-reach, reach) * 2, origin="lower", interpolation="bilinear"
    )
    for arm, (color, marker) in enumerate(zip(ARMS, MARKERS, strict=True)):
        for points, classes, inside, width in ((x, y, color, 0.5), (x_test, y_test, "white", 0.9)):
            at = points[classes == arm].T
            plane.scatter(*at, s=28, marker=marker, facecolor=inside, edgecolor="0.1", linewidth=width)
    plane.set_xticks([])
    plane.set_yticks([])
    plane.spines[:].set_visible(False)
    plane.set_title(f"three arms, {len(x)} points to train, {len(x_test)} to test (white)", fontsize=10)
    _curves(panels, history, "loss", "accuracy")
    panels[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def wave(x: Any) -> Any:
    """The curve that is to be found."""
    return np.sin(3 * x) * np.exp(-0.15 * x**2) + 0.35 * x


def draw_regression() -> Figure:
    """Samples, curve and fit beside the curves of loss and R²."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, (240, 1))
    (x, y), (x_test, y_test) = mt.split(
        x, wave(x) + NOISE * rng.standard_normal(x.shape), test_size=0.25, rng=0
    )
    model = mt.Sequential(
        mt.Linear(1, 64, rng=rng), mt.SiLU(), mt.Linear(64, 64, rng=rng), mt.SiLU(), mt.Linear(64, 1, rng=rng)
    )
    optimizer = mt.Adam(model.parameters(), lr=1e-2)
    along = np.linspace(-3, 3, 400)[:, None]
    history = mt.fit(
        model,
        mt.MSELoss(),
        optimizer,
        (x, y),
        epochs=300,
        validation_data=(x_test, y_test),
        metrics=mt.r_squared,
        schedule=mt.CosineAnnealingLR(optimizer, T_max=300),
        rng=0,
        verbose=0,
    )
    figure, plane, panels = _figure(1.1)
    plane.scatter(x, y, s=20, color=COLORS[4], edgecolor="white", linewidth=0.5, label="samples to train")
    plane.scatter(x_test, y_test, s=20, facecolor="white", edgecolor=COLORS[1], label="samples to test")
    plane.plot(along, wave(along), color="black", linewidth=1.4, linestyle=(0, (4, 2)), label="true curve")
    plane.plot(along, mt.predict(model, along), color=COLORS[5], linewidth=2.6, zorder=1.5, label="network")
    plane.set_xlabel("x")
    plane.set_ylabel("y")
    plane.spines[["top", "right"]].set_visible(False)
    plane.legend(frameon=False, fontsize=9, loc="upper left")
    _curves(panels, history, "loss", "r_squared")
    panels[0].axhline(NOISE**2, color="0.35", linewidth=1, linestyle=(0, (1.5, 1.5)))
    panels[0].text(2, NOISE**2 * 0.93, "variance of the noise", color="0.35", fontsize=9, va="top")
    panels[0].set_ylim(bottom=NOISE**2 / 2)
    panels[1].set_ylabel("R²")
    panels[1].set_ylim(0.4, 1)
    return figure


def _figure(left: float) -> tuple[Figure, Any, Any]:
    """A picture with a large panel, and two small ones to its right."""
    figure = Figure(figsize=SIZE, layout="constrained")
    parts = figure.subfigures(1, 2, width_ratios=(left, 1))
    return figure, parts[0].subplots(), parts[1].subplots(2, 1, sharex=True)


def _curves(panels: Any, history: mt.History, *names: str) -> None:
    """Training and validation against the epoch, a panel for each name."""
    epochs = np.arange(1, history.epochs + 1)
    for axes, name in zip(panels, names, strict=True):
        axes.plot(epochs, history[name], color=COLORS[1], linewidth=1.8, label="training")
        axes.plot(
            epochs,
            history[f"val_{name}"],
            color=COLORS[0],
            linewidth=1.8,
            linestyle=(0, (5, 1.5)),
            label="test",
        )
        axes.set_ylabel(name)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        axes.margins(x=0.01)
    panels[0].set_yscale("log")
    panels[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panels[0].yaxis.set_minor_locator(NullLocator())
    panels[0].legend(frameon=False, fontsize=9)
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10), integer=True))


def main(folder: str = str(Path(__file__).parent.parent / ".github")) -> None:
    for name, draw in (("spiral", draw_spiral), ("regression", draw_regression)):
        path = Path(folder) / f"{name}.png"
        save(draw(), path)
        print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
