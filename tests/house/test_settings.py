"""Every setting is documented, exactly as declared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import generate
from hubd.config import Config, load, settings

TEXTS = generate.texts()


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_the_file_is_what_make_docs_would_write(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == TEXTS[path]


@pytest.mark.parametrize("name", [info.name for info in settings()])
def test_every_setting_is_in_both_files(name: str) -> None:
    assert f"\n#{name} = " in generate.toml()
    assert f"\n| `{name}` | " in generate.markdown()


def test_every_setting_has_a_heading() -> None:
    groups = list(generate.groups())
    assert all(heading for heading, _ in groups)
    assert len({heading for heading, _ in groups}) == len(groups)


def test_the_sample_file_with_every_line_in_force_is_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "hubd.toml"
    file.write_text(re.sub(r"^#(\w+ = )", r"\1", generate.toml(), flags=re.MULTILINE))
    assert load(file, environ={}) == Config()


def test_the_sample_file_as_it_is_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "hubd.toml"
    file.write_text(generate.toml())
    assert load(file, environ={}) == Config()
