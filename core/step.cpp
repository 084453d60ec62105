// The collision and streaming of blocks of cells in SIMD; compiled once for each instruction set.
#include <cmath>
#include <cstring>
#include <limits>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "lattice.hpp"

namespace aneuflow {
namespace {

#ifdef ANEUFLOW_WIDE
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif
typedef float Vector __attribute__((vector_size(4 * kLanes)));

inline Vector load(const float* from) {
    Vector v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

inline void store(float* to, const Vector& v) { std::memcpy(to, &v, sizeof v); }

// `v` with the lanes whose bit is set taken from memory; nothing else is read.
inline Vector load_lanes(const float* from, unsigned lanes, const Vector& v) {
#if defined(ANEUFLOW_WIDE)
    return _mm512_mask_loadu_ps(v, static_cast<__mmask16>(lanes), from);
#elif defined(__AVX2__)
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i on = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(lanes)), bit), bit);
    return _mm256_blendv_ps(v, _mm256_maskload_ps(from, on), _mm256_castsi256_ps(on));
#else
    Vector all = v;
    for (int l = 0; l < kLanes; ++l)
        if (lanes >> l & 1u) all[l] = from[l];
    return all;
#endif
}

// Nothing but the lanes whose bit is set is written: what lies between them is other threads'.
inline void store_lanes(float* to, unsigned lanes, const Vector& v) {
#if defined(ANEUFLOW_WIDE)
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>(lanes), v);
#elif defined(__AVX2__)
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i on = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(lanes)), bit), bit);
    _mm256_maskstore_ps(to, on, v);
#else
    for (int l = 0; l < kLanes; ++l)
        if (lanes >> l & 1u) to[l] = v[l];
#endif
}

// The slots of a direction, for the lanes from `lane` of a block on, from its runs.
template <int kEach>
inline Vector gather(const float* f, const Run* run, int each, int lane) {
    if constexpr (kEach == 1) return load(f + run->base + lane);
    Vector v{};
    for (int n = 0; n < each; ++n) v = load_lanes(f + run[n].base + lane, run[n].lanes >> lane, v);
    return v;
}

template <int kEach>
inline void scatter(float* f, const Run* run, int each, int lane, const Vector& v) {
    if constexpr (kEach == 1) return store(f + run->base + lane, v);
    for (int n = 0; n < each; ++n) store_lanes(f + run[n].base + lane, run[n].lanes >> lane, v);
}

inline Vector keep_of(const Relaxation& r, Moments<Vector>& m) {
    remove_trace(m);
    const Vector norm = stress_norm(m);
    alignas(64) float lane[kLanes];
    store(lane, norm);
    for (int l = 0; l < kLanes; ++l) {
        std::int32_t bits;
        std::memcpy(&bits, &lane[l], 4);
        bits -= r.first_bits;
        const int last = ((r.size - 1) << r.shift) - 1;
        bits = bits < 0 ? 0 : (bits > last ? last : bits);
        const int k = bits >> r.shift;
        const float part = static_cast<float>(bits & ((1 << r.shift) - 1)) / static_cast<float>(1 << r.shift);
        lane[l] = r.table[k] + part * (r.table[k + 1] - r.table[k]);
    }
    return load(lane);
}

inline void collide_in_place(const Cells& c, const Relaxation& r, bool momentum, int x, Vector (&f)[kDirections]) {
    Moments<Vector> m = moments(f);
    if (momentum || c.opens[x / kBlock])
        for (int k = 0; k < 3; ++k) store(c.momentum + k * static_cast<std::size_t>(c.stride) + x, m.momentum[k]);
    if (r.table)
        collide(m, keep_of(r, m), r.keep_third, f);
    else
        collide(m, r.keep, r.keep_third, f);
}

// The processor foresees no more than some of a block's 27 rows.
constexpr int kAhead = 4;  // blocks

[[gnu::flatten]] void even(const Cells& c, const Relaxation& r, bool momentum, int first, int end) {
    const std::size_t stride = c.stride;
    for (int x = first * kBlock; x < end * kBlock; x += kLanes) {
        Vector f[kDirections];
        for (int i = 0; i < kDirections; ++i) f[i] = load(c.f + i * stride + x);
        for (int i = 0; i < kDirections; ++i) __builtin_prefetch(c.f + i * stride + x + kAhead * kBlock, 1);
        collide_in_place(c, r, momentum, x, f);
        for (int i = 0; i < kDirections; ++i) store(c.f + opposite(i) * stride + x, f[i]);
    }
}

