"""A progress bar on the terminal or in a notebook."""

from collections.abc import Mapping
from typing import Any, Self, final


@final
class Bar:
    """A bar of tqdm over so many steps, or nothing: `show` None means a bar where tqdm is installed and the output is a terminal."""

    def __init__(self, total: int | None, first: int, show: bool | None) -> None:
        self._bar: Any = None
        if show is False:
            return
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            if show:
                raise ImportError('fit(..., progress=True) needs tqdm: pip install "gradtx[progress]".') from error
            return
        self._bar = tqdm(total=total, initial=first, unit="step", disable=None if show is None else False, dynamic_ncols=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self) -> None:
        """One step more."""
        if self._bar is not None:
            self._bar.update()

    def show(self, record: Mapping[str, float]) -> None:
        """The latest numbers, behind the bar."""
        if self._bar is not None:
            self._bar.set_postfix({name: f"{number:.4g}" for name, number in record.items() if name != "step"})
