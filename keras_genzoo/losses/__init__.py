"""Adversarial losses, losses of content, gradient penalties and divergences."""

from keras_genzoo.losses.adversarial import (
    AdversarialLoss,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Wasserstein,
    get,
)
from keras_genzoo.losses.content import FeatureLoss, feature_matching, l1, l2
from keras_genzoo.losses.content import get as get_content
from keras_genzoo.losses.divergences import bernoulli_kl, gaussian_kl
from keras_genzoo.losses.gradient_penalty import GradientPenalty
from keras_genzoo.losses.gradient_penalty import get as get_penalty

__all__ = [
    "AdversarialLoss",
    "FeatureLoss",
    "GradientPenalty",
    "Hinge",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "Wasserstein",
    "bernoulli_kl",
    "feature_matching",
    "gaussian_kl",
    "get",
    "get_content",
    "get_penalty",
    "l1",
    "l2",
]
