"""Pages written from the code: the tables of strategies and measures, the command line, and one page of API a package."""

import html
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys

import sterna


def write_all(folder):
    """Write every generated file; parts are included by pages, the others are pages of their own."""
    parts = {
        "strategies.md": strategies_table(),
        "families.md": families_list(),
        "measures.md": measures_table(),
        "scorers.md": scorers_table(),
        "names.md": names_table(),
        "cli.md": command_line(),
    }
    pages = {f"families/{name}.rst": api_page(name) for name in families()}
    pages |= {f"packages/{name}.rst": api_page(name) for name in services()} | {"packages/sterna.rst": root_page()}
    for stale in set(folder.glob("*/*")) - {folder / name for name in pages} - {folder / "parts" / name for name in parts}:
        stale.unlink()
    for name, text in pages.items():
        _write(folder / name, text)
    for name, text in parts.items():
        _write(folder / "parts" / name, text)


def _write(path, text):
    """Only what changed, so that a build reads no more than it must."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def packages():
    """Every public package with names to offer, families first."""
    found = [
        module.name for module in pkgutil.iter_modules(sterna.__path__) if module.ispkg and not module.name.startswith("_")
    ]
    named = [name for name in found if getattr(importlib.import_module(f"sterna.{name}"), "__all__", ())]
    return sorted(named, key=lambda name: (name not in families(), name))


def families():
    """The families that have a strategy."""
    return list(dict.fromkeys(cls.family for cls in sterna.all_strategies().values()))


def services():
    """All other packages."""
    return [name for name in packages() if name not in families()]


def summary(thing):
    """The first sentence of a docstring."""
    return " ".join(inspect.getdoc(thing).split("\n\n")[0].split())


def _row(*cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") or "-" for cell in cells) + " |"


def _table(head, rows):
    return "\n".join([_row(*head), _row(*["---"] * len(head)), *rows]) + "\n"


def families_list():
    """One line a family: what it carries over, and which strategies it has."""
    lines = []
    for family in families():
        links = ", ".join(f"{{py:class}}`~sterna.{family}.{name}`" for name in sterna.all_strategies(family))
        about = summary(importlib.import_module(f"sterna.{family}")).rstrip(".")
        lines.append(f"[`{family}`](/_generated/families/{family}.rst)\n: {about}: {links}.\n")
    return "\n".join(lines)


def strategies_table():
    """The facts of every strategy, as discovery finds them."""
    rows = [
        _row(
            f"[{cls.family}](/_generated/families/{cls.family}.rst)",
            f"{{py:class}}`~sterna.{cls.family}.{name}`",
            "both" if len(cls.tasks) > 1 else cls.tasks[0],
            ", ".join(sorted(cls.needs - {"source data", "target data"}, reverse=True)),
            ", ".join(cls.assumes),
            "yes" if cls.accepts_sparse else "no",
            cls.reference,
        )
        for name, cls in sterna.all_strategies().items()
    ]
    return _table(["Family", "Strategy", "Tasks", "Needs", "Assumes", "Sparse", "Reference"], rows)


def measures_table():
    """The facts of every measure."""
    rows = []
    for name, function in sterna.all_measures().items():
        low, high = getattr(function, "bounds", ("", ""))
        facts = [
            getattr(function, "direction", ""),
            f"{low:g} to {high:g}".replace("inf", "infinity") if low != "" else "",
            "yes" if getattr(function, "needs_labels", False) else "no",
            getattr(function, "reference", ""),
        ]
        rows.append(_row(f"{{py:func}}`~sterna.measures.{name}`", summary(function), *facts))
    return _table(["Measure", "What it says", "Direction", "Bounds", "Needs labels", "Reference"], rows)


def scorers_table():
    """The facts of every score without target labels."""
    rows = []
    for name, function in sterna.all_scorers().items():
        facts = [", ".join(function.needs), "no" if function.fooled_by_collapse else "yes", function.reference]
        rows.append(_row(f"{{py:func}}`~sterna.select.{name}`", summary(function), *facts))
    return _table(["Score", "What it says", "Needs", "Sees a collapse", "Reference"], rows)


def names_table():
    """The names at the top of the package and what they are."""
    rows = []
    for name in sterna.__all__:
        if not name.startswith("_"):
            home = _home(name)
            kind = "class" if inspect.isclass(getattr(sterna, name)) else "func"
            rows.append(_row(f"{{py:{kind}}}`sterna.{name} <{home}.{name}>`", summary(getattr(sterna, name))))
    return _table(["Name", "What it is"], rows)


def _home(name):
    """The package whose page documents a name of the top level; the top level itself where none does."""
    for package in packages():
        if name in importlib.import_module(f"sterna.{package}").__all__:
            return f"sterna.{package}"
    return "sterna"


def api_page(package):
    """The page of a package: its docstring and every name of its `__all__`."""
    module = importlib.import_module(f"sterna.{package}")
    entries = [_entry(f"sterna.{package}.{name}", getattr(module, name)) for name in module.__all__]
    return f"{package}\n{'=' * len(package)}\n\n.. automodule:: sterna.{package}\n   :no-members:\n\n" + "\n".join(entries)


def root_page():
    """What no package's page has: the names that live at the top, and the contract of strategies."""
    own = [name for name in sterna.__all__ if not name.startswith("_") and _home(name) == "sterna"]
    entries = [_entry(f"sterna.{name}", getattr(sterna, name)) for name in own]
    contract = _entry("sterna.base.TransferEstimator", None, "fit, predict, predict_proba, decision_function, score")
    return "sterna\n======\n\n.. automodule:: sterna\n   :no-members:\n\n" + "\n".join([*entries, contract])


def _entry(path, thing, members=""):
    if inspect.isfunction(thing):
        return f".. autofunction:: {path}\n"
    if isinstance(thing, dict):
        return f".. py:data:: {path}\n\n   By name: {', '.join(f'``{key}``' for key in thing)}.\n"
    # what a strategy inherits is told once, with the contract
    inherited = inspect.isclass(thing) and issubclass(thing, sterna.base.TransferEstimator)
    option = "" if inherited else f"   :members: {members}\n"
    return f".. autoclass:: {path}\n{option}"


def command_line():
    """The reference that Typer writes, its spans and entities made Markdown."""
    command = [sys.executable, "-m", "typer", "sterna.cli", "utils", "docs", "--name", "sterna"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    text = re.sub(r'<span style="font-weight: bold">(.*?)</span>', r"**\1**", html.unescape(text))
    text = re.sub(r"\n\*\*Commands\*\*:\n\n(\* .*\n)+", "\n", text)  # cut off after a few words; the headings follow anyway
    text = re.sub(r"^Example: (sterna .*)$", r"```console\n$ \1\n```", text, flags=re.MULTILINE)
    return text.split("\n", 2)[2]  # the page has its own title
