"""Five things that an optimizer as a value is good for, shown on handwritten digits: `python examples/demo --out out`."""

import argparse
import sys
import time
from pathlib import Path

import digits
import gradient_check
import hypergradient
import path_pictures
import pictures
import race
import sweep
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

LEAST_ACCURACY = 0.96


class Show:
    """Prints to the console below a progress bar, and notes what the demo promised but did not keep."""

    def __init__(self, console: Console, progress: Progress, total: int) -> None:
        self._console, self._progress = console, progress
        self._bar = progress.add_task("starting", total=total)
        self.broken: list[str] = []

    def heading(self, text: str) -> None:
        """The title of a part."""
        self._console.print(f"\n{text}", style="bold", markup=False)

    def print(self, text: str | Table) -> None:
        """A line, several lines, or a table."""
        self._console.print(text, markup=False, soft_wrap=isinstance(text, str))

    def doing(self, what: str) -> None:
        """Name what the bar is waiting for."""
        self._progress.update(self._bar, description=what)

    def advance(self) -> None:
        """Move the bar by one."""
        self._progress.advance(self._bar)

    def promise(self, what: str, holds: bool) -> None:
        """Note that something must hold; the demo fails at its end if it does not."""
        if not holds:
            self.broken.append(what)


def show_gradients(show: Show, data: digits.Digits) -> None:
    """Part 1: finite differences against `jax.grad`."""
    show.heading("1. Are the gradients right? jax.grad against central differences, in float64")
    show.doing("gradients")
    for title, check, right in gradient_check.run(data):
        show.print(f"\n{title}\n{check}")
        show.promise(f"{'agreement' if right else 'disagreement'} on the gradient of the {title}", bool(check) == right)
    show.advance()


def show_race(show: Show, data: digits.Digits, passes: int, held_to: float) -> list[race.Result]:
    """Part 2: the table of methods. Adam must do better than `held_to` on the test set."""
    examples = len(data.train.labels)
    show.heading(f"2. Eight methods, one budget: {passes} gradients of the training set of {examples} digits")
    show.print(
        "A loss counts as a third of a gradient, a Hessian-vector product as two gradients.\n"
        "Each method tries eight values of its number, all at once under vmap. The one with the\n"
        "least validation loss runs once more, alone, and is timed without its compilation."
    )
    table = Table("method", "its number", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for title in ("batch", "steps", "loss", "test accuracy", "time"):
        table.add_column(title, justify="right", no_wrap=True)
    results: list[race.Result] = []
    for entrant in race.entrants(examples):
        show.doing(entrant.name)
        result = race.run(entrant, data, passes)
        results.append(result)
        number = f"{entrant.tuned} {float(entrant.numbers[result.best]):.3g}"
        figures = (f"{result.losses[-1]:.4f}", f"{result.accuracy:.1%}", f"{1000 * result.seconds:.0f} ms")
        table.add_row(entrant.name, number, str(entrant.batch_size), str(result.steps), *figures)
        show.advance()
    show.print(table)
    adam = next(result for result in results if result.entrant.name == "Adam")
    show.promise(f"Adam above {held_to:.0%} test accuracy", adam.accuracy > held_to)
    return results


def show_sweep(show: Show, data: digits.Digits, passes: int) -> sweep.Sweep:
    """Part 3: many optimizers as one program."""
    show.heading(f"3. 64 optimizers, learning rate × decay, as one program: {passes} epochs each")
    show.doing("sweep")
    result = sweep.run(data, passes)
    show.print(f"64 optimizers trained in {result.seconds:.1f} s; programs compiled: {result.compilations}")
    show.print(f"64 others trained in {result.seconds_again:.1f} s; programs compiled: {result.compilations_again}")
    show.print(f"best: {result.best} with test accuracy {result.accuracy:.1%}")
    show.promise("one compilation for 64 optimizers", (result.compilations, result.compilations_again) == (1, 0))
    show.advance()
    return result


def show_hypergradient(show: Show, data: digits.Digits) -> None:
    """Part 4: the derivative of training with respect to the optimizer."""
    show.heading(f"4. The gradient of the validation loss with respect to Adam, through {hypergradient.STEPS} steps")
    show.doing("hypergradient")
    result = hypergradient.run(data)
    show.print(f"optimizer   {result.optimizer}, validation loss {result.loss:.4f}")
    show.print(f"derivative  {result.gradient}")
    show.print(f"\nin the logarithms, against central differences:\n{result.check}")
    show.promise("hypergradients as finite differences", bool(result.check))
    show.advance()


def show_pictures(show: Show, results: list[race.Result], passes: int, swept: sweep.Sweep, out: Path, frames: int) -> None:
    """Part 5: draw what was measured, and the paths on surfaces."""
    show.heading("5. Pictures")
    show.doing("pictures")
    out.mkdir(parents=True, exist_ok=True)
    pictures.draw_race(results, passes, out / "race.png")
    pictures.draw_sweep(swept, out / "sweep.png")
    paths = path_pictures.walk_all()
    path_pictures.draw_paths(paths, out / "paths.png")
    path_pictures.draw_look_ahead(out / "look_ahead.png")
    path_pictures.animate(paths, out / "paths.gif", frames)
    show.advance()
    for name, content in (
        ("race.png", "training loss over the budget, and how much each method minds its number"),
        ("sweep.png", "the validation loss of the 64 optimizers"),
        ("paths.png", "the paths of six methods on three surfaces"),
        ("look_ahead.png", "a step of momentum and of Nesterov, taken apart"),
        ("paths.gif", "the paths as they are walked"),
    ):
        show.print(f"{name:<16}{content}")


def main() -> int:
    """Run the five parts; 0 if every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"), help="the folder for the pictures (default: out)")
    parser.add_argument("--quick", action="store_true", help="the same five parts with a tenth of the training; Adam need only reach 90 %%")
    options = parser.parse_args()
    passes, epochs, frames, held_to = (10, 4, 12, 0.9) if options.quick else (100, 20, 60, LEAST_ACCURACY)

    begin = time.perf_counter()
    console = Console(highlight=False)
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    still = not console.is_terminal or console.is_dumb_terminal
    with Progress(*columns, console=console, disable=still, transient=True) as progress:
        data = digits.load()
        show = Show(console, progress, total=1 + 8 + 1 + 1 + 1)
        show_gradients(show, data)
        results = show_race(show, data, passes, held_to)
        swept = show_sweep(show, data, epochs)
        show_hypergradient(show, data)
        show_pictures(show, results, passes, swept, options.out, frames)
    console.print(f"\nThe pictures are in {options.out.resolve()} ({time.perf_counter() - begin:.0f} s).", markup=False, soft_wrap=True)
    for promise in show.broken:
        print(f"Not kept: {promise}.", file=sys.stderr)
    return 1 if show.broken else 0


if __name__ == "__main__":
    sys.exit(main())
