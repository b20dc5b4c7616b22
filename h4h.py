"""H4H-NAS in Python: the public names of `search_space`, `supernet`, `objectives` and `studies` in one place.

    import h4h

    settings = h4h.StudySettings(objectives=("acc", "lat", "energy"), generations=12)
    study = h4h.run_study(settings, database="studies.db", on_progress=print)
    study.front()

`supernet.load` is called `load_supernet` here. Nothing heavy is imported until it is used.
"""

from typing import TYPE_CHECKING

from h4h_packages import lazy_names

if TYPE_CHECKING:
    from objectives import (
        Accuracy,
        CostModel,
        Energy,
        Latency,
        Objective,
        Power,
        SoC,
        known_objectives,
        known_socs,
        load_soc,
    )
    from search_space import H4HError, Space, Subnet, known_spaces, load_space
    from studies import (
        Evaluation,
        LoadedStudy,
        Progress,
        Sampler,
        SamplerContext,
        Store,
        Study,
        StudySettings,
        backup_studies,
        compare_studies,
        known_samplers,
        load_study,
        merge_studies,
        open_store,
        rename_study,
        run_study,
    )
    from supernet import Supernet, extract, from_torch, known_checkpoints
    from supernet import load as load_supernet

__all__ = [
    "Accuracy",
    "CostModel",
    "Energy",
    "Evaluation",
    "H4HError",
    "Latency",
    "LoadedStudy",
    "Objective",
    "Power",
    "Progress",
    "Sampler",
    "SamplerContext",
    "SoC",
    "Space",
    "Store",
    "Study",
    "StudySettings",
    "Subnet",
    "Supernet",
    "backup_studies",
    "compare_studies",
    "extract",
    "from_torch",
    "known_checkpoints",
    "known_objectives",
    "known_samplers",
    "known_socs",
    "known_spaces",
    "load_soc",
    "load_space",
    "load_study",
    "load_supernet",
    "merge_studies",
    "open_store",
    "rename_study",
    "run_study",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        **dict.fromkeys(("H4HError", "Space", "Subnet", "known_spaces", "load_space"), "search_space"),
        **dict.fromkeys(("Supernet", "extract", "from_torch", "known_checkpoints"), "supernet"),
        "load_supernet": "supernet:load",
        **dict.fromkeys(
            (
                "Accuracy",
                "CostModel",
                "Energy",
                "Latency",
                "Objective",
                "Power",
                "SoC",
                "known_objectives",
                "known_socs",
                "load_soc",
            ),
            "objectives",
        ),
        **dict.fromkeys(
            (
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
            ),
            "studies",
        ),
    },
)
