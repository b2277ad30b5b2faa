"""Super-resolution by regression, and the images that all super-resolution learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from keras_genzoo import losses, networks
from keras_genzoo.core import validation
from keras_genzoo.core.fields import Images
from keras_genzoo.core.model import GenerativeModel
from keras_genzoo.core.moving_average import MovingAverage
from keras_genzoo.core.translating import Translating
from keras_genzoo.layers import BicubicDownsampling

SCALES = (2, 3, 4, 8)


class Enlarging(Translating):
    """The fields of a model that makes images larger, and its small images if there are none.

    `fit` and `evaluate` take pairs of small and large images, or large ones alone, which the step
    reduces by bicubic interpolation with antialiasing.
    """

    sole_field = "target"

    @staticmethod
    def enlarging_fields(source_shape: Sequence[int], scale: int) -> tuple[Images, Images]:
        """Returns the fields of small images and of those of `scale` times the size."""
        if isinstance(scale, bool) or scale not in SCALES:
            raise ValueError(f"`scale` must be one of {SCALES}. Received: scale={scale!r}")
        height, width, channels = validation.check_image_shape(source_shape, "source_shape")
        source = Images((height, width, channels), "source")
        return source, Images((scale * height, scale * width, channels), "target")

    def unpack(self, data):
        source, target = super().unpack(data)
        if source is None:
            source = BicubicDownsampling(self.scale)(target)
        return source, target


@keras.saving.register_keras_serializable("keras_genzoo")
class SuperResolution(Enlarging, GenerativeModel):
    """A network that makes images larger, trained for the least difference to the large ones.

    `fit(small, large)` takes pairs, and `fit(large)` reduces the large images itself. `translate`
    takes images of any size.

    Logs: `loss`, the content loss.

    Args:
        source_shape: `(height, width, channels)` of the small patches to train on.
        scale: 2, 3, 4 or 8, the factor of each side.
        network: A Keras model in place of `networks.edsr_generator`. It maps small images to images
            in [0, 1] of `scale` times the size.
        content_loss: `"l1"`, `"l2"`, or a function of `(target, translation)` that returns
            `(batch,)`, such as a `genzoo.losses.FeatureLoss`.
        ema_half_life: The number of examples after which a moving average of the weights has
            forgotten half of the old ones. `translate`, evaluation and export then use the average.
        **kwargs: `name`, as in Keras.

    Raises:
        ValueError: If an argument or the network's shape does not fit.

    Example:
    ```python
    patches = np.random.default_rng(0).random((16, 32, 32, 3), "float32")
    network = genzoo.networks.edsr_generator((16, 16, 3), 2, filters=16, blocks=2)
    model = genzoo.SuperResolution((16, 16, 3), scale=2, network=network)
    model.compile(metrics=[genzoo.metrics.PSNR()])
    model.fit(patches, batch_size=8, epochs=1, verbose=0)
    photo = np.random.default_rng(1).random((1, 40, 60, 3), "float32")
    large = model.translate(photo)          # (1, 80, 120, 3)
    ```

    Reference: Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient
    Sub-Pixel Convolutional Neural Network, CVPR 2016; Lim et al., Enhanced Deep Residual Networks
    for Single Image Super-Resolution, CVPR Workshops 2017. Differs from the papers: the network
    learns what to add to the bicubic interpolation, and the patches are used as they are, without
    flips and turns.
    """

    players = {"optimizer": ("network",)}
    directions = {"translate": ("network", "source", "target")}
    log_names = ("loss",)

    def __init__(
        self,
        source_shape: Sequence[int],
        scale: int = 4,
        *,
        network: keras.Model | None = None,
        content_loss: str | Callable = "l1",
        ema_half_life: float | None = None,
        **kwargs,
    ):
        source, target = self.enlarging_fields(source_shape, scale)
        super().__init__(source, target, **kwargs)
        self.source_shape, self.scale = source.shape, int(scale)
        self.content_loss = losses.get_content(content_loss)
        if isinstance(self.content_loss, losses.FeatureLoss):
            self.content_loss.check(target.shape)
        self.network = self.default_network() if network is None else network
        inputs = {"source": source.shape}
        validation.check_network(self.network, "network", inputs, target.shape)
        validation.warn_of_outputs_outside_unit(network, "network", inputs)
        self.ema_half_life, self.average = ema_half_life, None
        if ema_half_life is not None:
            self.average = MovingAverage(self.network, ema_half_life, "network")

    def default_network(self) -> keras.Model:
        """Builds the default EDSR."""
        return networks.edsr_generator(self.source_shape, self.scale)

    def default_optimizers(self):
        return {"optimizer": keras.optimizers.Adam(1e-4, epsilon=1e-8)}

    def compile(
        self, optimizer: str | keras.optimizers.Optimizer | None = None, *others, **options
    ) -> None:
        """Configures training.

        Args:
            optimizer: Any Keras optimizer; Adam with learning rate 0.0001 by default.
            *others: Refused.
            **options: Keras's `metrics` (of large images and translations), `run_eagerly`,
                `steps_per_execution` and `jit_compile`.
        """
        super().compile(optimizer, *others, **options)

    @property
    def generated_field(self):
        """The large images, which the generative metrics compare with translations."""
        return self.field("target")

    def train_step(self, data):
        source, target = self.unpack(data)
        with tf.GradientTape() as tape:
            loss = self.content_loss(target, self.generate(source, None))
            objective = self.objective("optimizer", loss)
        self.update("optimizer", objective, tape)
        self.update_averages(source)
        return self.log(loss=loss)

    def test_step(self, data):
        source, target = self.unpack(data)
        large = self.generate(source, None, training=False)
        self.log(loss=self.content_loss(target, large))
        logs = self.compute_metrics(source, target, large)
        return logs | self.update_generative_metrics(target, large)
