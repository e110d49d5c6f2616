from pydantic import BaseModel

from pillion import Service

greeter = Service("greeter")


class Greet(BaseModel):
    name: str


@greeter.command
async def hello(greet: Greet) -> str:
    return f"Hello, {greet.name}!"
