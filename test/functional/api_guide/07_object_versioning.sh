# Versions with ids, in the container itself.
. "$GUIDE/lib.sh"
sign_in

request 201 PUT /guide-versions
request 201 PUT /guide-versions/object -d before
request 204 POST /guide-versions -H "X-Versions-Enabled: true"
request 204 HEAD /guide-versions
has X-Versions-Enabled True
request 201 PUT /guide-versions/object -d first
first=$(header X-Object-Version-Id)
request 201 PUT /guide-versions/object -d second
second=$(header X-Object-Version-Id)
request 200 GET /guide-versions/object
says second
has X-Object-Version-Id "$second"
request 200 GET "/guide-versions/object?version-id=$first"
says first
request 200 GET "/guide-versions?versions&format=json"
tells "\"version_id\": \"$first\""
[ "$(grep -o '"version_id"' body | wc -l)" = 3 ] || fail "three versions, with the one from before"
request 204 DELETE /guide-versions/object
marker=$(header X-Object-Version-Id)
request 404 GET /guide-versions/object
request 200 GET "/guide-versions/object?version-id=$second"
request 201 PUT "/guide-versions/object?version-id=$first" -H "Content-Length: 0"
request 200 GET /guide-versions/object
says first
request 409 DELETE /guide-versions
request 200 GET "/guide-versions?versions&format=json"
for version in $(grep -o '"version_id": "[0-9.]*"' body | cut -d'"' -f4); do
    request 204 DELETE "/guide-versions/object?version-id=$version"
done
request 404 GET "/guide-versions/object?version-id=$marker"
request 204 POST /guide-versions -H "X-Versions-Enabled: false"
request 404 DELETE /guide-versions/object
request 204 DELETE /guide-versions
