"""Docstrings are plain text with `code` in backquotes; here they become reStructuredText.

What reStructuredText would take for markup (|t|, n_repeats * n_splits, classes_, the initial of an author) is escaped outside of code,
and every reference gets a paragraph of its own.
"""

import re

_CODE = re.compile(r"(``.*?``|`[^`]*`)")
_HAZARD = re.compile(r"(?<!\\)(\||\*|(?<=\w)_(?!\w))")
_INITIAL = re.compile(r"^\s*[A-Z]\.")
_BULLET = re.compile(r"^\s*\* ")
#: Names of parameters or attributes at the start of an unindented line; numpydoc escapes them by itself.
_NAMES = re.compile(r"[*\w][*\w, ]*(?= : )|\w+(, \w+)*$")


def process(app, what, name, obj, options, lines):
    """Handler of `autodoc-process-docstring`: changes `lines` in place."""
    lines[:] = plain_lines(split_references(lines))


def split_references(lines):
    """Put an empty line between references: one begins with an initial, after a full stop."""
    if "References" not in lines:
        return lines
    start = lines.index("References") + 2
    end = next((i for i in range(start, len(lines)) if re.match("-{3,}$", lines[i])), len(lines) + 1) - 1
    split = []
    for before, line in zip(["", *lines[start:end]], lines[start:end], strict=False):
        split += ["", line] if before.rstrip().endswith(".") and _INITIAL.match(line) else [line.strip()]
    return lines[:start] + split + lines[end:]


def plain_lines(lines):
    """Escape prose and types; leave examples, headings and the names of parameters alone."""
    inside, escaped = False, []
    for line in lines:
        inside = (inside and bool(line.strip())) or line.lstrip().startswith(">>>")
        names = _NAMES.match(line)
        start = names.end() if names else 0
        escaped.append(line if inside else line[:start] + escape(line[start:]))
    return escaped


def escape(line):
    """Put a backslash before whatever is markup outside of code."""
    bullet = _BULLET.match(line)
    start = bullet.end() if bullet else 0
    if _INITIAL.match(line):  # "C. Chelba" would begin a list
        line = line.replace(".", "\\.", 1)
    parts = _CODE.split(line[start:])
    return line[:start] + "".join(part if part.startswith("`") else _HAZARD.sub(r"\\\1", part) for part in parts)
