"""Codes that can be written, made by hypothesis: any text a person may be shown, within each format's sizes."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from domain.qr import Account, EmvDetails, ExtraField, Item, QrCode, QrFormat, Tip, TipKind

REORDERING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no reason to fail."""
AWKWARD = "+% #&:/?=\"'01чөңүІ最🫖👨‍👩‍👧٣"
"""Text that transports and parsers trip over: signs of links, other alphabets' digits, beyond the BMP."""


def texts(smallest: int, largest: int, without: str = "") -> st.SearchStrategy[str]:
    """Return texts of so many code points."""
    anything = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters=REORDERING + without)
    awkward = st.sampled_from([character for character in AWKWARD if character not in without])
    return st.text(anything | awkward, min_size=smallest, max_size=largest)


@st.composite
def elqr_codes(draw: st.DrawFn) -> QrCode:
    """Return codes of the national format."""
    dynamic = draw(st.booleans())
    amount = draw(st.integers(min_value=int(dynamic), max_value=10**15))
    service_code = draw(texts(0, 10))
    part = texts(0, 5, without=":")
    extra = st.builds(ExtraField, texts(1, 5, without=":"), part, part, part, editable=st.booleans())
    return QrCode(
        format=QrFormat.ELQR,
        dynamic=dynamic,
        amount_tyiyn=amount,
        amount_editable=not amount or draw(st.booleans()),
        recipient_editable=draw(st.booleans()),
        provider_id=draw(texts(0, 15)),
        service_code=service_code,
        recipient_id=draw(texts(0, 20)),
        transaction_id=draw(texts(0, 15)),
        merchant_id=draw(texts(0 if service_code else 1, 10)),
        service_name=draw(texts(0, 10)),
        merchant_name=draw(texts(0, 25)),
        mcc=draw(st.sampled_from(["", "0000", "5812"])),
        comment=draw(texts(0, 30)),
        extra_fields=tuple(draw(st.lists(extra, max_size=5))),
    )


@st.composite
def emv_codes(draw: st.DrawFn) -> QrCode:
    """Return merchant-presented codes: with template 32, or with accounts of other networks alone, or both."""
    amount = draw(st.integers(min_value=0, max_value=10**12 - 1))
    with_service = draw(st.booleans())
    accounts = draw(emv_accounts(smallest=0 if with_service else 1))
    first = next((account.items[0].value for account in accounts if account.items), "")
    short = texts(0, 10) if with_service else st.just("")
    return QrCode(
        format=QrFormat.EMVCO,
        dynamic=draw(st.booleans()),
        amount_tyiyn=amount,
        amount_editable=not amount or (with_service and draw(st.booleans())),
        recipient_editable=with_service and draw(st.booleans()),
        provider_id=draw(texts(1, 20)) if with_service else first,
        service_code=draw(short),
        recipient_id=draw(short),
        transaction_id=draw(short),
        merchant_name=draw(texts(1, 25)),
        mcc=draw(st.sampled_from(["0000", "5812"])),
        comment=draw(texts(0, 25)),
        emv=EmvDetails(
            country=draw(st.sampled_from(["KG", "KZ"])),
            city=draw(texts(1, 15)),
            postal_code=draw(texts(0, 10)),
            accounts=accounts,
            tip=draw(st.none() | tips()),
            additional=draw(st.just(()) | st.builds(lambda text: (Item("05", text), Item("07", "T1")), texts(1, 25))),
            language=draw(st.just(()) | st.builds(lambda text: (Item("00", "ky"), Item("01", text)), texts(1, 25))),
            others=draw(st.just(()) | st.builds(lambda text: (Item("80", "0001" + text),), texts(1, 1))),
        ),
    )


@st.composite
def emv_accounts(draw: st.DrawFn, smallest: int) -> tuple[Account, ...]:
    """Return accounts under different tags: plain values in 02–25, templates in 26–51 but 32."""
    tags = [number for number in range(2, 52) if number != 32]
    chosen = draw(st.lists(st.sampled_from(tags), min_size=smallest, max_size=3, unique=True))
    return tuple(
        Account(f"{number:02d}", value=draw(texts(1, 20)))
        if number < 26
        else Account(f"{number:02d}", items=(Item("00", draw(texts(1, 20))), Item("05", draw(texts(1, 10)))))
        for number in chosen
    )


def tips() -> st.SearchStrategy[Tip]:
    """Return tips and fees of every kind."""
    return (
        st.just(Tip(TipKind.PROMPT))
        | st.builds(lambda fixed: Tip(TipKind.FIXED, fixed_tyiyn=fixed), st.integers(1, 10**12 - 1))
        | st.builds(lambda part: Tip(TipKind.PERCENTAGE, percentage_hundredths=part), st.integers(1, 9_999))
    )
