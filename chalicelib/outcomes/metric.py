"""One metric without powertools, for what happens where nothing else is imported: CloudWatch's embedded format, a line.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from datetime import datetime

NAMESPACE = "Earshot"


def count(name: str, stage: str, now: datetime, **fields: str) -> None:
    """Writes one count of the metric `name`; `fields` stand beside it in the log, ids and codes only."""
    metric = {"Namespace": NAMESPACE, "Dimensions": [["service"]], "Metrics": [{"Name": name, "Unit": "Count"}]}
    aws = {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [metric]}
    print(json.dumps({"_aws": aws, "service": f"earshot-{stage}", name: 1, **fields}), flush=True)
