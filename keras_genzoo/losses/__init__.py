"""Adversarial losses, gradient penalties and divergences."""

from keras_genzoo.losses.adversarial import (
    AdversarialLoss,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Wasserstein,
    get,
)
from keras_genzoo.losses.divergences import bernoulli_kl, gaussian_kl
from keras_genzoo.losses.gradient_penalty import GradientPenalty
from keras_genzoo.losses.gradient_penalty import get as get_penalty

__all__ = [
    "AdversarialLoss",
    "GradientPenalty",
    "Hinge",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "Wasserstein",
    "bernoulli_kl",
    "gaussian_kl",
    "get",
    "get_penalty",
]
