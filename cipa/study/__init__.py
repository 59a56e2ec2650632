"""What the researcher declares before looking."""
