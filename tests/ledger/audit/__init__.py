"""Tests of proofs and checkpoints."""
