"""The library of the course: read its modules in the README's order. Nothing is imported here."""
