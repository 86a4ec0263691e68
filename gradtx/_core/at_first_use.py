"""Names of the package that are imported at their first use: hundreds of modules, of which a program uses a few."""

import builtins
import contextlib
import importlib
import threading
import types
from collections.abc import Generator, Mapping, Sequence
from typing import Any

_HOMES: dict[str, str] = {}
"""The module of each name that is imported at its first use."""

_ONE_AT_A_TIME = threading.RLock()
"""Threads that import modules which import each other would see them half made."""


@contextlib.contextmanager
def at_first_use(package: dict[str, Any]) -> Generator[None]:
    """What is imported from modules inside the block, by a package with these globals, is imported when it is asked for.

    The statements are ordinary ones, which type checkers and editors read; they are only noted here. (What PEP 810 calls lazy imports.)
    """
    importing = builtins.__import__

    def noting(
        module: str, at: Mapping[str, Any] | None = None, local: Mapping[str, Any] | None = None, names: Sequence[str] = (), level: int = 0
    ) -> types.ModuleType:
        if at is not package:
            return importing(module, at, local, names, level)
        _HOMES.update(dict.fromkeys(names, module))
        noted = types.ModuleType(module)
        vars(noted).update(dict.fromkeys(names))
        return noted

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {package['__name__']!r} has no attribute {name!r}")
        with _ONE_AT_A_TIME:
            package[name] = value = getattr(importlib.import_module(_HOMES[name]), name)
        return value

    builtins.__import__ = noting
    try:
        yield
    finally:
        builtins.__import__ = importing
    for name in _HOMES:
        del package[name]
    package["__getattr__"], package["__dir__"] = __getattr__, lambda: sorted({*package, *package["__all__"]})


def import_all() -> None:
    """Import them all."""
    with _ONE_AT_A_TIME:
        for module in set(_HOMES.values()):
            importlib.import_module(module)
