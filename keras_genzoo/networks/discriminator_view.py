"""The view that a discriminator has of its data: augmented, and packed or in pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from keras_genzoo.layers.discrimination import split_into_groups


class DiscriminatorView:
    """Augments data and packs several examples together before a discriminator sees them.

    Args:
        data_shape: The shape of one example, channels last.
        packing: The number of examples in a pack (PacGAN), which lie side by side in the last axis.
            A pack of images has `packing * channels` channels.
        augmentation: A layer that keeps the shape of its input, or `None`. It is applied in
            training only.

    Reference: Lin et al., PacGAN: The power of two samples in generative adversarial networks,
    NeurIPS 2018.
    """

    def __init__(
        self, data_shape: Sequence[int], packing: int = 1, augmentation: Callable | None = None
    ):
        self.data_shape, self.packing, self.augmentation = data_shape, packing, augmentation

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one pack."""
        *sizes, channels = self.data_shape
        return (*sizes, self.packing * channels)

    @property
    def label_shape(self) -> tuple[int, ...]:
        """The shape of the labels of one pack."""
        return () if self.packing == 1 else (self.packing,)

    @property
    def adapts(self) -> bool:
        """True if the strength of the augmentation follows the scores of real data."""
        # Layers of Keras, such as Normalization, have a different `adapt` and no `strength`.
        return hasattr(self.augmentation, "adapt") and hasattr(self.augmentation, "strength")

    @property
    def strength(self) -> tf.Tensor | None:
        """The strength of an augmentation that adapts, or `None` for any other."""
        return self.augmentation.strength if self.adapts else None

    def adapt(self, real_scores: tf.Tensor, boundary: float) -> None:
        """Updates the strength of an augmentation that adapts; does nothing for any other.

        Args:
            real_scores: The scores of the real data of one step, `(packs,)`.
            boundary: The score of a discriminator that cannot tell whether an example is real.
        """
        if self.adapts:
            # The augmentation expects one score per example, not per pack.
            self.augmentation.adapt(tf.repeat(real_scores, self.packing) - boundary)

    def __call__(self, data, labels=None, training=False):
        """Returns the inputs of the discriminator for real or generated data.

        Args:
            data: Real or generated data, `(batch, *data_shape)`.
            labels: Integer labels `(batch,)`, or `None`.
            training: True to augment the data.

        Returns:
            A pair of the data, float32 `(packs, *shape)`, and their labels, `(packs, *label_shape)`
            or `None`.
        """
        if self.augmentation is not None and training:
            data = tf.cast(self.augmentation(data, training=True), tf.float32)
        if self.packing == 1:
            return data, labels
        # (packs, packing, ..., channels) -> (packs, ..., packing * channels)
        packs = split_into_groups(data, self.packing)
        rank = len(self.data_shape)
        packs = tf.transpose(packs, [0, *range(2, 1 + rank), 1, 1 + rank])
        packs = tf.reshape(packs, (-1, *self.shape))
        return packs, None if labels is None else split_into_groups(labels, self.packing)


class PairView(DiscriminatorView):
    """Augments pairs of images, both alike, before a discriminator sees them.

    Args:
        source_shape: `(height, width, channels)`, or `None` if only targets are seen.
        target_shape: The same of the target.
        augmentation: A layer that keeps the shape of its input, or `None`. One with `takes_pairs`
            changes the images of a list alike. Any other is applied to both images side by side in
            the channels, which is alike for a layer that moves pixels.
    """

    def __init__(self, source_shape, target_shape, augmentation: Callable | None = None):
        *sizes, channels = target_shape
        self.source_channels = 0 if source_shape is None else source_shape[-1]
        super().__init__((*sizes, self.source_channels + channels), 1, augmentation)

    def __call__(self, source, target, training=False):
        """Returns source and target as the discriminator sees them, float32.

        Args:
            source: Images, or `None`.
            target: Real or generated images.
            training: True to augment them.
        """
        if self.augmentation is None or not training:
            return source, target
        if source is None:
            return None, super().__call__(target, training=True)[0]
        if getattr(self.augmentation, "takes_pairs", False):
            pair = self.augmentation([source, target], training=True)
            return tuple(tf.cast(images, tf.float32) for images in pair)
        images = tf.concat([source, target], axis=-1)
        images = tf.cast(self.augmentation(images, training=True), tf.float32)
        return images[..., : self.source_channels], images[..., self.source_channels :]
