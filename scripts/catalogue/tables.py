"""Providers by name, in tables: an id, then the name in Kyrgyz, Russian and English, then words people also use."""

# ruff: noqa: E501 - a row is a line

from typing import Final

CATEGORIES: Final = """
    mobile        | Мобилдик байланыш        | Мобильная связь              | Mobile phones
    electricity   | Электр энергиясы         | Электроэнергия               | Electricity
    water         | Суу жана канализация     | Вода и канализация           | Water and sewerage
    heating       | Жылуулук жана ысык суу   | Отопление и горячая вода     | Heating and hot water
    gas           | Жаратылыш газы           | Природный газ                | Natural gas
    waste         | Таштанды чыгаруу         | Вывоз мусора                 | Waste collection
    internet      | Интернет                 | Интернет                     | Internet
    television    | Телекөрсөтүү             | Телевидение                  | Television
    landline      | Шаардык телефон          | Городской телефон            | Landline phones
    taxes         | Салыктар                 | Налоги                       | Taxes
    fines         | Айыптар                  | Штрафы                       | Fines
    state         | Мамлекеттик кызматтар    | Государственные услуги       | State services
    kindergartens | Бала бакчалар            | Детские сады                 | Kindergartens
    schools       | Мектептер                | Школы                        | Schools
    universities  | Жогорку окуу жайлар      | Высшие учебные заведения     | Universities
    loans         | Насыяны төлөө            | Погашение кредитов           | Loan repayment
    bank-accounts | Банк эсебин толуктоо     | Пополнение банковского счёта | Bank account top-up
    insurance     | Камсыздандыруу           | Страхование                  | Insurance
    transport     | Транспорт                | Транспорт                    | Transport
    charity       | Кайрымдуулук             | Благотворительность          | Charity
    games         | Оюндар                   | Игры                         | Games
    security      | Коопсуздук               | Охрана и домофоны            | Security and intercoms
"""

POWER: Final = {
    "chuy": "severelectro | Түндүкэлектро | Северэлектро | Severelectro",
    "talas": "severelectro | Түндүкэлектро | Северэлектро | Severelectro",
    "issyk-kul": "vostokelectro | Чыгышэлектро | Востокэлектро | Vostokelectro",
    "naryn": "vostokelectro | Чыгышэлектро | Востокэлектро | Vostokelectro",
    "jalal-abad": "jalalabatelectro | Жалалабатэлектро | Жалалабатэлектро | Jalalabatelectro",
    "osh": "oshelectro | Ошэлектро | Ошэлектро | Oshelectro",
    "batken": "oshelectro | Ошэлектро | Ошэлектро | Oshelectro",
}

MOBILE: Final = """
    mega    | MEGA    | MEGA    | MEGA    | MegaCom, Мегаком, Мега, Альфа Телеком
    beeline | Beeline | Beeline | Beeline | Билайн, Sky Mobile
    o       | O!      | O!      | O!      | О!, Нур Телеком, НурТелеком, ошка
"""

INTERNET: Final = """
    kyrgyztelecom | Кыргызтелеком  | Кыргызтелеком  | Kyrgyztelecom | Jet, Жет
    aknet         | AkNet          | AkNet          | AkNet         | Акнет
    megaline      | MegaLine       | MegaLine       | MegaLine      | Мегалайн
    saima         | Saima Telecom  | Saima Telecom  | Saima Telecom | Сайма Телеком
    elcat         | ElCat          | ElCat          | ElCat         | Элкат
    homeline      | Homeline       | Homeline       | Homeline      | Хоумлайн
    fastnet       | FastNet        | FastNet        | FastNet       | Фастнет
    maxlink       | Maxlink        | Maxlink        | Maxlink       | Макслинк
    skynet        | SkyNet Telecom | SkyNet Telecom | SkyNet Telecom | Скайнет
    asiainfo      | AsiaInfo       | AsiaInfo       | AsiaInfo      | Азия Инфо
    citynet       | CityNet        | CityNet        | CityNet       | Ситинет
    totel         | Totel          | Totel          | Totel         | Тотел
    unilink       | Unilink        | Unilink        | Unilink       | Юнилинк
    aikonet       | Aikonet        | Aikonet        | Aikonet       | Айконет
    intranet      | IntraNet       | IntraNet       | IntraNet      | Интранет
"""

TELEVISION: Final = """
    ala-tv   | Ала-ТВ    | Ала-ТВ   | Ala-TV   | Алатв, кабельное
    nts      | НТС       | НТС      | NTS      | Новая телевизионная сеть
    aknet-tv | AkNet TV  | AkNet TV | AkNet TV | Акнет ТВ
    saima-tv | Saima TV  | Saima TV | Saima TV | Сайма ТВ
    o-tv     | O!TV      | O!TV     | O!TV     | О ТВ
    sanarip  | Санарип ТВ | Санарип ТВ | Sanarip TV | цифровое, санариптик
"""

