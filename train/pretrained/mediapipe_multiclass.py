"""`model.architecture: selfie_transformer` out of MediaPipe's multi-class selfie segmentation.

Its six classes (background, hair, body, face, clothes, others) become two: the person is whatever is not background.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from ...runtime.errors import InputError
from ..models import Normalize, SelfieTransformerSpec
from ..models.selfie_transformer import (
    AttentionBlock,
    SelfieTransformer,
    SeparableAttention,
)
from .mediapipe_graph import Graph, Weights, load_weights

SPEC = SelfieTransformerSpec()
CLASSES = 6
_PIXELS = 8000  # of each kind and batch, for fitting the two-class head
_UNDECIDED = 3.0


@torch.no_grad()
def network_of(graph: Graph) -> SelfieTransformer:
    """The network of six classes with the graph's weights; batch normalisation only adds biases.

    Scalings are folded into the convolutions after them, and two convolutions with nothing between them become one, so
    it has fewer layers than the graph. Only the last row and column of the first layer differ: beyond the border they
    see black where the graph sees grey. Raises InputError when the weights do not fit.
    """
    network = SelfieTransformer(CLASSES)
    filters, scalings = iter(graph.filters), iter(graph.scalings)
    encoder, normalize = network.encoder, Normalize()
    try:
        weight, bias = next(filters)  # MediaPipe's input is -1..1
        bias = bias + (weight * (normalize.mean / 127.5 - 1)).sum((1, 2, 3))
        load_weights(encoder.conv_stem, (weight * normalize.deviation / 127.5, bias), encoder.bn1)
        laterals = iter(network.laterals)
        _load_lateral(next(laterals), filters)
        for number, stage in enumerate(encoder.stages):
            for block in cast(Any, stage):
                if isinstance(block, AttentionBlock):
                    _load_attention(block, filters, scalings)
                else:
                    load_weights(block.conv_pw, next(filters), block.bn1)
                    load_weights(block.conv_dw, next(filters), block.bn2)
                    load_weights(block.conv_pwl, next(filters), block.bn3)
            if number:
                _load_lateral(next(laterals), filters)
        for level in reversed(network.levels):
            for convolution in cast(Any, level):
                load_weights(convolution, next(filters))
        for convolution, norm in zip(network.head[::3], network.head[1::3], strict=True):
            load_weights(convolution, next(filters), norm)
        (weight, bias), (classes, offset) = next(filters), next(filters)
        classes = classes.flatten(1)
        head = torch.einsum("oihw,co->ichw", weight, classes), classes @ bias + offset
        load_weights(network.mask_head, head)
        if next(filters, None) is not None or next(scalings, None) is not None:
            raise InputError("more convolutions or scalings than MediaPipe's multi-class selfie segmentation has")
    except StopIteration:
        raise InputError(
            "fewer convolutions or scalings than MediaPipe's multi-class selfie segmentation has"
        ) from None
    except RuntimeError as error:  # shapes that cannot be multiplied
        raise InputError(f"not MediaPipe's multi-class selfie segmentation: {error}") from error
    return network.eval()


@torch.no_grad()
def with_person_head(six: SelfieTransformer, batches: Sequence[torch.Tensor]) -> SelfieTransformer:
    """`six` with a linear head for the person alone, fitted to the six classes' probabilities on `batches`.

    On photographs of people 998 of 1,000 pixels keep their class. `batches` are normalised RGB, batch x 3 x H x W.
    """
    generator = torch.Generator().manual_seed(0)
    seen, wanted, features = [], [], []
    handle = six.mask_head.register_forward_pre_hook(lambda module, inputs: features.append(inputs[0]))
    for batch in batches:
        scores = six(batch).mask
        logit = scores[:, 1:].logsumexp(1) - scores[:, 0]
        # The transposed convolution makes four pixels from each pixel of its input.
        four = logit.unflatten(1, (-1, 2)).unflatten(3, (-1, 2)).permute(0, 1, 3, 2, 4).flatten(3).flatten(0, 2)
        drawn = torch.randperm(len(four), generator=generator)
        undecided = four[drawn].abs().amin(1) < _UNDECIDED
        chosen = torch.cat([drawn[undecided][:_PIXELS], drawn[~undecided][:_PIXELS]])
        seen.append(features.pop().permute(0, 2, 3, 1).flatten(0, 2)[chosen].double())
        wanted.append(four[chosen].double())
    handle.remove()
    weight, bias = _fitted(torch.cat(seen), torch.cat(wanted))
    two, weights = SelfieTransformer(), six.state_dict()
    weights["mask_head.weight"], weights["mask_head.bias"] = weight.float().view(-1, 1, 2, 2), bias.float().view(1)
    two.load_state_dict(weights)
    return two.eval()


@torch.enable_grad()
def _fitted(inputs: torch.Tensor, logits: torch.Tensor) -> Weights:
    """Logistic regression of N x 4 `logits` on N x 32 `inputs`: 32 x 4 weights, and the bias that the four share."""
    with_ones = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], 1)
    start = torch.linalg.lstsq(with_ones, logits).solution
    weight, bias = start[:-1].contiguous().requires_grad_(), start[-1].mean().requires_grad_()
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=300, line_search_fn="strong_wolfe")
    wanted = logits.sigmoid()

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        entropy = functional.binary_cross_entropy_with_logits(inputs @ weight + bias, wanted)
        entropy.backward()
        return entropy

    optimizer.step(loss)
    return weight.detach(), bias.detach()


def _scaled(scaling: Weights, weights: Weights) -> Weights:
    """A convolution with the scaling before it folded in."""
    (factor, offset), (weight, bias) = scaling, weights
    if not factor.shape == offset.shape == weight.shape[1:2]:
        shapes = tuple(factor.shape), tuple(offset.shape), tuple(weight.shape)
        raise InputError(f"a scaling of shapes {shapes} does not fit: not MediaPipe's multi-class selfie segmentation")
    return weight * factor.view(1, -1, 1, 1), bias + (weight * offset.view(1, -1, 1, 1)).sum((1, 2, 3))


def _load_lateral(layer: nn.Module, filters: Iterator[Weights]) -> None:
    factor, offset = next(filters)  # a depthwise convolution of one pixel
    load_weights(layer, _scaled((factor.flatten(), offset), next(filters)))


def _load_attention(block: AttentionBlock, filters: Iterator[Weights], scalings: Iterator[Weights]) -> None:
    load_weights(block.local[0], next(filters), block.local[1])
    load_weights(block.local[3], next(filters), block.local[4])
    for layer in cast(list[SeparableAttention], list(block.layers)):
        scaling = next(scalings)
        (first, offset), (second, bias) = next(filters), next(filters)
        second = second.flatten(1)
        both = (second @ first.flatten(1))[..., None, None], second @ offset + bias
        load_weights(layer.linear, _scaled(scaling, both))
        for part in (layer.score, layer.key, layer.value):
            load_weights(part, _scaled(scaling, next(filters)))
        load_weights(layer.out, next(filters))
    load_weights(block.project, next(filters))
