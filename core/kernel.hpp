// What happens to one lattice cell, for any value type: float on a GPU thread, a SIMD vector on a CPU core.
// No standard library and no containers here, so that a run-time compiler takes the same source.
#pragma once

namespace aneuflow {

constexpr int kDirections = 19;

// Rest first, then pairs of opposite directions.
constexpr int kVelocity[kDirections][3] = {{0, 0, 0},  {1, 0, 0},  {-1, 0, 0},  {0, 1, 0},  {0, -1, 0},
                                           {0, 0, 1},  {0, 0, -1}, {1, 1, 0},   {-1, -1, 0}, {1, -1, 0},
                                           {-1, 1, 0}, {1, 0, 1},  {-1, 0, -1}, {1, 0, -1}, {-1, 0, 1},
                                           {0, 1, 1},  {0, -1, -1}, {0, 1, -1}, {0, -1, 1}};

constexpr int opposite(int i) { return i == 0 ? 0 : (i % 2 ? i + 1 : i - 1); }
constexpr float weight(int i) { return i == 0 ? 1.0f / 3.0f : (i < 7 ? 1.0f / 18.0f : 1.0f / 36.0f); }

// Density (as deviation from one), momentum and non-equilibrium stress of a cell. The stress is ordered xx yy zz xy xz yz.
template <class V>
struct Moments {
    V density;
    V momentum[3];
    V stress[6];
};

// Incompressible equilibrium of He and Luo (1997): the reference density multiplies the momentum, so that a steady state has
// an exactly divergence-free velocity and nothing is divided.
template <class V>
inline Moments<V> moments(const V (&f)[kDirections]) {
    V s[10], d[10];
    for (int p = 1; p < 10; ++p) {
        s[p] = f[2 * p - 1] + f[2 * p];
        d[p] = f[2 * p - 1] - f[2 * p];
    }
    Moments<V> m;
    V xx = s[1] + s[4] + s[5] + s[6] + s[7];
    V yy = s[2] + s[4] + s[5] + s[8] + s[9];
    V zz = s[3] + s[6] + s[7] + s[8] + s[9];
    m.density = f[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7] + s[8] + s[9];
    V jx = d[1] + d[4] + d[5] + d[6] + d[7];
    V jy = d[2] + d[4] - d[5] + d[8] + d[9];
    V jz = d[3] + d[6] - d[7] + d[8] - d[9];
    V third = m.density * (1.0f / 3.0f);
    m.momentum[0] = jx;
    m.momentum[1] = jy;
    m.momentum[2] = jz;
    m.stress[0] = xx - third - jx * jx;
    m.stress[1] = yy - third - jy * jy;
    m.stress[2] = zz - third - jz * jz;
    m.stress[3] = s[4] - s[5] - jx * jy;
    m.stress[4] = s[6] - s[7] - jx * jz;
    m.stress[5] = s[8] - s[9] - jy * jz;
    return m;
}

template <class V>
inline void remove_trace(Moments<V>& m) {
    V third = (m.stress[0] + m.stress[1] + m.stress[2]) * (1.0f / 3.0f);
    for (int k = 0; k < 3; ++k) m.stress[k] = m.stress[k] - third;
}

// Square of the norm of the traceless stress, from which a shear-dependent relaxation is looked up.
template <class V>
inline V stress_norm(const Moments<V>& m) {
    const V* n = m.stress;
    return n[0] * n[0] + n[1] * n[1] + n[2] * n[2] + 2.0f * (n[3] * n[3] + n[4] * n[4] + n[5] * n[5]);
}

// Populations after a recursive regularised collision (Malaspinas 2015; the basis reduced to the six third-order moments that
// D3Q19 carries). `keep` = 1 - 1/tau is what stays of the deviatoric stress; its trace and all higher non-equilibrium moments
// are dropped, which damps sound and keeps the scheme stable for tau close to one half.
template <class V, class K>
inline void collide(Moments<V>& m, K keep, V (&f)[kDirections]) {
    remove_trace(m);
    const V jx = m.momentum[0], jy = m.momentum[1], jz = m.momentum[2];
    V n[6], t[6];
    for (int k = 0; k < 6; ++k) n[k] = m.stress[k] * keep;
    t[0] = jx * jx + n[0];
    t[1] = jy * jy + n[1];
    t[2] = jz * jz + n[2];
    t[3] = jx * jy + n[3];
    t[4] = jx * jz + n[4];
    t[5] = jy * jz + n[5];

    const V base = m.density - 1.5f * (t[0] + t[1] + t[2]);
    const V axis = base * (1.0f / 18.0f), diagonal = base * (1.0f / 36.0f);
    V e[10];
    f[0] = base * (1.0f / 3.0f);
    e[1] = axis + 0.25f * t[0];
    e[2] = axis + 0.25f * t[1];
    e[3] = axis + 0.25f * t[2];
    const V xy = diagonal + 0.125f * (t[0] + t[1]), xz = diagonal + 0.125f * (t[0] + t[2]);
    const V yz = diagonal + 0.125f * (t[1] + t[2]);
    e[4] = xy + 0.25f * t[3];
    e[5] = xy - 0.25f * t[3];
    e[6] = xz + 0.25f * t[4];
    e[7] = xz - 0.25f * t[4];
    e[8] = yz + 0.25f * t[5];
    e[9] = yz - 0.25f * t[5];

    // Third-order moments sum(c_a c_b c_b f), halved: the odd parts of the populations follow from them and the momentum.
    const V third = V{} + (1.0f / 3.0f);
    const V xyy = 0.5f * (jx * (third + t[1]) + 2.0f * jy * n[3]), xzz = 0.5f * (jx * (third + t[2]) + 2.0f * jz * n[4]);
    const V yxx = 0.5f * (jy * (third + t[0]) + 2.0f * jx * n[3]), yzz = 0.5f * (jy * (third + t[2]) + 2.0f * jz * n[5]);
    const V zxx = 0.5f * (jz * (third + t[0]) + 2.0f * jx * n[4]), zyy = 0.5f * (jz * (third + t[1]) + 2.0f * jy * n[5]);
    V o[10];
    o[1] = 0.5f * jx - xyy - xzz;
    o[2] = 0.5f * jy - yxx - yzz;
    o[3] = 0.5f * jz - zxx - zyy;
    o[4] = 0.5f * (xyy + yxx);
    o[5] = 0.5f * (xyy - yxx);
    o[6] = 0.5f * (xzz + zxx);
    o[7] = 0.5f * (xzz - zxx);
    o[8] = 0.5f * (yzz + zyy);
    o[9] = 0.5f * (yzz - zyy);
    for (int p = 1; p < 10; ++p) {
        f[2 * p - 1] = e[p] + o[p];
        f[2 * p] = e[p] - o[p];
    }
}

// Deviation of the equilibrium population i from its rest value.
inline float equilibrium(int i, float density, float jx, float jy, float jz) {
    const float cj = kVelocity[i][0] * jx + kVelocity[i][1] * jy + kVelocity[i][2] * jz;
    return weight(i) * (density + 3.0f * cj + 4.5f * cj * cj - 1.5f * (jx * jx + jy * jy + jz * jz));
}

}  // namespace aneuflow
