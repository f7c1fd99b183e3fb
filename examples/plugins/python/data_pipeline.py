"""A workflow built, deployed, started and followed from Python; its two plugins run here as well.

    NATS_URL=nats://127.0.0.1:4222 python3 data_pipeline.py [input.csv]

needs an engine: `gearshift serve --nats nats://127.0.0.1:4222`.
"""

import asyncio
import csv
import sys
from pathlib import Path
from typing import Dict, List

import gearshift
import nats
from gearshift import Failure, Plugin, Step, Workflow

Rows = List[Dict[str, str]]

loader = Plugin("data_loader", "1.0.0")
transformer = Plugin("data_transformer", "1.0.0")


@loader.operation("load")
def load(options: Dict[str, str]) -> Rows:
    try:
        with open(options["source"], newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise Failure.permanent(f"there is no `{options['source']}`", code=404) from error


@transformer.operation("transform")
def normalize(data: Dict[str, Rows]) -> List[float]:
    values = [float(row["value"]) for row in data["rows"]]
    low, high = min(values), max(values)
    return [round((value - low) / ((high - low) or 1), 3) for value in values]


def pipeline() -> Workflow:
    workflow = Workflow("data_pipeline", "Data pipeline", mode="sequential")
    workflow.add(Step("load", "data_loader", "load", {"source": "${ input.source }"}))
    rows = {"rows": "${ steps.load }"}
    workflow.add(Step("transform", "data_transformer", "transform", rows, needs=["load"]))
    return workflow


async def main(source: Path) -> None:
    connection = await nats.connect(**gearshift.options_from_environment())
    running = [await plugin.serve(connection) for plugin in (loader, transformer)]
    client = gearshift.Client(connection)

    await client.deploy(pipeline())
    started = await client.start("data_pipeline", {"source": str(source)}, wait="@end")
    execution = await client.show(started["verdict"]["instance"])
    for step in execution["steps"]:
        result = step.get("error", {}).get("message") or step.get("result")
        print(f"{step['id']:10} {step['status']:10} {result}")
    print(f"{execution['id']} is {execution['status']}, {execution['progress']:.0%} done")

    for plugin in running:
        await plugin.drain()
    await connection.close()


if __name__ == "__main__":
    here = Path(__file__).parent
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else here / "input.csv"))
