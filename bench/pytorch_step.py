"""Times training steps of the StepBenchmark model in eager PyTorch: same shape, same token ids, same optimizer, fp32 on CPU.

Prints one JSON line: tokens_per_second (median over steps, all processes together), loss of the first and the last step.
Written for the PyTorch 1.13 of Debian 12; each formulation is the fastest, or as fast as any, of those tried there. The allocator
and BLAS kernels are chosen by the environment, see compare-pytorch.
"""
import argparse
import json
import math
import os
import socket
import statistics
import time

import torch
import torch.distributed as dist
import torch.multiprocessing
import torch.nn.functional as F
from torch import nn

HIDDEN, LAYERS, HEADS, FFN = 512, 8, 8, 1408
HEAD = HIDDEN // HEADS
CONTEXT, BATCH, VOCABULARY = 512, 4, 8192
ATTENTION_ROWS = 128


class RmsNorm(nn.Module):
    def __init__(self, eps=1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(HIDDEN))
        self.eps = eps

    def forward(self, x):
        # vector_norm reads x once and keeps one number a row; x.pow(2).mean() writes and keeps a tensor of x's size.
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        return x * torch.rsqrt(norm * norm * (1 / HIDDEN) + self.eps) * self.weight


class KvShiftAttention(nn.Module):
    def __init__(self):
        super().__init__()
        # One product for q, k and v: a little faster than three.
        self.qkv = nn.Linear(HIDDEN, 3 * HIDDEN, bias=False)
        self.output = nn.Linear(HIDDEN, HIDDEN, bias=False)
        # Column 0 weighs the previous position, column 1 the current one.
        self.k_shift = nn.Parameter(torch.tensor([[0.3, 0.7]]).repeat(HEADS, 1))
        self.v_shift = nn.Parameter(torch.tensor([[0.3, 0.7]]).repeat(HEADS, 1))

        position = torch.arange(CONTEXT, dtype=torch.float64).unsqueeze(1)
        angle = position * 10000 ** (-torch.arange(0, HEAD, 2, dtype=torch.float64) / HEAD)
        shape = (1, CONTEXT, 1, HEAD)
        self.register_buffer("cosine", torch.cat((angle.cos(), angle.cos()), -1).float().view(shape), persistent=False)
        self.register_buffer("sine", torch.cat((angle.sin(), angle.sin()), -1).float().view(shape), persistent=False)
        self.register_buffer("mask", torch.full((CONTEXT, CONTEXT), -math.inf).triu(1), persistent=False)

    @staticmethod
    def shift(x, weight):
        mixed = x * weight[:, 1].view(1, 1, HEADS, 1)
        mixed[:, 1:].addcmul_(x[:, :-1], weight[:, 0].view(1, 1, HEADS, 1))
        return mixed

    def rotate(self, x):
        first, second = x.chunk(2, -1)
        return x * self.cosine + torch.cat((-second, first), -1) * self.sine

    def forward(self, x):
        rows = x.shape[0]
        query, key, value = self.qkv(x).view(rows, CONTEXT, 3, HEADS, HEAD).unbind(2)
        query = self.rotate(query)
        key = self.rotate(self.shift(key, self.k_shift))
        value = self.shift(value, self.v_shift)
        query, key, value = (t.transpose(1, 2).reshape(rows * HEADS, CONTEXT, HEAD) for t in (query, key, value))
        key = key.transpose(1, 2)

        # Blocks of rows against the keys that they see do less work than all rows against all keys. The mask goes in through
        # baddbmm. 1.13's own _scaled_dot_product_attention computes all scores and builds its mask anew at every call.
        blocks = []
        for start in range(0, CONTEXT, ATTENTION_ROWS):
            end = start + ATTENTION_ROWS
            scores = torch.baddbmm(self.mask[start:end, :end], query[:, start:end], key[:, :, :end], alpha=1 / math.sqrt(HEAD))
            blocks.append(torch.bmm(scores.softmax(-1), value[:, :end]))
        mixed = torch.cat(blocks, 1).view(rows, HEADS, CONTEXT, HEAD)
        return self.output(mixed.transpose(1, 2).reshape(rows, CONTEXT, HIDDEN))


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_up = nn.Linear(HIDDEN, 2 * FFN, bias=False)
        self.down = nn.Linear(FFN, HIDDEN, bias=False)

    def forward(self, x):
        gate, up = self.gate_up(x).chunk(2, -1)
        return self.down(F.silu(gate) * up)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention_norm = RmsNorm()
        self.attention = KvShiftAttention()
        self.ffn_norm = RmsNorm()
        self.ffn = FeedForward()

    def forward(self, x):
        x = x + self.attention(self.attention_norm(x))
        return x + self.ffn(self.ffn_norm(x))


class KvShiftTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, HIDDEN)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = RmsNorm()
        self.head = nn.Linear(HIDDEN, VOCABULARY, bias=False)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, ids, targets):
        logits = self.head(self.norm(self.blocks(self.embedding(ids))))
        return F.cross_entropy(logits.view(-1, VOCABULARY), targets.reshape(-1))


def new_optimizer(model):
    # As in the product: norm weights and the scalars of the KV shift are not decayed.
    matrices = [m.weight for m in model.modules() if isinstance(m, (nn.Linear, nn.Embedding))]
    decayed = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in decayed]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.95), foreach=True)


def train(options, rank, size):
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    model = KvShiftTransformer()
    parameters = list(model.parameters())
    optimizer = new_optimizer(model)
    if size > 1:
        model = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, broadcast_buffers=False)

    rows = BATCH // size
    index = torch.arange(rows * CONTEXT + 1) + rank * rows * CONTEXT
    stream = (index * 7919 + 13 * torch.div(index, 97, rounding_mode="floor")) % VOCABULARY
    ids, targets = stream[:-1].view(rows, CONTEXT), stream[1:].view(rows, CONTEXT)

    seconds, losses = [], []
    for step in range(options.warmup + options.steps):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = model(ids, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step >= options.warmup:
            seconds.append(time.perf_counter() - start)

    if rank == 0:
        print(json.dumps({
            "tokens_per_second": round(BATCH * CONTEXT / statistics.median(seconds), 1),
            "first_loss": round(losses[0], 4),
            "last_loss": round(losses[-1], 4),
            "ranks": size,
            "threads": options.threads,
        }), flush=True)


def train_rank(rank, options, size):
    dist.init_process_group("gloo", rank=rank, world_size=size)
    train(options, rank, size)
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--steps", type=int, default=10, help="timed steps")
    parser.add_argument("--warmup", type=int, default=2, help="steps before them")
    parser.add_argument("--ddp", action="store_true", help="two processes, DistributedDataParallel over gloo, half the batch each")
    options = parser.parse_args()
    if not options.ddp:
        train(options, rank=0, size=1)
        return

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    torch.multiprocessing.spawn(train_rank, (options, 2), nprocs=2)


if __name__ == "__main__":
    main()
