// What happens to one lattice cell, for any value type: float on a GPU thread, a SIMD vector on a CPU core.
// No standard library and no containers here, so that a run-time compiler takes the same source.
#pragma once

namespace aneuflow {

constexpr int kDirections = 27;
constexpr int kPairs = 13;
constexpr int kShares = 6, kTerms = 5;  // of a wall link
constexpr int kWallShares = kShares + kTerms;
constexpr int kRefit = 20;  // steps between two fits of the velocity beside the wall; even

// Rest first, then pairs of opposite directions.
constexpr int kVelocity[kDirections][3] = {
    {0, 0, 0},  {1, 0, 0},  {-1, 0, 0},   {0, 1, 0},   {0, -1, 0},  {0, 0, 1},  {0, 0, -1},  {1, 1, 0},   {-1, -1, 0},
    {1, -1, 0}, {-1, 1, 0}, {1, 0, 1},    {-1, 0, -1}, {1, 0, -1},  {-1, 0, 1}, {0, 1, 1},   {0, -1, -1}, {0, 1, -1},
    {0, -1, 1}, {1, 1, 1},  {-1, -1, -1}, {1, 1, -1},  {-1, -1, 1}, {1, -1, 1}, {-1, 1, -1}, {1, -1, -1}, {-1, 1, 1}};

constexpr int opposite(int i) { return i == 0 ? 0 : (i % 2 ? i + 1 : i - 1); }
constexpr float weight(int i) {
    return i == 0 ? 8.0f / 27.0f : (i < 7 ? 2.0f / 27.0f : (i < 19 ? 1.0f / 54.0f : 1.0f / 216.0f));
}

// Density (as deviation from one), momentum, non-equilibrium stress (xx yy zz xy xz yz) and third-order Hermite moments
// (xyy xzz yxx yzz zxx zyy xyz) of a cell.
template <class V>
struct Moments {
    V density;
    V momentum[3];
    V stress[6];
    V third[7];
};

// Incompressible equilibrium of He and Luo (1997): the reference density multiplies the momentum, so that a steady
// state has an exactly divergence-free velocity and nothing is divided.
template <class V>
inline Moments<V> moments(const V (&f)[kDirections]) {
    V s[kPairs + 1], d[kPairs + 1];
    for (int p = 1; p <= kPairs; ++p) {
        s[p] = f[2 * p - 1] + f[2 * p];
        d[p] = f[2 * p - 1] - f[2 * p];
    }
    Moments<V> m;
    const V corners = (s[10] + s[11]) + (s[12] + s[13]);
    const V xx = s[1] + (s[4] + s[5]) + (s[6] + s[7]) + corners;
    const V yy = s[2] + (s[4] + s[5]) + (s[8] + s[9]) + corners;
    const V zz = s[3] + (s[6] + s[7]) + (s[8] + s[9]) + corners;
    m.density = f[0] + (s[1] + s[2] + s[3]) + (s[4] + s[5]) + (s[6] + s[7]) + (s[8] + s[9]) + corners;
    const V jx = d[1] + (d[4] + d[5]) + (d[6] + d[7]) + (d[10] + d[11]) + (d[12] + d[13]);
    const V jy = d[2] + (d[4] - d[5]) + (d[8] + d[9]) + (d[10] + d[11]) - (d[12] + d[13]);
    const V jz = d[3] + (d[6] - d[7]) + (d[8] - d[9]) + (d[10] - d[11]) + (d[12] - d[13]);
    const V third = m.density * (1.0f / 3.0f);
    m.momentum[0] = jx;
    m.momentum[1] = jy;
    m.momentum[2] = jz;
    m.stress[0] = xx - third - jx * jx;
    m.stress[1] = yy - third - jy * jy;
    m.stress[2] = zz - third - jz * jz;
    m.stress[3] = s[4] - s[5] + (s[10] + s[11]) - (s[12] + s[13]) - jx * jy;
    m.stress[4] = s[6] - s[7] + (s[10] - s[11]) + (s[12] - s[13]) - jx * jz;
    m.stress[5] = s[8] - s[9] + (s[10] - s[11]) - (s[12] - s[13]) - jy * jz;
    const V x = (d[10] + d[11]) + (d[12] + d[13]) - (1.0f / 3.0f) * jx;
    const V y = (d[10] + d[11]) - (d[12] + d[13]) - (1.0f / 3.0f) * jy;
    const V z = (d[10] - d[11]) + (d[12] - d[13]) - (1.0f / 3.0f) * jz;
    m.third[0] = d[4] + d[5] + x;
    m.third[1] = d[6] + d[7] + x;
    m.third[2] = d[4] - d[5] + y;
    m.third[3] = d[8] + d[9] + y;
    m.third[4] = d[6] - d[7] + z;
    m.third[5] = d[8] - d[9] + z;
    m.third[6] = (d[10] - d[11]) - (d[12] - d[13]);
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

// Populations after a recursive regularised collision (Malaspinas 2015, Coreixas et al. 2017) to third order in Hermite
// moments. `keep` = 1 - 1/tau is what stays of the deviatoric stress, `keep_third` what stays of the third-order
// moments beyond those that follow from velocity and stress. The stress' trace and all higher non-equilibrium moments
// are dropped, which damps sound and keeps the scheme stable for tau close to one half. The populations follow from the
// 27 raw moments sum(c_x^a c_y^b c_z^c f), written below with the letters counting the powers.
template <class V, class K>
inline void collide(Moments<V>& m, K keep, float keep_third, V (&f)[kDirections]) {
    remove_trace(m);
    const V jx = m.momentum[0], jy = m.momentum[1], jz = m.momentum[2];
    V n[6];
    for (int k = 0; k < 6; ++k) n[k] = m.stress[k] * keep;
    const V xx = jx * jx, yy = jy * jy, zz = jz * jz;
    const V txx = xx + n[0], tyy = yy + n[1], tzz = zz + n[2];
    const V txy = jx * jy + n[3], txz = jx * jz + n[4], tyz = jy * jz + n[5];
    constexpr float kThird = 1.0f / 3.0f, kNinth = 1.0f / 9.0f;

    const V pressure = m.density * kThird, trace = txx + tyy + tzz;
    const V xxyy = kThird * (pressure + txx + tyy), xxzz = kThird * (pressure + txx + tzz);
    const V yyzz = kThird * (pressure + tyy + tzz), xxyyzz = kNinth * (pressure + trace);
    const V xyzz = kThird * txy, xyyz = kThird * txz, xxyz = kThird * tyz;
    V s[kPairs + 1];
    f[0] = (xxyy + xxzz) + (yyzz - trace) - xxyyzz;
    s[1] = pressure + txx - (xxyy + xxzz) + xxyyzz;
    s[2] = pressure + tyy - (xxyy + yyzz) + xxyyzz;
    s[3] = pressure + tzz - (xxzz + yyzz) + xxyyzz;
    s[4] = 0.5f * ((xxyy - xxyyzz) + (txy - xyzz));
    s[5] = 0.5f * ((xxyy - xxyyzz) - (txy - xyzz));
    s[6] = 0.5f * ((xxzz - xxyyzz) + (txz - xyyz));
    s[7] = 0.5f * ((xxzz - xxyyzz) - (txz - xyyz));
    s[8] = 0.5f * ((yyzz - xxyyzz) + (tyz - xxyz));
    s[9] = 0.5f * ((yyzz - xxyyzz) - (tyz - xxyz));
    s[10] = 0.25f * ((xxyyzz + xyzz) + (xyyz + xxyz));
    s[11] = 0.25f * ((xxyyzz + xyzz) - (xyyz + xxyz));
    s[12] = 0.25f * ((xxyyzz - xyzz) + (xyyz - xxyz));
    s[13] = 0.25f * ((xxyyzz - xyzz) - (xyyz - xxyz));

    const K stay = keep - keep_third;
    const float loose = 1.0f - keep_third;
    V r[6];
    for (int k = 0; k < 6; ++k) r[k] = m.stress[k] * stay;
    const V rxx = loose * xx + r[0], ryy = loose * yy + r[1], rzz = loose * zz + r[2];
    const V axyy = jx * ryy + 2.0f * jy * r[3] + keep_third * m.third[0];
    const V axzz = jx * rzz + 2.0f * jz * r[4] + keep_third * m.third[1];
    const V ayxx = jy * rxx + 2.0f * jx * r[3] + keep_third * m.third[2];
    const V ayzz = jy * rzz + 2.0f * jz * r[5] + keep_third * m.third[3];
    const V azxx = jz * rxx + 2.0f * jx * r[4] + keep_third * m.third[4];
    const V azyy = jz * ryy + 2.0f * jy * r[5] + keep_third * m.third[5];
    const V xyz = jx * (loose * jy * jz + r[5]) + jy * r[4] + jz * r[3] + keep_third * m.third[6];
    const V xyyzz = kNinth * jx + kThird * (axyy + axzz), xxyzz = kNinth * jy + kThird * (ayxx + ayzz);
    const V xxyyz = kNinth * jz + kThird * (azxx + azyy);
    const V xyy = kThird * jx + axyy - xyyzz, xzz = kThird * jx + axzz - xyyzz;
    const V yxx = kThird * jy + ayxx - xxyzz, yzz = kThird * jy + ayzz - xxyzz;
    const V zxx = kThird * jz + azxx - xxyyz, zyy = kThird * jz + azyy - xxyyz;
    V d[kPairs + 1];
    d[1] = jx - xyy - xzz - xyyzz;
    d[2] = jy - yxx - yzz - xxyzz;
    d[3] = jz - zxx - zyy - xxyyz;
    d[4] = 0.5f * (xyy + yxx);
    d[5] = 0.5f * (xyy - yxx);
    d[6] = 0.5f * (xzz + zxx);
    d[7] = 0.5f * (xzz - zxx);
    d[8] = 0.5f * (yzz + zyy);
    d[9] = 0.5f * (yzz - zyy);
    d[10] = 0.25f * ((xyyzz + xxyzz) + (xxyyz + xyz));
    d[11] = 0.25f * ((xyyzz + xxyzz) - (xxyyz + xyz));
    d[12] = 0.25f * ((xyyzz - xxyzz) + (xxyyz - xyz));
    d[13] = 0.25f * ((xyyzz - xxyzz) - (xxyyz - xyz));
    for (int p = 1; p <= kPairs; ++p) {
        f[2 * p - 1] = 0.5f * (s[p] + d[p]);
        f[2 * p] = 0.5f * (s[p] - d[p]);
    }
}

// Of anti-bounce-back at outlets. Held whole, it lets single cells run away where a jet leaves a vessel; this part of
// it does not.
constexpr float kEven = 0.8f;

// Deviation of the equilibrium population i from its rest value.
inline float equilibrium(int i, float density, float jx, float jy, float jz) {
    const float cj = kVelocity[i][0] * jx + kVelocity[i][1] * jy + kVelocity[i][2] * jz;
    return weight(i) * (density + 3.0f * cj + 4.5f * cj * cj - 1.5f * (jx * jx + jy * jy + jz * jz));
}

}  // namespace aneuflow
