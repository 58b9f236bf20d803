// shim.cc: the only place that knows Google Benchmark.
#include "bench.h"

#include <benchmark/benchmark.h>
#include <chrono>

extern "C" {
#include "measure.h"
}

static double peak(const Bench &b)
{
    return measure_peak(b.set) * (b.threads > 1 ? b.threads : 1);
}

static void time(benchmark::State &state, const Bench &b, void *context)
{
    using clock = std::chrono::steady_clock;
    const auto start = clock::now();
    for (auto turn : state) b.run(context);
    const std::chrono::duration<double> seconds = clock::now() - start;
    const double rate = double(state.iterations()) / seconds.count();
    auto &row = state.counters;
    if (b.flops > 0) row["flops"] = b.flops * rate;
    if (b.flops > 0) row["of_peak"] = b.flops * rate / peak(b);
    if (b.bytes > 0) row["bytes"] = b.bytes * rate;
    if (b.bytes > 0) row["of_copy"] = b.bytes * rate / measure_copy(b.bytes);
    if (b.tokens > 0) row["tokens"] = b.tokens * rate;
}

void bench(const char *name, const Bench *b, void *context)
{
    const auto run = [b = *b, context](benchmark::State &state) {
        if (!b.open(context)) return state.SkipWithError("too little memory");
        time(state, b, context);
        b.close(context);
    };
    auto *const row = benchmark::RegisterBenchmark(name, run);
    if (b->tokens > 0) row->Unit(benchmark::kMillisecond);
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
