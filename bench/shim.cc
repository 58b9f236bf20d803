// shim.cc: the only place that knows Google Benchmark.
#include "bench.h"

#include <benchmark/benchmark.h>
#include <chrono>

static double peak;

void bench_peak(double flops_per_second)
{
    peak = flops_per_second;
}

using Counters = benchmark::UserCounters;

static void time(benchmark::State &state, void (*run)(void *), void *context, double flops,
                 double share_of, const Counters &per_run)
{
    using clock = std::chrono::steady_clock;
    const auto start = clock::now();
    for (auto turn : state) run(context);
    const std::chrono::duration<double> seconds = clock::now() - start;
    const double rate = double(state.iterations()) / seconds.count();
    for (const auto &counter : per_run)
        if (counter.second > 0) state.counters[counter.first] = counter.second * rate;
    if (flops > 0 && share_of > 0) state.counters["of_peak"] = flops * rate / share_of;
}

void bench(const char *name, void (*run)(void *), void *context, double flops, double bytes)
{
    const double share_of = peak;
    benchmark::RegisterBenchmark(name, [=](benchmark::State &state) {
        time(state, run, context, flops, share_of, {{"flops", flops}, {"bytes", bytes}});
    });
}

void bench_whole(const char *name, const BenchWhole *whole, void *context)
{
    const BenchWhole b = *whole;
    const double share_of = peak;
    benchmark::RegisterBenchmark(name, [=](benchmark::State &state) {
        if (!b.open(context)) return state.SkipWithError("too little memory");
        time(state, b.run, context, b.flops, share_of,
             {{"flops", b.flops}, {"tokens", b.tokens}});
        b.close(context);
    })->Unit(benchmark::kMillisecond);
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
