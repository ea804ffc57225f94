"""Templates and scripts that the report and the live pages share."""

from __future__ import annotations

import functools
from importlib import resources

import jinja2
import vl_convert

from detector.report import phrases, wording


def environment(*packages: str) -> jinja2.Environment:
    """Templates of these packages, the first one's before the second one's.

    What they are given is escaped; what they are not given is an error.
    """
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in packages]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(phrases=phrases, wording=wording)
    made.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    return made


def template_text(name: str, package: str = "detector.report") -> str:
    """A file beside a package's templates, such as a style sheet."""
    return resources.files(package).joinpath("templates", name).read_text("utf-8")


@functools.cache
def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, from the chart library's own copy.

    Raises:
        ValueError: when the script could end its own element.
    """
    code = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    if "</script" in code.lower() or "<!--" in code:
        raise ValueError("the chart library's script cannot stand inside a page")
    return code
