from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from studies.presentation.paper_table import latex_table, latex_text, markdown_table
from studies.presentation.text_table import Column

COLUMNS = [
    Column("acc %", ("90.00", "<= 73.10 (512 images)")),
    Column("±", ("0.40", "1.00")),
    Column("family", ("cnn", "no: my_limit<=8ms"), is_number=False),
]


def test_a_latex_table_is_a_tabular_with_rules() -> None:
    assert latex_table(COLUMNS).splitlines() == [
        "\\begin{tabular}{rrl}  % needs \\usepackage{booktabs}",
        "  \\toprule",
        "  acc \\% & $\\pm$ & family \\\\",
        "  \\midrule",
        "  90.00 & 0.40 & cnn \\\\",
        "  \\textless{}= 73.10 (512 images) & 1.00 & no: my\\_limit\\textless{}=8ms \\\\",
        "  \\bottomrule",
        "\\end{tabular}",
    ]


def test_no_character_is_left_to_latex_as_a_command() -> None:
    assert latex_text("a\\b{c}~^#&$%_") == (
        r"a\textbackslash{}b\{c\}\textasciitilde{}\textasciicircum{}\#\&\$\%\_"
    )


texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12).map(
    lambda text: " ".join(text.split()) or "x"
)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=3))
def test_a_markdown_table_reads_back_as_what_it_shows(columns: list[tuple[str, str]]) -> None:
    text = markdown_table([Column(title, (cell,)) for title, cell in columns])
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    shown = ["".join(part.content for part in one.children or ()) for one in tokens if one.type == "inline"]
    assert shown == [title for title, _ in columns] + [cell for _, cell in columns]
