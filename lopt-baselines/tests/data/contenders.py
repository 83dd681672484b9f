"""Writes contenders.json: runs of published optimizers in double precision.

python -m venv v && v/bin/pip install torch jax optax schedulefree prodigyopt dadaptation lion-pytorch
v/bin/python contenders.py > contenders.json

The problem is a quadratic with noise, all of it in the file:
gradient at step n = curvature * (point - target) + noise[n], over the tensors one after another;
loss at step n = sum((curvature * (point - target) / 2 + noise[n]) * (point - target)).
"""

import importlib.metadata
import json
import sys
from contextlib import redirect_stdout
from unittest import mock

import jax
import numpy as np
import optax
import torch
from dadaptation import DAdaptAdam
from lion_pytorch import Lion
from prodigyopt import Prodigy
from schedulefree import AdamWScheduleFree

jax.config.update("jax_enable_x64", True)

TENSORS = [("tall", [4, 3]), ("kernel", [2, 3, 2]), ("bias", [4]), ("gain", [])]
SIZES = [int(np.prod(shape, dtype=int)) for _, shape in TENSORS]
STEPS = 30
RECORDED = [1, 2, 3, 5, 10, 20, 30]

# multiples of powers of two, so that `f32` holds them exactly
random = np.random.default_rng(1)
P = sum(SIZES)
CURVATURE = random.integers(32, 129, P) / 64
TARGET = random.integers(-128, 129, P) / 64
START = random.integers(-128, 129, P) / 64
NOISE = random.integers(-256, 257, (STEPS, P)) / 1024


def gradient(n, point):
    return CURVATURE * (point - TARGET) + NOISE[n]


def loss(n, point):
    away = point - TARGET
    return (0.5 * CURVATURE * away + NOISE[n]) @ away


def split(flat):
    return np.split(flat, np.cumsum(SIZES)[:-1])


def record(start, advance):
    """`advance(n, grads)` gives the parameters after step n, and where the next gradient is taken."""
    point, kept = start, []
    for n in range(STEPS):
        params, point = advance(n, gradient(n, point))
        if n + 1 in RECORDED:
            kept.append([float(f"{x:.9g}") for x in params])
    return kept


def by_torch(build, start=START, rate=lambda n: None, matrices=False):
    shapes = [shape if not matrices or len(shape) < 2 else [shape[0], -1] for _, shape in TENSORS]
    tensors = [torch.tensor(part).reshape(shape) for part, shape in zip(split(start), shapes)]
    tensors = [torch.nn.Parameter(tensor) for tensor in tensors]
    optimizers = build(tensors)
    flat = lambda: np.concatenate([p.detach().numpy().ravel() for p in tensors])

    def advance(n, grads):
        for p, part in zip(tensors, split(grads)):
            p.grad = torch.tensor(part).reshape(p.shape)
        for optimizer in optimizers:
            if rate(n) is not None:
                optimizer.param_groups[0]["lr"] = rate(n)
            optimizer.step()
        if not isinstance(optimizers[0], AdamWScheduleFree):
            return flat(), flat()
        point = flat()
        optimizers[0].eval()
        params = flat()
        optimizers[0].train()
        return params, point

    if isinstance(optimizers[0], AdamWScheduleFree):
        optimizers[0].train()
    return record(start, advance)


def by_optax(optimizer):
    state, params = optimizer.init(jax.numpy.array(START)), jax.numpy.array(START)

    def advance(n, grads):
        nonlocal state, params
        updates, state = optimizer.update(jax.numpy.array(grads), state, params)
        params = optax.apply_updates(params, updates)
        return np.array(params), np.array(params)

    return record(START, advance)


def algoperf_nadamw(steps):
    """Choi et al. 2019, table 1, as AlgoPerf's jax_nadamw_full_budget.py; its ramp a step earlier."""
    lr, decay, eps = 0.0017486387539278373, 0.08121616522670176, 1e-8
    beta1, beta2 = 1 - 0.06733926164, 0.9955159689799007
    warmup = int(0.02 * steps)
    m, v, params = np.zeros(P), np.zeros(P), START.copy()

    def advance(n, g):
        nonlocal m, v, params
        after = (n - warmup) / (steps - warmup)
        rate = lr * ((n + 1) / warmup if n < warmup else 0.5 * (1 + np.cos(np.pi * after)))
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        look_ahead = (beta1 * m + (1 - beta1) * g) / (1 - beta1 ** (n + 1))
        step = look_ahead / (np.sqrt(v / (1 - beta2 ** (n + 1))) + eps)
        params = params - rate * (step + decay * params)
        return params, params

    return record(START, advance)


