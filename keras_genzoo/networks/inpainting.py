"""Networks that fill holes in images."""

import keras

from keras_genzoo.layers.keep_known import KeepKnown


def keep_known(generator: keras.Model) -> keras.Model:
    """Makes a generator fill holes alone: the known pixels of its source come back exactly.

    The source is an image with its mask as the last channel, 1 where a pixel is known and 0 in a
    hole, as `genzoo.data.sources.masked` makes it.

    Args:
        generator: A functional Keras model that maps such images `(batch, height, width,
            channels + 1)`, or `[images, latents]`, to `(batch, height, width, channels)`.

    Returns:
        A model of the same inputs and outputs, which shares its layers with `generator`.

    Raises:
        ValueError: If the generator is not such a model.

    Example:
    ```python
    photos = np.random.default_rng(0).random((16, 32, 32, 3), "float32")
    unet = genzoo.networks.unet_generator((32, 32, 4), 3)
    model = genzoo.Pix2Pix((32, 32, 4), (32, 32, 3), generator=genzoo.networks.keep_known(unet))
    model.compile()
    model.fit(genzoo.data.pairs(photos, "masked", batch_size=8), epochs=1, verbose=0)
    masked = genzoo.data.sources.masked()(photos[0])
    filled = model.translate(masked[None])
    ```
    """
    inputs = getattr(generator, "inputs", None)
    output = getattr(generator, "output", None)
    shapes = [tuple(x.shape) for x in (*(inputs or []), output) if x is not None]
    channels = [shape[-1] for shape in (shapes[0], shapes[-1])] if len(shapes) > 1 else []
    if len(channels) != 2 or channels[0] != channels[1] + 1:
        received = f"inputs and output of shapes {shapes}" if shapes else repr(generator)
        raise ValueError(
            "`generator` must be a functional Keras model that maps images of one more channel, "
            f"the mask, to images. Received: {received}"
        )
    source = inputs[0]
    # In float32 also if the rest is of half precision.
    result = KeepKnown(dtype="float32", name="keep_known")([source, output])
    return keras.Model(inputs if len(inputs) > 1 else source, result, name=generator.name)
