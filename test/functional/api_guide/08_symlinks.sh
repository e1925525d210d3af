# Objects that stand for others.
. "$GUIDE/lib.sh"
sign_in

request 201 PUT /guide-targets
request 201 PUT /guide-links
request 201 PUT /guide-targets/object -H "Content-Type: text/plain" -d target
etag=$(header Etag)
request 201 PUT /guide-links/dynamic -H "X-Symlink-Target: guide-targets/object" -H "Content-Length: 0"
request 200 GET /guide-links/dynamic
says target
has Content-Type text/plain
request 206 GET /guide-links/dynamic -H "Range: bytes=0-2"
says tar
request 200 HEAD "/guide-links/dynamic?symlink=get"
has X-Symlink-Target guide-targets/object
has Content-Length 0
request 201 PUT /guide-links/static -H "X-Symlink-Target: guide-targets/object" -H "X-Symlink-Target-Etag: $etag" \
    -H "Content-Length: 0"
request 409 PUT /guide-links/wrong -H "X-Symlink-Target: guide-targets/object" -H "X-Symlink-Target-Etag: $(md5 x)" \
    -H "Content-Length: 0"
request 200 GET /guide-links/static
says target
request 307 POST /guide-links/dynamic -H "X-Object-Meta-Mood: fine"
request 201 PUT /guide-targets/object -d changed
request 200 GET /guide-links/dynamic
says changed
request 409 GET /guide-links/static
request 201 COPY "/guide-links/dynamic?symlink=get" -H "Destination: guide-links/copy"
request 200 HEAD "/guide-links/copy?symlink=get"
has X-Symlink-Target guide-targets/object
request 204 DELETE /guide-targets/object
request 404 GET /guide-links/dynamic
for name in dynamic static copy; do request 204 DELETE /guide-links/$name; done
request 204 DELETE /guide-links
request 204 DELETE /guide-targets
