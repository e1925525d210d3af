"""Credentials: how users make, see and delete their application credentials."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import Any

from swiftlite.common.subrequest import query_of
from swiftlite.common.web import Answer
from swiftlite.core import identity_documents as documents
from swiftlite.core.identity_request import Named, NewCredential, read_new_credential
from swiftlite.core.names import wsgi_to_str
from swiftlite.core.signed_token import derive_id
from swiftlite.middleware.identity.answers import Refused, json_answer, whole_body
from swiftlite.middleware.identity.authentication import Authentication
from swiftlite.middleware.identity.call import Call
from swiftlite.middleware.identity.credential_records import CONTAINER, LATEST, MOST, CredentialRecord, new_id
from swiftlite.middleware.identity.directory import project_id
from swiftlite.middleware.identity.tokens import Known, credential_name

NONE = "There is no such application credential, or it is not yours."


class Credentials:
    """Everybody has his own, and nobody sees another's."""

    def __init__(self, authentication: Authentication) -> None:
        self.authentication = authentication
        self.directory = authentication.directory
        self.records = authentication.records

    def create(self, call: Call) -> Answer:
        """``POST /v3/users/<id>/application_credentials``: the only answer that has the secret."""
        owner = self._owner(call, changes=True)
        try:
            wanted = read_new_credential(whole_body(call.environ))
            expires = documents.parse_when(wanted.expires_at) if wanted.expires_at else 0
        except ValueError as error:
            raise Refused(400, str(error)) from None
        if expires and expires <= call.now:
            raise Refused(400, "application_credential: expires_at is in the past.")
        if expires > LATEST:
            raise Refused(400, "application_credential: expires_at is later than any object's; leave it out for never.")
        if not owner.claims.project:
            raise Refused(403, "An application credential is for a project: come with a project's token.")
        existing = self.records.list(call.environ, owner.user)
        if any(record.name == wanted.name for record in existing):
            raise Refused(409, "You have an application credential of that name.")
        if len(existing) >= MOST:
            raise Refused(403, f"You have {MOST} application credentials; delete one first.")
        secret = wanted.secret or base64.urlsafe_b64encode(os.urandom(48)).decode("ascii")
        record = CredentialRecord(
            id=new_id(owner.user),
            name=wanted.name,
            description=wanted.description,
            user=owner.user.identity,
            project=owner.claims.project,
            roles=self._roles(owner, wanted),
            expires=expires,
            unrestricted=wanted.unrestricted,
            hash=self.records.hash(secret),
        )
        self.records.put(call.environ, record)
        return json_answer(201, {"application_credential": {**self._shown(call, record), "secret": secret}})

    def _roles(self, owner: Known, wanted: NewCredential) -> tuple[str, ...] | None:
        """The names of the roles it shall have; None for all."""
        has = self.directory.roles_of(owner.user)
        if owner.claims.roles is not None:
            has = [role for role in has if role in owner.claims.roles]
        if wanted.roles is None:
            return None if owner.claims.roles is None else tuple(has)
        names = [next((name for name in has if _is_role(name, role)), None) for role in wanted.roles]
        if None in names:
            raise Refused(400, "application_credential: roles has one that you do not have.")
        return tuple(name for name in names if name is not None)

    def list(self, call: Call) -> Answer:
        """``GET /v3/users/<id>/application_credentials``; ``?name=`` chooses."""
        owner = self._owner(call)
        name = query_of(call.environ).get("name")
        records = self.records.list(call.environ, owner.user)
        items = [self._shown(call, record) for record in records if name is None or record.name == wsgi_to_str(name)]
        return json_answer(200, documents.collection("application_credentials", items, call.url))

    def show(self, call: Call) -> Answer:
        """``GET /v3/users/<id>/application_credentials/<id>``."""
        return json_answer(200, {"application_credential": self._shown(call, self._own(call, self._owner(call)))})

    def delete(self, call: Call) -> Answer:
        """``DELETE /v3/users/<id>/application_credentials/<id>``: the tokens had for it end, too."""
        record = self._own(call, self._owner(call, changes=True))
        # Before it is deleted: a client that hears of a failure comes again, and must find it still.
        longest = int(call.now) + self.authentication.options.token_life
        self.authentication.tokens.revocations.revoke(call.environ, credential_name(record.id), longest)
        self.records.store.delete(call.environ, (CONTAINER, record.id))
        return Answer(204)

    def _owner(self, call: Call, changes: bool = False) -> Known:
        """Whose credentials a request is about: the asker's."""
        asker = self.authentication.asker(call)
        user = self.directory.user(call.names[0])
        if user is None or user.identity != asker.user.identity:
            raise Refused(403, "Everybody can see and change only his own application credentials.")
        if changes and asker.claims.credential:
            record = self.records.get(call.environ, asker.claims.credential)
            if record is None or not record.unrestricted:
                raise Refused(403, "A restricted application credential cannot make or delete others.")
        return asker

    def _own(self, call: Call, owner: Known) -> CredentialRecord:
        record = self.records.get(call.environ, call.names[1])
        if record is None or record.user != owner.user.identity:
            raise Refused(404, NONE)
        return record

    def _shown(self, call: Call, record: CredentialRecord) -> dict[str, Any]:
        user = self.directory.user(record.user)
        roles: Sequence[str] = (self.directory.roles_of(user) if user else ()) if record.roles is None else record.roles
        return {
            "id": record.id,
            "name": record.name,
            "description": record.description,
            "project_id": project_id(record.project),
            "roles": [documents.role(name) for name in roles],
            "expires_at": documents.when(record.expires).removesuffix("Z") if record.expires else None,
            "unrestricted": record.unrestricted,
            "links": {"self": f"{call.v3}/users/{call.names[0]}/application_credentials/{record.id}"},
        }


def _is_role(name: str, wanted: Named) -> bool:
    return wanted.id == derive_id("role", name) if wanted.id else wanted.name == name
