"""The clients with `await`: the source of `_sync`."""
