declare module "*/report/templates/viewer.js" {
  type Vector = [number, number, number];
  type Color = [number, number, number, number];
  export interface Faces { points: ArrayLike<number>; color: Color }
  export interface Path { points: ArrayLike<number>; step: 3 | 6; width: number; color: Color; through: boolean }
  /** What a page may lay over the wall: places are those of the scene in mm, pixels those of the canvas. */
  export interface Wall {
    points: Float32Array; triangles: Uint32Array;
    axes(): { right: Vector; up: Vector; eye: Vector; focus: Vector; mmPerPixel: number };
    place(point: ArrayLike<number>): [number, number];
    depths(x: number, y: number): number[];
    mark(faces: Faces[], paths: Path[]): void;
    paint(values: Float32Array): void;
    whenDrawn(act: () => void): void;
    free(): void;
  }
  export function showWall(root: HTMLElement, scene: object): Wall | null;
}