def schedule_free_plus(
    ramp=0, decay=0.0, betas=(0.9, 0.95), sf_beta=(0.9, 0.9, 1), norm_decay=0.0, c_warmup=0, lr=1.0
):
    """Defazio 2026, adamc_schedulefree_plus_paper.py with r = 0 and weight_lr_power = 2, which is not
    in the package `schedulefree`; `sf_beta`: first, last, and the steps between them."""
    eps, (beta1, beta2) = 1e-8, betas
    x, y, z = START.copy(), START.copy(), START.copy()
    m, v, norm, total, largest = np.zeros(P), np.zeros(P), 0.0, 0.0, eps

    def advance(n, g):
        nonlocal x, y, z, m, v, norm, total, largest
        first, last, steps = sf_beta
        part = min(n / steps, 1.0)
        beta = 1 - np.exp(np.log(1 - first) * (1 - part) + np.log(1 - last) * part)
        ahead = beta * np.sum(g * (z - x))
        norm = norm_decay * norm + (1 - norm_decay) * np.sum(np.abs(g)) * np.sqrt(np.pi / 2)
        corrected = norm / (1 - norm_decay ** (n + 1))
        warm = min((n + 1) / ramp, 1.0) if ramp else 1.0
        rate = max(lr * warm, eps) * max(0.0, loss(n, y) + ahead) / corrected
        largest = max(largest, rate)
        share = 1.0
        if n >= c_warmup:
            total += largest**2
            share = largest**2 / total
        z = z - rate**2 * decay * y
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        m_hat, v_hat = m / (1 - beta1 ** (n + 1)), v / (1 - beta2 ** (n + 1))
        z = z - rate * m_hat / (np.sqrt(v_hat) + eps)
        x = (1 - share) * x + share * z
        y = beta * x + (1 - beta) * z
        return x, y

    return record(START, advance)


def muon(tensors):
    matrices = [p for p in tensors if p.ndim == 2]
    others = [p for p in tensors if p.ndim < 2]
    adam = torch.optim.AdamW(others, lr=0.01, betas=(0.9, 0.95), eps=1e-10, weight_decay=0.1)
    return [torch.optim.Muon(matrices, lr=0.02, weight_decay=0.1), adam]


def muon_rms_matched(tensors):
    matrices = [p for p in tensors if p.ndim == 2]
    others = [p for p in tensors if p.ndim < 2]
    adam = torch.optim.AdamW(others, lr=0.01, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    options = dict(lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    return [torch.optim.Muon(matrices, **options), adam]


def runs():
    lion = by_optax(optax.lion(0.01, weight_decay=0.1))
    twin = by_torch(lambda ps: [Lion(ps, lr=0.01, weight_decay=0.1)])
    assert np.allclose(lion, twin, rtol=1e-8), "the two Lions differ"

    yield "nadamw", "optax", by_optax(optax.nadamw(0.05, weight_decay=0.1))
    yield "nadamw-algoperf", "numpy", algoperf_nadamw(100)
    yield "lion", "optax", lion
    build = lambda ps: [AdamWScheduleFree(ps, lr=0.1, warmup_steps=5, weight_decay=0.1)]
    yield "schedule-free", "schedulefree", by_torch(build)
    # a start at zero, as `f32` cannot tell the first steps of 1e-6 elsewhere
    yield "prodigy", "prodigyopt", by_torch(lambda ps: [Prodigy(ps)], start=np.zeros(P))
    options = dict(d0=0.01, growth_rate=1.5, weight_decay=0.1, use_bias_correction=True)
    prodigy = lambda ps: [Prodigy(ps, d_coef=2, safeguard_warmup=True, **options)]
    yield "prodigy-options", "prodigyopt", by_torch(prodigy, rate=lambda n: 0.95**n)
    yield "d-adapt-adam", "dadaptation", by_torch(lambda ps: [DAdaptAdam(ps)])
    adapt = lambda ps: [DAdaptAdam(ps, decouple=True, **options)]
    yield "d-adapt-adam-options", "dadaptation", by_torch(adapt, rate=lambda n: 0.95**n)
    # the iteration in double precision, not in bfloat16
    with mock.patch("torch.bfloat16", torch.float64):
        yield "muon", "torch", by_torch(muon, matrices=True)
        yield "muon-rms-matched", "torch", by_torch(muon_rms_matched, matrices=True)
    yield "schedule-free-plus", "numpy", schedule_free_plus()
    options = dict(ramp=5, decay=0.5, betas=(0.8, 0.9), norm_decay=0.5, c_warmup=8, lr=0.5)
    options["sf_beta"] = (0.8, 0.965, 20)
    yield "schedule-free-plus-options", "numpy", schedule_free_plus(**options)


def main():
    with redirect_stdout(sys.stderr):
        found = list(runs())
    version = lambda name: f"{name} {importlib.metadata.version(name)}"
    problem = dict(
        tensors=[dict(name=name, shape=shape) for name, shape in TENSORS],
        start=START.tolist(),
        curvature=CURVATURE.tolist(),
        target=TARGET.tolist(),
        noise=NOISE.tolist(),
        recorded=RECORDED,
    )
    lines = [f'"{key}": {json.dumps(value)}' for key, value in problem.items()]
    cases = [
        f'"{name}": {json.dumps(dict(reference=version(source), params=params))}'
        for name, source, params in found
    ]
    print("{", ",\n".join(lines), ",\n" + '"cases": {', ",\n".join(cases), "}}", sep="\n")


main()
