"""Output of notebook cells: tables, texts, highlighted programs and pictures as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEFT, RIGHT = "text-align:left;white-space:pre;padding:2px 8px", "text-align:right;padding:2px 8px"
STYLES = {"comment": "color:#6a737d", "string": "color:#22703c", "keyword": "color:#a0228a;font-weight:bold"}


def table_html(header: Sequence[str], rows: Sequence[Sequence[str]], note: str = "", left: int = 1) -> str:
    """A table, with the first `left` columns to the left as in a text; below it the note's lines."""

    def row(cells: Sequence[str], tag: str) -> str:
        texts = (
            f'<{tag} style="{LEFT if i < left else RIGHT}">{html.escape(cell)}</{tag}>'
            for i, cell in enumerate(cells)
        )
        return f"<tr>{''.join(texts)}</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f"<table><thead>{row(header, 'th')}</thead><tbody>{body}</tbody></table>" + text_html(note)


def text_html(text: str) -> str:
    """A text with its lines as they are; nothing for an empty one."""
    return f'<pre style="line-height:1.25">{html.escape(text)}</pre>' if text else ""


def picture_html(figure: Figure) -> str:
    """A picture inside the page, no wider than it."""
    import base64

    data = base64.b64encode(png(figure)).decode()
    return f'<img style="max-width:100%" src="data:image/png;base64,{data}">'


def png(figure: Figure) -> bytes:
    from io import BytesIO

    file = BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


class ProgramText(str):
    """A program: a str, which a notebook shows with its comments, strings and keywords in colour."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        shown = "".join(_highlighted(self))
        return f'<pre style="line-height:1.25;max-height:120em;overflow:auto">{shown}</pre>'


def _highlighted(program: str) -> Iterator[str]:
    import tokenize
    from io import StringIO
    from keyword import iskeyword

    lines = program.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    at = 0
    for token in tokenize.generate_tokens(StringIO(program).readline):
        kind = {tokenize.COMMENT: "comment", tokenize.STRING: "string"}.get(token.type, "")
        if token.type == tokenize.NAME and iskeyword(token.string):
            kind = "keyword"
        if kind:
            start, end = (starts[row - 1] + column for row, column in (token.start, token.end))
            yield html.escape(program[at:start])
            yield f'<span style="{STYLES[kind]}">{html.escape(program[start:end])}</span>'
            at = end
    yield html.escape(program[at:])
