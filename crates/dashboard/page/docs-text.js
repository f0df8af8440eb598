// The little Markdown of the document's texts: paragraphs, lists, `code`, *words* and **words**.

import { h } from './ui.js';

const MARKS = /(`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*)/;

/** A line of text with its marks. */
export const line = (text) =>
  text.split(MARKS).map((part) => {
    if (part.startsWith('`') && part.length > 2) return h('code', part.slice(1, -1));
    if (part.startsWith('**')) return h('strong', part.slice(2, -2));
    if (part.startsWith('*') && part.length > 2) return h('em', part.slice(1, -1));
    return part;
  });

/** Paragraphs and lists. */
export const prose = (text) =>
  (text ?? '')
    .split('\n\n')
    .filter(Boolean)
    .map((part) => {
      const lines = part.split('\n');
      return lines.every((one) => one.startsWith('- '))
        ? h(
            'ul.list',
            lines.map((one) => h('li', line(one.slice(2)))),
          )
        : h('p', line(part));
    });
