// Stands in for the package zarrita.
function refuse(): never {
  throw new Error("Zarr images are not read here.");
}

export const get = refuse, open = refuse, root = refuse, slice = refuse, FetchStore = refuse;
