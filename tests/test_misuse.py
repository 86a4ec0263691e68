"""Every kind of misuse of every factory is refused by gradtx's own error, which teaches, and costs nothing: neither state nor time."""

import functools
import re

import chex
import jax
import jax.numpy as jnp
import pytest

import gradtx as gx
from gradtx._core import contract, run, trees
from gradtx._core.kinds import KeyKind, NumberKind, TreeKind
from gradtx._core.run import label
from gradtx._core.selection import WhereKind
from gradtx._core.structure import StaticKind
from gradtx._core.transformation import TransformationKind
from tests import misuse
from tests.cases import CASES, loss
from tests.misuse import GRADS, PARAMS, fault, subject

NAMES = [case.name for case in CASES if case.name == case.transformation.form.name]
every_row = pytest.mark.parametrize("name", NAMES)
HESSIANS = {"scale_by_hessian", "newton", "scale_by_conjugate_gradient", "newton_cg"}
DRAWS = {"keep_best_draw", "random_search"}
TAKES_ANY_EXTRA = "foreign"
NEED_VALUE_FN = HESSIANS | DRAWS | {"sam"}
CURVED = {"scale_by_hessian_diagonal", "sophia"}
PROJECTIONS = {f"projection_{name}" for name in ("non_negative", "box", "simplex", "l1_ball", "l2_ball")}
UPHILL, DOWNHILL = (
    {"add_decayed_weights", "add_corrected_decayed_weights", "scale_by_local_rate", "cautious_weight_decay"},
    {"subtract_decayed_weights", "shrink_weights", "retract_to_sphere", *PROJECTIONS},
)
LAST = {"dual_average", "madgrad", "follow_regularized_leader", "ftrl", "bet_on_coins", "cocob", "mechanic", "lookahead", "schedule_free"}
LAST |= {f"schedule_free_{name}" for name in ("sgd", "adamw", "radam")}
LAYERWISE = {"scale_by_trust_ratio", "adaptive_grad_clip", "lamb", "lars", "novograd", "mars_adamw", "fromage", "layerwise"}
OF_MATRICES = {
    "muon",
    "soap",
    "shampoo",
    "normuon",
    "adamuon",
    "sinkgd",
    "scion",
    "galore",
    "apollo",
    "muonh",
    "adamh",
    "retract_to_sphere",
    "dion",
    "kl_shampoo",
}
AVERAGES = {"average", "uniform_average", "lookahead", "schedule_free", "schedule_free_sgd", "schedule_free_adamw", "schedule_free_radam"}
PROXIMAL = {"scale_by_proximal_learning_rate", "dual_average", "madgrad", "follow_regularized_leader", "ftrl", "adan"}
SCALED = {"scale_by_param_block_norm", "scale_by_param_block_rms", "adafactor"}
DECAYING = {
    "adamw",
    "lion",
    "sgdw",
    "adamaxw",
    "nadamw",
    "ademamix",
    "simplified_ademamix",
    "adopt",
    "tiger",
    "adamc",
    "came",
    "adam_mini",
    "psgd_kron",
}
NEED_VALUE = {"scale_by_polyak", "polyak_sgd", "scale_by_momo", "momo", "scale_by_momo_adam", "momo_adam", "reduce_on_plateau"}
FROM_START = {"scale_by_dog", "dog", "scale_by_dowg", "dowg", "scale_by_prodigy", "prodigy", "bet_on_coins", "cocob", "mechanic"}
MODELS = {"scale_by_momo", "momo", "scale_by_momo_adam", "momo_adam", "scale_by_dadapt", "dadapt_adamw"}
SCALARS = {"observe", "reduce_on_plateau"}
"""What they remember are scalars, whatever the parameters."""
NEED_PARAMS = (
    FROM_START | MODELS | NEED_VALUE_FN | CURVED | UPHILL | DOWNHILL | LAYERWISE | OF_MATRICES | AVERAGES | PROXIMAL | SCALED | DECAYING
)


@pytest.fixture(autouse=True)
def _whole_tracebacks():
    """With the frames of JAX in them, so that it shows who raises."""
    before = jax.config.jax_traceback_filtering
    jax.config.update("jax_traceback_filtering", "off")
    yield
    jax.config.update("jax_traceback_filtering", before)


def hold(faults):
    assert not [f"{name}: {found}" for name, found in faults.items() if found]


