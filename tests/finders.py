"""Which law finds which published defect of Optax: a case and a law for each, and what no law of the kit looks at."""

from typing import Any

import optax
from optax import contrib

from gradtx.testing import Case
from tests.optax_cases import named
from tests.published_defects import DEVIATIONS
from tests.surveyed import case_of, row_of


def of_row(name: str, **changes: Any) -> Case:
    return case_of(row_of(name), **changes)


def on_the_usual_tree(name: str, **arguments: Any) -> Case:
    """A factory whose row has a tree of its own, without it."""
    return Case(named(name), arguments, name=name)


def micro_batches(learning_rate: float) -> Any:
    return optax.MultiSteps(optax.sgd(learning_rate), 2).gradient_transformation()


def centered(learning_rate: float) -> Any:
    return optax.rmsprop(learning_rate, centered=True)


def schedule_free(learning_rate: Any) -> Any:
    return contrib.schedule_free(optax.sgd(learning_rate), learning_rate)


def from_its_paper(name: str) -> Case:
    (deviation,) = (deviation for deviation in DEVIATIONS if deviation.row == name)
    return Case(deviation.optimizer, reference=deviation.paper, name=name)


FINDERS: dict[str, tuple[Case, str]] = {
    "D1": (
        Case(micro_batches, {"learning_rate": 0.1}, survives="all", name="MultiSteps"),
        "a_nonfinite_gradient_reaches_no_further_than_stated",
    ),
    "D2": (of_row("inject_hyperparams"), "zero_gradients_do_no_harm"),
    "D3": (of_row("adam"), "state_keeps_its_types"),
    "D4": (of_row("contrib.prodigy"), "init_aliases_nothing"),
    "D5": (of_row("contrib.differentially_private_aggregate"), "donation_works"),
    "D6": (Case(centered, {"learning_rate": 0.01}, name="rmsprop"), "constant_gradients_do_no_harm"),
    "D7": (of_row("radam"), "hypergradients_are_finite"),
    "D8": (of_row("adam"), "hypergradients_are_finite"),
    "D9": (of_row("contrib.prodigy"), "zero_gradients_do_no_harm"),
    "D10": (of_row("adam"), "zero_gradients_do_no_harm"),
    "D11": (of_row("adam"), "huge_gradients_pass"),
    "D12": (of_row("adam"), "other_shapes_are_refused"),
    "D13": (of_row("adam"), "untrained_leaves_are_left_alone"),
    "D14": (of_row("adam"), "sharded_equals_unsharded"),
    "D15": (of_row("contrib.prodigy"), "explicit_meshes_work"),
    "D16": (on_the_usual_tree("scale_by_distance_over_gradients"), "updates_have_the_types_of_gradients"),
    "D17": (of_row("monitor"), "scan_works"),
    "D18": (of_row("lbfgs"), "state_has_no_weak_types"),
    "D19": (on_the_usual_tree("contrib.scale_by_muon"), "every_kind_of_tree"),
    "D20": (of_row("contrib.sam"), "customary_extras_may_be_passed"),
    "D21": (Case(schedule_free, {"learning_rate": 0.1}, name="contrib.schedule_free"), "schedules_see_every_step_once"),
    "D22": (of_row("contrib.madgrad"), "step_counts_stop_at_the_end"),
    "D23": (on_the_usual_tree("sm3", learning_rate=0.1), "every_kind_of_tree"),
    "D24": (of_row("contrib.dadapt_adamw"), "complex_equals_real_and_imaginary_parts"),
    "D25": (of_row("novograd"), "missing_parameters_are_named"),
    "D26": (of_row("MultiSteps", law="every_number_can_be_traced"), "every_number_can_be_traced"),
    "D27": (of_row("clip_by_global_norm"), "no_false_alarm_of_nan_checking"),
    "D28": (of_row("normalize_by_update_norm"), "mixed_dtypes_keep_their_own"),
    "rprop": (from_its_paper("rprop"), "trajectory_is_the_references"),
    "adan": (from_its_paper("adan"), "trajectory_is_the_references"),
}
"""The case and the law that it breaks."""
