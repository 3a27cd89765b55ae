"""Docstrings are plain text with `code` in backquotes; here they become reStructuredText.

What reStructuredText would take for markup (|t|, n_repeats * n_splits, classes_) is escaped outside of code.
"""

import re

_CODE = re.compile(r"(``.*?``|`[^`]*`)")
_HAZARD = re.compile(r"(?<!\\)(\||\*|(?<=\w)_(?!\w))")
_BULLET = re.compile(r"^\s*\* ")


def process(app, what, name, obj, options, lines):
    """Handler of `autodoc-process-docstring`: changes `lines` in place."""
    lines[:] = plain_lines(lines)


def plain_lines(lines):
    """Escape prose; leave examples, headings and the names of parameters alone."""
    inside, escaped = False, []
    for line in lines:
        inside = (inside and bool(line.strip())) or line.lstrip().startswith(">>>")
        escaped.append(line if inside or _is_name(line) else escape(line))
    return escaped


def _is_name(line):
    """Whether a line declares parameters or attributes, which numpydoc escapes by itself."""
    return re.match(r"^[*\w][*\w, ]*( : .*)?$", line) is not None and (" : " in line or " " not in line.replace(", ", ""))


def escape(line):
    """Put a backslash before whatever is markup outside of code."""
    bullet = _BULLET.match(line)
    start = bullet.end() if bullet else 0
    parts = _CODE.split(line[start:])
    return line[:start] + "".join(part if part.startswith("`") else _HAZARD.sub(r"\\\1", part) for part in parts)