@every_row
def test_trees_and_extras_that_do_not_fit_are_refused_and_nothing_is_lost(name):
    row = subject(name)
    expected = row.update()
    states = {**misuse.ANY_STATES, **(misuse.STATES if row.remembers() else {})}
    given = {
        **{f"gradients: {what}": ({"grads": bad}, says) for what, (bad, says) in misuse.GRADIENTS.items()},
        **{f"parameters: {what}": ({"params": bad}, says) for what, (bad, says) in misuse.PARAMETERS.items()},
        **{f"state: {what}": ({"state": bad(row)}, says) for what, (bad, says) in states.items()},
        **{f"extras: {what}": (bad, says) for what, (bad, says) in misuse.EXTRAS.items()},
        **{f"unknown extra: {what}": (bad, says) for what, (bad, says) in misuse.UNKNOWN_EXTRAS.items() if name != TAKES_ANY_EXTRA},
        "state and parameters swapped": ({"state": PARAMS, "params": row.state}, [misuse.NOT_A_STATE]),
    }
    hold({what: fault(functools.partial(row.update, **bad), f"^{row.part}: ", *says) for what, (bad, says) in given.items()})
    chex.assert_trees_all_equal(row.update(), expected)
    chex.assert_trees_all_equal(row.state, row.trained().init(PARAMS))


@every_row
def test_what_needs_parameters_or_the_loss_says_so(name):
    row = subject(name)
    alone = fault(functools.partial(row.update, params=None), r"needs the parameters: call update\(gradients, state, params\)")
    assert alone == (None if name in NEED_PARAMS else "accepted")
    valueless = functools.partial(row.trained().update, GRADS, row.state, PARAMS, value_fn=loss)
    needs_value = r"needs the extra 'value': call update\(gradients, state, params, value=...\)\. Extras passed: value_fn"
    assert fault(valueless, needs_value) == (None if name in NEED_VALUE else "accepted")
    lossless = functools.partial(row.trained().update, GRADS, row.state, PARAMS, value=1.0)
    said = r"needs the extra 'value_fn': call update\(gradients, state, params, value_fn=...\), for example .*Extras passed: value"
    said = "needs the extra 'value_fn' or 'hessian_diagonal': call update" if name in CURVED else said
    assert fault(lossless, said) == (None if name in NEED_VALUE_FN | CURVED else "accepted")
    assert fault(functools.partial(lossless, value_fn=None), said) == (None if name in NEED_VALUE_FN | CURVED else "accepted")
    if name in NEED_VALUE_FN:
        aside = functools.partial(row.update, value_fn=lambda params: (loss(params), 1.0))
        assert not fault(aside, r"value_fn must return a scalar, the loss, and it returned .*Write jnp.mean", rf"^{row.part}: ")


@every_row
def test_without_parameters_the_state_tells_what_does_not_fit(name):
    row, trees = subject(name), ("a missing key", "an extra key", "a list", "another shape", "another rank", "integers", "None at a leaf")
    bad = {what: misuse.GRADIENTS[what][0] for what in trees}
    told = {what: grads for what, grads in bad.items() if name not in NEED_PARAMS and row.tells_apart(grads)}
    assert bool(told) == (name not in NEED_PARAMS | SCALARS and row.remembers())
    hold(
        {
            what: fault(functools.partial(row.update, grads, params=None), f"^{row.part}: the state ", misuse.ANEW)
            for what, grads in told.items()
        }
    )


def numbers():
    return [(name, argument) for name in NAMES for argument in subject(name).arguments(NumberKind)]


@pytest.mark.parametrize(("name", "argument"), numbers())
def test_what_is_no_number_in_range_is_refused(name, argument):
    row = subject(name)
    form, kind = row.tx.form, row.kind(argument)
    here, interval = f"^{name}: {argument} ", re.escape(str(kind.interval))

    def faults(given, *says):
        return fault(functools.partial(row.tx.replace, **{argument: given}), here, *says)

    hold({str(bad): faults(bad, f"must be {interval}, got {bad!r} ") for bad in misuse.outside(kind)})
    hold({what: faults(bad, said) for what, (bad, said) in misuse.NOT_NUMBERS.items()})
    given = row.tx.arguments[argument]
    if form.signature.parameters[argument].default is None:
        assert row.tx.replace(**{argument: None}).arguments[argument] is None
    else:
        assert not faults(None, misuse.NO_NUMBER + "None ")
    batch = row.trained(row.tx.replace(**{argument: jnp.full(3, 0.5 if given is None else given)}))
    for call in (
        functools.partial(batch.init, PARAMS),
        functools.partial(batch.update, GRADS, row.state, PARAMS, value_fn=loss, value=1.0),
    ):
        assert not fault(call, rf"{argument} is an array of shape \(3,\) .*inside an update it must be a scalar. .*under jax.vmap")


