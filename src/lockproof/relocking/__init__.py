"""Making, upgrading, checking and converting locks."""
