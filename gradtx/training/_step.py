"""The compiled training step, for every optimizer."""

import functools
import math
from collections.abc import Callable
from typing import Any, cast, final

import jax
import jax.numpy as jnp

import gradtx as gx
from gradtx._core.layouts import laid_out_as, layout_of
from gradtx._core.placement import beside
from gradtx._core.trees import path_name
from gradtx._core.types import PyTree
from gradtx.training._accumulation import in_micro_batches
from gradtx.training._loss import Loss, asked_by
from gradtx.training._metrics import Metrics
from gradtx.training._scaling import DynamicLossScale


@final
class Step:
    """What `make_step` returns: `params, state, metrics = step(tx, params, state, batch, key)`.

    `step.init(tx, params)` is the state before the first step, `step.optimizer_state(state)` the optimizer's part of a state, for
    `gradtx.eval_params` and the like. `step.compilations` counts the programs that it has compiled.
    """

    def __init__(
        self,
        loss: Loss,
        micro_batches: int,
        weigh: Callable[[PyTree], Any] | None,
        loss_scale: DynamicLossScale | float | None,
        gradient_norm: bool,
        donate: bool,
    ) -> None:
        self._loss, self._micro_batches, self._weigh, self._measures = loss, micro_batches, weigh, gradient_norm
        self._scaling = loss_scale if isinstance(loss_scale, DynamicLossScale) else None
        self._scale = None if self._scaling else loss_scale
        self._asks, self._needs = asked_by(loss.function), asked_by(loss.function, without_default=True)
        self._keeps = bool(self._scaling) or "model_state" in self._asks
        self._compiled = jax.jit(self._run, static_argnames="where", donate_argnames=("params", "state") if donate else ())

    def __repr__(self) -> str:
        return f"<step of {getattr(self._loss.function, '__name__', self._loss.function)}>"

    def init(self, tx: gx.GradientTransformation, params: PyTree, model_state: PyTree = None) -> PyTree:
        """The state before the first step: `tx.init(params)`.

        Where the step keeps more, a dict: that as `optimizer`, a `loss_scale` if it is dynamic, and `model_state` if the loss asks for it.
        """
        if "model_state" in self._asks and model_state is None:
            raise TypeError("The loss asks for model_state: write step.init(tx, params, model_state).")
        if "model_state" not in self._asks and model_state is not None:
            raise TypeError("The loss has no argument model_state, so nothing would read it. Write loss(params, batch, *, model_state).")
        state = tx.init(params)
        if not self._keeps:
            return state
        scaling = {"loss_scale": self._scaling.init()} if self._scaling else {}
        copied = {} if model_state is None else {"model_state": jax.tree.map(lambda x: jnp.array(x, copy=True), model_state)}
        return {"optimizer": state, **beside(params, {**scaling, **copied})}

    def optimizer_state(self, state: PyTree) -> PyTree:
        """The optimizer's part of the state of this step."""
        return state["optimizer"] if self._keeps else state

    @property
    def compilations(self) -> int:
        """How many programs were compiled: one for each structure of optimizer and trees, whatever the hyperparameters."""
        return cast(Any, self._compiled)._cache_size()

    def __call__(
        self, tx: gx.GradientTransformation, params: PyTree, state: PyTree, batch: PyTree, key: Any = None, **extras: Any
    ) -> tuple[PyTree, PyTree, Metrics]:
        """One step: new parameters, new state, metrics. Other extras that `tx` takes may follow by keyword."""
        if not isinstance(cast(Any, tx), gx.GradientTransformation):
            raise TypeError(f"step(tx, params, state, batch): tx must be a transformation of gradtx, got {type(tx).__name__}. "
                            "Put another library's into gradtx.chain(...).")  # fmt: skip
        if key is None and "key" in self._needs:
            raise TypeError("The loss asks for a key: write step(tx, params, state, batch, key), with a new key for each step.")
        if self._keeps and not (isinstance(state, dict) and "optimizer" in state):
            raise TypeError("This step keeps more than the optimizer's state: write state = step.init(tx, params), not tx.init(params).")
        try:
            return self._compiled(tx, params, state, batch, key, extras, where=layout_of(params, state))
        except RuntimeError as error:
            twice = _twice({"params": params, "state": state}) if "donate the same buffer" in str(error) else ()
            if not twice:
                raise
            raise ValueError(
                f"{' and '.join(twice)} are one array, whose place the step cannot give to two. Copy one of them, or write "
                "make_step(..., donate=False): they train apart either way. For tied weights keep one leaf, and use it twice in the loss."
            ) from error

    def _run(
        self, tx: Any, params: PyTree, state: Any, batch: PyTree, key: Any, extras: dict[str, Any], where: tuple[Any, ...]
    ) -> tuple[PyTree, PyTree, Metrics]:
        before = {"optimizer": state} if not self._keeps else state
        model_state = before.get("model_state")
        scale = before["loss_scale"]["scale"] if self._scaling else self._scale
        (value, gradient), new_model_state, aux = self._mean(_differentiated(self._loss, params, scale), batch, key, model_state)
        if scale is not None:
            gradient = jax.tree.map(lambda g: g.astype(jnp.promote_types(g.dtype, jnp.float32)) / scale, gradient)

        def value_fn(params: PyTree) -> jax.Array:
            def one(rows: PyTree, key: Any, model_state: PyTree) -> Any:
                value, (model_state, _) = self._loss(params, rows, key, model_state)
                return value, model_state, None

            return self._mean(one, batch, key, model_state)[0]

        extras = {"value": value, "grad": gradient, "value_fn": value_fn, **extras}
        updates, optimizer = tx.update(gradient, before["optimizer"], params, **extras)
        after = {**before, "optimizer": optimizer}
        if model_state is not None:
            after["model_state"] = new_model_state
        new = gx.apply_updates(params, updates)
        metrics = Metrics(value, aux, gx.observations(optimizer), self._norm(gradient) if self._measures else None)
        if self._scaling:
            finite = jnp.all(jnp.array([jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(gradient)], bool))
            new, after = jax.tree.map(lambda after, before: jnp.where(finite, after, before), (new, after), (params, before))
            after["loss_scale"] = self._scaling.adjusted(before["loss_scale"], finite)
            metrics = metrics._replace(finite=finite, loss_scale=scale)
        return *laid_out_as(where, new, after if self._keeps else after["optimizer"]), metrics

    def _mean(self, one: Callable[..., Any], batch: PyTree, key: Any, model_state: PyTree) -> Any:
        if self._micro_batches == 1:
            return one(batch, key, model_state)
        return in_micro_batches(one, self._micro_batches, self._weigh, batch, key, model_state)

    def _norm(self, gradient: PyTree) -> jax.Array:
        wide = jax.tree.map(lambda g: jnp.abs(g).astype(jnp.promote_types(jnp.abs(g).dtype, jnp.float32)), gradient)
        return gx.gradient_norm(wide, wide, None)