@every_row
def test_keys_trees_and_structure_are_checked(name):
    row = subject(name)
    form, tx = row.tx.form, row.tx
    for argument in row.arguments(KeyKind):
        said = f"^{name}: {argument} must be a random key or an integer seed, got .*Write jax.random.key"
        hold({what: fault(functools.partial(tx.replace, **{argument: bad}), said) for what, bad in misuse.NOT_KEYS.items()})
        for keys in (jax.random.split(jax.random.key(0), 3), jnp.arange(3)):
            batch = row.trained(tx.replace(**{argument: keys}))
            update = functools.partial(batch.update, GRADS, row.state, PARAMS, value_fn=loss, value=1.0)
            assert not fault(update, f"{argument} is .*under jax.vmap")
    for argument in row.arguments(TreeKind):
        for bad in ("2", {"w": "2"}, {"w": True}, {"w": gx.adam}):
            assert not fault(
                functools.partial(tx.replace, **{argument: bad}), f"^{name}: {argument}.* must be a number, an array or a schedule, got"
            )
    for argument in row.arguments(WhereKind):
        here = f"^{name}: {argument} "
        hold(
            {what: fault(functools.partial(tx.replace, **{argument: bad}), here + said) for what, (bad, said) in misuse.NOT_CHOICES.items()}
        )
        lost = functools.partial(misuse.first_step, tx.replace(**{argument: "nothing/*"}))
        said = rf"{name}\S*: (groups\[0\]: )?where='nothing/\*' matches no leaf; the paths are b, s, w"
        assert not fault(lost, said)
    for argument in (*row.arguments(StaticKind), *row.arguments(WhereKind)):
        traced = functools.partial(jax.eval_shape, lambda x, name=argument: tx.replace(**{name: x}), 0.0)
        assert not fault(traced, f"^{name}: {argument} .*(cannot be traced|must be a pattern).*, got .*(Pass a Python value|Write)")
        assert not fault(functools.partial(tx.replace, **{argument: 0.25}), f"^{name}: {argument} must be .*, got '?0.25")
    for argument in row.arguments(StaticKind):
        if getattr(form.kinds[argument], "least", None) is not None:
            assert not fault(functools.partial(tx.replace, **{argument: 0}), f"^{name}: {argument} must be at least 1, got 0.$")
    for argument in row.arguments(TransformationKind):
        here = f"^{name}: {'part 1' if argument == form.variadic else argument} "
        hold(
            {
                what: fault(functools.partial(row.with_, argument, bad), here + said)
                for what, (bad, said) in misuse.NOT_TRANSFORMATIONS.items()
            }
        )


@every_row
def test_calls_and_attributes_are_checked(name):
    tx = subject(name).tx
    usage = re.escape(f"Write {name}(")
    assert not fault(functools.partial(tx.replace, bogus=1.0), f"^{name} has no argument 'bogus'.*{usage}")
    for argument, parameter in tx.form.signature.parameters.items():
        if parameter.default is parameter.empty and argument != tx.form.variadic:
            others = {key: value for key, value in tx.arguments.items() if key != argument}
            assert not fault(functools.partial(tx.form.make, **others), f"^{name}: missing a required argument: '{argument}'. {usage}")
    assert not fault(lambda: tx.bogus, f"^{name} has no argument 'bogus'.* It has: ")
    assert not fault(
        functools.partial(setattr, tx, "bogus", 1.0), rf"^{name}\(...\) is a value and cannot be changed; write tx = tx.replace\("
    )
    part = label(tx.transformations[0] if tx.form.composes else tx)
    twice = functools.partial(gx.chain, tx, gx.named(f"{part}_2", gx.identity()), gx.named(part, gx.identity()))
    assert not fault(twice, rf"^chain: 2 parts would be called '{part}_2' in the state. Give named\(...\) a name that no other part has")


RATE, DECAYED = gx.scale_by_learning_rate(0.1), gx.add_decayed_weights(0.1, "w")
TWO_RATES = r"^chain: part 2 gives a learning rate, \w+\(...\), behind that of part 1, \w+\(...\): .*Keep one of the two, and scale\(c\)"
BEHIND = r"^chain: part 2, \w+\(...\), stands behind the learning rate of part 1, \w+\(...\), .*Put it before: "

