"""Run one of the peer's programs with every setting of swift.conf taken from a directory of our choice.

Usage, in the peer's interpreter: ``peer_launcher.py SWIFT_DIR (PROGRAM | -c CODE) [ARGUMENT...]``. OpenStack Swift reads
constraints and policies from /etc/swift whatever ``swift_dir`` says (formats.md 1.1), so they are read again here,
before the program forks its workers.
"""

import sys
import warnings

warnings.simplefilter("ignore")

from swift.common import constraints, storage_policy, utils  # noqa: E402 - the filter comes first

directory, program = sys.argv[1:3]
utils.set_swift_dir(directory)
constraints.reload_constraints()
storage_policy.reload_storage_policies()
if program == "-c":
    source, program, sys.argv = sys.argv[3], "<snippet>", ["-c", *sys.argv[4:]]
else:
    sys.argv = sys.argv[2:]
    with open(program) as file:
        source = file.read()
exec(compile(source, program, "exec"), {"__name__": "__main__", "__file__": program})
