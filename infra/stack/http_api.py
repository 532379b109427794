"""API Gateway's HTTP API in place of the REST API that Chalice makes, where a stack has one: under a third of its price
and with payload format 1.0 the same event. (A new stack without a domain has a function URL instead.)

resources.yaml defines the API, its stage and its integration; the routes come from app.py, through Chalice's template.
Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import re
from typing import Any

MADE_BY_CHALICE = ("RestAPI", "APIHandlerInvokePermission")
TOLD_BY_CHALICE = ("RestAPIId", "EndpointURL", "APIHandlerName", "APIHandlerArn")


def with_http_api(template: dict[str, Any]) -> dict[str, Any]:
    """`template` with a route of the HTTP API for each of Chalice's paths and methods, and without the REST API."""
    resources, outputs = template["Resources"], template["Outputs"]
    paths = resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    for path, methods in paths.items():
        for method in methods:
            resources[_name(method, path)] = {
                "Type": "AWS::ApiGatewayV2::Route",
                "Condition": "HasApi",
                "Properties": {
                    "ApiId": {"Ref": "Api"},
                    "RouteKey": f"{method.upper()} {path}",
                    "Target": {"Fn::Sub": "integrations/${ApiIntegration}"},
                },
            }
    for name in MADE_BY_CHALICE:
        del resources[name]
    for name in TOLD_BY_CHALICE:
        outputs.pop(name, None)
    return template


def _name(method: str, path: str) -> str:
    """E.g. RoutePostWebhooksPlatformKey."""
    return "Route" + "".join(word.capitalize() for word in [method, *re.findall(r"[a-z]+", path)])
