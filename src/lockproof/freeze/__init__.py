"""From an environment back to a lock."""
