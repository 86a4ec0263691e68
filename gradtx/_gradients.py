"""Gradients by finite differences, and the check of `jax.grad` against them."""

import dataclasses
from collections.abc import Callable
from typing import Any, final

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np

from gradtx._core.kinds import shown
from gradtx._core.trees import Boundary, is_trainable, leaves_by_path, path_name
from gradtx._core.types import PyTree

Loss = Callable[[PyTree], Any]


def numerical_gradient(f: Loss, params: PyTree, step: float | None = None) -> PyTree:
    """The gradient by central differences: (f(x + h) − f(x − h)) / 2h in each coordinate, 2n evaluations.

    Its error is about h² |f‴| / 6 from truncation and ε |f| / h from rounding, with ε that of the parameters' dtype.
    `step` is h relative to max(1, |x|); the default ε^⅓ balances the two at about ε^⅔: 4e-11 in float64, 2e-5 in
    float32, so check in float64. `f` is traced, so it is written in `jax.numpy`, as for `jax.grad`. Leaves that are not
    trained come back as they are. For a complex leaf it is ∂f/∂re + i ∂f/∂im, the conjugate of `jax.grad`.
    """
    return _differences("numerical_gradient", f, params, step, 1 / 3, lambda ahead, behind, here, up, down: (ahead - behind) / (up + down))


def one_sided_numerical_gradient(f: Loss, params: PyTree, step: float | None = None) -> PyTree:
    """The gradient by one-sided differences: (f(x + h) − f(x)) / h in each coordinate, as it is defined.

    Its error is about h |f″| / 2 from truncation and ε |f| / h from rounding. `step` is h relative to max(1, |x|);
    the default √ε balances the two at about √ε: 1e-8 in float64, 3e-4 in float32. `f` is traced, so it is written in
    `jax.numpy`. `numerical_gradient` is better for twice the price.
    """
    return _differences("one_sided_numerical_gradient", f, params, step, 1 / 2, lambda ahead, behind, here, up, down: (ahead - here) / up)


def _differences(part: str, f: Loss, params: PyTree, step: float | None, order: float, quotient: Callable[..., Any]) -> PyTree:
    _check_callable(f, f"{part}(f, params): f", "lambda params: ... that returns the loss")
    if step is not None and not step > 0:
        raise ValueError(f"{part}: step must be positive, got {step!r}.")
    boundary = Boundary(params, "parameters", part)
    flat, unravel = jax.flatten_util.ravel_pytree(boundary.inward(params, "parameters"))
    relative = _precision(params) ** order if step is None else step

    def value(x: jax.Array) -> jax.Array:
        result = jnp.asarray(f(boundary.restored(unravel(x))))
        if result.shape != ():
            raise ValueError(f"{part}: f must return a scalar, got shape {result.shape}. Take the mean or the sum of its result.")
        return result

    @jax.jit
    def gradient(x: jax.Array) -> jax.Array:
        steps = relative * jnp.maximum(1, jnp.abs(x))
        here = value(x)

        def at(k: jax.Array) -> jax.Array:
            above, below = x.at[k].add(steps[k]), x.at[k].add(-steps[k])
            return quotient(value(above), value(below), here, above[k] - x[k], x[k] - below[k])

        return jax.lax.map(at, jnp.arange(x.size))

    return boundary.restored(unravel(gradient(flat).astype(flat.dtype))) if flat.size else params


def _check_callable(function: Any, where: str, instead: str) -> None:
    if not callable(function):
        raise TypeError(f"{where} must be a function of the parameters, got {shown(function)}. Write {instead}.")


def _precision(params: PyTree) -> float:
    dtypes = [jnp.result_type(leaf) for leaf in jax.tree.leaves(params) if is_trainable(leaf)]
    return max((float(jnp.finfo(dtype).eps) for dtype in dtypes), default=1.0)


@final
@dataclasses.dataclass(frozen=True)
class LeafCheck:
    """One leaf of a gradient check: where the two gradients differ most, relative to what is allowed."""

    path: str
    index: tuple[int, ...]
    analytic: complex
    numerical: complex
    difference: float
    allowed: float

    @property
    def agrees(self) -> bool:
        return self.difference <= self.allowed


