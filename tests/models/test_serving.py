"""Export: what servers find, that they compute what the model does, and that nothing breaks it."""

import json
import multiprocessing
import os
import resource
import signal
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from consumers import CONSUMERS, differences, questions, trained
from contract.cases import CASES, ZOO, coders
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import predict_pb2

import keras_genzoo as genzoo
from keras_genzoo.core.fields import Labels, Scalar, Vectors
from keras_genzoo.serving import Endpoint, export

GENERATOR = {"serving_default", "sample"}
CODER = {"serving_default", "encode", "decode", "anomaly_score"}


@pytest.fixture(scope="module")
def models():
    """A model of each case, trained for three steps; made when it is asked for."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = trained(CASES[name])
        return made[name]

    return get


@pytest.fixture(params=["DCGAN, packed, augmented, averaged", "ConditionalGAN", "VAE, conditional"])
def exported(request, models, tmp_path):
    """A model, and its SavedModel as it is loaded."""
    model = models(request.param)
    model.export(tmp_path / "model")
    return model, tf.saved_model.load(str(tmp_path / "model" / "1"))


def small():
    """As if it were trained."""
    model = CASES["Autoencoder"].make()
    model.set_weights([1.01 * weight for weight in model.get_weights()])
    return model


# What servers find. ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ZOO)
def test_endpoints(name, models, tmp_path):
    model = models(name)
    model.export(tmp_path / "model")
    signatures = tf.saved_model.load(str(tmp_path / "model" / "1")).signatures
    coder, generator = "encode" in model.verbs, "sample" in model.verbs
    if "translate" in model.verbs:
        assert set(signatures) == {"serving_default", *model.endpoints()}
    else:
        assert set(signatures) == (CODER if coder else set()) | (GENERATOR if generator else set())
    asked = questions(model)
    assert set(asked) == set(signatures) - {"sample"}
    for endpoint, (inputs, expected) in asked.items():
        (answer,) = signatures[endpoint](**{k: tf.constant(v) for k, v in inputs.items()}).values()
        assert answer.dtype == tf.float32
        np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-6)
        # Any number of examples, one too.
        first = {key: tf.constant(value[:1]) for key, value in inputs.items()}
        (answer,) = signatures[endpoint](**first).values()
        np.testing.assert_allclose(answer, expected[:1], rtol=1e-4, atol=1e-5)


def names(signatures, endpoint):
    inputs = signatures[endpoint].structured_input_signature[1]
    return set(inputs), set(signatures[endpoint].structured_outputs)


def test_names(models, tmp_path):
    models("VAE, conditional").export(tmp_path / "images")
    images = tf.saved_model.load(str(tmp_path / "images" / "1")).signatures
    assert names(images, "serving_default") == ({"images", "labels"}, {"images"})
    assert names(images, "encode") == ({"images", "labels"}, {"codes"})
    assert names(images, "decode") == ({"codes", "labels"}, {"images"})
    assert names(images, "anomaly_score") == ({"images", "labels"}, {"scores"})
    assert names(images, "sample") == ({"num_samples", "labels", "seed"}, {"images"})
    models("GAN, least squares, DRAGAN, of vectors").export(tmp_path / "points")
    points = tf.saved_model.load(str(tmp_path / "points" / "1")).signatures
    assert names(points, "serving_default") == ({"latents"}, {"data"})
    assert names(points, "sample") == ({"num_samples", "seed"}, {"data"})


def test_the_asset(models, tmp_path):
    models("ConditionalGAN").export(tmp_path / "model")
    facts = json.loads((tmp_path / "model" / "1" / "assets" / "genzoo.json").read_text())
    assert facts["model"] == "ConditionalGAN"
    assert facts["data_shape"] == [8, 8, 1]
    assert facts["value_range"] == [0.0, 1.0]
    assert facts["num_classes"] == 10
    assert facts["versions"]["keras_genzoo"] == genzoo.__version__
    assert facts["endpoints"]["serving_default"] == {
        "inputs": ["latents", "labels"],
        "output": "images",
    }
    points = export.description(models("VAE, Gaussian, of vectors"))
    assert points["value_range"] is None and points["num_classes"] is None


def test_a_subclass_adds_an_endpoint(tmp_path):
    class Norms(genzoo.Autoencoder):
        def endpoints(self):
            def norms(codes, temperature):
                return tf.norm(codes, axis=-1) / temperature

            inputs = (self.codes_field, Scalar("temperature"))
            own = Endpoint(norms, inputs, "norms", {"temperature": 1.0})
            return super().endpoints() | {"norm": own}

    networks = {"encoder": coders(4)["encoder"], "decoder": coders(4)["decoder"]}
    model = Norms((8, 8, 1), 4, **networks)
    model.export(tmp_path / "model")
    loaded = tf.saved_model.load(str(tmp_path / "model" / "1"))
    codes = tf.constant([[3.0, 4.0, 0.0, 0.0]])
    np.testing.assert_allclose(loaded.norm(codes)["norms"], [5.0])
    np.testing.assert_allclose(loaded.norm(codes, 2.0)["norms"], [2.5])
    with pytest.raises(tf.errors.InvalidArgumentError, match="`temperature` must be finite"):
        loaded.norm(codes, np.inf)


def test_an_endpoint_gets_its_fields_in_order():
    codes, labels = Vectors((1,), "codes"), Labels(10)

    def function(labels, codes):
        return codes[:, 0] * 100 + tf.cast(labels, tf.float32)

    endpoint = Endpoint(function, (labels, codes), "x")
    answer = endpoint({"codes": tf.constant([[2.0]]), "labels": tf.constant([7])})
    np.testing.assert_allclose(answer, [207.0])
    assert [field.name for field in endpoint.fields] == ["labels", "codes"]
    inputs = (codes, Labels(None))
    absent = Endpoint(lambda codes, labels: codes if labels is None else labels, inputs, "x")
    np.testing.assert_allclose(absent({"codes": tf.constant([[2.0]])}), [[2.0]])
    assert [field.name for field in absent.fields] == ["codes"]


def test_networks_with_tables(tmp_path):
    """Layers may hold tables, which no function of the graph makes by itself."""
    latents, labels = keras.Input((4,)), keras.Input((), dtype="int32")
    places = keras.layers.IntegerLookup(vocabulary=list(range(10)))(labels)
    codes = keras.layers.CategoryEncoding(11, output_mode="one_hot")(places[:, None])
    x = keras.layers.Concatenate()([latents, codes])
    generator = keras.Model([latents, labels], keras.layers.Dense(2)(x))
    model = genzoo.GAN((2,), 4, num_classes=10, generator=generator)
    model.export(tmp_path / "model")
    loaded = tf.saved_model.load(str(tmp_path / "model" / "1"))
    served = loaded.sample(labels=[1, 2, 9], seed=3)["data"]
    np.testing.assert_allclose(served, model.sample(labels=[1, 2, 9], seed=3), atol=1e-5)


def test_only_what_is_served_is_written(tmp_path):
    model = CASES["DCGAN, packed, augmented, averaged"].make()
    model.export(tmp_path / "model")
    variables = tf.train.load_checkpoint(str(tmp_path / "model" / "1" / "variables" / "variables"))
    shapes = variables.get_variable_to_shape_map()
    numbers = sum(int(np.prod(shape)) for name, shape in shapes.items() if "variable" in name)
    assert numbers == model.average.network.count_params()


def test_a_denoiser_is_asked_with_noise(models, tmp_path):
    model = models("DenoisingAutoencoder")
    inputs, expected = questions(model)["serving_default"]
    assert inputs["images"].min() < -0.5
    model.export(tmp_path / "model")
    served = tf.saved_model.load(str(tmp_path / "model" / "1")).signatures["serving_default"]
    answer = served(images=tf.constant(inputs["images"]))["images"]
    np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-5)
    for number in (np.nan, 255.0):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"in \[0, 1\] with noise"):
            served(images=tf.fill((1, 8, 8, 1), number))


# Versions. ------------------------------------------------------------------------------------


def test_versions(tmp_path):
    model = small()
    model.export(tmp_path / "model")
    model.export(tmp_path / "model", version=12)
    model.export(tmp_path / "model" / "3")
    model.export(str(tmp_path / "2026"), version=0)
    found = {str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("saved_model.pb")}
    assert found == {"model/1", "model/12", "model/3", "2026/0"}
    assert sorted(os.listdir(tmp_path / "model")) == ["1", "12", "3"]


@pytest.mark.parametrize("path, version", [("model", None), ("model/1", None), ("model", 1)])
def test_a_version_is_never_overwritten(path, version, tmp_path):
    kept = tmp_path / "model" / "1" / "kept"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    (tmp_path / "model" / "7").mkdir()
    with pytest.raises(FileExistsError, match=r"not exist yet \(the next one is `version=8`\)"):
        small().export(tmp_path / path, version=version)
    assert kept.read_text() == "mine"
    assert sorted(os.listdir(tmp_path / "model")) == ["1", "7"]


def test_a_version_holds_no_versions(tmp_path):
    model = small()
    model.export(tmp_path / "model")
    for path, version in {"model/1": 2, "model/1/3": None}.items():
        with pytest.raises(FileExistsError, match=r"model/1', which is a SavedModel"):
            model.export(tmp_path / path, version=version)
    assert not list((tmp_path / "model" / "1").glob("[23]"))
    # A number with leading zeros is none that servers know.
    model.export(tmp_path / "007")
    assert os.listdir(tmp_path / "007") == ["1"]
    model.export(tmp_path / "other", version=np.int64(9))
    assert os.listdir(tmp_path / "other") == ["9"]


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(
        FileExistsError, match=r"`filepath` must be a directory\. Received: the file"
    ):
        small().export(tmp_path / "file")
    with pytest.raises(ValueError, match=r"`filepath` must be a path\. Received: filepath=''"):
        small().export("")
    with pytest.raises(ValueError, match=r"`filepath` must be a path\. Received: filepath=b'x'"):
        small().export(b"x")


def test_a_version_that_comes_meanwhile_stays(tmp_path, monkeypatch):
    model = small()
    description = export.description

    def slow(model):
        (tmp_path / "model" / "1").mkdir()
        return description(model)

    monkeypatch.setattr(export, "description", slow)
    with pytest.raises(FileExistsError):
        model.export(tmp_path / "model")
    assert os.listdir(tmp_path / "model") == ["1"]
    assert os.listdir(tmp_path / "model" / "1") == []


def test_an_object_store(tmp_path):
    model = trained(CASES["Autoencoder"])
    model.export("ram://bucket/model")
    loaded = tf.saved_model.load("ram://bucket/model/1")
    inputs, expected = questions(model)["encode"]
    answer = loaded.signatures["encode"](**{k: tf.constant(v) for k, v in inputs.items()})["codes"]
    np.testing.assert_allclose(answer, expected, atol=1e-5)
    with pytest.raises(FileExistsError, match="the next one is `version=2`"):
        model.export("ram://bucket/model")
    with pytest.raises(ValueError, match="writes to a local file"):
        model.export("ram://bucket/model.onnx", format="onnx")


def test_a_failure_in_an_object_store_leaves_nothing(monkeypatch):
    model = small()

    def fail(model):
        raise RuntimeError("no network")

    monkeypatch.setattr(export, "description", fail)
    with pytest.raises(RuntimeError, match="no network"):
        model.export("ram://other/model")
    assert not tf.io.gfile.exists("ram://other/model/1")


@pytest.mark.parametrize("version", [-1, 1.5, "two", True, 10**30])
def test_bad_versions(version, tmp_path):
    with pytest.raises(ValueError, match="`version` must be an integer from 0 on"):
        small().export(tmp_path / "model", version=version)


# The same numbers, and the weights that `sample` uses. ----------------------------------------


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_served_in_float32(policy, digits, tmp_path):
    def build():
        keras.utils.set_random_seed(0)
        return genzoo.VAE((8, 8, 1), 4)

    keras.mixed_precision.set_global_policy(policy)
    try:
        model = build()
        model.compile()
        model.fit(digits[0][:640], epochs=1, verbose=0)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    full = build()
    full.set_weights(model.get_weights())
    model.export(tmp_path / "model")
    served = tf.saved_model.load(str(tmp_path / "model" / "1")).signatures
    for name, (inputs, expected) in questions(full).items():
        (answer,) = served[name](**{k: tf.constant(v) for k, v in inputs.items()}).values()
        np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-5)
    # The model itself goes on in 16 bits.
    assert model.encoder.layers[1].compute_dtype == policy.removeprefix("mixed_")
    assert np.abs(model.encode(inputs["images"]) - full.encode(inputs["images"])).max() > 1e-4


@pytest.mark.slow
def test_under_a_strategy(two_replicas, digits, tmp_path):
    with two_replicas.scope():
        model = CASES["DCGAN, packed, augmented, averaged"].make()
        model.fit(digits[0][:48], batch_size=24, verbose=0)
        model.export(tmp_path / "inside")
    model.export(tmp_path / "outside")
    inputs, expected = questions(model)["serving_default"]
    for place in ("inside", "outside"):
        served = tf.saved_model.load(str(tmp_path / place / "1")).signatures["serving_default"]
        answer = served(latents=tf.constant(inputs["latents"]))["images"]
        np.testing.assert_allclose(answer, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("consumer", CONSUMERS)
@pytest.mark.parametrize("name", ["DCGAN, packed, augmented, averaged", "VAE, conditional"])
def test_consumers(consumer, name, models):
    model = models(name)
    found = differences(model, consumer)
    assert set(found) == {"serving_default"} if consumer == "OpenVINO" else set(questions(model))
    assert max(found.values()) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("consumer", CONSUMERS)
@pytest.mark.parametrize("name", ["Pix2Pix", "CycleGAN"])
@pytest.mark.parametrize("size", [(8, 8), (21, 14)])
def test_consumers_translate_images_of_any_size(consumer, name, size, models):
    # The kernels of `trained` are large, and nothing normalizes in this CycleGAN.
    tolerance = 2e-4 if name == "CycleGAN" else 1e-5
    assert max(differences(models(name), consumer, size).values()) < tolerance


# `sample`. ------------------------------------------------------------------------------------


def test_the_seed_of_sample(exported):
    model, loaded = exported
    first = loaded.sample(num_samples=6, seed=5)["images"].numpy()
    np.testing.assert_array_equal(loaded.sample(num_samples=6, seed=5)["images"], first)
    np.testing.assert_allclose(model.sample(6, seed=5), first, atol=1e-6)
    assert np.abs(loaded.sample(num_samples=6, seed=6)["images"] - first).max() > 1e-3
    fresh = [loaded.sample(num_samples=6)["images"].numpy() for _ in range(2)]
    assert np.abs(fresh[0] - fresh[1]).max() > 1e-3


def test_the_labels_of_sample(models, tmp_path):
    model = models("VAE, conditional")
    model.export(tmp_path / "model")
    loaded = tf.saved_model.load(str(tmp_path / "model" / "1"))
    for num_samples in (0, 3):
        served = loaded.sample(num_samples, 5, [1, 2, 2])["images"]
        np.testing.assert_allclose(served, model.sample(labels=[1, 2, 2], seed=5), atol=1e-6)


@pytest.mark.slow
def test_a_seedless_sample_is_new_after_every_start(models, tmp_path):
    # A graph that was traced under a global seed could repeat itself from its load on.
    keras.utils.set_random_seed(3)
    models("DCGAN").export(tmp_path / "model")
    servers = [tf.saved_model.load(str(tmp_path / "model" / "1")) for _ in range(2)]
    first, second = (server.sample(4)["images"] for server in servers)
    assert np.abs(first - second).max() > 1e-4


def test_statistics_of_sample(exported):
    model, loaded = exported
    served = loaded.sample(num_samples=1000)["images"].numpy().reshape(1000, -1)
    own = model.sample(1000).reshape(1000, -1)
    # Means of pixels differ by their standard errors; of 64, none by more than five.
    errors = np.sqrt((served.var(axis=0) + own.var(axis=0)) / 1000)
    assert (np.abs(served.mean(axis=0) - own.mean(axis=0)) < 5 * errors).all()
    ratio = served.std(axis=0) / own.std(axis=0)
    assert (ratio > 0.8).all() and (ratio < 1.25).all()
    assert served.std(axis=0).min() > 0


# What is refused. -----------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[10], [-1], [3, 99]])
@pytest.mark.parametrize("endpoint", ["serving_default", "sample"])
def test_a_label_out_of_range_is_an_error_of_the_graph(labels, endpoint, models, tmp_path):
    models("ConditionalGAN").export(tmp_path / "model")
    signature = tf.saved_model.load(str(tmp_path / "model" / "1")).signatures[endpoint]
    inputs = {
        "serving_default": {"latents": tf.zeros((len(labels), 4))},
        "sample": {"num_samples": tf.constant(0), "seed": tf.constant(0, tf.int64)},
    }[endpoint]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`labels` must lie in \[0, 9\]"):
        signature(labels=tf.constant(labels), **inputs)
    signature(labels=tf.constant([9] * len(labels)), **inputs)


def test_labels_must_be_as_many(models, tmp_path):
    models("VAE, conditional").export(tmp_path / "model")
    served = tf.saved_model.load(str(tmp_path / "model" / "1")).signatures
    with pytest.raises(tf.errors.InvalidArgumentError, match="`labels` must be as many as `codes`"):
        served["decode"](codes=tf.zeros((3, 4)), labels=tf.constant([1]))


def test_vectors_must_be_finite(models, tmp_path):
    models("VAE, Gaussian, of vectors").export(tmp_path / "model")
    served = tf.saved_model.load(str(tmp_path / "model" / "1")).signatures
    with pytest.raises(tf.errors.InvalidArgumentError, match="`data` must be finite"):
        served["encode"](data=tf.constant([[0.0, np.nan]]))


@pytest.mark.parametrize("value", [1.5, -0.1, 255.0, np.nan])
def test_images_out_of_range_are_an_error_of_the_graph(value, models, tmp_path):
    models("Autoencoder").export(tmp_path / "model")
    served = tf.saved_model.load(str(tmp_path / "model" / "1")).signatures["encode"]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`images` must lie in \[0, 1\]"):
        served(images=tf.fill((2, 8, 8, 1), value))


@pytest.mark.parametrize(
    "inputs, message",
    [
        ({"num_samples": 0}, r"`num_samples` must lie in \[1, 10000\]"),
        ({"num_samples": -3}, r"`num_samples` must lie in \[1, 10000\]"),
        ({"num_samples": 10**9}, r"`num_samples` must lie in \[1, 10000\]"),
        ({"num_samples": 3, "labels": [1, 2]}, "must be 0 or the number of `labels`"),
    ],
)
def test_bad_requests_for_samples(inputs, message, models, tmp_path):
    models("ConditionalGAN").export(tmp_path / "model")
    loaded = tf.saved_model.load(str(tmp_path / "model" / "1"))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        loaded.sample(**inputs)


def test_an_untrained_model_warns(digits, tmp_path):
    model = genzoo.Autoencoder((8, 8, 1), 4, (16,))
    with pytest.warns(UserWarning, match=r"This Autoencoder has taken no training step"):
        model.export(tmp_path / "untrained")
    model.compile()
    with pytest.warns(UserWarning, match=r"no training step"):
        model.export(tmp_path / "model.onnx", format="onnx", endpoint="encode")
    model.fit(digits[0][:32], verbose=0)
    model.compile()  # a new optimizer, of no steps
    model.save_weights(tmp_path / "saved.weights.h5")
    model.save(tmp_path / "saved.keras")
    loaded = genzoo.Autoencoder((8, 8, 1), 4, (16,))
    loaded.load_weights(tmp_path / "saved.weights.h5")
    models = {"fit": model, "load_weights": loaded}
    models["load_model"] = keras.saving.load_model(tmp_path / "saved.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, trained in models.items():
            trained.export(tmp_path / name)


@pytest.mark.parametrize(
    "path, options, message",
    [
        ("model", {"format": "savedmodel"}, "`format` must be one of 'tf_saved_model', 'onnx'"),
        ("model", {"format": "onnx"}, r"`filepath` must end in \.onnx"),
        ("model.onnx", {"format": "litert"}, r"`filepath` must end in \.tflite"),
        ("m.onnx", {"format": "onnx", "endpoint": "sample"}, "'encode', 'decode'.*'sample'"),
        ("m.onnx", {"format": "onnx", "version": 2}, "`version` is for a SavedModel"),
        ("model", {"endpoint": "encode"}, "A SavedModel contains all.*Received: endpoint"),
        ("model", {"opset_version": 18}, "Received: opset_version"),
        ("m.onnx", {"format": "onnx", "opset": 18}, "takes `opset_version`.*Received: opset"),
    ],
)
def test_bad_arguments(path, options, message, models, tmp_path):
    with pytest.raises(ValueError, match=message):
        models("VAE").export(tmp_path / path, **options)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("ending, format", [("onnx", "onnx"), ("tflite", "litert")])
def test_a_file_is_never_overwritten(ending, format, tmp_path):
    path = tmp_path / f"model.{ending}"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"`filepath` must not exist yet\. Received"):
        small().export(path, format=format)
    assert path.read_text() == "mine"
    assert os.listdir(tmp_path) == [path.name]


# What goes wrong on the way. --------------------------------------------------------------------


def in_a_process(function, *arguments):
    """Starts a function in a new process, which may end as it likes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["keras_genzoo", "contract"])
    process = context.Process(target=function, args=arguments)
    process.start()
    return process


