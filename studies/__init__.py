"""The search: studies, their store, the samplers, and the commands that run and show them.

Public names load when they are first used:

    from studies import StudySettings, run_study, load_study
"""

from h4h_packages import check_packages, lazy_names

check_packages(__name__)

TYPE_CHECKING = False
"""A name that type checkers know; `typing` itself would load before the guard of the start."""

if TYPE_CHECKING:
    from studies.launch.compare_studies import compare_studies
    from studies.launch.copied_studies import backup_studies, rename_study
    from studies.launch.merge_studies import merge_studies
    from studies.launch.run_study import LoadedStudy, load_study, run_study
    from studies.samplers.registry import known_samplers
    from studies.samplers.sampler import Sampler, SamplerContext
    from studies.search.search_loop import Progress
    from studies.storage.store import Store, open_store
    from studies.study.evaluation import Evaluation
    from studies.study.settings import StudySettings
    from studies.study.study import Study

__all__ = [
    "Evaluation",
    "LoadedStudy",
    "Progress",
    "Sampler",
    "SamplerContext",
    "Store",
    "Study",
    "StudySettings",
    "backup_studies",
    "compare_studies",
    "known_samplers",
    "load_study",
    "merge_studies",
    "open_store",
    "rename_study",
    "run_study",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Evaluation": "studies.study.evaluation",
        "LoadedStudy": "studies.launch.run_study",
        "Progress": "studies.search.search_loop",
        "Sampler": "studies.samplers.sampler",
        "SamplerContext": "studies.samplers.sampler",
        "Store": "studies.storage.store",
        "Study": "studies.study.study",
        "StudySettings": "studies.study.settings",
        "backup_studies": "studies.launch.copied_studies",
        "compare_studies": "studies.launch.compare_studies",
        "known_samplers": "studies.samplers.registry",
        "load_study": "studies.launch.run_study",
        "merge_studies": "studies.launch.merge_studies",
        "open_store": "studies.storage.store",
        "rename_study": "studies.launch.copied_studies",
        "run_study": "studies.launch.run_study",
    },
)