UNIVERSITIES: Final = """
    knu     | Ж. Баласагын атындагы КУУ | КНУ им. Ж. Баласагына | Balasagyn Kyrgyz National University
    kstu    | И. Раззаков атындагы КМТУ | КГТУ им. И. Раззакова | Razzakov Kyrgyz State Technical University
    krsu    | Кыргыз-Россия Славян университети | Кыргызско-Российский Славянский университет | Kyrgyz-Russian Slavic University
    auca    | Борбордук Азиядагы Америка университети | Американский университет в Центральной Азии | American University of Central Asia
    manas   | Кыргыз-Түрк «Манас» университети | Кыргызско-Турецкий университет «Манас» | Kyrgyz-Turkish Manas University
    ksma    | И. К. Ахунбаев атындагы КММА | КГМА им. И. К. Ахунбаева | Akhunbaev Kyrgyz State Medical Academy
    bsu     | К. Карасаев атындагы БМУ | БГУ им. К. Карасаева | Karasaev Bishkek State University
    ksu     | И. Арабаев атындагы КМУ | КГУ им. И. Арабаева | Arabaev Kyrgyz State University
    knau    | К. И. Скрябин атындагы КУАУ | КНАУ им. К. И. Скрябина | Skryabin Kyrgyz National Agrarian University
    kuef    | М. Рыскулбеков атындагы КЭУ | КЭУ им. М. Рыскулбекова | Ryskulbekov Kyrgyz Economic University
    oshsu   | Ош мамлекеттик университети | Ошский государственный университет | Osh State University
    oshtu   | Ош технологиялык университети | Ошский технологический университет | Osh Technological University
    jasu    | Жалал-Абад мамлекеттик университети | Джалал-Абадский государственный университет | Jalal-Abad State University
    iksu    | К. Тыныстанов атындагы ЫМУ | ИГУ им. К. Тыныстанова | Tynystanov Issyk-Kul State University
    nsu     | С. Нааматов атындагы НМУ | НГУ им. С. Нааматова | Naamatov Naryn State University
    tsu     | Талас мамлекеттик университети | Таласский государственный университет | Talas State University
    batsu   | Баткен мамлекеттик университети | Баткенский государственный университет | Batken State University
    alatoo  | Ала-Тоо эл аралык университети | Международный университет Ала-Тоо | Ala-Too International University
    iuk     | Кыргызстан эл аралык университети | Международный университет Кыргызстана | International University of Kyrgyzstan
    uca     | Борбордук Азия университети | Университет Центральной Азии | University of Central Asia
    conserv | К. Молдобасанов атындагы консерватория | Консерватория им. К. Молдобасанова | Moldobasanov Conservatory
    sport   | Дене тарбия жана спорт академиясы | Академия физической культуры и спорта | Academy of Physical Culture and Sport
"""

BANKS: Final = """
    aiyl       | Айыл Банк        | Айыл Банк        | Aiyl Bank        | АБ
    eldik      | Элдик Банк       | Элдик Банк       | Eldik Bank       | РСК Банк, РСК
    optima     | Оптима Банк      | Оптима Банк      | Optima Bank      | Оптима
    demir      | Демир Банк       | Демир Банк       | Demir Bank       | DemirBank
    mbank      | МБанк            | МБанк            | MBank            | Коммерческий банк Кыргызстан
    kicb       | KICB             | KICB             | KICB             | КИКБ, Кыргызский инвестиционно-кредитный банк
    bakai      | Бакай Банк       | Бакай Банк       | Bakai Bank       | Бакай
    dos        | Дос-Кредобанк    | Дос-Кредобанк    | Dos-Credobank    | Доскредо
    kyrgyzswiss | Кыргыз-Швейцария Банкы | Кыргызско-Швейцарский Банк | Kyrgyz-Swiss Bank | FinanceCredit
    companion  | Компаньон Банк   | Банк Компаньон   | Companion Bank   | Kompanion
    keremet    | Керемет Банк     | Керемет Банк     | Keremet Bank     | Росинбанк
    baitushum  | Бай-Түшүм Банкы  | Банк Бай-Тушум   | Bai-Tushum Bank  | Байтушум
    finca      | ФИНКА Банк       | ФИНКА Банк       | FINCA Bank       | Финка
    capital    | Капитал Банк     | Капитал Банк     | Capital Bank     | Капитал
    eco        | ЭкоИсламикБанк   | ЭкоИсламикБанк   | EcoIslamicBank   | Экобанк
    tolubay    | Толубай Банкы    | Банк Толубай     | Tolubay Bank     | Толубай
    asia       | Азия Банкы       | Банк Азии        | Bank of Asia     | Азия
    halyk      | Halyk Bank Кыргызстан | Halyk Bank Кыргызстан | Halyk Bank Kyrgyzstan | Халык
    kkb        | Кыргызкоммерцбанк | Кыргызкоммерцбанк | Kyrgyzkommertsbank | ККБ
    amanbank   | Аманбанк         | Аманбанк         | Amanbank         | Аман
"""