def export_once(directory):
    small().export(directory)


@pytest.mark.slow
@pytest.mark.parametrize("count", range(1, 10))
def test_a_killed_export_leaves_no_bad_version(count, tmp_path):
    """Killed as soon as so many files and directories are there, of the nine that it makes."""
    directory = tmp_path / "model"
    process = in_a_process(export_once, directory)
    while process.is_alive() and sum(len(a) + len(b) for _, a, b in os.walk(tmp_path)) < count:
        pass
    process.kill()
    process.join()
    # TensorFlow Serving looks at numbers alone.
    versions = [path for path in directory.glob("*") if path.name.isdecimal()]
    for path in versions:
        loaded = tf.saved_model.load(str(path))
        answer = loaded.signatures["encode"](images=tf.zeros((1, 8, 8, 1)))["codes"]
        assert answer.shape == (1, 4)
        assert json.loads((path / "assets" / "genzoo.json").read_text())["data_shape"]
    # A version that was not complete can be made again.
    small().export(directory, version=len(versions) + 1)


def export_on_a_full_disk(directory, limit):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # else the limit kills
    model = genzoo.Autoencoder((8, 8, 1), 4, (256, 256))
    model.set_weights([1.01 * weight for weight in model.get_weights()])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        model.export(directory)
    except Exception:
        os._exit(3)
    os._exit(0)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [10_000, 200_000])
