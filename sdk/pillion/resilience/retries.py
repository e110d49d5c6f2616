"""Which retry policy is for which failure."""

from __future__ import annotations

from collections.abc import Sequence

from pillion.errors import BridgeError, SidecarError, StoreError
from pillion.outcome import Retry

_DEFAULT = Retry()
_INFRASTRUCTURE = (BridgeError, SidecarError, StoreError)


class Retries:
    """The retry policies of one handler.

    Args:
        policies: the first that fits is followed; none at all means ``Retry()``.
    """

    def __init__(self, policies: Sequence[Retry]) -> None:
        self._policies = tuple(policies) or (Retry(),)
        self._general = next((policy for policy in self._policies if not policy.on), None)

    def of(self, cause: BaseException | None) -> Retry | None:
        """The policy for what was raised; None when it is not to be tried again.

        Args:
            cause: the exception; None when the handler itself asked for another attempt.
        """
        if cause is None:
            return self._general or self._policies[0]
        fitting = (policy for policy in self._policies if not policy.on or isinstance(cause, policy.on))
        # What the broker or the store could not do is no decision of the handler's.
        return next(fitting, _DEFAULT if isinstance(cause, _INFRASTRUCTURE) else None)

    def named(self, cause: BaseException) -> bool:
        """Whether a policy is for just this kind of failure, so that it is tried again though it need not be."""
        return any(isinstance(cause, policy.on) for policy in self._policies if policy.on)
