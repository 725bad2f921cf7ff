"""Jupyter notebooks as pages: their cells and what these printed, never run and never as live HTML.

Format: nbformat's ``docs/format_description.rst``, version 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from markupsafe import Markup

from hubd.web.render import Code, Document, Renderer

SUFFIX = ".ipynb"
CELLS = 300
OUTPUTS = 50
_MAX_TEXT = 20_000
# Pictures that go into the page itself, the better ones first.
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_EXTENSIONS = {"python": "py", "julia": "jl", "r": "r", "javascript": "js", "bash": "sh"}

Text = str | list[str]


class Output(msgspec.Struct, frozen=True):
    """What a cell printed or returned."""

    output_type: str = ""
    text: Text = ""
    data: dict[str, msgspec.Raw] = {}
    traceback: list[str] = []


class Cell(msgspec.Struct, frozen=True):
    """A cell; ``execution_count`` is None where it was never run."""

    cell_type: str
    source: Text = ""
    outputs: list[Output] = []
    execution_count: int | None = None


class Language(msgspec.Struct, frozen=True):
    """What its cells are written in."""

    name: str = ""
    language: str = ""


class Metadata(msgspec.Struct, frozen=True):
    """What is said of the whole."""

    language_info: Language = Language()
    kernelspec: Language = Language()


class Notebook(msgspec.Struct, frozen=True):
    """A notebook of format 4."""

    nbformat: int
    cells: list[Cell]
    metadata: Metadata = Metadata()

    @property
    def extension(self) -> str:
        """That of a file in its language."""
        name = (self.metadata.language_info.name or self.metadata.kernelspec.language).lower()
        return _EXTENSIONS.get(name, name or "py")


class Shown(msgspec.Struct, frozen=True):
    """A cell as the page has it; each output is a text or the address of a picture."""

    document: Document | None = None
    code: Code | None = None
    number: int | None = None
    outputs: list[tuple[str, str]] = []


def parse(text: str) -> Notebook | None:
    """The notebook that this text is; None if it is none of format 4. For a thread."""
    try:
        found = msgspec.json.decode(text, type=Notebook)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if found.nbformat == 4 else None  # noqa: PLR2004


async def shown(renderer: Renderer, notebook: Notebook, where: dict[str, str]) -> list[Shown]:
    """The first cells, rendered; ``where`` is what the renderer needs to know for links."""
    made = []
    for cell in notebook.cells[:CELLS]:
        source = _joined(cell.source)
        if cell.cell_type == "markdown":
            document = await renderer.markdown(source, **where)
            if document.html is None:
                document = Document(Markup("<pre>{}</pre>").format(source), "")
            made.append(Shown(document=document))
            continue
        name = f"cell.{notebook.extension}" if cell.cell_type == "code" else "cell.txt"
        code = await renderer.code(source, name)
        outputs = list(_outputs(cell))
        made.append(Shown(code=code, number=cell.execution_count, outputs=outputs))
    return made


def _outputs(cell: Cell) -> Iterator[tuple[str, str]]:
    """The kind, text or picture, and its text or address."""
    for output in cell.outputs[:OUTPUTS]:
        picture = next((kind for kind in _PICTURES if kind in output.data), None)
        data = _text_of(output.data[picture]) if picture else ""
        if picture and _BASE64.fullmatch(data):
            yield "picture", f"data:{picture};base64,{''.join(data.split())}"
            continue
        text = "\n".join(output.traceback) or _joined(output.text)
        text = text or _text_of(output.data.get("text/plain", msgspec.Raw(b'""')))
        text = _COLOURS.sub("", text)
        if text:
            yield "text", text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"


def _text_of(raw: msgspec.Raw) -> str:
    try:
        return _joined(msgspec.json.decode(raw, type=Text))
    except msgspec.DecodeError:
        return ""


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(text)
