"""How each refusal about customers comes about, one function a reason."""

from collections.abc import Callable
from uuid import uuid4

from domain.refusals import Reason
from domain.retention import MOST_STANDING
from ledger.rpc.callers import Role
from ledger.rpc.identity import PARTICIPANT_KEY, ROLE_KEY
from ledger.rpc.intake import timestamp
from ledger.vault.codes import FileCodes
from protos.esep.v1 import customer_pb2
from protos.esep.v1 import customer_service_pb2 as api
from tests.rpc.world import PATIENCE, Bank, Refusal, new_id

PASSWORD = "Jashyl2026"


def registration(**fields: str) -> api.RegisterCustomerRequest:
    """Return a registration like no other, with some of its fields changed."""
    number = uuid4().int % 10**8
    given = {"login": f"user{number}", "phone_number": f"+9967{number:08}", **fields}
    return api.RegisterCustomerRequest(request_id=new_id(), participant_id="bank-a", password=PASSWORD, **given)


def registered(bank: Bank) -> str:
    """Register; return the customer's id."""
    answer = bank.call(bank.ledger.customers.RegisterCustomer, registration())
    return str(answer.customer.customer_id)


def sent(bank: Bank) -> str:
    """Return the last code that was sent."""
    codes = bank.world.vault.codes
    assert isinstance(codes, FileCodes)
    return codes._path.read_text("ascii").split()[-1]


def confirmation(customer_id: str, code: str) -> api.ConfirmRegistrationRequest:
    return api.ConfirmRegistrationRequest(request_id=new_id(), customer_id=customer_id, code=code)


def confirmed(bank: Bank) -> str:
    """Register and confirm; return the customer's id."""
    customer_id = registered(bank)
    bank.call(bank.ledger.customers.ConfirmRegistration, confirmation(customer_id, sent(bank)))
    return customer_id


def identification(customer_id: str) -> api.IdentifyCustomerRequest:
    tier = customer_pb2.CUSTOMER_TIER_REMOTE
    return api.IdentifyCustomerRequest(request_id=new_id(), customer_id=customer_id, tier=tier)


def pin(customer_id: str, password: str) -> api.SetPinRequest:
    return api.SetPinRequest(request_id=new_id(), customer_id=customer_id, password=password, pin="8305")


def not_found(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.customers.GetCustomer, api.GetCustomerRequest(customer_id=new_id()))


def taken(field: str) -> Callable[[Bank], Refusal]:
    def case(bank: Bank) -> Refusal:
        first = registration()
        bank.call(bank.ledger.customers.RegisterCustomer, first)
        return bank.refused(bank.ledger.customers.RegisterCustomer, registration(**{field: getattr(first, field)}))

    return case


def erased(bank: Bank) -> Refusal:
    customer_id = confirmed(bank)
    bank.call(
        bank.ledger.customers.EraseCustomer, api.EraseCustomerRequest(request_id=new_id(), customer_id=customer_id)
    )
    return bank.refused(bank.ledger.customers.IdentifyCustomer, identification(customer_id))


def retention(customer_id: str, **fields: object) -> api.PlaceRetentionRequest:
    reason = customer_pb2.RETENTION_REASON_DISPUTE
    given = {"request_id": new_id(), "customer_id": customer_id, "reason": reason, "reference": "case 17", **fields}
    return api.PlaceRetentionRequest(**given)  # type: ignore[arg-type] # fields of many types


def lifting(customer_id: str, retention_id: str) -> api.LiftRetentionRequest:
    return api.LiftRetentionRequest(request_id=new_id(), customer_id=customer_id, retention_id=retention_id)


def kept(bank: Bank, **fields: object) -> tuple[str, str]:
    """Register, confirm and place a retention; return the ids of both."""
    placing = retention(confirmed(bank), **fields)
    bank.call(bank.ledger.customers.PlaceRetention, placing)
    return placing.customer_id, placing.request_id


def lifted(bank: Bank, customer_id: str, retention_id: str) -> Refusal:
    return bank.refused(bank.ledger.customers.LiftRetention, lifting(customer_id, retention_id))


def forbidden(bank: Bank) -> Refusal:
    customer_id, _ = kept(bank)
    erasing = api.EraseCustomerRequest(request_id=new_id(), customer_id=customer_id)
    return bank.refused(bank.ledger.customers.EraseCustomer, erasing)


def lifted_twice(bank: Bank) -> Refusal:
    customer_id, retention_id = kept(bank)
    bank.call(bank.ledger.customers.LiftRetention, lifting(customer_id, retention_id))
    return lifted(bank, customer_id, retention_id)


