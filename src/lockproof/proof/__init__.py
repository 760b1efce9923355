"""Fingerprints: predicted, observed, held against each other."""
