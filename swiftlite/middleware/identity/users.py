"""People: the identity's answers about users, their projects and the one domain."""

from __future__ import annotations

from typing import Any

from swiftlite.common.subrequest import query_of
from swiftlite.common.web import Answer
from swiftlite.core import identity_documents as documents
from swiftlite.core.names import wsgi_to_str
from swiftlite.middleware.identity.answers import Refused, json_answer
from swiftlite.middleware.identity.authentication import Authentication
from swiftlite.middleware.identity.call import Call
from swiftlite.middleware.identity.directory import project_id, user_id
from swiftlite.middleware.identity.tokens import Known
from swiftlite.middleware.tempauth.users import User

RESELLER = ".reseller_admin"


class People:
    """Tells everybody of himself, and reseller administrators of all."""

    def __init__(self, authentication: Authentication) -> None:
        self.authentication = authentication
        self.directory = authentication.directory
        self.options = authentication.options

    def tenants(self, call: Call) -> Answer:
        """``GET /v2.0/tenants``."""
        accounts = self._accounts(call, self.authentication.asker(call))
        tenants = [documents.tenant(project_id(account), account) for account in accounts]
        return json_answer(200, {"tenants": tenants, "tenants_links": []})

    def projects(self, call: Call) -> Answer:
        """``GET /v3/auth/projects`` and ``/v3/projects``: those that the asker may have tokens for."""
        accounts = self._accounts(call, self.authentication.asker(call))
        items = [self._project(call, account) for account in accounts]
        return json_answer(200, documents.collection("projects", items, call.url))

    def user_projects(self, call: Call) -> Answer:
        """``GET /v3/users/<id>/projects``."""
        accounts = self.directory.accounts_of(self._visible_user(call))
        items = [self._project(call, account) for account in accounts]
        return json_answer(200, documents.collection("projects", items, call.url))

    def project(self, call: Call) -> Answer:
        """``GET /v3/projects/<id>``."""
        visible = self._accounts(call, self.authentication.asker(call))
        account = next((account for account in visible if project_id(account) == call.names[0]), None)
        if account is None:
            raise Refused(404, "There is no such project, or it is not yours.")
        return json_answer(200, {"project": self._project(call, account)})

    def users(self, call: Call) -> Answer:
        """``GET /v3/users``: the asker, for reseller administrators everybody; ``?name=`` chooses."""
        asker = self.authentication.asker(call)
        known = list(self.directory.conf.users.values()) if _is_reseller(asker) else [asker.user]
        name = query_of(call.environ).get("name")
        items = [self._user(call, user) for user in known if name is None or user.name == wsgi_to_str(name)]
        return json_answer(200, documents.collection("users", items, call.url))

    def user(self, call: Call) -> Answer:
        """``GET /v3/users/<id>``."""
        return json_answer(200, {"user": self._user(call, self._visible_user(call))})

    def domains(self, call: Call) -> Answer:
        """``GET /v3/domains`` and ``/v3/auth/domains``."""
        self.authentication.asker(call)
        return json_answer(200, documents.collection("domains", [self._domain(call)], call.url))

    def domain(self, call: Call) -> Answer:
        """``GET /v3/domains/<id>``."""
        self.authentication.asker(call)
        if call.names[0] != self.options.domain_id:
            raise Refused(404, "There is no such domain.")
        return json_answer(200, {"domain": self._domain(call)})

    def _visible_user(self, call: Call) -> User:
        asker = self.authentication.asker(call)
        user = self.directory.user(call.names[0])
        if user is None or not (user.identity == asker.user.identity or _is_reseller(asker)):
            raise Refused(404, "There is no such user, or it is not you.")
        return user

    def _accounts(self, call: Call, asker: Known) -> list[str]:
        """Those that the asker may have tokens for; ``?name=`` chooses."""
        accounts = self.directory.accounts_of(asker.user)
        if asker.claims.credential:
            accounts = [asker.claims.project]
        name = query_of(call.environ).get("name")
        return [account for account in accounts if name is None or account == wsgi_to_str(name)]

    def _project(self, call: Call, account: str) -> dict[str, Any]:
        return documents.project(project_id(account), account, self.options.domain_id, call.v3)

    def _user(self, call: Call, user: User) -> dict[str, Any]:
        return documents.user(user_id(user), user.name, project_id(user.account), self.options.domain_id, call.v3)

    def _domain(self, call: Call) -> dict[str, Any]:
        identity = self.options.domain_id
        links = {"self": f"{call.v3}/domains/{identity}"}
        return {"id": identity, "name": self.options.domain_name, "description": "", "enabled": True, "links": links}


def _is_reseller(asker: Known) -> bool:
    return RESELLER in asker.groups.split(",")
