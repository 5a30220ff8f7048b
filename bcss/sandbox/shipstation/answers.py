"""Answer in ShipStation's dialects (shipstation.md §1.4)."""

from bcss.sandbox.kit import Response, json_response


class Refused(Exception):
    """A request that ends with an error answer; `reason` is the text for a batch row."""

    def __init__(self, response: Response, reason: str) -> None:
        super().__init__(reason)
        self.response = response
        self.reason = reason


def gateway(status: int, message: str) -> Response:
    """Answer in dialect C, the lower-case `message` of the gateway."""
    return json_response(status, {"message": message})


def invalid(parameter: str, text: str) -> Refused:
    """Refuse in dialect A: the model binder did not understand a parameter."""
    body = {"Message": "The request is invalid.", "ModelState": {parameter: [text]}}
    return Refused(json_response(400, body), text)


def failed(reason: str, *, status: int = 500, kind: str = "System.Exception") -> Refused:
    """Refuse in dialect B: the exception that stands for faults and business rules alike."""
    body = {
        "Message": "An error has occurred.",
        "ExceptionMessage": reason,
        "ExceptionType": kind,
        "StackTrace": "   at SS.OpenApi.Controllers.OrdersController._CreateOrder(Order apiOrder,"
        " Guid ImportBatch, Boolean throwDuplicateException)",
    }
    return Refused(json_response(status, body), reason)


def missing(what: str) -> Refused:
    """Refuse an id that does not exist."""
    return Refused(gateway(404, f"{what} not found"), f"{what} not found")