def test_a_full_disk_leaves_nothing(limit, tmp_path):
    """Files of more than the limit can't be written: a part of the graph, or of the weights."""
    for size, code in ((limit, 3), (2**24, 0)):
        process = in_a_process(export_on_a_full_disk, tmp_path / "model", size)
        process.join(120)
        assert process.exitcode == code
        assert os.listdir(tmp_path / "model") == ([] if code else ["1"])


# As TensorFlow Serving asks. --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ConditionalGAN", "VAE, Gaussian, of vectors"])
def test_predict_requests(name, models, tmp_path):
    """Requests and responses of TensorFlow Serving's protocol, against the file's signatures."""
    model = models(name)
    model.export(tmp_path / "model")
    path = tmp_path / "model" / "1"
    file = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    (graph,) = file.meta_graphs
    loaded = tf.saved_model.load(str(path))
    for endpoint, (inputs, expected) in questions(model).items():
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "model"
        request.model_spec.signature_name = endpoint
        for key, value in inputs.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        request = predict_pb2.PredictRequest.FromString(request.SerializeToString())
        signature = graph.signature_def[endpoint]
        assert signature.method_name == "tensorflow/serving/predict"
        assert set(request.inputs) == set(signature.inputs)
        for key, proto in request.inputs.items():
            info = signature.inputs[key]
            assert proto.dtype == info.dtype
            assert tf.TensorShape(proto.tensor_shape).is_compatible_with(info.tensor_shape)
        tensors = {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()}
        outputs = loaded.signatures[endpoint](**{k: tf.constant(v) for k, v in tensors.items()})
        response = predict_pb2.PredictResponse()
        for key, value in outputs.items():
            assert signature.outputs[key].dtype == value.dtype.as_datatype_enum
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        response = predict_pb2.PredictResponse.FromString(response.SerializeToString())
        (answer,) = response.outputs.values()
        np.testing.assert_allclose(tf.make_ndarray(answer), expected, rtol=1e-5, atol=1e-5)
    # What a request may leave out.
    if "sample" in graph.signature_def:
        optional = {"seed"} if model.num_classes is None else {"num_samples", "labels", "seed"}
        assert set(graph.signature_def["sample"].defaults) == optional


