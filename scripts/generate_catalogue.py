"""Generate the shipped catalogue of services, domain/services/catalogue.json, from the tables in scripts/catalogue.

The result is committed; ``--check`` tells whether it is fresh. It is a catalogue to begin with: the names are those
that people know the providers by, while forms of account numbers, bounds of amounts and providers' ids are to be
replaced by those of the contracts with the providers. A service stands on a line of its own, so that a change is read
as such.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from domain.services.reading import read_catalogue
from scripts.catalogue import fields as form
from scripts.catalogue import tables
from scripts.catalogue.fields import Fields, Price, entered, fixed
from scripts.catalogue.places import Place, Text, cities, districts, rows

FILE: Final = Path(__file__).resolve().parent.parent / "domain" / "services" / "catalogue.json"
KINDERGARTENS: Final = 45
SCHOOLS: Final = 45
TAXED_CITIES: Final = ("bishkek", "osh", "karakol", "naryn", "talas", "jalal-abad", "batken", "tokmok")

Item = dict[str, Any]


class Builder:
    """The catalogue under construction."""

    def __init__(self) -> None:
        self.categories: list[Item] = []
        self.providers: dict[str, Item] = {}
        self.services: list[Item] = []

    def provider(self, name: str, names: Text) -> str:
        """Add a provider, unless it is there; return its id."""
        self.providers.setdefault(name, {"id": name, "names": names._asdict()})
        return name

    def add(
        self, name: str, category: str, provider: str, names: Text, fields: Fields, price: Price, mcc: str, *words: str
    ) -> None:
        """Add a service."""
        self.services.append(
            {
                "id": name,
                "category_id": category,
                "provider_id": provider,
                "names": names._asdict(),
                "fields": fields,
                "price": price,
                "mcc": mcc,
                "keywords": list(words),
            }
        )

    def text(self) -> str:
        """Return the file."""
        parts = {"categories": self.categories, "providers": list(self.providers.values()), "services": self.services}
        blocks = (
            f'"{name}": [\n' + ",\n".join(json.dumps(item, ensure_ascii=False) for item in items) + "\n]"
            for name, items in parts.items()
        )
        return "{\n" + ",\n".join(blocks) + "\n}\n"


def build() -> Builder:
    """Return everything, in the order in which people see it."""
    builder = Builder()
    for name, *names in rows(tables.CATEGORIES):
        builder.categories.append({"id": name, "names": Text(*names)._asdict()})
    for part in (mobile, utilities, connections, taxes, fines, state, education, money, transport, others):
        part(builder)
    return builder


def named(table: str) -> Iterator[tuple[str, Text, list[str]]]:
    """Yield the rows of a table of providers: id, name, other words."""
    for name, ky, ru, en, *words in rows(table):
        yield name, Text(ky, ru, en), [word.strip() for cell in words for word in cell.split(",")]


def joined(what: Text, whose: Text) -> Text:
    """Return what, and whose or where, in every language."""
    return Text(*(f"{left} – {right}" for left, right in zip(what, whose, strict=True)))


def mobile(builder: Builder) -> None:
    """Add the operators of mobile telephones."""
    balance = Text("мобилдик байланыш", "мобильная связь", "mobile top-up")
    for name, names, words in named(tables.MOBILE):
        provider = builder.provider(name, names)
        title = joined(names, balance)
        common = ("телефон", "единицы", "бирдик", "баланс", "balance")
        builder.add(
            f"mobile-{name}", "mobile", provider, title, form.PHONE, entered(10, 15_000), "4814", *words, *common
        )


def utilities(builder: Builder) -> None:
    """Add electricity, water, heating, gas and waste, by cities and districts."""
    everywhere = [*cities(), *districts()]
    for place in everywhere:
        name, *names = (cell.strip() for cell in tables.POWER[place.region].split("|"))
        provider = builder.provider(name, Text(*names))
        title = joined(Text("Электр энергиясы", "Электроэнергия", "Electricity"), place.name)
        form_of_power = form.account(9) + form.METER
        words = ("свет", "жарык", "ток", "РЭС", "light")
        builder.add(
            f"electricity-{place.id}",
            "electricity",
            provider,
            title,
            form_of_power,
            entered(10, 100_000),
            "4900",
            *words,
        )
    for place in cities():
        municipal(builder, place, "water", Text("Суу жана канализация", "Вода и канализация", "Water and sewerage"))
    for place in cities():
        municipal(builder, place, "waste", Text("Таштанды чыгаруу", "Вывоз мусора", "Waste collection"))
    for place in cities("bishkek", "osh", "karakol", "naryn", "kyzyl-kiya", "kara-kul", "tokmok", "cholpon-ata"):
        municipal(builder, place, "heating", Text("Жылуулук жана ысык суу", "Отопление и горячая вода", "Heating"))
    gazprom = builder.provider(
        "gazprom-kyrgyzstan", Text("Газпром Кыргызстан", "Газпром Кыргызстан", "Gazprom Kyrgyzstan")
    )
    supplied = cities("bishkek", "osh", "tokmok", "kara-balta", "kant", "shopokov", "kaindy", "jalal-abad", "kara-suu")
    for place in [*supplied, *(place for place in districts() if place.region == "chuy")]:
        title = joined(Text("Жаратылыш газы", "Природный газ", "Natural gas"), place.name)
        builder.add(
            f"gas-{place.id}", "gas", gazprom, title, form.account(7, 10) + form.METER, entered(10, 100_000), "4900"
        )


MUNICIPAL: Final = {
    "water": (Text("Суу каналы", "Водоканал", "Vodokanal"), ("водоканал", "ичүүчү суу", "холодная вода")),
    "waste": (Text("Тазалык", "Тазалык", "Tazalyk"), ("мусор", "таштанды", "ТБО", "тазалык")),
    "heating": (Text("Жылуулук тармагы", "Теплосеть", "Heating network"), ("тепло", "теплосеть", "ТЭЦ", "ЖЭБ")),
}


def municipal(builder: Builder, place: Place, category: str, what: Text) -> None:
    """Add what a city's own company brings."""
    company, words = MUNICIPAL[category]
    provider = builder.provider(f"{category}-{place.id}", joined(company, place.name))
    fields = form.account(6, 12) + (form.METER if category == "water" else [])
    title = joined(what, place.name)
    builder.add(f"{category}-{place.id}", category, provider, title, fields, entered(10, 50_000), "4900", *words)


