"""The table that the functions serve from: the stack's own, or a restored one, which `make deploy TABLE=` names.

resources.yaml, reports.yaml and the functions' policies speak of the stack's own; here each of these places becomes a
choice, so that none can be left behind on the other table: settings, rights, and the trigger of the facts.
"""

import re
from typing import Any, Final

CONDITION: Final = "ServesRestored"
NAME, STREAM = "TableName", "TableStream"  # parameters of resources.yaml

_ARN: Final = {"Fn::Sub": f"arn:${{AWS::Partition}}:dynamodb:${{AWS::Region}}:${{AWS::AccountId}}:table/${{{NAME}}}"}
_RESTORED: Final = {"Ref": {"Ref": NAME}, "Arn": _ARN, "StreamArn": {"Ref": STREAM}}
_IN_TEXT: Final = "${Table.Arn}"
_OF_THE_TABLE: Final = re.compile(r"\$\{Table[.}]")


def with_serving_table(template: dict[str, Any]) -> dict[str, Any]:
    """`template` in which all but the table itself name the one in use. Raises ValueError for a way of naming the table
    that this file does not know."""
    kept = template["Resources"].pop("Table")
    for section in ("Globals", "Resources", "Outputs"):
        template[section] = _chosen(template.get(section, {}))
    template["Resources"]["Table"] = kept
    return template


def _chosen(value: Any) -> Any:
    if isinstance(value, list):
        return [_chosen(v) for v in value]
    if not isinstance(value, dict):
        return value
    if value == {"Ref": "Table"}:
        return _choice("Ref", value)
    if "Fn::GetAtt" in value and value["Fn::GetAtt"][0] == "Table":
        return _choice(value["Fn::GetAtt"][1], value)
    if _OF_THE_TABLE.search(str(value.get("Fn::Sub", ""))):
        return {"Fn::Sub": _in_text(value["Fn::Sub"])}
    return {key: _chosen(v) for key, v in value.items()}


def _choice(attribute: str, own: dict[str, Any]) -> dict[str, Any]:
    return {"Fn::If": [CONDITION, _RESTORED[attribute], own]}


def _in_text(text: Any) -> list[Any]:
    if not isinstance(text, str) or _OF_THE_TABLE.search(text.replace(_IN_TEXT, "")):
        raise ValueError(f"{text}: only {_IN_TEXT} can stand in a text")
    arn = _choice("Arn", {"Fn::GetAtt": ["Table", "Arn"]})
    return [text.replace(_IN_TEXT, "${TableArn}"), {"TableArn": arn}]
