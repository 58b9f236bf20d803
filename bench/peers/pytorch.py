"""PyTorch's side of the peers: trains a layer for bench/peers/pytorch.c, step by step.

Asked on stdin, a line each; answered on stdout by "yes TEXT" or "no WHY":
    (at the start)         yes VERSION
    open CELL T B I H      then the floats of parameters, x and dy
    time SECONDS           steps for so long, at least one: yes SECONDS_OF_A_STEP
    outcome                yes, then the floats of y, dx and the gradients of the parameters
    close
Floats are laid out as in bench/peers/peer.h.
"""

import re
import sys
import time


def say(line, *tensors):
    sys.stdout.buffer.write((line + "\n").encode())
    for tensor in tensors:
        sys.stdout.buffer.write(tensor.detach().contiguous().numpy().tobytes())
    sys.stdout.buffer.flush()


try:
    import torch
except ImportError as why:
    say(f"no {why}")
    sys.exit()

torch.set_num_threads(1)
torch.set_flush_denormal(True)


def version():
    """PyTorch's and the BLAS that it multiplies matrices with."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        blas = set(re.findall(r"/(lib\w*(?:blas|blis|mkl_rt)\w*[-.]\S+)", maps.read()))
    return f"{torch.__version__} with {' '.join(sorted(blas))}"


def read(*shape):
    count = torch.Size(shape).numel()
    data = bytearray(sys.stdin.buffer.read(4 * count))
    return torch.frombuffer(data, dtype=torch.float32).view(shape)


class LSTMInPython(torch.nn.LSTM):
    """The same cell as its user would write it: the LSTMCell of PyTorch's benchmarks/fastrnns."""

    def cell(self, x, h, c):
        gates = (
            torch.mm(x, self.weight_ih_l0.t())
            + self.bias_ih_l0
            + torch.mm(h, self.weight_hh_l0.t())
            + self.bias_hh_l0
        )
        i, f, g, o = gates.chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def forward(self, x):
        h = c = x.new_zeros(x.size(1), self.hidden_size)
        outputs = []
        for x_t in x.unbind(0):
            h, c = self.cell(x_t, h, c)
            outputs.append(h)
        return torch.stack(outputs), (h, c)


# Our name: the module, gates, whether the last bias of weft's is the recurrent one's.
CELLS = {
    "lstm": (torch.nn.LSTM, 4, False),
    "lstm_in_python": (LSTMInPython, 4, False),
    "gru": (torch.nn.GRU, 3, True),
    "rnn": (torch.nn.RNN, 1, False),
}


class Layer:
    def __init__(self, cell, T, B, I, H):
        module, gates, self.own_bias = CELLS[cell]
        self.module = module(I, H)
        self.hidden = H
        values = [read(gates * H, I), read(gates * H, H), read(gates * H), torch.zeros(gates * H)]
        if self.own_bias:
            values[3][-H:] = read(H)
        with torch.no_grad():
            for parameter, value in zip(self.module.parameters(), values):
                parameter.copy_(value)
        self.x = read(T, B, I).requires_grad_()
        self.dy = read(T, B, H)
        self.y = None

    def step(self):
        self.x.grad = None
        self.module.zero_grad(set_to_none=True)
        self.y, _ = self.module(self.x)
        self.y.backward(self.dy)

    def time(self, least):
        steps, start = 0, time.perf_counter()
        while True:
            self.step()
            steps += 1
            seconds = time.perf_counter() - start
            if seconds >= least:
                return seconds / steps

    def outcome(self):
        W, U, b, d = [parameter.grad for parameter in self.module.parameters()]
        return self.y, self.x.grad, W, U, b, d[-self.hidden :] if self.own_bias else d[:0]


def main():
    layer = None
    say("yes " + version())
    for line in sys.stdin.buffer:
        word, *arguments = line.decode().split()
        if word == "open" and arguments[0] not in CELLS:
            say(f"no it has no cell like {arguments[0]}")
        elif word == "open":
            say("yes ready")
            layer = Layer(arguments[0], *map(int, arguments[1:]))
        elif word == "time":
            say(f"yes {layer.time(float(arguments[0])):.9g}")
        elif word == "outcome":
            say("yes floats follow", *layer.outcome())
        elif word == "close":
            layer = None
            say("yes ready")


main()
