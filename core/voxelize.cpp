// From a closed triangle surface to lattice cells and the exact distances along their links.
//
// A lattice line of direction c is fixed by two integers, the coordinates b and d less c_b x_a and c_d x_a, where a is
// the first axis along which c moves. So each triangle is drawn, for each of the thirteen axes of the lattice, as a
// picture in these two integers: every pixel centre covered is a crossing, and its x_a, interpolated over the triangle,
// is where it lies.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <queue>

#include "lattice.hpp"

namespace aneuflow {
namespace {

struct Hit {
    int b, d;      // the lattice line
    double along;  // x_a
    int triangle;
    bool leaving;  // the surface's normal points along the line
};

struct Axis {
    int direction, a, b, d;
};

Axis axis_of(int pair) {
    const int direction = 2 * pair - 1, a = kVelocity[direction][0] ? 0 : (kVelocity[direction][1] ? 1 : 2);
    return {direction, a, (a + 1) % 3, (a + 2) % 3};
}

struct Corner {
    double b, d, a;
    int id;
};

// Twice the signed area of (p, q, centre), computed the same way from both sides of an edge so that a centre on it
// belongs to exactly one of the two triangles.
double edge(const Corner& p, const Corner& q, double b, double d) {
    const bool turned = p.id > q.id;
    const Corner &s = turned ? q : p, &e = turned ? p : q;
    const double area = (e.b - s.b) * (d - s.d) - (e.d - s.d) * (b - s.b);
    return turned ? -area : area;
}

bool inside_edge(const Corner& p, const Corner& q, double value) {
    return value > 0.0 || (value == 0.0 && p.id < q.id);
}

void draw(const Corner (&corner)[3], int triangle, std::vector<Hit>& hits) {
    Corner p = corner[0], q = corner[1], r = corner[2];
    double area = (q.b - p.b) * (r.d - p.d) - (q.d - p.d) * (r.b - p.b);
    if (area == 0.0) return;
    const bool leaving = area > 0.0;
    if (!leaving) std::swap(q, r);
    const int b0 = static_cast<int>(std::ceil(std::min({p.b, q.b, r.b}))),
              b1 = static_cast<int>(std::floor(std::max({p.b, q.b, r.b})));
    const int d0 = static_cast<int>(std::ceil(std::min({p.d, q.d, r.d}))),
              d1 = static_cast<int>(std::floor(std::max({p.d, q.d, r.d})));
    for (int d = d0; d <= d1; ++d)
        for (int b = b0; b <= b1; ++b) {
            const double wr = edge(p, q, b, d), wp = edge(q, r, b, d), wq = edge(r, p, b, d);
            if (inside_edge(p, q, wr) && inside_edge(q, r, wp) && inside_edge(r, p, wq))
                hits.push_back({b, d, (wp * p.a + wq * q.a + wr * r.a) / (wp + wq + wr), triangle, leaving});
        }
}

std::vector<Hit> crossings_along(const Axis& axis, const double* point, int triangles, const std::int32_t* triangle) {
    const int* c = kVelocity[axis.direction];
    std::vector<Hit> hits;
    for (int t = 0; t < triangles; ++t) {
        Corner corner[3];
        for (int k = 0; k < 3; ++k) {
            const int id = triangle[3 * t + k];
            const double* x = point + 3 * static_cast<std::size_t>(id);
            corner[k] = {x[axis.b] - c[axis.b] * x[axis.a], x[axis.d] - c[axis.d] * x[axis.a], x[axis.a], id};
        }
        draw(corner, t, hits);
    }
    return hits;
}

struct Box {
    int n[3];
    bool holds(const int x[3]) const {
        return x[0] >= 0 && x[1] >= 0 && x[2] >= 0 && x[0] < n[0] && x[1] < n[1] && x[2] < n[2];
    }
    std::size_t at(const int x[3]) const { return (static_cast<std::size_t>(x[2]) * n[1] + x[1]) * n[0] + x[0]; }
    std::size_t size() const { return static_cast<std::size_t>(n[0]) * n[1] * n[2]; }
};

// Winding number along x: +1 behind a triangle that faces against x, -1 behind one that faces along it.
std::vector<std::int32_t> number_cells(const Box& box, const std::vector<Hit>& hits, std::vector<std::int32_t>& cells) {
    std::vector<std::int32_t> number(box.size(), 0);
    for (const Hit& hit : hits) {
        const int x[3] = {static_cast<int>(std::ceil(hit.along)), hit.b, hit.d};
        if (box.holds(x)) number[box.at(x)] += hit.leaving ? -1 : 1;
    }
    std::int32_t count = 0;
    for (int z = 0; z < box.n[2]; ++z)
        for (int y = 0; y < box.n[1]; ++y) {
            std::int32_t winding = 0;
            for (int x = 0; x < box.n[0]; ++x) {
                const int at[3] = {x, y, z};
                std::int32_t& entry = number[box.at(at)];
                winding += entry;
                entry = winding > 0 ? count++ : -1;
                if (winding > 0) cells.insert(cells.end(), {x, y, z});
            }
        }
    return number;
}

}  // namespace

Crossings cross_surface(int, const double* point, int triangles, const std::int32_t* triangle, const int shape[3],
                        int threads) {
    std::vector<Hit> hits[kPairs + 1];
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int pair = 1; pair <= kPairs; ++pair) hits[pair] = crossings_along(axis_of(pair), point, triangles, triangle);

    const Box box{{shape[0], shape[1], shape[2]}};
    Crossings out;
    const std::vector<std::int32_t> number = number_cells(box, hits[1], out.cells);
    const std::size_t n = out.cells.size() / 3;
    out.neighbors.assign((kDirections - 1) * n, -1);
    constexpr float kUncut = 2.0f;
    std::vector<float> distance(n);
    std::vector<std::int32_t> nearest(n);
    for (int i = 1; i < kDirections; ++i) {
        const int pair = (i + 1) / 2;
        const Axis axis = axis_of(pair);
        const int* c = kVelocity[axis.direction];
        const bool forward = i == axis.direction;
        std::fill(distance.begin(), distance.end(), kUncut);
        std::fill(nearest.begin(), nearest.end(), -1);
        for (const Hit& hit : hits[pair]) {
            const double lower = std::floor(hit.along);
            const int base = static_cast<int>(lower) + (forward ? 0 : 1);
            int x[3];
            x[axis.a] = base;
            x[axis.b] = hit.b + c[axis.b] * base;
            x[axis.d] = hit.d + c[axis.d] * base;
            if (!box.holds(x)) continue;
            const std::int32_t cell = number[box.at(x)];
            if (cell < 0) continue;
            const float q = static_cast<float>(forward ? hit.along - lower : lower + 1.0 - hit.along);
            if (q < distance[cell]) {
                distance[cell] = q;
                nearest[cell] = hit.triangle;
            }
        }
        for (std::size_t k = 0; k < n; ++k) {
            const int x[3] = {out.cells[3 * k] + kVelocity[i][0], out.cells[3 * k + 1] + kVelocity[i][1],
                              out.cells[3 * k + 2] + kVelocity[i][2]};
            const std::int32_t other = box.holds(x) ? number[box.at(x)] : -1;
            if (distance[k] < kUncut || other < 0) {
                out.link_cell.push_back(static_cast<std::int32_t>(k));
                out.link_direction.push_back(i);
                out.link_triangle.push_back(nearest[k]);
                out.link_distance.push_back(distance[k] < kUncut ? distance[k] : 0.5f);
            } else {
                out.neighbors[(i - 1) * n + k] = other;
            }
        }
    }
    return out;
}

}  // namespace aneuflow
