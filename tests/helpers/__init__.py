"""What several tests draw, build or stand in with."""
