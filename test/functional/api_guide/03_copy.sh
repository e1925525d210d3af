# Copy on the server, both ways to say it.
. "$GUIDE/lib.sh"
sign_in

request 201 PUT /guide-from
request 201 PUT /guide-to
request 201 PUT /guide-from/goodbye -H "Content-Type: text/plain" -H "X-Object-Meta-Mood: sad" -d "Goodbye"
request 201 PUT /guide-to/verb -H "X-Copy-From: /guide-from/goodbye" -H "Content-Length: 0"
has X-Copied-From guide-from/goodbye
has Etag "$(md5 Goodbye)"
request 201 COPY /guide-from/goodbye -H "Destination: guide-to/header" -H "X-Object-Meta-Place: here"
for name in verb header; do
    request 200 GET /guide-to/$name
    says Goodbye
    has Content-Type text/plain
    has X-Object-Meta-Mood sad
done
has X-Object-Meta-Place here
request 201 COPY /guide-from/goodbye -H "Destination: guide-to/fresh" -H "X-Fresh-Metadata: true"
request 200 HEAD /guide-to/fresh
lacks X-Object-Meta-Mood
request 201 PUT /guide-to/part -H "X-Copy-From: guide-from/goodbye" -H "Range: bytes=4-6" -H "Content-Length: 0"
request 200 GET /guide-to/part
says bye
request 201 COPY /guide-from/goodbye -H "Destination: guide-from/goodbye" -H "X-Object-Meta-Mood: better"
request 200 HEAD /guide-from/goodbye
has X-Object-Meta-Mood better
request 404 COPY /guide-from/missing -H "Destination: guide-to/missing"
request 412 COPY /guide-from/goodbye
request 404 COPY /guide-from/goodbye -H "Destination: guide-nowhere/goodbye"
for name in verb header fresh part; do request 204 DELETE /guide-to/$name; done
request 204 DELETE /guide-from/goodbye
request 204 DELETE /guide-from
request 204 DELETE /guide-to
