/* lanes_avx512.h: sixteen lanes of AVX-512 (F, DQ, BW, VL); lanes.h says what the words
 * mean. */
#include <immintrin.h>
#include <sleef.h>

typedef __m512 vf;
typedef __mmask16 vm;

enum {
    TILE_ROWS = 12,
    TILE_VECTORS = 2
}; /* 24 sums, 2 of B and 1 of A in 32 registers */
#define TILE_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)

static inline __mmask16 v_lanes(int n) /* the first n <= 16 */
{
    return (__mmask16)((1u << n) - 1);
}

// clang-format off
static inline vf v_load(const float *p)          { return _mm512_loadu_ps(p); }
static inline vf v_part(const float *p, int n)   { return _mm512_maskz_loadu_ps(v_lanes(n), p); }
static inline void v_store(float *p, vf v)       { _mm512_storeu_ps(p, v); }
static inline void v_keep(float *p, vf v, int n) { _mm512_mask_storeu_ps(p, v_lanes(n), v); }
static inline vf v_first(vf v, int n)            { return _mm512_maskz_mov_ps(v_lanes(n), v); }
static inline vf v_set(float x)                  { return _mm512_set1_ps(x); }
static inline vf v_zero(void)                    { return _mm512_setzero_ps(); }
static inline vf v_add(vf a, vf b)               { return _mm512_add_ps(a, b); }
static inline vf v_sub(vf a, vf b)               { return _mm512_sub_ps(a, b); }
static inline vf v_mul(vf a, vf b)               { return _mm512_mul_ps(a, b); }
static inline vf v_div(vf a, vf b)               { return _mm512_div_ps(a, b); }
static inline vf v_sqrt(vf a)                    { return _mm512_sqrt_ps(a); }
static inline vf v_neg(vf a)                     { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
static inline vf v_abs(vf a)                     { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
static inline vf v_fma(vf a, vf b, vf c)         { return _mm512_fmadd_ps(a, b, c); }
static inline vf v_fnma(vf a, vf b, vf c)        { return _mm512_fnmadd_ps(a, b, c); }
static inline vm v_more(vf a, vf b)              { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
static inline vf v_select(vm m, vf a, vf b)      { return _mm512_mask_blend_ps(m, b, a); }
static inline vf v_max(vf a, vf b)               { return _mm512_max_ps(a, b); }
static inline vf v_min(vf a, vf b)               { return _mm512_min_ps(a, b); }
static inline vf v_log(vf a)                     { return Sleef_finz_logf16_u10avx512f(a); }
static inline vf v_exponent(vf a)                { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a), 23)); }
// clang-format on

static inline float v_sum(vf v)
{
    const __m256 half =
        _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* By 2 x 2 and by pairs within quarters; then the quarters. */
static inline void v_transpose(vf r[16])
{
    vf s[16];
    UNROLL for (int i = 0; i < 16; i += 2)
    {
        s[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    UNROLL for (int i = 0; i < 16; i += 4)
    {
        r[i] = _mm512_shuffle_ps(s[i], s[i + 2], 0x44);
        r[i + 1] = _mm512_shuffle_ps(s[i], s[i + 2], 0xee);
        r[i + 2] = _mm512_shuffle_ps(s[i + 1], s[i + 3], 0x44);
        r[i + 3] = _mm512_shuffle_ps(s[i + 1], s[i + 3], 0xee);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        s[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        s[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        s[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        s[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
    }
    UNROLL for (int i = 0; i < 8; i++)
    {
        r[i] = _mm512_shuffle_f32x4(s[i], s[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(s[i], s[i + 8], 0xdd);
    }
}
