"""Tests of the consumer contracts, the models made from them and the check against producers."""
