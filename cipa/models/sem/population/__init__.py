"""A structural equation model as a law: population values, draws from it, moments."""
