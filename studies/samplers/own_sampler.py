"""User-defined samplers: import, checks and identity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from search_space.errors import H4HError, UnknownNameError
from search_space.files.own_code import (
    OwnCodeError,
    code_identity,
    code_name,
    failure_text,
    import_object,
    is_reference,
)
from search_space.genotype import Genotype
from studies.samplers.registry import PLUG_INS, built_in_samplers, known_samplers
from studies.samplers.sampler import Sampler, SamplerContext
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import GenerationReport


class OwnSampler(Sampler):
    """A user-defined sampler. Its exceptions become one-line errors that name it.

    Args:
        create: Creates the sampler, e.g. its class.
        context: Context of the sampler.

    Raises:
        OwnCodeError: The sampler cannot be created.
    """

    def __init__(self, create: Any, context: SamplerContext) -> None:
        self._code = code_name(create)
        with self._named():
            content = create(context)
        if not isinstance(content, Sampler):
            raise OwnCodeError(
                f"sampler {self._code!r} must be a class derived from studies.Sampler, but makes a "
                f"{type(content).__name__}"
            )
        self._content: Sampler = content

    @property
    def report(self) -> GenerationReport | None:
        """Prediction quality of the last generation; None without predictions."""
        with self._named():
            return self._content.report

    def ask(self, count: int) -> list[Genotype]:
        """The next generation; see `Sampler.ask`."""
        with self._named():
            return self._content.ask(count)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Evaluations of the last generation; see `Sampler.tell`."""
        with self._named():
            self._content.tell(evaluations)

    def _propose(self, count: int) -> Sequence[Genotype]:
        return self._content._propose(count)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turns exceptions of the user's code into `OwnCodeError`."""
        try:
            yield
        except OwnCodeError:
            raise
        except H4HError as error:
            raise OwnCodeError(f"sampler {self._code!r}: {error}") from error
        except Exception as error:
            raise OwnCodeError(f"sampler {self._code!r} failed ({failure_text(error)})") from error


def own_sampler(name: str, given: Sequence[object]) -> object | None:
    """The class or function that creates the user-defined sampler called `name`; None if `name` is built in.

    Args:
        name: A built-in sampler, the name of one of `given`, a sampler of an installed package, or
            ``module:Class``.
        given: Classes or functions, named by their attribute `name` or else their `__name__`.

    Raises:
        H4HError: There is no such sampler, it cannot be imported, or one of `given` is not used.
    """
    by_name = {_name(sampler): sampler for sampler in given}
    sampler_class = import_object(name, kind="sampler") if is_reference(name) else by_name.pop(name, None)
    if by_name:
        unused = next(iter(by_name))
        raise OwnCodeError(
            f"samplers holds {unused!r}, but --sampler is {name!r}: name it, as in StudySettings(sampler="
            f"{unused!r})"
        )
    if sampler_class is None and name not in built_in_samplers():
        plug_in = PLUG_INS.find(name)
        if plug_in is None:
            raise UnknownNameError("sampler", name, known_samplers())
        name, sampler_class = plug_in.title, plug_in.load()
    if sampler_class is not None and not callable(sampler_class):
        raise OwnCodeError(
            f"sampler {name!r} must be a class derived from studies.Sampler, but got {sampler_class!r:.80}"
        )
    return sampler_class


def sampler_identity(create: object) -> dict[str, str]:
    """Entries of the fingerprint that identify the code of a user-defined sampler."""
    return {f"sampler_{key}": text for key, text in code_identity(create, kind="sampler").items()}


def _name(create: object) -> str:
    name = getattr(create, "name", None) or getattr(create, "__name__", None)
    if not isinstance(name, str):
        raise OwnCodeError(f"samplers must hold classes derived from studies.Sampler, but got {create!r:.80}")
    return name
