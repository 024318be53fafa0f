"""CoreML programs as the Neural Engine wants them, read from the saved file: no Mac is here."""

import numpy as np
import pytest
import torch

from portraitnet.export.coreml_export import export_coreml, input_sizes
from portraitnet.export.formats import PRECISIONS
from portraitnet.export.graph import DeployedGraph
from portraitnet.export.mil import _OPERATORS, MilBackend
from portraitnet.runtime.contract import Contract
from portraitnet.runtime.geometry import FILL
from portraitnet.train.predict import TorchBackend

from .conftest import part_of

FLOAT16, FLOAT32 = 10, 11  # of MIL's FeatureTypes


@pytest.fixture(scope="module")
def bundle(whole_bundle, tmp_path_factory):
    """CoreML at every precision, and the contract."""
    return part_of(whole_bundle, ("coreml",), PRECISIONS, tmp_path_factory.mktemp("coreml") / "toy")


def computing(program):
    return [o for o in program._block.operations if o.type != "const" and not o.type.startswith("constexpr_")]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_neural_engine_gets_float16_from_the_first_operator_to_the_output(bundle, precision):
    program = MilBackend(bundle[0] / f"toy-{precision}.mlpackage")
    operators = computing(program)
    assert {o.outputs[0].type.tensorType.dataType for o in operators} == {FLOAT16}
    # CoreML itself turns the camera's bytes into the input; one cast is all that is left of it.
    assert [o.type for o in operators].count("cast") == operators[0].type.count("cast") == 1
    (output,) = program.spec.description.output
    assert output.type.imageType.colorSpace == output.type.imageType.GRAYSCALE_FLOAT16


def test_float32_programs_compute_in_float32(bundle):
    for path in (bundle[0] / "toy-fp32.mlpackage", bundle[0] / "toy-w8a32.mlpackage"):
        kinds = {o.outputs[0].type.tensorType.dataType for o in computing(MilBackend(path))}
        assert kinds == {FLOAT32}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_one_file_runs_at_every_size_that_it_states(bundle, checkpoint, easy_picture, precision):
    program = MilBackend(bundle[0] / f"toy-{precision}.mlpackage")
    entry = next(a for a in bundle[1].artefacts if a.file == program.path.name)
    sizes = program.input_sizes()
    assert sizes[0] == checkpoint.size
    assert [f"{height}x{width}" for height, width in sizes] == entry.parity["input_sizes"]
    assert {(64, 96), (96, 64)} <= set(sizes)
    for size in sizes:
        batch = easy_picture(3, size)[0][None]
        expected = TorchBackend.of(checkpoint, size).run(batch)
        np.testing.assert_allclose(program.run(batch), expected, atol=1e-4 if precision == "fp32" else 0.05)


def test_sizes_are_of_cameras_shapes_with_about_as_many_pixels():
    square = Contract("toy", ("background", "person"), 224, 224)
    assert input_sizes(square) == [(224, 224), (192, 256), (160, 288), (256, 192), (288, 160)]
    stretched = Contract("toy", ("background", "person"), 144, 256, geometry=FILL)
    assert input_sizes(stretched) == [(144, 256)]


def test_a_network_with_its_size_inside_takes_that_size_alone(checkpoint, tmp_path):

    class Fixed(torch.nn.Module):
        def __init__(self, graph):
            super().__init__()
            self.scores = graph
            self.register_buffer("weight", torch.linspace(0, 1, 64 * 64).reshape(64, 64))

        def forward(self, rgb):
            return self.scores(rgb) * self.weight

    facts = export_coreml(
        Fixed(DeployedGraph(checkpoint.model)), TorchBackend.of(checkpoint).contract, tmp_path / "m.mlpackage", "fp16"
    )
    assert facts == {"input_sizes": ["64x64"]}


def test_smaller_weights_pass_the_gate_and_take_a_fraction_of_the_file(bundle):
    whole, half, int8, wide = bundle[1].artefacts
    for artefact, most in ((half, 0.6), (int8, 0.5), (wide, 0.5)):
        assert artefact.parity["failed"] == ""
        assert artefact.parity["mask_iou"] >= (0.999 if artefact is half else 0.99)
        assert artefact.bytes < most * whole.bytes
        program = MilBackend(bundle[0] / artefact.file)
        assert ("constexpr_affine_dequantize" in program.operators()) == (artefact in (int8, wide))


def test_silu_is_evaluated(tmp_path):
    """coremltools joins x * sigmoid(x) to one operator, as encoders of the EfficientNet family have it."""
    x = torch.linspace(-4, 4, 9)
    torch.testing.assert_close(_OPERATORS["silu"]({"x": x}), x * torch.sigmoid(x))
