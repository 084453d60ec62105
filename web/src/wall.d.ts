declare module "*/report/templates/viewer.js" {
  type Vector = [number, number, number];
  type Color = [number, number, number, number];
  export interface Encoded { type: string; data: string }
  export interface Faces { points: ArrayLike<number>; color: Color }
  export interface Path { points: ArrayLike<number>; step: 3 | 6; width: number; color: Color; through: boolean }
  /** A place on the wall: in a triangle, `u` of the way from its first corner to the second and `v` to the third. */
  export interface Touch { triangle: number; u: number; v: number }
  /** What a page may lay over the wall: places are those of the scene in mm, pixels those of the canvas. */
  export interface Wall {
    points: Float32Array; triangles: Uint32Array;
    axes(): { right: Vector; up: Vector; eye: Vector; focus: Vector; radius: number; mmPerPixel: number };
    place(point: ArrayLike<number>): [number, number];
    /** Colors over the field: for each point red, green, blue and how much they cover, 0 to 255, the first three times the last. */
    coat(colors: Uint8Array): void;
    depths(x: number, y: number): number[];
    touched(x: number, y: number): Touch | null;
    /** `focus` in mm of the patient; of this wall, `axes` gives it less the scene's center. */
    lookAs(other: { eye: Vector; up: Vector; focus: Vector; radius: number }): void;
    fill(points: Float32Array | null, colors?: Float32Array, size?: number): void;
    decode(array: Encoded): Float32Array & Uint8Array;
    mark(faces: Faces[], paths: Path[]): void;
    paint(values: Float32Array): void;
    whenDrawn(act: () => void): void;
    free(): void;
  }
  export function showWall(root: HTMLElement, scene: object): Wall | null;
}