def lapsed(bank: Bank) -> Refusal:
    end = bank.world.clock.now() + 60_000_000
    customer_id, retention_id = kept(bank, expire_time=timestamp(end))
    bank.world.clock.ahead += 61_000_000
    return lifted(bank, customer_id, retention_id)


def banks_retention_lifted_by_the_scheme(bank: Bank) -> Refusal:
    customer_id = confirmed(bank)
    placing = retention(customer_id)
    role = ((ROLE_KEY, Role.BANK.value), (PARTICIPANT_KEY, "bank-a"), *bank.ledger.metadata)
    bank.ledger.customers.PlaceRetention(placing, metadata=role, timeout=PATIENCE)
    return lifted(bank, customer_id, placing.request_id)


def too_many_retentions(bank: Bank) -> Refusal:
    customer_id, _ = kept(bank)
    for _ in range(MOST_STANDING - 1):
        bank.call(bank.ledger.customers.PlaceRetention, retention(customer_id))
    return bank.refused(bank.ledger.customers.PlaceRetention, retention(customer_id))


def already_confirmed(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.customers.ConfirmRegistration, confirmation(confirmed(bank), sent(bank)))


def not_confirmed(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.customers.IdentifyCustomer, identification(registered(bank)))


def already_identified(bank: Bank) -> Refusal:
    customer_id = confirmed(bank)
    bank.call(bank.ledger.customers.IdentifyCustomer, identification(customer_id))
    return bank.refused(bank.ledger.customers.IdentifyCustomer, identification(customer_id))


def after_wrong_codes(count: int) -> Callable[[Bank], Refusal]:
    def case(bank: Bank) -> Refusal:
        customer_id = registered(bank)
        code = f"{(int(sent(bank)) + 1) % 10**6:06}"
        for _ in range(count):
            bank.refused(bank.ledger.customers.ConfirmRegistration, confirmation(customer_id, code))
        return bank.refused(bank.ledger.customers.ConfirmRegistration, confirmation(customer_id, code))

    return case


def expired(bank: Bank) -> Refusal:
    customer_id = registered(bank)
    bank.world.clock.ahead += 601_000_000
    return bank.refused(bank.ledger.customers.ConfirmRegistration, confirmation(customer_id, sent(bank)))


def after_wrong_passwords(count: int) -> Callable[[Bank], Refusal]:
    def case(bank: Bank) -> Refusal:
        customer_id = confirmed(bank)
        for _ in range(count):
            bank.refused(bank.ledger.customers.SetPin, pin(customer_id, "wrong"))
        return bank.refused(bank.ledger.customers.SetPin, pin(customer_id, "wrong"))

    return case


def not_sent(bank: Bank) -> Refusal:
    codes = bank.world.vault.codes
    assert isinstance(codes, FileCodes)
    codes._path.mkdir()  # A directory in the place of the file.
    return bank.refused(bank.ledger.customers.RegisterCustomer, registration())


CUSTOMER_CASES: dict[Reason, Callable[[Bank], Refusal]] = {
    Reason.CUSTOMER_NOT_FOUND: not_found,
    Reason.LOGIN_TAKEN: taken("login"),
    Reason.PHONE_TAKEN: taken("phone_number"),
    Reason.CUSTOMER_ERASED: erased,
    Reason.ERASURE_FORBIDDEN: forbidden,
    Reason.RETENTION_NOT_FOUND: lambda bank: lifted(bank, confirmed(bank), new_id()),
    Reason.RETENTION_OF_ANOTHER: banks_retention_lifted_by_the_scheme,
    Reason.RETENTION_ALREADY_LIFTED: lifted_twice,
    Reason.RETENTION_LAPSED: lapsed,
    Reason.TOO_MANY_RETENTIONS: too_many_retentions,
    Reason.CUSTOMER_ALREADY_CONFIRMED: already_confirmed,
    Reason.CUSTOMER_NOT_CONFIRMED: not_confirmed,
    Reason.CUSTOMER_ALREADY_IDENTIFIED: already_identified,
    Reason.CONFIRMATION_CODE_WRONG: after_wrong_codes(0),
    Reason.CONFIRMATION_LOCKED: after_wrong_codes(5),
    Reason.CONFIRMATION_EXPIRED: expired,
    Reason.PASSWORD_WRONG: after_wrong_passwords(0),
    Reason.PASSWORD_LOCKED: after_wrong_passwords(5),
    Reason.CODE_NOT_SENT: not_sent,
}
