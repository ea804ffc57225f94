"""Templates and scripts that the report and the live pages share."""

from __future__ import annotations

from importlib import resources

import jinja2

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
