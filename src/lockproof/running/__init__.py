"""A run: its cells, their commands, what came of them."""
