"""What can be built: genes, their canonical form, subnets, families, and the spaces that come with it."""
