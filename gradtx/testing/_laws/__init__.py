"""The laws, in the order in which reports list them."""

from gradtx.testing._laws import running as running  # isort: skip
from gradtx.testing._laws import meaning as meaning  # isort: skip
from gradtx.testing._laws import types as types  # isort: skip
from gradtx.testing._laws import trees as trees  # isort: skip
from gradtx.testing._laws import extremes as extremes  # isort: skip
from gradtx.testing._laws import sweeping as sweeping  # isort: skip
from gradtx.testing._laws import values as values  # isort: skip
from gradtx.testing._laws import sharding as sharding  # isort: skip
