"""infra/stack/resources.yaml for the embedded AWS: resources by logical id, CloudFormation's intrinsics worked out."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

RESOURCES = Path(__file__).with_name("resources.yaml")
REPORTS = Path(__file__).with_name("reports.yaml")  # laid over it
TIMER = Path(__file__).with_name("timer.asl.json")

_REFERENCE = re.compile(r"\$\{([^}!]+)\}")


@dataclass(frozen=True, slots=True)
class Made:
    """A resource that exists: what `Ref` and `Fn::GetAtt` give for it."""

    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Redelivery:
    """When a message that a function never finished comes again, and how often it does before it is a dead letter."""

    visibility: timedelta
    receives: int


@cache
def redeliveries(path: Path = RESOURCES) -> Mapping[str, Redelivery]:
    """What the template says of each queue that has dead letters, by its name there."""
    found = {}
    for name, resource in yaml.safe_load(path.read_text("utf-8"))["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::SQS::Queue" and "RedrivePolicy" in properties:
            visibility = timedelta(seconds=properties["VisibilityTimeout"])
            found[name] = Redelivery(visibility, properties["RedrivePolicy"]["maxReceiveCount"])
    return found


def holds(template: Mapping[str, Any], name: str, parameters: Mapping[str, Any] | None = None) -> bool:
    """Whether a condition of the template does, with `parameters` for its defaults."""
    known = {**_defaults(template), **(parameters or {})}

    def met(condition: Mapping[str, Any]) -> bool:
        ((kind, given),) = condition.items()
        if kind == "Condition":
            return met(template["Conditions"][given])
        if kind == "Fn::Equals":
            first, second = (str(known[side["Ref"]] if isinstance(side, dict) else side) for side in given)
            return first == second
        return _COMBINED[kind](map(met, given))

    return met(template["Conditions"][name])


_COMBINED: Mapping[str, Callable[[Iterable[bool]], bool]] = {
    "Fn::Not": lambda given: not all(given),
    "Fn::And": all,
    "Fn::Or": any,
}


def _defaults(template: Mapping[str, Any]) -> dict[str, Any]:
    return {name: p["Default"] for name, p in template["Parameters"].items() if "Default" in p}


Maker = Callable[[str, Mapping[str, Any]], Made]
"""(logical id, resolved properties) → the resource it made."""


class Definitions:
    """The resources of the template, each made when it is first referred to. `parameters` complete the template's
    defaults; `makers` are by resource type, and types without one (roles, alarms, policies) are not made."""

    def __init__(self, parameters: Mapping[str, str], makers: Mapping[str, Maker], path: Path = RESOURCES) -> None:
        self._template = yaml.safe_load(path.read_text("utf-8"))
        self._parameters = {**_defaults(self._template), **parameters}
        self._makers = makers
        self.made: dict[str, Made] = {}

    def make_all(self) -> None:
        """Makes every resource of a type that has a maker."""
        for name in self._template["Resources"]:
            self._make(name)

    def variables(self) -> dict[str, str]:
        """The environment of every function."""
        found = self._template["Globals"]["Function"]["Environment"]["Variables"]
        return {name: str(self.resolve(value)) for name, value in found.items()}

    def resolve(self, value: Any) -> Any:
        """`value` without intrinsics; raises KeyError for a name that the template does not have."""
        if isinstance(value, list):
            return [self.resolve(v) for v in value]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Ref"}:
            return self._ref(value["Ref"])
        if set(value) == {"Fn::GetAtt"}:
            name, attribute = value["Fn::GetAtt"]
            return self._attribute(name, attribute)
        if set(value) == {"Fn::If"}:
            name, then, otherwise = value["Fn::If"]
            return self.resolve(then if holds(self._template, name, self._parameters) else otherwise)
        if set(value) == {"Fn::Sub"}:
            return _REFERENCE.sub(lambda found: self._named(found[1]), value["Fn::Sub"])
        return {key: self.resolve(v) for key, v in value.items()}

    def _named(self, name: str) -> str:
        resource, dot, attribute = name.partition(".")
        return self._attribute(resource, attribute) if dot else str(self._ref(name))

    def _ref(self, name: str) -> Any:
        return self._parameters[name] if name in self._parameters else self._make(name).ref

    def _attribute(self, name: str, attribute: str) -> str:
        return self._make(name).attributes.get(
            attribute, f"arn:aws:iam::{self._parameters['AWS::AccountId']}:role/{name}"
        )

    def _make(self, name: str) -> Made:
        if name not in self.made:
            resource = self._template["Resources"][name]
            maker = self._makers.get(resource["Type"])
            self.made[name] = maker(name, self.resolve(resource.get("Properties", {}))) if maker else Made(name)
        return self.made[name]
