"""The training loop of the generalizing ReLU-DAE in plain PyTorch, as the authors' notebook has it.

d = 1024, p = 100, sigma = 0.2, batches of 256 with replacement of 10,000 samples, mean squared error, Adam with rate 1e-4 and
weight decay 1e-4. "Tied" means two parameters over one storage, which the optimizer updates one after the other.

    python3 training_step.py THREADS

trains 50 steps to warm up and says "ready" and whether it multiplies matrices by OpenBLAS as far as it can tell, then reads how many steps to take from
each line of its input, and answers with the steps a second.
"""
import pathlib
import sys
import time

import torch
from torch import nn
import torch.nn.functional as F


class ReluDae(nn.Module):
    def __init__(self, dimension, units):
        super().__init__()
        self.encoder = nn.Linear(dimension, units, bias=False)
        self.decoder = nn.Linear(units, dimension, bias=False)
        self.decoder.weight = nn.Parameter(self.encoder.weight.detach().t())

    def forward(self, noisy):
        return self.decoder(F.relu(self.encoder(noisy)))


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(0)
    data = torch.randn(10_000, 1024)
    model = ReluDae(1024, 100)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-4)

    def train(steps):
        for _ in range(steps):
            clean = data[torch.randint(0, len(data), (256,))]
            noisy = clean + 0.2 * torch.randn_like(clean)
            loss = F.mse_loss(model(noisy), clean)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    train(50)
    maps = pathlib.Path("/proc/self/maps")
    print("ready", not maps.exists() or "openblas" in maps.read_text(), flush=True)
    for line in sys.stdin:
        steps = int(line)
        start = time.perf_counter()
        train(steps)
        print(f"{steps / (time.perf_counter() - start):.1f}", flush=True)


if __name__ == "__main__":
    main()
