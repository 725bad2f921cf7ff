"""A field at the head of a card is changed, and not a byte beside it."""

from __future__ import annotations

import pytest

from hubd.core.cardtags import edited
from hubd.errors import Invalid

BODY = "# Title\n\n---\nlicense: no\n"


@pytest.mark.parametrize(
    ("head", "after"),
    [
        ("license: mit\n", 'license: "x"\n'),
        ("# note\nlicense: mit\nname: n\n", '# note\nname: n\nlicense: "x"\n'),
        ("license:\n  - mit\n\n  - gpl\nname: n\n", 'name: n\nlicense: "x"\n'),
        ("license:\n- mit\nname: n\n", 'name: n\nlicense: "x"\n'),
        ("license: |\n  mit\n  more\n# note\n", '# note\nlicense: "x"\n'),
        ("license_name: mit\n", 'license_name: mit\nlicense: "x"\n'),
        ("", 'license: "x"\n'),
    ],
)
def test_a_field_is_replaced(head: str, after: str) -> None:
    readme = f"---\n{head}---\n{BODY}"
    assert edited(readme.encode(), "license", "x").decode() == f"---\n{after}---\n{BODY}"


def test_a_card_without_a_head_gets_one() -> None:
    assert edited(BODY.encode(), "tags", ["é"]) == f'---\ntags: ["é"]\n---\n{BODY}'.encode()
    assert edited(BODY.encode(), "tags", None) == BODY.encode()
    assert edited(b"", "license", "mit") == b'---\nlicense: "mit"\n---\n'


@pytest.mark.parametrize(
    "head",
    [
        "{license: mit, name: n}\n",
        '"license": mit\n',
        "text: |\n  x\n? license\n: mit\n",
        "- a\n",
        "a: [\n",
    ],
)
def test_what_is_written_otherwise_is_left_alone(head: str) -> None:
    with pytest.raises(Invalid):
        edited(f"---\n{head}---\n{BODY}".encode(), "license", "x")


def test_a_text_that_looks_like_the_field_is_left_alone() -> None:
    readme = f"---\ntext: |\n  license: mit\n---\n{BODY}"
    assert edited(readme.encode(), "license", None).decode() == readme
