"""Attention: every step of a sequence looks at the others, and takes from those that fit it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np import initializers
from minitorch_np._internal.arrays import as_floats, float_dtype
from minitorch_np._internal.numerics import softmax
from minitorch_np._internal.validation import batch_comes_first, divisor, flag, fraction, number, whole
from minitorch_np.layer import Layer
from minitorch_np.layers.branches import Residual
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.gated import GELU
from minitorch_np.layers.linear import Linear
from minitorch_np.layers.normalization import LayerNorm
from minitorch_np.layers.piecewise import ReLU
from minitorch_np.layers.sequential import Sequential
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array


class MultiheadAttention(Layer):
    """y = out_proj(softmax(Q Kᵀ / √d) V) in heads of d features; Q, K, V are the thirds of x Wᵀ + b.

    Shapes: x (N, T, embed_dim) -> y (N, T, embed_dim), in_proj_weight W (3 embed_dim, embed_dim),
    in_proj_bias b (3 embed_dim,). Heads have an axis of their own: q (N, heads, T, head_dim), which is Q / √d,
    k (N, heads, T, head_dim), v (N, heads, T, head_dim) and the weights p (N, heads, T, T), after their
    dropout kept (N, heads, T, T). It is self-attention: queries, keys and values are all of x, whose axes are
    those of torch's `batch_first=True`. Heads have d = embed_dim / num_heads features each, and out_proj, a
    Linear, mixes what they found. With `causal` a step sees itself and those before it: the scores of the
    others are −∞, their weights exactly 0. `dropout` leaves out weights while it trains.

    Backward: In each head S = Q Kᵀ / √d are the scores, P = softmax(S) the weights, O = P V the output, and
    dO comes back through out_proj. V_j goes with the weight P_ij into every O_i, so dV_j = Σ_i P_ij dO_i,
    which is dV = Pᵀ dO. P_ij takes V_j into O_i, so dP_ij = dO_i · V_j, which is dP = dO Vᵀ. Every P_ij
    depends on all scores of its row, so dS_ij = P_ij (dP_ij − Σ_k dP_ik P_ik), as in Softmax. Query i meets
    every key j with the score Q_i · K_j / √d, so dQ_i = Σ_j dS_ij K_j / √d and dK_j = Σ_i dS_ij Q_i / √d:
    dQ = dS K / √d and dK = dSᵀ Q / √d. dQ, dK and dV are the thirds of dZ with Z = x Wᵀ + b, a Linear whose
    weight is stored (out, in), so dW = dZᵀ x, db = Σ dZ over all steps, and dx = dZ W.

    W is xavier_uniform and both biases are 0 at first, as in torch. Raises ValueError for heads that do not
    divide embed_dim.
    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
    """

    why_x_alone = ": it is self-attention, queries, keys and values are all of x"

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        batch_first: bool = True,
        causal: bool = False,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.embed_dim = whole("MultiheadAttention", "embed_dim", embed_dim, 1)
        self.batch_first = batch_comes_first("MultiheadAttention", batch_first)
        self.num_heads = divisor("MultiheadAttention", "num_heads", num_heads, "embed_dim", self.embed_dim)
        self.head_dim = self.embed_dim // self.num_heads
        self.dropout = fraction("MultiheadAttention", "dropout", dropout)
        self.bias = flag("MultiheadAttention", "bias", bias)
        self.causal = flag("MultiheadAttention", "causal", causal)
        rng, dtype = np.random.default_rng(rng), float_dtype(dtype)
        weight = initializers.xavier_uniform((3 * self.embed_dim, self.embed_dim), rng, dtype)
        self.in_proj_weight = Parameter(weight)
        self.in_proj_bias = Parameter(np.zeros(3 * self.embed_dim, dtype)) if self.bias else None
        self.out_proj = Linear(self.embed_dim, self.embed_dim, self.bias, dtype=dtype, rng=rng)
        if self.out_proj.bias is not None:
            self.out_proj.bias.data = np.zeros(self.embed_dim, dtype)
        self.weight_dropout = Dropout(self.dropout, rng=rng) if self.dropout else None

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (None, None, self.embed_dim))
        rows = x.reshape(-1, self.embed_dim)
        qkv = rows.dot(self.in_proj_weight.data.T)
        if self.in_proj_bias is not None:
            qkv += self.in_proj_bias.data
        qkv = qkv.reshape(*x.shape[:2], 3, self.num_heads, self.head_dim)
        q, k, v = (qkv[:, :, i].swapaxes(1, 2) for i in range(3))  # (N, heads, T, d)
        q = q * self.head_dim**-0.5  # 1/√d, less work here than in the scores
        scores = np.matmul(q, k.swapaxes(2, 3))  # how well query i fits key j
        if self.causal:
            scores += np.triu(np.full(scores.shape[2:], -np.inf, x.dtype), 1)  # j > i comes later
        p = softmax(scores, -1)
        kept = p if self.weight_dropout is None else self.weight_dropout(p)
        heads = np.matmul(kept, v).swapaxes(1, 2).reshape(x.shape)  # side by side again
        y = self.out_proj(heads)
        self.save_for_backward(rows, q, k, v, p, kept, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dqkv = self._parameter_gradients(dy)
        return dqkv.dot(self.in_proj_weight.data).reshape(dy.shape)

    def backward_parameters(self, dy: Array) -> None:
        self._parameter_gradients(dy)

    def _parameter_gradients(self, dy: Array) -> Array:
        """Add the gradients of all parameters; return those of queries, keys and values as rows."""
        dy, rows, q, k, v, p, kept = self.saved(dy)
        dheads = self.out_proj.backward(dy).reshape(*dy.shape[:2], self.num_heads, self.head_dim)
        dheads = dheads.swapaxes(1, 2)
        dv = np.matmul(kept.swapaxes(2, 3), dheads)  # transposed: the product sums over the queries
        dp = np.matmul(dheads, v.swapaxes(2, 3))  # transposed: it sums over the features of a head
        if self.weight_dropout is not None:
            dp = self.weight_dropout.backward(dp)
        dscores = dp - (dp * p).sum(axis=-1, keepdims=True)
        dscores *= p  # both as in Softmax
        dq = np.matmul(dscores, k) * self.head_dim**-0.5
        dk = np.matmul(dscores.swapaxes(2, 3), q)  # transposed: it sums over the queries; q is divided by √d
        dqkv = np.stack([a.swapaxes(1, 2) for a in (dq, dk, dv)], axis=2).reshape(-1, 3 * self.embed_dim)
        self.in_proj_weight.add_product(dqkv.T, rows)  # transposed: it sums over samples and steps
        if self.in_proj_bias is not None:
            self.in_proj_bias.add_sum(dqkv)
        return dqkv

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        samples, steps, features = x_shape  # x Wᵀ, then Q Kᵀ and P V; out_proj says its own
        return samples * steps * features * (3 * features + 2 * steps)


class TransformerEncoderLayer(Layer):
    """y = norm2(z + F(z)), z = norm1(x + A(x)); if norm_first y = z + F(norm2(z)), z = x + A(norm1(x)).

    Shapes: x (N, T, d_model) -> y (N, T, d_model). A is self_attn, a MultiheadAttention of `nhead` heads, with
    dropout1 after it: steps learn of each other. F works on each step alone: linear1 to `dim_feedforward`
    features, the activation, dropout, linear2 back, dropout2. `dropout` is the probability of all of them, and
    of the attention's weights. `activation` is "relu", "gelu" or an elementwise layer. `causal` makes it a
    layer of a decoder-only language model: no step sees a later one. The axes are those of torch's
    `batch_first=True`.

    Backward: z is added to F(z), so that what arrives at the sum goes into z as it is and once more through F,
    which is dz = d + F.backward(d); x and A likewise.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, and with norm_first Xiong et al. (2020),
    https://arxiv.org/abs/2002.04745;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.TransformerEncoderLayer.html
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Layer = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        *,
        causal: bool = False,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        name = "TransformerEncoderLayer"
        self.d_model = whole(name, "d_model", d_model, 1)
        self.batch_first = batch_comes_first(name, batch_first)
        self.nhead = divisor(name, "nhead", nhead, "d_model", self.d_model)
        self.dim_feedforward = whole(name, "dim_feedforward", dim_feedforward, 1)
        self.dropout = fraction(name, "dropout", dropout)
        self.layer_norm_eps = number(name, "layer_norm_eps", layer_norm_eps)
        self.norm_first = flag(name, "norm_first", norm_first)
        self.bias = flag(name, "bias", bias)
        self.causal = flag(name, "causal", causal)
        rng = np.random.default_rng(rng)
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, causal=causal, dtype=dtype, rng=rng)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype, rng=rng)
        self.activation = _activation(activation)
        self.hidden_dropout = Dropout(dropout, rng=rng)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype, rng=rng)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout, rng=rng)
        self.dropout2 = Dropout(dropout, rng=rng)

    def forward(self, x: Array) -> Array:
        if type(x) is not np.ndarray or x.dtype != self.linear1.weight.dtype:
            x = as_floats(x, self.linear1.weight.dtype, self, "x")
        x = self.check_input(x, (None, None, self.d_model))
        if self.norm_first:
            z = x + self._attend(self.norm1(x))
            y = z + self._feed_forward(self.norm2(z))
        else:
            attended = x + self._attend(x)
            z = self.norm1(attended)
            refined = z + self._feed_forward(z)
            y = self.norm2(refined)
        self.save_for_backward(output=y)
        return y

    def backward(self, dy: Array) -> Array:
        (dy,) = self.saved(dy)
        if self.norm_first:
            dz = dy + self.norm2.backward(self._feed_forward_backward(dy))
            return dz + self.norm1.backward(self._attend_backward(dz))
        drefined = self.norm2.backward(dy)
        dz = drefined + self._feed_forward_backward(drefined)
        dattended = self.norm1.backward(dz)
        return dattended + self._attend_backward(dattended)

    def composed(self) -> Sequential:
        """Return the same layer, to the bit, as Residuals of the very layers inside this one."""
        attend = [self.self_attn, self.dropout1]
        feed_forward = [self.linear1, self.activation, self.hidden_dropout, self.linear2, self.dropout2]
        if self.norm_first:
            return Sequential(
                Residual(Sequential(self.norm1, *attend)), Residual(Sequential(self.norm2, *feed_forward))
            )
        return Sequential(
            Residual(Sequential(attend)), self.norm1, Residual(Sequential(feed_forward)), self.norm2
        )

    def _attend(self, x: Array) -> Array:
        return self.dropout1(self.self_attn(x))

    def _attend_backward(self, dy: Array) -> Array:
        return self.self_attn.backward(self.dropout1.backward(dy))

    def _feed_forward(self, z: Array) -> Array:
        hidden = self.hidden_dropout(self.activation(self.linear1(z)))
        return self.dropout2(self.linear2(hidden))

    def _feed_forward_backward(self, dy: Array) -> Array:
        dhidden = self.linear2.backward(self.dropout2.backward(dy))
        return self.linear1.backward(self.activation.backward(self.hidden_dropout.backward(dhidden)))

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        options = [] if self.dim_feedforward == 2048 else [f"dim_feedforward={self.dim_feedforward}"]
        options += [] if self.dropout == 0.1 else [f"dropout={self.dropout!r}"]
        options += [] if type(self.activation) is ReLU else [f"activation={self.activation!r}"]
        options += [] if self.layer_norm_eps == 1e-5 else [f"layer_norm_eps={self.layer_norm_eps!r}"]
        options += ["norm_first=True"] if self.norm_first else []
        options += [] if self.bias else ["bias=False"]
        options += ["causal=True"] if self.causal else []
        options += (
            [] if self.linear1.weight.dtype == np.float64 else [f"dtype={str(self.linear1.weight.dtype)!r}"]
        )
        return f"TransformerEncoderLayer({', '.join([str(self.d_model), str(self.nhead), *options])})"


def _activation(given: str | Layer) -> Layer:
    if not isinstance(given, Layer) and given not in ("relu", "gelu"):
        raise ValueError(
            f"TransformerEncoderLayer expects activation to be 'relu' or 'gelu' or a layer, got {given!r}"
        )
    return given if isinstance(given, Layer) else ReLU() if given == "relu" else GELU()
