"""The same study in Python."""

import cipa as ci

analysis = ci.run("study.toml")
for verdict in analysis.verdicts:
    print(verdict.hypothesis.name, verdict.verdict, verdict.reason)
print(analysis.fits["survey"])
