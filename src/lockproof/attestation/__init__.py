"""What was proven, signed: an in-toto Statement in a DSSE envelope, and that held against an environment."""
