"""Where the state of an optimizer lies on many devices, and what a compiled step moves between them."""

from gradtx.sharding._collectives import Collective, collectives
from gradtx.sharding._layout import LeafLayout, layout
from gradtx.sharding._shardings import bytes_per_device, state_shardings

__all__ = ["Collective", "LeafLayout", "bytes_per_device", "collectives", "layout", "state_shardings"]
