"""Environments, wherever they lie, read byte by byte and turned into fingerprints; none of their code is run."""
