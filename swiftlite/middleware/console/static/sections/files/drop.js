/** Files out of what was dropped or chosen, folders with all that is in them; each with its path there. */

/** @typedef {{path: string, file: File}} Found */

/** @param {FileList|File[]} files  of an input @returns {Found[]} */
export function chosenFiles(files) {
  return Array.from(files, (file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** @param {DataTransfer} transfer @returns {Promise<Found[]>} */
export async function droppedFiles(transfer) {
  // The items are gone once this task has ended, so that all are asked for before the first wait.
  const items = Array.from(transfer.items).filter((item) => item.kind === "file");
  const entries = items.map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  const found = [];
  for (const { entry, file } of entries) {
    if (entry?.isDirectory) found.push(...(await filesBelow(/** @type {FileSystemDirectoryEntry} */ (entry), entry.name)));
    else if (file) found.push({ path: file.name, file });
  }
  return found;
}

/** @param {FileSystemDirectoryEntry} directory @param {string} path @returns {Promise<Found[]>} */
async function filesBelow(directory, path) {
  const reader = directory.createReader();
  const found = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) return found;
    for (const entry of entries) {
      const below = `${path}/${entry.name}`;
      if (entry.isDirectory) found.push(...(await filesBelow(/** @type {FileSystemDirectoryEntry} */ (entry), below)));
      else {
        const file = await new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
        found.push({ path: below, file });
      }
    }
  }
}
