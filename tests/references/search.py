"""Methods that ask for values of the function alone."""


def random_search(x, draws, value):
    """Spall 2003, "Introduction to Stochastic Search and Optimization" (Wiley), section 2.2, algorithm B.

    The draws are given, as gradients are elsewhere: each is a step, kept if the function is smaller there.
    """
    for draw in draws:
        if value(x + draw) < value(x):
            x = x + draw
        yield x
