/* lanes_avx2.h: eight lanes of AVX2 and FMA; lanes.h says what the words mean. */
#include <immintrin.h>
#include <sleef.h>

typedef __m256 vf;
typedef __m256 vm;

enum {
    TILE_ROWS = 6,
    TILE_VECTORS = 2
}; /* 12 sums, 2 of B and 1 of A in 16 registers */
#define TILE_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6)

static inline __m256i v_lanes(int n) /* the sign bit of the first n lanes */
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

// clang-format off
static inline vf v_load(const float *p)          { return _mm256_loadu_ps(p); }
static inline vf v_part(const float *p, int n)   { return _mm256_maskload_ps(p, v_lanes(n)); }
static inline void v_store(float *p, vf v)       { _mm256_storeu_ps(p, v); }
static inline vf v_first(vf v, int n)            { return _mm256_and_ps(v, _mm256_castsi256_ps(v_lanes(n))); }
static inline vf v_set(float x)                  { return _mm256_set1_ps(x); }
static inline vf v_zero(void)                    { return _mm256_setzero_ps(); }
static inline vf v_add(vf a, vf b)               { return _mm256_add_ps(a, b); }
static inline vf v_sub(vf a, vf b)               { return _mm256_sub_ps(a, b); }
static inline vf v_mul(vf a, vf b)               { return _mm256_mul_ps(a, b); }
static inline vf v_div(vf a, vf b)               { return _mm256_div_ps(a, b); }
static inline vf v_sqrt(vf a)                    { return _mm256_sqrt_ps(a); }
static inline vf v_neg(vf a)                     { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f)); }
static inline vf v_abs(vf a)                     { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
static inline vf v_fma(vf a, vf b, vf c)         { return _mm256_fmadd_ps(a, b, c); }
static inline vf v_fnma(vf a, vf b, vf c)        { return _mm256_fnmadd_ps(a, b, c); }
static inline vm v_more(vf a, vf b)              { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
static inline vf v_select(vm m, vf a, vf b)      { return _mm256_blendv_ps(b, a, m); }
static inline vf v_max(vf a, vf b)               { return _mm256_max_ps(a, b); }
static inline vf v_min(vf a, vf b)               { return _mm256_min_ps(a, b); }
static inline vf v_log(vf a)                     { return Sleef_finz_logf8_u10avx2(a); }
static inline vf v_exponent(vf a)                { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a), 23)); }
// clang-format on

static inline float v_sum(vf v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* By halves: a masked store costs tens of cycles on AMD. */
static inline void v_keep(float *p, vf v, int n)
{
    __m128 h = _mm256_castps256_ps128(v);
    if (n >= 8) {
        _mm256_storeu_ps(p, v);
        return;
    }
    if (n & 4) {
        _mm_storeu_ps(p, h);
        h = _mm256_extractf128_ps(v, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)p, h);
        h = _mm_movehl_ps(h, h);
        p += 2;
    }
    if (n & 1) _mm_store_ss(p, h);
}

/* By 2 x 2 and by pairs within halves; then the halves. */
static inline void v_transpose(vf r[8])
{
    vf s[8];
    UNROLL for (int i = 0; i < 8; i += 2)
    {
        s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    UNROLL for (int i = 0; i < 8; i += 4)
    {
        r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        const vf low = r[i], high = r[i + 4];
        r[i] = _mm256_permute2f128_ps(low, high, 0x20);
        r[i + 4] = _mm256_permute2f128_ps(low, high, 0x31);
    }
}
