"""Small catalogues for the tests: a sound one, and ways to spoil it."""

from typing import Any

import msgspec

from domain.services.catalogue import Catalogue
from domain.services.reading import read_catalogue

Json = dict[str, Any]


def names(text: str) -> Json:
    return {"ky": f"{text} ky", "ru": f"{text} ru", "en": f"{text} en"}


def field(**changes: Any) -> Json:
    content = {
        "id": "account",
        "kind": "account",
        "names": names("account"),
        "pattern": r"\d{6,8}",
        "min_length": 6,
        "max_length": 8,
        "example": "123456",
    }
    return content | changes


def service(**changes: Any) -> Json:
    content = {
        "id": "light",
        "category_id": "power",
        "provider_id": "grid",
        "names": names("light"),
        "fields": [field()],
        "price": {"rule": "entered", "min_tyiyn": 1_000, "max_tyiyn": 50_000, "step_tyiyn": 100},
        "mcc": "4900",
    }
    return content | changes


def content(*services: Json) -> Json:
    return {
        "categories": [{"id": "power", "names": names("power")}],
        "providers": [{"id": "grid", "names": names("grid")}],
        "services": list(services) or [service()],
    }


def read(content: Json) -> Catalogue:
    return read_catalogue(msgspec.json.encode(content))
