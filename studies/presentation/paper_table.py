"""Tables of evaluations for a paper: LaTeX and Markdown, with the columns of the text table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from studies.presentation.text_table import Column

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
}
_MARKDOWN = "\\`*_{}[]<>#|~"


def latex_text(text: str) -> str:
    """`text` with the characters that LaTeX reads as commands escaped."""
    return "".join(_LATEX.get(character, character) for character in text)


def markdown_text(text: str) -> str:
    """`text` with the characters that Markdown reads as markup escaped."""
    return "".join(f"\\{character}" if character in _MARKDOWN else character for character in text)


def latex_table(columns: Sequence[Column]) -> str:
    """A ``tabular`` with the rules of the package booktabs; numbers stand right."""
    lines = [" & ".join(latex_text(column.title) for column in columns)]
    lines += [
        " & ".join(map(latex_text, cells)) for cells in zip(*(one.cells for one in columns), strict=True)
    ]
    head, *rows = (f"  {line} \\\\" for line in lines)
    form = "".join("r" if column.is_number else "l" for column in columns)
    return "\n".join(
        [
            f"\\begin{{tabular}}{{{form}}}  % needs \\usepackage{{booktabs}}",
            *("  \\toprule", head, "  \\midrule", *rows, "  \\bottomrule"),
            "\\end{tabular}",
        ]
    )


def markdown_table(columns: Sequence[Column]) -> str:
    """A table of GitHub's Markdown; numbers stand right."""
    rows = [
        [column.title for column in columns],
        *zip(*(column.cells for column in columns), strict=True),
    ]
    head, *body = (f"| {' | '.join(map(markdown_text, cells))} |" for cells in rows)
    line = f"| {' | '.join('---:' if column.is_number else '---' for column in columns)} |"
    return "\n".join([head, line, *body])


TABLES: Mapping[str, tuple[Callable[[Sequence[Column]], str], Callable[[str], str]]] = {
    "latex": (latex_table, latex_text),
    "markdown": (markdown_table, markdown_text),
}
"""By format: how a table is written, and how a text between tables is escaped."""
