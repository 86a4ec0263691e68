"""Methods that move each element by its own past alone."""

import numpy as np
