# SPDX-License-Identifier: GPL-2.0-or-later
"""Templates of packaging/ filled in. The only module that knows jinja2.

A template's name is its result's, with ``.j2`` behind; its mode is the result's. An unknown name in a template is an error.
"""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path

from quicctl import errors
from quicctl.packaging.recipe import Recipe

_SUFFIX = ".j2"


def folder(tree: Path) -> Path:
    """The templates of a source tree."""
    return tree / "packaging"


def targets(templates: Path) -> list[str]:
    """The targets that have templates."""
    return sorted(path.name for path in templates.iterdir() if any(path.rglob(f"*{_SUFFIX}")))


def render(templates: Path, target: str, recipe: Recipe) -> dict[Path, str]:
    """The files of a target, by their paths below its folder."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates), undefined=jinja2.StrictUndefined, autoescape=False,
        keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    context = {field.name: getattr(recipe, field.name) for field in fields(recipe)} | {"stem": recipe.stem}
    rendered = {}
    for path in sorted((templates / target).rglob(f"*{_SUFFIX}")):
        name = path.relative_to(templates)
        rendered[_place(path, templates / target)] = environment.get_template(str(name)).render(context)
    if not rendered:
        raise errors.FileUnreadable(f"{templates / target} holds no templates", remedy="run quicctl from a whole clone")
    return rendered


def write(templates: Path, target: str, recipe: Recipe, out: Path) -> list[Path]:
    """Fill a target's templates in below out; returns the files."""
    written = []
    for inside, text in render(templates, target, recipe).items():
        place = out / inside
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        shutil.copymode(templates / target / f"{inside}{_SUFFIX}", place)
        written.append(place)
    return written


def _place(template: Path, base: Path) -> Path:
    inside = template.relative_to(base)
    return inside.with_name(inside.name.removesuffix(_SUFFIX))
