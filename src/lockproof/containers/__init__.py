"""Containers and images: found through docker or podman, read without running anything in them."""
