"""Wheels that are built: from sdists, and of the project under test."""
