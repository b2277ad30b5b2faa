"""Losses that the discriminator and the generator of a GAN minimise.

Every loss has two methods, `discriminator_loss(real_scores, fake_scores)` and
`generator_loss(fake_scores)`. Scores are the discriminator's raw outputs, float32 `(batch,)`:
logits, or the critic's values for a Wasserstein loss. Both methods return one number per example,
`(batch,)`.

The formulas below write s(x) for the score of real data x, and s(G(z)) for that of generated data.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import ops

from keras_genzoo.core.annealing import Annealed, stored_value
from keras_genzoo.core.validation import resolve


class AdversarialLoss:
    """Base class of the adversarial losses.

    A subclass implements `discriminator_loss` and `generator_loss`. For models with this loss to be
    saved, it also implements `get_config` if its constructor has arguments, and is registered with
    `keras.saving.register_keras_serializable`.

    Attributes:
        boundary: The score of a discriminator that cannot tell whether an example is real. None for
            a Wasserstein loss, whose scores have no such boundary.
        takes_raw_outputs: Whether scores may be any number, so that a discriminator that ends in a
            sigmoid or tanh is an error. It is not one for least squares, whose targets are 0 and 1,
            or for a loss that does not say.
    """

    boundary: float | None = 0.0
    takes_raw_outputs: bool = False

    def discriminator_loss(self, real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
        """Returns the discriminator's loss of each example, `(batch,)`.

        Args:
            real_scores: The scores of real data, `(batch,)`.
            fake_scores: The scores of generated data, `(batch,)`.
        """
        raise NotImplementedError

    def generator_loss(self, fake_scores: tf.Tensor) -> tf.Tensor:
        """Returns the generator's loss of each example, `(batch,)`.

        Args:
            fake_scores: The scores of generated data, `(batch,)`.
        """
        raise NotImplementedError

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict) -> AdversarialLoss:
        """Creates a loss from its config."""
        return cls(**keras.saving.deserialize_keras_object(config))


@keras.saving.register_keras_serializable("keras_genzoo")
class Minimax(AdversarialLoss):
    """The losses of the original GAN, a zero-sum game, with D(x) = sigmoid(s(x)).

    Discriminator: -log D(x) - log(1 - D(G(z))). Generator: log(1 - D(G(z))).

    Args:
        label_smoothing: One-sided label smoothing, in [0, 1). The first term of the discriminator's
            loss becomes the cross-entropy with the target `1 - label_smoothing`. The target of
            generated examples stays 0.

    Reference: Goodfellow et al., Generative Adversarial Nets, NeurIPS 2014; smoothing: Salimans
    et al., Improved Techniques for Training GANs, NeurIPS 2016.
    """

    takes_raw_outputs = True

    label_smoothing = Annealed("[0, 1)")

    def __init__(self, label_smoothing: float = 0.0):
        self.label_smoothing = label_smoothing

    @property
    def boundary(self):
        """The score s of an undecided discriminator: real data and fakes have the same density.

        It minimises softplus(-s) + ε s + softplus(s); there sigmoid(s) = (1 - ε) / 2.
        """
        boundary = ops.log1p(-self.label_smoothing) - ops.log1p(self.label_smoothing)
        return float(boundary) if tf.executing_eagerly() else boundary

    def discriminator_loss(self, real_scores, fake_scores):
        # The cross-entropy of a logit s with a target t is softplus(s) - t s.
        real = ops.softplus(-real_scores) + self.label_smoothing * real_scores
        return real + ops.softplus(fake_scores)

    def generator_loss(self, fake_scores):
        return -ops.softplus(fake_scores)

    def get_config(self):
        return {"label_smoothing": stored_value(self, "label_smoothing")}


@keras.saving.register_keras_serializable("keras_genzoo")
class NonSaturating(Minimax):
    """The losses of the original GAN with a generator's loss that does not saturate.

    Discriminator: -log D(x) - log(1 - D(G(z))). Generator: -log D(G(z)), whose gradient does not
    vanish when the discriminator recognises generated data with certainty.

    Args:
        label_smoothing: One-sided label smoothing, in [0, 1), as for `Minimax`.

    Reference: Goodfellow et al., Generative Adversarial Nets, NeurIPS 2014, section 3.
    """

    def generator_loss(self, fake_scores):
        return ops.softplus(-fake_scores)


@keras.saving.register_keras_serializable("keras_genzoo")
class LeastSquares(AdversarialLoss):
    """The losses of the least-squares GAN.

    Discriminator: ½ (s(x) - 1)² + ½ s(G(z))². Generator: ½ (s(G(z)) - 1)².

    Reference: Mao et al., Least Squares Generative Adversarial Networks, ICCV 2017, eq. 9.
    """

    boundary = 0.5

    def discriminator_loss(self, real_scores, fake_scores):
        return 0.5 * (ops.square(real_scores - 1) + ops.square(fake_scores))

    def generator_loss(self, fake_scores):
        return 0.5 * ops.square(fake_scores - 1)


@keras.saving.register_keras_serializable("keras_genzoo")
class Hinge(AdversarialLoss):
    """The hinge losses.

    Discriminator: max(0, 1 - s(x)) + max(0, 1 + s(G(z))). Generator: -s(G(z)).

    Reference: Lim & Ye, Geometric GAN, 2017; Miyato et al., Spectral Normalization, ICLR 2018.
    """

    takes_raw_outputs = True

    def discriminator_loss(self, real_scores, fake_scores):
        return ops.relu(1 - real_scores) + ops.relu(1 + fake_scores)

    def generator_loss(self, fake_scores):
        return -fake_scores


@keras.saving.register_keras_serializable("keras_genzoo")
class Wasserstein(AdversarialLoss):
    """The losses of the Wasserstein GAN.

    Critic: s(G(z)) - s(x). Generator: -s(G(z)).

    The critic's loss is the negative of its estimate of the Wasserstein distance. The estimate is
    valid only if the critic is Lipschitz continuous, which clipped weights (`WGAN`) or a gradient
    penalty (`WGANGP`) enforce.

    Reference: Arjovsky, Chintala & Bottou, Wasserstein GAN, ICML 2017.
    """

    boundary = None
    takes_raw_outputs = True

    def discriminator_loss(self, real_scores, fake_scores):
        return fake_scores - real_scores

    def generator_loss(self, fake_scores):
        return -fake_scores


_LOSSES = {
    "minimax": Minimax,
    "non_saturating": NonSaturating,
    "least_squares": LeastSquares,
    "hinge": Hinge,
    "wasserstein": Wasserstein,
}


def get(identifier: str | AdversarialLoss) -> AdversarialLoss:
    """Returns the loss with a given name, or the object itself.

    Args:
        identifier: `"minimax"`, `"non_saturating"`, `"least_squares"`, `"hinge"`, `"wasserstein"`,
            or an object with the methods `discriminator_loss` and `generator_loss`.

    Raises:
        ValueError: If `identifier` is neither a known name nor such an object.

    Example:
    ```python
    loss = genzoo.losses.get("hinge")
    ```
    """
    return resolve("loss", identifier, _LOSSES, ("discriminator_loss", "generator_loss"))
