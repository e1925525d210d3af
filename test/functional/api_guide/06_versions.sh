# Old versions in another container: as a stack, and as a history.
. "$GUIDE/lib.sh"
sign_in

request 201 PUT /guide-archive
request 201 PUT /guide-current -H "X-Versions-Location: guide-archive"
for content in first second third; do request 201 PUT /guide-current/object -d $content; done
request 200 GET "/guide-archive?prefix=006object/"
[ "$(wc -l <body)" = 2 ] || fail "two old versions"
request 200 GET "/guide-archive/$(head -1 body)"
says first
request 204 DELETE /guide-current/object
request 200 GET /guide-current/object
says second
request 204 DELETE /guide-current/object
request 204 DELETE /guide-current/object
request 404 GET /guide-current/object
request 204 GET /guide-archive

request 204 POST /guide-current -H "X-Remove-Versions-Location: x"
request 204 POST /guide-current -H "X-History-Location: guide-archive"
request 204 HEAD /guide-current
has X-History-Location guide-archive
for content in first second; do request 201 PUT /guide-current/object -d $content; done
request 204 DELETE /guide-current/object
request 404 GET /guide-current/object
request 200 GET "/guide-archive?prefix=006object/"
[ "$(wc -l <body)" = 3 ] || fail "two old versions and a delete marker"
for name in $(cat body); do request 204 DELETE /guide-archive/$name; done
request 204 DELETE /guide-current
request 204 DELETE /guide-archive
