"""Cities and districts, with the company that brings electricity there."""

from typing import Final, NamedTuple


class Text(NamedTuple):
    """A name in Kyrgyz, Russian and English."""

    ky: str
    ru: str
    en: str


class Place(NamedTuple):
    """A city or a district. ``name`` is as it stands in the name of a service."""

    id: str
    name: Text
    region: str


DISTRICTS_BY_REGION: Final[dict[str, str]] = {
    "chuy": """
        alamudun    | Аламүдүн     | Аламудунский       | Alamudun
        jaiyl       | Жайыл        | Жайылский          | Jaiyl
        kemin       | Кемин        | Кеминский          | Kemin
        moskva      | Москва       | Московский         | Moskva
        panfilov    | Панфилов     | Панфиловский       | Panfilov
        sokuluk     | Сокулук      | Сокулукский        | Sokuluk
        chuy        | Чүй          | Чуйский            | Chuy
        ysyk-ata    | Ысык-Ата     | Ысык-Атинский      | Ysyk-Ata""",
    "issyk-kul": """
        ak-suu      | Ак-Суу       | Ак-Суйский         | Ak-Suu
        jeti-oguz   | Жети-Өгүз    | Джети-Огузский     | Jeti-Oguz
        ton         | Тоң          | Тонский            | Ton
        tup         | Түп          | Тюпский            | Tup
        issyk-kul   | Ысык-Көл     | Иссык-Кульский     | Issyk-Kul""",
    "naryn": """
        ak-talaa    | Ак-Талаа     | Ак-Талинский       | Ak-Talaa
        at-bashy    | Ат-Башы      | Ат-Башинский       | At-Bashy
        jumgal      | Жумгал       | Жумгальский        | Jumgal
        kochkor     | Кочкор       | Кочкорский         | Kochkor
        naryn       | Нарын        | Нарынский          | Naryn""",
    "talas": """
        aitmatov    | Айтматов     | Айтматовский       | Aitmatov
        bakai-ata   | Бакай-Ата    | Бакай-Атинский     | Bakai-Ata
        manas       | Манас        | Манасский          | Manas
        talas       | Талас        | Таласский          | Talas""",
    "jalal-abad": """
        aksy        | Аксы         | Аксыйский          | Aksy
        ala-buka    | Ала-Бука     | Ала-Букинский      | Ala-Buka
        bazar-korgon| Базар-Коргон | Базар-Коргонский   | Bazar-Korgon
        nooken      | Ноокен       | Ноокенский         | Nooken
        suzak       | Сузак        | Сузакский          | Suzak
        toguz-toro  | Тогуз-Торо   | Тогуз-Тороуский    | Toguz-Toro
        toktogul    | Токтогул     | Токтогульский      | Toktogul
        chatkal     | Чаткал       | Чаткальский        | Chatkal""",
    "osh": """
        alay        | Алай         | Алайский           | Alay
        aravan      | Араван       | Араванский         | Aravan
        kara-kulja  | Кара-Кулжа   | Кара-Кульджинский  | Kara-Kulja
        kara-suu    | Кара-Суу     | Кара-Сууский       | Kara-Suu
        nookat      | Ноокат       | Ноокатский         | Nookat
        uzgen       | Өзгөн        | Узгенский          | Uzgen
        chon-alay   | Чоң-Алай     | Чон-Алайский       | Chon-Alay""",
    "batken": """
        batken      | Баткен       | Баткенский         | Batken
        kadamjay    | Кадамжай     | Кадамжайский       | Kadamjay
        leilek      | Лейлек       | Лейлекский         | Leilek""",
}

CITIES_BY_REGION: Final[dict[str, str]] = {
    "chuy": """
        bishkek     | Бишкек       | Бишкек             | Bishkek
        tokmok      | Токмок       | Токмок             | Tokmok
        kara-balta  | Кара-Балта   | Кара-Балта         | Kara-Balta
        kant        | Кант         | Кант               | Kant
        kemin       | Кемин        | Кемин              | Kemin
        shopokov    | Шопоков      | Шопоков            | Shopokov
        kaindy      | Кайыңды      | Каинды             | Kaindy
        orlovka     | Орловка      | Орловка            | Orlovka""",
    "issyk-kul": """
        karakol     | Каракол      | Каракол            | Karakol
        balykchy    | Балыкчы      | Балыкчы            | Balykchy
        cholpon-ata | Чолпон-Ата   | Чолпон-Ата         | Cholpon-Ata""",
    "naryn": """
        naryn       | Нарын        | Нарын              | Naryn""",
    "talas": """
        talas       | Талас        | Талас              | Talas""",
    "jalal-abad": """
        jalal-abad  | Жалал-Абад   | Джалал-Абад        | Jalal-Abad
        kara-kul    | Кара-Көл     | Кара-Куль          | Kara-Kul
        mailuu-suu  | Майлуу-Суу   | Майлуу-Суу         | Mailuu-Suu
        tash-komur  | Таш-Көмүр    | Таш-Кумыр          | Tash-Komur
        kok-jangak  | Көк-Жаңгак   | Кок-Жангак         | Kok-Jangak
        kerben      | Кербен       | Кербен             | Kerben
        kochkor-ata | Кочкор-Ата   | Кочкор-Ата         | Kochkor-Ata
        toktogul    | Токтогул     | Токтогул           | Toktogul""",
    "osh": """
        osh         | Ош           | Ош                 | Osh
        uzgen       | Өзгөн        | Узген              | Uzgen
        kara-suu    | Кара-Суу     | Кара-Суу           | Kara-Suu
        nookat      | Ноокат       | Ноокат             | Nookat""",
    "batken": """
        batken      | Баткен       | Баткен             | Batken
        kyzyl-kiya  | Кызыл-Кыя    | Кызыл-Кия          | Kyzyl-Kiya
        sulukta     | Сүлүктү      | Сулюкта            | Sulukta
        razzakov    | Раззаков     | Раззаков           | Razzakov
        aidarken    | Айдаркен     | Айдаркен           | Aidarken""",
}


def rows(table: str) -> list[list[str]]:
    """Return the cells of a table: a row a line, cells between bars."""
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def districts() -> list[Place]:
    """Return every district."""
    return [
        Place(f"{name}-district", Text(f"{ky} району", f"{ru} район", f"{en} district"), region)
        for region, table in DISTRICTS_BY_REGION.items()
        for name, ky, ru, en in rows(table)
    ]


def cities(*chosen: str) -> list[Place]:
    """Return every city, or the chosen ones."""
    return [
        Place(name, Text(f"{ky} шаары", f"город {ru}", f"{en} city"), region)
        for region, table in CITIES_BY_REGION.items()
        for name, ky, ru, en in rows(table)
        if not chosen or name in chosen
    ]
