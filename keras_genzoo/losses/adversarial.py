"""What the two players of a GAN minimise.

Scores are the discriminator's raw outputs (logits; the critic's values for Wasserstein), shape
(batch,), float32. Every loss has two methods that give one number an example:
`discriminator_loss(real_scores, fake_scores)` and `generator_loss(fake_scores)`.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import ops

from keras_genzoo.naming import resolve


class AdversarialLoss:
    """Base of the losses; a loss of one's own needs the two methods and, to be saved, a config.

    Attributes:
        boundary: The score of an undecided discriminator; None for a critic, which has none.
    """

    boundary: float | None = 0.0

    def discriminator_loss(self, real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
        """What the discriminator minimises, shape (batch,)."""
        raise NotImplementedError

    def generator_loss(self, fake_scores: tf.Tensor) -> tf.Tensor:
        """What the generator minimises, shape (batch,)."""
        raise NotImplementedError

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict) -> AdversarialLoss:
        """The loss of a config."""
        return cls(**config)


@keras.saving.register_keras_serializable("keras_genzoo")
class Minimax(AdversarialLoss):
    """The zero-sum game, D(x) = sigmoid(score).

    Discriminator: -log D(x) - log(1 - D(G(z))). Generator: log(1 - D(G(z))).

    Args:
        label_smoothing: One-sided: real examples have the target `1 - label_smoothing`, the
            discriminator's first term is then cross-entropy with that target. In [0, 1).

    Reference: Goodfellow et al., Generative Adversarial Nets, NeurIPS 2014; smoothing: Salimans
    et al., Improved Techniques for Training GANs, NeurIPS 2016.
    """

    def __init__(self, label_smoothing: float = 0.0):
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"`label_smoothing` must lie in [0, 1). Received: label_smoothing={label_smoothing}"
            )
        self.label_smoothing = label_smoothing

    def discriminator_loss(self, real_scores, fake_scores):
        # Cross-entropy of a logit s with the target t is softplus(s) - t s.
        real = ops.softplus(-real_scores) + self.label_smoothing * real_scores
        return real + ops.softplus(fake_scores)

    def generator_loss(self, fake_scores):
        return -ops.softplus(fake_scores)

    def get_config(self):
        return {"label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("keras_genzoo")
class NonSaturating(Minimax):
    """As `Minimax`, but the generator minimises -log D(G(z)), which does not saturate.

    Reference: Goodfellow et al., Generative Adversarial Nets, NeurIPS 2014, section 3.
    """

    def generator_loss(self, fake_scores):
        return ops.softplus(-fake_scores)


@keras.saving.register_keras_serializable("keras_genzoo")
class LeastSquares(AdversarialLoss):
    """Discriminator: ½ (s(x) - 1)² + ½ s(G(z))². Generator: ½ (s(G(z)) - 1)².

    Reference: Mao et al., Least Squares Generative Adversarial Networks, ICCV 2017, eq. 9.
    """

    boundary = 0.5

    def discriminator_loss(self, real_scores, fake_scores):
        return 0.5 * (ops.square(real_scores - 1) + ops.square(fake_scores))

    def generator_loss(self, fake_scores):
        return 0.5 * ops.square(fake_scores - 1)


@keras.saving.register_keras_serializable("keras_genzoo")
class Hinge(AdversarialLoss):
    """Discriminator: max(0, 1 - s(x)) + max(0, 1 + s(G(z))). Generator: -s(G(z)).

    Reference: Lim & Ye, Geometric GAN, 2017; Miyato et al., Spectral Normalization, ICLR 2018.
    """

    def discriminator_loss(self, real_scores, fake_scores):
        return ops.relu(1 - real_scores) + ops.relu(1 + fake_scores)

    def generator_loss(self, fake_scores):
        return -fake_scores


@keras.saving.register_keras_serializable("keras_genzoo")
class Wasserstein(AdversarialLoss):
    """Critic: s(G(z)) - s(x). Generator: -s(G(z)).

    The critic's loss is minus its estimate of the Wasserstein distance. It needs a critic that is
    held Lipschitz: by clipped weights (`WGAN`) or a gradient penalty (`WGANGP`).

    Reference: Arjovsky, Chintala & Bottou, Wasserstein GAN, ICML 2017.
    """

    boundary = None

    def discriminator_loss(self, real_scores, fake_scores):
        return fake_scores - real_scores

    def generator_loss(self, fake_scores):
        return -fake_scores


_KNOWN = {
    "minimax": Minimax,
    "non_saturating": NonSaturating,
    "least_squares": LeastSquares,
    "hinge": Hinge,
    "wasserstein": Wasserstein,
}


def get(identifier: str | AdversarialLoss) -> AdversarialLoss:
    """The loss of a name, or the object itself.

    Example:
    ```python
    loss = genzoo.losses.get("hinge")
    ```
    """
    return resolve("loss", identifier, _KNOWN, ("discriminator_loss", "generator_loss"))
