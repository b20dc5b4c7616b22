"""Search spaces: genes, genotypes, subnets, families, and the built-in spaces."""
