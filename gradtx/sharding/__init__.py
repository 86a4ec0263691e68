from gradtx.sharding._collectives import Collective, collectives
