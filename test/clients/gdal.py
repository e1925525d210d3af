"""GDAL: rasters and files under /vsiswift/, from its Python bindings and its tools."""

from __future__ import annotations

import os

from clients.harness.client import Apt, Client
from clients.harness.site import Site, same

CLIENT = Client(
    title="GDAL /vsiswift/",
    sources=(Apt("python3-gdal", "/usr/lib/python3/dist-packages/osgeo", ("gdal-bin",)),),
    auths=("v1", "v3", "token"),
    notes="It cannot rename: that is not written for /vsiswift/.",
    settings="""
```
export SWIFT_AUTH_V1_URL=http://127.0.0.1:8080/auth/v1.0 SWIFT_USER=test:tester SWIFT_KEY=testing
gdalinfo /vsiswift/container/raster.tif
```
For v3: `OS_IDENTITY_API_VERSION=3`, `OS_AUTH_URL=http://127.0.0.1:8080/v3`, `OS_USERNAME`, `OS_PASSWORD`, `OS_PROJECT_NAME`,
`OS_USER_DOMAIN_NAME`, `OS_PROJECT_DOMAIN_NAME`. With a token: `SWIFT_STORAGE_URL` and `SWIFT_AUTH_TOKEN`.
""",
)
SIDE = 300


def options(site: Site) -> dict[str, str]:
    """GDAL's options, of its configuration or environment."""
    if site.auth == "token":
        return {"SWIFT_STORAGE_URL": site.storage_url, "SWIFT_AUTH_TOKEN": site.eye.token}
    if site.auth == "v3":
        return site.environment
    return {
        "SWIFT_AUTH_V1_URL": site.auth_url,
        "SWIFT_USER": f"{site.account}:{site.user}",
        "SWIFT_KEY": site.key,
    }


def gdal(site: Site):
    """The module, told how to log in."""
    from osgeo import gdal

    gdal.UseExceptions()
    for name, value in options(site).items():
        gdal.SetConfigOption(name, value)
    gdal.VSICurlClearCache()
    return gdal


def write(gdal, path: str, content: bytes) -> None:
    """Write a file in GDAL's own file system."""
    file = gdal.VSIFOpenL(path, "wb")
    assert file, f"cannot open {path} for writing"
    same(gdal.VSIFWriteL(content, 1, len(content), file), len(content), "written")
    same(gdal.VSIFCloseL(file), 0, "closed")


@CLIENT.operation("write and read a file")
def file(site: Site) -> None:
    site.eye.put("files", "first", b"1")
    lib = gdal(site)
    content = os.urandom(300_000)
    write(lib, "/vsiswift/files/dir/one.bin", content)
    same(site.eye.get("files", "dir/one.bin"), content, "content")
    handle = lib.VSIFOpenL("/vsiswift/files/dir/one.bin", "rb")
    lib.VSIFSeekL(handle, 200_000, 0)
    same(bytes(lib.VSIFReadL(1, 50, handle)), content[200_000:200_050], "part")
    lib.VSIFCloseL(handle)


@CLIENT.operation("list and stat")
def listing(site: Site) -> None:
    lib = gdal(site)
    same(sorted(lib.ReadDirRecursive("/vsiswift/files")), ["dir/", "dir/one.bin", "first"], "names")
    same(lib.VSIStatL("/vsiswift/files/dir/one.bin").size, 300_000, "size")
    assert lib.VSIStatL("/vsiswift/files/none") is None
    assert "files" in lib.ReadDir("/vsiswift/")


@CLIENT.operation("raster with the tools")
def raster(site: Site) -> None:
    lines = "".join(" ".join(str(x + y) for x in range(SIDE)) + "\n" for y in range(SIDE))
    head = f"ncols {SIDE}\nnrows {SIDE}\nxllcorner 0\nyllcorner 0\ncellsize 1\n"
    site.file("raster.asc", (head + lines).encode())
    site.run("gdal_translate", "-q", "-ot", "Int16", "raster.asc", "raster.tif")
    site.eye.put("files", "raster.tif", (site.scratch / "raster.tif").read_bytes())
    here = site.run("gdalinfo", "-checksum", "raster.tif")
    there = site.run("gdalinfo", "-checksum", "/vsiswift/files/raster.tif", env=options(site))
    wanted = [line for line in here.splitlines() if "Checksum" in line]
    same([line for line in there.splitlines() if "Checksum" in line], wanted, "checksum")
    site.run("gdal_translate", "-q", "-of", "PNG", "raster.tif", "/vsiswift/files/raster.png", env=options(site))
    same(site.eye.get("files", "raster.png")[:4], b"\x89PNG", "PNG")


@CLIENT.operation("mkdir and delete")
def delete(site: Site) -> None:
    lib = gdal(site)
    same(lib.Mkdir("/vsiswift/made", 0o755), 0, "made")
    assert site.eye.is_there("made")
    same(lib.Unlink("/vsiswift/files/dir/one.bin"), 0, "deleted")
    same(site.eye.is_there("files", "dir/one.bin"), False, "it is there")
