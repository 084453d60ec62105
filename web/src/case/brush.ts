// A brush on the drawn wall: the points within a distance of a place, measured along the wall and never through it.
import type { Touch } from "../../../src/aneuflow/report/templates/viewer.js";
import { plus, type Vector } from "./neck";

const SAME_MM = 1e-4;

/** Distances along the wall in mm by point; of points beyond the reach, only those next to one within. */
export type Reach = Map<number, number>;

export class Brush {
  private readonly first: Uint32Array;
  private readonly around: Uint32Array;

  constructor(private readonly points: Float32Array, private readonly triangles: Uint32Array) {
    // The triangles around each point, one point after the other.
    this.first = new Uint32Array(points.length / 3 + 1);
    for (const corner of triangles) this.first[corner + 1]!++;
    for (let i = 1; i < this.first.length; i++) this.first[i]! += this.first[i - 1]!;
    const filled = this.first.slice();
    this.around = new Uint32Array(triangles.length);
    triangles.forEach((corner, i) => { this.around[filled[corner]!++] = Math.floor(i / 3); });
  }

  /** Where a touch is, in the places of the scene. */
  place({ triangle, u, v }: Touch): Vector {
    const [a, b, c] = this.corners(triangle), start = this.point(a);
    return plus(plus(start, plus(this.point(b), start, -1), u), plus(this.point(c), start, -1), v);
  }

  /** A front that walks over the triangles, each of them unfolded into the plane of the one before (as the exact way does). */
  reach(touch: Touch, radius: number): Reach {
    const place = this.place(touch), found: Reach = new Map(), queue: number[] = [];
    const reached = (point: number, distance: number) => {
      if (distance >= (found.get(point) ?? Infinity) - SAME_MM) return;
      found.set(point, distance);
      if (distance <= radius) queue.push(point);
    };
    for (const corner of this.corners(touch.triangle)) reached(corner, Math.hypot(...plus(this.point(corner), place, -1)));
    for (let i = 0; i < queue.length; i++) {
      const at = queue[i]!;
      for (let k = this.first[at]!; k < this.first[at + 1]!; k++) {
        const [a, b, c] = this.corners(this.around[k]!), [one, two] = a === at ? [b, c] : b === at ? [c, a] : [a, b];
        reached(one, this.beyond(found, at, two, one));
        reached(two, this.beyond(found, at, one, two));
      }
    }
    return found;
  }

  /** The points within the radius, at least the nearest. */
  within(reach: Reach, radius: number): number[] {
    const all = [...reach], near = all.filter(([, distance]) => distance <= radius);
    return (near.length ? near : [all.reduce((best, one) => (one[1] < best[1] ? one : best))]).map(([point]) => point);
  }

  /** Its rim: pieces of line, end after start. */
  rim(reach: Reach, radius: number): number[] {
    const found: number[] = [], seen = new Set<number>();
    for (const [point, distance] of reach) {
      if (distance > radius) continue;
      for (let k = this.first[point]!; k < this.first[point + 1]!; k++) seen.add(this.around[k]!);
    }
    for (const triangle of seen) {
      const corners = this.corners(triangle), ends: Vector[] = [];
      corners.forEach((a, i) => {
        const b = corners[(i + 1) % 3]!, [h, k] = [reach.get(a)! - radius, reach.get(b)! - radius], start = this.point(a);
        if (h > 0 !== k > 0) ends.push(plus(start, plus(this.point(b), start, -1), h / (h - k)));
      });
      if (ends.length === 2) found.push(...ends.flat());
    }
    return found;
  }

  /** The area of the wall in mm2 that is each point's, a third of the triangles around it. */
  areas(): Float32Array {
    const found = new Float32Array(this.points.length / 3);
    for (let t = 0; t < this.triangles.length / 3; t++) {
      const [a, b, c] = this.corners(t), start = this.point(a), [p, q] = [plus(this.point(b), start, -1), plus(this.point(c), start, -1)];
      const third = Math.hypot(p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]) / 6;
      for (const corner of [a, b, c]) found[corner]! += third;
    }
    return found;
  }

  private corners(triangle: number): [number, number, number] {
    return [this.triangles[3 * triangle]!, this.triangles[3 * triangle + 1]!, this.triangles[3 * triangle + 2]!];
  }

  private point(index: number): Vector {
    return [this.points[3 * index]!, this.points[3 * index + 1]!, this.points[3 * index + 2]!];
  }

  /** How far a corner is: straight across the edge between the other two where the way leads there, else along an edge. */
  private beyond(found: Reach, a: number, b: number, corner: number): number {
    const [da, db] = [found.get(a)!, found.get(b) ?? Infinity], [p, q, r] = [this.point(a), this.point(b), this.point(corner)];
    const ab = plus(q, p, -1), ac = plus(r, p, -1), length = Math.hypot(...ab), side = Math.hypot(...ac), along = da + side;
    if (db === Infinity || length === 0) return along;
    const x = (da * da - db * db + length * length) / (2 * length), below = da * da - x * x;
    const cx = (ab[0] * ac[0] + ab[1] * ac[1] + ab[2] * ac[2]) / length, cy = Math.sqrt(Math.max(side * side - cx * cx, 0));
    if (below < 0 || cy === 0) return along;
    const y = Math.sqrt(below), crossing = x + ((cx - x) * y) / (cy + y);
    return crossing < 0 || crossing > length ? along : Math.hypot(cx - x, cy + y);
  }
}
