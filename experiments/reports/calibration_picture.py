"""A picture of a calibration: measured over predicted latency of every row, before and after."""

from pathlib import Path

import numpy as np

from aicfg.experiments.calibration.calibrate import Calibration

FIGURES = {"tpot_ms": "TPOT", "ttft_ms": "TTFT"}
BINS = np.geomspace(0.2, 5.0, 61)


def draw(found: Calibration, path: str) -> None:
    """Histograms by figure and mode, the prior's beside the fit's (out of fold), to a PNG file."""
    from matplotlib.figure import Figure

    modes = sorted({each.samples.mode for each in found.scored})
    figure = Figure(figsize=(5 * len(FIGURES), 2.6 * len(modes)), layout="constrained")
    grid = figure.subplots(len(modes), len(FIGURES), squeeze=False)
    for row, mode in zip(grid, modes, strict=True):
        for axes, (name, title) in zip(row, FIGURES.items(), strict=True):
            for view, label in (("before", found.prior.name), ("out_of_fold", "fitted, out of fold")):
                ratios = [
                    getattr(each.samples, name) / getattr(getattr(each, view), name)
                    for each in found.scored
                    if each.samples.mode == mode
                ]
                kept = np.clip(np.concatenate(ratios), BINS[0], BINS[-1])
                axes.hist(kept, BINS, histtype="step", label=label)
            axes.axvline(1.0, color="black", linewidth=0.6)
            axes.set(xscale="log", title=f"{title}, {mode}", xlabel="measured / predicted", ylabel="rows")
            axes.set_xticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
    grid[0, 0].legend(fontsize="small")
    figure.savefig(Path(path), dpi=120)
