/* logmel.c: see logmel.h.
 *
 *   w(i) = 1/2 - 1/2 cos(2 pi i / n)                     a Hann window of n samples
 *   P(k) = | sum over i of w(i) x(i) e^(-2 pi j i k / N) |^2
 *   m(f) = 1127 ln(1 + f / 700)                          the mel scale
 *   E(b) = sum over k of max(0, 1 - | m(f_k) - m_b | / step) P(k)    triangles; f_k = k rate / N
 *   out  = ln max(E, 1e-6 of the largest E)
 *
 * In double, with weft's own functions, so that FFTW alone decides a bit: what it computes
 * on one processor and on another differs by some 1e-16 of the loudest. */
#include "logmel.h"

#include "options.h"

#include <fftw3.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_SECONDS 0.025
#define HOP_SECONDS    0.010
#define LOWEST         60.0 /* Hz */
#define HIGHEST        8000.0
#define QUIETEST       1e-6
#define PI             3.14159265358979323846

struct Logmel {
    int window, hop, points, bins, bands;
    double *shape;       /* [window] */
    double *weight;      /* [bands][bins] */
    int *first, *last;   /* [bands]: the bins whose weight is not 0 */
    double *wave;        /* [points] */
    double *energy;      /* [bins] */
    fftw_complex *wheel; /* [bins] */
    fftw_plan plan;
};

static double largest(double a, double b)
{
    return a > b ? a : b;
}

static double mel(double hertz)
{
    return 1127 * weft_log(1 + hertz / 700);
}

static void band_make(Logmel *logmel, int rate, int band)
{
    const double step = (mel(HIGHEST) - mel(LOWEST)) / (logmel->bands + 1),
                 middle = mel(LOWEST) + step * (band + 1);
    double *const weight = logmel->weight + (size_t)band * (size_t)logmel->bins;
    logmel->first[band] = logmel->bins;
    for (int k = 0; k < logmel->bins; k++) {
        const double hertz = (double)k * rate / logmel->points;
        weight[k] = largest(0, 1 - fabs(mel(hertz) - middle) / step);
        if (weight[k] <= 0) continue;
        if (logmel->first[band] > k) logmel->first[band] = k;
        logmel->last[band] = k;
    }
}

static bool logmel_take_memory(Logmel *logmel)
{
    const size_t bins = (size_t)logmel->bins, bands = (size_t)logmel->bands;
    logmel->shape = calloc((size_t)logmel->window, sizeof *logmel->shape);
    logmel->weight = calloc(bins * bands, sizeof *logmel->weight);
    logmel->first = calloc(bands, sizeof *logmel->first);
    logmel->last = calloc(bands, sizeof *logmel->last);
    logmel->energy = calloc(bins, sizeof *logmel->energy);
    logmel->wave = fftw_alloc_real((size_t)logmel->points);
    logmel->wheel = fftw_alloc_complex(bins);
    return logmel->shape && logmel->weight && logmel->first && logmel->last &&
           logmel->energy && logmel->wave && logmel->wheel;
}

static bool logmel_plan(Logmel *logmel)
{
    /* ESTIMATE: not what is fastest today, which would be another plan tomorrow. */
    logmel->plan = fftw_plan_dft_r2c_1d(logmel->points, logmel->wave, logmel->wheel,
                                        FFTW_ESTIMATE);
    return logmel->plan != NULL;
}

bool logmel_open(int rate, int bands, Logmel **out, WeftError *err)
{
    if (rate < 2 * HIGHEST)
        return fail(err, "sound of %d samples a second: expected %.0f or more", rate,
                    2 * HIGHEST);
    Logmel *const logmel = calloc(1, sizeof *logmel);
    if (!logmel) return fail(err, "out of memory");
    logmel->window = (int)floor(rate * WINDOW_SECONDS + 0.5);
    logmel->hop = (int)floor(rate * HOP_SECONDS + 0.5);
    logmel->bands = bands;
    for (logmel->points = 1; logmel->points < logmel->window;) logmel->points *= 2;
    logmel->bins = logmel->points / 2 + 1;
    if (!logmel_take_memory(logmel) || !logmel_plan(logmel)) {
        logmel_close(logmel);
        return fail(err, "out of memory");
    }
    for (int i = 0; i < logmel->window; i++)
        logmel->shape[i] = 0.5 - 0.5 * weft_cos(2 * PI * i / logmel->window);
    for (int b = 0; b < bands; b++) band_make(logmel, rate, b);
    *out = logmel;
    return true;
}

void logmel_close(Logmel *logmel)
{
    if (!logmel) return;
    if (logmel->plan) fftw_destroy_plan(logmel->plan);
    fftw_free(logmel->wheel);
    fftw_free(logmel->wave);
    free(logmel->energy);
    free(logmel->last);
    free(logmel->first);
    free(logmel->weight);
    free(logmel->shape);
    free(logmel);
}

int logmel_frames(const Logmel *logmel, size_t samples)
{
    const size_t window = (size_t)logmel->window, hop = (size_t)logmel->hop;
    return samples < window ? 1 : 1 + (int)((samples - window) / hop);
}

static void frame_energies(Logmel *logmel, const double *samples, size_t count)
{
    const size_t window = (size_t)logmel->window;
    memset(logmel->wave, 0, (size_t)logmel->points * sizeof *logmel->wave);
    for (size_t i = 0; i < window && i < count; i++)
        logmel->wave[i] = logmel->shape[i] * samples[i];
    fftw_execute(logmel->plan);
    for (int k = 0; k < logmel->bins; k++)
        logmel->energy[k] = logmel->wheel[k][0] * logmel->wheel[k][0] +
                            logmel->wheel[k][1] * logmel->wheel[k][1];
}

void logmel_take(Logmel *logmel, const double *samples, size_t count, double *out)
{
    const int frames = logmel_frames(logmel, count), bands = logmel->bands;
    double loudest = 1e-30; /* of silence too there is a logarithm */
    for (int f = 0; f < frames; f++) {
        const size_t at = (size_t)f * (size_t)logmel->hop;
        frame_energies(logmel, samples + at, count - at);
        for (int b = 0; b < bands; b++) {
            const double *weight = logmel->weight + (size_t)b * (size_t)logmel->bins;
            double sum = 0;
            for (int k = logmel->first[b]; k <= logmel->last[b]; k++)
                sum += weight[k] * logmel->energy[k];
            out[f * bands + b] = sum;
            loudest = largest(loudest, sum);
        }
    }
    for (int i = 0; i < frames * bands; i++)
        out[i] = weft_log(largest(out[i], QUIETEST * loudest));
}

void logmel_level(double *out, int frames, int bands)
{
    double square = 0;
    for (int b = 0; b < bands; b++) {
        double sum = 0;
        for (int f = 0; f < frames; f++) sum += out[f * bands + b];
        for (int f = 0; f < frames; f++) {
            out[f * bands + b] -= sum / frames;
            square += out[f * bands + b] * out[f * bands + b];
        }
    }
    const double scale = sqrt(square / (frames * bands));
    for (int i = 0; scale > 0 && i < frames * bands; i++) out[i] /= scale;
}
