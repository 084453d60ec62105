"""The hemodynamics surrogate: the database it learns from (docs/database.md)."""
