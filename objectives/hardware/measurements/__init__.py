"""Tables of measured ops, and cycles that follow from them."""
