"""Sphinx: what is listed (strategies, measures, commands, the public names) is generated from the code at every build."""

import sys
from pathlib import Path

import sterna

sys.path.insert(0, str(Path(__file__).parent))

import _generate
import _plain_docstrings

_generate.write_all(Path(__file__).parent / "_generated")

project = "Sterna"
author = "The Sterna developers"
copyright = "The Sterna developers"
release = version = sterna.__version__

extensions = ["sphinx.ext.autodoc", "numpydoc", "myst_parser"]
exclude_patterns = ["_build", "_generated/parts"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
default_role = "literal"  # single backquotes in docstrings are code
autodoc_typehints = "none"  # the docstrings say the types
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"Sterna {release}"
html_static_path = ["_static"]
html_css_files = ["sterna.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5c7a", "color-brand-content": "#0b5c7a"},
    "dark_css_variables": {"color-brand-primary": "#6cc3e0", "color-brand-content": "#6cc3e0"},
}


def setup(app):
    """Make plain docstrings reStructuredText before numpydoc reads them; leave out what scikit-learn adds to every estimator."""
    app.connect("autodoc-process-docstring", _plain_docstrings.process, priority=100)
    app.connect("autodoc-skip-member", lambda app, what, name, obj, skip, options: skip or _is_request(name))


def _is_request(name):
    return name.startswith("set_") and name.endswith("_request")
