// A plane across the neck: where it is, how it is turned, and which part of the drawn wall it parts off.
export type Vector = [number, number, number];
export interface Plane { point: Vector; normal: Vector }

export const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => a[0]! * b[0]! + a[1]! * b[1]! + a[2]! * b[2]!;
export const plus = (a: ArrayLike<number>, b: ArrayLike<number>, factor = 1): Vector =>
  [a[0]! + factor * b[0]!, a[1]! + factor * b[1]!, a[2]! + factor * b[2]!];
export const cross = (a: Vector, b: Vector): Vector => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
export const unit = (a: Vector): Vector => {
  const length = Math.hypot(...a) || 1;
  return [a[0] / length, a[1] / length, a[2] / length];
};

/** Two directions within the plane, at right angles. */
export function within(normal: Vector): [Vector, Vector] {
  const least = [0, 1, 2].reduce((best, i) => (Math.abs(normal[i]!) < Math.abs(normal[best]!) ? i : best), 0);
  const first = unit(cross(normal, [0, 1, 2].map((i) => Number(i === least)) as Vector));
  return [first, cross(normal, first)];
}

/** Which wall a plane cuts, prepared once for a surface: its edges of one triangle only are those of the open ends. */
export class Cutter {
  private readonly isEnd: Uint8Array;

  constructor(private readonly points: Float32Array, private readonly triangles: Uint32Array) {
    const uses = new Map<number, number>(), count = points.length / 3;
    this.isEnd = new Uint8Array(count);
    this.eachEdge((a, b) => { const key = Math.min(a, b) * count + Math.max(a, b); uses.set(key, (uses.get(key) ?? 0) + 1); });
    for (const [key, times] of uses) if (times === 1) this.isEnd[key % count] = this.isEnd[Math.floor(key / count)] = 1;
  }

  private eachEdge(act: (a: number, b: number) => void): void {
    for (let t = 0; t < this.triangles.length; t += 3) {
      for (let i = 0; i < 3; i++) act(this.triangles[t + i]!, this.triangles[t + ((i + 1) % 3)]!);
    }
  }

  private heights({ point, normal: [nx, ny, nz] }: Plane): Float32Array {
    const away = dot(point, [nx, ny, nz]), found = new Float32Array(this.points.length / 3);
    for (let i = 0, k = 0; i < found.length; i++, k += 3) found[i] = this.points[k]! * nx + this.points[k + 1]! * ny + this.points[k + 2]! * nz - away;
    return found;
  }

  /** Where the plane meets the wall no farther than `reach` from its point: pieces of line, end after start. */
  line(plane: Plane, reach: number): number[] {
    const height = this.heights(plane), found: number[] = [];
    for (let t = 0; t < this.triangles.length; t += 3) {
      const [h0, h1, h2] = [height[this.triangles[t]!]!, height[this.triangles[t + 1]!]!, height[this.triangles[t + 2]!]!];
      if (h0 < 0 === h1 < 0 && h1 < 0 === h2 < 0) continue;
      const ends: Vector[] = [];
      for (let i = 0; i < 3; i++) {
        const a = this.triangles[t + i]!, b = this.triangles[t + ((i + 1) % 3)]!, [h, k] = [height[a]!, height[b]!];
        if (h < 0 === k < 0) continue;
        const start = this.points.subarray(3 * a, 3 * a + 3), step = plus(this.points.subarray(3 * b, 3 * b + 3), start, -1);
        ends.push(plus(start, step, h / (h - k)));
      }
      if (ends.length === 2 && Math.hypot(...plus(ends[0]!, plane.point, -1)) < reach) found.push(...ends.flat());
    }
    return found;
  }

  /** 1 on the points the plane parts off as the sac, as the model stage chooses: the part without end whose rim is nearest. */
  sac(plane: Plane): { region: Float32Array; found: boolean } {
    const height = this.heights(plane), parent = Int32Array.from({ length: height.length }, (_, i) => i);
    const root = (i: number) => {
      while (parent[i] !== i) i = parent[i] = parent[parent[i]!]!;
      return i;
    };
    this.eachEdge((a, b) => { if (height[a]! > 0 && height[b]! > 0) parent[root(a)] = root(b); });
    const hasEnd = new Set<number>(), rims = new Map<number, [sum: number, count: number]>();
    for (let i = 0; i < height.length; i++) if (this.isEnd[i] && height[i]! > 0) hasEnd.add(root(i));
    this.eachEdge((a, b) => {
      if (height[a]! > 0 === height[b]! > 0) return;
      const high = height[a]! > 0 ? a : b, part = root(high), [sum, count] = rims.get(part) ?? [0, 0];
      rims.set(part, [sum + Math.hypot(...plus(this.points.subarray(3 * high, 3 * high + 3), plane.point, -1)), count + 1]);
    });
    let best = -1, least = Infinity;
    for (const [part, [sum, count]] of rims) if (!hasEnd.has(part) && sum / count < least) [best, least] = [part, sum / count];
    return { region: Float32Array.from(height, (h, i) => Number(best >= 0 && h > 0 && root(i) === best)), found: best >= 0 };
  }
}
