"""What a strategy cannot do is said before training; what it does on each replica."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from contract.cases import CASES

import keras_genzoo as genzoo
from keras_genzoo import networks
from keras_genzoo.core.keras_internals import differ_by_replica


def make(strategy, name="Autoencoder", **options):
    with strategy.scope():
        return CASES[name].make(**options)


def test_batches_that_replicas_cannot_share_evenly(two_replicas, digits):
    x = digits[0][:75]
    model = make(two_replicas)
    match = r"must be a multiple of the 2 replicas.*Received: batches of 25"
    before = [variable.numpy() for variable in model.variables]
    for call in (
        lambda: model.fit(x, batch_size=25),
        lambda: model.fit(tf.data.Dataset.from_tensor_slices(x).batch(25)),
        lambda: model.fit(batch for batch in (x[:25], x[25:50])),
    ):
        with pytest.raises(ValueError, match=match):
            call()
    for a, b in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    model.evaluate(x, batch_size=25, verbose=0)  # changes nothing, and is right


def test_a_model_built_outside_the_scope(two_replicas, digits):
    model = CASES["Autoencoder"].make()
    with (
        two_replicas.scope(),
        pytest.raises(ValueError, match=r"built and compiled in the scope.*MirroredStrategy"),
    ):
        model.fit(digits[0][:64])


def test_other_scopes_are_refused_by_all(two_replicas, digits):
    outside, match = CASES["Autoencoder"].build(), r"built and compiled in the scope.*no strategy"
    with two_replicas.scope(), pytest.raises(ValueError, match=match):
        outside.compile()
    outside.compile()
    with two_replicas.scope(), pytest.raises(ValueError, match=match):
        outside.evaluate(digits[0][:64])


def test_a_second_strategy_in_one_process(two_replicas, digits):
    # As if a cell of a notebook that makes a strategy ran twice.
    def train(strategy, filters):
        with strategy.scope():
            parts = {
                "generator": networks.dcgan_generator((8, 8, 1), 4, filters=filters),
                "discriminator": networks.dcgan_discriminator((8, 8, 1), filters=filters),
            }
            model = genzoo.DCGAN((8, 8, 1), 4, **parts)
            model.compile()
        model.fit(digits[0][:16], batch_size=8, verbose=0)

    train(two_replicas, (4, 8))
    second, third = (tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]) for _ in range(2))
    train(second, (3, 5))
    with pytest.raises(ValueError, match="must be made once and used for all"):
        train(third, (2, 3))
    train(two_replicas, (6, 3))


def test_compiling_outside_the_scope(two_replicas, digits):
    with two_replicas.scope():
        model = CASES["Autoencoder"].build()
    with pytest.raises(ValueError, match=r"`optimizer` must be made in the scope.*Received"):
        model.compile(keras.optimizers.Adam())
    model.compile()  # with optimizers of its own
    model.fit(digits[0][:64], verbose=0)


@pytest.mark.parametrize("name", ["VAE", "GAN"])
def test_options_that_keras_lacks_under_a_strategy(two_replicas, name):
    with pytest.raises(ValueError, match=r"`steps_per_execution` must be 1.*Received: .*=2"):
        make(two_replicas, name, steps_per_execution=2)
    with pytest.raises(ValueError, match=r"`jit_compile` must be False.*Received: .*=True"):
        make(two_replicas, name, jit_compile=True)
    for value in (0, 1.5, "auto"):
        with pytest.raises(ValueError, match=r"`steps_per_execution` must be a positive integer"):
            CASES[name].make(steps_per_execution=value)


def test_a_replica_needs_an_example_for_each_step_of_its_critic(two_replicas, digits):
    model = make(two_replicas, "WGANGP")  # five steps
    with pytest.raises(ValueError, match=r"at least 10 examples.*Received: batches of 8"):
        model.fit(digits[0][:64], batch_size=8)


def test_half_precision_stops_at_losses():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        vae, gan = CASES["VAE"].build(), CASES["WGANGP"].build()
    finally:
        keras.config.set_dtype_policy("float32")
    x = tf.random.stateless_uniform((4, 8, 8, 1), (1, 2))
    loss, reconstruction, logs = vae.forward(x, None, x, training=True)
    scores = gan.score(x, None, training=True)
    penalty = gan.gradient_penalty(x, x, None, gan.noise, training=True)
    tensors = (loss, reconstruction, *logs.values(), scores, penalty)
    assert {tensor.dtype for tensor in tensors} == {tf.float32}
    assert vae.log_likelihood(x.numpy(), num_samples=2).dtype == "float32"
    assert vae.encoder(x).dtype == tf.float16  # what they are computed from


def on_replicas(strategy, function):
    values = strategy.experimental_local_results(strategy.run(tf.function(function)))
    return [np.asarray(value) for value in values]


@pytest.mark.parametrize("layer", [keras.layers.GaussianNoise(1.0), keras.layers.Dropout(0.5)])
def test_layers_of_keras_draw_other_noise_on_each_replica(two_replicas, layer):
    x = tf.ones((4, 8))
    with two_replicas.scope():
        keras.utils.set_random_seed(2)
        noisy = type(layer).from_config(layer.get_config())
        noisy.build((None, 8))
    alone = np.asarray(noisy(x, training=True))
    noisy.seed_generator.state.assign([noisy.seed_generator.state.numpy()[0], 0])

    def draw():
        return noisy(x, training=True)

    first, second = on_replicas(two_replicas, draw)
    np.testing.assert_array_equal(first, second)  # Keras's own way
    differ_by_replica(noisy.seed_generator)
    noisy.seed_generator.state.assign([noisy.seed_generator.state.numpy()[0], 0])
    first, second = on_replicas(two_replicas, draw)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, alone)  # as if there were no replicas
    again, _ = on_replicas(two_replicas, draw)
    assert not np.array_equal(first, again)


def test_models_make_them_differ(two_replicas):
    model = make(two_replicas, "DenoisingAutoencoder, a Keras layer's noise")
    x = tf.zeros((4, 8, 8, 1))
    first, second = on_replicas(two_replicas, lambda: model.corruption(x, training=True))
    assert not np.array_equal(first, second)


# What a TPU cannot run: shapes that depend on data, Python code, strings, double precision.
NOT_ON_TPU = {"Where", "Unique", "UniqueV2", "BooleanMask", "PyFunc", "EagerPyFunc", "StringFormat"}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_steps_hold_nothing_that_tpus_lack(name):
    """The contract compiles them by XLA, which knows no other shapes than static ones."""
    model = CASES[name].make(jit_compile=True)  # as on a TPU
    data = next(iter(CASES[name].dataset(model, 20).unbatch().batch(20, drop_remainder=True)))
    for step in (model.train_step, model.test_step):
        graph = tf.function(step).get_concrete_function(data).graph.as_graph_def()
        nodes = [
            *graph.node,
            *(n for function in graph.library.function for n in function.node_def),
        ]
        assert len(nodes) > 50
        assert not {node.op for node in nodes} & NOT_ON_TPU
        types = {node.attr[key].type for node in nodes for key in ("T", "dtype", "DstT")}
        assert not types & {tf.float64.as_datatype_enum, tf.string.as_datatype_enum}


def test_critic_parts_are_those_of_the_global_batch():
    # Five examples from the eighth place of a global batch of 20 on, in three parts.
    model = genzoo.WGANGP((2,), 4, critic_steps=3)
    x = tf.cast(tf.stack([tf.range(5), tf.range(5)], axis=1), tf.float32)
    parts = [part[:, 0].numpy().tolist() for part, _ in model.split((x, None), 3)]
    assert parts == [[0, 3], [1, 4], [2]]


def regularized_gan():
    """A GAN with activity regularizers before and after a layer where replicas take turns."""
    keras.utils.set_random_seed(5)
    l2 = keras.regularizers.L2(0.5)
    critic = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(4, activity_regularizer=l2),
            keras.layers.BatchNormalization(synchronized=True),
            keras.layers.Dense(1, activity_regularizer=l2, kernel_regularizer=l2),
        ]
    )
    generator = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, activity_regularizer=l2)]
    )
    model = genzoo.GAN((2,), 3, generator=generator, discriminator=critic)
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    return model


def test_regularizers_of_activities(two_replicas):
    """Two replicas take the same steps as one, also where the last batch is shared unevenly."""
    x = np.random.default_rng(0).normal(size=(27, 2)).astype("float32")
    alone = regularized_gan()
    with two_replicas.scope():
        shared = regularized_gan()
    for model in (alone, shared):
        dataset = tf.data.Dataset.from_tensor_slices(x).batch(8)
        model.fit(dataset, verbose=0)
    for a, b in zip(alone.get_weights(), shared.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
