"""Design spaces: the networks of a search space times the chips that they may run on."""
