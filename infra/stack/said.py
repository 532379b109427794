"""What a command says when AWS or this machine refuses: what it was, and what to do."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from chalicelib.textfile import told

NO_CREDENTIALS = "no credentials or region: set AWS_PROFILE, or the keys, and AWS_DEFAULT_REGION (DEPLOYING.md)"
ENDED = "the credentials have ended: log in again (aws sso login), or renew the keys and AWS_SESSION_TOKEN"
UNKNOWN = "AWS does not know these credentials: look at AWS_PROFILE, or the keys and AWS_SESSION_TOKEN"
_BY_CODE = {
    "ExpiredToken": ENDED,
    "ExpiredTokenException": ENDED,
    "RequestExpired": ENDED,
    "InvalidClientTokenId": UNKNOWN,
    "UnrecognizedClientException": UNKNOWN,
    "SignatureDoesNotMatch": UNKNOWN,
    "InvalidAccessKeyId": UNKNOWN,
}
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
AWS = (ClientError, BotoCoreError, OSError)  # what `said` puts into words


def said(error: BaseException) -> str:
    """The error in words for whoever ran the command."""
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _DENIED:
            return f"{error}: the policies of whoever runs this are in infra/stack/policies (DEPLOYING.md, Credentials)"
        return _BY_CODE.get(code) or str(error)
    if isinstance(error, NoRegionError | NoCredentialsError | PartialCredentialsError):
        return NO_CREDENTIALS
    if isinstance(error, ProfileNotFound):
        return f"{error}: look at AWS_PROFILE"
    if isinstance(error, SSOError | TokenRetrievalError):
        return ENDED
    return told(error)
