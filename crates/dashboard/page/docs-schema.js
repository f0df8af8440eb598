// Schemas as tables of fields.

import { line, prose } from './docs-text.js';
import { h } from './ui.js';

const SCHEMAS = '#/components/schemas/';

/** The name of the schema that `schema` refers to, if it does. */
export const nameOf = (schema) =>
  schema?.$ref?.startsWith(SCHEMAS) ? schema.$ref.slice(SCHEMAS.length) : null;

/** A link to the schema `name`. */
export const schemaLink = (name) => h('a', { href: `#schema-${name}` }, name);

/** What a value of `schema` is, in a few words and links. */
export function kind(schema) {
  const name = nameOf(schema);
  if (name) return [schemaLink(name)];
  const either = schema.anyOf ?? schema.oneOf;
  if (either?.every((one) => 'const' in one))
    return ['one of ', words(either.map((one) => one.const))];
  if (either) return joined(either.map(kind), ' or ');
  if (schema.allOf) return joined(schema.allOf.filter(nameOf).map(kind), ' and ');
  if ('const' in schema) return ['always ', h('code', JSON.stringify(schema.const))];
  if (schema.enum) return ['one of ', words(schema.enum)];
  const types = [schema.type ?? 'any value'].flat();
  return joined(
    types.map((type) => {
      if (type === 'array') return arrayKind(schema);
      if (type === 'object' && schema.additionalProperties && schema.additionalProperties !== true)
        return ['object of ', ...kind(schema.additionalProperties)];
      return [type];
    }),
    ' or ',
  );
}

function arrayKind({ items, prefixItems, minItems, maxItems }) {
  if (prefixItems) return ['array of ', ...joined(prefixItems.map(kind), ', ')];
  const some = minItems !== undefined && minItems === maxItems ? `${minItems} ` : '';
  return items && Object.keys(items).length ? [`array of ${some}`, ...kind(items)] : ['array'];
}

const words = (list) =>
  joined(
    list.map((word) => [h('code', String(word))]),
    ', ',
  );

const joined = (parts, between) =>
  parts.flatMap((part, i) => (i === 0 ? part : [between, ...part]));

const count = (n) => n.toLocaleString('en');
const several = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;

/** The limits of a value, in words. */
function limits(schema) {
  const list = [];
  const add = (key, text) => schema[key] !== undefined && list.push(text(schema[key]));
  const isWhole = [schema.type].flat().includes('integer');
  // Those of the types themselves tell nothing.
  if (!(isWhole && schema.minimum === 0 && schema.maximum === undefined))
    add('minimum', (n) => `at least ${count(n)}`);
  add('exclusiveMinimum', (n) => `above ${count(n)}`);
  add('maximum', (n) => `at most ${count(n)}`);
  add('exclusiveMaximum', (n) => `below ${count(n)}`);
  add('minLength', (n) => `at least ${several(n, 'character', 'characters')}`);
  add('maxLength', (n) => `at most ${count(n)} characters`);
  if (schema.minItems !== schema.maxItems) {
    add('minItems', (n) => `at least ${several(n, 'entry', 'entries')}`);
    add('maxItems', (n) => `at most ${several(n, 'entry', 'entries')}`);
  }
  add('minProperties', (n) => `at least ${count(n)} members`);
  add('maxProperties', (n) => `at most ${count(n)} members`);
  if (schema.default !== undefined && schema.default !== null)
    list.push(`default ${JSON.stringify(schema.default)}`);
  return list.join('; ');
}

/** What a field means, with its limits. */
export const meaning = (schema, more = '') => {
  const limit = limits(schema);
  return [
    h('p', line(schema.description ?? more)),
    limit && h('p.hint', `${limit[0].toUpperCase()}${limit.slice(1)}.`),
    nested(schema),
  ];
};

/** The fields of an object that has no name of its own. */
function nested(schema) {
  const inner = schema.properties ? schema : schema.items;
  return inner?.properties ? fields(inner) : null;
}

/** A table with a row for each of `rows`: name, whether it may be absent, kind, meaning. */
export const table = (label, rows) =>
  h(
    'div.scroll.fields',
    { role: 'group', 'aria-label': label, tabindex: '0' },
    h(
      'table',
      h(
        'thead',
        h(
          'tr',
          ['Name', 'Type', 'Meaning'].map((name) => h('th', { scope: 'col' }, name)),
        ),
      ),
      h(
        'tbody',
        rows.map(({ name, optional, type, text }) =>
          h(
            'tr',
            h('th', { scope: 'row' }, h('code', name), optional && h('span.hint', ' optional')),
            h('td', type),
            h('td', text),
          ),
        ),
      ),
    ),
  );

/** The fields of an object, those that have to be there first. */
export function fields(schema, label = 'Fields') {
  const required = schema.required ?? [];
  const names = Object.keys(schema.properties ?? {});
  const order = [
    ...names.filter((n) => required.includes(n)),
    ...names.filter((n) => !required.includes(n)),
  ];
  const rows = order.map((name) => {
    const of = schema.properties[name];
    return { name, optional: !required.includes(name), type: kind(of), text: meaning(of) };
  });
  return rows.length ? table(label, rows) : null;
}

/** The words of a set, with what each means. */
const choices = (list) =>
  table(
    'Words',
    list.map((one) => ({
      name: String(one.const),
      type: one['x-status'] ? String(one['x-status']) : 'word',
      text: h('p', line(one.description ?? '')),
    })),
  );

/** All that there is to know of `schema`. */
export function whole(schema, label) {
  const either = schema.oneOf ?? schema.anyOf;
  if (either?.every((one) => 'const' in one)) return choices(either);
  const own = fields(schema, label);
  const forms = either?.map((one) => [
    one.description && h('p', line(one.description)),
    nameOf(one) ? h('p', kind(one)) : (fields(one, label) ?? h('p', kind(one))),
  ]);
  const limit = limits(schema);
  return [
    own,
    forms,
    !own &&
      !forms &&
      h(
        'p.hint',
        kind(schema),
        schema.pattern && [' like ', h('code', schema.pattern)],
        limit && `; ${limit}`,
      ),
  ];
}

/** The schema `name` as a part of the page. */
export const schemaPart = (name, schema) =>
  h(
    'details.card',
    { id: `schema-${name}` },
    h('summary', h('h3', h('code', name))),
    h('div.pad', prose(schema.description), whole(schema, `Fields of ${name}`)),
  );
