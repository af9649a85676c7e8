"""DirectoryService: what can be paid for. Answered from the catalogue in memory; neither log nor projections are asked.

An answer's page token carries the catalogue's version: a list that was begun in one catalogue is not continued in
another.
"""
# ruff: noqa: N802 - the names of the methods are the contract's

from typing import Final

from domain.refusals import Reason, Refused, refuse
from domain.services.catalogue import Catalogue, Service
from domain.services.fields import amount_violations, field_violations
from domain.services.search import Index
from ledger.rpc.calls import Context
from ledger.rpc.intake import Intake
from ledger.rpc.paging import Pager
from ledger.rpc.translate import directory as translate
from protos.esep.v1 import service_directory_pb2 as resources
from protos.esep.v1 import service_directory_service_pb2 as pb
from protos.esep.v1.service_directory_service_pb2_grpc import DirectoryServiceServicer

MAX_QUERY: Final = 64
DEFAULT_FOUND: Final = 10
MAX_FOUND: Final = 50


class DirectoryService(DirectoryServiceServicer):
    """Answers esep.v1.DirectoryService."""

    def __init__(self, catalogue: Catalogue, pager: Pager) -> None:
        self._catalogue = catalogue
        self._pager = pager
        self._index = Index(catalogue)

    async def ListServiceCategories(
        self, request: pb.ListServiceCategoriesRequest, context: Context
    ) -> pb.ListServiceCategoriesResponse:
        """List every category."""
        catalogue = self._catalogue
        return pb.ListServiceCategoriesResponse(
            categories=[
                translate.category_message(category, len(catalogue.of_category[category.id]))
                for category in catalogue.categories
            ],
            catalogue_version=catalogue.version,
        )

    async def ListServices(self, request: pb.ListServicesRequest, context: Context) -> pb.ListServicesResponse:
        """List the services of a category, or all, in the catalogue's order."""
        catalogue, intake = self._catalogue, Intake()
        if request.category_id and request.category_id not in catalogue.category:
            intake.wrong("category_id", "UNKNOWN_VALUE", "is no category of the directory")
        intake.check()
        page = self._pager.page(request, tuple[str, int])
        version, first = page.cursor or (catalogue.version, 0)
        if version != catalogue.version:
            raise Refused(refuse(Reason.PAGE_TOKEN_INVALID))
        places = catalogue.of_category[request.category_id] if request.category_id else range(len(catalogue.services))
        following = first + page.size
        cursor = (catalogue.version, following) if following < len(places) else None
        return pb.ListServicesResponse(
            services=[self._message(catalogue.services[place]) for place in places[first:following]],
            next_page_token=self._pager.token(request, cursor),
            catalogue_version=catalogue.version,
        )

    async def GetService(self, request: pb.GetServiceRequest, context: Context) -> pb.GetServiceResponse:
        """Read one service."""
        service = self._service(request.service_id)
        return pb.GetServiceResponse(service=self._message(service), catalogue_version=self._catalogue.version)

    async def SearchServices(self, request: pb.SearchServicesRequest, context: Context) -> pb.SearchServicesResponse:
        """Find services by what a person types."""
        intake = Intake()
        if not request.query.strip():
            intake.wrong("query", "MISSING", "is required")
        elif len(request.query) > MAX_QUERY:
            intake.wrong("query", "LENGTH", f"has more than {MAX_QUERY} characters")
        if not 0 <= request.limit <= MAX_FOUND:
            intake.wrong("limit", "RANGE", f"is not 1 to {MAX_FOUND}, or 0 for {DEFAULT_FOUND}")
        language = intake.choice(request.language, translate.LANGUAGES, "language") if request.language else None
        intake.check()
        found = self._index.search(request.query, language, request.limit or DEFAULT_FOUND)
        return pb.SearchServicesResponse(
            services=[self._message(service) for service in found], catalogue_version=self._catalogue.version
        )

    async def ValidateServiceFields(
        self, request: pb.ValidateServiceFieldsRequest, context: Context
    ) -> pb.ValidateServiceFieldsResponse:
        """Check what a payer entered."""
        service = self._service(request.service_id)
        amount = request.amount_tyiyn if request.HasField("amount_tyiyn") else None
        intake = Intake()
        intake.violations += field_violations(service, request.fields)
        if amount is not None:
            intake.violations += amount_violations(service, amount)
        intake.check()
        return pb.ValidateServiceFieldsResponse(
            amount_tyiyn=translate.amount_to_pay(service, amount),
            currency_code=service.currency_code,
            catalogue_version=self._catalogue.version,
        )

    def _service(self, service_id: str) -> Service:
        if not service_id:
            intake = Intake()
            intake.wrong("service_id", "MISSING", "is required")
            intake.check()
        service = self._catalogue.service(service_id)
        if service is None:
            raise Refused(refuse(Reason.SERVICE_NOT_FOUND, service_id=service_id[:MAX_QUERY]))
        return service

    def _message(self, service: Service) -> resources.Service:
        return translate.service_message(service, self._catalogue.provider[service.provider_id])