NOT_FIRST = r"^chain: part \d, sam\(...\), has to stand first: .* part 1, \w+\(...\), does before it is lost. Write chain\(sam\(...\), "
NOT_LAST = r"^chain: part \d, \w+\(...\), stands behind part \d, \w+\(...\), which has to stand last: .*"
MENDED = r"nothing may change them. (Leave \w+\(...\) out|Put it into what that wraps: \w+\(chain)"
EARLY = r"^chain: part 1, \w+\(...\), stands before the learning rate of part 2, \w+\(...\), .*Put it behind: chain"


def has_learning_rate(tx):
    nested = (inner for _, inner in tx.children() if isinstance(inner, gx.GradientTransformation))
    return tx.form.kinds.get("learning_rate") == gx.sgd.form.kinds["learning_rate"] or any(map(has_learning_rate, nested))


WRAPS = {
    "bare": lambda part: part,
    "chain": gx.chain,
    "skip_nonfinite": gx.skip_nonfinite,
    "freeze": lambda part: gx.freeze("s", part),
    "named": lambda part: gx.named("mine", part),
}


@every_row
@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_a_chain_has_one_learning_rate_and_decay_comes_before_it(name, wrap):
    tx, rated = wrap(subject(name).tx), has_learning_rate(subject(name).tx)
    for other in (RATE, gx.adam(0.1)):
        behind, before = functools.partial(gx.chain, tx, wrap(other)), functools.partial(gx.chain, gx.chain(wrap(other)), tx)
        early = name in DOWNHILL
        assert fault(behind, EARLY if early else TWO_RATES) == (None if rated or early else "accepted")
        refused = BEHIND if name in UPHILL else NOT_FIRST if name == "sam" else TWO_RATES
        assert fault(before, refused) == (None if rated or name in UPHILL or name == "sam" else "accepted")
    assert fault(functools.partial(gx.chain, tx, wrap(DECAYED)), BEHIND) == (None if rated else "accepted")


@every_row
@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_what_has_to_stand_first_or_last_does(name, wrap):
    tx = wrap(subject(name).tx)
    for others in ((DECAYED, tx), (gx.trace(0.9), tx)):
        assert fault(functools.partial(gx.chain, gx.clip(1.0), *others), NOT_FIRST) == (None if name == "sam" else "accepted")
    for others in ((tx, gx.clip(1.0)), (tx, wrap(gx.scale(0.5)))):
        assert fault(functools.partial(gx.chain, *others), NOT_LAST, MENDED) == (None if name in LAST else "accepted")
    watched = gx.observe("norm", gx.update_norm)
    assert len(gx.chain(watched, gx.identity(), tx, gx.named("seen", watched), gx.named("none", gx.chain())).transformations) >= 5


def test_parts_of_your_own_count_by_their_annotation():
    @gx.transformation
    def halved(learning_rate: gx.LearningRate | None = None):
        return gx.stateless(lambda updates: updates)

    @gx.transformation(uphill=True)
    def ridge(penalty: gx.NonNegative):
        return gx.stateless(lambda updates, params: jax.tree.map(jnp.add, updates, params))

    assert not fault(lambda: gx.chain(halved(0.5), RATE), TWO_RATES)
    assert not fault(lambda: gx.chain(gx.sgd(0.1), ridge(0.1)), "^chain: part 2, ridge")
    assert gx.chain(ridge(0.1), gx.sgd(0.1)).transformations[0] == ridge(0.1)


def equations(tx, params):
    return str(jax.make_jaxpr(lambda *given: tx.update(*given, params, value_fn=loss, value=1.0))(GRADS, tx.init(PARAMS)))


@every_row
def test_checks_cost_no_equation(name, monkeypatch):
    tx = subject(name).trained()
    checked = [equations(tx, params) for params in (PARAMS, *(() if name in NEED_PARAMS else (None,)))]
    skipped = []

    def skips(module, attribute, result=None):
        monkeypatch.setattr(module, attribute, lambda *_, **__: skipped.append(attribute) or result)

    for module, attribute in ((contract, "check_extras"), (contract, "check_step"), (contract, "check_entries"), (run, "_check_updates")):
        skips(module, attribute)
    skips(trees.Boundary, "_check_leaf")
    assert [equations(tx, params) for params in (PARAMS, *(() if name in NEED_PARAMS else (None,)))] == checked
    assert set(skipped) >= {"check_extras", "check_step", "check_entries", "_check_leaf"}