MICROFINANCE: Final = """
    oxus      | ОКСУС            | ОКСУС            | OXUS             | микрокредит, микронасыя
    elet      | Элет-Капитал     | Элет-Капитал     | Elet-Capital     | микрокредит, микронасыя
    molbulak  | Мол Булак        | Мол Булак        | Mol Bulak        | микрокредит, микронасыя
    salymfin  | Салым Финанс     | Салым Финанс     | Salym Finance    | микрокредит, микронасыя
    abn       | АБН              | АБН              | ABN              | микрокредит, микронасыя
"""

INSURERS: Final = """
    gosstrakh   | Мамлекеттик камсыздандыруу уюму | Государственная страховая организация | State Insurance Organisation | ГСО
    atn         | АТН Полис        | АТН Полис        | ATN Polis        | полис
    jubilee     | Джубили Кыргызстан | Джубили Кыргызстан | Jubilee Kyrgyzstan | Jubilee
    ingo        | ИНГО Кыргызстан  | ИНГО Кыргызстан  | INGO Kyrgyzstan  | Кыргызинстрах
    bakai-ins   | Бакай Иншуренс   | Бакай Иншуренс   | Bakai Insurance  | Бакай
    nsk         | НСК              | НСК              | NSK Insurance    | Насыя страхование
    aplus       | А Плюс           | А Плюс           | A Plus           | A+
    kyrgyzstan  | Кыргызстан камсыздандыруу | Страховая компания Кыргызстан | Kyrgyzstan Insurance | СКК
"""

CHARITIES: Final = """
    red-crescent  | Кызыл Жарым Ай коому | Общество Красного Полумесяца | Red Crescent Society
    help-children | «Балдарга жардам» фонду | Фонд «Помощь детям» | Help the Children Foundation
    babushka      | «Бабушка эдопшн» фонду | Фонд «Бабушка Эдопшн» | Babushka Adoption
    elim-barsynby | «Элим, барсыңбы» фонду | Фонд «Элим, барсынбы» | Elim Barsynby Foundation
    umut          | «Үмүт» кайрымдуулук фонду | Благотворительный фонд «Умут» | Umut Charity Foundation
    mercy         | «Мээрим» эл аралык фонду | Международный фонд «Мээрим» | Meerim International Foundation
    sos           | SOS Балдар айылдары | SOS Детские деревни | SOS Children's Villages
    oncology      | Рак менен ооруган балдарга жардам | Помощь детям с онкологией | Help for children with cancer
    animals       | Жаныбарларды коргоо | Защита животных | Animal protection
    veterans      | Ардагерлерге жардам | Помощь ветеранам | Help for veterans
"""

GAMES: Final = """
    steam          | Steam            | Steam            | Steam            | Стим
    pubg-mobile    | PUBG Mobile      | PUBG Mobile      | PUBG Mobile      | Пабг, Пубг
    mobile-legends | Mobile Legends   | Mobile Legends   | Mobile Legends   | Мобайл Легендс
    free-fire      | Free Fire        | Free Fire        | Free Fire        | Фри Фаер
    roblox         | Roblox           | Roblox           | Roblox           | Роблокс
    wargaming      | World of Tanks   | World of Tanks   | World of Tanks   | Wargaming, танки
    warface        | Warface          | Warface          | Warface          | Варфейс
    genshin        | Genshin Impact   | Genshin Impact   | Genshin Impact   | Геншин
    standoff       | Standoff 2       | Standoff 2       | Standoff 2       | Стандофф
    brawl-stars    | Brawl Stars      | Brawl Stars      | Brawl Stars      | Бравл Старс
    clash-royale   | Clash Royale     | Clash Royale     | Clash Royale     | Клеш Рояль
    playstation    | PlayStation Store | PlayStation Store | PlayStation Store | Плейстейшн, PSN
    xbox           | Xbox             | Xbox             | Xbox             | Иксбокс
    valorant       | Valorant         | Valorant         | Valorant         | Валорант
"""

SECURITY: Final = """
    guard     | Ведомстводон тышкаркы күзөт | Вневедомственная охрана | Private security service
    intercom  | Домофон кызматы             | Обслуживание домофона   | Intercom service
    lift      | Лифт кызматы                | Обслуживание лифта      | Lift service
    hoa       | Турак жай шериктиги         | Товарищество собственников жилья | Homeowners' association
"""
