"""Interpreters and platforms: found by exact version, identified by content, described for those not at hand."""
