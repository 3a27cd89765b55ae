"""What importing costs, which way the arrows point, and how many names there are."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sterna

ROOT = Path(sterna.__file__).parent
FAMILIES = {"baselines", "reweight", "align", "transport", "parameters", "selftrain", "multisource"}
DEEP = {"finetune"}
SERVICES = {"measures", "select", "verdict", "report", "datasets"}
#: What the folders and files of the package may import of each other.
ALLOWED = {
    "_version": set(),
    "domains": set(),
    "base": {"domains"},
    "discovery": {"base"},
    "io": {"deep"},
    "pipeline": set(),
    **{family: {"base", "domains"} for family in FAMILIES},
    "align": {"base", "domains", "parameters"},  # held-out predictions
    "selftrain": {"align", "base", "domains"},  # neighbours
    "multisource": {"base", "domains", "parameters", "transport"},  # trust in predictions, plans
    **{
        service: {"_version", "base", "baselines", "discovery", "domains", "encoders", "io", "pipeline"} | SERVICES
        for service in SERVICES
    },
    "measures": {"_version", "backbones", "base", "baselines", "discovery", "domains", "encoders", "reweight", "transport"}
    | SERVICES,  # stages, kernels, plans
    "select": {"_version", "base", "baselines", "discovery", "domains", "encoders", "parameters", "pipeline", "reweight"}
    | SERVICES,  # trust in predictions, effective rows
    "backbones": {"domains"},
    "deep": {"backbones", "domains", "io"},
    "encoders": {"backbones", "deep", "domains"},
    "finetune": {"backbones", "deep", "domains", "encoders"},
    "__init__": {"_version"},
    "cli": None,  # anything
    "_terminal": None,
}
MAY_IMPORT_THE_ROOT = {"_terminal", "cli", "discovery"}


def modules():
    return sorted(path for path in ROOT.rglob("*.py"))


def part(path):
    """The folder or file of the package that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path):
    """The names that a file imports from the package, anywhere in it: `sterna.a.b` as "a", the root itself as ""."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names = [node.module]
            if node.module == "sterna":
                names = [f"sterna.{alias.name}" for alias in node.names]
        found += [(name.partition(".")[2].partition(".")[0], node.lineno) for name in names if name.split(".")[0] == "sterna"]
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_one_way(path):
    own = part(path)
    assert own in ALLOWED, f"{own} is new: say in ALLOWED what it may import"
    for name, line in imported(path):
        where = f"{path.relative_to(ROOT)}:{line} imports {name or 'the package root'}"
        if not name:
            assert own in MAY_IMPORT_THE_ROOT, where
        elif ALLOWED[own] is not None:
            assert name == own or name in ALLOWED[own], where


def test_no_file_imports_in_a_circle():
    """Between the files of the package, imports inside functions left aside."""
    names = {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in modules()
    }
    arrows = {}
    for name, path in names.items():
        arrows[name] = set()
        for node in ast.parse(path.read_text()).body:
            targets = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):  # `from folder import _file` is an arrow to the file
                files = [f"{node.module}.{alias.name}" for alias in node.names]
                targets = [file if file in names else node.module for file in files]
            arrows[name] |= {target for target in targets if target in names and target != name}
    done, path = set(), []

    def walk(name):
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return
        path.append(name)
        for target in sorted(arrows[name]):
            walk(target)
        path.pop()
        done.add(name)

    for name in arrows:
        walk(name)


def run(code):
    result = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, text=True, check=True)
    return result.stdout.strip()


def test_importing_is_quick_and_light():
    code = "import time; start = time.perf_counter(); import sterna; print(time.perf_counter() - start)"
    seconds = min(float(run(code)) for _ in range(3))
    assert seconds < 1.5
    heavy = ("torch", "tensorflow", "sklearn", "scipy", "pandas", "ot", "matplotlib", "skops", "typer")
    loaded = run(f"import sys, sterna; print([name for name in {heavy!r} if name in sys.modules])")
    assert loaded == "[]"


def test_no_shallow_strategy_and_no_command_needs_torch():
    code = "import sys, sterna; sterna.all_strategies(deep=False); import sterna.cli; print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    assert run(code) == "False False"


def test_the_package_root_has_few_names_and_all_are_there():
    assert len(sterna.__all__) <= 30
    assert sterna.__all__ == sorted(set(sterna.__all__), key=str.lower) or sterna.__all__ == sorted(set(sterna.__all__))
    for name in sterna.__all__:
        assert getattr(sterna, name) is not None
    assert dir(sterna) == sorted(sterna.__all__)
    assert set(sterna._HOMES) | {"__version__"} == set(sterna.__all__)


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'sterna' has no attribute 'comparee'"):
        _ = sterna.comparee
    assert not hasattr(sterna, "__wrapped__")


def test_every_family_lists_what_is_there():
    for folder in FAMILIES | DEEP | SERVICES | {"domains", "encoders"}:
        package = getattr(sterna, folder)
        assert len(package.__all__) == len(set(package.__all__)), folder
        assert all(hasattr(package, name) for name in package.__all__), folder


def test_strategies_are_found_by_walking_never_by_a_list():
    found = sterna.all_strategies()
    assert {cls.family for cls in found.values()} == FAMILIES | DEEP
    for name, cls in found.items():
        assert cls.__name__ == name
        assert name in getattr(sterna, cls.family).__all__
        assert sterna.all_strategies(cls.family)[name] is cls
    assert sterna.all_strategies("none") == {}
