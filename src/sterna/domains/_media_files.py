"""Files of images and clips: whether they can be read, and what they hold."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from pathlib import Path

#: How the files of clips begin.
_SIGNATURES = {".wav": b"RIFF", ".flac": b"fLaC", ".ogg": b"OggS"}


def refuse_bad_files(title: str, paths: Iterable[str], modality: str, skip_bad: bool) -> dict[str, str]:
    """Find files that cannot be read.

    Parameters
    ----------
    title : str
        How messages call the domain.
    paths : iterable of str
    modality : {"image", "audio"}
    skip_bad : bool
        Return them instead of raising.

    Returns
    -------
    dict of path to reason

    Raises
    ------
    ValueError
        For the first bad file, where they are not to be skipped.
    """
    check = _image_fault if modality == "image" else _clip_fault
    bad: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        reason = check(Path(path))
        if reason is None:
            continue
        if not skip_bad:
            raise ValueError(
                f"{title}: {path} cannot be read ({reason}); write it again, or leave such files out with skip_bad=True "
                "(on the command line: --skip-bad)"
            )
        bad[path] = reason
    return bad


def _empty_or_absent(path: Path) -> str | None:
    if not path.is_file():
        return "there is no such file"
    return "the file is empty" if path.stat().st_size == 0 else None


def _image_fault(path: Path) -> str | None:
    fault = _empty_or_absent(path)
    if fault is not None:
        return fault
    try:
        from PIL import Image
    except ModuleNotFoundError:
        return None  # without Pillow nothing can be encoded either; the encoder says so
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata does not matter
            with Image.open(path) as image:
                image.draft("RGB", (1, 1))  # a JPEG is then decoded small, which is fast and still finds a cut file
                image.load()
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        return _short(error, "no image that Pillow knows" if "cannot identify" in str(error) else None)
    return None


def _clip_fault(path: Path) -> str | None:
    fault = _empty_or_absent(path)
    if fault is not None:
        return fault
    with path.open("rb") as file:
        start = file.read(12)
    signature = _SIGNATURES.get(path.suffix.lower(), b"")
    if not start.startswith(signature) or (signature == b"RIFF" and start[8:12] != b"WAVE"):
        return f"its first bytes are not those of a {path.suffix[1:]} file"
    try:
        import soundfile
    except (ModuleNotFoundError, OSError):
        return None  # OSError: the package is there, its system library is not
    try:
        return None if soundfile.info(str(path)).frames > 0 else "it holds no sound"
    except (RuntimeError, OSError, ValueError) as error:
        return _short(error, None)


def _short(error: BaseException, instead: str | None) -> str:
    return instead or (str(error).splitlines() or [type(error).__name__])[0][:120]


def content_hash(item: str, modality: str) -> str:
    """The SHA-256 of what a row holds: the bytes of its file, or its text.

    Parameters
    ----------
    item : str
        A path, or a text.
    modality : {"image", "audio", "text"}

    Returns
    -------
    str
    """
    if modality == "text":
        return hashlib.sha256(item.encode("utf-8", "surrogatepass")).hexdigest()
    with Path(item).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
