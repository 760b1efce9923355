"""The matrix: what each environment should be."""
