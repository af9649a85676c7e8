"""Where the catalogue of services comes from: a file that the settings name, or the one that comes with Esep."""

from importlib.resources import files
from pathlib import Path

import domain.services
from domain.services.catalogue import Catalogue
from domain.services.reading import read_catalogue


def load_catalogue(file: Path | None) -> Catalogue:
    """Return the catalogue of a file, by default the shipped one; raises OSError and CatalogueError."""
    source = files(domain.services) / "catalogue.json" if file is None else file
    return read_catalogue(source.read_bytes())