def connections(builder: Builder) -> None:
    """Add internet, television and landline telephones."""
    for name, names, words in named(tables.INTERNET):
        provider = builder.provider(name, names)
        title = joined(names, Text("интернет", "интернет", "internet"))
        builder.add(
            f"internet-{name}", "internet", provider, title, form.account(5, 12), entered(10, 20_000), "4816", *words
        )
    for name, names, words in named(tables.TELEVISION):
        provider = builder.provider(name, names)
        title = joined(names, Text("телекөрсөтүү", "телевидение", "television"))
        builder.add(
            f"television-{name}",
            "television",
            provider,
            title,
            form.account(5, 12),
            entered(10, 20_000),
            "4899",
            *words,
        )
    telecom = "kyrgyztelecom"
    for place in cities():
        title = joined(Text("Шаардык телефон", "Городской телефон", "Landline phone"), place.name)
        builder.add(
            f"landline-{place.id}",
            "landline",
            telecom,
            title,
            form.LANDLINE,
            entered(10, 20_000),
            "4814",
            "стационарный",
        )


def taxes(builder: Builder) -> None:
    """Add the taxes of the whole country, then the local ones by place."""
    service = builder.provider(
        "tax-service", Text("Мамлекеттик салык кызматы", "Государственная налоговая служба", "State Tax Service")
    )
    social = builder.provider("social-fund", Text("Социалдык фонд", "Социальный фонд", "Social Fund"))
    table = """
        income    | Киреше салыгы                     | Подоходный налог                 | Income tax
        profit    | Пайда салыгы                      | Налог на прибыль                 | Profit tax
        vat       | Кошумча нарк салыгы               | Налог на добавленную стоимость   | Value added tax
        sales     | Сатуудан алынуучу салык           | Налог с продаж                   | Sales tax
        single    | Бирдиктүү салык                   | Единый налог                     | Single tax
        patent    | Патент                            | Патент                           | Patent
        vehicle   | Транспорт каражатынын салыгы      | Налог на транспортные средства   | Vehicle tax
    """
    for name, names, _ in named(table):
        fields = form.TAXPAYER + (form.VEHICLE if name == "vehicle" else [])
        builder.add(f"tax-{name}", "taxes", service, names, fields, entered(1, 1_000_000), "9311", "салык", "ГНС")
    names = Text("Социалдык камсыздандыруу төгүмү", "Страховые взносы в Соцфонд", "Social insurance contributions")
    builder.add("tax-social", "taxes", social, names, form.TAXPAYER, entered(1, 1_000_000), "9311", "соцфонд", "пенсия")
    for place in [*cities(*TAXED_CITIES), *districts()]:
        for name, what in (
            ("property", Text("Кыймылсыз мүлк салыгы", "Налог на недвижимость", "Real estate tax")),
            ("land", Text("Жер салыгы", "Земельный налог", "Land tax")),
        ):
            title, price = joined(what, place.name), entered(1, 1_000_000)
            builder.add(f"tax-{name}-{place.id}", "taxes", service, title, form.TAXPAYER, price, "9311", "имущество")


