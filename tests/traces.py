#!/usr/bin/python3
"""Writes traces.h: what PyTorch computes for four cells and a stack, for test_traces.c.

Run with Debian's python3-torch:  tests/traces.py > tests/traces.h
Float64 throughout, from parameters, inputs and targets that are float32 numbers, so that
what differs is weft's rounding alone.
"""
import torch

T, B, I, H, O = 5, 3, 4, 6, 3
UPDATES, RATE = 5, 0.01

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


class GruV1(torch.nn.Module):
    """Cho et al. 2014, version 1: the reset before the product, which nn.GRU does not have."""

    def __init__(self):
        super().__init__()
        for g in "rzn":
            self.register_parameter("W_" + g, torch.nn.Parameter(torch.empty(H, I)))
            self.register_parameter("U_" + g, torch.nn.Parameter(torch.empty(H, H)))
            self.register_parameter("b_" + g, torch.nn.Parameter(torch.empty(H)))

    def forward(self, x):
        h, out = torch.zeros(B, H), []
        for t in range(T):
            r = torch.sigmoid(x[t] @ self.W_r.T + h @ self.U_r.T + self.b_r)
            z = torch.sigmoid(x[t] @ self.W_z.T + h @ self.U_z.T + self.b_z)
            n = torch.tanh(x[t] @ self.W_n.T + (r * h) @ self.U_n.T + self.b_n)
            h = (1 - z) * n + z * h
            out.append(h)
        return torch.stack(out), h


def rows(name, i):
    """Gate i of one of nn's merged parameters: rows i H to (i + 1) H."""
    return name, slice(i * H, (i + 1) * H)


def gates(letters, weft="layer0.", nn="_l0"):
    """weft's names in its order of declaration, and where nn keeps each. PyTorch has two
    biases where weft has one: bias_hh stays zero, but for the GRU's d_n."""
    suffix = ["_" + g for g in letters] if letters else [""]
    table = [(weft + "W" + s, *rows("weight_ih" + nn, i)) for i, s in enumerate(suffix)]
    table += [(weft + "U" + s, *rows("weight_hh" + nn, i)) for i, s in enumerate(suffix)]
    table += [(weft + "b" + s, *rows("bias_ih" + nn, i)) for i, s in enumerate(suffix)]
    return table


class Case:
    """A net, where weft's parameters are in it, and the steps of each row."""

    def __init__(self, name, cell, make, table, layers=1, both=False, lengths=(T,) * B):
        self.name, self.cell, self.layers, self.both = name, cell, layers, both
        self.lengths = lengths
        torch.manual_seed(sum(map(ord, name)))
        self.net = make()
        self.head = torch.nn.Linear(2 * H if both else H, O)
        self.all = [*self.net.parameters(), *self.head.parameters()]
        with torch.no_grad():
            for p in self.all:
                p.copy_(single(torch.empty_like(p).uniform_(-0.9, 0.9)))
            for bias in self.frozen(lambda p: p):
                bias[:] = 0
        self.parameters = [(n, getattr(self.net, p), at) for n, p, at in table]
        self.parameters += [("head.weight", self.head.weight, slice(None)),
                            ("head.bias", self.head.bias, slice(None))]

    def frozen(self, what):
        """The part of the biases that weft does not have: of the values, or the gradients."""
        end = 2 * H if self.cell == "gru" else None
        return [what(p)[:end] for n, p in self.net.named_parameters() if n.startswith("bias_hh")]

    def output(self, x):
        if min(self.lengths) == T:
            return self.head(self.net(x)[0])
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(self.lengths))
        return self.head(torch.nn.utils.rnn.pad_packed_sequence(self.net(packed)[0])[0])

    def loss(self, output, target):
        """The mean over the steps that rows have, and over the outputs."""
        there = torch.arange(T)[:, None] < torch.tensor(self.lengths)[None, :]
        return ((output - target) ** 2)[there].mean()


