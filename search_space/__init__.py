"""The search space: genes, their canonical form, subnets, families, and the spaces that are shipped.

Public names load when they are first used:

    from search_space import load_space
"""

from h4h_packages import lazy_names

TYPE_CHECKING = False
"""A name that type checkers know; `typing` itself would load before the guard of the start."""

if TYPE_CHECKING:
    from search_space.errors import H4HError
    from search_space.space import Space, known_spaces, load_space
    from search_space.subnet import Subnet

__all__ = ["H4HError", "Space", "Subnet", "known_spaces", "load_space"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "H4HError": "search_space.errors",
        "Space": "search_space.space",
        "Subnet": "search_space.subnet",
        "known_spaces": "search_space.space",
        "load_space": "search_space.space",
    },
)
