import os

from pydantic import BaseModel

from pillion import Failure, Service

press = Service("press")


class Job(BaseModel):
    pages: int


class NoPaper(Failure):
    """The paper is used up"""


ordered = press.contract.event("ordered", Job)


@press.on(ordered)
async def print_all(job: Job) -> None:
    if "PAPER" not in os.environ:
        raise NoPaper
    print(f"printed {job.pages} pages")


@press.on(ordered)
async def bill(job: Job) -> None:
    print(f"billed {job.pages} pages")
