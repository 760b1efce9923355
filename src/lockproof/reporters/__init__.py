"""How outcomes are told to people and programs; nothing here decides anything."""
