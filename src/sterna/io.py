"""Saving and loading models: skops files, networks as safetensors, never a bare pickle."""

from __future__ import annotations

import importlib
import os
import tempfile
from pathlib import Path
from typing import Any

#: Classes of these packages are rebuilt without asking; all else is named and refused, functions of theirs too (numpy.load).
TRUSTED_PACKAGES = ("sterna.", "sklearn.", "numpy.", "scipy.", "pandas.")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def save(model: Any, path: str | Path) -> Path:
    """Save a fitted model: a skops file, or safetensors where it is a network.

    Parameters
    ----------
    model : estimator
    path : path
        A file, or a run's folder (the file is then `model.skops` or `model.safetensors` in it).

    Returns
    -------
    Path
        The file written.
    """
    path = Path(path)
    if _is_network(model):
        return _network(model).save(path.with_suffix(".safetensors") if path.suffix == ".skops" else path)
    import skops.io  # late: it brings torch along where that is installed

    path = _model_file(path)
    write_atomically(path, skops.io.dumps(model))
    return path


def _network(model: Any) -> Any:
    """The model itself, or the only step of its pipeline."""
    return model[-1] if hasattr(model, "steps") and len(model.steps) == 1 else model


def _is_network(model: Any) -> bool:
    return hasattr(_network(model), "network_")


def load(path: str | Path, trusted: list[str] | None = None) -> Any:
    """Load a model saved by `save`.

    Parameters
    ----------
    path : path
        The file (.skops or .safetensors), or the run's folder.
    trusted : list of str, default=None
        More type names to rebuild, after you looked at them.

    Returns
    -------
    estimator

    Raises
    ------
    ValueError
        Where the file is no skops file, or holds types that are not trusted (all are named).
    """
    path = _model_file(Path(path))
    if path.suffix == ".safetensors":
        from sterna.deep import load_deep

        return load_deep(path)
    if not path.exists():
        raise FileNotFoundError(
            f"there is no model file {path}; give a file written by sterna fit or compare, or its run folder"
        )
    import skops.io

    try:
        unknown = skops.io.get_untrusted_types(file=path)
    except Exception as error:
        raise ValueError(f"{path} is not a skops model file ({type(error).__name__}); pickles are never loaded") from error
    ours = [name for name in unknown if name.startswith(TRUSTED_PACKAGES) and _is_class(name)]
    foreign = sorted(set(unknown) - set(ours) - set(trusted or []))
    if foreign:
        raise ValueError(
            f"{path} holds types that are not trusted: {', '.join(foreign)}; if you know them, pass trusted={foreign!r}, "
            "otherwise do not use this file"
        )
    return skops.io.load(path, trusted=[*ours, *(trusted or [])])


def _is_class(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        return "__main__" not in module and isinstance(getattr(importlib.import_module(module), attribute, None), type)
    except ImportError:
        return False


def _model_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    network = path / "model.safetensors"
    return network if network.exists() and not (path / "model.skops").exists() else path / "model.skops"