@final
@dataclasses.dataclass(frozen=True)
class GradientCheck:
    """The result of `check_gradient`: true if every leaf agrees, printed as a table."""

    leaves: tuple[LeafCheck, ...]

    def __bool__(self) -> bool:
        return all(leaf.agrees for leaf in self.leaves)

    @property
    def disagreeing(self) -> tuple[LeafCheck, ...]:
        return tuple(leaf for leaf in self.leaves if not leaf.agrees)

    def __str__(self) -> str:
        rows = [("leaf", "worst index", "analytic", "numerical", "difference", "allowed", "")]
        for leaf in self.leaves:
            index = str(leaf.index) if leaf.index else "-"
            numbers = (f"{leaf.analytic:.6g}", f"{leaf.numerical:.6g}", f"{leaf.difference:.2g}", f"{leaf.allowed:.2g}")
            rows.append((leaf.path, index, *numbers, "agrees" if leaf.agrees else "DISAGREES"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def check_gradient(
    f: Loss,
    params: PyTree,
    gradient: Callable[[PyTree], PyTree] | None = None,
    *,
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> GradientCheck:
    """Compare a gradient with `numerical_gradient`, leaf by leaf.

    `gradient` is a function of the parameters, `jax.grad(f)` if left out. A leaf agrees where every element differs
    by at most `atol + rtol · max(|a|, |n|)`; the defaults are 10 ε^⅔, for `atol` times max(1, |f|) / max(1, |x|) at each
    element x: what central differences can resolve there in the parameters' dtype. The result is true if all agree; for
    each leaf it holds the worst index with both values. At a kink (hinge, ReLU at 0) the two may differ rightly.
    """
    if gradient is not None:
        _check_callable(gradient, "check_gradient: gradient", "lambda params: gradient if the tree is computed already")
    _check_callable(f, "check_gradient(f, params): f", "lambda params: ... that returns the loss")
    resolvable = 10 * _precision(params) ** (2 / 3)
    relative = resolvable if rtol is None else rtol
    numerical = numerical_gradient(f, params, step)
    rounding = resolvable * max(1.0, float(abs(f(params))))
    given = (jax.grad(f, allow_int=True) if gradient is None else gradient)(params)
    boundary = Boundary(params, "parameters", "check_gradient")
    analytic = boundary.check(given, "gradients")
    rows = zip(leaves_by_path(params)[0], analytic, leaves_by_path(numerical)[0], strict=True)
    compared = ((path, own, a, n) for (path, own), a, (_, n) in rows if is_trainable(own) and np.size(own))
    allowed = (lambda own: rounding / _sizes(own)) if atol is None else (lambda own: atol)
    return GradientCheck(tuple(_compared(path_name(path), own, a, n, relative, allowed(own)) for path, own, a, n in compared))


def _sizes(own: Any) -> Any:
    """max(1, |x|), to which the steps are relative, at each element; of a complex one that of its smaller part."""
    wide = np.asarray(own).astype(np.complex128)
    parts = (np.abs(wide.real), np.abs(wide.imag)) if jnp.iscomplexobj(own) else (np.abs(wide.real),)
    return np.maximum(1, np.minimum.reduce(parts))


def _compared(name: str, own: Any, analytic: Any, numerical: Any, rtol: float, atol: Any) -> LeafCheck:
    wide = np.complex128 if jnp.iscomplexobj(own) else np.float64
    a, n = np.conj(np.asarray(analytic).astype(wide)), np.asarray(numerical).astype(wide)
    finite = np.isfinite(a) & np.isfinite(n)
    difference = np.abs(np.subtract(a, n, out=np.full(a.shape, np.inf, wide), where=finite))
    allowed = atol + rtol * np.where(finite, np.maximum(np.abs(a), np.abs(n)), 0)
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(difference / np.maximum(allowed, 1e-300))), a.shape))
    return LeafCheck(name, index, a[index].item(), n[index].item(), float(difference[index]), float(allowed[index]))
