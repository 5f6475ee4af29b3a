"""The pictures of the report. Each module has draw(documents) -> Figure, or None where there is nothing to draw."""
