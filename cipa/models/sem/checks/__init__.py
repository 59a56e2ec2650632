"""What is looked at before and after a fit: the declaration, the data, identification, admissibility."""
