// From what was dropped or chosen to files the server takes; names never leave the browser, they may bear a patient's.
export interface Taken { file: File; suffix: string; path: string }
export interface Choice { files: Taken[]; left: number }

const KNOWN = [".nii.gz", ".nii", ".nrrd", ".mha", ".zip", ".dcm", ".ima", ".stl", ".obj", ".ply", ".vtp"];
const NOT_IMAGES = /^(\.|thumbs\.db$|desktop\.ini$|dicomdir$)/i;

/** The suffix the server is told, undefined where the file is nothing it reads. DICOM files often have none, or a UID's end. */
function suffixOf(name: string): string | undefined {
  if (NOT_IMAGES.test(name)) return undefined;
  const known = KNOWN.find((suffix) => name.toLowerCase().endsWith(suffix));
  if (known) return known;
  return !name.includes(".") || /\.\d+$/.test(name) ? "" : undefined;
}

export function chosen(files: { file: File; path: string }[]): Choice {
  const taken = files
    .map(({ file, path }) => ({ file, path, suffix: suffixOf(file.name) }))
    .filter((entry): entry is Taken => entry.suffix !== undefined && entry.file.size > 0)
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files: taken, left: files.length - taken.length };
}

export function fromInput(input: HTMLInputElement): Choice {
  return chosen([...(input.files ?? [])].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
}

/** Everything under what was dropped, folders too. */
export async function fromDrop(data: DataTransfer): Promise<Choice> {
  // The list of entries is gone after the first wait, so all are taken out before.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  return chosen((await Promise.all(entries.map((entry) => walk(entry)))).flat());
}

async function walk(entry: FileSystemEntry): Promise<{ file: File; path: string }[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ file, path: entry.fullPath }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader(), found = [];
  for (;;) {
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return found;
    for (const child of part) found.push(...(await walk(child)));
  }
}
