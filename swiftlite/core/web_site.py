"""A container as a web site: what its metadata says, and the pages that list it; every name in them is escaped
(formats.md 7.20)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from html import escape
from typing import Any, NamedTuple
from urllib.parse import quote

from swiftlite.core.names import str_to_wsgi, wsgi_to_str

DIRECTORY_TYPE = "application/directory"
UNITS = "KMGTPEZY"
_STYLE = """  <style>
   body {font-family: sans-serif;}
   h1 {font-size: 1.1em;}
   th {text-align: left;}
   th, td {padding: 0 1em;}
   a {text-decoration: none;}
  </style>"""
_BLANK_CELLS = '    <td class="colsize">&nbsp;</td>\n    <td class="coldate">&nbsp;</td>\n'

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class WebSite:
    """What a container's metadata says of its pages, in native text; empty: nothing.

    :ivar index: name of the object that is shown for a directory
    :ivar error: what follows the status in the name of the object that is shown for an error
    :ivar listings: whether directories without an index are listed
    :ivar listings_label: what a listing's title says instead of the container's path
    :ivar listings_css: style sheet of listings: a URL, or a name in the container
    :ivar directory_type: media type of objects that stand for a directory
    """

    index: str = ""
    error: str = ""
    listings: str = ""
    listings_label: str = ""
    listings_css: str = ""
    directory_type: str = ""

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> WebSite:
        """Read a container's user metadata.

        :param metadata: by lower-case name without prefix, values WSGI strings
        """
        names = [field.name for field in fields(cls)]
        return cls(*(wsgi_to_str(metadata.get("web-" + name.replace("_", "-"), "")).strip() for name in names))

    @property
    def is_shown(self) -> bool:
        """Whether directories lead to pages at all."""
        return bool(self.index or self.listings)

    def index_of(self, directory: str) -> str:
        """The path of a directory's index.

        :param directory: a path, WSGI string
        """
        return directory + ("" if directory.endswith("/") else "/") + str_to_wsgi(self.index)

    def is_directory(self, content_type: str | None, length: int) -> bool:
        """Whether an object only stands for a directory."""
        return length <= 1 and content_type == (str_to_wsgi(self.directory_type) or DIRECTORY_TYPE)

    def css_href(self, prefix: str) -> str:
        """The style sheet as a listing links to it.

        :param prefix: what all names of the listing begin with
        """
        css = self.listings_css
        if css.startswith(("/", "http://", "https://")):
            return _quote(css, ":/")
        return "../" * prefix.count("/") + _quote(css)

    def title(self, path: str) -> str:
        """The title of a listing; plain text, not HTML.

        :param path: of the request: ``/v1/account/container/prefix``
        """
        if self.listings_label:
            path = f"{self.listings_label}/{'/'.join(path.split('/')[4:])}"
        return f"Listing of {path}"


class Page(NamedTuple):
    """A listing to be shown, all in native text.

    :ivar path: of the request
    :ivar prefix: what all names begin with: empty, or with a slash at its end
    :ivar query: what every link must carry to be let in, as :func:`link_query` gives it
    :ivar top: the prefix above which the reader may not go
    """

    path: str
    prefix: str = ""
    query: str = ""
    top: str = ""


def link_query(parameters: Sequence[tuple[str, str | None]]) -> str:
    """A query for links of a page: HTML; nothing where there are no parameters.

    :param parameters: those without a value are flags
    """
    parts = [name if value is None else f"{name}={_quote(value)}" for name, value in parameters]
    return "?" + "&amp;".join(parts) if parts else ""


def listing_page(site: WebSite, page: Page, entries: Sequence[Entry]) -> str:
    """The HTML page that lists a directory: subdirectories, then objects.

    Its classes and ids are those that style sheets for OpenStack Swift's listings know.

    :param entries: of a JSON listing with ``delimiter=/``
    """
    title = escape(site.title(page.path))
    return "\n".join(
        (
            _head(site, page, title),
            f'  <h1 id="title">{title}</h1>',
            '  <table id="listing">',
            '   <tr id="heading">',
            '    <th class="colname">Name</th>',
            '    <th class="colsize">Size</th>',
            '    <th class="coldate">Date</th>',
            "   </tr>",
            *_rows(page, entries),
            "  </table>",
            " </body>",
            "</html>",
            "",
        )
    )


def no_listing_page(site: WebSite, page: Page) -> str:
    """The HTML page that says that a directory is not listed."""
    lines = ["  <h1>Web Listing Disabled</h1>", "  <p>Directories of this site are not listed.</p>"]
    if site.index:
        lines.append(f"  <p>The index <b>{escape(site.index)}</b> was not found here.</p>")
    lines.append("  <p>Its owner can turn listings on with <code>X-Container-Meta-Web-Listings: true</code>.</p>")
    return "\n".join((_head(site, page, escape(site.title(page.path))), *lines, " </body>", "</html>", ""))


def human_size(size: int) -> str:
    """A number of bytes as a reader wants it: ``999``, ``2Ki``; rounded at every step, as OpenStack Swift does."""
    unit = ""
    for next_unit in UNITS:
        if size < 1024:
            break
        size, unit = round(size / 1024), next_unit + "i"
    return f"{size}{unit}"


def _head(site: WebSite, page: Page, title: str) -> str:
    style = _STYLE
    if site.listings_css:
        style = f'  <link rel="stylesheet" type="text/css" href="{site.css_href(page.prefix)}" />'
    return f"<!DOCTYPE html>\n<html>\n <head>\n  <title>{title}</title>\n{style}\n </head>\n <body>"


def _rows(page: Page, entries: Iterable[Entry]) -> Iterator[str]:
    if len(page.prefix) > len(page.top):
        yield _row('id="parent" class="item"', f"../{page.query}", "../", _BLANK_CELLS)
    objects = []
    for entry in entries:
        if "subdir" in entry:
            yield _row('class="item subdir"', *_link(page, entry["subdir"]), _BLANK_CELLS)
        else:
            objects.append(entry)
    for entry in objects:
        types = " ".join("type-" + escape(part.lower()) for part in entry["content_type"].split("/"))
        date = escape(entry["last_modified"].partition(".")[0].replace("T", " "))
        cells = f'    <td class="colsize">{human_size(entry["bytes"])}</td>\n    <td class="coldate">{date}</td>\n'
        yield _row(f'class="item {types}"', *_link(page, entry["name"]), cells)


def _link(page: Page, name: str) -> tuple[str, str]:
    """Where a name leads, and how it is shown; the ``./`` keeps a colon in it from being a scheme's."""
    name = name[len(page.prefix) :]
    # A dot is quoted too: "." and ".." would lead elsewhere.
    return "./" + _quote(name).replace(".", "%2E") + page.query, escape(name)


def _row(attributes: str, href: str, text: str, cells: str) -> str:
    return f'   <tr {attributes}>\n    <td class="colname"><a href="{href}">{text}</a></td>\n{cells}   </tr>'


def _quote(text: str, safe: str = "/") -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe=safe)
