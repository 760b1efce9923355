"""Wheels: what lands where, the store that holds them, and environments joined from it."""
