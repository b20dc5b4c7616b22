"""A network of a front as files for a chip, checked before they are written."""
