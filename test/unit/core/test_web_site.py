"""Pages that list a directory: whatever users name, it is text in them, and links lead where they say."""

from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swiftlite.core.names import str_to_wsgi
from swiftlite.core.web_site import Page, WebSite, human_size, link_query, listing_page, no_listing_page

EVIL = [
    '"><script>alert(1)</script>',
    "javascript:alert(1)",
    "' onmouseover='x",
    "&lt;",
    "</title>",
    "a\nb",
    "//evil/x",
]
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30) | st.sampled_from(EVIL)
TAGS = {"html", "head", "title", "style", "link", "body", "h1", "table", "tr", "th", "td", "a", "p", "b", "code"}
ATTRIBUTES = {"id", "class", "href", "rel", "type"}


class Reader(HTMLParser):
    """Reads a page as a browser would; keeps its tags, its links with their texts, and all text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.links, self.title = set(), set(), [], ""
        self.css, self.text = None, ""
        self._open = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "link":
            self.css = dict(attrs)["href"]
            return
        self._open.append(tag)
        if tag == "a":
            self.links.append([dict(attrs)["href"], ""])

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1:] == ["a"]:
            self.links[-1][1] += data
        elif self._open[-1:] == ["title"]:
            self.title += data
        self.text += data


def as_object(name, content_type="text/plain"):
    return {"name": name, "bytes": 5, "content_type": content_type, "last_modified": "2026-01-02T03:04:05.678"}


def lines(text):
    """A parser may read \\r\\n as \\n."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@given(st.lists(NAMES, max_size=5), NAMES, NAMES, NAMES, st.sampled_from(["", "dir/"]), st.booleans())
@example([".", "..", "...", "./a", "../../x"], "x", "y/z", "l", "", False)
def test_names_are_text_and_links_lead_to_them(names, content_type, css, label, prefix, is_directory):
    site = WebSite(listings="true", listings_css=css.strip(), listings_label=label)
    entries = [
        {"subdir": prefix + name + "/"} if is_directory else as_object(prefix + name, content_type) for name in names
    ]
    page = Reader(listing_page(site, Page(f"/v1/AUTH_a/c/{prefix}", prefix), entries))
    assert page.tags <= TAGS and page.attributes <= ATTRIBUTES
    links = page.links[1:] if prefix else page.links
    shown = [name + "/" * is_directory for name in names]
    assert [lines(text) for _, text in links] == [lines(name) for name in shown]
    for (href, _), name in zip(links, shown):
        assert href.startswith("./")
        assert not urlsplit(href).scheme and not urlsplit(href).netloc and not urlsplit(href).query
        assert unquote(href.removeprefix("./")) == name
        assert urljoin("http://h/v1/AUTH_a/c/", href).startswith("http://h/v1/AUTH_a/c/")


@given(NAMES, NAMES, NAMES, st.sampled_from(["", "dir/"]))
def test_the_page_without_a_listing_is_harmless_too(index, css, label, prefix):
    site = WebSite(index=index, listings_css=css.strip(), listings_label=label)
    page = Reader(no_listing_page(site, Page("/v1/a/c/" + prefix, prefix)))
    assert page.tags <= TAGS and page.attributes <= ATTRIBUTES and not page.links
    assert lines(index) in lines(page.text)
    assert page.title.startswith("Listing of ")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_style_sheet_is_of_no_other_scheme(css):
    href = WebSite(listings_css=css.strip()).css_href("a/b/")
    assert urlsplit(href).scheme in ("", "http", "https")
    assert not set("\"'<> \n\\") & set(href)


@pytest.mark.parametrize(
    ("css", "prefix", "href"),
    [
        ("a.css", "", "a.css"),
        ("a b/c.css", "x/y/", "../../a%20b/c.css"),
        ("/v1/a/c/x.css", "x/", "/v1/a/c/x.css"),
        ("https://h/x y.css", "x/", "https://h/x%20y.css"),
        ("javascript:alert(1)", "", "javascript%3Aalert%281%29"),
        ("ftp://h/x", "a/", "../ftp%3A//h/x"),
    ],
)
def test_where_the_style_sheet_is(css, prefix, href):
    assert WebSite(listings_css=css).css_href(prefix) == href


def test_entries_in_order_with_sizes_and_dates():
    entries = [as_object("d/b"), {"subdir": "d/s/"}, as_object("d/c", "Image/PNG")]
    html = listing_page(WebSite(), Page("/v1/a/c/d/", "d/"), entries)
    assert [text for _, text in Reader(html).links] == ["../", "s/", "b", "c"]
    assert 'class="item type-image type-png"' in html and "2026-01-02 03:04:05<" in html


def test_links_repeat_a_temporary_url_and_end_at_its_prefix():
    query = link_query([("temp_url_prefix", "d/&"), ("temp_url_sig", "s"), ("inline", None)])
    assert query == "?temp_url_prefix=d/%26&amp;temp_url_sig=s&amp;inline"
    entries = [{"subdir": "d/s/"}, as_object("d/o")]
    top = Reader(listing_page(WebSite(), Page("/v1/a/c/d/", "d/", query, "d/"), entries))
    assert [href for href, _ in top.links] == [
        "./s/?temp_url_prefix=d/%26&temp_url_sig=s&inline",
        "./o?temp_url_prefix=d/%26&temp_url_sig=s&inline",
    ]
    below = Reader(listing_page(WebSite(), Page("/v1/a/c/d/s/", "d/s/", query, "d/"), []))
    assert [href for href, _ in below.links] == ["../?temp_url_prefix=d/%26&temp_url_sig=s&inline"]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0"), (1023, "1023"), (1024, "1Ki"), (1536, "2Ki"), (2560, "2Ki"), (1048575, "1Mi"), (1 << 80, "1Yi"), (1 << 95, "32768Yi")],
)  # fmt: skip
def test_sizes(size, text):
    assert human_size(size) == text


def test_metadata_is_read():
    metadata = {"web-index": " i ", "web-listings-css": str_to_wsgi("é.css"), "web-directory-type": "t/d", "other": "x"}
    site = WebSite.from_metadata(metadata)
    assert site == WebSite(index="i", listings_css="é.css", directory_type="t/d")
    assert site.is_shown and not WebSite(error="e").is_shown
    assert site.index_of("/v1/a/c") == site.index_of("/v1/a/c/") == "/v1/a/c/i"
    assert site.is_directory("t/d", 1) and not site.is_directory("t/d", 2)
    assert WebSite().is_directory("application/directory", 0) and not site.is_directory("application/directory", 0)
