"""Networks by name, as the field describes them: what training makes and import fills."""
