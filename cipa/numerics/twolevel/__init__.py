"""The two-level normal model: complete cases, cases with missing values, and unrestricted moments."""
