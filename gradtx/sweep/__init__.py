"""Many optimizers as one program: batches of them, sweeps over any function that trains, and pictures of what came of it."""

from gradtx.sweep._ask_tell import AskTell, ask_tell
from gradtx.sweep._distributions import Distribution, choice, log_uniform, one_minus_log_uniform, uniform
from gradtx.sweep._grid import grid, sample
from gradtx.sweep._halving import Halving, Rung, hyperband, successive_halving
from gradtx.sweep._hypergradient import Tuned, hypergradient
from gradtx.sweep._members import crossed, paired
from gradtx.sweep._pictures import plot_curves, plot_heatmap, plot_hyperparameters, plot_parallel
from gradtx.sweep._points import halton, independent, sobol
from gradtx.sweep._population import Population, population
from gradtx.sweep._progress import Progress
from gradtx.sweep._results import Member, Results
from gradtx.sweep._run import Run
from gradtx.sweep._stack import stack
from gradtx.sweep._sweep import sweep

__all__ = [
    "AskTell",
    "Distribution",
    "Halving",
    "Member",
    "Population",
    "Progress",
    "Results",
    "Run",
    "Rung",
    "Tuned",
    "ask_tell",
    "choice",
    "crossed",
    "grid",
    "halton",
    "hyperband",
    "hypergradient",
    "independent",
    "log_uniform",
    "one_minus_log_uniform",
    "paired",
    "plot_curves",
    "plot_heatmap",
    "plot_hyperparameters",
    "plot_parallel",
    "population",
    "sample",
    "sobol",
    "stack",
    "successive_halving",
    "sweep",
    "uniform",
]
