"""What became of each leaf of a state."""

import dataclasses

CREATED_AT_PARAMETER = "as if the parameter had always been what it is: zeros would be averaged in with it"
CREATED_AT_MEAN = "at the mean of the slot, whose bias correction is past: zeros would make its first steps too long"
BEGUN_WITH_DIVISOR = "something that it may be divided by begins anew, and an old momentum over a new second moment is a step of any length"
BEGUN_WITH_ANOTHER = "a leaf with which it shares a bias correction has another statistic than before, and begins anew"
BEGUN_WITH_BASIS = "the basis that it is in begins anew"
BEGUN_WITH_SHARED = "what its leaves share differs between the places that they come from"
BEGUN_BEHIND_STEP = "its part takes it for as old as the step, so its first steps are longer than those of a new run"
BEGUN_WITH_LEAF = "another leaf of it begins anew, and would be divided by zero"


@dataclasses.dataclass(frozen=True)
class Move:
    """One leaf: its path now (None if it was dropped), its path before (None if it was created), and a note."""

    path: str | None
    source: str | None
    note: str = ""

    @property
    def outcome(self) -> str:
        return "dropped" if self.path is None else "created" if self.source is None else "carried"


@dataclasses.dataclass(frozen=True)
class Migration:
    """What was carried over to another optimizer, created and dropped, leaf by leaf. It prints as a table.

    `carried` maps paths in the new state to those in the old one; `created` and `dropped` are tuples of paths; `notes` says more
    about some of them.
    """

    moves: tuple[Move, ...]

    @property
    def carried(self) -> dict[str, str]:
        return {move.path: move.source for move in self.moves if move.path is not None and move.source is not None}

    @property
    def created(self) -> tuple[str, ...]:
        return tuple(move.path for move in self.moves if move.path is not None and move.source is None)

    @property
    def dropped(self) -> tuple[str, ...]:
        return tuple(move.source for move in self.moves if move.path is None and move.source is not None)

    @property
    def notes(self) -> dict[str, str]:
        return {move.path or move.source or "": move.note for move in self.moves if move.note}

    def __str__(self) -> str:
        lines = [f"{len(self.carried)} carried, {len(self.created)} created, {len(self.dropped)} dropped"]
        for move in self.moves:
            before = f"  (from {move.source})" if move.path is not None and move.source not in (None, move.path) else ""
            lines.append(f"  {move.outcome}  {move.path or move.source}{before}{f'  ({move.note})' if move.note else ''}")
        return "\n".join(lines)
