"""Authentication: a password, a token or an application credential for a token; what a token is worth; its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from swiftlite.common.web import Answer
from swiftlite.core import identity_documents as documents
from swiftlite.core.identity_documents import Endpoint, Holder
from swiftlite.core.identity_request import LoginRequest, Named, Scope, read_v2, read_v3
from swiftlite.core.signed_token import Claims
from swiftlite.middleware.identity.answers import Refused, json_answer, whole_body
from swiftlite.middleware.identity.call import Call
from swiftlite.middleware.identity.credential_records import CredentialRecords
from swiftlite.middleware.identity.directory import Directory, project_id, user_id
from swiftlite.middleware.identity.logins import Logins
from swiftlite.middleware.identity.options import IdentityOptions
from swiftlite.middleware.identity.tokens import Known, Tokens, new_audit_id
from swiftlite.middleware.tempauth.users import User

WRONG = "The user, the password or token, or the project is not right."
CREDENTIAL = "application_credential"


class Authentication:
    """Logins, validations and revocations, over the users of a directory.

    :param records: the users' application credentials
    """

    def __init__(
        self, directory: Directory, options: IdentityOptions, tokens: Tokens, logins: Logins, records: CredentialRecords
    ) -> None:
        self.directory = directory
        self.options = options
        self.tokens = tokens
        self.logins = logins
        self.records = records

    def login_v3(self, call: Call) -> Answer:
        """``POST /v3/auth/tokens``."""
        claims = self._login(call, _parsed(read_v3, whole_body(call.environ)))
        return self._token_answer(call, 201, claims, self.tokens.issue(claims))

    def login_v2(self, call: Call) -> Answer:
        """``POST /v2.0/tokens``."""
        claims = self._login(call, _parsed(read_v2, whole_body(call.environ)))
        holder, catalog = self.holder(call, claims), self._catalog(call, claims.project)
        return json_answer(200, documents.access_v2(self.tokens.issue(claims), claims, holder, catalog))

    def _login(self, call: Call, request: LoginRequest) -> Claims:
        """What the token will say.

        :raises Refused, TooManyLogins: when there will be none
        """
        proven: list[Claims] = []
        for method in request.methods:
            prove = {"password": self._by_password, "token": self._by_token, CREDENTIAL: self._by_credential}[method]
            proven.append(prove(call, request))
        first = proven[0]
        if any(other.user != first.user for other in proven):
            raise self._unauthorized(call, WRONG)
        # The narrowest of them: what an application credential may do, as long as a token lasts.
        narrow = next((claims for claims in proven if claims.credential), first)
        methods = tuple(dict.fromkeys([*request.methods, *(name for claims in proven for name in claims.methods)]))
        claims = replace(
            narrow,
            methods=methods,
            expires=min(claims.expires for claims in proven),
            project=self._project(call, request.scope, narrow),
        )
        call.environ.setdefault("swift.access_logging", {})["user_id"] = claims.user
        return claims

    def _by_password(self, call: Call, request: LoginRequest) -> Claims:
        user = self.directory.find_user(request.user, request.scope.project)
        name = request.user.id or request.user.name
        if not self.logins.match(call.environ, user, name, request.password) or user is None:
            raise self._unauthorized(call, WRONG)
        return self.new_claims(user, user.account, ("password",), call.now)

    def _by_token(self, call: Call, request: LoginRequest) -> Claims:
        known = self.tokens.check(request.token, call.environ, call.now)
        if known is None:
            raise self._unauthorized(call, WRONG)
        if known.claims.credential:
            raise Refused(403, "A token of an application credential cannot be traded for another one.")
        return replace(known.claims, issued=int(call.now), audit=new_audit_id())

    def _by_credential(self, call: Call, request: LoginRequest) -> Claims:
        owner = self.directory.find_user(request.user, Named()) if request.credential.name else None
        owner_name = owner.identity if owner else request.user.id or request.user.name
        name = f"credential {request.credential.id or f'{owner_name} {request.credential.name}'}"
        self.logins.check_limits(call.environ, name)  # before the store is asked, which is work for many servers
        found = self.records.find(call.environ, request.credential, owner, call.now)
        user = self.directory.user(found.user) if found else None
        # Looked at even if there is none: the time must not tell.
        is_right = self.logins.attempt(call.environ, name, lambda: self.records.match(found, request.secret))
        if not is_right or found is None or user is None or found.project not in self.directory.accounts_of(user):
            raise self._unauthorized(call, WRONG)
        claims = self.new_claims(user, found.project, (CREDENTIAL,), call.now)
        expires = min(claims.expires, found.expires) if found.expires else claims.expires
        return replace(claims, credential=found.id, roles=found.roles, expires=expires)

    def new_claims(self, user: User, project: str, methods: tuple[str, ...], now: float) -> Claims:
        """What a fresh token for a user says."""
        issued, audit = int(now), new_audit_id()
        return Claims(
            user=user.identity,
            project=project,
            issued=issued,
            expires=issued + self.options.token_life,
            audit=audit,
            parent=audit,
            entry=self.tokens.entry(user),
            methods=methods,
        )

    def _project(self, call: Call, scope: Scope, claims: Claims) -> str:
        """The account that a token shall be good for; '' for none."""
        user = self.directory.user(claims.user)
        assert user is not None
        if scope.kind in ("domain", "system"):
            raise self._unauthorized(call, f"Nobody has a role on a {scope.kind} here: ask for a project's token.")
        if claims.credential:
            if scope.kind == "project" and self.directory.find_account(scope.project) != claims.project:
                raise self._unauthorized(call, "An application credential is for its own project only.")
            return claims.project
        if scope.kind == "unscoped":
            return ""
        if scope.kind == "default":
            return user.account
        account = self.directory.find_account(scope.project)
        if account is None or account not in self.directory.accounts_of(user):
            raise self._unauthorized(call, WRONG)
        return account

    def validate(self, call: Call) -> Answer:
        """``GET /v3/auth/tokens``: what somebody's token is worth, for him and for services."""
        token, subject = self._subject(call)
        return self._token_answer(call, 200, subject.claims, token)

    def revoke(self, call: Call) -> Answer:
        """``DELETE /v3/auth/tokens``."""
        _, subject = self._subject(call)
        self.tokens.revocations.revoke(call.environ, subject.claims.audit, subject.claims.expires)
        return Answer(204, headers={"Vary": "X-Auth-Token"})

    def _subject(self, call: Call) -> tuple[str, Known]:
        """The token that a request is about; whose it is the asker must be allowed to know."""
        asker = self.asker(call)
        token = call.environ.get("HTTP_X_SUBJECT_TOKEN")
        if not token:
            raise Refused(400, "The header X-Subject-Token is missing.")
        subject = self.tokens.check(token, call.environ, call.now)
        trusted = not set(asker.groups.split(",")).isdisjoint(self.options.validator_groups)
        if subject is None and trusted:
            raise Refused(404, "The token in X-Subject-Token is not valid.")
        if subject is None or not (trusted or subject.user.identity == asker.user.identity):
            raise Refused(403, "Only services may look at the tokens of others.")
        return token, subject

    def asker(self, call: Call) -> Known:
        """Whose token is in the request's X-Auth-Token.

        :raises Refused: 401 when there is none that is good
        """
        known = self.tokens.check(call.environ.get("HTTP_X_AUTH_TOKEN"), call.environ, call.now)
        if known is None:
            raise self._unauthorized(call, "A valid token is needed in X-Auth-Token.")
        call.environ.setdefault("swift.access_logging", {})["user_id"] = known.user.identity
        return known

    def catalog(self, call: Call) -> Answer:
        """``GET /v3/auth/catalog``."""
        project = self.asker(call).claims.project
        if not project:
            raise Refused(403, "An unscoped token has no catalog.")
        links = {"self": call.url, "previous": None, "next": None}
        catalog = documents.catalog_v3(self._catalog(call, project))
        return json_answer(200, {"catalog": catalog, "links": links})

    def _token_answer(self, call: Call, status: int, claims: Claims, token: str) -> Answer:
        wants_none = "nocatalog" in call.environ.get("QUERY_STRING", "")
        catalog = None if wants_none else self._catalog(call, claims.project)
        document = documents.token_v3(claims, self.holder(call, claims), catalog)
        return json_answer(status, document, {"X-Subject-Token": token})

    def holder(self, call: Call, claims: Claims) -> Holder:
        """Whose a token is, as documents name him."""
        user = self.directory.user(claims.user)
        assert user is not None
        roles = self.directory.roles_of(user)
        credential = None
        if claims.credential:
            found = self.records.get(call.environ, claims.credential)
            credential = (claims.credential, found.name if found else "", not (found and found.unrestricted))
        return Holder(
            user_id=user_id(user),
            user_name=user.name,
            project_id=project_id(claims.project) if claims.project else "",
            project_name=claims.project,
            domain_id=self.options.domain_id,
            domain_name=self.options.domain_name,
            roles=tuple(roles if claims.roles is None else [role for role in roles if role in claims.roles]),
            credential=credential,
        )

    def _catalog(self, call: Call, project: str) -> list[Endpoint]:
        if not project:
            return []
        store = self.directory.storage_url(project, call.base)
        version = "v2.0" if call.words[:1] == ("v2.0",) else "v3"
        return [
            Endpoint("object-store", "swift", store, self.options.region),
            Endpoint("identity", "keystone", f"{call.root}/{version}", self.options.region),
        ]

    def _unauthorized(self, call: Call, message: str) -> Refused:
        return Refused(401, message, {"Www-Authenticate": f'Keystone uri="{call.v3}"'})


def _parsed(read: Callable[[bytes], LoginRequest], body: bytes) -> LoginRequest:
    try:
        return read(body)
    except ValueError as error:
        raise Refused(400, str(error)) from None
