"""Files and documents that CI services run a matrix from."""
