# Dynamic and static large objects.
. "$GUIDE/lib.sh"
sign_in

request 201 PUT /guide-large
request 201 PUT /guide-segments
for number in 1 2 3; do request 201 PUT /guide-segments/big/$number -d "segment $number;"; done

request 201 PUT /guide-large/dynamic -H "X-Object-Manifest: guide-segments/big/" -H "Content-Length: 0"
request 200 GET /guide-large/dynamic
says "segment 1;segment 2;segment 3;"
has X-Object-Manifest guide-segments/big/
has Content-Length 30
request 206 GET /guide-large/dynamic -H "Range: bytes=8-12"
says "1;seg"
request 201 PUT /guide-segments/big/4 -d "segment 4;"
request 200 HEAD /guide-large/dynamic
has Content-Length 40
request 204 DELETE /guide-large/dynamic
request 200 HEAD /guide-segments/big/4

cat >manifest <<END
[{"path": "guide-segments/big/1", "etag": "$(md5 'segment 1;')", "size_bytes": 10},
 {"path": "guide-segments/big/2", "etag": "$(md5 'segment 2;')", "size_bytes": 10, "range": "0-7"},
 {"path": "guide-segments/big/3"}]
END
request 201 PUT "/guide-large/static?multipart-manifest=put" --data-binary @manifest
request 200 GET /guide-large/static
says "segment 1;segment segment 3;"
has X-Static-Large-Object True
has Content-Length 28
request 206 GET /guide-large/static -H "Range: bytes=-12"
says "t segment 3;"
request 206 GET /guide-large/static -H "Range: bytes=0-1,26-27"
request 200 GET "/guide-large/static?multipart-manifest=get"
tells "$(md5 'segment 1;')"
sed "s/$(md5 'segment 1;')/$(md5 other)/" manifest >wrong
request 400 PUT "/guide-large/wrong?multipart-manifest=put" --data-binary @wrong
tells "Etag Mismatch"
request 400 PUT "/guide-large/wrong?multipart-manifest=put" -d "no json"
request 404 GET /guide-large/wrong
request 201 COPY /guide-large/static -H "Destination: guide-large/whole"
request 200 GET /guide-large/whole
says "segment 1;segment segment 3;"
lacks X-Static-Large-Object
request 200 DELETE "/guide-large/static?multipart-manifest=delete"
tells "Number Deleted: 4"
request 404 GET /guide-segments/big/1

request 204 DELETE /guide-large/whole
request 204 DELETE /guide-segments/big/4
request 204 DELETE /guide-large
request 204 DELETE /guide-segments
