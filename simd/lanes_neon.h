/* lanes_neon.h: four lanes of AArch64's NEON; lanes.h says what the words mean. */
#include <arm_neon.h>
#include <sleef.h>

typedef float32x4_t vf;
typedef uint32x4_t vm;

enum { TILE_ROWS = 8, TILE_VECTORS = 2 }; /* 16 sums; A is read by single numbers */
#define TILE_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)

static inline vm v_lanes(int n) /* the first n */
{
    static const int32_t lane[4] = {0, 1, 2, 3};
    return vcgtq_s32(vdupq_n_s32(n), vld1q_s32(lane));
}

static inline vf v_part(const float *p, int n)
{
    float part[4] = {0, 0, 0, 0};
    for (int i = 0; i < n; i++) part[i] = p[i];
    return vld1q_f32(part);
}

static inline void v_keep(float *p, float32x4_t v, int n)
{
    if (n >= 4)
        vst1q_f32(p, v);
    else {
        if (n > 0) p[0] = vgetq_lane_f32(v, 0);
        if (n > 1) p[1] = vgetq_lane_f32(v, 1);
        if (n > 2) p[2] = vgetq_lane_f32(v, 2);
    }
}

/* The greater of x and x: x, flushed. */
static inline vf v_flush(vf x)
{
    return vmaxq_f32(x, x);
}

// clang-format off
static inline vf v_load(const float *p)          { return vld1q_f32(p); }
static inline void v_store(float *p, vf v)       { vst1q_f32(p, v); }
static inline vf v_first(vf v, int n)            { return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), v_lanes(n))); }
static inline vf v_set(float x)                  { return vdupq_n_f32(x); }
static inline vf v_zero(void)                    { return vdupq_n_f32(0); }
static inline vf v_add(vf a, vf b)               { return vaddq_f32(a, b); }
static inline vf v_sub(vf a, vf b)               { return vsubq_f32(a, b); }
static inline vf v_mul(vf a, vf b)               { return vmulq_f32(a, b); }
static inline vf v_div(vf a, vf b)               { return vdivq_f32(a, b); }
static inline vf v_sqrt(vf a)                    { return vsqrtq_f32(a); }
static inline vf v_neg(vf a)                     { return vnegq_f32(a); }
static inline vf v_abs(vf a)                     { return vabsq_f32(a); }
static inline vf v_fma(vf a, vf b, vf c)         { return vfmaq_f32(c, a, b); }
static inline vf v_fnma(vf a, vf b, vf c)        { return vfmsq_f32(c, a, b); }
static inline vm v_more(vf a, vf b)              { return vcgtq_f32(a, b); }
static inline vf v_select(vm m, vf a, vf b)      { return vbslq_f32(m, a, b); }
static inline vf v_max(vf a, vf b)               { return v_flush(v_select(v_more(a, b), a, b)); }
static inline vf v_min(vf a, vf b)               { return v_flush(v_select(v_more(b, a), a, b)); }
static inline vf v_log(vf a)                     { return Sleef_finz_logf4_u10advsimd(a); }
static inline vf v_exponent(vf a)                { return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(a), 23)); }
// clang-format on

static inline float v_sum(vf v)
{
    const float32x2_t s = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(s, 0) + vget_lane_f32(s, 1);
}

static inline void v_transpose(vf r[4])
{
    const float32x4x2_t s = vtrnq_f32(r[0], r[1]), t = vtrnq_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(s.val[0]), vget_low_f32(t.val[0]));
    r[1] = vcombine_f32(vget_low_f32(s.val[1]), vget_low_f32(t.val[1]));
    r[2] = vcombine_f32(vget_high_f32(s.val[0]), vget_high_f32(t.val[0]));
    r[3] = vcombine_f32(vget_high_f32(s.val[1]), vget_high_f32(t.val[1]));
}
