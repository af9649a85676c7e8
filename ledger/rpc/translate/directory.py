"""The directory of services as it is told."""

from typing import Final

from domain.services.catalogue import (
    Category,
    CheckDigit,
    EnteredAmount,
    Field,
    FieldKind,
    FixedAmount,
    Language,
    Names,
    Provider,
    Service,
)
from protos.esep.v1 import service_directory_pb2 as pb

LANGUAGES: Final[dict[int, Language]] = {
    pb.LANGUAGE_KY: Language.KY,
    pb.LANGUAGE_RU: Language.RU,
    pb.LANGUAGE_EN: Language.EN,
}
FIELD_KINDS: Final = {
    FieldKind.PHONE: pb.SERVICE_FIELD_KIND_PHONE,
    FieldKind.ACCOUNT: pb.SERVICE_FIELD_KIND_ACCOUNT,
    FieldKind.METER: pb.SERVICE_FIELD_KIND_METER,
    FieldKind.CONTRACT: pb.SERVICE_FIELD_KIND_CONTRACT,
    FieldKind.TAXPAYER: pb.SERVICE_FIELD_KIND_TAXPAYER,
    FieldKind.VEHICLE: pb.SERVICE_FIELD_KIND_VEHICLE,
    FieldKind.DOCUMENT: pb.SERVICE_FIELD_KIND_DOCUMENT,
    FieldKind.DEVICE: pb.SERVICE_FIELD_KIND_DEVICE,
    FieldKind.TEXT: pb.SERVICE_FIELD_KIND_TEXT,
}
CHECK_DIGITS: Final = {
    None: pb.SERVICE_FIELD_CHECK_DIGIT_UNSPECIFIED,
    CheckDigit.LUHN: pb.SERVICE_FIELD_CHECK_DIGIT_LUHN,
    CheckDigit.MOD_97_10: pb.SERVICE_FIELD_CHECK_DIGIT_MOD_97_10,
}


def category_message(category: Category, service_count: int) -> pb.ServiceCategory:
    """Return a category as it is told."""
    return pb.ServiceCategory(category_id=category.id, name=_text(category.names), service_count=service_count)


def service_message(service: Service, provider: Provider) -> pb.Service:
    """Return a service as it is told."""
    message = pb.Service(
        service_id=service.id,
        category_id=service.category_id,
        provider=pb.ServiceProvider(provider_id=provider.id, name=_text(provider.names)),
        name=_text(service.names),
        fields=[_field(field) for field in service.fields],
        currency_code=service.currency_code,
        merchant_category_code=service.mcc,
    )
    match service.price:
        case EnteredAmount(min_tyiyn=least, max_tyiyn=most, step_tyiyn=step):
            message.entered_amount.CopyFrom(pb.EnteredAmount(min_tyiyn=least, max_tyiyn=most, step_tyiyn=step))
        case FixedAmount(amount_tyiyn=amount):
            message.fixed_amount.CopyFrom(pb.FixedAmount(amount_tyiyn=amount))
    return message


def amount_to_pay(service: Service, given: int | None) -> int:
    """Return what would be paid, 0 where the payer has yet to say it."""
    match service.price:
        case FixedAmount(amount_tyiyn=amount):
            return amount
        case EnteredAmount():
            return given or 0


def _field(field: Field) -> pb.ServiceField:
    return pb.ServiceField(
        field_id=field.id,
        kind=FIELD_KINDS[field.kind],
        name=_text(field.names),
        required=field.required,
        pattern=field.pattern,
        min_length=field.min_length,
        max_length=field.max_length,
        check_digit=CHECK_DIGITS[field.check_digit],
        example=field.example,
    )


def _text(names: Names) -> pb.LocalizedText:
    return pb.LocalizedText(ky=names.ky, ru=names.ru, en=names.en)
