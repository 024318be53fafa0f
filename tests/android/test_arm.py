"""The shipped model on an emulated phone's processor."""

import numpy as np
import pytest

from portraitnet.benchmarks.arm import CORES, ArmLinux, raw_input, raw_output
from portraitnet.runtime.backends import default_weights
from portraitnet.runtime.errors import InputError

from .conftest import CACHE, missing


@pytest.fixture(scope="module")
def linux():
    try:
        return ArmLinux(CACHE / "arm64")
    except InputError as error:
        missing(str(error))


@pytest.mark.parametrize("core", CORES)
def test_an_arm_processor_gives_this_computers_bytes(linux, core):
    given = raw_input(default_weights())
    output, instructions = linux.run(default_weights(), given, core)
    np.testing.assert_array_equal(output, raw_output(default_weights(), given))
    assert output.std() > 0
    assert instructions > 1e8  # Python and one inference


def test_a_file_that_is_no_model_is_refused_in_one_line(linux, tmp_path):
    (tmp_path / "broken.tflite").write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"broken\.tflite did not run on an emulated cortex-a53"):
        linux.run(tmp_path / "broken.tflite", raw_input(default_weights()), "cortex-a53")


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"make arm64|qemu-user"):
        ArmLinux(tmp_path)
