"""Packaging: what swiftlite installs, what it needs, and the names that Paste configurations call it by."""

import re
import runpy
import tempfile
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "swiftlite/__init__.py").read_text(encoding="utf-8")).group(1)

PYTHONS = ["3 :: Only", "3.10", "3.11", "3.12", "3.13"]
"""Those that the tests were run on; tox.ini has the same."""

DEPENDENCIES = [
    "eventlet>=0.36",  # green threads: one process serves a thousand slow clients
    "greenlet>=3.0",  # what eventlet switches on; named for its wheels on new Pythons
    "webob>=1.8.9",  # from which on it brings Python 3.13 the module cgi; request and response objects that operators' own Paste filters expect
    "pastedeploy>=3.0",  # the conf files of OpenStack Swift are Paste pipelines
    "xattr>=1.0",  # object metadata lies in extended attributes
    "httptools>=0.6",  # HTTP heads parsed in C: most of the speed of small requests
    "numpy>=1.24",  # placement: millions of replicas at once; only the ring builder loads it, no server
    "prometheus_client>=0.20",  # what /metrics says, in every format that Prometheus asks for; pure Python, needs nothing
    "xxhash>=3.0",  # a body's second checksum, eighty times faster than MD5: what a GET verifies
]

EXTRAS = {
    # Several proxies share tokens and account data through memcached; one proxy needs none.
    "memcache": ["pymemcache>=4.0"],
    # Or through tokens sealed under a common key (tempauth's fernet_key_…); 8 MB a process, so only for those who do.
    "fernet": ["cryptography>=40"],
    # Names of customers' own hosts are looked up by the filter cname_lookup; eventlet brings it, too, but may not always.
    "cname": ["dnspython>=2.3"],
    # The conf file need not hold users' passwords, but hashes of them: a maintained argon2, only for those who have hashes.
    "passwords": ["argon2-cffi>=21.2"],
    # The proxy's filter authtoken validates tokens of Keystone through the first; dispersion tools get one through the
    # others. Who has tempauth or identity needs none of them.
    "keystone": ["keystonemiddleware>=10", "python-swiftclient>=4.6", "python-keystoneclient>=5"],
    # The filter tracing sends spans to a collector of OpenTelemetry: the project's own library, only for those who have one.
    "tracing": ["opentelemetry-sdk>=1.20", "opentelemetry-exporter-otlp-proto-http>=1.20"],
    "test": [
        "pymemcache>=4.0",
        "cryptography>=40",
        "argon2-cffi>=21.2",
        "dnspython>=2.3",
        "keystonemiddleware>=10",
        "opentelemetry-sdk>=1.20",
        "opentelemetry-exporter-otlp-proto-http>=1.20",
        "pytest>=8",
        "pytest-timeout>=2.3",  # a hung daemon must fail its test, not the whole run
        "pytest-xdist>=3.5",  # both cores
        "hypothesis>=6.100",  # laws of the pure rules
        "pyte>=0.8",  # the terminal in which swiftlite-top is watched
        "trustme>=1.1",  # certificates that last as long as a test wants
        "python-swiftclient>=4.6",  # the client that users have
        "trustme>=1.1",  # certificates for tests of TLS
        "python-keystoneclient>=5",  # by which it logs in through version 3
        "playwright>=1.49",  # drives Debian's Chromium through the console; it never downloads a browser of its own
        "axe-playwright-python>=0.1.4",  # the rules of accessibility that its pages are held to
    ],
    "lint": ["ruff>=0.9", "mypy>=1.13", "import-linter>=2.1"],
}

# Samples of confs, and files for systemd, rsyslog, logrotate and rsync: below share/swiftlite, for operators to take.
ETC = [HERE / "etc", *sorted(path for path in (HERE / "etc").iterdir() if path.is_dir())]
DATA_FILES = [
    (
        f"share/swiftlite/{directory.relative_to(HERE)}",
        sorted(str(path.relative_to(HERE)) for path in directory.iterdir() if path.is_file()),
    )
    for directory in ETC
]

# Nothing of an earlier build may get into this one: a module that is no more, a program that names another's Python.
BUILD = tempfile.TemporaryDirectory(prefix="swiftlite-build-")  # is gone when setup.py ends

# pip makes these itself, for the virtualenv at hand; those in bin/ are for who runs a checkout.
PROGRAMS = runpy.run_path(str(HERE / "swiftlite/cli/programs.py"))["NAMES"]

SERVERS = {"proxy": "proxy", "object": "obj", "container": "container", "account": "account"}
FILTERS = [
    "account_quotas",
    "authtoken",
    "backend_ratelimit",
    "bulk",
    "catch_errors",
    "cname_lookup",
    "console",
    "container_quotas",
    "container_sync",
    "copy",
    "crossdomain",
    "dlo",
    "domain_remap",
    "etag_quoter",
    "formpost",
    "gatekeeper",
    "healthcheck",
    "identity",
    "keystoneauth",
    "list_endpoints",
    "listing_formats",
    "listing_metadata",
    "memcache",
    "metrics",
    "name_check",
    "proxy_logging",
    "ratelimit",
    "read_only",
    "recon",
    "slo",
    "staticweb",
    "symlink",
    "tempauth",
    "tempurl",
    "tracing",
    "versioned_writes",
]

CONSOLE = HERE / "swiftlite/middleware/console"
CONSOLE_FILES = sorted(str(path.relative_to(CONSOLE)) for path in CONSOLE.glob("static/**/*") if path.is_file())

setup(
    name="swiftlite",
    version=VERSION,
    description="An object store that speaks the OpenStack Swift API",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    classifiers=[
        "Environment :: No Input/Output (Daemon)",
        "Operating System :: POSIX :: Linux",
        *(f"Programming Language :: Python :: {version}" for version in PYTHONS),
        "Topic :: System :: Distributed Computing",
    ],
    packages=find_packages(include=["swiftlite", "swiftlite.*"]),
    package_data={"swiftlite.middleware.console": CONSOLE_FILES},
    options={"build": {"build_base": BUILD.name}},
    data_files=DATA_FILES,
    install_requires=DEPENDENCIES,
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": [f"swiftlite-{name} = swiftlite.cli.programs:main" for name in PROGRAMS],
        "paste.app_factory": [f"{name} = swiftlite.{package}.server:app_factory" for name, package in SERVERS.items()],
        # pytest finds the fixtures swiftlite_store and swiftlite_shared_store by itself.
        "pytest11": ["swiftlite = swiftlite.testing.plugin"],
        "paste.filter_factory": [f"{name} = swiftlite.middleware.{name}:filter_factory" for name in FILTERS],
    },
)
