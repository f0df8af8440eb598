// A list of very many rows: only those in view are in the document.

import { h } from './ui.js';

/** Rows above and below the view that are kept ready. */
const SPARE = 3;

/**
 * A list in a scroll area. `items()` are `{key, height, make, update}` from the top; `need(last)` is told how far
 * the view reaches. A row whose key stays is updated in place.
 */
export class VirtualList {
  constructor({ label, need = () => {} }) {
    this.need = need;
    this.items = [];
    this.tops = [0];
    this.nodes = new Map();
    this.inner = h('div.inner');
    this.node = h('div.list', { role: 'region', 'aria-label': label, tabindex: '-1' }, this.inner);
    this.node.addEventListener('scroll', () => this.draw(), { passive: true });
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.node);
  }

  /** Shows `items`. */
  show(items) {
    this.items = items;
    this.tops = [0];
    for (const item of items) this.tops.push(this.tops.at(-1) + item.height);
    this.inner.style.setProperty('height', `${this.tops.at(-1)}px`);
    this.draw(true);
  }

  /** The first item that ends below `y`. */
  at(y) {
    let [a, b] = [0, this.items.length];
    while (a < b) {
      const m = (a + b) >> 1;
      if (this.tops[m + 1] <= y) a = m + 1;
      else b = m;
    }
    return a;
  }

  draw(fresh = false) {
    const top = this.node.scrollTop;
    const first = Math.max(0, this.at(top) - SPARE);
    const last = Math.min(this.items.length - 1, this.at(top + this.node.clientHeight) + SPARE);
    const keep = new Set();
    for (let i = first; i <= last; i += 1) {
      const item = this.items[i];
      keep.add(item.key);
      let node = this.nodes.get(item.key);
      if (!node) {
        node = item.make();
        this.nodes.set(item.key, node);
        this.inner.append(node);
        item.update?.(node);
      } else if (fresh) item.update?.(node);
      node.style.setProperty('top', `${this.tops[i]}px`);
      node.style.setProperty('height', `${item.height}px`);
      node.dataset.place = String(i);
    }
    for (const [key, node] of this.nodes) {
      if (keep.has(key) || node === document.activeElement) continue;
      node.remove();
      this.nodes.delete(key);
    }
    this.need(last);
  }

  /** Brings item `i` into view and gives it the focus. */
  focus(i) {
    const [top, bottom] = [this.tops[i], this.tops[i + 1]];
    if (top < this.node.scrollTop + 34) this.node.scrollTop = Math.max(0, top - 40);
    else if (bottom > this.node.scrollTop + this.node.clientHeight)
      this.node.scrollTop = bottom - this.node.clientHeight + 4;
    this.draw();
    this.nodes.get(this.items[i].key)?.focus({ preventScroll: true });
  }

  /** The places of the rows in view. */
  get visible() {
    return [...this.nodes.values()].map((node) => Number(node.dataset.place)).sort((a, b) => a - b);
  }
}
