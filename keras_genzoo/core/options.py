"""Constructor arguments that a family of models shares: typed, completed and documented on each."""

from __future__ import annotations

import inspect
import re
import typing

KERAS_OWN = ("name", "dtype")  # arguments that Keras documents
PLACEHOLDER = re.compile(r"^( *)\{(\w+)\}$", re.MULTILINE)


def expand_options(cls: type) -> None:
    """Completes a class's signature and docstring from its parent class.

    A constructor may take the arguments of its family as `**options: Unpack[SomeTypedDict]`, which
    type checkers read. For `inspect.signature`, `help` and completion they become keyword
    arguments of the class, with the defaults of the parent's constructor.

    In the docstring, a line `{argument}` becomes the parent's documentation of that argument, and
    `{options}` that of all keys of the TypedDict.
    """
    if "__init__" not in vars(cls):
        # The constructor that runs may be that of a mix-in, which has no `__signature__`.
        owner = next(parent for parent in cls.__mro__ if "__init__" in vars(parent))
        cls.__signature__ = vars(owner).get("__signature__") or _signature_of(owner)
        return
    signature = inspect.signature(cls.__init__)
    parameters = list(signature.parameters.values())[1:]
    parent = next(parent for parent in cls.__mro__[1:] if "__init__" in vars(parent))
    options = _options_of(cls, parameters[-1]) if parameters else {}
    if options:
        inherited = inspect.signature(parent).parameters
        parameters[-1:] = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inherited[name].default if name in inherited else None,
                annotation=annotation,
            )
            for name, annotation in options.items()
        ]
    # Set on every class, because a subclass would otherwise have its parent's.
    cls.__signature__ = signature.replace(parameters=parameters)

    def documentation(match):
        indent, name = match.groups()
        if name not in ("options", *signature.parameters):
            return match.group()
        names = [key for key in options if key not in KERAS_OWN] if name == "options" else [name]
        lines = [indent + line for key in names for line in _argument_lines(parent, key)]
        return "\n".join(lines) or match.group()

    if cls.__doc__:
        cls.__doc__ = PLACEHOLDER.sub(documentation, cls.__doc__)


def _signature_of(cls):
    signature = inspect.signature(cls.__init__)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _options_of(cls, parameter) -> dict:
    """Returns the keys and types of a `**options: Unpack[TypedDict]`; none for other arguments."""
    annotation = parameter.annotation  # a string, in most modules
    is_unpacked = typing.get_origin(annotation) is typing.Unpack or "Unpack" in str(annotation)
    if parameter.kind is not inspect.Parameter.VAR_KEYWORD or not is_unpacked:
        return {}
    try:
        hint = typing.get_type_hints(cls.__init__, include_extras=True)[parameter.name]
    except NameError:  # an annotation that only type checkers can resolve
        return {}
    return typing.get_type_hints(typing.get_args(hint)[0])


def _argument_lines(parent, name) -> list[str]:
    """Returns the lines of a docstring that document an argument, without their indentation."""
    docstring = inspect.getdoc(parent) or ""
    found = re.search(rf"^    {name}: .*(?:\n {{8}}.*)*", docstring, re.MULTILINE)
    return [line[4:] for line in found.group().splitlines()] if found else []
