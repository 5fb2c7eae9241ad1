"""The engine: encoded images in, class probabilities out. It knows rows, never patients.

Import from its modules; nothing heavy is loaded here.
"""