def cases():
    yield Case("rnn", "rnn", lambda: torch.nn.RNN(I, H), gates(""))
    yield Case("lstm", "lstm", lambda: torch.nn.LSTM(I, H), gates("ifgo"))
    yield Case("gru", "gru", lambda: torch.nn.GRU(I, H),
               gates("rzn") + [("layer0.d_n", *rows("bias_hh_l0", 2))])
    v1 = [(k + "_" + g) for k in "WUb" for g in "rzn"]
    yield Case("gru_v1", "gru_v1", GruV1, [("layer0." + n, n, slice(None)) for n in v1])
    stack = [g for layer in (0, 1) for weft, nn in (("", ""), ("backward.", "_reverse"))
             for g in gates("", "layer%d.%s" % (layer, weft), "_l%d%s" % (layer, nn))]
    yield Case("stack of two layers, both directions, rows of 5, 3 and 1 steps", "rnn",
               lambda: torch.nn.RNN(I, H, num_layers=2, bidirectional=True), stack,
               layers=2, both=True, lengths=(5, 3, 1))


def single(tensor):
    """Rounded to float32, and kept as float64."""
    return tensor.float().double()


def single_text(v, digits):
    text = "%.*g" % (digits, v)
    return text + ("f" if set(text) & set(".e") else ".f")


def array(tensor, digits):
    return ", ".join(single_text(v, digits) for v in tensor.detach().flatten().tolist())


def emit(indent, name, tensor, open="(const float[]){", close="},", digits=9):
    line = indent + name
    for word in (open + array(tensor, digits) + close).split(" "):
        if len(line) + len(word) > 87:
            print(line)
            line = indent + "   "
        line += " " + word
    print(line)


def train(case, x, target):
    """The first output and loss; of each parameter name, values before, first gradient, least
    magnitude of the gradients of all updates, values after."""
    values = lambda: [p[at].detach().clone() for _, p, at in case.parameters]
    before, gradients = values(), []
    adam = torch.optim.Adam(case.all, lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    for update in range(UPDATES):
        adam.zero_grad()
        output = case.output(x)
        loss = case.loss(output, target)
        if update == 0:
            first = output.detach(), loss.item()
        loss.backward()
        for bias in case.frozen(lambda p: p.grad):
            bias[:] = 0  # a zero gradient leaves Adam still
        gradients.append([p.grad[at].clone() for _, p, at in case.parameters])
        adam.step()
    least = [torch.stack(g).abs().amin(0) for g in zip(*gradients)]
    names = [name for name, _, _ in case.parameters]
    return first, zip(names, before, gradients[0], least, values())


def trace(case, x, target):
    (output, loss), parameters = train(case, x, target)
    print('    {.name = "%s", .cell = "%s",' % (case.name, case.cell))
    print("     .layers = %d, .both = %s, .length = {%s}," %
          (case.layers, str(case.both).lower(), ", ".join(map(str, case.lengths))))
    print("     .loss = %.9g," % loss)
    emit("     ", ".output =", output)
    print("     .parameter = {")
    for name, value, gradient, least, after in parameters:
        print('         {.name = "%s", .size = %d,' % (name, value.numel()))
        emit("          ", ".value =", value)
        emit("          ", ".gradient =", gradient)
        emit("          ", ".least =", least, digits=2)
        emit("          ", ".after =", after)
        print("         },")
    print("     }},")


def main():
    torch.manual_seed(1)
    x = single(torch.randn(T, B, I))
    target = single(torch.randn(T, B, O))
    print("/* traces.h: written by traces.py with PyTorch %s; not to be edited. */"
          % torch.__version__)
    print("""#pragma once
#include <stdbool.h>

// clang-format off
enum { TRACE_T = %d, TRACE_B = %d, TRACE_I = %d, TRACE_H = %d, TRACE_O = %d, TRACE_UPDATES = %d };
#define TRACE_RATE %gf

typedef struct TraceParameter {
    const char *name;
    int size;
    const float *value;    /* at first */
    const float *gradient; /* of the loss, there */
    const float *least;    /* magnitude of the gradients of all updates */
    const float *after;    /* TRACE_UPDATES updates of Adam */
} TraceParameter;

typedef struct Trace {
    const char *name, *cell;
    int layers;
    bool both; /* directions */
    int length[TRACE_B];
    double loss;
    const float *output; /* [T][B][O], of the head; any past a row's length */
    TraceParameter parameter[20]; /* in weft's order; a NULL name past the last */
} Trace;
""" % (T, B, I, H, O, UPDATES, RATE))
    print("/* [T][B][I] and [T][B][O], the same for all traces */")
    for name, values in ("x", x), ("target", target):
        emit("", "static const float trace_%s[] =" % name, values, "{", "};")
    print("\nstatic const Trace traces[] = {")
    for case in cases():
        trace(case, x, target)
    print("};\n// clang-format on")


main()
