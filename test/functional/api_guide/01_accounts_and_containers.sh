# Sign in; list, make, describe and delete containers.
. "$GUIDE/lib.sh"

STORAGE_URL= TOKEN=none
request 401 GET "$AUTH_URL" -H "X-Auth-User: $AUTH_USER" -H "X-Auth-Key: wrong"
sign_in
request 200 GET "${STORAGE_URL%/v1/*}/info"
tells '"swift"'

request 201 PUT /guide-steven
request 202 PUT /guide-steven
request 201 PUT /guide-marktwain -H "X-Container-Meta-Book: TomSawyer"
request 200 GET "?prefix=guide-"
says $'guide-marktwain\nguide-steven\n'
request 200 GET "?prefix=guide-&format=json"
tells '"name": "guide-steven"'
request 200 GET "?prefix=guide-&format=xml"
tells '<name>guide-steven</name>'
request 200 GET "?prefix=guide-&limit=1"
says $'guide-marktwain\n'
request 200 GET "?prefix=guide-&marker=guide-marktwain"
says $'guide-steven\n'
request 204 GET "?prefix=guide-none"

request 204 POST "" -H "X-Account-Meta-Subject: Literature"
request 204 HEAD ""
has X-Account-Meta-Subject Literature
request 204 POST "" -H "X-Remove-Account-Meta-Subject: x"
request 204 HEAD ""
lacks X-Account-Meta-Subject

request 204 HEAD /guide-marktwain
has X-Container-Meta-Book TomSawyer
has X-Container-Object-Count 0
request 204 POST /guide-marktwain -H "X-Container-Meta-Author: MarkTwain" -H "X-Container-Meta-Book;"
request 204 HEAD /guide-marktwain
has X-Container-Meta-Author MarkTwain
lacks X-Container-Meta-Book
request 204 GET /guide-marktwain

request 204 POST /guide-steven -H "X-Container-Read: .r:*"
request 201 PUT /guide-steven/open -d hello
TOKEN=none request 200 GET /guide-steven/open
TOKEN=none request 401 PUT /guide-steven/open -d hello
request 409 DELETE /guide-steven
request 204 DELETE /guide-steven/open
request 204 DELETE /guide-steven
request 204 DELETE /guide-marktwain
request 404 DELETE /guide-marktwain
request 404 HEAD /guide-marktwain