def fines(builder: Builder) -> None:
    """Add fines."""
    police = builder.provider("patrol-police", Text("Патрулдук милиция", "Патрульная милиция", "Patrol police"))
    table = """
        traffic    | Жол эрежесин бузуу айыбы    | Штраф за нарушение ПДД       | Traffic fine     | ПДД, ГАИ
        safe-city  | «Коопсуз шаар» айыбы        | Штраф «Безопасный город»     | Safe City fine         | камера
        parking    | Токтотуу эрежесин бузуу айыбы | Штраф за парковку          | Parking fine           | парковка
        order      | Коомдук тартипти бузуу айыбы | Штраф за нарушение порядка  | Public order fine      | протокол
    """
    for name, names, words in named(table):
        fields = form.FINE + ([] if name == "order" else form.VEHICLE)
        builder.add(f"fine-{name}", "fines", police, names, fields, entered(100, 200_000), "9222", *words)


def state(builder: Builder) -> None:
    """Add what the state does for a fee."""
    digital = builder.provider(
        "state-services", Text("Мамлекеттик кызматтар борбору", "Центр государственных услуг", "State service centre")
    )
    table = """
        passport    | Жалпы жарандык паспорт         | Общегражданский паспорт         | Foreign passport      | 1200
        id-card     | Улуттук паспорт (ID-карта)     | Национальный паспорт (ID-карта) | National ID card      | 625
        licence     | Айдоочулук күбөлүк             | Водительское удостоверение      | Driving licence       | 790
        certificate | Туулгандыгы тууралуу күбөлүк   | Свидетельство о рождении        | Birth certificate     | 160
        marriage    | Нике тууралуу күбөлүк          | Свидетельство о браке           | Marriage certificate  | 200
        conviction  | Соттуулугу жоктугу тууралуу маалымкат | Справка о несудимости    | Police clearance      | 150
        residence   | Жашаган жери боюнча каттоо     | Регистрация по месту жительства | Residence registration | 100
    """
    for name, ky, ru, en, price in rows(table):
        names, words = Text(ky, ru, en), ("документ", "госпошлина", "Түндүк", "ЦОН")
        builder.add(f"state-{name}", "state", digital, names, form.RECEIPT, fixed(int(price)), "9399", *words)
    table = """
        vehicle   | Унааны каттоо                 | Регистрация автомобиля        | Vehicle registration
        court     | Соттук мамлекеттик алым       | Судебная госпошлина           | Court fee
        notary    | Нотариустун кызматы           | Услуги нотариуса              | Notary service
        cadastre  | Кадастр: мүлктү каттоо        | Кадастр: регистрация имущества | Cadastre: property registration
        customs   | Бажы төлөмдөрү                | Таможенные платежи            | Customs payments
        visa      | Электрондук виза              | Электронная виза              | Electronic visa
    """
    for name, names, _ in named(table):
        builder.add(f"state-{name}", "state", digital, names, form.RECEIPT, entered(10, 500_000), "9399", "госпошлина")
    names = Text("Түзмөктүн IMEI номерин каттоо", "Регистрация IMEI устройства", "IMEI registration")
    builder.add("state-imei", "state", digital, names, form.IMEI, fixed(550), "9399", "телефон", "IMEI")


def education(builder: Builder) -> None:
    """Add kindergartens and schools of the capital, and universities."""
    for number in range(1, KINDERGARTENS + 1):
        names = Text(
            f"№ {number} бала бакча – Бишкек шаары",
            f"Детский сад № {number} – город Бишкек",
            f"Kindergarten No. {number} – Bishkek city",
        )
        provider = builder.provider(f"kindergarten-bishkek-{number}", names)
        builder.add(
            f"kindergarten-bishkek-{number}", "kindergartens", provider, names, form.CHILD + form.account(6, 12),
            entered(10, 50_000), "8351", "садик",
        )  # fmt: skip
    for number in range(1, SCHOOLS + 1):
        names = Text(
            f"№ {number} орто мектеп – Бишкек шаары",
            f"Средняя школа № {number} – город Бишкек",
            f"School No. {number} – Bishkek city",
        )
        provider = builder.provider(f"school-bishkek-{number}", names)
        fields = form.CHILD + form.SCHOOL_CLASS
        builder.add(
            f"school-bishkek-{number}",
            "schools",
            provider,
            names,
            fields,
            entered(10, 50_000),
            "8211",
            "мектеп",
            "школа",
        )
    for name, names, _ in named(tables.UNIVERSITIES):
        provider = builder.provider(name, names)
        title = joined(names, Text("контракт", "контракт", "tuition"))
        fields = form.STUDENT + form.contract(3, 16)
        words = ("окуу", "обучение", "университет", "ВУЗ")
        builder.add(
            f"university-{name}", "universities", provider, title, fields, entered(100, 500_000), "8220", *words
        )


