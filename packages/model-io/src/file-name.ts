/**
 * Whether `name` is the plain name of a file in a folder: no path, no drive, nothing hidden behind another
 * system's separators. Names that come out of a file (an index, a repository's listing) must pass this
 * before they touch a disk.
 */
export function isPlainFileName(name: string): boolean {
  return (
    name.length > 0 && name.length <= 255 && name !== "." && name !== ".." && !/[/\\:\0-\x1f]/.test(name)
  );
}

/** As `isPlainFileName`, for a path of such names joined by `/`: never absolute, never upwards. */
export function isPlainRelativePath(path: string): boolean {
  return path.split("/").every(isPlainFileName);
}
