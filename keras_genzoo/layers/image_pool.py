"""A pool of generated images, from which a discriminator sees older ones too."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops

from keras_genzoo.core.replicas import gather_global_batch, place_in_global_batch
from keras_genzoo.core.validation import check_image_shape, check_positive_int
from keras_genzoo.layers.noise import Noise


@keras.saving.register_keras_serializable("keras_genzoo")
class ImagePool(keras.layers.Layer):
    """Keeps images, and answers with older ones half of the time.

    Until the pool is full, every image is kept and also returned. Then each image takes, with a
    probability of ½, the place of a random one in the pool, which is returned in its stead; or it
    is returned itself. Images of a batch come one after the other, also if several replicas share
    it: they have one pool. What the pool holds is saved with the model.

    Args:
        image_shape: `(height, width, channels)`.
        size: The number of images in the pool.
        seed: An integer, or `None` for a random seed that follows `keras.utils.set_random_seed`.
        **kwargs: Passed to Keras.

    Reference: Shrivastava et al., Learning from Simulated and Unsupervised Images through
    Adversarial Training, CVPR 2017; with 50 images in Zhu et al., Unpaired Image-to-Image
    Translation using Cycle-Consistent Adversarial Networks, ICCV 2017.
    """

    def __init__(
        self, image_shape: Sequence[int], size: int = 50, seed: int | None = None, **kwargs
    ):
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        self.image_shape = check_image_shape(image_shape)
        self.size = check_positive_int(size, "size")
        self.noise = Noise(seed)
        options = {"initializer": "zeros", "trainable": False, "aggregation": "only_first_replica"}
        self.images = self.add_weight(name="images", shape=(size, *self.image_shape), **options)
        self.count = self.add_weight(name="count", shape=(), dtype="int32", **options)
        self.built = True

    def call(self, images):
        size = ops.shape(images)[0]
        draws = gather_global_batch(self.noise.uniform((size, 2)))
        offset, total = place_in_global_batch(size)
        arriving = gather_global_batch(images)
        pool, count = tf.convert_to_tensor(self.images), tf.convert_to_tensor(self.count)

        place = tf.range(total)  # of an image in the batch
        fills = count + place < self.size
        swaps = ~fills & (draws[:, 0] < 0.5)
        drawn = tf.minimum(tf.cast(draws[:, 1] * self.size, tf.int32), self.size - 1)
        slot = tf.where(fills, count + place, tf.where(swaps, drawn, -1))  # -1 stays outside

        # An image is exchanged for the one that an earlier image of the batch has left there.
        same = (slot[:, None] == slot[None]) & (place[None] < place[:, None])
        earlier = tf.reduce_max(tf.where(same, place[None], -1), axis=1)
        found = tf.where(earlier < 0, slot, self.size + earlier)
        known = tf.concat([pool, arriving], axis=0)
        returned = tf.gather(known, tf.where(swaps, found, self.size + place))

        last = tf.where(slot[None] == tf.range(self.size)[:, None], place[None], -1)
        last = tf.reduce_max(last, axis=1)
        kept = tf.where(last < 0, tf.range(self.size), self.size + last)
        self.images.assign(tf.gather(known, kept))
        self.count.assign(tf.minimum(count + total, self.size))
        return returned if total is size else returned[offset : offset + size]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = {"image_shape": self.image_shape, "size": self.size, "seed": self.noise.seed}
        return {**super().get_config(), **config}
