"""The head of a README, also where somebody means harm."""

from __future__ import annotations

import pytest

from hubd.core import cards
from hubd.errors import Invalid
from hubd.types import RepoType


def head(text: str) -> bytes:
    return f"---\n{text}\n---\n# Title\n".encode()


def test_a_card_is_read_as_json_can_say_it() -> None:
    text = "license: mit\ndate: 2026-01-02\nx: .inf\n1: one\nlanguage:\n- en\n- no\nbig: 99999999999999999999"
    found = cards.front_matter(head(text))
    assert found == {
        "license": "mit",
        "date": "2026-01-02",
        "x": "inf",
        "1": "one",
        "language": ["en", False],
        "big": "99999999999999999999",
    }


@pytest.mark.parametrize("text", ["", "# No head", "---\nopen: true\n", "x\n---\na: 1\n---\n"])
def test_a_readme_without_a_head_has_no_card(text: str) -> None:
    assert cards.front_matter(text.encode()) is None


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "- a list",
        "a: &x [1]\nb: *x",
        "&a a: *a",
        "a: " + "[" * 100_000,
        "a: " + "{x: " * 100_000,
        "- " * 100_000,
        "a: [" + "1," * 60_000 + "]",
        "a: !!python/object/apply:os.system ['true']",
        "a: " + "1" * 10_000,
        "a: 2026-99-99",
        "a: \x01",
        "x" * 300_000,
    ],
)
def test_what_cannot_be_a_card_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        cards.front_matter(head(text))


def test_tags_follow_from_the_card() -> None:
    data = {"license": "mit", "language": ["en"], "tags": ["x", "x"], "datasets": "a/b"}
    made = cards.described(RepoType.MODEL, data, {"model_type": "bert"}, ["m.safetensors"])
    assert made.library_name == "transformers"
    assert set(made.tags) == {
        "transformers",
        "safetensors",
        "bert",
        "en",
        "x",
        "license:mit",
        "dataset:a/b",
    }
    data = {"task_categories": ["text-generation"], "size_categories": "n<1K"}
    tags = cards.described(RepoType.DATASET, data, {}, []).tags
    assert tags == ["task_categories:text-generation", "size_categories:n<1K"]
    assert cards.described(RepoType.SPACE, {"sdk": "docker"}, {}, []).sdk == "docker"
    odd = {"tags": {"a": [1]}, "license": 3, "language": None, "pipeline_tag": ["x"]}
    assert cards.described(RepoType.MODEL, odd, {}, []).tags == ["license:3"]


def test_a_card_is_judged_before_it_is_committed() -> None:
    assert not cards.validate("---\nlicense: mit\n---\n", RepoType.MODEL).errors
    assert cards.validate("# Hi", RepoType.MODEL).warnings
    assert cards.validate("---\na: [\n---\n", RepoType.MODEL).errors
    assert cards.validate("---\nlicense: {a: 1}\n---\n", RepoType.MODEL).errors
    assert cards.validate("---\nsdk: vba\n---\n", RepoType.SPACE).errors
