"""What runs the network.

``contract`` says what a backend is, ``choice`` has a row for each and picks one, ``opening`` loads
and proves it. docs/adding-a-backend.md shows all three by an example.
"""