// kEach: how many runs each direction has, 0 for any number.
template <int kEach>
inline void odd_block(const Cells& c, const Relaxation& r, bool momentum, int block) {
    const Runs& runs = c.runs[block];
    const Run* run = c.run + runs.first;
    const int each = kEach ? kEach : runs.each;
    for (int lane = 0; lane < kBlock; lane += kLanes) {
        const int x = block * kBlock + lane;
        Vector f[kDirections];
        f[0] = load(c.f + x);
        for (int i = 1; i < kDirections; ++i) f[opposite(i)] = gather<kEach>(c.f, run + (i - 1) * each, each, lane);
        collide_in_place(c, r, momentum, x, f);
        store(c.f + x, f[0]);
        for (int i = 1; i < kDirections; ++i) scatter<kEach>(c.f, run + (i - 1) * each, each, lane, f[i]);
    }
}

inline void prefetch(const Cells& c, int block) {
    const Runs& runs = c.runs[block];
    __builtin_prefetch(c.f + block * kBlock, 1);
    for (int i = 1; i < kDirections; ++i) __builtin_prefetch(c.f + c.run[runs.first + (i - 1) * runs.each].base, 1);
}

[[gnu::flatten]] void odd(const Cells& c, const Relaxation& r, bool momentum, int first, int end) {
    for (int block = first; block < end; ++block) {
        if (block + kAhead < end) prefetch(c, block + kAhead);
        switch (c.runs[block].each) {
            case 1:
                odd_block<1>(c, r, momentum, block);
                break;
            case 2:
                odd_block<2>(c, r, momentum, block);
                break;
            case 3:
                odd_block<3>(c, r, momentum, block);
                break;
            default:
                odd_block<0>(c, r, momentum, block);
        }
    }
}

// Where the populations of a block of links lie: left_i(x), which each link replaces, in back[cell], left_i(x - c_i) in
// arrived[at_1], left_opposite(x) in returned[at_back], left_i(x - 2 c_i) in arrived[at_2].
struct Places {
    float* back;
    const float *arrived, *returned;
    const std::int32_t *cell, *at_1, *at_2, *at_back;
};

inline Places places(const Cells& c, const WallLinks& w, bool swapped, int block) {
    const std::size_t stride = c.stride;
    const int i = w.direction[block], start = block * kBlock;
    float *back = c.f + opposite(i) * stride, *ahead = c.f + i * stride;
    const std::int32_t *x0 = w.cell.data() + start, *x1 = w.cell_1.data() + start, *x2 = w.cell_2.data() + start;
    if (swapped) return {back, back, ahead, x0, x1, x2, x0};
    return {back, ahead, back, x0, x0, x1, x1};
}

double walls(const Cells& c, const WallLinks& w, bool swapped, float give_back, int first, int end) {
    double gained = 0.0;
    for (int block = first; block < end; ++block) {
        if (block + 1 < end) {
            const Places next = places(c, w, swapped, block + 1);
            for (int l = 0; l < kBlock; ++l) {
                __builtin_prefetch(next.back + next.cell[l], 1);
                __builtin_prefetch(next.arrived + next.at_1[l]);
                __builtin_prefetch(next.arrived + next.at_2[l]);
                __builtin_prefetch(next.returned + next.at_back[l]);
            }
        }
        const int start = block * kBlock;
        const float given_back = give_back * weight(w.direction[block]);
        const auto [back, arrived, returned, x0, at_1, at_2, at_back] = places(c, w, swapped, block);
        const float *a = w.share[0].data() + start, *b = w.share[1].data() + start, *d = w.share[3].data() + start;
        const float *e = w.share[2].data() + start, *extra = w.offset.data() + start;
        const auto pass = [&](int lanes) {
            float gain = 0.0f;
#pragma omp simd reduction(+ : gain)
            for (int l = 0; l < lanes; ++l) {
                const float left = back[x0[l]];
                const float comes = a[l] * left + b[l] * arrived[at_1[l]] + e[l] * returned[at_back[l]] +
                                    d[l] * arrived[at_2[l]] + extra[l];
                gain += comes - left;
                back[x0[l]] = comes - given_back;
            }
            return gain;
        };
        // The length of a whole block known to the compiler.
        gained += w.lanes[block] == kBlock ? pass(kBlock) : pass(w.lanes[block]);
    }
    return gained;
}