def money(builder: Builder) -> None:
    """Add loans, accounts and insurance."""
    loan = Text("насыяны төлөө", "погашение кредита", "loan repayment")
    for table in (tables.BANKS, tables.MICROFINANCE):
        for name, names, words in named(table):
            provider = builder.provider(name, names)
            builder.add(
                f"loan-{name}", "loans", provider, joined(names, loan), form.contract(5, 16), entered(10, 1_000_000),
                "6012", "кредит", "насыя", "credit", *words,
            )  # fmt: skip
    top_up = Text("эсепти толуктоо", "пополнение счёта", "account top-up")
    for name, names, words in named(tables.BANKS):
        title, fields = joined(names, top_up), form.account(16)
        builder.add(f"bank-{name}", "bank-accounts", name, title, fields, entered(10, 1_000_000), "6012", *words)
    policy = Text("камсыздандыруу", "страхование", "insurance")
    for name, names, words in named(tables.INSURERS):
        provider = builder.provider(f"insurer-{name}", names)
        title, price = joined(names, policy), entered(100, 500_000)
        builder.add(
            f"insurance-{name}", "insurance", provider, title, form.POLICY, price, "6300", *words, "ОСАГО", "каско"
        )


def transport(builder: Builder) -> None:
    """Add transport cards, parking and drivers' accounts."""
    table = """
        tulpar   | Тулпар транспорт картасы | Транспортная карта Тулпар | Tulpar transport card | автобус, троллейбус
        osh-card | Ош шаарынын транспорт картасы | Транспортная карта города Ош | Osh transport card | автобус
    """
    for name, names, words in named(table):
        provider = builder.provider(name, names)
        price = entered(20, 5_000, step_tyiyn=100)
        builder.add(f"transport-{name}", "transport", provider, names, form.TRANSPORT_CARD, price, "4111", *words)
    parking = builder.provider("parking-bishkek", Text("Бишкек парковкалары", "Парковки Бишкека", "Bishkek parking"))
    names = Text("Шаардык токтотмо жай – Бишкек", "Городская парковка – Бишкек", "City parking – Bishkek")
    builder.add("transport-parking", "transport", parking, names, form.VEHICLE, entered(10, 5_000), "7523", "парковка")
    table = """
        yandex-pro | Яндекс Про | Яндекс Про | Yandex Pro | такси, taxi
        namba-taxi | Намба Такси | Намба Такси | Namba Taxi | такси, taxi
        indrive    | inDrive    | inDrive    | inDrive    | Индрайв, такси, taxi
    """
    for name, names, words in named(table):
        provider = builder.provider(name, names)
        title = joined(names, Text("айдоочунун эсеби", "счёт водителя", "driver's account"))
        builder.add(f"transport-{name}", "transport", provider, title, form.PHONE, entered(10, 20_000), "4121", *words)


def others(builder: Builder) -> None:
    """Add charity, games and security."""
    gift = Text("кайрымдуулук", "пожертвование", "donation")
    for name, names, words in named(tables.CHARITIES):
        provider = builder.provider(f"charity-{name}", names)
        fields = form.PHONE + form.REMARK
        builder.add(
            f"charity-{name}", "charity", provider, joined(names, gift), fields, entered(1, 100_000), "8398", *words
        )
    for name, names, words in named(tables.GAMES):
        provider = builder.provider(name, names)
        fields = form.login(3, 32) if name in {"steam", "roblox", "warface"} else form.player(5, 12)
        builder.add(
            f"game-{name}", "games", provider, names, fields, entered(10, 50_000), "5816", "оюн", "игра", *words
        )
    for name, names, words in named(tables.SECURITY):
        for place in cities("bishkek", "osh"):
            provider = builder.provider(f"{name}-{place.id}", joined(names, place.name))
            title = joined(names, place.name)
            builder.add(
                f"{name}-{place.id}",
                "security",
                provider,
                title,
                form.account(4, 12),
                entered(10, 20_000),
                "7393",
                *words,
            )


def main() -> int:
    """Generate, or with ``--check`` compare, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is not fresh")
    check: bool = parser.parse_args().check
    text = build().text()
    read_catalogue(text.encode())
    if FILE.exists() and FILE.read_text("utf-8") == text:
        return 0
    sys.stdout.write(f"{'not fresh' if check else 'generated'}: {FILE.name}\n")
    if not check:
        FILE.write_text(text, "utf-8")
    return 1 if check else 0


if __name__ == "__main__":
    sys.exit(main())
