"""From what a user names, a folder, shards or a table, to the manifest: one row a cell."""
