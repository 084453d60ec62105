declare module "*/report/templates/viewer.js" {
  export function showWall(root: HTMLElement, scene: object): void;
}
