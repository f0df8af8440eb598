// The page of the API: all of /openapi.json, for people.

import { line, prose } from './docs-text.js';
import { kind, meaning, nameOf, schemaLink, schemaPart, table, whole } from './docs-schema.js';
import { code, copyButton, failure, fill, h } from './ui.js';

const METHODS = ['get', 'post', 'put', 'delete'];
const main = document.getElementById('main');
const contents = document.querySelector('.contents');

/** A JSON value as people read it: short things on one line. */
function pretty(value, indent = '') {
  const flat = JSON.stringify(value);
  if (typeof value !== 'object' || value === null || flat.length + indent.length <= 76) return flat;
  const inner = `${indent}  `;
  const parts = Array.isArray(value)
    ? value.map((v) => pretty(v, inner))
    : Object.entries(value).map(([k, v]) => `${JSON.stringify(k)}: ${pretty(v, inner)}`);
  const [open, shut] = Array.isArray(value) ? '[]' : '{}';
  return `${open}\n${parts.map((part) => inner + part).join(',\n')}\n${indent}${shut}`;
}

const shown = (value) => (typeof value === 'string' ? value : pretty(value));
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The command that sends an example. */
function command(method, { target, headers = {} }, body, media) {
  const parts = ['curl'];
  if (method !== 'get' && !(method === 'post' && body !== undefined))
    parts.push(`-X ${method.toUpperCase()}`);
  parts.push(quoted(location.origin + target));
  for (const [name, value] of Object.entries(headers))
    parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (media === 'application/x-protobuf')
    return `echo ${body} | base64 -d | ${parts.join(' ')} --data-binary @-`;
  if (body !== undefined)
    parts.push(
      `${typeof body === 'string' ? '--data-binary' : '-d'} ${quoted(typeof body === 'string' ? body : JSON.stringify(body))}`,
    );
  return parts.join(' ');
}

const block = (label, text) =>
  h(
    'div.code.block',
    h('pre', { tabindex: '0', role: 'group', 'aria-label': label }, h('code', text)),
    copyButton(text, label),
  );

function examples(method, operation) {
  const outlines = operation['x-examples'] ?? [];
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  return outlines.map((outline) => {
    const { key } = outline;
    const [media, content] = bodies.find(([, one]) => one.examples?.[key]) ?? [];
    const body = content?.examples[key].value;
    const replies = Object.values(operation.responses[outline.status]?.content ?? {});
    const reply = replies.find((one) => one.examples?.[key])?.examples[key].value;
    const name = `${outline.summary[0].toUpperCase()}${outline.summary.slice(1)}`;
    return h(
      'div.example-call',
      h('h5', name, h('span.hint', ` ${outline.status}`)),
      code(
        command(method, outline, body, media),
        `command, ${operation.summary}: ${outline.summary}`,
      ),
      reply !== undefined && block(`reply: ${outline.summary}`, shown(reply).trimEnd()),
    );
  });
}

const parameterRows = (parameters) =>
  parameters.map((parameter) => ({
    name: parameter.name,
    optional: !parameter.required,
    type: [...kind(parameter.schema), h('span.hint', ` in ${parameter.in}`)],
    text: meaning({ ...parameter.schema, description: parameter.description }),
  }));

/** The schemas that a body has, each as a table. */
function bodies(content, schemas) {
  return Object.entries(content ?? {}).map(([media, { schema }]) => {
    const list = (schema.anyOf ?? schema.allOf ?? [schema]).map(nameOf).filter(Boolean);
    return [
      h(
        'p',
        h('code', media),
        list.length ? ': ' : '',
        list.flatMap((name, i) => [i ? ' or ' : '', schemaLink(name)]),
      ),
      schema.description && h('p', line(schema.description)),
      list.map((name) => [
        list.length > 1 && h('h5', name),
        prose(schemas[name].description),
        whole(schemas[name], `Fields of ${name}`),
      ]),
    ];
  });
}

function replies(operation, { schemas, responses }) {
  const all = Object.entries(operation.responses).map(([status, reply]) => [
    status,
    reply.$ref ? responses[reply.$ref.split('/').pop()] : reply,
  ]);
  const good = all.filter(([status]) => status < '4');
  const bad = all.filter(([status]) => status >= '4');
  return [
    good.map(([status, reply]) => [
      h('h4', status),
      h('p', line(reply.description)),
      bodies(reply.content, schemas),
      headerTable(reply.headers),
    ]),
    h('h4', 'Problems'),
    table(
      'Problems',
      bad.map(([status, reply]) => ({
        name: status,
        type: Object.values(reply.content ?? {})
          .map(({ schema }) => nameOf(schema) ?? nameOf(schema.allOf?.[0]))
          .filter(Boolean)
          .map((name, i) => [i ? ' or ' : '', schemaLink(name)]),
        text: prose(reply.description),
      })),
    ),
  ];
}

const headerTable = (headers) =>
  table(
    'Headers of the reply',
    Object.entries(headers ?? {}).map(([name, header]) => ({
      name,
      type: [...kind(header.schema), h('span.hint', ' header')],
      text: h('p', line(header.description)),
    })),
  );

