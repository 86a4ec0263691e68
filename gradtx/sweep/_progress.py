"""How far a sweep is: members done, the best so far, the time left."""

import dataclasses
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a sweep stands after a chunk. `best` is the least value so far of the metric called `metric`, None if there is none."""

    done: int
    total: int
    metric: str | None
    best: float | None
    seconds_left: float | None

    def __str__(self) -> str:
        parts = [f"{self.done} of {self.total} members"]
        parts += [f"best {self.metric} {self.best:.6g}"] if self.best is not None else []
        parts += [f"{self.seconds_left:.0f} s left"] if self.seconds_left is not None and self.done < self.total else []
        return ", ".join(parts)


class Watch:
    """Counts the members that are done and tells `show` after each chunk."""

    def __init__(self, total: int, metric: str | None, show: Callable[[Progress], Any]) -> None:
        self._total, self._metric, self._show = total, metric, show
        self._done, self._computed, self._best = 0, 0, np.inf
        self._begin = time.perf_counter()

    def advance(self, count: int, values: np.ndarray | None, computed: bool) -> None:
        """`count` more members are done, with these values of the metric; read from a file if not computed."""
        self._done += count
        self._computed += count if computed else 0
        if values is not None:
            values = values.astype(np.float64)
            self._best = min(self._best, np.min(values, initial=np.inf, where=np.isfinite(values)))
        rate = self._computed / (time.perf_counter() - self._begin)
        left = (self._total - self._done) / rate if rate else None
        best = float(self._best) if np.isfinite(self._best) else None
        self._show(Progress(self._done, self._total, self._metric, best, left))


class Bar:
    """A progress bar, by tqdm; without tqdm a line after each chunk. Only where somebody watches: on a terminal, or in a notebook."""

    def __init__(self, total: int, file: Any = None) -> None:
        self._file = file or sys.stderr
        self._watched = "ipykernel" in sys.modules or self._file.isatty()
        self._bar = _tqdm(total, self._file) if self._watched else None

    def __call__(self, progress: Progress) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(f"best {progress.metric} {progress.best:.4g}" if progress.best is not None else "", refresh=False)
            self._bar.update(progress.done - self._bar.n)
        elif self._watched:
            print(f"sweep: {progress}", file=self._file)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def _tqdm(total: int, file: Any) -> Any:
    try:
        from tqdm.auto import tqdm  # pyright: ignore[reportMissingModuleSource]
    except ImportError:
        return None
    return tqdm(total=total, desc="sweep", unit="member", file=file, mininterval=0)