void fit(const Cells& c, WallFits& fits, int first, int end) {
    const std::size_t stride = c.stride;
    for (int k = first; k < end; ++k) {
        const std::int32_t* cell = fits.cell + static_cast<std::size_t>(fits.cells) * k;
        const std::int16_t* weight = fits.weight + static_cast<std::size_t>(kTerms * fits.cells) * k;
        float sum[kTerms][3] = {};
        for (int n = 0; n < fits.cells; ++n)
            for (int t = 0; t < kTerms; ++t)
                for (int a = 0; a < 3; ++a) sum[t][a] += weight[t * fits.cells + n] * c.momentum[a * stride + cell[n]];
        const float* unit = fits.unit + static_cast<std::size_t>(kTerms) * k;
        float* found = fits.found.data() + static_cast<std::size_t>(3 * kTerms) * k;
        for (int t = 0; t < kTerms; ++t)
            for (int a = 0; a < 3; ++a) found[3 * t + a] = unit[t] * sum[t][a];
    }
}

void offsets(const Cells& c, WallLinks& w, const WallFits& fits, int first, int end) {
    const std::size_t stride = c.stride;
    const float *jx = c.momentum, *jy = jx + stride, *jz = jy + stride;
    for (int block = first; block < end; ++block) {
        const int i = w.direction[block];
        const float cx = kVelocity[i][0], cy = kVelocity[i][1], cz = kVelocity[i][2], wi = weight(i);
        const auto quadratic = [=](float u, float v, float s) {
            const float along = cx * u + cy * v + cz * s;
            return 4.5f * along * along - 1.5f * (u * u + v * v + s * s);
        };
        for (int k = block * kBlock; k < block * kBlock + w.lanes[block]; ++k) {
            const std::int32_t x = w.cell[k], y = w.cell_1[k], z = w.cell_2[k];
            const float v0 = w.share[4][k], v1 = w.share[5][k];
            const float beyond = quadratic(v0 * jx[x] + v1 * jx[y], v0 * jy[x] + v1 * jy[y], v0 * jz[x] + v1 * jz[y]);
            const float shared = (w.share[0][k] + w.share[2][k]) * quadratic(jx[x], jy[x], jz[x]) +
                                 w.share[1][k] * quadratic(jx[y], jy[y], jz[y]) +
                                 w.share[3][k] * quadratic(jx[z], jy[z], jz[z]);
            float bent = 0.0f;
            const float* found = fits.found.data() + static_cast<std::size_t>(3 * kTerms) * w.fit[k];
            for (int t = 0; t < kTerms && fits.count; ++t, found += 3)
                bent += w.share[kShares + t][k] * (cx * found[0] + cy * found[1] + cz * found[2]);
            w.offset[k] = wi * (beyond - shared + bent);
        }
    }
}

void fields(const Cells& c, int block, float* out) {
    const std::size_t stride = c.stride;
    for (int lane = 0; lane < kBlock; lane += kLanes, out += kLanes) {
        Vector f[kDirections];
        for (int i = 0; i < kDirections; ++i) f[i] = load(c.f + i * stride + block * kBlock + lane);
        const Moments<Vector> m = moments(f);
        store(out, m.density);
        for (int k = 0; k < 3; ++k) store(out + (1 + k) * kBlock, m.momentum[k]);
        for (int k = 0; k < 6; ++k) store(out + (4 + k) * kBlock, m.stress[k]);
    }
}

}  // namespace

#ifdef ANEUFLOW_WIDE
Step step_wide() { return {even, odd, walls, fit, offsets, fields}; }
#else
Step step_baseline() { return {even, odd, walls, fit, offsets, fields}; }
#endif

}  // namespace aneuflow
