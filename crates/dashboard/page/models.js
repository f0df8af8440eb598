// The models of a series: versions, aliases, promotion, the way back, export. And a point to be judged.

import { call, get, path, send } from './api.js';
import { ago, count, full, millis, number, perSecond, sentence, title, unitOf } from './format.js';
import {
  bdi,
  button,
  card,
  confirmIn,
  fill,
  h,
  icon,
  iconButton,
  severityIcon,
  toast,
} from './ui.js';
import { rangeText, strength } from './chart.js';

/** The card of models. `again(anchor)` fits anew. */
export class Models {
  constructor(id, { again, changed, signal }) {
    Object.assign(this, { id, again, changed, signal, etag: null, models: [], aliases: [] });
    this.node = h('div');
  }

  /** Loads them; whether there are any. */
  async load() {
    const reply = await call('GET', path`/v1/series/${this.id}/models`, {
      query: { limit: 100 },
      signal: this.signal,
    });
    this.etag = reply.headers.get('etag');
    this.models = (await reply.json()).models;
    this.aliases = (await get(path`/v1/series/${this.id}`, {}, { signal: this.signal })).aliases;
    this.draw();
    return this.models.length > 0;
  }

  get serving() {
    return this.models.find((model) => model.serving);
  }

  draw() {
    const previous = this.aliases.find((alias) => alias.name === 'champion')?.previous;
    const aside = h(
      'div.actions',
      previous &&
        button(`Roll back to ${previous}`, {
          small: true,
          icon: 'undo',
          onclick: (e) =>
            confirmIn(
              e.currentTarget,
              {
                title: `Roll back to ${previous}`,
                text: `${previous} judges from now on, in place of ${this.serving?.version ?? 'the present one'}. It can be undone in the same way.`,
                action: 'Roll back',
                danger: false,
              },
              () =>
                this.change(
                  'POST',
                  path`/v1/series/${this.id}/rollback`,
                  {},
                  `${previous} judges again.`,
                ),
            ),
        }),
      this.again &&
        button('Fit again', { small: true, onclick: (e) => this.again(e.currentTarget) }),
    );
    const head = ['Version', 'Detector', 'Fitted', 'Points', 'Took', 'Alias', ''].map((name, i) =>
      h(
        'th',
        { class: i === 3 || i === 4 ? 'num' : '', scope: 'col' },
        name || h('span.off-screen', 'Actions'),
      ),
    );
    const body = this.models.map((model) =>
      h(
        'tr',
        h('td', model.version),
        h('td', model.detector),
        h('td', { title: full(Date.parse(model.created_at)) }, ago(Date.parse(model.created_at))),
        h('td.num', count(model.points)),
        h('td.num', millis(model.fit_ms)),
        h(
          'td',
          model.aliases.map((alias) =>
            h('span.chip', { class: alias === 'champion' ? 'champion' : '' }, bdi(alias)),
          ),
          model.serving && !model.aliases.includes('champion') && h('span.chip.champion', 'serves'),
        ),
        h(
          'td.num',
          h(
            'div.actions',
            button('Promote', {
              kind: 'ghost',
              small: true,
              disabled: model.serving && model.aliases.includes('champion'),
              onclick: () => this.promote(model.version),
            }),
            iconButton('download', `Export ${model.version}`, {
              onclick: () => this.export(model.version),
            }),
          ),
        ),
      ),
    );
    fill(
      this.node,
      card(
        'Models',
        aside,
        h(
          'div.scroll',
          { tabindex: '0', role: 'region', 'aria-label': 'Table of models' },
          h('table', h('thead', h('tr', head)), h('tbody', body)),
        ),
      ),
    );
  }

  promote(version) {
    return this.change(
      'PUT',
      path`/v1/series/${this.id}/aliases/champion`,
      { version },
      `${version} is champion.`,
    );
  }

  /** Makes a change for what is shown; where it has changed meanwhile, says so and shows the new state. */
  async change(method, where, body, said) {
    try {
      await send(method, where, body, { headers: this.etag ? { 'if-match': this.etag } : {} });
      toast(said);
    } catch (error) {
      if (error.status !== 412) {
        toast(error.message);
        return;
      }
      await this.load();
      const champion =
        this.aliases.find((alias) => alias.name === 'champion')?.version ?? this.serving?.version;
      toast(
        champion
          ? `Nothing was changed: ${champion} became champion a moment ago.`
          : 'Nothing was changed: the series has changed a moment ago.',
      );
      return;
    }
    await this.load();
    this.changed();
  }

  async export(version) {
    try {
      const reply = await call('GET', path`/v1/series/${this.id}/models/${version}/export`);
      const url = URL.createObjectURL(await reply.blob());
      h('a', {
        href: url,
        download: `${this.id.replaceAll(/[^\w.-]/g, '_')}.${version}.json`,
      }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    } catch (error) {
      toast(error.message);
    }
  }
}

/** A point that is judged and not stored. `last` is the last timestamp of the series, whose unit the point has. */
export function judgeCard(id, last) {
  const unit = last === null ? 's' : unitOf(last);
  const answer = h('div.answer', { 'aria-live': 'polite' });
  const value = h('input.input', {
    id: 'value',
    inputmode: 'decimal',
    required: true,
    autocomplete: 'off',
    placeholder: '22.5',
  });
  const when = h('input.input', {
    id: 'when',
    inputmode: 'numeric',
    autocomplete: 'off',
    placeholder: unit ? 'now' : String(last + 1),
  });
  const form = h(
    'form.judge',
    {
      onsubmit: async (e) => {
        e.preventDefault();
        const point = {
          timestamp: when.value.trim()
            ? Number(when.value)
            : unit
              ? Math.floor((Date.now() / 1000) * perSecond(unit))
              : last + 1,
          value: Number(value.value.replace(',', '.')),
        };
        try {
          const verdict = await send('POST', path`/predict/${id}`, point);
          const limits = rangeText(verdict.lower ?? NaN, verdict.upper ?? NaN);
          fill(
            answer,
            severityIcon(verdict.anomaly ? verdict.severity : null, { label: true }),
            h(
              'div',
              h(
                `p.t-${verdict.severity}`,
                h(
                  'strong',
                  verdict.anomaly ? `${title(verdict.severity)}${strength(verdict)}` : 'Normal',
                ),
              ),
              h('p', bdi(sentence(verdict.reason))),
              h(
                'p.hint',
                `Judged by ${verdict.model_version}`,
                verdict.expected !== null && `, expected ${number(verdict.expected, 4)}`,
                limits && `, normal range ${limits}`,
                '.',
              ),
            ),
          );
        } catch (error) {
          fill(answer, icon('warning'), h('p', error.message));
        }
      },
    },
    h('div.field', h('label', { for: 'value' }, 'Value'), value),
    h(
      'div.field',
      h(
        'label',
        { for: 'when' },
        unit
          ? `Time, in ${{ s: 'seconds', ms: 'milliseconds', us: 'microseconds', ns: 'nanoseconds' }[unit]} since 1970`
          : 'Timestamp',
      ),
      when,
    ),
    h('button.button', { type: 'submit' }, 'Judge'),
  );
  return card('Judge a point', h('span', 'stores nothing'), h('div.pad', form, answer));
}
