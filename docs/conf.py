"""Sphinx settings."""

from importlib.metadata import version as installed

project = "etastar"
author = "The etastar developers"
version = release = installed("etastar")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "etastar"
myst_enable_extensions = ["dollarmath"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_use_rtype = False
suppress_warnings = ["ref.python"]
