"""In-place distillation: losses of subnets against the soft labels of the largest one.

p is the teacher's distribution over classes, q the student's.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

KL, ALPHA = "kl", "alpha"
DISTILLATIONS = (KL, ALPHA)

ALPHAS = (-1.0, 1.0)
LARGEST_RATIO = 5.0


def distil(kind: str, logits: Tensor, soft_labels: Tensor) -> Tensor:
    """Mean distillation loss of a batch in nats. No gradient flows into the soft labels.

    Args:
        kind: One of `DISTILLATIONS`.
        logits: Logits of the student, ``(n, classes)``, float32.
        soft_labels: Distribution p, ``(n, classes)``, float32.
    """
    if kind == ALPHA:
        return alpha_divergence(logits, soft_labels)
    # KL(p || q) up to the entropy of p, which does not depend on the student.
    return F.cross_entropy(logits, soft_labels)


def alpha_divergence(logits: Tensor, soft_labels: Tensor) -> Tensor:
    """Adaptive alpha-divergence of AlphaNet (ICML 2021): for each image the larger of alpha = -1 and 1.

    D_alpha(p || q) = 1 / (alpha (alpha - 1)) sum_i q_i [(p_i / q_i)^alpha - 1]. At alpha = 1 it is the limit
    KL(p || q), which is large if the student gives little probability to a class of the teacher. At
    alpha = -1 it is (sum_i q_i^2 / p_i - 1) / 2, which is large if the student gives much probability to a
    class that the teacher rules out. The gradient is -1/alpha E_q[(p / q)^alpha grad log q]. It clips the
    ratio at 5, as does the value for alpha = -1, which is unbounded otherwise.

    Args:
        logits: Logits of the student, ``(n, classes)``, float32.
        soft_labels: Distribution p, ``(n, classes)``, float32.

    Returns:
        Mean over the batch. Its gradient is that of the clipped ratio, not that of the value.
    """
    log_q = logits.log_softmax(1)
    q = log_q.detach().exp()
    # Probability 0 is replaced by the smallest normal float32.
    log_ratio = soft_labels.clamp_min(torch.finfo(torch.float32).tiny).log() - log_q.detach()
    values, gradients = [], []
    for alpha in ALPHAS:
        ratio = (alpha * log_ratio).exp().clamp_max(LARGEST_RATIO)
        if alpha == 1:
            values.append((soft_labels * log_ratio).sum(1))
        else:
            values.append((q * (ratio - 1)).sum(1) / (alpha * (alpha - 1)))
        gradients.append(-(q * ratio * log_q).sum(1) / alpha)
    value, chosen = torch.stack(values).max(0)
    gradient = torch.stack(gradients).gather(0, chosen[None])[0]
    # The value is the divergence, the gradient that of the clipped ratio.
    return (value + gradient - gradient.detach()).mean()
