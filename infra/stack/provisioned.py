"""The table with provisioned capacity and auto scaling instead of on demand, for a stage that is large all day: the
template's parameter TableCapacity chooses.

Table and indexes scale apart: each has a target and a policy of its own for reads and for writes, under one condition.
Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/AutoScaling.html
"""

from typing import Any

UTILISATION = 60  # percent of the provisioned units that scaling aims at
MOST = 20_000  # units a second, half of what an account's table may have
KINDS = ("Read", "Write")
ALARMS_A_POLICY = 4  # that auto scaling makes for itself: use high and low, capacity high and low
Resources = dict[str, Any]


def with_provisioned(template: dict[str, Any]) -> dict[str, Any]:
    """`template`, whose table bills as TableCapacity says."""
    properties = template["Resources"]["Table"]["Properties"]
    properties["BillingMode"] = _if("PROVISIONED", properties["BillingMode"])
    scaled: dict[str, tuple[str, list[str]]] = {"Table": ("table", [])}
    for part in [properties, *properties["GlobalSecondaryIndexes"]]:
        part["ProvisionedThroughput"] = _if(
            {f"{kind}CapacityUnits": _least() for kind in KINDS}, {"Ref": "AWS::NoValue"}
        )
        if name := part.get("IndexName"):
            scaled[f"{name.capitalize()}Index"] = ("index", ["index", name])
    for name, (dimension, below) in scaled.items():
        for kind in KINDS:
            template["Resources"] |= _scaling(f"{name}{kind}s", dimension, below, kind)
    return template


def _scaling(name: str, dimension: str, below: list[str], kind: str) -> Resources:
    target = {
        "ServiceNamespace": "dynamodb",
        "ScalableDimension": f"dynamodb:{dimension}:{kind}CapacityUnits",
        "ResourceId": {"Fn::Join": ["/", ["table", {"Ref": "Table"}, *below]]},
        "MinCapacity": _least(),
        "MaxCapacity": MOST,
    }
    policy = {
        "PolicyName": name,
        "PolicyType": "TargetTrackingScaling",
        "ScalingTargetId": {"Ref": f"{name}Target"},
        "TargetTrackingScalingPolicyConfiguration": {
            "PredefinedMetricSpecification": {"PredefinedMetricType": f"DynamoDB{kind}CapacityUtilization"},
            "TargetValue": UTILISATION,
            "ScaleOutCooldown": 0,
            "ScaleInCooldown": 300,
        },
    }
    made = {"Target": ("ScalableTarget", target), "Policy": ("ScalingPolicy", policy)}
    return {
        f"{name}{part}": {
            "Type": f"AWS::ApplicationAutoScaling::{type}",
            "Condition": "Provisioned",
            "Properties": given,
        }
        for part, (type, given) in made.items()
    }


def _least() -> dict[str, str]:
    return {"Ref": "TableUnits"}


def _if(then: Any, otherwise: Any) -> dict[str, Any]:
    return {"Fn::If": ["Provisioned", then, otherwise]}
