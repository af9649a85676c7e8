"""Tools of the repository. Nothing that runs in production imports them."""
