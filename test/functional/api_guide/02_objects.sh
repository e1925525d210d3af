# Store, describe, read in part and under conditions, and delete objects.
. "$GUIDE/lib.sh"
sign_in

request 201 PUT /guide-objects
request 404 PUT /guide-missing/hello -d hello
request 201 PUT /guide-objects/hello -H "Content-Type: text/plain" -H "X-Object-Meta-Language: English" \
    -H "Content-Disposition: attachment; filename=greeting" -d "Hello World Again!"
has Etag "$(md5 'Hello World Again!')"
request 422 PUT /guide-objects/hello -H "ETag: $(md5 other)" -d "Hello"
request 201 PUT /guide-objects/hello2 -H "ETag: $(md5 Hello)" -d "Hello"
request 201 PUT /guide-objects/chunked -H "Transfer-Encoding: chunked" -d "sent in chunks"
request 411 PUT /guide-objects/lengthless -H "Content-Length:"
request 412 PUT /guide-objects/hello -H "If-None-Match: *" -d "Hello"

request 200 GET /guide-objects/hello
says "Hello World Again!"
has Content-Type text/plain
has Content-Disposition "attachment; filename=greeting"
has X-Object-Meta-Language English
has Accept-Ranges bytes
etag=$(header Etag) modified=$(header Last-Modified)
request 200 HEAD /guide-objects/hello
has Content-Length 18

request 206 GET /guide-objects/hello -H "Range: bytes=0-4"
says Hello
has Content-Range "bytes 0-4/18"
request 206 GET /guide-objects/hello -H "Range: bytes=-6"
says Again!
request 206 GET /guide-objects/hello -H "Range: bytes=12-"
says Again!
request 206 GET /guide-objects/hello -H "Range: bytes=0-4,12-16"
tells "Content-Range: bytes 12-16/18"
request 416 GET /guide-objects/hello -H "Range: bytes=18-20"

request 304 GET /guide-objects/hello -H "If-None-Match: $etag"
request 200 GET /guide-objects/hello -H "If-None-Match: $(md5 other)"
request 200 GET /guide-objects/hello -H "If-Match: \"$etag\""
request 412 GET /guide-objects/hello -H "If-Match: $(md5 other)"
request 304 GET /guide-objects/hello -H "If-Modified-Since: $modified"
request 200 GET /guide-objects/hello -H "If-Modified-Since: Thu, 01 Jan 2009 00:00:00 GMT"
request 412 GET /guide-objects/hello -H "If-Unmodified-Since: Thu, 01 Jan 2009 00:00:00 GMT"

request 202 POST /guide-objects/hello -H "X-Object-Meta-Mood: fine"
request 200 HEAD /guide-objects/hello
has X-Object-Meta-Mood fine
has Content-Type text/plain
lacks X-Object-Meta-Language
lacks Content-Disposition
request 404 POST /guide-objects/missing -H "X-Object-Meta-Mood: fine"

request 201 PUT /guide-objects/photos/animals/cat -d cat
request 200 GET "/guide-objects?delimiter=/&prefix=photos/"
says $'photos/animals/\n'
request 200 GET "/guide-objects?format=json&limit=1"
tells '"name": "chunked"'
request 200 GET "/guide-objects?reverse=on&limit=1"
says $'photos/animals/cat\n'

for name in hello hello2 chunked photos/animals/cat; do request 204 DELETE /guide-objects/$name; done
request 404 GET /guide-objects/hello
request 404 DELETE /guide-objects/hello
request 204 DELETE /guide-objects