def test_the_written_path_is_returned(tmp_path):
    model = small()
    model.compile()
    model.fit(np.zeros((32, *model.data_shape), "float32"), verbose=0)
    assert model.export(tmp_path / "model") == str(tmp_path / "model" / "1")
    assert model.export(tmp_path / "model", version=5) == str(tmp_path / "model" / "5")


@pytest.mark.parametrize("shape", [(3, 16, 4, 1), (3, 8, 8, 3), (3, 64)])
def test_servers_refuse_another_shape(tmp_path, shape):
    """Also of the same size, and by a client that does not compare it with the signature."""
    from tensorflow.python.client.pywrap_tf_session import TF_SessionRun_wrapper

    model = genzoo.Autoencoder((8, 8, 1), 4, (8,))
    with pytest.warns(UserWarning, match="no training step"):
        path = model.export(tmp_path / "model")
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        signature = tf.compat.v1.saved_model.load(session, ["serve"], path).signature_def
        signature = signature["serving_default"]
        (x,), (y,) = (
            [graph.get_tensor_by_name(info.name)._as_tf_output() for info in infos.values()]
            for infos in (signature.inputs, signature.outputs)
        )

        def ask(shape):
            data = np.zeros(shape, "float32")
            return TF_SessionRun_wrapper(session._session, None, {x: data}, [y], [], None)[0]

        assert ask((3, 8, 8, 1)).shape == (3, 8, 8, 1)
        with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible with expected"):
            ask(shape)
