"""The methods in float64 NumPy, each written from its paper for one array.

Every function is a generator: it takes the start `x`, the gradients of the steps and the paper's numbers, and yields `x` after each step.
The letters are the paper's. A docstring begins with the citation: authors and year, "short title" (arXiv id), place in the paper.
"""
