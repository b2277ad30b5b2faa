"""Known pixels of an image with holes."""

import keras


@keras.saving.register_keras_serializable("keras_genzoo")
class KeepKnown(keras.layers.Layer):
    """Puts the known pixels of an image with holes into a filled image.

    Call it on `[masked, filled]`. `masked` is an image with its mask as the last channel, 1 where a
    pixel is known and 0 in a hole, `(batch, height, width, channels + 1)`, and `filled` is an image
    `(batch, height, width, channels)`. A mask between 0 and 1 blends the two.

    Args:
        **kwargs: `name` and `dtype`, as in Keras.

    Example:
    ```python
    masked = np.array([[[[0.3, 1.0], [0.5, 0.0]]]], "float32")
    image = genzoo.layers.KeepKnown()([masked, np.full((1, 1, 2, 1), 0.9)])  # 0.3 and 0.9
    ```
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.input_spec = [keras.layers.InputSpec(ndim=4)] * 2

    def call(self, inputs):
        masked, filled = inputs
        masked = keras.ops.clip(masked, 0, 1)  # so that the result stays in [0, 1], as `filled`
        known, mask = masked[..., :-1], masked[..., -1:]
        return mask * known + (1 - mask) * filled

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[1])
