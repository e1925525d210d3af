"""A release as pip would install it into a virtualenv of its own, without the time that pip takes."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from swiftlite.cli.programs import NAMES

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
BASE_PYTHON = f"{sys.base_prefix}/bin/{PYTHON}"
"""What virtualenvs of the Python that runs the tests are made of."""
LIBRARIES = sysconfig.get_path("purelib")
_PROGRAM = """\
#!{python}
import sys
from swiftlite.cli.programs import main
if __name__ == '__main__':
    sys.exit(main())
"""


def install(home: Path, place: str, tree: str, python: str = BASE_PYTHON, libraries: str = LIBRARIES) -> None:
    """Make a virtualenv, and in it each program, which begins with the path of that virtualenv's interpreter.

    All but `home` is named as the programs will see it.

    :param home: the directory to be made
    :param place: what it will be called
    :param tree: where our package is
    :param python: the interpreter that its own is a link to
    :param libraries: the packages that we need
    """
    packages = home / "lib" / PYTHON / "site-packages"
    packages.mkdir(parents=True)
    # Not the packages' own .pth: one of them may lead to another checkout.
    (packages / "swiftlite.pth").write_text(f"{tree}\n{libraries}\n")
    (home / "pyvenv.cfg").write_text(f"home = {os.path.dirname(python)}\ninclude-system-site-packages = false\n")
    (home / "bin").mkdir()
    (home / "bin" / "python").symlink_to(python)
    for name in NAMES:
        program = home / "bin" / f"swiftlite-{name}"
        program.write_text(_PROGRAM.format(python=f"{place}/bin/python"))
        program.chmod(0o755)
