"""Analysis -> Document -> HTML, PDF."""
