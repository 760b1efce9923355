"""The user's package indexes: configuration, credentials, look-ups, downloads."""
