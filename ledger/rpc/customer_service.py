"""CustomerService: registering, confirming, identifying and erasing customers, and what forbids erasing them."""
# ruff: noqa: N802 - the names of the methods are the contract's

from typing import Final

from domain.credentials import Verdict
from domain.customer import Customer, Taken
from domain.refusals import Reason, Refused, invalid, refuse
from domain.retention import Authority
from ledger.rpc import calls
from ledger.rpc.callers import Role
from ledger.rpc.calls import Context
from ledger.rpc.customers import Customers, unknown
from ledger.rpc.errors import in_terms_of
from ledger.rpc.intake import Intake
from ledger.rpc.outcomes import Done
from ledger.rpc.reads import LogReads
from ledger.rpc.tellers import expect
from ledger.rpc.translate import customer as translate
from ledger.rpc.translate.common import receipt
from ledger.rpc.translate.retention import RETENTION_PATHS
from protos.esep.v1 import customer_pb2
from protos.esep.v1 import customer_service_pb2 as pb
from protos.esep.v1.customer_service_pb2_grpc import CustomerServiceServicer

PIN_RESULTS: Final = {
    Verdict.RIGHT: pb.PIN_RESULT_RIGHT,
    Verdict.WRONG: pb.PIN_RESULT_WRONG,
    Verdict.LOCKED: pb.PIN_RESULT_LOCKED,
    Verdict.LAPSED: pb.PIN_RESULT_NOT_SET,
    Verdict.ABSENT: pb.PIN_RESULT_NOT_SET,
}


class CustomerService(CustomerServiceServicer):
    """Answers esep.v1.CustomerService."""

    def __init__(self, customers: Customers, log_reads: LogReads, password_policy: str) -> None:
        self._customers = customers
        self._log = log_reads
        self._password_policy = password_policy

    async def RegisterCustomer(
        self, request: pb.RegisterCustomerRequest, context: Context
    ) -> pb.RegisterCustomerResponse:
        """Register a customer and send a code."""
        done = await self._customers.register(*translate.register_customer(request, self._password_policy))
        return pb.RegisterCustomerResponse(customer=await self._told(done), receipt=receipt(done))

    async def ConfirmRegistration(
        self, request: pb.ConfirmRegistrationRequest, context: Context
    ) -> pb.ConfirmRegistrationResponse:
        """Confirm a registration with the code."""
        done = await self._customers.confirm(*translate.confirm_registration(request))
        return pb.ConfirmRegistrationResponse(customer=await self._told(done), receipt=receipt(done))

    async def SetPin(self, request: pb.SetPinRequest, context: Context) -> pb.SetPinResponse:
        """Set the application's PIN."""
        done = await self._customers.set_pin(*translate.set_pin(request))
        return pb.SetPinResponse(customer=await self._told(done), receipt=receipt(done))

    async def VerifyPin(self, request: pb.VerifyPinRequest, context: Context) -> pb.VerifyPinResponse:
        """Tell whether a PIN is the customer's."""
        tried = await self._customers.verify_pin(translate.verify_pin(request))
        return pb.VerifyPinResponse(result=PIN_RESULTS[tried.verdict], tries_left=tried.tries_left)

    async def IdentifyCustomer(
        self, request: pb.IdentifyCustomerRequest, context: Context
    ) -> pb.IdentifyCustomerResponse:
        """Record that a customer was identified."""
        command, request_id = translate.identify_customer(request)
        done = await self._customers.execute(command, request_id, validate_only=request.validate_only)
        return pb.IdentifyCustomerResponse(customer=await self._told(done), receipt=receipt(done))

    async def GetCustomer(self, request: pb.GetCustomerRequest, context: Context) -> pb.GetCustomerResponse:
        """Read one customer."""
        position = await self._log.position(request)
        customer_id = await self._named(request)
        customer = await self._log.aggregate(customer_id, position)
        if not isinstance(customer, Customer):
            raise unknown(customer_id)
        return pb.GetCustomerResponse(
            customer=await self._customers.message(customer), position=self._log.message(position)
        )

    async def _named(self, request: pb.GetCustomerRequest) -> bytes:
        match request.WhichOneof("customer"):
            case "customer_id":
                intake = Intake()
                customer_id = intake.known_id(request.customer_id, "customer_id")
                intake.check()
                return customer_id
            case "login":
                found = await self._customers.find(Taken.LOGIN, request.login.lower())
            case "phone_number":
                found = await self._customers.find(Taken.PHONE, request.phone_number)
            case _:
                raise Refused(invalid("customer", "MISSING", "is required: an id, a login or a phone number"))
        if found is None:
            raise Refused(refuse(Reason.CUSTOMER_NOT_FOUND))
        return found

    async def EraseCustomer(self, request: pb.EraseCustomerRequest, context: Context) -> pb.EraseCustomerResponse:
        """Destroy the key of a customer's personal data."""
        command, request_id = translate.erase_customer(request)
        done = await self._customers.erase(command, request_id, validate_only=request.validate_only)
        return pb.EraseCustomerResponse(customer=await self._told(done), receipt=receipt(done))

    async def PlaceRetention(self, request: pb.PlaceRetentionRequest, context: Context) -> pb.PlaceRetentionResponse:
        """Forbid that a customer is erased."""
        command, request_id = translate.place_retention(request, _authority())
        with in_terms_of(paths=RETENTION_PATHS):
            done = await self._customers.execute(command, request_id, validate_only=request.validate_only)
        return pb.PlaceRetentionResponse(customer=await self._told(done), receipt=receipt(done))

    async def LiftRetention(self, request: pb.LiftRetentionRequest, context: Context) -> pb.LiftRetentionResponse:
        """Let a retention forbid nothing any more."""
        command, request_id = translate.lift_retention(request, _authority())
        done = await self._customers.execute(command, request_id, validate_only=request.validate_only)
        return pb.LiftRetentionResponse(customer=await self._told(done), receipt=receipt(done))

    async def _told(self, done: Done) -> customer_pb2.Customer:
        return await self._customers.message(expect(done.subject, Customer), done.recorded_at)


def _authority() -> Authority:
    """Return on whose behalf the caller places and lifts retentions."""
    return Authority.BANK if calls.current().who.role is Role.BANK else Authority.OPERATOR
