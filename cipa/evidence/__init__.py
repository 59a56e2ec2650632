"""Are the measures sound? Which hypotheses hold?"""
