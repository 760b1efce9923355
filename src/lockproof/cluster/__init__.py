"""Cells on other machines: Dask workers that offer exact Pythons. Imported only where a cluster was asked for."""
