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
        collide(m, keep_of(r, m), f);
    else
        collide(m, r.keep, f);
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
Step step_wide() { return {even, odd, fields}; }
#else
Step step_baseline() { return {even, odd, fields}; }
#endif

}  // namespace aneuflow
