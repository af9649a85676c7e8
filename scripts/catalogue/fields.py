"""The fields that services ask for, and the rules of their prices. Examples are made up."""

from typing import Any, Final

from scripts.catalogue.places import Text

SOM: Final = 100

Fields = list[dict[str, Any]]
Price = dict[str, Any]


def field(
    name: str, kind: str, names: Text, pattern: str, example: str, bounds: tuple[int, int], **more: Any
) -> Fields:
    """Return one field, in a list of its own: lists are added up to a form."""
    return [
        {
            "id": name,
            "kind": kind,
            "names": names._asdict(),
            "pattern": pattern,
            "min_length": bounds[0],
            "max_length": bounds[1],
            "example": example,
            **more,
        }
    ]


def account(least: int, most: int | None = None) -> Fields:
    """Return the payer's account of so many digits."""
    most = most or least
    names = Text("Жеке эсеп", "Лицевой счёт", "Account number")
    return field("account", "account", names, rf"\d{{{least},{most}}}", "1234567890123456"[:least], (least, most))


def contract(least: int, most: int) -> Fields:
    """Return a contract's number of letters, digits and hyphens."""
    names = Text("Келишимдин номери", "Номер договора", "Contract number")
    return field(
        "contract", "contract", names, rf"[A-Z0-9-]{{{least},{most}}}", "1234567890123456"[:least], (least, most)
    )


def login(least: int, most: int) -> Fields:
    """Return the name of a player or subscriber."""
    names = Text("Колдонуучунун аты", "Логин", "Login")
    return field("login", "text", names, rf"[A-Za-z0-9_.@-]{{{least},{most}}}", "player_001", (least, most))


def player(least: int, most: int) -> Fields:
    """Return a player's number."""
    names = Text("Оюнчунун номери", "Номер игрока", "Player number")
    return field("account", "account", names, rf"\d{{{least},{most}}}", "123456789012"[:least], (least, most))


PHONE: Final = field(
    "phone", "phone", Text("Телефон номери", "Номер телефона", "Phone number"), r"\+996\d{9}", "+996700000000", (13, 13)
)
LANDLINE: Final = field(
    "phone",
    "phone",
    Text("Шаардык телефондун номери", "Номер городского телефона", "Landline number"),
    r"\+9963\d{8}",
    "+996312000000",
    (13, 13),
)
METER: Final = field(
    "reading",
    "meter",
    Text("Эсептегичтин көрсөткүчү", "Показание счётчика", "Meter reading"),
    r"\d{1,6}",
    "4210",
    (1, 6),
    required=False,
)
TAXPAYER: Final = field(
    "taxpayer",
    "taxpayer",
    Text("Салык төлөөчүнүн ИНН номери", "ИНН налогоплательщика", "Taxpayer number (INN)"),
    r"[012]\d{13}",
    "01234567890123",
    (14, 14),
)
VEHICLE: Final = field(
    "vehicle",
    "vehicle",
    Text("Унаанын мамлекеттик номери", "Госномер автомобиля", "Vehicle registration number"),
    r"\d{2}KG\d{3}[A-Z]{3}",
    "01KG000AAA",
    (10, 10),
)
FINE: Final = field(
    "document",
    "document",
    Text("Токтомдун номери", "Номер постановления", "Number of the ruling"),
    r"[A-Z]{0,3}\d{6,12}",
    "AA000001",
    (6, 15),
)
RECEIPT: Final = field(
    "document",
    "document",
    Text("Төлөм кодунун номери", "Код платежа", "Payment code"),
    r"\d{6,16}",
    "000000000001",
    (6, 16),
)
POLICY: Final = field(
    "document",
    "document",
    Text("Камсыздандыруу полисинин номери", "Номер страхового полиса", "Insurance policy number"),
    r"[A-Z]{0,4}\d{6,12}",
    "KG0000001",
    (6, 16),
)
IMEI: Final = field(
    "imei",
    "device",
    Text("Түзмөктүн IMEI номери", "IMEI устройства", "IMEI of the device"),
    r"\d{15}",
    "490154203237518",
    (15, 15),
    check_digit="luhn",
)
TRANSPORT_CARD: Final = field(
    "card",
    "device",
    Text("Транспорт картасынын номери", "Номер транспортной карты", "Transport card number"),
    r"\d{8,16}",
    "0000000001",
    (8, 16),
)
CHILD: Final = field(
    "child",
    "text",
    Text("Баланын аты-жөнү", "Фамилия и имя ребёнка", "Child's name"),
    r"[A-Za-zА-Яа-яЁёӨөҮүҢң .-]{3,60}",
    "Асанов Үсөн",
    (3, 60),
)
STUDENT: Final = field(
    "student",
    "text",
    Text("Студенттин аты-жөнү", "Фамилия и имя студента", "Student's name"),
    r"[A-Za-zА-Яа-яЁёӨөҮүҢң .-]{3,60}",
    "Асанова Айгүл",
    (3, 60),
)
SCHOOL_CLASS: Final = field("class", "text", Text("Класс", "Класс", "Class"), r"\d{1,2}[А-ЯӨҮҢA-Z]?", "7Б", (1, 3))
REMARK: Final = field(
    "remark",
    "text",
    Text("Кайрылуу сөзү", "Комментарий", "Remark"),
    r"[A-Za-zА-Яа-яЁёӨөҮүҢң0-9 .,-]{1,60}",
    "Ден соолук",
    (1, 60),
    required=False,
)


def entered(least: int, most: int, step_tyiyn: int = 1) -> Price:
    """Return the rule of an amount from ``least`` to ``most`` som."""
    return {"rule": "entered", "min_tyiyn": least * SOM, "max_tyiyn": most * SOM, "step_tyiyn": step_tyiyn}


def fixed(som: int) -> Price:
    """Return the rule of a price in som."""
    return {"rule": "fixed", "amount_tyiyn": som * SOM}
