#include "lattice.hpp"

#include <omp.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

namespace aneuflow {
namespace {

Step best_step() {
#ifdef ANEUFLOW_HAS_WIDE
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd"))
        return step_wide();
#endif
    return step_baseline();
}

// In large pages, where the system has them: a step goes through more rows than the processor remembers pages for.
void fill_with_zeros(std::vector<float>& values, std::size_t count) {
    values.reserve(count);
#ifdef MADV_HUGEPAGE
    constexpr std::uintptr_t kPage = 1 << 21;
    const auto begin = (reinterpret_cast<std::uintptr_t>(values.data()) + kPage - 1) / kPage * kPage;
    const auto end = reinterpret_cast<std::uintptr_t>(values.data() + count) / kPage * kPage;
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
    values.assign(count, 0.0f);
}

}  // namespace

Streaming::Streaming(int cells, const std::int32_t* neighbors) : cells(cells) {
    const int blocks = (cells + kBlock - 1) / kBlock;
    stride = blocks * kBlock;
    const auto slot = [=, this](int i, int x) {
        const int y = x < cells ? neighbors[static_cast<std::size_t>(i - 1) * cells + x] : -1;
        return y >= 0 ? i * stride + y : opposite(i) * stride + x;
    };
    for (int block = 0; block < blocks; ++block) {
        std::vector<Run> found[kDirections];
        std::size_t each = 1;
        for (int i = 1; i < kDirections; ++i) {
            for (int lane = 0; lane < kBlock; ++lane) {
                const std::int32_t base = slot(i, block * kBlock + lane) - lane;
                const auto same = [base](const Run& known) { return known.base == base; };
                const auto known = std::find_if(found[i].begin(), found[i].end(), same);
                Run& lanes = known == found[i].end() ? found[i].emplace_back(Run{base}) : *known;
                lanes.lanes |= 1u << lane;
            }
            each = std::max(each, found[i].size());
        }
        runs.push_back({static_cast<std::uint32_t>(run.size()), static_cast<std::uint32_t>(each)});
        for (int i = 1; i < kDirections; ++i) {
            found[i].resize(each, Run{found[i][0].base, 0});
            run.insert(run.end(), found[i].begin(), found[i].end());
        }
    }
    run.shrink_to_fit();
}

int Streaming::slot(int direction, int cell) const {
    const Runs& of_block = runs[cell / kBlock];
    const Run* at = run.data() + of_block.first + (direction - 1) * of_block.each;
    const int lane = cell % kBlock;
    while (!(at->lanes >> lane & 1u)) ++at;
    return at->base + lane;
}

int Streaming::neighbor(int direction, int cell) const {
    const int at = slot(direction, cell);
    return at / stride == direction ? at % stride : -1;
}

Lattice::Lattice(const Streaming& on) : streaming(on), step_(best_step()) {
    const std::size_t stride = streaming.stride;
    fill_with_zeros(populations, kDirections * stride);
    momentum_.assign(3 * stride, 0.0f);
    opens_.assign(stride / kBlock, 0);
    cells_ = {streaming.cells,       streaming.stride, populations.data(), streaming.run.data(),
              streaming.runs.data(), opens_.data(),    momentum_.data()};
}

void Lattice::set_walls(int count, const std::int32_t* cell, const std::int32_t* direction, const float* coefficients,
                        const std::int32_t* fit, WallFits all) {
    walls = {};
    fits = std::move(all);
    fits.found.assign(static_cast<std::size_t>(3 * kTerms) * fits.count, 0.0f);
    std::vector<std::int32_t> order(count), place(count);
    std::iota(order.begin(), order.end(), 0);
    const auto part = [cell](int k) { return cell[k] / (kBlock * kPart); };
    const auto key = [&](int k) { return std::tuple(part(k), direction[k], cell[k]); };
    std::sort(order.begin(), order.end(), [&](int k, int l) { return key(k) < key(l); });
    for (int n = 0; n < count; ++n) {
        const int k = order[n], blocks = static_cast<int>(walls.direction.size());
        const bool begins = n == 0 || part(order[n - 1]) != part(k);
        if (begins) walls.parts.push_back({blocks, blocks, cells_.stride, 0});
        if (begins || walls.direction.back() != direction[k] || walls.lanes.back() == kBlock) {
            walls.direction.push_back(direction[k]);
            walls.lanes.push_back(0);
            ++walls.parts.back().end;
        }
        place[k] = static_cast<int>(walls.direction.size() - 1) * kBlock + walls.lanes.back()++;
        walls.total_weight += weight(direction[k]);
    }
    const std::size_t links = walls.direction.size() * kBlock;
    for (std::vector<std::int32_t>* cells : {&walls.cell, &walls.cell_1, &walls.cell_2, &walls.fit})
        cells->assign(links, 0);
    for (std::vector<float>& share : walls.share) share.assign(links, 0.0f);
    walls.offset.assign(links, 0.0f);
    for (int k = 0; k < count; ++k) {
        const int x = cell[k], back = opposite(direction[k]), at = place[k];
        const int behind = streaming.neighbor(back, x), far = behind < 0 ? -1 : streaming.neighbor(back, behind);
        walls.cell[at] = x;
        walls.cell_1[at] = behind < 0 ? x : behind;
        walls.cell_2[at] = far < 0 ? x : far;
        walls.fit[at] = fit[k];
        for (int n = 0; n < kWallShares; ++n)
            walls.share[n][at] = coefficients[static_cast<std::size_t>(kWallShares) * k + n];
    }
    for (WallPart& links : walls.parts)
        for (int block = links.first; block < links.end; ++block)
            for (int at = block * kBlock; at < block * kBlock + walls.lanes[block]; ++at)
                for (const int x : {walls.cell[at], walls.cell_1[at], walls.cell_2[at]}) {
                    links.lowest = std::min(links.lowest, x / kBlock);
                    links.highest = std::max(links.highest, x / kBlock);
                }
}

// What a thread does in a step: its blocks of cells; the wall links that touch no others, in the order in which these
// are done, so that they find them in the cache; and those that have to wait for other threads' cells.
struct Lattice::Work {
    int first, end;
    std::vector<WallPart> own, late;
};

std::vector<Lattice::Work> Lattice::work_of(int threads) const {
    const std::int64_t blocks = cells_.stride / kBlock;
    std::vector<Work> all(threads);
    for (int rank = 0; rank < threads; ++rank) {
        all[rank].first = static_cast<int>(blocks * rank / threads);
        all[rank].end = static_cast<int>(blocks * (rank + 1) / threads);
    }
    for (const WallPart& part : walls.parts) {
        const int x = walls.cell[part.first * kBlock] / kBlock;
        Work& work = *std::find_if(all.begin(), all.end(), [x](const Work& w) { return x < w.end; });
        const bool own = part.lowest >= work.first && part.highest < work.end;
        (own ? work.own : work.late).push_back(part);
    }
    for (Work& work : all)
        std::stable_sort(work.own.begin(), work.own.end(),
                         [](const WallPart& a, const WallPart& b) { return a.highest < b.highest; });
    return all;
}

void Lattice::run(int pairs, const double amplitude[2], const double phase[2], int threads) {
    std::fill(inlet_sum_.begin(), inlet_sum_.end(), 0.0);
    std::fill(outlet_sum_.begin(), outlet_sum_.end(), 0.0);
    cells_.f = populations.data();
    cells_.momentum = momentum_.data();
    relaxation.table = relaxation_table.empty() ? nullptr : relaxation_table.data();
    const int steps = 2 * pairs, wall_blocks = static_cast<int>(walls.direction.size());
    std::vector<double> gained[2] = {std::vector<double>(threads, 0.0), std::vector<double>(threads, 0.0)};
    gained[1][0] = leak;
    std::vector<Work> all;
#pragma omp parallel num_threads(threads)
    {
        const int rank = omp_get_thread_num(), team = omp_get_num_threads();
        const auto part = [team](int count, int of) { return static_cast<int>(std::int64_t(count) * of / team); };
#pragma omp single
        all = work_of(team);
        const Work& mine = all[rank];
        for (int step = 0; step < steps; ++step) {
            const bool swapped = step % 2 == 0, refit = step % kRefit == 0;
            const std::vector<double>& last = gained[1 - step % 2];
            const double rate = wall_blocks ? std::accumulate(last.begin(), last.end(), 0.0) / walls.total_weight : 0.0;
            const auto collide = [&](int first, int end) {
                (swapped ? step_.even : step_.odd)(cells_, relaxation, refit, first, end);
            };
            const auto pass = [&](const WallPart& links) {
                return step_.walls(cells_, walls, swapped, static_cast<float>(rate), links.first, links.end);
            };
            double gain = 0.0;
            int done = mine.first;
            if (!refit)
                for (const WallPart& links : mine.own) {
                    if (links.highest >= done) {
                        collide(done, links.highest + 1);
                        done = links.highest + 1;
                    }
                    gain += pass(links);
                }
            collide(done, mine.end);
#pragma omp barrier
            if (refit) {
                step_.fit(cells_, fits, part(fits.count, rank), part(fits.count, rank + 1));
#pragma omp barrier
                step_.offsets(cells_, walls, fits, part(wall_blocks, rank), part(wall_blocks, rank + 1));
#pragma omp barrier
                for (const WallPart& links : mine.own) gain += pass(links);
            }
            if (rank == 0)
                pass_openings(amplitude[0] + (amplitude[1] - amplitude[0]) * (step + 1) / steps,
                              phase[0] + phase[1] * (step + 1));
            for (const WallPart& links : mine.late) gain += pass(links);
            gained[step % 2][rank] = gain;
#pragma omp barrier
        }
    }
    if (steps) leak = std::accumulate(gained[1].begin(), gained[1].end(), 0.0);
    for (std::size_t k = 0; k < inlets.size(); ++k) inlet_flow[k] = inlet_sum_[k] / steps;
    for (std::size_t k = 0; k < outlets.size(); ++k) outlet_flow[k] = outlet_sum_[k] / steps;
}

void Lattice::fields(float* out, int threads) const {
    const std::size_t count = cells_.count;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int block = 0; block < cells_.stride / kBlock; ++block) {
        alignas(64) float of_block[10 * kBlock];
        step_.fields(cells_, block, of_block);
        const std::size_t first = static_cast<std::size_t>(block) * kBlock;
        for (int k = 0; k < 10; ++k)
            std::copy_n(of_block + k * kBlock, std::min<std::size_t>(kBlock, count - first), out + k * count + first);
    }
}

float Lattice::peak_speed(int threads) const {
    float peak = 0.0f;
    bool finite = true;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(max : peak) reduction(&& : finite)
    for (int block = 0; block < cells_.stride / kBlock; ++block) {
        alignas(64) float of_block[10 * kBlock];
        step_.fields(cells_, block, of_block);
        for (int x = 0; x < std::min(kBlock, cells_.count - block * kBlock); ++x) {
            const float u = of_block[kBlock + x], v = of_block[2 * kBlock + x], w = of_block[3 * kBlock + x];
            const float square = u * u + v * v + w * w;
            finite = finite && std::isfinite(square);
            peak = std::max(peak, square);
        }
    }
    return finite ? std::sqrt(peak) : NAN;
}

}  // namespace aneuflow
