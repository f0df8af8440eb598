// How a page loads what it shows.

import { persist } from './api.js';
import { failure, fill } from './ui.js';

/** Milliseconds after which a page shows its bones. */
const PATIENCE = 150;

/**
 * What `load` gives. Until then `root` has the bones of `skeleton`; what failed stands above them,
 * as the sentence `what`, with when it is tried again.
 */
export async function loaded(root, { signal, what, load, skeleton }) {
  const bones = setTimeout(() => fill(root, skeleton()), PATIENCE);
  const onwait = (error, wait, now) => {
    clearTimeout(bones);
    fill(root, failure(what, error, now, wait), skeleton());
  };
  try {
    return await persist(load, { signal, onwait });
  } finally {
    clearTimeout(bones);
  }
}
