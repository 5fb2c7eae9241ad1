"""What object stores and their packages raise, in the words of our errors.

Known by codes and names, so that no store's package is needed to tell.
"""

import errno
import re
from collections.abc import Iterator

from bloodcell.errors import BloodcellError, StoreError

_CREDENTIALS = {
    "AuthenticationFailed", "AuthFailure", "ClientAuthenticationError",
    "CredentialRetrievalError", "DefaultCredentialsError", "ExpiredToken",
    "ExpiredTokenException", "InvalidAccessKeyId", "InvalidAuthenticationInfo",
    "InvalidClientTokenId", "InvalidSecurity", "InvalidToken", "NoAuthenticationInformation",
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "RefreshError",
    "RequestTimeTooSkewed", "SignatureDoesNotMatch", "TokenRefreshRequired",
    "TokenRetrievalError", "UnauthorizedSSOTokenError", "401",
}  # fmt: skip
_BUCKET = {
    "ContainerBeingDeleted", "ContainerNotFound", "InvalidBucketName", "NoSuchBucket",
}  # fmt: skip
_REGION = {
    "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "InvalidRegionError",
    "NoRegionError", "PermanentRedirect", "301",
}  # fmt: skip
_MISSING = {
    "FileNotFoundError", "BlobNotFound", "NoSuchKey", "ResourceNotFoundError", "404",
}  # fmt: skip
_FORBIDDEN = {
    "PermissionError", "AccessDenied", "AllAccessDisabled", "AuthorizationFailure",
    "AuthorizationPermissionMismatch", "InsufficientAccountPermissions", "403",
}  # fmt: skip
_NOT_REACHED = {
    "ClientConnectorDNSError", "ClientConnectorError", "ConnectionRefusedError",
    "ConnectTimeoutError", "EndpointConnectionError", "gaierror", "ServiceRequestError",
}  # fmt: skip
_PASSING = _NOT_REACHED | {
    "ChecksumError", "ClientConnectionError", "ClientOSError", "ClientPayloadError",
    "ConnectionClosedError", "ConnectionError", "ConnectionResetError", "FSTimeoutError",
    "HTTPClientError", "IncompleteBody", "IncompleteRead", "IncompleteReadError", "InternalError",
    "OperationAborted", "ProxyConnectionError", "ReadTimeoutError", "RequestTimeout",
    "RequestTimeoutException", "ResponseParserError", "ResponseStreamingError", "ServerBusy",
    "ServerDisconnectedError", "ServerTimeoutError", "ServiceResponseError",
    "ServiceUnavailable", "ShortRead", "SlowDown", "Throttling", "ThrottlingException",
    "TimeoutError", "TooManyRequestsException", "408", "429", "500", "502", "503", "504",
}  # fmt: skip

_LONGEST_WORDS = 200


class ShortRead(OSError):  # noqa: N818 - what it is
    """A body with fewer bytes than it should have; raised by who knows how many."""


def may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed a moment later."""
    names = _names_of(error)
    final = _CREDENTIALS | _BUCKET | _REGION | _MISSING | _FORBIDDEN
    return bool(names & _PASSING) and not names & final


def is_beyond(error: BaseException) -> bool:
    """Whether a store says so that an object has no bytes from there on."""
    return bool(_names_of(error) & {"InvalidRange", "416"})


def translated(error: Exception, url: str, bucket: str) -> Exception:
    """What to raise for ``error``, in one line; ours as it is.

    StoreError for what is wrong with the store as a whole, an OSError for what may be wrong with
    this object alone.
    """
    if isinstance(error, BloodcellError):
        return error
    names, said = _names_of(error), _said_by(error)
    for known, words in _OF_THE_STORE:
        if names & known:
            return StoreError(f"{url}: {words.format(bucket=bucket, said=said)}")
    for known, kind, number, words in _OF_AN_OBJECT:
        if names & known:
            return kind(number, f"{url}: {words.format(said=said)}")
    if isinstance(error, OSError):
        return OSError(error.errno or errno.EIO, f"{url}: {said}")
    return StoreError(f"{url}: {said}")


_OF_THE_STORE = (
    (
        _CREDENTIALS,
        "the store does not accept the credentials ({said}): they are those of the environment "
        "(AWS_ACCESS_KEY_ID or AWS_PROFILE, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_...)",
    ),
    (_BUCKET, "the store has no bucket {bucket} ({said})"),
    (_REGION, "the bucket {bucket} is not in this region ({said}): set AWS_DEFAULT_REGION"),
)
_OF_AN_OBJECT = (
    ({"FileExistsError"}, FileExistsError, errno.EEXIST, "there is one already ({said})"),
    (_MISSING, FileNotFoundError, errno.ENOENT, "there is no such object ({said})"),
    (_FORBIDDEN, PermissionError, errno.EACCES, "the store forbids it ({said})"),
    (
        _NOT_REACHED,
        OSError,
        errno.EHOSTUNREACH,
        "the store cannot be reached ({said}): is the network there, and are endpoint and region "
        "right?",
    ),
    (_PASSING, OSError, errno.EIO, "the store fails, also when asked again ({said})"),
)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what it was raised from; packages put their own words above the store's."""
    while error is not None:
        yield error
        error = error.__cause__


def _names_of(error: BaseException) -> set[str]:
    """Codes and names by which the errors of a chain are known."""
    names: set[str] = set()
    for one in _chain(error):
        names |= {kind.__name__ for kind in type(one).__mro__}
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            names.add(str(response.get("Error", {}).get("Code", "")))
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
            names.add(str(status))
        for attribute in ("code", "status", "status_code", "error_code"):
            value = getattr(one, attribute, None)
            if isinstance(value, int | str):
                names.add(str(getattr(value, "value", value)))
    return names


def _said_by(error: BaseException) -> str:
    """The words of the innermost error that has some, in one short line."""
    last = next((one for one in reversed(list(_chain(error))) if str(one)), error)
    response = getattr(last, "response", None)
    if isinstance(response, dict) and "Error" in response:
        told = response["Error"]
        name, words = told.get("Code", ""), told.get("Message", "")
    else:
        # Azure's go on with the whole answer.
        name, words = type(last).__name__, str(last).partition("\nRequestId:")[0]
    return re.sub(r"\s+", " ", f"{name}: {words}").strip(" :")[:_LONGEST_WORDS]
