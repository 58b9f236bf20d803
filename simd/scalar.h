/* scalar.h: double mathematics and random numbers with the same bits on every machine.
 * Not per instruction set. Usable before isa_select. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* SLEEF's finz_ functions (scalar FMA); on a CPU without FMA cinz_ ones, whose last bits
 * may be others. */
double scalar_exp(double x);
double scalar_log(double x);
double scalar_sin(double x);
double scalar_cos(double x);
double scalar_tanh(double x);
double scalar_pow(double x, double y);
double scalar_log1p(double x);
double scalar_expm1(double x);

float scalar_logf(float x); /* the same for float, as the one-lane kernels use it */

bool scalar_fma(void); /* the CPU has FMA */

/* Philox 4x32-10 (Salmon et al. 2011): key = seed, counter = (index / 4, stream);
 * bits(...) is word index % 4 of the block. */
void random_block(uint64_t seed, uint64_t stream, uint64_t block, uint32_t word[4]);
uint32_t random_bits(uint64_t seed, uint64_t stream, uint64_t index);
float random_uniform(uint64_t seed, uint64_t stream,
                     uint64_t index); /* [0,1), 24 bits */
double random_uniform53(uint64_t seed, uint64_t stream,
                        uint64_t index); /* [0,1), 53 bits of
                        the words 2 index, 2 index + 1 */
/* Box-Muller of the uniform53 numbers 2 index, 2 index + 1 */
double random_normal(uint64_t seed, uint64_t stream, uint64_t index);
uint32_t random_below(uint64_t seed, uint64_t stream, uint64_t index, uint32_t below);
