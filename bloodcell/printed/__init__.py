"""What a person sees in the terminal. Loaded only when a command runs."""
