"""Simulate the ties of a network of the same kind as the shipped one: python make.py SEED FILE."""

import sys

import cipa as ci

if __name__ == "__main__":
    seed, target = int(sys.argv[1]), sys.argv[2]
    ci.datasets.simulate(seed=seed).edges.to_frame().to_csv(target, index=False)
