"""Prose of the pages: short sentences, words of the field."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import PAGES, page, parse_page

MOST_WORDS = 25
GENERATED = ("docs/results/two-phase.md",)
"""Pages that a benchmark writes."""
FIXED = ("docs/results-protocol.md",)
"""Pages whose words were fixed before a measurement."""

UNIDIOMATIC = (
    *("leave it away", "leave away", "unless told", "whoever", "is dear", "are dear", "goes on where"),
    *("go on exactly", "is none of", "none is there", "how is searched", "is searched on"),
)
"""Phrases that read as if translated."""


def words(sentence: str) -> list[str]:
    """Words of a sentence outside of brackets; a dash or another lone mark is none."""
    return [word for word in re.sub(r"\([^()]*\)", "", sentence).split() if re.search(r"\w", word)]


@pytest.mark.parametrize("name", [name for name in PAGES if name not in GENERATED + FIXED])
def test_sentences_are_short(name: str) -> None:
    long = [
        f"{name}:{line}: {len(words(sentence))} words: {sentence}"
        for line, sentence in page(name).sentences
        if len(words(sentence)) > MOST_WORDS
    ]
    assert long == [], "\n".join(long)


@pytest.mark.parametrize("name", [name for name in PAGES if name not in GENERATED])
def test_words_are_those_of_the_field(name: str) -> None:
    unidiomatic = [
        f"{name}:{line}: {phrase!r} in {sentence}"
        for line, sentence in page(name).sentences
        for phrase in UNIDIOMATIC
        if phrase in sentence.lower()
    ]
    assert unidiomatic == [], "\n".join(unidiomatic)


def test_a_long_sentence_is_found() -> None:
    text = "Short. " + "word " * 26 + "end. [A link with words](x.md) and `some code here` stay."
    counts = [len(words(sentence)) for _, sentence in parse_page("page.md", text).sentences]
    assert max(counts) == 27
