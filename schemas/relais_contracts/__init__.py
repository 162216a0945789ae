"""The events that Relais publishes: one module a producing service, and the CloudEvents envelope around them."""

from relais_contracts.catalogue import REGISTRY, TOPICS
from relais_contracts.cloudevents import CloudEvent, Header
from relais_contracts.contract import Contract
from relais_contracts.errors import ContractError, Malformed, UnknownType

__all__ = ["REGISTRY", "TOPICS", "CloudEvent", "Contract", "ContractError", "Header", "Malformed", "UnknownType"]
