"""Text of a study for a paper: a table of its front, and its settings as a paragraph to quote."""

from __future__ import annotations

from collections.abc import Sequence

from search_space.errors import UnknownNameError
from studies.analysis.front_certainty import front_certainty
from studies.presentation.paper_table import TABLES
from studies.presentation.settings_paragraph import settings_paragraph
from studies.presentation.text_table import front_columns
from studies.study.evaluation import Evaluation
from studies.study.study import Study


def paper_text(
    study: Study, evaluations: Sequence[Evaluation], form: str, *, is_complete: bool = False
) -> str:
    """A table and, after an empty line, the paragraph.

    Args:
        study: The study.
        evaluations: Its evaluations.
        form: ``latex`` or ``markdown``.
        is_complete: Whether the table shows all evaluations instead of the front.

    Raises:
        UnknownNameError: There is no such form.
    """
    if form not in TABLES:
        raise UnknownNameError("format", form, tuple(TABLES))
    table, escaped = TABLES[form]
    front = study.front(evaluations)
    if is_complete:
        columns = front_columns(study, evaluations)
    else:
        certainty = front_certainty(study, evaluations, front)
        more = {} if certainty is None else certainty.columns()
        columns = front_columns(study, front, study.contributions(front), more)
    return f"{table(columns)}\n\n{escaped(settings_paragraph(study, evaluations))}"
