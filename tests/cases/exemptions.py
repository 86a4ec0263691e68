"""The reasons why a factory is exempt from a law, each written once."""

FUNCTIONS = "its arguments are functions, which no data can name"
WHOLE_LEAF = "it measures or chooses leaves as wholes"
KEYED = "each leaf has random numbers of its own, by its path"
BY_NAME = "it chooses leaves by their names"
BY_SHAPE = "it chooses leaves by their shape, which is that of the whole stack there"
PER_LAYER = "what it counts once for all leaves it counts for each layer"
PATTERN = "its pattern over paths matches no leaf there, which is an error"
MEANS = "the mean over an axis that is sharded needs the sums of all shards, one for each output"
HALF = "its moments are kept in half precision, as was asked"
MAXIMA = "the largest number over an axis that is sharded needs that of every shard, one for each output"
UNIT_NORMS = "the norm over an axis that is sharded needs the squares of all shards, one for each output"
DENSE = "it solves with the whole Hessian, which every device needs"
CURVATURE = "its curvature is measured in the precision of the parameters"
ITS_STEPS = "each branch runs at its own steps only"
OWN_STEPS = "what it wraps counts steps of its own, fewer than the optimizer's"
ANY_EXTRA = "another library's part may take extras under any name"


def functions(*laws: str) -> dict[str, str]:
    return dict.fromkeys(("specs_round_trip", *laws), FUNCTIONS)


def draws() -> dict[str, str]:
    return dict.fromkeys(("arranging_leaves_changes_nothing", "splitting_a_leaf_changes_nothing"), KEYED)


def whole_leaf() -> dict[str, str]:
    return {"splitting_a_leaf_changes_nothing": WHOLE_LEAF}


def by_shape() -> dict[str, str]:
    return {"stacked_layers_equal_a_loop": BY_SHAPE}


LOSS = ("value_fn",)
SECOND_ORDER = {"small_steps_add_up": CURVATURE}
HESSIAN = SECOND_ORDER | dict.fromkeys(("no_leaf_is_gathered", "explicit_meshes_work"), DENSE)
FROZEN = {
    "every_kind_of_tree": PATTERN,
    "arranging_leaves_changes_nothing": BY_NAME,
}
