"""Every public name is documented in numpydoc sections and annotated."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc

import sterna
from sterna.base import TransferEstimator


def public_names():
    """Every name in every `__all__` below the package that the package defines."""
    found = {}
    for info in pkgutil.walk_packages(sterna.__path__, "sterna."):
        if any(part.startswith("_") for part in info.name.split(".")):
            continue
        module = importlib.import_module(info.name)
        for name in getattr(module, "__all__", ()):
            member = getattr(module, name)
            if inspect.isclass(member) or inspect.isfunction(member):
                found[f"{member.__module__}.{member.__qualname__}"] = member
    for name in sterna.__all__:
        member = getattr(sterna, name)
        if inspect.isclass(member) or inspect.isfunction(member):
            found[f"{member.__module__}.{member.__qualname__}"] = member
    return found


PUBLIC = public_names()
FUNCTIONS = {name: member for name, member in PUBLIC.items() if inspect.isfunction(member)}
CLASSES = {name: member for name, member in PUBLIC.items() if inspect.isclass(member)}
STRATEGIES = sterna.all_strategies(deep=False)
DEEP = {name: cls for name, cls in sterna.all_strategies().items() if name not in STRATEGIES}


def documented(section):
    """The parameter names of a section: "a, b : int" is two."""
    return [name.strip().lstrip("*") for entry in section for name in entry.name.split(",")]


def parameters(function):
    kept = [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]
    return [p.name for p in kept]


def test_there_is_something_to_look_at():
    assert {"sterna.verdict._compare.compare", "sterna.align._coral.CORAL", "sterna.domains._domains.Domains"} <= PUBLIC.keys()


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_first_line_is_a_sentence(name):
    doc = inspect.getdoc(PUBLIC[name])
    assert doc, name
    first = doc.splitlines()[0]
    assert first.endswith((".", "?", ":", ",", "the")) or len(doc.splitlines()) > 1
    assert first[0].isupper() or first[0] in "`\"'"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_functions_document_parameters_and_returns(name):
    function = FUNCTIONS[name]
    doc = FunctionDoc(function)
    assert documented(doc["Parameters"]) == parameters(function)
    returns = inspect.signature(function).return_annotation
    assert returns is not inspect.Signature.empty
    if returns not in (None, "None"):
        assert doc["Returns"] or doc["Yields"], "say what it returns"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_functions_are_annotated(name):
    for parameter in inspect.signature(FUNCTIONS[name]).parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, parameter


def is_dataclass_like(cls):
    return hasattr(cls, "__dataclass_fields__")


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_classes_document_parameters_or_attributes(name):
    cls = CLASSES[name]
    doc = ClassDoc(cls, config={"show_class_members": False})
    if is_dataclass_like(cls):
        public = [field for field in cls.__dataclass_fields__ if not field.startswith("_")]
        told = documented(doc["Parameters"]) + documented(doc["Attributes"])
        assert set(public) <= set(told), set(public) - set(told)
        return
    if getattr(cls, "takes_raw", False) and "__init__" in vars(cls):  # what is as in FineTune is said in one entry
        assert sorted(documented(doc["Parameters"])) == sorted(parameters(cls.__init__))
    elif "__init__" in vars(cls):
        assert documented(doc["Parameters"]) == parameters(cls.__init__)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_public_methods_are_documented_and_annotated(name):
    cls = CLASSES[name]
    for method, function in vars(cls).items():
        if method.startswith("_") or not inspect.isfunction(function) or function.__qualname__.split(".")[0] != cls.__name__:
            continue
        assert inspect.getdoc(getattr(cls, method)), f"{name}.{method}"
        for parameter in list(inspect.signature(function).parameters.values())[1:]:
            assert parameter.annotation is not inspect.Parameter.empty, f"{name}.{method}({parameter})"


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_strategies_tell_all_that_their_users_need(name):
    cls = STRATEGIES[name]
    doc = ClassDoc(cls, config={"show_class_members": False})
    assert documented(doc["Parameters"]) == parameters(cls.__init__)
    attributes = documented(doc["Attributes"])
    assert {"estimator_", "health_"} <= set(attributes)
    assert all(attribute.endswith("_") for attribute in attributes)
    assert doc["Examples"], "a doctest"
    assert ">>>" in "\n".join(doc["Examples"])
    assert doc["Extended Summary"], "when to use it, when it cannot help"
    if cls.family != "baselines":
        assert doc["Notes"]
        assert doc["References"]
        said = inspect.getdoc(cls).lower()
        assert "when to use it" in said
        assert "cannot help" in said or "when it hurts" in said
    defaults = {p.name: p.default for p in inspect.signature(cls.__init__).parameters.values() if p.name != "self"}
    assert all(default is not inspect.Parameter.empty for default in defaults.values())
    if cls.family != "baselines":
        assert set(cls._parameter_constraints) == set(defaults), "every parameter is constrained"


@pytest.mark.parametrize("name", sorted(DEEP))
def test_deep_strategies_tell_what_they_are_for(name):
    cls = DEEP[name]
    doc = ClassDoc(cls, config={"show_class_members": False})
    assert doc["Extended Summary"], "when to use it"
    assert doc["References"] or cls.reference == "-"
    assert cls.tasks
    assert cls.needs
    defaults = {p.name: p.default for p in inspect.signature(cls.__init__).parameters.values() if p.name != "self"}
    assert all(default is not inspect.Parameter.empty for default in defaults.values())
    free = {"backbone", "weights", "encoder"}
    assert set(defaults) - free <= set(cls._parameter_constraints), "every parameter is constrained"


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_health_is_documented_by_name(name):
    """The words that `health_` can hold are in the docstring, in backticks, or there is nothing to report."""
    cls = STRATEGIES[name]
    assert issubclass(cls, TransferEstimator)
    described = {
        entry.name: " ".join(entry.desc) for entry in ClassDoc(cls, config={"show_class_members": False})["Attributes"]
    }
    if cls.family != "baselines":
        assert "`" in described["health_"], f"{name} does not say what health_ holds"
