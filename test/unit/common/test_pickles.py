"""Pickles: plain data pass, code does not; the byte vectors of formats.md 11."""

import base64
import os
import pickle

import pytest

from swiftlite.common import pickles

METADATA_VECTOR = base64.b64decode(
    "gAJ9cQAoY19jb2RlY3MKZW5jb2RlCnEBWAQAAABuYW1lcQJYBgAAAGxhdGluMXEDhnEEUnEFaAFYCQAAAC9hL2Mvw4PCqXEGaAOGcQdScQhoAVgP"
    "AAAAWC1PYmplY3QtTWV0YS1LcQloA4ZxClJxC2gBWAgAAADDg8KDw4LCqXEMaAOGcQ1ScQ51Lg=="
)
PENDING_VECTOR = base64.b64decode(
    "gAIoWAEAAABvcQBYEAAAADE0MDI0NjQ2NzcuMDQxODhxAUsBWAoAAAB0ZXh0L3BsYWlucQJYAQAAAGVxA0sASwBOTnRxBC4="
)


def test_metadata_vector():
    metadata = {b"name": "/a/c/é".encode(), b"X-Object-Meta-K": "Ã©".encode()}
    assert pickles.dumps(metadata, 2) == METADATA_VECTOR
    assert pickles.loads(METADATA_VECTOR, encoding="bytes") == metadata


def test_pending_vector():
    record = ("o", "1402464677.04188", 1, "text/plain", "e", 0, 0, None, None)
    assert pickles.dumps(record, 2) == PENDING_VECTOR
    assert pickles.loads(PENDING_VECTOR, encoding="utf8") == record


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Evil(), 2),
        pickle.dumps(os.getpid, 2),
        pickle.dumps(eval, 2),
        b"",
        b"not a pickle",
        METADATA_VECTOR[:-1],
        b"c_codecs\nlookup\n.",
        b"ccopyreg\n_reconstructor\n(cbuiltins\nbytes\ncbuiltins\nobject\nNtR.",
    ],
)
def test_what_is_not_plain_data_is_refused(data):
    with pytest.raises(pickle.UnpicklingError):
        pickles.loads(data)


def test_the_header_dictionary_of_openstack_swift_loads_as_a_dict():
    written = b"\x80\x02cswift.common.header_key_dict\nHeaderKeyDict\nq\x00)\x81q\x01X\x06\x00\x00\x00X-Sizeq\x02X\x01\x00\x00\x001q\x03s."
    assert pickles.loads(written) == {"X-Size": "1"}