function operationPart(path, method, operation, { components }) {
  const parameters = operation.parameters.map((one) =>
    one.$ref ? components.parameters[one.$ref.split('/').pop()] : one,
  );
  const asked = examples(method, operation);
  return h(
    'details.card.call',
    { id: operation.operationId },
    h(
      'summary',
      h('h3', h('span.method', { class: method }, method.toUpperCase()), ' ', h('code', path)),
      h('p', line(operation.summary)),
    ),
    h(
      'div.pad',
      prose(operation.description),
      asked.length > 0 && [h('h4', asked.length > 1 ? 'Examples' : 'Example'), asked],
      parameters.length > 0 && [
        h('h4', 'Parameters'),
        table('Parameters', parameterRows(parameters)),
      ],
      operation.requestBody && [
        h('h4', 'Body'),
        bodies(operation.requestBody.content, components.schemas),
      ],
      replies(operation, components),
    ),
  );
}

/** The calls of each tag, in the order of the document. */
function groups(document) {
  const calls = Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => [path, method, item[method]]),
  );
  const byId = new Map(calls.map((call) => [call[2].operationId, call]));
  return document.tags.map((tag) => [tag, tag['x-calls'].map((id) => byId.get(id))]);
}

const anchor = (name) => name.toLowerCase().replaceAll(/[^a-z]+/g, '-');

function index(list, schemas, filter) {
  const entry = (href, text) => h('li', h('a', { href }, text));
  return [
    filter,
    h('ul', entry('#introduction', 'Introduction')),
    list.map(([tag, calls]) => [
      h('h2', tag.name),
      h(
        'ul',
        calls.map(([, , operation]) => entry(`#${operation.operationId}`, line(operation.summary))),
      ),
    ]),
    h('h2', 'Reference'),
    h(
      'ul',
      entry('#problems', 'Problem codes'),
      entry('#keys', 'API keys'),
      entry('#webhooks', 'Webhooks'),
      entry('#schemas', 'Schemas'),
    ),
  ];
}

/** Shows only calls and schemas that have all words of `text`. */
function narrow(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (node) => words.every((word) => node.textContent.toLowerCase().includes(word));
  for (const node of document.querySelectorAll('details.card')) node.hidden = !has(node);
  for (const item of contents.querySelectorAll('li')) {
    const target = document.querySelector(item.firstChild.getAttribute('href'));
    item.hidden = target?.matches('details') ? target.hidden : words.length > 0;
  }
  for (const section of main.querySelectorAll('section.group'))
    section.hidden =
      words.length > 0 &&
      ![...section.querySelectorAll('details.card')].some((node) => !node.hidden);
}

function reference(document) {
  const { schemas, securitySchemes } = document.components;
  const hooks = Object.entries(document.webhooks).map(([name, { post }]) => [
    h('h3', name),
    prose(post.description),
    bodies(post.requestBody.content, schemas),
  ]);
  return [
    h(
      'section',
      { id: 'problems' },
      h('h2', 'Problem codes'),
      prose(schemas.ProblemCode.description),
      h('div.card', whole(schemas.ProblemCode)),
    ),
    h(
      'section',
      { id: 'keys' },
      h('h2', 'API keys'),
      h(
        'div.card',
        table(
          'Ways to send a key',
          Object.entries(securitySchemes).map(([name, way]) => ({
            name,
            type: way.name ?? 'Authorization',
            text: h('p', line(way.description)),
          })),
        ),
      ),
    ),
    h('section', { id: 'webhooks' }, h('h2', 'Webhooks'), h('div.card.pad', hooks)),
    h(
      'section.group',
      { id: 'schemas' },
      h('h2', 'Schemas'),
      Object.entries(schemas).map(([name, schema]) => schemaPart(name, schema)),
    ),
  ];
}

function show(document) {
  const list = groups(document);
  const filter = h('input.input', {
    type: 'search',
    placeholder: 'Filter: a path, a field, a code',
    'aria-label': 'Filter calls and schemas',
    oninput: () => narrow(filter.value),
  });
  fill(contents, index(list, document.components.schemas, filter));
  fill(
    main,
    h('section', { id: 'introduction' }, h('h1', 'HTTP API'), prose(document.info.description)),
    list.map(([tag, calls]) =>
      h(
        'section.group',
        { id: anchor(tag.name), 'aria-label': tag.name },
        h('h2', tag.name),
        prose(tag.description),
        calls.map(([path, method, operation]) => operationPart(path, method, operation, document)),
      ),
    ),
    reference(document),
  );
  addEventListener('keydown', (e) => {
    if (e.key !== '/' || e.target.matches('input') || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    filter.focus();
  });
}

/** Opens what the address names, and goes there. */
function go() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (!target || target === main) return;
  if (target.matches('details')) {
    target.hidden = false;
    target.open = true;
    target.querySelector('summary').focus({ preventScroll: true });
  }
  target.scrollIntoView();
}

async function load() {
  try {
    const response = await fetch('/openapi.json');
    if (!response.ok) throw new Error(`The server says ${response.status}.`);
    show(await response.json());
    go();
  } catch (error) {
    fill(main, h('h1', 'HTTP API'), failure('The document could not be loaded.', error, load));
  }
}

addEventListener('hashchange', go);
load();
