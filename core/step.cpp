// The collision and streaming of blocks of cells in SIMD; compiled once for each instruction set.
#include <cmath>
#include <cstring>
#include <limits>

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

inline Vector gather(const float* f, const std::int32_t* slot) {
    alignas(64) float lane[kLanes];
#pragma omp simd
    for (int l = 0; l < kLanes; ++l) lane[l] = f[slot[l]];
    return load(lane);
}

inline void scatter(float* f, const std::int32_t* slot, const Vector& v) {
    alignas(64) float lane[kLanes];
    store(lane, v);
#pragma omp simd
    for (int l = 0; l < kLanes; ++l) f[slot[l]] = lane[l];
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

inline void collide_in_place(const Cells& c, const Relaxation& r, int x, Vector (&f)[kDirections]) {
    Moments<Vector> m = moments(f);
    for (int k = 0; k < 3; ++k) store(c.momentum + k * static_cast<std::size_t>(c.stride) + x, m.momentum[k]);
    if (r.table)
        collide(m, keep_of(r, m), r.keep_third, f);
    else
        collide(m, r.keep, r.keep_third, f);
}

void even(const Cells& c, const Relaxation& r, int first, int end) {
    const std::size_t stride = c.stride;
    for (int x = first * kBlock; x < end * kBlock; x += kLanes) {
        Vector f[kDirections];
        for (int i = 0; i < kDirections; ++i) f[i] = load(c.f + i * stride + x);
        collide_in_place(c, r, x, f);
        for (int i = 0; i < kDirections; ++i) store(c.f + opposite(i) * stride + x, f[i]);
    }
}

void odd(const Cells& c, const Relaxation& r, int first, int end) {
    const std::size_t stride = c.stride;
    for (int x = first * kBlock; x < end * kBlock; x += kLanes) {
        const std::uint32_t dense = c.dense[x / kBlock];
        Vector f[kDirections];
        f[0] = load(c.f + x);
        for (int i = 1; i < kDirections; ++i) {
            const std::int32_t* slot = c.slot + (i - 1) * stride + x;
            f[opposite(i)] = (dense >> (i - 1)) & 1u ? load(c.f + *slot) : gather(c.f, slot);
        }
        collide_in_place(c, r, x, f);
        store(c.f + x, f[0]);
        for (int i = 1; i < kDirections; ++i) {
            const std::int32_t* slot = c.slot + (i - 1) * stride + x;
            if ((dense >> (i - 1)) & 1u)
                store(c.f + *slot, f[i]);
            else
                scatter(c.f, slot, f[i]);
        }
    }
}

double walls(const Cells& c, const WallLinks& w, bool swapped, float give_back, int first, int end) {
    const std::size_t stride = c.stride;
    const float *jx = c.momentum, *jy = jx + stride, *jz = jy + stride;
    double gained = 0.0;
    for (int block = first; block < end; ++block) {
        const int i = w.direction[block], start = block * kBlock;
        const float cx = kVelocity[i][0], cy = kVelocity[i][1], cz = kVelocity[i][2], wi = weight(i);
        float *back = c.f + opposite(i) * stride, *ahead = c.f + i * stride;
        // Where left_i(x - c), left_opposite(x) and left_i(x - 2 c) lie.
        const float *arrived = swapped ? back : ahead, *returned = swapped ? ahead : back;
        const std::int32_t *x0 = w.cell.data() + start, *x1 = w.cell_1.data() + start, *x2 = w.cell_2.data() + start;
        const std::int32_t *at_1 = swapped ? x1 : x0, *at_2 = swapped ? x2 : x1, *at_back = swapped ? x0 : x1;
        const float *a = w.share[0].data() + start, *b = w.share[1].data() + start, *d = w.share[3].data() + start;
        const float* extra = w.offset.data() + start;
        const float *e = w.share[2].data() + start, *v0 = w.share[4].data() + start, *v1 = w.share[5].data() + start;
        const auto pass = [&](int lanes) {
            float gain = 0.0f;
#pragma omp simd reduction(+ : gain)
            for (int l = 0; l < lanes; ++l) {
                const auto quadratic = [=](float x, float y, float z) {
                    const float along = cx * x + cy * y + cz * z;
                    return 4.5f * along * along - 1.5f * (x * x + y * y + z * z);
                };
                const std::int32_t x = x0[l], y = x1[l], z = x2[l];
                const float beyond = quadratic(v0[l] * jx[x] + v1[l] * jx[y], v0[l] * jy[x] + v1[l] * jy[y],
                                               v0[l] * jz[x] + v1[l] * jz[y]);
                const float shared = (a[l] + e[l]) * quadratic(jx[x], jy[x], jz[x]) +
                                     b[l] * quadratic(jx[y], jy[y], jz[y]) + d[l] * quadratic(jx[z], jy[z], jz[z]);
                const float left = back[x];
                const float comes = a[l] * left + b[l] * arrived[at_1[l]] + e[l] * returned[at_back[l]] +
                                    d[l] * arrived[at_2[l]] + wi * (beyond - shared + extra[l]);
                gain += comes - left;
                back[x] = comes - give_back * wi;
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
        const std::int32_t* cell = fits.cell.data() + static_cast<std::size_t>(fits.cells) * k;
        const float* weight = fits.weight.data() + static_cast<std::size_t>(kTerms * fits.cells) * k;
        float sum[kTerms][3] = {};
        for (int n = 0; n < fits.cells; ++n)
            for (int t = 0; t < kTerms; ++t)
                for (int a = 0; a < 3; ++a) sum[t][a] += weight[t * fits.cells + n] * c.momentum[a * stride + cell[n]];
        std::memcpy(fits.found.data() + static_cast<std::size_t>(3 * kTerms) * k, sum, sizeof sum);
    }
}

void offsets(WallLinks& w, const WallFits& fits, int first, int end) {
    for (int block = first; block < end; ++block) {
        const int* along = kVelocity[w.direction[block]];
        for (int k = block * kBlock; k < block * kBlock + w.lanes[block]; ++k) {
            const float* found = fits.found.data() + static_cast<std::size_t>(3 * kTerms) * w.fit[k];
            float sum = 0.0f;
            for (int t = 0; t < kTerms; ++t)
                sum += w.share[kShares + t][k] *
                       (along[0] * found[3 * t] + along[1] * found[3 * t + 1] + along[2] * found[3 * t + 2]);
            w.offset[k] = sum;
        }
    }
}

void fields(const Cells& c, int first, int end, float* out) {
    const std::size_t stride = c.stride;
    for (int x = first * kBlock; x < end * kBlock; x += kLanes) {
        Vector f[kDirections];
        for (int i = 0; i < kDirections; ++i) f[i] = load(c.f + i * stride + x);
        const Moments<Vector> m = moments(f);
        store(out + x, m.density);
        for (int k = 0; k < 3; ++k) store(out + (1 + k) * stride + x, m.momentum[k]);
        for (int k = 0; k < 6; ++k) store(out + (4 + k) * stride + x, m.stress[k]);
    }
}

}  // namespace

#ifdef ANEUFLOW_WIDE
Step step_wide() { return {even, odd, walls, fit, offsets, fields}; }
#else
Step step_baseline() { return {even, odd, walls, fit, offsets, fields}; }
#endif

}  // namespace aneuflow
