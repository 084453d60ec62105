// The passes of a step for a GPU: what step.cpp and lattice.cpp do on a CPU, one thread for each cell or link. A
// run-time compiler takes it behind kernel.hpp, without headers; a C++ compiler too, as plain loops, which is how it is
// tested where there is no GPU.

namespace aneuflow {

#ifdef __CUDACC_RTC__
#define KERNEL(name, ...) extern "C" __global__ void name(__VA_ARGS__)
#define EACH(k, count) for (int k = blockIdx.x * blockDim.x + threadIdx.x; k < (count); k += gridDim.x * blockDim.x)
inline int bits_of(float value) { return __float_as_int(value); }
#else
#define KERNEL(name, ...) extern "C" void name(__VA_ARGS__)
#define EACH(k, count) for (int k = 0; k < (count); ++k)
inline int bits_of(float value) {
    int bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}
#endif

// What a collision keeps of the stress: `keep`, or looked up in `table` (see Relaxation in lattice.hpp).
inline float keep_of(Moments<float>& m, float keep, const float* table, int size, int first_bits, int shift) {
    if (!table) return keep;
    remove_trace(m);
    const int last = ((size - 1) << shift) - 1, found = bits_of(stress_norm(m)) - first_bits;
    const int bits = found < 0 ? 0 : (found > last ? last : found), k = bits >> shift;
    const float part = static_cast<float>(bits & ((1 << shift) - 1)) / static_cast<float>(1 << shift);
    return table[k] + part * (table[k + 1] - table[k]);
}

inline void collide_cell(float (&p)[kDirections], float* momentum, int stride, int x, float keep, float keep_third,
                         const float* table, int size, int first_bits, int shift) {
    Moments<float> m = moments(p);
    for (int a = 0; a < 3; ++a) momentum[a * stride + x] = m.momentum[a];
    collide(m, keep_of(m, keep, table, size, first_bits, shift), keep_third, p);
}

KERNEL(even, float* f, float* momentum, int stride, int count, float keep, float keep_third, const float* table,
       int size, int first_bits, int shift) {
    EACH(x, count) {
        float p[kDirections];
        for (int i = 0; i < kDirections; ++i) p[i] = f[i * stride + x];
        collide_cell(p, momentum, stride, x, keep, keep_third, table, size, first_bits, shift);
        for (int i = 0; i < kDirections; ++i) f[opposite(i) * stride + x] = p[i];
    }
}

KERNEL(odd, float* f, float* momentum, int stride, int count, float keep, float keep_third, const float* table,
       int size, int first_bits, int shift, const int* slot) {
    EACH(x, count) {
        float p[kDirections];
        p[0] = f[x];
        for (int i = 1; i < kDirections; ++i) p[opposite(i)] = f[slot[(i - 1) * stride + x]];
        collide_cell(p, momentum, stride, x, keep, keep_third, table, size, first_bits, shift);
        f[x] = p[0];
        for (int i = 1; i < kDirections; ++i) f[slot[(i - 1) * stride + x]] = p[i];
    }
}

// The coefficients `found` (count, kTerms, 3) of WallFits from the momentum.
KERNEL(fit, const float* momentum, int stride, int count, int cells, const int* cell, const float* weight,
       float* found) {
    EACH(k, count) {
        for (int t = 0; t < kTerms; ++t)
            for (int a = 0; a < 3; ++a) {
                float sum = 0.0f;
                for (int n = 0; n < cells; ++n)
                    sum += weight[(k * kTerms + t) * cells + n] * momentum[a * stride + cell[k * cells + n]];
                found[(k * kTerms + t) * 3 + a] = sum;
            }
    }
}

// `links` with the padding of WallLinks, whose `block` cells share a direction; share (kWallShares, links).
KERNEL(offsets, const float* momentum, int stride, int links, int block, const int* direction, const int* cell,
       const int* cell_1, const int* cell_2, const float* share, int fits, const int* fit, const float* found,
       float* offset) {
    const float *jx = momentum, *jy = jx + stride, *jz = jy + stride;
    EACH(k, links) {
        const int i = direction[k / block], x = cell[k], y = cell_1[k], z = cell_2[k];
        const float cx = kVelocity[i][0], cy = kVelocity[i][1], cz = kVelocity[i][2];
        const auto quadratic = [=](float u, float v, float s) {
            const float along = cx * u + cy * v + cz * s;
            return 4.5f * along * along - 1.5f * (u * u + v * v + s * s);
        };
        const float a = share[k], b = share[links + k], c = share[2 * links + k], d = share[3 * links + k];
        const float v0 = share[4 * links + k], v1 = share[5 * links + k];
        const float beyond = quadratic(v0 * jx[x] + v1 * jx[y], v0 * jy[x] + v1 * jy[y], v0 * jz[x] + v1 * jz[y]);
        const float shared = (a + c) * quadratic(jx[x], jy[x], jz[x]) + b * quadratic(jx[y], jy[y], jz[y]) +
                             d * quadratic(jx[z], jy[z], jz[z]);
        float bent = 0.0f;
        for (int t = 0; t < kTerms && fits; ++t) {
            const float* at = found + (fit[k] * kTerms + t) * 3;
            bent += share[(kShares + t) * links + k] * (cx * at[0] + cy * at[1] + cz * at[2]);
        }
        offset[k] = weight(i) * (beyond - shared + bent);
    }
}

// gain (links,) is what each link adds to the mass, zero in the padding.
KERNEL(walls, float* f, int stride, int links, int block, const int* direction, const int* lanes, const int* cell,
       const int* cell_1, const int* cell_2, const float* share, const float* offset, int swapped, float give_back,
       float* gain) {
    EACH(k, links) {
        gain[k] = 0.0f;
        if (k % block >= lanes[k / block]) continue;
        const int i = direction[k / block], x = cell[k], y = cell_1[k], z = cell_2[k];
        const float a = share[k], b = share[links + k], c = share[2 * links + k], d = share[3 * links + k];
        float *back = f + opposite(i) * stride, *ahead = f + i * stride;
        const float *arrived = swapped ? back : ahead, *returned = swapped ? ahead : back;
        const float left = back[x];
        const float comes = a * left + b * arrived[swapped ? y : x] + c * returned[swapped ? x : y] +
                            d * arrived[swapped ? z : y] + offset[k];
        gain[k] = comes - left;
        back[x] = comes - give_back * weight(i);
    }
}

KERNEL(inlet, float* f, int links, const int* back, const float* first, const float* second, float part, float scale) {
    EACH(k, links) f[back[k]] += scale * (first[k] + part * (second[k] - first[k]));
}

// The momentum of cell x without what of it goes against the normal; gives its part along the normal.
inline float outward_momentum(const float* momentum, int stride, int x, float nx, float ny, float nz, float (&j)[3]) {
    for (int a = 0; a < 3; ++a) j[a] = momentum[a * stride + x];
    const float outward = j[0] * nx + j[1] * ny + j[2] * nz, inward = outward < 0.0f ? outward : 0.0f;
    j[0] -= inward * nx;
    j[1] -= inward * ny;
    j[2] -= inward * nz;
    return outward;
}

// Blood that leaves through an inlet, as Lattice::let_out; `spread` then shares out what it lacks.
KERNEL(let_out, float* f, const float* momentum, int stride, int links, const int* back, float nx, float ny, float nz,
       float* came) {
    EACH(k, links) {
        float j[3];
        outward_momentum(momentum, stride, back[k] % stride, nx, ny, nz, j);
        const float value = equilibrium(back[k] / stride, 0.0f, j[0], j[1], j[2]);
        came[k] = value - f[back[k]];
        f[back[k]] = value;
    }
}

KERNEL(spread, float* f, int stride, int links, const int* back, float lacking) {
    EACH(k, links) f[back[k]] += lacking * weight(back[k] / stride);
}

KERNEL(outlet, float* f, const float* momentum, int stride, int links, const int* cell, const int* direction, float nx,
       float ny, float nz, float density, float* left) {
    EACH(k, links) {
        const int x = cell[k], i = direction[k], back = opposite(i);
        float j[3];
        const float outward = outward_momentum(momentum, stride, x, nx, ny, nz, j);
        float& slot = f[back * stride + x];
        float value = equilibrium(back, density, j[0], j[1], j[2]);
        if (outward > 0.0f) value += kEven * (equilibrium(i, density, j[0], j[1], j[2]) - slot);
        left[k] = slot - value;
        slot = value;
    }
}

// Row `row` of parts (rows, count_of_parts): sums of every count_of_parts-th value; the same on every run.
KERNEL(sum, const float* values, int count, double* parts, int row, int count_of_parts) {
    EACH(t, count_of_parts) {
        double total = 0.0;
        for (int k = t; k < count; k += count_of_parts) total += values[k];
        parts[row * count_of_parts + t] = total;
    }
}

KERNEL(fields, const float* f, int stride, int count, float* out) {
    EACH(x, count) {
        float p[kDirections];
        for (int i = 0; i < kDirections; ++i) p[i] = f[i * stride + x];
        const Moments<float> m = moments(p);
        out[x] = m.density;
        for (int a = 0; a < 3; ++a) out[(1 + a) * count + x] = m.momentum[a];
        for (int a = 0; a < 6; ++a) out[(4 + a) * count + x] = m.stress[a];
    }
}

}  // namespace aneuflow
