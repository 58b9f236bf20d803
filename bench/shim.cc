// shim.cc: the only place that knows Google Benchmark.
#include "bench.h"

#include <benchmark/benchmark.h>
#include <chrono>

static double peak;

void bench_peak(double flops_per_second)
{
    peak = flops_per_second;
}

void bench(const char *name, void (*run)(void *), void *context, double flops,
           double bytes)
{
    const double share_of = peak;
    benchmark::RegisterBenchmark(name, [=](benchmark::State &state) {
        using clock = std::chrono::steady_clock;
        const auto start = clock::now();
        for (auto turn : state) run(context);
        const std::chrono::duration<double> time = clock::now() - start;
        const double rate = double(state.iterations()) / time.count();
        if (flops > 0) state.counters["GFLOP/s"] = 1e-9 * flops * rate;
        if (bytes > 0) state.counters["GB/s"] = 1e-9 * bytes * rate;
        if (flops > 0 && share_of > 0)
            state.counters["of_peak"] = flops * rate / share_of;
    });
}

int main(int argc, char **argv)
{
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    bench_all();
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
