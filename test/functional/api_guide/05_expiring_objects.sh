# Objects that go by themselves.
. "$GUIDE/lib.sh"
sign_in

request 201 PUT /guide-expiring
request 400 PUT /guide-expiring/late -H "X-Delete-At: 12345" -d x
request 400 PUT /guide-expiring/late -H "X-Delete-At: soon" -d x
request 400 PUT /guide-expiring/late -H "X-Delete-After: soon" -d x
when=$(($(date +%s) + 1000))
request 201 PUT /guide-expiring/at -H "X-Delete-At: $when" -d x
request 200 HEAD /guide-expiring/at
has X-Delete-At $when
request 202 POST /guide-expiring/at -H "X-Object-Meta-Keep: forever"
request 200 HEAD /guide-expiring/at
lacks X-Delete-At
lives() {
    request 201 PUT /guide-expiring/after -H "X-Delete-After: $1" -d x
    request 200 GET /guide-expiring/after
}
# On a machine that stands still it may be gone before anybody reads it.
(lives 2) || (lives 15) || lives 50
gone() { request 404 GET /guide-expiring/after; }
eventually gone
request 404 HEAD /guide-expiring/after
request 404 POST /guide-expiring/after -H "X-Delete-After: 100"
request 201 PUT /guide-expiring/after -H "If-None-Match: *" -d again
request 204 DELETE /guide-expiring/after
request 204 DELETE /guide-expiring/at
request 204 DELETE /guide-expiring