def _twice(tree: PyTree) -> tuple[str, ...]:
    """The paths of the leaves that are the first array to stand in several places."""
    paths: dict[int, list[str]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if isinstance(leaf, jax.Array):
            paths.setdefault(id(leaf), []).append(path_name(path))
    return tuple(next((found for found in paths.values() if len(found) > 1), ()))


def _differentiated(loss: Loss, params: PyTree, scale: Any) -> Callable[..., Any]:
    """From a batch: value and gradient (that of the scaled loss), with None for leaves that are not trained; state; aux."""
    leaves, structure = jax.tree.flatten(params)
    trained = [k for k, leaf in enumerate(leaves) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)]

    def scaled(moving: list[Any], *arguments: Any) -> tuple[jax.Array, Any]:
        whole = list(leaves)
        for k, leaf in zip(trained, moving, strict=True):
            whole[k] = leaf
        value, rest = loss(structure.unflatten(whole), *arguments)
        return value if scale is None else value * scale, (value, rest)

    def one(batch: PyTree, key: Any, model_state: PyTree) -> Any:
        slopes, (value, (model_state, aux)) = jax.grad(scaled, has_aux=True)([leaves[k] for k in trained], batch, key, model_state)
        found = dict(zip(trained, slopes, strict=True))
        uphill = [found[k].conj() if k in found else None for k in range(len(leaves))]
        return (value, structure.unflatten(uphill)), model_state, aux

    return one


def make_step(
    loss: Callable[..., Any],
    *,
    has_aux: bool = False,
    micro_batches: int = 1,
    weigh: Callable[[PyTree], Any] | None = None,
    compute_dtype: Any = None,
    loss_scale: DynamicLossScale | float | None = None,
    gradient_norm: bool = False,
    donate: bool = True,
) -> Step:
    """The compiled step `params, state, metrics = step(tx, params, state, batch, key)`: θ ← θ + tx.update(∇loss(θ, batch)).

    The optimizer is an argument, so a step compiles once whatever the hyperparameters, and `jax.vmap` maps it over optimizers. It
    gives every optimizer the extras `value`, `grad` and `value_fn`. Parameters and state are donated: use those that it returns,
    which lie on the devices of a mesh as they did.

    `loss(params, batch)` returns a mean over the examples of the batch; what it reads from outside is read once, as in `jax.jit`. It
    may have an argument `key`, and an argument `model_state` (running statistics and the like): it then returns `value, model_state`,
    and last `aux` if `has_aux`.

    `micro_batches` splits the first axis of the batch: gradient, value and aux are those of the whole batch, in the memory of a
    part. The mean is exact, also where the last one is shorter; `weigh(batch)` says what a micro-batch counts where the loss is no
    mean over examples, such as its number of tokens. `compute_dtype` (bfloat16, float16) is what the loss sees floating-point
    parameters and batch in; parameters, gradients and state stay as wide as they are. float16 wants
    `loss_scale=dynamic_loss_scale()`. Calls with the same arguments give the same step, compiled once.
    """
    if isinstance(cast(Any, micro_batches), bool) or not isinstance(cast(Any, micro_batches), int) or micro_batches < 1:
        raise ValueError(f"make_step: micro_batches must be a whole number of at least 1, got {micro_batches!r}.")
    if compute_dtype is not None and not jnp.issubdtype(compute_dtype, jnp.floating):
        raise ValueError(f"make_step: compute_dtype must be a floating dtype such as jnp.bfloat16, got {compute_dtype!r}.")
    if loss_scale is not None and not isinstance(loss_scale, DynamicLossScale) and not 0 < loss_scale < math.inf:
        raise ValueError(f"make_step: loss_scale must be above 0 and finite, or dynamic_loss_scale(), got {loss_scale!r}.")
    if not callable(loss):
        raise TypeError(f"make_step: the loss must be a function loss(params, batch), got {type(loss).__name__}.")
    if weigh is not None and micro_batches == 1:
        raise ValueError("make_step: weigh says what a micro-batch counts, and there is one only. Write micro_batches=4, or leave it out.")
    dtype = None if compute_dtype is None else jnp.dtype(compute_dtype)
    arguments = Loss(loss, has_aux, dtype), micro_batches, weigh, loss_scale, gradient_norm, donate
    try:
        hash(arguments)
    except TypeError:  # a loss that is an object with arrays in it, say
        return Step(*arguments)
    return _made(*arguments)


_made = functools.lru_cache(maxsize=128)(Step)
