"""How every picture looks: one colour and one line style for each method, in the palette of Okabe and Ito."""

import matplotlib

matplotlib.use("Agg")

COLORS = {
    "random search": "#7f7f7f",
    "SGD": "#000000",
    "momentum": "#E69F00",
    "Nesterov": "#0072B2",
    "AdaGrad": "#CC79A7",
    "RMSProp": "#009E73",
    "Adam": "#D55E00",
    "Newton-CG": "#56B4E9",
}
DASHES = {
    "random search": (0, (1, 1)),
    "SGD": "solid",
    "momentum": (0, (5, 1.5)),
    "Nesterov": "solid",
    "AdaGrad": (0, (5, 1.5)),
    "RMSProp": (0, (3, 1, 1, 1)),
    "Adam": "solid",
    "Newton-CG": (0, (1, 1)),
}
MARKERS = {
    "random search": "x",
    "SGD": "o",
    "momentum": "s",
    "Nesterov": "D",
    "AdaGrad": "s",
    "RMSProp": "D",
    "Adam": "o",
    "Newton-CG": "^",
}

matplotlib.rcParams.update(
    {
        "figure.constrained_layout.use": True,
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "savefig.dpi": 110,
    }
)
