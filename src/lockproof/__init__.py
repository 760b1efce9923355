"""The lock predicts the environment; lockproof proves it."""

__version__ = "0.1.0"
