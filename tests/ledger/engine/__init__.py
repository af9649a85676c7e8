"""The engine, on real stores."""
