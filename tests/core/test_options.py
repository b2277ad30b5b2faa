"""Shared constructor arguments: completed by tab, documented in full, kept in the config."""

import inspect
from typing import TypedDict, Unpack

import pytest

import keras_genzoo as genzoo
from keras_genzoo.core.options import expand_options
from keras_genzoo.models.gan import GANOptions

SHARED = ("packing", "augmentation", "ema_half_life", "generator", "discriminator")
FAMILY = [genzoo.DCGAN, genzoo.ConditionalGAN, genzoo.WGAN, genzoo.WGANGP]


@pytest.mark.parametrize("model_class", FAMILY)
def test_every_class_lists_and_documents_every_option(model_class):
    parameters = inspect.signature(model_class).parameters
    family = inspect.signature(genzoo.GAN).parameters
    docstring = inspect.getdoc(model_class)
    assert "{" not in docstring.split("Example:")[0]
    for name in SHARED:
        assert parameters[name].default == family[name].default
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert argument(docstring, name) == argument(inspect.getdoc(genzoo.GAN), name) != []
    for name in parameters.keys() - {"name", "dtype"}:
        assert argument(docstring, name), name


def argument(docstring, name):
    """The lines that document an argument."""
    lines = docstring.splitlines()
    (start,) = [i for i, line in enumerate(lines) if line.startswith(f"    {name}: ")] or [None]
    if start is None:
        return []
    end = next(i for i in range(start + 1, len(lines)) if not lines[i].startswith(" " * 8))
    return lines[start:end]


def test_the_typed_options_are_the_constructors():
    keywords = inspect.signature(genzoo.GAN).parameters
    assert set(GANOptions.__annotations__) - {"name", "dtype"} == set(SHARED) <= set(keywords)


def test_defaults_of_a_class_are_its_own():
    assert inspect.signature(genzoo.WGAN).parameters["critic_steps"].default == 5
    assert inspect.signature(genzoo.WGANGP).parameters["penalty"].default == "wgan_gp"


def test_a_subclass_has_its_own_signature():
    class Mine(genzoo.DCGAN):
        def __init__(self, image_shape, width=3):
            super().__init__(image_shape, generator=None, packing=1)

    assert list(inspect.signature(Mine).parameters) == ["image_shape", "width"]

    class Same(Mine):
        pass

    assert list(inspect.signature(Same).parameters) == ["image_shape", "width"]


def test_unknown_options_are_refused():
    with pytest.raises((TypeError, ValueError), match="pakking"):
        genzoo.DCGAN((8, 8, 1), pakking=2)


class Options(TypedDict, total=False):
    size: int


class Parent:
    """A parent.

    Args:
        width: The width, in
            pixels.
        size: The size.
    """

    def __init__(self, width, *, size=2):
        pass


def test_the_parents_documentation_is_filled_in():
    class Child(Parent):
        """A child.

        Args:
            {width}
            depth: The depth.
            {options}
        """

        def __init__(self, width, depth, **options: Unpack[Options]):
            pass

    expand_options(Child)
    assert str(inspect.signature(Child)) == "(width, depth, *, size: int = 2)"
    assert inspect.getdoc(Child).splitlines()[2:] == [
        "Args:",
        "    width: The width, in",
        "        pixels.",
        "    depth: The depth.",
        "    size: The size.",
    ]


class Tempered:
    def __init__(self, data_shape, latent_dim=4, temperature=1.0, **kwargs):
        super().__init__(data_shape, latent_dim, **kwargs)
        self.temperature = temperature


class TemperedGAN(Tempered, genzoo.GAN):
    pass


def test_a_constructor_of_a_mix_in_is_saved():
    config = TemperedGAN((2,), 4, 0.5, packing=2).get_config()
    copy = TemperedGAN.from_config(config)
    assert (copy.temperature, copy.packing, copy.latent_dim) == (0.5, 2, 4)


def test_names_for_type_checkers_alone_and_braces_do_no_harm():
    class Child(genzoo.GAN):
        """A child.

        {width}
        """

        def __init__(self, width: "Unknown", **options: "Unpack[Unknown]"):  # noqa: F821
            super().__init__((width,), **options)

    assert "{width}" in Child.__doc__ and Child(2).data_shape == (2,)
