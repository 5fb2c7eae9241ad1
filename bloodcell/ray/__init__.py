"""Scoring on the nodes of a Ray cluster. The library is loaded when it is needed, not before."""
